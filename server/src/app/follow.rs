//! Following live slots: what a stream of updates says from one moment to the next.
//!
//! A follower asks the database, so any server can be followed, whoever decides about a pool. That anything happened at all is
//! told by the number of the last event; only then are events and slots read. Slots are told with their present state, not as
//! what changed: a message that is lost is made up for by the next one about the same slot.

use super::slots::{FIGURES_FRESH_MS, is_noticed, noticed};
use super::{App, AppError, Result, pools};
use crate::allocator::PoolFigures;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::allocation::{Service, Stored};
use headroom_domain::lease::{EventKind, Mode};
use headroom_store::alert;
use headroom_store::slot_event::{self, SlotEvent, Wanted};
use headroom_store::{live, owner, slot};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use uuid::Uuid;

/// An event gets its number before it is committed, so one may appear among those that were told: for so long after numbers
/// were given out events are looked for, and told if they were not. Longer than a statement of the allocator may take.
const SETTLE: Duration = Duration::from_secs(5);
/// Events of one look: of more the newest, and the slots are read again.
const MOST_AT_ONCE: i64 = 5_000;
/// A follower looks this often whether anything happened.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Figures are written once a second; streams share what was read so recently.
const SNAPSHOT_FOR: Duration = Duration::from_millis(300);
/// A change is seen within a second, also one that comes right after another.
const SPEAK_EVERY: Duration = Duration::from_millis(700);
/// All slots are read again this often: a lease that ran out, or a notice, changes a slot without an event of its own.
const READ_ALL_EVERY: Duration = Duration::from_secs(4);
/// Rights are checked again this often.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Who comes back within this time is told what it missed.
const REPLAYED_MS: Millis = 5 * 60_000;
/// Most pools whose slots one stream tells.
const MOST_POOLS: usize = 8;
/// Most events of one message.
const MOST_EVENTS: i64 = 200;

/// What a stream is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Topics {
    /// Figures of pools.
    pub live: bool,
    /// States of slots.
    pub slots: bool,
    /// Events.
    pub log: bool,
    /// That something happened to an alert.
    pub alerts: bool,
}

impl Topics {
    /// Reads `live,slots,log,alerts`; topics of later features are passed over.
    pub fn parse(text: &str) -> Self {
        let has = |word: &str| text.split(',').any(|topic| topic.trim() == word);
        Self { live: has("live"), slots: has("slots"), log: has("log"), alerts: has("alerts") }
    }
}

/// A pool's figures as a stream tells them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LivePool {
    slug: String,
    mode: &'static str,
    capacity: u32,
    occupied: u64,
    draining: u64,
    offline: u64,
    leaked: u64,
    free: u64,
    queued: u64,
    granted_1m: u64,
    rejected_1m: u64,
    claim_p95_us: i64,
    claim_p99_us: i64,
    wait_p99_ms: Vec<(u8, i64)>,
}

/// What the reconcilers of these pools do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LiveReconciler {
    pools: usize,
    stalled: usize,
    last_pass_ms_ago: i64,
    lag_ms: i64,
    reclaim_p95_ms: i64,
    leaked: u64,
    silent_network: bool,
}

/// What the store does for them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LiveStore {
    commit_p95_us: i64,
    queue: usize,
    /// The free part of the database's disk, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_free: Option<f64>,
}

/// A message of a stream.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// Figures.
    Live {
        /// When they were true.
        at: Millis,
        /// Of each pool.
        pools: Vec<LivePool>,
        /// Of their reconcilers.
        reconciler: LiveReconciler,
        /// Of the store.
        store: LiveStore,
    },
    /// States of slots of a pool.
    Slots {
        /// The pool's slug.
        pool: String,
        /// Number of the last event that is in it.
        version: i64,
        /// Slots with their present state.
        changes: Vec<(u32, char)>,
    },
    /// Events.
    Log {
        /// Newest last.
        events: Vec<LogEvent>,
    },
    /// Something happened to an alert: read the list again.
    Alerts {
        /// Number of the newest event of any alert.
        version: i64,
    },
    /// What was missed is not known any more: read everything again.
    Reset {},
}

impl Message {
    /// The name of the event in the stream.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Live { .. } => "live",
            Self::Slots { .. } => "slots",
            Self::Log { .. } => "log",
            Self::Alerts { .. } => "alerts",
            Self::Reset {} => "reset",
        }
    }
}

/// An event as a stream tells it.
#[derive(Debug, Clone, Serialize)]
pub struct LogEvent {
    id: i64,
    at: Millis,
    pool: String,
    kind: &'static str,
    slot: Option<i32>,
    tenant: Option<String>,
    holder: Option<String>,
    reason: Option<String>,
    work_ms: Option<i32>,
    wait_ms: Option<i32>,
    claim: Option<Uuid>,
    trace: Option<String>,
}

impl From<SlotEvent> for LogEvent {
    fn from(event: SlotEvent) -> Self {
        Self {
            id: event.id,
            at: event.at,
            pool: event.pool_slug,
            kind: event.kind.as_str(),
            slot: event.slot,
            tenant: event.tenant,
            holder: event.holder,
            reason: event.reason,
            work_ms: event.work_ms,
            wait_ms: event.wait_ms,
            claim: event.claim,
            trace: event
                .trace
                .map(|bytes| Uuid::from_slice(&bytes).map_or_else(|_| String::new(), |id| id.simple().to_string())),
        }
    }
}

/// A slot's state in one letter, at an instant. `asked_to_end` is whether its holder was.
pub fn letter(slot: &Stored, asked_to_end: bool, now: Millis) -> char {
    match (&slot.held, slot.service) {
        (Some(held), _) if held.expires_at <= now => 'l',
        (Some(_), Service::In) if !asked_to_end => 'o',
        (Some(_), _) => 'd',
        (None, Service::In) => '.',
        (None, _) => 'x',
    }
}

/// Somebody who follows.
#[derive(Debug)]
pub struct Follower {
    app: App,
    topics: Topics,
    /// Slugs and keys of the pools whose slots and events are told; empty for the events of all.
    pools: Vec<(String, i32)>,
    /// The last number that was given to an event, and when that was noticed.
    newest: (i64, Instant),
    /// The same at former looks, as far as events of that time may still appear.
    before: VecDeque<(i64, Instant)>,
    /// Whoever has all messages so far has all events up to this one.
    seen: i64,
    /// Events before this instant, by the database's clock, were told.
    since: Millis,
    /// Events up to this number were told before.
    after: Option<i64>,
    /// Events after the instant that were told.
    told: BTreeMap<i64, Millis>,
    pictures: BTreeMap<i32, Vec<char>>,
    ready: VecDeque<(i64, Message)>,
    spoken: BTreeMap<&'static str, Instant>,
    read_all: Option<Instant>,
    checked: Instant,
    missed: BTreeSet<(i32, u32)>,
    /// Claims whose holders were asked to end, by pool.
    noticed: BTreeMap<i32, BTreeSet<Uuid>>,
    log: Vec<LogEvent>,
    /// Number of the newest event of any alert that was told of.
    alerts: i64,
}

/// What all streams tell, each as far as its caller may see it.
#[derive(Debug)]
struct Snapshot {
    read: Instant,
    now: Millis,
    names: Vec<owner::Name>,
    figures: BTreeMap<i32, PoolFigures>,
    disk_free: Option<f64>,
}

/// The last snapshot. One stream reads the next one while the others wait for it.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<Option<Arc<Snapshot>>>);

impl App {
    /// Figures of all pools that are as fresh as streams need them.
    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut last = self.snapshots.0.lock().await;
        if let Some(snapshot) = last.as_ref().filter(|snapshot| snapshot.read.elapsed() < SNAPSHOT_FOR) {
            return Ok(Arc::clone(snapshot));
        }
        let read = Instant::now();
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let rows = live::list(&mut conn, None).await?.into_iter().filter(|(_, at, _)| now - at < FIGURES_FRESH_MS);
        let figures = rows.filter_map(|(key, _, value)| Some((key, serde_json::from_value(value).ok()?))).collect();
        let names = owner::pool_names(&mut conn).await?;
        drop(conn);
        let disk_free = self.disk_free().await?;
        let snapshot = Arc::new(Snapshot { read, now, names, figures, disk_free });
        *last = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Begins to follow. `last` is the number of the last message that the follower has.
    pub async fn follow(&self, topics: Topics, slugs: &[String], last: Option<i64>) -> Result<Follower> {
        self.require(Action::See)?;
        if slugs.len() > MOST_POOLS {
            return Err(AppError::invalid("pool", slugs.len().to_string(), format!("at most {MOST_POOLS} pools")));
        }
        let mut conn = self.db.pages.acquire().await?;
        let mut followed = Vec::new();
        for slug in slugs {
            let found = pools::find(&mut conn, &self.caller, slug).await?;
            followed.push((found.fields.slug.to_string(), found.key));
        }
        let newest = slot_event::newest(&mut conn).await?;
        let now = headroom_store::now(&mut conn).await?;
        let alerts = if topics.alerts { alert::newest_event(&mut conn).await? } else { 0 };
        let mut ready = VecDeque::new();
        let settled = now - SETTLE.as_millis() as Millis;
        let last = match last {
            Some(last) if last <= newest && slot_event::is_since(&mut conn, last, now - REPLAYED_MS).await? => {
                Some(last)
            }
            Some(_) => {
                ready.push_back((newest, Message::Reset {}));
                None
            }
            None => None,
        };
        // Whoever begins now has read what there is; whoever comes back has all up to what it names.
        let has = if last.is_some() { Vec::new() } else { slot_event::numbers(&mut conn, settled).await? };
        let begins = Instant::now();
        let mut follower = Follower {
            app: self.clone(),
            topics,
            pools: followed,
            newest: (newest, begins),
            before: VecDeque::new(),
            seen: last.unwrap_or(newest),
            since: if last.is_some() { now - REPLAYED_MS } else { settled },
            after: last,
            told: has.into_iter().collect(),
            pictures: BTreeMap::new(),
            ready,
            spoken: BTreeMap::new(),
            read_all: None,
            checked: Instant::now(),
            missed: BTreeSet::new(),
            noticed: BTreeMap::new(),
            log: Vec::new(),
            alerts,
        };
        // Before the answer begins: who reads all slots when the stream is open has everything up to here, and is told the rest.
        if follower.topics.slots {
            follower.slots(&mut conn).await?;
        }
        Ok(follower)
    }
}

impl Follower {
    /// The next message with its number; `None` when the caller may follow no longer.
    pub async fn next(&mut self) -> Result<Option<(i64, Message)>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            if self.checked.elapsed() > CHECK_EVERY {
                if !self.app.is_still_in().await? {
                    return Ok(None);
                }
                self.checked = Instant::now();
            }
            self.look().await?;
            if self.ready.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Whether a message of a kind may go out now.
    fn may_speak(&self, kind: &'static str) -> bool {
        self.spoken.get(kind).is_none_or(|at| at.elapsed() >= SPEAK_EVERY)
    }

    fn speak(&mut self, message: Message) {
        self.spoken.insert(message.name(), Instant::now());
        self.ready.push_back((self.seen, message));
    }

    async fn look(&mut self) -> Result<()> {
        if self.topics.live && self.may_speak("live") {
            let message = self.figures().await?;
            self.speak(message);
        }
        let pool = self.app.db.pages.clone();
        let mut conn = pool.acquire().await?;
        self.look_at_numbers(slot_event::newest(&mut conn).await?);
        if self.newest.1.elapsed() < SETTLE && (self.topics.slots || self.topics.log) {
            self.look_at_events(&mut conn).await?;
        }
        if !self.log.is_empty() && self.may_speak("log") {
            let surplus = self.log.len().saturating_sub(MOST_EVENTS as usize);
            let events = self.log.split_off(surplus);
            self.log.clear();
            self.speak(Message::Log { events });
        }
        if self.topics.slots {
            self.slots(&mut conn).await?;
        }
        if self.topics.alerts && self.may_speak("alerts") {
            let version = alert::newest_event(&mut conn).await?;
            if version != self.alerts {
                self.alerts = version;
                self.speak(Message::Alerts { version });
            }
        }
        Ok(())
    }

    /// Takes up how far numbers of events have come by now.
    fn look_at_numbers(&mut self, newest: i64) {
        let now = Instant::now();
        if newest > self.newest.0 {
            self.before.push_back(self.newest);
            self.newest = (newest, now);
        }
        while let Some((number, _)) = self.before.pop_front_if(|(_, at)| at.elapsed() >= SETTLE) {
            self.seen = self.seen.max(number);
        }
        if self.newest.1.elapsed() >= SETTLE {
            self.seen = self.newest.0;
        }
    }

    /// Takes up events that appeared.
    async fn look_at_events(&mut self, conn: &mut sqlx::PgConnection) -> Result<()> {
        let now = headroom_store::now(conn).await?;
        let keys: Vec<i32> = self.pools.iter().map(|(_, key)| *key).collect();
        let wanted = Wanted {
            pools: if keys.is_empty() { self.app.caller().pools.clone() } else { Some(keys) },
            since: self.since,
            after: self.after,
            limit: MOST_AT_ONCE,
            ..Wanted::default()
        };
        let events = slot_event::list(conn, &wanted).await?;
        self.since = self.since.max(now - SETTLE.as_millis() as Millis);
        // Nothing of it is known: there may be more before it.
        if events.len() as i64 == MOST_AT_ONCE && events.iter().all(|event| !self.told.contains_key(&event.id)) {
            self.read_all = None;
            // Whoever came back counts on being told all since then.
            if self.after.take().is_some() {
                self.ready.push_back((self.seen, Message::Reset {}));
            }
        }
        for event in events.into_iter().rev() {
            if self.told.insert(event.id, event.at).is_some() {
                continue;
            }
            if let Some(number) = event.slot.and_then(|slot| u32::try_from(slot).ok()).filter(|_| self.topics.slots) {
                self.missed.insert((event.pool, number));
            }
            if event.kind == EventKind::Drain {
                // A notice is about a claim, so no slot of it is named: all are looked at again.
                self.read_all = None;
            }
            if self.topics.log && self.app.caller().tenants.is_none() && self.app.caller().may(Action::Debug) {
                self.log.push(event.into());
            }
        }
        self.told.retain(|_, at| *at >= self.since);
        Ok(())
    }

    async fn slots(&mut self, conn: &mut sqlx::PgConnection) -> Result<()> {
        let all = self.read_all.is_none_or(|at| at.elapsed() >= READ_ALL_EVERY);
        let is_news = all || !self.missed.is_empty();
        if !is_news || !self.may_speak("slots") {
            return Ok(());
        }
        let now = headroom_store::now(conn).await?;
        let missed = std::mem::take(&mut self.missed);
        for (slug, key) in self.pools.clone() {
            let stored = if all {
                self.noticed.insert(key, noticed(conn, key, now).await?);
                slot::of_pool(conn, key).await?
            } else {
                let numbers: Vec<u32> = missed.iter().filter(|(pool, _)| *pool == key).map(|(_, n)| *n).collect();
                slot::some(conn, key, &numbers).await?
            };
            let claims = self.noticed.entry(key).or_default();
            let picture = self.pictures.entry(key).or_default();
            let first = picture.is_empty();
            let mut changes = Vec::new();
            for one in &stored {
                let place = one.number as usize - 1;
                if picture.len() <= place {
                    picture.resize(place + 1, '?');
                }
                let state = letter(one, is_noticed(one, claims), now);
                let is_news = missed.contains(&(key, one.number)) || (!first && picture[place] != state);
                picture[place] = state;
                if is_news {
                    changes.push((one.number, state));
                }
            }
            if !changes.is_empty() {
                self.speak(Message::Slots { pool: slug, version: self.newest.0, changes });
            }
        }
        if all {
            self.read_all = Some(Instant::now());
        }
        Ok(())
    }

    async fn figures(&self) -> Result<Message> {
        let snapshot = self.app.snapshot().await?;
        let Snapshot { now, figures, .. } = &*snapshot;
        let now = *now;
        let caller = self.app.caller();
        let names: BTreeMap<i32, (&String, bool)> = (snapshot.names.iter())
            .filter(|(_, key, _)| caller.sees_pool(*key))
            .map(|(slug, key, tracked)| (*key, (slug, *tracked == 1)))
            .collect();
        let micros = |ms: f64| (ms * 1_000.0) as i64;
        let mut pools = Vec::new();
        let mut reconciler = LiveReconciler::default();
        let sees_all = caller.tenants.is_none() && caller.pools.is_none();
        let mut store = LiveStore { disk_free: snapshot.disk_free.filter(|_| sees_all), ..LiveStore::default() };
        for (key, (slug, _)) in names.iter().filter(|(_, (_, tracked))| *tracked) {
            reconciler.pools += 1;
            let Some(f) = figures.get(key) else {
                reconciler.stalled += 1;
                continue;
            };
            let r = &f.reconciler;
            reconciler.last_pass_ms_ago = reconciler.last_pass_ms_ago.max(now - r.last_pass_ms);
            reconciler.lag_ms = reconciler.lag_ms.max(r.lag_ms);
            reconciler.reclaim_p95_ms = reconciler.reclaim_p95_ms.max(r.reclaim.p95_ms as i64);
            reconciler.leaked += r.leaked;
            reconciler.silent_network |= r.silent_together;
            store.commit_p95_us = store.commit_p95_us.max(micros(f.commit.p95_ms));
            store.queue = store.queue.max(f.committer_queue);
            pools.push(live_pool((*slug).clone(), f));
        }
        Ok(Message::Live { at: now, pools, reconciler, store })
    }
}

fn live_pool(slug: String, f: &PoolFigures) -> LivePool {
    let micros = |ms: f64| (ms * 1_000.0) as i64;
    LivePool {
        slug,
        mode: f.mode.unwrap_or(Mode::Open).as_str(),
        capacity: f.capacity,
        occupied: f.occupied,
        draining: f.draining,
        offline: f.offline,
        leaked: f.reconciler.leaked,
        free: f.free,
        queued: f.queued,
        granted_1m: f.granted_1m,
        rejected_1m: f.rejected_1m,
        claim_p95_us: micros(f.claim.p95_ms),
        claim_p99_us: micros(f.claim.p99_ms),
        wait_p99_ms: f.wait.iter().rev().map(|(priority, wait)| (*priority, wait.p99_ms as i64)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_words_with_commas() {
        assert_eq!(Topics::parse("live, log"), Topics { live: true, slots: false, log: true, alerts: false });
        assert_eq!(Topics::parse("alerts"), Topics { alerts: true, ..Topics::default() });
        assert_eq!(Topics::parse("forecasts"), Topics::default());
    }
}
