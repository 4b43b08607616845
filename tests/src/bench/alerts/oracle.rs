//! Where the first tier holds, found out from the slices themselves in fractions: nothing of what is tested is used for it.
//!
//! The tier as it is specified: in the last 60 minutes and in the last 5, more than eight times as many claims were rejected as
//! one in ten thousand, and at least 5 and 2; a window counts if it has two minutes or more and four of five were seen.

use std::cmp::Ordering;

use headroom_domain::alert::replay::Slice;

/// Minutes of a window, and the fewest rejections in it that say anything.
const WINDOWS: [(usize, u64); 2] = [(60, 5), (5, 2)];

/// A fraction that is compared and never rounded.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    upper: u128,
    lower: u128,
}

impl Ratio {
    fn of(upper: u64, lower: u64) -> Self {
        Self { upper: upper.into(), lower: lower.into() }
    }

    fn divided_by(self, other: Self) -> Self {
        Self { upper: self.upper * other.lower, lower: self.lower * other.upper }
    }

    fn compare(self, other: Self) -> Ordering {
        (self.upper * other.lower).cmp(&(other.upper * self.lower))
    }
}

/// What is in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Content {
    minutes: u64,
    seen: u64,
    rejected: u64,
    claims: u64,
}

impl Content {
    fn enter(&mut self, slice: Slice) {
        self.minutes += 1;
        if let Some((rejected, claims)) = slice {
            self.seen += 1;
            self.rejected += rejected;
            self.claims += claims;
        }
    }

    fn leave(&mut self, slice: Slice) {
        self.minutes -= 1;
        if let Some((rejected, claims)) = slice {
            self.seen -= 1;
            self.rejected -= rejected;
            self.claims -= claims;
        }
    }

    fn burns(&self, least: u64) -> bool {
        if self.minutes < 2 || Ratio::of(self.seen, self.minutes).compare(Ratio::of(4, 5)) == Ordering::Less {
            return false;
        }
        if self.claims == 0 || self.rejected < least {
            return false;
        }
        let burn = Ratio::of(self.rejected, self.claims).divided_by(Ratio::of(1, 10_000));
        burn.compare(Ratio::of(8, 1)) == Ordering::Greater
    }
}

/// Whether the tier holds when so many slices have ended, each window counted from its slices.
pub(super) fn holds_at(slices: &[Slice], end: usize) -> bool {
    WINDOWS.iter().all(|(minutes, least)| {
        let mut content = Content::default();
        for slice in &slices[end.saturating_sub(*minutes)..end] {
            content.enter(*slice);
        }
        content.burns(*least)
    })
}

/// The same after each slice, by number of slices that have ended: a slice enters a window, another one leaves it.
pub(super) fn holds(slices: &[Slice]) -> Vec<bool> {
    let mut holds = vec![true; slices.len() + 1];
    holds[0] = false;
    for (minutes, least) in WINDOWS {
        let mut content = Content::default();
        for end in 1..=slices.len() {
            content.enter(slices[end - 1]);
            if end > minutes {
                content.leave(slices[end - 1 - minutes]);
            }
            holds[end] &= content.burns(least);
        }
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::alerts::quality::{differences, rule};
    use crate::bench::alerts::simulate::{NOISE, month};
    use headroom_domain::MINUTE_MS;
    use headroom_domain::alert::fraction::Fraction;
    use headroom_domain::alert::replay::{BurnRule, Recorded};

    #[test]
    fn sliding_is_counting() {
        let month = month(3, 10, NOISE);
        let holds = holds(&month.slices);
        assert!(holds.contains(&true) && holds.contains(&false));
        for (end, held) in holds.iter().enumerate() {
            assert_eq!(*held, holds_at(&month.slices, end), "{end}");
        }
    }

    #[test]
    fn a_wrong_rule_is_noticed() {
        let month = month(3, 30, NOISE);
        let series = Recorded::new(MINUTE_MS, month.slices.iter().copied());
        let holds = holds(&month.slices);
        assert_eq!(differences(&rule(), &series, &holds), 0);
        let wrong = |what: &str, change: fn(&mut BurnRule)| {
            let mut rule = rule();
            change(&mut rule);
            assert!(differences(&rule, &series, &holds) > 0, "{what}: no difference was noticed");
        };
        wrong("a little too low", |rule| rule.tiers[0].all[0].over = Fraction::of(79, 10));
        wrong("a little too high", |rule| rule.tiers[0].all[0].over = Fraction::of(81, 10));
        wrong("no least number", |rule| rule.tiers[0].all[0].least_bad = 0);
        wrong("only the long window", |rule| rule.tiers[0].all.truncate(1));
        wrong("a short window of ten minutes", |rule| rule.tiers[0].all[1].window_ms = 10 * MINUTE_MS);
        wrong("another promise", |rule| rule.budget = Fraction::of(1, 9_900));
        // Minutes that were not seen, taken for minutes in which nothing happened.
        let blind = Recorded::new(MINUTE_MS, month.slices.iter().map(|slice| slice.or(Some((0, 0)))));
        assert!(differences(&rule(), &blind, &holds) > 0, "gaps: no difference was noticed");
    }
}
