//! The packed history of occupancy: adding to it and reading it.
//!
//! One accumulated minute goes into four steps at once, in the caller's transaction: minutes, five
//! minutes, hours, days. Sums add and maxima compare, so the same minutes may arrive in any number
//! of pieces. The total over pools (`pool 0`) and a tenant's total over pools (`pool 0`, its key)
//! are series like any other, from five minutes (total) or hours (tenants) up.

use crate::copy::CopyRows;
use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::accumulate::{Accumulated, BLOCK_MINUTES, SeriesKey, SignalPoint};
use headroom_domain::occupancy::Sums;
use headroom_domain::packed::{pack_columns, pack_sums, unpack_columns, unpack_sums};
use headroom_domain::series::{Series, Step, floor};
use headroom_domain::sketch::Sketch;
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;

/// The part of live samples.
pub const LIVE: i32 = 0;
/// The pool key of the total over pools.
pub const ALL_POOLS: i32 = 0;
/// The tenant key of the total over tenants.
pub const ALL_TENANTS: i32 = 0;

/// Rows sent in one statement.
const ROWS_PER_STATEMENT: usize = 2_000;
const FIVE_MINUTES_A_DAY: usize = Step::FiveMinutes.block_points();
const HOURS_A_DAY: usize = Step::Hour.block_points();

type Key = (SeriesKey, Millis);

/// What a merge wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Hour blocks of minutes written.
    pub hours: usize,
    /// Day rows written.
    pub days: usize,
}

/// Adds accumulated minutes to a part of history. Partitions for live history must exist
/// ([`crate::partition::ensure`]).
pub async fn merge(conn: &mut PgConnection, part: i32, acc: Accumulated) -> Result<Merged> {
    let mut fives: BTreeMap<Key, Vec<Sums>> = BTreeMap::new();
    let mut hours: BTreeMap<Key, Vec<Sums>> = BTreeMap::new();
    let mut days: BTreeMap<Key, Sums> = BTreeMap::new();
    for ((key, hour), block) in &acc.hours {
        let day = floor(*hour, DAY_MS);
        let hour_of_day = ((hour - day) / HOUR_MS) as usize;
        let five: Vec<Sums> = block.chunks(5).map(|five| five.iter().sum()).collect();
        let total: Sums = five.iter().sum();
        // A total over pools has no maximum of its own: the pools' maxima fall at different instants.
        let without_max = |sums: &Sums| Sums { max_occupied: 0, ..*sums };

        add_points(
            fives.entry((*key, day)).or_insert_with(|| vec![Sums::default(); FIVE_MINUTES_A_DAY]),
            hour_of_day * 12,
            &five,
        );
        let of_pools = SeriesKey { pool: ALL_POOLS, tenant: key.tenant };
        if key.tenant == ALL_TENANTS {
            let all = fives.entry((of_pools, day)).or_insert_with(|| vec![Sums::default(); FIVE_MINUTES_A_DAY]);
            add_points(all, hour_of_day * 12, &five.iter().map(without_max).collect::<Vec<_>>());
        }
        for (series, sums) in [(*key, total), (of_pools, without_max(&total))] {
            let points = hours.entry((series, day)).or_insert_with(|| vec![Sums::default(); HOURS_A_DAY]);
            points[hour_of_day].add(&sums);
            days.entry((series, day)).or_default().add(&sums);
        }
    }
    let mut latency_days: BTreeMap<Key, Sketch> = BTreeMap::new();
    let mut latency_hours: BTreeMap<Key, BTreeMap<usize, Sketch>> = BTreeMap::new();
    for ((pool, hour), sketch) in &acc.latency {
        let day = floor(*hour, DAY_MS);
        let key = (SeriesKey { pool: *pool, tenant: ALL_TENANTS }, day);
        latency_days.entry(key).or_default().merge(sketch);
        latency_hours.entry(key).or_default().entry(((hour - day) / HOUR_MS) as usize).or_default().merge(sketch);
        hours.entry(key).or_insert_with(|| vec![Sums::default(); HOURS_A_DAY]);
        days.entry(key).or_default();
    }

    let merged = Merged { hours: acc.hours.len(), days: days.len() };
    let minutes = acc.hours.into_iter().map(|(key, block)| (key, block.to_vec())).collect();
    merge_points(conn, Step::Minute, part, minutes).await?;
    merge_points(conn, Step::FiveMinutes, part, fives).await?;
    merge_hours(conn, part, hours, &latency_hours).await?;
    merge_days(conn, part, days, &latency_days).await?;
    merge_signals(conn, part, acc.signals).await?;
    Ok(merged)
}

/// How far a part has been written: what lies beyond needs no look at what is there.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Newest hour by pool; of [`ALL_POOLS`] the newest of any.
    newest: BTreeMap<i32, Millis>,
}

impl Written {
    /// How far a part was written by an earlier process.
    pub async fn load(conn: &mut PgConnection, part: i32) -> Result<Self> {
        let rows: Vec<(i32, DateTime<Utc>)> = sqlx::query_as(
            "SELECT pool_id, max(start_at) FROM occ_1m_imported WHERE part = $1 AND tenant_id = 0 GROUP BY pool_id",
        )
        .bind(part)
        .fetch_all(conn)
        .await?;
        let mut written = Self::default();
        for (pool, hour) in rows {
            written.note(pool, hour.timestamp_millis());
        }
        Ok(written)
    }

    fn note(&mut self, pool: i32, hour: Millis) {
        for pool in [pool, ALL_POOLS] {
            let newest = self.newest.entry(pool).or_insert(hour);
            *newest = hour.max(*newest);
        }
    }

    fn is_new_hour(&self, pool: i32, hour: Millis) -> bool {
        self.newest.get(&pool).is_none_or(|newest| hour > *newest)
    }

    fn is_new_day(&self, pool: i32, day: Millis) -> bool {
        self.newest.get(&pool).is_none_or(|newest| day > floor(*newest, DAY_MS))
    }
}

/// Adds accumulated minutes to a part that one process writes from its beginning, mostly in order of
/// time: like [`merge`], but what is new for certain is copied in without looking for it first.
///
/// When the caller's transaction fails, `written` is not true any more: load it again.
pub async fn append(conn: &mut PgConnection, part: i32, acc: Accumulated, written: &mut Written) -> Result<Merged> {
    assert!(part != LIVE, "live history has several writers and is merged");
    let Accumulated { hours: blocks, latency, signals } = acc;
    let mut minutes = CopyRows::new(5);
    let mut old_minutes: BTreeMap<Key, Vec<Sums>> = BTreeMap::new();
    let mut fives = Fives { rows: CopyRows::new(5), old: BTreeMap::new(), part };
    let mut five_totals: BTreeMap<Key, Vec<Sums>> = BTreeMap::new();
    let mut hours: BTreeMap<Key, Vec<Sums>> = BTreeMap::new();
    let mut days: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut of_day: Option<(Key, Vec<Sums>)> = None;
    let mut merged = Merged { hours: blocks.len(), days: 0 };
    let mut now_written = written.clone();
    // Blocks come by series and time, so a day of five minutes is complete when the next one begins.
    for ((key, hour), block) in blocks {
        now_written.note(key.pool, hour);
        let day = floor(hour, DAY_MS);
        let hour_of_day = ((hour - day) / HOUR_MS) as usize;
        let mut five = [Sums::default(); 12];
        for (sums, part) in five.iter_mut().zip(block.chunks_exact(5)) {
            *sums = part.iter().sum();
        }
        let total: Sums = five.iter().sum();
        if written.is_new_hour(key.pool, hour) {
            minutes.row().int(key.pool).int(key.tenant).instant(hour).int(part).bytes(&pack_sums(&*block));
        } else {
            old_minutes.insert((key, hour), block.to_vec());
        }
        if of_day.as_ref().is_none_or(|(held, _)| *held != (key, day))
            && let Some(complete) = of_day.replace(((key, day), vec![Sums::default(); FIVE_MINUTES_A_DAY]))
        {
            fives.add(complete, written);
        }
        if let Some((_, points)) = &mut of_day {
            points[hour_of_day * 12..][..12].copy_from_slice(&five);
        }
        // A total over pools has no maximum of its own: the pools' maxima fall at different instants.
        let without_max = |sums: &Sums| Sums { max_occupied: 0, ..*sums };
        let of_pools = SeriesKey { pool: ALL_POOLS, tenant: key.tenant };
        if key.tenant == ALL_TENANTS {
            let all = five_totals.entry((of_pools, day)).or_insert_with(|| vec![Sums::default(); FIVE_MINUTES_A_DAY]);
            add_points(all, hour_of_day * 12, &five.each_ref().map(without_max));
        }
        for (series, sums) in [(key, total), (of_pools, without_max(&total))] {
            hours.entry((series, day)).or_insert_with(|| vec![Sums::default(); HOURS_A_DAY])[hour_of_day].add(&sums);
            days.entry((series, day)).or_default().add(&sums);
        }
    }
    for complete in of_day.into_iter().chain(five_totals) {
        fives.add(complete, written);
    }
    let mut latency_days: BTreeMap<Key, Sketch> = BTreeMap::new();
    let mut latency_hours: BTreeMap<Key, BTreeMap<usize, Sketch>> = BTreeMap::new();
    for ((pool, hour), sketch) in latency {
        let day = floor(hour, DAY_MS);
        let key = (SeriesKey { pool, tenant: ALL_TENANTS }, day);
        latency_days.entry(key).or_default().merge(&sketch);
        latency_hours.entry(key).or_default().insert(((hour - day) / HOUR_MS) as usize, sketch);
        hours.entry(key).or_insert_with(|| vec![Sums::default(); HOURS_A_DAY]);
        days.entry(key).or_default();
    }
    merged.days = days.len();

    let (new_hours, old_hours): (BTreeMap<_, _>, BTreeMap<_, _>) =
        hours.into_iter().partition(|((series, day), _)| written.is_new_day(series.pool, *day));
    let mut hour_rows = CopyRows::new(6);
    for ((series, day), points) in &new_hours {
        let sketches = latency_hours.get(&(*series, *day)).map(write_sketches);
        let row = hour_rows.row().int(series.pool).int(series.tenant).instant(*day).int(part);
        row.bytes(&pack_sums(points)).optional(sketches.as_deref());
    }
    let (new_days, old_days): (BTreeMap<_, _>, BTreeMap<_, _>) =
        days.into_iter().partition(|((series, day), _)| written.is_new_day(series.pool, *day));
    let mut day_rows = CopyRows::new(16);
    for ((series, day), sums) in &new_days {
        let row = day_rows.row().int(series.pool).int(series.tenant).instant(*day).int(part);
        for field in sums.to_fields() {
            row.bigint(field);
        }
        row.optional(latency_days.get(&(*series, *day)).map(Sketch::to_bytes).as_deref());
    }

    minutes
        .send(
            &mut *conn,
            "COPY occ_1m_imported (pool_id, tenant_id, start_at, part, points) FROM STDIN (FORMAT binary)",
        )
        .await?;
    fives
        .rows
        .send(
            &mut *conn,
            "COPY occ_5m_imported (pool_id, tenant_id, start_at, part, points) FROM STDIN (FORMAT binary)",
        )
        .await?;
    hour_rows
        .send(
            &mut *conn,
            "COPY occ_1h (pool_id, tenant_id, start_at, part, points, latency) FROM STDIN (FORMAT binary)",
        )
        .await?;
    day_rows
        .send(
            &mut *conn,
            "COPY occ_1d (pool_id, tenant_id, start_at, part, capacity_slot_ms, occupied_slot_ms, reserved_slot_ms,
                 reserved_idle_slot_ms, observed_ms, saturated_ms, max_occupied, claims, rejections, waited, queue_ms, latency)
             FROM STDIN (FORMAT binary)",
        )
        .await?;
    merge_points(conn, Step::Minute, part, old_minutes).await?;
    merge_points(conn, Step::FiveMinutes, part, fives.old).await?;
    merge_hours(conn, part, old_hours, &latency_hours).await?;
    merge_days(conn, part, old_days, &latency_days).await?;
    merge_signals(conn, part, signals).await?;
    *written = now_written;
    Ok(merged)
}

/// Days of five minutes: packed at once where they are new, kept to be merged where they are not.
struct Fives {
    rows: CopyRows,
    old: BTreeMap<Key, Vec<Sums>>,
    part: i32,
}

impl Fives {
    fn add(&mut self, ((series, day), points): (Key, Vec<Sums>), written: &Written) {
        if written.is_new_day(series.pool, day) {
            let row = self.rows.row().int(series.pool).int(series.tenant).instant(day).int(self.part);
            row.bytes(&pack_sums(&points));
        } else {
            self.old.insert((series, day), points);
        }
    }
}

fn add_points(into: &mut [Sums], at: usize, points: &[Sums]) {
    for (mine, point) in into[at..].iter_mut().zip(points) {
        mine.add(point);
    }
}

/// Column arrays of keys, as statements take them.
#[derive(Default)]
struct Keys {
    pools: Vec<i32>,
    tenants: Vec<i32>,
    starts: Vec<DateTime<Utc>>,
}

impl Keys {
    fn of<'a>(keys: impl Iterator<Item = &'a Key>) -> Self {
        let mut out = Self::default();
        for (series, start) in keys {
            out.pools.push(series.pool);
            out.tenants.push(series.tenant);
            out.starts.push(timestamp(*start));
        }
        out
    }
}

const fn select_for_merge(step: Step) -> &'static str {
    match step {
        Step::Minute => {
            "SELECT pool_id, tenant_id, start_at, points FROM occ_1m
             WHERE part = $4 AND (pool_id, tenant_id, start_at) IN (SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[]))"
        }
        _ => {
            "SELECT pool_id, tenant_id, start_at, points FROM occ_5m
             WHERE part = $4 AND (pool_id, tenant_id, start_at) IN (SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[]))"
        }
    }
}

const fn upsert(step: Step) -> &'static str {
    match step {
        Step::Minute => {
            "INSERT INTO occ_1m (pool_id, tenant_id, start_at, part, points)
             SELECT p, t, s, $4, d FROM unnest($1::int[], $2::int[], $3::timestamptz[], $5::bytea[]) AS r(p, t, s, d)
             ON CONFLICT (pool_id, tenant_id, start_at, part) DO UPDATE SET points = EXCLUDED.points"
        }
        _ => {
            "INSERT INTO occ_5m (pool_id, tenant_id, start_at, part, points)
             SELECT p, t, s, $4, d FROM unnest($1::int[], $2::int[], $3::timestamptz[], $5::bytea[]) AS r(p, t, s, d)
             ON CONFLICT (pool_id, tenant_id, start_at, part) DO UPDATE SET points = EXCLUDED.points"
        }
    }
}

#[derive(Debug, FromRow)]
struct PackedRow {
    pool_id: i32,
    tenant_id: i32,
    start_at: DateTime<Utc>,
    points: Vec<u8>,
}

impl PackedRow {
    fn key(&self) -> Key {
        (SeriesKey { pool: self.pool_id, tenant: self.tenant_id }, self.start_at.timestamp_millis())
    }

    fn unpack(&self, n: usize) -> Result<Vec<Sums>> {
        unpack_sums(&self.points, n).map_err(|problem| StoreError::Damaged {
            what: format!("pool {} tenant {} from {}", self.pool_id, self.tenant_id, self.start_at),
            problem: problem.to_string(),
        })
    }
}

async fn merge_points(conn: &mut PgConnection, step: Step, part: i32, blocks: BTreeMap<Key, Vec<Sums>>) -> Result<()> {
    let mut blocks: Vec<(Key, Vec<Sums>)> = blocks.into_iter().collect();
    for chunk in blocks.chunks_mut(ROWS_PER_STATEMENT) {
        let keys = Keys::of(chunk.iter().map(|(key, _)| key));
        let stored: Vec<PackedRow> = sqlx::query_as(select_for_merge(step))
            .bind(&keys.pools)
            .bind(&keys.tenants)
            .bind(&keys.starts)
            .bind(part)
            .fetch_all(&mut *conn)
            .await?;
        for row in stored {
            let points = row.unpack(step.block_points())?;
            let at = chunk.binary_search_by_key(&row.key(), |(key, _)| *key).expect("asked for by key");
            add_points(&mut chunk[at].1, 0, &points);
        }
        let packed: Vec<Vec<u8>> = chunk.iter().map(|(_, points)| pack_sums(points)).collect();
        sqlx::query(upsert(step))
            .bind(&keys.pools)
            .bind(&keys.tenants)
            .bind(&keys.starts)
            .bind(part)
            .bind(&packed)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn merge_hours(
    conn: &mut PgConnection,
    part: i32,
    blocks: BTreeMap<Key, Vec<Sums>>,
    latency: &BTreeMap<Key, BTreeMap<usize, Sketch>>,
) -> Result<()> {
    let mut blocks: Vec<(Key, Vec<Sums>)> = blocks.into_iter().collect();
    for chunk in blocks.chunks_mut(ROWS_PER_STATEMENT) {
        let keys = Keys::of(chunk.iter().map(|(key, _)| key));
        let mut sketches: Vec<BTreeMap<usize, Sketch>> =
            chunk.iter().map(|(key, _)| latency.get(key).cloned().unwrap_or_default()).collect();
        let stored = sqlx::query(
            "SELECT pool_id, tenant_id, start_at, points, latency FROM occ_1h
             WHERE part = $4 AND (pool_id, tenant_id, start_at) IN (SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[]))",
        )
        .bind(&keys.pools)
        .bind(&keys.tenants)
        .bind(&keys.starts)
        .bind(part)
        .fetch_all(&mut *conn)
        .await?;
        for row in stored {
            let packed = PackedRow::from_row(&row)?;
            let at = chunk.binary_search_by_key(&packed.key(), |(key, _)| *key).expect("asked for by key");
            add_points(&mut chunk[at].1, 0, &packed.unpack(HOURS_A_DAY)?);
            if let Some(bytes) = row.try_get::<Option<Vec<u8>>, _>("latency")? {
                for (hour, sketch) in read_sketches(&bytes)? {
                    sketches[at].entry(hour).or_default().merge(&sketch);
                }
            }
        }
        let packed: Vec<Vec<u8>> = chunk.iter().map(|(_, points)| pack_sums(points)).collect();
        let latency: Vec<Option<Vec<u8>>> =
            sketches.iter().map(|s| (!s.is_empty()).then(|| write_sketches(s))).collect();
        sqlx::query(
            "INSERT INTO occ_1h (pool_id, tenant_id, start_at, part, points, latency)
             SELECT p, t, s, $4, d, l FROM unnest($1::int[], $2::int[], $3::timestamptz[], $5::bytea[], $6::bytea[]) AS r(p, t, s, d, l)
             ON CONFLICT (pool_id, tenant_id, start_at, part) DO UPDATE SET points = EXCLUDED.points, latency = EXCLUDED.latency",
        )
        .bind(&keys.pools)
        .bind(&keys.tenants)
        .bind(&keys.starts)
        .bind(part)
        .bind(&packed)
        .bind(&latency)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Sketches by hour of the day: hour, length, bytes.
fn write_sketches(sketches: &BTreeMap<usize, Sketch>) -> Vec<u8> {
    let mut out = Vec::new();
    for (hour, sketch) in sketches {
        let bytes = sketch.to_bytes();
        out.push(*hour as u8);
        out.extend((bytes.len() as u16).to_le_bytes());
        out.extend(bytes);
    }
    out
}

fn read_sketches(mut bytes: &[u8]) -> Result<BTreeMap<usize, Sketch>> {
    let damaged = || StoreError::Damaged { what: "latency by hour".into(), problem: "it is cut".into() };
    let mut out = BTreeMap::new();
    while let [hour, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let sketch = rest.get(..length).and_then(Sketch::from_bytes).ok_or_else(damaged)?;
        out.insert(usize::from(*hour), sketch);
        bytes = &rest[length..];
    }
    if bytes.is_empty() { Ok(out) } else { Err(damaged()) }
}

async fn merge_days(
    conn: &mut PgConnection,
    part: i32,
    days: BTreeMap<Key, Sums>,
    latency: &BTreeMap<Key, Sketch>,
) -> Result<()> {
    let days: Vec<(Key, Sums)> = days.into_iter().collect();
    for chunk in days.chunks(ROWS_PER_STATEMENT) {
        let keys = Keys::of(chunk.iter().map(|(key, _)| key));
        let mut sketches: Vec<Option<Sketch>> = chunk.iter().map(|(key, _)| latency.get(key).cloned()).collect();
        if sketches.iter().any(Option::is_some) {
            let stored: Vec<(i32, i32, DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
                "SELECT pool_id, tenant_id, start_at, latency FROM occ_1d
                 WHERE part = $4 AND latency IS NOT NULL
                   AND (pool_id, tenant_id, start_at) IN (SELECT * FROM unnest($1::int[], $2::int[], $3::timestamptz[]))",
            )
            .bind(&keys.pools)
            .bind(&keys.tenants)
            .bind(&keys.starts)
            .bind(part)
            .fetch_all(&mut *conn)
            .await?;
            for (pool, tenant, start, bytes) in stored {
                let key = (SeriesKey { pool, tenant }, start.timestamp_millis());
                let at = chunk.binary_search_by_key(&key, |(key, _)| *key).expect("asked for by key");
                let before = Sketch::from_bytes(&bytes).ok_or_else(|| StoreError::Damaged {
                    what: format!("latency of pool {pool}"),
                    problem: "it is cut".into(),
                })?;
                sketches[at].get_or_insert_with(Sketch::default).merge(&before);
            }
        }
        let latency: Vec<Option<Vec<u8>>> = sketches.iter().map(|s| s.as_ref().map(Sketch::to_bytes)).collect();
        let column = |field: usize| -> Vec<i64> { chunk.iter().map(|(_, s)| s.to_fields()[field]).collect() };
        sqlx::query(
            "INSERT INTO occ_1d AS d (pool_id, tenant_id, start_at, part, capacity_slot_ms, occupied_slot_ms, reserved_slot_ms,
                 reserved_idle_slot_ms, observed_ms, saturated_ms, max_occupied, claims, rejections, waited, queue_ms, latency)
             SELECT p, t, s, $4, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, l
             FROM unnest($1::int[], $2::int[], $3::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                 $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bytea[])
                 AS r(p, t, s, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, l)
             ON CONFLICT (pool_id, tenant_id, start_at, part) DO UPDATE SET
                 capacity_slot_ms      = d.capacity_slot_ms + EXCLUDED.capacity_slot_ms,
                 occupied_slot_ms      = d.occupied_slot_ms + EXCLUDED.occupied_slot_ms,
                 reserved_slot_ms      = d.reserved_slot_ms + EXCLUDED.reserved_slot_ms,
                 reserved_idle_slot_ms = d.reserved_idle_slot_ms + EXCLUDED.reserved_idle_slot_ms,
                 observed_ms           = d.observed_ms + EXCLUDED.observed_ms,
                 saturated_ms          = d.saturated_ms + EXCLUDED.saturated_ms,
                 max_occupied          = greatest(d.max_occupied, EXCLUDED.max_occupied),
                 claims                = d.claims + EXCLUDED.claims,
                 rejections            = d.rejections + EXCLUDED.rejections,
                 waited                = d.waited + EXCLUDED.waited,
                 queue_ms              = d.queue_ms + EXCLUDED.queue_ms,
                 latency               = COALESCE(EXCLUDED.latency, d.latency)",
        )
        .bind(&keys.pools)
        .bind(&keys.tenants)
        .bind(&keys.starts)
        .bind(part)
        .bind(column(0))
        .bind(column(1))
        .bind(column(2))
        .bind(column(3))
        .bind(column(4))
        .bind(column(5))
        .bind(column(6))
        .bind(column(7))
        .bind(column(8))
        .bind(column(9))
        .bind(column(10))
        .bind(&latency)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn merge_signals(
    conn: &mut PgConnection,
    part: i32,
    signals: BTreeMap<(i32, i16, Millis), SignalPoint>,
) -> Result<()> {
    let mut blocks: BTreeMap<(i32, i16, Millis), Vec<Option<SignalPoint>>> = BTreeMap::new();
    for ((pool, signal, start), point) in signals {
        let day = floor(start, DAY_MS);
        let block = blocks.entry((pool, signal, day)).or_insert_with(|| vec![None; FIVE_MINUTES_A_DAY]);
        block[((start - day) / Step::FiveMinutes.ms()) as usize] = Some(point);
    }
    let mut blocks: Vec<_> = blocks.into_iter().collect();
    for chunk in blocks.chunks_mut(ROWS_PER_STATEMENT) {
        let pools: Vec<i32> = chunk.iter().map(|((pool, ..), _)| *pool).collect();
        let numbers: Vec<i16> = chunk.iter().map(|((_, signal, _), _)| *signal).collect();
        let starts: Vec<DateTime<Utc>> = chunk.iter().map(|((.., day), _)| timestamp(*day)).collect();
        let stored: Vec<(i32, i16, DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
            "SELECT pool_id, signal, start_at, points FROM signal_5m
             WHERE part = $4 AND (pool_id, signal, start_at) IN (SELECT * FROM unnest($1::int[], $2::smallint[], $3::timestamptz[]))",
        )
        .bind(&pools)
        .bind(&numbers)
        .bind(&starts)
        .bind(part)
        .fetch_all(&mut *conn)
        .await?;
        for (pool, signal, start, bytes) in stored {
            let key = (pool, signal, start.timestamp_millis());
            let at = chunk.binary_search_by_key(&key, |(key, _)| *key).expect("asked for by key");
            for (mine, theirs) in chunk[at].1.iter_mut().zip(unpack_signal(&bytes)?) {
                match (mine.as_mut(), theirs) {
                    (Some(mine), Some(theirs)) => mine.add(&theirs),
                    (None, Some(theirs)) => *mine = Some(theirs),
                    (_, None) => {}
                }
            }
        }
        let packed: Vec<Vec<u8>> = chunk.iter().map(|(_, points)| pack_signal(points)).collect();
        sqlx::query(
            "INSERT INTO signal_5m (pool_id, signal, start_at, part, points)
             SELECT p, n, s, $4, d FROM unnest($1::int[], $2::smallint[], $3::timestamptz[], $5::bytea[]) AS r(p, n, s, d)
             ON CONFLICT (pool_id, signal, start_at, part) DO UPDATE SET points = EXCLUDED.points",
        )
        .bind(&pools)
        .bind(&numbers)
        .bind(&starts)
        .bind(part)
        .bind(&packed)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

fn pack_signal(points: &[Option<SignalPoint>]) -> Vec<u8> {
    let column = |f: fn(&SignalPoint) -> i64| -> Vec<i64> { points.iter().map(|p| p.as_ref().map_or(0, f)).collect() };
    pack_columns(&[&column(|p| p.sum_milli), &column(|p| p.count), &column(|p| p.min_milli), &column(|p| p.max_milli)])
}

fn unpack_signal(bytes: &[u8]) -> Result<Vec<Option<SignalPoint>>> {
    let columns = unpack_columns(bytes, 4, FIVE_MINUTES_A_DAY)
        .map_err(|problem| StoreError::Damaged { what: "an extra signal".into(), problem: problem.to_string() })?;
    Ok((0..FIVE_MINUTES_A_DAY)
        .map(|i| {
            (columns[1][i] > 0).then(|| SignalPoint {
                sum_milli: columns[0][i],
                count: columns[1][i],
                min_milli: columns[2][i],
                max_milli: columns[3][i],
            })
        })
        .collect())
}

const fn select_blocks(step: Step) -> &'static str {
    match step {
        Step::Minute => {
            "SELECT pool_id, tenant_id, start_at, points FROM occ_1m
             WHERE pool_id = ANY($1) AND tenant_id = ANY($2) AND start_at >= $3 AND start_at < $4
               AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))"
        }
        Step::FiveMinutes => {
            "SELECT pool_id, tenant_id, start_at, points FROM occ_5m
             WHERE pool_id = ANY($1) AND tenant_id = ANY($2) AND start_at >= $3 AND start_at < $4
               AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))"
        }
        Step::Hour | Step::Day => {
            "SELECT pool_id, tenant_id, start_at, points FROM occ_1h
             WHERE pool_id = ANY($1) AND tenant_id = ANY($2) AND start_at >= $3 AND start_at < $4
               AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))"
        }
    }
}

/// Series of history over `[from, to)`, one per pool and tenant that has any, unpacked.
///
/// `step` is a stored step finer than a day; days are [`crate::usage::days`].
pub async fn series(
    conn: &mut PgConnection,
    step: Step,
    pools: &[i32],
    tenants: &[i32],
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<SeriesKey, Series>> {
    let rows: Vec<PackedRow> = sqlx::query_as(select_blocks(step))
        .bind(pools)
        .bind(tenants)
        .bind(timestamp(floor(from, step.block_ms())))
        .bind(timestamp(to))
        .fetch_all(conn)
        .await?;
    let mut out: BTreeMap<SeriesKey, Series> = BTreeMap::new();
    for row in rows {
        let points = row.unpack(step.block_points())?;
        let (key, start) = row.key();
        out.entry(key).or_insert_with(|| Series::empty(from, to, step.ms())).add(start, &points);
    }
    Ok(out)
}

/// The sum of [`series`] over all the pools and tenants asked for.
pub async fn total_series(
    conn: &mut PgConnection,
    step: Step,
    pools: &[i32],
    tenants: &[i32],
    from: Millis,
    to: Millis,
) -> Result<Series> {
    let mut total = Series::empty(from, to, step.ms());
    for (_, part) in series(conn, step, pools, tenants, from, to).await? {
        total.add(part.start_ms, &part.points);
    }
    Ok(total)
}

/// Latency of a pool by hour over `[from, to)`, milliseconds.
pub async fn latency(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<BTreeMap<Millis, Sketch>> {
    let rows: Vec<(DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
        "SELECT start_at, latency FROM occ_1h
         WHERE pool_id = $1 AND tenant_id = 0 AND start_at >= $2 AND start_at < $3 AND latency IS NOT NULL
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))",
    )
    .bind(pool)
    .bind(timestamp(floor(from, DAY_MS)))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut out: BTreeMap<Millis, Sketch> = BTreeMap::new();
    for (day, bytes) in rows {
        for (hour, sketch) in read_sketches(&bytes)? {
            let at = day.timestamp_millis() + hour as i64 * HOUR_MS;
            if at >= floor(from, HOUR_MS) && at < to {
                out.entry(at).or_default().merge(&sketch);
            }
        }
    }
    Ok(out)
}

/// An extra signal over `[from, to)` by five minutes.
pub async fn signal(
    conn: &mut PgConnection,
    pool: i32,
    signal: i16,
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<Millis, SignalPoint>> {
    let rows: Vec<(DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
        "SELECT start_at, points FROM signal_5m
         WHERE pool_id = $1 AND signal = $2 AND start_at >= $3 AND start_at < $4
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))",
    )
    .bind(pool)
    .bind(signal)
    .bind(timestamp(floor(from, DAY_MS)))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut out: BTreeMap<Millis, SignalPoint> = BTreeMap::new();
    for (day, bytes) in rows {
        for (i, point) in unpack_signal(&bytes)?.into_iter().enumerate() {
            let at = day.timestamp_millis() + i as i64 * Step::FiveMinutes.ms();
            if let Some(point) = point.filter(|_| at >= from && at < to) {
                out.entry(at).and_modify(|p| p.add(&point)).or_insert(point);
            }
        }
    }
    Ok(out)
}

/// What is known of a minute of several series: sums by tenant, 0 = the pool.
pub type MinuteSums = BTreeMap<Millis, BTreeMap<i32, Sums>>;

/// Minutes of some pools over `[from, to)`, of all parts together, with all their tenants. Minutes of which nothing is known are
/// left out.
pub async fn minutes(
    conn: &mut PgConnection,
    pools: &[i32],
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<i32, MinuteSums>> {
    let rows: Vec<PackedRow> = sqlx::query_as(
        "SELECT pool_id, tenant_id, start_at, points FROM occ_1m WHERE pool_id = ANY($1) AND start_at >= $2 AND start_at < $3",
    )
    .bind(pools)
    .bind(timestamp(floor(from, HOUR_MS)))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut minutes: BTreeMap<i32, MinuteSums> = BTreeMap::new();
    for row in rows {
        let of_pool = minutes.entry(row.pool_id).or_default();
        let start = row.start_at.timestamp_millis();
        for (at, sums) in row.unpack(BLOCK_MINUTES)?.iter().enumerate() {
            let minute = start + at as i64 * Step::Minute.ms();
            if (from..to).contains(&minute) && !sums.is_empty() {
                of_pool.entry(minute).or_default().entry(row.tenant_id).or_default().add(sums);
            }
        }
    }
    Ok(minutes)
}

/// The first hour of which anything is known, by pool.
pub async fn first_hours(conn: &mut PgConnection, pools: &[i32]) -> Result<BTreeMap<i32, Millis>> {
    let rows: Vec<(i32, DateTime<Utc>)> = sqlx::query_as(
        "SELECT pool_id, min(start_at) FROM occ_1m WHERE pool_id = ANY($1) AND tenant_id = 0 GROUP BY pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, at)| (pool, at.timestamp_millis())).collect())
}

/// First and last instant of stored days of a pool (or of all, `None`), as UTC days.
pub async fn extent(conn: &mut PgConnection, pool: Option<i32>) -> Result<Option<(Millis, Millis)>> {
    let (first, last): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT min(start_at), max(start_at) FROM occ_1d
         WHERE pool_id = $1 AND tenant_id = 0
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))",
    )
    .bind(pool.unwrap_or(ALL_POOLS))
    .fetch_one(conn)
    .await?;
    Ok(first.zip(last).map(|(first, last)| (first.timestamp_millis(), last.timestamp_millis() + DAY_MS)))
}

/// Records the newest sample of pools.
pub async fn set_newest(conn: &mut PgConnection, newest: &BTreeMap<i32, Millis>) -> Result<()> {
    let pools: Vec<i32> = newest.keys().copied().collect();
    let at: Vec<DateTime<Utc>> = newest.values().map(|at| timestamp(*at)).collect();
    sqlx::query(
        "INSERT INTO pool_newest AS n (pool_id, at) SELECT * FROM unnest($1::int[], $2::timestamptz[])
         ON CONFLICT (pool_id) DO UPDATE SET at = greatest(n.at, EXCLUDED.at)",
    )
    .bind(&pools)
    .bind(&at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest sample of all pools.
pub async fn newest(conn: &mut PgConnection) -> Result<Option<Millis>> {
    let at: Option<DateTime<Utc>> = sqlx::query_scalar("SELECT max(at) FROM pool_newest").fetch_one(conn).await?;
    Ok(at.map(|at| at.timestamp_millis()))
}

/// Minutes of pools that are already covered by another part, at most `limit`: (pool, start of the
/// hour). An import uses it to refuse a second history for the same time.
pub async fn overlaps(conn: &mut PgConnection, part: i32, limit: i64) -> Result<Vec<(i32, Millis)>> {
    let rows: Vec<(i32, DateTime<Utc>, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT mine.pool_id, mine.start_at, mine.points, other.points
         FROM occ_1m AS mine
         JOIN occ_1m AS other USING (pool_id, tenant_id, start_at)
         WHERE mine.part = $1 AND mine.tenant_id = 0 AND other.part <> $1
           AND (other.part = 0 OR other.part IN (SELECT part FROM import WHERE state = 'done'))
         ORDER BY mine.pool_id, mine.start_at",
    )
    .bind(part)
    .fetch_all(conn)
    .await?;
    let mut out = Vec::new();
    for (pool, start, mine, other) in rows {
        let row = |points| PackedRow { pool_id: pool, tenant_id: 0, start_at: start, points };
        let (mine, other) = (row(mine).unpack(BLOCK_MINUTES)?, row(other).unpack(BLOCK_MINUTES)?);
        let both = mine.iter().zip(&other).any(|(a, b)| a.observed_ms + b.observed_ms > headroom_domain::MINUTE_MS);
        if both {
            out.push((pool, start.timestamp_millis()));
            if out.len() as i64 >= limit {
                break;
            }
        }
    }
    Ok(out)
}

/// Unpacks the hours of one stored day of a pool.
pub(crate) fn unpack_hours(pool: i32, points: &[u8]) -> Result<Vec<Sums>> {
    unpack_sums(points, HOURS_A_DAY)
        .map_err(|problem| StoreError::Damaged { what: format!("hours of pool {pool}"), problem: problem.to_string() })
}

/// Milliseconds observed in each minute of one stored hour of a pool.
pub(crate) fn observed_minutes(pool: i32, points: &[u8]) -> Result<Vec<i64>> {
    let minutes = unpack_sums(points, BLOCK_MINUTES).map_err(|problem| StoreError::Damaged {
        what: format!("minutes of pool {pool}"),
        problem: problem.to_string(),
    })?;
    Ok(minutes.iter().map(|sums| sums.observed_ms).collect())
}

/// The newest instant observed of pools after a part is gone: what [`set_newest`] would have recorded
/// from the rest, to the minute. A pool without history loses its record.
pub async fn reset_newest(conn: &mut PgConnection, pools: &[i32]) -> Result<()> {
    for pool in pools {
        let newest: Option<(DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
            "SELECT start_at, points FROM occ_1m
             WHERE pool_id = $1 AND tenant_id = 0 AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
             ORDER BY start_at DESC LIMIT 1",
        )
        .bind(pool)
        .fetch_optional(&mut *conn)
        .await?;
        sqlx::query("DELETE FROM pool_newest WHERE pool_id = $1").bind(pool).execute(&mut *conn).await?;
        if let Some((hour, points)) = newest {
            let minutes = unpack_sums(&points, BLOCK_MINUTES).map_err(|problem| StoreError::Damaged {
                what: format!("pool {pool} from {hour}"),
                problem: problem.to_string(),
            })?;
            let last = minutes.iter().rposition(|sums| sums.observed_ms > 0).unwrap_or_default();
            let at = hour.timestamp_millis() + (last as i64 + 1) * headroom_domain::MINUTE_MS;
            set_newest(&mut *conn, &BTreeMap::from([(*pool, at)])).await?;
        }
    }
    Ok(())
}

/// Pools in which a part has history.
pub async fn pools_of_part(conn: &mut PgConnection, part: i32) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT DISTINCT pool_id FROM occ_1d WHERE part = $1 AND pool_id <> 0 AND tenant_id = 0")
        .bind(part)
        .fetch_all(conn)
        .await?)
}

/// Removes a part from history altogether.
pub async fn remove_part(conn: &mut PgConnection, part: i32) -> Result<()> {
    assert!(part != LIVE, "live history is dropped by partition, never by part");
    for statement in [
        "DELETE FROM occ_1m_imported WHERE part = $1",
        "DELETE FROM occ_5m_imported WHERE part = $1",
        "DELETE FROM occ_1h WHERE part = $1",
        "DELETE FROM occ_1d WHERE part = $1",
        "DELETE FROM signal_5m WHERE part = $1",
    ] {
        sqlx::query(statement).bind(part).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Packed minutes of one pool as they are stored, of all its series: to be unpacked where it keeps nobody waiting.
#[derive(Debug)]
pub struct PackedMinutes {
    rows: Vec<PackedRow>,
}

/// The minutes of one pool over `[from, to)`, in one statement.
pub async fn packed_minutes(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<PackedMinutes> {
    let rows = sqlx::query_as(
        "SELECT pool_id, tenant_id, start_at, points FROM occ_1m
         WHERE pool_id = $1 AND start_at >= $2 AND start_at < $3
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
         ORDER BY tenant_id, start_at",
    )
    .bind(pool)
    .bind(timestamp(floor(from, HOUR_MS)))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    Ok(PackedMinutes { rows })
}

impl PackedMinutes {
    /// Tenants of which there is anything, the pool's total included.
    pub fn tenants(&self) -> Vec<i32> {
        let mut tenants: Vec<i32> = self.rows.iter().map(|row| row.tenant_id).collect();
        tenants.dedup();
        tenants
    }

    /// Unpacks one tenant's minutes: each hour's start with its 60 minutes, an hour once for each part of history.
    pub fn hours(&self, tenant: i32, mut each: impl FnMut(Millis, &[Sums])) -> Result<()> {
        let first = self.rows.partition_point(|row| row.tenant_id < tenant);
        for row in self.rows[first..].iter().take_while(|row| row.tenant_id == tenant) {
            each(row.start_at.timestamp_millis(), &row.unpack(BLOCK_MINUTES)?);
        }
        Ok(())
    }
}
