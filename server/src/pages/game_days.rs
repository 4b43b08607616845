//! `/game-days`: what was broken on purpose and what came of it, and the form to write it down.

use super::answer::{done, failure, page};
use super::form::{Posted, number};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::game_days::Wish;
use crate::app::{App, AppError, Problem};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::game_day::{Breakage, MOST_BREAKAGES};
use headroom_frontend::model::{Field, FilterSet, GameDayFormModel, GameDayRow, GameDaysModel, Named};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::game_day::GameDay;

const PATH: &str = "/game-days";
/// Game days of a page.
const PAGE: i64 = 100;

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::Waste), honoured: FilterSet::NONE, default_from: "now-45d", view: &["after"] }
}

fn row(day: GameDay) -> GameDayRow {
    let fields = day.fields;
    GameDayRow {
        id: day.id,
        title: fields.title,
        held_on: fields.held_on.to_string(),
        run_by: fields.run_by,
        pools: day.pool_slugs,
        tried: fields.tried,
        happened: fields.happened,
        follow_ups: fields.follow_ups,
        breakages: fields.breakages,
        false_findings: fields.false_findings.map(i64::from),
        author: day.author,
        written_ms: day.written_ms,
    }
}

/// GET `/game-days`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let after = visit.get("after").filter(|after| !after.is_empty());
        let (days, has_more) = app.game_days(after, PAGE).await?;
        let next = days.last().filter(|_| has_more).map(|day| format!("{PATH}?after={}", day.id));
        let rows = days.into_iter().map(row).collect();
        let (shell, _) = shell(&app, &visit, spec("Game days")).await?;
        let model = GameDaysModel {
            rows,
            next,
            is_first: after.is_none(),
            may_record: app.may_record_game_days(),
            is_whole: !app.caller().is_limited(),
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::game_days(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, model: GameDayFormModel) -> Response {
    let title = if model.subject.is_some() { "Edit game day" } else { "New game day" };
    match shell(app, visit, spec(title)).await {
        Ok((shell, _)) => page(&shell, status, || pages::game_day_form(&shell, &model)),
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/game-days/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let outcome = async {
        let own = app.caller().account().map(|account| account.fields.name.clone()).unwrap_or_default();
        let today = app.today().await?;
        Ok::<_, AppError>(GameDayFormModel {
            version: "0".into(),
            held_on: Field::of(today.to_string()),
            run_by: Field::of(own),
            ..GameDayFormModel::default()
        })
    };
    match outcome.await {
        Ok(model) => show(&app, &visit, StatusCode::OK, model).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/game-days/{game_day}`.
pub(crate) async fn edit(app: App, InPath(id): InPath, visit: Visit) -> Response {
    match app.game_day(&id).await {
        Ok(day) => {
            let fields = day.fields;
            let lines: Vec<String> = fields.breakages.iter().map(ToString::to_string).collect();
            let model = GameDayFormModel {
                subject: Some(Named { slug: day.id.to_string(), name: fields.title.clone() }),
                version: day.version.to_string(),
                held_on: Field::of(fields.held_on.to_string()),
                title: Field::of(fields.title),
                run_by: Field::of(fields.run_by),
                pools: Field::of(day.pool_slugs.join(", ")),
                tried: Field::of(fields.tried),
                breakages: Field::of(lines.join("\n")),
                false_findings: Field::of(fields.false_findings.map(|count| count.to_string()).unwrap_or_default()),
                happened: Field::of(fields.happened),
                follow_ups: Field::of(fields.follow_ups),
                error: None,
            };
            show(&app, &visit, StatusCode::OK, model).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What was typed, as far as it can be read.
fn wish(posted: &Posted, problems: &mut Vec<Problem>) -> Wish {
    let own = |field: &str| posted.get(field).to_owned();
    let mut breakages = Vec::new();
    let lines = posted.get("breakages").lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines.take(MOST_BREAKAGES + 1) {
        match Breakage::parse(line) {
            Some(one) => breakages.push(one),
            None => problems.push(Problem::new(
                "breakages",
                line,
                "what, pool and seconds with commas in between, for example F4, game-day, 1.4",
            )),
        }
    }
    let pools = posted.get("pools").split(',').map(str::trim).filter(|slug| !slug.is_empty());
    Wish {
        held_on: own("held_on"),
        title: own("title"),
        run_by: own("run_by"),
        tried: own("tried"),
        happened: own("happened"),
        follow_ups: own("follow_ups"),
        breakages,
        false_findings: number(posted, "false_findings", problems),
        pools: pools.map(str::to_owned).collect(),
    }
}

/// POST `/game-days/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let mut problems = Vec::new();
    let wish = wish(&posted, &mut problems);
    let outcome = if problems.is_empty() { app.create_game_day(&wish).await } else { Err(AppError::Invalid(problems)) };
    answer(&app, &visit, &posted, None, outcome).await
}

/// POST `/game-days/{game_day}`.
pub(crate) async fn update(app: App, InPath(id): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.game_day(&id).await {
        Ok(day) => day,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let seen = version(&posted, &mut problems);
    let wish = wish(&posted, &mut problems);
    let outcome = if problems.is_empty() {
        app.update_game_day(&id, seen, &wish).await
    } else {
        Err(AppError::Invalid(problems))
    };
    let subject = Named { slug: before.id.to_string(), name: before.fields.title };
    answer(&app, &visit, &posted, Some(subject), outcome).await
}

async fn answer(
    app: &App,
    visit: &Visit,
    posted: &Posted,
    subject: Option<Named>,
    outcome: Result<GameDay, AppError>,
) -> Response {
    match outcome {
        Ok(day) => {
            let told = format!("Game day \u{201c}{}\u{201d} is written down.", day.fields.title);
            done(&format!("{PATH}#day-{}", day.id), &told)
        }
        Err(error @ (AppError::Invalid(_) | AppError::Conflict(_) | AppError::Stale { .. })) => {
            let (status, problems, mut sentence) = split(error);
            if let Some(problem) = problems.iter().find(|problem| problem.field == "version") {
                sentence = Some(problem.to_string());
            }
            let field = |name: &str| posted.field(name, &problems);
            let model = GameDayFormModel {
                subject,
                version: posted.get("version").to_owned(),
                held_on: field("held_on"),
                title: field("title"),
                run_by: field("run_by"),
                pools: field("pools"),
                tried: field("tried"),
                breakages: field("breakages"),
                false_findings: field("false_findings"),
                happened: field("happened"),
                follow_ups: field("follow_ups"),
                error: sentence,
            };
            show(app, visit, status, model).await
        }
        Err(error) => failure(app, visit, error).await,
    }
}
