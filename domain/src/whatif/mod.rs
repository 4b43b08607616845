//! What would have happened: demand as it was, played through the allocator's rules with other promises.
//!
//! The rules are those of [`crate::admission`]. Time goes in whole minutes, and in each minute
//! 1. whoever holds more than it wants gives the rest back; nobody is made to give back anything else, also where its promise
//!    ended, its quota was cut or the pool shrank;
//! 2. then come claims, each of one slot, each decided by [`crate::admission::Shares::decide`]. A reclaim is taken at once, and
//!    the claim decided again. First come those for what is promised (within the tenant's floor), tenant after tenant by
//!    priority (highest first) and key; then the others by priority, and within one priority in turns: everybody's first, then
//!    everybody's second, by key. Who is refused asks again, until nothing changes. (Once is enough: what a minute ends with is
//!    what it would end with again.)
//!
//! Claims come by the tenant's own priority. Slots are taken back by the greatest of it and of those that its reservations give it
//! while they hold ([`Raised`]), as the allocator does.
//!
//! Tests hold the closed form against the same played slot by slot ([`mod@reference`]), figure by figure, and against the
//! allocator's state machine ([`crate::allocation::Pool`]) with claims that wait for a minute and no grace, tenant by tenant.
//!
//! What is not known is not zero: in a minute in which a tenant's demand is unknown it takes no part, holds nothing, and is
//! counted in no sum but the unknown minutes. Its promises stay in force for the others.
//!
//! The demand is that of weeks that were, or what a forecast has for those to come ([`foreseen`]).
//!
//! What lies outside: claims of several slots, the grace of a reclaim (it is immediate here), a pool's policy to preempt by
//! priority, and how long a claim waits (a minute's unmet demand is gone with the minute).

mod demand;
pub mod foreseen;
mod minute;
pub mod reference;
mod replay;
#[cfg(test)]
mod tests;

pub use demand::{Demand, MOST_WANTED, Steps, UNKNOWN, wanted};
pub use replay::replay;

use crate::reservation::Promise;
use crate::{HOUR_MS, MINUTE_MS, Millis};
use std::collections::BTreeMap;

/// Hours that an outcome names at most.
pub const RISKIEST: usize = 5;

/// The pool's effective capacity (configured minus planned-down) from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Since when.
    pub from_ms: Millis,
    /// Slots.
    pub slots: u32,
}

/// What is known of a tenant beside its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant's key.
    pub key: i32,
    /// The most slots that it may hold; `None` is no limit.
    pub quota: Option<u32>,
    /// 0 to 9, higher first.
    pub priority: u8,
}

/// A reservation makes its tenant more important while it holds: what it borrowed is taken back after that of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// The tenant's key.
    pub tenant: i32,
    /// Since when.
    pub from_ms: Millis,
    /// Until when, exclusive; `None` is until further notice.
    pub to_ms: Option<Millis>,
    /// 0 to 9; what is not above the tenant's own changes nothing.
    pub priority: u8,
}

impl Raised {
    /// Whether it holds at an instant.
    pub fn holds_at(&self, at: Millis) -> bool {
        self.from_ms <= at && self.to_ms.is_none_or(|to| at < to)
    }
}

/// The rules of one pool over time.
///
/// What is said over time counts in a minute if it holds at the minute's start.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// In order of time; the first also holds before it, none is a pool without slots.
    pub capacity: &'a [Capacity],
    /// Who is not named has no quota and the usual priority. Each key once.
    pub tenants: &'a [Tenant],
    /// Of this pool.
    pub promises: &'a [Promise],
    /// Priorities that promises bring along.
    pub raised: &'a [Raised],
}

/// Exact sums over the minutes whose demand is known. A slot held for a minute is 60,000 slot-milliseconds.
///
/// With `U` slots held, `R` promised and `w` wanted: unmet is `w - U`, idle `max(0, R - U)` (M10), borrowed `max(0, U - R)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Minutes whose demand is not known: they are in no other figure. Of the pool: minutes in which that of any tenant is not.
    pub unknown_minutes: u64,
    /// Minutes with unmet demand, for want of room or by a limit of the tenant's own. Of the pool: those of any tenant.
    pub unmet_minutes: u64,
    /// Slots wanted and not held.
    pub unmet_slot_ms: i128,
    /// Of these, those that a limit of the tenant's own refuses: quota, ceiling or borrowing limit.
    pub limited_slot_ms: i128,
    /// Slots held.
    pub held_slot_ms: i128,
    /// Slots promised.
    pub reserved_slot_ms: i128,
    /// Slots held beyond what is promised.
    pub borrowed_slot_ms: i128,
    /// Slots promised and not held (M10), lent ones included.
    pub idle_slot_ms: i128,
    /// Of these, slots that others held meanwhile. What is borrowed comes first from slots promised to nobody; the rest is spread
    /// over the lenders in proportion to what they could lend, in whole slots.
    pub lent_slot_ms: i128,
    /// Slots taken back from it.
    pub taken_back: u64,
}

impl Figures {
    /// Promised, not held, and lent to nobody.
    pub fn wasted_slot_ms(&self) -> i128 {
        self.idle_slot_ms - self.lent_slot_ms
    }
}

/// An hour, counted from the start of the demand, that was short or nearly so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// Its start.
    pub from_ms: Millis,
    /// Unmet demand of all tenants in it.
    pub unmet_slot_ms: i128,
    /// The most slots that were short at once.
    pub short: u64,
    /// The least of capacity minus demand; below 0 more was wanted than there is.
    pub headroom: i64,
    /// The tenant with most unmet demand in it, if any is unmet.
    pub worst: Option<Short>,
}

/// A tenant that was short in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// The tenant's key.
    pub tenant: i32,
    /// Its unmet demand in the hour.
    pub unmet_slot_ms: i128,
    /// The most slots that it was short of at once.
    pub slots: u64,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Minutes played, unknown ones included.
    pub minutes: u64,
    /// The sum of the tenants.
    pub pool: Figures,
    /// By key: tenants with demand, with a promise, or named in the rules.
    pub tenants: BTreeMap<i32, Figures>,
    /// At most [`RISKIEST`] hours: those with most unmet demand, or, if none is unmet, those with least headroom.
    pub riskiest: Vec<Hour>,
}

/// Two outcomes of the same demand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// As things are.
    pub before: Outcome,
    /// As they would be.
    pub after: Outcome,
}

impl Comparison {
    /// Tenants of either outcome by key, with their figures before and after.
    pub fn tenants(&self) -> Vec<(i32, Figures, Figures)> {
        let mut both: BTreeMap<i32, (Figures, Figures)> = BTreeMap::new();
        for (key, figures) in &self.before.tenants {
            both.entry(*key).or_default().0 = *figures;
        }
        for (key, figures) in &self.after.tenants {
            both.entry(*key).or_default().1 = *figures;
        }
        both.into_iter().map(|(key, (before, after))| (key, before, after)).collect()
    }
}

/// What slot time costs, in millionths of the currency, at a price in millionths per slot and hour; rounded half up to a whole
/// millionth.
pub fn cost_micros(slot_ms: i128, unit_cost_micros: i64) -> i128 {
    (slot_ms * i128::from(unit_cost_micros) + i128::from(HOUR_MS) / 2).div_euclid(HOUR_MS.into())
}

/// The first minute of a grid at or after an instant.
fn minute_at(start_ms: Millis, at: Millis) -> i64 {
    let since = at.saturating_sub(start_ms);
    since.div_euclid(MINUTE_MS) + i64::from(since.rem_euclid(MINUTE_MS) > 0)
}

/// Puts the riskiest hours first and leaves out the others.
fn keep_riskiest(hours: &mut Vec<Hour>) {
    if hours.iter().any(|hour| hour.unmet_slot_ms > 0) {
        hours.retain(|hour| hour.unmet_slot_ms > 0);
    }
    hours.sort_by_key(|hour| (std::cmp::Reverse(hour.unmet_slot_ms), hour.headroom, hour.from_ms));
    hours.truncate(RISKIEST);
}

/// What the lenders of a moment lent, in whole slots: `lent` spread over what each could lend, in proportion, each at most that.
/// Shares are differences of the rounded-down running total, so that together they are exactly `lent`.
fn spread(lent: u64, lendable: &[u32]) -> impl Iterator<Item = u64> {
    let whole: u64 = lendable.iter().copied().map(u64::from).sum();
    let (mut running, mut given) = (0_u128, 0_u64);
    lendable.iter().map(move |slots| {
        running += u128::from(*slots);
        let upto = if whole == 0 { 0 } else { (running * u128::from(lent) / u128::from(whole)) as u64 };
        let part = upto - given;
        given = upto;
        part
    })
}
