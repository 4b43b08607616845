//! From readings to history: how samples and intervals become exact sums by the minute.
//!
//! A reading says what was true from its instant on, for its own duration and not a millisecond
//! longer: nothing is invented between readings. Every contribution is a product of integers, and
//! contributions only add, so the result does not depend on the order in which readings arrive.

use crate::occupancy::Sums;
use crate::sketch::Sketch;
use crate::{HOUR_MS, MINUTE_MS, Millis};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// Minutes in an hour block.
pub const BLOCK_MINUTES: usize = 60;
/// Length of one point of an extra signal, five minutes.
pub const SIGNAL_STEP_MS: Millis = 5 * MINUTE_MS;

/// Which series: a pool's total (`tenant == 0`) or one tenant in it. Keys are the store's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The pool's key, from 1.
    pub pool: i32,
    /// The tenant's key, from 1; 0 is the pool's total.
    pub tenant: i32,
}

/// A quick hash for keys that the store hands out: nobody can choose them to collide.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i32(i32::from(*byte));
        }
    }

    fn write_i32(&mut self, key: i32) {
        // The multiplier of Firefox's hash; the rotation brings its good bits to where tables look.
        self.0 = (self.0.rotate_left(5) ^ u64::from(key.cast_unsigned())).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

/// Claims within the duration of a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Claims made.
    pub claims: i64,
    /// Of these, rejected.
    pub rejections: i64,
    /// Of these, served after waiting.
    pub waited: i64,
    /// Milliseconds spent waiting.
    pub queue_ms: i64,
}

impl Counters {
    fn add(&mut self, other: Self) {
        self.claims = self.claims.saturating_add(other.claims);
        self.rejections = self.rejections.saturating_add(other.rejections);
        self.waited = self.waited.saturating_add(other.waited);
        self.queue_ms = self.queue_ms.saturating_add(other.queue_ms);
    }
}

/// One tenant's part of a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantReading {
    /// The tenant's key, from 1.
    pub tenant: i32,
    /// Slots it held.
    pub occupied: i64,
    /// Slots promised to it at that instant.
    pub reserved: i64,
    /// Its claims.
    pub counters: Counters,
}

/// What one pool looked like from `at` for `duration_ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Start, epoch milliseconds.
    pub at: Millis,
    /// How long the values hold, from 1.
    pub duration_ms: Millis,
    /// Effective capacity in slots.
    pub capacity: i64,
    /// Occupied slots as stated for the whole pool; without it, the tenants' sum.
    pub occupied: Option<i64>,
    /// Reserved slots as stated for the whole pool; without it, the tenants' sum.
    pub reserved: Option<i64>,
    /// Claims as stated for the whole pool; without them, the tenants' sum.
    pub counters: Option<Counters>,
    /// The tenants, each at most once, those with a reservation and no use included.
    pub tenants: Vec<TenantReading>,
}

impl Reading {
    /// Occupied slots of the whole pool.
    pub fn occupied(&self) -> i64 {
        self.occupied.unwrap_or_else(|| self.tenants.iter().map(|t| t.occupied).sum())
    }

    /// Reserved slots of the whole pool.
    pub fn reserved(&self) -> i64 {
        self.reserved.unwrap_or_else(|| self.tenants.iter().map(|t| t.reserved).sum())
    }

    /// Slots reserved and not used: per tenant, or over the pool where no tenant is known.
    pub fn reserved_idle(&self) -> i64 {
        if self.tenants.is_empty() {
            return (self.reserved() - self.occupied()).max(0);
        }
        self.tenants.iter().map(|t| (t.reserved - t.occupied).max(0)).sum()
    }
}

/// Slots that hold constant over a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Constant {
    /// Effective capacity.
    pub capacity: i64,
    /// Occupied.
    pub occupied: i64,
    /// Reserved.
    pub reserved: i64,
    /// Reserved and idle.
    pub reserved_idle: i64,
    /// Whether this series is one whose saturation counts (a pool, not a tenant).
    pub saturable: bool,
}

/// Sums of an extra signal over five minutes, in thousandths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalPoint {
    /// Sum of the values.
    pub sum_milli: i64,
    /// Number of values.
    pub count: i64,
    /// Least value.
    pub min_milli: i64,
    /// Greatest value.
    pub max_milli: i64,
}

impl SignalPoint {
    /// A single value.
    pub fn one(milli: i64) -> Self {
        Self { sum_milli: milli, count: 1, min_milli: milli, max_milli: milli }
    }

    /// Adds the values of another point.
    pub fn add(&mut self, other: &Self) {
        self.sum_milli = self.sum_milli.saturating_add(other.sum_milli);
        self.count += other.count;
        self.min_milli = self.min_milli.min(other.min_milli);
        self.max_milli = self.max_milli.max(other.max_milli);
    }
}

/// One hour of minutes.
pub type HourBlock = Box<[Sums; BLOCK_MINUTES]>;

#[derive(Debug, Default)]
struct SeriesBlocks {
    /// The hour written last, kept apart because the next reading nearly always falls in it.
    hot: Option<(Millis, HourBlock)>,
    cold: BTreeMap<Millis, HourBlock>,
}

impl SeriesBlocks {
    fn minute(&mut self, at: Millis, blocks: &mut usize) -> &mut Sums {
        let hour = at.div_euclid(HOUR_MS) * HOUR_MS;
        let minute = (at.rem_euclid(HOUR_MS) / MINUTE_MS) as usize;
        if self.hot.as_ref().is_none_or(|(held, _)| *held != hour) {
            let next = self.cold.remove(&hour).unwrap_or_else(|| {
                *blocks += 1;
                Box::new([Sums::default(); BLOCK_MINUTES])
            });
            if let Some((held, block)) = self.hot.replace((hour, next)) {
                self.cold.insert(held, block);
            }
        }
        let (_, block) = self.hot.as_mut().expect("set above");
        &mut block[minute]
    }

    fn constant(&mut self, start: Millis, end: Millis, slots: Constant, blocks: &mut usize) {
        let full = slots.saturable && slots.capacity > 0 && slots.occupied >= slots.capacity;
        let mut at = start;
        while at < end {
            let next = (at.div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
            let span = next.min(end) - at;
            let sums = self.minute(at, blocks);
            sums.capacity_slot_ms += slots.capacity * span;
            sums.occupied_slot_ms += slots.occupied * span;
            sums.reserved_slot_ms += slots.reserved * span;
            sums.reserved_idle_slot_ms += slots.reserved_idle * span;
            sums.observed_ms += span;
            sums.saturated_ms += if full { span } else { 0 };
            sums.max_occupied = sums.max_occupied.max(slots.occupied);
            at = next;
        }
    }

    fn counters(&mut self, at: Millis, counters: Counters, blocks: &mut usize) {
        if counters == Counters::default() {
            return;
        }
        let sums = self.minute(at, blocks);
        sums.claims += counters.claims;
        sums.rejections += counters.rejections;
        sums.waited += counters.waited;
        sums.queue_ms += counters.queue_ms;
    }
}

/// History being built: minutes by series and hour, latency by pool and hour, extra signals.
#[derive(Debug, Default)]
pub struct Accumulator {
    series: HashMap<SeriesKey, SeriesBlocks, BuildHasherDefault<KeyHasher>>,
    latency: BTreeMap<(i32, Millis), Sketch>,
    signals: BTreeMap<(i32, i16, Millis), SignalPoint>,
    blocks: usize,
}

/// What an [`Accumulator`] held, in a stable order.
#[derive(Debug, Default)]
pub struct Accumulated {
    /// Hour blocks by series and start of the hour.
    pub hours: BTreeMap<(SeriesKey, Millis), HourBlock>,
    /// Latency sketches (milliseconds) by pool and start of the hour.
    pub latency: BTreeMap<(i32, Millis), Sketch>,
    /// Extra signals by pool, number of the signal (1..=8) and start of the five minutes.
    pub signals: BTreeMap<(i32, i16, Millis), SignalPoint>,
}

impl Accumulated {
    /// True if nothing was accumulated.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.latency.is_empty() && self.signals.is_empty()
    }
}

impl Accumulator {
    /// Hour blocks held: about 5 kB each, so that a caller can bound its memory.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Adds a reading of a pool and of its tenants.
    pub fn reading(&mut self, pool: i32, reading: &Reading) {
        let end = reading.at + reading.duration_ms;
        let total = Constant {
            capacity: reading.capacity,
            occupied: reading.occupied(),
            reserved: reading.reserved(),
            reserved_idle: reading.reserved_idle(),
            saturable: true,
        };
        let mut counters = Counters::default();
        for tenant in &reading.tenants {
            let key = SeriesKey { pool, tenant: tenant.tenant };
            let held = Constant {
                occupied: tenant.occupied,
                reserved: tenant.reserved,
                reserved_idle: (tenant.reserved - tenant.occupied).max(0),
                ..Constant::default()
            };
            self.add(key, reading.at, end, held, tenant.counters);
            counters.add(tenant.counters);
        }
        let key = SeriesKey { pool, tenant: 0 };
        self.add(key, reading.at, end, total, reading.counters.unwrap_or(counters));
    }

    /// Slots and claims of one series with one look-up: what every imported row comes down to.
    fn add(&mut self, key: SeriesKey, start: Millis, end: Millis, slots: Constant, counters: Counters) {
        let series = self.series.entry(key).or_default();
        series.counters(start, counters, &mut self.blocks);
        series.constant(start, end, slots, &mut self.blocks);
    }

    /// Adds slots that held constant over `[start, end)`.
    pub fn constant(&mut self, key: SeriesKey, start: Millis, end: Millis, slots: Constant) {
        self.series.entry(key).or_default().constant(start, end, slots, &mut self.blocks);
    }

    /// Adds claims made at an instant.
    pub fn counters(&mut self, key: SeriesKey, at: Millis, counters: Counters) {
        if counters != Counters::default() {
            self.series.entry(key).or_default().counters(at, counters, &mut self.blocks);
        }
    }

    /// Adds `count` observations of a latency in milliseconds.
    pub fn latency(&mut self, pool: i32, at: Millis, ms: f64, count: u64) {
        let hour = at.div_euclid(HOUR_MS) * HOUR_MS;
        self.latency.entry((pool, hour)).or_default().record(ms, count);
    }

    /// Adds a value of an extra signal, in thousandths of its unit.
    pub fn signal(&mut self, pool: i32, signal: i16, at: Millis, milli: i64) {
        let start = at.div_euclid(SIGNAL_STEP_MS) * SIGNAL_STEP_MS;
        let value = SignalPoint::one(milli);
        self.signals.entry((pool, signal, start)).and_modify(|p| p.add(&value)).or_insert(value);
    }

    /// Hands over everything and starts anew.
    pub fn take(&mut self) -> Accumulated {
        let mut out = Accumulated {
            hours: BTreeMap::new(),
            latency: std::mem::take(&mut self.latency),
            signals: std::mem::take(&mut self.signals),
        };
        self.blocks = 0;
        for (key, series) in self.series.drain() {
            for (hour, block) in series.cold.into_iter().chain(series.hot) {
                out.hours.insert((key, hour), block);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minutes(acc: &mut Accumulator, key: SeriesKey) -> BTreeMap<Millis, Sums> {
        let mut out = BTreeMap::new();
        for ((k, hour), block) in acc.take().hours {
            if k == key {
                for (i, sums) in block.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
                    out.insert(hour + i as i64 * MINUTE_MS, *sums);
                }
            }
        }
        out
    }

    const POOL: SeriesKey = SeriesKey { pool: 1, tenant: 0 };

    #[test]
    fn a_reading_is_split_exactly_at_minutes() {
        let mut acc = Accumulator::default();
        acc.reading(
            1,
            &Reading { at: 59_500, duration_ms: 10_000, capacity: 4, occupied: Some(3), ..Reading::default() },
        );
        let m = minutes(&mut acc, POOL);
        assert_eq!(m[&0].occupied_slot_ms, 1_500);
        assert_eq!(m[&60_000].occupied_slot_ms, 28_500);
        assert_eq!(m.values().map(|s| s.observed_ms).sum::<i64>(), 10_000);
    }

    #[test]
    fn idle_is_per_tenant_so_one_cannot_use_up_anothers_promise() {
        let reading = Reading {
            at: 0,
            duration_ms: 1000,
            capacity: 10,
            tenants: vec![
                TenantReading { tenant: 1, occupied: 8, reserved: 2, ..TenantReading::default() },
                TenantReading { tenant: 2, occupied: 0, reserved: 3, ..TenantReading::default() },
            ],
            ..Reading::default()
        };
        assert_eq!((reading.occupied(), reading.reserved(), reading.reserved_idle()), (8, 5, 3));
    }

    #[test]
    fn above_capacity_is_kept() {
        let mut acc = Accumulator::default();
        acc.reading(
            1,
            &Reading { at: 0, duration_ms: 60_000, capacity: 100, occupied: Some(104), ..Reading::default() },
        );
        let m = minutes(&mut acc, POOL);
        assert_eq!((m[&0].max_occupied, m[&0].saturated_ms, m[&0].occupancy()), (104, 60_000, Some(1.04)));
    }

    #[test]
    fn gaps_stay_empty() {
        let mut acc = Accumulator::default();
        for at in [0, 180_000] {
            acc.reading(1, &Reading { at, duration_ms: 60_000, capacity: 1, occupied: Some(1), ..Reading::default() });
        }
        let m = minutes(&mut acc, POOL);
        assert_eq!(m.keys().copied().collect::<Vec<_>>(), [0, 180_000]);
    }

    proptest! {
        #[test]
        fn the_order_of_readings_does_not_matter(
            readings in prop::collection::vec((0_i64..20_000_000, 1_i64..400_000, 0_i64..50, 0_i64..60), 1..60),
            seed in any::<u64>(),
        ) {
            let all: Vec<Reading> = readings.iter().map(|&(at, duration_ms, capacity, occupied)| Reading {
                at, duration_ms, capacity, occupied: Some(occupied), ..Reading::default()
            }).collect();
            let mut shuffled = all.clone();
            let n = shuffled.len();
            let mut state = seed;
            for i in 0..n {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, (state >> 33) as usize % n);
            }
            let (mut a, mut b) = (Accumulator::default(), Accumulator::default());
            for (one, other) in all.iter().zip(&shuffled) {
                a.reading(1, one);
                b.reading(1, other);
            }
            let (a, b) = (minutes(&mut a, POOL), minutes(&mut b, POOL));
            prop_assert_eq!(&a, &b);
            let expected: i64 = all.iter().map(|r| r.occupied() * r.duration_ms).sum();
            prop_assert_eq!(a.values().map(|s| s.occupied_slot_ms).sum::<i64>(), expected);
        }
    }
}
