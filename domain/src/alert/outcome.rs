//! What an alert turned out to be, as people say when it is over.

use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What an alert turned out to be.
    Outcome {
        /// Somebody mended it.
        Fixed = "fixed", "Fixed";
        /// It was real and ended by itself.
        WentAway = "went-away", "Went away by itself";
        /// Nothing was wrong.
        FalseAlarm = "false-alarm", "False alarm";
        /// Another alert told of the same.
        Duplicate = "duplicate", "Duplicate of another alert";
        /// It was real and nobody needed to do anything.
        NoAction = "no-action", "No action needed";
    }
}
