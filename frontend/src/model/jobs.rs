//! Background work: scheduled jobs and imports.

use super::{PanelState, TableState};

/// Everything on `/jobs`.
#[derive(Debug, Clone)]
pub struct JobsModel {
    /// Scheduled jobs, one row each: its newest run and when it runs next.
    pub scheduled: Vec<ScheduledJob>,
    /// Runs and imports, newest first.
    pub runs: Vec<JobRun>,
    /// Paging of the runs.
    pub table: TableState,
    /// Empty, failed.
    pub state: PanelState,
}

/// A job that the server repeats.
#[derive(Debug, Clone)]
pub struct ScheduledJob {
    /// Name, for example `roll-up`.
    pub name: String,
    /// What it does, one sentence.
    pub purpose: String,
    /// How often, in milliseconds.
    pub period_ms: i64,
    /// Its newest run; `None` if it never ran.
    pub last: Option<JobRun>,
    /// When it is due; `None` while it runs.
    pub next_ms: Option<i64>,
}

/// One run of a job or one import.
#[derive(Debug, Clone)]
pub struct JobRun {
    /// What ran: the job's name, or `import swf KTH-SP2.swf`.
    pub name: String,
    /// How it went.
    pub outcome: JobOutcome,
    /// When it started.
    pub started_ms: i64,
    /// How long it took; `None` while it runs.
    pub duration_ms: Option<i64>,
    /// Things done: rows read, partitions dropped, …
    pub done: Option<i64>,
    /// Things to do; `None` if unknown.
    pub total: Option<i64>,
    /// What the things are, for example `rows`.
    pub unit: String,
    /// Result or error in one sentence; empty if there is nothing to say.
    pub message: String,
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// Still running.
    Running,
    /// Finished.
    Succeeded,
    /// Finished, with rejected rows or warnings.
    Partial,
    /// Stopped by an error.
    Failed,
    /// Its process went away.
    Abandoned,
}

impl JobOutcome {
    /// The word beside the mark.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "done",
            Self::Partial => "done, with warnings",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}
