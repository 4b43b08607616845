//! Game days over the API: what was broken on purpose, whether it was found and how soon, and what is to follow.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::game_days::{MOST_LISTED, Wish};
use crate::app::{App, AppError, Problem};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use headroom_domain::game_day::Breakage;
use headroom_domain::range::rfc3339;
use headroom_store::game_day::GameDay;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Something that was broken on purpose.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakageBody {
    /// What, in 1 to 80 characters: a kind of failure such as `F4`, or words.
    pub what: String,
    /// The pool's slug; left out or null = no single pool.
    #[serde(default)]
    pub pool: Option<String>,
    /// Whether it was found.
    pub found: bool,
    /// Seconds until it was found, to the millisecond, at most 86,400; null = it was not found, or nobody measured it.
    #[serde(default)]
    pub found_after_s: Option<f64>,
}

impl From<Breakage> for BreakageBody {
    fn from(one: Breakage) -> Self {
        let found_after_s = one.after_ms.map(|ms| ms as f64 / 1_000.0);
        Self { what: one.what, pool: one.pool, found: one.found, found_after_s }
    }
}

/// A game day as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GameDayIn {
    /// The version that you saw (PUT).
    #[serde(default)]
    version: Option<i32>,
    /// The day it was held, such as `2026-11-20`, not after today; today if it is left out.
    #[serde(default)]
    held_on: Option<String>,
    /// What it is called, 1 to 120 characters.
    title: String,
    /// Who ran it; the caller if it is left out, on PUT who it was.
    #[serde(default)]
    run_by: String,
    /// What was tried, 1 to 1,000 characters.
    tried: String,
    /// What happened, 1 to 1,000 characters.
    happened: String,
    /// What is to follow, at most 1,000 characters.
    #[serde(default)]
    follow_ups: String,
    /// Slugs of the pools it was about, at most 50; those of breakages are added.
    #[serde(default)]
    pools: Vec<String>,
    /// What was broken and whether it was found, at most 50.
    #[serde(default)]
    breakages: Vec<BreakageBody>,
    /// What was found though nothing was broken, 0 to 1,000,000; null = nobody counted.
    #[serde(default)]
    false_findings: Option<i32>,
}

/// A game day.
#[derive(Debug, Serialize, ToSchema)]
pub struct GameDayOut {
    /// Its number.
    pub id: i64,
    /// Grows with each change; send it back with a PUT.
    pub version: i32,
    /// The day it was held.
    pub held_on: String,
    /// What it is called.
    pub title: String,
    /// Who ran it.
    pub run_by: String,
    /// What was tried.
    pub tried: String,
    /// What happened.
    pub happened: String,
    /// What is to follow.
    pub follow_ups: String,
    /// Slugs of its pools.
    pub pools: Vec<String>,
    /// What was broken and whether it was found.
    pub breakages: Vec<BreakageBody>,
    /// What was found though nothing was broken; null = nobody counted.
    pub false_findings: Option<i32>,
    /// Who wrote it last.
    pub author: String,
    /// When, RFC 3339.
    pub written_at: String,
}

impl From<GameDay> for GameDayOut {
    fn from(day: GameDay) -> Self {
        let fields = day.fields;
        Self {
            id: day.id,
            version: day.version,
            held_on: fields.held_on.to_string(),
            title: fields.title,
            run_by: fields.run_by,
            tried: fields.tried,
            happened: fields.happened,
            follow_ups: fields.follow_ups,
            pools: day.pool_slugs,
            breakages: fields.breakages.into_iter().map(BreakageBody::from).collect(),
            false_findings: fields.false_findings,
            author: day.author,
            written_at: rfc3339(day.written_ms),
        }
    }
}

/// Game days, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct GameDaysOut {
    /// None for who sees some tenants or pools only.
    pub game_days: Vec<GameDayOut>,
    /// The rest is asked for with `after=` this; null if there is none.
    pub next: Option<String>,
}

/// Which of the game days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GameDaysQuery {
    /// At most so many, 1 to 200; 200 if it is left out.
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
    /// The `next` of an earlier answer.
    #[serde(default, deserialize_with = "given")]
    after: Option<String>,
}

/// Seconds in milliseconds; what is no such time is told by the field.
fn millis(seconds: f64) -> Result<i64, AppError> {
    if (0.0..=86_400.0).contains(&seconds) {
        return Ok((seconds * 1_000.0).round() as i64);
    }
    Err(AppError::Invalid(vec![Problem::new(
        "breakages",
        seconds.to_string(),
        "0 to 86,400 seconds until it was found",
    )]))
}

async fn wish(app: &App, body: GameDayIn) -> Result<Wish, ApiError> {
    let held_on = match body.held_on {
        Some(day) => day,
        None => app.today().await?.to_string(),
    };
    let breakage = |one: BreakageBody| {
        let after_ms = one.found_after_s.map(millis).transpose()?;
        Ok::<_, AppError>(Breakage { what: one.what, pool: one.pool, found: one.found, after_ms })
    };
    Ok(Wish {
        held_on,
        title: body.title,
        run_by: body.run_by,
        tried: body.tried,
        happened: body.happened,
        follow_ups: body.follow_ups,
        breakages: body.breakages.into_iter().map(breakage).collect::<Result<_, _>>()?,
        false_findings: body.false_findings,
        pools: body.pools,
    })
}

/// Game days that were written down.
#[utoipa::path(get, path = "/api/v1/game-days", tag = "reports", params(GameDaysQuery),
    responses((status = 200, body = GameDaysOut), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(query): Query<GameDaysQuery>) -> Result<Json<GameDaysOut>, ApiError> {
    let (days, has_more) = app.game_days(query.after.as_deref(), query.limit.unwrap_or(MOST_LISTED)).await?;
    let next = days.last().filter(|_| has_more).map(|day| day.id.to_string());
    Ok(Json(GameDaysOut { game_days: days.into_iter().map(GameDayOut::from).collect(), next }))
}

/// One game day.
#[utoipa::path(get, path = "/api/v1/game-days/{game_day}", tag = "reports",
    params(("game_day" = String, Path, description = "number of the game day")),
    responses((status = 200, body = GameDayOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(id): Path<String>) -> Result<Json<GameDayOut>, ApiError> {
    Ok(Json(app.game_day(&id).await?.into()))
}

/// Writes a game day down. The quarterly report of its day lists it; `headroom simulate --keep` does this by itself.
#[utoipa::path(post, path = "/api/v1/game-days", tag = "reports", request_body = GameDayIn,
    responses((status = 201, body = GameDayOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<GameDayIn>) -> Result<Response, ApiError> {
    let wish = wish(&app, body).await?;
    let made = GameDayOut::from(app.create_game_day(&wish).await?);
    let location = format!("/api/v1/game-days/{}", made.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(made)).into_response())
}

/// Changes a game day, all of it. A quarterly report that is closed stays as it was until it is corrected.
#[utoipa::path(put, path = "/api/v1/game-days/{game_day}", tag = "reports", request_body = GameDayIn,
    params(("game_day" = String, Path, description = "number of the game day")),
    responses((status = 200, body = GameDayOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update(
    app: App,
    Path(id): Path<String>,
    Json(mut body): Json<GameDayIn>,
) -> Result<Json<GameDayOut>, ApiError> {
    let before = app.game_day(&id).await?;
    let version = body.version.ok_or(AppError::Unversioned("version in the body"))?;
    body.held_on.get_or_insert_with(|| before.fields.held_on.to_string());
    let wish = wish(&app, body).await?;
    Ok(Json(app.update_game_day(&id, version, &wish).await?.into()))
}
