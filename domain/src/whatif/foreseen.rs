//! Demand as it is foreseen: what a forecast has of a pool for each hour, split among tenants as they shared it before.
//!
//! A forecast says how much is wanted of a pool at the most in an hour, by all tenants together. The replay asks who wants how much
//! in which minute.
//!
//! 1. An hour of the outlook has its quantile. An hour beyond it has `P * f(h) / F`: `P` the same quantile of the peak of its UTC day,
//!    `f(h)` what the outlook has for the same hour of the week, `F` the most that it has for the hours of that day; where `F` is 0
//!    the whole day has `P`. Where neither says anything, and where an event takes an hour out of the forecast, nothing is known.
//! 2. Of `D` slots, the quantile rounded half up, tenant `i` wants `floor(D * w_i / W)`, and the slots that are left go one each to
//!    the largest remainders of these divisions, the first by key among equals: together it is `D`. `w_i` are the slot-minutes that the
//!    tenant wanted in the same hour of the week in the weeks before, `W` is their sum over tenants.
//! 3. An hour of the week in which nobody wanted anything is shared as all hours together; if nobody ever did, all is nobody's.
//! 4. It is wanted in all 60 minutes of the hour: a peak that lasts. So what is short is at least as short as it would be.

use super::{Demand, MOST_WANTED, UNKNOWN};
use crate::forecast::daily::Daily;
use crate::forecast::online::{LEVELS, Mark, Outlook};
use crate::{HOUR_MS, MINUTE_MS, Millis};
use std::cmp::Reverse;
use std::ops::Range;

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;
/// Hours of a day.
const DAY_HOURS: i64 = 24;

/// How much of what may come is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Level {
    /// As likely more as less.
    #[default]
    Median,
    /// One hour of ten wants more.
    High,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Median, Self::High];

    /// The word in addresses and in the API: the quantile.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Median => "0.5",
            Self::High => "0.9",
        }
    }

    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// What a forecast has for this level.
    fn of(self, quantiles: &[Vec<f64>]) -> &[f64] {
        let level = match self {
            Self::Median => 0.5,
            Self::High => 0.9,
        };
        let place = LEVELS.iter().position(|one| (one - level).abs() < 1e-9);
        place.and_then(|place| quantiles.get(place)).map_or(&[], Vec::as_slice)
    }
}

/// What is foreseen of the hours of a range, counted since 1970 UTC: slots, `None` where nothing is. The days of `daily` begin with
/// the one in which the outlook begins.
pub fn by_hour(outlook: &Outlook, daily: &Daily, level: Level, hours: Range<i64>) -> Vec<Option<f64>> {
    let (hourly, days) = (level.of(&outlook.quantiles), level.of(&daily.quantiles));
    let first_day = outlook.from_hour.div_euclid(DAY_HOURS);
    let place = |from: i64, at: i64| usize::try_from(at - from).ok();
    let same_hour = |hour: i64| hourly[(hour - outlook.from_hour).rem_euclid(WEEK_HOURS as i64) as usize];
    let foreseen = |hour: i64| {
        let step = place(outlook.from_hour, hour)?;
        if let Some(slots) = hourly.get(step) {
            return (outlook.marks.get(step) != Some(&Mark::Excluded)).then_some(*slots);
        }
        // Without a whole week there is no shape to give to days.
        if hourly.len() < WEEK_HOURS {
            return None;
        }
        let day = hour.div_euclid(DAY_HOURS);
        let peak = *days.get(place(first_day, day)?)?;
        let most = (day * DAY_HOURS..(day + 1) * DAY_HOURS).map(same_hour).fold(0.0, f64::max);
        Some(if most > 0.0 { peak * same_hour(hour) / most } else { peak })
    };
    hours.map(|hour| foreseen(hour).filter(|slots| slots.is_finite() && *slots >= 0.0)).collect()
}

/// How tenants shared what was wanted, by hour of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    tenants: Vec<i32>,
    /// Slot-minutes by hour of the week, each with one number for every tenant.
    by_hour: Vec<Vec<u64>>,
    /// Their sums over the week.
    whole: Vec<u64>,
}

impl Shares {
    /// Of the weeks before. `hour_of_week` says which of the [`WEEK_HOURS`] an instant lies in; `nobody` is the key under which
    /// everything is wanted where nobody wanted anything.
    pub fn of(past: &Demand, nobody: i32, hour_of_week: impl Fn(Millis) -> usize) -> Self {
        let mut tenants = past.tenants().to_vec();
        let mut by_hour = vec![vec![0_u64; tenants.len()]; WEEK_HOURS];
        // Rows are kept where something changes, hours begin in between.
        let mut minute = 0;
        for (row, end) in (0..past.changes()).map(|row| (row, past.starts().get(row + 1).copied())) {
            let end = end.unwrap_or(past.minutes());
            while minute < end {
                let at = past.start_ms() + i64::from(minute) * MINUTE_MS;
                let next_hour = (at.div_euclid(HOUR_MS) + 1) * HOUR_MS;
                let upto =
                    u32::try_from((next_hour - past.start_ms()) / MINUTE_MS).unwrap_or(end).clamp(minute + 1, end);
                let sums = &mut by_hour[hour_of_week(at) % WEEK_HOURS];
                for (sum, want) in sums.iter_mut().zip(past.row(row)).filter(|(_, want)| **want != UNKNOWN) {
                    *sum += u64::from(*want) * u64::from(upto - minute);
                }
                minute = upto;
            }
        }
        let mut whole: Vec<u64> =
            (0..tenants.len()).map(|place| by_hour.iter().map(|hour| hour[place]).sum()).collect();
        if whole.iter().all(|sum| *sum == 0) {
            if !tenants.contains(&nobody) {
                tenants.push(nobody);
                whole.push(0);
                for hour in &mut by_hour {
                    hour.push(0);
                }
            }
            for (tenant, sum) in tenants.iter().zip(&mut whole) {
                *sum = u64::from(*tenant == nobody);
            }
        }
        Self { tenants, by_hour, whole }
    }

    /// The tenants, in the order of a split.
    pub fn tenants(&self) -> &[i32] {
        &self.tenants
    }

    /// Splits slots of an hour of the week in whole slots, so that together they are as many.
    pub fn split(&self, hour_of_week: usize, slots: u32) -> Vec<u32> {
        let own = &self.by_hour[hour_of_week % WEEK_HOURS];
        let weights = if own.iter().all(|weight| *weight == 0) { &self.whole } else { own };
        let sum: u128 = weights.iter().copied().map(u128::from).sum();
        if sum == 0 {
            return vec![0; self.tenants.len()];
        }
        let part = |weight: u64| u128::from(slots) * u128::from(weight);
        let mut parts: Vec<u32> = weights.iter().map(|weight| (part(*weight) / sum) as u32).collect();
        let left = slots - parts.iter().sum::<u32>();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|place| (Reverse(part(weights[*place]) % sum), self.tenants[*place]));
        for place in order.into_iter().take(left as usize) {
            parts[place] += 1;
        }
        parts
    }
}

/// Slots of a quantile, rounded half up.
fn slots(quantile: f64) -> u32 {
    (quantile + 0.5).floor().clamp(0.0, f64::from(MOST_WANTED)) as u32
}

/// What tenants are foreseen to want from an hour on, hour after hour.
pub fn demand(
    from_hour: i64,
    hours: &[Option<f64>],
    shares: &Shares,
    hour_of_week: impl Fn(Millis) -> usize,
) -> Demand {
    let start_ms = from_hour * HOUR_MS;
    let minutes_of_hour = (HOUR_MS / MINUTE_MS) as u32;
    let mut series: Vec<(i32, super::Steps)> = shares.tenants.iter().map(|tenant| (*tenant, Vec::new())).collect();
    for (minute, (at, foreseen)) in
        (0..).step_by(minutes_of_hour as usize).zip((start_ms..).step_by(HOUR_MS as usize).zip(hours))
    {
        let split = foreseen.map(|quantile| shares.split(hour_of_week(at), slots(quantile)));
        for (place, (_, steps)) in series.iter_mut().enumerate() {
            steps.push((minute, split.as_ref().map(|split| split[place])));
        }
    }
    let minutes = u32::try_from(hours.len()).unwrap_or(u32::MAX).saturating_mul(minutes_of_hour);
    Demand::of_steps(start_ms, minutes, series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::online::{Confidence, Engine, Rung};
    use proptest::prelude::*;

    /// 2026-11-23T00:00:00Z, a Monday.
    const MONDAY: i64 = 498_720;

    fn hour_of_week(at: Millis) -> usize {
        (at.div_euclid(HOUR_MS) - MONDAY).rem_euclid(WEEK_HOURS as i64) as usize
    }

    /// The same for every level but the median, which is half.
    fn levels(high: &[f64]) -> Vec<Vec<f64>> {
        let of = |level: &f64| high.iter().map(|high| if *level > 0.5 { *high } else { high / 2.0 }).collect();
        LEVELS.iter().map(of).collect()
    }

    fn outlook(high: &[f64]) -> Outlook {
        Outlook {
            from_hour: MONDAY,
            median: high.iter().map(|high| high / 2.0).collect(),
            quantiles: levels(high),
            marks: vec![Mark::Usual; high.len()],
            floors: vec![0.0; high.len()],
            engine: Engine::Ensemble,
            basis: Rung::Full,
            confidence: Confidence::High,
        }
    }

    fn daily(high: &[f64]) -> Daily {
        Daily {
            median: high.iter().map(|high| high / 2.0).collect(),
            quantiles: levels(high),
            growth_per_day: 0.0,
            growth_share_per_week: None,
            level_shift_days: None,
            known: 60,
        }
    }

    #[test]
    fn hours_come_from_the_outlook_and_later_ones_from_days_in_its_shape() {
        // Monday: 20 by night, 40 from noon on; Tuesday nothing; then 10.
        let mut week = vec![10.0; WEEK_HOURS];
        week[..12].fill(20.0);
        week[12..24].fill(40.0);
        week[24..48].fill(0.0);
        let mut outlook = outlook(&week);
        outlook.marks[3] = Mark::Excluded;
        let days = daily(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 60.0, 8.0]);
        let all = by_hour(&outlook, &days, Level::High, MONDAY - 1..MONDAY + 9 * 24 + 1);
        assert_eq!(all[..2], [None, Some(20.0)], "before the outlook nothing is known");
        assert_eq!(all[1 + 3], None, "an event takes the hour out");
        assert_eq!((all[1 + 11], all[1 + 12], all[1 + 24]), (Some(20.0), Some(40.0), Some(0.0)));
        // The next Monday peaks at 60 in the shape of this one; on Tuesday there is no shape.
        assert_eq!((all[1 + 168 + 3], all[1 + 168 + 12]), (Some(30.0), Some(60.0)));
        assert_eq!((all[1 + 168 + 24], all[1 + 168 + 47]), (Some(8.0), Some(8.0)));
        assert_eq!(all[1 + 9 * 24], None, "beyond the days nothing is known");
        let half = by_hour(&outlook, &days, Level::Median, MONDAY + 12..MONDAY + 13);
        assert_eq!(half, [Some(20.0)]);
        outlook.quantiles.iter_mut().for_each(Vec::clear);
        assert_eq!(by_hour(&outlook, &days, Level::High, MONDAY..MONDAY + 1), [None], "days alone have no hours");
    }

    #[test]
    fn slots_are_split_as_they_were_shared_and_the_rest_goes_to_the_largest_remainder() {
        // In the first hour 3 to 1, in the second nobody wanted anything, in the third 1 to 2.
        let steps = vec![(7, vec![(0, Some(3)), (60, Some(0)), (120, Some(1)), (180, None)])];
        let mut series = steps;
        series.push((4, vec![(0, Some(1)), (60, Some(0)), (120, Some(2)), (180, None)]));
        let past = Demand::of_steps(MONDAY * HOUR_MS, WEEK_HOURS as u32 * 60, series);
        let shares = Shares::of(&past, 0, hour_of_week);
        assert_eq!(shares.tenants(), [7, 4]);
        // 7.5 and 2.5: equal remainders, the first by key.
        assert_eq!(shares.split(0, 10), [7, 3]);
        assert_eq!(shares.split(0, 11), [8, 3], "8.25 and 2.75");
        assert_eq!(shares.split(2, 10), [3, 7], "3.33 and 6.67");
        // All hours: 4 to 3.
        assert_eq!(shares.split(1, 7), [4, 3]);
        assert_eq!(shares.split(100, 7), [4, 3], "an hour that was not seen");
        let nothing = Shares::of(&Demand::of_steps(0, 60, vec![(7, vec![(0, Some(0))])]), 0, hour_of_week);
        assert_eq!((nothing.tenants(), nothing.split(5, 9)), (&[7, 0][..], vec![0, 9]), "nobody's");
    }

    #[test]
    fn shares_are_counted_by_hours_that_begin_within_a_row() {
        // One row over three hours that begins at half past.
        let past =
            Demand::of_steps(MONDAY * HOUR_MS + 30 * MINUTE_MS, 120, vec![(1, vec![(0, Some(2)), (100, Some(5))])]);
        let shares = Shares::of(&past, 0, hour_of_week);
        let of: Vec<u64> = shares.by_hour[..4].iter().map(|hour| hour[0]).collect();
        assert_eq!(of, [60, 120, 120, 0], "30, 60 and 10 minutes of 2, then 20 of 5");
        assert_eq!(shares.whole, [300]);
    }

    #[test]
    fn an_hour_is_wanted_in_all_its_minutes() {
        let past = Demand::of_steps(MONDAY * HOUR_MS, 60, vec![(1, vec![(0, Some(3))]), (2, vec![(0, Some(1))])]);
        let shares = Shares::of(&past, 0, hour_of_week);
        let demand = demand(MONDAY + 7, &[Some(7.5), None, Some(3.49)], &shares, hour_of_week);
        assert_eq!((demand.start_ms(), demand.minutes()), ((MONDAY + 7) * HOUR_MS, 180));
        assert_eq!(demand.at(0), Some(&[6, 2][..]), "half up");
        assert_eq!(demand.at(59), Some(&[6, 2][..]));
        assert_eq!(demand.at(60), Some(&[UNKNOWN, UNKNOWN][..]), "not zero");
        assert_eq!(demand.at(179), Some(&[2, 1][..]), "2.25 and 0.75");
    }

    proptest! {
        #[test]
        fn a_split_is_whole_and_in_proportion(
            weights in prop::collection::vec(0_u32..1_000, 1..9),
            slots in 0_u32..2_000_000,
        ) {
            let series = (1..).zip(&weights).map(|(key, weight)| (key, vec![(0, Some(*weight))])).collect();
            let shares = Shares::of(&Demand::of_steps(MONDAY * HOUR_MS, 60, series), 0, hour_of_week);
            let parts = shares.split(0, slots);
            prop_assert_eq!(parts.iter().map(|part| u64::from(*part)).sum::<u64>(), u64::from(slots));
            let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            if sum > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = u64::from(slots) * u64::from(*weight);
                    prop_assert!((u64::from(*part) * sum).abs_diff(exact) < sum, "less than a slot from its share");
                }
            }
        }
    }
}
