//! What a tenant used, was promised, wasted, borrowed and lent, by UTC day and pool, and what that costs.

use super::tenants::find;
use super::window::{Window, not_found};
use super::{App, AppError, Result};
use headroom_domain::access::Action;
use headroom_domain::accumulate::SeriesKey;
use headroom_domain::metering::{Meter, lent};
use headroom_domain::occupancy::Sums;
use headroom_domain::range::rfc3339;
use headroom_domain::series::{Series, Step, ceil, floor};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::pool::{self, Pool};
use headroom_store::tenant::Tenant;
use headroom_store::usage::{self, Wanted};
use headroom_store::{organisation, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// One tenant's use of one pool on one UTC day, or in one hour of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterLine {
    /// Start.
    pub from_ms: Millis,
    /// End, exclusive.
    pub to_ms: Millis,
    /// The pool, by slug.
    pub pool: String,
    /// Its name.
    pub pool_name: String,
    /// Exact slot time.
    pub meter: Meter,
    /// The sums that it comes from.
    pub sums: Sums,
    /// The pool's present price in millionths per slot and hour; `None` if it has none or the caller is not shown money.
    pub unit_cost_micros: Option<i64>,
    /// What is billed for it, in minor units of the currency.
    pub amount_minor: Option<i64>,
    /// A fingerprint of what the line says (not of hours): the same figures always have the same.
    pub record: String,
}

/// What a tenant used by day and pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metering {
    /// Newest day first, then by pool.
    pub lines: Vec<MeterLine>,
    /// ISO 4217 code; `None` if the caller is not shown money.
    pub currency: Option<String>,
}

impl Metering {
    /// The sum of the lines: slot time, and the amount of those that have one, to the cent what they show.
    pub fn total(&self) -> (Meter, Option<i64>) {
        let mut meter = Meter::default();
        for line in &self.lines {
            meter.add(&line.meter);
        }
        let amounts = self.lines.iter().filter_map(|line| line.amount_minor);
        let any = self.lines.iter().any(|line| line.amount_minor.is_some());
        (meter, any.then(|| amounts.sum()))
    }
}

/// Names the figures of a line.
fn record(tenant: &Tenant, pool: &Pool, line: &MeterLine) -> String {
    let Meter { used_slot_ms, reserved_slot_ms, idle_slot_ms, lent_slot_ms } = line.meter;
    let text = format!(
        "{} {} {} {used_slot_ms} {reserved_slot_ms} {idle_slot_ms} {lent_slot_ms} {}",
        tenant.id,
        pool.id,
        rfc3339(line.from_ms),
        pool.fields.unit_cost_micros.map_or_else(|| "-".to_owned(), |price| price.to_string()),
    );
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// A tenant's hours in some pools, with what it lent in each.
struct Hours {
    own: BTreeMap<i32, Series>,
    lent: BTreeMap<(i32, Millis), i64>,
}

impl Hours {
    /// Nothing is read where the tenant has nothing that it could lend.
    async fn read(conn: &mut PgConnection, tenant: i32, pools: &[i32], from: Millis, to: Millis) -> Result<Self> {
        let mut hours = Self { own: BTreeMap::new(), lent: BTreeMap::new() };
        if pools.is_empty() {
            return Ok(hours);
        }
        let mut tenants: Vec<i32> = tenant::keys(conn).await?.into_iter().map(|(key, _)| key).collect();
        tenants.push(ALL_TENANTS);
        let mut all = history::series(conn, Step::Hour, pools, &tenants, from, to).await?;
        for pool in pools {
            let Some(whole) = all.get(&SeriesKey { pool: *pool, tenant: ALL_TENANTS }) else { continue };
            let of_pool = SeriesKey { pool: *pool, tenant: 1 }..=SeriesKey { pool: *pool, tenant: i32::MAX };
            let series: Vec<(&SeriesKey, &Series)> = all.range(of_pool).collect();
            let Some(whose) = series.iter().position(|(key, _)| key.tenant == tenant) else { continue };
            for (hour, own) in
                series[whose].1.points.iter().enumerate().filter(|(_, own)| own.reserved_idle_slot_ms > 0)
            {
                let sums: Vec<Sums> = series.iter().map(|(_, series)| series.points[hour]).collect();
                let at = whole.start_ms + hour as i64 * HOUR_MS;
                hours.lent.insert((*pool, at), lent(&whole.points[hour], &sums, whose));
                debug_assert_eq!(own, &sums[whose], "one tenant's hour");
            }
        }
        for pool in pools {
            hours.own.extend(all.remove(&SeriesKey { pool: *pool, tenant }).map(|series| (*pool, series)));
        }
        Ok(hours)
    }

    /// What it lent of a pool over a day.
    fn lent_on(&self, pool: i32, day: Millis) -> i64 {
        self.lent.range((pool, day)..(pool, day + DAY_MS)).map(|(_, lent)| lent).sum()
    }
}

impl App {
    /// A tenant's use by UTC day and pool, of all days that the window touches, newest first. Slot time is exact but for what
    /// was lent, which is estimated by the hour; amounts are at the present price.
    pub async fn metering(&self, slug: &str, window: &Window) -> Result<Metering> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let tenant = find(conn, &self.caller, slug).await?;
        let (from, to) = (floor(window.from_ms, DAY_MS), ceil(window.to_ms, DAY_MS));
        let wanted = Wanted { pools: window.pool_keys(), tenants: Some(vec![tenant.key]) };
        let days = usage::days(conn, &wanted, Some(from), Some(to)).await?;
        let lends: BTreeSet<i32> =
            days.iter().filter(|(_, sums)| sums.reserved_idle_slot_ms > 0).map(|((pool, ..), _)| *pool).collect();
        let lends: Vec<i32> = lends.into_iter().collect();
        let hours = Hours::read(conn, tenant.key, &lends, from, to).await?;
        let organisation = organisation::get(conn).await?;
        let currency = self.sees_money(&organisation).then_some(organisation.currency);
        let pools: BTreeMap<i32, Pool> = pool::list(conn, true).await?.into_iter().map(|p| (p.key, p)).collect();
        let mut lines: Vec<MeterLine> = Vec::new();
        for ((key, _, day), sums) in days {
            let Some(pool) = pools.get(&key) else { continue };
            let meter = Meter { lent_slot_ms: hours.lent_on(key, day), ..Meter::of(&sums) };
            let price = pool.fields.unit_cost_micros.filter(|_| currency.is_some());
            let line = line(pool, day, day + DAY_MS, meter, sums, price);
            lines.push(MeterLine { record: record(&tenant, pool, &line), ..line });
        }
        lines.sort_by(|a, b| b.from_ms.cmp(&a.from_ms).then_with(|| a.pool.cmp(&b.pool)));
        Ok(Metering { lines, currency })
    }

    /// The hours of one of those lines, in order: what its figures are the sums of.
    ///
    /// # Errors
    /// `Invalid` if `day` does not start a UTC day, `NotFound` for a pool that the caller does not know.
    pub async fn metered_hours(&self, slug: &str, pool: &str, day: Millis) -> Result<Vec<MeterLine>> {
        self.require(Action::See)?;
        if day.rem_euclid(DAY_MS) != 0 {
            return Err(AppError::invalid("day", rfc3339(day), "the start of a UTC day"));
        }
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let tenant = find(conn, &self.caller, slug).await?;
        let known = pool::list(conn, true).await?.into_iter().filter(|p| self.caller.sees_pool(p.key));
        let known: Vec<Pool> = known.collect();
        let Some(found) = known.iter().find(|p| p.fields.slug.as_str() == pool) else {
            let names: Vec<(i32, String)> = known.iter().map(|p| (p.key, p.fields.slug.to_string())).collect();
            return Err(not_found("pool", pool, &names));
        };
        let hours = Hours::read(conn, tenant.key, &[found.key], day, day + DAY_MS).await?;
        let Some(own) = hours.own.get(&found.key) else { return Ok(Vec::new()) };
        let lines = own.points.iter().enumerate().map(|(hour, sums)| {
            let from = own.start_ms + hour as i64 * HOUR_MS;
            let lent_slot_ms = hours.lent.get(&(found.key, from)).copied().unwrap_or_default();
            line(found, from, from + HOUR_MS, Meter { lent_slot_ms, ..Meter::of(sums) }, *sums, None)
        });
        Ok(lines.collect())
    }
}

fn line(pool: &Pool, from_ms: Millis, to_ms: Millis, meter: Meter, sums: Sums, price: Option<i64>) -> MeterLine {
    MeterLine {
        from_ms,
        to_ms,
        pool: pool.fields.slug.to_string(),
        pool_name: pool.fields.name.clone(),
        meter,
        sums,
        unit_cost_micros: price,
        amount_minor: price.map(|price| meter.amount_minor(price)),
        record: String::new(),
    }
}
