//! A closed loop: each client claims a slot, releases it, and claims the next, as fast as it is answered.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::bench::figures::percentile;

/// Until connections, caches and plans are warm nothing is counted.
const WARM_UP: Duration = Duration::from_millis(700);

/// A client of a system that gives out slots. One transition is one durable change of one slot.
pub(super) trait Client: Send + 'static {
    /// Gets a slot. Not getting one is an error: there are always enough.
    fn claim(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Gives it back.
    fn release(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What came out of one system and number of clients in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Claims and releases that were answered, a second.
    pub(super) rate: f64,
    /// Median of claims, milliseconds.
    pub(super) p50: f64,
    /// 99th percentile of claims, milliseconds.
    pub(super) p99: f64,
}

/// Lets all clients run side by side for so long.
pub(super) async fn drive<C: Client>(clients: Vec<C>, time: Duration) -> Result<Sample> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(one(client, begin, end));
    }
    let (mut transitions, mut claims) = (0_usize, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (count, times) = done.context("a client panicked")??;
        transitions += count;
        claims.extend(times);
    }
    Ok(Sample {
        rate: transitions as f64 / time.as_secs_f64(),
        p50: percentile(&claims, 50.0),
        p99: percentile(&claims, 99.0),
    })
}

async fn one<C: Client>(mut client: C, begin: Instant, end: Instant) -> Result<(usize, Vec<f64>)> {
    let (mut transitions, mut claims) = (0, Vec::new());
    let is_counted = |at: Instant| at >= begin && at < end;
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok((transitions, claims));
        }
        client.claim().await?;
        let answered = Instant::now();
        if is_counted(answered) {
            transitions += 1;
            claims.push(1_000.0 * (answered - asked).as_secs_f64());
        }
        client.release().await?;
        transitions += usize::from(is_counted(Instant::now()));
    }
}
