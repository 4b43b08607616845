//! Silences: what is kept from people for a while, by whom and why.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::alert::matcher::Matcher;
use headroom_domain::alert::silence::Silence;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

/// A silence is for noise, maintenance leaves what is promised alone, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody is told.
    Silence,
    /// Nobody is told, and what happens meanwhile counts for no promise.
    Maintenance,
}

impl Kind {
    /// The word in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Maintenance => "maintenance",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Silence, Self::Maintenance].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A silence in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub id: i64,
    /// What it does.
    pub kind: Kind,
    /// What it hides; all of them must match.
    pub matchers: Vec<Matcher>,
    /// When what happens to it.
    pub times: Silence,
    /// Why.
    pub note: String,
    /// Id of who made it.
    pub author_id: String,
    /// Who made it.
    pub author: String,
    /// When it was made.
    pub created_ms: Millis,
    /// Who ended it early.
    pub ended_by: Option<String>,
    /// Grows with each change.
    pub version: i32,
}

#[derive(FromRow)]
struct Row {
    silence_id: i64,
    kind: String,
    matchers: Json<Value>,
    from_at: DateTime<Utc>,
    until_at: DateTime<Utc>,
    note: String,
    author_id: String,
    author: String,
    expire_on_resolve: bool,
    created_at: DateTime<Utc>,
    reminded_at: Option<DateTime<Utc>>,
    matched_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    ended_by: Option<String>,
    version: i32,
}

macro_rules! select_silence {
    ($rest:literal) => {
        concat!(
            "SELECT silence_id, kind, matchers, from_at, until_at, note, author_id, author, expire_on_resolve, created_at,
                    reminded_at, matched_at, ended_at, ended_by, version
             FROM silence ",
            $rest
        )
    };
}

fn read(row: Row) -> Result<Stored> {
    let damaged = |problem: String| StoreError::Damaged { what: format!("silence {}", row.silence_id), problem };
    let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
    Ok(Stored {
        id: row.silence_id,
        kind: Kind::parse(&row.kind).ok_or_else(|| damaged(format!("its kind {} is unknown", row.kind)))?,
        matchers: serde_json::from_value(row.matchers.0).map_err(|error| damaged(error.to_string()))?,
        times: Silence {
            from_ms: row.from_at.timestamp_millis(),
            until_ms: row.until_at.timestamp_millis(),
            expire_on_resolve: row.expire_on_resolve,
            reminded_ms: ms(row.reminded_at),
            matched_ms: ms(row.matched_at),
            ended_ms: ms(row.ended_at),
        },
        note: row.note,
        author_id: row.author_id,
        author: row.author,
        created_ms: row.created_at.timestamp_millis(),
        ended_by: row.ended_by,
        version: row.version,
    })
}

/// Silences that ended after an instant, or have not ended, newest first.
pub async fn list(conn: &mut PgConnection, since: Millis, limit: i64) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_silence!(
        "WHERE LEAST(until_at, COALESCE(ended_at, until_at)) > $1 ORDER BY silence_id DESC LIMIT $2"
    ))
    .bind(timestamp(since))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(read).collect()
}

/// A silence.
pub async fn get(conn: &mut PgConnection, id: i64) -> Result<Option<Stored>> {
    let row: Option<Row> =
        sqlx::query_as(select_silence!("WHERE silence_id = $1")).bind(id).fetch_optional(conn).await?;
    row.map(read).transpose()
}

/// When the next silence begins that was planned.
pub async fn next_begin(conn: &mut PgConnection) -> Result<Option<Millis>> {
    let at: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT min(from_at) FROM silence WHERE from_at > hr_now() AND ended_at IS NULL")
            .fetch_one(conn)
            .await?;
    Ok(at.map(|at| at.timestamp_millis()))
}

/// A silence, locked until the caller's transaction ends.
pub async fn lock(conn: &mut PgConnection, id: i64) -> Result<Option<Stored>> {
    let row: Option<Row> =
        sqlx::query_as(select_silence!("WHERE silence_id = $1 FOR UPDATE")).bind(id).fetch_optional(conn).await?;
    row.map(read).transpose()
}

/// Makes a silence. Returns its number; the one that was given with it is not looked at.
pub async fn create(conn: &mut PgConnection, silence: &Stored) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "INSERT INTO silence (kind, matchers, from_at, until_at, note, author_id, author, expire_on_resolve)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING silence_id",
    )
    .bind(silence.kind.as_str())
    .bind(Json(&silence.matchers))
    .bind(timestamp(silence.times.from_ms))
    .bind(timestamp(silence.times.until_ms))
    .bind(&silence.note)
    .bind(&silence.author_id)
    .bind(&silence.author)
    .bind(silence.times.expire_on_resolve)
    .fetch_one(conn)
    .await?)
}

/// Changes until when and why. False if it is not at the version that was read.
pub async fn update(conn: &mut PgConnection, silence: &Stored) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE silence SET matchers = $3, from_at = $4, until_at = $5, note = $6, expire_on_resolve = $7,
                reminded_at = NULL, version = version + 1
         WHERE silence_id = $1 AND version = $2 AND ended_at IS NULL",
    )
    .bind(silence.id)
    .bind(silence.version)
    .bind(Json(&silence.matchers))
    .bind(timestamp(silence.times.from_ms))
    .bind(timestamp(silence.times.until_ms))
    .bind(&silence.note)
    .bind(silence.times.expire_on_resolve)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a silence now. False if it had ended.
pub async fn end(conn: &mut PgConnection, id: i64, by: Option<&str>) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE silence SET ended_at = hr_now(), ended_by = $2, version = version + 1
         WHERE silence_id = $1 AND ended_at IS NULL AND until_at > hr_now()",
    )
    .bind(id)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Its author was reminded. False if that had been done.
pub async fn set_reminded(conn: &mut PgConnection, id: i64) -> Result<bool> {
    let done = sqlx::query("UPDATE silence SET reminded_at = hr_now() WHERE silence_id = $1 AND reminded_at IS NULL")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// They hid something now.
pub async fn set_matched(conn: &mut PgConnection, ids: &[i64]) -> Result<()> {
    sqlx::query("UPDATE silence SET matched_at = hr_now() WHERE silence_id = ANY($1)").bind(ids).execute(conn).await?;
    Ok(())
}

/// How many alerts that are not over each silence hides.
pub async fn hidden(conn: &mut PgConnection) -> Result<Vec<(i64, i64)>> {
    Ok(sqlx::query_as(
        "SELECT silence_id, count(*) FROM alert
         WHERE silence_id IS NOT NULL AND condition IN ('firing', 'frozen') GROUP BY silence_id",
    )
    .fetch_all(conn)
    .await?)
}

/// Stretches of maintenance that touch `[from, to)`: from, until, matchers.
pub async fn maintenance(conn: &mut PgConnection, from: Millis, to: Millis) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_silence!(
        "WHERE kind = 'maintenance' AND from_at < $2 AND LEAST(until_at, COALESCE(ended_at, until_at)) > $1 ORDER BY silence_id"
    ))
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(read).collect()
}
