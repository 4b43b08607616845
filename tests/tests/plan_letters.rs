//! Letters about plans: who gets them, what they say, and what they keep to themselves.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_domain::{DAY_MS, Millis};
use headroom_server::app::App;
use headroom_server::mail::{MailSettings, Mailer};
use headroom_server::outward::Outward;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::mailbox::{Mailbox, Received};
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::Duration;

/// 2026-11-25T09:00:00Z.
const NOW: Millis = 1_795_597_200_000;
const FROM: &str = "Headroom <headroom@test.example>";
const PUBLIC: &str = "https://headroom.test";

struct World {
    database: Database,
    conn: PgConnection,
    mailbox: Mailbox,
    client: Client,
    // Last: the others are used until it stops.
    _service: Service,
}

impl World {
    /// A pool, two tenants; Ana sees acme, Ben both, Pia plans.
    async fn new() -> Result<Self> {
        let (database, mailbox) = (Database::create().await?, Mailbox::start().await?);
        let mut conn = database.connect().await?;
        people::prepare(&mut conn).await?;
        headroom_store::hold_test_clock(&mut conn, NOW).await?;
        let url = mailbox.url();
        let mut arguments = vec!["serve", "--test-clock", "--database-url", database.url(), "--smtp-url", &url];
        arguments.extend(["--mail-from", FROM, "--public-url", PUBLIC]);
        let service = Service::start(&arguments)?;
        let client = Client::new(service.url())?;
        let pool = json!({ "name": "Lanes", "slug": "lanes", "capacity": 500, "zone": "Europe/Berlin" });
        client.post("/api/v1/pools", &pool).await?.expect(201)?;
        for tenant in ["acme", "beta"] {
            client.post("/api/v1/tenants", &json!({ "name": tenant, "slug": tenant })).await?.expect(201)?;
        }
        people::add(&mut conn, "ana@test.example", "Ana", &[Role::TenantViewer], &["acme"]).await?;
        people::add(&mut conn, "ben@test.example", "Ben", &[Role::TenantViewer], &["acme", "beta"]).await?;
        people::add(&mut conn, "pia@test.example", "Pia", &[Role::Planner], &[]).await?;
        Ok(Self { database, conn, mailbox, client, _service: service })
    }

    async fn make(&self, name: &str, slots: i64) -> Result<Value> {
        let terms = json!({ "name": name, "tenant": "acme", "slots": slots, "zone": "Europe/Berlin",
            "start": "2026-11-26T09:00", "end": "2027-01-05T09:00" });
        let body = json!({ "terms": terms, "reason": "as agreed" });
        self.client.post_once("/api/v1/pools/lanes/reservations", name, &body).await?.expect(201)?.json()
    }

    /// Runs the planner's job once, as a server would that sends mail.
    async fn run_job(&self) -> Result<()> {
        let db = headroom_server::db::Db::connect(&self.database.url().parse()?);
        let mail = Mailer::new(&MailSettings { smtp_url: self.mailbox.url(), from: FROM.parse()? })?;
        let outward = Outward { public_url: Some(PUBLIC.parse()?), mail: Some(mail), ..Outward::default() };
        let app = App::new(db.clone()).reaching(outward);
        headroom_server::jobs::plans::run(&app).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        db.close().await;
        Ok(())
    }

    /// The letters after the first `seen`, by address, when there are as many as expected and no more come.
    async fn letters(&self, seen: usize, expected: usize) -> Result<Vec<Received>> {
        if expected > 0 {
            self.mailbox.letter(seen + expected - 1).await?;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut letters = self.mailbox.letters().split_off(seen);
        ensure!(letters.len() == expected, "{} letters came, expected {expected}: {letters:#?}", letters.len());
        letters.sort_by(|a, b| a.to.cmp(&b.to));
        Ok(letters)
    }
}

fn says(letter: &Received, parts: &[&str]) {
    // Long lines may be folded on their way.
    let text = letter.text.replace("=\r\n", "").replace("=E2=80=9C", "“").replace("=E2=80=9D", "”");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn people_are_told_of_what_changes_for_their_tenants_and_of_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let made = world.make("web", 100).await?;
    let first = world.letters(0, 2).await?;
    assert_eq!([first[0].to.as_str(), first[1].to.as_str()], ["ana@test.example", "ben@test.example"]);
    let new = "new: web of acme, 100 slots from 2026-11-26T09:00 to 2027-01-05T09:00, Europe/Berlin";
    says(&first[0], &["Subject: Changed: reservation web in Lanes", "Hello Ana", new]);
    assert!(!first[0].text.contains("as agreed"), "reasons may name other tenants: {}", first[0].text);
    says(&first[0], &["https://headroom.test/tenants/acme", "can be switched off"]);

    // It goes to another tenant: who does not see that one is told that it is taken back, and not who has it.
    let draft =
        world.client.post("/api/v1/pools/lanes/drafts", &json!({ "name": "Swap" })).await?.expect(201)?.json()?;
    let path = format!("/api/v1/drafts/{}", draft["id"].as_str().context("an id")?);
    let mut terms = made["terms"].clone();
    terms["tenant"] = json!("beta");
    terms["slots"] = json!(120);
    let headers = [("content-type", "application/json"), ("if-match", "\"v1\"")];
    let body = json!({ "edits": [{ "reservation": made["id"], "terms": terms }] }).to_string().into_bytes();
    world.client.send(Method::POST, &format!("{path}/edits"), &headers, Some(body)).await?.expect(200)?;
    let review = world.client.page(&path.replace("/api/v1/", "/planner/")).await?.expect(200)?;
    assert!(review.body.contains("Ana (acme), Ben (acme, beta), by mail"), "{}", review.body);
    let seen = world.client.post(&format!("{path}/preview"), &json!({ "weeks": 0 })).await?.expect(200)?.json()?;
    let body = json!({ "token": seen["token"], "reason": "swap", "accept_warnings": true });
    world.client.post(&format!("{path}/publish"), &body).await?.expect(200)?;
    let second = world.letters(2, 2).await?;
    says(&second[0], &["Hello Ana", "taken back: web of acme, 100 slots"]);
    assert!(!second[0].text.contains("beta") && !second[0].text.contains("120"), "{}", second[0].text);
    says(&second[1], &["Hello Ben", "tenant: was acme, becomes beta", "slots: was 100, becomes 120"]);

    // Nothing is sent twice.
    world.letters(4, 0).await?;
    Ok(())
}

#[tokio::test]
async fn what_ends_soon_is_told_to_those_who_plan_and_to_its_people_unless_they_want_no_letters() -> Result<()> {
    let mut world = World::new().await?;
    world.make("web", 100).await?;
    world.make("api", 40).await?;
    world.letters(0, 4).await?;
    world.run_job().await?;
    world.letters(4, 0).await?;
    // The administrator plans too, and wants no letters.
    let page = world.client.page("/me").await?.expect(200)?;
    assert!(page.body.contains("Letters about plans"), "{}", page.body);
    world.client.form("/me", &[("letters", "off")]).await?.expect(303)?;
    // 29 days before the end: both in one letter, once.
    headroom_store::hold_test_clock(&mut world.conn, NOW + 12 * DAY_MS).await?;
    world.run_job().await?;
    world.run_job().await?;
    let letters = world.letters(4, 3).await?;
    let to: Vec<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, ["ana@test.example", "ben@test.example", "pia@test.example"]);
    says(
        &letters[2],
        &["Subject: 2 reservations end soon", "web of acme in Lanes: 100 slots, ends on 2027-01-05 09:00"],
    );
    says(&letters[2], &["api of acme in Lanes: 40 slots", "within 30 days", "https://headroom.test/planner"]);
    Ok(())
}

#[tokio::test]
async fn a_draft_that_waits_is_told_to_others_and_its_decision_to_its_owner() -> Result<()> {
    let mut world = World::new().await?;
    let policy = json!({ "version": 1, "overcommit": "reject", "approve_from_slots": 1 });
    world.client.put("/api/v1/pools/lanes/plan/policy", &policy).await?.expect(200)?;
    let draft =
        world.client.post("/api/v1/pools/lanes/drafts", &json!({ "name": "Peak" })).await?.expect(201)?.json()?;
    let id = draft["id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/drafts/{id}");
    // It is Pia's.
    sqlx::query("UPDATE draft SET owner = 'Pia', owner_id = (SELECT id FROM account WHERE name = 'Pia') WHERE draft_id = $1::uuid")
        .bind(&id)
        .execute(&mut world.conn)
        .await?;
    // It is given a better name first; a bad one is refused.
    let named = |name: &str| json!({ "name": name });
    world.client.json(Method::PATCH, &path, &named("")).await?.expect(422)?;
    let renamed = world.client.json(Method::PATCH, &path, &named("Q4 peak")).await?.expect(200)?.json()?;
    assert_eq!((&renamed["name"], &renamed["version"]), (&json!("Q4 peak"), &draft["version"]));
    let terms = json!({ "name": "web", "tenant": "acme", "slots": 200, "zone": "Europe/Berlin",
        "start": "2026-11-26T09:00", "end": "2027-01-05T09:00" });
    let headers = [("content-type", "application/json"), ("if-match", "\"v1\"")];
    let body = json!({ "edits": [{ "terms": terms }] }).to_string().into_bytes();
    world.client.send(Method::POST, &format!("{path}/edits"), &headers, Some(body)).await?.expect(200)?;
    world.client.post(&format!("{path}/propose"), &json!({ "reason": "for Q4" })).await?.expect(200)?;
    // The token that asks is nobody's account, so the administrator is asked; the owner is not.
    let asked = world.letters(0, 1).await?;
    assert_eq!(asked[0].to, people::EMAIL);
    says(
        &asked[0],
        &["Approval asked: Q4 peak in Lanes", "1 change", "Reason: for Q4", &format!("/planner/drafts/{id}")],
    );
    world.client.post(&format!("{path}/approve"), &json!({ "reason": "fine" })).await?.expect(200)?;
    let decided = world.letters(1, 1).await?;
    assert_eq!(decided[0].to, "pia@test.example");
    says(&decided[0], &["Draft approved: Q4 peak in Lanes", "Reason: fine"]);
    // What is proposed once more, later, is told once more.
    headroom_store::hold_test_clock(&mut world.conn, NOW + 60_000).await?;
    world.client.post(&format!("{path}/propose"), &json!({ "reason": "once more" })).await?.expect(200)?;
    says(&world.letters(2, 1).await?[0], &["Approval asked: Q4 peak in Lanes", "Reason: once more"]);
    Ok(())
}
