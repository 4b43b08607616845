//! Forecasts: the hourly series of the M4 competition, how right, how sure and how cheap, beside MSTL with ETS of the crate augurs;
//! days of taxis that were known beforehand; the hourly plan of 10,000 pools, and pages and claims beside it.

use anyhow::Result;
use clap::Parser;
use headroom_tests::bench::forecast::{Options, run};

/// Scores the forecast engine on public series (HEADROOM_DATA, folders m4-hourly… and nab).
///
/// Prints a line for each goal with PASS or MISS. A miss fails nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Choices about the engine are made with --validate, which never opens test.csv. The test is only scored.
It takes about three minutes.")]
struct Arguments {
    /// Forecast the last 48 hours of train.csv from what is before them, in place of test.csv
    #[arg(long)]
    validate: bool,
    /// Without the other library and the service, and fewer rounds
    #[arg(long)]
    quick: bool,
    /// Only pages and claims beside forecasts
    #[arg(long, conflicts_with_all = ["validate", "quick"])]
    beside: bool,
}

fn main() -> Result<()> {
    let Arguments { validate, quick, beside } = Arguments::parse();
    let summary = run(&Options { validate, quick, beside })?;
    println!("\n== summary\n{summary}");
    Ok(())
}
