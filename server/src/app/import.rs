//! Bringing history in from files, and taking it out again.
//!
//! Every import is a part of history of its own: written in pieces, each in one transaction with how
//! far it has come, and seen by nobody until its last transaction, which also makes the pools and
//! tenants it needs and checks that no other history covers the same time. What fails leaves
//! nothing; what was killed goes on or starts anew when it is repeated; what is done is not done again.

mod changes;
mod input;
mod intervals;
mod occupancy;
mod progress;
mod run;
mod swf;
mod world;

pub use changes::{ChangesOptions, import_changes};
pub use input::Source;
pub use intervals::{IntervalsOptions, import_intervals};
pub use occupancy::{OccupancyOptions, import_occupancy};
pub use progress::{Bar, Progress, Silent};
pub use swf::{By, SwfOptions, import_swf};

use super::{AppError, Problem};
use crate::ingest::lines::ReadError;
use crate::ingest::report::LineErrors;
use headroom_domain::Millis;
use headroom_domain::range::{self, rfc3339};
use headroom_store::import::Import;
use headroom_store::{StoreError, history, import};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgPool};

/// Result of an import.
pub type Result<T, E = ImportError> = std::result::Result<T, E>;

/// Why an import was not done. Nothing of it is left, except where it says that it goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("{name} cannot be opened: {source}")]
    Open {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be read to its end.
    #[error("{name}: {source}")]
    Read {
        /// Its name.
        name: String,
        /// Where and why.
        source: ReadError,
    },
    /// Lines are wrong.
    #[error("{name} has {} wrong lines, nothing was imported (--skip-bad-lines takes the rest)\n{errors}", .errors.total)]
    Lines {
        /// Its name.
        name: String,
        /// Which and why.
        errors: LineErrors,
    },
    /// The same time of a pool is covered already.
    #[error(
        "pool {pool} already has history from {} to {}, brought in by {by}; undo that first, or shift this import with --end",
        rfc3339(*.from_ms), rfc3339(*.to_ms)
    )]
    Overlap {
        /// The pool.
        pool: String,
        /// Start of the first stretch covered twice, to the hour.
        from_ms: Millis,
        /// Its end.
        to_ms: Millis,
        /// What covers it.
        by: String,
    },
    /// Another process is at it.
    #[error("the same import is running in another process (import {part}); wait for it, or stop it and repeat")]
    Busy {
        /// Its part.
        part: i32,
    },
    /// Somebody told it to stop.
    #[error(
        "{by} stopped it (import {part}); what was read is kept: repeat the command to go on, or take it out with undo"
    )]
    Cancelled {
        /// Its part.
        part: i32,
        /// Who.
        by: String,
    },
    /// Options or content do not make sense; the text says what would.
    #[error("{0}")]
    Unusable(String),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A bug in a worker thread.
    #[error("the import's worker stopped: {0}")]
    Worker(String),
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ImportError> for AppError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Busy { .. } | ImportError::Overlap { .. } | ImportError::Cancelled { .. } => {
                Self::Conflict(error.to_string())
            }
            ImportError::Worker(_) => Self::Internal(error.to_string()),
            ImportError::Lines { errors, .. } => Self::Invalid(
                errors
                    .shown
                    .iter()
                    .map(|e| Problem::new(format!("line {}, {}", e.line, e.column), &e.found, &*e.expected))
                    .collect(),
            ),
            ImportError::Open { .. } | ImportError::Read { .. } | ImportError::Unusable(_) => {
                Self::Invalid(vec![Problem::new("file", "", error.to_string())])
            }
        }
    }
}

/// What an import did, or would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its part of history; `None` for a dry run and for changes.
    pub part: Option<i32>,
    /// The pools it has history of, the first hundred.
    pub pools: Vec<String>,
    /// Rows read: lines of jobs, samples, intervals or changes.
    pub rows: u64,
    /// Jobs or intervals that count; rows taken, for other kinds.
    pub jobs: u64,
    /// Rows left out because they are wrong or cannot be placed.
    pub rejected: LineErrors,
    /// Jobs left out because they never ran.
    pub skipped: u64,
    /// Tenants with use.
    pub tenants: u64,
    /// Start of the observed time.
    pub from_ms: Option<Millis>,
    /// End of the observed time.
    pub to_ms: Option<Millis>,
    /// Most slots occupied at once in one pool.
    pub peak: i64,
    /// What a person should know, in sentences.
    pub warnings: Vec<String>,
    /// True if it had been imported before and nothing changed.
    #[serde(default)]
    pub already_done: bool,
    /// True if nothing was written because it was asked so.
    #[serde(default)]
    pub dry_run: bool,
}

/// Pools named in a report.
const POOLS_SHOWN: usize = 100;

impl Report {
    fn covers(&mut self, from: Millis, to: Millis) {
        self.from_ms = Some(self.from_ms.map_or(from, |at| at.min(from)));
        self.to_ms = Some(self.to_ms.map_or(to, |at| at.max(to)));
    }

    fn names(&mut self, pool: &str) {
        if self.pools.len() < POOLS_SHOWN {
            self.pools.push(pool.to_owned());
        }
    }
}

/// Where a log is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In the minute of the import.
    Now,
    /// In the minute of an instant.
    At(Millis),
}

impl std::str::FromStr for End {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Now);
        }
        // Relative times have no meaning here: what is imported twice must be the same twice.
        match range::instant(text, 0) {
            Ok(at) if !text.starts_with("now") => Ok(Self::At(at)),
            _ => Err(format!("{text:?} is no end: expected now or a time such as 2026-11-21T08:00:00Z")),
        }
    }
}

/// All imports, newest first.
pub async fn list_imports(db: &PgPool) -> Result<Vec<Import>> {
    Ok(import::list(&mut *db.acquire().await?).await?)
}

/// Takes an import out of history, whether it is done or was left half-way. Pools and tenants stay.
/// False if there is none with this number.
pub async fn undo_import(db: &PgPool, part: i32) -> Result<bool> {
    if part == history::LIVE {
        return Err(ImportError::Unusable("part 0 is what was sent live, it cannot be undone".into()));
    }
    let mut conn = db.acquire().await?.detach();
    if !run::lock_patiently(&mut conn, part).await? {
        return Err(ImportError::Busy { part });
    }
    let mut tx = conn.begin().await?;
    let pools = history::pools_of_part(&mut tx, part).await?;
    let gone = import::remove(&mut tx, part).await?;
    history::reset_newest(&mut tx, &pools).await?;
    tx.commit().await?;
    // PostgreSQL sees a closed connection only in its own time: who repeats this at once must not find
    // the lock still held.
    import::unlock(&mut conn, part).await?;
    Ok(gone)
}
