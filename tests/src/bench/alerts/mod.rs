//! Alerts: who is woken for what, how fast that is decided, and what a round of the engine takes.
//!
//! | part | measured | beside |
//! |---|---|---|
//! | 1 `quality` | recall, precision and delay over months whose faults are known | an oracle in fractions |
//! | 2 `decide` | all windows of 10,000 pools with 5 tenants each, from tallies at hand | |
//! | 3 `tick` | a round of the engine with PostgreSQL: from reading to what is to be sent | |
//! | 4 `peer` | the same windows for each series | the rules of Prometheus |
//!
//! What is simulated follows from seeds alone. The engine's clock is held still, so that a round begins when the last one has
//! ended.

mod decide;
mod fleet;
mod oracle;
mod peer;
mod quality;
mod simulate;
mod tick;

use anyhow::Result;
use headroom_domain::{HOUR_MS, Millis};

use super::figures::Report;
use super::session::OneGroup;
use super::{about, load, outcome, processors};

/// The watermark at which everything begins: a Monday, a quarter past noon.
const WATERMARK_MS: Millis = 1_795_435_200_000 - 1_795_435_200_000 % HOUR_MS + HOUR_MS / 4;

/// What to measure, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Few months, pools and series: about a minute.
    pub quick: bool,
    /// Only these parts; all if empty.
    pub only: Vec<u8>,
}

impl Options {
    fn wants(&self, part: u8) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    const fn months(&self) -> u64 {
        if self.quick { 10 } else { 200 }
    }

    const fn pools(&self) -> usize {
        if self.quick { 1_000 } else { 10_000 }
    }

    const fn peer_series(&self) -> usize {
        if self.quick { 100 } else { 1_000 }
    }
}

/// Measures. A part that cannot be measured says why, and the others go on.
pub async fn run(options: &Options) -> Result<String> {
    let mut report = Report::default();
    about(&mut report)?;
    let group = OneGroup::join(processors());
    report.note(match &group {
        Ok(_) => "everything measured shares one scheduler group".to_owned(),
        Err(error) => format!("every process has a scheduler group of its own: {error:#}"),
    });
    if options.wants(1) {
        outcome("quality", quality::measure(options, &mut report), &mut report);
    }
    let mut taken = peer::Ours::default();
    if options.wants(2) || options.wants(4) {
        let decided = decide::measure(options, &mut report).map(|seconds| taken.decided = Some(seconds));
        outcome("deciding", decided, &mut report);
    }
    if options.wants(3) {
        let ticked = tick::measure(options, &mut report).await.map(|seconds| taken.round = Some(seconds));
        outcome("a round", ticked, &mut report);
    }
    if options.wants(4) {
        outcome("Prometheus", peer::measure(options, taken, &mut report).await, &mut report);
    }
    report.note(format!("load average at the end: {}; {:.0} s in all", load()?, report.seconds()));
    Ok(report.summary())
}
