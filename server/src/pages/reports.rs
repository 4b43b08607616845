//! `/waste`, `/waste/{month}` as a page or a file, drafts of its suggestions, corrections, and `/reports`.

use super::answer::{attachment, done, failure, page};
use super::form::{Posted, error_of};
use super::shell::{Spec, shell};
use super::visit::{Named, Visit};
use crate::app::plan::right_size::Suggested;
use crate::app::reports::files::{Form, path_of};
use crate::app::reports::period::{Period, zone_around};
use crate::app::reports::{OVER_PERIODS, Report};
use crate::app::{App, AppError, Result};
use crate::paper::Paper;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::report::{Cell, Kind};
use headroom_frontend::model::{FilterSet, KeptReport, Link, ReportModel, ReportRow, ReportsModel, ShellModel};
use headroom_frontend::pages;
use headroom_frontend::routes::RailEntry;
use headroom_store::report::Listed;

const SPEC: Spec<'static> = Spec {
    title: "Reservation waste",
    rail: Some(RailEntry::Waste),
    honoured: FilterSet::NONE,
    default_from: "now-45d",
    view: &["v"],
};

/// `2026-11.pdf` is the file of a month; without an end it is the page.
fn form_of(name: &str) -> (&str, Option<Form>) {
    match name.rsplit_once('.') {
        Some((name, "csv")) => (name, Some(Form::Csv)),
        Some((name, "pdf")) => (name, Some(Form::Pdf)),
        Some((name, "png")) => (name, Some(Form::Png)),
        _ => (name, None),
    }
}

/// The version that is asked for.
fn version_of(text: Option<&str>) -> Result<Option<i32>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|version| (1..=100_000).contains(version));
    number.map(Some).ok_or_else(|| AppError::invalid("v", text, "the number of a version"))
}

/// GET `/waste`: the month that runs.
pub(crate) async fn current(app: App, visit: Visit) -> Response {
    let answer = async {
        let period = app.current_period(Kind::Waste).await?;
        let period = period.ok_or_else(|| AppError::Internal("no month runs now".into()))?;
        let form = visit.csv().is_some().then_some(Form::Csv);
        show(&app, &visit, Kind::Waste, &period.slug(), form, Vec::new()).await
    };
    match answer.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/waste/{month}`, and `.csv`, `.pdf`, `.png` of it.
pub(crate) async fn month(app: App, Named(name): Named, visit: Visit) -> Response {
    let (period, form) = form_of(&name);
    let form = if visit.csv().is_some() { Some(Form::Csv) } else { form };
    match show(&app, &visit, Kind::Waste, period, form, Vec::new()).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn show(
    app: &App,
    visit: &Visit,
    kind: Kind,
    period: &str,
    form: Option<Form>,
    problems: Vec<crate::app::Problem>,
) -> Result<Response> {
    let report = app.report(kind, period, version_of(visit.get("v"))?).await?;
    if let Some(form) = form {
        let size = Paper::named(visit.get("paper").unwrap_or_default());
        let file = app.report_file(&report, form, visit.get("table"), size).await?;
        return Ok(attachment(file.media, &file.name, file.bytes));
    }
    let spec = Spec { title: &report.document.title, ..SPEC };
    let (shell, _) = shell(app, visit, spec).await?;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let model = ReportModel { note_error: error_of("note", &problems), ..model(app, &report)? };
    Ok(page(&shell, status, || pages::report(&shell, &model)))
}

fn kept(app: &App, listed: &Listed) -> KeptReport {
    KeptReport {
        version: listed.version,
        closed_ms: listed.closed_ms,
        checksum: if app.caller().is_limited() { String::new() } else { listed.checksum.clone() },
        note: if app.caller().is_limited() { String::new() } else { listed.note.clone() },
    }
}

fn model(app: &App, report: &Report) -> Result<ReportModel> {
    let document = &report.document;
    let period = match document.kind {
        Kind::Incident => None,
        kind => Some(Period::parse(kind, &document.period)?),
    };
    let zone = zone_around(&document.zone, report.now_ms, report.now_ms);
    let link = |other: Period, mark: &str| Link {
        label: format!("{mark} {}", other.name()),
        href: path_of(document.kind, &other.slug()),
    };
    let begun = |other: &Period| other.range(&zone).0 <= report.now_ms;
    Ok(ReportModel {
        document: document.clone(),
        path: path_of(document.kind, &document.period),
        kept: report.kept.as_ref().map(|listed| kept(app, listed)),
        closes_ms: period.filter(|_| report.kept.is_none()).map(|period| period.closes_ms(&zone)),
        is_whole: report.is_whole,
        before: period.as_ref().and_then(Period::before).map(|other| link(other, "◂")),
        after: period.as_ref().and_then(Period::after).filter(begun).map(|other| link(other, "▸")),
        may_plan: app.caller().may(Action::Plan) && !app.caller().is_limited(),
        is_recent: report.is_recent(),
        closes_by_itself: report.closes_by_itself,
        note_error: None,
    })
}

/// POST `/waste/{month}/draft`: a draft of one suggestion of the report, and on to its review.
pub(crate) async fn draft(app: App, Named(name): Named, visit: Visit, posted: Posted) -> Response {
    match make_draft(&app, &name, &posted).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn make_draft(app: &App, period: &str, posted: &Posted) -> Result<Response> {
    let (tenant, pool) = (posted.get("tenant"), posted.get("pool"));
    let report = app.report(Kind::Waste, period, version_of(Some(posted.get("v")))?).await?;
    if !report.is_recent() {
        return Err(AppError::Conflict(format!(
            "the suggestions of {} are history: take those of the month that runs or of the one before it",
            report.document.period
        )));
    }
    // The figure is the report's, not the form's.
    let (table, column, level) = match posted.get("table") {
        "elastic" => ("elastic", "constant_slots", Suggested::Cheapest),
        _ => ("waste", "right_size_slots", Suggested::Peaks),
    };
    let suggested = report.document.table(table).and_then(|table| {
        let row = table.rows.iter().find(|row| row.tenant_slug() == Some(tenant) && row.pool_slug() == Some(pool))?;
        match table.cell(&row.cells, column)? {
            Cell::Level(slots) => *slots,
            _ => None,
        }
    });
    let Some(slots) = suggested else {
        let found = format!("{tenant} in {pool}");
        return Err(AppError::invalid(
            "tenant",
            found,
            "a tenant in a pool for which this report suggests fewer slots",
        ));
    };
    let draft = app.draft_right_size(pool, tenant, slots, level).await?;
    let sentence = format!("The draft {:?} has this one change. Nothing is published yet.", draft.name);
    Ok(done(&format!("/planner/drafts/{}", draft.id), &sentence))
}

/// POST `/waste/{month}/correct`: another version of a closed month.
pub(crate) async fn correct(app: App, Named(name): Named, visit: Visit, posted: Posted) -> Response {
    make_version(&app, Kind::Waste, &name, &visit, &posted).await
}

async fn make_version(app: &App, kind: Kind, period: &str, visit: &Visit, posted: &Posted) -> Response {
    match app.correct_report(kind, period, posted.get("note")).await {
        Ok(listed) => {
            let to = format!("{}?v={}", path_of(kind, &listed.period), listed.version);
            done(&to, &format!("Version {} is kept beside the earlier ones.", listed.version))
        }
        Err(AppError::Invalid(problems)) if problems.iter().any(|problem| problem.field == "note") => {
            let mut at = visit.clone();
            at.path = path_of(kind, period);
            match show(app, &at, kind, period, None, problems).await {
                Ok(response) => response,
                Err(error) => failure(app, visit, error).await,
            }
        }
        Err(error) => failure(app, visit, error).await,
    }
}

/// `weekly-2026-W47` is the week's report.
fn named(name: &str) -> Result<(Kind, &str)> {
    let found = name.split_once('-').and_then(|(kind, period)| Some((kind.parse::<Kind>().ok()?, period)));
    found.ok_or_else(|| AppError::NotFound { what: "report", slug: name.to_owned(), suggestion: None })
}

/// GET `/reports/{report}`, and `.csv`, `.pdf` of it.
pub(crate) async fn report(app: App, Named(name): Named, visit: Visit) -> Response {
    let answer = async {
        let (name, form) = form_of(&name);
        let (kind, period) = named(name)?;
        let form = if visit.csv().is_some() { Some(Form::Csv) } else { form };
        if kind == Kind::Waste || form == Some(Form::Png) {
            return Err(AppError::NotFound { what: "report", slug: name.to_owned(), suggestion: None });
        }
        show(&app, &visit, kind, period, form, Vec::new()).await
    };
    match answer.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/reports/{report}/correct`: another version of it.
pub(crate) async fn correct_report(app: App, Named(name): Named, visit: Visit, posted: Posted) -> Response {
    match named(&name) {
        Ok((kind, period)) => make_version(&app, kind, period, &visit, &posted).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/reports`: what was closed.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    match archive(&app, &visit).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn archive(app: &App, visit: &Visit) -> Result<Response> {
    let (shell, _): (ShellModel, _) = shell(app, visit, Spec { title: "Reports", ..SPEC }).await?;
    let rows = app.reports().await?;
    let mut current = Vec::new();
    for kind in OVER_PERIODS {
        if let Some(period) = app.current_period(kind).await? {
            let label = format!("{}, {}", kind.label(), period.name());
            current.push(Link { label, href: path_of(kind, &period.slug()) });
        }
    }
    let model = ReportsModel {
        rows: rows
            .iter()
            .map(|listed| ReportRow {
                title: listed.title.clone(),
                kind: listed.kind.label().to_owned(),
                path: path_of(listed.kind, &listed.period),
                kept: kept(app, listed),
                total_minor: listed.total_minor,
                currency: listed.currency.clone().unwrap_or_default(),
            })
            .collect(),
        current,
    };
    Ok(page(&shell, StatusCode::OK, || pages::reports(&shell, &model)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_their_month() {
        assert_eq!(form_of("2026-11.pdf"), ("2026-11", Some(Form::Pdf)));
        assert_eq!(form_of("2026-11"), ("2026-11", None));
        assert_eq!(form_of("2026-11.exe"), ("2026-11.exe", None), "which is no month");
        assert!(version_of(Some("0")).is_err() && version_of(Some("x")).is_err());
        assert_eq!(version_of(Some("2")).ok(), Some(Some(2)));
    }
}
