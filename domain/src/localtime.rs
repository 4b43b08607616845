//! Local time without a time-zone database: a slice of a zone's offset changes, made by the server.

use crate::Millis;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike};

/// From this instant on the zone is `offset_s` seconds east of UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When the offset starts to hold.
    pub utc_ms: Millis,
    /// Seconds east of UTC.
    pub offset_s: i32,
    /// What clocks call it: `CET`, `CEST`, `UTC`.
    pub abbr: String,
}

/// One zone's offsets over the range in view. The first entry also holds for all time before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSlice {
    name: String,
    transitions: Vec<Transition>,
}

impl ZoneSlice {
    /// A slice from transitions in any order; without any it is UTC.
    pub fn new(name: impl Into<String>, mut transitions: Vec<Transition>) -> Self {
        transitions.sort_by_key(|t| t.utc_ms);
        if transitions.is_empty() {
            transitions.push(Transition { utc_ms: Millis::MIN, offset_s: 0, abbr: "UTC".into() });
        }
        Self { name: name.into(), transitions }
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self::new("UTC", Vec::new())
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The offset changes held, in order.
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// Seconds east of UTC and the abbreviation at an instant.
    pub fn offset_at(&self, utc_ms: Millis) -> (i32, &str) {
        let after = self.transitions.partition_point(|t| t.utc_ms <= utc_ms);
        let t = &self.transitions[after.saturating_sub(1)];
        (t.offset_s, &t.abbr)
    }

    /// Wall-clock time at an instant; instants outside chrono's range clamp to the epoch.
    pub fn local(&self, utc_ms: Millis) -> NaiveDateTime {
        let offset = i64::from(self.offset_at(utc_ms).0) * 1000;
        DateTime::from_timestamp_millis(utc_ms.saturating_add(offset)).unwrap_or_default().naive_utc()
    }

    /// The instant of a wall-clock time: the earlier one where it occurs twice, `Err` with the
    /// instant of the jump where it does not occur.
    pub fn to_utc(&self, local: NaiveDateTime) -> Result<Millis, Millis> {
        let wall = local.and_utc().timestamp_millis();
        let mut offsets: Vec<i32> = self.transitions.iter().map(|t| t.offset_s).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let found =
            offsets.iter().map(|offset| wall - i64::from(*offset) * 1000).filter(|utc| self.local(*utc) == local).min();
        found.ok_or_else(|| {
            let near = wall - i64::from(self.offset_at(wall).0) * 1000;
            self.transitions.iter().map(|t| t.utc_ms).min_by_key(|jump| jump.abs_diff(near)).unwrap_or(near)
        })
    }

    /// All instants of a wall-clock time in order: none where clocks skip it, two where they repeat it.
    pub fn instants(&self, local: NaiveDateTime) -> Vec<Millis> {
        let wall = local.and_utc().timestamp_millis();
        let mut found: Vec<Millis> = self
            .transitions
            .iter()
            .map(|t| wall - i64::from(t.offset_s) * 1000)
            .filter(|utc| self.local(*utc) == local)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Instants of local midnight within `[from, to]`; where midnight is skipped, the first
    /// instant of the day.
    pub fn midnights(&self, from: Millis, to: Millis) -> Vec<Millis> {
        let mut days = Vec::new();
        let mut day = self.local(from).date();
        let last = self.local(to).date();
        while day <= last {
            let midnight = day.and_hms_opt(0, 0, 0).expect("midnight is a time of day");
            let at = self.to_utc(midnight).unwrap_or_else(|jump| jump);
            if at >= from && at <= to {
                days.push(at);
            }
            match day.succ_opt() {
                Some(next) => day = next,
                None => break,
            }
        }
        days
    }

    /// Hour of the local day, 0..=23.
    pub fn hour(&self, utc_ms: Millis) -> u32 {
        self.local(utc_ms).hour()
    }

    /// `UTC+1`, `UTC−3:30`, `UTC` at an instant.
    pub fn offset_text(&self, utc_ms: Millis) -> String {
        let (offset, _) = self.offset_at(utc_ms);
        if offset == 0 {
            return "UTC".into();
        }
        let sign = if offset < 0 { '\u{2212}' } else { '+' };
        let span = TimeDelta::seconds(i64::from(offset.abs()));
        let minutes = span.num_minutes() % 60;
        if minutes == 0 {
            format!("UTC{sign}{}", span.num_hours())
        } else {
            format!("UTC{sign}{}:{minutes:02}", span.num_hours())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    /// Europe/Berlin in 2026: +1 until 29 Mar 01:00 UTC, +2 until 25 Oct 01:00 UTC.
    fn berlin() -> ZoneSlice {
        let at = |m, d| {
            NaiveDate::from_ymd_opt(2026, m, d).unwrap().and_hms_opt(1, 0, 0).unwrap().and_utc().timestamp_millis()
        };
        ZoneSlice::new(
            "Europe/Berlin",
            vec![
                Transition { utc_ms: 0, offset_s: 3600, abbr: "CET".into() },
                Transition { utc_ms: at(3, 29), offset_s: 7200, abbr: "CEST".into() },
                Transition { utc_ms: at(10, 25), offset_s: 3600, abbr: "CET".into() },
            ],
        )
    }

    fn wall(m: u32, d: u32, h: u32, min: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, m, d).unwrap().and_hms_opt(h, min, 0).unwrap()
    }

    #[test]
    fn a_day_has_23_24_or_25_hours() {
        let zone = berlin();
        let hours = |m, d| {
            let a = zone.to_utc(wall(m, d, 0, 0)).unwrap();
            let b = zone.to_utc(wall(m, d, 0, 0) + TimeDelta::days(1)).unwrap();
            (b - a) / crate::HOUR_MS
        };
        assert_eq!((hours(3, 29), hours(3, 30), hours(10, 25)), (23, 24, 25));
    }

    #[test]
    fn repeated_and_missing_wall_times() {
        let zone = berlin();
        let twice = zone.to_utc(wall(10, 25, 2, 30)).unwrap();
        assert_eq!(zone.offset_at(twice), (7200, "CEST"));
        assert_eq!(zone.to_utc(wall(3, 29, 2, 30)), Err(zone.transitions()[1].utc_ms));
    }

    #[test]
    fn offsets_are_written_out() {
        assert_eq!(berlin().offset_text(0), "UTC+1");
        assert_eq!(ZoneSlice::utc().offset_text(5), "UTC");
        let newfoundland = ZoneSlice::new("x", vec![Transition { utc_ms: 0, offset_s: -12_600, abbr: "NST".into() }]);
        assert_eq!(newfoundland.offset_text(1), "UTC\u{2212}3:30");
    }
}
