//! The same replay slot by slot, each claim decided by [`Shares::decide`]: slow, and plainly right. It is what the fast replay
//! is tested and measured against.

use super::replay::tenants;
use super::{Capacity, Demand, Figures, Hour, Outcome, Rules, Short, Tenant, UNKNOWN, keep_riskiest, spread};
use crate::admission::{Decision, Promised, Share, Shares};
use crate::{MINUTE_MS, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// What each tenant wants in a minute; who is not in it is not known.
pub type Wanted = BTreeMap<i32, u32>;

/// What everybody wants in a minute: who has no demand wants nothing where anybody's is known.
pub fn wanted_at(demand: &Demand, tenants: &[Tenant], minute: u32) -> Wanted {
    let row = demand.at(minute).unwrap_or_default();
    let known: Wanted =
        demand.tenants().iter().copied().zip(row.iter().copied()).filter(|(_, want)| *want != UNKNOWN).collect();
    if known.is_empty() {
        return known;
    }
    let with: BTreeSet<i32> = demand.tenants().iter().copied().collect();
    let others = tenants.iter().filter(|tenant| !with.contains(&tenant.key)).map(|tenant| (tenant.key, 0));
    known.iter().map(|(key, want)| (*key, *want)).chain(others).collect()
}

/// Everybody, by priority (highest first) and key.
pub fn everybody(demand: &Demand, rules: &Rules<'_>) -> Vec<Tenant> {
    tenants(demand, rules)
}

/// Slots at an instant.
pub fn capacity_at(capacity: &[Capacity], at: Millis) -> u32 {
    let held = capacity.iter().rev().find(|step| step.from_ms <= at).or_else(|| capacity.first());
    held.map_or(0, |step| step.slots)
}

/// A tenant's share at an instant, without what it holds.
pub fn share_at(tenant: &Tenant, rules: &Rules<'_>, at: Millis) -> Share {
    let mut promised = Promised::default();
    let own = rules.promises.iter().filter(|one| one.tenant == tenant.key && one.holds_at(at));
    own.for_each(|one| promised.add(one));
    let raised = rules.raised.iter().filter(|one| one.tenant == tenant.key && one.holds_at(at));
    let priority = raised.map(|one| one.priority).fold(tenant.priority, u8::max);
    promised.share(Share { quota: tenant.quota, priority, ..Share::default() })
}

/// Asks for one slot, and again while others give back what they borrowed. False if it is refused in the end: what was taken
/// back until then stays free.
fn claim(shares: &mut Shares, tenant: i32, taken: &mut BTreeMap<i32, u64>) -> bool {
    loop {
        match shares.decide(tenant, 1) {
            Decision::Refuse(_) => return false,
            Decision::Grant => {
                shares.tenants.entry(tenant).or_default().held += 1;
                return true;
            }
            Decision::Reclaim(from) => {
                for (other, slots) in from {
                    *taken.entry(other).or_default() += u64::from(slots);
                    shares.tenants.entry(other).or_default().held -= slots;
                }
            }
        }
    }
}

/// Plays a minute: what is not wanted is given back, then claims until nothing changes.
pub fn play(shares: &mut Shares, order: &[Tenant], wanted: &Wanted, taken: &mut BTreeMap<i32, u64>) {
    let want = |key: i32| wanted.get(&key).copied().unwrap_or_default();
    for (key, share) in &mut shares.tenants {
        share.held = share.held.min(want(*key));
    }
    let share = |shares: &Shares, key: i32| shares.tenants.get(&key).copied().unwrap_or_default();
    loop {
        let before = shares.clone();
        for tenant in order {
            let own = |share: Share| share.held < want(tenant.key).min(share.floor);
            while own(share(shares, tenant.key)) && claim(shares, tenant.key, taken) {}
        }
        for class in order.chunk_by(|one, next| one.priority == next.priority) {
            loop {
                let mut granted = false;
                for tenant in class {
                    if share(shares, tenant.key).held < want(tenant.key) {
                        granted |= claim(shares, tenant.key, taken);
                    }
                }
                if !granted {
                    break;
                }
            }
        }
        if *shares == before {
            return;
        }
    }
}

/// The replay.
pub fn replay(demand: &Demand, rules: &Rules<'_>) -> Outcome {
    let order = tenants(demand, rules);
    let mut out = Outcome { minutes: demand.minutes().into(), ..Outcome::default() };
    out.tenants.extend(order.iter().map(|tenant| (tenant.key, Figures::default())));
    let mut held: BTreeMap<i32, u32> = BTreeMap::new();
    let mut taken: BTreeMap<i32, u64> = BTreeMap::new();
    let mut hours: BTreeMap<u32, (Hour, BTreeMap<i32, Short>)> = BTreeMap::new();
    for minute in 0..demand.minutes() {
        let at = demand.start_ms() + i64::from(minute) * MINUTE_MS;
        let mut shares = Shares { capacity: capacity_at(rules.capacity, at), tenants: BTreeMap::new() };
        for tenant in &order {
            let share = share_at(tenant, rules, at);
            let held = held.get(&tenant.key).copied().unwrap_or_default();
            shares.tenants.insert(tenant.key, Share { held, ..share });
        }
        let wanted = wanted_at(demand, &order, minute);
        play(&mut shares, &order, &wanted, &mut taken);
        held = shares.tenants.iter().map(|(key, share)| (*key, share.held)).collect();
        count(&mut out, &shares, &order, &wanted);
        if wanted.is_empty() {
            continue;
        }
        let unmet: BTreeMap<i32, u32> = wanted.iter().map(|(key, want)| (*key, want - held[key])).collect();
        let whole: u64 = unmet.values().copied().map(u64::from).sum();
        let headroom = i64::from(shares.capacity) - wanted.values().copied().map(i64::from).sum::<i64>();
        let from_ms = demand.start_ms() + i64::from(minute / 60 * 60) * MINUTE_MS;
        let (hour, shorts) = hours
            .entry(minute / 60)
            .or_insert_with(|| (Hour { from_ms, unmet_slot_ms: 0, short: 0, headroom, worst: None }, BTreeMap::new()));
        hour.unmet_slot_ms += i128::from(whole) * i128::from(MINUTE_MS);
        hour.short = hour.short.max(whole);
        hour.headroom = hour.headroom.min(headroom);
        for (tenant, slots) in unmet {
            let short = shorts.entry(tenant).or_insert(Short { tenant, unmet_slot_ms: 0, slots: 0 });
            short.unmet_slot_ms += i128::from(slots) * i128::from(MINUTE_MS);
            short.slots = short.slots.max(slots.into());
        }
    }
    for (key, slots) in taken {
        out.tenants.entry(key).or_default().taken_back = slots;
        out.pool.taken_back += slots;
    }
    out.riskiest = hours
        .into_values()
        .map(|(hour, shorts)| {
            let in_order = order.iter().rev().filter_map(|tenant| shorts.get(&tenant.key));
            let worst = in_order.max_by_key(|short| short.unmet_slot_ms).copied();
            Hour { worst: worst.filter(|short| short.unmet_slot_ms > 0), ..hour }
        })
        .collect();
    keep_riskiest(&mut out.riskiest);
    out
}

/// Counts a minute, figure by figure as [`Figures`] defines them.
fn count(out: &mut Outcome, shares: &Shares, order: &[Tenant], wanted: &Wanted) {
    let slot_ms = |slots: u32| i128::from(slots) * i128::from(MINUTE_MS);
    let promised: u64 = shares.tenants.values().map(|share| u64::from(share.floor)).sum();
    let nobodys = u64::from(shares.capacity).saturating_sub(promised);
    let lendable: Vec<u32> = order
        .iter()
        .map(|tenant| {
            let share = shares.tenants[&tenant.key];
            let idle = share.floor.saturating_sub(share.held);
            if wanted.contains_key(&tenant.key) { idle.min(share.lending_limit.unwrap_or(u32::MAX)) } else { 0 }
        })
        .collect();
    let known = shares.tenants.iter().filter(|(key, _)| wanted.contains_key(*key));
    let borrowed: u64 = known.map(|(_, share)| u64::from(share.borrowed())).sum();
    let lent = borrowed.saturating_sub(nobodys).min(lendable.iter().copied().map(u64::from).sum());
    let mut is_unmet = false;
    for (tenant, lent) in order.iter().zip(spread(lent, &lendable)) {
        let figures = out.tenants.entry(tenant.key).or_default();
        let Some(want) = wanted.get(&tenant.key) else {
            figures.unknown_minutes += 1;
            continue;
        };
        let share = shares.tenants[&tenant.key];
        let unmet = want - share.held;
        let limited = (share.held + 1..=*want).filter(|slots| share.limit(u64::from(*slots)).is_some()).count() as u32;
        is_unmet |= unmet > 0;
        for figures in [figures, &mut out.pool] {
            figures.unmet_slot_ms += slot_ms(unmet);
            figures.limited_slot_ms += slot_ms(limited);
            figures.held_slot_ms += slot_ms(share.held);
            figures.reserved_slot_ms += slot_ms(share.floor);
            figures.borrowed_slot_ms += slot_ms(share.borrowed());
            figures.idle_slot_ms += slot_ms(share.floor.saturating_sub(share.held));
            figures.lent_slot_ms += i128::from(lent) * i128::from(MINUTE_MS);
        }
        out.tenants.entry(tenant.key).or_default().unmet_minutes += u64::from(unmet > 0);
    }
    out.pool.unmet_minutes += u64::from(is_unmet);
    out.pool.unknown_minutes += u64::from(wanted.len() < order.len());
}
