//! Letters.

use super::{Told, cut, line, pool_words, rate, tenant_words};
use headroom_domain::alert::window::Lane;
use headroom_domain::range::rfc3339;
use std::fmt::Write as _;

/// Longest subject, characters.
const SUBJECT: usize = 180;

/// A letter without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// The letter.
pub fn letter(told: &Told) -> Text {
    let notice = &told.notice;
    let lane = match notice.severity {
        Lane::Page => "PAGE",
        Lane::Ticket => "ticket",
    };
    let subject = cut(&line(&format!("[Headroom {lane}] {}: {}", told.headline(), notice.summary)), SUBJECT);
    let mut text = format!("{}\n\n", notice.summary);
    for remark in told.remarks() {
        let _ = writeln!(text, "{remark}");
    }
    let burn = |burn: Option<f64>| burn.map(|burn| format!("{}x", rate(burn))).unwrap_or_default();
    let rows = [
        ("What", told.headline()),
        ("Rule", notice.title.clone()),
        ("Pool", pool_words(notice)),
        ("Tenant", tenant_words(notice)),
        ("Details", notice.details.clone()),
        ("Burn, long window", burn(notice.burn_long)),
        ("Burn, short window", burn(notice.burn_short)),
        ("Since", rfc3339(notice.fired_ms)),
        ("Until", notice.resolved_ms.map(rfc3339).unwrap_or_default()),
        ("Owner", notice.owner.clone()),
        ("Runbook", notice.runbook_url.clone()),
        ("Alert", notice.url.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name}: {}", line(value));
    }
    Text { subject, text }
}

#[cfg(test)]
mod tests {
    use super::super::sample::told;
    use super::*;
    use headroom_domain::alert::episode::Message;

    #[test]
    fn a_letter_says_everything_in_plain_text() {
        let letter = letter(&told(Message::Firing));
        assert_eq!(
            letter.subject,
            "[Headroom PAGE] Firing: pool-a: 20x budget burn; 50 of 60000 requests rejected in 1h; budget gone in 36h"
        );
        for part in [
            "Pool: Pool A\n",
            "Tenant: the whole pool\n",
            "Burn, long window: 8.33x\n",
            "Since: 2026-11-21T08:25:00Z\n",
            "Runbook: https://runbooks/slots/saturation\n",
            "Alert: https://headroom.example/alerts/42\n",
        ] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
        assert!(!letter.text.contains("Until"));
    }

    #[test]
    fn a_subject_is_one_line_of_bounded_length() {
        let mut odd = told(Message::Resolved);
        odd.late = true;
        odd.notice.summary = format!("full\r\nBcc: all@x.example\u{0}{}", "x".repeat(500));
        let letter = letter(&odd);
        assert!(!letter.subject.contains(|c: char| c.is_control()));
        assert!(letter.subject.starts_with("[Headroom PAGE] Resolved, late: full Bcc: all@x.example x"));
        assert_eq!(letter.subject.chars().count(), SUBJECT);
        assert!(letter.text.contains("late: this began and ended"));
    }
}
