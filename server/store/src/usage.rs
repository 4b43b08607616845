//! Exact sums over any range that falls on stored steps.
//!
//! Whole days come from the day rows, what is left at either end from the coarsest finer step that
//! has its boundary there, so that the answer does not change when fine history is dropped.

use crate::history::{self, ALL_TENANTS};
use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::occupancy::Sums;
use headroom_domain::series::{Step, ceil, floor};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// Sums that may exceed 64 bits over many pools and years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WideSums {
    /// Capacity, slot-milliseconds.
    pub capacity_slot_ms: i128,
    /// Occupied, slot-milliseconds.
    pub occupied_slot_ms: i128,
    /// Reserved, slot-milliseconds.
    pub reserved_slot_ms: i128,
    /// Reserved and idle, slot-milliseconds.
    pub reserved_idle_slot_ms: i128,
    /// Observed milliseconds.
    pub observed_ms: i128,
    /// Milliseconds at or above capacity.
    pub saturated_ms: i128,
    /// Greatest number of slots occupied at once.
    pub max_occupied: i64,
    /// Claims.
    pub claims: i128,
    /// Rejected claims.
    pub rejections: i128,
    /// Claims that waited.
    pub waited: i128,
    /// Milliseconds waited.
    pub queue_ms: i128,
}

impl WideSums {
    /// Adds one stretch.
    pub fn add(&mut self, s: &Sums) {
        self.capacity_slot_ms += i128::from(s.capacity_slot_ms);
        self.occupied_slot_ms += i128::from(s.occupied_slot_ms);
        self.reserved_slot_ms += i128::from(s.reserved_slot_ms);
        self.reserved_idle_slot_ms += i128::from(s.reserved_idle_slot_ms);
        self.observed_ms += i128::from(s.observed_ms);
        self.saturated_ms += i128::from(s.saturated_ms);
        self.max_occupied = self.max_occupied.max(s.max_occupied);
        self.claims += i128::from(s.claims);
        self.rejections += i128::from(s.rejections);
        self.waited += i128::from(s.waited);
        self.queue_ms += i128::from(s.queue_ms);
    }

    /// Adds sums over many stretches: the greatest number of slots among them, then the sums in the order of the fields.
    fn add_wide(&mut self, max_occupied: i64, sums: [i128; 10]) {
        let [capacity, occupied, reserved, idle, observed, saturated, claims, rejections, waited, queue] = sums;
        self.capacity_slot_ms += capacity;
        self.occupied_slot_ms += occupied;
        self.reserved_slot_ms += reserved;
        self.reserved_idle_slot_ms += idle;
        self.observed_ms += observed;
        self.saturated_ms += saturated;
        self.max_occupied = self.max_occupied.max(max_occupied);
        self.claims += claims;
        self.rejections += rejections;
        self.waited += waited;
        self.queue_ms += queue;
    }

    /// Slot-time as a share of another, `None` where that is not positive.
    pub fn share(part: i128, whole: i128) -> Option<f64> {
        (whole > 0).then(|| part as f64 / whole as f64)
    }
}

/// Which series to sum.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Pools; `None` = every pool there is (not the total over pools).
    pub pools: Option<Vec<i32>>,
    /// Tenants (0 = the pool's own total); `None` = every tenant and the total.
    pub tenants: Option<Vec<i32>>,
}

/// Why a range has no exact answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStored {
    /// The instant asked for.
    pub at: Millis,
    /// The nearest stored boundary before it.
    pub before: Millis,
    /// The nearest stored boundary after it.
    pub after: Millis,
}

#[derive(FromRow)]
struct DayRow {
    pool_id: i32,
    tenant_id: i32,
    start_at: DateTime<Utc>,
    capacity_slot_ms: i64,
    occupied_slot_ms: i64,
    reserved_slot_ms: i64,
    reserved_idle_slot_ms: i64,
    observed_ms: i64,
    saturated_ms: i64,
    max_occupied: i64,
    claims: i64,
    rejections: i64,
    waited: i64,
    queue_ms: i64,
}

impl DayRow {
    fn sums(&self) -> Sums {
        Sums {
            capacity_slot_ms: self.capacity_slot_ms,
            occupied_slot_ms: self.occupied_slot_ms,
            reserved_slot_ms: self.reserved_slot_ms,
            reserved_idle_slot_ms: self.reserved_idle_slot_ms,
            observed_ms: self.observed_ms,
            saturated_ms: self.saturated_ms,
            max_occupied: self.max_occupied,
            claims: self.claims,
            rejections: self.rejections,
            waited: self.waited,
            queue_ms: self.queue_ms,
        }
    }
}

/// Day rows in `[from, to)`: (pool, tenant, start of the UTC day) and sums over all visible parts.
pub async fn days(
    conn: &mut PgConnection,
    wanted: &Wanted,
    from: Option<Millis>,
    to: Option<Millis>,
) -> Result<BTreeMap<(i32, i32, Millis), Sums>> {
    let rows: Vec<DayRow> = sqlx::query_as(
        "SELECT pool_id, tenant_id, start_at, capacity_slot_ms, occupied_slot_ms, reserved_slot_ms, reserved_idle_slot_ms,
                observed_ms, saturated_ms, max_occupied, claims, rejections, waited, queue_ms
         FROM occ_1d
         WHERE pool_id = ANY($1) AND ($2::int[] IS NULL OR tenant_id = ANY($2))
           AND ($3::timestamptz IS NULL OR start_at >= $3) AND ($4::timestamptz IS NULL OR start_at < $4)
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))",
    )
    .bind(pools_of(&mut *conn, wanted).await?)
    .bind(wanted.tenants.as_ref())
    .bind(from.map(timestamp))
    .bind(to.map(timestamp))
    .fetch_all(conn)
    .await?;
    let mut out: BTreeMap<(i32, i32, Millis), Sums> = BTreeMap::new();
    for row in rows {
        out.entry((row.pool_id, row.tenant_id, row.start_at.timestamp_millis())).or_default().add(&row.sums());
    }
    Ok(out)
}

async fn pools_of(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<i32>> {
    match &wanted.pools {
        Some(pools) => Ok(pools.clone()),
        None => Ok(sqlx::query_scalar("SELECT pool_id FROM pool").fetch_all(conn).await?),
    }
}

/// Sums per (pool, tenant) over `[from, to)`; an open end means everything stored.
///
/// The outer result is the database's; the inner one is [`NotStored`] where an end falls between
/// stored steps.
pub async fn sums(
    conn: &mut PgConnection,
    wanted: &Wanted,
    from: Option<Millis>,
    to: Option<Millis>,
) -> Result<Result<BTreeMap<(i32, i32), WideSums>, NotStored>> {
    let mut out: BTreeMap<(i32, i32), WideSums> = BTreeMap::new();
    for end in [from, to].into_iter().flatten() {
        if end.rem_euclid(Step::Minute.ms()) != 0 {
            let step = Step::Minute.ms();
            return Ok(Err(NotStored { at: end, before: floor(end, step), after: ceil(end, step) }));
        }
    }
    let first_day = from.map(|at| ceil(at, DAY_MS));
    let last_day = to.map(|at| floor(at, DAY_MS));
    if first_day.zip(last_day).is_none_or(|(first, last)| first < last) {
        whole_days(conn, wanted, first_day, last_day, &mut out).await?;
    }
    let mut edges = Vec::new();
    match (from, to) {
        (Some(from), Some(to)) if floor(from, DAY_MS) == floor(to, DAY_MS) => edges.push((from, to)),
        _ => {
            edges.extend(from.filter(|at| at.rem_euclid(DAY_MS) != 0).map(|at| (at, ceil(at, DAY_MS))));
            edges.extend(to.filter(|at| at.rem_euclid(DAY_MS) != 0).map(|at| (floor(at, DAY_MS), at)));
        }
    }
    for (start, end) in edges {
        if let Err(not_stored) = add_edge(conn, wanted, start, end, &mut out).await? {
            return Ok(Err(not_stored));
        }
    }
    Ok(Ok(out))
}

/// Adds whole days, summed by the database: a ranking of 200 tenants over a quarter is 200 rows and not 18,000.
async fn whole_days(
    conn: &mut PgConnection,
    wanted: &Wanted,
    from: Option<Millis>,
    to: Option<Millis>,
    out: &mut BTreeMap<(i32, i32), WideSums>,
) -> Result<()> {
    // Sums of bigint are numeric, wider than any integer the driver knows, so they travel as text.
    let rows: Vec<WideRow> = sqlx::query_as(
        "SELECT pool_id, tenant_id, max(max_occupied) AS max_occupied,
                ARRAY[sum(capacity_slot_ms), sum(occupied_slot_ms), sum(reserved_slot_ms), sum(reserved_idle_slot_ms),
                      sum(observed_ms), sum(saturated_ms), sum(claims), sum(rejections), sum(waited), sum(queue_ms)]::text[] AS sums
         FROM occ_1d
         WHERE pool_id = ANY($1) AND ($2::int[] IS NULL OR tenant_id = ANY($2))
           AND ($3::timestamptz IS NULL OR start_at >= $3) AND ($4::timestamptz IS NULL OR start_at < $4)
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
         GROUP BY pool_id, tenant_id",
    )
    .bind(pools_of(&mut *conn, wanted).await?)
    .bind(wanted.tenants.as_ref())
    .bind(from.map(timestamp))
    .bind(to.map(timestamp))
    .fetch_all(conn)
    .await?;
    for row in rows {
        let sums: Vec<i128> = row.sums.iter().filter_map(|text| text.parse().ok()).collect();
        let Ok(sums) = <[i128; 10]>::try_from(sums) else {
            let what = format!("days of pool {} and tenant {}", row.pool_id, row.tenant_id);
            return Err(StoreError::Damaged { what, problem: "its sums are no whole numbers".into() });
        };
        out.entry((row.pool_id, row.tenant_id)).or_default().add_wide(row.max_occupied, sums);
    }
    Ok(())
}

#[derive(FromRow)]
struct WideRow {
    pool_id: i32,
    tenant_id: i32,
    max_occupied: i64,
    sums: Vec<String>,
}

/// Adds a piece of one day.
async fn add_edge(
    conn: &mut PgConnection,
    wanted: &Wanted,
    start: Millis,
    end: Millis,
    out: &mut BTreeMap<(i32, i32), WideSums>,
) -> Result<Result<(), NotStored>> {
    if start >= end {
        return Ok(Ok(()));
    }
    let pools = pools_of(&mut *conn, wanted).await?;
    let tenants = if let Some(tenants) = &wanted.tenants {
        tenants.clone()
    } else {
        let mut all: Vec<i32> = sqlx::query_scalar("SELECT tenant_id FROM tenant").fetch_all(&mut *conn).await?;
        all.push(ALL_TENANTS);
        all
    };
    let whole_hours = (ceil(start, HOUR_MS), floor(end, HOUR_MS));
    let mut pieces = Vec::new();
    if whole_hours.0 < whole_hours.1 {
        pieces.push((Step::Hour, whole_hours.0, whole_hours.1));
        pieces.push((Step::Minute, start, whole_hours.0));
        pieces.push((Step::Minute, whole_hours.1, end));
    } else {
        pieces.push((Step::Minute, start, end));
    }
    for (step, from, to) in pieces {
        if from >= to {
            continue;
        }
        // Five-minute blocks outlive minutes, so they serve wherever the boundaries allow.
        let step = if step == Step::Minute {
            Step::aligned(from, to).unwrap_or(Step::Minute).min(Step::FiveMinutes)
        } else {
            step
        };
        let found = history::series(conn, step, &pools, &tenants, from, to).await?;
        if step != Step::Hour {
            let hour = floor(from, HOUR_MS);
            let hours = history::series(conn, Step::Hour, &pools, &tenants, hour, hour + HOUR_MS).await?;
            let dropped = hours.iter().any(|(key, series)| !series.total().is_empty() && !found.contains_key(key));
            if dropped {
                let coarser = if step == Step::Minute { Step::FiveMinutes } else { Step::Hour };
                let at = if from.rem_euclid(coarser.ms()) == 0 { to } else { from };
                return Ok(Err(NotStored { at, before: floor(at, coarser.ms()), after: ceil(at, coarser.ms()) }));
            }
        }
        for (key, series) in found {
            for (i, point) in series.points.iter().enumerate() {
                let at = series.start_ms + i as i64 * series.step_ms;
                if at >= from && at < to {
                    out.entry((key.pool, key.tenant)).or_default().add(point);
                }
            }
        }
    }
    Ok(Ok(()))
}

/// Occupied slot-milliseconds of tenants over all pools, to the hour: whole days from day rows, the ends from hours.
/// This is what a ranking asks for, and nothing else is added up for it.
pub async fn tenant_use(conn: &mut PgConnection, from: Millis, to: Millis) -> Result<BTreeMap<i32, i128>> {
    let (from, to) = (floor(from, HOUR_MS), ceil(to, HOUR_MS));
    let (first_day, last_day) = (ceil(from, DAY_MS), floor(to, DAY_MS));
    let mut out: BTreeMap<i32, i128> = BTreeMap::new();
    let mut ends = vec![(from, to)];
    if first_day < last_day {
        ends = vec![(from, first_day), (last_day, to)];
        let rows: Vec<(i32, String)> = sqlx::query_as(
            "SELECT tenant_id, sum(occupied_slot_ms)::text FROM occ_1d
             WHERE pool_id = $1 AND tenant_id <> $2 AND start_at >= $3 AND start_at < $4
               AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
             GROUP BY tenant_id",
        )
        .bind(history::ALL_POOLS)
        .bind(ALL_TENANTS)
        .bind(timestamp(first_day))
        .bind(timestamp(last_day))
        .fetch_all(&mut *conn)
        .await?;
        for (tenant, sum) in rows {
            let damaged = |e: std::num::ParseIntError| StoreError::Damaged {
                what: format!("days of tenant {tenant}"),
                problem: e.to_string(),
            };
            out.insert(tenant, sum.parse().map_err(damaged)?);
        }
    }
    let tenants: Vec<i32> = sqlx::query_scalar("SELECT tenant_id FROM tenant").fetch_all(&mut *conn).await?;
    for (start, end) in ends.into_iter().filter(|(start, end)| start < end) {
        for (key, series) in history::series(conn, Step::Hour, &[history::ALL_POOLS], &tenants, start, end).await? {
            let hours = series.points.iter().enumerate();
            let within = hours.filter(|(i, _)| (start..end).contains(&(series.start_ms + *i as i64 * series.step_ms)));
            *out.entry(key.tenant).or_default() += within.map(|(_, p)| i128::from(p.occupied_slot_ms)).sum::<i128>();
        }
    }
    Ok(out)
}
