//! The stream of live updates: server-sent events.

use super::error::{ApiError, ProblemBody};
use super::extract::Query;
use crate::app::App;
use crate::app::follow::{Follower, Topics};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use utoipa::IntoParams;

/// A comment goes out this often, so that nobody between closes a silent connection.
const PING: Duration = Duration::from_secs(15);
/// A browser waits this long before it comes back.
const RETRY: Duration = Duration::from_secs(3);

/// What to follow.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct Followed {
    /// `live`, `slots`, `log`, `alerts`, with commas.
    topics: String,
    /// Slugs of pools whose slots and events are followed; repeat for several, at most 8.
    pool: Vec<String>,
}

/// Follows live slots as server-sent events: `live` with figures of all tracked pools, `slots` with states of slots, `log` with
/// events, `alerts` when anything happened to an alert, each about once a second at most. `Last-Event-ID` within five minutes goes on from there, otherwise `reset` comes first.
#[utoipa::path(get, path = "/events", tag = "slots", params(Followed),
    responses((status = 200, description = "a stream of events", content_type = "text/event-stream"), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn follow(app: App, Query(followed): Query<Followed>, headers: HeaderMap) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let follower = app.follow(Topics::parse(&followed.topics), &followed.pool, last).await?;
    let first = Ok::<_, Infallible>(Event::default().retry(RETRY).comment("hello"));
    let rest = stream::unfold(follower, |mut follower: Follower| async move {
        let (id, message) = follower.next().await.ok()??;
        let event = Event::default().event(message.name()).id(id.to_string()).json_data(&message).ok()?;
        Some((Ok(event), follower))
    });
    let all = futures::StreamExt::chain(stream::iter([first]), rest);
    let mut response = Sse::new(all).keep_alive(KeepAlive::new().interval(PING)).into_response();
    let headers = response.headers_mut();
    headers.insert(axum::http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}
