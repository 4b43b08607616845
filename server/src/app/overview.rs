//! The executive's question: do we have enough, are customers hurt, who uses it, what is wasted.

use super::trend::{self, Subject, Trend};
use super::window::Window;
use super::{App, Result};
use headroom_domain::fairness::{Wish, fair_shares};
use headroom_domain::occupancy::Sums;
use headroom_domain::series::{ceil, floor};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::change::Change;
use headroom_store::current::Totals;
use headroom_store::history::{self, ALL_POOLS, ALL_TENANTS};
use headroom_store::usage::{self, Wanted, WideSums};
use headroom_store::{change, current, pool, quota, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A pool that sent nothing for this long is left out of what is said about now.
pub const FRESH_MS: Millis = 5 * MINUTE_MS;
/// Tenants in the top list.
pub const TOP_TENANTS: usize = 5;

/// Everything the overview says.
#[derive(Debug)]
pub struct Overview {
    /// Pools in scope, archived ones left out.
    pub pools: i64,
    /// What the pools look like now.
    pub now: Totals,
    /// End of the newest sample.
    pub newest_ms: Option<Millis>,
    /// Configured slots now and planned-down slots now.
    pub capacity_now: (i64, i64),
    /// The same at the start of the window.
    pub capacity_before: (i64, i64),
    /// Occupancy over the window.
    pub trend: Trend,
    /// Sums of the window compared with; `None` if nothing is compared or nothing was observed.
    pub prior: Option<Sums>,
    /// Idle reservations in millionths of the currency; `None` if no pool has a price.
    pub waste_micros: Option<i128>,
    /// The heaviest tenants.
    pub top: Vec<TopTenant>,
    /// Tenants that used anything.
    pub tenants: i64,
    /// What happened meanwhile, newest first.
    pub changes: Vec<Change>,
    /// Pools that are silent, by slug, at most ten.
    pub silent: Vec<String>,
    /// Pools above their capacity now, slug and name, at most ten.
    pub over: Vec<(String, String)>,
    /// ISO 4217.
    pub currency: String,
}

/// A tenant among the heaviest.
#[derive(Debug, Clone, PartialEq)]
pub struct TopTenant {
    /// Slug.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Used slot time.
    pub occupied_slot_ms: i128,
    /// Part of all used slot time.
    pub share: Option<f64>,
    /// Average use ÷ sum of quotas.
    pub quota_use: Option<f64>,
    /// Highest hourly use ÷ sum of quotas.
    pub quota_peak: Option<f64>,
    /// Fair share ÷ sum of quotas.
    pub fair_share: Option<f64>,
}

impl App {
    /// The overview of a window.
    pub async fn overview(&self, window: &Window) -> Result<Overview> {
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let keys = window.pool_keys();
        let pools = keys.as_deref();
        let subject = Subject::of(window);

        let trend = trend::trend(conn, window, &subject).await?;
        let prior = match window.prior() {
            Some((from, to)) => {
                let step = trend::stored_step(&subject, to - from);
                Some(trend::series(conn, &subject, step, from, to).await?.total()).filter(|sums| !sums.is_empty())
            }
            None => None,
        };
        let (now, newest_ms) = current::totals(conn, pools, window.now_ms - FRESH_MS).await?;
        let at_end = window.to_ms.min(window.now_ms);
        let (top, tenants) = top_tenants(conn, window, &trend).await?;
        let currency = headroom_store::organisation::get(conn).await?.currency;
        let (silent, over) = if now.stale > 0 || now.full > 0 {
            exceptions(conn, pools, window.now_ms).await?
        } else {
            (Vec::new(), Vec::new())
        };
        let capacity_now = pool::capacity_at(conn, pools, at_end).await?;
        let capacity_before = pool::capacity_at(conn, pools, window.from_ms).await?;
        let changes = change::list(conn, pools, window.from_ms, window.to_ms, 50).await?;
        let count = match pools {
            Some(pools) => pools.len() as i64,
            None => pool::count(conn).await?,
        };
        let waste_micros = self.waste(conn, window).await?;
        Ok(Overview {
            pools: count,
            now,
            newest_ms,
            capacity_now,
            capacity_before,
            trend,
            prior,
            waste_micros,
            top,
            tenants,
            changes,
            silent,
            over,
            currency,
        })
    }

    /// What idle reservations of the window cost, to the whole UTC day, from a memory of at most a minute.
    async fn waste(&self, conn: &mut PgConnection, window: &Window) -> Result<Option<i128>> {
        let (from, to) = (floor(window.from_ms, DAY_MS), ceil(window.to_ms, DAY_MS));
        let key = (window.pool_keys(), window.tenant_keys(), from, to);
        if let Some(found) = self.money.get(&key) {
            return Ok(found);
        }
        let micros = waste_micros(conn, window, from, to).await?;
        self.money.put(key, micros);
        Ok(micros)
    }
}

async fn waste_micros(conn: &mut PgConnection, window: &Window, from: Millis, to: Millis) -> Result<Option<i128>> {
    let prices: BTreeMap<i32, i64> = match window.pool_keys() {
        Some(keys) => pool::by_keys(conn, &keys).await?,
        None => pool::list(conn, false).await?,
    }
    .into_iter()
    .filter_map(|p| p.fields.unit_cost_micros.map(|cost| (p.key, cost)))
    .collect();
    if prices.is_empty() {
        return Ok(None);
    }
    let wanted = Wanted {
        pools: Some(prices.keys().copied().collect()),
        tenants: Some(window.tenant_keys().unwrap_or_else(|| vec![ALL_TENANTS])),
    };
    let sums = usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default();
    let slot_ms_micros: i128 =
        sums.iter().map(|((pool, _), s)| s.reserved_idle_slot_ms * i128::from(prices[pool])).sum();
    Ok(Some(slot_ms_micros / i128::from(HOUR_MS)))
}

async fn top_tenants(conn: &mut PgConnection, window: &Window, trend: &Trend) -> Result<(Vec<TopTenant>, i64)> {
    let totals: BTreeMap<i32, WideSums> = match window.pool_keys() {
        None => usage::tenant_totals(conn, window.from_ms, window.to_ms).await?,
        Some(pools) => {
            let wanted = Wanted { pools: Some(pools), tenants: None };
            let (from, to) = (floor(window.from_ms, HOUR_MS), ceil(window.to_ms, HOUR_MS));
            let mut by_tenant: BTreeMap<i32, WideSums> = BTreeMap::new();
            for ((_, tenant), sums) in usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default() {
                if tenant != ALL_TENANTS {
                    by_tenant.entry(tenant).or_default().occupied_slot_ms += sums.occupied_slot_ms;
                }
            }
            by_tenant
        }
    };
    let asked = window.tenant_keys();
    let mut used: Vec<(i32, i128)> = totals
        .iter()
        .map(|(key, sums)| (*key, sums.occupied_slot_ms))
        .filter(|(key, used)| *used > 0 && asked.as_ref().is_none_or(|asked| asked.contains(key)))
        .collect();
    used.sort_by_key(|(key, used)| (-used, *key));
    let count = used.len() as i64;
    let all: i128 = totals.values().map(|s| s.occupied_slot_ms).sum();

    let span = observed_span(trend);
    let weights: HashMap<i32, i32> =
        tenant::list(conn, false).await?.into_iter().map(|t| (t.key, t.fields.weight)).collect();
    let mean = |slot_ms: i128| slot_ms as f64 / span.max(1) as f64;
    let wishes: Vec<Wish> = used
        .iter()
        .map(|(key, slot_ms)| Wish {
            weight: f64::from(weights.get(key).copied().unwrap_or(1)),
            demand: mean(*slot_ms),
        })
        .collect();
    // Everyone's fair part of the capacity if all asked for all of it: what a share is measured against.
    let capacity = trend.total().capacity_slot_ms as f64 / span.max(1) as f64;
    let unbounded: Vec<Wish> = wishes.iter().map(|w| Wish { demand: f64::MAX / 4.0, ..*w }).collect();
    let shares = fair_shares(capacity, &unbounded);

    let keys: Vec<i32> = used.iter().take(TOP_TENANTS).map(|(key, _)| *key).collect();
    let mut quotas: HashMap<i32, i64> = HashMap::new();
    for ((_, tenant), quota) in quota::list(conn, window.pool_keys().as_deref(), Some(&keys)).await? {
        *quotas.entry(tenant).or_default() += i64::from(quota.slots);
    }
    let pools = window.pool_keys().unwrap_or_else(|| vec![ALL_POOLS]);
    let mut peaks: HashMap<i32, f64> = HashMap::new();
    let step = headroom_domain::series::Step::Hour;
    for (series_key, series) in history::series(conn, step, &pools, &keys, window.from_ms, window.to_ms).await? {
        let most = series.points.iter().map(|p| p.occupied_slot_ms as f64 / HOUR_MS as f64).fold(0.0, f64::max);
        *peaks.entry(series_key.tenant).or_default() += most;
    }
    let names: HashMap<i32, (String, String)> = tenant::by_keys(conn, &keys)
        .await?
        .into_iter()
        .map(|t| (t.key, (t.fields.slug.to_string(), t.fields.name)))
        .collect();
    let top = used
        .iter()
        .zip(shares)
        .take(TOP_TENANTS)
        .map(|((key, slot_ms), share)| {
            let (slug, name) = names.get(key).cloned().unwrap_or_default();
            let quota = quotas.get(key).copied().filter(|q| *q > 0).map(|q| q as f64);
            TopTenant {
                slug,
                name,
                occupied_slot_ms: *slot_ms,
                share: WideSums::share(*slot_ms, all),
                quota_use: quota.map(|q| mean(*slot_ms) / q),
                quota_peak: quota.and_then(|q| peaks.get(key).map(|p| p / q)),
                fair_share: quota.map(|q| share / q),
            }
        })
        .collect();
    Ok((top, count))
}

/// Wall-clock time of a trend's points in which anything was observed.
pub(super) fn observed_span(trend: &Trend) -> Millis {
    trend.series.points.iter().filter(|p| p.observed_ms > 0).count() as i64 * trend.series.step_ms
}

/// Slugs of silent pools; slugs and names of pools over capacity.
type Exceptions = (Vec<String>, Vec<(String, String)>);

/// Silent pools, and pools over capacity: at most ten of each.
async fn exceptions(conn: &mut PgConnection, pools: Option<&[i32]>, now: Millis) -> Result<Exceptions> {
    const MOST: usize = 10;
    let values = current::list(conn, pools, Some(&[ALL_TENANTS])).await?;
    let silent: Vec<i32> = values.iter().filter(|v| v.at_ms < now - FRESH_MS).map(|v| v.pool).take(MOST).collect();
    let over: Vec<i32> = values
        .iter()
        .filter(|v| v.at_ms >= now - FRESH_MS && v.occupied > (v.capacity - v.planned_down).max(0))
        .map(|v| v.pool)
        .take(MOST)
        .collect();
    let named = |pools: Vec<pool::Pool>| pools.into_iter().map(|p| (p.fields.slug.to_string(), p.fields.name));
    Ok((
        named(pool::by_keys(conn, &silent).await?).map(|(slug, _)| slug).collect(),
        named(pool::by_keys(conn, &over).await?).collect(),
    ))
}

type MoneyKey = (Option<Vec<i32>>, Option<Vec<i32>>, Millis, Millis);

/// Money over whole days, remembered for a minute: the sums change slowly and thousands of pools
/// take longer to add up than a page may take.
#[derive(Debug, Default)]
pub struct MoneyCache {
    known: Mutex<HashMap<MoneyKey, (Instant, Option<i128>)>>,
}

impl MoneyCache {
    const FOR: Duration = Duration::from_mins(1);
    const MOST: usize = 1_000;

    #[expect(clippy::option_option, reason = "not remembered, and remembered as no price, are different answers")]
    fn get(&self, key: &MoneyKey) -> Option<Option<i128>> {
        let known = self.known.lock().ok()?;
        known.get(key).filter(|(since, _)| since.elapsed() < Self::FOR).map(|(_, micros)| *micros)
    }

    fn put(&self, key: MoneyKey, micros: Option<i128>) {
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= Self::MOST {
                known.clear();
            }
            known.insert(key, (Instant::now(), micros));
        }
    }
}
