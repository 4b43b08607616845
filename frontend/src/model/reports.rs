//! Reports: the one that is read, and the archive.

use super::Link;
use headroom_domain::report::Document;

/// Everything on the page of a report.
#[derive(Debug, Clone)]
pub struct ReportModel {
    /// What it says, cut to what the viewer may see.
    pub document: Document,
    /// Its own path, for example `/waste/2026-11`.
    pub path: String,
    /// How it was closed; `None` = it is provisional.
    pub kept: Option<KeptReport>,
    /// When a provisional one will close.
    pub closes_ms: Option<i64>,
    /// It says something of all tenants and pools.
    pub is_whole: bool,
    /// The period before.
    pub before: Option<Link>,
    /// The period after, if it has begun.
    pub after: Option<Link>,
    /// Whether the viewer may make drafts of suggestions and correct what is closed.
    pub may_plan: bool,
    /// Whether its suggestions are of today: those of an older month are history.
    pub is_recent: bool,
    /// Whether a summary that is not kept yet will be: that of a page, not of a ticket.
    pub closes_by_itself: bool,
    /// What was wrong with the note of a correction.
    pub note_error: Option<String>,
}

/// How a report was closed.
#[derive(Debug, Clone)]
pub struct KeptReport {
    /// 1 is the first, corrections count up.
    pub version: i32,
    /// When.
    pub closed_ms: i64,
    /// SHA-256 of its figures, in hexadecimal; empty if the viewer sees a part of them.
    pub checksum: String,
    /// Why it was corrected; empty for the first.
    pub note: String,
}

/// Everything on `/reports`.
#[derive(Debug, Clone)]
pub struct ReportsModel {
    /// Closed reports, the newest first.
    pub rows: Vec<ReportRow>,
    /// Reports of what is running now.
    pub current: Vec<Link>,
}

/// A closed report.
#[derive(Debug, Clone)]
pub struct ReportRow {
    /// What it is.
    pub title: String,
    /// Its kind, for people.
    pub kind: String,
    /// Its path without a version.
    pub path: String,
    /// How it was closed.
    pub kept: KeptReport,
    /// Its money in minor units.
    pub total_minor: Option<i64>,
    /// Currency of that.
    pub currency: String,
}
