//! Messages for Slack: blocks, within its bounds.

use super::{Told, cut, pool_words, tenant_words};
use headroom_domain::alert::window::Lane;
use headroom_domain::range::rfc3339;
use serde_json::{Value, json};
use url::Url;

/// Longest header, characters.
const HEADER: usize = 150;
/// Longest text of a section, characters.
const SECTION: usize = 3_000;
/// Longest text of one of its fields, characters.
const FIELD: usize = 2_000;
/// Longest address behind a button, characters.
const LINK: usize = 3_000;
/// Longest plain text, for notifications.
const TEXT: usize = 3_000;

/// Text that is only text, of so many characters at most, counted as they are sent.
fn plain(text: &str, most: usize) -> String {
    let escaped = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        other => other.to_string(),
    };
    let (mut out, mut length) = (String::new(), 0);
    let all: usize = text.chars().map(|c| escaped(c).chars().count()).sum();
    let room = if all > most { most - 1 } else { most };
    for c in text.chars() {
        let piece = escaped(c);
        length += piece.chars().count();
        if length > room {
            out.push('…');
            return out;
        }
        out.push_str(&piece);
    }
    out
}

/// Slack refuses a whole message for one address that it cannot read.
fn link(address: &str) -> Option<&str> {
    let url = Url::parse(address).ok()?;
    (matches!(url.scheme(), "http" | "https") && address.chars().count() <= LINK).then_some(address)
}

fn button(action: &str, words: &str, value: &Value, address: Option<&str>) -> Value {
    let mut button = json!({
        "type": "button",
        "action_id": action,
        "text": { "type": "plain_text", "text": words },
        "value": value.to_string(),
    });
    if let Some(address) = address {
        button["url"] = address.into();
    }
    button
}

/// The blocks of a message, with the plain text that notifications show.
pub fn message(told: &Told) -> Value {
    let notice = &told.notice;
    let lane = match notice.severity {
        Lane::Page => "page",
        Lane::Ticket => "ticket",
    };
    let title = if notice.title.is_empty() { &notice.rule } else { &notice.title };
    let mut blocks = vec![
        json!({ "type": "header", "text": {
            "type": "plain_text",
            "text": plain(&format!("{}: {title}", told.headline()), HEADER),
        } }),
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": plain(&notice.summary, SECTION) } }),
    ];
    let fields = [
        ("Pool", pool_words(notice)),
        ("Tenant", tenant_words(notice)),
        ("Severity", if notice.tier.is_empty() { lane.to_owned() } else { format!("{lane}, {}", notice.tier) }),
        ("Since", rfc3339(notice.fired_ms)),
        ("Owner", notice.owner.clone()),
        ("Until", notice.resolved_ms.map(rfc3339).unwrap_or_default()),
    ];
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<Value> = fields
        .map(|(name, value)| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", plain(value, FIELD - 20)) }))
        .collect();
    blocks.push(json!({ "type": "section", "fields": fields }));
    let beside: Vec<String> =
        [notice.details.clone()].into_iter().chain(told.remarks()).filter(|text| !text.is_empty()).collect();
    if !beside.is_empty() {
        let text = plain(&beside.join("\n"), SECTION);
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] }));
    }
    let value = json!({ "id": notice.alert.to_string(), "v": notice.version });
    let page = link(&notice.url);
    let mut buttons = Vec::new();
    if told.is_open() && !told.is_test {
        buttons.push(button("headroom-acknowledge", "Acknowledge", &value, page));
    }
    if let Some(runbook) = link(&notice.runbook_url) {
        buttons.push(button("headroom-runbook", "Runbook", &value, Some(runbook)));
    }
    if !notice.is_over() && !told.is_test {
        buttons.push(button("headroom-silence", "Silence", &value, page));
    }
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    json!({ "text": cut(&plain(&format!("{}: {}", told.headline(), notice.summary), TEXT), TEXT), "blocks": blocks })
}

#[cfg(test)]
mod tests {
    use super::super::sample::told;
    use super::*;
    use headroom_domain::alert::episode::Message;

    fn actions(message: &Value) -> Vec<&str> {
        let blocks = message["blocks"].as_array().expect("blocks");
        let actions = blocks.iter().find(|block| block["type"] == "actions");
        let buttons = actions.and_then(|block| block["elements"].as_array());
        buttons.map_or_else(Vec::new, |all| all.iter().filter_map(|one| one["text"]["text"].as_str()).collect())
    }

    #[test]
    fn a_message_has_its_parts_in_order() {
        let message = message(&told(Message::Firing));
        let kinds: Vec<_> = message["blocks"].as_array().expect("blocks").iter().map(|b| &b["type"]).collect();
        assert_eq!(kinds, ["header", "section", "section", "context", "actions"]);
        assert_eq!(message["blocks"][0]["text"]["text"], "Firing: Requests are rejected");
        assert_eq!(actions(&message), ["Acknowledge", "Runbook", "Silence"]);
        let acknowledge = &message["blocks"][4]["elements"][0];
        assert_eq!(acknowledge["value"], r#"{"id":"42","v":1}"#);
        assert_eq!(acknowledge["url"], "https://headroom.example/alerts/42");
        assert_eq!(message["blocks"][4]["elements"][1]["url"], "https://runbooks/slots/saturation");
    }

    #[test]
    fn nobody_is_asked_to_take_what_is_taken_or_over() {
        assert_eq!(actions(&message(&told(Message::Acknowledged))), ["Runbook", "Silence"]);
        assert_eq!(actions(&message(&told(Message::Resolved))), ["Runbook"]);
        let mut bare = told(Message::Resolved);
        bare.notice.runbook_url = "/runbooks/saturation".into();
        assert!(actions(&message(&bare)).is_empty(), "an address that Slack would refuse is left out");
    }

    #[test]
    fn text_stays_text() {
        let mut odd = told(Message::Firing);
        odd.notice.summary = "<!channel> a & b <https://x|y>".into();
        let message = message(&odd);
        assert_eq!(message["blocks"][1]["text"]["text"], "&lt;!channel&gt; a &amp; b &lt;https://x|y&gt;");
        assert_eq!(message["text"], "Firing: &lt;!channel&gt; a &amp; b &lt;https://x|y&gt;");
    }

    #[test]
    fn bounds_are_kept_and_no_escape_is_cut_in_half() {
        for (text, most, expected) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("&&", 10, "&amp;&amp;"), ("&&", 9, "&amp;…"), ("&&", 5, "…")]
        {
            assert_eq!(plain(text, most), expected);
        }
        let mut long = told(Message::Firing);
        for text in [&mut long.notice.summary, &mut long.notice.title, &mut long.notice.details, &mut long.notice.owner]
        {
            *text = "<ä>".repeat(5_000);
        }
        let message = message(&long);
        let count = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
        assert!(count(&message["blocks"][0]["text"]["text"]) <= 150);
        assert!(count(&message["blocks"][1]["text"]["text"]) <= 3_000);
        assert!(message["blocks"][2]["fields"].as_array().expect("fields").iter().all(|f| count(&f["text"]) <= 2_000));
        assert!(count(&message["blocks"][3]["elements"][0]["text"]) <= 3_000);
        assert!(message["blocks"].as_array().expect("blocks").len() <= 50);
    }
}
