//! Rules: what is refused, who was first, what a rule would have said, and the same in the shape of Prometheus.

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::slo::Sli;
use headroom_tests::alerts::World;
use headroom_tests::client::Client;
use headroom_tests::forms::{fields, with};
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};

fn serve(world: &World) -> Result<(Service, Client)> {
    let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", world.database.url()])?;
    let admin = Client::new(service.url())?;
    Ok((service, admin))
}

/// A page of a burn above so many times the budget.
fn burn(slug: &str, over: &str) -> Value {
    json!({
        "slug": slug, "name": "Mine", "mode": "live", "owner": "platform", "runbook": "/runbooks/saturation-burn",
        "subject": { "is": "burn", "sli": "saturation", "tiers": [
            { "name": "W1", "lane": "page", "all": [
                { "window_ms": 3_600_000, "over": over, "least_bad": 5 },
                { "window_ms": 300_000, "over": over, "least_bad": 2 },
            ]},
        ]},
    })
}

fn put(mut rule: Value, field: &str, value: Value) -> Value {
    rule[field] = value;
    rule
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused_by_the_field_that_is_wrong() -> Result<()> {
    let world = World::create(&["pool-a"], &[]).await?;
    let (_service, admin) = serve(&world)?;
    let all = admin.get("/api/v1/rules").await?.expect(200)?.json()?;
    ensure!(all.as_array().is_some_and(|all| all.len() >= 24 && all[0]["slug"] == "saturation-burn"), "{all}");
    let good = burn("mine", "8");
    let valid =
        admin.post("/api/v1/rules/validate", &put(good.clone(), "slug", Value::Null)).await?.expect(200)?.json()?;
    assert_eq!((&valid["valid"], &valid["lane"]), (&json!(true), &json!("page")));
    for (rule, field) in [
        // V48, and the other half of it.
        (put(good.clone(), "runbook", json!("")), "runbook"),
        (put(good.clone(), "owner", json!(" ")), "owner"),
        (put(good.clone(), "runbook", json!("/runbooks/nothing")), "runbook"),
        (put(good.clone(), "runbook", json!("javascript:alert(1)")), "runbook"),
        (put(good.clone(), "pools", json!(["pool-z"])), "pools"),
        (put(good.clone(), "mode", json!("loud")), "mode"),
        (put(good.clone(), "name", json!("")), "name"),
        (put(good.clone(), "slug", json!("new")), "slug"),
        (put(good.clone(), "subject", json!({ "is": "burn", "sli": "beauty", "tiers": [] })), "subject"),
        (
            put(good.clone(), "timing", json!({ "for_ms": -1, "resolve_after_ms": 0, "idle_after_ms": 0 })),
            "timing.for_ms",
        ),
        (burn("mine", "10000"), "subject.tiers[0].all[0].over"),
        (
            put(good.clone(), "subject", json!({ "is": "watch", "watch": { "on": "monopoly", "over": "1" } })),
            "subject.watch.over",
        ),
    ] {
        let problem = admin.post("/api/v1/rules", &rule).await?.problem(422)?;
        ensure!(
            problem["errors"].as_array().is_some_and(|all| all.iter().any(|one| one["field"] == field)),
            "{field}: {problem}"
        );
    }
    let never =
        admin.post("/api/v1/rules/validate", &put(burn("mine", "10000"), "slug", Value::Null)).await?.problem(422)?;
    ensure!(
        never["detail"].as_str().is_some_and(|text| text.contains("2 fields"))
            && never.to_string().contains("never fire"),
        "{never}"
    );
    assert_eq!(
        admin.get("/api/v1/rules").await?.json()?.as_array().map(Vec::len),
        all.as_array().map(Vec::len),
        "nothing was saved"
    );
    Ok(())
}

#[tokio::test]
async fn rules_are_made_changed_and_deleted_and_the_second_writer_learns_the_version() -> Result<()> {
    let world = World::create(&["pool-a"], &[]).await?;
    let (_service, admin) = serve(&world)?;
    let made = admin.post("/api/v1/rules", &burn("mine", "14.4")).await?.expect(201)?.json()?;
    assert_eq!((&made["version"], &made["alertname"], &made["built_in"]), (&json!(1), &json!("Mine"), &json!(false)));
    admin.post("/api/v1/rules", &burn("mine", "8")).await?.problem(409)?;
    let path = "/api/v1/rules/mine";
    admin.put(path, &burn("mine", "8")).await?.problem(428)?;
    let changed = admin.put(path, &put(burn("mine", "8"), "version", json!(1))).await?.expect(200)?.json()?;
    assert_eq!(changed["version"], 2);
    let late = admin.put(path, &put(burn("mine", "6"), "version", json!(1))).await?.problem(409)?;
    assert_eq!((&late["type"], &late["version"]), (&json!("about:blank#stale"), &json!(2)), "{late}");
    // A shipped rule keeps what it is about, and stays.
    let shipped = admin.get("/api/v1/rules/pool-exhausted").await?.expect(200)?.json()?;
    let other = put(put(burn("pool-exhausted", "8"), "version", shipped["version"].clone()), "name", json!("Full"));
    let problem = admin.put("/api/v1/rules/pool-exhausted", &other).await?.problem(422)?;
    assert_eq!(problem["errors"][0]["field"], "subject", "{problem}");
    admin.json(Method::DELETE, "/api/v1/rules/pool-exhausted", &json!({})).await?.problem(409)?;
    let off = json!({ "version": shipped["version"], "name": shipped["name"], "subject": shipped["subject"],
        "timing": shipped["timing"], "mode": "off", "owner": "platform", "runbook": shipped["runbook"] });
    assert_eq!(admin.put("/api/v1/rules/pool-exhausted", &off).await?.expect(200)?.json()?["mode"], "off");
    assert_eq!(admin.json(Method::DELETE, path, &json!({})).await?.status, 204);
    admin.get(path).await?.problem(404)?;
    let audit = admin.get("/api/v1/audit?object=rule").await?.expect(200)?.body;
    ensure!(["create", "update", "delete"].iter().all(|what| audit.contains(&format!("\"{what}\""))), "{audit}");
    Ok(())
}

#[tokio::test]
async fn history_says_when_a_rule_would_have_fired_as_it_did() -> Result<()> {
    // V11: twenty times too fast for 50 minutes, live and on history.
    let mut world = World::create(&["pool-a", "pool-b"], &[]).await?;
    for pool in ["pool-a", "pool-b"] {
        world.clean(pool).await?;
    }
    world.slices("pool-a", None, Sli::Saturation, 0..50, 2, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 50..120, 0, 1_000).await?;
    world.slices("pool-b", None, Sli::Saturation, 0..120, 0, 1_000).await?;
    for minute in 0..=120 {
        world.judge(minute).await?;
    }
    let live = world.alerts().await?;
    let (fired, resolved) =
        (live[0].alert.fired_ms.context("it fired")?, live[0].alert.resolved_ms.context("and ended")?);
    let (_service, admin) = serve(&world)?;
    let rule = admin.get("/api/v1/rules/saturation-burn").await?.expect(200)?.json()?;
    let body = json!({ "subject": rule["subject"], "timing": rule["timing"] });
    let tried = admin.post("/api/v1/rules/backtest", &body).await?.expect(200)?.json()?;
    assert_eq!((&tried["fires"], &tried["pages"], &tried["noisy"]), (&json!(1), &json!(1), &json!(false)), "{tried}");
    assert_eq!((&tried["pools_in_rule"], tried["pools"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    let first = &tried["pools"][0];
    assert_eq!(first["pool"], "pool-a", "the most affected first");
    // The engine stamps what happens when it judges, seconds after the minute that it judges.
    let told = chrono::DateTime::parse_from_rfc3339(first["first_at"].as_str().context("when")?)?.timestamp_millis();
    assert_eq!(told, fired - fired.rem_euclid(60_000), "{first}");
    let minutes = (resolved - resolved.rem_euclid(60_000) - told) / 60_000;
    assert_eq!(first["minutes_firing"], minutes, "{first}");
    let span = (tried["from"].as_str().unwrap_or_default(), tried["to"].as_str().unwrap_or_default());
    ensure!(span.0 < span.1, "which time was looked at is said: {span:?}");
    // A rule that fires most of the time is flagged.
    let touchy = json!({ "subject": { "is": "burn", "sli": "saturation", "tiers": [
        { "name": "W9", "lane": "ticket", "all": [{ "window_ms": 86_400_000, "over": "1/1000", "least_bad": 1 }] }] },
        "pools": ["pool-a"] });
    let tried = admin.post("/api/v1/rules/backtest", &touchy).await?.expect(200)?.json()?;
    ensure!(tried["fires"] == 1 && tried["pools"][0]["firing"] == true, "{tried}");
    let watch = json!({ "subject": { "is": "watch", "watch": { "on": "doubled" } } });
    admin.post("/api/v1/rules/backtest", &watch).await?.problem(422)?;
    Ok(())
}

#[tokio::test]
async fn the_form_of_a_rule_checks_tries_and_saves() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..30, 500, 1_000).await?;
    world.judge(0).await?;
    world.judge(30).await?;
    let (service, admin) = serve(&world)?;
    let list = admin.page("/rules").await?.expect(200)?.body;
    ensure!(
        list.contains("href=\"/rules/saturation-burn\"") && list.contains("href=\"/runbooks/pool-exhausted\""),
        "the list"
    );
    let edit = "/rules/saturation-burn/edit";
    let page = admin.page("/rules/saturation-burn").await?.expect(200)?.body;
    let typed = fields(&page, edit)?;
    let value = |name: &str| typed.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    assert_eq!(
        (value("t0_w0"), value("t0_k0"), value("t0_b0"), value("t0_lane")),
        (Some("1h"), Some("8"), Some("5"), Some("page"))
    );
    assert_eq!((value("critical"), value("tenants"), value("resolve_after")), (Some("14.4"), Some("on"), Some("2m")));
    // As it is, nothing is wrong with it, and saving it changes nothing but the version.
    let checked = admin.form(edit, &with(&typed, &[("do", "check")])).await?.expect(200)?.body;
    ensure!(checked.contains("Nothing is wrong"), "{checked}");
    let before = admin.get("/api/v1/rules/saturation-burn").await?.json()?;
    admin.form(edit, &with(&typed, &[("do", "save")])).await?.expect(303)?;
    let after = admin.get("/api/v1/rules/saturation-burn").await?.json()?;
    assert_eq!(before["subject"], after["subject"]);
    assert_eq!((&before["timing"], &after["version"]), (&after["timing"], &json!(2)));
    let tried = admin.form(edit, &with(&typed, &[("do", "try")])).await?.expect(200)?.body;
    ensure!(tried.contains("It would have fired once for 1 pool") && tried.contains("Nothing was saved"), "{tried}");
    // What is wrong stands beside its field, and what was typed stays.
    let wrong = with(&typed, &[("do", "check"), ("t0_w0", "1x"), ("t1_k1", "20000"), ("owner", "")]);
    let wrong = admin.form(edit, &wrong).await?.expect(422)?.body;
    ensure!(wrong.contains("id=\"t0_w0-error\"") && wrong.contains("value=\"1x\""), "{wrong}");
    let wrong = with(&typed, &[("do", "check"), ("t1_k1", "20000"), ("owner", "")]);
    let wrong = admin.form(edit, &wrong).await?.expect(422)?.body;
    ensure!(
        wrong.contains("id=\"t1_k1-error\"") && wrong.contains("never fire") && wrong.contains("id=\"owner-error\""),
        "{wrong}"
    );
    let stale = admin.form(edit, &with(&typed, &[("do", "save")])).await?.expect(409)?.body;
    ensure!(stale.contains("version 2"), "{stale}");
    // A rule without windows.
    let page = admin.page("/rules/pool-exhausted").await?.expect(200)?.body;
    let typed = fields(&page, "/rules/pool-exhausted/edit")?;
    let saved = with(&typed, &[("do", "save"), ("p_least_rejected", "9"), ("for", "3m"), ("mode", "dry-run")]);
    admin.form("/rules/pool-exhausted/edit", &saved).await?.expect(303)?;
    let saved = admin.get("/api/v1/rules/pool-exhausted").await?.json()?;
    assert_eq!(
        (&saved["subject"]["watch"]["least_rejected"], &saved["timing"]["for_ms"], &saved["mode"]),
        (&json!(9), &json!(180_000), &json!("dry-run"))
    );
    // A new one, and away with it.
    let typed = fields(&admin.page("/rules/new").await?.expect(200)?.body, "/rules/new")?;
    let mine = with(
        &typed,
        &[
            ("do", "save"),
            ("slug", "mine"),
            ("name", "Mine"),
            ("owner", "platform"),
            ("runbook", "/runbooks/wait-burn"),
            ("sli", "wait"),
        ],
    );
    let made = admin.form("/rules/new", &mine).await?.expect(303)?;
    assert_eq!(made.header("location"), "/rules/mine");
    admin.form("/rules/mine/delete", &[]).await?.expect(303)?;
    admin.page("/rules/mine").await?.expect(404)?;
    ensure!(!service.log().contains("panicked"), "{}", service.log());
    Ok(())
}

#[tokio::test]
async fn tools_for_prometheus_read_rules_and_alerts() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..30, 500, 1_000).await?;
    world.judge(0).await?;
    world.judge(2).await?;
    let (_service, admin) = serve(&world)?;
    let rules = admin.get("/prom/api/v1/rules").await?.expect(200)?.json()?;
    assert_eq!(rules["status"], "success");
    let group = &rules["data"]["groups"][0];
    for (field, is_right) in [
        ("name", group["name"].is_string()),
        ("file", group["file"].is_string()),
        ("interval", group["interval"] == 60.0),
        ("limit", group["limit"].is_u64()),
        ("evaluationTime", group["evaluationTime"].is_f64()),
        ("lastEvaluation", group["lastEvaluation"].is_string()),
    ] {
        ensure!(is_right, "{field}: {group}");
    }
    let all = group["rules"].as_array().context("rules")?;
    let words = [
        "state",
        "name",
        "query",
        "duration",
        "keepFiringFor",
        "labels",
        "annotations",
        "alerts",
        "health",
        "evaluationTime",
        "lastEvaluation",
        "type",
    ];
    for rule in all {
        let names: Vec<&String> = rule.as_object().context("an object")?.keys().collect();
        ensure!(names.len() == words.len() && words.iter().all(|word| names.iter().any(|name| name == word)), "{rule}");
        ensure!(rule["type"] == "alerting" && rule["health"] == "ok" && rule["duration"].is_f64(), "{rule}");
        ensure!(["firing", "pending", "inactive"].contains(&rule["state"].as_str().unwrap_or_default()), "{rule}");
    }
    let burning = all.iter().find(|rule| rule["name"] == "SlotSaturationBurn").context("the rule that fires")?;
    assert_eq!((&burning["state"], burning["alerts"].as_array().map(Vec::len)), (&json!("firing"), Some(1)));
    let alert = &burning["alerts"][0];
    assert_eq!(
        alert["labels"],
        json!({ "alertname": "SlotSaturationBurn", "pool": "pool-a", "tenant": "*", "severity": "page", "tier": "W1" })
    );
    ensure!(alert["state"] == "firing" && alert["activeAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{alert}");
    ensure!(
        alert["value"].as_str().is_some_and(|value| value.contains("e+") && value.parse::<f64>().is_ok()),
        "{alert}"
    );
    ensure!(!all.iter().any(|rule| rule["name"] == "SlotBaselineBurn"), "one that is off is none");
    let alerts = admin.get("/prom/api/v1/alerts").await?.expect(200)?.json()?;
    ensure!(alerts["data"]["alerts"].as_array().is_some_and(|all| all.contains(alert)), "{alerts}");
    for (query, count) in [
        ("type=alert", all.len()),
        ("type=record", 0),
        ("rule_name[]=SlotSaturationBurn&rule_name[]=HotSlot", 2),
        ("rule_group[]=other", 0),
        ("match[]=%7Ba%3D%22b%22%7D", all.len()),
    ] {
        let found = admin.get(&format!("/prom/api/v1/rules?{query}")).await?.expect(200)?.json()?;
        let found = found["data"]["groups"][0]["rules"].as_array().map_or(0, Vec::len);
        assert_eq!(found, count, "{query}");
    }
    let bare = admin.get("/prom/api/v1/rules?exclude_alerts=true&rule_name[]=SlotSaturationBurn").await?.json()?;
    assert_eq!(bare["data"]["groups"][0]["rules"][0]["alerts"], json!([]));
    let wrong = admin.get("/prom/api/v1/rules?type=x").await?.expect(400)?.json()?;
    assert_eq!((&wrong["status"], &wrong["errorType"]), (&json!("error"), &json!("bad_data")));
    Ok(())
}
