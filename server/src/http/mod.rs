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
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
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

/// Makes every answer of the API whole: a bare refusal by a layer (too large, too slow) becomes a problem,
/// and a redirect to a renamed thing keeps what was asked of it.
pub async fn complete(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    if !uri.path().starts_with("/api/") {
        return response;
    }
    if status == StatusCode::PERMANENT_REDIRECT {
        let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
        if let Some(full) = location.and_then(|l| HeaderValue::try_from(with_rest(l, &uri)).ok()) {
            response.headers_mut().insert(LOCATION, full);
        }
    }
    let is_problem =
        response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/problem+json"));
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (word, detail) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is larger than this route takes; nothing was changed"),
        StatusCode::SERVICE_UNAVAILABLE => ("deadline", "there was no answer in time; try again shortly"),
        _ => ("refused", "the request was refused"),
    };
    ApiError::new(status, word, detail).into_response()
}

/// The part of an address behind `/api/v1/NOUN/SLUG`, put behind the thing's new address.
fn with_rest(location: &str, uri: &Uri) -> String {
    let mut full = location.to_owned();
    if let Some(rest) = uri.path().splitn(6, '/').nth(5) {
        full.push('/');
        full.push_str(rest);
    }
    if let Some(query) = uri.query() {
        full.push('?');
        full.push_str(query);
    }
    full
}

async fn no_such_route(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no-such-route",
        format!("{} is not part of the API; /api/v1/openapi.json lists what is", uri.path()),
    )
}

async fn wrong_method(method: axum::http::Method, uri: Uri) -> ApiError {
    let detail = format!("{} does not answer {method}; /api/v1/openapi.json lists what it answers", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}
