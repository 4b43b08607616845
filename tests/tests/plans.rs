//! Plans over the API: what is refused and why, drafts and what they come to, many planners at once, and taking things back.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Scope;
use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::daily::Daily;
use headroom_domain::forecast::online::{Accuracy, Confidence, Engine, LEVELS, MEDIAN, Mark, Memory, Outlook, Rung};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_server::app::forecast::Said;
use headroom_store::partition::{self, Cut};
use headroom_store::{forecast, history, pool, tenant};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::time::Duration;

/// 2026-11-25T09:00:00Z, a Wednesday.
const NOW: Millis = 1_795_597_200_000;
/// Somebody else who plans.
const SECOND: &str = "hr_SECONDSECONDSECONDSECONDSECONDSECONDSEC";

struct World {
    database: Database,
    conn: PgConnection,
    service: Service,
    client: Client,
    second: Client,
}

impl World {
    /// A pool of so many slots and four tenants, on a clock that stands still.
    async fn create(capacity: i64) -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        people::add_token(&mut conn, SECOND, Scope::ALL, &[], &[]).await?;
        let client = Client::new(service.url())?;
        let second = Client::nobody(service.url())?.with_token(SECOND);
        client
            .post("/api/v1/pools", &json!({ "name": "Lanes", "slug": "lanes", "capacity": capacity }))
            .await?
            .expect(201)?;
        for tenant in ["acme", "beta", "ciao", "dora"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        Ok(Self { database, conn, service, client, second })
    }

    async fn make(&self, key: &str, terms: Value) -> Result<Answer> {
        let body = json!({ "terms": terms, "reason": "as agreed" });
        self.client.post_once("/api/v1/pools/lanes/reservations", key, &body).await
    }

    async fn draft(&self, edits: Value) -> Result<Value> {
        let draft =
            self.client.post("/api/v1/pools/lanes/drafts", &json!({ "name": "Peak" })).await?.expect(201)?.json()?;
        edit(&self.client, &draft, edits).await
    }

    async fn plan(&self) -> Result<Value> {
        self.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()
    }

    /// Most that is promised at any instant beyond the capacity of that time.
    async fn most_over(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "WITH edge AS (SELECT lower(during) AS at FROM promise UNION SELECT from_at FROM pool_capacity)
             SELECT GREATEST(0, max((SELECT COALESCE(sum(baseline), 0) FROM promise WHERE during @> at AND kind = 'guaranteed')
                    - (SELECT configured - planned_down FROM pool_capacity WHERE from_at <= at ORDER BY from_at DESC LIMIT 1)))::bigint
             FROM edge WHERE at >= hr_now()",
        )
        .fetch_one(&mut self.conn)
        .await?)
    }
}

fn terms(name: &str, tenant: &str, slots: i64, start: &str, end: &str) -> Value {
    json!({ "name": name, "tenant": tenant, "slots": slots, "start": start, "end": end, "zone": "Europe/Berlin" })
}

fn with(mut terms: Value, changes: &Value) -> Value {
    for (field, value) in changes.as_object().into_iter().flatten() {
        terms[field] = value.clone();
    }
    terms
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_default().to_owned()
}

async fn edit(client: &Client, draft: &Value, edits: Value) -> Result<Value> {
    let tag = format!("\"v{}\"", draft["version"]);
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    let body = json!({ "edits": edits }).to_string().into_bytes();
    client
        .send(Method::POST, &format!("/api/v1/drafts/{}/edits", id(draft)), &headers, Some(body))
        .await?
        .expect(200)?
        .json()
}

async fn put(client: &Client, reservation: &Value, terms: Value) -> Result<Answer> {
    let tag = format!("\"v{}\"", reservation["version"]);
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    let body = json!({ "terms": terms, "reason": "changed" }).to_string().into_bytes();
    client.send(Method::PUT, &format!("/api/v1/reservations/{}", id(reservation)), &headers, Some(body)).await
}

async fn preview(client: &Client, draft: &Value, choices: Value) -> Result<Value> {
    client
        .post(&format!("/api/v1/drafts/{}/preview", id(draft)), &json!({ "choices": choices }))
        .await?
        .expect(200)?
        .json()
}

async fn publish(client: &Client, draft: &Value, token: &Value, choices: Value) -> Result<Answer> {
    let body = json!({ "token": token, "reason": "for the season", "choices": choices, "accept_warnings": true });
    client.post(&format!("/api/v1/drafts/{}/publish", id(draft)), &body).await
}

/// Previews and publishes.
async fn go(client: &Client, draft: &Value) -> Result<Value> {
    let preview = preview(client, draft, json!([])).await?;
    publish(client, draft, &preview["token"], json!([])).await?.expect(200)?.json()
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|one| one["field"].as_str()).collect()
}

#[tokio::test]
async fn a_reservation_is_made_once_changed_by_version_and_taken_back() -> Result<()> {
    let world = World::create(100).await?;
    let peak = terms("peak", "acme", 40, "2026-11-28T00:00", "2026-11-30T12:00");
    let made = world.make("k1", peak.clone()).await?.expect(201)?;
    assert_eq!(made.header("etag"), "\"v1\"");
    let made = made.json()?;
    assert_eq!((made["state"].as_str(), made["from"].as_str()), (Some("approved"), Some("2026-11-27T23:00:00Z")));
    let again = world.make("k1", peak.clone()).await?.expect(200)?.json()?;
    assert_eq!(again["id"], made["id"], "the same request makes nothing new");
    let other = world.make("k1", with(peak.clone(), &json!({ "slots": 41 }))).await?.problem(422)?;
    assert_eq!(fields(&other), ["idempotency-key"]);
    assert_eq!(
        fields(
            &world
                .client
                .post("/api/v1/pools/lanes/reservations", &json!({ "terms": peak, "reason": "x" }))
                .await?
                .problem(422)?
        ),
        ["idempotency-key"]
    );
    assert_eq!(fields(&world.make("k2", peak.clone()).await?.problem(422)?), ["name"], "a name is given once");

    let larger = with(peak.clone(), &json!({ "slots": 50 }));
    let path = format!("/api/v1/reservations/{}", id(&made));
    world.client.put(&path, &json!({ "terms": larger, "reason": "more" })).await?.problem(428)?;
    let changed = put(&world.client, &made, larger.clone()).await?.expect(200)?.json()?;
    assert_eq!((&changed["version"], &changed["terms"]["slots"]), (&json!(2), &json!(50)));
    let late = put(&world.second, &made, larger).await?.problem(409)?;
    assert_eq!(late["version"], 2, "the second learns where it stands: {late}");

    let gone =
        world.client.send(Method::DELETE, &format!("{path}?reason=over"), &[("if-match", "\"v2\"")], None).await?;
    assert_eq!(gone.expect(200)?.json()?["state"], "cancelled");
    assert_eq!(world.plan().await?["reservations"], json!([]));
    let told = world.client.get("/api/v1/pools/lanes/publications").await?.expect(200)?.json()?;
    let reasons: Vec<_> = told.as_array().into_iter().flatten().map(|p| (&p["version"], &p["reason"])).collect();
    assert_eq!(
        reasons,
        [(&json!(3), &json!("over")), (&json!(2), &json!("changed")), (&json!(1), &json!("as agreed"))]
    );
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_nothing_is_saved() -> Result<()> {
    let world = World::create(100).await?;
    let good = terms("peak", "acme", 40, "2026-11-28T00:00", "2026-11-30T12:00");
    for (changes, expected) in [
        (json!({ "end": "2026-11-27T00:00" }), "terms.end"),
        (json!({ "zone": "Mars/Olympus" }), "terms.zone"),
        (json!({ "start": "2027-03-28T02:30", "end": "2027-03-29T02:30" }), "terms.start"),
        (json!({ "end": "2027-10-31T02:30" }), "terms.end"),
        (json!({ "start": "soon" }), "terms.start"),
        (json!({ "slots": 0 }), "terms.slots"),
        (json!({ "slots": 10_000_001 }), "terms.slots"),
        (json!({ "tenant": "nobody" }), "tenant"),
        (json!({ "start": "2026-11-24T00:00" }), "start"),
        (json!({ "repeat": "FREQ=HOURLY" }), "terms.repeat"),
        (json!({ "repeat": "FREQ=DAILY" }), "repeat"),
        (json!({ "lending_limit": 41 }), "terms.lending_limit"),
        (json!({ "shrink": "drain" }), "terms.drain_until"),
        (json!({ "overrides": [{ "start": "2026-11-29T00:00", "end": "2026-11-28T00:00", "slots": 4 }] }), "overrides"),
        (json!({ "note": "x".repeat(501) }), "terms.note"),
    ] {
        let problem = world.make("k", with(good.clone(), &changes)).await?.problem(422)?;
        ensure!(
            fields(&problem)
                .iter()
                .any(|field| field.trim_start_matches("terms.") == expected.trim_start_matches("terms.")),
            "{changes}: {problem}"
        );
    }
    let skipped =
        world.make("k", with(good.clone(), &json!({ "start": "2027-03-28T02:30", "end": "2027-03-29T02:30" }))).await?;
    ensure!(skipped.problem(422)?.to_string().contains("clocks go from 02:00 to 03:00"));
    let why = world
        .client
        .post_once("/api/v1/pools/lanes/reservations", "k", &json!({ "terms": good, "reason": " " }))
        .await?;
    assert_eq!(fields(&why.problem(422)?), ["reason"]);
    assert_eq!(world.plan().await?["version"], 0);
    let twice = world.make("k", with(good, &json!({ "end": "2027-10-31T02:30+01:00" }))).await?.expect(201)?.json()?;
    assert_eq!(twice["to"], "2027-10-31T01:30:00Z");
    Ok(())
}

#[tokio::test]
async fn a_conflict_names_minutes_slots_reservations_and_what_would_help() -> Result<()> {
    let mut world = World::create(1200).await?;
    world.make("a", terms("search", "acme", 400, "2026-11-26T00:00", "2026-12-10T00:00")).await?.expect(201)?;
    world.make("b", terms("bills", "beta", 250, "2026-11-27T00:00", "2026-11-29T12:00")).await?.expect(201)?;
    let draft =
        world.draft(json!([{ "terms": terms("batch", "ciao", 600, "2026-11-28T00:00", "2026-11-30T12:00") }])).await?;
    let seen = preview(&world.client, &draft, json!([])).await?;
    let conflict = &seen["conflicts"][0];
    assert_eq!(seen["publishable"], false);
    assert_eq!(
        (&conflict["kind"], &conflict["short"], &conflict["minutes"], &conflict["from"], &conflict["to"]),
        (
            &json!("over-capacity"),
            &json!(50),
            &json!(2160),
            &json!("2026-11-27T23:00:00Z"),
            &json!("2026-11-29T11:00:00Z")
        )
    );
    let names: Vec<_> =
        conflict["involved"].as_array().into_iter().flatten().map(|i| (&i["name"], &i["slots"])).collect();
    assert_eq!(
        names,
        [(&json!("batch"), &json!(600)), (&json!("search"), &json!(400)), (&json!("bills"), &json!(250))]
    );
    let refused = publish(&world.client, &draft, &seen["token"], json!([])).await?.problem(409)?;
    assert_eq!(refused["conflicts"][0]["short"], 50, "{refused}");
    assert_eq!(world.plan().await?["version"], 2, "nothing is half published");

    // Each fix is an edit that helps.
    let fixes = conflict["fixes"].as_array().context("fixes")?.clone();
    let labels: Vec<_> = fixes.iter().filter_map(|fix| fix["label"].as_str()).collect();
    assert_eq!(labels, ["550 slots", "start 2026-11-29T12:00"]);
    let mut draft = draft;
    for fix in fixes {
        draft =
            edit(&world.client, &draft, json!([{ "reservation": fix["reservation"], "terms": fix["terms"] }])).await?;
        let fixed = preview(&world.client, &draft, json!([])).await?;
        assert_eq!(fixed["publishable"], true, "{fixed}");
    }
    go(&world.client, &draft).await?;

    // Planned-down and later capacity are part of it.
    let down =
        json!({ "slots": 1200, "planned_down": 700, "effective": "2026-12-01T00:00:00Z", "reason": "new racks" });
    let cut = world.client.post("/api/v1/pools/lanes/capacity", &down).await?;
    cut.expect(200)?;
    let late = terms("late", "dora", 101, "2026-12-01T12:00", "2026-12-02T00:00");
    let over = world.make("d", late.clone()).await?.problem(409)?;
    assert_eq!(over["conflicts"][0]["limit"], 500);
    world.make("d", with(late, &json!({ "slots": 100 }))).await?.expect(201)?;
    // And capacity is not cut below what is promised, unless somebody says that it is so.
    let cut = json!({ "slots": 499, "effective": "2026-12-02T00:00:00Z" });
    let refused = world
        .client
        .post("/api/v1/pools/lanes/capacity", &json!({ "slots": 450, "effective": "2026-12-01T12:00:00Z" }))
        .await?;
    assert_eq!(fields(&refused.problem(422)?), ["capacity"]);
    assert_eq!(world.most_over().await?, 0);
    world.client.post("/api/v1/pools/lanes/capacity", &cut).await?.expect(200)?;
    let lost = json!({ "slots": 300, "effective": "2026-12-03T00:00:00Z", "below_reserved": true, "reason": "a fire" });
    world.client.post("/api/v1/pools/lanes/capacity", &lost).await?.expect(200)?;
    assert_eq!(world.most_over().await?, 100);
    world.database.remove().await
}

#[tokio::test]
async fn policies_decide_how_much_may_be_promised_and_who_approves() -> Result<()> {
    let world = World::create(100).await?;
    let policy = |version: i64, changes: &Value| {
        let usual = json!({ "version": version, "overcommit": "reject" });
        let body = with(usual, changes);
        let client = world.client.clone();
        async move { client.put("/api/v1/pools/lanes/plan/policy", &body).await }
    };
    for (changes, field) in [
        (json!({ "overcommit": "maybe" }), "overcommit"),
        (json!({ "overcommit": "allow-to" }), "overcommit_percent"),
        (json!({ "overcommit": "allow-to", "overcommit_percent": 0 }), "overcommit"),
        (json!({ "longest_days": 0 }), "longest_days"),
        (json!({ "approve_from_slots": 0 }), "approve_from_slots"),
    ] {
        assert_eq!(fields(&policy(1, &changes).await?.problem(422)?), [field]);
    }
    policy(1, &json!({ "overcommit": "allow-to", "overcommit_percent": 20 })).await?.expect(200)?;
    policy(1, &json!({})).await?.problem(409)?;
    world.make("a", terms("a", "acme", 120, "2026-12-01T00:00", "2026-12-02T00:00")).await?.expect(201)?;
    world.make("b", terms("b", "beta", 1, "2026-12-01T00:00", "2026-12-02T00:00")).await?.problem(409)?;
    policy(
        2,
        &json!({ "overcommit": "warn", "longest_days": 3, "approve_from_slots": 50, "approve_within_minutes": 1440 }),
    )
    .await?
    .expect(200)?;
    world.make("b", terms("b", "beta", 40, "2026-12-01T00:00", "2026-12-02T00:00")).await?.expect(201)?;
    let long = world.make("c", terms("c", "beta", 1, "2026-12-01T00:00", "2026-12-05T00:00")).await?.problem(422)?;
    assert_eq!(fields(&long), ["end"]);
    let soon = world.make("c", terms("c", "beta", 1, "2026-11-25T20:00", "2026-11-26T00:00")).await?.problem(409)?;
    ensure!(soon["detail"].as_str().is_some_and(|text| text.contains("approve")), "{soon}");

    // What is large is proposed, and somebody else approves it.
    let draft =
        world.draft(json!([{ "terms": terms("d", "ciao", 60, "2026-12-07T00:00", "2026-12-08T00:00") }])).await?;
    let seen = preview(&world.client, &draft, json!([])).await?;
    assert_eq!((&seen["publishable"], seen["needs_approval"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    publish(&world.client, &draft, &seen["token"], json!([])).await?.problem(409)?;
    let path = format!("/api/v1/drafts/{}", id(&draft));
    let why = json!({ "reason": "season" });
    world.second.post(&format!("{path}/approve"), &why).await?.problem(409)?;
    world.client.post(&format!("{path}/propose"), &why).await?.expect(200)?;
    world.client.post(&format!("{path}/approve"), &why).await?.problem(409)?;
    let approved = world.second.post(&format!("{path}/approve"), &why).await?.expect(200)?.json()?;
    assert_eq!(approved["state"], "approved");
    // An edit after the approval is not what was approved.
    let edited = edit(
        &world.client,
        &approved,
        json!([{ "terms": terms("e", "ciao", 60, "2026-12-07T00:00", "2026-12-08T00:00") }]),
    )
    .await?;
    assert_eq!(edited["state"], "open");
    world.client.post(&format!("{path}/undo"), &json!({})).await?.expect(200)?;
    world.client.post(&format!("{path}/propose"), &why).await?.expect(200)?;
    world.second.post(&format!("{path}/reject"), &json!({ "reason": "" })).await?.problem(422)?;
    world.second.post(&format!("{path}/approve"), &why).await?.expect(200)?;
    go(&world.client, &draft).await?;
    world.database.remove().await
}

#[tokio::test]
async fn quotas_and_rolling_caps_bound_what_a_tenant_is_promised() -> Result<()> {
    let world = World::create(1000).await?;
    world.client.put("/api/v1/pools/lanes/quotas", &json!({ "tenant": "acme", "slots": 50 })).await?.expect(204)?;
    let over = world.make("a", terms("a", "acme", 60, "2026-12-01T00:00", "2026-12-02T00:00")).await?.problem(409)?;
    assert_eq!((&over["conflicts"][0]["kind"], &over["conflicts"][0]["short"]), (&json!("over-quota"), &json!(10)));
    let cap = |slots: Value, hours: i64| json!({ "slots": slots, "hours": hours });
    assert_eq!(
        fields(&world.client.put("/api/v1/pools/lanes/plan/caps/beta", &cap(json!(10), 0)).await?.problem(422)?),
        ["hours"]
    );
    world.client.put("/api/v1/pools/lanes/plan/caps/beta", &cap(json!(10), 48)).await?.expect(200)?;
    world.make("b", terms("b", "beta", 20, "2026-12-01T00:00", "2026-12-02T00:00")).await?.expect(201)?;
    let over = world.make("c", terms("c", "beta", 1, "2026-12-02T00:00", "2026-12-02T01:00")).await?.problem(409)?;
    assert_eq!(over["conflicts"][0]["kind"], "over-average", "{over}");
    // Two days later no window of 48 hours has more than the 20 slots of a day in it.
    world.make("d", terms("d", "beta", 1, "2026-12-04T00:00", "2026-12-04T01:00")).await?.expect(201)?;
    world.database.remove().await
}

#[tokio::test]
async fn steps_are_undone_and_redone_and_a_publication_is_taken_back_exactly() -> Result<()> {
    let world = World::create(100).await?;
    let a =
        world.make("a", terms("a", "acme", 10, "2026-12-01T00:00", "2026-12-09T00:00")).await?.expect(201)?.json()?;
    let b = with(
        terms("b", "beta", 20, "2026-12-01T08:00", "2026-12-01T18:00"),
        &json!({ "repeat": "FREQ=WEEKLY;BYDAY=TU,TH" }),
    );
    let b = world.make("b", b).await?.expect(201)?.json()?;
    let before = world.plan().await?;

    let draft = world
        .draft(json!([{ "reservation": id(&a), "terms": with(a["terms"].clone(), &json!({ "slots": 15 })) }]))
        .await?;
    let draft = edit(&world.client, &draft, json!([{ "reservation": id(&b), "terms": null }])).await?;
    let draft = edit(
        &world.client,
        &draft,
        json!([{ "terms": terms("c", "ciao", 30, "2026-12-02T00:00", "2026-12-03T00:00") }]),
    )
    .await?;
    let path = format!("/api/v1/drafts/{}", id(&draft));
    let changes = |draft: &Value| draft["changes"].as_array().map_or(0, Vec::len);
    assert_eq!((changes(&draft), &draft["undo"]), (3, &json!(3)));
    for (what, left) in [("undo", 2), ("undo", 1), ("redo", 2), ("redo", 3)] {
        let now = world.client.post(&format!("{path}/{what}"), &json!({})).await?.expect(200)?.json()?;
        assert_eq!(changes(&now), left, "{what}");
    }
    world.client.post(&format!("{path}/redo"), &json!({})).await?.problem(409)?;
    let published = go(&world.client, &draft).await?;
    let middle = world.plan().await?;
    ensure!(middle["reservations"] != before["reservations"]);
    publish(&world.client, &draft, &json!("x"), json!([])).await?.problem(409)?;

    let back = world
        .client
        .post(&format!("/api/v1/publications/{}/revert", id(&published)), &json!({}))
        .await?
        .expect(201)?
        .json()?;
    let reverted = go(&world.client, &back).await?;
    assert_eq!(reverted["reverts"], published["id"]);
    let after = world.plan().await?;
    let facts = |plan: &Value| -> Vec<Value> {
        let all = plan["reservations"].as_array().cloned().unwrap_or_default();
        all.iter().map(|r| json!([r["id"], r["terms"], r["from"], r["to"], r["state"]])).collect()
    };
    assert_eq!(facts(&after), facts(&before), "all is as it was");
    world.database.remove().await
}

#[tokio::test]
async fn who_publishes_second_sees_was_theirs_and_yours_and_loses_nothing() -> Result<()> {
    let world = World::create(1000).await?;
    let a =
        world.make("a", terms("a", "acme", 10, "2026-12-01T00:00", "2026-12-09T00:00")).await?.expect(201)?.json()?;
    let mine = with(a["terms"].clone(), &json!({ "slots": 15, "note": "mine" }));
    let draft = world.draft(json!([{ "reservation": id(&a), "terms": mine }])).await?;
    let seen = preview(&world.client, &draft, json!([])).await?;
    put(&world.second, &a, with(a["terms"].clone(), &json!({ "slots": 12, "lead_minutes": 30 }))).await?.expect(200)?;

    let late = publish(&world.client, &draft, &seen["token"], json!([])).await?.problem(409)?;
    ensure!(late["detail"].as_str().is_some_and(|text| text.contains("preview again")), "{late}");
    let seen = preview(&world.client, &draft, json!([])).await?;
    let merge = &seen["merges"][0];
    assert_eq!((&merge["clean"], &merge["open"], &merge["version"]), (&json!(false), &json!(["slots"]), &json!(2)));
    let slots = |side: &str| merge[side]["slots"].as_i64().unwrap_or_default();
    assert_eq!((slots("was"), slots("theirs"), slots("yours")), (10, 12, 15));
    publish(&world.client, &draft, &seen["token"], json!([])).await?.problem(409)?;
    let choices = json!([{ "reservation": id(&a), "field": "slots", "take": "yours" }]);
    let chosen = preview(&world.client, &draft, choices.clone()).await?;
    publish(&world.client, &draft, &chosen["token"], json!([])).await?.problem(409)?;
    publish(&world.client, &draft, &chosen["token"], choices).await?.expect(200)?;
    let plan = world.plan().await?;
    let now = &plan["reservations"][0]["terms"];
    assert_eq!((&now["slots"], &now["note"], &now["lead_minutes"]), (&json!(15), &json!("mine"), &json!(30)));
    world.database.remove().await
}

#[tokio::test]
async fn a_hundred_publish_at_once_and_none_is_lost_or_over_capacity() -> Result<()> {
    let mut world = World::create(60).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let client = world.client.clone();
        tasks.spawn(async move {
            let tenant = ["acme", "beta", "ciao", "dora"][number % 4];
            let body = json!({ "terms": terms(&format!("r-{number}"), tenant, 1, "2026-12-01T00:00", "2026-12-02T00:00"), "reason": "rush" });
            for _ in 0..60 {
                let answer = client.post_once("/api/v1/pools/lanes/reservations", &format!("key-{number}"), &body).await?;
                if answer.status != 503 {
                    return anyhow::Ok(answer.status);
                }
                // Too many at once: asked again under the same key.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            anyhow::bail!("{number} was never answered")
        });
    }
    let mut made = 0;
    while let Some(status) = tasks.join_next().await {
        match status?? {
            201 | 200 => made += 1,
            409 => {}
            other => anyhow::bail!("unexpected answer {other}"),
        }
    }
    assert_eq!(made, 60, "as many as there is room for");
    let plan = world.plan().await?;
    assert_eq!((&plan["version"], plan["reservations"].as_array().map(Vec::len)), (&json!(60), Some(60)));
    assert_eq!(world.most_over().await?, 0);
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT version FROM publication ORDER BY version").fetch_all(&mut world.conn).await?;
    assert_eq!(versions, (1..=60).collect::<Vec<_>>(), "one after the other");
    world.database.remove().await
}

/// Random edits over the changes of clocks in 2027, by several planners at once.
#[tokio::test]
async fn whatever_planners_do_at_once_capacity_is_never_exceeded() -> Result<()> {
    let mut world = World::create(40).await?;
    for seed in 0..3_u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for planner in 0..4_u64 {
            let client = if planner % 2 == 0 { world.client.clone() } else { world.second.clone() };
            tasks.spawn(async move { plan_at_random(&client, seed * 10 + planner).await });
        }
        let client = world.client.clone();
        tasks.spawn(async move { resize_at_random(&client, seed).await });
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        assert_eq!(world.most_over().await?, 0, "after round {seed}");
    }
    let published = world.plan().await?["version"].as_i64().unwrap_or_default();
    ensure!(published > 20, "only {published} edits were published: this proves little");
    world.database.remove().await
}

/// Capacity comes and goes meanwhile; it is refused where it would take what is promised.
async fn resize_at_random(client: &Client, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(1000 + seed);
    for _ in 0..12 {
        let day = random.random_range(24..38);
        let step = json!({
            "slots": random.random_range(36..50), "planned_down": random.random_range(0..4),
            "effective": if day > 31 { format!("2027-04-{:02}T05:00:00Z", day - 31) } else { format!("2027-03-{day}T05:00:00Z") },
        });
        let answer = client.post("/api/v1/pools/lanes/capacity", &step).await?;
        ensure!([200, 422].contains(&answer.status), "{}: {}", answer.status, answer.body);
    }
    Ok(())
}

async fn plan_at_random(client: &Client, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..14 {
        let day = DAY_MS * random.random_range(0..14) + 1_805_932_800_000; // from 2027-03-24
        let start = chrono::DateTime::from_timestamp_millis(day).context("a day")?.naive_utc()
            + chrono::TimeDelta::hours(random.random_range(3..24));
        let end = start + chrono::TimeDelta::minutes(random.random_range(1..2 * 1440));
        let text = |at: chrono::NaiveDateTime| at.format("%Y-%m-%dT%H:%M").to_string();
        let tenant = ["acme", "beta", "ciao", "dora"][random.random_range(0..4)];
        let mut wanted =
            terms(&format!("p-{seed}-{number}"), tenant, random.random_range(1..16), &text(start), &text(end));
        if random.random_bool(0.4) {
            wanted["repeat"] = json!(
                ["FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=3;COUNT=9", "FREQ=MONTHLY;UNTIL=20271231"]
                    [random.random_range(0..3)]
            );
        }
        if random.random_bool(0.3) {
            wanted["lead_minutes"] = json!(random.random_range(1..120));
        }
        let plan = client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?;
        let all = plan["reservations"].as_array().cloned().unwrap_or_default();
        let some = (!all.is_empty()).then(|| all[random.random_range(0..all.len())].clone());
        let answer = match (random.random_range(0..4), some) {
            (0, Some(some)) => {
                let tag = format!("\"v{}\"", some["version"]);
                let path = format!("/api/v1/reservations/{}?reason=random", id(&some));
                client.send(Method::DELETE, &path, &[("if-match", tag.as_str())], None).await?
            }
            (1, Some(some)) => {
                wanted["name"] = some["terms"]["name"].clone();
                put(client, &some, wanted).await?
            }
            _ => {
                let body = json!({ "terms": wanted, "reason": "random" });
                client.post_once("/api/v1/pools/lanes/reservations", &format!("{seed}-{number}"), &body).await?
            }
        };
        ensure!([200, 201, 409, 422, 503].contains(&answer.status), "{}: {}", answer.status, answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn who_may_not_plan_neither_sees_drafts_nor_other_tenants() -> Result<()> {
    const LIMITED: &str = "hr_LIMITEDLIMITEDLIMITEDLIMITEDLIMITEDLIMIT";
    let mut world = World::create(100).await?;
    people::add_token(&mut world.conn, LIMITED, &[Scope::Read], &[], &["acme"]).await?;
    let limited = Client::nobody(world.service.url())?.with_token(LIMITED);
    world.make("a", terms("a", "acme", 10, "2026-12-01T00:00", "2026-12-09T00:00")).await?.expect(201)?;
    let b =
        world.make("b", terms("b", "beta", 10, "2026-12-01T00:00", "2026-12-09T00:00")).await?.expect(201)?.json()?;
    let draft = world.draft(json!([{ "reservation": id(&b), "terms": null }])).await?;
    let seen = limited.get("/api/v1/pools/lanes/plan").await?.expect(200)?;
    ensure!(!seen.body.contains("beta"), "no other tenant is named");
    assert_eq!(seen.json()?["reservations"].as_array().map(Vec::len), Some(1));
    limited.get(&format!("/api/v1/reservations/{}", id(&b))).await?.problem(404)?;
    for path in ["/api/v1/pools/lanes/drafts", &format!("/api/v1/drafts/{}", id(&draft))] {
        limited.get(path).await?.problem(403)?;
    }
    let told = limited.get("/api/v1/pools/lanes/publications").await?.expect(200)?;
    ensure!(!told.body.contains("beta") && !told.body.contains("as agreed"), "{}", told.body);
    assert_eq!(told.json()?.as_array().map(Vec::len), Some(1));
    limited.post(&format!("/api/v1/drafts/{}/preview", id(&draft)), &json!({})).await?.problem(403)?;
    world.database.remove().await
}

#[tokio::test]
async fn a_preview_replays_the_last_weeks_with_and_without_the_draft() -> Result<()> {
    let database = headroom_tests::world::demo().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let plan = client.get("/api/v1/pools/batch-us/plan").await?.expect(200)?.json()?;
    let legacy = plan["reservations"].as_array().into_iter().flatten().find(|r| r["terms"]["lending_limit"] == 0);
    let legacy = legacy.with_context(|| format!("a reservation that lends nothing: {plan}"))?;
    let draft = client.post("/api/v1/pools/batch-us/drafts", &json!({ "name": "Less" })).await?.expect(201)?.json()?;
    let less =
        with(legacy["terms"].clone(), &json!({ "slots": 100, "shrink": "drain", "drain_until": "2027-01-01T00:00" }));
    let draft = edit(&client, &draft, json!([{ "reservation": id(legacy), "terms": less }])).await?;
    let path = format!("/api/v1/drafts/{}/preview", id(&draft));
    let seen = client.post(&path, &json!({ "weeks": 2 })).await?.expect(200)?.json()?;
    assert_eq!(client.post(&path, &json!({ "weeks": 0 })).await?.expect(200)?.json()?["effect"], Value::Null);
    assert_eq!(fields(&client.post(&path, &json!({ "weeks": 9 })).await?.problem(422)?), ["weeks"]);
    let effect = &seen["effect"];
    assert_eq!(effect["known"], true, "{seen}");
    let tenant = legacy["terms"]["tenant"].as_str().unwrap_or_default();
    let rows = effect["tenants"].as_array().context("tenants")?;
    let own = rows.iter().find(|row| row["tenant"] == tenant).context("the tenant's own row")?;
    let number = |row: &Value, side: &str, field: &str| row[side][field].as_i64().unwrap_or_default();
    let known = 2 * 7 * 1440 - number(own, "before", "unknown_minutes");
    let promised = legacy["terms"]["slots"].as_i64().unwrap_or_default();
    // The replay goes from the last full hour on, and the change holds from the next minute on.
    let less = number(own, "before", "reserved_slot_ms") - number(own, "after", "reserved_slot_ms");
    let minute = (promised - 100) * 60_000;
    ensure!(less % minute == 0 && (0..=61).contains(&(known - less / minute)), "{less} of {known} minutes of {minute}");
    ensure!(number(own, "after", "wasted_slot_ms") < number(own, "before", "wasted_slot_ms"), "less is wasted: {own}");
    for field in
        ["unmet_slot_ms", "held_slot_ms", "reserved_slot_ms", "borrowed_slot_ms", "wasted_slot_ms", "lent_slot_ms"]
    {
        for side in ["before", "after"] {
            let sum: i64 = rows.iter().map(|row| number(row, side, field)).sum();
            assert_eq!(number(&effect["pool"], side, field), sum, "{side} {field}: the pool is the sum of its tenants");
        }
    }
    let cost = effect["reserved_cost_micros"].as_array().context("a price")?;
    ensure!(cost[0].as_i64() > cost[1].as_i64(), "{cost:?}");
    drop(service);
    database.remove().await
}

/// What was wanted in the week before [`NOW`], for the shares: `acme` six slots and `beta` two in each hour, but one and three in the
/// hour of the week that begins ten hours after it.
async fn a_week_of_use(conn: &mut PgConnection) -> Result<i32> {
    let pool = pool::by_slug(conn, "lanes").await?.context("the pool")?.key;
    let keys: HashMap<String, i32> = tenant::keys(conn).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    let from = NOW - 7 * DAY_MS;
    for cut in [Cut::Minutes, Cut::FiveMinutes] {
        partition::ensure(conn, cut, from, NOW).await?;
    }
    let mut acc = Accumulator::default();
    for hour in 0..168 {
        let (acme, beta) = if hour == 10 { (1, 3) } else { (6, 2) };
        let held = [("acme", acme), ("beta", beta)].map(|(slug, occupied)| TenantReading {
            tenant: keys[slug],
            occupied,
            ..TenantReading::default()
        });
        let at = from + hour * HOUR_MS;
        let tenants = held.into();
        acc.reading(pool, &Reading { at, duration_ms: HOUR_MS, capacity: 12, tenants, ..Reading::default() });
    }
    history::merge(conn, history::LIVE, acc.take()).await?;
    Ok(pool)
}

/// A forecast made at [`NOW`]: ten slots in each hour of a week at the median, but four in the twentieth, and sixteen at the 0.9
/// quantile; days with a peak of ten, then of twenty from the second week on.
async fn foresee(conn: &mut PgConnection, pool: i32, known_hours: usize) -> Result<()> {
    let is_high = |level: &f64| *level > 0.5;
    let hour = |level: &f64, step: usize| match step {
        _ if is_high(level) => 16.0,
        20 => 4.0,
        _ => 10.0,
    };
    let day = |day: usize| if day < 7 { 10.0 } else { 20.0 };
    let hours: Vec<Vec<f64>> = LEVELS.iter().map(|level| (0..168).map(|step| hour(level, step)).collect()).collect();
    let days: Vec<Vec<f64>> = LEVELS.iter().map(|_| (0..10).map(day).collect()).collect();
    let said = Said {
        outlook: Outlook {
            from_hour: NOW / HOUR_MS,
            median: hours[MEDIAN].clone(),
            quantiles: hours,
            marks: vec![Mark::Usual; 168],
            floors: vec![0.0; 168],
            engine: Engine::Ensemble,
            basis: Rung::Full,
            confidence: Confidence::High,
        },
        accuracy: Accuracy {
            hours: 0,
            wape: None,
            naive_wape: None,
            compared_wape: None,
            worst_day: None,
            coverage_95: None,
            coverage_80: None,
            left_band: false,
            weak: Vec::new(),
        },
        daily: Daily {
            median: days[MEDIAN].clone(),
            quantiles: days,
            growth_per_day: 0.0,
            growth_share_per_week: None,
            level_shift_days: None,
            known: 60,
        },
        exhaustion: Exhaustion::NotWithin { days: 90 },
        headroom: 0.0,
        known_hours,
    };
    sqlx::query("DELETE FROM forecast WHERE pool_id = $1").bind(pool).execute(&mut *conn).await?;
    let new = forecast::New {
        pool,
        hour_ms: NOW,
        seen_from_ms: NOW,
        memory: &Memory::default(),
        said: &said,
        is_known: true,
        p50_days: None,
        p90_days: None,
        full_at_ms: None,
        lead: None,
        within_permille: None,
        left_band: false,
    };
    ensure!(forecast::put(conn, &new).await?, "the forecast is kept");
    Ok(())
}

#[tokio::test]
async fn a_preview_plays_what_is_foreseen_as_worked_out_by_hand() -> Result<()> {
    let mut world = World::create(12).await?;
    let pool = a_week_of_use(&mut world.conn).await?;
    foresee(&mut world.conn, pool, 60 * 24).await?;
    // Kept for one day from the fifteenth hour to the thirty-ninth, and never wanted.
    let kept = with(
        terms("peak", "ciao", 5, "2026-11-26T00:00", "2026-11-27T00:00"),
        &json!({ "zone": "UTC", "lending_limit": 0 }),
    );
    let draft = world.draft(json!([{ "terms": kept }])).await?;
    let path = format!("/api/v1/drafts/{}/preview", id(&draft));
    let ask = async |body: Value| world.client.post(&path, &body).await?.expect(200)?.json();
    let seen = ask(json!({ "weeks": 1, "basis": "forecast" })).await?;
    let effect = &seen["effect"];
    assert_eq!(
        (&effect["basis"], &effect["level"], &effect["missing"]),
        (&json!("forecast"), &json!("0.5"), &Value::Null)
    );
    assert_eq!((&effect["from"], &effect["to"]), (&json!("2026-11-25T09:00:00Z"), &json!("2026-12-02T09:00:00Z")));
    assert_eq!((&effect["forecast_made_in"], &effect["days_from"]), (&json!("2026-11-25T09:00:00Z"), &Value::Null));
    let row = |effect: &Value, tenant: &str| -> Result<Value> {
        let rows = effect["tenants"].as_array().context("tenants")?;
        Ok(rows.iter().find(|row| row["tenant"] == tenant).with_context(|| format!("{tenant} in {effect}"))?.clone())
    };
    let of = |row: &Value, field: &str| {
        ["before", "after"]
            .map(|side| row[side][field].as_i64().map(|n| if field.ends_with("_ms") { n / HOUR_MS } else { n }))
    };
    // Of ten slots 7.5 and 2.5: equal remainders, so eight and two. In the tenth hour one to three: three and seven. Of four: three
    // and one. Before, all of it is there.
    // With the draft nothing changes until the twentieth hour, for nobody is made to give back; then eight are free, five of them are
    // kept, and of the other three the turns give two to acme and one to beta: acme lacks three until the promise ends.
    let (acme, beta, ciao) = (row(effect, "acme")?, row(effect, "beta")?, row(effect, "ciao")?);
    let whole = 166 * 8 + 3 + 3;
    assert_eq!(of(&acme, "held_slot_ms"), [Some(whole), Some(whole - 18 * 3)]);
    assert_eq!(of(&acme, "unmet_slot_ms"), [Some(0), Some(18 * 3)]);
    assert_eq!(of(&acme, "saturation_minutes"), [Some(0), Some(18 * 60)]);
    assert_eq!(of(&beta, "held_slot_ms"), [Some(166 * 2 + 7 + 1); 2]);
    assert_eq!(of(&beta, "borrowed_slot_ms"), [Some(166 * 2 + 7 + 1); 2]);
    assert_eq!(of(&ciao, "reserved_slot_ms"), [Some(0), Some(24 * 5)]);
    assert_eq!(of(&ciao, "wasted_slot_ms"), [Some(0), Some(24 * 5)], "it lends nothing");
    assert_eq!(of(&effect["pool"], "unmet_slot_ms"), [Some(0), Some(18 * 3)]);
    let risky = &effect["riskiest"][0];
    assert_eq!(
        (&risky["from"], &risky["tenant"]),
        (&json!("2026-11-26T06:00:00Z"), &json!("acme")),
        "the hour after the dip"
    );
    assert_eq!((&risky["short"], &risky["headroom"]), (&json!(3), &json!(2)));

    // At the 0.9 quantile four of sixteen are short in each hour with or without it.
    let high = ask(json!({ "weeks": 1, "basis": "forecast", "level": "0.9" })).await?;
    assert_eq!(high["effect"]["level"], "0.9");
    assert_eq!(of(&high["effect"]["pool"], "unmet_slot_ms"), [Some(4 * 168); 2]);
    assert_eq!(of(&row(&high["effect"], "beta")?, "unmet_slot_ms"), [Some(4); 2], "in the tenth hour");
    assert_eq!(of(&row(&high["effect"], "acme")?, "unmet_slot_ms"), [Some(4 * 167); 2]);

    // Two weeks: from the end of the hours on, days in the shape of the week before, as far as there are any.
    let two = ask(json!({ "weeks": 2, "basis": "forecast" })).await?;
    let effect = &two["effect"];
    assert_eq!((&effect["days_from"], &effect["to"]), (&json!("2026-12-02T09:00:00Z"), &json!("2026-12-05T00:00:00Z")));
    // Twenty where it was ten, and eight where it was four, which fit: 62 hours of eight slots too many, of 63.
    assert_eq!(of(&effect["pool"], "unmet_slot_ms"), [Some(62 * 8), Some(62 * 8 + 18 * 3)]);

    // What is played is no part of what is published.
    let past = ask(json!({ "weeks": 1 })).await?;
    assert_eq!((&past["effect"]["basis"], &past["effect"]["level"]), (&json!("history"), &Value::Null));
    assert_eq!(past["token"], seen["token"]);
    for (body, field) in [
        (json!({ "basis": "moon" }), "basis"),
        (json!({ "basis": "forecast", "level": "0.7" }), "level"),
        (json!({ "level": "0.9" }), "level"),
        (json!({ "basis": "forecast", "weeks": 9 }), "weeks"),
    ] {
        assert_eq!(fields(&world.client.post(&path, &body).await?.problem(422)?), [field], "{body}");
    }
    publish(&world.client, &draft, &seen["token"], json!([])).await?.expect(200)?;
    world.database.remove().await
}

#[tokio::test]
async fn without_a_forecast_nothing_is_played_and_nothing_is_zero() -> Result<()> {
    let mut world = World::create(12).await?;
    let pool = a_week_of_use(&mut world.conn).await?;
    let draft =
        world.draft(json!([{ "terms": terms("peak", "ciao", 5, "2026-11-26T00:00", "2026-11-27T00:00") }])).await?;
    let path = format!("/api/v1/drafts/{}/preview", id(&draft));
    let page = format!("/planner/drafts/{}?basis=forecast", id(&draft));
    let says = async |world: &World, why: &str| -> Result<()> {
        let seen = world.client.post(&path, &json!({ "basis": "forecast" })).await?.expect(200)?.json()?;
        let effect = &seen["effect"];
        ensure!(effect["missing"].as_str().is_some_and(|text| text.contains(why)), "{why}: {effect}");
        assert_eq!((&effect["known"], &effect["pool"], &effect["tenants"]), (&json!(false), &Value::Null, &json!([])));
        ensure!(seen["publishable"] == true, "{seen}");
        let html = world.client.page(&page).await?.expect(200)?.body;
        ensure!(
            html.contains(why) && !html.contains("Short for") && !html.contains("Effect on tenants"),
            "{why}: {html}"
        );
        ensure!(html.contains("Promised slot-hours"), "what is promised is known all the same");
        Ok(())
    };
    says(&world, "there is no forecast of this pool yet").await?;
    foresee(&mut world.conn, pool, 8 * 24).await?;
    says(&world, "rests on 8 days of history, and 14 are needed").await?;
    foresee(&mut world.conn, pool, 60 * 24).await?;
    let far =
        world.draft(json!([{ "terms": terms("far", "ciao", 5, "2027-06-01T00:00", "2027-06-02T00:00") }])).await?;
    let far = format!("/api/v1/drafts/{}/preview", id(&far));
    let far = world.client.post(&far, &json!({ "basis": "forecast" })).await?.expect(200)?.json()?;
    ensure!(
        far["effect"]["missing"].as_str().is_some_and(|text| text.contains("nothing is foreseen for the weeks")),
        "{far}"
    );
    world.database.remove().await
}

#[tokio::test]
async fn a_review_stays_with_the_demand_that_it_plays() -> Result<()> {
    let mut world = World::create(12).await?;
    let pool = a_week_of_use(&mut world.conn).await?;
    foresee(&mut world.conn, pool, 60 * 24).await?;
    let client = &world.client;
    let draft = world
        .draft(json!([
            { "terms": terms("peak", "ciao", 5, "2026-11-26T00:00", "2026-11-27T00:00") },
            { "terms": terms("other", "dora", 1, "2026-11-26T00:00", "2026-11-27T00:00") },
        ]))
        .await?;
    let plain = format!("/planner/drafts/{}", id(&draft));
    let here = format!("{plain}?basis=forecast&level=0.9");
    let html = client.page(&here).await?.expect(200)?.body;
    for says in [
        "at its 0.9 quantile, which one hour of ten exceeds",
        "by the largest remainder",
        "Short for",
        "Wed 25 Nov 09:00",
    ] {
        ensure!(html.replace('\u{202f}', " ").contains(says), "{says}: {html}");
    }
    let link = |to: &str| html.contains(&format!("href=\"{}\"", to.replace('&', "&amp;")));
    ensure!(link(&plain) && link(&format!("{plain}?basis=forecast")) && link(&here), "the ways to all of them");
    client.page(&format!("{plain}?basis=moon")).await?.expect(422)?;

    // An edit comes back to it, and so does one that is refused.
    let reservation = id_of_change(&draft, "other")?;
    let known = id(&draft);
    let edit = |what: &'static str, version: &'static str| {
        [
            ("pool", "lanes".to_owned()),
            ("draft", known.clone()),
            ("version", version.to_owned()),
            ("back", here.clone()),
            ("reservation", reservation.clone()),
            ("do", what.to_owned()),
        ]
    };
    let send = async |fields: [(&'static str, String); 6]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.form("/planner/act", &fields).await
    };
    let refused = send(edit("skip", "")).await?.expect(422)?.body;
    ensure!(refused.contains("at its 0.9 quantile"), "{refused}");
    assert_eq!(send(edit("drop", "")).await?.expect(303)?.header("location"), here);

    // The form that publishes says it too: refused it is shown again, and as it was previewed it publishes.
    let html = client.page(&here).await?.expect(200)?.body;
    let action = format!("{plain}/publish?basis=forecast&level=0.9");
    let fields = headroom_tests::forms::fields(&html, &action.replace('&', "&amp;"))?;
    let sent = headroom_tests::forms::with(&fields, &[("do", "publish")]);
    let again = client.form(&action, &sent).await?.expect(422)?.body;
    ensure!(again.contains("at its 0.9 quantile"), "without a reason: {again}");
    let looked =
        client.form(&action, &headroom_tests::forms::with(&fields, &[("do", "preview")])).await?.expect(200)?.body;
    ensure!(looked.contains("at its 0.9 quantile"), "{looked}");
    let sent =
        headroom_tests::forms::with(&fields, &[("do", "publish"), ("reason", "for the season"), ("accept", "all")]);
    client.form(&action, &sent).await?.expect(303)?;
    assert_eq!(world.plan().await?["version"], 1);
    world.database.remove().await
}

/// The reservation that a draft changes under a name.
fn id_of_change(draft: &Value, name: &str) -> Result<String> {
    let changes = draft["changes"].as_array().context("changes")?;
    let found = changes.iter().find(|change| change["name"] == name).with_context(|| format!("{name} in {draft}"))?;
    Ok(found["reservation"].as_str().context("its id")?.to_owned())
}

/// A server whose jobs do not run, and the use cases on behalf of its jobs.
async fn run_jobs(database: &Database) -> Result<Value> {
    let db = headroom_server::db::Db::connect(&database.url().parse()?);
    let outcome = headroom_server::jobs::plans::run(&headroom_server::app::App::new(db.clone()))
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    db.close().await;
    Ok(outcome.detail)
}

#[tokio::test]
async fn what_is_promised_is_kept_free_before_its_start() -> Result<()> {
    let mut world = World::create(4).await?;
    world.client.put("/api/v1/pools/lanes/policy", &json!({ "policy": {} })).await?.expect(200)?;
    let kept = json!({ "lending_limit": 0, "release_after_minutes": 10, "lead_minutes": 30 });
    world.make("a", with(terms("a", "acme", 3, "2026-11-25T11:00", "2026-11-25T16:00"), &kept)).await?.expect(201)?;
    let claim = |slots: i64| json!({ "tenant": "beta", "slots": slots, "holder": "w", "ttl_ms": 3_600_000 });
    let claims = "/api/v1/pools/lanes/claims";
    let at = |minutes: i64| NOW + minutes * 60_000;
    // 10:00 in Berlin: nobody is promised anything yet.
    let first = world.client.post(claims, &claim(2)).await?.expect(201)?.json()?;
    let release = format!("{claims}/{}/release", first["claim"].as_str().unwrap_or_default());
    world.client.post(&release, &json!({})).await?.expect(200)?;
    // From half an hour before its start on the slots are kept free.
    headroom_store::hold_test_clock(&mut world.conn, at(31)).await?;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let answer = world.client.post(claims, &claim(2)).await?;
        if answer.status == 429 {
            assert_eq!(answer.problem(429)?["reason"], "reserved");
            break;
        }
        let id = answer.expect(201)?.json()?["claim"].as_str().unwrap_or_default().to_owned();
        world.client.post(&format!("{claims}/{id}/release"), &json!({})).await?.expect(200)?;
        ensure!(std::time::Instant::now() < deadline, "the owner does not learn of the promise");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.database.remove().await
}

#[tokio::test]
async fn what_goes_on_is_worked_out_further_day_by_day() -> Result<()> {
    let mut world = World::create(10).await?;
    let daily = with(terms("a", "acme", 3, "2026-11-26T08:00", "2026-11-26T10:00"), &json!({ "repeat": "FREQ=DAILY" }));
    world.make("a", daily).await?.expect(201)?;
    let last = async |conn: &mut PgConnection| -> Result<(i64, chrono::DateTime<chrono::Utc>)> {
        Ok(sqlx::query_as("SELECT count(*), max(lower(during)) FROM promise").fetch_one(conn).await?)
    };
    let (count, until) = last(&mut world.conn).await?;
    assert_eq!(run_jobs(&world.database).await?["worked_out"], 0);
    headroom_store::hold_test_clock(&mut world.conn, NOW + 3 * DAY_MS).await?;
    assert_eq!(run_jobs(&world.database).await?["worked_out"], 1);
    let (more, later) = last(&mut world.conn).await?;
    assert_eq!((more - count, later - until), (3, chrono::TimeDelta::days(3)));
    assert_eq!(run_jobs(&world.database).await?["worked_out"], 0, "once");
    world.database.remove().await
}

#[tokio::test]
async fn who_shrinks_below_what_is_used_says_what_becomes_of_it() -> Result<()> {
    let mut world = World::create(6).await?;
    world.client.put("/api/v1/pools/lanes/policy", &json!({ "policy": {} })).await?.expect(200)?;
    let some = with(terms("a", "acme", 5, "2026-11-25T10:00", "2026-12-01T00:00"), &json!({ "ceiling": 5 }));
    let some = world.make("a", some).await?.expect(201)?.json()?;
    headroom_store::hold_test_clock(&mut world.conn, NOW + 60_000).await?;
    let claim = json!({ "tenant": "acme", "slots": 1, "holder": "w", "ttl_ms": 3_600_000 });
    for _ in 0..4 {
        world.client.post("/api/v1/pools/lanes/claims", &claim).await?.expect(201)?;
    }
    let smaller = with(some["terms"].clone(), &json!({ "slots": 2, "ceiling": 2 }));
    let refused = put(&world.client, &some, smaller.clone()).await?.problem(422)?;
    assert_eq!((&refused["conflicts"][0]["kind"], &refused["conflicts"][0]["short"]), (&json!("in-use"), &json!(2)));
    // With a time to drain it is published, and what is above is taken back when the time is over.
    let drains = with(smaller.clone(), &json!({ "shrink": "drain", "drain_until": "2026-11-25T12:00" }));
    let drained = put(&world.client, &some, drains).await?.expect(200)?.json()?;
    headroom_store::hold_test_clock(&mut world.conn, NOW + 120_000).await?;
    let now = world.plan().await?;
    assert_eq!(now["reservations"][0]["over_limit"], 2, "{now}");
    let orders = async |conn: &mut PgConnection| -> Result<Vec<Value>> {
        Ok(sqlx::query_scalar("SELECT what FROM slot_order ORDER BY order_id").fetch_all(conn).await?)
    };
    assert_eq!(run_jobs(&world.database).await?["drained"], 0);
    headroom_store::hold_test_clock(&mut world.conn, NOW + 2 * 3_600_000).await?;
    assert_eq!(run_jobs(&world.database).await?["drained"], 1);
    assert_eq!(run_jobs(&world.database).await?["drained"], 0, "once");
    let order = orders(&mut world.conn).await?.pop().context("an order")?;
    assert_eq!((&order["order"], &order["slots"]), (&json!("preempt"), &json!(2)));
    // Or at once.
    let now = with(smaller, &json!({ "slots": 1, "ceiling": 1, "shrink": "reclaim" }));
    put(&world.client, &drained, now).await?.expect(200)?;
    let order = orders(&mut world.conn).await?.pop().context("an order")?;
    ensure!(order["order"] == "preempt" && order["slots"].as_i64() > Some(0), "{order}");
    world.database.remove().await
}

#[tokio::test]
async fn ends_are_reminded_of_at_30_14_and_7_days() -> Result<()> {
    let mut world = World::create(10).await?;
    world.make("a", terms("a", "acme", 3, "2026-11-26T00:00", "2027-01-26T00:00")).await?.expect(201)?;
    world.make("b", terms("b", "beta", 3, "2026-11-26T00:00", "2026-12-06T00:00")).await?.expect(201)?;
    let mut told = Vec::new();
    for day in 0..64 {
        headroom_store::hold_test_clock(&mut world.conn, NOW + day * DAY_MS).await?;
        if run_jobs(&world.database).await?["reminded"] != 0 {
            told.push(day);
        }
    }
    // The longer one ends on day 61.6; the shorter one is shorter than two of the distances.
    assert_eq!(told, [4, 32, 48, 55]);
    let changes =
        world.client.get("/api/v1/changes?from=2026-11-01T00:00:00Z&to=2027-02-01T00:00:00Z").await?.expect(200)?;
    ensure!(
        changes.body.contains("reservation a ends within 14 days, on 2027-01-26: 3 slots for acme"),
        "{}",
        changes.body
    );
    world.database.remove().await
}

#[tokio::test]
async fn what_nobody_uses_is_released_once_that_is_known() -> Result<()> {
    let mut world = World::create(9).await?;
    let unused = json!({ "release_after_minutes": 10 });
    for (name, tenant) in [("a", "acme"), ("b", "beta")] {
        world
            .make(name, with(terms(name, tenant, 3, "2026-11-25T11:00", "2026-11-25T16:00"), &unused))
            .await?
            .expect(201)?;
    }
    headroom_store::hold_test_clock(&mut world.conn, NOW + 72 * 60_000).await?;
    assert_eq!(run_jobs(&world.database).await?["released"], 0, "nothing is known of its use");
    let mut rows = Vec::new();
    for minute in 60..72 {
        for (tenant, occupied) in [("acme", 0), ("beta", i64::from(minute == 65))] {
            let ts_ms = NOW + minute * 60_000;
            rows.push(json!({ "pool": "lanes", "tenant": tenant, "ts_ms": ts_ms, "occupied": occupied, "duration_ms": 60_000 }));
        }
    }
    let batch = json!({ "source": "test", "seq": 1, "rows": rows });
    let receipt = world.client.post("/api/v1/ingest/occupancy", &batch).await?.expect(200)?.json()?;
    assert_eq!(receipt["rejected"], 0, "{receipt}");
    let db = headroom_server::db::Db::connect(&world.database.url().parse()?);
    headroom_server::jobs::rollup::run(&db).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    db.close().await;
    assert_eq!(run_jobs(&world.database).await?["released"], 1, "only what was not used at all");
    assert_eq!(run_jobs(&world.database).await?["released"], 0, "once");
    let ends: Vec<(String, bool)> = sqlx::query_as(
        "SELECT r.name, upper(p.during) <= hr_now() FROM promise p JOIN reservation r USING (reservation_id) ORDER BY r.name",
    )
    .fetch_all(&mut world.conn)
    .await?;
    assert_eq!(ends, [("a".to_owned(), true), ("b".to_owned(), false)]);
    world.database.remove().await
}
