//! Reports over the API: those that were closed, and each with its figures, as the page has them.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::reports::Report;
use crate::app::{App, AppError};
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

/// Closed reports, the newest first, at most 500.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportsOut {
    /// One for each version of each.
    pub reports: Vec<ReportListedOut>,
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
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", responses((status = 200, body = ReportsOut)))]
pub async fn list(app: App) -> Result<Json<ReportsOut>, ApiError> {
    Ok(Json(ReportsOut { reports: app.reports().await?.into_iter().map(listed).collect() }))
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

/// Which version is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// The number of a version; left out = the newest, or provisional figures where none was closed.
    #[serde(default, deserialize_with = "given")]
    v: Option<String>,
}

/// A report with its figures.
#[utoipa::path(get, path = "/api/v1/reports/{report}", tag = "reports",
    params(("report" = String, Path, description = "its name, such as waste-2026-10 or weekly-2026-W47; incident-NUMBER of an alert"), ReportQuery),
    responses((status = 200, body = ReportOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn get(
    app: App,
    Path(name): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<ReportOut>, ApiError> {
    let missing = || AppError::NotFound { what: "report", slug: name.chars().take(80).collect(), suggestion: None };
    let (kind, period) = name.split_once('-').ok_or_else(missing)?;
    let kind: Kind = kind.parse().map_err(|_| missing())?;
    let version = query.v.map(|text| {
        let number = text.parse::<i32>().ok().filter(|version| (1..=100_000).contains(version));
        number.ok_or_else(|| AppError::invalid("v", &text, "the number of a version"))
    });
    let report = app.report(kind, period, version.transpose()?).await?;
    Ok(Json(out(&app, report)))
}
