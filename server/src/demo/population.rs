//! The demo's clients: they claim, renew, beat and give back through the API as real ones do, so that what pages show about these
//! pools comes from the allocator and not from us.
//!
//! How many slots each tenant wants follows the same curves as the made-up history, so nothing jumps where one ends and the other
//! begins. Who holds them are a few agents for each pool, and what is due in a second goes in one batch.

use super::World;
use crate::clock;
use headroom_domain::lease::{Beats, Policy};
use headroom_slots::{Ask, Beat, CancellationToken, Client, Error, Granted, Look, Operation, Outcome, Report};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Pools whose slots are given out by the server while the demo runs.
pub const TRACKED: [&str; 3] = ["stream-01", "ci-runners", "checkout-slots"];

/// Clients are looked after this often.
const TICK: Duration = Duration::from_secs(1);
/// Leases live long: thousands of them are renewed by one small process.
const TTL: Duration = Duration::from_mins(5);
/// A beat of each agent is sent this often.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// Agents of a pool.
const AGENTS: usize = 24;
/// Work takes this long at most, so that there is something to see.
const LONGEST_WORK_S: f64 = 600.0;
/// Most slots that one claim asks for.
const MOST_SLOTS: u32 = 4;
/// Operations of one batch.
const BATCH: usize = 500;
/// A tenant that was refused claims nothing new for so long, but for one claim that waits.
const BACK_OFF: Duration = Duration::from_secs(15);
/// How long that one waits.
const PATIENCE: Duration = Duration::from_secs(20);
/// A tenant gives back early when it holds so much more than it wants.
const TOO_MUCH: f64 = 1.06;
/// One of so many pieces of work fails.
const FAILS: u32 = 80;

/// The pool whose slots are tied to shards of data, and how many there are. As many agents serve one shard each, so that a shard's
/// slots are mostly on one node.
const SHARDED: (&str, usize) = ("stream-01", 12);
/// One of so many claims of that pool comes from any agent: not everything is where it prefers to be.
const STRAYS: u32 = 60;
/// Above this part of its slots in use, agents of that pool take any slot: their own shard may be full already.
const CROWDED: f64 = 0.95;

/// The rules of one of these pools.
pub fn policy(slug: &str) -> Policy {
    Policy {
        shards: (slug == SHARDED.0).then_some(SHARDED.1 as u32),
        ttl_ms: TTL.as_millis() as i64,
        heartbeats: Some(Beats { interval_ms: BEAT_EVERY.as_millis() as i64, ..Beats::default() }),
        work_goal_ms: Some(600_000),
        ..Policy::default()
    }
}

/// Keeps clients at work in a server until it is told to stop; then they give everything back.
pub async fn populate(world: Arc<World>, to: SocketAddr, token: String, stop: CancellationToken) {
    let client = match Client::new(&format!("http://{to}"), &token) {
        Ok(client) => client.with_patience(Duration::from_secs(3)),
        Err(error) => {
            tracing::warn!(%error, "the demo's clients cannot work");
            return;
        }
    };
    let pools = TRACKED.iter().filter_map(|slug| world.pool_index(slug));
    let all = pools.map(|pool| Population::new(Arc::clone(&world), pool, client.clone()).run(stop.clone()));
    futures::future::join_all(all).await;
}

/// Work that holds slots.
#[derive(Debug)]
struct Work {
    granted: Granted,
    began: Instant,
    ends: Instant,
    renew_at: Instant,
    agent: usize,
}

/// The clients of one pool.
struct Population {
    world: Arc<World>,
    pool: usize,
    client: Client,
    chance: StdRng,
    generation: u64,
    /// By tenant, as the world counts them.
    work: HashMap<i32, Vec<Work>>,
    /// Tenants that were refused, and until when they hold back.
    refused: HashMap<i32, Instant>,
    /// Claims that waited, with their tenants and agents; `None` if one was refused in the end.
    waited: (mpsc::Sender<Waited>, mpsc::Receiver<Waited>),
    beat_at: Instant,
}

/// A claim that waited, and what came of it.
#[derive(Debug)]
struct Waited {
    tenant: i32,
    agent: usize,
    granted: Option<Granted>,
}

/// What an operation of a batch was about.
#[derive(Debug, Clone, Copy)]
enum About {
    Claim { tenant: i32, agent: usize },
    Renew { tenant: i32 },
    Release,
}

impl Population {
    fn new(world: Arc<World>, pool: usize, client: Client) -> Self {
        Self {
            chance: clock::seeded(world.seed ^ (pool as u64 + 1)),
            // Agents of this start replace those of the one before.
            generation: clock::now_ms().unsigned_abs(),
            world,
            pool,
            client,
            work: HashMap::new(),
            refused: HashMap::new(),
            waited: mpsc::channel(16),
            beat_at: Instant::now(),
        }
    }

    fn slug(&self) -> &'static str {
        self.world.pools[self.pool].slug
    }

    fn agent(&self, number: usize) -> String {
        format!("{}-agent-{number:02}", self.slug())
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => break,
            }
            self.beat().await;
            self.take_up();
            let operations = self.due();
            self.send(operations).await;
        }
        self.go_home().await;
    }

    async fn beat(&mut self) {
        if Instant::now() < self.beat_at {
            return;
        }
        self.beat_at = Instant::now() + BEAT_EVERY;
        let beats: Vec<Beat> =
            (0..AGENTS).map(|number| Beat { holder: self.agent(number), generation: self.generation }).collect();
        if let Err(error) = self.client.heartbeat(self.slug(), &beats).await {
            tracing::debug!(%error, pool = self.slug(), "the demo's agents were not heard");
        }
    }

    /// Claims that waited and were granted begin to work.
    fn take_up(&mut self) {
        while let Ok(waited) = self.waited.1.try_recv() {
            if let Some(granted) = waited.granted {
                self.begin(waited.tenant, waited.agent, granted);
            }
        }
    }

    fn begin(&mut self, tenant: i32, agent: usize, granted: Granted) {
        let mean = self.world.plans[self.pool].hold_s.min(LONGEST_WORK_S);
        let even: f64 = self.chance.random();
        let length = Duration::from_secs_f64((-(1.0 - even).ln() * mean).clamp(2.0, mean * 6.0));
        let now = Instant::now();
        // Those that began together are not renewed together.
        let renew_at = now + TTL.mul_f64(self.chance.random_range(0.2..0.4));
        let work = Work { granted, began: now, ends: now + length, renew_at, agent };
        self.work.entry(tenant).or_default().push(work);
    }

    /// What is to be said to the server now.
    fn due(&mut self) -> Vec<(About, Operation)> {
        let now = Instant::now();
        let mut out = Vec::new();
        let Some(reading) = self.world.reading(self.pool, clock::now_ms(), 1_000) else { return out };
        let described = &self.world.pools[self.pool];
        let shards = if described.slug == SHARDED.0 { SHARDED.1 } else { 0 };
        let has_room = (reading.occupied() as f64) < described.slots as f64 * CROWDED;
        // Slots held by the agent of each shard: the next claim is the one's that holds least, so no shard is full before the pool.
        let mut loads = vec![0; shards];
        for work in self.work.values().flatten().filter(|work| work.agent < shards) {
            loads[work.agent] += work.granted.slots.len() as u32;
        }
        for tenant in &reading.tenants {
            let wanted = tenant.occupied.max(0) as u32;
            let work = self.work.entry(tenant.tenant).or_default();
            let mut held: u32 = work.iter().map(|work| work.granted.slots.len() as u32).sum();
            let limit = (f64::from(wanted) * TOO_MUCH).ceil() as u32 + MOST_SLOTS;
            let mut kept = Vec::with_capacity(work.len());
            for mut one in work.drain(..) {
                let slots = one.granted.slots.len() as u32;
                let is_over = now >= one.ends || one.granted.notice.is_some() || held > limit;
                if is_over {
                    held -= slots;
                    out.push((About::Release, release(&one, &mut self.chance)));
                    continue;
                }
                if now >= one.renew_at {
                    one.renew_at = now + TTL / 3;
                    let renew = Operation::Renew { claim: one.granted.claim, ttl: None };
                    out.push((About::Renew { tenant: tenant.tenant }, renew));
                }
                kept.push(one);
            }
            *work = kept;
            if self.refused.get(&tenant.tenant).is_some_and(|until| *until > now) {
                continue;
            }
            let mut missing = wanted.saturating_sub(held);
            while missing > 0 {
                let slots = self.chance.random_range(1..=MOST_SLOTS).min(missing);
                missing -= slots;
                let idlest = (0..shards).min_by_key(|agent| loads[*agent]);
                let agent = match idlest {
                    Some(agent) if !self.chance.random_ratio(1, STRAYS) => agent,
                    _ => self.chance.random_range(0..AGENTS),
                };
                if let Some(load) = loads.get_mut(agent) {
                    *load += slots;
                }
                let ask = Ask {
                    slots,
                    holder: Some(self.agent(agent)),
                    generation: self.generation,
                    node: Some(format!("node-{agent:02}")),
                    shard: (agent < shards && has_room).then_some(agent as u16),
                    ..Ask::new(self.world.tenants[tenant.tenant as usize - 1].slug)
                };
                out.push((About::Claim { tenant: tenant.tenant, agent }, Operation::Claim(Box::new(ask))));
            }
        }
        out
    }

    async fn send(&mut self, operations: Vec<(About, Operation)>) {
        for part in operations.chunks(BATCH) {
            let (about, said): (Vec<About>, Vec<Operation>) = part.iter().cloned().unzip();
            let results = match self.client.batch(self.slug(), &said).await {
                Ok(results) => results,
                Err(error) => {
                    // What was claimed and not heard of comes back when its lease ends.
                    tracing::debug!(%error, pool = self.slug(), "the demo's clients were not heard");
                    return;
                }
            };
            for ((about, operation), result) in about.into_iter().zip(said).zip(results) {
                self.learn(about, operation, result);
            }
        }
    }

    fn learn(&mut self, about: About, operation: Operation, result: Result<Look, Error>) {
        match (about, operation, result) {
            (About::Claim { tenant, agent }, _, Ok(Look::Granted(granted))) => self.begin(tenant, agent, granted),
            (About::Claim { tenant, agent }, Operation::Claim(ask), Err(Error::Refused { .. })) => {
                let is_first =
                    self.refused.insert(tenant, Instant::now() + BACK_OFF).is_none_or(|at| at < Instant::now());
                if is_first {
                    self.wait(tenant, agent, *ask);
                }
            }
            (About::Renew { tenant }, Operation::Renew { claim, .. }, result) => {
                let work = self.work.entry(tenant).or_default();
                match result {
                    Ok(Look::Granted(granted)) => {
                        if let Some(one) = work.iter_mut().find(|one| one.granted.claim == claim) {
                            one.granted = granted;
                        }
                    }
                    Err(Error::Lost(_)) | Ok(_) => work.retain(|one| one.granted.claim != claim),
                    // The next renewal may be heard.
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }

    /// One claim of a tenant that was refused waits for its turn.
    fn wait(&self, tenant: i32, agent: usize, ask: Ask) {
        let (client, pool, done) = (self.client.clone(), self.slug(), self.waited.0.clone());
        tokio::spawn(async move {
            let ask = Ask { wait: PATIENCE, ..ask };
            let granted = client.try_claim(pool, &ask).await.ok();
            // Nobody takes it up any more when the demo ends; its lease does too.
            let _ = done.send(Waited { tenant, agent, granted }).await;
        });
    }

    /// Everything is given back.
    async fn go_home(mut self) {
        self.take_up();
        let mut operations = Vec::new();
        for one in std::mem::take(&mut self.work).into_values().flatten() {
            operations.push((About::Release, release(&one, &mut self.chance)));
        }
        self.send(operations).await;
    }
}

/// The end of work, with what its agent has to say about it.
fn release(work: &Work, chance: &mut StdRng) -> Operation {
    let outcome = if chance.random_ratio(1, FAILS) { Outcome::Failed } else { Outcome::Ok };
    let took = work.began.elapsed().mul_f64(chance.random_range(0.7..1.0));
    let report = Report { node: Some(format!("node-{:02}", work.agent)), ..Report::new(outcome, took) };
    Operation::Release { claim: work.granted.claim, report }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pools_exist_and_their_rules_are_good() {
        let world = World::new(1, 1_795_248_000_000);
        assert!(TRACKED.iter().all(|slug| world.pool_index(slug).is_some()));
        assert!(TRACKED.iter().all(|slug| policy(slug).problems().is_empty()));
        assert_eq!(TRACKED.map(|slug| policy(slug).shards), [Some(12), None, None]);
    }

    #[tokio::test]
    async fn what_is_wanted_follows_the_curve() {
        let world = Arc::new(World::new(1, clock::now_ms()));
        let pool = world.pool_index("ci-runners").expect("it exists");
        let client = Client::new("http://127.0.0.1:1", "hr_test").expect("a client");
        let mut population = Population::new(Arc::clone(&world), pool, client);
        let asked: u32 = population
            .due()
            .into_iter()
            .map(|(_, operation)| match operation {
                Operation::Claim(ask) => ask.slots,
                _ => 0,
            })
            .sum();
        let wanted = world.reading(pool, clock::now_ms(), 1_000).map_or(0, |reading| reading.occupied());
        assert!((i64::from(asked) - wanted).abs() <= wanted / 10 + 5, "{asked} of {wanted}");
    }

    #[tokio::test]
    async fn agents_of_shards_ask_for_their_own() {
        let world = Arc::new(World::new(1, clock::now_ms()));
        for slug in TRACKED {
            let pool = world.pool_index(slug).expect("it exists");
            let client = Client::new("http://127.0.0.1:1", "hr_test").expect("a client");
            let mut population = Population::new(Arc::clone(&world), pool, client);
            let has_room = world
                .reading(pool, clock::now_ms(), 1_000)
                .is_some_and(|reading| (reading.occupied() as f64) < world.pools[pool].slots as f64 * CROWDED);
            for (about, operation) in population.due() {
                let (About::Claim { agent, .. }, Operation::Claim(ask)) = (about, operation) else { continue };
                let own = (slug == SHARDED.0 && has_room && agent < SHARDED.1).then_some(agent as u16);
                assert_eq!(ask.shard, own, "{slug}, agent {agent}");
            }
        }
    }
}
