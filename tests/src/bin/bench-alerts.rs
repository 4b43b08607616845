//! Alerts: recall, precision and delay of pages, the time of deciding and of a whole round, rules beside Prometheus.
//! Debian packages: prometheus (promtool)

use anyhow::Result;
use clap::Parser;
use headroom_tests::bench::alerts::{Options, run};

/// Measures who is woken for what over simulated months, how fast all windows of all pools are judged, how long a round of the
/// engine takes with its database, and what the same windows cost in Prometheus.
///
/// Prints a line for each goal with PASS or MISS. A miss fails nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Parts: 1 recall, precision and delay, 2 deciding from memory, 3 a whole round with PostgreSQL, 4 rules beside Prometheus.
In full it takes some minutes, --quick about one.")]
struct Arguments {
    /// Fewer months, pools and series
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
