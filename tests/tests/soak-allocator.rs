//! Two servers give out the slots of one pool while they and PostgreSQL are killed: no slot is ever two people's.
//!
//! Clients write down what they were told, and the checker reads it together with what the database recorded. Each promise has a
//! control: the same without its safeguard, in which the checker must find something.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headroom_server::clock::seeded;
use headroom_tests::checker::{Violation, check};
use headroom_tests::claims::{Durable, Recorder};
use headroom_tests::client::Client;
use headroom_tests::service::Service;
use headroom_tests::soak;
use rand::Rng;
use serde_json::{Value, json};

const CLIENTS: u64 = 16;
const SLOTS: i64 = 40;

/// What breaks in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Faults {
    /// Servers and PostgreSQL are killed.
    Kills,
    /// Only PostgreSQL is.
    PowerCuts,
}

/// What a run found.
#[derive(Debug)]
struct Found {
    violations: Vec<Violation>,
    acknowledged: usize,
    kills: usize,
}

/// Rounds of so much time each, with something broken in each.
async fn run(rounds: u64, seed: u64, faults: Faults, without: Option<&str>) -> Result<Found> {
    let durable = Durable::start().await?;
    let mut services: Vec<Service> = vec![durable.serve(without)?];
    let first = Client::new(services[0].url())?;
    durable.prepare(&first, SLOTS, json!({ "ttl_ms": 2_000 })).await?;
    services.push(durable.serve(without)?);
    let clients_of = |services: &[Service]| services.iter().map(|s| Client::new(s.url())).collect::<Result<Vec<_>>>();
    let servers = Arc::new(Mutex::new(clients_of(&services)?));
    let recorder = Arc::new(Recorder::default());
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
        tasks.spawn(async move { recorder.client(seed * 1_000 + client, &servers).await });
    }
    let mut rng = seeded(seed);
    let mut kills = 0;
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.random_range(1_200..2_500))).await;
        match faults {
            Faults::Kills if rng.random_bool(0.6) => {
                let victim = services.swap_remove(rng.random_range(0..services.len()));
                *servers.lock().map_err(|_| anyhow::anyhow!("a client panicked"))? = clients_of(&services)?;
                victim.kill()?;
                kills += 1;
                services.push(durable.serve(without)?);
                *servers.lock().map_err(|_| anyhow::anyhow!("a client panicked"))? = clients_of(&services)?;
            }
            Faults::Kills | Faults::PowerCuts => {
                durable.kill()?;
                kills += 1;
                drop(durable.connect().await?);
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    recorder.stop.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    let mut history = recorder.history();
    history.extend(durable.end().await?);
    let (violations, acknowledged) = check(&history);
    if let Ok(folder) = std::env::var("HEADROOM_HISTORY") {
        let lines: Vec<String> = history.iter().filter_map(|line| serde_json::to_string(line).ok()).collect();
        std::fs::write(format!("{folder}/history-{seed}.ndjson"), lines.join("\n"))?;
    }
    for service in &services {
        ensure!(!service.log().contains("panicked"), "{}", service.log());
    }
    Ok(Found { violations, acknowledged, kills })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_slot_is_held_by_two_and_nothing_acknowledged_is_lost() -> Result<()> {
    let rounds = soak::count(4, 30);
    let found = run(rounds, 1, Faults::Kills, None).await?;
    println!(
        "{} acknowledged operations through {} kills: {} violations",
        found.acknowledged,
        found.kills,
        found.violations.len()
    );
    ensure!(found.violations.is_empty(), "{:#?}", found.violations.iter().take(20).collect::<Vec<_>>());
    ensure!(found.acknowledged > 200 && found.kills > 0, "{found:?}: the test does not test what it says");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_the_checker_finds_overlaps() -> Result<()> {
    for seed in 0..5 {
        // Two owners at once only come about when one does not know that it was replaced.
        let found = paused_owner(Some("fence"), seed).await?;
        if !found.violations.is_empty() {
            println!("without the fence: {} violations, such as {}", found.violations.len(), found.violations[0]);
            return Ok(());
        }
    }
    anyhow::bail!("without its safeguard nothing went wrong: the checker sees nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_commits_on_disk_acknowledged_claims_are_lost() -> Result<()> {
    for seed in 0..soak::count(4, 10) {
        let found = run(3, 100 + seed, Faults::PowerCuts, Some("commit")).await?;
        if !found.violations.is_empty() {
            println!("without commits on disk: {} violations, such as {}", found.violations.len(), found.violations[0]);
            return Ok(());
        }
    }
    anyhow::bail!("without its safeguard nothing was lost: the checker sees nothing")
}

/// A pool's owner is paused until another took over, and goes on: what it believes is old.
async fn paused_owner(without: Option<&str>, seed: u64) -> Result<Found> {
    let durable = Durable::start().await?;
    let first = durable.serve(without)?;
    let client = Client::new(first.url())?;
    durable.prepare(&client, SLOTS, json!({ "ttl_ms": 2_000 })).await?;
    let second = durable.serve(without)?;
    let servers = Arc::new(Mutex::new(vec![client.clone()]));
    let recorder = Arc::new(Recorder::default());
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
        tasks.spawn(async move { recorder.client(seed * 1_000 + client, &servers).await });
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    first.freeze()?;
    *servers.lock().map_err(|_| anyhow::anyhow!("a client panicked"))? = vec![Client::new(second.url())?];
    let other = Client::new(second.url())?;
    until_granted(&other, None).await?;
    // More clients, because the first ones wait for the one that is paused.
    for client in 0..CLIENTS {
        let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
        tasks.spawn(async move { recorder.client(seed * 1_000 + 500 + client, &servers).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    *servers.lock().map_err(|_| anyhow::anyhow!("a client panicked"))? = vec![Client::new(second.url())?, client];
    first.go_on()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    recorder.stop.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    let mut history = recorder.history();
    history.extend(durable.end().await?);
    let (violations, acknowledged) = check(&history);
    Ok(Found { violations, acknowledged, kills: 1 })
}

/// Waits until a server grants a claim, which it gives back.
async fn until_granted(client: &Client, shard: Option<i64>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let body = match shard {
        Some(shard) => json!({ "tenant": "beta", "holder": "probe", "shard": shard }),
        None => json!({ "tenant": "beta", "holder": "probe" }),
    };
    loop {
        let answer = client.post("/api/v1/pools/lanes/claims", &body).await?;
        if answer.status == 201 {
            let claim = answer.json()?["claim"].as_str().context("a claim has an id")?.to_owned();
            client.post(&format!("/api/v1/pools/lanes/claims/{claim}/release"), &json!({})).await?;
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "nobody took over: {}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_replaced_changes_nothing() -> Result<()> {
    let found = paused_owner(None, 7).await?;
    ensure!(found.violations.is_empty(), "{:#?}", found.violations.iter().take(20).collect::<Vec<_>>());
    ensure!(found.acknowledged > 100, "{found:?}: the test does not test what it says");
    Ok(())
}

/// The most that a tenant with a quota of 50 held at once, by what the database recorded, though the pool's owner was paused and
/// went on, and was killed.
async fn most_held(without: Option<&str>) -> Result<i64> {
    let durable = Durable::start().await?;
    let first = durable.serve(without)?;
    let client = Client::new(first.url())?;
    // Each server claims in its own shard, so that neither learns from the other's fences.
    durable.prepare(&client, 200, json!({ "ttl_ms": 60_000, "shards": 2 })).await?;
    client.put("/api/v1/pools/lanes/quotas", &json!({ "tenant": "acme", "slots": 50 })).await?;
    let second = durable.serve(without)?;
    let other = Client::new(second.url())?;
    let ask = |client: Client, slots: i64, shard: i64| async move {
        let body = json!({ "tenant": "acme", "slots": slots, "shard": shard });
        client.post("/api/v1/pools/lanes/claims", &body).await
    };
    // The quota is known when it refuses.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = ask(client.clone(), 51, 0).await?;
        if answer.status == 429 {
            break;
        }
        let claim = answer.json()?["claim"].as_str().unwrap_or_default().to_owned();
        client.post(&format!("/api/v1/pools/lanes/claims/{claim}/release"), &json!({})).await?;
        ensure!(Instant::now() < deadline, "the quota is not known");
    }
    let mut conn = durable.connect().await?;
    let since: i64 = sqlx::query_scalar("SELECT max(event_id) FROM slot_event").fetch_one(&mut conn).await?;
    ask(client.clone(), 30, 0).await?.expect(201)?;
    first.freeze()?;
    until_granted(&other, Some(1)).await?;
    ask(other.clone(), 20, 1).await?.expect(201)?;
    first.go_on()?;
    // The first believes that 30 are held, until it is told otherwise.
    for _ in 0..20 {
        let _ = ask(client.clone(), 1, 0).await?;
    }
    first.kill()?;
    until_granted(&other, Some(1)).await?;
    for _ in 0..5 {
        let _ = ask(other.clone(), 1, 1).await?;
    }
    let most: Option<i64> = sqlx::query_scalar(
        "SELECT max(held)::bigint FROM (
             SELECT sum(CASE WHEN kind IN (0, 7) THEN 1 ELSE -1 END) OVER (ORDER BY event_id) AS held
             FROM slot_event JOIN tenant USING (tenant_id)
             WHERE slot IS NOT NULL AND kind IN (0, 2, 5, 6, 7, 8, 13) AND tenant.slug = 'acme' AND event_id > $1) AS running",
    )
    .bind(since)
    .fetch_one(&mut conn)
    .await?;
    most.context("something was held")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_across_servers() -> Result<()> {
    let most = most_held(None).await?;
    ensure!(most <= 50, "{most} were held of a quota of 50");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_epoch_a_quota_does_not_hold() -> Result<()> {
    let most = most_held(Some("epoch")).await?;
    ensure!(most > 50, "without its safeguard the quota held ({most}): the test sees nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_holders_that_went_away_are_free_soon_after_their_time() -> Result<()> {
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, SLOTS, json!({})).await?;
    let mut ends = Vec::new();
    for _ in 0..SLOTS {
        let answer = client.post("/api/v1/pools/lanes/claims", &json!({ "tenant": "acme", "ttl_ms": 1_000 })).await?;
        let claim: Value = answer.expect(201)?.json()?;
        ends.push(claim["remaining_ms"].as_i64().unwrap_or_default());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut conn = durable.connect().await?;
    // From the claim to its end: the time to live and at most two seconds.
    let late: (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), max(held_ms) FROM slot_event WHERE kind = 5").fetch_one(&mut conn).await?;
    assert_eq!(late.0, SLOTS);
    ensure!(late.1.is_some_and(|held| (1_000..=3_000).contains(&held)), "{late:?}");
    Ok(())
}
