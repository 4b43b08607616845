//! One message to one receiver, and what its answer means.

use super::payload::{Told, alertmanager, email, pagerduty, slack, webhook};
use super::post::{Answer, NoAnswer, Post, kept};
use super::settings::{PAGERDUTY, text};
use crate::mail::Letter;
use crate::outward::Outward;
use headroom_domain::Millis;
use headroom_domain::alert::episode::Message;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::range::rfc3339;
use headroom_store::receiver::Receiver;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The same on every attempt, so that a receiver that got a message twice can tell.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Where bots of Slack write.
const SLACK_API: &str = "https://slack.com/api";
/// A mail server has taken a letter within this, so that a lease outlives it.
const MAIL_PATIENCE: Duration = Duration::from_secs(20);

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The receiver has it.
    Taken {
        /// HTTP status.
        status: Option<u16>,
        /// What it calls the message, to change it later.
        there: Option<Value>,
    },
    /// It does not, and may later.
    Again {
        /// HTTP status.
        status: Option<u16>,
        /// Why not.
        error: String,
        /// When to come again, if it says so.
        wait_ms: Option<Millis>,
    },
    /// It will not have it.
    Never {
        /// HTTP status.
        status: Option<u16>,
        /// Why not.
        error: String,
    },
}

impl Outcome {
    fn never(error: impl Into<String>) -> Self {
        Self::Never { status: None, error: error.into() }
    }
}

/// Sends messages.
#[derive(Debug, Clone)]
pub struct Sender {
    post: Post,
    outward: Arc<Outward>,
}

impl Sender {
    /// A sender.
    ///
    /// # Errors
    /// If the machine's certificates cannot be read.
    pub fn new(outward: Arc<Outward>) -> Result<Self, reqwest::Error> {
        Ok(Self { post: Post::new(outward.guard)?, outward })
    }

    /// Tells a receiver something at an instant. `there` is what it calls an earlier message about the same alert.
    pub async fn tell(&self, receiver: &Receiver, told: &Told, now: Millis, there: Option<&Value>) -> Outcome {
        let settings = &receiver.settings;
        let told = &told.reachable(|path| self.outward.address_of(path));
        match receiver.kind {
            Kind::AlertmanagerWebhook => {
                let body = alertmanager::webhook(told, &receiver.slug);
                self.plain(settings, text(settings, "url").unwrap_or_default(), &told.key, &body).await
            }
            Kind::PagerDuty => self.pagerduty(settings, told).await,
            Kind::Slack => self.slack(settings, told, there).await,
            Kind::Webhook | Kind::ScalingWebhook => self.webhook(settings, told, now).await,
            Kind::Email => self.letters(settings, told).await,
            Kind::Alertmanager => self.push(receiver, std::slice::from_ref(told), now).await,
            Kind::Watchdog => self.beat(receiver, now).await,
        }
    }

    /// Tells an Alertmanager how things are.
    pub async fn push(&self, receiver: &Receiver, all: &[Told], now: Millis) -> Outcome {
        let url = text(&receiver.settings, "url").unwrap_or_default();
        let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
        let key = format!("{}-{now}", receiver.slug);
        let all: Vec<Told> = all.iter().map(|told| told.reachable(|path| self.outward.address_of(path))).collect();
        self.plain(&receiver.settings, &url, &key, &alertmanager::push(&all, now)).await
    }

    /// Tells a watchdog that we are there.
    pub async fn beat(&self, receiver: &Receiver, now: Millis) -> Outcome {
        let url = text(&receiver.settings, "url").unwrap_or_default();
        let body = json!({ "from": "headroom", "status": "ok", "at": rfc3339(now) });
        self.plain(&receiver.settings, url, &format!("{}-{now}", receiver.slug), &body).await
    }

    /// To receivers of which nothing but a good status is expected.
    async fn plain(&self, settings: &Value, url: &str, key: &str, body: &Value) -> Outcome {
        let Some(headers) = headers(key, text(settings, "authorization")) else { return unusable() };
        let answer = self.post.json(url, headers, body.to_string().into_bytes()).await;
        judge(answer, |_| Ok(None))
    }

    /// Tells a program that scales something what was decided.
    pub async fn scaling(&self, receiver: &Receiver, key: &str, decision: &Value, now: Millis) -> Outcome {
        let body = webhook::scaling(key, decision, |path| self.outward.address_of(path));
        self.signed(&receiver.settings, key, &body, now).await
    }

    async fn webhook(&self, settings: &Value, told: &Told, now: Millis) -> Outcome {
        self.signed(settings, &told.key, &webhook::body(told), now).await
    }

    async fn signed(&self, settings: &Value, key: &str, body: &Value, now: Millis) -> Outcome {
        let body = body.to_string().into_bytes();
        let secret = text(settings, "secret").unwrap_or_default();
        let signature = webhook::signature(secret, now / 1_000, &body);
        let (Some(mut headers), Ok(signature)) = (headers(key, None), HeaderValue::try_from(signature)) else {
            return unusable();
        };
        headers.insert(HeaderName::from_static(webhook::SIGNATURE), signature);
        let answer = self.post.json(text(settings, "url").unwrap_or_default(), headers, body).await;
        judge(answer, |_| Ok(None))
    }

    async fn pagerduty(&self, settings: &Value, told: &Told) -> Outcome {
        let event = pagerduty::event(told, text(settings, "routing_key").unwrap_or_default());
        let Some(headers) = headers(&told.key, None) else { return unusable() };
        let url = text(settings, "url").unwrap_or(PAGERDUTY);
        let answer = self.post.json(url, headers, event.to_string().into_bytes()).await;
        judge(answer, |body| match serde_json::from_str::<Value>(body) {
            Ok(answer) if answer["status"] == "success" => Ok(None),
            _ => Err(Unclear::Nonsense),
        })
    }

    async fn slack(&self, settings: &Value, told: &Told, there: Option<&Value>) -> Outcome {
        let mut message = slack::message(told);
        let Some((token, channel)) = text(settings, "token").zip(text(settings, "channel")) else {
            let Some(headers) = headers(&told.key, None) else { return unusable() };
            let url = text(settings, "url").unwrap_or_default();
            let answer = self.post.json(url, headers, message.to_string().into_bytes()).await;
            // A hook of Slack says `ok`; a page that somebody else put there says something else.
            return judge(answer, |body| if body.trim() == "ok" { Ok(None) } else { Err(Unclear::Nonsense) });
        };
        let api = text(settings, "api_url").unwrap_or(SLACK_API).trim_end_matches('/');
        let Some(headers) = headers(&told.key, Some(&format!("Bearer {token}"))) else { return unusable() };
        // What only says how the alert stands changes the message that is there; what asks somebody is a new one.
        let is_change = told.notice.is_over()
            || matches!(told.notice.message, Message::Acknowledged | Message::Transferred | Message::Unacknowledged);
        if let Some(there) = there.filter(|_| is_change) {
            let mut change = message.clone();
            (change["channel"], change["ts"]) = (there["channel"].clone(), there["ts"].clone());
            let url = format!("{api}/chat.update");
            let answer = self.post.json(&url, headers.clone(), change.to_string().into_bytes()).await;
            match judge(answer, slack_answer) {
                // It cannot be changed any more: it is said anew.
                Outcome::Never { status: Some(200), error } => {
                    tracing::debug!(error, "a message in Slack was not changed");
                }
                outcome => return outcome,
            }
        }
        message["channel"] = channel.into();
        let url = format!("{api}/chat.postMessage");
        judge(self.post.json(&url, headers, message.to_string().into_bytes()).await, slack_answer)
    }

    async fn letters(&self, settings: &Value, told: &Told) -> Outcome {
        let Some(mail) = &self.outward.mail else {
            return Outcome::never("this server sends no mail: it was started without --smtp-url");
        };
        let email::Text { subject, text } = email::letter(told);
        let addresses = settings["to"].as_array().map(Vec::as_slice).unwrap_or_default();
        if addresses.is_empty() {
            return Outcome::never("there is no address of e-mail in its settings");
        }
        for (number, to) in addresses.iter().filter_map(Value::as_str).enumerate() {
            let letter =
                Letter { name: String::new(), to: to.to_owned(), subject: subject.clone(), text: text.clone() };
            let id = format!("<{}.{number}@headroom>", told.key);
            match tokio::time::timeout(MAIL_PATIENCE, mail.send_as(&letter, Some(id))).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.is_final => return Outcome::never(kept(&error.to_string())),
                Ok(Err(error)) => return again(None, kept(&error.to_string())),
                Err(_) => {
                    return again(None, format!("the mail server has not answered in {} s", MAIL_PATIENCE.as_secs()));
                }
            }
        }
        Outcome::Taken { status: None, there: None }
    }
}

fn again(status: Option<u16>, error: impl Into<String>) -> Outcome {
    Outcome::Again { status, error: error.into(), wait_ms: None }
}

fn unusable() -> Outcome {
    Outcome::never("its settings hold what no header can carry")
}

fn headers(key: &str, authorization: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).ok()?);
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::try_from(authorization).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

/// An answer that is good by its status only.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unclear {
    /// Nobody who knows the protocol says this.
    Nonsense,
    /// It was refused, for now.
    NotNow(String),
    /// It was refused.
    No(String),
}

/// What a bot of Slack is answered: a good status whatever it is.
fn slack_answer(body: &str) -> Result<Option<Value>, Unclear> {
    let Ok(answer) = serde_json::from_str::<Value>(body) else { return Err(Unclear::Nonsense) };
    match (answer["ok"].as_bool(), answer["error"].as_str()) {
        (Some(true), _) => Ok(Some(json!({ "channel": answer["channel"], "ts": answer["ts"] }))),
        (
            Some(false),
            Some(
                error @ ("ratelimited"
                | "rate_limited"
                | "internal_error"
                | "fatal_error"
                | "service_unavailable"
                | "request_timeout"
                | "team_added_to_org"),
            ),
        ) => Err(Unclear::NotNow(format!("Slack answered {error}"))),
        (Some(false), error) => Err(Unclear::No(format!("Slack answered {}", error.unwrap_or("no")))),
        (None, _) => Err(Unclear::Nonsense),
    }
}

/// What an answer means. `understood` reads the body of a good one.
fn judge(answer: Result<Answer, NoAnswer>, understood: impl FnOnce(&str) -> Result<Option<Value>, Unclear>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(NoAnswer::Refused(error)) => return Outcome::never(kept(&error)),
        Err(NoAnswer::Network(error)) => return again(None, kept(&error)),
    };
    let status = Some(answer.status);
    let said = |what: &str| match kept(&answer.body) {
        body if body.is_empty() => format!("{what} {}", answer.status),
        body => kept(&format!("{what} {}: {body}", answer.status)),
    };
    match answer.status {
        200..300 => match understood(&answer.body) {
            Ok(there) => Outcome::Taken { status, there },
            Err(Unclear::Nonsense) => again(status, said("not an answer of this kind of receiver, status")),
            Err(Unclear::NotNow(error)) => Outcome::Again { status, error, wait_ms: answer.retry_after_ms },
            Err(Unclear::No(error)) => Outcome::Never { status, error },
        },
        408 | 425 | 429 | 500.. => Outcome::Again { status, error: said("answered"), wait_ms: answer.retry_after_ms },
        400..500 => Outcome::Never { status, error: said("answered") },
        // A redirect is not followed, and whoever answers so may have been put in between for a while.
        _ => again(status, said("no answer to a message, status")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Outcome {
        judge(Ok(Answer { status, body: body.into(), retry_after_ms: Some(7_000) }), |_| Ok(None))
    }

    #[test]
    fn statuses_decide_what_becomes_of_a_message() {
        for status in [200, 201, 202, 204] {
            assert!(matches!(judged(status, ""), Outcome::Taken { .. }), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 599] {
            assert!(matches!(judged(status, "x"), Outcome::Again { wait_ms: Some(7_000), .. }), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 410, 422, 451] {
            assert!(matches!(judged(status, "x"), Outcome::Never { .. }), "{status}");
        }
        for status in [301, 302, 307, 304] {
            let Outcome::Again { error, wait_ms: None, .. } = judged(status, "<html>") else { panic!("{status}") };
            assert_eq!(error, format!("no answer to a message, status {status}: <html>"));
        }
        assert!(matches!(judge(Err(NoAnswer::Network("no".into())), |_| Ok(None)), Outcome::Again { .. }));
        assert!(matches!(judge(Err(NoAnswer::Refused("no".into())), |_| Ok(None)), Outcome::Never { .. }));
    }

    #[test]
    fn slack_is_read_beyond_its_status() {
        let judged =
            |body: &str| judge(Ok(Answer { status: 200, body: body.into(), retry_after_ms: None }), slack_answer);
        let there = json!({ "channel": "C1", "ts": "1.2" });
        assert_eq!(
            judged(r#"{"ok":true,"channel":"C1","ts":"1.2","message":{}}"#),
            Outcome::Taken { status: Some(200), there: Some(there) }
        );
        assert!(matches!(judged(r#"{"ok":false,"error":"ratelimited"}"#), Outcome::Again { .. }));
        assert!(matches!(judged(r#"{"ok":false,"error":"channel_not_found"}"#), Outcome::Never { .. }));
        assert!(matches!(judged("<html>captive portal"), Outcome::Again { .. }));
    }
}
