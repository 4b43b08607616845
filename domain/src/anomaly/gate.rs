//! From anomalous observations to alerts: each is a slice with one thing, bad or good, and the burn-rate rule of every other
//! indicator decides when that is worth an alert.

use crate::MINUTE_MS;
use crate::alert::fraction::Fraction;
use crate::alert::lanes::{Change, Timing};
use crate::alert::replay::{BurnRule, Recorded, Said, replay};
use crate::alert::window::{Conjunct, Lane, Tier};

/// Length of a slice. Only its proportion to the windows matters: a replay counts in observations.
const SLICE_MS: i64 = MINUTE_MS;
/// The long window, in slices.
const LONG: i64 = 12;
/// The short window, in slices.
const SHORT: i64 = 2;
/// In the long window, fewer bad ones say nothing.
const LEAST_BAD: u64 = 3;

/// One in a hundred may be anomalous; a page when the last 12 and the last 2 burn that more than 8 times too fast.
pub fn rule() -> BurnRule {
    let over = |slices: i64, least_bad| Conjunct { window_ms: slices * SLICE_MS, over: Fraction::of(8, 1), least_bad };
    let tier = Tier { name: "anomaly".into(), lane: Lane::Page, all: vec![over(LONG, LEAST_BAD), over(SHORT, 0)] };
    BurnRule {
        budget: Fraction::of(1, 100),
        tiers: vec![tier],
        critical_over: None,
        // An alert ends when its windows do not burn any more: episodes near each other are counted as one afterwards.
        timing: Timing { for_ms: 0, resolve_after_ms: 0, idle_after_ms: 0 },
    }
}

/// For each observation, whether an alert was open once it was known.
pub fn alerting(bad: &[bool]) -> Vec<bool> {
    let series = Recorded::new(SLICE_MS, bad.iter().map(|bad| Some((u64::from(*bad), 1))));
    let mut open = vec![false; bad.len()];
    let mut since = None;
    let said = replay(&rule(), &series, 0, i64::MAX);
    for (end, said) in said {
        match said {
            Said::Alert(Change::Fired(_), _) => since = Some(end),
            Said::Alert(Change::Over(_), _) => {
                if let Some(since) = since.take() {
                    open[since - 1..end - 1].fill(true);
                }
            }
            _ => {}
        }
    }
    if let Some(since) = since {
        open[since - 1..].fill(true);
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_twelve_and_one_of_two() {
        let shown = |bad: &str| -> String {
            let bad: Vec<bool> = bad.chars().map(|c| c == 'x').collect();
            alerting(&bad).into_iter().map(|open| if open { '#' } else { '.' }).collect()
        };
        for (bad, expected) in [
            ("", ""),
            ("x", "."),
            ("............", "............"),
            // Two are not enough, a third within twelve is.
            ("xx..........x", "............."),
            ("xx.........x", "...........#"),
            // It is over when neither of the last two is bad.
            ("...xxx.....", ".....##...."),
            ("...xxxx....x", ".....###...#"),
            ("xxx", "..#"),
        ] {
            assert_eq!(shown(bad), expected, "{bad}");
        }
    }
}
