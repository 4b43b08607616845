//! Silences over the API: what is kept from people for a while, by whom, why, and what that hides now.

use super::error::{ApiError, FieldProblem, ProblemBody};
use super::extract::{Json, Path};
use crate::app::alerts::silences::{Preview, SilenceShown, Wish};
use crate::app::alerts::view::Shown;
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use headroom_domain::Millis;
use headroom_domain::alert::matcher::Matcher;
use headroom_domain::range::{self, rfc3339};
use headroom_store::silence::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A condition on alerts.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatcherBody {
    /// `rule`, `pool`, `tenant` or `severity`.
    pub name: String,
    /// `=`, `!=`, `=~` or `!~`; a regular expression must match the whole value.
    pub op: String,
    /// With what it is compared: a slug, `page` or `ticket`, or a regular expression. Empty or `*` is the pool as a whole.
    #[serde(default)]
    pub value: String,
}

/// A silence as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceIn {
    /// The version that you saw (PUT).
    #[serde(default)]
    version: Option<i32>,
    /// `silence` (nobody is told; the usual), or `maintenance` (what happens meanwhile counts for no promise either; pools only).
    #[serde(default)]
    kind: Option<String>,
    /// All of them must match. A silence that would hide everything is refused.
    matchers: Vec<MatcherBody>,
    /// From when, RFC 3339 or such as `now+1h`; now if it is left out, on PUT as it was.
    #[serde(default)]
    from: Option<String>,
    /// Until when; at most 7 days after its beginning.
    until: String,
    /// Why, 1 to 2,000 characters.
    #[serde(default)]
    note: String,
    /// It ends when all that it hid is over.
    #[serde(default)]
    expire_on_resolve: bool,
}

/// An alert that is hidden.
#[derive(Debug, Serialize, ToSchema)]
pub struct HiddenOut {
    /// Its number.
    pub id: i64,
    /// Slug of its rule.
    pub rule: String,
    /// The pool's slug; null if it is about Headroom itself.
    pub pool: Option<String>,
    /// The tenant's slug; null for the pool as a whole.
    pub tenant: Option<String>,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// What, how much of how much.
    pub text: String,
}

impl From<Shown> for HiddenOut {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.row.id,
            rule: shown.row.rule,
            pool: shown.pool.map(|pool| pool.slug),
            tenant: shown.tenant.map(|tenant| tenant.slug),
            severity: shown.row.alert.severity.as_str(),
            text: shown.says,
        }
    }
}

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceOut {
    /// Its number.
    pub id: i64,
    /// Grows with each change; send it back with a PUT.
    pub version: i32,
    /// `silence` or `maintenance`.
    pub kind: &'static str,
    /// `active`, `planned` or `ended`.
    pub state: &'static str,
    /// What it hides; those that name what you may not see are left out.
    pub matchers: Vec<MatcherBody>,
    /// From when, RFC 3339.
    pub from: String,
    /// Until when it was meant to be.
    pub until: String,
    /// When it ended early.
    pub ended_at: Option<String>,
    /// Who ended it early; null if it ended by itself.
    pub ended_by: Option<String>,
    /// Why; empty for those who see some tenants only.
    pub note: String,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub created_at: String,
    /// It ends when all that it hid is over.
    pub expire_on_resolve: bool,
    /// When it last hid something.
    pub matched_at: Option<String>,
    /// It hid nothing for a day: it may be of no use.
    pub useless: bool,
    /// Alerts that fire now and that it hides, or would hide if it had begun; none once it is over.
    pub hides: Vec<HiddenOut>,
}

impl From<SilenceShown> for SilenceOut {
    fn from(shown: SilenceShown) -> Self {
        let one = shown.stored;
        Self {
            id: one.id,
            version: one.version,
            kind: one.kind.as_str(),
            state: shown.phase.as_str(),
            matchers: one
                .matchers
                .into_iter()
                .map(|matcher| MatcherBody { name: matcher.name, op: matcher.op, value: matcher.value })
                .collect(),
            from: rfc3339(one.times.from_ms),
            until: rfc3339(one.times.until_ms),
            ended_at: one.times.ended_ms.map(rfc3339),
            ended_by: one.ended_by,
            note: one.note,
            author: one.author,
            created_at: rfc3339(one.created_ms),
            expire_on_resolve: one.times.expire_on_resolve,
            matched_at: one.times.matched_ms.map(rfc3339),
            useless: shown.useless,
            hides: shown.hides.into_iter().map(HiddenOut::from).collect(),
        }
    }
}

/// Silences.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilencesOut {
    /// When this was so, RFC 3339.
    pub at: String,
    /// Active ones first, then planned ones, then those that ended in the last seven days.
    pub silences: Vec<SilenceOut>,
}

/// What a silence would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewOut {
    /// Alerts that fire now and that it would hide.
    pub hides: Vec<HiddenOut>,
    /// Why it would be refused; nothing if it would not.
    pub errors: Vec<FieldProblem>,
    /// What it names and nothing is called, a sentence each: most likely a slip.
    pub unknown: Vec<String>,
}

async fn wish(app: &App, body: SilenceIn) -> Result<(Option<i32>, Wish), ApiError> {
    let now = app.now().await?;
    let kind = match body.kind.as_deref() {
        None => Kind::Silence,
        Some(word) => Kind::parse(word).ok_or_else(|| AppError::invalid("kind", word, "silence or maintenance"))?,
    };
    let instant = |field: &str, text: &str| -> Result<Millis, AppError> {
        range::ahead(text, now).map_err(|error| AppError::range(field, text, &error))
    };
    let from_ms = body.from.as_deref().map(|text| instant("from", text)).transpose()?;
    let until_ms = instant("until", &body.until)?;
    let matchers =
        body.matchers.into_iter().map(|one| Matcher { name: one.name, op: one.op, value: one.value }).collect();
    let wish = Wish { kind, matchers, from_ms, until_ms, note: body.note, expire_on_resolve: body.expire_on_resolve };
    Ok((body.version, wish))
}

/// Silences that hide, that are planned and that ended in the last seven days. Who sees some pools or tenants only sees those
/// that could hide something from them.
#[utoipa::path(get, path = "/api/v1/silences", tag = "alerts", responses((status = 200, body = SilencesOut)))]
pub async fn list(app: App) -> Result<Json<SilencesOut>, ApiError> {
    let listed = app.silences().await?;
    let silences = listed.all.into_iter().map(SilenceOut::from).collect();
    Ok(Json(SilencesOut { at: rfc3339(listed.now), silences }))
}

/// One silence.
#[utoipa::path(get, path = "/api/v1/silences/{silence}", tag = "alerts",
    params(("silence" = i64, Path, description = "number of the silence")),
    responses((status = 200, body = SilenceOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(id): Path<i64>) -> Result<Json<SilenceOut>, ApiError> {
    Ok(Json(app.silence(id).await?.into()))
}

/// Makes a silence.
#[utoipa::path(post, path = "/api/v1/silences", tag = "alerts", request_body = SilenceIn,
    responses((status = 201, body = SilenceOut), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<SilenceIn>) -> Result<Response, ApiError> {
    let (_, wish) = wish(&app, body).await?;
    let made = SilenceOut::from(app.create_silence(&wish).await?);
    let location = format!("/api/v1/silences/{}", made.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(made)).into_response())
}

/// Changes a silence that is not over: all of it but its kind.
#[utoipa::path(put, path = "/api/v1/silences/{silence}", tag = "alerts", request_body = SilenceIn,
    params(("silence" = i64, Path, description = "number of the silence")),
    responses((status = 200, body = SilenceOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update(
    app: App,
    Path(id): Path<i64>,
    Json(mut body): Json<SilenceIn>,
) -> Result<Json<SilenceOut>, ApiError> {
    if body.kind.is_none() {
        body.kind = Some(app.silence(id).await?.stored.kind.as_str().to_owned());
    }
    let (version, wish) = wish(&app, body).await?;
    let version = version.ok_or(AppError::Unversioned("version in the body"))?;
    Ok(Json(app.update_silence(id, version, &wish).await?.into()))
}

/// Ends a silence now. What it hid and still fires is told within a second.
#[utoipa::path(delete, path = "/api/v1/silences/{silence}", tag = "alerts",
    params(("silence" = i64, Path, description = "number of the silence")),
    responses((status = 200, body = SilenceOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn end(app: App, Path(id): Path<i64>) -> Result<Json<SilenceOut>, ApiError> {
    Ok(Json(app.end_silence(id).await?.into()))
}

/// Tries a silence out: what it would hide now, and why it would be refused. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/silences/preview", tag = "alerts", request_body = SilenceIn,
    responses((status = 200, body = PreviewOut), (status = 422, body = ProblemBody)))]
pub async fn preview(app: App, Json(body): Json<SilenceIn>) -> Result<Json<PreviewOut>, ApiError> {
    let (_, wish) = wish(&app, body).await?;
    let Preview { hides, problems, unknown } = app.preview_silence(&wish, None).await?;
    Ok(Json(PreviewOut {
        hides: hides.into_iter().map(HiddenOut::from).collect(),
        errors: problems
            .into_iter()
            .map(|one| FieldProblem { field: one.field, found: one.found, expected: one.expected })
            .collect(),
        unknown,
    }))
}
