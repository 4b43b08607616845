//! Pools over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query};
use super::filters::Filters;
use crate::app::pools::PoolNow;
use crate::app::window::Reading;
use crate::app::{App, AppError, Problem};
use axum::http::StatusCode;
use headroom_domain::pool::{PoolKind, Properties, Service};
use headroom_domain::range;
use headroom_domain::slug::Slug;
use headroom_store::pool::{CapacityStep, PoolFields};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A pool as the API gives it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolOut {
    /// Id.
    pub id: String,
    /// Name in URLs.
    pub slug: String,
    /// Name on pages.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `fixed`, `autoscaling`, `partitioned`, `tenant-quota`, `staging`, `rate-limited`.
    pub kind: String,
    /// `static` or `dynamic`.
    pub sizing: String,
    /// `assignable` or `reservable`.
    pub granting: String,
    /// `ephemeral` or `long-lived`.
    pub lifetime: String,
    /// `strong` or `eventual`.
    pub consistency: String,
    /// `retry`, `resume` or `drop`.
    pub on_loss: String,
    /// Configured slots now.
    pub configured: Option<i64>,
    /// Of these planned to be down.
    pub planned_down: Option<i64>,
    /// Effective capacity now: configured minus planned-down.
    pub capacity: Option<i64>,
    /// Occupied slots now; null if nothing is known about now. May exceed the capacity.
    pub occupied: Option<i64>,
    /// Occupied ÷ capacity now.
    pub occupancy: Option<f64>,
    /// Start of the newest sample, RFC 3339.
    pub as_of: Option<String>,
    /// Whether a sample was expected and did not come.
    pub stale: bool,
    /// Least slots.
    pub min_slots: Option<i32>,
    /// Most slots.
    pub max_slots: Option<i32>,
    /// Millionths of the organisation's currency per slot and hour.
    pub unit_cost_micros: Option<i64>,
    /// Owner team.
    pub owner: String,
    /// Runbook.
    pub runbook_url: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Services it carries.
    pub services: Vec<ServiceBody>,
    /// IANA zone.
    pub zone: String,
    /// Region.
    pub region: Option<String>,
    /// Stamp.
    pub stamp: Option<String>,
    /// How often samples are expected, milliseconds.
    pub feed_period_ms: Option<i32>,
    /// Days of fine history kept.
    pub retention_days: Option<i32>,
    /// Version for changes.
    pub version: i32,
    /// When it was archived, RFC 3339.
    pub archived_at: Option<String>,
}

/// A service carried by a pool.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceBody {
    /// Service.
    pub service: String,
    /// Endpoint; may be empty.
    #[serde(default)]
    pub endpoint: String,
    /// Whether customers notice its errors.
    #[serde(default)]
    pub customer_facing: bool,
}

impl From<PoolNow> for PoolOut {
    fn from(p: PoolNow) -> Self {
        let (capacity, occupied, occupancy) = (p.effective(), p.occupied(), p.occupancy());
        let f = p.pool.fields;
        Self {
            id: p.pool.id.to_string(),
            slug: f.slug.to_string(),
            name: f.name,
            description: f.description,
            kind: f.kind.to_string(),
            sizing: f.properties.sizing.to_string(),
            granting: f.properties.granting.to_string(),
            lifetime: f.properties.lifetime.to_string(),
            consistency: f.properties.consistency.to_string(),
            on_loss: f.properties.on_loss.to_string(),
            configured: p.capacity.map(|(configured, _)| configured),
            planned_down: p.capacity.map(|(_, down)| down),
            capacity,
            occupied,
            occupancy,
            as_of: p.current.as_ref().map(|c| range::rfc3339(c.at_ms)),
            stale: p.stale,
            min_slots: f.min_slots,
            max_slots: f.max_slots,
            unit_cost_micros: f.unit_cost_micros,
            owner: f.owner,
            runbook_url: f.runbook_url,
            labels: f.labels,
            services: f
                .services
                .into_iter()
                .map(|s| ServiceBody { service: s.service, endpoint: s.endpoint, customer_facing: s.customer_facing })
                .collect(),
            zone: f.zone,
            region: f.region,
            stamp: f.stamp,
            feed_period_ms: f.feed_period_ms,
            retention_days: f.retention_days,
            version: p.pool.version,
            archived_at: p.pool.archived_ms.map(range::rfc3339),
        }
    }
}

/// A field of a change.
#[derive(Debug, Default)]
pub enum Given<T> {
    /// It was left out: what there is stays.
    #[default]
    Absent,
    /// It was given; null empties it.
    To(Option<T>),
}

impl<T> Given<T> {
    fn or(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Absent => before,
            Self::To(value) => value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Self, D::Error> {
        Option::deserialize(field).map(Self::To)
    }
}

/// The API's description shows what a field is when it is left out.
impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::To(value) => value.serialize(serializer),
        }
    }
}

/// What a pool is to be. A new one (POST) needs a name or slug and its `capacity`. On a change (PATCH) fields left out stay as
/// they are, null empties those that may be empty, and `version` is required.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PoolIn {
    /// Version the change was made on (PATCH).
    pub version: Option<i32>,
    /// Name in URLs: a-z, 0-9 and hyphens. The old one redirects.
    pub slug: Option<String>,
    /// Name on pages.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// `static` or `dynamic`.
    pub sizing: Option<String>,
    /// `assignable` or `reservable`.
    pub granting: Option<String>,
    /// `ephemeral` or `long-lived`.
    pub lifetime: Option<String>,
    /// `strong` or `eventual`.
    pub consistency: Option<String>,
    /// `retry`, `resume` or `drop`.
    pub on_loss: Option<String>,
    /// Slots now (POST).
    pub capacity: Option<i64>,
    /// Of these planned to be down (POST).
    pub planned_down: Option<i64>,
    /// Least slots.
    #[schema(value_type = Option<i32>)]
    pub min_slots: Given<i32>,
    /// Most slots.
    #[schema(value_type = Option<i32>)]
    pub max_slots: Given<i32>,
    /// Millionths of the currency per slot and hour.
    #[schema(value_type = Option<i64>)]
    pub unit_cost_micros: Given<i64>,
    /// Owner team.
    pub owner: Option<String>,
    /// Runbook, http(s).
    pub runbook_url: Option<String>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Services.
    pub services: Option<Vec<ServiceBody>>,
    /// IANA zone.
    pub zone: Option<String>,
    /// Region, by slug.
    #[schema(value_type = Option<String>)]
    pub region: Given<String>,
    /// Stamp, by slug.
    #[schema(value_type = Option<String>)]
    pub stamp: Given<String>,
    /// How often samples are expected, milliseconds.
    #[schema(value_type = Option<i32>)]
    pub feed_period_ms: Given<i32>,
    /// Days of fine history to keep.
    #[schema(value_type = Option<i32>)]
    pub retention_days: Given<i32>,
}

impl PoolIn {
    /// The fields of a new pool.
    fn for_new(self) -> Result<PoolFields, AppError> {
        let name = self.name.clone().or_else(|| self.slug.clone()).unwrap_or_default();
        let slug = self.slug.clone().unwrap_or_else(|| Slug::from_name(&name, "pool").to_string());
        let empty = PoolFields {
            slug: Slug::parse(&slug).map_err(|e| AppError::invalid("slug", &slug, e.to_string()))?,
            name,
            description: String::new(),
            kind: PoolKind::Fixed,
            properties: Properties::default(),
            min_slots: None,
            max_slots: None,
            unit_cost_micros: None,
            owner: String::new(),
            runbook_url: String::new(),
            labels: BTreeMap::new(),
            services: Vec::new(),
            zone: "UTC".into(),
            region: None,
            stamp: None,
            feed_period_ms: None,
            retention_days: Some(90),
        };
        self.onto(empty)
    }

    /// The given fields over those there were.
    pub(crate) fn onto(self, before: PoolFields) -> Result<PoolFields, AppError> {
        let mut problems = Vec::new();
        let mut fields = before;
        if let Some(slug) = self.slug {
            match Slug::parse(&slug) {
                Ok(parsed) => fields.slug = parsed,
                Err(error) => problems.push(Problem::new("slug", &slug, error.to_string())),
            }
        }
        macro_rules! word {
            ($field:ident, $into:expr) => {
                if let Some(word) = self.$field {
                    match word.parse() {
                        Ok(parsed) => $into = parsed,
                        Err(expected) => problems.push(Problem::new(stringify!($field), &word, expected)),
                    }
                }
            };
        }
        word!(kind, fields.kind);
        word!(sizing, fields.properties.sizing);
        word!(granting, fields.properties.granting);
        word!(lifetime, fields.properties.lifetime);
        word!(consistency, fields.properties.consistency);
        word!(on_loss, fields.properties.on_loss);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        Ok(PoolFields {
            name: self.name.unwrap_or(fields.name),
            description: self.description.unwrap_or(fields.description),
            min_slots: self.min_slots.or(fields.min_slots),
            max_slots: self.max_slots.or(fields.max_slots),
            unit_cost_micros: self.unit_cost_micros.or(fields.unit_cost_micros),
            owner: self.owner.unwrap_or(fields.owner),
            runbook_url: self.runbook_url.unwrap_or(fields.runbook_url),
            labels: self.labels.unwrap_or(fields.labels),
            services: self.services.map_or(fields.services, |services| {
                services
                    .into_iter()
                    .map(|s| Service { service: s.service, endpoint: s.endpoint, customer_facing: s.customer_facing })
                    .collect()
            }),
            zone: self.zone.unwrap_or(fields.zone),
            region: self.region.or(fields.region).filter(|r| !r.is_empty()),
            stamp: self.stamp.or(fields.stamp).filter(|s| !s.is_empty()),
            feed_period_ms: self.feed_period_ms.or(fields.feed_period_ms),
            retention_days: self.retention_days.or(fields.retention_days),
            ..fields
        })
    }
}

/// A capacity change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityIn {
    /// Configured slots, 0 to 10,000,000.
    pub slots: i64,
    /// Of these planned to be down.
    #[serde(default)]
    pub planned_down: i64,
    /// From when, RFC 3339; now if left out.
    pub effective: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Set it even if more is reserved than would be left.
    #[serde(default)]
    pub below_reserved: bool,
}

/// A step of a pool's capacity.
#[derive(Debug, Serialize, ToSchema)]
pub struct CapacityOut {
    /// From when, RFC 3339.
    pub from: String,
    /// Configured slots.
    pub configured: i32,
    /// Of these planned to be down.
    pub planned_down: i32,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

impl From<CapacityStep> for CapacityOut {
    fn from(s: CapacityStep) -> Self {
        Self {
            from: range::rfc3339(s.from_ms),
            configured: s.configured,
            planned_down: s.planned_down,
            reason: s.reason,
            actor: s.actor,
        }
    }
}

pub(crate) fn slots(field: &str, value: i64) -> Result<i32, AppError> {
    i32::try_from(value).map_err(|_| AppError::invalid(field, value.to_string(), "0 to 10,000,000 slots"))
}

/// All pools with their present values.
#[utoipa::path(get, path = "/api/v1/pools", tag = "pools", params(Filters), responses((status = 200, body = Vec<PoolOut>)))]
pub async fn list(app: App, Query(filters): Query<Filters>) -> Result<Json<Vec<PoolOut>>, ApiError> {
    let window = app.window(&filters.into(), "now-1d", Reading::Strict).await?;
    let pools = app.pools(&window, false).await?;
    Ok(Json(pools.into_iter().map(PoolOut::from).collect()))
}

/// One pool with its present values.
#[utoipa::path(get, path = "/api/v1/pools/{pool}", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = PoolOut), (status = 308, description = "renamed"), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(slug): Path<String>) -> Result<Json<PoolOut>, ApiError> {
    let window = app.window(&crate::app::window::Asked::default(), "now-1h", Reading::Strict).await?;
    Ok(Json(app.pool_detail(&slug, &window).await?.now.into()))
}

/// Makes a pool.
#[utoipa::path(post, path = "/api/v1/pools", tag = "pools", request_body = PoolIn,
    responses((status = 201, body = PoolOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<PoolIn>) -> Result<(StatusCode, Json<PoolOut>), ApiError> {
    let capacity = body.capacity.ok_or_else(|| AppError::invalid("capacity", "", "0 to 10,000,000 slots"))?;
    let step = CapacityStep {
        from_ms: app.now().await?,
        configured: slots("capacity", capacity)?,
        planned_down: slots("planned_down", body.planned_down.unwrap_or_default())?,
        reason: String::new(),
        actor: String::new(),
    };
    let made = app.create_pool(&body.for_new()?, &step).await?;
    Ok((StatusCode::CREATED, get(app, Path(made.fields.slug.to_string())).await?))
}

/// Changes a pool.
#[utoipa::path(patch, path = "/api/v1/pools/{pool}", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")), request_body = PoolIn,
    responses((status = 200, body = PoolOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn update(app: App, Path(slug): Path<String>, Json(body): Json<PoolIn>) -> Result<Json<PoolOut>, ApiError> {
    let before = app.pool(&slug).await?;
    let version = body.version.ok_or_else(|| {
        AppError::invalid("version", "", format!("the version the change was made on; it is {} now", before.version))
    })?;
    for (field, given) in [("capacity", body.capacity), ("planned_down", body.planned_down)] {
        if let Some(given) = given {
            return Err(AppError::invalid(
                field,
                given.to_string(),
                format!("no {field} here: POST /api/v1/pools/{slug}/capacity changes it"),
            )
            .into());
        }
    }
    let fields = body.onto(before.fields)?;
    let after = app.update_pool(&slug, version, &fields).await?;
    get(app, Path(after.fields.slug.to_string())).await
}

/// Archives a pool; its history stays.
#[utoipa::path(delete, path = "/api/v1/pools/{pool}", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn archive(app: App, Path(slug): Path<String>) -> Result<StatusCode, ApiError> {
    app.archive_pool(&slug, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A pool's capacity history, oldest first.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/capacity", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = Vec<CapacityOut>), (status = 404, body = ProblemBody)))]
pub async fn capacity(app: App, Path(slug): Path<String>) -> Result<Json<Vec<CapacityOut>>, ApiError> {
    let window = app.window(&crate::app::window::Asked::default(), "now-1h", Reading::Strict).await?;
    let steps = app.pool_detail(&slug, &window).await?.steps;
    Ok(Json(steps.into_iter().map(CapacityOut::from).collect()))
}

/// Sets a pool's capacity from an instant on.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/capacity", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")), request_body = CapacityIn,
    responses((status = 200, body = Vec<CapacityOut>), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn set_capacity(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<CapacityIn>,
) -> Result<Json<Vec<CapacityOut>>, ApiError> {
    let now = app.now().await?;
    let from_ms = match &body.effective {
        Some(text) => range::instant(text, now).map_err(|e| AppError::range("effective", text, &e))?,
        None => now,
    };
    let step = CapacityStep {
        from_ms,
        configured: slots("slots", body.slots)?,
        planned_down: slots("planned_down", body.planned_down)?,
        reason: body.reason,
        actor: String::new(),
    };
    // A new pool's `capacity` is the `slots` of this request.
    let renamed = |p: Problem| if p.field == "capacity" { Problem { field: "slots".into(), ..p } } else { p };
    app.set_capacity(&slug, &step, body.below_reserved).await.map_err(|error| match error {
        AppError::Invalid(problems) => AppError::Invalid(problems.into_iter().map(renamed).collect()),
        other => other,
    })?;
    capacity(app, Path(slug)).await
}

/// A quota.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaIn {
    /// Tenant, by slug.
    pub tenant: String,
    /// Most slots; null removes the quota.
    pub slots: Option<i64>,
}

/// What a slot costs for an hour without a reservation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ElasticPrice {
    /// Millionths of the organisation's currency, 0 to 1,000,000,000,000; null if it is the price with a reservation, or prices are
    /// not shown to the caller.
    #[schema(example = 90_000, required)]
    #[serde(deserialize_with = "Option::deserialize")]
    pub elastic_price_micros: Option<i64>,
}

/// The price of a slot-hour without a reservation, where that is another one.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/elastic-price", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = ElasticPrice), (status = 404, body = ProblemBody)))]
pub async fn elastic_price(app: App, Path(slug): Path<String>) -> Result<Json<ElasticPrice>, ApiError> {
    Ok(Json(ElasticPrice { elastic_price_micros: app.elastic_price(&slug).await? }))
}

/// Sets that price, or takes it away. The waste report then says which level costs least in each hour of the week.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/elastic-price", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")), request_body = ElasticPrice,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn set_elastic_price(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<ElasticPrice>,
) -> Result<StatusCode, ApiError> {
    app.set_elastic_price(&slug, body.elastic_price_micros).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets or removes a tenant's quota in a pool.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/quotas", tag = "pools", params(("pool" = String, Path, description = "slug", example = "ingress-eu")), request_body = QuotaIn,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn set_quota(app: App, Path(slug): Path<String>, Json(body): Json<QuotaIn>) -> Result<StatusCode, ApiError> {
    let limit = body.slots.map(|s| slots("slots", s)).transpose()?;
    app.set_quota(&slug, &body.tenant, limit).await?;
    Ok(StatusCode::NO_CONTENT)
}
