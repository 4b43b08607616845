//! Things that happen around pools and explain what their curves do.

use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What kind of change it was.
    ChangeKind {
        /// New code went out.
        Deploy = "deploy", "Deploy";
        /// Two deployment slots swapped.
        Swap = "swap", "Swap";
        /// Capacity changed.
        Scale = "scale", "Scale";
        /// Settings changed.
        Config = "config", "Configuration";
    }
}
