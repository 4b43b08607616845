//! The on-call board under load and under a hand: a phone's first screen, a cut network, hundreds at once, what moves and what
//! is said aloud.

use anyhow::{Context, Result, ensure};
use headroom_domain::MINUTE_MS;
use headroom_domain::access::Role;
use headroom_domain::alert::episode::{Alert, Condition};
use headroom_domain::alert::facts::Facts;
use headroom_domain::alert::window::Lane;
use headroom_store::alert::{self, Event, Row};
use headroom_store::job;
use headroom_tests::alerts::{World, ZERO_MS};
use headroom_tests::browser::Browser;
use headroom_tests::night::{Engineer, serve};
use headroom_tests::people;
use headroom_tests::service::Service;
use serde_json::{Value, json};
use std::time::Duration;

struct Board {
    world: World,
    service: Service,
    dana: Engineer,
}

impl Board {
    /// A board that nobody but the test writes alerts for.
    async fn start(width: u32, height: u32) -> Result<Self> {
        let mut world = World::create(&["pool-a"], &[]).await?;
        people::prepare(&mut world.conn).await?;
        let (judge, ttl_ms) = (headroom_server::clock::uuid(), 365 * 24 * 60 * MINUTE_MS);
        let lease = job::lease(&mut world.conn, headroom_server::app::jobs::ALERTS.name, judge, ttl_ms).await?;
        ensure!(lease.is_some(), "nobody else judges");
        let service = Service::start(&serve(&world))?;
        let browser = Browser::start().await?;
        browser.window(width, height).await?;
        let dana = Engineer::new(&mut world, &service, "Dana Okafor", &[Role::OnCall], &[], browser).await?;
        Ok(Self { world, service, dana })
    }

    /// So many alerts fire, all at the same time. Returns their numbers.
    async fn fire(&mut self, rule: &str, count: usize, severity: Lane) -> Result<Vec<i64>> {
        let pool = self.world.pool("pool-a").await?;
        let mut tx = sqlx::Connection::begin(&mut self.world.conn).await?;
        let mut ids = Vec::new();
        for number in 0..count {
            let mut alert = Alert::new(ZERO_MS, None);
            (alert.condition, alert.severity, alert.fired_ms, alert.version) =
                (Condition::Firing, severity, Some(ZERO_MS), 1);
            let mut row = Row {
                id: 0,
                rule: format!("{rule}-{number}"),
                pool: Some(pool),
                tenant: 0,
                alert,
                facts: Facts { says: format!("{rule} {number}"), ..Facts::default() },
                eval_seq: 1,
                silence: None,
                inhibited_by: None,
                inhibited_until: None,
                dry_run: false,
            };
            alert::put(&mut tx, &mut row, None).await?;
            let fired = Event {
                id: 0,
                alert: row.id,
                at: 0,
                what: "fired".to_owned(),
                who: None,
                note: String::new(),
                version: 1,
                detail: json!({}),
            };
            alert::log(&mut tx, &[fired]).await?;
            ids.push(row.id);
        }
        tx.commit().await?;
        Ok(ids)
    }

    async fn open(&self, path: &str) -> Result<()> {
        self.dana.open(&self.service, path).await
    }

    async fn rows(&self) -> Result<i64> {
        self.dana.browser.evaluate("return document.querySelectorAll('[data-alert]').length").await
    }

    async fn state(&self, id: i64) -> Result<Value> {
        self.dana.client.get(&format!("/api/v1/alerts/{id}")).await?.expect(200)?.json()
    }

    async fn end(self) -> Result<()> {
        self.dana.browser.close().await?;
        self.service.stop()?;
        self.world.database.remove().await
    }
}

#[tokio::test]
async fn on_a_phone_the_first_screen_has_the_first_alert_and_a_large_button() -> Result<()> {
    let mut board = Board::start(390, 844).await?;
    let ids = board.fire("late", 3, Lane::Page).await?;
    board.open("/oncall").await?;
    let (height, bottom, facts): (f64, f64, f64) = board
        .dana
        .browser
        .evaluate(
            "const row = document.querySelector('[data-alert]');
             const button = row.querySelector('[data-key=a]').getBoundingClientRect();
             return [button.height, button.bottom, row.querySelector('.hr-finding__facts').getBoundingClientRect().bottom]",
        )
        .await?;
    ensure!(height >= 48.0, "a thumb needs 48 px, found {height}");
    ensure!(bottom <= 844.0 && facts <= 844.0, "the button ends at {bottom}, the facts at {facts}");
    // From a link in a message it is one tap.
    board.open(&format!("/alerts/{}", ids[1])).await?;
    board.dana.browser.client().find(fantoccini::Locator::Css("[data-key=a]")).await?.click().await?;
    board.dana.sees("acknowledged by You").await?;
    board.end().await
}

#[tokio::test]
async fn with_the_network_cut_nobody_is_told_that_they_have_it() -> Result<()> {
    let mut board = Board::start(1440, 900).await?;
    let id = board.fire("cut", 1, Lane::Page).await?[0];
    board.open("/oncall").await?;
    let network =
        |offline: bool| json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    board.dana.browser.cdp("Network.enable", json!({})).await?;
    board.dana.browser.cdp("Network.emulateNetworkConditions", network(true)).await?;
    let at_once: String = board
        .dana
        .browser
        .evaluate("const b = document.querySelector('[data-key=a]'); b.click(); return b.textContent")
        .await?;
    ensure!(at_once == "Acknowledging…", "the press is seen at once: {at_once}");
    board.dana.sees("Not sent — offline. Retrying").await?;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let text = board.dana.board().await?;
        ensure!(!text.contains("You"), "{text}");
    }
    ensure!(board.state(id).await?["state"] == "firing");
    board.dana.browser.cdp("Network.emulateNetworkConditions", network(false)).await?;
    board.dana.sees("acknowledged by You").await?;
    ensure!(board.state(id).await?["state"] == "acknowledged");
    board.end().await
}

#[tokio::test]
async fn hundreds_are_acknowledged_with_one_press_and_every_exception_is_named() -> Result<()> {
    let mut board = Board::start(1440, 900).await?;
    let ids = board.fire("storm", 212, Lane::Ticket).await?;
    board.open("/oncall").await?;
    ensure!(board.rows().await? == 212);
    // Under the hand the list stays; meanwhile somebody takes one, and one becomes something else.
    board.dana.press("j").await?;
    let sam = people::add(&mut board.world.conn, "sam@test.example", "Sam Lindqvist", &[Role::OnCall], &[]).await?;
    let sam = headroom_domain::alert::episode::Person { id: sam.id.to_string(), name: sam.fields.name };
    let mut taken = alert::lock(&mut board.world.conn, ids[5]).await?.context("it is there")?;
    ensure!(taken.alert.acknowledge(Some(1), &sam, "mine", ZERO_MS).is_ok());
    alert::put(&mut board.world.conn, &mut taken, None).await?;
    let mut over = alert::lock(&mut board.world.conn, ids[7]).await?.context("it is there")?;
    over.alert.forget(ZERO_MS);
    alert::put(&mut board.world.conn, &mut over, None).await?;
    board.dana.sees("Acknowledge all 212 shown").await?;
    board.dana.click("#bulk button[name=all]").await?;
    board.dana.sees("210 acknowledged. 2 not changed:").await?;
    board.dana.sees(&format!("A-{}: already acknowledged by Sam Lindqvist", ids[5])).await?;
    let results: String =
        board.dana.browser.evaluate("return document.querySelector('[data-results]').innerText").await?;
    ensure!(results.contains(&format!("A-{}: ", ids[7])), "{results}");
    ensure!(board.state(ids[200]).await?["ack"]["by"] == "Dana Okafor");
    ensure!(board.state(ids[5]).await?["ack"]["by"] == "Sam Lindqvist");
    board.end().await
}

#[tokio::test]
async fn what_is_new_moves_nothing_under_the_hand_and_is_counted() -> Result<()> {
    let mut board = Board::start(1440, 900).await?;
    board.fire("old", 4, Lane::Page).await?;
    board.open("/oncall").await?;
    board.dana.press("j").await?;
    let places = "return [...document.querySelectorAll('[data-alert]')].map((row) => [row.dataset.alert, row.getBoundingClientRect().top])";
    let before: Vec<(String, f64)> = board.dana.browser.evaluate(places).await?;
    board.fire("new", 20, Lane::Page).await?;
    board.dana.sees("20 new — show").await?;
    board.dana.browser.wait_for("document.title.startsWith('(20) ')", "the title to count them").await?;
    let after: Vec<(String, f64)> = board.dana.browser.evaluate(places).await?;
    assert_eq!(after, before, "no row moves under a row that has the focus");
    board.dana.click("[data-findings-new]").await?;
    board.dana.browser.wait_for("document.querySelectorAll('[data-alert]').length === 24", "all of them").await?;
    board.end().await
}

#[tokio::test]
async fn each_new_page_is_said_aloud_once_and_ticking_numbers_never() -> Result<()> {
    let mut board = Board::start(1440, 900).await?;
    board.open("/oncall").await?;
    board
        .dana
        .browser
        .evaluate::<()>(
            "window.said = [];
             const region = document.getElementById('live-assertive');
             new MutationObserver(() => { if (region.textContent) said.push(region.textContent); })
                 .observe(region, { childList: true, characterData: true, subtree: true });",
        )
        .await?;
    board.fire("one", 1, Lane::Page).await?;
    board.dana.browser.wait_for("said.length > 0", "the first page to be said").await?;
    // A ticket is not said, and neither is what goes on: hearts, ages, the next looks.
    board.fire("work", 1, Lane::Ticket).await?;
    board.dana.browser.wait_for("document.querySelectorAll('[data-alert]').length === 2", "the ticket").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    board.fire("two", 2, Lane::Page).await?;
    board.dana.browser.wait_for("said.length > 1", "the next two to be said").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let said: Vec<String> = board.dana.browser.evaluate("return said").await?;
    ensure!(said.len() == 2, "{said:?}");
    ensure!(said[0].starts_with("New and critical: ") && said[0].contains("one 0"), "{said:?}");
    ensure!(said[1].starts_with("2 new and critical, first: "), "{said:?}");
    board.end().await
}
