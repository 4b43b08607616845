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
    Metering(Box<TenantMetering>),
    /// `tab=history`
    History(Box<TenantHistory>),
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
    /// ISO 4217 code of the amounts; `None` if money is not shown.
    pub currency: Option<String>,
    /// One day of one pool by the hour, if it was asked for.
    pub explained: Option<MeterDay>,
    /// Paging and CSV.
    pub table: TableState,
    /// Empty, partial, failed.
    pub state: PanelState,
}

/// What one day's figures are the sums of.
#[derive(Debug, Clone)]
pub struct MeterDay {
    /// Start of the UTC day.
    pub day_ms: i64,
    /// The pool.
    pub pool: Named,
    /// Starts of hours, and their sums; amounts are of days only.
    pub hours: Vec<(i64, MeterSums)>,
    /// The sum of the hours, with the day's amount.
    pub total: MeterSums,
    /// Price in millionths of the currency per slot and hour.
    pub rate_micros: Option<i64>,
    /// Fingerprint of the day's figures.
    pub record: String,
}

/// Metered use of one pool on one day.
#[derive(Debug, Clone)]
pub struct MeterRow {
    /// Start of the UTC day.
    pub day_ms: i64,
    /// Price in millionths of the currency per slot and hour; `None` without one, or if money is not shown.
    pub rate_micros: Option<i64>,
    /// Fingerprint of the row's figures.
    pub record: String,
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
    /// Slot time used beyond what was reserved.
    pub borrowed_slot_ms: i64,
    /// Of the idle slot time, what others used; an estimate.
    pub lent_slot_ms: i64,
    /// Slot time that is billed: reserved and borrowed.
    pub billed_slot_ms: i64,
    /// What is billed, in minor units of the currency.
    pub amount_minor: Option<i64>,
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
