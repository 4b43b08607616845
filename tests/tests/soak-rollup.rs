//! The packed history equals what plain SQL says over a plain table of the same samples, at every step.

use anyhow::{Result, ensure};
use headroom_domain::occupancy::Sums;
use headroom_domain::series::{Step, boundaries};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_server::app::App;
use headroom_server::app::caller::Caller;
use headroom_server::app::ingest::Form;
use headroom_server::clock::seeded;
use headroom_server::db::Db;
use headroom_server::jobs::rollup;
use headroom_server::zones;
use headroom_store::history;
use headroom_store::usage::{Wanted, days};
use headroom_tests::database::Database;
use headroom_tests::soak;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use sqlx::{Connection, FromRow, PgConnection};
use std::collections::BTreeMap;
use std::sync::Arc;

const TENANTS: i32 = 3;

/// A sample as the plain table has it; tenant 0 is the pool.
#[derive(Debug, Clone, Default)]
struct Plain {
    tenant: i32,
    at: Millis,
    ms: i64,
    capacity: i64,
    occupied: i64,
    reserved: i64,
    idle: i64,
    claims: i64,
    rejections: i64,
    waited: i64,
    queue_ms: i64,
}

#[derive(FromRow)]
struct PlainSums {
    tenant: i32,
    start: Millis,
    capacity: i64,
    occupied: i64,
    reserved: i64,
    idle: i64,
    observed: i64,
    saturated: i64,
    most: i64,
    claims: i64,
    rejections: i64,
    waited: i64,
    queue_ms: i64,
}

type Found = BTreeMap<(i32, Millis), Sums>;

/// A random series of a pool around the end of `now`: gaps, overlaps, odd lengths, tenants that come and go.
/// Returns rows as they are sent, by instant, and the plain samples they mean.
fn random_series(rng: &mut StdRng, now: Millis) -> (Vec<Vec<Value>>, Vec<Plain>) {
    let (mut sent, mut plain) = (Vec::new(), Vec::new());
    let mut at = now - rng.random_range(30..47) * HOUR_MS;
    let promised = [4, 0, 7];
    while at < now {
        let ms = *[1, 999, 10_000, 60_000, 61_001, 300_000, 2 * HOUR_MS].get(rng.random_range(0..7)).unwrap_or(&10_000);
        let capacity = rng.random_range(0..40);
        let mut rows = Vec::new();
        let mut total = Plain { at, ms, capacity, ..Plain::default() };
        let present: Vec<i32> = (1..=TENANTS).filter(|_| rng.random_bool(0.7)).collect();
        for tenant in 1..=TENANTS {
            let reserved = promised[tenant as usize - 1];
            let mut one = Plain { tenant, at, ms, reserved, ..Plain::default() };
            if present.contains(&tenant) {
                one.occupied = rng.random_range(0..20);
                one.claims = rng.random_range(0..1_000_000);
                one.rejections = rng.random_range(0..=one.claims);
                one.waited = rng.random_range(0..=one.claims - one.rejections);
                one.queue_ms = rng.random_range(0..1_000_000_000);
                rows.push(json!({
                    "pool": "p", "tenant": format!("t{tenant}"), "ts_ms": at, "duration_ms": ms, "capacity": capacity,
                    "occupied": one.occupied, "claims": one.claims, "rejections": one.rejections, "waited": one.waited,
                    "queue_ms": one.queue_ms,
                }));
            } else if reserved == 0 || present.is_empty() {
                continue;
            }
            one.idle = (one.reserved - one.occupied).max(0);
            total.occupied += one.occupied;
            total.reserved += one.reserved;
            total.idle += one.idle;
            total.claims += one.claims;
            total.rejections += one.rejections;
            total.waited += one.waited;
            total.queue_ms += one.queue_ms;
            plain.push(one);
        }
        if !rows.is_empty() {
            plain.push(total);
            sent.push(rows);
        }
        // Next to it, over it, or after a gap.
        at += match rng.random_range(0..10) {
            0 => rng.random_range(1..3 * HOUR_MS),
            1 => rng.random_range(1..=ms),
            _ => ms,
        };
        at += rng.random_range(0..2);
    }
    (sent, plain)
}

async fn plain_sums(conn: &mut PgConnection, step: Step) -> Result<Found> {
    let rows: Vec<PlainSums> = sqlx::query_as(
        "with minute as (
             select s.*, m.start as minute from plain s
             cross join lateral generate_series(at / 60000 * 60000, (at + ms - 1) / 60000 * 60000, 60000) as m(start)),
         piece as (
             select *, least(at + ms, minute + 60000) - greatest(at, minute) as span, minute = at / 60000 * 60000 as is_first from minute)
         select tenant, minute / $1 * $1 as start,
                sum(capacity * span)::bigint as capacity, sum(occupied * span)::bigint as occupied, sum(reserved * span)::bigint as reserved,
                sum(idle * span)::bigint as idle, sum(span)::bigint as observed,
                sum(case when tenant = 0 and capacity > 0 and occupied >= capacity then span else 0 end)::bigint as saturated,
                max(occupied) as most,
                sum(case when is_first then claims else 0 end)::bigint as claims,
                sum(case when is_first then rejections else 0 end)::bigint as rejections,
                sum(case when is_first then waited else 0 end)::bigint as waited,
                sum(case when is_first then queue_ms else 0 end)::bigint as queue_ms
         from piece group by 1, 2",
    )
    .bind(step.ms())
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let sums = Sums {
                capacity_slot_ms: r.capacity,
                occupied_slot_ms: r.occupied,
                reserved_slot_ms: r.reserved,
                reserved_idle_slot_ms: r.idle,
                observed_ms: r.observed,
                saturated_ms: r.saturated,
                max_occupied: r.most,
                claims: r.claims,
                rejections: r.rejections,
                waited: r.waited,
                queue_ms: r.queue_ms,
            };
            ((r.tenant, r.start), sums)
        })
        .collect())
}

async fn packed_sums(
    conn: &mut PgConnection,
    pool: i32,
    tenants: &[i32],
    step: Step,
    from: Millis,
    to: Millis,
) -> Result<Found> {
    if step == Step::Day {
        let wanted = Wanted { pools: Some(vec![pool]), tenants: None };
        return Ok(days(conn, &wanted, None, None)
            .await?
            .into_iter()
            .map(|((_, tenant, day), s)| ((tenant, day), s))
            .collect());
    }
    let mut found = Found::new();
    for (key, series) in history::series(conn, step, &[pool], tenants, from, to).await? {
        for (i, sums) in series.points.iter().enumerate().filter(|(_, sums)| !sums.is_empty()) {
            found.insert((key.tenant, series.start_ms + i as i64 * step.ms()), *sums);
        }
    }
    Ok(found)
}

/// Sends a random world around `now` in shuffled batches with rollups in between and compares every step.
/// `spoil` may change the plain table before the comparison.
async fn compare(seed: u64, now: Millis, spoil: Option<&'static str>) -> Result<bool> {
    let mut rng = seeded(seed);
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    let real = headroom_store::now(&mut conn).await?;
    headroom_store::set_test_clock(&mut conn, now - real).await?;
    let pool: i32 = sqlx::query_scalar(
        "insert into pool (id, slug, name, kind) values (gen_random_uuid(), 'p', 'p', 'fixed') returning pool_id",
    )
    .fetch_one(&mut conn)
    .await?;
    let mut tenants = vec![0];
    for (tenant, reserved) in (1..=TENANTS).zip([4, 0, 7]) {
        let key: i32 = sqlx::query_scalar(
            "insert into tenant (id, slug, name) values (gen_random_uuid(), $1, $1) returning tenant_id",
        )
        .bind(format!("t{tenant}"))
        .fetch_one(&mut conn)
        .await?;
        tenants.push(key);
        if reserved > 0 {
            sqlx::query(
                "with made as (
                     insert into reservation (reservation_id, pool_id, tenant_id, name, terms, from_at)
                     values (gen_random_uuid(), $1, $2, 'r-' || $2, '{}', to_timestamp(0)) returning reservation_id)
                 insert into promise (reservation_id, pool_id, tenant_id, during, baseline)
                 select reservation_id, $1, $2, tstzrange(to_timestamp(0), null), $3 from made",
            )
            .bind(pool)
            .bind(key)
            .bind(reserved)
            .execute(&mut conn)
            .await?;
        }
    }

    let (mut sent, plain) = random_series(&mut rng, now);
    // Late data: instants come in any order, some long after their neighbours were rolled up.
    sent.shuffle(&mut rng);
    let app = App::new(Db::connect(&database.url().parse()?)).acting(Arc::new(Caller::machine("job")));
    let mut seq = 0;
    while !sent.is_empty() {
        let rows: Vec<Value> = sent.drain(..rng.random_range(1..=sent.len().min(60))).flatten().collect();
        let body = json!({"source": "s", "seq": seq, "rows": rows}).to_string().into_bytes();
        let receipt = app.accept_batch(Form::Json, body).await?;
        ensure!(receipt.rejected == 0, "seed {seed}: {:?}", receipt.verdicts);
        seq += 1;
        if rng.random_bool(0.5) {
            rollup::run(&app.db).await?;
        }
    }
    rollup::run(&app.db).await?;

    sqlx::query(
        "create table plain (tenant int, at bigint, ms bigint, capacity bigint, occupied bigint, reserved bigint, idle bigint,
             claims bigint, rejections bigint, waited bigint, queue_ms bigint)",
    )
    .execute(&mut conn)
    .await?;
    for p in &plain {
        sqlx::query("insert into plain values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(tenants[p.tenant as usize])
            .bind(p.at)
            .bind(p.ms)
            .bind(p.capacity)
            .bind(p.occupied)
            .bind(p.reserved)
            .bind(p.idle)
            .bind(p.claims)
            .bind(p.rejections)
            .bind(p.waited)
            .bind(p.queue_ms)
            .execute(&mut conn)
            .await?;
    }
    if let Some(spoil) = spoil {
        sqlx::query(spoil).execute(&mut conn).await?;
    }

    let (from, to) = (now - 3 * DAY_MS, now + DAY_MS);
    let mut equal = true;
    for step in Step::ALL {
        let (packed, naive) =
            (packed_sums(&mut conn, pool, &tenants, step, from, to).await?, plain_sums(&mut conn, step).await?);
        if spoil.is_none() {
            assert_eq!(packed.len(), naive.len(), "seed {seed}, {step:?}");
            for (key, sums) in &naive {
                assert_eq!(packed.get(key), Some(sums), "seed {seed}, {step:?}, {key:?}");
            }
        }
        equal &= packed == naive;
    }
    equal &= local_days_are_equal(&mut conn, pool, from, to).await?;
    conn.close().await?;
    Ok(equal)
}

/// Days of a zone with summer time, cut from minutes, against PostgreSQL's own idea of the zone.
async fn local_days_are_equal(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<bool> {
    const ZONE: &str = "Europe/Berlin";
    let zone = zones::slice(ZONE, from, to).expect("known");
    let series = history::total_series(conn, Step::Minute, &[pool], &[0], from, to).await?;
    let edges = boundaries(from, to, DAY_MS, &zone);
    let cut: BTreeMap<String, i64> = series
        .buckets(&edges)
        .iter()
        .filter(|bucket| bucket.sums.observed_ms > 0)
        .map(|bucket| (zone.local(bucket.from_ms).date().to_string(), bucket.sums.occupied_slot_ms))
        .collect();
    let naive: Vec<(String, i64)> = sqlx::query_as(
        "with minute as (
             select s.*, m.start as minute from plain s
             cross join lateral generate_series(at / 60000 * 60000, (at + ms - 1) / 60000 * 60000, 60000) as m(start)
             where tenant = 0)
         select (to_timestamp(minute / 1000) at time zone $1)::date::text,
                sum(occupied * (least(at + ms, minute + 60000) - greatest(at, minute)))::bigint
         from minute group by 1",
    )
    .bind(ZONE)
    .fetch_all(conn)
    .await?;
    Ok(cut == naive.into_iter().collect())
}

/// 2026: an ordinary day, the days after clocks went forward and back, and the turn of the year.
const NOWS: [Millis; 4] = [1_795_248_000_000, 1_774_832_400_000, 1_792_976_400_000, 1_798_768_800_000];

#[tokio::test]
async fn the_packed_history_equals_plain_sql() -> Result<()> {
    for (seed, now) in NOWS.into_iter().cycle().take(soak::count(8, 400)).enumerate() {
        ensure!(compare(seed as u64, now, None).await?, "seed {seed}: local days differ");
    }
    Ok(())
}

/// The control: a plain table that lacks one sample, or has one slot more, must not be equal.
#[tokio::test]
async fn one_sample_less_or_one_slot_more_is_seen() -> Result<()> {
    let less = "delete from plain where ctid = (select ctid from plain where tenant = 0 order by at limit 1)";
    let more = "update plain set occupied = occupied + 1 where ctid = (select ctid from plain where tenant = 0 order by at limit 1)";
    for spoil in [less, more] {
        ensure!(!compare(0, NOWS[0], Some(spoil)).await?, "this was not seen: {spoil}");
    }
    Ok(())
}
