//! Pools to judge: each is a copy of one of a hundred, with five tenants. What was counted of them is added up by the product.
//!
//! One in ten gives out slots itself, so that all indicators are counted of it; the others are observed. In three of a hundred
//! claims are rejected from some minute on: half of them, of the pool and of two of its tenants.

use std::collections::{BTreeMap, BTreeSet};

use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::{SeriesKey, Slices, Tally, WHOLE};
use headroom_domain::occupancy::Sums;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_store::live::MinuteCounts;

/// Pools that differ.
pub(super) const KINDS: usize = 100;
/// Tenants in each.
pub(super) const TENANTS: usize = 5;
/// Tenants that are hit where claims are rejected.
const HIT: usize = 2;
/// Counts begin so long before the watermark of the beginning: the longest window, and a little.
pub(super) const HISTORY_MS: Millis = 73 * HOUR_MS;

/// A kind of pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool(pub(super) usize);

impl Pool {
    /// All that differ.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..KINDS).map(Self)
    }

    /// It gives out slots itself.
    pub(super) const fn is_live(self) -> bool {
        self.0.is_multiple_of(10)
    }

    /// Claims are rejected in it.
    pub(super) const fn fails(self) -> bool {
        self.0 >= KINDS - 3
    }

    /// Keys of its tenants, from 1 on.
    pub(super) fn tenants(self) -> impl Iterator<Item = i32> {
        (1..=TENANTS).map(move |tenant| (self.0 * TENANTS + tenant) as i32)
    }

    /// What was observed of the pool (tenant 0) and of its tenants in the minute that begins at an instant.
    pub(super) fn minute(self, at: Millis, fails_from: Millis) -> BTreeMap<i32, Sums> {
        let (mut whole, mut all) = (Sums::default(), BTreeMap::new());
        let fails = self.fails() && at >= fails_from;
        for (place, tenant) in self.tenants().enumerate() {
            // Anything that goes up and down, differs everywhere, and is the same each time.
            let turn = (at / MINUTE_MS * 7 + i64::from(tenant) * 13).rem_euclid(41);
            let (occupied, reserved, claims) = (60 + turn, 50 + turn % 30, 400 + turn * 5);
            let sums = Sums {
                occupied_slot_ms: occupied * MINUTE_MS,
                reserved_slot_ms: reserved * MINUTE_MS,
                reserved_idle_slot_ms: (turn % 5) * MINUTE_MS,
                observed_ms: MINUTE_MS,
                max_occupied: occupied,
                claims,
                rejections: if fails && place < HIT { claims / 2 } else { i64::from(turn == 0 && tenant % 9 == 0) },
                ..Sums::default()
            };
            whole.add(&sums);
            all.insert(tenant, sums);
        }
        (whole.capacity_slot_ms, whole.observed_ms) = (1_000 * MINUTE_MS, MINUTE_MS);
        all.insert(WHOLE, whole);
        all
    }

    /// What its allocator counted in a minute.
    pub(super) fn counts(self, at: Millis) -> Option<MinuteCounts> {
        let turn = (at / MINUTE_MS).rem_euclid(50) as u64;
        self.is_live().then_some(MinuteCounts {
            answers: 2_000 + turn,
            slow: turn % 7,
            served: 2_100 + turn,
            waited_long: turn % 3,
            reclaimed: 20 + turn,
            ..MinuteCounts::default()
        })
    }

    /// What the engine counts of a minute.
    fn slices(self, at: Millis, fails_from: Millis) -> Slices {
        let mut slices = Slices::new();
        let observed = self.minute(at, fails_from);
        for (tenant, sums) in &observed {
            let mut put = |sli, bad: i64, total: i64| {
                slices.insert(SeriesKey { tenant: *tenant, sli }, (bad as u64, total as u64));
            };
            put(Sli::Saturation, sums.rejections, sums.claims);
            put(Sli::Waste, sums.reserved_idle_slot_ms / 1_000, sums.reserved_slot_ms / 1_000);
        }
        if let Some(counts) = self.counts(at) {
            let mut put = |sli, bad, total| {
                slices.insert(SeriesKey { tenant: WHOLE, sli }, (bad, total));
            };
            put(Sli::Latency, counts.slow + counts.failed, counts.answers + counts.failed);
            put(Sli::Reclaim, counts.late, counts.reclaimed);
            put(Sli::Wait, counts.waited_long, counts.served);
            put(Sli::Leak, counts.leaked, (observed[&WHOLE].capacity_slot_ms / 1_000) as u64);
        }
        slices
    }

    /// Its tallies as of some instants, from its birth on.
    pub(super) fn tallies(self, born: Millis, fails_from: Millis, wanted: &BTreeSet<Millis>) -> Vec<(Millis, Tally)> {
        let (mut tally, mut found, mut at) = (Tally::default(), Vec::new(), born);
        let Some(last) = wanted.last().copied() else { return found };
        while at < last {
            tally.take(at, Some(&self.slices(at, fails_from)));
            at += MINUTE_MS;
            if wanted.contains(&at) {
                found.push((at, tally.clone()));
            }
        }
        found
    }
}
