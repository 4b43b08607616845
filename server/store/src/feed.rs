//! From events of slots to history: how far it has come, and the events that are next.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::lease::{EventKind, word};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// Up to where a pool's events are part of its history, and what each tenant held then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The pool.
    pub pool: i32,
    /// Events before this instant are part of the history.
    pub upto: Millis,
    /// Slots held by tenant's key.
    pub held: BTreeMap<i32, i64>,
}

/// What the connections that write events call themselves.
pub const WRITERS: &str = "headroom slots";

/// Marks of all tracked pools, locked until the caller's transaction ends. A pool that is new begins where its policy does.
pub async fn marks(conn: &mut PgConnection) -> Result<Vec<Mark>> {
    sqlx::query(
        "INSERT INTO slot_feed (pool_id, upto)
         SELECT pool_id, date_trunc('milliseconds', updated_at) FROM pool_policy ON CONFLICT (pool_id) DO NOTHING",
    )
    .execute(&mut *conn)
    .await?;
    let rows: Vec<(i32, DateTime<Utc>, Json<BTreeMap<i32, i64>>)> =
        sqlx::query_as("SELECT pool_id, upto, held FROM slot_feed ORDER BY pool_id FOR UPDATE").fetch_all(conn).await?;
    let mark = |(pool, upto, held): (i32, DateTime<Utc>, Json<BTreeMap<i32, i64>>)| Mark {
        pool,
        upto: upto.timestamp_millis(),
        held: held.0,
    };
    Ok(rows.into_iter().map(mark).collect())
}

/// Moves marks.
pub async fn set(conn: &mut PgConnection, marks: &[Mark]) -> Result<()> {
    let pools: Vec<i32> = marks.iter().map(|mark| mark.pool).collect();
    let upto: Vec<DateTime<Utc>> = marks.iter().map(|mark| timestamp(mark.upto)).collect();
    let held: Vec<Json<&BTreeMap<i32, i64>>> = marks.iter().map(|mark| Json(&mark.held)).collect();
    sqlx::query(
        "UPDATE slot_feed f SET upto = w.upto, held = w.held
         FROM unnest($1::int[], $2::timestamptz[], $3::jsonb[]) AS w (pool_id, upto, held) WHERE f.pool_id = w.pool_id",
    )
    .bind(pools)
    .bind(upto)
    .bind(held)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether every pool's history has come past an instant.
pub async fn is_past(conn: &mut PgConnection, at: Millis) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM slot_feed WHERE upto < $1)")
        .bind(timestamp(at))
        .fetch_one(conn)
        .await?)
}

/// What the history needs of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Millis,
    /// The pool.
    pub pool: i32,
    /// What.
    pub kind: EventKind,
    /// For whom.
    pub tenant: Option<i32>,
    /// Which slot.
    pub slot: Option<i32>,
    /// Of which claim.
    pub claim: Option<uuid::Uuid>,
    /// How long the claim waited.
    pub wait_ms: i64,
    /// Why.
    pub reason: Option<String>,
    /// Milliseconds of work that were reported.
    pub work_ms: Option<i32>,
}

#[derive(FromRow)]
struct StepRow {
    at: DateTime<Utc>,
    pool_id: i32,
    kind: i16,
    tenant_id: Option<i32>,
    slot: Option<i32>,
    claim: Option<uuid::Uuid>,
    wait_ms: Option<i32>,
    reason: Option<String>,
    work_ms: Option<i32>,
}

/// Events in `[from, to)`, in order: renewals are left out, for they change nothing that is counted.
pub async fn steps(conn: &mut PgConnection, from: Millis, to: Millis) -> Result<Vec<Step>> {
    let rows: Vec<StepRow> = sqlx::query_as(
        "SELECT at, pool_id, kind, tenant_id, slot, claim, wait_ms, reason, work_ms FROM slot_event
         WHERE at >= $1 AND at < $2 AND kind <> 1 ORDER BY at, event_id",
    )
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Step {
                at: row.at.timestamp_millis(),
                pool: row.pool_id,
                kind: word(EventKind::ALL, row.kind).ok_or_else(|| StoreError::Damaged {
                    what: format!("an event of pool {}", row.pool_id),
                    problem: format!("its kind {} is unknown", row.kind),
                })?,
                tenant: row.tenant_id,
                slot: row.slot,
                claim: row.claim,
                wait_ms: row.wait_ms.unwrap_or_default().into(),
                reason: row.reason,
                work_ms: row.work_ms,
            })
        })
        .collect()
}

/// For how long the longest statement that may yet leave events has been under way, milliseconds: what it leaves carries the
/// instant at which it began.
pub async fn longest_under_way(conn: &mut PgConnection) -> Result<Millis> {
    // Our own statement began now: PostgreSQL tells both by the same clock.
    let ms: Option<i64> = sqlx::query_scalar(
        "SELECT (extract(epoch FROM max(own.query_start - writer.xact_start)) * 1000)::bigint
         FROM pg_stat_activity writer, pg_stat_activity own
         WHERE own.pid = pg_backend_pid() AND writer.datname = current_database() AND writer.application_name = $1
           AND writer.xact_start IS NOT NULL",
    )
    .bind(WRITERS)
    .fetch_one(conn)
    .await?;
    Ok(ms.unwrap_or_default())
}

/// The instant before which there are as many events as are taken up in one go, if there are more than that.
pub async fn bound(conn: &mut PgConnection, from: Millis, to: Millis, most: i64) -> Result<Option<Millis>> {
    let at: Option<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT at FROM slot_event WHERE at >= $1 AND at < $2 ORDER BY at, event_id OFFSET $3 LIMIT 1",
    )
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(most)
    .fetch_optional(conn)
    .await?;
    // The rest of a millisecond that is not taken up whole would be lost: at least one is.
    Ok(at.map(|at| at.timestamp_millis().max(from + 1)))
}

/// The instant of the first event at or after another one.
pub async fn next_event(conn: &mut PgConnection, from: Millis) -> Result<Option<Millis>> {
    let at: Option<DateTime<Utc>> = sqlx::query_scalar("SELECT min(at) FROM slot_event WHERE at >= $1")
        .bind(timestamp(from))
        .fetch_one(conn)
        .await?;
    Ok(at.map(|at| at.timestamp_millis()))
}
