//! The way in to a route of the API: one layer that counts, checks and passes on, in place of one for each.
//!
//! Each layer of a router copies all that is below it for every request. Claims come by the ten thousand a second, so what
//! programs ask about claims has a router of its own, [`programs`], where the whole way is a single layer.

use super::admission::{self, Door};
use super::forward::{self, Peers};
use super::{ApiRoute, complete, wrong_method};
use crate::auth::gate::{self, Gate};
use crate::serve::{DEADLINE, Observed, panicked, too_long};
use crate::state::AppState;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use futures::FutureExt;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What the paths of [`programs`] begin with.
pub(crate) const PREFIX: &str = "/api/v1/pools/";

/// What stands before one route.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Who may pass.
    pub(super) gate: Gate,
    /// How many at a time; as many as come if it is left out.
    pub(super) door: Option<Door>,
    /// Where the server is that decides; any does if it is left out.
    pub(super) peers: Option<Peers>,
}

impl Entry {
    async fn pass(&self, request: Request, next: Next) -> Response {
        let work = gate::through(&self.gate, request, |request| async {
            match &self.peers {
                Some(peers) => forward::to_owner(peers, request, next).await,
                None => next.run(request).await,
            }
        });
        match &self.door {
            Some(door) => admission::admit(door, work).await,
            None => work.await,
        }
    }
}

/// A route's method behind its entry, inside the layers of the whole router.
pub(super) fn guarded(handler: MethodRouter<AppState>, entry: &Arc<Entry>) -> MethodRouter<AppState> {
    handler.route_layer(from_fn_with_state(Arc::clone(entry), pass))
}

async fn pass(State(entry): State<Arc<Entry>>, request: Request, next: Next) -> Response {
    entry.pass(request, next).await
}

/// What programs ask about claims, without the layers that only pages and their sessions need. Every other path goes to `rest`.
pub(crate) fn programs(state: AppState, routes: Vec<(ApiRoute, Arc<Entry>)>, rest: Router) -> Router {
    // All methods of a path go one way: what was matched once is not matched again.
    let paths: HashSet<&'static str> = routes.iter().filter(|(r, _)| r.at_owner).map(|(r, _)| r.path).collect();
    let routes = routes.into_iter().filter(|(route, _)| paths.contains(route.path));
    let router = routes.fold(Router::new(), |router, (route, entry)| {
        router.route(route.path, route.handler.route_layer(from_fn_with_state(entry, pass_alone)))
    });
    router.method_not_allowed_fallback(wrong_method).fallback_service(rest).with_state(state)
}

/// Does what the layers of the whole router do for the API.
async fn pass_alone(State(entry): State<Arc<Entry>>, request: Request, next: Next) -> Response {
    let observed = Observed::begin(&request);
    let uri = request.uri().clone();
    if let Some(refusal) = too_long(&uri) {
        return observed.end(refusal);
    }
    let work = AssertUnwindSafe(entry.pass(request, next)).catch_unwind();
    let response = match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => panicked(panic),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    observed.end(complete(&uri, response))
}
