//! Who may do what: every route beside every kind of caller, and the stories of signing in.

use anyhow::{Context, Result, ensure};
use headroom_domain::access::{Action, Role, Scope};
use headroom_frontend::routes::{Methods, Policy, ROUTES, sample_paths};
use headroom_server::auth::code;
use headroom_server::http::routes;
use headroom_tests::client::{Answer, Client};
use headroom_tests::database::Database;
use headroom_tests::people;
use headroom_tests::service::Service;
use http::Method;
use serde_json::json;
use sqlx::PgConnection;
use tower_sessions::session::Id;

struct World {
    service: Service,
    database: Database,
}

impl World {
    async fn new() -> Result<Self> {
        let database = Database::create().await?;
        let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
        let world = Self { service, database };
        let admin = world.admin()?;
        for slug in ["one", "two"] {
            let pool = json!({ "slug": slug, "capacity": 10 });
            admin.json(Method::POST, "/api/v1/pools", &pool).await?.expect(201)?;
            admin
                .json(Method::POST, "/api/v1/tenants", &json!({ "slug": format!("tenant-{slug}") }))
                .await?
                .expect(201)?;
        }
        Ok(world)
    }

    fn admin(&self) -> Result<Client> {
        Client::new(self.service.url())
    }

    fn nobody(&self) -> Result<Client> {
        Client::nobody(self.service.url())
    }

    async fn conn(&self) -> Result<PgConnection> {
        self.database.connect().await
    }

    /// Somebody with roles, signed in.
    async fn person(&self, number: i128, roles: &[Role], tenants: &[&str]) -> Result<Client> {
        let mut conn = self.conn().await?;
        let email = format!("person-{number}@test.example");
        let account = people::add(&mut conn, &email, &format!("Person {number}"), roles, tenants).await?;
        let csrf = format!("{number:032}");
        people::open_session(&mut conn, &account, Id(number), &csrf).await?;
        Ok(self.nobody()?.with_cookie(&format!("headroom={}", Id(number)), &csrf))
    }

    /// A program with a token of scopes.
    async fn program(&self, number: u32, scopes: &[Scope], pools: &[&str], tenants: &[&str]) -> Result<Client> {
        let secret = format!("hr_{number:0>40}");
        people::add_token(&mut self.conn().await?, &secret, scopes, pools, tenants).await?;
        Ok(self.nobody()?.with_token(&secret))
    }
}

/// Signs in as a browser does: the page first, for the cookie that its form goes with.
async fn sign_in(nobody: &Client, email: &str, password: &str) -> Result<Answer> {
    let page = nobody.page("/login").await?.expect(200)?;
    let form = form_cookie(&page)?;
    let browser = nobody.clone().with_cookie(&format!("hr_form={form}"), &form);
    browser.form("/login", &[("email", email), ("password", password)]).await
}

fn form_cookie(page: &Answer) -> Result<String> {
    page.set_cookie("hr_form").context("the page sets the cookie of its form")
}

/// What the forms of a page carry.
fn form_proof(page: &str) -> Result<&str> {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context("a form")
}

/// A path of a pattern, with names that exist.
fn filled(pattern: &str) -> String {
    let uuid = "00000000-0000-0000-0000-000000000000";
    pattern
        .replace("{pool}", "one")
        .replace("{tenant}", "tenant-one")
        .replace("{source}", "nobody")
        .replace("{user}", uuid)
        .replace("{token}", uuid)
        .replace("{receiver}", "nobody")
        .replace("{rule}", "saturation-burn")
        .replace("{runbook}", "pool-exhausted")
        .replace("{sli}", "saturation")
        .replace("{notification}", "1")
        .replace("{alert}", "1")
        .replace("{silence}", "1")
        .replace("{game_day}", "1")
        .replace("{deed}", "ack")
        .replace("{sli}", "saturation")
        .replace("{rule}", "nobody")
        .replace("{runbook}", "nobody")
        .replace("{schedule}", "nobody")
        .replace("{policy}", "nobody")
}

/// What a caller of the API is answered who may pass, or may not.
fn fits(answer: &Answer, may: bool, known: bool) -> bool {
    match (may, known) {
        (true, _) => !matches!(answer.status, 401 | 403 | 500..),
        (false, true) => answer.status == 403,
        (false, false) => answer.status == 401,
    }
}

#[tokio::test]
async fn every_route_of_the_api_lets_pass_whom_its_policy_says() -> Result<()> {
    let world = World::new().await?;
    let mut callers: Vec<(String, Client, Option<Box<dyn Fn(Action) -> bool>>)> = vec![
        ("nobody".into(), world.nobody()?, None),
        ("an unknown token".into(), world.nobody()?.with_token("hr_UNKNOWN"), None),
        ("no token at all".into(), world.nobody()?.with_token("password"), None),
    ];
    for (number, scope) in (1..).zip(Scope::ALL) {
        let client = world.program(number, &[*scope], &[], &[]).await?;
        callers.push((format!("a token for {scope}"), client, Some(Box::new(move |action| scope.allows(action)))));
    }
    let revoked = world.program(50, Scope::ALL, &[], &[]).await?;
    let over = world.program(51, Scope::ALL, &[], &[]).await?;
    sqlx::query("update api_token set revoked_at = now() where token_hash = $1")
        .bind(code::hash(&format!("hr_{:0>40}", 50)))
        .execute(&mut world.conn().await?)
        .await?;
    sqlx::query("update api_token set expires_at = now() - interval '1 second' where token_hash = $1")
        .bind(code::hash(&format!("hr_{:0>40}", 51)))
        .execute(&mut world.conn().await?)
        .await?;
    callers.push(("a revoked token".into(), revoked, None));
    callers.push(("a token that is over".into(), over, None));

    for route in routes() {
        let (path, method) = (filled(route.path), route.method.parse::<Method>()?);
        for (who, client, allows) in &callers {
            let body = (method != Method::GET && method != Method::DELETE).then(|| b"{}".to_vec());
            let answer = client.send(method.clone(), &path, &[("content-type", "application/json")], body).await?;
            let known = allows.is_some();
            let may = match route.policy {
                Policy::Open => true,
                Policy::SignedIn => known,
                Policy::Needs(action) => allows.as_ref().is_some_and(|allows| allows(action)),
            };
            ensure!(fits(&answer, may, known), "{who}: {}: {} ({})", answer.asked, answer.status, answer.body);
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_route_of_the_api_lets_pass_sessions_by_role_and_with_their_proof() -> Result<()> {
    let world = World::new().await?;
    let mut people: Vec<(String, i128, Option<Role>)> =
        (1..).zip(Role::ALL).map(|(number, role)| (role.to_string(), number, Some(*role))).collect();
    for (_, number, role) in &people {
        let tenants: &[&str] = if *role == Some(Role::TenantViewer) { &["tenant-two"] } else { &[] };
        world.person(*number, role.as_slice(), tenants).await?;
    }
    world.person(90, &[Role::Admin], &[]).await?;
    world.person(91, &[Role::Admin], &[]).await?;
    let mut conn = world.conn().await?;
    sqlx::query("update session set expires_at = now() - interval '1 second' where session_hash = $1")
        .bind(headroom_server::auth::session::hash(Id(90)))
        .execute(&mut conn)
        .await?;
    sqlx::query("update account set disabled_at = now() where email = 'person-91@test.example'")
        .execute(&mut conn)
        .await?;
    people.push(("a session that is over".into(), 90, None));
    people.push(("a disabled account".into(), 91, None));

    let nobody = world.nobody()?;
    for route in routes() {
        let (path, method) = (filled(route.path), route.method.parse::<Method>()?);
        for (who, number, role) in &people {
            let (cookie, own) = (format!("headroom={}", Id(*number)), format!("{number:032}"));
            for (proof, proves) in [("", false), ("ffffffffffffffffffffffffffffffff", false), (own.as_str(), true)] {
                let headers =
                    [("cookie", cookie.as_str()), ("x-csrf-token", proof), ("content-type", "application/json")];
                let body = (method != Method::GET && method != Method::DELETE).then(|| b"{}".to_vec());
                let answer = nobody.send(method.clone(), &path, &headers, body).await?;
                let may = match route.policy {
                    Policy::Open => true,
                    Policy::SignedIn => role.is_some(),
                    Policy::Needs(action) => role.is_some_and(|role| role.allows(action)),
                };
                // What counts the whole organisation is not for who sees a part of it, and others' things are not there.
                let limited = *role == Some(Role::TenantViewer);
                // Whoever has no session needs no proof of one where everybody may come.
                let is_nobody = role.is_none() && route.policy == Policy::Open;
                let proven = proves || method == Method::GET || is_nobody;
                let may = may && proven && !(limited && path == "/metrics");
                let hidden = limited && may && route.path.contains("{tenant}");
                let fits = if hidden { answer.status == 404 } else { fits(&answer, may, role.is_some()) };
                ensure!(fits, "{who} with {proof:?}: {}: {} ({})", answer.asked, answer.status, answer.body);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_page_lets_pass_whom_its_policy_says() -> Result<()> {
    let world = World::new().await?;
    let mut people: Vec<(String, Client, Option<Role>)> = vec![("nobody".into(), world.nobody()?, None)];
    for (number, role) in (1..).zip(Role::ALL) {
        let tenants: &[&str] = if *role == Role::TenantViewer { &["tenant-one"] } else { &[] };
        people.push((role.to_string(), world.person(number, &[*role], tenants).await?, Some(*role)));
    }
    let over = world.person(90, &[Role::Admin], &[]).await?;
    let disabled = world.person(91, &[Role::Admin], &[]).await?;
    let mut conn = world.conn().await?;
    sqlx::query("update session set expires_at = now() - interval '1 second' where session_hash = $1")
        .bind(headroom_server::auth::session::hash(Id(90)))
        .execute(&mut conn)
        .await?;
    sqlx::query("update account set disabled_at = now() where email = 'person-91@test.example'")
        .execute(&mut conn)
        .await?;
    people.push(("a session that is over".into(), over, None));
    people.push(("a disabled account".into(), disabled, None));

    for route in ROUTES {
        let mut paths = sample_paths(route, "one", "tenant-one");
        if paths.is_empty() && route.methods != Methods::Post {
            paths.push(filled(route.pattern));
        }
        for (who, client, role) in &people {
            let may = match route.policy {
                Policy::Open => true,
                Policy::SignedIn => role.is_some(),
                Policy::Needs(action) => role.is_some_and(|role| role.allows(action)),
            };
            for path in &paths {
                let answer = client.page(path).await?;
                let to = answer.header("location");
                let fits = match (may, role) {
                    (true, _) => !matches!(answer.status, 401 | 403 | 500..) && !to.starts_with("/login?"),
                    (false, Some(_)) => answer.status == 403,
                    (false, None) => answer.status == 303 && to.starts_with("/login"),
                };
                ensure!(fits, "{who}: {}: {} {to}", answer.asked, answer.status);
            }
            if route.methods == Methods::Get {
                continue;
            }
            // A form of another site, or one without its proof, changes nothing whoever sends it.
            let path = filled(route.pattern);
            for (what, proof) in [("no proof", ""), ("a foreign proof", "ffffffffffffffffffffffffffffffff")] {
                let form = client.clone().with_proof(proof);
                let answer = form.form(&path, &[("name", "x")]).await?;
                let fits = if may || role.is_some() {
                    answer.status == 403
                } else {
                    answer.status == 303 && answer.header("location") == "/login"
                };
                ensure!(fits, "{who} with {what}: {}: {}", answer.asked, answer.status);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_first_administrator_needs_the_code_of_the_console() -> Result<()> {
    let database = Database::empty().await?;
    let service = Service::start(&["serve", "--no-jobs", "--database-url", database.url()])?;
    let nobody = Client::nobody(service.url())?;
    let to_login = nobody.page("/overview").await?.expect(303)?;
    assert_eq!(to_login.header("location"), "/login?next=%2Foverview");
    assert_eq!(nobody.page("/login").await?.expect(303)?.header("location"), "/setup");
    let line = service.line("one-time code ")?;
    let code = line.rsplit(' ').next().context("the code ends the line")?.to_owned();

    let page = nobody.page("/setup").await?.expect(200)?;
    assert!(page.body.contains("not encrypted"), "plain HTTP is said to be plain");
    let form = form_cookie(&page)?;
    let browser = nobody.clone().with_cookie(&format!("hr_form={form}"), &form);
    let fields = |code: &'static str, password: &'static str| {
        [("code", code), ("name", "Dana Okafor"), ("email", "Dana@Example.org"), ("password", password)]
    };
    let refused = browser.form("/setup", &fields("AAAA-AAAA-AAAA", "correct horse battery")).await?.expect(422)?;
    assert!(refused.body.contains("console") && !refused.body.contains("correct horse"), "{}", refused.body);
    let weak = browser.form("/setup", &fields("AAAA-AAAA-AAAA", "password12")).await?.expect(422)?;
    assert!(weak.body.contains("harder to guess"), "{}", weak.body);
    let code: &'static str = Box::leak(code.to_lowercase().into_boxed_str());
    let made = browser.form("/setup", &fields(code, "correct horse battery")).await?.expect(303)?;
    let session = made.set_cookie("headroom").context("whoever sets up is signed in")?;
    let dana = nobody.clone().with_cookie(&format!("headroom={session}"), "");
    assert!(dana.page("/admin/users").await?.expect(200)?.body.contains("dana@example.org"));
    assert_eq!(nobody.page("/setup").await?.expect(303)?.header("location"), "/login", "once only");
    let again = browser.form("/setup", &fields(code, "correct horse battery")).await?.expect(409)?;
    assert!(again.body.contains("was made already"));
    service.stop()?;
    database.remove().await
}

async fn with_password(world: &World, roles: &[Role]) -> Result<()> {
    let mut conn = world.conn().await?;
    let account = people::add(&mut conn, "mika@test.example", "Mika Lind", roles, &[]).await?;
    let hash = headroom_server::auth::password::hash("correct horse battery").await?;
    headroom_store::account::set_password(&mut conn, account.key, &hash).await?;
    Ok(())
}

#[tokio::test]
async fn signing_in_gives_a_new_session_and_leads_back() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Planner]).await?;
    let nobody = world.nobody()?;
    // The same words for an unknown address and a wrong password.
    let unknown = sign_in(&nobody, "nobody@test.example", "correct horse battery").await?.expect(401)?;
    let wrong = sign_in(&nobody, "mika@test.example", "incorrect horse battery").await?.expect(401)?;
    let said = |answer: &Answer| answer.body.contains("do not belong together");
    assert!(said(&unknown) && said(&wrong) && wrong.set_cookie("headroom").is_none());

    // An id that somebody planted is not the one that is signed in.
    let page = nobody.page("/login?next=%2Fpools%2Fone").await?.expect(200)?;
    let form = form_cookie(&page)?;
    let planted = Id(4711).to_string();
    let browser = nobody.clone().with_cookie(&format!("hr_form={form}; headroom={planted}"), &form);
    let fields = [("email", " Mika@Test.example"), ("password", "correct horse battery"), ("next", "/pools/one")];
    let answer = browser.form("/login", &fields).await?.expect(303)?;
    assert_eq!(answer.header("location"), "/pools/one");
    let session = answer.set_cookie("headroom").context("a session")?;
    assert_ne!(session, planted);
    assert!(session.len() >= 22, "128 bits at least");
    let cookie = answer.headers.get_all("set-cookie").iter().filter_map(|v| v.to_str().ok());
    let cookie = cookie.filter(|value| value.starts_with("headroom=")).collect::<String>();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    let mika = nobody.clone().with_cookie(&format!("headroom={session}"), "");
    assert!(mika.page("/pools/one").await?.expect(200)?.body.contains("Mika Lind"));
    mika.page("/admin/users").await?.expect(403)?;

    // Signing in again gives another id, and the one before opens nothing: not even one that was in use.
    let me = mika.page("/me").await?.expect(200)?.body;
    let again = mika.clone().with_proof(form_proof(&me)?);
    let fields = [("email", "mika@test.example"), ("password", "correct horse battery")];
    let second = again.form("/login", &fields).await?.expect(303)?.set_cookie("headroom").context("a session")?;
    assert_ne!(second, session);
    mika.page("/overview").await?.expect(303)?;
    let mika = nobody.clone().with_cookie(&format!("headroom={second}"), "");

    // Signed out is signed out, whoever still has the cookie.
    let me = mika.page("/me").await?.expect(200)?.body;
    mika.clone().with_proof(form_proof(&me)?).form("/logout", &[]).await?.expect(303)?;
    mika.page("/pools/one").await?.expect(303)?;
    Ok(())
}

#[tokio::test]
async fn attempts_are_throttled_with_the_time_to_wait() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let nobody = world.nobody()?;
    for _ in 0..5 {
        sign_in(&nobody, "mika@test.example", "wrong").await?.expect(401)?;
    }
    let refused = sign_in(&nobody, "mika@test.example", "correct horse battery").await?.expect(429)?;
    let wait: u64 = refused.header("retry-after").parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    sqlx::query("update sign_in_failure set at = at - interval '1 minute'").execute(&mut world.conn().await?).await?;
    sign_in(&nobody, "mika@test.example", "correct horse battery").await?.expect(303)?;
    Ok(())
}

#[tokio::test]
async fn changed_rights_hold_from_the_next_request_on() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mika = world.person(7, &[Role::Planner], &[]).await?;
    mika.page("/pools/new").await?.expect(200)?;
    let users = admin.get("/api/v1/users").await?.expect(200)?.json()?;
    let user = users.as_array().context("a list")?.iter().find(|u| u["name"] == "Person 7").context("it is listed")?;
    let path = format!("/api/v1/users/{}", user["id"].as_str().context("an id")?);
    let change = json!({ "version": user["version"], "roles": ["viewer"] });
    admin.json(Method::PATCH, &path, &change).await?.expect(200)?;
    let refused = mika.page("/pools/new").await?.expect(403)?;
    assert!(refused.body.contains("planner") && refused.body.contains(people::NAME), "it says who can help");
    let renewed = refused.set_cookie("headroom").context("changed rights bring a new session id")?;
    mika.page("/overview").await?.expect(303)?;
    let mika = world.nobody()?.with_cookie(&format!("headroom={renewed}"), "");
    mika.page("/overview").await?.expect(200)?;

    // Signed out everywhere, and disabled: at once.
    admin.send(Method::DELETE, &format!("{path}/sessions"), &[], None).await?.expect(204)?;
    mika.page("/overview").await?.expect(303)?;
    let last = admin.json(Method::PATCH, "/api/v1/users/none", &json!({ "disabled": true })).await?;
    last.problem(404)?;
    let own = users.as_array().context("a list")?.iter().find(|u| u["email"] == people::EMAIL).context("oneself")?;
    let own_path = format!("/api/v1/users/{}", own["id"].as_str().context("an id")?);
    let refused = admin.json(Method::PATCH, &own_path, &json!({ "disabled": true })).await?.problem(422)?;
    assert!(refused["detail"].as_str().unwrap_or_default().contains("last one"), "{refused}");

    // A token stops with its revocation.
    let made = json!({ "name": "agent", "scopes": ["read"] });
    let made = admin.json(Method::POST, "/api/v1/tokens", &made).await?.expect(201)?.json()?;
    let agent = world.nobody()?.with_token(made["secret"].as_str().context("a secret")?);
    agent.get("/api/v1/pools").await?.expect(200)?;
    let path = format!("/api/v1/tokens/{}", made["token"]["id"].as_str().context("an id")?);
    admin.send(Method::DELETE, &path, &[], None).await?.expect(204)?;
    agent.get("/api/v1/pools").await?.problem(401)?;
    let listed = admin.get("/api/v1/tokens").await?.expect(200)?;
    assert!(!listed.body.contains(made["secret"].as_str().unwrap_or("?")), "a secret is told once");
    Ok(())
}

#[tokio::test]
async fn a_tenant_viewer_sees_its_own_tenants_and_no_trace_of_others() -> Result<()> {
    let world = World::new().await?;
    let viewer = world.person(5, &[Role::TenantViewer], &["tenant-one"]).await?;
    let program = world.program(60, &[Scope::Read], &[], &["tenant-one"]).await?;
    let admin = world.admin()?;
    let quota = json!({ "tenant": "tenant-two", "slots": 3 });
    admin.json(Method::PUT, "/api/v1/pools/one/quotas", &quota).await?;
    // What people write about a pool that all share may name any tenant.
    let step = json!({ "slots": 11, "reason": "more for tenant-two" });
    admin.json(Method::POST, "/api/v1/pools/one/capacity", &step).await?.expect(200)?;
    let change = json!([{ "at": "now", "kind": "scale", "pool": "one", "title": "tenant-two moves in",
        "url": "https://changes.example/tenant-two", "source": "tenant-two", "actor": "tenant-two" }]);
    admin.json(Method::POST, "/api/v1/changes", &change).await?.expect(200)?;
    for path in ["/api/v1/changes", "/api/v1/pools/one/capacity"] {
        let (own, all) = (program.get(path).await?.expect(200)?, admin.get(path).await?.expect(200)?);
        ensure!(all.body.contains("tenant-two") && !own.body.contains("tenant-two"), "{path}: {}", own.body);
        assert_eq!(own.json()?.as_array().map(Vec::len), all.json()?.as_array().map(Vec::len), "{path}");
    }
    for route in ROUTES.iter().filter(|route| route.methods != Methods::Post) {
        for path in sample_paths(route, "one", "tenant-one") {
            let answer = viewer.page(&path).await?;
            ensure!(!answer.body.contains("tenant-two"), "{path} names another tenant");
        }
    }
    for path in [
        "/search?q=tenant",
        "/search/index.json",
        "/tenants?format=csv",
        "/pools/one?tab=tenants&format=csv",
        "/overview?format=csv&table=tenants",
        "/overview?format=csv&table=changes",
        "/pools/one?tab=history&format=csv",
        "/tenants/tenant-tw",
    ] {
        let answer = viewer.page(path).await?;
        ensure!(answer.status < 500 && !answer.body.contains("tenant-two"), "{path}: {}", answer.body);
    }
    // Where it is asked for by name, the answer is the one for a name that nothing has.
    for path in
        ["/tenants/tenant-two", "/tenants?tenant=tenant-two", "/overview?tenant=tenant-two", "/search?q=tenant-two"]
    {
        let (hidden, missing) = (viewer.page(path).await?, viewer.page(&path.replace("two", "ten")).await?);
        let told = |answer: &Answer, name: &str| {
            let main = answer.body.split("<main").nth(1).unwrap_or_default();
            main.replace(name, "NAME").split("generated").next().unwrap_or_default().to_owned()
        };
        ensure!(hidden.status == missing.status, "{path}: {} and {}", hidden.status, missing.status);
        assert_eq!(told(&hidden, "tenant-two"), told(&missing, "tenant-ten"), "{path}");
    }
    viewer.page("/tenants/tenant-two").await?.expect(404)?;
    assert_eq!(program.get("/api/v1/tenants").await?.expect(200)?.json()?.as_array().map(Vec::len), Some(1));
    program.get("/api/v1/tenants/tenant-two").await?.problem(404)?;
    program.get("/api/v1/usage?by=pool").await?.problem(422)?;
    program.get("/api/v1/usage?by=tenant").await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_session_calls_the_api_only_with_its_proof() -> Result<()> {
    let world = World::new().await?;
    let (name, value) = people::cookie();
    let cookie = format!("{name}={value}");
    let nobody = world.nobody()?;
    let body = json!({ "slug": "three", "capacity": 1 }).to_string().into_bytes();
    let send = async |headers: &[(&str, &str)]| {
        let all = [&[("cookie", cookie.as_str()), ("content-type", "application/json")], headers].concat();
        nobody.send(Method::POST, "/api/v1/pools", &all, Some(body.clone())).await
    };
    send(&[]).await?.problem(403)?;
    send(&[("x-csrf-token", "ffffffffffffffffffffffffffffffff")]).await?.problem(403)?;
    send(&[("x-csrf-token", people::CSRF)]).await?.expect(201)?;
    nobody.send(Method::GET, "/api/v1/pools", &[("cookie", &cookie)], None).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_was_changed_is_told_with_who_did_it() -> Result<()> {
    let world = World::new().await?;
    let mika = world.person(3, &[Role::Planner], &[]).await?;
    mika.form("/tenants/new", &[("name", "Acme"), ("slug", "acme")]).await?.expect(303)?;
    // Somebody else of the same name.
    let mut conn = world.conn().await?;
    let other = people::add(&mut conn, "other@test.example", "Person 3", &[Role::Planner], &[]).await?;
    people::open_session(&mut conn, &other, Id(33), "33333333333333333333333333333333").await?;
    let other = world.nobody()?.with_cookie(&format!("headroom={}", Id(33)), "33333333333333333333333333333333");
    let made = other.form("/tenants/new", &[("name", "Umbra"), ("slug", "umbra")]).await?.expect(303)?;
    let told = made.set_cookie("hr_flash").context("a sentence")?.replace("%20", " ").replace("%23", "#");
    assert!(told.contains("Tenant Umbra was created") && told.contains("Recorded as #"), "{told}");
    let own = mika.page("/audit").await?.expect(200)?.body;
    assert!(!own.contains("umbra"), "of two people of one name each sees their own");
    assert!(own.contains("acme") && !own.contains("tenant-one"), "a planner sees its own changes");
    let admin = world.admin()?;
    let all = admin.page("/audit").await?.expect(200)?.body;
    assert!(all.contains("acme") && all.contains("tenant-one") && all.contains("Person 3"));
    let entries = admin.get("/api/v1/audit?actor=Person%203").await?.expect(200)?.json()?;
    assert_eq!(
        (&entries[1]["action"], &entries[1]["subject"], &entries[1]["source"]),
        (&json!("create"), &json!("acme"), &json!("page"))
    );
    let recorded = json!([{ "at": "now", "kind": "deploy", "title": "release 7", "source": "ci" }]);
    let answer = admin.json(Method::POST, "/api/v1/changes", &recorded).await?.expect(200)?;
    let number: i64 = answer.header("audit-entry").parse()?;
    let newest = admin.get("/api/v1/audit?limit=1").await?.expect(200)?.json()?;
    assert_eq!((&newest[0]["number"], &newest[0]["subject"]), (&json!(number), &json!("release 7")));
    let refused = admin.json(Method::POST, "/api/v1/tenants", &json!({ "slug": "acme" })).await?.expect(409)?;
    assert_eq!(refused.header("audit-entry"), "", "what was refused was not recorded");
    let users = admin.get("/api/v1/users").await?.expect(200)?.json()?;
    let user = users.as_array().context("a list")?.iter().find(|u| u["name"] == "Person 3").context("it is listed")?;
    let page = format!("/admin/users/{}", user["id"].as_str().context("an id")?);
    admin.form(&page, &[("do", "disable")]).await?.expect(303)?;
    let beside = admin.page(&page).await?.expect(200)?.body;
    assert!(beside.contains("All in the audit trail") && beside.contains("disable"), "changes stand beside the form");
    let csv = admin.page("/audit?format=csv").await?.expect(200)?.csv()?;
    assert!(csv.len() > 4 && csv[0][0] == "number");
    let lines = admin
        .send(Method::GET, "/api/v1/audit?after=0", &[("accept", "application/x-ndjson")], None)
        .await?
        .expect(200)?;
    let numbers: Vec<i64> = lines
        .body
        .lines()
        .map(|line| Ok(serde_json::from_str::<serde_json::Value>(line)?["number"].as_i64().unwrap_or_default()))
        .collect::<Result<_>>()?;
    assert!(numbers.len() > 4 && numbers.is_sorted(), "oldest first, to go on from: {numbers:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_works_once() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let secret = b"12345678901234567890";
    let mut conn = world.conn().await?;
    let mika = headroom_store::account::by_email(&mut conn, "mika@test.example").await?.context("the account")?;
    headroom_store::account::set_totp(&mut conn, mika.key, Some(secret), true).await?;
    let page = world.nobody()?.page("/login").await?.expect(200)?;
    let form = form_cookie(&page)?;
    let browser = world.nobody()?.with_cookie(&format!("hr_form={form}"), &form);
    let (email, password) = (("email", "mika@test.example"), ("password", "correct horse battery"));
    let asked = browser.form("/login", &[email, password]).await?.expect(200)?;
    assert!(asked.body.contains("name=\"totp\"") && asked.set_cookie("headroom").is_none());
    let wrong = browser.form("/login", &[email, password, ("totp", "000000")]).await?.expect(401)?;
    assert!(wrong.set_cookie("headroom").is_none());
    let app = totp_rs::Builder::new().with_secret(secret.to_vec()).with_account_name("mika").build()?;
    let now = headroom_store::now(&mut conn).await? / 1000;
    let code = app.generate(now.cast_unsigned()).to_string();
    browser.form("/login", &[email, password, ("totp", &code)]).await?.expect(303)?;
    browser.form("/login", &[email, password, ("totp", &code)]).await?.expect(401)?;
    Ok(())
}

#[tokio::test]
async fn money_is_shown_to_those_who_may_see_it_and_to_nobody_where_it_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let priced = json!({ "slug": "priced", "capacity": 4, "unit_cost_micros": 7_654_321 });
    admin.json(Method::POST, "/api/v1/pools", &priced).await?.expect(201)?;
    let viewer = world.person(1, &[Role::Viewer], &[]).await?;
    let on_call = world.person(2, &[Role::OnCall], &[]).await?;
    let planner = world.person(3, &[Role::Planner], &[]).await?;
    let reads = world.program(1, &[Scope::Read], &[], &[]).await?;
    let plans = world.program(2, &[Scope::Plan], &[], &[]).await?;
    let price = async |client: &Client| -> Result<serde_json::Value> {
        Ok(client.get("/api/v1/pools/priced").await?.expect(200)?.json()?["unit_cost_micros"].clone())
    };
    let tab = "/pools/priced?tab=policy";
    assert!(viewer.page(tab).await?.expect(200)?.body.contains("7.654321"));
    assert!(!on_call.page(tab).await?.expect(200)?.body.contains("7.654"));
    assert_eq!((price(&reads).await?, price(&plans).await?), (json!(7_654_321), json!(null)));
    // Who does not see the price leaves it alone, and sets none.
    let at = async |client: &Client| -> Result<serde_json::Value> {
        Ok(client.get("/api/v1/pools/priced").await?.expect(200)?.json()?["version"].clone())
    };
    let renamed = json!({ "version": at(&plans).await?, "name": "Priced" });
    plans.json(Method::PATCH, "/api/v1/pools/priced", &renamed).await?.expect(200)?;
    assert_eq!(price(&reads).await?, json!(7_654_321));
    let dearer = json!({ "version": at(&plans).await?, "unit_cost_micros": 1 });
    plans.json(Method::PATCH, "/api/v1/pools/priced", &dearer).await?.problem(422)?;
    // So with the price without a reservation.
    let elastic = "/api/v1/pools/priced/elastic-price";
    let set = |micros: i64| json!({ "elastic_price_micros": micros });
    let read = async |client: &Client| -> Result<serde_json::Value> {
        Ok(client.get(elastic).await?.expect(200)?.json()?["elastic_price_micros"].clone())
    };
    admin.json(Method::PUT, elastic, &set(9_654_321)).await?.expect(204)?;
    assert_eq!((read(&reads).await?, read(&plans).await?), (json!(9_654_321), json!(null)));
    plans.json(Method::PUT, elastic, &set(1)).await?.problem(422)?;
    viewer.form("/pools/priced/elastic-price", &[("elastic_price", "1")]).await?.expect(403)?;
    for (given, status) in [("9.6543219", 422), ("-1", 422), ("1000001", 422), ("dear", 422), ("9,654321", 303)] {
        planner.form("/pools/priced/elastic-price", &[("elastic_price", given)]).await?.expect(status)?;
        assert_eq!(read(&reads).await?, json!(9_654_321), "{given}");
    }
    let edit = planner.page("/pools/priced/edit").await?.expect(200)?.body;
    assert!(edit.contains(r#"value="9.654321""#) && edit.contains(r#"action="/pools/priced/elastic-price""#));

    let hidden = json!({ "name": "Acme", "currency": "EUR", "zone": "UTC", "money_visible": false });
    admin.json(Method::PUT, "/api/v1/organisation", &hidden).await?.expect(200)?;
    assert_eq!(price(&reads).await?, json!(null));
    for path in [tab, "/pools/priced/edit", "/pools/priced?tab=history", "/audit", "/audit?format=csv"] {
        let body = planner.page(path).await?.expect(200)?.body + &admin.page(path).await?.expect(200)?.body;
        assert!(!body.contains("7.654") && !body.contains("7654321"), "{path}");
        assert!(!body.contains("9.654") && !body.contains("9654321"), "{path}");
    }
    let fields = [("name", "Still priced"), ("slug", "priced"), ("kind", "fixed"), ("zone", "UTC")];
    let version = at(&reads).await?.to_string();
    let form = [fields.as_slice(), &[("version", version.as_str()), ("sizing", "static"), ("granting", "assignable")]];
    planner.form("/pools/priced/edit", &form.concat()).await?.expect(303)?;
    let shown = json!({ "name": "Acme", "currency": "EUR", "zone": "UTC", "money_visible": true });
    admin.json(Method::PUT, "/api/v1/organisation", &shown).await?.expect(200)?;
    assert_eq!(price(&reads).await?, json!(7_654_321), "a form without the field leaves it alone");
    Ok(())
}

#[tokio::test]
async fn a_limited_token_stays_within_its_limits() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let all = [Scope::Read, Scope::Ingest, Scope::Plan, Scope::Admin];
    // As one made before such a token was refused could be.
    let in_pool = world.program(1, &all, &["one"], &[]).await?;
    let in_tenant = world.program(2, &all, &[], &["tenant-one"]).await?;
    for (limit, field) in [(json!(["one"]), "pools"), (json!(["tenant-one"]), "tenants")] {
        let mut wanted = json!({ "name": "x", "scopes": ["admin"] });
        wanted[field] = limit;
        let refused = admin.json(Method::POST, "/api/v1/tokens", &wanted).await?.problem(422)?;
        assert_eq!(refused["errors"][0]["field"], field);
    }
    let sample = |pool: &str, tenant: Option<&str>| {
        json!({ "source": "s", "seq": 1, "rows": [
            { "pool": pool, "tenant": tenant, "ts": "2026-11-21T08:00:00Z", "capacity": 1, "occupied": 1 }] })
    };
    let change =
        |pool: Option<&str>| json!([{ "at": "now", "kind": "deploy", "title": "t", "source": "s", "pool": pool }]);
    let post = async |client: &Client, path: &str, body: &serde_json::Value| -> Result<u16> {
        Ok(client.json(Method::POST, path, body).await?.status)
    };
    for (who, client) in [("pool", &in_pool), ("tenant", &in_tenant)] {
        for path in ["/api/v1/users", "/api/v1/tokens", "/api/v1/audit", "/api/v1/jobs", "/metrics"] {
            let status = client.get(path).await?.status;
            ensure!(status == 403, "{who}: {path}: {status}");
        }
        for (path, body) in [
            ("/api/v1/tokens", json!({ "name": "x", "scopes": ["read"] })),
            ("/api/v1/pools", json!({ "slug": "three", "capacity": 1 })),
            ("/api/v1/tenants", json!({ "slug": "three" })),
            ("/api/v1/changes", change(None)),
        ] {
            let status = post(client, path, &body).await?;
            ensure!(status == 403, "{who}: {path}: {status}");
        }
        let archived = client.send(Method::DELETE, "/api/v1/tenants/tenant-one", &[], None).await?.status;
        ensure!(archived == 403, "{who}: {archived}");
    }
    assert_eq!(post(&in_pool, "/api/v1/changes", &change(Some("one"))).await?, 200);
    assert_eq!(post(&in_pool, "/api/v1/changes", &change(Some("two"))).await?, 404);
    let receipt = in_pool.json(Method::POST, "/api/v1/ingest/occupancy", &sample("two", None)).await?.expect(200)?;
    assert_eq!(receipt.json()?["rejected"], 1, "another pool is none that it knows");
    assert_eq!(post(&in_pool, "/api/v1/pools/one/capacity", &json!({ "slots": 7 })).await?, 200);
    assert_eq!(post(&in_pool, "/api/v1/pools/two/capacity", &json!({ "slots": 7 })).await?, 404);
    for body in [sample("one", None), sample("one", Some("tenant-one"))] {
        assert_eq!(post(&in_tenant, "/api/v1/ingest/occupancy", &body).await?, 403);
    }
    assert_eq!(post(&in_tenant, "/api/v1/changes", &change(Some("one"))).await?, 403);
    assert_eq!(post(&in_tenant, "/api/v1/pools/one/capacity", &json!({ "slots": 7 })).await?, 403);
    world.person(9, &[Role::TenantViewer], &["tenant-one"]).await?.get("/metrics").await?.problem(401)?;
    Ok(())
}

#[tokio::test]
async fn an_open_stream_ends_with_its_token() -> Result<()> {
    use futures::StreamExt as _;
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = json!({ "name": "collector", "scopes": ["admin"] });
    let made = admin.json(Method::POST, "/api/v1/tokens", &made).await?.expect(201)?.json()?;
    let mut stream = reqwest::Client::new()
        .get(world.service.at("/api/v1/audit?follow=true&after=0"))
        .bearer_auth(made["secret"].as_str().context("a secret")?)
        .header("accept", "application/x-ndjson")
        .send()
        .await?
        .bytes_stream();
    let first = stream.next().await.context("entries")??;
    assert!(String::from_utf8_lossy(&first).contains("collector"), "its own making is told");
    let path = format!("/api/v1/tokens/{}", made["token"]["id"].as_str().context("an id")?);
    admin.send(Method::DELETE, &path, &[], None).await?.expect(204)?;
    let rest = async {
        while let Some(part) = stream.next().await {
            ensure!(!String::from_utf8_lossy(&part?).contains("revoke"), "it still hears");
        }
        Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), rest).await.context("the stream goes on")?
}

#[tokio::test]
async fn many_attempts_at_once_are_no_more_than_five() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let page = world.nobody()?.page("/login").await?.expect(200)?;
    let form = form_cookie(&page)?;
    let browser = world.nobody()?.with_cookie(&format!("hr_form={form}"), &form);
    let guess = |number: u32| {
        let browser = browser.clone();
        async move {
            let password = format!("guess {number}");
            browser.form("/login", &[("email", "mika@test.example"), ("password", password.as_str())]).await
        }
    };
    let answers = futures::future::try_join_all((0..30).map(guess)).await?;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(tried <= 5 && answers.iter().all(|answer| matches!(answer.status, 401 | 429)), "{tried} were compared");
    Ok(())
}

#[tokio::test]
async fn a_reset_tells_nobody_who_has_an_account() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let page = world.nobody()?.page("/reset").await?.expect(200)?;
    let form = form_cookie(&page)?;
    let browser = world.nobody()?.with_cookie(&format!("hr_form={form}"), &form);
    for password in ["short", "a long password that nobody guesses"] {
        let mut said = Vec::new();
        for email in ["mika@test.example", "kima@test.example"] {
            let fields = [("email", email), ("code", "AAAA-BBBB-CCCC"), ("password", password)];
            let answer = browser.form("/reset", &fields).await?.expect(422)?;
            let main = answer.body.split("<main").nth(1).unwrap_or_default().replace(email, "EMAIL");
            said.push(main.split("generated").next().unwrap_or_default().to_owned());
        }
        assert_eq!(said[0], said[1], "{password}");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_password_ends_sessions_that_were_begun_before() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let nobody = world.nobody()?;
    let session = async || -> Result<Client> {
        let answer = sign_in(&nobody, "mika@test.example", "correct horse battery").await?.expect(303)?;
        let session = answer.set_cookie("headroom").context("a session")?;
        Ok(nobody.clone().with_cookie(&format!("headroom={session}"), ""))
    };
    let (here, there) = (session().await?, session().await?);
    let me = here.page("/me").await?.expect(200)?.body;
    let here = here.with_proof(form_proof(&me)?);
    // Guesses of the present password are counted too; so is proof for a second factor.
    for (path, more) in [("/me/password", ("password", "another horse battery")), ("/me/totp", ("begin", "1"))] {
        let refused = here.form(path, &[("current", "wrong"), more]).await?.expect(422)?;
        assert!(refused.body.contains("your present password"), "{path}");
    }
    let fields = [("current", "correct horse battery"), ("password", "another horse battery")];
    let changed = here.form("/me/password", &fields).await?.expect(303)?;
    assert_eq!(changed.header("location"), "/me");
    there.page("/overview").await?.expect(303)?;
    let renewed = here.page("/overview").await?.expect(200)?.set_cookie("headroom").context("a new id")?;
    let here = nobody.clone().with_cookie(&format!("headroom={renewed}"), "");

    // A session that is written after the reset, by a sign-in that was under way, is over too.
    let mut conn = world.conn().await?;
    let mika = headroom_store::account::by_email(&mut conn, "mika@test.example").await?.context("the account")?;
    let hash = headroom_server::auth::password::hash("third horse battery").await?;
    headroom_store::account::set_password(&mut conn, mika.key, &hash).await?;
    people::open_session(&mut conn, &mika, Id(815), "81581581581581581581581581581581").await?;
    nobody.clone().with_cookie(&format!("headroom={}", Id(815)), "").page("/overview").await?.expect(303)?;
    here.page("/overview").await?.expect(303)?;
    Ok(())
}

#[tokio::test]
async fn signed_out_everywhere_else_is_signed_out_at_once() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let nobody = world.nobody()?;
    let session = async || -> Result<Client> {
        let answer = sign_in(&nobody, "mika@test.example", "correct horse battery").await?.expect(303)?;
        let session = answer.set_cookie("headroom").context("a session")?;
        Ok(nobody.clone().with_cookie(&format!("headroom={session}"), ""))
    };
    let (here, there, elsewhere) = (session().await?, session().await?, session().await?);
    let me = here.page("/me").await?.expect(200)?.body;
    assert_eq!((me.matches("this session").count(), me.matches("name=\"session\"").count()), (1, 2));
    let one =
        me.split("name=\"session\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).context("another")?;
    let here = here.with_proof(form_proof(&me)?);
    here.form("/me/sessions", &[("session", one)]).await?.expect(303)?;
    let open = [there.page("/overview").await?.status, elsewhere.page("/overview").await?.status];
    assert!(open == [200, 303] || open == [303, 200], "one of the two was ended: {open:?}");
    here.form("/me/sessions", &[("all", "1")]).await?.expect(303)?;
    for other in [there, elsewhere] {
        other.page("/overview").await?.expect(303)?;
    }
    // A new id after a change of the account is in the list before the browser has it.
    sqlx::query("update account set version = version + 1 where email = 'mika@test.example'")
        .execute(&mut world.conn().await?)
        .await?;
    let renewed = here.page("/me").await?.expect(200)?;
    assert!(renewed.body.contains("this session") && renewed.set_cookie("headroom").is_some());
    Ok(())
}

#[tokio::test]
async fn nothing_that_somebody_may_see_is_kept_for_others() -> Result<()> {
    let world = World::new().await?;
    let viewer = world.person(1, &[Role::Viewer], &[]).await?;
    for path in ["/overview", "/pools?format=csv", "/me"] {
        assert_eq!(viewer.page(path).await?.expect(200)?.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(world.admin()?.get("/api/v1/users").await?.expect(200)?.header("cache-control"), "no-store");
    let names = viewer.page("/search/index.json").await?.expect(200)?;
    let vary: Vec<_> = names.headers.get_all("vary").iter().collect();
    assert!(vary.iter().any(|vary| *vary == "cookie"), "another account in this browser asks anew: {vary:?}");
    Ok(())
}

#[tokio::test]
async fn signing_in_leads_nowhere_else() -> Result<()> {
    let world = World::new().await?;
    with_password(&world, &[Role::Viewer]).await?;
    let nobody = world.nobody()?;
    let form = form_cookie(&nobody.page("/login").await?.expect(200)?)?;
    let browser = nobody.clone().with_cookie(&format!("hr_form={form}"), &form);
    for next in ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:alert(1)"]
    {
        let quoted: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = nobody.page(&format!("/login?next={quoted}")).await?.expect(200)?;
        assert!(!page.body.contains("evil.example"), "{next:?}");
        let fields = [("email", "mika@test.example"), ("password", "correct horse battery"), ("next", next)];
        let answer = browser.form("/login", &fields).await?.expect(303)?;
        assert_eq!(answer.header("location"), "/overview", "{next:?}");
    }
    // An address that escaped is too long to be asked for is not remembered; the way in stays open.
    let long = format!("/overview?{}", "pool=%2F&".repeat(1_500));
    assert_eq!(nobody.page(&long).await?.expect(303)?.header("location"), "/login");
    Ok(())
}

#[tokio::test]
async fn people_begin_where_their_work_is() -> Result<()> {
    let world = World::new().await?;
    let begins = [
        (vec![Role::OnCall], vec![], "/oncall"),
        (vec![Role::Viewer, Role::OnCall], vec![], "/oncall"),
        (vec![Role::OnCall, Role::Planner], vec![], "/overview"),
        (vec![Role::Admin], vec![], "/overview"),
        (vec![Role::Planner], vec![], "/overview"),
        (vec![Role::Viewer], vec![], "/overview"),
        (vec![Role::TenantViewer], vec!["tenant-one"], "/tenants/tenant-one"),
    ];
    for (number, (roles, tenants, page)) in (1..).zip(&begins) {
        let person = world.person(number, roles, tenants).await?;
        assert_eq!(person.page("/").await?.expect(303)?.header("location"), *page, "{roles:?}");
    }
    with_password(&world, &[Role::OnCall]).await?;
    let nobody = world.nobody()?;
    let form = form_cookie(&nobody.page("/login").await?.expect(200)?)?;
    let browser = nobody.with_cookie(&format!("hr_form={form}"), &form);
    // A link that led through sign-in is followed; without one the board is the place.
    for (next, page) in [("", "/oncall"), ("/pools/one?tab=trend", "/pools/one?tab=trend"), ("/overview", "/overview")]
    {
        let fields = [("email", "mika@test.example"), ("password", "correct horse battery"), ("next", next)];
        assert_eq!(browser.form("/login", &fields).await?.expect(303)?.header("location"), page, "{next:?}");
    }
    Ok(())
}

#[tokio::test]
async fn two_roles_do_not_add_up_to_the_money_of_all() -> Result<()> {
    let world = World::new().await?;
    let priced = json!({ "slug": "priced", "capacity": 4, "unit_cost_micros": 7_654_321 });
    world.admin()?.json(Method::POST, "/api/v1/pools", &priced).await?.expect(201)?;
    let both = world.person(1, &[Role::OnCall, Role::TenantViewer], &["tenant-one"]).await?;
    let body = both.page("/pools/priced?tab=policy").await?.expect(200)?.body;
    assert!(!body.contains("7.654"), "neither role shows what everybody pays");
    Ok(())
}

#[tokio::test]
async fn a_source_belongs_to_its_token_while_that_works() -> Result<()> {
    let world = World::new().await?;
    let first = world.program(1, &[Scope::Ingest], &[], &[]).await?;
    let second = world.program(2, &[Scope::Ingest], &[], &[]).await?;
    let send = async |client: &Client, seq: i64| {
        let batch = json!({ "source": "agent", "seq": seq, "rows": [
            { "pool": "one", "ts": "2026-11-21T08:00:00Z", "capacity": 10, "occupied": seq }] });
        client.json(Method::POST, "/api/v1/ingest/occupancy", &batch).await
    };
    send(&first, 0).await?.expect(200)?;
    let refused = send(&second, 1).await?.problem(409)?;
    assert!(refused["detail"].as_str().unwrap_or_default().contains("another token"), "{refused}");
    second.get("/api/v1/ingest/sources/agent").await?.problem(404)?;
    send(&first, 1).await?.expect(200)?;
    sqlx::query("update api_token set revoked_at = now() where token_hash = $1")
        .bind(code::hash(&format!("hr_{:0>40}", 1)))
        .execute(&mut world.conn().await?)
        .await?;
    let state = second.get("/api/v1/ingest/sources/agent").await?.expect(200)?.json()?;
    assert_eq!(state["last_seq"], 1, "who comes after goes on from there");
    send(&second, 2).await?.expect(200)?;
    Ok(())
}
