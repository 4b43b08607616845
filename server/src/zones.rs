//! From IANA zone names to slices of offset changes.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};
use headroom_domain::localtime::{Transition, ZoneSlice};
use headroom_domain::{DAY_MS, EARLIEST_MS, LATEST_MS, Millis};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// How far beyond a range its slice reaches: forms and comparisons look a year back and ahead.
const MARGIN_MS: Millis = 400 * DAY_MS;

/// What the product knows of time, with the margins of its slices.
const KNOWN: (Millis, Millis) = (EARLIEST_MS - 2 * MARGIN_MS, LATEST_MS + 2 * MARGIN_MS);
/// Zones whose changes are remembered; others are worked out each time. A zone has about 500, so this is a few megabytes.
const MOST_REMEMBERED: usize = 64;

/// All changes of a zone within [`KNOWN`], by zone. A slice looks at each day of its range, and a large table asks for thousands.
static REMEMBERED: LazyLock<Mutex<HashMap<Tz, Arc<[Transition]>>>> = LazyLock::new(Mutex::default);

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
    let (from, to) = (from.saturating_sub(MARGIN_MS), to.saturating_add(MARGIN_MS));
    let transitions = match all(zone).filter(|_| from >= KNOWN.0 && to <= KNOWN.1) {
        Some(all) => {
            let later = all.partition_point(|t| t.utc_ms <= from);
            let first = Transition { utc_ms: from, ..all[later.saturating_sub(1)].clone() };
            std::iter::once(first).chain(all[later..].iter().take_while(|t| t.utc_ms <= to).cloned()).collect()
        }
        None => walked(zone, from, to),
    };
    Some(ZoneSlice::new(name, transitions))
}

/// All changes of a zone, if there is room to remember them.
fn all(zone: Tz) -> Option<Arc<[Transition]>> {
    {
        // Whoever panicked with the lock left whole entries behind.
        let remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = remembered.get(&zone) {
            return Some(Arc::clone(found));
        }
        if remembered.len() >= MOST_REMEMBERED {
            return None;
        }
    }
    // A walk over two centuries: those who ask for other zones do not wait for it. Who asks for this one meanwhile walks too, and
    // finds the same.
    let walked: Arc<[Transition]> = walked(zone, KNOWN.0, KNOWN.1).into();
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    if remembered.len() >= MOST_REMEMBERED && !remembered.contains_key(&zone) {
        return Some(walked);
    }
    Some(Arc::clone(remembered.entry(zone).or_insert(walked)))
}

/// The offset at an instant, and its changes up to another.
fn walked(zone: Tz, from: Millis, end: Millis) -> Vec<Transition> {
    let mut at = from;
    let mut before = transition(zone, at);
    let mut transitions = vec![before.clone()];
    // Offsets change at most a few times a year; a day's stride with bisection finds each change.
    while at < end {
        let next = at + DAY_MS;
        let after = transition(zone, next);
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
        (at, before) = (next, after);
    }
    transitions
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
    fn what_is_remembered_is_what_is_worked_out() {
        for name in ["Europe/Berlin", "Africa/Cairo", "America/St_Johns", "Asia/Kolkata", "UTC"] {
            let zone: Tz = name.parse().expect("known");
            for from in [0, 500_000_000_000, 1_774_425_600_000, 4_000_000_000_000] {
                let to = from + 900 * DAY_MS;
                let slice = slice(name, from, to).expect("known");
                let plain = ZoneSlice::new(name, walked(zone, from - MARGIN_MS, to + MARGIN_MS));
                let hours = (from - MARGIN_MS..to + MARGIN_MS).step_by(3_600_000);
                let differs = hours.into_iter().find(|at| slice.offset_at(*at) != plain.offset_at(*at));
                assert_eq!(differs, None, "{name} from {from}");
            }
        }
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
