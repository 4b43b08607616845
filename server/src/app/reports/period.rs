//! Over what a report is: a month, a week or a quarter of the organisation's calendar.

use crate::app::{AppError, Result};
use crate::zones;
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::report::Kind;
use headroom_domain::series::floor;
use headroom_domain::{EARLIEST_MS, HOUR_MS, LATEST_MS, Millis};

/// A month closes so many days after it ended, at [`CLOSES_AT`]: what comes late has come by then.
const MONTH_CLOSES_DAYS: u64 = 2;
/// The hour at which periods close.
const CLOSES_AT: u32 = 6;

/// A month, a week or a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Which report is over it.
    kind: Kind,
    /// Its first day.
    first: NaiveDate,
}

impl Period {
    /// The period of a kind of report that a day lies in; `None` for reports that are over no period.
    pub fn of(kind: Kind, day: NaiveDate) -> Option<Self> {
        let first = match kind {
            Kind::Waste => day.with_day(1)?,
            Kind::Weekly => day.week(Weekday::Mon).checked_first_day()?,
            Kind::Quarterly => NaiveDate::from_ymd_opt(day.year(), (day.month0() / 3) * 3 + 1, 1)?,
            Kind::Incident => return None,
        };
        Some(Self { kind, first })
    }

    /// Reads `2026-11`, `2026-W47` or `2026-Q4`.
    ///
    /// # Errors
    /// Names the field `period` with what was expected.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let number = |text: &str, most: u32| {
            let is_plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|n| is_plain && (1..=most).contains(n))
        };
        let read = || {
            let (year, rest) = text.split_once('-')?;
            let year = number(year, 2199).filter(|year| *year >= 1970)? as i32;
            let first = match kind {
                Kind::Waste => NaiveDate::from_ymd_opt(year, number(rest, 12).filter(|_| rest.len() == 2)?, 1)?,
                Kind::Weekly => {
                    let week = rest.strip_prefix('W').filter(|week| week.len() == 2)?;
                    NaiveDate::from_isoywd_opt(year, number(week, 53)?, Weekday::Mon)?
                }
                Kind::Quarterly => {
                    let quarter = number(rest.strip_prefix('Q').filter(|quarter| quarter.len() == 1)?, 4)?;
                    NaiveDate::from_ymd_opt(year, (quarter - 1) * 3 + 1, 1)?
                }
                Kind::Incident => return None,
            };
            Some(Self { kind, first })
        };
        read().ok_or_else(|| {
            let expected = match kind {
                Kind::Waste => "a month from 1970 to 2199 such as 2026-11",
                Kind::Weekly => "a week from 1970 to 2199 such as 2026-W47",
                Kind::Quarterly => "a quarter from 1970 to 2199 such as 2026-Q4",
                Kind::Incident => "the number of an alert",
            };
            AppError::invalid("period", text, expected)
        })
    }

    /// How it is called in addresses.
    pub fn slug(&self) -> String {
        match self.kind {
            Kind::Weekly => {
                let week = self.first.iso_week();
                format!("{}-W{:02}", week.year(), week.week())
            }
            Kind::Quarterly => format!("{}-Q{}", self.first.year(), self.first.month0() / 3 + 1),
            Kind::Waste | Kind::Incident => self.first.format("%Y-%m").to_string(),
        }
    }

    /// How people call it.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Weekly => {
                let week = self.first.iso_week();
                format!("week {} of {}", week.week(), week.year())
            }
            Kind::Quarterly => format!("quarter {} of {}", self.first.month0() / 3 + 1, self.first.year()),
            Kind::Waste | Kind::Incident => self.first.format("%B %Y").to_string(),
        }
    }

    /// Its first day as if it began in UTC: near enough to know which rules of a zone are needed.
    pub fn about_ms(self) -> Millis {
        self.first.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
    }

    fn moved(self, periods: i32) -> Option<Self> {
        let by = periods.unsigned_abs();
        let first = match self.kind {
            Kind::Weekly if periods < 0 => self.first.checked_sub_days(Days::new(7 * u64::from(by)))?,
            Kind::Weekly => self.first.checked_add_days(Days::new(7 * u64::from(by)))?,
            Kind::Quarterly if periods < 0 => self.first.checked_sub_months(Months::new(3 * by))?,
            Kind::Quarterly => self.first.checked_add_months(Months::new(3 * by))?,
            _ if periods < 0 => self.first.checked_sub_months(Months::new(by))?,
            _ => self.first.checked_add_months(Months::new(by))?,
        };
        Some(Self { kind: self.kind, first }).filter(|period| (1970..2200).contains(&period.first.year()))
    }

    /// The one before.
    pub fn before(&self) -> Option<Self> {
        self.moved(-1)
    }

    /// The one after.
    pub fn after(&self) -> Option<Self> {
        self.moved(1)
    }

    /// Its first day and the first day after it.
    pub fn days(self) -> (NaiveDate, NaiveDate) {
        (self.first, self.moved(1).map_or(self.first, |next| next.first))
    }

    /// From its first hour to the first hour after it, in a zone. History is by the UTC hour, so a zone that is half an hour off
    /// begins at the hour in which its day begins.
    pub fn range(&self, zone: &ZoneSlice) -> (Millis, Millis) {
        let end = self.moved(1).map_or(self.first, |next| next.first);
        let at = |day: NaiveDate| floor(instant(zone, day.and_time(NaiveTime::MIN)), HOUR_MS);
        (at(self.first), at(end))
    }

    /// When it closes: a month on the 3rd, a week on its Monday, a quarter on its 3rd, at six in the morning.
    pub fn closes_ms(&self, zone: &ZoneSlice) -> Millis {
        let end = self.moved(1).map_or(self.first, |next| next.first);
        let days = if self.kind == Kind::Weekly { 0 } else { MONTH_CLOSES_DAYS };
        let day = end.checked_add_days(Days::new(days)).unwrap_or(end);
        instant(zone, day.and_hms_opt(CLOSES_AT, 0, 0).unwrap_or_else(|| day.and_time(NaiveTime::MIN)))
    }
}

/// The instant of a clock's time; where clocks skip it, the instant of the jump.
fn instant(zone: &ZoneSlice, local: NaiveDateTime) -> Millis {
    zone.to_utc(local).unwrap_or_else(|jump| jump).clamp(EARLIEST_MS, LATEST_MS)
}

/// A zone around an instant, with a year's margin, or UTC where the name is not known any more.
pub fn zone_around(name: &str, from: Millis, to: Millis) -> ZoneSlice {
    zones::slice(name, from, to).unwrap_or_else(ZoneSlice::utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Period {
        Period::parse(Kind::Waste, text).expect("a month")
    }

    #[test]
    fn periods_are_read_and_written_alike() {
        for (kind, text) in [
            (Kind::Waste, "2026-02"),
            (Kind::Weekly, "2026-W53"),
            (Kind::Weekly, "2027-W01"),
            (Kind::Quarterly, "2026-Q4"),
        ] {
            assert_eq!(Period::parse(kind, text).expect("a period").slug(), text);
        }
        for (kind, text) in [
            (Kind::Waste, "2026-13"),
            (Kind::Waste, "2026-1"),
            (Kind::Waste, "1969-12"),
            (Kind::Waste, "2026-+1"),
            (Kind::Weekly, "2027-W53"),
            (Kind::Weekly, "2026-47"),
            (Kind::Quarterly, "2026-Q5"),
            (Kind::Quarterly, "2026-Q٣"),
            (Kind::Incident, "2026-11"),
        ] {
            assert!(Period::parse(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_is_as_long_as_its_clocks_say_and_closes_on_the_third() {
        let zone = zone_around("Europe/Berlin", 1_772_000_000_000, 1_776_000_000_000);
        let (from, to) = month("2026-03").range(&zone);
        assert_eq!((to - from) / HOUR_MS, 31 * 24 - 1, "clocks go forward");
        assert_eq!(month("2026-03").closes_ms(&zone), to + 2 * 24 * HOUR_MS + 6 * HOUR_MS);
        let kolkata = zone_around("Asia/Kolkata", from, to);
        assert_eq!(month("2026-03").range(&kolkata).0 % HOUR_MS, 0);
        assert_eq!(month("2026-01").before().map(|p| p.slug()).as_deref(), Some("2025-12"));
        assert_eq!(month("2026-12").after().map(|p| p.slug()).as_deref(), Some("2027-01"));
        assert_eq!(month("1970-01").before(), None);
    }
}
