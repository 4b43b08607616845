//! The store on a real database: every function at least once, what its constraints mean, and that history keeps its sums.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use headroom_domain::accumulate::{Accumulated, Accumulator, Counters, Reading, SeriesKey, TenantReading};
use headroom_domain::change::ChangeKind;
use headroom_domain::plan::terms::{Shrink, Terms};
use headroom_domain::pool::{PoolKind, Properties};
use headroom_domain::reservation::{Promise, ReservationKind};
use headroom_domain::series::Step;
use headroom_domain::slug::Slug;
use headroom_store::audit::{Actor, Entry};
use headroom_store::change::Change;
use headroom_store::current::Current;
use headroom_store::history::{ALL_POOLS, ALL_TENANTS, LIVE};
use headroom_store::import::Noun;
use headroom_store::ingest::{Accepted, Batch};
use headroom_store::organisation::Organisation;
use headroom_store::partition::Cut;
use headroom_store::pool::{CapacityStep, PoolFields};
use headroom_store::tenant::TenantFields;
use headroom_store::usage::{Wanted, WideSums};
use headroom_store::{
    MIGRATOR, StoreError, audit, change, current, history, import, ingest, job, organisation, partition, pool, promise,
    quota, reservation, signal, tenant, usage,
};
use headroom_tests::database::Database;
use headroom_tests::service::{command, run};
use serde_json::json;
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-03-02T00:00:00Z, a Monday.
const MONDAY_MS: i64 = 1_772_409_600_000;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn slug(text: &str) -> Result<Slug> {
    Ok(Slug::parse(text)?)
}

fn pool_fields(name: &str) -> Result<PoolFields> {
    Ok(PoolFields {
        slug: slug(name)?,
        name: name.to_owned(),
        description: String::new(),
        kind: PoolKind::Fixed,
        properties: Properties::default(),
        min_slots: None,
        max_slots: None,
        unit_cost_micros: None,
        owner: String::new(),
        runbook_url: String::new(),
        labels: BTreeMap::new(),
        services: Vec::new(),
        zone: "UTC".into(),
        region: None,
        stamp: None,
        feed_period_ms: None,
        retention_days: Some(90),
    })
}

fn tenant_fields(name: &str) -> Result<TenantFields> {
    Ok(TenantFields {
        slug: slug(name)?,
        name: name.to_owned(),
        tier: String::new(),
        priority: 5,
        weight: 1,
        cost_centre: String::new(),
        owner: String::new(),
        labels: BTreeMap::new(),
        region: None,
        stamp: None,
    })
}

fn step(from_ms: i64, configured: i32, planned_down: i32) -> CapacityStep {
    CapacityStep { from_ms, configured, planned_down, reason: "because".into(), actor: "ada".into() }
}

/// The field that a refused value is about.
fn field_of<T: std::fmt::Debug>(refused: headroom_store::Result<T>) -> Result<&'static str> {
    match refused {
        Err(StoreError::Invalid { field, .. }) => Ok(field),
        other => anyhow::bail!("expected a refused value, found {other:?}"),
    }
}

#[tokio::test]
async fn pools_are_kept_as_they_were_said() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    organisation::ensure_region(&mut conn, "eu-west", "Europe West").await?;
    organisation::ensure_stamp(&mut conn, "eu-1", "Europe 1", "eu-west").await?;
    let fields = PoolFields {
        description: "what for".into(),
        kind: PoolKind::Autoscaling,
        min_slots: Some(1),
        max_slots: Some(9),
        unit_cost_micros: Some(12_500),
        owner: "media".into(),
        runbook_url: "https://x".into(),
        labels: BTreeMap::from([("env".into(), "prod".into())]),
        region: Some("eu-west".into()),
        stamp: Some("eu-1".into()),
        feed_period_ms: Some(10_000),
        retention_days: None,
        ..pool_fields("render")?
    };
    let key = pool::create(&mut conn, id(1), &fields).await?;
    let made = pool::by_slug(&mut conn, "render").await?.context("the pool")?;
    assert_eq!((made.key, made.id, made.version, made.archived_ms), (key, id(1), 1, None));
    assert_eq!(made.fields, fields);
    assert!((headroom_store::now(&mut conn).await? - made.created_ms).abs() < MINUTE_MS);

    assert!(
        matches!(pool::create(&mut conn, id(2), &fields).await, Err(StoreError::Taken { what: "pool slug", value }) if value == "render")
    );
    let wrong = |change: fn(&mut PoolFields)| {
        let mut fields = PoolFields { slug: Slug::from_name("other", "pool"), ..fields.clone() };
        change(&mut fields);
        fields
    };
    for (field, fields) in [
        ("max_slots", wrong(|f| (f.min_slots, f.max_slots) = (Some(5), Some(4)))),
        ("min_slots", wrong(|f| f.min_slots = Some(-1))),
        ("max_slots", wrong(|f| f.max_slots = Some(10_000_001))),
        ("unit_cost_micros", wrong(|f| f.unit_cost_micros = Some(-1))),
        ("runbook_url", wrong(|f| f.runbook_url = "ftp://x".into())),
        ("description", wrong(|f| f.description = "x".repeat(501))),
        ("feed_period_ms", wrong(|f| f.feed_period_ms = Some(1))),
    ] {
        assert_eq!(field_of(pool::create(&mut conn, id(3), &fields).await)?, field);
    }

    let renamed = PoolFields { slug: slug("render-eu")?, ..fields.clone() };
    pool::update(&mut conn, &made, 1, &renamed).await?;
    assert!(pool::by_slug(&mut conn, "render").await?.is_none());
    assert_eq!(pool::renamed(&mut conn, "render").await?.as_deref(), Some("render-eu"));
    let now = pool::by_slug_for_update(&mut conn, "render-eu").await?.context("the pool")?;
    assert_eq!(now.version, 2);
    assert!(matches!(
        pool::update(&mut conn, &now, 1, &renamed).await,
        Err(StoreError::Stale { expected: 1, found: 2, .. })
    ));
    // A new pool may take the former slug.
    let second = pool::create(&mut conn, id(4), &pool_fields("render")?).await?;
    assert_eq!(pool::renamed(&mut conn, "render").await?, None);

    assert_eq!(pool::keys(&mut conn).await?, [(second, "render".into()), (key, "render-eu".into())]);
    assert_eq!(pool::keys_of(&mut conn, &["render-eu".into(), "nobody".into()]).await?, [(key, "render-eu".into())]);
    assert_eq!(pool::names(&mut conn, 1).await?.len(), 1);
    assert_eq!(pool::by_keys(&mut conn, &[key]).await?.len(), 1);
    assert_eq!((pool::count(&mut conn).await?, pool::shortest_feed(&mut conn).await?), (2, Some(10_000)));
    pool::set_archived(&mut conn, key, true).await?;
    assert_eq!((pool::count(&mut conn).await?, pool::shortest_feed(&mut conn).await?), (1, None));
    assert_eq!((pool::list(&mut conn, false).await?.len(), pool::list(&mut conn, true).await?.len()), (1, 2));
    pool::set_archived(&mut conn, key, false).await?;
    assert_eq!(pool::count(&mut conn).await?, 2);
    Ok(())
}

#[tokio::test]
async fn capacity_is_a_history_of_steps() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let a = pool::create(&mut conn, id(1), &pool_fields("a")?).await?;
    let b = pool::create(&mut conn, id(2), &pool_fields("b")?).await?;
    for (pool, s) in
        [(a, step(1_000, 10, 0)), (a, step(3_000, 30, 5)), (a, step(2_000, 20, 0)), (b, step(2_500, 100, 1))]
    {
        pool::set_capacity(&mut conn, pool, &s).await?;
    }
    pool::set_capacity(&mut conn, a, &step(2_000, 25, 0)).await?; // replaces the step of that instant
    let steps = pool::capacity(&mut conn, Some(&[a])).await?.remove(&a).context("steps")?;
    assert_eq!(
        steps.iter().map(|s| (s.from_ms, s.configured)).collect::<Vec<_>>(),
        [(1_000, 10), (2_000, 25), (3_000, 30)]
    );
    assert_eq!(pool::capacity(&mut conn, None).await?.len(), 2);
    for (at, configured) in [(999, None), (1_000, Some(10)), (1_999, Some(10)), (2_000, Some(25)), (9_000, Some(30))] {
        assert_eq!(pool::step_at(&steps, at).map(|s| s.configured), configured, "at {at}");
    }
    assert_eq!(pool::capacity_at(&mut conn, None, 2_400).await?, (25, 0));
    assert_eq!(pool::capacity_at(&mut conn, None, 4_000).await?, (130, 6));
    assert_eq!(pool::capacity_at(&mut conn, Some(&[b]), 4_000).await?, (100, 1));
    assert_eq!(field_of(pool::set_capacity(&mut conn, a, &step(0, 5, 6)).await)?, "planned_down");
    assert_eq!(field_of(pool::set_capacity(&mut conn, a, &step(0, 10_000_001, 0)).await)?, "capacity");
    Ok(())
}

#[tokio::test]
async fn tenants_quotas_reservations_and_signals_are_kept() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let fields = TenantFields { tier: "gold".into(), weight: 30, ..tenant_fields("acme")? };
    let acme = tenant::create(&mut conn, id(1), &fields).await?;
    let made = tenant::by_slug(&mut conn, "acme").await?.context("the tenant")?;
    assert_eq!((made.key, &made.fields), (acme, &fields));
    assert!(matches!(
        tenant::create(&mut conn, id(2), &fields).await,
        Err(StoreError::Taken { what: "tenant slug", .. })
    ));
    tenant::update(&mut conn, &made, 1, &TenantFields { slug: slug("acme-corp")?, ..fields }).await?;
    assert_eq!(tenant::renamed(&mut conn, "acme").await?.as_deref(), Some("acme-corp"));
    let now = tenant::by_slug_for_update(&mut conn, "acme-corp").await?.context("the tenant")?;
    assert!(matches!(tenant::update(&mut conn, &now, 1, &now.fields).await, Err(StoreError::Stale { .. })));
    let many =
        tenant::create_many(&mut conn, &[(id(5), slug("b")?, "B".into()), (id(6), slug("acme-corp")?, "again".into())])
            .await?;
    assert!(many.iter().any(|(_, slug)| slug == "b") && many.contains(&(acme, "acme-corp".into())), "{many:?}");
    assert_eq!(
        (
            tenant::count(&mut conn).await?,
            tenant::keys(&mut conn).await?.len(),
            tenant::names(&mut conn, 9).await?.len()
        ),
        (2, 2, 2)
    );
    assert_eq!(tenant::keys_of(&mut conn, &["b".into()]).await?.len(), 1);
    assert_eq!(tenant::by_keys(&mut conn, &[acme]).await?[0].fields.name, "acme");
    tenant::set_archived(&mut conn, acme, true).await?;
    assert_eq!((tenant::list(&mut conn, false).await?.len(), tenant::list(&mut conn, true).await?.len()), (1, 2));

    let render = pool::create(&mut conn, id(1), &pool_fields("render")?).await?;
    quota::set(&mut conn, render, acme, Some(5)).await?;
    quota::set(&mut conn, render, acme, Some(7)).await?;
    assert_eq!(quota::list(&mut conn, Some(&[render]), None).await?[&(render, acme)].slots, 7);
    assert_eq!(field_of(quota::set(&mut conn, render, acme, Some(-1)).await)?, "slots");
    quota::set(&mut conn, render, acme, None).await?;
    assert!(quota::list(&mut conn, None, None).await?.is_empty());

    let promise = Promise {
        pool: render,
        tenant: acme,
        from_ms: 1_000,
        to_ms: Some(2_000),
        baseline: 5,
        ceiling: Some(8),
        lending_limit: Some(5),
        borrowing_limit: None,
    };
    let some = Terms {
        name: "some".into(),
        tenant: "acme".into(),
        kind: ReservationKind::Guaranteed,
        start: "1970-01-01T00:00".parse().expect("a time"),
        end: None,
        zone: "UTC".into(),
        repeat: None,
        except: Vec::new(),
        slots: 5,
        ceiling: None,
        lending_limit: None,
        borrowing_limit: None,
        lead_minutes: 0,
        release_after_minutes: None,
        priority: None,
        shrink: Shrink::Refuse,
        drain_until: None,
        overrides: Vec::new(),
        note: "note".into(),
    };
    for (number, name) in [(1, "some"), (2, "other")] {
        let terms = Terms { name: name.into(), ..some.clone() };
        let fields = reservation::Fields {
            id: id(number),
            pool: render,
            tenant: acme,
            terms: &terms,
            from_ms: 0,
            to_ms: None,
            worked_out_to_ms: None,
        };
        assert_eq!(reservation::put(&mut conn, &fields).await?, 1);
        assert_eq!(reservation::put(&mut conn, &fields).await?, 2);
    }
    let new = |number, reservation: &Promise| promise::New {
        id: id(number),
        reservation: reservation.clone(),
        kind: ReservationKind::Guaranteed,
        is_lead: false,
        priority: None,
    };
    promise::add(&mut conn, &[new(1, &promise)]).await?;
    let endless = Promise { from_ms: 1_500, to_ms: None, ceiling: None, lending_limit: None, ..promise.clone() };
    promise::add(&mut conn, &[new(2, &endless)]).await?;
    let found =
        async |conn: &mut PgConnection, from, to| promise::during(conn, Some(&[render]), Some(&[acme]), from, to).await;
    assert_eq!(found(&mut conn, 0, 1_000).await?.len(), 0, "the end is exclusive");
    assert_eq!(found(&mut conn, 0, 1_001).await?[0].reservation, promise);
    assert_eq!(found(&mut conn, 1_999, 2_000).await?.len(), 2);
    assert_eq!(found(&mut conn, 2_000, 9_000).await?[0].reservation, endless);
    for (field, wrong) in [
        ("end", Promise { to_ms: Some(1_000), ..promise.clone() }),
        ("slots", Promise { baseline: 0, ceiling: None, lending_limit: None, ..promise.clone() }),
        ("ceiling", Promise { ceiling: Some(4), ..promise.clone() }),
        ("lending_limit", Promise { lending_limit: Some(6), ..promise.clone() }),
        ("borrowing_limit", Promise { borrowing_limit: Some(-1), ..promise.clone() }),
    ] {
        assert_eq!(field_of(promise::add(&mut conn, &[new(1, &wrong)]).await)?, field);
    }
    promise::end_at(&mut conn, &[id(1), id(2)], 1_200).await?;
    assert_eq!(found(&mut conn, 0, 9_000).await?.len(), 1, "what is later goes");
    assert_eq!(found(&mut conn, 0, 9_000).await?[0].reservation.to_ms, Some(1_200), "what holds then ends");
    reservation::clear(&mut conn).await?;
    assert!(promise::during(&mut conn, None, None, 0, 9_000).await?.is_empty());

    let mut numbers = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        numbers.push(signal::ensure(&mut conn, render, name, "ms", "gauge").await?);
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(signal::ensure(&mut conn, render, "c", "ms", "gauge").await?, 3, "known names keep their number");
    assert_eq!(field_of(signal::ensure(&mut conn, render, "i", "", "gauge").await)?, "signals");
    let other = pool::create(&mut conn, id(9), &pool_fields("other")?).await?;
    assert_eq!(field_of(signal::ensure(&mut conn, other, "No Name", "", "gauge").await)?, "signals");
    assert_eq!(signal::list(&mut conn, Some(render)).await?.len(), 8);
    assert_eq!(signal::list(&mut conn, None).await?.len(), 8);
    Ok(())
}

#[tokio::test]
async fn what_happened_is_recorded_once_and_kept() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let render = pool::create(&mut conn, id(1), &pool_fields("render")?).await?;
    let at = |at_ms, pool| Change {
        at_ms,
        kind: ChangeKind::Deploy,
        pool,
        title: "v2".into(),
        url: String::new(),
        source: "ci".into(),
        actor: String::new(),
    };
    let rows = [(id(1), at(1_000, Some(render))), (id(2), at(2_000, None))];
    assert_eq!(change::record(&mut conn, &rows).await?, 2);
    let again = [(id(3), at(1_000, Some(render))), (id(4), at(2_000, None)), (id(5), at(3_000, None))];
    assert_eq!(change::record(&mut conn, &again).await?, 1, "only what is new, also where it is about all pools");
    let list = change::list(&mut conn, Some(&[render]), 0, 3_000, 10).await?;
    assert_eq!(list.iter().map(|c| c.at_ms).collect::<Vec<_>>(), [2_000, 1_000], "newest first, the end exclusive");
    assert_eq!(
        change::list(&mut conn, Some(&[render + 1]), 0, 9_000, 10).await?.len(),
        2,
        "those of all pools belong to each"
    );
    assert_eq!(change::list(&mut conn, None, 0, 9_000, 1).await?.len(), 1);

    let settings = Organisation {
        name: "Acme".into(),
        currency: "USD".into(),
        zone: "Asia/Tokyo".into(),
        demo: true,
        money_visible: false,
        ack_needs_note: true,
        half_life_hours: 200,
    };
    organisation::set(&mut conn, &settings).await?;
    assert_eq!(organisation::get(&mut conn).await?, settings);
    organisation::ensure_region(&mut conn, "eu", "Europe").await?;
    organisation::ensure_region(&mut conn, "eu", "again").await?;
    organisation::ensure_stamp(&mut conn, "eu-1", "Europe 1", "eu").await?;
    assert_eq!(
        (organisation::regions(&mut conn).await?, organisation::stamps(&mut conn).await?),
        (vec!["eu".into()], vec!["eu-1".into()])
    );

    let value = |pool, tenant, at_ms, occupied| Current {
        pool,
        tenant,
        at_ms,
        duration_ms: 10_000,
        capacity: 10,
        planned_down: 2,
        occupied,
        reserved: 0,
        rejections: 0,
        latency_ms: None,
    };
    current::set(&mut conn, &[value(render, 0, 50_000, 9), value(render, 1, 50_000, 4)]).await?;
    current::set(&mut conn, &[value(render, 0, 40_000, 1)]).await?; // older than what is stored
    assert_eq!(current::list(&mut conn, Some(&[render]), Some(&[0])).await?, [value(render, 0, 50_000, 9)]);
    assert_eq!(current::list(&mut conn, None, None).await?.len(), 2);
    let totals = current::totals(&mut conn, None, 45_000).await?;
    let newest = current::newest(&mut conn, None).await?;
    assert_eq!(totals.newest.map(|at| at.timestamp_millis()), newest);
    assert_eq!((totals.silent, totals.over), (vec![], vec![render]));
    assert_eq!(
        (totals.fresh, totals.stale, totals.capacity, totals.occupied, totals.full),
        (1, 0, 8, 9, 1),
        "over capacity is data"
    );
    assert_eq!(newest, Some(60_000));
    assert_eq!(current::totals(&mut conn, None, 55_000).await?.stale, 1);
    Ok(())
}

fn ada(source: &'static str, address: &str) -> Actor {
    let id = Some(headroom_server::clock::uuid());
    Actor { name: "ada".into(), id, source, address: address.into(), receipt: audit::Receipt::default() }
}

#[tokio::test]
async fn the_audit_trail_only_grows() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let actor = ada("api", "192.0.2.1");
    let id = headroom_server::clock::uuid();
    let entry = Entry {
        actor: &actor,
        action: "update",
        object: "pool",
        key: "render",
        id: Some(id),
        before: Some(json!({ "a": 1 })),
        after: Some(json!({ "a": 2 })),
        reason: "why",
    };
    let first = audit::record(&mut conn, &entry).await?;
    let second = audit::record(&mut conn, &Entry { action: "archive", ..entry.clone() }).await?;
    assert!(second > first);
    for statement in
        ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit", "DELETE FROM audit WHERE false"]
    {
        let refused = sqlx::query(statement).execute(&mut conn).await;
        let said = refused.err().context("it was allowed")?.to_string();
        assert!(said.contains("append-only"), "{statement}: {said}");
    }
    let found = audit::of_object(&mut conn, "pool", id, "renamed-since", 10).await?;
    assert_eq!(found.iter().map(|r| r.action.as_str()).collect::<Vec<_>>(), ["archive", "update"], "newest first");
    assert_eq!(
        (&found[1].before, found[1].reason.as_str(), found[1].actor.as_str()),
        (&Some(json!({ "a": 1 })), "why", "ada")
    );
    assert!(audit::of_object(&mut conn, "tenant", id, "render", 10).await?.is_empty());
    Ok(())
}

/// Somebody with the rights of the database's owner, who alone can get past the trigger.
async fn tamper(conn: &mut PgConnection, statement: &'static str) -> Result<()> {
    sqlx::raw_sql("ALTER TABLE audit DISABLE TRIGGER audit_append_only").execute(&mut *conn).await?;
    sqlx::raw_sql(statement).execute(&mut *conn).await?;
    sqlx::raw_sql("ALTER TABLE audit ENABLE TRIGGER audit_append_only").execute(conn).await?;
    Ok(())
}

#[tokio::test]
async fn an_audit_trail_that_was_tampered_with_is_found() -> Result<()> {
    let last = "(SELECT max(audit_id) FROM audit)";
    let first = "(SELECT min(audit_id) FROM audit)";
    let cases = [
        ("an altered actor", format!("UPDATE audit SET actor = 'eve' WHERE audit_id = {first} + 1")),
        ("an altered value", format!("UPDATE audit SET after = '{{\"a\": 3}}' WHERE audit_id = {first} + 1")),
        ("an altered time", format!("UPDATE audit SET at = at + interval '1 microsecond' WHERE audit_id = {last}")),
        ("an entry left out", format!("DELETE FROM audit WHERE audit_id = {first} + 1")),
        ("an entry cut off the end", format!("DELETE FROM audit WHERE audit_id = {last}")),
        (
            "another actor of the same name",
            format!("UPDATE audit SET actor_id = gen_random_uuid() WHERE audit_id = {first}"),
        ),
        ("an actor's id taken away", format!("UPDATE audit SET actor_id = NULL WHERE audit_id = {first}")),
        ("a hash taken away", format!("UPDATE audit SET entry_hash = NULL WHERE audit_id = {last}")),
        (
            "an entry slipped in",
            "INSERT INTO audit (actor, source, action, object, object_key) VALUES ('eve', 'api', 'x', 'y', 'z')".into(),
        ),
        ("all of it taken away", "DELETE FROM audit".into()),
    ];
    for (what, statement) in cases {
        let mut conn = Database::create().await?.connect().await?;
        let actor = ada("cli", "");
        for number in 0..4 {
            let after = Some(json!({ "b": [1.50, "x"], "a": number }));
            let entry = Entry {
                actor: &actor,
                action: "update",
                object: "pool",
                key: "render",
                id: None,
                before: None,
                after,
                reason: "",
            };
            audit::record(&mut conn, &entry).await?;
        }
        let whole = audit::verify(&mut conn, &mut |_, _| {}).await?;
        assert_eq!(whole, audit::Verdict::Whole { entries: 4, unchained: 0 });
        tamper(&mut conn, Box::leak(statement.into_boxed_str())).await?;
        let found = audit::verify(&mut conn, &mut |_, _| {}).await?;
        assert!(!matches!(found, audit::Verdict::Whole { .. }), "{what} was not found: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_is_accepted_once_and_rolled_up_once() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    partition::ensure(&mut conn, Cut::Raw, MONDAY_MS, MONDAY_MS + 2 * DAY_MS).await?;
    let source = ingest::source(&mut conn, "agent", None).await?.context("a source")?;
    assert_eq!(ingest::source(&mut conn, "agent", None).await?, Some(source));
    assert_eq!(ingest::last_seq(&mut conn, "nobody", None).await?, None);
    let batch = |seq, hash: u8, ts_min| Batch {
        source,
        seq,
        ts_min,
        ts_max: ts_min,
        n: 1,
        codec: 1,
        hash: vec![hash],
        verdict: Some(json!([1])),
        data: vec![hash],
    };
    let accept = async |conn: &mut PgConnection, batch: Batch| -> Result<Accepted> {
        let mut tx = conn.begin().await?;
        let accepted = ingest::accept(&mut tx, &batch).await?;
        tx.commit().await?;
        Ok(accepted)
    };
    assert_eq!(accept(&mut conn, batch(1, 1, MONDAY_MS)).await?, Accepted::Fresh);
    assert_eq!(accept(&mut conn, batch(1, 1, MONDAY_MS)).await?, Accepted::Replayed(Some(json!([1]))));
    assert_eq!(
        accept(&mut conn, batch(1, 2, MONDAY_MS + DAY_MS)).await?,
        Accepted::Conflict { last_seq: 1 },
        "also on another day"
    );
    assert_eq!(accept(&mut conn, batch(2, 2, MONDAY_MS + DAY_MS)).await?, Accepted::Fresh);
    assert_eq!(ingest::last_seq(&mut conn, "agent", None).await?.map(|(seq, _)| seq), Some(2));
    assert_eq!(ingest::pending(&mut conn).await?, 2);

    let raw = partition::list(&mut conn, Cut::Raw).await?;
    assert!(partition::has_pending(&mut conn, &raw[0]).await?);
    let mut tx = conn.begin().await?;
    let (day,): (i64,) = sqlx::query_as("SELECT count(*) FROM occ_pending").fetch_one(&mut *tx).await?;
    assert_eq!(day, 2);
    tx.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn a_job_runs_on_one_server_at_a_time() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let (ours, theirs) = (id(1), id(2));
    assert_eq!(job::lease(&mut conn, "rollup", ours, 60_000).await?, Some(1));
    assert_eq!(job::lease(&mut conn, "rollup", theirs, 60_000).await?, None, "another holds it");
    assert_eq!(job::lease(&mut conn, "rollup", ours, 60_000).await?, Some(1), "the holder keeps it");
    assert_eq!(job::lease(&mut conn, "other", theirs, 60_000).await?, Some(1), "each job has its own");
    assert!(job::holds(&mut conn, "rollup", ours, 1).await? && !job::holds(&mut conn, "rollup", theirs, 1).await?);
    // A holder that died loses it when its time is over.
    headroom_store::set_test_clock(&mut conn, 61_000).await?;
    assert_eq!(
        job::lease(&mut conn, "rollup", theirs, 60_000).await?,
        Some(2),
        "the epoch grows when it changes hands"
    );
    assert!(!job::holds(&mut conn, "rollup", ours, 1).await?, "the former holder must not write");
    job::release(&mut conn, "rollup", ours).await?;
    assert_eq!(job::lease(&mut conn, "rollup", ours, 60_000).await?, None, "only the holder can give it back");
    job::release(&mut conn, "rollup", theirs).await?;
    assert_eq!(job::lease(&mut conn, "rollup", ours, 60_000).await?, Some(3));

    let run_of = |outcome: &str, started_ms| job::Run {
        job: "rollup".into(),
        started_ms,
        finished_ms: Some(started_ms + 1),
        outcome: Some(outcome.into()),
        detail: json!({ "rows": 1 }),
        due_ms: None,
        asked_by: None,
        server: None,
    };
    for (n, (outcome, at)) in
        [("nothing", 1_000), ("done", 2_000), ("nothing", 3_000), ("nothing", 4_000)].into_iter().enumerate()
    {
        job::record(&mut conn, id(n as u128), 1, &run_of(outcome, at)).await?;
    }
    let runs = job::runs(&mut conn, Some("rollup"), 10).await?;
    assert_eq!(runs, [run_of("nothing", 4_000), run_of("done", 2_000)], "of runs without work only the newest is kept");
    assert_eq!(job::runs(&mut conn, None, 1).await?.len(), 1);
    assert_eq!(job::forget(&mut conn, 3_000).await?, 1);
    Ok(())
}

/// An hour of one pool at a steady level.
fn hour(pool: i32, at: i64, capacity: i64, tenants: &[(i32, i64)]) -> Accumulated {
    let mut accumulator = Accumulator::default();
    let counters = Counters { claims: 10, rejections: 1, ..Counters::default() };
    let tenants = tenants
        .iter()
        .map(|(tenant, occupied)| TenantReading { tenant: *tenant, occupied: *occupied, reserved: 2, counters })
        .collect();
    accumulator.reading(pool, &Reading { at, duration_ms: HOUR_MS, capacity, tenants, ..Reading::default() });
    accumulator.take()
}

async fn all_sums(conn: &mut PgConnection) -> Result<BTreeMap<(i32, i32), WideSums>> {
    usage::sums(conn, &Wanted::default(), None, None).await?.map_err(|e| anyhow::anyhow!("{e:?}"))
}

#[tokio::test]
async fn an_import_is_seen_when_it_is_done_and_goes_as_a_whole() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let render = pool::create(&mut conn, id(1), &pool_fields("render")?).await?;
    let acme = tenant::create(&mut conn, id(1), &tenant_fields("acme")?).await?;
    let begun = import::begin(&mut conn, "occupancy", "key", "samples.csv").await?;
    assert_eq!(
        import::begin(&mut conn, "occupancy", "key", "other name").await?.part,
        begun.part,
        "the same content is the same import"
    );
    assert!(!begun.is_done() && begun.part > LIVE);
    assert!(import::try_lock(&mut conn, begun.part).await?);
    import::unlock(&mut conn, begun.part).await?;

    history::merge(&mut conn, begun.part, hour(render, MONDAY_MS, 10, &[(acme, 4)])).await?;
    import::progress(&mut conn, begun.part, 100, 5, 1, Some(&json!({ "line": 5 }))).await?;
    assert_eq!(import::find(&mut conn, "key").await?.context("it")?.resume, Some(json!({ "line": 5 })));
    assert!(all_sums(&mut conn).await?.is_empty(), "nothing is visible half-way");
    assert_eq!(history::extent(&mut conn, Some(render)).await?, None);

    let mut tx = conn.begin().await?;
    import::lock_finish(&mut tx).await?;
    import::finish(&mut tx, begun.part, 6, 1, &json!({ "ok": true })).await?;
    import::make_durable(&mut tx).await?;
    tx.commit().await?;
    let sums = all_sums(&mut conn).await?;
    assert_eq!(sums[&(render, acme)].occupied_slot_ms, i128::from(4 * HOUR_MS));
    assert_eq!(sums[&(render, ALL_TENANTS)].capacity_slot_ms, i128::from(10 * HOUR_MS));
    assert_eq!(sums[&(render, ALL_TENANTS)].rejections, 1);
    assert_eq!(history::extent(&mut conn, Some(render)).await?, Some((MONDAY_MS, MONDAY_MS + DAY_MS)));
    assert_eq!(import::name_of(&mut conn, begun.part).await?.as_deref(), Some("samples.csv"));
    let listed = import::list(&mut conn).await?;
    assert_eq!((listed.len(), listed[0].rows_done, listed[0].is_done()), (1, 6, true));

    // A second history of the same time is noticed.
    let second = import::begin(&mut conn, "occupancy", "second", "again.csv").await?.part;
    history::merge(&mut conn, second, hour(render, MONDAY_MS, 10, &[(acme, 4)])).await?;
    assert_eq!(history::overlaps(&mut conn, second, 10).await?, [(render, MONDAY_MS)]);
    let seen = import::observed_elsewhere(&mut conn, Some(second), render, MONDAY_MS, MONDAY_MS + HOUR_MS).await?;
    assert_eq!(seen, [(MONDAY_MS, HOUR_MS, begun.part)]);
    assert!(import::remove(&mut conn, second).await?);

    history::set_newest(&mut conn, &BTreeMap::from([(render, MONDAY_MS + HOUR_MS)])).await?;
    assert_eq!(history::newest(&mut conn).await?, Some(MONDAY_MS + HOUR_MS));
    assert_eq!(history::pools_of_part(&mut conn, begun.part).await?, [render]);
    assert!(import::remove(&mut conn, begun.part).await?);
    history::reset_newest(&mut conn, &[render]).await?;
    assert_eq!(history::newest(&mut conn).await?, None);
    assert!(all_sums(&mut conn).await?.is_empty());
    for table in ["occ_1m", "occ_5m", "occ_1h", "occ_1d", "signal_5m", "import"] {
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&mut conn)
            .await?;
        assert_eq!(left, 0, "{table} is empty again");
    }

    // Keys that an import reserves; a slug that was taken meanwhile leads its history to whoever has it.
    let part = import::begin(&mut conn, "swf", "third", "log.swf").await?.part;
    let pools = import::reserve_keys(&mut conn, Noun::Pool, 2).await?;
    let tenants = import::reserve_keys(&mut conn, Noun::Tenant, 1).await?;
    history::merge(&mut conn, part, hour(pools[0], MONDAY_MS, 10, &[(tenants[0], 3)])).await?;
    assert_eq!(import::make_pool(&mut conn, part, pools[0], id(7), &pool_fields("render")?).await?, render);
    assert_eq!(import::make_pool(&mut conn, part, pools[1], id(8), &pool_fields("new-one")?).await?, pools[1]);
    import::make_tenants(&mut conn, part, &[(tenants[0], id(9), slug("acme")?, "Acme".into())]).await?;
    import::finish(&mut conn, part, 0, 0, &json!({})).await?;
    assert_eq!(all_sums(&mut conn).await?[&(render, acme)].occupied_slot_ms, i128::from(3 * HOUR_MS));
    let names = import::names(&mut conn, Noun::Pool, None).await?;
    assert!(names.iter().any(|n| n.slug == "new-one" && n.key == pools[1] && !n.archived), "{names:?}");
    assert_eq!(import::names(&mut conn, Noun::Tenant, Some(&["acme".into()])).await?.len(), 1);
    import::long_work(&mut conn).await?;
    Ok(())
}

#[tokio::test]
async fn history_adds_up_at_every_step() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let a = pool::create(&mut conn, id(1), &pool_fields("a")?).await?;
    let b = pool::create(&mut conn, id(2), &pool_fields("b")?).await?;
    let (x, y) = (
        tenant::create(&mut conn, id(1), &tenant_fields("x")?).await?,
        tenant::create(&mut conn, id(2), &tenant_fields("y")?).await?,
    );
    for cut in [Cut::Minutes, Cut::FiveMinutes] {
        partition::ensure(&mut conn, cut, MONDAY_MS, MONDAY_MS + 2 * DAY_MS).await?;
    }
    for h in 0..30 {
        history::merge(&mut conn, LIVE, hour(a, MONDAY_MS + h * HOUR_MS, 10, &[(x, 4), (y, h % 3)])).await?;
        history::merge(&mut conn, LIVE, hour(b, MONDAY_MS + h * HOUR_MS, 100, &[(x, 50)])).await?;
    }
    let (from, to) = (MONDAY_MS, MONDAY_MS + 30 * HOUR_MS);
    let of_a: i64 = (0..30).map(|h| 4 + h % 3).sum();
    for step in [Step::Minute, Step::FiveMinutes, Step::Hour] {
        let series = history::series(&mut conn, step, &[a], &[ALL_TENANTS], from, to).await?;
        let total = series[&SeriesKey { pool: a, tenant: ALL_TENANTS }].total();
        assert_eq!(
            (total.occupied_slot_ms, total.capacity_slot_ms, total.observed_ms),
            (of_a * HOUR_MS, 300 * HOUR_MS, 30 * HOUR_MS),
            "{step:?}"
        );
        assert_eq!(total.max_occupied, 6);
    }
    for step in [Step::FiveMinutes, Step::Hour] {
        let stored = history::total_series(&mut conn, step, &[ALL_POOLS], &[ALL_TENANTS], from, to).await?.total();
        let added = history::total_series(&mut conn, step, &[a, b], &[ALL_TENANTS], from, to).await?.total();
        assert_eq!(
            stored.occupied_slot_ms, added.occupied_slot_ms,
            "{step:?}: the total over pools is the sum of the pools"
        );
    }
    let days =
        usage::days(&mut conn, &Wanted { pools: Some(vec![a]), tenants: Some(vec![ALL_TENANTS]) }, None, None).await?;
    assert_eq!(days.len(), 2);
    assert_eq!(days.values().map(|s| s.occupied_slot_ms).sum::<i64>(), of_a * HOUR_MS);
    let totals = usage::tenant_use(&mut conn, from, to).await?;
    assert_eq!(totals[&x], i128::from(54 * 30 * HOUR_MS));
    assert!(history::latency(&mut conn, a, from, to).await?.is_empty());
    assert!(history::signal(&mut conn, a, 1, from, to).await?.is_empty());

    // A range in the middle of a day, to the minute, is the difference of two longer ones.
    let wanted = Wanted { pools: Some(vec![a]), tenants: Some(vec![ALL_TENANTS]) };
    let mut sum = async |from, to| -> Result<i128> {
        let sums =
            usage::sums(&mut conn, &wanted, Some(from), Some(to)).await?.map_err(|e| anyhow::anyhow!("{e:?}"))?;
        Ok(sums[&(a, ALL_TENANTS)].occupied_slot_ms)
    };
    let middle = MONDAY_MS + 7 * HOUR_MS + 13 * MINUTE_MS;
    assert_eq!(sum(from, middle).await? + sum(middle, to).await?, i128::from(of_a * HOUR_MS));
    let odd = usage::sums(&mut conn, &wanted, Some(middle + 1), None).await?;
    assert_eq!(odd, Err(usage::NotStored { at: middle + 1, before: middle, after: middle + MINUTE_MS }));
    Ok(())
}

#[tokio::test]
async fn dropping_fine_history_does_not_change_usage() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    let render = pool::create(&mut conn, id(1), &pool_fields("render")?).await?;
    let acme = tenant::create(&mut conn, id(1), &tenant_fields("acme")?).await?;
    for cut in Cut::ALL {
        let made = partition::ensure(&mut conn, cut, MONDAY_MS, MONDAY_MS + 9 * DAY_MS).await?;
        assert_eq!(
            made,
            match cut {
                Cut::Raw | Cut::SlotEvents | Cut::ClaimTraces | Cut::Counts => 10,
                Cut::Minutes => 2,
                Cut::FiveMinutes => 1,
            }
        );
        assert_eq!(partition::ensure(&mut conn, cut, MONDAY_MS, MONDAY_MS + 9 * DAY_MS).await?, 0, "they are there");
        let list = partition::list(&mut conn, cut).await?;
        assert_eq!(list.len(), made as usize);
        assert!(list.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms), "without a gap: {list:?}");
        assert!(list[0].from_ms <= MONDAY_MS);
    }
    for h in 0..(9 * 24) {
        history::merge(&mut conn, LIVE, hour(render, MONDAY_MS + h * HOUR_MS, 10, &[(acme, h % 11)])).await?;
    }
    history::set_newest(&mut conn, &BTreeMap::from([(render, MONDAY_MS + 9 * DAY_MS)])).await?;
    let before = all_sums(&mut conn).await?;
    let weeks = partition::list(&mut conn, Cut::Minutes).await?;
    let holders = partition::holders(&mut conn, Cut::Minutes, &weeks[0]).await?;
    assert_eq!((holders.len(), holders[0].keep_days, holders[0].newest_ms), (1, Some(90), MONDAY_MS + 9 * DAY_MS));
    let months = partition::list(&mut conn, Cut::FiveMinutes).await?;
    assert_eq!(partition::holders(&mut conn, Cut::FiveMinutes, &months[0]).await?.len(), 1);

    let bytes: i64 = sqlx::query_scalar("SELECT count(*) FROM occ_1m").fetch_one(&mut conn).await?;
    assert!(bytes > 0);
    for cut in [Cut::Raw, Cut::Minutes] {
        for old in partition::list(&mut conn, cut).await? {
            partition::drop(&mut conn, &old).await?;
        }
        assert!(partition::list(&mut conn, cut).await?.is_empty());
    }
    assert_eq!(all_sums(&mut conn).await?, before, "minutes and raw batches are not needed for sums");
    let wanted = Wanted::default();
    let hours =
        usage::sums(&mut conn, &wanted, Some(MONDAY_MS + 5 * HOUR_MS), Some(MONDAY_MS + 4 * DAY_MS + HOUR_MS)).await?;
    assert!(hours.is_ok(), "hours outlive minutes: {hours:?}");
    let fives =
        usage::sums(&mut conn, &wanted, Some(MONDAY_MS + 5 * MINUTE_MS), Some(MONDAY_MS + 10 * MINUTE_MS)).await?;
    assert!(fives.is_ok(), "so do five minutes: {fives:?}");
    let minute = usage::sums(&mut conn, &wanted, Some(MONDAY_MS + MINUTE_MS), Some(MONDAY_MS + 10 * MINUTE_MS)).await?;
    let expected = usage::NotStored { at: MONDAY_MS + MINUTE_MS, before: MONDAY_MS, after: MONDAY_MS + 5 * MINUTE_MS };
    assert_eq!(minute, Err(expected), "a minute that is gone is told, with what is left");

    // The negative control: the comparison above would notice.
    sqlx::query("DELETE FROM occ_1d WHERE start_at = to_timestamp($1)")
        .bind((MONDAY_MS / 1000) as f64)
        .execute(&mut conn)
        .await?;
    assert_ne!(all_sums(&mut conn).await?, before);
    Ok(())
}

#[tokio::test]
async fn the_job_keeps_what_was_imported_and_what_silent_pools_have() -> Result<()> {
    let database = Database::create().await?;
    let mut conn = database.connect().await?;
    let now = headroom_store::now(&mut conn).await?;
    let today = now - now % DAY_MS;
    let long_ago = today - 300 * DAY_MS;
    let keep =
        |days| PoolFields { retention_days: days, ..pool_fields("x").unwrap_or_else(|_| unreachable!("a slug")) };
    let make = async |conn: &mut PgConnection, n: u128, name: &str, days| -> Result<i32> {
        Ok(pool::create(conn, id(n), &PoolFields { slug: slug(name)?, ..keep(days) }).await?)
    };
    let lively = make(&mut conn, 1, "lively", Some(30)).await?;
    let silent = make(&mut conn, 2, "silent", Some(30)).await?;
    let imported = make(&mut conn, 3, "imported", Some(30)).await?;
    for at in [long_ago, today - 400 * DAY_MS] {
        for cut in Cut::ALL {
            partition::ensure(&mut conn, cut, at, at).await?;
        }
    }
    partition::ensure(&mut conn, Cut::Minutes, today, today).await?;
    partition::ensure(&mut conn, Cut::FiveMinutes, today, today).await?;
    // The lively pool sent then and now, the silent one only 400 days ago.
    history::merge(&mut conn, LIVE, hour(lively, long_ago, 10, &[(1, 1)])).await?;
    history::merge(&mut conn, LIVE, hour(lively, today, 10, &[(1, 1)])).await?;
    history::merge(&mut conn, LIVE, hour(silent, today - 400 * DAY_MS, 10, &[(1, 1)])).await?;
    let part = import::begin(&mut conn, "occupancy", "k", "old.csv").await?.part;
    history::merge(&mut conn, part, hour(imported, today - 900 * DAY_MS, 10, &[(1, 1)])).await?;
    import::finish(&mut conn, part, 1, 0, &json!({})).await?;
    history::set_newest(&mut conn, &BTreeMap::from([(lively, today + HOUR_MS), (silent, today - 399 * DAY_MS)]))
        .await?;
    let before = all_sums(&mut conn).await?;
    let minutes = async |conn: &mut PgConnection, pool: i32| -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM occ_1m WHERE pool_id = $1 AND tenant_id = 0")
            .bind(pool)
            .fetch_one(conn)
            .await?)
    };
    assert_eq!((minutes(&mut conn, lively).await?, minutes(&mut conn, silent).await?), (2, 1));

    let service = headroom_tests::service::Service::start(&["serve", "--database-url", database.url()])?;
    let client = headroom_tests::client::Client::new(service.url())?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !client
        .get("/api/v1/jobs")
        .await?
        .json()?
        .as_array()
        .is_some_and(|runs| runs.iter().any(|r| r["job"] == "partitions"))
    {
        anyhow::ensure!(std::time::Instant::now() < deadline, "the job did not run within 30 s");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(minutes(&mut conn, lively).await?, 1, "what is past its retention is gone");
    assert_eq!(minutes(&mut conn, silent).await?, 1, "a pool that fell silent keeps its last days");
    assert_eq!(minutes(&mut conn, imported).await?, 1, "what was imported is kept");
    assert_eq!(all_sums(&mut conn).await?, before, "sums are as they were");
    let fives: i64 = sqlx::query_scalar("SELECT count(*) FROM occ_5m WHERE pool_id = $1 AND tenant_id = 0")
        .bind(lively)
        .fetch_one(&mut conn)
        .await?;
    assert_eq!(fives, 2, "five minutes are kept for more than a year");
    Ok(())
}

#[tokio::test]
async fn migrations_run_twice_and_at_once() -> Result<()> {
    let database = Database::empty().await?;
    let mut conn = database.connect().await?;
    MIGRATOR.run(&mut conn).await?;
    MIGRATOR.run(&mut conn).await?;
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(&mut conn).await?;
    assert_eq!(applied, MIGRATOR.iter().count() as i64);

    let fresh = Database::empty().await?;
    let children: Vec<_> = (0..3)
        .map(|_| {
            let mut command = command(&["pool", "list", "--database-url", fresh.url()])?;
            Ok(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?)
        })
        .collect::<Result<_>>()?;
    for child in children {
        let output = child.wait_with_output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(run(&["usage", "--database-url", fresh.url()])?.status.success());
    Ok(())
}

#[tokio::test]
async fn the_test_clock_moves_every_statement() -> Result<()> {
    let mut conn = Database::create().await?.connect().await?;
    assert!(!headroom_store::has_test_clock(&mut conn).await?);
    let real = headroom_store::now(&mut conn).await?;
    headroom_store::set_test_clock(&mut conn, -DAY_MS).await?;
    assert!(headroom_store::has_test_clock(&mut conn).await?);
    let moved = headroom_store::now(&mut conn).await?;
    assert!((moved - (real - DAY_MS)).abs() < MINUTE_MS);
    pool::create(&mut conn, id(1), &pool_fields("p")?).await?;
    let made = pool::by_slug(&mut conn, "p").await?.context("the pool")?;
    assert!((made.created_ms - moved).abs() < MINUTE_MS, "also what the schema fills in by itself");
    Ok(())
}
