//! Passing a request on to the server that decides about a pool.
//!
//! The request goes as it came, with the caller's own token or cookie, and the other server checks it again. A request that was
//! passed on is not passed on twice: if the pool moved meanwhile, the caller is told to try again.

use super::error::{ApiError, AskedElsewhere};
use crate::serve::MAX_BODY;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use std::time::Duration;

/// Marks a request that was passed on.
const PASSED_ON: HeaderName = HeaderName::from_static("x-headroom-passed-on");
/// Longer than the longest answer to a claim that waits, shorter than the deadline of all requests.
const PATIENCE: Duration = Duration::from_secs(12);

/// The client for other servers: one for all requests, so that connections are kept.
#[derive(Debug, Clone)]
pub struct Peers(reqwest::Client);

impl Default for Peers {
    fn default() -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap_or_default();
        Self(client)
    }
}

/// Answers here, or passes the request on if the answer is that another server decides.
pub async fn to_owner(peers: &Peers, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) if is_too_long(&error) => {
            let detail = format!("the body is longer than {MAX_BODY} bytes; nothing was changed");
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).into_response();
        }
        Err(error) => {
            let detail = format!("the body could not be read to its end: {error}");
            return ApiError::new(StatusCode::BAD_REQUEST, "body", detail).into_response();
        }
    };
    let again = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    let was_passed_on = parts.headers.contains_key(PASSED_ON);
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    let elsewhere = response.extensions().get::<AskedElsewhere>().map(|asked| asked.0.clone());
    let Some(url) = elsewhere.filter(|url| !url.is_empty() && !was_passed_on) else { return response };
    let (method, uri, mut headers) = again;
    for own in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    headers.insert(PASSED_ON, HeaderValue::from_static("1"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let address = format!("{}{path}", url.trim_end_matches('/'));
    match peers.0.request(method, address).headers(headers).body(body).send().await {
        Ok(answer) => relay(answer),
        // Without a connection nothing was asked; with one, something may have been done.
        Err(error) if error.is_connect() => response,
        Err(error) => {
            tracing::warn!(%error, "the server that decides about a pool did not answer");
            ApiError::from(crate::app::AppError::OutcomeUnknown).into_response()
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>)
}

fn relay(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for own in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
