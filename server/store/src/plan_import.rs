//! Tables of reservations that somebody is importing, between the steps of doing so.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A table to keep.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// Its id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The draft that it goes into; `None` = its owner's own.
    pub draft: Option<Uuid>,
    /// Whose it is.
    pub owner: Uuid,
    /// What the file is called.
    pub file: &'a str,
    /// Rows below the names of its columns.
    pub rows: i32,
    /// The file.
    pub content: &'a [u8],
    /// Until when it is kept.
    pub expires_ms: Millis,
}

/// A table that is kept, without its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The draft that it goes into, and went into once it was taken.
    pub draft: Option<Uuid>,
    /// What the file is called.
    pub file: String,
    /// Rows below the names of its columns.
    pub rows: i32,
    /// Bytes that are kept of it.
    pub bytes: i64,
    /// What was repaired.
    pub repairs: Value,
    /// Counts changes of the repairs.
    pub version: i32,
    /// When it was taken.
    pub taken_ms: Option<Millis>,
    /// Rows that were taken.
    pub rows_taken: i32,
    /// Rows that were not, of which a file is kept.
    pub rows_left: i32,
    /// Until when it is kept.
    pub expires_ms: Millis,
    /// Its time is over.
    pub is_over: bool,
}

#[derive(FromRow)]
struct Row {
    import_id: Uuid,
    pool_id: i32,
    draft_id: Option<Uuid>,
    file: String,
    rows: i32,
    bytes: i64,
    repairs: Json<Value>,
    version: i32,
    taken_at: Option<DateTime<Utc>>,
    rows_taken: i32,
    rows_left: i32,
    expires_at: DateTime<Utc>,
    is_over: bool,
}

impl From<Row> for Held {
    fn from(row: Row) -> Self {
        Self {
            id: row.import_id,
            pool: row.pool_id,
            draft: row.draft_id,
            file: row.file,
            rows: row.rows,
            bytes: row.bytes,
            repairs: row.repairs.0,
            version: row.version,
            taken_ms: row.taken_at.map(|at| at.timestamp_millis()),
            rows_taken: row.rows_taken,
            rows_left: row.rows_left,
            expires_ms: row.expires_at.timestamp_millis(),
            is_over: row.is_over,
        }
    }
}

macro_rules! select_held {
    ($rest:literal) => {
        concat!(
            "SELECT import_id, pool_id, draft_id, file, rows, octet_length(content)::bigint AS bytes, repairs, version, taken_at,
                    rows_taken, rows_left, expires_at, expires_at <= hr_now() AS is_over
             FROM plan_import ",
            $rest
        )
    };
}

/// How much somebody keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Tables.
    pub tables: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// How much an owner keeps, until the caller's transaction ends: nobody else adds to it meanwhile.
pub async fn lock_owner(conn: &mut PgConnection, owner: Uuid) -> Result<Kept> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('plan_import ' || $1::text, 0))")
        .bind(owner)
        .execute(&mut *conn)
        .await?;
    let (tables, bytes) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint FROM plan_import
         WHERE owner_id = $1 AND expires_at > hr_now() AND octet_length(content) > 0",
    )
    .bind(owner)
    .fetch_one(conn)
    .await?;
    Ok(Kept { tables, bytes })
}

/// Keeps a table.
pub async fn hold(conn: &mut PgConnection, new: &New<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO plan_import (import_id, pool_id, draft_id, owner_id, file, rows, content, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.pool)
    .bind(new.draft)
    .bind(new.owner)
    .bind(new.file)
    .bind(new.rows)
    .bind(new.content)
    .bind(timestamp(new.expires_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// An owner's table, also one whose time is over.
pub async fn get(conn: &mut PgConnection, id: Uuid, owner: Uuid) -> Result<Option<Held>> {
    let row: Option<Row> = sqlx::query_as(select_held!("WHERE import_id = $1 AND owner_id = $2"))
        .bind(id)
        .bind(owner)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(Held::from))
}

/// The same, locked until the caller's transaction ends.
pub async fn lock(conn: &mut PgConnection, id: Uuid, owner: Uuid) -> Result<Option<Held>> {
    let row: Option<Row> = sqlx::query_as(select_held!("WHERE import_id = $1 AND owner_id = $2 FOR UPDATE"))
        .bind(id)
        .bind(owner)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(Held::from))
}

/// An owner's tables of which something is kept, newest first.
pub async fn of_owner(conn: &mut PgConnection, owner: Uuid, limit: i64) -> Result<Vec<Held>> {
    let rows: Vec<Row> = sqlx::query_as(select_held!(
        "WHERE owner_id = $1 AND expires_at > hr_now() AND octet_length(content) > 0 ORDER BY created_at DESC LIMIT $2"
    ))
    .bind(owner)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Held::from).collect())
}

/// What is kept of a table.
pub async fn content(conn: &mut PgConnection, id: Uuid) -> Result<Vec<u8>> {
    let content = sqlx::query_scalar("SELECT content FROM plan_import WHERE import_id = $1").bind(id);
    Ok(content.fetch_optional(conn).await?.unwrap_or_default())
}

/// Sets what was repaired of a locked table.
pub async fn set_repairs(conn: &mut PgConnection, id: Uuid, repairs: &Value) -> Result<()> {
    sqlx::query("UPDATE plan_import SET repairs = $2, version = version + 1 WHERE import_id = $1")
        .bind(id)
        .bind(Json(repairs))
        .execute(conn)
        .await?;
    Ok(())
}

/// A locked table was taken into a draft: of its content only the rows that were not are kept.
pub async fn take(conn: &mut PgConnection, id: Uuid, draft: Uuid, taken: i32, left: (i32, &[u8])) -> Result<()> {
    sqlx::query(
        "UPDATE plan_import SET taken_at = hr_now(), draft_id = $2, rows_taken = $3, rows_left = $4, content = $5, repairs = '{}'
         WHERE import_id = $1",
    )
    .bind(id)
    .bind(draft)
    .bind(taken)
    .bind(left.0)
    .bind(left.1)
    .execute(conn)
    .await?;
    Ok(())
}

/// Throws an owner's table away. `false` if there is none.
pub async fn remove(conn: &mut PgConnection, id: Uuid, owner: Uuid) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM plan_import WHERE import_id = $1 AND owner_id = $2")
        .bind(id)
        .bind(owner)
        .execute(conn)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Empties tables whose time is over, and forgets those whose time was over before an instant: until then their owners are told
/// what became of them. Returns how many were emptied.
pub async fn expire(conn: &mut PgConnection, forget: Millis) -> Result<u64> {
    sqlx::query("DELETE FROM plan_import WHERE expires_at < $1").bind(timestamp(forget)).execute(&mut *conn).await?;
    let emptied = sqlx::query(
        "UPDATE plan_import SET content = '', repairs = '{}' WHERE expires_at <= hr_now() AND octet_length(content) > 0",
    )
    .execute(conn)
    .await?;
    Ok(emptied.rows_affected())
}
