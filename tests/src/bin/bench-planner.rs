//! The planner: what-if over eight weeks with 50 tenants and 5,000 reservations, and whether an edit fits beside them.

use anyhow::Result;
use clap::Parser;
use headroom_tests::bench::planner::{Options, run};

/// Measures how long it takes to say what other reservations would have changed.
///
/// Prints a line for each goal with PASS or MISS. A miss fails nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Parts: 1 what-if, 2 what-if with the demand of a public log (HEADROOM_DATA), 3 conflicts,
4 frames of the timeline in a browser.
It takes some seconds.")]
struct Arguments {
    /// Fewer rounds
    #[arg(long)]
    quick: bool,
    /// Only this part; repeat for several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    only: Vec<u8>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { quick, only } = Arguments::parse();
    let summary = run(&Options { quick, only }).await?;
    println!("\n== summary\n{summary}");
    Ok(())
}
