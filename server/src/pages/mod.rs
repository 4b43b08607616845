//! The pages' door: GET answers a complete document (or its table as CSV), POST changes something
//! and redirects. The router is built from the frontend's table of routes, so a page without a
//! handler does not compile and a handler without a route cannot exist.

mod answer;
mod archive;
mod figure;
mod form;
mod help;
mod jobs;
mod me;
mod overview;
mod pool;
mod pool_form;
mod pools;
mod search;
mod shell;
mod table;
mod tenant;
mod tenant_form;
mod tenants;
mod visit;

use crate::state::AppState;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use headroom_frontend::routes::{Page, ROUTES};
use headroom_store::audit::Actor;
use std::sync::LazyLock;
use visit::Visit;

/// Who acts through the pages while there is no sign-in: the machine's own user, on loopback only.
static PAGE_ACTOR: LazyLock<Actor> = LazyLock::new(|| Actor { name: "local".into(), source: "page" });

/// All page routes.
pub fn router() -> Router<AppState> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.pattern, handler(route.page)))
}

fn handler(page: Page) -> MethodRouter<AppState> {
    match page {
        Page::Home => get(async |visit: Visit| {
            let query = visit.address.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
            Redirect::to(&format!("/overview{query}"))
        }),
        Page::Overview => get(overview::get),
        Page::Pools => get(pools::get),
        Page::PoolNew => get(pool_form::new).post(pool_form::create),
        Page::Pool => get(pool::get),
        Page::PoolEdit => get(pool_form::edit).post(pool_form::update),
        Page::PoolCapacity => post(pool_form::capacity),
        Page::PoolArchive => get(archive::pool).post(archive::archive_pool),
        Page::Tenants => get(tenants::get),
        Page::TenantNew => get(tenant_form::new).post(tenant_form::create),
        Page::Tenant => get(tenant::get),
        Page::TenantEdit => get(tenant_form::edit).post(tenant_form::update),
        Page::TenantQuota => post(tenant_form::quota),
        Page::TenantArchive => get(archive::tenant).post(archive::archive_tenant),
        Page::Search => get(search::get),
        Page::SearchIndex => get(search::index),
        Page::Jobs => get(jobs::get),
        Page::Me => get(me::get).post(me::post),
        Page::Help => get(help::help),
        Page::Shortcuts => get(help::shortcuts),
    }
}

/// An address that is no page.
pub(crate) async fn not_found(State(state): State<AppState>, visit: Visit) -> Response {
    let error = crate::app::AppError::NotFound { what: "page", slug: visit.path.clone(), suggestion: None };
    answer::failure(&state.app, &visit, error).await
}

/// Bare refusals from the layers (too large, too slow, wrong method) become pages for browsers.
pub(crate) async fn problem_pages(State(_): State<AppState>, visit: Visit, request: Request, next: Next) -> Response {
    let is_page = !visit.path.starts_with("/api/") && !visit.path.starts_with("/assets/");
    let wants_html =
        request.headers().get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    let response = next.run(request).await;
    let status = response.status();
    let is_html = response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if !is_page || !wants_html || is_html || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut model = answer::blank(status, String::new());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        model.retry_after_s = Some(answer::RETRY_AFTER_S);
        model.retry_href = visit.reads.then(|| visit.address.clone());
    }
    answer::status_page(&visit, status, &model)
}
