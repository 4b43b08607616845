//! History: how fast it comes in, how fast it is asked for, how much room it takes, how fast it is on a screen.
//!
//! | part | measured | beside |
//! |---|---|---|
//! | 1 `import` | rows/s of `headroom import occupancy` | COPY of the same file into a bare table |
//! | 2 `ingest` | rows/s of `POST /api/v1/ingest/occupancy` | COPY of the same rows, as many connections |
//! | 3 `queries` | a trend and a ranking through HTTP | Prometheus with the same samples |
//! | 4 `import`, `queries` | bytes of a stored sample | the heap of the copied table |
//! | 5 `overview` | the time of `/overview` with 10,000 pools | |
//! | 6 `transfer` | the bytes of its first load in a browser | |

mod import;
mod ingest;
mod overview;
mod queries;
mod transfer;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};

use super::figures::{Goal, Pair, Report, short};
use super::place::{self, Place};
use super::session::OneGroup;
use super::{about, load, outcome, processors};
use crate::people;

/// Bytes of a stored sample ÷ bytes of a copied row.
const GOAL_BYTES: Goal = Goal::AtMost(0.25);

/// What to measure, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Little data and fewer rounds: minutes in place of half an hour.
    pub quick: bool,
    /// Only these parts; all if empty.
    pub only: Vec<u8>,
}

impl Options {
    fn wants(&self, part: u8) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Times that things are done in turn; medians are taken over them.
    fn rounds(&self) -> usize {
        if self.quick { 2 } else { 3 }
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
    if options.wants(1) || (options.wants(4) && !options.wants(3)) {
        outcome("import", import::measure(options, &mut report).await, &mut report);
    }
    if options.wants(2) {
        outcome("ingest", ingest::measure(options, &mut report).await, &mut report);
    }
    if options.wants(3) {
        outcome("queries", queries::measure(options, &mut report).await, &mut report);
    }
    if options.wants(5) {
        outcome("overview", overview::measure(options, &mut report).await, &mut report);
    }
    if options.wants(6) {
        outcome("transfer", transfer::measure(&mut report).await, &mut report);
    }
    report.note(format!("load average at the end: {}; {:.0} s in all", load()?, report.seconds()));
    Ok(report.summary())
}

/// A folder for files that PostgreSQL's user can read.
fn folder() -> Result<tempfile::TempDir> {
    crate::service::data_dir()
}

/// One address, asked for by one client: seconds until the last byte was there, and the bytes.
async fn timed(client: &reqwest::Client, url: &str) -> Result<(f64, Vec<u8>)> {
    let start = Instant::now();
    let answer = client.get(url).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = answer.status();
    let body = answer.bytes().await.with_context(|| format!("no whole answer from {url}"))?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(status.is_success(), "{url} says {status}: {}", String::from_utf8_lossy(&body));
    Ok((seconds, body.to_vec()))
}

/// The administrator of [`people`] with one connection that asks for nothing compressed.
fn plain_client() -> Result<reqwest::Client> {
    const LIMIT: Duration = Duration::from_mins(5);
    let (name, value) = people::cookie();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", people::TOKEN))?);
    headers.insert(COOKIE, HeaderValue::try_from(format!("{name}={value}"))?);
    let builder = reqwest::Client::builder().gzip(false).pool_max_idle_per_host(1).timeout(LIMIT);
    Ok(builder.default_headers(headers).build()?)
}

/// Prints what history weighs for each imported row beside a row of the copied table.
async fn bytes_a_row(place: &Place, name: &str, rows: u64, bare: f64, report: &mut Report) -> Result<()> {
    let mut connection = place.connect().await?;
    place::settle(&mut connection).await?;
    let sizes = place::history_bytes(&mut connection).await?;
    let total: i64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    let parts = sizes.iter().map(|(table, bytes)| format!("{table} {}B", short(*bytes as f64))).collect::<Vec<_>>();
    report.note(format!("history of {rows} rows: {}", parts.join(", ")));
    let pair = Pair { measured: total as f64 / rows as f64, peer: bare, peer_name: "heap of COPY", unit: "B/row" };
    report.ratio(name, pair, GOAL_BYTES);
    Ok(())
}

/// Where a file of rows is, and what is in it.
#[derive(Debug)]
struct Rows {
    file: PathBuf,
    count: u64,
    /// Occupied slot-milliseconds of the pools' own rows.
    occupied_slot_ms: i64,
}
