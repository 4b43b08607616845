//! Names of the extra signals of pools; their values are history.

use crate::{Result, StoreError};
use sqlx::{FromRow, PgConnection};

/// An extra gauge or counter of a pool.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Signal {
    /// The pool's key.
    pub pool_id: i32,
    /// 1..=8.
    pub signal: i16,
    /// `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Unit; may be empty.
    pub unit: String,
    /// `gauge` or `counter`.
    pub kind: String,
}

/// The number of a signal, taking the next free one on first sight. `Invalid` when eight are taken.
pub async fn ensure(conn: &mut PgConnection, pool: i32, name: &str, unit: &str, kind: &str) -> Result<i16> {
    sqlx::query("SELECT pg_advisory_xact_lock(748204, $1)").bind(pool).execute(&mut *conn).await?;
    if let Some(found) = sqlx::query_scalar("SELECT signal FROM pool_signal WHERE pool_id = $1 AND name = $2")
        .bind(pool)
        .bind(name)
        .fetch_optional(&mut *conn)
        .await?
    {
        return Ok(found);
    }
    sqlx::query_scalar(
        "INSERT INTO pool_signal (pool_id, signal, name, unit, kind)
         SELECT $1, COALESCE(max(signal), 0) + 1, $2, $3, $4 FROM pool_signal WHERE pool_id = $1
         RETURNING signal",
    )
    .bind(pool)
    .bind(name)
    .bind(unit)
    .bind(kind)
    .fetch_one(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("signal_count") => StoreError::Invalid {
            field: "signals",
            problem: format!("{name:?} would be the ninth, a pool has at most 8"),
        },
        Some("signal_name_form") => StoreError::Invalid {
            field: "signals",
            problem: format!("{name:?} is no name: expected a-z, 0-9 and _, first a letter, at most 63"),
        },
        _ => error.into(),
    })
}

/// Signals of a pool.
pub async fn list(conn: &mut PgConnection, pool: Option<i32>) -> Result<Vec<Signal>> {
    Ok(sqlx::query_as(
        "SELECT pool_id, signal, name, unit, kind FROM pool_signal WHERE $1::int IS NULL OR pool_id = $1 ORDER BY pool_id, signal",
    )
    .bind(pool)
    .fetch_all(conn)
    .await?)
}

/// Signals of some pools.
pub async fn of_pools(conn: &mut PgConnection, pools: &[i32]) -> Result<Vec<Signal>> {
    Ok(sqlx::query_as(
        "SELECT pool_id, signal, name, unit, kind FROM pool_signal WHERE pool_id = ANY($1) ORDER BY pool_id, signal",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?)
}
