//! Imports: each is a part of history of its own, invisible until it is done.

use crate::pool::PoolFields;
use crate::{Result, history, pool, tenant, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::slug::Slug;
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An import as it stands.
#[derive(Debug, Clone, FromRow)]
pub struct Import {
    /// Its part of history, from 1.
    pub part: i32,
    /// `swf`, `occupancy`, `intervals` or `demo`.
    pub kind: String,
    /// File name or other origin, for people.
    pub source_name: String,
    /// `running` or `done`.
    pub state: String,
    /// Bytes of (decompressed) input whose effect is committed.
    pub bytes_done: i64,
    /// Rows taken.
    pub rows_done: i64,
    /// Rows rejected.
    pub rows_bad: i64,
    /// What a repeated call needs to go on.
    pub resume: Option<Value>,
    /// What a finished import reported.
    pub summary: Option<Value>,
    /// What it does at the moment, such as `reading`.
    #[sqlx(default)]
    pub phase: Option<String>,
    /// How much of that is done, in bytes of the file.
    #[sqlx(default)]
    pub phase_done: Option<i64>,
    /// How much there is to do.
    #[sqlx(default)]
    pub phase_total: Option<i64>,
    /// Who told it to stop.
    #[sqlx(default)]
    pub cancelled_by: Option<String>,
    /// A process is at it.
    #[sqlx(default)]
    pub is_alive: bool,
    /// When it last said how far it is.
    #[sqlx(skip)]
    pub progress_ms: Option<Millis>,
    /// When it was begun.
    #[sqlx(skip)]
    pub started_ms: Millis,
    /// When it was done.
    #[sqlx(skip)]
    pub done_ms: Option<Millis>,
}

impl Import {
    /// Whether it is finished and visible.
    pub fn is_done(&self) -> bool {
        self.state == "done"
    }
}

/// Starts an import, or finds the one with the same content: done, or left half-way.
pub async fn begin(conn: &mut PgConnection, kind: &str, content_key: &str, source_name: &str) -> Result<Import> {
    sqlx::query(
        "INSERT INTO import (kind, content_key, source_name) VALUES ($1, $2, $3) ON CONFLICT (content_key) DO NOTHING",
    )
    .bind(kind)
    .bind(content_key)
    .bind(source_name)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_as(
        "SELECT part, kind, source_name, state, bytes_done, rows_done, rows_bad, resume, summary FROM import WHERE content_key = $1",
    )
    .bind(content_key)
    .fetch_one(conn)
    .await?)
}

/// The import with some content, if there is one: for a dry run, which must not begin any.
pub async fn find(conn: &mut PgConnection, content_key: &str) -> Result<Option<Import>> {
    Ok(sqlx::query_as(
        "SELECT part, kind, source_name, state, bytes_done, rows_done, rows_bad, resume, summary FROM import WHERE content_key = $1",
    )
    .bind(content_key)
    .fetch_optional(conn)
    .await?)
}

/// Takes the session lock of a part, so that two processes never write one import.
/// It is released with [`unlock`] or when the connection closes.
pub async fn try_lock(conn: &mut PgConnection, part: i32) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_lock(748201, $1)").bind(part).fetch_one(conn).await?)
}

/// Releases [`try_lock`].
pub async fn unlock(conn: &mut PgConnection, part: i32) -> Result<()> {
    sqlx::query("SELECT pg_advisory_unlock(748201, $1)").bind(part).execute(conn).await?;
    Ok(())
}

/// Records how far an import has come, in the transaction that wrote its rows.
pub async fn progress(
    conn: &mut PgConnection,
    part: i32,
    bytes_done: i64,
    rows_done: i64,
    rows_bad: i64,
    resume: Option<&Value>,
) -> Result<()> {
    sqlx::query("UPDATE import SET bytes_done = $2, rows_done = $3, rows_bad = $4, resume = $5 WHERE part = $1 AND state = 'running'")
        .bind(part)
        .bind(bytes_done)
        .bind(rows_done)
        .bind(rows_bad)
        .bind(resume)
        .execute(conn)
        .await?;
    Ok(())
}

/// Records what an import does at the moment and how far that is. Gives who told it to stop, if somebody did.
pub async fn phase(conn: &mut PgConnection, part: i32, phase: &str, done: i64, total: i64) -> Result<Option<String>> {
    let stopped: Option<Option<String>> = sqlx::query_scalar(
        "UPDATE import SET phase = $2, phase_done = $3, phase_total = $4, progress_at = hr_now() WHERE part = $1 AND state = 'running'
         RETURNING cancelled_by",
    )
    .bind(part)
    .bind(phase)
    .bind(done)
    .bind(total)
    .fetch_optional(conn)
    .await?;
    Ok(stopped.flatten())
}

/// Somebody began it again: that it was told to stop before is over.
pub async fn go_on(conn: &mut PgConnection, part: i32) -> Result<()> {
    sqlx::query("UPDATE import SET cancelled_at = NULL, cancelled_by = NULL WHERE part = $1 AND state = 'running'")
        .bind(part)
        .execute(conn)
        .await?;
    Ok(())
}

/// Tells an import to stop with its next piece. False if it is done, or was told so before.
pub async fn cancel(conn: &mut PgConnection, part: i32, by: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE import SET cancelled_at = hr_now(), cancelled_by = $2 WHERE part = $1 AND state = 'running' AND cancelled_at IS NULL",
    )
    .bind(part)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes an import visible.
pub async fn finish(conn: &mut PgConnection, part: i32, rows_done: i64, rows_bad: i64, summary: &Value) -> Result<()> {
    sqlx::query(
        "UPDATE import SET state = 'done', rows_done = $2, rows_bad = $3, summary = $4, resume = NULL, done_at = hr_now() WHERE part = $1",
    )
    .bind(part)
    .bind(rows_done)
    .bind(rows_bad)
    .bind(summary)
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes an import and everything it brought into history.
pub async fn remove(conn: &mut PgConnection, part: i32) -> Result<bool> {
    history::remove_part(&mut *conn, part).await?;
    let gone = sqlx::query("DELETE FROM import WHERE part = $1").bind(part).execute(conn).await?;
    Ok(gone.rows_affected() > 0)
}

/// All imports, newest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Import>> {
    let rows = sqlx::query(
        "SELECT part, kind, source_name, state, bytes_done, rows_done, rows_bad, resume, summary, started_at, done_at, phase, phase_done,
                phase_total, cancelled_by, progress_at,
                EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 748201 AND l.objid = import.part::oid
                            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_alive
         FROM import ORDER BY part DESC LIMIT 500",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let started: DateTime<Utc> = row.try_get("started_at")?;
            let done: Option<DateTime<Utc>> = row.try_get("done_at")?;
            let progress: Option<DateTime<Utc>> = row.try_get("progress_at")?;
            Ok(Import {
                started_ms: started.timestamp_millis(),
                done_ms: done.map(|at| at.timestamp_millis()),
                progress_ms: progress.map(|at| at.timestamp_millis()),
                ..Import::from_row(row)?
            })
        })
        .collect()
}

/// From when on history may not be whole yet: the first instant of what imports brought that were done since an instant, or the
/// beginning of time while one says how far it is; `None` if there is none. A made-up world waits for nobody.
pub async fn fresh_from(conn: &mut PgConnection, since: Millis) -> Result<Option<Millis>> {
    Ok(sqlx::query_scalar(
        "SELECT min(CASE WHEN state = 'done' THEN coalesce((summary->>'from_ms')::bigint, 0) ELSE 0 END) FROM import
         WHERE kind <> 'demo' AND (state = 'done' AND done_at > $1 OR state = 'running' AND coalesce(progress_at, started_at) > $1)",
    )
    .bind(timestamp(since))
    .fetch_one(conn)
    .await?)
}

/// Takes the lock under which imports finish, one at a time, until the caller's transaction ends:
/// of two that cover the same time, the second sees the first.
pub async fn lock_finish(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(748205)").execute(conn).await?;
    Ok(())
}

/// Keys for pools or tenants that an import will make when it is done: its history needs them
/// before, and a key that is not used leaves nothing behind.
pub async fn reserve_keys(conn: &mut PgConnection, noun: Noun, count: i32) -> Result<Vec<i32>> {
    let statement = match noun {
        Noun::Pool => "SELECT nextval(pg_get_serial_sequence('pool', 'pool_id'))::int FROM generate_series(1, $1)",
        Noun::Tenant => {
            "SELECT nextval(pg_get_serial_sequence('tenant', 'tenant_id'))::int FROM generate_series(1, $1)"
        }
    };
    Ok(sqlx::query_scalar(statement).bind(count).fetch_all(conn).await?)
}

/// What an import may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A pool.
    Pool,
    /// A tenant.
    Tenant,
}

/// Makes a pool under a reserved key. Where its slug was taken meanwhile, the part's history moves to
/// the pool that has it. Returns the pool's key.
pub async fn make_pool(
    conn: &mut PgConnection,
    part: i32,
    reserved: i32,
    id: Uuid,
    fields: &PoolFields,
) -> Result<i32> {
    if let Some(taken) = pool::by_slug(&mut *conn, fields.slug.as_str()).await? {
        for statement in [
            "UPDATE occ_1m_imported SET pool_id = $3 WHERE part = $1 AND pool_id = $2",
            "UPDATE occ_5m_imported SET pool_id = $3 WHERE part = $1 AND pool_id = $2",
            "UPDATE occ_1h SET pool_id = $3 WHERE part = $1 AND pool_id = $2",
            "UPDATE occ_1d SET pool_id = $3 WHERE part = $1 AND pool_id = $2",
            "UPDATE signal_5m SET pool_id = $3 WHERE part = $1 AND pool_id = $2",
        ] {
            sqlx::query(statement).bind(part).bind(reserved).bind(taken.key).execute(&mut *conn).await?;
        }
        return Ok(taken.key);
    }
    pool::create_under(conn, Some(reserved), id, fields).await
}

/// Makes tenants under reserved keys: (reserved key, id, slug, name). Where a slug was taken meanwhile,
/// the part's history moves to the tenant that has it.
pub async fn make_tenants(conn: &mut PgConnection, part: i32, tenants: &[(i32, Uuid, Slug, String)]) -> Result<()> {
    let keys: Vec<i32> = tenants.iter().map(|(key, ..)| *key).collect();
    let ids: Vec<Uuid> = tenants.iter().map(|(_, id, ..)| *id).collect();
    let slugs: Vec<&str> = tenants.iter().map(|(_, _, slug, _)| slug.as_str()).collect();
    let names: Vec<&str> = tenants.iter().map(|(.., name)| name.as_str()).collect();
    sqlx::query(
        "INSERT INTO tenant (tenant_id, id, slug, name) OVERRIDING SYSTEM VALUE
         SELECT * FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&keys)
    .bind(&ids)
    .bind(&slugs)
    .bind(&names)
    .execute(&mut *conn)
    .await?;
    // A new tenant may take over a slug that used to lead elsewhere.
    sqlx::query("DELETE FROM tenant_alias WHERE slug = ANY($1)").bind(&slugs).execute(&mut *conn).await?;
    let reserved: BTreeMap<&str, i32> = tenants.iter().map(|(key, _, slug, _)| (slug.as_str(), *key)).collect();
    let wanted: Vec<String> = slugs.iter().map(|slug| (*slug).to_owned()).collect();
    for (key, slug) in tenant::keys_of(&mut *conn, &wanted).await? {
        let Some(reserved) = reserved.get(slug.as_str()).filter(|reserved| **reserved != key) else { continue };
        for statement in [
            "UPDATE occ_1m_imported SET tenant_id = $3 WHERE part = $1 AND tenant_id = $2",
            "UPDATE occ_5m_imported SET tenant_id = $3 WHERE part = $1 AND tenant_id = $2",
            "UPDATE occ_1h SET tenant_id = $3 WHERE part = $1 AND tenant_id = $2",
            "UPDATE occ_1d SET tenant_id = $3 WHERE part = $1 AND tenant_id = $2",
        ] {
            sqlx::query(statement).bind(part).bind(*reserved).bind(key).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// Hours of a pool that other visible parts have observed within `[from, to)`: (start of the hour,
/// milliseconds observed, part).
pub async fn observed_elsewhere(
    conn: &mut PgConnection,
    part: Option<i32>,
    pool: i32,
    from: Millis,
    to: Millis,
) -> Result<Vec<(Millis, i64, i32)>> {
    let rows: Vec<(DateTime<Utc>, i32, Vec<u8>)> = sqlx::query_as(
        "SELECT start_at, part, points FROM occ_1h
         WHERE pool_id = $1 AND tenant_id = 0 AND start_at >= $2 AND start_at < $3 AND part IS DISTINCT FROM $4
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
         ORDER BY start_at, part",
    )
    .bind(pool)
    .bind(timestamp(from.div_euclid(DAY_MS) * DAY_MS))
    .bind(timestamp(to))
    .bind(part)
    .fetch_all(conn)
    .await?;
    let mut out = Vec::new();
    for (day, part, points) in rows {
        let hours = history::unpack_hours(pool, &points)?;
        let day = day.timestamp_millis();
        let seen = hours.iter().enumerate().filter(|(_, sums)| sums.observed_ms > 0);
        out.extend(seen.map(|(i, sums)| (day + i as i64 * HOUR_MS, sums.observed_ms, part)));
    }
    Ok(out)
}

/// Milliseconds observed by minute in some hours of a pool, by other visible parts: (hour, part, minutes).
/// An hour whose minutes retention has dropped is not among them.
pub async fn minutes_elsewhere(
    conn: &mut PgConnection,
    part: Option<i32>,
    pool: i32,
    hours: &[Millis],
) -> Result<Vec<(Millis, i32, Vec<i64>)>> {
    let hours: Vec<DateTime<Utc>> = hours.iter().map(|at| timestamp(*at)).collect();
    let rows: Vec<(DateTime<Utc>, i32, Vec<u8>)> = sqlx::query_as(
        "SELECT start_at, part, points FROM occ_1m
         WHERE pool_id = $1 AND tenant_id = 0 AND start_at = ANY($2) AND part IS DISTINCT FROM $3
           AND (part = 0 OR part IN (SELECT part FROM import WHERE state = 'done'))
         ORDER BY start_at, part",
    )
    .bind(pool)
    .bind(&hours)
    .bind(part)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(hour, part, points)| Ok((hour.timestamp_millis(), part, history::observed_minutes(pool, &points)?)))
        .collect()
}

/// What an import is called, for sentences.
pub async fn name_of(conn: &mut PgConnection, part: i32) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("SELECT source_name FROM import WHERE part = $1").bind(part).fetch_optional(conn).await?)
}

/// Prepares a connection for an import: pieces need not wait for the disk, because each carries how
/// far it brings the import and is written again if it is lost; nothing is cut off by a timeout.
pub async fn long_work(conn: &mut PgConnection) -> Result<()> {
    for statement in [
        "SET synchronous_commit = off",
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
        "SET lock_timeout = '60s'",
    ] {
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Makes the caller's transaction wait for the disk, and with it everything before it.
pub async fn make_durable(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("SET LOCAL synchronous_commit = on").execute(conn).await?;
    Ok(())
}

/// A name that rows may use.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Name {
    /// The slug, present or former.
    pub slug: String,
    /// What it stands for.
    pub key: i32,
    /// Whether that is archived.
    pub archived: bool,
}

/// The names of pools or tenants, former ones included: all, or those among `slugs`.
pub async fn names(conn: &mut PgConnection, noun: Noun, slugs: Option<&[String]>) -> Result<Vec<Name>> {
    let statement = match noun {
        Noun::Pool => {
            "SELECT a.slug, p.pool_id AS key, p.archived_at IS NOT NULL AS archived FROM pool_alias a JOIN pool p USING (pool_id)
             WHERE $1::text[] IS NULL OR a.slug = ANY($1)
             UNION ALL
             SELECT slug, pool_id, archived_at IS NOT NULL FROM pool WHERE $1::text[] IS NULL OR slug = ANY($1)"
        }
        Noun::Tenant => {
            "SELECT a.slug, t.tenant_id AS key, t.archived_at IS NOT NULL AS archived FROM tenant_alias a JOIN tenant t USING (tenant_id)
             WHERE $1::text[] IS NULL OR a.slug = ANY($1)
             UNION ALL
             SELECT slug, tenant_id, archived_at IS NOT NULL FROM tenant WHERE $1::text[] IS NULL OR slug = ANY($1)"
        }
    };
    Ok(sqlx::query_as(statement).bind(slugs).fetch_all(conn).await?)
}
