//! What a planner writes: the terms of a reservation.

use super::Fault;
use super::wall::Wall;
use crate::MAX_SLOTS;
use crate::pool::words;
use crate::reservation::ReservationKind;
use crate::slug::Slug;
use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most exceptions, and most temporary changes, of one reservation.
pub const MOST_PARTS: usize = 400;
/// Longest lead and longest grace, in minutes: two days.
pub const MOST_MINUTES: u32 = 2 * 24 * 60;
/// Longest note, in characters.
pub const MAX_NOTE: usize = 500;
/// Longest rule of repetition, in bytes.
pub const MAX_REPEAT: usize = 200;

words! {
    /// What happens to work above a limit that shrinks.
    Shrink {
        /// The edit is refused while more is in use.
        Refuse = "refuse", "Refuse while in use";
        /// No new claims; what is left at a time is taken back.
        Drain = "drain", "Drain until a time";
        /// Holders are asked to end at once.
        Reclaim = "reclaim", "Reclaim now";
    }
}

/// Other slots than usual for a while; afterwards the usual ones hold again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// From here.
    pub start: Wall,
    /// Until here, exclusive.
    pub end: Wall,
    /// Slots in between, from 0.
    pub slots: i64,
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}", self.start, self.end, self.slots)
    }
}

impl FromStr for Override {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "start/end=slots such as 2026-11-28T00:00/2026-11-29T00:00=40";
        let (times, slots) = text.split_once('=').ok_or(FORM)?;
        let (start, end) = times.split_once('/').ok_or(FORM)?;
        let slots = slots.trim().parse().map_err(|_| FORM)?;
        Ok(Self { start: start.parse().map_err(|_| FORM)?, end: end.parse().map_err(|_| FORM)?, slots })
    }
}

/// The terms of a reservation. Times are on the wall clock of its zone; ranges are half-open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Its name in the pool, a slug: what files and people call it.
    pub name: String,
    /// Whose, by slug.
    pub tenant: String,
    /// Guaranteed or burst.
    #[serde(default = "guaranteed")]
    pub kind: ReservationKind,
    /// First minute.
    pub start: Wall,
    /// First minute after it; `None` = until further notice.
    #[serde(default)]
    pub end: Option<Wall>,
    /// IANA zone of its times.
    pub zone: String,
    /// Repeats by this rule: the part of RFC 5545 that [`Repeat`] has.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// Days on which no occurrence starts, although the rule says so.
    #[serde(default)]
    pub except: Vec<NaiveDate>,
    /// Guaranteed slots (baseline, floor).
    pub slots: i64,
    /// Most slots the tenant may hold; `None` = no limit but the pool's.
    #[serde(default)]
    pub ceiling: Option<i64>,
    /// Most idle slots that others may borrow; `None` = all of them.
    #[serde(default)]
    pub lending_limit: Option<i64>,
    /// Most slots beyond its own that the tenant may borrow; `None` = no limit.
    #[serde(default)]
    pub borrowing_limit: Option<i64>,
    /// So many minutes before its start the slots are no longer lent, so that they are free in time.
    #[serde(default)]
    pub lead_minutes: u32,
    /// Released if nothing of it was used so many minutes after its start; `None` = kept.
    #[serde(default)]
    pub release_after_minutes: Option<u32>,
    /// 0 to 9: what the tenant's slots are worth while it holds, if more than usual.
    #[serde(default)]
    pub priority: Option<u8>,
    /// What happens if it shrinks below what is in use.
    #[serde(default = "refuse")]
    pub shrink: Shrink,
    /// Until when work above the limit may go on, with [`Shrink::Drain`].
    #[serde(default)]
    pub drain_until: Option<Wall>,
    /// Temporary changes.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Free text.
    #[serde(default)]
    pub note: String,
}

fn guaranteed() -> ReservationKind {
    ReservationKind::Guaranteed
}

fn refuse() -> Shrink {
    Shrink::Refuse
}

/// A rule of repetition: `FREQ` (`DAILY`, `WEEKLY`, `MONTHLY`), `INTERVAL` (1 to 52), `BYDAY`, `BYMONTHDAY`, and one of `COUNT`
/// (1 to 1,000) and `UNTIL` (a date, the last day on which an occurrence may start). Without either it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repeat {
    /// Without `UNTIL`, as it was written.
    rule: String,
    /// The last day, if it ends by date.
    until: Option<NaiveDate>,
}

/// What a rule may look like.
pub const REPEAT_FORM: &str = "a rule such as FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20261231 of FREQ=DAILY, WEEKLY or MONTHLY, \
     INTERVAL 1 to 52, BYDAY, BYMONTHDAY, and COUNT 1 to 1000 or UNTIL a date";

impl Repeat {
    /// The rule without its last day.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The last day on which an occurrence may start.
    pub fn until(&self) -> Option<NaiveDate> {
        self.until
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        match self.until {
            Some(until) => write!(f, ";UNTIL={}", until.format("%Y%m%d")),
            None => Ok(()),
        }
    }
}

impl From<Repeat> for String {
    fn from(repeat: Repeat) -> Self {
        repeat.to_string()
    }
}

impl TryFrom<String> for Repeat {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Repeat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let text = upper.strip_prefix("RRULE:").unwrap_or(&upper);
        if text.is_empty() || text.len() > MAX_REPEAT {
            return Err(REPEAT_FORM);
        }
        let (mut rule, mut seen, mut until) = (Vec::new(), Vec::new(), None);
        for part in text.split(';') {
            let (name, value) = part.split_once('=').ok_or(REPEAT_FORM)?;
            let within =
                |least: i64, most: i64| value.parse().is_ok_and(|number: i64| (least..=most).contains(&number));
            let is_good = match name {
                "FREQ" => ["DAILY", "WEEKLY", "MONTHLY"].contains(&value),
                "INTERVAL" => within(1, 52),
                "COUNT" => within(1, 1000),
                "BYDAY" => value.split(',').all(is_weekday),
                "BYMONTHDAY" => value.split(',').all(is_month_day),
                "UNTIL" => {
                    until = NaiveDate::parse_from_str(value.get(..8).unwrap_or_default(), "%Y%m%d").ok();
                    until.is_some()
                }
                _ => false,
            };
            if !is_good || seen.contains(&name) {
                return Err(REPEAT_FORM);
            }
            seen.push(name);
            if name != "UNTIL" {
                rule.push(part);
            }
        }
        if !seen.contains(&"FREQ") || (seen.contains(&"COUNT") && until.is_some()) {
            return Err(REPEAT_FORM);
        }
        Ok(Self { rule: rule.join(";"), until })
    }
}

fn is_weekday(text: &str) -> bool {
    let Some(place) = text.len().checked_sub(2).filter(|place| text.is_char_boundary(*place)) else { return false };
    let (number, day) = text.split_at(place);
    let is_day = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].contains(&day);
    is_day && (number.is_empty() || number.parse().is_ok_and(|n: i8| n != 0 && n.abs() <= 5))
}

fn is_month_day(text: &str) -> bool {
    text.parse().is_ok_and(|day: i8| day != 0 && day.abs() <= 31)
}

impl Terms {
    /// Whether it goes on until further notice.
    pub fn is_open(&self) -> bool {
        self.end.is_none() || self.repeat.as_ref().is_some_and(|r| r.until.is_none() && !r.rule.contains("COUNT="))
    }

    /// Promises other slots. Limits that were written for more of them follow down, a ceiling follows up.
    pub fn set_slots(&mut self, slots: i64) {
        self.slots = slots;
        self.ceiling = self.ceiling.map(|ceiling| ceiling.max(slots));
        self.lending_limit = self.lending_limit.map(|limit| limit.min(slots));
    }

    /// Moves the whole of it on the wall clock, with its temporary changes. A time beyond the calendar stays.
    pub fn shift(&mut self, by: TimeDelta) {
        let shifted = |wall: Wall| wall.local.checked_add_signed(by).map_or(wall, Wall::new);
        self.start = shifted(self.start);
        self.end = self.end.map(shifted);
        for other in &mut self.overrides {
            (other.start, other.end) = (shifted(other.start), shifted(other.end));
        }
    }

    /// What is wrong with it, as far as no clock, zone or other reservation is asked.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut bad =
            |field, found: &dyn ToString, expected: &str| faults.push(Fault::new(field, found.to_string(), expected));
        for (field, text) in [("name", &self.name), ("tenant", &self.tenant)] {
            if let Err(problem) = Slug::parse(text) {
                bad(field, text, &problem.to_string());
            }
        }
        if !(1..=MAX_SLOTS).contains(&self.slots) {
            bad("slots", &self.slots, "1 to 10,000,000");
        }
        if let Some(ceiling) = self.ceiling
            && !(self.slots..=MAX_SLOTS).contains(&ceiling)
        {
            bad("ceiling", &ceiling, &format!("at least the {} slots that are promised", self.slots));
        }
        if let Some(limit) = self.lending_limit
            && !(0..=self.slots).contains(&limit)
        {
            bad("lending_limit", &limit, &format!("0 to the {} slots that are promised", self.slots));
        }
        if let Some(limit) = self.borrowing_limit
            && !(0..=MAX_SLOTS).contains(&limit)
        {
            bad("borrowing_limit", &limit, "0 to 10,000,000");
        }
        if self.lead_minutes > MOST_MINUTES {
            bad("lead_minutes", &self.lead_minutes, "0 to 2,880 minutes");
        }
        if let Some(grace) = self.release_after_minutes
            && !(1..=MOST_MINUTES).contains(&grace)
        {
            bad("release_after_minutes", &grace, "1 to 2,880 minutes");
        }
        if let Some(priority) = self.priority
            && priority > 9
        {
            bad("priority", &priority, "0 to 9");
        }
        if self.repeat.is_some() && self.end.is_none() {
            bad("end", &"nothing", "when the first occurrence ends: what repeats has an end");
        }
        if self.repeat.is_none() && !self.except.is_empty() {
            bad("except", &self.except.len(), "no exceptions: it does not repeat");
        }
        if self.except.len() > MOST_PARTS {
            bad("except", &self.except.len(), "at most 400 days");
        }
        if self.overrides.len() > MOST_PARTS {
            bad("overrides", &self.overrides.len(), "at most 400");
        }
        if let Some(other) = self.overrides.iter().find(|o| !(0..=MAX_SLOTS).contains(&o.slots)) {
            bad("overrides", &other, "0 to 10,000,000 slots");
        }
        if (self.shrink == Shrink::Drain) != self.drain_until.is_some() {
            let found = self.drain_until.map(|at| at.to_string()).unwrap_or_default();
            bad("drain_until", &found, "a time with `shrink` drain, and only then");
        }
        if self.note.chars().count() > MAX_NOTE || self.note.chars().any(|c| c.is_control() && c != '\n') {
            bad("note", &self.note.chars().take(40).collect::<String>(), "at most 500 characters of text");
        }
        faults
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some terms.
    pub(crate) fn terms() -> Terms {
        Terms {
            name: "peak".into(),
            tenant: "acme".into(),
            kind: ReservationKind::Guaranteed,
            start: "2026-11-28T00:00".parse().unwrap(),
            end: Some("2026-11-30T12:00".parse().unwrap()),
            zone: "Europe/Berlin".into(),
            repeat: None,
            except: Vec::new(),
            slots: 100,
            ceiling: None,
            lending_limit: None,
            borrowing_limit: None,
            lead_minutes: 0,
            release_after_minutes: None,
            priority: None,
            shrink: Shrink::Refuse,
            drain_until: None,
            overrides: Vec::new(),
            note: String::new(),
        }
    }

    #[test]
    fn rules_of_repetition_are_a_part_of_rfc_5545() {
        for (text, canonical) in [
            ("FREQ=DAILY", "FREQ=DAILY"),
            ("rrule:freq=weekly;byday=mo,fr;interval=2", "FREQ=WEEKLY;BYDAY=MO,FR;INTERVAL=2"),
            ("FREQ=MONTHLY;UNTIL=20261231T235959Z;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20261231"),
            ("FREQ=MONTHLY;BYMONTHDAY=1,-1;COUNT=12", "FREQ=MONTHLY;BYMONTHDAY=1,-1;COUNT=12"),
        ] {
            assert_eq!(text.parse::<Repeat>().unwrap().to_string(), canonical);
        }
        for text in [
            "",
            "daily",
            "FREQ=SECONDLY",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;COUNT=5;UNTIL=20261231",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=WEEKLY;BYDAY=XX",
            "FREQ=WEEKLY;BYDAY=6MO",
            "FREQ=WEEKLY;BYDAY=é",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=DAILY;BYHOUR=9",
            "FREQ=DAILY;UNTIL=soon",
        ] {
            assert_eq!(text.parse::<Repeat>(), Err(REPEAT_FORM), "{text}");
        }
    }

    #[test]
    fn what_was_written_for_some_slots_and_times_goes_with_them() {
        let mut some = Terms { ceiling: Some(120), lending_limit: Some(90), ..terms() };
        some.set_slots(80);
        assert_eq!((some.ceiling, some.lending_limit), (Some(120), Some(80)));
        some.set_slots(200);
        assert_eq!((some.slots, some.ceiling, some.lending_limit), (200, Some(200), Some(80)));
        some.overrides = vec!["2026-11-29T00:00/2026-11-29T06:00=3".parse().unwrap()];
        some.shift(TimeDelta::days(-1));
        assert_eq!(
            (some.start.to_string().as_str(), some.end.unwrap().to_string().as_str()),
            ("2026-11-27T00:00", "2026-11-29T12:00")
        );
        assert_eq!(some.overrides[0].to_string(), "2026-11-28T00:00/2026-11-28T06:00=3");
        some.shift(TimeDelta::MAX);
        assert_eq!(some.start.to_string(), "2026-11-27T00:00");
    }

    #[test]
    fn each_bad_field_is_named() {
        type Edit = fn(&mut Terms);
        let edits: [(&str, Edit); 14] = [
            ("name", |t| t.name = "Peak!".into()),
            ("tenant", |t| t.tenant = String::new()),
            ("slots", |t| t.slots = 0),
            ("ceiling", |t| t.ceiling = Some(99)),
            ("lending_limit", |t| t.lending_limit = Some(101)),
            ("borrowing_limit", |t| t.borrowing_limit = Some(-1)),
            ("lead_minutes", |t| t.lead_minutes = 2881),
            ("release_after_minutes", |t| t.release_after_minutes = Some(0)),
            ("priority", |t| t.priority = Some(10)),
            ("end", |t| (t.end, t.repeat) = (None, "FREQ=DAILY".parse().ok())),
            ("except", |t| t.except = vec![NaiveDate::MIN]),
            ("overrides", |t| t.overrides = vec!["2026-11-28T00:00/2026-11-29T00:00=-1".parse().unwrap()]),
            ("drain_until", |t| t.shrink = Shrink::Drain),
            ("note", |t| t.note = "x".repeat(501)),
        ];
        assert_eq!(terms().faults(), []);
        for (field, edit) in edits {
            let mut terms = terms();
            edit(&mut terms);
            let fields: Vec<_> = terms.faults().into_iter().map(|fault| fault.field).collect();
            assert_eq!(fields, [field]);
        }
    }
}
