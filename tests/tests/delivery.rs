//! Messages about alerts reach their receivers: at least once, under one key, in order, and nothing is lost in silence.

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::episode::{Alert, Condition, Message, Workflow};
use headroom_domain::alert::notice::Notice;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::window::Lane;
use headroom_store::notification::{New, Notification, Wanted};
use headroom_store::receiver::{self, Fields};
use headroom_store::{job, notification};
use headroom_tests::client::Client;
use headroom_tests::database::Database;
use headroom_tests::inbox::{Inbox, Reply};
use headroom_tests::mailbox::Mailbox;
use headroom_tests::service::{Service, command};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Where the still clock of a test stands at its beginning: 2026-11-26T10:00:00Z.
const T0: i64 = 1_795_687_200_000;
const MINUTE: i64 = 60_000;

struct World {
    database: Database,
    conn: PgConnection,
    inbox: Inbox,
}

impl World {
    /// A database whose clock stands still, and a receiver.
    async fn new() -> Result<Self> {
        let database = Database::create().await?;
        let mut conn = database.connect().await?;
        headroom_store::hold_test_clock(&mut conn, T0).await?;
        // Somebody else judges: what these tests write about alerts stays as it is.
        let (judge, ttl_ms) = (headroom_server::clock::uuid(), 365 * 24 * 60 * MINUTE);
        let lease = job::lease(&mut conn, headroom_server::app::jobs::ALERTS.name, judge, ttl_ms).await?;
        ensure!(lease.is_some(), "nobody else has it");
        Ok(Self { database, conn, inbox: Inbox::start().await? })
    }

    fn serve(&self, more: &[&str]) -> Result<Service> {
        let mut arguments = vec!["serve", "--test-clock", "--database-url", self.database.url()];
        arguments.extend(["--allow-private-receivers", "--public-url", "https://headroom.test"]);
        arguments.extend(more);
        Service::start(&arguments)
    }

    /// The clock stands so long after its beginning.
    async fn at(&mut self, after_ms: i64) -> Result<()> {
        Ok(headroom_store::hold_test_clock(&mut self.conn, T0 + after_ms).await?)
    }

    async fn receiver(&mut self, slug: &str, kind: Kind, settings: Value, is_failover: bool) -> Result<i32> {
        let fields = Fields {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            kind,
            settings,
            lanes: vec![Lane::Page, Lane::Ticket],
            owners: Vec::new(),
            account: None,
            is_failover,
            enabled: true,
        };
        Ok(receiver::create(&mut self.conn, &fields).await?)
    }

    /// A receiver of our own messages below a path of its name.
    async fn webhook(&mut self, slug: &str) -> Result<i32> {
        let settings = json!({ "url": self.inbox.at(&format!("/{slug}")), "secret": "0123456789abcdef" });
        self.receiver(slug, Kind::Webhook, settings, false).await
    }

    /// An alert that fires.
    async fn alert(&mut self, rule: &str) -> Result<i64> {
        let mut alert = Alert::new(T0, None);
        (alert.condition, alert.severity, alert.fired_ms) = (Condition::Firing, Lane::Page, Some(T0));
        Ok(sqlx::query_scalar(
            "INSERT INTO alert (rule, episode, condition, workflow, severity, critical, version, began_at, fired_at, state)
             VALUES ($1, 1, 'firing', 'open', 'page', false, 1, hr_now(), hr_now(), $2) RETURNING alert_id",
        )
        .bind(rule)
        .bind(Json(&alert))
        .fetch_one(&mut self.conn)
        .await?)
    }

    /// Writes a page, as whoever decides about alerts does.
    async fn tell(&mut self, alert: i64, receiver: i32, message: Message) -> Result<String> {
        let rule = format!("rule-{alert}");
        let notice = notice(alert, &rule, message);
        let step = (message == Message::Escalated).then_some((0, 1));
        let key = notification::key(&notice.key(), 1, notice.version, &receiver.to_string(), message.as_str(), step);
        let new = New {
            alert: Some(alert),
            receiver,
            message: message.as_str(),
            key: key.clone(),
            dedup: notice.key(),
            lane: "page",
            body: serde_json::to_value(&notice)?,
            due_ms: None,
        };
        ensure!(notification::enqueue(&mut self.conn, std::slice::from_ref(&new)).await? == 1, "it is new");
        ensure!(notification::enqueue(&mut self.conn, &[new]).await? == 0, "the same again changes nothing");
        Ok(key)
    }

    /// All messages, oldest first.
    async fn all(&mut self) -> Result<Vec<Notification>> {
        let wanted = Wanted { limit: 1_000, ..Wanted::default() };
        let mut all = notification::list(&mut self.conn, &wanted).await?;
        all.reverse();
        Ok(all)
    }

    /// The messages, once they are as wanted.
    async fn until(&mut self, what: &str, is_so: impl Fn(&[Notification]) -> bool) -> Result<Vec<Notification>> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let all = self.all().await?;
            if is_so(&all) {
                return Ok(all);
            }
            ensure!(Instant::now() < deadline, "{what}: {all:#?}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Both who are told every minute have their turn a minute from now.
    async fn rested(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let resting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM receiver WHERE kind IN ('alertmanager', 'watchdog') AND next_at = hr_now() + interval '1 minute'",
            )
            .fetch_one(&mut self.conn)
            .await?;
            if resting == 2 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{resting} of 2 have their next turn in a minute");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The worker has looked since: a message to somebody else that was written now has arrived.
    async fn looked(&mut self) -> Result<()> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let slug = format!("probe-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let probe = self.webhook(&slug).await?;
        let alert = self.alert(&slug).await?;
        self.tell(alert, probe, Message::Firing).await?;
        self.inbox.post(&format!("/{slug}"), 0).await?;
        Ok(())
    }
}

fn notice(alert: i64, rule: &str, message: Message) -> Notice {
    let is_over = message == Message::Resolved;
    Notice {
        message,
        alert,
        rule: rule.to_owned(),
        alertname: "SlotSaturationBurn".into(),
        title: "Requests are rejected".into(),
        pool: "pool-a".into(),
        pool_name: "Pool A".into(),
        tenant: "*".into(),
        severity: Lane::Page,
        critical: true,
        tier: "W1".into(),
        episode: 1,
        version: if is_over { 3 } else { 1 },
        condition: if is_over { Condition::Resolved } else { Condition::Firing },
        workflow: if is_over { Workflow::Closed } else { Workflow::Open },
        reopened: 0,
        summary: "pool-a: 20x budget burn".into(),
        details: String::new(),
        runbook_url: "https://headroom.test/runbooks/saturation".into(),
        url: format!("https://headroom.test/alerts/{alert}"),
        external_url: "https://headroom.test".into(),
        owner: "platform".into(),
        fired_ms: T0,
        resolved_ms: is_over.then_some(T0 + 10 * MINUTE),
        at_ms: T0,
        burn_long: Some(20.0),
        burn_short: None,
        inhibited: Vec::new(),
        actor: String::new(),
        note: String::new(),
        asked: Vec::new(),
    }
}

fn states(all: &[Notification]) -> Vec<(&str, &str)> {
    all.iter().map(|one| (one.message.as_str(), one.state.as_str())).collect()
}

#[tokio::test]
async fn what_scales_outside_is_told_what_a_pool_is_to_have() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|_, _, number| Reply::status(if number < 2 { 503 } else { 204 }));
    let settings = json!({ "url": world.inbox.at("/scaler"), "secret": "0123456789abcdef" });
    let receiver = world.receiver("scaler", Kind::ScalingWebhook, settings, false).await?;
    let body = json!({ "pool": "web", "before": 200, "wanted": 120, "outcome": "applied", "url": "/forecast/web" });
    let new = New {
        alert: None,
        receiver,
        message: notification::SCALING,
        key: notification::sha256_hex("web"),
        dedup: "scaling|web".into(),
        lane: "ticket",
        body,
        due_ms: None,
    };
    assert_eq!(notification::enqueue(&mut world.conn, &[new]).await?, 1);
    // An alert does not concern it.
    let _service = world.serve(&[])?;
    world.inbox.post("/scaler", 0).await?;
    // The clock may go on only when it is written when that is.
    world.until("it is tried again later", |all| all.iter().any(|one| one.last_status == Some(503))).await?;
    world.at(1_000).await?;
    world.until("it has it", |all| all.iter().all(|one| one.state == "sent")).await?;
    let posts = world.inbox.at_path("/scaler");
    assert_eq!(posts.len(), 2, "{posts:?}");
    assert_eq!(posts[0].key(), posts[1].key(), "the same message under the same key");
    assert_eq!((&posts[1].body["message"], &posts[1].body["decision"]["wanted"]), (&json!("scaling"), &json!(120)));
    assert_eq!(posts[1].body["decision"]["url"], "https://headroom.test/forecast/web");
    let signed = posts[1].headers.get("x-headroom-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let at: i64 = signed.split(['=', ',']).nth(1).unwrap_or_default().parse()?;
    assert_eq!(signed, headroom_server::notify::payload::webhook::signature("0123456789abcdef", at, &posts[1].raw));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_fails_twice_is_tried_at_0_1_and_3_seconds_under_one_key() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|_, _, number| Reply::status(if number < 3 { 500 } else { 200 }));
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    let key = world.tell(alert, hook, Message::Firing).await?;
    let _service = world.serve(&[])?;
    for (number, after, due) in [(1, 0, 1_000), (2, 1_000, 3_000)] {
        world.at(after).await?;
        let all = world
            .until("a failure", |all| {
                all[0].attempts == number && all[0].due_ms == T0 + due && all[0].last_status == Some(500)
            })
            .await?;
        assert_eq!((all[0].state.as_str(), all[0].last_error.as_deref()), ("waiting", Some("answered 500")));
    }
    world.at(2_999).await?;
    world.looked().await?;
    assert_eq!(world.inbox.at_path("/hook").len(), 2, "not before its time");
    world.at(3_000).await?;
    let all = world.until("its end", |all| all[0].state == "sent").await?;
    assert_eq!((all[0].attempts, all[0].sent_ms, all[0].last_error.as_deref()), (3, Some(T0 + 3_000), None));
    let posts = world.inbox.at_path("/hook");
    assert_eq!(posts.iter().map(|post| post.key().to_owned()).collect::<Vec<_>>(), vec![key; 3]);
    assert_eq!(posts[2].body["message"], "firing");
    // Signed with what both know.
    let signature = posts[0].headers["x-headroom-signature"].to_str()?;
    let expected = headroom_server::notify::payload::webhook::signature("0123456789abcdef", T0 / 1_000, &posts[0].raw);
    assert_eq!(signature, expected);
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_given_up_at_once_told_elsewhere_and_can_be_sent_again() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|path, _, number| match (path, number) {
        ("/hook", 1) => Reply::status(400).with("no such \u{0} thing"),
        _ => Reply::status(200),
    });
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    let settings = json!({ "url": world.inbox.at("/other"), "secret": "0123456789abcdef" });
    world.receiver("other", Kind::Webhook, settings, true).await?;
    let key = world.tell(alert, hook, Message::Firing).await?;
    let service = world.serve(&[])?;
    let all = world.until("its end", |all| all.len() == 2 && all[1].state == "sent").await?;
    assert_eq!((all[0].state.as_str(), all[0].attempts, all[0].last_status), ("dead", 1, Some(400)));
    assert_eq!(all[0].last_error.as_deref(), Some("answered 400: no such   thing"));
    let copy = world.inbox.only("/other")?;
    assert_eq!((&copy.body["instead_of"], &copy.body["message"]), (&json!("hook"), &json!("firing")));
    assert_ne!(copy.key(), key);

    let client = Client::new(service.url())?;
    let dead = client.get(&format!("/api/v1/notifications?state=dead&alert={alert}")).await?.expect(200)?.json()?;
    assert_eq!((&dead["dead"], &dead["dead_pages"], &dead["waiting"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(dead["notifications"][0]["receiver"], "hook");
    let id = dead["notifications"][0]["id"].as_i64().context("a number")?;
    let replay = format!("/api/v1/notifications/{id}/replay");
    assert_eq!(client.post(&replay, &json!({})).await?.expect(200)?.json()?["state"], "waiting");
    world.until("the second time", |all| all[0].state == "sent").await?;
    let posts = world.inbox.at_path("/hook");
    assert_eq!(posts.iter().map(|post| post.key().to_owned()).collect::<Vec<_>>(), vec![key; 2]);
    client.post(&replay, &json!({})).await?.problem(409)?;
    client.post("/api/v1/notifications/999999/replay", &json!({})).await?.problem(404)?;
    Ok(())
}

#[tokio::test]
async fn what_began_and_ended_while_a_receiver_was_away_is_told_late_and_once() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|_, _, _| Reply::status(503));
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    let settings = json!({ "url": world.inbox.at("/pd"), "routing_key": "0123456789abcdef0123456789abcdef" });
    let pager = world.receiver("pager", Kind::PagerDuty, settings, false).await?;
    for receiver in [hook, pager] {
        world.tell(alert, receiver, Message::Firing).await?;
    }
    let _service = world.serve(&[])?;
    world.until("first failures", |all| all.iter().all(|one| one.last_status == Some(503))).await?;
    world.at(10 * MINUTE).await?;
    for receiver in [hook, pager] {
        world.tell(alert, receiver, Message::Acknowledged).await?;
        world.tell(alert, receiver, Message::Resolved).await?;
    }
    world
        .until("more failures", |all| {
            // An attempt counts from its start; when its failure is written down the next one is due.
            all.iter().filter(|one| one.attempts == 2 && one.due_ms > T0 + 10 * MINUTE).count() == 2
        })
        .await?;
    let before = world.inbox.posts().len();
    world.inbox.answer(|path, _, _| match path {
        "/pd" => Reply::status(202).with(r#"{"status":"success","message":"Event processed"}"#),
        _ => Reply::status(200),
    });
    for minute in 20..25 {
        world.at(minute * MINUTE).await?;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let all = world.until("the end", |all| all.iter().all(|one| one.state != "waiting")).await?;
    for one in &all {
        let expected = if one.message == "acknowledged" { ("dropped", false) } else { ("sent", true) };
        assert_eq!((one.state.as_str(), one.late), expected, "{one:?}");
    }
    let covered = all.iter().find(|one| one.state == "dropped").context("one that was covered")?;
    let reason = covered.last_error.as_deref().unwrap_or_default();
    assert!(reason.starts_with("it was over before it could be told"), "{reason}");
    let after = world.inbox.posts().split_off(before);
    let hooks: Vec<_> = after.iter().filter(|post| post.path == "/hook").collect();
    assert_eq!(hooks.len(), 1, "one message covers both");
    assert_eq!((&hooks[0].body["message"], &hooks[0].body["late"]), (&json!("resolved"), &json!(true)));
    let events: Vec<_> = after.iter().filter(|post| post.path == "/pd").collect();
    let actions: Vec<_> = events.iter().map(|event| event.body["event_action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(events[0].body["dedup_key"], events[1].body["dedup_key"]);
    assert_eq!(events[0].body["payload"]["summary"], "Late: pool-a: 20x budget burn");
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_between_the_answer_and_its_mark_sends_again_under_the_same_key() -> Result<()> {
    let mut world = World::new().await?;
    let gate = world.inbox.hold();
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    let key = world.tell(alert, hook, Message::Firing).await?;
    let service = world.serve(&[])?;
    world.inbox.post("/hook", 0).await?;
    // The mark cannot be made: somebody else holds the row.
    let mut other = world.database.connect().await?;
    let mut tx = other.begin().await?;
    sqlx::query("SELECT FROM notification FOR UPDATE").execute(&mut *tx).await?;
    gate.add_permits(1);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let marks: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                            AND query LIKE '%UPDATE notification SET state = ''sent''%')",
        )
        .fetch_one(&mut world.conn)
        .await?;
        if marks {
            break;
        }
        ensure!(Instant::now() < deadline, "the answer came and is not marked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.kill()?;
    tx.rollback().await?;
    world.inbox.release();
    assert_eq!(states(&world.all().await?), [("firing", "waiting")]);
    let _next = world.serve(&[])?;
    world.at(29_999).await?;
    world.looked().await?;
    assert_eq!(world.inbox.at_path("/hook").len(), 1, "the lease is another's");
    world.at(30_000).await?;
    world.until("the second time", |all| all[0].state == "sent").await?;
    let keys: Vec<_> = world.inbox.at_path("/hook").iter().map(|post| post.key().to_owned()).collect();
    assert_eq!(keys, vec![key; 2], "whoever remembers keys has one message");
    Ok(())
}

#[tokio::test]
async fn three_failures_of_a_page_tell_others_and_they_hear_its_end_too() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|path, _, _| Reply::status(if path == "/hook" { 500 } else { 200 }));
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    let settings = json!({ "url": world.inbox.at("/other") });
    world.receiver("other", Kind::AlertmanagerWebhook, settings, true).await?;
    world.tell(alert, hook, Message::Firing).await?;
    let _service = world.serve(&[])?;
    for (attempts, after) in [(1, 0), (2, 1_000), (3, 3_000)] {
        world.at(after).await?;
        let all = world
            .until("a failure", |all| {
                all[0].attempts == attempts && all[0].last_status == Some(500) && all[0].due_ms > T0 + after
            })
            .await?;
        assert_eq!(all.len() > 1, attempts == 3, "others are told after the third failure");
    }
    world.until("the other one", |all| all[1].state == "sent").await?;
    world.inbox.answer(|_, _, _| Reply::status(200));
    world.at(7_000).await?;
    world.until("the first one", |all| all[0].state == "sent").await?;
    world.tell(alert, hook, Message::Resolved).await?;
    let all = world.until("both ends", |all| all.len() == 4 && all.iter().all(|one| one.state == "sent")).await?;
    assert_eq!(all.iter().filter(|one| one.receiver == "other").count(), 2);
    let posts = world.inbox.at_path("/other");
    let told: Vec<_> = posts.iter().map(|post| post.body["status"].as_str().unwrap_or_default()).collect();
    assert_eq!(told, ["firing", "resolved"]);
    assert_eq!(posts[0].body["alerts"][0]["fingerprint"], posts[1].body["alerts"][0]["fingerprint"]);
    Ok(())
}

#[tokio::test]
async fn order_is_kept_and_who_is_asked_in_vain_is_not_asked() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|path, _, _| Reply::status(if path == "/hook" { 500 } else { 200 }));
    let (hook, alert) = (world.webhook("hook").await?, world.alert("a").await?);
    world.tell(alert, hook, Message::Firing).await?;
    world.tell(alert, hook, Message::Escalated).await?;
    world.tell(alert, hook, Message::Acknowledged).await?;
    let service = world.serve(&[])?;
    world.until("a failure", |all| all[0].attempts == 1 && all[0].last_status == Some(500)).await?;
    world.looked().await?;
    assert_eq!(world.inbox.at_path("/hook").len(), 1, "nothing overtakes the first message");
    sqlx::query("UPDATE alert SET workflow = 'acknowledged', version = 2 WHERE alert_id = $1")
        .bind(alert)
        .execute(&mut world.conn)
        .await?;
    world.inbox.answer(|_, _, _| Reply::status(200));
    world.at(1_000).await?;
    let all = world.until("the last", |all| all[2].state == "sent").await?;
    assert_eq!(states(&all[..2]), [("firing", "sent"), ("escalated", "dropped")]);
    assert_eq!(all[1].last_error.as_deref(), Some("the alert is acknowledged by now"));
    let told: Vec<_> = world
        .inbox
        .at_path("/hook")
        .iter()
        .filter(|post| post.status == 200)
        .map(|post| post.body["message"].clone())
        .collect();
    assert_eq!(told, ["firing", "acknowledged"]);

    // Who is switched off is told nothing, and that is said.
    let off = Client::new(service.url())?;
    let body = json!({ "version": 1, "name": "hook", "kind": "webhook", "settings": { "url": world.inbox.at("/hook") }, "enabled": false });
    off.put("/api/v1/receivers/hook", &body).await?.expect(200)?;
    let next = world.alert("b").await?;
    world.tell(next, hook, Message::Firing).await?;
    let all = world.until("dropped", |all| all.last().is_some_and(|one| one.state == "dropped")).await?;
    assert_eq!(all.last().and_then(|one| one.last_error.as_deref()), Some("its receiver is switched off"));
    Ok(())
}

#[tokio::test]
async fn strange_answers_are_shown_redirects_are_not_followed_and_waits_are_honoured() -> Result<()> {
    let mut world = World::new().await?;
    let target = world.inbox.at("/secret-place");
    world.inbox.answer(move |path, _, _| match path {
        "/redirect" => Reply { header: Some(("location", target.clone())), ..Reply::status(302) },
        "/pd" => Reply::status(200).with("<html>Welcome to the hotel</html>"),
        "/busy" => Reply { header: Some(("retry-after", "120".into())), ..Reply::status(429) },
        "/for-ever" => Reply { header: Some(("retry-after", "86400".into())), ..Reply::status(503) },
        _ => Reply::status(200),
    });
    let mut receivers = Vec::new();
    for slug in ["redirect", "busy", "for-ever"] {
        receivers.push(world.webhook(slug).await?);
    }
    let settings = json!({ "url": world.inbox.at("/pd"), "routing_key": "0123456789abcdef0123456789abcdef" });
    receivers.push(world.receiver("pd", Kind::PagerDuty, settings, false).await?);
    let gone = json!({ "url": "http://127.0.0.1:1/", "secret": "0123456789abcdef" });
    receivers.push(world.receiver("gone", Kind::Webhook, gone, false).await?);
    let inside = json!({ "url": "http://169.254.169.254/", "secret": "0123456789abcdef" });
    receivers.push(world.receiver("inside", Kind::Webhook, inside, false).await?);
    let alert = world.alert("a").await?;
    for receiver in &receivers {
        world.tell(alert, *receiver, Message::Firing).await?;
    }
    let _service = world.serve(&[])?;
    let all = world.until("failures", |all| all.iter().all(|one| one.last_error.is_some())).await?;
    let expected = [
        ("redirect", "waiting", 1_000, "no answer to a message, status 302"),
        ("busy", "waiting", 120_000, "answered 429"),
        ("for-ever", "waiting", 900_000, "answered 503"),
        (
            "pd",
            "waiting",
            1_000,
            "not an answer of this kind of receiver, status 200: <html>Welcome to the hotel</html>",
        ),
        ("gone", "waiting", 1_000, "error sending request"),
        ("inside", "dead", 0, "the address is not called, expected an address on the public internet"),
    ];
    for (one, (slug, state, wait, error)) in all.iter().zip(expected) {
        assert_eq!((one.receiver.as_str(), one.state.as_str(), one.due_ms - T0), (slug, state, wait), "{one:?}");
        assert!(one.last_error.as_deref().is_some_and(|text| text.starts_with(error)), "{slug}: {:?}", one.last_error);
        assert!(!one.last_error.as_deref().is_some_and(|text| text.contains("127.0.0.1:1/")), "no address is told");
    }
    assert!(world.inbox.at_path("/secret-place").is_empty());
    // A page is given up after six hours.
    world.at(6 * 60 * MINUTE).await?;
    let all = world.until("the end", |all| all[4].state == "dead").await?;
    let reason = all[4].last_error.as_deref().unwrap_or_default();
    assert!(reason.starts_with("given up after 6 h: "), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_channel_of_slack_gets_one_message_a_second_and_a_bot_changes_its_own() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|path, _, _| match path {
        "/hook" => Reply::status(200).with("ok"),
        "/api/chat.postMessage" | "/api/chat.update" => {
            Reply::status(200).with(r#"{"ok":true,"channel":"C1","ts":"17.5"}"#)
        }
        _ => Reply::status(200),
    });
    let hook = json!({ "url": world.inbox.at("/hook") });
    let hook = world.receiver("channel", Kind::Slack, hook, false).await?;
    for name in ["a", "b", "c"] {
        let alert = world.alert(name).await?;
        world.tell(alert, hook, Message::Firing).await?;
    }
    let _service = world.serve(&[])?;
    for sent in 1..=3 {
        world.at((sent - 1) * 1_000).await?;
        world
            .until("one more", |all| {
                all.iter().filter(|one| one.state == "sent" && one.receiver == "channel").count() == sent as usize
            })
            .await?;
        world.looked().await?;
        assert_eq!(world.inbox.at_path("/hook").len(), sent as usize, "one a second");
    }
    let bot = json!({ "token": "xoxb-1", "channel": "C1", "api_url": world.inbox.at("/api") });
    let bot = world.receiver("bot", Kind::Slack, bot, false).await?;
    let alert = world.alert("d").await?;
    for (after, message) in [(10_000, Message::Firing), (20_000, Message::Acknowledged), (30_000, Message::Resolved)] {
        world.at(after).await?;
        world.tell(alert, bot, message).await?;
        world.until("the bot", |all| all.last().is_some_and(|one| one.state == "sent")).await?;
    }
    let first = world.inbox.only("/api/chat.postMessage")?;
    assert_eq!((&first.body["channel"], first.headers["authorization"].to_str()?), (&json!("C1"), "Bearer xoxb-1"));
    let changes = world.inbox.at_path("/api/chat.update");
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| change.body["ts"] == "17.5" && change.body["channel"] == "C1"));
    Ok(())
}

#[tokio::test]
async fn letters_carry_a_page_under_its_key() -> Result<()> {
    let mut world = World::new().await?;
    let mailbox = Mailbox::start().await?;
    let to = world.receiver("mail", Kind::Email, json!({ "to": ["dana@test.example"] }), false).await?;
    let refused = world.receiver("no", Kind::Email, json!({ "to": ["refused@test.example"] }), false).await?;
    let alert = world.alert("a").await?;
    let key = world.tell(alert, to, Message::Firing).await?;
    world.tell(alert, refused, Message::Firing).await?;
    let _service = world.serve(&["--smtp-url", &mailbox.url(), "--mail-from", "Headroom <headroom@test.example>"])?;
    let letter = mailbox.letter(0).await?;
    assert_eq!(letter.to, "dana@test.example");
    for part in ["Subject: [Headroom PAGE] Firing: pool-a: 20x budget burn", &format!("Message-ID: <{key}.0@headroom>")]
    {
        assert!(letter.text.contains(part), "{part}: {}", letter.text);
    }
    world.until("both", |all| states(all) == [("firing", "sent"), ("firing", "dead")]).await?;
    Ok(())
}

#[tokio::test]
async fn an_alertmanager_and_a_watchdog_are_told_every_minute_by_one_of_several_servers() -> Result<()> {
    let mut world = World::new().await?;
    let settings = json!({ "url": world.inbox.at("/am"), "authorization": "Bearer abc" });
    world.receiver("am", Kind::Alertmanager, settings, false).await?;
    world.receiver("dog", Kind::Watchdog, json!({ "url": world.inbox.at("/dog") }), false).await?;
    let (firing, silenced) = (world.alert("saturation-burn").await?, world.alert("hidden").await?);
    sqlx::query("UPDATE alert SET silence_id = 1 WHERE alert_id = $1").bind(silenced).execute(&mut world.conn).await?;
    let _services = [world.serve(&[])?, world.serve(&[])?];
    let push = world.inbox.post("/am/api/v2/alerts", 0).await?;
    world.inbox.post("/dog", 0).await?;
    assert_eq!(push.headers["authorization"].to_str()?, "Bearer abc");
    assert_eq!(push.body.as_array().map(Vec::len), Some(1), "a silenced alert is none: {}", push.body);
    assert_eq!(push.body[0]["labels"]["alertname"], "SaturationBurn");
    assert_eq!(push.body[0]["endsAt"], "2026-11-26T10:04:00Z");
    world.rested().await?;
    world.at(59_999).await?;
    world.looked().await?;
    world.looked().await?;
    assert_eq!((world.inbox.at_path("/dog").len(), world.inbox.at_path("/am/api/v2/alerts").len()), (1, 1));
    let mut over = Alert::new(T0, None);
    (over.condition, over.resolved_ms, over.fired_ms) = (Condition::Resolved, Some(T0 + 50_000), Some(T0));
    sqlx::query(
        "UPDATE alert SET condition = 'resolved', workflow = 'closed', resolved_at = hr_now(), state = $2 WHERE alert_id = $1",
    )
    .bind(firing)
    .bind(Json(&over))
    .execute(&mut world.conn)
    .await?;
    world.at(60_000).await?;
    let push = world.inbox.post("/am/api/v2/alerts", 1).await?;
    world.inbox.post("/dog", 1).await?;
    let over =
        push.body.as_array().and_then(|all| all.iter().find(|one| one["labels"]["alertname"] == "SaturationBurn"));
    assert_eq!(over.context("it is told again")?["endsAt"], "2026-11-26T10:00:50Z");
    world.rested().await?;
    world.at(17 * MINUTE).await?;
    let push = world.inbox.post("/am/api/v2/alerts", 2).await?;
    let names: Vec<_> =
        push.body.as_array().into_iter().flatten().map(|one| one["labels"]["alertname"].clone()).collect();
    assert!(!names.contains(&json!("SaturationBurn")), "it was over a quarter of an hour ago: {names:?}");
    Ok(())
}

#[tokio::test]
async fn who_takes_a_message_and_answers_too_late_gets_it_again_and_the_rest_at_once() -> Result<()> {
    let mut world = World::new().await?;
    world.inbox.answer(|_, _, number| Reply {
        after: Duration::from_secs(if number == 1 { 11 } else { 0 }),
        ..Reply::status(200)
    });
    let hook = world.webhook("hook").await?;
    let mut keys = BTreeSet::new();
    for name in ["a", "b"] {
        let alert = world.alert(name).await?;
        keys.insert(world.tell(alert, hook, Message::Firing).await?);
    }
    let _service = world.serve(&[])?;
    let is_late = |one: &Notification| one.last_error.as_deref() == Some("no answer within 10 s");
    world.until("no answers", |all| all.iter().all(is_late)).await?;
    // The second one's turn would come much later, but its receiver is there again.
    sqlx::query("UPDATE notification SET due_at = hr_now() + interval '5 minutes' WHERE key <> $1")
        .bind(keys.first())
        .execute(&mut world.conn)
        .await?;
    world.at(1_000).await?;
    world.until("the end", |all| all.iter().all(|one| one.state == "sent" && one.attempts == 2)).await?;
    let twice = taken(&world.inbox);
    assert!(twice.keys().eq(&keys) && twice.values().all(|count| *count == 2), "{twice:?}");
    Ok(())
}

/// So many messages to ten receivers, each about its own alert.
async fn many(world: &mut World, count: usize) -> Result<BTreeSet<String>> {
    let mut receivers = Vec::new();
    for number in 0..10 {
        receivers.push(world.webhook(&format!("hook-{number}")).await?);
    }
    let mut keys = BTreeSet::new();
    for number in 0..count {
        let alert = world.alert(&format!("rule-{number}")).await?;
        keys.insert(world.tell(alert, receivers[number % 10], Message::Firing).await?);
    }
    Ok(keys)
}

/// A receiver of which every third message is refused the first time.
fn moody(inbox: &Inbox) {
    inbox.answer(|_, key, number| {
        let is_bad_day = key.bytes().last().is_some_and(|byte| byte % 3 == 0) && number == 1;
        Reply { after: Duration::from_millis(15), ..Reply::status(if is_bad_day { 503 } else { 200 }) }
    });
}

/// Keys that a receiver has taken, each with how often.
fn taken(inbox: &Inbox) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for post in inbox.posts().iter().filter(|post| post.status == 200) {
        *taken.entry(post.key().to_owned()).or_default() += 1;
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_one_of_them_killed_lose_nothing() -> Result<()> {
    const COUNT: usize = 300;
    let mut world = World::new().await?;
    // The clock runs, and can be moved.
    sqlx::query("DELETE FROM test_clock").execute(&mut world.conn).await?;
    headroom_store::set_test_clock(&mut world.conn, 0).await?;
    moody(&world.inbox);
    let keys = many(&mut world, COUNT).await?;
    let mut services = vec![world.serve(&[])?, world.serve(&[])?, world.serve(&[])?];
    let deadline = Instant::now() + Duration::from_mins(1);
    while world.inbox.posts().len() < COUNT / 4 {
        ensure!(Instant::now() < deadline, "nothing is sent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    services.remove(0).kill()?;
    // Its leases run out.
    headroom_store::set_test_clock(&mut world.conn, 31_000).await?;
    world.until("all of them", |all| all.iter().all(|one| one.state == "sent")).await?;
    let taken = taken(&world.inbox);
    assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), keys, "each was taken, and nothing else");
    let twice = taken.values().filter(|count| **count > 1).count();
    println!("{COUNT} messages, {twice} of them taken twice under the same key");
    ensure!(twice <= 16, "only what the dead one had under way comes twice: {twice}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marking_before_sending_would_lose_messages() -> Result<()> {
    const COUNT: usize = 60;
    let mut world = World::new().await?;
    moody(&world.inbox);
    let keys = many(&mut world, COUNT).await?;
    let mut command = command(&["serve", "--test-clock", "--database-url", world.database.url()])?;
    command.arg("--allow-private-receivers").env("HEADROOM_NEGATIVE_CONTROL", "delivery");
    let _service = Service::spawn(command)?;
    world.until("marks", |all| all.iter().all(|one| one.state == "sent")).await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.inbox.posts().len() < COUNT {
        ensure!(Instant::now() < deadline, "only {} were sent", world.inbox.posts().len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.at(60 * MINUTE).await?;
    world.looked().await?;
    let lost = keys.len() - taken(&world.inbox).keys().filter(|key| keys.contains(*key)).count();
    ensure!(lost >= 1, "without its safeguard nothing was lost: the test sees nothing");
    Ok(())
}

#[tokio::test]
async fn receivers_are_made_changed_and_tried_and_their_secrets_are_told_nowhere() -> Result<()> {
    const SECRET: &str = "a-secret-of-16-or-more";
    let mut world = World::new().await?;
    let service = world.serve(&[])?;
    let client = Client::new(service.url())?;
    let path = "/api/v1/receivers/on-call";
    let url = world.inbox.at("/hook");
    let body = json!({
        "name": "On call", "kind": "webhook", "lanes": ["page"], "owners": ["platform"], "failover": true,
        "settings": { "url": url, "secret": SECRET },
    });
    let made = client.post("/api/v1/receivers", &body).await?.expect(201)?;
    let out = made.json()?;
    assert_eq!((&out["slug"], &out["lanes"], &out["enabled"]), (&json!("on-call"), &json!(["page"]), &json!(true)));
    assert_eq!((&out["settings"], &out["secrets"]), (&json!({ "url": url }), &json!({ "secret": true })));
    client.post("/api/v1/receivers", &body).await?.problem(409)?;

    let change =
        json!({ "version": 1, "name": "On call", "kind": "webhook", "settings": { "url": world.inbox.at("/new") } });
    let changed = client.put(path, &change).await?.expect(200)?;
    assert_eq!((&changed.json()?["version"], &changed.json()?["secrets"]), (&json!(2), &json!({ "secret": true })));
    client.put(path, &change).await?.problem(409)?;
    let elsewhere =
        json!({ "version": 2, "name": "On call", "kind": "webhook", "settings": { "url": "http://10.0.0.1/" } });
    let problem = client.put(path, &elsewhere).await?.problem(422)?;
    assert_eq!(problem["errors"][0]["field"], "settings.secret", "{problem}");
    let wrong =
        json!({ "name": "", "kind": "pagerduty", "lanes": [], "settings": { "routing_key": "hush-hush", "x": 1 } });
    let problem = client.post("/api/v1/receivers", &wrong).await?.problem(422)?;
    let fields: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(|one| one["field"].clone()).collect();
    assert_eq!(fields, ["name", "lanes", "settings", "settings.routing_key"], "{problem}");
    assert!(!problem.to_string().contains("hush"), "{problem}");
    for (field, body) in [
        ("kind", json!({ "name": "x", "kind": "pigeon" })),
        ("kind", json!({ "name": "x", "kind": "email", "settings": { "to": ["a@b.example"] } })),
        ("lanes", json!({ "name": "x", "kind": "watchdog", "lanes": ["street"] })),
        ("failover", json!({ "name": "x", "kind": "watchdog", "failover": true, "settings": { "url": url } })),
        ("account", json!({ "name": "x", "kind": "watchdog", "account": "me", "settings": { "url": url } })),
        ("settings.url", json!({ "name": "x", "kind": "watchdog", "settings": { "url": "http://a\u{0}b.example/" } })),
        ("settings.url", json!({ "name": "x", "kind": "watchdog", "settings": { "url": "http://169.254.169.254/" } })),
    ] {
        let problem = client.post("/api/v1/receivers", &body).await?.problem(422)?;
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
    }

    let tried = client.post(&format!("{path}/test"), &json!({})).await?.expect(202)?.json()?;
    let post = world.inbox.post("/new", 0).await?;
    assert_eq!((&post.body["message"], post.key()), (&json!("test"), tried[0]["key"].as_str().context("a key")?));
    world.until("the test", |all| all[0].state == "sent").await?;
    let shown = client.get(path).await?.expect(200)?.json()?;
    assert!(shown["last_ok_at"].is_string() && shown["failures"] == 0, "{shown}");

    // While something waits, its receiver stays.
    world.inbox.answer(|_, _, _| Reply::status(500));
    client.post(&format!("{path}/test"), &json!({})).await?.expect(202)?;
    world.until("a failure", |all| all[1].last_status == Some(500)).await?;
    let shown = client.get(path).await?.expect(200)?.json()?;
    assert_eq!((&shown["failures"], &shown["last_error"]), (&json!(1), &json!("answered 500")));
    client.send(http::Method::DELETE, path, &[], None).await?.problem(409)?;
    world.inbox.answer(|_, _, _| Reply::status(200));
    world.at(5_000).await?;
    world.until("its end", |all| all[1].state == "sent").await?;
    client.send(http::Method::DELETE, path, &[], None).await?.expect(204)?;
    client.get(path).await?.problem(404)?;

    let trail: Vec<(String, Option<Value>)> = sqlx::query_as(
        "SELECT action, coalesce(before, 'null') || coalesce(after, 'null') FROM audit WHERE object = 'receiver' ORDER BY audit_id",
    )
    .fetch_all(&mut world.conn)
    .await?;
    assert_eq!(
        trail.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(),
        ["create", "update", "test", "test", "delete"]
    );
    let all = format!("{trail:?}{}{out}{shown}", service.log());
    assert!(!all.contains(SECRET), "no secret is told");
    Ok(())
}

#[tokio::test]
async fn without_the_setting_nothing_inside_is_called() -> Result<()> {
    let mut world = World::new().await?;
    let hook = world.webhook("hook").await?;
    let named = json!({ "url": world.inbox.at("/x").replace("127.0.0.1", "localhost"), "secret": "0123456789abcdef" });
    let named = world.receiver("named", Kind::Webhook, named, false).await?;
    let alert = world.alert("a").await?;
    for receiver in [hook, named] {
        world.tell(alert, receiver, Message::Firing).await?;
    }
    let service = Service::start(&["serve", "--test-clock", "--database-url", world.database.url()])?;
    let all = world.until("both", |all| all.iter().all(|one| one.state == "dead")).await?;
    for one in &all {
        let reason = one.last_error.as_deref().unwrap_or_default();
        assert!(reason.contains("an address on the public internet"), "{reason}");
    }
    assert!(world.inbox.posts().is_empty());
    let body = json!({ "name": "x", "kind": "watchdog", "settings": { "url": world.inbox.url() } });
    let problem = Client::new(service.url())?.post("/api/v1/receivers", &body).await?.problem(422)?;
    let expected = problem["errors"][0]["expected"].as_str().unwrap_or_default();
    assert!(expected.contains("--allow-private-receivers"), "{problem}");
    Ok(())
}
