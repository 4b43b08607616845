//! A hundred thousand claims that wait: each is told what it is, others are served as before, and nothing is left of them.

use anyhow::{Context, Result, ensure};
use headroom_tests::claims::Durable;
use headroom_tests::client::Client;
use headroom_tests::people;
use headroom_tests::soak;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATH: &str = "/api/v1/pools/lanes/claims";
/// Operations of one call.
const TOGETHER: usize = 1_000;

/// Claims of one call, by status; and the first that waits.
async fn ask(client: &Client, count: usize, wait_ms: u64) -> Result<(BTreeMap<i64, usize>, Vec<Value>)> {
    let one = json!({ "op": "claim", "claim": { "tenant": "acme", "wait_ms": wait_ms } });
    let body = json!({ "operations": vec![one; count] });
    let answer = client.post(&format!("{PATH}/batch"), &body).await?.expect(200)?.json()?;
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    let mut by_status: BTreeMap<i64, usize> = BTreeMap::new();
    for result in &results {
        *by_status.entry(result["status"].as_i64().unwrap_or_default()).or_default() += 1;
    }
    Ok((by_status, results))
}

/// How long a claim takes in a pool beside, granted and given back.
async fn beside(client: &Client) -> Result<Duration> {
    let mut all = Vec::new();
    for round in 0..40 {
        let asked = Instant::now();
        let claim =
            client.post("/api/v1/pools/beside/claims", &json!({ "tenant": "beta" })).await?.expect(201)?.json()?;
        all.push(asked.elapsed());
        let id = claim["claim"].as_str().unwrap_or_default();
        let path = format!("/api/v1/pools/beside/claims/{id}/release");
        // A machine that is busy with other things may answer too late to know: whoever is told so asks again.
        let mut answer = client.post_once(&path, id, &json!({})).await?;
        for _ in 0..3 {
            if answer.status != 503 || answer.json()?["outcome"] != "unknown" {
                break;
            }
            println!("the release of claim {round} is asked for again: {}", answer.body);
            answer = client.post_once(&path, id, &json!({})).await?;
        }
        answer.expect(200)?;
    }
    all.sort_unstable();
    Ok(all[all.len() / 2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_claims_wait_as_the_policy_lets_and_none_is_left() -> Result<()> {
    let most = soak::count(5_000, 100_000);
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::nobody(server.url())?.with_token(people::TOKEN);
    durable.prepare(&client, 1, json!({ "queue_limit": most, "longest_wait_ms": 600_000 })).await?;
    client.post("/api/v1/pools", &json!({ "name": "Beside", "slug": "beside", "capacity": 10 })).await?.expect(201)?;
    client.put("/api/v1/pools/beside/policy", &json!({ "policy": {} })).await?.expect(200)?;
    let held = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 600_000 })).await?.expect(201)?.json()?;
    let held = held["claim"].as_str().context("a claim has an id")?.to_owned();
    let alone = beside(&client).await?;

    // All of them wait; the last of them knows its place.
    let began = Instant::now();
    let wait_ms = soak::count(20_000, 240_000);
    let mut last = Value::Null;
    for _ in 0..most / TOGETHER {
        let (by_status, mut results) = ask(&client, TOGETHER, wait_ms).await?;
        ensure!(by_status == BTreeMap::from([(202, TOGETHER)]), "{by_status:?}");
        last = results.pop().unwrap_or_default()["claim"].take();
    }
    println!("{most} claims wait after {:?}", began.elapsed());
    ensure!(last["position"] == most, "the last is at {}", last["position"]);
    let full = client.post(PATH, &json!({ "tenant": "acme", "wait_ms": 1_000 })).await?;
    ensure!(full.problem(429)?["reason"] == "queue-full" && !full.header("retry-after").is_empty(), "{full:?}");

    // Others are served as before, and so is what is asked about those that wait.
    let crowded = beside(&client).await?;
    println!("a claim in another pool takes {alone:?} before and {crowded:?} beside {most} that wait");
    if soak::is_long() {
        ensure!(crowded < Duration::from_millis(250), "a claim in another pool takes {crowded:?}");
    }
    let path = format!("{PATH}/{}", last["claim"].as_str().unwrap_or_default());
    ensure!(client.get(&path).await?.expect(200)?.json()?["position"] == most, "its place was lost");

    // The slot goes to the first; the others are refused when their time is over, and nothing of them is left.
    client.post(&format!("{PATH}/{held}/release"), &json!({})).await?.expect(200)?;
    let until = Instant::now() + Duration::from_millis(wait_ms) + Duration::from_mins(2);
    let live = loop {
        let live = client.get("/api/v1/pools/lanes/live").await?.expect(200)?.json()?;
        if live["queued"] == 0 {
            break live;
        }
        ensure!(Instant::now() < until, "claims still wait: {live}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    ensure!(live["occupied"].as_i64().unwrap_or(9) <= 1, "one slot, {live}");
    let refused = client.get(&path).await?.expect(200)?.json()?;
    ensure!(refused["state"] == "rejected" && refused["reason"] == "waited-too-long", "{refused}");
    let mut conn = durable.connect().await?;
    let told: Vec<(i16, i64)> =
        sqlx::query_as("SELECT kind, count(*) FROM slot_event WHERE kind IN (3, 4) GROUP BY 1 ORDER BY 1")
            .fetch_all(&mut conn)
            .await?;
    println!("events of refusals and waits: {told:?}, {:?} in all", began.elapsed());
    ensure!(
        !server.log().contains("panicked") && !server.log().contains("a statement of the allocator failed"),
        "{}",
        server.log()
    );
    Ok(())
}
