//! Our own extractors: like axum's, but a rejection is a problem (RFC 9457).
#![expect(clippy::disallowed_types, reason = "these wrap the types that are banned elsewhere")]

use super::error::ApiError;
use crate::app::AppError;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A JSON object as body, and any JSON as answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON array as body.
#[derive(Debug)]
pub struct List<T>(pub Vec<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, '{', "an object").await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for List<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, '[', "an array").await.map(Self)
    }
}

/// Reads a body that begins with a bracket. A list of values would otherwise pass for an object with its members in order.
async fn read<S, T>(request: Request, state: &S, bracket: char, expected: &str) -> Result<T, ApiError>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    let axum::Json(raw) = axum::Json::<Box<RawValue>>::from_request(request, state).await?;
    if !raw.get().starts_with(bracket) {
        return Err(AppError::invalid("body", raw.get(), expected).into());
    }
    let axum::Json(value) = axum::Json::from_bytes(raw.get().as_bytes())?;
    Ok(value)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Parts of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(AxumPath), rejection(ApiError))]
pub struct Path<T>(pub T);

/// A parameter of a query that is left out or has a value: `limit=` is a mistake, not a limit that was left out.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// The query string; a parameter may be repeated.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum_extra::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);
