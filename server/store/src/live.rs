//! What live pools look like, as their owners tell it each second (lost in a crash of the database, and told again), and how long
//! their claims took, minute by minute.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::sketch::Sketch;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// What an owner tells about a pool.
#[derive(Debug, Clone)]
pub struct Told {
    /// The pool.
    pub pool: i32,
    /// Something in it deserves a look now.
    pub asks: bool,
    /// What it looks like.
    pub live: Value,
}

/// Tells what some pools look like.
pub async fn set(conn: &mut PgConnection, told: &[Told]) -> Result<()> {
    sqlx::query(
        "INSERT INTO pool_live (pool_id, at, asks, live)
         SELECT pool_id, hr_now(), asks, live FROM unnest($1::int[], $2::bool[], $3::jsonb[]) AS w (pool_id, asks, live)
         ON CONFLICT (pool_id) DO UPDATE SET at = EXCLUDED.at, asks = EXCLUDED.asks, live = EXCLUDED.live",
    )
    .bind(told.iter().map(|one| one.pool).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.asks).collect::<Vec<_>>())
    .bind(told.iter().map(|one| &one.live).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// What some pools looked like last, or all: pool, when, what.
pub async fn list(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<(i32, Millis, Value)>> {
    let rows: Vec<(i32, DateTime<Utc>, Value)> = sqlx::query_as(
        "SELECT pool_id, at, live FROM pool_live WHERE $1::int[] IS NULL OR pool_id = ANY($1) ORDER BY pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, at, live)| (pool, at.timestamp_millis(), live)).collect())
}

/// How long claims of a pool took to be answered in a minute, as an owner measured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMinute {
    /// The pool's key.
    pub pool: i32,
    /// Start of the minute.
    pub minute: Millis,
    /// The owner's epoch.
    pub epoch: i64,
    /// Milliseconds.
    pub sketch: Sketch,
    /// What was counted.
    pub counts: MinuteCounts,
}

/// What the owner of a pool counted in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinuteCounts {
    /// Claims that did not wait and were granted.
    pub answers: u64,
    /// Of these, answered in 50 ms or later.
    pub slow: u64,
    /// Claims that failed for no want of room: the allocator was overloaded, or work behind the pool keeps failing.
    pub failed: u64,
    /// Claims that were served or gave up waiting.
    pub served: u64,
    /// Of these, those that waited for longer than the pool lets them.
    pub waited_long: u64,
    /// Slots that were found leaked: their lease ran out, or their holder was dead.
    pub leaked: u64,
    /// Leases that were over and were ended, because they ran out or their holder was dead.
    pub reclaimed: u64,
    /// Of these, later after they were over than the pool gives for it.
    pub late: u64,
}

impl MinuteCounts {
    fn to_row(self) -> Vec<i64> {
        let small = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [self.answers, self.slow, self.failed, self.served, self.waited_long, self.leaked, self.reclaimed, self.late]
            .map(small)
            .to_vec()
    }

    /// Adds those of another part of the minute.
    pub fn add(&mut self, other: &Self) {
        *self = Self::from_row(
            &self.to_row().iter().zip(other.to_row()).map(|(a, b)| a.saturating_add(b)).collect::<Vec<_>>(),
        );
    }

    fn from_row(row: &[i64]) -> Self {
        let at = |place: usize| row.get(place).copied().unwrap_or_default().max(0) as u64;
        Self {
            answers: at(0),
            slow: at(1),
            failed: at(2),
            served: at(3),
            waited_long: at(4),
            leaked: at(5),
            reclaimed: at(6),
            late: at(7),
        }
    }
}

/// What was counted of pools in minutes of `[from, to)`, by pool and start of the minute.
pub async fn counts(
    conn: &mut PgConnection,
    pools: &[i32],
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<(i32, Millis), MinuteCounts>> {
    let rows: Vec<(i32, DateTime<Utc>, Vec<i64>)> = sqlx::query_as(
        "SELECT pool_id, minute, counts FROM claim_minute
         WHERE pool_id = ANY($1) AND minute >= $2 AND minute < $3 AND counts <> '{}'",
    )
    .bind(pools)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut counts: BTreeMap<(i32, Millis), MinuteCounts> = BTreeMap::new();
    for (pool, minute, row) in rows {
        counts.entry((pool, minute.timestamp_millis())).or_default().add(&MinuteCounts::from_row(&row));
    }
    Ok(counts)
}

/// Adds minutes. One that is there is there.
pub async fn add_minutes(conn: &mut PgConnection, minutes: &[ClaimMinute]) -> Result<()> {
    let of = |f: fn(&ClaimMinute) -> i64| minutes.iter().map(f).collect::<Vec<i64>>();
    let (pools, epochs) = (of(|one| one.pool.into()), of(|one| one.epoch));
    let starts: Vec<DateTime<Utc>> = minutes.iter().map(|one| timestamp(one.minute)).collect();
    let sketches: Vec<Vec<u8>> = minutes.iter().map(|one| one.sketch.to_bytes()).collect();
    // An array of arrays must be rectangular and loses its rows in `unnest`: each goes as text.
    let text = |one: &ClaimMinute| {
        format!("{{{}}}", one.counts.to_row().iter().map(i64::to_string).collect::<Vec<_>>().join(","))
    };
    let counts: Vec<String> = minutes.iter().map(text).collect();
    sqlx::query(
        "INSERT INTO claim_minute (pool_id, minute, epoch, sketch, counts)
         SELECT w.pool_id::int, w.minute, w.epoch, w.sketch, w.counts::bigint[]
         FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bytea[], $5::text[])
              AS w (pool_id, minute, epoch, sketch, counts)
         JOIN pool p ON p.pool_id = w.pool_id
         ON CONFLICT DO NOTHING",
    )
    .bind(pools)
    .bind(starts)
    .bind(epochs)
    .bind(sketches)
    .bind(counts)
    .execute(conn)
    .await?;
    Ok(())
}

/// How long claims of some pools together took to be answered, by minute, over `[from, to)`; minutes without are left out.
pub async fn minutes(
    conn: &mut PgConnection,
    pools: &[i32],
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<Millis, Sketch>> {
    let rows: Vec<(DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
        "SELECT minute, sketch FROM claim_minute WHERE pool_id = ANY($1) AND minute >= $2 AND minute < $3",
    )
    .bind(pools)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut minutes: BTreeMap<Millis, Sketch> = BTreeMap::new();
    for (minute, bytes) in rows {
        let sketch = Sketch::from_bytes(&bytes).ok_or_else(|| crate::StoreError::Damaged {
            what: format!("claim_minute {minute}"),
            problem: "its sketch cannot be read".into(),
        })?;
        minutes.entry(minute.timestamp_millis()).or_default().merge(&sketch);
    }
    Ok(minutes)
}

/// Forgets minutes before an instant.
pub async fn forget_minutes(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM claim_minute WHERE minute < $1").bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}
