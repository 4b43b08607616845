//! Background work over the API.

use super::error::ApiError;
use super::extract::Json;
use crate::app::App;
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
            })
            .collect(),
    ))
}
