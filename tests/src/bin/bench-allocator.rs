//! Allocator: durable claims beside etcd and Redis, at the store and through HTTP; reclaim of leases; heartbeats.
//! Debian packages: etcd-server (etcd), redis-server (redis-server)

use anyhow::Result;
use clap::Parser;
use headroom_tests::bench::allocator::{Options, run};

/// Measures how fast slots are claimed and released durably, how soon they are free after a lease ran out, and what the
/// heartbeats of many holders cost.
///
/// Prints the figures of each system, and a line for each goal with PASS or MISS. A miss fails nothing.
#[derive(Debug, Parser)]
#[command(after_help = "\
Parts: 1 the store beside etcd and Redis, 2 HTTP beside etcd's gateway, 3 reclaim under load, 4 heartbeats.
In full it takes about six minutes, --quick less than two.")]
struct Arguments {
    /// Two short rounds, and not every number of clients
    #[arg(long)]
    quick: bool,
    /// Only this part; repeat for several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    only: Vec<u8>,
    /// Seconds of each system and number of clients in a round
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { quick, only, seconds } = Arguments::parse();
    let summary = run(&Options { quick, only, seconds }).await?;
    println!("\n== summary\n{summary}");
    Ok(())
}
