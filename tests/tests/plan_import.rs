//! The import page: from a file to a draft, step by step, without scripts. Faults are told by row, column, expected and found,
//! repaired beside where they are told, and nothing is taken twice, by others, or without being looked at.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use headroom_domain::access::Role;
use headroom_tests::browser::{Browser, Scheme};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::plan_table::{self, Seeded};
use headroom_tests::service::Service;
use headroom_tests::{forms, people};
use serde_json::{Value, json};
use tower_sessions::session::Id;

/// 2026-11-25T09:00:00Z.
const NOW: i64 = 1_795_597_200_000;
const DAY_MS: i64 = 86_400_000;
/// More than a page may be, however much is wrong.
const MOST_HTML: usize = 500_000;

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
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 100_000, "zone": "Europe/Berlin" });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        Ok(Self { database, service, client })
    }

    /// Somebody else who is signed in.
    async fn person(&self, number: u128, role: Role) -> Result<Client> {
        let mut conn = self.database.connect().await?;
        let email = format!("person-{number}@test.example");
        let account = people::add(&mut conn, &email, &format!("Person {number}"), &[role], &[]).await?;
        let (id, csrf) = (Id(number as i128), format!("{number:032}"));
        people::open_session(&mut conn, &account, id, &csrf).await?;
        let cookie = format!("{}={id}", headroom_server::serve::OPEN_COOKIE);
        Ok(Client::nobody(self.service.url())?.with_cookie(&cookie, &csrf))
    }

    /// Uploads a file and returns where its steps are.
    async fn upload(&self, file: &str) -> Result<String> {
        self.upload_into("", file).await
    }

    async fn upload_into(&self, draft: &str, file: &str) -> Result<String> {
        let fields = [("pool", "lanes"), ("draft", draft)];
        let answer =
            self.client.upload("/planner/import", &fields, ("plan.csv", file.as_bytes())).await?.expect(303)?;
        let to = answer.header("location");
        let (import, step) = to.split_once('?').context("a step")?;
        ensure!(import.starts_with("/planner/import/") && step == "step=columns", "{to}");
        Ok(import.to_owned())
    }

    /// Uploads a file whose columns are what they seem to be, and goes on to its check.
    async fn checked(&self, file: &str) -> Result<(String, String)> {
        let import = self.upload(file).await?;
        let html = self.page(&import, "columns").await?;
        self.send(&import, &html, "columns", &[]).await?.expect(303)?;
        let html = self.page(&import, "check").await?;
        Ok((import, html))
    }

    async fn page(&self, import: &str, step: &str) -> Result<String> {
        let answer = self.client.page(&format!("{import}?step={step}")).await?.expect(200)?;
        ensure!(answer.body.len() < MOST_HTML, "{} bytes", answer.body.len());
        Ok(answer.body)
    }

    /// Sends the form of a step with some of its fields changed.
    async fn send(&self, import: &str, html: &str, what: &str, others: &[(&str, &str)]) -> Result<Answer> {
        let fields = forms::fields(html, import)?;
        let mut all = vec![("do", what)];
        // Of two radio buttons the form's reader names both; the second is the usual.
        if !others.iter().any(|(name, _)| *name == "all") {
            all.push(("all", "part"));
        }
        all.extend(others);
        self.client.form(import, &forms::with(&fields, &all)).await
    }

    /// Sends it and reads the check again.
    async fn repair(&self, import: &str, html: &str, others: &[(&str, &str)]) -> Result<String> {
        let to = self.send(import, html, "again", others).await?.expect(303)?;
        assert_eq!(to.header("location"), format!("{import}?step=check"));
        self.page(import, "check").await
    }

    /// Previews it and puts it into a draft. Returns the draft's id.
    async fn take(&self, import: &str) -> Result<String> {
        let html = self.page(import, "check").await?;
        let to = self.send(import, &html, "preview", &[]).await?.expect(303)?;
        assert_eq!(to.header("location"), format!("{import}?step=preview"));
        let html = self.page(import, "preview").await?;
        let to = self.send(import, &html, "take", &[]).await?.expect(303)?;
        let draft = to.header("location").strip_prefix("/planner/drafts/").context("a draft")?.to_owned();
        Ok(draft)
    }

    async fn draft(&self, id: &str) -> Result<Value> {
        self.client.get(&format!("/api/v1/drafts/{id}")).await?.expect(200)?.json()
    }

    async fn changes(&self, id: &str) -> Result<usize> {
        Ok(self.draft(id).await?["changes"].as_array().map_or(0, Vec::len))
    }

    async fn drafts(&self) -> Result<usize> {
        let drafts = self.client.get("/api/v1/pools/lanes/drafts").await?.expect(200)?.json()?;
        Ok(drafts.as_array().map_or(0, Vec::len))
    }
}

/// The text of a page without its markup, for what is read in one line.
fn text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut is_tag = false;
    for c in html.chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                text.push(' ');
            }
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    let text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace('\u{202f}', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shows(html: &str, what: &str) -> Result<()> {
    let text = text(html);
    ensure!(text.contains(what), "{what:?} is not read in: {text}");
    Ok(())
}

/// The row of a table that begins with a number.
fn row_of(html: &str, row: usize) -> Option<String> {
    html.split("<tr")
        .map(|part| part.split("</tr>").next().unwrap_or_default())
        .map(|part| text(&format!("<tr{part}")))
        .find(|text| text.split(' ').next() == Some(&row.to_string()))
}

#[tokio::test]
async fn seventeen_faults_are_told_the_rest_goes_into_a_draft_and_what_was_rejected_comes_back() -> Result<()> {
    let world = World::create().await?;
    let (table, seeded) = plan_table::with_faults();
    let (import, html) = world.checked(&table).await?;
    shows(&html, "1,204 rows · 1,187 ready · 17 with errors")?;
    for Seeded { row, column, found, expected } in &seeded {
        let told = row_of(&html, *row).with_context(|| format!("row {row} is not listed"))?;
        ensure!(
            told.contains(&format!("{row} {column} ")) && told.contains(found) && told.contains(expected),
            "row {row}: {column}, found {found}, expected {expected}: {told}"
        );
    }
    for group in
        ["Unknown tenant (7 rows)", "End before start (4 rows)", "Unknown zone (1 row)", "letter O", "A name twice"]
    {
        shows(&html, group)?;
    }
    shows(&html, "applies to 7 · suggested rows 12, 22, 32, …")?;
    ensure!(html.contains("name=\"map.tenant.acmee\""), "a choice for the tenant that is not known");

    // All or nothing is refused while rows have faults, and the suggestion that nobody looked at is not taken for a repair.
    let refused = world.send(&import, &html, "preview", &[("all", "all")]).await?.expect(409)?;
    shows(&refused.body, "17 rows have faults, and all or nothing was chosen")?;
    let to = world.send(&import, &html, "preview", &[]).await?.expect(303)?;
    assert_eq!(to.header("location"), format!("{import}?step=preview"));
    let preview = world.page(&import, "preview").await?;
    shows(&preview, "Create 1,187 Change 0 As they are 0 Skip 0 With errors 17")?;
    shows(&preview, "Put 1,187 rows into the draft")?;
    ensure!(
        preview.matches("hr-plan-change\"").count() == 100 && preview.contains("and 1,087 more"),
        "the list is cut"
    );
    assert_eq!(world.drafts().await?, 0, "nothing is kept anywhere else before it is taken");

    let draft = world.take(&import).await?;
    assert_eq!(world.changes(&draft).await?, 1187);
    let review = world.client.page(&format!("/planner/drafts/{draft}")).await?.expect(200)?;
    shows(&review.body, "1187 changes")?;
    let taken = world.client.page(&import).await?.expect(200)?;
    shows(&taken.body, "17 rows stayed out and are kept as a file")?;
    let rejected = world.client.get(&format!("{import}/errors.csv")).await?.expect(200)?;
    ensure!(rejected.header("content-disposition").contains("plan-errors.csv"), "{:?}", rejected.headers);
    assert_eq!(rejected.csv()?.len(), 18, "{}", rejected.body);
    shows(&rejected.body, "4OO,slots: expected a whole number of slots")?;

    // Mended, the rest is taken whole, into the same draft.
    let (second, html) = world.checked(&plan_table::mended(&rejected.body)).await?;
    shows(&html, "17 rows · 17 ready · 0 with errors")?;
    shows(&html, "Every row can be taken.")?;
    assert_eq!(world.take(&second).await?, draft);
    assert_eq!(world.changes(&draft).await?, 1204);

    // One step of the draft, that is taken back as a whole.
    world.client.post(&format!("/api/v1/drafts/{draft}/undo"), &json!({})).await?.expect(200)?;
    assert_eq!(world.changes(&draft).await?, 1187);
    world.client.post(&format!("/api/v1/drafts/{draft}/undo"), &json!({})).await?.expect(200)?;
    assert_eq!(world.changes(&draft).await?, 0);
    world.database.remove().await
}

#[tokio::test]
async fn faults_are_repaired_beside_where_they_are_told_and_nothing_is_taken_twice() -> Result<()> {
    let world = World::create().await?;
    let (table, _) = plan_table::with_faults();
    let (import, html) = world.checked(&table).await?;
    // One choice repairs seven rows; two cells are corrected, one of them wrongly; one row is left out.
    let repairs = [("map.tenant.acmee", "beta"), ("cell.312.5", "400"), ("cell.802.5", "-4"), ("skip", "502")];
    let first = html;
    let html = world.repair(&import, &first, &repairs).await?;
    shows(&html, "1,204 rows · 1,195 ready · 8 with errors · 1 skipped")?;
    shows(&html, "Tenants read as others")?;
    shows(&html, "2 cells are corrected here")?;
    let wrong = row_of(&html, 802).context("row 802 is still wrong")?;
    ensure!(wrong.contains("-4"), "told as it was corrected: {wrong}");
    ensure!(html.contains("name=\"cell.802.5\" value=\"-4\""), "and shown to be corrected again");
    // A page from before that repair does not take it back: it says that there is a newer one.
    let stale = world.send(&import, &first, "again", &[("cell.312.5", "7")]).await?;
    ensure!(stale.status == 409 && stale.body.contains("in another window"), "{}", stale.status);
    ensure!(world.page(&import, "check").await?.contains("2 cells are corrected here"), "what was repaired stays");
    shows(&html, "Row 502: r-500, acme, 2027-03-28T02:30, 2027-03-29T02:30")?;
    // A row that is not skipped any more is told again.
    let html = world.repair(&import, &html, &[("skip", "")]).await?;
    shows(&html, "1,195 ready · 9 with errors")?;
    ensure!(row_of(&html, 502).is_some_and(|row| row.contains("2027-03-28T02:30")), "it is back");
    // What is corrected at last, by zone, name and offset.
    let repairs = [
        ("map.zone.Mars/Olympus", "UTC"),
        ("cell.802.5", "3"),
        ("cell.502.2", "2027-03-28T03:30"),
        ("cell.602.3", "2027-10-31T02:30+01:00"),
        ("cell.702.0", "r-700"),
        ("cell.102.3", "2026-12-03T00:00"),
        ("cell.112.3", "2026-12-03T00:00"),
        ("cell.122.3", "2026-12-03T00:00"),
        ("cell.132.3", "2026-12-03T00:00"),
    ];
    // Who goes on without checking again is shown what was repaired first.
    let to = world.send(&import, &html, "preview", &repairs).await?.expect(303)?;
    assert_eq!(to.header("location"), format!("{import}?step=check"));
    let html = world.page(&import, "check").await?;
    shows(&html, "1,204 rows · 1,204 ready · 0 with errors")?;
    // The upload itself is as it was, and repairs can all be taken back.
    world.send(&import, &html, "forget", &[]).await?.expect(303)?;
    let html = world.page(&import, "check").await?;
    shows(&html, "1,204 rows · 1,187 ready · 17 with errors")?;
    world.repair(&import, &html, &[("map.tenant.acmee", "acme"), ("skip", "312")]).await?;
    let html = world.page(&import, "check").await?;
    shows(&html, "1,194 ready · 9 with errors · 1 skipped")?;
    let html = world.repair(&import, &html, &[("map.zone.Mars/Olympus", "")]).await?;

    // Two clicks, and once more from the page before: it is in the draft once.
    world.send(&import, &html, "preview", &[]).await?.expect(303)?;
    let preview = world.page(&import, "preview").await?;
    let (first, second) =
        tokio::join!(world.send(&import, &preview, "take", &[]), world.send(&import, &preview, "take", &[]));
    let (first, second) = (first?.expect(303)?, second?.expect(303)?);
    assert_eq!(first.header("location"), second.header("location"));
    let third = world.send(&import, &preview, "take", &[]).await?.expect(303)?;
    assert_eq!(third.header("location"), first.header("location"));
    assert_eq!(world.drafts().await?, 1);
    let draft = first.header("location").strip_prefix("/planner/drafts/").context("a draft")?;
    let whole = world.draft(draft).await?;
    assert_eq!(whole["changes"].as_array().map(Vec::len), Some(1194));
    assert_eq!(whole["version"], 2, "one step");
    let names: Vec<&str> =
        whole["changes"].as_array().into_iter().flatten().filter_map(|c| c["after"]["name"].as_str()).collect();
    ensure!(names.contains(&"r-10") && !names.contains(&"r-310"), "mapped is in, skipped is out");
    let csv = world.client.get(&format!("{import}/errors.csv")).await?.expect(200)?;
    assert_eq!(csv.csv()?.len(), 11, "nine with faults and one that was skipped");
    shows(&csv.body, "left out")?;
    world.database.remove().await
}

#[tokio::test]
async fn columns_of_other_names_are_guessed_and_chosen() -> Result<()> {
    let world = World::create().await?;
    let file = "\u{feff}Reservation name;Customer;Starts at;Finish;Bananas;Colour\r\n\
                a;acme;2026-12-01 08:00;2026-12-01 18:00;5;\"red; or blue\"\r\n\
                b;beta;2026-12-02 08:00;;7;\r\n";
    let import = world.upload(file).await?;
    let html = world.page(&import, "columns").await?;
    let fields = forms::fields(&html, &import)?;
    let chosen: Vec<&str> = fields.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(chosen, ["name", "tenant", "start", "end", "", ""]);
    shows(&html, "6 columns, 4 guessed, 2 not read")?;
    shows(&html, "red; or blue")?;
    let refused = world.send(&import, &html, "columns", &[]).await?.expect(422)?;
    shows(&refused.body, "No column is read as slots; a reservation cannot be without.")?;
    let twice = [("column.4", "slots"), ("column.5", "start")];
    let refused = world.send(&import, &html, "columns", &twice).await?.expect(422)?;
    shows(&refused.body, "Start is read from 2 columns (Starts at, Colour); expected one.")?;
    let again = forms::fields(&refused.body, &import)?;
    assert_eq!(
        again.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>(),
        ["name", "tenant", "start", "end", "slots", "start"]
    );
    world.send(&import, &html, "columns", &[("column.4", "nonsense")]).await?.expect(422)?;
    world.send(&import, &html, "columns", &[("column.4", "slots"), ("column.5", "note")]).await?.expect(303)?;
    let html = world.page(&import, "check").await?;
    shows(&html, "2 rows · 2 ready · 0 with errors")?;
    let draft = world.take(&import).await?;
    let whole = world.draft(&draft).await?.to_string();
    ensure!(whole.contains("\"red; or blue\"") && whole.contains("2026-12-02T08:00"), "{whole}");

    // The same file once more changes nothing, also of what is in the draft only; changed, it changes that.
    let rows = file.replace(";7;", ";9;").replace("Bananas", "slots").replace("Colour", "note");
    let (import, html) = world.checked(&rows).await?;
    shows(&html, "2 rows · 2 ready")?;
    world.send(&import, &html, "preview", &[]).await?.expect(303)?;
    let preview = world.page(&import, "preview").await?;
    shows(&preview, "Create 0 Change 1 As they are 1")?;
    shows(&preview, "was 7 becomes 9")?;
    assert_eq!(world.take(&import).await?, draft);
    assert_eq!(world.changes(&draft).await?, 2);
    // The row that changes nothing is not counted among those that are in the draft.
    shows(&world.client.page(&import).await?.expect(200)?.body, "1 row is in the draft")?;
    let (import, html) = world.checked(&rows).await?;
    let refused = world.send(&import, &html, "preview", &[]).await?.expect(409)?;
    shows(&refused.body, "Every row says what holds already")?;
    world.database.remove().await
}

#[tokio::test]
async fn a_file_that_is_no_table_is_told_clearly_and_nothing_is_kept() -> Result<()> {
    let world = World::create().await?;
    let fields = [("pool", "lanes"), ("draft", "")];
    for (file, expected) in [
        (&b""[..], "Choose a file, or paste rows below"),
        (b"\n\n", "The file is empty"),
        (b"name,tenant,start,slots\n", "no row below them"),
        (b"PK\x03\x04\x14\x00\x06\x00", "This is a spreadsheet or an archive"),
        (b"name,tenant,start,slots\na,M\xfcller,2026-12-01T00:00,4\n", "Line 2: found the byte fc"),
        (b"\xff\xfen\x00a\x00m\x00e\x00", "UTF-16"),
        (b"name,tenant\na\x00b,c\n", "Line 2: found a byte that no text has"),
    ] {
        let answer = world.client.upload("/planner/import", &fields, ("x.csv", file)).await?.expect(422)?;
        shows(&answer.body, expected)?;
        ensure!(answer.body.contains("id=\"file-error\""), "at its field");
    }
    let large = vec![b'x'; 21 << 20];
    let answer = world.client.upload("/planner/import", &fields, ("x.csv", &large)).await?.expect(413)?;
    // The part of the form around the file is not its size.
    shows(&answer.body, "The file is 21 MB; the limit is 20 MB. Split it or use the API.")?;
    let huge = vec![b'x'; 70 << 20];
    // The server need not read to the end what it will not take; a client that is still sending may see the line cut.
    if let Ok(answer) = world.client.upload("/planner/import", &fields, ("x.csv", &huge)).await {
        shows(&answer.expect(413)?.body, "The file is 71 MB; the limit is 20 MB.")?;
    }
    let nowhere = [("pool", "nowhere"), ("draft", "")];
    world.client.upload("/planner/import", &nowhere, ("x.csv", b"name\nx\n")).await?.expect(404)?;
    let other = [("pool", "lanes"), ("draft", "00000000-0000-0000-0000-000000000001")];
    world.client.upload("/planner/import", &other, ("x.csv", b"name\nx\n")).await?.expect(404)?;
    let pasted = [("pool", "lanes"), ("text", "name\ttenant\tstart\tslots\nnight\tacme\t2026-12-01 08:00\t4")];
    let to = world.client.upload("/planner/import", &pasted, ("", b"")).await?.expect(303)?;
    shows(&world.client.page(to.header("location")).await?.expect(200)?.body, "pasted rows")?;
    let html = world.client.page("/planner/import?pool=lanes").await?.expect(200)?.body;
    ensure!(html.matches("class=\"hr-import-held\"").count() == 1, "only what could be read is kept");
    world.database.remove().await
}

#[tokio::test]
async fn ten_megabytes_of_nonsense_are_answered_by_row_and_field_on_a_page_like_any_other() -> Result<()> {
    let world = World::create().await?;
    let noise: String =
        (0..10_000_000_u32).map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 20) as u8 % 90)).collect();
    // One line without an end, and rows of five hundred bytes with four of them named.
    let fields = [("pool", "lanes"), ("draft", "")];
    world.client.upload("/planner/import", &fields, ("noise.csv", noise.as_bytes())).await?.expect(422)?;
    let mut rows = "name,tenant,start,slots\n".to_owned();
    for chunk in noise.as_bytes().chunks(520).take(19_000) {
        let line = std::str::from_utf8(chunk)?.replace(['"', ','], "'");
        let (a, b) = line.split_at(200);
        writeln!(rows, "{a},{b},{},{}", &line[..40], &line[40..70])?;
    }
    ensure!(rows.len() > 10_000_000, "{} bytes", rows.len());
    let began = Instant::now();
    let (import, html) = world.checked(&rows).await?;
    let took = began.elapsed();
    eprintln!("{} bytes and 19,000 rows of nonsense: {took:?}, {} bytes of HTML", rows.len(), html.len());
    shows(&html, "19,000 rows · 0 ready · 19,000 with errors")?;
    for what in ["Wrong start (19,000 rows)", "Not a number: slots (19,000 rows)", "and 18,975 more"] {
        shows(&html, what)?;
    }
    ensure!(row_of(&html, 2).is_some_and(|row| row.contains("slots a whole number")), "by row and field");
    // What a form of so many fields sends is taken.
    let to = world.send(&import, &html, "again", &[]).await?.expect(303)?;
    assert_eq!(to.header("location"), format!("{import}?step=check"));
    let csv = world.client.get(&format!("{import}/errors.csv")).await?.expect(200)?;
    assert_eq!(csv.csv()?.len(), 19_001);
    world.database.remove().await
}

#[tokio::test]
async fn twenty_megabytes_and_twenty_thousand_rows_are_checked_while_others_are_served() -> Result<()> {
    let world = World::create().await?;
    let mut rows = "name,tenant,start,end,zone,slots,remark\n".to_owned();
    let remark = "lorem ipsum dolor sit amet ".repeat(36);
    for number in 0..20_000 {
        let remark = &remark[..950 + number % 10];
        writeln!(rows, "r-{number},acme,2026-12-01T00:00,2027-12-02T00:00,Europe/Berlin,4,{remark}")?;
    }
    ensure!((19 << 20..20 << 20).contains(&rows.len()), "{} bytes", rows.len());
    let import = world.upload(&rows).await?;
    let html = world.page(&import, "columns").await?;
    let began = Instant::now();
    let check = async {
        world.send(&import, &html, "columns", &[("column.6", "")]).await?.expect(303)?;
        world.page(&import, "check").await
    };
    let others = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let began = Instant::now();
            world.client.page("/help").await?.expect(200)?;
            slowest = slowest.max(began.elapsed());
        }
        anyhow::Ok(slowest)
    };
    let (html, slowest) = tokio::join!(check, others);
    let (html, slowest) = (html?, slowest?);
    eprintln!(
        "{} bytes and 20,000 rows: {:?}; other pages meanwhile: at most {slowest:?}",
        rows.len(),
        began.elapsed()
    );
    shows(&html, "20,000 rows · 20,000 ready · 0 with errors")?;
    shows(&html, "The rows make 20,000 changes; a draft takes 5,000: split the file.")?;
    let refused = world.send(&import, &html, "take", &[]).await?.expect(409)?;
    shows(&refused.body, "nothing was taken")?;
    assert_eq!(world.drafts().await?, 0);
    world.database.remove().await
}

#[tokio::test]
async fn what_somebody_uploads_is_theirs_alone_and_kept_for_a_day() -> Result<()> {
    let world = World::create().await?;
    let file = "name,tenant,start,slots\nnight,acme,2026-12-01T00:00,4\n";
    let (import, _) = world.checked(file).await?;
    let other = world.person(71, Role::Planner).await?;
    for path in [import.clone(), format!("{import}?step=preview"), format!("{import}/errors.csv")] {
        other.page(&path).await?.expect(404)?;
    }
    for what in ["again", "preview", "take", "drop", "columns", "forget"] {
        other.form(&import, &[("do", what)]).await?.expect(404)?;
    }
    ensure!(
        !other.page("/planner/import?pool=lanes").await?.expect(200)?.body.contains("plan.csv</strong>"),
        "not listed"
    );
    let viewer = world.person(72, Role::Viewer).await?;
    viewer.page(&import).await?.expect(403)?;
    viewer.page("/planner/import?pool=lanes").await?.expect(403)?;
    viewer.form(&import, &[("do", "take")]).await?.expect(403)?;
    viewer.upload("/planner/import", &[("pool", "lanes")], ("x.csv", file.as_bytes())).await?.expect(403)?;
    // A form of another site keeps nothing.
    let forged = world.client.clone().with_proof("ffffffffffffffffffffffffffffffff");
    forged.upload("/planner/import", &[("pool", "lanes")], ("x.csv", file.as_bytes())).await?.expect(403)?;

    // So many tables and no more are kept for one person.
    for _ in 1..8 {
        world.upload(file).await?;
    }
    let full =
        world.client.upload("/planner/import", &[("pool", "lanes")], ("x.csv", file.as_bytes())).await?.expect(422)?;
    shows(&full.body, "8 tables")?;
    shows(&full.body, "throw one of them away")?;
    other.upload("/planner/import", &[("pool", "lanes")], ("x.csv", file.as_bytes())).await?.expect(303)?;
    let listed = world.client.page("/planner/import?pool=lanes").await?.expect(200)?.body;
    assert_eq!(listed.matches("class=\"hr-import-held\"").count(), 8);
    let forms = listed.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let away = forms.filter(|to| to.starts_with("/planner/import/")).find(|to| *to != import);
    let away = away.context("a form that throws another one away")?.to_owned();
    world.client.form(&away, &[("do", "drop")]).await?.expect(303)?;
    world.client.page(&away).await?.expect(404)?;
    world.upload(file).await?;

    // A day later it is told that it is over.
    let mut conn = world.database.connect().await?;
    headroom_store::hold_test_clock(&mut conn, NOW + DAY_MS + 1).await?;
    let over = world.client.page(&import).await?.expect(410)?;
    shows(&over.body, "kept for a day, which is over")?;
    for what in ["take", "again", "preview"] {
        let answer = world.client.form(&import, &[("do", what)]).await?;
        ensure!(answer.status == 410 && answer.body.contains("upload it again"), "{what}: {}", answer.status);
    }
    ensure!(
        !world.client.page("/planner/import?pool=lanes").await?.body.contains("hr-import-held\""),
        "none is listed"
    );
    headroom_store::plan_import::expire(&mut conn, 0).await?;
    let bytes: i64 = sqlx::query_scalar("SELECT coalesce(sum(octet_length(content)), 0)::bigint FROM plan_import")
        .fetch_one(&mut conn)
        .await?;
    assert_eq!(bytes, 0, "nothing of them is kept");
    world.client.page(&import).await?.expect(410)?;
    headroom_store::plan_import::expire(&mut conn, NOW + 40 * DAY_MS).await?;
    world.client.page(&import).await?.expect(404)?;
    assert_eq!(world.drafts().await?, 0);
    world.database.remove().await
}

/// What is wrong with a page at both widths and in both schemes. The page is opened with scripts, which axe needs.
async fn look(browser: &Browser, address: &str, name: &str) -> Result<()> {
    browser.scripts(true).await?;
    for (scheme, width) in [(Scheme::Light, 1440), (Scheme::Dark, 1440), (Scheme::Light, 390), (Scheme::Dark, 390)] {
        browser.scheme(scheme).await?;
        browser.window(width, 900).await?;
        browser.open(address).await?;
        let faults = browser.axe().await?;
        ensure!(faults.is_empty(), "{name} at {width} in {}: {}", scheme.name(), faults[0]);
        let wider: i64 = browser.evaluate("return document.documentElement.scrollWidth - window.innerWidth").await?;
        ensure!(wider <= 0, "{name} at {width} is {wider} px wider than the window");
        browser.screenshot(&format!("{name}-{width}-{}", scheme.name())).await?;
    }
    browser.window(1440, 900).await?;
    browser.scripts(false).await?;
    browser.open(address).await
}

#[tokio::test]
async fn the_whole_way_is_gone_in_a_browser_without_scripts() -> Result<()> {
    let world = World::create().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("q4.csv");
    let file = "name,customer,start,end,zone,slots\n\
                day,acme,2026-12-01 08:00,2026-12-01 18:00,,4\n\
                night,acmee,2026-12-01 18:00,2026-12-02 08:00,,4OO\n\
                late,acmee,2026-12-01 18:00,2026-11-02 08:00,berlin,4\n\
                week,beta,soon,,,4\n";
    std::fs::write(&path, file)?;
    let browser = Browser::start().await?;
    browser.sign_in(world.service.url()).await?;
    let at = |path: &str| world.service.at(path);
    look(&browser, &at("/planner/import?pool=lanes"), "import-upload").await?;
    let client = browser.client();
    let find = async |css: &str| {
        let found = client.find(Locator::Css(css)).await;
        found.with_context(|| format!("{css} is on the page"))
    };
    let waits = async |step: &str| {
        let there = format!("location.search === '?step={step}' && document.readyState === 'complete'");
        browser.wait_for(&there, step).await?;
        anyhow::Ok(browser.client().current_url().await?.to_string())
    };
    find("#file").await?.send_keys(&path.to_string_lossy()).await?;
    find("form[enctype] button[type=submit]").await?.click().await?;
    let here = waits("columns").await?;
    look(&browser, &here, "import-columns").await?;
    find("button[value=columns]").await?.click().await?;
    let here = waits("check").await?;
    look(&browser, &here, "import-check").await?;
    // A cell is corrected by keys alone, which checks again and repairs what was suggested.
    let cell = find("input[name='cell.3.5']").await?;
    cell.clear().await?;
    cell.send_keys("400\n").await?;
    browser.wait_for("!document.querySelector(\"[name='cell.3.5']\")", "the cell to be right").await?;
    browser.wait_for("document.readyState === 'complete'", "the check").await?;
    shows(&client.source().await?, "4 rows · 2 ready · 2 with errors")?;
    find("input[name=skip][value='4']").await?.click().await?;
    find("button[value=again]").await?.click().await?;
    browser.wait_for("document.body.innerText.includes('1 skipped')", "the row to be skipped").await?;
    let here = waits("check").await?;
    look(&browser, &here, "import-repaired").await?;
    find("button[value=preview]").await?.click().await?;
    let here = waits("preview").await?;
    look(&browser, &here, "import-preview").await?;
    shows(&client.source().await?, "Create 2 Change 0 As they are 0 Skip 1 With errors 1")?;
    find("button[value=take]").await?.click().await?;
    browser.wait_for("location.pathname.startsWith('/planner/drafts/')", "the draft").await?;
    browser.wait_for("document.readyState === 'complete'", "the draft").await?;
    shows(&client.source().await?, "2 rows are in the draft")?;
    let import = here.split('?').next().context("an address")?.to_owned();
    look(&browser, &import, "import-taken").await?;
    shows(&client.source().await?, "2 rows stayed out and are kept as a file")?;
    browser.scripts(true).await?;
    look(&browser, &at("/planner/import?pool=lanes"), "import-kept").await?;
    browser.close().await?;
    world.database.remove().await
}
