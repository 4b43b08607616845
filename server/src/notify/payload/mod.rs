//! Messages as receivers of each kind understand them: a notice in, a body out.

pub mod alertmanager;
pub mod email;
pub mod pagerduty;
pub mod slack;
pub mod webhook;

use headroom_domain::alert::episode::{Message, Workflow};
use headroom_domain::alert::notice::{Notice, WHOLE};
use headroom_store::notification::{INSTEAD_OF, TEST};
use serde_json::Value;

/// Something that a receiver is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What was known when it was written.
    pub notice: Notice,
    /// It was over before the receiver could be told that it began.
    pub late: bool,
    /// Slug of the receiver that should have been told and could not be reached.
    pub instead_of: Option<String>,
    /// Somebody tries the receiver.
    pub is_test: bool,
    /// What it is known by.
    pub key: String,
}

impl Told {
    /// Reads a message as it is stored.
    ///
    /// # Errors
    /// If its body is no notice that this server knows.
    pub fn read(message: &str, key: &str, body: &Value, late: bool) -> Result<Self, serde_json::Error> {
        Ok(Self {
            notice: serde_json::from_value(body.clone())?,
            late,
            instead_of: body.get(INSTEAD_OF).and_then(Value::as_str).map(str::to_owned),
            is_test: message == TEST,
            key: key.to_owned(),
        })
    }

    /// The same with addresses as people elsewhere reach them: what was written with the alert knows only paths.
    #[must_use]
    pub fn reachable(&self, address_of: impl Fn(&str) -> String) -> Self {
        let mut told = self.clone();
        let notice = &mut told.notice;
        for link in [&mut notice.url, &mut notice.runbook_url, &mut notice.external_url] {
            if link.starts_with('/') {
                *link = address_of(link);
            }
        }
        told
    }

    /// What a reader has to know before the summary: `Resolved, late`.
    pub fn headline(&self) -> String {
        let mut words = vec![self.notice.message.label().to_owned()];
        if self.is_test {
            words.insert(0, "Test".to_owned());
        }
        if self.late {
            words.push("late".to_owned());
        }
        words.join(", ")
    }

    /// What is said beside the details: that it is late, that somebody else should have been told, who did it and why.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.late && self.notice.is_over() {
            remarks.push("late: this began and ended while this receiver could not be reached".to_owned());
        } else if self.late {
            remarks.push("late: this was over before this receiver could be reached".to_owned());
        }
        if let Some(slug) = &self.instead_of {
            remarks.push(format!("told here because {slug} could not be reached"));
        }
        let Notice { actor, note, asked, .. } = &self.notice;
        match (actor.is_empty(), note.is_empty()) {
            (false, false) => remarks.push(format!("by {actor}: {note}")),
            (false, true) => remarks.push(format!("by {actor}")),
            (true, false) => remarks.push(note.clone()),
            (true, true) => {}
        }
        if !asked.is_empty() {
            remarks.push(format!("asked: {}", asked.join(", ")));
        }
        remarks
    }

    /// Whether somebody is still to take it on.
    fn is_open(&self) -> bool {
        !self.notice.is_over() && self.notice.workflow == Workflow::Open && !self.late
    }
}

/// The tenant as people read it.
fn tenant_words(notice: &Notice) -> String {
    if notice.tenant == WHOLE { "the whole pool".to_owned() } else { notice.tenant.clone() }
}

/// The pool as people read it.
fn pool_words(notice: &Notice) -> String {
    match (notice.pool.as_str(), notice.pool_name.as_str()) {
        (WHOLE, _) => "Headroom itself".to_owned(),
        (slug, "") => slug.to_owned(),
        (_, name) => name.to_owned(),
    }
}

/// A rate as it is read: two decimals at most.
fn rate(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The first so many characters; the last of them says that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// One line without control characters: what a header may hold.
fn line(text: &str) -> String {
    text.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether something begins with a message, so that a receiver that never got it knows nothing of the thing.
pub fn begins(message: Message) -> bool {
    matches!(
        message,
        Message::Firing
            | Message::Upgraded
            | Message::Reopened
            | Message::Escalated
            | Message::SnoozeEnded
            | Message::SilenceEnded
    )
}

#[cfg(test)]
pub(crate) mod sample {
    use super::Told;
    use headroom_domain::alert::episode::{Condition, Message, Workflow};
    use headroom_domain::alert::notice::Notice;
    use headroom_domain::alert::window::Lane;

    /// 2026-11-21T08:25:00Z
    pub(crate) const FIRED_MS: i64 = 1_795_249_500_000;

    /// The example of the specification.
    pub(crate) fn told(message: Message) -> Told {
        let is_over = matches!(message, Message::Resolved | Message::PageOver);
        let notice = Notice {
            message,
            alert: 42,
            rule: "saturation-burn".into(),
            alertname: "SlotSaturationBurn".into(),
            title: "Requests are rejected".into(),
            pool: "pool-a".into(),
            pool_name: "Pool A".into(),
            tenant: "*".into(),
            severity: Lane::Page,
            critical: true,
            tier: "W1".into(),
            episode: 3,
            version: 1,
            condition: if is_over { Condition::Resolved } else { Condition::Firing },
            workflow: match message {
                Message::Acknowledged => Workflow::Acknowledged,
                _ if is_over => Workflow::Closed,
                _ => Workflow::Open,
            },
            reopened: 0,
            summary: "pool-a: 20x budget burn; 50 of 60000 requests rejected in 1h; budget gone in 36h".into(),
            details: "free 0/400, top tenant t7 61%, inhibited: t3,t9".into(),
            runbook_url: "https://runbooks/slots/saturation".into(),
            url: "https://headroom.example/alerts/42".into(),
            external_url: "https://headroom.example".into(),
            owner: "platform".into(),
            fired_ms: FIRED_MS,
            resolved_ms: is_over.then_some(FIRED_MS + 600_000),
            at_ms: FIRED_MS + if is_over { 600_000 } else { 0 },
            burn_long: Some(25.0 / 3.0),
            burn_short: Some(20.0),
            inhibited: vec!["t3".into(), "t9".into()],
            actor: String::new(),
            note: String::new(),
            asked: Vec::new(),
        };
        Told { notice, late: false, instead_of: None, is_test: false, key: "k".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lines_are_short() {
        for (value, text) in [(8.333, "8.33"), (20.0, "20"), (0.5, "0.5"), (100.0, "100"), (0.001, "0")] {
            assert_eq!(rate(value), text);
        }
        assert_eq!(line("a\r\nBcc: x@y.example\u{0} b\t"), "a Bcc: x@y.example b");
        assert_eq!((cut("abcd", 4), cut("abcde", 4)), ("abcd".into(), "abc…".into()));
    }

    #[test]
    fn remarks_say_what_a_reader_would_not_guess() {
        let mut told = sample::told(Message::Resolved);
        assert!(told.remarks().is_empty());
        (told.late, told.instead_of) = (true, Some("pager".into()));
        told.notice.actor = "Mika".into();
        told.notice.note = "rolled back".into();
        let expected = [
            "late: this began and ended while this receiver could not be reached",
            "told here because pager could not be reached",
            "by Mika: rolled back",
        ];
        assert_eq!(told.remarks(), expected);
        assert_eq!(told.headline(), "Resolved, late");
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let told = sample::told(Message::Firing);
        let mut body = serde_json::to_value(&told.notice).expect("a notice is plain data");
        assert_eq!(Told::read("firing", "k", &body, false).expect("it is one"), told);
        body[INSTEAD_OF] = "pager".into();
        let copy = Told::read("firing", "k", &body, true).expect("it is one");
        assert_eq!((copy.instead_of.as_deref(), copy.late, copy.is_test), (Some("pager"), true, false));
        assert!(Told::read("firing", "k", &serde_json::json!({}), false).is_err());
    }
}
