//! What live pools look like, as their owners tell it each second. Lost in a crash of the database, and told again.

use crate::Result;
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use serde_json::Value;
use sqlx::PgConnection;

/// What an owner tells about a pool.
#[derive(Debug, Clone)]
pub struct Told {
    /// The pool.
    pub pool: i32,
    /// Something in it deserves a look now.
    pub asks: bool,
    /// What it looks like.
    pub live: Value,
}

/// Tells what some pools look like.
pub async fn set(conn: &mut PgConnection, told: &[Told]) -> Result<()> {
    sqlx::query(
        "INSERT INTO pool_live (pool_id, at, asks, live)
         SELECT pool_id, hr_now(), asks, live FROM unnest($1::int[], $2::bool[], $3::jsonb[]) AS w (pool_id, asks, live)
         ON CONFLICT (pool_id) DO UPDATE SET at = EXCLUDED.at, asks = EXCLUDED.asks, live = EXCLUDED.live",
    )
    .bind(told.iter().map(|one| one.pool).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.asks).collect::<Vec<_>>())
    .bind(told.iter().map(|one| &one.live).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// What some pools looked like last, or all: pool, when, what.
pub async fn list(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<(i32, Millis, Value)>> {
    let rows: Vec<(i32, DateTime<Utc>, Value)> = sqlx::query_as(
        "SELECT pool_id, at, live FROM pool_live WHERE $1::int[] IS NULL OR pool_id = ANY($1) ORDER BY pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, at, live)| (pool, at.timestamp_millis(), live)).collect())
}
