//! What pools and tenants there are, all at once: what every page asks for and what changes seldom.

use crate::{Result, organisation, pool, tenant};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::PgConnection;

/// Tells states of the catalog apart: as long as it stays the same, so does what was read.
pub type Version = (i64, Option<i64>);

/// The version of what the connection sees.
pub async fn version(conn: &mut PgConnection) -> Result<Version> {
    Ok(sqlx::query_as("SELECT count(*), max(change_id) FROM catalog_change").fetch_one(conn).await?)
}

/// Forgets changes but for the newest, which alone tells the version from earlier ones. Returns how many rows.
pub async fn forget_changes(conn: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query(
        "DELETE FROM catalog_change WHERE change_id < (SELECT max(change_id) FROM catalog_change)
             AND (SELECT count(*) FROM catalog_change) > 1000",
    );
    Ok(done.execute(conn).await?.rows_affected())
}

/// The catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The first pools by name, slug and name; archived ones left out, here and below.
    pub pools: Vec<(String, String)>,
    /// How many there are.
    pub pools_total: i64,
    /// The first tenants by name.
    pub tenants: Vec<(String, String)>,
    /// How many there are.
    pub tenants_total: i64,
    /// Slugs of all stamps.
    pub stamps: Vec<String>,
    /// The shortest period in which a pool expects samples.
    pub shortest_feed_ms: Option<i32>,
    /// Configured and planned-down slots of all pools together, by steps: (from, configured, planned-down), in order.
    pub capacity: Vec<(Millis, i64, i64)>,
}

impl Catalog {
    /// Configured and planned-down slots at an instant.
    pub fn capacity_at(&self, at: Millis) -> (i64, i64) {
        let steps = &self.capacity;
        steps[..steps.partition_point(|step| step.0 <= at)].last().map_or((0, 0), |step| (step.1, step.2))
    }
}

/// Reads the catalog, at most `limit` names of each kind.
pub async fn read(conn: &mut PgConnection, limit: i64) -> Result<Catalog> {
    Ok(Catalog {
        pools: pool::names(conn, limit).await?,
        pools_total: pool::count(conn).await?,
        tenants: tenant::names(conn, limit).await?,
        tenants_total: tenant::count(conn).await?,
        stamps: organisation::stamps(conn).await?,
        shortest_feed_ms: pool::shortest_feed(conn).await?,
        capacity: capacity(conn).await?,
    })
}

async fn capacity(conn: &mut PgConnection) -> Result<Vec<(Millis, i64, i64)>> {
    let steps: Vec<(DateTime<Utc>, i64, i64)> = sqlx::query_as(
        "SELECT from_at, sum(configured)::bigint, sum(planned_down)::bigint FROM (
             SELECT c.from_at,
                 c.configured - COALESCE(lag(c.configured) OVER pool_steps, 0) AS configured,
                 c.planned_down - COALESCE(lag(c.planned_down) OVER pool_steps, 0) AS planned_down
             FROM pool_capacity c JOIN pool p USING (pool_id) WHERE p.archived_at IS NULL
             WINDOW pool_steps AS (PARTITION BY c.pool_id ORDER BY c.from_at)) AS step
         GROUP BY from_at ORDER BY from_at",
    )
    .fetch_all(conn)
    .await?;
    let (mut configured, mut planned_down) = (0, 0);
    let summed = steps.into_iter().map(|(at, more_configured, more_down)| {
        configured += more_configured;
        planned_down += more_down;
        (at.timestamp_millis(), configured, planned_down)
    });
    Ok(summed.collect())
}
