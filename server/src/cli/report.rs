//! `headroom report`: what pages say, for a clock or a script.

use super::{Place, outside, plain, with_database};
use crate::app::App;
use crate::app::reports::files::Form;
use crate::ingest::lines::Lines;
use crate::ingest::swf::MAX_INTERVALS;
use crate::outward::Outward;
use crate::paper::Paper;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use headroom_domain::report::Kind;
use headroom_domain::requests::{Request, Rule, asked, replay};
use headroom_domain::swf;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use url::Url;

/// Print a report as CSV, JSON, PDF or PNG, on standard output or into a file.
#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// What was promised and not used in a month, what it cost, and which change would help
    Waste(Asked),
    /// Occupancy of a week, and how noisy alerts were
    Weekly(Asked),
    /// Capacity, promises and quotas of a quarter
    Quarterly(Asked),
    /// What happened around an alert: --period is its number
    Incident(Asked),
    /// Say what a slot costs for an hour without a reservation, where that is another price: the waste report then says
    /// which level costs least in each hour of the week
    ElasticPrice {
        /// Slug of the pool
        pool: String,
        /// Millionths of the currency per slot and hour, or none
        #[arg(value_name = "MICROS|none")]
        price: String,
    },
    /// Close what is due, as the server does by itself; only the server writes letters about it
    Close,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A closed period is printed as it was closed; one that runs is provisional.
CSV has raw figures: slot-milliseconds, cents, ratios as decimals. Each table has a name:
waste, split, beside, frontier, elastic, elastic_hours, trend; occupancy, alerts, outlook, outlook_days,
tuning, tuning_measured, tuning_effects; capacity, quotas, game_days, game_day_breakages, game_day_notes.")]
pub(super) struct Asked {
    /// Over what: 2026-11, 2026-W47 or 2026-Q4 [default: the one that runs]
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Of a workload log in place of our own history: what its jobs asked for and used, and what shorter limits would save
    #[arg(long, value_name = "FILE", conflicts_with_all = ["period", "version", "table"])]
    swf: Option<PathBuf>,
    /// A version of a closed one [default: the newest]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    version: Option<i32>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// Which table, with csv [default: the first]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Sheet, with pdf
    #[arg(long, value_name = "a4|letter", default_value = "a4")]
    paper: String,
    /// The server's own address as browsers see it, for the link on paper
    #[arg(long, env = "HEADROOM_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Url>,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    Pdf,
    Png,
}

impl Report {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        if let Self::Waste(Asked { swf: Some(log), .. }) = &self {
            print!("{}", of_log(log)?);
            return Ok(());
        }
        with_database(place, async |app| match self {
            Self::Waste(asked) => asked.run(app, Kind::Waste).await,
            Self::Weekly(asked) => asked.run(app, Kind::Weekly).await,
            Self::Quarterly(asked) => asked.run(app, Kind::Quarterly).await,
            Self::Incident(asked) => asked.run(app, Kind::Incident).await,
            Self::ElasticPrice { pool, price } => {
                let micros = match price.as_str() {
                    "none" => None,
                    text => Some(text.parse::<i64>().with_context(|| {
                        format!("price: found {text:?}, expected a whole number of millionths, or none")
                    })?),
                };
                app.set_elastic_price(&pool, micros).await.map_err(plain)?;
                match micros {
                    Some(micros) => println!("{pool}: {micros} millionths per slot and hour without a reservation"),
                    None => println!("{pool}: the same price with and without a reservation"),
                }
                Ok(())
            }
            Self::Close => {
                let closed = app.close_reports().await.map_err(plain)?;
                for one in &closed {
                    println!("closed: {one}");
                }
                if closed.is_empty() {
                    println!("nothing is due");
                }
                Ok(())
            }
        })
        .await
    }
}

/// The jobs of a log with what they asked for, by submission.
fn requests(path: &Path) -> Result<(Vec<Request>, u64)> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut lines = Lines::new(Box::new(file)).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut found, mut left_out) = (Vec::new(), 0);
    while let Some(line) = lines.next_line().with_context(|| format!("cannot read {}", path.display()))? {
        let Some(bytes) = line.bytes else {
            left_out += 1;
            continue;
        };
        let job = match swf::parse_line(bytes) {
            Ok(swf::Line::Job(job)) => job,
            Ok(_) => continue,
            Err(_) => {
                left_out += 1;
                continue;
            }
        };
        let Some((asked_slots, asked_s)) = swf::asked(bytes) else {
            left_out += 1;
            continue;
        };
        if found.len() == MAX_INTERVALS {
            bail!("{}: more than {MAX_INTERVALS} jobs; split the log by time", path.display());
        }
        found.push(Request {
            submit_s: job.submit_s,
            end_s: job.end_s(),
            tenant: job.user,
            queue: job.queue,
            asked_slots,
            used_slots: job.slots,
            asked_s,
            run_s: job.run_s,
        });
    }
    found.sort_by_key(|request| request.submit_s);
    Ok((found, left_out))
}

/// What a log says, as a table.
fn of_log(path: &Path) -> Result<String> {
    let (requests, left_out) = requests(path)?;
    if requests.is_empty() {
        bail!("{}: no job says how many processors and how much time it asked for", path.display());
    }
    let all = asked(&requests);
    let share = |part: i128, whole: i128| if whole > 0 { part as f64 / whole as f64 * 100.0 } else { 0.0 };
    let mut out = format!(
        "jobs {}, left out {left_out}; reserved {:.0} slot-hours, waste {:.1} %\n",
        all.jobs,
        all.reserved as f64 / 3_600.0,
        share(all.reserved - all.used, all.reserved)
    );
    out.push_str("percentile,factor,last_runs,saved_percent,overruns_percent,lowered_percent\n");
    for rule in &Rule::FRONTIER {
        let found = replay(&requests, rule);
        // Writing into memory does not fail.
        let _ = writeln!(
            out,
            "{},{}.{},{},{:.1},{:.1},{:.1}",
            rule.percentile,
            rule.tenths / 10,
            rule.tenths % 10,
            rule.last,
            share(found.saved, all.reserved),
            share(found.overruns.into(), all.jobs.into()),
            share(found.lowered.into(), all.jobs.into())
        );
    }
    out.push_str("A time limit stands for a reservation of slots; who runs longer than recommended is charged all it asked for.\n");
    Ok(out)
}

impl Asked {
    async fn run(self, app: &App, kind: Kind) -> Result<()> {
        if let Some(own) = &self.public_url {
            outside::is_own_address(own)?;
        }
        // What is printed leads back to the server.
        let app = &app.clone().reaching(Outward { public_url: self.public_url.clone(), ..Outward::default() });
        let period = match &self.period {
            Some(period) => period.clone(),
            None => {
                let current = app.current_period(kind).await.map_err(plain)?;
                current.with_context(|| format!("--period is needed: which {kind} report?"))?.slug()
            }
        };
        let report = app.report(kind, &period, self.version).await.map_err(plain)?;
        let paper = Paper::named(&self.paper);
        let bytes = match self.format {
            Format::Json => {
                let mut text = serde_json::to_string_pretty(&report.document).context("a report as JSON")?;
                text.push('\n');
                text.into_bytes()
            }
            Format::Csv => {
                app.report_file(&report, Form::Csv, self.table.as_deref(), paper).await.map_err(plain)?.bytes
            }
            Format::Pdf => app.report_file(&report, Form::Pdf, None, paper).await.map_err(plain)?.bytes,
            Format::Png => app.report_file(&report, Form::Png, None, paper).await.map_err(plain)?.bytes,
        };
        self.put(&bytes)
    }

    fn put(&self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &self.output {
            std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
            println!("wrote {}, {} bytes", file.display(), bytes.len());
            return Ok(());
        }
        let is_binary = matches!(self.format, Format::Pdf | Format::Png);
        if is_binary && std::io::stdout().is_terminal() {
            bail!("a {:?} on a terminal is of no use: name a file with --output", self.format);
        }
        std::io::stdout().write_all(bytes).context("writing to standard output")
    }
}
