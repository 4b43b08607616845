//! Claims of slots: asked for, renewed, released, looked at.

use super::{App, AppError, Problem, Result, pools, tenants};
use crate::allocator::{Allocator, ClaimView, LONGEST_POLL, Op, Origin, Reply, TraceContext};
use crate::clock;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::allocation::{Ask, LimitKeys, Report};
use headroom_domain::lease::{LONGEST_TTL_MS, LONGEST_WAIT_MS, MAX_CLAIM_SLOTS, SHORTEST_TTL_MS};
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
}

/// A claim with its tenant's slug.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim.
    pub view: ClaimView,
    /// The tenant's slug; empty where it is not known any more.
    pub tenant: String,
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
        let same = Self { key: None, trace: None, ..self.clone() };
        hasher.update(format!("{same:?}").as_bytes());
        hasher.finalize().as_bytes()[..16].to_vec()
    }
}

impl App {
    fn allocator(&self) -> Result<&Allocator> {
        self.allocator.as_ref().ok_or_else(|| AppError::Unavailable("this process gives out no slots".into()))
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
        let mut conn = self.db.pages.acquire().await?;
        let pools = owner::pool_names(&mut conn).await?;
        let tenants = owner::tenant_names(&mut conn).await?;
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
        let mut conn = self.db.pages.acquire().await?;
        Ok(pools::find(&mut conn, &self.caller, slug).await?.key)
    }

    async fn claim_tenant(&self, slug: &str) -> Result<(i32, u8)> {
        for again in [false, true] {
            let found = self.claim_names(again).await?.tenants.get(slug).copied();
            if let Some(found) = found.filter(|(key, _)| self.caller.sees_tenant(*key)) {
                return Ok(found);
            }
        }
        let mut conn = self.db.pages.acquire().await?;
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
            Reply::Overloaded => Err(AppError::NotGranted {
                reason: headroom_domain::lease::Reason::Overloaded,
                retry_after_ms: Some(1_000),
            }),
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
        let mut ask = wanted.check()?;
        let key = self.claim_pool(pool).await?;
        let (tenant, priority) = self.claim_tenant(&wanted.tenant).await?;
        ask.tenant = tenant;
        ask.priority = wanted.priority.map_or(priority, |_| ask.priority);
        ask.actor.clone_from(&self.caller.actor.name);
        ask.keys.token.clone_from(&self.caller.actor.name);
        if ask.keys.address.is_empty() {
            ask.keys.address.clone_from(&self.caller.actor.address);
        }
        if let Some((word, hash)) = &ask.key {
            let mut conn = self.db.pages.acquire().await?;
            let before =
                slot::claims_of_keys(&mut conn, &[key], std::slice::from_ref(word)).await?.into_values().next();
            drop(conn);
            match before {
                Some((_, other)) if other != *hash => return Err(key_reused()),
                Some((claim, _)) => return self.look(key, claim, Duration::ZERO).await,
                None => {}
            }
        }
        let origin = Origin { asked: self.caller.asked, context: wanted.trace };
        let reply = self.ask(key, Op::Claim(Box::new(ask), origin)).await?;
        self.claimed(reply).await
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
        let pool = self.claim_pool(pool).await?;
        self.look(pool, claim, Duration::from_millis(wait_ms.unsigned_abs())).await
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
        let pool = self.claim_pool(pool).await?;
        let actor = self.caller.actor.name.clone();
        let reply = self.ask(pool, Op::Renew { claim, ttl_ms, report, actor }).await?;
        self.claimed(reply).await
    }

    /// Ends a lease. Ending it twice is no error.
    pub async fn release_claim(&self, pool: &str, claim: Uuid, report: Report) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        check_report(&report)?;
        let pool = self.claim_pool(pool).await?;
        let actor = self.caller.actor.name.clone();
        let reply = self.ask(pool, Op::Release { claim, report, actor }).await?;
        self.claimed(reply).await
    }

    /// Acknowledges a notice: the work is safe, the slots may go.
    pub async fn checkpoint_claim(&self, pool: &str, claim: Uuid) -> Result<Claimed> {
        self.require(Action::Allocate)?;
        let pool = self.claim_pool(pool).await?;
        let actor = self.caller.actor.name.clone();
        let reply = self.ask(pool, Op::Checkpoint { claim, actor }).await?;
        self.claimed(reply).await
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
        let pool = self.claim_pool(pool).await?;
        let beats = beats.into_iter().map(|(holder, generation)| (holder, generation.unsigned_abs())).collect();
        match self.ask(pool, Op::Beats(beats)).await? {
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
        let mut conn = self.db.pages.acquire().await?;
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
        let left = lease.filter(|_| stored.fence == fence).map(|held| held.expires_at - now);
        Ok(left.filter(|left| *left > 0))
    }
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
