//! The executive's question: do we have enough, are customers hurt, who uses it, what is wasted.

use super::trend::{self, Subject, Trend};
use super::window::Window;
use super::{App, Result};
use headroom_domain::access::Action;
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
    /// What the pools cost; `None` if none has a price or the viewer is not shown money.
    pub costs: Option<Costs>,
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

/// What the pools that have a price cost over a window, to the whole UTC day, in millionths of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// All their slots, used or not; `None` where some tenants are asked for, whose the slots are not.
    pub capacity_micros: Option<i128>,
    /// Idle reservations.
    pub waste_micros: i128,
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
    ///
    /// Its three parts are asked for side by side, each on a connection of its own that it gives back before it waits for
    /// another part: while the database works on one, another is decoded.
    pub async fn overview(&self, window: &Window) -> Result<Overview> {
        self.require(Action::See)?;
        let ((trend, prior), ranking, present) =
            tokio::try_join!(self.curve(window), self.ranking(window), self.present(window))?;
        let (top, tenants) = ranking.against(&trend);
        let Present { pools, now, capacity_now, capacity_before, costs, changes, silent, over, currency } = present;
        let newest_ms = now.newest.map(|at| at.timestamp_millis());
        Ok(Overview {
            pools,
            now,
            newest_ms,
            capacity_now,
            capacity_before,
            trend,
            prior,
            costs,
            top,
            tenants,
            changes,
            silent,
            over,
            currency,
        })
    }

    /// Occupancy over the window, and the sums of the window compared with.
    async fn curve(&self, window: &Window) -> Result<(Trend, Option<Sums>)> {
        let mut conn = self.db.pages.acquire().await?;
        let subject = Subject::of(window);
        let trend = trend::trend(&mut conn, window, &subject).await?;
        let prior = match window.prior() {
            Some((from, to)) => {
                let step = trend::stored_step(&subject, to - from);
                let sums = trend::series(&mut conn, &subject, step, from, to).await?.total();
                Some(sums).filter(|sums| !sums.is_empty())
            }
            None => None,
        };
        Ok((trend, prior))
    }

    async fn ranking(&self, window: &Window) -> Result<Ranking> {
        ranking(&mut *self.db.pages.acquire().await?, window).await
    }

    /// All but curve and ranking.
    async fn present(&self, window: &Window) -> Result<Present> {
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let keys = window.pool_keys();
        let pools = keys.as_deref();
        let since = window.now_ms - FRESH_MS;
        let mut now = current::totals(conn, pools, since).await?;
        // Beside a curve of some tenants stands what these tenants have now.
        if let Some(tenants) = window.tenant_keys() {
            now.occupied = current::occupied_by(conn, pools, &tenants, since).await?;
        }
        let at_end = window.to_ms.min(window.now_ms);
        let named = |pools: Vec<pool::Pool>| pools.into_iter().map(|p| (p.fields.slug.to_string(), p.fields.name));
        let silent = named(pool::by_keys(conn, &now.silent).await?).map(|(slug, _)| slug).collect();
        let over = named(pool::by_keys(conn, &now.over).await?).collect();
        let (count, capacity_now, capacity_before) = match pools {
            Some(named) => (
                named.len() as i64,
                pool::capacity_at(conn, pools, at_end).await?,
                pool::capacity_at(conn, pools, window.from_ms).await?,
            ),
            None => {
                let catalog = self.names.get(conn).await?;
                (catalog.pools_total, catalog.capacity_at(at_end), catalog.capacity_at(window.from_ms))
            }
        };
        let organisation = headroom_store::organisation::get(conn).await?;
        let costs = if self.sees_money(&organisation) { self.costs(conn, window).await? } else { None };
        Ok(Present {
            pools: count,
            now,
            capacity_now,
            capacity_before,
            costs,
            changes: self.caller.told(change::list(conn, pools, window.from_ms, window.to_ms, 50).await?),
            silent,
            over,
            currency: organisation.currency,
        })
    }

    /// What the pools of the window cost, from a memory of at most a minute.
    async fn costs(&self, conn: &mut PgConnection, window: &Window) -> Result<Option<Costs>> {
        let (from, to) = (floor(window.from_ms, DAY_MS), ceil(window.to_ms, DAY_MS));
        let key = (window.pool_keys(), window.tenant_keys(), from, to);
        if let Some(found) = self.money.get(&key) {
            return Ok(found);
        }
        let costs = costs(conn, window, from, to).await?;
        self.money.put(key, costs);
        Ok(costs)
    }
}

async fn costs(conn: &mut PgConnection, window: &Window, from: Millis, to: Millis) -> Result<Option<Costs>> {
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
    let tenants = window.tenant_keys();
    let wanted = Wanted {
        pools: Some(prices.keys().copied().collect()),
        tenants: Some(tenants.clone().unwrap_or_else(|| vec![ALL_TENANTS])),
    };
    let sums = usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default();
    let micros = |slot_ms: fn(&WideSums) -> i128| {
        let all: i128 = sums.iter().map(|((pool, _), s)| slot_ms(s) * i128::from(prices[pool])).sum();
        all / i128::from(HOUR_MS)
    };
    Ok(Some(Costs {
        capacity_micros: tenants.is_none().then(|| micros(|s| s.capacity_slot_ms)),
        waste_micros: micros(|s| s.reserved_idle_slot_ms),
    }))
}

/// All of an overview but its curve and ranking; the fields are the overview's.
struct Present {
    pools: i64,
    now: Totals,
    capacity_now: (i64, i64),
    capacity_before: (i64, i64),
    costs: Option<Costs>,
    changes: Vec<Change>,
    silent: Vec<String>,
    over: Vec<(String, String)>,
    currency: String,
}

/// Who used how much, as the database tells it.
struct Ranking {
    /// Used slot time by tenant, those asked for, most first.
    used: Vec<(i32, i128)>,
    /// Used slot time of everybody.
    all: i128,
    /// Weights in fair sharing by tenant.
    weights: HashMap<i32, i32>,
    /// Slug, name, quotas and highest hourly use of the first [`TOP_TENANTS`].
    top: HashMap<i32, (String, String, i64, f64)>,
}

async fn ranking(conn: &mut PgConnection, window: &Window) -> Result<Ranking> {
    let totals: BTreeMap<i32, i128> = match window.pool_keys() {
        None => usage::tenant_use(conn, window.from_ms, window.to_ms).await?,
        Some(pools) => {
            let wanted = Wanted { pools: Some(pools), tenants: None };
            let (from, to) = (floor(window.from_ms, HOUR_MS), ceil(window.to_ms, HOUR_MS));
            let mut by_tenant: BTreeMap<i32, i128> = BTreeMap::new();
            for ((_, tenant), sums) in usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default() {
                if tenant != ALL_TENANTS {
                    *by_tenant.entry(tenant).or_default() += sums.occupied_slot_ms;
                }
            }
            by_tenant
        }
    };
    let asked = window.tenant_keys();
    let all = totals.values().sum();
    let mut used: Vec<(i32, i128)> = totals
        .into_iter()
        .filter(|(key, used)| *used > 0 && asked.as_ref().is_none_or(|asked| asked.contains(key)))
        .collect();
    used.sort_by_key(|(key, used)| (-used, *key));
    let weights = tenant::list(conn, false).await?.into_iter().map(|t| (t.key, t.fields.weight)).collect();

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
    let found = tenant::by_keys(conn, &keys).await?.into_iter().map(|t| {
        let (quota, peak) = (quotas.get(&t.key).copied(), peaks.get(&t.key).copied());
        (t.key, (t.fields.slug.to_string(), t.fields.name, quota.unwrap_or_default(), peak.unwrap_or_default()))
    });
    Ok(Ranking { used, all, weights, top: found.collect() })
}

impl Ranking {
    /// The heaviest tenants beside the capacity there was, and how many used anything.
    fn against(&self, trend: &Trend) -> (Vec<TopTenant>, i64) {
        let span = observed_span(trend);
        let mean = |slot_ms: i128| slot_ms as f64 / span.max(1) as f64;
        // Everyone's fair part of the capacity if all asked for all of it: what a share is measured against.
        let capacity = trend.total().capacity_slot_ms as f64 / span.max(1) as f64;
        let unbounded: Vec<Wish> = self
            .used
            .iter()
            .map(|(key, _)| Wish {
                weight: f64::from(self.weights.get(key).copied().unwrap_or(1)),
                demand: f64::MAX / 4.0,
            })
            .collect();
        let shares = fair_shares(capacity, &unbounded);
        let top = self.used.iter().zip(shares).take(TOP_TENANTS).map(|((key, slot_ms), share)| {
            let (slug, name, quota, peak) = self.top.get(key).cloned().unwrap_or_default();
            let quota = Some(quota).filter(|q| *q > 0).map(|q| q as f64);
            TopTenant {
                slug,
                name,
                occupied_slot_ms: *slot_ms,
                share: WideSums::share(*slot_ms, self.all),
                quota_use: quota.map(|q| mean(*slot_ms) / q),
                quota_peak: quota.map(|q| peak / q),
                fair_share: quota.map(|q| share / q),
            }
        });
        (top.collect(), self.used.len() as i64)
    }
}

/// Wall-clock time of a trend's points in which anything was observed.
pub(super) fn observed_span(trend: &Trend) -> Millis {
    trend.series.points.iter().filter(|p| p.observed_ms > 0).count() as i64 * trend.series.step_ms
}

type MoneyKey = (Option<Vec<i32>>, Option<Vec<i32>>, Millis, Millis);

/// Money over whole days, remembered for a minute: the sums change slowly and thousands of pools
/// take longer to add up than a page may take.
#[derive(Debug, Default)]
pub struct MoneyCache {
    known: Mutex<HashMap<MoneyKey, (Instant, Option<Costs>)>>,
}

impl MoneyCache {
    const FOR: Duration = Duration::from_mins(1);
    const MOST: usize = 1_000;

    #[expect(clippy::option_option, reason = "not remembered, and remembered as no price, are different answers")]
    fn get(&self, key: &MoneyKey) -> Option<Option<Costs>> {
        let known = self.known.lock().ok()?;
        known.get(key).filter(|(since, _)| since.elapsed() < Self::FOR).map(|(_, costs)| *costs)
    }

    fn put(&self, key: MoneyKey, costs: Option<Costs>) {
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= Self::MOST {
                known.clear();
            }
            known.insert(key, (Instant::now(), costs));
        }
    }
}
