//! Two servers share a database, and one of them after the other is killed at moments that are spread over its work: what is
//! decided and told is what one server that nobody touches decides and tells.

use anyhow::{Result, ensure};
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::window::Lane;
use headroom_store::receiver::{self, Fields};
use headroom_store::sli;
use headroom_tests::alerts::{World, at};
use headroom_tests::inbox::{Inbox, Reply};
use headroom_tests::night::{judged, serve};
use headroom_tests::service::{Service, command};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const MINUTES: i64 = 30;
/// Enough for what only has to go wrong.
const SHORT: i64 = 13;
const POOLS: [&str; 4] = ["steady", "burst", "outage", "calm"];
/// Kills come so long after a minute is there to be judged, and up to this much later: the engine looks every second.
const SPREAD_MS: u64 = 1_400;

/// What is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// One server, left alone.
    Calm,
    /// Two, of which one is killed every minute.
    Killed,
    /// The same, with a server that does one thing in the wrong order.
    Careless(&'static str),
}

/// What was decided, and how often a receiver has taken each message.
#[derive(Debug)]
struct Outcome {
    decided: Vec<String>,
    keys: Vec<String>,
    taken: BTreeMap<String, usize>,
}

/// Slices of a minute, as a source sends them.
async fn send(world: &mut World, minute: i64) -> Result<()> {
    let this = minute - 1..minute;
    let bad = |pool: &str| match pool {
        // Twenty times the sustainable rate: a page at minute 25.
        "steady" => 2,
        // All of a sudden, twice.
        "burst" if minute == 4 || minute == 18 => 100,
        "outage" if (7..=12).contains(&minute) => 1_000,
        _ => 0,
    };
    for pool in POOLS {
        world.slices(pool, None, Sli::Saturation, this.clone(), bad(pool), 1_000).await?;
    }
    Ok(())
}

async fn world() -> Result<(World, Inbox)> {
    let mut world = World::create(&POOLS, &[]).await?;
    let inbox = Inbox::start().await?;
    // Every third message is refused the first time.
    inbox.answer(|_, key, number| {
        let is_bad_day = key.bytes().last().is_some_and(|byte| byte % 3 == 0) && number == 1;
        Reply { after: Duration::from_millis(400), ..Reply::status(if is_bad_day { 503 } else { 200 }) }
    });
    for pool in POOLS {
        world.clean(pool).await?;
    }
    for (slug, lanes) in [("pager", vec![Lane::Page]), ("tracker", vec![Lane::Page, Lane::Ticket])] {
        let fields = Fields {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            kind: Kind::Webhook,
            settings: json!({ "url": inbox.at(&format!("/{slug}")), "secret": "0123456789abcdef" }),
            lanes,
            owners: Vec::new(),
            account: None,
            is_failover: false,
            enabled: true,
        };
        receiver::create(&mut world.conn, &fields).await?;
    }
    Ok((world, inbox))
}

/// Waits until a minute of the pool that bursts counts as judged.
async fn marked(world: &mut World, minute: i64) -> Result<()> {
    let pool = world.pool("burst").await?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while sli::marks(&mut world.conn, &[pool]).await?.get(&pool).is_none_or(|mark| mark.watermark < at(minute)) {
        ensure!(Instant::now() < deadline, "minute {minute} is not judged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn run(fate: Fate) -> Result<Outcome> {
    let (mut world, inbox) = world().await?;
    world.hold(0, 0).await?;
    let start = |world: &World| {
        let mut command = command(&serve(world))?;
        if let Fate::Careless(what) = fate {
            command.env("HEADROOM_NEGATIVE_CONTROL", what);
        }
        Service::spawn(command)
    };
    let count = if fate == Fate::Calm { 1 } else { 2 };
    let mut services = Vec::new();
    for _ in 0..count {
        services.push(start(&world)?);
    }
    judged(&mut world, 0).await?;
    let minutes = if matches!(fate, Fate::Careless(_)) { SHORT } else { MINUTES };
    for minute in 1..=minutes {
        send(&mut world, minute).await?;
        world.hold(minute, 0).await?;
        match fate {
            Fate::Calm => {}
            Fate::Careless("engine") => {
                // Both, as soon as the minute counts as judged.
                marked(&mut world, minute).await?;
                for service in services.drain(..) {
                    service.kill()?;
                }
            }
            _ => {
                // Spread evenly, and the same in each run: a golden step visits all parts of a span.
                let after = (minute.unsigned_abs() * 865) % SPREAD_MS;
                tokio::time::sleep(Duration::from_millis(after)).await;
                services.remove(0).kill()?;
            }
        }
        if services.len() < count {
            world.end_leases().await?;
        }
        while services.len() < count {
            services.push(start(&world)?);
        }
        judged(&mut world, minute).await?;
    }
    // Nobody is killed any more; what failed once is due again a little later.
    for ms in (5_000..=55_000).step_by(5_000) {
        world.hold(minutes, ms).await?;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    world.all_told(None).await?;
    let decided = world.decided().await?;
    let keys = sqlx::query_scalar("SELECT key FROM notification ORDER BY key").fetch_all(&mut world.conn).await?;
    for service in services {
        service.stop()?;
    }
    let mut taken = BTreeMap::new();
    for post in inbox.posts().iter().filter(|post| post.status == 200) {
        *taken.entry(post.key().to_owned()).or_insert(0) += 1;
    }
    world.database.remove().await?;
    Ok(Outcome { decided, keys, taken })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_loses_nothing_and_decides_nothing_else() -> Result<()> {
    let calm = run(Fate::Calm).await?;
    let began = |line: &&String| {
        line.contains("\"pager\"") && (line.contains("\"firing\"") || line.contains("\"reopened\", \"created_at"))
    };
    assert_eq!(calm.decided.iter().filter(began).count(), 4, "what the slices page for: {:#?}", calm.decided);
    // The clock jumps over leases, so what is being sent meanwhile may come twice here as well.
    ensure!(calm.keys.iter().all(|key| calm.taken.contains_key(key)), "{:?}", calm.taken);
    let killed = run(Fate::Killed).await?;
    for (one, other) in killed.decided.iter().zip(&calm.decided) {
        assert_eq!(one, other, "whoever is killed decides nothing else");
    }
    assert_eq!(killed.decided.len(), calm.decided.len(), "{:#?} {:#?}", killed.decided, calm.decided);
    assert_eq!(killed.keys, calm.keys, "each message has one key");
    let lost: Vec<&String> = killed.keys.iter().filter(|key| !killed.taken.contains_key(*key)).collect();
    ensure!(lost.is_empty(), "lost: {lost:?}");
    let extra: Vec<&String> = killed.taken.keys().filter(|key| !killed.keys.contains(key)).collect();
    ensure!(extra.is_empty(), "told under a key that is nobody's: {extra:?}");
    let twice = killed.taken.values().filter(|times| **times > 1).count();
    println!("{} messages, {twice} of them taken twice under the same key", killed.keys.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marking_a_minute_as_judged_before_it_is_written_would_lose_alerts() -> Result<()> {
    let careless = run(Fate::Careless("engine")).await?;
    let began = careless.decided.iter().any(|line| line.contains("\"fired\"") && line.contains("12:04:16"));
    ensure!(!began, "without its safeguard nothing was lost: the test sees nothing: {:#?}", careless.decided);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marking_a_message_before_it_is_sent_would_lose_it() -> Result<()> {
    let careless = run(Fate::Careless("delivery")).await?;
    let lost = careless.keys.iter().filter(|key| !careless.taken.contains_key(*key)).count();
    ensure!(lost >= 1, "without its safeguard nothing was lost: the test sees nothing");
    Ok(())
}
