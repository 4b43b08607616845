//! What a day came to: what was provided, beside what following, a static peak and the chosen policy would have provided. Sums are
//! exact integers of slot-minutes, so that days add up.

use super::{cleaned, whole};
use crate::backtest::{PEAK_MINUTES, REFERENCE_UTILISATION, reactive};
use serde::{Deserialize, Serialize};
use std::ops::Add;

/// Minutes of a day.
const DAY: usize = 1_440;

/// Sums of one policy over the minutes whose demand is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Slots provided.
    pub slot_minutes: i64,
    /// Minutes in which more was wanted than provided.
    pub violation_minutes: i64,
    /// Slots wanted above what was provided.
    pub unmet_slot_minutes: i64,
    /// Slots wanted.
    pub wanted_slot_minutes: i64,
    /// Minutes.
    pub minutes: i64,
}

impl Line {
    fn of(wanted: &[f64], provided: impl Iterator<Item = i64>) -> Self {
        let mut line = Self::default();
        for (wanted, provided) in wanted.iter().zip(provided).filter(|(wanted, _)| wanted.is_finite()) {
            let (wanted, provided) = (whole(*wanted), provided.max(0));
            line.minutes += 1;
            line.slot_minutes = line.slot_minutes.saturating_add(provided);
            line.wanted_slot_minutes = line.wanted_slot_minutes.saturating_add(wanted);
            line.violation_minutes += i64::from(wanted > provided);
            line.unmet_slot_minutes = line.unmet_slot_minutes.saturating_add((wanted - provided).max(0));
        }
        line
    }
}

impl Add for Line {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            slot_minutes: self.slot_minutes.saturating_add(other.slot_minutes),
            violation_minutes: self.violation_minutes.saturating_add(other.violation_minutes),
            unmet_slot_minutes: self.unmet_slot_minutes.saturating_add(other.unmet_slot_minutes),
            wanted_slot_minutes: self.wanted_slot_minutes.saturating_add(other.wanted_slot_minutes),
            minutes: self.minutes.saturating_add(other.minutes),
        }
    }
}

/// A day by four policies, over the same minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// What was.
    pub actual: Line,
    /// Following at 75 %.
    pub reactive: Line,
    /// The peak of up to two weeks before; none if nothing was known before the day.
    pub static_peak: Option<Line>,
    /// What the chosen policy would have provided.
    pub chosen: Line,
}

/// What every rule has to keep on a day, so that they are compared on the same terms.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// By minute of the day: what is promised, what events ask for and the configured least; nothing where it ends.
    pub least: &'a [i64],
    /// Never more; counts where it is below that.
    pub most: i64,
}

impl Bounds<'_> {
    fn keep(&self, minute: usize, slots: i64) -> i64 {
        slots.max(self.least.get(minute).copied().unwrap_or(0)).min(self.most)
    }
}

/// Settles a day. `minutes` is demand by minute, NaN unknown, and ends with that day; what is before it, up to two weeks, is what the
/// others start from. `actual` and `chosen` are slots by minute of the day, and the day is as long as the shorter of them. What was is told
/// as it was; the rules keep the bounds.
pub fn ledger(minutes: &[f64], actual: &[i64], chosen: &[i64], bounds: &Bounds<'_>) -> Ledger {
    let length = minutes.len().min(actual.len()).min(chosen.len()).min(DAY);
    let start = minutes.len() - length;
    let from = start.saturating_sub(PEAK_MINUTES.max(DAY));
    let minutes = &cleaned(&minutes[from..])[..];
    let start = start - from;
    let (before, day) = (&minutes[start.saturating_sub(PEAK_MINUTES)..start], &minutes[start..]);
    // A day before is enough for following to have caught up.
    let from = start.saturating_sub(DAY);
    let followed = reactive(&minutes[from..], REFERENCE_UTILISATION);
    let peak = before
        .iter()
        .copied()
        .filter(|wanted| wanted.is_finite())
        .fold(None, |most: Option<f64>, wanted| Some(most.map_or(wanted, |most| most.max(wanted))));
    let kept = |slots: &mut dyn Iterator<Item = i64>| {
        Line::of(day, slots.enumerate().map(|(minute, slots)| bounds.keep(minute, slots)))
    };
    Ledger {
        actual: Line::of(day, actual.iter().copied()),
        reactive: kept(&mut followed[start - from..].iter().map(|slots| whole(*slots))),
        static_peak: peak.map(|peak| kept(&mut std::iter::repeat(whole(peak).max(1)))),
        chosen: kept(&mut chosen.iter().copied()),
    }
}
