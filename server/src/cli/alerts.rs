//! `headroom alerts`.

use crate::alerting::nab::{files, replay, table};
use crate::alerting::vectors::Vectors;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;

/// Try the rules of alerts.
#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Play test vectors through the alert engine
    Evaluate(Evaluate),
    /// Try the anomaly detector on series whose anomalies are known
    Nab(Nab),
}

/// Play the cases of a file through the product's own engine and compare what it tells with what the file expects.
#[derive(Debug, Args)]
#[command(after_help = "\
A file names tiers and times and lists cases; a case has slices of history and of a pattern, and the events that are
expected, each with its minute:  {\"minute\": 49, \"event\": \"fire:page:W1\"}
Prints a line for each case: ok, or the first event that differs. The exit code is 1 if any differs.
Example:           headroom alerts evaluate --vectors alert_vectors.json")]
pub(super) struct Evaluate {
    /// The file with the cases
    #[arg(long, value_name = "FILE.json")]
    vectors: PathBuf,
}

/// Replay labelled series of the Numenta Anomaly Benchmark through a static band and through the product's anomaly detector, and
/// score the alerts of both.
#[derive(Debug, Args)]
#[command(after_help = "\
Series are CSV files with the columns timestamp,value, at any depth below the folder (below data/
if there is one). The labels are labels/combined_windows.json or the only combined_windows.json
below; a file is found in them by folder/name, or by name.
The benchmark is at github.com/numenta/NAB (MIT).

Both detectors only call an observation good or bad; the product's burn-rate rule makes alerts of
that: 1 of 100 may be bad, an alert is open while the last 12 and the last 2 observations burn that
more than 8 times too fast, 3 bad ones at least. The first 15 % of a series (at most 750
observations) are learnt from and not judged.
  static band   bad is what lies outside the values of that beginning
  ours          bad is what the series never did before, judged as it comes; the length of a
                pattern and the threshold are those that do best on all other series
  as shipped    the same with the settings of the product, which were chosen on the 18 series of
                realAWSCloudwatch and nyc_taxi: on those it is no proof

Columns:
  episodes      alerts; those within 6 observations of each other count once
  precision     episodes that touch a labelled window, of all episodes
  recall        labelled windows that an alert touches, of all windows
  F1            harmonic mean of the two; ratio is ours divided by the band's
  false/day     episodes that touch no window, in a day of one series
  delay         part of a window that had passed at its first alert (median)
  alerting      part of the observations that were in an alert: one that is always on finds all

The exit code is 1, and MISS is said, if F1 of ours is not above the band's or if more than 0.1
episodes a day are false.
Example:           headroom alerts nab --dir NAB")]
pub(super) struct Nab {
    /// The folder with the series and their labels
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

/// Longest file that is read.
const MOST_BYTES: u64 = 64 << 20;

impl Alerts {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Evaluate(verb) => verb.run(),
            Self::Nab(verb) => verb.run(),
        }
    }
}

impl Evaluate {
    fn run(&self) -> Result<ExitCode> {
        let name = self.vectors.display();
        let length = std::fs::metadata(&self.vectors).with_context(|| format!("cannot read {name}"))?.len();
        anyhow::ensure!(length <= MOST_BYTES, "{name} has {length} bytes, expected at most {MOST_BYTES}");
        let text = std::fs::read_to_string(&self.vectors).with_context(|| format!("cannot read {name}"))?;
        let vectors = Vectors::read(&text).map_err(|problem| anyhow::anyhow!("{name}: {problem}"))?;
        let mut differing = 0;
        for case in &vectors.cases {
            let found = match vectors.check(case) {
                Ok(None) => "ok".to_owned(),
                Ok(Some(difference)) => difference.to_string(),
                Err(problem) => problem,
            };
            differing += usize::from(found != "ok");
            println!("{:<6} {found}", case.id);
        }
        println!("{} of {} cases as expected", vectors.cases.len() - differing, vectors.cases.len());
        Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Nab {
    fn run(&self) -> Result<ExitCode> {
        let found = files::read(&self.dir).map_err(|problem| anyhow::anyhow!(problem))?;
        let rows: usize = found.series.iter().map(|series| series.values.len()).sum();
        println!("{} series with {rows} observations", found.series.len());
        if let Some(first) = found.unlabelled.first() {
            let more = found.unlabelled.len() - 1;
            println!("left out, because no label names them: {} and {more} more", first.display());
        }
        if found.absent > 0 {
            println!("{} labelled series are not here", found.absent);
        }
        let bar = ProgressBar::new(found.series.len() as u64).with_message("replaying");
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos} of {len} series, {eta} left")?;
        bar.set_style(style.progress_chars("=> "));
        let replayed = replay(&found.series, || bar.inc(1));
        bar.finish_and_clear();
        print!("\n{}", table::table(&replayed));
        Ok(if replayed.misses().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
