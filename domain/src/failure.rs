//! Failure modes of live pools: what is wrong with one, seen from plain figures about it.
//!
//! Each mode is looked for by itself and says what it found as values; sentences are made of them elsewhere. Thresholds are
//! those of the metrics (M1 to M10). What needs more than the present of one pool is not found here: use that no tenant is
//! metered for, reservations kept far above use, configuration that drifted after a swap.

use crate::pool::{Lifetime, REJECTED_TARGET, words};
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
const RECLAIM_GOAL_MS: Millis = 30_000;
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

/// How long after the end of a lease its slot may stay taken (M4): long-lived slots have a lease as long as their pool bears without
/// one.
pub fn reclaim_goal_ms(lifetime: Lifetime, ttl_ms: Millis) -> Millis {
    match lifetime {
        Lifetime::Ephemeral => RECLAIM_GOAL_MS,
        Lifetime::LongLived => RECLAIM_GOAL_MS.max(ttl_ms),
    }
}

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

impl Mode {
    /// Its number in the list of failure modes; `None` for what has none.
    pub fn number(self) -> Option<&'static str> {
        Some(match self {
            Self::Leak => "F1",
            Self::DoubleAssignment => "F2",
            Self::HotSlot => "F3",
            Self::Exhaustion => "F4",
            Self::SlowReclaim => "F5",
            Self::PriorityInversion => "F6",
            Self::Thrash => "F7",
            Self::Monopoly => "F8",
            Self::Other => return None,
        })
    }
}

words! {
    /// How bad it is.
    Severity {
        /// Act now.
        Critical = "critical", "Critical";
        /// Look at it in working hours.
        Warning = "warning", "Warning";
        /// Good to know.
        Info = "info", "Note";
    }
}

words! {
    /// Everything that can be found.
    Kind {
        /// Slots are held by leases that are over.
        Leaked = "leaked", "Leaked slots";
        /// Leases run out because their holders do not end them.
        Leaking = "leaking", "Leases that run out";
        /// Slots were given away twice.
        Doubled = "doubled", "Double assignment";
        /// A slot is far slower than its peers.
        Hot = "hot", "Hot slot";
        /// There was no room for claims.
        Saturated = "saturated", "Saturated";
        /// All is in use and claims wait.
        Queueing = "queueing", "Full, claims wait";
        /// What ended comes back late.
        SlowReclaim = "slow-reclaim", "Slow reclaim";
        /// Important claims wait while less important ones hold slots.
        Inverted = "inverted", "Priority inversion";
        /// Slots move too often.
        Moving = "moving", "Slots move";
        /// The capacity goes up and down.
        Swinging = "swinging", "Capacity swings";
        /// One tenant has what others are refused.
        Monopoly = "monopoly", "Monopolised pool";
        /// Nobody tells what the pool looks like.
        Stalled = "stalled", "Stalled reconciler";
        /// Most claims are refused, and not for want of room.
        Refusing = "refusing", "Most claims refused";
        /// The circuit breaker is open.
        Breaker = "breaker", "Open breaker";
        /// Most holders fell silent at once.
        Silent = "silent", "Silent network";
        /// More is promised or held than there is.
        Overcommitted = "overcommitted", "Overcommitted";
        /// A tenant asks again and again without a pause.
        RetryStorm = "retry-storm", "Retry storm";
        /// A slot is held without an end.
        HeldForEver = "held-for-ever", "Held for ever";
        /// An operator lets no claims in.
        Closed = "closed", "Closed";
        /// Nobody owns the pool, or nobody wrote down what to do.
        Unowned = "unowned", "No owner or runbook";
        /// A server is silent that did not say that it ends.
        ServerLost = "server-lost", "Lost server";
        /// A server did not move for a while.
        ServerPaused = "server-paused", "Paused server";
        /// The database did not answer for a while.
        StoreAway = "store-away", "Lost database";
    }
}

/// What must be looked at to see something. Each is looked at as often as it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sight {
    /// The figures that a pool's owner tells, and the pool's own fields.
    Figures,
    /// The events of the last minutes.
    Events,
    /// Who holds slots without an end.
    Holds,
    /// The servers themselves; no pool says anything about it.
    Servers,
}

impl Kind {
    /// What must be looked at to see it, or to see that it is over.
    pub fn sight(self) -> Sight {
        match self {
            Self::Hot | Self::Doubled => Sight::Events,
            Self::HeldForEver => Sight::Holds,
            Self::ServerLost | Self::ServerPaused | Self::StoreAway => Sight::Servers,
            _ => Sight::Figures,
        }
    }

    /// Whether it is about a server, and no pool.
    pub fn is_of_server(self) -> bool {
        self.sight() == Sight::Servers
    }

    /// Which failure mode it is.
    pub fn mode(self) -> Mode {
        match self {
            Self::Leaked | Self::Leaking => Mode::Leak,
            Self::Doubled => Mode::DoubleAssignment,
            Self::Hot => Mode::HotSlot,
            Self::Saturated | Self::Queueing => Mode::Exhaustion,
            Self::SlowReclaim => Mode::SlowReclaim,
            Self::Inverted => Mode::PriorityInversion,
            Self::Moving | Self::Swinging => Mode::Thrash,
            Self::Monopoly => Mode::Monopoly,
            _ => Mode::Other,
        }
    }
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
    /// The tenant that reported last.
    pub tenant: Option<i32>,
    /// The shard that the last report with one named.
    pub shard: Option<i32>,
}

/// A slot that may be held for as long as its holder likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its number.
    pub slot: u32,
    /// For how long it has been held.
    pub held_ms: Millis,
    /// For whom.
    pub tenant: i32,
    /// By whom.
    pub holder: String,
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
    /// The slot that is held longest of those that may be held without an end.
    pub longest_hold: Option<Hold>,
    /// Customers notice what fails here.
    pub is_customer_facing: bool,
    /// Somebody owns the pool.
    pub has_owner: bool,
    /// It is written down what to do.
    pub has_runbook: bool,
}

/// What was found, with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
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
        /// The tenant whose work it was.
        tenant: Option<i32>,
        /// The shard whose work it was.
        shard: Option<i32>,
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
        /// Which.
        slot: u32,
        /// For how long.
        held_ms: Millis,
        /// For whom.
        tenant: i32,
        /// By whom.
        holder: String,
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
    /// A server is silent that did not say that it ends.
    ServerLost {
        /// Where it was reached.
        server: String,
        /// Pools that wait for another one.
        pools: u64,
    },
    /// A server did not move for a while.
    ServerPaused {
        /// Where it is reached.
        server: String,
        /// For how long.
        paused_ms: Millis,
    },
    /// A server had no answer from the database for a while.
    StoreAway {
        /// Where the server is reached.
        server: String,
        /// For how long.
        away_ms: Millis,
    },
}

impl What {
    /// What it is in one word; it stays the same while the condition lasts.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Leaked { .. } => Kind::Leaked,
            Self::Leaking { .. } => Kind::Leaking,
            Self::Doubled { .. } => Kind::Doubled,
            Self::Hot { .. } => Kind::Hot,
            Self::Saturated { .. } => Kind::Saturated,
            Self::Queueing { .. } => Kind::Queueing,
            Self::SlowReclaim { .. } => Kind::SlowReclaim,
            Self::Inverted { .. } => Kind::Inverted,
            Self::Moving { .. } => Kind::Moving,
            Self::Swinging { .. } => Kind::Swinging,
            Self::Monopoly { .. } => Kind::Monopoly,
            Self::Stalled { .. } => Kind::Stalled,
            Self::Refusing { .. } => Kind::Refusing,
            Self::BreakerOpen => Kind::Breaker,
            Self::SilentTogether => Kind::Silent,
            Self::Overcommitted { .. } => Kind::Overcommitted,
            Self::RetryStorm { .. } => Kind::RetryStorm,
            Self::HeldForEver { .. } => Kind::HeldForEver,
            Self::Closed => Kind::Closed,
            Self::Unowned { .. } => Kind::Unowned,
            Self::ServerLost { .. } => Kind::ServerLost,
            Self::ServerPaused { .. } => Kind::ServerPaused,
            Self::StoreAway { .. } => Kind::StoreAway,
        }
    }

    /// Which failure mode it is.
    pub fn mode(&self) -> Mode {
        self.kind().mode()
    }

    /// The tenant that it is about, if it is about one.
    pub fn tenant(&self) -> Option<i32> {
        match self {
            Self::Monopoly { tenant, .. } | Self::RetryStorm { tenant, .. } | Self::HeldForEver { tenant, .. } => {
                Some(*tenant)
            }
            Self::Hot { tenant, .. } => *tenant,
            _ => None,
        }
    }

    /// The slots that it names.
    pub fn slots(&self) -> Vec<u32> {
        match self {
            Self::Doubled { slots } => slots.clone(),
            Self::Hot { slot, .. } | Self::HeldForEver { slot, .. } => vec![*slot],
            _ => Vec::new(),
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
        let what = What::Hot {
            slot: worst.slot,
            p95_ms: worst.p95_ms,
            median_ms,
            slots: slots.len(),
            tenant: worst.tenant,
            shard: worst.shard,
        };
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
    if let Some(hold) = signs.longest_hold.as_ref().filter(|hold| hold.held_ms > FOR_EVER_MS) {
        let Hold { slot, held_ms, tenant, holder } = hold.clone();
        add(Severity::Info, What::HeldForEver { slot, held_ms, tenant, holder });
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
            reclaim_goal_ms: Some(reclaim_goal_ms(Lifetime::Ephemeral, 60_000)),
            has_owner: true,
            has_runbook: true,
            ..Signs::default()
        }
    }

    fn words_of(signs: &Signs) -> Vec<(&'static str, Severity)> {
        failures(signs).iter().map(|failure| (failure.what.kind().as_str(), failure.severity)).collect()
    }

    fn work(p95: &[f64]) -> Vec<SlotWork> {
        (1..)
            .zip(p95)
            .map(|(slot, p95_ms)| SlotWork { slot, p95_ms: *p95_ms, reports: 5, tenant: None, shard: None })
            .collect()
    }

    #[test]
    fn long_lived_slots_may_take_as_long_as_their_lease_to_come_back() {
        for (lifetime, ttl_ms, goal_ms) in [
            (Lifetime::Ephemeral, 5_000, 30_000),
            (Lifetime::Ephemeral, 300_000, 30_000),
            (Lifetime::LongLived, 5_000, 30_000),
            (Lifetime::LongLived, 300_000, 300_000),
        ] {
            assert_eq!(reclaim_goal_ms(lifetime, ttl_ms), goal_ms, "{lifetime:?} with leases of {ttl_ms} ms");
        }
    }

    #[test]
    fn a_calm_pool_has_no_failures() {
        assert_eq!(failures(&calm()), []);
    }

    #[test]
    fn each_failure_is_found_and_what_is_just_below_is_not() {
        use Severity::{Critical, Info, Warning};
        let part = |held, fair| Part { held, fair };
        let hold = |held_ms| Some(Hold { slot: 3, held_ms, tenant: 1, holder: "edge-1".into() });
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
                Signs { longest_hold: hold(FOR_EVER_MS + 1), ..calm() },
                Signs { longest_hold: hold(FOR_EVER_MS), ..calm() },
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
    fn each_kind_has_a_value_that_comes_back_from_storage() {
        let server = || "127.0.0.1:8080".to_owned();
        let all = [
            What::Leaked { slots: 1, lag_ms: 2 },
            What::Leaking { expired_1m: 3, per_hour: 0.5 },
            What::Doubled { slots: vec![7] },
            What::Hot { slot: 1, p95_ms: 9.5, median_ms: 1.5, slots: 2, tenant: None, shard: Some(3) },
            What::Saturated { rejected_1m: 1, rate: 0.25, queued: 2 },
            What::Queueing { queued: 1 },
            What::SlowReclaim { late_ms: 2, goal_ms: 1 },
            What::Inverted { waiting: 9, claims: 1, holding: 1, slots: 2 },
            What::Moving { moved: 20 },
            What::Swinging { turns: 3 },
            What::Monopoly { tenant: 1, held: 9, fair: 4.5, others_rejected: 1 },
            What::Stalled { age_ms: None },
            What::Refusing { rejected_1m: 5, rate: 0.5 },
            What::BreakerOpen,
            What::SilentTogether,
            What::Overcommitted { capacity: 1, reserved: 2, held: 0 },
            What::RetryStorm { tenant: 1, rejected_1m: 300 },
            What::HeldForEver { slot: 1, held_ms: 2, tenant: 3, holder: "edge".into() },
            What::Closed,
            What::Unowned { owner: true, runbook: false },
            What::ServerLost { server: server(), pools: 2 },
            What::ServerPaused { server: server(), paused_ms: 5 },
            What::StoreAway { server: server(), away_ms: 5 },
        ];
        assert_eq!(all.iter().map(What::kind).collect::<Vec<_>>(), Kind::ALL, "one of each");
        for what in all {
            let stored = serde_json::to_value(&what).expect("plain data");
            assert!(stored.is_object(), "{stored}");
            assert_eq!(serde_json::from_value::<What>(stored).expect("the same"), what);
        }
    }

    #[test]
    fn a_line_turns_where_it_changes_its_direction() {
        assert_eq!(turns(&[]), 0);
        assert_eq!(turns(&[1, 2, 2, 3]), 0);
        assert_eq!(turns(&[1, 2, 2, 1, 3]), 2);
    }
}
