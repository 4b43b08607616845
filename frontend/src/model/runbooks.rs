//! Runbooks: the list, one with its text, the form.

use super::{Field, Named};

/// Whether somebody did what a runbook says, to see whether it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestedState {
    /// Not long ago, and it is the same since.
    Fresh,
    /// Nobody ever did.
    Never,
    /// It was changed since.
    Changed,
    /// More than 180 days ago.
    Old,
}

impl TestedState {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fresh => "Tested",
            Self::Never => "Never tested",
            Self::Changed => "Changed since its test",
            Self::Old => "Test is older than 180 days",
        }
    }
}

/// A runbook in a list.
#[derive(Debug, Clone)]
pub struct RunbookRow {
    /// Slug.
    pub slug: String,
    /// Title.
    pub title: String,
    /// The newest version.
    pub version: i32,
    /// When that was written.
    pub updated_ms: i64,
    /// Whether it was tested.
    pub tested: TestedState,
    /// When.
    pub tested_ms: Option<i64>,
    /// By whom.
    pub tested_by: Option<String>,
    /// Rules that point to it.
    pub rules: Vec<Named>,
}

/// Everything on `/runbooks`.
#[derive(Debug, Clone)]
pub struct RunbooksModel {
    /// By title.
    pub rows: Vec<RunbookRow>,
    /// Who looks may write.
    pub writes: bool,
}

/// A version in the history of a runbook.
#[derive(Debug, Clone)]
pub struct RunbookVersionRow {
    /// Its number.
    pub version: i32,
    /// Who wrote it.
    pub author: String,
    /// What they changed.
    pub note: String,
    /// When.
    pub at_ms: i64,
}

/// Everything on `/runbooks/{slug}`. The button posts to `/runbooks/{slug}/tested` with `version`.
#[derive(Debug, Clone)]
pub struct RunbookModel {
    /// The runbook.
    pub row: RunbookRow,
    /// The version that is shown.
    pub shown: RunbookVersionRow,
    /// Its text as HTML that the server made from Markdown: nothing in it runs.
    pub html: String,
    /// What the reader came from, as `pool ingress-eu`.
    pub came_from: Vec<String>,
    /// The alert that the reader came from.
    pub alert: Option<String>,
    /// The text has placeholders that are not filled in.
    pub has_gaps: bool,
    /// The newest versions, newest first.
    pub history: Vec<RunbookVersionRow>,
    /// Who looks may write.
    pub writes: bool,
}

/// The form of a runbook. Action: its own path. Fields: `slug` (new ones only), `body`, `note`, hidden `version`.
#[derive(Debug, Clone, Default)]
pub struct RunbookFormModel {
    /// The runbook that is changed; `None` for a new one.
    pub subject: Option<Named>,
    /// Version that the form was filled from.
    pub version: String,
    /// Slug of a new one.
    pub slug: Field,
    /// The text, Markdown.
    pub body: Field,
    /// What was changed.
    pub note: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// The text as HTML, if a look at it was asked for.
    pub preview: Option<String>,
}
