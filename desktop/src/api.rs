//! What is asked of the server beside its pages: open pages, acknowledging one, the three numbers of the tray.

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::COOKIE;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::session::Session;

/// How the list of sessions names this program.
pub(crate) const AGENT: &str = concat!("Headroom for the desktop ", env!("CARGO_PKG_VERSION"));
/// An answer is given within this.
const PATIENCE: Duration = Duration::from_secs(20);
/// A stream is followed this long, then opened again: so a connection that died silently is noticed.
const FOLLOW: Duration = Duration::from_mins(1);
/// Longest line of a stream.
const MAX_LINE: usize = 64 * 1024;
/// Most bytes of an answer that are read.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// An open alert, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Alert {
    /// Its number.
    pub(crate) id: i64,
    /// Which version of it this is.
    pub(crate) version: u64,
    /// Which time it happens.
    pub(crate) episode: u32,
    /// How often it came back in this episode.
    pub(crate) reopened: u32,
    /// The rule as people call it.
    pub(crate) title: String,
    /// What, how much of how much.
    pub(crate) text: String,
    /// The pool's slug.
    pub(crate) pool: Option<String>,
    /// `firing`, `acknowledged`, ...
    pub(crate) state: String,
    /// `page` or `ticket`.
    pub(crate) severity: String,
    /// Of a rule that is only tried.
    pub(crate) dry_run: bool,
}

/// Open alerts, and when that was so.
#[derive(Debug, Deserialize)]
pub(crate) struct Alerts {
    /// RFC 3339, by the server's clock.
    pub(crate) at: String,
    /// Number of the newest event of any alert.
    pub(crate) version: i64,
    /// Whether whoever asks may acknowledge pages. Older servers do not say; they refuse.
    #[serde(default = "yes")]
    pub(crate) may_answer: bool,
    /// The newest first.
    #[serde(rename = "alerts")]
    pub(crate) open: Vec<Alert>,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) occupancy: Option<f64>,
    #[serde(default)]
    pub(crate) stale: bool,
    #[serde(default)]
    pub(crate) archived_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Overview {
    pub(crate) currency: String,
    pub(crate) reservation_waste: Option<f64>,
    pub(crate) waste_micros: Option<i64>,
}

/// The part of a problem that people read.
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

#[derive(Debug, Deserialize)]
struct FieldProblem {
    field: String,
    expected: String,
}

/// Nobody is signed in, or not any more.
#[derive(Debug)]
pub(crate) struct SignedOut;

impl std::fmt::Display for SignedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody is signed in")
    }
}

impl std::error::Error for SignedOut {}

/// A server, asked in somebody's name.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    address: Address,
    session: Session,
}

/// A client that follows no redirect: an answer from elsewhere is no answer.
pub(crate) fn client() -> Result<Client> {
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).user_agent(AGENT);
    client.build().context("cannot make a client of HTTP")
}

/// The same for streams.
pub(crate) fn stream_client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(AGENT);
    client.build().context("cannot make a client of HTTP")
}

impl Api {
    /// A server in the name of a session.
    pub(crate) fn new(client: Client, address: Address, session: Session) -> Self {
        Self { client, address, session }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.address.at(path)).header(COOKIE, self.session.header())
    }

    /// Pages that are open.
    pub(crate) fn open_pages(&self) -> Result<Alerts> {
        read(self.get("/api/v1/alerts?state=open&lane=page&limit=1000").send()?)
    }

    /// Pools as they are now.
    pub(crate) fn pools(&self) -> Result<Vec<Pool>> {
        read(self.get("/api/v1/pools").send()?)
    }

    /// The overview since an instant.
    pub(crate) fn overview(&self, from: &str) -> Result<Overview> {
        read(self.get("/api/v1/overview").query(&[("from", from), ("to", "now"), ("cmp", "none")]).send()?)
    }

    /// Waits until something happened to an alert after the event `seen`, or it is time to look anyway. Dropped, it lets go of the
    /// server at once, which would otherwise wait for it when it ends.
    pub(crate) async fn wait(&self, client: &reqwest::Client, seen: i64) -> Result<()> {
        let request = client.get(self.address.at("/api/v1/alerts/stream")).header(COOKIE, self.session.header());
        let mut response = request.timeout(FOLLOW).send().await?;
        check(response.status())?;
        let mut line = Vec::new();
        // A minute of following ends in an error of reading.
        while let Ok(Some(chunk)) = response.chunk().await {
            for byte in chunk {
                if byte != b'\n' {
                    line.push(byte);
                    ensure!(line.len() <= MAX_LINE, "the stream of alerts has a line of more than {MAX_LINE} bytes");
                    continue;
                }
                // The first event says how it is now, which may be what was read just before.
                if newest(&String::from_utf8_lossy(&line)).is_some_and(|newest| newest != seen) {
                    return Ok(());
                }
                line.clear();
            }
        }
        Ok(())
    }

    /// Acknowledges an alert as it was seen. Asked twice, it is done once.
    pub(crate) fn acknowledge(&self, id: i64, version: u64) -> Result<()> {
        let body =
            serde_json::json!({ "expected_version": version, "idempotency_key": format!("desktop-{id}-{version}") });
        let request = self
            .client
            .post(self.address.at(&format!("/api/v1/alerts/{id}/ack")))
            .header(COOKIE, self.session.header())
            .header("x-csrf-token", self.csrf()?)
            .json(&body);
        let response = request.send()?;
        check_signed_in(response.status())?;
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status();
        let problem: Problem =
            parse(response).with_context(|| format!("the server answered {status} and did not say why"))?;
        Err(anyhow!(problem.sentence()))
    }

    /// What proves that a page of ours asks; every page has it in its forms.
    fn csrf(&self) -> Result<String> {
        let response = self.get("/help").send()?;
        check(response.status())?;
        csrf_of(&text(response)?).context("the server's page has no token for forms")
    }
}

impl Problem {
    fn sentence(self) -> String {
        let fields: Vec<String> =
            self.errors.into_iter().map(|error| format!("{}: expected {}", error.field, error.expected)).collect();
        if fields.is_empty() { self.detail } else { format!("{} ({})", self.detail, fields.join("; ")) }
    }
}

/// The value of the hidden field of a page's forms.
pub(crate) fn csrf_of(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"")?;
    let (value, _) = rest.split_once('"')?;
    let is_plain = !value.is_empty()
        && value.len() <= 200
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_plain.then(|| value.to_owned())
}

/// The number of the newest event of any alert, where a line of the stream says it.
fn newest(line: &str) -> Option<i64> {
    line.strip_prefix("id:")?.trim().parse().ok()
}

fn check_signed_in(status: StatusCode) -> Result<()> {
    // A page's refusal is a way to the page on which one signs in.
    if status == StatusCode::UNAUTHORIZED || status.is_redirection() {
        bail!(SignedOut);
    }
    Ok(())
}

fn check(status: StatusCode) -> Result<()> {
    check_signed_in(status)?;
    ensure!(status.is_success(), "the server answered {status}");
    Ok(())
}

fn text(response: Response) -> Result<String> {
    let mut text = String::new();
    response.take(MAX_ANSWER).read_to_string(&mut text)?;
    Ok(text)
}

fn parse<T: DeserializeOwned>(response: Response) -> Result<T> {
    Ok(serde_json::from_str(&text(response)?)?)
}

fn read<T: DeserializeOwned>(response: Response) -> Result<T> {
    check(response.status())?;
    parse(response).context("the server's answer is not as expected; is it of another version?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_forms_is_found() {
        let page = r#"<form><input type="hidden" name="csrf" value="abc-12_3"/></form>"#;
        assert_eq!(csrf_of(page).as_deref(), Some("abc-12_3"));
        for none in ["", "name=\"csrf\" value=\"", "name=\"csrf\" value=\"\"", "name=\"csrf\" value=\"a\r\nb\""] {
            assert_eq!(csrf_of(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_stream_is_understood() {
        assert_eq!(newest("id: 42"), Some(42));
        assert_eq!(newest("id:42"), Some(42));
        for other in ["event: alerts", "data: {\"version\":42}", "", ":", "id: x"] {
            assert_eq!(newest(other), None, "{other}");
        }
    }

    #[test]
    fn a_refusal_is_a_sentence() {
        let problem: Problem = serde_json::from_str(
            r#"{"detail": "already acknowledged by Otto", "errors": [], "type": "x", "title": "y", "status": 409}"#,
        )
        .unwrap();
        assert_eq!(problem.sentence(), "already acknowledged by Otto");
        let problem: Problem = serde_json::from_str(
            r#"{"detail": "no", "errors": [{"field": "note", "found": "", "expected": "a note"}]}"#,
        )
        .unwrap();
        assert_eq!(problem.sentence(), "no (note: expected a note)");
        assert!(check(StatusCode::SEE_OTHER).unwrap_err().is::<SignedOut>());
        assert!(check(StatusCode::UNAUTHORIZED).unwrap_err().is::<SignedOut>());
        assert!(!check(StatusCode::BAD_GATEWAY).unwrap_err().is::<SignedOut>());
    }
}
