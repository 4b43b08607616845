//! The gate: every route stands behind one, with a policy. It finds out who asks, refuses who may not, and hands the
//! use cases on in the caller's name. Without it a route's use cases run for nobody, and nobody may do anything.

use super::{code, lookup, session};
use crate::app::caller::{Caller, Who};
use crate::app::{App, AppError};
use crate::db::Loan;
use crate::http::error::ApiError;
use crate::net::Peer;
use crate::pages;
use crate::state::AppState;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headroom_frontend::routes::Policy;
use headroom_store::account::{self, Account};
use headroom_store::audit::{Actor, Receipt};
use headroom_store::token;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use tower_sessions::Session;

/// Carries the CSRF token of a session where a request has no form: calls of the API from a page.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// The audit trail's number of the change that an answer reports.
pub const RECORDED: HeaderName = HeaderName::from_static("audit-entry");

/// Through which door a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A page: refusals are pages and redirects.
    Page,
    /// The API: refusals are problems.
    Api,
}

impl Door {
    fn source(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
        }
    }
}

/// What the gate of one route knows.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The server.
    pub state: AppState,
    /// Its door.
    pub door: Door,
    /// Who may pass.
    pub policy: Policy,
}

/// The layer of a route.
pub async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    through(&gate, request, |request| next.run(request)).await
}

/// The gate before some work.
pub(crate) async fn through<F: Future<Output = Response>>(
    gate: &Gate,
    request: Request,
    work: impl FnOnce(Request) -> F,
) -> Response {
    let asked = Instant::now();
    let (mut parts, body) = request.into_parts();
    let caller = match identify(gate, &parts).await {
        Ok(caller) => caller,
        // The page on which one signs in must not need what is away.
        Err(_) if gate.policy == Policy::Open => Caller::nobody(),
        Err(error) => return with_receipt(refuse(gate, parts, error).await, gate.door, &Receipt::default()),
    };
    let app = gate.state.app.acting(Arc::new(caller)).asked_at(asked);
    let passes = match gate.policy {
        Policy::Open => Ok(()),
        Policy::SignedIn if app.caller().is_known() => Ok(()),
        Policy::SignedIn => Err(AppError::SignIn),
        Policy::Needs(action) => app.require(action),
    };
    let passes = passes.and_then(|()| proves_intent(gate.door, app.caller(), &parts));
    let receipt = app.caller().actor.receipt.clone();
    parts.extensions.insert(app);
    let response = match passes {
        Ok(()) => work(Request::from_parts(parts, body)).await,
        Err(error) => refuse(gate, parts, error).await,
    };
    with_receipt(response, gate.door, &receipt)
}

/// Tells the number under which a change was recorded: programs by a header, people by the sentence that follows a form.
fn with_receipt(mut response: Response, door: Door, receipt: &Receipt) -> Response {
    let told = response.extensions_mut().remove::<pages::Told>();
    // What was refused at the end was taken back with its record.
    let number = receipt.number().filter(|_| response.status().is_success() || response.status().is_redirection());
    match (door, number) {
        (Door::Api, Some(number)) => {
            response.headers_mut().insert(RECORDED, HeaderValue::from(number));
        }
        (Door::Page, number) => {
            if let Some(told) = told {
                pages::tell(&mut response, &told, number);
            }
        }
        (Door::Api, None) => {}
    }
    response
}

/// A session's cookie goes along with whatever a browser sends, so a call of the API that changes something proves that a
/// page of ours made it. Forms prove it by a field, which their reader checks.
fn proves_intent(door: Door, caller: &Caller, request: &Parts) -> Result<(), AppError> {
    let Who::Person { csrf, .. } = &caller.who else { return Ok(()) };
    if door == Door::Page || request.method.is_safe() {
        return Ok(());
    }
    let sent = header(&request.headers, &CSRF_HEADER);
    if sent == csrf { Ok(()) } else { Err(AppError::Unproven) }
}

async fn refuse(gate: &Gate, mut parts: Parts, error: AppError) -> Response {
    if gate.door == Door::Api {
        return ApiError::from(error).into_response();
    }
    let app = parts.extensions.get::<App>().cloned().unwrap_or_else(|| gate.state.app.clone());
    let Ok(visit) = pages::Visit::from_request_parts(&mut parts, &()).await;
    pages::refused(&app, &visit, error).await
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn identify(gate: &Gate, request: &Parts) -> Result<Caller, AppError> {
    let address = request.extensions.get::<Peer>().map(|peer| peer.address.to_string()).unwrap_or_default();
    let source = gate.door.source();
    let headers = &request.headers;
    if gate.door == Door::Api && headers.contains_key(AUTHORIZATION) {
        // Programs are told soon that nobody can say who they are.
        let caller = by_token(gate, header(headers, &AUTHORIZATION), header(headers, &USER_AGENT), address);
        let too_late = || AppError::Unavailable("the token was not looked up in time".into());
        return tokio::time::timeout(lookup::PATIENCE, caller).await.unwrap_or_else(|_| Err(too_late()));
    }
    let Some(session) = request.extensions.get::<Session>() else { return Ok(Caller::nobody()) };
    let signed_in = session::current(session).await.map_err(session_error)?;
    let Some(signed_in) = signed_in else { return Ok(Caller::nobody()) };
    let mut conn = gate.state.app.db.pages.acquire().await?;
    let found = account::by_key(&mut conn, signed_in.account).await?;
    let lasts = |account: &Account| account.disabled_ms.is_none() && account.epoch == signed_in.epoch;
    let Some(account) = found.filter(lasts) else { return Ok(Caller::nobody()) };
    // Only what changes something need be known to the minute; reads by the thousand write nothing.
    if account.seen_ms.is_none_or(|seen| crate::clock::now_ms() - seen > 60_000) {
        account::seen(&mut conn, account.key).await?;
    }
    // The session's store takes a connection of its own: who keeps one while waiting for another may wait for himself.
    drop(conn);
    // Rights, password or second factor were changed: what was known of the old id is worth nothing from here on.
    let csrf = if signed_in.version == account.version {
        signed_in.csrf
    } else {
        session::renew(session, account.version).await.map_err(session_error)?
    };
    let session_hash = session.id().map(session::hash).unwrap_or_default();
    Ok(Caller {
        actor: Actor {
            name: account.fields.name.clone(),
            id: Some(account.id),
            source,
            address,
            receipt: Receipt::default(),
        },
        pools: None,
        tenants: Caller::tenants_of(&account),
        who: Who::Person { account: Box::new(account), csrf, session: session_hash },
    })
}

/// The session's store answers with its own errors; behind each is the database.
pub(crate) fn session_error(error: tower_sessions::session::Error) -> AppError {
    AppError::Unavailable(format!("sessions: {error}"))
}

async fn by_token(gate: &Gate, authorization: &str, agent: &str, address: String) -> Result<Caller, AppError> {
    let bearer = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, secret)) = bearer else { return Err(AppError::BadToken) };
    let secret = secret.trim();
    if !secret.starts_with(code::TOKEN_PREFIX) || secret.len() > 200 {
        return Err(AppError::BadToken);
    }
    let Some(found) = gate.state.tokens.working(code::hash(secret)).await? else { return Err(AppError::BadToken) };
    if found.used_ms.is_none_or(|used| crate::clock::now_ms() - used > 60_000) {
        let agent: String = agent.chars().take(300).collect();
        let mut conn = Loan::of(&gate.state.app.db.pages).await?;
        token::used(&mut conn, found.key, &agent).await?;
        conn.give_back();
    }
    let only = |keys: &[i32]| (!keys.is_empty()).then(|| keys.to_vec());
    Ok(Caller {
        actor: Actor {
            name: format!("token {}", found.fields.name),
            id: Some(found.id),
            source: gate.door.source(),
            address,
            receipt: Receipt::default(),
        },
        pools: only(&found.pool_keys),
        tenants: only(&found.tenant_keys),
        who: Who::Token { key: found.key, scopes: found.fields.scopes.clone() },
    })
}

/// The use cases in the caller's name.
impl FromRequestParts<AppState> for App {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        // A route outside every gate gets the use cases of nobody.
        Ok(parts.extensions.get::<App>().cloned().unwrap_or_else(|| state.app.clone()))
    }
}
