//! Signing in elsewhere: on to the provider, and back.

use super::answer::{done, failure};
use super::form::Posted;
use super::sign_in::{answer, begin, blank_login, next, wished};
use super::visit::Visit;
use crate::app::{App, AppError};
use crate::auth::gate::session_error;
use crate::auth::session::{self, Elsewhere};
use crate::auth::sso::{Sso, SsoError};
use crate::net::Peer;
use axum::Extension;
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use headroom_frontend::model::{LoginModel, OnwardModel};
use headroom_frontend::pages;
use tower_sessions::Session;

fn no_provider(visit: &Visit) -> AppError {
    AppError::NotFound { what: "page", slug: visit.path.clone(), suggestion: Some("/login".into()) }
}

/// The sign-in page again, with a sentence.
async fn login(app: &App, visit: &Visit, peer: &Peer, status: StatusCode, wanted: &str, error: String) -> Response {
    let model = LoginModel { next: wanted.to_owned(), error: Some(error), ..blank_login(app, peer).await };
    answer(visit, status, "Sign in", None, |shell| pages::login(shell, &model))
}

/// What is said about a provider that failed; the log says more.
fn sentence(provider: &Sso, error: &SsoError) -> (StatusCode, String) {
    tracing::warn!(%error, provider = provider.name(), "a single sign-on failed");
    let name = provider.name();
    match error {
        SsoError::Away(_) => {
            (StatusCode::BAD_GATEWAY, format!("{name} did not answer. Try again, or sign in with a password."))
        }
        SsoError::Refused(_) => {
            (StatusCode::UNAUTHORIZED, format!("The answer of {name} could not be trusted. Sign in again."))
        }
    }
}

/// POST `/login/sso`: on to the provider.
///
/// The answer is a page that leads on, not a redirect: a form may only lead to this server, and browsers hold redirects
/// after a form to the same rule.
pub(crate) async fn leave(
    app: App,
    visit: Visit,
    Extension(peer): Extension<Peer>,
    Extension(browser): Extension<Session>,
    posted: Posted,
) -> Response {
    let wanted = next(posted.get("next"));
    if let Some(account) = app.caller().account() {
        return done(&wished(&wanted, account), "");
    }
    let Some(provider) = app.provider() else { return failure(&app, &visit, no_provider(&visit)).await };
    let begun = match provider.begin().await {
        Ok(begun) => begun,
        Err(error) => {
            let (status, text) = sentence(provider, &error);
            return login(&app, &visit, &peer, status, &wanted, text).await;
        }
    };
    let elsewhere = Elsewhere { state: begun.state, nonce: begun.nonce, verifier: begun.verifier, next: wanted };
    if let Err(error) = session::leave(&browser, &elsewhere).await {
        return failure(&app, &visit, session_error(error)).await;
    }
    let model = OnwardModel { provider: provider.name().to_owned(), url: begun.url.to_string() };
    let mut response = answer(&visit, StatusCode::OK, "Sign in", None, |shell| pages::onward(shell, &model));
    if let Ok(value) = HeaderValue::try_from(format!("0;url={}", model.url)) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), value);
    }
    response
}

/// GET `/login/sso/return`: back from the provider.
pub(crate) async fn come_back(
    app: App,
    visit: Visit,
    Extension(peer): Extension<Peer>,
    Extension(browser): Extension<Session>,
    headers: HeaderMap,
) -> Response {
    let Some(provider) = app.provider() else { return failure(&app, &visit, no_provider(&visit)).await };
    if let Some(account) = app.caller().account() {
        // A second look at an answer that was used.
        return done(&wished("", account), "");
    }
    let begun = match session::come_back(&browser).await {
        Ok(begun) => begun,
        Err(error) => return failure(&app, &visit, session_error(error)).await,
    };
    let state = visit.get("state").unwrap_or_default();
    let Some(begun) = begun.filter(|begun| same(&begun.state, state)) else {
        let text = "This sign-in was not begun in this browser, or is over. Begin again.".to_owned();
        return login(&app, &visit, &peer, StatusCode::UNAUTHORIZED, "", text).await;
    };
    let Some(code) = visit.get("code") else {
        let text = format!("{} did not sign you in.", provider.name());
        return login(&app, &visit, &peer, StatusCode::UNAUTHORIZED, &begun.next, text).await;
    };
    let identity = match provider.finish(code, &begun.nonce, &begun.verifier).await {
        Ok(identity) => identity,
        Err(error) => {
            let (status, text) = sentence(provider, &error);
            return login(&app, &visit, &peer, status, &begun.next, text).await;
        }
    };
    let address = peer.address.to_string();
    match app.sign_in_elsewhere(&identity, &address).await {
        Ok(Some(account)) => match begin(&browser, &account, &address, &headers).await {
            Ok(()) => done(&wished(&begun.next, &account), ""),
            Err(error) => failure(&app, &visit, error).await,
        },
        Ok(None) => {
            let text = format!(
                "{} knows you, but there is no account for you here, or it is disabled. Ask an administrator to invite you.",
                provider.name()
            );
            login(&app, &visit, &peer, StatusCode::FORBIDDEN, &begun.next, text).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// Whether two secrets are the same; how long it takes tells nothing about where they differ.
fn same(one: &str, other: &str) -> bool {
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}
