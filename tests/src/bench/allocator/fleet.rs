//! What is given out: 100 pools of 1,000 slots, of which 800 are held for as long as it is measured.

use anyhow::Result;
use headroom_server::clock;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::client::Client;

/// Pools.
pub(super) const POOLS: usize = 100;
/// Slots of a pool.
pub(super) const SLOTS: usize = 1_000;
/// Of these, held by somebody else all the time.
pub(super) const HELD: usize = 800;
/// Tenants that claim.
pub(super) const TENANTS: usize = 4;
/// Nobody renews what is held: it lasts longer than the measurement.
const HELD_MS: i64 = 3_600_000;

/// A pool's slug.
pub(super) fn pool(number: usize) -> String {
    format!("lanes-{number:03}")
}

/// A tenant's slug.
pub(super) fn tenant(number: usize) -> String {
    format!("tenant-{}", number % TENANTS)
}

/// The holder of a slot that is held all the time.
pub(super) fn holder(pool: usize, number: usize) -> String {
    format!("worker-{pool:03}-{number:04}")
}

/// Makes pools and tenants in a service, and holds what is held.
pub(super) async fn create(client: &Client) -> Result<()> {
    for number in 0..TENANTS {
        let slug = tenant(number);
        client.post("/api/v1/tenants", &json!({ "name": slug, "slug": slug })).await?.expect(201)?;
    }
    for number in 0..POOLS {
        let slug = pool(number);
        let body = json!({ "name": slug, "slug": slug, "capacity": SLOTS });
        client.post("/api/v1/pools", &body).await?.expect(201)?;
        client.put(&format!("/api/v1/pools/{slug}/policy"), &json!({ "policy": {} })).await?.expect(200)?;
    }
    for number in 0..POOLS {
        hold(client, number, 0..HELD).await?;
    }
    Ok(())
}

/// Claims a slot for each holder of a range.
pub(super) async fn hold(client: &Client, number: usize, holders: std::ops::Range<usize>) -> Result<()> {
    let count = holders.len();
    let claims = holders.map(|one| {
        json!({ "op": "claim", "claim": { "tenant": tenant(one), "holder": holder(number, one), "ttl_ms": HELD_MS } })
    });
    let made = batch(client, number, claims.collect()).await?;
    anyhow::ensure!(made == count, "{made} of {count} slots of a pool could be held");
    Ok(())
}

/// Sends operations on a pool and returns how many were done: what waits is not.
pub(super) async fn batch(client: &Client, number: usize, operations: Vec<Value>) -> Result<usize> {
    let path = format!("/api/v1/pools/{}/claims/batch", pool(number));
    let answer = client.post(&path, &json!({ "operations": operations })).await?.expect(200)?.json()?;
    let results = answer["results"].as_array().into_iter().flatten();
    Ok(results.filter(|result| matches!(result["status"].as_u64(), Some(200 | 201))).count())
}

/// The slots that are free in a system without pools: every client has some to itself, so that no claim is ever lost to
/// another. That is the best case of a compare-and-set.
#[derive(Debug)]
pub(super) struct Keys {
    chance: StdRng,
    client: usize,
    clients: usize,
    /// What the client writes into a slot that it holds.
    pub(super) holder: String,
}

impl Keys {
    /// Those of one client of several.
    pub(super) fn new(client: usize, clients: usize) -> Self {
        Self { chance: clock::seeded(client as u64), client, clients, holder: format!("client-{client:04}") }
    }

    /// One of them.
    pub(super) fn next(&mut self) -> String {
        let free = POOLS * (SLOTS - HELD);
        let place = self.chance.random_range(0..free / self.clients) * self.clients + self.client;
        key(place % POOLS, HELD + place / POOLS)
    }
}

/// The key of a slot in a system that has keys.
pub(super) fn key(pool: usize, slot: usize) -> String {
    format!("slots/{pool:03}/{slot:04}")
}

/// Every key that is held all the time.
pub(super) fn held_keys() -> impl Iterator<Item = String> {
    (0..POOLS).flat_map(|pool| (0..HELD).map(move |slot| key(pool, slot)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn clients_have_free_keys_of_their_own() {
        let held: HashSet<String> = held_keys().collect();
        assert_eq!(held.len(), POOLS * HELD);
        let mut owners = std::collections::HashMap::new();
        for client in 0..256 {
            let mut keys = Keys::new(client, 256);
            for _ in 0..200 {
                let key = keys.next();
                assert!(!held.contains(&key), "{key}");
                assert_eq!(*owners.entry(key).or_insert(client), client);
            }
        }
    }
}
