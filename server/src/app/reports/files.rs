//! Reports as files, the same for whoever asks by which door: tables as CSV, paper as PDF, a picture of a month.

use super::Report;
use super::period::zone_around;
use crate::app::{App, AppError, Result};
use crate::paper::{self, Frame, Paper};
use headroom_domain::report::Kind;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Csv,
    /// Paper, with all tables.
    Pdf,
    /// A picture, of a month's waste only.
    Png,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// How it is called.
    pub name: String,
    /// Its media type.
    pub media: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Where a report is for people.
pub fn path_of(kind: Kind, period: &str) -> String {
    match kind {
        Kind::Waste => format!("/waste/{period}"),
        other => format!("/reports/{other}-{period}"),
    }
}

impl App {
    /// A report as a file; of CSV a table by its key, the first if none is named.
    ///
    /// # Errors
    /// `Invalid` for a table that the report has not, and for a picture of a report that has none.
    pub async fn report_file(&self, report: &Report, form: Form, table: Option<&str>, size: Paper) -> Result<File> {
        let document = &report.document;
        let name = |table, extension| paper::file_name(document.kind.as_str(), &document.period, table, extension);
        match form {
            Form::Csv => csv(report, table),
            Form::Pdf => {
                let (frame, whole) = (self.frame(report).await?, document.clone());
                let bytes = drawn("application/pdf", move || paper::pdf(&whole, &frame, size)).await?;
                Ok(File { name: name(None, "pdf"), media: "application/pdf", bytes })
            }
            Form::Png if document.kind == Kind::Waste => {
                let (frame, whole) = (self.frame(report).await?, document.clone());
                let bytes = drawn("image/png", move || paper::png(&whole, &frame)).await?;
                Ok(File { name: name(None, "png"), media: "image/png", bytes })
            }
            Form::Png => Err(AppError::invalid("format", "png", "csv or pdf: only a month's waste has a picture")),
        }
    }

    /// What stands around a report on paper.
    async fn frame(&self, report: &Report) -> Result<Frame> {
        let document = &report.document;
        let version = report.kept.as_ref().map(|listed| format!("?v={}", listed.version)).unwrap_or_default();
        let made_ms = report.kept.as_ref().map_or(report.now_ms, |listed| listed.closed_ms);
        let checksum = report.kept.as_ref().filter(|_| report.is_whole).map(|listed| listed.checksum.clone());
        let mut state = match &report.kept {
            Some(listed) => format!("closed, version {}", listed.version),
            None => "provisional".to_owned(),
        };
        if !report.is_whole {
            state.push_str(", in part");
        }
        Ok(Frame {
            organisation: self.organisation().await?.name,
            zone: zone_around(&document.zone, made_ms, made_ms),
            made_ms,
            state,
            link: self.outward.address_of(&format!("{}{version}", path_of(document.kind, &document.period))),
            checksum: checksum.unwrap_or_default(),
        })
    }
}

fn csv(report: &Report, name: Option<&str>) -> Result<File> {
    let document = &report.document;
    let table = match name {
        Some(name) => Some(document.table(name).ok_or_else(|| {
            let known: Vec<&str> = document.tables.iter().map(|table| table.key.as_str()).collect();
            AppError::invalid("table", name, format!("one of {}", known.join(", ")))
        })?),
        None => document.tables.first(),
    };
    let media = "text/csv; charset=utf-8";
    Ok(match table {
        Some(table) => File {
            name: paper::file_name(document.kind.as_str(), &document.period, name, "csv"),
            media,
            bytes: paper::csv(table, document.currency.as_deref()).into_bytes(),
        },
        // Nothing was promised: a file without rows is the right answer, and it has no columns either.
        None => File { name: "headroom_empty.csv".into(), media, bytes: Vec::new() },
    })
}

/// What is drawn on a thread that may take its time.
async fn drawn(kind: &str, draw: impl FnOnce() -> Option<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
    let drawn = tokio::task::spawn_blocking(draw).await;
    drawn.ok().flatten().ok_or_else(|| AppError::Internal(format!("a report could not be drawn as {kind}")))
}
