//! Claims of slots: asked for, renewed, released, looked at.

use super::{App, AppError, Problem, Result, pools, tenants};
use crate::allocator::{Allocator, ClaimView, LONGEST_POLL, Op, Origin, Reply, TraceContext};
use crate::clock;
use crate::db::Loan;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::allocation::{Ask, End, LimitKeys, Report};
use headroom_domain::lease::{LONGEST_TTL_MS, LONGEST_WAIT_MS, MAX_CLAIM_SLOTS, Reason, SHORTEST_TTL_MS};
use headroom_store::slot_event::{self, Stray};
use headroom_store::{owner, slot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest name of a holder, node, user and the like, in characters.
pub const MAX_WORD: usize = 120;
/// Longest key of a claim.
pub const MAX_KEY: usize = 200;
/// Most beats of one call.
pub const MAX_BEATS: usize = 10_000;
/// What is asked about a claim is answered within this, besides the time that the claim may wait.
const DEADLINE: Duration = Duration::from_secs(1);
/// A claim under a key is asked for again this often when its slot turns out to be another's.
const ATTEMPTS: u8 = 3;
/// Names of pools and tenants are read anew this often.
const NAMES_FOR: Duration = Duration::from_secs(1);

/// What a claim asks for, as it was written.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The tenant's slug.
    pub tenant: String,
    /// Slots; one if it is left out.
    pub slots: Option<i64>,
    /// Time to live; the policy's if it is left out.
    pub ttl_ms: Option<Millis>,
    /// How long it may wait; not at all if it is left out.
    pub wait_ms: Option<Millis>,
    /// Who will hold the slots.
    pub holder: Option<String>,
    /// The holder's generation.
    pub generation: Option<i64>,
    /// 0 to 9; the tenant's if it is left out.
    pub priority: Option<i64>,
    /// A preference for the slot that was last claimed with the same word.
    pub affinity: Option<String>,
    /// Where the work runs.
    pub node: Option<String>,
    /// Only slots of this shard.
    pub shard: Option<i64>,
    /// The user on whose behalf.
    pub user: Option<String>,
    /// The address on whose behalf; the caller's own if it is left out.
    pub address: Option<String>,
    /// The region on whose behalf.
    pub region: Option<String>,
    /// The endpoint on whose behalf.
    pub endpoint: Option<String>,
    /// The same claim asked for again has the same key.
    pub key: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// If it must wait, that is the answer: the caller comes back for it.
    pub at_once: bool,
}

/// A claim with its tenant's slug.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim.
    pub view: ClaimView,
    /// The tenant's slug; empty where it is not known any more.
    pub tenant: String,
}

fn overloaded() -> AppError {
    AppError::NotGranted { reason: Reason::Overloaded, retry_after_ms: Some(1_000) }
}

/// Pools and tenants as claims name them.
#[derive(Debug, Default)]
struct Names {
    pools: HashMap<String, i32>,
    tenants: HashMap<String, (i32, u8)>,
    slugs: HashMap<i32, String>,
}

/// What was read of them last.
#[derive(Debug, Default)]
pub struct NamesOfClaims(Mutex<Option<Remembered>>);

/// The same stray is written down once in this time,
const TOLD_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// and so many in it: what a thousand lost holders do says no more than what the first of them do.
const MOST_STRAYS: usize = 60;

/// Who acted on what it does not hold any more, and when that was written down.
#[derive(Debug, Default)]
pub struct Strays(Mutex<HashMap<(i32, Stray), Instant>>);

impl Strays {
    fn is_news(&self, pool: i32, stray: Stray) -> bool {
        let Ok(mut told) = self.0.lock() else { return false };
        told.retain(|_, at| at.elapsed() < TOLD_AGAIN_AFTER);
        told.len() < MOST_STRAYS && told.insert((pool, stray), Instant::now()).is_none()
    }
}

#[derive(Debug)]
struct Remembered {
    names: Arc<Names>,
    /// When they were read.
    read: Instant,
    /// When somebody last set out to read them.
    asked: Instant,
}

fn word(field: &str, text: Option<&String>, problems: &mut Vec<Problem>) -> Option<String> {
    let text = text?;
    let count = text.chars().count();
    if count == 0 || count > MAX_WORD || text.chars().any(char::is_control) {
        let expected = format!("1 to {MAX_WORD} characters without control characters");
        problems.push(Problem::new(field, text, expected));
    }
    Some(text.clone())
}

fn number(field: &str, value: Option<i64>, least: i64, most: i64, problems: &mut Vec<Problem>) -> Option<i64> {
    let value = value?;
    if !(least..=most).contains(&value) {
        problems.push(Problem::new(field, value.to_string(), format!("{least} to {most}")));
    }
    Some(value)
}

impl Wanted {
    /// What the allocator is asked; the tenant's key and priority are filled in by the caller.
    fn check(&self) -> Result<Ask> {
        let mut problems = Vec::new();
        let p = &mut problems;
        let ttl_ms = number("ttl_ms", self.ttl_ms, SHORTEST_TTL_MS, LONGEST_TTL_MS, p).unwrap_or_default();
        let slots = number("slots", self.slots, 1, MAX_CLAIM_SLOTS.into(), p).unwrap_or(1);
        let wait_ms = number("wait_ms", self.wait_ms, 0, LONGEST_WAIT_MS, p).unwrap_or(0);
        let generation = number("generation", self.generation, 0, i64::MAX, p).unwrap_or(0);
        let priority = number("priority", self.priority, 0, 9, p);
        let shard = number("shard", self.shard, 0, 65_535, p);
        let holder = word("holder", self.holder.as_ref(), p);
        let affinity = word("affinity", self.affinity.as_ref(), p);
        let node = word("node", self.node.as_ref(), p);
        let keys = LimitKeys {
            token: String::new(),
            user: word("user", self.user.as_ref(), p).unwrap_or_default(),
            address: word("address", self.address.as_ref(), p).unwrap_or_default(),
            region: word("region", self.region.as_ref(), p).unwrap_or_default(),
            endpoint: word("endpoint", self.endpoint.as_ref(), p).unwrap_or_default(),
        };
        let key_fits = |key: &&String| {
            let count = key.chars().count();
            count == 0 || count > MAX_KEY || key.chars().any(char::is_control)
        };
        if let Some(key) = self.key.as_ref().filter(key_fits) {
            p.push(Problem::new(
                "idempotency-key",
                key,
                format!("1 to {MAX_KEY} characters without control characters"),
            ));
        }
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        Ok(Ask {
            claim: clock::uuid(),
            tenant: 0,
            slots: slots as u32,
            // Without one the pool's policy says.
            ttl_ms,
            wait_ms,
            holder: holder.unwrap_or_default(),
            generation: generation.unsigned_abs(),
            priority: priority.unwrap_or_default() as u8,
            affinity,
            node,
            shard: shard.map(|shard| shard as u32),
            keys,
            actor: String::new(),
            key: self.key.clone().map(|key| (key, self.hash())),
            trace: self.trace.map(|context| context.trace),
        })
    }

    /// Tells claims under one key apart.
    fn hash(&self) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        let same = Self { key: None, trace: None, at_once: false, ..self.clone() };
        hasher.update(format!("{same:?}").as_bytes());
        hasher.finalize().as_bytes()[..16].to_vec()
    }
}

impl App {
    fn allocator(&self) -> Result<&Allocator> {
        self.allocator.as_ref().ok_or_else(|| AppError::Unavailable("this process gives out no slots".into()))
    }

    /// The answer, or in time that it is not known what came of it: a database that hangs is no reason to.
    async fn in_time<T>(&self, wait: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        let until = self.asked + DEADLINE + wait.min(LONGEST_POLL);
        tokio::time::timeout_at(until.into(), work).await.unwrap_or(Err(AppError::OutcomeUnknown))
    }

    async fn claim_names(&self, again: bool) -> Result<Arc<Names>> {
        // What is asked for and not known may have been made a moment ago.
        let for_so_long = if again { Duration::from_millis(50) } else { NAMES_FOR };
        if let Ok(mut known) = self.claim_names.0.lock()
            && let Some(known) = known.as_mut()
        {
            // One reads them again; the others go on with what they have, in place of all asking the same at once.
            let since = if again { known.read } else { known.asked };
            if since.elapsed() < for_so_long {
                return Ok(Arc::clone(&known.names));
            }
            known.asked = Instant::now();
        }
        let read = Instant::now();
        let mut conn = Loan::of(&self.db.claims).await?;
        let pools = owner::pool_names(&mut conn).await?;
        let tenants = owner::tenant_names(&mut conn).await?;
        conn.give_back();
        let names = Arc::new(Names {
            pools: pools.into_iter().map(|(slug, key, _)| (slug, key)).collect(),
            slugs: tenants.iter().map(|(slug, key, _)| (*key, slug.clone())).collect(),
            tenants: tenants
                .into_iter()
                .map(|(slug, key, priority)| (slug, (key, priority.clamp(0, 9) as u8)))
                .collect(),
        });
        if let Ok(mut known) = self.claim_names.0.lock() {
            *known = Some(Remembered { names: Arc::clone(&names), read, asked: Instant::now() });
        }
        Ok(names)
    }

    /// The key of a pool that the caller may use.
    async fn claim_pool(&self, slug: &str) -> Result<i32> {
        for again in [false, true] {
            let found = self.claim_names(again).await?.pools.get(slug).copied();
            if let Some(key) = found.filter(|key| self.caller.sees_pool(*key)) {
                return Ok(key);
            }
        }
        let mut conn = self.db.claims.acquire().await?;
        Ok(pools::find(&mut conn, &self.caller, slug).await?.key)
    }

    async fn claim_tenant(&self, slug: &str) -> Result<(i32, u8)> {
        for again in [false, true] {
            let found = self.claim_names(again).await?.tenants.get(slug).copied();
            if let Some(found) = found.filter(|(key, _)| self.caller.sees_tenant(*key)) {
                return Ok(found);
            }
        }
        let mut conn = self.db.claims.acquire().await?;
        let found = tenants::find(&mut conn, &self.caller, slug).await;
        let error = match found {
            // Archived: it is there, and claims nothing.
            Ok(_) => AppError::invalid("tenant", slug, "a tenant that is not archived"),
            Err(AppError::NotFound { suggestion, .. }) => {
                let nearest = suggestion.map(|s| format!("; did you mean {s:?}?")).unwrap_or_default();
                AppError::invalid("tenant", slug, format!("the slug of a tenant{nearest}"))
            }
            Err(error) => pools::named_otherwise("tenant", error),
        };
        Err(error)
    }

    fn own_tenants(&self) -> Option<Arc<Vec<i32>>> {
        self.caller.tenants.clone().map(Arc::new)
    }

    async fn ask(&self, pool: i32, op: Op) -> Result<Reply> {
        match self.allocator()?.ask(pool, op, self.own_tenants()).await {
            Reply::Elsewhere(url) => Err(AppError::Elsewhere(url)),
            Reply::NotTracked => Err(AppError::Conflict(
                "this pool is metered: its slots live in another system, only their counts are known here; give it a policy to claim them here".into(),
            )),
            Reply::Unavailable => Err(AppError::Unavailable("the allocator cannot reach it".into())),
            Reply::Unknown => Err(AppError::OutcomeUnknown),
            Reply::Overloaded => Err(overloaded()),
            Reply::Refused { reason, retry_after_ms, .. } => Err(AppError::NotGranted { reason, retry_after_ms }),
            Reply::NotHeld(end) => Err(AppError::NotHeld(end)),
            Reply::WrongTtl(least, most) => {
                Err(AppError::invalid("ttl_ms", "", format!("{least} to {most} ms, as the pool's policy says")))
            }
            Reply::Superseded => Err(AppError::Conflict(
                "a later generation of this holder is at work: this one has been replaced and must end".into(),
            )),
            Reply::NoNotice => {
                Err(AppError::Conflict("nobody asked this holder to end; release the claim when the work is done".into()))
            }
            Reply::KeyReused => Err(key_reused()),
            reply => Ok(reply),
        }
    }

    async fn claimed(&self, reply: Reply) -> Result<Claimed> {
        let Reply::Claim(view) = reply else {
            return Err(AppError::Internal(format!("the allocator answered {reply:?} to a claim")));
        };
        let tenant = self.claim_names(false).await?.slugs.get(&view.tenant).cloned().unwrap_or_default();
        Ok(Claimed { view: *view, tenant })
    }

    /// Claims slots, all or none. A claim that waits is answered when it is decided, or as waiting after ten seconds.
    pub async fn claim(&self, pool: &str, wanted: &Wanted) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        let ask = wanted.check()?;
        let wait = Duration::from_millis(ask.wait_ms.unsigned_abs());
        self.in_time(wait, self.claim_as(pool, wanted, ask)).await
    }

    async fn claim_as(&self, pool: &str, wanted: &Wanted, mut ask: Ask) -> Result<Claimed> {
        let key = self.claim_pool(pool).await?;
        let (tenant, priority) = self.claim_tenant(&wanted.tenant).await?;
        ask.tenant = tenant;
        ask.priority = wanted.priority.map_or(priority, |_| ask.priority);
        ask.actor.clone_from(&self.caller.actor.name);
        ask.keys.token.clone_from(&self.caller.actor.name);
        if ask.keys.address.is_empty() {
            ask.keys.address.clone_from(&self.caller.actor.address);
        }
        let under_key = ask.key.clone();
        // The database is the judge of keys. A claim that is granted was asked for the first time; one that would wait, or is
        // refused, may have been granted under its key before.
        if let Some(under_key) = under_key.as_ref().filter(|_| ask.wait_ms > 0)
            && let Some(before) = self.claimed_before(key, under_key).await?
        {
            return Ok(before);
        }
        let origin = Origin { asked: self.asked, context: wanted.trace, at_once: wanted.at_once };
        for _ in 0..ATTEMPTS {
            let reply = self.ask(key, Op::Claim(Box::new(ask.clone()), origin)).await;
            let is_final = !matches!(reply, Ok(Reply::AskByKey));
            if let (Some(under_key), Err(AppError::NotGranted { .. }) | Ok(Reply::AskByKey)) = (&under_key, &reply)
                && let Some(before) = self.claimed_before(key, under_key).await?
            {
                return Ok(before);
            }
            if is_final {
                return self.claimed(reply?).await;
            }
            // It was not made before: a slot was not as the owner remembered it.
            ask.claim = clock::uuid();
        }
        Err(overloaded())
    }

    /// The claim that was made under a key before.
    async fn claimed_before(&self, pool: i32, (word, hash): &(String, Vec<u8>)) -> Result<Option<Claimed>> {
        let mut conn = Loan::of(&self.db.claims).await?;
        let before = slot::claims_of_keys(&mut conn, &[pool], std::slice::from_ref(word)).await?.into_values().next();
        conn.give_back();
        match before {
            Some((_, other)) if other != *hash => Err(key_reused()),
            Some((claim, _)) => self.look(pool, claim, Duration::ZERO).await.map(Some),
            None => Ok(None),
        }
    }

    /// Does something about a claim, and tells what is known of it then.
    async fn ask_about(&self, pool: &str, op: Op) -> Result<Claimed> {
        let work = async {
            let stray = match op {
                Op::Renew { claim, .. } => Some((claim, "renew")),
                Op::Release { claim, .. } => Some((claim, "release")),
                _ => None,
            };
            let pool = self.claim_pool(pool).await?;
            let reply = self.ask(pool, op).await;
            // The answer to the first release was lost, and its owner is another by now.
            if let (Some((claim, "release")), Err(AppError::NotHeld(None))) = (stray, &reply)
                && self.was_released(pool, claim).await?
            {
                return Ok(Claimed { view: ClaimView::ended(claim, End::Released), tenant: String::new() });
            }
            if let (Some((claim, what)), Err(AppError::NotHeld(_))) = (stray, &reply) {
                self.keep_out(pool, Stray::Claim(claim), what).await;
            }
            self.claimed(reply?).await
        };
        self.in_time(Duration::ZERO, work).await
    }

    async fn was_released(&self, pool: i32, claim: Uuid) -> Result<bool> {
        // It goes through the events of all pools, so it must not hold up what every claim needs.
        let mut conn = self.db.pages.acquire().await?;
        let tenants = self.own_tenants();
        Ok(slot_event::was_released(&mut conn, pool, claim, tenants.as_deref().map(Vec::as_slice)).await?)
    }

    /// A holder that does not know that it lost its slots is somebody's trouble: it leaves an event, and a count.
    async fn keep_out(&self, pool: i32, stray: Stray, what: &'static str) {
        metrics::counter!("slot_stale_total", "what" => what).increment(1);
        if !self.strays.is_news(pool, stray) {
            return;
        }
        let written = async {
            let mut conn = Loan::of(&self.db.claims).await.map_err(headroom_store::StoreError::from)?;
            slot_event::kept_out(&mut conn, pool, stray, &self.caller.actor.name, what).await?;
            conn.give_back();
            Ok::<(), headroom_store::StoreError>(())
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, ?stray, "that a stale holder was kept out was not written down");
        }
    }

    async fn look(&self, pool: i32, claim: Uuid, wait: Duration) -> Result<Claimed> {
        match self.ask(pool, Op::Look { claim, wait }).await {
            Ok(reply) => self.claimed(reply).await,
            Err(error) => Err(error),
        }
    }

    /// What is known of a claim; if it waits, for so long until it is decided.
    pub async fn claim_state(&self, pool: &str, claim: Uuid, wait_ms: Millis) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        let longest = LONGEST_POLL.as_millis() as Millis;
        if !(0..=longest).contains(&wait_ms) {
            return Err(AppError::invalid("wait_ms", wait_ms.to_string(), format!("0 to {longest}")));
        }
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        self.in_time(wait, async { self.look(self.claim_pool(pool).await?, claim, wait).await }).await
    }

    /// Extends a lease.
    pub async fn renew_claim(
        &self,
        pool: &str,
        claim: Uuid,
        ttl_ms: Option<Millis>,
        report: Report,
    ) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        check_report(&report)?;
        let actor = self.caller.actor.name.clone();
        self.ask_about(pool, Op::Renew { claim, ttl_ms, report, actor }).await
    }

    /// Ends a lease. Ending it twice is no error.
    pub async fn release_claim(&self, pool: &str, claim: Uuid, report: Report) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        check_report(&report)?;
        let actor = self.caller.actor.name.clone();
        self.ask_about(pool, Op::Release { claim, report, actor }).await
    }

    /// Acknowledges a notice: the work is safe, the slots may go.
    pub async fn checkpoint_claim(&self, pool: &str, claim: Uuid) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        let actor = self.caller.actor.name.clone();
        self.ask_about(pool, Op::Checkpoint { claim, actor }).await
    }

    /// Beats of holders, with their generations. Gives how many were taken, and whose were not.
    pub async fn beat(&self, pool: &str, beats: Vec<(String, i64)>) -> Result<(usize, Vec<(String, u64)>)> {
        self.require(Action::Allocate)?;
        if beats.len() > MAX_BEATS {
            let found = beats.len().to_string();
            return Err(AppError::invalid("beats", found, format!("at most {MAX_BEATS} beats in a call")));
        }
        let mut problems = Vec::new();
        for (holder, generation) in &beats {
            word("holder", Some(holder), &mut problems);
            number("generation", Some(*generation), 0, i64::MAX, &mut problems);
        }
        if !problems.is_empty() {
            problems.truncate(20);
            return Err(AppError::Invalid(problems));
        }
        let beats = beats.into_iter().map(|(holder, generation)| (holder, generation.unsigned_abs())).collect();
        let told = async { self.ask(self.claim_pool(pool).await?, Op::Beats(beats)).await };
        match self.in_time(Duration::ZERO, told).await? {
            Reply::Beats(taken, superseded) => Ok((taken, superseded)),
            other => Err(AppError::Internal(format!("the allocator answered {other:?} to beats"))),
        }
    }

    /// Whether a fence is the present one of a slot that is held: what a resource asks before it lets a holder write. Gives
    /// what is left of the lease; `None` if the fence is not valid any more.
    pub async fn verify_fence(&self, pool: &str, number: i64, fence: i64) -> Result<Option<Millis>> {
        if !self.caller.may(Action::Allocate) {
            self.require(Action::See)?;
        }
        let key = self.claim_pool(pool).await?;
        let slot_number = u32::try_from(number).ok().filter(|number| *number > 0);
        let mut conn = self.db.claims.acquire().await?;
        let stored = match slot_number {
            Some(number) => slot::one(&mut conn, key, number).await?,
            None => None,
        };
        let Some(stored) = stored else {
            let slug = format!("{pool}#{number}");
            return Err(AppError::NotFound { what: "slot", slug, suggestion: None });
        };
        let now = headroom_store::now(&mut conn).await?;
        let lease = stored.held.filter(|held| self.caller.sees_tenant(held.tenant));
        let left = lease.filter(|_| stored.fence == fence || is_unfenced()).map(|held| held.expires_at - now);
        let left = left.filter(|left| *left > 0);
        drop(conn);
        // A fence that the slot never had is a mistake of whoever asks, and no holder's.
        if left.is_none() && (1..=stored.fence).contains(&fence) {
            self.keep_out(key, Stray::Fence(stored.number.cast_signed(), fence), "verify").await;
        }
        Ok(left)
    }
}

/// A test wants to see what would happen if fences were not compared.
fn is_unfenced() -> bool {
    cfg!(feature = "negative-control")
        && std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "fence")
}

fn key_reused() -> AppError {
    AppError::Conflict("this idempotency key was used before for another claim; use a new key for a new claim".into())
}

fn check_report(report: &Report) -> Result<()> {
    let mut problems = Vec::new();
    number("work_ms", report.work_ms, 0, i32::MAX.into(), &mut problems);
    number("shard", report.shard.map(Into::into), 0, 65_535, &mut problems);
    word("node", report.node.as_ref(), &mut problems);
    word("cohort", report.cohort.as_ref(), &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
}
