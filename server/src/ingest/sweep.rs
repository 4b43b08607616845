//! Intervals of held slots into exact history: a sweep over their starts and ends.
//!
//! Between two neighbouring events everything is constant, so every stretch is a product of integers
//! and the greatest number of slots held at once is the greatest over all instants. Windows are
//! half-open: slots given back at an instant are free for whoever takes some at that instant.

use headroom_domain::accumulate::{Accumulator, Constant, Counters, SeriesKey};
use headroom_domain::{DAY_MS, Millis};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Longest time of one pool that one import of intervals observes: twenty years. A slip in one line must
/// not become a century of minutes.
pub const MAX_SPAN_MS: Millis = 20 * 366 * DAY_MS;

/// Slots held by a tenant over `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First instant.
    pub start: Millis,
    /// First instant after it.
    pub end: Millis,
    /// The tenant's key.
    pub tenant: i32,
    /// Slots held.
    pub occupied: i64,
    /// Slots promised; 0 = none.
    pub reserved: i64,
    /// How long its claim waited; `None` if it is no claim (a promise alone).
    pub wait_ms: Option<i64>,
}

/// What the sweep found out about a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Most slots held at once.
    pub peak: i64,
    /// Time in which more slots were held than there were.
    pub above_capacity_ms: Millis,
}

/// Effective capacity by steps: (from, slots), in order; before the first step it is 0.
pub type CapacitySteps = [(Millis, i64)];

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    occupied: i64,
    reserved: i64,
    since: Millis,
}

impl Held {
    fn idle(&self) -> i64 {
        (self.reserved - self.occupied).max(0)
    }
}

/// Sweeps one pool over `[from, to)`. `intervals` are sorted by start and lie within. After each UTC
/// day `settled` may take what has accumulated; its error ends the sweep.
pub fn sweep<E>(
    pool: i32,
    intervals: &[Interval],
    (from, to): (Millis, Millis),
    capacity: &CapacitySteps,
    acc: &mut Accumulator,
    mut settled: impl FnMut(&mut Accumulator) -> Result<(), E>,
) -> Result<Swept, E> {
    debug_assert!(intervals.is_sorted_by_key(|i| i.start));
    let mut sweep = Sweep {
        pool,
        tenants: HashMap::new(),
        total: Held { since: from, ..Held::default() },
        idle: 0,
        capacity: 0,
        swept: Swept::default(),
    };
    let mut ends: BinaryHeap<Reverse<(Millis, i32, i64, i64)>> = BinaryHeap::new();
    let mut next = 0;
    let mut steps = capacity.iter().copied().peekable();
    let mut at = from;
    while at < to {
        while let Some((_, slots)) = steps.next_if(|(step, _)| *step <= at) {
            sweep.capacity = slots;
        }
        while let Some(&Reverse((end, tenant, occupied, reserved))) = ends.peek()
            && end <= at
        {
            ends.pop();
            sweep.change(tenant, at, -occupied, -reserved, acc);
        }
        while let Some(interval) = intervals.get(next)
            && interval.start <= at
        {
            next += 1;
            ends.push(Reverse((interval.end, interval.tenant, interval.occupied, interval.reserved)));
            sweep.change(interval.tenant, at, interval.occupied, interval.reserved, acc);
            if let Some(wait_ms) = interval.wait_ms {
                let claim = Counters { claims: 1, rejections: 0, waited: i64::from(wait_ms > 0), queue_ms: wait_ms };
                acc.counters(SeriesKey { pool, tenant: 0 }, interval.start, claim);
                acc.counters(SeriesKey { pool, tenant: interval.tenant }, interval.start, claim);
            }
        }
        let midnight = (at.div_euclid(DAY_MS) + 1) * DAY_MS;
        let mut until = midnight.min(to);
        if let Some(interval) = intervals.get(next) {
            until = until.min(interval.start);
        }
        if let Some(Reverse((end, ..))) = ends.peek() {
            until = until.min(*end);
        }
        if let Some((step, _)) = steps.peek() {
            until = until.min(*step);
        }
        sweep.pass(until, acc);
        if until == midnight || until == to {
            sweep.settle(until, acc);
            settled(acc)?;
        }
        at = until;
    }
    Ok(sweep.swept)
}

struct Sweep {
    pool: i32,
    tenants: HashMap<i32, Held>,
    total: Held,
    /// Sum of the tenants' idle promises.
    idle: i64,
    capacity: i64,
    swept: Swept,
}

impl Sweep {
    /// A tenant takes or gives back slots.
    fn change(&mut self, tenant: i32, at: Millis, occupied: i64, reserved: i64, acc: &mut Accumulator) {
        let held = self.tenants.entry(tenant).or_insert(Held { since: at, ..Held::default() });
        write_tenant(self.pool, tenant, held, at, acc);
        self.idle -= held.idle();
        held.occupied += occupied;
        held.reserved += reserved;
        self.idle += held.idle();
        if held.occupied == 0 && held.reserved == 0 {
            self.tenants.remove(&tenant);
        }
        self.total.occupied += occupied;
        self.total.reserved += reserved;
    }

    /// Nothing changes until `until`.
    fn pass(&mut self, until: Millis, acc: &mut Accumulator) {
        let slots = Constant {
            capacity: self.capacity,
            occupied: self.total.occupied,
            reserved: self.total.reserved,
            reserved_idle: self.idle,
            saturable: true,
        };
        acc.constant(SeriesKey { pool: self.pool, tenant: 0 }, self.total.since, until, slots);
        self.swept.peak = self.swept.peak.max(self.total.occupied);
        if self.total.occupied > self.capacity {
            self.swept.above_capacity_ms += until - self.total.since;
        }
        self.total.since = until;
    }

    /// Writes down what tenants hold, so that everything before `at` is complete.
    fn settle(&mut self, at: Millis, acc: &mut Accumulator) {
        for (tenant, held) in &mut self.tenants {
            write_tenant(self.pool, *tenant, held, at, acc);
        }
    }
}

fn write_tenant(pool: i32, tenant: i32, held: &mut Held, until: Millis, acc: &mut Accumulator) {
    if (held.occupied, held.reserved) != (0, 0) {
        let slots = Constant {
            occupied: held.occupied,
            reserved: held.reserved,
            reserved_idle: held.idle(),
            ..Constant::default()
        };
        acc.constant(SeriesKey { pool, tenant }, held.since, until, slots);
    }
    held.since = until;
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::occupancy::Sums;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    fn totals(acc: &mut Accumulator) -> BTreeMap<i32, Sums> {
        let mut out: BTreeMap<i32, Sums> = BTreeMap::new();
        for ((key, _), block) in acc.take().hours {
            out.entry(key.tenant).or_default().add(&block.iter().sum());
        }
        out
    }

    fn run(
        intervals: &mut [Interval],
        span: (Millis, Millis),
        capacity: &CapacitySteps,
    ) -> (Swept, BTreeMap<i32, Sums>) {
        intervals.sort_by_key(|i| i.start);
        let mut acc = Accumulator::default();
        let swept = sweep::<Infallible>(1, intervals, span, capacity, &mut acc, |_| Ok(())).expect("infallible");
        (swept, totals(&mut acc))
    }

    fn held(start: Millis, end: Millis, tenant: i32, occupied: i64) -> Interval {
        Interval { start, end, tenant, occupied, reserved: 0, wait_ms: Some(0) }
    }

    #[test]
    fn slots_given_back_at_an_instant_are_free_at_that_instant() {
        let (swept, sums) = run(&mut [held(0, 100, 1, 3), held(100, 200, 2, 3)], (0, 300), &[(0, 3)]);
        assert_eq!(swept, Swept { peak: 3, above_capacity_ms: 0 });
        assert_eq!((sums[&0].occupied_slot_ms, sums[&0].observed_ms, sums[&0].saturated_ms), (600, 300, 200));
        assert_eq!((sums[&1].observed_ms, sums[&2].max_occupied), (100, 3));
    }

    #[test]
    fn one_tenant_may_hold_several_intervals_at_once() {
        let (swept, sums) = run(&mut [held(0, 100, 1, 3), held(50, 150, 1, 2)], (0, 150), &[(0, 4)]);
        assert_eq!(swept, Swept { peak: 5, above_capacity_ms: 50 });
        assert_eq!((sums[&1].max_occupied, sums[&1].occupied_slot_ms, sums[&1].claims), (5, 500, 2));
    }

    #[test]
    fn promises_are_idle_while_their_tenant_does_not_use_them() {
        let promise = Interval { start: 0, end: 100, tenant: 1, occupied: 0, reserved: 4, wait_ms: None };
        let (_, sums) = run(&mut [promise, held(50, 100, 1, 3), held(0, 100, 2, 4)], (0, 100), &[(0, 10)]);
        assert_eq!((sums[&0].reserved_slot_ms, sums[&0].reserved_idle_slot_ms), (400, 250));
        assert_eq!((sums[&1].reserved_idle_slot_ms, sums[&1].claims, sums[&0].claims), (250, 1, 2));
    }

    #[test]
    fn capacity_follows_its_steps() {
        let (_, sums) = run(&mut [], (0, 3 * DAY_MS), &[(0, 2), (DAY_MS / 2, 5)]);
        assert_eq!(sums[&0].capacity_slot_ms, DAY_MS / 2 * 2 + DAY_MS / 2 * 5 * 5);
    }

    proptest! {
        #[test]
        fn sums_and_peaks_equal_a_count_by_the_second(
            raw in prop::collection::vec((0_i64..300, 1_i64..120, 1_i32..5, 1_i64..9, 0_i64..6, 0_i64..3), 0..40),
            capacity in 0_i64..30,
        ) {
            // Stretched over two midnights so that settling by day is part of the test.
            const UNIT: Millis = 600_000;
            let mut intervals: Vec<Interval> = raw
                .iter()
                .map(|&(start, length, tenant, occupied, reserved, wait)| Interval {
                    start: start * UNIT, end: (start + length) * UNIT, tenant, occupied, reserved, wait_ms: Some(wait * 1000),
                })
                .collect();
            let (swept, sums) = run(&mut intervals, (0, 420 * UNIT), &[(0, capacity)]);
            let mut naive: BTreeMap<i32, Sums> = BTreeMap::new();
            let mut above = 0;
            for second in 0..420 {
                let at = second * UNIT;
                let here: Vec<&Interval> = intervals.iter().filter(|i| i.start <= at && at < i.end).collect();
                let mut total = (0, 0, 0);
                for tenant in 1..5 {
                    let mine = here.iter().filter(|i| i.tenant == tenant);
                    let (occ, res) = mine.fold((0, 0), |(o, r), i| (o + i.occupied, r + i.reserved));
                    let sums = naive.entry(tenant).or_default();
                    sums.occupied_slot_ms += occ * UNIT;
                    sums.reserved_slot_ms += res * UNIT;
                    sums.reserved_idle_slot_ms += (res - occ).max(0) * UNIT;
                    sums.max_occupied = sums.max_occupied.max(occ);
                    total = (total.0 + occ, total.1 + res, total.2 + (res - occ).max(0));
                }
                let sums = naive.entry(0).or_default();
                sums.occupied_slot_ms += total.0 * UNIT;
                sums.reserved_slot_ms += total.1 * UNIT;
                sums.reserved_idle_slot_ms += total.2 * UNIT;
                sums.max_occupied = sums.max_occupied.max(total.0);
                above += if total.0 > capacity { UNIT } else { 0 };
            }
            prop_assert_eq!(swept, Swept { peak: naive[&0].max_occupied, above_capacity_ms: above });
            for (tenant, expected) in &naive {
                let got = sums.get(tenant).copied().unwrap_or_default();
                let mine: Vec<&Interval> = intervals.iter().filter(|i| *tenant == 0 || i.tenant == *tenant).collect();
                prop_assert_eq!(got.occupied_slot_ms, expected.occupied_slot_ms);
                prop_assert_eq!(got.reserved_slot_ms, expected.reserved_slot_ms);
                prop_assert_eq!(got.reserved_idle_slot_ms, expected.reserved_idle_slot_ms);
                prop_assert_eq!(got.max_occupied, expected.max_occupied);
                prop_assert_eq!(got.claims, mine.len() as i64);
                prop_assert_eq!(got.queue_ms, mine.iter().filter_map(|i| i.wait_ms).sum::<i64>());
            }
        }
    }
}
