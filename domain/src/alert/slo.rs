//! What is promised: the indicators, what counts as bad, and how much of it is allowed.

use super::fraction::Fraction;
use crate::pool::words;
use crate::{DAY_MS, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Time over which an error budget is reckoned.
pub const PERIOD_MS: Millis = 30 * DAY_MS;
/// Claims answered in this time or later are bad (M6; a strict target, so this itself is bad).
pub const SLOW_CLAIM_MS: f64 = 50.0;

words! {
    /// A service level indicator: bad things of all things.
    Sli {
        /// S1 (M2): claims rejected, or timed out in the queue, for want of room; of all claims.
        Saturation = "saturation", "Saturation";
        /// S2 (M6): grants of 50 ms and more and attempts that failed for no want of room; of grants and those failures.
        /// The time that a claim waits for room is not part of it.
        Latency = "latency", "Allocation latency";
        /// S3 (M3): slots newly declared leaked, when they were; of slot-seconds.
        Leak = "leak", "Slot leak";
        /// S4 (M4): stale slots not released in the time that the pool gives for it; of stale slots.
        Reclaim = "reclaim", "Reclaim latency";
        /// S5 (M10): slot-seconds reserved and not used; of slot-seconds reserved.
        Waste = "waste", "Reservation waste";
        /// S6: claims that waited longer than the pool lets them; of claims served or timed out in the queue.
        Wait = "wait", "Waiting time";
    }
}

/// Seconds in an hour: leaks are counted by slot-hours and stored by slot-seconds.
const HOUR_S: u64 = 3_600;

impl Sli {
    /// Its number in storage. Never reused.
    pub const fn number(self) -> u8 {
        match self {
            Self::Saturation => 1,
            Self::Latency => 2,
            Self::Leak => 3,
            Self::Reclaim => 4,
            Self::Waste => 5,
            Self::Wait => 6,
        }
    }

    /// The inverse of [`Sli::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|sli| sli.number() == number)
    }

    /// The part that may be bad where nobody said otherwise. For leaks: leaks per slot and hour.
    pub const fn default_budget(self) -> Fraction {
        match self {
            Self::Saturation => Fraction::of(1, 10_000),
            Self::Latency | Self::Wait => Fraction::of(1, 100),
            Self::Leak => Fraction::of(1, 1_000),
            Self::Reclaim => Fraction::of(1, 20),
            Self::Waste => Fraction::of(1, 10),
        }
    }

    /// True if bad is a part of total, so that a burn has a greatest value. Leaks are a rate.
    pub const fn is_ratio(self) -> bool {
        !matches!(self, Self::Leak)
    }

    /// A budget in the unit in which this indicator is counted.
    pub fn counted(self, budget: Fraction) -> Option<Fraction> {
        if self.is_ratio() { Some(budget) } else { budget.times(Fraction::of(1, HOUR_S)) }
    }

    /// True if a page may be sent for it; others are work for the day.
    pub const fn may_page(self) -> bool {
        matches!(self, Self::Saturation | Self::Latency | Self::Wait)
    }

    /// What is bad, in words that a plan and a page can use.
    pub const fn bad_words(self) -> &'static str {
        match self {
            Self::Saturation => "claims rejected for want of room",
            Self::Latency => "claims answered late or not at all",
            Self::Leak => "slots leaked",
            Self::Reclaim => "stale slots released late",
            Self::Waste => "reserved slot-seconds not used",
            Self::Wait => "claims that waited too long",
        }
    }

    /// Of what, in words.
    pub const fn total_words(self) -> &'static str {
        match self {
            Self::Saturation => "claims",
            Self::Latency => "answers",
            Self::Leak => "slot-seconds",
            Self::Reclaim => "stale slots",
            Self::Waste => "slot-seconds reserved",
            Self::Wait => "claims served or given up",
        }
    }
}

/// How much faster than allowed the budget is used: 1 = it lasts exactly its period. For display; decisions use
/// [`exceeds`]. `None` where nothing was counted.
pub fn burn(bad: u64, total: u64, budget: Fraction) -> Option<f64> {
    (total > 0 && budget.numerator() > 0).then(|| bad as f64 / total as f64 / budget.to_f64())
}

/// `(bad / total) / budget > threshold`, in whole numbers.
pub fn exceeds(bad: u64, total: u64, budget: Fraction, threshold: Fraction) -> bool {
    // Four factors of at most 2^30 and one count: a count of more than 2^68 cannot be.
    let left = u128::from(bad) * u128::from(budget.denominator()) * u128::from(threshold.denominator());
    let right = u128::from(threshold.numerator()) * u128::from(budget.numerator()) * u128::from(total);
    left > right
}

/// The greatest burn that an indicator with this budget can show; `None` if there is none.
pub fn max_burn(sli: Sli, budget: Fraction) -> Option<Fraction> {
    if sli.is_ratio() { budget.inverse() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(text: &str) -> Fraction {
        text.parse().expect(text)
    }

    #[test]
    fn burns_of_the_specification() {
        // V01 to V06.
        for (sli, bad, total, threshold, fires, shown) in [
            (Sli::Saturation, 80, 100_000, "8", false, 8.0),
            (Sli::Saturation, 81, 100_000, "8", true, 8.1),
            (Sli::Latency, 480, 6_000, "8", false, 8.0),
            (Sli::Latency, 481, 6_000, "8", true, 8.016_666),
            (Sli::Leak, 8, 1_000 * 3_600, "8", false, 8.0),
            (Sli::Leak, 9, 1_000 * 3_600, "8", true, 9.0),
            (Sli::Leak, 9, 2_000 * 3_600, "8", false, 4.5),
            (Sli::Leak, 1, 100 * 3_600, "8", true, 10.0),
            (Sli::Reclaim, 4, 40, "1", true, 2.0),
            (Sli::Waste, 60 * 7_200, 200 * 7_200, "3", false, 3.0),
            (Sli::Waste, 61 * 7_200, 200 * 7_200, "3", true, 3.05),
        ] {
            let budget = sli.counted(sli.default_budget()).expect("fits");
            assert_eq!(exceeds(bad, total, budget, f(threshold)), fires, "{sli} {bad}/{total}");
            let burn = burn(bad, total, budget).expect("something was counted");
            assert!((burn - shown).abs() < 1e-5, "{sli} {bad}/{total}: {burn}");
        }
        assert_eq!(burn(0, 0, f("1/100")), None, "nothing was counted");
    }

    #[test]
    fn a_budget_bounds_its_burn() {
        assert_eq!(max_burn(Sli::Waste, Sli::Waste.default_budget()), Some(f("10")));
        assert_eq!(max_burn(Sli::Saturation, Sli::Saturation.default_budget()), Some(f("10000")));
        assert_eq!(max_burn(Sli::Leak, Sli::Leak.default_budget()), None);
    }

    #[test]
    fn numbers_are_kept() {
        for sli in Sli::ALL {
            assert_eq!(Sli::from_number(sli.number()), Some(*sli));
        }
        assert_eq!(Sli::from_number(0), None);
    }
}
