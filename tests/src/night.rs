//! A night on call: a world whose clock is moved by hand, a server, receivers that write down what they are told, and two
//! engineers with a browser each.

use crate::alerts::{World, at};
use crate::browser::Browser;
use crate::client::Client;
use crate::inbox::{Inbox, Post, Reply};
use crate::people;
use crate::service::Service;
use anyhow::{Context, Result, ensure};
use headroom_domain::access::Role;
use headroom_domain::alert::episode::Person;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::rota::{Policy, Step, Target};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::window::Lane;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::account::Account;
use headroom_store::oncall::StoredPolicy;
use headroom_store::receiver::Fields;
use headroom_store::{oncall, receiver, sli};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower_sessions::session::Id;

/// Pools of the night.
pub const POOLS: [&str; 8] = ["pool-a", "pool-b", "pool-c", "bulk-1", "bulk-2", "bulk-3", "bulk-4", "bulk-5"];
/// What a routing key of PagerDuty looks like.
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A person with a browser.
#[derive(Debug)]
pub struct Engineer {
    /// As pages call them.
    pub name: &'static str,
    /// Theirs.
    pub browser: Browser,
    /// The API, asked as a page of their session asks it.
    pub client: Client,
    account: Account,
}

/// The night.
#[derive(Debug)]
pub struct Night {
    /// Pools, slices and the clock.
    pub world: World,
    /// The server.
    pub service: Service,
    /// Every receiver.
    pub inbox: Inbox,
    /// Who is asked first.
    pub first: Engineer,
    /// Who is asked after five minutes.
    pub second: Engineer,
}

impl Engineer {
    /// Somebody new with a session in a browser.
    pub async fn new(
        world: &mut World,
        service: &Service,
        name: &'static str,
        roles: &[Role],
        tenants: &[&str],
        browser: Browser,
    ) -> Result<Self> {
        let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM account").fetch_one(&mut world.conn).await?;
        let number = u128::try_from(accounts)? + 1;
        let (session, csrf) = (Id((0x6f6e_6361_6c6c << 64 | number).cast_signed()), format!("{number:032x}"));
        let account =
            people::add(&mut world.conn, &format!("person{number}@test.example"), name, roles, tenants).await?;
        people::open_session(&mut world.conn, &account, session, &csrf).await?;
        let (cookie, _) = people::cookie();
        let client = Client::nobody(service.url())?.with_cookie(&format!("{cookie}={session}"), &csrf).as_browser();
        let cookie = json!({ "name": cookie, "value": session.to_string(), "url": service.url(), "httpOnly": true, "sameSite": "Lax" });
        browser.cdp("Network.setCookie", cookie).await?;
        Ok(Self { name, browser, client, account })
    }

    /// Opens a page and waits until it is awake.
    pub async fn open(&self, service: &Service, path: &str) -> Result<()> {
        self.browser.open(&service.at(path)).await?;
        self.browser.wait_until_awake().await
    }

    /// Text of the alerts on the board.
    pub async fn board(&self) -> Result<String> {
        let text: String = self
            .browser
            .evaluate("return (document.querySelector('#alerts') ?? document.querySelector('main')).innerText")
            .await?;
        Ok(text.replace('\u{202f}', " "))
    }

    /// Waits until a text can be read on the page.
    pub async fn sees(&self, text: &str) -> Result<()> {
        let condition = format!("document.body.innerText.replaceAll('\\u202f', ' ').includes({})", json!(text));
        self.browser.wait_for(&condition, &format!("{} to see {text:?}", self.name)).await
    }

    /// Clicks what a selector finds first.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let script = "const e = document.querySelector(arguments[0]); if (!e) return false;
            const d = e.closest('details'); if (d) d.open = true; e.click(); return true;";
        let found: bool = self.browser.evaluate_with(script, vec![json!(selector)]).await?;
        ensure!(found, "{} finds no {selector}: {}", self.name, self.board().await.unwrap_or_default());
        Ok(())
    }

    /// Presses keys where the focus is.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.browser.client().active_element().await?.send_keys(keys).await?)
    }

    /// What has the focus: a word about it.
    pub async fn focus(&self) -> Result<String> {
        let script = "const e = document.activeElement;
            return e.getAttribute('aria-label') || e.id || e.innerText.trim().slice(0, 60) || e.tagName";
        self.browser.evaluate(script).await
    }
}

impl Night {
    /// Pools with three days of clean history, two engineers, all kinds of receivers, and a policy that asks one after the other.
    pub async fn begin() -> Result<Self> {
        let mut world = World::create(&POOLS, &["t1", "t3", "t7", "t9"]).await?;
        sqlx::query("UPDATE pool SET feed_period_ms = 60000").execute(&mut world.conn).await?;
        people::prepare(&mut world.conn).await?;
        let inbox = Inbox::start().await?;
        for pool in POOLS {
            world.clean(pool).await?;
        }
        for tenant in ["t3", "t9"] {
            world.slices("pool-a", Some(tenant), Sli::Saturation, -4_320..0, 0, 1_000).await?;
        }
        let service = Service::start(&serve(&world))?;
        let mut engineers = Vec::new();
        for (number, name) in [(1, "Dana Okafor"), (2, "Sam Lindqvist")] {
            let browser = Browser::start().await?;
            browser.window(1440, 900).await?;
            let person = Engineer::new(&mut world, &service, name, &[Role::OnCall], &[], browser).await?;
            let own = json!({ "url": inbox.at(&format!("/engineer{number}")), "secret": "0123456789abcdef" });
            let slug = format!("engineer{number}");
            receive(&mut world, &slug, Kind::Webhook, own, &[Lane::Page], Some(person.account.key), false).await?;
            engineers.push(person);
        }
        receivers(&mut world, &inbox).await?;
        let asked: Vec<Person> =
            engineers.iter().map(|one| Person { id: one.account.id.to_string(), name: one.name.to_owned() }).collect();
        let step = |after_ms, person: &Person| Step { after_ms, targets: vec![Target::Person(person.clone())] };
        let policy = Policy {
            steps: vec![step(0, &asked[0]), step(5 * MINUTE_MS, &asked[1]), step(15 * MINUTE_MS, &asked[1])],
            round_ms: 30 * MINUTE_MS,
            rounds: 3,
        };
        let policy =
            StoredPolicy { slug: "platform".into(), name: "Platform".into(), policy, owners: Vec::new(), version: 1 };
        ensure!(oncall::create_policy(&mut world.conn, &policy).await?);
        inbox.answer(|path, _, _| taken(path));
        let second = engineers.pop().context("two engineers")?;
        let first = engineers.pop().context("two engineers")?;
        Ok(Self { world, service, inbox, first, second })
    }

    /// Ends it.
    pub async fn end(self) -> Result<()> {
        self.first.browser.close().await?;
        self.second.browser.close().await?;
        self.service.stop()?;
        self.world.database.remove().await
    }

    /// Moves the clock to where a minute is judged, and waits until it is.
    pub async fn at(&mut self, minute: i64) -> Result<()> {
        judged(&mut self.world, minute).await.with_context(|| self.service.log())
    }

    /// The clock goes on by some milliseconds within a minute.
    pub async fn more(&mut self, minute: i64, ms: Millis) -> Result<()> {
        self.world.hold(minute, ms).await
    }

    /// Slices of a pool of 1,000 claims each, of which so many are rejected.
    pub async fn slices(&mut self, pool: &str, minutes: std::ops::Range<i64>, bad: i64) -> Result<()> {
        self.world.slices(pool, None, Sli::Saturation, minutes, bad, 1_000).await
    }

    /// The messages at a path, once there are so many, and a moment later still.
    pub async fn told(&self, path: &str, count: usize) -> Result<Vec<Post>> {
        self.tells(path, count).await?;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let posts = self.inbox.at_path(path);
        ensure!(posts.len() == count, "{path}: {count} wanted: {}", bodies(&posts));
        for post in &posts {
            ensure!(!post.key().is_empty(), "{path}: each has a key");
        }
        Ok(posts)
    }

    /// The messages at a path, once there are so many at least.
    pub async fn tells(&self, path: &str, count: usize) -> Result<Vec<Post>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.inbox.at_path(path).len() < count {
            let posts = self.inbox.at_path(path);
            ensure!(Instant::now() < deadline, "{path}: {} of {count}: {}", posts.len(), bodies(&posts));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(self.inbox.at_path(path))
    }

    /// The newest alert of a query, as the API shows it: about a pool as a whole, unless a tenant is asked for.
    pub async fn alert(&self, query: &str) -> Result<Value> {
        let listed = self.first.client.get(&format!("/api/v1/alerts?{query}")).await?.expect(200)?.json()?;
        let wanted = |one: &&Value| query.contains("tenant=") || one["tenant"].is_null();
        let found = listed["alerts"].as_array().into_iter().flatten().find(wanted).cloned();
        found.with_context(|| format!("{query}: {listed}"))
    }

    /// The newest alert of a query, once it is as wanted.
    pub async fn until(&self, query: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let alert = self.alert(query).await?;
            if is_so(&alert) {
                return Ok(alert);
            }
            ensure!(Instant::now() < deadline, "{what}: {alert}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An alert with all that happened to it.
    pub async fn whole(&self, id: &Value) -> Result<Value> {
        self.first.client.get(&format!("/api/v1/alerts/{id}")).await?.expect(200)?.json()
    }
}

/// Moves the clock to where a minute is judged, and waits until a server has judged it.
pub async fn judged(world: &mut World, minute: i64) -> Result<()> {
    world.hold(minute, 0).await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let round = sli::round(&mut world.conn).await?;
        if round.watermark == Some(at(minute)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "minute {minute}: {round:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What each receiver answers when all is well.
pub fn taken(path: &str) -> Reply {
    match path {
        "/pagerduty" => {
            Reply::status(202).with("{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"x\"}")
        }
        "/slack" => Reply::status(200).with("ok"),
        _ => Reply::status(200).with("{}"),
    }
}

/// The beginnings of messages, for what is said when a test fails.
pub fn bodies(posts: &[Post]) -> String {
    posts.iter().map(|post| post.body.to_string().chars().take(300).collect::<String>()).collect::<Vec<_>>().join("\n")
}

/// What PagerDuty was told to do, in order.
pub fn actions(posts: &[Post]) -> Vec<String> {
    posts.iter().map(|post| post.body["event_action"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How the server of a world is started.
pub fn serve(world: &World) -> Vec<&str> {
    vec![
        "serve",
        "--test-clock",
        "--database-url",
        world.database.url(),
        "--allow-private-receivers",
        "--public-url",
        "https://headroom.test",
    ]
}

/// PagerDuty, Slack, a webhook, and one that is told what another one does not take.
pub async fn receivers(world: &mut World, inbox: &Inbox) -> Result<()> {
    let both = [Lane::Page, Lane::Ticket];
    let pager = json!({ "url": inbox.at("/pagerduty"), "routing_key": ROUTING_KEY });
    receive(world, "pagerduty", Kind::PagerDuty, pager, &[Lane::Page], None, false).await?;
    receive(world, "slack", Kind::Slack, json!({ "url": inbox.at("/slack") }), &both, None, false).await?;
    let webhook = json!({ "url": inbox.at("/webhook") });
    receive(world, "webhook", Kind::AlertmanagerWebhook, webhook, &[Lane::Page], None, false).await?;
    let failover = json!({ "url": inbox.at("/failover"), "secret": "0123456789abcdef" });
    receive(world, "failover", Kind::Webhook, failover, &both, None, true).await
}

async fn receive(
    world: &mut World,
    slug: &str,
    kind: Kind,
    settings: Value,
    lanes: &[Lane],
    account: Option<i32>,
    is_failover: bool,
) -> Result<()> {
    let fields = Fields {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        kind,
        settings,
        lanes: lanes.to_vec(),
        owners: Vec::new(),
        account,
        is_failover,
        enabled: true,
    };
    receiver::create(&mut world.conn, &fields).await?;
    Ok(())
}
