//! What Alertmanager sends to its webhooks (version 4), and what it is sent itself (API v2).

use super::{Told, rate};
use headroom_domain::Millis;
use headroom_domain::alert::episode::Message;
use headroom_domain::alert::notice::Notice;
use headroom_domain::alert::window::Lane;
use headroom_domain::range::rfc3339;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What an alert that goes on has for an end.
const NO_END: &str = "0001-01-01T00:00:00Z";
/// An Alertmanager believes what it was told for this long, unless it is told again.
pub const BELIEVED_MS: Millis = 4 * 60_000;

/// Labels with their values, in the order of their names.
type Labels = BTreeMap<&'static str, String>;

/// The lane of the messages that this one belongs to. What is told when a page becomes a ticket ends the page.
fn lane(notice: &Notice) -> Lane {
    if notice.message == Message::PageOver { Lane::Page } else { notice.severity }
}

/// What identifies the alert to other tools.
fn labels(notice: &Notice) -> Labels {
    let mut labels = Labels::from([
        ("alertname", notice.alertname.clone()),
        ("pool", notice.pool.clone()),
        ("tenant", notice.tenant.clone()),
        ("severity", lane(notice).as_str().to_owned()),
    ]);
    if !notice.tier.is_empty() {
        labels.insert("tier", notice.tier.clone());
    }
    labels
}

/// FNV-1a over names and values, each with a byte after it that no text has.
fn fingerprint(labels: &Labels) -> String {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = labels.iter().flat_map(|(name, value)| {
        let (name, value) = (name.bytes(), value.bytes());
        name.chain([0xff]).chain(value).chain([0xff])
    });
    let hash = bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

fn annotations(told: &Told) -> Map<String, Value> {
    let notice = &told.notice;
    let mut all = Map::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            all.insert(name.to_owned(), value.into());
        }
    };
    put("summary", notice.summary.clone());
    put("details", notice.details.clone());
    put("runbook_url", notice.runbook_url.clone());
    put("headroom_alert_id", notice.alert.to_string());
    put("headroom_episode", notice.episode.to_string());
    put("headroom_version", notice.version.to_string());
    put("burn_long", notice.burn_long.map(rate).unwrap_or_default());
    put("burn_short", notice.burn_short.map(rate).unwrap_or_default());
    // The plain cases say nothing that their status does not.
    if !matches!(notice.message, Message::Firing | Message::Resolved) {
        put("headroom_message", notice.message.to_string());
    }
    if told.late {
        put("headroom_late", "true".to_owned());
    }
    if told.is_test {
        put("headroom_test", "true".to_owned());
    }
    put("headroom_remarks", told.remarks().join("; "));
    all
}

/// Text between quotation marks, as Alertmanager writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn end(notice: &Notice) -> String {
    if notice.is_over() { rfc3339(notice.resolved_ms.unwrap_or(notice.at_ms)) } else { NO_END.to_owned() }
}

/// The body for a program that understands Alertmanager's webhooks. `receiver` is our name for it.
pub fn webhook(told: &Told, receiver: &str) -> Value {
    let notice = &told.notice;
    let status = if notice.is_over() { "resolved" } else { "firing" };
    let labels = labels(notice);
    let annotations = annotations(told);
    let common: Map<String, Value> =
        annotations.iter().filter(|(name, _)| *name == "runbook_url").map(|(n, v)| (n.clone(), v.clone())).collect();
    json!({
        "version": "4",
        "groupKey": format!(
            "{{}}/{{lane={}}}:{{pool={},tenant={}}}",
            quoted(lane(notice).as_str()), quoted(&notice.pool), quoted(&notice.tenant)
        ),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": { "pool": notice.pool, "tenant": notice.tenant },
        "commonLabels": labels,
        "commonAnnotations": common,
        "externalURL": notice.external_url,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": rfc3339(notice.fired_ms),
            "endsAt": end(notice),
            "generatorURL": notice.url,
            "fingerprint": fingerprint(&labels),
        }],
    })
}

/// The body for `/api/v2/alerts` of an Alertmanager: what fires, and what is over. It forgets the former by itself if it is
/// not told again.
pub fn push(all: &[Told], now: Millis) -> Value {
    let alerts = all.iter().map(|told| {
        let notice = &told.notice;
        let ends = if notice.is_over() { notice.resolved_ms.unwrap_or(now) } else { now + BELIEVED_MS };
        json!({
            "labels": labels(notice),
            "annotations": annotations(told),
            "startsAt": rfc3339(notice.fired_ms),
            "endsAt": rfc3339(ends),
            "generatorURL": notice.url,
        })
    });
    Value::Array(alerts.collect())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{FIRED_MS, told};
    use super::*;

    #[test]
    fn the_example_is_met_to_the_letter() {
        let expected: Value = serde_json::from_str(
            r#"{"version":"4","groupKey":"{}/{lane=\"page\"}:{pool=\"pool-a\",tenant=\"*\"}","truncatedAlerts":0,"status":"firing","receiver":"oncall",
 "groupLabels":{"pool":"pool-a","tenant":"*"},"commonLabels":{"alertname":"SlotSaturationBurn","pool":"pool-a","tenant":"*","severity":"page","tier":"W1"},
 "commonAnnotations":{"runbook_url":"https://runbooks/slots/saturation"},"externalURL":"https://headroom.example",
 "alerts":[{"status":"firing","labels":{"alertname":"SlotSaturationBurn","pool":"pool-a","tenant":"*","severity":"page","tier":"W1"},
  "annotations":{"summary":"pool-a: 20x budget burn; 50 of 60000 requests rejected in 1h; budget gone in 36h","details":"free 0/400, top tenant t7 61%, inhibited: t3,t9",
   "runbook_url":"https://runbooks/slots/saturation","headroom_alert_id":"42","headroom_episode":"3","headroom_version":"1","burn_long":"8.33","burn_short":"20"},
  "startsAt":"2026-11-21T08:25:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://headroom.example/alerts/42","fingerprint":"86649556457ce8f9"}]}"#,
        )
        .expect("it is JSON");
        assert_eq!(webhook(&told(Message::Firing), "oncall"), expected);
    }

    #[test]
    fn fingerprints_are_those_of_other_tools() {
        // Published: of nothing, and of the letter a.
        assert_eq!(fingerprint(&Labels::new()), "cbf29ce484222325");
        let one = Labels::from([("a", "b".to_owned())]);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in [b'a', 0xff, b'b', 0xff] {
            hash = (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
        }
        assert_eq!(fingerprint(&one), format!("{hash:016x}"));
    }

    #[test]
    fn what_is_over_has_an_end_and_keeps_its_labels() {
        let firing = webhook(&told(Message::Firing), "oncall");
        for message in [Message::Resolved, Message::PageOver] {
            let mut over = told(message);
            if message == Message::PageOver {
                over.notice.severity = Lane::Ticket;
                over.notice.resolved_ms = None;
            }
            let body = webhook(&over, "oncall");
            assert_eq!((&body["status"], &body["alerts"][0]["status"]), (&json!("resolved"), &json!("resolved")));
            assert_eq!(body["alerts"][0]["endsAt"], "2026-11-21T08:35:00Z");
            assert_eq!(body["alerts"][0]["fingerprint"], firing["alerts"][0]["fingerprint"]);
            assert_eq!(body["groupKey"], firing["groupKey"]);
        }
        let mut late = told(Message::Resolved);
        late.late = true;
        assert_eq!(webhook(&late, "oncall")["alerts"][0]["annotations"]["headroom_late"], "true");
    }

    #[test]
    fn names_do_not_leave_their_quotation_marks() {
        let mut odd = told(Message::Firing);
        odd.notice.tenant = "a\"},{b".into();
        assert_eq!(webhook(&odd, "r")["groupKey"], r#"{}/{lane="page"}:{pool="pool-a",tenant="a\"},{b"}"#);
    }

    #[test]
    fn an_alertmanager_is_told_until_when_to_believe_it() {
        let now = FIRED_MS + 60_000;
        let body = push(&[told(Message::Firing), told(Message::Resolved)], now);
        assert_eq!(body[0]["endsAt"], "2026-11-21T08:30:00Z");
        assert_eq!(body[1]["endsAt"], "2026-11-21T08:35:00Z");
        assert_eq!(body[0]["labels"]["alertname"], "SlotSaturationBurn");
    }
}
