//! Checks a recorded history of an allocator: `check-history FILE`, one JSON object a line.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use headroom_tests::checker;

/// Check what clients were answered against what was recorded and what is there in the end.
#[derive(Debug, Parser)]
struct Options {
    /// The history
    file: PathBuf,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let file = File::open(&options.file).with_context(|| format!("cannot open {}", options.file.display()))?;
    let history = checker::read(BufReader::new(file))?;
    let (violations, acknowledged) = checker::check(&history);
    for violation in &violations {
        println!("{violation}");
    }
    println!("{} lines, {acknowledged} acknowledged operations, {} violations", history.len(), violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
