//! Burn over windows, with three values: what is not known does not decide.
//!
//! Counts are kept since the birth of a series, so a window of any length is the difference of two of them.

use super::fraction::Fraction;
use super::slo::{burn, exceeds};
use crate::{HOUR_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use std::ops::Sub;

/// Length of a slice, the unit in which indicators are counted.
pub const SLICE_MS: Millis = MINUTE_MS;
/// A window of which less was observed says nothing.
pub const COVERAGE_FLOOR: Fraction = Fraction::of(4, 5);
/// Nor does a window of fewer slices.
pub const LEAST_SLICES: u64 = 2;

/// Counts of a series since its birth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Slices that were observed.
    pub observed: u64,
    /// Bad things.
    pub bad: u64,
    /// All things.
    pub total: u64,
}

impl Counts {
    /// The counts after one more slice; `None` = it was not observed.
    #[must_use]
    pub fn and(self, slice: Option<(u64, u64)>) -> Self {
        slice.map_or(self, |(bad, total)| Self {
            observed: self.observed + 1,
            bad: self.bad.saturating_add(bad),
            total: self.total.saturating_add(total),
        })
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            observed: self.observed.saturating_sub(earlier.observed),
            bad: self.bad.saturating_sub(earlier.bad),
            total: self.total.saturating_sub(earlier.total),
        }
    }
}

/// What is known about a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Slices that there are, after the birth of the series.
    pub expected: u64,
    /// What was counted in it.
    pub counts: Counts,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// There is nothing to judge: all was seen, and nothing happened.
    Idle,
    /// Too little was seen.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// All of them: one that is known to be false decides, whatever is unknown.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::True, |all, part| match (all, part) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Idle, _) | (_, Self::Idle) => Self::Idle,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        })
    }

    /// Any of them: one that is known to be true decides.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::False, |any, part| match (any, part) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Idle, _) | (_, Self::Idle) => Self::Idle,
            (Self::False, Self::False) => Self::False,
        })
    }
}

/// One condition of a tier: in a window, the budget burns faster than so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conjunct {
    /// Length of the window, milliseconds; whole slices.
    pub window_ms: Millis,
    /// More than so many times the sustainable rate.
    pub over: Fraction,
    /// Fewer bad things say nothing.
    #[serde(default)]
    pub least_bad: u64,
}

impl Conjunct {
    /// Whether it holds.
    pub fn judge(&self, window: Window, budget: Fraction) -> Truth {
        let Window { expected, counts } = window;
        let too_little = expected < LEAST_SLICES || COVERAGE_FLOOR.is_above(counts.observed, expected);
        if too_little {
            Truth::Unknown
        } else if counts.total == 0 {
            Truth::Idle
        } else {
            (counts.bad >= self.least_bad && exceeds(counts.bad, counts.total, budget, self.over)).into()
        }
    }
}

impl Fraction {
    /// `part / whole < self`, exactly.
    fn is_above(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(self.denominator()) < u128::from(self.numerator()) * u128::from(whole)
    }
}

/// Who is told: people at night, or people at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Work for the day.
    Ticket,
    /// Somebody is woken.
    Page,
}

impl Lane {
    /// The word in the API, in the database and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// A set of windows that must all burn at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// `W1`.
    pub name: String,
    /// Who is told.
    pub lane: Lane,
    /// The long window first, then the short one, then the one that says that it still burns.
    pub all: Vec<Conjunct>,
}

/// What a tier says, with the figures it says it from.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it holds.
    pub truth: Truth,
    /// Burn of each window, in the order of the tier; `None` where nothing was counted.
    pub burns: Vec<Option<f64>>,
    /// What was counted in the long window.
    pub long: Counts,
    /// True if a window burns fast enough, of so few things that it says nothing.
    pub low_traffic: bool,
}

impl Tier {
    /// The windows W1 to W4 that are watched where nobody said otherwise.
    pub fn defaults() -> Vec<Self> {
        let over = |window_ms, over: u64, least_bad| Conjunct { window_ms, over: Fraction::of(over, 1), least_bad };
        let tier = |name: &str, lane, all| Self { name: name.to_owned(), lane, all };
        let m = MINUTE_MS;
        vec![
            tier("W1", Lane::Page, vec![over(HOUR_MS, 8, 5), over(5 * m, 8, 2)]),
            tier("W2", Lane::Page, vec![over(6 * HOUR_MS, 6, 5), over(30 * m, 6, 2), over(10 * m, 1, 0)]),
            tier("W3", Lane::Ticket, vec![over(24 * HOUR_MS, 3, 3), over(2 * HOUR_MS, 3, 1)]),
            tier("W4", Lane::Ticket, vec![over(72 * HOUR_MS, 1, 3), over(6 * HOUR_MS, 1, 1)]),
        ]
    }

    /// Judges by the windows that end now; `window` tells what is known of one of some length.
    pub fn judge(&self, budget: Fraction, window: impl Fn(Millis) -> Window) -> Verdict {
        let windows: Vec<Window> = self.all.iter().map(|part| window(part.window_ms)).collect();
        let truths = self.all.iter().zip(&windows).map(|(part, window)| part.judge(*window, budget));
        Verdict {
            truth: Truth::all(truths),
            burns: windows.iter().map(|w| burn(w.counts.bad, w.counts.total, budget)).collect(),
            long: windows.first().map(|w| w.counts).unwrap_or_default(),
            low_traffic: self.all.iter().zip(&windows).any(|(part, window)| {
                let Counts { bad, total, .. } = window.counts;
                bad < part.least_bad && exceeds(bad, total, budget, part.over)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(expected: u64, observed: u64, bad: u64, total: u64) -> Window {
        Window { expected, counts: Counts { observed, bad, total } }
    }

    #[test]
    fn a_window_says_nothing_unless_enough_was_seen() {
        let part = Conjunct { window_ms: 5 * MINUTE_MS, over: Fraction::of(8, 1), least_bad: 2 };
        let budget = Fraction::of(1, 10_000);
        for (name, seen, expected) in [
            ("one slice", window(1, 1, 1_000, 1_000), Truth::Unknown),
            ("two slices", window(2, 2, 1_000, 1_000), Truth::True),
            ("four of five", window(5, 4, 1_000, 4_000), Truth::True),
            ("three of five", window(5, 3, 1_000, 3_000), Truth::Unknown),
            ("nothing happened", window(5, 5, 0, 0), Truth::Idle),
            ("nothing happened in what was seen", window(5, 3, 0, 0), Truth::Unknown),
            ("exactly eight", window(5, 5, 4, 5_000), Truth::False),
            ("more than eight", window(5, 5, 5, 5_000), Truth::True),
            ("too few", window(5, 5, 1, 50), Truth::False),
        ] {
            assert_eq!(part.judge(seen, budget), expected, "{name}");
        }
    }

    #[test]
    fn three_values_and_idleness() {
        use Truth::{False, Idle, True, Unknown};
        for (parts, all, any) in [
            (vec![True, True], True, True),
            (vec![True, Unknown], Unknown, True),
            (vec![False, Unknown], False, Unknown),
            (vec![Idle, Unknown], Idle, Unknown),
            (vec![Idle, False], False, Idle),
            (vec![Idle, True], Idle, True),
            (vec![False, False], False, False),
        ] {
            let mut turned = parts.clone();
            turned.reverse();
            assert_eq!((Truth::all(parts.clone()), Truth::any(parts.clone())), (all, any), "{parts:?}");
            assert_eq!((Truth::all(turned.clone()), Truth::any(turned)), (all, any), "order does not matter");
        }
    }

    #[test]
    fn a_burn_of_few_things_is_labelled() {
        // V08 and V09: one of fifty, and five.
        let of = |bad| Tier::defaults()[0].judge(Fraction::of(1, 10_000), |_| window(60, 60, bad, 50));
        assert_eq!((of(1).truth, of(1).low_traffic), (Truth::False, true));
        assert_eq!((of(5).truth, of(5).low_traffic), (Truth::True, false));
        assert_eq!((of(0).truth, of(0).low_traffic), (Truth::False, false));
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let shown: Vec<String> = Tier::defaults()
            .iter()
            .map(|tier| {
                let parts = tier.all.iter().map(|p| format!("{}m>{}b{}", p.window_ms / MINUTE_MS, p.over, p.least_bad));
                format!("{} {} {}", tier.name, tier.lane.as_str(), parts.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "W1 page 60m>8b5 5m>8b2",
                "W2 page 360m>6b5 30m>6b2 10m>1b0",
                "W3 ticket 1440m>3b3 120m>3b1",
                "W4 ticket 4320m>1b3 360m>1b1",
            ]
        );
    }
}
