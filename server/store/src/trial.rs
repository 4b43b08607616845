//! Trials of capacity that was taken away: what ends them, and how they ended.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::{FromRow, PgConnection};

/// Capacity on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The pool's key.
    pub pool: i32,
    /// When the change holds.
    pub from_ms: Millis,
    /// When the trial is over.
    pub until_ms: Millis,
    /// Configured slots before.
    pub before: i32,
    /// Configured slots after.
    pub after: i32,
    /// Rejected claims of 10,000 that it may have.
    pub most_rejected: i32,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody was harmed.
    Kept,
    /// The slots came back.
    Undone,
    /// The capacity was changed again meanwhile.
    Overtaken,
}

impl End {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Undone => "undone",
            Self::Overtaken => "overtaken",
        }
    }
}

#[derive(FromRow)]
struct Row {
    pool_id: i32,
    from_at: DateTime<Utc>,
    until_at: DateTime<Utc>,
    before: i32,
    after: i32,
    most_rejected: i32,
}

impl From<Row> for Trial {
    fn from(row: Row) -> Self {
        Self {
            pool: row.pool_id,
            from_ms: row.from_at.timestamp_millis(),
            until_ms: row.until_at.timestamp_millis(),
            before: row.before,
            after: row.after,
            most_rejected: row.most_rejected,
        }
    }
}

/// Begins a trial; one that runs for the pool is overtaken.
pub async fn begin(conn: &mut PgConnection, trial: &Trial) -> Result<()> {
    overtake(conn, trial.pool).await?;
    sqlx::query(
        "INSERT INTO capacity_trial (pool_id, from_at, until_at, before, after, most_rejected) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (pool_id, from_at) DO UPDATE SET until_at = EXCLUDED.until_at, before = EXCLUDED.before,
             after = EXCLUDED.after, most_rejected = EXCLUDED.most_rejected, outcome = 'running', note = '', ended_at = NULL",
    )
    .bind(trial.pool)
    .bind(timestamp(trial.from_ms))
    .bind(timestamp(trial.until_ms))
    .bind(trial.before)
    .bind(trial.after)
    .bind(trial.most_rejected)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the trial that runs for a pool, if one does, because the capacity is changed again.
pub async fn overtake(conn: &mut PgConnection, pool: i32) -> Result<()> {
    sqlx::query(
        "UPDATE capacity_trial SET outcome = 'overtaken', ended_at = hr_now() WHERE pool_id = $1 AND outcome = 'running'",
    )
    .bind(pool)
    .execute(conn)
    .await?;
    Ok(())
}

/// Trials that run.
pub async fn running(conn: &mut PgConnection) -> Result<Vec<Trial>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT pool_id, from_at, until_at, before, after, most_rejected FROM capacity_trial
         WHERE outcome = 'running' ORDER BY pool_id",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Trial::from).collect())
}

/// The trial that runs for a pool.
pub async fn of_pool(conn: &mut PgConnection, pool: i32) -> Result<Option<Trial>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT pool_id, from_at, until_at, before, after, most_rejected FROM capacity_trial
         WHERE pool_id = $1 AND outcome = 'running'",
    )
    .bind(pool)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Trial::from))
}

/// Ends a trial; false if it does not run any more.
pub async fn end(conn: &mut PgConnection, trial: &Trial, end: End, note: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE capacity_trial SET outcome = $3, note = $4, ended_at = hr_now()
         WHERE pool_id = $1 AND from_at = $2 AND outcome = 'running'",
    )
    .bind(trial.pool)
    .bind(timestamp(trial.from_ms))
    .bind(end.as_str())
    .bind(note)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// When slots of some pools came back last because claims were rejected.
pub async fn undone(conn: &mut PgConnection, pools: &[i32], since: Millis) -> Result<Vec<(i32, Millis)>> {
    let rows: Vec<(i32, DateTime<Utc>)> = sqlx::query_as(
        "SELECT pool_id, max(ended_at) FROM capacity_trial
         WHERE pool_id = ANY($1) AND outcome = 'undone' AND ended_at >= $2 GROUP BY pool_id",
    )
    .bind(pools)
    .bind(timestamp(since))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, at)| (pool, at.timestamp_millis())).collect())
}

/// Forgets trials that were over before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM capacity_trial WHERE outcome <> 'running' AND until_at < $1")
        .bind(timestamp(before))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}
