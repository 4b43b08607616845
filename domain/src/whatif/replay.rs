//! Plays demand through the rules, minute by minute, with work only where something changes.

use super::minute::Pool;
use super::{Demand, Figures, Hour, Outcome, Raised, Rules, Short, Tenant, UNKNOWN, keep_riskiest, minute_at, spread};
use crate::admission::{Promised, Share, USUAL_PRIORITY};
use crate::{MINUTE_MS, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// Minutes of an hour.
const HOUR: u32 = 60;

/// Everybody whom demand, promises or rules name, by priority (highest first) and key.
pub(super) fn tenants(demand: &Demand, rules: &Rules<'_>) -> Vec<Tenant> {
    let named: BTreeMap<i32, Tenant> = rules.tenants.iter().map(|tenant| (tenant.key, *tenant)).collect();
    let keys: BTreeSet<i32> = demand
        .tenants()
        .iter()
        .copied()
        .chain(named.keys().copied())
        .chain(rules.promises.iter().map(|promise| promise.tenant))
        .chain(rules.raised.iter().map(|raised| raised.tenant))
        .collect();
    let usual = |key| Tenant { key, quota: None, priority: USUAL_PRIORITY };
    let mut all: Vec<Tenant> =
        keys.into_iter().map(|key| named.get(&key).copied().unwrap_or_else(|| usual(key))).collect();
    all.sort_by_key(|tenant| (std::cmp::Reverse(tenant.priority), tenant.key));
    all
}

/// What changes at the start of a minute.
#[derive(Debug, Clone, Copy)]
enum Change {
    Capacity(u32),
    Begins(usize),
    Ends(usize),
    Raises(usize),
    Lowers(usize),
}

/// Changes in order of time, those before the first minute in it; and the capacity before all of them.
fn changes(demand: &Demand, rules: &Rules<'_>) -> Vec<(u32, Change)> {
    let start = demand.start_ms();
    let minutes = i64::from(demand.minutes());
    let place = |at: Millis| minute_at(start, at).clamp(0, minutes) as u32;
    let mut changes: Vec<(u32, Change)> = Vec::with_capacity(rules.promises.len() * 2 + rules.capacity.len() + 1);
    changes.extend(rules.capacity.first().map(|first| (0, Change::Capacity(first.slots))));
    changes.extend(rules.capacity.iter().map(|step| (place(step.from_ms), Change::Capacity(step.slots))));
    for (number, promise) in rules.promises.iter().enumerate() {
        let (from, to) = (place(promise.from_ms), promise.to_ms.map_or(demand.minutes(), place));
        if from < to {
            changes.push((from, Change::Begins(number)));
            changes.push((to, Change::Ends(number)));
        }
    }
    for (number, raised) in rules.raised.iter().enumerate() {
        let (from, to) = (place(raised.from_ms), raised.to_ms.map_or(demand.minutes(), place));
        if from < to {
            changes.push((from, Change::Raises(number)));
            changes.push((to, Change::Lowers(number)));
        }
    }
    // Stable: of two steps of capacity before the start the later one holds.
    changes.sort_by_key(|(minute, _)| *minute);
    changes
}

/// Sums of one tenant in slot-minutes.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    unknown: u64,
    unmet_minutes: u64,
    unmet: u64,
    limited: u64,
    held: u64,
    reserved: u64,
    borrowed: u64,
    idle: u64,
    lent: u64,
}

/// The hour that is being counted.
#[derive(Debug, Default)]
struct Running {
    is_known: bool,
    is_short: bool,
    short: u64,
    headroom: i64,
    unmet: Vec<u64>,
    most: Vec<u32>,
}

/// What is counted while the pool is played.
#[derive(Debug)]
struct Count {
    start_ms: Millis,
    sums: Vec<Sums>,
    pool_unknown: u64,
    pool_unmet: u64,
    unmet: Vec<u32>,
    lendable: Vec<u32>,
    running: Running,
    hours: Vec<Hour>,
}

impl Count {
    fn new(start_ms: Millis, tenants: usize) -> Self {
        Self {
            start_ms,
            sums: vec![Sums::default(); tenants],
            pool_unknown: 0,
            pool_unmet: 0,
            unmet: vec![0; tenants],
            lendable: vec![0; tenants],
            running: Running { unmet: vec![0; tenants], most: vec![0; tenants], ..Running::default() },
            hours: Vec::new(),
        }
    }

    /// Counts `[from, to)`, in which nothing changes.
    fn add(&mut self, pool: &Pool, from: u32, to: u32) {
        let minutes = u64::from(to - from);
        let (mut wanted, mut unmet, mut borrowed, mut lendable, mut promised) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
        let mut unknown = 0_usize;
        let columns = pool.want.iter().zip(&pool.held).zip(pool.floor.iter().zip(&pool.limit).zip(&pool.lend));
        let counted = self.sums.iter_mut().zip(self.unmet.iter_mut().zip(&mut self.lendable));
        for (((want, held), ((floor, limit), lend)), (sums, (lacks, lends))) in columns.zip(counted) {
            promised += u64::from(*floor);
            if *want == UNKNOWN {
                (*lacks, *lends) = (0, 0);
                sums.unknown += minutes;
                unknown += 1;
                continue;
            }
            *lacks = want - held;
            let idle = floor.saturating_sub(*held);
            *lends = idle.min(*lend);
            let over = held.saturating_sub(*floor);
            let limited = *lacks - (*want).min(*limit).saturating_sub(*held);
            sums.unmet_minutes += if *lacks > 0 { minutes } else { 0 };
            sums.unmet += u64::from(*lacks) * minutes;
            sums.limited += u64::from(limited) * minutes;
            sums.held += u64::from(*held) * minutes;
            sums.reserved += u64::from(*floor) * minutes;
            sums.borrowed += u64::from(over) * minutes;
            sums.idle += u64::from(idle) * minutes;
            wanted += u64::from(*want);
            unmet += u64::from(*lacks);
            borrowed += u64::from(over);
            lendable += u64::from(*lends);
        }
        let lent = borrowed.saturating_sub(u64::from(pool.capacity).saturating_sub(promised)).min(lendable);
        if lent > 0 {
            for (sums, part) in self.sums.iter_mut().zip(spread(lent, &self.lendable)) {
                sums.lent += part * minutes;
            }
        }
        self.pool_unknown += if unknown > 0 { minutes } else { 0 };
        self.pool_unmet += if unmet > 0 { minutes } else { 0 };
        let headroom = (unknown < pool.want.len()).then_some(i64::from(pool.capacity) - wanted as i64);
        self.add_to_hours(from, to, unmet, headroom);
    }

    fn add_to_hours(&mut self, from: u32, to: u32, unmet: u64, headroom: Option<i64>) {
        let mut at = from;
        while at < to {
            if at.is_multiple_of(HOUR) {
                self.end_hour(at);
            }
            let next = ((at / HOUR + 1) * HOUR).min(to);
            if let Some(headroom) = headroom {
                let running = &mut self.running;
                running.headroom = if running.is_known { running.headroom.min(headroom) } else { headroom };
                running.is_known = true;
                if unmet > 0 {
                    running.is_short = true;
                    running.short = running.short.max(unmet);
                    let columns = self.unmet.iter().zip(running.unmet.iter_mut().zip(&mut running.most));
                    for (lacks, (sum, most)) in columns {
                        *sum += u64::from(*lacks) * u64::from(next - at);
                        *most = (*most).max(*lacks);
                    }
                }
            }
            at = next;
        }
    }

    /// Closes the hour that ends in a minute (or ended in it, if that is not the first of an hour).
    fn end_hour(&mut self, minute: u32) {
        let running = &mut self.running;
        if !running.is_known {
            return;
        }
        let began = (minute - 1) / HOUR * HOUR;
        let mut hour = Hour {
            from_ms: self.start_ms + i64::from(began) * MINUTE_MS,
            unmet_slot_ms: 0,
            short: running.short,
            headroom: running.headroom,
            worst: None,
        };
        if running.is_short {
            hour.unmet_slot_ms = slot_ms(running.unmet.iter().sum());
            // The first among equals; its place stands for its key until all is counted.
            let worst = (0..running.unmet.len()).rev().max_by_key(|place| running.unmet[*place]);
            hour.worst = worst.map(|place| Short {
                tenant: place as i32,
                unmet_slot_ms: slot_ms(running.unmet[place]),
                slots: running.most[place].into(),
            });
            running.unmet.fill(0);
            running.most.fill(0);
        }
        (running.is_known, running.is_short, running.short) = (false, false, 0);
        self.hours.push(hour);
    }
}

fn slot_ms(slot_minutes: u64) -> i128 {
    i128::from(slot_minutes) * i128::from(MINUTE_MS)
}

/// What would have happened: this demand, these rules.
pub fn replay(demand: &Demand, rules: &Rules<'_>) -> Outcome {
    let tenants = tenants(demand, rules);
    let place_of: BTreeMap<i32, usize> = tenants.iter().enumerate().map(|(place, one)| (one.key, place)).collect();
    let columns: Vec<usize> = demand.tenants().iter().map(|key| place_of[key]).collect();
    // Who has no demand wants nothing where the pool was seen at all, and nothing is known of it where it was not.
    let without: Vec<usize> = {
        let with: BTreeSet<usize> = columns.iter().copied().collect();
        (0..tenants.len()).filter(|place| !with.contains(place)).collect()
    };
    let mut pool = Pool::new(classes(&tenants), tenants.len());
    let mut promised = vec![Promised::default(); tenants.len()];
    for place in 0..tenants.len() {
        set_limits(&mut pool, place, &tenants[place], &promised[place]);
    }
    let mut importance = Importance::new(&tenants);
    let mut count = Count::new(demand.start_ms(), tenants.len());
    let changes = changes(demand, rules);
    let (mut at, mut next_change, mut next_row) = (0, 0, 0);
    while at < demand.minutes() {
        while let Some((_, change)) = changes.get(next_change).filter(|(minute, _)| *minute <= at) {
            next_change += 1;
            let number = match change {
                Change::Capacity(slots) => {
                    pool.capacity = *slots;
                    continue;
                }
                Change::Raises(number) | Change::Lowers(number) => {
                    let raised = &rules.raised[*number];
                    importance.change(place_of[&raised.tenant], raised, matches!(change, Change::Raises(_)));
                    continue;
                }
                Change::Begins(number) | Change::Ends(number) => *number,
            };
            let promise = &rules.promises[number];
            let place = place_of[&promise.tenant];
            match change {
                Change::Begins(_) => promised[place].add(promise),
                _ => promised[place].remove(promise),
            }
            set_limits(&mut pool, place, &tenants[place], &promised[place]);
        }
        if importance.is_changed {
            pool.back = importance.order(&tenants);
        }
        if demand.starts().get(next_row).is_some_and(|start| *start <= at) {
            let row = demand.row(next_row);
            for (place, want) in columns.iter().zip(row) {
                pool.want[*place] = *want;
            }
            let others = if row.iter().any(|want| *want != UNKNOWN) { 0 } else { UNKNOWN };
            for place in &without {
                pool.want[*place] = others;
            }
            next_row += 1;
        }
        pool.play();
        let to = [demand.starts().get(next_row).copied(), changes.get(next_change).map(|(minute, _)| *minute)]
            .into_iter()
            .flatten()
            .fold(demand.minutes(), u32::min);
        count.add(&pool, at, to);
        at = to;
    }
    if at > 0 {
        count.end_hour(at);
    }
    outcome(demand, &tenants, &pool, count)
}

/// Priorities.
const PRIORITIES: usize = 10;

/// How important tenants are beside their own priority.
struct Importance {
    /// By tenant and priority, how many of its reservations in force have it.
    by: Vec<[u32; PRIORITIES]>,
    is_changed: bool,
}

impl Importance {
    fn new(tenants: &[Tenant]) -> Self {
        Self { by: vec![[0; PRIORITIES]; tenants.len()], is_changed: false }
    }

    fn change(&mut self, place: usize, raised: &Raised, is_raised: bool) {
        let count = &mut self.by[place][usize::from(raised.priority).min(PRIORITIES - 1)];
        *count = if is_raised { *count + 1 } else { *count - 1 };
        self.is_changed = true;
    }

    /// From whom slots are taken back, the least important first and equals by key; empty if everybody is as important as it is
    /// by itself.
    fn order(&mut self, tenants: &[Tenant]) -> Vec<Vec<usize>> {
        self.is_changed = false;
        let raised = |by: &[u32; PRIORITIES]| by.iter().rposition(|count| *count > 0).unwrap_or(0);
        let of = |place: usize| usize::from(tenants[place].priority).max(raised(&self.by[place]));
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..tenants.len() {
            groups.entry(of(place)).or_default().push(place);
        }
        if (0..tenants.len()).all(|place| of(place) == usize::from(tenants[place].priority)) {
            return Vec::new();
        }
        for equals in groups.values_mut() {
            equals.sort_by_key(|place| tenants[*place].key);
        }
        groups.into_values().collect()
    }
}

/// Ranges of equal priority.
fn classes(tenants: &[Tenant]) -> Vec<std::ops::Range<usize>> {
    let mut from = 0;
    tenants
        .chunk_by(|one, next| one.priority == next.priority)
        .map(|class| {
            let range = from..from + class.len();
            from = range.end;
            range
        })
        .collect()
}

fn set_limits(pool: &mut Pool, place: usize, tenant: &Tenant, promised: &Promised) {
    let share = promised.share(Share { quota: tenant.quota, ..Share::default() });
    let beyond = share.borrowing_limit.map(|limit| share.floor.saturating_add(limit));
    pool.floor[place] = share.floor;
    pool.limit[place] = [share.quota, share.ceiling, beyond].into_iter().flatten().min().unwrap_or(u32::MAX);
    pool.lend[place] = share.lending_limit.unwrap_or(u32::MAX);
}

fn outcome(demand: &Demand, tenants: &[Tenant], pool: &Pool, count: Count) -> Outcome {
    let mut out = Outcome { minutes: demand.minutes().into(), ..Outcome::default() };
    for ((tenant, sums), taken) in tenants.iter().zip(&count.sums).zip(&pool.taken) {
        let figures = Figures {
            unknown_minutes: sums.unknown,
            unmet_minutes: sums.unmet_minutes,
            unmet_slot_ms: slot_ms(sums.unmet),
            limited_slot_ms: slot_ms(sums.limited),
            held_slot_ms: slot_ms(sums.held),
            reserved_slot_ms: slot_ms(sums.reserved),
            borrowed_slot_ms: slot_ms(sums.borrowed),
            idle_slot_ms: slot_ms(sums.idle),
            lent_slot_ms: slot_ms(sums.lent),
            taken_back: *taken,
        };
        let whole = &mut out.pool;
        whole.unmet_slot_ms += figures.unmet_slot_ms;
        whole.limited_slot_ms += figures.limited_slot_ms;
        whole.held_slot_ms += figures.held_slot_ms;
        whole.reserved_slot_ms += figures.reserved_slot_ms;
        whole.borrowed_slot_ms += figures.borrowed_slot_ms;
        whole.idle_slot_ms += figures.idle_slot_ms;
        whole.lent_slot_ms += figures.lent_slot_ms;
        whole.taken_back += figures.taken_back;
        out.tenants.insert(tenant.key, figures);
    }
    out.pool.unknown_minutes = count.pool_unknown;
    out.pool.unmet_minutes = count.pool_unmet;
    out.riskiest = count.hours;
    keep_riskiest(&mut out.riskiest);
    for short in out.riskiest.iter_mut().filter_map(|hour| hour.worst.as_mut()) {
        short.tenant = tenants[short.tenant as usize].key;
    }
    out
}
