//! Silences: how long, with what note, when somebody is reminded, and when one is of no use.

use super::episode::NOTE_CHARS;
use super::matcher::{Known, Matcher, Matchers, problem};
use super::rule::Problem;
use crate::range::rfc3339;
use crate::{DAY_MS, LATEST_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};

/// Longest silence where nobody said otherwise.
pub const LONGEST_MS: Millis = 7 * DAY_MS;
/// Its author is reminded so long before it ends.
pub const REMIND_MS: Millis = 15 * MINUTE_MS;
/// A silence that hid nothing for so long is flagged.
pub const USELESS_MS: Millis = DAY_MS;
/// A beginning that is past by less is meant to be now: forms are sent some time after they were opened.
pub const LATE_MS: Millis = 5 * MINUTE_MS;

/// A silence as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// What it hides; all of them must match.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub until_ms: Millis,
    /// Why.
    pub note: String,
    /// It ends when all that it hid is over.
    #[serde(default)]
    pub expire_on_resolve: bool,
}

/// When things happen to a silence that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub until_ms: Millis,
    /// It ends when all that it hid is over.
    pub expire_on_resolve: bool,
    /// When its author was reminded of its end.
    pub reminded_ms: Option<Millis>,
    /// When it last hid something.
    pub matched_ms: Option<Millis>,
    /// When it was ended early.
    pub ended_ms: Option<Millis>,
}

impl Draft {
    /// Checks a silence before it is accepted. `longest_ms` is the longest that is allowed, by default [`LONGEST_MS`]; `begun_ms`
    /// is when it began, if one that is there already is changed.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn check(
        &self,
        now: Millis,
        longest_ms: Millis,
        begun_ms: Option<Millis>,
        known: &Known,
    ) -> Result<Matchers, Vec<Problem>> {
        let (matchers, mut problems) = match Matchers::check(&self.matchers, known) {
            Ok(matchers) => (Some(matchers), Vec::new()),
            Err(problems) => (None, problems),
        };
        problems.extend(self.time_problems(now, longest_ms, begun_ms));
        let length = self.note.chars().count();
        if self.note.trim().is_empty() {
            problems.push(problem("note", "nothing", format!("1 to {NOTE_CHARS} characters that say why")));
        } else if length > NOTE_CHARS {
            let expected = format!("1 to {NOTE_CHARS} characters");
            problems.push(problem("note", format!("{length} characters"), expected));
        }
        match matchers {
            Some(matchers) if problems.is_empty() => Ok(matchers),
            _ => Err(problems),
        }
    }

    fn time_problems(&self, now: Millis, longest_ms: Millis, begun_ms: Option<Millis>) -> Vec<Problem> {
        let Self { from_ms, until_ms, .. } = *self;
        let mut problems = Vec::new();
        let goes_on = begun_ms == Some(from_ms);
        if !goes_on && (from_ms < now.saturating_sub(LATE_MS) || from_ms > LATEST_MS) {
            problems.push(problem("from_ms", rfc3339(from_ms), format!("now, {}, or later", rfc3339(now))));
        }
        let until = |expected: String| problem("until_ms", rfc3339(until_ms), expected);
        if until_ms <= from_ms {
            problems.push(until(format!("later than its beginning, {}", rfc3339(from_ms))));
        } else if until_ms <= now {
            problems.push(until(format!("later than now, {}", rfc3339(now))));
        } else if until_ms.saturating_sub(from_ms) > longest_ms {
            let (days, hours) = (longest_ms / DAY_MS, longest_ms as f64 / 3_600_000.0);
            let most = if longest_ms % DAY_MS == 0 { format!("{days} d") } else { format!("{hours} h") };
            problems.push(until(format!("at most {most} after its beginning")));
        }
        problems
    }
}

impl Silence {
    /// When it ends, or ended.
    pub fn end_ms(&self) -> Millis {
        self.ended_ms.map_or(self.until_ms, |ended| ended.min(self.until_ms))
    }

    /// Whether it hides anything at an instant.
    pub fn is_active(&self, at: Millis) -> bool {
        (self.from_ms..self.end_ms()).contains(&at)
    }

    /// When its author is reminded that it ends. A silence that is not longer than that is short enough to be remembered.
    pub fn remind_ms(&self) -> Option<Millis> {
        let at = self.until_ms.saturating_sub(REMIND_MS);
        (at > self.from_ms).then_some(at)
    }

    /// Whether its author is to be reminded now.
    pub fn is_reminder_due(&self, now: Millis) -> bool {
        self.reminded_ms.is_none() && self.is_active(now) && self.remind_ms().is_some_and(|at| now >= at)
    }

    /// Whether it is of no use: it hid nothing for a day.
    pub fn is_flagged(&self, now: Millis) -> bool {
        let since = self.matched_ms.map_or(self.from_ms, |matched| matched.max(self.from_ms));
        self.is_active(now) && now.saturating_sub(since) >= USELESS_MS
    }

    /// Whether it is done with: it is to end with what it hid, it hid something, and that is over. `hides` is how much that is
    /// not over it hides now.
    pub fn is_done(&self, now: Millis, hides: usize) -> bool {
        self.expire_on_resolve && self.is_active(now) && self.matched_ms.is_some() && hides == 0
    }

    /// The next instant at which something happens to it by itself: it begins, its author is reminded, it ends.
    pub fn next_ms(&self, now: Millis) -> Option<Millis> {
        let reminder = self.remind_ms().filter(|_| self.reminded_ms.is_none());
        let times = [Some(self.from_ms), reminder, Some(self.end_ms())];
        times.into_iter().flatten().filter(|at| *at > now && *at <= self.end_ms()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;

    const NOW: Millis = 1_795_248_000_000; // 2026-11-21T08:00:00Z

    fn draft(from: Millis, until: Millis) -> Draft {
        let matchers = super::super::matcher::parse("pool=edge-eu").expect("it is a matcher");
        let (from_ms, until_ms) = (NOW + from, NOW + until);
        Draft { matchers, from_ms, until_ms, note: "new hardware".into(), expire_on_resolve: false }
    }

    fn fields(draft: &Draft, begun: Option<Millis>) -> Vec<String> {
        let checked = draft.check(NOW, LONGEST_MS, begun, &Known::default());
        checked.err().unwrap_or_default().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn times_have_bounds() {
        let m = MINUTE_MS;
        for (name, from, until, expected) in [
            ("an hour from now", 0, HOUR_MS, vec![]),
            ("a form that lay open", -5 * m, HOUR_MS, vec![]),
            ("in the past", -6 * m, HOUR_MS, vec!["from_ms"]),
            ("over", -4 * m, 0, vec!["until_ms"]),
            ("over long ago", -HOUR_MS, -m, vec!["from_ms", "until_ms"]),
            ("the other way round", HOUR_MS, m, vec!["until_ms"]),
            ("of no length", m, m, vec!["until_ms"]),
            ("exactly a week", 0, LONGEST_MS, vec![]),
            ("more than a week", 0, LONGEST_MS + 1, vec!["until_ms"]),
            ("a week, later", 30 * DAY_MS, 37 * DAY_MS, vec![]),
            ("from the end of time", LATEST_MS, LATEST_MS + 1, vec!["from_ms"]),
            ("for ever", 0, Millis::MAX - NOW, vec!["until_ms"]),
        ] {
            assert_eq!(fields(&draft(from, until), None), expected, "{name}");
        }
        assert_eq!(fields(&draft(-DAY_MS, DAY_MS), Some(NOW - DAY_MS)), [""; 0], "it goes on");
        assert_eq!(fields(&draft(-DAY_MS, 7 * DAY_MS), Some(NOW - DAY_MS)), ["until_ms"], "it does not grow for ever");
        assert_eq!(fields(&draft(-DAY_MS, DAY_MS), Some(NOW - HOUR_MS)), ["from_ms"], "it does not begin earlier");
    }

    #[test]
    fn the_cap_is_named() {
        for (longest_ms, expected) in
            [(LONGEST_MS, "at most 7 d after"), (HOUR_MS + 30 * MINUTE_MS, "at most 1.5 h after")]
        {
            let problems = draft(0, 8 * DAY_MS).check(NOW, longest_ms, None, &Known::default()).expect_err("too long");
            assert_eq!(problems[0].found, "2026-11-29T08:00:00Z");
            assert!(problems[0].expected.starts_with(expected), "{problems:?}");
        }
    }

    #[test]
    fn a_note_is_needed() {
        for (note, is_ok) in [(String::new(), false), ("  \n".into(), false), ("x".repeat(2_000), true)] {
            let one = Draft { note, ..draft(0, HOUR_MS) };
            assert_eq!(fields(&one, None).is_empty(), is_ok);
        }
        assert_eq!(fields(&Draft { note: "x".repeat(2_001), ..draft(0, HOUR_MS) }, None), ["note"]);
        let all_wrong = Draft { matchers: Vec::new(), note: String::new(), ..draft(-DAY_MS, -HOUR_MS) };
        assert_eq!(fields(&all_wrong, None), ["matchers", "from_ms", "until_ms", "note"]);
    }

    fn silence(length: Millis) -> Silence {
        Silence {
            from_ms: 0,
            until_ms: length,
            expire_on_resolve: false,
            reminded_ms: None,
            matched_ms: None,
            ended_ms: None,
        }
    }

    #[test]
    fn its_author_is_reminded_before_its_end() {
        // V45: it ends at 3600 s.
        let one = silence(HOUR_MS);
        assert_eq!(one.remind_ms(), Some(2_700_000));
        for (at, is_due) in [(2_699_999, false), (2_700_000, true), (3_599_999, true), (3_600_000, false)] {
            assert_eq!(one.is_reminder_due(at), is_due, "{at}");
        }
        assert!(!Silence { reminded_ms: Some(2_700_000), ..one }.is_reminder_due(2_800_000), "once");
        assert!(!Silence { ended_ms: Some(60_000), ..one }.is_reminder_due(2_800_000), "it was ended");
        assert_eq!(silence(REMIND_MS).remind_ms(), None, "a short one");
        let next: Vec<Option<Millis>> = [-1, 0, 2_700_000, 3_600_000].iter().map(|at| one.next_ms(*at)).collect();
        assert_eq!(next, [Some(0), Some(2_700_000), Some(3_600_000), None]);
        assert_eq!(Silence { reminded_ms: Some(1), ..one }.next_ms(0), Some(3_600_000));
        assert_eq!(Silence { ended_ms: Some(60_000), ..one }.next_ms(0), Some(60_000));
    }

    #[test]
    fn a_silence_that_hides_nothing_for_a_day_is_flagged() {
        let one = silence(3 * DAY_MS);
        let matched = |at: Millis| Silence { matched_ms: Some(at), ..one };
        for (name, silence, at, expected) in [
            ("not yet", one, DAY_MS - 1, false),
            ("never", one, DAY_MS, true),
            ("lately", matched(HOUR_MS), DAY_MS, false),
            ("not any more", matched(HOUR_MS), DAY_MS + HOUR_MS, true),
            ("over", one, 3 * DAY_MS, false),
            ("ended", Silence { ended_ms: Some(DAY_MS), ..one }, DAY_MS, false),
        ] {
            assert_eq!(silence.is_flagged(at), expected, "{name}");
        }
    }

    #[test]
    fn it_may_end_with_what_it_hid() {
        let one = Silence { expire_on_resolve: true, ..silence(HOUR_MS) };
        let hid = Silence { matched_ms: Some(1), ..one };
        assert!(!one.is_done(2, 0), "it waits for what it is about");
        assert!(!hid.is_done(2, 1));
        assert!(hid.is_done(2, 0));
        assert!(!hid.is_done(HOUR_MS, 0), "it is over anyway");
        assert!(!Silence { expire_on_resolve: false, ..hid }.is_done(2, 0));
    }
}
