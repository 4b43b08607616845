//! Accepted batches become history, each exactly once: a batch leaves the queue in the transaction
//! that adds its minutes.

use super::Outcome;
use crate::app::AppError;
use crate::app::ingest::known;
use crate::db::Db;
use crate::ingest::aggregate::{Grouped, Known, QUEUED_SIGNAL};
use crate::ingest::live;
use headroom_domain::accumulate::{Accumulated, Accumulator};
use headroom_domain::Millis;
use headroom_store::current::{self, Current};
use headroom_store::partition::{self, Cut};
use headroom_store::{StoreError, history, ingest, signal};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// Batches of one transaction: bounds its memory and its length.
const BATCHES: i64 = 256;

/// Rolls up everything that waits.
pub async fn outcome(db: &Db) -> Result<Outcome, AppError> {
    let (mut batches, mut rows, mut left_out) = (0, 0, 0);
    loop {
        let mut tx = db.jobs.begin().await?;
        let round = round(&mut tx).await?;
        tx.commit().await?;
        batches += round.batches;
        rows += round.rows;
        left_out += round.left_out;
        if round.batches < BATCHES {
            break;
        }
    }
    Ok(Outcome { acted: batches > 0, detail: json!({ "batches": batches, "rows": rows, "rows_left_out": left_out }) })
}

struct Round {
    batches: i64,
    rows: u64,
    /// Rows that went together when they were accepted and do not any more; they are logged.
    left_out: u64,
}

async fn round(db: &PgPool) -> Result<RolledUp, AppError> {
    let mut tx = db.begin().await?;
    let pending = ingest::take_pending(&mut tx, BATCHES_PER_ROUND, ROWS_PER_ROUND).await?;
    if pending.is_empty() {
        return Ok(RolledUp::default());
    }
    // Unpacking and adding up is work for a thread that serves nobody.
    let batches = worker(move || pending.iter().map(unpack).collect::<Result<Vec<_>, _>>()).await??;
    let rows = || batches.iter().flat_map(|batch| &batch.rows);
    let mut done = RolledUp { batches: batches.len() as u64, rows: 0 };
    let from = rows().map(|row| row.values.at).min();
    let to = rows().map(|row| row.values.at + row.values.duration_ms).max();
    if let Some((from, to)) = from.zip(to) {
        let mut pools: Vec<i32> = rows().map(|row| row.pool).collect();
        pools.sort_unstable();
        pools.dedup();
        done.rows = rows().count() as u64;
        let known = Pools::load(&mut tx, &pools, from, to).await?;
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

/// A batch as it was accepted: rows by pool, time and tenant.
struct Unpacked {
    rows: Vec<Accepted>,
    signals: Vec<PackedSignal>,
}

fn unpack(pending: &Pending) -> Result<Unpacked, StoreError> {
    let what = || format!("batch {} of source {} on {}", pending.seq, pending.source_id, pending.day);
    if pending.codec != live::CODEC {
        return Err(StoreError::Damaged { what: what(), problem: format!("its packing {} is unknown", pending.codec) });
    }
    let (rows, signals) =
        live::unpack(&pending.data).map_err(|e| StoreError::Damaged { what: what(), problem: e.to_string() })?;
    Ok(Unpacked { rows, signals })
}

/// What is known about the pools of a round.
struct Pools {
    known: HashMap<i32, Known>,
    /// Numbers of the signals that keep waiting claims.
    queued: HashMap<i32, i16>,
}

impl Pools {
    async fn load(conn: &mut PgConnection, pools: &[i32], from: Millis, to: Millis) -> Result<Self, StoreError> {
        let mut known: HashMap<i32, Known> = HashMap::new();
        for (pool, steps) in pool::capacity(&mut *conn, Some(pools)).await? {
            let steps = steps.iter().map(|s| (s.from_ms, s.configured.into(), s.planned_down.into())).collect();
            known.entry(pool).or_default().capacity = steps;
        }
        let mut promised: BTreeMap<i32, Vec<Reservation>> = BTreeMap::new();
        for stored in reservation::during(&mut *conn, Some(pools), None, from, to).await? {
            promised.entry(stored.reservation.pool).or_default().push(stored.reservation);
        }
        for (pool, reservations) in promised {
            known.entry(pool).or_default().promises = Promises::new(&reservations);
        }
        let signals = signal::of_pools(conn, pools).await?;
        let queued = signals.into_iter().filter(|s| s.name == QUEUED_SIGNAL).map(|s| (s.pool_id, s.signal)).collect();
        Ok(Self { known, queued })
    }
}

/// What a round adds.
#[derive(Default)]
struct Rolled {
    acc: Accumulated,
    current: BTreeMap<(i32, i32), Current>,
    newest: BTreeMap<i32, Millis>,
}

struct Row<'a>(&'a Accepted, Sample);

impl Borrow<Sample> for Row<'_> {
    fn borrow(&self) -> &Sample {
        &self.1
    }
}

fn roll(batches: &[Unpacked], pools: &Pools) -> Rolled {
    let mut acc = Accumulator::default();
    let mut rolled = Rolled::default();
    let nothing_known = Known::default();
    let mut grouped = Grouped::default();
    for batch in batches {
        let rows: Vec<Row<'_>> =
            batch.rows.iter().map(|row| Row(row, Sample { tenant: row.tenant, values: row.values })).collect();
        for group in rows.chunk_by(|a, b| (a.0.pool, a.0.values.at) == (b.0.pool, b.0.values.at)) {
            let pool = group[0].0.pool;
            let known = pools.known.get(&pool).unwrap_or(&nothing_known);
            // Rows were judged when they came; what was taken away since (a capacity step that made
            // up for a missing one) leaves a pool without capacity, not without its use.
            if grouped.fill(group, known).is_err() {
                (grouped.configured, grouped.planned_down, grouped.reading.capacity) = (0, 0, 0);
            }
            grouped.add_to(&mut acc, pool, group);
            if let Some((queued, number)) = grouped.queued.zip(pools.queued.get(&pool)) {
                acc.signal(pool, *number, grouped.reading.at, queued * 1000);
            }
            note_current(&mut rolled.current, pool, &grouped, group);
            let end = grouped.reading.at + grouped.reading.duration_ms;
            rolled.newest.entry(pool).and_modify(|at| *at = end.max(*at)).or_insert(end);
        }
        for (pool, number, at, milli) in &batch.signals {
            acc.signal(*pool, *number, *at, *milli);
        }
    }
    rolled.acc = acc.take();
    rolled
}

/// Keeps the newest values of a pool and its tenants.
fn note_current(current: &mut BTreeMap<(i32, i32), Current>, pool: i32, grouped: &Grouped, group: &[Row<'_>]) {
    let reading = &grouped.reading;
    let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
    let mut note = |tenant: i32, of: Current| {
        let newest = current.entry((pool, tenant)).or_insert_with(|| of.clone());
        if newest.at_ms <= of.at_ms {
            *newest = of;
        }
    };
    let latency = group.iter().filter_map(|row| row.1.values.latency_micros).max();
    let base = Current {
        pool,
        tenant: 0,
        at_ms: reading.at,
        duration_ms: small(reading.duration_ms),
        capacity: small(grouped.configured),
        planned_down: small(grouped.planned_down),
        occupied: small(reading.occupied()),
        reserved: small(reading.reserved()),
        rejections: reading.counters.map_or_else(|| reading.tenants.iter().map(|t| t.counters.rejections).sum(), |c| c.rejections),
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
