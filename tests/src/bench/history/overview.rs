//! The time of `/overview` with 10,000 pools.
//!
//! Their history is written as the service writes it, but a day at a time from a few days that were made once: every pool
//! has one of eight sizes and goes through four kinds of day. The totals over pools are the sums of exactly these.

use anyhow::{Context, Result, ensure};
use headroom_domain::occupancy::{FIELDS, Sums};
use headroom_domain::packed::pack_sums;
use headroom_domain::series::Step;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::partition::{self, Cut};
use reqwest::header::ACCEPT_ENCODING;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Connection, Executor, PgConnection};
use std::time::Instant;

use super::{Options, plain_client};
use crate::bench::figures::{Goal, Report, median, percentile, short};
use crate::bench::place::{self, Place};
use crate::bench::rows::{Fleet, Row, TENANTS_A_POOL};
use crate::people;

const GOAL: Goal = Goal::AtMost(50.0);
const SEED: u64 = 4;

const POOLS: usize = 10_000;
const TENANTS: usize = 200;
/// Tenants of a pool are this far apart.
const APART: usize = TENANTS / TENANTS_A_POOL;
const SIZES: usize = 8;
const KINDS_OF_DAY: usize = 4;
const TEMPLATES: usize = SIZES * KINDS_OF_DAY;

/// The page shows 45 days and compares them with the 45 before.
const FULL_DAYS: i64 = 91;
const QUICK_DAYS: i64 = 46;

const WARM: usize = 20;
const REQUESTS: usize = 300;

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let days = if options.quick { QUICK_DAYS } else { FULL_DAYS };
    let place = Place::new(&[])?;
    people::prepare_at(place.folder()).await?;
    let mut connection = place.connect().await?;
    report.step(&format!("writing {days} days of {POOLS} pools"));
    let now = headroom_store::now(&mut connection).await?;
    fill(&mut connection, now, days, report).await?;
    place::settle(&mut connection).await?;
    let sizes = place::history_bytes(&mut connection).await?;
    let total: i64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    let now = headroom_store::now(&mut connection).await?;
    present(&mut connection, now).await?;

    report.step(&format!("asking for /overview {WARM} and {REQUESTS} times"));
    let client = plain_client()?;
    let address = place.service().at("/overview");
    let (mut times, mut cold, mut bytes) = (Vec::new(), 0.0, 0);
    for request in 0..WARM + REQUESTS {
        let start = Instant::now();
        // As a browser asks.
        let answer = client.get(&address).header(ACCEPT_ENCODING, "gzip, deflate, br").send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let ms = 1000.0 * start.elapsed().as_secs_f64();
        ensure!(status.is_success(), "{address} says {status}");
        bytes = body.len();
        if request == 0 {
            cold = ms;
        }
        if request >= WARM {
            times.push(ms);
        }
    }
    let page = client.get(&address).send().await?.text().await?;
    ensure!(page.contains("10,000"), "the page does not show {POOLS} pools");
    report.note(format!(
        "overview: {POOLS} pools, {TENANTS} tenants, {days} days, {}B of history; {REQUESTS} requests after {WARM}, one at a \
         time: p50 {} ms, slowest {} ms, the very first {} ms; {bytes} B compressed",
        short(total as f64),
        short(median(&times)),
        short(percentile(&times, 100.0)),
        short(cold)
    ));
    report.value("page time of /overview, p95", percentile(&times, 95.0), "ms", GOAL);
    place.end()
}

/// A day of one pool: its five minutes, and the hours of itself and of its tenants.
#[derive(Debug, Clone)]
struct Day {
    five: Vec<Sums>,
    /// The pool's own first.
    hours: Vec<Vec<Sums>>,
}

impl Day {
    fn empty() -> Self {
        let hours = vec![vec![Sums::default(); Step::Hour.block_points()]; 1 + TENANTS_A_POOL];
        Self { five: vec![Sums::default(); Step::FiveMinutes.block_points()], hours }
    }

    /// Adds a minute of the day: the pool's own row and its tenants'.
    fn add(&mut self, time: Millis, rows: &[Row]) {
        let idle = |row: &Row| (row.reserved - row.occupied).max(0);
        for (series, row) in rows.iter().enumerate() {
            let own = row.tenant.is_none();
            let idle = if own { rows[1..].iter().map(idle).sum() } else { idle(row) };
            let sums = Sums {
                capacity_slot_ms: if own { row.capacity * MINUTE_MS } else { 0 },
                occupied_slot_ms: row.occupied * MINUTE_MS,
                reserved_slot_ms: row.reserved * MINUTE_MS,
                reserved_idle_slot_ms: idle * MINUTE_MS,
                observed_ms: MINUTE_MS,
                saturated_ms: if own && row.occupied >= row.capacity { MINUTE_MS } else { 0 },
                max_occupied: row.occupied,
                claims: row.claims,
                rejections: row.rejections,
                ..Sums::default()
            };
            self.hours[series][(time / HOUR_MS) as usize].add(&sums);
            if own {
                self.five[(time / Step::FiveMinutes.ms()) as usize].add(&sums);
            }
        }
    }
}

/// The days that pools go through, cut off after `length` of the day.
fn templates(length: Millis) -> Vec<Day> {
    let mut days = vec![Day::empty(); TEMPLATES];
    let (mut fleet, mut rows) = (Fleet::new(SEED, SIZES), Vec::new());
    for kind in 0..KINDS_OF_DAY {
        let mut time = 0;
        while time < DAY_MS {
            fleet.minute(time, &mut rows);
            for (size, pool) in rows.chunks(1 + TENANTS_A_POOL).enumerate().filter(|_| time < length) {
                days[size * KINDS_OF_DAY + kind].add(time, pool);
            }
            time += MINUTE_MS;
        }
    }
    days
}

/// Which day a pool has, and below the same in SQL.
fn template(pool: usize, day: usize) -> usize {
    pool % SIZES * KINDS_OF_DAY + (pool / SIZES + day) % KINDS_OF_DAY
}

const TEMPLATE: &str = "p % 8 * 4 + (p / 8 + i) % 4";

/// The key of a pool's tenant, and below the same in SQL.
fn tenant(pool: usize, place: usize) -> usize {
    1 + (pool + APART * place) % TENANTS
}

const TENANT: &str = "CASE WHEN t.series = 0 THEN 0 ELSE 1 + (p + 40 * (t.series - 1)) % 200 END";

/// Pools, tenants and `days` of history up to now.
async fn fill(connection: &mut PgConnection, now: Millis, days: i64, report: &Report) -> Result<()> {
    let today = now.div_euclid(DAY_MS) * DAY_MS;
    let first = today - (days - 1) * DAY_MS;
    let (whole, cut) = (templates(DAY_MS), templates((now - today) / MINUTE_MS * MINUTE_MS));
    let mut tx = connection.begin().await?;
    tx.execute("SET LOCAL synchronous_commit = off").await?;
    things(&mut tx, first).await?;
    partition::ensure(&mut tx, Cut::FiveMinutes, first, now).await?;
    write_templates(&mut tx, &whole, &cut).await?;
    let last = days - 1;
    let day = |i: &str| format!("$1::timestamptz + {i} * interval '1 day'");
    let from = format!(
        "FROM generate_series(0, $2::int) AS i CROSS JOIN generate_series(1, {POOLS}) AS p
         JOIN template t ON t.template = {TEMPLATE} AND t.cut = (i = $2::int)"
    );
    let keys = format!("p, {TENANT}, {}, 0", day("i"));
    let statements = [
        format!("INSERT INTO occ_5m SELECT {keys}, t.five {from} AND t.series = 0 ORDER BY i, p"),
        format!("INSERT INTO occ_1h SELECT {keys}, t.hours {from} AND t.series = 0 ORDER BY i, p"),
        format!(
            "INSERT INTO occ_1d SELECT {keys}, f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11] {from}
             ORDER BY i, p, t.series"
        ),
    ];
    for (statement, what) in statements.into_iter().zip(["five minutes", "hours", "days"]) {
        report.step(&format!("writing their {what}"));
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(at(first)).bind(last as i32).execute(&mut *tx).await?;
    }
    report.step("writing the totals over pools");
    for i in 0..days {
        let day = if i == last { &cut } else { &whole };
        write_totals(&mut tx, first + i * DAY_MS, i as usize, day).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn at(ms: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// Pools with a price, tenants with quotas, a change a day.
async fn things(connection: &mut PgConnection, first: Millis) -> Result<()> {
    let statements = [
        format!(
            "INSERT INTO pool (id, slug, name, kind, unit_cost_micros, feed_period_ms)
             SELECT gen_random_uuid(), 'pool-' || n, 'Pool ' || n, 'fixed', 20000 + n, 60000 FROM generate_series(1, {POOLS}) AS n"
        ),
        format!(
            "INSERT INTO tenant (id, slug, name)
             SELECT gen_random_uuid(), 'tenant-' || n, 'Tenant ' || n FROM generate_series(1, {TENANTS}) AS n"
        ),
        "INSERT INTO quota (pool_id, tenant_id, slots)
         SELECT p.pool_id, 1 + (p.pool_id + 40 * k) % 200, 200 FROM pool p CROSS JOIN generate_series(0, 4) AS k"
            .to_owned(),
    ];
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    sqlx::query(
        "INSERT INTO pool_capacity (pool_id, from_at, configured, actor) SELECT pool_id, $1, 500, 'measurement' FROM pool",
    )
    .bind(at(first))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO change_event (change_id, at, kind, pool_id, title, source)
         SELECT gen_random_uuid(), $1 + n * interval '1 day', 'deploy', n * 50 + 1, 'Release ' || n, 'measurement'
         FROM generate_series(0, 90) AS n",
    )
    .bind(at(first))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_templates(connection: &mut PgConnection, whole: &[Day], cut: &[Day]) -> Result<()> {
    connection
        .execute("CREATE TEMPORARY TABLE template (cut bool, template int, series int, five bytea, hours bytea, f bigint[]) ON COMMIT DROP")
        .await?;
    for (is_cut, days) in [(false, whole), (true, cut)] {
        for (template, day) in days.iter().enumerate() {
            for (series, hours) in day.hours.iter().enumerate() {
                let total: Sums = hours.iter().sum();
                sqlx::query("INSERT INTO template VALUES ($1, $2, $3, $4, $5, $6)")
                    .bind(is_cut)
                    .bind(template as i32)
                    .bind(series as i32)
                    .bind((series == 0).then(|| pack_sums(&day.five)))
                    .bind(pack_sums(hours))
                    .bind(total.to_fields().to_vec())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    connection.execute("ANALYZE template").await?;
    Ok(())
}

/// So many times the same; a total over pools has no maximum of its own.
fn add_times(into: &mut [Sums], points: &[Sums], times: i64) {
    for (sum, point) in into.iter_mut().zip(points) {
        sum.add(&Sums { max_occupied: 0, ..Sums::from_fields(point.to_fields().map(|field| field * times)) });
    }
}

/// The total over pools and the tenants' totals over pools of one day.
async fn write_totals(connection: &mut PgConnection, start: Millis, day: usize, days: &[Day]) -> Result<()> {
    let mut pools_by_template = [0_i64; TEMPLATES];
    // By tenant, template and place among the pool's tenants.
    let mut of_tenants = vec![[[0_i64; TENANTS_A_POOL]; TEMPLATES]; 1 + TENANTS];
    for pool in 1..=POOLS {
        let template = template(pool, day);
        pools_by_template[template] += 1;
        for place in 0..TENANTS_A_POOL {
            of_tenants[tenant(pool, place)][template][place] += 1;
        }
    }
    let mut five = vec![Sums::default(); Step::FiveMinutes.block_points()];
    let mut hours = vec![vec![Sums::default(); Step::Hour.block_points()]; 1 + TENANTS];
    for (template, of_day) in days.iter().enumerate() {
        add_times(&mut five, &of_day.five, pools_by_template[template]);
        add_times(&mut hours[0], &of_day.hours[0], pools_by_template[template]);
        for (tenant, counts) in of_tenants.iter().enumerate() {
            for (place, times) in counts[template].iter().enumerate().filter(|(_, times)| **times > 0) {
                add_times(&mut hours[tenant], &of_day.hours[1 + place], *times);
            }
        }
    }
    sqlx::query("INSERT INTO occ_5m VALUES (0, 0, $1, 0, $2)")
        .bind(at(start))
        .bind(pack_sums(&five))
        .execute(&mut *connection)
        .await?;
    let packed: Vec<Vec<u8>> = hours.iter().map(|hours| pack_sums(hours)).collect();
    sqlx::query("INSERT INTO occ_1h SELECT 0, n - 1, $1, 0, d FROM unnest($2::bytea[]) WITH ORDINALITY AS r(d, n)")
        .bind(at(start))
        .bind(&packed)
        .execute(&mut *connection)
        .await?;
    let totals: Vec<[i64; FIELDS]> = hours.iter().map(|hours| hours.iter().sum::<Sums>().to_fields()).collect();
    let column = |field: usize| -> Vec<i64> { totals.iter().map(|fields| fields[field]).collect() };
    let mut insert = sqlx::query(
        "INSERT INTO occ_1d SELECT 0, n - 1, $1, 0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
             $10::bigint[], $11::bigint[], $12::bigint[]) WITH ORDINALITY AS r(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, n)",
    )
    .bind(at(start));
    for field in 0..FIELDS {
        insert = insert.bind(column(field));
    }
    insert.execute(connection).await.context("the totals of a day")?;
    Ok(())
}

/// The last values: nearly all pools have just told, some are silent, some are over their capacity.
async fn present(connection: &mut PgConnection, now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO occ_current (pool_id, tenant_id, at, duration_ms, capacity, planned_down, occupied, reserved)
         SELECT p.pool_id, CASE WHEN k = 0 THEN 0 ELSE 1 + (p.pool_id + 40 * (k - 1)) % 200 END,
                $1 - CASE WHEN p.pool_id % 997 = 0 THEN interval '1 hour' ELSE interval '1 minute' END, 60000,
                CASE WHEN k = 0 THEN 500 ELSE 0 END, 0,
                CASE WHEN k > 0 THEN 70 WHEN p.pool_id % 1999 = 0 THEN 505 ELSE 350 END, 60
         FROM pool p CROSS JOIN generate_series(0, 5) AS k",
    )
    .bind(at(now))
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO pool_newest SELECT pool_id, $1 FROM pool").bind(at(now)).execute(&mut *connection).await?;
    connection.execute("ANALYZE").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_day_of_a_pool_and_its_tenants() {
        let (whole, cut) = (templates(DAY_MS), templates(90 * MINUTE_MS));
        for (day, beginning) in whole.iter().zip(&cut) {
            let (five, hours): (Sums, Sums) = (day.five.iter().sum(), day.hours[0].iter().sum());
            assert_eq!((five, five.observed_ms), (hours, DAY_MS));
            let tenants: i64 = day.hours[1..].iter().flatten().map(|sums| sums.occupied_slot_ms).sum();
            assert_eq!(tenants, five.occupied_slot_ms);
            assert_eq!(beginning.hours[0].iter().sum::<Sums>().observed_ms, 90 * MINUTE_MS);
            assert_eq!(beginning.five[..18], day.five[..18]);
        }
    }

    #[test]
    fn no_tenant_is_in_a_pool_twice() {
        for pool in 1..=TENANTS {
            let mut tenants: Vec<usize> = (0..TENANTS_A_POOL).map(|place| tenant(pool, place)).collect();
            tenants.sort_unstable();
            tenants.dedup();
            assert_eq!(tenants.len(), TENANTS_A_POOL);
        }
    }
}
