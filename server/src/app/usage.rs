//! Exact sums, for the command line, the API, bills and disputes.

use super::{App, AppError, Problem, Result};
use headroom_domain::access::Action;
use headroom_domain::range::rfc3339;
use headroom_domain::series::Step;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::history::ALL_TENANTS;
use headroom_store::usage::{self, Wanted, WideSums};
use headroom_store::{history, pool, tenant};
use std::collections::BTreeMap;

/// How the sums are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// One row a pool.
    Pool,
    /// One row a pool and tenant.
    Tenant,
    /// One row a pool and UTC day.
    Day,
}

impl std::str::FromStr for By {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "pool" => Ok(Self::Pool),
            "tenant" => Ok(Self::Tenant),
            "day" => Ok(Self::Day),
            _ => Err(format!("{word:?} is not known, expected pool, tenant or day")),
        }
    }
}

/// A row of exact sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Pool, by slug.
    pub pool: String,
    /// Tenant, by slug; empty = the pool's total.
    pub tenant: String,
    /// Start.
    pub from_ms: Millis,
    /// End, exclusive.
    pub to_ms: Millis,
    /// The sums; the capacity is the pool's.
    pub sums: WideSums,
}

impl App {
    /// Exact sums over `[from, to)`; an open end means everything stored.
    ///
    /// # Errors
    /// `Invalid` with the two nearest stored instants where an end falls between stored steps.
    pub async fn usage(
        &self,
        pools: &[String],
        by: By,
        from: Option<Millis>,
        to: Option<Millis>,
    ) -> Result<Vec<UsageRow>> {
        self.require(Action::See)?;
        if self.caller.tenants.is_some() && by != By::Tenant {
            // A pool's sums are everybody's.
            return Err(AppError::invalid("by", "", "tenant: you see your own tenants only"));
        }
        if let Some((from, to)) = from.zip(to)
            && to <= from
        {
            return Err(AppError::invalid("to", rfc3339(to), format!("an instant after {}", rfc3339(from))));
        }
        let mut tx = self.db.jobs.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
        let conn = &mut *tx;
        let known: BTreeMap<i32, String> = pool::list(conn, true)
            .await?
            .into_iter()
            .filter(|p| self.caller.sees_pool(p.key))
            .map(|p| (p.key, p.fields.slug.to_string()))
            .collect();
        let mut wanted = Wanted::default();
        if !pools.is_empty() {
            let mut keys = Vec::new();
            for slug in pools {
                let Some((key, _)) = known.iter().find(|(_, known)| *known == slug) else {
                    let known: Vec<(i32, String)> = known.into_iter().collect();
                    return Err(super::window::not_found("pool", slug, &known));
                };
                keys.push(*key);
            }
            wanted.pools = Some(keys);
        } else if self.caller.pools.is_some() {
            wanted.pools = Some(known.keys().copied().collect());
        }
        if by != By::Tenant {
            wanted.tenants = Some(vec![ALL_TENANTS]);
        }

        if by == By::Day {
            return days(conn, &wanted, &known, from, to).await;
        }
        let sums = usage::sums(conn, &wanted, from, to).await?.map_err(|e| not_stored(&e, from))?;
        let tenants: BTreeMap<i32, String> =
            tenant::list(conn, true).await?.into_iter().map(|t| (t.key, t.fields.slug.to_string())).collect();
        let mut rows = Vec::new();
        for ((pool_key, tenant_key), sum) in &sums {
            let mut sum = *sum;
            if by == By::Tenant && (*tenant_key == ALL_TENANTS || !self.caller.sees_tenant(*tenant_key)) {
                continue;
            }
            let whole = sums.get(&(*pool_key, ALL_TENANTS)).copied().unwrap_or_default();
            sum.capacity_slot_ms = whole.capacity_slot_ms;
            let extent = history::extent(conn, Some(*pool_key)).await?.unwrap_or_default();
            rows.push(UsageRow {
                pool: known.get(pool_key).cloned().unwrap_or_default(),
                tenant: tenants.get(tenant_key).cloned().unwrap_or_default(),
                from_ms: from.unwrap_or(extent.0),
                to_ms: to.unwrap_or(extent.1),
                sums: sum,
            });
        }
        rows.sort_by(|a, b| (&a.pool, &a.tenant).cmp(&(&b.pool, &b.tenant)));
        Ok(rows)
    }
}

async fn days(
    conn: &mut sqlx::PgConnection,
    wanted: &Wanted,
    known: &BTreeMap<i32, String>,
    from: Option<Millis>,
    to: Option<Millis>,
) -> Result<Vec<UsageRow>> {
    for (field, at) in [("from", from), ("to", to)] {
        if let Some(at) = at.filter(|at| at.rem_euclid(DAY_MS) != 0) {
            let step = Step::Day.ms();
            let (before, after) = (at.div_euclid(step) * step, (at.div_euclid(step) + 1) * step);
            return Err(AppError::invalid(
                field,
                rfc3339(at),
                format!("a UTC day such as {} or {}", rfc3339(before), rfc3339(after)),
            ));
        }
    }
    let mut rows: Vec<UsageRow> = usage::days(conn, wanted, from, to)
        .await?
        .into_iter()
        .map(|((pool, _, day), sums)| {
            let mut wide = WideSums::default();
            wide.add(&sums);
            UsageRow {
                pool: known.get(&pool).cloned().unwrap_or_default(),
                tenant: String::new(),
                from_ms: day,
                to_ms: day + DAY_MS,
                sums: wide,
            }
        })
        .collect();
    rows.sort_by(|a, b| (&a.pool, a.from_ms).cmp(&(&b.pool, b.from_ms)));
    Ok(rows)
}

fn not_stored(e: &usage::NotStored, from: Option<Millis>) -> AppError {
    let field = if from == Some(e.at) { "from" } else { "to" };
    AppError::Invalid(vec![Problem::new(
        field,
        rfc3339(e.at),
        format!("an instant that is stored: the nearest are {} and {}", rfc3339(e.before), rfc3339(e.after)),
    )])
}

/// Columns of the CSV and JSON forms.
pub const COLUMNS: [&str; 11] = [
    "pool",
    "tenant",
    "from",
    "to",
    "capacity_slot_ms",
    "occupied_slot_ms",
    "reserved_slot_ms",
    "reserved_idle_slot_ms",
    "max_occupied",
    "claims",
    "rejections",
];

impl UsageRow {
    /// The values of [`COLUMNS`] as text.
    pub fn cells(&self) -> [String; 11] {
        let s = &self.sums;
        [
            self.pool.clone(),
            self.tenant.clone(),
            rfc3339(self.from_ms),
            rfc3339(self.to_ms),
            s.capacity_slot_ms.to_string(),
            s.occupied_slot_ms.to_string(),
            s.reserved_slot_ms.to_string(),
            s.reserved_idle_slot_ms.to_string(),
            s.max_occupied.to_string(),
            s.claims.to_string(),
            s.rejections.to_string(),
        ]
    }
}

/// Rows as CSV (RFC 4180) with a header.
pub fn to_csv(rows: &[UsageRow]) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).expect("writing to memory");
    for row in rows {
        out.write_record(row.cells()).expect("writing to memory");
    }
    String::from_utf8(out.into_inner().expect("writing to memory")).expect("slugs, times and numbers are UTF-8")
}

/// Rows as JSON: an array of objects; sums are numbers and exact.
pub fn to_json(rows: &[UsageRow]) -> String {
    let mut out = String::from("[");
    for (i, row) in rows.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        out.push('{');
        for (j, (column, cell)) in COLUMNS.iter().zip(row.cells()).enumerate() {
            if j > 0 {
                out.push(',');
            }
            // Sums may exceed what a JSON library keeps exactly, so they are written digit by digit.
            let value = if j < 4 { serde_json::Value::from(cell).to_string() } else { cell };
            out.push_str(&serde_json::Value::from(*column).to_string());
            out.push(':');
            out.push_str(&value);
        }
        out.push('}');
    }
    out.push_str("\n]\n");
    out
}
