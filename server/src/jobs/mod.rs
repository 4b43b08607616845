//! The clock door: work that nobody asks for.
//!
//! A job looks at the world and makes it right. It takes no input, may run at any time and twice,
//! and runs on one server at a time: its lease is a row on the database's clock. Runs leave a row
//! that the Jobs page shows; a run that found nothing to do leaves only its newest.
//!
//! To add a job: a file here with an async function `(&Db) -> Result<Outcome>` (or of an `&App`, if it needs more), a line in
//! [`JOBS`], its name and period in `app::jobs`.

pub mod alerts;
pub mod feed;
pub mod findings;
pub mod partitions;
pub mod plans;
pub mod reports;
pub mod rollup;
pub mod sessions;

use crate::app::jobs::{ALERTS, ESCALATION, FEED, FINDINGS, PARTITIONS, PLANS, REPORTS, ROLLUP, SESSIONS, Scheduled};
use crate::app::{App, AppError};
use crate::clock;
use futures::future::BoxFuture;
use headroom_store::job;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// False if there was nothing to do.
    pub acted: bool,
    /// What was done, in numbers.
    pub detail: Value,
}

/// A job: its line of the schedule, and one run of it.
pub struct Job {
    /// Name, purpose, period.
    pub schedule: Scheduled,
    /// One run.
    pub run: for<'a> fn(&'a App) -> BoxFuture<'a, Result<Outcome, AppError>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

/// Every job there is.
pub const JOBS: [Job; 9] = [
    Job { schedule: ROLLUP, run: |app| Box::pin(rollup::outcome(&app.db)) },
    Job { schedule: FEED, run: |app| Box::pin(feed::outcome(&app.db)) },
    Job { schedule: FINDINGS, run: |app| Box::pin(findings::run(&app.db)) },
    Job { schedule: ALERTS, run: |app| Box::pin(alerts::judge(&app.db)) },
    Job { schedule: ESCALATION, run: |app| Box::pin(alerts::escalate(&app.db)) },
    Job { schedule: PLANS, run: |app| Box::pin(plans::run(app)) },
    Job { schedule: REPORTS, run: |app| Box::pin(reports::run(app)) },
    Job { schedule: PARTITIONS, run: |app| Box::pin(partitions::run(&app.db)) },
    Job { schedule: SESSIONS, run: |app| Box::pin(sessions::run(&app.db)) },
];

/// After the first samples the rollup waits this long for more: pages are at most this much later than the samples.
const GATHER: Duration = Duration::from_secs(1);

/// Runs all jobs until cancelled. `samples` wakes the rollup early.
pub async fn run_all(app: App, samples: Arc<Notify>, cancel: CancellationToken) {
    let owner = clock::uuid();
    let mut tasks = tokio::task::JoinSet::new();
    for job in JOBS {
        let (app, samples, cancel) = (app.clone(), samples.clone(), cancel.clone());
        tasks.spawn(async move {
            while !cancel.is_cancelled() {
                if let Err(error) = run_once(&app, &job, owner).await {
                    tracing::warn!(job = job.schedule.name, %error, "job failed, it runs again at its next turn");
                }
                // Only the rollup is woken early: the others have nothing to do with samples.
                let nudged = async {
                    if job.schedule.name != ROLLUP.name {
                        std::future::pending::<()>().await;
                    }
                    samples.notified().await;
                    // Batches that come close together are added up together: their blocks are written once.
                    tokio::time::sleep(GATHER).await;
                };
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(job.schedule.period_ms as u64)) => {}
                    () = nudged => {}
                    () = cancel.cancelled() => {}
                }
            }
            if let Ok(mut conn) = app.db.jobs.acquire().await {
                // A lease that is not given back runs out by itself.
                let _ = job::release(&mut conn, job.schedule.name, owner).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// One turn of a job, if its lease can be had.
#[tracing::instrument(name = "job", skip_all, fields(job = job.schedule.name))]
pub async fn run_once(app: &App, job: &Job, owner: Uuid) -> Result<(), AppError> {
    let ttl_ms = job.schedule.period_ms + job.schedule.margin_ms;
    let (epoch, started_ms) = {
        let mut conn = app.db.jobs.acquire().await?;
        let Some(epoch) = job::lease(&mut conn, job.schedule.name, owner, ttl_ms).await? else { return Ok(()) };
        (epoch, headroom_store::now(&mut conn).await?)
    };
    let result = (job.run)(app).await;
    let (outcome, detail) = match &result {
        Ok(outcome) if !outcome.acted => ("nothing", outcome.detail.clone()),
        Ok(outcome) => ("done", outcome.detail.clone()),
        Err(error) => ("failed", json!({ "error": error.to_string() })),
    };
    let mut tx = app.db.jobs.begin().await?;
    let run = job::Run {
        job: job.schedule.name.into(),
        started_ms,
        finished_ms: Some(headroom_store::now(&mut tx).await?),
        outcome: Some(outcome.into()),
        detail,
    };
    job::record(&mut tx, clock::uuid(), epoch, &run).await?;
    tx.commit().await?;
    result.map(|_| ())
}
