//! What measurements are made of: figures and their goals, rows to measure with, the service and its peers as processes
//! that the scheduler treats alike.
//!
//! A measurement compares within one run: the machine may be slow or busy, the ratio of two things done in turn on it
//! still says which is faster. A goal that is missed is printed and fails nothing.

pub mod alerts;
pub mod allocator;
pub mod figures;
pub mod forecast;
pub mod history;
pub mod place;
pub mod planner;
mod processor;
pub mod prometheus;
pub mod rows;
pub mod session;

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};

use self::figures::Report;
use crate::service::program;
use crate::workspace::root;

/// Says why a part could not be measured, if it could not.
fn outcome(part: &str, result: Result<()>, report: &mut Report) {
    if let Err(error) = result {
        report.note(format!("{part}: not measured: {error:#}"));
    }
}

/// What was measured where.
fn about(report: &mut Report) -> Result<()> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let changed = if changed { ", with changes" } else { "" };
    let binary = program()?;
    report.note(format!("commit {commit}{changed}; service {}", binary.display()));
    report.note(format!("{} processors; load average at the start: {}", processors(), load()?));
    if cfg!(debug_assertions) {
        report.note("figures of a build without optimisation say nothing");
    }
    Ok(())
}

fn processors() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read the load average")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
