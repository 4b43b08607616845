//! The clock door: work that nobody asks for.
//!
//! A job looks at the world and makes it right. It takes no input, may run at any time and twice,
//! and runs on one server at a time: its lease is a row on the database's clock. Runs leave a row
//! that the Jobs page shows; a run that found nothing to do leaves only its newest.
//!
//! A job with a period below a minute runs all the time. Every other one has turns: each is done once, by whichever server
//! sees it first, also where that server dies or stands still in the middle; somebody may ask for one in between. What such a
//! job writes and could not write twice, it writes in a transaction that asks `app::jobs::still_in_turn` last.
//!
//! To add a job: a file here with an async function `(&Db) -> Result<Outcome>` (or of an `&App`, if it needs more), a line in
//! [`JOBS`], its name and period in `app::jobs`.

pub mod alerts;
pub mod feed;
pub mod findings;
pub mod forecasts;
pub mod partitions;
pub mod plans;
pub mod reports;
pub mod rollup;
pub mod sessions;

use crate::app::jobs::{
    ALERTS, ESCALATION, FEED, FINDINGS, FORECASTS, PARTITIONS, PLANS, REPORTS, ROLLUP, SESSIONS, Scheduled,
};
use crate::app::jobs::{TURN, is_careless, lost};
use crate::app::{App, AppError};
use crate::clock;
use futures::future::BoxFuture;
use headroom_domain::Millis;
use headroom_store::job::{self, Taker, Turn};
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
pub const JOBS: [Job; 10] = [
    Job { schedule: ROLLUP, run: |app| Box::pin(rollup::outcome(&app.db)) },
    Job { schedule: FEED, run: |app| Box::pin(feed::outcome(&app.db)) },
    Job { schedule: FINDINGS, run: |app| Box::pin(findings::run(&app.db)) },
    Job { schedule: ALERTS, run: |app| Box::pin(alerts::judge(&app.db)) },
    Job { schedule: ESCALATION, run: |app| Box::pin(alerts::escalate(&app.db)) },
    Job { schedule: PLANS, run: |app| Box::pin(plans::run(app)) },
    Job { schedule: FORECASTS, run: |app| Box::pin(forecasts::run(app)) },
    Job { schedule: REPORTS, run: |app| Box::pin(reports::run(app)) },
    Job { schedule: PARTITIONS, run: |app| Box::pin(partitions::run(&app.db)) },
    Job { schedule: SESSIONS, run: |app| Box::pin(sessions::run(&app.db)) },
];

/// After the first samples the rollup waits this long for more: pages are at most this much later than the samples.
const GATHER: Duration = Duration::from_secs(1);

/// Turns are looked for this often: one that is asked for, or whose server died, waits no longer.
const LOOK: Duration = Duration::from_secs(2);
/// After a failure nothing is tried for this long.
const PAUSE: Duration = Duration::from_secs(10);
/// A turn that failed is due again after this long.
const AGAIN_MS: Millis = 60_000;
/// Whoever stops the server waits for a run no longer than this. It is due again, as if the server had died in it, but at once.
const GRACE: Duration = Duration::from_secs(5);
/// A lease is renewed so often within its time.
const RENEWALS: u64 = 4;

/// The server that runs jobs.
#[derive(Debug, Clone)]
struct Me {
    owner: Uuid,
    /// Where it is reached.
    url: Arc<str>,
}

/// Runs all jobs until cancelled. `url` is where this server is reached, `samples` wakes the rollup early.
pub async fn run_all(app: App, url: String, samples: Arc<Notify>, cancel: CancellationToken) {
    let me = Me { owner: clock::uuid(), url: url.into() };
    let mut tasks = tokio::task::JoinSet::new();
    for job in JOBS {
        let (app, me, samples, cancel) = (app.clone(), me.clone(), samples.clone(), cancel.clone());
        tasks.spawn(async move {
            while !cancel.is_cancelled() {
                let done = if job.schedule.is_continuous() {
                    run_once(&app, &job, me.owner).await
                } else {
                    take_turn(&app, &job, &me, &cancel).await
                };
                if let Err(error) = &done {
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
                let wait = match done {
                    _ if job.schedule.is_continuous() => Duration::from_millis(job.schedule.period_ms as u64),
                    Ok(()) => LOOK,
                    Err(_) => PAUSE,
                };
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = nudged => {}
                    () = cancel.cancelled() => {}
                }
            }
            if let Ok(mut conn) = app.db.jobs.acquire().await {
                // A lease that is not given back runs out by itself.
                let _ = job::release(&mut conn, job.schedule.name, me.owner).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// How a run ended, as it is recorded.
fn outcome_of(result: &Result<Outcome, AppError>) -> (&'static str, Value) {
    match result {
        Ok(outcome) if !outcome.acted => ("nothing", outcome.detail.clone()),
        Ok(outcome) => ("done", outcome.detail.clone()),
        Err(error) => ("failed", json!({ "error": error.to_string() })),
    }
}

/// One round of a job that runs all the time, if its lease can be had.
#[tracing::instrument(name = "job", skip_all, fields(job = job.schedule.name))]
pub async fn run_once(app: &App, job: &Job, owner: Uuid) -> Result<(), AppError> {
    let ttl_ms = job.schedule.period_ms + job.schedule.margin_ms;
    let (epoch, started_ms) = {
        let mut conn = app.db.jobs.acquire().await?;
        let Some(epoch) = job::lease(&mut conn, job.schedule.name, owner, ttl_ms).await? else { return Ok(()) };
        (epoch, headroom_store::now(&mut conn).await?)
    };
    let result = (job.run)(app).await;
    let (outcome, detail) = outcome_of(&result);
    let mut tx = app.db.jobs.begin().await?;
    let run = job::Run {
        job: job.schedule.name.into(),
        started_ms,
        finished_ms: Some(headroom_store::now(&mut tx).await?),
        outcome: Some(outcome.into()),
        detail,
        due_ms: None,
        asked_by: None,
        server: None,
    };
    job::record(&mut tx, clock::uuid(), epoch, &run).await?;
    tx.commit().await?;
    result.map(|_| ())
}

/// The turn of a job that is due or asked for, if no other server is at it. A turn belongs to whoever has its epoch: a server that died is
/// followed by another one, a server that stood still finds that its turn is another's.
#[tracing::instrument(name = "job", skip_all, fields(job = job.schedule.name))]
async fn take_turn(app: &App, job: &Job, me: &Me, cancel: &CancellationToken) -> Result<(), AppError> {
    let schedule = &job.schedule;
    let ttl_ms = schedule.margin_ms;
    let turn = {
        let mut conn = app.db.jobs.acquire().await?;
        if !job::is_wanted(&mut conn, schedule.name, schedule.period_ms).await? {
            return Ok(());
        }
        let taker =
            Taker { job: schedule.name, owner: me.owner, server: &me.url, period_ms: schedule.period_ms, ttl_ms };
        let Some(turn) = job::begin(&mut conn, &taker).await? else { return Ok(()) };
        turn
    };
    let run = TURN.scope(turn.clone(), (job.run)(app));
    let stopped = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let result = tokio::select! {
        result = run => result,
        () = stopped => return Ok(()),
        () = lost_turn(app, &turn, ttl_ms) => return Err(AppError::Conflict(lost(&turn))),
    };
    end_turn(app, schedule, &turn, me, &result).await?;
    result.map(|_| ())
}

/// Keeps a turn, and returns when another server has it.
async fn lost_turn(app: &App, turn: &Turn, ttl_ms: Millis) {
    loop {
        tokio::time::sleep(Duration::from_millis(ttl_ms.unsigned_abs() / RENEWALS)).await;
        let kept = async { Ok::<_, AppError>(job::go_on(&mut *app.db.jobs.acquire().await?, turn, ttl_ms).await?) };
        match kept.await {
            Ok(true) => {}
            Ok(false) if is_careless() => {}
            Ok(false) => return,
            // Whoever has the turn is asked again when what the run did is to be kept.
            Err(error) => tracing::warn!(job = turn.job, %error, "whether the turn is still ours is not known"),
        }
    }
}

/// Records a turn, unless another server has it by now.
async fn end_turn(
    app: &App,
    schedule: &Scheduled,
    turn: &Turn,
    me: &Me,
    result: &Result<Outcome, AppError>,
) -> Result<(), AppError> {
    let (outcome, detail) = outcome_of(result);
    let mut tx = app.db.jobs.begin().await?;
    let now = headroom_store::now(&mut tx).await?;
    let next = turn.due_ms.map(|due| {
        let regular = due + schedule.period_ms;
        // What failed is tried again soon, and stays the same turn until the next is due.
        if result.is_err() { regular.min(now + AGAIN_MS) } else { regular }
    });
    if !job::end(&mut tx, turn, next).await? && !is_careless() {
        return Err(AppError::Conflict(lost(turn)));
    }
    let run = job::Run {
        job: schedule.name.into(),
        started_ms: turn.started_ms,
        finished_ms: Some(now),
        outcome: Some(outcome.into()),
        detail,
        due_ms: turn.due_ms,
        asked_by: turn.asked_by.clone(),
        server: Some(me.url.to_string()),
    };
    job::record(&mut tx, clock::uuid(), turn.epoch, &run).await?;
    tx.commit().await?;
    Ok(())
}
