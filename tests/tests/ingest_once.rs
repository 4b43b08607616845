//! Live samples count exactly once, however often, in whatever order and with whatever breaks in between
//! their batches are sent.

use anyhow::{Result, ensure};
use headroom_server::app::caller::Caller;
use headroom_server::app::ingest::Form;
use headroom_server::app::{App, AppError};
use headroom_server::clock::seeded;
use headroom_server::db::Db;
use headroom_server::jobs::rollup;
use headroom_tests::database::Database;
use headroom_tests::samples::{self, SOURCE, STEP_MS, Samples, body};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::json;
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;

const BATCHES: i64 = 60;

struct World {
    database: Database,
    app: App,
    now_ms: i64,
}

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        samples::prepare(&mut conn).await?;
        let now_ms = headroom_store::now(&mut conn).await?;
        conn.close().await?;
        let app = App::new(Db::connect(&database.url().parse()?)).acting(Arc::new(Caller::machine("job")));
        Ok(Self { database, app, now_ms })
    }

    /// Batches of an hour or so, and what they come to.
    fn samples(&self, rng: &mut StdRng) -> Samples {
        let first = (self.now_ms - 20 * 3_600_000) / STEP_MS * STEP_MS;
        Samples::random(rng, BATCHES as usize, first, 7 * STEP_MS)
    }
}

/// What one delivery of a batch meets.
#[derive(Clone, Copy)]
enum Fate {
    /// It is answered.
    Answered,
    /// The server dies while it is at it: before, in or after the transaction, by chance.
    CutOff(Duration),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_counts_once_however_often_it_is_sent() -> Result<()> {
    let world = World::create().await?;
    let mut rng = seeded(18);
    let Samples { batches, expected } = world.samples(&mut rng);
    // Every batch three times at least: twice by the rule, and once more that must be answered, because a
    // sender goes on until it is.
    let mut deliveries: Vec<(usize, Fate)> = Vec::new();
    for place in 0..batches.len() {
        deliveries.push((place, Fate::CutOff(Duration::from_micros(rng.random_range(0..6_000)))));
        deliveries.push((place, Fate::Answered));
        deliveries.push((place, Fate::Answered));
    }
    deliveries.shuffle(&mut rng);
    let mut cut_off = 0;
    for (turn, (place, fate)) in deliveries.into_iter().enumerate() {
        let rows = &batches[place];
        let (app, sent) = (world.app.clone(), body(place as i64, rows));
        let accept = tokio::spawn(async move { app.accept_batch(Form::Json, sent).await });
        match fate {
            Fate::Answered => {
                let receipt = accept.await??;
                assert_eq!((receipt.accepted, receipt.rejected), (rows.len(), 0), "the same answer every time");
            }
            Fate::CutOff(after) => {
                tokio::time::sleep(after).await;
                accept.abort();
                cut_off += u32::from(accept.await.is_err());
            }
        }
        // Rollups come in between, and are cut off as well.
        if turn % 7 == 0 {
            let db = world.app.db.clone();
            let rollup = tokio::spawn(async move { rollup::run(&db).await });
            if turn % 14 == 0 {
                tokio::time::sleep(Duration::from_micros(rng.random_range(0..9_000))).await;
                rollup.abort();
                cut_off += u32::from(rollup.await.is_err());
            } else {
                rollup.await??;
            }
        }
    }
    ensure!(cut_off > 0, "nothing was cut off: the test does not test what it says");
    rollup::run(&world.app.db).await?;
    assert_eq!(rollup::run(&world.app.db).await?.batches, 0, "nothing is left to roll up");
    assert_eq!(samples::stored(&world.database).await?, expected);
    let state = world.app.last_seq(SOURCE).await?;
    assert_eq!(state.map(|(seq, _)| seq), Some(BATCHES - 1));
    Ok(())
}

/// The control: with numbers that tell nothing apart the sums must be off, or the test above sees nothing.
#[tokio::test]
async fn without_numbers_to_know_them_by_replays_would_count_twice() -> Result<()> {
    let world = World::create().await?;
    let Samples { batches, expected } = world.samples(&mut seeded(18));
    for (seq, rows) in (0..).zip(&batches) {
        for replay in 0..2 {
            world.app.accept_batch(Form::Json, body(seq + replay * BATCHES, rows)).await?;
        }
    }
    rollup::run(&world.app.db).await?;
    let stored = samples::stored(&world.database).await?;
    assert_ne!(stored, expected);
    for (key, (occupied, claims, _)) in expected {
        assert_eq!((stored[&key].0, stored[&key].1), (occupied * 2, claims * 2), "{key:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_number_used_for_other_content_is_a_conflict_that_names_the_last_one() -> Result<()> {
    let world = World::create().await?;
    let row = |occupied| json!({"pool": "alpha", "ts_ms": world.now_ms - 60_000, "occupied": occupied});
    world.app.accept_batch(Form::Json, body(4, &[row(1)])).await?;
    world.app.accept_batch(Form::Json, body(9, &[row(1)])).await?;
    let refused = world.app.accept_batch(Form::Json, body(4, &[row(2)])).await;
    let Err(AppError::Conflict(text)) = refused else { anyhow::bail!("expected a conflict, found {refused:?}") };
    assert!(text.contains("number 4") && text.contains("last number is 9") && text.contains("from 10"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_replay_is_answered_like_the_first_time_even_when_its_rows_are_too_old_by_then() -> Result<()> {
    let world = World::create().await?;
    let rows = [
        json!({"pool": "alpha", "ts_ms": world.now_ms - 60_000, "occupied": 1}),
        json!({"pool": "nowhere", "ts_ms": world.now_ms - 60_000, "occupied": 1}),
    ];
    let first = world.app.accept_batch(Form::Json, body(1, &rows)).await?;
    assert_eq!((first.accepted, first.rejected, first.replayed), (1, 1, false));
    let mut conn = world.database.connect().await?;
    headroom_store::set_test_clock(&mut conn, 72 * 3_600_000).await?;
    let again = world.app.accept_batch(Form::Json, body(1, &rows)).await?;
    assert_eq!((again.accepted, again.rejected, again.replayed), (1, 1, true));
    assert_eq!(again.verdicts, first.verdicts);
    // The rule that the answer did not follow is there all the same.
    let late = world.app.accept_batch(Form::Json, body(2, &rows)).await?;
    assert_eq!((late.accepted, late.rejected), (0, 2));
    Ok(())
}

#[tokio::test]
async fn a_pool_made_a_moment_ago_is_known_at_once() -> Result<()> {
    let world = World::create().await?;
    let row = |pool: &str| json!({"pool": pool, "ts_ms": world.now_ms - 60_000, "occupied": 1, "capacity": 5});
    assert_eq!(world.app.accept_batch(Form::Json, body(1, &[row("alpha")])).await?.accepted, 1);
    let mut conn = world.database.connect().await?;
    sqlx::query("insert into pool (id, slug, name, kind) values (gen_random_uuid(), 'fresh', 'fresh', 'fixed')")
        .execute(&mut conn)
        .await?;
    sqlx::query("insert into pool_alias (slug, pool_id) select 'former', pool_id from pool where slug = 'beta'")
        .execute(&mut conn)
        .await?;
    assert_eq!(world.app.accept_batch(Form::Json, body(2, &[row("fresh"), row("former")])).await?.accepted, 2);
    Ok(())
}
