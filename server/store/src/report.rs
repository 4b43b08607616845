//! Reports as they were closed. Rows are added and never altered.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::report::Kind;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// A report in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which of the reports.
    pub kind: Kind,
    /// Over what.
    pub period: String,
    /// 1 is the first; corrections count up.
    pub version: i32,
    /// When it was closed.
    pub closed_ms: Millis,
    /// By whom.
    pub actor: String,
    /// Why it was corrected; empty for the first version.
    pub note: String,
    /// What it is, for people.
    pub title: String,
    /// Its money, in minor units.
    pub total_minor: Option<i64>,
    /// ISO 4217 code of that.
    pub currency: Option<String>,
    /// SHA-256 of the figures, in hexadecimal.
    pub checksum: String,
}

#[derive(FromRow)]
struct Row {
    kind: String,
    period: String,
    version: i32,
    closed_at: DateTime<Utc>,
    actor: String,
    note: String,
    title: String,
    total_minor: Option<i64>,
    currency: Option<String>,
    checksum: String,
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let damaged = |problem| StoreError::Damaged { what: format!("report {}", row.period), problem };
        Ok(Self {
            kind: row.kind.parse().map_err(damaged)?,
            period: row.period.clone(),
            version: row.version,
            closed_ms: row.closed_at.timestamp_millis(),
            actor: row.actor,
            note: row.note,
            title: row.title,
            total_minor: row.total_minor,
            currency: row.currency,
            checksum: row.checksum,
        })
    }
}

/// A report to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New<'a> {
    /// Which of the reports.
    pub kind: Kind,
    /// Over what.
    pub period: &'a str,
    /// 1 is the first.
    pub version: i32,
    /// By whom.
    pub actor: &'a str,
    /// Why it is corrected.
    pub note: &'a str,
    /// What it is.
    pub title: &'a str,
    /// Its money.
    pub total_minor: Option<i64>,
    /// Its currency.
    pub currency: Option<&'a str>,
    /// The figures as text.
    pub figures: &'a str,
    /// SHA-256 of that text.
    pub checksum: &'a str,
}

/// Keeps a report unless this version of it is kept already. Returns whether it is new.
pub async fn keep(conn: &mut PgConnection, new: &New<'_>) -> Result<bool> {
    let kept = sqlx::query(
        "INSERT INTO report (kind, period, version, actor, note, title, total_minor, currency, figures, checksum)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (kind, period, version) DO NOTHING",
    )
    .bind(new.kind.as_str())
    .bind(new.period)
    .bind(new.version)
    .bind(new.actor)
    .bind(new.note)
    .bind(new.title)
    .bind(new.total_minor)
    .bind(new.currency)
    .bind(new.figures)
    .bind(new.checksum)
    .execute(conn)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// A kept report with its figures: a version, or the newest.
pub async fn get(
    conn: &mut PgConnection,
    kind: Kind,
    period: &str,
    version: Option<i32>,
) -> Result<Option<(Listed, String)>> {
    #[derive(FromRow)]
    struct Whole {
        #[sqlx(flatten)]
        row: Row,
        figures: String,
    }
    let found: Option<Whole> = sqlx::query_as(
        "SELECT kind, period, version, closed_at, actor, note, title, total_minor, currency, checksum, figures FROM report
         WHERE kind = $1 AND period = $2 AND ($3::int IS NULL OR version = $3) ORDER BY version DESC LIMIT 1",
    )
    .bind(kind.as_str())
    .bind(period)
    .bind(version)
    .fetch_optional(conn)
    .await?;
    found.map(|whole| Ok((whole.row.try_into()?, whole.figures))).transpose()
}

/// Numbers of alerts whose page was over in `[from, to)` and whose summary is not kept yet, the oldest first, at most so many.
pub async fn incidents_due(conn: &mut PgConnection, from: Millis, to: Millis, limit: i64) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar(
        "SELECT a.alert_id FROM alert a
         WHERE a.severity = 'page' AND a.fired_at IS NOT NULL AND a.resolved_at >= $1 AND a.resolved_at < $2 AND NOT a.dry_run
           AND NOT EXISTS (SELECT 1 FROM report r WHERE r.kind = 'incident' AND r.period = a.alert_id::text)
         ORDER BY a.resolved_at, a.alert_id LIMIT $3",
    )
    .bind(crate::timestamp(from))
    .bind(crate::timestamp(to))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Whether a report over a period is closed.
pub async fn is_closed(conn: &mut PgConnection, kind: Kind, period: &str) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM report WHERE kind = $1 AND period = $2)")
        .bind(kind.as_str())
        .bind(period)
        .fetch_one(conn)
        .await?)
}

/// A place in the list of reports: kind, period and version of the one that stands there.
pub type Place<'a> = (Kind, &'a str, i32);

/// Kept reports, the newest first, at most so many: from the first on, or those after a place. `None` if there is no such place.
pub async fn list(
    conn: &mut PgConnection,
    with_incidents: bool,
    after: Option<Place<'_>>,
    limit: i64,
) -> Result<Option<Vec<Listed>>> {
    let mut closed: Option<DateTime<Utc>> = None;
    if let Some((kind, period, version)) = after {
        closed = sqlx::query_scalar("SELECT closed_at FROM report WHERE kind = $1 AND period = $2 AND version = $3")
            .bind(kind.as_str())
            .bind(period)
            .bind(version)
            .fetch_optional(&mut *conn)
            .await?;
        if closed.is_none() {
            return Ok(None);
        }
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT kind, period, version, closed_at, actor, note, title, total_minor, currency, checksum FROM report
         WHERE ($2 OR kind <> 'incident')
           AND ($3::timestamptz IS NULL OR closed_at < $3
                OR closed_at = $3 AND (kind > $4 OR kind = $4 AND (period, version) < ($5, $6)))
         ORDER BY closed_at DESC, kind, period DESC, version DESC LIMIT $1",
    )
    .bind(limit)
    .bind(with_incidents)
    .bind(closed)
    .bind(after.map(|(kind, _, _)| kind.as_str()))
    .bind(after.map(|(_, period, _)| period))
    .bind(after.map(|(_, _, version)| version))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Listed::try_from).collect::<Result<_>>().map(Some)
}

/// What a slot costs for an hour without a reservation, in millionths, for pools where that is another price.
pub async fn elastic_prices(conn: &mut PgConnection) -> Result<BTreeMap<i32, i64>> {
    let rows: Vec<(i32, i64)> =
        sqlx::query_as("SELECT pool_id, unit_cost_micros FROM elastic_price").fetch_all(conn).await?;
    Ok(rows.into_iter().collect())
}

/// Sets that price of a pool, or takes it away.
pub async fn set_elastic_price(conn: &mut PgConnection, pool: i32, micros: Option<i64>) -> Result<()> {
    match micros {
        Some(micros) => {
            sqlx::query(
                "INSERT INTO elastic_price (pool_id, unit_cost_micros) VALUES ($1, $2)
                 ON CONFLICT (pool_id) DO UPDATE SET unit_cost_micros = EXCLUDED.unit_cost_micros",
            )
            .bind(pool)
            .bind(micros)
            .execute(conn)
            .await?;
        }
        None => {
            sqlx::query("DELETE FROM elastic_price WHERE pool_id = $1").bind(pool).execute(conn).await?;
        }
    }
    Ok(())
}
