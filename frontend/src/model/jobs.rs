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
    /// Why as often as that.
    pub why: String,
    /// Since when it runs; `None` = it does not, or runs all the time.
    pub running_since_ms: Option<i64>,
    /// Where it runs.
    pub server: Option<String>,
    /// Who asked for the run that begins next.
    pub asked_by: Option<String>,
    /// The reader may ask for a run now: it has turns, and the reader plans.
    pub may_run: bool,
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
    /// Its page.
    pub href: Option<String>,
    /// The turn that it was.
    pub due_ms: Option<i64>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// Where it ran.
    pub server: Option<String>,
}

/// `/jobs/{job}`: one job with its runs.
#[derive(Debug, Clone)]
pub struct JobModel {
    /// The job.
    pub job: ScheduledJob,
    /// How long its last runs took: the least, the middle and the most, in milliseconds.
    pub took: Option<(i64, i64, i64)>,
    /// Its last runs, newest first.
    pub runs: Vec<JobRun>,
}

/// `/jobs/import-{number}`: one import, while it runs and afterwards.
#[derive(Debug, Clone)]
pub struct ImportProgressModel {
    /// Its number.
    pub number: i32,
    /// How it stands.
    pub run: JobRun,
    /// What it does at the moment, such as `reading the file`, and which step of how many that is.
    pub phase: Option<(String, usize, usize)>,
    /// Part of the phase that is done, 0 to 1.
    pub share: Option<f64>,
    /// Rows a second so far.
    pub rate: Option<f64>,
    /// What is left of the phase at its rate, in milliseconds.
    pub left_ms: Option<i64>,
    /// Rows that were rejected.
    pub rejected: i64,
    /// The first of them: line, column, what was found, what was expected.
    pub rejected_rows: Vec<[String; 4]>,
    /// What a person should know, in sentences.
    pub warnings: Vec<String>,
    /// Who told it to stop.
    pub cancelled_by: Option<String>,
    /// The reader may tell it to stop, and somebody is at it.
    pub may_cancel: bool,
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
    /// Somebody stopped it.
    Stopped,
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
            Self::Stopped => "stopped",
        }
    }
}
