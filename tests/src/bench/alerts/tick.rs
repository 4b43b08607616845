//! A round of the engine: from reading history to what is to be sent, with a PostgreSQL that is durable.
//!
//! The history of the last hours and the tallies at the beginnings of windows are written beforehand, as the product would have
//! written them; a round that had to add up more than the newest minute would show it. The clock is held, so that rounds follow
//! each other at once. In the third round claims begin to be rejected in three pools of a hundred.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use headroom_domain::alert::rule::{Rule, Subject};
use headroom_domain::alert::tally::Tally;
use headroom_domain::occupancy::Sums;
use headroom_domain::packed::pack_sums;
use headroom_domain::sketch::Sketch;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_server::app::alerts::{collect, engine};
use headroom_server::db::Db;
use headroom_server::postgres::{self, Postgres, Source};
use headroom_store::live::{self, ClaimMinute};
use headroom_store::partition::{self, Cut};
use headroom_store::{hold_test_clock, sli};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::fleet::{HISTORY_MS, KINDS, Pool, TENANTS};
use super::{Options, WATERMARK_MS};
use crate::bench::figures::{Goal, Report};
use crate::bench::{place, processor};
use crate::service::data_dir;

/// Rounds that are measured.
const ROUNDS: i64 = 5;
/// The first round that finds rejected claims.
const FAILS_IN: i64 = 3;
/// Full hours of history before the watermark.
const HOURS: i64 = 4;
/// The last hour is added up anew in each round.
const ANEW_MS: Millis = HOUR_MS;
/// A round begins so long after its watermark.
const AFTER_MS: Millis = 16_000;
/// Pools of one look of the engine.
const AT_ONCE: usize = 200;
/// Seconds.
const GOAL: Goal = Goal::AtMost(15.0);

/// The watermark of a round.
const fn watermark(round: i64) -> Millis {
    WATERMARK_MS + round * MINUTE_MS
}

/// The beginning of the first minute with rejected claims.
const FAILS_FROM_MS: Millis = watermark(FAILS_IN - 1);

fn timestamp(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}

/// PostgreSQL with the product's own settings.
struct Place {
    postgres: Postgres,
    folder: TempDir,
    db: Db,
}

impl Place {
    async fn create() -> Result<Self> {
        let folder = data_dir()?;
        let source = Source::Private { data_dir: folder.path().to_owned() };
        let postgres =
            postgres::start(source, postgres::Options::default()).await.context("cannot start PostgreSQL")?;
        let db = Db::connect(&postgres.connect_options());
        db.migrate().await?;
        Ok(Self { postgres, folder, db })
    }

    async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.postgres.connect_options()).await?)
    }

    /// Seconds of processor time that this process and PostgreSQL have used.
    fn used(&self) -> Result<(f64, f64)> {
        let text = fs::read_to_string(self.folder.path().join("postgres/postmaster.pid"))?;
        let first = text.lines().next().and_then(|line| line.trim().parse().ok());
        let postmaster = first.context("PostgreSQL's file has no number")?;
        Ok((processor::of(std::process::id())?, processor::of_all(postmaster)?))
    }

    async fn end(self) -> Result<()> {
        self.db.close().await;
        self.postgres.stop().await;
        self.folder.close().context("cannot remove the data directory")
    }
}

/// Part 3. Returns the seconds of a usual round, by pool or tenant.
pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<f64> {
    let pools = options.pools();
    let place = Place::create().await?;
    let mut conn = place.connect().await?;
    report.note(format!("PostgreSQL {}: {}", place::version(&mut conn).await?, place::settings(&mut conn).await?));
    report.step(&format!("writing {HOURS} hours of {pools} pools with {TENANTS} tenants each, and their tallies"));
    hold_test_clock(&mut conn, watermark(0)).await?;
    catalog(&mut conn, pools).await?;
    history(&mut conn).await?;
    claims(&mut conn).await?;
    tallies(&mut conn).await?;
    place::settle(&mut conn).await?;
    let measured = rounds(&place, &mut conn, pools, report).await;
    conn.close().await?;
    place.end().await?;
    measured
}

/// Pools and their tenants; the key of a pool says of which kind it is, and its kind whose tenants it has.
async fn catalog(conn: &mut PgConnection, pools: usize) -> Result<()> {
    sqlx::query(
        "INSERT INTO pool (id, slug, name, kind, feed_period_ms)
         SELECT gen_random_uuid(), 'pool-' || n, 'Pool ' || n, 'fixed', 60000 FROM generate_series(1, $1) n ORDER BY n",
    )
    .bind(pools as i32)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO tenant (id, slug, name)
         SELECT gen_random_uuid(), 'tenant-' || n, 'Tenant ' || n FROM generate_series(1, $1) n ORDER BY n",
    )
    .bind((KINDS * TENANTS) as i32)
    .execute(&mut *conn)
    .await?;
    let (pool, tenant): (i32, i32) =
        sqlx::query_as("SELECT (SELECT max(pool_id) FROM pool), (SELECT max(tenant_id) FROM tenant)")
            .fetch_one(&mut *conn)
            .await?;
    ensure!((pool, tenant) == (pools as i32, (KINDS * TENANTS) as i32), "keys do not begin at 1");
    for (slug, lane) in [("pager", "page"), ("tracker", "ticket")] {
        sqlx::query(
            "INSERT INTO receiver (slug, name, kind, settings, lanes) VALUES ($1, $1, 'webhook', '{}', ARRAY[$2])",
        )
        .bind(slug)
        .bind(lane)
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query("INSERT INTO alert_mark (pool_id, watermark, born_at, seen_at) SELECT pool_id, $1, $2, $1 FROM pool")
        .bind(timestamp(watermark(0)))
        .bind(timestamp(watermark(0) - HISTORY_MS))
        .execute(&mut *conn)
        .await?;
    Ok(sli::set_round(conn, watermark(0), 0, pools as i32).await?)
}

/// What was observed: an hour of a series is a row. The last hour goes as far as the last round.
async fn history(conn: &mut PgConnection) -> Result<()> {
    let last = watermark(ROUNDS + 1);
    let first = last - last.rem_euclid(HOUR_MS) - HOURS * HOUR_MS;
    partition::ensure(conn, Cut::Minutes, first, last).await?;
    let (mut kinds, mut tenants, mut starts, mut points) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for kind in Pool::all() {
        for hour in 0..=HOURS {
            let start = first + hour * HOUR_MS;
            let mut blocks: BTreeMap<i32, Vec<Sums>> = BTreeMap::new();
            for minute in 0..60 {
                let at = start + minute * MINUTE_MS;
                for (tenant, sums) in kind.minute(at, FAILS_FROM_MS) {
                    blocks.entry(tenant).or_default().push(if at < last { sums } else { Sums::default() });
                }
            }
            for (tenant, block) in blocks {
                kinds.push(kind.0 as i32);
                tenants.push(tenant);
                starts.push(timestamp(start));
                points.push(pack_sums(&block));
            }
        }
    }
    sqlx::query(
        "INSERT INTO occ_1m (pool_id, tenant_id, start_at, part, points)
         SELECT p.pool_id, b.tenant, b.start, 0, b.points
         FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::bytea[]) AS b (kind, tenant, start, points)
         JOIN pool p ON (p.pool_id - 1) % $5 = b.kind ORDER BY b.start, p.pool_id",
    )
    .bind(kinds)
    .bind(tenants)
    .bind(starts)
    .bind(points)
    .bind(KINDS as i32)
    .execute(conn)
    .await?;
    Ok(())
}

/// What allocators counted.
async fn claims(conn: &mut PgConnection) -> Result<()> {
    let mut minutes = Vec::new();
    for kind in Pool::all() {
        let mut minute = watermark(0) - ANEW_MS - 15 * MINUTE_MS;
        while minute <= watermark(ROUNDS) {
            if let Some(counts) = kind.counts(minute) {
                let mut sketch = Sketch::default();
                sketch.record(2.0, counts.answers);
                minutes.push(ClaimMinute { pool: kind.0 as i32 + 1, minute, epoch: 1, sketch, counts });
            }
            minute += MINUTE_MS;
        }
    }
    live::add_minutes(conn, &minutes).await?;
    sqlx::query(
        "INSERT INTO claim_minute (pool_id, minute, epoch, sketch, counts)
         SELECT p.pool_id, m.minute, m.epoch, m.sketch, m.counts
         FROM claim_minute m JOIN pool p ON p.pool_id % $1 = m.pool_id % $1 AND p.pool_id <> m.pool_id
         ORDER BY m.minute, p.pool_id",
    )
    .bind(KINDS as i32)
    .execute(conn)
    .await?;
    Ok(())
}

/// Tallies at all instants that the rounds look at.
async fn tallies(conn: &mut PgConnection) -> Result<()> {
    let mut windows = BTreeSet::from([5 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS]);
    for built_in in Rule::built_in() {
        if let Subject::Burn { tiers, .. } = &built_in.rule.subject {
            windows.extend(tiers.iter().flat_map(|tier| &tier.all).map(|part| part.window_ms));
        }
    }
    let mut wanted = BTreeSet::from([watermark(0)]);
    for round in 1..=ROUNDS + 1 {
        wanted.insert(watermark(round - 1) - ANEW_MS);
        wanted.extend(windows.iter().map(|window| watermark(round) - window));
    }
    wanted.retain(|at| *at <= watermark(0));
    partition::ensure(conn, Cut::Counts, watermark(0) - HISTORY_MS, watermark(0) + DAY_MS).await?;
    for kind in Pool::all() {
        let tallies = kind.tallies(watermark(0) - HISTORY_MS, FAILS_FROM_MS, &wanted);
        let tallies: Vec<(i32, Millis, &Tally)> =
            tallies.iter().map(|(at, tally)| (kind.0 as i32 + 1, *at, tally)).collect();
        sli::put(conn, &tallies).await?;
    }
    sqlx::query(
        "INSERT INTO sli_minute (pool_id, at, counts)
         SELECT p.pool_id, m.at, m.counts
         FROM sli_minute m JOIN pool p ON p.pool_id % $1 = m.pool_id % $1 AND p.pool_id <> m.pool_id
         ORDER BY m.at, p.pool_id",
    )
    .bind(KINDS as i32)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is in the database after a round.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    minutes: i64,
    firing: i64,
    messages: i64,
}

impl Counted {
    async fn read(conn: &mut PgConnection) -> Result<Self> {
        let (minutes, firing, messages) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM sli_minute), (SELECT count(*) FROM alert WHERE condition = 'firing'),
                    (SELECT count(*) FROM notification)",
        )
        .fetch_one(conn)
        .await?;
        Ok(Self { minutes, firing, messages })
    }
}

async fn rounds(place: &Place, conn: &mut PgConnection, pools: usize, report: &mut Report) -> Result<f64> {
    let scale = if pools == 10_000 { String::new() } else { format!(", {pools} pools only") };
    let mut before = Counted::read(conn).await?;
    let (mut usual, mut worst) = (Vec::new(), 0.0_f64);
    for round in 1..=ROUNDS {
        hold_test_clock(conn, watermark(round) + AFTER_MS).await?;
        let (used, start) = (place.used()?, Instant::now());
        let done = engine::round(&place.db).await?;
        let seconds = start.elapsed().as_secs_f64();
        let now = place.used()?;
        ensure!(done.pools == pools, "{} pools were judged", done.pools);
        let after = Counted::read(conn).await?;
        // A tally that differs from what was written beforehand would be written again, with the hour before it.
        let fresh = after.minutes - before.minutes;
        ensure!(
            fresh == pools as i64,
            "{fresh} minutes were new in round {round}: the tallies were not those of the product"
        );
        report.note(format!(
            "round {round}: {seconds:.2} s, of which {:.2} s of processor time here and {:.2} s in PostgreSQL; {} alerts fire, \
             {} messages are new",
            now.0 - used.0,
            now.1 - used.1,
            after.firing,
            after.messages - before.messages
        ));
        if round < FAILS_IN {
            usual.push(seconds);
            ensure!(after.firing == 0, "{} alerts fire with nothing to fire about", after.firing);
        } else if round == FAILS_IN {
            let hit = Pool::all().filter(|kind| kind.fails()).count() * pools / KINDS;
            ensure!(after.messages - before.messages >= hit as i64, "{hit} pools are hit, few are told");
        }
        worst = worst.max(seconds);
        before = after;
    }
    report.value(&format!("a round, the slowest{scale}"), worst, "s", GOAL);
    let usual = usual.iter().copied().fold(f64::MAX, f64::min);
    parts(place, conn, pools, usual, report).await?;
    let (bytes, rows, packed): (i64, i64, f64) = sqlx::query_as(
        "SELECT (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('sli_minute')),
                count(*), avg(octet_length(counts))::float8 FROM sli_minute",
    )
    .fetch_one(&mut *conn)
    .await?;
    let a_minute = bytes as f64 / rows as f64;
    report.note(format!(
        "sli_minute: {a_minute:.0} bytes a pool and minute with its index, {packed:.0} of them counts; 10,000 pools for 73 h: {:.1} GB",
        a_minute * 10_000.0 * (HISTORY_MS / MINUTE_MS) as f64 / 1e9
    ));
    Ok(usual / (pools * (TENANTS + 1)) as f64)
}

/// What a usual round consists of: collecting is done once more at the next watermark, without writing.
async fn parts(place: &Place, conn: &mut PgConnection, pools: usize, usual: f64, report: &mut Report) -> Result<()> {
    let keys: Vec<i32> = (1..=pools as i32).collect();
    let marks = sli::marks(conn, &keys).await?;
    let (used, start) = (place.used()?, Instant::now());
    let mut fresh = 0;
    for some in keys.chunks(AT_ONCE) {
        let collected = collect::collect(conn, some, &marks, watermark(ROUNDS + 1)).await?;
        fresh += collected.values().map(|of| of.fresh.len()).sum::<usize>();
    }
    let (seconds, now) = (start.elapsed().as_secs_f64(), place.used()?);
    ensure!(fresh == pools, "{fresh} minutes were new");
    report.note(format!(
        "collecting alone: {seconds:.2} s, of which {:.2} s of processor time here and {:.2} s in PostgreSQL; {:.0} % of a \
         round without alerts, the rest is reading the beginnings of windows, judging and writing",
        now.0 - used.0,
        now.1 - used.1,
        100.0 * seconds / usual
    ));
    Ok(())
}
