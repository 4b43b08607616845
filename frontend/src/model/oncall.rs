//! The on-call board: what is broken, how bad, what to do.

use super::{AlertBoard, Named, OfferedAction, PanelState, SlotMapModel};

/// Everything on `/oncall`.
#[derive(Debug, Clone)]
pub struct OnCallModel {
    /// Alerts that fire.
    pub alerts: AlertBoard,
    /// What needs attention now, most severe first, then newest first.
    pub findings: Vec<Finding>,
    /// Partial or failed; `Ready` with no findings reads as good news.
    pub findings_state: PanelState,
    /// How many tracked pools were looked at.
    pub pools_watched: i64,
    /// The vital signs, over the pools in scope.
    pub vitals: Vitals,
    /// Map of the chosen pool; `None` if no pool is tracked.
    pub map: Option<SlotMapModel>,
    /// Pools whose map can be chosen (`map=` in the address).
    pub map_pools: Vec<Named>,
    /// Slots with the slowest work, slowest first, at most 8.
    pub slowest: Vec<SlowSlot>,
    /// Who holds what, held longest first, at most 8.
    pub holders: Vec<HolderRow>,
    /// The walls between what can fail: pools, and the server's own connection pools.
    pub bulkheads: Vec<Bulkhead>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Act now.
    Critical,
    /// Look at it in working hours.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word beside the mark.
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::Warning => "Warning",
            Self::Info => "Note",
        }
    }
}

/// The failure modes that are detected and named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureMode {
    /// F1
    Leak,
    /// F2
    DoubleAssignment,
    /// F3
    HotSlot,
    /// F4
    Exhaustion,
    /// F5
    SlowReclaim,
    /// F6
    PriorityInversion,
    /// F7
    Thrash,
    /// F8
    Monopoly,
    /// A failure of the surroundings: network, store, clients that retry without back-off.
    Other,
}

impl FailureMode {
    /// Its id; empty for what has none.
    pub fn id(self) -> &'static str {
        match self {
            Self::Leak => "F1",
            Self::DoubleAssignment => "F2",
            Self::HotSlot => "F3",
            Self::Exhaustion => "F4",
            Self::SlowReclaim => "F5",
            Self::PriorityInversion => "F6",
            Self::Thrash => "F7",
            Self::Monopoly => "F8",
            Self::Other => "",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "slot leak",
            Self::DoubleAssignment => "double assignment",
            Self::HotSlot => "hot slot",
            Self::Exhaustion => "exhaustion",
            Self::SlowReclaim => "slow reclaim",
            Self::PriorityInversion => "priority inversion",
            Self::Thrash => "rebalance thrash",
            Self::Monopoly => "monopolised pool",
            Self::Other => "surroundings",
        }
    }
}

/// One thing that needs attention.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Stays the same while the condition lasts, so that a new finding is told from a known one.
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// Which failure.
    pub mode: FailureMode,
    /// What is wrong, with its numbers: "ingress-eu saturated: 412 claims rejected in 5 min".
    pub sentence: String,
    /// The pool; `None` if it is about the whole service.
    pub pool: Option<Named>,
    /// Tenants hit, worst first, at most 3.
    pub tenants: Vec<Named>,
    /// How many are hit in all.
    pub tenants_total: i64,
    /// Since when.
    pub since_ms: i64,
    /// Further facts, a fragment each: "limit 0.10 %/h".
    pub facts: Vec<String>,
    /// What can be done, as links to previews; only what the viewer may do.
    pub actions: Vec<OfferedAction>,
    /// What to do about such a failure: a path here.
    pub runbook: Option<String>,
    /// What its owner says to do about the pool: `http` or `https` address.
    pub pool_runbook: Option<String>,
}

/// The figures of the four cards.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Slots in use.
    pub occupied: Option<i64>,
    /// Slots that can be claimed.
    pub free: Option<i64>,
    /// Slots that may be used.
    pub capacity: Option<i64>,
    /// Claims rejected in the last minute.
    pub rejected_1m: Option<i64>,
    /// The same, minute by minute over the last hour.
    pub rejected_spark: Vec<Option<f64>>,
    /// Claims granted in the last minute.
    pub granted_1m: Option<i64>,
    /// Claims waiting.
    pub queued: Option<i64>,
    /// P95 of the time to answer a claim, microseconds.
    pub claim_p95_us: Option<i64>,
    /// P99 of it.
    pub claim_p99_us: Option<i64>,
    /// The most that P95 should be, microseconds.
    pub claim_limit_us: i64,
    /// P95 minute by minute over the last hour, in microseconds.
    pub claim_spark: Vec<Option<f64>>,
    /// P99 of the wait in the queue by priority, highest priority first: priority, milliseconds.
    pub wait_p99_ms: Vec<(i64, i64)>,
    /// Pools the reconciler keeps.
    pub reconciled_pools: i64,
    /// Of these stalled.
    pub stalled: i64,
    /// How long ago its last pass ended.
    pub last_pass_ms_ago: Option<i64>,
    /// P95 from stale to freed.
    pub reclaim_p95_ms: Option<i64>,
    /// Slots leaked now.
    pub leaked: Option<i64>,
    /// Most holders fell silent at once: the network is likelier broken than they are, so nothing is reclaimed by heartbeat.
    pub silent_network: bool,
    /// P95 of a commit, microseconds.
    pub commit_p95_us: Option<i64>,
    /// Writes waiting for a commit.
    pub commit_queue: Option<i64>,
    /// Free part of the database's disk, a ratio.
    pub disk_free: Option<f64>,
    /// When these were true; `None` if nothing was heard yet.
    pub as_of_ms: Option<i64>,
}

/// A slot whose work is slow.
#[derive(Debug, Clone)]
pub struct SlowSlot {
    /// Its pool.
    pub pool: Named,
    /// Its number.
    pub slot: i64,
    /// Who uses it.
    pub tenant: Option<Named>,
    /// P95 of the work done in it over 5 minutes, milliseconds.
    pub p95_ms: f64,
    /// The pool's target; `None` without one.
    pub slo_ms: Option<f64>,
    /// Far above its peers.
    pub hot: bool,
}

/// A claim that is held.
#[derive(Debug, Clone)]
pub struct HolderRow {
    /// Its pool.
    pub pool: Named,
    /// Who uses it.
    pub tenant: Named,
    /// The actor.
    pub holder: String,
    /// How many slots.
    pub slots: i64,
    /// The first of them, for its link.
    pub first_slot: i64,
    /// Since when.
    pub since_ms: i64,
    /// Until its lease ends; `None` if it has no end, negative if it is past.
    pub remaining_ms: Option<i64>,
    /// Priority, 0 to 9.
    pub priority: i64,
}

/// One compartment of the service: what fails in it stays in it.
#[derive(Debug, Clone)]
pub struct Bulkhead {
    /// What it is: a pool's name, or what a connection pool serves.
    pub name: String,
    /// Its page, if it has one.
    pub href: Option<String>,
    /// A pool of slots, or connections of the server.
    pub kind: BulkheadKind,
    /// The pool's slug, for live values; empty for connections.
    pub pool: String,
    /// In use ÷ size.
    pub utilisation: Option<f64>,
    /// How many wait at it.
    pub queue: Option<i64>,
    /// P95 of getting in, microseconds.
    pub latency_us: Option<i64>,
    /// What is wrong with the wall, if anything.
    pub mark: Option<WallMark>,
}

/// What stands behind a bulkhead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkheadKind {
    /// A pool of slots.
    Pool,
    /// A pool of connections of this server.
    Connections,
}

/// A wall that stands in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallMark {
    /// It stands nearly empty while others queue: too many walls.
    TooMany,
    /// It carries so much that its failure is everybody's: too few walls.
    TooFew,
}

impl WallMark {
    /// What it means.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooMany => "too many walls: idle while others queue",
            Self::TooFew => "too few walls: its failure hits most tenants",
        }
    }
}
