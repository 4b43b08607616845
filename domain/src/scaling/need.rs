//! What an hour needs, and who says so.

use super::whole;
use crate::backtest::{Base, Policy};
use crate::forecast::online::{Mark, Outlook};
use serde::{Deserialize, Serialize};

/// Hours for which what is wanted now has a say beside a forecast: the running one and the next.
const LIVE_HOURS: usize = 2;

/// Who decided how much an hour needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// The forecast at the chosen risk.
    Quantile,
    /// What is wanted now, with headroom.
    Live,
    /// What is promised.
    Committed,
    /// The floor of an event.
    EventFloor,
    /// The configured minimum.
    Minimum,
    /// The configured maximum: more is needed.
    Maximum,
    /// The hold after growing, or the band within which nothing is changed.
    Held,
}

impl Decider {
    /// In words, as what a step follows.
    pub fn words(self) -> &'static str {
        match self {
            Self::Quantile => "the forecast at the chosen risk",
            Self::Live => "what is wanted now with its headroom",
            Self::Committed => "what is reserved",
            Self::EventFloor => "the floor of an event",
            Self::Minimum => "the configured minimum",
            Self::Maximum => "the configured maximum",
            Self::Held => "the hold after growing",
        }
    }
}

/// What is wanted now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Live {
    /// Held, queued and rejected slots.
    pub demand: f64,
    /// Slots that were short lately beside it ([`super::headroom`], 0 for policies without); added whatever the policy.
    pub headroom: f64,
}

/// Slots that an hour needs by each input; 0 says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Need {
    /// By the forecast.
    pub quantile: f64,
    /// By what is wanted now.
    pub live: f64,
    /// By what is promised.
    pub committed: f64,
    /// By an event.
    pub event_floor: f64,
}

impl Need {
    /// The most of all, in whole slots, and who says so: of equals the surer one.
    pub fn wanted(&self) -> (i64, Decider) {
        let all = [
            (whole(self.event_floor), Decider::EventFloor),
            (whole(self.committed), Decider::Committed),
            (whole(self.live), Decider::Live),
            (whole(self.quantile), Decider::Quantile),
        ];
        let mut most = (0, Decider::Minimum);
        for one in all {
            if one.0 > most.0 {
                most = one;
            }
        }
        most
    }
}

/// What the hours of an outlook need by a policy. `committed` is by hour; its last value goes on.
///
/// Where the policy does not foresee, or nothing is foreseen for an hour, what is wanted now stands for the hours to come.
pub fn needs(outlook: &Outlook, policy: &Policy, live: Live, committed: &[i64]) -> Vec<Need> {
    let demand = live.demand.max(0.0);
    let headroom = live.headroom.max(0.0);
    let percent = match policy {
        Policy::Follow { percent } | Policy::Headroom { base: Base::Follow { percent }, .. } => {
            (*percent).clamp(1, 100)
        }
        Policy::Foresee { .. } | Policy::Headroom { base: Base::Foresee, .. } => 100,
    };
    let following = demand * 100.0 / f64::from(percent) + headroom;
    let foreseen: Option<Vec<f64>> = match policy {
        _ if outlook.is_empty() => None,
        Policy::Foresee { permille } => Some(outlook.quantile(f64::from(*permille) / 1e3)),
        Policy::Headroom { base: Base::Foresee, .. } => {
            Some(outlook.median.iter().map(|median| median + headroom).collect())
        }
        Policy::Follow { .. } | Policy::Headroom { .. } => None,
    };
    (0..outlook.marks.len())
        .map(|step| {
            let is_excluded = outlook.marks[step] == Mark::Excluded;
            let quantile = foreseen.as_ref().filter(|_| !is_excluded).and_then(|steps| steps.get(step)).copied();
            Need {
                quantile: quantile.unwrap_or(0.0),
                live: if quantile.is_none() || step < LIVE_HOURS { following } else { 0.0 },
                committed: committed.get(step).or(committed.last()).copied().unwrap_or(0).max(0) as f64,
                event_floor: outlook.floors.get(step).copied().unwrap_or(0.0),
            }
        })
        .collect()
}
