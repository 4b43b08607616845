//! Runbooks: the shipped ones are whole and lead somewhere, versions are kept, tests age, and nothing in a text runs.

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::rule::Rule;
use headroom_frontend::routes::ROUTES;
use headroom_server::alerting::runbooks::SHIPPED;
use headroom_server::http::routes;
use headroom_server::markdown::{self, Fill};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::forms::{fields, with};
use headroom_tests::service::Service;
use serde_json::json;

/// Sections of every shipped runbook, in order.
const SECTIONS: [&str; 5] = ["Is it real?", "Do this first", "If that does not help", "Afterwards", "Why it fires"];

struct World {
    database: Database,
    service: Service,
    admin: Client,
}

impl World {
    async fn new() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
        let admin = Client::new(service.url())?;
        Ok(Self { database, service, admin })
    }
}

#[test]
fn every_shipped_runbook_is_whole() {
    ensure_some();
    for (slug, body) in SHIPPED {
        let outline = markdown::outline(body, &Fill::default());
        assert!(body.starts_with("# ") && !outline.title.is_empty(), "{slug} has a title");
        assert!(outline.title.chars().count() <= 120, "{slug}: {}", outline.title);
        let headings: Vec<&str> = outline.sections.iter().map(|section| section.heading.as_str()).collect();
        assert_eq!(headings, SECTIONS, "{slug}");
        let numbers: Vec<u64> =
            outline.sections.iter().flat_map(|section| section.steps.iter().map(|step| step.number)).collect();
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "{slug}: steps are numbered through");
        assert!(!outline.sections[1].steps.is_empty(), "{slug} says what to do first");
        assert!(body.chars().count() <= 40_000, "{slug} fits");
        // A placeholder that nobody fills in would be read as it is.
        let known = ["{pool}", "{tenant}", "{alert}"];
        let left = known.iter().fold((*body).to_owned(), |text, mark| text.replace(mark, ""));
        assert!(!left.contains('{') && !left.contains('}'), "{slug} has a placeholder that means nothing");
    }
}

fn ensure_some() {
    assert!(SHIPPED.len() >= 20, "only {} runbooks are shipped", SHIPPED.len());
}

#[test]
fn every_shipped_rule_has_its_runbook() {
    for rule in Rule::built_in() {
        assert!(SHIPPED.iter().any(|(slug, _)| *slug == rule.slug), "{} has no runbook", rule.slug);
    }
}

/// Whether a path is one of a pattern.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(part, found)| part == found || part.starts_with('{') && !found.is_empty())
}

#[test]
fn every_link_of_a_shipped_runbook_leads_to_a_page() {
    let mut faults = Vec::new();
    let api = routes();
    for (slug, body) in SHIPPED {
        for link in markdown::outline(body, &Fill::default()).links {
            let path = link.split(['?', '#']).next().unwrap_or_default();
            let is_page = ROUTES.iter().any(|route| fits(route.pattern, path));
            let is_answer = api.iter().any(|route| route.method == "GET" && fits(route.path, path));
            let is_there = match path.strip_prefix("/runbooks/") {
                Some(other) => SHIPPED.iter().any(|(slug, _)| *slug == other),
                None => is_page || is_answer,
            };
            if path.starts_with('/') && !is_there {
                faults.push(format!("{slug}: {link} leads nowhere"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(fits("/pools/{pool}/act/{action}", "/pools/{pool}/act/resize") && !fits("/pools/{pool}", "/pools"));
}

#[tokio::test]
async fn versions_are_kept_and_the_second_of_two_writers_learns_of_the_first() -> Result<()> {
    let world = World::new().await?;
    let path = "/api/v1/runbooks/pool-exhausted";
    let first = world.admin.get(path).await?.expect(200)?.json()?;
    assert_eq!(
        (&first["version"], &first["read"]["author"], &first["state"]),
        (&json!(1), &json!("Headroom"), &json!("never"))
    );
    ensure!(first["rules"].as_array().is_some_and(|rules| rules.contains(&json!("pool-exhausted"))), "{first}");
    ensure!(first["steps"].as_array().is_some_and(|steps| steps.len() >= 3 && steps[0]["number"] == 1), "{first}");

    let unversioned = world.admin.put(path, &json!({ "body": "# A\n" })).await?;
    unversioned.problem(428)?;
    let body = json!({ "version": 1, "body": "# Full\r\n\r\nMine, [here](/pools/{pool}).\r\n", "note": "shorter" });
    let second = world.admin.put(path, &body).await?.expect(200)?.json()?;
    assert_eq!(
        (&second["version"], &second["title"], &second["body"]),
        (&json!(2), &json!("Full"), &json!("# Full\n\nMine, [here](/pools/{pool}).\n"))
    );
    let late = world.admin.put(path, &json!({ "version": 1, "body": "# Late\n" })).await?.problem(409)?;
    assert_eq!((&late["version"], &late["type"]), (&json!(2), &json!("about:blank#stale")), "{late}");
    let old = world.admin.get(&format!("{path}?version=1")).await?.expect(200)?.json()?;
    assert_eq!(old["body"], first["body"], "the shipped one is still there");
    world.admin.get(&format!("{path}?version=3")).await?.problem(404)?;

    let filled = world.admin.get(&format!("{path}?pool=a%20b%2Fc")).await?.expect(200)?.json()?;
    assert_eq!(filled["html"], "<p>Mine, <a href=\"/pools/a%20b%2Fc\">here</a>.</p>\n");
    for (wrong, field) in [
        (json!({ "version": 2, "body": "no title" }), "body"),
        (json!({ "version": 2, "body": "" }), "body"),
        (json!({ "version": 2, "body": format!("# A\n{}", "x".repeat(40_000)) }), "body"),
        (json!({ "version": 2, "body": "# A\n", "note": "x".repeat(501) }), "note"),
    ] {
        let problem = world.admin.put(path, &wrong).await?.problem(422)?;
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }

    let made = world.admin.put("/api/v1/runbooks/my-own", &json!({ "version": 0, "body": "# My own\n" })).await?;
    assert_eq!(made.expect(200)?.json()?["version"], 1);
    world.admin.put("/api/v1/runbooks/my-own", &json!({ "version": 0, "body": "# Again\n" })).await?.problem(409)?;
    world.admin.put("/api/v1/runbooks/Not A Slug", &json!({ "version": 0, "body": "# A\n" })).await?.problem(422)?;
    world.admin.put("/api/v1/runbooks/nothing", &json!({ "version": 1, "body": "# A\n" })).await?.problem(404)?;

    // A restart writes nothing over what people wrote.
    let again = Service::start(&["serve", "--no-jobs", "--database-url", world.database.url()])?;
    assert_eq!(Client::new(again.url())?.get(path).await?.expect(200)?.json()?["version"], 2);
    Ok(())
}

#[tokio::test]
async fn a_test_is_of_the_version_that_was_read_and_a_change_undoes_it() -> Result<()> {
    let world = World::new().await?;
    let path = "/api/v1/runbooks/hot-slot";
    let tested = world.admin.post(&format!("{path}/tested"), &json!({ "version": 1 })).await?.expect(200)?.json()?;
    assert_eq!(tested["state"], "tested", "{tested}");
    ensure!(tested["tested_by"].as_str().is_some_and(|by| !by.is_empty()), "{tested}");
    let changed = world.admin.put(path, &json!({ "version": 1, "body": "# Hot\n" })).await?.expect(200)?.json()?;
    assert_eq!(changed["state"], "changed");
    world.admin.post(&format!("{path}/tested"), &json!({ "version": 1 })).await?.problem(409)?;
    world.admin.post(&format!("{path}/tested"), &json!({})).await?.problem(428)?;
    let audit = world.admin.get("/api/v1/audit?object=runbook").await?.expect(200)?.body;
    ensure!(audit.contains("\"test\"") && audit.contains("\"update\""), "{audit}");
    Ok(())
}

#[tokio::test]
async fn runbooks_are_pages_with_forms_that_keep_what_was_typed() -> Result<()> {
    let world = World::new().await?;
    let list = world.admin.page("/runbooks").await?.expect(200)?.body;
    ensure!(list.contains("href=\"/runbooks/pool-exhausted\"") && list.contains("Never tested"), "the list");
    let page = world.admin.page("/runbooks/pool-exhausted?pool=one&alert=7").await?.expect(200)?.body;
    ensure!(page.contains("href=\"/pools/one?tab=map\"") && page.contains("href=\"/alerts/7\""), "links are filled in");
    ensure!(page.matches("<h1").count() == 1, "one first heading");
    let bare = world.admin.page("/runbooks/pool-exhausted").await?.expect(200)?.body;
    ensure!(!bare.contains("/pools/%7Bpool") && bare.contains("are left out"), "links without their pool are no links");
    world.admin.page("/runbooks/nothing").await?.expect(404)?;

    let edit = world.admin.page("/runbooks/pool-exhausted/edit").await?.expect(200)?.body;
    let typed = fields(&edit, "/runbooks/pool-exhausted/edit")?;
    ensure!(typed.iter().any(|(name, value)| name == "body" && value.starts_with("# ")), "the form holds the text");
    let hostile = "# Mine <i>\n\n<script>alert(1)</script> [x](javascript:alert(1))\n";
    let look = with(&typed, &[("body", hostile), ("do", "look")]);
    let seen = world.admin.form("/runbooks/pool-exhausted/edit", &look).await?.expect(200)?.body;
    ensure!(
        seen.contains("&lt;script&gt;") && !seen.contains("<script>alert") && !seen.contains("href=\"javascript"),
        "{seen}"
    );
    let refused = with(&typed, &[("body", "no title </textarea>"), ("do", "save")]);
    let refused = world.admin.form("/runbooks/pool-exhausted/edit", &refused).await?.expect(422)?.body;
    ensure!(refused.contains("no title &lt;/textarea&gt;") && refused.contains("This was not saved"), "{refused}");
    let saved = with(&typed, &[("body", hostile), ("note", "mine"), ("do", "save")]);
    let saved = world.admin.form("/runbooks/pool-exhausted/edit", &saved).await?.expect(303)?;
    assert_eq!(saved.header("location"), "/runbooks/pool-exhausted");
    let stale = with(&typed, &[("body", "# Late\n"), ("do", "save")]);
    let stale = world.admin.form("/runbooks/pool-exhausted/edit", &stale).await?.expect(409)?.body;
    ensure!(stale.contains("version 2") && stale.contains("# Late"), "{stale}");
    let tested = world.admin.form("/runbooks/pool-exhausted/tested", &[("version", "2")]).await?.expect(303)?;
    assert_eq!(tested.header("location"), "/runbooks/pool-exhausted");
    let shown = world.admin.page("/runbooks/pool-exhausted").await?.expect(200)?.body;
    ensure!(shown.contains("Mine"), "its title");
    ensure!(!shown.contains("<script>alert"), "nothing runs");
    let new = world.admin.page("/runbooks/new").await?.expect(200)?.body;
    let typed = fields(&new, "/runbooks/new")?;
    let made = with(&typed, &[("slug", "our-way"), ("do", "save")]);
    let made = world.admin.form("/runbooks/new", &made).await?.expect(303)?;
    assert_eq!(made.header("location"), "/runbooks/our-way");
    ensure!(!world.service.log().contains("panicked"), "{}", world.service.log());
    let nobody = Client::nobody(world.service.url())?;
    nobody.page("/runbooks").await?.expect(303)?;
    let link =
        shown.split("href=\"/runbooks/pool-exhausted?version=1\"").nth(1).context("older versions are linked")?;
    ensure!(link.contains("Version 1"), "{link}");
    Ok(())
}
