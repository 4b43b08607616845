//! Reservations from a file: each row is checked, what is wrong is told by row and column, and what is right goes into a draft.

use super::act::draft_for;
use super::{frame, is_told, pool_of, told};
use crate::app::plan::files::TableCheck;
use crate::app::{App, AppError, Result};
use crate::pages::answer::{attachment, done, failure, page};
use crate::pages::form::Posted;
use crate::pages::visit::Visit;
use crate::planfile::table::TableFault;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::format;
use headroom_domain::plan::change::Field as Known;
use headroom_frontend::model::{Field, ImportChecked, ImportGroup, ImportRowProblem, Named, PlanImportModel};
use headroom_frontend::pages;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Problems of a kind that are listed.
const MOST_LISTED: usize = 50;

/// A name for rows with the same thing wrong.
fn title(fault: &TableFault) -> String {
    match fault.column.as_str() {
        "" => "Not a row of the table".to_owned(),
        "tenant" if !fault.found.is_empty() && fault.expected.contains("tenant") => "Unknown tenant".to_owned(),
        "end" if fault.expected.contains("after the start") => "End before start".to_owned(),
        column if fault.expected.starts_with("a whole number") => format!("Not a number: {column}"),
        column if fault.found.is_empty() => format!("Nothing in {column}"),
        column => format!("Wrong {column}"),
    }
}

fn groups(faults: &[TableFault]) -> Vec<ImportGroup> {
    let mut groups: BTreeMap<String, ImportGroup> = BTreeMap::new();
    for fault in faults {
        let title = title(fault);
        let group = groups.entry(title.clone()).or_insert_with(|| ImportGroup { title, problems: Vec::new(), left: 0 });
        if group.problems.len() == MOST_LISTED {
            group.left += 1;
            continue;
        }
        group.problems.push(ImportRowProblem {
            row: fault.row as i64,
            column: fault.column.clone(),
            expected: fault.expected.clone(),
            found: fault.found.clone(),
        });
    }
    let mut groups: Vec<ImportGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.problems.len()));
    groups
}

fn checked(check: &TableCheck, text: &str) -> ImportChecked {
    let (new, changed, same) = check.counts();
    ImportChecked {
        rows: (check.table.rows.len() + check.table.bad_rows) as i64,
        ready: check.table.rows.len() as i64,
        verbs: (new as i64, changed as i64, same as i64),
        groups: groups(&check.table.faults),
        rejected_csv: String::from_utf8_lossy(&check.table.rejected).into_owned(),
        ready_csv: text.to_owned(),
    }
}

/// Columns of a file, and what they take.
fn columns() -> Vec<(String, String)> {
    let takes = |field: Known| match field {
        Known::Name => "needed: a–z, 0–9 and hyphens; one that is in the plan is changed",
        Known::Tenant => "needed: the tenant's identifier",
        Known::Kind => "guaranteed (the usual) or burst",
        Known::Start => "needed: 2026-11-28 09:00 on the clock of the zone",
        Known::End => "the first minute after it; empty is until further notice",
        Known::Zone => "an IANA zone; empty is the pool's",
        Known::Repeat => "a rule such as FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20261231",
        Known::Except => "days with blanks between: 2026-12-24 2026-12-25",
        Known::Slots => "needed: a whole number from 1",
        Known::Ceiling => "most slots the tenant may hold",
        Known::Lending => "most idle slots that others may borrow",
        Known::Borrowing => "most slots beyond its own",
        Known::Lead => "minutes before the start in which its slots are free",
        Known::Release => "minutes after the start; released if unused",
        Known::Priority => "0 to 9",
        Known::Shrinking => "refuse, drain or reclaim",
        Known::DrainUntil => "a time, with drain",
        Known::Overrides => "start/end=slots with blanks between",
        Known::Note => "free text",
    };
    Known::ALL.iter().map(|field| (field.as_str().to_owned(), takes(*field).to_owned())).collect()
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    posted: Option<&Posted>,
    outcome: Option<Result<ImportChecked>>,
) -> Result<Response> {
    let (shell, ..) = frame(app, visit, "Import reservations").await?;
    let missing = || AppError::NotFound { what: "pool", slug: String::new(), suggestion: None };
    let asked = posted.map(|posted| posted.get("pool").to_owned()).filter(|pool| !pool.is_empty());
    let slug = asked.or_else(|| pool_of(visit, &shell)).ok_or_else(missing)?;
    let pool = app.pool(&slug).await?;
    let draft = posted
        .map_or_else(|| visit.get("draft").unwrap_or_default().to_owned(), |posted| posted.get("draft").to_owned());
    let mut model = PlanImportModel {
        pool: Named { slug: pool.fields.slug.to_string(), name: pool.fields.name.clone() },
        pools: shell.filters.pools.clone(),
        draft,
        text: Field::of(posted.map(text_of).unwrap_or_default()),
        checked: None,
        columns: columns(),
        template_href: format!("/api/v1/pools/{}/plan.csv", pool.fields.slug),
        error: None,
    };
    let mut status = status;
    match outcome {
        None => {}
        Some(Ok(checked)) => model.checked = Some(checked),
        Some(Err(AppError::Invalid(problems))) => {
            status = StatusCode::UNPROCESSABLE_ENTITY;
            model.text.error = crate::pages::form::error_of("text", &problems);
            let others: Vec<String> = problems.iter().filter(|p| p.field != "text").map(ToString::to_string).collect();
            model.error = (!others.is_empty()).then(|| others.join("; "));
        }
        Some(Err(error)) => {
            let (code, sentence) = told(error);
            (status, model.error) = (code, Some(sentence));
        }
    }
    Ok(page(&shell, status, || pages::plan_import(&shell, &model)))
}

/// The file, else what was pasted.
fn text_of(posted: &Posted) -> &str {
    let file = posted.raw("file");
    if file.trim().is_empty() { posted.raw("text") } else { file }
}

/// GET `/planner/import`.
pub(crate) async fn import(app: App, visit: Visit) -> Response {
    match show(&app, &visit, StatusCode::OK, None, None).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// Looks at what was sent; nothing is kept.
async fn look(app: &App, posted: &Posted) -> Result<TableCheck> {
    let text = text_of(posted);
    if text.trim().is_empty() {
        return Err(AppError::invalid("text", "", "a file, or rows that were pasted"));
    }
    app.check_table(posted.get("pool"), text.as_bytes().to_vec()).await
}

/// Puts the rows that are ready into a draft, all in one step. Returns the draft.
async fn put(app: &App, posted: &Posted) -> Result<(Uuid, String)> {
    let check = look(app, posted).await?;
    let count = check.table.rows.len() as i64;
    let (draft, _) = draft_for(app, posted).await?;
    app.table_into_draft(&check, draft.id, true).await?;
    Ok((draft.id, format!("{} rows are in the draft; look at what they do and publish it.", format::count(count))))
}

/// POST `/planner/import`.
pub(crate) async fn take(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = match posted.get("do") {
        "rejected" => {
            return attachment(
                "text/csv; charset=utf-8",
                "reservations-with-errors.csv",
                posted.raw("text").to_owned(),
            );
        }
        "take" => match put(&app, &posted).await {
            Ok((draft, said)) => return done(&format!("/planner/drafts/{draft}"), &said),
            Err(error) => Err(error),
        },
        _ => look(&app, &posted).await.map(|check| checked(&check, text_of(&posted))),
    };
    let shown = match outcome {
        Err(error) if !is_told(&error) => Err(error),
        outcome => show(&app, &visit, StatusCode::OK, Some(&posted), Some(outcome)).await,
    };
    match shown {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_grouped_by_what_is_wrong_the_most_first() {
        let fault = |row, column: &str, found: &str, expected: &str| TableFault {
            row,
            column: column.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        let mut faults: Vec<TableFault> =
            (0..60).map(|row| fault(row, "tenant", "acne", "a tenant that exists")).collect();
        faults.push(fault(70, "slots", "4OO", "a whole number of slots"));
        faults.push(fault(71, "end", "2026-11-27", "a time after the start"));
        let groups = groups(&faults);
        let told: Vec<_> =
            groups.iter().map(|group| (group.title.as_str(), group.problems.len(), group.left)).collect();
        assert_eq!(told, [("Unknown tenant", 50, 10), ("End before start", 1, 0), ("Not a number: slots", 1, 0)]);
    }
}
