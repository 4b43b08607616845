//! `/runbooks`: the list, one runbook, and the form.

use super::answer::{done, failure, page};
use super::form::{Posted, error_of};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::alerts::runbooks::{Listed, Tested, Written};
use crate::app::{App, AppError, Problem};
use crate::markdown::{self, Fill};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_frontend::model::{
    Field, FilterSet, Named, RunbookFormModel, RunbookModel, RunbookRow, RunbookVersionRow, RunbooksModel, TestedState,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::runbook::Version;

/// What a new runbook begins with.
const BLANK: &str = "# What is broken\n\nOne paragraph: what people notice.\n\n## Is it real?\n\n1. Look at \
     [the pool](/pools/{pool}).\n\n## Do this first\n\n2. \n\n## If that does not help\n\n3. \n\n## Afterwards\n\n4. \n\n## Why it fires\n\n";
/// Longest value of a placeholder.
const MOST: usize = 80;

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::OnCall), honoured: FilterSet::NONE, default_from: "now-45d", view: &[] }
}

fn row(listed: &Listed) -> RunbookRow {
    let runbook = &listed.runbook;
    RunbookRow {
        slug: runbook.slug.clone(),
        title: runbook.title.clone(),
        version: runbook.version,
        updated_ms: runbook.updated_ms,
        tested: match listed.tested {
            Tested::Fresh => TestedState::Fresh,
            Tested::Never => TestedState::Never,
            Tested::Changed => TestedState::Changed,
            Tested::Old => TestedState::Old,
        },
        tested_ms: runbook.tested_ms,
        tested_by: runbook.tested_by.clone(),
        rules: listed.used_by.iter().map(|rule| Named { slug: rule.slug.clone(), name: rule.name.clone() }).collect(),
    }
}

fn version_row(version: &Version) -> RunbookVersionRow {
    RunbookVersionRow {
        version: version.version,
        author: version.author.clone(),
        note: version.note.clone(),
        at_ms: version.at_ms,
    }
}

/// GET `/runbooks`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let all = app.runbooks().await?;
        let (shell, _) = shell(&app, &visit, spec("Runbooks")).await?;
        let model = RunbooksModel { rows: all.iter().map(row).collect(), writes: app.caller().may(Action::SetAlerts) };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::runbooks(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/runbooks/{runbook}`.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let outcome = async {
        let given = |key: &str| visit.get(key).map(|value| value.chars().take(MOST).collect::<String>());
        let fill = Fill { pool: given("pool"), tenant: given("tenant"), alert: given("alert") };
        let wanted = match visit.get("version") {
            Some(text) => Some(text.parse().map_err(|_| {
                let slug = text.chars().take(MOST).collect();
                AppError::NotFound { what: "version", slug, suggestion: None }
            })?),
            None => None,
        };
        let read = app.runbook(&slug, wanted, &fill).await?;
        // What the address names is no filter here: it fills in the text.
        let mut own = visit.clone();
        own.forget("pool");
        own.forget("tenant");
        let (shell, _) = shell(&app, &own, spec(&read.listed.runbook.title)).await?;
        let came_from = [("pool", &fill.pool), ("tenant", &fill.tenant), ("alert", &fill.alert)]
            .into_iter()
            .filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)))
            .collect();
        let gap =
            |mark: &str, value: &Option<String>| value.is_none() && read.outline.links.iter().any(|l| l.contains(mark));
        let model = RunbookModel {
            has_gaps: gap("{pool}", &fill.pool) || gap("{tenant}", &fill.tenant) || gap("{alert}", &fill.alert),
            row: row(&read.listed),
            shown: version_row(&read.version),
            came_from,
            alert: fill.alert.filter(|alert| alert.parse::<i64>().is_ok()),
            history: read.history.iter().map(version_row).collect(),
            html: read.html,
            writes: app.caller().may(Action::SetAlerts),
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::runbook(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, model: RunbookFormModel) -> Response {
    let title = if model.subject.is_some() { "Edit runbook" } else { "New runbook" };
    match shell(app, visit, spec(title)).await {
        Ok((shell, _)) => page(&shell, status, || pages::runbook_form(&shell, &model)),
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/runbooks/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let model = RunbookFormModel { version: "0".into(), body: Field::of(BLANK), ..RunbookFormModel::default() };
    show(&app, &visit, StatusCode::OK, model).await
}

/// GET `/runbooks/{runbook}/edit`.
pub(crate) async fn edit(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match app.runbook(&slug, None, &Fill::default()).await {
        Ok(read) => {
            let model = RunbookFormModel {
                subject: Some(Named { slug, name: read.listed.runbook.title }),
                version: read.version.version.to_string(),
                body: Field::of(read.version.body),
                ..RunbookFormModel::default()
            };
            show(&app, &visit, StatusCode::OK, model).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/runbooks/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let slug = posted.get("slug").to_owned();
    save(&app, &visit, &posted, &slug, None).await
}

/// POST `/runbooks/{runbook}/edit`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    match app.runbook(&slug, None, &Fill::default()).await {
        Ok(read) => {
            let subject = Named { slug: slug.clone(), name: read.listed.runbook.title };
            save(&app, &visit, &posted, &slug, Some(subject)).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn save(app: &App, visit: &Visit, posted: &Posted, slug: &str, subject: Option<Named>) -> Response {
    let again = |problems: &[Problem], error: Option<String>, preview: Option<String>| RunbookFormModel {
        subject: subject.clone(),
        version: posted.get("version").to_owned(),
        slug: posted.field("slug", problems),
        body: Field { value: posted.raw("body").replace("\r\n", "\n"), error: error_of("body", problems) },
        note: posted.field("note", problems),
        error,
        preview,
    };
    if posted.get("do") == "look" {
        let html = markdown::html(posted.raw("body"), &Fill::default());
        return show(app, visit, StatusCode::OK, again(&[], None, Some(html))).await;
    }
    let mut problems = Vec::new();
    let seen = version(posted, &mut problems);
    let written =
        Written { seen: Some(seen), body: posted.raw("body").to_owned(), note: posted.get("note").to_owned() };
    let outcome =
        if problems.is_empty() { app.write_runbook(slug, &written).await } else { Err(AppError::Invalid(problems)) };
    match outcome {
        Ok(runbook) => {
            let told = format!("Runbook “{}” is at version {} now.", runbook.title, runbook.version);
            done(&format!("/runbooks/{}", runbook.slug), &told)
        }
        Err(error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::Stale { .. })) => {
            let (status, problems, mut sentence) = split(error);
            if let Some(problem) = problems.iter().find(|problem| problem.field == "version") {
                sentence = Some(problem.to_string());
            }
            show(app, visit, status, again(&problems, sentence, None)).await
        }
        Err(error) => failure(app, visit, error).await,
    }
}

/// POST `/runbooks/{runbook}/tested`.
pub(crate) async fn tested(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let mut problems = Vec::new();
    let seen = version(&posted, &mut problems);
    let outcome =
        if problems.is_empty() { app.test_runbook(&slug, Some(seen)).await } else { Err(AppError::Invalid(problems)) };
    match outcome {
        Ok(runbook) => {
            let told = format!("You tested version {} of “{}”.", runbook.version, runbook.title);
            done(&format!("/runbooks/{}", runbook.slug), &told)
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}
