//! A burn-rate rule over a recorded series of slices: what it would have said, minute by minute. The same judgement as live,
//! for test vectors, for trying a rule on history before it is saved, and for simulations.

use super::fraction::Fraction;
use super::lanes::{Change, Lanes, Timing, Verdicts, Why};
use super::slo::exceeds;
use super::window::{Conjunct, Counts, Lane, Tier, Truth, Verdict, Window};
use crate::{MINUTE_MS, Millis};

/// What was counted in a slice; `None` = it was not seen.
pub type Slice = Option<(u64, u64)>;

/// Without a slice for so long, a series has no data, where nobody said otherwise.
pub const NO_DATA_MS: Millis = 5 * MINUTE_MS;

/// A burn-rate rule: what is allowed, and which windows are watched.
#[derive(Debug, Clone, PartialEq)]
pub struct BurnRule {
    /// The part that may be bad, in the unit in which it is counted (`Sli::counted`).
    pub budget: Fraction,
    /// The windows.
    pub tiers: Vec<Tier>,
    /// A page of a burn faster than this in the first tier's windows is critical.
    pub critical_over: Option<Fraction>,
    /// How long things must last.
    pub timing: Timing,
}

/// What a rule says of an instant, with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What is said.
    pub verdicts: Verdicts,
    /// By tier, in the order of the rule.
    pub tiers: Vec<Verdict>,
}

impl BurnRule {
    /// Judges by the windows that end now; `window` tells what is known of one of some length.
    pub fn judge(&self, window: impl Fn(Millis) -> Window) -> Judged {
        self.judge_busy(0, window)
    }

    /// The same of something that says nothing by itself where fewer than `least` things were counted in a long window: there is
    /// nothing to judge then.
    pub fn judge_busy(&self, least: u64, window: impl Fn(Millis) -> Window) -> Judged {
        let judged = |tier: &Tier| {
            let mut verdict = tier.judge(self.budget, &window);
            if verdict.truth == Truth::True && verdict.long.total < least {
                (verdict.truth, verdict.low_traffic) = (Truth::Idle, true);
            }
            verdict
        };
        let tiers: Vec<Verdict> = self.tiers.iter().map(judged).collect();
        let of = |lane: Lane| self.tiers.iter().zip(&tiers).filter(move |(tier, _)| tier.lane == lane);
        let page = Truth::any(of(Lane::Page).map(|(_, verdict)| verdict.truth));
        let ticket = Truth::any(tiers.iter().map(|verdict| verdict.truth));
        let first =
            |lane| of(lane).find(|(_, verdict)| verdict.truth == Truth::True).map(|(tier, _)| tier.name.clone());
        let tier = first(Lane::Page).or_else(|| first(Lane::Ticket)).unwrap_or_default();
        let critical = page == Truth::True
            && self.critical_over.is_some_and(|over| {
                let pages = of(Lane::Page).next();
                pages.is_some_and(|(tier, verdict)| {
                    let burns = |part: &Conjunct| {
                        let counts = window(part.window_ms).counts;
                        exceeds(counts.bad, counts.total, self.budget, over)
                    };
                    verdict.truth == Truth::True && tier.all.iter().all(burns)
                })
            });
        Judged { verdicts: Verdicts { page, ticket, tier, critical }, tiers }
    }

    /// The longest window, in milliseconds.
    pub fn longest_ms(&self) -> Millis {
        self.tiers.iter().flat_map(|tier| &tier.all).map(|part| part.window_ms).max().unwrap_or_default()
    }
}

/// A recorded series, from its birth on, with its counts summed up.
#[derive(Debug, Clone)]
pub struct Recorded {
    slice_ms: Millis,
    /// Counts before each slice, and after the last.
    sums: Vec<Counts>,
    /// End of the last slice that was seen, before each slice and after the last; `None` before the first.
    seen: Vec<Option<usize>>,
}

impl Recorded {
    /// A series of slices of some length.
    pub fn new(slice_ms: Millis, slices: impl IntoIterator<Item = Slice>) -> Self {
        let (mut sums, mut seen) = (vec![Counts::default()], vec![None]);
        let mut last = None;
        for (at, slice) in slices.into_iter().enumerate() {
            let counts = sums.last().copied().unwrap_or_default().and(slice);
            sums.push(counts);
            if slice.is_some() {
                last = Some(at + 1);
            }
            seen.push(last);
        }
        Self { slice_ms, sums, seen }
    }

    /// Slices that there are.
    pub fn len(&self) -> usize {
        self.sums.len() - 1
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of the window of some length that ends after so many slices.
    pub fn window(&self, end: usize, window_ms: Millis) -> Window {
        let slices = usize::try_from(window_ms / self.slice_ms).unwrap_or(usize::MAX);
        let end = end.min(self.len());
        let start = end.saturating_sub(slices);
        Window { expected: (end - start) as u64, counts: self.sums[end] - self.sums[start] }
    }

    /// Time without a slice before an instant; `None` before the first one.
    fn silence_ms(&self, end: usize) -> Option<Millis> {
        self.seen.get(end).copied().flatten().map(|last| (end - last) as i64 * self.slice_ms)
    }
}

/// Something that a rule says in a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A lane or an alert changed; with the tier for beginnings.
    Alert(Change, String),
    /// No slice for a while.
    NoData,
    /// There is one again.
    DataAgain,
}

impl Said {
    /// The word in test vectors; `None` for what they do not tell.
    pub fn word(&self) -> Option<String> {
        let idle = |word: &str, why: Why| if why == Why::Idle { format!("{word}:idle") } else { word.to_owned() };
        Some(match self {
            Self::Alert(Change::Fired(lane), tier) => format!("fire:{}:{tier}", lane.as_str()),
            Self::Alert(Change::Upgraded, tier) => format!("upgrade:page:{tier}"),
            Self::Alert(Change::PageOver(why), _) => idle("page:resolve", *why),
            Self::Alert(Change::Over(why), _) => idle("resolve", *why),
            Self::Alert(Change::Pending | Change::PendingOver, _) => return None,
            Self::NoData => "nodata".into(),
            Self::DataAgain => "nodata_cleared".into(),
        })
    }
}

/// Everything that a rule says about a series, with the number of slices before it. `from` slices are history: they count, and
/// nothing is said about them. A series without a slice for `no_data_ms` has no data.
pub fn replay(rule: &BurnRule, series: &Recorded, from: usize, no_data_ms: Millis) -> Vec<(usize, Said)> {
    let mut lanes = Lanes::default();
    let mut silent = false;
    let mut said = Vec::new();
    for end in from..=series.len() {
        let at = end as i64 * series.slice_ms;
        if end > 0 {
            let judged = rule.judge(|window_ms| series.window(end, window_ms));
            for change in lanes.step(at, &judged.verdicts, &rule.timing) {
                said.push((end, Said::Alert(change, judged.verdicts.tier.clone())));
            }
        }
        let now_silent = series.silence_ms(end).is_some_and(|silence| silence >= no_data_ms);
        if now_silent != silent {
            silent = now_silent;
            said.push((end, if silent { Said::NoData } else { Said::DataAgain }));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> BurnRule {
        BurnRule {
            budget: Fraction::of(1, 10_000),
            tiers: Tier::defaults(),
            critical_over: Some("14.4".parse().expect("a number")),
            timing: Timing::default(),
        }
    }

    #[test]
    fn a_fast_burn_pages_and_becomes_critical() {
        // V11: twenty times too fast.
        let history = std::iter::repeat_n(Some((0, 1_000)), 4_320);
        let series = Recorded::new(MINUTE_MS, history.chain(std::iter::repeat_n(Some((2, 1_000)), 60)));
        let said: Vec<_> = replay(&rule(), &series, 4_320, NO_DATA_MS)
            .into_iter()
            .map(|(at, said)| (at - 4_320, said.word()))
            .collect();
        assert_eq!(said, [(25, Some("fire:page:W1".into()))]);
        let critical = |minute: usize| {
            let end = 4_320 + minute;
            rule().judge(|window_ms| series.window(end, window_ms)).verdicts.critical
        };
        assert_eq!((critical(43), critical(44)), (false, true));
    }

    #[test]
    fn a_series_without_slices_says_nothing() {
        let series = Recorded::new(MINUTE_MS, []);
        assert!(series.is_empty());
        assert_eq!(replay(&rule(), &series, 0, NO_DATA_MS), []);
        let unseen = Recorded::new(MINUTE_MS, [None; 20]);
        assert_eq!(replay(&rule(), &unseen, 0, NO_DATA_MS), [], "no data is told of series that had some");
    }
}
