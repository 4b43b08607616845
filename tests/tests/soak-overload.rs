//! More claims than can be served: as many as can be are, in time, and the others are told when to come back.

use anyhow::{Result, ensure};
use headroom_tests::claims::Durable;
use headroom_tests::client::Client;
use headroom_tests::people;
use headroom_tests::soak;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PATH: &str = "/api/v1/pools/lanes/claims";
const SLOTS: i64 = 20_000;
/// Clients of the closed loop by which capacity is measured.
const CLIENTS: usize = 32;
/// Requests that the generator itself keeps open: more would measure the generator.
const OPEN: usize = 4_000;

/// Times of granted claims, and other answers by status.
#[derive(Debug, Default)]
struct Seen {
    granted: Vec<Duration>,
    refused: BTreeMap<u16, usize>,
    without_retry: usize,
    failed: usize,
}

impl Seen {
    fn at(&mut self, part: f64) -> Duration {
        self.granted.sort_unstable();
        let place = (self.granted.len() as f64 * part) as usize;
        self.granted.get(place.min(self.granted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// One claim, which is given back at once when it is granted.
async fn claim(client: &Client, seen: &Mutex<Seen>) {
    let asked = Instant::now();
    let answer = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 2_000 })).await;
    let took = asked.elapsed();
    let granted = {
        let Ok(mut seen) = seen.lock() else { return };
        match answer {
            Ok(answer) if answer.status == 201 => {
                seen.granted.push(took);
                answer.json().ok().and_then(|body| body["claim"].as_str().map(str::to_owned))
            }
            Ok(answer) => {
                *seen.refused.entry(answer.status).or_default() += 1;
                seen.without_retry += usize::from(answer.header("retry-after").is_empty());
                None
            }
            Err(_) => {
                seen.failed += 1;
                None
            }
        }
    };
    if let Some(id) = granted {
        let _ = client.post(&format!("{PATH}/{id}/release"), &json!({})).await;
    }
}

/// As many claims as a few clients get, one after the other.
async fn closed_loop(client: &Client, length: Duration) -> Result<Seen> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let until = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, seen) = (client.clone(), Arc::clone(&seen));
        tasks.spawn(async move {
            while Instant::now() < until {
                claim(&client, &seen).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    taken(&seen)
}

/// Claims at a rate, whatever became of those before. Gives what was seen and how many were not sent because too many were open.
async fn open_loop(client: &Client, per_s: f64, length: Duration) -> Result<(Seen, usize)> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let open = Arc::new(AtomicUsize::new(0));
    let (start, mut sent, mut left_out) = (Instant::now(), 0_usize, 0);
    let mut tasks = JoinSet::new();
    while start.elapsed() < length {
        let due = (start.elapsed().as_secs_f64() * per_s) as usize;
        while sent < due {
            sent += 1;
            if open.load(Ordering::Relaxed) >= OPEN {
                left_out += 1;
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (client, seen, open) = (client.clone(), Arc::clone(&seen), Arc::clone(&open));
            tasks.spawn(async move {
                claim(&client, &seen).await;
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    Ok((taken(&seen)?, left_out))
}

fn taken(seen: &Mutex<Seen>) -> Result<Seen> {
    Ok(std::mem::take(&mut *seen.lock().map_err(|_| anyhow::anyhow!("a client panicked"))?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_times_what_can_be_served_is_refused_in_time_and_over_soon() -> Result<()> {
    let length = Duration::from_secs(soak::count(8, 60));
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::nobody(server.url())?.with_token(people::TOKEN);
    durable.prepare(&client, SLOTS, json!({})).await?;
    closed_loop(&client, Duration::from_secs(1)).await?;
    let measured = Duration::from_secs(3);
    let mut usual = closed_loop(&client, measured).await?;
    let capacity = usual.granted.len() as f64 / measured.as_secs_f64();
    println!("capacity {capacity:.0} claims/s, P50 {:?}, P99 {:?}", usual.at(0.5), usual.at(0.99));
    let (mut seen, left_out) = open_loop(&client, capacity * 3.0, length).await?;
    let goodput = seen.granted.len() as f64 / length.as_secs_f64() / capacity;
    println!(
        "at three times as many: goodput {goodput:.2} of it, P50 {:?}, P99 {:?}, refused {:?}, failed {}, not sent {left_out}",
        seen.at(0.5),
        seen.at(0.99),
        seen.refused,
        seen.failed
    );
    let only_told = seen.refused.keys().all(|status| [429, 503].contains(status));
    ensure!(only_told && seen.without_retry == 0, "{:?}, {} without Retry-After", seen.refused, seen.without_retry);
    ensure!(!seen.granted.is_empty(), "nothing was granted");
    // How much and how soon depends on the machine, which the generator shares: what is promised is asked where both are built
    // as they are shipped.
    if soak::is_long() {
        ensure!(goodput >= 0.8, "goodput fell to {goodput:.2}");
        ensure!(seen.at(0.99) < Duration::from_secs(1), "claims that are granted wait for {:?}", seen.at(0.99));
    }
    let over = Instant::now();
    let mut calm = 0;
    while calm < 20 {
        calm = if client.post(PATH, &json!({ "tenant": "beta", "ttl_ms": 1_000 })).await?.status == 201 {
            calm + 1
        } else {
            0
        };
        ensure!(over.elapsed() < Duration::from_secs(5), "it does not recover");
    }
    println!("twenty claims in a row are granted {:?} afterwards", over.elapsed());
    ensure!(!server.log().contains("panicked"), "{}", server.log());
    Ok(())
}
