//! What terms come to: stretches of time in which slots are promised.

use super::Fault;
use super::terms::Terms;
use super::wall::{NoInstant, Wall};
use crate::localtime::ZoneSlice;
use crate::{EARLIEST_MS, LATEST_MS, MINUTE_MS, Millis};
use chrono::{NaiveDateTime, TimeZone};
use rrule::RRuleSet;

/// Most occurrences that are looked at.
pub const MOST_OCCURRENCES: u16 = 4_000;

/// One occurrence of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When it starts on the wall clock.
    pub local: NaiveDateTime,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<Millis>,
}

/// So many slots are promised for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<Millis>,
    /// Slots, from 1.
    pub slots: i64,
    /// The time before a start in which the slots are kept free: not lent, and not yet the tenant's by promise.
    pub is_lead: bool,
}

/// Occurrences that start before `horizon_ms`, in order. A zone must reach over all of them.
///
/// An occurrence that would start at a time that clocks skip starts when they go on; of two it takes the earlier one. The first
/// start and the first end must be times that exist once, or say which is meant.
///
/// # Errors
/// Every field that is wrong.
pub fn occurrences(terms: &Terms, zone: &ZoneSlice, horizon_ms: Millis) -> Result<Vec<Occurrence>, Vec<Fault>> {
    let instant = |field, wall: &Wall| match wall.instant(zone) {
        Ok(at) if (EARLIEST_MS..LATEST_MS).contains(&at) => Ok(at),
        Ok(_) => Err(Fault::new(field, wall, "a time from 1970 to 2199")),
        Err(problem @ (NoInstant::Skipped(..) | NoInstant::Repeated(..) | NoInstant::OtherOffset(_))) => {
            Err(Fault::new(field, format!("{wall} in {}", zone.name()), problem.to_string()))
        }
    };
    let start = instant("start", &terms.start);
    let end = terms.end.as_ref().map(|end| instant("end", end)).transpose();
    let (start, end) = match (start, end) {
        (Ok(start), Ok(end)) => (start, end),
        (start, end) => return Err([start.err(), end.err()].into_iter().flatten().collect()),
    };
    if let (Some(at), Some(wall)) = (end, terms.end)
        && at <= start
    {
        return Err(vec![Fault::new("end", wall, format!("a time after the start {}", terms.start))]);
    }
    let Some((repeat, end_wall)) = terms.repeat.as_ref().zip(terms.end) else {
        let one = Occurrence { local: terms.start.local, from_ms: start, to_ms: end };
        return Ok(if start < horizon_ms { vec![one] } else { Vec::new() });
    };
    let length = end_wall.local - terms.start.local;
    let mut found: Vec<Occurrence> = Vec::new();
    for local in starts(terms.start.local, repeat.rule(), zone.local(horizon_ms))? {
        if repeat.until().is_some_and(|until| local.date() > until) {
            break;
        }
        if terms.except.contains(&local.date()) {
            continue;
        }
        let is_first = local == terms.start.local;
        let from = if is_first { start } else { Wall::instant_or_next(local, zone) };
        let to = match end {
            Some(end) if is_first => end,
            _ => Wall::instant_or_next(local + length, zone).max(from + MINUTE_MS),
        };
        if let Some(before) = found.last()
            && before.to_ms.is_some_and(|end| end > from)
        {
            let expected =
                format!("a rule whose occurrences do not overlap: one starts at {local} before the last has ended");
            return Err(vec![Fault::new("repeat", repeat, expected)]);
        }
        found.push(Occurrence { local, from_ms: from, to_ms: Some(to) });
    }
    if found.is_empty() && repeat.until().is_some_and(|until| until < terms.start.local.date()) {
        return Err(vec![Fault::new("repeat", repeat, format!("a last day not before the start {}", terms.start))]);
    }
    Ok(found)
}

/// Wall-clock starts by a rule, in order. The library reckons in a time without changes: the wall's.
fn starts(first: NaiveDateTime, rule: &str, horizon: NaiveDateTime) -> Result<Vec<NaiveDateTime>, Vec<Fault>> {
    let text = format!("DTSTART:{}\nRRULE:{rule}", first.format("%Y%m%dT%H%M%SZ"));
    let fault = |problem: rrule::RRuleError| vec![Fault::new("repeat", rule, problem.to_string())];
    let set: RRuleSet = text.parse().map_err(fault)?;
    let until = rrule::Tz::UTC.from_utc_datetime(&horizon);
    let result = set.before(until).all(MOST_OCCURRENCES);
    let mut starts: Vec<NaiveDateTime> = result.dates.iter().map(chrono::DateTime::naive_utc).collect();
    // RFC 5545, 3.8.5.3: the start counts as the first occurrence, also where the rule would not have it.
    if starts.first() != Some(&first) && first < horizon {
        starts.insert(0, first);
    }
    Ok(starts.into_iter().filter(|at| *at < horizon).collect())
}

/// What is promised before `horizon_ms`, in order and without overlaps, except that a lead may overlap what was before it.
///
/// # Errors
/// Every field that is wrong.
pub fn stretches(terms: &Terms, zone: &ZoneSlice, horizon_ms: Millis) -> Result<Vec<Stretch>, Vec<Fault>> {
    let occurrences = occurrences(terms, zone, horizon_ms)?;
    let others = overrides(terms, zone)?;
    let lead = i64::from(terms.lead_minutes) * MINUTE_MS;
    let mut stretches = Vec::with_capacity(occurrences.len());
    for occurrence in occurrences {
        if lead > 0 {
            let (from_ms, to_ms) = (occurrence.from_ms - lead, Some(occurrence.from_ms));
            stretches.push(Stretch { from_ms, to_ms, slots: terms.slots, is_lead: true });
        }
        let mut from_ms = occurrence.from_ms;
        let ends_after = |at: Millis| occurrence.to_ms.is_none_or(|end| end > at);
        for (start, end, slots) in &others {
            if !ends_after(*start) || *end <= from_ms {
                continue;
            }
            if *start > from_ms {
                stretches.push(Stretch { from_ms, to_ms: Some(*start), slots: terms.slots, is_lead: false });
                from_ms = *start;
            }
            let to_ms = if ends_after(*end) { Some(*end) } else { occurrence.to_ms };
            if *slots > 0 {
                stretches.push(Stretch { from_ms, to_ms, slots: *slots, is_lead: false });
            }
            from_ms = to_ms.unwrap_or(*end);
        }
        if ends_after(from_ms) {
            stretches.push(Stretch { from_ms, to_ms: occurrence.to_ms, slots: terms.slots, is_lead: false });
        }
    }
    Ok(stretches)
}

/// Temporary changes in order.
fn overrides(terms: &Terms, zone: &ZoneSlice) -> Result<Vec<(Millis, Millis, i64)>, Vec<Fault>> {
    let mut found = Vec::with_capacity(terms.overrides.len());
    let mut faults = Vec::new();
    for other in &terms.overrides {
        match (other.start.instant(zone), other.end.instant(zone)) {
            (Ok(start), Ok(end)) if start < end => found.push((start, end, other.slots)),
            (Ok(_), Ok(_)) => faults.push(Fault::new("overrides", other, "an end after the start")),
            (Err(problem), _) | (_, Err(problem)) => faults.push(Fault::new("overrides", other, problem.to_string())),
        }
    }
    found.sort_unstable();
    if found.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        faults.push(Fault::new("overrides", found.len(), "temporary changes that do not overlap"));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// The longest length of an occurrence in whole minutes; `None` = until further notice.
pub fn longest_minutes(stretches: &[Occurrence]) -> Option<i64> {
    stretches
        .iter()
        .map(|o| o.to_ms.map(|to| (to - o.from_ms) / MINUTE_MS))
        .try_fold(0, |most, length| length.map(|l| most.max(l)))
}

#[cfg(test)]
mod tests {
    use super::super::terms::tests::terms;
    use super::super::wall::tests::berlin;
    use super::*;
    use crate::HOUR_MS;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn ms(text: &str) -> Millis {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    const HORIZON: &str = "2027-12-01T00:00:00Z";

    #[test]
    fn a_day_over_a_clock_change_keeps_its_wall_times() {
        let mut day = terms();
        (day.start, day.end) = ("2026-03-28T12:00".parse().unwrap(), "2026-03-29T12:00".parse().ok());
        let found = occurrences(&day, &berlin(), ms(HORIZON)).unwrap();
        let (from, to) = (found[0].from_ms, found[0].to_ms.unwrap());
        assert_eq!((to - from) / HOUR_MS, 23);
    }

    #[test]
    fn what_repeats_keeps_local_time_and_skips_exceptions() {
        let mut nightly = terms();
        nightly.start = "2026-10-23T02:30".parse().unwrap();
        nightly.end = "2026-10-23T05:00".parse().ok();
        nightly.repeat = "FREQ=DAILY;UNTIL=20261027".parse().ok();
        nightly.except = vec![chrono::NaiveDate::from_ymd_opt(2026, 10, 26).unwrap()];
        let found = occurrences(&nightly, &berlin(), ms(HORIZON)).unwrap();
        let times: Vec<_> = found.iter().map(|o| (o.from_ms, o.to_ms.unwrap())).collect();
        assert_eq!(
            times,
            [
                (ms("2026-10-23T00:30:00Z"), ms("2026-10-23T03:00:00Z")),
                (ms("2026-10-24T00:30:00Z"), ms("2026-10-24T03:00:00Z")),
                // Clocks are set back: the earlier 02:30, and an hour more.
                (ms("2026-10-25T00:30:00Z"), ms("2026-10-25T04:00:00Z")),
                (ms("2026-10-27T01:30:00Z"), ms("2026-10-27T04:00:00Z")),
            ]
        );
        // Where clocks are set forward over the start, it starts when they go on.
        nightly.start = "2026-03-28T02:30".parse().unwrap();
        nightly.end = "2026-03-28T05:00".parse().ok();
        nightly.repeat = "FREQ=DAILY;COUNT=2".parse().ok();
        nightly.except.clear();
        let found = occurrences(&nightly, &berlin(), ms(HORIZON)).unwrap();
        assert_eq!(found[1].from_ms, ms("2026-03-29T01:00:00Z"));
    }

    #[test]
    fn weekdays_and_month_ends_are_found() {
        let mut monthly = terms();
        monthly.start = "2026-01-30T08:00".parse().unwrap();
        monthly.end = "2026-01-30T18:00".parse().ok();
        monthly.repeat = "FREQ=MONTHLY;BYDAY=-1FR;COUNT=4".parse().ok();
        let days = |terms: &Terms| -> Vec<String> {
            let found = occurrences(terms, &berlin(), ms(HORIZON)).unwrap();
            found.iter().map(|o| o.local.date().to_string()).collect()
        };
        assert_eq!(days(&monthly), ["2026-01-30", "2026-02-27", "2026-03-27", "2026-04-24"]);
        monthly.repeat = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;UNTIL=20260214".parse().ok();
        assert_eq!(days(&monthly), ["2026-01-30", "2026-02-09", "2026-02-13"]);
    }

    #[test]
    fn temporary_changes_revert_by_themselves_and_leads_come_before() {
        let mut with = terms();
        with.lead_minutes = 30;
        with.overrides = vec![
            "2026-11-30T00:00/2026-12-05T00:00=0".parse().unwrap(),
            "2026-11-28T06:00/2026-11-28T08:00=150".parse().unwrap(),
        ];
        let found = stretches(&with, &berlin(), ms(HORIZON)).unwrap();
        let parts: Vec<_> = found.iter().map(|s| (s.from_ms, s.to_ms.unwrap(), s.slots, s.is_lead)).collect();
        assert_eq!(
            parts,
            [
                (ms("2026-11-27T22:30:00Z"), ms("2026-11-27T23:00:00Z"), 100, true),
                (ms("2026-11-27T23:00:00Z"), ms("2026-11-28T05:00:00Z"), 100, false),
                (ms("2026-11-28T05:00:00Z"), ms("2026-11-28T07:00:00Z"), 150, false),
                (ms("2026-11-28T07:00:00Z"), ms("2026-11-29T23:00:00Z"), 100, false),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_field() {
        type Edit = fn(&mut Terms);
        let edits: [(&[&str], Edit); 6] = [
            (&["end"], |t| t.end = "2026-11-27T00:00".parse().ok()),
            (&["end"], |t| t.end = Some(t.start)),
            (&["start", "end"], |t| {
                (t.start, t.end) = ("2026-03-29T02:30".parse().unwrap(), "2026-10-25T02:30".parse().ok());
            }),
            (&["repeat"], |t| t.repeat = "FREQ=DAILY".parse().ok()),
            (&["repeat"], |t| t.repeat = "FREQ=WEEKLY;UNTIL=20250101".parse().ok()),
            (&["overrides"], |t| t.overrides = vec!["2026-11-29T00:00/2026-11-28T00:00=4".parse().unwrap()]),
        ];
        for (fields, edit) in edits {
            let mut terms = terms();
            edit(&mut terms);
            let faults = stretches(&terms, &berlin(), ms(HORIZON)).expect_err("something is wrong");
            assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), fields, "{faults:?}");
        }
    }

    proptest! {
        #[test]
        fn stretches_are_ordered_apart_and_cover_each_occurrence(
            day in 0_i64..500, hour in 0_i64..24, hours in 1_i64..30, interval in 2_u8..9, freq in 0_usize..2,
            changes in prop::collection::vec((0_i64..600, 1_i64..200, 0_i64..9), 0..4),
        ) {
            let base = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
            let at = |hours: i64| Wall::new(base + TimeDelta::hours(hours));
            let mut some = terms();
            let start = day * 24 + hour;
            (some.start, some.end) = (at(start), Some(at(start + hours)));
            some.repeat = format!("FREQ={};INTERVAL={interval};COUNT=40", ["DAILY", "WEEKLY"][freq]).parse().ok();
            some.overrides = changes.iter().map(|(from, len, slots)| crate::plan::terms::Override {
                start: at(start + from), end: at(start + from + len), slots: *slots,
            }).collect();
            let zone = berlin();
            let Ok(found) = stretches(&some, &zone, ms(HORIZON)) else { return Ok(()) };
            for pair in found.windows(2) {
                prop_assert!(pair[0].to_ms.unwrap() <= pair[1].from_ms);
            }
            // Minute by minute: a stretch says what the terms say there.
            for o in occurrences(&some, &zone, ms(HORIZON)).unwrap() {
                let (from, to) = (o.from_ms, o.to_ms.unwrap());
                for moment in [from, from + (to - from) / 2 / MINUTE_MS * MINUTE_MS, to - MINUTE_MS] {
                    let other = some.overrides.iter().find(|v| {
                        v.start.instant(&zone).unwrap() <= moment && moment < v.end.instant(&zone).unwrap()
                    });
                    let expected = other.map_or(some.slots, |v| v.slots);
                    let got = found.iter().find(|s| s.from_ms <= moment && moment < s.to_ms.unwrap()).map_or(0, |s| s.slots);
                    prop_assert_eq!(got, expected);
                }
            }
        }
    }
}
