//! What pages answer with: documents, tables as CSV, redirects after a change, error pages.

use super::shell::{Spec, shell, without_database};
use super::visit::Visit;
use crate::app::{App, AppError, Problem};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headroom_domain::range::rfc3339;
use headroom_frontend::model::{ErrorModel, FilterSet, Link, ShellModel};
use headroom_frontend::{pages, render};
use leptos::prelude::AnyView;

/// The cookie that carries a sentence over a redirect.
pub(crate) const FLASH: &str = "hr_flash";
/// The cookie that a form carries the value of before sign-in, when there is no session yet. On encrypted connections its
/// name binds it to this host, so that no neighbour can plant one.
pub(crate) const fn form_cookie(is_private: bool) -> &'static str {
    if is_private { "__Host-hr_form" } else { "hr_form" }
}
/// Seconds after which a page may be asked for again when the database is away.
pub(crate) const RETRY_AFTER_S: u64 = 5;

/// A page of a status.
pub(crate) fn page(shell: &ShellModel, status: StatusCode, view: impl FnOnce() -> AnyView) -> Response {
    let html = render::document(view);
    let mut response = (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("cookie, accept"));
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(&shell.nonce)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if shell.viewer.is_none() && !shell.csrf.is_empty() {
        let (name, secure) = (form_cookie(shell.is_private), if shell.is_private { "; Secure" } else { "" });
        let cookie = format!("{name}={}; Path=/; Max-Age=86400; SameSite=Strict; HttpOnly{secure}", shell.csrf);
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
    if shell.flash.is_some() {
        headers.append(SET_COOKIE, HeaderValue::from_static("hr_flash=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"));
    }
    response
}

fn content_security_policy(nonce: &str) -> String {
    format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
}

/// A table as CSV: RFC 4180, text that a spreadsheet would run is quoted with an apostrophe.
pub(crate) fn csv(
    shell: &ShellModel,
    name: &str,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> Response {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(header).expect("writing to memory");
    for row in rows {
        out.write_record(row.iter().map(Cell::text)).expect("rows are as wide as the header");
    }
    let filters = &shell.filters;
    let day = |ms| rfc3339(ms).chars().take(10).collect::<String>();
    let zone = shell.zone.name().replace('/', "-");
    let file = format!("headroom_{name}_{}_{}_{zone}.csv", day(filters.from_ms), day(filters.to_ms));
    attachment("text/csv; charset=utf-8", &file, out.into_inner().expect("writing to memory"))
}

/// A file to be kept by whoever asked for it.
pub(crate) fn attachment(kind: &'static str, name: &str, body: impl Into<Body>) -> Response {
    let mut response = ([(CONTENT_TYPE, kind)], body.into()).into_response();
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// One cell of a CSV.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Text that came from people.
    Text(String),
    /// A whole number.
    Int(Option<i64>),
    /// A number.
    Float(Option<f64>),
    /// Something of ours: times, words.
    Own(String),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
            Self::Text(text) | Self::Own(text) => text.clone(),
            Self::Int(value) => value.map(|v| v.to_string()).unwrap_or_default(),
            Self::Float(value) => value.map(|v| v.to_string()).unwrap_or_default(),
        }
    }
}

/// Goes on to another page after a change, with a sentence to show there.
pub(crate) fn done(to: &str, sentence: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response.extensions_mut().insert(Told(sentence.to_owned()));
    response
}

/// The sentence that the page after a redirect says. The gate sends it along, because it knows what was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Told(String);

/// Sends a sentence over a redirect, with the number under which the change was recorded.
pub(crate) fn tell(response: &mut Response, told: &Told, recorded: Option<i64>) {
    let sentence = match recorded {
        Some(number) if !told.0.is_empty() => format!("{} Recorded as #{number}.", told.0),
        _ => told.0.clone(),
    };
    let sentence = percent_encoding::utf8_percent_encode(&sentence, percent_encoding::NON_ALPHANUMERIC);
    if let Ok(cookie) = HeaderValue::try_from(format!("{FLASH}={sentence}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly"))
    {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// A permanent redirect.
pub(crate) fn moved(to: &str) -> Response {
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// An error as a page: shell, navigation and search stay.
pub(crate) async fn failure(app: &App, visit: &Visit, error: AppError) -> Response {
    let (status, model) = match error {
        AppError::Moved { what, ref slug, ref to } => {
            let from = format!("/{what}s/{slug}");
            let rest = visit.address.strip_prefix(&from).unwrap_or_default();
            return moved(&format!("/{what}s/{to}{rest}"));
        }
        AppError::NotFound { what, slug, suggestion } => {
            let link = |s: String| Link { href: format!("/{what}s/{s}"), label: s };
            let model = blank(StatusCode::NOT_FOUND, format!("No {what} called {slug}."));
            (StatusCode::NOT_FOUND, ErrorModel { suggestions: suggestion.map(link).into_iter().collect(), ..model })
        }
        AppError::Invalid(problems) => {
            let what = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join(". ");
            (StatusCode::UNPROCESSABLE_ENTITY, blank(StatusCode::UNPROCESSABLE_ENTITY, what))
        }
        AppError::Conflict(text) => (StatusCode::CONFLICT, blank(StatusCode::CONFLICT, text)),
        AppError::Answered { .. } => (StatusCode::CONFLICT, blank(StatusCode::CONFLICT, error.to_string())),
        AppError::Unversioned(_) => {
            (StatusCode::PRECONDITION_REQUIRED, blank(StatusCode::PRECONDITION_REQUIRED, error.to_string()))
        }
        AppError::Planned(_) | AppError::Stale { .. } | AppError::NotHeld(_) | AppError::NotGranted { .. } => {
            (StatusCode::CONFLICT, blank(StatusCode::CONFLICT, sentence(&error)))
        }
        AppError::OutcomeUnknown | AppError::Elsewhere(_) => {
            let model = ErrorModel {
                retry_after_s: Some(RETRY_AFTER_S),
                ..blank(StatusCode::SERVICE_UNAVAILABLE, sentence(&error))
            };
            return status_page(visit, StatusCode::SERVICE_UNAVAILABLE, &model);
        }
        AppError::SignIn | AppError::BadToken => return sign_in_first(visit),
        AppError::Unproven => (StatusCode::FORBIDDEN, blank(StatusCode::FORBIDDEN, error.to_string())),
        AppError::Forbidden { .. } => {
            let admins = app.whom_to_ask().await.unwrap_or_default();
            let ask = if admins.is_empty() { String::new() } else { format!(" Ask an admin: {}.", admins.join(", ")) };
            (StatusCode::FORBIDDEN, blank(StatusCode::FORBIDDEN, format!("{}.{ask}", sentence(&error))))
        }
        AppError::TooMany { retry_after_s } => {
            let model = ErrorModel {
                retry_after_s: Some(retry_after_s),
                ..blank(StatusCode::TOO_MANY_REQUESTS, sentence(&error))
            };
            return status_page(visit, StatusCode::TOO_MANY_REQUESTS, &model);
        }
        AppError::Unavailable(text) => {
            tracing::warn!(error = %text, "the database does not answer");
            let model = ErrorModel {
                retry_after_s: Some(RETRY_AFTER_S),
                retry_href: visit.reads.then(|| visit.address.clone()),
                ..blank(StatusCode::SERVICE_UNAVAILABLE, String::new())
            };
            return status_page(visit, StatusCode::SERVICE_UNAVAILABLE, &model);
        }
        AppError::OutOfRoom(text) => {
            tracing::error!(error = %text, "the database's disk is full");
            let model = ErrorModel {
                retry_after_s: Some(RETRY_AFTER_S),
                ..blank(StatusCode::SERVICE_UNAVAILABLE, "The database's disk is full. Nothing was changed.".into())
            };
            return status_page(visit, StatusCode::SERVICE_UNAVAILABLE, &model);
        }
        AppError::Internal(text) => {
            let id = crate::clock::nonce();
            tracing::error!(error = %text, %id, "page failed");
            let model = ErrorModel {
                id,
                retry_href: visit.reads.then(|| visit.address.clone()),
                ..blank(StatusCode::INTERNAL_SERVER_ERROR, String::new())
            };
            return status_page(visit, StatusCode::INTERNAL_SERVER_ERROR, &model);
        }
    };
    let spec = error_spec(status);
    // Who is not signed in gets no frame full of names.
    if !app.caller().is_known() {
        return status_page(visit, status, &model);
    }
    match shell(app, visit, spec).await {
        Ok((shell, _)) => page(&shell, status, || pages::error(&shell, &model)),
        Err(_) => status_page(visit, status, &model),
    }
}

/// A refusal at the gate.
pub(crate) async fn refused(app: &App, visit: &Visit, error: AppError) -> Response {
    failure(app, visit, error).await
}

/// On to the page where one signs in, and from there back to what was asked for. What a form held is lost: its session is
/// over, and so is the proof that it was sent on purpose.
fn sign_in_first(visit: &Visit) -> Response {
    if !visit.reads {
        return done("/login", "Your session ended; nothing was changed. Sign in to go on.");
    }
    let next = percent_encoding::utf8_percent_encode(&visit.address, percent_encoding::NON_ALPHANUMERIC);
    let mut response = StatusCode::SEE_OTHER.into_response();
    let mut to = format!("/login?next={next}");
    // Escaped it may be three times as long, and then the address of the sign-in page would be refused.
    if visit.address == "/" || to.len() > crate::serve::MAX_URI {
        "/login".clone_into(&mut to);
    }
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error's text as a sentence.
fn sentence(error: &AppError) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// An error page that needs no database.
pub(crate) fn status_page(visit: &Visit, status: StatusCode, model: &ErrorModel) -> Response {
    let shell = without_database(visit, error_spec(status));
    let mut response = page(&shell, status, || pages::error(&shell, model));
    if let Some(seconds) = model.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An error page's model with only a sentence.
pub(crate) fn blank(status: StatusCode, what: String) -> ErrorModel {
    ErrorModel {
        status: status.as_u16(),
        what,
        hint: String::new(),
        suggestions: Vec::new(),
        retry_after_s: None,
        id: String::new(),
        retry_href: None,
    }
}

fn error_spec(status: StatusCode) -> Spec<'static> {
    let title = match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::SERVICE_UNAVAILABLE => "Not available",
        _ => "Error",
    };
    Spec { title, rail: None, honoured: FilterSet::NONE, default_from: "now-45d", view: &[] }
}
