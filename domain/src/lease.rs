//! Leases on slots: the rules by which a pool gives them out, and the closed lists of words about them.
//!
//! A lease is a promise with an end: whoever stops renewing it loses the slot, never earlier than was told and a little later
//! at most. A slot's fence grows with each claim and each end of one, so that a resource can refuse a holder whose time is over.

use crate::pool::words;
use crate::throttle::Limit;
use crate::{DAY_MS, HOUR_MS, Millis, admission, breaker, heartbeat};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most slots of a tracked pool: all of them are in its owner's memory.
pub const MAX_TRACKED_SLOTS: u32 = 200_000;
/// Most slots of one claim.
pub const MAX_CLAIM_SLOTS: u32 = 10_000;
/// Longest time to live that any policy may allow.
pub const LONGEST_TTL_MS: Millis = 30 * DAY_MS;
/// Shortest time to live: below it a slow network would lose leases.
pub const SHORTEST_TTL_MS: Millis = 1_000;
/// Longest that any policy may let claims wait.
pub const LONGEST_WAIT_MS: Millis = 10 * 60_000;
/// Most claims that any policy may let wait.
pub const MAX_QUEUE: u32 = 100_000;
/// Most limits of one pool.
pub const MAX_LIMITS: usize = 16;

words! {
    /// Why a claim was refused.
    Reason {
        /// All slots are held.
        Full = "full", "The pool is full";
        /// What is free is kept for other tenants' reservations.
        Reserved = "reserved", "What is free is reserved for others";
        /// What was lent is being taken back for this tenant.
        Reclaiming = "reclaiming", "Lent slots are being taken back";
        /// The tenant's quota.
        Quota = "quota", "Over quota";
        /// The ceiling of the tenant's reservations.
        Ceiling = "ceiling", "Over the reservation's ceiling";
        /// The tenant's borrowing limit.
        BorrowingLimit = "borrowing-limit", "Over the borrowing limit";
        /// It asks for more than the pool has.
        MoreThanPool = "more-than-pool", "More than the pool has";
        /// Too many claims wait.
        QueueFull = "queue-full", "Too many claims wait";
        /// Its time to wait is over.
        WaitedTooLong = "waited-too-long", "Waited too long";
        /// An operator holds the pool.
        Held = "held", "The pool is on hold";
        /// The pool is being emptied.
        Draining = "draining", "The pool is being drained";
        /// The work behind the pool keeps failing.
        BreakerOpen = "breaker-open", "The circuit breaker is open";
        /// A rate limit.
        RateLimit = "rate-limit", "Over a rate limit";
        /// The allocator has more to do than it can.
        Overloaded = "overloaded", "The allocator is overloaded";
    }
}

impl Reason {
    /// Whether it says that the pool had no room: a saturation event (M2).
    pub fn is_saturation(self) -> bool {
        matches!(self, Self::Full | Self::Reserved | Self::Reclaiming | Self::QueueFull | Self::WaitedTooLong)
    }

    /// Whether it says that the service failed, for no want of room and through no limit of the one who asked.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Overloaded | Self::BreakerOpen)
    }
}

impl From<admission::Reason> for Reason {
    fn from(reason: admission::Reason) -> Self {
        match reason {
            admission::Reason::MoreThanPool => Self::MoreThanPool,
            admission::Reason::Quota => Self::Quota,
            admission::Reason::Ceiling => Self::Ceiling,
            admission::Reason::BorrowingLimit => Self::BorrowingLimit,
            admission::Reason::Full => Self::Full,
            admission::Reason::Reserved => Self::Reserved,
        }
    }
}

words! {
    /// A transition that leaves an event. The place in this list is the stored number: new ones go to the end.
    EventKind {
        /// A slot was given to a claim.
        Claim = "claim", "Claimed";
        /// A lease was extended.
        Renew = "renew", "Renewed";
        /// A holder gave a slot back.
        Release = "release", "Released";
        /// A claim was refused.
        Reject = "reject", "Rejected";
        /// A claim began to wait.
        Enqueue = "enqueue", "Queued";
        /// A lease ran out and its slot was freed.
        Expire = "expire", "Expired";
        /// A slot was taken from a holder for somebody else.
        Preempt = "preempt", "Preempted";
        /// A slot, or its shard, moved to another holder or node.
        Reassign = "reassign", "Reassigned";
        /// The reconciler put something right.
        Reconcile = "reconcile", "Reconciled";
        /// The capacity changed.
        Scale = "scale", "Scaled";
        /// An operator held or opened the pool.
        Hold = "hold", "Held";
        /// A holder or the pool was asked to end.
        Drain = "drain", "Draining";
        /// A holder is silent for longer than is likely.
        Suspect = "suspect", "Suspected";
        /// A holder is taken for dead.
        Dead = "dead", "Dead";
        /// A holder that holds nothing any more was kept from acting.
        Stale = "stale", "Kept out";
    }
}

impl EventKind {
    /// A slot was given to a claim.
    pub const fn is_grant(self) -> bool {
        matches!(self, Self::Claim | Self::Reassign)
    }

    /// A claim lost its slot.
    pub const fn ends_lease(self) -> bool {
        matches!(self, Self::Release | Self::Expire | Self::Preempt | Self::Dead | Self::Reconcile)
    }
}

words! {
    /// How work in a slot ended, as its holder reports it.
    Outcome {
        /// It was done.
        Ok = "ok", "ok";
        /// It failed.
        Failed = "failed", "failed";
        /// It was given up; says nothing about the work behind the pool.
        Cancelled = "cancelled", "cancelled";
    }
}

words! {
    /// What an operator says about claims on a pool.
    Mode {
        /// Claims are served.
        Open = "open", "Open";
        /// No new claims; who holds a slot keeps it.
        Held = "held", "On hold";
        /// No new claims; holders are asked to end.
        Draining = "draining", "Draining";
    }
}

/// The number under which a word is stored: its place in the list.
pub fn number<T: PartialEq>(all: &[T], word: &T) -> i16 {
    all.iter().position(|other| other == word).and_then(|place| i16::try_from(place).ok()).unwrap_or(-1)
}

/// The word of a stored number.
pub fn word<T: Copy>(all: &[T], number: i16) -> Option<T> {
    usize::try_from(number).ok().and_then(|place| all.get(place)).copied()
}

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Everybody together.
    Pool,
    /// Each tenant.
    Tenant,
    /// Each API token or account.
    Token,
    /// Each user that a claim names.
    User,
    /// Each address that a claim names, or that it comes from.
    Address,
    /// Each region that a claim names.
    Region,
    /// Each endpoint that a claim names.
    Endpoint,
}

/// A rate limit of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyedLimit {
    /// What it counts by.
    pub by: By,
    /// The limit.
    pub limit: Limit,
}

/// How holders are watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beats {
    /// A beat is expected this often, 1 s to 1 h.
    pub interval_ms: Millis,
    /// A silence of so many intervals and the margin is death, 3 to 5.
    pub intervals: u32,
    /// Allowance for the way of a beat, 0 to 60 s.
    pub margin_ms: Millis,
    /// Suspected from this φ on, 1 to 16.
    pub suspected_phi: f64,
}

impl Default for Beats {
    fn default() -> Self {
        Self { interval_ms: 10_000, intervals: 4, margin_ms: 2_000, suspected_phi: 8.0 }
    }
}

impl Beats {
    /// As the detector wants it.
    pub fn policy(self) -> heartbeat::Policy {
        heartbeat::Policy {
            interval_ms: self.interval_ms,
            intervals: self.intervals,
            margin_ms: self.margin_ms,
            suspected_phi: self.suspected_phi,
            trusted_after: 3,
            silent_per_mille: 300,
        }
    }
}

/// When the breaker opens and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRule {
    /// Outcomes of this time are looked at, 1 s to 1 h.
    pub window_ms: Millis,
    /// Fewer outcomes than this say nothing, 1 to 100,000.
    pub least: u32,
    /// It opens when at least so many of a thousand failed, 1 to 1,000.
    pub failures_per_mille: u32,
    /// It stays open this long the first time, 100 ms to 1 h.
    pub cooldown_ms: Millis,
    /// Claims that go through at a time while it is half-open, 1 to 1,000.
    pub probes: u32,
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { window_ms: 30_000, least: 20, failures_per_mille: 500, cooldown_ms: 5_000, probes: 3 }
    }
}

impl BreakerRule {
    /// As the breaker wants it: repeated failures keep it open for up to sixteen times the cooldown.
    pub fn policy(self) -> breaker::Policy {
        breaker::Policy {
            window_ms: self.window_ms,
            least: self.least,
            failures_per_mille: self.failures_per_mille,
            cooldown_ms: self.cooldown_ms,
            longest_cooldown_ms: self.cooldown_ms * 16,
            probes: self.probes,
        }
    }
}

/// How a tracked pool gives out its slots. Fields that are left out have the values of [`Policy::default`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Time to live of a lease that does not ask for one, milliseconds.
    pub ttl_ms: Millis,
    /// The most that a claim may ask for.
    pub longest_ttl_ms: Millis,
    /// No renewal reaches beyond this after the claim; without it a slot may be held for ever.
    pub longest_hold_ms: Option<Millis>,
    /// After a lease ran out, its slot rests this long: the holder may not know yet. 0 to 60 s.
    pub lock_delay_ms: Millis,
    /// Claims that may wait.
    pub queue_limit: u32,
    /// The longest a claim may wait.
    pub longest_wait_ms: Millis,
    /// Waiting longer than this is bad service (S6).
    pub wait_goal_ms: Millis,
    /// A holder that must end has this long for it. 0 to 1 h.
    pub grace_ms: Millis,
    /// Whether a claim of higher priority takes slots from holders of lower priority when the pool is full.
    pub preempt: bool,
    /// Work of a slot is slow above this (M5), milliseconds.
    pub work_goal_ms: Option<Millis>,
    /// How holders are watched; without it only leases tell.
    pub heartbeats: Option<Beats>,
    /// The circuit breaker, if there is one.
    pub breaker: Option<BreakerRule>,
    /// Rate limits; all must admit a claim.
    pub limits: Vec<KeyedLimit>,
    /// Sizes that on-call engineers may set without asking: least and most slots.
    pub emergency: Option<(u32, u32)>,
    /// Slots are tied to so many shards of data, one after the other: slot `n` to shard `(n - 1) % shards`.
    pub shards: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl_ms: 30_000,
            longest_ttl_ms: HOUR_MS,
            longest_hold_ms: None,
            lock_delay_ms: 0,
            queue_limit: 1_000,
            longest_wait_ms: 60_000,
            wait_goal_ms: 5_000,
            grace_ms: 30_000,
            preempt: false,
            work_goal_ms: None,
            heartbeats: None,
            breaker: None,
            limits: Vec::new(),
            emergency: None,
            shards: None,
        }
    }
}

/// A field and the range that it leaves.
struct Bound {
    field: &'static str,
    found: i64,
    least: i64,
    most: i64,
}

impl Policy {
    /// What is wrong with it: field, what was found, what was expected. Empty if nothing is.
    pub fn problems(&self) -> Vec<(&'static str, String, String)> {
        let bound = |field, found, least, most| Bound { field, found, least, most };
        let mut bounds = vec![
            bound("ttl_ms", self.ttl_ms, SHORTEST_TTL_MS, self.longest_ttl_ms.clamp(SHORTEST_TTL_MS, LONGEST_TTL_MS)),
            bound("longest_ttl_ms", self.longest_ttl_ms, SHORTEST_TTL_MS, LONGEST_TTL_MS),
            bound("lock_delay_ms", self.lock_delay_ms, 0, 60_000),
            bound("queue_limit", self.queue_limit.into(), 0, MAX_QUEUE.into()),
            bound("longest_wait_ms", self.longest_wait_ms, 0, LONGEST_WAIT_MS),
            bound("wait_goal_ms", self.wait_goal_ms, 0, LONGEST_WAIT_MS),
            bound("grace_ms", self.grace_ms, 0, HOUR_MS),
        ];
        bounds.extend(self.longest_hold_ms.map(|hold| bound("longest_hold_ms", hold, SHORTEST_TTL_MS, 3_650 * DAY_MS)));
        bounds.extend(self.work_goal_ms.map(|goal| bound("work_goal_ms", goal, 1, DAY_MS)));
        bounds.extend(self.shards.map(|shards| bound("shards", shards.into(), 1, 65_536)));
        if let Some(beats) = self.heartbeats {
            bounds.push(bound("heartbeats.interval_ms", beats.interval_ms, 1_000, HOUR_MS));
            bounds.push(bound("heartbeats.intervals", beats.intervals.into(), 3, 5));
            bounds.push(bound("heartbeats.margin_ms", beats.margin_ms, 0, 60_000));
        }
        if let Some(rule) = self.breaker {
            bounds.push(bound("breaker.window_ms", rule.window_ms, 1_000, HOUR_MS));
            bounds.push(bound("breaker.least", rule.least.into(), 1, 100_000));
            bounds.push(bound("breaker.failures_per_mille", rule.failures_per_mille.into(), 1, 1_000));
            bounds.push(bound("breaker.cooldown_ms", rule.cooldown_ms, 100, HOUR_MS));
            bounds.push(bound("breaker.probes", rule.probes.into(), 1, 1_000));
        }
        let outside = bounds.into_iter().filter(|b| b.found < b.least || b.found > b.most);
        let mut problems: Vec<_> =
            outside.map(|b| (b.field, b.found.to_string(), format!("{} to {}", b.least, b.most))).collect();
        if let Some(beats) = self.heartbeats.filter(|beats| !(1.0..=16.0).contains(&beats.suspected_phi)) {
            problems.push(("heartbeats.suspected_phi", beats.suspected_phi.to_string(), "1 to 16".to_owned()));
        }
        if self.limits.len() > MAX_LIMITS {
            problems.push(("limits", self.limits.len().to_string(), format!("at most {MAX_LIMITS} limits")));
        }
        problems.extend(self.limits.iter().filter_map(|keyed| keyed.limit.check().err()).map(|sentence| {
            let (found, expected) = sentence.split_once(", expected ").unwrap_or(("", &sentence));
            ("limits", found.to_owned(), expected.to_owned())
        }));
        if let Some((least, most)) = self.emergency.filter(|(least, most)| least > most || *most > MAX_TRACKED_SLOTS) {
            let expected = format!("least, then most, at most {MAX_TRACKED_SLOTS}");
            problems.push(("emergency", format!("{least} to {most}"), expected));
        }
        problems
    }

    /// The time to live of a claim or renewal that asks for this one.
    ///
    /// # Errors
    /// The range that it leaves.
    pub fn ttl(&self, asked: Option<Millis>) -> Result<Millis, (Millis, Millis)> {
        let ttl = asked.unwrap_or(self.ttl_ms);
        let range = SHORTEST_TTL_MS..=self.longest_ttl_ms;
        if range.contains(&ttl) { Ok(ttl) } else { Err((*range.start(), *range.end())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_usual_value_and_the_unknown_is_refused() {
        assert_eq!(Policy::default().problems(), []);
        let keyed = KeyedLimit { by: By::Tenant, limit: Limit::TokenBucket { burst: 5, rate: 1, period_ms: 1_000 } };
        assert!(Policy { limits: vec![keyed; MAX_LIMITS + 1], ..Policy::default() }.problems()[0].0 == "limits");
        let never = KeyedLimit { by: By::Pool, limit: Limit::FixedWindow { most: 0, window_ms: 1 } };
        let found = Policy { limits: vec![never], ..Policy::default() }.problems();
        assert_eq!(found, [("limits", "most is 0".to_owned(), "at least 1".to_owned())]);
    }

    #[test]
    fn every_bound_is_named() {
        let wrong = Policy {
            ttl_ms: 0,
            longest_ttl_ms: LONGEST_TTL_MS + 1,
            longest_hold_ms: Some(0),
            lock_delay_ms: -1,
            queue_limit: MAX_QUEUE + 1,
            longest_wait_ms: LONGEST_WAIT_MS + 1,
            wait_goal_ms: -1,
            grace_ms: HOUR_MS + 1,
            preempt: false,
            work_goal_ms: Some(0),
            heartbeats: Some(Beats { interval_ms: 1, intervals: 9, margin_ms: -1, suspected_phi: f64::NAN }),
            breaker: Some(BreakerRule { window_ms: 0, least: 0, failures_per_mille: 1_001, cooldown_ms: 0, probes: 0 }),
            limits: Vec::new(),
            emergency: Some((2, 1)),
            shards: Some(0),
        };
        assert_eq!(wrong.problems().len(), 20);
    }

    #[test]
    fn a_time_to_live_has_a_usual_value_and_bounds() {
        let policy = Policy::default();
        assert_eq!(policy.ttl(None), Ok(30_000));
        assert_eq!(policy.ttl(Some(999)), Err((1_000, HOUR_MS)));
        assert_eq!(policy.ttl(Some(i64::MAX)), Err((1_000, HOUR_MS)));
    }

    #[test]
    fn stored_numbers_keep_their_words() {
        for kind in EventKind::ALL {
            assert_eq!(word(EventKind::ALL, number(EventKind::ALL, kind)), Some(*kind));
        }
        assert_eq!(number(EventKind::ALL, &EventKind::Dead), 13, "new kinds go to the end");
        assert_eq!(number(EventKind::ALL, &EventKind::Stale), 14);
        assert_eq!((word(Outcome::ALL, -1), word(Outcome::ALL, 3)), (None, None));
    }
}
