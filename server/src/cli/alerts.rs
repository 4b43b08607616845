//! `headroom alerts`.

use crate::alerting::vectors::Vectors;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Try the rules of alerts.
#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Play test vectors through the alert engine
    Evaluate(Evaluate),
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

/// Longest file that is read.
const MOST_BYTES: u64 = 64 << 20;

impl Alerts {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Evaluate(verb) => verb.run(),
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
