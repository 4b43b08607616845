//! `/me`: preferences, kept in cookies.

use super::account::{self, Refused};
use super::answer::{done, failure, page};
use super::form::Posted;
use super::shell::{Spec, shell};
use super::sign_in::is_local;
use super::visit::Visit;
use crate::app::{App, AppError};
use crate::zones;
use axum::Extension;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use headroom_frontend::model::{Density, Field, FilterSet, MeModel, Theme};
use headroom_frontend::pages;
use tower_sessions::Session;

const YEAR_S: u32 = 31_536_000;
const SPEC: Spec<'static> = Spec {
    title: "Account and preferences",
    rail: None,
    honoured: FilterSet::NONE,
    default_from: "now-45d",
    view: &[],
};

/// GET.
pub(crate) async fn get(app: App, visit: Visit, Extension(browser): Extension<Session>) -> Response {
    show(&app, &visit, &browser, StatusCode::OK, None, &Refused::default()).await
}

pub(super) async fn show(
    app: &App,
    visit: &Visit,
    browser: &Session,
    status: StatusCode,
    refused: Option<Field>,
    own: &Refused,
) -> Response {
    let (shell, _) = match shell(app, visit, SPEC).await {
        Ok(both) => both,
        Err(error) => return failure(app, visit, error).await,
    };
    let account = match account::model(app, browser, own).await {
        Ok(account) => account,
        Err(error) => return failure(app, visit, error).await,
    };
    let letters = match app.wants_letters().await {
        Ok(letters) => letters,
        Err(error) => return failure(app, visit, error).await,
    };
    let reports = match app.wants_reports().await {
        Ok(reports) => reports,
        Err(error) => return failure(app, visit, error).await,
    };
    let stored = visit.cookie("hr_tz").filter(|tz| zones::is_known(tz)).unwrap_or_else(|| shell.zone.name().to_owned());
    let model = MeModel {
        tz: refused.unwrap_or_else(|| Field::of(stored)),
        theme: visit.theme(),
        density: visit.density(),
        shortcuts: shell.shortcuts,
        letters,
        reports,
        account,
        zones: zones::OFFERED.iter().map(|z| (*z).to_owned()).collect(),
    };
    page(&shell, status, || pages::me(&shell, &model))
}

/// POST. A field that was not sent stays as it is.
pub(crate) async fn post(app: App, visit: Visit, Extension(browser): Extension<Session>, posted: Posted) -> Response {
    let mut cookies: Vec<(&str, String)> = Vec::new();
    if posted.has("tz") {
        let tz = posted.get("tz");
        if !tz.is_empty() && !zones::is_known(tz) {
            let error = AppError::invalid("tz", tz, "an IANA zone such as Europe/Berlin, or UTC").to_string();
            let field = Field { value: tz.to_owned(), error: Some(error) };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return show(&app, &visit, &browser, status, Some(field), &Refused::default()).await;
        }
        cookies.push(("hr_tz", tz.to_owned()));
    }
    if let Some(theme) = Theme::parse(posted.get("theme")) {
        cookies.push(("hr_theme", theme.slug().to_owned()));
    }
    if let Some(density) = Density::parse(posted.get("density")) {
        cookies.push(("hr_density", density.slug().to_owned()));
    }
    if matches!(posted.get("shortcuts"), "on" | "off") {
        cookies.push(("hr_keys", posted.get("shortcuts").to_owned()));
    }
    if matches!(posted.get("letters"), "on" | "off")
        && let Err(error) = app.want_letters(posted.get("letters") == "on").await
    {
        return failure(&app, &visit, error).await;
    }
    if matches!(posted.get("reports"), "on" | "off")
        && let Err(error) = app.want_reports(posted.get("reports") == "on").await
    {
        return failure(&app, &visit, error).await;
    }
    let back = Some(posted.get("back")).filter(|back| is_local(back));
    let mut response = match back {
        Some(back) => done(back, ""),
        None => done("/me", "Preferences saved."),
    };
    for (name, value) in cookies {
        let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        if let Ok(cookie) = HeaderValue::try_from(format!("{name}={value}; Path=/; Max-Age={YEAR_S}; SameSite=Lax")) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}
