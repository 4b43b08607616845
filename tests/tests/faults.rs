//! Claims while things are broken: PostgreSQL gone, hanging or late, a server cut off from it, clocks that are wrong, more claims
//! than can be served.

use anyhow::{Result, ensure};
use headroom_tests::checker::{Violation, check};
use headroom_tests::claims::{Durable, Recorder};
use headroom_tests::client::Client;
use headroom_tests::fault_proxy::{Fault, FaultProxy};
use headroom_tests::service::Service;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PATH: &str = "/api/v1/pools/lanes/claims";

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    while !holds().await? {
        ensure!(started.elapsed() < limit, "{what} did not come within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(started.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql_claims_are_told_so_and_come_back_with_it() -> Result<()> {
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, 10, json!({})).await?;
    let before = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?.expect(201)?.json()?;
    durable.kill()?;
    let mut refused = 0;
    // PostgreSQL is brought back by its keeper; until then every answer is a problem with a time to come back.
    let back = until("PostgreSQL", Duration::from_secs(30), async || {
        let asked = Instant::now();
        let answer = client.post(PATH, &json!({ "tenant": "beta", "ttl_ms": 1_000 })).await?;
        ensure!(asked.elapsed() < Duration::from_secs(3), "an answer took {:?}", asked.elapsed());
        if answer.status == 201 {
            return Ok(true);
        }
        let problem = answer.problem(503)?;
        ensure!(!answer.header("retry-after").is_empty(), "{problem}");
        assert_eq!(client.get("/healthz").await?.status, 200, "the server itself is well");
        refused += 1;
        Ok(false)
    })
    .await?;
    println!("{refused} claims were refused in {back:?}");
    let id = before["claim"].as_str().unwrap_or_default();
    let renewed = client.post(&format!("{PATH}/{id}/renew"), &json!({})).await?.expect(200)?.json()?;
    assert_eq!(renewed["slots"], before["slots"], "what was held is held still");
    until("readiness", Duration::from_secs(5), async || Ok(client.get("/readyz").await?.status == 200)).await?;
    ensure!(!server.log().contains("panicked"), "{}", server.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_refuses_and_the_other_goes_on() -> Result<()> {
    let durable = Durable::start().await?;
    let proxy = FaultProxy::before(&durable.socket_folder()).await?;
    let cut_off = Service::start(&["serve", "--database-url", &proxy.url(&durable.url())?])?;
    let client = Client::new(cut_off.url())?;
    durable.prepare(&client, 10, json!({})).await?;
    let first = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?.expect(201)?.json()?;
    let other = durable.serve(None)?;
    let there = Client::new(other.url())?;
    there.post(PATH, &json!({ "tenant": "acme" })).await?.expect(201)?;
    proxy.set(Fault::Cut);
    let refused = client.post(PATH, &json!({ "tenant": "acme" })).await?;
    ensure!(refused.status == 503 || refused.status == 401, "{}: {}", refused.status, refused.body);
    let took = until("a takeover", Duration::from_secs(20), async || {
        Ok(there.post(PATH, &json!({ "tenant": "beta" })).await?.status == 201)
    })
    .await?;
    println!("the other server went on after {took:?}");
    proxy.set(Fault::None);
    // Back, and no owner any more: what it is asked it passes on, and what was held is held.
    until("the way back", Duration::from_secs(20), async || {
        Ok(client.post(PATH, &json!({ "tenant": "acme" })).await?.status == 201)
    })
    .await?;
    let id = first["claim"].as_str().unwrap_or_default();
    client.post(&format!("{PATH}/{id}/release"), &json!({})).await?.expect(200)?;
    let slots = there.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
    let held = slots["states"].as_str().unwrap_or_default().matches('o').count();
    assert_eq!(held, 3, "{slots}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_was_granted_to_nobody_any_more_is_free_again() -> Result<()> {
    let durable = Durable::start().await?;
    let proxy = FaultProxy::before(&durable.socket_folder()).await?;
    let server = Service::start(&["serve", "--database-url", &proxy.url(&durable.url())?])?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, 3, json!({})).await?;
    client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 60_000 })).await?.expect(201)?;
    let held = async || {
        let slots = client.get("/api/v1/pools/lanes/slots").await?.expect(200)?.json()?;
        anyhow::Ok(slots["states"].as_str().unwrap_or_default().matches('o').count())
    };
    // The caller hangs up while its statement is under way; a machine that is slow may not have begun it by then.
    let mut was_given_back = false;
    for _ in 0..10 {
        proxy.set_for("headroom slots", Fault::Late(Duration::from_millis(400)));
        let asked = json!({ "tenant": "beta", "ttl_ms": 60_000 });
        let answer = tokio::time::timeout(Duration::from_millis(200), client.post(PATH, &asked)).await;
        ensure!(answer.is_err(), "it was answered before the database was asked");
        tokio::time::sleep(Duration::from_millis(800)).await;
        proxy.set(Fault::None);
        let events = client.get("/api/v1/slot-events?pool=lanes&kind=reconcile").await?.expect(200)?.body;
        was_given_back = events.contains("the caller went away");
        if was_given_back {
            break;
        }
    }
    ensure!(was_given_back, "it was never granted to nobody");
    let took = until("a free slot", Duration::from_secs(5), async || Ok(held().await? == 1)).await?;
    println!("free {took:?} later");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_waiting_claims_than_there_is_room_for_are_refused_and_leave_nothing() -> Result<()> {
    let durable = Durable::start().await?;
    let server = durable.serve(None)?;
    let client = Client::new(server.url())?;
    durable.prepare(&client, 1, json!({ "queue_limit": 50 })).await?;
    let held = client.post(PATH, &json!({ "tenant": "acme" })).await?.expect(201)?.json()?;
    let asked = (0..200).map(|_| {
        let client = client.clone();
        async move { client.post(PATH, &json!({ "tenant": "beta", "wait_ms": 1_500 })).await }
    });
    let answers = futures::future::join_all(asked).await;
    let mut reasons = BTreeMap::new();
    for answer in answers {
        let answer = answer?;
        let problem = answer.problem(429)?;
        ensure!(!answer.header("retry-after").is_empty(), "{problem}");
        *reasons.entry(problem["reason"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(reasons.get("waited-too-long"), Some(&50), "{reasons:?}");
    assert_eq!(reasons.values().sum::<i32>(), 200, "{reasons:?}");
    let id = held["claim"].as_str().unwrap_or_default();
    client.post(&format!("{PATH}/{id}/release"), &json!({})).await?.expect(200)?;
    let live = until("an empty queue", Duration::from_secs(5), async || {
        let live = client.get("/api/v1/pools/lanes/live").await?;
        Ok(live.status == 200 && live.json()?["queued"] == 0 && live.json()?["occupied"] == 0)
    });
    live.await?;
    Ok(())
}

/// A claim is answered within a second; the rest is for a machine that does other things too.
const IN_TIME: Duration = Duration::from_millis(2_500);
/// Connections of the allocator say this name.
const ALLOCATOR: &str = "headroom slots";

/// What came of many calls.
#[derive(Debug, Default)]
struct Told {
    /// Answers by status and outcome.
    answers: BTreeMap<(u16, bool), usize>,
    slowest: Duration,
}

impl Told {
    fn unknown(&self) -> usize {
        self.answers.get(&(503, true)).copied().unwrap_or_default()
    }
}

/// Claims, renewals and releases, one after the other, for a while; each must be answered in time, or be told when to come back.
async fn ask_all_the_time(client: &Client, claim: &str, how_long: Duration) -> Result<Told> {
    let mut told = Told::default();
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        let renew = format!("{PATH}/{claim}/renew");
        // A claim that nobody holds any more is released in vain, after the same way through the allocator.
        let release = format!("{PATH}/{}/release", uuid::Uuid::nil());
        let claimed = json!({ "tenant": "beta", "ttl_ms": 1_000 });
        for (path, body) in [(PATH, claimed), (renew.as_str(), json!({})), (release.as_str(), json!({}))] {
            let asked = Instant::now();
            let answer = client.post(path, &body).await?;
            let took = asked.elapsed();
            ensure!(took < IN_TIME, "{path} was answered with {} after {took:?}", answer.status);
            told.slowest = told.slowest.max(took);
            let is_unknown = answer.status == 503 && answer.problem(503)?["outcome"] == "unknown";
            ensure!(answer.status != 503 || !answer.header("retry-after").is_empty(), "{}", answer.body);
            ensure!(answer.status < 500 || answer.status == 503, "{}: {}", answer.status, answer.body);
            *told.answers.entry((answer.status, is_unknown)).or_default() += 1;
        }
    }
    Ok(told)
}

/// Whether the server itself answers all the time, though its database does not.
async fn stays_well(client: &Client, how_long: Duration) -> Result<Duration> {
    let until = Instant::now() + how_long;
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        let asked = Instant::now();
        client.get("/healthz").await?.expect(200)?;
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(slowest < Duration::from_secs(1), "/healthz took {slowest:?}");
    Ok(slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_or_is_late_is_told_in_time() -> Result<()> {
    let durable = Durable::start().await?;
    let proxy = FaultProxy::before(&durable.socket_folder()).await?;
    let server = Service::start(&["serve", "--database-url", &proxy.url(&durable.url())?])?;
    // A program's requests have a token and no cookie.
    let client = Client::nobody(server.url())?.with_token(headroom_tests::people::TOKEN);
    durable.prepare(&client, 40, json!({})).await?;
    let held = client.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 600_000 })).await?.expect(201)?.json()?;
    let id = held["claim"].as_str().unwrap_or_default();
    let recorder = Arc::new(Recorder::default());
    let servers = Arc::new(Mutex::new(vec![client.clone()]));
    let mut tasks = JoinSet::new();
    for seed in 0..8 {
        let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
        tasks.spawn(async move { recorder.client(seed, &servers).await });
    }
    let late = Fault::Late(Duration::from_secs(2));
    // The allocator's connections alone, so that every call comes as far as the allocator; and all.
    for (name, fault) in [(Some(ALLOCATOR), late), (Some(ALLOCATOR), Fault::Stall), (None, late), (None, Fault::Stall)]
    {
        let how_long = Duration::from_secs(4);
        tokio::time::sleep(Duration::from_millis(500)).await;
        match name {
            Some(name) => proxy.set_for(name, fault),
            None => proxy.set(fault),
        }
        let others = async {
            let asked = Instant::now();
            let answer = client.get("/api/v1/pools").await?;
            Ok::<_, anyhow::Error>((answer.status, asked.elapsed()))
        };
        let (told, well, other) =
            tokio::join!(ask_all_the_time(&client, id, how_long), stays_well(&client, how_long), others);
        let (told, well, other) = (told?, well?, other?);
        println!("{name:?} {fault:?}: {told:?}, /healthz at most {well:?}, GET /pools {other:?}");
        if name.is_some() {
            ensure!(told.unknown() > 0, "nothing hung in the allocator: {told:?}");
            ensure!(other.0 == 200 && other.1 < IN_TIME, "the allocator's trouble is everybody's: {other:?}");
        }
        proxy.set(Fault::None);
        let back = until("the way back", Duration::from_secs(10), async || {
            Ok(client.post(PATH, &json!({ "tenant": "beta", "ttl_ms": 1_000 })).await?.status == 201)
        })
        .await?;
        until("a page's data", Duration::from_secs(10), async || Ok(client.get("/api/v1/pools").await?.status == 200))
            .await?;
        println!("granted again after {back:?}");
    }
    let renewed = client.post(&format!("{PATH}/{id}/renew"), &json!({})).await?.expect(200)?.json()?;
    assert_eq!(renewed["slots"], held["slots"], "what was held is held still");
    recorder.stop.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    let (violations, acknowledged) = checked(&durable, &recorder).await?;
    ensure!(violations.is_empty(), "{:#?}", violations.iter().take(20).collect::<Vec<_>>());
    ensure!(acknowledged > 200, "{acknowledged}: the test does not test what it says");
    ensure!(!server.log().contains("panicked"), "{}", server.log());
    Ok(())
}

/// What the checker says of all that was told and stored.
async fn checked(durable: &Durable, recorder: &Recorder) -> Result<(Vec<Violation>, usize)> {
    let mut history = recorder.history();
    history.extend(durable.end().await?);
    Ok(check(&history))
}

/// A server's statements are held back until another server has its pool and gave the slots to others; then they arrive. Gives
/// what the checker found, and how many of the others lost their slot.
async fn statements_that_come_too_late(without: Option<&str>) -> Result<(Vec<Violation>, usize)> {
    let durable = Durable::start().await?;
    let proxy = FaultProxy::before(&durable.socket_folder()).await?;
    let mut command = headroom_tests::service::command(&["serve", "--database-url", &proxy.url(&durable.url())?])?;
    if let Some(safeguard) = without {
        command.env("HEADROOM_NEGATIVE_CONTROL", safeguard);
    }
    let slow = Service::spawn(command)?;
    let client = Client::new(slow.url())?;
    durable.prepare(&client, 20, json!({ "ttl_ms": 2_000 })).await?;
    let quick = durable.serve(without)?;
    let other = Client::new(quick.url())?;
    let recorder = Arc::new(Recorder::default());
    let servers = Arc::new(Mutex::new(vec![client.clone()]));
    let mut tasks = JoinSet::new();
    for seed in 0..24 {
        let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
        tasks.spawn(async move { recorder.client(seed, &servers).await });
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    // Answers still arrive, so that the next statement is sent: it is the one that comes too late.
    proxy.set_for(ALLOCATOR, Fault::Hold);
    tokio::time::sleep(Duration::from_millis(200)).await;
    *servers.lock().map_err(|_| anyhow::anyhow!("a client panicked"))? = vec![other.clone()];
    until("a takeover", Duration::from_secs(20), async || {
        Ok(other.post(PATH, &json!({ "tenant": "beta", "holder": "probe", "ttl_ms": 1_000 })).await?.status == 201)
    })
    .await?;
    recorder.stop.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    // Somebody has every slot, so that whatever is taken now is somebody's.
    let mut keepers: Vec<String> = Vec::new();
    until("a full pool", Duration::from_secs(20), async || {
        let held = json!({ "tenant": "acme", "holder": "keeper", "ttl_ms": 60_000 });
        let answer = other.post(PATH, &held).await?;
        if answer.status == 201 {
            keepers.push(answer.json()?["claim"].as_str().unwrap_or_default().to_owned());
        }
        Ok(keepers.len() == 20)
    })
    .await?;
    proxy.set(Fault::None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut robbed = 0;
    for claim in keepers {
        let answer = other.post(&format!("{PATH}/{claim}/renew"), &json!({ "ttl_ms": 60_000 })).await?;
        robbed += usize::from(answer.status != 200);
    }
    Ok((checked(&durable, &recorder).await?.0, robbed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_come_too_late_change_nothing() -> Result<()> {
    let (violations, robbed) = statements_that_come_too_late(None).await?;
    assert_eq!(robbed, 0, "holders lost their slots");
    ensure!(violations.is_empty(), "{:#?}", violations.iter().take(20).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_statements_that_come_too_late_take_slots_from_others() -> Result<()> {
    for _ in 0..4 {
        let (violations, robbed) = statements_that_come_too_late(Some("fence")).await?;
        if robbed > 0 {
            println!("without the fence {robbed} holders lost their slots, and {} rules were broken", violations.len());
            return Ok(());
        }
    }
    anyhow::bail!("without its safeguard nothing went wrong: the test sees nothing")
}

/// Where Debian keeps the library that lies to a program about the time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// A server whose clocks are wrong: the time of day by as much as is said, or all of them too quick or too slow.
fn with_wrong_clocks(durable: &Durable, lie: &str) -> Result<Service> {
    let mut command = headroom_tests::service::command(&["serve", "--database-url", &durable.url()])?;
    command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", lie).env("FAKETIME_NO_CACHE", "1");
    if !lie.contains('x') {
        // A clock that is set wrong; it runs as others do.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
    Service::spawn(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_of_servers_do_not_matter() -> Result<()> {
    const TTL: Duration = Duration::from_secs(3);
    if !std::path::Path::new(FAKETIME).exists() {
        println!("SKIPPED: there is no {FAKETIME}; Debian has it in the package faketime");
        return Ok(());
    }
    for lie in ["+1h", "-1h", "+0 x2", "+0 x0.5"] {
        let durable = Durable::start().await?;
        // The first one there decides about the pool.
        let wrong = with_wrong_clocks(&durable, lie)?;
        let owner = Client::new(wrong.url())?;
        durable.prepare(&owner, 40, json!({})).await?;
        let right = durable.serve(None)?;
        let other = Client::new(right.url())?;
        let asked = Instant::now();
        let held = owner.post(PATH, &json!({ "tenant": "acme", "ttl_ms": 3_000 })).await?.expect(201)?.json()?;
        let fence = json!({ "pool": "lanes", "slot": held["slots"][0]["slot"], "fence": held["slots"][0]["fence"] });
        let told = Duration::from_millis(held["remaining_ms"].as_u64().unwrap_or_default());
        ensure!(told <= TTL && told > TTL / 2, "{lie}: {held}");
        let recorder = Arc::new(Recorder::default());
        let servers = Arc::new(Mutex::new(vec![owner.clone(), other.clone()]));
        let mut tasks = JoinSet::new();
        for seed in 0..8 {
            let (recorder, servers) = (Arc::clone(&recorder), Arc::clone(&servers));
            tasks.spawn(async move { recorder.client(seed, &servers).await });
        }
        // It lasts as long as it was said to, by whatever clock the one who asks has.
        while asked.elapsed() < told.saturating_sub(Duration::from_millis(400)) {
            for client in [&owner, &other] {
                let answer = client.post("/api/v1/fences/verify", &fence).await?.expect(200)?.json()?;
                let left = Duration::from_millis(answer["remaining_ms"].as_u64().unwrap_or_default());
                ensure!(left + asked.elapsed() < TTL + Duration::from_secs(1), "{lie}: {left:?} are left");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        until("the end of the lease", TTL + Duration::from_secs(5), async || {
            Ok(other.post("/api/v1/fences/verify", &fence).await?.status == 409)
        })
        .await?;
        recorder.stop.store(true, Ordering::Relaxed);
        while let Some(done) = tasks.join_next().await {
            done?;
        }
        let (violations, acknowledged) = checked(&durable, &recorder).await?;
        println!("{lie}: {acknowledged} answers, {} rules broken", violations.len());
        ensure!(violations.is_empty(), "{lie}: {:#?}", violations.iter().take(20).collect::<Vec<_>>());
        ensure!(acknowledged > 100, "{lie}: {acknowledged} answers: the test does not test what it says");
        for server in [&wrong, &right] {
            ensure!(!server.log().contains("panicked"), "{lie}: {}", server.log());
        }
    }
    Ok(())
}
