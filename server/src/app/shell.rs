//! What every page says around its content.

use super::window::Window;
use super::{App, Result};
use headroom_domain::Millis;
use headroom_store::{current, organisation, pool, tenant};

/// Facts for the frame of a page.
#[derive(Debug, Clone)]
pub struct ShellFacts {
    /// Pools to choose from: slug and name, bounded.
    pub pools: Vec<(String, String)>,
    /// How many there are.
    pub pools_total: i64,
    /// Tenants to choose from.
    pub tenants: Vec<(String, String)>,
    /// How many there are.
    pub tenants_total: i64,
    /// Stamps to choose from.
    pub stamps: Vec<(String, String)>,
    /// End of the newest sample in scope.
    pub newest_ms: Option<Millis>,
    /// Shortest period of a live feed; `None` if nothing is expected.
    pub feed_period_ms: Option<Millis>,
    /// Whether this is the demo world.
    pub demo: bool,
}

impl App {
    /// Facts for the frame of a page; at most `limit` names of each kind.
    pub async fn shell_facts(&self, window: &Window, limit: i64) -> Result<ShellFacts> {
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let (_, newest_ms) = current::totals(conn, window.pool_keys().as_deref(), window.now_ms).await?;
        Ok(ShellFacts {
            pools: pool::names(conn, limit).await?,
            pools_total: pool::count(conn).await?,
            tenants: tenant::names(conn, limit).await?,
            tenants_total: tenant::count(conn).await?,
            stamps: organisation::stamps(conn).await?.into_iter().map(|slug| (slug.clone(), slug)).collect(),
            newest_ms,
            feed_period_ms: pool::shortest_feed(conn).await?.map(i64::from),
            demo: organisation::get(conn).await?.demo,
        })
    }
}
