//! Rows/s of `POST /api/v1/ingest/occupancy`, answered and durable, beside COPY of the same rows: as one file, which is what
//! the goal is about, and as a file for each sender on as many connections.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_server::clock;
use headroom_store::ingest::pending;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::import::occupied_of_pools;
use super::{Options, folder, plain_client, processors};
use crate::bench::figures::{Goal, Pair, Report, list, median, percentile, short};
use crate::bench::place::{self, Place};
use crate::bench::rows::{CSV_HEADER, Fleet, POOLS, ROWS_A_POOL, Row, Slugs};
use crate::people;

const GOAL: Goal = Goal::AtLeast(1.0);
const SEED: u64 = 3;

/// Rows of a batch: as many whole pools as fit into 10,000, because rows of one pool and time belong together.
const BATCH_ROWS: usize = 10_000 / ROWS_A_POOL * ROWS_A_POOL;
/// Time told of in one round. Three rounds stay within what live samples may be late.
const FULL_MS: Millis = 15 * HOUR_MS;
const QUICK_MS: Millis = 4 * HOUR_MS;
/// The rounds' time ends this long ago.
const LATE_MS: Millis = HOUR_MS;
/// How long the rollup may take after a round.
const ROLLUP_LIMIT: Duration = Duration::from_mins(10);

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    // A fleet of senders keeps every processor busy; more of them would only wait for each other.
    let senders = processors().clamp(2, 4);
    let rounds = options.rounds();
    let span = if options.quick { QUICK_MS } else { FULL_MS };
    let end = clock::now_ms().div_euclid(HOUR_MS) * HOUR_MS - LATE_MS;
    let begin = end - span * rounds as Millis;

    let files = folder()?;
    let place = Place::new(&[])?;
    people::prepare_at(place.folder()).await?;
    let mut fleet = Fleet::new(SEED, POOLS);
    report.step("making pools and tenants");
    let (first, _) = load(&mut fleet, begin - MINUTE_MS, begin, 1, files.path())?;
    place.import(&first[0].csv)?;
    let mut connection = place.connect().await?;
    let mut expected = place::occupied_slot_ms(&mut connection).await?;

    let (mut ours, mut one_copy, mut several) = (Vec::new(), Vec::new(), Vec::new());
    let (mut waits, mut rolled) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let from = begin + span * round as Millis;
        let (loads, occupied) = load(&mut fleet, from, from + span, senders, files.path())?;
        let count: usize = loads.iter().map(|load| load.rows).sum();
        if round == 0 {
            let bytes: usize = loads.iter().flat_map(|load| &load.batches).map(Vec::len).sum();
            report.note(format!(
                "ingest: {count} rows a round, {senders} senders with a connection each, NDJSON in batches of {BATCH_ROWS} rows \
                 ({}B a row, not packed); COPY of one file, and of {senders} on as many connections",
                bytes / count
            ));
        }
        for turn in [round % 2, 1 - round % 2] {
            place::settle(&mut connection).await?;
            if turn == 0 {
                let csv: Vec<&Path> = loads.iter().map(|load| load.csv.as_path()).collect();
                let whole = one_file(&csv, files.path())?;
                for (what, csv, rates) in
                    [("COPY", vec![whole.as_path()], &mut one_copy), ("COPYs side by side", csv, &mut several)]
                {
                    let seconds = place.copy(&csv).await?;
                    place::drop_bare(&mut connection).await?;
                    place::settle(&mut connection).await?;
                    rates.push(count as f64 / seconds);
                    report.step(&format!("round {}: {what} took {seconds:.2} s", round + 1));
                }
            } else {
                let start = Instant::now();
                let sent = loads.iter().enumerate().map(|(sender, load)| send(&place, sender, round, load));
                for times in try_join_all(sent).await? {
                    waits.extend(times);
                }
                let seconds = start.elapsed().as_secs_f64();
                ours.push(count as f64 / seconds);
                wait_for_rollup(&mut connection).await?;
                let all = start.elapsed().as_secs_f64();
                rolled.push(all);
                report.step(&format!("round {}: ingest took {seconds:.2} s, rolled up after {all:.2} s", round + 1));
                expected += occupied * MINUTE_MS;
                let found = place::occupied_slot_ms(&mut connection).await?;
                ensure!(found == expected, "{found} occupied slot-milliseconds were stored, expected {expected}");
            }
        }
    }
    report.note(format!(
        "ingest: rounds {} rows/s, COPY {} rows/s, several {} rows/s; a batch is answered in {} ms (p95 {} ms); all in history {} s after the first \
         batch left",
        list(&ours),
        list(&one_copy),
        list(&several),
        short(median(&waits)),
        short(percentile(&waits, 95.0)),
        list(&rolled)
    ));
    report.note(format!("ingest beside {senders} COPYs side by side: {:.2}x", median(&ours) / median(&several)));
    let pair = Pair { measured: median(&ours), peer: median(&one_copy), peer_name: "COPY", unit: "rows/s" };
    report.ratio("HTTP ingest", pair, GOAL);
    place.end()
}

/// Several files of rows as one.
fn one_file(parts: &[&Path], folder: &Path) -> Result<PathBuf> {
    let path = folder.join("all.csv");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    out.write_all(CSV_HEADER.as_bytes())?;
    for part in parts {
        let text = std::fs::read(part)?;
        out.write_all(text.strip_prefix(CSV_HEADER.as_bytes()).context("every file begins with the header")?)?;
    }
    out.flush()?;
    Ok(path)
}

/// What one sender has to send, and the same as a file.
struct Load {
    batches: Vec<Vec<u8>>,
    csv: PathBuf,
    rows: usize,
}

/// The minutes of `[from, to)`, the pools shared out between the senders; also the occupied slots of all pools.
fn load(fleet: &mut Fleet, from: Millis, to: Millis, senders: usize, folder: &Path) -> Result<(Vec<Load>, i64)> {
    let slugs = Slugs::default();
    let (mut loads, mut files) = (Vec::new(), Vec::new());
    for sender in 0..senders {
        let csv = folder.join(format!("sender-{sender}.csv"));
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&csv)?);
        file.write_all(CSV_HEADER.as_bytes())?;
        files.push(file);
        loads.push(Load { batches: Vec::new(), csv, rows: 0 });
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut occupied = 0;
    let mut at = from;
    while at < to {
        fleet.minute(at, &mut rows);
        occupied += occupied_of_pools(&rows);
        for pool in rows.chunks(ROWS_A_POOL) {
            let sender = pool[0].pool % senders;
            let load = &mut loads[sender];
            slugs.csv(at, pool, &mut files[sender])?;
            if load.rows % BATCH_ROWS == 0 {
                load.batches.push(Vec::new());
            }
            slugs.ndjson(at, pool, load.batches.last_mut().context("it was made above")?)?;
            load.rows += pool.len();
        }
        at += MINUTE_MS;
    }
    for mut file in files {
        file.flush()?;
    }
    Ok((loads, occupied))
}

/// Sends batch after batch on one connection, each when the one before is answered; returns the waits, milliseconds.
async fn send(place: &Place, sender: usize, round: usize, load: &Load) -> Result<Vec<f64>> {
    let client = plain_client()?;
    let step = MINUTE_MS;
    let mut waits = Vec::with_capacity(load.batches.len());
    let mut accepted = 0;
    for (seq, batch) in load.batches.iter().enumerate() {
        let path = format!("/api/v1/ingest/occupancy?source=sender-{sender}-round-{round}&seq={seq}&step_ms={step}");
        let request = client.post(place.service().at(&path)).header(CONTENT_TYPE, "application/x-ndjson");
        let request = request.body(batch.clone());
        let start = Instant::now();
        let answer = request.send().await.context("a batch was not answered")?;
        let status = answer.status();
        let text = answer.text().await?;
        waits.push(1000.0 * start.elapsed().as_secs_f64());
        ensure!(status.is_success(), "batch {seq} of sender {sender}: {status}: {text}");
        let receipt: Value = serde_json::from_str(&text)?;
        accepted += receipt["accepted"].as_u64().with_context(|| format!("a receipt counts rows: {text}"))?;
    }
    ensure!(accepted == load.rows as u64, "{accepted} of {} rows of sender {sender} were accepted", load.rows);
    Ok(waits)
}

async fn wait_for_rollup(connection: &mut sqlx::PgConnection) -> Result<()> {
    let start = Instant::now();
    while pending(connection).await? > 0 {
        if start.elapsed() > ROLLUP_LIMIT {
            bail!("batches still wait for their rollup after {ROLLUP_LIMIT:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
