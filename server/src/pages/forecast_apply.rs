//! `/forecast/{pool}/apply`: a step of the plan, what it does, and taking it.

use super::answer::{done, failure, page};
use super::forecast::{Money, spec};
use super::forecast_policy::is_told;
use super::form::{Posted, number};
use super::pool_form::split;
use super::shell::shell;
use super::visit::{Named as InPath, Visit};
use crate::app::forecast::{Guard, StepPreview};
use crate::app::{App, AppError, Problem, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::{HOUR_MS, Millis, format};
use headroom_frontend::model::{Field, Named, ShellModel, StepModel};
use headroom_frontend::pages;

/// A step as an address or a form names it.
fn asked(at: &str, to: &str) -> Result<(Millis, i32)> {
    let mut problems = Vec::new();
    let parsed_at = at.parse::<Millis>().ok().filter(|at| (0..=headroom_domain::LATEST_MS).contains(at));
    if parsed_at.is_none() {
        problems.push(Problem::new("at", at, "the instant of a step of the plan, in milliseconds since 1970"));
    }
    let parsed_to = to.parse::<i32>().ok().filter(|to| *to >= 0);
    if parsed_to.is_none() {
        problems.push(Problem::new("slots", to, "the slots of a step of the plan"));
    }
    parsed_at.zip(parsed_to).ok_or(AppError::Invalid(problems))
}

async fn model(app: &App, shell: &ShellModel, at: Millis, preview: StepPreview) -> Result<StepModel> {
    let told = |at: Millis| format::day_time(shell.zone.local(at));
    let step = &preview.step;
    let money = Money::of(app, &preview.pool).await?;
    let hours = (preview.until_ms - step.effective_ms).max(0) as f64 / HOUR_MS as f64;
    let more = preview.after - i64::from(step.from);
    let minutes = |minutes: u32| format::duration(Millis::from(minutes) * headroom_domain::MINUTE_MS);
    Ok(StepModel {
        at: at.to_string(),
        when: if step.at_ms <= preview.now_ms { "now".into() } else { told(step.at_ms) },
        there: told(step.effective_ms),
        from: step.from.into(),
        to: step.to.into(),
        why: step.reason.clone(),
        until: told(preview.until_ms),
        cost: money.words(more as f64 * hours),
        risks: preview.risks,
        kept: Some(preview.after).filter(|after| *after != i64::from(step.to)),
        patience: format!(
            "after growing nothing shrinks for {}; after any change for {}",
            minutes(preview.hold_minutes),
            minutes(preview.cooldown_minutes)
        ),
        overtakes: preview.running.as_ref().map(|trial| {
            format!(
                "The change to {} is on trial until {}. This step ends that.",
                format::count(trial.after.into()),
                told(trial.until_ms)
            )
        }),
        refused: preview.refused,
        is_guardable: preview.is_now && step.to < step.from,
        is_guarded: true,
        rejected: Field::of(Guard::USUAL.most_rejected.to_string()),
        minutes: Field::of(Guard::USUAL.minutes.to_string()),
        error: None,
        pool: Named { slug: preview.pool.fields.slug.to_string(), name: preview.pool.fields.name },
    })
}

/// GET `/forecast/{pool}/apply?at=INSTANT&slots=SLOTS`.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let outcome = async {
        let (at, to) = asked(visit.get("at").unwrap_or_default(), visit.get("slots").unwrap_or_default())?;
        let (shell, _) = shell(&app, &visit, spec("Take a step of the plan")).await?;
        let preview = app.preview_step(&slug, at, to).await?;
        let model = model(&app, &shell, at, preview).await?;
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::scaling_step(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn guard(posted: &Posted) -> Result<Option<Guard>> {
    if posted.get("guard") != "on" {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let mut whole = |name: &str| {
        let before = problems.len();
        let found = number(posted, name, &mut problems);
        if found.is_none() && problems.len() == before {
            problems.push(Problem::new(name, "", "a whole number"));
        }
        found.unwrap_or(0)
    };
    let guard = Guard { most_rejected: whole("rejected"), minutes: whole("minutes") };
    if problems.is_empty() { Ok(Some(guard)) } else { Err(AppError::Invalid(problems)) }
}

/// The page again, with what was wrong.
async fn again(
    app: &App,
    visit: &Visit,
    slug: &str,
    (at, to): (Millis, i32),
    posted: &Posted,
    error: AppError,
) -> Result<Response> {
    let (shell, _) = shell(app, visit, spec("Take a step of the plan")).await?;
    let preview = app.preview_step(slug, at, to).await?;
    let mut model = model(app, &shell, at, preview).await?;
    let (status, problems, sentence) = split(error);
    model.is_guarded = posted.get("guard") == "on";
    model.rejected = posted.field("rejected", &problems);
    model.minutes = posted.field("minutes", &problems);
    model.error = sentence;
    Ok(page(&shell, status, || pages::scaling_step(&shell, &model)))
}

/// POST `/forecast/{pool}/apply`.
pub(crate) async fn set(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let step = match asked(posted.get("at"), posted.get("slots")) {
        Ok(step) => step,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async { app.take_step(&slug, step.0, step.1, guard(&posted)?).await };
    let error = match outcome.await {
        Ok(slots) => {
            let sentence = format!("The capacity is set to {} slots by the plan.", format::count(slots));
            return done(&format!("/forecast/{slug}"), &sentence);
        }
        Err(error) => error,
    };
    // Where the step is there no more, there is nothing to show again.
    if matches!(error, AppError::Conflict(_)) || !is_told(&error) {
        return failure(&app, &visit, error).await;
    }
    match again(&app, &visit, &slug, step, &posted, error).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
