//! The pages' door: GET answers a complete document (or its table as CSV), POST changes something
//! and redirects. The router is built from the frontend's table of routes, so a page without a
//! handler does not compile and a handler without a route cannot exist.

mod account;
mod act;
mod alerts;
mod answer;
mod archive;
mod audit;
mod backlog;
mod calendar;
mod debug;
mod figure;
mod forecast;
mod forecast_apply;
mod forecast_policy;
mod form;
mod game_days;
mod help;
mod jobs;
mod me;
mod oncall;
mod overview;
mod planner;
mod pool;
mod pool_form;
mod pools;
mod postmortem;
mod receivers;
mod reports;
mod rules;
mod runbooks;
mod schedules;
mod search;
mod shell;
mod sign_in;
mod silences;
mod single_sign_on;
mod slos;
mod slot;
mod table;
mod tenant;
mod tenant_form;
mod tenants;
mod tokens;
mod trace;
mod upload;
mod users;
mod visit;

use crate::app::App;
use crate::auth::gate::{Door, Gate, gate};
use crate::state::AppState;
pub(crate) use answer::{Told, refused, tell};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::{MethodRouter, any, get, post};
use headroom_frontend::routes::{Page, Policy, ROUTES};
pub(crate) use upload::takes_long;
pub(crate) use visit::Visit;

/// All page routes, each behind its gate.
pub fn router(state: &AppState) -> Router<AppState> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let gate_of = Gate { state: state.clone(), door: Door::Page, policy: route.policy };
        router.route(route.pattern, handler(route.page).route_layer(from_fn_with_state(gate_of, gate)))
    })
}

fn handler(page: Page) -> MethodRouter<AppState> {
    match page {
        Page::Home => get(async |app: App, visit: Visit| {
            let query = visit.address.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
            let home = app.caller().account().map_or_else(|| "/overview".to_owned(), sign_in::landing);
            Redirect::to(&format!("{home}{query}"))
        }),
        Page::Overview => get(overview::get),
        Page::OnCall => get(oncall::get),
        Page::Rules => get(rules::list),
        Page::RuleNew => get(rules::new).post(rules::create),
        Page::Rule => get(rules::get),
        Page::RuleEdit => get(rules::get).post(rules::update),
        Page::RuleDelete => post(rules::delete),
        Page::Slos => get(slos::get),
        Page::SloObjective => post(slos::objective),
        Page::Runbooks => get(runbooks::list),
        Page::RunbookNew => get(runbooks::new).post(runbooks::create),
        Page::Runbook => get(runbooks::get),
        Page::RunbookEdit => get(runbooks::edit).post(runbooks::update),
        Page::RunbookTested => post(runbooks::tested),
        Page::Debug => get(debug::get),
        Page::DebugClaim => get(trace::claim),
        Page::Silences => get(silences::list),
        Page::SilenceNew => get(silences::list).post(silences::create),
        Page::Silence => get(silences::edit).post(silences::update),
        Page::SilenceEnd => get(silences::ask).post(silences::end),
        Page::Schedules => get(schedules::list),
        Page::ScheduleNew => get(schedules::new).post(schedules::create),
        Page::Schedule => get(schedules::edit).post(schedules::update),
        Page::ScheduleDelete => get(schedules::ask).post(schedules::delete),
        Page::OverrideNew => post(schedules::stand_in),
        Page::PolicyNew => get(schedules::new_policy).post(schedules::create_policy),
        Page::Policy => get(schedules::edit_policy).post(schedules::update_policy),
        Page::PolicyDelete => get(schedules::ask_policy).post(schedules::delete_policy),
        Page::Pools => get(pools::get),
        Page::PoolNew => get(pool_form::new).post(pool_form::create),
        Page::Pool => get(pool::get),
        Page::PoolEdit => get(pool_form::edit).post(pool_form::update),
        Page::PoolCapacity => post(pool_form::capacity),
        Page::PoolElasticPrice => post(pool_form::elastic_price),
        Page::PoolSlot => get(slot::get),
        Page::Alerts => get(alerts::list),
        Page::Alert => get(alerts::get),
        Page::AlertAct => post(alerts::act),
        Page::AlertsBulk => post(alerts::bulk),
        Page::NotificationReplay => post(alerts::replay),
        Page::AlertQuality => get(alerts::quality),
        Page::PoolAct => get(act::get).post(act::post),
        Page::PoolArchive => get(archive::pool).post(archive::archive_pool),
        Page::Waste => get(reports::current),
        Page::WasteMonth => get(reports::month),
        Page::WasteDraft => post(reports::draft),
        Page::WasteCorrect => post(reports::correct),
        Page::Reports => get(reports::list),
        Page::Report => get(reports::report),
        Page::ReportCorrect => post(reports::correct_report),
        Page::GameDays => get(game_days::list),
        Page::GameDayNew => get(game_days::new).post(game_days::create),
        Page::GameDay => get(game_days::edit).post(game_days::update),
        Page::Tenants => get(tenants::get),
        Page::TenantNew => get(tenant_form::new).post(tenant_form::create),
        Page::Tenant => get(tenant::get),
        Page::TenantEdit => get(tenant_form::edit).post(tenant_form::update),
        Page::TenantQuota => post(tenant_form::quota),
        Page::TenantArchive => get(archive::tenant).post(archive::archive_tenant),
        Page::Forecasts => get(forecast::list),
        Page::Forecast => get(forecast::get),
        Page::ScalingPolicy => get(forecast_policy::get).post(forecast_policy::set),
        Page::ForecastApply => get(forecast_apply::get).post(forecast_apply::set),
        Page::ForecastIgnore => post(forecast_policy::ignore),
        Page::Planner => get(planner::get),
        Page::PlannerAct => post(planner::act),
        Page::PlannerDraft => get(planner::review),
        Page::PlannerPublish => post(planner::publish),
        Page::PlannerEdit => get(planner::edit).post(planner::save),
        Page::PlannerPolicy => get(planner::policy).post(planner::set_policy),
        Page::Publications => get(planner::publications),
        Page::PublicationRevert => post(planner::revert),
        Page::PlannerImport => get(planner::import).post(planner::upload).layer(upload::body_limit()),
        Page::PlannerImportStep => get(planner::step).post(planner::do_step),
        Page::PlannerImportRows => get(planner::rejected),
        Page::Calendar => get(calendar::list),
        Page::CalendarFeed => get(calendar::feed),
        Page::EventNew => get(calendar::new).post(calendar::create),
        Page::Event => get(calendar::get),
        Page::EventEdit => post(calendar::update),
        Page::EventDelete => get(calendar::ask).post(calendar::delete),
        Page::CalendarImport => get(calendar::import).post(calendar::upload),
        Page::CalendarReview => get(calendar::review).post(calendar::take),
        Page::Search => get(search::get),
        Page::SearchIndex => get(search::index),
        Page::Jobs => get(jobs::get),
        Page::Job => get(jobs::one),
        Page::JobRun => post(jobs::run_now),
        Page::JobCancel => post(jobs::cancel),
        Page::Me => get(me::get).post(me::post),
        Page::Login => get(sign_in::login).post(sign_in::sign_in),
        Page::LoginSso => post(single_sign_on::leave),
        Page::LoginSsoReturn => get(single_sign_on::come_back),
        Page::Logout => post(sign_in::logout),
        Page::Setup => get(sign_in::setup).post(sign_in::set_up),
        Page::Reset => get(sign_in::reset).post(sign_in::do_reset),
        Page::ResetMail => post(sign_in::mail_code),
        Page::MePassword => post(account::password),
        Page::MeTotp => post(account::second_factor),
        Page::MeSessions => post(account::sessions),
        Page::Admin => get(users::index),
        Page::Users => get(users::list),
        Page::UserNew => get(users::new).post(users::create),
        Page::User => get(users::edit).post(users::update),
        Page::Roles => get(users::roles),
        Page::Tokens => get(tokens::list).post(tokens::create),
        Page::TokenRevoke => get(tokens::ask).post(tokens::revoke),
        Page::Receivers => get(receivers::list),
        Page::ReceiverNew => get(receivers::new).post(receivers::create),
        Page::Receiver => get(receivers::edit).post(receivers::update),
        Page::ReceiverAct => post(receivers::act),
        Page::ReceiverDelete => get(receivers::ask).post(receivers::delete),
        Page::Settings => get(tokens::settings).post(tokens::set_settings),
        Page::Audit => get(audit::get),
        Page::Help => get(help::help),
        Page::Shortcuts => get(help::shortcuts),
    }
}

/// What answers an address that is no page: behind a gate that lets everybody pass, so that who is signed in stays so.
pub(crate) fn not_found(state: &AppState) -> MethodRouter {
    let gate_of = Gate { state: state.clone(), door: Door::Page, policy: Policy::Open };
    any(no_such_page).layer(from_fn_with_state(gate_of, gate)).with_state(state.clone())
}

async fn no_such_page(app: App, visit: Visit) -> Response {
    let error = crate::app::AppError::NotFound { what: "page", slug: visit.path.clone(), suggestion: None };
    answer::failure(&app, &visit, error).await
}

/// Bare refusals from the layers (too large, too slow, wrong method) become pages for browsers.
pub(crate) async fn problem_pages(State(_): State<AppState>, visit: Visit, request: Request, next: Next) -> Response {
    let is_page = !visit.path.starts_with("/api/") && !visit.path.starts_with("/assets/");
    let wants_html =
        request.headers().get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    let length = upload::length(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    let is_html = response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if !is_page || !wants_html || is_html || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut model = answer::blank(status, String::new());
    if status == StatusCode::PAYLOAD_TOO_LARGE && visit.path == upload::PATH {
        model.what = upload::too_large(length);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        model.retry_after_s = Some(answer::RETRY_AFTER_S);
        model.retry_href = visit.reads.then(|| visit.address.clone());
    }
    answer::status_page(&visit, status, &model)
}
