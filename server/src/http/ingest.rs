//! LEAD'S PLACEHOLDER so that the crate compiles: the ingest engineer replaces this whole file. Keep `occupancy`,
//! `source` (handlers with utoipa paths) and `MAX_BODY_BYTES`.
use super::AppState;
use super::error::ApiError;
use axum::extract::State;
use axum::http::StatusCode;
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
#[utoipa::path(post, path = "/api/v1/ingest/occupancy", tag = "ingest", responses((status = 501)))]
pub async fn occupancy(State(_s): State<AppState>) -> ApiError { ApiError::new(StatusCode::NOT_IMPLEMENTED, "x", "x") }
#[utoipa::path(get, path = "/api/v1/ingest/sources/{source}", tag = "ingest", responses((status = 501)))]
pub async fn source(State(_s): State<AppState>) -> ApiError { ApiError::new(StatusCode::NOT_IMPLEMENTED, "x", "x") }
