//! Where a reservation stands.

use crate::Millis;
use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// Where a reservation stands. The first two are those of an edit that is not published.
    State {
        /// In somebody's draft.
        Draft = "draft", "Draft";
        /// Waits for somebody's approval.
        Proposed = "proposed", "Proposed";
        /// Published; its time is to come.
        Approved = "approved", "Approved";
        /// It holds now.
        Active = "active", "Active";
        /// Its time is over.
        Ended = "ended", "Ended";
        /// Taken back.
        Cancelled = "cancelled", "Cancelled";
    }
}

/// The state of what is published: from its first and last instant, and whether it was cancelled.
pub fn published(first_ms: Millis, last_ms: Option<Millis>, is_cancelled: bool, now: Millis) -> State {
    match (is_cancelled, now < first_ms, last_ms.is_some_and(|last| last <= now)) {
        (true, ..) => State::Cancelled,
        (_, _, true) => State::Ended,
        (_, true, _) => State::Approved,
        _ => State::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_decides_and_cancelling_before_it() {
        for (last, is_cancelled, now, expected) in [
            (Some(20), false, 9, State::Approved),
            (Some(20), false, 10, State::Active),
            (None, false, 10, State::Active),
            (Some(20), false, 20, State::Ended),
            (Some(20), true, 10, State::Cancelled),
        ] {
            assert_eq!(published(10, last, is_cancelled, now), expected);
        }
    }
}
