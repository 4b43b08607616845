//! Reservations from a file: where one is uploaded. What becomes of it is `import_steps`.

use super::{frame, id_of, is_told, pool_of, told, words, zone_of};
use crate::app::{App, AppError, Problem, Result};
use crate::pages::answer::{done, failure, page};
use crate::pages::upload::{Upload, too_large};
use crate::pages::visit::Visit;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::format;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::plan::change::Field as Known;
use headroom_frontend::model::{Field, HeldImport, Named, PlanImportModel};
use headroom_frontend::pages;
use headroom_store::plan_import::Held;
use uuid::Uuid;

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

/// A sentence as it begins: with a large letter and a full stop.
pub(super) fn as_sentence(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// `1,204 rows · kept until 28 Nov 09:00`
pub(super) fn kept(held: &Held, zone: &ZoneSlice, now: i64) -> String {
    let rows =
        |count: i32| if count == 1 { "1 row".to_owned() } else { format!("{} rows", format::count(count.into())) };
    let what =
        if held.taken_ms.is_some() { format!("{} of {}", held.rows_left, rows(held.rows)) } else { rows(held.rows) };
    format!("{what} · kept until {}", words::moment(zone, held.expires_ms, now))
}

async fn held_of(app: &App, zone: &ZoneSlice, now: i64) -> Result<Vec<HeldImport>> {
    let one = |(held, pool): (Held, headroom_store::pool::Pool)| {
        let whose = format!("for {} · {}", pool.fields.name, kept(&held, zone, now));
        let is_taken = held.taken_ms.is_some();
        let says = if is_taken { format!("{whose} · what was not taken") } else { whose };
        HeldImport { id: held.id.to_string(), file: held.file, says, is_taken }
    };
    Ok(app.held_tables().await?.into_iter().map(one).collect())
}

/// What was sent, to show it again.
#[derive(Default)]
struct Sent {
    pool: Option<String>,
    draft: Option<String>,
    text: String,
}

async fn show(app: &App, visit: &Visit, status: StatusCode, sent: Sent, outcome: Result<()>) -> Result<Response> {
    let (mut shell, now, zone_asked) = frame(app, visit, "Import reservations").await?;
    let missing = || AppError::NotFound { what: "pool", slug: String::new(), suggestion: None };
    let asked = sent.pool.filter(|pool| !pool.is_empty());
    let slug = asked.or_else(|| pool_of(visit, &shell)).ok_or_else(missing)?;
    let pool = app.pool(&slug).await?;
    let zone = zone_of(app, &shell, zone_asked, &slug).await?;
    shell.zone = crate::zones::slice(&zone, now, now).unwrap_or_else(ZoneSlice::utc);
    let mut model = PlanImportModel {
        held: held_of(app, &shell.zone, now).await?,
        pool: Named { slug: pool.fields.slug.to_string(), name: pool.fields.name.clone() },
        pools: shell.filters.pools.clone(),
        draft: sent.draft.unwrap_or_else(|| visit.get("draft").unwrap_or_default().to_owned()),
        text: Field::of(sent.text),
        file_error: None,
        columns: columns(),
        template_href: format!("/api/v1/pools/{}/plan.csv", pool.fields.slug),
        error: None,
    };
    let mut status = status;
    match outcome {
        Ok(()) => {}
        Err(AppError::Invalid(problems)) => {
            status = StatusCode::UNPROCESSABLE_ENTITY;
            let is_of_file = |problem: &&Problem| problem.field == "file";
            let of_file: Vec<String> =
                problems.iter().filter(is_of_file).map(|problem| as_sentence(&problem.expected)).collect();
            model.file_error = (!of_file.is_empty()).then(|| of_file.join(" "));
            let others: Vec<String> = problems.iter().filter(|p| p.field != "file").map(ToString::to_string).collect();
            model.error = (!others.is_empty()).then(|| others.join("; "));
        }
        Err(error) => {
            let (code, sentence) = told(error);
            (status, model.error) = (code, Some(as_sentence(&sentence)));
        }
    }
    Ok(page(&shell, status, || pages::plan_import(&shell, &model)))
}

/// GET `/planner/import`.
pub(crate) async fn import(app: App, visit: Visit) -> Response {
    match show(&app, &visit, StatusCode::OK, Sent::default(), Ok(())).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn hold(app: &App, upload: &mut Upload) -> Result<Uuid> {
    let of_file = |sentence: &str| {
        AppError::Invalid(vec![Problem { field: "file".into(), found: String::new(), expected: sentence.to_owned() }])
    };
    let Some((name, content)) = upload.file.take() else {
        return Err(of_file("choose a file, or paste rows below; nothing came, or an empty file"));
    };
    app.hold_table(upload.posted.get("pool"), id_of(upload.posted.get("draft")), &name, content).await
}

/// POST `/planner/import`: keeps the file and goes on to its columns.
pub(crate) async fn upload(app: App, visit: Visit, mut upload: Upload) -> Response {
    /// Pasted text that is shown again; of a longer one it is enough to say what is wrong with it.
    const SHOWN_AGAIN: usize = 50_000;
    let pasted = upload.file.as_ref().filter(|(name, content)| name.is_empty() && content.len() <= SHOWN_AGAIN);
    let text = pasted.map(|(_, content)| String::from_utf8_lossy(content).into_owned()).unwrap_or_default();
    let sent = |upload: &Upload| Sent {
        pool: Some(upload.posted.get("pool").to_owned()),
        draft: Some(upload.posted.get("draft").to_owned()),
        text,
    };
    let shown = if let Some(bytes) = upload.too_many {
        let problem = Problem { field: "file".into(), found: String::new(), expected: too_large(Some(bytes)) };
        let outcome = Err(AppError::Invalid(vec![problem]));
        show(&app, &visit, StatusCode::OK, sent(&upload), outcome).await.map(|mut response| {
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        })
    } else {
        match hold(&app, &mut upload).await {
            Ok(id) => return done(&format!("/planner/import/{id}?step=columns"), ""),
            Err(error) if is_told(&error) => show(&app, &visit, StatusCode::OK, sent(&upload), Err(error)).await,
            Err(error) => Err(error),
        }
    };
    match shown {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
