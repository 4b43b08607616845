//! Names that break programs go through the API into the database and out to every page, table, drawing and file; a browser
//! counts what runs that should not.

use anyhow::{Context, Result, ensure};
use headroom_frontend::routes::{Methods, Policy, ROUTES, sample_paths};
use headroom_server::clock;
use headroom_tests::browser::Browser;
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::service::Service;
use http::Method;
use serde_json::{Value, json};

/// What has broken programs before. Each must fit into a name.
const NAMES: &[&str] = &[
    "<script>alert(1)</script>",
    "</svg><script>alert(2)</script>",
    "</title><script>alert(3)</script>",
    "</style></textarea></option></select><script>alert(4)</script>",
    "\"><img src=x onerror=alert(5)>",
    "' onmouseover='alert(6)' autofocus onfocus='alert(6)",
    "<svg onload=alert(7)><a xlink:href=javascript:alert(7)>x</a>",
    "javascript:alert(8)",
    "<!--><script>alert(9)//--></script>",
    "]]><script>alert(10)</script><![CDATA[",
    "&lt;script&gt;alert(11)&lt;/script&gt; &#x3C;b&#x3E; &amp;amp;",
    "\\u003cscript\\u003ealert(12)\\u003c/script\\u003e",
    "<iframe srcdoc='<script>parent.alert(13)</script>'></iframe>",
    "<math><mtext><style><img src onerror=alert(14)></style></mtext></math>",
    "'; DROP TABLE pool; --",
    "1' OR '1'='1' UNION SELECT password_hash FROM account --",
    "=HYPERLINK(\"http://elsewhere.example\";\"x\")",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd",
    "%00%0d%0aSet-Cookie: x=1",
    "%s%n%x {} {0} {{7*7}} ${7*7} <%= 7*7 %> #{7*7}",
    "../../../../etc/passwd",
    "a,b;c\"d\"\"e'f",
    "null",
    "undefined",
    "NaN",
    "true",
    "0",
    "-",
    "ÄÖÜäöüß ñ ç ø Ł ı İ ŉ",
    "田中さんにあげて下さい",
    "هذا اسم بالعربية",
    "שם בעברית",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "Z̮̞̠͙͔ͅA̴̵̜L͖̣͟G̱̰̥̦O!̧͈̹̖",
    "\u{202e}txt.exe \u{2066}x\u{2069}",
    "ﷺ ﷽",
    "a\u{200b}b\u{feff}c\u{2028}d\u{2029}e",
    "\u{fffd}\u{fffe}\u{10ffff}",
    "W WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
];

/// Counts what must not happen, from before the page's first script on.
const WATCH: &str = "
    window.seen = [];
    for (const name of ['alert', 'confirm', 'prompt', 'print']) {
        window[name] = (text) => { window.seen.push(name + ' ' + text); };
    }
    document.addEventListener('securitypolicyviolation', (event) => {
        window.seen.push('policy ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample);
    });";

async fn fill(admin: &Client) -> Result<()> {
    let day_ms = 86_400_000;
    let now = clock::now_ms();
    let at = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339();
    let mut rows: Vec<Value> = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let other = |ahead: usize| NAMES[(number + ahead) % NAMES.len()];
        let pool = json!({
            "slug": format!("pool-{number}"), "name": name, "description": other(1), "owner": other(2), "capacity": 10,
            "labels": { (other(3).chars().take(60).collect::<String>()): other(4) },
            "services": [{ "service": other(5), "endpoint": other(6), "customer_facing": true }],
            "runbook_url": "https://runbook.example/?q=<script>alert(0)</script>\"'",
            "unit_cost_micros": 5_000,
        });
        admin.json(Method::POST, "/api/v1/pools", &pool).await?.expect(201)?;
        let step = json!({ "slots": 11, "reason": other(7) });
        admin.json(Method::POST, &format!("/api/v1/pools/pool-{number}/capacity"), &step).await?.expect(200)?;
        let tenant = json!({
            "slug": format!("tenant-{number}"), "name": name, "owner": other(1), "cost_centre": other(2),
            "labels": { "a": other(3) },
        });
        admin.json(Method::POST, "/api/v1/tenants", &tenant).await?.expect(201)?;
        let user = json!({ "name": name, "email": format!("u{number}@test.example"), "roles": ["viewer"] });
        admin.json(Method::POST, "/api/v1/users", &user).await?.expect(201)?;
        let token = json!({ "name": name, "scopes": ["read"] });
        admin.json(Method::POST, "/api/v1/tokens", &token).await?.expect(201)?;
        let change = json!([{
            "at": at(now - 3_600_000), "kind": "deploy", "pool": format!("pool-{number}"), "title": name,
            "url": "https://deploy.example/'\"><script>alert(0)</script>", "source": other(1), "actor": other(2),
        }]);
        admin.json(Method::POST, "/api/v1/changes", &change).await?.expect(200)?;
        for step in 0..30 {
            let ts = at(now - day_ms / 2 + step * 600_000);
            let used = (number as i64 + step) % 11;
            rows.push(json!({ "pool": format!("pool-{number}"), "ts": ts, "capacity": 10, "occupied": used }));
            rows.push(json!({
                "pool": format!("pool-{number}"), "tenant": format!("tenant-{number}"), "ts": ts, "occupied": used,
                "capacity": 10,
            }));
        }
    }
    let batch = json!({ "source": NAMES[0], "seq": 0, "step_ms": 600_000, "rows": rows });
    let receipt = admin.json(Method::POST, "/api/v1/ingest/occupancy", &batch).await?.expect(200)?.json()?;
    ensure!(receipt["rejected"] == 0, "{receipt}");
    let settings = json!({ "name": NAMES[0], "currency": "EUR", "zone": "UTC", "money_visible": true });
    admin.json(Method::PUT, "/api/v1/organisation", &settings).await?.expect(200)?;
    Ok(())
}

/// Every page, once for each name where a page is about one thing, and searches for each name.
fn paths(users: &[String], tokens: &[String]) -> Vec<String> {
    let mut paths = Vec::new();
    for route in ROUTES.iter().filter(|route| route.methods != Methods::Post) {
        if route.policy != Policy::Open {
            paths.extend(sample_paths(route, "pool-0", "tenant-0"));
        }
    }
    let tabs = ["", "?tab=tenants", "?tab=policy", "?tab=history"];
    for (number, name) in NAMES.iter().enumerate() {
        paths.push(format!("/pools/pool-{number}{}", tabs[number % tabs.len()]));
        paths.push(format!("/tenants/tenant-{number}{}", ["", "?tab=history"][number % 2]));
        let quoted: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        paths.push(format!("/search?q={quoted}"));
        paths.push(format!("/pools?q={quoted}&sort={quoted}&from={quoted}&tz={quoted}&pool={quoted}"));
    }
    paths.extend(users.iter().step_by(7).map(|id| format!("/admin/users/{id}")));
    paths.extend(tokens.iter().step_by(7).map(|id| format!("/admin/tokens/{id}/revoke")));
    paths.extend([5, 9, 13].map(|number| format!("/pools/pool-{number}/edit")));
    paths.extend(["/audit?q=%3Cscript%3E", "/no/such/%3Cscript%3Ealert(1)%3C%2Fscript%3E"].map(str::to_owned));
    paths
}

fn ids(list: &Value) -> Vec<String> {
    let ids = list.as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn names_are_text_wherever_they_are_shown() -> Result<()> {
    let database = Database::create().await?;
    let service = Service::start(&["serve", "--database-url", database.url()])?;
    let admin = Client::new(service.url())?;
    fill(&admin).await?;
    let browser = Browser::start().await?;
    browser.sign_in(service.url()).await?;
    browser.before_every_page(WATCH).await?;

    // The watch sees what it is there for.
    browser.open(&service.at("/help")).await?;
    let provoke = "const s = document.createElement('script'); s.textContent = 'alert(0)'; document.body.append(s);
        const i = new Image(); i.src = 'https://elsewhere.example/x.png'; alert('test');";
    browser.evaluate::<()>(provoke).await?;
    browser.wait_for("seen.length >= 3", "the watch to see a dialog and two violations").await?;

    let users = ids(&admin.get("/api/v1/users").await?.expect(200)?.json()?);
    let tokens = ids(&admin.get("/api/v1/tokens").await?.expect(200)?.json()?);
    let mut faults = Vec::new();
    let mut shown = 0;
    browser.console().await?;
    for path in paths(&users, &tokens) {
        browser.open(&service.at(&path)).await.with_context(|| path.clone())?;
        browser.wait_until_awake().await.with_context(|| path.clone())?;
        let seen: Vec<String> = browser.evaluate("return window.seen").await?;
        faults.extend(seen.into_iter().map(|what| format!("{path}: {what}")));
        // A page that is not there says so in the console too.
        let said = browser.console().await?.into_iter().filter(|line| !line.contains("status of 404"));
        faults.extend(said.map(|line| format!("{path}: {line}")));
        let strange: u32 = browser
            .evaluate(
                "return document.querySelectorAll('[onerror],[onload],[onmouseover],[onfocus],iframe,math,img').length",
            )
            .await?;
        if strange > 0 {
            faults.push(format!("{path}: {strange} elements that are none of ours"));
        }
        shown += 1;
    }
    // A name is on its own page letter by letter.
    for (number, name) in NAMES.iter().enumerate() {
        browser.open(&service.at(&format!("/pools/pool-{number}"))).await?;
        let title: String = browser.evaluate("return document.querySelector('h1').textContent").await?;
        // HTML itself cannot carry these two.
        if title.trim() != name.trim() && !name.contains('\u{fffe}') {
            faults.push(format!("/pools/pool-{number}: {title:?} instead of {name:?}"));
        }
    }
    println!("{shown} pages shown with {} names", NAMES.len());
    browser.close().await?;

    // Files: a cell never begins a formula, and what was written comes back.
    for path in ["/pools?format=csv", "/tenants?format=csv", "/admin/users?format=csv", "/admin/tokens?format=csv"] {
        let table = admin.page(path).await?.expect(200)?.csv()?;
        let cells: Vec<&str> = table.iter().flatten().map(String::as_str).collect();
        let formula = cells.iter().find(|cell| cell.starts_with(['=', '+', '@']) || cell.starts_with("-2"));
        ensure!(formula.is_none(), "{path}: {formula:?}");
        for name in NAMES {
            let safe = if name.starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { (*name).to_owned() };
            ensure!(cells.contains(&safe.as_str()), "{path} has no cell {safe:?}");
        }
    }
    let listed = admin.get("/api/v1/pools").await?.expect(200)?.json()?;
    for (number, name) in NAMES.iter().enumerate() {
        let slug = format!("pool-{number}");
        let pool = listed.as_array().into_iter().flatten().find(|pool| pool["slug"] == slug.as_str());
        ensure!(pool.is_some_and(|pool| pool["name"] == **name), "{slug}: {pool:?}");
    }
    assert!(faults.is_empty(), "{} faults:\n{}\n", faults.len(), faults.join("\n"));
    Ok(())
}
