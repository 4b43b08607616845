//! How much capacity a pool should have in the hours to come, and by which steps it gets there.
//!
//! An hour needs the most of four: what the forecast says at the chosen risk, what is wanted now with the headroom that was short
//! lately, what is promised, and what events ask for ([`Need`]). Out of that comes a plan of few steps ([`plan`]). Whether the
//! forecast has a say at all is decided once a day by what it would have cost ([`choose`]); what that came to is written down
//! ([`ledger`]). Where nothing can be foreseen, capacity follows demand ([`Reactive`]).

mod choice;
mod ledger;
mod need;
mod plan;
mod reactive;

pub use self::choice::{Choice, HEADROOM_DAYS, choose, headroom};
pub use self::ledger::{Bounds, Ledger, Line, ledger};
pub use self::need::{Decider, Live, Need, needs};
pub use self::plan::{Breach, Expectation, Now, Plan, Rules, Step, expect, plan};
pub use self::reactive::{Decision, Reactive, ReactiveState, Why};
pub use crate::backtest::{Base, Policy};

use serde::{Deserialize, Serialize};

/// What happens with a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is kept and compared with what was; nobody is told.
    #[default]
    Shadow,
    /// Its steps are shown to people, who take them.
    Recommend,
    /// Its steps are taken.
    Apply,
}

impl Mode {
    /// All of them, from the one that does least.
    pub const ALL: [Self; 3] = [Self::Shadow, Self::Recommend, Self::Apply];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Recommend => "recommend",
            Self::Apply => "apply",
        }
    }

    /// From the word for it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// Whole slots that cover a demand, within what a pool can have.
fn whole(slots: f64) -> i64 {
    if slots.is_nan() { 0 } else { slots.ceil().clamp(0.0, crate::MAX_SLOTS as f64 * 1e3) as i64 }
}

/// Demand by minute as it is looked at: what is not finite or negative is unknown.
fn cleaned(minutes: &[f64]) -> Vec<f64> {
    let most = crate::MAX_SLOTS as f64 * 1e3;
    minutes.iter().map(|slots| if slots.is_finite() && *slots >= 0.0 { slots.min(most) } else { f64::NAN }).collect()
}

#[cfg(test)]
mod tests;
