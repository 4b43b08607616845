//! The JSON API: one file per group of verbs, problems for errors, OpenAPI from the code.

pub mod error;
pub mod extract;
pub mod filters;
pub mod health;
pub mod history;
pub mod ingest;
pub mod jobs;
pub mod openapi;
pub mod pools;
pub mod tenants;

pub(crate) use crate::state::AppState;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, patch, post, put};
use error::ApiError;
use headroom_store::audit::Actor;
use std::sync::LazyLock;

/// Who acts through the API while there is no sign-in: the machine's own user, on loopback only.
pub static API_ACTOR: LazyLock<Actor> = LazyLock::new(|| Actor { name: "local".into(), source: "api" });

/// All routes of the API.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/openapi.json", get(openapi::serve))
        .route("/api/v1/overview", get(history::overview))
        .route("/api/v1/trend", get(history::trend))
        .route("/api/v1/heatmap", get(history::heat))
        .route("/api/v1/usage", get(history::usage))
        .route("/api/v1/changes", get(history::changes).post(history::record))
        .route("/api/v1/pools", get(pools::list).post(pools::create))
        .route("/api/v1/pools/{pool}", get(pools::get).patch(pools::update).delete(pools::archive))
        .route("/api/v1/pools/{pool}/capacity", get(pools::capacity).post(pools::set_capacity))
        .route("/api/v1/pools/{pool}/quotas", put(pools::set_quota))
        .route("/api/v1/pools/{pool}/trend", get(history::pool_trend))
        .route("/api/v1/tenants", get(tenants::list).post(tenants::create))
        .route("/api/v1/tenants/top", get(history::top))
        .route("/api/v1/tenants/{tenant}", get(tenants::get).merge(patch(tenants::update)).delete(tenants::archive))
        .route("/api/v1/jobs", get(jobs::list))
        .route("/api/v1/ingest/occupancy", post(ingest::occupancy))
        .route("/api/v1/ingest/sources/{source}", get(ingest::source))
        .route("/api/{*rest}", axum::routing::any(no_such_route))
        .method_not_allowed_fallback(wrong_method)
}

async fn no_such_route(uri: axum::http::Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no-such-route", format!("{} is not part of the API; /api/v1/openapi.json lists what is", uri.path()))
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    let detail = format!("{} does not answer {method}; /api/v1/openapi.json lists what it answers", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}
