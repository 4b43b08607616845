//! The command line: `headroom VERB`. Every verb says what it does, what it wrote, or what to do next.

mod alerts;
mod backtest;
mod backup;
mod demo;
mod exec;
mod forecast;
mod import;
mod length;
mod outside;
mod people;
mod plan;
mod pool;
mod report;
mod serve;
mod simulate;
mod tenant;
mod usage;

use crate::app::alerts::runbooks;
use crate::app::caller::Caller;
use crate::app::{App, AppError};
use crate::db::Db;
use crate::postgres::{self, Postgres, Source};
use crate::telemetry::{self, LogFormat};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The capacity dashboard for slots: what is full, what is wasted, who uses it.
#[derive(Debug, Parser)]
#[command(
    name = "headroom",
    version,
    max_term_width = 100,
    after_help = "\
Try it:            headroom demo
Your own server:   headroom serve
Your history in:   headroom import swf LOG.swf.gz
                   headroom import occupancy SAMPLES.csv
Exact sums out:    headroom usage --by tenant --format csv
Slots in a script: headroom exec --pool ci-runners --tenant web -- make test
A game day:        headroom simulate --list
What comes:        headroom forecast --csv demand.csv
What is wasted:    headroom report waste --format pdf --output waste.pdf

Without --database-url a private PostgreSQL is kept below --data-dir; several commands may use it at once."
)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

/// Where everything is kept.
#[derive(Debug, Clone, Args)]
struct Place {
    /// Folder of the private PostgreSQL [default: /var/lib/headroom as root, else $XDG_DATA_HOME/headroom]
    #[arg(long, global = true, env = "HEADROOM_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Use this PostgreSQL (15 or newer) in place of a private one: postgres://user@host/database
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Folder with PostgreSQL's programs [default: PATH, then the usual places]
    #[arg(long, global = true, env = "HEADROOM_PG_BIN", value_name = "FOLDER")]
    pg_bin: Option<PathBuf>,
    /// Form of the log on standard error
    #[arg(long, global = true, env = "HEADROOM_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve the dashboard and the API
    Serve(Box<serve::ServeVerb>),
    /// Serve a made-up world: 8 pools, 12 tenants, 100 days, live samples
    Demo(demo::Demo),
    /// Hold slots while a command runs
    Exec(Box<exec::Exec>),
    /// Play clients that claim slots, and break something
    Simulate(Box<simulate::Simulate>),
    /// Bring history in: SWF logs, occupancy samples, intervals, changes
    #[command(subcommand)]
    Import(import::Import),
    /// Print a report: what was promised and not used
    #[command(subcommand)]
    Report(report::Report),
    /// Print exact sums of slot-milliseconds
    Usage(usage::Usage),
    /// Make, list and change pools
    #[command(subcommand)]
    Pool(pool::Pool),
    /// Keep a pool's reservations in a file: export, diff, apply
    #[command(subcommand)]
    Plan(plan::Plan),
    /// Make, list and change tenants
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Make, list and change accounts of people
    #[command(subcommand)]
    User(people::User),
    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Token(people::Token),
    /// Read and check the audit trail
    #[command(subcommand)]
    Audit(people::Audit),
    /// Try the rules of alerts
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Forecast series from a file, with quantiles
    Forecast(forecast::Forecasting),
    /// Replay a demand of the past: what would following, foreseeing and a static peak have cost
    Backtest(backtest::Backtesting),
    /// Write everything into one file
    Backup(backup::Backup),
    /// Bring everything back from one file
    Restore(backup::Restore),
    /// Print the description of the API (OpenAPI)
    Openapi,
}

/// Reads the command line and does what it says. The exit code is the verb's own where it has one.
pub async fn run() -> Result<ExitCode> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Whoever runs commands through `exec` must be able to tell its own refusals from theirs.
        Err(error) if error.use_stderr() && is_exec() => {
            let _ = error.print();
            return Ok(ExitCode::from(exec::USAGE));
        }
        Err(error) => error.exit(),
    };
    let quiet = !matches!(cli.verb, Verb::Serve(_) | Verb::Demo(_));
    // A cookie that outlived its session is everyday, and told to whoever sent it.
    let filter = if quiet { "warn,sqlx=error" } else { "info,sqlx=warn,tower_sessions_core=error" };
    telemetry::log(cli.place.log_format, filter);
    match cli.verb {
        Verb::Exec(verb) => return Ok(verb.run().await),
        Verb::Simulate(verb) => return verb.run().await,
        Verb::Alerts(verb) => return verb.run(),
        Verb::Forecast(verb) => verb.run(),
        Verb::Backtest(verb) => verb.run(),
        Verb::Plan(verb) => return verb.run(&cli.place).await,
        Verb::Serve(verb) => verb.run(&cli.place).await,
        Verb::Demo(verb) => verb.run(&cli.place).await,
        Verb::Import(verb) => verb.run(&cli.place).await,
        Verb::Usage(verb) => verb.run(&cli.place).await,
        Verb::Report(verb) => verb.run(&cli.place).await,
        Verb::Pool(verb) => verb.run(&cli.place).await,
        Verb::Tenant(verb) => verb.run(&cli.place).await,
        Verb::User(verb) => verb.run(&cli.place).await,
        Verb::Token(verb) => verb.run(&cli.place).await,
        Verb::Audit(verb) => verb.run(&cli.place).await,
        Verb::Backup(verb) => verb.run(&cli.place).await,
        Verb::Restore(verb) => verb.run(&cli.place).await,
        Verb::Openapi => {
            print!("{}", crate::http::openapi::document());
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Whether a command line that cannot be read was meant for `exec`.
fn is_exec() -> bool {
    std::env::args_os().skip(1).find(|word| !word.to_string_lossy().starts_with('-')).is_some_and(|word| word == "exec")
}

/// An open database with its use cases.
struct Open {
    postgres: Postgres,
    app: App,
}

impl Place {
    fn source(&self) -> Result<Source> {
        Ok(match (&self.database_url, &self.data_dir) {
            (Some(url), _) => Source::Url(url.clone()),
            (None, Some(folder)) => Source::Private { data_dir: folder.clone() },
            (None, None) => Source::Private { data_dir: postgres::default_data_dir()? },
        })
    }

    /// Finds or starts PostgreSQL, without touching the schema.
    async fn start(&self) -> Result<Postgres> {
        let options = postgres::Options { bin_dir: self.pg_bin.clone(), ..postgres::Options::default() };
        Ok(postgres::start(self.source()?, options).await?)
    }

    /// Finds or starts PostgreSQL and brings the schema up to date.
    async fn open(&self) -> Result<Open> {
        let postgres = self.start().await?;
        let db = Db::connect(&postgres.connect_options());
        db.migrate().await.context("the schema could not be brought up to date")?;
        runbooks::seed(&db).await.context("the shipped runbooks could not be written")?;
        Ok(Open { postgres, app: App::new(db).acting(Arc::new(Caller::machine("cli"))) })
    }
}

impl Open {
    /// Closes connections and stops a PostgreSQL that was started for this command.
    async fn close(self) {
        self.app.db.close().await;
        self.postgres.stop_when_alone().await;
    }
}

/// Runs a command on an open database and closes it, whatever came of it.
async fn with_database<T>(place: &Place, work: impl AsyncFnOnce(&App) -> Result<T>) -> Result<T> {
    let open = place.open().await?;
    let result = work(&open.app).await;
    open.close().await;
    result
}

/// A use case's error as a sentence for a person.
fn plain(error: AppError) -> anyhow::Error {
    match error {
        AppError::NotFound { suggestion: Some(ref near), .. } => anyhow::anyhow!("{error}; did you mean {near:?}?"),
        AppError::Invalid(problems) if problems.len() > 1 => {
            let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
            anyhow::anyhow!("{} values cannot be accepted; nothing was changed\n{}", problems.len(), lines.join("\n"))
        }
        other => anyhow::anyhow!(other),
    }
}
