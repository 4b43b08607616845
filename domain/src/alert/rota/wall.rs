//! What a clock on the wall shows, as people write it: `08:00`, `2026-11-21T08:00`, `mon`.

use crate::pool::words;
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// A day of the week.
    Weekday {
        /// Monday
        Mon = "mon", "Monday";
        /// Tuesday
        Tue = "tue", "Tuesday";
        /// Wednesday
        Wed = "wed", "Wednesday";
        /// Thursday
        Thu = "thu", "Thursday";
        /// Friday
        Fri = "fri", "Friday";
        /// Saturday
        Sat = "sat", "Saturday";
        /// Sunday
        Sun = "sun", "Sunday";
    }
}

impl Weekday {
    /// The day of the week of a date.
    pub fn of(date: NaiveDate) -> Self {
        Self::ALL[date.weekday().num_days_from_monday() as usize]
    }

    /// Days since Monday.
    pub(super) const fn number(self) -> i64 {
        self as i64
    }
}

/// A time of day, to the minute: `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// An hour and a minute; `None` if no clock shows them.
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self { minutes: hour * 60 + minute }) } else { None }
    }

    /// On some day.
    pub(super) fn on(self, day: NaiveDate) -> NaiveDateTime {
        day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(self.minutes))
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    /// `08:00`; otherwise a sentence with what was expected.
    fn from_str(text: &str) -> Result<Self, String> {
        two_numbers(text, ':').and_then(|(hour, minute)| Self::new(hour, minute)).ok_or_else(|| {
            let found: String = text.chars().take(40).collect();
            format!("{found:?} is no time of day, expected one such as 08:00, from 00:00 to 23:59")
        })
    }
}

/// Two numbers of two digits each.
fn two_numbers(text: &str, between: char) -> Option<(u16, u16)> {
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        if is_number { digits.parse().ok() } else { None }
    };
    let (first, second) = text.split_once(between)?;
    number(first).zip(number(second))
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

/// A day and a time of day, to the minute, of the years 1970 to 2199; which instant that is depends on the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WallTime(NaiveDateTime);

impl WallTime {
    /// A date and a time of day; `None` outside the years 1970 to 2199.
    pub fn new(date: NaiveDate, time: TimeOfDay) -> Option<Self> {
        (1970..2200).contains(&date.year()).then(|| Self(time.on(date)))
    }

    /// As chrono has it.
    pub fn naive(self) -> NaiveDateTime {
        self.0
    }
}

impl FromStr for WallTime {
    type Err = String;

    /// `2026-11-21T08:00`; otherwise a sentence with what was expected.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (date, time) = text.split_once('T')?;
            let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|_| date.len() == 10)?;
            Self::new(date, time.parse().ok()?)
        };
        read().ok_or_else(|| {
            let found: String = text.chars().take(40).collect();
            format!("{found:?} is no local time, expected one such as 2026-11-21T08:00, of the years 1970 to 2199")
        })
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}", self.0.date(), self.0.hour(), self.0.minute())
    }
}

impl TryFrom<String> for WallTime {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<WallTime> for String {
    fn from(time: WallTime) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_shown_again() {
        for text in ["00:00", "08:05", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
        for text in ["1970-01-01T00:00", "2026-11-21T08:00", "2199-12-31T23:59"] {
            assert_eq!(text.parse::<WallTime>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Weekday::of(NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day")), Weekday::Sat);
    }

    #[test]
    fn what_no_clock_shows_is_refused() {
        for text in ["", "8:00", "24:00", "08:60", "08:00:00", "+8:00", "08.00", "０8:00", "-1:00"] {
            let problem = text.parse::<TimeOfDay>().expect_err(text);
            assert!(problem.contains("expected one such as 08:00"), "{problem}");
        }
        for text in ["", "2026-11-21", "2026-11-21 08:00", "2026-02-30T08:00", "2200-01-01T00:00", "1969-12-31T00:00"] {
            let problem = text.parse::<WallTime>().expect_err(text);
            assert!(problem.contains("expected one such as 2026-11-21T08:00"), "{problem}");
        }
    }
}
