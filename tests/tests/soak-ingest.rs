//! Every batch of live samples counts once though the server is killed over and over while they are sent.
//!
//! Batches go out twice each, in any order, several at a time, to a real server that is killed as by a power cut and
//! started again. A sender that got no answer sends again. What is stored in the end is compared with the generator's own
//! sums, as integers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use headroom_server::clock::seeded;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::samples::{self, Samples, body};
use headroom_tests::service::Service;
use headroom_tests::soak;
use http::Method;
use rand::Rng;
use rand::seq::SliceRandom;

/// Batches under way at a time.
const SENDERS: usize = 4;
/// How long the rollup job may take for what is left at the end.
const ROLLUP_LIMIT: Duration = Duration::from_mins(2);

/// Deliveries that are still to be made, and what became of those that were made.
#[derive(Default)]
struct Post {
    /// Numbers of batches, the next one last.
    waiting: Mutex<Vec<usize>>,
    /// Deliveries without an answer.
    unanswered: AtomicU32,
    /// Batches that were stored although their first sender got no answer.
    stored_unanswered: AtomicU32,
}

impl Post {
    fn take(&self) -> Option<usize> {
        self.waiting.lock().ok()?.pop()
    }

    fn left(&self) -> usize {
        self.waiting.lock().map_or(0, |waiting| waiting.len())
    }

    /// Sends until nothing is waiting or the server is gone.
    async fn send(&self, client: &Client, samples: &Samples, answered: &Mutex<Vec<bool>>) -> Result<()> {
        while let Some(number) = self.take() {
            let rows = &samples.batches[number];
            let headers = [("content-type", "application/json")];
            let sent = body(number as i64, rows);
            let answer = client.send(Method::POST, "/api/v1/ingest/occupancy", &headers, Some(sent)).await;
            let answer = match answer {
                Ok(answer) if answer.status == 503 => None,
                Ok(answer) => Some(answer.expect(200)?.json()?),
                Err(_) => None,
            };
            let Some(receipt) = answer else {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                // Somewhere among the others: its next delivery may come much later.
                if let Ok(mut waiting) = self.waiting.lock() {
                    let place = waiting.len() / 2;
                    waiting.insert(place, number);
                }
                return Ok(());
            };
            ensure!(receipt["accepted"] == rows.len() && receipt["rejected"] == 0, "batch {number}: {receipt}");
            if let Ok(mut answered) = answered.lock() {
                let first = !std::mem::replace(&mut answered[number], true);
                let stored_before = first && receipt["replayed"] == true;
                self.stored_unanswered.fetch_add(u32::from(stored_before), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_counts_once_through_kills() -> Result<()> {
    let (batches, kills) = soak::count((120, 8), (2_400, 200));
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    samples::prepare(&mut conn).await?;
    let now = headroom_store::now(&mut conn).await?;
    drop(conn);
    let mut rng = seeded(18);
    let samples = Samples::random(&mut rng, batches, now - 20 * 3_600_000, 2 * samples::STEP_MS);
    let mut deliveries: Vec<usize> = (0..batches).chain(0..batches).collect();
    deliveries.shuffle(&mut rng);
    let later = deliveries.split_off(deliveries.len() / 4);
    let post = Post { waiting: Mutex::new(deliveries), ..Post::default() };
    let answered = Mutex::new(vec![false; batches]);

    // The rest is handed out evenly, so that every kill meets senders at work.
    let mut shares = later.chunks(later.len().div_ceil(kills));
    let serve = ["serve", "--database-url", database.url()];
    for _ in 0..kills {
        if let (Some(share), Ok(mut waiting)) = (shares.next(), post.waiting.lock()) {
            waiting.extend(share);
        }
        let service = Service::start(&serve)?;
        let client = Client::new(service.url())?;
        let senders = try_join_all((0..SENDERS).map(|_| post.send(&client, &samples, &answered)));
        let end = tokio::time::sleep(Duration::from_millis(rng.random_range(0..60)));
        let killed = async {
            end.await;
            service.kill()
        };
        let (sent, killed) = tokio::join!(senders, killed);
        sent?;
        killed?;
    }
    let service = Service::start(&serve)?;
    let client = Client::new(service.url())?;
    while post.left() > 0 {
        post.send(&client, &samples, &answered).await?;
    }
    let rolled_up = async {
        while samples::stored(&database).await? != samples.expected {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    };
    // What is wrong is shown by the comparison below.
    let _ = tokio::time::timeout(ROLLUP_LIMIT, rolled_up).await;
    assert_eq!(samples::stored(&database).await?, samples.expected);

    let unanswered = post.unanswered.load(Ordering::Relaxed);
    let stored_unanswered = post.stored_unanswered.load(Ordering::Relaxed);
    println!(
        "{batches} batches through {kills} kills: {unanswered} deliveries without an answer, {stored_unanswered} batches stored all the same"
    );
    ensure!(unanswered > 0, "no delivery was cut off: the test does not test what it says");
    ensure!(
        soak::count(true, stored_unanswered > 0),
        "no kill fell between the commit and the answer, in {kills} of them"
    );
    service.stop().context("the last server")?;
    database.remove().await
}
