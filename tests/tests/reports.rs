//! Reports over the API and hints on settings: files that say what the page says, a list in parts, and what other settings would
//! have done to events that are known to the second.

use anyhow::{Context, Result, ensure};
use headroom_domain::lease::{EventKind, number};
use headroom_domain::report::Kind;
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_server::app::App;
use headroom_server::app::caller::Caller;
use headroom_server::db::Db;
use headroom_server::jobs;
use headroom_server::mail::{MailSettings, Mailer};
use headroom_server::outward::Outward;
use headroom_store::partition::{self, Cut};
use headroom_store::{history, pool};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::sync::Arc;

/// 2026-11-25T09:00:00Z, a Wednesday.
const NOW: Millis = 1_795_597_200_000;
/// 2026-11-23T00:00:00Z, the Monday of week 48.
const MONDAY: Millis = NOW - 2 * DAY_MS - 9 * HOUR_MS;

struct World {
    database: Database,
    conn: PgConnection,
    service: Service,
    client: Client,
}

impl World {
    /// A pool that gives out slots for 30 s, one that does so and nobody claims in, and one that is only metered.
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
        for slug in ["busy", "idle", "metered"] {
            let body = json!({ "name": slug, "slug": slug, "capacity": 10, "zone": "UTC" });
            client.post("/api/v1/pools", &body).await?.expect(201)?;
            if slug != "metered" {
                let policy = json!({ "policy": { "ttl_ms": 30_000, "heartbeats": { "interval_ms": 10_000 } } });
                client.put(&format!("/api/v1/pools/{slug}/policy"), &policy).await?.expect(200)?;
            }
        }
        partition::ensure(&mut conn, Cut::SlotEvents, MONDAY, NOW).await?;
        Ok(Self { database, conn, service, client })
    }

    fn app(&self) -> Result<App> {
        Ok(App::new(Db::connect(&self.database.url().parse()?)).acting(Arc::new(Caller::machine("cli"))))
    }

    /// Events of one kind, every so many milliseconds, the first after `from`; the claim and its holder have a number.
    async fn events(&mut self, kind: EventKind, claim: u128, from: Millis, times: i64, every: Millis) -> Result<()> {
        let key = pool::by_slug(&mut self.conn, "busy").await?.context("the pool")?.key;
        let tenant: i32 = sqlx::query_scalar("SELECT tenant_id FROM tenant").fetch_one(&mut self.conn).await?;
        sqlx::query(
            "INSERT INTO slot_event (at, pool_id, kind, slot, claim, tenant_id, holder, actor)
             SELECT $1 + time * $2 * interval '1 millisecond', $3, $4, 1, $5, $6, 'w' || $5, 'test'
             FROM generate_series(0, $7 - 1) time",
        )
        .bind(chrono::DateTime::from_timestamp_millis(from))
        .bind(every)
        .bind(key)
        .bind(number(EventKind::ALL, &kind))
        .bind(uuid::Uuid::from_u128(claim))
        .bind(tenant)
        .bind(times)
        .execute(&mut self.conn)
        .await?;
        Ok(())
    }

    /// A week in which holders renew every four seconds, once only after nine; one dies, one is suspected and comes back.
    async fn lived(&mut self) -> Result<()> {
        self.events(EventKind::Claim, 1, MONDAY, 1, 1).await?;
        self.events(EventKind::Renew, 1, MONDAY + 4_000, 2_000, 4_000).await?;
        self.events(EventKind::Renew, 1, MONDAY + 8_009_000, 10, 4_000).await?;
        self.events(EventKind::Release, 1, MONDAY + 8_046_000, 1, 1).await?;
        self.events(EventKind::Claim, 2, MONDAY + HOUR_MS, 1, 1).await?;
        self.events(EventKind::Expire, 2, MONDAY + HOUR_MS + 30_400, 1, 1).await?;
        self.events(EventKind::Claim, 3, MONDAY + 2 * HOUR_MS, 1, 1).await?;
        self.events(EventKind::Suspect, 3, MONDAY + 2 * HOUR_MS + 3_000, 1, 1).await?;
        self.events(EventKind::Renew, 3, MONDAY + 2 * HOUR_MS + 4_000, 1, 1).await
    }

    async fn week(&self) -> Result<Value> {
        self.client.get("/api/v1/reports/weekly-2026-W48").await?.expect(200)?.json()
    }

    /// A month and a half of history, so that there is something to close.
    async fn history(&mut self) -> Result<()> {
        use headroom_domain::accumulate::{Accumulator, Reading};
        let key = pool::by_slug(&mut self.conn, "metered").await?.context("the pool")?.key;
        let from = NOW - 45 * DAY_MS;
        for cut in [Cut::Minutes, Cut::FiveMinutes] {
            partition::ensure(&mut self.conn, cut, from, NOW).await?;
        }
        let mut acc = Accumulator::default();
        for day in 0..45 {
            let at = from + day * DAY_MS;
            acc.reading(
                key,
                &Reading { at, duration_ms: HOUR_MS, capacity: 10, occupied: Some(3), ..Reading::default() },
            );
        }
        history::merge(&mut self.conn, history::LIVE, acc.take()).await?;
        Ok(())
    }
}

fn table<'a>(report: &'a Value, key: &str) -> Result<&'a Value> {
    let mut tables = report["tables"].as_array().into_iter().flatten();
    tables.find(|table| table["key"] == key).with_context(|| format!("{key} in {report}"))
}

fn row<'a>(table: &'a Value, slug: &str) -> Result<&'a Value> {
    let mut rows = table["rows"].as_array().into_iter().flatten();
    rows.find(|row| row[0] == slug).with_context(|| format!("{slug} in {table}"))
}

fn plain(text: &str) -> String {
    text.replace('\u{202f}', " ")
}

#[tokio::test]
async fn hints_are_reckoned_from_what_happened_and_stay_as_they_were_given() -> Result<()> {
    let mut world = World::create().await?;
    world.lived().await?;
    let report = world.week().await?;
    let tuning = table(&report, "tuning")?;
    let busy = row(tuning, "busy")?;
    let advice = plain(busy[3].as_str().unwrap_or_default());
    ensure!(
        advice.starts_with(
            "TTL 30 s -> 12 s: dead holders are found 18 s sooner, no renewal in 2 h 14 m was later than 9 s"
        ),
        "{advice}"
    );
    ensure!(advice.contains("φ 8: 1 of 1 suspicions were wrong") || advice.contains("φ 8 -> "), "{advice}");
    assert_eq!((&busy[1], &busy[2]), (&json!(30_000), &json!("8")));
    let idle = row(tuning, "idle")?;
    ensure!(idle[3] == "too little history to say: no lease began or was renewed", "{idle}");
    ensure!(row(tuning, "metered").is_err(), "it gives out no slots");
    let measured = table(&report, "tuning_measured")?;
    // Covers, renewals, gap p50, p99, p99.9, longest; silent, found p50, p95; came back; suspected, wrongly.
    let expected = json!(["busy", 8_046_000, 2_012, 4_000, 4_000, 4_000, 9_000, 1, 30_400, 30_400, 0, 1, 1]);
    assert_eq!(measured["rows"], json!([expected]), "what is not known of the other is no zero");

    let effects = table(&report, "tuning_effects")?;
    let effect = |setting: &str, value: &str| {
        let rows = effects["rows"].as_array().into_iter().flatten();
        let mut rows = rows.filter(|row| row[1] == setting && plain(row[2].as_str().unwrap_or_default()) == value);
        rows.next().map(|row| (row[3].clone(), row[4].clone()))
    };
    assert_eq!(effect("TTL", "30 s (now)"), Some((json!(30_520), json!(0))), "{effects}");
    assert_eq!(effect("TTL", "12 s"), Some((json!(12_520), json!(0))), "{effects}");
    ensure!(effect("φ", "8 (now)").is_some() && effect("φ", "16").is_some(), "{effects}");
    assert_eq!(effect("reconciler", "every 5 s"), Some((json!(35_020), json!(0))), "{effects}");

    // The page and the file say the same.
    let page = plain(&world.client.page("/reports/weekly-2026-W48").await?.expect(200)?.body);
    ensure!(page.contains("tuning hints") && page.contains("dead holders are found 18 s sooner"), "{page}");
    let csv = world.client.get("/api/v1/reports/weekly-2026-W48?format=csv&table=tuning_measured").await?.csv()?;
    ensure!(csv.len() == 2 && csv[1][..4] == ["busy", "8046000", "2012", "4000"], "{csv:?}");

    // Closed, hints stay what they were, though the pool is set otherwise and the report is reckoned anew.
    world.history().await?;
    headroom_store::hold_test_clock(&mut world.conn, MONDAY + 7 * DAY_MS + 7 * HOUR_MS).await?;
    let app = world.app()?;
    jobs::reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let closed = world.week().await?;
    assert_eq!(table(&closed, "tuning")?["rows"], tuning["rows"]);
    sqlx::query("UPDATE pool_policy SET policy = jsonb_set(policy, '{ttl_ms}', '12000')")
        .execute(&mut world.conn)
        .await?;
    assert_eq!(world.week().await?["tables"], closed["tables"], "it is frozen");
    let same = app.correct_report(Kind::Weekly, "2026-W48", "nothing").await;
    ensure!(
        same.is_err_and(|error| error.to_string().contains("says the same today")),
        "advice is no figure that changes"
    );
    Ok(())
}

#[tokio::test]
async fn who_is_limited_is_told_of_own_pools_only() -> Result<()> {
    use headroom_domain::access::Scope;
    let mut world = World::create().await?;
    world.lived().await?;
    let secret = "hr_limitedlimitedlimitedlimitedlimitedlim";
    people::add_token(&mut world.conn, secret, &[Scope::Read], &["idle"], &[]).await?;
    let limited = Client::nobody(world.service.url())?.with_token(secret);
    let report = limited.get("/api/v1/reports/weekly-2026-W48").await?.expect(200)?.json()?;
    let tuning = table(&report, "tuning")?;
    ensure!(row(tuning, "idle").is_ok() && row(tuning, "busy").is_err(), "{tuning}");
    let of_tenant = "hr_tenanttenanttenanttenanttenanttenantte";
    people::add_token(&mut world.conn, of_tenant, &[Scope::Read], &[], &["acme"]).await?;
    let of_tenant = Client::nobody(world.service.url())?.with_token(of_tenant);
    let report = of_tenant.get("/api/v1/reports/weekly-2026-W48").await?.expect(200)?.body;
    ensure!(!report.contains("tuning") && !report.contains("busy"), "{report}");
    Ok(())
}

#[tokio::test]
async fn files_of_the_archive_come_over_the_api_and_the_list_in_parts() -> Result<()> {
    let mut world = World::create().await?;
    world.history().await?;
    let app = world.app()?;
    jobs::reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let client = &world.client;
    let all = client.get("/api/v1/reports").await?.expect(200)?.json()?;
    let names = |part: &Value| -> Vec<String> {
        let reports = part["reports"].as_array().into_iter().flatten();
        reports.map(|one| format!("{}.v{}", one["report"].as_str().unwrap_or_default(), one["version"])).collect()
    };
    let whole = names(&all);
    ensure!(whole.len() >= 6 && all["next"].is_null(), "{all}");
    // In parts it is the same list, each once.
    let (mut parts, mut path) = (Vec::new(), "/api/v1/reports?limit=2".to_owned());
    loop {
        let part = client.get(&path).await?.expect(200)?.json()?;
        ensure!(names(&part).len() <= 2);
        parts.extend(names(&part));
        let Some(next) = part["next"].as_str() else { break };
        ensure!(parts.len() <= whole.len(), "it goes on for ever");
        path = format!("/api/v1/reports?limit=2&after={next}");
    }
    assert_eq!(parts, whole);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=weekly-1999-W01.v1", "after"),
        ("after=nonsense", "after"),
        ("after=%00", "after"),
    ] {
        let problem = client.get(&format!("/api/v1/reports?{query}")).await?.problem(422)?;
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }

    // A file is the same by both doors, and an old version stays what it was.
    let month = "/api/v1/reports/waste-2026-10?v=1";
    for (format, begins) in [("pdf", &b"%PDF-"[..]), ("png", &b"\x89PNG"[..]), ("csv", &b""[..])] {
        let url = world.service.at(&format!("{month}&format={format}"));
        let fetch = async || -> Result<(String, Vec<u8>)> {
            let answer = reqwest::Client::new().get(url.clone()).bearer_auth(people::TOKEN).send().await?;
            ensure!(answer.status().as_u16() == 200, "{format}: {}", answer.status());
            let header = answer.headers().get("content-disposition").context("a name")?.to_str()?.to_owned();
            Ok((header, answer.bytes().await?.to_vec()))
        };
        let (name, bytes) = fetch().await?;
        // Nothing was promised, so there is no table for a file of one.
        let expected = if format == "csv" { "headroom_empty.csv" } else { &format!("headroom_waste_2026-10.{format}") };
        ensure!(name.contains(expected), "{name}");
        ensure!(bytes.starts_with(begins), "{format}");
        assert_eq!(fetch().await?.1, bytes, "{format} is the same each time");
        let (cookie, value) = people::cookie();
        let page = world.service.at(&format!("/waste/2026-10.{format}?v=1"));
        let page = reqwest::Client::new().get(page).header("cookie", format!("{cookie}={value}")).send().await?;
        assert_eq!(page.bytes().await?.to_vec(), bytes, "{format}: page and API give one file");
    }
    for (query, field) in [
        ("format=exe", "format"),
        ("format=csv&table=nothing", "table"),
        ("format=pdf&table=occupancy", "table"),
        ("format=pdf&paper=a5", "paper"),
        ("paper=a4", "paper"),
        ("format=png", "format"),
    ] {
        let problem = client.get(&format!("/api/v1/reports/weekly-2026-W47?{query}")).await?.problem(422)?;
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    client.get("/api/v1/reports/waste-2026-10?v=9&format=pdf").await?.problem(404)?;
    Ok(())
}

#[tokio::test]
async fn what_is_brought_in_afterwards_is_closed_when_it_is_whole_and_tells_nobody_of_what_is_old() -> Result<()> {
    let mut world = World::create().await?;
    world.history().await?;
    sqlx::query("UPDATE account SET report_letters = true").execute(&mut world.conn).await?;
    let mail = Mailer::new(&MailSettings { smtp_url: "smtp://127.0.0.1:9".parse()?, from: "h@test.example".parse()? })?;
    let app = world.app()?.reaching(Outward { mail: Some(mail), ..Outward::default() });
    let close = async || -> Result<Vec<String>> {
        let outcome = jobs::reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let closed = outcome.detail["closed"].as_array().into_iter().flatten();
        Ok(closed.filter_map(|one| one.as_str().map(str::to_owned)).collect())
    };
    // An import says how far it is. Week 47 was over two days ago, the others and October longer.
    let import =
        "INSERT INTO import (kind, content_key, source_name, progress_at) VALUES ('occupancy', 'a', 'a.csv', hr_now())";
    sqlx::query(import).execute(&mut world.conn).await?;
    assert_eq!(close().await?, ["weekly 2026-W47"], "what is old waits for what is brought in");
    // It is done, and brought a time long before.
    let done =
        "UPDATE import SET state = 'done', done_at = hr_now(), summary = jsonb_build_object('from_ms', $1::bigint)";
    sqlx::query(done).bind(MONDAY - 60 * DAY_MS).execute(&mut world.conn).await?;
    headroom_store::hold_test_clock(&mut world.conn, NOW + HOUR_MS - 1).await?;
    ensure!(close().await?.is_empty(), "another import may follow");
    // One that brought only what is newer than a period does not keep it open.
    sqlx::query("UPDATE import SET summary = jsonb_build_object('from_ms', $1::bigint)")
        .bind(MONDAY - 14 * DAY_MS)
        .execute(&mut world.conn)
        .await?;
    let older = close().await?;
    ensure!(older.contains(&"waste 2026-10".to_owned()) && older.contains(&"weekly 2026-W45".to_owned()), "{older:?}");
    ensure!(!older.contains(&"weekly 2026-W46".to_owned()), "{older:?}");
    headroom_store::hold_test_clock(&mut world.conn, NOW + HOUR_MS).await?;
    assert_eq!(close().await?, ["weekly 2026-W46"]);
    // Of all these one letter was written, of the week that was over two days ago.
    let told: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT split_part(key, ' ', 3) FROM letter WHERE key LIKE 'report %'")
            .fetch_all(&mut world.conn)
            .await?;
    assert_eq!(told, ["2026-W47"]);
    Ok(())
}
