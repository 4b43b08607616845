//! Runbooks over the API: what to do when something fires.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::App;
use crate::app::alerts::runbooks::{Listed, Read, Written};
use crate::markdown::Fill;
use headroom_domain::range::rfc3339;
use headroom_store::runbook::{Runbook, Version};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A runbook without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookOut {
    /// Slug.
    pub slug: String,
    /// Title.
    pub title: String,
    /// The newest version; send it back with a change.
    pub version: i32,
    /// When that was written, RFC 3339.
    pub updated_at: String,
    /// `tested`, `never`, `changed` (since the test) or `old` (tested more than 180 days ago).
    pub state: &'static str,
    /// When somebody last did what it says, to see whether it works.
    pub tested_at: Option<String>,
    /// Who.
    pub tested_by: Option<String>,
    /// Slugs of the rules that point to it.
    pub rules: Vec<String>,
    /// It is shipped with the product.
    pub shipped: bool,
}

impl From<Listed> for RunbookOut {
    fn from(listed: Listed) -> Self {
        let Runbook { slug, title, version, tested_ms, tested_by, updated_ms } = listed.runbook;
        Self {
            slug,
            title,
            version,
            updated_at: rfc3339(updated_ms),
            state: listed.tested.as_str(),
            tested_at: tested_ms.map(rfc3339),
            tested_by,
            rules: listed.used_by.into_iter().map(|rule| rule.slug).collect(),
            shipped: listed.shipped,
        }
    }
}

/// A version of a runbook.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookVersionOut {
    /// Its number, from 1.
    pub version: i32,
    /// Who wrote it.
    pub author: String,
    /// What they changed.
    pub note: String,
    /// When, RFC 3339.
    pub at: String,
}

impl From<&Version> for RunbookVersionOut {
    fn from(version: &Version) -> Self {
        Self {
            version: version.version,
            author: version.author.clone(),
            note: version.note.clone(),
            at: rfc3339(version.at_ms),
        }
    }
}

/// A numbered step of a runbook.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookStepOut {
    /// Its number.
    pub number: u64,
    /// Heading of its section.
    pub section: String,
    /// What to do, HTML.
    pub html: String,
}

/// A runbook with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeRunbookOut {
    /// The runbook.
    #[serde(flatten)]
    pub runbook: RunbookOut,
    /// The version that is read.
    pub read: RunbookVersionOut,
    /// Its text, Markdown, with its placeholders.
    pub body: String,
    /// The same as HTML, placeholders filled in where they are known, without the title.
    pub html: String,
    /// Its numbered steps.
    pub steps: Vec<RunbookStepOut>,
    /// The newest versions, newest first.
    pub history: Vec<RunbookVersionOut>,
}

impl From<Read> for WholeRunbookOut {
    fn from(read: Read) -> Self {
        let steps = read.outline.sections.into_iter().flat_map(|section| {
            let heading = section.heading;
            section.steps.into_iter().map(move |step| RunbookStepOut {
                number: step.number,
                section: heading.clone(),
                html: step.html,
            })
        });
        Self {
            steps: steps.collect(),
            read: (&read.version).into(),
            history: read.history.iter().map(RunbookVersionOut::from).collect(),
            body: read.version.body,
            html: read.html,
            runbook: read.listed.into(),
        }
    }
}

/// Which version, and what the reader came from.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RunbookWanted {
    /// The newest if it is left out.
    #[serde(deserialize_with = "given")]
    version: Option<i32>,
    /// Slug of a pool, for `{pool}`.
    pool: Option<String>,
    /// Slug of a tenant, for `{tenant}`.
    tenant: Option<String>,
    /// Number of an alert, for `{alert}`.
    alert: Option<String>,
}

/// All runbooks.
#[utoipa::path(get, path = "/api/v1/runbooks", tag = "alerts", responses((status = 200, body = Vec<RunbookOut>)))]
pub async fn list(app: App) -> Result<Json<Vec<RunbookOut>>, ApiError> {
    Ok(Json(app.runbooks().await?.into_iter().map(RunbookOut::from).collect()))
}

/// A runbook, with its text as it was written and as HTML.
#[utoipa::path(get, path = "/api/v1/runbooks/{runbook}", tag = "alerts",
    params(("runbook" = String, Path, description = "slug"), RunbookWanted),
    responses((status = 200, body = WholeRunbookOut), (status = 404, body = ProblemBody)))]
pub async fn get(
    app: App,
    Path(slug): Path<String>,
    Query(wanted): Query<RunbookWanted>,
) -> Result<Json<WholeRunbookOut>, ApiError> {
    let fill = Fill { pool: wanted.pool, tenant: wanted.tenant, alert: wanted.alert };
    Ok(Json(app.runbook(&slug, wanted.version, &fill).await?.into()))
}

/// A runbook as it is written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookIn {
    /// The version that was read; 0 makes a new runbook.
    version: Option<i32>,
    /// Markdown; its first line is the title, `# Pool exhausted`.
    body: String,
    /// What was changed, at most 500 characters.
    #[serde(default)]
    note: String,
}

/// Writes the next version of a runbook, or a new one with `version` 0. Older versions stay readable.
#[utoipa::path(put, path = "/api/v1/runbooks/{runbook}", tag = "alerts", request_body = RunbookIn,
    params(("runbook" = String, Path, description = "slug")),
    responses((status = 200, body = WholeRunbookOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn write(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<RunbookIn>,
) -> Result<Json<WholeRunbookOut>, ApiError> {
    let written = Written { seen: body.version, body: body.body, note: body.note };
    app.write_runbook(&slug, &written).await?;
    Ok(Json(app.runbook(&slug, None, &Fill::default()).await?.into()))
}

/// Which version was tested.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestedIn {
    /// The version that was read.
    version: Option<i32>,
}

/// Remembers that you did what a runbook says, and that it works.
#[utoipa::path(post, path = "/api/v1/runbooks/{runbook}/tested", tag = "alerts", request_body = TestedIn,
    params(("runbook" = String, Path, description = "slug")),
    responses((status = 200, body = WholeRunbookOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn tested(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<TestedIn>,
) -> Result<Json<WholeRunbookOut>, ApiError> {
    app.test_runbook(&slug, body.version).await?;
    Ok(Json(app.runbook(&slug, None, &Fill::default()).await?.into()))
}
