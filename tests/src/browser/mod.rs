//! A real browser: headless Chromium with everything a page can be looked at with.

mod axe;
mod driver;
mod emulate;
mod trace;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::people;
use crate::workspace::target;
pub use axe::Violation;
use driver::Driver;
pub use emulate::{Scheme, Vision};
pub use trace::Trace;

/// How long a page may take to load, and its islands to wake up, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// One browser with one tab and an empty profile. Call [`Browser::close`] at the end; a dropped one takes its driver along.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Starts a driver and a browser.
    pub async fn start() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("headroom-browser-").tempdir()?;
        let driver = Driver::start(profile.path())?;
        let Value::Object(capabilities) = capabilities(&profile)? else { bail!("capabilities are an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(driver.url())
            .await
            .context("the browser does not start")?;
        let browser = Self { client, _driver: driver, _profile: profile };
        // A scrollbar would take part of the width that a test asks for.
        browser.cdp("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await?;
        Ok(browser)
    }

    /// Ends the browser.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.close().await?)
    }

    /// The WebDriver client, for finding, clicking and typing.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Loads a page and waits for its `load` event.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client.goto(url).await.with_context(|| format!("cannot open {url}"))
    }

    /// Takes the session away again.
    pub async fn sign_out(&self, service: &str) -> Result<()> {
        let (name, _) = people::cookie();
        self.cdp("Network.deleteCookies", json!({ "name": name, "url": service })).await?;
        Ok(())
    }

    /// Gives it the session of the administrator of [`people`] at a service.
    pub async fn sign_in(&self, service: &str) -> Result<()> {
        let (name, value) = people::cookie();
        let cookie = json!({ "name": name, "value": value, "url": service, "httpOnly": true, "sameSite": "Lax" });
        self.cdp("Network.setCookie", cookie).await?;
        Ok(())
    }

    /// Waits until the islands of the page are awake: the page says so itself.
    pub async fn wait_until_awake(&self) -> Result<()> {
        self.wait_for("document.documentElement.dataset.ready !== undefined", "the islands to wake up").await
    }

    /// Waits until a condition in the page holds.
    pub async fn wait_for(&self, condition: &str, what: &str) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.evaluate::<bool>(&format!("return Boolean({condition})")).await? {
            if tokio::time::Instant::now() > deadline {
                bail!("waited {PATIENCE:?} for {what}, in vain; the console says: {:?}", self.console().await?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Runs a function body in the page and returns what it returns.
    pub async fn evaluate<T: DeserializeOwned>(&self, body: &str) -> Result<T> {
        self.evaluate_with(body, Vec::new()).await
    }

    /// The same with `arguments`.
    pub async fn evaluate_with<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> Result<T> {
        let value = self.client.execute(body, arguments).await.context("a script failed in the page")?;
        serde_json::from_value(value).context("a script returned something else than expected")
    }

    /// Runs a script in every page that is opened from now on, before the page's own.
    pub async fn before_every_page(&self, script: &str) -> Result<()> {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await?;
        Ok(())
    }

    /// What the console got since the last call: errors and warnings, those of the network and of the policies included.
    pub async fn console(&self) -> Result<Vec<String>> {
        let log = self.client.issue_cmd(Post { path: "se/log", body: json!({ "type": "browser" }) }).await?;
        let entries = log.as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        Ok(entries
            .iter()
            .filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")))
            .map(|entry| format!("{}: {}", text(entry, "level"), text(entry, "message")))
            .collect())
    }

    /// Begins to record what the browser does.
    pub async fn trace(&self, categories: &[&str]) -> Result<Trace> {
        let capabilities = self.client.capabilities().context("the browser says what it is")?;
        let options = capabilities.get("goog:chromeOptions").context("it is Chromium")?;
        let address = options["debuggerAddress"].as_str().context("it names its address")?;
        Trace::start(address, categories).await
    }

    /// Answers what a page would have to ask for, for example `clipboard-read`: `granted` or `denied`.
    pub async fn permission(&self, name: &str, state: &str) -> Result<()> {
        let body = json!({ "descriptor": { "name": name }, "state": state });
        self.client.issue_cmd(Post { path: "permissions", body }).await?;
        Ok(())
    }

    /// Saves what the window shows as `target/screenshots/<name>.png`.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let folder = target().join("screenshots");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, self.client.screenshot().await?)?;
        Ok(path)
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        let sent = self.client.issue_cmd(Post { path: "goog/cdp/execute", body }).await;
        sent.map_err(|error: CmdError| anyhow::Error::new(error).context(format!("the browser refuses {command}")))
    }
}

fn capabilities(profile: &TempDir) -> Result<Value> {
    let profile = profile.path().to_str().context("the profile's path is UTF-8")?;
    let mut arguments = vec![
        "--headless".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--no-first-run".to_owned(),
        // Tests talk to nobody but the service under test.
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        // Containers have a small /dev/shm.
        "--disable-dev-shm-usage".to_owned(),
        "--force-color-profile=srgb".to_owned(),
        "--lang=en-GB".to_owned(),
        format!("--user-data-dir={profile}"),
    ];
    if nix::unistd::geteuid().is_root() {
        // Chromium's sandbox refuses root.
        arguments.push("--no-sandbox".to_owned());
    }
    Ok(json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "script": 60_000, "pageLoad": 60_000 },
    }))
}

/// A command of the driver beyond the standard: `POST session/{id}/{path}`.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
