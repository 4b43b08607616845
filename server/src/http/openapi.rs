//! The description of the API, generated from the code.

use super::{
    alerts, backlog, calendar, claims, error, events, findings, forecasts, game_days, health, history, ingest, jobs,
    oncall, people, plans, pools, prometheus, receivers, reports, rules, runbooks, silences, slos, slots, tenants,
};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use headroom_frontend::routes::Policy;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Headroom",
        description = "Slots, pools, tenants, reservations and their history. Errors are application/problem+json (RFC 9457).",
        license(name = "MIT")
    ),
    paths(
        health::healthz,
        health::readyz,
        health::metrics,
        history::overview,
        history::trend,
        history::heat,
        history::usage,
        history::changes,
        history::record,
        history::pool_trend,
        history::top,
        pools::list,
        pools::get,
        pools::create,
        pools::update,
        pools::archive,
        pools::capacity,
        pools::set_capacity,
        pools::set_quota,
        pools::elastic_price,
        pools::set_elastic_price,
        backlog::plan,
        claims::create,
        claims::get,
        claims::list,
        claims::renew,
        claims::release,
        claims::checkpoint,
        claims::batch,
        claims::heartbeats,
        claims::verify,
        slots::policy,
        slots::set_policy,
        slots::list,
        slots::get,
        slots::live,
        slots::act,
        slots::events,
        findings::list,
        alerts::list,
        alerts::get,
        alerts::act,
        alerts::bulk_ack,
        alerts::follow,
        alerts::quality,
        alerts::slices,
        alerts::pagerduty,
        rules::list,
        rules::create,
        rules::validate,
        rules::backtest,
        rules::get,
        rules::update,
        rules::remove,
        slos::list,
        slos::get,
        slos::set,
        slos::readiness,
        prometheus::rules,
        prometheus::alerts,
        runbooks::list,
        runbooks::get,
        runbooks::write,
        runbooks::tested,
        silences::list,
        silences::get,
        silences::create,
        silences::update,
        silences::end,
        silences::preview,
        forecasts::list,
        forecasts::get,
        forecasts::policy,
        forecasts::set_policy,
        forecasts::metrics,
        forecasts::decisions,
        plans::plan,
        plans::policy,
        plans::set_policy,
        plans::set_cap,
        plans::csv,
        plans::calendar,
        plans::import,
        plans::publications,
        plans::revert,
        plans::create_reservation,
        plans::reservation,
        plans::update_reservation,
        plans::cancel_reservation,
        plans::drafts,
        plans::create_draft,
        plans::draft,
        plans::rename_draft,
        plans::discard_draft,
        plans::edit,
        plans::undo,
        plans::redo,
        plans::preview,
        plans::publish,
        plans::propose,
        plans::approve,
        plans::reject,
        oncall::now,
        oncall::schedules,
        oncall::schedule,
        oncall::create_schedule,
        oncall::update_schedule,
        oncall::delete_schedule,
        oncall::add_override,
        oncall::policies,
        oncall::policy,
        oncall::create_policy,
        oncall::update_policy,
        oncall::delete_policy,
        events::follow,
        tenants::list,
        tenants::get,
        tenants::create,
        tenants::update,
        tenants::archive,
        tenants::metering,
        calendar::list,
        calendar::feed,
        calendar::get,
        calendar::create,
        calendar::update,
        calendar::remove,
        calendar::import,
        jobs::list,
        jobs::schedule,
        jobs::run,
        jobs::cancel_import,
        reports::list,
        reports::get,
        game_days::list,
        game_days::get,
        game_days::create,
        game_days::update,
        ingest::occupancy,
        ingest::source,
        people::users,
        people::user,
        people::create_user,
        people::update_user,
        people::password_code,
        people::sign_out,
        people::reset_second_factor,
        people::tokens,
        people::create_token,
        people::revoke_token,
        receivers::list,
        receivers::create,
        receivers::get,
        receivers::update,
        receivers::delete,
        receivers::test,
        receivers::notifications,
        receivers::replay,
        people::organisation,
        people::set_organisation,
        people::audit,
    ),
    modifiers(&Bearer, &Refusals),
    security(("token" = [])),
    components(schemas(error::ProblemBody, error::FieldProblem))
)]
struct Api;

/// How a caller shows who it is.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hr_...").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// What every route may answer besides its own: who may not pass learns that, and every other error is a problem too.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let routes = super::routes();
        for (path, item) in &mut openapi.paths.paths {
            let methods = [
                ("GET", &mut item.get),
                ("PUT", &mut item.put),
                ("POST", &mut item.post),
                ("DELETE", &mut item.delete),
                ("PATCH", &mut item.patch),
            ];
            for (method, operation) in methods {
                let Some(operation) = operation else { continue };
                // The macro names operations by their functions, and several of those are called the same.
                operation.operation_id = Some(operation_id(method, path));
                let route = routes.iter().find(|route| route.path == path && route.method == method);
                if route.is_some_and(|route| route.policy == Policy::Open) {
                    operation.security = Some(vec![SecurityRequirement::default()]);
                } else {
                    let all = &mut operation.responses.responses;
                    all.entry("401".into()).or_insert_with(|| problem("not signed in, or a token that does not work"));
                    all.entry("403".into()).or_insert_with(|| problem("signed in, but this is not allowed"));
                }
                let all = &mut operation.responses.responses;
                all.entry("default".into()).or_insert_with(|| problem("any other error"));
                // The macro knows a body's shape, not that it is a problem.
                for (_, response) in all.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
                    let RefOr::T(response) = response else { continue };
                    if let Some(body) = response.content.shift_remove("application/json") {
                        response.content.insert("application/problem+json".into(), body);
                    }
                }
                if path.starts_with("/prom/") {
                    all.insert("400".into(), bad_data());
                }
            }
        }
    }
}

/// A name that no other operation has: `put_pools_pool_policy`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method.to_lowercase().as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn problem(description: &str) -> RefOr<utoipa::openapi::Response> {
    let body = Content::new(Some(Ref::from_schema_name("ProblemBody")));
    ResponseBuilder::new().description(description).content("application/problem+json", body).build().into()
}

/// What tools of Prometheus understand, and what every other route says.
fn bad_data() -> RefOr<utoipa::openapi::Response> {
    let body = Content::new(Some(Ref::from_schema_name("ProblemBody")));
    ResponseBuilder::new()
        .description("a parameter that is not understood: as Prometheus says it, or a problem")
        .content("application/json", Content::new::<Ref>(None))
        .content("application/problem+json", body)
        .build()
        .into()
}

/// The document, as committed in `server/openapi.json`.
pub fn document() -> String {
    let mut text = Api::openapi().to_pretty_json().expect("the description is plain data");
    text.push('\n');
    text
}

/// Serves the document.
pub async fn serve() -> Response {
    ([(CONTENT_TYPE, "application/json")], document()).into_response()
}
