//! One guarded client for all receivers.

use super::guard::{Guard, causes, refusal};
use crate::clock;
use chrono::DateTime;
use headroom_domain::Millis;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use std::sync::Arc;
use std::time::Duration;

/// A receiver answers within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// As much of an answer is read.
const READ: usize = 64 * 1024;
/// As much of an answer is kept, characters.
const KEPT: usize = 2_048;
/// A receiver is waited for at most so long because it says so.
pub const LONGEST_WAIT_MS: Millis = 15 * 60_000;

/// Sends requests to addresses that people typed in.
#[derive(Debug, Clone)]
pub struct Post {
    client: reqwest::Client,
    guard: Guard,
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The beginning of the body.
    pub body: String,
    /// When to come again, if it says so.
    pub retry_after_ms: Option<Millis>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The address is not called.
    Refused(String),
    /// It was called in vain.
    Network(String),
}

impl Post {
    /// A client.
    ///
    /// # Errors
    /// If the machine's certificates cannot be read.
    pub fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(guard))
            .timeout(PATIENCE)
            .user_agent(concat!("Headroom/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, guard })
    }

    /// Posts a body of JSON and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn json(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, NoAnswer> {
        let url = self
            .guard
            .address(url)
            .map_err(|refused| NoAnswer::Refused(format!("the address is not called, expected {refused}")))?;
        let request = self.client.post(url).headers(headers).header(CONTENT_TYPE, "application/json").body(body);
        let mut response = request.send().await.map_err(no_answer)?;
        let (status, retry_after_ms) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while body.len() < READ {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // The status is what counts; an answer that breaks off is judged by what came.
                Err(error) => {
                    tracing::debug!(error = %error.without_url(), "an answer broke off");
                    break;
                }
            }
        }
        body.truncate(READ);
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), retry_after_ms })
    }
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    if let Some(refused) = refusal(&error) {
        return NoAnswer::Refused(refused.to_string());
    }
    if error.is_timeout() {
        return NoAnswer::Network(format!("no answer within {} s", PATIENCE.as_secs()));
    }
    NoAnswer::Network(causes(error))
}

/// Text of somebody else as it is kept: bounded, on one line, without what the database does not take.
pub fn kept(text: &str) -> String {
    let clean: String = text.chars().take(KEPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.trim().to_owned()
}

/// When to come again: in so many seconds, or at a date.
fn retry_after(headers: &HeaderMap) -> Option<Millis> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok().map(|at| at.timestamp_millis());
    let said = text(RETRY_AFTER)?;
    let wait = match said.parse::<u32>() {
        Ok(seconds) => i64::from(seconds) * 1_000,
        // By the other's own clock, if it tells the time.
        Err(_) => date(said)? - text(DATE).and_then(date).unwrap_or_else(clock::now_ms),
    };
    Some(wait.clamp(0, LONGEST_WAIT_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_time_to_come_again_is_understood_and_bounded() {
        let wait = |said: &'static str| {
            let headers = HeaderMap::from_iter([
                (RETRY_AFTER, HeaderValue::from_static(said)),
                (DATE, HeaderValue::from_static("Thu, 26 Nov 2026 08:00:00 GMT")),
            ]);
            retry_after(&headers)
        };
        assert_eq!(wait("30"), Some(30_000));
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("86400"), Some(LONGEST_WAIT_MS));
        assert_eq!(wait("Thu, 26 Nov 2026 08:01:00 GMT"), Some(60_000));
        assert_eq!(wait("Thu, 26 Nov 2026 07:00:00 GMT"), Some(0));
        assert_eq!((wait("soon"), wait("-5"), wait("")), (None, None, None));
    }

    #[test]
    fn texts_of_others_are_kept_short_and_clean() {
        assert_eq!(kept("a\0b\nc"), "a b c");
        assert_eq!(kept(&"ä".repeat(5_000)).chars().count(), KEPT);
    }
}
