//! A tracked pool as its owner sees it: who holds which slot, who waits, and what happens next.
//!
//! A state machine over a clock that is passed in. What it decides it assumes to be done, and tells as [`Write`]s that the
//! database must accept before anybody is answered; if the database does not, the owner's memory is wrong, and it reads the pool
//! again. A slot is written at most once between two calls of [`Pool::begin`], because the writes in between go out together.
//!
//! Waiting claims are served by priority, then in order of arrival, and nobody overtakes a claim that only lacks room: so a
//! claim of many slots does not wait for ever behind claims of one. Who asks for what is reserved for it goes first.

use crate::Millis;
use crate::admission::{self, Decision, Share, Shares};
use crate::breaker::Breaker;
use crate::heartbeat::{self, Health};
use crate::keyed::Throttles;
use crate::lease::{EventKind, Mode, Outcome, Policy, Reason};
use crate::queue::{Queue, Rank, Waiting};
use crate::throttle::Verdict;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use uuid::Uuid;

mod service;

/// Ended claims that are remembered, so that a second release is told apart from a late one.
const REMEMBERED_ENDS: usize = 10_000;
/// Words of affinity that are remembered; above it all are forgotten.
const REMEMBERED_WORDS: usize = 100_000;
/// Waiting claims that are granted in one round, and of one tenant that are looked at although others of its claims before
/// cannot be granted whatever ends.
const ROUND: usize = 512;
/// Waiting claims of each tenant with unused reservations that are looked at behind one that lacks room.
const OWN_LOOK: usize = 16;
/// Holders that beat and hold nothing, which are remembered: above it those that beat longest ago are forgotten.
const REMEMBERED_IDLE: usize = 100_000;
/// Claims whose time to wait is over, refused in one round.
const LATE: usize = 1_000;
/// Free slots that are looked at for one that was last used on the same node.
const NODE_LOOK: usize = 64;
/// A lease is taken for over so long after its end by our reckoning: the database's clock decides.
const EXPIRY_MARGIN_MS: Millis = 20;

/// Whether a slot is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// It can be claimed.
    In,
    /// The pool shrinks: out of service when it is given back.
    Leaving,
    /// The pool is smaller than its number.
    Out,
    /// An operator takes it out: out of service when it is given back.
    Cordoned,
    /// An operator took it out.
    Closed,
}

impl Service {
    /// All, by their stored number.
    pub const ALL: [Self; 5] = [Self::In, Self::Leaving, Self::Out, Self::Cordoned, Self::Closed];

    /// What it becomes when its holder is gone.
    fn when_free(self) -> Self {
        match self {
            Self::Leaving => Self::Out,
            Self::Cordoned => Self::Closed,
            other => other,
        }
    }
}

/// A lease on a slot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The claim.
    pub claim: Uuid,
    /// For whom.
    pub tenant: i32,
    /// 0 to 9.
    pub priority: u8,
    /// Who holds it.
    pub holder: String,
    /// Since when.
    pub claimed_at: Millis,
    /// Until when.
    pub expires_at: Millis,
    /// No renewal reaches beyond.
    pub ends_at: Option<Millis>,
}

/// A slot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number, from 1.
    pub number: u32,
    /// Its fence.
    pub fence: i64,
    /// In service or not.
    pub service: Service,
    /// The node on which it was last used.
    pub node: Option<String>,
    /// Who holds it.
    pub held: Option<Held>,
}

/// A claim that asks for slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The claim's id, new.
    pub claim: Uuid,
    /// The tenant's key.
    pub tenant: i32,
    /// Slots, from 1.
    pub slots: u32,
    /// Time to live, within the policy's bounds.
    pub ttl_ms: Millis,
    /// How long it may wait; 0 is not at all.
    pub wait_ms: Millis,
    /// Who will hold them.
    pub holder: String,
    /// The holder's generation.
    pub generation: u64,
    /// 0 to 9, higher first.
    pub priority: u8,
    /// A preference for the slot that was last claimed with the same word.
    pub affinity: Option<String>,
    /// Where the work runs.
    pub node: Option<String>,
    /// Only slots of this shard.
    pub shard: Option<u32>,
    /// Keys of the rate limits: token, user, address, region, endpoint.
    pub keys: LimitKeys,
    /// Who acts, for the events.
    pub actor: String,
    /// A key under which the same claim may be asked for again.
    pub key: Option<(String, Vec<u8>)>,
    /// The trace that it belongs to.
    pub trace: Option<[u8; 16]>,
}

/// What rate limits count by, beside pool and tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitKeys {
    /// API token or account.
    pub token: String,
    /// User.
    pub user: String,
    /// Address.
    pub address: String,
    /// Region.
    pub region: String,
    /// Endpoint.
    pub endpoint: String,
}

/// A slot with its fence, as its holder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    /// Number in the pool.
    pub slot: u32,
    /// The fence of this lease.
    pub fence: i64,
}

/// Why a holder is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Somebody more important waits, or an owner wants back what it lent.
    Preempt,
    /// The pool or the slot is being drained.
    Drain,
}

/// A lease that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The claim.
    pub claim: Uuid,
    /// For whom.
    pub tenant: i32,
    /// Who holds it.
    pub holder: String,
    /// The holder's generation.
    pub generation: u64,
    /// 0 to 9.
    pub priority: u8,
    /// The slots.
    pub slots: Vec<Fenced>,
    /// Since when.
    pub claimed_at: Millis,
    /// Until when.
    pub expires_at: Millis,
    /// No renewal reaches beyond.
    pub ends_at: Option<Millis>,
    /// How long the claim waited.
    pub waited_ms: Millis,
    /// What it is asked to do, and until when.
    pub notice: Option<(NoticeKind, Millis)>,
}

/// What becomes of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has its slots, once the writes are accepted.
    Granted(Lease),
    /// It is refused; the soonest that it might be worth asking again.
    Refused(Reason, Option<Millis>),
}

/// How a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its holder gave it back.
    Released,
    /// It ran out.
    Expired,
    /// It was taken away.
    Taken,
    /// It was never granted.
    Refused(Reason),
}

/// What is known of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<'a> {
    /// It holds slots.
    Granted(&'a Lease),
    /// It waits: its place from 1, and how long it may wait yet.
    Queued(usize, Millis),
    /// It ended.
    Ended(End),
    /// Nothing, or nothing any more.
    Unknown,
}

/// What a holder says about its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Milliseconds of work.
    pub work_ms: Option<i64>,
    /// Where.
    pub node: Option<String>,
    /// On which shard.
    pub shard: Option<i32>,
    /// For which cohort.
    pub cohort: Option<String>,
}

/// What a write does to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Gives it to a claim.
    Claim,
    /// Extends a lease that is not over.
    Renew,
    /// Ends a lease.
    End,
    /// Ends a lease that is over.
    Expire,
    /// Changes its service.
    Serve,
}

/// A change of a slot that the database must accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The slot's number.
    pub slot: u32,
    /// The fence that it must have.
    pub expect: i64,
    /// What is done.
    pub change: Change,
    /// In service or not, afterwards.
    pub service: Service,
    /// The claim.
    pub claim: Uuid,
    /// For whom.
    pub tenant: i32,
    /// 0 to 9.
    pub priority: u8,
    /// Who holds it.
    pub holder: String,
    /// Time to live, of claims and renewals.
    pub ttl_ms: Millis,
    /// The longest hold, of claims.
    pub hold_ms: Option<Millis>,
    /// Time between claim and end, of ends.
    pub held_ms: Option<Millis>,
    /// For how long the lease had been over, or its holder silent, when it was ended by the reconciler.
    pub over_ms: Millis,
    /// Its event.
    pub event: Event,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: Option<&'static str>,
    /// From the claim to its answer.
    pub wait_ms: Option<Millis>,
    /// What the holder reports.
    pub report: Report,
    /// The trace that it belongs to.
    pub trace: Option<[u8; 16]>,
}

impl Event {
    /// An event without more to say.
    pub fn new(kind: EventKind, actor: &str) -> Self {
        Self { kind, actor: actor.to_owned(), reason: None, wait_ms: None, report: Report::default(), trace: None }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// An event about no slot in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The claim.
    pub claim: Option<Uuid>,
    /// For whom.
    pub tenant: Option<i32>,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// Who.
    pub holder: String,
    /// What it says.
    pub event: Event,
}

/// What decisions come to, for one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes of slots.
    pub writes: Vec<Write>,
    /// Other events.
    pub notes: Vec<Note>,
    /// Keys of granted claims: key, claim, hash of what was asked.
    pub keys: Vec<(String, Uuid, Vec<u8>)>,
    /// Claims that are decided.
    pub answers: Vec<(Uuid, Answer)>,
}

#[derive(Debug, Clone)]
struct Slot {
    fence: i64,
    service: Service,
    node: Option<String>,
    claim: Option<Uuid>,
    /// It is not claimed before.
    rests_until: Option<Millis>,
}

impl Slot {
    /// Whether it can be claimed.
    fn is_open(&self) -> bool {
        self.service == Service::In && self.claim.is_none() && self.rests_until.is_none()
    }
}

/// What became of a waiting claim that was looked at.
enum Look {
    Granted,
    /// It lacks room: nobody overtakes it.
    Blocked,
    /// Its tenant must give something back first: no other claim of this tenant goes before it.
    Limited,
    /// It lacks room in its shard, where nobody overtakes it.
    FullShard,
    /// It stands only in its own way.
    Passed,
}

/// What limits a tenant, without what it holds. Who is not in it has no limits, and the priority of its most important lease.
pub type Limits = BTreeMap<i32, Share>;

/// What the reconciler did in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Leases that had run out.
    pub expired: usize,
    /// Leases of dead holders.
    pub dead: usize,
    /// Leases whose grace was over.
    pub taken: usize,
    /// Whether more are left.
    pub more: bool,
}

/// A holder: its name, and for which tenant.
type Holder = (String, i32);

/// No tenant: whoever may act for all beats before it is known for whom.
const ANYBODY: i32 = i32::MIN;

/// A tracked pool.
#[derive(Debug)]
pub struct Pool {
    policy: Policy,
    mode: Mode,
    slots: Vec<Slot>,
    in_service: u32,
    free: BTreeSet<u32>,
    resting: BTreeSet<(Millis, u32)>,
    leases: HashMap<Uuid, Lease>,
    by_end: BTreeSet<(Millis, Uuid)>,
    by_grace: BTreeSet<(Millis, Uuid)>,
    by_holder: BTreeMap<Holder, Vec<Uuid>>,
    shares: Shares,
    /// Tenants whose priority was told with their limits.
    listed: HashSet<i32>,
    queue: Queue,
    breaker: Option<Breaker>,
    throttles: Throttles,
    affinity: HashMap<String, u32>,
    holders: BTreeMap<Holder, heartbeat::Beats>,
    /// Those of them that hold nothing, by their last beat.
    idle: BTreeSet<(Millis, Holder)>,
    suspected: HashSet<Holder>,
    silent_together: bool,
    ended: HashMap<Uuid, End>,
    ends: VecDeque<Uuid>,
    /// Slots written, and claims touched, since the writes before went out.
    written: HashSet<u32>,
    touched: HashSet<Uuid>,
    /// Slots written since then without anybody waiting for them.
    by_itself: usize,
    /// Leases to end were left to the next round.
    reaps_more: bool,
    /// Waiting claims that could be granted were left to the next round.
    serves_more: bool,
    /// A size that is not reached yet.
    resizing: Option<service::Resizing>,
    /// Slots that could not be taken out of service, or back, in the statement in which it was asked for; and by whom.
    cordons: BTreeMap<u32, (bool, String)>,
}

impl Pool {
    /// A pool from what is stored. What tenants hold is counted from the slots.
    pub fn new(policy: Policy, mode: Mode, limits: Limits, stored: Vec<Stored>) -> Self {
        let breaker = policy.breaker.map(|rule| Breaker::new(rule.policy()));
        let mut pool = Self {
            policy,
            mode,
            slots: Vec::with_capacity(stored.len()),
            in_service: 0,
            free: BTreeSet::new(),
            resting: BTreeSet::new(),
            leases: HashMap::new(),
            by_end: BTreeSet::new(),
            by_grace: BTreeSet::new(),
            by_holder: BTreeMap::new(),
            listed: limits.keys().copied().collect(),
            shares: Shares { capacity: 0, tenants: limits },
            queue: Queue::default(),
            breaker,
            throttles: Throttles::default(),
            affinity: HashMap::new(),
            holders: BTreeMap::new(),
            idle: BTreeSet::new(),
            suspected: HashSet::new(),
            silent_together: false,
            ended: HashMap::new(),
            ends: VecDeque::new(),
            written: HashSet::new(),
            touched: HashSet::new(),
            by_itself: 0,
            reaps_more: false,
            serves_more: false,
            resizing: None,
            cordons: BTreeMap::new(),
        };
        pool.throttles = Throttles::new(&pool.policy.limits);
        pool.load(stored);
        pool
    }

    /// Takes up what is stored in place of what was remembered of slots; queue, limits and heartbeats stay, and so does the rest
    /// of slots that nobody had since.
    pub fn load(&mut self, stored: Vec<Stored>) {
        let rests: HashMap<u32, (i64, Millis)> = (1..)
            .zip(&self.slots)
            .filter_map(|(number, slot)| Some((number, (slot.fence, slot.rests_until?))))
            .collect();
        self.slots.clear();
        self.free.clear();
        self.resting.clear();
        self.by_end.clear();
        self.by_grace.clear();
        self.by_holder.clear();
        let before = std::mem::take(&mut self.leases);
        self.shares.tenants.values_mut().for_each(|share| share.held = 0);
        self.in_service = 0;
        for slot in stored {
            let rests_until = rests
                .get(&slot.number)
                .filter(|(fence, _)| slot.held.is_none() && *fence == slot.fence)
                .map(|(_, until)| *until);
            if let Some(held) = slot.held.as_ref() {
                self.hold(held.tenant, 1, held.priority);
                let known = before.get(&held.claim);
                let lease = self.leases.entry(held.claim).or_insert_with(|| Lease {
                    claim: held.claim,
                    tenant: held.tenant,
                    holder: held.holder.clone(),
                    generation: known.map_or(0, |lease| lease.generation),
                    priority: held.priority,
                    slots: Vec::new(),
                    claimed_at: held.claimed_at,
                    expires_at: held.expires_at,
                    ends_at: held.ends_at,
                    waited_ms: known.map_or(0, |lease| lease.waited_ms),
                    notice: known.and_then(|lease| lease.notice),
                });
                lease.slots.push(Fenced { slot: slot.number, fence: slot.fence });
                lease.expires_at = lease.expires_at.min(held.expires_at);
            }
            let number = slot.number;
            let slot = Slot {
                fence: slot.fence,
                service: slot.service,
                node: slot.node,
                claim: slot.held.map(|held| held.claim),
                rests_until,
            };
            if slot.is_open() {
                self.free.insert(number);
            }
            self.resting.extend(rests_until.map(|until| (until, number)));
            self.in_service += u32::from(slot.service == Service::In);
            self.slots.push(slot);
        }
        for lease in self.leases.values() {
            self.by_end.insert((lease.expires_at, lease.claim));
            if let Some((_, at)) = lease.notice {
                self.by_grace.insert((at, lease.claim));
            }
            self.by_holder.entry((lease.holder.clone(), lease.tenant)).or_default().push(lease.claim);
        }
        let is_idle = |(holder, _): &(&Holder, _)| !self.by_holder.contains_key(*holder);
        self.idle = self.holders.iter().filter(is_idle).map(|(holder, beats)| (beats.last(), holder.clone())).collect();
        if let Some(breaker) = &mut self.breaker {
            breaker.retain(|claim| self.leases.contains_key(&claim));
        }
        self.look_again();
        self.begin();
    }

    /// The writes before have gone out: slots may be written again.
    pub fn begin(&mut self) {
        self.written.clear();
        self.touched.clear();
        self.by_itself = 0;
    }

    /// Whether a claim has a write that has not gone out: what else is asked of it must wait for the next statement.
    pub fn is_touched(&self, claim: Uuid) -> bool {
        self.touched.contains(&claim)
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What an operator said.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Slots in service.
    pub fn in_service(&self) -> u32 {
        self.in_service
    }

    /// Slots held.
    pub fn held(&self) -> u64 {
        self.shares.held()
    }

    /// Claims that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Claims that wait by priority, highest first.
    pub fn waiting_by_priority(&self) -> BTreeMap<u8, usize> {
        self.queue.by_priority()
    }

    /// All leases in force.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// Whether so many holders are silent together that a network is the likelier cause.
    pub fn is_silent_together(&self) -> bool {
        self.silent_together
    }

    /// Holders that are suspected.
    pub fn suspected(&self) -> usize {
        self.suspected.len()
    }

    /// The breaker's position, if there is a breaker.
    pub fn breaker(&self, now: Millis) -> Option<crate::breaker::Position> {
        self.breaker.as_ref().map(|breaker| breaker.position(now))
    }

    /// The next instant at which something happens by itself.
    pub fn next_due(&self) -> Option<Millis> {
        let waits = self.queue.next_until();
        let ripe = self.queue.next_from();
        let ends = self.by_end.first().map(|(at, _)| at + EXPIRY_MARGIN_MS);
        let graces = self.by_grace.first().map(|(at, _)| *at);
        let rests = self.resting.first().map(|(at, _)| *at);
        // What was left for the next statement is due with it.
        let shut = self.breaker.as_ref().filter(|_| !self.queue.is_empty()).and_then(Breaker::opens_at);
        let left = (self.is_unfinished() || self.reaps_more || self.serves_more).then_some(Millis::MIN);
        [waits, ripe, ends, graces, rests, shut, left].into_iter().flatten().min()
    }

    /// Other rules. What is held stays held; rate limits and the breaker begin anew only if they changed.
    pub fn set_policy(&mut self, policy: Policy, mode: Mode) {
        if policy.breaker != self.policy.breaker {
            self.breaker = policy.breaker.map(|rule| Breaker::new(rule.policy()));
        }
        if policy.limits != self.policy.limits {
            self.throttles = Throttles::new(&policy.limits);
        }
        self.policy = policy;
        self.mode = mode;
    }

    /// Other quotas and reservations.
    pub fn set_limits(&mut self, limits: Limits) {
        self.listed = limits.keys().copied().collect();
        for (tenant, before) in std::mem::replace(&mut self.shares.tenants, limits) {
            if before.held > 0 {
                let unlimited = Share { priority: before.priority, ..Share::default() };
                self.shares.tenants.entry(tenant).or_insert(unlimited).held = before.held;
            }
        }
    }

    /// A tenant holds some slots more.
    fn hold(&mut self, tenant: i32, slots: u32, priority: u8) {
        let share = self.shares.tenants.entry(tenant).or_default();
        if !self.listed.contains(&tenant) {
            share.priority = if share.held == 0 { priority } else { share.priority.max(priority) };
        }
        share.held += slots;
    }

    // ------------------------------------------------------------ claims

    /// Takes up a claim. Its answer is in the effects, now or after a later call.
    pub fn claim(&mut self, ask: Ask, now: Millis, fx: &mut Effects) {
        if let Some((reason, retry)) = self.refused_at_the_door(&ask, now) {
            self.refuse(&ask, reason, retry, 0, fx);
            return;
        }
        // Last, because whoever is refused is not charged.
        let after_ms = match self.throttles.admit(&ask, now) {
            Verdict::Admit { after_ms } => after_ms,
            Verdict::Refuse { retry_after_ms } => {
                self.refuse(&ask, Reason::RateLimit, retry_after_ms, 0, fx);
                return;
            }
        };
        let wait_ms = ask.wait_ms;
        let (until, from) = (now + wait_ms, now + after_ms);
        let rank = self.queue.push(Waiting { since: now, until, from, reason: Reason::Full, ask });
        self.serve_all(Some(rank).filter(|_| after_ms == 0), now, fx);
        let Some(reason) = self.why(rank, now) else { return };
        if wait_ms == 0 {
            let Some(Waiting { ask, .. }) = self.queue.remove(rank) else { return };
            let retry = self.retry_after(reason, now);
            self.refuse(&ask, reason, retry, 0, fx);
        } else if let Some(Waiting { ask, .. }) = self.queue.get(rank) {
            fx.notes.push(Note {
                claim: Some(ask.claim),
                tenant: Some(ask.tenant),
                priority: Some(ask.priority),
                holder: ask.holder.clone(),
                event: Event {
                    trace: ask.trace,
                    ..Event::new(EventKind::Enqueue, &ask.actor).because(reason.as_str())
                },
            });
        }
    }

    /// What refuses a claim whatever room there is.
    fn refused_at_the_door(&mut self, ask: &Ask, now: Millis) -> Option<(Reason, Option<Millis>)> {
        match self.mode {
            Mode::Held => return Some((Reason::Held, Some(10_000))),
            Mode::Draining => return Some((Reason::Draining, Some(10_000))),
            Mode::Open => {}
        }
        if ask.slots > self.largest() {
            return Some((Reason::MoreThanPool, None));
        }
        if let Some(retry) = self.shut(now) {
            return Some((Reason::BreakerOpen, Some(retry)));
        }
        if ask.wait_ms > 0 && self.queue.len() >= self.policy.queue_limit as usize {
            return Some((Reason::QueueFull, Some(1_000)));
        }
        None
    }

    /// In how many milliseconds it may be worth asking again, if the breaker lets nothing through.
    fn shut(&mut self, now: Millis) -> Option<Millis> {
        self.breaker.as_mut().and_then(|breaker| breaker.shut(now))
    }

    /// Tells the breaker that a claim ended without news of its work.
    fn no_work(&mut self, claim: Uuid) {
        if let Some(breaker) = self.breaker.as_mut() {
            breaker.nothing(claim);
        }
    }

    /// When room may come, by what is known.
    fn retry_after(&mut self, reason: Reason, now: Millis) -> Option<Millis> {
        match reason {
            Reason::MoreThanPool => None,
            Reason::BreakerOpen => self.shut(now).or(Some(1_000)),
            Reason::Reclaiming => self.by_grace.first().map(|(at, _)| (at - now).max(1)),
            _ => Some(1_000),
        }
    }

    fn refuse(&mut self, ask: &Ask, reason: Reason, retry: Option<Millis>, waited: Millis, fx: &mut Effects) {
        self.remember(ask.claim, End::Refused(reason));
        fx.notes.push(Note {
            claim: Some(ask.claim),
            tenant: Some(ask.tenant),
            priority: Some(ask.priority),
            holder: ask.holder.clone(),
            event: Event {
                wait_ms: Some(waited),
                trace: ask.trace,
                ..Event::new(EventKind::Reject, &ask.actor).because(reason.as_str())
            },
        });
        fx.answers.push((ask.claim, Answer::Refused(reason, retry)));
    }

    fn remember(&mut self, claim: Uuid, end: End) {
        if self.ended.insert(claim, end).is_none() {
            self.ends.push_back(claim);
        }
        while self.ends.len() > REMEMBERED_ENDS {
            if let Some(oldest) = self.ends.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    /// Serves waiting claims as far as there is room.
    pub fn serve(&mut self, now: Millis, fx: &mut Effects) {
        self.serve_all(None, now, fx);
    }

    /// Serves waiting claims, of which one came just now: it is looked at however many wait before it.
    fn serve_all(&mut self, newest: Option<Rank>, now: Millis, fx: &mut Effects) {
        self.wake(now);
        self.queue.ripen(now);
        self.serves_more = false;
        if self.mode != Mode::Open || self.queue.is_empty() || self.shut(now).is_some() {
            return;
        }
        // Who asks for what is promised to it goes first: what borrowers give back for it would go to borrowers else.
        let mut full_shards: HashSet<u32> = HashSet::new();
        let mut granted = 0;
        let mut blocked = self.serve_own(&mut granted, &mut full_shards, now, fx);
        // The first of each tenant in the order of the queue: who is kept by limits of its own, with however many claims, keeps
        // nobody else. Behind claims that only stand in their own way, the next of the same tenant.
        let mut last = None;
        let mut behind: BTreeSet<Rank> = BTreeSet::new();
        let mut passed: HashMap<i32, usize> = HashMap::new();
        let mut limited: HashSet<i32> = HashSet::new();
        while !blocked
            && let Some(rank) = [self.queue.head_after(last), behind.first().copied()].into_iter().flatten().min()
        {
            behind.remove(&rank);
            last = Some(rank);
            let Some((tenant, shard)) = self.queue.get(rank).map(|waiting| (waiting.ask.tenant, waiting.ask.shard))
            else {
                continue;
            };
            // Within a shard nobody is overtaken either.
            let is_behind = shard.is_some_and(|shard| full_shards.contains(&shard));
            match if is_behind { Look::FullShard } else { self.serve_one(rank, now, fx) } {
                Look::Granted => {
                    granted += 1;
                    behind.extend(self.queue.next_of(tenant, rank));
                }
                look @ (Look::FullShard | Look::Passed) => {
                    full_shards.extend(shard.filter(|_| matches!(look, Look::FullShard)));
                    let count = passed.entry(tenant).or_default();
                    *count += 1;
                    if *count < ROUND {
                        behind.extend(self.queue.next_of(tenant, rank));
                    }
                }
                Look::Limited => {
                    limited.insert(tenant);
                }
                Look::Blocked => blocked = true,
            }
            if granted == ROUND {
                self.serves_more = true;
                blocked = true;
            }
        }
        let may_be_looked_at = |rank: &Rank| {
            self.queue.get(*rank).is_some_and(|waiting| {
                let ask = &waiting.ask;
                !limited.contains(&ask.tenant) && ask.shard.is_none_or(|shard| !full_shards.contains(&shard))
            })
        };
        if let Some(rank) = newest.filter(|rank| Some(*rank) > last).filter(may_be_looked_at)
            && (!blocked || self.is_own(rank))
        {
            self.serve_one(rank, now, fx);
        }
    }

    /// Serves claims for no more than what is promised to their tenants, in the order of the queue. Gives whether one of them
    /// lacks room: until it has it, nobody else is served.
    fn serve_own(
        &mut self,
        granted: &mut usize,
        full_shards: &mut HashSet<u32>,
        now: Millis,
        fx: &mut Effects,
    ) -> bool {
        loop {
            let entitled = |tenant: &i32| self.shares.tenants.get(tenant).is_some_and(|own| own.held < own.floor);
            let mut own: Vec<Rank> = self
                .queue
                .tenants()
                .filter(entitled)
                .flat_map(|tenant| self.queue.first_of(tenant, OWN_LOOK))
                .collect();
            own.sort_unstable();
            let before = *granted;
            let mut blocked = false;
            for rank in own {
                let shard = self.queue.get(rank).and_then(|waiting| waiting.ask.shard);
                if !self.is_own(rank) || shard.is_some_and(|shard| full_shards.contains(&shard)) {
                    continue;
                }
                match self.serve_one(rank, now, fx) {
                    Look::Granted => *granted += 1,
                    Look::Blocked => blocked = true,
                    Look::FullShard => full_shards.extend(shard),
                    Look::Limited | Look::Passed => {}
                }
                if *granted == ROUND {
                    self.serves_more = true;
                    return true;
                }
            }
            if *granted == before {
                return blocked;
            }
        }
    }

    /// Whether a waiting claim asks for no more than its tenant's reservations guarantee.
    fn is_own(&self, rank: Rank) -> bool {
        self.queue.get(rank).is_some_and(|waiting| {
            let own = self.share(waiting.ask.tenant);
            u64::from(own.held) + u64::from(waiting.ask.slots) <= u64::from(own.floor)
        })
    }

    /// Grants a waiting claim, or notes why not.
    fn serve_one(&mut self, rank: Rank, now: Millis, fx: &mut Effects) -> Look {
        if self.shut(now).is_some() {
            return Look::Blocked;
        }
        let Some(waiting) = self.queue.get(rank) else { return Look::Passed };
        let (tenant, slots, shard, priority) =
            (waiting.ask.tenant, waiting.ask.slots, waiting.ask.shard, waiting.ask.priority);
        let lacks_room = if shard.is_some() { Look::FullShard } else { Look::Blocked };
        let (look, reason) = match self.shares.decide(tenant, slots) {
            Decision::Grant => match self.choose(rank, slots, shard) {
                Some(numbers) => {
                    self.grant(rank, &numbers, now, fx);
                    return Look::Granted;
                }
                None => {
                    self.serves_more |= self.is_room_soon(slots, shard);
                    (lacks_room, Reason::Full)
                }
            },
            Decision::Reclaim(from) => {
                self.ask_back(&from, now, fx);
                (lacks_room, Reason::Reclaiming)
            }
            Decision::Refuse(admission::Reason::MoreThanPool) => (Look::Passed, Reason::MoreThanPool),
            Decision::Refuse(reason @ (admission::Reason::Full | admission::Reason::Reserved)) => {
                if reason == admission::Reason::Full && self.policy.preempt {
                    self.ask_the_less_important(priority, slots, now, fx);
                }
                (lacks_room, reason.into())
            }
            Decision::Refuse(reason) => {
                (if self.never_fits(tenant, slots) { Look::Passed } else { Look::Limited }, reason.into())
            }
        };
        self.queue.set_reason(rank, reason);
        look
    }

    /// Whether a claim lacks room only because slots that are free by now are in this statement already.
    fn is_room_soon(&self, slots: u32, shard: Option<u32>) -> bool {
        let of_shard = |shard: u32| Some(self.in_shard(shard)?.filter(|number| self.free.contains(number)).count());
        shard.map_or(Some(self.free.len()), of_shard).is_some_and(|free| free >= slots as usize)
    }

    fn in_shard(&self, shard: u32) -> Option<impl Iterator<Item = u32>> {
        Some((shard + 1..=self.slots.len() as u32).step_by(self.policy.shards? as usize))
    }

    fn share(&self, tenant: i32) -> Share {
        self.shares.tenants.get(&tenant).copied().unwrap_or_default()
    }

    /// Whether a claim is more than its tenant may hold at all.
    fn never_fits(&self, tenant: i32, slots: u32) -> bool {
        self.share(tenant).limit(slots.into()).is_some()
    }

    /// Why a claim waits at this moment, whether it was looked at or not. `None` if it does not wait.
    fn why(&mut self, rank: Rank, now: Millis) -> Option<Reason> {
        let is_shut = self.shut(now).is_some();
        let waiting = self.queue.get(rank)?;
        let (tenant, slots) = (waiting.ask.tenant, waiting.ask.slots);
        let own = self.share(tenant);
        let limit = |slots: u32| own.limit(u64::from(own.held) + u64::from(slots));
        // The tenant's first claim keeps the others, unless it is one that never fits.
        let before = self.queue.first_of(tenant, OWN_LOOK).into_iter().take_while(|first| *first < rank);
        let mut slots_before = before.filter_map(|first| self.queue.get(first)).map(|first| first.ask.slots);
        let of_first = slots_before.find(|slots| !self.never_fits(tenant, *slots)).and_then(limit);
        Some(match self.mode {
            Mode::Held => Reason::Held,
            Mode::Draining => Reason::Draining,
            Mode::Open if is_shut => Reason::BreakerOpen,
            Mode::Open if waiting.from > now => Reason::RateLimit,
            Mode::Open if slots > self.largest() => Reason::MoreThanPool,
            Mode::Open => match (limit(slots).or(of_first), waiting.reason) {
                (Some(reason), _) => reason.into(),
                (None, reason @ (Reason::Reserved | Reason::Reclaiming)) => reason,
                (None, _) => Reason::Full,
            },
        })
    }

    /// Free slots for a claim: of its shard if it names one, where it was before if it can be, else the lowest numbers.
    fn choose(&self, rank: Rank, slots: u32, shard: Option<u32>) -> Option<Vec<u32>> {
        let ask = &self.queue.get(rank)?.ask;
        let open = |number: &u32| !self.written.contains(number);
        let mut chosen: Vec<u32> = Vec::with_capacity(slots as usize);
        if let Some(shard) = shard {
            chosen.extend(
                self.in_shard(shard)?.filter(|number| self.free.contains(number)).filter(open).take(slots as usize),
            );
            return (chosen.len() == slots as usize).then_some(chosen);
        }
        let before = ask.affinity.as_ref().and_then(|word| self.affinity.get(word)).copied();
        chosen.extend(before.filter(|number| self.free.contains(number)).filter(open));
        if let Some(node) = &ask.node {
            let same_node = |number: &&u32| self.slots[**number as usize - 1].node.as_ref() == Some(node);
            let near: Vec<u32> = self
                .free
                .iter()
                .take(NODE_LOOK)
                .filter(same_node)
                .copied()
                .filter(|n| open(n) && Some(*n) != before)
                .collect();
            chosen.extend(near);
        }
        chosen.truncate(slots as usize);
        let wanted = slots as usize;
        for number in &self.free {
            if chosen.len() == wanted {
                break;
            }
            if open(number) && !chosen.contains(number) {
                chosen.push(*number);
            }
        }
        (chosen.len() == wanted).then_some(chosen)
    }

    fn grant(&mut self, rank: Rank, numbers: &[u32], now: Millis, fx: &mut Effects) {
        let Some(waiting) = self.queue.remove(rank) else { return };
        let waited_ms = waiting.waited_ms(now);
        let ask = waiting.ask;
        if let Some(breaker) = self.breaker.as_mut() {
            // Whether it lets one through was asked before slots were chosen.
            let _ = breaker.ask(now, ask.claim);
        }
        let mut slots = Vec::with_capacity(numbers.len());
        for number in numbers {
            self.free.remove(number);
            self.written.insert(*number);
            let slot = &mut self.slots[*number as usize - 1];
            let moved =
                self.policy.shards.is_some() && slot.node.is_some() && ask.node.is_some() && slot.node != ask.node;
            fx.writes.push(Write {
                slot: *number,
                expect: slot.fence,
                change: Change::Claim,
                service: slot.service,
                claim: ask.claim,
                tenant: ask.tenant,
                priority: ask.priority,
                holder: ask.holder.clone(),
                ttl_ms: ask.ttl_ms,
                hold_ms: self.policy.longest_hold_ms,
                held_ms: None,
                over_ms: 0,
                event: Event {
                    wait_ms: Some(waited_ms),
                    report: Report { node: ask.node.clone(), ..Report::default() },
                    trace: ask.trace,
                    ..Event::new(if moved { EventKind::Reassign } else { EventKind::Claim }, &ask.actor)
                },
            });
            slot.fence += 1;
            slot.claim = Some(ask.claim);
            if ask.node.is_some() {
                slot.node.clone_from(&ask.node);
            }
            slots.push(Fenced { slot: *number, fence: slot.fence });
        }
        self.hold(ask.tenant, numbers.len() as u32, ask.priority);
        if let (Some(word), Some(first)) = (&ask.affinity, numbers.first()) {
            if self.affinity.len() >= REMEMBERED_WORDS {
                self.affinity.clear();
            }
            self.affinity.insert(word.clone(), *first);
        }
        let ends_at = self.policy.longest_hold_ms.map(|hold| now + hold);
        let expires_at = ends_at.map_or(now + ask.ttl_ms, |end| end.min(now + ask.ttl_ms));
        let lease = Lease {
            claim: ask.claim,
            tenant: ask.tenant,
            holder: ask.holder.clone(),
            generation: ask.generation,
            priority: ask.priority,
            slots,
            claimed_at: now,
            expires_at,
            ends_at,
            waited_ms,
            notice: None,
        };
        self.by_end.insert((expires_at, ask.claim));
        let holder = (ask.holder, ask.tenant);
        match self.holders.get(&holder) {
            Some(beats) => {
                self.idle.remove(&(beats.last(), holder.clone()));
            }
            // It began to beat before anybody knew for whom.
            None => {
                if let Some(beats) = self.holders.get(&(holder.0.clone(), ANYBODY)).copied() {
                    self.holders.insert(holder.clone(), beats);
                }
            }
        }
        self.by_holder.entry(holder).or_default().push(ask.claim);
        self.touched.insert(ask.claim);
        if let Some((key, hash)) = ask.key {
            fx.keys.push((key, ask.claim, hash));
        }
        fx.answers.push((ask.claim, Answer::Granted(lease.clone())));
        self.leases.insert(ask.claim, lease);
    }

    /// What is known of a claim.
    pub fn known(&self, claim: Uuid, now: Millis) -> Known<'_> {
        if let Some(lease) = self.leases.get(&claim) {
            return Known::Granted(lease);
        }
        if let Some(rank) = self.queue.rank_of(claim) {
            let left = self.queue.get(rank).map_or(0, |waiting| (waiting.until - now).max(0));
            return Known::Queued(self.queue.position(rank), left);
        }
        self.ended.get(&claim).map_or(Known::Unknown, |end| Known::Ended(*end))
    }

    /// For whom a claim holds slots or waits.
    pub fn tenant_of(&self, claim: Uuid) -> Option<i32> {
        let waits = || Some(self.queue.get(self.queue.rank_of(claim)?)?.ask.tenant);
        self.leases.get(&claim).map(|lease| lease.tenant).or_else(waits)
    }

    /// A waiting claim is not wanted any more.
    pub fn withdraw(&mut self, claim: Uuid) {
        if self.queue.rank_of(claim).and_then(|rank| self.queue.remove(rank)).is_some() {
            self.remember(claim, End::Released);
        }
    }

    /// Goes on with what was left to do, refuses claims whose time to wait is over, and serves the others.
    pub fn tick(&mut self, now: Millis, fx: &mut Effects) {
        self.go_on(fx);
        self.serve(now, fx);
        // The rest is refused with the next statement: one that carries a hundred thousand would take too long.
        for rank in self.queue.late(now, LATE) {
            let reason = match self.why(rank, now) {
                Some(reason) if !reason.is_saturation() => reason,
                _ => Reason::WaitedTooLong,
            };
            if let Some(waiting) = self.queue.remove(rank) {
                self.refuse(&waiting.ask, reason, Some(1_000), waiting.waited_ms(now), fx);
            }
        }
    }

    // ------------------------------------------------------------ leases

    /// Extends a lease. `None` if the claim holds nothing.
    pub fn renew(
        &mut self,
        claim: Uuid,
        ttl_ms: Millis,
        report: Report,
        actor: &str,
        now: Millis,
        fx: &mut Effects,
    ) -> Option<Lease> {
        let lease = self.leases.get_mut(&claim).filter(|lease| lease.expires_at > now)?;
        self.by_end.remove(&(lease.expires_at, claim));
        lease.expires_at = lease.ends_at.map_or(now + ttl_ms, |end| end.min(now + ttl_ms));
        self.by_end.insert((lease.expires_at, claim));
        for fenced in &lease.slots {
            self.written.insert(fenced.slot);
            fx.writes.push(Write {
                slot: fenced.slot,
                expect: fenced.fence,
                change: Change::Renew,
                service: self.slots[fenced.slot as usize - 1].service,
                claim,
                tenant: lease.tenant,
                priority: lease.priority,
                holder: lease.holder.clone(),
                ttl_ms,
                hold_ms: None,
                held_ms: None,
                over_ms: 0,
                event: Event { report: report.clone(), ..Event::new(EventKind::Renew, actor) },
            });
        }
        self.touched.insert(claim);
        let lease = lease.clone();
        self.note_outcome(claim, &report, now);
        Some(lease)
    }

    /// Tells the breaker how work ended.
    fn note_outcome(&mut self, claim: Uuid, report: &Report, now: Millis) {
        let Some(breaker) = self.breaker.as_mut() else { return };
        match report.outcome {
            Some(Outcome::Ok) => breaker.outcome(now, claim, true),
            Some(Outcome::Failed) => breaker.outcome(now, claim, false),
            Some(Outcome::Cancelled) | None => {}
        }
    }

    /// Ends a lease because its holder says so. `None` if the claim holds nothing.
    pub fn release(
        &mut self,
        claim: Uuid,
        report: Report,
        actor: &str,
        now: Millis,
        fx: &mut Effects,
    ) -> Option<Lease> {
        let lease = self.leases.get(&claim)?;
        let event = Event { report: report.clone(), ..Event::new(EventKind::Release, actor) };
        let notice = lease.notice;
        let event = if notice.is_some() { event.because("after notice") } else { event };
        let ended = self.end(claim, End::Released, &event, now, fx);
        match report.outcome {
            None | Some(Outcome::Cancelled) => self.no_work(claim),
            Some(_) => self.note_outcome(claim, &report, now),
        }
        self.serve(now, fx);
        ended
    }

    /// Takes a lease away.
    pub fn take(
        &mut self,
        claim: Uuid,
        kind: EventKind,
        reason: &'static str,
        actor: &str,
        now: Millis,
        fx: &mut Effects,
    ) -> Option<Lease> {
        let event = Event::new(kind, actor).because(reason);
        let ended = self.end(claim, End::Taken, &event, now, fx);
        self.no_work(claim);
        ended
    }

    fn end(&mut self, claim: Uuid, how: End, event: &Event, now: Millis, fx: &mut Effects) -> Option<Lease> {
        let (change, rest_ms) = match how {
            End::Expired => (Change::Expire, self.policy.lock_delay_ms),
            End::Taken => (Change::End, self.policy.lock_delay_ms),
            End::Released | End::Refused(_) => (Change::End, 0),
        };
        let lease = self.leases.remove(&claim)?;
        self.by_end.remove(&(lease.expires_at, claim));
        if let Some((_, at)) = lease.notice {
            self.by_grace.remove(&(at, claim));
        }
        let holder = (lease.holder.clone(), lease.tenant);
        if let Some(claims) = self.by_holder.get_mut(&holder) {
            claims.retain(|other| *other != claim);
            if claims.is_empty() {
                self.by_holder.remove(&holder);
                self.suspected.remove(&holder);
                self.note_idle(&holder);
            }
        }
        for fenced in &lease.slots {
            self.written.insert(fenced.slot);
            let slot = &mut self.slots[fenced.slot as usize - 1];
            slot.service = slot.service.when_free();
            slot.fence = fenced.fence + 1;
            slot.claim = None;
            slot.rests_until = (rest_ms > 0).then(|| now + rest_ms);
            if event.report.node.is_some() {
                slot.node.clone_from(&event.report.node);
            }
            fx.writes.push(Write {
                slot: fenced.slot,
                expect: fenced.fence,
                change,
                service: slot.service,
                claim,
                tenant: lease.tenant,
                priority: lease.priority,
                holder: lease.holder.clone(),
                ttl_ms: 0,
                hold_ms: None,
                held_ms: Some((now - lease.claimed_at).max(0)),
                over_ms: (now - lease.expires_at).max(0),
                event: event.clone(),
            });
            if slot.is_open() {
                self.free.insert(fenced.slot);
            }
            self.resting.extend(slot.rests_until.map(|until| (until, fenced.slot)));
        }
        if let Some(share) = self.shares.tenants.get_mut(&lease.tenant) {
            share.held = share.held.saturating_sub(lease.slots.len() as u32);
        }
        self.touched.insert(claim);
        self.remember(claim, how);
        Some(lease)
    }

    /// The database's own reckoning of a lease's end.
    pub fn set_expiry(&mut self, claim: Uuid, expires_at: Millis) {
        if let Some(lease) = self.leases.get_mut(&claim) {
            self.by_end.remove(&(lease.expires_at, claim));
            lease.expires_at = expires_at;
            self.by_end.insert((expires_at, claim));
        }
    }

    // ------------------------------------------------------------ notices

    /// Asks a holder to end within the policy's grace. Asked again, nothing changes.
    fn notify(&mut self, claim: Uuid, kind: NoticeKind, now: Millis, fx: &mut Effects) {
        let grace = now + self.policy.grace_ms;
        let Some(lease) = self.leases.get_mut(&claim).filter(|lease| lease.notice.is_none()) else { return };
        lease.notice = Some((kind, grace));
        self.by_grace.insert((grace, claim));
        fx.notes.push(Note {
            claim: Some(claim),
            tenant: Some(lease.tenant),
            priority: Some(lease.priority),
            holder: lease.holder.clone(),
            event: Event::new(EventKind::Drain, "allocator").because(match kind {
                NoticeKind::Preempt => "preempt",
                NoticeKind::Drain => "drain",
            }),
        });
    }

    /// Asks every holder to end, or only those who hold one of some slots.
    pub fn drain(&mut self, only: Option<&[u32]>, now: Millis, fx: &mut Effects) -> usize {
        let holder = |number: &u32| self.slots.get((*number as usize).checked_sub(1)?)?.claim;
        let claims: HashSet<Uuid> = match only {
            Some(slots) => slots.iter().filter_map(holder).collect(),
            None => self.leases.keys().copied().collect(),
        };
        for claim in &claims {
            self.notify(*claim, NoticeKind::Drain, now, fx);
        }
        claims.len()
    }

    /// Asks holders to end until as many slots are asked for, of one tenant or of all: the least important and newest first,
    /// and never part of a lease. Gives the number of leases.
    pub fn preempt(&mut self, tenant: Option<i32>, slots: u32, now: Millis, fx: &mut Effects) -> usize {
        let mut theirs: Vec<(u8, Reverse<Millis>, Uuid, u32)> = self
            .leases
            .values()
            .filter(|lease| lease.notice.is_none() && tenant.is_none_or(|tenant| lease.tenant == tenant))
            .map(|lease| (lease.priority, Reverse(lease.claimed_at), lease.claim, lease.slots.len() as u32))
            .collect();
        theirs.sort_unstable();
        let (mut short, mut asked) = (slots, 0);
        for (_, _, claim, count) in theirs {
            if short == 0 {
                break;
            }
            self.notify(claim, NoticeKind::Preempt, now, fx);
            short = short.saturating_sub(count);
            asked += 1;
        }
        asked
    }

    /// Takes back what was lent: from each tenant so many slots, the least important and newest leases first.
    fn ask_back(&mut self, from: &[(i32, u32)], now: Millis, fx: &mut Effects) {
        for (tenant, slots) in from {
            let own = self.leases.values().filter(|lease| lease.tenant == *tenant);
            let (noticed, other): (Vec<&Lease>, Vec<&Lease>) = own.partition(|lease| lease.notice.is_some());
            let asked: usize = noticed.iter().map(|lease| lease.slots.len()).sum();
            let mut theirs: Vec<(u8, Reverse<Millis>, Uuid, u32)> = other
                .iter()
                .map(|lease| (lease.priority, Reverse(lease.claimed_at), lease.claim, lease.slots.len() as u32))
                .collect();
            theirs.sort_unstable();
            let mut short = slots.saturating_sub(asked as u32);
            for (_, _, claim, count) in theirs {
                if short == 0 {
                    break;
                }
                self.notify(claim, NoticeKind::Preempt, now, fx);
                short = short.saturating_sub(count);
            }
        }
    }

    /// Asks holders of lower priority to end, the least important and newest first, as far as one claim needs.
    fn ask_the_less_important(&mut self, priority: u8, slots: u32, now: Millis, fx: &mut Effects) {
        let free = u64::from(self.in_service).saturating_sub(self.held());
        let asked: u64 =
            self.leases.values().filter(|l| l.notice.is_some()).map(|lease| lease.slots.len() as u64).sum();
        let mut short = u64::from(slots).saturating_sub(free + asked);
        if short == 0 {
            return;
        }
        let mut lower: Vec<(u8, Reverse<Millis>, Uuid, u64)> = self
            .leases
            .values()
            .filter(|lease| lease.priority < priority && lease.notice.is_none())
            .map(|lease| (lease.priority, Reverse(lease.claimed_at), lease.claim, lease.slots.len() as u64))
            .collect();
        if lower.iter().map(|(.., count)| count).sum::<u64>() < short {
            return;
        }
        lower.sort_unstable();
        for (_, _, claim, count) in lower {
            if short == 0 {
                break;
            }
            self.notify(claim, NoticeKind::Preempt, now, fx);
            short = short.saturating_sub(count);
        }
    }

    /// The holder acknowledges a notice: its work is safe, the slots may go. `None` if the claim holds nothing, `Some(None)` if
    /// it was not asked to end.
    pub fn checkpoint(&mut self, claim: Uuid, actor: &str, now: Millis, fx: &mut Effects) -> Option<Option<Lease>> {
        let lease = self.leases.get(&claim)?;
        if lease.notice.is_none() {
            return Some(None);
        }
        let taken = self.take(claim, EventKind::Preempt, "checkpoint", actor, now, fx);
        self.serve(now, fx);
        Some(taken)
    }

    // ------------------------------------------------------------ the reconciler

    /// A beat of a holder. A new generation ends what the one before held. Who may act for some tenants only beats for theirs:
    /// another tenant's holder of the same name is another one.
    ///
    /// # Errors
    /// The present generation, if the beat is of an earlier one.
    pub fn beat(
        &mut self,
        holder: &str,
        tenants: Option<&[i32]>,
        generation: u64,
        now: Millis,
        fx: &mut Effects,
    ) -> Result<(), u64> {
        let range = (holder.to_owned(), i32::MIN)..=(holder.to_owned(), i32::MAX);
        let known = self.by_holder.range(range.clone()).map(|(holder, _)| holder.clone());
        let known = known.chain(self.holders.range(range).map(|(holder, _)| holder.clone()));
        let is_own = |(_, tenant): &Holder| tenants.is_none_or(|own| own.contains(tenant));
        let mut meant: BTreeSet<Holder> = known.filter(is_own).collect();
        if meant.is_empty() {
            meant.extend(tenants.unwrap_or(&[ANYBODY]).iter().map(|tenant| (holder.to_owned(), *tenant)));
        }
        let mut superseded = None;
        for one in &meant {
            if let Err(present) = self.beat_of(one, generation, now, fx) {
                superseded = superseded.max(Some(present));
            }
        }
        superseded.map_or(Ok(()), Err)
    }

    fn beat_of(&mut self, holder: &Holder, generation: u64, now: Millis, fx: &mut Effects) -> Result<(), u64> {
        let Some(policy) = self.policy.heartbeats.map(crate::lease::Beats::policy) else { return Ok(()) };
        let Some(beats) = self.holders.get_mut(holder) else {
            self.holders.insert(holder.clone(), heartbeat::Beats::first(policy, now, generation));
            self.note_idle(holder);
            return Ok(());
        };
        let (before, last) = (beats.generation(), beats.last());
        beats.beat(policy, now, generation).map_err(|superseded| superseded.generation)?;
        if self.idle.remove(&(last, holder.clone())) {
            self.note_idle(holder);
        }
        if generation > before {
            let old: Vec<Uuid> = self.by_holder.get(holder).cloned().unwrap_or_default();
            for claim in old {
                let is_old = self.leases.get(&claim).is_some_and(|lease| lease.generation < generation);
                if is_old && !self.touched.contains(&claim) {
                    self.take(claim, EventKind::Reconcile, "new generation", "reconciler", now, fx);
                }
            }
        }
        Ok(())
    }

    /// A holder that beats may be forgotten when it holds nothing: anybody may send beats, under any name.
    fn note_idle(&mut self, holder: &Holder) {
        if let Some(beats) = self.holders.get(holder).filter(|_| !self.by_holder.contains_key(holder)) {
            self.idle.insert((beats.last(), holder.clone()));
        }
        while self.idle.len() > REMEMBERED_IDLE {
            if let Some((_, holder)) = self.idle.pop_first() {
                self.holders.remove(&holder);
            }
        }
    }

    /// Whether a tenant's holder of this generation may act: it has not been replaced by a later one.
    pub fn may_act(&self, holder: &str, tenant: i32, generation: u64) -> bool {
        let may = |tenant| {
            let beats = self.holders.get(&(holder.to_owned(), tenant));
            beats.is_none_or(|beats| generation >= beats.generation())
        };
        may(tenant) && may(ANYBODY)
    }

    /// Frees what ran out, what dead holders held, and what was to be given back by now.
    pub fn reap(&mut self, now: Millis, fx: &mut Effects) -> Reaped {
        let mut reaped = Reaped::default();
        let over = self.by_end.iter().take_while(|(at, _)| at + EXPIRY_MARGIN_MS <= now).map(|(_, claim)| *claim);
        let (over, more) = self.part(over);
        reaped.more |= more;
        for claim in over {
            let event = Event::new(EventKind::Expire, "reconciler");
            self.by_itself += self.end(claim, End::Expired, &event, now, fx).map_or(0, |lease| lease.slots.len());
            self.no_work(claim);
            reaped.expired += 1;
        }
        let (graces, more) = self.part(self.by_grace.iter().take_while(|(at, _)| *at <= now).map(|(_, claim)| *claim));
        reaped.more |= more;
        for claim in graces {
            let taken = self.take(claim, EventKind::Preempt, "grace over", "allocator", now, fx);
            self.by_itself += taken.map_or(0, |lease| lease.slots.len());
            reaped.taken += 1;
        }
        let (dead, more) = self.bury(now, fx);
        reaped.dead = dead;
        reaped.more |= more;
        self.reaps_more = reaped.more;
        self.serve(now, fx);
        reaped
    }

    /// As many leases as this statement has room for, of those that are to be ended, and whether that leaves some.
    fn part(&self, claims: impl Iterator<Item = Uuid>) -> (Vec<Uuid>, bool) {
        let (mut part, mut slots) = (Vec::new(), self.by_itself);
        for lease in claims.filter(|claim| !self.touched.contains(claim)).filter_map(|claim| self.leases.get(&claim)) {
            // However many slots a lease has, they are ended together.
            if slots > 0 && slots + lease.slots.len() > service::PART {
                return (part, true);
            }
            slots += lease.slots.len();
            part.push(lease.claim);
        }
        (part, false)
    }

    /// Ends the leases of dead holders, unless too many are silent for that.
    fn bury(&mut self, now: Millis, fx: &mut Effects) -> (usize, bool) {
        let Some(policy) = self.policy.heartbeats.map(crate::lease::Beats::policy) else { return (0, false) };
        while let Some((_, holder)) = self.idle.first().filter(|(last, _)| now - last > policy.timeout_ms()).cloned() {
            self.idle.pop_first();
            self.holders.remove(&holder);
        }
        let (mut holding, mut silent) = (0, 0);
        let mut dead = Vec::new();
        for holder in self.by_holder.keys() {
            let Some(beats) = self.holders.get(holder) else { continue };
            holding += 1;
            silent += u64::from(beats.is_silent(policy, now));
            match beats.health(policy, now) {
                Health::Alive => {
                    self.suspected.remove(holder);
                }
                Health::Suspected => {
                    if self.suspected.insert(holder.clone()) {
                        fx.notes.push(Note {
                            claim: None,
                            tenant: Some(holder.1),
                            priority: None,
                            holder: holder.0.clone(),
                            event: Event::new(EventKind::Suspect, "reconciler"),
                        });
                    }
                }
                Health::Dead => dead.push(holder),
            }
        }
        self.silent_together = !dead.is_empty() && !heartbeat::silence_counts(policy, silent, holding);
        if self.silent_together {
            return (0, false);
        }
        let (claims, more) = self.part(dead.into_iter().flat_map(|holder| &self.by_holder[holder]).copied());
        for claim in &claims {
            let taken = self.take(*claim, EventKind::Dead, "holder is silent", "reconciler", now, fx);
            self.by_itself += taken.map_or(0, |lease| lease.slots.len());
        }
        (claims.len(), more)
    }

    // ------------------------------------------------------------ pictures

    /// One letter for each slot: `.` free, `o` occupied, `d` draining, `l` leaked (its lease is over), `x` out of service.
    pub fn picture(&self, now: Millis) -> String {
        self.slots
            .iter()
            .map(|slot| match (slot.claim.and_then(|claim| self.leases.get(&claim)), slot.service) {
                (Some(lease), _) if lease.expires_at <= now => 'l',
                (Some(lease), service) if lease.notice.is_some() || service != Service::In => 'd',
                (Some(_), _) => 'o',
                (None, Service::In) => '.',
                (None, _) => 'x',
            })
            .collect()
    }

    /// Slots held by tenant.
    pub fn held_by_tenant(&self) -> impl Iterator<Item = (i32, u32)> {
        self.shares.tenants.iter().filter(|(_, share)| share.held > 0).map(|(tenant, share)| (*tenant, share.held))
    }
}

#[cfg(test)]
mod tests;
