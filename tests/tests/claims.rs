//! Claims of slots through the real server: what is granted, refused, kept and lost, and how wrong requests are told so.

use anyhow::{Context, Result, ensure};
use headroom_server::app::caller::Caller;
use headroom_server::app::follow::Topics;
use headroom_server::app::{App, AppError};
use headroom_server::db::Db;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server with a tracked pool of four slots and two tenants.
struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn create(policy: Value) -> Result<Self> {
        Self::with_capacity(4, policy).await
    }

    async fn with_capacity(capacity: i64, policy: Value) -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        client
            .post("/api/v1/pools", &json!({ "name": "Lanes", "slug": "lanes", "capacity": capacity }))
            .await?
            .expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        client.put("/api/v1/pools/lanes/policy", &json!({ "policy": policy })).await?.expect(200)?;
        Ok(Self { database, service, client })
    }

    async fn ask(&self, body: Value) -> Result<Answer> {
        self.client.post("/api/v1/pools/lanes/claims", &body).await
    }

    async fn claim(&self, body: Value) -> Result<Value> {
        self.ask(body).await?.expect(201)?.json()
    }

    async fn of(&self, claim: &Value, what: &str, body: Value) -> Result<Answer> {
        let id = claim["claim"].as_str().context("a claim has an id")?;
        self.client.post(&format!("/api/v1/pools/lanes/claims/{id}/{what}"), &body).await
    }

    async fn slots(&self) -> Result<String> {
        let slots = self.client.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
        Ok(slots["states"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn slots_are_claimed_renewed_verified_and_released() -> Result<()> {
    let world = World::create(json!({})).await?;
    let claim = world.claim(json!({ "tenant": "acme", "slots": 3, "ttl_ms": 5_000, "holder": "worker-1" })).await?;
    assert_eq!((claim["state"].as_str(), claim["holder"].as_str()), (Some("granted"), Some("worker-1")));
    assert_eq!(
        claim["slots"],
        json!([{ "slot": 1, "fence": 1 }, { "slot": 2, "fence": 1 }, { "slot": 3, "fence": 1 }])
    );
    let left = claim["remaining_ms"].as_i64().context("what is left")?;
    ensure!((3_000..=5_000).contains(&left), "{left}");
    assert_eq!(world.slots().await?, "ooo.");

    let full = world.ask(json!({ "tenant": "beta", "slots": 2 })).await?;
    let problem = full.problem(429)?;
    assert_eq!(problem["reason"], "full");
    ensure!(!full.header("retry-after").is_empty(), "a refusal says when to come back");

    let renewed = world.of(&claim, "renew", json!({ "ttl_ms": 60_000 })).await?.expect(200)?.json()?;
    ensure!(renewed["remaining_ms"].as_i64() > Some(50_000), "{renewed}");
    assert_eq!(renewed["slots"], claim["slots"], "a renewal keeps the fence");

    let verify = |fence: i64| {
        let world = &world;
        async move {
            let body = json!({ "pool": "lanes", "slot": 2, "fence": fence });
            world.client.post("/api/v1/fences/verify", &body).await
        }
    };
    assert_eq!(verify(1).await?.expect(200)?.json()?["valid"], true);
    verify(0).await?.problem(409)?;

    let released = world.of(&claim, "release", json!({ "report": { "outcome": "ok", "work_ms": 120 } })).await?;
    assert_eq!(released.expect(200)?.json()?["state"], "ended");
    world.of(&claim, "release", json!({})).await?.expect(200)?;
    world.of(&claim, "renew", json!({})).await?.problem(409)?;
    verify(1).await?.problem(409)?;
    assert_eq!(world.slots().await?, "....");

    let events = world.client.get("/api/v1/slot-events?pool=lanes&slot=2").await?.expect(200)?.json()?;
    let kinds: Vec<&str> = events.as_array().into_iter().flatten().filter_map(|e| e["kind"].as_str()).collect();
    let expected = ["stale", "release", "renew", "claim", "scale"];
    assert_eq!(kinds, expected, "one event for each transition and for what came too late, newest first");
    Ok(())
}

#[tokio::test]
async fn a_claim_waits_for_its_turn_or_is_told_that_it_still_waits() -> Result<()> {
    let world = World::create(json!({})).await?;
    let held = world.claim(json!({ "tenant": "acme", "slots": 4 })).await?;
    let waiting = world.ask(json!({ "tenant": "beta", "slots": 2, "wait_ms": 8_000 }));
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.of(&held, "release", json!({})).await
    };
    let (granted, released) = tokio::join!(waiting, release);
    released?.expect(200)?;
    let granted = granted?.expect(201)?.json()?;
    ensure!(granted["waited_ms"].as_i64() >= Some(200), "{granted}");

    // Nobody makes room: the time to wait ends.
    let started = Instant::now();
    let late = world.ask(json!({ "tenant": "acme", "slots": 3, "wait_ms": 700 })).await?.problem(429)?;
    assert_eq!(late["reason"], "waited-too-long");
    ensure!(started.elapsed() >= Duration::from_millis(650), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_back_and_its_holder_can_do_nothing() -> Result<()> {
    let world = World::create(json!({ "ttl_ms": 1_000 })).await?;
    let started = Instant::now();
    let claim = world.claim(json!({ "tenant": "acme", "slots": 4, "holder": "gone" })).await?;
    let next = world.ask(json!({ "tenant": "beta", "wait_ms": 9_000 })).await?.expect(201)?.json()?;
    ensure!(
        (Duration::from_millis(950)..Duration::from_secs(4)).contains(&started.elapsed()),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(next["slots"][0], json!({ "slot": 1, "fence": 3 }), "claim, end and claim are three fences");
    for what in ["renew", "release", "checkpoint"] {
        world.of(&claim, what, json!({})).await?.problem(409)?;
    }
    world
        .client
        .post("/api/v1/fences/verify", &json!({ "pool": "lanes", "slot": 1, "fence": 1 }))
        .await?
        .problem(409)?;
    let events = world.client.get("/api/v1/slot-events?pool=lanes&kind=expire").await?.expect(200)?.json()?;
    assert_eq!(events.as_array().map(Vec::len), Some(4));
    Ok(())
}

#[tokio::test]
async fn a_claim_with_a_key_is_made_once() -> Result<()> {
    let world = &World::create(json!({})).await?;
    let path = "/api/v1/pools/lanes/claims";
    let with_key = |body: Value| async move { world.client.post_once(path, "job-7", &body).await };
    let first = with_key(json!({ "tenant": "acme" })).await?.expect(201)?.json()?;
    let again = with_key(json!({ "tenant": "acme" })).await?.expect(201)?.json()?;
    assert_eq!((&first["claim"], &first["slots"]), (&again["claim"], &again["slots"]));
    assert_eq!(world.slots().await?, "o...");
    with_key(json!({ "tenant": "beta" })).await?.problem(409)?;
    // Many at once, and with nothing remembered but the database.
    let many = futures::future::join_all((0..20).map(|_| {
        let body = json!({ "tenant": "acme" });
        let client = world.client.clone();
        async move { client.post_once(path, "job-8", &body).await }
    }));
    let mut claims: Vec<Value> = Vec::new();
    for answer in many.await {
        claims.push(answer?.expect(201)?.json()?["claim"].clone());
    }
    claims.dedup();
    assert_eq!(claims.len(), 1);
    assert_eq!(world.slots().await?, "oo..");
    Ok(())
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong_and_nothing_leaks() -> Result<()> {
    let world = World::create(json!({ "longest_ttl_ms": 60_000 })).await?;
    for (body, status, field) in [
        (json!({ "tenant": "nobody" }), 422, "tenant"),
        (json!({ "tenant": "acme", "slots": 0 }), 422, "slots"),
        (json!({ "tenant": "acme", "slots": 10_001 }), 422, "slots"),
        (json!({ "tenant": "acme", "ttl_ms": 0 }), 422, "ttl_ms"),
        (json!({ "tenant": "acme", "ttl_ms": 60_001 }), 422, "ttl_ms"),
        (json!({ "tenant": "acme", "ttl_ms": i64::MAX }), 422, "ttl_ms"),
        (json!({ "tenant": "acme", "wait_ms": -1 }), 422, "wait_ms"),
        (json!({ "tenant": "acme", "priority": 10 }), 422, "priority"),
        (json!({ "tenant": "acme", "holder": "a\u{0}b" }), 422, "holder"),
        (json!({ "tenant": "acme", "holder": "x".repeat(121) }), 422, "holder"),
    ] {
        let problem = world.ask(body.clone()).await?.problem(status)?;
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    world.ask(json!({ "tenant": "acme", "slot": 1 })).await?.problem(422)?;
    let more = world.ask(json!({ "tenant": "acme", "slots": 5 })).await?.problem(429)?;
    assert_eq!(more["reason"], "more-than-pool");
    let unknown = json!({ "claim": "01890000-0000-7000-8000-000000000000" });
    for what in ["renew", "release", "checkpoint"] {
        world.of(&unknown, what, json!({})).await?.problem(409)?;
    }
    world.client.get("/api/v1/pools/lanes/claims/nonsense").await?.problem(404)?;
    world.client.get("/api/v1/pools/lanes/claims/01890000-0000-7000-8000-000000000000").await?.problem(404)?;
    world.client.get("/api/v1/pools/lanes/slots/5").await?.problem(404)?;
    world.client.get("/api/v1/pools/lanes/slots/-1").await?.problem(404)?;
    world
        .client
        .post("/api/v1/fences/verify", &json!({ "pool": "lanes", "slot": 99, "fence": 1 }))
        .await?
        .problem(404)?;
    world
        .client
        .put("/api/v1/pools/lanes/policy", &json!({ "version": 1, "policy": { "ttl": 1 } }))
        .await?
        .problem(422)?;
    let wrong =
        world.client.put("/api/v1/pools/lanes/policy", &json!({ "version": 1, "policy": { "grace_ms": -1 } })).await?;
    assert_eq!(wrong.problem(422)?["errors"][0]["field"], "grace_ms");
    world.client.put("/api/v1/pools/lanes/policy", &json!({ "version": 9, "policy": {} })).await?.problem(409)?;
    assert_eq!(world.slots().await?, "....");

    world
        .client
        .post("/api/v1/pools", &json!({ "name": "Counted", "slug": "counted", "capacity": 3 }))
        .await?
        .expect(201)?;
    let metered =
        world.client.post("/api/v1/pools/counted/claims", &json!({ "tenant": "acme" })).await?.problem(409)?;
    ensure!(metered["detail"].as_str().is_some_and(|text| text.contains("metered")), "{metered}");
    Ok(())
}

#[tokio::test]
async fn quotas_floors_and_operators_are_obeyed() -> Result<()> {
    let world = World::create(json!({ "grace_ms": 1_000, "emergency": [2, 8] })).await?;
    world.client.put("/api/v1/pools/lanes/quotas", &json!({ "tenant": "acme", "slots": 2 })).await?;
    let within_a_second = |reason: &'static str, body: Value| {
        let world = &world;
        async move {
            let deadline = Instant::now() + Duration::from_secs(5);
            loop {
                let answer = world.ask(body.clone()).await?;
                if answer.status == 429 && answer.json()?["reason"] == reason {
                    return Ok::<_, anyhow::Error>(());
                }
                ensure!(Instant::now() < deadline, "never refused for {reason}: {} {}", answer.status, answer.body);
                if answer.status == 201 {
                    world.of(&answer.json()?, "release", json!({})).await?.expect(200)?;
                }
            }
        }
    };
    within_a_second("quota", json!({ "tenant": "acme", "slots": 3 })).await?;
    let act = |body: Value| {
        let world = &world;
        async move { world.client.post("/api/v1/pools/lanes/actions", &body).await }
    };
    act(json!({ "action": "hold", "reason": "looking" })).await?.expect(200)?;
    within_a_second("held", json!({ "tenant": "beta" })).await?;
    act(json!({ "action": "open" })).await?.expect(200)?;
    let held = world.claim(json!({ "tenant": "beta", "slots": 2, "holder": "b" })).await?;
    let preview = act(json!({ "action": "reclaim", "slots": [1], "preview": true })).await?.expect(200)?.json()?;
    assert_eq!((&preview["done"], &preview["tenants"]), (&json!(false), &json!({ "beta": 1 })));
    assert_eq!(world.slots().await?, "oo..");
    act(json!({ "action": "drain", "slots": [1] })).await?.expect(200)?;
    // The claim holds both slots and is asked to end as a whole.
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.slots().await? != "dd.." {
        ensure!(Instant::now() < deadline, "{}", world.slots().await?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = world.of(&held, "renew", json!({})).await?.expect(200)?.json()?;
    assert_eq!(told["notice"]["kind"], "drain");
    world.of(&held, "checkpoint", json!({})).await?.expect(200)?;
    assert_eq!(world.slots().await?, "x...");
    act(json!({ "action": "restore", "slots": [1] })).await?.expect(200)?;
    act(json!({ "action": "resize", "size": 6 })).await?.expect(200)?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.slots().await? != "......" {
        ensure!(Instant::now() < deadline, "{}", world.slots().await?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    act(json!({ "action": "cut-quota", "tenant": "beta", "size": 1, "minutes": 5 })).await?.expect(200)?;
    within_a_second("quota", json!({ "tenant": "beta", "slots": 2 })).await?;
    act(json!({ "action": "cut-quota", "tenant": "beta", "size": 1, "minutes": 0 })).await?.problem(422)?;
    act(json!({ "action": "explode" })).await?.problem(422)?;
    let audit = world.client.get("/api/v1/audit?object=pool").await?.expect(200)?;
    for action in ["set-policy", "hold", "open", "drain", "restore", "resize", "cut-quota"] {
        ensure!(audit.body.contains(&format!("\"{action}\"")), "{action} is in the audit trail: {}", audit.body);
    }
    Ok(())
}

#[tokio::test]
async fn two_servers_share_the_pools_and_one_takes_over() -> Result<()> {
    let world = World::create(json!({})).await?;
    let other = Service::start(&["serve", "--database-url", world.database.url()])?;
    let second = Client::new(other.url())?;
    let held = world.claim(json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?;
    // The second server passes on what the first decides.
    let there = second.post("/api/v1/pools/lanes/claims", &json!({ "tenant": "beta" })).await?.expect(201)?.json()?;
    assert_eq!(there["slots"][0]["slot"], 2);
    let listed = second.get("/api/v1/pools/lanes/claims?tenant=beta&limit=5").await?.expect(200)?.json()?;
    assert_eq!((listed["claims"][0]["claim"].clone(), listed["claims"][1].is_null()), (there["claim"].clone(), true));
    assert_eq!(listed["claims"][0]["slots"], there["slots"], "{listed}");
    let problem = second.get("/api/v1/pools/lanes/claims?limit=0").await?.problem(422)?;
    assert_eq!(problem["errors"][0]["field"], "limit", "{problem}");
    second.get("/api/v1/pools/lanes/claims?tenant=nobody").await?.problem(404)?;
    let id = held["claim"].as_str().unwrap_or_default();
    second.post(&format!("/api/v1/pools/lanes/claims/{id}/renew"), &json!({ "ttl_ms": 50_000 })).await?.expect(200)?;
    world.service.kill()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    let taken = loop {
        let answer = second.post("/api/v1/pools/lanes/claims", &json!({ "tenant": "beta" })).await?;
        if answer.status == 201 {
            break answer.json()?;
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        ensure!(Instant::now() < deadline, "nobody took over: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(taken["slots"][0]["slot"], 3, "what was held before is held still");
    second.post(&format!("/api/v1/pools/lanes/claims/{id}/release"), &json!({})).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn several_operations_go_in_one_call() -> Result<()> {
    let world = World::create(json!({})).await?;
    let first = world.claim(json!({ "tenant": "acme" })).await?;
    let batch = json!({ "operations": [
        { "op": "claim", "claim": { "tenant": "beta", "slots": 2 } },
        { "op": "renew", "claim": first["claim"], "ttl_ms": 9_000 },
        { "op": "claim", "claim": { "tenant": "beta", "slots": 2 }, "key": "k" },
        { "op": "claim", "claim": { "tenant": "beta", "slots": 2, "wait_ms": 60_000 } },
        { "op": "release", "claim": "01890000-0000-7000-8000-000000000000" },
    ] });
    let results =
        world.client.post("/api/v1/pools/lanes/claims/batch", &batch).await?.expect(200)?.json()?["results"].clone();
    let statuses: Vec<i64> = results.as_array().into_iter().flatten().filter_map(|r| r["status"].as_i64()).collect();
    assert_eq!(statuses, [201, 200, 429, 202, 409], "{results}");
    assert_eq!((&results[3]["claim"]["state"], &results[3]["claim"]["position"]), (&json!("queued"), &json!(1)));
    // The one that waits is granted when there is room, and found under its address.
    world.of(&results[0]["claim"], "release", json!({})).await?.expect(200)?;
    let path = format!(
        "/api/v1/pools/lanes/claims/{}?wait_ms=5000",
        results[3]["claim"]["claim"].as_str().unwrap_or_default()
    );
    let waited = world.client.get(&path).await?.expect(200)?.json()?;
    assert_eq!(waited["state"], "granted", "{waited}");
    let beats = json!({ "beats": [{ "holder": "worker-1", "generation": 1 }] });
    let beats = world.client.post("/api/v1/pools/lanes/heartbeats", &beats).await?.expect(200)?.json()?;
    assert_eq!(beats["accepted"], 1);
    Ok(())
}

#[tokio::test]
async fn what_changes_as_somebody_begins_to_follow_is_told() -> Result<()> {
    let world = World::create(json!({})).await?;
    world.claim(json!({ "tenant": "acme", "holder": "gone" })).await?;
    let db = Db::connect(&world.database.url().parse()?);
    let app = App::new(db.clone()).acting(Arc::new(Caller::machine("test")));
    let failed = |error: AppError| anyhow::anyhow!("{error}");
    let mut follower = app.follow(Topics::parse("slots"), &["lanes".to_owned()], None).await.map_err(failed)?;
    // Whoever reads all slots now has them as they were; no event tells of a lease that runs out.
    let mut conn = world.database.connect().await?;
    sqlx::query("UPDATE slot SET expires_at = hr_now() - interval '1 minute' WHERE claim IS NOT NULL")
        .execute(&mut conn)
        .await?;
    let told = tokio::time::timeout(Duration::from_secs(30), follower.next()).await.context("nothing was told")?;
    let (_, message) = told.map_err(failed)?.context("the stream ended")?;
    let message = serde_json::to_value(&message)?;
    assert_eq!((&message["pool"], &message["changes"]), (&json!("lanes"), &json!([[1, "l"]])));
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn whoever_follows_sees_a_claim_within_a_second() -> Result<()> {
    let world = World::create(json!({})).await?;
    let url = world.service.at("/events?topics=live,slots,log&pool=lanes");
    let mut stream = reqwest::Client::new().get(url).bearer_auth(people::TOKEN).send().await?;
    ensure!(stream.status() == 200, "{}", stream.status());
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut told = String::new();
    let mut until = async |word: &str| -> Result<Duration> {
        let started = Instant::now();
        while !told.contains(word) {
            let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await;
            let chunk = chunk.with_context(|| format!("nothing about {word}: {told}"))??.context("the stream ended")?;
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
        Ok(started.elapsed())
    };
    until("event: live").await?;
    until("\"slug\":\"lanes\"").await?;
    // Long enough after the first look at all slots for the next one to be due only later.
    let claim = world.claim(json!({ "tenant": "acme", "slots": 2, "holder": "seen" })).await?;
    let took = until("[2,\"o\"]").await?;
    until("\"holder\":\"seen\"").await?;
    println!("a claim was seen after {took:?}");
    ensure!(took < Duration::from_millis(1_500), "{took:?}");
    world.of(&claim, "release", json!({})).await?.expect(200)?;
    until("[2,\".\"]").await?;
    // An event that has its number before others and is committed after them is told too.
    let mut conn = world.database.connect().await?;
    let mut late = sqlx::Connection::begin(&mut conn).await?;
    sqlx::query(
        "INSERT INTO slot_event (at, pool_id, kind, actor, reason)
         SELECT hr_now(), pool_id, 8, 'test', 'late' FROM pool WHERE slug = 'lanes'",
    )
    .execute(&mut *late)
    .await?;
    world.claim(json!({ "tenant": "acme", "holder": "meanwhile" })).await?;
    until("\"holder\":\"meanwhile\"").await?;
    late.commit().await?;
    until("\"reason\":\"late\"").await?;
    world.client.get("/events?topics=slots&pool=nobody").await?.problem(404)?;
    Ok(())
}
