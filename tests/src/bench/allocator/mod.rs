//! The allocator: how fast slots are claimed and released durably, beside what else gives out exclusive keys.
//!
//! | part | measured | beside |
//! |---|---|---|
//! | 1 `store` | the allocator called in this process, PostgreSQL behind it | etcd by gRPC, Redis that syncs always |
//! | 2 `http` | the service's API, one operation a request | etcd's HTTP gateway, by the same client |
//! | 3 `reclaim` | from the end of a lease to its slot being free, under load | |
//! | 4 `beats` | the processor time of the heartbeats of 100,000 holders | |
//!
//! Everybody writes to the same disk and has it written before it answers; rounds alternate, and everything shares one
//! scheduler group. The peers' clients never compete for a key, which is their best case; Headroom's clients name a pool, and
//! the allocator finds the slot, counts it against the tenant's quota and leaves an event.

mod beats;
mod drive;
mod etcd;
mod fleet;
mod ours;
mod reclaim;
mod redis;
mod wire;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};

use self::drive::{Sample, drive};
use self::etcd::Etcd;
use self::ours::Place;
use self::redis::Redis;
use super::figures::{Goal, Pair, Report, median};
use super::session::OneGroup;
use super::{about, load, outcome, place, processors};

/// Numbers of clients.
const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// Numbers of clients of which goals speak.
const CLIENTS_OF_GOALS: [usize; 2] = [64, 256];

/// What to measure, and how much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Short rounds: less than two minutes.
    pub quick: bool,
    /// Only these parts; all if empty.
    pub only: Vec<u8>,
    /// Seconds of each system and number of clients in a round.
    pub seconds: Option<u64>,
}

impl Options {
    fn wants(&self, part: u8) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rounds(&self) -> usize {
        if self.quick { 2 } else { 3 }
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 1 } else { 3 }))
    }

    fn clients(&self) -> &[usize] {
        if self.quick { &CLIENTS_OF_GOALS } else { &CLIENTS }
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
    report.step("making 100 pools of 1,000 slots, 800 of them held");
    let place = Place::create().await?;
    let mut connection = place.connect().await?;
    let (version, settings) = (place::version(&mut connection).await?, place::settings(&mut connection).await?);
    report.note(format!("PostgreSQL {version}: {settings}"));
    drop(connection);
    if options.wants(1) {
        outcome("store", store(options, &place, &mut report).await, &mut report);
    }
    if options.wants(2) {
        outcome("http", http(options, &place, &mut report).await, &mut report);
    }
    if options.wants(3) {
        outcome("reclaim", reclaim::measure(options, &place, &mut report).await, &mut report);
    }
    if options.wants(4) {
        outcome("heartbeats", beats::measure(options, &place, &mut report).await, &mut report);
    }
    place.end().await?;
    report.note(format!("load average at the end: {}; {:.0} s in all", load()?, report.seconds()));
    Ok(report.summary())
}

/// A port that nobody listens on.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Samples by number of clients and system.
#[derive(Debug, Default)]
struct Figures(BTreeMap<(usize, &'static str), Vec<Sample>>);

const OURS: &str = "headroom";
const ETCD: &str = "etcd";
const REDIS: &str = "redis";

impl Figures {
    fn add(&mut self, clients: usize, system: &'static str, sample: Sample, report: &Report) {
        let Sample { rate, p50, p99 } = sample;
        report.step(&format!("{clients:>3} clients, {system:<8} {rate:>7.0}/s  p50 {p50:>7.2} ms  p99 {p99:>7.2} ms"));
        self.0.entry((clients, system)).or_default().push(sample);
    }

    /// Medians over the rounds.
    fn median(&self, clients: usize, system: &'static str) -> Option<Sample> {
        let samples = self.0.get(&(clients, system))?;
        let of = |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
        Some(Sample { rate: of(|s| s.rate), p50: of(|s| s.p50), p99: of(|s| s.p99) })
    }

    fn table(&self, title: &str, report: &mut Report) {
        report.note(format!("{title}; medians of the rounds, [slowest .. fastest round]"));
        report.note("clients  system      transitions/s                  p50 ms    p99 ms   of etcd");
        for (clients, system) in self.0.keys().copied() {
            let Some(Sample { rate, p50, p99 }) = self.median(clients, system) else { continue };
            let rates: Vec<f64> = self.0[&(clients, system)].iter().map(|sample| sample.rate).collect();
            let (least, most) =
                (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
            let etcd = self.median(clients, ETCD).map_or(0.0, |etcd| rate / etcd.rate);
            let range = format!("[{least:.0} .. {most:.0}]");
            report.note(format!(
                "{clients:>7}  {system:<9} {rate:>10.0}  {range:<20} {p50:>8.2}  {p99:>8.2}  {etcd:>6.2}x"
            ));
        }
    }

    /// Judges the rate, or the 99th percentile, beside a peer's.
    fn judge(&self, what: &str, clients: usize, peer_name: &'static str, goal: Goal, report: &mut Report) {
        let (Some(ours), Some(peer)) = (self.median(clients, OURS), self.median(clients, peer_name)) else { return };
        let (measured, peer, unit) = match goal {
            Goal::AtLeast(_) => (ours.rate, peer.rate, "transitions/s"),
            Goal::AtMost(_) => (ours.p99, peer.p99, "ms p99"),
        };
        report.ratio(&format!("{what}, {clients} clients"), Pair { measured, peer, peer_name, unit }, goal);
    }
}

/// Part 1.
async fn store(options: &Options, place: &Place, report: &mut Report) -> Result<()> {
    let (etcd, redis) = (Etcd::start().await?, Redis::start().await?);
    report.note(format!("peers: {}; {}", etcd.version, redis.version));
    let ours = place.allocate().await?;
    let (mut figures, time) = (Figures::default(), options.time());
    for round in 0..options.rounds() {
        for clients in options.clients().iter().copied() {
            // Who is first in a round is last in the next.
            for turn in 0..3 {
                match (round + turn) % 3 {
                    0 => figures.add(clients, OURS, drive(ours.clients(clients), time).await?, report),
                    1 => figures.add(clients, ETCD, drive(etcd.grpc_clients(clients).await?, time).await?, report),
                    _ => figures.add(clients, REDIS, drive(redis.clients(clients).await?, time).await?, report),
                }
            }
        }
    }
    ours.end().await?;
    figures.table("at the store: the allocator in process, etcd by gRPC, Redis with appendfsync always", report);
    figures.judge("store", 64, ETCD, Goal::AtLeast(2.5), report);
    figures.judge("store", 256, ETCD, Goal::AtLeast(6.0), report);
    figures.judge("store", 64, ETCD, Goal::AtMost(0.6), report);
    figures.judge("store", 256, ETCD, Goal::AtMost(0.6), report);
    figures.judge("store", 256, REDIS, Goal::AtLeast(1.0), report);
    Ok(())
}

/// Part 2.
async fn http(options: &Options, place: &Place, report: &mut Report) -> Result<()> {
    let (etcd, service) = (Etcd::start().await?, place.serve()?);
    let (mut figures, time) = (Figures::default(), options.time());
    for round in 0..options.rounds() {
        for clients in options.clients().iter().copied() {
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    let ours = ours::http_clients(&service, clients).await?;
                    figures.add(clients, OURS, drive(ours, time).await?, report);
                } else {
                    figures.add(clients, ETCD, drive(etcd.http_clients(clients).await?, time).await?, report);
                }
            }
        }
    }
    ours::stop(service)?;
    figures.table("through HTTP/1.1, one operation a request: the service, etcd's JSON gateway", report);
    figures.judge("HTTP", 64, ETCD, Goal::AtLeast(2.0), report);
    figures.judge("HTTP", 256, ETCD, Goal::AtLeast(2.0), report);
    figures.judge("HTTP", 64, ETCD, Goal::AtMost(0.6), report);
    for clients in CLIENTS_OF_GOALS {
        if let Some(ours) = figures.median(clients, OURS) {
            report.value(&format!("p99 of claims through HTTP, {clients} clients"), ours.p99, "ms", Goal::AtMost(50.0));
        }
    }
    Ok(())
}
