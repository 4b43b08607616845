//! Filling an accumulator with the past, a chunk at a time, so that memory stays small.

use super::world::World;
use headroom_domain::accumulate::{Accumulated, Accumulator, Reading, SIGNAL_STEP_MS};
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};

/// Days of history a demo starts with.
pub const HISTORY_DAYS: i64 = 100;
/// Days in a chunk: 4 days of 8 series are under 1,000 hour blocks, about 5 MB.
const CHUNK_DAYS: i64 = 4;
/// Latency quantiles recorded every five minutes; each stands for an equal part of the claims.
const QUANTILES: [f64; 20] = [
    0.025, 0.075, 0.125, 0.175, 0.225, 0.275, 0.325, 0.375, 0.425, 0.475, 0.525, 0.575, 0.625, 0.675, 0.725, 0.775,
    0.825, 0.875, 0.925, 0.975,
];

/// The store's keys of the world's pools and tenants, in the world's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// One per pool.
    pub pools: Vec<i32>,
    /// One per tenant.
    pub tenants: Vec<i32>,
}

impl Keys {
    /// Index plus one, as in [`World::reading`].
    pub fn plain(world: &World) -> Self {
        let count = |n: usize| (1..=n as i32).collect();
        Self { pools: count(world.pools.len()), tenants: count(world.tenants.len()) }
    }
}

/// A stretch of one pool's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Index of the pool.
    pub pool: usize,
    /// First minute.
    pub from_ms: Millis,
    /// End, exclusive.
    pub to_ms: Millis,
}

impl World {
    /// The chunks of the last `days` up to the instant the world was made, oldest first; whole UTC days but for the last.
    pub fn chunks(&self, days: i64) -> Vec<Chunk> {
        let first = (self.now_ms - days * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
        self.chunks_between(first, self.now_ms)
    }

    /// The chunks of `[from, to)`, oldest first.
    pub fn chunks_between(&self, from: Millis, to: Millis) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut from_ms = from;
        while from_ms < to {
            let next_day = from_ms.div_euclid(DAY_MS) * DAY_MS + CHUNK_DAYS * DAY_MS;
            let to_ms = next_day.min(to);
            chunks.extend((0..self.pools.len()).map(|pool| Chunk { pool, from_ms, to_ms }));
            from_ms = to_ms;
        }
        chunks
    }

    /// Adds every minute of a chunk: readings of the pool and its tenants, latency and extra signals every five
    /// minutes.
    pub fn fill(&self, into: &mut Accumulator, keys: &Keys, chunk: &Chunk) {
        let pool_key = keys.pools[chunk.pool];
        let mut reading = Reading::default();
        let mut at = chunk.from_ms;
        while at < chunk.to_ms {
            if self.read_into(chunk.pool, at, MINUTE_MS.min(chunk.to_ms - at), &mut reading) {
                for tenant in &mut reading.tenants {
                    tenant.tenant = keys.tenants[tenant.tenant as usize - 1];
                }
                into.reading(pool_key, &reading);
            }
            if at % SIGNAL_STEP_MS == 0 {
                self.fill_slow(into, pool_key, chunk.pool, at);
            }
            at += MINUTE_MS;
        }
    }

    fn fill_slow(&self, into: &mut Accumulator, pool_key: i32, pool: usize, at: Millis) {
        for (signal, milli) in self.signals(pool, at) {
            into.signal(pool_key, signal, at, milli);
        }
        for q in QUANTILES {
            if let Some(ms) = self.latency_ms(pool, at, q) {
                into.latency(pool_key, at, ms, 1);
            }
        }
    }

    /// The last `days`, handed to `sink` a chunk at a time.
    pub fn history(&self, days: i64, keys: &Keys, mut sink: impl FnMut(&Chunk, Accumulated)) {
        let mut accumulator = Accumulator::default();
        for chunk in self.chunks(days) {
            self.fill(&mut accumulator, keys, &chunk);
            sink(&chunk, accumulator.take());
        }
    }
}
