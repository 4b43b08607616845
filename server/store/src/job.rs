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
    /// The turn that it was; `None` = it was asked for, or is one of a job that runs all the time.
    pub due_ms: Option<Millis>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// Where it ran.
    pub server: Option<String>,
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
        "INSERT INTO job_run (run_id, job, epoch, started_at, finished_at, outcome, detail, due_at, asked_by, server)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id)
    .bind(&run.job)
    .bind(epoch)
    .bind(timestamp(run.started_ms))
    .bind(run.finished_ms.map(timestamp))
    .bind(&run.outcome)
    .bind(&run.detail)
    .bind(run.due_ms.map(timestamp))
    .bind(&run.asked_by)
    .bind(&run.server)
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
    due_at: Option<DateTime<Utc>>,
    asked_by: Option<String>,
    server: Option<String>,
}

/// The newest runs, of one job or of all.
pub async fn runs(conn: &mut PgConnection, job: Option<&str>, limit: i64) -> Result<Vec<Run>> {
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT job, started_at, finished_at, outcome, detail, due_at, asked_by, server FROM job_run
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
            due_ms: r.due_at.map(|at| at.timestamp_millis()),
            asked_by: r.asked_by,
            server: r.server,
        })
        .collect())
}

/// A turn of a job that is done at set times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The job.
    pub job: String,
    /// Who does it.
    pub owner: Uuid,
    /// Grows with each turn that another one does.
    pub epoch: i64,
    /// Which turn it is; `None` = somebody asked for it in between.
    pub due_ms: Option<Millis>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// When it began.
    pub started_ms: Millis,
}

/// Whoever wants to do a turn of a job.
#[derive(Debug, Clone, Copy)]
pub struct Taker<'a> {
    /// The job.
    pub job: &'a str,
    /// Who.
    pub owner: Uuid,
    /// Where it is reached.
    pub server: &'a str,
    /// A turn is due so often.
    pub period_ms: Millis,
    /// It has to say that it goes on as often as this.
    pub ttl_ms: Millis,
}

/// Whether a turn is due, or somebody asked for one. A time that lies further ahead than the period is from before the clock was set
/// back.
macro_rules! is_wanted {
    () => {
        "(asked_at IS NOT NULL OR next_due IS NULL OR next_due <= hr_now() OR next_due > hr_now() + $2 * interval '1 millisecond')"
    };
}

/// Whether a turn of a job could be begun now. Only a look: [`begin`] decides.
pub async fn is_wanted(conn: &mut PgConnection, job: &str, period_ms: Millis) -> Result<bool> {
    let statement = concat!(
        "SELECT coalesce((SELECT (owner IS NULL OR expires_at < hr_now()) AND ",
        is_wanted!(),
        " FROM job_lease WHERE job = $1), true)"
    );
    Ok(sqlx::query_scalar(statement).bind(job).bind(period_ms).fetch_one(conn).await?)
}

/// Begins the turn of a job that is due or asked for, unless another one is at it. Of turns that were missed the last is done.
pub async fn begin(conn: &mut PgConnection, taker: &Taker<'_>) -> Result<Option<Turn>> {
    sqlx::query("INSERT INTO job_lease (job) VALUES ($1) ON CONFLICT (job) DO NOTHING")
        .bind(taker.job)
        .execute(&mut *conn)
        .await?;
    let statement = concat!(
        "WITH seen AS (
             SELECT job, next_due IS NULL OR next_due <= hr_now() OR next_due > hr_now() + $2 * interval '1 millisecond' AS is_due
             FROM job_lease
             WHERE job = $1 AND (owner IS NULL OR owner = $3 OR expires_at < hr_now()) AND ",
        is_wanted!(),
        " FOR UPDATE)
         UPDATE job_lease l SET owner = $3, server = $4, epoch = l.epoch + 1, running_since = hr_now(),
             expires_at = hr_now() + $5 * interval '1 millisecond'
         FROM seen WHERE l.job = seen.job RETURNING l.epoch, seen.is_due, l.asked_by, l.running_since"
    );
    let row: Option<(i64, bool, Option<String>, DateTime<Utc>)> = sqlx::query_as(statement)
        .bind(taker.job)
        .bind(taker.period_ms)
        .bind(taker.owner)
        .bind(taker.server)
        .bind(taker.ttl_ms)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|(epoch, is_due, asked_by, started)| {
        let started_ms = started.timestamp_millis();
        let due_ms = is_due.then(|| started_ms.div_euclid(taker.period_ms) * taker.period_ms);
        Turn { job: taker.job.to_owned(), owner: taker.owner, epoch, due_ms, asked_by, started_ms }
    }))
}

/// Says that a turn goes on; false if another one has it.
pub async fn go_on(conn: &mut PgConnection, turn: &Turn, ttl_ms: Millis) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE job_lease SET expires_at = hr_now() + $4 * interval '1 millisecond' WHERE job = $1 AND owner = $2 AND epoch = $3",
    )
    .bind(&turn.job)
    .bind(turn.owner)
    .bind(turn.epoch)
    .bind(ttl_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a turn; the next one is due at an instant. False, and nothing is changed, if another one has it.
pub async fn end(conn: &mut PgConnection, turn: &Turn, next_due: Option<Millis>) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE job_lease SET owner = NULL, expires_at = NULL, server = NULL, running_since = NULL, next_due = coalesce($4, next_due),
             asked_by = CASE WHEN asked_at > running_since THEN asked_by END,
             asked_at = CASE WHEN asked_at > running_since THEN asked_at END
         WHERE job = $1 AND owner = $2 AND epoch = $3",
    )
    .bind(&turn.job)
    .bind(turn.owner)
    .bind(turn.epoch)
    .bind(next_due.map(timestamp))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The job.
    pub job: String,
    /// Since when it runs; `None` = it does not.
    pub running_since_ms: Option<Millis>,
    /// Where it runs.
    pub server: Option<String>,
    /// When the next turn is due; `None` = it never ran, or runs all the time.
    pub next_due_ms: Option<Millis>,
    /// Since when somebody waits for a run that was asked for.
    pub asked_ms: Option<Millis>,
    /// Who.
    pub asked_by: Option<String>,
}

#[derive(FromRow)]
struct StandingRow {
    job: String,
    running_since: Option<DateTime<Utc>>,
    server: Option<String>,
    next_due: Option<DateTime<Utc>>,
    asked_at: Option<DateTime<Utc>>,
    asked_by: Option<String>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        Self {
            job: row.job,
            running_since_ms: ms(row.running_since),
            server: row.server,
            next_due_ms: ms(row.next_due),
            asked_ms: ms(row.asked_at),
            asked_by: row.asked_by,
        }
    }
}

/// How the jobs stand; one whose server is gone does not run.
pub async fn standings(conn: &mut PgConnection) -> Result<Vec<Standing>> {
    let rows: Vec<StandingRow> = sqlx::query_as(
        "SELECT job, CASE WHEN expires_at > hr_now() THEN running_since END AS running_since,
                CASE WHEN expires_at > hr_now() THEN server END AS server, next_due, asked_at, asked_by
         FROM job_lease ORDER BY job",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Standing::from).collect())
}

/// Asks for a run of a job. `None` = it is asked for; otherwise how the job stands that runs, or was asked for, already.
pub async fn ask(conn: &mut PgConnection, job: &str, by: &str) -> Result<Option<Standing>> {
    sqlx::query("INSERT INTO job_lease (job) VALUES ($1) ON CONFLICT (job) DO NOTHING")
        .bind(job)
        .execute(&mut *conn)
        .await?;
    let done = sqlx::query(
        "UPDATE job_lease SET asked_at = hr_now(), asked_by = $2
         WHERE job = $1 AND asked_at IS NULL AND NOT (running_since IS NOT NULL AND coalesce(expires_at > hr_now(), false))",
    )
    .bind(job)
    .bind(by)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(None);
    }
    Ok(standings(conn).await?.into_iter().find(|standing| standing.job == job))
}

/// Removes runs that began before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    Ok(sqlx::query("DELETE FROM job_run WHERE started_at < $1")
        .bind(timestamp(before))
        .execute(conn)
        .await?
        .rows_affected())
}
