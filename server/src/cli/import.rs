//! `headroom import`.

use super::{Place, with_database};
use crate::app::App;
use crate::app::import::{
    Bar, By, ChangesOptions, End, IntervalsOptions, OccupancyOptions, Progress, Report, Source, SwfOptions,
    import_changes, import_intervals, import_occupancy, import_swf, list_imports, undo_import,
};
use crate::ingest::table::Format;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use headroom_domain::format;
use headroom_domain::range::{instant, rfc3339};
use std::path::PathBuf;
use std::sync::Arc;

/// Bring history in.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
An import is all or nothing, is seen only when it is done, and done twice changes nothing. One that was
stopped half-way goes on when it is repeated. FILE may be compressed with gzip; - is standard input.")]
pub(super) enum Import {
    /// A log of jobs in the Standard Workload Format: a pool per machine, a tenant per user
    Swf(Swf),
    /// Samples of occupancy, CSV with a header or NDJSON
    Occupancy(Occupancy),
    /// Who held how many slots from when to when, CSV with a header or NDJSON
    Intervals(Intervals),
    /// Deploys, swaps, scalings and configuration changes, CSV with a header or NDJSON
    Changes(Changes),
    /// List imports with their numbers
    List,
    /// Take an import out of history again
    Undo {
        /// Its number, as `headroom import list` prints it
        number: i32,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:  headroom import swf KTH-SP2-1996-2.1-cln.swf.gz --pool kth-sp2 --end now

A job counts where its run time and its slots (field 5, else 8) are above 0; it holds its slots from
submit + wait on. The header gives capacity (MaxProcs), start (UnixStartTime) and zone (TimeZoneString).")]
pub(super) struct Swf {
    /// The log
    file: PathBuf,
    /// Slug of the pool [default: from the header's machine, or the file's name]
    #[arg(long)]
    pool: Option<String>,
    /// What a tenant is: user, group or queue
    #[arg(long, default_value_t = By::default())]
    by: By,
    /// How many tenants are told apart, the largest by slot-time; the rest is "others"
    #[arg(long, default_value_t = SwfOptions::default().tenants)]
    tenants: usize,
    /// Shift the log by whole minutes so that it ends now, or at a time
    #[arg(long, value_name = "now|TIME")]
    end: Option<End>,
    /// When the log starts, if its header does not say
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Slots of the machine, if its header does not say
    #[arg(long)]
    capacity: Option<i64>,
    /// IANA zone of the machine, instead of the header's
    #[arg(long)]
    zone: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:  pool,tenant,ts,capacity,occupied
          ingress-eu,,2026-11-21T08:00:00Z,20000,17250
          ingress-eu,acme-search,2026-11-21T08:00:00Z,,4100

Columns: pool, tenant (empty = the pool's total), ts (RFC 3339) or ts_s or ts_ms, occupied; optional capacity,
planned_down, reserved, queued, claims, rejections, waited, queue_ms, latency_p95_ms, duration_ms, signal:NAME.
A sample holds for its duration_ms (else --step) from its time on, and nothing is invented in between.")]
pub(super) struct Occupancy {
    /// The samples
    file: PathBuf,
    /// The pool of all rows, for files without a pool column
    #[arg(long)]
    pool: Option<String>,
    /// How long a sample holds that does not say: 10s, 1m, 5m, 1h
    #[arg(long, default_value = "1m", value_parser = step)]
    step: i64,
    /// csv or ndjson [default: the first byte tells]
    #[arg(long)]
    format: Option<Format>,
    /// Make pools that do not exist
    #[arg(long)]
    create_pools: bool,
    /// Make tenants that do not exist
    #[arg(long)]
    create_tenants: bool,
    /// Shift the samples by whole minutes so that they end now, or at a time
    #[arg(long, value_name = "now|TIME")]
    end: Option<End>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:  pool,tenant,slots,submit,start,end,state
          ci-runners,web,4,2026-11-21T08:00:00Z,2026-11-21T08:00:12Z,2026-11-21T08:09:30Z,done

Columns: pool, tenant, slots, start, end (RFC 3339, or NAME_s or NAME_ms); optional submit, state, reservation,
reserved. A row in a state such as pending or cancelled without start or end is left out and counted.
Each pool is observed from its first start to its last end; a row is a claim in the minute in which it starts.")]
pub(super) struct Intervals {
    /// The intervals
    file: PathBuf,
    /// The pool of all rows, for files without a pool column
    #[arg(long)]
    pool: Option<String>,
    /// How many tenants are told apart, the largest by slot-time; the rest is "others"
    #[arg(long, default_value_t = IntervalsOptions::default().tenants)]
    tenants: usize,
    /// Slots of pools whose capacity is not known for the time of their first interval
    #[arg(long)]
    capacity: Option<i64>,
    /// csv or ndjson [default: the first byte tells]
    #[arg(long)]
    format: Option<Format>,
    /// Make pools that do not exist
    #[arg(long)]
    create_pools: bool,
    /// Make tenants that do not exist
    #[arg(long)]
    create_tenants: bool,
    /// Shift the intervals by whole minutes so that the last one ends now, or at a time
    #[arg(long, value_name = "now|TIME")]
    end: Option<End>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:  ts,kind,pool,title,url
          2026-11-21T08:00:00Z,deploy,ingress-eu,v2.14,https://ci.example/1234

Columns: ts (RFC 3339) or ts_s or ts_ms, kind (deploy, swap, scale, config), title; optional pool (empty = all pools),
url, actor. The same event of one source is one event, however often it is imported.")]
pub(super) struct Changes {
    /// The changes
    file: PathBuf,
    /// Who tells of them
    #[arg(long, default_value = "import")]
    source: String,
    /// csv or ndjson [default: the first byte tells]
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    common: Common,
}

/// What all imports can be told.
#[derive(Debug, Args)]
struct Common {
    /// Leave wrong lines out instead of refusing the file
    #[arg(long)]
    skip_bad_lines: bool,
    /// Check and count, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A length of time such as `10s` or `5m`, in milliseconds.
fn step(text: &str) -> Result<i64, String> {
    let now = headroom_domain::LATEST_MS;
    let length =
        instant(&format!("now-{text}"), now).map(|at| now - at).ok().filter(|ms| (1..=86_400_000).contains(ms));
    length.ok_or_else(|| "expected a length from 1s to 1d, such as 10s, 1m, 5m or 1h".into())
}

impl Import {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::Swf(swf) => swf.run(app).await,
            Self::Occupancy(occupancy) => occupancy.run(app).await,
            Self::Intervals(intervals) => intervals.run(app).await,
            Self::Changes(changes) => changes.run(app).await,
            Self::List => list(app).await,
            Self::Undo { number } => {
                if !undo_import(&app.db.jobs, number).await? {
                    bail!("there is no import {number}; `headroom import list` prints those there are");
                }
                println!("import {number} was taken out of history; its pools and tenants stay");
                Ok(())
            }
        })
        .await
    }
}

impl Swf {
    async fn run(self, app: &App) -> Result<()> {
        let start = match self.start.as_deref() {
            Some(text) => Some(instant(text, app.now().await?)?),
            None => None,
        };
        let options = SwfOptions {
            pool: self.pool,
            by: self.by,
            tenants: self.tenants,
            end: self.end,
            start,
            capacity: self.capacity,
            zone: self.zone,
            skip_bad_lines: self.common.skip_bad_lines,
            dry_run: self.common.dry_run,
        };
        let report = import_swf(&app.db.jobs, Source::path(&self.file), &options, &bar()).await?;
        self.common.print(&report, "jobs")
    }
}

impl Occupancy {
    async fn run(self, app: &App) -> Result<()> {
        let options = OccupancyOptions {
            pool: self.pool,
            step_ms: self.step,
            format: self.format,
            create_pools: self.create_pools,
            create_tenants: self.create_tenants,
            end: self.end,
            skip_bad_lines: self.common.skip_bad_lines,
            dry_run: self.common.dry_run,
        };
        let report = import_occupancy(&app.db.jobs, Source::path(&self.file), &options, &bar()).await?;
        self.common.print(&report, "samples")
    }
}

impl Intervals {
    async fn run(self, app: &App) -> Result<()> {
        let options = IntervalsOptions {
            pool: self.pool,
            tenants: self.tenants,
            capacity: self.capacity,
            format: self.format,
            create_pools: self.create_pools,
            create_tenants: self.create_tenants,
            end: self.end,
            skip_bad_lines: self.common.skip_bad_lines,
            dry_run: self.common.dry_run,
        };
        let report = import_intervals(&app.db.jobs, Source::path(&self.file), &options, &bar()).await?;
        self.common.print(&report, "intervals")
    }
}

impl Changes {
    async fn run(self, app: &App) -> Result<()> {
        let options = ChangesOptions {
            source: self.source,
            format: self.format,
            skip_bad_lines: self.common.skip_bad_lines,
            dry_run: self.common.dry_run,
        };
        let report = import_changes(&app.db.jobs, Source::path(&self.file), &options, &bar()).await?;
        self.common.print(&report, "changes")
    }
}

fn bar() -> Arc<dyn Progress> {
    Arc::new(Bar::default())
}

impl Common {
    /// Says what an import did.
    fn print(&self, r: &Report, what: &str) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(r)?);
            return Ok(());
        }
        let count = |n: u64| format::count(i64::try_from(n).unwrap_or(i64::MAX));
        let verb = match (r.already_done, r.dry_run) {
            (true, _) => "was imported before, nothing changed",
            (false, true) => "would be imported, nothing was written",
            (false, false) => "imported",
        };
        let number = r.part.map(|p| format!(" (import {p})")).unwrap_or_default();
        println!("{} {what} {verb}{number}", count(r.jobs));
        if let Some((from, to)) = r.from_ms.zip(r.to_ms) {
            println!("  from {} to {}", rfc3339(from), rfc3339(to));
        }
        if !r.pools.is_empty() {
            println!("  pools: {}", r.pools.join(", "));
        }
        println!("  tenants: {}, most slots occupied at once: {}", count(r.tenants), format::count(r.peak));
        if r.skipped > 0 {
            println!("  {} lines left out: their jobs never ran", count(r.skipped));
        }
        if !r.rejected.is_empty() {
            println!("  {} lines rejected:\n{}", count(r.rejected.total), r.rejected);
        }
        for warning in &r.warnings {
            println!("  note: {warning}");
        }
        Ok(())
    }
}

async fn list(app: &App) -> Result<()> {
    println!("{:>6}  {:<10} {:<9} {:>12}  source", "number", "kind", "state", "rows");
    for i in list_imports(&app.db.jobs).await? {
        println!("{:>6}  {:<10} {:<9} {:>12}  {}", i.part, i.kind, i.state, format::count(i.rows_done), i.source_name);
    }
    Ok(())
}
