//! When fine history may go: counted from a pool's newest sample, never from today, so that a pool
//! that fell silent keeps its last days.

use crate::{DAY_MS, Millis};

/// A pool with something in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its newest sample.
    pub newest_ms: Millis,
    /// Days it wants kept; `None` = all.
    pub keep_days: Option<i32>,
}

/// Whether a partition that ends at `end_ms` may be dropped: every pool in it must have newer
/// samples by more than it wants kept. `least_days` is kept whatever a pool says.
pub fn may_drop(end_ms: Millis, holders: &[Holder], least_days: i32) -> bool {
    holders
        .iter()
        .all(|h| h.keep_days.is_some_and(|days| end_ms <= h.newest_ms - i64::from(days.max(least_days)) * DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pool_that_wants_it_keeps_a_partition() {
        let newest_ms = 100 * DAY_MS;
        let wants = |keep_days| Holder { newest_ms, keep_days };
        assert!(may_drop(10 * DAY_MS, &[wants(Some(90))], 0));
        assert!(!may_drop(11 * DAY_MS, &[wants(Some(90))], 0));
        assert!(!may_drop(10 * DAY_MS, &[wants(Some(90)), wants(None)], 0));
        assert!(!may_drop(10 * DAY_MS, &[wants(Some(1))], 91));
        assert!(may_drop(10 * DAY_MS, &[], 0), "an empty partition holds nothing back");
    }

    #[test]
    fn a_silent_pool_keeps_its_last_days() {
        let silent = Holder { newest_ms: 20 * DAY_MS, keep_days: Some(5) };
        assert!(!may_drop(16 * DAY_MS, &[silent], 0));
    }
}
