//! From IANA zone names to slices of offset changes.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};
use headroom_domain::localtime::{Transition, ZoneSlice};
use headroom_domain::{DAY_MS, Millis};

/// How far beyond a range its slice reaches: forms and comparisons look a year back and ahead.
const MARGIN_MS: Millis = 400 * DAY_MS;

/// Zones offered while typing; any IANA name is accepted.
pub const OFFERED: [&str; 28] = [
    "UTC",
    "Europe/London",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Stockholm",
    "Europe/Helsinki",
    "Europe/Istanbul",
    "Africa/Cairo",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "America/Toronto",
    "America/St_Johns",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Honolulu",
];

/// Whether a name is an IANA zone.
pub fn is_known(name: &str) -> bool {
    name.parse::<Tz>().is_ok()
}

/// The zone's offsets from a year before `from` to a year after `to`. `None` for an unknown name.
pub fn slice(name: &str, from: Millis, to: Millis) -> Option<ZoneSlice> {
    let zone: Tz = name.parse().ok()?;
    let mut at = from.saturating_sub(MARGIN_MS);
    let end = to.saturating_add(MARGIN_MS);
    let mut transitions = vec![transition(zone, at)];
    // Offsets change at most a few times a year; a day's stride with bisection finds each change.
    while at < end {
        let next = at + DAY_MS;
        let (before, after) = (transition(zone, at), transition(zone, next));
        if (before.offset_s, &before.abbr) != (after.offset_s, &after.abbr) {
            let (mut low, mut high) = (at, next);
            while high - low > 1000 {
                let middle = low + (high - low) / 2;
                let there = transition(zone, middle);
                if (there.offset_s, &there.abbr) == (before.offset_s, &before.abbr) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            transitions.push(transition(zone, high / 1000 * 1000));
        }
        at = next;
    }
    Some(ZoneSlice::new(name, transitions))
}

fn transition(zone: Tz, utc_ms: Millis) -> Transition {
    let utc: DateTime<Utc> = DateTime::from_timestamp_millis(utc_ms).unwrap_or_default();
    let offset = zone.offset_from_utc_datetime(&utc.naive_utc());
    let offset_s = offset.fix().local_minus_utc();
    let abbr = offset.abbreviation().filter(|a| a.chars().any(char::is_alphabetic)).map_or_else(
        || {
            let sign = if offset_s < 0 { '\u{2212}' } else { '+' };
            format!("{sign}{:02}:{:02}", offset_s.abs() / 3600, offset_s.abs() / 60 % 60)
        },
        str::to_owned,
    );
    Transition { utc_ms, offset_s, abbr }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn berlin_changes_twice_a_year_at_one_utc() {
        let from = 1_767_225_600_000; // 2026-01-01
        let zone = slice("Europe/Berlin", from, from + 300 * DAY_MS).expect("known");
        let at: Vec<Millis> = zone.transitions().iter().map(|t| t.utc_ms).collect();
        assert!(at.contains(&1_774_746_000_000), "29 March 2026, 01:00 UTC is a change");
        assert!(at.contains(&1_792_890_000_000), "25 October 2026, 01:00 UTC is a change");
    }

    #[test]
    fn unknown_zones_are_none() {
        assert!(slice("Mars/Olympus", 0, 1).is_none());
        assert!(is_known("Asia/Kolkata"));
    }

    #[test]
    fn every_offered_zone_is_known() {
        assert!(OFFERED.iter().all(|name| is_known(name)));
    }
}
