//! Sessions of browsers. The id in the cookie is known here by its hash only.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A session as the server writes it.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    /// Hash of the id in the cookie.
    pub hash: &'a [u8],
    /// Its name on pages.
    pub id: Uuid,
    /// Who is signed in.
    pub account: Option<i32>,
    /// What the session remembers.
    pub data: &'a Value,
    /// Network address.
    pub address: &'a str,
    /// What the browser says it is.
    pub agent: &'a str,
    /// When it ends unless it is used again.
    pub expires_ms: Millis,
}

/// Makes a session; false if the hash is taken.
pub async fn create(conn: &mut PgConnection, s: &Session<'_>) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO session (session_hash, id, account_id, data, address, agent, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(s.hash)
    .bind(s.id)
    .bind(s.account)
    .bind(s.data)
    .bind(s.address)
    .bind(s.agent)
    .bind(timestamp(s.expires_ms))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what a session remembers. One that was ended meanwhile stays ended.
pub async fn save(
    conn: &mut PgConnection,
    hash: &[u8],
    account: Option<i32>,
    data: &Value,
    expires_ms: Millis,
) -> Result<()> {
    sqlx::query(
        "UPDATE session SET account_id = $2, data = $3, expires_at = $4, seen_at = hr_now() WHERE session_hash = $1",
    )
    .bind(hash)
    .bind(account)
    .bind(data)
    .bind(timestamp(expires_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// What a session that has not ended remembers, and when it ends.
pub async fn load(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<(Value, Millis)>> {
    let found: Option<(Value, DateTime<Utc>)> =
        sqlx::query_as("SELECT data, expires_at FROM session WHERE session_hash = $1 AND expires_at > hr_now()")
            .bind(hash)
            .fetch_optional(conn)
            .await?;
    Ok(found.map(|(data, end)| (data, end.timestamp_millis())))
}

/// Ends a session.
pub async fn delete(conn: &mut PgConnection, hash: &[u8]) -> Result<()> {
    sqlx::query("DELETE FROM session WHERE session_hash = $1").bind(hash).execute(conn).await?;
    Ok(())
}

/// A session of an account, as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub struct Open {
    /// Its name on pages.
    pub id: Uuid,
    /// Hash of the id in the cookie.
    pub session_hash: Vec<u8>,
    /// Network address.
    pub address: String,
    /// What the browser says it is.
    pub agent: String,
    /// Signed in.
    pub created_at: DateTime<Utc>,
    /// Last request.
    pub seen_at: DateTime<Utc>,
}

/// The open sessions of an account, newest use first.
pub async fn of_account(conn: &mut PgConnection, account: i32) -> Result<Vec<Open>> {
    Ok(sqlx::query_as(
        "SELECT id, session_hash, address, agent, created_at, seen_at FROM session
         WHERE account_id = $1 AND expires_at > hr_now() ORDER BY seen_at DESC LIMIT 200",
    )
    .bind(account)
    .fetch_all(conn)
    .await?)
}

/// Ends the sessions of an account: all, one by its name, or all but one by its hash. Returns how many.
pub async fn end(conn: &mut PgConnection, account: i32, which: Which<'_>) -> Result<u64> {
    let (only, except) = match which {
        Which::All => (None, None),
        Which::One(id) => (Some(id), None),
        Which::AllBut(hash) => (None, Some(hash)),
    };
    let done = sqlx::query(
        "DELETE FROM session WHERE account_id = $1 AND ($2::uuid IS NULL OR id = $2)
             AND ($3::bytea IS NULL OR session_hash <> $3)",
    )
    .bind(account)
    .bind(only)
    .bind(except)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Sessions to end.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// The one of this name.
    One(Uuid),
    /// All but the one with this hash.
    AllBut(&'a [u8]),
}

/// Removes what is over: sessions, codes, failures to sign in older than a day. Returns how many rows.
pub async fn sweep(conn: &mut PgConnection) -> Result<u64> {
    let mut removed = 0;
    for statement in [
        "DELETE FROM session WHERE expires_at <= hr_now()",
        "DELETE FROM one_time_code WHERE expires_at <= hr_now()",
        "DELETE FROM sign_in_failure WHERE at <= hr_now() - interval '1 day'",
    ] {
        removed += sqlx::query(statement).execute(&mut *conn).await?.rows_affected();
    }
    Ok(removed)
}
