//! Pages around alerts, without scripts: who is told, what an acknowledgement must say, until when something is put off, what
//! became of it, which steps were done, and what the overview says of all that.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_domain::alert::slo::Sli;
use headroom_domain::range::rfc3339;
use headroom_tests::alerts::{World, at};
use headroom_tests::browser::{Browser, Scheme};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::forms::{fields, with};
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};

#[tokio::test]
async fn receivers_are_looked_after_on_their_page_and_their_secrets_are_shown_nowhere() -> Result<()> {
    const SECRET: &str = "a-secret-of-16-or-more";
    const PATH: &str = "/admin/receivers";
    const OWN: &str = "/admin/receivers/on-call-b";
    let database = Database::create().await?;
    let service =
        Service::start(&["serve", "--no-jobs", "--allow-private-receivers", "--database-url", database.url()])?;
    let client = Client::new(service.url())?;
    let mut conn = database.connect().await?;
    let empty = client.page(PATH).await?.expect(200)?.body;
    ensure!(empty.contains("Nobody is told about alerts"), "{empty}");
    let admin = client.page("/admin").await?.expect(200)?.body;
    ensure!(admin.contains("href=\"/admin/receivers\""), "the admin pages lead there");
    let kinds = client.page("/admin/receivers/new").await?.expect(200)?.body;
    for kind in ["alertmanager-webhook", "pagerduty", "slack", "webhook", "alertmanager", "watchdog"] {
        ensure!(kinds.contains(&format!("?kind={kind}\"")), "{kind} is not offered");
        let form = client.page(&format!("/admin/receivers/new?kind={kind}")).await?.expect(200)?.body;
        ensure!(form.contains("action=\"/admin/receivers/new\""), "{kind} has a form");
    }
    ensure!(
        !kinds.contains("?kind=email\"") && kinds.contains("sends no mail"),
        "mail is not offered without a server"
    );
    client.page("/admin/receivers/new?kind=pigeon").await?.expect(422)?;

    // Refused: what was typed stays, but for the secret.
    let typed = fields(&client.page("/admin/receivers/new?kind=webhook").await?.body, "/admin/receivers/new")?;
    let hook = "http://127.0.0.1:9/hook";
    let good = [("name", "On call <b>"), ("url", hook), ("secret", SECRET), ("owners", "platform"), ("failover", "on")];
    let mut wrong = with(&typed, &good);
    wrong.retain(|(name, _)| !matches!(*name, "pages" | "tickets"));
    let wrong: Vec<_> = wrong.into_iter().map(|(n, v)| if n == "url" { (n, "ftp://x") } else { (n, v) }).collect();
    let again = client.form("/admin/receivers/new", &wrong).await?.expect(422)?.body;
    ensure!(again.contains("id=\"url-error\"") && again.contains("href=\"#pages\""), "{again}");
    ensure!(again.contains("On call &lt;b&gt;") && again.contains("ftp://x") && !again.contains(SECRET), "{again}");
    let unknown = with(&typed, &[("name", "x"), ("url", hook), ("secret", SECRET), ("account", "nobody@test.example")]);
    let unknown = client.form("/admin/receivers/new", &unknown).await?.expect(422)?.body;
    ensure!(unknown.contains("id=\"account-error\""), "{unknown}");

    let made = client.form("/admin/receivers/new", &with(&typed, &good)).await?.expect(303)?;
    assert_eq!(made.header("location"), OWN);
    let taken =
        client.form("/admin/receivers/new", &with(&typed, &[good[0], good[1], good[2]])).await?.expect(409)?.body;
    ensure!(taken.contains("id=\"slug-error\""), "{taken}");
    let listed = client.page(PATH).await?.expect(200)?.body;
    for said in ["On call &lt;b&gt;", "pages and tickets", "alerts of platform", "instead of others", "not tried yet"] {
        ensure!(listed.contains(said), "the list does not say {said:?}: {listed}");
    }
    let shown = client.page(OWN).await?.expect(200)?.body;
    ensure!(shown.contains(hook) && shown.contains("never shown again") && !shown.contains(SECRET), "{shown}");

    // Left empty, the secret stays; with another address it has to be given again.
    let stored = async |conn: &mut sqlx::PgConnection| -> Result<Value> {
        let row = sqlx::query_scalar("SELECT settings FROM receiver WHERE slug = 'on-call-b'").fetch_one(conn).await?;
        Ok(row)
    };
    let edit = fields(&shown, OWN)?;
    client.form(OWN, &with(&edit, &[("name", "Platform")])).await?.expect(303)?;
    assert_eq!(stored(&mut conn).await?["secret"], SECRET, "left empty it stays");
    let stale = client.form(OWN, &with(&edit, &[("name", "Late")])).await?.expect(409)?.body;
    ensure!(stale.contains("changed meanwhile") && stale.contains("value=\"Late\""), "{stale}");
    let edit = fields(&client.page(OWN).await?.body, OWN)?;
    let moved = client.form(OWN, &with(&edit, &[("url", "http://127.0.0.2:9/")])).await?.expect(422)?.body;
    ensure!(moved.contains("id=\"secret-error\""), "{moved}");

    // A test waits like all messages; while it does, the receiver stays. Switched off it is said so.
    let version = |fields: &[(String, String)]| {
        let found = fields.iter().find(|(name, _)| name == "version").map(|(_, value)| value.clone());
        found.context("a version")
    };
    let seen = version(&edit)?;
    let act = format!("{OWN}/act");
    let tried = client.form(&act, &[("do", "test"), ("version", &seen)]).await?.expect(303)?;
    assert_eq!(tried.header("location"), format!("{OWN}#messages"));
    let shown = client.page(OWN).await?.expect(200)?.body;
    ensure!(shown.contains("about to be sent") && shown.contains("1 waiting"), "{shown}");
    let asked = client.page(&format!("{OWN}/delete")).await?.expect(200)?.body;
    ensure!(asked.contains("Delete receiver Platform?") && asked.contains("Cancel"), "{asked}");
    let stays = client.form(&format!("{OWN}/delete"), &[]).await?.expect(409)?.body;
    ensure!(stays.contains("wait to be sent"), "{stays}");
    client.form(&act, &[("do", "disable"), ("version", &seen)]).await?.expect(303)?;
    client.form(&act, &[("do", "enable"), ("version", &seen)]).await?.expect(409)?;
    client.form(&act, &[("do", "explode"), ("version", &seen)]).await?.expect(422)?;
    let listed = client.page(PATH).await?.expect(200)?.body;
    ensure!(listed.contains("switched off") && listed.contains("Switch on"), "{listed}");
    ensure!(listed.contains("No receiver of messages is switched on"), "{listed}");

    // What was given up is counted, and sent again from here. The board says so to whom it concerns.
    sqlx::query("UPDATE notification SET state = 'dead', lane = 'page', last_error = 'answered 400'")
        .execute(&mut conn)
        .await?;
    let given_up = client.page(OWN).await?.expect(200)?.body;
    ensure!(given_up.contains("given up: answered 400") && given_up.contains("Send again"), "{given_up}");
    let board = client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("could not be delivered") && board.contains("href=\"/admin/receivers\""), "{board}");
    let id: i64 = sqlx::query_scalar("SELECT notification_id FROM notification").fetch_one(&mut conn).await?;
    let (id, seen) = (id.to_string(), version(&fields(&given_up, OWN)?)?);
    client.form(&act, &[("do", "replay"), ("message", &id), ("version", &seen)]).await?.expect(303)?;
    client.form(&act, &[("do", "replay"), ("message", &id), ("version", &seen)]).await?.expect(409)?;
    sqlx::query("UPDATE notification SET state = 'sent'").execute(&mut conn).await?;
    client.form(&format!("{OWN}/delete"), &[]).await?.expect(303)?;
    client.page(OWN).await?.expect(404)?;

    let trail = client.get("/api/v1/audit?object=receiver").await?.expect(200)?;
    let actions: Vec<String> = trail
        .json()?
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["action"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(actions, ["delete", "update", "test", "update", "create"]);
    let all = format!("{}{listed}{shown}{given_up}{}", trail.body, service.log());
    ensure!(!all.contains(SECRET), "a secret is told");
    Ok(())
}

/// A world whose pool lost a tenth of its claims for one minute: a page fires from minute 1 to minute 8.
async fn firing() -> Result<World> {
    let mut world = World::create(&["pool-a"], &[]).await?;
    world.clean("pool-a").await?;
    world.slices("pool-a", None, Sli::Saturation, 0..1, 100, 1_000).await?;
    world.slices("pool-a", None, Sli::Saturation, 1..60, 0, 1_000).await?;
    Ok(world)
}

fn serve(world: &World) -> Result<(Service, Client)> {
    let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", world.database.url()])?;
    let client = Client::new(service.url())?;
    Ok((service, client))
}

/// Something that is done about an alert on its own page, as its forms do it.
struct Act<'a> {
    client: &'a Client,
    id: i64,
}

impl Act<'_> {
    async fn state(&self) -> Result<Value> {
        self.client.get(&format!("/api/v1/alerts/{}", self.id)).await?.expect(200)?.json()
    }

    async fn page(&self) -> Result<String> {
        Ok(self.client.page(&format!("/alerts/{}", self.id)).await?.expect(200)?.body)
    }

    async fn post(&self, deed: &str, more: &[(&str, &str)]) -> Result<Answer> {
        let version = self.state().await?["version"].to_string();
        let mut fields = vec![("deed", deed), ("expected_version", version.as_str()), ("back", "own")];
        fields.extend(more);
        self.client.form(&format!("/alerts/{}/act", self.id), &fields).await
    }
}

#[tokio::test]
async fn an_acknowledgement_says_something_where_the_organisation_wants_it() -> Result<()> {
    let mut world = firing().await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let id = world.alerts().await?[0].id;
    let (_service, client) = serve(&world)?;
    let act = Act { client: &client, id };
    let board = client.page("/oncall").await?.expect(200)?.body;
    ensure!(board.contains("type=\"submit\" data-key=\"a\""), "one press, as long as nobody said otherwise: {board}");
    let form = client.page("/admin/settings").await?.expect(200)?.body;
    let typed = fields(&form, "/admin/settings")?;
    ensure!(!typed.iter().any(|(name, _)| name == "ack_needs_note"), "it is off");
    client.form("/admin/settings", &with(&typed, &[("ack_needs_note", "on")])).await?.expect(303)?;
    let mut organisation = client.get("/api/v1/organisation").await?.expect(200)?.json()?;
    assert_eq!(organisation["ack_needs_note"], true);
    // Whoever leaves it out leaves it as it is.
    organisation.as_object_mut().context("an object")?.remove("ack_needs_note");
    assert_eq!(client.put("/api/v1/organisation", &organisation).await?.expect(200)?.json()?["ack_needs_note"], true);
    let trail = client.get("/api/v1/audit?object=organisation").await?.expect(200)?.json()?;
    ensure!(trail.to_string().contains("ack_needs_note"), "{trail}");

    let board = client.page("/oncall").await?.expect(200)?.body;
    ensure!(
        board.contains("data-key=\"a\" aria-label=\"Acknowledge:") && !board.contains("type=\"submit\" data-key=\"a\"")
    );
    ensure!(board.contains("Note for all of them (needed)"), "{board}");
    let bare = json!({ "expected_version": 1 });
    let problem = client.post(&format!("/api/v1/alerts/{id}/ack"), &bare).await?.problem(422)?;
    assert_eq!(problem["errors"][0]["field"], "note", "{problem}");
    let refused = act.post("ack", &[("note", " ")]).await?.expect(422)?.body;
    ensure!(
        refused.contains("wants one with every acknowledgement") && refused.contains("Nothing was changed"),
        "{refused}"
    );
    assert_eq!(act.state().await?["state"], "firing");
    act.post("ack", &[("note", "</textarea><b>scaling up")]).await?.expect(303)?;
    assert_eq!(act.state().await?["ack"]["note"], "</textarea><b>scaling up");
    ensure!(!act.page().await?.contains("<b>scaling up"), "text stays text");
    Ok(())
}

#[tokio::test]
async fn something_is_put_off_to_the_end_of_a_shift_or_to_a_time_within_bounds() -> Result<()> {
    let mut world = firing().await?;
    people::add(&mut world.conn, "dana@test.example", "Dana", &[Role::OnCall], &[]).await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let id = world.alerts().await?[0].id;
    let (_service, client) = serve(&world)?;
    let act = Act { client: &client, id };
    ensure!(!act.page().await?.contains("Until my shift ends"), "nobody is on call");
    let nobody = act.post("snooze", &[("until", "shift")]).await?.expect(422)?.body;
    ensure!(nobody.contains("you are not on call now"), "{nobody}");
    let schedule = json!({
        "slug": "primary", "name": "Primary", "zone": "UTC",
        "layers": [{ "people": ["dana@test.example"], "start": "2026-01-05T09:00", "hand_over": { "every": "day", "at": "09:00" } }],
    });
    client.post("/api/v1/oncall/schedules", &schedule).await?.expect(201)?;
    let ends = rfc3339(at(120));
    let shift =
        [("schedule", "primary"), ("person", people::EMAIL), ("from", ""), ("until", ends.as_str()), ("note", "")];
    client.form("/oncall/overrides", &shift).await?.expect(303)?;

    let page = act.page().await?;
    ensure!(page.contains("Until my shift ends") && page.contains("type=\"datetime-local\""), "{page}");
    act.post("snooze", &[("until", "shift")]).await?.expect(303)?;
    assert_eq!(act.state().await?["snoozed_until"], json!(ends));
    // A token is nobody's shift.
    let by_token = json!({ "expected_version": 2, "until": "shift" });
    client.post(&format!("/api/v1/alerts/{id}/snooze"), &by_token).await?.problem(422)?;

    for (time, status, said) in [
        ("", 422, "until when it is put off"),
        ("soon", 422, "a time such as"),
        (&rfc3339(at(-5)), 409, "24 h"),
        (&rfc3339(at(25 * 60)), 409, "24 h"),
    ] {
        let refused =
            act.post("snooze", &[("until", "custom"), ("at", time), ("note", "kept text")]).await?.expect(status)?;
        ensure!(refused.body.contains(said), "{time:?} does not say {said:?}: {}", refused.body);
        ensure!(refused.body.contains("kept text"), "what was typed is kept");
    }
    let later = rfc3339(at(90));
    act.post("snooze", &[("until", "custom"), ("at", &later)]).await?.expect(303)?;
    assert_eq!(act.state().await?["snoozed_until"], json!(later));
    Ok(())
}

#[tokio::test]
async fn what_an_alert_was_is_said_at_its_end_and_counted() -> Result<()> {
    let mut world = firing().await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let id = world.alerts().await?[0].id;
    let (_service, client) = serve(&world)?;
    let act = Act { client: &client, id };
    for (deed, outcome, status) in
        [("outcome", "fixed", 409), ("resolve", "fixed", 409), ("resolve", "", 422), ("resolve", "bored", 422)]
    {
        act.post(deed, &[("outcome", outcome)]).await?.expect(status)?;
    }
    let page = act.page().await?;
    for outcome in ["fixed", "went-away", "false-alarm", "duplicate", "no-action"] {
        ensure!(page.contains(&format!("<option value=\"{outcome}\">")), "{outcome} is not offered: {page}");
    }
    for minute in 3..=9 {
        world.judge(minute).await?;
    }
    assert_eq!(act.state().await?["state"], "resolved");
    ensure!(act.page().await?.contains("Say what it was"), "it ended by itself, and can be judged");
    act.post("outcome", &[("outcome", "duplicate")]).await?.expect(303)?;
    act.post("outcome", &[("outcome", "false-alarm"), ("note", "a load test <i>")]).await?.expect(303)?;
    assert_eq!(act.state().await?["outcome"], "false-alarm", "the last word counts");
    let page = act.page().await?;
    ensure!(page.contains("outcome: false alarm") && page.contains("a load test &lt;i&gt;"), "{page}");
    ensure!(page.contains("It was: false alarm"), "{page}");
    let list = client.page("/alerts?from=now-7d").await?.expect(200)?.body;
    ensure!(list.contains("1 false alarm (100"), "{list}");
    let quality = client.page("/alerts/quality").await?.expect(200)?.body;
    ensure!(quality.contains("1 false alarm"), "{quality}");
    let report = client.get("/api/v1/reports/alert-quality").await?.expect(200)?.json()?;
    assert_eq!(report[0]["outcomes"], json!({ "false-alarm": 1 }), "{report}");

    // What comes back was not over, so nobody said what it is.
    world.slices("pool-a", None, Sli::Saturation, 9..12, 500, 1_000).await?;
    for minute in 10..=12 {
        world.judge(minute).await?;
    }
    let again = act.state().await?;
    assert_eq!((&again["state"], &again["outcome"]), (&json!("firing"), &Value::Null), "{again}");
    Ok(())
}

#[tokio::test]
async fn steps_of_a_runbook_are_ticked_for_everybody() -> Result<()> {
    let mut world = firing().await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let id = world.alerts().await?[0].id;
    let (_service, client) = serve(&world)?;
    let act = Act { client: &client, id };
    let page = act.page().await?;
    ensure!(page.contains("aria-label=\"Step 1 is done\"") && page.contains("class=\"hr-tick\""), "{page}");
    ensure!(!page.contains("hr-tick--on"), "none is done yet");
    act.post("tick", &[("step", "1")]).await?.expect(303)?;
    act.post("tick", &[("step", "1")]).await?.expect(303)?;
    let page = act.page().await?;
    ensure!(page.contains("hr-tick--on") && page.contains("done by "), "{page}");
    assert_eq!(page.matches("did a step of the runbook").count(), 1, "once in the timeline");
    let state = act.state().await?;
    assert_eq!((&state["steps"][0]["step"], &state["steps"][0]["who"]), (&json!(1), &json!(people::NAME)), "{state}");
    for step in ["99", "0", "-1", "one"] {
        act.post("tick", &[("step", step)]).await?.expect(422)?;
    }
    let path = format!("/api/v1/alerts/{id}");
    client.post(&format!("{path}/tick"), &json!({})).await?.problem(422)?;
    client.post(&format!("{path}/tick"), &json!({ "step": 2 })).await?.expect(200)?;
    act.post("untick", &[("step", "1")]).await?.expect(303)?;
    let state = act.state().await?;
    let done: Vec<&Value> = state["steps"].as_array().into_iter().flatten().map(|one| &one["step"]).collect();
    assert_eq!(done, [&json!(2)]);
    ensure!(act.page().await?.contains("opened a step of the runbook again"));
    assert_eq!(state["version"], 1, "a box is no decision about the alert");
    Ok(())
}

#[tokio::test]
async fn a_postmortem_begins_with_what_is_known_as_plain_text() -> Result<()> {
    let mut world = firing().await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let id = world.alerts().await?[0].id;
    let (_service, client) = serve(&world)?;
    let act = Act { client: &client, id };
    act.post("ack", &[("note", "**big** <b>\n# and [more](x)")]).await?.expect(303)?;
    let file = client.page(&format!("/alerts/{id}?format=md")).await?.expect(200)?;
    assert_eq!(file.header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"headroom_A-{id}.md\""));
    let text = &file.body;
    ensure!(text.starts_with(&format!("# A-{id}: ")), "{text}");
    for said in ["## Why it fired", "## Timeline", "- Acknowledged: 2026-", "- Over: not yet", "## What we change"] {
        ensure!(text.contains(said), "{said}: {text}");
    }
    ensure!(text.contains(people::NAME) && text.contains("\\*\\*big\\*\\* \\<b\\>"), "{text}");
    ensure!(!text.lines().any(|line| line.starts_with("# and")), "a note is no heading: {text}");
    let page = act.page().await?;
    ensure!(page.contains(&format!("href=\"/alerts/{id}?format=md\"")), "the page leads there");
    ensure!(page.contains("id=\"left-saturation\"") && page.contains("Error budget, 30 days"), "the burn-down: {page}");
    client.page("/alerts/999999?format=md").await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn the_overview_says_what_is_promised_and_what_is_open() -> Result<()> {
    let mut world = firing().await?;
    let (_service, client) = serve(&world)?;
    let nothing = client.page("/overview").await?.expect(200)?.body;
    ensure!(nothing.contains("No data: nothing was counted") && nothing.contains("No open pages"), "{nothing}");
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let page = client.page("/overview").await?.expect(200)?.body;
    for said in ["1 page open, 1 unowned", "No open tickets", "1 of 1 in budget", "1 burns faster than allowed"] {
        ensure!(page.contains(said), "the overview does not say {said:?}: {page}");
    }
    ensure!(page.contains("href=\"/slos?pool=pool-a") && page.contains("href=\"/oncall"), "{page}");
    let id = world.alerts().await?[0].id;
    Act { client: &client, id }.post("ack", &[]).await?.expect(303)?;
    ensure!(client.page("/overview").await?.body.contains("1 page open<"), "somebody has it");
    Act { client: &client, id }.post("snooze", &[("until", "now+1h")]).await?.expect(303)?;
    ensure!(client.page("/overview").await?.body.contains("No open pages"), "put off, as on the board");
    Ok(())
}

#[tokio::test]
async fn what_a_budget_s_page_says_is_where_its_chart_ends() -> Result<()> {
    let mut world = firing().await?;
    for minute in [0, 30] {
        world.judge(minute).await?;
    }
    let (_service, client) = serve(&world)?;
    let slo = client.get("/api/v1/slos/pool-a/saturation").await?.expect(200)?.json()?;
    let left = slo["left"].as_f64().context("what is left")?;
    let page = client.page("/slos?pool=pool-a").await?.expect(200)?.body;
    let until = slo["lasts_until"].as_str().context("it runs out at this pace")?.to_owned();
    for said in
        ["at the pace of the last 6 h (", "page above 8×", "page above 6×", "ticket above 3×", "ticket above 1×"]
    {
        ensure!(page.contains(said), "the page does not say {said:?}: {page}");
    }
    let rows = client.page("/slos?pool=pool-a&format=csv&table=left-saturation").await?.expect(200)?.csv()?;
    let known =
        |column: usize| rows[1..].iter().filter(move |row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let place = |word: &str| {
        let found = rows[0].iter().position(|name| name.to_lowercase().contains(word));
        found.with_context(|| format!("no column {word}: {:?}", rows[0]))
    };
    let (actual, projected) = (place("left")?, place("pace_of_the_last").or_else(|_| place("pace of the last"))?);
    let last: f64 = known(actual).next_back().context("a row")?[actual].parse()?;
    ensure!((last - left).abs() < 1e-9, "the chart ends with {last}, the sentence with {left}");
    let end = known(projected).next_back().context("a projected row")?;
    let gone: f64 = end[projected].parse()?;
    ensure!(gone.abs() < 1e-9, "the projection ends where nothing is left: {end:?}");
    ensure!(end[0] <= until, "{end:?} and {until}");
    Ok(())
}

#[tokio::test]
async fn schedules_and_policies_are_removed_unless_somebody_is_asked_by_them() -> Result<()> {
    let mut world = firing().await?;
    people::add(&mut world.conn, "dana@test.example", "Dana", &[Role::OnCall], &[]).await?;
    let (_service, client) = serve(&world)?;
    let schedule = json!({
        "slug": "primary", "name": "Primary", "zone": "UTC",
        "layers": [{ "people": ["dana@test.example"], "start": "2026-01-05T09:00", "hand_over": { "every": "day", "at": "09:00" } }],
    });
    client.post("/api/v1/oncall/schedules", &schedule).await?.expect(201)?;
    let policy = json!({ "slug": "usual", "name": "Usual", "steps": [{ "after_ms": 0, "targets": [{ "schedule": "primary" }] }] });
    client.post("/api/v1/oncall/policies", &policy).await?.expect(201)?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let (schedule, policy) = ("/oncall/schedules/primary/delete", "/oncall/policies/usual/delete");
    let page = client.page("/oncall/schedules").await?.expect(200)?.body;
    ensure!(page.contains(&format!("href=\"{schedule}\"")) && page.contains(&format!("href=\"{policy}\"")), "{page}");
    let asked = client.page(schedule).await?.expect(200)?.body;
    ensure!(asked.contains("Delete schedule Primary?") && asked.contains("Dana is on call now"), "{asked}");
    let stays = client.form(schedule, &[]).await?.expect(409)?.body;
    ensure!(stays.contains("is asked by the policy Usual"), "{stays}");
    ensure!(client.page(policy).await?.expect(200)?.body.contains("Delete policy Usual?"));
    let id = world.alerts().await?[0].id;
    let stays = client.form(policy, &[]).await?.expect(409)?.body;
    ensure!(stays.contains(&format!("asks people about A-{id} now")), "{stays}");
    Act { client: &client, id }.post("ack", &[]).await?.expect(303)?;
    client.form(policy, &[]).await?.expect(303)?;
    client.form(schedule, &[]).await?.expect(303)?;
    client.page(schedule).await?.expect(404)?;
    client.page(policy).await?.expect(404)?;
    let trail = client.get("/api/v1/audit?action=delete").await?.expect(200)?.body;
    ensure!(trail.contains("usual") && trail.contains("primary"), "{trail}");
    Ok(())
}

#[tokio::test]
async fn pages_around_alerts_fit_a_phone_and_are_worked_by_keyboard() -> Result<()> {
    const SIDEWAYS: &str = "return document.documentElement.scrollWidth - window.innerWidth;";
    let mut world = firing().await?;
    people::add(&mut world.conn, "dana@test.example", "Dana Okafor", &[Role::OnCall], &[]).await?;
    people::prepare(&mut world.conn).await?;
    let (service, client) = serve(&world)?;
    let schedule = json!({
        "slug": "primary", "name": "Primary", "zone": "Europe/Berlin",
        "layers": [{ "people": ["dana@test.example", people::EMAIL], "start": "2026-01-05T09:00",
            "hand_over": { "every": "day", "at": "09:00" },
            "only": [{ "weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "06:00", "until": "22:00" }] }],
    });
    client.post("/api/v1/oncall/schedules", &schedule).await?.expect(201)?;
    let policy = json!({ "slug": "usual", "name": "Usual escalation", "acknowledge_gaps": true, "steps": [
        { "after_ms": 0, "targets": [{ "schedule": "primary" }] }, { "after_ms": 300_000, "targets": [{ "person": people::EMAIL }] }] });
    client.post("/api/v1/oncall/policies", &policy).await?.expect(201)?;
    let ends = rfc3339(at(120));
    let shift =
        [("schedule", "primary"), ("person", people::EMAIL), ("from", ""), ("until", ends.as_str()), ("note", "")];
    client.form("/oncall/overrides", &shift).await?.expect(303)?;
    let hook = json!({ "name": "Platform pager", "kind": "webhook", "owners": ["platform"],
        "settings": { "url": "https://hooks.example.org/a/rather/long/address/of/a/receiver", "secret": "0123456789abcdef" } });
    client.post("/api/v1/receivers", &hook).await?.expect(201)?;
    let watchdog = json!({ "name": "Dead man", "kind": "watchdog", "settings": { "url": "https://hc.example.org/x" }, "enabled": false });
    client.post("/api/v1/receivers", &watchdog).await?.expect(201)?;
    client.post("/api/v1/receivers/platform-pager/test", &json!({})).await?.expect(202)?;
    sqlx::query("UPDATE notification SET state = 'dead', lane = 'page', attempts = 4, last_error = 'answered 500: out of order'")
        .execute(&mut world.conn)
        .await?;
    sqlx::query(
        "UPDATE receiver SET failures = 4, last_error = 'answered 500: out of order' WHERE slug = 'platform-pager'",
    )
    .execute(&mut world.conn)
    .await?;
    for minute in 0..=2 {
        world.judge(minute).await?;
    }
    let alerts = world.alerts().await?;
    let id = alerts.iter().find(|row| row.rule == "saturation-burn").context("the page")?.id;
    let mut organisation = client.get("/api/v1/organisation").await?.expect(200)?.json()?;
    organisation["ack_needs_note"] = json!(true);
    client.put("/api/v1/organisation", &organisation).await?.expect(200)?;
    Act { client: &client, id }.post("tick", &[("step", "1")]).await?.expect(303)?;

    let browser = Browser::start().await?;
    browser.sign_in(service.url()).await?;
    let own = format!("/alerts/{id}");
    let pages = [
        ("oncall", "/oncall"),
        ("alert", own.as_str()),
        ("quality", "/alerts/quality"),
        ("schedules", "/oncall/schedules"),
        ("schedule-delete", "/oncall/schedules/primary/delete"),
        ("receivers", "/admin/receivers"),
        ("receiver", "/admin/receivers/platform-pager"),
        ("receiver-kinds", "/admin/receivers/new"),
        ("receiver-slack", "/admin/receivers/new?kind=slack"),
        ("receiver-delete", "/admin/receivers/platform-pager/delete"),
        ("settings", "/admin/settings"),
        ("overview", "/overview"),
        ("slo", "/slos?pool=pool-a"),
    ];
    let mut faults = Vec::new();
    for (width, height) in [(1440, 1600), (390, 2600)] {
        browser.window(width, height).await?;
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.scheme(scheme).await?;
            for (name, path) in pages {
                browser.open(&service.at(path)).await?;
                browser.wait_until_awake().await?;
                let beyond: i64 = browser.evaluate(SIDEWAYS).await?;
                if beyond > 0 {
                    faults.push(format!("{path} at {width} is {beyond} px too wide"));
                }
                for found in browser.axe().await? {
                    faults.push(format!("{path} at {width}, {}: {found:?}", scheme.name()));
                }
                browser.screenshot(&format!("alert-pages-{name}-{width}-{}", scheme.name())).await?;
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}\n", faults.len(), faults.join("\n"));

    // By keyboard: `a` opens the form that is needed and leads into it; a box is ticked without leaving the page.
    browser.open(&service.at(&own)).await?;
    browser.wait_until_awake().await?;
    let press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', bubbles: true }));";
    browser.evaluate::<Value>(press).await?;
    browser.wait_for("document.activeElement.name === 'note'", "the note has the focus").await?;
    browser.screenshot("alert-pages-note-390-dark").await?;
    browser.evaluate::<Value>("document.activeElement.blur();").await?;
    browser.evaluate::<Value>(&press.replace("'a'", "'s'")).await?;
    browser.wait_for("!!document.activeElement.closest('.hr-pop[open] form')", "snoozing has the focus").await?;
    browser.screenshot("alert-pages-snooze-390-dark").await?;
    let second = format!("{id}-step-2");
    browser.evaluate::<Value>(&format!("window.mine = 1; document.getElementById('{second}').click();")).await?;
    let ticked =
        format!("document.getElementById('{second}').getAttribute('aria-pressed') === 'true' && window.mine === 1");
    browser.wait_for(&ticked, "the second step is ticked on the same page").await?;
    ensure!(browser.console().await?.is_empty(), "{:?}", browser.console().await?);
    browser.close().await?;
    Ok(())
}
