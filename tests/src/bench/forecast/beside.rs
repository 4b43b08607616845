//! Pages and claims while every pool is forecast, for the first time and then as in each hour, beside the same in quiet.
//!
//! One service does both, as in production: what forecasts takes threads of its own. In the first part no pool has a forecast. In the
//! second all are an hour old; in quiet, which is the third, the same pools are there and have their forecasts, so that pages have as
//! much to show. These two take turns, as many rounds of the one as of the other: disks and processors that others use too are now
//! faster and now slower, and both are to have the same share of it. What counts as beside forecasts are rounds that begin while the
//! run goes on, plans after the forecasts included; what counts as quiet, those that begin while none does. The choice of a policy,
//! which is made once a day, is in the first part (seven of them for each pool), not in the second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headroom_domain::accumulate::{Accumulator, Reading};
use headroom_domain::{HOUR_MS, Millis};
use headroom_store::partition::{self, Cut};
use headroom_store::{history, pool};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::super::figures::{Goal, Pair, Report, percentile, short};
use super::super::place::Place;
use crate::client::Client;
use crate::people;

/// Pools that are forecast.
const POOLS: usize = 300;
/// Days of their history.
const DAYS: i64 = 30;
/// Rounds of requests in the hourly part, at least, and in quiet; a round asks for two pages, claims a slot and gives it back.
const ROUNDS: usize = 1_000;
/// Nobody waits longer than that for all forecasts.
const LONGEST: Duration = Duration::from_mins(10);

/// A claim is asked for again for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Times of requests, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    pages: Vec<f64>,
    claims: Vec<f64>,
    /// Claims of which the service could not say at once whether they were made: the disk kept it waiting for longer than it waits.
    asked_again: usize,
}

pub(super) fn measure(report: &mut Report) -> Result<()> {
    tokio::runtime::Runtime::new().context("there is no runtime")?.block_on(all(report))
}

async fn all(report: &mut Report) -> Result<()> {
    let place = Place::new(&[])?;
    people::prepare_at(place.folder()).await?;
    let client = Client::new(place.service().url())?;
    let mut conn = place.connect().await?;
    report.step(&format!("writing {DAYS} days of {POOLS} pools"));
    fill(&client, &mut conn).await?;
    client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
    client.post("/api/v1/pools", &json!({ "name": "lanes", "slug": "lanes", "capacity": 100 })).await?.expect(201)?;
    client.put("/api/v1/pools/lanes/policy", &json!({ "policy": {} })).await?.expect(200)?;

    report.step("what alerts make of that history");
    sqlx::query("UPDATE pool SET archived_at = NULL").execute(&mut conn).await?;
    judged(&mut conn).await?;

    settle(&mut conn).await?;
    report.step("pages and claims while all pools are forecast for the first time");
    // Those that were made meanwhile are made again, by the run that goes on, if one does.
    sqlx::query("TRUNCATE forecast, forecast_hour, scaling_choice, scaling_ledger").execute(&mut conn).await?;
    let mut first = Times::default();
    let seconds = while_due(&client, &mut conn, &mut first).await?;
    report.step("pages and claims while all pools are forecast as in each hour, and in quiet");
    let (mut hourly, mut quiet, mut times, mut hourly_seconds) = (Times::default(), Times::default(), 0, 0.0);
    while hourly.claims.len() < ROUNDS {
        settle(&mut conn).await?;
        sqlx::query("UPDATE forecast SET hour = hour - interval '1 hour'").execute(&mut conn).await?;
        hourly_seconds += while_due(&client, &mut conn, &mut hourly).await?;
        times += 1;
        while quiet.claims.len() < hourly.claims.len() {
            until(&mut conn, false).await?;
            round(&client, &mut quiet).await?;
        }
    }
    report.note(format!(
        "{POOLS} first forecasts, each with three weeks of earlier ones, in {} s of the clock; then {times} times those of an hour, in {} s",
        short(seconds),
        short(hourly_seconds)
    ));
    for (name, times) in [("first", &first), ("hourly", &hourly), ("quiet", &quiet)] {
        report.note(format!(
            "{name}: {} pages and {} claims, {} of them asked for again",
            times.pages.len(),
            times.claims.len(),
            times.asked_again
        ));
        for (of, times) in [("pages", &times.pages), ("claims", &times.claims)] {
            let at = [50.0, 90.0, 99.0, 100.0].map(|of| short(percentile(times, of))).join(", ");
            report.note(format!("{name}: {of}, p50, p90, p99 and the longest: {at} ms"));
        }
    }
    for (name, beside) in [("hourly", &hourly), ("first", &first)] {
        for (of, beside, quiet) in [("pages", &beside.pages, &quiet.pages), ("claims", &beside.claims, &quiet.claims)] {
            let (measured, peer) = (percentile(beside, 99.0), percentile(quiet, 99.0));
            let pair = Pair { measured, peer, peer_name: "in quiet", unit: "ms" };
            report.ratio(&format!("p99 of {of} beside {name} forecasts"), pair, Goal::AtMost(1.5));
        }
    }
    place.end()
}

/// Asks for the run that forecasts what is due, and for pages and claims while it goes on, until nothing is due. Gives seconds in which
/// it went on.
async fn while_due(client: &Client, conn: &mut PgConnection, times: &mut Times) -> Result<f64> {
    let (began, mut seconds) = (Instant::now(), 0.0);
    loop {
        // An hour is forecast two minutes after it began.
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pool LEFT JOIN forecast f USING (pool_id)
             WHERE f.hour IS NULL OR f.hour < date_trunc('hour', hr_now() - interval '2 minutes')",
        )
        .fetch_one(&mut *conn)
        .await?;
        if left == 0 {
            return Ok(seconds);
        }
        ensure!(began.elapsed() < LONGEST, "{left} of {POOLS} forecasts are due after {} s", LONGEST.as_secs());
        // A run ends after a while, and goes on when it is asked for; 409: it is asked for, or goes on.
        let answer = client.post("/api/v1/jobs/forecasts/run", &json!({})).await?;
        if answer.status != 409 {
            answer.expect(202)?;
        }
        until(conn, true).await?;
        let start = Instant::now();
        while goes_on(conn).await? == Some(true) {
            round(client, times).await?;
        }
        seconds += start.elapsed().as_secs_f64();
    }
}

/// Whether the run that forecasts goes on; none if it is asked for.
async fn goes_on(conn: &mut PgConnection) -> Result<Option<bool>> {
    let run = "SELECT CASE WHEN coalesce(expires_at > hr_now(), false) THEN true WHEN asked_at IS NULL THEN false END
               FROM job_lease WHERE job = 'forecasts'";
    Ok(sqlx::query_scalar(run).fetch_one(conn).await?)
}

/// Waits until the run that forecasts goes on, or is over and was not asked for again.
async fn until(conn: &mut PgConnection, is_running: bool) -> Result<()> {
    let began = Instant::now();
    loop {
        match goes_on(conn).await? {
            Some(state) if state == is_running => return Ok(()),
            // It was so short that it is over.
            Some(false) => return Ok(()),
            _ => {}
        }
        ensure!(
            began.elapsed() < LONGEST,
            "the run that forecasts does not {}",
            if is_running { "begin" } else { "end" }
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// As in a database that has run for a while: it has segments of its log to use again, and need not make each anew, for which all
/// who write would wait.
async fn settle(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("CHECKPOINT").execute(&mut *conn).await?;
    Ok(())
}

async fn round(client: &Client, times: &mut Times) -> Result<()> {
    for path in ["/oncall", "/pools/lanes"] {
        let start = Instant::now();
        client.page(path).await?.expect(200)?;
        times.pages.push(1e3 * start.elapsed().as_secs_f64());
    }
    let start = Instant::now();
    let claim = json!({ "tenant": "acme", "holder": "bench", "ttl_ms": 60_000 });
    let body = json!({ "operations": [{ "op": "claim", "claim": claim }] });
    let answer = loop {
        let answer = client.post("/api/v1/pools/lanes/claims/batch", &body).await?.expect(200)?.json()?;
        if answer["results"][0]["status"] != 503 || start.elapsed() > PATIENCE {
            break answer;
        }
        times.asked_again += 1;
    };
    // With all it took to have an answer.
    times.claims.push(1e3 * start.elapsed().as_secs_f64());
    let status = answer["results"][0]["status"].as_u64().unwrap_or_default();
    ensure!(matches!(status, 200 | 201), "a slot was not given: {answer}");
    let release = json!({ "op": "release", "claim": answer["results"][0]["claim"]["claim"] });
    let body = json!({ "operations": [release] });
    let answer = client.post("/api/v1/pools/lanes/claims/batch", &body).await?.expect(200)?.json()?;
    ensure!(answer["results"][0]["status"] == 200, "a slot was not given back: {answer}");
    Ok(())
}

/// Waits until every pool was judged by the alert engine once: of pools that bring a past with them it adds up all of it first, which
/// is not what is measured here.
async fn judged(conn: &mut PgConnection) -> Result<()> {
    let began = Instant::now();
    loop {
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pool LEFT JOIN alert_mark USING (pool_id) WHERE watermark IS NULL",
        )
        .fetch_one(&mut *conn)
        .await?;
        if left == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < LONGEST, "{left} pools were not judged in {} s", LONGEST.as_secs());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Pools with days and weeks, a little of each its own, archived.
async fn fill(client: &Client, conn: &mut PgConnection) -> Result<()> {
    let now = headroom_store::now(conn).await?;
    let to = now.div_euclid(HOUR_MS) * HOUR_MS;
    let from = to - DAYS * 24 * HOUR_MS;
    for number in 0..POOLS {
        let slug = format!("foreseen-{number:03}");
        client.post("/api/v1/pools", &json!({ "name": slug, "slug": slug, "capacity": 200 })).await?.expect(201)?;
        let key = pool::by_slug(conn, &slug).await?.context("it was made")?.key;
        let mut acc = Accumulator::default();
        for hour in from / HOUR_MS..to / HOUR_MS {
            acc.reading(key, &reading(number as i64, hour));
        }
        let mut tx = conn.begin().await?;
        for cut in [Cut::Minutes, Cut::FiveMinutes] {
            partition::ensure(&mut tx, cut, from, to).await?;
        }
        history::merge(&mut tx, history::LIVE, acc.take()).await?;
        history::set_newest(&mut tx, &BTreeMap::from([(key, to)])).await?;
        tx.commit().await?;
    }
    sqlx::query("UPDATE pool SET archived_at = now()").execute(conn).await?;
    Ok(())
}

fn reading(pool: i64, hour: i64) -> Reading {
    let of_day = (hour + pool).rem_euclid(24);
    let wave = 40.0 + 40.0 * ((of_day - 6) as f64 / 24.0 * std::f64::consts::TAU).sin();
    let noise = (hour.wrapping_mul(2_654_435_761).wrapping_add(pool * 97) >> 13).rem_euclid(11);
    let at: Millis = hour * HOUR_MS;
    Reading { at, duration_ms: HOUR_MS, capacity: 200, occupied: Some(wave as i64 + noise), ..Reading::default() }
}
