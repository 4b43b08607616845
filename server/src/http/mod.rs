//! The JSON API: one file per group of verbs, problems for errors, OpenAPI from the code.

pub mod admission;
pub mod alerts;
pub mod backlog;
pub mod calendar;
pub mod claims;
pub(crate) mod entry;
pub mod error;
pub mod events;
pub mod extract;
pub mod filters;
pub mod findings;
pub mod forecasts;
pub mod forward;
pub mod game_days;
pub mod health;
pub mod history;
pub mod ingest;
pub mod jobs;
pub mod oncall;
pub mod openapi;
pub mod people;
pub mod plans;
pub mod pools;
pub mod prometheus;
pub mod receivers;
pub mod reports;
pub mod rules;
pub mod runbooks;
pub mod silences;
pub mod slos;
pub mod slots;
pub mod tenants;

use crate::auth::gate::{Door, Gate};
pub(crate) use crate::state::AppState;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use entry::Entry;
use error::ApiError;
use headroom_domain::access::Action::{
    Administer, Allocate, Answer, Debug, Ingest, Operate, Plan, RecordChanges, RecordGameDays, See, SeeJobs,
    SeeOwnChanges, SetAlerts,
};
use headroom_frontend::routes::Policy::{self, Needs, Open, SignedIn};
use std::sync::Arc;

/// One method of one route: path, who may pass, handler.
#[derive(Debug)]
pub struct ApiRoute {
    /// Method, in capitals.
    pub method: &'static str,
    /// Path pattern in axum's syntax.
    pub path: &'static str,
    /// Who may pass.
    pub policy: Policy,
    /// Whether the server that owns the pool answers.
    at_owner: bool,
    /// Whether it claims slots, of which only so many are under way at a time.
    is_counted: bool,
    handler: MethodRouter<AppState>,
}

impl ApiRoute {
    /// Only the owner of the pool can answer: others pass the request on.
    fn at_owner(self) -> Self {
        Self { at_owner: true, ..self }
    }

    /// It claims slots.
    fn counted(self) -> Self {
        Self { is_counted: true, ..self }
    }
}

fn route(method: &'static str, path: &'static str, policy: Policy, handler: MethodRouter<AppState>) -> ApiRoute {
    ApiRoute { method, path, policy, at_owner: false, is_counted: false, handler }
}

/// All routes of the API. The router is built from this table, so none can be without a policy.
pub fn routes() -> Vec<ApiRoute> {
    vec![
        route("GET", "/healthz", Open, get(health::healthz)),
        route("GET", "/readyz", Open, get(health::readyz)),
        route("GET", "/metrics", Needs(See), get(health::metrics)),
        route("GET", "/events", Needs(See), get(events::follow)),
        route("GET", "/api/v1/openapi.json", Open, get(openapi::serve)),
        route("GET", "/api/v1/overview", Needs(See), get(history::overview)),
        route("GET", "/api/v1/trend", Needs(See), get(history::trend)),
        route("GET", "/api/v1/heatmap", Needs(See), get(history::heat)),
        route("GET", "/api/v1/usage", Needs(See), get(history::usage)),
        route("GET", "/api/v1/changes", Needs(See), get(history::changes)),
        route("POST", "/api/v1/changes", Needs(RecordChanges), post(history::record)),
        route("GET", "/api/v1/pools", Needs(See), get(pools::list)),
        route("POST", "/api/v1/pools", Needs(Plan), post(pools::create)),
        route("GET", "/api/v1/pools/{pool}", Needs(See), get(pools::get)),
        route("PATCH", "/api/v1/pools/{pool}", Needs(Plan), patch(pools::update)),
        route("DELETE", "/api/v1/pools/{pool}", Needs(Plan), delete(pools::archive)),
        route("GET", "/api/v1/pools/{pool}/capacity", Needs(See), get(pools::capacity)),
        route("POST", "/api/v1/pools/{pool}/capacity", Needs(Plan), post(pools::set_capacity)),
        route("PUT", "/api/v1/pools/{pool}/quotas", Needs(Plan), put(pools::set_quota)),
        route("GET", "/api/v1/pools/{pool}/elastic-price", Needs(See), get(pools::elastic_price)),
        route("PUT", "/api/v1/pools/{pool}/elastic-price", Needs(Plan), put(pools::set_elastic_price)),
        route("GET", "/api/v1/pools/{pool}/trend", Needs(See), get(history::pool_trend)),
        route("GET", "/api/v1/pools/{pool}/claims", Needs(See), get(claims::list)),
        route("POST", "/api/v1/pools/{pool}/claims", Needs(Allocate), post(claims::create)).at_owner().counted(),
        route("POST", "/api/v1/pools/{pool}/claims/batch", Needs(Allocate), post(claims::batch)).at_owner().counted(),
        route("GET", "/api/v1/pools/{pool}/claims/{claim}", Needs(Allocate), get(claims::get)).at_owner(),
        route("POST", "/api/v1/pools/{pool}/claims/{claim}/renew", Needs(Allocate), post(claims::renew)).at_owner(),
        route("POST", "/api/v1/pools/{pool}/claims/{claim}/release", Needs(Allocate), post(claims::release)).at_owner(),
        route("POST", "/api/v1/pools/{pool}/claims/{claim}/checkpoint", Needs(Allocate), post(claims::checkpoint))
            .at_owner(),
        route("POST", "/api/v1/pools/{pool}/heartbeats", Needs(Allocate), post(claims::heartbeats)).at_owner(),
        route("GET", "/api/v1/pools/{pool}/backlog", Needs(See), get(backlog::plan)),
        route("GET", "/api/v1/pools/{pool}/policy", Needs(See), get(slots::policy)),
        route("PUT", "/api/v1/pools/{pool}/policy", Needs(Plan), put(slots::set_policy)),
        route("GET", "/api/v1/pools/{pool}/slots", Needs(See), get(slots::list)),
        route("GET", "/api/v1/pools/{pool}/slots/{slot}", Needs(See), get(slots::get)),
        route("GET", "/api/v1/pools/{pool}/live", Needs(See), get(slots::live)),
        route("POST", "/api/v1/pools/{pool}/actions", Needs(Operate), post(slots::act)),
        route("GET", "/api/v1/slot-events", Needs(Debug), get(slots::events)),
        route("GET", "/api/v1/findings", Needs(See), get(findings::list)),
        route("GET", "/api/v1/alerts", Needs(See), get(alerts::list)),
        route("POST", "/api/v1/alerts/bulk-ack", Needs(Answer), post(alerts::bulk_ack)),
        route("GET", "/api/v1/alerts/stream", Needs(See), get(alerts::follow)),
        route("GET", "/api/v1/alerts/{alert}", Needs(See), get(alerts::get)),
        route("POST", "/api/v1/alerts/{alert}/{deed}", Needs(Answer), post(alerts::act)),
        route("GET", "/api/v1/reports", Needs(See), get(reports::list)),
        route("GET", "/api/v1/reports/alert-quality", Needs(See), get(alerts::quality)),
        route("GET", "/api/v1/reports/{report}", Needs(See), get(reports::get)),
        route("GET", "/api/v1/rules", Needs(See), get(rules::list)),
        route("POST", "/api/v1/rules", Needs(SetAlerts), post(rules::create)),
        route("POST", "/api/v1/rules/validate", Needs(SetAlerts), post(rules::validate)),
        route("POST", "/api/v1/rules/backtest", Needs(SetAlerts), post(rules::backtest)),
        route("GET", "/api/v1/rules/{rule}", Needs(See), get(rules::get)),
        route("PUT", "/api/v1/rules/{rule}", Needs(SetAlerts), put(rules::update)),
        route("DELETE", "/api/v1/rules/{rule}", Needs(SetAlerts), delete(rules::remove)),
        route("GET", "/api/v1/slos", Needs(See), get(slos::list)),
        route("GET", "/api/v1/slos/{pool}/{sli}", Needs(See), get(slos::get)),
        route("PUT", "/api/v1/slos/{pool}/{sli}", Needs(SetAlerts), put(slos::set)),
        route("GET", "/api/v1/readiness", Needs(See), get(slos::readiness)),
        route("GET", "/prom/api/v1/rules", Needs(See), get(prometheus::rules)),
        route("GET", "/prom/api/v1/alerts", Needs(See), get(prometheus::alerts)),
        route("GET", "/api/v1/runbooks", Needs(See), get(runbooks::list)),
        route("GET", "/api/v1/runbooks/{runbook}", Needs(See), get(runbooks::get)),
        route("PUT", "/api/v1/runbooks/{runbook}", Needs(SetAlerts), put(runbooks::write)),
        route("POST", "/api/v1/runbooks/{runbook}/tested", Needs(SetAlerts), post(runbooks::tested)),
        route("GET", "/api/v1/game-days", Needs(See), get(game_days::list)),
        route("POST", "/api/v1/game-days", Needs(RecordGameDays), post(game_days::create)),
        route("GET", "/api/v1/game-days/{game_day}", Needs(See), get(game_days::get)),
        route("PUT", "/api/v1/game-days/{game_day}", Needs(RecordGameDays), put(game_days::update)),
        route("GET", "/api/v1/silences", Needs(See), get(silences::list)),
        route("POST", "/api/v1/silences", Needs(Answer), post(silences::create)),
        route("POST", "/api/v1/silences/preview", Needs(Answer), post(silences::preview)),
        route("GET", "/api/v1/silences/{silence}", Needs(See), get(silences::get)),
        route("PUT", "/api/v1/silences/{silence}", Needs(Answer), put(silences::update)),
        route("DELETE", "/api/v1/silences/{silence}", Needs(Answer), delete(silences::end)),
        route("GET", "/api/v1/forecasts", Needs(See), get(forecasts::list)),
        route("GET", "/api/v1/pools/{pool}/forecast", Needs(See), get(forecasts::get)),
        route("GET", "/api/v1/pools/{pool}/scaling", Needs(See), get(forecasts::policy)),
        route("PUT", "/api/v1/pools/{pool}/scaling", Needs(Plan), put(forecasts::set_policy)),
        route("GET", "/api/v1/pools/{pool}/scaling/metrics", Needs(See), get(forecasts::metrics)),
        route("GET", "/api/v1/pools/{pool}/scaling/decisions", Needs(See), get(forecasts::decisions)),
        route("GET", "/api/v1/pools/{pool}/plan", Needs(See), get(plans::plan)),
        route("GET", "/api/v1/pools/{pool}/plan/policy", Needs(See), get(plans::policy)),
        route("PUT", "/api/v1/pools/{pool}/plan/policy", Needs(Plan), put(plans::set_policy)),
        route("PUT", "/api/v1/pools/{pool}/plan/caps/{tenant}", Needs(Plan), put(plans::set_cap)),
        route("GET", "/api/v1/pools/{pool}/plan.csv", Needs(See), get(plans::csv)),
        route("GET", "/api/v1/pools/{pool}/plan.ics", Needs(See), get(plans::calendar)),
        route("POST", "/api/v1/pools/{pool}/plan/import", Needs(Plan), post(plans::import)),
        route("GET", "/api/v1/pools/{pool}/publications", Needs(See), get(plans::publications)),
        route("POST", "/api/v1/publications/{publication}/revert", Needs(Plan), post(plans::revert)),
        route("POST", "/api/v1/pools/{pool}/reservations", Needs(Plan), post(plans::create_reservation)),
        route("GET", "/api/v1/reservations/{reservation}", Needs(See), get(plans::reservation)),
        route("PUT", "/api/v1/reservations/{reservation}", Needs(Plan), put(plans::update_reservation)),
        route("DELETE", "/api/v1/reservations/{reservation}", Needs(Plan), delete(plans::cancel_reservation)),
        route("GET", "/api/v1/pools/{pool}/drafts", Needs(Plan), get(plans::drafts)),
        route("POST", "/api/v1/pools/{pool}/drafts", Needs(Plan), post(plans::create_draft)),
        route("GET", "/api/v1/drafts/{draft}", Needs(Plan), get(plans::draft)),
        route("PATCH", "/api/v1/drafts/{draft}", Needs(Plan), patch(plans::rename_draft)),
        route("DELETE", "/api/v1/drafts/{draft}", Needs(Plan), delete(plans::discard_draft)),
        route("POST", "/api/v1/drafts/{draft}/edits", Needs(Plan), post(plans::edit)),
        route("POST", "/api/v1/drafts/{draft}/undo", Needs(Plan), post(plans::undo)),
        route("POST", "/api/v1/drafts/{draft}/redo", Needs(Plan), post(plans::redo)),
        route("POST", "/api/v1/drafts/{draft}/preview", Needs(Plan), post(plans::preview)),
        route("POST", "/api/v1/drafts/{draft}/publish", Needs(Plan), post(plans::publish)),
        route("POST", "/api/v1/drafts/{draft}/propose", Needs(Plan), post(plans::propose)),
        route("POST", "/api/v1/drafts/{draft}/approve", Needs(Plan), post(plans::approve)),
        route("POST", "/api/v1/drafts/{draft}/reject", Needs(Plan), post(plans::reject)),
        route("GET", "/api/v1/oncall/now", Needs(See), get(oncall::now)),
        route("GET", "/api/v1/oncall/schedules", Needs(See), get(oncall::schedules)),
        route("POST", "/api/v1/oncall/schedules", Needs(SetAlerts), post(oncall::create_schedule)),
        route("GET", "/api/v1/oncall/schedules/{schedule}", Needs(See), get(oncall::schedule)),
        route("PUT", "/api/v1/oncall/schedules/{schedule}", Needs(SetAlerts), put(oncall::update_schedule)),
        route("DELETE", "/api/v1/oncall/schedules/{schedule}", Needs(SetAlerts), delete(oncall::delete_schedule)),
        route("POST", "/api/v1/oncall/schedules/{schedule}/overrides", Needs(SetAlerts), post(oncall::add_override)),
        route("GET", "/api/v1/oncall/policies", Needs(See), get(oncall::policies)),
        route("POST", "/api/v1/oncall/policies", Needs(SetAlerts), post(oncall::create_policy)),
        route("GET", "/api/v1/oncall/policies/{policy}", Needs(See), get(oncall::policy)),
        route("PUT", "/api/v1/oncall/policies/{policy}", Needs(SetAlerts), put(oncall::update_policy)),
        route("DELETE", "/api/v1/oncall/policies/{policy}", Needs(SetAlerts), delete(oncall::delete_policy)),
        route("POST", "/api/v1/slices", Needs(Ingest), post(alerts::slices)),
        route("POST", "/api/v1/hooks/pagerduty/{receiver}", Open, post(alerts::pagerduty)),
        route("POST", "/api/v1/fences/verify", SignedIn, post(claims::verify)),
        route("GET", "/api/v1/tenants", Needs(See), get(tenants::list)),
        route("POST", "/api/v1/tenants", Needs(Plan), post(tenants::create)),
        route("GET", "/api/v1/tenants/top", Needs(See), get(history::top)),
        route("GET", "/api/v1/tenants/{tenant}", Needs(See), get(tenants::get)),
        route("GET", "/api/v1/tenants/{tenant}/metering", Needs(See), get(tenants::metering)),
        route("PATCH", "/api/v1/tenants/{tenant}", Needs(Plan), patch(tenants::update)),
        route("DELETE", "/api/v1/tenants/{tenant}", Needs(Plan), delete(tenants::archive)),
        route("GET", "/api/v1/events", Needs(See), get(calendar::list)),
        route("POST", "/api/v1/events", Needs(Plan), post(calendar::create)),
        route("POST", "/api/v1/events/import", Needs(Plan), post(calendar::import)),
        route("GET", "/api/v1/events.ics", Needs(See), get(calendar::feed)),
        route("GET", "/api/v1/events/{event}", Needs(See), get(calendar::get)),
        route("PUT", "/api/v1/events/{event}", Needs(Plan), put(calendar::update)),
        route("DELETE", "/api/v1/events/{event}", Needs(Plan), delete(calendar::remove)),
        route("GET", "/api/v1/jobs", Needs(SeeJobs), get(jobs::list)),
        route("GET", "/api/v1/jobs/schedule", Needs(SeeJobs), get(jobs::schedule)),
        route("POST", "/api/v1/jobs/{job}/run", Needs(Plan), post(jobs::run)),
        route("POST", "/api/v1/imports/{import}/cancel", Needs(Plan), post(jobs::cancel_import)),
        route("POST", "/api/v1/ingest/occupancy", Needs(Ingest), post(ingest::occupancy)),
        route("GET", "/api/v1/ingest/sources/{source}", Needs(Ingest), get(ingest::source)),
        route("GET", "/api/v1/users", Needs(Administer), get(people::users)),
        route("POST", "/api/v1/users", Needs(Administer), post(people::create_user)),
        route("GET", "/api/v1/users/{user}", Needs(Administer), get(people::user)),
        route("PATCH", "/api/v1/users/{user}", Needs(Administer), patch(people::update_user)),
        route("POST", "/api/v1/users/{user}/password-code", Needs(Administer), post(people::password_code)),
        route("DELETE", "/api/v1/users/{user}/sessions", Needs(Administer), delete(people::sign_out)),
        route("DELETE", "/api/v1/users/{user}/second-factor", Needs(Administer), delete(people::reset_second_factor)),
        route("GET", "/api/v1/tokens", Needs(Administer), get(people::tokens)),
        route("POST", "/api/v1/tokens", Needs(Administer), post(people::create_token)),
        route("DELETE", "/api/v1/tokens/{token}", Needs(Administer), delete(people::revoke_token)),
        route("GET", "/api/v1/receivers", Needs(Administer), get(receivers::list)),
        route("POST", "/api/v1/receivers", Needs(Administer), post(receivers::create)),
        route("GET", "/api/v1/receivers/{receiver}", Needs(Administer), get(receivers::get)),
        route("PUT", "/api/v1/receivers/{receiver}", Needs(Administer), put(receivers::update)),
        route("DELETE", "/api/v1/receivers/{receiver}", Needs(Administer), delete(receivers::delete)),
        route("POST", "/api/v1/receivers/{receiver}/test", Needs(Administer), post(receivers::test)),
        route("GET", "/api/v1/notifications", Needs(Debug), get(receivers::notifications)),
        route("POST", "/api/v1/notifications/{notification}/replay", Needs(Operate), post(receivers::replay)),
        route("GET", "/api/v1/organisation", SignedIn, get(people::organisation)),
        route("PUT", "/api/v1/organisation", Needs(Administer), put(people::set_organisation)),
        route("GET", "/api/v1/audit", Needs(SeeOwnChanges), get(people::audit)),
    ]
}

/// All routes of the API, each with what stands before it.
pub(crate) fn entries(state: &AppState) -> Vec<(ApiRoute, Arc<Entry>)> {
    let peers = forward::Peers::default();
    let door = admission::Door::of(state.app.allocator.clone());
    let entry = |route: &ApiRoute| Entry {
        gate: Gate { state: state.clone(), door: Door::Api, policy: route.policy },
        door: route.is_counted.then(|| door.clone()),
        peers: route.at_owner.then(|| peers.clone()),
    };
    routes().into_iter().map(|route| (entry(&route), route)).map(|(entry, route)| (route, Arc::new(entry))).collect()
}

/// The router of the API, each method behind its entry.
pub(crate) fn router(entries: &[(ApiRoute, Arc<Entry>)]) -> Router<AppState> {
    let gated = entries.iter().fold(Router::new(), |router, (route, entry)| {
        router.route(route.path, entry::guarded(route.handler.clone(), entry))
    });
    gated.route("/api/{*rest}", axum::routing::any(no_such_route)).method_not_allowed_fallback(wrong_method)
}

/// Completes every answer of the API.
pub(crate) async fn complete_all(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    complete(&uri, next.run(request).await)
}

/// Makes an answer of the API whole: a bare refusal by a layer (too large, too slow) becomes a problem,
/// and a redirect to a renamed thing keeps what was asked of it.
fn complete(uri: &Uri, mut response: Response) -> Response {
    let status = response.status();
    if !uri.path().starts_with("/api/") {
        return response;
    }
    if status == StatusCode::PERMANENT_REDIRECT {
        let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
        if let Some(full) = location.and_then(|l| HeaderValue::try_from(with_rest(l, uri)).ok()) {
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
