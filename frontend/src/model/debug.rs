//! Debugging: claims, events, leases and moves one by one.

use super::{ChartModel, Named, PanelState};

/// Everything on `/debug`.
#[derive(Debug, Clone)]
pub struct DebugModel {
    /// The pool looked at; `None` if no pool is tracked.
    pub pool: Option<Named>,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// What the events and claims are filtered by.
    pub filter: DebugFilter,
    /// Answered claims by time and by how long the answer took; `None` if there were none.
    pub answers: Option<AnswerMap>,
    /// P50, P95 and P99 of the time to an answer, per interval.
    pub latency: ChartModel,
    /// Claims that were slow or rejected, newest first, at most 12.
    pub claims: Vec<ClaimRow>,
    /// The trace of the slowest of them (or of `trace=` in the address).
    pub trace: Option<TraceModel>,
    /// What happened, newest first, at most 100.
    pub events: Vec<LogRow>,
    /// Empty, failed.
    pub events_state: PanelState,
    /// Leases by the time they have left, past ones first.
    pub leases: Vec<LeaseBar>,
    /// Moves of slots per minute, with changes of capacity as marks.
    pub moves: ChartModel,
    /// Which node serves which shard.
    pub affinity: Affinity,
}

/// A heatmap of answered claims: time goes to the right, the time to an answer upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerMap {
    /// Starts of the columns.
    pub columns: Vec<i64>,
    /// Length of a column, milliseconds.
    pub step_ms: i64,
    /// Names of the rows, the fastest first.
    pub rows: Vec<String>,
    /// By row, then column: how many claims.
    pub claims: Vec<Vec<i64>>,
    /// The part that was chosen (`box=` in the address).
    pub chosen: Option<ChosenBox>,
}

/// A part of the heatmap against the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenBox {
    /// First and last column that it touches.
    pub columns: (usize, usize),
    /// First and last row.
    pub rows: (usize, usize),
    /// Claims in it.
    pub inside: i64,
    /// Claims outside.
    pub outside: i64,
    /// What is more frequent inside, the most telling first, at most 8.
    pub differences: Vec<Difference>,
}

/// Something that claims in a box have more often than others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `node`, `tenant`, `shard` or `outcome`.
    pub what: String,
    /// Its value.
    pub value: String,
    /// Claims with it in the box.
    pub inside: i64,
    /// Claims with it outside.
    pub outside: i64,
}

/// Filters of the page, as typed; empty is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DebugFilter {
    /// Kind of event, one of [`EVENT_KINDS`].
    pub kind: String,
    /// Tenant slug.
    pub tenant: String,
    /// Slot number.
    pub slot: String,
    /// Holder, node, claim or trace.
    pub text: String,
}

/// Kinds of slot events.
pub const EVENT_KINDS: [&str; 15] = [
    "claim",
    "renew",
    "release",
    "reject",
    "enqueue",
    "expire",
    "preempt",
    "reassign",
    "reconcile",
    "scale",
    "hold",
    "drain",
    "suspect",
    "dead",
    "stale",
];

/// One event of a slot or pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Number of the event.
    pub id: i64,
    /// When.
    pub at_ms: i64,
    /// Pool slug.
    pub pool: String,
    /// One of [`EVENT_KINDS`].
    pub kind: String,
    /// The slot; `None` if it is about the pool or a claim without slots.
    pub slot: Option<i64>,
    /// Tenant slug; empty if none.
    pub tenant: String,
    /// The actor; empty if none.
    pub holder: String,
    /// Why; empty if it needs no reason.
    pub reason: String,
    /// How long work took.
    pub work_ms: Option<i64>,
    /// How long the claim waited.
    pub wait_ms: Option<i64>,
    /// Trace id; empty if none.
    pub trace: String,
}

/// A claim in the list.
#[derive(Debug, Clone)]
pub struct ClaimRow {
    /// Trace id, for its page.
    pub trace: String,
    /// When it was asked.
    pub at_ms: i64,
    /// For whom.
    pub tenant: String,
    /// How it ended: `granted`, or the reason of the rejection.
    pub outcome: String,
    /// Whether it was rejected.
    pub rejected: bool,
    /// How long the answer took, microseconds.
    pub total_us: i64,
}

/// One claim's trace.
#[derive(Debug, Clone)]
pub struct TraceModel {
    /// Trace id.
    pub trace: String,
    /// The pool.
    pub pool: Named,
    /// For whom.
    pub tenant: String,
    /// How it ended.
    pub outcome: String,
    /// Whether it was rejected.
    pub rejected: bool,
    /// When it was asked.
    pub at_ms: i64,
    /// From the request to its answer, microseconds.
    pub total_us: i64,
    /// Its steps, parents before their children.
    pub spans: Vec<SpanRow>,
    /// The clocks of two machines disagree: steps may seem to begin too early.
    pub skewed: bool,
}

/// One step of a claim.
#[derive(Debug, Clone)]
pub struct SpanRow {
    /// What was done, for example `allocator.claim`.
    pub name: String,
    /// How deep it lies below the claim itself.
    pub depth: u8,
    /// Microseconds after the claim was asked.
    pub start_us: i64,
    /// How long it took.
    pub duration_us: i64,
    /// What came of it: "conflict (held by job-88, priority 2, lease 41 s of 60 s)"; empty if nothing to say.
    pub note: String,
    /// It failed.
    pub failed: bool,
}

/// Everything on `/debug/claims/{trace}`.
#[derive(Debug, Clone)]
pub struct ClaimTraceModel {
    /// The trace.
    pub trace: TraceModel,
    /// The other claim of a double assignment, on the same axis of time.
    pub twin: Option<TraceModel>,
    /// Events with this trace id, newest first.
    pub events: Vec<LogRow>,
}

/// Leases whose time left lies in one range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseBar {
    /// The range in words: "past TTL", "10–30 s".
    pub label: String,
    /// How many.
    pub count: i64,
    /// They are past their end.
    pub past: bool,
}

/// Which part of each shard's slots is on which node.
#[derive(Debug, Clone, Default)]
pub struct Affinity {
    /// Rows.
    pub nodes: Vec<String>,
    /// Columns.
    pub shards: Vec<String>,
    /// By node, then shard: part of the shard's slots that are on the node, a ratio; `None` if the shard has none.
    pub share: Vec<Vec<Option<f64>>>,
    /// Part of all slots that are where they prefer to be.
    pub on_preferred: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::lease::EventKind;

    #[test]
    fn every_kind_of_event_can_be_asked_for() {
        let all: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(all, EVENT_KINDS);
    }
}
