//! Accepted batches of live samples.

use crate::{Result, timestamp};
use chrono::{DateTime, NaiveDate, Utc};
use headroom_domain::Millis;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

/// A batch as it is stored.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The sender's key.
    pub source: i32,
    /// The sender's own counter.
    pub seq: i64,
    /// First and last instant of its rows.
    pub ts_min: Millis,
    /// See `ts_min`.
    pub ts_max: Millis,
    /// Accepted rows.
    pub n: i32,
    /// Version of the packing of `data`.
    pub codec: i16,
    /// Hash of the batch as it was sent.
    pub hash: Vec<u8>,
    /// The verdicts on rows that were rejected, to answer a replay alike.
    pub verdict: Option<Value>,
    /// The rows, packed by the application.
    pub data: Vec<u8>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// Stored now.
    Fresh,
    /// Stored before, with the same content; the verdict given then.
    Replayed(Option<Value>),
    /// The number was used before for other content.
    Conflict {
        /// The highest number accepted from this source.
        last_seq: i64,
    },
}

/// Whether a source is free for the token `$2`: it is its own, or nobody's, or of one that does not work any more. Who has no
/// token (the command line, people) may send under any name.
macro_rules! is_free {
    () => {
        "($2::int IS NULL OR s.token_id IS NULL OR s.token_id = $2 OR NOT EXISTS (
             SELECT FROM api_token t WHERE t.token_id = s.token_id AND t.revoked_at IS NULL
                 AND (t.expires_at IS NULL OR t.expires_at > hr_now())))"
    };
}

/// The key of a source, made on first sight. From then on it belongs to the token; `None` if it belongs to another.
pub async fn source(conn: &mut PgConnection, name: &str, token: Option<i32>) -> Result<Option<i32>> {
    let found: Option<(i32, Option<i32>, bool)> = sqlx::query_as(concat!(
        "SELECT s.source_id, s.token_id, ",
        is_free!(),
        " FROM ingest_source s WHERE s.name = $1"
    ))
    .bind(name)
    .bind(token)
    .fetch_optional(&mut *conn)
    .await?;
    match found {
        Some((_, _, false)) => Ok(None),
        Some((id, owner, true)) if token.is_none() || owner == token => Ok(Some(id)),
        // On first sight, or after the owner ended. Of two who come at once the second one finds it taken.
        _ => Ok(sqlx::query_scalar(concat!(
            "INSERT INTO ingest_source AS s (name, token_id) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET token_id = coalesce(EXCLUDED.token_id, s.token_id) WHERE ",
            is_free!(),
            " RETURNING s.source_id"
        ))
        .bind(name)
        .bind(token)
        .fetch_optional(conn)
        .await?),
    }
}

/// The highest number accepted from a source, and when. `None` if it never sent, or belongs to another token.
pub async fn last_seq(
    conn: &mut PgConnection,
    name: &str,
    token: Option<i32>,
) -> Result<Option<(i64, Option<DateTime<Utc>>)>> {
    Ok(sqlx::query_as(concat!("SELECT s.last_seq, s.last_at FROM ingest_source s WHERE s.name = $1 AND ", is_free!()))
        .bind(name)
        .bind(token)
        .fetch_optional(conn)
        .await?)
}

/// Stores a batch once. The partition for its day must exist. Durable when the caller commits.
pub async fn accept(conn: &mut PgConnection, batch: &Batch) -> Result<Accepted> {
    // One batch of a source at a time: without this two different batches with one number could
    // both pass the look-up below when they fall on different days.
    sqlx::query("SELECT pg_advisory_xact_lock(748202, $1)").bind(batch.source).execute(&mut *conn).await?;
    let before: Option<(Vec<u8>, Option<Value>)> =
        sqlx::query_as("SELECT hash, verdict FROM occ_raw WHERE source_id = $1 AND seq = $2")
            .bind(batch.source)
            .bind(batch.seq)
            .fetch_optional(&mut *conn)
            .await?;
    if let Some((hash, verdict)) = before {
        if hash == batch.hash {
            return Ok(Accepted::Replayed(verdict));
        }
        let last_seq = sqlx::query_scalar("SELECT last_seq FROM ingest_source WHERE source_id = $1")
            .bind(batch.source)
            .fetch_one(conn)
            .await?;
        return Ok(Accepted::Conflict { last_seq });
    }
    let day = timestamp(batch.ts_min).date_naive();
    sqlx::query(
        "INSERT INTO occ_raw (day, source_id, seq, ts_min, ts_max, n, codec, hash, verdict, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(day)
    .bind(batch.source)
    .bind(batch.seq)
    .bind(timestamp(batch.ts_min))
    .bind(timestamp(batch.ts_max))
    .bind(batch.n)
    .bind(batch.codec)
    .bind(&batch.hash)
    .bind(&batch.verdict)
    .bind(&batch.data)
    .execute(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO occ_pending (day, source_id, seq) VALUES ($1, $2, $3)")
        .bind(day)
        .bind(batch.source)
        .bind(batch.seq)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE ingest_source SET last_seq = greatest(last_seq, $2), last_at = hr_now() WHERE source_id = $1")
        .bind(batch.source)
        .bind(batch.seq)
        .execute(conn)
        .await?;
    Ok(Accepted::Fresh)
}

/// A batch waiting for its rollup.
#[derive(Debug, Clone, FromRow)]
pub struct Pending {
    /// Part of its key.
    pub day: NaiveDate,
    /// Part of its key.
    pub source_id: i32,
    /// Part of its key.
    pub seq: i64,
    /// Version of the packing of `data`.
    pub codec: i16,
    /// The rows.
    pub data: Vec<u8>,
}

/// Takes waiting batches out of the queue, in the transaction that rolls them up: at most `batches`, and
/// no more once they hold `rows` rows. Of two that take at once, the deletion decides who has which.
pub async fn take_pending(conn: &mut PgConnection, batches: i64, rows: i64) -> Result<Vec<Pending>> {
    Ok(sqlx::query_as(
        "WITH waiting AS (
             SELECT p.day, p.source_id, p.seq, r.n FROM occ_pending p JOIN occ_raw r USING (day, source_id, seq)
             ORDER BY p.day, p.source_id, p.seq LIMIT $1),
         counted AS (
             SELECT day, source_id, seq, sum(n) OVER (ORDER BY day, source_id, seq) - n AS before FROM waiting),
         taken AS (
             DELETE FROM occ_pending WHERE (day, source_id, seq) IN (SELECT day, source_id, seq FROM counted WHERE before < $2)
             RETURNING day, source_id, seq)
         SELECT r.day, r.source_id, r.seq, r.codec, r.data
         FROM taken JOIN occ_raw AS r USING (day, source_id, seq)
         ORDER BY r.ts_min, r.source_id, r.seq",
    )
    .bind(batches)
    .bind(rows)
    .fetch_all(conn)
    .await?)
}

/// Batches waiting for their rollup.
pub async fn pending(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM occ_pending").fetch_one(conn).await?)
}

/// Sources that sent anything in the last ten minutes: name, and the median time from a batch's newest sample to its arrival,
/// milliseconds; negative where samples come from ahead of our clock.
pub async fn skews(conn: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "SELECT s.name,
                (percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.received_at - r.ts_max)) * 1000)::bigint
         FROM occ_raw r JOIN ingest_source s USING (source_id)
         WHERE r.day >= (hr_now() AT TIME ZONE 'UTC')::date - 1 AND r.received_at > hr_now() - interval '10 min' AND r.n > 0
         GROUP BY s.name",
    )
    .fetch_all(conn)
    .await?)
}
