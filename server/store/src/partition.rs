//! Partitions of live history: made ahead of the data, dropped when retention has passed.
//!
//! A partition's name says what it holds (`occ_1m_live_20261116`). Names are built from dates only
//! and quoted by PostgreSQL (`format('%I')` inside the database), never from text that came in.

use crate::{Result, timestamp};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use headroom_domain::Millis;
use headroom_domain::retention::Holder;
use sqlx::PgConnection;

/// A table cut by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Raw batches, by day.
    Raw,
    /// Minutes, by week from Monday.
    Minutes,
    /// Five minutes, by month.
    FiveMinutes,
    /// Events of slots, by day.
    SlotEvents,
    /// Ways of claims, by day.
    ClaimTraces,
    /// Counts of indicators since their birth, by day.
    Counts,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Raw, Self::Minutes, Self::FiveMinutes, Self::SlotEvents, Self::ClaimTraces, Self::Counts];

    /// The partitioned table.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Raw => "occ_raw",
            Self::Minutes => "occ_1m_live",
            Self::FiveMinutes => "occ_5m_live",
            Self::SlotEvents => "slot_event",
            Self::ClaimTraces => "claim_trace",
            Self::Counts => "sli_minute",
        }
    }

    fn start_of(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Raw | Self::SlotEvents | Self::ClaimTraces | Self::Counts => day,
            Self::Minutes => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            Self::FiveMinutes => day.with_day(1).unwrap_or(day),
        }
    }

    fn next(self, start: NaiveDate) -> NaiveDate {
        match self {
            Self::Raw | Self::SlotEvents | Self::ClaimTraces | Self::Counts => start + Days::new(1),
            Self::Minutes => start + Days::new(7),
            Self::FiveMinutes => start + Months::new(1),
        }
    }
}

/// Makes the partitions that `[from, to]` falls into, where they are missing. Returns how many.
pub async fn ensure(conn: &mut PgConnection, cut: Cut, from: Millis, to: Millis) -> Result<u32> {
    let last = timestamp(to).date_naive();
    let mut start = cut.start_of(timestamp(from).date_naive());
    let mut made = 0;
    while start <= last {
        let end = cut.next(start);
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(name(cut, start))
            .fetch_one(&mut *conn)
            .await?;
        if !exists {
            // Two servers may see the gap at once; the lock makes the second one look again.
            sqlx::query("SELECT pg_advisory_xact_lock(748203)").execute(&mut *conn).await?;
            let statement: String = sqlx::query_scalar(
                "SELECT format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', $1::text, $2::text, $3::text, $4::text)",
            )
            .bind(name(cut, start))
            .bind(cut.table())
            .bind(bound(cut, start))
            .bind(bound(cut, end))
            .fetch_one(&mut *conn)
            .await?;
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
            made += 1;
        }
        start = end;
    }
    Ok(made)
}

fn name(cut: Cut, start: NaiveDate) -> String {
    let mut name = String::from(cut.table());
    name.push('_');
    name.push_str(&start.to_string().replace('-', ""));
    name
}

fn bound(cut: Cut, day: NaiveDate) -> String {
    match cut {
        Cut::Raw => day.to_string(),
        Cut::Minutes | Cut::FiveMinutes | Cut::SlotEvents | Cut::ClaimTraces | Cut::Counts => {
            day.and_time(chrono::NaiveTime::MIN).and_utc().to_rfc3339()
        }
    }
}

/// A partition that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its table name.
    pub name: String,
    /// First instant it may hold.
    pub from_ms: Millis,
    /// First instant after it.
    pub to_ms: Millis,
    /// Bytes on disk, indexes included.
    pub bytes: i64,
}

/// The partitions of a table, oldest first.
pub async fn list(conn: &mut PgConnection, cut: Cut) -> Result<Vec<Partition>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT c.relname::text, pg_total_relation_size(c.oid)
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass($1) ORDER BY c.relname",
    )
    .bind(cut.table())
    .fetch_all(conn)
    .await?;
    let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    Ok(rows
        .into_iter()
        .filter_map(|(name, bytes)| {
            let digits = name.rsplit('_').next()?;
            let day = NaiveDate::parse_from_str(digits, "%Y%m%d").ok()?;
            Some(Partition { from_ms: midnight(day), to_ms: midnight(cut.next(day)), name, bytes })
        })
        .collect())
}

/// Drops a partition returned by [`list`].
pub async fn drop(conn: &mut PgConnection, partition: &Partition) -> Result<()> {
    let statement: String = sqlx::query_scalar("SELECT format('DROP TABLE IF EXISTS %I', $1::text)")
        .bind(&partition.name)
        .fetch_one(&mut *conn)
        .await?;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}

/// Whether raw batches of a partition still wait for their rollup.
pub async fn has_pending(conn: &mut PgConnection, partition: &Partition) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM occ_pending WHERE day >= $1 AND day < $2)")
        .bind(timestamp(partition.from_ms).date_naive())
        .bind(timestamp(partition.to_ms).date_naive())
        .fetch_one(conn)
        .await?)
}

/// Pools with live minutes (or five minutes) in a partition: what retention decides on.
pub async fn holders(conn: &mut PgConnection, cut: Cut, partition: &Partition) -> Result<Vec<Holder>> {
    let statement = match cut {
        Cut::Minutes => {
            "SELECT n.at, p.retention_days FROM pool p JOIN pool_newest n USING (pool_id)
             WHERE EXISTS (SELECT FROM occ_1m_live h WHERE h.pool_id = p.pool_id AND h.tenant_id = 0 AND h.start_at >= $1 AND h.start_at < $2)"
        }
        Cut::Raw | Cut::FiveMinutes | Cut::SlotEvents | Cut::ClaimTraces | Cut::Counts => {
            "SELECT n.at, p.retention_days FROM pool p JOIN pool_newest n USING (pool_id)
             WHERE EXISTS (SELECT FROM occ_5m_live h WHERE h.pool_id = p.pool_id AND h.tenant_id = 0 AND h.start_at >= $1 AND h.start_at < $2)"
        }
    };
    let rows: Vec<(DateTime<Utc>, Option<i32>)> = sqlx::query_as(statement)
        .bind(timestamp(partition.from_ms))
        .bind(timestamp(partition.to_ms))
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|(at, keep_days)| Holder { newest_ms: at.timestamp_millis(), keep_days }).collect())
}
