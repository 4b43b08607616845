//! Game days: written down over the API and on pages without scripts by those who may, listed in the quarterly review and frozen
//! with it, with scores that nobody rounds and texts that nobody runs.

use anyhow::{Context, Result, ensure};
use headroom_domain::DAY_MS;
use headroom_domain::access::{Role, Scope};
use headroom_domain::report::Kind;
use headroom_server::app::App;
use headroom_server::app::caller::Caller;
use headroom_server::db::Db;
use headroom_server::jobs;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z.
const NOW: i64 = 1_795_597_200_000;

struct World {
    database: Database,
    conn: PgConnection,
    service: Service,
    client: Client,
}

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        for pool in ["shop", "batch"] {
            let body = json!({ "name": pool, "slug": pool, "capacity": 100, "zone": "UTC" });
            client.post("/api/v1/pools", &body).await?.expect(201)?;
        }
        client.post("/api/v1/tenants", &json!({ "name": "Acme", "slug": "acme" })).await?.expect(201)?;
        Ok(Self { database, conn, service, client })
    }

    async fn person(&mut self, number: u128, role: Role, tenants: &[&str]) -> Result<Client> {
        let email = format!("person-{number}@test.example");
        let account = people::add(&mut self.conn, &email, &format!("Person {number}"), &[role], tenants).await?;
        let (id, csrf) = (Id(number as i128), format!("{number:032}"));
        people::open_session(&mut self.conn, &account, id, &csrf).await?;
        let cookie = format!("{}={id}", people::cookie().0);
        Ok(Client::nobody(self.service.url())?.with_cookie(&cookie, &csrf))
    }

    async fn quarter(&self) -> Result<Value> {
        self.client.get("/api/v1/reports/quarterly-2026-Q4").await?.expect(200)?.json()
    }

    async fn kept(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM game_day").fetch_one(&mut self.conn).await?)
    }
}

fn surge() -> Value {
    json!({ "held_on": "2026-11-20", "title": "Surge in the shop", "run_by": "Dana", "tried": "twice as many claims\nas slots",
        "happened": "one was found", "follow_ups": "a page for the other", "pools": ["batch"], "false_findings": 2,
        "breakages": [
            { "what": "F4", "pool": "shop", "found": true, "found_after_s": 1.4 },
            { "what": "a switch, pulled", "found": false },
        ] })
}

fn with(changes: &Value) -> Value {
    let mut body = surge();
    for (key, value) in changes.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["field"].as_str()).collect()
}

fn table<'a>(report: &'a Value, key: &str) -> Result<&'a Value> {
    let mut tables = report["tables"].as_array().into_iter().flatten();
    tables.find(|table| table["key"] == key).with_context(|| format!("{key} in {report}"))
}

/// Text with plain spaces.
fn plain(text: &str) -> String {
    text.replace('\u{202f}', " ")
}

#[tokio::test]
async fn a_game_day_is_written_down_changed_by_version_and_in_the_audit_trail() -> Result<()> {
    let mut world = World::create().await?;
    let client = &world.client;
    let made = client.post("/api/v1/game-days", &surge()).await?.expect(201)?;
    let day = made.json()?;
    let path = format!("/api/v1/game-days/{}", day["id"]);
    assert_eq!(made.header("location"), path);
    assert_eq!((&day["version"], &day["author"], &day["run_by"]), (&json!(1), &json!("token test"), &json!("Dana")));
    assert_eq!(day["pools"], json!(["batch", "shop"]), "those of breakages are added");
    assert_eq!(day["breakages"][0]["found_after_s"], 1.4);
    assert_eq!((&day["breakages"][1]["found_after_s"], &day["breakages"][1]["pool"]), (&Value::Null, &Value::Null));
    assert_eq!(client.get(&path).await?.expect(200)?.json()?, day);
    let all = client.get("/api/v1/game-days").await?.expect(200)?.json()?;
    assert_eq!(all["game_days"], json!([day]));

    let mut changed = with(&json!({ "follow_ups": "done", "run_by": "" }));
    client.put(&path, &changed).await?.problem(428)?;
    changed["version"] = json!(1);
    let after = client.put(&path, &changed).await?.expect(200)?.json()?;
    assert_eq!(
        (&after["version"], &after["run_by"], &after["follow_ups"]),
        (&json!(2), &json!("Dana"), &json!("done"))
    );
    assert_eq!(client.put(&path, &changed).await?.problem(409)?["version"], 2);

    // Today, by whoever writes it, where nothing else is said.
    let short = json!({ "title": "t", "tried": "a", "happened": "b" });
    let today = client.post("/api/v1/game-days", &short).await?.expect(201)?.json()?;
    assert_eq!((&today["held_on"], &today["run_by"]), (&json!("2026-11-25"), &json!("token test")));
    assert_eq!((&today["breakages"], &today["false_findings"]), (&json!([]), &Value::Null));

    let recorded: Vec<(String, Option<Value>)> =
        sqlx::query_as("SELECT action, before FROM audit WHERE object = 'game-day' ORDER BY audit_id")
            .fetch_all(&mut world.conn)
            .await?;
    let actions: Vec<&str> = recorded.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions, ["create", "update", "create"]);
    assert_eq!(recorded[1].1.as_ref().map(|before| before["follow_ups"].clone()), Some(json!("a page for the other")));
    world.client.get("/api/v1/game-days/99").await?.problem(404)?;
    world.client.get("/api/v1/game-days/x").await?.problem(404)?;
    world.client.put("/api/v1/game-days/99999999999999999999", &changed).await?.problem(404)?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_is_told_by_field_and_nothing_is_written() -> Result<()> {
    let mut world = World::create().await?;
    let long = "é".repeat(1_001);
    let breakage = |what: &str, pool: &str, found: bool, after: Value| json!([{ "what": what, "pool": pool, "found": found, "found_after_s": after }]);
    let many: Vec<Value> = (0..51).map(|number| json!({ "what": number.to_string(), "found": false })).collect();
    for (changes, field) in [
        (json!({ "held_on": "2026-11-26" }), "held_on"),
        (json!({ "held_on": "yesterday" }), "held_on"),
        (json!({ "held_on": "1969-12-31" }), "held_on"),
        (json!({ "title": "" }), "title"),
        (json!({ "title": "a\nb" }), "title"),
        (json!({ "title": "é".repeat(121) }), "title"),
        (json!({ "run_by": "é".repeat(121) }), "run_by"),
        (json!({ "tried": long }), "tried"),
        (json!({ "happened": "  " }), "happened"),
        (json!({ "happened": "a\u{0}b" }), "happened"),
        (json!({ "follow_ups": long }), "follow_ups"),
        (json!({ "pools": ["nobody"] }), "pools"),
        (json!({ "pools": ["a\u{0}b"] }), "pools"),
        (json!({ "pools": vec!["shop"; 51] }), "pools"),
        (json!({ "false_findings": -1 }), "false_findings"),
        (json!({ "breakages": many }), "breakages"),
        (json!({ "breakages": breakage("", "shop", true, json!(1)) }), "breakages"),
        (json!({ "breakages": breakage("a", "nobody", true, json!(1)) }), "breakages"),
        (json!({ "breakages": breakage("a", "shop", false, json!(1)) }), "breakages"),
        (json!({ "breakages": breakage("a", "shop", true, json!(-0.1)) }), "breakages"),
        (json!({ "breakages": breakage("a", "shop", true, json!(86_400.1)) }), "breakages"),
        (json!({ "breakages": breakage("a", "shop", true, json!(1e300)) }), "breakages"),
    ] {
        let problem = world.client.post("/api/v1/game-days", &with(&changes)).await?.problem(422)?;
        assert_eq!(fields(&problem), [field], "{changes}: {problem}");
    }
    world.client.post("/api/v1/game-days", &with(&json!({ "what": 1 }))).await?.problem(422)?;
    world.client.post("/api/v1/game-days", &json!({})).await?.problem(422)?;
    assert_eq!(world.kept().await?, 0);
    Ok(())
}

#[tokio::test]
async fn who_answers_alerts_or_plans_writes_and_who_sees_a_part_sees_none() -> Result<()> {
    let mut world = World::create().await?;
    world.client.post("/api/v1/game-days", &surge()).await?.expect(201)?;
    for (number, role, may) in
        [(2, Role::OnCall, true), (3, Role::Planner, true), (4, Role::Viewer, false), (5, Role::Admin, true)]
    {
        let person = world.person(number, role, &[]).await?;
        let list = person.page("/game-days").await?.expect(200)?.body;
        ensure!(list.contains("Surge in the shop"), "{role}: {list}");
        assert_eq!(list.contains("/game-days/new"), may, "{role}");
        person.page("/game-days/new").await?.expect(if may { 200 } else { 403 })?;
        person.as_browser().post("/api/v1/game-days", &surge()).await?.expect(if may { 201 } else { 403 })?;
    }
    let tenant = world.person(6, Role::TenantViewer, &["acme"]).await?.as_browser();
    assert_eq!(tenant.get("/api/v1/game-days").await?.expect(200)?.json()?["game_days"], json!([]));
    tenant.get("/api/v1/game-days/1").await?.problem(404)?;
    let list = tenant.page("/game-days").await?.expect(200)?.body;
    ensure!(!list.contains("Surge in the shop") && list.contains("of which you see some"), "{list}");
    let report = tenant.get("/api/v1/reports/quarterly-2026-Q4").await?.expect(200)?.body;
    ensure!(!report.contains("game_days") && !report.contains("Surge"), "{report}");
    tenant.page("/game-days/1").await?.expect(403)?;
    let limited = "hr_limitedlimitedlimitedlimitedlimitedlim";
    people::add_token(&mut world.conn, limited, &[Scope::Read, Scope::Plan], &["shop"], &[]).await?;
    let limited = Client::nobody(world.service.url())?.with_token(limited);
    limited.post("/api/v1/game-days", &surge()).await?.problem(403)?;
    assert_eq!(limited.get("/api/v1/game-days").await?.expect(200)?.json()?["game_days"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_form_writes_what_it_reads_and_runs_nothing() -> Result<()> {
    let mut world = World::create().await?;
    let empty = plain(&world.client.page("/game-days").await?.expect(200)?.body);
    ensure!(empty.contains("No game day was written down yet"), "{empty}");
    let form = world.client.page("/game-days/new").await?.expect(200)?.body;
    ensure!(form.contains("value=\"2026-11-25\"") && form.contains("value=\"Test Admin\""), "{form}");
    let hostile = "<script>alert(1)</script>";
    let typed = [
        ("version", "0"),
        ("title", hostile),
        ("held_on", "2026-11-20"),
        ("run_by", "Dana & Mika"),
        ("pools", "shop, batch"),
        ("tried", "</textarea><b>one</b>\r\ntwo"),
        ("breakages", "F4, shop, 1.4\r\n\r\nF2, all, not found"),
        ("false_findings", "0"),
        ("happened", "found"),
        ("follow_ups", ""),
    ];
    let but = |field: &'static str, text: &'static str| {
        let other: Vec<(&str, &str)> = typed.iter().copied().filter(|(name, _)| *name != field).collect();
        [other, vec![(field, text)]].concat()
    };
    for (field, text, said) in [
        ("breakages", "F4, shop, soon", "what, pool and seconds"),
        ("breakages", "F4, nobody, 1", "slugs of pools"),
        ("held_on", "2027-01-01", "not after today"),
        ("false_findings", "many", "a whole number"),
        ("pools", "nobody", "slugs of pools"),
    ] {
        let again = world.client.form("/game-days/new", &but(field, text)).await?.expect(422)?.body;
        ensure!(again.contains(said) && again.contains("Dana &amp; Mika"), "{field}: {again}");
    }
    assert_eq!(world.kept().await?, 0);
    let done = world.client.form("/game-days/new", &typed).await?.expect(303)?;
    let id: i64 = sqlx::query_scalar("SELECT game_day_id FROM game_day").fetch_one(&mut world.conn).await?;
    assert_eq!(done.header("location"), format!("/game-days#day-{id}"));
    let list = plain(&world.client.page("/game-days").await?.expect(200)?.body);
    ensure!(!list.contains(hostile) && list.contains("&lt;script&gt;"), "{list}");
    ensure!(list.contains("1 of 2, the last after 1.4 s, nothing else") && list.contains("not found"), "{list}");

    let path = format!("/game-days/{id}");
    let form = world.client.page(&path).await?.expect(200)?.body;
    ensure!(form.contains("F4, shop, 1.4\nF2, all, not found") && !form.contains("<b>one</b>"), "{form}");
    world.client.form(&path, &typed).await?.expect(409)?;
    let mut seen = but("version", "1");
    seen.retain(|(name, _)| *name != "title");
    seen.push(("title", "another name"));
    world.client.form(&path, &seen).await?.expect(303)?;
    let stale = world.client.form(&path, &seen).await?.expect(409)?.body;
    ensure!(stale.contains("Somebody changed this meanwhile"), "{stale}");
    ensure!(world.client.page("/game-days").await?.body.contains("another name"));
    world.client.page("/game-days/99").await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn the_quarterly_review_lists_those_of_its_quarter_and_says_when_there_was_none() -> Result<()> {
    let world = World::create().await?;
    let before = world.quarter().await?;
    let none = table(&before, "game_days")?;
    ensure!(none["rows"] == json!([]) && none["basis"].to_string().contains("No game day was written down"), "{none}");
    let page = world.client.page("/reports/quarterly-2026-Q4").await?.expect(200)?.body;
    ensure!(page.contains("No game day was written down for this quarter"), "{page}");

    world.client.post("/api/v1/game-days", &surge()).await?.expect(201)?;
    let quiet = json!({ "held_on": "2026-10-01", "title": "=1+1", "tried": "nothing", "happened": "nothing" });
    world.client.post("/api/v1/game-days", &quiet).await?.expect(201)?;
    let other = with(&json!({ "held_on": "2026-09-30", "title": "Of the quarter before" }));
    world.client.post("/api/v1/game-days", &other).await?.expect(201)?;
    let report = world.quarter().await?;
    let days = table(&report, "game_days")?;
    assert_eq!(
        days["rows"],
        json!([
            ["=1+1", "2026-10-01", "token test", "none in particular", null, null, null, null, null],
            ["Surge in the shop", "2026-11-20", "Dana", "batch, shop", 2, 1, 0.5, 1_400, 2],
        ])
    );
    assert_eq!(days["total"], json!(["", "", "", "", 2, 1, 0.5, null, 2]));
    assert_eq!(
        table(&report, "game_day_breakages")?["rows"][1],
        json!(["Surge in the shop", "a switch, pulled", "all", "no", null])
    );
    assert_eq!(table(&report, "game_day_notes")?["rows"][1][1], "twice as many claims as slots");
    ensure!(report["facts"].to_string().contains("\"Game days\""), "{}", report["facts"]);

    // The page, the file and the paper say the same.
    let page = plain(&world.client.page("/reports/quarterly-2026-Q4").await?.expect(200)?.body);
    ensure!(page.contains("Surge in the shop") && page.contains("a page for the other"), "{page}");
    let csv = world.client.get("/reports/quarterly-2026-Q4.csv?table=game_days").await?.csv()?;
    assert_eq!(csv[1][..2], ["'=1+1", "2026-10-01"]);
    assert_eq!(csv[2][..], ["Surge in the shop", "2026-11-20", "Dana", "batch, shop", "2", "1", "0.5", "1400", "2"]);
    ensure!(csv.len() == 4 && csv[3][0] == "total", "{csv:?}");
    Ok(())
}

#[tokio::test]
async fn a_closed_review_stays_as_it_was_and_a_correction_knows_more() -> Result<()> {
    use headroom_domain::accumulate::{Accumulator, Reading};
    let mut world = World::create().await?;
    world.client.post("/api/v1/game-days", &surge()).await?.expect(201)?;
    // Reports begin with the first sample.
    let key = headroom_store::pool::by_slug(&mut world.conn, "shop").await?.context("the pool")?.key;
    let from = NOW - DAY_MS;
    for cut in [headroom_store::partition::Cut::Minutes, headroom_store::partition::Cut::FiveMinutes] {
        headroom_store::partition::ensure(&mut world.conn, cut, from, NOW).await?;
    }
    let mut acc = Accumulator::default();
    let reading = Reading { at: from, duration_ms: 3_600_000, capacity: 100, occupied: Some(7), ..Reading::default() };
    acc.reading(key, &reading);
    headroom_store::history::merge(&mut world.conn, headroom_store::history::LIVE, acc.take()).await?;
    // 2027-01-04T12:00:00Z: the quarter closed on the third.
    headroom_store::hold_test_clock(&mut world.conn, NOW + 40 * DAY_MS + DAY_MS / 8).await?;
    let app = App::new(Db::connect(&world.database.url().parse()?));
    jobs::reports::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let closed = world.quarter().await?;
    assert_eq!(closed["closed"]["version"], 1, "{closed}");
    ensure!(closed["closed"]["report"] == format!("{}-2026-Q4", Kind::Quarterly), "{closed}");

    let late = with(&json!({ "held_on": "2026-12-31", "title": "Written late" }));
    world.client.post("/api/v1/game-days", &late).await?.expect(201)?;
    assert_eq!(world.quarter().await?["tables"], closed["tables"], "it is frozen");
    let planner = app.acting(std::sync::Arc::new(Caller::machine("cli")));
    planner.correct_report(Kind::Quarterly, "2026-Q4", "a game day was written late").await?;
    let corrected = world.quarter().await?;
    assert_eq!(corrected["closed"]["version"], 2);
    let rows = &table(&corrected, "game_days")?["rows"];
    assert_eq!((&rows[0][0], &rows[1][0]), (&json!("Surge in the shop"), &json!("Written late")), "{rows}");
    assert_eq!(
        world.client.get("/api/v1/reports/quarterly-2026-Q4?v=1").await?.expect(200)?.json()?["tables"],
        closed["tables"]
    );
    world.client.send(Method::DELETE, "/api/v1/game-days/1", &[], None).await?.expect(405)?;
    Ok(())
}

#[tokio::test]
async fn however_many_there_are_each_is_listed_and_in_its_review() -> Result<()> {
    let mut world = World::create().await?;
    // Two a day, so that the day alone is no place in the list.
    sqlx::query(
        "INSERT INTO game_day (held_on, title, run_by, tried, happened, follow_ups, breakages, author)
         SELECT date '2026-11-24' - number % 125, 'day ' || number, 'Dana', 'a', 'b', '', '[]', 'test' FROM generate_series(0, 249) number",
    )
    .execute(&mut world.conn)
    .await?;
    let titles = |part: &Value| -> Vec<String> {
        let days = part["game_days"].as_array().into_iter().flatten();
        days.filter_map(|day| day["title"].as_str().map(str::to_owned)).collect()
    };
    let first = world.client.get("/api/v1/game-days").await?.expect(200)?.json()?;
    ensure!(titles(&first).len() == 200 && first["next"].is_string(), "{first}");
    let (mut all, mut path) = (Vec::new(), "/api/v1/game-days?limit=33".to_owned());
    loop {
        let part = world.client.get(&path).await?.expect(200)?.json()?;
        all.extend(titles(&part));
        let Some(next) = part["next"].as_str() else { break };
        ensure!(titles(&part).len() == 33 && all.len() < 300, "a part has as many as were asked for");
        path = format!("/api/v1/game-days?limit=33&after={next}");
    }
    let expected: Vec<String> =
        (0..125).flat_map(|number| [number + 125, number]).map(|number| format!("day {number}")).collect();
    assert_eq!(all, expected, "each once, the newest first");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("after=0", "after"),
        ("after=999999", "after"),
        ("after=nonsense", "after"),
        ("after=%00", "after"),
    ] {
        let problem = world.client.get(&format!("/api/v1/game-days?{query}")).await?.problem(422)?;
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }

    // The page leads through them without scripts.
    let (mut seen, mut path) = (0, "/game-days".to_owned());
    loop {
        let page = world.client.page(&path).await?.expect(200)?.body;
        seen += page.matches("id=\"day-").count();
        ensure!(page.contains(">Newest<") == (path != "/game-days"), "{path}");
        let Some(older) = page.split("href=\"").find(|part| part.contains(">Older game days<")) else { break };
        path = older.split('"').next().context("an address")?.to_owned();
    }
    assert_eq!(seen, 250);
    world.client.page("/game-days?after=nonsense").await?.expect(422)?;

    // October begins 54 days before the newest: 55 days with two each.
    let review = world.quarter().await?;
    assert_eq!(table(&review, "game_days")?["rows"].as_array().map(Vec::len), Some(110));
    sqlx::query("UPDATE game_day SET held_on = '2026-11-01'").execute(&mut world.conn).await?;
    let review = world.quarter().await?;
    assert_eq!(table(&review, "game_days")?["rows"].as_array().map(Vec::len), Some(250), "however many there are");
    Ok(())
}
