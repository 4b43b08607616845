//! `/me`: preferences, kept in cookies.

use super::answer::{done, failure, page};
use super::form::Posted;
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::app::AppError;
use crate::state::AppState;
use crate::zones;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use headroom_frontend::model::{Density, Field, FilterSet, MeModel, Theme};
use headroom_frontend::pages;

const YEAR_S: u32 = 31_536_000;
const SPEC: Spec<'static> =
    Spec { title: "Preferences", rail: None, honoured: FilterSet::NONE, default_from: "now-45d", view: &[] };

/// GET.
pub(crate) async fn get(State(state): State<AppState>, visit: Visit) -> Response {
    show(&state, &visit, StatusCode::OK, None).await
}

async fn show(state: &AppState, visit: &Visit, status: StatusCode, refused: Option<Field>) -> Response {
    let (shell, _) = match shell(&state.app, visit, SPEC).await {
        Ok(both) => both,
        Err(error) => return failure(&state.app, visit, error).await,
    };
    let stored = visit.cookie("hr_tz").filter(|tz| zones::is_known(tz)).unwrap_or_else(|| shell.zone.name().to_owned());
    let model = MeModel {
        tz: refused.unwrap_or_else(|| Field::of(stored)),
        theme: visit.theme(),
        density: visit.density(),
        shortcuts: shell.shortcuts,
        zones: zones::OFFERED.iter().map(|z| (*z).to_owned()).collect(),
    };
    page(&shell, status, || pages::me(&shell, &model))
}

/// POST. A field that was not sent stays as it is.
pub(crate) async fn post(State(state): State<AppState>, visit: Visit, posted: Posted) -> Response {
    let mut cookies: Vec<(&str, String)> = Vec::new();
    if posted.has("tz") {
        let tz = posted.get("tz");
        if !tz.is_empty() && !zones::is_known(tz) {
            let error = AppError::invalid("tz", tz, "an IANA zone such as Europe/Berlin, or UTC").to_string();
            let field = Field { value: tz.to_owned(), error: Some(error) };
            return show(&state, &visit, StatusCode::UNPROCESSABLE_ENTITY, Some(field)).await;
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
    // Only a path of our own: `//elsewhere` and `https://...` are other sites, and browsers read
    // `/\elsewhere` and a path with tabs or line breaks in it as the former.
    let is_ours = |back: &str| {
        back.starts_with('/') && !back.starts_with("//") && !back.contains(|c: char| c == '\\' || c.is_control())
    };
    let back = Some(posted.get("back")).filter(|back| is_ours(back));
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
