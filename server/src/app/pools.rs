//! Pools: the list, one pool, and every change to it.

use super::caller::Caller;
use super::overview::FRESH_MS;
use super::trend::{Subject, Trend, peak, trend};
use super::window::{Window, not_found};
use super::{App, AppError, Problem, Result};
use crate::{clock, zones};
use headroom_domain::access::Action;
use headroom_domain::change::ChangeKind;
use headroom_domain::fairness::{Wish, fair_shares};
use headroom_domain::occupancy::Sums;
use headroom_domain::pool::{MAX_LABELS, MAX_SERVICES, effective};
use headroom_domain::range::rfc3339;
use headroom_domain::series::{Series, Step, ceil, floor};
use headroom_domain::slug::{Slug, check_name};
use headroom_domain::{DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS, MAX_SLOTS, Millis};
use headroom_store::audit::{self, Actor, Entry};
use headroom_store::change::Change;
use headroom_store::current::Current;
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::pool::{CapacityStep, Pool, PoolFields};
use headroom_store::quota::Quota;
use headroom_store::usage::{self, Wanted};
use headroom_store::{change, current, organisation, pool, promise, quota, signal, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Longest endpoint of a service, in characters.
const MAX_ENDPOINT: usize = 200;
/// Highest price of a slot for an hour: a million of the currency.
const MAX_UNIT_COST_MICROS: i64 = 1_000_000_000_000;

/// A pool in the list, with what it looks like now.
#[derive(Debug, Clone)]
pub struct PoolNow {
    /// The pool.
    pub pool: Pool,
    /// Its last values; `None` if it never sent any.
    pub current: Option<Current>,
    /// Whether something is expected from it and did not come.
    pub stale: bool,
    /// Configured and planned-down slots now, by its capacity history.
    pub capacity: Option<(i64, i64)>,
}

impl PoolNow {
    /// Effective capacity now.
    pub fn effective(&self) -> Option<i64> {
        self.capacity.map(|(configured, down)| effective(configured, down))
    }

    /// Occupied slots now; `None` where nothing is known about now.
    pub fn occupied(&self) -> Option<i64> {
        self.current.as_ref().filter(|_| !self.stale).map(|c| i64::from(c.occupied))
    }

    /// Occupancy now.
    pub fn occupancy(&self) -> Option<f64> {
        headroom_domain::occupancy::ratio(self.occupied()?, self.effective()?)
    }
}

/// What a window says about a pool in a list.
#[derive(Debug, Clone, Default)]
pub struct PoolWindow {
    /// Sums over the window's whole days.
    pub sums: Sums,
    /// Highest occupancy and when.
    pub peak: Option<(f64, Millis)>,
    /// The series itself, for small multiples.
    pub series: Option<Series>,
}

/// Everything about one pool over a window.
#[derive(Debug)]
pub struct PoolDetail {
    /// The pool now.
    pub now: PoolNow,
    /// Its curve.
    pub trend: Trend,
    /// Changes around it, newest first.
    pub changes: Vec<Change>,
    /// Its capacity steps, oldest first.
    pub steps: Vec<CapacityStep>,
    /// Reserved and unused slots now.
    pub reserved_idle: Option<i64>,
    /// Tenants that used it in the window.
    pub tenants: i64,
}

/// One tenant's use of one pool over a window.
#[derive(Debug, Clone)]
pub struct TenantUse {
    /// The tenant's (or, in a tenant's list, the pool's) slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Slots in use now.
    pub used: Option<i64>,
    /// Its quota.
    pub quota: Option<i64>,
    /// Slots promised now.
    pub reserved: Option<i64>,
    /// Its fair part of the pool, slots.
    pub fair_share: Option<f64>,
    /// Sums over the window, to the hour.
    pub sums: usage::WideSums,
    /// Part of the pool's used slot time.
    pub share: Option<f64>,
}

impl App {
    /// All pools with their present values. The list is small enough to be sorted in memory: 10,000 pools
    /// are two indexed reads.
    pub async fn pools(&self, window: &Window, archived: bool) -> Result<Vec<PoolNow>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let pools = match window.pool_keys() {
            Some(keys) => pool::by_keys(conn, &keys).await?,
            None => pool::list(conn, archived).await?,
        };
        let pools = self.without_hidden_prices(conn, pools).await?;
        let mut values: HashMap<i32, Current> =
            current::list(conn, None, Some(&[ALL_TENANTS])).await?.into_iter().map(|c| (c.pool, c)).collect();
        let steps = pool::capacity(conn, None).await?;
        let empty = Vec::new();
        Ok(pools
            .into_iter()
            .map(|p| {
                let steps = steps.get(&p.key).unwrap_or(&empty);
                let current = values.remove(&p.key);
                now_of(p, current, steps, window.now_ms)
            })
            .collect())
    }

    /// What the window says about some pools: sums and peaks, for the rows of one page.
    pub async fn pools_window(&self, window: &Window, keys: &[i32]) -> Result<HashMap<i32, PoolWindow>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = history::series(&mut conn, Step::Hour, keys, &[ALL_TENANTS], window.from_ms, window.to_ms).await?;
        Ok(found
            .into_iter()
            .map(|(key, series)| {
                (key.pool, PoolWindow { sums: series.total(), peak: peak(&series), series: Some(series) })
            })
            .collect())
    }

    /// A pool by its slug; a former slug is `Moved`.
    pub async fn pool(&self, slug: &str) -> Result<Pool> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        self.shown(&mut conn, slug).await
    }

    /// A pool as the caller may see it.
    async fn shown(&self, conn: &mut PgConnection, slug: &str) -> Result<Pool> {
        let mut found = find(conn, &self.caller, slug).await?;
        if found.fields.unit_cost_micros.is_some() && !self.may_see_prices(conn).await? {
            found.fields.unit_cost_micros = None;
        }
        Ok(found)
    }

    /// One pool over a window.
    pub async fn pool_detail(&self, slug: &str, window: &Window) -> Result<PoolDetail> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let found = self.shown(conn, slug).await?;
        let key = found.key;
        let mut steps = pool::capacity(conn, Some(&[key])).await?.remove(&key).unwrap_or_default();
        if !self.caller.reads_remarks() {
            for step in &mut steps {
                step.reason.clear();
                step.actor.clear();
            }
        }
        let values = current::list(conn, Some(&[key]), None).await?;
        let own = values.iter().find(|c| c.tenant == ALL_TENANTS).cloned();
        let idle: i64 = values
            .iter()
            .filter(|c| c.tenant != ALL_TENANTS)
            .map(|c| i64::from((c.reserved - c.occupied).max(0)))
            .sum();
        let now = now_of(found, own, &steps, window.now_ms);
        let subject = Subject { tenants: window.tenant_keys(), ..Subject::pool(key) };
        let curve = trend(conn, window, &subject).await?;
        let changes = self.caller.told(change::list(conn, Some(&[key]), window.from_ms, window.to_ms, 200).await?);
        let tenants = uses(conn, window, Wanted { pools: Some(vec![key]), tenants: None }).await?;
        Ok(PoolDetail {
            reserved_idle: (!now.stale && now.current.is_some()).then_some(idle),
            now,
            trend: curve,
            changes,
            steps,
            tenants: tenants
                .keys()
                .filter(|(_, tenant)| *tenant != ALL_TENANTS && self.caller.sees_tenant(*tenant))
                .count() as i64,
        })
    }

    /// Who used a pool over a window.
    pub async fn pool_tenants(&self, key: i32, window: &Window) -> Result<Vec<TenantUse>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let sums = uses(conn, window, Wanted { pools: Some(vec![key]), tenants: None }).await?;
        let whole = sums.get(&(key, ALL_TENANTS)).copied().unwrap_or_default();
        let quotas = quota::list(conn, Some(&[key]), None).await?;
        let promised = promised_now(conn, Some(&[key]), None, window.now_ms).await?;
        let values: HashMap<i32, Current> =
            current::list(conn, Some(&[key]), None).await?.into_iter().map(|c| (c.tenant, c)).collect();
        let tenants = tenant::list(conn, true).await?;
        let capacity = usage::WideSums::share(whole.capacity_slot_ms, whole.observed_ms).unwrap_or_default();
        let active: Vec<_> = tenants.iter().filter(|t| sums.contains_key(&(key, t.key))).collect();
        let wishes: Vec<Wish> =
            active.iter().map(|t| Wish { weight: f64::from(t.fields.weight), demand: f64::MAX / 4.0 }).collect();
        let shares = fair_shares(capacity, &wishes);
        Ok(active
            .into_iter()
            .zip(shares)
            .filter(|(t, _)| self.caller.sees_tenant(t.key))
            .map(|(t, fair)| {
                let s = sums[&(key, t.key)];
                TenantUse {
                    slug: t.fields.slug.to_string(),
                    name: t.fields.name.clone(),
                    used: values.get(&t.key).filter(|c| c.at_ms >= window.now_ms - FRESH_MS).map(|c| c.occupied.into()),
                    quota: quotas.get(&(key, t.key)).map(|q| q.slots.into()),
                    reserved: promised.get(&(key, t.key)).copied(),
                    fair_share: (fair > 0.0).then_some(fair),
                    share: usage::WideSums::share(s.occupied_slot_ms, whole.occupied_slot_ms),
                    sums: s,
                }
            })
            .collect())
    }

    /// Quotas and reservations of a pool: (tenant slug, name, quota), and reservations from now on.
    pub async fn pool_policy(
        &self,
        key: i32,
        now: Millis,
    ) -> Result<(Vec<(String, String, Quota)>, Vec<(String, String, promise::Stored)>)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let names: HashMap<i32, (String, String)> = tenant::list(conn, true)
            .await?
            .into_iter()
            .map(|t| (t.key, (t.fields.slug.to_string(), t.fields.name)))
            .collect();
        let name = |key: i32| names.get(&key).cloned().unwrap_or_default();
        let quotas = quota::list(conn, Some(&[key]), None).await?;
        let reservations = promise::during(conn, Some(&[key]), None, now, LATEST_MS).await?;
        Ok((
            quotas
                .into_iter()
                .filter(|((_, tenant), _)| self.caller.sees_tenant(*tenant))
                .map(|((_, tenant), quota)| (name(tenant).0, name(tenant).1, quota))
                .collect(),
            reservations
                .into_iter()
                .filter(|r| self.caller.sees_tenant(r.reservation.tenant))
                .map(|r| (name(r.reservation.tenant).0, name(r.reservation.tenant).1, r))
                .collect(),
        ))
    }

    /// Names of a pool's extra signals.
    pub async fn pool_signals(&self, key: i32) -> Result<Vec<signal::Signal>> {
        self.require(Action::See)?;
        Ok(signal::list(&mut *self.db.pages.acquire().await?, Some(key)).await?)
    }

    /// Makes a pool with its first capacity step.
    pub async fn create_pool(&self, fields: &PoolFields, step: &CapacityStep) -> Result<Pool> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        check(fields)?;
        check_step(step)?;
        let step = &CapacityStep { actor: self.caller.actor.name.clone(), ..step.clone() };
        let mut tx = self.db.pages.begin().await?;
        self.price_after(&mut tx, None, fields.unit_cost_micros).await?;
        ensure_places(&mut tx, fields).await?;
        let id = clock::uuid();
        let key = pool::create(&mut tx, id, fields).await?;
        pool::set_capacity(&mut tx, key, step).await?;
        let after =
            serde_json::json!({ "pool": fields, "capacity": step.configured, "planned_down": step.planned_down });
        record(&mut tx, &self.caller.actor, "create", (fields.slug.as_str(), id), None, Some(after), &step.reason)
            .await?;
        tx.commit().await?;
        self.pool(fields.slug.as_str()).await
    }

    /// Replaces what is said about a pool, if it is still at `version`.
    pub async fn update_pool(&self, slug: &str, version: i32, fields: &PoolFields) -> Result<Pool> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        check(fields)?;
        let mut tx = self.db.pages.begin().await?;
        let before = find_for_update(&mut tx, &self.caller, slug).await?;
        let price = self.price_after(&mut tx, before.fields.unit_cost_micros, fields.unit_cost_micros).await?;
        let fields = &PoolFields { unit_cost_micros: price, ..fields.clone() };
        ensure_places(&mut tx, fields).await?;
        pool::update(&mut tx, &before, version, fields).await?;
        let (old, new) = (serde_json::to_value(&before.fields), serde_json::to_value(fields));
        record(&mut tx, &self.caller.actor, "update", (fields.slug.as_str(), before.id), old.ok(), new.ok(), "")
            .await?;
        tx.commit().await?;
        self.pool(fields.slug.as_str()).await
    }

    /// Sets a pool's capacity from an instant on; the step is drawn on its timelines. A capacity below what is promised is refused
    /// unless it is to be set `despite` that: what is lost is lost.
    pub async fn set_capacity(&self, slug: &str, step: &CapacityStep, despite: bool) -> Result<()> {
        let mut tx = self.db.pages.begin().await?;
        self.set_capacity_in(&mut tx, slug, step, despite).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The same within the caller's transaction.
    pub(super) async fn set_capacity_in(
        &self,
        tx: &mut PgConnection,
        slug: &str,
        step: &CapacityStep,
        despite: bool,
    ) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        check_step(step)?;
        let step = &CapacityStep { actor: self.caller.actor.name.clone(), ..step.clone() };
        // The plan's row before the pool's, as publishing takes them: nobody waits for each other in a circle.
        let key = find(tx, &self.caller, slug).await?.key;
        let plan = headroom_store::plan::lock(tx, key).await?;
        let found = find_for_update(tx, &self.caller, slug).await?;
        let steps = pool::capacity(tx, Some(&[found.key])).await?.remove(&found.key).unwrap_or_default();
        let before = pool::step_at(&steps, step.from_ms).cloned();
        if !despite {
            self.check_capacity(tx, &found, plan, &steps, step).await?;
        }
        pool::set_capacity(tx, found.key, step).await?;
        let title = before.as_ref().map_or_else(
            || format!("capacity set to {}", step.configured),
            |b| match (b.configured == step.configured, b.planned_down == step.planned_down) {
                (true, true) => format!("capacity confirmed at {}", step.configured),
                (true, false) => format!("planned-down {} → {}", b.planned_down, step.planned_down),
                (false, _) => format!("capacity {} → {}", b.configured, step.configured),
            },
        );
        let change = Change {
            at_ms: step.from_ms,
            kind: ChangeKind::Scale,
            pool: Some(found.key),
            title,
            url: String::new(),
            source: "headroom".into(),
            actor: self.caller.actor.name.clone(),
        };
        change::record(tx, &[(clock::uuid(), change)]).await?;
        let old = before.and_then(|b| serde_json::to_value(b).ok());
        let new = serde_json::to_value(step).ok();
        record(tx, &self.caller.actor, "set-capacity", (slug, found.id), old, new, &step.reason).await?;
        Ok(())
    }

    /// Archives a pool, or brings it back. Its history stays either way.
    pub async fn archive_pool(&self, slug: &str, archived: bool) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find_for_update(&mut tx, &self.caller, slug).await?;
        if found.archived_ms.is_some() != archived {
            pool::set_archived(&mut tx, found.key, archived).await?;
            let action = if archived { "archive" } else { "restore" };
            record(&mut tx, &self.caller.actor, action, (slug, found.id), None, None, "").await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Sets or removes a tenant's quota in a pool.
    pub async fn set_quota(&self, pool_slug: &str, tenant_slug: &str, slots: Option<i32>) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, &self.caller, pool_slug).await?;
        let tenant = super::tenants::find(&mut tx, &self.caller, tenant_slug)
            .await
            .map_err(|error| named_otherwise("tenant", error))?;
        let before =
            quota::list(&mut tx, Some(&[found.key]), Some(&[tenant.key])).await?.remove(&(found.key, tenant.key));
        quota::set(&mut tx, found.key, tenant.key, slots).await?;
        let value =
            |slots: Option<i32>| slots.map(|slots| serde_json::json!({ "tenant": tenant_slug, "slots": slots }));
        let (old, new) = (value(before.map(|q| q.slots)), value(slots));
        record(&mut tx, &self.caller.actor, "set-quota", (pool_slug, found.id), old, new, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Owners and regions known so far, offered while typing.
    pub async fn known_owners_and_regions(&self) -> Result<(Vec<String>, Vec<String>)> {
        self.require(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let mut owners: Vec<String> = pool::list(&mut conn, false).await?.into_iter().map(|p| p.fields.owner).collect();
        owners.extend(tenant::list(&mut conn, false).await?.into_iter().map(|t| t.fields.owner));
        owners.retain(|o| !o.is_empty());
        owners.sort();
        owners.dedup();
        owners.truncate(100);
        Ok((owners, organisation::regions(&mut conn).await?))
    }
}

/// Sums of series over the window, widened to whole hours.
pub(super) async fn uses(
    conn: &mut PgConnection,
    window: &Window,
    wanted: Wanted,
) -> Result<BTreeMap<(i32, i32), usage::WideSums>> {
    let (from, to) = (floor(window.from_ms, HOUR_MS), ceil(window.to_ms, HOUR_MS));
    Ok(usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default())
}

/// Slots promised now by (pool, tenant).
pub(super) async fn promised_now(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
    now: Millis,
) -> Result<HashMap<(i32, i32), i64>> {
    let mut out: HashMap<(i32, i32), i64> = HashMap::new();
    for r in promise::during(conn, pools, tenants, now, now + 1).await? {
        *out.entry((r.reservation.pool, r.reservation.tenant)).or_default() += r.reservation.baseline;
    }
    Ok(out)
}

fn now_of(pool: Pool, current: Option<Current>, steps: &[CapacityStep], now: Millis) -> PoolNow {
    let step = headroom_store::pool::step_at(steps, now);
    let capacity = step
        .map(|s| (i64::from(s.configured), i64::from(s.planned_down)))
        .or_else(|| current.as_ref().map(|c| (i64::from(c.capacity), i64::from(c.planned_down))));
    let patience = pool.fields.feed_period_ms.map_or(FRESH_MS, |period| (i64::from(period) * 3).max(FRESH_MS));
    let stale = current.as_ref().is_some_and(|c| c.at_ms + i64::from(c.duration_ms) < now - patience);
    PoolNow { pool, current, stale, capacity }
}

pub(super) async fn find(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<Pool> {
    if Slug::parse(slug).is_ok()
        && let Some(found) = pool::by_slug(conn, slug).await?
        && caller.sees_pool(found.key)
    {
        return Ok(found);
    }
    Err(missing(conn, caller, slug).await?)
}

/// A former name inside a request is a value to correct; only the subject of a request is redirected.
pub(super) fn named_otherwise(field: &str, error: AppError) -> AppError {
    match error {
        AppError::Moved { what, slug, to } => {
            AppError::invalid(field, slug, format!("the {what}'s present name {to:?}"))
        }
        other => other,
    }
}

async fn find_for_update(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<Pool> {
    if Slug::parse(slug).is_ok()
        && let Some(found) = pool::by_slug_for_update(conn, slug).await?
        && caller.sees_pool(found.key)
    {
        return Ok(found);
    }
    Err(missing(conn, caller, slug).await?)
}

/// What is not there, and what one may not see, read the same.
async fn missing(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<AppError> {
    let mut known = pool::keys(conn).await?;
    known.retain(|(key, _)| caller.sees_pool(*key));
    if Slug::parse(slug).is_ok()
        && let Some(to) = pool::renamed(conn, slug).await?
        && (caller.pools.is_none() || known.iter().any(|(_, slug)| *slug == to))
    {
        return Ok(AppError::Moved { what: "pool", slug: slug.into(), to });
    }
    Ok(not_found("pool", slug, &known))
}

/// Regions and stamps are made by being named.
async fn ensure_places(conn: &mut PgConnection, fields: &PoolFields) -> Result<()> {
    if let Some(region) = &fields.region {
        organisation::ensure_region(conn, region, region).await?;
    }
    if let Some(stamp) = &fields.stamp {
        organisation::ensure_stamp(conn, stamp, stamp, fields.region.as_deref().unwrap_or_default()).await?;
    }
    Ok(())
}

async fn record(
    conn: &mut PgConnection,
    actor: &Actor,
    action: &str,
    (slug, id): (&str, Uuid),
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
    reason: &str,
) -> Result<()> {
    let entry = Entry { actor, action, object: "pool", key: slug, id: Some(id), before, after, reason };
    audit::record(conn, &entry).await?;
    Ok(())
}

/// What is wrong with the labels of a pool or tenant.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if labels.len() > MAX_LABELS {
        problems.push(Problem::new("labels", labels.len().to_string(), format!("at most {MAX_LABELS}")));
    }
    let fits = |text: &str, most: usize| text.chars().count() <= most && !text.contains('\0');
    for (key, value) in labels.iter().filter(|(key, value)| key.is_empty() || !fits(key, 63) || !fits(value, 200)) {
        problems.push(Problem::new(
            "labels",
            format!("{key}={value}"),
            "a key of 1 to 63 and a value of at most 200 characters",
        ));
    }
    problems
}

fn check(fields: &PoolFields) -> Result<()> {
    let mut problems = Vec::new();
    if let Err(expected) = check_name(&fields.name) {
        problems.push(Problem::new("name", &fields.name, expected));
    }
    for (field, slots) in [("min_slots", fields.min_slots), ("max_slots", fields.max_slots)] {
        if let Some(slots) = slots.filter(|s| !(0..=MAX_SLOTS as i32).contains(s)) {
            problems.push(Problem::new(field, slots.to_string(), "0 to 10,000,000 slots"));
        }
    }
    if !zones::is_known(&fields.zone) {
        problems.push(Problem::new("zone", &fields.zone, "an IANA zone such as Europe/Berlin, or UTC"));
    }
    problems.extend(check_labels(&fields.labels));
    if fields.services.len() > MAX_SERVICES {
        problems.push(Problem::new("services", fields.services.len().to_string(), format!("at most {MAX_SERVICES}")));
    }
    for service in &fields.services {
        if let Err(expected) = check_name(&service.service) {
            problems.push(Problem::new("services", &service.service, expected));
        }
        if service.endpoint.chars().count() > MAX_ENDPOINT || service.endpoint.contains('\0') {
            problems.push(Problem::new(
                "services",
                &service.endpoint,
                format!("an endpoint of at most {MAX_ENDPOINT} characters"),
            ));
        }
    }
    for (field, text, most) in [("owner", &fields.owner, 120), ("description", &fields.description, 500)] {
        if text.chars().count() > most || text.chars().any(|c| c == '\0') {
            problems.push(Problem::new(field, text, format!("at most {most} characters")));
        }
    }
    let runbook = &fields.runbook_url;
    let is_web = runbook.starts_with("http://") || runbook.starts_with("https://");
    if !runbook.is_empty() && (!is_web || runbook.chars().count() > 2000 || runbook.contains('\0')) {
        problems.push(Problem::new("runbook_url", runbook, "an http or https address of at most 2,000 characters"));
    }
    if let Some(cost) = fields.unit_cost_micros.filter(|cost| !(0..=MAX_UNIT_COST_MICROS).contains(cost)) {
        problems.push(Problem::new("unit_cost_micros", cost.to_string(), "0 to 1,000,000 of the currency"));
    }
    if let Some(ms) = fields.feed_period_ms.filter(|ms| !(1_000..=86_400_000).contains(ms)) {
        problems.push(Problem::new("feed_period_ms", ms.to_string(), "1 s to 24 h"));
    }
    if let Some(days) = fields.retention_days.filter(|days| !(1..=36_500).contains(days)) {
        problems.push(Problem::new("retention_days", days.to_string(), "1 to 36,500 days"));
    }
    if let Some((min, max)) = fields.min_slots.zip(fields.max_slots).filter(|(min, max)| min > max) {
        problems.push(Problem::new("max_slots", max.to_string(), format!("at least min_slots {min}")));
    }
    for (field, place) in [("region", &fields.region), ("stamp", &fields.stamp)] {
        if let Some(place) = place
            && let Err(error) = Slug::parse(place)
        {
            problems.push(Problem::new(field, place, error.to_string()));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
}

fn check_step(step: &CapacityStep) -> Result<()> {
    let mut problems = Vec::new();
    if !(0..=MAX_SLOTS as i32).contains(&step.configured) {
        problems.push(Problem::new("capacity", step.configured.to_string(), "0 to 10,000,000 slots"));
    }
    if !(0..=step.configured.max(0)).contains(&step.planned_down) {
        let expected = format!("0 to the capacity {}", step.configured);
        problems.push(Problem::new("planned_down", step.planned_down.to_string(), expected));
    }
    if !(EARLIEST_MS..=LATEST_MS - DAY_MS).contains(&step.from_ms) {
        problems.push(Problem::new("effective", rfc3339(step.from_ms), "an instant from 1970 to 2199"));
    }
    if step.reason.chars().count() > 500 || step.reason.contains('\0') {
        problems.push(Problem::new("reason", &step.reason, "at most 500 characters"));
    }
    if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
}
