//! Rows of one pool and instant into a reading: what the rows leave open is taken from what is known
//! about the pool.

use super::occupancy::Values;
use super::report::Wrong;
use headroom_domain::Millis;
use headroom_domain::accumulate::{Accumulator, Reading, TenantReading};
use headroom_domain::pool::effective;
use headroom_domain::reservation::Promise;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Name of the extra signal that keeps how many claims were waiting.
pub const QUEUED_SIGNAL: &str = "queued";

/// What is known about a pool apart from its rows.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Configured and planned-down slots by steps: (from, configured, planned-down), in order.
    pub capacity: Vec<(Millis, i64, i64)>,
    /// Promised slots by tenant, by steps.
    pub promises: Promises,
}

impl Known {
    /// Configured and planned-down slots at an instant.
    pub fn capacity_at(&self, at: Millis) -> Option<(i64, i64)> {
        let steps = &self.capacity;
        steps[..steps.partition_point(|step| step.0 <= at)].last().map(|step| (step.1, step.2))
    }
}

/// Slots promised to tenants over time: (from, what holds from then on), in order.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    steps: Vec<(Millis, Vec<(i32, i64)>)>,
}

impl Promises {
    /// The promises of one pool.
    pub fn new<'a>(reservations: impl IntoIterator<Item = &'a Promise>) -> Self {
        let reservations: Vec<&Promise> = reservations.into_iter().collect();
        let mut edges: Vec<Millis> = reservations.iter().map(|r| r.from_ms).collect();
        edges.extend(reservations.iter().filter_map(|r| r.to_ms));
        edges.sort_unstable();
        edges.dedup();
        let holding = |at: Millis| -> Vec<(i32, i64)> {
            let mut by_tenant: BTreeMap<i32, i64> = BTreeMap::new();
            for r in reservations.iter().filter(|r| r.holds_at(at)) {
                *by_tenant.entry(r.tenant).or_default() += r.baseline;
            }
            by_tenant.into_iter().collect()
        };
        Self { steps: edges.into_iter().map(|at| (at, holding(at))).collect() }
    }

    /// Slots promised at an instant, by tenant in order.
    pub fn at(&self, at: Millis) -> &[(i32, i64)] {
        self.steps[..self.steps.partition_point(|step| step.0 <= at)].last().map_or(&[], |step| &step.1)
    }

    /// What holds within `[from, to)`, cut to it: (start, end, slots by tenant).
    pub fn within(&self, from: Millis, to: Millis) -> Vec<(Millis, Millis, &[(i32, i64)])> {
        let ends = self.steps.iter().skip(1).map(|step| step.0).chain([Millis::MAX]);
        let steps = self.steps.iter().zip(ends);
        let cut = steps.map(|((start, held), end)| ((*start).max(from), end.min(to), held.as_slice()));
        cut.filter(|(start, end, held)| start < end && !held.is_empty()).collect()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// A row with its tenant's key; 0 = the pool's total.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// The tenant.
    pub tenant: i32,
    /// What it states.
    pub values: Values,
}

/// What a group of rows comes to.
#[derive(Debug, Clone, Default)]
pub struct Grouped {
    /// The reading.
    pub reading: Reading,
    /// Configured slots.
    pub configured: i64,
    /// Planned-down slots.
    pub planned_down: i64,
    /// Claims waiting, if anything was said about them.
    pub queued: Option<i64>,
}

/// Why rows do not go together: which of them (by place) and what is wrong with it.
pub type Mismatch = (usize, Wrong);

impl Grouped {
    /// Takes up the rows of one pool and instant. Each tenant occurs at most once.
    pub fn fill(&mut self, rows: &[impl Borrow<Sample>], known: &Known) -> Result<(), Mismatch> {
        let first = &rows[0].borrow().values;
        let (at, duration_ms) = (first.at, first.duration_ms);
        let reading = &mut self.reading;
        reading.at = at;
        reading.duration_ms = duration_ms;
        reading.tenants.clear();
        (reading.occupied, reading.reserved, reading.counters) = (None, None, None);
        self.queued = None;

        let promised = known.promises.at(at);
        let (mut capacity, mut planned_down, mut queued_of_pool) = (None, None, None);
        for (place, Sample { tenant, values }) in rows.iter().map(Borrow::borrow).enumerate() {
            if values.duration_ms != duration_ms {
                let found = values.duration_ms.to_string();
                let expected = format!("{duration_ms} as in the other rows of this pool and time");
                return Err((place, Wrong::new("duration_ms", found.as_bytes(), expected)));
            }
            for (name, stated, before) in
                [("capacity", values.capacity, &mut capacity), ("planned_down", values.planned_down, &mut planned_down)]
            {
                match (stated, *before) {
                    (Some(stated), Some(other)) if stated != other => {
                        let expected = format!("{other} as in the other rows of this pool and time");
                        return Err((place, Wrong::new(name, stated.to_string().as_bytes(), expected)));
                    }
                    (Some(_), _) => *before = stated,
                    (None, _) => {}
                }
            }
            if *tenant == 0 {
                reading.occupied = Some(values.occupied);
                reading.reserved = values.reserved;
                reading.counters = values.counters;
                queued_of_pool = values.queued;
                continue;
            }
            if let Some(queued) = values.queued {
                self.queued = Some(self.queued.unwrap_or(0) + queued);
            }
            let promise = || promised.iter().find(|(t, _)| t == tenant).map_or(0, |(_, slots)| *slots);
            reading.tenants.push(TenantReading {
                tenant: *tenant,
                occupied: values.occupied,
                reserved: values.reserved.unwrap_or_else(promise),
                counters: values.counters.unwrap_or_default(),
            });
        }
        self.queued = queued_of_pool.or(self.queued);
        let by_tenant = reading.tenants.len();
        if by_tenant > 0 {
            // Who was promised slots and has no row holds none of them.
            for (tenant, reserved) in promised {
                if !reading.tenants[..by_tenant].iter().any(|t| t.tenant == *tenant) {
                    reading.tenants.push(TenantReading {
                        tenant: *tenant,
                        reserved: *reserved,
                        ..TenantReading::default()
                    });
                }
            }
        } else if reading.reserved.is_none() && !promised.is_empty() {
            reading.reserved = Some(promised.iter().map(|(_, slots)| slots).sum());
        }

        let held = if capacity.is_none() || planned_down.is_none() { known.capacity_at(at) } else { None };
        let Some(configured) = capacity.or(held.map(|(configured, _)| configured)) else {
            return Err((
                0,
                Wrong::new("capacity", b"", "a number of slots: the pool's capacity at that time is not known"),
            ));
        };
        self.configured = configured;
        self.planned_down = planned_down.or(held.map(|(_, down)| down)).unwrap_or(0).min(configured);
        reading.capacity = effective(configured, self.planned_down);
        Ok(())
    }

    /// Adds the reading to history.
    pub fn add_to(&self, acc: &mut Accumulator, pool: i32, rows: &[impl Borrow<Sample>]) {
        acc.reading(pool, &self.reading);
        for row in rows {
            if let Some(micros) = row.borrow().values.latency_micros {
                // The sketch is one of reported percentiles: each report counts once.
                acc.latency(pool, self.reading.at, micros as f64 / 1000.0, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::accumulate::Counters;

    fn known() -> Known {
        let promise = |tenant, from_ms, to_ms, baseline| Promise {
            pool: 1,
            tenant,
            from_ms,
            to_ms,
            baseline,
            ceiling: None,
            lending_limit: None,
            borrowing_limit: None,
        };
        let reservations = [promise(1, 0, Some(100), 4), promise(2, 50, None, 3), promise(2, 50, Some(60), 2)];
        Known { capacity: vec![(0, 10, 0), (60, 20, 5)], promises: Promises::new(&reservations) }
    }

    fn row(tenant: i32, at: Millis, occupied: i64) -> Sample {
        Sample { tenant, values: Values { at, duration_ms: 10, occupied, ..Values::default() } }
    }

    fn group(rows: &[Sample]) -> Result<Grouped, Mismatch> {
        let mut grouped = Grouped::default();
        grouped.fill(rows, &known()).map(|()| grouped)
    }

    #[test]
    fn promises_hold_over_their_time() {
        let promises = known().promises;
        assert_eq!(promises.at(-1), []);
        assert_eq!(promises.at(0), [(1, 4)]);
        assert_eq!(promises.at(50), [(1, 4), (2, 5)]);
        assert_eq!(promises.at(99), [(1, 4), (2, 3)]);
        assert_eq!(promises.at(100), [(2, 3)]);
        let within = promises.within(55, 70);
        assert_eq!(within, [(55, 60, &[(1, 4), (2, 5)][..]), (60, 70, &[(1, 4), (2, 3)][..])]);
    }

    #[test]
    fn the_pool_is_the_sum_of_its_tenants_unless_stated() {
        let summed = group(&[row(1, 0, 3), row(3, 0, 4)]).expect("fits");
        assert_eq!((summed.reading.occupied(), summed.reading.reserved(), summed.reading.capacity), (7, 4, 10));
        let stated = group(&[row(1, 0, 3), row(0, 0, 9)]).expect("fits");
        assert_eq!((stated.reading.occupied(), stated.reading.reserved()), (9, 4));
    }

    #[test]
    fn a_promise_without_a_row_is_idle() {
        let grouped = group(&[row(1, 50, 3)]).expect("fits");
        assert_eq!((grouped.reading.reserved(), grouped.reading.reserved_idle()), (9, 6));
        let pool_only = group(&[row(0, 50, 3)]).expect("fits");
        assert_eq!(
            (pool_only.reading.tenants.len(), pool_only.reading.reserved(), pool_only.reading.reserved_idle()),
            (0, 9, 6)
        );
    }

    #[test]
    fn capacity_comes_from_the_row_or_from_the_pools_history() {
        assert_eq!(group(&[row(0, 70, 3)]).expect("fits").reading.capacity, 15);
        let mut stated = row(0, 70, 3);
        stated.values.capacity = Some(8);
        assert_eq!(group(&[stated]).expect("fits").reading.capacity, 3);
        stated.values.planned_down = Some(0);
        assert_eq!(group(&[stated]).expect("fits").reading.capacity, 8);
        let (place, wrong) = group(&[row(0, -5, 3)]).expect_err("nothing known");
        assert_eq!((place, wrong.column.as_ref()), (0, "capacity"));
    }

    #[test]
    fn rows_that_do_not_agree_are_named() {
        let mut other = row(2, 0, 1);
        other.values.duration_ms = 20;
        let (place, wrong) = group(&[row(1, 0, 1), other]).expect_err("differs");
        assert_eq!(
            (place, wrong.to_string().as_str()),
            (1, "duration_ms: found \"20\", expected 10 as in the other rows of this pool and time")
        );
        let (mut a, mut b) = (row(1, 0, 1), row(2, 0, 1));
        (a.values.capacity, b.values.capacity) = (Some(5), Some(6));
        assert_eq!(group(&[a, b]).expect_err("differs").1.column, "capacity");
    }

    #[test]
    fn counters_and_waiting_claims_add_up_unless_stated_for_the_pool() {
        let mut a = row(1, 0, 1);
        a.values.counters = Some(Counters { claims: 5, ..Counters::default() });
        a.values.queued = Some(2);
        let mut b = row(3, 0, 1);
        b.values.queued = Some(3);
        assert_eq!(group(&[a, b]).expect("fits").queued, Some(5));
        let mut total = row(0, 0, 2);
        total.values.queued = Some(9);
        assert_eq!(group(&[a, b, total]).expect("fits").queued, Some(9));
    }
}
