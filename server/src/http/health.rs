//! Is it up, is it ready, what does it count.

use super::AppState;
use super::error::ApiError;
use super::extract::Json;
use crate::app::App;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// State of the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// Version of the server.
    pub version: &'static str,
}

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The process is up and its database answers within a second.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, body = Health), (status = 503, description = "the database does not answer")))]
pub async fn readyz(app: App) -> Result<Json<Health>, ApiError> {
    let asked = sqlx_ready(&app);
    match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(true) => Ok(Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })),
        _ => {
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", "the database does not answer"))
        }
    }
}

async fn sqlx_ready(app: &App) -> bool {
    app.organisation().await.is_ok()
}

/// Counters in Prometheus text exposition.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "Prometheus text exposition", content_type = "text/plain")))]
pub async fn metrics(State(state): State<AppState>, app: App) -> Result<Response, ApiError> {
    app.require_whole_view()?;
    let mut text = state.metrics.render();
    // Not known by one server, so that it is asked of the database by each.
    text += &app.forecast_gauges().await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
