//! Claims while things are broken: PostgreSQL gone, a server cut off from it, more claims than can be served.

use anyhow::{Result, ensure};
use headroom_tests::claims::Durable;
use headroom_tests::client::Client;
use headroom_tests::fault_proxy::FaultProxy;
use headroom_tests::service::Service;
use serde_json::json;
use std::time::{Duration, Instant};

const PATH: &str = "/api/v1/pools/lanes/claims";

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    while !holds().await? {
        ensure!(started.elapsed() < limit, "{what} did not come within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(started.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql_claims_are_told_so_and_come_back_with_it() -> Result<()> {
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, 10, json!({})).await?;
    let before = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?.expect(201)?.json()?;
    durable.kill()?;
    let mut refused = 0;
    // PostgreSQL is brought back by its keeper; until then every answer is a problem with a time to come back.
    let back = until("PostgreSQL", Duration::from_secs(30), async || {
        let asked = Instant::now();
        let answer = client.post(PATH, &json!({ "tenant": "beta", "ttl_ms": 1_000 })).await?;
        ensure!(asked.elapsed() < Duration::from_secs(3), "an answer took {:?}", asked.elapsed());
        if answer.status == 201 {
            return Ok(true);
        }
        let problem = answer.problem(503)?;
        ensure!(!answer.header("retry-after").is_empty(), "{problem}");
        assert_eq!(client.get("/healthz").await?.status, 200, "the server itself is well");
        refused += 1;
        Ok(false)
    })
    .await?;
    println!("{refused} claims were refused in {back:?}");
    let id = before["claim"].as_str().unwrap_or_default();
    let renewed = client.post(&format!("{PATH}/{id}/renew"), &json!({})).await?.expect(200)?.json()?;
    assert_eq!(renewed["slots"], before["slots"], "what was held is held still");
    until("readiness", Duration::from_secs(5), async || Ok(client.get("/readyz").await?.status == 200)).await?;
    ensure!(!server.log().contains("panicked"), "{}", server.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_refuses_and_the_other_goes_on() -> Result<()> {
    let durable = Durable::start().await?;
    let proxy = FaultProxy::before(&durable.socket_folder()).await?;
    let cut_off = Service::start(&["serve", "--database-url", &proxy.url(&durable.url())?])?;
    let client = Client::new(cut_off.url())?;
    durable.prepare(&client, 10, json!({})).await?;
    let first = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?.expect(201)?.json()?;
    let other = durable.serve(None)?;
    let there = Client::new(other.url())?;
    there.post(PATH, &json!({ "tenant": "acme" })).await?.expect(201)?;
    proxy.cut(true);
    let refused = client.post(PATH, &json!({ "tenant": "acme" })).await?;
    ensure!(refused.status == 503 || refused.status == 401, "{}: {}", refused.status, refused.body);
    let took = until("a takeover", Duration::from_secs(20), async || {
        Ok(there.post(PATH, &json!({ "tenant": "beta" })).await?.status == 201)
    })
    .await?;
    println!("the other server went on after {took:?}");
    proxy.cut(false);
    // Back, and no owner any more: what it is asked it passes on, and what was held is held.
    until("the way back", Duration::from_secs(20), async || {
        Ok(client.post(PATH, &json!({ "tenant": "acme" })).await?.status == 201)
    })
    .await?;
    let id = first["claim"].as_str().unwrap_or_default();
    client.post(&format!("{PATH}/{id}/release"), &json!({})).await?.expect(200)?;
    let slots = there.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
    let held = slots["states"].as_str().unwrap_or_default().matches('o').count();
    assert_eq!(held, 3, "{slots}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_waiting_claims_than_there_is_room_for_are_refused_and_leave_nothing() -> Result<()> {
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, 1, json!({ "queue_limit": 50 })).await?;
    let held = client.post(PATH, &json!({ "tenant": "acme" })).await?.expect(201)?.json()?;
    let asked = (0..200).map(|_| {
        let client = client.clone();
        async move { client.post(PATH, &json!({ "tenant": "beta", "wait_ms": 1_500 })).await }
    });
    let answers = futures::future::join_all(asked).await;
    let mut reasons = std::collections::BTreeMap::new();
    for answer in answers {
        let answer = answer?;
        let problem = answer.problem(429)?;
        ensure!(!answer.header("retry-after").is_empty(), "{problem}");
        *reasons.entry(problem["reason"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(reasons.get("waited-too-long"), Some(&50), "{reasons:?}");
    assert_eq!(reasons.values().sum::<i32>(), 200, "{reasons:?}");
    let id = held["claim"].as_str().unwrap_or_default();
    client.post(&format!("{PATH}/{id}/release"), &json!({})).await?.expect(200)?;
    let live = until("an empty queue", Duration::from_secs(5), async || {
        let live = client.get("/api/v1/pools/lanes/live").await?;
        Ok(live.status == 200 && live.json()?["queued"] == 0 && live.json()?["occupied"] == 0)
    });
    live.await?;
    Ok(())
}
