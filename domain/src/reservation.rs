//! Slots promised to a tenant in a pool over a time range. What planners write, and what comes to promises, is in `plan`.

use crate::Millis;
use crate::pool::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// Whether a promise may be broken.
    ReservationKind {
        /// Always there.
        Guaranteed = "guaranteed", "guaranteed";
        /// There when others leave room.
        Burst = "burst", "burst";
    }
}

/// A promise of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key.
    pub tenant: i32,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; `None` = until further notice.
    pub to_ms: Option<Millis>,
    /// Guaranteed slots (floor).
    pub baseline: i64,
    /// Most slots the tenant may use; `None` = no limit but the pool's.
    pub ceiling: Option<i64>,
    /// Most idle slots others may borrow; `None` = all of them.
    pub lending_limit: Option<i64>,
    /// Most slots the tenant may borrow beyond its baseline; `None` = no limit.
    pub borrowing_limit: Option<i64>,
}

impl Promise {
    /// Whether the promise holds at an instant.
    pub fn holds_at(&self, at: Millis) -> bool {
        self.from_ms <= at && self.to_ms.is_none_or(|to| at < to)
    }
}

/// Slots promised per tenant in one pool at an instant.
pub fn promised(reservations: &[Promise], pool: i32, at: Millis) -> impl Iterator<Item = (i32, i64)> {
    let mut by_tenant = std::collections::BTreeMap::new();
    for r in reservations.iter().filter(|r| r.pool == pool && r.holds_at(at)) {
        *by_tenant.entry(r.tenant).or_insert(0) += r.baseline;
    }
    by_tenant.into_iter()
}
