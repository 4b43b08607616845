//! Live slots: the rules of tracked pools, what pools and slots look like now, and what an operator does about them.

use super::{App, AppError, Problem, Result, pools, tenants};
use crate::allocator::{Op, PoolFigures};
use headroom_domain::access::Action;
use headroom_domain::allocation::Stored;
use headroom_domain::lease::{MAX_TRACKED_SLOTS, Mode, Policy};
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};
use headroom_store::audit::{self, Entry};
use headroom_store::order::{self, Order};
use headroom_store::owner::Rules;
use headroom_store::pool::{CapacityStep, Pool};
use headroom_store::slot::HeldClaim;
use headroom_store::slot_event::{self, SlotEvent, Wanted};
use headroom_store::{live, owner, pool, quota, slot};
use serde_json::json;
use sqlx::PgConnection;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest reason of an act, in characters.
const MAX_REASON: usize = 500;
/// A cut of a quota ends after this at the latest.
const LONGEST_CUT_MS: Millis = DAY_MS;
/// Most slots of one act.
const MOST_OF_ACT: i64 = 10_000;
/// An event of a notice may be so much older than the notice: it was decided before it was written.
const NOTICE_LAG_MS: Millis = 5_000;
/// Figures older than this are not about now.
pub const FIGURES_FRESH_MS: Millis = 5_000;
/// Whoever gives an order waits so long until it is carried out,
const ORDER_WITHIN: Duration = Duration::from_secs(3);
/// and looks this often.
const ORDER_LOOK: Duration = Duration::from_millis(50);
/// Most events of one answer.
pub const MAX_EVENTS: i64 = 2_000;

/// Most claims of one list.
pub const MOST_CLAIMS: i64 = 1_000;

/// Which claims are listed.
#[derive(Debug, Clone, Default)]
pub struct HeldWanted {
    /// The slug of the only tenant.
    pub tenant: Option<String>,
    /// The only holder.
    pub holder: Option<String>,
    /// At most so many; [`MOST_CLAIMS`] if it is left out.
    pub limit: Option<i64>,
}

/// What an operator does about a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// No new claims; who holds a slot keeps it.
    Hold,
    /// Claims are served again.
    Open,
    /// No new claims, and holders are asked to end; or only some slots are emptied and taken out of service.
    Drain(Option<Vec<u32>>),
    /// Puts slots back into service.
    Restore(Vec<u32>),
    /// Takes slots back from their holders at once.
    Reclaim(Vec<u32>),
    /// Asks holders to end so that others get their slots: the least important and newest first.
    Preempt {
        /// The slug of the only tenant that is asked; everybody if it is left out.
        tenant: Option<String>,
        /// As many slots.
        slots: i64,
    },
    /// Another size.
    Resize(i64),
    /// Cuts a tenant's quota for some minutes.
    CutQuota {
        /// The tenant's slug.
        tenant: String,
        /// The most it may hold meanwhile.
        slots: i64,
        /// For how long.
        minutes: i64,
    },
}

impl Act {
    /// The word in the API and the audit trail.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Open => "open",
            Self::Drain(_) => "drain",
            Self::Restore(_) => "restore",
            Self::Reclaim(_) => "reclaim",
            Self::Preempt { .. } => "preempt",
            Self::Resize(_) => "resize",
            Self::CutQuota { .. } => "cut-quota",
        }
    }
}

/// What an act would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What changes: field, before, after.
    pub changes: Vec<(String, String, String)>,
    /// Who is hit: tenant's slug and slots.
    pub tenants: BTreeMap<String, u32>,
    /// Leases that end, now or after their grace.
    pub leases: usize,
    /// What one should know before.
    pub warnings: Vec<String>,
}

/// The slots of a pool at an instant.
#[derive(Debug)]
pub struct PoolSlots {
    /// The pool.
    pub pool: Pool,
    /// Its slots by number.
    pub stored: Vec<Stored>,
    /// Numbers of those whose holder was asked to end.
    pub noticed: BTreeSet<u32>,
    /// The instant.
    pub now: Millis,
    /// Number of the last event that is in it.
    pub version: i64,
}

impl App {
    /// The rules of a tracked pool; `None` if it is metered.
    pub async fn pool_rules(&self, slug: &str) -> Result<(Pool, Option<Rules>)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = pools::find(&mut conn, &self.caller, slug).await?;
        let rules = owner::rules(&mut conn, Some(&[found.key])).await?.pop();
        Ok((found, rules))
    }

    /// Sets a pool's rules, which makes it tracked: its slots are given out here from then on.
    pub async fn set_policy(&self, slug: &str, version: Option<i32>, policy: &Policy) -> Result<Rules> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut problems: Vec<Problem> = policy
            .problems()
            .into_iter()
            .map(|(field, found, expected)| Problem::new(field, found, expected))
            .collect();
        let mut tx = self.db.pages.begin().await?;
        let found = pools::find(&mut tx, &self.caller, slug).await?;
        let before = owner::rules(&mut tx, Some(&[found.key])).await?.pop();
        let steps = pool::capacity(&mut tx, Some(&[found.key])).await?.remove(&found.key).unwrap_or_default();
        let now = headroom_store::now(&mut tx).await?;
        let configured = pool::step_at(&steps, now).map_or(0, |step| i64::from(step.configured));
        if configured > MAX_TRACKED_SLOTS.into() {
            let expected = format!("at most {MAX_TRACKED_SLOTS} slots for slots to be given out here");
            problems.push(Problem::new("capacity", configured.to_string(), expected));
        }
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        if !owner::set_policy(&mut tx, found.key, version, policy).await? {
            let stored = before.as_ref().map_or(0, |rules| rules.version);
            return Err(match version {
                Some(version) => AppError::Conflict(format!(
                    "the policy was changed meanwhile: it is at version {stored}, the change was made on version {version}"
                )),
                None => {
                    AppError::invalid("version", "", format!("the version that the change is made on: {stored} now"))
                }
            });
        }
        let old = before.and_then(|rules| serde_json::to_value(rules.policy).ok());
        let new = serde_json::to_value(policy).ok();
        self.record_act(&mut tx, "set-policy", &found, old, new, "").await?;
        tx.commit().await?;
        self.refresh(found.key).await;
        let mut conn = self.db.pages.acquire().await?;
        owner::rules(&mut conn, Some(&[found.key]))
            .await?
            .pop()
            .ok_or_else(|| AppError::Conflict("the pool was archived meanwhile".into()))
    }

    async fn record_act(
        &self,
        conn: &mut PgConnection,
        action: &str,
        of: &Pool,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
        reason: &str,
    ) -> Result<()> {
        let actor = &self.caller.actor;
        let (key, id) = (of.fields.slug.as_str(), Some(of.id));
        audit::record(conn, &Entry { actor, action, object: "pool", key, id, before, after, reason }).await?;
        Ok(())
    }

    /// Tells the owner that rules or limits changed. An owner elsewhere finds out by itself within a second.
    async fn refresh(&self, key: i32) {
        if let Some(allocator) = &self.allocator {
            let actor = self.caller.actor.name.clone();
            allocator.ask(key, Op::Refresh { actor }, None).await;
        }
    }

    /// What pools look like now, by key: of some or of all tracked ones. Figures that are old are left out.
    pub async fn live_figures(&self, keys: Option<&[i32]>) -> Result<BTreeMap<i32, PoolFigures>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let rows = live::list(&mut conn, keys).await?;
        let fresh = rows.into_iter().filter(|(key, at, _)| now - at < FIGURES_FRESH_MS && self.caller.sees_pool(*key));
        let read = fresh.filter_map(|(key, _, value)| {
            let mut figures: PoolFigures = serde_json::from_value(value).ok()?;
            figures.by_tenant.retain(|tenant, _| self.caller.sees_tenant(*tenant));
            figures.rejected_by_tenant.retain(|tenant, _| self.caller.sees_tenant(*tenant));
            Some((key, figures))
        });
        Ok(read.collect())
    }

    /// The slots of a tracked pool. Who sees some tenants only learns that others' slots are held, and no more.
    pub async fn slots(&self, slug: &str) -> Result<PoolSlots> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = pools::find(&mut conn, &self.caller, slug).await?;
        let now = headroom_store::now(&mut conn).await?;
        let version = slot_event::newest(&mut conn).await?;
        let mut stored = slot::of_pool(&mut conn, found.key).await?;
        let claims = noticed(&mut conn, found.key, now).await?;
        let noticed = stored.iter().filter(|slot| is_noticed(slot, &claims)).map(|slot| slot.number).collect();
        for slot in &mut stored {
            self.hide(slot);
        }
        Ok(PoolSlots { pool: found, stored, noticed, now, version })
    }

    /// Takes away what a caller that sees some tenants only may not know of a slot: who holds it, since when and where, how often
    /// it changed hands.
    fn hide(&self, slot: &mut Stored) {
        let is_own = slot.held.as_ref().is_some_and(|held| self.caller.sees_tenant(held.tenant));
        if self.caller.tenants.is_none() || is_own {
            return;
        }
        slot.node = None;
        slot.fence = 0;
        if let Some(held) = slot.held.as_mut() {
            held.claim = Uuid::nil();
            held.tenant = 0;
            held.holder.clear();
            held.claimed_at = 0;
        }
    }

    /// Claims that hold slots of a tracked pool, longest first, of what the caller may see.
    pub async fn held_claims(&self, slug: &str, wanted: &HeldWanted) -> Result<(Vec<HeldClaim>, Millis)> {
        self.require(Action::See)?;
        let limit = wanted.limit.unwrap_or(MOST_CLAIMS);
        if !(1..=MOST_CLAIMS).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MOST_CLAIMS}")));
        }
        let mut conn = self.db.pages.acquire().await?;
        let found = pools::find(&mut conn, &self.caller, slug).await?;
        let tenants = match &wanted.tenant {
            Some(tenant) => {
                let found = tenants::find(&mut conn, &self.caller, tenant).await;
                Some(vec![found.map_err(|error| pools::named_otherwise("tenant", error))?.key])
            }
            None => self.caller.tenants.clone(),
        };
        let now = headroom_store::now(&mut conn).await?;
        let holder = wanted.holder.as_deref();
        Ok((slot::held_claims(&mut conn, found.key, tenants.as_deref(), holder, limit).await?, now))
    }

    /// One slot, whether its holder was asked to end, its last events, and the instant of that.
    pub async fn slot(&self, slug: &str, number: i64) -> Result<(Stored, bool, Vec<SlotEvent>, Millis)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = pools::find(&mut conn, &self.caller, slug).await?;
        let now = headroom_store::now(&mut conn).await?;
        let stored = match u32::try_from(number) {
            Ok(number) if number > 0 => slot::one(&mut conn, found.key, number).await?,
            _ => None,
        };
        let not_found = || AppError::NotFound { what: "slot", slug: format!("{slug}#{number}"), suggestion: None };
        let mut stored = stored.ok_or_else(not_found)?;
        let asked_to_end = is_noticed(&stored, &noticed(&mut conn, found.key, now).await?);
        self.hide(&mut stored);
        let wanted = Wanted {
            pools: Some(vec![found.key]),
            slot: i32::try_from(number).ok(),
            tenants: self.caller.tenants.clone(),
            since: now - 7 * DAY_MS,
            limit: 20,
            ..Wanted::default()
        };
        let events = slot_event::list(&mut conn, &wanted).await?;
        Ok((stored, asked_to_end, events, now))
    }

    /// Events of slots, newest first, of what the caller may see.
    pub async fn slot_events(
        &self,
        mut wanted: Wanted,
        pool_slugs: &[String],
        tenant_slugs: &[String],
    ) -> Result<Vec<SlotEvent>> {
        self.require(Action::Debug)?;
        let mut conn = self.db.pages.acquire().await?;
        let mut keys = Vec::new();
        for slug in pool_slugs {
            keys.push(pools::find(&mut conn, &self.caller, slug).await?.key);
        }
        wanted.pools = if keys.is_empty() { self.caller.pools.clone() } else { Some(keys) };
        let mut keys = Vec::new();
        for slug in tenant_slugs {
            keys.push(tenants::find(&mut conn, &self.caller, slug).await?.key);
        }
        wanted.tenants = if keys.is_empty() { self.caller.tenants.clone() } else { Some(keys) };
        wanted.limit = wanted.limit.clamp(1, MAX_EVENTS);
        if wanted.since == 0 {
            wanted.since = headroom_store::now(&mut conn).await? - 60 * MINUTE_MS;
        }
        Ok(slot_event::list(&mut conn, &wanted).await?)
    }

    /// What an act would do, without doing it.
    pub async fn preview_act(&self, slug: &str, act: &Act) -> Result<Preview> {
        self.require(Action::Operate)?;
        self.require_all_tenants(Action::Operate)?;
        let (found, rules) = self.pool_rules(slug).await?;
        let rules = rules.ok_or_else(|| metered(slug))?;
        self.check_act(act, &rules)?;
        let mut conn = self.db.pages.acquire().await?;
        let stored = slot::of_pool(&mut conn, found.key).await?;
        let names: BTreeMap<i32, String> =
            owner::tenant_names(&mut conn).await?.into_iter().map(|(slug, key, _)| (key, slug)).collect();
        let chosen = match act {
            Act::Preempt { tenant, slots } => {
                let key = self.tenant_of_act(&mut conn, tenant.as_deref()).await?;
                least_important(&stored, key, *slots)
            }
            _ => BTreeSet::new(),
        };
        let mut preview = Preview::default();
        let mut hit = |slots: &mut dyn Iterator<Item = &Stored>| {
            let mut claims = BTreeSet::new();
            for held in slots.filter_map(|slot| slot.held.as_ref()) {
                claims.insert(held.claim);
                *preview.tenants.entry(names.get(&held.tenant).cloned().unwrap_or_default()).or_default() += 1;
            }
            preview.leases = claims.len();
        };
        let change = |field: &str, before: String, after: String| (field.to_owned(), before, after);
        match act {
            Act::Hold => preview.changes.push(change("mode", rules.mode.to_string(), Mode::Held.to_string())),
            Act::Open => preview.changes.push(change("mode", rules.mode.to_string(), Mode::Open.to_string())),
            Act::Drain(None) => {
                hit(&mut stored.iter());
                preview.changes.push(change("mode", rules.mode.to_string(), Mode::Draining.to_string()));
                preview.warnings.push(format!(
                    "Holders have {} s to end, then their slots are taken.",
                    rules.policy.grace_ms / 1_000
                ));
            }
            Act::Drain(Some(slots)) => {
                hit(&mut stored.iter().filter(|slot| slots.contains(&slot.number)));
                preview.changes.push(change(
                    "slots in service",
                    stored.len().to_string(),
                    (stored.len() - slots.len().min(stored.len())).to_string(),
                ));
            }
            Act::Reclaim(slots) => {
                hit(&mut stored.iter().filter(|slot| slots.contains(&slot.number)));
                preview.changes.push(change("leases on these slots", preview.leases.to_string(), "0".to_owned()));
                preview.warnings.push("Holders lose their slots at once and are not asked; what they write afterwards is refused by the fence.".to_owned());
            }
            Act::Preempt { .. } => {
                hit(&mut stored
                    .iter()
                    .filter(|slot| slot.held.as_ref().is_some_and(|held| chosen.contains(&held.claim))));
                let grace = format!("{} s", rules.policy.grace_ms / 1_000);
                preview.changes.push(change("leases with notice", "0".to_owned(), preview.leases.to_string()));
                preview
                    .warnings
                    .push(format!("Holders have {grace} to end, then their slots go to the claims that wait."));
            }
            Act::Restore(slots) => {
                preview.changes.push(change("slots put back", String::new(), slots.len().to_string()));
            }
            Act::Resize(slots) => {
                let before = rules.capacity.unwrap_or_default();
                preview.changes.push(change("capacity", before.to_string(), slots.to_string()));
                let beyond = |slot: &&Stored| i64::from(slot.number) > *slots;
                hit(&mut stored.iter().filter(beyond));
                if preview.leases > 0 {
                    preview.warnings.push("Slots in use beyond the new size leave when their holders end.".to_owned());
                }
            }
            Act::CutQuota { tenant, slots, minutes } => {
                let key = tenants::find(&mut conn, &self.caller, tenant).await?.key;
                let held =
                    stored.iter().filter(|slot| slot.held.as_ref().is_some_and(|held| held.tenant == key)).count();
                let before = quota::list(&mut conn, Some(&[found.key]), Some(&[key])).await?;
                let before = before.values().next().map_or("none".to_owned(), |quota| quota.slots.to_string());
                preview.changes.push(change(
                    &format!("quota of {tenant} for {minutes} min"),
                    before,
                    slots.to_string(),
                ));
                if held as i64 > *slots {
                    preview.warnings.push(format!(
                        "{tenant} holds {held} slots: it keeps them, and gets no more until it holds fewer than {slots}."
                    ));
                }
            }
        }
        if let Act::Drain(Some(slots)) | Act::Reclaim(slots) = act {
            let more = beside(&stored, slots);
            if more > 0 {
                preview.warnings.push(if more == 1 {
                    "1 more slot of the same claims goes with them.".to_owned()
                } else {
                    format!("{more} more slots of the same claims go with them.")
                });
            }
        }
        Ok(preview)
    }

    async fn tenant_of_act(&self, conn: &mut PgConnection, slug: Option<&str>) -> Result<Option<i32>> {
        let Some(slug) = slug else { return Ok(None) };
        let found = tenants::find(conn, &self.caller, slug).await;
        Ok(Some(found.map_err(|error| pools::named_otherwise("tenant", error))?.key))
    }

    fn check_act(&self, act: &Act, rules: &Rules) -> Result<()> {
        let numbers = |slots: &[u32]| {
            if slots.is_empty() || slots.len() as i64 > MOST_OF_ACT || slots.contains(&0) {
                return Err(AppError::invalid(
                    "slots",
                    format!("{} slots", slots.len()),
                    "1 to 10,000 slot numbers from 1",
                ));
            }
            Ok(())
        };
        match act {
            Act::Hold | Act::Open | Act::Drain(None) => Ok(()),
            Act::Drain(Some(slots)) | Act::Restore(slots) | Act::Reclaim(slots) => numbers(slots),
            Act::Preempt { slots, .. } => {
                if (1..=MOST_OF_ACT).contains(slots) {
                    return Ok(());
                }
                Err(AppError::invalid("count", slots.to_string(), "1 to 10,000 slots"))
            }
            Act::Resize(slots) => {
                if !(0..=i64::from(MAX_TRACKED_SLOTS)).contains(slots) {
                    let expected = format!("0 to {MAX_TRACKED_SLOTS} slots");
                    return Err(AppError::invalid("slots", slots.to_string(), expected));
                }
                let may_plan = self.caller.may(Action::Plan);
                let allowed = rules.policy.emergency.map(|(least, most)| i64::from(least)..=i64::from(most));
                if !may_plan && allowed.is_none_or(|range| !range.contains(slots)) {
                    let needs = rules.policy.emergency.map_or_else(
                        || "the role planner or admin; this pool has no emergency range".to_owned(),
                        |(least, most)| {
                            format!("the role planner or admin beyond the emergency range {least} to {most}")
                        },
                    );
                    return Err(AppError::Forbidden { action: Action::Operate, needs });
                }
                Ok(())
            }
            Act::CutQuota { slots, minutes, .. } => {
                let mut problems = Vec::new();
                if !(0..=i64::from(MAX_TRACKED_SLOTS)).contains(slots) {
                    problems.push(Problem::new("slots", slots.to_string(), format!("0 to {MAX_TRACKED_SLOTS} slots")));
                }
                if !(1..=LONGEST_CUT_MS / MINUTE_MS).contains(minutes) {
                    problems.push(Problem::new(
                        "minutes",
                        minutes.to_string(),
                        format!("1 to {}", LONGEST_CUT_MS / MINUTE_MS),
                    ));
                }
                if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
            }
        }
    }

    /// Does it, with its reason in the audit trail. Gives how many leases or slots it concerned; `None` if it is recorded, and
    /// the server that decides about the pool, or its successor, has yet to do it.
    pub async fn act(&self, slug: &str, act: &Act, reason: &str) -> Result<Option<usize>> {
        self.require(Action::Operate)?;
        self.require_all_tenants(Action::Operate)?;
        if reason.chars().count() > MAX_REASON || reason.contains('\0') {
            return Err(AppError::invalid("reason", reason, format!("at most {MAX_REASON} characters")));
        }
        let mut tx = self.db.pages.begin().await?;
        let found = pools::find(&mut tx, &self.caller, slug).await?;
        let rules = owner::rules(&mut tx, Some(&[found.key])).await?.pop().ok_or_else(|| metered(slug))?;
        self.check_act(act, &rules)?;
        let actor = self.caller.actor.name.clone();
        let mode = |mode: Mode| Some(json!({ "mode": mode.as_str() }));
        let set_mode = match act {
            Act::Hold => Some(Mode::Held),
            Act::Open => Some(Mode::Open),
            Act::Drain(None) => Some(Mode::Draining),
            _ => None,
        };
        let (before, after) = match act {
            Act::Hold | Act::Open | Act::Drain(None) => (mode(rules.mode), set_mode.and_then(mode)),
            Act::Drain(Some(slots)) | Act::Restore(slots) | Act::Reclaim(slots) => {
                (None, Some(json!({ "slots": slots })))
            }
            Act::Preempt { tenant, slots } => (None, Some(json!({ "tenant": tenant, "slots": slots }))),
            Act::Resize(slots) => (Some(json!({ "capacity": rules.capacity })), Some(json!({ "capacity": slots }))),
            Act::CutQuota { tenant, slots, minutes } => {
                (None, Some(json!({ "tenant": tenant, "slots": slots, "minutes": minutes })))
            }
        };
        let preempted = match act {
            Act::Preempt { tenant, .. } => self.tenant_of_act(&mut tx, tenant.as_deref()).await?,
            _ => None,
        };
        if let Some(mode) = set_mode {
            owner::set_mode(&mut tx, found.key, mode).await?;
        }
        match act {
            Act::Resize(slots) => {
                let step = CapacityStep {
                    from_ms: headroom_store::now(&mut tx).await?,
                    configured: i32::try_from(*slots).unwrap_or(i32::MAX),
                    planned_down: 0,
                    reason: reason.to_owned(),
                    actor: actor.clone(),
                };
                pool::set_capacity(&mut tx, found.key, &step).await?;
            }
            Act::CutQuota { tenant, slots, minutes } => {
                let key = tenants::find(&mut tx, &self.caller, tenant)
                    .await
                    .map_err(|error| pools::named_otherwise("tenant", error))?
                    .key;
                let until = headroom_store::now(&mut tx).await? + minutes * MINUTE_MS;
                owner::cut(&mut tx, found.key, key, i32::try_from(*slots).unwrap_or(i32::MAX), until, &actor).await?;
            }
            _ => {}
        }
        let order = match act {
            Act::Drain(slots) => Some(Order::Drain { slots: slots.clone() }),
            Act::Restore(slots) => Some(Order::Restore { slots: slots.clone() }),
            Act::Reclaim(slots) => {
                let stored = slot::some(&mut tx, found.key, slots).await?;
                let mut claims: Vec<Uuid> = stored.into_iter().filter_map(|slot| Some(slot.held?.claim)).collect();
                claims.sort_unstable();
                claims.dedup();
                Some(Order::Reclaim { slots: slots.clone(), claims })
            }
            Act::Preempt { slots, .. } => {
                Some(Order::Preempt { tenant: preempted, slots: u32::try_from(*slots).unwrap_or_default() })
            }
            Act::Hold | Act::Open | Act::Resize(_) | Act::CutQuota { .. } => None,
        };
        let order = match order {
            Some(order) => Some(order::give(&mut tx, found.key, &order, &actor).await?),
            None => None,
        };
        self.record_act(&mut tx, act.word(), &found, before, after, reason).await?;
        tx.commit().await?;
        self.refresh(found.key).await;
        match order {
            Some(order) => self.carried_out(order).await,
            None => Ok(Some(0)),
        }
    }

    /// Waits until the owner of the pool, whichever server that is, has done what it was told.
    async fn carried_out(&self, order: i64) -> Result<Option<usize>> {
        let until = Instant::now() + ORDER_WITHIN;
        loop {
            // The order is given: what cannot be asked now is no reason to call it failed, so that it is given twice.
            let asked = async {
                let mut conn = self.db.pages.acquire().await?;
                order::affected(&mut conn, order).await
            };
            match asked.await {
                Ok(Some(affected)) => return Ok(usize::try_from(affected).ok()),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, order, "it cannot be asked whether an order is carried out"),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(ORDER_LOOK).await;
        }
    }
}

/// The leases that are asked first: the least important and newest, and never part of one.
fn least_important(stored: &[Stored], tenant: Option<i32>, slots: i64) -> BTreeSet<Uuid> {
    let mut leases: BTreeMap<Uuid, (u8, Reverse<Millis>, i64)> = BTreeMap::new();
    for held in stored.iter().filter_map(|slot| slot.held.as_ref()) {
        if tenant.is_none_or(|tenant| tenant == held.tenant) {
            leases.entry(held.claim).or_insert((held.priority, Reverse(held.claimed_at), 0)).2 += 1;
        }
    }
    let mut leases: Vec<_> =
        leases.into_iter().map(|(claim, (priority, since, n))| (priority, since, claim, n)).collect();
    leases.sort_unstable();
    let mut short = slots;
    let enough = leases.into_iter().take_while(|(.., count)| {
        let is_wanted = short > 0;
        short -= count;
        is_wanted
    });
    enough.map(|(_, _, claim, _)| claim).collect()
}

/// Slots that are held by claims of some slots and are not among these: whoever loses one slot of a claim loses all of it.
fn beside(stored: &[Stored], slots: &[u32]) -> usize {
    let held = || stored.iter().filter_map(|slot| Some((slot.number, slot.held.as_ref()?.claim)));
    let claims: BTreeSet<Uuid> = held().filter(|(number, _)| slots.contains(number)).map(|(_, claim)| claim).collect();
    held().filter(|(number, claim)| claims.contains(claim) && !slots.contains(number)).count()
}

/// Claims whose holders were asked to end and still have time to. Who decides about the pool knows notices; everybody else learns
/// of them by their events.
pub(super) async fn noticed(conn: &mut PgConnection, pool: i32, now: Millis) -> Result<BTreeSet<Uuid>> {
    let rules = owner::rules(conn, Some(&[pool])).await?;
    let grace_ms = rules.first().map_or(0, |rules| rules.policy.grace_ms);
    Ok(slot_event::noticed(conn, pool, now - grace_ms - NOTICE_LAG_MS).await?)
}

/// Whether the holder of a slot was asked to end.
pub(super) fn is_noticed(slot: &Stored, claims: &BTreeSet<Uuid>) -> bool {
    slot.held.as_ref().is_some_and(|held| claims.contains(&held.claim))
}

fn metered(slug: &str) -> AppError {
    AppError::Conflict(format!(
        "{slug} is metered: its slots live in another system; give it a policy to give them out here"
    ))
}
