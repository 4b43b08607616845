//! Rules over the API: what fires when, checked before it is saved and tried on history.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path};
use crate::app::alerts::backtest::{NOISY, PoolTried, Tried};
use crate::app::alerts::rules::{Listed, Wish, in_words};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use headroom_domain::alert::rule::{Rule, Subject};
use headroom_domain::range::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleOut {
    /// Slug.
    pub slug: String,
    /// As people call it.
    pub name: String,
    /// As other tools call it.
    pub alertname: String,
    /// What it looks at: `{"is":"burn","sli":"saturation","tiers":[...]}` or `{"is":"watch","watch":{"on":"exhausted",...}}`.
    #[schema(value_type = Object)]
    pub subject: Value,
    /// How long things must last, milliseconds: `for_ms`, `resolve_after_ms`, `idle_after_ms`.
    #[schema(value_type = Object)]
    pub timing: Value,
    /// Slugs of the pools that it is for; none = all.
    pub pools: Vec<String>,
    /// The same in one line.
    pub query: String,
    /// `page` or `ticket`: the higher of the lanes that it may open.
    pub lane: &'static str,
    /// `live`, `dry-run` or `off`.
    pub mode: String,
    /// Who answers for it.
    pub owner: String,
    /// Where its runbook is.
    pub runbook: String,
    /// It is shipped with the product.
    pub built_in: bool,
    /// Grows with each change; send it back with yours.
    pub version: i32,
    /// Alerts of it that fire now.
    pub firing: usize,
}

impl From<Listed> for RuleOut {
    fn from(listed: Listed) -> Self {
        let lane = listed.lane().as_str();
        let rule = listed.rule;
        Self {
            alertname: crate::app::alerts::tell::alertname(&rule.slug),
            query: in_words(&rule.rule),
            subject: serde_json::to_value(&rule.rule.subject).unwrap_or_default(),
            timing: serde_json::to_value(rule.rule.timing).unwrap_or_default(),
            pools: rule.rule.pools,
            slug: rule.slug,
            name: rule.name,
            lane,
            mode: rule.mode,
            owner: rule.owner,
            runbook: rule.runbook,
            built_in: rule.built_in,
            version: rule.version,
            firing: listed.firing,
        }
    }
}

/// A rule as somebody wants it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleIn {
    /// Slug: of a new rule, or to check the rule that it would replace.
    slug: Option<String>,
    /// The version that was read, to change a rule.
    version: Option<i32>,
    /// As people call it.
    #[serde(default)]
    name: String,
    /// What it looks at.
    #[schema(value_type = Object)]
    subject: Option<Value>,
    /// How long things must last; the usual times if it is left out.
    #[schema(value_type = Object)]
    timing: Option<Value>,
    /// Slugs of the pools that it is for; none = all.
    #[serde(default)]
    pools: Vec<String>,
    /// `live`, `dry-run` or `off`; `dry-run` if it is left out.
    mode: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    owner: String,
    /// Where its runbook is.
    #[serde(default)]
    runbook: String,
}

fn rule(subject: Option<Value>, timing: Option<Value>, pools: Vec<String>) -> Result<Rule, AppError> {
    let subject = subject.unwrap_or_default();
    let wrong = |field: &str, found: &Value, error: serde_json::Error| {
        AppError::invalid(field, found.to_string(), format!("another value: {error}"))
    };
    let read: Subject = serde_json::from_value(subject.clone()).map_err(|error| wrong("subject", &subject, error))?;
    let timing = match timing {
        Some(value) => serde_json::from_value(value.clone()).map_err(|error| wrong("timing", &value, error))?,
        None => headroom_domain::alert::lanes::Timing::default(),
    };
    Ok(Rule { subject: read, timing, pools })
}

impl RuleIn {
    fn wish(self) -> Result<Wish, AppError> {
        Ok(Wish {
            name: self.name,
            rule: rule(self.subject, self.timing, self.pools)?,
            mode: self.mode.unwrap_or_else(|| "dry-run".to_owned()),
            owner: self.owner,
            runbook: self.runbook,
        })
    }
}

/// All rules.
#[utoipa::path(get, path = "/api/v1/rules", tag = "alerts", responses((status = 200, body = Vec<RuleOut>)))]
pub async fn list(app: App) -> Result<Json<Vec<RuleOut>>, ApiError> {
    Ok(Json(app.rules().await?.into_iter().map(RuleOut::from).collect()))
}

/// One rule.
#[utoipa::path(get, path = "/api/v1/rules/{rule}", tag = "alerts", params(("rule" = String, Path, description = "slug")),
    responses((status = 200, body = RuleOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(slug): Path<String>) -> Result<Json<RuleOut>, ApiError> {
    Ok(Json(app.rule(&slug).await?.into()))
}

/// Adds a rule of one's own. One that wakes people needs an owner and a runbook; one that could never fire is refused.
#[utoipa::path(post, path = "/api/v1/rules", tag = "alerts", request_body = RuleIn,
    responses((status = 201, body = RuleOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<RuleIn>) -> Result<Response, ApiError> {
    let slug = body.slug.clone().unwrap_or_default();
    let made = app.create_rule(&slug, &body.wish()?).await?;
    Ok((StatusCode::CREATED, Json(RuleOut::from(made))).into_response())
}

/// Changes a rule that is at the version that was read.
#[utoipa::path(put, path = "/api/v1/rules/{rule}", tag = "alerts", request_body = RuleIn,
    params(("rule" = String, Path, description = "slug")),
    responses((status = 200, body = RuleOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update(app: App, Path(slug): Path<String>, Json(body): Json<RuleIn>) -> Result<Json<RuleOut>, ApiError> {
    if let Some(other) = body.slug.as_ref().filter(|other| **other != slug) {
        return Err(AppError::invalid("slug", other, "the slug of the address: it cannot be changed").into());
    }
    let seen = body.version;
    Ok(Json(app.update_rule(&slug, seen, &body.wish()?).await?.into()))
}

/// Takes a rule of one's own away; shipped ones can be switched off.
#[utoipa::path(delete, path = "/api/v1/rules/{rule}", tag = "alerts", params(("rule" = String, Path, description = "slug")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn remove(app: App, Path(slug): Path<String>) -> Result<StatusCode, ApiError> {
    app.delete_rule(&slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A rule that could be saved.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidOut {
    /// Always true: what could not be saved is answered with 422, as saving it would be.
    pub valid: bool,
    /// The rule in one line.
    pub query: String,
    /// `page` or `ticket`.
    pub lane: &'static str,
}

/// Checks a rule as saving it would, and saves nothing. With a `slug` it is checked as the next version of that rule.
#[utoipa::path(post, path = "/api/v1/rules/validate", tag = "alerts", request_body = RuleIn,
    responses((status = 200, body = ValidOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn validate(app: App, Json(body): Json<RuleIn>) -> Result<Json<ValidOut>, ApiError> {
    let slug = body.slug.clone();
    let wish = body.wish()?;
    let problems = app.check_rule(slug.as_deref(), &wish).await?;
    if !problems.is_empty() {
        return Err(AppError::Invalid(problems).into());
    }
    let lane = if wish.rule.may_page() { "page" } else { "ticket" };
    Ok(Json(ValidOut { valid: true, query: in_words(&wish.rule), lane }))
}

/// What to try on history.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BacktestIn {
    /// A rule about a budget.
    #[schema(value_type = Object)]
    subject: Option<Value>,
    /// How long things must last; the usual times if it is left out.
    #[schema(value_type = Object)]
    timing: Option<Value>,
    /// Slugs of the pools that it is for; none = all.
    #[serde(default)]
    pools: Vec<String>,
}

/// What a rule would have said of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolTriedOut {
    /// The pool's slug.
    pub pool: String,
    /// From when it was looked at, RFC 3339.
    pub from: String,
    /// Until when.
    pub to: String,
    /// How often it would have fired.
    pub fires: usize,
    /// How often it would have paged.
    pub pages: usize,
    /// Minutes in which it would have fired.
    pub minutes_firing: u64,
    /// The same as a part of the time.
    pub share: f64,
    /// It would have fired for more than a fifth of the time.
    pub noisy: bool,
    /// When it would have fired first.
    pub first_at: Option<String>,
    /// When it would have fired last.
    pub last_at: Option<String>,
    /// It would fire now.
    pub firing: bool,
}

impl From<PoolTried> for PoolTriedOut {
    fn from(tried: PoolTried) -> Self {
        let share = tried.share();
        Self {
            pool: tried.pool,
            from: rfc3339(tried.span.0),
            to: rfc3339(tried.span.1),
            fires: tried.fires,
            pages: tried.pages,
            minutes_firing: tried.minutes,
            share,
            noisy: share > NOISY,
            first_at: tried.first.map(rfc3339),
            last_at: tried.last.map(rfc3339),
            firing: tried.firing,
        }
    }
}

/// What a rule would have said.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriedOut {
    /// From when history was looked at, RFC 3339; null if there is none yet.
    pub from: Option<String>,
    /// Until when.
    pub to: Option<String>,
    /// How often it would have fired.
    pub fires: usize,
    /// How often it would have paged.
    pub pages: usize,
    /// It would have fired for more than a fifth of the time of a pool.
    pub noisy: bool,
    /// Pools that the rule is for.
    pub pools_in_rule: usize,
    /// Those that were looked at, at most 50; the most affected first.
    pub pools: Vec<PoolTriedOut>,
}

impl From<Tried> for TriedOut {
    fn from(tried: Tried) -> Self {
        Self {
            from: tried.span.map(|(from, _)| rfc3339(from)),
            to: tried.span.map(|(_, to)| rfc3339(to)),
            fires: tried.fires(),
            pages: tried.pages(),
            noisy: tried.share() > NOISY,
            pools_in_rule: tried.pools,
            pools: tried.tried.into_iter().map(PoolTriedOut::from).collect(),
        }
    }
}

/// Tries a rule about a budget on the last 72 hours, minute by minute, and tells when it would have fired.
#[utoipa::path(post, path = "/api/v1/rules/backtest", tag = "alerts", request_body = BacktestIn,
    responses((status = 200, body = TriedOut), (status = 422, body = ProblemBody)))]
pub async fn backtest(app: App, Json(body): Json<BacktestIn>) -> Result<Json<TriedOut>, ApiError> {
    let rule = rule(body.subject, body.timing, body.pools)?;
    Ok(Json(app.try_rule(&rule).await?.into()))
}
