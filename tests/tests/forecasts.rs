//! Forecasts of pools and what follows from them: made once an hour whoever runs and dies, told as they are, applied with a trace.

use anyhow::{Context, Result, ensure};
use headroom_domain::accumulate::{Accumulator, Counters, Reading};
use headroom_domain::alert::episode::Condition;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_server::app::App;
use headroom_server::app::alerts::engine;
use headroom_server::db::Db;
use headroom_server::jobs::{forecasts, reports};
use headroom_server::mail::{MailSettings, Mailer};
use headroom_server::outward::Outward;
use headroom_store::current::{self, Current};
use headroom_store::partition::{self, Cut};
use headroom_store::scaling::{self, Decision, Outcome};
use headroom_store::{alert, history, pool};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

/// 2026-11-25T09:30:00Z, a Wednesday.
const NOW: Millis = 1_795_599_000_000;

struct World {
    database: Database,
    conn: PgConnection,
    db: Db,
    client: Client,
    // Last: the others are used until it stops.
    _service: Service,
}

/// Most slots wanted in an hour since 1970: busy days, quiet nights and weekends.
fn usual(hour: i64) -> i64 {
    let of_day = hour.rem_euclid(24);
    let is_weekend = (hour / 24 + 3).rem_euclid(7) >= 5;
    let busy = if is_weekend { 20 } else { 60 };
    let wave = f64::sin((of_day - 6) as f64 / 24.0 * std::f64::consts::TAU).max(-0.5);
    // A little that no model knows beforehand, the same in each run.
    let noise = (hour.wrapping_mul(2_654_435_761) >> 13).rem_euclid(11);
    40 + (f64::from(busy) * wave) as i64 + noise
}

/// The same week again and again, without any shape that a model would know: only last week knows it.
fn only_last_week(hour: i64) -> i64 {
    20 + hour.rem_euclid(168).wrapping_mul(1_103_515_245).wrapping_add(12_345).rem_euclid(97)
}

impl World {
    /// A server whose jobs do not run, on a clock that stands still.
    async fn new() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let db = Db::connect(&database.url().parse()?);
        Ok(Self { database, conn, db, client, _service: service })
    }

    /// A pool with so many days of history up to the running hour, whose present use is what the hour has.
    async fn pool(&mut self, slug: &str, capacity: i64, days: i64, wanted: fn(i64) -> i64) -> Result<i32> {
        let body = json!({ "name": slug, "slug": slug, "capacity": capacity, "zone": "UTC" });
        self.client.post("/api/v1/pools", &body).await?.expect(201)?;
        let since = json!({ "slots": capacity, "effective": "2026-09-01T00:00:00Z" });
        let path = format!("/api/v1/pools/{slug}/capacity");
        ensure!(self.client.post(&path, &since).await?.status < 300, "its capacity of the past");
        let key = pool::by_slug(&mut self.conn, slug).await?.context("the pool")?.key;
        let upto = NOW.div_euclid(HOUR_MS);
        self.came(key, capacity, upto - days * 24..upto, wanted).await?;
        self.holds(key, capacity, wanted(upto), NOW).await?;
        Ok(key)
    }

    /// What came in some hours.
    async fn came(
        &mut self,
        key: i32,
        capacity: i64,
        hours: std::ops::Range<i64>,
        wanted: fn(i64) -> i64,
    ) -> Result<()> {
        let (from, to) = (hours.start * HOUR_MS, hours.end * HOUR_MS);
        for cut in [Cut::Minutes, Cut::FiveMinutes] {
            partition::ensure(&mut self.conn, cut, from, to).await?;
        }
        let mut acc = Accumulator::default();
        for hour in hours {
            let occupied = Some(wanted(hour));
            acc.reading(
                key,
                &Reading { at: hour * HOUR_MS, duration_ms: HOUR_MS, capacity, occupied, ..Reading::default() },
            );
        }
        history::merge(&mut self.conn, history::LIVE, acc.take()).await?;
        Ok(())
    }

    async fn holds(&mut self, key: i32, capacity: i64, occupied: i64, at_ms: Millis) -> Result<()> {
        let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
        let now = Current {
            pool: key,
            tenant: 0,
            at_ms: at_ms - MINUTE_MS,
            duration_ms: 60_000,
            capacity: small(capacity),
            planned_down: 0,
            occupied: small(occupied),
            reserved: 0,
            rejections: 0,
            latency_ms: None,
        };
        current::set(&mut self.conn, &[now]).await?;
        Ok(())
    }

    async fn run(&self) -> Result<Value> {
        let outcome = forecasts::run(&App::new(self.db.clone())).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(outcome.detail)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.client.get(path).await?.expect(200)?.json()
    }

    async fn count(&mut self, what: &str) -> Result<i64> {
        count(&mut self.conn, what).await
    }

    /// Everything that a run writes of pools, but for the clock's own times.
    async fn written(&mut self) -> Result<String> {
        Ok(sqlx::query_scalar(
            "SELECT concat_ws(E'\\n',
                (SELECT string_agg(concat_ws('|', pool_id, hour, md5(memory::text), md5(said::text), full_at), E'\\n' ORDER BY pool_id) FROM forecast),
                (SELECT string_agg(f::text, E'\\n' ORDER BY pool_id, hour) FROM forecast_hour f),
                (SELECT string_agg(concat_ws('|', pool_id, day, choice::text), E'\\n' ORDER BY pool_id, day) FROM scaling_choice),
                (SELECT string_agg(concat_ws('|', pool_id, day, lines::text), E'\\n' ORDER BY pool_id, day) FROM scaling_ledger))",
        )
        .fetch_one(&mut self.conn)
        .await?)
    }
}

async fn count(conn: &mut PgConnection, what: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"))).fetch_one(conn).await?)
}

fn text(page: &str) -> String {
    page.replace('\u{202f}', " ")
}

#[tokio::test]
async fn a_run_twice_is_a_run_once_and_each_hour_is_foreseen_once() -> Result<()> {
    let mut world = World::new().await?;
    let key = world.pool("web", 150, 40, usual).await?;
    assert_eq!(world.run().await?["forecast"], 1);
    let first = world.written().await?;
    let hours = world.count("forecast_hour").await?;
    ensure!(hours > 14 * 24, "{hours} hours were foreseen, those of three weeks afterwards");
    ensure!(
        world.count("scaling_choice").await? == 7 && world.count("scaling_ledger").await? == 6,
        "a week of choices"
    );
    let again = world.run().await?;
    assert_eq!((&again["forecast"], &again["chosen"]), (&json!(0), &json!(0)));
    ensure!(world.written().await? == first, "the second run changed nothing");

    // An hour later: one more, and what was said stays.
    let hour = NOW.div_euclid(HOUR_MS);
    world.came(key, 150, hour..hour + 1, usual).await?;
    headroom_store::hold_test_clock(&mut world.conn, NOW + HOUR_MS).await?;
    assert_eq!(world.run().await?["forecast"], 1);
    assert_eq!(world.count("forecast_hour").await?, hours + 1);
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_killed_is_finished_by_the_next() -> Result<()> {
    let mut world = World::new().await?;
    let pools = 8;
    for number in 0..pools {
        world.pool(&format!("pool-{number}"), 150, 30, usual).await?;
    }
    // A server whose jobs run, killed as soon as it wrote anything.
    let arguments = ["serve", "--test-clock", "--database-url", world.database.url()];
    let victim = Service::start(&arguments)?;
    let began = Instant::now();
    while world.count("forecast").await? == 0 {
        ensure!(began.elapsed() < Duration::from_mins(4), "the job wrote nothing:\n{}", victim.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    victim.kill()?;
    let done = world.count("forecast").await?;
    world.run().await?;
    assert_eq!(world.count("forecast").await?, pools, "{done} were done before the kill");
    // All pools have the same history, so the same hours were foreseen of all, each once, whoever did it. How wide their ranges are may
    // differ: pools that come later start from what was learnt of those before.
    let different: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT said) FROM (
             SELECT string_agg(concat_ws('|', hour, levels IS NULL), E'\\n' ORDER BY hour) AS said FROM forecast_hour GROUP BY pool_id
             UNION ALL SELECT string_agg(concat_ws('|', hour, levels IS NULL), E'\\n' ORDER BY hour) FROM forecast_hour WHERE pool_id =
                 (SELECT min(pool_id) FROM forecast)) AS each",
    )
    .fetch_one(&mut world.conn)
    .await?;
    assert_eq!(different, 1, "a pool has more or other rows than the rest");
    Ok(())
}

#[tokio::test]
async fn pages_files_and_the_api_say_the_same() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("web", 150, 40, usual).await?;
    let before = text(&world.client.page("/forecast/web").await?.expect(200)?.body);
    ensure!(before.contains("No forecast yet"), "{before}");
    world.run().await?;

    let said = world.get("/api/v1/pools/web/forecast").await?;
    let accuracy = &said["accuracy"];
    let wape = accuracy["wape"].as_f64().context("a typical miss")?;
    let naive = accuracy["naive_wape"].as_f64().context("a naive miss")?;
    ensure!(accuracy["compared_wape"].as_f64() < Some(naive), "{accuracy}");
    ensure!(wape < naive, "regular days are foreseen better than by last week: {accuracy}");
    ensure!(accuracy["coverage_80"].as_f64().is_some_and(|c| (0.6..=1.0).contains(&c)), "{accuracy}");
    let page = text(&world.client.page("/forecast/web").await?.expect(200)?.body);
    for words in [
        "Typical miss (WAPE)".to_owned(),
        text(&format::percent(wape)),
        text(&format::percent(naive)),
        "80 % range held".into(),
        "in the same hours the model missed by".into(),
        "The policy chosen for today: ".into(),
        "Recommended schedule".into(),
        "What it saves".into(),
    ] {
        ensure!(page.contains(&words), "the page does not say {words:?}");
    }
    ensure!(!page.contains("Treat this as a guess"), "the model is better than last week");
    ensure!(!page.contains("NaN"), "no page says NaN");

    // Quantiles are in order, and the table of the chart is its file.
    let hours = said["hours"].as_array().context("hours")?;
    assert_eq!(hours.len(), 168);
    for hour in hours {
        let quantiles: Vec<f64> =
            hour["quantiles"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        ensure!(quantiles.len() == 10 && quantiles.is_sorted() && quantiles[0] >= 0.0, "{hour}");
    }
    let csv = world.client.get("/forecast/web?format=csv&table=forecast").await?.csv()?;
    let median = csv[0].iter().position(|name| name == "median_forecast").context("a median")?;
    let at = |hour: &Value| hour["from"].as_str().unwrap_or_default().to_owned();
    for hour in &hours[..40] {
        let row = csv.iter().find(|row| row[0] == at(hour)).with_context(|| format!("no row of {}", at(hour)))?;
        let told: f64 = row[median].parse()?;
        ensure!((told - hour["quantiles"][4].as_f64().unwrap_or_default()).abs() < 1e-9, "{row:?} {hour}");
    }
    let rows = page.matches("data-t=").count();
    let past = world.client.get("/forecast/web?format=csv&table=past").await?.csv()?;
    assert_eq!(rows, csv.len() - 1 + past.len() - 1, "the tables on the page are the files");

    // The list, and what monitoring and autoscalers read.
    let list = text(&world.client.page("/forecast").await?.expect(200)?.body);
    ensure!(list.contains("/forecast/web") && list.contains(&text(&format::percent(wape))), "{list}");
    let overview = text(&world.client.page("/overview").await?.expect(200)?.body);
    ensure!(overview.contains("Risks, next 30 days"), "the overview tells risks");
    let metrics = world.client.get("/metrics").await?.expect(200)?.body;
    ensure!(metrics.contains("slot_forecast{pool_id=\"web\",quantile=\"0.95\"}"), "{metrics}");
    let scaler = world.get("/api/v1/pools/web/scaling/metrics").await?;
    assert_eq!((&scaler["value"], &scaler["mode"]), (&json!(150), &json!("shadow")), "a shadow tells nobody to change");
    Ok(())
}

#[tokio::test]
async fn a_forecast_that_is_no_better_than_last_week_says_so() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("odd", 200, 40, only_last_week).await?;
    world.pool("young", 200, 3, usual).await?;
    world.run().await?;
    let page = text(&world.client.page("/forecast/odd").await?.expect(200)?.body);
    ensure!(page.contains("The model does not beat last week's pattern. Treat this as a guess."), "{page}");
    let page = text(&world.client.page("/forecast/young").await?.expect(200)?.body);
    ensure!(page.contains("Too little history (3 d of 14 d)"), "{page}");
    ensure!(!page.contains("id=\"forecast\""), "no fan is drawn from three days");
    Ok(())
}

#[tokio::test]
async fn a_pool_that_is_full_by_tomorrow_is_told_and_is_over_when_there_is_room() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("tight", 75, 40, usual).await?;
    world.pool("wide", 500, 40, usual).await?;
    world.run().await?;
    engine::round(&world.db).await?;
    let open = |rows: Vec<alert::Row>| {
        rows.into_iter()
            .filter(|row| row.rule == "forecast-full" && row.alert.condition == Condition::Firing)
            .map(|row| row.pool)
            .collect::<Vec<_>>()
    };
    let key = pool::by_slug(&mut world.conn, "tight").await?.context("the pool")?.key;
    let firing = open(alert::list_active(&mut world.conn, 100).await?);
    assert_eq!(firing, [Some(key)], "the pool without room, and it alone");
    let full = world.get("/api/v1/pools/tight/forecast").await?["full"].clone();
    ensure!(full["full_at"].as_str().is_some(), "{full}");

    // Capacity to come is honoured at the next minute.
    let more = json!({ "slots": 500, "effective": "2026-11-25T09:30:00Z", "reason": "more machines" });
    world.client.post("/api/v1/pools/tight/capacity", &more).await?.expect(200)?;
    headroom_store::hold_test_clock(&mut world.conn, NOW + MINUTE_MS).await?;
    world.run().await?;
    let full = world.get("/api/v1/pools/tight/forecast").await?["full"].clone();
    ensure!(full["full_at"].is_null(), "{full}");
    Ok(())
}

#[tokio::test]
async fn applying_changes_the_capacity_once_and_leaves_a_trace() -> Result<()> {
    let mut world = World::new().await?;
    let key = world.pool("web", 200, 40, usual).await?;
    world.run().await?;
    let path = "/api/v1/pools/web/scaling";
    let mut wish = world.get(path).await?;
    assert_eq!((&wish["version"], &wish["mode"]), (&json!(0), &json!("shadow")));
    wish["basis"] = json!("forecast");
    wish["mode"] = json!("apply");
    (wish["hold_minutes"], wish["cooldown_minutes"]) = (json!(0), json!(0));
    let refused = world.client.put(path, &wish).await?.problem(422)?;
    ensure!(refused.to_string().contains("mode"), "its slots are given out elsewhere: {refused}");
    let mut wrong = wish.clone();
    (wrong["mode"], wrong["level_permille"], wrong["min"], wrong["max"]) =
        (json!("recommend"), json!(1_000), json!(20), json!(10));
    let refused = world.client.put(path, &wrong).await?.problem(422)?.to_string();
    ensure!(refused.contains("level_permille") && refused.contains("max"), "{refused}");

    // Somebody else may not, and who looked at an old version is told so.
    world.client.put("/api/v1/pools/web/policy", &json!({ "policy": {} })).await?.expect(200)?;
    let headers = [("content-type", "application/json"), ("if-match", "\"4\"")];
    wish["version"] = Value::Null;
    let body = |wish: &Value| Some(wish.to_string().into_bytes());
    world.client.send(Method::PUT, path, &headers, body(&wish)).await?.problem(409)?;
    world.client.put(path, &wish).await?.problem(428)?;
    let headers = [("content-type", "application/json"), ("if-match", "\"0\"")];
    let set = world.client.send(Method::PUT, path, &headers, body(&wish)).await?.expect(200)?.json()?;
    assert_eq!((&set["version"], &set["mode"]), (&json!(1), &json!("apply")));

    world.holds(key, 200, usual(NOW.div_euclid(HOUR_MS)), NOW).await?;
    let done = world.run().await?;
    assert_eq!((&done["decided"], &done["applied"], &done["refused"]), (&json!(1), &json!(1), &json!(0)), "{done}");
    let steps = pool::capacity(&mut world.conn, Some(&[key])).await?.remove(&key).context("steps")?;
    let newest = steps.last().context("a step")?;
    ensure!(newest.configured < 200 && newest.reason.starts_with("scaling: "), "{newest:?}");
    let decisions = world.get("/api/v1/pools/web/scaling/decisions").await?;
    let decision = &decisions["decisions"][0];
    assert_eq!((&decision["outcome"], &decision["wanted"]), (&json!("applied"), &json!(newest.configured)));
    ensure!(decision["inputs"]["quantile"].as_f64().is_some_and(|slots| slots > 0.0), "{decision}");
    let changes = world.count("audit WHERE action = 'set-capacity' AND object_key = 'web'").await?;
    ensure!(
        world.count("audit WHERE action = 'set-scaling-policy' AND object_key = 'web'").await? == 1,
        "the policy's change"
    );
    let again = world.run().await?;
    assert_eq!((&again["decided"], &again["applied"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(world.count("audit WHERE action = 'set-capacity' AND object_key = 'web'").await?, changes);

    // What was decided and not applied when a server died is applied once by the next.
    let pending = "UPDATE scaling_decision SET outcome = 'pending', before = $2, wanted = 123, at = $1";
    let present = newest.configured;
    sqlx::query(pending)
        .bind(chrono::DateTime::from_timestamp_millis(NOW))
        .bind(present)
        .execute(&mut world.conn)
        .await?;
    let (one, other) = tokio::join!(world.run(), world.run());
    ensure!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(world.count("audit WHERE action = 'set-capacity' AND object_key = 'web'").await?, changes + 1);
    let steps = pool::capacity(&mut world.conn, Some(&[key])).await?.remove(&key).context("steps")?;
    assert_eq!(steps.last().map(|step| step.configured), Some(123));
    // One that rests on another capacity than there is by now is not applied.
    sqlx::query(pending)
        .bind(chrono::DateTime::from_timestamp_millis(NOW))
        .bind(present)
        .execute(&mut world.conn)
        .await?;
    let done = world.run().await?;
    assert_eq!((&done["applied"], &done["refused"]), (&json!(0), &json!(1)), "{done}");
    let note = "scaling_decision WHERE outcome = 'refused' AND note LIKE '%changed after this was decided%'";
    assert_eq!(world.count(note).await?, 1);
    Ok(())
}

impl World {
    /// A pool of 200 slots that is given out here and scaled by itself, at once.
    async fn applied(&mut self, slug: &str) -> Result<i32> {
        let key = self.pool(slug, 200, 40, usual).await?;
        self.client.put(&format!("/api/v1/pools/{slug}/policy"), &json!({ "policy": {} })).await?.expect(200)?;
        let path = format!("/api/v1/pools/{slug}/scaling");
        let mut wish = self.get(&path).await?;
        (wish["mode"], wish["basis"]) = (json!("apply"), json!("forecast"));
        (wish["hold_minutes"], wish["cooldown_minutes"], wish["version"]) = (json!(0), json!(0), Value::Null);
        let headers = [("content-type", "application/json"), ("if-match", "\"0\"")];
        self.client.send(Method::PUT, &path, &headers, Some(wish.to_string().into_bytes())).await?.expect(200)?;
        self.holds(key, 200, usual(NOW.div_euclid(HOUR_MS)), NOW).await?;
        Ok(key)
    }

    /// Steps of capacity from an instant on: instant, slots and reason.
    async fn steps(&mut self, key: i32, from: Millis) -> Result<Vec<(Millis, i32, String)>> {
        let steps = pool::capacity(&mut self.conn, Some(&[key])).await?.remove(&key).context("steps")?;
        let after = steps.into_iter().filter(|step| step.from_ms >= from);
        Ok(after.map(|step| (step.from_ms, step.configured, step.reason)).collect())
    }

    /// Claims of the minute before an instant.
    async fn claimed(&mut self, key: i32, at_ms: Millis, claims: i64, rejections: i64) -> Result<()> {
        let mut acc = Accumulator::default();
        let counters = Some(Counters { claims, rejections, ..Counters::default() });
        let at = at_ms - MINUTE_MS;
        acc.reading(
            key,
            &Reading { at, duration_ms: MINUTE_MS, capacity: 200, occupied: Some(90), counters, ..Reading::default() },
        );
        history::merge(&mut self.conn, history::LIVE, acc.take()).await?;
        self.holds(key, 200, 90, at_ms).await
    }

    async fn at(&mut self, at_ms: Millis) -> Result<Value> {
        headroom_store::hold_test_clock(&mut self.conn, at_ms).await?;
        self.run().await
    }
}

impl World {
    /// Changes how a pool is scaled.
    async fn scaled(&self, slug: &str, change: Value) -> Result<()> {
        let path = format!("/api/v1/pools/{slug}/scaling");
        let mut wish = self.get(&path).await?;
        for (name, value) in change.as_object().context("fields")? {
            wish[name] = value.clone();
        }
        self.client.put(&path, &wish).await?.expect(200)?;
        Ok(())
    }

    /// What autoscalers and monitoring are told: slots that a pool should have now.
    async fn told(&self, slug: &str) -> Result<(i64, i64)> {
        let scaler = self.get(&format!("/api/v1/pools/{slug}/scaling/metrics")).await?;
        let metrics = self.client.get("/metrics").await?.expect(200)?.body;
        let gauge = format!("slot_recommended_capacity{{pool_id=\"{slug}\"}} ");
        let gauge = metrics.lines().find_map(|line| line.strip_prefix(&gauge)).context("a gauge")?.parse()?;
        Ok((scaler["value"].as_i64().context("a value")?, gauge))
    }
}

#[tokio::test]
async fn autoscalers_monitoring_and_decisions_are_told_the_same() -> Result<()> {
    let mut world = World::new().await?;
    world.client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
    world.pool("web", 200, 40, usual).await?;
    let change = json!({ "slots": 210, "effective": "2026-11-25T09:30:00Z", "reason": "some more" });
    world.client.post("/api/v1/pools/web/capacity", &change).await?.expect(200)?;
    let rules = |mode: &str, cooldown: i64| json!({ "mode": mode, "basis": "forecast", "hold_minutes": 0, "cooldown_minutes": cooldown });
    // In the shadow nobody is told, though the plan would take nearly half of it away.
    world.scaled("web", rules("shadow", 0)).await?;
    world.run().await?;
    let steps = world.get("/api/v1/pools/web/forecast").await?["steps"].clone();
    ensure!(steps[0]["to"].as_i64().is_some_and(|slots| slots < 150), "the plan shrinks: {steps}");
    assert_eq!(world.told("web").await?, (210, 210));
    // Five minutes after a change nothing shrinks yet.
    world.scaled("web", rules("recommend", 10)).await?;
    world.at(NOW + 5 * MINUTE_MS).await?;
    assert_eq!(world.told("web").await?, (210, 210));
    assert_eq!(world.count("scaling_decision WHERE outcome = 'recommended'").await?, 0);
    // Then all say the same.
    world.at(NOW + 10 * MINUTE_MS).await?;
    let newest = world.get("/api/v1/pools/web/scaling/decisions").await?["decisions"][0].clone();
    let wanted = newest["wanted"].as_i64().context("slots")?;
    ensure!(newest["outcome"] == "recommended" && wanted < 150, "{newest}");
    assert_eq!(world.told("web").await?, (wanted, wanted));
    // What is promised later stays, however far away: more than three months.
    let terms = json!({ "name": "launch", "tenant": "acme", "slots": 180, "zone": "UTC",
        "start": "2027-03-15T00:00", "end": "2027-03-16T00:00" });
    let body = json!({ "terms": terms, "reason": "as agreed" });
    world.client.post_once("/api/v1/pools/web/reservations", "k", &body).await?.expect(201)?;
    world.at(NOW + 11 * MINUTE_MS).await?;
    assert_eq!(world.told("web").await?, (180, 180));
    // A change that is too small to be made is told to nobody.
    world.scaled("web", json!({ "least_change": 40 })).await?;
    world.at(NOW + 12 * MINUTE_MS).await?;
    assert_eq!(world.told("web").await?, (210, 210));
    world.scaled("web", json!({ "least_change": 0 })).await?;
    world.at(NOW + 13 * MINUTE_MS).await?;
    assert_eq!(world.told("web").await?, (180, 180));
    // While recommendations are ignored nobody is told either.
    let version = world.get("/api/v1/pools/web/scaling").await?["version"].to_string();
    let ignore = [("version", version.as_str()), ("until", "2026-11-27T09:00"), ("reason", "machines move")];
    world.client.form("/forecast/web/ignore", &ignore).await?.expect(303)?;
    world.at(NOW + 14 * MINUTE_MS).await?;
    assert_eq!(world.told("web").await?, (210, 210));
    Ok(())
}

#[tokio::test]
async fn what_is_kept_and_told_of_a_change_is_what_was_done() -> Result<()> {
    let mut world = World::new().await?;
    world.client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
    let settings = json!({ "url": "https://scaler.example.org/hook", "secret": "0123456789abcdef" });
    let receiver = json!({ "name": "scaler", "kind": "scaling-webhook", "settings": settings });
    world.client.post("/api/v1/receivers", &receiver).await?.expect(201)?;
    let key = world.applied("web").await?;
    // 180 slots are promised while a change to 123 is under way already.
    let terms = json!({ "name": "launch", "tenant": "acme", "slots": 180, "zone": "UTC",
        "start": "2027-03-15T00:00", "end": "2027-03-16T00:00" });
    let body = json!({ "terms": terms, "reason": "as agreed" });
    world.client.post_once("/api/v1/pools/web/reservations", "k", &body).await?.expect(201)?;
    pending(&mut world.conn, key, 200, 123).await?;
    let done = world.run().await?;
    assert_eq!((&done["applied"], &done["refused"]), (&json!(1), &json!(0)), "{done}");
    assert_eq!(world.steps(key, NOW).await?.last().map(|step| step.1), Some(180));
    let decisions = world.get("/api/v1/pools/web/scaling/decisions").await?;
    let newest = &decisions["decisions"][0];
    assert_eq!((&newest["outcome"], &newest["wanted"]), (&json!("applied"), &json!(180)), "{newest}");
    ensure!(text(&newest["note"].to_string()).contains("180 slots in place of 123"), "{newest}");
    let told =
        "notification WHERE message = 'scaling' AND (body->>'wanted')::int = 180 AND body->>'note' LIKE '180 slots%'";
    assert_eq!(world.count(told).await?, 1);
    assert_eq!(world.count("notification WHERE message = 'scaling'").await?, 1);
    Ok(())
}

/// A change that was decided and is to be applied.
async fn pending(conn: &mut PgConnection, pool: i32, before: i32, wanted: i32) -> Result<()> {
    sqlx::query(
        "INSERT INTO scaling_decision (pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note)
         VALUES ($1, $2, 'apply', $3, $4, 'quantile', 'shrinks', '{}', 'pending', '')",
    )
    .bind(pool)
    .bind(chrono::DateTime::from_timestamp_millis(NOW))
    .bind(before)
    .bind(wanted)
    .execute(conn)
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_kept_is_compressed_fast_where_postgresql_can() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("web", 200, 40, usual).await?;
    world.run().await?;
    let can = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'";
    let can: bool = sqlx::query_scalar(can).fetch_one(&mut world.conn).await?;
    let how = "SELECT ARRAY[pg_column_compression(memory), pg_column_compression(said)] FROM forecast";
    let how: Vec<String> = sqlx::query_scalar(how).fetch_one(&mut world.conn).await?;
    assert_eq!(how, [if can { "lz4" } else { "pglz" }; 2]);
    Ok(())
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_is_made_anew() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("web", 200, 40, usual).await?;
    world.run().await?;
    let remembered = "SELECT memory::text FROM forecast";
    let before: String = sqlx::query_scalar(remembered).fetch_one(&mut world.conn).await?;
    sqlx::raw_sql("UPDATE forecast SET memory = '{}', hour = hour - interval '1 hour'")
        .execute(&mut world.conn)
        .await?;
    let done = world.run().await?;
    assert_eq!((&done["forecast"], &done["failed"]), (&json!(1), &json!(0)), "{done}");
    let after: String = sqlx::query_scalar(remembered).fetch_one(&mut world.conn).await?;
    ensure!(after == before, "the same history teaches the same");
    Ok(())
}

#[tokio::test]
async fn pools_that_fail_keep_no_other_one_from_its_turn() -> Result<()> {
    let mut world = World::new().await?;
    // A whole look of pools whose policy cannot be read, before one that is in order; a change of the first is pending.
    for number in 0..17 {
        let body =
            json!({ "name": format!("bad-{number}"), "capacity": 9, "slug": format!("bad-{number}"), "zone": "UTC" });
        world.client.post("/api/v1/pools", &body).await?.expect(201)?;
    }
    let damaged = "INSERT INTO scaling_policy (pool_id, mode, settings, ignore_why) SELECT pool_id, 'apply', '{\"min\": -1}', '' FROM pool";
    sqlx::raw_sql(damaged).execute(&mut world.conn).await?;
    let bad = pool::by_slug(&mut world.conn, "bad-0").await?.context("the pool")?.key;
    pending(&mut world.conn, bad, 9, 5).await?;
    // Of another one not even its forecast can be read.
    let unreadable = "INSERT INTO forecast (pool_id, hour, seen_from, memory, said, is_known, recommended)
        SELECT pool_id, date_trunc('hour', hr_now()), hr_now(), '{}', '{}', true, 7 FROM pool WHERE slug = 'bad-1'";
    sqlx::raw_sql(unreadable).execute(&mut world.conn).await?;
    let key = world.applied("web").await?;
    let done = world.run().await?;
    let counted = (&done["forecast"], &done["applied"], &done["failed"]);
    assert_eq!(counted, (&json!(1), &json!(1), &json!(17)), "{done}");
    ensure!(world.steps(key, NOW).await?.last().is_some_and(|step| step.1 < 200), "the pool in order is scaled");
    assert_eq!(world.count("forecast WHERE recommended IS NOT NULL").await?, 1, "an old plan is nobody's");
    assert_eq!(world.count(&format!("scaling_decision WHERE pool_id = {bad} AND outcome = 'pending'")).await?, 1);
    Ok(())
}

#[tokio::test]
async fn who_waits_wants_slots_too() -> Result<()> {
    let mut world = World::new().await?;
    let key = world.pool("web", 200, 40, usual).await?;
    world.run().await?;
    let present = usual(NOW.div_euclid(HOUR_MS));
    let wanted = |said: &Value| said["wanted_now"].as_f64().context("what is wanted");
    let before = wanted(&world.get("/api/v1/pools/web/scaling/metrics").await?)?;
    ensure!((before - present as f64).abs() < 1e-9, "{before}");
    // Of a queue that nothing was reported of nobody says how many wait.
    let backlog = "/api/v1/pools/web/backlog?arrivals=0&rate=1&per=second&workers=1";
    world.client.get(backlog).await?.problem(422)?;
    // In the last minute 20 claims waited all the time.
    let counters = Counters { claims: 20, waited: 20, queue_ms: 20 * MINUTE_MS, ..Counters::default() };
    let mut acc = Accumulator::default();
    acc.reading(
        key,
        &Reading {
            at: NOW - MINUTE_MS,
            duration_ms: MINUTE_MS,
            capacity: 200,
            occupied: Some(present),
            counters: Some(counters),
            ..Reading::default()
        },
    );
    history::merge(&mut world.conn, history::LIVE, acc.take()).await?;
    let after = wanted(&world.get("/api/v1/pools/web/scaling/metrics").await?)?;
    ensure!((after - before - 20.0).abs() < 1e-9, "{after}, before {before}");
    assert_eq!(world.get(backlog).await?["backlog"], 20);
    Ok(())
}

#[tokio::test]
async fn forecasts_come_part_by_part() -> Result<()> {
    let mut world = World::new().await?;
    for (slug, capacity) in [("wide", 500), ("tight", 75), ("middle", 500)] {
        world.pool(slug, capacity, 20, usual).await?;
    }
    world.run().await?;
    let slugs = |part: &Value| -> Vec<String> {
        let rows = part["forecasts"].as_array().into_iter().flatten();
        rows.map(|row| row["pool"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let all = world.get("/api/v1/forecasts").await?;
    assert_eq!(slugs(&all), ["tight", "middle", "wide"], "those first that are full soonest, then by name");
    ensure!(all["next"].is_null(), "{all}");
    let first = world.get("/api/v1/forecasts?limit=2").await?;
    let next = first["next"].as_str().context("there are more")?;
    let rest = world.get(&format!("/api/v1/forecasts?limit=2&after={next}")).await?;
    assert_eq!((slugs(&first), slugs(&rest)), (slugs(&all)[..2].to_vec(), slugs(&all)[2..].to_vec()));
    ensure!(rest["next"].is_null(), "{rest}");
    for wrong in ["limit=0", "limit=501", "after=web", "after="] {
        world.client.get(&format!("/api/v1/forecasts?{wrong}")).await?.problem(422)?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_promised_later_is_not_taken_away() -> Result<()> {
    let mut world = World::new().await?;
    world.client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
    let key = world.applied("web").await?;
    let terms = json!({ "name": "launch", "tenant": "acme", "slots": 180, "zone": "UTC",
        "start": "2026-12-09T00:00", "end": "2026-12-10T00:00" });
    let body = json!({ "terms": terms, "reason": "as agreed" });
    world.client.post_once("/api/v1/pools/web/reservations", "k", &body).await?.expect(201)?;
    let done = world.run().await?;
    assert_eq!((&done["applied"], &done["refused"]), (&json!(1), &json!(0)), "{done}");
    let slots = |steps: Vec<(Millis, i32, String)>| steps.into_iter().map(|step| step.1).collect::<Vec<_>>();
    assert_eq!(slots(world.steps(key, NOW).await?), [180], "the plan wants about 106");
    let done = world.at(NOW + MINUTE_MS).await?;
    assert_eq!((&done["decided"], &done["applied"], &done["refused"]), (&json!(0), &json!(0), &json!(0)), "{done}");

    // Where somebody planned more slots for the promise, until then there need not be as many.
    let more = json!({ "slots": 200, "effective": "2026-12-08T00:00:00Z", "reason": "for the launch" });
    world.client.post("/api/v1/pools/web/capacity", &more).await?.expect(200)?;
    world.at(NOW + 2 * MINUTE_MS).await?;
    let steps = slots(world.steps(key, NOW + 2 * MINUTE_MS).await?);
    ensure!(steps.len() == 2 && steps[0] < 180 && steps[1] == 200, "{steps:?}");
    Ok(())
}

#[tokio::test]
async fn slots_come_back_where_claims_are_rejected() -> Result<()> {
    let mut world = World::new().await?;
    let settings = json!({ "url": "https://scaler.example.org/hook", "secret": "0123456789abcdef" });
    let receiver = json!({ "name": "scaler", "kind": "scaling-webhook", "settings": settings });
    world.client.post("/api/v1/receivers", &receiver).await?.expect(201)?;
    let harmed = world.applied("harmed").await?;
    let fine = world.applied("fine").await?;
    let done = world.run().await?;
    assert_eq!(done["applied"], json!(2), "{done}");
    for (key, rejected) in [(harmed, 1), (fine, 0)] {
        world.claimed(key, NOW + 3 * MINUTE_MS, 9_000, rejected).await?;
    }
    let done = world.at(NOW + 3 * MINUTE_MS).await?;
    assert_eq!(done["undone"], json!(1), "more than one of 10,000: {done}");
    let last = world.steps(harmed, NOW).await?.pop().context("a step")?;
    assert_eq!((last.0, last.1), (NOW + 3 * MINUTE_MS, 200));
    ensure!(last.2.contains("1 of 9,000 claims were rejected"), "{last:?}");
    let shrunk = world.steps(fine, NOW).await?;
    ensure!(shrunk.iter().all(|step| step.1 < 200), "the other keeps what it has: {shrunk:?}");
    let trial = "capacity_trial WHERE outcome = 'undone' AND note LIKE '1 of 9%'";
    assert_eq!(world.count(trial).await?, 1);
    // Whoever scales what is outside is told of each: two that shrank, and one that came back.
    let told = "notification WHERE message = 'scaling' AND body->>'outcome' = 'applied'";
    assert_eq!(world.count(told).await?, 3);
    let back = "notification WHERE message = 'scaling' AND body->>'pool' = 'harmed' AND (body->>'wanted')::int = 200";
    assert_eq!(world.count(back).await?, 1);

    // It is not taken away again by itself, though the plan says so; and the other one's trial ends well.
    let late = NOW + 34 * MINUTE_MS;
    for minute in 4..=34 {
        for key in [harmed, fine] {
            world.claimed(key, NOW + minute * MINUTE_MS, 1_000, 0).await?;
        }
    }
    world.at(late).await?;
    assert_eq!(world.steps(harmed, NOW + 4 * MINUTE_MS).await?, [], "nothing shrinks a short while after");
    let decisions = world.get("/api/v1/pools/harmed/scaling/decisions").await?;
    let newest = &decisions["decisions"][0];
    ensure!(newest["outcome"] != json!("applied") || newest["decider"] == json!("rejections"), "{newest}");
    assert_eq!(world.count(&format!("capacity_trial WHERE outcome = 'kept' AND pool_id = {fine}")).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_digest_of_a_week_says_what_is_ahead() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("tight", 75, 40, usual).await?;
    world.pool("young", 50, 3, usual).await?;
    // The week closes on Monday at six, and what was foreseen then stays in it.
    let monday = NOW.div_euclid(DAY_MS) * DAY_MS + 5 * DAY_MS + 6 * HOUR_MS;
    world.at(monday).await?;
    sqlx::query("UPDATE account SET report_letters = true").execute(&mut world.conn).await?;
    let mail = Mailer::new(&MailSettings { smtp_url: "smtp://127.0.0.1:9".parse()?, from: "h@test.example".parse()? })?;
    let app = App::new(world.db.clone()).reaching(Outward { mail: Some(mail), ..Outward::default() });
    reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let body: String = sqlx::query_scalar("SELECT body FROM letter WHERE key LIKE 'report weekly 2026-W48 %'")
        .fetch_one(&mut world.conn)
        .await?;
    let line = |slug: &str| body.lines().find(|line| line.trim_start().starts_with(&format!("{slug}: wanted")));
    let (tight, capacity) = (line("tight").with_context(|| body.clone())?, "least capacity 75, promised 0");
    ensure!(tight.contains(capacity) && tight.contains("first short day 2026-12-01"), "{body}");
    ensure!(body.contains("young: least capacity 50, promised 0, first short day too little history"), "{body}");
    let mut by_day = body.lines().skip_while(|line| !line.starts_with("Capacity outlook by day: wanted / 1 in 20 /"));
    by_day.next();
    let in_all: Vec<&str> = by_day.take_while(|line| line.contains(" / ")).collect();
    assert_eq!(in_all.len(), 7, "{body}");
    ensure!(in_all[0].starts_with("    Tue 1 Dec: ") && in_all[0].ends_with(" / \u{2013} / 0 / 75, short"), "{body}");
    let kept = world.get("/api/v1/reports/weekly-2026-W48?v=1").await?;
    assert_eq!(kept["closed"]["version"], 1);
    // A row for each pool and one for all, a column for each day, by whichever door.
    let tables = kept["tables"].as_array().context("tables")?;
    let days = tables.iter().find(|table| table["key"] == "outlook_days").context("the days ahead")?;
    let keys: Vec<&str> = days["columns"].as_array().into_iter().flatten().filter_map(|c| c["key"].as_str()).collect();
    assert_eq!((keys[0], keys[1], keys.len()), ("pool", "2026-12-01", 8));
    let rows: Vec<Vec<String>> = serde_json::from_value(days["rows"].clone())?;
    let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["tight", "young", "all that are foreseen"], "those that may be short first");
    ensure!(rows[0][1].ends_with(" / 0 / 75, short") && rows[1][1] == "\u{2013} / \u{2013} / 0 / 50", "{rows:?}");
    let csv = world.client.get("/api/v1/reports/weekly-2026-W48?format=csv&table=outlook_days").await?.csv()?;
    assert_eq!(csv[1..], rows);
    world.at(monday + 2 * DAY_MS).await?;
    let later = world.get("/api/v1/reports/weekly-2026-W48").await?;
    assert_eq!(later["tables"], kept["tables"], "it is frozen with the report");
    Ok(())
}

#[tokio::test]
async fn nobody_who_writes_the_audit_trail_waits_for_letters() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("tight", 75, 40, usual).await?;
    let monday = NOW.div_euclid(DAY_MS) * DAY_MS + 5 * DAY_MS + 6 * HOUR_MS;
    world.at(monday).await?;
    sqlx::query("UPDATE account SET report_letters = true").execute(&mut world.conn).await?;
    let mail = Mailer::new(&MailSettings { smtp_url: "smtp://127.0.0.1:9".parse()?, from: "h@test.example".parse()? })?;
    let app = App::new(world.db.clone()).reaching(Outward { mail: Some(mail), ..Outward::default() });
    // Nobody can read who wants letters, so the job stands still where it writes them.
    let mut holder = world.database.connect().await?;
    sqlx::raw_sql("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await?;
    let job = tokio::spawn(async move { reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}")) });
    let waits = "pg_locks WHERE NOT granted AND relation = 'account'::regclass";
    let until = Instant::now() + Duration::from_mins(1);
    while world.count(waits).await? == 0 {
        ensure!(Instant::now() < until && !job.is_finished(), "the job reads who wants letters");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Meanwhile the head of the audit trail is free.
    sqlx::raw_sql("BEGIN; SELECT * FROM audit_head FOR UPDATE NOWAIT; ROLLBACK").execute(&mut world.conn).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await?;
    job.await??;
    assert_eq!(world.count("letter WHERE key LIKE 'report weekly 2026-W48 %'").await?, 1);
    Ok(())
}

/// The same with three times as much on one evening a year before.
fn with_a_sale(hour: i64) -> i64 {
    let from = (NOW + DAY_MS).div_euclid(HOUR_MS) - 365 * 24;
    if (from..from + 4).contains(&hour) { 3 * usual(hour) } else { usual(hour) }
}

#[tokio::test]
async fn the_week_ahead_is_told_and_stays_as_it_was_told() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("tight", 75, 40, usual).await?;
    world.pool("wide", 500, 40, usual).await?;
    world.pool("young", 50, 3, usual).await?;
    world.run().await?;
    let report = world.get("/api/v1/reports/weekly-2026-W48").await?;
    ensure!(report["closed"].is_null(), "the week runs: {report}");
    let tables = report["tables"].as_array().context("tables")?;
    let outlook = tables.iter().find(|table| table["key"] == "outlook").context("an outlook")?;
    let row = |slug: &str| {
        let rows = outlook["rows"].as_array().into_iter().flatten();
        rows.into_iter().find(|row| row[0] == slug).cloned().unwrap_or_default()
    };
    let (tight, wide, young) = (row("tight"), row("wide"), row("young"));
    // Pool, wanted, in one of twenty, capacity, promised, short on, full in.
    let wanted = tight[1].as_i64().context("the median")?;
    ensure!((95..125).contains(&wanted) && tight[2].as_i64() >= Some(wanted), "busy days want about 110: {tight}");
    assert_eq!((&tight[3], &tight[5], &tight[7]), (&json!(75), &json!("2026-11-26"), &json!(0)), "{tight}");
    assert_eq!((&wide[1], &wide[3], &wide[5]), (&tight[1], &json!(500), &json!("none")), "{wide}");
    assert_eq!((&young[1], &young[5]), (&Value::Null, &json!("too little history")), "{young}");
    // By day: the most of the days is what the pool's row says, and in all is the sum of those that are foreseen.
    let by_day = tables.iter().find(|table| table["key"] == "outlook_days").context("days")?;
    let heads: Vec<&str> =
        by_day["columns"].as_array().into_iter().flatten().filter_map(|c| c["key"].as_str()).collect();
    assert_eq!((heads.len(), heads[1], heads[7]), (8, "2026-11-26", "2026-12-02"), "from tomorrow on");
    // Of each day what is wanted, in one of twenty cases, what is promised and what there is.
    let days = |slug: &str| -> Vec<[Option<i64>; 4]> {
        let rows = by_day["rows"].as_array().into_iter().flatten();
        let row: Vec<&Value> =
            rows.filter(|row| row[0] == slug).filter_map(Value::as_array).flatten().skip(1).collect();
        let read = |cell: &&Value| {
            let text = cell.as_str().unwrap_or_default();
            let mut numbers = text.split(" / ").map(|part| part.split(", ").next().and_then(|part| part.parse().ok()));
            [(); 4].map(|()| numbers.next().flatten())
        };
        row.iter().map(read).collect()
    };
    for (slug, said) in [("tight", &tight), ("wide", &wide)] {
        let days = days(slug);
        assert_eq!(days.len(), 7, "{days:?}");
        for column in [0, 1] {
            assert_eq!(days.iter().filter_map(|day| day[column]).max(), said[column + 1].as_i64(), "{days:?}");
        }
        ensure!(days.iter().all(|day| day[0] <= day[1]), "{days:?}");
    }
    assert_eq!(days("young"), vec![[None, None, Some(0), Some(50)]; 7], "too little is known of it");
    for (place, day) in days("all that are foreseen").iter().enumerate() {
        let (tight, wide) = (days("tight")[place], days("wide")[place]);
        for column in [0, 2, 3] {
            assert_eq!(day[column], tight[column].zip(wide[column]).map(|(one, other)| one + other), "{by_day}");
        }
        ensure!(day[1].is_none(), "what is rare does not add up: {day:?}");
    }
    let page = text(&world.client.page("/reports/weekly-2026-W48").await?.expect(200)?.body);
    ensure!(page.contains("Capacity outlook, the next seven days") && page.contains("Thu 26 Nov"), "{page}");
    let csv = world.client.get("/reports/weekly-2026-W48.csv?table=outlook_days").await?.csv()?;
    assert_eq!(csv.len(), 1 + 4, "three pools and all: {csv:?}");
    // What is over for longer tells no future, and what nobody closed is missing under its version.
    let old = world.get("/api/v1/reports/weekly-2026-W45").await?;
    ensure!(!old.to_string().contains("outlook"), "{old}");
    world.client.get("/api/v1/reports/weekly-2026-W48?v=1").await?.problem(404)?;
    world.client.get("/api/v1/reports/weekly-2026-W48?v=x").await?.problem(422)?;
    world.client.get("/api/v1/reports/nonsense").await?.problem(404)?;
    Ok(())
}

#[tokio::test]
async fn what_a_day_of_last_year_did_is_learnt() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("plain", 1_000, 40, usual).await?;
    let key = world.pool("shop", 1_000, 40, usual).await?;
    let ahead = (NOW + DAY_MS).div_euclid(HOUR_MS);
    let year = 365 * 24;
    world.came(key, 1_000, ahead - year - 28 * 24..ahead - year + 28 * 24, with_a_sale).await?;
    for (id, from) in [(1_u128, ahead - year), (2, ahead)] {
        let (start, end) = (from * HOUR_MS, (from + 4) * HOUR_MS);
        sqlx::query(
            "INSERT INTO calendar_event (event_id, pool_id, start_at, end_at, zone, tag, title, effect, author)
             VALUES ($1, $2, $3, $4, 'UTC', 'sale', 'Sale', 'learn', 'test')",
        )
        .bind(uuid::Uuid::from_u128(id))
        .bind(key)
        .bind(chrono::DateTime::from_timestamp_millis(start))
        .bind(chrono::DateTime::from_timestamp_millis(end))
        .execute(&mut world.conn)
        .await?;
    }
    world.run().await?;
    let median = |said: &Value, place: usize| said["hours"][place]["quantiles"][4].as_f64().unwrap_or_default();
    let (plain, shop) =
        (world.get("/api/v1/pools/plain/forecast").await?, world.get("/api/v1/pools/shop/forecast").await?);
    let place = 24;
    let factor = median(&shop, place) / median(&plain, place);
    // One window of about three times, drawn half-way towards no effect.
    ensure!((1.8..2.2).contains(&factor), "{factor}: {}", shop["hours"][place]);
    let usual = median(&shop, place + 5) / median(&plain, place + 5);
    ensure!((usual - 1.0).abs() < 1e-9, "afterwards it is as ever: {usual}");
    Ok(())
}

#[tokio::test]
async fn a_step_is_looked_at_before_it_is_taken() -> Result<()> {
    let mut world = World::new().await?;
    let key = world.applied("web").await?;
    let path = "/api/v1/pools/web/scaling";
    let mut wish = world.get(path).await?;
    (wish["mode"], wish["version"]) = (json!("recommend"), Value::Null);
    let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
    world.client.send(Method::PUT, path, &headers, Some(wish.to_string().into_bytes())).await?.expect(200)?;
    let before = world.steps(key, NOW).await?;
    world.run().await?;
    assert_eq!(world.steps(key, NOW).await?, before, "people take steps");
    let page = world.client.page("/forecast/web").await?.expect(200)?.body;
    let link =
        page.split("/forecast/web/apply?").nth(1).context("a step to take")?.split('"').next().unwrap_or_default();
    let query = link.replace("&amp;", "&");
    let value = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    let (at, to) = (value("at"), value("slots"));
    let look = world.client.page(&format!("/forecast/web/apply?{query}")).await?.expect(200)?.body;
    ensure!(look.contains("Rollback") && look.contains("Nothing is changed yet"), "{look}");
    ensure!(!text(&look).contains("Showing the range"), "its query is not taken for one of a range: {look}");
    assert_eq!(world.steps(key, NOW).await?, before, "looking changes nothing");
    assert_eq!(world.count("capacity_trial").await?, 0);

    let form = |rejected: &'static str, minutes: &'static str| {
        [("at", at.as_str()), ("slots", to.as_str()), ("guard", "on"), ("rejected", rejected), ("minutes", minutes)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (rejected, minutes, said) in [("0", "30", "1 to 10,000 claims"), ("1", "9999", "1 to 1,440 minutes")] {
        let fields = form(rejected, minutes);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = world.client.form("/forecast/web/apply", &fields).await?.expect(422)?.body;
        ensure!(text(&refused).contains(said), "{refused}");
    }
    let fields = form("5", "60");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    world.client.form("/forecast/web/apply", &fields).await?.expect(303)?;
    let steps = world.steps(key, NOW).await?;
    ensure!(steps.first().is_some_and(|step| step.1.to_string() == to), "{steps:?}");
    assert_eq!(world.count("capacity_trial WHERE outcome = 'running' AND most_rejected = 5").await?, 1);
    for wrong in ["", "?at=x&slots=5", "?at=1&slots=-5"] {
        let refused = world.client.page(&format!("/forecast/web/apply{wrong}")).await?;
        assert_eq!(refused.status, 422, "{wrong}");
    }
    world.client.page("/forecast/web/apply?at=1795599000000&slots=777").await?.expect(409)?;
    Ok(())
}

#[tokio::test]
async fn forms_work_without_scripts_and_name_what_is_wrong() -> Result<()> {
    let mut world = World::new().await?;
    world.pool("web", 200, 40, usual).await?;
    world.run().await?;
    let fields = |level: &'static str, version: &'static str| {
        vec![
            ("version", version),
            ("mode", "recommend"),
            ("basis", "forecast"),
            ("level", level),
            ("min", "10"),
            ("max", "400"),
            ("lead", "10"),
            ("hold", "60"),
            ("band", "5"),
            ("change", "0"),
            ("cooldown", "10"),
        ]
    };
    let refused = world.client.form("/forecast/web/policy", &fields("9999", "0")).await?.expect(422)?.body;
    ensure!(text(&refused).contains("500 to 990"), "{refused}");
    world.client.form("/forecast/web/policy", &fields("900", "0")).await?.expect(303)?;
    let stale = world.client.form("/forecast/web/policy", &fields("950", "0")).await?.expect(409)?.body;
    ensure!(stale.contains("Somebody changed this meanwhile"), "{stale}");

    let no_reason = [("version", "1"), ("until", "2026-11-27T09:00"), ("reason", "")];
    let refused = world.client.form("/forecast/web/ignore", &no_reason).await?.expect(422)?.body;
    ensure!(refused.contains("a reason of 1 to 500 characters"), "{refused}");
    let ignore = [("version", "1"), ("until", "2026-11-27T09:00"), ("reason", "<b>machines move")];
    world.client.form("/forecast/web/ignore", &ignore).await?.expect(303)?;
    let page = world.client.page("/forecast/web").await?.expect(200)?.body;
    ensure!(page.contains("Ignored until") && page.contains("&lt;b&gt;machines move"), "escaped, and told");
    let tried =
        text(&world.client.page("/forecast/web?level=990&growth=50&change=0&cooldown=10").await?.expect(200)?.body);
    ensure!(tried.contains("As tried") && tried.contains("Cost, next 7 days"), "what was tried stands beside what is");
    // A longer cooldown leaves out changes.
    let changes = |page: &str| -> Option<u32> {
        let row = page.split("As tried").nth(1)?;
        let (_, cell) = row.split("data-label=\"Changes\"").nth(1)?.split_once('>')?;
        cell.split('<').next()?.parse().ok()
    };
    let mut tries = Vec::new();
    for cooldown in [0, 1_440] {
        let page = world.client.page(&format!("/forecast/web?level=950&growth=0&change=0&cooldown={cooldown}")).await?;
        tries.push(changes(&page.expect(200)?.body).context("changes")?);
    }
    ensure!(tries[1] < tries[0], "changes without a cooldown, and with one of a day: {tries:?}");
    let wrong = world.client.page("/forecast/web?growth=9999").await?.expect(422)?.body;
    ensure!(text(&wrong).contains("-90 to 400 per cent"), "{wrong}");
    let past = world.client.page("/forecast/web?day=2026-11-99").await?.expect(200)?.body;
    ensure!(past.contains("a past day such as"), "{past}");
    world.client.get("/forecast/nowhere").await?.expect(404)?;
    // A step that the plan does not have is not taken.
    let at = (NOW + 5 * DAY_MS).to_string();
    let gone = [("at", at.as_str()), ("slots", "77")];
    world.client.form("/forecast/web/apply", &gone).await?.expect(409)?;
    Ok(())
}

#[tokio::test]
async fn every_decision_can_be_read_in_parts_and_as_a_file() -> Result<()> {
    let mut world = World::new().await?;
    let key = world.pool("web", 150, 20, usual).await?;
    let other = world.pool("other", 150, 1, usual).await?;
    let newest = NOW - MINUTE_MS;
    for number in 0..45 {
        let decision = Decision {
            pool: if number == 44 { other } else { key },
            at_ms: newest - number * HOUR_MS,
            mode: "shadow".into(),
            before: 150,
            wanted: 100 + i32::try_from(number)?,
            decider: "quantile".into(),
            reason: "=cmd by the quantile".into(),
            inputs: json!({ "quantile": 99.5 }),
            outcome: Outcome::Shadow,
            note: String::new(),
        };
        ensure!(scaling::decide(&mut world.conn, &decision).await?);
    }
    let path = "/api/v1/pools/web/scaling/decisions";
    let wanted = |part: &Value| -> Vec<i64> {
        part["decisions"].as_array().into_iter().flatten().filter_map(|one| one["wanted"].as_i64()).collect()
    };
    let (mut all, mut next) = (Vec::new(), format!("{path}?limit=20"));
    loop {
        let part = world.get(&next).await?;
        all.extend(wanted(&part));
        let Some(before) = part["next"].as_str() else { break };
        ensure!(wanted(&part).len() == 20 && all.len() < 60, "a part has as many as were asked for: {part}");
        next = format!("{path}?limit=20&before={before}");
    }
    assert_eq!(all, (100..144).collect::<Vec<_>>(), "each once, the newest first, and none of another pool");
    assert_eq!(wanted(&world.get(path).await?).len(), 20);
    let first = world.get(&format!("{path}?limit=1")).await?;
    assert_eq!(first["decisions"][0]["inputs"]["quantile"], 99.5, "with all that it was made from");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("before=now", "before"),
        ("before=nonsense", "before"),
        ("before=", "before"),
        ("before=9999-12-31T00:00:00Z", "before"),
        ("after=2026-11-25T09:00:00Z", "after"),
    ] {
        let problem = world.client.get(&format!("{path}?{query}")).await?;
        ensure!((400..500).contains(&problem.status), "{query}: {}", problem.status);
        ensure!(problem.body.contains(field), "{query}: {}", problem.body);
    }
    world.client.get("/api/v1/pools/nowhere/scaling/decisions").await?.problem(404)?;

    // On the page 20, a link to older ones, and all of them in a file.
    let mut page = world.client.page("/forecast/web").await?.expect(200)?.body;
    for (older, text) in [(true, "→ 100<"), (true, "→ 120<"), (false, "→ 143<")] {
        ensure!(page.contains(text), "{text}: {page}");
        let link = page.split("href=\"").find(|part| part.contains("before=") && part.contains(">Older decisions<"));
        assert_eq!(link.is_some(), older, "{text}");
        if let Some(href) = link.and_then(|part| part.split('"').next()) {
            let href = href.replace("&amp;", "&");
            let (href, _) = href.split_once('#').context("it leads to the list")?;
            page = world.client.page(href).await?.expect(200)?.body;
        }
    }
    let csv = world.client.get("/forecast/web?format=csv&table=decisions").await?.csv()?;
    assert_eq!(csv.len(), 45);
    assert_eq!(csv[1][2..6], ["150", "100", "quantile", "'=cmd by the quantile"], "and nothing that a sheet would run");
    ensure!(csv[1][8].contains("99.5"), "{:?}", csv[1]);
    let refused = world.client.page("/forecast/web?before=yesterday").await?.expect(422)?.body;
    ensure!(refused.contains("before"), "{refused}");
    Ok(())
}
