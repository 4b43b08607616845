//! Labels, by which detection can be scored, and the record of a game day.

use super::ledger::Findings;
use super::score::Score;
use crate::clock;
use headroom_domain::range::rfc3339;
use serde::Serialize;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Whether a breakage begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// What was broken when: a line of NDJSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Always: nothing of this is real.
    pub simulated: bool,
    /// RFC 3339.
    pub at: String,
    /// The scenario.
    pub scenario: &'static str,
    /// Its seed.
    pub seed: u64,
    /// `F1` to `F8`, or a word for what has no number.
    pub mode: &'static str,
    /// The pool's slug; null for all.
    pub pool: Option<String>,
    /// The slot, if one is concerned.
    pub slot: Option<u32>,
    /// Begin or end.
    pub edge: Edge,
    /// The same in a sentence.
    pub detail: String,
}

/// Writes labels as they happen, and keeps them.
pub struct Labels {
    out: Mutex<Box<dyn Write + Send>>,
    kept: Mutex<Vec<Label>>,
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Labels").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Labels {
    /// Labels go to a file or to standard output.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out), kept: Mutex::new(Vec::new()) }
    }

    /// The present instant, as labels say it.
    pub fn now() -> String {
        rfc3339(clock::now_ms())
    }

    /// One more.
    pub fn add(&self, label: Label) {
        let line = serde_json::to_string(&label).unwrap_or_default();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
            tracing::warn!(%error, "a label could not be written");
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(label);
    }

    /// All so far.
    pub fn all(&self) -> Vec<Label> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The record of a game day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Always: nothing of this is real.
    pub simulated: bool,
    /// The scenario.
    pub scenario: String,
    /// What should have been seen.
    pub expected: String,
    /// Its seed.
    pub seed: u64,
    /// How much faster than planned it was played.
    pub speed: f64,
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// Whether it was ended before its time.
    pub cut_short: bool,
    /// Slugs of the pools.
    pub pools: Vec<String>,
    /// What was broken when.
    pub labels: Vec<Label>,
    /// How well the server found what was broken; null if that was not asked for.
    pub score: Option<Score>,
    /// What came of the claims.
    #[serde(flatten)]
    pub findings: Findings,
}
