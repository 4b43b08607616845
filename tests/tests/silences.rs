//! Silences from the form to the message: what is hidden is what was tried out, whoever made one is reminded, and what still fires
//! is told when it is over.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Scope;
use headroom_domain::alert::episode::{Alert, Condition};
use headroom_domain::alert::facts::Facts;
use headroom_domain::alert::matcher;
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::window::Lane;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_server::app::alerts::silences::{Phase, Wish};
use headroom_server::app::alerts::tick;
use headroom_server::app::caller::{Caller, Who};
use headroom_server::app::{App, AppError};
use headroom_store::silence::Kind;
use headroom_tests::alerts::{World, at};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::sync::Arc;

/// When the clock stands still at a minute, see [`World::hold`].
const JUDGED_AFTER_MS: Millis = 16_000;

fn wish(matchers: &str, until_ms: Millis) -> Wish {
    Wish {
        kind: Kind::Silence,
        matchers: matcher::parse(matchers).expect(matchers),
        from_ms: None,
        until_ms,
        note: "new hardware".into(),
        expire_on_resolve: false,
    }
}

/// Fields that were refused.
fn refused<T: std::fmt::Debug>(outcome: Result<T, AppError>) -> Result<Vec<String>> {
    match outcome {
        Err(AppError::Invalid(problems)) => Ok(problems.into_iter().map(|problem| problem.field).collect()),
        other => anyhow::bail!("expected a refusal, found {other:?}"),
    }
}

/// A world in which both pools page since minute 1, and the clock stands at minute 2.
async fn firing() -> Result<World> {
    let mut world = World::create(&["pool-a", "pool-b"], &["t1"]).await?;
    world.receiver("pager", &["page"]).await?;
    world.receiver("tracker", &["ticket"]).await?;
    for pool in ["pool-a", "pool-b"] {
        world.clean(pool).await?;
        world.slices(pool, None, Sli::Saturation, 0..300, 1_000, 1_000).await?;
    }
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    Ok(world)
}

/// The numbers of the alerts that are hidden.
async fn hidden(world: &mut World) -> Result<Vec<i64>> {
    Ok(world.alerts().await?.into_iter().filter(|row| row.silence.is_some()).map(|row| row.id).collect())
}

#[tokio::test]
async fn what_was_tried_out_is_hidden_its_author_is_reminded_and_it_is_told_at_the_end() -> Result<()> {
    // V45.
    let mut world = firing().await?;
    let app = world.app();
    let wish = wish("pool=pool-a, severity=page", at(62) + JUDGED_AFTER_MS);
    let tried = app.preview_silence(&wish, None).await?;
    let mut would: Vec<i64> = tried.hides.iter().map(|shown| shown.row.id).collect();
    would.sort_unstable();
    ensure!(tried.problems.is_empty() && tried.unknown.is_empty() && !would.is_empty(), "{tried:?}");
    assert_eq!(hidden(&mut world).await?, Vec::<i64>::new(), "trying out hides nothing");

    let made = app.create_silence(&wish).await?;
    assert_eq!((made.phase, made.useless, made.hides.len()), (Phase::Active, false, would.len()));
    tick::turn(&world.db).await?;
    assert_eq!(hidden(&mut world).await?, would, "at the next turn of the clock, without the engine");
    let told = world.messages("pager").await?.len();
    for minute in 3..=61 {
        world.judge(minute).await?;
    }
    let about_a = |messages: Vec<(i64, String)>| -> Vec<(i64, String)> {
        messages.into_iter().filter(|(_, what)| what == "silence-ended" || what == "reminder").collect()
    };
    assert_eq!(about_a(world.messages("tracker").await?), [(47, "reminder".to_owned())], "15 min before its end, once");
    assert_eq!(about_a(world.messages("pager").await?), [], "hidden to the end");
    ensure!(world.messages("pager").await?.len() > told, "the other pool went on");
    world.judge(62).await?;
    let ended = about_a(world.messages("pager").await?);
    ensure!(!ended.is_empty() && ended.iter().all(|one| *one == (62, "silence-ended".to_owned())), "{ended:?}");
    assert_eq!(hidden(&mut world).await?, Vec::<i64>::new());
    let events = world.events(would[0]).await?;
    let own: Vec<&str> = events.iter().map(String::as_str).filter(|what| what.contains("silence")).collect();
    assert_eq!(own, ["silenced", "silence-ended"]);
    let listed = app.silences().await?;
    assert_eq!(listed.all[0].phase, Phase::Ended, "it ended lately and is listed");
    assert_eq!(listed.all[0].hides.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_silence_ends_with_what_it_hid() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..10, 1_000, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 10..400, 0, 1_000).await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let app = world.app();
    let made = app.create_silence(&Wish { expire_on_resolve: true, ..wish("pool=pool-a", at(2_000)) }).await?;
    for minute in 3..=371 {
        world.judge(minute).await?;
    }
    ensure!(!hidden(&mut world).await?.is_empty(), "the ticket that an outage leaves is hidden, too");
    assert_eq!(app.silence(made.stored.id).await?.phase, Phase::Active);
    for minute in 372..=375 {
        world.judge(minute).await?;
    }
    tick::turn(&world.db).await?;
    let over = app.silence(made.stored.id).await?;
    assert_eq!(over.phase, Phase::Ended);
    assert_eq!(over.stored.ended_by, None, "by itself");
    Ok(())
}

#[tokio::test]
async fn what_hides_everything_lasts_too_long_or_has_no_reason_is_refused() -> Result<()> {
    let world = World::create(&["pool-a", "pool-b"], &["t1"]).await?;
    let app = world.app();
    let hour = at(0) + HOUR_MS;
    for everything in ["pool=~.*", "severity=~page|ticket", "tenant=~.*", "pool!=nobody", "rule=~.+, pool=~.*"] {
        assert_eq!(refused(app.create_silence(&wish(everything, hour)).await)?, ["matchers"], "{everything}");
        let tried = app.preview_silence(&wish(everything, hour), None).await?;
        ensure!(tried.problems.iter().any(|problem| problem.field == "matchers"), "{everything}: {tried:?}");
    }
    let quiet = Wish { note: " ".into(), ..wish("pool=pool-a", hour) };
    assert_eq!(refused(app.create_silence(&quiet).await)?, ["note"]);
    assert_eq!(refused(app.create_silence(&wish("pool=pool-a", at(1) + 7 * DAY_MS)).await)?, ["until"]);
    assert_eq!(refused(app.create_silence(&wish("pool=pool-a", at(-1))).await)?, ["until"]);
    let early = Wish { from_ms: Some(at(-60)), ..wish("pool=pool-a", hour) };
    assert_eq!(refused(app.create_silence(&early).await)?, ["from"]);
    let of_rule = Wish { kind: Kind::Maintenance, ..wish("pool=pool-a, rule=hot-slot", hour) };
    assert_eq!(refused(app.create_silence(&of_rule).await)?, ["matchers[1].name"], "maintenance is of whole pools");
    assert_eq!(app.silences().await?.all.len(), 0, "nothing was made");
    let slip = app.preview_silence(&wish("pool=pool-aa", hour), None).await?;
    assert_eq!(slip.unknown, ["no pool is called \"pool-aa\""]);
    app.create_silence(&Wish { kind: Kind::Maintenance, ..wish("pool=pool-a", hour) }).await?;
    Ok(())
}

#[tokio::test]
async fn a_planned_silence_begins_by_the_clock_and_one_that_is_ended_tells_at_once() -> Result<()> {
    let mut world = firing().await?;
    let app = world.app();
    let begins = at(4) + JUDGED_AFTER_MS + 7_000;
    let planned = Wish { from_ms: Some(begins), ..wish("pool=pool-b", at(120)) };
    let made = app.create_silence(&planned).await?;
    assert_eq!(made.phase, Phase::Planned);
    ensure!(!made.hides.is_empty(), "what it would hide is shown before it begins");
    tick::turn(&world.db).await?;
    assert_eq!(hidden(&mut world).await?, Vec::<i64>::new());
    // The engine does nothing at that instant: the clock alone knows.
    world.judge(4).await?;
    world.hold(4, 6_999).await?;
    tick::turn(&world.db).await?;
    assert_eq!(hidden(&mut world).await?, Vec::<i64>::new());
    world.hold(4, 7_000).await?;
    tick::turn(&world.db).await?;
    ensure!(!hidden(&mut world).await?.is_empty(), "it began");

    let stale = app.update_silence(made.stored.id, made.stored.version + 1, &planned).await;
    ensure!(matches!(&stale, Err(AppError::Conflict(text)) if text.contains("it is at version 1")), "{stale:?}");
    let longer = Wish { from_ms: None, until_ms: at(180), ..planned.clone() };
    let changed = app.update_silence(made.stored.id, made.stored.version, &longer).await?;
    assert_eq!((changed.stored.version, changed.stored.times.from_ms), (2, begins), "its beginning stays");

    world.hold(5, 1_000).await?;
    app.end_silence(made.stored.id).await?;
    tick::turn(&world.db).await?;
    assert_eq!(hidden(&mut world).await?, Vec::<i64>::new());
    ensure!(world.messages("pager").await?.contains(&(5, "silence-ended".to_owned())), "those who missed it are told");
    let again = app.end_silence(made.stored.id).await;
    ensure!(matches!(&again, Err(AppError::Conflict(text)) if text.contains("ended at")), "{again:?}");
    let late = app.update_silence(made.stored.id, 3, &longer).await;
    ensure!(matches!(late, Err(AppError::Conflict(_))), "{late:?}");
    Ok(())
}

/// Somebody with a token for some pools or tenants.
fn limited(world: &World, pools: Option<Vec<i32>>, tenants: Option<Vec<i32>>) -> App {
    let who = Who::Token { key: 0, scopes: vec![Scope::Read, Scope::Alert] };
    App::new(world.db.clone()).acting(Arc::new(Caller { who, pools, tenants, ..Caller::nobody() }))
}

#[tokio::test]
async fn who_sees_a_part_sees_what_concerns_it_and_makes_none() -> Result<()> {
    let mut world = firing().await?;
    let app = world.app();
    let hour = at(2) + HOUR_MS;
    for matchers in ["pool=pool-a", "pool=pool-b", "pool=~pool-a|pool-b, severity=page", "tenant=t1"] {
        app.create_silence(&wish(matchers, hour)).await?;
    }
    let pool_a = world.pool("pool-a").await?;
    let own = limited(&world, Some(vec![pool_a]), None);
    let seen = own.silences().await?.all;
    let shown = |one: &headroom_server::app::alerts::silences::SilenceShown| {
        one.stored.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut texts: Vec<String> = seen.iter().map(shown).collect();
    texts.sort_unstable();
    // What names other pools is left out of what is shown.
    assert_eq!(texts, ["pool=\"pool-a\"", "severity=\"page\"", "tenant=\"t1\""]);
    ensure!(
        seen.iter().flat_map(|one| &one.hides).all(|alert| alert.row.pool == Some(pool_a)),
        "and hides only what is theirs: {seen:?}"
    );
    let foreign = app.silences().await?.all.into_iter().find(|one| shown(one) == "pool=\"pool-b\"").context("it")?;
    ensure!(matches!(own.silence(foreign.stored.id).await, Err(AppError::NotFound { .. })), "as if there were none");
    for outcome in [own.create_silence(&wish("pool=pool-a", hour)).await, own.end_silence(foreign.stored.id).await] {
        ensure!(matches!(outcome, Err(AppError::Forbidden { .. })), "{outcome:?}");
    }
    let tried = own.preview_silence(&wish("pool=pool-a", hour), None).await;
    ensure!(matches!(tried, Err(AppError::Forbidden { .. })), "{tried:?}");

    let tenant: i32 =
        sqlx::query_scalar("SELECT tenant_id FROM tenant WHERE slug = 't1'").fetch_one(&mut world.conn).await?;
    let tenants = limited(&world, None, Some(vec![tenant])).silences().await?.all;
    ensure!(tenants.iter().all(|one| one.stored.note.is_empty()), "what people wrote may name anybody");
    assert_eq!(tenants.len(), 4, "each could hide something of the tenant's");
    Ok(())
}

#[tokio::test]
async fn a_silence_that_hid_nothing_for_a_day_is_flagged() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    let app = world.app();
    let made = app.create_silence(&wish("pool=pool-a", at(0) + 3 * DAY_MS)).await?;
    world.hold(24 * 60 - 1, 0).await?;
    assert_eq!(app.silences().await?.all.iter().filter(|one| one.useless).count(), 0);
    world.hold(24 * 60 + 1, 0).await?;
    assert!(app.silence(made.stored.id).await?.useless);
    Ok(())
}

async fn service() -> Result<(Database, Service, Client)> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    for slug in ["edge-eu", "edge-us"] {
        client.post("/api/v1/pools", &json!({ "slug": slug, "name": slug, "capacity": 10 })).await?.expect(201)?;
    }
    Ok((database, service, client))
}

/// An alert that fires, as the engine would write it.
async fn alert(database: &Database, pool: &str) -> Result<()> {
    let mut conn = database.connect().await?;
    let now = headroom_store::now(&mut conn).await?;
    let pool: i32 =
        sqlx::query_scalar("SELECT pool_id FROM pool WHERE slug = $1").bind(pool).fetch_one(&mut conn).await?;
    let mut alert = Alert::new(now - MINUTE_MS, None);
    (alert.condition, alert.severity, alert.fired_ms) = (Condition::Firing, Lane::Page, Some(now - MINUTE_MS));
    let mut row = headroom_store::alert::Row {
        id: 0,
        rule: "saturation-burn".into(),
        pool: Some(pool),
        tenant: 0,
        alert,
        facts: Facts::default(),
        eval_seq: 1,
        silence: None,
        inhibited_by: None,
        inhibited_until: None,
        dry_run: false,
    };
    headroom_store::alert::put(&mut conn, &mut row, None).await?;
    Ok(())
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|one| one["field"].as_str()).collect()
}

#[tokio::test]
async fn the_api_makes_changes_and_ends_silences() -> Result<()> {
    let (database, _service, client) = service().await?;
    alert(&database, "edge-eu").await?;
    let path = "/api/v1/silences";
    let matcher = |name: &str, op: &str, value: &str| json!({ "name": name, "op": op, "value": value });
    let body = json!({ "matchers": [matcher("pool", "=", "edge-eu")], "until": "now+1h", "note": "switch swap" });
    let tried = client.post(&format!("{path}/preview"), &body).await?.expect(200)?.json()?;
    assert_eq!(tried["hides"].as_array().map(Vec::len), Some(1), "{tried}");
    assert_eq!((&tried["errors"], &tried["hides"][0]["pool"]), (&json!([]), &json!("edge-eu")));
    let made = client.post(path, &body).await?.expect(201)?;
    let one = made.json()?;
    assert_eq!(made.header("location"), format!("{path}/{}", one["id"]));
    assert_eq!((&one["state"], &one["kind"], &one["version"]), (&json!("active"), &json!("silence"), &json!(1)));
    assert_eq!(one["hides"].as_array().map(Vec::len), Some(1));
    let own = format!("{path}/{}", one["id"]);

    let wrong = json!({ "matchers": [matcher("colour", "~", "("), matcher("pool", "=~", "(")], "until": "now+1h", "note": "x" });
    let problem = client.post(path, &wrong).await?.problem(422)?;
    assert_eq!(fields(&problem), ["matchers[0].name", "matchers[0].op", "matchers[1].value"], "{problem}");
    let without = json!({ "matchers": [matcher("pool", "=", "edge-eu")], "until": "now+8d" });
    assert_eq!(fields(&client.post(path, &without).await?.problem(422)?), ["until", "note"]);
    let soon = json!({ "matchers": [matcher("pool", "=", "edge-eu")], "until": "soon", "note": "x" });
    assert_eq!(fields(&client.post(path, &soon).await?.problem(422)?), ["until"]);

    let mut changed = body.clone();
    changed["until"] = json!("now+2h");
    client.put(&own, &changed).await?.problem(428)?;
    changed["version"] = json!(1);
    assert_eq!(client.put(&own, &changed).await?.expect(200)?.json()?["version"], 2);
    let stale = client.put(&own, &changed).await?.problem(409)?;
    ensure!(stale["detail"].as_str().is_some_and(|text| text.contains("it is at version 2")), "{stale}");
    let delete = || client.send(http::Method::DELETE, &own, &[], None);
    assert_eq!(delete().await?.expect(200)?.json()?["state"], "ended");
    delete().await?.problem(409)?;
    client.get(&format!("{path}/999999")).await?.problem(404)?;
    let listed = client.get(path).await?.expect(200)?.json()?;
    assert_eq!(listed["silences"][0]["ended_by"], "token test", "{listed}");
    let trail = client.get("/api/v1/audit?object=silence").await?.expect(200)?.json()?;
    let actions: Vec<&str> =
        trail.as_array().into_iter().flatten().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["end", "update", "create"]);
    Ok(())
}

#[tokio::test]
async fn the_page_previews_makes_changes_and_ends_silences_without_scripts() -> Result<()> {
    let (database, _service, client) = service().await?;
    alert(&database, "edge-eu").await?;
    let empty = client.page("/silences").await?.expect(200)?.body;
    ensure!(empty.contains("Nothing is silenced") && empty.contains("id=\"new\""), "{empty}");
    let tabs = ["/oncall", "/alerts", "/silences", "/oncall/schedules", "/rules", "/slos", "/runbooks"];
    for href in tabs {
        ensure!(empty.contains(&format!("<a href=\"{href}\"")), "no tab leads to {href}");
    }
    ensure!(empty.contains("<a href=\"/silences\" aria-current=\"page\">"), "the tab is marked");
    let filled = client.page("/silences?pool=edge-eu&rule=saturation-burn").await?.expect(200)?.body;
    ensure!(filled.contains("value=\"rule=saturation-burn, pool=edge-eu\""), "an address fills the form in");

    let good = [
        ("matchers", "pool=edge-eu, severity=page"),
        ("lasts", "4h"),
        ("until", ""),
        ("from", ""),
        ("note", "switch swap <b>"),
        ("kind", "silence"),
    ];
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = good.iter().copied().filter(|(other, _)| *other != name).collect();
        all.push((name, value));
        all
    };
    let tried = client.form("/silences/new", &with("do", "preview")).await?.expect(200)?.body;
    ensure!(tried.contains("It would hide 1 alert that fires now"), "{tried}");
    ensure!(tried.contains("switch swap &lt;b&gt;"), "what was typed stays");
    ensure!(client.page("/silences").await?.body.contains("Nothing is silenced"), "nothing was made");

    for (name, value, wrong) in [
        ("matchers", "pool=~.*", "matchers"),
        ("matchers", "nonsense", "matchers"),
        ("matchers", "", "matchers"),
        ("note", "", "note"),
        ("lasts", "custom", "until"),
        ("lasts", "forever", "lasts"),
        ("from", "yesterday", "from"),
        ("kind", "noise", "kind"),
    ] {
        for deed in ["preview", "save"] {
            let mut fields = with(name, value);
            fields.push(("do", deed));
            let again = client.form("/silences/new", &fields).await?.expect(422)?.body;
            ensure!(again.contains(&format!("id=\"{wrong}-error\"")), "{name}={value:?}, {deed}: no error at {wrong}");
            ensure!(again.contains(&format!("href=\"#{wrong}\"")), "{name}={value:?}, {deed}: no link to it");
        }
    }
    let made = client.form("/silences/new", &with("do", "save")).await?.expect(303)?;
    assert_eq!(made.header("location"), "/silences");
    let listed = client.page("/silences").await?.expect(200)?.body;
    for said in ["switch swap &lt;b&gt;", "1 alert</summary>", people::NAME, "End now…", "1 active, 0 planned"] {
        ensure!(listed.contains(said), "the list does not say {said:?}: {listed}");
    }
    let id = client.get("/api/v1/silences").await?.json()?["silences"][0]["id"].to_string();
    let edit = client.page(&format!("/silences/{id}")).await?.expect(200)?.body;
    ensure!(edit.contains("value=\"pool=edge-eu, severity=page\""), "{edit}");
    let mut change = with("note", "longer than thought");
    change.extend([("version", "1"), ("do", "save")]);
    client.form(&format!("/silences/{id}"), &change).await?.expect(303)?;
    let late = client.form(&format!("/silences/{id}"), &change).await?.expect(409)?.body;
    ensure!(late.contains("was changed meanwhile") && late.contains("longer than thought"), "{late}");
    let asked = client.page(&format!("/silences/{id}/end")).await?.expect(200)?.body;
    ensure!(asked.contains("End silence") && asked.contains("the alert that it hides"), "{asked}");
    assert_eq!(client.get("/api/v1/silences").await?.json()?["silences"][0]["state"], "active", "asking ends nothing");
    client.form(&format!("/silences/{id}/end"), &[]).await?.expect(303)?;
    assert_eq!(client.get("/api/v1/silences").await?.json()?["silences"][0]["state"], "ended");
    Ok(())
}
