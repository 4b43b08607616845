//! To how many slots a reservation can shrink, what that saves, and what it risks.
//!
//! The evidence is one tenant's hours in one pool. A suggestion is never below the 99th percentile of the hourly peaks and a tenth,
//! nor below what is promised by contracts that stay; who reaches close to what it has is told to keep it.

use crate::{HOUR_MS, Millis};

/// Per cent added to the 99th percentile.
pub const MARGIN_PERCENT: i64 = 10;
/// Days of evidence that are looked at.
pub const EVIDENCE_DAYS: i64 = 45;
/// Without so many days of known hours nothing is suggested.
pub const LEAST_DAYS: i64 = 7;
/// From so many on the evidence is good.
pub const GOOD_DAYS: i64 = 28;
/// Hours of a week.
pub const WEEK_HOURS: usize = 168;

/// An hour of evidence. Hours of which nothing is known are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// Its start.
    pub at_ms: Millis,
    /// How much of it is known.
    pub observed_ms: i64,
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Held.
    pub used_slot_ms: i64,
    /// Promised, not held, and of use to nobody.
    pub unused_slot_ms: i64,
    /// Most slots held at once.
    pub peak: i64,
}

impl Hour {
    /// What a promise of `slots` in place of the present one would have saved: only what is above it and was of use to nobody.
    pub fn saving_slot_ms(&self, slots: i64) -> i64 {
        let kept = slots.saturating_mul(self.observed_ms);
        (self.reserved_slot_ms - kept).clamp(0, self.unused_slot_ms.max(0))
    }
}

/// What a level saves over some hours.
pub fn saving_slot_ms(hours: &[Hour], slots: i64) -> i64 {
    hours.iter().map(|hour| hour.saving_slot_ms(slots)).sum()
}

/// The least value that at least `percent` of the values do not exceed (nearest rank).
pub fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A level on the frontier of saving against risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Where it comes from.
    pub basis: Basis,
    /// Slots promised.
    pub slots: i64,
    /// What it would have saved over the evidence.
    pub saving_slot_ms: i64,
    /// Hours in which more was held at once, though no more than was promised.
    pub short_hours: i64,
    /// Slot time by which it would have been too small, at most.
    pub short_slot_ms: i64,
}

/// Where a level comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A percentile of the hourly peaks.
    Percentile(usize),
    /// The 99th percentile and the margin: what is suggested.
    Suggested,
    /// The highest peak.
    Highest,
    /// What is promised now.
    Present,
}

/// How much is behind a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Four weeks or more.
    Good,
    /// One to four weeks.
    Some,
    /// Less than a week: nothing is suggested.
    Little,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Lower what is promised to so many slots.
    Lower(i64),
    /// Its peaks come close to what is promised although it uses much less most of the time.
    KeepBursty,
    /// It uses what is promised.
    KeepBusy,
    /// Contracts that stay promise as much.
    KeepContract,
    /// Too little is known.
    KeepUnknown,
    /// Nothing is promised now.
    NothingPromised,
}

/// What the evidence says about one tenant in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Slots promised now.
    pub promised: i64,
    /// 99th percentile of the hourly peaks.
    pub p99: Option<i64>,
    /// Highest of them.
    pub highest: Option<i64>,
    /// Known hours.
    pub hours: i64,
    /// How much that is.
    pub confidence: Confidence,
    /// What to do.
    pub verdict: Verdict,
    /// What other levels would have saved and risked, from the lowest.
    pub frontier: Vec<Level>,
}

impl Advice {
    /// The level to lower to, if that is what to do.
    pub fn lower_to(&self) -> Option<i64> {
        match self.verdict {
            Verdict::Lower(slots) => Some(slots),
            _ => None,
        }
    }
}

/// The lowest level that is ever suggested for these peaks: the 99th percentile and a tenth, rounded up.
pub fn floor(p99: i64) -> i64 {
    (p99.saturating_mul(100 + MARGIN_PERCENT)).div_euclid(100)
        + i64::from((p99.saturating_mul(100 + MARGIN_PERCENT)).rem_euclid(100) > 0)
}

/// Reads the evidence. `promised` is what is promised now, `contracts` the part of it that stays whatever is suggested.
pub fn advise(hours: &[Hour], promised: i64, contracts: i64) -> Advice {
    let known: Vec<&Hour> = hours.iter().filter(|hour| hour.observed_ms > 0).collect();
    let mut peaks: Vec<i64> = known.iter().map(|hour| hour.peak).collect();
    peaks.sort_unstable();
    let days = known.len() as i64 / 24;
    let confidence = match days {
        GOOD_DAYS.. => Confidence::Good,
        LEAST_DAYS.. => Confidence::Some,
        _ => Confidence::Little,
    };
    let p99 = percentile(&peaks, 99);
    let verdict = match p99.map(floor) {
        _ if promised <= 0 => Verdict::NothingPromised,
        _ if confidence == Confidence::Little => Verdict::KeepUnknown,
        None => Verdict::KeepUnknown,
        Some(least) if least >= promised => {
            // Bursty is who holds less than three quarters of what is promised on average, and comes close to it all the same.
            let observed: i64 = known.iter().map(|hour| hour.observed_ms).sum();
            let used: i64 = known.iter().map(|hour| hour.used_slot_ms).sum();
            let is_bursty = i128::from(used) * 4 < i128::from(promised) * i128::from(observed) * 3;
            if is_bursty { Verdict::KeepBursty } else { Verdict::KeepBusy }
        }
        Some(least) => {
            let to = least.max(contracts).max(1);
            if to >= promised { Verdict::KeepContract } else { Verdict::Lower(to) }
        }
    };
    let suggested = match verdict {
        Verdict::Lower(to) => Some((Basis::Suggested, to)),
        _ => None,
    };
    let of = |percent: usize| percentile(&peaks, percent).map(|slots| (Basis::Percentile(percent), slots));
    let highest = peaks.last().copied();
    let mut levels: Vec<(Basis, i64)> = [of(90), of(95), of(99), suggested, highest.map(|h| (Basis::Highest, h))]
        .into_iter()
        .flatten()
        .filter(|(_, slots)| *slots < promised)
        .collect();
    if promised > 0 {
        levels.push((Basis::Present, promised));
    }
    levels.sort_by_key(|(_, slots)| *slots);
    let frontier = levels.into_iter().map(|(basis, slots)| level(hours, promised, basis, slots)).collect();
    Advice { promised, p99, highest, hours: known.len() as i64, confidence, verdict, frontier }
}

fn level(hours: &[Hour], promised: i64, basis: Basis, slots: i64) -> Level {
    let short = |hour: &Hour| (hour.peak.min(promised) - slots).max(0);
    Level {
        basis,
        slots,
        saving_slot_ms: saving_slot_ms(hours, slots),
        short_hours: hours.iter().filter(|hour| short(hour) > 0).count() as i64,
        short_slot_ms: hours.iter().map(|hour| short(hour).saturating_mul(hour.observed_ms)).sum(),
    }
}

/// The level that costs least where a promised slot costs `reserved` an hour and one that is not promised `elastic` (the newsvendor's
/// rule): the least level that use does not exceed with a probability of `1 - reserved / elastic`. 0 where promising is no cheaper.
///
/// `None` without samples. Prices are millionths of the currency per slot and hour.
pub fn cheapest_level(samples: &[i64], reserved: i64, elastic: i64) -> Option<i64> {
    if samples.is_empty() {
        return None;
    }
    if reserved >= elastic {
        return Some(0);
    }
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    // The least rank k with k / n >= 1 - reserved / elastic, in whole numbers.
    let n = sorted.len() as i128;
    let rank = (n * i128::from(elastic - reserved.max(0)) + i128::from(elastic) - 1).div_euclid(elastic.into());
    let at = usize::try_from(rank.clamp(1, n) - 1).unwrap_or_default();
    sorted.get(at).copied()
}

/// What a level costs for some hours of use, in slots times millionths: what is promised, and what is held beyond it.
pub fn cost_of_level(samples: &[i64], level: i64, reserved: i64, elastic: i64) -> i128 {
    samples
        .iter()
        .map(|used| i128::from(level) * i128::from(reserved) + i128::from((used - level).max(0)) * i128::from(elastic))
        .sum()
}

/// Average slots of an hour, rounded up; `None` where nothing is known of it.
fn average(hour: &Hour) -> Option<i64> {
    let observed = Some(hour.observed_ms).filter(|observed| *observed > 0)?;
    Some((hour.used_slot_ms + observed - 1).div_euclid(observed.min(HOUR_MS)))
}

/// The one level that costs least if it is promised in all hours.
pub fn cheapest_constant(hours: &[Hour], reserved: i64, elastic: i64) -> Option<i64> {
    let samples: Vec<i64> = hours.iter().filter_map(average).collect();
    cheapest_level(&samples, reserved, elastic)
}

/// Hours of a day with their levels: runs of equal ones, each from its first hour to the one after its last.
pub fn runs(day: &[Option<i64>]) -> Vec<(usize, usize, Option<i64>)> {
    let mut runs: Vec<(usize, usize, Option<i64>)> = Vec::new();
    for (hour, level) in day.iter().enumerate() {
        match runs.last_mut().filter(|(_, _, last)| last == level) {
            Some(run) => run.1 = hour + 1,
            None => runs.push((hour, hour + 1, *level)),
        }
    }
    runs
}

/// The cheapest level for each hour of the week, from the use of these hours; `hour_of_week` says which one an instant is in.
pub fn cheapest_week(
    hours: &[Hour],
    hour_of_week: impl Fn(Millis) -> usize,
    reserved: i64,
    elastic: i64,
) -> Vec<Option<i64>> {
    let mut samples: Vec<Vec<i64>> = vec![Vec::new(); WEEK_HOURS];
    for (at, used) in hours.iter().filter_map(|hour| Some((hour.at_ms, average(hour)?))) {
        if let Some(of_hour) = samples.get_mut(hour_of_week(at)) {
            of_hour.push(used);
        }
    }
    samples.iter().map(|samples| cheapest_level(samples, reserved, elastic)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hour(at: usize, reserved: i64, used: i64, peak: i64) -> Hour {
        Hour {
            at_ms: at as i64 * HOUR_MS,
            observed_ms: HOUR_MS,
            reserved_slot_ms: reserved * HOUR_MS,
            used_slot_ms: used * HOUR_MS,
            unused_slot_ms: (reserved - used).max(0) * HOUR_MS,
            peak,
        }
    }

    #[test]
    fn a_tenth_above_the_peaks_is_kept() {
        // 45 days of 100 promised, 40 used, peaks of 50, and one hour in 216 (less than one in a hundred) of 90.
        let hours: Vec<Hour> = (0..1_080).map(|at| hour(at, 100, 40, if at % 216 == 0 { 90 } else { 50 })).collect();
        let advice = advise(&hours, 100, 0);
        assert_eq!((advice.p99, advice.highest), (Some(50), Some(90)));
        assert_eq!(advice.verdict, Verdict::Lower(55));
        assert_eq!(advice.confidence, Confidence::Good);
        let suggested = advice.frontier.iter().find(|level| level.basis == Basis::Suggested).expect("on the frontier");
        assert_eq!(suggested.saving_slot_ms, 1_080 * 45 * HOUR_MS);
        assert_eq!((suggested.short_hours, suggested.short_slot_ms), (5, 5 * 35 * HOUR_MS));
        // Contracts for 80 stay.
        assert_eq!(advise(&hours, 100, 80).verdict, Verdict::Lower(80));
        assert_eq!(advise(&hours, 100, 100).verdict, Verdict::KeepContract);
    }

    #[test]
    fn who_peaks_at_what_it_has_keeps_it() {
        let bursty: Vec<Hour> = (0..1_080).map(|at| hour(at, 100, 40, if at % 24 == 9 { 97 } else { 45 })).collect();
        assert_eq!(advise(&bursty, 100, 0).verdict, Verdict::KeepBursty);
        let busy: Vec<Hour> = (0..1_080).map(|at| hour(at, 100, 93, 99)).collect();
        assert_eq!(advise(&busy, 100, 0).verdict, Verdict::KeepBusy);
        assert_eq!(advise(&busy[..100], 100, 0).verdict, Verdict::KeepUnknown, "four days are no evidence");
        assert_eq!(advise(&busy, 0, 0).verdict, Verdict::NothingPromised);
        assert_eq!(advise(&[], 10, 0).verdict, Verdict::KeepUnknown);
    }

    #[test]
    fn margins_round_up() {
        assert_eq!([0, 1, 10, 11, 252].map(floor), [0, 2, 11, 13, 278]);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn what_is_hardly_dearer_elsewhere_is_hardly_promised() {
        let samples = [10, 20, 30, 40];
        assert_eq!(cheapest_level(&samples, 100, 100), Some(0), "promising is no cheaper");
        assert_eq!(cheapest_level(&samples, 50, 100), Some(20), "half of the time");
        assert_eq!(cheapest_level(&samples, 1, 1_000), Some(40), "almost always");
        assert_eq!(cheapest_level(&[], 1, 2), None);
        let hours: Vec<Hour> = (0..336).map(|at| hour(at, 0, if at % 24 < 8 { 2 } else { 9 }, 9)).collect();
        let week = cheapest_week(&hours, |at| (at / HOUR_MS) as usize % WEEK_HOURS, 50, 100);
        assert_eq!((week.len(), week[0], week[12]), (WEEK_HOURS, Some(2), Some(9)));
        assert_eq!(runs(&week[..24]), [(0, 8, Some(2)), (8, 24, Some(9))]);
        assert_eq!(runs(&[None, None, Some(0)]), [(0, 2, None), (2, 3, Some(0))]);
        assert_eq!(runs(&[]), []);
        // Two of three hours use 9: at half the price they are worth a promise, at five sixths no more.
        assert_eq!(cheapest_constant(&hours, 50, 100), Some(9));
        assert_eq!(cheapest_constant(&hours, 84, 100), Some(2));
        assert_eq!(cheapest_constant(&[Hour::default()], 1, 2), None, "nothing is known");
    }

    proptest! {
        #[test]
        fn savings_are_no_more_than_waste_and_waste_no_more_than_spend(
            hours in prop::collection::vec((0_i64..200, 0_i64..200, 0_i64..20), 1..300),
            promised in 0_i64..200, contracts in 0_i64..200, price in 0_i64..1_000_000,
        ) {
            let hours: Vec<Hour> = hours.iter().enumerate().map(|(at, (r, u, more))| hour(at, *r, *u, u + more)).collect();
            let advice = advise(&hours, promised, contracts);
            let waste: i64 = hours.iter().map(|hour| hour.unused_slot_ms).sum();
            let spend: i64 = hours.iter().map(|hour| hour.reserved_slot_ms).sum();
            let money = |slot_ms| crate::report::amount_minor(slot_ms, price);
            for level in &advice.frontier {
                prop_assert!((0..=waste).contains(&level.saving_slot_ms));
                prop_assert!(money(level.saving_slot_ms) <= money(waste) && money(waste) <= money(spend));
            }
            if let Some(to) = advice.lower_to() {
                let p99 = advice.p99.expect("there is evidence");
                prop_assert!(to >= contracts && to * 100 >= p99 * 110 && to < promised);
            }
            for pair in advice.frontier.windows(2) {
                prop_assert!(pair[0].slots <= pair[1].slots && pair[0].saving_slot_ms >= pair[1].saving_slot_ms);
                prop_assert!(pair[0].short_slot_ms >= pair[1].short_slot_ms);
            }
        }

        #[test]
        fn no_level_is_cheaper_than_the_cheapest(
            samples in prop::collection::vec(0_i64..40, 1..30), reserved in 0_i64..100, elastic in 1_i64..100,
        ) {
            let best = cheapest_level(&samples, reserved, elastic).expect("there are samples");
            let cost = cost_of_level(&samples, best, reserved, elastic);
            for level in 0..=40 {
                prop_assert!(cost <= cost_of_level(&samples, level, reserved, elastic), "{} is cheaper than {}", level, best);
            }
        }
    }
}
