//! `headroom simulate`.

use super::exec::{machine, token};
use super::length::length;
use super::serve::Stop;
use crate::ingest::lines::Lines;
use crate::ingest::swf;
use crate::simulate::facts::{self, MADE_POOL};
use crate::simulate::keep;
use crate::simulate::ledger::{Findings, Ledger};
use crate::simulate::plan::{Size, plan};
use crate::simulate::play::{Player, play};
use crate::simulate::record::{Labels, Record};
use crate::simulate::replay::{Replay, replay};
use crate::simulate::scenario::Scenario;
use crate::simulate::score::{Score, Scorer};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use headroom_slots::{CancellationToken, Client};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Exit code: something that was broken was not found, or something was found while nothing was broken.
const NOT_FOUND: u8 = 3;

/// Play clients that claim slots, and break something.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Example:  headroom token create game-day --scope allocate --scope read --scope plan
          export HEADROOM_TOKEN=hr_...
          headroom simulate --list
          headroom simulate crashed-holders --make --for 3m --record game-day.json > labels.ndjson
          headroom simulate surge --make --for 3m --keep
          headroom simulate crashed-allocator --url http://other:8080 --pid 4242
          headroom simulate lost-postgres --pid $(head -1 /var/lib/headroom/postgres/postmaster.pid)
          headroom simulate replay KTH-SP2.swf.gz --pool kth --tenant hpc --speed 10000

A simulation claims, renews, beats and gives back through the API, as real clients do. The same seed
on the same pools gives the same clients. The breakage begins at 35 % of the time and ends at 70 %;
each edge is one line of JSON on standard output:
  {\"simulated\":true,\"at\":\"...\",\"scenario\":\"surge\",\"seed\":1,\"mode\":\"F4\",\"pool\":\"game-day\",
   \"slot\":null,\"edge\":\"begin\",\"detail\":\"...\"}

Afterwards the findings of the server (GET /api/v1/findings) are compared with what was broken: was it
found, after how many seconds, how many seconds after its end was nothing of it found any more, and
what was found while nothing was broken. It waits for that as long as --settle says, because figures
are of the last minute; findings up to 75 s after the end still count as the breakage's. Notes
(severity info) do not count.

  broken  pool      found as   found after  over after
  F4      game-day  saturated        1.4 s      61.0 s
  0 false findings while nothing was broken, 1 others beside

With --keep the score is written down on the server as a game day of today, under /game-days, where people add
what they learnt; the quarterly review lists it. The token needs the scope plan or alert.

The record has the labels, this score, claims and refusals by reason, waiting times, and whether a
slot was given to two.

Exit codes:  0  every promise was kept, everything broken was found and nothing else was; or it was
                ended early
             1  a slot was given to two, the simulation could not be played, or --keep could not be done
             2  the command line cannot be understood
             3  something broken was not found, or something was found while nothing was broken

Ctrl-C ends it early, gives everything back and writes the record. The pools should carry nothing else
meanwhile."
)]
pub(super) struct Simulate {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// What to play; --list shows what there is
    #[arg(required_unless_present = "list")]
    scenario: Option<Scenario>,
    /// Show the scenarios, what each breaks, and what should be seen
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Slug of a pool that gives out slots; repeat for several [default: all such pools]
    #[arg(long = "pool", value_name = "SLUG")]
    pools: Vec<String>,
    /// Slug of a tenant that claims; repeat for several [default: all]
    #[arg(long = "tenant", value_name = "SLUG")]
    tenants: Vec<String>,
    /// Make the pool game-day with four tenants, unless it is there, and use it; the token needs the scope plan
    #[arg(long, conflicts_with_all = ["pools", "tenants"])]
    make: bool,
    /// The same seed gives the same clients
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Planned time goes by so many times as fast; leases keep the server's time
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// How long, in planned time
    #[arg(long = "for", default_value = "5m", value_parser = length, value_name = "LENGTH")]
    length: Duration,
    /// Most clients that arrive in a second when nothing is wrong; larger pools are filled by longer holds
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Process that is stopped or killed, in scenarios that do so: the server's, or PostgreSQL's first one, which stands for all its children
    #[arg(long, value_parser = clap::value_parser!(i32).range(2..))]
    pid: Option<i32>,
    /// How long to wait after the end, in real time, until what was found is over
    #[arg(long, default_value = "90s", value_parser = length, value_name = "LENGTH")]
    settle: Duration,
    /// Do not compare with what the server finds
    #[arg(long)]
    no_score: bool,
    /// Write the score down on the server as a game day
    #[arg(long, conflicts_with = "no_score")]
    keep: bool,
    /// File for the record [default: game-day-SCENARIO-SEED.json]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// File for the labels [default: standard output]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

/// Which server.
#[derive(Debug, Args)]
struct ServerArgs {
    /// Address of the server
    #[arg(long, env = "HEADROOM_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// File with the API token [default: the variable HEADROOM_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ServerArgs {
    fn client(&self) -> Result<Client> {
        let token = token(self.token_file.as_ref()).map_err(anyhow::Error::msg)?;
        Ok(Client::new(&self.url, &token)?)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Replay the submissions of a log in the Standard Workload Format
    Replay(Box<ReplayArgs>),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:  headroom simulate replay KTH-SP2.swf.gz --pool kth --tenant hpc --speed 10000

Each job asks for its slots when it was submitted in the log, waits for its turn however long that takes, holds
them for as long as it ran, and gives them back. The allocator decides when it starts: the log's own waits are only
compared with. Lengths in the result are in the log's time.")]
struct ReplayArgs {
    /// The log, plain or compressed with gzip
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    /// Slug of a pool that gives out slots
    #[arg(long, value_name = "SLUG")]
    pool: String,
    /// Slug of the tenant of all jobs [default: one for each user, POOL-uNUMBER, as an import makes them]
    #[arg(long, value_name = "SLUG")]
    tenant: Option<String>,
    /// Log time goes by so many times as fast
    #[arg(long, default_value_t = 1_000.0, value_parser = speed)]
    speed: f64,
    /// Only the first jobs
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// File for the result [default: standard output]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (0.01..=1_000_000.0).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.01 to 1000000".to_owned())
}

impl Simulate {
    /// Plays; see the help for exit codes.
    pub(super) async fn run(self) -> Result<ExitCode> {
        if self.list {
            return list().map(|()| ExitCode::SUCCESS);
        }
        match (&self.verb, self.scenario) {
            (Some(Verb::Replay(replay)), _) => replay.run().await.map(|()| ExitCode::SUCCESS),
            (None, Some(scenario)) => self.play(scenario).await,
            (None, None) => bail!("nothing to play; `headroom simulate --list` shows what there is"),
        }
    }

    async fn play(&self, scenario: Scenario) -> Result<ExitCode> {
        let mut stop = Stop::listen()?;
        let record_file =
            self.record.clone().unwrap_or_else(|| format!("game-day-{scenario}-{}.json", self.seed).into());
        // Files that cannot be written are told before anything is broken.
        let mut record_out = create(&record_file)?;
        let labels: Box<dyn Write + Send> = match &self.labels {
            Some(path) => Box::new(create(path)?),
            None => Box::new(std::io::stdout()),
        };
        let client = self.server.client()?;
        let pools = if self.make {
            facts::make(&client).await?;
            let tenants: Vec<String> = facts::made_tenants();
            facts::find(&client, &[MADE_POOL.to_owned()], &tenants).await?
        } else {
            facts::find(&client, &self.pools, &self.tenants).await?
        };
        let size = Size { length_ms: self.length.as_millis() as u64, most_per_s: self.rate };
        let plan = plan(scenario, self.seed, &pools, size);
        for facts in &pools {
            eprintln!("{}: {} slots", facts.slug, facts.capacity);
        }
        eprintln!("{scenario}: {}", scenario.breaks());
        eprintln!("expected: {}", scenario.seen());
        let real = self.length.div_f64(self.speed);
        eprintln!("{} clients in {real:?}; Ctrl-C ends it early", plan.arrivals.len());
        let slugs: Vec<String> = pools.iter().map(|facts| facts.slug.clone()).collect();
        let scorer = if self.no_score {
            None
        } else {
            Some(Scorer::begin(client.clone(), scenario, slugs.clone()).await.context("findings cannot be read")?)
        };
        let keeper = client.clone();
        let player = Arc::new(Player {
            client,
            scenario,
            seed: self.seed,
            speed: self.speed,
            pid: self.pid,
            name: format!("sim-{scenario}-{}:{}", machine(), std::process::id()),
            ledger: Ledger::default(),
            labels: Labels::new(labels),
            hot: Mutex::new(HashMap::new()),
            pools,
        });
        let start = Labels::now();
        let cut = CancellationToken::new();
        let playing = play(Arc::clone(&player), plan, cut.clone());
        tokio::pin!(playing);
        tokio::select! {
            () = &mut playing => {}
            () = stop.asked() => {
                eprintln!("ending early: everything is given back");
                cut.cancel();
                playing.await;
            }
        }
        let end = Labels::now();
        let labels = player.labels.all();
        let score = match &scorer {
            Some(scorer) => {
                eprintln!("waiting until what was found is over, {:?} at most", self.settle);
                let comparing = scorer.end(&labels, self.settle, &cut);
                tokio::pin!(comparing);
                Some(tokio::select! {
                    score = &mut comparing => score,
                    () = stop.asked() => {
                        cut.cancel();
                        comparing.await
                    }
                })
            }
            None => None,
        };
        let record = Record {
            simulated: true,
            scenario: scenario.to_string(),
            expected: scenario.seen().to_owned(),
            seed: self.seed,
            speed: self.speed,
            start,
            end,
            cut_short: cut.is_cancelled(),
            pools: slugs,
            labels,
            score,
            findings: player.ledger.findings(),
        };
        writeln!(record_out, "{}", serde_json::to_string_pretty(&record)?)?;
        say(&record.findings);
        if let Some(score) = &record.score {
            eprintln!("{score}");
        }
        eprintln!("the record is in {}", record_file.display());
        if self.keep {
            match keep::keep(&keeper, scenario, &record).await.context("the game day could not be written down")? {
                Some(id) => {
                    eprintln!("it is game day {id}: {}/game-days#day-{id}", self.server.url.trim_end_matches('/'));
                }
                None => bail!("detection could not be scored, so no game day was written down"),
            }
        }
        kept(&record.findings)?;
        let is_as_it_should = record.cut_short || record.score.as_ref().is_none_or(Score::is_perfect);
        Ok(if is_as_it_should { ExitCode::SUCCESS } else { ExitCode::from(NOT_FOUND) })
    }
}

fn create(path: &PathBuf) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for scenario in Scenario::all() {
        writeln!(out, "{scenario} ({})", scenario.mode())?;
        writeln!(out, "    breaks  {}", scenario.breaks())?;
        writeln!(out, "    seen    {}", scenario.seen())?;
    }
    writeln!(out, "replay")?;
    writeln!(out, "    submits the jobs of a real machine's log; `headroom simulate replay --help`")?;
    Ok(())
}

/// The findings in a few lines.
fn say(findings: &Findings) {
    let claims = &findings.claims;
    eprintln!(
        "{} clients asked: {} grants, {} refusals; {} given back, {} left behind, {} lost, {} unknown, {} failed",
        claims.asked,
        claims.granted,
        claims.refused,
        claims.released,
        claims.vanished,
        claims.lost,
        claims.unknown,
        claims.failed
    );
    for (reason, count) in &findings.refusals {
        eprintln!("  refused {reason}: {count}");
    }
    for (error, count) in &findings.errors {
        eprintln!("  {error}: {count}");
    }
    let waits = &findings.waits;
    eprintln!(
        "at most {} slots held at once; waits P50 {} ms, P95 {} ms, P99 {} ms",
        findings.most_held, waits.p50_ms, waits.p95_ms, waits.p99_ms
    );
}

/// A slot that was given to two is no finding among others.
fn kept(findings: &Findings) -> Result<()> {
    if findings.broken_promises > 0 {
        bail!("the allocator broke {} promises:\n{}", findings.broken_promises, findings.broken.join("\n"));
    }
    Ok(())
}

impl ReplayArgs {
    async fn run(&self) -> Result<()> {
        let mut stop = Stop::listen()?;
        let file = File::open(&self.file).with_context(|| format!("{} cannot be opened", self.file.display()))?;
        let name = self.file.display().to_string();
        let mut lines = Lines::new(Box::new(file)).with_context(|| name.clone())?;
        let log = swf::read(&mut lines, |_| ()).with_context(|| name.clone())?;
        if log.damaged.total > 0 {
            bail!("{name} has {} wrong lines\n{}", log.damaged.total, log.damaged);
        }
        let mut jobs = log.jobs;
        jobs.sort_by_key(|job| job.submit_s);
        jobs.truncate(self.jobs.unwrap_or(usize::MAX));
        let (Some(first), Some(last)) = (jobs.first(), jobs.last()) else { bail!("{name} has no job that held slots") };
        let real = Duration::from_secs_f64((last.submit_s - first.submit_s).max(0) as f64 / self.speed);
        let all = jobs.len();
        eprintln!("{all} jobs, submitted within {real:?}; Ctrl-C ends it early");
        let client = self.server.client()?;
        let replay_of = Arc::new(Replay {
            client,
            pool: self.pool.clone(),
            tenant: self.tenant.clone(),
            speed: self.speed,
            name: format!("swf-{}:{}", machine(), std::process::id()),
        });
        let cut = CancellationToken::new();
        let progress = |done: usize| {
            if done.is_multiple_of(1_000) || done == all {
                eprintln!("{done} of {all} jobs submitted");
            }
        };
        let replaying = replay(replay_of, jobs, cut.clone(), progress);
        tokio::pin!(replaying);
        let replayed = tokio::select! {
            replayed = &mut replaying => replayed,
            () = stop.asked() => {
                eprintln!("ending early: everything is given back");
                cut.cancel();
                replaying.await
            }
        };
        let text = serde_json::to_string_pretty(&replayed)?;
        match &self.record {
            Some(path) => writeln!(create(path)?, "{text}")?,
            None => println!("{text}"),
        }
        say(&replayed.findings);
        eprintln!("mean wait {:.0} s here, {:.0} s in the log", replayed.mean_wait_s, replayed.log_mean_wait_s);
        kept(&replayed.findings)
    }
}
