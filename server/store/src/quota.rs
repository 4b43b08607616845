//! Quotas: the most slots a tenant may hold in a pool.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// A quota in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Most slots.
    pub slots: i32,
    /// Since when.
    pub since_ms: Millis,
}

/// Sets a quota, or removes it with `None`.
pub async fn set(conn: &mut PgConnection, pool: i32, tenant: i32, slots: Option<i32>) -> Result<()> {
    let done = match slots {
        Some(slots) => {
            sqlx::query(
                "INSERT INTO quota AS q (pool_id, tenant_id, slots) VALUES ($1, $2, $3)
                 ON CONFLICT (pool_id, tenant_id) DO UPDATE SET slots = EXCLUDED.slots, since = hr_now(), version = q.version + 1",
            )
            .bind(pool)
            .bind(tenant)
            .bind(slots)
            .execute(conn)
            .await
        }
        None => sqlx::query("DELETE FROM quota WHERE pool_id = $1 AND tenant_id = $2").bind(pool).bind(tenant).execute(conn).await,
    };
    done.map_err(|error| match StoreError::constraint(&error) {
        Some("quota_range") => StoreError::Invalid { field: "slots", problem: "expected 0 to 10,000,000".into() },
        _ => error.into(),
    })?;
    Ok(())
}

/// Quotas by (pool, tenant): of some pools, of some tenants, or all.
pub async fn list(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
) -> Result<BTreeMap<(i32, i32), Quota>> {
    let rows: Vec<(i32, i32, i32, DateTime<Utc>)> = sqlx::query_as(
        "SELECT pool_id, tenant_id, slots, since FROM quota
         WHERE ($1::int[] IS NULL OR pool_id = ANY($1)) AND ($2::int[] IS NULL OR tenant_id = ANY($2))",
    )
    .bind(pools)
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    let quota = |slots, since: DateTime<Utc>| Quota { slots, since_ms: since.timestamp_millis() };
    Ok(rows.into_iter().map(|(pool, tenant, slots, since)| ((pool, tenant), quota(slots, since))).collect())
}
