//! What is known to come: events that change the demand of a pool, and how.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// What an event does to demand while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// At least so many slots are wanted.
    Floor {
        /// Slots.
        slots: u32,
    },
    /// Demand is what it would have been, times this.
    Factor {
        /// In hundredths: 150 is half as much again.
        percent: u32,
    },
    /// Demand is that of another day of the week.
    LikeWeekday {
        /// 1 is Monday, 7 is Sunday.
        weekday: u8,
    },
    /// Nothing is foreseen for it and nothing is learnt from it.
    Exclude,
    /// Nobody said: the factor is learnt from earlier events of the same tag.
    Learn,
}

/// An event of the calendar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// First instant, in milliseconds since 1970 UTC.
    pub start_ms: Millis,
    /// First instant after it.
    pub end_ms: Millis,
    /// What kind of event it is: those of one tag are alike. Lower case, `a` to `z`, `0` to `9` and hyphens.
    pub tag: String,
    /// What it does to demand.
    #[serde(flatten)]
    pub effect: Effect,
}
