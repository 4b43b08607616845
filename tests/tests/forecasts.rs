//! Forecasts of pools and what follows from them: made once an hour whoever runs and dies, told as they are, applied with a trace.

use anyhow::{Context, Result, ensure};
use headroom_domain::accumulate::{Accumulator, Reading};
use headroom_domain::alert::episode::Condition;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_server::app::App;
use headroom_server::app::alerts::engine;
use headroom_server::db::Db;
use headroom_server::jobs::forecasts;
use headroom_store::current::{self, Current};
use headroom_store::partition::{self, Cut};
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
    ensure!(wape < naive, "regular days are foreseen better than by last week: {accuracy}");
    ensure!(accuracy["coverage_80"].as_f64().is_some_and(|c| (0.6..=1.0).contains(&c)), "{accuracy}");
    let page = text(&world.client.page("/forecast/web").await?.expect(200)?.body);
    for words in [
        "Typical miss (WAPE)".to_owned(),
        text(&format::percent(wape)),
        text(&format::percent(naive)),
        "80 % range held".into(),
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
        ensure!(quantiles.len() == 9 && quantiles.is_sorted() && quantiles[0] >= 0.0, "{hour}");
    }
    let csv = world.client.get("/forecast/web?format=csv&table=forecast").await?.csv()?;
    let median = csv[0].iter().position(|name| name == "median_forecast").context("a median")?;
    let at = |hour: &Value| hour["from"].as_str().unwrap_or_default().to_owned();
    for hour in &hours[..40] {
        let row = csv.iter().find(|row| row[0] == at(hour)).with_context(|| format!("no row of {}", at(hour)))?;
        let told: f64 = row[median].parse()?;
        ensure!((told - hour["quantiles"][3].as_f64().unwrap_or_default()).abs() < 1e-9, "{row:?} {hour}");
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
    sqlx::query("UPDATE scaling_decision SET outcome = 'pending', wanted = 123, at = $1")
        .bind(chrono::DateTime::from_timestamp_millis(NOW))
        .execute(&mut world.conn)
        .await?;
    let (one, other) = tokio::join!(world.run(), world.run());
    ensure!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(world.count("audit WHERE action = 'set-capacity' AND object_key = 'web'").await?, changes + 1);
    let steps = pool::capacity(&mut world.conn, Some(&[key])).await?.remove(&key).context("steps")?;
    assert_eq!(steps.last().map(|step| step.configured), Some(123));
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
    ensure!(tried.contains("As tried"), "what was tried stands beside what is");
    let wrong = world.client.page("/forecast/web?growth=9999").await?.expect(422)?.body;
    ensure!(text(&wrong).contains("-90 to 400 per cent"), "{wrong}");
    let past = world.client.page("/forecast/web?day=2026-11-99").await?.expect(200)?.body;
    ensure!(past.contains("a past day such as"), "{past}");
    world.client.get("/forecast/nowhere").await?.expect(404)?;
    // A step that the plan does not have is not taken.
    let at = (NOW + 5 * DAY_MS).to_string();
    let gone = [("at", at.as_str()), ("from", "200"), ("to", "77")];
    world.client.form("/forecast/web/apply", &gone).await?.expect(409)?;
    Ok(())
}
