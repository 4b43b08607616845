//! Playing a plan through the API.

use super::facts::PoolFacts;
use super::ledger::Ledger;
use super::plan::{Act, Arrival, Breakage, Ending, HOT_FACTOR, Plan, PlanMs, Retry};
use super::process;
use super::record::{Edge, Label, Labels};
use super::scenario::Scenario;
use headroom_slots::{Ask, CancellationToken, Client, Error, Granted, Keeping, Method, Outcome, Report};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Clients at work at a time; more are not started, and told.
const MOST_CLIENTS: usize = 4_000;
/// Pause of a client that does not listen to `Retry-After`.
const STORM_PAUSE: Duration = Duration::from_millis(30);
/// A holder that is asked to end needs this long to make its work safe.
const SAVING: Duration = Duration::from_millis(200);
/// After the last arrival, holders get this long in real time before they are told to give back.
const LAST_HOLDS: Duration = Duration::from_secs(5);

/// What a simulation is played with.
#[derive(Debug)]
pub struct Player {
    /// The server.
    pub client: Client,
    /// Pools by index of the plan.
    pub pools: Vec<PoolFacts>,
    /// What is played.
    pub scenario: Scenario,
    /// Its seed.
    pub seed: u64,
    /// Planned time goes by so many times as fast.
    pub speed: f64,
    /// The process that is stopped or killed, if that is to be done here.
    pub pid: Option<i32>,
    /// Begins every holder's name, so that two simulations are told apart.
    pub name: String,
    /// What came of the claims.
    pub ledger: Ledger,
    /// What was broken when.
    pub labels: Labels,
    /// Slots whose work is slow, by pool.
    pub hot: Mutex<HashMap<usize, u32>>,
}

/// When a plan began.
#[derive(Debug, Clone, Copy)]
struct Pace {
    start: Instant,
    speed: f64,
}

impl Pace {
    fn length(self, ms: PlanMs) -> Duration {
        Duration::from_secs_f64(ms as f64 / 1_000.0 / self.speed)
    }

    fn at(self, ms: PlanMs) -> Instant {
        self.start + self.length(ms)
    }

    async fn until(self, ms: PlanMs) {
        tokio::time::sleep_until(self.at(ms).into()).await;
    }
}

/// Plays a plan to its end, or until it is cut short. What was broken is put right in either case.
pub async fn play(player: Arc<Player>, plan: Plan, cut: CancellationToken) {
    let pace = Pace { start: Instant::now(), speed: player.speed };
    let mut breakages = JoinSet::new();
    for breakage in plan.breakages {
        breakages.spawn(break_it(Arc::clone(&player), breakage, pace, cut.clone()));
    }
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    // Told to holders when it is time to go.
    let go_home = cut.child_token();
    let mut clients = JoinSet::new();
    let mut left_out = 0_u64;
    for (number, arrival) in plan.arrivals.into_iter().enumerate() {
        tokio::select! {
            () = pace.until(arrival.at_ms) => {}
            () = cut.cancelled() => break,
        }
        while clients.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            left_out += 1;
            continue;
        };
        let (player, go_home) = (Arc::clone(&player), go_home.clone());
        clients.spawn(async move {
            let _place = place;
            client(&player, &arrival, number, pace, &go_home).await;
        });
    }
    if left_out > 0 {
        tracing::warn!(left_out, "more clients than are played at a time: some were left out");
    }
    while breakages.join_next().await.is_some() {}
    let patience = tokio::time::sleep(if cut.is_cancelled() { Duration::ZERO } else { LAST_HOLDS });
    tokio::pin!(patience);
    let mut is_late = false;
    while !clients.is_empty() {
        tokio::select! {
            _ = clients.join_next() => {}
            () = &mut patience, if !is_late => {
                is_late = true;
                go_home.cancel();
            }
        }
    }
}

/// One client: claims, works, ends.
async fn client(player: &Player, arrival: &Arrival, number: usize, pace: Pace, go_home: &CancellationToken) {
    let facts = &player.pools[arrival.pool];
    let Some(tenant) = facts.tenants.get(arrival.tenant) else { return };
    let ask = Ask {
        slots: arrival.slots,
        wait: pace.length(arrival.wait_ms),
        ttl: arrival.ttl_ms.map(Duration::from_millis),
        priority: arrival.priority,
        holder: Some(format!("{}-{number}", player.name)),
        node: Some(format!("node-{}", number % 16)),
        ..Ask::new(tenant.as_str())
    };
    player.ledger.asked();
    let Some(granted) = ask_for(player, &facts.slug, &ask, arrival.retry, pace, go_home).await else { return };
    let until = Instant::now() + pace.length(arrival.hold_ms);
    let lease = player.client.keep(granted.clone(), Keeping { ttl: ask.ttl, ..Keeping::default() });
    let mut was_noticed = false;
    let ended = tokio::select! {
        () = tokio::time::sleep_until(until.into()) => Some(arrival.ending),
        () = go_home.cancelled() => Some(Ending::Done),
        _ = lease.noticed() => {
            tokio::time::sleep(SAVING).await;
            was_noticed = true;
            Some(Ending::Done)
        }
        _ = lease.lost() => None,
    };
    player.ledger.leaves(&granted);
    let result = match ended {
        None => {
            player.ledger.lost();
            return;
        }
        Some(Ending::Vanish) => {
            player.ledger.vanished();
            drop(lease);
            return;
        }
        Some(_) if was_noticed => lease.checkpoint().await,
        Some(ending) => {
            let outcome = if ending == Ending::Failed { Outcome::Failed } else { Outcome::Ok };
            let work = Duration::from_millis(work_ms(player, arrival, &granted).into());
            let report = Report { node: ask.node.clone(), ..Report::new(outcome, work) };
            lease.release(&report).await
        }
    };
    match result {
        Ok(()) => player.ledger.released(),
        Err(error) => player.ledger.error(&error),
    }
}

/// Asks as this client does when it is refused.
async fn ask_for(
    player: &Player,
    pool: &str,
    ask: &Ask,
    retry: Retry,
    pace: Pace,
    go_home: &CancellationToken,
) -> Option<Granted> {
    let started = Instant::now();
    loop {
        match player.client.try_claim(pool, ask).await {
            Ok(granted) => {
                player.ledger.granted(&granted, started.elapsed());
                return Some(granted);
            }
            Err(error) => {
                player.ledger.error(&error);
                let Retry::Storm { until_ms } = retry else { return None };
                let goes_on = matches!(error, Error::Refused { .. }) && Instant::now() < pace.at(until_ms);
                if !goes_on || go_home.is_cancelled() {
                    return None;
                }
                tokio::time::sleep(STORM_PAUSE).await;
            }
        }
    }
}

fn work_ms(player: &Player, arrival: &Arrival, granted: &Granted) -> u32 {
    let hot = player.hot.lock().unwrap_or_else(PoisonError::into_inner).get(&arrival.pool).copied();
    let is_hot = hot.is_some_and(|hot| granted.slots.iter().any(|held| held.slot == hot));
    if is_hot { arrival.work_ms.saturating_mul(HOT_FACTOR) } else { arrival.work_ms }
}

/// Breaks something for a while, and labels it.
async fn break_it(player: Arc<Player>, breakage: Breakage, pace: Pace, cut: CancellationToken) {
    tokio::select! {
        () = pace.until(breakage.begin_ms) => {}
        () = cut.cancelled() => return,
    }
    let label = |edge: Edge| Label {
        simulated: true,
        at: Labels::now(),
        scenario: player.scenario.word(),
        seed: player.seed,
        mode: player.scenario.mode(),
        pool: breakage.pool.map(|pool| player.pools[pool].slug.clone()),
        slot: if let Act::Heat { slot } = breakage.act { Some(slot) } else { None },
        edge,
        detail: breakage.detail.clone(),
    };
    let over = async {
        tokio::select! {
            () = pace.until(breakage.end_ms) => {}
            () = cut.cancelled() => {}
        }
    };
    player.labels.add(label(Edge::Begin));
    match &breakage.act {
        Act::None => over.await,
        Act::Heat { slot } => {
            let heat = |slot: Option<u32>| {
                let mut hot = player.hot.lock().unwrap_or_else(PoisonError::into_inner);
                match (breakage.pool, slot) {
                    (Some(pool), Some(slot)) => hot.insert(pool, slot),
                    (Some(pool), None) => hot.remove(&pool),
                    (None, _) => None,
                };
            };
            heat(Some(*slot));
            over.await;
            heat(None);
        }
        Act::Resize { every_ms, low, high } => {
            let pool = breakage.pool.map(|pool| player.pools[pool].slug.clone()).unwrap_or_default();
            tokio::select! {
                () = to_and_fro(&player, &pool, (*low, *high), pace.length(*every_ms)) => {}
                () = over => {}
            }
            resize(&player, &pool, *high).await;
        }
        Act::Stop => {
            send(&player, Signal::SIGSTOP);
            over.await;
            send(&player, Signal::SIGCONT);
        }
        Act::Kill => {
            send(&player, Signal::SIGKILL);
            over.await;
        }
    }
    player.labels.add(label(Edge::End));
}

async fn to_and_fro(player: &Player, pool: &str, (low, high): (u32, u32), every: Duration) {
    loop {
        for size in [low, high] {
            resize(player, pool, size).await;
            tokio::time::sleep(every).await;
        }
    }
}

async fn resize(player: &Player, pool: &str, size: u32) {
    let body = json!({ "action": "resize", "size": size, "reason": "a game day" });
    let path = format!("/api/v1/pools/{pool}/actions");
    if let Err(error) = player.client.call(Method::POST, &path, Some(&body)).await {
        tracing::warn!(%error, pool, size, "the pool was not resized");
    }
}

/// Sends a signal to the process that was named, or says what to do. PostgreSQL's first process stands for all of its own.
fn send(player: &Player, signal: Signal) {
    let is_postgres = player.scenario == Scenario::LostPostgres;
    let what = if is_postgres { "PostgreSQL's first process and all of its children" } else { "the server's process" };
    let Some(pid) = player.pid else {
        eprintln!("now: send {signal} to {what}");
        return;
    };
    let sent = match signal {
        Signal::SIGSTOP if is_postgres => process::stop_family(pid),
        Signal::SIGCONT if is_postgres => process::let_family_go(pid),
        _ => process::signal(pid, signal).and_then(|is_there| if is_there { Ok(1) } else { Err(Errno::ESRCH) }),
    };
    match sent {
        Ok(1) => eprintln!("{signal} was sent to process {pid}"),
        Ok(all) => eprintln!("{signal} was sent to process {pid} and its children, {all} in all"),
        Err(error) => eprintln!("{signal} could not be sent to process {pid}: {error}"),
    }
}
