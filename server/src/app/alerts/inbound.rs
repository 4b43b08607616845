//! What PagerDuty tells about incidents of ours: somebody there acknowledged one, or resolved it. It is done here by the same
//! rules as if it had been done here.

use super::super::{App, AppError, Result};
use super::deeds::{Deed, Wish};
use crate::notify::payload::pagerduty::incident_key;
use headroom_domain::alert::episode::Person;
use headroom_domain::alert::notice::WHOLE;
use headroom_domain::alert::receiver::Kind;
use headroom_store::alert::{self, Event, Wanted};
use headroom_store::receiver;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

/// Alerts that are looked through for an incident.
const MOST: i64 = 10_000;
/// Longest name of somebody there.
const NAME_CHARS: usize = 120;

#[derive(Debug, Deserialize)]
struct Envelope {
    event: Told,
}

#[derive(Debug, Deserialize)]
struct Told {
    event_type: String,
    #[serde(default)]
    agent: Option<Agent>,
    #[serde(default)]
    data: Incident,
}

#[derive(Debug, Deserialize)]
struct Agent {
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Incident {
    #[serde(default)]
    incident_key: Option<String>,
}

/// Whether one of the signatures of a header is that of a body: `v1=<hex>, v1=<hex>`, several while a secret is changed.
fn is_signed(secret: &str, header: &str, body: &[u8]) -> bool {
    header.split(',').filter_map(|part| part.trim().strip_prefix("v1=")).take(10).any(|hex| {
        let Some(bytes) = unhex(hex) else { return false };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
        mac.update(body);
        mac.verify_slice(&bytes).is_ok()
    })
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| (0..32).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect())
}

impl App {
    /// Takes what PagerDuty tells, if it proves that it is the one of a receiver. What is no business of ours is passed over.
    pub async fn pagerduty_tells(&self, slug: &str, signature: &str, body: &[u8]) -> Result<()> {
        let mut conn = self.db.pages.acquire().await?;
        let receiver =
            receiver::by_slug(&mut conn, slug).await?.filter(|one| one.kind == Kind::PagerDuty && one.enabled);
        let secret = receiver.as_ref().and_then(|one| one.settings.get("webhook_secret")?.as_str().map(str::to_owned));
        // Whether there is such a receiver is not told to whoever cannot sign.
        if !secret.is_some_and(|secret| is_signed(&secret, signature, body)) {
            let expected = "a signature of the body by the webhook_secret of a receiver of that name";
            return Err(AppError::invalid("X-PagerDuty-Signature", "", expected));
        }
        let told: Envelope = serde_json::from_slice(body)
            .map_err(|error| AppError::invalid("body", "", format!("an event of PagerDuty: {error}")))?;
        let deed = match told.event.event_type.as_str() {
            "incident.acknowledged" => Deed::Acknowledge,
            "incident.unacknowledged" => Deed::GiveBack,
            "incident.resolved" => Deed::Resolve,
            _ => return Ok(()),
        };
        let Some(key) = told.event.data.incident_key else { return Ok(()) };
        let context = self.alert_context(&mut conn).await?;
        let open = alert::list(&mut conn, &Wanted { open: Some(true), limit: MOST, ..Wanted::default() }).await?;
        let found = open.into_iter().find(|row| {
            let (pool, tenant) = (context.pool_slug(row.pool), context.tenant_slug(row.tenant));
            let tenant = if row.tenant == 0 { WHOLE } else { tenant };
            incident_key(&format!("{}|{pool}|{tenant}", row.rule), row.alert.episode) == key
        });
        let Some(row) = found else { return Ok(()) };
        drop(conn);
        let name = told.event.agent.and_then(|agent| agent.summary).unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        let name = if name.trim().is_empty() { "PagerDuty".to_owned() } else { format!("{name} (PagerDuty)") };
        let who = Person { id: format!("pagerduty:{name}"), name };
        let note = if deed == Deed::Resolve { "resolved in PagerDuty" } else { "" };
        let wish = Wish { deed, seen: Some(row.alert.version), note: note.to_owned(), key: None };
        match self.answer_as(row.id, &wish, &who).await {
            Ok(_) => Ok(()),
            Err(AppError::Answered { refusal, version }) => {
                // It says so in the timeline, and changes nothing.
                let what = if refusal.code() == "already_acknowledged" { "ack-duplicate" } else { "not-done" };
                let event = Event {
                    id: 0,
                    alert: row.id,
                    at: context.now,
                    what: what.to_owned(),
                    who: Some(who),
                    note: refusal.to_string(),
                    version,
                    detail: serde_json::json!({ "source": "pagerduty", "deed": deed.as_str() }),
                };
                alert::log(&mut *self.db.pages.acquire().await?, &[event]).await?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_signed_is_believed() {
        // printf '{"event":{}}' | openssl dgst -sha256 -hmac 'whsec_0123456789'
        let body = br#"{"event":{}}"#;
        let hex = "6dc8da321948b0dc03c769b9e1cddebb30b3988953b53ed73581252d84164b41";
        assert!(is_signed("whsec_0123456789", &format!("v1={hex}"), body));
        assert!(is_signed("whsec_0123456789", &format!("v1={}, v1={hex}", "0".repeat(64)), body), "one of several");
        for (header, body) in [
            (format!("v1={hex}"), br#"{"event":{ }}"#.as_slice()),
            (format!("v2={hex}"), body.as_slice()),
            (hex.to_owned(), body),
            ("v1=".to_owned(), body),
            (format!("v1={}é", &hex[..62]), body),
            (String::new(), body),
        ] {
            assert!(!is_signed("whsec_0123456789", &header, body), "{header}");
        }
        assert!(!is_signed("another", &format!("v1={hex}"), body));
    }
}
