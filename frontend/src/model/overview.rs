//! The executive overview.

use super::{ChartModel, FullIn, HeatmapModel, Money, Named, PanelState, Peak, SloRow};

/// Everything on `/overview`.
#[derive(Debug, Clone)]
pub struct OverviewModel {
    /// Pools in scope, for the sentence under the title.
    pub pools_in_scope: i64,
    /// The cards, four: pool size, occupancy, saturation events, reservation waste.
    pub cards: Vec<StatCard>,
    /// What the pools that give out their slots here say about this moment; `None` without such a pool, or where the range is past.
    pub now: Option<NowBar>,
    /// How promises and alerts stand now; `None` where the range is past.
    pub standing: Option<StandingModel>,
    /// Global occupancy over time: average, peak band, capacity changes as annotations.
    pub trend: ChartModel,
    /// The heaviest tenants by slot-hours, at most five.
    pub top_tenants: Vec<TopTenant>,
    /// How many tenants used anything in the window.
    pub tenants_in_scope: i64,
    /// Pools that may be full within 30 days, the soonest first; at most eight.
    pub risks: Vec<Risk>,
    /// Pools with a forecast and no such risk.
    pub without_risk: i64,
    /// State of the tenants panel.
    pub top_tenants_state: PanelState,
    /// Highest occupancy per hour and weekday.
    pub heatmap: HeatmapModel,
    /// What is missing from the totals, for example pools that sent nothing. `Ready` if nothing is.
    pub completeness: PanelState,
    /// Pools whose occupancy is above capacity at the end of the window.
    pub over_capacity: Vec<Named>,
}

/// A pool that may be full soon.
#[derive(Debug, Clone)]
pub struct Risk {
    /// The pool.
    pub pool: Named,
    /// When.
    pub full: FullIn,
}

/// How promises and alerts stand.
#[derive(Debug, Clone)]
pub struct StandingModel {
    /// Error budgets of which something is left.
    pub in_budget: i64,
    /// Of these, used up faster than is allowed.
    pub burning: i64,
    /// Error budgets of which nothing is left.
    pub spent: i64,
    /// Error budgets of which nothing is known.
    pub unknown: i64,
    /// Those that are spent or burn, worst first.
    pub worst: Vec<SloRow>,
    /// Open alerts that wake somebody.
    pub pages: i64,
    /// Of these, those that nobody has.
    pub unowned: i64,
    /// Open alerts that wake nobody.
    pub tickets: i64,
}

/// A card: one number with its unit, window, comparison and freshness.
#[derive(Debug, Clone)]
pub struct StatCard {
    /// What is measured; gives label, unit, definition and which direction is good.
    pub metric: Metric,
    /// Over which time the value holds, for example `last 45 d` or `now`.
    pub window: String,
    /// The value in the metric's unit. `None` is unknown.
    pub value: Option<f64>,
    /// Why the value is unknown, for example `no claims were reported`.
    pub unknown_because: Option<String>,
    /// The peak beside an average. Required for occupancy.
    pub peak: Option<Peak>,
    /// The same metric over the comparison window. `None`: no earlier data.
    pub previous: Option<f64>,
    /// What the value is compared with, for example `prior 45 d`; empty if comparison is off.
    pub basis: String,
    /// A second figure: what the waste costs, per 10,000 claims, … already a sentence fragment or empty.
    pub detail: String,
    /// Money behind the value, shown beside it.
    pub money: Option<Money>,
    /// At most 60 points in time order over the same window; `None` is a gap.
    pub spark: Vec<Option<f64>>,
    /// Where the history of this number is.
    pub href: String,
    /// Time of the newest sample behind it.
    pub as_of_ms: Option<i64>,
}

/// The metrics that have a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Slots that may be used: sum of capacity over pools, in slots.
    PoolSize,
    /// Occupied ÷ capacity, a ratio (M1).
    Occupancy,
    /// Claims rejected because the pool was full, a count (M2).
    SaturationEvents,
    /// Reserved-but-unused ÷ reserved slot-hours, a ratio (M10).
    ReservationWaste,
    /// Slots in use now, in slots.
    UsedNow,
    /// Tenant's use ÷ its fair share, a ratio (M8).
    FairShare,
    /// Slot-hours used over the window.
    SlotHours,
    /// Use ÷ quota, a ratio.
    QuotaUse,
}

/// A tenant in the top list.
#[derive(Debug, Clone)]
pub struct TopTenant {
    /// Who.
    pub tenant: Named,
    /// Slot time used in the window.
    pub occupied_slot_ms: i64,
    /// Part of all slot time used in the window; a ratio.
    pub share: Option<f64>,
    /// Average use ÷ quota over the window; `None` without a quota.
    pub quota_use: Option<f64>,
    /// Highest use ÷ quota in the window.
    pub quota_peak: Option<f64>,
    /// Fair share ÷ quota: the mark on the bar.
    pub fair_share: Option<f64>,
}

/// Figures of this moment, over the tracked pools in scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NowBar {
    /// Slots held.
    pub occupied: Option<i64>,
    /// Slots there are.
    pub capacity: Option<i64>,
    /// Slots that can be claimed.
    pub free: Option<i64>,
    /// Claims that wait.
    pub queued: Option<i64>,
    /// Claims rejected in the last minute.
    pub rejected_1m: Option<i64>,
}
