//! Accepted batches become history, each exactly once: a batch leaves the queue in the transaction
//! that adds its minutes.

use super::Outcome;
use crate::app::AppError;
use crate::app::ingest::known;
use crate::db::Db;
use crate::ingest::aggregate::{Grouped, Known, Sample};
use crate::ingest::live::{self, Unpacked};
use headroom_domain::Millis;
use headroom_domain::accumulate::{Accumulated, Accumulator};
use headroom_store::current::{self, Current};
use headroom_store::ingest::{self, Pending};
use headroom_store::partition::{self, Cut};
use headroom_store::{StoreError, history};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Batches of one transaction.
const BATCHES: i64 = 500;
/// Rows after which a transaction takes no further batch: bounds its memory and its length.
const ROWS: i64 = 200_000;

/// What was rolled up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// Batches.
    pub batches: u64,
    /// Rows in them.
    pub rows: u64,
}

/// One run of the job.
pub async fn outcome(db: &Db) -> Result<Outcome, AppError> {
    let done = run(db).await?;
    Ok(Outcome { acted: done.batches > 0, detail: json!({ "batches": done.batches, "rows": done.rows }) })
}

/// Rolls up everything that waits.
pub async fn run(db: &Db) -> Result<RolledUp, AppError> {
    let mut total = RolledUp::default();
    loop {
        let done = round(db).await?;
        if done.batches == 0 {
            return Ok(total);
        }
        total.batches += done.batches;
        total.rows += done.rows;
    }
}

async fn round(db: &Db) -> Result<RolledUp, AppError> {
    let mut tx = db.jobs.begin().await?;
    let pending = ingest::take_pending(&mut tx, BATCHES, ROWS).await?;
    if pending.is_empty() {
        return Ok(RolledUp::default());
    }
    // Unpacking and adding up is work for a thread that serves nobody.
    let batches = worker(move || pending.iter().map(unpack).collect::<Result<Vec<_>, _>>()).await??;
    let rows = || batches.iter().flat_map(|(rows, _)| rows);
    let done = RolledUp { batches: batches.len() as u64, rows: rows().count() as u64 };
    let from = rows().map(|row| row.values.at).min();
    let to = rows().map(|row| row.values.at + row.values.duration_ms).max();
    if let Some((from, to)) = from.zip(to) {
        let mut pools: Vec<i32> = rows().map(|row| row.pool).collect();
        pools.sort_unstable();
        pools.dedup();
        let known = known(&mut tx, Some(&pools), from).await?;
        let rolled = worker(move || roll(&batches, &known)).await?;
        partition::ensure(&mut tx, Cut::Minutes, from, to).await?;
        partition::ensure(&mut tx, Cut::FiveMinutes, from, to).await?;
        history::merge(&mut tx, history::LIVE, rolled.acc).await?;
        let current: Vec<Current> = rolled.current.into_values().collect();
        current::set(&mut tx, &current).await?;
        history::set_newest(&mut tx, &rolled.newest).await?;
    }
    tx.commit().await?;
    Ok(done)
}

async fn worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| AppError::Internal(format!("rolling up: {e}")))
}

fn unpack(pending: &Pending) -> Result<Unpacked, StoreError> {
    let damaged = |problem: String| StoreError::Damaged {
        what: format!("batch {} of source {} on {}", pending.seq, pending.source_id, pending.day),
        problem,
    };
    if pending.codec != live::CODEC {
        return Err(damaged(format!("its packing {} is unknown", pending.codec)));
    }
    live::unpack(&pending.data).map_err(|e| damaged(e.to_string()))
}

/// What a round adds.
#[derive(Default)]
struct Rolled {
    acc: Accumulated,
    current: BTreeMap<(i32, i32), Current>,
    newest: BTreeMap<i32, Millis>,
}

fn roll(batches: &[Unpacked], known: &HashMap<i32, Known>) -> Rolled {
    let mut acc = Accumulator::default();
    let mut rolled = Rolled::default();
    let nothing_known = Known::default();
    let mut grouped = Grouped::default();
    for (rows, signals) in batches {
        for ((pool, _), group) in live::groups(rows) {
            // Rows were judged when they came; what was taken away since (a capacity step that made
            // up for a missing one) leaves a pool without capacity, not without its use.
            if grouped.fill(&group, known.get(&pool).unwrap_or(&nothing_known)).is_err() {
                (grouped.configured, grouped.planned_down, grouped.reading.capacity) = (0, 0, 0);
            }
            grouped.add_to(&mut acc, pool, &group);
            note_current(&mut rolled.current, pool, &grouped, &group);
            let end = grouped.reading.at + grouped.reading.duration_ms;
            rolled.newest.entry(pool).and_modify(|at| *at = end.max(*at)).or_insert(end);
        }
        for (pool, number, at, milli) in signals {
            acc.signal(*pool, *number, *at, *milli);
        }
    }
    rolled.acc = acc.take();
    rolled
}

/// Keeps the newest values of a pool and its tenants.
fn note_current(current: &mut BTreeMap<(i32, i32), Current>, pool: i32, grouped: &Grouped, group: &[Sample]) {
    let reading = &grouped.reading;
    let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
    let mut note = |tenant: i32, of: Current| {
        let newest = current.entry((pool, tenant)).or_insert_with(|| of.clone());
        if newest.at_ms <= of.at_ms {
            *newest = of;
        }
    };
    let latency = group.iter().filter_map(|row| row.values.latency_micros).max();
    let base = Current {
        pool,
        tenant: 0,
        at_ms: reading.at,
        duration_ms: small(reading.duration_ms),
        capacity: small(grouped.configured),
        planned_down: small(grouped.planned_down),
        occupied: small(reading.occupied()),
        reserved: small(reading.reserved()),
        rejections: reading
            .counters
            .map_or_else(|| reading.tenants.iter().map(|t| t.counters.rejections).sum(), |c| c.rejections),
        latency_ms: latency.map(|micros| micros as f32 / 1000.0),
    };
    for tenant in &reading.tenants {
        note(
            tenant.tenant,
            Current {
                tenant: tenant.tenant,
                // Capacity is the pool's; a tenant has none of its own.
                capacity: 0,
                planned_down: 0,
                occupied: small(tenant.occupied),
                reserved: small(tenant.reserved),
                rejections: tenant.counters.rejections,
                latency_ms: None,
                ..base.clone()
            },
        );
    }
    note(0, base);
}
