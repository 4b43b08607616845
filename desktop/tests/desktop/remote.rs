//! A server as seen from outside: started by a test, or asked beside a window.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::blocking::Client;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::Value;

use crate::app::server;
use crate::screen::{Screen, log};

/// A server of a test's own. Dropping it kills it, and its PostgreSQL ends by itself.
pub(crate) struct Remote {
    child: Child,
    pub(crate) url: String,
    pub(crate) code: Option<String>,
}

impl Remote {
    /// Starts `headroom serve` with its data below the test's folder.
    pub(crate) fn start(screen: &Screen, listen: &str, further: &[&str]) -> Self {
        let mut command = screen.command(server());
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(screen.folder().join("remote"))
            .args(["--listen", listen])
            .args(further);
        command.stdout(Stdio::piped()).stderr(log(&screen.folder().join("remote.log")));
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("headroom listening on ").map(str::to_owned));
        let url =
            url.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(screen.folder().join("remote.log")).unwrap()));
        // Only a server without an account has a code to print.
        let is_new = !screen.folder().join("remote.set-up").exists();
        let code = if is_new {
            lines.find_map(|line| line.split_once("one-time code ").map(|(_, code)| code.trim().to_owned()))
        } else {
            None
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, code }
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who asks the API, beside the window.
pub(crate) struct Asker {
    client: Client,
    url: String,
    cookie: String,
}

impl Asker {
    /// Sends a form as a browser does, and keeps the session.
    pub(crate) fn post(url: &str, path: &str, fields: &[(&str, &str)]) -> Self {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        let page = client.get(format!("{url}{path}")).send().unwrap();
        let form = cookies(&page);
        let page = page.text().unwrap();
        let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0;
        let mut fields = fields.to_vec();
        fields.push(("csrf", csrf));
        let answer = client.post(format!("{url}{path}")).header(COOKIE, form).form(&fields).send().unwrap();
        assert_eq!(answer.status(), 303, "{path}");
        let cookie = cookies(&answer);
        Self { client, url: url.to_owned(), cookie }
    }

    /// The demo's administrator.
    pub(crate) fn of_the_demo(url: &str) -> Self {
        Self::post(url, "/login", &[("email", "admin@demo.example"), ("password", "demo-headroom")])
    }

    /// Asks; the answer is JSON.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).send().unwrap().json().unwrap()
    }

    /// Tells of an hour in which half of a pool's claims were late: somebody has to be woken.
    pub(crate) fn late_claims(&self, pool: &str) {
        let overview = self.text("/overview");
        let csrf = overview.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0;
        let now = self.get("/api/v1/alerts")["at"].as_str().unwrap().to_owned();
        let minutes = minutes_before(&now);
        let slices: Vec<Value> = minutes
            .iter()
            .map(|at| serde_json::json!({"pool": pool, "sli": "latency", "at": at, "bad": 500, "total": 1000}))
            .collect();
        let answer = self
            .client
            .post(format!("{}/api/v1/slices", self.url))
            .header(COOKIE, &self.cookie)
            .header("x-csrf-token", csrf)
            .json(&serde_json::json!({"source": "test", "slices": slices}))
            .send()
            .unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().unwrap());
    }

    fn text(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).send().unwrap().text().unwrap()
    }
}

fn cookies(response: &reqwest::blocking::Response) -> String {
    let all = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()?.split(';').next());
    all.collect::<Vec<_>>().join("; ")
}

/// The last 50 whole minutes before an instant in RFC 3339 of UTC.
fn minutes_before(at: &str) -> Vec<String> {
    const HOUR: u32 = 60;
    let (day, time) = at.split_once('T').unwrap();
    let (hour, minute): (u32, u32) = (time[..2].parse().unwrap(), time[3..5].parse().unwrap());
    let now = hour * HOUR + minute;
    // In the hour after midnight some are of the day before; one zone to the east all are of one day.
    let (now, zone) = if now < HOUR { (now + HOUR, "+01:00") } else { (now, "Z") };
    (now - 49..=now).map(|minute| format!("{day}T{:02}:{:02}:00{zone}", minute / HOUR, minute % HOUR)).collect()
}

#[test]
fn fifty_minutes_are_sent_at_any_time_of_the_day() {
    for (at, first, last) in [
        ("2026-11-27T00:00:30Z", "2026-11-27T00:11:00+01:00", "2026-11-27T01:00:00+01:00"),
        ("2026-11-27T00:59:59Z", "2026-11-27T01:10:00+01:00", "2026-11-27T01:59:00+01:00"),
        ("2026-11-27T01:00:00Z", "2026-11-27T00:11:00Z", "2026-11-27T01:00:00Z"),
        ("2026-11-27T23:59:00Z", "2026-11-27T23:10:00Z", "2026-11-27T23:59:00Z"),
    ] {
        let minutes = minutes_before(at);
        assert_eq!((minutes.len(), minutes[0].as_str(), minutes[49].as_str()), (50, first, last), "{at}");
    }
}

/// A certificate that nobody trusts, with its key.
pub(crate) fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate.to_string_lossy().into_owned(), key.to_string_lossy().into_owned())
}
