//! The week ahead at the grain of days: what each pool is expected to want at the most, beside what there is and what is promised.

use super::super::Result;
use super::refresh::{capacity_least, promised};
use super::{FEWEST_DAYS, Said};
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::online::{LEVELS, MEDIAN};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::forecast;
use headroom_store::pool::{self, CapacityStep};
use headroom_store::promise::{self, Stored};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Days of an outlook.
pub const OUTLOOK_DAYS: usize = 7;
/// A forecast that is older says nothing of the days to come.
const FRESH_MS: Millis = DAY_MS;

/// A day of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Day {
    /// Its start, UTC.
    pub from_ms: Millis,
    /// The most that is wanted at once, as likely more as less; none if too little is known.
    pub median: Option<f64>,
    /// The same in one of twenty cases.
    pub p95: Option<f64>,
    /// Slots in service, the least of the day.
    pub capacity: i64,
    /// Slots that are promised, the most of the day.
    pub promised: i64,
}

impl Day {
    /// More may be wanted, or is promised, than there is.
    pub fn is_short(&self) -> bool {
        self.promised > self.capacity || self.p95.is_some_and(|p95| p95 > self.capacity as f64)
    }
}

/// The week ahead of a pool.
#[derive(Debug, Clone)]
pub struct PoolOutlook {
    /// The pool's key.
    pub pool: i32,
    /// Its slug.
    pub slug: String,
    /// Days from tomorrow on.
    pub days: Vec<Day>,
    /// When it is full; none without a forecast.
    pub exhaustion: Option<Exhaustion>,
}

/// The week ahead of all pools that are not archived, by slug.
pub async fn outlook(conn: &mut PgConnection, now: Millis) -> Result<Vec<PoolOutlook>> {
    let from = (now.div_euclid(DAY_MS) + 1) * DAY_MS;
    let to = from + OUTLOOK_DAYS as Millis * DAY_MS;
    let pools = pool::list(conn, false).await?;
    let mut found: BTreeMap<i32, Said> = forecast::newest::<Said>(conn, None, false)
        .await?
        .into_iter()
        .filter(|found| now - found.hour_ms < FRESH_MS)
        .map(|found| (found.pool, found.said))
        .collect();
    let steps = pool::capacity(conn, None).await?;
    let mut promises: BTreeMap<i32, Vec<Stored>> = BTreeMap::new();
    for one in promise::during(conn, None, None, from, to).await? {
        promises.entry(one.reservation.pool).or_default().push(one);
    }
    let of_pool = |pool: pool::Pool| {
        let said = found.remove(&pool.key);
        let steps: &[CapacityStep] = steps.get(&pool.key).map_or(&[], Vec::as_slice);
        let promised = promised(promises.get(&pool.key).map_or(&[], Vec::as_slice), from, DAY_MS, OUTLOOK_DAYS);
        let foreseen = said.as_ref().filter(|said| said.known_hours >= FEWEST_DAYS * 24);
        let at = |place: usize, day: usize| {
            let said = foreseen?;
            // The days of a forecast begin with that in which it was made.
            let passed = from.div_euclid(DAY_MS) - said.outlook.from_hour.div_euclid(24);
            said.daily.quantiles.get(place)?.get(day + usize::try_from(passed).ok()?).copied()
        };
        let p95 = LEVELS.iter().position(|level| (level - 0.95).abs() < 1e-9).unwrap_or(LEVELS.len() - 1);
        let days = promised.into_iter().enumerate().map(|(day, promised)| {
            let from_ms = from + day as Millis * DAY_MS;
            Day {
                from_ms,
                median: at(MEDIAN, day),
                p95: at(p95, day),
                capacity: capacity_least(steps, from_ms, from_ms + DAY_MS),
                promised,
            }
        });
        PoolOutlook {
            pool: pool.key,
            slug: pool.fields.slug.to_string(),
            days: days.collect(),
            exhaustion: said.as_ref().map(|said| said.exhaustion),
        }
    };
    Ok(pools.into_iter().map(of_pool).collect())
}
