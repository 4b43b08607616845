//! When a pool is full: the first day on which what is wanted reaches its capacity (all of it: a threshold θ of 1), or more is promised
//! than there is, both as they are planned to change. A promise of exactly the capacity can be kept, and fills nothing by itself.

use crate::forecast::daily::{Daily, FEWEST_DAYS};
use crate::forecast::online::{MEDIAN, NINE_TENTHS};
use serde::{Deserialize, Serialize};

/// Places of 0.5 and 0.9 in the levels of a forecast.
const LEVELS: [usize; 2] = [MEDIAN, NINE_TENTHS];

/// Days until a pool is full. Day 1 is the first of the forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Exhaustion {
    /// Fewer than [`FEWEST_DAYS`] days are known, and promises alone do not fill it.
    TooLittleHistory,
    /// What is wanted on day 1 takes it all, or more is promised then than there is.
    AlreadyFull,
    /// It fills up.
    Within {
        /// As likely before as after this day; none if not within the days that were looked at.
        p50: Option<u32>,
        /// Nine of ten futures are not full before this day, so that it is never later than `p50`.
        p90: Option<u32>,
    },
    /// Nine of ten futures are not full within so many days.
    NotWithin {
        /// Days that were looked at.
        days: u32,
    },
}

impl Exhaustion {
    /// In words.
    pub fn words(&self) -> String {
        let day = |days: u32| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        match self {
            Self::TooLittleHistory => format!("too little history: fewer than {FEWEST_DAYS} days are known"),
            Self::AlreadyFull => "full in less than 1 day".to_owned(),
            Self::Within { p50: Some(p50), p90: Some(p90) } if p50 == p90 => format!("full in {}", day(*p50)),
            Self::Within { p50: Some(p50), p90: Some(p90) } => {
                format!("full in {} as likely as not, in one of ten cases in {} already", day(*p50), day(*p90))
            }
            Self::Within { p50, p90 } => match p90.or(*p50) {
                Some(early) => format!("in one of ten cases full in {}", day(early)),
                None => "not full within the days looked at".to_owned(),
            },
            Self::NotWithin { days } => format!("not within {}", day(*days)),
        }
    }
}

/// Finds the days. `capacity` and `reserved` are by day ahead, of the same days as the forecast; the last value of each goes on.
/// Nothing is full that has neither capacity nor demand.
pub fn exhaustion(daily: &Daily, capacity: &[i64], reserved: &[i64]) -> Exhaustion {
    let is_known = daily.known >= FEWEST_DAYS && !daily.median.is_empty();
    let days = if is_known { daily.median.len() } else { capacity.len().max(reserved.len()) };
    let of = |values: &[i64], day: usize| values.get(day).or(values.last()).copied().unwrap_or(0);
    let is_full = |day: usize, wanted: f64| {
        let capacity = of(capacity, day).max(0);
        (wanted > 0.0 && wanted >= capacity as f64) || of(reserved, day) > capacity
    };
    let first = |place: Option<usize>| {
        let wanted = |day: usize| place.and_then(|at| daily.quantiles.get(at)?.get(day)).copied().unwrap_or(0.0);
        (0..days).find(|day| is_full(*day, wanted(*day))).map(|day| day as u32 + 1)
    };
    if !is_known {
        return match first(None) {
            Some(1) => Exhaustion::AlreadyFull,
            Some(day) => Exhaustion::Within { p50: Some(day), p90: Some(day) },
            None => Exhaustion::TooLittleHistory,
        };
    }
    let [p50, p90] = LEVELS.map(|place| first(Some(place)));
    match (p50, p90) {
        (Some(1), _) => Exhaustion::AlreadyFull,
        (None, None) => Exhaustion::NotWithin { days: days as u32 },
        _ => Exhaustion::Within { p50, p90 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::daily::daily;
    use proptest::prelude::*;

    /// A forecast whose median grows by 1 a day from 10 on, and whose 0.9 is 5 above it.
    fn growing(days: usize) -> Daily {
        let median: Vec<f64> = (0..days).map(|day| 10.0 + day as f64).collect();
        let above = |by: f64| median.iter().map(|value| value + by).collect::<Vec<_>>();
        Daily {
            quantiles: [-6.0, -5.0, -4.0, -2.0, 0.0, 2.0, 5.0, 6.0, 7.0, 8.0].map(above).to_vec(),
            median,
            growth_per_day: 1.0,
            growth_share_per_week: None,
            level_shift_days: None,
            known: 60,
        }
    }

    #[test]
    fn the_first_day_that_reaches_capacity() {
        // 10 on day 1, so 20 on day 11 and, in one of ten cases, on day 6.
        let found = exhaustion(&growing(30), &[20], &[0]);
        assert_eq!(found, Exhaustion::Within { p50: Some(11), p90: Some(6) });
        assert_eq!(found.words(), "full in 11 days as likely as not, in one of ten cases in 6 days already");
        assert_eq!(exhaustion(&growing(30), &[100], &[0]), Exhaustion::NotWithin { days: 30 });
        assert_eq!(exhaustion(&growing(30), &[42], &[0]), Exhaustion::Within { p50: None, p90: Some(28) });
        assert_eq!(exhaustion(&growing(30), &[10], &[0]), Exhaustion::AlreadyFull);
    }

    #[test]
    fn planned_changes_count() {
        // Ten more slots arrive on day 6, before it is full.
        let mut capacity = vec![20; 30];
        capacity[5..].fill(30);
        assert_eq!(exhaustion(&growing(30), &capacity, &[0]), Exhaustion::Within { p50: Some(21), p90: Some(16) });
        // Reservations of more than everything from day 4 on.
        let reserved = [0, 0, 0, 21];
        assert_eq!(exhaustion(&growing(30), &[20], &reserved), Exhaustion::Within { p50: Some(4), p90: Some(4) });
    }

    #[test]
    fn a_pool_that_is_promised_whole_is_full_only_by_what_is_wanted() {
        let idle = daily(&[4.0; 60], 30);
        assert_eq!(exhaustion(&idle, &[20], &[20]), Exhaustion::NotWithin { days: 30 });
        assert_eq!(exhaustion(&idle, &[20], &[21]), Exhaustion::AlreadyFull);
        assert_eq!(exhaustion(&daily(&[20.0; 60], 30), &[20], &[20]), Exhaustion::AlreadyFull);
        // Capacity that goes away under a promise is too little for it from that day on.
        let found = exhaustion(&idle, &[20, 20, 19], &[20]);
        assert_eq!(found, Exhaustion::Within { p50: Some(3), p90: Some(3) });
        assert_eq!(exhaustion(&daily(&[4.0; 3], 30), &[20], &[20]), Exhaustion::TooLittleHistory);
    }

    #[test]
    fn little_history_says_so_unless_promises_fill_it() {
        let young = daily(&[5.0; 3], 30);
        assert_eq!(exhaustion(&young, &[20], &[3]), Exhaustion::TooLittleHistory);
        assert_eq!(exhaustion(&young, &[20], &[25]), Exhaustion::AlreadyFull);
        assert_eq!(exhaustion(&young, &[20], &[3, 25]), Exhaustion::Within { p50: Some(2), p90: Some(2) });
        assert_eq!(exhaustion(&young, &[], &[]), Exhaustion::TooLittleHistory);
    }

    #[test]
    fn nothing_wanted_of_nothing_is_not_full() {
        assert_eq!(exhaustion(&daily(&[0.0; 60], 30), &[0], &[0]), Exhaustion::NotWithin { days: 30 });
        assert_eq!(exhaustion(&daily(&[0.0; 60], 30), &[], &[]), Exhaustion::NotWithin { days: 30 });
        assert_eq!(exhaustion(&daily(&[4.0; 60], 30), &[-3], &[0]), Exhaustion::AlreadyFull);
    }

    proptest! {
        #[test]
        fn early_is_never_after_likely_and_more_capacity_is_never_sooner(
            days in prop::collection::vec(0.0..1e6_f64, 0..60),
            capacity in 0..2_000_000_i64,
            more in 0..1_000_i64,
        ) {
            let answer = daily(&days, 40);
            let when = |found: Exhaustion| match found {
                Exhaustion::AlreadyFull => (1, 1),
                Exhaustion::Within { p50, p90 } => (p50.unwrap_or(u32::MAX), p90.unwrap_or(u32::MAX)),
                Exhaustion::TooLittleHistory | Exhaustion::NotWithin { .. } => (u32::MAX, u32::MAX),
            };
            let one = when(exhaustion(&answer, &[capacity], &[0]));
            let other = when(exhaustion(&answer, &[capacity + more], &[0]));
            prop_assert!(one.1 <= one.0 && other.1 <= other.0);
            prop_assert!(one.0 <= other.0 && one.1 <= other.1);
        }
    }
}
