//! The figures behind an alert, as of its last judgement: for lists, pages and messages.

use super::fraction::Fraction;
use super::replay::{BurnRule, Judged};
use super::slo::{PERIOD_MS, Sli};
use super::window::{Lane, Truth};
use crate::{Millis, format};
use serde::{Deserialize, Serialize};

/// One window of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WindowFacts {
    /// Its length, milliseconds.
    pub window_ms: Millis,
    /// Burn above which it holds.
    pub over: f64,
    /// Its burn; `None` where nothing was counted.
    pub burn: Option<f64>,
}

/// One tier of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TierFacts {
    /// `W1`.
    pub name: String,
    /// Who is told.
    pub lane: Lane,
    /// What it says.
    pub truth: Truth,
    /// Its windows, the long one first.
    pub windows: Vec<WindowFacts>,
    /// Bad things in the long window.
    pub bad: u64,
    /// All things in the long window.
    pub total: u64,
    /// It would hold if there were not so few things.
    pub low_traffic: bool,
}

/// The figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// One line: what, how much of how much.
    #[serde(default)]
    pub says: String,
    /// Of rules about a budget: which indicator.
    #[serde(default)]
    pub sli: Option<Sli>,
    /// And its tiers.
    #[serde(default)]
    pub tiers: Vec<TierFacts>,
    /// Slots of the pool that are free, and its capacity, in the last minute that was seen.
    #[serde(default)]
    pub free: Option<(i64, i64)>,
    /// Keys of the tenants that are hit, worst first.
    #[serde(default)]
    pub hit: Vec<i32>,
    /// Keys of the tenants that use most, with their part of the use.
    #[serde(default)]
    pub users: Vec<(i32, f64)>,
    /// Numbers of alerts that this one explains, and the tenants they are about.
    #[serde(default)]
    pub explains: Vec<(i64, i32)>,
}

impl Facts {
    /// The figures of a rule about a budget.
    pub fn of_burn(sli: Sli, rule: &BurnRule, judged: &Judged) -> Self {
        let tiers: Vec<TierFacts> = rule
            .tiers
            .iter()
            .zip(&judged.tiers)
            .map(|(tier, verdict)| TierFacts {
                name: tier.name.clone(),
                lane: tier.lane,
                truth: verdict.truth,
                windows: tier
                    .all
                    .iter()
                    .zip(&verdict.burns)
                    .map(|(part, burn)| WindowFacts {
                        window_ms: part.window_ms,
                        over: part.over.to_f64(),
                        burn: *burn,
                    })
                    .collect(),
                bad: verdict.long.bad,
                total: verdict.long.total,
                low_traffic: verdict.low_traffic,
            })
            .collect();
        let mut facts = Self { sli: Some(sli), tiers, ..Self::default() };
        facts.says = facts.burn_says(&judged.verdicts.tier);
        facts
    }

    /// The tier that an alert is about: the one that holds, or the first.
    pub fn tier(&self, name: &str) -> Option<&TierFacts> {
        self.tiers.iter().find(|tier| tier.name == name).or_else(|| self.tiers.first())
    }

    /// `20x budget burn; 50 of 60000 claims rejected in 1h; budget gone in 36h`
    fn burn_says(&self, name: &str) -> String {
        let (Some(sli), Some(tier)) = (self.sli, self.tier(name)) else { return String::new() };
        let burn = tier.windows.iter().filter_map(|window| window.burn).fold(0.0, f64::max);
        let long = tier.windows.first().map_or(0, |window| window.window_ms);
        let counted = match sli {
            Sli::Leak => format!("{} leaks", tier.bad),
            Sli::Waste => format!(
                "{} of reserved slot-time not used",
                format::percent(tier.bad as f64 / tier.total.max(1) as f64)
            ),
            _ => format!("{} of {} {}", tier.bad, tier.total, sli.total_words()),
        };
        let bad = match sli {
            Sli::Saturation => " rejected",
            Sli::Latency => " late or failed",
            Sli::Reclaim => " released late",
            Sli::Wait => " waited too long",
            Sli::Leak | Sli::Waste => "",
        };
        let left = if burn > 0.0 {
            format!("; budget gone in {}", format::duration((PERIOD_MS as f64 / burn) as i64))
        } else {
            String::new()
        };
        format!("{}x budget burn; {counted}{bad} in {}{left}", times(burn), format::duration(long))
    }

    /// Burn of the long and of the short window of the tier that an alert is about.
    pub fn burns(&self, name: &str) -> (Option<f64>, Option<f64>) {
        let at = |place: usize| self.tier(name)?.windows.get(place)?.burn;
        (at(0), at(1))
    }
}

/// A burn as people read it: `8.3`, `20`, `1,440`.
pub fn times(burn: f64) -> String {
    if burn >= 100.0 || (burn - burn.round()).abs() < 0.05 {
        format::count(burn.round() as i64)
    } else {
        format::decimal(burn, 1)
    }
}

/// The part of an error budget that is left, 1 = all of it; below 0 = it is overdrawn. `None` where nothing was counted.
pub fn budget_left(bad: u64, total: u64, budget: Fraction) -> Option<f64> {
    (total > 0 && budget.numerator() > 0).then(|| 1.0 - bad as f64 / (total as f64 * budget.to_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::lanes::Timing;
    use crate::alert::window::{Counts, Tier, Window};

    #[test]
    fn a_burn_is_told_in_one_line() {
        let rule = BurnRule {
            budget: Fraction::of(1, 10_000),
            tiers: Tier::defaults(),
            critical_over: None,
            timing: Timing::default(),
        };
        let counted = |window_ms: Millis| {
            let (bad, total) = if window_ms <= 300_000 { (10, 5_000) } else { (50, 60_000) };
            Window { expected: 60, counts: Counts { observed: 60, bad, total } }
        };
        let facts = Facts::of_burn(Sli::Saturation, &rule, &rule.judge(counted));
        let says = facts.says.replace(format::NNBSP, " ");
        assert_eq!(says, "20x budget burn; 50 of 60000 claims rejected in 1 h; budget gone in 1 d 12 h");
        assert_eq!(facts.burns("W1").1, Some(20.0));
        let text = serde_json::to_string(&facts).expect("it can be written");
        assert_eq!(serde_json::from_str::<Facts>(&text).expect("it can be read"), facts);
        assert_eq!(serde_json::from_str::<Facts>("{}").expect("it can be read"), Facts::default());
    }

    #[test]
    fn what_is_left_of_a_budget() {
        let budget = Fraction::of(1, 100);
        assert_eq!(budget_left(0, 1_000, budget), Some(1.0));
        assert_eq!(budget_left(5, 1_000, budget), Some(0.5));
        assert!(budget_left(20, 1_000, budget).is_some_and(|left| (left + 1.0).abs() < 1e-9));
        assert_eq!(budget_left(0, 0, budget), None);
        assert_eq!((times(8.333), times(20.0), times(1_440.2)), ("8.3".into(), "20".into(), "1,440".into()));
    }
}
