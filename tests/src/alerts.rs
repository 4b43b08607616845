//! A world for tests of alerts: a pool, slices, a clock that stands still, and the engine's rounds by hand.

use crate::database::Database;
use anyhow::{Context, Result, ensure};
use headroom_domain::alert::slo::Sli;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_server::app::App;
use headroom_server::app::alerts::{engine, tick};
use headroom_server::app::caller::Caller;
use headroom_server::db::Db;
use headroom_store::alert::{self, Row, Wanted};
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A slice of a minute is judged so long after its end.
const JUDGED_AFTER_MS: Millis = 16_000;
/// Minute 0: a Monday at noon.
pub const ZERO_MS: Millis = 1_795_435_200_000 - 1_795_435_200_000 % HOUR_MS;
/// Minutes of clean history before minute 0.
pub const HISTORY: i64 = 72 * 60;

/// Pools, slices and a clock.
#[derive(Debug)]
pub struct World {
    /// Its database.
    pub database: Database,
    /// Connections as a server has them.
    pub db: Db,
    /// A connection for the test.
    pub conn: PgConnection,
}

impl World {
    /// A world with some pools of 400 slots and some tenants, at minute 0.
    pub async fn create(pools: &[&str], tenants: &[&str]) -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        headroom_store::hold_test_clock(&mut conn, ZERO_MS).await?;
        for slug in pools {
            sqlx::query("INSERT INTO pool (id, slug, name, kind) VALUES (gen_random_uuid(), $1, $1, 'fixed')")
                .bind(slug)
                .execute(&mut conn)
                .await?;
        }
        for slug in tenants {
            sqlx::query("INSERT INTO tenant (id, slug, name) VALUES (gen_random_uuid(), $1, $1)")
                .bind(slug)
                .execute(&mut conn)
                .await?;
        }
        let db = Db::connect(&database.url().parse()?);
        Ok(Self { database, db, conn })
    }

    /// Use cases on behalf of the machine.
    pub fn app(&self) -> App {
        App::new(self.db.clone()).acting(Arc::new(Caller::machine("cli")))
    }

    /// The key of a pool.
    pub async fn pool(&mut self, slug: &str) -> Result<i32> {
        let key = sqlx::query_scalar("SELECT pool_id FROM pool WHERE slug = $1").bind(slug);
        key.fetch_one(&mut self.conn).await.with_context(|| slug.to_owned())
    }

    /// Slices of a pool, or of a tenant in it, from one minute to before another: bad and total in each.
    pub async fn slices(
        &mut self,
        pool: &str,
        tenant: Option<&str>,
        sli: Sli,
        minutes: std::ops::Range<i64>,
        bad: i64,
        total: i64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO sli_slice (pool_id, at, tenant_id, sli, source, revision, bad, total)
             SELECT p.pool_id, to_timestamp($1::float8 / 1000) + m * interval '1 minute',
                    COALESCE((SELECT tenant_id FROM tenant WHERE slug = $2), 0), $3, 'test', 1, $4, $5
             FROM pool p, generate_series($6::bigint, $7::bigint - 1) m WHERE p.slug = $8
             ON CONFLICT (pool_id, at, tenant_id, sli, source)
             DO UPDATE SET bad = EXCLUDED.bad, total = EXCLUDED.total, revision = sli_slice.revision + 1, changed_at = hr_now()",
        )
        .bind(ZERO_MS as f64)
        .bind(tenant)
        .bind(i16::from(sli.number()))
        .bind(bad)
        .bind(total)
        .bind(minutes.start)
        .bind(minutes.end)
        .bind(pool)
        .execute(&mut self.conn)
        .await?;
        Ok(())
    }

    /// The clean history of a pool.
    pub async fn clean(&mut self, pool: &str) -> Result<()> {
        self.slices(pool, None, Sli::Saturation, -HISTORY..0, 0, 1_000).await
    }

    /// Holds the clock where the watermark is so many minutes after minute 0, with some milliseconds more.
    pub async fn hold(&mut self, minute: i64, more: Millis) -> Result<()> {
        headroom_store::hold_test_clock(&mut self.conn, at(minute) + JUDGED_AFTER_MS + more).await?;
        Ok(())
    }

    /// One round of the engine and a turn of the clock at a watermark.
    pub async fn judge(&mut self, minute: i64) -> Result<()> {
        self.hold(minute, 0).await?;
        engine::round(&self.db).await?;
        tick::turn(&self.db).await?;
        Ok(())
    }

    /// Rounds at every watermark of some minutes, and after each what a function finds worth telling.
    pub async fn run<T: PartialEq>(
        &mut self,
        minutes: std::ops::RangeInclusive<i64>,
        tell: impl Fn(&[Row]) -> T,
    ) -> Result<Vec<(i64, T)>> {
        let mut told: Vec<(i64, T)> = Vec::new();
        for minute in minutes {
            self.judge(minute).await?;
            let now = tell(&self.alerts().await?);
            if told.last().is_none_or(|(_, last)| *last != now) {
                told.push((minute, now));
            }
        }
        Ok(told)
    }

    /// All alerts that ever fired, oldest first.
    pub async fn alerts(&mut self) -> Result<Vec<Row>> {
        let mut rows =
            alert::list(&mut self.conn, &Wanted { limit: 1_000, dry_run: true, ..Wanted::default() }).await?;
        rows.reverse();
        Ok(rows)
    }

    /// Kinds of all events of an alert, in order.
    pub async fn events(&mut self, id: i64) -> Result<Vec<String>> {
        Ok(alert::events(&mut self.conn, id, 1_000).await?.into_iter().map(|event| event.what).collect())
    }

    /// Whoever was killed holds nothing any more: while the clock stands still its leases would not run out.
    pub async fn end_leases(&mut self) -> Result<()> {
        sqlx::query("UPDATE job_lease SET owner = NULL, expires_at = NULL").execute(&mut self.conn).await?;
        sqlx::query("UPDATE notification SET lease_until = hr_now() WHERE lease_until > hr_now()")
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    /// Waits until everything that was to be told, to one receiver or to all, was told.
    pub async fn all_told(&mut self, receiver: Option<&str>) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM notification JOIN receiver USING (receiver_id)
                 WHERE state = 'waiting' AND ($1::text IS NULL OR slug = $1)",
            )
            .bind(receiver)
            .fetch_one(&mut self.conn)
            .await?;
            if waiting == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{waiting} messages still wait");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// All that was decided, a line each: alerts, what happened to them, and what is told to whom under which key. What depends
    /// on who did it when, such as the number of attempts and of judgements, is left out.
    pub async fn decided(&mut self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for query in [
            "SELECT to_jsonb(x)::text FROM (SELECT a.rule, p.slug AS pool, a.tenant_id, a.episode, a.condition, a.workflow, a.severity,
                    a.critical, a.version, a.began_at, a.fired_at, a.resolved_at, a.state
             FROM alert a LEFT JOIN pool p USING (pool_id) ORDER BY 1, 2, 3, 4) x",
            "SELECT to_jsonb(x)::text FROM (SELECT a.rule, p.slug AS pool, a.tenant_id, a.episode, e.what, e.version, e.at
             FROM alert_event e JOIN alert a USING (alert_id) LEFT JOIN pool p USING (pool_id)
             ORDER BY 1, 2, 3, 4, 7, e.version, e.what) x",
            "SELECT to_jsonb(x)::text FROM (SELECT r.slug, n.message, n.key, n.lane, n.state, n.created_at
             FROM notification n JOIN receiver r USING (receiver_id) ORDER BY 1, 6, 2, 3) x",
        ] {
            let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut self.conn).await?;
            all.extend(rows);
        }
        Ok(all)
    }

    /// A receiver of messages.
    pub async fn receiver(&mut self, slug: &str, lanes: &[&str]) -> Result<()> {
        sqlx::query("INSERT INTO receiver (slug, name, kind, settings, lanes) VALUES ($1, $1, 'webhook', '{}', $2)")
            .bind(slug)
            .bind(lanes)
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    /// Messages to a receiver in order: minute after 0 at which each was written, and what it tells.
    pub async fn messages(&mut self, receiver: &str) -> Result<Vec<(i64, String)>> {
        let rows: Vec<(f64, String)> = sqlx::query_as(
            "SELECT extract(epoch FROM n.created_at)::float8, n.message FROM notification n JOIN receiver r USING (receiver_id)
             WHERE r.slug = $1 ORDER BY notification_id",
        )
        .bind(receiver)
        .fetch_all(&mut self.conn)
        .await?;
        let minute = |seconds: f64| ((seconds * 1_000.0) as i64 - ZERO_MS).div_euclid(MINUTE_MS);
        Ok(rows.into_iter().map(|(at, message)| (minute(at), message)).collect())
    }
}

/// The instant of a minute after minute 0.
pub fn at(minute: i64) -> Millis {
    ZERO_MS + minute * MINUTE_MS
}
