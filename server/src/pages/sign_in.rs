//! Signing in and out, the first account, a forgotten password.

use super::answer::{done, failure, page};
use super::form::Posted;
use super::shell::{Spec, without_database};
use super::visit::Visit;
use crate::app::caller::Caller;
use crate::app::sign_in::SignedIn;
use crate::app::{App, AppError, Problem};
use crate::auth::gate::session_error;
use crate::auth::session;
use crate::demo::ACCOUNTS;
use crate::net::Peer;
use axum::Extension;
use axum::http::header::{RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use headroom_domain::access::{Action, Role};
use headroom_frontend::model::{DemoAccount, Field, FilterSet, LoginModel, ResetModel, SetupModel};
use headroom_frontend::pages;
use headroom_frontend::url::tenant_path;
use headroom_store::account::Account;
use tower_sessions::Session;

/// What is said about every wrong e-mail, password and code alike.
const REFUSED: &str = "That e-mail address and password do not belong together, or the code is wrong.";

const fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: None, honoured: FilterSet::NONE, default_from: "now-1h", view: &[] }
}

/// Only a path of our own: `//elsewhere` and `https://...` are other sites, and browsers read `/\elsewhere` and a path
/// with tabs or line breaks in it as the former.
pub(crate) fn is_local(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(|c: char| c == '\\' || c.is_control())
}

pub(super) fn next(text: &str) -> String {
    // Signing in to be signed out, or to sign in again, is nobody's wish.
    let leads_on = !["/login", "/logout", "/setup", "/reset"].iter().any(|page| text.starts_with(page));
    if is_local(text) && leads_on { text.to_owned() } else { String::new() }
}

/// Where to go without a wish: who sees one tenant only begins with it, who is on call with what needs attention, everybody else
/// with the whole.
pub(super) fn landing(account: &Account) -> String {
    match (Caller::tenants_of(account), account.fields.tenants.as_slice()) {
        (Some(_), [only]) => tenant_path(only),
        (None, _) if is_on_call(account) => "/oncall".to_owned(),
        _ => "/overview".to_owned(),
    }
}

/// Answers alerts, and does not plan or administer as well.
fn is_on_call(account: &Account) -> bool {
    let roles = &account.fields.roles;
    roles.contains(&Role::OnCall) && !roles.iter().any(|role| role.allows(Action::Plan))
}

/// Where somebody goes who has just signed in.
pub(super) fn wished(next: &str, account: &Account) -> String {
    if next.is_empty() { landing(account) } else { next.to_owned() }
}

fn agent(headers: &HeaderMap) -> &str {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What an attempt was refused with, for a form: status, problems by field, a sentence, and how long to wait.
fn refusal(error: AppError) -> Result<(StatusCode, Vec<Problem>, Option<String>, Option<u64>), AppError> {
    match error {
        AppError::Invalid(problems) => Ok((StatusCode::UNPROCESSABLE_ENTITY, problems, None, None)),
        AppError::TooMany { retry_after_s } => {
            let text = format!("Too many attempts. Try again in {retry_after_s} s.");
            Ok((StatusCode::TOO_MANY_REQUESTS, Vec::new(), Some(text), Some(retry_after_s)))
        }
        AppError::Conflict(text) => Ok((StatusCode::CONFLICT, Vec::new(), Some(text), None)),
        other => Err(other),
    }
}

pub(super) fn answer(
    visit: &Visit,
    status: StatusCode,
    title: &str,
    wait: Option<u64>,
    view: impl FnOnce(&headroom_frontend::model::ShellModel) -> leptos::prelude::AnyView,
) -> Response {
    let shell = without_database(visit, spec(title));
    let mut response = page(&shell, status, || view(&shell));
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// GET `/login`.
pub(crate) async fn login(app: App, visit: Visit, Extension(peer): Extension<Peer>) -> Response {
    if let Some(account) = app.caller().account() {
        let wanted = next(visit.get("next").unwrap_or_default());
        return done(&wished(&wanted, account), "");
    }
    match app.needs_setup().await {
        Ok(true) => return done("/setup", ""),
        Ok(false) => {}
        Err(error) => return failure(&app, &visit, error).await,
    }
    let model = LoginModel { next: next(visit.get("next").unwrap_or_default()), ..blank_login(&app, &peer).await };
    answer(&visit, StatusCode::OK, "Sign in", None, |shell| pages::login(shell, &model))
}

pub(super) async fn blank_login(app: &App, peer: &Peer) -> LoginModel {
    let is_demo = app.organisation().await.is_ok_and(|organisation| organisation.demo);
    let account = |a: &crate::demo::Account| DemoAccount {
        role: a.role.label().to_owned(),
        sees: a.sees.to_owned(),
        email: a.email.to_owned(),
        password: a.password.to_owned(),
    };
    LoginModel {
        sso: app.provider().map(|provider| provider.name().to_owned()),
        insecure: !peer.is_private,
        demo: if is_demo { ACCOUNTS.iter().map(account).collect() } else { Vec::new() },
        ..LoginModel::default()
    }
}

/// POST `/login`.
pub(crate) async fn sign_in(
    app: App,
    visit: Visit,
    Extension(peer): Extension<Peer>,
    Extension(browser): Extension<Session>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let address = peer.address.to_string();
    let wanted = next(posted.get("next"));
    let outcome = app.sign_in(posted.get("email"), posted.raw("password"), posted.get("totp"), &address).await;
    let model =
        LoginModel { email: Field::of(posted.get("email")), next: wanted.clone(), ..blank_login(&app, &peer).await };
    match outcome {
        Ok(SignedIn::As(account)) => match begin(&browser, &account, &address, &headers).await {
            Ok(()) => done(&wished(&wanted, &account), ""),
            Err(error) => failure(&app, &visit, error).await,
        },
        Ok(SignedIn::NeedsCode) => {
            let model = LoginModel { asks_code: true, ..model };
            answer(&visit, StatusCode::OK, "Sign in", None, |shell| pages::login(shell, &model))
        }
        Ok(SignedIn::Refused) => {
            let asks_code = posted.has("totp");
            let model = LoginModel { asks_code, error: Some(REFUSED.into()), ..model };
            answer(&visit, StatusCode::UNAUTHORIZED, "Sign in", None, |shell| pages::login(shell, &model))
        }
        Err(error) => match refusal(error) {
            Ok((status, _, text, wait)) => {
                let model = LoginModel { error: text, ..model };
                answer(&visit, status, "Sign in", wait, |shell| pages::login(shell, &model))
            }
            Err(error) => failure(&app, &visit, error).await,
        },
    }
}

pub(super) async fn begin(
    browser: &Session,
    account: &Account,
    address: &str,
    headers: &HeaderMap,
) -> Result<(), AppError> {
    session::begin(browser, account, address, agent(headers)).await.map_err(session_error)
}

/// POST `/logout`.
pub(crate) async fn logout(app: App, visit: Visit, Extension(browser): Extension<Session>, _: Posted) -> Response {
    let ended = async {
        app.signed_out().await?;
        session::end(&browser).await.map_err(session_error)
    };
    match ended.await {
        Ok(()) => done("/login", "You are signed out."),
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/setup`.
pub(crate) async fn setup(app: App, visit: Visit, Extension(peer): Extension<Peer>) -> Response {
    match app.needs_setup().await {
        Ok(true) => {}
        Ok(false) => return done("/login", ""),
        Err(error) => return failure(&app, &visit, error).await,
    }
    let model = SetupModel { insecure: !peer.is_private, ..SetupModel::default() };
    answer(&visit, StatusCode::OK, "Set up", None, |shell| pages::setup(shell, &model))
}

/// POST `/setup`.
pub(crate) async fn set_up(
    app: App,
    visit: Visit,
    Extension(peer): Extension<Peer>,
    Extension(browser): Extension<Session>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let address = peer.address.to_string();
    let (code, name, email) = (posted.get("code"), posted.get("name"), posted.get("email"));
    match app.set_up(code, name, email, posted.raw("password"), &address).await {
        Ok(account) => match begin(&browser, &account, &address, &headers).await {
            Ok(()) => done(&landing(&account), "You are the first administrator. Others are invited under Admin."),
            Err(error) => failure(&app, &visit, error).await,
        },
        Err(error) => match refusal(error) {
            Ok((status, problems, text, wait)) => {
                let empty = |name: &str| Field { value: String::new(), ..posted.field(name, &problems) };
                let model = SetupModel {
                    code: empty("code"),
                    name: posted.field("name", &problems),
                    email: posted.field("email", &problems),
                    password: empty("password"),
                    error: text,
                    insecure: !peer.is_private,
                };
                answer(&visit, status, "Set up", wait, |shell| pages::setup(shell, &model))
            }
            Err(error) => failure(&app, &visit, error).await,
        },
    }
}

/// GET `/reset`.
pub(crate) async fn reset(app: App, visit: Visit, Extension(peer): Extension<Peer>) -> Response {
    let model = ResetModel { insecure: !peer.is_private, sends_mail: app.sends_mail(), ..ResetModel::default() };
    answer(&visit, StatusCode::OK, "New password", None, |shell| pages::reset(shell, &model))
}

/// POST `/reset/mail`.
pub(crate) async fn mail_code(app: App, visit: Visit, Extension(peer): Extension<Peer>, posted: Posted) -> Response {
    if !app.sends_mail() {
        return failure(&app, &visit, AppError::Conflict("this server sends no mail; ask an administrator".into()))
            .await;
    }
    match app.mail_code(posted.get("email"), &peer.address.to_string()).await {
        Ok(()) => done("/reset", "If an account has that address, a mail with a code is on its way to it."),
        Err(error) => match refusal(error) {
            Ok((status, problems, text, wait)) => {
                let model = ResetModel {
                    mail: posted.field("email", &problems),
                    error: text,
                    insecure: !peer.is_private,
                    sends_mail: true,
                    ..ResetModel::default()
                };
                answer(&visit, status, "New password", wait, |shell| pages::reset(shell, &model))
            }
            Err(error) => failure(&app, &visit, error).await,
        },
    }
}

/// POST `/reset`.
pub(crate) async fn do_reset(app: App, visit: Visit, Extension(peer): Extension<Peer>, posted: Posted) -> Response {
    let address = peer.address.to_string();
    match app.reset_password(posted.get("email"), posted.get("code"), posted.raw("password"), &address).await {
        Ok(()) => done("/login", "The new password is set. Sign in with it."),
        Err(error) => match refusal(error) {
            Ok((status, problems, text, wait)) => {
                let empty = |name: &str| Field { value: String::new(), ..posted.field(name, &problems) };
                let model = ResetModel {
                    email: posted.field("email", &problems),
                    code: empty("code"),
                    password: empty("password"),
                    error: text,
                    insecure: !peer.is_private,
                    sends_mail: app.sends_mail(),
                    mail: Field::of(posted.get("email")),
                };
                answer(&visit, status, "New password", wait, |shell| pages::reset(shell, &model))
            }
            Err(error) => failure(&app, &visit, error).await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_back_only_to_pages_of_ours() {
        for fine in ["/pools", "/pools/a?from=now-1d", "/"] {
            assert_eq!(next(fine), fine);
        }
        for other in
            ["", "pools", "//evil.example", "/\\evil.example", "https://evil.example", "/a\tb", "/login", "/logout"]
        {
            assert_eq!(next(other), "", "{other:?}");
        }
    }
}
