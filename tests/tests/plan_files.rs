//! Plans as files: tables with faults, tables that come back as they went, declared plans, calendars.

use anyhow::{Context, Result, ensure};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::plan_table::{self, Seeded};
use headroom_tests::service::{Service, run};
use http::Method;
use serde_json::{Value, json};

/// 2026-11-25T09:00:00Z.
const NOW: i64 = 1_795_597_200_000;

struct World {
    database: Database,
    _service: Service,
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
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 100_000 });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        Ok(Self { database, _service: service, client })
    }

    async fn import(&self, query: &str, table: &str) -> Result<Value> {
        let headers = [("content-type", "text/csv")];
        let path = format!("/api/v1/pools/lanes/plan/import{query}");
        self.client.send(Method::POST, &path, &headers, Some(table.as_bytes().to_vec())).await?.expect(200)?.json()
    }

    async fn draft(&self) -> Result<String> {
        let made =
            self.client.post("/api/v1/pools/lanes/drafts", &json!({ "name": "Import" })).await?.expect(201)?.json()?;
        Ok(made["id"].as_str().context("an id")?.to_owned())
    }

    async fn publish(&self, draft: &str) -> Result<()> {
        let seen =
            self.client.post(&format!("/api/v1/drafts/{draft}/preview"), &json!({})).await?.expect(200)?.json()?;
        let body = json!({ "token": seen["token"], "reason": "as imported", "accept_warnings": true });
        self.client.post(&format!("/api/v1/drafts/{draft}/publish"), &body).await?.expect(200)?;
        Ok(())
    }

    async fn csv(&self) -> Result<String> {
        Ok(self.client.get("/api/v1/pools/lanes/plan.csv").await?.expect(200)?.body)
    }
}

#[tokio::test]
async fn a_table_with_faults_is_told_by_row_and_column_and_the_rest_goes_into_a_draft() -> Result<()> {
    let world = World::create().await?;
    let (table, seeded) = plan_table::with_faults();
    let seeded: Vec<(usize, &str)> = seeded.iter().map(|Seeded { row, column, .. }| (*row, *column)).collect();
    assert_eq!(seeded.len(), 17);
    let checked = world.import("", &table).await?;
    let told: Vec<(usize, &str)> = checked["faults"]
        .as_array()
        .context("faults")?
        .iter()
        .map(|fault| (fault["row"].as_u64().unwrap_or(0) as usize, fault["column"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(told, seeded);
    assert_eq!(
        (&checked["ready"], &checked["rejected"], &checked["creates"]),
        (&json!(1187), &json!(17), &json!(1187))
    );
    let not_a_number =
        &checked["faults"].as_array().context("faults")?.iter().find(|f| f["row"] == 312).context("row 312")?;
    assert_eq!((&not_a_number["found"], &not_a_number["column"]), (&json!("4OO"), &json!("slots")));

    let draft = world.draft().await?;
    let path = format!("/api/v1/pools/lanes/plan/import?draft={draft}");
    let all = world
        .client
        .send(Method::POST, &path, &[("content-type", "text/csv")], Some(table.clone().into_bytes()))
        .await?;
    assert_eq!(all.problem(422)?["errors"].as_array().map(Vec::len), Some(17), "all or nothing");
    let part = world.import(&format!("?draft={draft}&partial=true"), &table).await?;
    assert_eq!(part["draft_version"], 2);
    // What was rejected is a file to mend: mended, it is taken.
    let rejected = part["rejected_csv"].as_str().context("a file")?;
    assert_eq!(rejected.lines().count(), 18);
    let mended = plan_table::mended(rejected);
    let again = world.import(&format!("?draft={draft}"), &mended).await?;
    assert_eq!((&again["ready"], &again["rejected"]), (&json!(17), &json!(0)), "{}", again["faults"]);
    world.publish(&draft).await?;
    let plan = world.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?;
    assert_eq!(plan["reservations"].as_array().map(Vec::len), Some(1204));
    world.database.remove().await
}

#[tokio::test]
async fn what_is_exported_changes_nothing_when_it_is_imported() -> Result<()> {
    let world = World::create().await?;
    let table = "name;tenant;from;until;size;zone;repeat;except;lead_minutes;note\n\
        a;acme;2026-12-01T08:00;2026-12-01T18:00;5;Europe/Berlin;FREQ=WEEKLY;2026-12-22 2026-12-29;30;\"=SUM(A1), \"\"quoted\"\"\"\n\
        b;beta;2027-10-31T02:30+02:00;;7;Europe/Berlin;;;;-\n\
        c;beta;2026-12-01 08:00;2026-12-01 09:00;1;;;;;\n";
    let draft = world.draft().await?;
    world.import(&format!("?draft={draft}"), table).await?;
    world.publish(&draft).await?;
    let exported = world.csv().await?;
    let same = world.import("", &exported).await?;
    assert_eq!((&same["same"], &same["creates"], &same["changes"]), (&json!(3), &json!(0), &json!(0)), "{same}");
    ensure!(exported.contains("'=SUM(A1)"), "no spreadsheet takes it for a formula: {exported}");
    let changed = world.import("", &exported.replace(",5,", ",6,")).await?;
    assert_eq!((&changed["same"], &changed["changes"]), (&json!(2), &json!(1)));

    // Ten megabytes of nonsense are answered too, and leave nothing.
    let noise: String =
        (0..10_000_000_u32).map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 20) as u8 % 90)).collect();
    let answer = world.import("", &noise).await?;
    assert_eq!(answer["ready"], 0);
    ensure!(answer["faults"].as_array().is_some_and(|all| !all.is_empty() && all.len() <= 1_001));
    assert_eq!(world.csv().await?, exported);
    world.database.remove().await
}

#[tokio::test]
async fn a_declared_plan_is_compared_and_applied_as_a_whole() -> Result<()> {
    let world = World::create().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lanes.toml");
    let path = file.to_string_lossy().into_owned();
    let place = ["--database-url", world.database.url()];
    let plan = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = run(&[&["plan"], arguments, &place].concat())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Ok((output.status.code(), text))
    };
    let reservation = |name: &str, slots: i64| {
        format!(
            "\n[[reservation]]\nname = \"{name}\"\ntenant = \"acme\"\nstart = \"2026-12-01T00:00\"\nzone = \"UTC\"\nslots = {slots}\n"
        )
    };
    std::fs::write(&file, format!("pool = \"lanes\"\n{}{}", reservation("a", 5), reservation("b", 6)))?;
    let (code, told) = plan(&["diff", &path, "--exit-code"])?;
    ensure!(code == Some(1) && told.contains("+ a: 5 slots for acme"), "{told}");
    let (code, told) = plan(&["apply", &path, "--reason", "reviewed"])?;
    ensure!(code == Some(0) && told.contains("version 1"), "{told}");
    let (code, told) = plan(&["diff", &path, "--exit-code"])?;
    ensure!(code == Some(0) && told.contains("as the file says"), "{told}");
    let (_, exported) = plan(&["export", "lanes"])?;
    ensure!(exported.contains("name = \"b\""), "{exported}");

    std::fs::write(&file, format!("pool = \"lanes\"\n{}{}", reservation("a", 9), reservation("c", 200_000)))?;
    let (code, told) = plan(&["apply", &path, "--reason", "reviewed"])?;
    ensure!(code == Some(1) && told.contains("conflict: ") && told.contains("nothing was published"), "{told}");
    ensure!(told.contains("slots: 5 -> 9") && told.contains("- b:"), "{told}");
    let now = world.client.get("/api/v1/pools/lanes/plan").await?.expect(200)?.json()?;
    assert_eq!(now["version"], 1, "nothing is half published");
    for (text, expected) in [
        ("pool = \"nowhere\"\n".to_owned(), "no pool called"),
        (format!("pool = \"lanes\"\n{}", reservation("a", 0)), "slots"),
        ("pool = ".to_owned(), "line 1"),
    ] {
        std::fs::write(&file, text)?;
        let (code, told) = plan(&["diff", &path])?;
        ensure!(code == Some(1) && told.contains(expected), "{told}");
    }
    let (code, told) = plan(&["apply", "/nowhere.toml", "--reason", "x"])?;
    ensure!(code == Some(1) && told.contains("cannot read /nowhere.toml"), "{told}");

    let calendar = world.client.get("/api/v1/pools/lanes/plan.ics").await?.expect(200)?;
    ensure!(calendar.header("content-type").starts_with("text/calendar"));
    ensure!(
        calendar.body.matches("BEGIN:VEVENT").count() == 2 && calendar.body.contains("SUMMARY:5 slots for acme (a)"),
        "{}",
        calendar.body
    );
    world.database.remove().await
}
