//! The calendar of events: over the API, on its pages without scripts, and from calendars of other programs; what is wrong is named
//! by field or line, and nothing is half done.

use anyhow::{Context, Result, ensure};
use headroom_domain::DAY_MS;
use headroom_domain::access::{Role, Scope};
use headroom_domain::calendar::{Effect, Event};
use headroom_store::event;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use headroom_tests::{forms, people};
use http::Method;
use serde_json::{Value, json};
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z.
const NOW: i64 = 1_795_597_200_000;

/// A token that only reads.
const READER: &str = "hr_tok_readerreaderreaderreaderreader";

struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        for pool in ["shop", "batch"] {
            let body = json!({ "name": pool, "slug": pool, "capacity": 100, "zone": "Europe/Berlin" });
            client.post("/api/v1/pools", &body).await?.expect(201)?;
        }
        Ok(Self { database, service, client })
    }

    async fn person(&self, number: u128, role: Role, tenants: &[&str]) -> Result<Client> {
        let mut conn = self.database.connect().await?;
        let email = format!("person-{number}@test.example");
        let account = people::add(&mut conn, &email, &format!("Person {number}"), &[role], tenants).await?;
        let (id, csrf) = (Id(number as i128), format!("{number:032}"));
        people::open_session(&mut conn, &account, id, &csrf).await?;
        let cookie = format!("{}={id}", headroom_server::serve::OPEN_COOKIE);
        Ok(Client::nobody(self.service.url())?.with_cookie(&cookie, &csrf))
    }

    async fn total(&self) -> Result<i64> {
        self.client.get("/api/v1/events").await?.expect(200)?.json()?["total"].as_i64().context("a number")
    }

    async fn import(&self, query: &str, file: &str) -> Result<Answer> {
        let path = format!("/api/v1/events/import{query}");
        let headers = [("content-type", "text/calendar")];
        self.client.send(Method::POST, &path, &headers, Some(file.as_bytes().to_vec())).await
    }
}

fn friday() -> Value {
    json!({ "title": "Black Friday", "tag": "black-friday", "start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z",
            "effect": "factor", "percent": 180, "pool": "shop", "zone": "Europe/Berlin" })
}

fn with(changes: &Value) -> Value {
    let mut body = friday();
    for (key, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            body.as_object_mut().map(|body| body.remove(key));
        } else {
            body[key] = value.clone();
        }
    }
    body
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["field"].as_str()).collect()
}

#[tokio::test]
async fn events_are_written_changed_by_version_and_removed_and_forecasts_read_them() -> Result<()> {
    let world = World::create().await?;
    let client = &world.client;
    let made = client.post("/api/v1/events", &friday()).await?.expect(201)?;
    let id = made.json()?["id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/events/{id}");
    assert_eq!((made.header("location"), made.header("etag")), (path.as_str(), "\"v1\""));
    client
        .post(
            "/api/v1/events",
            &with(&json!({ "pool": null, "title": "Holiday", "tag": "holiday", "effect": "floor",
        "percent": null, "slots": 60, "start": "2026-12-24T00:00:00Z", "end": "2026-12-27T00:00:00Z" })),
        )
        .await?
        .expect(201)?;

    // What the forecast of a pool reads: its own and those of all pools.
    let mut conn = world.database.connect().await?;
    let pools: Vec<(String, i32)> =
        sqlx::query_as("SELECT slug, pool_id FROM pool ORDER BY slug").fetch_all(&mut conn).await?;
    let key = |slug: &str| pools.iter().find(|(name, _)| name == slug).map(|(_, key)| *key).context("a pool");
    let of_shop = event::of_pool(&mut conn, key("shop")?, NOW, NOW + 60 * DAY_MS).await?;
    let expected = Event {
        start_ms: 1_795_737_600_000,
        end_ms: 1_795_737_600_000 + DAY_MS,
        tag: "black-friday".into(),
        effect: Effect::Factor { percent: 180 },
    };
    assert_eq!((of_shop.len(), &of_shop[0]), (2, &expected));
    assert_eq!(of_shop[1].effect, Effect::Floor { slots: 60 });
    assert_eq!(event::of_pool(&mut conn, key("batch")?, NOW, NOW + 60 * DAY_MS).await?.len(), 1);
    assert!(
        event::of_pool(&mut conn, key("shop")?, expected.end_ms, expected.end_ms + DAY_MS).await?.is_empty(),
        "half-open"
    );

    // By version.
    let changed = with(&json!({ "percent": 200 }));
    client.put(&path, &changed).await?.problem(428)?;
    let put = |version: &'static str| {
        let body = changed.to_string().into_bytes();
        let headers = [("content-type", "application/json"), ("if-match", version)];
        let (client, path) = (client.clone(), path.clone());
        async move { client.send(Method::PUT, &path, &headers, Some(body)).await }
    };
    let after = put("\"v1\"").await?.expect(200)?;
    assert_eq!((after.json()?["percent"].as_i64(), after.header("etag")), (Some(200), "\"v2\""));
    assert_eq!(put("\"v1\"").await?.problem(409)?["version"], 2);
    put("seven").await?.problem(422)?;

    // Every change is in the audit trail.
    let delete = async |version: &str| client.send(Method::DELETE, &path, &[("if-match", version)], None).await;
    delete("\"v1\"").await?.problem(409)?;
    delete("\"v2\"").await?.expect(204)?;
    client.get(&path).await?.problem(404)?;
    let audit = client.get("/api/v1/audit?object=event").await?.expect(200)?.body;
    for action in ["create", "update", "delete"] {
        assert!(audit.contains(&format!("\"action\":\"{action}\"")), "{action}: {audit}");
    }
    let feed = client.get("/api/v1/events.ics").await?.expect(200)?;
    assert!(
        feed.header("content-type").starts_with("text/calendar") && feed.body.contains("SUMMARY:Holiday"),
        "{}",
        feed.body
    );
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_named_by_field() -> Result<()> {
    let world = World::create().await?;
    let client = &world.client;
    for (changes, expected) in [
        (json!({ "end": "2026-11-27T00:00:00Z" }), "end"),
        (json!({ "end": "2026-11-26T00:00:00Z" }), "end"),
        (json!({ "end": "2028-11-26T00:00:00Z" }), "end"),
        (json!({ "start": "tomorrow" }), "start"),
        (json!({ "tag": "Black Friday" }), "tag"),
        (json!({ "title": "" }), "title"),
        (json!({ "title": "x".repeat(121) }), "title"),
        (json!({ "effect": "double" }), "effect"),
        (json!({ "percent": 10_001 }), "percent"),
        (json!({ "percent": -1 }), "percent"),
        (json!({ "percent": null }), "percent"),
        (json!({ "slots": 5 }), "slots"),
        (json!({ "zone": "Berlin" }), "zone"),
        (json!({ "pool": "shp" }), "pool"),
    ] {
        let problem = client.post("/api/v1/events", &with(&changes)).await?.problem(422)?;
        assert_eq!(fields(&problem), [expected], "{changes}: {problem}");
        assert!(!problem["errors"][0]["expected"].as_str().unwrap_or_default().is_empty(), "{problem}");
    }
    for query in ["?from=soon", "?limit=0", "?limit=1001", "?offset=-1"] {
        client.get(&format!("/api/v1/events{query}")).await?.problem(422)?;
    }
    client.get("/api/v1/events?pool=nowhere").await?.problem(404)?;

    // What cannot both hold is named with the other one.
    client.post("/api/v1/events", &friday()).await?.expect(201)?;
    let other =
        with(&json!({ "title": "Quiet", "effect": "like_weekday", "percent": null, "weekday": 7, "pool": null }));
    let problem = client.post("/api/v1/events", &other).await?.problem(422)?;
    let said = problem["errors"][0]["expected"].as_str().context("a sentence")?;
    assert_eq!(fields(&problem), ["effect"]);
    assert!(
        said.contains("Black Friday") && said.contains("of shop") && said.contains("2026-11-27T00:00:00Z"),
        "{said}"
    );
    let elsewhere = with(&json!({ "pool": "batch", "percent": 50 }));
    client.post("/api/v1/events", &elsewhere).await?.expect(201)?;
    let beside = with(&json!({ "effect": "floor", "percent": null, "slots": 7 }));
    client.post("/api/v1/events", &beside).await?.expect(201)?;
    assert_eq!(world.total().await?, 3);

    // Of two who write what contradicts each other at the same time, one does.
    let day = |percent: i64| {
        with(&json!({ "percent": percent, "start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z" }))
    };
    let (bodies, path) = ([day(10), day(20), day(30), day(40)], "/api/v1/events");
    let [a, b, c, d] = &bodies;
    let answers = tokio::join!(client.post(path, a), client.post(path, b), client.post(path, c), client.post(path, d));
    let mut statuses = [answers.0?.status, answers.1?.status, answers.2?.status, answers.3?.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422, 422, 422]);
    Ok(())
}

#[tokio::test]
async fn only_planners_write_and_who_sees_a_part_reads_no_titles() -> Result<()> {
    let world = World::create().await?;
    world.client.post("/api/v1/events", &friday()).await?.expect(201)?;
    let secret =
        with(&json!({ "title": "Launch of acme", "pool": null, "effect": "floor", "percent": null, "slots": 9 }));
    world.client.post("/api/v1/events", &secret).await?.expect(201)?;
    world.client.post("/api/v1/tenants", &json!({ "name": "beta", "slug": "beta" })).await?.expect(201)?;
    let mut conn = world.database.connect().await?;
    let viewer = world.person(1, Role::Viewer, &[]).await?;
    let limited = world.person(2, Role::TenantViewer, &["beta"]).await?;
    let planner = world.person(3, Role::Planner, &[]).await?;
    for client in [&viewer, &limited] {
        client.page("/calendar/new").await?.expect(403)?;
        client.form("/calendar/new", &[("title", "x")]).await?.expect(403)?;
        client.page("/calendar/import").await?.expect(403)?;
        let page = client.page("/calendar").await?.expect(200)?.body;
        assert!(!page.contains("/calendar/new") && !page.contains("/calendar/import"), "what one may not do is absent");
    }
    let page = viewer.page("/calendar").await?.expect(200)?.body;
    assert!(page.contains("Launch of acme"));
    for path in ["/calendar", "/calendar?view=month&month=2026-11", "/calendar?format=csv", "/calendar.ics"] {
        let body = limited.page(path).await?.expect(200)?.body;
        // That something comes, and not what it is called: tags are made from titles.
        assert!(!body.contains("acme") && !body.contains("black-friday") && body.contains("event"), "{path}");
    }
    assert!(planner.page("/calendar").await?.expect(200)?.body.contains("/calendar/new"));
    people::add_token(&mut conn, READER, &[Scope::Read], &[], &[]).await?;
    let token = Client::nobody(world.service.url())?.with_token(READER);
    token.get("/api/v1/events").await?.expect(200)?;
    token.post("/api/v1/events", &friday()).await?.problem(403)?;
    world.import("?take=all", "x").await?.problem(422)?;
    Ok(())
}

#[tokio::test]
async fn the_pages_work_without_scripts() -> Result<()> {
    let world = World::create().await?;
    let client = &world.client;
    let empty = client.page("/calendar").await?.expect(200)?.body;
    assert!(empty.contains("Nothing is known to come"), "{empty}");
    let form = client.page("/calendar/new?pool=shop&start=2026-11-27").await?.expect(200)?.body;
    let blank = forms::fields(&form, "/calendar/new")?;
    let say = [
        ("title", "Sale"),
        ("tag", "sale"),
        ("start", "2026-11-27"),
        ("end", "2026-11-29"),
        ("zone", "Europe/Berlin"),
        ("effect", "factor"),
        ("percent", "150 %"),
        ("slots", "77"),
    ];
    let answer = client.form("/calendar/new", &forms::with(&blank, &say)).await?.expect(303)?;
    assert_eq!(answer.header("location"), "/calendar");
    let listed = client.get("/api/v1/events").await?.json()?;
    let made = &listed["events"][0];
    // Days alone: from the first midnight to the one after the last day, on the clock of the zone; numbers of other effects do not count.
    assert_eq!(
        (made["start"].as_str(), made["end"].as_str()),
        (Some("2026-11-26T23:00:00Z"), Some("2026-11-29T23:00:00Z"))
    );
    assert_eq!(
        (made["percent"].as_i64(), made["slots"].as_i64(), made["pool"].as_str()),
        (Some(150), None, Some("shop"))
    );
    let id = made["id"].as_str().context("an id")?;

    // A refused form keeps what was typed and names the field.
    let wrong =
        [("title", "Sale <2>"), ("tag", "Sale 2"), ("start", "2026-12-02"), ("end", "2026-12-01"), ("effect", "learn")];
    let refused = client.form("/calendar/new", &forms::with(&blank, &wrong)).await?.expect(422)?.body;
    assert!(
        refused.contains("value=\"Sale 2\"")
            && refused.contains("id=\"tag-error\"")
            && refused.contains("id=\"end-error\""),
        "{refused}"
    );
    assert!(!refused.contains("Sale <2>"), "it is escaped");
    let gap = [
        ("title", "Gap"),
        ("tag", "gap"),
        ("start", "2026-03-29 02:30"),
        ("end", "2026-03-30"),
        ("zone", "Europe/Berlin"),
        ("effect", "learn"),
    ];
    let refused = client.form("/calendar/new", &forms::with(&blank, &gap)).await?.expect(422)?.body;
    assert!(refused.contains("clocks change then"), "a time that does not exist is named");

    // Lists, months, CSV.
    let list = client.page("/calendar").await?.expect(200)?.body;
    assert!(list.contains("150 % of the usual demand") && list.contains(&format!("/calendar/{id}")), "{list}");
    let november = client.page("/calendar?view=month&month=2026-11").await?.expect(200)?.body;
    assert!(
        november.contains("November 2026") && november.contains("month=2026-12") && november.contains("month=2026-10")
    );
    assert!(
        client.page("/calendar?view=month&month=13").await?.expect(200)?.body.contains("November 2026"),
        "it falls back to now"
    );
    let rows = client.page("/calendar?format=csv").await?.expect(200)?.csv()?;
    assert_eq!((rows.len(), rows[1][1].as_str(), rows[1][10].as_str()), (2, "sale", "150"));
    assert!(
        client.page("/calendar?tag=nothing&pool=nowhere").await?.expect(200)?.body.contains("Sale"),
        "unknown filters are none"
    );

    // A change keeps what was not touched; one on an older version is refused, and shows what is there now.
    let path = format!("/calendar/{id}");
    let html = client.page(&path).await?.expect(200)?.body;
    let filled = forms::fields(&html, &format!("{path}/edit"))?;
    client.form(&format!("{path}/edit"), &forms::with(&filled, &[("title", "Winter sale")])).await?.expect(303)?;
    let stale =
        client.form(&format!("{path}/edit"), &forms::with(&filled, &[("title", "Other")])).await?.expect(409)?.body;
    assert!(stale.contains("Winter sale") && stale.contains("value=\"Other\""), "{stale}");
    let again = forms::fields(&stale, &format!("{path}/edit"))?;
    client.form(&format!("{path}/edit"), &forms::with(&again, &[])).await?.expect(303)?;
    assert_eq!(client.get(&format!("/api/v1/events/{id}")).await?.json()?["start"], "2026-11-26T23:00:00Z");

    let ask = client.page(&format!("{path}/delete")).await?.expect(200)?.body;
    let sure = forms::fields(&ask, &format!("{path}/delete"))?;
    client.form(&format!("{path}/delete"), &forms::with(&sure, &[])).await?.expect(303)?;
    client.page(&path).await?.expect(404)?;
    client.page("/calendar/not-an-id").await?.expect(404)?;
    Ok(())
}

fn calendar(events: &[&str]) -> String {
    let lines = |event: &&str| event.replace('\n', "\r\n");
    let events: Vec<String> = events.iter().map(lines).collect();
    let events = format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", events.join("\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\n"));
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
}

const CHRISTMAS: &str = "UID:xmas\nSUMMARY:Christmas Eve\nCATEGORIES:Holiday\nDTSTART;VALUE=DATE:20201224\nDTEND;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY";
const WEEKLY: &str = "UID:batch\nSUMMARY:Month end\nDTSTART;TZID=Europe/Berlin:20261201T200000\nDURATION:PT3H\nRRULE:FREQ=WEEKLY;COUNT=3";

#[tokio::test]
async fn calendars_are_taken_changed_by_uid_and_called_off() -> Result<()> {
    let world = World::create().await?;
    let file = calendar(&[CHRISTMAS, WEEKLY]);
    let checked = world.import("?pool=shop", &file).await?.expect(200)?.json()?;
    assert_eq!(
        (&checked["taken"], &checked["new"], world.total().await?),
        (&json!(false), &json!(6), 0),
        "it was only looked at"
    );
    let taken = world.import("?pool=shop&take=all", &file).await?.expect(200)?.json()?;
    // Three Christmases lie within 400 days to either side, and three weeks.
    assert_eq!((&taken["new"], world.total().await?), (&json!(6), 6), "{taken}");
    let listed = world.client.get("/api/v1/events?tag=holiday").await?.json()?;
    let eve = &listed["events"][1];
    assert_eq!(
        (eve["title"].as_str(), eve["start"].as_str(), eve["source"].as_str()),
        (Some("Christmas Eve"), Some("2026-12-24T00:00:00Z"), Some("calendar"))
    );
    assert_eq!((eve["effect"].as_str(), eve["uid"].as_str()), (Some("learn"), Some("xmas")));

    let same = world.import("?pool=shop&take=all", &file).await?.expect(200)?.json()?;
    assert_eq!((&same["same"], &same["new"], &same["changed"]), (&json!(6), &json!(0), &json!(0)));

    // Moved, cut short, called off.
    let moved = WEEKLY.replace("T200000", "T210000").replace("COUNT=3", "COUNT=2");
    let off = CHRISTMAS.replace("SUMMARY", "STATUS:CANCELLED\nSUMMARY");
    let changed = world.import("?pool=shop&take=all", &calendar(&[&moved, &off])).await?.expect(200)?.json()?;
    assert_eq!((&changed["removed"], &changed["new"], world.total().await?), (&json!(6), &json!(2), 2), "{changed}");
    let retitled = moved.replace("Month end", "Closing");
    let changed = world
        .import("?pool=shop&take=all&effect=factor&percent=130", &calendar(&[&retitled]))
        .await?
        .expect(200)?
        .json()?;
    assert_eq!((&changed["changed"], world.total().await?), (&json!(2), 2), "{changed}");
    let listed = world.client.get("/api/v1/events").await?.json()?;
    assert_eq!(
        (listed["events"][0]["tag"].as_str(), listed["events"][0]["version"].as_i64()),
        (Some("closing"), Some(2))
    );

    // The same calendar for another pool is another matter; what it exports can be read again.
    let elsewhere = world.import("?pool=batch&take=all", &calendar(&[&retitled])).await?.expect(200)?.json()?;
    assert_eq!(elsewhere["new"], 2);
    let feed = world.client.get("/api/v1/events.ics?pool=batch").await?.expect(200)?.body;
    let read = world.import("?tag_from=fixed&tag=copied&effect=floor&slots=3", &feed).await?.expect(200)?.json()?;
    assert_eq!((&read["new"], read["faults"].as_array().map(Vec::len)), (&json!(2), Some(0)), "{read}");
    Ok(())
}

#[tokio::test]
async fn a_broken_calendar_is_told_by_line_and_taken_as_far_as_it_is_good_if_that_is_wanted() -> Result<()> {
    let world = World::create().await?;
    let broken = calendar(&[
        "UID:1\nSUMMARY:Good\nDTSTART:20261201T090000Z\nDTEND:20261201T100000Z",
        "UID:2\nSUMMARY:Backwards\nDTSTART:20261201T090000Z\nDTEND:20261201T080000Z",
        "UID:3\nSUMMARY:Nowhere\nDTSTART;TZID=Nowhere/Land:20261201T090000\nDURATION:PT1H",
    ]);
    let checked = world.import("", &broken).await?.expect(200)?.json()?;
    let faults: Vec<(i64, &str)> = checked["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|fault| (fault["line"].as_i64().unwrap_or_default(), fault["title"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(faults, [(9, "Backwards"), (15, "Nowhere")], "{checked}");
    world.import("?take=all", &broken).await?.problem(409)?;
    assert_eq!(world.total().await?, 0, "nothing is half done");
    let taken = world.import("?take=good", &broken).await?.expect(200)?.json()?;
    assert_eq!((&taken["new"], world.total().await?), (&json!(1), 1));

    for (file, word) in [("", "choose a file"), ("hello", "BEGIN:VCALENDAR"), ("PK\u{3}\u{4}\0\0", "BEGIN:VCALENDAR")] {
        let problem = world.import("?take=all", file).await?.problem(422)?;
        let said = problem["errors"][0]["expected"].as_str().unwrap_or_default();
        assert!(fields(&problem) == ["file"] && said.contains(word), "{file:?}: {problem}");
    }
    let large =
        calendar(&[&format!("UID:x\nSUMMARY:{}\nDTSTART:20261201T090000Z\nDURATION:PT1H", "x".repeat(1_100_000))]);
    world.import("?take=all", &large).await?.problem(422)?;
    let cut = broken.split("DTEND:20261201T100000Z").next().context("a start")?;
    let told = world.import("", cut).await?.expect(200)?.json()?;
    assert!(told["faults"].to_string().contains("cut off"), "{told}");
    for query in [
        "?effect=double",
        "?effect=factor",
        "?effect=learn&slots=4",
        "?tag_from=fixed&tag=No",
        "?take=some",
        "?tag_from=mood",
        "?pool=shp",
    ] {
        world.import(query, &broken).await?.problem(422)?;
    }

    // What contradicts the calendar, or another event of the file, is refused with its name.
    world.client.post("/api/v1/events", &friday()).await?.expect(201)?;
    let clash = calendar(&["UID:c\nSUMMARY:Clash\nDTSTART:20261127T090000Z\nDTEND:20261127T100000Z"]);
    let checked = world.import("?pool=shop", &clash).await?.expect(200)?.json()?;
    assert!(checked["faults"][0]["errors"][0]["expected"].to_string().contains("Black Friday"), "{checked}");
    Ok(())
}

#[tokio::test]
async fn a_calendar_is_looked_at_before_it_is_taken() -> Result<()> {
    let world = World::create().await?;
    let client = &world.client;
    let page = client.page("/calendar/import").await?.expect(200)?.body;
    ensure!(page.contains("whole days are those of"), "{page}");
    let mapping = [
        ("pool", "shop"),
        ("tag_from", "category"),
        ("tag", ""),
        ("effect", "learn"),
        ("slots", ""),
        ("percent", ""),
        ("weekday", ""),
    ];
    let broken = "UID:2\nSUMMARY:<b>Backwards</b>\nDTSTART:20261201T090000Z\nDTEND:20261201T080000Z";
    let file = calendar(&[CHRISTMAS, broken]);
    let answer = client.upload("/calendar/import", &mapping, ("shop.ics", file.as_bytes())).await?.expect(303)?;
    let review = answer.header("location").to_owned();
    let html = client.page(&review).await?.expect(200)?.body;
    assert!(html.contains("3 new") && html.contains("1 cannot be taken") && html.contains("line 11"), "{html}");
    assert!(html.contains("&lt;b&gt;Backwards") && !html.contains("<b>Backwards"), "it is escaped");
    assert_eq!(world.total().await?, 0);
    // Others do not see it; a fault stops taking all of it.
    world.person(7, Role::Planner, &[]).await?.page(&review).await?.expect(404)?;
    client.form(&review, &[("do", "all")]).await?.expect(409)?;
    // Another mapping, a wrong one first.
    let mut other = mapping.to_vec();
    other.push(("do", "map"));
    other[3] = ("effect", "factor");
    client.form(&review, &other).await?.expect(422)?;
    other[5] = ("percent", "140");
    client.form(&review, &other).await?.expect(303)?;
    assert!(client.page(&review).await?.expect(200)?.body.contains("140 % of the usual demand"));
    client.form(&review, &[("do", "good")]).await?.expect(303)?;
    assert_eq!(world.total().await?, 3);
    client.page(&review).await?.expect(404)?;
    client.form(&review, &[("do", "good")]).await?.expect(404)?;
    // A file that is none is told beside the field, and what was pasted is kept.
    let refused = client
        .form("/calendar/import", &[&mapping[..], &[("text", "BEGIN:NOTHING")]].concat())
        .await?
        .expect(422)?
        .body;
    assert!(refused.contains("id=\"file-error\"") && refused.contains("BEGIN:NOTHING"), "{refused}");
    let dropped = client.upload("/calendar/import", &mapping, ("shop.ics", file.as_bytes())).await?.expect(303)?;
    client.form(dropped.header("location"), &[("do", "drop")]).await?.expect(303)?;
    client.page(dropped.header("location")).await?.expect(404)?;
    Ok(())
}
