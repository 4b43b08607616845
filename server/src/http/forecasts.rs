//! Forecasts and scaling over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::forecast::{Basis, MOST_LISTED, PoolForecast, Row, Settings, Wish};
use crate::app::{App, AppError};
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::online::LEVELS;
use headroom_domain::range::{instant, rfc3339};
use headroom_domain::scaling::Mode;
use headroom_domain::{HOUR_MS, Millis};
use headroom_store::scaling::Policy as Kept;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A pool in the list of forecasts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastRowOut {
    /// Slug of the pool.
    pub pool: String,
    /// Slots now.
    pub capacity: i64,
    /// Slots wanted now; left out if nothing was reported within 15 minutes.
    pub wanted_now: Option<f64>,
    /// The most that is wanted in the next 48 hours, at 0.95.
    pub p95_48h: Option<f64>,
    /// When it is full.
    pub full: FullOut,
    /// Part of the judged hours within the range of 80 %.
    pub coverage_80: Option<f64>,
    /// Sum of absolute errors over the sum of what came, an hour ahead.
    pub wape: Option<f64>,
    /// `shadow`, `recommend` or `apply`.
    pub mode: &'static str,
    /// Whether predicting pays, of the last two weeks.
    pub pays: Option<bool>,
    /// Why.
    pub reason: Option<String>,
}

/// When a pool is full.
#[derive(Debug, Serialize, ToSchema)]
pub struct FullOut {
    /// `too_little_history`, `already_full` (in less than a day), `within` or `not_within`.
    pub state: &'static str,
    /// Days until it is full, as likely as not.
    pub p50_days: Option<u32>,
    /// Days until it is full in one of ten cases.
    pub p90_days: Option<u32>,
    /// The first hour in which one of ten futures wants more than there is, RFC 3339.
    pub full_at: Option<String>,
}

fn full(exhaustion: &Exhaustion, full_at_ms: Option<i64>) -> FullOut {
    let (state, p50_days, p90_days) = match *exhaustion {
        Exhaustion::TooLittleHistory => ("too_little_history", None, None),
        Exhaustion::AlreadyFull => ("already_full", Some(0), Some(0)),
        Exhaustion::Within { p50, p90 } => ("within", p50, p90),
        Exhaustion::NotWithin { .. } => ("not_within", None, None),
    };
    FullOut { state, p50_days, p90_days, full_at: full_at_ms.map(rfc3339) }
}

/// Forecasts of pools, those first that are full soonest.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastsOut {
    /// One for each pool with a forecast.
    pub forecasts: Vec<ForecastRowOut>,
    /// The rest is asked for with `after=` this; null if there is none.
    pub next: Option<String>,
}

/// Which of the pools.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ForecastsQuery {
    /// At most so many, 1 to 500; 500 if it is left out.
    #[serde(default, deserialize_with = "given")]
    limit: Option<usize>,
    /// The `next` of an earlier answer.
    #[serde(default, deserialize_with = "given")]
    after: Option<String>,
}

fn row(row: &Row) -> ForecastRowOut {
    ForecastRowOut {
        pool: row.pool.fields.slug.to_string(),
        capacity: row.capacity,
        wanted_now: row.live,
        p95_48h: row.p95,
        full: full(&row.exhaustion, row.full_at_ms),
        coverage_80: row.coverage_80,
        wape: row.wape,
        mode: row.mode.as_str(),
        pays: row.choice.as_ref().map(|choice| choice.pays),
        reason: row.choice.as_ref().map(|choice| choice.reason.clone()),
    }
}

/// What pools will need.
#[utoipa::path(get, path = "/api/v1/forecasts", tag = "forecasts", params(ForecastsQuery),
    responses((status = 200, body = ForecastsOut), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(query): Query<ForecastsQuery>) -> Result<Json<ForecastsOut>, ApiError> {
    let (rows, next) = app.forecasts_after(query.after.as_deref(), query.limit.unwrap_or(MOST_LISTED)).await?;
    Ok(Json(ForecastsOut { forecasts: rows.iter().map(row).collect(), next }))
}

/// An hour of a forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastHourOut {
    /// Its start, RFC 3339.
    pub from: String,
    /// Most slots wanted at once, by the levels of the answer.
    pub quantiles: Vec<f64>,
    /// Slots of the recommended schedule.
    pub recommended: Option<u32>,
}

/// A step of the recommended schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepOut {
    /// When to act, RFC 3339.
    pub at: String,
    /// When it is in effect.
    pub effective: String,
    /// Slots before.
    pub from: u32,
    /// Slots after.
    pub to: u32,
    /// Which input decided.
    pub decider: String,
    /// Why, in words.
    pub reason: String,
    /// It comes after the start of the hour that needs it.
    pub late: bool,
}

/// How right forecasts were, an hour ahead, over two weeks.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccuracyOut {
    /// Hours that are judged.
    pub hours: usize,
    /// Sum of absolute errors over the sum of what came.
    pub wape: Option<f64>,
    /// The same of "as last week", over the hours of which a week before is known.
    pub naive_wape: Option<f64>,
    /// The same of the forecasts in just those hours.
    pub compared_wape: Option<f64>,
    /// Whether "as last week" is at least as good, in those hours.
    pub naive_wins: bool,
    /// Part of the hours within the range of 80 %.
    pub coverage_80: Option<f64>,
    /// Part of the hours below the quantile of 0.95.
    pub coverage_95: Option<f64>,
}

/// A pool's forecast.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastOut {
    /// Slug of the pool.
    pub pool: String,
    /// When it was made, RFC 3339; left out until the first was made.
    pub made: Option<String>,
    /// Hours of the last eight weeks of which the demand is known.
    pub known_hours: usize,
    /// What it rests on, in words.
    pub basis: Option<&'static str>,
    /// When the pool is full.
    pub full: Option<FullOut>,
    /// Levels of the quantiles.
    pub levels: Vec<f64>,
    /// The hours to come; none with less than 14 days of history.
    pub hours: Vec<ForecastHourOut>,
    /// How right it was.
    pub accuracy: Option<AccuracyOut>,
    /// The name of the policy behind the schedule.
    pub policy: Option<String>,
    /// The same in words.
    pub policy_words: Option<String>,
    /// Why it was chosen.
    pub reason: Option<String>,
    /// The recommended schedule.
    pub steps: Vec<StepOut>,
    /// Expected part of the hours that are short.
    pub short_share: Option<f64>,
    /// Slot-hours of the schedule.
    pub slot_hours: Option<f64>,
}

fn whole(found: &PoolForecast) -> ForecastOut {
    let newest = found.found.as_ref();
    let outlook = newest.filter(|_| !found.is_young()).map(|newest| &newest.said.outlook);
    let hour = |step: usize| {
        let outlook = outlook?;
        let at = (outlook.from_hour + i64::try_from(step).ok()?) * HOUR_MS;
        let planned = found.planned.as_ref().and_then(|planned| {
            let place =
                usize::try_from((at - planned.plan.from_ms) / HOUR_MS).ok().filter(|_| at >= planned.plan.from_ms)?;
            planned.plan.capacity.get(place).copied()
        });
        let quantiles = outlook.quantiles.iter().filter_map(|steps| steps.get(step)).copied().collect();
        Some(ForecastHourOut { from: rfc3339(at), quantiles, recommended: planned })
    };
    let planned = found.planned.as_ref();
    let steps = planned.into_iter().flat_map(|planned| &planned.plan.steps).map(|step| StepOut {
        at: rfc3339(step.at_ms),
        effective: rfc3339(step.effective_ms),
        from: step.from,
        to: step.to,
        decider: step.decider.words().to_owned(),
        reason: step.reason.clone(),
        late: step.is_late,
    });
    ForecastOut {
        pool: found.pool.fields.slug.to_string(),
        made: newest.map(|newest| rfc3339(newest.made_ms)),
        known_hours: newest.map_or(0, |newest| newest.said.known_hours),
        basis: newest.map(|newest| newest.said.outlook.basis.words()),
        full: newest.map(|newest| full(&newest.said.exhaustion, newest.full_at_ms)),
        levels: LEVELS.to_vec(),
        hours: (0..outlook.map_or(0, |outlook| outlook.median.len())).filter_map(hour).collect(),
        accuracy: newest.map(|newest| AccuracyOut {
            hours: newest.said.accuracy.hours,
            wape: newest.said.accuracy.wape,
            naive_wape: newest.said.accuracy.naive_wape,
            compared_wape: newest.said.accuracy.compared_wape,
            naive_wins: found.naive_wins(),
            coverage_80: newest.said.accuracy.coverage_80,
            coverage_95: newest.said.accuracy.coverage_95,
        }),
        policy: planned.map(|planned| planned.policy.to_string()),
        policy_words: planned.map(|planned| planned.policy.words()),
        reason: found.choice.as_ref().map(|(_, choice)| choice.reason.clone()),
        steps: steps.collect(),
        short_share: planned.and_then(|planned| planned.expectation.short_share),
        slot_hours: planned.map(|planned| planned.expectation.slot_hours),
    }
}

/// What a pool will need by the hour, how right that was, and what to do about it.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/forecast", tag = "forecasts",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = ForecastOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(pool): Path<String>) -> Result<Json<ForecastOut>, ApiError> {
    Ok(Json(whole(&app.pool_forecast(&pool, None).await?)))
}

/// How a pool is scaled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingBody {
    /// Counts changes, 0 = nobody set one. To change it, send the version that you saw here or as `If-Match`.
    #[serde(default)]
    pub version: Option<i32>,
    /// `shadow` (kept and compared), `recommend` (shown) or `apply` (the capacity of a tracked pool is changed).
    pub mode: String,
    /// What plans rest on: `guard` (what was cheapest over two weeks, chosen daily) or `forecast`.
    pub basis: String,
    /// Never less, in slots.
    pub min: u32,
    /// Never more, in slots.
    pub max: u32,
    /// Level of the forecast in thousandths, 500 to 990.
    pub level_permille: u32,
    /// Minutes from asking for slots until they are there.
    pub lead_minutes: u32,
    /// Minutes after growing in which nothing shrinks.
    pub hold_minutes: u32,
    /// Per cent: shrinking by less is not worth a change; what follows the demand of the minute grows by nearly as much.
    pub band_percent: u32,
    /// Slots: shrinking by fewer is not worth a change; growth that is needed always is, and takes nearly as many at once.
    pub least_change: u32,
    /// Minutes between a change and the next that shrinks.
    pub cooldown_minutes: u32,
}

fn policy_out(kept: &Kept<Settings>, settings: &Settings) -> ScalingBody {
    ScalingBody {
        version: Some(kept.version),
        mode: kept.mode.as_str().to_owned(),
        basis: settings.basis.as_str().to_owned(),
        min: settings.min,
        max: settings.max,
        level_permille: settings.level_permille,
        lead_minutes: settings.lead_minutes,
        hold_minutes: settings.hold_minutes,
        band_percent: settings.band_percent,
        least_change: settings.least_change,
        cooldown_minutes: settings.cooldown_minutes,
    }
}

/// How a pool is scaled.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/scaling", tag = "forecasts",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = ScalingBody), (status = 404, body = ProblemBody)))]
pub async fn policy(app: App, Path(pool): Path<String>) -> Result<Json<ScalingBody>, ApiError> {
    let (_, kept, settings) = app.scaling_policy(&pool).await?;
    Ok(Json(policy_out(&kept, &settings)))
}

/// The version in the body or in `If-Match`.
fn seen(headers: &HeaderMap, body: Option<i32>) -> Result<i32, AppError> {
    let Some(header) = headers.get(IF_MATCH) else {
        return body.ok_or(AppError::Unversioned("version in the body or If-Match"));
    };
    let text = header.to_str().unwrap_or_default();
    let version = text.trim().trim_matches('"').trim_start_matches('v').parse();
    let version = version.map_err(|_| AppError::invalid("If-Match", text, "a version such as \"3\""))?;
    match body {
        Some(other) if other != version => {
            Err(AppError::invalid("version", other.to_string(), "the same version as If-Match"))
        }
        _ => Ok(version),
    }
}

/// Sets how a pool is scaled.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/scaling", tag = "forecasts", request_body = ScalingBody,
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = ScalingBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn set_policy(
    app: App,
    Path(pool): Path<String>,
    headers: HeaderMap,
    Json(body): Json<ScalingBody>,
) -> Result<Json<ScalingBody>, ApiError> {
    let version = seen(&headers, body.version)?;
    let mode =
        Mode::parse(&body.mode).ok_or_else(|| AppError::invalid("mode", &body.mode, "shadow, recommend or apply"))?;
    let basis = match body.basis.as_str() {
        "guard" => Basis::Guard,
        "forecast" => Basis::Forecast,
        other => return Err(AppError::invalid("basis", other, "guard or forecast").into()),
    };
    let settings = Settings {
        min: body.min,
        max: body.max,
        basis,
        level_permille: body.level_permille,
        lead_minutes: body.lead_minutes,
        hold_minutes: body.hold_minutes,
        band_percent: body.band_percent,
        least_change: body.least_change,
        cooldown_minutes: body.cooldown_minutes,
    };
    let kept = app.set_scaling_policy(&pool, version, &Wish { mode, settings }).await?;
    Ok(Json(policy_out(&kept, &settings)))
}

/// What autoscalers read: KEDA's `metrics-api` scaler takes `value`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScalingMetricsOut {
    /// Slots that the pool should have now.
    pub value: u32,
    /// Slots that it has.
    pub capacity: i64,
    /// Slots wanted now; left out if nothing was reported within 15 minutes.
    pub wanted_now: Option<f64>,
    /// `shadow`, `recommend` or `apply`; in `shadow` the value is the capacity as it is.
    pub mode: &'static str,
    /// The name of the policy that it is by.
    pub policy: String,
    /// When the forecast behind it was made, RFC 3339.
    pub made: String,
}

/// The capacity that a pool should have now, for autoscalers outside: what decisions say, with the hold, the band, the cooldown and
/// what is promised. It is the capacity as it is where no change is due, in the shadow and while recommendations are ignored.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/scaling/metrics", tag = "forecasts",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = ScalingMetricsOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn metrics(app: App, Path(pool): Path<String>) -> Result<Json<ScalingMetricsOut>, ApiError> {
    let found = app.pool_forecast(&pool, None).await?;
    let (Some(newest), Some(planned)) = (&found.found, &found.planned) else {
        return Err(AppError::Conflict("there is no forecast of this pool yet".into()).into());
    };
    Ok(Json(ScalingMetricsOut {
        value: found.told.unwrap_or(u32::try_from(planned.capacity).unwrap_or(u32::MAX)),
        capacity: planned.capacity,
        wanted_now: planned.is_live.then_some(planned.live),
        mode: found.policy.mode.as_str(),
        policy: planned.policy.to_string(),
        made: rfc3339(newest.made_ms),
    }))
}

/// A decision about a pool's capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionOut {
    /// The minute it was made for, RFC 3339.
    pub at: String,
    /// `shadow`, `recommend` or `apply`.
    pub mode: String,
    /// Capacity then.
    pub before: i32,
    /// Capacity that is wanted.
    pub wanted: i32,
    /// Which input decided.
    pub decider: String,
    /// In words.
    pub reason: String,
    /// All inputs.
    #[schema(value_type = Object)]
    pub inputs: serde_json::Value,
    /// `shadow`, `recommended`, `pending`, `applied` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused.
    pub note: String,
}

/// Decisions about a pool's capacity, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionsOut {
    /// They are kept for 400 days.
    pub decisions: Vec<DecisionOut>,
    /// Older ones are asked for with `before=` this, RFC 3339; null if there are none.
    pub next: Option<String>,
}

/// Which of the decisions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DecisionsQuery {
    /// At most so many, 1 to 1,000; 20 if it is left out.
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
    /// Only those that were made before, RFC 3339, such as the `next` of an earlier answer.
    #[serde(default, deserialize_with = "given")]
    before: Option<String>,
}

/// Decisions about a pool's capacity with all their inputs, newest first: in shadow, recommended, applied and refused.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/scaling/decisions", tag = "forecasts",
    params(("pool" = String, Path, description = "slug of the pool"), DecisionsQuery),
    responses((status = 200, body = DecisionsOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn decisions(
    app: App,
    Path(pool): Path<String>,
    Query(query): Query<DecisionsQuery>,
) -> Result<Json<DecisionsOut>, ApiError> {
    let before = query.before.as_deref().map(before).transpose()?;
    let (found, has_older) = app.scaling_decisions(&pool, before, query.limit.unwrap_or(20)).await?;
    let next = found.last().filter(|_| has_older).map(|one| rfc3339(one.at_ms));
    let decisions = found.into_iter().map(|one| DecisionOut {
        at: rfc3339(one.at_ms),
        mode: one.mode,
        before: one.before,
        wanted: one.wanted,
        decider: one.decider,
        reason: one.reason,
        inputs: one.inputs,
        outcome: one.outcome.as_str(),
        note: one.note,
    });
    Ok(Json(DecisionsOut { decisions: decisions.collect(), next }))
}

/// An instant, written out: one that moves with the clock would not lead through a list.
fn before(text: &str) -> Result<Millis, AppError> {
    let at = Some(text).filter(|text| !text.starts_with("now")).and_then(|text| instant(text, 0).ok());
    let found: String = text.chars().take(60).collect();
    at.ok_or_else(|| AppError::invalid("before", found, "an instant such as 2026-11-25T09:00:00Z"))
}
