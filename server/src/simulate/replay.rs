//! The submissions of a log of a real machine, against the allocator.

use super::ledger::{Findings, Ledger};
use headroom_domain::swf::Job;
use headroom_slots::{Ask, CancellationToken, Client, Keeping, Outcome, Report};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A job waits for as long as it takes; this only ends what would never end.
const LONGEST_WAIT: Duration = Duration::from_mins(30);
/// A lease is renewed, so its time to live says only how soon a vanished replay is noticed.
const TTL: Duration = Duration::from_secs(30);

/// How a log is replayed.
#[derive(Debug)]
pub struct Replay {
    /// The server.
    pub client: Client,
    /// Slug of the pool.
    pub pool: String,
    /// The tenant of all jobs; `None` for one of each user, named as an import names them.
    pub tenant: Option<String>,
    /// Log time goes by so many times as fast.
    pub speed: f64,
    /// Begins every holder's name.
    pub name: String,
}

/// What came of a replay. Lengths are in the log's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// Jobs that were submitted.
    pub jobs: u64,
    /// Mean wait in the log.
    pub log_mean_wait_s: f64,
    /// Mean wait here.
    pub mean_wait_s: f64,
    /// Longest wait here.
    pub max_wait_s: f64,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// Submits the jobs in order of their submission, as fast as asked for, until all have run or it is cut short. `progress` is told
/// how many were submitted.
pub async fn replay(
    replay: Arc<Replay>,
    mut jobs: Vec<Job>,
    cut: CancellationToken,
    progress: impl Fn(usize),
) -> Replayed {
    jobs.sort_by_key(|job| job.submit_s);
    let ledger = Arc::new(Ledger::default());
    let first = jobs.first().map_or(0, |job| job.submit_s);
    let start = Instant::now();
    let scaled = |seconds: i64| Duration::from_secs_f64(seconds.max(0) as f64 / replay.speed);
    let mut running = JoinSet::new();
    let (mut submitted, mut log_wait_s) = (0_u64, 0_i64);
    for (number, job) in jobs.into_iter().enumerate() {
        tokio::select! {
            () = tokio::time::sleep_until((start + scaled(job.submit_s - first)).into()) => {}
            () = cut.cancelled() => break,
        }
        while running.try_join_next().is_some() {}
        submitted += 1;
        log_wait_s += job.wait_s;
        progress(number + 1);
        running.spawn(run(Arc::clone(&replay), job, number, scaled(job.run_s), Arc::clone(&ledger), cut.clone()));
    }
    while running.join_next().await.is_some() {}
    let findings = ledger.findings();
    let (total, longest) = (ledger.total_wait(), findings.waits.max_ms);
    let granted = findings.claims.granted.max(1) as f64;
    Replayed {
        jobs: submitted,
        log_mean_wait_s: log_wait_s as f64 / submitted.max(1) as f64,
        mean_wait_s: total.as_secs_f64() * replay.speed / granted,
        max_wait_s: longest as f64 / 1_000.0 * replay.speed,
        findings,
    }
}

/// One job: waits for its slots, runs, gives them back.
async fn run(
    replay: Arc<Replay>,
    job: Job,
    number: usize,
    length: Duration,
    ledger: Arc<Ledger>,
    cut: CancellationToken,
) {
    let tenant = match &replay.tenant {
        Some(tenant) => tenant.clone(),
        None => format!("{}-u{}", replay.pool, job.user),
    };
    let ask = Ask {
        slots: u32::try_from(job.slots).unwrap_or(u32::MAX),
        wait: LONGEST_WAIT,
        ttl: Some(TTL),
        holder: Some(format!("{}-{number}", replay.name)),
        ..Ask::new(tenant)
    };
    ledger.asked();
    let started = Instant::now();
    let granted = match replay.client.claim_unless(&replay.pool, &ask, &cut).await {
        Ok(granted) => granted,
        Err(error) => return ledger.error(&error),
    };
    ledger.granted(&granted, started.elapsed());
    // A job beats by renewing: thousands of them need no beats besides.
    let keeping = Keeping { ttl: ask.ttl, beat_every: None, look_every: None, ..Keeping::default() };
    let lease = replay.client.keep(granted.clone(), keeping);
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        () = cut.cancelled() => {}
        _ = lease.lost() => {
            ledger.leaves(&granted);
            return ledger.lost();
        }
    }
    ledger.leaves(&granted);
    match lease.release(&Report::new(Outcome::Ok, length)).await {
        Ok(()) => ledger.released(),
        Err(error) => ledger.error(&error),
    }
}
