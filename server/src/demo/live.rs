//! Live samples: the same curves, a few seconds at a time.

use super::world::World;
use headroom_domain::Millis;

/// How often a live sample is sent.
pub(super) const PERIOD_MS: Millis = 10_000;

/// One line of a live sample: a pool as a whole, or one tenant in it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRow {
    /// Slug of the pool.
    pub pool: &'static str,
    /// Slug of the tenant; `None` = the pool as a whole.
    pub tenant: Option<&'static str>,
    /// Start.
    pub ts_ms: Millis,
    /// How long the values hold.
    pub duration_ms: Millis,
    /// Configured slots; of the pool's own row only.
    pub capacity: Option<i64>,
    /// Of these, taken out on purpose; of the pool's own row only.
    pub planned_down: Option<i64>,
    /// Occupied slots.
    pub occupied: i64,
    /// Promised slots.
    pub reserved: i64,
    /// Claims within the duration.
    pub claims: i64,
    /// Of these, rejected.
    pub rejections: i64,
    /// Of these, served after waiting.
    pub waited: i64,
    /// Milliseconds spent waiting.
    pub queue_ms: i64,
    /// P95 of answering a claim; of the pool's own row only.
    pub latency_p95_ms: Option<f64>,
    /// Name and value of the extra signals; of the pool's own row only.
    pub signals: Vec<(&'static str, f64)>,
}

impl World {
    /// What is sent at an instant, for ten seconds from there: of each pool its own row and then its tenants', whose
    /// slots and claims add up to the pool's. Nothing for a pool that is silent.
    pub fn live_rows(&self, at_ms: Millis) -> Vec<LiveRow> {
        (0..self.pools.len()).flat_map(|pool| self.live_rows_of(pool, at_ms)).collect()
    }

    /// The same for one pool.
    pub fn live_rows_of(&self, pool: usize, at_ms: Millis) -> Vec<LiveRow> {
        let Some(reading) = self.reading(pool, at_ms, PERIOD_MS) else { return Vec::new() };
        let described = &self.pools[pool];
        let mut own = LiveRow {
            pool: described.slug,
            tenant: None,
            ts_ms: at_ms,
            duration_ms: PERIOD_MS,
            capacity: self.capacity(pool, at_ms).map(|c| c.0),
            planned_down: self.capacity(pool, at_ms).map(|c| c.1),
            occupied: reading.occupied(),
            reserved: reading.reserved(),
            claims: 0,
            rejections: 0,
            waited: 0,
            queue_ms: 0,
            latency_p95_ms: self.latency_ms(pool, at_ms, 0.95),
            signals: described
                .signals
                .iter()
                .zip(self.signals(pool, at_ms))
                .map(|(signal, (_, milli))| (signal.name, milli as f64 / 1000.0))
                .collect(),
        };
        let mut rows = Vec::with_capacity(reading.tenants.len() + 1);
        for tenant in &reading.tenants {
            let counters = tenant.counters;
            own.claims += counters.claims;
            own.rejections += counters.rejections;
            own.waited += counters.waited;
            own.queue_ms += counters.queue_ms;
            rows.push(LiveRow {
                tenant: Some(self.tenants[tenant.tenant as usize - 1].slug),
                capacity: None,
                planned_down: None,
                occupied: tenant.occupied,
                reserved: tenant.reserved,
                claims: counters.claims,
                rejections: counters.rejections,
                waited: counters.waited,
                queue_ms: counters.queue_ms,
                latency_p95_ms: None,
                signals: Vec::new(),
                ..own.clone()
            });
        }
        rows.insert(0, own);
        rows
    }
}
