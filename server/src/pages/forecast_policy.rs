//! How a pool is scaled: its form, the step that is taken, recommendations that are ignored.

use super::answer::{done, failure, page};
use super::forecast::{Refused, show, spec, wall};
use super::form::{Posted, number, wall_time};
use super::pool_form::{split, version};
use super::shell::shell;
use super::visit::{Named as InPath, Visit};
use crate::app::forecast::{Basis, Settings, Wish};
use crate::app::{App, AppError, Problem, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::DAY_MS;
use headroom_domain::scaling::Mode;
use headroom_frontend::model::{Field, Named, ScalingPolicyModel};
use headroom_frontend::pages;

async fn show_policy(
    app: &App,
    visit: &Visit,
    slug: &str,
    status: StatusCode,
    sent: Option<(&Posted, AppError)>,
) -> Result<Response> {
    let (pool, kept, settings) = app.scaling_policy(slug).await?;
    let (shell, _) = shell(app, visit, spec("How it is scaled")).await?;
    let of = |number: u32| Field::of(number.to_string());
    let mut model = ScalingPolicyModel {
        pool: Named { slug: slug.to_owned(), name: pool.fields.name.clone() },
        mode: Field::of(kept.mode.as_str()),
        basis: Field::of(settings.basis.as_str()),
        min: of(settings.min),
        max: of(settings.max),
        level: of(settings.level_permille),
        lead: of(settings.lead_minutes),
        hold: of(settings.hold_minutes),
        band: of(settings.band_percent),
        change: of(settings.least_change),
        cooldown: of(settings.cooldown_minutes),
        error: None,
        version: kept.version.to_string(),
        is_tracked: app.pool_rules(slug).await?.1.is_some(),
    };
    let mut status = status;
    if let Some((posted, error)) = sent {
        let (code, mut problems, sentence) = split(error);
        status = code;
        for problem in &mut problems {
            let name = match problem.field.as_str() {
                "level_permille" => "level",
                "lead_minutes" => "lead",
                "hold_minutes" => "hold",
                "band_percent" => "band",
                "least_change" => "change",
                "cooldown_minutes" => "cooldown",
                _ => continue,
            };
            name.clone_into(&mut problem.field);
        }
        let field = |name: &str| posted.field(name, &problems);
        model.mode = field("mode");
        model.basis = field("basis");
        model.min = field("min");
        model.max = field("max");
        model.level = field("level");
        model.lead = field("lead");
        model.hold = field("hold");
        model.band = field("band");
        model.change = field("change");
        model.cooldown = field("cooldown");
        model.error = sentence;
    }
    Ok(page(&shell, status, || pages::scaling_policy(&shell, &model)))
}

/// GET `/forecast/{pool}/policy`.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match show_policy(&app, &visit, &slug, StatusCode::OK, None).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn read(posted: &Posted) -> Result<(i32, Wish)> {
    let mut problems = Vec::new();
    let version = version(posted, &mut problems);
    let mode = Mode::parse(posted.get("mode"));
    if mode.is_none() {
        problems.push(Problem::new("mode", posted.get("mode"), "shadow, recommend or apply"));
    }
    let basis = match posted.get("basis") {
        "guard" => Some(Basis::Guard),
        "forecast" => Some(Basis::Forecast),
        other => {
            problems.push(Problem::new("basis", other, "guard or forecast"));
            None
        }
    };
    let mut whole = |name: &str| {
        let before = problems.len();
        let found = number(posted, name, &mut problems);
        if found.is_none() && problems.len() == before {
            problems.push(Problem::new(name, "", "a whole number"));
        }
        found.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    };
    let settings = Settings {
        min: whole("min"),
        max: whole("max"),
        basis: basis.unwrap_or_default(),
        level_permille: whole("level"),
        lead_minutes: whole("lead"),
        hold_minutes: whole("hold"),
        band_percent: whole("band"),
        least_change: whole("change"),
        cooldown_minutes: whole("cooldown"),
    };
    match mode {
        Some(mode) if problems.is_empty() => Ok((version, Wish { mode, settings })),
        _ => Err(AppError::Invalid(problems)),
    }
}

/// Whether a form is shown again with what was wrong.
pub(super) fn is_told(error: &AppError) -> bool {
    matches!(error, AppError::Invalid(_) | AppError::Stale { .. } | AppError::Planned(_) | AppError::Conflict(_))
}

/// POST `/forecast/{pool}/policy`.
pub(crate) async fn set(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let (version, wish) = read(&posted)?;
        app.set_scaling_policy(&slug, version, &wish).await
    };
    let outcome = match outcome.await {
        Ok(_) => return done(&format!("/forecast/{slug}"), "How the pool is scaled was saved."),
        Err(error) if is_told(&error) => {
            show_policy(&app, &visit, &slug, StatusCode::UNPROCESSABLE_ENTITY, Some((&posted, error))).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn refused_page(app: &App, visit: &Visit, slug: &str, status: StatusCode, refused: Refused) -> Response {
    match show(app, visit, slug, status, Some(refused)).await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// POST `/forecast/{pool}/ignore`.
pub(crate) async fn ignore(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let (shell, window) = shell(&app, &visit, spec("Forecast")).await?;
        let mut problems = Vec::new();
        let version = version(&posted, &mut problems);
        let until = wall_time(&posted, "until", &shell.zone, &mut problems);
        if until.is_none() && problems.is_empty() {
            let expected = format!("a time such as {}", wall(&shell, window.now_ms + DAY_MS));
            problems.push(Problem::new("until", "", expected));
        }
        match until {
            Some(until) if problems.is_empty() => {
                app.ignore_recommendations(&slug, version, until, posted.get("reason")).await
            }
            _ => Err(AppError::Invalid(problems)),
        }
    };
    match outcome.await {
        Ok(kept) if kept.ignore_until_ms.is_some() => {
            done(&format!("/forecast/{slug}"), "Recommendations are ignored until then.")
        }
        Ok(_) => done(&format!("/forecast/{slug}"), "Recommendations are not ignored any more."),
        Err(error) if is_told(&error) => {
            let (status, problems, error) = split(error);
            let refused =
                Refused { until: posted.field("until", &problems), why: posted.field("reason", &problems), error };
            refused_page(&app, &visit, &slug, status, refused).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}
