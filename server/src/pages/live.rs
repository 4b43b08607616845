//! The pages of live slots: on-call board, debugging, one slot, acting on slots. Until the allocator's state is put in here, each
//! renders what is true of a service that tracks no pool: nothing is known yet.

use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::visit::{Named as Slug, Visit};
use crate::app::{App, AppError, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_frontend::model::{
    Affinity, ChartModel, DebugFilter, DebugModel, FilterSet, OnCallModel, PanelState, SlotAction, Vitals,
};
use headroom_frontend::{pages, routes::RailEntry};

/// The most that the P95 of a claim's answer should be (M6).
const CLAIM_LIMIT_US: i64 = 50_000;

async fn answered(app: &App, visit: &Visit, outcome: Result<Response>) -> Response {
    match outcome {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/oncall`.
pub(crate) async fn oncall(app: App, visit: Visit) -> Response {
    let outcome = oncall_page(&app, &visit).await;
    answered(&app, &visit, outcome).await
}

async fn oncall_page(app: &App, visit: &Visit) -> Result<Response> {
    let spec = Spec {
        title: "On-call",
        rail: Some(RailEntry::OnCall),
        honoured: FilterSet { pool: true, tenant: true, ..FilterSet::NONE },
        default_from: "now-1h",
        view: &["map", "state"],
    };
    let (shell, _) = shell(app, visit, spec).await?;
    let model = oncall_model();
    Ok(page(&shell, StatusCode::OK, || pages::oncall(&shell, &model)))
}

fn oncall_model() -> OnCallModel {
    OnCallModel {
        findings: Vec::new(),
        findings_state: PanelState::Ready,
        pools_watched: 0,
        vitals: Vitals { claim_limit_us: CLAIM_LIMIT_US, ..Vitals::default() },
        map: None,
        map_pools: Vec::new(),
        slowest: Vec::new(),
        holders: Vec::new(),
        bulkheads: Vec::new(),
    }
}

/// GET `/debug`.
pub(crate) async fn debug(app: App, visit: Visit) -> Response {
    let outcome = debug_page(&app, &visit).await;
    answered(&app, &visit, outcome).await
}

async fn debug_page(app: &App, visit: &Visit) -> Result<Response> {
    let spec = Spec {
        title: "Debug",
        rail: Some(RailEntry::Debug),
        honoured: FilterSet { range: true, ..FilterSet::NONE },
        default_from: "now-15m",
        view: &["kind", "who", "slot", "q"],
    };
    let (shell, window) = shell(app, visit, spec).await?;
    let model = debug_model(window.from_ms, window.to_ms);
    Ok(page(&shell, StatusCode::OK, || pages::debug(&shell, &model)))
}

fn debug_model(from_ms: i64, to_ms: i64) -> DebugModel {
    DebugModel {
        pool: None,
        pools: Vec::new(),
        filter: DebugFilter::default(),
        latency: ChartModel::empty("latency", "Claim latency", from_ms, to_ms),
        claims: Vec::new(),
        trace: None,
        events: Vec::new(),
        events_state: PanelState::Ready,
        leases: Vec::new(),
        moves: ChartModel::empty("moves", "Moves per minute", from_ms, to_ms),
        affinity: Affinity::default(),
    }
}

/// GET `/debug/claims/{trace}`: no claim was traced yet.
pub(crate) async fn claim(app: App, Slug(trace): Slug, visit: Visit) -> Response {
    let missing = AppError::NotFound { what: "claim", slug: trace, suggestion: None };
    failure(&app, &visit, missing).await
}

/// GET `/pools/{pool}/slots/{slot}`: a pool that is not tracked has no slots of its own.
pub(crate) async fn slot(app: App, Slug(pool): Slug, visit: Visit) -> Response {
    let outcome = no_slots(&app, &pool, &visit).await;
    answered(&app, &visit, outcome).await
}

async fn no_slots(app: &App, pool: &str, visit: &Visit) -> Result<Response> {
    app.pool(pool).await?;
    let slot = visit.path.rsplit('/').next().unwrap_or_default().to_owned();
    Err(AppError::NotFound { what: "slot", slug: slot, suggestion: None })
}

/// GET and POST `/pools/{pool}/act/{action}`: there are no live slots to act on.
pub(crate) async fn act(app: App, Slug(pool): Slug, visit: Visit) -> Response {
    let outcome = no_action(&app, &pool, &visit).await;
    answered(&app, &visit, outcome).await
}

async fn no_action(app: &App, pool: &str, visit: &Visit) -> Result<Response> {
    app.pool(pool).await?;
    let word = visit.path.rsplit('/').next().unwrap_or_default();
    let what = if SlotAction::parse(word).is_some() { "live slot to act on in pool" } else { "action" };
    let name = if SlotAction::parse(word).is_some() { pool } else { word };
    Err(AppError::NotFound { what, slug: name.to_owned(), suggestion: None })
}
