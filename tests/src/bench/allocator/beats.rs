//! Heartbeats: 100,000 holders that beat every ten seconds, what that costs the processor, and whether anybody is suspected
//! who should not be.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headroom_domain::lease::{EventKind, number};
use serde_json::json;
use tokio::task::JoinSet;

use super::Options;
use super::drive::{self, drive};
use super::fleet::{HELD, POOLS, SLOTS, hold, holder, pool};
use super::ours::{Place, stop, wire};
use super::wire::Wire;
use crate::bench::figures::{Goal, Report, short};
use crate::bench::processor;
use crate::client::Client;

/// Every holder beats this often.
const INTERVAL: Duration = Duration::from_secs(10);
/// Cores.
const GOAL: Goal = Goal::AtMost(1.0);
/// Clients that send one beat after the other.
const SINGLE: usize = 64;

pub(super) async fn measure(options: &Options, place: &Place, report: &mut Report) -> Result<()> {
    let service = place.serve()?;
    let client = Client::new(service.url())?;
    report.step("a holder for every slot");
    let interval = INTERVAL.as_millis() as u64;
    let policy =
        json!({ "heartbeats": { "interval_ms": interval, "intervals": 4, "margin_ms": 2_000, "suspected_phi": 8.0 } });
    for number in 0..POOLS {
        let path = format!("/api/v1/pools/{}/policy", pool(number));
        let version = client.get(&path).await?.expect(200)?.json()?["version"].clone();
        client.put(&path, &json!({ "version": version, "policy": policy })).await?.expect(200)?;
        hold(&client, number, HELD..SLOTS).await?;
    }
    let time = if options.quick { 2 * INTERVAL } else { 6 * INTERVAL };
    report.step(&format!("{} holders beat for {time:?}", POOLS * SLOTS));
    let begin = Instant::now() + Duration::from_millis(100);
    let (host, headers) = wire(&service);
    let mut senders = JoinSet::new();
    for number in 0..POOLS {
        let wire = Wire::connect(&host, &headers).await?;
        // Spread over the interval, as holders that started at different times are.
        senders.spawn(send(wire, number, begin + INTERVAL * number as u32 / POOLS as u32, begin + time));
    }
    // The first beats make entries, the others find them.
    tokio::time::sleep_until(begin.into()).await;
    let before = (processor::of(service.pid())?, processor::of_all(place.postmaster()?)?);
    let started = Instant::now();
    let mut beats = 0;
    while let Some(sent) = senders.join_next().await {
        beats += sent.context("a sender panicked")??;
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = (processor::of(service.pid())?, processor::of_all(place.postmaster()?)?);
    let (own, database) = ((after.0 - before.0) / seconds, (after.1 - before.1) / seconds);

    let mut suspected = 0;
    for number in 0..POOLS {
        let live = client.get(&format!("/api/v1/pools/{}/live", pool(number))).await?.expect(200)?.json()?;
        suspected += live["reconciler"]["suspected"].as_u64().unwrap_or_default();
    }
    let mut connection = place.connect().await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM slot_event WHERE kind = ANY($1)")
        .bind([EventKind::Suspect, EventKind::Dead].map(|kind| number(EventKind::ALL, &kind)))
        .fetch_one(&mut connection)
        .await?;
    report.note(format!(
        "heartbeats: {beats} beats in {seconds:.0} s, {SLOTS} to a call: the service {} cores, PostgreSQL {} cores",
        short(own),
        short(database)
    ));
    report.value("100,000 holders every 10 s, service and PostgreSQL", own + database, "cores", GOAL);
    report.value("holders suspected or taken for dead", suspected as f64 + events as f64, "", Goal::AtMost(0.0));

    report.step("one beat to a call");
    let mut singles = Vec::new();
    for number in 0..SINGLE {
        singles.push(Single { wire: Wire::connect(&host, &headers).await?, number });
    }
    let (before, started) = (processor::of(service.pid())? + processor::of_all(place.postmaster()?)?, Instant::now());
    let sample = drive(singles, Duration::from_secs(3)).await?;
    let used = processor::of(service.pid())? + processor::of_all(place.postmaster()?)? - before;
    let cores = used / started.elapsed().as_secs_f64();
    report.note(format!(
        "heartbeats one to a call: {} calls/s from {SINGLE} connections, p99 {} ms, {} cores; the 10,000 a second of as many \
         holders would take {} cores",
        short(sample.rate),
        short(sample.p99),
        short(cores),
        short(10_000.0 * cores / sample.rate)
    ));
    stop(service)
}

/// Sends the beats of a pool's holders every interval until the end, and returns how many.
async fn send(mut wire: Wire, number: usize, first: Instant, end: Instant) -> Result<usize> {
    let beats: Vec<String> =
        (0..SLOTS).map(|one| format!(r#"{{"holder":"{}","generation":1}}"#, holder(number, one))).collect();
    let body = format!(r#"{{"beats":[{}]}}"#, beats.join(","));
    let path = format!("/api/v1/pools/{}/heartbeats", pool(number));
    let (mut at, mut sent) = (first, 0);
    while at < end {
        tokio::time::sleep_until(at.into()).await;
        let answer = wire.done(&path, &body).await?;
        let all = format!("\"accepted\":{SLOTS}");
        ensure!(
            answer.windows(all.len()).any(|part| part == all.as_bytes()),
            "beats were answered {}",
            String::from_utf8_lossy(answer)
        );
        (at, sent) = (at + INTERVAL, sent + SLOTS);
    }
    Ok(sent)
}

/// A holder that beats by itself: each call is one beat, whatever the loop calls it.
struct Single {
    wire: Wire,
    number: usize,
}

impl Single {
    async fn beat(&mut self) -> Result<()> {
        let (in_pool, one) = (self.number % POOLS, self.number);
        let body = format!(r#"{{"beats":[{{"holder":"{}","generation":1}}]}}"#, holder(in_pool, one));
        self.wire.done(&format!("/api/v1/pools/{}/heartbeats", pool(in_pool)), &body).await?;
        Ok(())
    }
}

impl drive::Client for Single {
    async fn claim(&mut self) -> Result<()> {
        self.beat().await
    }

    async fn release(&mut self) -> Result<()> {
        self.beat().await
    }
}
