//! Change events.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::change::ChangeKind;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Something that happened around a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at_ms: Millis,
    /// What kind.
    pub kind: ChangeKind,
    /// The pool's key; `None` = all pools.
    pub pool: Option<i32>,
    /// One line, 1..=300 characters.
    pub title: String,
    /// Where to read more; may be empty.
    pub url: String,
    /// Who told us.
    pub source: String,
    /// Who did it; may be empty.
    pub actor: String,
}

#[derive(FromRow)]
struct Row {
    at: DateTime<Utc>,
    kind: String,
    pool_id: Option<i32>,
    title: String,
    url: String,
    source: String,
    actor: String,
}

/// Records changes; those recorded before are left. Returns how many were new.
pub async fn record(conn: &mut PgConnection, changes: &[(Uuid, Change)]) -> Result<u64> {
    let ids: Vec<Uuid> = changes.iter().map(|(id, _)| *id).collect();
    let at: Vec<DateTime<Utc>> = changes.iter().map(|(_, c)| timestamp(c.at_ms)).collect();
    let kinds: Vec<&str> = changes.iter().map(|(_, c)| c.kind.as_str()).collect();
    let pools: Vec<Option<i32>> = changes.iter().map(|(_, c)| c.pool).collect();
    let column = |f: fn(&Change) -> &str| -> Vec<&str> { changes.iter().map(|(_, c)| f(c)).collect() };
    let done = sqlx::query(
        "INSERT INTO change_event (change_id, at, kind, pool_id, title, url, source, actor)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[])
         ON CONFLICT ON CONSTRAINT change_once DO NOTHING",
    )
    .bind(&ids)
    .bind(&at)
    .bind(&kinds)
    .bind(&pools)
    .bind(column(|c| &c.title))
    .bind(column(|c| &c.url))
    .bind(column(|c| &c.source))
    .bind(column(|c| &c.actor))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Changes in `[from, to)` of some pools (with those of all pools) or of all, newest first, at most `limit`.
pub async fn list(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    from: Millis,
    to: Millis,
    limit: i64,
) -> Result<Vec<Change>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT at, kind, pool_id, title, url, source, actor FROM change_event
         WHERE at >= $2 AND at < $3 AND ($1::int[] IS NULL OR pool_id IS NULL OR pool_id = ANY($1))
         ORDER BY at DESC, title LIMIT $4",
    )
    .bind(pools)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|r| {
            Some(Change {
                at_ms: r.at.timestamp_millis(),
                kind: r.kind.parse().ok()?,
                pool: r.pool_id,
                title: r.title,
                url: r.url,
                source: r.source,
                actor: r.actor,
            })
        })
        .collect())
}
