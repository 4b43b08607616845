//! Part 3: whether an edit fits beside 5,000 reservations: the sweep alone, and the whole preview in a database.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use headroom_domain::plan::conflict::{Load, over_capacity, over_quota};
use headroom_domain::plan::policy::Overcommit;
use headroom_domain::plan::terms::Terms;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_server::app::App;
use headroom_server::app::caller::Caller;
use headroom_server::app::plan::effect::Basis;
use headroom_server::app::plan::publish::Choices;
use headroom_server::clock;
use headroom_server::db::Db;
use rand::Rng;
use uuid::Uuid;

use super::Options;
use crate::bench::figures::{Goal, Pair, Report, median};
use crate::database::Database;

const RESERVATIONS: usize = 5_000;
const TENANTS: i32 = 50;
const CAPACITY: i64 = 100_000;
/// The goal of a check.
const GOAL_MS: f64 = 10.0;
/// Capacity before and after, and two sums for each of 50 tenants, are some sorts of parts of the edges.
const MOST_SORTS: f64 = 20.0;
/// A preview that answers while somebody types.
const PREVIEW_MS: f64 = 100.0;

/// Part 3.
pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    sweep(options, report);
    whole(options, report).await
}

fn loads(seed: u64, from: Millis) -> Vec<Load> {
    let chance = &mut clock::seeded(seed);
    (0..RESERVATIONS)
        .map(|number| {
            let start = from + chance.random_range(0..90 * 24 * 60) * MINUTE_MS;
            Load {
                reservation: Uuid::from_u128(number as u128 + 1),
                tenant: chance.random_range(1..=TENANTS),
                from_ms: start,
                to_ms: start + chance.random_range(60..14 * 24 * 60) * MINUTE_MS,
                slots: chance.random_range(1..80),
            }
        })
        .collect()
}

/// The rule alone: capacity and the quota of every tenant, against sorting the same edges once.
fn sweep(options: &Options, report: &mut Report) {
    let before = loads(7, 0);
    let mut after = before.clone();
    after.push(Load { reservation: Uuid::nil(), tenant: 3, from_ms: 10 * DAY_MS, to_ms: 40 * DAY_MS, slots: 40_000 });
    let capacity = [(0, CAPACITY)];
    let check = || {
        let over = over_capacity(&capacity, Overcommit::Reject, &before, &after, HOUR_MS);
        let quotas: usize =
            (1..=TENANTS).map(|tenant| over_quota(CAPACITY, tenant, &before, &after, HOUR_MS).len()).sum();
        (over.len(), quotas)
    };
    let timed = |what: &dyn Fn()| {
        let times: Vec<f64> = (0..options.rounds())
            .map(|_| {
                let start = Instant::now();
                what();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        median(&times)
    };
    let measured = timed(&|| {
        black_box(check());
    });
    let sorted = timed(&|| {
        let mut edges: Vec<(Millis, i64)> =
            after.iter().flat_map(|load| [(load.from_ms, load.slots), (load.to_ms, -load.slots)]).collect();
        edges.sort_unstable();
        black_box(edges);
    });
    report.value("conflict check, 5,000 promises, capacity and 50 quotas", measured, "ms", Goal::AtMost(GOAL_MS));
    let pair = Pair { measured, peer: sorted, peer_name: "sorting the edges once", unit: "ms" };
    report.ratio("conflict check", pair, Goal::AtMost(MOST_SORTS));
}

/// A preview without a replay: reading, merging and checking in a database.
async fn whole(options: &Options, report: &mut Report) -> Result<()> {
    let database = match Database::create().await {
        Ok(database) => database,
        Err(error) => {
            report.note(format!("preview in a database: SKIPPED: {error}"));
            return Ok(());
        }
    };
    let mut conn = database.connect().await?;
    sqlx::query("INSERT INTO pool (id, slug, name, kind) VALUES (gen_random_uuid(), 'lanes', 'lanes', 'fixed')")
        .execute(&mut conn)
        .await?;
    sqlx::query("INSERT INTO pool_capacity (pool_id, from_at, configured, actor) SELECT pool_id, to_timestamp(0), $1, 'bench' FROM pool")
        .bind(i32::try_from(CAPACITY)?)
        .execute(&mut conn)
        .await?;
    sqlx::query(
        "INSERT INTO tenant (id, slug, name) SELECT gen_random_uuid(), 't-' || n, 't' FROM generate_series(1, $1) n",
    )
    .bind(TENANTS)
    .execute(&mut conn)
    .await?;
    let app = App::new(Db::connect(&database.url().parse()?)).acting(Arc::new(Caller::machine("cli")));
    let now = app.now().await?;
    let text = |at: Millis| -> Result<String> {
        Ok(chrono::DateTime::from_timestamp_millis(at).context("a time")?.format("%Y-%m-%dT%H:%M").to_string())
    };
    let terms = |name: String, load: &Load| -> Result<Terms> {
        Ok(serde_json::from_value(serde_json::json!({
            "name": name, "tenant": format!("t-{}", load.tenant), "slots": load.slots, "zone": "UTC",
            "start": text(load.from_ms)?, "end": text(load.to_ms)?,
        }))?)
    };
    let mut edits = Vec::with_capacity(RESERVATIONS);
    for load in loads(7, now + HOUR_MS) {
        let id = clock::uuid();
        edits.push((id, Some(terms(format!("r-{id}"), &load)?)));
    }
    let draft = app.create_draft("lanes", "all").await?;
    report.step("publishing 5,000 reservations");
    let start = Instant::now();
    app.edit_draft_at_once(draft.id, None, edits, "").await?;
    let preview = app.preview(draft.id, &Choices::new(), 0, Basis::default()).await?;
    app.publish(draft.id, &preview.token, "bench", &Choices::new(), true).await?;
    report.note(format!("5,000 reservations drafted, checked and published in {:.1} s", start.elapsed().as_secs_f64()));
    let edit = Load {
        reservation: Uuid::nil(),
        tenant: 3,
        from_ms: now + 20 * DAY_MS,
        to_ms: now + 30 * DAY_MS,
        slots: 90_000,
    };
    let draft = app.create_draft("lanes", "one").await?;
    app.edit_draft(draft.id, None, None, Some(terms("more".to_owned(), &edit)?)).await?;
    let mut times = Vec::new();
    for _ in 0..options.rounds().max(5) {
        let start = Instant::now();
        let preview = app.preview(draft.id, &Choices::new(), 0, Basis::default()).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(!preview.conflicts.is_empty(), "an edit that fits proves little");
    }
    report.value(
        "preview of one edit beside 5,000 reservations, in a database",
        median(&times),
        "ms",
        Goal::AtMost(PREVIEW_MS),
    );
    database.remove().await
}
