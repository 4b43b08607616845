//! Rows to measure with: a fleet of pools as an exporter would tell of it, minute by minute.
//!
//! Occupancy follows the day and wanders around it, reservations stand for hours, claims come and go by chance, and
//! pools that are full reject some. The same seed gives the same rows.

use std::io::Write;

use anyhow::Result;
use headroom_domain::range::rfc3339;
use headroom_domain::{DAY_MS, Millis};
use headroom_server::clock;
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;

/// Pools of the fleet that is imported and queried.
pub const POOLS: usize = 200;
/// Tenants in each pool.
pub const TENANTS_A_POOL: usize = 5;
/// Tenants in all; each is in some of the pools.
pub const TENANTS: usize = 40;
/// Rows a minute: a pool's own and its tenants'.
pub const ROWS_A_MINUTE: usize = POOLS * ROWS_A_POOL;
/// Rows of one pool at one instant.
pub const ROWS_A_POOL: usize = 1 + TENANTS_A_POOL;

/// How fast occupancy returns to what the time of day asks for, a part per minute.
const PULL: f64 = 0.05;
/// How far it wanders in a minute, as a part of its usual level.
const WANDER: f64 = 0.012;
/// Claims a minute for each occupied slot: slots are held for about ten minutes.
const CLAIMS_A_SLOT: f64 = 0.1;
/// Chance that a reservation changes in a minute: about twice a day.
const NEW_PROMISE: f64 = 1.0 / 720.0;

/// One row of an exporter.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Index of the pool.
    pub pool: usize,
    /// Index of the tenant; `None` in the pool's own row.
    pub tenant: Option<usize>,
    /// Configured slots, in the pool's own row.
    pub capacity: i64,
    /// Occupied slots.
    pub occupied: i64,
    /// Promised slots.
    pub reserved: i64,
    /// Claims of the minute.
    pub claims: i64,
    /// Of these, rejected.
    pub rejections: i64,
    /// P95 of the allocation latency in tenths of a millisecond, in the pool's own row.
    pub latency_tenths: i64,
}

#[derive(Debug)]
struct Pool {
    capacity: i64,
    /// When its day has its peak, as a part of a day.
    phase: f64,
    tenants: Vec<Tenant>,
}

#[derive(Debug)]
struct Tenant {
    index: usize,
    usual: f64,
    level: f64,
    reserved: i64,
}

/// Pools with their tenants, and where they stand.
#[derive(Debug)]
pub struct Fleet {
    chance: StdRng,
    pools: Vec<Pool>,
}

impl Fleet {
    /// A fleet of so many pools.
    pub fn new(seed: u64, pools: usize) -> Self {
        let mut chance = clock::seeded(seed);
        let pools = (0..pools)
            .map(|pool| {
                let capacity = 10 * chance.random_range(10..=150);
                // From half full to a little more than full at the peak.
                let busy = chance.random_range(0.5..1.02) * capacity as f64;
                let parts: Vec<f64> = (0..TENANTS_A_POOL).map(|_| chance.random_range(0.3..1.0)).collect();
                let whole: f64 = parts.iter().sum();
                let tenants = parts.iter().enumerate().map(|(place, part)| {
                    let usual = busy * part / whole;
                    let reserved = (usual * 0.6).round() as i64;
                    // Far enough apart that no tenant is in a pool twice.
                    let index = (pool + place * (TENANTS / TENANTS_A_POOL)) % TENANTS;
                    Tenant { index, usual, level: usual * 0.8, reserved }
                });
                Pool { capacity, phase: chance.random_range(0.4..0.7), tenants: tenants.collect() }
            })
            .collect();
        Self { chance, pools }
    }

    /// The rows of the minute that begins at `at`; minutes are asked for in order.
    pub fn minute(&mut self, at: Millis, rows: &mut Vec<Row>) {
        rows.clear();
        let time_of_day = at.rem_euclid(DAY_MS) as f64 / DAY_MS as f64;
        for (index, pool) in self.pools.iter_mut().enumerate() {
            let shape = 0.8 + 0.2 * (std::f64::consts::TAU * (time_of_day - pool.phase)).cos();
            let own = rows.len();
            let mut total = Row {
                pool: index,
                tenant: None,
                capacity: pool.capacity,
                occupied: 0,
                reserved: 0,
                claims: 0,
                rejections: 0,
                latency_tenths: 0,
            };
            rows.push(total);
            for tenant in &mut pool.tenants {
                let normal: f64 = self.chance.sample(StandardNormal);
                tenant.level += PULL * (tenant.usual * shape - tenant.level) + WANDER * tenant.usual * normal;
                if self.chance.random_bool(NEW_PROMISE) {
                    tenant.reserved = (tenant.usual * self.chance.random_range(0.3..0.9)).round() as i64;
                }
                let occupied = tenant.level.max(0.0).round() as i64;
                let rate = CLAIMS_A_SLOT * occupied as f64;
                let normal: f64 = self.chance.sample(StandardNormal);
                let claims = (rate + rate.sqrt() * normal).max(0.0).round() as i64;
                rows.push(Row { tenant: Some(tenant.index), occupied, reserved: tenant.reserved, claims, ..total });
                total.occupied += occupied;
                total.reserved += tenant.reserved;
                total.claims += claims;
            }
            if total.occupied >= pool.capacity {
                for row in &mut rows[own + 1..] {
                    row.rejections = row.claims / 4;
                    total.rejections += row.rejections;
                }
            }
            let load = total.occupied as f64 / pool.capacity as f64;
            let normal: f64 = self.chance.sample(StandardNormal);
            total.latency_tenths = (20.0 + 80.0 * load.powi(4) + 5.0 * normal).max(5.0) as i64;
            rows[own] = total;
        }
    }
}

/// A pool's slug.
pub fn pool_slug(pool: usize) -> String {
    format!("pool-{pool:03}")
}

/// A tenant's slug.
pub fn tenant_slug(tenant: usize) -> String {
    format!("tenant-{tenant:02}")
}

/// The columns of [`csv`].
pub const CSV_HEADER: &str = "ts,pool,tenant,capacity,occupied,reserved,claims,rejections,latency_p95_ms\n";

/// Slugs by index, made once.
#[derive(Debug)]
pub struct Slugs {
    pools: Vec<String>,
    tenants: Vec<String>,
}

impl Default for Slugs {
    fn default() -> Self {
        Self { pools: (0..POOLS).map(pool_slug).collect(), tenants: (0..TENANTS).map(tenant_slug).collect() }
    }
}

impl Slugs {
    fn tenant(&self, row: &Row) -> &str {
        row.tenant.map_or("", |tenant| &self.tenants[tenant])
    }

    /// Rows of one minute as CSV, without the header.
    pub fn csv(&self, at: Millis, rows: &[Row], out: &mut impl Write) -> Result<()> {
        let ts = rfc3339(at);
        for row in rows {
            let (pool, tenant) = (&self.pools[row.pool], self.tenant(row));
            let Row { capacity, occupied, reserved, claims, rejections, .. } = row;
            if row.tenant.is_some() {
                writeln!(out, "{ts},{pool},{tenant},,{occupied},{reserved},{claims},{rejections},")?;
            } else {
                let (whole, tenth) = (row.latency_tenths / 10, row.latency_tenths % 10);
                writeln!(out, "{ts},{pool},,{capacity},{occupied},{reserved},{claims},{rejections},{whole}.{tenth}")?;
            }
        }
        Ok(())
    }

    /// Rows of one minute as NDJSON.
    pub fn ndjson(&self, at: Millis, rows: &[Row], out: &mut impl Write) -> Result<()> {
        let ts = rfc3339(at);
        for row in rows {
            let (pool, tenant) = (&self.pools[row.pool], self.tenant(row));
            let Row { capacity, occupied, reserved, claims, rejections, .. } = row;
            write!(
                out,
                r#"{{"ts":"{ts}","pool":"{pool}","occupied":{occupied},"reserved":{reserved},"claims":{claims}"#
            )?;
            write!(out, r#","rejections":{rejections}"#)?;
            if row.tenant.is_some() {
                writeln!(out, r#","tenant":"{tenant}"}}"#)?;
            } else {
                let (whole, tenth) = (row.latency_tenths / 10, row.latency_tenths % 10);
                writeln!(out, r#","capacity":{capacity},"latency_p95_ms":{whole}.{tenth}}}"#)?;
            }
        }
        Ok(())
    }

    /// The tenants' occupied slots of one minute as OpenMetrics, the text that Prometheus imports.
    pub fn openmetrics(&self, at: Millis, rows: &[Row], out: &mut impl Write) -> Result<()> {
        let seconds = at / 1000;
        for row in rows.iter().filter(|row| row.tenant.is_some()) {
            let (pool, tenant, occupied) = (&self.pools[row.pool], self.tenant(row), row.occupied);
            writeln!(out, r#"occupied{{pool="{pool}",tenant="{tenant}"}} {occupied} {seconds}"#)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::MINUTE_MS;

    #[test]
    fn a_pool_is_the_sum_of_its_tenants_and_changes_slowly() {
        let mut fleet = Fleet::new(1, POOLS);
        let (mut before, mut rows) = (Vec::new(), Vec::new());
        for minute in 0..100 {
            fleet.minute(minute * MINUTE_MS, &mut rows);
            assert_eq!(rows.len(), ROWS_A_MINUTE);
            for pool in rows.chunks(ROWS_A_POOL) {
                assert_eq!(pool[0].occupied, pool[1..].iter().map(|row| row.occupied).sum::<i64>());
                assert!(pool[0].occupied < 2 * pool[0].capacity && pool[0].rejections <= pool[0].claims);
            }
            for (was, is) in before.iter().zip(&rows) {
                let (was, is): (&Row, &Row) = (was, is);
                assert!((was.occupied - is.occupied).abs() <= 2 + is.capacity / 8, "{was:?} {is:?}");
            }
            before.clone_from(&rows);
        }
    }

    #[test]
    fn rows_are_written_as_exporters_write_them() {
        let rows = [
            Row {
                pool: 7,
                tenant: None,
                capacity: 90,
                occupied: 5,
                reserved: 4,
                claims: 3,
                rejections: 0,
                latency_tenths: 21,
            },
            Row {
                pool: 7,
                tenant: Some(3),
                capacity: 90,
                occupied: 5,
                reserved: 4,
                claims: 3,
                rejections: 0,
                latency_tenths: 0,
            },
        ];
        let slugs = Slugs::default();
        let text = |write: &dyn Fn(&mut Vec<u8>) -> Result<()>| {
            let mut out = Vec::new();
            write(&mut out).expect("memory takes it");
            String::from_utf8(out).expect("it is text")
        };
        assert_eq!(
            text(&|out| slugs.csv(0, &rows, out)),
            "1970-01-01T00:00:00Z,pool-007,,90,5,4,3,0,2.1\n1970-01-01T00:00:00Z,pool-007,tenant-03,,5,4,3,0,\n"
        );
        assert_eq!(
            text(&|out| slugs.openmetrics(60_000, &rows, out)),
            "occupied{pool=\"pool-007\",tenant=\"tenant-03\"} 5 60\n"
        );
        let lines = text(&|out| slugs.ndjson(0, &rows, out));
        for line in lines.lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            assert_eq!(value["occupied"], 5);
        }
    }
}
