//! Reports over the API: those that were closed, and each with its figures, as the page has them.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::reports::files::Form;
use crate::app::reports::{Report, place_name};
use crate::app::{App, AppError};
use crate::paper::Paper;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use headroom_domain::range::rfc3339;
use headroom_domain::report::{Cell, Kind, Table};
use headroom_store::report::Listed;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A closed report in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportListedOut {
    /// Its name: `waste-2026-10`, `weekly-2026-W47`, `quarterly-2026-Q4`.
    pub report: String,
    /// `waste`, `weekly`, `quarterly` or `incident`.
    pub kind: &'static str,
    /// 1 is the first; corrections count up.
    pub version: i32,
    /// When it was closed, RFC 3339.
    pub closed_at: String,
    /// What it is, for people.
    pub title: String,
    /// Its money in minor units; null without one, and for who is not shown it.
    pub total_minor: Option<i64>,
    /// ISO 4217 code of that.
    pub currency: Option<String>,
    /// SHA-256 of the figures; null for who sees some tenants only.
    pub checksum: Option<String>,
    /// Why it was corrected; empty for the first version.
    pub note: String,
}

/// Closed reports, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportsOut {
    /// One for each version of each.
    pub reports: Vec<ReportListedOut>,
    /// The rest is asked for with `after=` this; null if there is none.
    pub next: Option<String>,
}

/// Which of the closed reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReportsQuery {
    /// At most so many, 1 to 500; 500 if it is left out.
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
    /// The `next` of an earlier answer.
    #[serde(default, deserialize_with = "given")]
    after: Option<String>,
}

fn listed(one: Listed) -> ReportListedOut {
    ReportListedOut {
        report: format!("{}-{}", one.kind, one.period),
        kind: one.kind.as_str(),
        version: one.version,
        closed_at: rfc3339(one.closed_ms),
        title: one.title,
        total_minor: one.total_minor,
        currency: one.currency,
        checksum: Some(one.checksum).filter(|checksum| !checksum.is_empty()),
        note: one.note,
    }
}

/// Reports that were closed.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", params(ReportsQuery),
    responses((status = 200, body = ReportsOut), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(query): Query<ReportsQuery>) -> Result<Json<ReportsOut>, ApiError> {
    let (found, has_more) = app.reports_after(query.after.as_deref(), query.limit.unwrap_or(500)).await?;
    let next = found.last().filter(|_| has_more).map(place_name);
    Ok(Json(ReportsOut { reports: found.into_iter().map(listed).collect(), next }))
}

/// A figure of the whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportFactOut {
    /// What it is.
    pub name: String,
    /// A whole number of its unit, a ratio as a decimal, or words; null = unknown.
    pub value: serde_json::Value,
    /// As people read it.
    pub shown: String,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportColumnOut {
    /// Its name with the unit.
    pub key: String,
    /// Its name for people.
    pub label: String,
}

/// A table of a report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportTableOut {
    /// Its name.
    pub key: String,
    /// Its name for people.
    pub title: String,
    /// What its figures are.
    pub basis: String,
    /// The columns.
    pub columns: Vec<ReportColumnOut>,
    /// A value for each column: whole numbers of the column's unit, ratios as decimals, words; null = unknown.
    pub rows: Vec<Vec<serde_json::Value>>,
    /// The sum of the rows where they add up; null without one.
    pub total: Option<Vec<serde_json::Value>>,
}

/// A report with its figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportOut {
    /// Its name.
    pub report: String,
    /// What it is, for people.
    pub title: String,
    /// IANA zone of its days.
    pub zone: String,
    /// From here, RFC 3339.
    pub from: String,
    /// Until here, exclusive, RFC 3339.
    pub to: String,
    /// ISO 4217 code of its money; null without any.
    pub currency: Option<String>,
    /// How it was closed; null = it is not, and its figures may change.
    pub closed: Option<ReportListedOut>,
    /// What is said of the whole.
    pub facts: Vec<ReportFactOut>,
    /// The tables.
    pub tables: Vec<ReportTableOut>,
    /// What has to be known to read it.
    pub notes: Vec<String>,
}

fn value(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Text(text) => text.as_str().into(),
        Cell::Count(value) | Cell::Level(value) | Cell::Money(value) | Cell::Price(value) | Cell::Time(value) => {
            (*value).into()
        }
        Cell::SlotTime(slot_ms) => (*slot_ms).into(),
        Cell::Ratio(part, whole) => headroom_domain::occupancy::ratio(*part, *whole).into(),
    }
}

fn table(table: &Table) -> ReportTableOut {
    let values = |cells: &Vec<Cell>| cells.iter().map(value).collect::<Vec<_>>();
    let column = |column: &headroom_domain::report::Column| ReportColumnOut {
        key: column.key.clone(),
        label: column.label.clone(),
    };
    ReportTableOut {
        key: table.key.clone(),
        title: table.title.clone(),
        basis: table.basis.clone(),
        columns: table.columns.iter().map(column).collect(),
        rows: table.rows.iter().map(|row| values(&row.cells)).collect(),
        total: table.total().as_ref().map(values),
    }
}

fn out(app: &App, report: Report) -> ReportOut {
    let document = report.document;
    let currency = document.money();
    let fact = |(name, cell): &(String, Cell)| ReportFactOut {
        name: name.clone(),
        value: value(cell),
        shown: cell.shown(currency),
    };
    // Of the whole, who sees a part of it is told neither sum nor checksum.
    let is_limited = app.caller().is_limited();
    let closed = report.kept.map(|mut kept| {
        if is_limited {
            (kept.total_minor, kept.currency) = (None, None);
            kept.checksum.clear();
            kept.note.clear();
        }
        if document.currency.is_none() {
            kept.total_minor = None;
        }
        listed(kept)
    });
    ReportOut {
        report: format!("{}-{}", document.kind, document.period),
        zone: document.zone.clone(),
        from: rfc3339(document.from_ms),
        to: rfc3339(document.to_ms),
        currency: document.currency.clone(),
        closed,
        facts: document.facts.iter().map(fact).collect(),
        tables: document.tables.iter().map(table).collect(),
        notes: document.notes.clone(),
        title: document.title,
    }
}

/// Which version is asked for, and in what form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// The number of a version; left out = the newest, or provisional figures where none was closed.
    #[serde(default, deserialize_with = "given")]
    v: Option<String>,
    /// `json` (default), `csv` (one table), `pdf`, or `png` (of a month's waste).
    #[serde(default, deserialize_with = "given")]
    format: Option<String>,
    /// With `csv` the key of a table; left out = the first.
    #[serde(default, deserialize_with = "given")]
    table: Option<String>,
    /// With `pdf` the sheet: `a4` (default) or `letter`.
    #[serde(default, deserialize_with = "given")]
    paper: Option<String>,
}

impl ReportQuery {
    /// The kind of file that is asked for, if one is.
    fn form(&self) -> Result<Option<Form>, AppError> {
        let form = match self.format.as_deref() {
            None | Some("json") => None,
            Some("csv") => Some(Form::Csv),
            Some("pdf") => Some(Form::Pdf),
            Some("png") => Some(Form::Png),
            Some(other) => return Err(AppError::invalid("format", other, "json, csv, pdf or png")),
        };
        if let Some(table) = self.table.as_deref().filter(|_| form != Some(Form::Csv)) {
            return Err(AppError::invalid("table", table, "a table with format=csv only"));
        }
        match self.paper.as_deref() {
            None => {}
            Some("a4" | "letter") if form == Some(Form::Pdf) => {}
            Some(other) => return Err(AppError::invalid("paper", other, "a4 or letter, with format=pdf")),
        }
        Ok(form)
    }
}

/// A report with its figures, or as a file: page, file and paper say the same.
#[utoipa::path(get, path = "/api/v1/reports/{report}", tag = "reports",
    params(("report" = String, Path, description = "its name, such as waste-2026-10 or weekly-2026-W47; incident-NUMBER of an alert"), ReportQuery),
    responses((status = 200, body = ReportOut, description = "the figures; with a format text/csv, application/pdf or image/png"), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn get(app: App, Path(name): Path<String>, Query(query): Query<ReportQuery>) -> Result<Response, ApiError> {
    let form = query.form()?;
    let missing = || AppError::NotFound { what: "report", slug: name.chars().take(80).collect(), suggestion: None };
    let (kind, period) = name.split_once('-').ok_or_else(missing)?;
    let kind: Kind = kind.parse().map_err(|_| missing())?;
    let version = query.v.as_deref().map(|text| {
        let number = text.parse::<i32>().ok().filter(|version| (1..=100_000).contains(version));
        number.ok_or_else(|| AppError::invalid("v", text, "the number of a version"))
    });
    let report = app.report(kind, period, version.transpose()?).await?;
    let Some(form) = form else { return Ok(Json(out(&app, report)).into_response()) };
    let paper = Paper::named(query.paper.as_deref().unwrap_or_default());
    let file = app.report_file(&report, form, query.table.as_deref(), paper).await?;
    let disposition = format!("attachment; filename=\"{}\"", file.name);
    Ok(([(CONTENT_TYPE, file.media.to_owned()), (CONTENT_DISPOSITION, disposition)], file.bytes).into_response())
}
