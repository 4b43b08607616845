//! Finding pools and tenants by name.

use super::{App, Result};
use headroom_domain::access::Action;
use headroom_store::{pool, tenant};

/// Matches, each slug and name.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Pools, at most the limit.
    pub pools: Vec<(String, String)>,
    /// How many pools match.
    pub pools_total: i64,
    /// Tenants, at most the limit.
    pub tenants: Vec<(String, String)>,
    /// How many tenants match.
    pub tenants_total: i64,
}

impl App {
    /// Pools and tenants whose slug or name contains the text, those that begin with it first.
    pub async fn search(&self, text: &str, limit: usize) -> Result<Found> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let wanted = text.trim().to_lowercase();
        let pools = pool::list(&mut conn, false).await?.into_iter().filter(|p| self.caller.sees_pool(p.key));
        let pools = pools.map(|p| (p.fields.slug.to_string(), p.fields.name));
        let (pools, pools_total) = matching(pools, &wanted, limit);
        let tenants = tenant::list(&mut conn, false).await?.into_iter().filter(|t| self.caller.sees_tenant(t.key));
        let tenants = tenants.map(|t| (t.fields.slug.to_string(), t.fields.name));
        let (tenants, tenants_total) = matching(tenants, &wanted, limit);
        Ok(Found { pools, pools_total, tenants, tenants_total })
    }
}

fn matching(all: impl Iterator<Item = (String, String)>, wanted: &str, limit: usize) -> (Vec<(String, String)>, i64) {
    let mut found: Vec<(bool, (String, String))> = all
        .filter_map(|(slug, name)| {
            let lower = name.to_lowercase();
            let begins = slug.starts_with(wanted) || lower.starts_with(wanted);
            (slug.contains(wanted) || lower.contains(wanted)).then_some((!begins, (slug, name)))
        })
        .collect();
    found.sort();
    let total = found.len() as i64;
    (found.into_iter().take(limit).map(|(_, named)| named).collect(), total)
}
