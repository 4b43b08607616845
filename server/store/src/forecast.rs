//! What is foreseen of each pool, and what was foreseen of hours that came.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::forecast::online::Memory;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// Pools that are not archived and whose forecast is of an hour before `hour`, the oldest first. One that has none yet waits like
/// one that is due since an hour: where there is too little time for all, neither keeps the other from it. Those of `without` are left
/// out.
pub async fn due(conn: &mut PgConnection, hour: Millis, without: &[i32], limit: i64) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "SELECT p.pool_id FROM pool p LEFT JOIN forecast f USING (pool_id)
         WHERE p.archived_at IS NULL AND (f.hour IS NULL OR f.hour < $1) AND p.pool_id <> ALL ($3)
         ORDER BY coalesce(f.hour, $1 - interval '1 hour'), p.pool_id LIMIT $2",
    )
    .bind(timestamp(hour))
    .bind(limit)
    .bind(without)
    .fetch_all(conn)
    .await?)
}

/// What the rules remember of a pool.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The hour of its newest forecast.
    pub hour_ms: Millis,
    /// Forecasts for hours before this were made afterwards.
    pub seen_from_ms: Millis,
    /// What is remembered.
    pub memory: Memory,
}

/// What the rules remember of pools, by key; those that have no forecast yet are left out. So are those whose memory cannot be read:
/// it is made anew from the history, as of a pool that is new.
pub async fn kept(conn: &mut PgConnection, pools: &[i32]) -> Result<BTreeMap<i32, Kept>> {
    let rows: Vec<(i32, DateTime<Utc>, DateTime<Utc>, String)> =
        sqlx::query_as("SELECT pool_id, hour, seen_from, memory::text FROM forecast WHERE pool_id = ANY($1)")
            .bind(pools)
            .fetch_all(conn)
            .await?;
    let kept = |(pool, hour, seen_from, memory): (i32, DateTime<Utc>, DateTime<Utc>, String)| {
        let (hour_ms, seen_from_ms) = (hour.timestamp_millis(), seen_from.timestamp_millis());
        let memory = serde_json::from_str(&memory).inspect_err(|error| {
            tracing::warn!(pool, %error, "what is remembered of a pool cannot be read and is made anew");
        });
        Some((pool, Kept { hour_ms, seen_from_ms, memory: memory.ok()? }))
    };
    Ok(rows.into_iter().filter_map(kept).collect())
}

/// What the rules remember of some pools, as far as it can be read: the fleet's experience stands in for pools that are too young for
/// their own.
pub async fn memories(conn: &mut PgConnection, limit: i64) -> Result<Vec<Memory>> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT memory::text FROM forecast ORDER BY pool_id LIMIT $1")
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows.iter().filter_map(|memory| serde_json::from_str(memory).ok()).collect())
}

/// A forecast to keep.
#[derive(Debug)]
pub struct New<'a, S> {
    /// The pool's key.
    pub pool: i32,
    /// The running hour it was made in.
    pub hour_ms: Millis,
    /// Forecasts for hours before this were made afterwards.
    pub seen_from_ms: Millis,
    /// What is remembered for the next.
    pub memory: &'a Memory,
    /// What pages show.
    pub said: &'a S,
    /// Whether there is enough history to say when it is full.
    pub is_known: bool,
    /// Days until the pool is full, as likely as not.
    pub p50_days: Option<u32>,
    /// Days until it is full in one of ten cases.
    pub p90_days: Option<u32>,
    /// The first hour in which one of ten futures wants more than there is.
    pub full_at_ms: Option<Millis>,
    /// Median and 0.95 quantile of the hour that plans rest on.
    pub lead: Option<(f64, f64)>,
    /// Of 1,000 hours so many stayed within the quantile of 0.95.
    pub within_permille: Option<u32>,
    /// That is not what it promises.
    pub left_band: bool,
}

/// Keeps a forecast, unless there is one of that hour or a later one: false, and whatever else its transaction wrote is to be
/// given up.
pub async fn put<S: Serialize + Sync>(conn: &mut PgConnection, new: &New<'_, S>) -> Result<bool> {
    let days = |days: Option<u32>| days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
    let done = sqlx::query(
        "INSERT INTO forecast AS f (pool_id, hour, seen_from, memory, said, p50_days, p90_days, full_at, is_known,
             lead_median, lead_p95, within_permille, left_band)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (pool_id) DO UPDATE SET hour = EXCLUDED.hour, made_at = hr_now(), seen_from = EXCLUDED.seen_from,
             memory = EXCLUDED.memory, said = EXCLUDED.said, p50_days = EXCLUDED.p50_days, p90_days = EXCLUDED.p90_days,
             full_at = EXCLUDED.full_at, is_known = EXCLUDED.is_known,
             lead_median = EXCLUDED.lead_median, lead_p95 = EXCLUDED.lead_p95,
             within_permille = EXCLUDED.within_permille, left_band = EXCLUDED.left_band
         WHERE f.hour < EXCLUDED.hour",
    )
    .bind(new.pool)
    .bind(timestamp(new.hour_ms))
    .bind(timestamp(new.seen_from_ms))
    .bind(Json(new.memory))
    .bind(Json(new.said))
    .bind(days(new.p50_days))
    .bind(days(new.p90_days))
    .bind(new.full_at_ms.map(timestamp))
    .bind(new.is_known)
    .bind(new.lead.map(|(median, _)| median))
    .bind(new.lead.map(|(_, p95)| p95))
    .bind(days(new.within_permille))
    .bind(new.left_band)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes anew when a pool is full and what capacity is recommended, of a forecast that stays: what is wanted now, the capacity or
/// promises changed.
pub async fn set_present(
    conn: &mut PgConnection,
    pool: i32,
    hour_ms: Millis,
    full_at_ms: Option<Millis>,
    recommended: Option<i32>,
) -> Result<()> {
    sqlx::query(
        "UPDATE forecast SET full_at = $3, recommended = $4
         WHERE pool_id = $1 AND hour = $2 AND (full_at, recommended) IS DISTINCT FROM ($3::timestamptz, $4::int)",
    )
    .bind(pool)
    .bind(timestamp(hour_ms))
    .bind(full_at_ms.map(timestamp))
    .bind(recommended)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes back what capacity is recommended, of pools of which no plan could be made: nobody outside is to follow an old one.
pub async fn unset_recommended(conn: &mut PgConnection, pools: &[i32]) -> Result<()> {
    if !pools.is_empty() {
        sqlx::query("UPDATE forecast SET recommended = NULL WHERE pool_id = ANY($1) AND recommended IS NOT NULL")
            .bind(pools)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// The newest forecast of a pool.
#[derive(Debug, Clone)]
pub struct Found<S> {
    /// The pool's key.
    pub pool: i32,
    /// The running hour it was made in.
    pub hour_ms: Millis,
    /// When it was made.
    pub made_ms: Millis,
    /// Forecasts for hours before this were made afterwards.
    pub seen_from_ms: Millis,
    /// What was said.
    pub said: S,
    /// When one of ten futures wants more than there is.
    pub full_at_ms: Option<Millis>,
}

#[derive(FromRow)]
struct Row {
    pool_id: i32,
    hour: DateTime<Utc>,
    made_at: DateTime<Utc>,
    seen_from: DateTime<Utc>,
    said: String,
    full_at: Option<DateTime<Utc>>,
}

/// The newest forecasts, of some pools or of all; `only_full` = of those that may be full soon.
pub async fn newest<S: DeserializeOwned>(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    only_full: bool,
) -> Result<Vec<Found<S>>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT pool_id, hour, made_at, seen_from, said::text AS said, full_at FROM forecast
         WHERE ($1::int[] IS NULL OR pool_id = ANY($1)) AND (NOT $2 OR full_at IS NOT NULL) ORDER BY pool_id",
    )
    .bind(pools)
    .bind(only_full)
    .fetch_all(conn)
    .await?;
    let found = |row: Row| {
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            what: format!("forecast of pool {}", row.pool_id),
            problem: error.to_string(),
        };
        Ok(Found {
            pool: row.pool_id,
            hour_ms: row.hour.timestamp_millis(),
            made_ms: row.made_at.timestamp_millis(),
            seen_from_ms: row.seen_from.timestamp_millis(),
            said: serde_json::from_str(&row.said).map_err(damaged)?,
            full_at_ms: row.full_at.map(|at| at.timestamp_millis()),
        })
    };
    rows.into_iter().map(found).collect()
}

/// When pools are full: the day as likely as not, the day in one of ten cases, the hour in one of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullIn {
    /// Whether there is enough history to say.
    pub is_known: bool,
    /// Days, as likely as not.
    pub p50_days: Option<u32>,
    /// Days in one of ten cases.
    pub p90_days: Option<u32>,
    /// The hour in one of ten cases, within the week that is foreseen by the hour.
    pub full_at_ms: Option<Millis>,
    /// The running hour of the forecast.
    pub hour_ms: Millis,
    /// Of 1,000 hours so many stayed within the quantile of 0.95; none if no hour was judged.
    pub within_permille: Option<u32>,
    /// That is not what it promises, over a week or more.
    pub left_band: bool,
}

/// When pools are full, without the rest of their forecasts.
pub async fn full_in(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<(i32, FullIn)>> {
    type Narrow = (i32, Option<i32>, Option<i32>, Option<DateTime<Utc>>, DateTime<Utc>, bool, Option<i32>, bool);
    let rows: Vec<Narrow> = sqlx::query_as(
        "SELECT pool_id, p50_days, p90_days, full_at, hour, is_known, within_permille, left_band FROM forecast JOIN pool USING (pool_id)
         WHERE archived_at IS NULL AND ($1::int[] IS NULL OR pool_id = ANY($1)) ORDER BY pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    let days = |days: Option<i32>| days.map(i32::unsigned_abs);
    let full = |(pool, p50, p90, full_at, hour, is_known, within, left_band): Narrow| {
        let full_at_ms = full_at.map(|at| at.timestamp_millis());
        let hour_ms = hour.timestamp_millis();
        let (p50_days, p90_days, within_permille) = (days(p50), days(p90), days(within));
        (pool, FullIn { is_known, p50_days, p90_days, full_at_ms, hour_ms, within_permille, left_band })
    };
    Ok(rows.into_iter().map(full).collect())
}

/// What monitoring is told of a pool.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Gauges {
    /// The pool's slug.
    pub slug: String,
    /// Median of the hour that plans rest on.
    pub lead_median: Option<f64>,
    /// Its 0.95 quantile.
    pub lead_p95: Option<f64>,
    /// Capacity that the plan has for now.
    pub recommended: Option<i32>,
    /// Days until the pool is full, as likely as not.
    pub p50_days: Option<i32>,
    /// Days until it is full in one of ten cases.
    pub p90_days: Option<i32>,
}

/// What monitoring is told of pools that are not archived and whose forecast is not older than an instant.
pub async fn gauges(conn: &mut PgConnection, since: Millis) -> Result<Vec<Gauges>> {
    Ok(sqlx::query_as(
        "SELECT p.slug, f.lead_median, f.lead_p95, f.recommended, f.p50_days, f.p90_days
         FROM forecast f JOIN pool p USING (pool_id) WHERE p.archived_at IS NULL AND f.hour >= $1 ORDER BY p.slug",
    )
    .bind(timestamp(since))
    .fetch_all(conn)
    .await?)
}

/// What was foreseen for an hour, by level.
#[derive(Debug, Clone, PartialEq)]
pub struct HourSaid {
    /// The hour's start.
    pub hour_ms: Millis,
    /// Quantiles in the order of the rules' levels.
    pub levels: Vec<f64>,
}

/// Keeps what is foreseen for hours; what was said first of an hour stays.
pub async fn put_hours(conn: &mut PgConnection, pool: i32, hours: &[HourSaid]) -> Result<()> {
    let Some(width) = hours.first().map(|hour| hour.levels.len()) else { return Ok(()) };
    // A pool's first forecast brings those of three weeks with it: all in one statement, which takes arrays of one dimension only.
    sqlx::query(
        "INSERT INTO forecast_hour (pool_id, hour, levels)
         SELECT $1, h.hour, ($3::float8[])[(h.place::int - 1) * $4 + 1 : h.place::int * $4]
         FROM unnest($2::timestamptz[]) WITH ORDINALITY AS h (hour, place)
         ON CONFLICT DO NOTHING",
    )
    .bind(pool)
    .bind(hours.iter().map(|hour| timestamp(hour.hour_ms)).collect::<Vec<_>>())
    .bind(hours.iter().flat_map(|hour| hour.levels.iter().copied()).collect::<Vec<f64>>())
    .bind(i32::try_from(width).unwrap_or_default())
    .execute(conn)
    .await?;
    Ok(())
}

/// What was foreseen for the hours of `[from, to)`, oldest first.
pub async fn hours(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<HourSaid>> {
    let rows: Vec<(DateTime<Utc>, Vec<f64>)> = sqlx::query_as(
        "SELECT hour, levels FROM forecast_hour WHERE pool_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour",
    )
    .bind(pool)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(hour, levels)| HourSaid { hour_ms: hour.timestamp_millis(), levels }).collect())
}

/// Forgets what was foreseen for hours before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM forecast_hour WHERE hour < $1").bind(timestamp(before)).execute(conn).await?;
    Ok(done.rows_affected())
}
