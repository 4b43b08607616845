//! Leases and runs of background jobs.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Takes or renews the lease of a job for `ttl_ms` on the database's clock. The epoch grows each
/// time the lease changes hands; `None` while another owner holds it.
pub async fn lease(conn: &mut PgConnection, job: &str, owner: Uuid, ttl_ms: i64) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar(
        "INSERT INTO job_lease AS l (job, owner, epoch, expires_at) VALUES ($1, $2, 1, hr_now() + $3 * interval '1 millisecond')
         ON CONFLICT (job) DO UPDATE SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at,
             epoch = l.epoch + (l.owner IS DISTINCT FROM EXCLUDED.owner)::int
         WHERE l.owner IS NOT DISTINCT FROM EXCLUDED.owner OR l.owner IS NULL OR l.expires_at < hr_now()
         RETURNING epoch",
    )
    .bind(job)
    .bind(owner)
    .bind(ttl_ms)
    .fetch_optional(conn)
    .await?)
}

/// Whether the lease of a job is still held at an epoch; checked in the transaction that writes.
pub async fn holds(conn: &mut PgConnection, job: &str, owner: Uuid, epoch: i64) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM job_lease WHERE job = $1 AND owner = $2 AND epoch = $3 FOR SHARE)",
    )
    .bind(job)
    .bind(owner)
    .bind(epoch)
    .fetch_one(conn)
    .await?)
}

/// Gives a lease back.
pub async fn release(conn: &mut PgConnection, job: &str, owner: Uuid) -> Result<()> {
    sqlx::query("UPDATE job_lease SET owner = NULL, expires_at = NULL WHERE job = $1 AND owner = $2")
        .bind(job)
        .bind(owner)
        .execute(conn)
        .await?;
    Ok(())
}

/// A run of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The job's name.
    pub job: String,
    /// When it began.
    pub started_ms: Millis,
    /// When it ended; `None` = it runs, or its server died.
    pub finished_ms: Option<Millis>,
    /// `done`, `nothing` or `failed`.
    pub outcome: Option<String>,
    /// What it did.
    pub detail: Value,
}

/// Records a finished run. Runs that found nothing to do replace the one before of their kind, so
/// that an idle job does not fill the table.
pub async fn record(conn: &mut PgConnection, id: Uuid, epoch: i64, run: &Run) -> Result<()> {
    if run.outcome.as_deref() == Some("nothing") {
        sqlx::query("DELETE FROM job_run WHERE job = $1 AND outcome = 'nothing'")
            .bind(&run.job)
            .execute(&mut *conn)
            .await?;
    }
    sqlx::query(
        "INSERT INTO job_run (run_id, job, epoch, started_at, finished_at, outcome, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(&run.job)
    .bind(epoch)
    .bind(timestamp(run.started_ms))
    .bind(run.finished_ms.map(timestamp))
    .bind(&run.outcome)
    .bind(&run.detail)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct RunRow {
    job: String,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    outcome: Option<String>,
    detail: Value,
}

/// The newest runs, of one job or of all.
pub async fn runs(conn: &mut PgConnection, job: Option<&str>, limit: i64) -> Result<Vec<Run>> {
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT job, started_at, finished_at, outcome, detail FROM job_run
         WHERE $1::text IS NULL OR job = $1 ORDER BY started_at DESC LIMIT $2",
    )
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Run {
            job: r.job,
            started_ms: r.started_at.timestamp_millis(),
            finished_ms: r.finished_at.map(|at| at.timestamp_millis()),
            outcome: r.outcome,
            detail: r.detail,
        })
        .collect())
}

/// Removes runs that began before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    Ok(sqlx::query("DELETE FROM job_run WHERE started_at < $1")
        .bind(timestamp(before))
        .execute(conn)
        .await?
        .rows_affected())
}
