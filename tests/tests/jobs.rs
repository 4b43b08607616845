//! Jobs: what their page says, runs that are asked for, and imports that are watched and stopped.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_store::job::{self, Taker};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::{Service, run};
use http::Method;
use serde_json::{Value, json};
use sqlx::types::Uuid;
use std::time::{Duration, Instant};
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z.
const NOW: i64 = 1_795_597_200_000;
/// Only a failure waits this long.
const LIMIT: Duration = Duration::from_mins(1);

async fn person(database: &Database, service: &Service, number: u128, role: Role) -> Result<Client> {
    let mut conn = database.connect().await?;
    let account =
        people::add(&mut conn, &format!("p{number}@test.example"), &format!("Person {number}"), &[role], &[]).await?;
    let (id, csrf) = (Id(number as i128), format!("{number:032}"));
    people::open_session(&mut conn, &account, id, &csrf).await?;
    let cookie = format!("{}={id}", headroom_server::serve::OPEN_COOKIE);
    Ok(Client::nobody(service.url())?.with_cookie(&cookie, &csrf))
}

#[tokio::test]
async fn a_turn_belongs_to_one_and_is_done_once() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    headroom_store::hold_test_clock(&mut conn, NOW + 1_500).await?;
    let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let taker = |owner, server| Taker { job: "daily", owner, server, period_ms: 60_000, ttl_ms: 20_000 };
    ensure!(job::is_wanted(&mut conn, "daily", 60_000).await?, "it never ran");
    let turn = job::begin(&mut conn, &taker(ours, "http://a")).await?.context("it is due")?;
    assert_eq!((turn.due_ms, turn.epoch), (Some(NOW), 1));
    ensure!(job::begin(&mut conn, &taker(theirs, "http://b")).await?.is_none(), "another one is at it");
    let standing = job::ask(&mut conn, "daily", "Mika").await?.context("it runs")?;
    assert_eq!((standing.server.as_deref(), standing.running_since_ms), (Some("http://a"), Some(NOW + 1_500)));

    // Whoever does not say that it goes on is followed, and finds its turn gone.
    headroom_store::hold_test_clock(&mut conn, NOW + 30_000).await?;
    let next = job::begin(&mut conn, &taker(theirs, "http://b")).await?.context("its lease ran out")?;
    assert_eq!((next.due_ms, next.epoch), (Some(NOW), 2));
    ensure!(!job::go_on(&mut conn, &turn, 20_000).await? && !job::end(&mut conn, &turn, None).await?);
    ensure!(job::go_on(&mut conn, &next, 20_000).await? && job::end(&mut conn, &next, Some(NOW + 60_000)).await?);
    ensure!(
        !job::is_wanted(&mut conn, "daily", 60_000).await?
            && job::begin(&mut conn, &taker(ours, "http://a")).await?.is_none()
    );

    // Between turns somebody may ask, once; that is no turn.
    ensure!(job::ask(&mut conn, "daily", "Mika").await?.is_none());
    let asked = job::ask(&mut conn, "daily", "Dana").await?.context("it is asked for")?;
    assert_eq!((asked.asked_by.as_deref(), asked.running_since_ms), (Some("Mika"), None));
    let extra = job::begin(&mut conn, &taker(ours, "http://a")).await?.context("it is asked for")?;
    assert_eq!((extra.due_ms, extra.asked_by.as_deref()), (None, Some("Mika")));
    ensure!(job::end(&mut conn, &extra, None).await?);
    let stands = job::standings(&mut conn).await?.pop().context("a job")?;
    assert_eq!((stands.next_due_ms, stands.asked_ms), (Some(NOW + 60_000), None));

    // Of turns that were missed the last is done; a clock that was set back makes no job wait for ever.
    headroom_store::hold_test_clock(&mut conn, NOW + 600_000).await?;
    let late = job::begin(&mut conn, &taker(ours, "http://a")).await?.context("it is due")?;
    assert_eq!(late.due_ms, Some(NOW + 600_000));
    ensure!(job::end(&mut conn, &late, Some(NOW + 660_000)).await?);
    headroom_store::hold_test_clock(&mut conn, NOW).await?;
    ensure!(job::is_wanted(&mut conn, "daily", 60_000).await?);
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_asked_for_happens_once_and_is_told() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    people::prepare(&mut conn).await?;
    let service = Service::start(&["serve", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let sessions = async |client: &Client| -> Result<Value> {
        let all = client.get("/api/v1/jobs/schedule").await?.expect(200)?.json()?;
        all.as_array().into_iter().flatten().find(|job| job["job"] == "sessions").cloned().context("the job")
    };
    let deadline = Instant::now() + LIMIT;
    while sessions(&client).await?["next_due"].is_null() {
        ensure!(Instant::now() < deadline, "it does not run by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let page = client.page("/jobs").await?.expect(200)?.body;
    ensure!(page.contains("action=\"/jobs/sessions/run\"") && !page.contains("action=\"/jobs/rollup/run\""), "{page}");
    ensure!(page.contains("partitions exist eight days ahead"), "the schedule has its reason");

    let before = sessions(&client).await?["next_due"].clone();
    let answer = client.form("/jobs/sessions/run", &[]).await?.expect(303)?;
    assert_eq!(answer.header("location"), "/jobs");
    let deadline = Instant::now() + LIMIT;
    let asked = loop {
        let runs = client.get("/api/v1/jobs").await?.expect(200)?.json()?;
        let found = runs
            .as_array()
            .into_iter()
            .flatten()
            .find(|run| run["job"] == "sessions" && !run["asked_by"].is_null())
            .cloned();
        if let Some(found) = found {
            break found;
        }
        ensure!(Instant::now() < deadline, "it did not run: {runs}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((asked["due_at"].is_null(), asked["server"].as_str()), (true, Some(service.url())));
    assert_eq!(sessions(&client).await?["next_due"], before, "its turns are as they were");
    let one = client.page("/jobs/sessions").await?.expect(200)?.body;
    ensure!(one.contains("asked for it") && one.contains(service.url()), "{one}");
    ensure!(
        client.get("/api/v1/audit?object=job").await?.expect(200)?.body.contains("\"run\""),
        "it is in the audit trail"
    );

    // One that runs elsewhere is not started again, and it is said where.
    let taker = Taker {
        job: "sessions",
        owner: Uuid::from_u128(9),
        server: "http://elsewhere.example:8080",
        period_ms: 1,
        ttl_ms: 600_000,
    };
    job::begin(&mut conn, &taker).await?.context("it is free")?;
    let problem = client.post("/api/v1/jobs/sessions/run", &json!({})).await?.problem(409)?;
    ensure!(problem["detail"].as_str().is_some_and(|text| text.contains("elsewhere.example")), "{problem}");
    ensure!(client.page("/jobs").await?.expect(200)?.body.contains("on http://elsewhere.example:8080"));
    client.post("/api/v1/jobs/rollup/run", &json!({})).await?.problem(409)?;
    client.post("/api/v1/jobs/nothing/run", &json!({})).await?.problem(404)?;
    client.page("/jobs/nothing").await?.expect(404)?;

    // Who may not see jobs sees none and starts none.
    for role in [Role::Viewer, Role::OnCall] {
        let other = person(&database, &service, role as u128 + 20, role).await?;
        other.page("/jobs").await?.expect(403)?;
        other.page("/jobs/sessions").await?.expect(403)?;
        other.form("/jobs/sessions/run", &[]).await?.expect(403)?;
    }
    let planner = person(&database, &service, 40, Role::Planner).await?;
    planner.page("/jobs/sessions").await?.expect(200)?;
    service.stop()?;
    Ok(())
}

#[tokio::test]
async fn an_import_is_watched_stopped_and_goes_on() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    people::prepare(&mut conn).await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    // An import half-way, whose process holds its lock.
    let part: i32 = sqlx::query_scalar(
        "INSERT INTO import (kind, content_key, source_name, rows_done, rows_bad) VALUES ('occupancy', 'k', 'eu.csv', 4200, 3) RETURNING part",
    )
    .fetch_one(&mut conn)
    .await?;
    let path = format!("/jobs/import-{part}");
    let abandoned = client.page(&path).await?.expect(200)?.body;
    ensure!(abandoned.contains("abandoned") && abandoned.contains("The same command goes on"), "{abandoned}");
    client.form(&format!("{path}/cancel"), &[]).await?.expect(409)?;
    let mut worker = database.connect().await?;
    ensure!(headroom_store::import::try_lock(&mut worker, part).await?);
    assert_eq!(headroom_store::import::phase(&mut worker, part, "reading", 640, 1_000).await?, None);
    let running = client.page(&path).await?.expect(200)?.body;
    for text in [
        "http-equiv=\"refresh\"",
        "Phase 2 of 3: reading the file",
        "4,200 rows",
        "3 rows rejected",
        "value=\"0.64\"",
        "Stop it",
    ] {
        ensure!(running.contains(text), "{text}: {running}");
    }
    client.form(&format!("{path}/cancel"), &[]).await?.expect(303)?;
    let told = headroom_store::import::phase(&mut worker, part, "reading", 700, 1_000).await?;
    assert_eq!(told.as_deref(), Some(people::NAME), "whoever is at it sees who stopped it");
    client.send(Method::POST, &format!("/api/v1/imports/{part}/cancel"), &[], None).await?.problem(409)?;
    headroom_store::import::unlock(&mut worker, part).await?;
    let stopped = client.page(&path).await?.expect(200)?.body;
    ensure!(stopped.contains("stopped it.") && !stopped.contains("http-equiv=\"refresh\""), "{stopped}");
    client.page("/jobs/import-999").await?.expect(404)?;
    client.page("/jobs/import-x").await?.expect(404)?;

    // A real one has a page with its rejected rows.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lanes.csv");
    std::fs::write(
        &file,
        "pool,ts,capacity,occupied\nlanes,2026-11-21T08:00:00Z,10,4\nlanes,2026-11-21T08:01:00Z,10,many\n",
    )?;
    let file = file.to_str().context("a name")?;
    let done =
        run(&["import", "occupancy", file, "--create-pools", "--skip-bad-lines", "--database-url", database.url()])?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let list = client.page("/jobs").await?.expect(200)?.body;
    let number = list
        .split("/jobs/import-")
        .filter_map(|rest| rest.split('"').next()?.parse::<i32>().ok())
        .max()
        .context("its link")?;
    let page = client.page(&format!("/jobs/import-{number}")).await?.expect(200)?.body;
    ensure!(page.contains("done, with warnings") && page.contains("Rejected rows") && page.contains("many"), "{page}");
    let rows = client.page(&format!("/jobs/import-{number}?format=csv")).await?.expect(200)?.csv()?;
    assert_eq!((rows.len(), rows[1][0].as_str()), (2, "3"));
    service.stop()?;
    Ok(())
}

#[tokio::test]
async fn workers_for_a_backlog_are_reckoned_on_the_page_and_over_the_api() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    people::prepare(&mut conn).await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    client.post("/api/v1/pools", &json!({ "name": "Lanes", "slug": "lanes", "capacity": 3 })).await?.expect(201)?;
    let asked = "?backlog=42000&arrivals=0&rate=10&per=second&time=5m";
    let answer = client.get(&format!("/api/v1/pools/lanes/backlog{asked}")).await?.expect(200)?.json()?;
    assert_eq!(
        (answer["workers"].as_u64(), answer["more"].as_u64(), answer["present"].as_u64()),
        (Some(14), Some(11), Some(3))
    );
    let peak = "?backlog=510000&arrivals=1500&rate=150&per=second&time=5m&workers=10";
    let answer = client.get(&format!("/api/v1/pools/lanes/backlog{peak}")).await?.expect(200)?.json()?;
    assert_eq!(
        (answer["workers"].as_u64(), answer["more"].as_u64(), answer["alone_ms"].is_null()),
        (Some(22), Some(12), true)
    );
    let problem = client.get("/api/v1/pools/lanes/backlog").await?.problem(422)?;
    let fields: Vec<&str> =
        problem["errors"].as_array().into_iter().flatten().filter_map(|e| e["field"].as_str()).collect();
    assert_eq!(fields, ["backlog", "arrivals", "rate"], "what is not measured is asked for: {problem}");
    for query in ["?backlog=-1", "?rate=0", "?rate=NaN", "?time=soon", "?per=day", "?backlog=", "?workers=99999999999"]
    {
        client.get(&format!("/api/v1/pools/lanes/backlog{query}")).await?.problem(422)?;
    }
    client.get("/api/v1/pools/nowhere/backlog").await?.problem(404)?;

    let page = client.page("/pools/lanes").await?.expect(200)?.body;
    ensure!(
        page.contains("Workers for a backlog") && !page.contains("clear a backlog of"),
        "nothing is answered before it is asked"
    );
    let page = client.page(&format!("/pools/lanes{asked}")).await?.expect(200)?.body;
    ensure!(
        page.contains("14 workers clear a backlog of 42,000") && page.contains("11 beside the 3 that there are"),
        "{page}"
    );
    let page = client.page("/pools/lanes?backlog=many&arrivals=%3Cb%3E&rate=1&time=5m").await?.expect(200)?.body;
    ensure!(
        page.contains("id=\"backlog-error\"") && page.contains("id=\"arrivals-error\"") && !page.contains("<b>"),
        "{page}"
    );
    service.stop()?;
    Ok(())
}
