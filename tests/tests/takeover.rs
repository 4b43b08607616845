//! What a change of a pool's owner leaves as it was: who holds what, what was released, keys, orders, notices.

use anyhow::{Context, Result, ensure};
use headroom_tests::claims::Durable;
use headroom_tests::client::Client;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATH: &str = "/api/v1/pools/lanes/claims";

/// Two servers over one database; the first owns the pool.
struct Pair {
    durable: Durable,
    servers: Vec<Service>,
    clients: Vec<Client>,
}

impl Pair {
    async fn create(capacity: i64, policy: Value) -> Result<Self> {
        let durable = Durable::start().await?;
        let mut pair = Self { servers: vec![durable.serve(None)?], clients: Vec::new(), durable };
        pair.clients.push(Client::new(pair.servers[0].url())?);
        pair.durable.prepare(&pair.clients[0], capacity, policy).await?;
        // Asked for something, it is the owner.
        let claim = pair.claim(0, json!({ "tenant": "acme" })).await?;
        pair.of(0, &claim, "release").await?;
        pair.servers.push(pair.durable.serve(None)?);
        pair.clients.push(Client::new(pair.servers[1].url())?);
        Ok(pair)
    }

    async fn claim(&self, server: usize, body: Value) -> Result<Value> {
        self.clients[server].post(PATH, &body).await?.expect(201)?.json()
    }

    async fn of(&self, server: usize, claim: &Value, what: &str) -> Result<u16> {
        let id = claim["claim"].as_str().context("a claim has an id")?;
        Ok(self.clients[server].post(&format!("{PATH}/{id}/{what}"), &json!({})).await?.status)
    }

    /// Waits until the second server gives out slots itself.
    async fn taken_over(&self) -> Result<Value> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.clients[1].post(PATH, &json!({ "tenant": "beta", "ttl_ms": 60_000 })).await?;
            if answer.status == 201 {
                return answer.json();
            }
            ensure!(answer.status == 503, "{}: {}", answer.status, answer.body);
            ensure!(Instant::now() < until, "nobody took over: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn act(&self, server: usize, body: Value) -> Result<Value> {
        self.clients[server].post("/api/v1/pools/lanes/actions", &body).await?.expect(200)?.json()
    }

    async fn states(&self, server: usize) -> Result<String> {
        let slots = self.clients[server].get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
        Ok(slots["states"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_released_and_what_was_claimed_under_a_key_is_known_to_the_next_owner() -> Result<()> {
    let mut pair = Pair::create(4, json!({ "ttl_ms": 60_000 })).await?;
    let released = pair.claim(0, json!({ "tenant": "acme" })).await?;
    ensure!(pair.of(0, &released, "release").await? == 200, "released");
    let body = json!({ "tenant": "acme", "ttl_ms": 60_000 });
    let keyed = pair.clients[0].post_once(PATH, "k-1", &body).await?.expect(201)?.json()?;
    pair.servers.remove(0).kill()?;
    pair.taken_over().await?;
    ensure!(pair.of(1, &released, "release").await? == 200, "a second release is no loss");
    ensure!(
        pair.of(1, &json!({ "claim": "01890000-0000-7000-8000-000000000000" }), "release").await? == 409,
        "unknown"
    );
    // The key names the claim that was made; what goes with it in a batch is served all the same.
    let batch = json!({ "operations": [
        { "op": "claim", "claim": body, "key": "k-1" },
        { "op": "claim", "claim": { "tenant": "beta" } },
        { "op": "claim", "claim": { "tenant": "beta" }, "key": "k-1" },
    ] });
    let results = pair.clients[1].post(&format!("{PATH}/batch"), &batch).await?.expect(200)?.json()?["results"].clone();
    ensure!(results[0]["claim"]["claim"] == keyed["claim"] && results[0]["claim"]["state"] == "granted", "{results}");
    ensure!(results[1]["status"] == 201 && results[2]["status"] == 409, "{results}");
    // With the pool full the key is still known.
    while pair.clients[1].post(PATH, &json!({ "tenant": "beta" })).await?.status == 201 {}
    let again = pair.clients[1].post_once(PATH, "k-1", &body).await?.json()?;
    ensure!(again["claim"] == keyed["claim"], "{again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_slept_answers_nothing_from_memory() -> Result<()> {
    let pair = Pair::create(4, json!({ "ttl_ms": 60_000 })).await?;
    pair.servers[0].freeze()?;
    let there = pair.taken_over().await?;
    pair.servers[0].go_on()?;
    ensure!(pair.of(0, &there, "renew").await? == 200, "it asks the one that decides now");
    ensure!(pair.of(0, &there, "release").await? == 200, "and so it goes for ends");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_carried_out_whichever_server_is_asked_and_drains_outlive_their_owner() -> Result<()> {
    let mut pair = Pair::create(4, json!({ "ttl_ms": 60_000, "grace_ms": 6_000 })).await?;
    let held = pair.claim(0, json!({ "tenant": "acme", "slots": 2 })).await?;
    let other = pair.claim(0, json!({ "tenant": "beta" })).await?;
    // By the server that decides nothing about the pool.
    let taken = pair.act(1, json!({ "action": "reclaim", "slots": [3], "reason": "test" })).await?;
    ensure!(taken["done"] == true && taken["concerned"] == 1, "{taken}");
    ensure!(pair.of(0, &other, "renew").await? == 409, "it was taken back");
    let drained = pair.act(1, json!({ "action": "drain", "reason": "test" })).await?;
    ensure!(drained["done"] == true && drained["concerned"] == 1, "{drained}");
    // Who takes over asks again, and in the end takes the slots back.
    pair.servers.remove(0).kill()?;
    let until = Instant::now() + Duration::from_secs(40);
    while pair.states(1).await? != "...." {
        ensure!(Instant::now() < until, "the pool is not empty: {}", pair.states(1).await?);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(pair.of(1, &held, "renew").await? == 409, "its grace is over");
    let refused = pair.clients[1].post(PATH, &json!({ "tenant": "acme" })).await?.problem(429)?;
    ensure!(refused["reason"] == "draining", "{refused}");
    pair.act(1, json!({ "action": "open", "reason": "test" })).await?;
    let events = pair.clients[1].get("/api/v1/slot-events?pool=lanes&kind=hold").await?.expect(200)?.json()?;
    ensure!(events.to_string().contains("\"reason\":\"open\""), "opening leaves an event: {events}");
    Ok(())
}
