//! Times as clocks on a wall show them.

use crate::Millis;
use crate::localtime::ZoneSlice;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A minute on a wall clock. Where clocks are set back a time occurs twice; the offset says which of the two is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall {
    /// What the clock shows.
    pub local: NaiveDateTime,
    /// Seconds east of UTC.
    pub offset_s: Option<i32>,
}

/// Why a wall-clock time is no instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoInstant {
    /// Clocks are set forward over it, from the first of these times to the second.
    Skipped(NaiveDateTime, NaiveDateTime),
    /// Clocks are set back over it: both offsets, in seconds east of UTC.
    Repeated(i32, i32),
    /// The zone has another offset then.
    OtherOffset(i32),
}

impl Wall {
    /// A time that occurs once.
    pub fn new(local: NaiveDateTime) -> Self {
        Self { local, offset_s: None }
    }

    /// What the wall clock of a zone shows at an instant; with its offset only where the time occurs twice.
    pub fn at(utc_ms: Millis, zone: &ZoneSlice) -> Self {
        let local = zone.local(utc_ms);
        let is_repeated = zone.instants(local).len() > 1;
        Self { local, offset_s: is_repeated.then(|| zone.offset_at(utc_ms).0) }
    }

    /// The instant.
    ///
    /// # Errors
    /// Why there is none, or why it is not known which.
    pub fn instant(&self, zone: &ZoneSlice) -> Result<Millis, NoInstant> {
        let found = zone.instants(self.local);
        if let Some(offset_s) = self.offset_s {
            let meant = self.local.and_utc().timestamp_millis() - i64::from(offset_s) * 1000;
            let other = found.first().map(|at| zone.offset_at(*at).0);
            return match (found.contains(&meant), other) {
                (true, _) => Ok(meant),
                (false, Some(other)) => Err(NoInstant::OtherOffset(other)),
                (false, None) => Err(skipped(self.local, zone)),
            };
        }
        match found[..] {
            [at] => Ok(at),
            [] => Err(skipped(self.local, zone)),
            [first, .., last] => Err(NoInstant::Repeated(zone.offset_at(first).0, zone.offset_at(last).0)),
        }
    }

    /// The instant as calendars take it where nobody can be asked: the earlier of two, and after a skipped time the first that
    /// exists again (RFC 5545, 3.3.5, moves by the length of the gap instead; a reservation must not begin later than its day).
    pub fn instant_or_next(local: NaiveDateTime, zone: &ZoneSlice) -> Millis {
        zone.to_utc(local).unwrap_or_else(|jump| jump)
    }
}

fn skipped(local: NaiveDateTime, zone: &ZoneSlice) -> NoInstant {
    let jump = zone.to_utc(local).err().unwrap_or_default();
    NoInstant::Skipped(zone.local(jump - 1) + TimeDelta::milliseconds(1), zone.local(jump))
}

/// `+01:00`, `−03:30`.
pub fn offset_text(offset_s: i32) -> String {
    let sign = if offset_s < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", offset_s.abs() / 3600, offset_s.abs() / 60 % 60)
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local.format("%Y-%m-%dT%H:%M"))?;
        match self.offset_s {
            Some(offset_s) => f.write_str(&offset_text(offset_s)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NoInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(before, after) => write!(
                f,
                "a time that exists: on {} clocks go from {} to {}",
                after.format("%Y-%m-%d"),
                before.format("%H:%M"),
                after.format("%H:%M")
            ),
            Self::Repeated(first, second) => write!(
                f,
                "which of two: clocks show this time twice; write it with {} or {}",
                offset_text(*first),
                offset_text(*second)
            ),
            Self::OtherOffset(offset_s) => write!(f, "the offset {} that the zone has then", offset_text(*offset_s)),
        }
    }
}

/// What a text had to be.
pub const WALL_FORM: &str = "a wall-clock time such as 2026-11-28T09:00, on the minute";

impl FromStr for Wall {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let whole = |time: NaiveDateTime| time.second() == 0 && time.nanosecond() == 0;
        if let Ok(fixed) = DateTime::parse_from_rfc3339(&with_seconds(text))
            && whole(fixed.naive_local())
        {
            return Ok(Self { local: fixed.naive_local(), offset_s: Some(fixed.offset().local_minus_utc()) });
        }
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"];
        let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        local.filter(|local| whole(*local)).map(Self::new).ok_or(WALL_FORM)
    }
}

/// Offsets are written after minutes here, after seconds in RFC 3339.
fn with_seconds(text: &str) -> String {
    const MINUTES: usize = "2026-11-28T09:00".len();
    match (text.get(..MINUTES), text.get(MINUTES..)) {
        (Some(time), Some(offset)) if offset.starts_with(['+', '-', 'Z']) => format!("{time}:00{offset}"),
        _ => text.to_owned(),
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::localtime::Transition;

    /// Europe/Berlin around 2026.
    pub(crate) fn berlin() -> ZoneSlice {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let change = |text, offset_s, abbr: &str| Transition { utc_ms: at(text), offset_s, abbr: abbr.to_owned() };
        ZoneSlice::new(
            "Europe/Berlin",
            vec![
                change("2025-10-26T01:00:00Z", 3600, "CET"),
                change("2026-03-29T01:00:00Z", 7200, "CEST"),
                change("2026-10-25T01:00:00Z", 3600, "CET"),
                change("2027-03-28T01:00:00Z", 7200, "CEST"),
                change("2027-10-31T01:00:00Z", 3600, "CET"),
            ],
        )
    }

    #[test]
    fn times_that_clocks_skip_or_repeat_are_asked_about() {
        let zone = berlin();
        for (text, expected) in [
            ("2026-03-29T01:59", Ok("2026-03-29T00:59:00Z")),
            ("2026-03-29T02:30", Err("a time that exists: on 2026-03-29 clocks go from 02:00 to 03:00")),
            ("2026-03-29T03:00", Ok("2026-03-29T01:00:00Z")),
            ("2026-10-25T02:30", Err("which of two: clocks show this time twice; write it with +02:00 or +01:00")),
            ("2026-10-25T02:30+02:00", Ok("2026-10-25T00:30:00Z")),
            ("2026-10-25T02:30+01:00", Ok("2026-10-25T01:30:00Z")),
            ("2026-10-25T02:30+05:00", Err("the offset +02:00 that the zone has then")),
            ("2026-07-01T12:00+01:00", Err("the offset +02:00 that the zone has then")),
        ] {
            let wall: Wall = text.parse().unwrap();
            assert_eq!(wall.to_string(), text);
            let expected =
                expected.map(|at| DateTime::parse_from_rfc3339(at).unwrap().timestamp_millis()).map_err(str::to_owned);
            assert_eq!(wall.instant(&zone).map_err(|problem| problem.to_string()), expected, "{text}");
            if let Ok(at) = wall.instant(&zone) {
                assert_eq!(Wall::at(at, &zone), wall);
            }
        }
    }

    #[test]
    fn only_whole_minutes_are_times() {
        for text in ["2026-11-28 09:00", "2026-11-28T09:00:00"] {
            assert_eq!(text.parse::<Wall>().unwrap().to_string(), "2026-11-28T09:00");
        }
        for text in ["", "tomorrow", "2026-11-28", "2026-11-28T09:00:30", "2026-02-30T09:00", "2026-11-28T25:00"] {
            assert_eq!(text.parse::<Wall>(), Err(WALL_FORM), "{text}");
        }
    }
}
