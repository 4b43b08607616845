//! The planner: how long it takes to say what an edit would change.
//!
//! | part | measured | beside |
//! |---|---|---|
//! | 1 `whatif` | the replay of 8 weeks, 50 tenants and 5,000 reservations, before and after | reading the same demand once; the same slot by slot |
//! | 2 `log` | the replay of the real demand of a public log | |
//! | 3 `conflict` | whether an edit fits beside 5,000 reservations, alone and in a database | sorting the same edges once |
//! | 4 `frames` | what a browser's main thread does for a frame over 1,000 bars | |
//!
//! A further part is a file with a function `measure` and a line in [`run`].

mod conflict;
mod frames;
mod log;
mod whatif;

use anyhow::Result;

use super::figures::Report;
use super::{about, load, outcome};

/// What to measure, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Few rounds.
    pub quick: bool,
    /// Only these parts; all if empty.
    pub only: Vec<u8>,
}

impl Options {
    fn wants(&self, part: u8) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    const fn rounds(&self) -> usize {
        if self.quick { 3 } else { 15 }
    }
}

/// Measures. A part that cannot be measured says why, and the others go on.
pub async fn run(options: &Options) -> Result<String> {
    let mut report = Report::default();
    about(&mut report)?;
    if options.wants(1) {
        outcome("what-if", whatif::measure(options, &mut report), &mut report);
    }
    if options.wants(2) {
        outcome("what-if of a log", log::measure(options, &mut report), &mut report);
    }
    if options.wants(3) {
        outcome("conflicts", conflict::measure(options, &mut report).await, &mut report);
    }
    if options.wants(4) {
        outcome("frames", frames::measure(options, &mut report).await, &mut report);
    }
    report.note(format!("load average at the end: {}; {:.0} s in all", load()?, report.seconds()));
    Ok(report.summary())
}
