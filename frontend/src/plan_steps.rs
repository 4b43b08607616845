//! How a bar of the timeline moves: steps on the wall clock of a zone, and what is said about them. Arithmetic for the server's
//! texts and for the browser's hands alike.

use chrono::TimeDelta;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{MINUTE_MS, format};

/// A reservation as somebody holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// First instant.
    pub from_ms: i64,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<i64>,
    /// Slots.
    pub slots: i64,
}

/// Where it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grip {
    /// As a whole.
    Body,
    /// At its start.
    Start,
    /// At its end.
    End,
}

/// Steps over time: from an instant on so much.
pub type Steps = Vec<(i64, i64)>;

/// So many minutes later on the wall clock.
pub fn later(zone: &ZoneSlice, at: i64, minutes: i64) -> i64 {
    if minutes == 0 {
        return at;
    }
    let local = zone.local(at) + TimeDelta::minutes(minutes);
    zone.to_utc(local).unwrap_or_else(|jump| jump)
}

/// Minutes between two instants on the wall clock.
fn wall_minutes(zone: &ZoneSlice, from: i64, to: i64) -> i64 {
    (zone.local(to) - zone.local(from)).num_minutes()
}

/// Moved by so many minutes on the wall clock. An edge stops a step before the other one.
#[must_use]
pub fn moved(zone: &ZoneSlice, was: Held, grip: Grip, minutes: i64, snap: i64) -> Held {
    match grip {
        Grip::Body => Held {
            from_ms: later(zone, was.from_ms, minutes),
            to_ms: was.to_ms.map(|to| later(zone, to, minutes)),
            ..was
        },
        Grip::Start => {
            let most = was.to_ms.map_or(i64::MAX, |to| later(zone, to, -snap));
            let from_ms = later(zone, was.from_ms, minutes).min(most.max(was.from_ms));
            Held { from_ms, ..was }
        }
        Grip::End => {
            let least = later(zone, was.from_ms, snap);
            Held { to_ms: was.to_ms.map(|to| later(zone, to, minutes).max(least.min(to))), ..was }
        }
    }
}

/// How many minutes a pull comes to: whole steps on the wall clock, so that a pull of a day is a day however long it is.
pub fn pulled(zone: &ZoneSlice, at: i64, by_ms: i64, snap: i64) -> i64 {
    let minutes = wall_minutes(zone, at, at + by_ms) as f64;
    (minutes / snap.max(1) as f64).round() as i64 * snap.max(1)
}

/// The step of the wall clock nearest to an instant, counted from midnight.
pub fn nearest(zone: &ZoneSlice, at: i64, snap: i64) -> i64 {
    use chrono::Timelike;
    let local = zone.local(at);
    let of_day = i64::from(local.num_seconds_from_midnight()) as f64 / 60.0;
    let wanted = (of_day / snap.max(1) as f64).round() as i64 * snap.max(1);
    let midnight = local.date().and_hms_opt(0, 0, 0).unwrap_or(local);
    zone.to_utc(midnight + TimeDelta::minutes(wanted)).unwrap_or_else(|jump| jump)
}

/// `60 h`, `49 h (clock change)`, `1 h 15 min`.
pub fn length(zone: &ZoneSlice, from: i64, to: i64) -> String {
    let minutes = (to - from) / MINUTE_MS;
    let (hours, rest) = (minutes / 60, minutes % 60);
    let mut text = match (hours, rest) {
        (0, rest) => format!("{rest} min"),
        (hours, 0) => format!("{} h", format::count(hours)),
        (hours, rest) => format!("{} h {rest} min", format::count(hours)),
    };
    if wall_minutes(zone, from, to) != minutes {
        text.push_str(" (clock change)");
    }
    text
}

/// `28 Nov 00:00 to 30 Nov 12:00, 60 h`
pub fn times(zone: &ZoneSlice, from: i64, to: Option<i64>) -> String {
    let start = format::day_time(zone.local(from));
    match to {
        Some(to) => format!("{start} to {}, {}", format::day_time(zone.local(to)), length(zone, from, to)),
        None => format!("from {start} until further notice"),
    }
}

/// What is said of every step: `ml-batch, 28 Nov 00:00 to 30 Nov 12:00, 60 h, 600 slots, exceeds capacity by 50`
pub fn said(zone: &ZoneSlice, name: &str, held: Held, excess: i64) -> String {
    let slots = if held.slots == 1 { "1 slot".to_owned() } else { format!("{} slots", format::count(held.slots)) };
    let mut text = format!("{name}, {}, {slots}", times(zone, held.from_ms, held.to_ms));
    if excess > 0 {
        text.push_str(&format!(", exceeds capacity by {}", format::count(excess)));
    }
    text
}

fn value_at(steps: &[(i64, i64)], at: i64) -> i64 {
    let after = steps.partition_point(|step| step.0 <= at);
    after.checked_sub(1).map_or(0, |place| steps[place].1)
}

/// Slots by which the sum of promises would exceed the limit somewhere in what is held; 0 if nowhere.
pub fn excess(promised: &[(i64, i64)], limit: &[(i64, i64)], was: Option<Held>, held: Held) -> i64 {
    if limit.is_empty() {
        return 0;
    }
    let end = held.to_ms.unwrap_or(i64::MAX);
    let mut edges: Vec<i64> = promised.iter().chain(limit).map(|step| step.0).collect();
    edges.extend([Some(held.from_ms), was.map(|was| was.from_ms), was.and_then(|was| was.to_ms)].into_iter().flatten());
    let of_was = |at: i64| {
        was.map_or(0, |was| if was.from_ms <= at && was.to_ms.is_none_or(|to| at < to) { was.slots } else { 0 })
    };
    let first = limit[0].0;
    let over = edges.into_iter().filter(|at| held.from_ms <= *at && *at < end && *at >= first);
    over.map(|at| value_at(promised, at) - of_was(at) + held.slots - value_at(limit, at)).max().unwrap_or(0).max(0)
}

/// Reads `first second` a line.
pub fn pairs(text: &str) -> Steps {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use headroom_domain::HOUR_MS;
    use headroom_domain::localtime::Transition;

    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis()
    }

    fn berlin() -> ZoneSlice {
        let change = |text: &str, offset_s| Transition { utc_ms: at(text), offset_s, abbr: String::new() };
        ZoneSlice::new(
            "Europe/Berlin",
            vec![
                change("2025-10-26T01:00:00Z", 3_600),
                change("2026-03-29T01:00:00Z", 7_200),
                change("2026-10-25T01:00:00Z", 3_600),
            ],
        )
    }

    fn day(from: &str, to: &str) -> Held {
        Held { from_ms: at(from), to_ms: Some(at(to)), slots: 600 }
    }

    #[test]
    fn a_day_moved_over_the_change_of_clocks_keeps_its_wall_times() {
        let zone = berlin();
        let was = day("2026-03-27T00:00:00+01:00", "2026-03-28T00:00:00+01:00");
        let moved = moved(&zone, was, Grip::Body, 2 * 1_440, 60);
        assert_eq!(moved, day("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"));
        assert_eq!(
            said(&zone, "peak", moved, 50),
            "peak, 29 Mar 00:00 to 30 Mar 00:00, 23 h (clock change), 600 slots, exceeds capacity by 50"
        );
        assert_eq!(pulled(&zone, was.from_ms, 2 * 24 * HOUR_MS + 20 * MINUTE_MS, 60), 2 * 1_440);
        assert_eq!(pulled(&zone, was.from_ms, 3 * 24 * HOUR_MS - HOUR_MS, 1_440), 3 * 1_440);
    }

    #[test]
    fn an_edge_does_not_pass_the_other() {
        let zone = berlin();
        let was = day("2026-06-01T00:00:00+02:00", "2026-06-01T06:00:00+02:00");
        assert_eq!(moved(&zone, was, Grip::Start, 600, 60).from_ms, at("2026-06-01T05:00:00+02:00"));
        assert_eq!(moved(&zone, was, Grip::End, -600, 60).to_ms, Some(at("2026-06-01T01:00:00+02:00")));
        // What is shorter than a step stays as it is.
        let short = day("2026-06-01T00:00:00+02:00", "2026-06-01T00:30:00+02:00");
        assert_eq!(moved(&zone, short, Grip::Start, 60, 60), short);
        assert_eq!(moved(&zone, short, Grip::End, -60, 60), short);
        let open = Held { to_ms: None, ..was };
        assert_eq!(moved(&zone, open, Grip::End, 60, 60), open);
    }

    #[test]
    fn a_new_one_begins_on_a_step_of_the_clock() {
        let zone = berlin();
        assert_eq!(nearest(&zone, at("2026-06-01T10:20:00+02:00"), 15), at("2026-06-01T10:15:00+02:00"));
        assert_eq!(nearest(&zone, at("2026-06-01T20:20:00+02:00"), 1_440), at("2026-06-02T00:00:00+02:00"));
        assert_eq!(nearest(&zone, at("2026-03-29T03:10:00+02:00"), 60), at("2026-03-29T03:00:00+02:00"));
    }

    #[test]
    fn what_was_held_before_does_not_count_twice() {
        let (promised, limit) = (vec![(0, 400), (10, 1_000), (20, 400)], vec![(0, 1_200)]);
        let was = Held { from_ms: 10, to_ms: Some(20), slots: 600 };
        assert_eq!(excess(&promised, &limit, Some(was), Held { slots: 850, ..was }), 50);
        assert_eq!(excess(&promised, &limit, Some(was), Held { from_ms: 20, to_ms: None, slots: 800 }), 0);
        assert_eq!(excess(&promised, &limit, None, Held { from_ms: 15, to_ms: Some(16), slots: 300 }), 100);
        assert_eq!(excess(&promised, &[], None, was), 0);
    }

    #[test]
    fn lines_are_read_and_others_left_out() {
        assert_eq!(pairs("1 2\nx\n-3 4"), [(1, 2), (-3, 4)]);
    }
}
