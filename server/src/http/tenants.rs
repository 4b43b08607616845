//! Tenants over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query};
use super::filters::Filters;
use crate::app::tenants::TenantNow;
use crate::app::window::{Asked, Reading};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use headroom_domain::range;
use headroom_domain::slug::Slug;
use headroom_store::tenant::TenantFields;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A tenant as the API gives it; sums are over the window asked for, to the hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantOut {
    /// Id.
    pub id: String,
    /// Name in URLs.
    pub slug: String,
    /// Name on pages.
    pub name: String,
    /// Priority tier in the organisation's words.
    pub tier: String,
    /// 0 is served first, 9 last.
    pub priority: i16,
    /// Weight in fair sharing.
    pub weight: i32,
    /// Cost centre.
    pub cost_centre: String,
    /// Owner.
    pub owner: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Slots in use now; null if nothing is known about now.
    pub used: Option<i64>,
    /// Sum of its quotas.
    pub quota: Option<i64>,
    /// Slots promised now.
    pub reserved: Option<i64>,
    /// Used slot-milliseconds over the window.
    pub occupied_slot_ms: i64,
    /// Part of all used slot time.
    pub share: Option<f64>,
    /// Its fair part of the capacity, average slots.
    pub fair_share: Option<f64>,
    /// Rejected claims over the window.
    pub rejections: i64,
    /// Version for changes.
    pub version: i32,
    /// When it was archived, RFC 3339.
    pub archived_at: Option<String>,
}

fn narrow(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(i64::MAX)
}

impl From<TenantNow> for TenantOut {
    fn from(t: TenantNow) -> Self {
        let f = t.tenant.fields;
        Self {
            id: t.tenant.id.to_string(),
            slug: f.slug.to_string(),
            name: f.name,
            tier: f.tier,
            priority: f.priority,
            weight: f.weight,
            cost_centre: f.cost_centre,
            owner: f.owner,
            labels: f.labels,
            used: t.used,
            quota: t.quota,
            reserved: t.reserved,
            occupied_slot_ms: narrow(t.sums.occupied_slot_ms),
            share: t.share,
            fair_share: t.fair_share,
            rejections: narrow(t.sums.rejections),
            version: t.tenant.version,
            archived_at: t.tenant.archived_ms.map(range::rfc3339),
        }
    }
}

/// What a tenant is to be. On a change (PATCH) fields left out stay as they are, and `version` is required.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantIn {
    /// Version the change was made on (PATCH).
    pub version: Option<i32>,
    /// Name in URLs.
    pub slug: Option<String>,
    /// Name on pages.
    pub name: Option<String>,
    /// Priority tier in the organisation's words.
    pub tier: Option<String>,
    /// 0 to 9.
    pub priority: Option<i16>,
    /// 1 to 10,000.
    pub weight: Option<i32>,
    /// Cost centre.
    pub cost_centre: Option<String>,
    /// Owner.
    pub owner: Option<String>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl TenantIn {
    pub(crate) fn onto(self, before: TenantFields) -> Result<TenantFields, AppError> {
        let slug = match self.slug {
            Some(text) => Slug::parse(&text).map_err(|e| AppError::invalid("slug", &text, e.to_string()))?,
            None => before.slug,
        };
        Ok(TenantFields {
            slug,
            name: self.name.unwrap_or(before.name),
            tier: self.tier.unwrap_or(before.tier),
            priority: self.priority.unwrap_or(before.priority),
            weight: self.weight.unwrap_or(before.weight),
            cost_centre: self.cost_centre.unwrap_or(before.cost_centre),
            owner: self.owner.unwrap_or(before.owner),
            labels: self.labels.unwrap_or(before.labels),
            region: before.region,
            stamp: before.stamp,
        })
    }
}

/// Fields of a tenant of which only the name is known.
pub(crate) fn blank(slug: Slug, name: String) -> TenantFields {
    TenantFields {
        slug,
        name,
        tier: String::new(),
        priority: 5,
        weight: 1,
        cost_centre: String::new(),
        owner: String::new(),
        labels: BTreeMap::new(),
        region: None,
        stamp: None,
    }
}

/// All tenants with what the window says about them.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", params(Filters), responses((status = 200, body = Vec<TenantOut>)))]
pub async fn list(app: App, Query(filters): Query<Filters>) -> Result<Json<Vec<TenantOut>>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    Ok(Json(app.tenants(&window, false).await?.into_iter().map(TenantOut::from).collect()))
}

/// One tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "slug", example = "acme"), Filters),
    responses((status = 200, body = TenantOut), (status = 404, body = ProblemBody)))]
pub async fn get(
    app: App,
    Path(slug): Path<String>,
    Query(filters): Query<Filters>,
) -> Result<Json<TenantOut>, ApiError> {
    let window = app.window(&filters.into(), "now-45d", Reading::Strict).await?;
    Ok(Json(app.tenant_detail(&slug, &window).await?.now.into()))
}

async fn answer(app: &App, slug: &str) -> Result<Json<TenantOut>, ApiError> {
    let window = app.window(&Asked::default(), "now-1d", Reading::Strict).await?;
    Ok(Json(app.tenant_detail(slug, &window).await?.now.into()))
}

/// Makes a tenant.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", request_body = TenantIn,
    responses((status = 201, body = TenantOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<TenantIn>) -> Result<(StatusCode, Json<TenantOut>), ApiError> {
    let name = body.name.clone().or_else(|| body.slug.clone()).unwrap_or_default();
    let fields = body.onto(blank(Slug::from_name(&name, "tenant"), name))?;
    let made = app.create_tenant(&fields).await?;
    Ok((StatusCode::CREATED, answer(&app, made.fields.slug.as_str()).await?))
}

/// Changes a tenant.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "slug", example = "acme")), request_body = TenantIn,
    responses((status = 200, body = TenantOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn update(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<TenantIn>,
) -> Result<Json<TenantOut>, ApiError> {
    let before = app.tenant(&slug).await?;
    let version = body.version.ok_or_else(|| {
        AppError::invalid("version", "", format!("the version the change was made on; it is {} now", before.version))
    })?;
    let fields = body.onto(before.fields)?;
    let after = app.update_tenant(&slug, version, &fields).await?;
    answer(&app, after.fields.slug.as_str()).await
}

/// Exact slot time of one tenant in one pool on one UTC day, and what it costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeterOut {
    /// Start of the UTC day, RFC 3339.
    pub day: String,
    /// Pool, by slug.
    pub pool: String,
    /// Held, slot-milliseconds.
    pub used_slot_ms: i64,
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Promised and not held.
    pub idle_slot_ms: i64,
    /// Held beyond what is promised.
    pub borrowed_slot_ms: i64,
    /// Of the idle time, what others held: estimated by the hour.
    pub lent_slot_ms: i64,
    /// What is billed: reserved and borrowed.
    pub billed_slot_ms: i64,
    /// Present price in millionths of the currency per slot and hour; null without one, or if money is not shown.
    pub unit_cost_micros: Option<i64>,
    /// Billed, in minor units of the currency, rounded half up.
    pub amount_minor: Option<i64>,
    /// Fingerprint of these figures.
    pub record: String,
}

/// What a tenant used by day and pool; totals are the sums of the rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeteringOut {
    /// ISO 4217 code; null if money is not shown.
    pub currency: Option<String>,
    /// Held, slot-milliseconds.
    pub used_slot_ms: i64,
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Promised and not held.
    pub idle_slot_ms: i64,
    /// Held beyond what is promised.
    pub borrowed_slot_ms: i64,
    /// What is billed.
    pub billed_slot_ms: i64,
    /// Billed, in minor units of the currency.
    pub amount_minor: Option<i64>,
    /// Newest day first, then by pool.
    pub rows: Vec<MeterOut>,
}

/// A tenant's metering by UTC day and pool, of all days that the range touches.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/metering", tag = "tenants", params(("tenant" = String, Path, description = "slug", example = "acme"), Filters),
    responses((status = 200, body = MeteringOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn metering(
    app: App,
    Path(slug): Path<String>,
    Query(filters): Query<Filters>,
) -> Result<Json<MeteringOut>, ApiError> {
    let window = app.window(&filters.into(), "now-30d", Reading::Strict).await?;
    let metering = app.metering(&slug, &window).await?;
    let (total, amount_minor) = metering.total();
    let rows = metering.lines.into_iter().map(|line| MeterOut {
        day: range::rfc3339(line.from_ms),
        pool: line.pool,
        used_slot_ms: line.meter.used_slot_ms,
        reserved_slot_ms: line.meter.reserved_slot_ms,
        idle_slot_ms: line.meter.idle_slot_ms,
        borrowed_slot_ms: line.meter.borrowed_slot_ms(),
        lent_slot_ms: line.meter.lent_slot_ms,
        billed_slot_ms: line.meter.billed_slot_ms(),
        unit_cost_micros: line.unit_cost_micros,
        amount_minor: line.amount_minor,
        record: line.record,
    });
    Ok(Json(MeteringOut {
        currency: metering.currency,
        used_slot_ms: total.used_slot_ms,
        reserved_slot_ms: total.reserved_slot_ms,
        idle_slot_ms: total.idle_slot_ms,
        borrowed_slot_ms: total.borrowed_slot_ms(),
        billed_slot_ms: total.billed_slot_ms(),
        amount_minor,
        rows: rows.collect(),
    }))
}

/// Archives a tenant; its history stays.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "slug", example = "acme")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn archive(app: App, Path(slug): Path<String>) -> Result<StatusCode, ApiError> {
    app.archive_tenant(&slug, true).await?;
    Ok(StatusCode::NO_CONTENT)
}
