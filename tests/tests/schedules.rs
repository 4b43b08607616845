//! Who is on call and who is asked: schedules over changes of clocks, gaps that are never silent, policies that are refused, and the
//! person whose turn it is hears of it.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_domain::alert::slo::Sli;
use headroom_domain::{DAY_MS, HOUR_MS};
use headroom_server::app::alerts::schedules::{LayerDraft, OverrideDraft, PolicyDraft, ScheduleDraft, TargetDraft};
use headroom_tests::alerts::{World, at};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};

const SCHEDULES: &str = "/api/v1/oncall/schedules";
const POLICIES: &str = "/api/v1/oncall/policies";

struct Server {
    database: Database,
    _service: Service,
    client: Client,
}

/// A server with two people who may be on call.
async fn server() -> Result<Server> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let mut conn = database.connect().await?;
    for (email, name) in [("dana@test.example", "Dana <Okafor>"), ("mika@test.example", "Mika Lind")] {
        people::add(&mut conn, email, name, &[Role::OnCall], &[]).await?;
    }
    Ok(Server { database, _service: service, client })
}

fn daily(slug: &str, people: &[&str]) -> Value {
    json!({
        "slug": slug, "name": format!("The {slug}"), "zone": "Europe/Berlin",
        "layers": [{ "people": people, "start": "2026-01-05T09:00", "hand_over": { "every": "day", "at": "09:00" } }],
    })
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|one| one["field"].as_str()).collect()
}

fn said(answer: &Answer) -> Result<String> {
    Ok(answer.problem(answer.status)?["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn turns_follow_the_clocks_of_their_zone() -> Result<()> {
    let server = server().await?;
    let client = &server.client;
    let made =
        client.post(SCHEDULES, &daily("primary", &["dana@test.example", " Mika@Test.example"])).await?.expect(201)?;
    assert_eq!(made.header("location"), format!("{SCHEDULES}/primary"));
    let one = made.json()?;
    assert_eq!((&one["version"], &one["gaps_ahead"], &one["warnings"]), (&json!(1), &json!([]), &json!([])));
    ensure!(one["now"]["email"].is_string() && one["next"]["email"].is_string(), "{one}");
    ensure!(one["now"]["email"] != one["next"]["email"], "the next one takes over: {one}");

    // The night in which clocks are put forward has an hour less, that in which they are put back one more.
    for (from, to, expected) in [
        (
            "2027-03-26T12:00:00Z",
            "2027-03-29T12:00:00Z",
            ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"],
        ),
        (
            "2027-10-29T12:00:00Z",
            "2027-11-01T12:00:00Z",
            ["2027-10-30T07:00:00Z", "2027-10-31T08:00:00Z", "2027-11-01T08:00:00Z"],
        ),
    ] {
        let shown = client.get(&format!("{SCHEDULES}/primary?from={from}&to={to}")).await?.expect(200)?.json()?;
        let shifts = shown["shifts"].as_array().context("shifts")?;
        let begins: Vec<&str> = shifts.iter().skip(1).filter_map(|shift| shift["from"].as_str()).collect();
        assert_eq!(begins, expected);
        assert_eq!((&shifts[0]["from"], &shifts[3]["until"]), (&json!(from), &json!(to)), "the range and no more");
        let who: Vec<&Value> = shifts.iter().map(|shift| &shift["person"]["email"]).collect();
        ensure!(who[0] != who[1] && who[0] == who[2] && who[1] == who[3], "in turn: {who:?}");
        assert_eq!(shown["gaps"], json!([]));
    }
    for (query, field) in [
        ("from=2027-01-01T00:00:00Z&to=2027-02-06T00:00:00Z", "to"),
        ("from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z", "to"),
        ("from=soon", "from"),
    ] {
        let problem = client.get(&format!("{SCHEDULES}/primary?{query}")).await?.problem(422)?;
        assert_eq!(fields(&problem), [field], "{query}");
    }
    client.get(&format!("{SCHEDULES}/primary?from=2027-01-01T00:00:00Z&to=2027-02-05T00:00:00Z")).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_schedule_that_makes_no_sense_is_refused_by_field() -> Result<()> {
    let server = server().await?;
    let client = &server.client;
    let good = daily("primary", &["dana@test.example"]);
    let with = |pointer: &str, value: Value| -> Result<Value> {
        let mut body = good.clone();
        *body.pointer_mut(pointer).context("a member")? = value;
        Ok(body)
    };
    for (pointer, value, field) in [
        ("/slug", json!("Not A Slug"), "slug"),
        ("/name", json!(""), "name"),
        ("/zone", json!("Mars/Olympus"), "zone"),
        ("/layers", json!([]), "layers"),
        ("/layers/0/people", json!(["nobody@test.example"]), "layers[0].people[0]"),
        ("/layers/0/people", json!([]), "layers[0].people"),
        ("/layers/0/start", json!("soon"), "layers[0].start"),
        ("/layers/0/hand_over", json!({ "every": "year" }), "layers[0].hand_over.every"),
        ("/layers/0/hand_over", json!({ "every": "day", "at": "25:00" }), "layers[0].hand_over.at"),
        (
            "/layers/0/hand_over",
            json!({ "every": "week", "at": "09:00", "weekday": "Monday" }),
            "layers[0].hand_over.weekday",
        ),
        ("/layers/0/hand_over", json!({ "every": "hours", "hours": 0 }), "layers[0].hand_over.hours"),
    ] {
        let problem = client.post(SCHEDULES, &with(pointer, value.clone())?).await?.problem(422)?;
        assert_eq!(fields(&problem), [field], "{pointer}: {value}: {problem}");
    }
    client.post(SCHEDULES, &good).await?.expect(201)?;
    ensure!(said(&client.post(SCHEDULES, &good).await?.expect(409)?)?.contains("exists already"));
    assert_eq!(client.get(SCHEDULES).await?.json()?.as_array().map(Vec::len), Some(1));

    let own = format!("{SCHEDULES}/primary");
    client.put(&own, &good).await?.problem(428)?;
    let mut change = good.clone();
    change["version"] = json!(1);
    change["name"] = json!("First");
    assert_eq!(client.put(&own, &change).await?.expect(200)?.json()?["version"], 2);
    let stale = client.put(&own, &change).await?.expect(409)?;
    ensure!(said(&stale)?.contains("it is at version 2"), "{}", stale.body);
    change["slug"] = json!("other");
    assert_eq!(fields(&client.put(&own, &change).await?.problem(422)?), ["slug"]);
    Ok(())
}

#[tokio::test]
async fn who_stands_in_counts_more_than_whose_turn_it_is() -> Result<()> {
    let server = server().await?;
    let client = &server.client;
    client.post(SCHEDULES, &daily("primary", &["dana@test.example"])).await?.expect(201)?;
    let overrides = format!("{SCHEDULES}/primary/overrides");
    let body = json!({ "person": "mika@test.example", "until": "now+2h", "note": "swapped" });
    let changed = client.post(&overrides, &body).await?.expect(201)?.json()?;
    assert_eq!((&changed["now"]["email"], &changed["version"]), (&json!("mika@test.example"), &json!(2)));
    assert_eq!((&changed["shifts"][0]["by"], &changed["shifts"][1]["by"]), (&json!("override"), &json!("turn")));
    assert_eq!(changed["next"]["email"], "dana@test.example");
    for (body, expected) in [
        (json!({ "person": "nobody@test.example", "until": "now+2h" }), "person"),
        (json!({ "person": "mika@test.example", "until": "now-2h" }), "until"),
        (json!({ "person": "mika@test.example", "from": "now+3h", "until": "now+2h" }), "until"),
        (json!({ "person": "mika@test.example", "until": "soon" }), "until"),
        (json!({ "person": "mika@test.example", "until": "now+2h", "note": "x".repeat(501) }), "note"),
    ] {
        assert_eq!(fields(&client.post(&overrides, &body).await?.problem(422)?), [expected], "{body}");
    }
    client.post(&format!("{SCHEDULES}/other/overrides"), &body).await?.problem(404)?;
    // A change of the turns leaves what was swapped alone.
    let mut change = daily("primary", &["dana@test.example"]);
    change["version"] = json!(2);
    assert_eq!(
        client.put(&format!("{SCHEDULES}/primary"), &change).await?.expect(200)?.json()?["now"]["email"],
        "mika@test.example"
    );
    Ok(())
}

#[tokio::test]
async fn a_policy_that_would_ask_nobody_is_refused_or_shown_never_silent() -> Result<()> {
    let server = server().await?;
    let (client, database) = (&server.client, &server.database);
    client.post(SCHEDULES, &daily("primary", &["dana@test.example"])).await?.expect(201)?;
    let mut office = daily("office", &["mika@test.example"]);
    office["layers"][0]["only"] =
        json!([{ "weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "until": "17:00" }]);
    let made = client.post(SCHEDULES, &office).await?.expect(201)?.json()?;
    ensure!(made["gaps_ahead"].as_array().is_some_and(|gaps| gaps.len() >= 10), "{made}");

    let policy = |slug: &str, targets: Value| {
        json!({ "slug": slug, "name": slug, "steps": [
            { "after_ms": 0, "targets": [{ "schedule": "primary" }] }, { "after_ms": 300_000, "targets": targets }] })
    };
    let good = policy("usual", json!([{ "schedule": "office" }, { "person": "dana@test.example" }]));
    let made = client.post(POLICIES, &good).await?.expect(201)?.json()?;
    assert_eq!((&made["warnings"], &made["rounds"], &made["round_ms"]), (&json!([]), &json!(3), &json!(1_800_000)));
    assert_eq!(made["steps"][0]["asked_now"][0]["email"], "dana@test.example");

    for (targets, expected) in [
        (json!([{ "schedule": "office" }]), vec!["steps[1].targets"]),
        (json!([{ "schedule": "nights" }]), vec!["steps[1].targets[0].schedule", "steps[1].targets"]),
        (json!([{ "person": "gone@test.example" }]), vec!["steps[1].targets[0].person", "steps[1].targets"]),
        (json!([{ "person": "dana@test.example" }, { "schedule": "nights" }]), vec!["steps[1].targets[1].schedule"]),
    ] {
        let mut body = policy("holes", targets.clone());
        let problem = client.post(POLICIES, &body).await?.problem(422)?;
        assert_eq!(fields(&problem), expected, "{targets}: {problem}");
        ensure!(problem.to_string().contains("acknowledge_gaps"), "it says the way out: {problem}");
        client.get(&format!("{POLICIES}/holes")).await?.problem(404)?;
        body["acknowledge_gaps"] = json!(true);
        let saved = client.post(POLICIES, &body).await?.expect(201)?.json()?;
        ensure!(saved["warnings"].as_array().is_some_and(|all| !all.is_empty()), "{targets}: {saved}");
        let page = client.page("/oncall/schedules").await?.expect(200)?.body;
        ensure!(page.contains("Step 2: "), "the page warns: {page}");
        client.send(Method::DELETE, &format!("{POLICIES}/holes"), &[], None).await?.expect(204)?;
    }
    // What cannot be followed at all is not saved, whatever is acknowledged.
    for (pointer, value, field) in [
        ("/steps/1/after_ms", json!(0), "steps[1].after_ms"),
        ("/steps/1/targets", json!([]), "steps[1].targets"),
        ("/steps/1/targets/0", json!({ "schedule": "office", "person": "dana@test.example" }), "steps[1].targets[0]"),
        ("/slug", json!("A b"), "slug"),
    ] {
        let mut body = policy("holes", json!([{ "schedule": "office" }]));
        body["acknowledge_gaps"] = json!(true);
        *body.pointer_mut(pointer).context("a member")? = value;
        let problem = client.post(POLICIES, &body).await?.problem(422)?;
        ensure!(fields(&problem).contains(&field), "{pointer}: {problem}");
    }

    // A schedule that is asked stays, and somebody who may not sign in any more is no one to ask.
    let delete = |path: String| {
        let client = client.clone();
        async move { client.send(Method::DELETE, &path, &[], None).await }
    };
    ensure!(said(&delete(format!("{SCHEDULES}/primary")).await?.expect(409)?)?.contains("usual"));
    let now = client.get("/api/v1/oncall/now").await?.expect(200)?.json()?;
    assert_eq!(now["policies"][0]["steps"][0]["asked"][0]["email"], "dana@test.example", "{now}");
    let mut conn = database.connect().await?;
    sqlx::query("UPDATE account SET disabled_at = hr_now() WHERE email = 'dana@test.example'")
        .execute(&mut conn)
        .await?;
    let shown = client.get(&format!("{SCHEDULES}/primary")).await?.expect(200)?.json()?;
    ensure!(shown["warnings"][0].as_str().is_some_and(|text| text.contains("may not sign in any more")), "{shown}");
    let warned = client.get(&format!("{POLICIES}/usual")).await?.expect(200)?.json()?;
    ensure!(warned["warnings"].as_array().is_some_and(|all| !all.is_empty()), "{warned}");

    let mut change = good.clone();
    change["acknowledge_gaps"] = json!(true);
    client.put(&format!("{POLICIES}/usual"), &change).await?.problem(428)?;
    change["version"] = json!(7);
    ensure!(
        said(&client.put(&format!("{POLICIES}/usual"), &change).await?.expect(409)?)?.contains("it is at version 1")
    );
    delete(format!("{POLICIES}/usual")).await?.expect(204)?;
    delete(format!("{SCHEDULES}/primary")).await?.expect(204)?;
    delete(format!("{SCHEDULES}/primary")).await?.problem(404)?;
    Ok(())
}

#[tokio::test]
async fn whose_turn_it_is_is_asked_in_person() -> Result<()> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    let mut keys = Vec::new();
    for (email, name) in [("dana@test.example", "Dana"), ("mika@test.example", "Mika"), ("ravi@test.example", "Ravi")] {
        let account = people::add(&mut world.conn, email, name, &[Role::OnCall], &[]).await?;
        world.receiver(&name.to_lowercase(), &["page"]).await?;
        sqlx::query("UPDATE receiver SET account_id = $1 WHERE slug = $2")
            .bind(account.key)
            .bind(name.to_lowercase())
            .execute(&mut world.conn)
            .await?;
        keys.push(account.key);
    }
    let app = world.app();
    let schedule = |slug: &str, email: &str| ScheduleDraft {
        slug: slug.into(),
        name: slug.into(),
        zone: "UTC".into(),
        layers: vec![LayerDraft {
            people: vec![email.into()],
            start: "2026-01-05T09:00".into(),
            every: "day".into(),
            at: "09:00".into(),
            ..LayerDraft::default()
        }],
        overrides: None,
    };
    app.create_schedule(&schedule("primary", "dana@test.example")).await?;
    app.create_schedule(&schedule("secondary", "mika@test.example")).await?;
    let target = |slug: &str| vec![TargetDraft::Schedule(slug.into())];
    let policy = PolicyDraft {
        slug: "usual".into(),
        name: "Usual".into(),
        owners: Vec::new(),
        steps: vec![(0, target("primary")), (300_000, target("secondary"))],
        round_ms: 1_800_000,
        rounds: 1,
        acknowledge_gaps: false,
    };
    app.create_policy(&policy).await?;
    // Ravi takes the shift that begins four minutes after it fires: who is asked is who is on call then.
    let shift = OverrideDraft {
        person: "ravi@test.example".into(),
        from_ms: at(5),
        until_ms: at(5) + 2 * HOUR_MS,
        note: String::new(),
    };
    let changed = app.add_override("secondary", &shift).await?;
    assert_eq!(changed.next.map(|who| who.name), Some("Ravi".to_owned()));
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..60, 1_000, 1_000).await?;
    for minute in 0..=12 {
        world.judge(minute).await?;
    }
    assert_eq!(world.messages("dana").await?, [(1, "firing".to_owned())]);
    assert_eq!(world.messages("ravi").await?, [(6, "escalated".to_owned())], "the second step, by the override");
    assert_eq!(world.messages("mika").await?, [], "it is not her turn then");
    let row = world.alerts().await?.remove(0);
    let asked: Vec<String> = headroom_store::alert::events(&mut world.conn, row.id, 100)
        .await?
        .into_iter()
        .filter(|event| event.what == "asked" || event.what == "escalated")
        .map(|event| format!("{}: {}", event.what, event.note))
        .collect();
    assert_eq!(asked, ["asked: Dana", "escalated: Ravi"]);
    Ok(())
}

#[tokio::test]
async fn the_page_makes_schedules_takes_shifts_and_says_where_nobody_is() -> Result<()> {
    let server = server().await?;
    let client = &server.client;
    let empty = client.page("/oncall/schedules").await?.expect(200)?.body;
    ensure!(empty.contains("No schedule yet") && empty.contains("No policy yet"), "{empty}");
    let good = [
        ("name", "Primary"),
        ("slug", "primary"),
        ("people", "dana@test.example\nmika@test.example"),
        ("every", "week"),
        ("weekday", "mon"),
        ("at", "09:00"),
        ("start", "2026-01-05"),
        ("zone", "Europe/Berlin"),
    ];
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = good.iter().copied().filter(|(other, _)| *other != name).collect();
        all.push((name, value));
        all
    };
    for (name, value, wrong) in [
        ("name", "", "name"),
        ("slug", "A B", "slug"),
        ("people", "nobody@test.example", "people"),
        ("people", "", "people"),
        ("every", "year", "every"),
        ("weekday", "someday", "weekday"),
        ("at", "9", "at"),
        ("start", "soon", "start"),
        ("zone", "Mars/Olympus", "zone"),
    ] {
        let again = client.form("/oncall/schedules/new", &with(name, value)).await?.expect(422)?.body;
        ensure!(again.contains(&format!("id=\"{wrong}-error\"")), "{name}={value:?}: no error at {wrong}: {again}");
        assert_eq!(again.matches("aria-invalid=\"true\"").count(), 1, "{name}={value:?}: that field alone");
    }
    let made = client.form("/oncall/schedules/new", &good).await?.expect(303)?;
    assert_eq!(made.header("location"), "/oncall/schedules");
    client.form("/oncall/schedules/new", &good).await?.expect(409)?;
    let page = client.page("/oncall/schedules").await?.expect(200)?.body;
    for said in [
        "Dana &lt;Okafor&gt;",
        "every week on Monday at 09:00 (Europe/Berlin)",
        "Somebody is on call at all times of the next 14 days.",
        "hr-rota__part--1",
        "hr-rota__part--2",
        "<a href=\"/oncall/schedules\" aria-current=\"page\">",
    ] {
        ensure!(page.contains(said), "the page does not say {said:?}: {page}");
    }
    let edit = client.page("/oncall/schedules/primary").await?.expect(200)?.body;
    ensure!(edit.contains("dana@test.example\nmika@test.example") && edit.contains("value=\"2026-01-05\""), "{edit}");

    // A shift, in the zone of the page.
    let day =
        chrono::DateTime::from_timestamp_millis(headroom_server::clock::now_ms() + 2 * DAY_MS).context("a day")?;
    let (from, until) = (day.format("%Y-%m-%d 10:00").to_string(), day.format("%Y-%m-%d 12:00").to_string());
    let shift =
        [("schedule", "primary"), ("person", people::EMAIL), ("from", &from), ("until", &until), ("note", "swapped")];
    for (name, value) in [("person", "nobody@test.example"), ("until", ""), ("until", "soon"), ("schedule", "other")] {
        let mut wrong: Vec<(&str, &str)> = shift.iter().copied().filter(|(other, _)| *other != name).collect();
        wrong.push((name, value));
        let again = client.form("/oncall/overrides", &wrong).await?.expect(422)?.body;
        ensure!(again.contains(&format!("id=\"{name}-error\"")), "{name}={value:?}: {again}");
    }
    client.form("/oncall/overrides", &shift).await?.expect(303)?;
    let page = client.page("/oncall/schedules").await?.expect(200)?.body;
    ensure!(page.contains(people::NAME) && page.contains("stands in"), "{page}");
    let mut change = with("people", "mika@test.example");
    change.push(("version", "2"));
    client.form("/oncall/schedules/primary", &change).await?.expect(303)?;
    let late = client.form("/oncall/schedules/primary", &change).await?.expect(409)?.body;
    ensure!(late.contains("was changed meanwhile"), "{late}");
    assert_eq!(
        client.get(&format!("{SCHEDULES}/primary")).await?.json()?["overrides"].as_array().map(Vec::len),
        Some(1)
    );

    // One that begins later leaves a gap that is told in words.
    let later = day.format("%Y-%m-%d").to_string();
    let mut gap = with("slug", "later");
    gap.retain(|(name, _)| *name != "start");
    gap.push(("start", &later));
    client.form("/oncall/schedules/new", &gap).await?.expect(303)?;
    let page = client.page("/oncall/schedules").await?.expect(200)?.body;
    ensure!(page.contains("Nobody is on call:") && page.contains("hr-rota__part--none"), "{page}");

    let policy = [("name", "Usual"), ("slug", "usual"), ("round", "30"), ("rounds", "3"), ("owners", "")];
    let steps = |text: &'static str| -> Vec<(&str, &str)> {
        policy.iter().copied().chain(std::iter::once(("steps", text))).collect()
    };
    for text in ["", "at once: primary", "0: primary\n5: later", "0: nights", "0: gone@test.example"] {
        let again = client.form("/oncall/policies/new", &steps(text)).await?.expect(422)?.body;
        ensure!(again.contains("id=\"steps-error\""), "{text:?}: {again}");
    }
    let mut holes = steps("0: primary\n5: later");
    holes.push(("acknowledge_gaps", "on"));
    client.form("/oncall/policies/new", &holes).await?.expect(303)?;
    let page = client.page("/oncall/schedules").await?.expect(200)?.body;
    ensure!(page.contains("Step 2: nobody now and until"), "{page}");
    let edit = client.page("/oncall/policies/usual").await?.expect(200)?.body;
    ensure!(edit.contains("0: primary\n5: later"), "{edit}");
    let mut change = steps("0: primary\n5: primary, dana@test.example");
    change.push(("version", "1"));
    client.form("/oncall/policies/usual", &change).await?.expect(303)?;
    ensure!(!client.page("/oncall/schedules").await?.body.contains("Step 2:"), "nothing is wrong any more");
    Ok(())
}
