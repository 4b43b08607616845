//! History: import and ingest beside COPY, queries beside Prometheus, bytes a sample, the overview with 10,000 pools.

use anyhow::Result;
use clap::Parser;
use headroom_tests::bench::history::{Options, run};

/// Measures how history comes in, how it is asked for, how much room it takes, and how fast it is on a screen.
///
/// Prints a line for each figure with what it is compared with, the goal, and PASS or MISS. A miss fails nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Parts: 1 import, 2 HTTP ingest, 3 trend and top tenants beside Prometheus, 4 bytes a sample, 5 the overview with
10,000 pools, 6 bytes of its first load. In full it takes about half an hour and 12 GB below TMPDIR.")]
struct Arguments {
    /// Little data and fewer rounds: some minutes
    #[arg(long)]
    quick: bool,
    /// Only this part; repeat for several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=6))]
    only: Vec<u8>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { quick, only } = Arguments::parse();
    let summary = run(&Options { quick, only }).await?;
    println!("\n== summary\n{summary}");
    Ok(())
}
