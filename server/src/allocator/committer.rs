//! One committer: takes what is asked, decides, makes it durable in one statement, answers.
//!
//! Whatever came while a statement was under way goes into the next one; there is no timer, so a lone call goes straight
//! through, and many together share a commit.

use super::figures::Commits;
use super::owned::{Labels, Owned, limits};
use super::waiters::{Waiter, Waiters};
use super::way::{Keeper, Statement, Way};
use super::{
    COMMITTERS, CONGESTED, Call, ClaimView, Clock, LONGEST_POLL, OVERDUE, Op, QUIET_LIMIT, Reply, STATEMENT_LIMIT,
    Standing, place_of, within,
};
use crate::app::AppError;
use crate::clock as system;
use crate::db::{Db, Loan, TRUSTED_FOR};
use headroom_domain::Millis;
use headroom_domain::allocation::{Answer, Change, Effects, End, Known, Lease};
use headroom_domain::lease::EventKind;
use headroom_store::catalog::{self, Version};
use headroom_store::live::ClaimMinute;
use headroom_store::order;
use headroom_store::owner::{self, Owner};
use headroom_store::slot::{self, Accepted, Decided};
use headroom_store::{StoreError, live, partition};
use sqlx::Connection;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Calls of one statement.
const BATCH: usize = 512;
/// Without calls it looks this often whether something happens by itself.
const IDLE: Duration = Duration::from_millis(50);
/// Rules and limits are looked at this often, and so are pools that nobody owns.
const RULES_EVERY: Duration = Duration::from_millis(500);
/// The reconciler looks at every pool this often.
const PASS_EVERY_MS: Millis = 500;
/// Figures are written for other servers this often.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// Where a pool is, if elsewhere, is believed for so long.
const ELSEWHERE_FOR: Duration = Duration::from_millis(500);
/// A call is tried again this often when the pool turns out to be another's, or memory to be wrong.
const ATTEMPTS: u8 = 3;
/// Keys of claims that are remembered here; older ones are in the database.
const REMEMBERED_KEYS: usize = 100_000;
/// Series with a slot's or a shard's number, of one committer: as many as a collector bears.
const SLOT_SERIES: usize = 1_000;
/// A large pool is taken in several statements.
const TAKE_LIMIT: Duration = Duration::from_secs(8);
/// Orders of operators that are carried out in one go.
const ORDERS: i64 = 100;
/// Pools taken in one go.
const ADOPT: i64 = 200;
/// A pool of ours that cannot be had is tried again this often.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(5);

/// An answer that is given when the statement is durable.
enum Pending {
    /// A claim that was asked for just now.
    Claim { call: Call, claim: Uuid, alone: bool, way: Box<Way> },
    /// A lease that was extended.
    Renewed { pool: i32, lease: Box<Lease>, reply: oneshot::Sender<Reply> },
    /// Something else, of which some claims must have been changed for it to be true.
    Other { pool: i32, claims: Vec<Uuid>, then: Reply, reply: oneshot::Sender<Reply> },
}

/// What all committers of a server share.
pub(super) struct Shared {
    pub(super) db: Db,
    pub(super) replica: Uuid,
    pub(super) clock: Arc<Clock>,
    /// Told when slots changed.
    pub(super) changed: Arc<Notify>,
    /// Where each committer says how many callers wait for room.
    pub(super) waiting: Arc<[AtomicUsize; COMMITTERS]>,
}

/// An order of an operator whose effects are about to be sent.
#[derive(Debug)]
struct Obeyed {
    pool: i32,
    order: i64,
    /// Leases or slots that it concerned.
    count: usize,
}

pub(super) struct Committer {
    db: Db,
    replica: Uuid,
    place: usize,
    committers: usize,
    clock: Arc<Clock>,
    changed: Arc<Notify>,
    traces: Keeper,
    /// Where it says how many callers wait for room.
    waiting: Arc<[AtomicUsize; COMMITTERS]>,
    inbox: mpsc::Receiver<Call>,
    /// Calls that must wait for the next statement.
    deferred: VecDeque<Call>,
    /// When nothing was left in the inbox.
    emptied: Instant,
    pools: HashMap<i32, Owned>,
    elsewhere: HashMap<i32, (Instant, Reply)>,
    waiters: Waiters,
    /// A pool went to another server: who waits for a claim in it is to be told.
    gone: bool,
    /// Claims under keys that were asked for here, by pool and key, and the order in which they are forgotten.
    keys: HashMap<(i32, String), (Uuid, Vec<u8>)>,
    keys_by_age: VecDeque<(i32, String)>,
    names: HashMap<i32, String>,
    tenants: Arc<HashMap<i32, String>>,
    commits: Commits,
    version: Option<Version>,
    looked: Option<Instant>,
    told: Option<Instant>,
    limits_read: Option<Instant>,
    partition_day: Millis,
    /// Orders whose effects go out next, each with how many leases or slots it concerned.
    obeyed: Vec<Obeyed>,
    /// The connection of statements, and when it was used last.
    conn: Option<(Loan, Instant)>,
}

impl Committer {
    pub(super) fn new(
        Shared { db, replica, clock, changed, waiting }: Shared,
        (place, committers): (usize, usize),
        inbox: mpsc::Receiver<Call>,
        traces: Keeper,
    ) -> Self {
        Self {
            db,
            replica,
            place,
            committers,
            clock,
            changed,
            traces,
            waiting,
            inbox,
            deferred: VecDeque::new(),
            emptied: Instant::now(),
            pools: HashMap::new(),
            elsewhere: HashMap::new(),
            waiters: Waiters::default(),
            gone: false,
            keys: HashMap::new(),
            keys_by_age: VecDeque::new(),
            names: HashMap::new(),
            tenants: Arc::default(),
            commits: Commits::default(),
            version: None,
            looked: None,
            told: None,
            limits_read: None,
            partition_day: 0,
            obeyed: Vec::new(),
            conn: None,
        }
    }

    pub(super) async fn run(mut self, cancel: CancellationToken) {
        loop {
            let mut calls: Vec<Call> = self.deferred.drain(..).collect();
            if calls.is_empty() {
                tokio::select! {
                    biased;
                    call = self.inbox.recv() => match call {
                        Some(call) => calls.push(call),
                        None => break,
                    },
                    // What was asked before the end is answered.
                    () = cancel.cancelled() => break,
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            while calls.len() < BATCH {
                match self.inbox.try_recv() {
                    Ok(call) => calls.push(call),
                    Err(_) => {
                        self.emptied = Instant::now();
                        break;
                    }
                }
            }
            if let Err(error) = self.round(calls).await {
                tracing::warn!(%error, "a round of the allocator failed");
            }
        }
    }

    /// One statement's worth of work.
    async fn round(&mut self, calls: Vec<Call>) -> Result<(), AppError> {
        let fresh = self.fresh(calls);
        let mut effects: BTreeMap<i32, Effects> = BTreeMap::new();
        let ready = match self.prepare(&fresh, &mut effects).await {
            Ok(()) => fresh,
            Err(error) => {
                for call in fresh {
                    let _ = call.reply.send(Reply::Unavailable);
                }
                self.obeyed.clear();
                // Changes around the pools were decided and will not be sent.
                for pool in effects.keys() {
                    if let Some(owned) = self.pools.get_mut(pool) {
                        owned.doubt();
                    }
                }
                self.version = None;
                self.looked = None;
                // Without a database there is nothing to do but to try again shortly.
                tokio::time::sleep(IDLE).await;
                return Err(error);
            }
        };
        // What changed around the pools comes first: slots that are new can be claimed at once.
        if !effects.is_empty() {
            self.commit(std::mem::take(&mut effects), Vec::new()).await;
        }
        self.tell_obeyed().await;
        let mut pending = Vec::new();
        for call in ready {
            self.decide(call, &mut effects, &mut pending);
        }
        self.by_itself(&mut effects);
        self.commit(effects, pending).await;
        self.answer_the_waiting();
        self.waiting[self.place].store(self.waiters.count(), Ordering::Relaxed);
        self.tell().await;
        Ok(())
    }

    /// Calls that are not too old to be served: a claim that is granted long after it was asked for helps nobody.
    fn fresh(&self, calls: Vec<Call>) -> Vec<Call> {
        let overdue = if self.emptied.elapsed() > CONGESTED { CONGESTED } else { OVERDUE };
        let mut fresh = Vec::with_capacity(calls.len());
        for call in calls {
            // Whoever does not wait for an answer any more has no use for a slot; an end is an end all the same.
            if call.reply.is_closed() && matches!(call.op, Op::Claim(..) | Op::Look { .. } | Op::Figures) {
                continue;
            }
            if call.since.elapsed() > overdue && matches!(call.op, Op::Claim(..)) {
                let _ = call.reply.send(Reply::Overloaded);
            } else {
                fresh.push(call);
            }
        }
        fresh
    }

    // ------------------------------------------------------------ before

    /// Makes sure that the pools that are asked about are owned and known, or known to be elsewhere.
    async fn prepare(&mut self, calls: &[Call], effects: &mut BTreeMap<i32, Effects>) -> Result<(), AppError> {
        let rules_due = self.looked.is_none_or(|at| at.elapsed() >= RULES_EVERY);
        let unknown: Vec<i32> = {
            let mut pools: Vec<i32> = calls.iter().map(|call| call.pool).collect();
            pools.sort_unstable();
            pools.dedup();
            self.elsewhere.retain(|_, (at, _)| at.elapsed() < ELSEWHERE_FOR);
            pools.retain(|pool| !self.pools.contains_key(pool) && !self.elsewhere.contains_key(pool));
            pools
        };
        let refresh = calls.iter().any(|call| matches!(call.op, Op::Refresh { .. }));
        let doubtful: Vec<i32> =
            self.pools.iter().filter(|(_, owned)| owned.is_in_doubt()).map(|(pool, _)| *pool).collect();
        if !rules_due && !refresh && doubtful.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        let mut loan = Loan::of(&self.db.slots).await.map_err(StoreError::from)?;
        let conn = &mut *loan;
        let now = self.clock.now();
        within(QUIET_LIMIT, self.make_partitions(conn, now)).await?;
        let took = !unknown.is_empty();
        for pool in unknown {
            within(TAKE_LIMIT, self.take(conn, pool, now, effects)).await?;
        }
        for pool in &doubtful {
            let Some(owned) = self.pools.get_mut(pool) else { continue };
            if !within(TAKE_LIMIT, owned.make_sure(conn, *pool, self.replica)).await? {
                tracing::warn!(pool, "another server decides about the pool now");
                self.pools.remove(pool);
                self.gone = true;
            }
        }
        if rules_due || refresh || took {
            let actor = calls.iter().find_map(|call| match &call.op {
                Op::Refresh { actor } => Some(actor.as_str()),
                _ => None,
            });
            self.look_around(conn, now, refresh, actor.unwrap_or("allocator"), effects).await?;
            self.looked = Some(Instant::now());
        }
        loan.give_back();
        Ok(())
    }

    /// Events fall into partitions of a day, which must be there before the day is.
    async fn make_partitions(&mut self, conn: &mut sqlx::PgConnection, now: Millis) -> Result<(), AppError> {
        use headroom_domain::DAY_MS;
        let day = now.div_euclid(DAY_MS);
        if self.partition_day == day {
            return Ok(());
        }
        let today = headroom_store::now(conn).await?;
        let mut tx = sqlx::Connection::begin(conn).await?;
        for cut in [partition::Cut::SlotEvents, partition::Cut::ClaimTraces] {
            partition::ensure(&mut tx, cut, today, today + 2 * DAY_MS).await?;
        }
        tx.commit().await?;
        self.partition_day = today.div_euclid(DAY_MS);
        Ok(())
    }

    async fn take(
        &mut self,
        conn: &mut sqlx::PgConnection,
        pool: i32,
        now: Millis,
        effects: &mut BTreeMap<i32, Effects>,
    ) -> Result<(), AppError> {
        let (mut rules, unreadable) = owner::readable_rules(conn, Some(&[pool])).await?;
        let Some(rules) = rules.pop() else {
            let reply = if unreadable.is_empty() { Reply::NotTracked } else { Reply::Unavailable };
            self.elsewhere.insert(pool, (Instant::now(), reply));
            return Ok(());
        };
        match owner::take(conn, pool, self.replica).await? {
            Owner::Me(epoch) => {
                let owned = Owned::read(conn, rules, epoch, now, effects.entry(pool).or_default()).await?;
                tracing::info!(pool, epoch, held = owned.state.held(), "this server decides about the pool now");
                self.pools.insert(pool, owned);
                // Its size and limits are taken up with the next look.
                self.version = None;
                self.looked = None;
            }
            Owner::Other(url) => {
                self.elsewhere.insert(pool, (Instant::now(), Reply::Elsewhere(url)));
            }
        }
        Ok(())
    }

    /// Takes up changed rules and limits, and pools that nobody owns.
    async fn look_around(
        &mut self,
        conn: &mut sqlx::PgConnection,
        now: Millis,
        force: bool,
        actor: &str,
        effects: &mut BTreeMap<i32, Effects>,
    ) -> Result<(), AppError> {
        for pool in within(QUIET_LIMIT, owner::orphans(conn, ADOPT)).await? {
            if place_of(pool, self.committers) == self.place && !self.pools.contains_key(&pool) {
                self.elsewhere.remove(&pool);
                within(TAKE_LIMIT, self.take(conn, pool, now, effects)).await?;
            }
        }
        // A server that slept may have been replaced meanwhile: what it remembers is nobody's answer then.
        let mine = within(QUIET_LIMIT, owner::pools_of(conn, self.replica)).await?;
        self.pools.retain(|pool, owned| {
            let is_mine = mine.get(pool) == Some(&owned.epoch) || believes_itself();
            if !is_mine {
                tracing::warn!(pool, "another server decides about the pool now");
                self.gone = true;
            }
            is_mine
        });
        // A takeover whose answer or whose reading was lost: nobody else takes such a pool while this server lives.
        let is_forgotten = |pool: &&i32| {
            let told = self.elsewhere.get(*pool).is_some_and(|(at, _)| at.elapsed() < FORGOTTEN_EVERY);
            place_of(**pool, self.committers) == self.place && !self.pools.contains_key(*pool) && !told
        };
        let forgotten: Vec<i32> = mine.keys().filter(is_forgotten).take(ADOPT as usize).copied().collect();
        for pool in forgotten {
            let taken = within(TAKE_LIMIT, self.take(conn, pool, now, effects)).await;
            if taken.is_err() {
                // One that can never be had must not stop the others in each look.
                self.elsewhere.insert(pool, (Instant::now(), Reply::Unavailable));
            }
            taken?;
        }
        self.carry_out_orders(conn, now, effects).await?;
        let version = within(QUIET_LIMIT, catalog::version(conn)).await?;
        let changed = force || self.version != Some(version);
        // Reservations begin and end by themselves.
        let stale = self.limits_read.is_none_or(|at| at.elapsed() > Duration::from_secs(5));
        if !(changed || stale) || self.pools.is_empty() {
            return Ok(());
        }
        let keys: Vec<i32> = self.pools.keys().copied().collect();
        if changed {
            let names = within(QUIET_LIMIT, owner::pool_names(conn)).await?;
            self.names = names.into_iter().map(|(slug, key, _)| (key, slug)).collect();
            let tenants = within(QUIET_LIMIT, owner::tenant_names(conn)).await?;
            let tenants = tenants.into_iter().map(|(slug, key, _)| (key, slug));
            self.tenants = Arc::new(tenants.collect());
        }
        let (rules, unreadable) = within(QUIET_LIMIT, owner::readable_rules(conn, Some(&keys))).await?;
        for (pool, error) in &unreadable {
            tracing::error!(pool, %error, "the rules of a pool cannot be read; what was in force goes on");
        }
        let mut all: HashMap<i32, owner::Rules> = rules.into_iter().map(|rules| (rules.pool, rules)).collect();
        let mut of_pools = within(TAKE_LIMIT, limits(conn, &keys, now)).await?;
        self.pools.retain(|pool, _| all.contains_key(pool) || unreadable.iter().any(|(other, _)| other == pool));
        self.gone = true;
        for (pool, owned) in &mut self.pools {
            owned.state.set_limits(of_pools.remove(pool).unwrap_or_default());
            if let Some(rules) = all.remove(pool) {
                within(TAKE_LIMIT, owned.follow(conn, rules, actor, effects.entry(*pool).or_default())).await?;
            }
        }
        self.version = Some(version);
        self.limits_read = Some(Instant::now());
        Ok(())
    }

    /// Does what operators said. An order is done when its effects are durable; until then it is found again.
    async fn carry_out_orders(
        &mut self,
        conn: &mut sqlx::PgConnection,
        now: Millis,
        effects: &mut BTreeMap<i32, Effects>,
    ) -> Result<(), AppError> {
        self.obeyed.clear();
        let keys: Vec<i32> = self.pools.keys().copied().collect();
        if keys.is_empty() {
            return Ok(());
        }
        for open in within(QUIET_LIMIT, order::open(conn, &keys, ORDERS)).await? {
            // A statement writes a slot once, and two orders may concern the same slot: the next one has the next round.
            let has_one = self.obeyed.iter().any(|one| one.pool == open.pool);
            let Some(owned) = self.pools.get_mut(&open.pool).filter(|_| !has_one) else { continue };
            let fx = effects.entry(open.pool).or_default();
            let count = open.order.map_or(0, |order| owned.obey(&order, &open.actor, now, fx));
            self.obeyed.push(Obeyed { pool: open.pool, order: open.id, count });
        }
        Ok(())
    }

    /// Says which orders are carried out.
    async fn tell_obeyed(&mut self) {
        if self.obeyed.is_empty() {
            return;
        }
        let obeyed: Vec<(i64, usize)> = self.obeyed.drain(..).map(|one| (one.order, one.count)).collect();
        let written = within(QUIET_LIMIT, async {
            let mut conn = Loan::of(&self.db.slots).await?;
            order::done(&mut conn, &obeyed).await?;
            conn.give_back();
            Ok::<(), StoreError>(())
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "orders that were carried out are carried out again");
        }
    }

    // ------------------------------------------------------------ decisions

    fn decide(&mut self, call: Call, effects: &mut BTreeMap<i32, Effects>, pending: &mut Vec<Pending>) {
        let Some(owned) = self.pools.get_mut(&call.pool) else {
            let reply = self.elsewhere.get(&call.pool).map_or(Reply::Unavailable, |(_, reply)| reply.clone());
            let _ = call.reply.send(reply);
            return;
        };
        let now = self.clock.now();
        let fx = effects.entry(call.pool).or_default();
        let state = &mut owned.state;
        let touched = match &call.op {
            Op::Renew { claim, .. }
            | Op::Release { claim, .. }
            | Op::Checkpoint { claim, .. }
            | Op::Abandon { claim } => state.is_touched(*claim),
            _ => false,
        };
        if touched {
            self.deferred.push_back(call);
            return;
        }
        // Who is limited to some tenants does not learn about the others'.
        let hidden = |tenant: i32| call.tenants.as_ref().is_some_and(|own| !own.contains(&tenant));
        let not_theirs = match &call.op {
            Op::Renew { claim, .. }
            | Op::Release { claim, .. }
            | Op::Checkpoint { claim, .. }
            | Op::Look { claim, .. } => state.tenant_of(*claim).is_some_and(hidden),
            _ => false,
        };
        if not_theirs {
            let _ = call.reply.send(Reply::NotHeld(None));
            return;
        }
        match call.op {
            Op::Claim(ref ask, origin) => {
                if !state.may_act(&ask.holder, ask.tenant, ask.generation) {
                    let _ = call.reply.send(Reply::Superseded);
                    return;
                }
                let (claim, alone) = (ask.claim, ask.key.is_none());
                if let Some((key, hash)) = &ask.key {
                    let key = (call.pool, key.clone());
                    if let Some((before, other)) = self.keys.get(&key) {
                        if other != hash {
                            let _ = call.reply.send(Reply::KeyReused);
                            return;
                        }
                        if state.is_touched(*before) {
                            self.deferred.push_back(call);
                            return;
                        }
                        let before = *before;
                        match state.known(before, now) {
                            // A claim that was refused may be tried again.
                            Known::Ended(End::Refused(_)) | Known::Unknown => {}
                            Known::Queued(..) => {
                                let wait = Duration::from_millis(ask.wait_ms.unsigned_abs());
                                let until = Instant::now() + patience(wait);
                                let (pool, since) = (call.pool, call.since);
                                let waiter = Waiter { pool, until, since, alone: false, way: None, reply: call.reply };
                                self.waiters.add(before, waiter);
                                return;
                            }
                            known => {
                                let _ = call.reply.send(looked(before, known, now));
                                return;
                            }
                        }
                    }
                    self.keys_by_age.push_back(key.clone());
                    self.keys.insert(key, (claim, hash.clone()));
                    while self.keys_by_age.len() > REMEMBERED_KEYS {
                        if let Some(oldest) = self.keys_by_age.pop_front() {
                            self.keys.remove(&oldest);
                        }
                    }
                }
                let mut ask = (**ask).clone();
                let tenant = ask.tenant;
                ask.ttl_ms = match state.policy().ttl(Some(ask.ttl_ms).filter(|ttl| *ttl != 0)) {
                    Ok(ttl) => ttl,
                    Err((least, most)) => {
                        let _ = call.reply.send(Reply::WrongTtl(least, most));
                        return;
                    }
                };
                ask.wait_ms = ask.wait_ms.min(state.policy().longest_wait_ms);
                state.claim(ask, now, fx);
                let mut call = call;
                let way = call.way.take().unwrap_or_else(|| Box::new(Way::new(origin, call.since, tenant)));
                pending.push(Pending::Claim { call, claim, alone, way });
            }
            Op::Renew { claim, ttl_ms, report, actor } => {
                let ttl = match state.policy().ttl(ttl_ms) {
                    Ok(ttl) => ttl,
                    Err((least, most)) => {
                        let _ = call.reply.send(Reply::WrongTtl(least, most));
                        return;
                    }
                };
                match state.renew(claim, ttl, report, &actor, now, fx) {
                    Some(lease) => {
                        pending.push(Pending::Renewed { pool: call.pool, lease: Box::new(lease), reply: call.reply });
                    }
                    None => {
                        let how = end_of(state.known(claim, now));
                        let _ = call.reply.send(Reply::NotHeld(how));
                    }
                }
            }
            Op::Release { claim, report, actor } => {
                let reply = match state.known(claim, now) {
                    Known::Granted(_) => {
                        let released = state.release(claim, report, &actor, now, fx).map(|lease| view_of_end(&lease));
                        let then = released.map_or(Reply::NotHeld(None), |view| Reply::Claim(Box::new(view)));
                        pending.push(Pending::Other { pool: call.pool, claims: vec![claim], then, reply: call.reply });
                        return;
                    }
                    Known::Queued(..) => {
                        state.withdraw(claim);
                        Reply::Claim(Box::new(ClaimView::ended(claim, End::Released)))
                    }
                    // Released before: the answer was lost, or somebody is very sure.
                    Known::Ended(End::Released) => Reply::Claim(Box::new(ClaimView::ended(claim, End::Released))),
                    other => Reply::NotHeld(end_of(other)),
                };
                let _ = call.reply.send(reply);
            }
            Op::Checkpoint { claim, actor } => match state.checkpoint(claim, &actor, now, fx) {
                Some(Some(lease)) => {
                    let then = Reply::Claim(Box::new(view_of_end(&lease)));
                    pending.push(Pending::Other { pool: call.pool, claims: vec![claim], then, reply: call.reply });
                }
                Some(None) => {
                    let _ = call.reply.send(Reply::NoNotice);
                }
                None => {
                    // Acknowledged before, or taken meanwhile: that the slots may go is true either way.
                    let reply = match state.known(claim, now) {
                        Known::Ended(End::Taken) => Reply::Claim(Box::new(ClaimView::ended(claim, End::Taken))),
                        other => Reply::NotHeld(end_of(other)),
                    };
                    let _ = call.reply.send(reply);
                }
            },
            Op::Look { claim, wait } => {
                let known = state.known(claim, now);
                if matches!(known, Known::Queued(..)) && !wait.is_zero() {
                    let until = Instant::now() + patience(wait);
                    let waiter = Waiter {
                        pool: call.pool,
                        until,
                        since: call.since,
                        alone: false,
                        way: None,
                        reply: call.reply,
                    };
                    self.waiters.add(claim, waiter);
                } else {
                    let _ = call.reply.send(looked(claim, known, now));
                }
            }
            Op::Beats(beats) => {
                let all = beats.len();
                let own = call.tenants.as_ref().map(|own| own.as_slice());
                let mut superseded = Vec::new();
                for (holder, generation) in beats {
                    if let Err(present) = state.beat(&holder, own, generation, now, fx) {
                        superseded.push((holder, present));
                    }
                }
                let _ = call.reply.send(Reply::Beats(all - superseded.len(), superseded));
            }
            Op::Abandon { claim } => {
                let reason = "the caller went away";
                state.take(claim, EventKind::Reconcile, reason, "allocator", now, fx);
                let then = Reply::Done(1);
                pending.push(Pending::Other { pool: call.pool, claims: vec![claim], then, reply: call.reply });
            }
            Op::Refresh { .. } => {
                state.serve(now, fx);
                let then = Reply::Done(0);
                pending.push(Pending::Other { pool: call.pool, claims: Vec::new(), then, reply: call.reply });
            }
            Op::Figures => {
                let mut figures = owned.figures(now);
                figures.commit = self.commits.latency();
                figures.committer_queue = self.inbox.len();
                let _ = call.reply.send(Reply::Figures(Box::new(figures)));
            }
            Op::Adopt => {
                let _ = call.reply.send(Reply::Done(1));
            }
        }
    }

    /// What happens without anybody asking.
    fn by_itself(&mut self, effects: &mut BTreeMap<i32, Effects>) {
        let now = self.clock.now();
        for (pool, claim) in self.waiters.abandoned(Instant::now()) {
            if let Some(owned) = self.pools.get_mut(&pool) {
                owned.state.withdraw(claim);
            }
        }
        for (pool, owned) in &mut self.pools {
            let pass_due = now - owned.last_pass >= PASS_EVERY_MS;
            let something_due = owned.state.next_due().is_some_and(|at| at <= now);
            if !(pass_due || something_due) {
                continue;
            }
            let fx = effects.entry(*pool).or_default();
            if pass_due {
                // What is left of a pass goes on with the next statement.
                if !owned.state.reap(now, fx).more {
                    owned.last_pass = now;
                }
            }
            owned.state.tick(now, fx);
        }
    }

    // ------------------------------------------------------------ durable

    async fn commit(&mut self, mut effects: BTreeMap<i32, Effects>, pending: Vec<Pending>) {
        effects.retain(|pool, fx| *fx != Effects::default() && self.pools.contains_key(pool));
        let has_writes = effects.values().any(|fx| !fx.writes.is_empty() || !fx.notes.is_empty());
        let started = Instant::now();
        let result = if has_writes { self.send(&effects).await } else { Ok((started, self.nothing_to_send(&effects))) };
        for owned in self.pools.values_mut() {
            owned.state.begin();
        }
        let (sent, accepted) = match result {
            Ok(accepted) => accepted,
            Err(error) => {
                self.failed(&error, &effects, pending);
                return;
            }
        };
        let to = Instant::now();
        let changes = effects.values().map(|fx| fx.writes.len() + fx.notes.len()).sum();
        let statement = has_writes.then_some(Statement { from: started, to, changes });
        if has_writes {
            // Each statement says what time it is: what is reckoned in between goes wrong with this machine's clock.
            if accepted.at > 0 {
                self.clock.set(sent, accepted.at);
            }
            self.commits.add(self.clock.now(), (to - started).as_secs_f64() * 1_000.0);
            metrics::histogram!("slot_commit_seconds").record((to - started).as_secs_f64());
            self.changed.notify_waiters();
        }
        let owned: HashSet<i32> = accepted.owned.iter().copied().collect();
        let lost = self.lost(&effects, &accepted, &owned);
        // An order of which a part was not accepted is carried out again, on what is stored then.
        let is_whole = |pool: &i32| {
            let whole =
                |fx: &Effects| owned.contains(pool) && fx.writes.iter().all(|write| !lost.contains(&write.claim));
            effects.get(pool).is_none_or(whole)
        };
        self.obeyed.retain(|one| is_whole(&one.pool));
        let now = self.clock.now();
        let mut answers: HashMap<Uuid, (i32, Answer)> = HashMap::new();
        for (pool, fx) in effects {
            if !owned.contains(&pool) {
                tracing::warn!(pool, "another server decides about the pool now");
                self.pools.remove(&pool);
                self.gone = true;
                self.elsewhere.remove(&pool);
                continue;
            }
            if let Some(owned) = self.pools.get_mut(&pool) {
                let labels = Labels {
                    pool: self.names.get(&pool).cloned().unwrap_or_default(),
                    tenants: Arc::clone(&self.tenants),
                };
                owned.count(&fx, &labels, now);
            }
            answers.extend(fx.answers.into_iter().map(|(claim, answer)| (claim, (pool, answer))));
        }
        self.answer(pending, &owned, &lost, &mut answers, statement);
        // Claims that had waited.
        for (claim, (pool, answer)) in answers {
            self.resolve(pool, claim, &answer, lost.contains(&claim), statement);
        }
    }

    /// The connection that is kept from one statement to the next: the pool asks each that is given back whether it still works,
    /// which costs as much as a small statement.
    async fn connection(&mut self) -> Result<Loan, StoreError> {
        if let Some((mut conn, used)) = self.conn.take()
            && (used.elapsed() < TRUSTED_FOR || conn.ping().await.is_ok())
        {
            return Ok(conn);
        }
        Ok(Loan::of(&self.db.slots).await?)
    }

    /// Sends what was decided. Gives when it was sent, which is about when the database looked at its clock.
    async fn send(&mut self, effects: &BTreeMap<i32, Effects>) -> Result<(Instant, Accepted), StoreError> {
        // Without a connection nothing was sent, which is not the same as an answer that did not come.
        let connection = tokio::time::timeout(STATEMENT_LIMIT, self.connection()).await;
        let mut conn = connection.unwrap_or(Err(StoreError::Database(sqlx::Error::PoolTimedOut)))?;
        let decided: Vec<Decided<'_>> = effects
            .iter()
            .filter_map(|(pool, effects)| Some(Decided { pool: *pool, epoch: self.pools.get(pool)?.epoch, effects }))
            .collect();
        let sent = Instant::now();
        let result = within(STATEMENT_LIMIT, slot::change(&mut conn, &decided)).await;
        // After whatever failed the next one is a new connection.
        if result.is_ok() {
            self.conn = Some((conn, Instant::now()));
        }
        result.map(|accepted| (sent, accepted))
    }

    fn nothing_to_send(&self, effects: &BTreeMap<i32, Effects>) -> Accepted {
        Accepted { at: self.clock.now(), owned: effects.keys().copied().collect(), made: Vec::new() }
    }

    /// Claims of which a write was not accepted. What is stored is other than what was remembered, so it is read again; but for
    /// renewals that came too late by the database's clock, which is nothing unusual.
    fn lost(&mut self, effects: &BTreeMap<i32, Effects>, accepted: &Accepted, owned: &HashSet<i32>) -> HashSet<Uuid> {
        let mut made: Vec<Vec<bool>> = effects.values().map(|fx| vec![false; fx.writes.len()]).collect();
        let mut ends: Vec<(i32, Uuid, Millis)> = Vec::new();
        let pools: Vec<(&i32, &Effects)> = effects.iter().collect();
        for (of, place, expires_at) in &accepted.made {
            made[*of][*place] = true;
            let (pool, fx) = pools[*of];
            let write = &fx.writes[*place];
            if let Some(at) = expires_at.filter(|_| matches!(write.change, Change::Claim | Change::Renew)) {
                ends.push((*pool, write.claim, at));
            }
        }
        for (pool, claim, at) in ends {
            if let Some(owned) = self.pools.get_mut(&pool) {
                owned.state.set_expiry(claim, at);
            }
        }
        let mut lost = HashSet::new();
        for ((pool, fx), made) in pools.into_iter().zip(&made).filter(|((pool, _), _)| owned.contains(pool)) {
            for write in fx.writes.iter().zip(made).filter(|(_, made)| !**made).map(|(write, _)| write) {
                lost.insert(write.claim);
                if let Some(owned) = self.pools.get_mut(pool) {
                    owned.doubt();
                }
                if write.change != Change::Renew {
                    tracing::warn!(pool, slot = write.slot, expect = write.expect, change = ?write.change, "a slot was not as remembered");
                }
            }
        }
        lost
    }

    /// Nothing was accepted, or it is not known whether something was.
    fn failed(&mut self, error: &StoreError, effects: &BTreeMap<i32, Effects>, pending: Vec<Pending>) {
        let is_unknown = !slot::is_refused(error);
        let reply = if is_unknown { Reply::Unknown } else { Reply::Unavailable };
        tracing::warn!(%error, outcome = ?reply, "a statement of the allocator failed");
        for pool in effects.keys() {
            match self.pools.get_mut(pool) {
                Some(owned) if is_unknown => owned.doubt_the_unknown(),
                Some(owned) => owned.doubt(),
                None => {}
            }
        }
        // Sizes and rules are looked at again: they may be what was lost.
        self.version = None;
        self.looked = None;
        self.obeyed.clear();
        for one in pending {
            let to = match one {
                Pending::Claim { call, .. } => call.reply,
                Pending::Renewed { reply, .. } | Pending::Other { reply, .. } => reply,
            };
            let _ = to.send(reply.clone());
        }
        for (claim, _) in effects.values().flat_map(|fx| &fx.answers) {
            for waiter in self.waiters.take(*claim) {
                let _ = waiter.reply.send(reply.clone());
            }
        }
    }

    fn answer(
        &mut self,
        pending: Vec<Pending>,
        owned: &HashSet<i32>,
        lost: &HashSet<Uuid>,
        answers: &mut HashMap<Uuid, (i32, Answer)>,
        statement: Option<Statement>,
    ) {
        let now = self.clock.now();
        for one in pending {
            match one {
                Pending::Claim { mut call, claim, alone, mut way } => {
                    // A pool without effects was not part of the statement, and nothing can have been lost of it.
                    let gone = !owned.contains(&call.pool) && !self.pools.contains_key(&call.pool);
                    let is_lost = gone || lost.contains(&claim);
                    if let Some(statement) = statement {
                        way.committed(statement, is_lost);
                    }
                    if is_lost {
                        answers.remove(&claim);
                        if matches!(&call.op, Op::Claim(ask, _) if ask.key.is_some()) {
                            // It may have been made before, which the caller can find out by the key.
                            let _ = call.reply.send(Reply::AskByKey);
                            continue;
                        }
                        call.way = Some(way);
                        self.again(call);
                        continue;
                    }
                    match answers.remove(&claim) {
                        Some((_, answer)) => self.told_first(call, claim, &answer, alone, &way),
                        None => {
                            let wait = match &call.op {
                                Op::Claim(ask, _) => Duration::from_millis(ask.wait_ms.unsigned_abs()),
                                _ => Duration::ZERO,
                            };
                            way.queued();
                            if way.is_told_at_once() {
                                let owned = self.pools.get(&call.pool);
                                let known = owned.map_or(Known::Unknown, |owned| owned.state.known(claim, now));
                                self.traces.answered(&way, claim, call.pool, "queued", now);
                                let _ = call.reply.send(looked(claim, known, now));
                                continue;
                            }
                            let until = Instant::now() + patience(wait);
                            let (pool, since) = (call.pool, call.since);
                            let waiter = Waiter { pool, until, since, alone, way: Some(way), reply: call.reply };
                            self.waiters.add(claim, waiter);
                        }
                    }
                }
                Pending::Renewed { pool, lease, reply } => {
                    let answer = match self.pools.get(&pool).map(|owned| owned.state.known(lease.claim, now)) {
                        None => Reply::Unknown,
                        Some(_) if lost.contains(&lease.claim) => Reply::NotHeld(Some(End::Expired)),
                        Some(Known::Granted(lease)) => Reply::Claim(Box::new(view(lease, now))),
                        Some(other) => Reply::NotHeld(end_of(other)),
                    };
                    let _ = reply.send(answer);
                }
                Pending::Other { pool, claims, then, reply } => {
                    let answer = if !self.pools.contains_key(&pool) {
                        Reply::Unknown
                    } else if claims.iter().any(|claim| lost.contains(claim)) {
                        Reply::NotHeld(None)
                    } else {
                        then
                    };
                    let _ = reply.send(answer);
                }
            }
        }
    }

    /// A call whose pool turned out to be elsewhere, or other than remembered.
    fn again(&mut self, mut call: Call) {
        call.attempts += 1;
        if call.attempts >= ATTEMPTS {
            let _ = call.reply.send(Reply::Overloaded);
            return;
        }
        if let Op::Claim(ask, _) = &mut call.op {
            // A new try is a new claim: the one before ended.
            ask.claim = system::uuid();
        }
        self.deferred.push_back(call);
    }

    /// The answer to a claim that did not have to wait for another statement.
    fn told_first(&mut self, call: Call, claim: Uuid, answer: &Answer, alone: bool, way: &Way) {
        let now = self.clock.now();
        self.traces.answered(way, claim, call.pool, outcome_of(answer), now);
        if let Answer::Granted(lease) = answer {
            self.count_grant(call.pool, lease, lease.waited_ms, call.since.elapsed());
        }
        let reply = self.current(call.pool, claim, answer);
        let granted = matches!(answer, Answer::Granted(_));
        if call.reply.send(reply).is_err() && granted && alone {
            self.give_back(call.pool, claim);
        }
    }

    /// A claim that was decided after it waited, with somebody who waits for that or without.
    fn resolve(&mut self, pool: i32, claim: Uuid, answer: &Answer, is_lost: bool, statement: Option<Statement>) {
        let mut waiters = self.waiters.take(claim);
        if let Some(mut way) = waiters.iter_mut().find_map(|waiter| waiter.way.take()) {
            if let Some(statement) = statement {
                way.committed(statement, is_lost);
            }
            let outcome = if is_lost { "unknown" } else { outcome_of(answer) };
            self.traces.answered(&way, claim, pool, outcome, self.clock.now());
        }
        if let Answer::Granted(lease) = answer {
            let waited = Duration::from_millis(lease.waited_ms.unsigned_abs());
            let took = waiters.first().map_or(waited, |first| first.since.elapsed());
            self.count_grant(pool, lease, lease.waited_ms.max(1), took);
        }
        let reply = if is_lost { Reply::Unknown } else { self.current(pool, claim, answer) };
        let granted = matches!(answer, Answer::Granted(_)) && !is_lost;
        // Whose claim is known elsewhere comes back for it.
        let alone = !waiters.is_empty() && waiters.iter().all(|waiter| waiter.alone);
        let told = waiters.into_iter().filter_map(|waiter| waiter.reply.send(reply.clone()).ok()).count();
        if told == 0 && granted && alone {
            self.give_back(pool, claim);
        }
    }

    /// A claim that was granted after it waited for so long, in time for an answer that took so long.
    fn count_grant(&mut self, pool: i32, lease: &Lease, waited_ms: Millis, took: Duration) {
        let Some(owned) = self.pools.get_mut(&pool) else { return };
        let goal_ms = owned.wait_goal_ms();
        owned.recent.granted(self.clock.now(), lease.priority, waited_ms, took.as_secs_f64() * 1_000.0, goal_ms);
        let labels = [
            ("pool_id", self.names.get(&pool).cloned().unwrap_or_default()),
            ("tenant_id", self.tenants.get(&lease.tenant).cloned().unwrap_or_default()),
            ("priority", lease.priority.to_string()),
        ];
        let name = if waited_ms == 0 { "slot_claim_seconds" } else { "slot_wait_seconds" };
        metrics::histogram!(name, &labels).record(took.as_secs_f64());
    }

    /// The answer with what is known by now: the database's reckoning of the lease.
    fn current(&self, pool: i32, claim: Uuid, answer: &Answer) -> Reply {
        match answer {
            Answer::Granted(lease) => {
                let now = self.clock.now();
                let known = self.pools.get(&pool).map(|owned| owned.state.known(claim, now));
                let current = match known {
                    Some(Known::Granted(current)) => view(current, now),
                    _ => view(lease, now),
                };
                Reply::Claim(Box::new(current))
            }
            Answer::Refused(reason, retry) => Reply::Refused { claim, reason: *reason, retry_after_ms: *retry },
        }
    }

    /// Whoever asked went away before it was told: nobody will renew or release this claim.
    fn give_back(&mut self, pool: i32, claim: Uuid) {
        let (reply, _) = oneshot::channel();
        let op = Op::Abandon { claim };
        self.deferred.push_back(Call { pool, op, tenants: None, since: Instant::now(), attempts: 0, way: None, reply });
    }

    /// Tells those whose time to wait for an answer is over that their claim still waits.
    fn answer_the_waiting(&mut self) {
        let (now, instant) = (self.clock.now(), Instant::now());
        let mut over = self.waiters.overdue(instant);
        if std::mem::take(&mut self.gone) {
            over.extend(self.waiters.outside(|pool| self.pools.contains_key(&pool)));
        }
        for (claim, waiter) in over {
            if let Some(way) = &waiter.way {
                self.traces.answered(way, claim, waiter.pool, "queued", now);
            }
            let owned = self.pools.get(&waiter.pool);
            let reply = owned.map_or(Reply::Unknown, |owned| looked(claim, owned.state.known(claim, now), now));
            let _ = waiter.reply.send(reply);
        }
    }

    /// Writes what the pools look like, for the pages of every server.
    async fn tell(&mut self) {
        if self.told.is_some_and(|at| at.elapsed() < FIGURES_EVERY) || self.pools.is_empty() {
            return;
        }
        self.told = Some(Instant::now());
        let now = self.clock.now();
        let mut slots_left = SLOT_SERIES;
        let rows: Vec<live::Told> = self
            .pools
            .iter()
            .filter_map(|(pool, owned)| {
                let mut figures = owned.figures(now);
                figures.commit = self.commits.latency();
                figures.committer_queue = self.inbox.len();
                let labels = [("pool_id", self.names.get(pool).cloned().unwrap_or_default())];
                metrics::gauge!("slot_occupied", &labels).set(figures.occupied as f64);
                metrics::gauge!("slot_capacity", &labels).set(f64::from(figures.capacity));
                metrics::gauge!("slot_queue", &labels).set(figures.queued as f64);
                owned.tell_slots(&labels[0].1, now, &mut slots_left);
                let live = serde_json::to_value(&figures).ok()?;
                Some(live::Told { pool: *pool, asks: figures.deserve_a_look(), live })
            })
            .collect();
        let mut minutes: Vec<ClaimMinute> = Vec::new();
        for (pool, owned) in &mut self.pools {
            let (pool, epoch) = (*pool, owned.epoch);
            let over = owned.recent.take_minutes(now).into_iter();
            minutes.extend(over.map(|(minute, of)| ClaimMinute {
                pool,
                minute,
                epoch,
                sketch: of.sketch,
                counts: of.counts,
            }));
        }
        let written = within(STATEMENT_LIMIT, async {
            let mut conn = Loan::of(&self.db.slots).await?;
            live::set(&mut conn, &rows).await?;
            if !minutes.is_empty() {
                live::add_minutes(&mut conn, &minutes).await?;
            }
            conn.give_back();
            Ok::<(), StoreError>(())
        });
        if let Err(error) = written.await {
            tracing::debug!(%error, "figures of live pools were not written");
            // They may have been: written again, they are the same rows.
            for minute in minutes {
                if let Some(owned) = self.pools.get_mut(&minute.pool).filter(|owned| owned.epoch == minute.epoch) {
                    owned.recent.give_back_minute(minute.minute, &minute.sketch, &minute.counts);
                }
            }
        }
    }
}

/// Whether a test wants to see what a server does that never asks whether it was replaced.
fn believes_itself() -> bool {
    cfg!(feature = "negative-control")
        && std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "epoch" || control == "fence")
}

/// How long an answer to a claim is waited for: a little longer than the claim may wait, so that its end is what is told.
fn patience(wait: Duration) -> Duration {
    /// Longer than it takes to notice that a claim waited long enough.
    const MARGIN: Duration = Duration::from_millis(500);
    (wait + MARGIN).min(LONGEST_POLL)
}

fn outcome_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Granted(_) => "granted",
        Answer::Refused(reason, _) => reason.as_str(),
    }
}

fn end_of(known: Known<'_>) -> Option<End> {
    match known {
        Known::Ended(end) => Some(end),
        _ => None,
    }
}

fn looked(claim: Uuid, known: Known<'_>, now: Millis) -> Reply {
    match known {
        Known::Granted(lease) => Reply::Claim(Box::new(view(lease, now))),
        Known::Queued(position, left) => Reply::Claim(Box::new(ClaimView {
            standing: Standing::Queued,
            position: Some(position),
            remaining_wait_ms: Some(left),
            ..ClaimView::ended(claim, End::Released)
        })),
        Known::Ended(end) => Reply::Claim(Box::new(ClaimView::ended(claim, end))),
        Known::Unknown => Reply::NotHeld(None),
    }
}

fn view(lease: &Lease, now: Millis) -> ClaimView {
    ClaimView {
        claim: lease.claim,
        standing: Standing::Granted,
        tenant: lease.tenant,
        holder: lease.holder.clone(),
        priority: lease.priority,
        slots: lease.slots.clone(),
        remaining_ms: Some((lease.expires_at - now).max(0)),
        ends_in_ms: lease.ends_at.map(|at| (at - now).max(0)),
        waited_ms: lease.waited_ms,
        position: None,
        remaining_wait_ms: None,
        notice: lease.notice.map(|(kind, at)| (kind, (at - now).max(0))),
    }
}

fn view_of_end(lease: &Lease) -> ClaimView {
    ClaimView {
        tenant: lease.tenant,
        holder: lease.holder.clone(),
        priority: lease.priority,
        slots: lease.slots.clone(),
        ..ClaimView::ended(lease.claim, End::Released)
    }
}
