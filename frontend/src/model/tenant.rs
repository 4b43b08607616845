//! One tenant: header and tabs.

use super::{
    ChartModel, EventRow, HeatmapModel, Named, PanelState, PoolTenantRow, QuotaRow, ReservationRow, StatCard,
    TableState,
};

/// Everything on `/tenants/{tenant}`.
#[derive(Debug, Clone)]
pub struct TenantModel {
    /// The tenant.
    pub tenant: Named,
    /// Priority tier; empty if none.
    pub tier: String,
    /// Cost centre; empty if none.
    pub cost_centre: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Slots guaranteed to it now, over all pools.
    pub reserved: Option<i64>,
    /// Sum of its quotas.
    pub quota: Option<i64>,
    /// Sum of its fair shares, in slots.
    pub fair_share: Option<f64>,
    /// The rule behind the fair share in one sentence: "an equal part of each pool it uses: 1,440 slots".
    pub fair_share_rule: String,
    /// Cards: `UsedNow`, `QuotaUse`, `FairShare`, `SaturationEvents` (rejected claims of this tenant).
    pub cards: Vec<StatCard>,
    /// The tab that is open, with its content.
    pub tab: TenantTab,
    /// When it was archived; `None` if it is in use.
    pub archived_ms: Option<i64>,
}

/// The content of the open tab.
#[derive(Debug, Clone)]
pub enum TenantTab {
    /// `tab=share`, the default.
    Share(Box<TenantShare>),
    /// `tab=metering`
    Metering(TenantMetering),
    /// `tab=history`
    History(TenantHistory),
}

/// How much of what it may use it uses.
#[derive(Debug, Clone)]
pub struct TenantShare {
    /// Used against quota, reserved and fair share over time.
    pub usage: ChartModel,
    /// Highest use per hour and weekday, or per hour and pool.
    pub heatmap: HeatmapModel,
    /// One row per pool.
    pub pools: Vec<PoolTenantRow>,
    /// Quotas in force.
    pub quotas: Vec<QuotaRow>,
    /// Reservations now and ahead.
    pub reservations: Vec<ReservationRow>,
    /// Empty, partial, failed.
    pub state: PanelState,
}

/// The exact sums that a bill or a dispute rests on.
#[derive(Debug, Clone)]
pub struct TenantMetering {
    /// One row per day and pool, newest first.
    pub rows: Vec<MeterRow>,
    /// Sums over all rows of the window, not only this page.
    pub total: MeterSums,
    /// Paging and CSV.
    pub table: TableState,
    /// Empty, partial, failed.
    pub state: PanelState,
}

/// Metered use of one pool on one day.
#[derive(Debug, Clone)]
pub struct MeterRow {
    /// Start of the day in the shown zone.
    pub day_ms: i64,
    /// The pool.
    pub pool: Named,
    /// Its sums.
    pub sums: MeterSums,
}

/// Exact sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterSums {
    /// Slot time used.
    pub occupied_slot_ms: i64,
    /// Slot time reserved.
    pub reserved_slot_ms: i64,
    /// Reserved slot time that was not used.
    pub reserved_idle_slot_ms: i64,
    /// Most slots held at once; `None` if unknown.
    pub max_occupied: Option<i64>,
    /// Claims rejected; `None` if not reported.
    pub rejections: Option<i64>,
}

/// What happened to the tenant.
#[derive(Debug, Clone)]
pub struct TenantHistory {
    /// Edits, quota changes and imports, newest first.
    pub events: Vec<EventRow>,
    /// Paging (`cur`), text filter (`q`).
    pub table: TableState,
    /// Empty, failed.
    pub state: PanelState,
}
