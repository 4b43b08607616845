//! Following the demand: what is done where nothing is foreseen, with patience so that capacity does not flutter.

use crate::{MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};

/// Most readings that are remembered: a day of minutes.
const MOST_READINGS: usize = 1_440;

/// How demand is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reactive {
    /// How much of the capacity should be in use, in per cent, 1 to 100.
    pub target_percent: u32,
    /// Never less.
    pub min: u32,
    /// Never more; counts where it is below `min`.
    pub max: u32,
    /// After a change nothing shrinks for so long.
    pub cooldown_minutes: u32,
    /// Shrinks only to the most that was desired within so long; at most a day.
    pub stabilisation_minutes: u32,
    /// Shrinking by less than this part is not worth a change.
    pub band_percent: u32,
}

impl Reactive {
    /// What others are compared with: 75 %, shrinking to the most of 15 minutes.
    pub const REFERENCE: Self = Self {
        target_percent: 75,
        min: 1,
        max: crate::MAX_SLOTS as u32,
        cooldown_minutes: 0,
        stabilisation_minutes: 15,
        band_percent: 0,
    };
}

/// What is remembered between decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactiveState {
    /// When and what was desired, oldest first.
    recent: Vec<(Millis, u32)>,
    changed_ms: Option<Millis>,
}

/// What is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Slots.
    pub capacity: u32,
    /// Why.
    pub why: Why,
}

/// Why following decided as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is what is desired.
    Fits,
    /// Demand grew.
    Grows,
    /// Demand has been lower for long enough.
    Shrinks,
    /// Less is desired, but it changed just now.
    Cooldown,
    /// Less is desired, but more was a short while ago.
    Stabilising,
    /// Less is desired, but not by enough.
    WithinBand,
    /// The maximum is too little.
    AtMaximum,
    /// Demand is not known: nothing is changed.
    Unknown,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Fits => "it fits the demand",
            Self::Grows => "demand grew",
            Self::Shrinks => "demand has been lower for long enough",
            Self::Cooldown => "less is wanted, but it changed a short while ago",
            Self::Stabilising => "less is wanted, but more was a short while ago",
            Self::WithinBand => "less is wanted, but not by enough to change",
            Self::AtMaximum => "more is wanted than the maximum",
            Self::Unknown => "demand is not known, nothing is changed",
        }
    }
}

impl Reactive {
    /// Decides. `capacity` is what there is; it changes to what is decided. Instants may go backwards: then what was remembered of
    /// later ones is forgotten.
    pub fn decide(&self, state: &mut ReactiveState, now_ms: Millis, capacity: u32, demand: Option<f64>) -> Decision {
        let min = self.min.min(self.max);
        let Some(demand) = demand.filter(|demand| demand.is_finite() && *demand >= 0.0) else {
            return state.change(now_ms, capacity, capacity.clamp(min, self.max), Why::Unknown);
        };
        let target = f64::from(self.target_percent.clamp(1, 100));
        let wanted = (demand * 100.0 / target).ceil().clamp(0.0, f64::from(u32::MAX));
        let desired = (wanted as u32).clamp(min, self.max);
        let window_ms = Millis::from(self.stabilisation_minutes) * MINUTE_MS;
        state.recent.retain(|(at_ms, _)| *at_ms < now_ms && at_ms.saturating_add(window_ms) > now_ms);
        state.recent.push((now_ms, desired));
        let more = state.recent.len().saturating_sub(MOST_READINGS);
        state.recent.drain(..more);
        if desired > capacity {
            let why = if wanted > f64::from(self.max) { Why::AtMaximum } else { Why::Grows };
            return state.change(now_ms, capacity, desired, why);
        }
        if capacity > self.max {
            return state.change(now_ms, capacity, self.max, Why::AtMaximum);
        }
        if desired == capacity {
            let why = if wanted > f64::from(self.max) { Why::AtMaximum } else { Why::Fits };
            return Decision { capacity, why };
        }
        let cooldown_ms = Millis::from(self.cooldown_minutes) * MINUTE_MS;
        let is_cooling =
            state.changed_ms.is_some_and(|at_ms| at_ms <= now_ms && at_ms.saturating_add(cooldown_ms) > now_ms);
        let most = state.recent.iter().map(|(_, desired)| *desired).max().unwrap_or(desired).min(capacity);
        let band = u64::from(capacity) * u64::from(100 - self.band_percent.min(100));
        let why = if is_cooling {
            Why::Cooldown
        } else if most == capacity {
            Why::Stabilising
        } else if u64::from(most) * 100 > band {
            Why::WithinBand
        } else {
            return state.change(now_ms, capacity, most, Why::Shrinks);
        };
        Decision { capacity, why }
    }
}

impl ReactiveState {
    fn change(&mut self, now_ms: Millis, before: u32, capacity: u32, why: Why) -> Decision {
        if before != capacity {
            self.changed_ms = Some(now_ms);
        }
        Decision { capacity, why }
    }
}
