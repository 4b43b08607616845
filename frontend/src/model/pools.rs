//! The list of pools.

use headroom_domain::pool::PoolKind;

use super::{FullIn, Named, PanelState, Peak, SmallMultiple, TableState};

/// Everything on `/pools`.
#[derive(Debug, Clone)]
pub struct PoolsModel {
    /// Pools that match, over all pages.
    pub total: i64,
    /// Sum of their capacity now, in slots; `None` if no pool reports any.
    pub capacity: Option<i64>,
    /// Sum of occupied ÷ sum of capacity, now.
    pub occupancy: Option<f64>,
    /// The rows of this page.
    pub rows: Vec<PoolRow>,
    /// Sorting, text filter, paging. Sortable columns: `pool`, `kind`, `slots`, `occupancy`, `peak`, `free`,
    /// `reserved`, `rejected`, `owner`. Default: `occupancy`, descending (closest to the limit first).
    pub table: TableState,
    /// Only this kind (`kind=`).
    pub kind: Option<PoolKind>,
    /// Only this owner (`owner=`), as typed.
    pub owner: String,
    /// Archived pools are listed too (`archived=1`).
    pub with_archived: bool,
    /// `view=multiples`: one small chart per row, in the same order. Empty for the table view.
    pub multiples: Vec<SmallMultiple>,
    /// True if `view=multiples` was asked for.
    pub as_multiples: bool,
    /// Empty (none yet, or none match), partial, failed.
    pub state: PanelState,
}

/// One pool in the list.
#[derive(Debug, Clone)]
pub struct PoolRow {
    /// The pool.
    pub pool: Named,
    /// Its kind.
    pub kind: PoolKind,
    /// Capacity now (configured − planned-down), in slots.
    pub capacity: Option<i64>,
    /// Occupied now, in slots. May exceed the capacity.
    pub occupied: Option<i64>,
    /// Occupied ÷ capacity now.
    pub occupancy: Option<f64>,
    /// Average occupancy over the window.
    pub mean: Option<f64>,
    /// Highest occupancy in the window.
    pub peak: Option<Peak>,
    /// Reserved but not in use now, in slots; `None` without reservations data.
    pub reserved_idle: Option<i64>,
    /// Claims rejected in the window; `None` if the source does not report them.
    pub rejected: Option<i64>,
    /// Claims made in the window; `None` if the source does not report them.
    pub claims: Option<i64>,
    /// When it is full, by its forecast.
    pub full: FullIn,
    /// Who owns it; `None` is shown as a warning, because a pool without an owner has nobody to call.
    pub owner: Option<String>,
    /// Where it runs.
    pub region: Option<String>,
    /// Newest sample.
    pub as_of_ms: Option<i64>,
    /// True if a live pool has missed three periods.
    pub stale: bool,
    /// True if archived.
    pub archived: bool,
}
