//! Live samples count exactly once, however often, in whatever order and with whatever breaks in between
//! their batches are sent.

use anyhow::{Result, ensure};
use headroom_server::app::ingest::Form;
use headroom_server::app::{App, AppError};
use headroom_server::clock::seeded;
use headroom_server::db::Db;
use headroom_server::jobs::rollup;
use headroom_store::usage::{Wanted, sums};
use headroom_tests::database::Database;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use sqlx::Connection;
use std::collections::BTreeMap;
use std::time::Duration;

const POOLS: [&str; 3] = ["alpha", "beta", "gamma"];
const TENANTS: [&str; 4] = ["red", "green", "blue", "grey"];
const STEP_MS: i64 = 10_000;
const BATCHES: i64 = 60;

/// Slot-milliseconds, claims and most slots at once by pool and tenant slug ("" = the pool).
type Sums = BTreeMap<(String, String), (i128, i128, i64)>;

struct World {
    database: Database,
    app: App,
    now_ms: i64,
}

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        for pool in POOLS {
            sqlx::query("insert into pool (id, slug, name, kind) values (gen_random_uuid(), $1, $1, 'fixed')")
                .bind(pool)
                .execute(&mut conn)
                .await?;
            sqlx::query(
                "insert into pool_capacity (pool_id, from_at, configured, actor)
                 select pool_id, to_timestamp(0), 100, 'test' from pool where slug = $1",
            )
            .bind(pool)
            .execute(&mut conn)
            .await?;
        }
        for tenant in TENANTS {
            sqlx::query("insert into tenant (id, slug, name) values (gen_random_uuid(), $1, $1)")
                .bind(tenant)
                .execute(&mut conn)
                .await?;
        }
        let now_ms = headroom_store::now(&mut conn).await?;
        conn.close().await?;
        let app = App::new(Db::connect(&database.url().parse()?));
        Ok(Self { database, app, now_ms })
    }

    /// Batches of an hour or so, and what they come to.
    fn batches(&self, rng: &mut StdRng) -> (Vec<(i64, Vec<Value>)>, Sums) {
        let mut expected = Sums::new();
        let mut batches = Vec::new();
        let first = (self.now_ms - 20 * 3_600_000) / STEP_MS * STEP_MS;
        for seq in 0..BATCHES {
            let mut rows = Vec::new();
            for pool in POOLS {
                let at = first + seq * STEP_MS * 7 + rng.random_range(0..STEP_MS);
                let (mut total, mut claims) = (0, 0);
                for tenant in TENANTS {
                    let (occupied, claimed) = (rng.random_range(0..60), rng.random_range(0..9));
                    total += occupied;
                    claims += claimed;
                    rows.push(
                        json!({"pool": pool, "tenant": tenant, "ts_ms": at, "occupied": occupied, "claims": claimed}),
                    );
                    note(&mut expected, pool, tenant, occupied, claimed);
                }
                note(&mut expected, pool, "", total, claims);
            }
            batches.push((seq, rows));
        }
        (batches, expected)
    }

    async fn stored(&self) -> Result<Sums> {
        let mut conn = self.database.connect().await?;
        let names = |rows: Vec<(i32, String)>| rows.into_iter().collect::<BTreeMap<i32, String>>();
        let pools = names(sqlx::query_as("select pool_id, slug from pool").fetch_all(&mut conn).await?);
        let tenants = names(sqlx::query_as("select tenant_id, slug from tenant").fetch_all(&mut conn).await?);
        let found = sums(&mut conn, &Wanted::default(), None, None).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
        conn.close().await?;
        let name = |tenant: i32| tenants.get(&tenant).cloned().unwrap_or_default();
        Ok(found
            .into_iter()
            .map(|((pool, tenant), s)| {
                ((pools[&pool].clone(), name(tenant)), (s.occupied_slot_ms, s.claims, s.max_occupied))
            })
            .collect())
    }
}

fn note(sums: &mut Sums, pool: &str, tenant: &str, occupied: i64, claims: i64) {
    let entry = sums.entry((pool.into(), tenant.into())).or_default();
    *entry = (entry.0 + i128::from(occupied * STEP_MS), entry.1 + i128::from(claims), entry.2.max(occupied));
}

fn body(seq: i64, rows: &[Value]) -> Vec<u8> {
    json!({"source": "sender", "seq": seq, "rows": rows}).to_string().into_bytes()
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
    let (batches, expected) = world.batches(&mut rng);
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
        let (seq, rows) = &batches[place];
        let (app, sent) = (world.app.clone(), body(*seq, rows));
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
    assert_eq!(world.stored().await?, expected);
    let state = world.app.last_seq("sender").await?;
    assert_eq!(state.map(|(seq, _)| seq), Some(BATCHES - 1));
    Ok(())
}

/// The control: with numbers that tell nothing apart the sums must be off, or the test above sees nothing.
#[tokio::test]
async fn without_numbers_to_know_them_by_replays_would_count_twice() -> Result<()> {
    let world = World::create().await?;
    let (batches, expected) = world.batches(&mut seeded(18));
    for (seq, rows) in &batches {
        for replay in 0..2 {
            world.app.accept_batch(Form::Json, body(seq + replay * BATCHES, rows)).await?;
        }
    }
    rollup::run(&world.app.db).await?;
    let stored = world.stored().await?;
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
