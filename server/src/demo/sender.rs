//! The demo's live samples: posted to the ingest API like any sender's, every ten seconds.

use super::{TRACKED, World};
use crate::clock;
use headroom_domain::range::rfc3339;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds between batches.
const PERIOD_MS: i64 = 10_000;

/// Sends the world's present to a server until cancelled. A batch that could not be sent is left out: the gap
/// that follows is what a real outage looks like.
pub async fn send(world: Arc<World>, to: SocketAddr, token: String) {
    let client = reqwest::Client::new();
    let url = format!("http://{to}/api/v1/ingest/occupancy");
    loop {
        let now = clock::now_ms();
        // A sample covers the ten seconds from its instant on, so the one that has just ended is told.
        let at = now.div_euclid(PERIOD_MS) * PERIOD_MS - PERIOD_MS;
        let body = json!({ "source": "demo", "seq": at / PERIOD_MS, "step_ms": PERIOD_MS, "rows": rows(&world, at) });
        match client.post(&url).bearer_auth(&token).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "demo samples were refused"),
            Err(error) => tracing::warn!(%error, "demo samples could not be sent"),
        }
        let next = (at + 2 * PERIOD_MS - clock::now_ms()).clamp(100, PERIOD_MS);
        tokio::time::sleep(Duration::from_millis(next as u64)).await;
    }
}

fn rows(world: &World, at: i64) -> Vec<Value> {
    world
        .live_rows(at)
        .into_iter()
        // What is given out here is counted here.
        .filter(|r| !TRACKED.contains(&r.pool))
        .map(|r| {
            let mut row = Map::new();
            let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
            put("pool", json!(r.pool));
            put("ts", json!(rfc3339(r.ts_ms)));
            put("duration_ms", json!(r.duration_ms));
            put("occupied", json!(r.occupied));
            put("reserved", json!(r.reserved));
            put("claims", json!(r.claims));
            put("rejections", json!(r.rejections));
            put("waited", json!(r.waited));
            put("queue_ms", json!(r.queue_ms));
            if let Some(tenant) = r.tenant {
                put("tenant", json!(tenant));
            }
            if let Some(capacity) = r.capacity {
                put("capacity", json!(capacity));
            }
            if let Some(down) = r.planned_down {
                put("planned_down", json!(down));
            }
            if let Some(ms) = r.latency_p95_ms {
                put("latency_p95_ms", json!(ms));
            }
            if !r.signals.is_empty() {
                let signals: Map<String, Value> = r.signals.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
                put("signals", Value::Object(signals));
            }
            Value::Object(row)
        })
        .collect()
}
