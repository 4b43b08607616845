//! One's own account on `/me`: password, second factor, sessions.

use super::answer::{done, failure};
use super::form::Posted;
use super::me;
use super::users::role_allows;
use super::visit::Visit;
use crate::app::{App, AppError, Problem, Result};
use crate::auth::gate::session_error;
use crate::auth::{session, totp};
use axum::Extension;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_frontend::model::{AccountModel, Field, SessionRow, TotpModel};
use headroom_store::session::Which;
use tower_sessions::Session;
use uuid::Uuid;

/// What a refused form says.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Which form: `password` or `totp`.
    form: &'static str,
    problems: Vec<Problem>,
}

impl Refused {
    fn field(&self, form: &str, name: &str) -> Field {
        let error = if self.form == form { super::form::error_of(name, &self.problems) } else { None };
        Field { value: String::new(), error }
    }
}

/// The account's part of `/me`; `None` for callers without an account.
pub(super) async fn model(app: &App, browser: &Session, refused: &Refused) -> Result<Option<AccountModel>> {
    let Some(account) = app.caller().account() else { return Ok(None) };
    let own = browser.id().map(session::hash);
    let sessions = app.own_sessions().await?.into_iter().map(|s| SessionRow {
        id: s.id.to_string(),
        current: own.as_ref() == Some(&s.session_hash),
        agent: s.agent,
        address: s.address,
        since_ms: s.created_at.timestamp_millis(),
        seen_ms: s.seen_at.timestamp_millis(),
    });
    let totp = match app.own_totp().await? {
        (_, true) => TotpModel::On { current: refused.field("totp", "current") },
        (Some(secret), false) => {
            let enrolment = totp::enrol(&secret, &account.fields.email)?;
            TotpModel::Begun {
                secret: enrolment.typed,
                uri: enrolment.uri,
                qr_svg: enrolment.qr_svg,
                code: refused.field("totp", "totp"),
            }
        }
        (None, false) => TotpModel::Off { current: refused.field("totp", "current") },
    };
    let roles = account.fields.roles.iter();
    Ok(Some(AccountModel {
        name: account.fields.name.clone(),
        email: account.fields.email.clone(),
        roles: roles.map(|role| format!("{}: {}", role.label(), role_allows(*role))).collect(),
        tenants: account.fields.tenants.clone(),
        has_password: account.has_password,
        current: refused.field("password", "current"),
        password: refused.field("password", "password"),
        totp,
        sessions: sessions.collect(),
    }))
}

async fn refuse(app: &App, visit: &Visit, browser: &Session, form: &'static str, error: AppError) -> Response {
    match error {
        AppError::Invalid(problems) => {
            let refused = Refused { form, problems };
            me::show(app, visit, browser, StatusCode::UNPROCESSABLE_ENTITY, None, &refused).await
        }
        other => failure(app, visit, other).await,
    }
}

/// POST `/me/password`.
pub(crate) async fn password(
    app: App,
    visit: Visit,
    Extension(browser): Extension<Session>,
    posted: Posted,
) -> Response {
    let own = browser.id().map(session::hash).unwrap_or_default();
    // The next request finds the account changed and gives this session a new id.
    let changed = async {
        let epoch = app.change_password(posted.raw("current"), posted.raw("password"), &own).await?;
        session::go_on(&browser, epoch).await.map_err(session_error)
    };
    match changed.await {
        Ok(()) => done("/me", "The password was changed. All other sessions were ended."),
        Err(error) => refuse(&app, &visit, &browser, "password", error).await,
    }
}

/// POST `/me/totp`.
pub(crate) async fn second_factor(
    app: App,
    visit: Visit,
    Extension(browser): Extension<Session>,
    posted: Posted,
) -> Response {
    let outcome = if posted.has("begin") {
        app.begin_totp(posted.raw("current"))
            .await
            .map(|()| "Scan the code with an app, then type the digits that it shows.")
    } else if posted.has("cancel") {
        app.cancel_totp().await.map(|()| "No second factor is in use.")
    } else if posted.has("off") {
        app.turn_off_totp(posted.raw("current")).await.map(|()| "The second factor is off.")
    } else {
        app.confirm_totp(posted.get("totp"))
            .await
            .map(|()| "The second factor is on: sign-in asks for a code from now on.")
    };
    match outcome {
        Ok(sentence) => done("/me", sentence),
        Err(error) => refuse(&app, &visit, &browser, "totp", error).await,
    }
}

/// POST `/me/sessions`.
pub(crate) async fn sessions(
    app: App,
    visit: Visit,
    Extension(browser): Extension<Session>,
    posted: Posted,
) -> Response {
    let own = browser.id().map(session::hash).unwrap_or_default();
    let ended = async {
        if posted.has("all") {
            let (ended, epoch) = app.end_own_sessions(Which::AllBut(&own)).await?;
            session::go_on(&browser, epoch).await.map_err(session_error)?;
            return Ok(ended);
        }
        let wrong = || AppError::invalid("session", posted.get("session"), "a session from the list");
        let id: Uuid = posted.get("session").parse().map_err(|_| wrong())?;
        Ok(app.end_own_sessions(Which::One(id)).await?.0)
    };
    match ended.await {
        Ok(1) => done("/me", "1 session was ended."),
        Ok(ended) => done("/me", &format!("{ended} sessions were ended.")),
        Err(error) => failure(&app, &visit, error).await,
    }
}
