//! A pool that this server owns: its state, its rules as they were read last, and its figures.

use super::figures::{PoolFigures, Recent};
use crate::app::AppError;
use headroom_domain::Millis;
use headroom_domain::admission::{Promised, Share};
use headroom_domain::allocation::{Effects, Event, Limits, Note, Pool, Service, Stored};
use headroom_domain::breaker::Position;
use headroom_domain::failure::reclaim_goal_ms;
use headroom_domain::lease::{EventKind, MAX_TRACKED_SLOTS, Mode, Reason};
use headroom_domain::pool::Lifetime;
use headroom_store::order::Order;
use headroom_store::owner::{self, Rules};
use headroom_store::{promise, quota, slot};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// A pool and what belongs to it.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) state: Pool,
    pub(super) epoch: i64,
    /// Version of the rules that are in force.
    version: i32,
    capacity: u32,
    lifetime: Lifetime,
    /// What is stored may be other than what is remembered: it is read before the pool is used again.
    is_doubtful: bool,
    /// A statement of this epoch may be under way whose end nobody waits for: a new one begins before the pool is used again.
    is_haunted: bool,
    pub(super) recent: Recent,
    pub(super) last_pass: Millis,
}

fn slots_of(rules: &Rules) -> u32 {
    u32::try_from(rules.capacity.unwrap_or_default()).unwrap_or(u32::MAX).min(MAX_TRACKED_SLOTS)
}

impl Owned {
    /// Reads a pool that was just taken. Notices are remembered by the owner only, so holders that are to end are asked again.
    pub(super) async fn read(
        conn: &mut PgConnection,
        rules: Rules,
        epoch: i64,
        now: Millis,
        fx: &mut Effects,
    ) -> Result<Self, AppError> {
        let capacity = slots_of(&rules);
        slot::provision(conn, rules.pool, capacity).await?;
        let stored = slot::of_pool(conn, rules.pool).await?;
        let limits = limits(conn, &[rules.pool], now).await?.remove(&rules.pool).unwrap_or_default();
        let is_going = |slot: &&Stored| matches!(slot.service, Service::Leaving | Service::Cordoned);
        let going: Vec<u32> = stored.iter().filter(is_going).map(|slot| slot.number).collect();
        let (mode, lifetime) = (rules.mode, rules.lifetime);
        let mut state = Pool::new(rules.policy, mode, limits, stored);
        if mode == Mode::Draining {
            state.drain(None, now, fx);
        } else if !going.is_empty() {
            state.drain(Some(&going), now, fx);
        }
        Ok(Self {
            state,
            epoch,
            version: rules.version,
            capacity: 0,
            lifetime,
            is_doubtful: false,
            is_haunted: false,
            recent: Recent::default(),
            last_pass: now,
        }
        .sized(capacity))
    }

    /// The size is set by the first round, as a change that leaves events.
    fn sized(self, capacity: u32) -> Self {
        let in_service = self.state.in_service();
        Self { capacity: if in_service == capacity { capacity } else { u32::MAX }, ..self }
    }

    /// What was decided was not stored as decided: the slots are read again, and the size is set again.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
        self.capacity = u32::MAX;
    }

    /// The same, and what was sent may still come to be.
    pub(super) fn doubt_the_unknown(&mut self) {
        self.doubt();
        self.is_haunted = true;
    }

    /// Whether something must be read before the pool is used again.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_doubtful || self.is_haunted
    }

    /// Ends the doubts. False if another server has the pool by now.
    pub(super) async fn make_sure(
        &mut self,
        conn: &mut PgConnection,
        pool: i32,
        replica: Uuid,
    ) -> Result<bool, AppError> {
        if self.is_haunted {
            let Some(epoch) = owner::go_on(conn, pool, replica, self.epoch).await? else { return Ok(false) };
            self.epoch = epoch;
            self.is_haunted = false;
        }
        self.reread(conn, pool).await?;
        Ok(true)
    }

    /// Reads the slots again.
    async fn reread(&mut self, conn: &mut PgConnection, pool: i32) -> Result<(), AppError> {
        self.state.load(slot::of_pool(conn, pool).await?);
        self.is_doubtful = false;
        Ok(())
    }

    /// Takes up rules as they are now. New slots are made first.
    pub(super) async fn follow(
        &mut self,
        conn: &mut PgConnection,
        rules: Rules,
        actor: &str,
        fx: &mut Effects,
    ) -> Result<(), AppError> {
        let capacity = slots_of(&rules);
        if capacity != self.capacity {
            if slot::provision(conn, rules.pool, capacity).await? > 0 {
                self.reread(conn, rules.pool).await?;
            }
            self.state.resize(capacity, actor, fx);
            self.capacity = capacity;
        }
        self.lifetime = rules.lifetime;
        if rules.version != self.version {
            if rules.mode != self.state.mode() {
                let kind = if rules.mode == Mode::Draining { EventKind::Drain } else { EventKind::Hold };
                fx.notes.push(Note {
                    claim: None,
                    tenant: None,
                    priority: None,
                    holder: String::new(),
                    event: Event::new(kind, actor).because(rules.mode.as_str()),
                });
            }
            self.state.set_policy(rules.policy, rules.mode);
            self.version = rules.version;
        }
        Ok(())
    }

    /// Does what an operator said. Gives how many leases or slots it concerned.
    pub(super) fn obey(&mut self, order: &Order, actor: &str, now: Millis, fx: &mut Effects) -> usize {
        let state = &mut self.state;
        match order {
            Order::Drain { slots } => {
                let mut done = state.drain(slots.as_deref(), now, fx);
                for number in slots.iter().flatten() {
                    done += usize::from(state.cordon(*number, true, actor, fx));
                }
                done
            }
            Order::Restore { slots } => {
                let done = slots.iter().filter(|number| state.cordon(**number, false, actor, fx)).count();
                state.serve(now, fx);
                done
            }
            Order::Reclaim { claims, .. } => {
                let claims: HashSet<Uuid> = claims.iter().copied().collect();
                let found: Vec<Uuid> =
                    state.leases().map(|lease| lease.claim).filter(|one| claims.contains(one)).collect();
                for claim in &found {
                    state.take(*claim, EventKind::Reconcile, "an operator took it back", actor, now, fx);
                }
                found.len()
            }
            Order::Preempt { tenant, slots } => state.preempt(*tenant, *slots, now, fx),
        }
    }

    /// Waiting for longer is bad service.
    pub(super) fn wait_goal_ms(&self) -> Millis {
        self.state.policy().wait_goal_ms
    }

    /// Counts what was decided, once it is durable.
    pub(super) fn count(&mut self, fx: &Effects, labels: &Labels, now: Millis) {
        let goal_ms = reclaim_goal_ms(self.lifetime, self.state.policy().ttl_ms);
        for write in &fx.writes {
            match write.event.kind {
                EventKind::Expire => self.recent.reclaimed(now, write.over_ms, goal_ms, false),
                EventKind::Dead => self.recent.reclaimed(now, write.over_ms, goal_ms, true),
                EventKind::Reassign => self.recent.moved(now),
                _ => {}
            }
        }
        let mut rejected: BTreeMap<(i32, &'static str), u64> = BTreeMap::new();
        for note in fx.notes.iter().filter(|note| note.event.kind == EventKind::Reject) {
            *rejected.entry((note.tenant.unwrap_or_default(), note.event.reason.unwrap_or_default())).or_default() += 1;
        }
        for ((tenant, reason), count) in rejected {
            let is_saturation = reason.parse::<Reason>().is_ok_and(Reason::is_saturation);
            (0..count).for_each(|_| self.recent.rejected(now, Some(tenant), reason, is_saturation));
            let labels =
                [("pool_id", labels.pool.clone()), ("tenant_id", labels.tenant(tenant)), ("reason", reason.to_owned())];
            metrics::counter!("slot_reject_total", &labels).increment(count);
        }
        let mut counts: BTreeMap<(&'static str, i32), u64> = BTreeMap::new();
        for write in &fx.writes {
            let name = match write.event.kind {
                EventKind::Claim | EventKind::Reassign => "slot_alloc_total",
                EventKind::Release => "slot_release_total",
                EventKind::Renew => "slot_renew_total",
                EventKind::Expire | EventKind::Dead | EventKind::Reconcile => "slot_reconcile_total",
                EventKind::Preempt => "slot_preempt_total",
                _ => continue,
            };
            *counts.entry((name, write.tenant)).or_default() += 1;
        }
        for ((name, tenant), count) in counts {
            let labels = [("pool_id", labels.pool.clone()), ("tenant_id", labels.tenant(tenant))];
            metrics::counter!(name, &labels).increment(count);
        }
    }

    /// Gauges of single slots, and of shards, as far as `left` series go: a pool whose slots are too many has none.
    pub(super) fn tell_slots(&self, pool: &str, now: Millis, left: &mut usize) {
        let picture = self.state.picture(now);
        let shards = self.state.policy().shards.filter(|shards| *shards > 0);
        let is_held = |letter: u8| matches!(letter, b'o' | b'd' | b'l');
        if let Some(series) = left.checked_sub(picture.len()) {
            *left = series;
            for (number, letter) in (1_u32..).zip(picture.bytes()) {
                let mut labels = vec![("pool_id", pool.to_owned()), ("slot_id", number.to_string())];
                labels.extend(shards.map(|shards| ("shard_id", ((number - 1) % shards).to_string())));
                metrics::gauge!("slot_held", &labels).set(f64::from(u8::from(is_held(letter))));
            }
        }
        let Some((shards, series)) = shards.and_then(|shards| Some((shards, left.checked_sub(shards as usize)?)))
        else {
            return;
        };
        *left = series;
        let mut held = vec![0_u32; shards as usize];
        for (place, _) in picture.bytes().enumerate().filter(|(_, letter)| is_held(*letter)) {
            held[place % shards as usize] += 1;
        }
        for (shard, held) in held.into_iter().enumerate() {
            let labels = [("pool_id", pool.to_owned()), ("shard_id", shard.to_string())];
            metrics::gauge!("slot_shard_held", &labels).set(f64::from(held));
        }
    }

    /// What it looks like now.
    pub(super) fn figures(&self, now: Millis) -> PoolFigures {
        let picture = self.state.picture(now);
        let count = |letter: char| picture.bytes().filter(|byte| *byte == letter as u8).count() as u64;
        let mut figures = PoolFigures {
            at_ms: now,
            mode: Some(self.state.mode()),
            capacity: self.state.in_service(),
            occupied: self.state.held(),
            draining: count('d'),
            offline: count('x'),
            free: count('.'),
            queued: self.state.waiting() as u64,
            queued_by_priority: self.state.waiting_by_priority(),
            by_tenant: self.state.held_by_tenant().collect(),
            breaker: self.state.breaker(now).map(|position| {
                match position {
                    Position::Closed => "closed",
                    Position::Open { .. } => "open",
                    Position::HalfOpen { .. } => "half-open",
                }
                .to_owned()
            }),
            ..PoolFigures::default()
        };
        for lease in self.state.leases() {
            *figures.held_by_priority.entry(lease.priority).or_default() += lease.slots.len() as u64;
        }
        let over = self.state.leases().map(|lease| now - lease.expires_at).filter(|late| *late > 0);
        figures.reconciler.lag_ms = over.max().unwrap_or_default();
        figures.reconciler.leaked = count('l');
        figures.reconciler.last_pass_ms = self.last_pass;
        figures.reconciler.suspected = self.state.suspected() as u64;
        figures.reconciler.silent_together = self.state.is_silent_together();
        self.recent.fill(&mut figures, now);
        figures
    }
}

/// Names for the labels of metrics.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    pub(super) pool: String,
    pub(super) tenants: std::sync::Arc<HashMap<i32, String>>,
}

impl Labels {
    fn tenant(&self, key: i32) -> String {
        self.tenants.get(&key).cloned().unwrap_or_default()
    }
}

/// What limits tenants in some pools now: quotas, cuts of quotas, and reservations that hold.
pub(super) async fn limits(
    conn: &mut PgConnection,
    pools: &[i32],
    now: Millis,
) -> Result<HashMap<i32, Limits>, AppError> {
    let mut all: HashMap<i32, Limits> = HashMap::new();
    let size = |slots: i64| u32::try_from(slots.max(0)).unwrap_or(u32::MAX);
    let mut share = |pool: i32, tenant: i32, change: &dyn Fn(&mut Share)| {
        change(all.entry(pool).or_default().entry(tenant).or_default());
    };
    for ((pool, tenant), quota) in quota::list(conn, Some(pools), None).await? {
        share(pool, tenant, &|share| share.quota = Some(size(quota.slots.into())));
    }
    for (pool, tenant, slots) in owner::cuts(conn, pools).await? {
        let cut = size(slots.into());
        share(pool, tenant, &|share| share.quota = Some(share.quota.map_or(cut, |quota| quota.min(cut))));
    }
    let mut promised: HashMap<(i32, i32), (Promised, u8)> = HashMap::new();
    for stored in promise::during(conn, Some(pools), None, now, now + 1).await? {
        let own = stored.reservation;
        let (sum, priority) = promised.entry((own.pool, own.tenant)).or_default();
        sum.add(&own);
        *priority = (*priority).max(stored.priority.map_or(0, |priority| priority.clamp(0, 9) as u8));
    }
    for ((pool, tenant), (sum, _)) in &promised {
        share(*pool, *tenant, &|share| *share = sum.share(*share));
    }
    let priorities: HashMap<i32, i16> =
        owner::tenant_names(conn).await?.into_iter().map(|(_, key, priority)| (key, priority)).collect();
    for (pool, limits) in &mut all {
        for (tenant, share) in limits.iter_mut() {
            let usual = priorities.get(tenant).map_or(5, |priority| (*priority).clamp(0, 9) as u8);
            // A reservation can make a tenant more important while it holds, not less.
            share.priority = promised.get(&(*pool, *tenant)).map_or(usual, |(_, priority)| usual.max(*priority));
        }
    }
    Ok(all)
}
