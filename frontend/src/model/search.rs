//! Search without JavaScript.

use super::Named;

/// Everything on `/search`.
#[derive(Debug, Clone, Default)]
pub struct SearchModel {
    /// What was asked, as typed.
    pub q: String,
    /// Pools whose slug or name match; at most 50.
    pub pools: Vec<Named>,
    /// How many pools match in all.
    pub pools_total: i64,
    /// Tenants whose slug or name match; at most 50.
    pub tenants: Vec<Named>,
    /// How many tenants match in all.
    pub tenants_total: i64,
}
