//! The steps from a file that was uploaded to a draft: columns, check, preview. Each is a page, and a form that leads to the next.

use super::import::{as_sentence, kept};
use super::{frame, id_of, import_check, is_told, told, words, zone_of};
use crate::app::plan::imports::{Checked, Repairing, Seen, Taken};
use crate::app::{App, AppError, Result};
use crate::pages::answer::{attachment, done, failure, page};
use crate::pages::form::Posted;
use crate::pages::visit::{Named as InPath, Visit};
use crate::planfile::columns::{Column, Known};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::format;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::{Change, Verb};
use headroom_frontend::model::{
    ColumnKnown, ImportColumn, ImportPreview, ImportStep, ImportStepModel, ImportTaken, Named,
};
use headroom_frontend::pages;
use headroom_frontend::url::with_query;
use headroom_store::draft::Draft;
use headroom_store::plan_import::Held;
use headroom_store::pool::Pool;
use uuid::Uuid;

/// Changes that are listed of what a file would do.
const MOST_LISTED: usize = 100;

fn missing(id: &str) -> AppError {
    AppError::NotFound { what: "import", slug: id.to_owned(), suggestion: None }
}

fn here(id: Uuid, step: &str) -> String {
    with_query(&format!("/planner/import/{id}"), &[("step", step)])
}

fn columns(seen: &Seen) -> Vec<ImportColumn> {
    let heads = seen.sight.as_ref().map_or(&[][..], |sight| &sight.heads);
    let options: Vec<(String, String)> = std::iter::once((String::new(), "not read".to_owned()))
        .chain(Column::all().map(|column| {
            let label = match column {
                Column::Id => "id of the reservation".to_owned(),
                Column::Is(field) if field.as_str() == words::label(field) => field.as_str().to_owned(),
                Column::Is(field) => format!("{} ({})", field.as_str(), words::label(field)),
            };
            (column.as_str().to_owned(), label)
        }))
        .collect();
    let is_chosen = seen.repairs.columns.is_some();
    heads
        .iter()
        .zip(seen.columns())
        .map(|(head, column)| ImportColumn {
            name: head.name.clone(),
            field: column.map_or(String::new(), |column| column.as_str().to_owned()),
            known: match head.known {
                _ if is_chosen && column != head.guess => ColumnKnown::Chosen,
                Known::Named => ColumnKnown::Named,
                Known::Guessed => ColumnKnown::Guessed,
                Known::Not => ColumnKnown::Not,
            },
            sample: head.sample.clone(),
            options: options.clone(),
        })
        .collect()
}

fn preview(checked: &Checked) -> ImportPreview {
    let (creates, edits, same) = checked.check.counts();
    let mut changes: Vec<&(usize, Uuid, Change)> =
        checked.check.changes.iter().filter(|(_, _, change)| change.verb() != Verb::Nothing).collect();
    // What is there already is looked at first: more is at stake.
    changes.sort_by_key(|(row, _, change)| (change.verb() == Verb::Create, *row));
    let listed = changes.iter().take(MOST_LISTED).map(|(_, id, change)| words::change(*id, change, String::new()));
    ImportPreview {
        creates: creates as i64,
        changes: edits as i64,
        same: same as i64,
        skipped: checked.check.table.skipped.len() as i64,
        bad: checked.check.table.bad_rows() as i64,
        listed: listed.collect(),
        left: changes.len().saturating_sub(MOST_LISTED) as i64,
        refusal: checked.refusal().map(|why| as_sentence(&why)),
    }
}

/// A page of an import before what it shows is known.
struct Shown {
    held: Held,
    pool: Pool,
    draft: String,
    step: ImportStep,
}

fn into_draft(draft: Option<&Draft>) -> String {
    draft.map_or_else(|| "a new draft".to_owned(), |draft| format!("the draft “{}”", draft.name))
}

/// What is shown of an import: the step that is asked for, as far as it can be shown.
async fn shown(app: &App, id: Uuid, step: &str) -> Result<Shown> {
    let (held, pool) = app.held_table(id).await?;
    if let (Some(_), false) = (held.taken_ms, held.is_over) {
        let name = match held.draft {
            Some(draft) => format!("the draft “{}”", app.draft(draft).await?.0.name),
            None => "a draft".to_owned(),
        };
        let draft_href = held.draft.map_or_else(|| "/planner".to_owned(), |draft| format!("/planner/drafts/{draft}"));
        let done = ImportTaken { taken: held.rows_taken.into(), left: held.rows_left.into(), draft_href };
        return Ok(Shown { held, pool, draft: name, step: ImportStep::Taken(done) });
    }
    if held.is_over {
        let why = match held.taken_ms {
            Some(_) => "Its rows went into a draft, and what was left of it was kept for a day, which is over.",
            None => "This file was kept for a day, which is over. Nothing of it was taken; upload it again.",
        };
        let step = ImportStep::Over(why.to_owned());
        return Ok(Shown { held, pool, draft: "a draft".to_owned(), step });
    }
    let has_columns = held.repairs.get("columns").is_some_and(|columns| !columns.is_null());
    if step == "columns" || !has_columns {
        let seen = app.seen_table(id).await?;
        let step = ImportStep::Columns(columns(&seen));
        return Ok(Shown { held: seen.held, pool, draft: "a draft".to_owned(), step });
    }
    let checked = app.check_import(id).await?;
    let draft = into_draft(checked.draft.as_ref());
    let step = match step {
        "preview" => ImportStep::Preview(preview(&checked)),
        _ => ImportStep::Check(import_check::model(&checked)),
    };
    Ok(Shown { held: checked.held, pool, draft, step })
}

/// What somebody chose for the columns, in their order.
fn chosen(posted: &Posted) -> Result<Vec<Option<Column>>> {
    let mut columns = Vec::new();
    for (name, word) in posted.pairs() {
        let Some(place) = name.strip_prefix("column.").and_then(|place| place.parse::<usize>().ok()) else { continue };
        if place >= crate::planfile::columns::MOST_COLUMNS {
            continue;
        }
        let column = Column::parse(word);
        if column.is_none() && !word.is_empty() {
            return Err(AppError::invalid("columns", word, "the name of a field, or nothing"));
        }
        if columns.len() <= place {
            columns.resize(place + 1, None);
        }
        columns[place] = column;
    }
    Ok(columns)
}

async fn show(
    app: &App,
    visit: &Visit,
    id: Uuid,
    (status, step): (StatusCode, &str),
    posted: Option<&Posted>,
    error: Option<String>,
) -> Result<Response> {
    let (mut shell, now, zone_asked) = frame(app, visit, "Import reservations").await?;
    let Shown { held, pool, draft, mut step } = shown(app, id, step).await?;
    // What was chosen and refused is shown as it was chosen.
    if let (ImportStep::Columns(columns), Some(chosen)) = (&mut step, posted.and_then(|posted| chosen(posted).ok())) {
        for (column, chosen) in columns.iter_mut().zip(chosen) {
            let field = chosen.map_or("", Column::as_str);
            if column.field != field {
                (column.field, column.known) = (field.to_owned(), ColumnKnown::Chosen);
            }
        }
    }
    let slug = pool.fields.slug.to_string();
    let zone = zone_of(app, &shell, zone_asked, &slug).await?;
    shell.zone = crate::zones::slice(&zone, now, now).unwrap_or_else(ZoneSlice::utc);
    let status = if matches!(step, ImportStep::Over(_)) { StatusCode::GONE } else { status };
    let model = ImportStepModel {
        id: id.to_string(),
        pool: Named { slug, name: pool.fields.name.clone() },
        draft,
        kept: kept(&held, &shell.zone, now),
        file: held.file,
        error,
        step,
    };
    Ok(page(&shell, status, || pages::import_step(&shell, &model)))
}

/// GET `/planner/import/{import}`.
pub(crate) async fn step(app: App, InPath(id): InPath, visit: Visit) -> Response {
    let outcome = async {
        let id = id_of(&id).ok_or_else(|| missing(&id))?;
        show(&app, &visit, id, (StatusCode::OK, visit.get("step").unwrap_or_default()), None, None).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/planner/import/{import}/errors.csv`.
pub(crate) async fn rejected(app: App, InPath(id): InPath, visit: Visit) -> Response {
    let outcome = async { app.rejected_rows(id_of(&id).ok_or_else(|| missing(&id))?).await };
    match outcome.await {
        Ok((name, rows)) => attachment("text/csv; charset=utf-8", &name, rows),
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn numbers(text: &str) -> Vec<usize> {
    text.split(',').filter_map(|number| number.trim().parse().ok()).collect()
}

/// What a form repairs. A suggestion that nobody touched is no repair where somebody only wants to go on.
fn repairing(posted: &Posted, is_going_on: bool, suggests: impl Fn(&str, &str) -> Option<String>) -> Repairing {
    // Where every row is right it is not asked, and stays as it was said before.
    let all_or_nothing = posted.has("all").then(|| posted.get("all") == "all");
    let version = posted.get("version").parse().ok();
    let mut asked = Repairing { all_or_nothing, version, ..Repairing::default() };
    for (name, text) in posted.pairs() {
        if let Some((field, value)) = name.strip_prefix("map.").and_then(|rest| rest.split_once('.')) {
            let by = text.trim();
            let is_untouched = is_going_on && suggests(field, value).as_deref() == Some(by);
            if !is_untouched {
                asked.replaced.push((field.to_owned(), value.to_owned(), by.to_owned()));
            }
        } else if let Some((row, place)) = name.strip_prefix("cell.").and_then(|rest| rest.split_once('.'))
            && let (Ok(row), Ok(place)) = (row.parse(), place.parse())
        {
            asked.cells.push((row, place, text.to_owned()));
        }
    }
    asked.asked = numbers(posted.get("asked"));
    asked.skipped = posted.all("skip").into_iter().flat_map(numbers).collect();
    asked
}

fn rows(count: i32) -> String {
    if count == 1 { "1 row is".to_owned() } else { format!("{} rows are", format::count(count.into())) }
}

fn taken(done: &Taken) -> String {
    if done.again {
        return "This file was put into this draft already; nothing was added.".to_owned();
    }
    let mut said = format!("{} in the draft; look at what they do and publish it.", rows(done.taken));
    match done.same {
        0 => {}
        1 => said.push_str(" 1 row says what holds already and changes nothing."),
        same => {
            said.push_str(&format!(" {} rows say what holds already and change nothing.", format::count(same.into())));
        }
    }
    if done.left > 0 {
        said.push_str(&format!(" {} kept as a file under Import.", rows(done.left)));
    }
    said
}

/// Does what a form asks for. Returns where to go on and what is said there.
async fn run(app: &App, id: Uuid, posted: &Posted) -> Result<(String, String)> {
    match posted.get("do") {
        "columns" => {
            app.set_columns(id, &chosen(posted)?).await?;
            Ok((here(id, "check"), String::new()))
        }
        what @ ("again" | "preview") => {
            let tenants = app.held_tenants(id).await?;
            let suggests = |field: &str, value: &str| import_check::suggestion(field, value, &tenants);
            let is_going_on = what == "preview";
            let is_changed = app.repair_import(id, repairing(posted, is_going_on, suggests)).await?;
            match (is_going_on, is_changed) {
                (true, false) => {
                    if let Some(why) = app.check_import(id).await?.refusal() {
                        return Err(AppError::Conflict(why));
                    }
                    Ok((here(id, "preview"), String::new()))
                }
                (true, true) => Ok((
                    here(id, "check"),
                    "Your repairs were applied; look at the rows again, then preview.".to_owned(),
                )),
                (false, true) => Ok((here(id, "check"), "Your repairs were applied.".to_owned())),
                (false, false) => Ok((here(id, "check"), String::new())),
            }
        }
        "forget" => {
            app.forget_repairs(id).await?;
            Ok((here(id, "check"), "All repairs were taken back; the rows are as the file has them.".to_owned()))
        }
        "take" => {
            let done = app.take_import(id).await?;
            Ok((format!("/planner/drafts/{}", done.draft), taken(&done)))
        }
        "drop" => {
            let (held, pool) = app.held_table(id).await?;
            app.drop_import(id).await?;
            let to = with_query("/planner/import", &[("pool", pool.fields.slug.as_str())]);
            Ok((to, format!("{} was thrown away.", held.file)))
        }
        other => Err(AppError::invalid("do", other, "columns, again, preview, forget, take or drop")),
    }
}

/// POST `/planner/import/{import}`.
pub(crate) async fn do_step(app: App, InPath(text): InPath, visit: Visit, posted: Posted) -> Response {
    let Some(id) = id_of(&text) else { return failure(&app, &visit, missing(&text)).await };
    let step = match posted.get("do") {
        "columns" => "columns",
        "take" => "preview",
        _ => "check",
    };
    let shown = match run(&app, id, &posted).await {
        Ok((to, said)) => return done(&to, &said),
        Err(AppError::Invalid(problems)) => {
            let said: Vec<String> = problems
                .iter()
                .map(
                    |one| if one.found.is_empty() { as_sentence(&one.expected) } else { as_sentence(&one.to_string()) },
                )
                .collect();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(&app, &visit, id, (status, step), Some(&posted), Some(said.join(" "))).await
        }
        Err(error) if is_told(&error) => {
            let (status, sentence) = told(error);
            show(&app, &visit, id, (status, step), Some(&posted), Some(as_sentence(&sentence))).await
        }
        Err(error) => Err(error),
    };
    match shown {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
