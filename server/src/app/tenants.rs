//! Tenants: the list, one tenant, and every change to it.

use super::caller::Caller;
use super::overview::FRESH_MS;
use super::pools::{TenantUse, check_labels, promised_now, uses};
use super::trend::{Subject, Trend, trend};
use super::window::{Window, not_found};
use super::{App, AppError, Problem, Result};
use crate::clock;
use headroom_domain::access::Action;
use headroom_domain::fairness::{Decayed, Wish, fair_shares, jain};
use headroom_domain::occupancy::{Sums, slot_hours};
use headroom_domain::series::floor;
use headroom_domain::slug::{Slug, check_name};
use headroom_domain::{DAY_MS, HOUR_MS, LATEST_MS, Millis};
use headroom_store::audit::{self, Actor, Entry};
use headroom_store::history::{ALL_POOLS, ALL_TENANTS};
use headroom_store::quota::Quota;
use headroom_store::tenant::{Tenant, TenantFields};
use headroom_store::usage::{self, Wanted, WideSums};
use headroom_store::{current, organisation, pool, promise, quota, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A tenant in the list.
#[derive(Debug, Clone)]
pub struct TenantNow {
    /// The tenant.
    pub tenant: Tenant,
    /// Slots in use now; `None` if no pool has told lately.
    pub used: Option<i64>,
    /// Sum of its quotas.
    pub quota: Option<i64>,
    /// Slots promised to it now.
    pub reserved: Option<i64>,
    /// Of these not in use now.
    pub reserved_idle: Option<i64>,
    /// Sums over the window, to the hour.
    pub sums: WideSums,
    /// Part of all used slot time.
    pub share: Option<f64>,
    /// Its fair part of all capacity, average slots.
    pub fair_share: Option<f64>,
    /// What its fair share is a part of: the sum of the weights of all tenants that used anything, and all capacity on average.
    pub shared: Option<(i64, f64)>,
    /// Average slots used.
    pub mean_used: Option<f64>,
}

/// Jain's index over tenants that used anything: 1 if all use the same multiple of their fair share.
pub fn fairness(tenants: &[TenantNow]) -> Option<f64> {
    let of_share = |t: &TenantNow| Some(t.mean_used? / t.fair_share.filter(|share| *share > 0.0)?);
    jain(&tenants.iter().filter_map(of_share).collect::<Vec<f64>>())
}

/// Everything about one tenant over a window.
#[derive(Debug)]
pub struct TenantDetail {
    /// The tenant as in the list.
    pub now: TenantNow,
    /// Its curve, with its pools' capacity.
    pub trend: Trend,
    /// Its sums over the window compared with.
    pub prior: Option<Sums>,
    /// Its use by pool.
    pub pools: Vec<TenantUse>,
    /// Its quotas: pool slug, name, quota.
    pub quotas: Vec<(String, String, Quota)>,
    /// Its reservations from now on: pool slug, name, reservation.
    pub reservations: Vec<(String, String, promise::Stored)>,
}

impl App {
    /// All tenants with what the window says about them.
    pub async fn tenants(&self, window: &Window, archived: bool) -> Result<Vec<TenantNow>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        tenants(&mut conn, window, archived).await
    }

    /// A tenant by its slug; a former slug is `Moved`.
    pub async fn tenant(&self, slug: &str) -> Result<Tenant> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        find(&mut conn, &self.caller, slug).await
    }

    /// One tenant over a window.
    pub async fn tenant_detail(&self, slug: &str, window: &Window) -> Result<TenantDetail> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let found = find(conn, &self.caller, slug).await?;
        let key = found.key;
        let own = Window { tenants: Some(vec![(key, found.fields.slug.to_string())]), ..window.clone() };
        let now = tenants(conn, &own, true)
            .await?
            .into_iter()
            .find(|t| t.tenant.key == key)
            .ok_or_else(|| AppError::Internal(format!("tenant {slug} is not among the tenants")))?;
        let subject = Subject { pools: window.pool_keys(), tenants: Some(vec![key]) };
        let curve = trend(conn, window, &subject).await?;
        let prior = match window.prior() {
            Some((from, to)) => {
                let step = super::trend::stored_step(&subject, to - from);
                let series = super::trend::series(conn, &subject, step, from, to).await?;
                Some(series.total()).filter(|sums| sums.observed_ms > 0)
            }
            None => None,
        };

        let names: HashMap<i32, (String, String)> = pool::list(conn, true)
            .await?
            .into_iter()
            .map(|p| (p.key, (p.fields.slug.to_string(), p.fields.name)))
            .collect();
        let name = |key: i32| names.get(&key).cloned().unwrap_or_default();
        let quotas = quota::list(conn, None, Some(&[key])).await?;
        let promised = promised_now(conn, None, Some(&[key]), window.now_ms).await?;
        let values: HashMap<i32, current::Current> =
            current::list(conn, None, Some(&[key])).await?.into_iter().map(|c| (c.pool, c)).collect();
        let used = uses(conn, window, Wanted { pools: window.pool_keys(), tenants: Some(vec![key]) }).await?;
        let used_pools: Vec<i32> = used.keys().map(|(pool, _)| *pool).collect();
        let sums = uses(conn, window, Wanted { pools: Some(used_pools), tenants: None }).await?;
        let weights: HashMap<i32, i32> =
            tenant::list(conn, true).await?.into_iter().map(|t| (t.key, t.fields.weight)).collect();
        let mut pools = Vec::new();
        for ((pool_key, _), own) in sums.iter().filter(|((_, tenant), _)| *tenant == key) {
            let whole = sums.get(&(*pool_key, ALL_TENANTS)).copied().unwrap_or_default();
            let beside: i64 = sums
                .iter()
                .filter(|((pool, tenant), s)| pool == pool_key && *tenant != ALL_TENANTS && s.occupied_slot_ms > 0)
                .map(|((_, tenant), _)| i64::from(weights.get(tenant).copied().unwrap_or(1)))
                .sum();
            let capacity = WideSums::share(whole.capacity_slot_ms, whole.observed_ms);
            let (slug, title) = name(*pool_key);
            pools.push(TenantUse {
                slug,
                name: title,
                used: values.get(pool_key).filter(|c| c.at_ms >= window.now_ms - FRESH_MS).map(|c| c.occupied.into()),
                quota: quotas.get(&(*pool_key, key)).map(|q| q.slots.into()),
                reserved: promised.get(&(*pool_key, key)).copied(),
                fair_share: capacity.filter(|_| beside > 0).map(|c| c * f64::from(found.fields.weight) / beside as f64),
                sums: *own,
                share: WideSums::share(own.occupied_slot_ms, whole.occupied_slot_ms),
            });
        }
        pools.sort_by_key(|u| -u.sums.occupied_slot_ms);
        let reservations = promise::during(conn, None, Some(&[key]), window.now_ms, LATEST_MS).await?;
        Ok(TenantDetail {
            now,
            trend: curve,
            prior,
            pools,
            quotas: quotas.into_iter().map(|((pool, _), q)| (name(pool).0, name(pool).1, q)).collect(),
            reservations: reservations
                .into_iter()
                .map(|r| (name(r.reservation.pool).0, name(r.reservation.pool).1, r))
                .collect(),
        })
    }

    /// Use that fades with the organisation's half-life (A11), by tenant, in slot-hours for each unit of weight: of the tenants
    /// asked for, over all pools, sampled by the UTC day over the last ten half-lives.
    pub async fn faded_use(&self, window: &Window, tenants: &[Tenant]) -> Result<HashMap<i32, f64>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let half_life_ms = i64::from(organisation::get(&mut conn).await?.half_life_hours) * HOUR_MS;
        let now = window.now_ms;
        let keys: Vec<i32> = tenants.iter().map(|tenant| tenant.key).collect();
        let wanted = Wanted { pools: Some(window.pool_keys().unwrap_or(vec![ALL_POOLS])), tenants: Some(keys) };
        let from = floor(now - 10 * half_life_ms, DAY_MS).max(0);
        let mut by_day: BTreeMap<(i32, Millis), f64> = BTreeMap::new();
        for ((_, tenant, day), sums) in usage::days(&mut conn, &wanted, Some(from), None).await? {
            *by_day.entry((tenant, day)).or_default() += slot_hours(sums.occupied_slot_ms);
        }
        let mut faded: HashMap<i32, Decayed> = HashMap::new();
        for ((tenant, day), hours) in by_day {
            faded.entry(tenant).or_default().add((day + DAY_MS).min(now), hours, half_life_ms);
        }
        let of = |tenant: &Tenant| {
            Some((tenant.key, faded.get(&tenant.key)?.by_weight(now, half_life_ms, tenant.fields.weight)))
        };
        Ok(tenants.iter().filter_map(of).collect())
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, fields: &TenantFields) -> Result<Tenant> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        check(fields)?;
        let mut tx = self.db.pages.begin().await?;
        let id = clock::uuid();
        tenant::create(&mut tx, id, fields).await?;
        let (slug, after) = (fields.slug.as_str(), serde_json::to_value(fields).ok());
        record(&mut tx, &self.caller.actor, "create", (slug, id), None, after).await?;
        tx.commit().await?;
        self.tenant(fields.slug.as_str()).await
    }

    /// Replaces what is said about a tenant, if it is still at `version`.
    pub async fn update_tenant(&self, slug: &str, version: i32, fields: &TenantFields) -> Result<Tenant> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        check(fields)?;
        let mut tx = self.db.pages.begin().await?;
        let before = find_for_update(&mut tx, &self.caller, slug).await?;
        tenant::update(&mut tx, &before, version, fields).await?;
        let (old, new) = (serde_json::to_value(&before.fields), serde_json::to_value(fields));
        record(&mut tx, &self.caller.actor, "update", (fields.slug.as_str(), before.id), old.ok(), new.ok()).await?;
        tx.commit().await?;
        self.tenant(fields.slug.as_str()).await
    }

    /// Archives a tenant, or brings it back.
    pub async fn archive_tenant(&self, slug: &str, archived: bool) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_no_limits(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find_for_update(&mut tx, &self.caller, slug).await?;
        if found.archived_ms.is_some() != archived {
            tenant::set_archived(&mut tx, found.key, archived).await?;
            let action = if archived { "archive" } else { "restore" };
            record(&mut tx, &self.caller.actor, action, (slug, found.id), None, None).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn tenants(conn: &mut PgConnection, window: &Window, archived: bool) -> Result<Vec<TenantNow>> {
    let list = match window.tenant_keys() {
        Some(keys) => tenant::by_keys(conn, &keys).await?,
        None => tenant::list(conn, archived).await?,
    };
    // Shares are measured against everyone, also where only some are shown.
    let pools = window.pool_keys();
    let sums: BTreeMap<i32, WideSums> = match &pools {
        None => {
            let wanted = Wanted { pools: Some(vec![ALL_POOLS]), tenants: None };
            uses(conn, window, wanted).await?.into_iter().map(|((_, tenant), sums)| (tenant, sums)).collect()
        }
        Some(keys) => {
            let mut by_tenant: BTreeMap<i32, WideSums> = BTreeMap::new();
            for ((_, tenant), s) in uses(conn, window, Wanted { pools: Some(keys.clone()), tenants: None }).await? {
                let into = by_tenant.entry(tenant).or_default();
                into.occupied_slot_ms += s.occupied_slot_ms;
                into.capacity_slot_ms += s.capacity_slot_ms;
                into.reserved_slot_ms += s.reserved_slot_ms;
                into.reserved_idle_slot_ms += s.reserved_idle_slot_ms;
                into.observed_ms += s.observed_ms;
                into.claims += s.claims;
                into.rejections += s.rejections;
                into.max_occupied += s.max_occupied;
            }
            by_tenant
        }
    };
    let whole = sums.get(&ALL_TENANTS).copied().unwrap_or_default();
    let span = i128::from(window.to_ms.min(window.now_ms) - window.from_ms).max(1);
    let everyone = tenant::list(conn, false).await?;
    let active: Vec<&Tenant> =
        everyone.iter().filter(|t| sums.get(&t.key).is_some_and(|s| s.occupied_slot_ms > 0)).collect();
    let wishes: Vec<Wish> =
        active.iter().map(|t| Wish { weight: f64::from(t.fields.weight), demand: f64::MAX / 4.0 }).collect();
    let capacity = whole.capacity_slot_ms as f64 / span as f64;
    let weights: i64 = active.iter().map(|t| i64::from(t.fields.weight)).sum();
    let shares: HashMap<i32, f64> = active.iter().map(|t| t.key).zip(fair_shares(capacity, &wishes)).collect();

    let mut quotas: HashMap<i32, i64> = HashMap::new();
    for ((_, tenant), q) in quota::list(conn, pools.as_deref(), None).await? {
        *quotas.entry(tenant).or_default() += i64::from(q.slots);
    }
    let mut promised: HashMap<i32, i64> = HashMap::new();
    for ((_, tenant), slots) in promised_now(conn, pools.as_deref(), None, window.now_ms).await? {
        *promised.entry(tenant).or_default() += slots;
    }
    let mut used: HashMap<i32, (i64, i64)> = HashMap::new();
    let since = window.now_ms - FRESH_MS;
    for c in current::list(conn, pools.as_deref(), None)
        .await?
        .into_iter()
        .filter(|c| c.tenant != ALL_TENANTS && c.at_ms >= since)
    {
        let into = used.entry(c.tenant).or_default();
        into.0 += i64::from(c.occupied);
        into.1 += i64::from((c.reserved - c.occupied).max(0));
    }
    Ok(list
        .into_iter()
        .map(|t| {
            let s = sums.get(&t.key).copied().unwrap_or_default();
            TenantNow {
                used: used.get(&t.key).map(|(used, _)| *used),
                quota: quotas.get(&t.key).copied(),
                reserved: promised.get(&t.key).copied(),
                reserved_idle: promised.get(&t.key).and(used.get(&t.key)).map(|(_, idle)| *idle),
                share: WideSums::share(s.occupied_slot_ms, whole.occupied_slot_ms),
                fair_share: shares.get(&t.key).copied(),
                shared: shares.get(&t.key).map(|_| (weights, capacity)),
                mean_used: WideSums::share(s.occupied_slot_ms, span),
                sums: s,
                tenant: t,
            }
        })
        .collect())
}

pub(super) async fn find(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<Tenant> {
    if Slug::parse(slug).is_ok()
        && let Some(found) = tenant::by_slug(conn, slug).await?
        && caller.sees_tenant(found.key)
    {
        return Ok(found);
    }
    Err(missing(conn, caller, slug).await?)
}

async fn find_for_update(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<Tenant> {
    if Slug::parse(slug).is_ok()
        && let Some(found) = tenant::by_slug_for_update(conn, slug).await?
        && caller.sees_tenant(found.key)
    {
        return Ok(found);
    }
    Err(missing(conn, caller, slug).await?)
}

/// What is not there, and what one may not see, read the same.
async fn missing(conn: &mut PgConnection, caller: &Caller, slug: &str) -> Result<AppError> {
    let mut known = tenant::keys(conn).await?;
    known.retain(|(key, _)| caller.sees_tenant(*key));
    if Slug::parse(slug).is_ok()
        && let Some(to) = tenant::renamed(conn, slug).await?
        && (caller.tenants.is_none() || known.iter().any(|(_, slug)| *slug == to))
    {
        return Ok(AppError::Moved { what: "tenant", slug: slug.into(), to });
    }
    Ok(not_found("tenant", slug, &known))
}

async fn record(
    conn: &mut PgConnection,
    actor: &Actor,
    action: &str,
    (slug, id): (&str, Uuid),
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    let entry = Entry { actor, action, object: "tenant", key: slug, id: Some(id), before, after, reason: "" };
    audit::record(conn, &entry).await?;
    Ok(())
}

fn check(fields: &TenantFields) -> Result<()> {
    let mut problems = Vec::new();
    if let Err(expected) = check_name(&fields.name) {
        problems.push(Problem::new("name", &fields.name, expected));
    }
    for (field, text) in [("owner", &fields.owner), ("cost_centre", &fields.cost_centre)] {
        if text.chars().count() > 120 || text.contains('\0') {
            problems.push(Problem::new(field, text, "at most 120 characters"));
        }
    }
    if fields.tier.chars().count() > 40 || fields.tier.contains('\0') {
        problems.push(Problem::new("tier", &fields.tier, "at most 40 characters"));
    }
    if !(0..=headroom_domain::tenant::MAX_PRIORITY).contains(&fields.priority) {
        problems.push(Problem::new("priority", fields.priority.to_string(), "0 to 9"));
    }
    if !(1..=headroom_domain::tenant::MAX_WEIGHT).contains(&fields.weight) {
        problems.push(Problem::new("weight", fields.weight.to_string(), "1 to 10,000"));
    }
    problems.extend(check_labels(&fields.labels));
    if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
}
