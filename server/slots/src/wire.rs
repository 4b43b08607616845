//! What is said over the wire, and the same in values that are easy to use.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What a claim asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The tenant's slug.
    pub tenant: String,
    /// Slots, all or none.
    pub slots: u32,
    /// Time to live of the lease; the pool's usual one if it is left out.
    pub ttl: Option<Duration>,
    /// How long the caller wants to wait for its turn.
    pub wait: Duration,
    /// Who holds the slots, such as a process; beats are told by this name.
    pub holder: Option<String>,
    /// The holder's generation: a later one ends what an earlier one holds.
    pub generation: u64,
    /// 0 to 9, higher first; the tenant's if it is left out.
    pub priority: Option<u8>,
    /// A preference for the slot that was last claimed with the same word.
    pub affinity: Option<String>,
    /// Where the work runs.
    pub node: Option<String>,
    /// Only slots of this shard of data.
    pub shard: Option<u16>,
    /// For rate limits: the user on whose behalf.
    pub user: Option<String>,
    /// For rate limits: the address on whose behalf.
    pub address: Option<String>,
    /// For rate limits: the region on whose behalf.
    pub region: Option<String>,
    /// For rate limits: the endpoint on whose behalf.
    pub endpoint: Option<String>,
    /// Idempotency key; a new one if it is left out. Whoever remembers it can ask for the same claim after a restart.
    pub key: Option<String>,
    /// W3C `traceparent` that the claim belongs to.
    pub traceparent: Option<String>,
}

impl Ask {
    /// One slot for a tenant, without waiting.
    pub fn new(tenant: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), slots: 1, ..Self::default() }
    }
}

/// Milliseconds for the wire; what does not fit is as good as for ever.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The longest that the API lets a claim wait in one go; the server cuts it to the pool's own limit.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// An [`Ask`] on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct AskBody<'a> {
    tenant: &'a str,
    slots: u32,
    wait_ms: i64,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affinity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
}

impl<'a> AskBody<'a> {
    /// The ask, waiting for so long.
    pub(crate) fn of(ask: &'a Ask, wait: Duration) -> Self {
        Self {
            tenant: &ask.tenant,
            slots: ask.slots,
            wait_ms: millis(wait.min(LONGEST_WAIT)),
            generation: ask.generation,
            ttl_ms: ask.ttl.map(millis),
            holder: ask.holder.as_deref(),
            priority: ask.priority,
            affinity: ask.affinity.as_deref(),
            node: ask.node.as_deref(),
            shard: ask.shard,
            user: ask.user.as_deref(),
            address: ask.address.as_deref(),
            region: ask.region.as_deref(),
            endpoint: ask.endpoint.as_deref(),
        }
    }
}

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It failed.
    Failed,
    /// It was given up: says nothing about the work behind the pool.
    Cancelled,
}

/// What a holder says about its work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Milliseconds of work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_ms: Option<u32>,
    /// Where it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// On which shard of data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u16>,
    /// For which cohort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<String>,
}

impl Report {
    /// The work was done.
    pub fn ok() -> Self {
        Self { outcome: Some(Outcome::Ok), ..Self::default() }
    }

    /// There was no work.
    pub fn cancelled() -> Self {
        Self { outcome: Some(Outcome::Cancelled), ..Self::default() }
    }

    /// The work ended so, after so long.
    pub fn new(outcome: Outcome, work: Duration) -> Self {
        /// The longest work that can be told.
        const LONGEST_MS: u128 = i32::MAX as u128;
        let work_ms = work.as_millis().min(LONGEST_MS) as u32;
        Self { outcome: Some(outcome), work_ms: Some(work_ms), ..Self::default() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RenewBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_ms: Option<i64>,
    pub(crate) report: &'a Report,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReleaseBody<'a> {
    pub(crate) report: &'a Report,
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Claims slots. One that must wait is told as waiting at once: look at it later.
    Claim(Box<Ask>),
    /// Extends a lease.
    Renew {
        /// The claim.
        claim: Uuid,
        /// Time to live from now; the pool's usual one if it is left out.
        ttl: Option<Duration>,
    },
    /// Gives slots back.
    Release {
        /// The claim.
        claim: Uuid,
        /// What there is to say about the work.
        report: Report,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum OperationBody<'a> {
    Claim {
        claim: AskBody<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
    },
    Renew {
        claim: Uuid,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<i64>,
    },
    Release {
        claim: Uuid,
        report: &'a Report,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct BatchBody<'a> {
    operations: Vec<OperationBody<'a>>,
}

impl<'a> BatchBody<'a> {
    pub(crate) fn of(operations: &'a [Operation]) -> Self {
        let body = |operation: &'a Operation| match operation {
            Operation::Claim(ask) => {
                OperationBody::Claim { claim: AskBody::of(ask, Duration::ZERO), key: ask.key.as_deref() }
            }
            Operation::Renew { claim, ttl } => OperationBody::Renew { claim: *claim, ttl_ms: ttl.map(millis) },
            Operation::Release { claim, report } => OperationBody::Release { claim: *claim, report },
        };
        Self { operations: operations.iter().map(body).collect() }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResultAnswer {
    pub(crate) status: u16,
    pub(crate) claim: Option<ClaimAnswer>,
    pub(crate) problem: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BatchAnswer {
    pub(crate) results: Vec<ResultAnswer>,
}

/// A beat of a holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beat {
    /// The holder, as claims name it.
    pub holder: String,
    /// Its generation.
    pub generation: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct BeatsBody<'a> {
    pub(crate) beats: &'a [Beat],
}

/// A holder that has been replaced by a later generation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Superseded {
    /// The holder.
    pub holder: String,
    /// Its present generation.
    pub generation: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BeatsAnswer {
    pub(crate) superseded: Vec<Superseded>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FenceBody<'a> {
    pub(crate) pool: &'a str,
    pub(crate) slot: u32,
    pub(crate) fence: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FenceAnswer {
    pub(crate) remaining_ms: u64,
}

/// A slot and the fence under which it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Fenced {
    /// Number in the pool, from 1.
    pub slot: u32,
    /// Grows with each claim and each end of one: what the slot protects refuses a lower one.
    pub fence: i64,
}

/// Why a holder is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// Somebody else needs the slots.
    Preempt,
    /// The slots are taken out of service, or the pool is emptied.
    Drain,
}

/// A holder is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Why.
    pub kind: NoticeKind,
    /// The slots are taken then.
    pub by: Instant,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct NoticeAnswer {
    kind: NoticeKind,
    in_ms: u64,
}

/// Where a claim stands, as the server says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    Granted,
    Queued,
    Rejected,
    Ended,
}

/// A claim as the server says it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ClaimAnswer {
    pub(crate) claim: Uuid,
    pub(crate) state: Standing,
    pub(crate) pool: String,
    pub(crate) tenant: String,
    pub(crate) holder: String,
    pub(crate) priority: u8,
    #[serde(default)]
    pub(crate) slots: Vec<Fenced>,
    pub(crate) remaining_ms: Option<u64>,
    pub(crate) ends_in_ms: Option<u64>,
    /// A claim must not be lost for what it only says beside its slots: a server whose clock was put back may say less than nothing.
    #[serde(default)]
    pub(crate) waited_ms: i64,
    pub(crate) position: Option<usize>,
    pub(crate) notice: Option<NoticeAnswer>,
    pub(crate) end: Option<String>,
}

/// A claim that holds slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its id.
    pub claim: Uuid,
    /// The pool's slug.
    pub pool: String,
    /// The tenant's slug.
    pub tenant: String,
    /// Who holds it.
    pub holder: String,
    /// 0 to 9.
    pub priority: u8,
    /// Its slots.
    pub slots: Vec<Fenced>,
    /// The lease lasts at least until here, by this machine's monotonic clock.
    pub until: Instant,
    /// No renewal reaches beyond.
    pub ends: Option<Instant>,
    /// How long it waited in the server's queue.
    pub waited: Duration,
    /// What the holder is asked to do.
    pub notice: Option<Notice>,
}

impl Granted {
    /// What is left of the lease.
    pub fn remaining(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It holds slots.
    Granted(Granted),
    /// It waits, at this place in the queue, from 1.
    Queued {
        /// The claim.
        claim: Uuid,
        /// Its place.
        position: usize,
    },
    /// It was refused.
    Rejected,
    /// It is over: `released`, `expired` or `taken`.
    Ended(String),
}

impl ClaimAnswer {
    /// In values, with the lease counted from before the question.
    pub(crate) fn look(self, asked: Instant) -> Look {
        match self.state {
            Standing::Granted => Look::Granted(Granted {
                claim: self.claim,
                pool: self.pool,
                tenant: self.tenant,
                holder: self.holder,
                priority: self.priority,
                slots: self.slots,
                until: asked + Duration::from_millis(self.remaining_ms.unwrap_or_default()),
                ends: self.ends_in_ms.map(|ms| asked + Duration::from_millis(ms)),
                waited: Duration::from_millis(self.waited_ms.max(0).unsigned_abs()),
                notice: self
                    .notice
                    .map(|notice| Notice { kind: notice.kind, by: asked + Duration::from_millis(notice.in_ms) }),
            }),
            Standing::Queued => Look::Queued { claim: self.claim, position: self.position.unwrap_or_default() },
            Standing::Rejected => Look::Rejected,
            Standing::Ended => Look::Ended(self.end.unwrap_or_else(|| "ended".to_owned())),
        }
    }
}
