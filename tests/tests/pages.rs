//! The pages as a browser without scripts meets them: complete documents, forms that keep what was typed, tables that
//! leave as CSV, and addresses that nobody would type on purpose.

use anyhow::{Context, Result, ensure};
use headroom_frontend::routes::{Methods, PageRoute, Policy, ROUTES, sample_paths};
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};

/// A service on a database of its own.
struct World {
    database: Database,
    service: Service,
    client: Client,
}

impl World {
    async fn empty() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        Ok(Self { database, service, client })
    }

    /// A few days of the demo world.
    async fn demo() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["demo", "--quiet", "--days", "3", "--database-url", database.url()])?;
        let client = Client::new(service.url())?;
        Ok(Self { database, service, client })
    }

    /// A page as its route is meant to be seen: signed in, but for those on which one signs in.
    async fn open(&self, route: &PageRoute, path: &str) -> Result<Answer> {
        if route.policy == Policy::Open {
            return Client::nobody(self.service.url())?.page(path).await;
        }
        self.client.page(path).await
    }

    async fn make(&self, noun: &str, body: Value) -> Result<Value> {
        self.client.json(Method::POST, &format!("/api/v1/{noun}"), &body).await?.expect(201)?.json()
    }
}

/// The texts between two marks, in order.
fn between<'a>(html: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    html.split(open).skip(1).filter_map(|rest| rest.split_once(close).map(|(text, _)| text)).collect()
}

/// What a reader sees of a piece of HTML.
fn text(html: &str) -> String {
    let mut seen = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        seen.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    seen.push_str(rest);
    // A number and its unit do not part at a line's end.
    unescape(&seen).replace('\u{202f}', " ")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&")
}

/// What stands in a form's field.
fn typed(html: &str, name: &str) -> Option<String> {
    let marker = format!("name=\"{name}\"");
    let (before, after) = html.split_once(&marker)?;
    let tag = &before[before.rfind('<')?..];
    let rest_of_tag = after.split_once('>')?.0;
    if tag.starts_with("<textarea") {
        return Some(unescape(after.split_once('>')?.1.split_once("</textarea>")?.0));
    }
    if tag.starts_with("<select") {
        let options = after.split_once("</select>")?.0;
        let chosen =
            options.split("<option").find(|option| option.split('>').next().is_some_and(|o| o.contains("selected")))?;
        return Some(unescape(between(chosen, "value=\"", "\"").first()?));
    }
    Some(unescape(between(rest_of_tag, "value=\"", "\"").first().copied().unwrap_or_default()))
}

/// The sentences that a page shows above its content.
fn notices(html: &str) -> Vec<String> {
    between(html, "class=\"hr-notice__text\">", "</div>").into_iter().map(text).collect()
}

/// Fails unless an answer is a whole page: one title that ends with the product's name, one heading, a way on.
fn whole_page(answer: &Answer) -> Result<()> {
    let html = &answer.body;
    let asked = &answer.asked;
    ensure!(answer.header("content-type") == "text/html; charset=utf-8", "{asked}: {}", answer.header("content-type"));
    ensure!(
        html.starts_with("<!DOCTYPE html><html lang=\"en\""),
        "{asked} begins with {:?}",
        &html[..html.len().min(60)]
    );
    ensure!(html.ends_with("</body></html>"), "{asked} is cut");
    let titles = between(html, "<title>", "</title>");
    ensure!(titles.len() == 1 && titles[0].ends_with(" · Headroom"), "{asked}: titles {titles:?}");
    let headings = between(html, "<h1", "</h1>");
    ensure!(headings.len() == 1, "{asked}: {} first headings", headings.len());
    ensure!(html.contains("<main id=\"content\""), "{asked} has no content");
    let ways = ["href=\"/overview", "href=\"/login", "action=\"/login\"", "action=\"/reset\""];
    ensure!(ways.iter().any(|way| html.contains(way)), "{asked} offers no way on");
    Ok(())
}

#[tokio::test]
async fn every_route_is_a_whole_page() -> Result<()> {
    let world = World::demo().await?;
    let mut opened = 0;
    for route in ROUTES {
        for path in sample_paths(route, "ingress-eu", "acme-search") {
            let answer = world.open(route, &path).await?;
            if route.pattern == "/" {
                assert_eq!((answer.status, answer.header("location")), (303, "/overview"));
                continue;
            }
            whole_page(&answer.expect(200)?)?;
            opened += 1;
        }
        let example = route.pattern.replace("{pool}", "ingress-eu").replace("{tenant}", "acme-search");
        if route.methods == Methods::Post {
            let answer = world.client.page(&example).await?.expect(405)?;
            whole_page(&answer)?;
        }
        if route.methods == Methods::Get {
            whole_page(&world.client.form(&example, &[]).await?.expect(405)?)?;
        }
    }
    assert!(opened >= 20, "only {opened} pages were opened");
    let index = world.client.get("/search/index.json").await?.expect(200)?.json()?;
    assert!(index["pools"].as_array().is_some_and(|p| p.contains(&json!(["ingress-eu", "Ingress Europe"]))), "{index}");
    let home = world.client.page("/?from=now-7d&pool=ingress-eu").await?;
    assert_eq!(home.header("location"), "/overview?from=now-7d&pool=ingress-eu", "filters travel with the redirect");
    assert!(!world.service.log().contains("panicked"), "{}", world.service.log());
    Ok(())
}

#[tokio::test]
async fn a_world_without_anything_says_what_to_do() -> Result<()> {
    let world = World::empty().await?;
    for route in ROUTES {
        for path in route.samples.iter().filter(|path| !path.contains('{') && **path != "/") {
            whole_page(&world.open(route, path).await?.expect(200)?)?;
        }
    }
    assert!(world.client.page("/overview").await?.body.contains("href=\"/help#import\""));
    assert!(world.client.page("/help").await?.body.contains("id=\"import\""), "the link leads to something");
    assert!(world.client.page("/pools").await?.body.contains("href=\"/pools/new\""));
    assert!(world.client.page("/tenants").await?.body.contains("href=\"/tenants/new\""));
    Ok(())
}

#[tokio::test]
async fn an_address_that_leads_nowhere_offers_a_way_on() -> Result<()> {
    let world = World::demo().await?;
    let missed = world.client.page("/pools/ingress-ue").await?.expect(404)?;
    whole_page(&missed)?;
    assert!(missed.body.contains("href=\"/pools/ingress-eu\""), "the nearest pool is offered");
    let missed = world.client.page("/tenants/acme-serch").await?.expect(404)?;
    assert!(missed.body.contains("href=\"/tenants/acme-search\""), "the nearest tenant is offered");
    for path in [
        "/nothing",
        "/pools/nothing/at/all",
        "/pools/a b",
        "/pools/%00",
        "/tenants/%00/edit",
        "/pools/%FF%FE",
        "/pools/..%2F..",
        "/favicon.ico",
    ] {
        whole_page(&world.client.page(path).await?.expect(404)?)?;
    }
    whole_page(&world.client.page(&format!("/overview?q={}", "x".repeat(17_000))).await?.expect(414)?)?;
    Ok(())
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_left_out_and_named_once() -> Result<()> {
    let world = World::demo().await?;
    let usual = notices(&world.client.page("/overview").await?.body).len();
    for (query, parameter) in [
        ("pool=nobody", "pool"),
        ("tenant=nobody", "tenant"),
        ("stamp=nobody", "stamp"),
        ("tz=Mars/Olympus", "tz"),
        ("cmp=decade", "cmp"),
        ("from=yesterdy", "from"),
        ("to=soon", "to"),
        ("from=now&to=now-1d", "from"),
        ("from=now-401d", "from"),
        ("from=now-45d&to=9999-12-31T23:59:59Z", "to"),
        ("from=9999-12-31T23:59:59Z", "from"),
        ("from=0000-01-01T00:00:00Z", "from"),
        ("from=now-99999999999999999999d", "from"),
        ("from=now-9223372036854775807w", "from"),
        ("from=%00", "from"),
        ("tz=%00", "tz"),
        ("pool=%00", "pool"),
        ("tenant=%00", "tenant"),
        ("stamp=%00", "stamp"),
        ("pool=%FF%FE", "pool"),
        ("from=%FF%FE", "from"),
        ("tz=..%2F..%2Fetc%2Fpasswd", "tz"),
        ("pool=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "pool"),
    ] {
        let answer = world.client.page(&format!("/overview?{query}")).await?.expect(200)?;
        whole_page(&answer)?;
        let said = notices(&answer.body);
        assert_eq!(said.len(), usual + 1, "{query}: one notice: {said:?}");
        assert!(
            said.iter().any(|notice| notice.starts_with(&format!("{parameter}: "))),
            "{query}: it names {parameter}: {said:?}"
        );
        assert!(!answer.body.contains("<script>alert"), "{query}");
        assert!(answer.body.contains("href=\"/pools\""), "{query}: what was left out is not carried to the next page");
    }
    Ok(())
}

#[tokio::test]
async fn no_address_breaks_a_page() -> Result<()> {
    let world = World::demo().await?;
    let long = "x".repeat(15_900);
    let thousandfold = |pair: &str| vec![pair; 1_000].join("&");
    let queries = [
        String::new(),
        "from=now&to=now-1d".into(),
        "from=now-401d".into(),
        "from=now-400d&to=now&cmp=year".into(),
        "from=1970-01-01T00:00:00Z&to=1970-01-02T00:00:00Z&cmp=year".into(),
        "from=2199-12-30T00:00:00Z&to=2199-12-31T00:00:00Z".into(),
        "from=9999-01-01T00:00:00Z&to=9999-12-31T00:00:00Z".into(),
        "from=now-99999999999999999999d".into(),
        "from=now-1s".into(),
        "from=2026-11-21T08:00:00.001Z&to=2026-11-21T08:00:00.002Z".into(),
        "tz=Pacific/Apia&from=now-2d".into(),
        "tz=America/St_Johns&from=now-300d".into(),
        "from=%00&to=%00&tz=%00&pool=%00&tenant=%00&stamp=%00&cmp=%00&q=%00&sort=%00&dir=%00&cur=%00&tab=%00".into(),
        "%FF%FE=%FF%FE&from=%FF&pool=%C3%28".into(),
        "&&&===&=&a&%".into(),
        "cur=18446744073709551615".into(),
        "cur=18446744073709551616".into(),
        "cur=-1&sort=nothing&dir=sideways&view=%00".into(),
        "q=%25_%5C'%22%3B--&owner=')%20OR%201%3D1".into(),
        "theme=neon&density=gas&kiosk=2&format=pdf&table=nothing".into(),
        "format=csv&table=nothing&from=now-401d".into(),
        format!("q={long}"),
        format!("from={long}"),
        format!("tz={long}"),
        format!("pool={long}"),
        thousandfold("pool=ingress-eu"),
        thousandfold("tenant=x"),
        thousandfold("from=now-1d"),
        (0..1_000).map(|i| format!("pool=p{i}")).collect::<Vec<_>>().join("&"),
    ];
    let paths = [
        "/overview",
        "/pools",
        "/pools?view=multiples",
        "/pools/ingress-eu",
        "/pools/ingress-eu?tab=tenants",
        "/pools/ingress-eu?tab=history",
        "/tenants",
        "/tenants/acme-search",
        "/tenants/acme-search?tab=metering",
        "/search",
        "/jobs",
        "/me",
        "/help",
        "/pools/ingress-eu/edit",
    ];
    for path in paths {
        for query in &queries {
            let separator = if path.contains('?') { '&' } else { '?' };
            let answer = world.client.page(&format!("{path}{separator}{query}")).await?;
            ensure!(
                answer.status == 200,
                "{}: {} {}",
                answer.asked,
                answer.status,
                answer.body.chars().take(300).collect::<String>()
            );
        }
    }
    let log = world.service.log();
    assert!(!log.contains("panicked") && !log.contains("failed"), "{log}");
    Ok(())
}

const GOOD_POOL: [(&str, &str); 20] = [
    ("name", "Render farm"),
    ("slug", "render"),
    ("description", "Frames of films"),
    ("kind", "autoscaling"),
    ("slots", "1,200"),
    ("planned_down", "20"),
    ("min_slots", "10"),
    ("max_slots", "2000"),
    ("unit_cost", "0.0125"),
    ("owner", "media"),
    ("runbook_url", "https://runbooks.example/render"),
    ("labels", "env=prod\ntier=1"),
    ("region", "eu-west"),
    ("services", "video /encode !\nthumbnails"),
    ("zone", "Europe/Berlin"),
    ("sizing", "dynamic"),
    ("granting", "reservable"),
    ("lifetime", "long-lived"),
    ("consistency", "eventual"),
    ("on_loss", "resume"),
];

/// A form's fields with one of them replaced.
fn with<'a>(fields: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut changed: Vec<_> = fields.iter().filter(|(other, _)| *other != name).copied().collect();
    changed.push((name, value));
    changed
}

/// Fails unless a refused form is shown again: with an error at one field, a link to it, and everything as it was typed.
fn shown_again(answer: &Answer, fields: &[(&str, &str)], wrong: &str) -> Result<()> {
    let answer = answer.clone().expect(422)?;
    let asked = format!("{} with {wrong}", answer.asked);
    whole_page(&answer)?;
    let html = &answer.body;
    ensure!(html.contains(&format!("href=\"#{wrong}\"")), "{asked}: no link to the field");
    ensure!(html.contains(&format!("id=\"{wrong}-error\"")), "{asked}: no error at the field");
    ensure!(html.matches("aria-invalid=\"true\"").count() == 1, "{asked}: only that field is wrong");
    for (name, value) in fields {
        // A choice can only show what it offers.
        if ["kind", "sizing", "granting", "lifetime", "consistency", "on_loss"].contains(name) && *name == wrong {
            continue;
        }
        ensure!(
            typed(html, name).as_deref() == Some(value.trim()),
            "{asked}: {name} was {value:?}, is {:?}",
            typed(html, name)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_pool_is_made_and_changed_by_form() -> Result<()> {
    let world = World::empty().await?;
    let made = world.client.form("/pools/new", &GOOD_POOL).await?.expect(303)?;
    assert_eq!(made.header("location"), "/pools/render");
    let flash = made.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let page = world.client.send(Method::GET, "/pools/render", &[("cookie", &flash)], None).await?.expect(200)?;
    assert!(page.body.contains("Pool Render farm was created."), "the sentence is shown after the redirect");
    assert!(page.header("set-cookie").contains("Max-Age=0"), "and only once");

    let pool = world.client.get("/api/v1/pools/render").await?.json()?;
    for (member, expected) in [
        ("configured", json!(1200)),
        ("planned_down", json!(20)),
        ("unit_cost_micros", json!(12_500)),
        ("labels", json!({ "env": "prod", "tier": "1" })),
        ("on_loss", json!("resume")),
        ("zone", json!("Europe/Berlin")),
        ("region", json!("eu-west")),
    ] {
        assert_eq!(pool[member], expected, "{member}");
    }
    assert_eq!(pool["services"][0], json!({ "service": "video", "endpoint": "/encode", "customer_facing": true }));

    // The form shows what is stored, and sending it unchanged changes nothing but the version.
    let edit = world.client.page("/pools/render/edit").await?.expect(200)?;
    for (name, value) in GOOD_POOL.iter().filter(|(name, _)| !["slots", "planned_down"].contains(name)) {
        assert_eq!(typed(&edit.body, name).as_deref(), Some(*value), "{name}");
    }
    let version = typed(&edit.body, "version").context("a version")?;
    let fields = with(&GOOD_POOL, "version", &version);
    world.client.form("/pools/render/edit", &fields).await?.expect(303)?;
    let again = world.client.get("/api/v1/pools/render").await?.json()?;
    assert_eq!(
        (&again["services"], &again["labels"], &again["name"]),
        (&pool["services"], &pool["labels"], &pool["name"])
    );

    // A form that was opened before that change is refused, and keeps what was typed.
    let late = with(&fields, "owner", "somebody else");
    let refused = world.client.form("/pools/render/edit", &late).await?.expect(409)?;
    whole_page(&refused)?;
    assert_eq!(typed(&refused.body, "owner").as_deref(), Some("somebody else"));
    assert!(refused.body.contains("was changed meanwhile"), "it says why");
    assert_eq!(world.client.get("/api/v1/pools/render").await?.json()?["owner"], "media", "nothing was changed");

    let taken = world.client.form("/pools/new", &GOOD_POOL).await?.expect(409)?;
    whole_page(&taken)?;
    assert!(taken.body.contains("href=\"#slug\"") && typed(&taken.body, "owner").as_deref() == Some("media"));
    Ok(())
}

#[tokio::test]
async fn a_wrong_field_of_a_pool_is_marked_and_nothing_typed_is_lost() -> Result<()> {
    let world = World::empty().await?;
    let long = "x".repeat(121);
    let wrong = [
        ("name", ""),
        ("name", &long),
        ("slug", "Not A Slug"),
        ("slug", "new"),
        ("slots", ""),
        ("slots", "many"),
        ("slots", "-1"),
        ("slots", "10000001"),
        ("slots", "99999999999999999999"),
        ("planned_down", "1201"),
        ("planned_down", "few"),
        ("min_slots", "-4"),
        ("max_slots", "9"),
        ("unit_cost", "cheap"),
        ("unit_cost", "0.1234567"),
        ("unit_cost", "-1"),
        ("owner", &long),
        ("runbook_url", "javascript:alert(1)"),
        ("labels", "env"),
        ("region", "EU West"),
        ("zone", "Mars/Olympus"),
        ("feed_period_s", "0"),
        ("feed_period_s", "86401"),
        ("kind", "bottomless"),
        ("sizing", "elastic"),
        ("on_loss", "cry"),
    ];
    for (name, value) in wrong {
        let fields = with(&GOOD_POOL, name, value);
        shown_again(&world.client.form("/pools/new", &fields).await?, &fields, name)?;
    }
    assert_eq!(world.client.get("/api/v1/pools").await?.json()?, json!([]), "nothing was made");

    world.client.form("/pools/new", &GOOD_POOL).await?.expect(303)?;
    for (name, value) in wrong.into_iter().filter(|(name, _)| !["slots", "planned_down"].contains(name)) {
        let fields: Vec<_> =
            GOOD_POOL.iter().filter(|(name, _)| !["slots", "planned_down"].contains(name)).copied().collect();
        let fields = with(&with(&fields, "version", "1"), name, value);
        shown_again(&world.client.form("/pools/render/edit", &fields).await?, &fields, name)?;
    }
    assert_eq!(world.client.get("/api/v1/pools/render").await?.json()?["version"], 1, "nothing was changed");

    let step = [("slots", "1000"), ("planned_down", "0"), ("effective", ""), ("reason", "because")];
    for (name, value) in [
        ("slots", ""),
        ("slots", "x"),
        ("planned_down", "1001"),
        ("effective", "tomorrow"),
        ("effective", "9999-01-01 00:00"),
        ("effective", "2026-02-30 00:00"),
    ] {
        let fields = with(&step, name, value);
        shown_again(&world.client.form("/pools/render/capacity", &fields).await?, &fields, name)?;
    }
    // A wall-clock time that the clock change skips, in the zone that is shown.
    let fields = with(&step, "effective", "2027-03-28 02:30");
    let refused = world.client.form("/pools/render/capacity?tz=Europe/Berlin", &fields).await?;
    shown_again(&refused, &fields, "effective")?;
    assert!(text(&refused.body).contains("clocks change then"), "it says why");
    assert_eq!(world.client.get("/api/v1/pools/render/capacity").await?.json()?.as_array().map(Vec::len), Some(1));
    let fields = with(&step, "effective", "2027-03-28 03:30");
    world.client.form("/pools/render/capacity?tz=Europe/Berlin", &fields).await?.expect(303)?;
    let steps = world.client.get("/api/v1/pools/render/capacity").await?.json()?;
    assert_eq!(steps[1]["from"], "2027-03-28T01:30:00Z", "the zone that is shown counts");
    Ok(())
}

#[tokio::test]
async fn a_tenant_is_made_changed_and_given_a_quota_by_form() -> Result<()> {
    let world = World::empty().await?;
    world.make("pools", json!({ "slug": "render", "capacity": 10 })).await?;
    let good =
        [("name", "Acme Search"), ("slug", "acme"), ("tier", "gold"), ("cost_centre", "cc-1"), ("owner", "search")];
    let long = "x".repeat(121);
    for (name, value) in
        [("name", ""), ("name", &long), ("slug", "A B"), ("tier", &long), ("cost_centre", &long), ("owner", &long)]
    {
        let fields = with(&good, name, value);
        shown_again(&world.client.form("/tenants/new", &fields).await?, &fields, name)?;
    }
    let made = world.client.form("/tenants/new", &good).await?.expect(303)?;
    assert_eq!(made.header("location"), "/tenants/acme");
    for (name, value) in [("name", ""), ("slug", "A B"), ("tier", &long)] {
        let fields = with(&with(&good, "version", "1"), name, value);
        shown_again(&world.client.form("/tenants/acme/edit", &fields).await?, &fields, name)?;
    }
    world
        .client
        .form("/tenants/acme/edit", &with(&with(&good, "version", "1"), "tier", "silver"))
        .await?
        .expect(303)?;
    assert_eq!(world.client.get("/api/v1/tenants/acme").await?.json()?["tier"], "silver");
    world.client.form("/tenants/acme/edit", &with(&good, "version", "1")).await?.expect(409)?;

    let quota = [("pool", "render"), ("slots", "7")];
    for (name, value) in [("pool", "nobody"), ("pool", ""), ("slots", "-1"), ("slots", "x")] {
        let answer = world.client.form("/tenants/acme/quota", &with(&quota, name, value)).await?.expect(422)?;
        whole_page(&answer)?;
        assert!(answer.body.contains("aria-invalid=\"true\""), "{name}={value:?} is marked");
    }
    world.client.form("/tenants/acme/quota", &quota).await?.expect(303)?;
    assert_eq!(world.client.get("/api/v1/tenants/acme").await?.json()?["quota"], 7);
    Ok(())
}

#[tokio::test]
async fn archiving_asks_first_and_can_be_undone() -> Result<()> {
    let world = World::empty().await?;
    world.make("pools", json!({ "slug": "render", "capacity": 10 })).await?;
    world.make("tenants", json!({ "slug": "acme" })).await?;
    for path in ["/pools/render", "/tenants/acme"] {
        let archive = format!("{path}/archive");
        let asked = world.client.page(&archive).await?.expect(200)?;
        assert!(asked.body.contains(&format!("action=\"{archive}\"")), "it is a form");
        assert_eq!(
            world.client.get(&format!("/api/v1{path}")).await?.json()?["archived_at"],
            Value::Null,
            "looking changes nothing"
        );
        world.client.form(&archive, &[]).await?.expect(303)?;
        assert!(world.client.get(&format!("/api/v1{path}")).await?.json()?["archived_at"].is_string());
        whole_page(&world.client.page(path).await?.expect(200)?)?;
        world.client.form(&archive, &[("restore", "1")]).await?.expect(303)?;
        assert_eq!(world.client.get(&format!("/api/v1{path}")).await?.json()?["archived_at"], Value::Null);
    }
    Ok(())
}

/// Names that a careless page would let out of their place.
fn hostile_names() -> [String; 7] {
    [
        "</svg><script>alert(1)</script>".into(),
        "\"><img src=x onerror=alert(1)>".into(),
        "</title></textarea></option>'`${7*7}`".into(),
        "\u{202e}abc \u{5e9}\u{5dc}\u{5d5}\u{5dd}".into(),
        "\u{1f469}\u{200d}\u{1f692}\u{1f1e9}\u{1f1ea} e\u{301}".into(),
        "=HYPERLINK(\"http://x\",\"y\")".into(),
        "\u{fdfd}\u{1f600}".repeat(60),
    ]
}

#[tokio::test]
async fn hostile_names_stay_text_everywhere() -> Result<()> {
    use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
    let world = World::empty().await?;
    let mut conn = world.database.connect().await?;
    let now = headroom_store::now(&mut conn).await?;
    let hour = now - now % 3_600_000 - 3_600_000;
    for (i, name) in hostile_names().iter().enumerate() {
        let pool = json!({ "slug": format!("p{i}"), "name": name, "capacity": 10, "description": name, "owner": name, "labels": { "k": name },
            "services": [{ "service": name, "endpoint": name }], "runbook_url": format!("https://x/{name}") });
        world.make("pools", pool).await?;
        world
            .make(
                "tenants",
                json!({ "slug": format!("t{i}"), "name": name, "tier": name.chars().take(40).collect::<String>(),
            "owner": name, "cost_centre": name }),
            )
            .await?;
        let quota = json!({ "tenant": format!("t{i}"), "slots": 5 });
        world.client.json(Method::PUT, &format!("/api/v1/pools/p{i}/quotas"), &quota).await?.expect(204)?;
        let change = json!([{ "at": "now-90m", "kind": "deploy", "pool": format!("p{i}"), "title": name, "actor": name, "source": name,
            "url": format!("https://x/{name}") }]);
        world.client.json(Method::POST, "/api/v1/changes", &change).await?.expect(200)?;
    }
    let mut history = Accumulator::default();
    let pools = headroom_store::pool::keys(&mut conn).await?;
    for (pool, tenant) in pools.iter().zip(headroom_store::tenant::keys(&mut conn).await?) {
        let used = TenantReading { tenant: tenant.0, occupied: 12, reserved: 3, ..TenantReading::default() };
        history.reading(
            pool.0,
            &Reading { at: hour, duration_ms: 3_600_000, capacity: 10, tenants: vec![used], ..Reading::default() },
        );
    }
    let source = hostile_names()[0].clone();
    let part = headroom_store::import::begin(&mut conn, "occupancy", "x", &source).await?.part;
    headroom_store::history::merge(&mut conn, part, history.take()).await?;
    headroom_store::import::finish(&mut conn, part, 1, 1, &json!({})).await?;

    for (i, name) in hostile_names().iter().enumerate() {
        let (pool, tenant) = (format!("p{i}"), format!("t{i}"));
        for route in ROUTES {
            for path in sample_paths(route, &pool, &tenant).into_iter().filter(|path| path != "/") {
                let html = world.open(route, &path).await?.expect(200)?.body;
                for broken in ["<script>alert", "<img src=x", "onerror=alert(1)>", "</title></textarea>"] {
                    assert!(!html.contains(broken), "{path}: {broken} got out");
                }
                let head = html.split("</head>").next().unwrap_or_default();
                assert_eq!(head.matches("</title>").count(), 1, "{path}");
                assert_eq!(
                    html.matches("<svg").count(),
                    html.matches("</svg>").count(),
                    "{path}: a drawing was closed early"
                );
                assert!(!html.contains("href=\"javascript:"), "{path}");
            }
        }
        let page = world.client.page(&format!("/pools/{pool}")).await?.body;
        let heading = between(&page, "<h1", "</h1>")[0];
        assert!(text(heading).ends_with(name.as_str()), "the name is shown as it is: {heading}");
        let form = world.client.page(&format!("/pools/{pool}/edit")).await?.body;
        assert_eq!(typed(&form, "name").as_deref(), Some(name.as_str()), "the form holds the name as it is");
        assert_eq!(typed(&form, "description").as_deref(), Some(name.as_str()));

        // A CSV holds the name as it is; only what a spreadsheet would run gets an apostrophe.
        let guarded = if name.starts_with('=') { format!("'{name}") } else { name.clone() };
        for (path, slug) in [("/pools?format=csv&from=now-1d", &pool), ("/tenants?format=csv&from=now-1d", &tenant)] {
            let rows = world.client.get(path).await?.expect(200)?.csv()?;
            let row = rows.iter().find(|row| row[0] == *slug).with_context(|| format!("{path} has no {slug}"))?;
            assert_eq!(row[1], guarded, "{path}");
            let owner = rows[0].iter().position(|column| column == "owner").context("owner")?;
            assert_eq!(row[owner], guarded, "{path}");
        }
        let search = format!("/search?q={}", url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>());
        let found = world.client.page(&search).await?.expect(200)?.body;
        assert!(found.contains(&format!("href=\"/pools/{pool}\"")), "{name} is found by its name");
    }
    Ok(())
}

/// The rows of a page's first table that has row headings: each row's cells as a reader sees them.
fn table_rows(html: &str, from: &str) -> Vec<Vec<String>> {
    let part = html.split_once(from).map_or(html, |(_, rest)| rest);
    let body = between(part, "<tbody>", "</tbody>").first().copied().unwrap_or_default();
    let cells = |row: &str| {
        row.split("<t")
            .skip(1)
            .filter_map(|cell| cell.split_once('>'))
            .map(|(_, cell)| text(&format!("{cell}<")))
            .collect::<Vec<_>>()
    };
    between(body, "<tr", "</tr>").into_iter().map(cells).collect()
}

#[tokio::test]
async fn a_table_leaves_as_the_rows_that_are_shown() -> Result<()> {
    let world = World::demo().await?;
    for (path, from, name_column) in [
        ("/pools?from=now-2d", "<main", 1),
        ("/pools?from=now-2d&sort=peak&dir=asc", "<main", 1),
        ("/pools?from=now-2d&q=eu&kind=fixed", "<main", 1),
        ("/tenants?from=now-2d", "<main", 1),
        ("/tenants?from=now-2d&sort=tenant&dir=desc&q=a", "<main", 1),
        ("/pools/ingress-eu?tab=tenants&from=now-2d", "<main", 1),
    ] {
        let page = world.client.page(path).await?.expect(200)?.body;
        let links: Vec<String> = between(&page, "href=\"", "\"")
            .into_iter()
            .filter(|href| href.contains("format=csv"))
            .map(unescape)
            .collect();
        assert_eq!(links.len(), 1, "{path} offers its table: {links:?}");
        let csv = world.client.get(&links[0]).await?.expect(200)?;
        assert!(csv.header("content-disposition").starts_with("attachment; filename=\"headroom_"), "{path}");
        let accepted = world.client.send(Method::GET, path, &[("accept", "text/csv")], None).await?;
        assert_eq!(accepted.body, csv.body, "{path}: a program asks for the same with a header");
        let rows = csv.csv()?;
        let shown = table_rows(&page, from);
        assert_eq!(shown.len(), rows.len() - 1, "{path}");
        assert!(!shown.is_empty(), "{path}");
        for (shown, row) in shown.iter().zip(&rows[1..]) {
            assert!(
                shown[0].starts_with(row[name_column].as_str()),
                "{path}: the same rows in the same order: {shown:?} {row:?}"
            );
        }
    }

    // Every link to a CSV on every page leads to a CSV with rows as wide as its header.
    let mut seen = 0;
    for route in ROUTES {
        for path in sample_paths(route, "ingress-eu", "acme-search").into_iter().filter(|path| path != "/") {
            let page = world.client.page(&path).await?.body;
            for href in between(&page, "href=\"", "\"").into_iter().filter(|href| href.contains("format=csv")) {
                let csv = world.client.get(&unescape(href)).await?.expect(200)?;
                let rows = csv.csv().with_context(|| path.clone())?;
                assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{path}: {href}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} tables can be exported");
    Ok(())
}

#[tokio::test]
async fn metering_shows_what_usage_says() -> Result<()> {
    let world = World::demo().await?;
    let rows = world.client.get("/tenants/acme-search?tab=metering&from=now-30d&format=csv").await?.csv()?;
    let mut by_pool = std::collections::BTreeMap::<String, i64>::new();
    for row in &rows[1..] {
        *by_pool.entry(row[1].clone()).or_default() += row[2].parse::<i64>()?;
    }
    let usage = world.client.get("/api/v1/usage?by=tenant").await?.json()?;
    let exact = usage.as_array().into_iter().flatten().filter(|row| row["tenant"] == "acme-search");
    let exact = exact
        .map(|row| Some((row["pool"].as_str()?.to_owned(), row["occupied_slot_ms"].as_i64()?)))
        .collect::<Option<_>>();
    assert_eq!(Some(by_pool), exact);
    Ok(())
}

#[tokio::test]
async fn the_example_on_the_help_page_works() -> Result<()> {
    let world = World::empty().await?;
    world.make("pools", json!({ "slug": "ingress-eu", "capacity": 2_000 })).await?;
    world.make("tenants", json!({ "slug": "acme-search" })).await?;
    // The pool is older than the example's sample.
    let step = json!({ "slots": 2_000, "effective": "2026-01-01T00:00:00Z" });
    let answer = world.client.json(Method::POST, "/api/v1/pools/ingress-eu/capacity", &step).await?;
    assert!(answer.status < 300, "{}", answer.body);
    let page = text(&world.client.page("/help").await?.expect(200)?.body);
    let (_, example) = page.split_once("curl -X POST '").context("the help page shows how samples are sent")?;
    let (address, rest) = example.split_once('\'').context("an address")?;
    let path = address.strip_prefix(world.service.url()).context("an address of this server")?;
    let (row, _) =
        rest.split_once("<<'END'\n").context("rows")?.1.split_once("\nEND").context("the end of the rows")?;
    let body = Some(row.as_bytes().to_vec());
    let headers = [("content-type", "application/x-ndjson")];
    let receipt = world.client.send(Method::POST, path, &headers, body).await?.expect(200)?.json()?;
    assert_eq!((&receipt["accepted"], &receipt["rejected"]), (&json!(1), &json!(0)), "{receipt}");
    Ok(())
}

#[tokio::test]
async fn the_card_the_chart_and_its_table_end_with_the_same_number() -> Result<()> {
    let world = World::demo().await?;
    for query in [
        "",
        "?from=now-2d",
        "?from=now-3d&to=now-1d",
        "?from=now-2d&pool=ingress-eu&tz=Asia/Tokyo",
        "?from=now-6h&tenant=acme-search",
    ] {
        let page = world.client.page(&format!("/overview{query}")).await?.expect(200)?.body;
        // A window that is over has no present.
        let title = if query.contains("to=") { ">Occupancy</a>" } else { ">Occupancy now</a>" };
        let card = page.split_once(title).context("the card")?.1;
        let shown = text(between(card, "class=\"hr-stat__num\">", "</div>")[0]);
        let shown = shown.split(" %").next().context("a value")?.trim().to_owned();

        let separator = if query.is_empty() { '?' } else { '&' };
        let rows = world
            .client
            .get(&format!("/overview{query}{separator}format=csv&table=trend"))
            .await?
            .expect(200)?
            .csv()?;
        let average = rows[0].iter().position(|column| column == "average").context("an average")?;
        let last = rows.iter().skip(1).rev().find(|row| !row[average].is_empty()).context("a last value")?;
        let percent = format!("{:.1}", last[average].parse::<f64>()? * 100.0);
        assert_eq!(shown, percent, "{query}: card and CSV");

        let data = table_rows(&page, "class=\"hr-data__table\"");
        let drawn = data.iter().rev().find(|row| row[1] != "–").context("a last row")?;
        assert_eq!(drawn[1], format!("{shown} %"), "{query}: card and the chart's table");
        assert_eq!(data.len(), rows.len() - 1, "{query}: the chart's table is its CSV");
    }
    Ok(())
}

#[tokio::test]
async fn preferences_are_in_the_first_byte_and_only_ours() -> Result<()> {
    let world = World::empty().await?;
    let saved = world
        .client
        .form("/me", &[("theme", "dark"), ("density", "compact"), ("tz", "Asia/Kolkata"), ("shortcuts", "off")])
        .await?
        .expect(303)?;
    assert_eq!(saved.header("location"), "/me");
    let cookies: Vec<&str> =
        saved.headers.get_all("set-cookie").iter().filter_map(|c| c.to_str().ok()?.split(';').next()).collect();
    let cookies = cookies.join("; ");
    let page = world.client.send(Method::GET, "/overview", &[("cookie", &cookies)], None).await?.expect(200)?;
    let start = &page.body[..page.body.find("<head>").context("a head")?];
    assert!(start.contains("data-theme=\"dark\"") && start.contains("data-density=\"compact\""), "{start}");
    assert!(page.body.contains("Asia/Kolkata"), "times are in the preferred zone");
    let plain = world.client.page("/overview").await?;
    assert!(
        !plain.body[..plain.body.find("<head>").context("a head")?].contains("data-theme"),
        "without a preference the system decides"
    );
    for cookie in [
        "hr_theme=neon",
        "hr_theme=\"><script>",
        "hr_tz=Mars/Olympus",
        "hr_tz=%00%FF",
        "hr_flash=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    ] {
        let answer = world.client.send(Method::GET, "/overview", &[("cookie", cookie)], None).await?.expect(200)?;
        whole_page(&answer)?;
        assert!(!answer.body.contains("<script>alert") && !answer.body.contains("neon"), "{cookie}");
    }
    let forced = world.client.send(Method::GET, "/overview?theme=light", &[("cookie", "hr_theme=dark")], None).await?;
    assert!(
        forced.body.starts_with("<!DOCTYPE html><html lang=\"en\" data-theme=\"light\""),
        "the address decides over the cookie"
    );

    let refused = world.client.form("/me", &[("tz", "Mars/Olympus")]).await?.expect(422)?;
    whole_page(&refused)?;
    assert_eq!(typed(&refused.body, "tz").as_deref(), Some("Mars/Olympus"), "what was typed is kept");
    assert!(
        refused.body.contains("id=\"tz-error\"") && !refused.headers.contains_key("set-cookie"),
        "nothing was saved"
    );
    Ok(())
}

#[tokio::test]
async fn a_form_leads_back_to_us_and_comes_from_us() -> Result<()> {
    let world = World::empty().await?;
    for back in ["/pools", "/overview?from=now-7d&pool=a"] {
        assert_eq!(
            world.client.form("/me", &[("theme", "dark"), ("back", back)]).await?.expect(303)?.header("location"),
            back
        );
    }
    for back in [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/\u{1}/x",
    ] {
        let answer = world.client.form("/me", &[("theme", "dark"), ("back", back)]).await?.expect(303)?;
        assert_eq!(answer.header("location"), "/me", "{back:?} leads elsewhere");
    }

    let body = || Some(format!("csrf={}&name=Evil&slug=evil&slots=1", people::CSRF).into_bytes());
    let form = ("content-type", "application/x-www-form-urlencoded");
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"] {
        for accept in ["text/html", "*/*"] {
            for path in ["/pools/new", "/tenants/new", "/me"] {
                let headers = [form, ("origin", origin), ("accept", accept)];
                world.client.send(Method::POST, path, &headers, body()).await?.expect(403)?;
            }
        }
    }
    assert_eq!(world.client.get("/api/v1/pools").await?.json()?, json!([]), "nothing was made");
    world
        .client
        .send(Method::POST, "/pools/new", &[form, ("origin", world.service.url())], body())
        .await?
        .expect(303)?;

    let large = Some(vec![b'x'; 3 * 1024 * 1024]);
    let answer =
        world.client.send(Method::POST, "/pools/new", &[form, ("accept", "text/html")], large).await?.expect(413)?;
    whole_page(&answer)?;
    Ok(())
}
