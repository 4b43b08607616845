//! History over the API: curves, totals, exact sums, changes.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, List, Path, Query, given};
use super::filters::Filters;
use crate::app::trend::{Subject, heatmap};
use crate::app::usage::{By, to_csv, to_json};
use crate::app::window::Reading;
use crate::app::{App, AppError, Problem};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use headroom_domain::change::ChangeKind;
use headroom_domain::occupancy::Sums;
use headroom_domain::range;
use headroom_domain::series::{Series, Step};
use headroom_store::change::Change;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A series of points by columns: entry `i` of each column is the point that starts at `start + i * step_ms`.
/// A point that was not observed is null in every column.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesOut {
    /// Start of the first point, RFC 3339.
    pub start: String,
    /// Length of each point, milliseconds.
    pub step_ms: i64,
    /// Average effective capacity, slots.
    pub capacity: Vec<Option<f64>>,
    /// Average occupied slots.
    pub occupied: Vec<Option<f64>>,
    /// Average reserved slots.
    pub reserved: Vec<Option<f64>>,
    /// Greatest number of slots occupied at once; null for totals over pools.
    pub max_occupied: Vec<Option<i64>>,
    /// Claims.
    pub claims: Vec<Option<i64>>,
    /// Rejected claims.
    pub rejections: Vec<Option<i64>>,
}

/// Averages are rounded to a thousandth of a slot: finer is noise, and costs bytes.
fn slots(value: Option<f64>) -> Option<f64> {
    value.map(|v| (v * 1000.0).round() / 1000.0)
}

impl From<&Series> for SeriesOut {
    fn from(series: &Series) -> Self {
        fn column<T>(series: &Series, f: impl Fn(&Sums) -> Option<T>) -> Vec<Option<T>> {
            series.points.iter().map(|p| if p.observed_ms > 0 { f(p) } else { None }).collect()
        }
        Self {
            start: range::rfc3339(series.start_ms),
            step_ms: series.step_ms,
            capacity: column(series, |p| slots(p.mean_capacity())),
            occupied: column(series, |p| slots(p.mean_occupied())),
            reserved: column(series, |p| slots(p.mean_reserved())),
            max_occupied: column(series, |p| (p.max_occupied > 0).then_some(p.max_occupied)),
            claims: column(series, |p| Some(p.claims)),
            rejections: column(series, |p| Some(p.rejections)),
        }
    }
}

/// Step of a curve.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StepParam {
    /// `1m`, `5m`, `1h`; chosen by the span if left out.
    pub step: Option<String>,
}

/// A pool's curve at a stored step.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/trend", tag = "history",
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), Filters, StepParam),
    responses((status = 200, body = SeriesOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn pool_trend(
    app: App,
    Path(slug): Path<String>,
    Query(filters): Query<Filters>,
    Query(step): Query<StepParam>,
) -> Result<Json<SeriesOut>, ApiError> {
    let window = app.window(&filters.into(), "now-30d", Reading::Strict).await?;
    let pool = app.pool(&slug).await?;
    let subject = Subject { tenants: window.tenant_keys(), ..Subject::pool(pool.key) };
    let step = match step.step.as_deref() {
        None => crate::app::trend::stored_step(&subject, window.span_ms()),
        Some("1m") => Step::Minute,
        Some("5m") => Step::FiveMinutes,
        Some("1h") => Step::Hour,
        Some(other) => return Err(AppError::invalid("step", other, "1m, 5m or 1h").into()),
    };
    const MOST: i64 = 50_000;
    if window.span_ms() / step.ms() > MOST {
        let found = format!("{} points", window.span_ms() / step.ms());
        return Err(AppError::invalid(
            "step",
            found,
            format!("at most {MOST} points; choose a coarser step or a shorter range"),
        )
        .into());
    }
    let series = app.stored_series(&subject, step, window.from_ms, window.to_ms).await?;
    Ok(Json(SeriesOut::from(&series)))
}

/// The curve of everything in scope.
#[utoipa::path(get, path = "/api/v1/trend", tag = "history", params(Filters),
    responses((status = 200, body = SeriesOut), (status = 422, body = ProblemBody)))]
pub async fn trend(app: App, Query(filters): Query<Filters>) -> Result<Json<SeriesOut>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    let trend = app.trend(&window, &Subject::of(&window)).await?;
    Ok(Json(SeriesOut::from(&trend.series)))
}

/// Peaks by weekday and hour of the local day.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeatmapOut {
    /// IANA zone of the hours.
    pub zone: String,
    /// Seven rows (Monday first) of 24 highest occupancies; null where nothing was observed.
    pub peak: Vec<Vec<Option<f64>>>,
    /// Rejected claims of the same hours.
    pub rejections: Vec<Vec<i64>>,
}

/// Peaks by weekday and hour.
#[utoipa::path(get, path = "/api/v1/heatmap", tag = "history", params(Filters),
    responses((status = 200, body = HeatmapOut), (status = 422, body = ProblemBody)))]
pub async fn heat(app: App, Query(filters): Query<Filters>) -> Result<Json<HeatmapOut>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    let trend = app.trend(&window, &Subject::of(&window)).await?;
    let cells = heatmap(&trend.series, &window.zone);
    Ok(Json(HeatmapOut {
        zone: window.zone.name().to_owned(),
        peak: cells.iter().map(|day| day.iter().map(|c| c.peak).collect()).collect(),
        rejections: cells.iter().map(|day| day.iter().map(|c| c.sums.rejections).collect()).collect(),
    }))
}

/// Which exact sums.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParams {
    /// Pools by slug; repeat for several; all if left out.
    #[serde(default)]
    pub pool: Vec<String>,
    /// `pool` (default), `tenant` or `day`.
    pub by: Option<String>,
    /// Start, on a stored step; everything stored if left out.
    pub from: Option<String>,
    /// End, exclusive.
    pub to: Option<String>,
    /// `json` (default) or `csv`.
    pub format: Option<String>,
}

/// Exact sums: the same numbers as `headroom usage`.
#[utoipa::path(get, path = "/api/v1/usage", tag = "history", params(UsageParams),
    responses((status = 200, description = "rows of exact sums, JSON or CSV", content_type = "application/json"), (status = 422, body = ProblemBody)))]
pub async fn usage(app: App, headers: HeaderMap, Query(params): Query<UsageParams>) -> Result<Response, ApiError> {
    let now = app.now().await?;
    let end = |field: &str, text: &Option<String>| {
        text.as_deref()
            .filter(|t| !t.is_empty())
            .map(|t| range::instant(t, now).map_err(|e| AppError::range(field, t, &e)))
            .transpose()
    };
    let by = params.by.as_deref().unwrap_or("pool");
    let by: By = by.parse().map_err(|e: String| AppError::invalid("by", by, e))?;
    let wants_csv = match params.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        None => headers.get(ACCEPT).is_some_and(|a| a.as_bytes().starts_with(b"text/csv")),
        Some(other) => return Err(AppError::invalid("format", other, "json or csv").into()),
    };
    let rows = app.usage(&params.pool, by, end("from", &params.from)?, end("to", &params.to)?).await?;
    Ok(if wants_csv {
        ([(CONTENT_TYPE, "text/csv; charset=utf-8")], to_csv(&rows)).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], to_json(&rows)).into_response()
    })
}

/// A tenant in a ranking.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankOut {
    /// Slug.
    pub tenant: String,
    /// Name.
    pub name: String,
    /// Used slot-hours over the window.
    pub slot_hours: f64,
    /// Part of all used slot time.
    pub share: Option<f64>,
}

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LimitParam {
    /// 1 to 1,000; 5 if left out.
    #[serde(default, deserialize_with = "given")]
    pub limit: Option<usize>,
}

/// The heaviest tenants by slot-hours.
#[utoipa::path(get, path = "/api/v1/tenants/top", tag = "history", params(Filters, LimitParam),
    responses((status = 200, body = Vec<RankOut>), (status = 422, body = ProblemBody)))]
pub async fn top(
    app: App,
    Query(filters): Query<Filters>,
    Query(limit): Query<LimitParam>,
) -> Result<Json<Vec<RankOut>>, ApiError> {
    let window = app.window(&filters.into(), "now-30d", Reading::Strict).await?;
    let mut tenants = app.tenants(&window, false).await?;
    tenants.sort_by_key(|t| -t.sums.occupied_slot_ms);
    let limit = limit.limit.unwrap_or(5).clamp(1, 1_000);
    Ok(Json(
        tenants
            .into_iter()
            .filter(|t| t.sums.occupied_slot_ms > 0)
            .take(limit)
            .map(|t| RankOut {
                tenant: t.tenant.fields.slug.to_string(),
                name: t.tenant.fields.name,
                slot_hours: t.sums.occupied_slot_ms as f64 / headroom_domain::HOUR_MS as f64,
                share: t.share,
            })
            .collect(),
    ))
}

/// Everything the overview shows, as numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverviewOut {
    /// Start, RFC 3339.
    pub from: String,
    /// End, RFC 3339.
    pub to: String,
    /// Pools in scope.
    pub pools: i64,
    /// Pools that told lately.
    pub pools_fresh: i64,
    /// Pools that are silent.
    pub pools_silent: i64,
    /// Configured slots now.
    pub configured: i64,
    /// Effective capacity now.
    pub capacity: i64,
    /// Occupied slots now, of the fresh pools.
    pub occupied_now: i64,
    /// Occupied ÷ capacity of the fresh pools, now.
    pub occupancy_now: Option<f64>,
    /// Average occupancy over the window.
    pub occupancy: Option<f64>,
    /// Average occupancy over the window compared with.
    pub occupancy_prior: Option<f64>,
    /// Highest occupancy of a stored point.
    pub peak: Option<f64>,
    /// Rejected claims over the window.
    pub rejections: i64,
    /// Claims over the window.
    pub claims: i64,
    /// Idle ÷ reserved slot time.
    pub reservation_waste: Option<f64>,
    /// What all slots cost, used or not, over the whole UTC days of the window, millionths of the currency; null where tenants are
    /// named, money is not shown or no pool has a price.
    pub capacity_micros: Option<i64>,
    /// What the idle reservations cost, likewise.
    pub waste_micros: Option<i64>,
    /// ISO 4217.
    pub currency: String,
    /// End of the newest sample, RFC 3339.
    pub as_of: Option<String>,
}

/// The numbers of the overview.
#[utoipa::path(get, path = "/api/v1/overview", tag = "history", params(Filters),
    responses((status = 200, body = OverviewOut), (status = 422, body = ProblemBody)))]
pub async fn overview(app: App, Query(filters): Query<Filters>) -> Result<Json<OverviewOut>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    let o = app.overview(&window).await?;
    let total = o.trend.total();
    let bounded = |micros: i128| i64::try_from(micros).unwrap_or(i64::MAX);
    Ok(Json(OverviewOut {
        from: range::rfc3339(window.from_ms),
        to: range::rfc3339(window.to_ms),
        pools: o.pools,
        pools_fresh: o.now.fresh,
        pools_silent: o.now.stale,
        configured: o.capacity_now.0,
        capacity: headroom_domain::pool::effective(o.capacity_now.0, o.capacity_now.1),
        occupied_now: o.now.occupied,
        occupancy_now: headroom_domain::occupancy::ratio(o.now.occupied, o.now.capacity),
        occupancy: total.occupancy(),
        occupancy_prior: o.prior.and_then(|s| s.occupancy()),
        peak: o.trend.peak().map(|(value, _)| value),
        rejections: total.rejections,
        claims: total.claims,
        reservation_waste: total.reservation_waste(),
        capacity_micros: o.costs.and_then(|costs| costs.capacity_micros).map(bounded),
        waste_micros: o.costs.map(|costs| bounded(costs.waste_micros)),
        currency: o.currency,
        as_of: o.newest_ms.map(range::rfc3339),
    }))
}

/// A change event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// When, RFC 3339.
    pub at: String,
    /// `deploy`, `swap`, `scale` or `config`.
    pub kind: String,
    /// Pool, by slug; null = all pools.
    #[serde(default)]
    pub pool: Option<String>,
    /// One line, 1 to 300 characters.
    pub title: String,
    /// Where to read more.
    #[serde(default)]
    pub url: String,
    /// Who did it.
    #[serde(default)]
    pub actor: String,
    /// Who tells; the same event from the same source is recorded once.
    #[serde(default = "api_source")]
    pub source: String,
}

fn api_source() -> String {
    "api".into()
}

/// Changes within a window, newest first, at most 1,000.
#[utoipa::path(get, path = "/api/v1/changes", tag = "history", params(Filters),
    responses((status = 200, body = Vec<ChangeBody>), (status = 422, body = ProblemBody)))]
pub async fn changes(app: App, Query(filters): Query<Filters>) -> Result<Json<Vec<ChangeBody>>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    let found = app.changes(&window, 1_000).await?;
    Ok(Json(
        found
            .into_iter()
            .map(|(c, pool)| ChangeBody {
                at: range::rfc3339(c.at_ms),
                kind: c.kind.to_string(),
                pool,
                title: c.title,
                url: c.url,
                actor: c.actor,
                source: c.source,
            })
            .collect(),
    ))
}

/// Records changes; those recorded before are left alone.
#[utoipa::path(post, path = "/api/v1/changes", tag = "history", request_body = Vec<ChangeBody>,
    responses((status = 200, description = "how many were new"), (status = 422, body = ProblemBody)))]
pub async fn record(app: App, List(body): List<ChangeBody>) -> Result<(StatusCode, Json<serde_json::Value>), ApiError> {
    const MOST: usize = 1_000;
    if body.len() > MOST {
        return Err(AppError::invalid(
            "body",
            format!("{} changes", body.len()),
            format!("at most {MOST} in one request"),
        )
        .into());
    }
    let now = app.now().await?;
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for (i, c) in body.into_iter().enumerate() {
        let at = range::instant(&c.at, now)
            .map_err(|e| problems.push(Problem::new(format!("{i}.at"), &c.at, e.to_string())));
        let kind =
            c.kind.parse::<ChangeKind>().map_err(|e| problems.push(Problem::new(format!("{i}.kind"), &c.kind, e)));
        if c.title.is_empty() || c.title.chars().count() > 300 || c.title.contains('\0') {
            problems.push(Problem::new(format!("{i}.title"), &c.title, "1 to 300 characters"));
        }
        if !(c.url.is_empty()
            || ((c.url.starts_with("http://") || c.url.starts_with("https://"))
                && c.url.len() <= 2000
                && !c.url.contains('\0')))
        {
            problems.push(Problem::new(
                format!("{i}.url"),
                &c.url,
                "an http or https address of at most 2,000 characters",
            ));
        }
        if c.source.is_empty() || c.source.chars().count() > 120 || c.source.contains('\0') {
            problems.push(Problem::new(format!("{i}.source"), &c.source, "1 to 120 characters"));
        }
        if c.actor.chars().count() > 120 || c.actor.contains('\0') {
            problems.push(Problem::new(format!("{i}.actor"), &c.actor, "at most 120 characters"));
        }
        if let (Ok(at_ms), Ok(kind)) = (at, kind) {
            parsed.push((
                c.pool,
                Change { at_ms, kind, pool: None, title: c.title, url: c.url, source: c.source, actor: c.actor },
            ));
        }
    }
    if !problems.is_empty() {
        return Err(AppError::Invalid(problems).into());
    }
    let recorded = app.record_changes(parsed).await?;
    Ok((StatusCode::OK, Json(serde_json::json!({ "recorded": recorded }))))
}
