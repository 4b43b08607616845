//! What every page says around its content.

use super::window::Window;
use super::{App, Result};
use headroom_domain::Millis;
use headroom_store::catalog::{self, Catalog, Version};
use headroom_store::{current, organisation, pool, tenant};
use sqlx::PgConnection;
use std::sync::{Arc, Mutex};

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
    /// Facts for the frame of a page; a bounded number of names of each kind.
    pub async fn shell_facts(&self, window: &Window) -> Result<ShellFacts> {
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let newest_ms = current::newest(conn, window.pool_keys().as_deref()).await?;
        let catalog = self.names.get(conn).await?;
        let (mut pools, mut pools_total) = (catalog.pools.clone(), catalog.pools_total);
        if let Some(own) = &self.caller.pools {
            let named = pool::by_keys(conn, own).await?.into_iter().map(|p| (p.fields.slug.to_string(), p.fields.name));
            pools = named.collect();
            pools_total = pools.len() as i64;
        }
        let (mut tenants, mut tenants_total) = (catalog.tenants.clone(), catalog.tenants_total);
        if let Some(own) = &self.caller.tenants {
            let found = tenant::by_keys(conn, own).await?;
            tenants = found.into_iter().map(|t| (t.fields.slug.to_string(), t.fields.name)).collect();
            tenants_total = tenants.len() as i64;
        }
        Ok(ShellFacts {
            pools,
            pools_total,
            tenants,
            tenants_total,
            stamps: catalog.stamps.iter().map(|slug| (slug.clone(), slug.clone())).collect(),
            newest_ms,
            feed_period_ms: catalog.shortest_feed_ms.map(i64::from),
            demo: organisation::get(conn).await?.demo,
        })
    }
}

/// Choices offered in a picker.
const OFFERED: i64 = 200;

/// The catalog of pools and tenants as it was read last, good as long as its version is.
#[derive(Debug, Default)]
pub struct NamesCache {
    known: Mutex<Option<(Version, Arc<Catalog>)>>,
}

impl NamesCache {
    /// The catalog as the connection sees it.
    pub(crate) async fn get(&self, conn: &mut PgConnection) -> Result<Arc<Catalog>> {
        let version = catalog::version(conn).await?;
        if let Ok(known) = self.known.lock()
            && let Some((of, catalog)) = known.as_ref()
            && *of == version
        {
            return Ok(catalog.clone());
        }
        // The version is read before the catalog: what changes in between is read again next time, never missed.
        let read = Arc::new(catalog::read(conn, OFFERED).await?);
        if let Ok(mut known) = self.known.lock() {
            *known = Some((version, read.clone()));
        }
        Ok(read)
    }
}
