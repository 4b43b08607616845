//! Our own extractors: like axum's, but a rejection is a problem (RFC 9457).
#![expect(clippy::disallowed_types, reason = "these wrap the types that are banned elsewhere")]

use super::error::ApiError;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A JSON body.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Parts of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(AxumPath), rejection(ApiError))]
pub struct Path<T>(pub T);

/// The query string; a parameter may be repeated.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum_extra::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);
