//! Counts of indicators: tallies by the minute and by the hour, slices that were sent, and how far the engine has come.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::{SeriesKey, Tally};
use headroom_domain::{HOUR_MS, Millis};
use sqlx::{FromRow, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

/// How far a pool was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The pool.
    pub pool: i32,
    /// Everything before was judged.
    pub watermark: Millis,
    /// Its counts begin here.
    pub born: Millis,
    /// End of the last minute that was seen by then.
    pub seen: Option<Millis>,
}

/// A tally as of an instant.
pub type Dated = (i32, Millis, Tally);

/// Marks of some pools.
pub async fn marks(conn: &mut PgConnection, pools: &[i32]) -> Result<BTreeMap<i32, Mark>> {
    let rows: Vec<(i32, DateTime<Utc>, DateTime<Utc>, Option<DateTime<Utc>>)> =
        sqlx::query_as("SELECT pool_id, watermark, born_at, seen_at FROM alert_mark WHERE pool_id = ANY($1)")
            .bind(pools)
            .fetch_all(conn)
            .await?;
    let marks = rows.into_iter().map(|(pool, watermark, born, seen)| {
        let (watermark, born) = (watermark.timestamp_millis(), born.timestamp_millis());
        (pool, Mark { pool, watermark, born, seen: seen.map(|at| at.timestamp_millis()) })
    });
    Ok(marks.collect())
}

/// Moves the marks of pools from where they were read to a watermark. Returns the pools whose mark moved: those of others were
/// moved by somebody else meanwhile, and what was judged of them must not be kept.
pub async fn advance(conn: &mut PgConnection, marks: &[Mark], before: &BTreeMap<i32, Mark>) -> Result<Vec<i32>> {
    let pools: Vec<i32> = marks.iter().map(|mark| mark.pool).collect();
    let upto: Vec<DateTime<Utc>> = marks.iter().map(|mark| timestamp(mark.watermark)).collect();
    let born: Vec<DateTime<Utc>> = marks.iter().map(|mark| timestamp(mark.born)).collect();
    let seen: Vec<Option<DateTime<Utc>>> = marks.iter().map(|mark| mark.seen.map(timestamp)).collect();
    let read: Vec<Option<DateTime<Utc>>> =
        pools.iter().map(|pool| before.get(pool).map(|mark| timestamp(mark.watermark))).collect();
    Ok(sqlx::query_scalar(
        "INSERT INTO alert_mark AS m (pool_id, watermark, born_at, seen_at)
         SELECT w.pool_id, w.upto, w.born, w.seen
         FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
              AS w (pool_id, upto, born, seen, read)
         JOIN pool p ON p.pool_id = w.pool_id
         ON CONFLICT (pool_id) DO UPDATE SET watermark = EXCLUDED.watermark, born_at = EXCLUDED.born_at, seen_at = EXCLUDED.seen_at
         WHERE m.watermark = (SELECT r.read FROM unnest($1::int[], $5::timestamptz[]) AS r (pool_id, read)
                              WHERE r.pool_id = m.pool_id)
         RETURNING pool_id",
    )
    .bind(pools)
    .bind(upto)
    .bind(born)
    .bind(seen)
    .bind(read)
    .fetch_all(conn)
    .await?)
}

fn unpack(what: &str, pool: i32, at: DateTime<Utc>, bytes: &[u8]) -> Result<Dated> {
    let tally = Tally::unpack(bytes).ok_or_else(|| StoreError::Damaged {
        what: format!("{what} of pool {pool} at {at}"),
        problem: "its counts cannot be read".into(),
    })?;
    Ok((pool, at.timestamp_millis(), tally))
}

/// Tallies of some pools as of some instants on the minute, where there are any.
pub async fn minutes(conn: &mut PgConnection, pools: &[i32], at: &[Millis]) -> Result<Vec<Dated>> {
    let instants: Vec<DateTime<Utc>> = at.iter().map(|at| timestamp(*at)).collect();
    let rows: Vec<(i32, DateTime<Utc>, Vec<u8>)> =
        sqlx::query_as("SELECT pool_id, at, counts FROM sli_minute WHERE at = ANY($1) AND pool_id = ANY($2)")
            .bind(instants)
            .bind(pools)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(|(pool, at, bytes)| unpack("sli_minute", pool, at, &bytes)).collect()
}

/// The tally of a pool at every minute of `[from, to]`, oldest first.
pub async fn run(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<Dated>> {
    let rows: Vec<(i32, DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
        "SELECT pool_id, at, counts FROM sli_minute WHERE pool_id = $1 AND at >= $2 AND at <= $3 ORDER BY at",
    )
    .bind(pool)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(pool, at, bytes)| unpack("sli_minute", pool, at, &bytes)).collect()
}

/// The tallies of some pools on the hours of `[from, to]`, oldest first.
pub async fn hours(conn: &mut PgConnection, pools: &[i32], from: Millis, to: Millis) -> Result<Vec<Dated>> {
    let rows: Vec<(i32, DateTime<Utc>, Vec<u8>)> = sqlx::query_as(
        "SELECT pool_id, at, counts FROM sli_hour WHERE pool_id = ANY($1) AND at >= $2 AND at <= $3 ORDER BY at",
    )
    .bind(pools)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(pool, at, bytes)| unpack("sli_hour", pool, at, &bytes)).collect()
}

/// The tallies of some pools on the last hour at or before an instant.
pub async fn hour_before(conn: &mut PgConnection, pools: &[i32], at: Millis) -> Result<Vec<Dated>> {
    let hour = at - at.rem_euclid(HOUR_MS);
    hours(conn, pools, hour, hour).await
}

/// Writes tallies; those on the hour are kept for longer, too. Partitions must exist.
pub async fn put(conn: &mut PgConnection, tallies: &[(i32, Millis, &Tally)]) -> Result<()> {
    for some in tallies.chunks(2_000) {
        let pools: Vec<i32> = some.iter().map(|(pool, ..)| *pool).collect();
        let at: Vec<DateTime<Utc>> = some.iter().map(|(_, at, _)| timestamp(*at)).collect();
        let counts: Vec<Vec<u8>> = some.iter().map(|(.., tally)| tally.pack()).collect();
        sqlx::query(
            "INSERT INTO sli_minute (pool_id, at, counts)
             SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bytea[])
             ON CONFLICT (at, pool_id) DO UPDATE SET counts = EXCLUDED.counts",
        )
        .bind(pools)
        .bind(at)
        .bind(counts)
        .execute(&mut *conn)
        .await?;
    }
    put_hours(conn, tallies).await
}

/// Writes those of tallies that are on the hour, where they are kept for long.
pub async fn put_hours(conn: &mut PgConnection, tallies: &[(i32, Millis, &Tally)]) -> Result<()> {
    let on_hour: Vec<_> = tallies.iter().filter(|(_, at, _)| at % HOUR_MS == 0).collect();
    for some in on_hour.chunks(2_000) {
        let pools: Vec<i32> = some.iter().map(|(pool, ..)| *pool).collect();
        let at: Vec<DateTime<Utc>> = some.iter().map(|(_, at, _)| timestamp(*at)).collect();
        let counts: Vec<Vec<u8>> = some.iter().map(|(.., tally)| tally.pack()).collect();
        sqlx::query(
            "INSERT INTO sli_hour (pool_id, at, counts)
             SELECT w.* FROM unnest($1::int[], $2::timestamptz[], $3::bytea[]) AS w (pool_id, at, counts)
             JOIN pool p ON p.pool_id = w.pool_id
             ON CONFLICT (pool_id, at) DO UPDATE SET counts = EXCLUDED.counts",
        )
        .bind(pools)
        .bind(at)
        .bind(counts)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Forgets hours and slices before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let hours = sqlx::query("DELETE FROM sli_hour WHERE at < $1").bind(timestamp(before)).execute(&mut *conn).await?;
    let slices = sqlx::query("DELETE FROM sli_slice WHERE at < $1").bind(timestamp(before)).execute(conn).await?;
    Ok(hours.rows_affected() + slices.rows_affected())
}

/// A slice that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The pool.
    pub pool: i32,
    /// Start of the slice.
    pub at: Millis,
    /// Of what.
    pub key: SeriesKey,
    /// Which revision of it; a newer one replaces.
    pub revision: i64,
    /// Bad things.
    pub bad: i64,
    /// All things.
    pub total: i64,
}

/// Takes up slices of a source. Returns how many were new or newer than what was there.
pub async fn send(conn: &mut PgConnection, source: &str, slices: &[Sent]) -> Result<u64> {
    let of = |f: fn(&Sent) -> i64| slices.iter().map(f).collect::<Vec<i64>>();
    let at: Vec<DateTime<Utc>> = slices.iter().map(|slice| timestamp(slice.at)).collect();
    let done = sqlx::query(
        "INSERT INTO sli_slice AS s (pool_id, at, tenant_id, sli, source, revision, bad, total)
         SELECT w.pool_id::int, w.at, w.tenant_id::int, w.sli::smallint, $1, w.revision, w.bad, w.total
         FROM unnest($2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
              AS w (pool_id, at, tenant_id, sli, revision, bad, total)
         ON CONFLICT (pool_id, at, tenant_id, sli, source) DO UPDATE
         SET revision = EXCLUDED.revision, bad = EXCLUDED.bad, total = EXCLUDED.total, changed_at = EXCLUDED.changed_at
         WHERE s.revision < EXCLUDED.revision",
    )
    .bind(source)
    .bind(of(|slice| slice.pool.into()))
    .bind(at)
    .bind(of(|slice| slice.key.tenant.into()))
    .bind(of(|slice| slice.key.sli.number().into()))
    .bind(of(|slice| slice.revision))
    .bind(of(|slice| slice.bad))
    .bind(of(|slice| slice.total))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

#[derive(FromRow)]
struct SliceRow {
    pool_id: i32,
    at: DateTime<Utc>,
    tenant_id: i32,
    sli: i16,
    bad: i64,
    total: i64,
}

/// What was sent of some pools for slices that begin in `[from, to)`, over all sources.
pub async fn sent(
    conn: &mut PgConnection,
    pools: &[i32],
    from: Millis,
    to: Millis,
) -> Result<BTreeMap<(i32, Millis), BTreeMap<SeriesKey, (u64, u64)>>> {
    let rows: Vec<SliceRow> = sqlx::query_as(
        "SELECT pool_id, at, tenant_id, sli, sum(bad)::bigint AS bad, sum(total)::bigint AS total FROM sli_slice
         WHERE pool_id = ANY($1) AND at >= $2 AND at < $3 GROUP BY pool_id, at, tenant_id, sli",
    )
    .bind(pools)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    let mut sent: BTreeMap<(i32, Millis), BTreeMap<SeriesKey, (u64, u64)>> = BTreeMap::new();
    for row in rows {
        let Some(sli) = u8::try_from(row.sli).ok().and_then(Sli::from_number) else { continue };
        let key = SeriesKey { tenant: row.tenant_id, sli };
        let slice = (row.bad.max(0) as u64, row.total.max(0) as u64);
        sent.entry((row.pool_id, row.at.timestamp_millis())).or_default().insert(key, slice);
    }
    Ok(sent)
}

/// The first slice that was sent of each of some pools.
pub async fn first_sent(conn: &mut PgConnection, pools: &[i32]) -> Result<BTreeMap<i32, Millis>> {
    let rows: Vec<(i32, DateTime<Utc>)> =
        sqlx::query_as("SELECT pool_id, min(at) FROM sli_slice WHERE pool_id = ANY($1) GROUP BY pool_id")
            .bind(pools)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(pool, at)| (pool, at.timestamp_millis())).collect())
}

/// The engine's last round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Everything before was judged.
    pub watermark: Option<Millis>,
    /// When.
    pub at: Option<Millis>,
    /// How long it took, milliseconds.
    pub took_ms: i32,
    /// Pools.
    pub pools: i32,
}

/// Reads the engine's last round.
pub async fn round(conn: &mut PgConnection) -> Result<Round> {
    let (watermark, at, took_ms, pools): (Option<DateTime<Utc>>, Option<DateTime<Utc>>, i32, i32) =
        sqlx::query_as("SELECT watermark, at, took_ms, pools FROM alert_engine").fetch_one(conn).await?;
    let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
    Ok(Round { watermark: ms(watermark), at: ms(at), took_ms, pools })
}

/// Writes the engine's last round; it is as of now.
pub async fn set_round(conn: &mut PgConnection, watermark: Millis, took_ms: i32, pools: i32) -> Result<()> {
    sqlx::query("UPDATE alert_engine SET watermark = $1, at = hr_now(), took_ms = $2, pools = $3")
        .bind(timestamp(watermark))
        .bind(took_ms)
        .bind(pools)
        .execute(conn)
        .await?;
    Ok(())
}

/// Pools of which slices were sent since an instant.
pub async fn changed_since(conn: &mut PgConnection, at: Millis) -> Result<BTreeSet<i32>> {
    let pools: Vec<i32> = sqlx::query_scalar("SELECT DISTINCT pool_id FROM sli_slice WHERE changed_at >= $1")
        .bind(timestamp(at))
        .fetch_all(conn)
        .await?;
    Ok(pools.into_iter().collect())
}

/// How far the pool has come that is judged least.
pub async fn oldest_mark(conn: &mut PgConnection) -> Result<Option<Millis>> {
    let at: Option<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT min(m.watermark) FROM alert_mark m JOIN pool p USING (pool_id) WHERE p.archived_at IS NULL",
    )
    .fetch_one(conn)
    .await?;
    Ok(at.map(|at| at.timestamp_millis()))
}
