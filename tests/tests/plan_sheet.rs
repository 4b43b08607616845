//! The planner's table as a sheet: cells, pastes and changes of many rows as forms send them; what is refused, whose it is, and that
//! nothing is lost or half done.

use anyhow::{Context, Result, ensure};
use headroom_domain::Millis;
use headroom_domain::access::Role;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z, a Wednesday.
const NOW: Millis = 1_795_597_200_000;
const TABLE: &str = "/planner?pool=lanes&view=table&from=2026-11-25";

struct World {
    database: Database,
    conn: PgConnection,
    service: Service,
    client: Client,
    /// Ids of the reservations `day` and `peak`.
    day: String,
    peak: String,
}

impl World {
    /// Two reservations of a pool, and one of another.
    async fn create() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let service = Service::start(&["serve", "--test-clock", "--no-jobs", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        for pool in ["lanes", "others"] {
            let pool = json!({ "name": pool, "slug": pool, "capacity": 1000, "zone": "Europe/Berlin" });
            client.post("/api/v1/pools", &pool).await?.expect(201)?;
        }
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        let mut world = Self { database, conn, service, client, day: String::new(), peak: String::new() };
        world.day = world.make("lanes", "day", "acme", 40, "2026-11-27T00:00", "2026-11-28T00:00").await?;
        world.peak = world.make("lanes", "peak", "beta", 101, "2026-11-28T00:00", "2026-11-30T12:00").await?;
        Ok(world)
    }

    async fn make(&self, pool: &str, name: &str, tenant: &str, slots: i64, start: &str, end: &str) -> Result<String> {
        let terms = json!({
            "name": name, "tenant": tenant, "slots": slots, "start": start, "end": end, "zone": "Europe/Berlin",
            "ceiling": slots + 20, "lending_limit": slots - 10
        });
        let body = json!({ "terms": terms, "reason": "as agreed" });
        let path = format!("/api/v1/pools/{pool}/reservations");
        let made = self.client.post_once(&path, name, &body).await?.expect(201)?.json()?;
        Ok(made["id"].as_str().context("it has an id")?.to_owned())
    }

    /// Posts an edit of the table, with the draft and version that a page of now would send.
    async fn act(&self, fields: &[(&str, &str)]) -> Result<Answer> {
        let draft = self.draft().await?;
        let text = |name: &str| match &draft[name] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let (id, version) = (text("id"), text("version"));
        let mut all = vec![("pool", "lanes"), ("draft", id.as_str()), ("version", version.as_str()), ("back", TABLE)];
        all.extend(fields);
        self.client.form("/planner/act", &all).await
    }

    async fn cell(&self, reservation: &str, field: &str, value: &str) -> Result<Answer> {
        self.act(&[("do", "cell"), ("reservation", reservation), ("field", field), ("value", value)]).await
    }

    async fn paste(&self, reservation: &str, field: &str, rows: &str, text: &str) -> Result<Answer> {
        let fields = [("do", "paste"), ("reservation", reservation), ("field", field), ("rows", rows), ("text", text)];
        self.act(&fields).await
    }

    /// The newest draft; null if there is none.
    async fn draft(&self) -> Result<Value> {
        Ok(self.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?[0].clone())
    }

    /// What the draft makes of a reservation; null if it leaves it as it is.
    async fn after(&self, name: &str) -> Result<Value> {
        let draft = self.draft().await?;
        let changes = draft["changes"].as_array().cloned().unwrap_or_default();
        let found = changes.into_iter().find(|one| one["after"]["name"] == name || one["before"]["name"] == name);
        Ok(found.map_or(Value::Null, |one| one["after"].clone()))
    }

    async fn end(self) -> Result<()> {
        self.service.stop()?;
        self.database.remove().await
    }
}

/// The tag of a cell that was refused, with what follows it.
fn refused<'a>(page: &'a str, reservation: &str, field: &str) -> Result<&'a str> {
    let row = page.split_once(&format!("data-row=\"{reservation}\"")).context("the row is there")?.1;
    let cell = row.split_once(&format!("data-cell=\"{field}\"")).context("the cell is there")?.1;
    let cell = cell.split("data-cell=").next().unwrap_or_default();
    ensure!(cell.contains("aria-invalid=\"true\""), "{field} is not marked: {cell}");
    let id = format!("fault-{reservation}-{field}");
    ensure!(cell.contains(&format!("aria-describedby=\"{id}\"")), "{field} names no error: {cell}");
    ensure!(cell.contains(&format!("id=\"{id}\"")), "{field} has no error: {cell}");
    Ok(cell)
}

fn marked(page: &str) -> usize {
    page.matches("data-typed").count()
}

#[tokio::test]
async fn a_cell_that_is_wrong_keeps_what_was_typed_and_changes_nothing() -> Result<()> {
    let world = World::create().await?;
    for (field, typed, expected) in [
        ("name", "Peak!", "a-z"),
        ("name", "", "a name"),
        ("name", "day", "no other reservation"),
        ("tenant", "nobody", "the slug of a tenant"),
        ("tenant", "bet", "beta is one"),
        ("slots", "4OO", "a whole number of slots"),
        ("slots", "0", "1 to 10,000,000"),
        ("kind", "maybe", "guaranteed or burst"),
        ("start", "tomorrow", "a wall-clock time"),
        ("start", "2026-12-01 00:00", "after the start"),
        ("start", "2026-03-29 02:30", "clocks go from 02:00 to 03:00"),
        ("end", "2026-11-27 00:00", "after the start"),
        ("repeat", "daily", "a rule such as"),
        ("repeat", "FREQ=DAILY", "expected"),
        ("zone", "Mars/Olympus", "an IANA time zone"),
        ("zone", "", "an IANA time zone"),
        ("name", "<script>alert(1)</script>", "a-z"),
    ] {
        let page = world.cell(&world.peak, field, typed).await?.expect(422)?.body;
        let cell = refused(&page, &world.peak, field)?;
        ensure!(cell.contains(expected), "{field} {typed:?}: {cell}");
        let shown = cell.split_once("data-typed=\"\">").and_then(|(_, rest)| rest.split('<').next()).unwrap_or("-");
        ensure!(shown.trim() == typed.replace('<', "&lt;").replace('>', "&gt;"), "{field} lost {typed:?}: {cell}");
        ensure!(marked(&page) == 1 && !page.contains("<script>alert"), "nothing else is marked");
        ensure!(page.contains("is not saved"), "it is said aloud");
    }
    ensure!(world.draft().await? == Value::Null, "no draft was begun for it");
    // Nor do the other ways of editing leave a draft behind for what is refused or changes nothing.
    let day = world.day.as_str();
    let base = [("pool", "lanes"), ("back", TABLE), ("reservation", day)];
    let mut plain = None;
    for (path, fields, status) in [
        ("/planner/act", vec![("do", "skip"), ("day", "soon")], 422),
        ("/planner/act", vec![("do", "move"), ("was_start", "0"), ("start", "never")], 422),
        ("/planner/act", vec![("do", "fix"), ("name", "day"), ("zone", "Mars/Olympus")], 422),
        ("/planner/act", vec![("do", "undo")], 409),
        (
            "/planner/edit",
            vec![
                ("name", "day"),
                ("tenant", "acme"),
                ("slots", "4"),
                ("zone", "UTC"),
                ("start", "2026-12-02 00:00"),
                ("end", "2026-12-01 00:00"),
            ],
            422,
        ),
        ("/planner/act", vec![("do", "unskip"), ("day", "2026-11-27")], 303),
    ] {
        let sent: Vec<(&str, &str)> = base.iter().copied().chain(fields.iter().copied()).collect();
        let answer = world.client.form(path, &sent).await?;
        ensure!(answer.status == status, "{fields:?}: {} {}", answer.status, answer.body);
        ensure!(world.draft().await? == Value::Null, "{fields:?} began a draft");
        plain = Some(answer);
    }
    let told = plain.context("the last one changed nothing")?;
    ensure!(told.header("location") == TABLE, "{}", told.header("location"));
    for (field, expected) in [("note", "name, tenant, slots"), ("", "name, tenant, slots")] {
        let page = world.cell(&world.peak, field, "1").await?.expect(422)?.body;
        ensure!(page.contains(expected), "{field:?}: the fields are named");
    }
    world.cell("nonsense", "slots", "1").await?.expect(422)?;
    world.cell("00000000-0000-0000-0000-000000000000", "slots", "1").await?.expect(404)?;
    let other = world.make("others", "other", "acme", 40, "2026-11-27T00:00", "2026-11-28T00:00").await?;
    world.cell(&other, "slots", "50").await?.expect(404)?;
    ensure!(world.draft().await? == Value::Null, "nor for one of another pool");
    world.end().await
}

#[tokio::test]
async fn each_cell_is_a_step_that_can_be_undone() -> Result<()> {
    let world = World::create().await?;
    let steps = [
        ("slots", "150", "slots", json!(150)),
        ("kind", "burst", "kind", json!("burst")),
        ("start", "2026-11-28 06:00", "start", json!("2026-11-28T06:00")),
        ("end", "2026-11-29 00:00", "end", json!("2026-11-29T00:00")),
        ("repeat", "freq=weekly;count=3", "repeat", json!("FREQ=WEEKLY;COUNT=3")),
        ("zone", "UTC", "zone", json!("UTC")),
        ("tenant", "acme", "tenant", json!("acme")),
        ("name", "peak-2", "name", json!("peak-2")),
    ];
    for (field, typed, key, expected) in &steps {
        let answer = world.cell(&world.peak, field, typed).await?.expect(303)?;
        ensure!(answer.header("location").contains("view=table"), "back to the table");
        let after = world.after("peak").await?;
        ensure!(after[*key] == *expected, "{field}: {after}");
    }
    let after = world.after("peak").await?;
    ensure!(after["ceiling"] == 150 && after["lending_limit"] == 91, "limits follow: {after}");
    // What is typed as it is makes no step.
    world.cell(&world.peak, "zone", "UTC").await?.expect(303)?;
    for (_, _, key, expected) in steps.iter().rev() {
        ensure!(world.after("peak").await?[*key] == *expected, "{key} is there before it is undone");
        world.act(&[("do", "undo")]).await?.expect(303)?;
    }
    ensure!(world.after("peak").await? == Value::Null, "all of it is undone");
    // An open end, and what the draft cancels.
    world.cell(&world.peak, "end", "").await?.expect(303)?;
    ensure!(world.after("peak").await?["end"] == Value::Null, "until further notice");
    world.act(&[("do", "cancel"), ("reservation", &world.peak)]).await?.expect(303)?;
    let page = world.cell(&world.peak, "slots", "9").await?.expect(409)?.body;
    ensure!(page.contains("the draft cancels this reservation"), "a cancelled one is not brought back by accident");
    world.end().await
}

#[tokio::test]
async fn a_draft_that_went_on_is_told_and_nothing_is_lost() -> Result<()> {
    let world = World::create().await?;
    world.cell(&world.day, "slots", "41").await?.expect(303)?;
    let old = world.draft().await?;
    world.cell(&world.day, "slots", "42").await?.expect(303)?;
    let (id, version) = (old["id"].as_str().unwrap_or_default(), old["version"].to_string());
    let stale = [("pool", "lanes"), ("draft", id), ("version", version.as_str()), ("back", TABLE)];
    let mut cell = stale.to_vec();
    cell.extend([("do", "cell"), ("reservation", world.peak.as_str()), ("field", "slots"), ("value", "77")]);
    let page = world.client.form("/planner/act", &cell).await?.expect(422)?.body;
    let told = refused(&page, &world.peak, "slots")?;
    ensure!(told.contains("went on") && told.contains("77"), "told, with what was typed: {told}");
    let fresh = format!("name=\"version\" value=\"{}\"", world.draft().await?["version"]);
    ensure!(page.contains(&fresh), "the page has the version of now");
    for what in [
        vec![("do", "paste"), ("reservation", &world.peak), ("field", "slots"), ("rows", &world.peak), ("text", "77")],
        vec![("do", "bulk"), ("pick", &world.peak), ("slots", "77")],
    ] {
        let mut all = stale.to_vec();
        all.extend(what.iter().map(|(name, value): &(&str, &str)| (*name, *value)));
        let page = world.client.form("/planner/act", &all).await?.expect(409)?.body;
        ensure!(page.contains("The draft is as it was"), "told");
    }
    ensure!(world.after("peak").await? == Value::Null && world.after("day").await?["slots"] == 42, "nothing was done");
    world.end().await
}

#[tokio::test]
async fn who_may_not_plan_edits_nothing() -> Result<()> {
    let mut world = World::create().await?;
    for (number, (role, tenants)) in
        [(Role::Viewer, &[][..]), (Role::TenantViewer, &["beta"][..])].into_iter().enumerate()
    {
        let account =
            people::add(&mut world.conn, &format!("{number}@test.example"), "Reader", &[role], tenants).await?;
        let (id, csrf) = (Id(100 + number as i128), "00000000000000000000000000000002");
        people::open_session(&mut world.conn, &account, id, csrf).await?;
        let cookie = format!("{}={id}", people::cookie().0);
        let reader = Client::nobody(world.service.url())?.with_cookie(&cookie, csrf);
        let page = reader.page(TABLE).await?;
        ensure!(!page.body.contains("data-plan-sheet") && !page.body.contains("data-cell"), "nothing to edit");
        ensure!(!page.body.contains("name=\"pick\"") && !page.body.contains("plan-bulk"), "nothing to select");
        for what in ["cell", "paste", "bulk", "bulk-cancel"] {
            let fields = [
                ("pool", "lanes"),
                ("do", what),
                ("reservation", &world.peak),
                ("pick", &world.peak),
                ("rows", &world.peak),
                ("field", "slots"),
                ("value", "5"),
                ("slots", "5"),
                ("text", "5"),
            ];
            reader.form("/planner/act", &fields).await?.expect(403)?;
        }
    }
    ensure!(world.draft().await? == Value::Null, "nothing was done");
    world.end().await
}

#[tokio::test]
async fn a_paste_takes_what_is_right_and_marks_the_rest_as_one_step() -> Result<()> {
    let world = World::create().await?;
    let both = format!("{} {}", world.day, world.peak);
    // Slots, kind, start, end: one wrong number, one wrong start; below the rows one new and one that lacks something.
    let text = "4OO\tburst\t2026-11-27 06:00\t2026-11-28 06:00\r\n\"120\"\tburst\tsoon\t2026-11-30 00:00\r\n";
    let page = world.paste(&world.day, "slots", &both, text).await?.expect(422)?.body;
    ensure!(refused(&page, &world.day, "slots")?.contains("4OO"), "the wrong number stays");
    ensure!(refused(&page, &world.peak, "start")?.contains("soon"), "the wrong start stays");
    ensure!(marked(&page) == 2, "and only they");
    ensure!(page.contains("6 cells are in the draft. 2 cells were not taken and are marked."), "counts are told");
    let (day, peak) = (world.after("day").await?, world.after("peak").await?);
    ensure!(day["slots"] == 40 && day["kind"] == "burst" && day["end"] == "2026-11-28T06:00", "the others: {day}");
    ensure!(peak["slots"] == 120 && peak["start"] == "2026-11-28T00:00", "of both rows: {peak}");
    world.act(&[("do", "undo")]).await?.expect(303)?;
    ensure!(world.after("day").await? == Value::Null && world.after("peak").await? == Value::Null, "it was one step");

    let text = "night\tacme\t7\tguaranteed\t2026-11-27 20:00\t2026-11-28 06:00\t\t\nbad\tacme\n\n";
    let page = world.paste(&world.peak, "name", "", text).await?.expect(422)?.body;
    ensure!(page.contains("1 new reservation is in the draft.") && page.contains("Line 2 is no new"), "told");
    let night = world.after("night").await?;
    ensure!(night["slots"] == 7 && night["zone"] == "Europe/Berlin", "in the zone of the pool: {night}");
    let good = "peak-2\tacme\t9\nday-2\tbeta\t8\n";
    world.paste(&world.peak, "name", &format!("{} {}", world.peak, world.day), good).await?.expect(303)?;
    ensure!(world.after("peak-2").await?["tenant"] == "acme" && world.after("day-2").await?["slots"] == 8, "all taken");

    // What is wrong for a field that was not pasted is told at what was.
    let page = world.paste(&world.peak, "repeat", &world.peak, "FREQ=DAILY\tUTC\tx").await?.expect(422)?.body;
    ensure!(page.contains("1 cell beyond the last column"), "what has no column is told");
    // Bounds.
    let version = world.draft().await?["version"].clone();
    for text in ["\t".repeat(20_000), "1\n".repeat(20_001), "x".repeat(1_000_001)] {
        let short: String = text.chars().take(49_000).collect();
        let too_long = text.len() > 50_000;
        let answer =
            if too_long { world.upload(&text).await? } else { world.paste(&world.peak, "slots", "", &short).await? };
        let page = answer.expect(422)?.body;
        ensure!(page.contains("paste it in parts") || page.contains("paste them in parts"), "the bound is told");
    }
    ensure!(world.draft().await?["version"] == version, "nothing of it was taken");
    world.end().await
}

impl World {
    /// Pastes as the page does, in parts: more than a field of a plain form takes.
    async fn upload(&self, text: &str) -> Result<Answer> {
        let draft = self.draft().await?;
        let (id, version) = (draft["id"].as_str().unwrap_or_default().to_owned(), draft["version"].to_string());
        let mut body = String::new();
        for (name, value) in [
            ("csrf", people::CSRF),
            ("pool", "lanes"),
            ("draft", &id),
            ("version", &version),
            ("back", TABLE),
            ("do", "paste"),
            ("reservation", &self.peak),
            ("field", "slots"),
            ("rows", &self.peak),
            ("text", text),
        ] {
            body += &["--part\r\ncontent-disposition: form-data; name=\"", name, "\"\r\n\r\n", value, "\r\n"].concat();
        }
        body.push_str("--part--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=part"), ("origin", self.service.url())];
        self.client.send(http::Method::POST, "/planner/act", &headers, Some(body.into_bytes())).await
    }
}

#[tokio::test]
async fn many_rows_are_changed_together_or_not_at_all() -> Result<()> {
    let world = World::create().await?;
    let both = [("pick", world.day.as_str()), ("pick", world.peak.as_str())];
    let bulk = async |fields: &[(&str, &str)]| {
        let mut all = vec![("do", "bulk")];
        all.extend(both);
        all.extend(fields);
        world.act(&all).await
    };
    bulk(&[("slots", "-10%"), ("by", "1"), ("unit", "days"), ("kind", "burst"), ("zone", "UTC")]).await?.expect(303)?;
    let (day, peak) = (world.after("day").await?, world.after("peak").await?);
    ensure!(day["slots"] == 36 && peak["slots"] == 91, "parts are rounded: {day} {peak}");
    ensure!(day["start"] == "2026-11-28T00:00" && peak["end"] == "2026-12-01T12:00", "a day later: {day} {peak}");
    ensure!(day["kind"] == "burst" && peak["zone"] == "UTC", "kind and zone: {day} {peak}");
    ensure!(peak["lending_limit"] == 91, "limits follow: {peak}");
    bulk(&[("slots", "+50"), ("by", "-3"), ("unit", "hours")]).await?.expect(303)?;
    ensure!(world.after("day").await?["start"] == "2026-11-27T21:00", "three hours earlier");
    world.act(&[("do", "undo")]).await?.expect(303)?;
    world.act(&[("do", "undo")]).await?.expect(303)?;
    ensure!(world.after("day").await? == Value::Null && world.after("peak").await? == Value::Null, "two steps");

    for (fields, expected) in [
        (&[("slots", "-50")][..], "day, slots"),
        (&[("slots", "many")], "a whole number such as 450"),
        (&[("by", "1.5")], "a whole number from"),
        (&[("by", "367")], "a whole number from"),
        (&[("kind", "maybe")], "guaranteed or burst"),
        (&[("zone", "Mars/Olympus")], "peak, zone"),
        (&[], "slots, a move, a kind or a zone"),
    ] {
        let page = bulk(fields).await?.expect(422)?.body;
        let (name, value) = fields.first().copied().unwrap_or(("slots", ""));
        ensure!(page.contains(expected), "{name} {value}: {expected} is told");
        ensure!(name == "kind" || page.contains(&format!("value=\"{value}\"")), "what was written is shown again");
        ensure!(page.matches(" checked").count() >= 2, "what was selected is selected");
    }
    ensure!(world.after("peak").await? == Value::Null, "also where only one of them was wrong");
    let page = world.act(&[("do", "bulk"), ("slots", "5")]).await?.expect(422)?.body;
    ensure!(page.contains("at least one reservation"), "nothing is selected");
    let other = world.make("others", "other", "acme", 40, "2026-11-27T00:00", "2026-11-28T00:00").await?;
    world.act(&[("do", "bulk"), ("pick", &world.peak), ("pick", &other), ("slots", "5")]).await?.expect(404)?;
    ensure!(world.after("peak").await? == Value::Null, "one of another pool changes nothing");

    let mut cancel = vec![("do", "bulk-cancel")];
    cancel.extend(both);
    world.act(&cancel).await?.expect(303)?;
    let page = world.client.page(TABLE).await?.expect(200)?.body;
    ensure!(page.matches("cancelled in the draft").count() == 2, "both are cancelled");
    ensure!(!page.contains("data-cell"), "and not edited in the table");
    world.act(&cancel).await?.expect(303)?;
    world.act(&[("do", "undo")]).await?.expect(303)?;
    ensure!(world.after("peak").await? == Value::Null, "it was one step, and cancelling twice is none");
    world.end().await
}
