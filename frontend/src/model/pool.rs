//! One pool: header and tabs.

use headroom_domain::pool::{PoolKind, Properties, Service};

use super::{
    ChartModel, EventRow, Field, FullIn, HeatmapModel, LivePolicy, Money, Named, PanelState, Peak, PoolMap, TableState,
    UnitCost,
};

/// Everything on `/pools/{pool}`.
#[derive(Debug, Clone)]
pub struct PoolModel {
    /// The header, the same on every tab.
    pub head: PoolHead,
    /// The tab that is open, with its content.
    pub tab: PoolTab,
    /// Tenants that used the pool in the window, for the tab's label.
    pub tenants_count: i64,
    /// Its slots live here: it has a policy and a map.
    pub tracked: bool,
}

/// The header of a pool's page: what it is and how full it is.
#[derive(Debug, Clone)]
pub struct PoolHead {
    /// The pool.
    pub pool: Named,
    /// Its kind.
    pub kind: PoolKind,
    /// What it is for; empty if nobody wrote it.
    pub description: String,
    /// When it is full by its forecast; `None` if it was not asked for.
    pub full: Option<FullIn>,
    /// Configured slots now.
    pub configured: Option<i64>,
    /// Slots planned to be down now; part of `configured`.
    pub planned_down: i64,
    /// Capacity now: configured − planned-down.
    pub capacity: Option<i64>,
    /// Lower bound for autoscaling and planning, in slots.
    pub min: Option<i64>,
    /// Upper bound, in slots.
    pub max: Option<i64>,
    /// Occupied now, in slots. May exceed capacity.
    pub occupied: Option<i64>,
    /// Reserved and not in use now, in slots.
    pub reserved_idle: Option<i64>,
    /// Occupied ÷ capacity now.
    pub occupancy: Option<f64>,
    /// Average over the window.
    pub mean: Option<f64>,
    /// Highest occupancy in the window.
    pub peak: Option<Peak>,
    /// Rejected claims in the window; `None` if not reported.
    pub rejected: Option<i64>,
    /// Claims in the window; `None` if not reported.
    pub claims: Option<i64>,
    /// Where it runs.
    pub region: Option<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// `http` or `https` address of the runbook.
    pub runbook_url: Option<String>,
    /// Newest sample.
    pub as_of_ms: Option<i64>,
    /// True if a live pool has missed three periods.
    pub stale: bool,
    /// When it was archived; `None` if it is in use.
    pub archived_ms: Option<i64>,
}

/// The content of the open tab.
#[derive(Debug, Clone)]
pub enum PoolTab {
    /// `tab=trend`, the default.
    Trend(Box<PoolTrend>),
    /// `tab=map`, of tracked pools
    Map(Box<PoolMap>),
    /// `tab=tenants`
    Tenants(PoolTenants),
    /// `tab=policy`
    Policy(Box<PoolPolicy>),
    /// `tab=history`
    History(PoolHistory),
}

/// Charts over the window.
#[derive(Debug, Clone)]
pub struct PoolTrend {
    /// Occupied, reserved, capacity and peaks.
    pub occupancy: ChartModel,
    /// Claims rejected and waited; `None` if the source reports neither.
    pub rejections: Option<ChartModel>,
    /// Highest occupancy per hour and weekday.
    pub heatmap: HeatmapModel,
    /// Named extra signals of the pool, at most 8, one chart each.
    pub signals: Vec<ChartModel>,
    /// Deploys, swaps, scale events and configuration changes in the window, newest first, at most 20.
    pub changes: Vec<EventRow>,
    /// How many workers clear a backlog.
    pub backlog: BacklogCard,
}

/// The card that reckons workers for a backlog.
#[derive(Debug, Clone, Default)]
pub struct BacklogCard {
    /// Items that wait.
    pub backlog: Field,
    /// What arrives meanwhile.
    pub arrivals: Field,
    /// What one worker does.
    pub rate: Field,
    /// `second`, `minute` or `hour`.
    pub per: Field,
    /// In which time.
    pub time: Field,
    /// Workers that there are.
    pub workers: Field,
    /// Something in it was measured.
    pub is_measured: bool,
    /// The answer: its headline, and what else would help.
    pub answer: Option<(String, Vec<String>)>,
    /// It was asked: the card is open.
    pub is_open: bool,
}

/// Who uses the pool.
#[derive(Debug, Clone)]
pub struct PoolTenants {
    /// Rows, sorted as the table says. Sortable: `tenant`, `used`, `quota`, `share`, `slot-hours`, `rejected`.
    pub rows: Vec<PoolTenantRow>,
    /// Sorting and paging.
    pub table: TableState,
    /// Empty, partial, failed.
    pub state: PanelState,
}

/// One tenant's use of one pool over the window.
#[derive(Debug, Clone)]
pub struct PoolTenantRow {
    /// The tenant in a pool's list, the pool in a tenant's list.
    pub subject: Named,
    /// Slots in use now.
    pub used: Option<i64>,
    /// The most it may hold; `None` without a quota.
    pub quota: Option<i64>,
    /// Slots guaranteed to it now; `None` without a reservation.
    pub reserved: Option<i64>,
    /// Its fair share of the pool, in slots.
    pub fair_share: Option<f64>,
    /// Slot time used in the window.
    pub occupied_slot_ms: i64,
    /// Part of the pool's used slot time; a ratio.
    pub share: Option<f64>,
    /// Most slots held at once in the window.
    pub peak_used: Option<i64>,
    /// Claims rejected in the window; `None` if not reported.
    pub rejected: Option<i64>,
    /// Reserved but unused slot time in the window; `None` without a reservation.
    pub reserved_idle_slot_ms: Option<i64>,
}

/// What the pool is meant to be.
#[derive(Debug, Clone)]
pub struct PoolPolicy {
    /// Its declared properties.
    pub properties: Properties,
    /// How often samples are expected, in milliseconds; `None` for imported history.
    pub feed_period_ms: Option<i64>,
    /// The zone that billing days and imports of this pool use, IANA name.
    pub zone: String,
    /// Who looks is shown money.
    pub shows_money: bool,
    /// Price of a slot-hour.
    pub unit_cost: Option<UnitCost>,
    /// What the pool cost over the window at that price.
    pub cost_in_window: Option<Money>,
    /// Free key/value labels, by key.
    pub labels: Vec<(String, String)>,
    /// The services it carries.
    pub services: Vec<Service>,
    /// Capacity over time, newest first; planned entries lie in the future.
    pub capacity_history: Vec<CapacityRow>,
    /// Quotas in force now, by tenant.
    pub quotas: Vec<QuotaRow>,
    /// Reservations now and ahead, by start.
    pub reservations: Vec<ReservationRow>,
    /// The rules of its slots; `None` if they live elsewhere.
    pub live: Option<LivePolicy>,
}

/// One entry of a pool's capacity history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityRow {
    /// In force from here.
    pub from_ms: i64,
    /// Configured slots.
    pub configured: i64,
    /// Of these planned to be down.
    pub planned_down: i64,
    /// Who changed it, and why, if known.
    pub note: Option<String>,
    /// Who or what changed it.
    pub actor: Option<String>,
}

/// A quota in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRow {
    /// The tenant on a pool's page, the pool on a tenant's page.
    pub subject: Named,
    /// Most slots.
    pub slots: i64,
    /// In force since.
    pub from_ms: i64,
}

/// A reservation over a time range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    /// The tenant on a pool's page, the pool on a tenant's page.
    pub subject: Named,
    /// Guaranteed slots.
    pub baseline: i64,
    /// Most slots with borrowing; `None` without a ceiling.
    pub ceiling: Option<i64>,
    /// Start.
    pub from_ms: i64,
    /// End; `None` if open.
    pub to_ms: Option<i64>,
}

/// What happened to the pool.
#[derive(Debug, Clone)]
pub struct PoolHistory {
    /// Edits, imports, capacity changes and change events in the window, newest first.
    pub events: Vec<EventRow>,
    /// Paging (`cur`), text filter (`q`).
    pub table: TableState,
    /// Empty, failed.
    pub state: PanelState,
}
