//! Imports: each is a part of history of its own, invisible until it is done.

use crate::{Result, history};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

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
    Ok(sqlx::query_as(
        "SELECT part, kind, source_name, state, bytes_done, rows_done, rows_bad, resume, summary FROM import ORDER BY part DESC LIMIT 500",
    )
    .fetch_all(conn)
    .await?)
}
