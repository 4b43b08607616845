//! Whether an edit may be published: is there room, in which minutes not, and whose promises are in the way.
//!
//! An edit is refused only where it makes things worse: a pool that lost capacity can still be relieved step by step.

use super::policy::{Overcommit, RollingCap};
use crate::{HOUR_MS, MINUTE_MS, Millis};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Most parts of a conflict that are told one by one.
pub const MOST_TOLD: usize = 50;

/// A promise that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Of which reservation.
    pub reservation: Uuid,
    /// The tenant's key.
    pub tenant: i32,
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; [`Millis::MAX`] = until further notice.
    pub to_ms: Millis,
    /// Slots.
    pub slots: i64,
}

/// Capacity from an instant on: configured less planned down.
pub type Steps<'a> = &'a [(Millis, i64)];

/// More is promised than may be, over one stretch of time with the same numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it; [`Millis::MAX`] = until further notice.
    pub to_ms: Millis,
    /// Slots that would be promised.
    pub promised: i64,
    /// Slots that may be.
    pub limit: i64,
    /// Whose: reservation, tenant, slots; the largest first.
    pub involved: Vec<(Uuid, i32, i64)>,
}

impl Over {
    /// Slots that are short.
    pub fn short(&self) -> i64 {
        self.promised - self.limit
    }

    /// Whole minutes; `None` = until further notice.
    pub fn minutes(&self) -> Option<i64> {
        (self.to_ms != Millis::MAX).then(|| (self.to_ms - self.from_ms) / MINUTE_MS)
    }
}

/// The sum of promises over time: from each instant on so much. Before the first it is 0.
fn sums(loads: &[Load], counts: impl Fn(&Load) -> bool) -> Vec<(Millis, i64)> {
    let mut edges: Vec<(Millis, i64)> = Vec::with_capacity(loads.len() * 2);
    for load in loads.iter().filter(|load| counts(load) && load.from_ms < load.to_ms) {
        edges.push((load.from_ms, load.slots));
        if load.to_ms != Millis::MAX {
            edges.push((load.to_ms, -load.slots));
        }
    }
    edges.sort_unstable_by_key(|edge| edge.0);
    let mut sums: Vec<(Millis, i64)> = Vec::with_capacity(edges.len());
    let mut sum = 0;
    for (at, change) in edges {
        sum += change;
        match sums.last_mut() {
            Some(last) if last.0 == at => last.1 = sum,
            _ => sums.push((at, sum)),
        }
    }
    sums
}

/// Goes along several step functions at once: calls `each` with the start, the end and the values of every piece from `from` on.
fn along<const N: usize>(
    functions: [&[(Millis, i64)]; N],
    from: Millis,
    mut each: impl FnMut(Millis, Millis, [i64; N]),
) {
    let mut places = [0; N];
    let mut values = [0; N];
    for (function, (place, value)) in functions.iter().zip(places.iter_mut().zip(&mut values)) {
        *place = function.partition_point(|step| step.0 <= from);
        *value = place.checked_sub(1).map_or(0, |before| function[before].1);
    }
    let mut at = from;
    loop {
        let next = (0..N).filter_map(|i| functions[i].get(places[i])).map(|step| step.0).min();
        each(at, next.unwrap_or(Millis::MAX), values);
        let Some(next) = next else { return };
        for i in 0..N {
            if let Some(step) = functions[i].get(places[i]).filter(|step| step.0 == next) {
                (values[i], places[i]) = (step.1, places[i] + 1);
            }
        }
        at = next;
    }
}

/// Where an edit promises more than `limit_of` allows of `capacity` and more than before, from `from` on.
fn over(
    capacity: Steps<'_>,
    limit_of: impl Fn(i64) -> Option<i64>,
    before: &[Load],
    after: &[Load],
    counts: impl Fn(&Load) -> bool,
    from: Millis,
) -> Vec<Over> {
    let (old, new) = (sums(before, &counts), sums(after, &counts));
    // Before the first step a pool is as large as with it: what came earlier is not known.
    let first = capacity.first().map_or(0, |step| step.1);
    let starts = capacity.partition_point(|step| step.0 <= from);
    let capacity_now = starts.checked_sub(1).map_or(first, |place| capacity[place].1);
    let mut steps = vec![(from, capacity_now)];
    steps.extend_from_slice(&capacity[starts..]);
    let mut pieces: Vec<(Millis, Millis, i64, i64)> = Vec::new();
    along([&steps, &old, &new], from, |start, end, [capacity, old, new]| {
        let Some(limit) = limit_of(capacity) else { return };
        if new <= limit || new <= old || start == end {
            return;
        }
        match pieces.last_mut() {
            Some(last) if last.1 == start && (last.2, last.3) == (new, limit) => last.1 = end,
            _ => pieces.push((start, end, new, limit)),
        }
    });
    pieces.truncate(MOST_TOLD);
    let involved = |start: Millis, end: Millis| {
        let mut by: BTreeMap<(Uuid, i32), i64> = BTreeMap::new();
        for load in after.iter().filter(|load| counts(load) && load.from_ms < end && load.to_ms > start) {
            let slots = by.entry((load.reservation, load.tenant)).or_default();
            *slots = load.slots.max(*slots);
        }
        let mut by: Vec<(Uuid, i32, i64)> = by.into_iter().map(|((id, tenant), slots)| (id, tenant, slots)).collect();
        by.sort_by_key(|(id, _, slots)| (std::cmp::Reverse(*slots), *id));
        by
    };
    pieces
        .into_iter()
        .map(|(from_ms, to_ms, promised, limit)| Over {
            from_ms,
            to_ms,
            promised,
            limit,
            involved: involved(from_ms, to_ms),
        })
        .collect()
}

/// Where an edit would promise more than the pool's policy allows of its capacity.
pub fn over_capacity(
    capacity: Steps<'_>,
    policy: Overcommit,
    before: &[Load],
    after: &[Load],
    from: Millis,
) -> Vec<Over> {
    over(capacity, |capacity| policy.limit(capacity), before, after, |_| true, from)
}

/// Where an edit would promise more than there is, whatever the policy says: what is worth a warning.
pub fn beyond(capacity: Steps<'_>, before: &[Load], after: &[Load], from: Millis) -> Vec<Over> {
    over(capacity, Some, before, after, |_| true, from)
}

/// Where a change of capacity would leave less than is promised, and less than before, from `from` on.
pub fn cut(before: Steps<'_>, after: Steps<'_>, policy: Overcommit, loads: &[Load], from: Millis) -> Vec<Over> {
    // What does not fit after and did before: the pieces whose limit the change lowers.
    let found = over(after, |capacity| policy.limit(capacity), &[], loads, |_| true, from);
    let was = |at: Millis| {
        let place = before.partition_point(|step| step.0 <= at);
        let capacity = place.checked_sub(1).map(|place| before[place].1).or_else(|| before.first().map(|step| step.1));
        capacity.and_then(|capacity| policy.limit(capacity))
    };
    found.into_iter().filter(|over| was(over.from_ms).is_some_and(|limit| limit > over.limit)).collect()
}

/// Where an edit would promise a tenant more than its quota in the pool.
pub fn over_quota(quota: i64, tenant: i32, before: &[Load], after: &[Load], from: Millis) -> Vec<Over> {
    over(&[(from, quota)], Some, before, after, |load| load.tenant == tenant, from)
}

/// A window in which a tenant would be promised more on average than its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverCap {
    /// Start of the window.
    pub from_ms: Millis,
    /// Its end.
    pub to_ms: Millis,
    /// Slot-milliseconds promised in it.
    pub promised_slot_ms: i128,
    /// Slot-milliseconds that may be.
    pub limit_slot_ms: i128,
}

/// The window from `from` on in which an edit exceeds a tenant's rolling cap by most, if it does and more than before.
pub fn over_cap(cap: RollingCap, tenant: i32, before: &[Load], after: &[Load], from: Millis) -> Option<OverCap> {
    let length = Millis::from(cap.hours) * HOUR_MS;
    let limit = i128::from(cap.slots) * i128::from(length);
    let counts = |load: &Load| load.tenant == tenant;
    let (old, new) = (Integral::of(sums(before, counts)), Integral::of(sums(after, counts)));
    // The sum over a window is linear in its start between these, so it is largest at one of them.
    let edges: BTreeSet<Millis> = old.edges().chain(new.edges()).flat_map(|at| [at, at - length]).collect();
    let starts = edges.into_iter().filter(|start| *start > from).chain([from]);
    let over = starts.filter_map(|start| {
        let promised = new.between(start, start + length);
        let is_worse = promised > limit && promised > old.between(start, start + length);
        is_worse.then_some((promised, start))
    });
    let (promised_slot_ms, from_ms) = over.max_by_key(|(promised, start)| (*promised, std::cmp::Reverse(*start)))?;
    Some(OverCap { from_ms, to_ms: from_ms + length, promised_slot_ms, limit_slot_ms: limit })
}

/// A step function with its sum up to each step.
struct Integral(Vec<(Millis, i64, i128)>);

impl Integral {
    fn of(steps: Vec<(Millis, i64)>) -> Self {
        let mut sum = 0;
        let mut last: Option<(Millis, i64)> = None;
        let with_sums = steps.into_iter().map(|(at, value)| {
            if let Some((before, held)) = last {
                sum += i128::from(held) * i128::from(at - before);
            }
            last = Some((at, value));
            (at, value, sum)
        });
        Self(with_sums.collect())
    }

    fn edges(&self) -> impl Iterator<Item = Millis> + '_ {
        self.0.iter().map(|step| step.0)
    }

    fn until(&self, at: Millis) -> i128 {
        let place = self.0.partition_point(|step| step.0 <= at);
        let Some((from, value, sum)) = place.checked_sub(1).map(|place| self.0[place]) else { return 0 };
        sum + i128::from(value) * i128::from(at - from)
    }

    fn between(&self, from: Millis, to: Millis) -> i128 {
        self.until(to) - self.until(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(id: u128, tenant: i32, from_ms: Millis, to_ms: Millis, slots: i64) -> Load {
        Load { reservation: Uuid::from_u128(id), tenant, from_ms, to_ms, slots }
    }

    #[test]
    fn minutes_slots_and_whose_promises_are_told() {
        let capacity = [(0, 1200), (300, 1000)];
        let before = [load(1, 1, 0, Millis::MAX, 400), load(2, 2, 100, 400, 250)];
        let mut after = before.to_vec();
        after.push(load(3, 3, 200, 350, 600));
        let found = over_capacity(&capacity, Overcommit::Reject, &before, &after, 0);
        let told: Vec<_> = found.iter().map(|o| (o.from_ms, o.to_ms, o.short())).collect();
        assert_eq!(told, [(200, 300, 50), (300, 350, 250)]);
        let involved: Vec<_> =
            found[0].involved.iter().map(|(id, tenant, slots)| (id.as_u128(), *tenant, *slots)).collect();
        assert_eq!(involved, [(3, 3, 600), (1, 1, 400), (2, 2, 250)]);
        assert_eq!(over_capacity(&capacity, Overcommit::AllowTo { percent: 25 }, &before, &after, 0), []);
        assert_eq!(over_capacity(&capacity, Overcommit::Warn, &before, &after, 0), []);
        assert_eq!(beyond(&capacity, &before, &after, 0).len(), 2);
        assert_eq!(
            over_capacity(&capacity, Overcommit::Reject, &before, &after, 320)[0].from_ms,
            320,
            "the past is over"
        );
    }

    #[test]
    fn relief_is_never_refused() {
        let before = [load(1, 1, 0, 100, 9), load(2, 2, 0, 100, 9)];
        let after = [load(1, 1, 0, 100, 8), load(2, 2, 0, 100, 9)];
        assert_eq!(over_capacity(&[(0, 10)], Overcommit::Reject, &before, &after, 0), []);
    }

    #[test]
    fn a_cut_of_capacity_is_told_where_it_takes_what_is_promised() {
        let loads = [load(1, 1, 0, 100, 8), load(2, 2, 50, 200, 4)];
        let before = [(0, 12)];
        let found = cut(&before, &[(0, 12), (60, 10)], Overcommit::Reject, &loads, 0);
        assert_eq!(found.iter().map(|o| (o.from_ms, o.to_ms, o.short())).collect::<Vec<_>>(), [(60, 100, 2)]);
        assert_eq!(cut(&before, &[(0, 12), (60, 14)], Overcommit::Reject, &loads, 0), []);
        // It was too little before: that it stays so is not this change's doing.
        assert_eq!(cut(&[(0, 6)], &[(0, 6), (150, 5)], Overcommit::Reject, &loads, 0), []);
        assert_eq!(cut(&before, &[(0, 1)], Overcommit::Warn, &loads, 0), []);
    }

    #[test]
    fn quotas_and_rolling_caps_are_per_tenant() {
        let before = [load(1, 1, 0, Millis::MAX, 4), load(2, 2, 0, Millis::MAX, 50)];
        let mut after = before.to_vec();
        after.push(load(3, 1, HOUR_MS, 3 * HOUR_MS, 6));
        assert_eq!(over_quota(9, 1, &before, &after, 0)[0].short(), 1);
        assert_eq!(over_quota(10, 1, &before, &after, 0), []);
        // On average over four hours: (4 x 4 + 6 x 2) / 4 = 7.
        assert_eq!(over_cap(RollingCap { slots: 7, hours: 4 }, 1, &before, &after, 0), None);
        let over = over_cap(RollingCap { slots: 6, hours: 4 }, 1, &before, &after, 0).expect("too much on average");
        assert_eq!((over.promised_slot_ms, over.limit_slot_ms), (28 * i128::from(HOUR_MS), 24 * i128::from(HOUR_MS)));
        assert_eq!((over.from_ms, over.to_ms), (0, 4 * HOUR_MS));
    }

    proptest! {
        #[test]
        fn conflicts_are_what_counting_each_minute_finds(
            capacity in prop::collection::vec((0_i64..60, 0_i64..30), 1..4),
            before in prop::collection::vec((0_i64..60, 1_i64..40, 1_i64..12, 1_i32..4), 0..6),
            after in prop::collection::vec((0_i64..60, 1_i64..40, 1_i64..12, 1_i32..4), 0..6),
            from in 0_i64..30,
        ) {
            let loads = |parts: &[(i64, i64, i64, i32)]| -> Vec<Load> {
                let one = |(n, p): (usize, &(i64, i64, i64, i32))| load(n as u128, p.3, p.0, p.0 + p.1, p.2);
                parts.iter().enumerate().map(one).collect()
            };
            let mut capacity = capacity;
            capacity.sort_unstable();
            capacity.dedup_by_key(|step| step.0);
            let (before, after) = (loads(&before), loads(&after));
            let found = over_capacity(&capacity, Overcommit::Reject, &before, &after, from);
            let sum = |loads: &[Load], at: i64| -> i64 { loads.iter().filter(|l| l.from_ms <= at && at < l.to_ms).map(|l| l.slots).sum() };
            for at in from..110 {
                let limit = capacity.iter().rev().find(|step| step.0 <= at).unwrap_or(&capacity[0]).1;
                let (old, new) = (sum(&before, at), sum(&after, at));
                let told = found.iter().find(|o| o.from_ms <= at && at < o.to_ms);
                if new > limit && new > old {
                    prop_assert_eq!(told.map(|o| (o.promised, o.limit)), Some((new, limit)), "at {}", at);
                } else {
                    prop_assert!(told.is_none());
                }
            }
        }

        #[test]
        fn rolling_caps_are_what_every_window_says(
            after in prop::collection::vec((0_i64..40, 1_i64..30, 1_i64..9), 0..6), slots in 1_i64..9, hours in 1_u32..12,
        ) {
            let after: Vec<Load> = after.iter().map(|p| load(0, 1, p.0 * HOUR_MS, (p.0 + p.1) * HOUR_MS, p.2)).collect();
            let cap = RollingCap { slots, hours };
            let sum = |start: i64| -> i64 {
                (start..start + i64::from(hours)).map(|hour| after.iter().filter(|l| l.from_ms <= hour * HOUR_MS && hour * HOUR_MS < l.to_ms).map(|l| l.slots).sum::<i64>()).sum()
            };
            let worst = (0..100).map(sum).max().unwrap_or(0);
            let found = over_cap(cap, 1, &[], &after, 0);
            if worst > slots * i64::from(hours) {
                prop_assert_eq!(found.map(|o| o.promised_slot_ms), Some(i128::from(worst) * i128::from(HOUR_MS)));
            } else {
                prop_assert_eq!(found, None);
            }
        }
    }
}
