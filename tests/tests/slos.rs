//! Error budgets: exact counts, maintenance left out, objectives that kill no rule, and which pools are ready to be watched.

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::slo::Sli;
use headroom_tests::alerts::{World, at};
use headroom_tests::client::Client;
use headroom_tests::service::Service;
use serde_json::{Value, json};

fn serve(world: &World) -> Result<(Service, Client)> {
    let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", world.database.url()])?;
    let admin = Client::new(service.url())?;
    Ok((service, admin))
}

/// Maintenance of a pool from one minute to another.
async fn maintain(world: &mut World, pool: &str, from: i64, to: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO silence (kind, matchers, from_at, until_at, note, author_id, author)
         VALUES ('maintenance', $1, to_timestamp($2::float8 / 1000), to_timestamp($3::float8 / 1000), 'new disks', 'x', 'x')",
    )
    .bind(json!([{ "name": "pool", "op": "=", "value": pool }]))
    .bind(at(from) as f64)
    .bind(at(to) as f64)
    .execute(&mut world.conn)
    .await?;
    Ok(())
}

async fn slo(admin: &Client, pool: &str, sli: &str) -> Result<Value> {
    admin.get(&format!("/api/v1/slos/{pool}/{sli}")).await?.expect(200)?.json()
}

fn close(found: &Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-9)
}

#[tokio::test]
async fn what_is_left_is_exact_and_maintenance_is_left_out() -> Result<()> {
    // 72 h of 1,000 claims a minute, then ten minutes in which 40 of 1,000 are rejected, then ten clean ones.
    let mut world = World::create(&["pool-a", "pool-b"], &[]).await?;
    for pool in ["pool-a", "pool-b"] {
        world.clean(pool).await?;
        world.slices(pool, None, Sli::Saturation, 0..10, 40, 1_000).await?;
        world.slices(pool, None, Sli::Saturation, 10..20, 0, 1_000).await?;
    }
    maintain(&mut world, "pool-b", 2, 6).await?;
    world.judge(0).await?;
    world.judge(20).await?;
    let (_service, admin) = serve(&world)?;
    let a = slo(&admin, "pool-a", "saturation").await?;
    assert_eq!((&a["bad"], &a["total"]), (&json!(400), &json!(4_340_000)), "{a}");
    ensure!(close(&a["allowed"], 434.0) && close(&a["left"], 1.0 - 400.0 / 434.0), "{a}");
    ensure!(close(&a["burn_1h"], 400.0 / 60_000.0 * 10_000.0), "{a}");
    ensure!(
        a["text"]
            .as_str()
            .is_some_and(|text| text.contains("of the 30-day budget is left; at the pace of the last 6 h (")),
        "{a}"
    );
    let series = a["series"].as_array().context("a series")?;
    assert_eq!(series.last().map(|last| &last["left"]), Some(&a["left"]), "the head number is the chart's last point");
    assert_eq!(series[0]["left"], json!(1.0));
    ensure!(series.len() >= 13, "72 h every six hours: {}", series.len());
    let b = slo(&admin, "pool-b", "saturation").await?;
    assert_eq!(
        (&b["bad"], &b["total"], &b["maintenance_ms"]),
        (&json!(240), &json!(4_336_000), &json!(240_000)),
        "{b}"
    );
    // Those with least left first; what was not counted last.
    let all = admin.get("/api/v1/slos?sli=saturation").await?.expect(200)?.json()?;
    assert_eq!((&all[0]["pool"], &all[1]["pool"]), (&json!("pool-a"), &json!("pool-b")), "{all}");
    let latency = slo(&admin, "pool-a", "latency").await?;
    ensure!(
        latency["left"].is_null()
            && latency["text"].as_str().is_some_and(|text| text.starts_with("Nothing was counted")),
        "{latency}"
    );
    admin.get("/api/v1/slos/pool-z/saturation").await?.problem(404)?;
    admin.get("/api/v1/slos/pool-a/beauty").await?.problem(422)?;
    let page = admin.page("/slos?pool=pool-a").await?.expect(200)?.body;
    ensure!(page.contains("id=\"left-saturation\"") && page.contains("Change the objective"), "{page}");
    let list = admin.page("/slos").await?.expect(200)?.body;
    ensure!(list.contains("2 budgets, those with least left first"), "{list}");
    let rows = admin.page("/slos?format=csv").await?.expect(200)?.csv()?;
    assert_eq!((rows[0][0].as_str(), rows[1][0].as_str(), rows[1][3].as_str()), ("pool", "pool-a", "400"));
    Ok(())
}

#[tokio::test]
async fn an_objective_that_kills_rules_is_refused_with_their_names() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.judge(0).await?;
    let (_service, admin) = serve(&world)?;
    let path = "/api/v1/slos/pool-a/saturation";
    admin.put(path, &json!({ "budget": "1/1000" })).await?.problem(428)?;
    let set = admin.put(path, &json!({ "budget": "99.9 %", "version": 0 })).await?.expect(200)?.json()?;
    assert_eq!((&set["budget"], &set["version"]), (&json!("1/1000"), &json!(1)));
    let late = admin.put(path, &json!({ "budget": "1/500", "version": 0 })).await?.problem(409)?;
    assert_eq!(late["version"], 1, "{late}");
    // V07: a tenth may be bad, so a burn of 14.4 cannot be.
    let refused = admin.put(path, &json!({ "budget": "1/10", "version": 1 })).await?.problem(422)?;
    ensure!(
        refused["errors"][0]["field"] == "budget" && refused.to_string().contains("Saturation budget burn"),
        "{refused}"
    );
    for wrong in ["0", "1", "x", "100 %", "-1"] {
        admin.put(path, &json!({ "budget": wrong, "version": 1 })).await?.problem(422)?;
    }
    assert_eq!(slo(&admin, "pool-a", "saturation").await?["budget"], "1/1000", "nothing was changed");
    let all = admin
        .put("/api/v1/slos/*/saturation", &json!({ "budget": "1/2000", "version": 0 }))
        .await?
        .expect(200)?
        .json()?;
    assert_eq!((&all["pool"], &all["version"]), (&json!("*"), &json!(1)));
    let back = admin.put(path, &json!({ "budget": null, "version": 1 })).await?.expect(200)?.json()?;
    assert_eq!((&back["budget"], &back["version"]), (&json!("1/2000"), &json!(0)));
    let now = slo(&admin, "pool-a", "saturation").await?;
    assert_eq!((&now["set_for"], &now["budget"]), (&json!("all"), &json!("1/2000")));
    // A rule whose threshold a set budget makes unreachable is refused too.
    let page = [("pool", "pool-a"), ("sli", "saturation"), ("version", "0"), ("budget", "90 %")];
    let refused = admin.form("/slos/objective", &page).await?.expect(422)?.body;
    ensure!(refused.contains("could never fire any more") && refused.contains("value=\"90 %\""), "{refused}");
    let page = [("pool", "pool-a"), ("sli", "saturation"), ("version", "0"), ("budget", "99.99 %")];
    let saved = admin.form("/slos/objective", &page).await?.expect(303)?;
    assert_eq!(saved.header("location"), "/slos?pool=pool-a");
    let audit = admin.get("/api/v1/audit?object=slo").await?.expect(200)?.body;
    ensure!(audit.contains("pool-a/saturation") && audit.contains("1/10000"), "{audit}");
    Ok(())
}

#[tokio::test]
async fn a_pool_is_ready_when_nothing_is_missing() -> Result<()> {
    let mut world = World::create(&["pool-a", "pool-b"], &["t1"]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", Some("t1"), Sli::Saturation, -60..0, 0, 1_000).await?;
    sqlx::query(
        "UPDATE pool SET owner = 'platform', runbook_url = 'https://runbooks.example/a', feed_period_ms = 60000
         WHERE slug = 'pool-a'",
    )
    .execute(&mut world.conn)
    .await?;
    world.judge(0).await?;
    let (_service, admin) = serve(&world)?;
    let all = admin.get("/api/v1/readiness").await?.expect(200)?.json()?;
    assert_eq!((&all[0]["pool"], &all[0]["ready"]), (&json!("pool-b"), &json!(false)), "{all}");
    assert_eq!((&all[1]["pool"], &all[1]["ready"]), (&json!("pool-a"), &json!(true)), "{all}");
    let missing = |one: &Value| -> Vec<String> {
        let checks = one["checks"].as_array().into_iter().flatten();
        checks
            .filter(|check| check["done"] == false)
            .filter_map(|check| Some(check["what"].as_str()?.to_owned()))
            .collect()
    };
    assert_eq!(missing(&all[0]), ["owner", "runbook", "slo-data", "metering", "feed"]);
    let page = admin.page("/slos?pool=pool-b").await?.expect(200)?.body;
    ensure!(page.contains("href=\"/pools/pool-b/edit\"") && page.contains("5 are missing"), "{page}");
    Ok(())
}
