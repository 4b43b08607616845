//! Who is told about alerts: channels, programs, people's own mailboxes and pagers.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::window::Lane;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

/// What a receiver is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// Its name in URLs.
    pub slug: String,
    /// Its name, 1 to 120 characters.
    pub name: String,
    /// What understands the messages.
    pub kind: Kind,
    /// Where it is and how it is reached, secrets among them.
    pub settings: Value,
    /// Which messages it gets.
    pub lanes: Vec<Lane>,
    /// Only those about alerts of these owners; of all if there are none.
    pub owners: Vec<String>,
    /// Key of the account whose own it is.
    pub account: Option<i32>,
    /// It is told when another one cannot be reached, or when nobody is on call.
    pub is_failover: bool,
    /// It is told at all.
    pub enabled: bool,
}

/// A stored receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// The store's key.
    pub id: i32,
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What understands the messages.
    pub kind: Kind,
    /// Where it is and how it is reached, secrets among them.
    pub settings: Value,
    /// Which messages it gets.
    pub lanes: Vec<Lane>,
    /// Only those about alerts of these owners; of all if there are none.
    pub owners: Vec<String>,
    /// Key of the account whose own it is.
    pub account: Option<i32>,
    /// It is told when another one cannot be reached, or when nobody is on call.
    pub is_failover: bool,
    /// It is told at all.
    pub enabled: bool,
    /// Failures in a row.
    pub failures: i32,
    /// What went wrong last; nothing since it was reached.
    pub last_error: Option<String>,
    /// When it was reached last.
    pub last_ok_ms: Option<Millis>,
    /// Version for changes.
    pub version: i32,
}

#[derive(FromRow)]
struct Row {
    receiver_id: i32,
    slug: String,
    name: String,
    kind: String,
    settings: Json<Value>,
    lanes: Vec<String>,
    owners: Vec<String>,
    account_id: Option<i32>,
    is_failover: bool,
    enabled: bool,
    failures: i32,
    last_error: Option<String>,
    last_ok_at: Option<DateTime<Utc>>,
    version: i32,
}

macro_rules! select_receiver {
    ($rest:literal) => {
        concat!(
            "SELECT receiver_id, slug, name, kind, settings, lanes, owners, account_id, is_failover, enabled, failures,
                 last_error, last_ok_at, version
             FROM receiver ",
            $rest
        )
    };
}

const LANES: [Lane; 2] = [Lane::Page, Lane::Ticket];

/// A receiver of a kind that only a newer server knows is left out.
fn read(row: Row) -> Option<Receiver> {
    Some(Receiver {
        id: row.receiver_id,
        slug: row.slug,
        name: row.name,
        kind: row.kind.parse().ok()?,
        settings: row.settings.0,
        lanes: LANES.into_iter().filter(|lane| row.lanes.iter().any(|word| word == lane.as_str())).collect(),
        owners: row.owners,
        account: row.account_id,
        is_failover: row.is_failover,
        enabled: row.enabled,
        failures: row.failures,
        last_error: row.last_error,
        last_ok_ms: row.last_ok_at.map(|at| at.timestamp_millis()),
        version: row.version,
    })
}

/// All receivers by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Receiver>> {
    let rows: Vec<Row> = sqlx::query_as(select_receiver!("ORDER BY lower(name), receiver_id")).fetch_all(conn).await?;
    Ok(rows.into_iter().filter_map(read).collect())
}

/// The receiver of a name.
pub async fn by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<Receiver>> {
    let row: Option<Row> = sqlx::query_as(select_receiver!("WHERE slug = $1")).bind(slug).fetch_optional(conn).await?;
    Ok(row.and_then(read))
}

/// The receivers with some keys.
pub async fn with_keys(conn: &mut PgConnection, keys: &[i32]) -> Result<Vec<Receiver>> {
    let rows: Vec<Row> =
        sqlx::query_as(select_receiver!("WHERE receiver_id = ANY($1)")).bind(keys).fetch_all(conn).await?;
    Ok(rows.into_iter().filter_map(read).collect())
}

fn meaning(error: sqlx::Error, fields: &Fields) -> StoreError {
    match StoreError::constraint(&error) {
        Some("receiver_slug_unique") => StoreError::Taken { what: "receiver slug", value: fields.slug.clone() },
        _ => error.into(),
    }
}

fn words(lanes: &[Lane]) -> Vec<&'static str> {
    lanes.iter().map(|lane| lane.as_str()).collect()
}

/// Makes a receiver. Returns its key.
pub async fn create(conn: &mut PgConnection, fields: &Fields) -> Result<i32> {
    sqlx::query_scalar(
        "INSERT INTO receiver (slug, name, kind, settings, lanes, owners, account_id, is_failover, enabled)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING receiver_id",
    )
    .bind(&fields.slug)
    .bind(&fields.name)
    .bind(fields.kind.as_str())
    .bind(Json(&fields.settings))
    .bind(words(&fields.lanes))
    .bind(&fields.owners)
    .bind(fields.account)
    .bind(fields.is_failover)
    .bind(fields.enabled)
    .fetch_one(conn)
    .await
    .map_err(|error| meaning(error, fields))
}

/// Changes a receiver as it was read. What went wrong before is forgotten: it may be what was mended.
pub async fn update(conn: &mut PgConnection, read: &Receiver, fields: &Fields) -> Result<()> {
    let done = sqlx::query(
        "UPDATE receiver SET slug = $3, name = $4, kind = $5, settings = $6, lanes = $7, owners = $8, account_id = $9,
             is_failover = $10, enabled = $11, failures = 0, last_error = NULL, next_at = NULL, version = version + 1,
             updated_at = hr_now()
         WHERE receiver_id = $1 AND version = $2",
    )
    .bind(read.id)
    .bind(read.version)
    .bind(&fields.slug)
    .bind(&fields.name)
    .bind(fields.kind.as_str())
    .bind(Json(&fields.settings))
    .bind(words(&fields.lanes))
    .bind(&fields.owners)
    .bind(fields.account)
    .bind(fields.is_failover)
    .bind(fields.enabled)
    .execute(&mut *conn)
    .await
    .map_err(|error| meaning(error, fields))?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    let found: Option<i32> = sqlx::query_scalar("SELECT version FROM receiver WHERE receiver_id = $1")
        .bind(read.id)
        .fetch_optional(conn)
        .await?;
    Err(StoreError::Stale { what: "receiver", expected: read.version, found: found.unwrap_or_default() })
}

/// Removes a receiver and what it was told. False, and nothing is removed, while messages to it wait.
pub async fn delete(conn: &mut PgConnection, id: i32) -> Result<bool> {
    let done = sqlx::query(
        "DELETE FROM receiver r WHERE r.receiver_id = $1
           AND NOT EXISTS (SELECT FROM notification n WHERE n.receiver_id = r.receiver_id AND n.state = 'waiting')",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It was reached.
pub async fn reached(conn: &mut PgConnection, id: i32) -> Result<()> {
    sqlx::query("UPDATE receiver SET failures = 0, last_error = NULL, last_ok_at = hr_now() WHERE receiver_id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// It was not.
pub async fn failed(conn: &mut PgConnection, id: i32, error: &str) -> Result<()> {
    sqlx::query("UPDATE receiver SET failures = failures + 1, last_error = $2 WHERE receiver_id = $1")
        .bind(id)
        .bind(error)
        .execute(conn)
        .await?;
    Ok(())
}

/// Nothing is sent to it for so long; a longer wait stays.
pub async fn rest(conn: &mut PgConnection, id: i32, wait_ms: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE receiver SET next_at = greatest(next_at, hr_now() + $2 * interval '1 millisecond') WHERE receiver_id = $1",
    )
    .bind(id)
    .bind(wait_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Of some receivers those that nothing was sent to for long enough. It is this caller's turn to, and nobody else's for
/// `gap_ms`.
pub async fn take_turns(conn: &mut PgConnection, ids: &[i32], gap_ms: Millis) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "UPDATE receiver SET next_at = hr_now() + $2 * interval '1 millisecond'
         WHERE receiver_id = ANY($1) AND (next_at IS NULL OR next_at <= hr_now()) RETURNING receiver_id",
    )
    .bind(ids)
    .bind(gap_ms)
    .fetch_all(conn)
    .await?)
}

/// The receivers that are told again and again and are to be told now. It is this caller's turn to, and nobody else's for
/// `gap_ms`.
pub async fn take_beats(conn: &mut PgConnection, gap_ms: Millis) -> Result<Vec<Receiver>> {
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE receiver SET next_at = hr_now() + $2 * interval '1 millisecond'
         WHERE kind = ANY($1) AND enabled AND (next_at IS NULL OR next_at <= hr_now())
         RETURNING receiver_id, slug, name, kind, settings, lanes, owners, account_id, is_failover, enabled, failures,
             last_error, last_ok_at, version",
    )
    .bind([Kind::Alertmanager.as_str(), Kind::Watchdog.as_str()])
    .bind(gap_ms)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(read).collect())
}
