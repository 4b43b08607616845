//! Reservation waste from hours to paper: figures worked out by hand, the demo world beside exact sums, months that close once and
//! stay as they were, files that say what the page says, suggestions that become a draft of one change, and who sees what.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
use headroom_domain::alert::episode::{Alert, Condition, Workflow};
use headroom_domain::alert::window::Lane;
use headroom_domain::report::{Cell, Document, Kind, Row};
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format, range};
use headroom_server::app::App;
use headroom_server::app::alerts::engine;
use headroom_server::app::caller::Caller;
use headroom_server::app::reports::files::Form;
use headroom_server::db::Db;
use headroom_server::jobs;
use headroom_server::outward::Outward;
use headroom_server::paper::Paper;
use headroom_store::partition::{self, Cut};
use headroom_store::scaling::{self, Decision, Outcome};
use headroom_store::{history, pool, tenant};
use headroom_tests::browser::Browser;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{self, Service};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::sync::Arc;
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z, a Wednesday.
const NOW: Millis = 1_795_597_200_000;
/// 2026-10-01T00:00:00Z.
const OCTOBER: Millis = NOW - (55 * 24 + 9) * HOUR_MS;
/// Hours of November so far.
const HOURS: i64 = 24 * 24 + 9;
/// Of them those from nine to ten.
const NINES: i64 = 24;

struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    /// A pool of 100 slots at 0.05, of which 40 are promised to `quiet` and 30 to `burst` since October, and one of 10 slots without
    /// a price. Each hour `quiet` holds 10 and 4 of the other pool, `loan` 45, and `burst` 12, but 29 from nine to ten.
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, OCTOBER - DAY_MS).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let lanes = json!({ "name": "Lanes", "slug": "lanes", "capacity": 100, "unit_cost_micros": 50_000 });
        client.post("/api/v1/pools", &lanes).await?.expect(201)?;
        client
            .post("/api/v1/pools", &json!({ "name": "Extra", "slug": "extra", "capacity": 10 }))
            .await?
            .expect(201)?;
        for tenant in ["quiet", "burst", "loan"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        for (tenant, slots) in [("quiet", 40), ("burst", 30)] {
            let terms =
                json!({ "name": tenant, "tenant": tenant, "slots": slots, "start": "2026-10-01T00:00", "zone": "UTC" });
            let body = json!({ "terms": terms, "reason": "as agreed" });
            client.post_once("/api/v1/pools/lanes/reservations", tenant, &body).await?.expect(201)?;
        }
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        lived(&mut conn, OCTOBER, NOW, 10).await?;
        Ok(Self { database, service, client })
    }

    fn app(&self) -> Result<App> {
        Ok(App::new(Db::connect(&self.database.url().parse()?)).acting(Arc::new(Caller::machine("test"))))
    }

    async fn document(&self, month: &str) -> Result<Document> {
        Ok(self.app()?.report(Kind::Waste, month, None).await?.document)
    }

    /// A slot that is not promised costs twice as much as one that is.
    async fn has_elastic_price(&self) -> Result<()> {
        let price = json!({ "elastic_price_micros": 100_000 });
        self.client.put("/api/v1/pools/lanes/elastic-price", &price).await?.expect(204)?;
        Ok(())
    }

    /// A file as it comes, by the administrator.
    async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let (name, value) = people::cookie();
        self.bytes_for(path, &format!("{name}={value}")).await
    }

    async fn bytes_for(&self, path: &str, cookie: &str) -> Result<Vec<u8>> {
        let request = reqwest::Client::new().get(self.service.at(path)).header("cookie", cookie);
        let answer = request.send().await?;
        ensure!(answer.status().as_u16() == 200, "{path}: {}", answer.status());
        Ok(answer.bytes().await?.to_vec())
    }

    async fn end(self) -> Result<()> {
        self.service.stop()?;
        self.database.remove().await
    }
}

/// Hours in which `quiet` holds so many slots, and the others what they always hold.
async fn lived(conn: &mut PgConnection, from: Millis, to: Millis, quiet: i64) -> Result<()> {
    let pools: BTreeMap<String, i32> = pool::keys(conn).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    let keys: BTreeMap<String, i32> = tenant::keys(conn).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    let reading = |slug: &str, occupied, reserved| TenantReading {
        tenant: keys[slug],
        occupied,
        reserved,
        ..TenantReading::default()
    };
    let mut acc = Accumulator::default();
    for at in (from..to).step_by(HOUR_MS as usize) {
        let burst = if (at / HOUR_MS) % 24 == 9 { 29 } else { 12 };
        let tenants = vec![reading("quiet", quiet, 40), reading("burst", burst, 30), reading("loan", 45, 0)];
        let lanes = Reading { at, duration_ms: HOUR_MS, capacity: 100, tenants, ..Reading::default() };
        acc.reading(pools["lanes"], &lanes);
        let extra = Reading { capacity: 10, tenants: vec![reading("quiet", 4, 0)], ..lanes };
        acc.reading(pools["extra"], &extra);
    }
    partition::ensure(conn, Cut::Minutes, from, to).await?;
    partition::ensure(conn, Cut::FiveMinutes, from, to).await?;
    history::merge(conn, history::LIVE, acc.take()).await?;
    Ok(())
}

/// A page about the pool of 100 slots that was over. Returns its number.
async fn paged(conn: &mut PgConnection, fired: Millis, over: Millis) -> Result<i64> {
    let mut alert = Alert::new(fired, None);
    (alert.condition, alert.workflow, alert.severity) = (Condition::Resolved, Workflow::Closed, Lane::Page);
    (alert.fired_ms, alert.resolved_ms) = (Some(fired), Some(over));
    let at = chrono::DateTime::from_timestamp_millis;
    Ok(sqlx::query_scalar(
        "INSERT INTO alert (rule, pool_id, episode, condition, workflow, severity, critical, version, began_at, fired_at, resolved_at, state)
         SELECT 'saturation-burn', pool_id, 1, 'resolved', 'closed', 'page', false, 1, $1, $1, $2, $3 FROM pool WHERE slug = 'lanes'
         RETURNING alert_id",
    )
    .bind(at(fired))
    .bind(at(over))
    .bind(sqlx::types::Json(&alert))
    .fetch_one(conn)
    .await?)
}

/// Runs the job once. Returns what it closed.
async fn close(app: &App) -> Result<Vec<String>> {
    let outcome = jobs::reports::run(app).await?;
    let closed = outcome.detail["closed"].as_array().into_iter().flatten();
    Ok(closed.filter_map(|one| one.as_str().map(str::to_owned)).collect())
}

/// Text with plain spaces, one between words.
fn plain(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is read on a page: its text without marks.
fn read(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        text.push(' ');
    }
    plain(
        &text
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'"),
    )
}

fn text_of(pdf: &[u8]) -> Result<String> {
    Ok(plain(&pdf_extract::extract_text_from_mem(pdf)?))
}

fn cell(document: &Document, table: &str, tenant: &str, pool: &str, key: &str) -> Result<Cell> {
    let table = document.table(table).with_context(|| format!("the table {table}"))?;
    let row = table.rows.iter().find(|row| row.tenant_slug() == Some(tenant) && row.pool_slug() == Some(pool));
    let row = row.with_context(|| format!("{tenant} in {pool}"))?;
    table.cell(&row.cells, key).cloned().with_context(|| format!("the column {key}"))
}

#[tokio::test]
async fn figures_are_those_that_are_worked_out_by_hand() -> Result<()> {
    let world = World::create().await?;
    let november = world.document("2026-11").await?;
    assert_eq!((november.to_ms - november.from_ms) / HOUR_MS, HOURS);
    let waste = |tenant, key| cell(&november, "waste", tenant, "lanes", key);
    let split = |tenant, key| cell(&november, "split", tenant, "lanes", key);
    let hours = |hours: i64| Cell::SlotTime(hours * HOUR_MS);

    // quiet: 40 promised and 10 used, 585 hours: 23,400 and 17,550 idle, three quarters. At 0.05 these are 1,170.00 and 877.50.
    assert_eq!(waste("quiet", "reserved_slot_ms")?, hours(40 * HOURS));
    assert_eq!(waste("quiet", "idle_slot_ms")?, hours(30 * HOURS));
    assert_eq!(waste("quiet", "waste")?.shown(""), "75.0\u{202f}%");
    assert_eq!(waste("quiet", "spend_minor")?, Cell::Money(Some(117_000)));
    assert_eq!(waste("quiet", "idle_minor")?, Cell::Money(Some(87_750)));
    // burst: 30 promised; 18 idle in 561 hours and 1 in 24: 10,122 slot-hours, 506.10 of 877.50.
    let idle = 18 * (HOURS - NINES) + NINES;
    assert_eq!((idle, waste("burst", "idle_slot_ms")?), (10_122, hours(10_122)));
    assert_eq!(waste("burst", "idle_minor")?, Cell::Money(Some(50_610)));
    assert_eq!(waste("burst", "spend_minor")?, Cell::Money(Some(87_750)));

    // loan holds 45 without a promise, and 100 - 70 are promised to nobody: 15 are lent in each hour. Of the 48 idle ones 30 are
    // quiet's, so it lent 9.375; from nine to ten of 31, 14.516129, which is 52,258,064 slot-milliseconds, rounded down.
    let of_quiet = (HOURS - NINES) * 33_750_000 + NINES * 52_258_064;
    assert_eq!(split("quiet", "lent_slot_ms_estimated")?, Cell::SlotTime(of_quiet));
    assert_eq!(split("burst", "lent_slot_ms_estimated")?, Cell::SlotTime(15 * HOURS * HOUR_MS - of_quiet));
    let unused = 30 * HOURS * HOUR_MS - of_quiet;
    assert_eq!(split("quiet", "unused_slot_ms")?, Cell::SlotTime(unused));
    for key in ["planned_down_slot_ms", "lead_slot_ms"] {
        assert_eq!(split("quiet", key)?, Cell::SlotTime(0));
    }
    assert_eq!(split("quiet", "utilisation")?.shown(""), "25.0\u{202f}%");
    assert_eq!(split("quiet", "coverage")?.shown(""), "100.0\u{202f}%", "all that it holds here is promised to it");

    // quiet's peaks are 10: 11 are a tenth above, and 29 of 40 are too many. What was lent was of use, so all that was unused
    // could be saved and no more: 42,992,056,464 slot-ms are 11,942.2379 slot-hours, 597.11.
    assert_eq!(unused, 42_992_056_464);
    assert_eq!(waste("quiet", "right_size_slots")?, Cell::Level(Some(11)));
    assert_eq!(waste("quiet", "saves_slot_ms")?, Cell::SlotTime(unused));
    assert_eq!(waste("quiet", "saves_minor")?, Cell::Money(Some(59_711)));
    // burst peaks at 29 in one hour of 24, more than one in a hundred: it keeps its 30.
    assert_eq!(waste("burst", "right_size_slots")?, Cell::Level(None));
    assert_eq!(plain(&waste("burst", "advice")?.raw()), "keep (peaks 96.7 %), bursty, 45 d");

    // While 30 of its slots lay idle quiet held 4 in another pool without a promise, in each hour.
    let beside = november.table("beside").context("the finding")?;
    assert_eq!(beside.rows.len(), 1);
    assert_eq!(beside.rows[0].cells[1..], [Cell::Count(Some(HOURS)), hours(4 * HOURS)]);

    // Savings are no more than waste, waste no more than spend, in rows and in total; totals are sums.
    let table = november.table("waste").context("the table")?;
    let money = |cell: Option<&Cell>| match cell {
        Some(Cell::Money(Some(minor))) => Ok(*minor),
        other => anyhow::bail!("no money: {other:?}"),
    };
    let total = table.total().context("a total")?;
    let mut sums = [0; 3];
    for row in table.rows.iter().map(|row| &row.cells).chain([&total]) {
        let mut three = [0; 3];
        for (at, key) in ["saves_minor", "idle_minor", "spend_minor"].into_iter().enumerate() {
            three[at] = money(table.cell(row, key))?;
        }
        ensure!(three[0] <= three[1] && three[1] <= three[2], "{three:?}");
        if std::ptr::eq(row, &raw const total) {
            assert_eq!(sums, three);
        }
        sums = [sums[0] + three[0], sums[1] + three[1], sums[2] + three[2]];
    }
    assert_eq!(money(table.cell(&total, "idle_minor"))?, 138_360);
    assert_eq!(money(table.cell(&total, "spend_minor"))?, 204_750);
    world.end().await
}

/// What a table says in its CSV, as people read it.
fn shown(csv: &[Vec<String>], document: &Document, table: &str) -> Result<Vec<Vec<String>>> {
    let table = document.table(table).context("the table")?;
    let number = |text: &str| text.parse::<i64>().ok();
    let mut rows = Vec::new();
    for cells in &csv[1..] {
        let mut row = Vec::new();
        for (at, text) in cells.iter().enumerate().take(table.columns.len()) {
            let of = table.rows[0].cells[at].clone();
            row.push(match of {
                Cell::Text(_) => text.clone(),
                Cell::Count(_) | Cell::Level(_) => number(text).map(format::count).unwrap_or_default(),
                Cell::SlotTime(_) => format::slot_hours(number(text).context("slot time")?),
                Cell::Money(_) => number(text).map(|minor| format::money(minor, "EUR")).unwrap_or_default(),
                Cell::Price(_) => number(text).map(|micros| format::price(micros, "EUR")).unwrap_or_default(),
                Cell::Time(_) => number(text).map(format::duration).unwrap_or_default(),
                Cell::Ratio(..) => match text.parse::<f64>() {
                    Ok(ratio) => format!("{} %", format::percent_number(ratio)),
                    Err(_) => String::new(),
                },
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

#[tokio::test]
async fn page_csv_and_paper_say_the_same() -> Result<()> {
    let world = World::create().await?;
    world.has_elastic_price().await?;
    let document = world.document("2026-11").await?;
    let page = read(&world.client.page("/waste").await?.expect(200)?.body);
    let pdf = world.bytes("/waste/2026-11.pdf").await?;
    let paper = text_of(&pdf)?;
    for name in ["waste", "split", "beside", "frontier", "elastic", "elastic_hours", "trend"] {
        let csv = world.client.get(&format!("/waste/2026-11.csv?table={name}")).await?.expect(200)?.csv()?;
        let table = document.table(name).context("the table")?;
        assert_eq!(csv.len(), 1 + table.rows.len() + usize::from(table.has_total), "{name}");
        for row in shown(&csv, &document, name)? {
            // A row is read in one piece where it stands in one line.
            for text in row.iter().map(|text| plain(text)).filter(|text| !text.is_empty() && text != "total") {
                ensure!(page.contains(&text), "{name}: the page does not say {text:?}: {page}");
                // Words may be broken into lines there.
                let found = text.split(' ').all(|word| paper.contains(word));
                ensure!(found, "{name}: the paper does not say {text:?}: {paper}");
            }
        }
    }
    let first = world.client.get("/waste?format=csv").await?.expect(200)?.csv()?;
    assert_eq!(first, world.client.get("/waste/2026-11.csv").await?.expect(200)?.csv()?);
    for part in ["page 1 of ", "UTC", "/waste/2026-11", "figures until 2026-11-25T09:00:00Z", "provisional"] {
        ensure!(paper.contains(part), "{part:?} is on the paper: {paper}");
    }
    ensure!(page.contains("€ 1,384") || page.contains("€ 1,383.60"), "the card: {page}");

    let png = world.bytes("/waste/2026-11.png").await?;
    ensure!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "a picture");
    let size = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
    assert_eq!((size(16), size(20)), (1600, 900));

    for (path, status) in [
        ("/waste/2026-13", 422),
        ("/waste/nonsense", 422),
        ("/waste/2026-12", 404),
        ("/waste/2026-11?v=1", 404),
        ("/waste/2026-11?v=zero", 422),
        ("/waste/2026-11.csv?table=nothing", 422),
    ] {
        world.client.page(path).await?.expect(status).with_context(|| path.to_owned())?;
    }
    world.end().await
}

#[tokio::test]
async fn the_summary_of_a_page_closes_a_day_after_it_was_over_and_stays() -> Result<()> {
    let world = World::create().await?;
    let app = world.app()?;
    let mut conn = world.database.connect().await?;
    let (fired, over) = (NOW - 27 * HOUR_MS, NOW - 25 * HOUR_MS);
    let id = paged(&mut conn, fired, over).await?;
    let name = format!("incident {id}");
    headroom_store::hold_test_clock(&mut conn, over + DAY_MS).await?;
    ensure!(!close(&app).await?.contains(&name), "what comes after it is not known for a day");
    let api = format!("/api/v1/reports/incident-{id}");
    ensure!(world.client.get(&api).await?.expect(200)?.json()?["closed"].is_null(), "it is provisional");
    let page = world.client.page(&format!("/reports/incident-{id}")).await?.expect(200)?.body;
    ensure!(page.contains("its summary is closed and kept") && !page.contains("save the PDF"), "{page}");
    headroom_store::hold_test_clock(&mut conn, NOW).await?;
    ensure!(close(&app).await?.contains(&name), "a day later it is closed");
    ensure!(!close(&app).await?.contains(&name), "once");
    let closed = world.client.get(&api).await?.expect(200)?.json()?;
    assert_eq!(closed["closed"]["version"], 1, "{closed}");
    // Whatever is written about the alert afterwards.
    sqlx::query("UPDATE alert SET rule = 'retry-storm' WHERE alert_id = $1").bind(id).execute(&mut conn).await?;
    assert_eq!(world.client.get(&api).await?.expect(200)?.json()?, closed, "it stays as it was");
    let page = world.client.page(&format!("/reports/incident-{id}")).await?.expect(200)?.body;
    ensure!(page.contains(closed["title"].as_str().unwrap_or("?")), "the page says the same: {page}");
    // Who sees some tenants only learns nothing of it.
    let viewer = people::add(&mut conn, "quiet@test.example", "Q", &[Role::TenantViewer], &["quiet"]).await?;
    let (session, csrf) = (Id(7_778), "00000000000000000000000000000008");
    people::open_session(&mut conn, &viewer, session, csrf).await?;
    let cookie = format!("{}={session}", people::cookie().0);
    let limited = Client::nobody(world.service.url())?.with_cookie(&cookie, csrf);
    limited.page(&format!("/reports/incident-{id}")).await?.expect(403)?;
    world.end().await
}

#[tokio::test]
async fn the_summary_of_a_page_tells_what_scaling_decided_and_which_objective_was_broken() -> Result<()> {
    let world = World::create().await?;
    let app = world.app()?;
    let mut conn = world.database.connect().await?;
    engine::round(&Db::connect(&world.database.url().parse()?)).await?;
    let (fired, over) = (NOW - 27 * HOUR_MS, NOW - 25 * HOUR_MS);
    let id = paged(&mut conn, fired, over).await?;
    let lanes = pool::by_slug(&mut conn, "lanes").await?.context("the pool")?.key;
    let extra = pool::by_slug(&mut conn, "extra").await?.context("the pool")?.key;
    // Before, during and after; one that is too old, and one of another pool.
    for (pool, at, outcome, note) in [
        (lanes, fired - 3 * HOUR_MS, Outcome::Shadow, "too old"),
        (lanes, fired - HOUR_MS, Outcome::Shadow, ""),
        (lanes, fired + HOUR_MS, Outcome::Refused, "the capacity changed after this was decided"),
        (lanes, over + HOUR_MS, Outcome::Recommended, ""),
        (extra, fired + HOUR_MS, Outcome::Applied, "elsewhere"),
    ] {
        let decision = Decision {
            pool,
            at_ms: at,
            mode: "recommend".into(),
            before: 100,
            wanted: 120,
            decider: "quantile".into(),
            reason: "120 at P95".into(),
            inputs: json!({ "quantile": 118.5 }),
            outcome,
            note: note.into(),
        };
        ensure!(scaling::decide(&mut conn, &decision).await?);
    }
    let document = app.report(Kind::Incident, &id.to_string(), None).await?.document;
    let decisions = document.table("scaling").context("the decisions")?;
    let said =
        |row: &Row| ["outcome", "note"].map(|key| decisions.cell(&row.cells, key).map(Cell::raw).unwrap_or_default());
    let outcomes: Vec<[String; 2]> = decisions.rows.iter().map(said).collect();
    let expected = [["shadow", ""], ["refused", "the capacity changed after this was decided"], ["recommended", ""]];
    assert_eq!(outcomes, expected);
    let first = &decisions.rows[0].cells;
    assert_eq!(
        first[1..5],
        [Cell::Level(Some(100)), Cell::Level(Some(120)), Cell::text("quantile"), Cell::text("120 at P95")]
    );

    // From six to eight 70 were promised and 22 of them used: 48 of 70 lay idle, and a tenth may.
    let objectives = document.table("objectives").context("the objectives")?;
    let waste = objectives.rows.iter().find(|row| row.cells[0] == Cell::text("Reservation waste")).context("waste")?;
    let seconds = 2 * 3_600;
    let expected = [
        Cell::Count(Some(48 * seconds)),
        Cell::Count(Some(70 * seconds)),
        Cell::Ratio(48 * seconds, 70 * seconds),
        Cell::text("10 %"),
        Cell::text("no"),
    ];
    assert_eq!(waste.cells[2..], expected);
    ensure!(
        objectives.rows.iter().all(|row| row.cells[3] != Cell::Count(Some(0))),
        "of what was not counted is no row"
    );
    // Page and file say it too.
    let page = read(&world.client.page(&format!("/reports/incident-{id}")).await?.expect(200)?.body);
    ensure!(page.contains("Scaling decisions") && page.contains("What is promised of the pool"), "{page}");
    let csv = world.client.get(&format!("/api/v1/reports/incident-{id}?format=csv&table=scaling")).await?.csv()?;
    assert_eq!(csv.len(), 4, "{csv:?}");
    world.end().await
}

#[tokio::test]
async fn a_month_closes_once_and_stays_as_it_was() -> Result<()> {
    let world = World::create().await?;
    let app = world.app()?;
    let mut conn = world.database.connect().await?;
    // October closes on 3 November at six in the morning, and not before.
    let closes = range::instant("2026-11-03T06:00:00Z", 0)?;
    headroom_store::hold_test_clock(&mut conn, closes - 1).await?;
    let weeks = close(&app).await?;
    ensure!(weeks.iter().all(|one| !one.starts_with("waste")), "it is too early: {weeks:?}");
    // The first sample was on a Thursday, in week 40; week 44 ended on 1 November. The quarter runs.
    assert_eq!(weeks, (40..=44).map(|week| format!("weekly 2026-W{week}")).collect::<Vec<_>>());
    headroom_store::hold_test_clock(&mut conn, closes).await?;
    // Two servers at once.
    let other = world.app()?;
    let (one, two) = tokio::join!(close(&app), close(&other));
    assert_eq!([one?, two?].concat(), ["waste 2026-10"], "one of them closed it");
    ensure!(close(&app).await?.is_empty(), "once");
    headroom_store::hold_test_clock(&mut conn, NOW).await?;
    ensure!(close(&app).await?.iter().all(|one| one.starts_with("weekly")), "no other month is due");

    let rows: Vec<(String, i32, String, String)> =
        sqlx::query_as("SELECT period, version, checksum, figures FROM report WHERE kind = 'waste'")
            .fetch_all(&mut conn)
            .await?;
    let [(period, version, checksum, figures)] = &rows[..] else { anyhow::bail!("one report: {}", rows.len()) };
    assert_eq!((period.as_str(), *version), ("2026-10", 1));
    let reckoned: String = sqlx::query_scalar("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')")
        .bind(figures)
        .fetch_one(&mut conn)
        .await?;
    assert_eq!(checksum, &reckoned);
    for statement in ["UPDATE report SET note = 'x'", "DELETE FROM report"] {
        let refused = sqlx::query(statement).execute(&mut conn).await.err().context("it is refused")?;
        ensure!(refused.to_string().contains("frozen"), "{refused}");
    }
    let kept: Document = serde_json::from_str(figures)?;
    assert_eq!(world.document("2026-10").await?, kept);
    // October has 744 hours: 40 promised to quiet, 30 idle.
    assert_eq!(cell(&kept, "waste", "quiet", "lanes", "idle_slot_ms")?, Cell::SlotTime(30 * 744 * HOUR_MS));

    // The same file, however often it is drawn.
    let pdf = world.bytes("/waste/2026-10.pdf").await?;
    assert_eq!(pdf, world.bytes("/waste/2026-10.pdf").await?);
    ensure!(text_of(&pdf)?.contains(&checksum[..16]), "the checksum is on the paper");
    let again = app.correct_report(Kind::Waste, "2026-10", "to see").await.err().context("nothing is different")?;
    ensure!(again.to_string().contains("says the same"), "{again}");

    // Another price makes other figures: a version with its reason, beside the first.
    sqlx::query("UPDATE pool SET unit_cost_micros = 60000 WHERE slug = 'lanes'").execute(&mut conn).await?;
    let empty = world.client.form("/waste/2026-10/correct", &[("note", " ")]).await?.expect(422)?;
    ensure!(empty.body.contains("1 to 500 characters"), "{}", empty.body);
    let fields = [("note", "the price of lanes was wrong")];
    let done = world.client.form("/waste/2026-10/correct", &fields).await?.expect(303)?;
    assert_eq!(done.header("location"), "/waste/2026-10?v=2");
    let two = world.document("2026-10").await?;
    assert_eq!(cell(&two, "waste", "quiet", "lanes", "spend_minor")?, Cell::Money(Some(40 * 744 * 6)));
    let one = app.report(Kind::Waste, "2026-10", Some(1)).await?;
    assert_eq!(one.document, kept);
    assert_eq!(pdf, world.bytes("/waste/2026-10.pdf?v=1").await?);
    let archive = world.client.page("/reports").await?.expect(200)?.body;
    for part in ["the price of lanes was wrong", &checksum[..12], "/waste/2026-10.pdf?v=1", "/waste/2026-10.png?v=2"] {
        ensure!(archive.contains(part), "{part:?} is in the archive: {archive}");
    }
    // The command line prints what was closed.
    let arguments = ["report", "waste", "--period", "2026-10", "--version", "1", "--format", "json", "--database-url"];
    let printed = service::run(&[&arguments[..], &[world.database.url()]].concat())?;
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert_eq!(serde_json::from_slice::<Document>(&printed.stdout)?, kept);
    // And the same paper, which leads to this version on the server.
    let own = "https://headroom.test";
    let of = async |version: &str| -> Result<Vec<u8>> {
        let arguments = ["report", "waste", "--period", "2026-10", "--version", version, "--format", "pdf"];
        let place = ["--public-url", own, "--database-url", world.database.url()];
        let printed = service::run(&[&arguments[..], &place].concat())?;
        ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        Ok(printed.stdout)
    };
    for version in ["1", "2"] {
        let paper = text_of(&of(version).await?)?;
        ensure!(paper.contains(&format!("{own}/waste/2026-10?v={version}")), "{paper}");
        ensure!(paper.contains(&format!("closed, version {version}")), "{paper}");
    }
    let outward = Outward { public_url: Some(own.parse()?), ..Outward::default() };
    let report = app.report(Kind::Waste, "2026-10", Some(1)).await?;
    let file = app.clone().reaching(outward).report_file(&report, Form::Pdf, None, Paper::A4).await?;
    ensure!(file.bytes == of("1").await?, "page and command print one paper");
    let wrong =
        ["report", "waste", "--format", "csv", "--public-url", "ftp://x/y", "--database-url", world.database.url()];
    let wrong = service::run(&wrong)?;
    ensure!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("--public-url is ftp://x/y"));
    world.end().await
}

#[tokio::test]
async fn a_suggestion_becomes_a_draft_with_that_one_change() -> Result<()> {
    let world = World::create().await?;
    let fields = [("tenant", "quiet"), ("pool", "lanes"), ("v", "")];
    let done = world.client.form("/waste/2026-11/draft", &fields).await?.expect(303)?;
    let to = done.header("location").to_owned();
    let id = to.strip_prefix("/planner/drafts/").with_context(|| format!("a review: {to}"))?;
    let draft = world.client.get(&format!("/api/v1/drafts/{id}")).await?.expect(200)?.json()?;
    let changes = draft["changes"].as_array().context("changes")?;
    assert_eq!(changes.len(), 1);
    let (before, mut after) = (changes[0]["before"].clone(), changes[0]["after"].clone());
    assert_eq!((&before["slots"], &after["slots"], &after["name"]), (&json!(40), &json!(11), &json!("quiet")));
    after["slots"] = json!(40);
    assert_eq!(before, after, "nothing else is changed");
    world.client.page(&to).await?.expect(200)?;
    // Who keeps what it has gets no draft, and neither does who is not in the report.
    for (tenant, pool) in [("burst", "lanes"), ("loan", "lanes"), ("quiet", "extra"), ("", "")] {
        let fields = [("tenant", tenant), ("pool", pool)];
        world.client.form("/waste/2026-11/draft", &fields).await?.expect(422)?;
    }
    let drafts = world.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?;
    assert_eq!(drafts.as_array().map(Vec::len), Some(1));
    world.end().await
}

#[tokio::test]
async fn where_a_slot_without_a_promise_costs_more_the_cheapest_levels_are_told_and_drafted() -> Result<()> {
    let world = World::create().await?;
    let none = world.document("2026-11").await?;
    ensure!(none.table("elastic").is_none() && none.table("elastic_hours").is_none(), "there is one price");
    world.has_elastic_price().await?;
    let document = world.document("2026-11").await?;
    let of = |tenant, key| cell(&document, "elastic", tenant, "lanes", key);
    // 45 days have 1,080 hours, 45 of them from nine to ten. At half the price half of the hours decide: 12 for burst. Its 30 cost
    // 1,620.00, 12 cost 648.00 and the 17 beyond them 76.50; 29 from nine to ten and else 12 cost 686.25.
    for (key, expected) in [
        ("promised_slots", Cell::Level(Some(30))),
        ("now_minor", Cell::Money(Some(162_000))),
        ("constant_slots", Cell::Level(Some(12))),
        ("constant_minor", Cell::Money(Some(72_450))),
        ("lowest_slots", Cell::Level(Some(12))),
        ("highest_slots", Cell::Level(Some(29))),
        ("cheapest_minor", Cell::Money(Some(68_625))),
    ] {
        assert_eq!(of("burst", key)?, expected, "{key}");
    }
    assert_eq!(
        (of("quiet", "constant_slots")?, of("quiet", "constant_minor")?),
        (Cell::Level(Some(10)), Cell::Money(Some(54_000)))
    );
    let hours = document.table("elastic_hours").context("by the hour")?;
    ensure!(hours.basis.contains("Of 45 days of evidence each hour of the week has 7 at the most"), "{}", hours.basis);
    let said = |tenant: &str| -> Vec<Vec<String>> {
        let rows = hours.rows.iter().filter(|row| row.tenant_slug() == Some(tenant));
        rows.map(|row| row.cells[2..].iter().map(Cell::raw).collect()).collect()
    };
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    assert_eq!(said("quiet"), days.map(|day| vec![day.to_owned(), "00\u{2013}24: 10".to_owned()]));
    let nine = "00\u{2013}09: 12, 09\u{2013}10: 29, 10\u{2013}24: 12";
    assert_eq!(said("burst"), days.map(|day| vec![day.to_owned(), nine.to_owned()]));

    // The one level is a draft, though the peaks would keep what there is.
    let fields = [("table", "elastic"), ("tenant", "burst"), ("pool", "lanes")];
    let done = world.client.form("/waste/2026-11/draft", &fields).await?.expect(303)?;
    let id = done.header("location").strip_prefix("/planner/drafts/").context("a review")?.to_owned();
    let draft = world.client.get(&format!("/api/v1/drafts/{id}")).await?.expect(200)?.json()?;
    assert_eq!(
        (&draft["changes"][0]["before"]["slots"], &draft["changes"][0]["after"]["slots"]),
        (&json!(30), &json!(12))
    );
    world.client.form("/waste/2026-11/draft", &fields[1..]).await?.expect(422)?;
    let page = world.client.page("/waste").await?.expect(200)?.body;
    assert_eq!(page.matches("action=\"/waste/2026-11/draft\"").count(), 3, "quiet twice, burst once");
    world.end().await
}

#[tokio::test]
async fn what_an_old_month_suggested_is_no_draft_for_today() -> Result<()> {
    let world = World::create().await?;
    let mut conn = world.database.connect().await?;
    lived(&mut conn, OCTOBER - 45 * DAY_MS, OCTOBER, 10).await?;
    let closed = close(&world.app()?).await?;
    ensure!(["waste 2026-09", "waste 2026-10"].iter().all(|month| closed.contains(&(*month).to_owned())), "{closed:?}");
    let fields = [("tenant", "quiet"), ("pool", "lanes"), ("v", "1")];
    let asked = async |month: &str| world.client.form(&format!("/waste/{month}/draft"), &fields).await;
    let offers = async |month: &str| -> Result<bool> {
        let page = world.client.page(&format!("/waste/{month}")).await?.expect(200)?.body;
        Ok(page.contains(&format!("action=\"/waste/{month}/draft\"")))
    };
    // In November that of October is the newest that is closed; September suggested the same, and is history.
    ensure!(offers("2026-10").await? && offers("2026-11").await?);
    let september = world.document("2026-09").await?;
    assert_eq!(cell(&september, "waste", "quiet", "lanes", "right_size_slots")?, Cell::Level(Some(11)));
    ensure!(!offers("2026-09").await?);
    let refused = asked("2026-09").await?.expect(409)?.body;
    ensure!(refused.contains("the suggestions of 2026-09 are history"), "{refused}");
    let drafts = async || -> Result<Option<usize>> {
        let drafts = world.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?;
        Ok(drafts.as_array().map(Vec::len))
    };
    assert_eq!(drafts().await?, Some(0));
    asked("2026-10").await?.expect(303)?;

    // Since then it holds 35: what October suggested is too little, and 39 are a tenth more.
    lived(&mut conn, NOW, NOW + DAY_MS, 35).await?;
    headroom_store::hold_test_clock(&mut conn, NOW + DAY_MS).await?;
    let refused = asked("2026-10").await?.expect(409)?.body;
    ensure!(refused.contains("it needs at least 39, and 11 were suggested"), "{refused}");
    assert_eq!(drafts().await?, Some(1), "of what was refused there is no draft");
    world.end().await
}

#[tokio::test]
async fn who_sees_one_tenant_sees_its_rows_and_nothing_of_the_others() -> Result<()> {
    let world = World::create().await?;
    let mut conn = world.database.connect().await?;
    close(&world.app()?).await?;
    let viewer = people::add(&mut conn, "quiet@test.example", "Q", &[Role::TenantViewer], &["quiet"]).await?;
    let (id, csrf) = (Id(7_777), "00000000000000000000000000000007");
    people::open_session(&mut conn, &viewer, id, csrf).await?;
    let cookie = format!("{}={id}", people::cookie().0);
    let client = Client::nobody(world.service.url())?.with_cookie(&cookie, csrf);
    for month in ["2026-10", "2026-11"] {
        let page = client.page(&format!("/waste/{month}")).await?.expect(200)?.body;
        let csv = client.get(&format!("/waste/{month}.csv")).await?.expect(200)?.body;
        let pdf = text_of(&world.bytes_for(&format!("/waste/{month}.pdf"), &cookie).await?)?;
        for text in [&page, &csv, &pdf] {
            ensure!(text.contains("quiet") && !text.contains("burst") && !text.contains("loan"), "{month}: {text}");
        }
        ensure!(!page.contains("/draft\"") && !page.contains("Correct this report"), "a planner's");
        for table in ["trend", "frontier"] {
            let answer = client.page(&format!("/waste/{month}.csv?table={table}")).await?;
            ensure!(!answer.body.contains("burst"), "{table}");
            ensure!(table != "trend" || answer.status == 422, "the trend is of all");
        }
    }
    let archive = client.page("/reports").await?.expect(200)?.body;
    let (checksum, total): (String, i64) =
        sqlx::query_as("SELECT checksum, total_minor FROM report WHERE kind = 'waste'").fetch_one(&mut conn).await?;
    ensure!(archive.contains("/waste/2026-10") && !archive.contains(&checksum[..12]), "{archive}");
    ensure!(!read(&archive).contains(&plain(&format::money(total, "EUR"))), "the total is of all");
    for (path, fields) in [
        ("/waste/2026-11/draft", vec![("tenant", "quiet"), ("pool", "lanes")]),
        ("/waste/2026-10/correct", vec![("note", "mine")]),
    ] {
        client.form(path, &fields).await?.expect(403)?;
    }
    world.end().await
}

#[tokio::test]
async fn the_demo_worlds_waste_is_what_exact_sums_say() -> Result<()> {
    let database = Database::create().await?;
    let service = Service::start(&["demo", "--quiet", "--days", "40", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let app = App::new(Db::connect(&database.url().parse()?)).acting(Arc::new(Caller::machine("test")));
    let current = app.current_period(Kind::Waste).await?.context("a month runs")?;
    let month = current.before().context("one before it")?.slug();
    let document = app.report(Kind::Waste, &month, None).await?.document;
    let (from, to) = (range::rfc3339(document.from_ms), range::rfc3339(document.to_ms));
    let usage = client.get(&format!("/api/v1/usage?by=tenant&from={from}&to={to}")).await?.expect(200)?.json()?;
    let table = document.table("waste").context("the table")?;
    let mut seen = 0;
    for row in usage.as_array().context("rows")? {
        let int = |key: &str| row[key].as_i64().unwrap_or_default();
        let (Some(tenant), Some(pool)) = (row["tenant"].as_str(), row["pool"].as_str()) else { continue };
        if int("reserved_slot_ms") == 0 {
            continue;
        }
        seen += 1;
        let of = |table, key| cell(&document, table, tenant, pool, key);
        assert_eq!(of("waste", "reserved_slot_ms")?, Cell::SlotTime(int("reserved_slot_ms")), "{row}");
        assert_eq!(of("waste", "idle_slot_ms")?, Cell::SlotTime(int("reserved_idle_slot_ms")), "{row}");
        let mut parts = 0;
        for key in ["unused_slot_ms", "lent_slot_ms_estimated", "planned_down_slot_ms", "lead_slot_ms"] {
            match of("split", key)? {
                Cell::SlotTime(part) if part >= 0 => parts += part,
                other => anyhow::bail!("{key}: {other:?}"),
            }
        }
        assert_eq!(parts, int("reserved_idle_slot_ms"), "the parts of {row}");
    }
    assert_eq!(seen, table.rows.len());
    ensure!(seen > 10, "the demo promises a lot: {seen}");
    let three = ["saves_minor", "idle_minor", "spend_minor"].map(|key| match table.total_of(key) {
        Some(Cell::Money(Some(minor))) => minor,
        _ => -1,
    });
    ensure!(three[0] > 0 && three[0] <= three[1] && three[1] <= three[2], "{three:?}");
    // Contracts are never suggested lower; what nobody needs is.
    for row in &table.rows {
        let lowers = matches!(table.cell(&row.cells, "right_size_slots"), Some(Cell::Level(Some(_))));
        ensure!(!lowers || (row.tenant_slug(), row.pool_slug()) != (Some("acme-search"), Some("ingress-eu")));
    }
    let suggestions = table
        .rows
        .iter()
        .filter(|row| matches!(table.cell(&row.cells, "right_size_slots"), Some(Cell::Level(Some(_)))));
    ensure!(suggestions.count() > 0, "something can be saved in the demo");
    service.stop()?;
    database.remove().await
}

#[tokio::test]
async fn the_report_is_read_on_a_phone_and_by_keys() -> Result<()> {
    let world = World::create().await?;
    close(&world.app()?).await?;
    let browser = Browser::start().await?;
    browser.window(390, 844).await?;
    browser.sign_in(world.service.url()).await?;
    for path in ["/waste", "/waste/2026-10", "/reports"] {
        for (width, height) in [(390, 844), (1440, 900)] {
            browser.window(width, height).await?;
            browser.open(&world.service.at(path)).await?;
            browser.wait_until_awake().await?;
            let faults = browser.axe().await?;
            ensure!(
                faults.is_empty(),
                "{path} at {width}: {}",
                faults.iter().map(ToString::to_string).collect::<String>()
            );
            let over: Value = browser
                .evaluate("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await?;
            assert_eq!(over, json!(0), "{path} scrolls sideways at {width}");
        }
    }
    // The one suggestion, by keys.
    browser.window(1440, 900).await?;
    browser.open(&world.service.at("/waste")).await?;
    browser.wait_until_awake().await?;
    browser.evaluate::<()>("document.querySelector('form[action$=\"/draft\"] button').focus()").await?;
    browser.client().active_element().await?.send_keys("\u{e007}").await?;
    browser.wait_for("location.pathname.startsWith('/planner/drafts/')", "the review of the draft").await?;
    let said = "document.body.innerText.includes('Right-size quiet of quiet to 11')";
    browser.wait_for(said, "the draft's name").await?;
    browser.close().await?;
    world.end().await
}
