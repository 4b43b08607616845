//! Background work over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path};
use crate::app::App;
use crate::app::jobs::SCHEDULE;
use axum::http::StatusCode;
use headroom_domain::range;
use serde::Serialize;
use utoipa::ToSchema;

/// One run of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunOut {
    /// The job.
    pub job: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// `done`, `nothing` or `failed`.
    pub outcome: Option<String>,
    /// What it did.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// The turn that it was; null if it was asked for, or is one of a job that runs all the time.
    pub due_at: Option<String>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// Where it ran.
    pub server: Option<String>,
}

/// A job as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobOut {
    /// Its name.
    pub job: &'static str,
    /// What it does.
    pub purpose: &'static str,
    /// How often it runs, seconds.
    pub period_s: i64,
    /// Why as often as that.
    pub why: &'static str,
    /// It runs all the time; every other job has turns, each done once.
    pub continuous: bool,
    /// When its next turn is due; null if it never ran, or runs all the time.
    pub next_due: Option<String>,
    /// Since when it runs; null if it does not.
    pub running_since: Option<String>,
    /// Where it runs.
    pub server: Option<String>,
    /// Who asked for the run that begins next.
    pub asked_by: Option<String>,
}

/// The newest runs of all jobs, at most 200.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "operations", responses((status = 200, body = Vec<RunOut>)))]
pub async fn list(app: App) -> Result<Json<Vec<RunOut>>, ApiError> {
    let runs = app.job_runs(200).await?;
    Ok(Json(
        runs.into_iter()
            .map(|r| RunOut {
                job: r.job,
                started_at: range::rfc3339(r.started_ms),
                finished_at: r.finished_ms.map(range::rfc3339),
                outcome: r.outcome,
                detail: r.detail,
                due_at: r.due_ms.map(range::rfc3339),
                asked_by: r.asked_by,
                server: r.server,
            })
            .collect(),
    ))
}

/// Every job as it stands: how often it runs and why, when its next turn is due, whether it runs.
#[utoipa::path(get, path = "/api/v1/jobs/schedule", tag = "operations", responses((status = 200, body = Vec<JobOut>)))]
pub async fn schedule(app: App) -> Result<Json<Vec<JobOut>>, ApiError> {
    let standings = app.job_standings().await?;
    let out = |job: &crate::app::jobs::Scheduled| {
        let standing = standings.iter().find(|standing| standing.job == job.name);
        JobOut {
            job: job.name,
            purpose: job.purpose,
            period_s: job.period_ms / 1_000,
            why: job.why(),
            continuous: job.is_continuous(),
            next_due: standing.and_then(|standing| standing.next_due_ms).map(range::rfc3339),
            running_since: standing.and_then(|standing| standing.running_since_ms).map(range::rfc3339),
            server: standing.and_then(|standing| standing.server.clone()),
            asked_by: standing.and_then(|standing| standing.asked_by.clone()),
        }
    };
    Ok(Json(SCHEDULE.iter().map(out).collect()))
}

/// Asks for a run of a job now. It begins within seconds, on whichever server looks first; one that runs is not started a second time.
#[utoipa::path(post, path = "/api/v1/jobs/{job}/run", tag = "operations",
    params(("job" = String, Path, description = "name of the job")),
    responses((status = 202, description = "it begins within seconds"), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn run(app: App, Path(job): Path<String>) -> Result<StatusCode, ApiError> {
    app.run_job(&job).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Tells an import to stop. What it read is kept, and the same command goes on with it.
#[utoipa::path(post, path = "/api/v1/imports/{import}/cancel", tag = "operations",
    params(("import" = i32, Path, description = "number of the import")),
    responses((status = 202, description = "it stops with its next piece"), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn cancel_import(app: App, Path(import): Path<i32>) -> Result<StatusCode, ApiError> {
    app.cancel_import(import).await?;
    Ok(StatusCode::ACCEPTED)
}
