//! The filters every reading endpoint takes.

use crate::app::window::Asked;
use serde::Deserialize;
use utoipa::IntoParams;

/// Range, zone and scope of a question.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filters {
    /// Start: `now-45d` (units s m h d w) or RFC 3339.
    pub from: Option<String>,
    /// End, exclusive: `now` or RFC 3339.
    pub to: Option<String>,
    /// IANA zone.
    pub tz: Option<String>,
    /// Pools by slug; repeat for several.
    #[serde(default)]
    pub pool: Vec<String>,
    /// Tenants by slug; repeat for several.
    #[serde(default)]
    pub tenant: Vec<String>,
    /// Stamps by slug; repeat for several.
    #[serde(default)]
    pub stamp: Vec<String>,
    /// Comparison window: `prev`, `week`, `month`, `year`, `none`.
    pub cmp: Option<String>,
}

impl From<Filters> for Asked {
    fn from(f: Filters) -> Self {
        Self { from: f.from, to: f.to, tz: f.tz, pools: f.pool, tenants: f.tenant, stamps: f.stamp, compare: f.cmp }
    }
}
