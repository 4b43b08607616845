//! The last known values of each pool and tenant.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::{FromRow, PgConnection};

/// What a series looked like when it was last heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key; 0 = the pool.
    pub tenant: i32,
    /// When the values began to hold.
    pub at_ms: Millis,
    /// For how long they were stated.
    pub duration_ms: i32,
    /// Configured slots.
    pub capacity: i32,
    /// Planned-down slots.
    pub planned_down: i32,
    /// Occupied slots.
    pub occupied: i32,
    /// Reserved slots.
    pub reserved: i32,
    /// Claims rejected within the duration.
    pub rejections: i64,
    /// P95 of the allocation latency as reported, milliseconds.
    pub latency_ms: Option<f32>,
}

#[derive(FromRow)]
struct Row {
    pool_id: i32,
    tenant_id: i32,
    at: DateTime<Utc>,
    duration_ms: i32,
    capacity: i32,
    planned_down: i32,
    occupied: i32,
    reserved: i32,
    rejections: i64,
    latency_ms: Option<f32>,
}

impl From<Row> for Current {
    fn from(r: Row) -> Self {
        Self {
            pool: r.pool_id,
            tenant: r.tenant_id,
            at_ms: r.at.timestamp_millis(),
            duration_ms: r.duration_ms,
            capacity: r.capacity,
            planned_down: r.planned_down,
            occupied: r.occupied,
            reserved: r.reserved,
            rejections: r.rejections,
            latency_ms: r.latency_ms,
        }
    }
}

/// Stores values that are newer than those stored. Each series at most once in `values`.
pub async fn set(conn: &mut PgConnection, values: &[Current]) -> Result<()> {
    let column = |f: fn(&Current) -> i32| -> Vec<i32> { values.iter().map(f).collect() };
    let at: Vec<DateTime<Utc>> = values.iter().map(|v| timestamp(v.at_ms)).collect();
    let rejections: Vec<i64> = values.iter().map(|v| v.rejections).collect();
    let latency: Vec<Option<f32>> = values.iter().map(|v| v.latency_ms).collect();
    sqlx::query(
        "INSERT INTO occ_current AS c (pool_id, tenant_id, at, duration_ms, capacity, planned_down, occupied, reserved, rejections, latency_ms)
         SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::bigint[], $10::real[])
         ORDER BY 1, 2
         ON CONFLICT (pool_id, tenant_id) DO UPDATE SET at = EXCLUDED.at, duration_ms = EXCLUDED.duration_ms,
             capacity = EXCLUDED.capacity, planned_down = EXCLUDED.planned_down, occupied = EXCLUDED.occupied,
             reserved = EXCLUDED.reserved, rejections = EXCLUDED.rejections, latency_ms = EXCLUDED.latency_ms
         WHERE c.at <= EXCLUDED.at",
    )
    .bind(column(|v| v.pool))
    .bind(column(|v| v.tenant))
    .bind(&at)
    .bind(column(|v| v.duration_ms))
    .bind(column(|v| v.capacity))
    .bind(column(|v| v.planned_down))
    .bind(column(|v| v.occupied))
    .bind(column(|v| v.reserved))
    .bind(&rejections)
    .bind(&latency)
    .execute(conn)
    .await?;
    Ok(())
}

/// Last values of some pools (or all) and some tenants (or all; 0 = the pools themselves).
pub async fn list(conn: &mut PgConnection, pools: Option<&[i32]>, tenants: Option<&[i32]>) -> Result<Vec<Current>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT pool_id, tenant_id, at, duration_ms, capacity, planned_down, occupied, reserved, rejections, latency_ms
         FROM occ_current
         WHERE ($1::int[] IS NULL OR pool_id = ANY($1)) AND ($2::int[] IS NULL OR tenant_id = ANY($2))
         ORDER BY pool_id, tenant_id",
    )
    .bind(pools)
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Current::from).collect())
}

/// What all pools together look like now.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Totals {
    /// Pools heard of within the given time.
    pub fresh: i64,
    /// Pools heard of, but not within it.
    pub stale: i64,
    /// Effective capacity of the fresh ones, slots.
    pub capacity: i64,
    /// Occupied slots of the fresh ones.
    pub occupied: i64,
    /// Fresh pools at or above their capacity.
    pub full: i64,
    /// End of the newest sample.
    pub newest: Option<DateTime<Utc>>,
    /// Keys of the first [`NAMED`] stale pools.
    pub silent: Vec<i32>,
    /// Keys of the first [`NAMED`] fresh pools that hold more than their capacity.
    pub over: Vec<i32>,
}

/// Pools that [`Totals`] names of each kind.
pub const NAMED: usize = 10;

/// Totals over some pools (or all): `since` tells fresh from stale.
pub async fn totals(conn: &mut PgConnection, pools: Option<&[i32]>, since: Millis) -> Result<Totals> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE at >= $2) AS fresh,
                count(*) FILTER (WHERE at < $2) AS stale,
                COALESCE(sum(greatest(capacity - planned_down, 0)) FILTER (WHERE at >= $2), 0)::bigint AS capacity,
                COALESCE(sum(occupied) FILTER (WHERE at >= $2), 0)::bigint AS occupied,
                count(*) FILTER (WHERE at >= $2 AND occupied >= capacity - planned_down AND capacity > planned_down) AS full,
                max(at + duration_ms * interval '1 millisecond') AS newest,
                COALESCE((array_agg(pool_id ORDER BY pool_id) FILTER (WHERE at < $2))[1:$3], '{}') AS silent,
                COALESCE((array_agg(pool_id ORDER BY pool_id)
                    FILTER (WHERE at >= $2 AND occupied > greatest(capacity - planned_down, 0)))[1:$3], '{}') AS over
         FROM occ_current
         WHERE tenant_id = 0 AND ($1::int[] IS NULL OR pool_id = ANY($1))",
    )
    .bind(pools)
    .bind(timestamp(since))
    .bind(NAMED as i32)
    .fetch_one(conn)
    .await?)
}

/// Slots that some tenants occupy now in some pools (or all): `since` tells fresh from stale.
pub async fn occupied_by(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: &[i32],
    since: Millis,
) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COALESCE(sum(occupied), 0)::bigint FROM occ_current
         WHERE tenant_id = ANY($2) AND at >= $3 AND ($1::int[] IS NULL OR pool_id = ANY($1))",
    )
    .bind(pools)
    .bind(tenants)
    .bind(timestamp(since))
    .fetch_one(conn)
    .await?)
}

/// End of the newest sample of some pools (or all).
pub async fn newest(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Option<Millis>> {
    let newest: Option<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT max(at + duration_ms * interval '1 millisecond') FROM occ_current
         WHERE tenant_id = 0 AND ($1::int[] IS NULL OR pool_id = ANY($1))",
    )
    .bind(pools)
    .fetch_one(conn)
    .await?;
    Ok(newest.map(|at| at.timestamp_millis()))
}
