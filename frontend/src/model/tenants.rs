//! The list of tenants.

use super::{Named, PanelState, TableState};

/// Everything on `/tenants`.
#[derive(Debug, Clone)]
pub struct TenantsModel {
    /// Tenants that match, over all pages.
    pub total: i64,
    /// The rows of this page.
    pub rows: Vec<TenantRow>,
    /// Sorting, text filter, paging. Sortable: `tenant`, `tier`, `quota`, `fair-share`, `slot-hours`, `reserved`,
    /// `rejected`, `owner`. Default: `slot-hours`, descending.
    pub table: TableState,
    /// Jain's index over the tenants that used anything (M8), 0 to 1; `None` if only some tenants are seen.
    pub fairness: Option<f64>,
    /// Archived tenants are listed too (`archived=1`).
    pub with_archived: bool,
    /// Empty, partial, failed.
    pub state: PanelState,
}

/// One tenant over all pools in scope.
#[derive(Debug, Clone)]
pub struct TenantRow {
    /// The tenant.
    pub tenant: Named,
    /// Priority tier, for example `gold`; empty if none.
    pub tier: String,
    /// Slots in use now.
    pub used: Option<i64>,
    /// Sum of its quotas; `None` without any.
    pub quota: Option<i64>,
    /// Use ÷ quota now.
    pub quota_use: Option<f64>,
    /// Highest use ÷ quota in the window.
    pub quota_peak: Option<f64>,
    /// Use ÷ fair share over the window (M8); above 1.1 is watched, above 1.5 critical.
    pub fair_share_use: Option<f64>,
    /// Slot time used in the window.
    pub occupied_slot_ms: i64,
    /// Part of all used slot time; a ratio.
    pub share: Option<f64>,
    /// Slots guaranteed to it now.
    pub reserved: Option<i64>,
    /// Reserved and not in use now, in slots.
    pub reserved_idle: Option<i64>,
    /// Claims rejected in the window; `None` if not reported.
    pub rejected: Option<i64>,
    /// Who owns it.
    pub owner: Option<String>,
    /// True if archived.
    pub archived: bool,
}
