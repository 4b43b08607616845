//! The JSON API as a program meets it: what can be made, changed and read, and how a wrong request is told what is wrong.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::service::{Service, run};
use headroom_tests::workspace::root;
use http::Method;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-03-02T00:00:00Z, a Monday.
const MONDAY_MS: i64 = 1_772_409_600_000;

/// A service on a database of its own.
struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn empty() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        Ok(Self { database, service, client })
    }

    async fn pool(&self, slug: &str, capacity: i64) -> Result<Value> {
        let body = json!({ "slug": slug, "name": slug, "capacity": capacity });
        self.client.json(Method::POST, "/api/v1/pools", &body).await?.expect(201)?.json()
    }

    async fn tenant(&self, slug: &str) -> Result<Value> {
        let body = json!({ "slug": slug, "name": slug });
        self.client.json(Method::POST, "/api/v1/tenants", &body).await?.expect(201)?.json()
    }
}

/// The one field that a problem names: its name, what was found and what was expected.
fn wrong_field(answer: &Answer) -> Result<(String, String, String)> {
    let problem = answer.problem(422)?;
    let errors = problem["errors"].as_array().with_context(|| format!("no fields are named: {problem}"))?;
    ensure!(errors.len() == 1, "one field is wrong, named are {problem}");
    let text =
        |member: &str| errors[0][member].as_str().map(str::to_owned).with_context(|| format!("no {member}: {problem}"));
    Ok((text("field")?, text("found")?, text("expected")?))
}

#[tokio::test]
async fn a_pool_is_made_read_and_listed() -> Result<()> {
    let world = World::empty().await?;
    let body = json!({
        "slug": "render", "name": "Render farm", "kind": "autoscaling", "capacity": 120, "planned_down": 20,
        "min_slots": 10, "max_slots": 200, "unit_cost_micros": 12_500, "owner": "media",
        "runbook_url": "https://runbooks.example/render", "labels": { "env": "prod" }, "zone": "Europe/Berlin",
        "services": [{ "service": "video", "endpoint": "/encode", "customer_facing": true }],
        "region": "eu-west", "stamp": "eu-1", "feed_period_ms": 10_000, "retention_days": 30
    });
    let made = world.client.json(Method::POST, "/api/v1/pools", &body).await?.expect(201)?.json()?;
    let read = world.client.get("/api/v1/pools/render").await?.expect(200)?.json()?;
    assert_eq!(made, read, "what was made is what is read");
    for (member, expected) in body.as_object().context("an object")? {
        if !["capacity", "planned_down"].contains(&member.as_str()) {
            assert_eq!(&read[member], expected, "{member}");
        }
    }
    assert_eq!((&read["configured"], &read["planned_down"], &read["capacity"]), (&json!(120), &json!(20), &json!(100)));
    assert_eq!(read["occupied"], Value::Null, "nothing was ever sent, so nothing is known");

    let list = world.client.get("/api/v1/pools").await?.expect(200)?.json()?;
    assert_eq!(list, json!([read]));
    let of_stamp = world.client.get("/api/v1/pools?stamp=eu-1").await?.expect(200)?.json()?;
    assert_eq!(of_stamp.as_array().map(Vec::len), Some(1));

    let taken = world.client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "render", "capacity": 1 })).await?;
    assert!(taken.problem(409)?["detail"].as_str().unwrap_or_default().contains("\"render\" exists already"));
    Ok(())
}

#[tokio::test]
async fn a_change_needs_the_version_it_was_made_on() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    let path = "/api/v1/pools/render";
    let patch = async |body: Value| world.client.json(Method::PATCH, path, &body).await;

    let (field, _, expected) = wrong_field(&patch(json!({ "owner": "media" })).await?)?;
    assert_eq!(field, "version");
    assert!(expected.ends_with("it is 1 now"), "{expected}");

    let changed = patch(json!({ "version": 1, "owner": "media" })).await?.expect(200)?.json()?;
    assert_eq!((&changed["owner"], &changed["version"]), (&json!("media"), &json!(2)));
    assert_eq!(changed["name"], "render", "what is left out stays");

    let stale = patch(json!({ "version": 1, "owner": "somebody" })).await?.problem(409)?;
    let detail = stale["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("version 2") && detail.contains("version 1"), "both versions are named: {detail}");
    assert_eq!(world.client.get(path).await?.json()?["owner"], "media", "the stale change was not made");

    let (field, found, expected) = wrong_field(&patch(json!({ "version": 2, "capacity": 5 })).await?)?;
    assert_eq!((field.as_str(), found.as_str()), ("capacity", "5"));
    assert!(expected.contains("POST /api/v1/pools/render/capacity"), "it says where: {expected}");
    Ok(())
}

#[tokio::test]
async fn null_empties_a_field_that_may_be_empty() -> Result<()> {
    let world = World::empty().await?;
    let full = json!({
        "slug": "render", "capacity": 10, "min_slots": 1, "max_slots": 20, "unit_cost_micros": 5, "region": "eu-west",
        "stamp": "eu-1", "feed_period_ms": 10_000, "retention_days": 30
    });
    world.client.json(Method::POST, "/api/v1/pools", &full).await?.expect(201)?;
    let may_be_empty =
        ["min_slots", "max_slots", "unit_cost_micros", "region", "stamp", "feed_period_ms", "retention_days"];
    for (version, field) in (1..).zip(may_be_empty) {
        let change = json!({ "version": version, field: null });
        let after = world.client.json(Method::PATCH, "/api/v1/pools/render", &change).await?.expect(200)?.json()?;
        for other in may_be_empty {
            let emptied =
                may_be_empty.iter().position(|f| *f == other) <= may_be_empty.iter().position(|f| *f == field);
            let expected = if emptied { &Value::Null } else { &full[other] };
            assert_eq!(&after[other], expected, "{other} after {change}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_pool_needs_a_capacity() -> Result<()> {
    let world = World::empty().await?;
    let answer = world.client.json(Method::POST, "/api/v1/pools", &json!({ "slug": "render" })).await?;
    let (field, _, expected) = wrong_field(&answer)?;
    assert_eq!((field.as_str(), expected.as_str()), ("capacity", "0 to 10,000,000 slots"));
    assert_eq!(world.client.get("/api/v1/pools").await?.json()?, json!([]), "nothing was made");
    Ok(())
}

/// Each is wrong in one field only: (the request's members, the field, what was found).
fn wrong_pools() -> Vec<(Value, &'static str, String)> {
    let long = "x".repeat(121);
    let cut = format!("{}…", "x".repeat(80));
    vec![
        (json!({ "slug": "Render" }), "slug", "Render".into()),
        (json!({ "slug": "new" }), "slug", "new".into()),
        (json!({ "slug": "p", "name": long }), "name", cut.clone()),
        (json!({ "slug": "p", "name": "a\tb" }), "name", "a\tb".into()),
        (json!({ "slug": "p", "kind": "bottomless" }), "kind", "bottomless".into()),
        (json!({ "slug": "p", "sizing": "elastic" }), "sizing", "elastic".into()),
        (json!({ "slug": "p", "capacity": -1 }), "capacity", "-1".into()),
        (json!({ "slug": "p", "capacity": 10_000_001 }), "capacity", "10000001".into()),
        (json!({ "slug": "p", "capacity": 99_999_999_999_i64 }), "capacity", "99999999999".into()),
        (json!({ "slug": "p", "capacity": 5, "planned_down": 6 }), "planned_down", "6".into()),
        (json!({ "slug": "p", "min_slots": -1 }), "min_slots", "-1".into()),
        (json!({ "slug": "p", "min_slots": 9, "max_slots": 8 }), "max_slots", "8".into()),
        (json!({ "slug": "p", "unit_cost_micros": -1 }), "unit_cost_micros", "-1".into()),
        (json!({ "slug": "p", "zone": "Mars/Olympus" }), "zone", "Mars/Olympus".into()),
        (json!({ "slug": "p", "runbook_url": "javascript:alert(1)" }), "runbook_url", "javascript:alert(1)".into()),
        (json!({ "slug": "p", "region": "EU West" }), "region", "EU West".into()),
        (json!({ "slug": "p", "feed_period_ms": 1 }), "feed_period_ms", "1".into()),
        (json!({ "slug": "p", "retention_days": 0 }), "retention_days", "0".into()),
        (json!({ "slug": "p", "owner": long }), "owner", cut),
        (json!({ "slug": "p", "labels": { "": "v" } }), "labels", "=v".into()),
        (json!({ "slug": "p", "services": [{ "service": "" }] }), "services", String::new()),
        // A NUL cannot be stored as text, wherever it stands.
        (json!({ "slug": "p", "name": "\0" }), "name", "\0".into()),
        (json!({ "slug": "p", "description": "\0" }), "description", "\0".into()),
        (json!({ "slug": "p", "owner": "\0" }), "owner", "\0".into()),
        (json!({ "slug": "p", "runbook_url": "http://\0" }), "runbook_url", "http://\0".into()),
        (json!({ "slug": "p", "labels": { "a": "\0" } }), "labels", "a=\0".into()),
        (json!({ "slug": "p", "services": [{ "service": "s", "endpoint": "\0" }] }), "services", "\0".into()),
        (json!({ "slug": "p", "stamp": "\0" }), "stamp", "\0".into()),
    ]
}

#[tokio::test]
async fn a_wrong_field_is_named_with_what_was_found_and_expected() -> Result<()> {
    let world = World::empty().await?;
    for (mut body, field, found) in wrong_pools() {
        if body["capacity"].is_null() {
            body["capacity"] = json!(5);
        }
        let answer = world.client.json(Method::POST, "/api/v1/pools", &body).await?;
        let (said_field, said_found, expected) = wrong_field(&answer).with_context(|| body.to_string())?;
        assert_eq!((said_field.as_str(), &said_found), (field, &found), "{body}");
        assert!(!expected.is_empty() && !expected.contains("expected"), "{body}: {expected:?}");
        let detail = answer.json()?["detail"].as_str().unwrap_or_default().to_owned();
        assert_eq!(detail.matches("expected").count(), 1, "one sentence: {detail}");
    }
    assert_eq!(world.client.get("/api/v1/pools").await?.json()?, json!([]), "nothing was made");

    for (body, field) in [
        (json!({ "slug": "t", "priority": 10 }), "priority"),
        (json!({ "slug": "t", "weight": 0 }), "weight"),
        (json!({ "slug": "t", "tier": "x".repeat(41) }), "tier"),
        (json!({ "slug": "t", "cost_centre": "\0" }), "cost_centre"),
        (json!({ "slug": "t", "labels": { "a": "\0" } }), "labels"),
        (json!({ "slug": "t", "name": "" }), "name"),
    ] {
        let answer = world.client.json(Method::POST, "/api/v1/tenants", &body).await?;
        assert_eq!(wrong_field(&answer)?.0, field, "{body}");
    }
    assert_eq!(world.client.get("/api/v1/tenants").await?.json()?, json!([]), "nothing was made");
    Ok(())
}

#[tokio::test]
async fn several_wrong_fields_are_all_named() -> Result<()> {
    let world = World::empty().await?;
    let body = json!({ "slug": "p", "capacity": 1, "name": "", "zone": "Nowhere", "owner": "x".repeat(200) });
    let problem = world.client.json(Method::POST, "/api/v1/pools", &body).await?.problem(422)?;
    let mut fields: Vec<&str> =
        problem["errors"].as_array().into_iter().flatten().filter_map(|e| e["field"].as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["name", "owner", "zone"]);
    assert!(problem["detail"].as_str().unwrap_or_default().contains("3 fields"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_problem_too() -> Result<()> {
    let world = World::empty().await?;
    let post = async |kind: &str, body: &[u8]| {
        world.client.send(Method::POST, "/api/v1/pools", &[("content-type", kind)], Some(body.to_vec())).await
    };
    post("application/json", b"{").await?.problem(400)?;
    post("application/json", b"\xff\xfe").await?.problem(400)?;
    post("application/json", b"[1]").await?.problem(422)?;
    post("text/plain", b"{}").await?.problem(415)?;
    let unknown = post("application/json", br#"{"slug":"p","capacty":5}"#).await?.problem(422)?;
    assert!(unknown["detail"].as_str().unwrap_or_default().contains("capacty"), "the slip is named: {unknown}");
    post("application/json", br#"{"slug":"p","capacity":1e300}"#).await?.problem(422)?;
    // Nesting cannot exhaust the stack.
    post("application/json", "[".repeat(100_000).as_bytes()).await?.problem(400)?;
    let deep = format!("{{\"slug\":{}", "[".repeat(100_000));
    post("application/json", deep.as_bytes()).await?.problem(400)?;
    let mut large = br#"{"slug":""#.to_vec();
    large.resize(3 * 1024 * 1024, b'x');
    post("application/json", &large).await?.problem(413)?;
    Ok(())
}

#[tokio::test]
async fn capacity_has_a_history_and_may_begin_later() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 100).await?;
    let path = "/api/v1/pools/render/capacity";
    let set = async |body: Value| world.client.json(Method::POST, path, &body).await;

    let steps = set(json!({ "slots": 80, "planned_down": 30, "reason": "maintenance" })).await?.expect(200)?.json()?;
    assert_eq!(steps.as_array().map(Vec::len), Some(2));
    let pool = world.client.get("/api/v1/pools/render").await?.json()?;
    assert_eq!((&pool["configured"], &pool["planned_down"], &pool["capacity"]), (&json!(80), &json!(30), &json!(50)));

    let later = "2031-05-01T00:00:00Z";
    let steps = set(json!({ "slots": 500, "effective": later, "reason": "new hall" })).await?.expect(200)?.json()?;
    let last = steps.as_array().and_then(|s| s.last()).context("steps")?;
    assert_eq!((&last["from"], &last["configured"], &last["reason"]), (&json!(later), &json!(500), &json!("new hall")));
    let pool = world.client.get("/api/v1/pools/render").await?.json()?;
    assert_eq!(pool["configured"], 80, "what begins later does not hold yet");
    assert_eq!(world.client.get(path).await?.json()?, steps);

    let (field, found, expected) = wrong_field(&set(json!({ "slots": 10, "planned_down": 11 })).await?)?;
    assert_eq!((field.as_str(), found.as_str(), expected.as_str()), ("planned_down", "11", "0 to the capacity 10"));
    assert_eq!(wrong_field(&set(json!({ "slots": -1 })).await?)?.0, "slots");
    for effective in ["tomorrow", "9999-01-01T00:00:00Z", "now-99999999999999999999d", "1899-01-01T00:00:00Z"] {
        let (field, found, _) = wrong_field(&set(json!({ "slots": 1, "effective": effective })).await?)?;
        assert_eq!((field.as_str(), found.as_str()), ("effective", effective));
    }
    assert_eq!(wrong_field(&set(json!({ "slots": 1, "reason": "\0" })).await?)?.0, "reason");
    assert_eq!(world.client.get(path).await?.json()?, steps, "nothing was changed");

    let changes = world.client.get("/api/v1/changes?pool=render").await?.json()?;
    let titles: Vec<&str> = changes.as_array().into_iter().flatten().filter_map(|c| c["title"].as_str()).collect();
    assert_eq!(titles, ["capacity 100 → 80"], "a step is a change on the timeline of its time");
    Ok(())
}

#[tokio::test]
async fn a_renamed_thing_is_found_under_its_former_name() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    world.tenant("acme").await?;
    let rename = async |noun: &str, from: &str, to: &str| {
        world.client.json(Method::PATCH, &format!("/api/v1/{noun}/{from}"), &json!({ "version": 1, "slug": to })).await
    };
    rename("pools", "render", "render-eu").await?.expect(200)?;
    rename("tenants", "acme", "acme-corp").await?.expect(200)?;

    for (asked, leads_to) in [
        ("/api/v1/pools/render", "/api/v1/pools/render-eu"),
        ("/api/v1/tenants/acme", "/api/v1/tenants/acme-corp"),
        ("/api/v1/pools/render/capacity", "/api/v1/pools/render-eu/capacity"),
        ("/api/v1/pools/render/trend?from=now-1h&step=1m", "/api/v1/pools/render-eu/trend?from=now-1h&step=1m"),
    ] {
        let answer = world.client.get(asked).await?.expect(308)?;
        assert_eq!(answer.header("location"), leads_to, "{asked}");
        world.client.get(leads_to).await?.expect(200)?;
    }
    for (asked, leads_to) in [
        ("/pools/render", "/pools/render-eu"),
        ("/pools/render/edit", "/pools/render-eu/edit"),
        ("/pools/render?tab=policy&from=now-7d", "/pools/render-eu?tab=policy&from=now-7d"),
        ("/tenants/acme?tab=metering", "/tenants/acme-corp?tab=metering"),
    ] {
        let answer = world.client.page(asked).await?.expect(301)?;
        assert_eq!(answer.header("location"), leads_to, "{asked}");
        world.client.page(leads_to).await?.expect(200)?;
    }

    // Inside a request a former name is a value to correct: the request itself is not about that thing.
    let quota = json!({ "tenant": "acme", "slots": 5 });
    let answer = world.client.json(Method::PUT, "/api/v1/pools/render-eu/quotas", &quota).await?;
    let (field, found, expected) = wrong_field(&answer)?;
    assert_eq!((field.as_str(), found.as_str()), ("tenant", "acme"));
    assert!(expected.contains("acme-corp"), "{expected}");
    let change = json!([{ "at": "now", "kind": "deploy", "pool": "render", "title": "v2" }]);
    assert_eq!(wrong_field(&world.client.json(Method::POST, "/api/v1/changes", &change).await?)?.0, "pool");

    // The former name may be taken; it then means the new pool.
    world.pool("render", 3).await?;
    assert_eq!(world.client.get("/api/v1/pools/render").await?.expect(200)?.json()?["configured"], 3);
    Ok(())
}

#[tokio::test]
async fn an_archived_thing_leaves_the_lists_and_keeps_its_address() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    world.tenant("acme").await?;
    for (noun, slug) in [("pools", "render"), ("tenants", "acme")] {
        let path = format!("/api/v1/{noun}/{slug}");
        world.client.send(Method::DELETE, &path, &[], None).await?.expect(204)?;
        assert_eq!(world.client.get(&format!("/api/v1/{noun}")).await?.json()?, json!([]));
        let kept = world.client.get(&path).await?.expect(200)?.json()?;
        assert!(kept["archived_at"].is_string(), "{kept}");
        world.client.send(Method::DELETE, &path, &[], None).await?.expect(204)?;
        world.client.send(Method::DELETE, &format!("/api/v1/{noun}/nobody"), &[], None).await?.problem(404)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tenant_is_made_changed_and_listed() -> Result<()> {
    let world = World::empty().await?;
    let body = json!({ "name": "Acme Search", "tier": "gold", "priority": 2, "weight": 30, "cost_centre": "cc-1",
        "owner": "search", "labels": { "env": "prod" } });
    let made = world.client.json(Method::POST, "/api/v1/tenants", &body).await?.expect(201)?.json()?;
    assert_eq!(made["slug"], "acme-search", "a slug is made from the name");
    for (member, expected) in body.as_object().context("an object")? {
        assert_eq!(&made[member], expected, "{member}");
    }
    let change = json!({ "version": 1, "tier": "silver" });
    let path = "/api/v1/tenants/acme-search";
    let changed = world.client.json(Method::PATCH, path, &change).await?.expect(200)?.json()?;
    assert_eq!(
        (&changed["tier"], &changed["owner"], &changed["version"]),
        (&json!("silver"), &json!("search"), &json!(2))
    );
    world.client.json(Method::PATCH, path, &change).await?.problem(409)?;
    let taken = json!({ "slug": "acme-search" });
    world.client.json(Method::POST, "/api/v1/tenants", &taken).await?.problem(409)?;
    let list = world.client.get("/api/v1/tenants").await?.expect(200)?.json()?;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(world.client.get("/api/v1/tenants/top").await?.expect(200)?.json()?, json!([]), "nobody used anything");
    Ok(())
}

#[tokio::test]
async fn a_quota_is_set_changed_and_removed() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    world.tenant("acme").await?;
    let put = async |body: Value| world.client.json(Method::PUT, "/api/v1/pools/render/quotas", &body).await;
    let quota = async || {
        Ok::<_, anyhow::Error>(world.client.get("/api/v1/tenants/acme").await?.expect(200)?.json()?["quota"].clone())
    };
    put(json!({ "tenant": "acme", "slots": 7 })).await?.expect(204)?;
    assert_eq!(quota().await?, 7);
    put(json!({ "tenant": "acme", "slots": 9 })).await?.expect(204)?;
    assert_eq!(quota().await?, 9);
    for slots in [-1_i64, 10_000_001, 99_999_999_999] {
        assert_eq!(wrong_field(&put(json!({ "tenant": "acme", "slots": slots })).await?)?.0, "slots");
    }
    put(json!({ "tenant": "nobody", "slots": 1 })).await?.problem(404)?;
    assert_eq!(quota().await?, 9, "nothing was changed");
    put(json!({ "tenant": "acme", "slots": null })).await?.expect(204)?;
    assert_eq!(quota().await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_change_is_recorded_once() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    let record = async |body: &Value| world.client.json(Method::POST, "/api/v1/changes", body).await;
    let change = json!([{ "at": "2026-03-02T10:00:00Z", "kind": "deploy", "pool": "render", "title": "v2",
        "url": "https://ci.example/2", "actor": "ada", "source": "ci" }]);
    assert_eq!(record(&change).await?.expect(200)?.json()?, json!({ "recorded": 1 }));
    assert_eq!(record(&change).await?.expect(200)?.json()?, json!({ "recorded": 0 }), "again it is nothing new");
    let asked = "/api/v1/changes?from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z";
    assert_eq!(world.client.get(asked).await?.expect(200)?.json()?, change);

    for (member, value) in [
        ("at", json!("yesterday")),
        ("kind", json!("earthquake")),
        ("title", json!("")),
        ("title", json!("\0")),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("http://\0")),
        ("actor", json!("\0")),
        ("source", json!("\0")),
    ] {
        let mut wrong = change.clone();
        wrong[0][member] = value;
        assert_eq!(wrong_field(&record(&wrong).await?)?.0, format!("0.{member}"), "{wrong}");
    }
    let mut elsewhere = change.clone();
    elsewhere[0]["pool"] = json!("rendr");
    assert_eq!(record(&elsewhere).await?.problem(404)?["suggestion"], "render");
    elsewhere[0]["pool"] = json!("\0");
    record(&elsewhere).await?.problem(404)?;
    let many: Vec<Value> = std::iter::repeat_n(change[0].clone(), 1_001).collect();
    record(&Value::from(many)).await?.problem(422)?;
    Ok(())
}

/// Two days of one pool with two tenants, in hours that anyone can add up.
async fn with_history(world: &World) -> Result<()> {
    use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
    world.pool("render", 100).await?;
    world.pool("batch", 50).await?;
    world.tenant("acme").await?;
    world.tenant("zeta").await?;
    let mut conn = world.database.connect().await?;
    let pools = headroom_store::pool::keys(&mut conn).await?;
    let tenants = headroom_store::tenant::keys(&mut conn).await?;
    let key = |known: &[(i32, String)], slug: &str| known.iter().find(|(_, s)| s == slug).map(|(key, _)| *key);
    let (render, batch) = (key(&pools, "render").context("render")?, key(&pools, "batch").context("batch")?);
    let (acme, zeta) = (key(&tenants, "acme").context("acme")?, key(&tenants, "zeta").context("zeta")?);
    let mut history = Accumulator::default();
    for hour in 0..48 {
        let at = MONDAY_MS + hour * HOUR_MS;
        let tenant =
            |tenant, occupied, reserved| TenantReading { tenant, occupied, reserved, ..TenantReading::default() };
        let reading = |capacity, tenants| Reading { at, duration_ms: HOUR_MS, capacity, tenants, ..Reading::default() };
        history.reading(render, &reading(100, vec![tenant(acme, 10 + hour, 20), tenant(zeta, 5, 0)]));
        history.reading(batch, &reading(50, vec![tenant(zeta, 50, 0)]));
    }
    let part = headroom_store::import::begin(&mut conn, "occupancy", "history", "history").await?.part;
    headroom_store::history::merge(&mut conn, part, history.take()).await?;
    headroom_store::import::finish(&mut conn, part, 0, 0, &json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn usage_is_the_same_as_json_as_csv_and_on_the_command_line() -> Result<()> {
    let world = World::empty().await?;
    with_history(&world).await?;

    let rows = world.client.get("/api/v1/usage?by=tenant").await?.expect(200)?.json()?;
    let render_acme = &rows
        .as_array()
        .into_iter()
        .flatten()
        .find(|r| r["pool"] == "render" && r["tenant"] == "acme")
        .context("a row")?;
    let slots: i64 = (0..48).map(|hour| 10 + hour).sum();
    assert_eq!(render_acme["occupied_slot_ms"], slots * HOUR_MS);
    assert_eq!(render_acme["capacity_slot_ms"], 100 * 48 * HOUR_MS, "the capacity is the pool's");
    assert_eq!(render_acme["reserved_slot_ms"], 20 * 48 * HOUR_MS);
    let idle: i64 = (0..10).map(|hour| 10 - hour).sum();
    assert_eq!(render_acme["reserved_idle_slot_ms"], idle * HOUR_MS);
    assert_eq!(render_acme["max_occupied"], 57);

    for by in ["pool", "tenant", "day"] {
        for range in ["", "&from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z"] {
            let query = format!("by={by}{range}");
            let csv = world.client.get(&format!("/api/v1/usage?{query}&format=csv")).await?.expect(200)?;
            let accepted = world
                .client
                .send(Method::GET, &format!("/api/v1/usage?{query}"), &[("accept", "text/csv")], None)
                .await?;
            assert_eq!(csv.body, accepted.body, "the header asks for the same CSV");
            let json = world.client.get(&format!("/api/v1/usage?{query}")).await?.expect(200)?.json()?;
            let lines = csv.csv()?;
            let rows = json.as_array().context("rows")?;
            assert_eq!(lines.len(), rows.len() + 1, "{query}");
            assert!(!rows.is_empty(), "{query}");
            for (line, row) in lines[1..].iter().zip(rows) {
                for (column, cell) in lines[0].iter().zip(line) {
                    let value = row[column].as_str().map_or_else(|| row[column].to_string(), str::to_owned);
                    assert_eq!(*cell, value, "{query}: {column}");
                }
            }
            let mut arguments = vec!["usage", "--database-url", world.database.url(), "--by", by];
            if !range.is_empty() {
                arguments.extend(["--from", "2026-03-02T00:00:00Z", "--to", "2026-03-03T00:00:00Z"]);
            }
            let said = run(&arguments)?;
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            assert_eq!(String::from_utf8(said.stdout)?, csv.body, "{query}: the command line says the same");
            let said = run(&[&arguments[..], &["--format", "json"]].concat())?;
            assert_eq!(serde_json::from_slice::<Value>(&said.stdout)?, json, "{query}");
        }
    }
    // One pool of two, to the minute.
    let rows = world
        .client
        .get("/api/v1/usage?pool=render&from=2026-03-02T01:30:00Z&to=2026-03-02T01:31:00Z")
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(rows[0]["occupied_slot_ms"], 16 * 60_000);
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn usage_between_stored_steps_names_the_two_nearest() -> Result<()> {
    let world = World::empty().await?;
    with_history(&world).await?;
    for (query, field, nearest) in [
        ("from=2026-03-02T10:00:30Z", "from", ["2026-03-02T10:00:00Z", "2026-03-02T10:01:00Z"]),
        (
            "from=2026-03-02T00:00:00Z&to=2026-03-02T10:00:00.500Z",
            "to",
            ["2026-03-02T10:00:00Z", "2026-03-02T10:01:00Z"],
        ),
        ("by=day&from=2026-03-02T10:00:00Z", "from", ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]),
    ] {
        let (said, _, expected) = wrong_field(&world.client.get(&format!("/api/v1/usage?{query}")).await?)?;
        assert_eq!(said, field, "{query}");
        assert!(nearest.iter().all(|at| expected.contains(at)), "{query}: {expected}");
        let arguments: Vec<String> =
            query.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| format!("--{k}={v}")).collect();
        let mut all = vec!["usage", "--database-url", world.database.url()];
        all.extend(arguments.iter().map(String::as_str));
        let said = run(&all)?;
        assert_eq!(said.status.code(), Some(1), "{query}");
        let sentence = String::from_utf8(said.stderr)?;
        assert!(nearest.iter().all(|at| sentence.contains(at)), "{query}: {sentence}");
    }
    for (query, field) in [
        ("from=2026-03-03T00:00:00Z&to=2026-03-02T00:00:00Z", "to"),
        ("by=week", "by"),
        ("format=xml", "format"),
        ("from=never", "from"),
        ("to=9999-12-31T23:59:59Z", "to"),
        ("from=now-99999999999999999999d", "from"),
    ] {
        assert_eq!(wrong_field(&world.client.get(&format!("/api/v1/usage?{query}")).await?)?.0, field, "{query}");
    }
    let problem = world.client.get("/api/v1/usage?pool=rendre").await?.problem(404)?;
    assert_eq!(problem["suggestion"], "render");
    Ok(())
}

#[tokio::test]
async fn a_curve_comes_at_the_step_that_was_asked_for() -> Result<()> {
    let world = World::empty().await?;
    with_history(&world).await?;
    let day = "from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z";
    for (step, step_ms) in [("1m", 60_000), ("5m", 300_000), ("1h", HOUR_MS)] {
        let curve =
            world.client.get(&format!("/api/v1/pools/render/trend?{day}&step={step}")).await?.expect(200)?.json()?;
        assert_eq!((&curve["start"], &curve["step_ms"]), (&json!("2026-03-02T00:00:00Z"), &json!(step_ms)));
        let occupied = curve["occupied"].as_array().context("points")?;
        assert_eq!(occupied.len() as i64, DAY_MS / step_ms);
        let points_an_hour = (HOUR_MS / step_ms) as usize;
        assert_eq!(occupied[3 * points_an_hour], 18.0, "10 + 3 of one tenant and 5 of the other");
    }
    // Where nothing was observed there is a gap and no zero.
    let after = "from=2026-03-03T23:00:00Z&to=2026-03-04T01:00:00Z";
    let curve = world.client.get(&format!("/api/v1/pools/render/trend?{after}&step=1h")).await?.json()?;
    assert_eq!(curve["occupied"], json!([62.0, null]));
    let one = world
        .client
        .get(&format!("/api/v1/pools/render/trend?{day}&step=1h&tenant=zeta"))
        .await?
        .expect(200)?
        .json()?;
    assert_eq!(one["occupied"][7], 5.0, "one tenant's part");
    assert_eq!(wrong_field(&world.client.get(&format!("/api/v1/pools/render/trend?{day}&step=7m")).await?)?.0, "step");
    let year = world.client.get("/api/v1/pools/render/trend?from=now-399d&step=1m").await?;
    assert_eq!(wrong_field(&year)?.0, "step", "too many points");

    // A price of 1.50 an hour for the 100 slots of one pool, of which 20 are reserved and 55 slot-hours of that are idle.
    let price = json!({ "version": 1, "unit_cost_micros": 1_500_000 });
    world.client.json(Method::PATCH, "/api/v1/pools/render", &price).await?.expect(200)?;
    let total = world.client.get(&format!("/api/v1/overview?{day}")).await?.expect(200)?.json()?;
    assert_eq!((&total["capacity_micros"], &total["waste_micros"]), (&json!(3_600_000_000_i64), &json!(82_500_000)));
    let of_acme = world.client.get(&format!("/api/v1/overview?{day}&tenant=acme")).await?.expect(200)?.json()?;
    assert_eq!((&of_acme["capacity_micros"], &of_acme["waste_micros"]), (&json!(null), &json!(82_500_000)));
    let occupied: i64 = (0..24).map(|hour| 10 + hour + 5 + 50).sum();
    let expected = occupied as f64 / f64::from(150 * 24);
    assert!((total["occupancy"].as_f64().unwrap_or_default() - expected).abs() < 1e-9, "{total}");
    let top = world.client.get(&format!("/api/v1/tenants/top?{day}")).await?.expect(200)?.json()?;
    assert_eq!((&top[0]["tenant"], &top[1]["tenant"]), (&json!("zeta"), &json!("acme")));
    assert_eq!(top[0]["slot_hours"], 55.0 * 24.0);
    let heat = world.client.get(&format!("/api/v1/heatmap?{day}&tz=UTC")).await?.expect(200)?.json()?;
    assert!(
        heat["peak"][0][5].is_number() && heat["peak"][1][5].is_null(),
        "Monday was observed, Tuesday was not asked for: {heat}"
    );
    Ok(())
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_and_never_breaks_anything() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    let many = "pool=render&".repeat(1_000);
    for (path, status) in [
        ("/api/v1/overview?from=now&to=now-1d", 422),
        ("/api/v1/overview?from=now-401d", 422),
        ("/api/v1/overview?to=9999-12-31T00:00:00Z", 422),
        ("/api/v1/overview?from=now-99999999999999999999d", 422),
        ("/api/v1/overview?tz=Mars/Olympus", 422),
        ("/api/v1/overview?cmp=decade", 422),
        ("/api/v1/overview?pool=nobody", 422),
        ("/api/v1/overview?pool=%00", 422),
        ("/api/v1/overview?pool=%FF%FE", 422),
        ("/api/v1/overview?tenant=%00&stamp=%00", 422),
        ("/api/v1/overview?from=now-1d&from=now-2d", 400),
        (&format!("/api/v1/overview?{many}"), 422),
        (&format!("/api/v1/overview?q={}", "x".repeat(17_000)), 414),
        ("/api/v1/tenants/top?limit=-1", 400),
        ("/api/v1/tenants/top?limit=", 400),
        ("/api/v1/slot-events?before=", 400),
        ("/api/v1/pools/%00", 404),
        ("/api/v1/pools/%FF", 400),
        ("/api/v1/pools/..%2F..%2Fetc", 404),
        ("/api/v1/tenants/%00", 404),
        ("/api/v1/usage?pool=%00", 404),
        ("/api/v1/pools/rendr", 404),
        ("/api/v1/nothing", 404),
        ("/api/v2/pools", 404),
    ] {
        world.client.get(path).await?.problem(status)?;
    }
    assert_eq!(world.client.get("/api/v1/pools/rendr").await?.problem(404)?["suggestion"], "render");
    for (method, path) in [
        (Method::DELETE, "/api/v1/overview"),
        (Method::POST, "/api/v1/usage"),
        (Method::PUT, "/api/v1/pools"),
        (Method::POST, "/healthz"),
    ] {
        world.client.send(method, path, &[], None).await?.problem(405)?;
    }
    assert!(!world.service.log().contains("panicked"), "{}", world.service.log());
    Ok(())
}

#[tokio::test]
async fn the_description_of_the_api_is_the_same_everywhere() -> Result<()> {
    let world = World::empty().await?;
    let served = world.client.get("/api/v1/openapi.json").await?.expect(200)?;
    assert_eq!(served.header("content-type"), "application/json");
    let printed = run(&["openapi"])?;
    assert_eq!(String::from_utf8(printed.stdout)?, served.body, "`headroom openapi` prints what is served");
    let committed = std::fs::read_to_string(root().join("server/openapi.json"))
        .context("server/openapi.json is missing: `cargo xtask check --write` makes it")?;
    assert!(committed == served.body, "server/openapi.json is not current: `cargo xtask check --write` updates it");
    Ok(())
}

#[tokio::test]
async fn every_route_of_the_description_answers() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    world.tenant("acme").await?;
    let description = world.client.get("/api/v1/openapi.json").await?.json()?;
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().context("paths")? {
        let nobody = "00000000-0000-0000-0000-000000000000";
        let filled = path.replace("{pool}", "render").replace("{tenant}", "acme").replace("{source}", "nobody");
        let filled = filled.replace("{user}", nobody).replace("{token}", nobody);
        let ids = ["{draft}", "{reservation}", "{publication}", "{event}"];
        let filled = ids.iter().fold(filled, |path, id| path.replace(id, nobody));
        let filled = filled.replace("{claim}", nobody).replace("{slot}", "1");
        let filled = filled.replace("{notification}", "1").replace("{alert}", "1").replace("{silence}", "1");
        let filled = filled.replace("{deed}", "ack").replace("{sli}", "saturation").replace("{import}", "1");
        let filled = filled.replace("{game_day}", "1");
        // Everything else has a name, and nobody has this one.
        let names = ["{receiver}", "{rule}", "{runbook}", "{schedule}", "{policy}", "{job}", "{report}"];
        let filled = names.iter().fold(filled, |path, name| path.replace(name, "nobody"));
        assert!(!filled.contains('{'), "{path} has a parameter that this test does not know");
        for (word, operation) in item.as_object().context("operations")? {
            let method: Method = word.to_uppercase().parse()?;
            // Archiving comes last, or the others would meet an archived pool.
            if method == Method::DELETE {
                continue;
            }
            let body = operation.get("requestBody").map(|_| b"{}".to_vec());
            let headers = if body.is_some() { &[("content-type", "application/json")][..] } else { &[] };
            let answer = world.client.send(method.clone(), &filled, headers, body).await?;
            let said: Vec<u16> =
                operation["responses"].as_object().into_iter().flatten().filter_map(|(s, _)| s.parse().ok()).collect();
            assert!(
                answer.status < 500 && answer.status != 405,
                "{method} {filled}: {} {}",
                answer.status,
                answer.body
            );
            assert!(
                said.contains(&answer.status) || answer.status == 400,
                "{method} {filled} answers {}, said are {said:?}",
                answer.status
            );
            if answer.status == 404 {
                // Only what nobody is called may be missing.
                let known = path.replace("{pool}", "").replace("{tenant}", "");
                let is_nobody = known.contains('{');
                assert!(is_nobody, "{method} {filled}: {}", answer.body);
            }
            asked += 1;
        }
    }
    assert!(asked > 20, "only {asked} routes are described");
    Ok(())
}

#[tokio::test]
async fn operators_see_health_readiness_and_counters() -> Result<()> {
    let world = World::empty().await?;
    assert_eq!(world.client.get("/healthz").await?.expect(200)?.json()?["status"], "ok");
    assert_eq!(world.client.get("/readyz").await?.expect(200)?.json()?["status"], "ok");
    world.client.get("/api/v1/pools/nobody").await?.problem(404)?;
    let metrics = world.client.get("/metrics").await?.expect(200)?;
    assert!(metrics.header("content-type").starts_with("text/plain"), "{}", metrics.header("content-type"));
    let line = r#"http_requests_total{route="/api/v1/pools/{pool}",status="404"} 1"#;
    assert!(metrics.body.contains(line), "requests are counted by route and status: {}", metrics.body);
    for line in metrics.body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let value = line.rsplit(' ').next().unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "no sample: {line}");
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_says_who_may_do_what_with_it() -> Result<()> {
    let world = World::empty().await?;
    for path in ["/api/v1/pools", "/api/v1/nothing", "/healthz", "/overview", "/nothing"] {
        let answer = world.client.page(path).await?;
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(header), value, "{path}: {header}");
        }
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
    let page = world.client.page("/overview").await?;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script-src 'self' 'unsafe-inline'"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");
    Ok(())
}

#[tokio::test]
async fn many_at_once_are_all_answered() -> Result<()> {
    let world = World::empty().await?;
    world.pool("render", 10).await?;
    let answers = futures::future::join_all((0..200).map(|i| {
        let client = world.client.clone();
        let path = ["/api/v1/pools/render", "/api/v1/overview", "/pools", "/api/v1/pools/nobody"][i % 4];
        async move { tokio::time::timeout(Duration::from_secs(30), client.get(path)).await }
    }))
    .await;
    for answer in answers {
        let answer = answer.context("no answer within 30 s")??;
        // More than the machine can do in time is turned away, and told when to come back.
        let turned_away = answer.status == 503 && !answer.header("retry-after").is_empty();
        assert!(
            turned_away || [200, 404].contains(&answer.status),
            "{}: {} {}",
            answer.asked,
            answer.status,
            answer.body
        );
    }
    world.client.get("/api/v1/pools/render").await?.expect(200)?;

    // Of many who change one version, one succeeds.
    let changes = futures::future::join_all((0..8).map(|i| {
        let client = world.client.clone();
        async move {
            client
                .json(Method::PATCH, "/api/v1/pools/render", &json!({ "version": 1, "owner": format!("team-{i}") }))
                .await
        }
    }))
    .await;
    let statuses = changes.into_iter().map(|c| c.map(|c| c.status)).collect::<Result<Vec<_>>>()?;
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| [200, 409].contains(s)), "{statuses:?}");
    Ok(())
}
