//! Failure modes of live pools: what is wrong with one, seen from plain figures about it.
//!
//! Each mode is looked for by itself and says what it found as values; sentences are made of them elsewhere. Thresholds are
//! those of the metrics (M1 to M10). What needs more than the present of one pool is not found here: use that no tenant is
//! metered for, reservations kept far above use, configuration that drifted after a swap.

use crate::pool::{REJECTED_TARGET, words};
use crate::{DAY_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Figures that are older than this say that nobody decides about the pool.
pub const STALLED_AFTER_MS: Millis = 2 * MINUTE_MS;
/// A lease that is over for less is the reconciler's daily work.
pub const LEAK_AFTER_MS: Millis = 5_000;
/// M3: part of the pool that may leak in an hour.
pub const LEAK_RATE: f64 = 0.001;
/// M3: part of the pool whose leak is critical.
pub const LEAK_RATE_CRIT: f64 = 0.005;
/// Fewer leases that ran out within a minute say nothing about an hour.
const LEAST_EXPIRED: u64 = 3;
/// M4 of ephemeral slots, from the end of a lease to its slot being free.
pub const RECLAIM_GOAL_MS: Millis = 30_000;
/// Reclaiming is critical at so many times its goal.
const RECLAIM_CRIT: i64 = 4;
/// A slot is hot when its work takes so many times what it takes its peers.
pub const HOT_RATIO: f64 = 3.0;
/// Reports without which the P95 of a slot says nothing.
const LEAST_REPORTS: u64 = 5;
/// Slots with work without which there are no peers to compare with.
const LEAST_PEERS: usize = 4;
/// M2 is critical at so many times its target.
const BURN_CRIT: f64 = 8.0;
/// Rejections of this part of all claims are widespread.
const WIDESPREAD: f64 = 0.5;
/// Fewer claims are no spread.
const LEAST_CLAIMS: u64 = 10;
/// M7: moves within ten minutes are thrash when they are at least so many,
const THRASH_MOVES: u64 = 20;
/// and this part of the pool.
const THRASH_PART: f64 = 0.1;
/// So many turns of the capacity within ten minutes are thrash.
const THRASH_TURNS: usize = 3;
/// M8: a tenant is far above its fair share from here on.
pub const MONOPOLY_RATIO: f64 = 1.5;
/// So many refused claims of one tenant within a minute,
const STORM_REJECTED: u64 = 300;
/// and so many for each that the pool grants, are a storm.
const STORM_RATIO: u64 = 10;
/// Held for longer without an end is held for ever.
pub const FOR_EVER_MS: Millis = 7 * DAY_MS;

words! {
    /// The failure modes that have a name.
    Mode {
        /// F1
        Leak = "leak", "Slot leak";
        /// F2
        DoubleAssignment = "double-assignment", "Double assignment";
        /// F3
        HotSlot = "hot-slot", "Hot slot";
        /// F4
        Exhaustion = "exhaustion", "Exhaustion";
        /// F5
        SlowReclaim = "slow-reclaim", "Slow reclaim";
        /// F6
        PriorityInversion = "priority-inversion", "Priority inversion";
        /// F7
        Thrash = "thrash", "Rebalance thrash";
        /// F8
        Monopoly = "monopoly", "Monopolised pool";
        /// Something around the pool.
        Other = "other", "Surroundings";
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Act now.
    Critical,
    /// Look at it in working hours.
    Warning,
    /// Good to know.
    Info,
}

/// What a tenant holds, and what would be fair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Slots held.
    pub held: u32,
    /// Its fair share, slots.
    pub fair: f64,
}

/// Work that was done in a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotWork {
    /// Its number.
    pub slot: u32,
    /// P95 of its work, milliseconds.
    pub p95_ms: f64,
    /// How many reports that is of.
    pub reports: u64,
}

/// What is known of a pool now. What is unknown is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signs {
    /// How old the figures are; `None` if there are none, and then nothing else about the present is known.
    pub age_ms: Option<Millis>,
    /// Since the reconciler last looked.
    pub pass_ms: Option<Millis>,
    /// An operator lets no new claims in.
    pub is_closed: bool,
    /// Slots in service.
    pub capacity: u32,
    /// Slots held.
    pub held: u64,
    /// Slots that can be claimed.
    pub free: u64,
    /// Claims that wait.
    pub queued: u64,
    /// Claims granted in the last minute.
    pub granted_1m: u64,
    /// Claims refused in the last minute.
    pub rejected_1m: u64,
    /// Of these, because there was no room.
    pub saturated_1m: u64,
    /// Claims refused in the last minute, by tenant.
    pub rejected_by_tenant: BTreeMap<i32, u64>,
    /// What tenants hold.
    pub parts: BTreeMap<i32, Part>,
    /// Claims that wait, by priority, 0 to 9.
    pub waiting_by_priority: BTreeMap<u8, u64>,
    /// Slots held, by priority.
    pub held_by_priority: BTreeMap<u8, u64>,
    /// Slots whose lease is over and whose holder keeps them.
    pub leaked: u64,
    /// Leases that ran out or whose holder died in the last minute.
    pub expired_1m: u64,
    /// For how long the oldest lease that is over has been so.
    pub lag_ms: Millis,
    /// P95 from the end of a lease to its slot being free, in the last minute.
    pub reclaim_p95_ms: Option<f64>,
    /// What it should be at most; `None` where nobody said.
    pub reclaim_goal_ms: Option<Millis>,
    /// So many holders are silent together that silence is not believed.
    pub is_silent_together: bool,
    /// The circuit breaker keeps claims out.
    pub is_breaker_open: bool,
    /// Slots that were given to two claims at once.
    pub doubled: Vec<u32>,
    /// Work by slot, of the last five minutes.
    pub work: Vec<SlotWork>,
    /// Work is slow above this.
    pub work_goal_ms: Option<Millis>,
    /// Slots that moved to another holder or node in the last ten minutes.
    pub moved_10m: u64,
    /// Capacities of the last ten minutes, oldest first, with the one before them.
    pub capacities: Vec<i64>,
    /// Slots that are promised to tenants.
    pub reserved: u64,
    /// For how long the slot that is held longest has been held, of those that may be held without an end.
    pub longest_hold_ms: Option<Millis>,
    /// Customers notice what fails here.
    pub is_customer_facing: bool,
    /// Somebody owns the pool.
    pub has_owner: bool,
    /// It is written down what to do.
    pub has_runbook: bool,
}

/// What was found, with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Slots are held by leases that are over.
    Leaked {
        /// How many.
        slots: u64,
        /// For how long the oldest has been.
        lag_ms: Millis,
    },
    /// Leases run out because their holders do not end them.
    Leaking {
        /// How many in the last minute.
        expired_1m: u64,
        /// At that pace, part of the pool in an hour.
        per_hour: f64,
    },
    /// Slots were given away twice.
    Doubled {
        /// Which.
        slots: Vec<u32>,
    },
    /// Slots are far slower than their peers.
    Hot {
        /// The slowest.
        slot: u32,
        /// Its P95, milliseconds.
        p95_ms: f64,
        /// The median of its peers.
        median_ms: f64,
        /// How many are so.
        slots: usize,
    },
    /// There was no room for claims.
    Saturated {
        /// Claims refused for it in the last minute.
        rejected_1m: u64,
        /// Of all claims, a ratio.
        rate: f64,
        /// Claims that wait.
        queued: u64,
    },
    /// All is in use and claims wait; none was refused yet.
    Queueing {
        /// How many wait.
        queued: u64,
    },
    /// What ended comes back late.
    SlowReclaim {
        /// How late, milliseconds.
        late_ms: Millis,
        /// What it should be.
        goal_ms: Millis,
    },
    /// Important claims wait while less important leases hold slots.
    Inverted {
        /// Priority of the most important claim that waits.
        waiting: u8,
        /// Claims that wait with a priority above the lowest that holds.
        claims: u64,
        /// The lowest priority that holds.
        holding: u8,
        /// Slots held with a priority below the most important claim's.
        slots: u64,
    },
    /// Slots move too often.
    Moving {
        /// Moves in ten minutes.
        moved: u64,
    },
    /// The capacity goes up and down.
    Swinging {
        /// Turns in ten minutes.
        turns: usize,
    },
    /// One tenant has what others are refused.
    Monopoly {
        /// Who.
        tenant: i32,
        /// What it holds.
        held: u32,
        /// What would be fair.
        fair: f64,
        /// Claims of others refused in the last minute.
        others_rejected: u64,
    },
    /// Nobody tells what the pool looks like.
    Stalled {
        /// For how long; `None` if nobody ever did.
        age_ms: Option<Millis>,
    },
    /// Most claims are refused, and not for want of room.
    Refusing {
        /// How many in the last minute.
        rejected_1m: u64,
        /// Of all claims, a ratio.
        rate: f64,
    },
    /// The circuit breaker is open.
    BreakerOpen,
    /// Most holders fell silent at once.
    SilentTogether,
    /// More is promised or held than there is.
    Overcommitted {
        /// Slots in service.
        capacity: u32,
        /// Slots promised.
        reserved: u64,
        /// Slots held.
        held: u64,
    },
    /// A tenant asks again and again without a pause.
    RetryStorm {
        /// Who.
        tenant: i32,
        /// Its claims refused in the last minute.
        rejected_1m: u64,
    },
    /// A slot is held without an end.
    HeldForEver {
        /// For how long.
        held_ms: Millis,
    },
    /// An operator lets no claims in.
    Closed,
    /// Nobody owns the pool, or nobody wrote down what to do.
    Unowned {
        /// There is no owner.
        owner: bool,
        /// There is no runbook.
        runbook: bool,
    },
}

impl What {
    /// Which failure mode it is.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Leaked { .. } | Self::Leaking { .. } => Mode::Leak,
            Self::Doubled { .. } => Mode::DoubleAssignment,
            Self::Hot { .. } => Mode::HotSlot,
            Self::Saturated { .. } | Self::Queueing { .. } => Mode::Exhaustion,
            Self::SlowReclaim { .. } => Mode::SlowReclaim,
            Self::Inverted { .. } => Mode::PriorityInversion,
            Self::Moving { .. } | Self::Swinging { .. } => Mode::Thrash,
            Self::Monopoly { .. } => Mode::Monopoly,
            Self::Stalled { .. }
            | Self::Refusing { .. }
            | Self::BreakerOpen
            | Self::SilentTogether
            | Self::Overcommitted { .. }
            | Self::RetryStorm { .. }
            | Self::HeldForEver { .. }
            | Self::Closed
            | Self::Unowned { .. } => Mode::Other,
        }
    }

    /// A word that stays the same while the condition lasts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Leaked { .. } => "leaked",
            Self::Leaking { .. } => "leaking",
            Self::Doubled { .. } => "doubled",
            Self::Hot { .. } => "hot",
            Self::Saturated { .. } => "saturated",
            Self::Queueing { .. } => "queueing",
            Self::SlowReclaim { .. } => "slow-reclaim",
            Self::Inverted { .. } => "inverted",
            Self::Moving { .. } => "moving",
            Self::Swinging { .. } => "swinging",
            Self::Monopoly { .. } => "monopoly",
            Self::Stalled { .. } => "stalled",
            Self::Refusing { .. } => "refusing",
            Self::BreakerOpen => "breaker",
            Self::SilentTogether => "silent",
            Self::Overcommitted { .. } => "overcommitted",
            Self::RetryStorm { .. } => "retry-storm",
            Self::HeldForEver { .. } => "held-for-ever",
            Self::Closed => "closed",
            Self::Unowned { .. } => "unowned",
        }
    }

    /// The tenant that it is about, if it is about one.
    pub fn tenant(&self) -> Option<i32> {
        match self {
            Self::Monopoly { tenant, .. } | Self::RetryStorm { tenant, .. } => Some(*tenant),
            _ => None,
        }
    }
}

/// A failure of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: What,
}

impl Failure {
    /// Which failure mode it is.
    pub fn mode(&self) -> Mode {
        self.what.mode()
    }
}

/// What fails in a pool, most severe first.
pub fn failures(signs: &Signs) -> Vec<Failure> {
    let mut found: Vec<Failure> = Vec::new();
    let mut add = |severity, what| found.push(Failure { severity, what });
    if let Some(what) = unowned(signs) {
        add(Severity::Info, what);
    }
    let is_stalled = [signs.age_ms, signs.pass_ms].iter().any(|age| age.is_none_or(|age| age > STALLED_AFTER_MS));
    if is_stalled {
        add(Severity::Critical, What::Stalled { age_ms: signs.age_ms.max(signs.pass_ms) });
    }
    if !signs.doubled.is_empty() {
        add(Severity::Critical, What::Doubled { slots: signs.doubled.clone() });
    }
    // Old figures are not about now.
    if signs.age_ms.is_some_and(|age| age <= STALLED_AFTER_MS) {
        for one in [leak, hot, exhaustion, slow_reclaim, inversion, thrash, surroundings] {
            one(signs, &mut add);
        }
        monopoly(signs, &mut add);
    }
    found.sort_by_key(|failure| failure.severity);
    found
}

/// Part of a whole; nothing of nothing.
fn part(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

fn unowned(signs: &Signs) -> Option<What> {
    let what = What::Unowned { owner: !signs.has_owner, runbook: !signs.has_runbook };
    (!signs.has_owner || !signs.has_runbook).then_some(what)
}

/// F1: slots whose holder is gone are held now, or leases run out faster than M3 allows.
fn leak(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let capacity = u64::from(signs.capacity);
    if signs.leaked > 0 && signs.lag_ms >= LEAK_AFTER_MS {
        let is_much = part(signs.leaked, capacity) >= LEAK_RATE_CRIT;
        let severity = if is_much { Severity::Critical } else { Severity::Warning };
        add(severity, What::Leaked { slots: signs.leaked, lag_ms: signs.lag_ms });
    }
    let per_hour = part(signs.expired_1m * 60, capacity);
    if signs.expired_1m >= LEAST_EXPIRED && per_hour >= LEAK_RATE {
        // Growth is for working hours: each of these slots came back.
        add(Severity::Warning, What::Leaking { expired_1m: signs.expired_1m, per_hour });
    }
}

/// The slots that are far slower than their peers, slowest first, and the median of all.
pub fn hot_slots(work: &[SlotWork], goal_ms: Option<Millis>) -> (Vec<SlotWork>, f64) {
    let mut known: Vec<SlotWork> = work.iter().filter(|slot| slot.reports >= LEAST_REPORTS).copied().collect();
    known.sort_by(|a, b| b.p95_ms.total_cmp(&a.p95_ms).then(a.slot.cmp(&b.slot)));
    let median = known.get(known.len() / 2).map_or(0.0, |slot| slot.p95_ms);
    if known.len() <= LEAST_PEERS {
        return (Vec::new(), median);
    }
    let is_slow = |slot: &SlotWork| goal_ms.is_none_or(|goal| slot.p95_ms > goal as f64);
    known.retain(|slot| slot.p95_ms >= median * HOT_RATIO && slot.p95_ms > 0.0 && is_slow(slot));
    (known, median)
}

/// F3: a slot's work takes far longer than its peers', and longer than it should.
fn hot(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let (slots, median_ms) = hot_slots(&signs.work, signs.work_goal_ms);
    if let Some(worst) = slots.first() {
        let what = What::Hot { slot: worst.slot, p95_ms: worst.p95_ms, median_ms, slots: slots.len() };
        add(Severity::Warning, what);
    }
}

/// F4: there was no room for claims, or they wait although everything is in use.
fn exhaustion(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    if signs.is_closed {
        return;
    }
    let claims = signs.granted_1m + signs.rejected_1m;
    let rate = part(signs.saturated_1m, claims);
    if signs.saturated_1m > 0 && rate >= REJECTED_TARGET {
        let is_felt = signs.is_customer_facing && rate >= REJECTED_TARGET * BURN_CRIT;
        let is_widespread = claims >= LEAST_CLAIMS && rate >= WIDESPREAD;
        let severity = if is_felt || is_widespread { Severity::Critical } else { Severity::Warning };
        add(severity, What::Saturated { rejected_1m: signs.saturated_1m, rate, queued: signs.queued });
    } else if signs.queued > 0 && signs.free == 0 {
        add(Severity::Warning, What::Queueing { queued: signs.queued });
    }
}

/// F5: what ended comes back later than M4 allows. While silence is not believed, late is meant.
fn slow_reclaim(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let Some(goal_ms) = signs.reclaim_goal_ms.filter(|_| !signs.is_silent_together) else { return };
    let late_ms = signs.lag_ms.max(signs.reclaim_p95_ms.unwrap_or_default() as Millis);
    if late_ms > goal_ms {
        let severity = if late_ms >= goal_ms * RECLAIM_CRIT { Severity::Critical } else { Severity::Warning };
        add(severity, What::SlowReclaim { late_ms, goal_ms });
    }
}

/// F6: a claim waits in a full pool while less important ones hold its slots.
fn inversion(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let at_least_one =
        |map: &BTreeMap<u8, u64>| map.iter().filter(|(_, n)| **n > 0).map(|(p, _)| *p).collect::<Vec<_>>();
    let (waiting, holding) = (at_least_one(&signs.waiting_by_priority), at_least_one(&signs.held_by_priority));
    let (Some(waiting), Some(holding)) = (waiting.last().copied(), holding.first().copied()) else { return };
    if signs.free > 0 || waiting <= holding {
        return;
    }
    let claims = signs.waiting_by_priority.range(holding + 1..).map(|(_, n)| n).sum();
    let slots = signs.held_by_priority.range(..waiting).map(|(_, n)| n).sum();
    add(Severity::Warning, What::Inverted { waiting, claims, holding, slots });
}

/// How often a line turns.
fn turns(values: &[i64]) -> usize {
    let steps: Vec<i64> =
        values.windows(2).map(|pair| (pair[1] - pair[0]).signum()).filter(|step| *step != 0).collect();
    steps.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// F7: slots change hands too often, or the capacity goes up and down.
fn thrash(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    if signs.moved_10m >= THRASH_MOVES && part(signs.moved_10m, signs.capacity.into()) >= THRASH_PART {
        add(Severity::Warning, What::Moving { moved: signs.moved_10m });
    }
    let turns = turns(&signs.capacities);
    if turns >= THRASH_TURNS {
        add(Severity::Warning, What::Swinging { turns });
    }
}

/// F8: a tenant is far above its share while others are refused.
fn monopoly(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let greedy = signs.parts.iter().filter(|(_, part)| part.fair > 0.0);
    let worst = greedy.max_by(|(_, a), (_, b)| (f64::from(a.held) / a.fair).total_cmp(&(f64::from(b.held) / b.fair)));
    let Some((tenant, part)) = worst else { return };
    let others: u64 = signs.rejected_by_tenant.iter().filter(|(other, _)| *other != tenant).map(|(_, n)| n).sum();
    if f64::from(part.held) > part.fair * MONOPOLY_RATIO && others > 0 {
        let what = What::Monopoly { tenant: *tenant, held: part.held, fair: part.fair, others_rejected: others };
        add(Severity::Warning, what);
    }
}

/// What is around the pool: the network, the work behind it, its clients, the people.
fn surroundings(signs: &Signs, add: &mut dyn FnMut(Severity, What)) {
    let facing = if signs.is_customer_facing { Severity::Critical } else { Severity::Warning };
    if signs.is_closed {
        add(Severity::Info, What::Closed);
    }
    if signs.is_breaker_open {
        add(facing, What::BreakerOpen);
    }
    let claims = signs.granted_1m + signs.rejected_1m;
    let otherwise = signs.rejected_1m.saturating_sub(signs.saturated_1m);
    let is_meant = signs.is_closed || signs.is_breaker_open;
    if !is_meant && claims >= LEAST_CLAIMS && part(otherwise, claims) >= WIDESPREAD {
        add(facing, What::Refusing { rejected_1m: otherwise, rate: part(otherwise, claims) });
    }
    if signs.is_silent_together {
        add(Severity::Warning, What::SilentTogether);
    }
    let capacity = u64::from(signs.capacity);
    if signs.reserved > capacity || signs.held > capacity {
        let (reserved, held) = (signs.reserved, signs.held);
        add(Severity::Warning, What::Overcommitted { capacity: signs.capacity, reserved, held });
    }
    let loudest = signs.rejected_by_tenant.iter().max_by_key(|(_, rejected)| **rejected);
    if let Some((tenant, rejected)) = loudest
        && *rejected >= STORM_REJECTED
        && *rejected >= signs.granted_1m * STORM_RATIO
    {
        add(Severity::Warning, What::RetryStorm { tenant: *tenant, rejected_1m: *rejected });
    }
    if let Some(held_ms) = signs.longest_hold_ms.filter(|held| *held > FOR_EVER_MS) {
        add(Severity::Info, What::HeldForEver { held_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of which nothing is to be said.
    fn calm() -> Signs {
        Signs {
            age_ms: Some(500),
            pass_ms: Some(800),
            capacity: 1_000,
            held: 600,
            free: 400,
            granted_1m: 5_000,
            reclaim_goal_ms: Some(RECLAIM_GOAL_MS),
            has_owner: true,
            has_runbook: true,
            ..Signs::default()
        }
    }

    fn words_of(signs: &Signs) -> Vec<(&'static str, Severity)> {
        failures(signs).iter().map(|failure| (failure.what.word(), failure.severity)).collect()
    }

    fn work(p95: &[f64]) -> Vec<SlotWork> {
        (1..).zip(p95).map(|(slot, p95_ms)| SlotWork { slot, p95_ms: *p95_ms, reports: 5 }).collect()
    }

    #[test]
    fn a_calm_pool_has_no_failures() {
        assert_eq!(failures(&calm()), []);
    }

    #[test]
    fn each_failure_is_found_and_what_is_just_below_is_not() {
        use Severity::{Critical, Info, Warning};
        let part = |held, fair| Part { held, fair };
        let cases: Vec<(&str, Severity, Signs, Signs)> = vec![
            (
                "leaked",
                Warning,
                Signs { leaked: 4, lag_ms: 5_000, ..calm() },
                Signs { leaked: 4, lag_ms: 4_999, ..calm() },
            ),
            ("leaked", Critical, Signs { leaked: 5, lag_ms: 5_000, ..calm() }, Signs { leaked: 0, ..calm() }),
            (
                "leaking",
                Warning,
                Signs { expired_1m: 3, ..calm() },
                Signs { expired_1m: 3, capacity: 200_000, ..calm() },
            ),
            ("leaking", Warning, Signs { expired_1m: 3, ..calm() }, Signs { expired_1m: 2, ..calm() }),
            ("doubled", Critical, Signs { doubled: vec![7], ..calm() }, calm()),
            (
                "hot",
                Warning,
                Signs { work: work(&[10.0, 10.0, 10.0, 10.0, 30.0]), ..calm() },
                Signs { work: work(&[10.0, 10.0, 10.0, 10.0, 29.9]), ..calm() },
            ),
            (
                "hot",
                Warning,
                Signs { work: work(&[10.0, 10.0, 10.0, 10.0, 30.0]), work_goal_ms: Some(29), ..calm() },
                Signs { work: work(&[10.0, 10.0, 10.0, 10.0, 30.0]), work_goal_ms: Some(30), ..calm() },
            ),
            (
                "hot",
                Warning,
                Signs { work: work(&[1.0, 1.0, 1.0, 1.0, 9.0]), ..calm() },
                Signs { work: work(&[1.0, 1.0, 1.0, 9.0]), ..calm() },
            ),
            (
                "saturated",
                Warning,
                Signs { rejected_1m: 1, saturated_1m: 1, granted_1m: 9_999, ..calm() },
                Signs { rejected_1m: 1, saturated_1m: 1, granted_1m: 10_000, ..calm() },
            ),
            (
                "saturated",
                Critical,
                Signs { rejected_1m: 8, saturated_1m: 8, granted_1m: 9_992, is_customer_facing: true, ..calm() },
                Signs { rejected_1m: 8, saturated_1m: 8, granted_1m: 9_992, is_closed: true, ..calm() },
            ),
            (
                "saturated",
                Critical,
                Signs { rejected_1m: 5, saturated_1m: 5, granted_1m: 5, ..calm() },
                Signs { rejected_1m: 5, saturated_1m: 0, granted_1m: 6, ..calm() },
            ),
            ("queueing", Warning, Signs { queued: 1, free: 0, ..calm() }, Signs { queued: 1, free: 1, ..calm() }),
            (
                "slow-reclaim",
                Warning,
                Signs { reclaim_p95_ms: Some(30_001.0), ..calm() },
                Signs { reclaim_p95_ms: Some(30_000.0), ..calm() },
            ),
            (
                "slow-reclaim",
                Critical,
                Signs { reclaim_p95_ms: Some(120_000.0), ..calm() },
                Signs { reclaim_p95_ms: Some(120_000.0), reclaim_goal_ms: None, ..calm() },
            ),
            (
                "inverted",
                Warning,
                Signs {
                    free: 0,
                    waiting_by_priority: BTreeMap::from([(7, 1)]),
                    held_by_priority: BTreeMap::from([(6, 9)]),
                    ..calm()
                },
                Signs {
                    free: 0,
                    waiting_by_priority: BTreeMap::from([(6, 1)]),
                    held_by_priority: BTreeMap::from([(6, 9)]),
                    ..calm()
                },
            ),
            ("moving", Warning, Signs { moved_10m: 100, ..calm() }, Signs { moved_10m: 99, ..calm() }),
            (
                "moving",
                Warning,
                Signs { moved_10m: 20, capacity: 200, free: 0, held: 200, ..calm() },
                Signs { moved_10m: 19, capacity: 200, free: 0, held: 200, ..calm() },
            ),
            (
                "swinging",
                Warning,
                Signs { capacities: vec![10, 20, 10, 20, 10], ..calm() },
                Signs { capacities: vec![10, 20, 10, 20, 30], ..calm() },
            ),
            (
                "monopoly",
                Warning,
                Signs {
                    parts: BTreeMap::from([(1, part(151, 100.0)), (2, part(10, 100.0))]),
                    rejected_by_tenant: BTreeMap::from([(2, 1)]),
                    ..calm()
                },
                Signs {
                    parts: BTreeMap::from([(1, part(150, 100.0)), (2, part(10, 100.0))]),
                    rejected_by_tenant: BTreeMap::from([(2, 1)]),
                    ..calm()
                },
            ),
            (
                "monopoly",
                Warning,
                Signs {
                    parts: BTreeMap::from([(1, part(200, 100.0))]),
                    rejected_by_tenant: BTreeMap::from([(3, 1)]),
                    ..calm()
                },
                // Its own refused claims are nobody else's want.
                Signs {
                    parts: BTreeMap::from([(1, part(200, 100.0))]),
                    rejected_by_tenant: BTreeMap::from([(1, 9)]),
                    ..calm()
                },
            ),
            ("stalled", Critical, Signs { age_ms: Some(120_001), ..calm() }, Signs { age_ms: Some(120_000), ..calm() }),
            ("stalled", Critical, Signs { age_ms: None, pass_ms: None, ..calm() }, calm()),
            ("stalled", Critical, Signs { pass_ms: Some(120_001), ..calm() }, calm()),
            (
                "refusing",
                Warning,
                Signs { rejected_1m: 5, granted_1m: 5, ..calm() },
                Signs { rejected_1m: 4, granted_1m: 5, ..calm() },
            ),
            (
                "breaker",
                Critical,
                Signs { is_breaker_open: true, is_customer_facing: true, ..calm() },
                Signs { is_customer_facing: true, ..calm() },
            ),
            ("silent", Warning, Signs { is_silent_together: true, ..calm() }, calm()),
            ("overcommitted", Warning, Signs { reserved: 1_001, ..calm() }, Signs { reserved: 1_000, ..calm() }),
            ("overcommitted", Warning, Signs { held: 1_001, ..calm() }, Signs { held: 1_000, ..calm() }),
            (
                "retry-storm",
                Warning,
                Signs { rejected_by_tenant: BTreeMap::from([(1, 300)]), granted_1m: 30, ..calm() },
                Signs { rejected_by_tenant: BTreeMap::from([(1, 299)]), granted_1m: 29, ..calm() },
            ),
            (
                "held-for-ever",
                Info,
                Signs { longest_hold_ms: Some(FOR_EVER_MS + 1), ..calm() },
                Signs { longest_hold_ms: Some(FOR_EVER_MS), ..calm() },
            ),
            ("closed", Info, Signs { is_closed: true, ..calm() }, calm()),
            ("unowned", Info, Signs { has_owner: false, ..calm() }, calm()),
            ("unowned", Info, Signs { has_runbook: false, ..calm() }, calm()),
        ];
        for (word, severity, bad, below) in cases {
            assert!(words_of(&bad).contains(&(word, severity)), "{word}: {:?}", words_of(&bad));
            assert!(words_of(&below).iter().all(|(found, _)| *found != word), "{word}: {:?}", words_of(&below));
        }
    }

    #[test]
    fn old_figures_say_only_that_they_are_old() {
        let old = Signs { age_ms: Some(121_000), saturated_1m: 9, rejected_1m: 9, leaked: 3, lag_ms: 9_000, ..calm() };
        assert_eq!(words_of(&old), [("stalled", Severity::Critical)]);
    }

    #[test]
    fn silence_of_all_is_no_slow_reclaim() {
        let silent = Signs { lag_ms: 60_000, is_silent_together: true, ..calm() };
        assert_eq!(words_of(&silent), [("silent", Severity::Warning)]);
    }

    #[test]
    fn an_inversion_counts_both_sides() {
        let signs = Signs {
            free: 0,
            waiting_by_priority: BTreeMap::from([(2, 4), (5, 3), (9, 1)]),
            held_by_priority: BTreeMap::from([(0, 0), (2, 100), (8, 10), (9, 5)]),
            ..calm()
        };
        let found = failures(&signs).remove(0).what;
        assert_eq!(found, What::Inverted { waiting: 9, claims: 4, holding: 2, slots: 110 });
        assert_eq!(found.mode(), Mode::PriorityInversion);
    }

    #[test]
    fn the_most_severe_comes_first() {
        let signs = Signs { has_owner: false, doubled: vec![1], is_silent_together: true, ..calm() };
        let found: Vec<Severity> = failures(&signs).iter().map(|failure| failure.severity).collect();
        assert_eq!(found, [Severity::Critical, Severity::Warning, Severity::Info]);
    }

    #[test]
    fn a_line_turns_where_it_changes_its_direction() {
        assert_eq!(turns(&[]), 0);
        assert_eq!(turns(&[1, 2, 2, 3]), 0);
        assert_eq!(turns(&[1, 2, 2, 1, 3]), 2);
    }
}
