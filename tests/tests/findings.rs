//! Findings: what is wrong is seen by a job, remembered, and told by the API and the board alike.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::{Role, Scope};
use headroom_server::allocator::PoolFigures;
use headroom_server::app::look;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// A server with a tracked pool of four slots and two tenants.
struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 4 });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for slug in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": slug, "slug": slug })).await?.expect(201)?;
        }
        client
            .put("/api/v1/pools/lanes/policy", &json!({ "policy": { "longest_wait_ms": 60_000 } }))
            .await?
            .expect(200)?;
        Ok(Self { database, service, client })
    }

    async fn act(&self, action: &str) -> Result<()> {
        let body = json!({ "action": action, "reason": "a test" });
        self.client.post("/api/v1/pools/lanes/actions", &body).await?.expect(200)?;
        Ok(())
    }

    /// The only finding that a query gives, once it is as wanted.
    async fn one(&self, query: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let listed = list(&self.client, query).await?;
            if let [one] = listed.as_slice()
                && is_wanted(one)
            {
                return Ok(one.clone());
            }
            ensure!(Instant::now() < deadline, "{query}: {listed:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn list(client: &Client, query: &str) -> Result<Vec<Value>> {
    let answer = client.get(&format!("/api/v1/findings?{query}")).await?.expect(200)?.json()?;
    answer["findings"].as_array().cloned().context("a list")
}

fn kinds(findings: &[Value]) -> Vec<&str> {
    findings.iter().filter_map(|one| one["kind"].as_str()).collect()
}

#[tokio::test]
async fn what_is_wrong_is_seen_by_itself_and_has_an_end() -> Result<()> {
    let world = World::create().await?;
    let before = Instant::now();
    world.act("hold").await?;
    let held = world.one("kind=closed&pool=lanes", |one| one["open"] == true).await?;
    ensure!(before.elapsed() < Duration::from_secs(8), "it is seen soon: {:?}", before.elapsed());
    assert_eq!((&held["pool"], &held["severity"], &held["mode"]), (&json!("lanes"), &json!("info"), &Value::Null));
    assert_eq!(held["text"], "Lanes lets no claims in: an operator holds or drains it");
    ensure!(held["since"].as_str() <= held["seen_at"].as_str() && held["over_at"].is_null(), "{held}");
    // Nobody has looked at a page until here.
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("Lanes lets no claims in"), "the board tells the same");
    world.act("open").await?;
    let over = world.one("kind=closed&open=false", |one| one["open"] == false).await?;
    assert_eq!((&over["id"], &over["since"], &over["seen_at"]), (&held["id"], &held["since"], &held["seen_at"]));
    ensure!(over["over_at"].as_str() > over["seen_at"].as_str(), "{over}");
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(!board.contains("Lanes lets no claims in"), "what is over is not on the board");
    Ok(())
}

#[tokio::test]
async fn a_full_pool_has_its_numbers_and_tenants_see_what_concerns_them() -> Result<()> {
    let world = World::create().await?;
    let claim = async |body: Value| world.client.post("/api/v1/pools/lanes/claims", &body).await;
    claim(json!({ "tenant": "acme", "slots": 4, "ttl_ms": 60_000 })).await?.expect(201)?;
    assert_eq!(claim(json!({ "tenant": "beta" })).await?.status, 429);
    let full = world.one("kind=saturated", |one| one["open"] == true).await?;
    assert_eq!((&full["mode"], &full["tenants"]), (&json!("F4"), &json!(["beta"])));
    assert_eq!(full["numbers"][0], json!({ "name": "rejected_1m", "value": 1.0, "unit": "claims" }));
    let hog = world.one("kind=monopoly", |_| true).await?;
    assert_eq!((&hog["subject"]["tenant"], &hog["mode"]), (&json!("acme"), &json!("F8")));

    let mut conn = world.database.connect().await?;
    let tokens: [(&str, &[&str], &[&str]); 3] = [
        ("hr_BETABETABETABETABETABETABETABETABETABETA", &[], &["beta"]),
        ("hr_ACMEACMEACMEACMEACMEACMEACMEACMEACMEACME", &[], &["acme"]),
        ("hr_OTHEROTHEROTHEROTHEROTHEROTHEROTHEROTHER", &["elsewhere"], &[]),
    ];
    let elsewhere = json!({ "name": "Elsewhere", "slug": "elsewhere", "capacity": 1 });
    world.client.post("/api/v1/pools", &elsewhere).await?.expect(201)?;
    sqlx::query(
        "INSERT INTO replica (replica_id, url, expires_at) VALUES (gen_random_uuid(), 'http://gone', hr_now())",
    )
    .execute(&mut conn)
    .await?;
    world.one("kind=server-lost", |_| true).await?;
    let expected: [(&[&str], &[&str]); 3] = [
        (&["saturated"], &["monopoly", "server-lost"]),
        (&["saturated", "monopoly"], &["server-lost"]),
        (&[], &["saturated", "monopoly", "server-lost"]),
    ];
    for ((secret, pools, tenants), (there, missing)) in tokens.into_iter().zip(expected) {
        people::add_token(&mut conn, secret, &[Scope::Read], pools, tenants).await?;
        let own = Client::nobody(world.service.url())?.with_token(secret);
        let listed = list(&own, "").await?;
        let seen = kinds(&listed);
        for kind in there {
            ensure!(seen.contains(kind), "{secret} sees {kind}: {seen:?}");
        }
        for kind in missing {
            ensure!(!seen.contains(kind), "{secret} does not see {kind}: {seen:?}");
        }
        if tenants == ["beta"] {
            let text = serde_json::to_string(&listed)?;
            ensure!(!text.contains("acme"), "another tenant is named: {text}");
        }
    }
    people::add_token(&mut conn, "hr_INGESTINGESTINGESTINGESTINGESTINGESTINGES", &[Scope::Ingest], &[], &[]).await?;
    let own = Client::nobody(world.service.url())?.with_token("hr_INGESTINGESTINGESTINGESTINGESTINGESTINGES");
    assert_eq!(own.get("/api/v1/findings").await?.status, 403);
    assert_eq!(Client::nobody(world.service.url())?.get("/api/v1/findings").await?.status, 401);
    conn.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_server_is_told_on_the_board_and_is_over_once_nobody_waits_for_it() -> Result<()> {
    let world = World::create().await?;
    let mut conn = world.database.connect().await?;
    let add = "INSERT INTO replica (replica_id, url, expires_at) VALUES (gen_random_uuid(), 'http://10.0.0.9:8080', hr_now())";
    sqlx::query(add).execute(&mut conn).await?;
    let lost = world.one("kind=server-lost", |one| one["open"] == false).await?;
    assert_eq!((&lost["subject"]["server"], &lost["pool"]), (&json!("http://10.0.0.9:8080"), &Value::Null));
    let board = world.client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("Server http://10.0.0.9:8080 fell silent without ending"), "{board}");
    // Told once, however often it is looked at.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(list(&world.client, "kind=server-lost").await?.len(), 1);
    conn.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_was_expected() -> Result<()> {
    let world = World::create().await?;
    world.act("hold").await?;
    world.one("kind=closed", |_| true).await?;
    for (query, status, says) in [
        ("kind=leak", 422, "expected one of leaked, leaking"),
        ("limit=0", 422, "1 to 1000"),
        ("limit=1001", 422, "1 to 1000"),
        ("limit=", 400, "limit"),
        ("open=maybe", 400, "open"),
        ("from=yesterday", 422, "from"),
        ("pool=nowhere", 404, "nowhere"),
        ("tenant=nobody", 404, "nobody"),
        ("colour=red", 400, "colour"),
    ] {
        let answer = world.client.get(&format!("/api/v1/findings?{query}")).await?;
        ensure!(answer.status == status && answer.body.contains(says), "{query}: {} {}", answer.status, answer.body);
        ensure!(answer.header("content-type") == "application/problem+json", "{query}");
    }
    let all = list(&world.client, "limit=1000").await?;
    let mut paged: Vec<Value> = Vec::new();
    loop {
        let before = paged.last().map_or(String::new(), |last| format!("&before={}", last["id"]));
        let page = list(&world.client, &format!("limit=1{before}")).await?;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(kinds(&paged), kinds(&all), "pages are the whole");
    ensure!(all.len() >= 2, "{all:?}");
    Ok(())
}

#[tokio::test]
async fn a_round_looks_at_some_of_many_pools_and_all_get_their_turn() -> Result<()> {
    const POOLS: i64 = 3_000;
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    sqlx::query(
        "WITH made AS (INSERT INTO pool (slug, name, kind, owner, runbook_url, id)
             SELECT 'pool-' || n, 'Pool ' || n, 'fixed', 'team', 'https://runbook.example/' || n, gen_random_uuid()
             FROM generate_series(1, $1) n RETURNING pool_id),
         ruled AS (INSERT INTO pool_policy (pool_id, policy) SELECT pool_id, '{}' FROM made)
         INSERT INTO pool_live (pool_id, at, live) SELECT pool_id, hr_now(), $2 FROM made",
    )
    .bind(POOLS)
    .bind(serde_json::to_value(PoolFigures::default())?)
    .execute(&mut conn)
    .await?;
    let last: i32 = sqlx::query_scalar("SELECT max(pool_id) FROM pool_policy").fetch_one(&mut conn).await?;
    server_since(&mut conn, "1 hour").await?;
    sqlx::query("UPDATE pool_live SET asks = true, at = hr_now() - interval '1 hour' WHERE pool_id = $1")
        .bind(last)
        .execute(&mut conn)
        .await?;
    let started = Instant::now();
    let looked = look::round(&mut conn).await?;
    println!("a round over {POOLS} pools takes {:?} and looks at {}", started.elapsed(), looked.pools);
    ensure!((500..=510).contains(&looked.pools), "{looked:?}");
    let count = "SELECT count(*) FROM finding WHERE kind = 'stalled' AND pool_id = $1";
    let found: i64 = sqlx::query_scalar(count).bind(last).fetch_one(&mut conn).await?;
    assert_eq!(found, 1, "the last one of many asked for a look and had it in the first round");
    // Another one is found in its turn, and not before.
    let other: i32 = sqlx::query_scalar("SELECT pool_id FROM pool_policy ORDER BY pool_id OFFSET 1200 LIMIT 1")
        .fetch_one(&mut conn)
        .await?;
    sqlx::query("UPDATE pool_live SET at = hr_now() - interval '1 hour' WHERE pool_id = $1")
        .bind(other)
        .execute(&mut conn)
        .await?;
    let mut rounds = 0;
    while sqlx::query_scalar::<_, i64>(count).bind(other).fetch_one(&mut conn).await? == 0 {
        rounds += 1;
        ensure!(rounds <= 4, "it is not found");
        look::round(&mut conn).await?;
    }
    assert_eq!(rounds, 2, "500 pools a round");
    conn.close().await?;
    Ok(())
}

/// A server that is alive, and began so long ago.
async fn server_since(conn: &mut PgConnection, ago: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO replica (replica_id, started_at, expires_at)
         VALUES ('00000000-0000-0000-0000-000000000001', hr_now() - $1::interval, hr_now() + interval '1 minute')
         ON CONFLICT (replica_id) DO UPDATE SET started_at = EXCLUDED.started_at",
    )
    .bind(ago)
    .execute(conn)
    .await?;
    Ok(())
}

#[tokio::test]
async fn after_all_servers_were_away_the_first_one_may_begin_before_pools_are_said_to_be_stalled() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    sqlx::query(
        "WITH made AS (INSERT INTO pool (slug, name, kind, owner, id)
             VALUES ('lanes', 'Lanes', 'fixed', 'team', gen_random_uuid()) RETURNING pool_id),
         ruled AS (INSERT INTO pool_policy (pool_id, policy) SELECT pool_id, '{}' FROM made)
         INSERT INTO pool_live (pool_id, at, live, asks) SELECT pool_id, hr_now() - interval '12 minutes', $1, true FROM made",
    )
    .bind(serde_json::to_value(PoolFigures::default())?)
    .execute(&mut conn)
    .await?;
    sqlx::query("UPDATE pool_policy SET updated_at = hr_now() - interval '1 day'").execute(&mut conn).await?;
    let open = "SELECT count(*) FROM finding WHERE kind = 'stalled' AND ended_at IS NULL";
    for (since, found) in [(None, 0_i64), (Some("10 seconds"), 0), (Some("40 seconds"), 1), (Some("1 second"), 1)] {
        if let Some(since) = since {
            server_since(&mut conn, since).await?;
        }
        look::round(&mut conn).await?;
        let count: i64 = sqlx::query_scalar(open).fetch_one(&mut conn).await?;
        assert_eq!(count, found, "a server since {since:?}; what was found once stays until there is a pass");
    }
    conn.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_tenant_viewer_sees_the_same_on_the_board_and_no_servers() -> Result<()> {
    let world = World::create().await?;
    let mut conn = world.database.connect().await?;
    let session = tower_sessions::session::Id(78);
    let csrf = "00000000000000000000000000000078";
    let account = people::add(&mut conn, "viewer@test.example", "Viewer", &[Role::TenantViewer], &["beta"]).await?;
    people::open_session(&mut conn, &account, session, csrf).await?;
    let (name, _) = people::cookie();
    let viewer = Client::nobody(world.service.url())?.with_cookie(&format!("{name}={session}"), csrf);
    world.act("hold").await?;
    world.one("kind=closed", |_| true).await?;
    let board = viewer.page("/oncall").await?.expect(200)?.body;
    ensure!(!board.contains("lets no claims in"), "beta does not use this pool");
    world.act("open").await?;
    let claim = json!({ "tenant": "beta", "ttl_ms": 60_000 });
    world.client.post("/api/v1/pools/lanes/claims", &claim).await?.expect(201)?;
    world.act("hold").await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !viewer.page("/oncall").await?.body.contains("lets no claims in") {
        ensure!(Instant::now() < deadline, "beta uses the pool now");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    conn.close().await?;
    Ok(())
}
