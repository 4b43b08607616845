//! Events for PagerDuty (Events API v2).

use super::{Told, cut, rate};
use headroom_domain::alert::episode::Message;
use headroom_domain::alert::notice::{Notice, WHOLE};
use headroom_domain::alert::window::Lane;
use headroom_domain::range::rfc3339;
use headroom_store::notification::sha256_hex;
use serde_json::{Map, Value, json};

/// Longest summary, characters.
const SUMMARY: usize = 1_024;
/// Largest event, bytes of JSON.
const EVENT: usize = 512 * 1024;
/// Of them, kept for everything but the details.
const REST: usize = 16 * 1024;
/// Longest text of the other members, characters.
const MEMBER: usize = 1_024;

/// What PagerDuty knows an episode of an alert by.
fn dedup_key(notice: &Notice) -> String {
    incident_key(&notice.key(), notice.episode)
}

/// The same of what tells an alert from others over all its episodes, and of which episode it is.
pub fn incident_key(key: &str, episode: u32) -> String {
    let hash = sha256_hex(&format!("{key}|{episode}"));
    format!("hr1:{}", &hash[..40])
}

/// What becomes of the incident.
const fn action(message: Message) -> &'static str {
    match message {
        Message::Acknowledged | Message::Transferred => "acknowledge",
        Message::Resolved | Message::PageOver => "resolve",
        Message::Firing
        | Message::Upgraded
        | Message::Reopened
        | Message::Flapping
        | Message::Unacknowledged
        | Message::Reminder
        | Message::SnoozeEnded
        | Message::Escalated
        | Message::Exhausted
        | Message::SilenceEnded => "trigger",
    }
}

const fn severity(notice: &Notice) -> &'static str {
    match (notice.severity, notice.critical) {
        (Lane::Page, true) => "critical",
        (Lane::Page, false) => "error",
        (Lane::Ticket, _) => "warning",
    }
}

/// A list or text of the details, cut so that all of them have room.
fn details(told: &Told) -> Value {
    let notice = &told.notice;
    let mut all = Map::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            all.insert(name.to_owned(), value.into());
        }
    };
    put("message", told.headline());
    put("details", notice.details.clone());
    put("remarks", told.remarks().join("; "));
    put("rule", notice.title.clone());
    put("owner", notice.owner.clone());
    put("tier", notice.tier.clone());
    put("episode", notice.episode.to_string());
    put("version", notice.version.to_string());
    put("burn_long", notice.burn_long.map(rate).unwrap_or_default());
    put("burn_short", notice.burn_short.map(rate).unwrap_or_default());
    put("inhibited", notice.inhibited.join(", "));
    let mut details = Value::Object(all);
    shorten(&mut details, EVENT - REST);
    details
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Halves the longest text until the whole is small enough, and says that it did.
fn shorten(details: &mut Value, most: usize) {
    while size(details) > most {
        let Some(all) = details.as_object_mut() else { return };
        let longest = all.iter_mut().max_by_key(|(_, text)| text.as_str().map_or(0, str::len));
        let Some((_, Value::String(text))) = longest else { return };
        *text = cut(text, text.chars().count() / 2);
        all.insert("truncated".into(), true.into());
    }
}

/// An event.
pub fn event(told: &Told, routing_key: &str) -> Value {
    let notice = &told.notice;
    let action = action(notice.message);
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(notice),
        "client": "Headroom",
        "client_url": cut(&notice.url, MEMBER),
    });
    if action != "trigger" {
        return event;
    }
    let summary = match (told.is_test, told.late) {
        (true, _) => format!("Test: {}", notice.summary),
        (_, true) => format!("Late: {}", notice.summary),
        _ => notice.summary.clone(),
    };
    if !notice.runbook_url.is_empty() {
        event["links"] = json!([{ "href": cut(&notice.runbook_url, MEMBER), "text": "Runbook" }]);
    }
    let component = if notice.pool == WHOLE { "headroom" } else { &notice.pool };
    event["payload"] = json!({
        "summary": cut(&summary, SUMMARY),
        "source": cut(&if notice.pool == WHOLE { "headroom".to_owned() } else { format!("headroom/{}", notice.pool) }, MEMBER),
        "severity": severity(notice),
        "timestamp": rfc3339(notice.fired_ms),
        "component": cut(component, MEMBER),
        "group": cut(&format!("tenant {}", notice.tenant), MEMBER),
        "class": notice.rule.replace('-', "_"),
        "custom_details": details(told),
    });
    event
}

#[cfg(test)]
mod tests {
    use super::super::sample::told;
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn an_incident_is_opened() {
        let event = event(&told(Message::Firing), KEY);
        let hash = sha256_hex("saturation-burn|pool-a|*|3");
        assert_eq!(event["dedup_key"], format!("hr1:{}", &hash[..40]));
        assert_eq!(event["dedup_key"].as_str().map(str::len), Some(44));
        assert_eq!(
            (&event["routing_key"], &event["event_action"], &event["client"]),
            (&json!(KEY), &json!("trigger"), &json!("Headroom"))
        );
        assert_eq!(event["links"], json!([{ "href": "https://runbooks/slots/saturation", "text": "Runbook" }]));
        let payload = &event["payload"];
        assert_eq!(payload["source"], "headroom/pool-a");
        assert_eq!(payload["component"], "pool-a");
        assert_eq!(payload["group"], "tenant *");
        assert_eq!(payload["class"], "saturation_burn");
        assert_eq!(payload["timestamp"], "2026-11-21T08:25:00Z");
        assert_eq!(payload["custom_details"]["details"], "free 0/400, top tenant t7 61%, inhibited: t3,t9");
    }

    #[test]
    fn what_becomes_of_it_follows_the_message() {
        let dedup = event(&told(Message::Firing), KEY)["dedup_key"].clone();
        for (message, action) in [
            (Message::Upgraded, "trigger"),
            (Message::Acknowledged, "acknowledge"),
            (Message::Unacknowledged, "trigger"),
            (Message::PageOver, "resolve"),
            (Message::Resolved, "resolve"),
        ] {
            let event = event(&told(message), KEY);
            assert_eq!((&event["event_action"], &event["dedup_key"]), (&json!(action), &dedup), "{message}");
            assert_eq!(event.get("payload").is_some(), action == "trigger", "{message}");
        }
        let mut next = told(Message::Firing);
        next.notice.episode = 4;
        assert_ne!(event(&next, KEY)["dedup_key"], dedup, "another episode is another incident");
    }

    #[test]
    fn severities_are_three() {
        for (lane, critical, expected) in [
            (Lane::Page, true, "critical"),
            (Lane::Page, false, "error"),
            (Lane::Ticket, true, "warning"),
            (Lane::Ticket, false, "warning"),
        ] {
            let mut told = told(Message::Firing);
            (told.notice.severity, told.notice.critical) = (lane, critical);
            assert_eq!(event(&told, KEY)["payload"]["severity"], expected);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let mut long = told(Message::Firing);
        long.notice.summary = "ä".repeat(2_000);
        // Written in JSON, each is six bytes.
        long.notice.details = "\u{1}".repeat(300_000);
        let event = event(&long, KEY);
        let summary = event["payload"]["summary"].as_str().expect("a summary");
        assert_eq!(summary.chars().count(), 1_024);
        assert!(summary.ends_with('…'));
        assert!(size(&event) <= EVENT, "{}", size(&event));
        assert_eq!(event["payload"]["custom_details"]["truncated"], true);
        assert!(size(&event) > EVENT / 8, "no more is lost than has to be");
    }
}
