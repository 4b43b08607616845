//! Promises over the API: objectives, error budgets, and which pools are ready to be watched.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query};
use crate::app::alerts::slos::{LeftAt, Promise, Readiness, read_budget};
use crate::app::{App, AppError};
use headroom_domain::alert::slo::Sli;
use headroom_domain::range::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is promised of a pool, and how much of the budget is left.
#[derive(Debug, Serialize, ToSchema)]
pub struct SloOut {
    /// The pool's slug.
    pub pool: String,
    /// `saturation`, `latency`, `leak`, `reclaim`, `waste` or `wait`.
    pub sli: String,
    /// The indicator in words.
    pub label: String,
    /// The part that may be bad, a fraction such as `1/10000`; of leaks, leaks per slot and hour.
    pub budget: String,
    /// The part that is promised to be good, a ratio; null for leaks.
    pub objective: Option<f64>,
    /// Where it comes from: `pool`, `all` or `default`.
    pub set_for: &'static str,
    /// Version of what was set for this pool, to change it; 0 = nothing was.
    pub version: i32,
    /// From when it is reckoned, RFC 3339: 30 days ago, or when the pool was first counted.
    pub from: String,
    /// Until when.
    pub to: String,
    /// Bad things, without maintenance.
    pub bad: u64,
    /// All things, without maintenance.
    pub total: u64,
    /// Bad things that are allowed.
    pub allowed: f64,
    /// The part of the budget that is left, 1 = all of it; below 0 it is overdrawn; null where nothing was counted.
    pub left: Option<f64>,
    /// How fast it was used in the last hour, 1 = it lasts exactly 30 days.
    pub burn_1h: Option<f64>,
    /// Over the last six hours: the pace by which it is told how long it lasts.
    pub burn_6h: Option<f64>,
    /// The same of the last day.
    pub burn_24h: Option<f64>,
    /// Over the last three days.
    pub burn_72h: Option<f64>,
    /// When it is used up at the pace of the last six hours; null if that is not within 30 days.
    pub lasts_until: Option<String>,
    /// So much maintenance is left out, milliseconds.
    pub maintenance_ms: i64,
    /// The same in one sentence.
    pub text: String,
}

impl From<Promise> for SloOut {
    fn from(promise: Promise) -> Self {
        Self {
            text: promise.says(rfc3339),
            objective: promise.objective().map(headroom_domain::alert::fraction::Fraction::to_f64),
            pool: promise.pool.slug,
            sli: promise.sli.to_string(),
            label: promise.sli.label().to_owned(),
            budget: promise.budget.to_string(),
            set_for: promise.set_for.as_str(),
            version: promise.version,
            from: rfc3339(promise.span.0),
            to: rfc3339(promise.span.1),
            bad: promise.bad,
            total: promise.total,
            allowed: promise.allowed,
            left: promise.left,
            burn_1h: promise.burn_1h,
            burn_6h: promise.burn_6h,
            burn_24h: promise.burn_24h,
            burn_72h: promise.burn_72h,
            lasts_until: promise.lasts_until.map(rfc3339),
            maintenance_ms: promise.maintained_ms,
        }
    }
}

/// What was left of a budget at an instant.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOut {
    /// When, RFC 3339.
    pub at: String,
    /// The part that was left; null where counts are missing.
    pub left: Option<f64>,
    /// Bad things since the beginning.
    pub bad: u64,
}

impl From<LeftAt> for LeftOut {
    fn from(at: LeftAt) -> Self {
        Self { at: rfc3339(at.at), left: at.left, bad: at.bad }
    }
}

/// What is promised of a pool, with how the budget came to be what it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeSloOut {
    /// The promise.
    #[serde(flatten)]
    pub slo: SloOut,
    /// What was left, every six hours; the last one is what is left now.
    pub series: Vec<LeftOut>,
}

/// Which promises.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SlosWanted {
    /// Slugs of pools; repeat for several; all if it is left out.
    pool: Vec<String>,
    /// An indicator; all if it is left out.
    sli: Option<String>,
}

fn sli(text: &str) -> Result<Sli, AppError> {
    text.parse().map_err(|expected: String| AppError::invalid("sli", text, expected))
}

async fn keys(app: &App, slugs: &[String]) -> Result<Option<Vec<i32>>, AppError> {
    if slugs.is_empty() {
        return Ok(None);
    }
    let mut keys = Vec::new();
    for slug in slugs {
        keys.push(app.pool(slug).await?.key);
    }
    Ok(Some(keys))
}

/// Error budgets of the last 30 days, those with least left first.
#[utoipa::path(get, path = "/api/v1/slos", tag = "alerts", params(SlosWanted),
    responses((status = 200, body = Vec<SloOut>), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(wanted): Query<SlosWanted>) -> Result<Json<Vec<SloOut>>, ApiError> {
    let of = wanted.sli.as_deref().map(sli).transpose()?;
    let pools = keys(&app, &wanted.pool).await?;
    let found = app.promises(pools.as_deref(), of).await?;
    Ok(Json(found.into_iter().map(SloOut::from).collect()))
}

/// One error budget with its history.
#[utoipa::path(get, path = "/api/v1/slos/{pool}/{sli}", tag = "alerts",
    params(("pool" = String, Path, description = "slug of the pool"), ("sli" = String, Path, description = "indicator")),
    responses((status = 200, body = WholeSloOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn get(app: App, Path((pool, of)): Path<(String, String)>) -> Result<Json<WholeSloOut>, ApiError> {
    let of = sli(&of)?;
    let found = app.pool_promises(&pool).await?.into_iter().find(|(promise, _)| promise.sli == of);
    let missing = || AppError::NotFound { what: "budget", slug: format!("{pool}/{of}"), suggestion: None };
    let (promise, series) = found.ok_or_else(missing)?;
    Ok(Json(WholeSloOut { slo: promise.into(), series: series.into_iter().map(LeftOut::from).collect() }))
}

/// What is promised.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveIn {
    /// The part that may be bad such as `1/10000`, or an objective such as `99.99 %`; null = what holds elsewhere.
    budget: Option<String>,
    /// The version that was read; 0 if nothing was set for this pool.
    version: Option<i32>,
}

/// What is promised now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectiveOut {
    /// The pool's slug, or `*`.
    pub pool: String,
    /// The indicator.
    pub sli: String,
    /// The part that may be bad.
    pub budget: String,
    /// Version of what was set; 0 if nothing is any more.
    pub version: i32,
}

/// Sets what is promised for a pool, or for all pools with `*`. A budget so large that a rule on it could never fire any more is
/// refused, with the names of those rules.
#[utoipa::path(put, path = "/api/v1/slos/{pool}/{sli}", tag = "alerts", request_body = ObjectiveIn,
    params(("pool" = String, Path, description = "slug of the pool, or `*` for all"), ("sli" = String, Path, description = "indicator")),
    responses((status = 200, body = ObjectiveOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn set(
    app: App,
    Path((pool, of)): Path<(String, String)>,
    Json(body): Json<ObjectiveIn>,
) -> Result<Json<ObjectiveOut>, ApiError> {
    let of = sli(&of)?;
    let budget = body.budget.as_deref().map(|text| read_budget(of, text)).transpose();
    let budget = budget.map_err(|problem| AppError::Invalid(vec![problem]))?;
    let (budget, version) = app.set_objective(&pool, of, budget, body.version).await?;
    Ok(Json(ObjectiveOut { pool, sli: of.to_string(), budget: budget.to_string(), version }))
}

/// Something that a pool needs to be watched well.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckOut {
    /// `owner`, `runbook`, `slo-data`, `page-rule`, `metering` or `feed`.
    pub what: &'static str,
    /// It is there.
    pub done: bool,
    /// What is there, or what to do.
    pub text: String,
}

/// Whether a pool is ready to be watched.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadinessOut {
    /// The pool's slug.
    pub pool: String,
    /// Nothing is missing.
    pub ready: bool,
    /// What it needs.
    pub checks: Vec<CheckOut>,
}

impl From<Readiness> for ReadinessOut {
    fn from(readiness: Readiness) -> Self {
        Self {
            ready: readiness.missing() == 0,
            pool: readiness.pool.slug,
            checks: readiness
                .checks
                .into_iter()
                .map(|check| CheckOut { what: check.what, done: check.is_done, text: check.says })
                .collect(),
        }
    }
}

/// Which pools.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ReadinessWanted {
    /// Slugs of pools; repeat for several; all if it is left out.
    pool: Vec<String>,
}

/// Which pools are ready to be watched, those with most missing first.
#[utoipa::path(get, path = "/api/v1/readiness", tag = "alerts", params(ReadinessWanted),
    responses((status = 200, body = Vec<ReadinessOut>), (status = 404, body = ProblemBody)))]
pub async fn readiness(app: App, Query(wanted): Query<ReadinessWanted>) -> Result<Json<Vec<ReadinessOut>>, ApiError> {
    let pools = keys(&app, &wanted.pool).await?;
    Ok(Json(app.readiness(pools.as_deref()).await?.into_iter().map(ReadinessOut::from).collect()))
}

#[cfg(test)]
mod tests {
    use crate::app::alerts::slos::EVERYWHERE;

    #[test]
    fn the_word_for_all_pools_is_no_slug() {
        assert!(headroom_domain::slug::Slug::parse(EVERYWHERE).is_err());
    }
}
