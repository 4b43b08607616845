//! Events of the calendar: what changes the demand of pools, and the calendars that somebody is importing.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::calendar::{Effect, Event};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Where an imported event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What its calendar calls it.
    pub uid: String,
    /// When that occurrence of it was to begin.
    pub occurrence_ms: Millis,
    /// The file.
    pub file: String,
}

/// An event in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// The pool's key; `None` = all pools.
    pub pool: Option<i32>,
    /// When, what kind, and what it does.
    pub event: Event,
    /// What people call it.
    pub title: String,
    /// IANA zone in which it was written.
    pub zone: String,
    /// Where it comes from; `None` = somebody wrote it.
    pub origin: Option<Origin>,
    /// Who wrote it, changed it last, or took it from a file.
    pub author: String,
    /// Grows with each change.
    pub version: i32,
    /// When it was changed last.
    pub updated_ms: Millis,
}

#[derive(FromRow)]
struct Row {
    event_id: Uuid,
    pool_id: Option<i32>,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    zone: String,
    tag: String,
    title: String,
    effect: String,
    slots: Option<i32>,
    percent: Option<i32>,
    weekday: Option<i16>,
    uid: Option<String>,
    occurrence: Option<DateTime<Utc>>,
    file: Option<String>,
    author: String,
    version: i32,
    updated_at: DateTime<Utc>,
}

macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "SELECT event_id, pool_id, start_at, end_at, zone, tag, title, effect, slots, percent, weekday, uid, occurrence, file,
                    author, version, updated_at
             FROM calendar_event ",
            $rest
        )
    };
}

fn effect_of(row: &Row) -> Option<Effect> {
    Some(match row.effect.as_str() {
        "floor" => Effect::Floor { slots: row.slots?.try_into().ok()? },
        "factor" => Effect::Factor { percent: row.percent?.try_into().ok()? },
        "like_weekday" => Effect::LikeWeekday { weekday: row.weekday?.try_into().ok()? },
        "exclude" => Effect::Exclude,
        "learn" => Effect::Learn,
        _ => return None,
    })
}

impl TryFrom<Row> for Stored {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let effect = effect_of(&row).ok_or_else(|| StoreError::Damaged {
            what: format!("event {}", row.event_id),
            problem: format!("its effect {} cannot be read", row.effect),
        })?;
        let origin = match (row.uid, row.occurrence, row.file) {
            (Some(uid), Some(at), Some(file)) => Some(Origin { uid, occurrence_ms: at.timestamp_millis(), file }),
            _ => None,
        };
        Ok(Self {
            id: row.event_id,
            pool: row.pool_id,
            event: Event {
                start_ms: row.start_at.timestamp_millis(),
                end_ms: row.end_at.timestamp_millis(),
                tag: row.tag,
                effect,
            },
            title: row.title,
            zone: row.zone,
            origin,
            author: row.author,
            version: row.version,
            updated_ms: row.updated_at.timestamp_millis(),
        })
    }
}

fn read(rows: Vec<Row>) -> Result<Vec<Stored>> {
    rows.into_iter().map(Stored::try_from).collect()
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Not over at this instant.
    pub from: Option<Millis>,
    /// Begun before this instant.
    pub to: Option<Millis>,
    /// Of these pools, and of all pools; `None` = of any.
    pub pools: Option<Vec<i32>>,
    /// Of this tag.
    pub tag: Option<String>,
    /// At most so many.
    pub limit: i64,
    /// So many are passed over.
    pub offset: i64,
}

/// Events by their beginning.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_event!(
        "WHERE ($1::timestamptz IS NULL OR end_at > $1) AND ($2::timestamptz IS NULL OR start_at < $2)
           AND ($3::int[] IS NULL OR pool_id IS NULL OR pool_id = ANY($3)) AND ($4::text IS NULL OR tag = $4)
         ORDER BY start_at, event_id LIMIT $5 OFFSET $6"
    ))
    .bind(wanted.from.map(timestamp))
    .bind(wanted.to.map(timestamp))
    .bind(&wanted.pools)
    .bind(&wanted.tag)
    .bind(wanted.limit)
    .bind(wanted.offset)
    .fetch_all(conn)
    .await?;
    read(rows)
}

/// How many events there are, whatever the limit.
pub async fn count(conn: &mut PgConnection, wanted: &Wanted) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM calendar_event
         WHERE ($1::timestamptz IS NULL OR end_at > $1) AND ($2::timestamptz IS NULL OR start_at < $2)
           AND ($3::int[] IS NULL OR pool_id IS NULL OR pool_id = ANY($3)) AND ($4::text IS NULL OR tag = $4)",
    )
    .bind(wanted.from.map(timestamp))
    .bind(wanted.to.map(timestamp))
    .bind(&wanted.pools)
    .bind(&wanted.tag)
    .fetch_one(conn)
    .await?)
}

/// The events of a pool, those of all pools among them, that touch `[from, to)`, by their beginning.
pub async fn of_pool(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<Event>> {
    let rows: Vec<Row> = sqlx::query_as(select_event!(
        "WHERE (pool_id = $1 OR pool_id IS NULL) AND end_at > $2 AND start_at < $3 ORDER BY start_at, event_id"
    ))
    .bind(pool)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    Ok(read(rows)?.into_iter().map(|stored| stored.event).collect())
}

/// The newest events of a tag that hold for a pool and were over before an instant, but for what is only to be left out.
pub async fn before(conn: &mut PgConnection, pool: i32, tag: &str, before: Millis, limit: i64) -> Result<Vec<Event>> {
    let rows: Vec<Row> = sqlx::query_as(select_event!(
        "WHERE (pool_id = $1 OR pool_id IS NULL) AND tag = $2 AND effect <> 'exclude' AND end_at <= $3
         ORDER BY start_at DESC, event_id LIMIT $4"
    ))
    .bind(pool)
    .bind(tag)
    .bind(timestamp(before))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(read(rows)?.into_iter().map(|stored| stored.event).collect())
}

/// One event.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<Stored>> {
    let row: Option<Row> = sqlx::query_as(select_event!("WHERE event_id = $1")).bind(id).fetch_optional(conn).await?;
    row.map(Stored::try_from).transpose()
}

/// The tags that there are, by name.
pub async fn tags(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT DISTINCT tag FROM calendar_event ORDER BY tag LIMIT 500").fetch_all(conn).await?)
}

/// Whoever changes the calendar does so alone, until the caller's transaction ends: what contradicts each other is never written by
/// two at once.
pub async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(748211)").execute(conn).await?;
    Ok(())
}

/// All events that touch `[from, to)` and hold for a pool; for `None` those of any pool.
pub async fn around(conn: &mut PgConnection, pool: Option<i32>, from: Millis, to: Millis) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_event!(
        "WHERE ($1::int IS NULL OR pool_id IS NULL OR pool_id = $1) AND end_at > $2 AND start_at < $3
         ORDER BY start_at, event_id"
    ))
    .bind(pool)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    read(rows)
}

/// The imported events of a pool with these names.
pub async fn of_uids(conn: &mut PgConnection, pool: Option<i32>, uids: &[String]) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_event!(
        "WHERE uid = ANY($2) AND pool_id IS NOT DISTINCT FROM $1 ORDER BY start_at, event_id"
    ))
    .bind(pool)
    .bind(uids)
    .fetch_all(conn)
    .await?;
    read(rows)
}

struct Parts {
    slots: Option<i32>,
    percent: Option<i32>,
    weekday: Option<i16>,
}

fn parts(effect: Effect) -> Parts {
    let mut parts = Parts { slots: None, percent: None, weekday: None };
    match effect {
        Effect::Floor { slots } => parts.slots = i32::try_from(slots).ok(),
        Effect::Factor { percent } => parts.percent = i32::try_from(percent).ok(),
        Effect::LikeWeekday { weekday } => parts.weekday = Some(i16::from(weekday)),
        Effect::Exclude | Effect::Learn => {}
    }
    parts
}

/// Writes a new event; its version and time of change are not looked at.
pub async fn create(conn: &mut PgConnection, stored: &Stored) -> Result<()> {
    let Parts { slots, percent, weekday } = parts(stored.event.effect);
    let origin = stored.origin.as_ref();
    sqlx::query(
        "INSERT INTO calendar_event (event_id, pool_id, start_at, end_at, zone, tag, title, effect, slots, percent, weekday, uid,
             occurrence, file, author)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(stored.id)
    .bind(stored.pool)
    .bind(timestamp(stored.event.start_ms))
    .bind(timestamp(stored.event.end_ms))
    .bind(&stored.zone)
    .bind(&stored.event.tag)
    .bind(&stored.title)
    .bind(stored.event.effect.word())
    .bind(slots)
    .bind(percent)
    .bind(weekday)
    .bind(origin.map(|origin| origin.uid.as_str()))
    .bind(origin.map(|origin| timestamp(origin.occurrence_ms)))
    .bind(origin.map(|origin| origin.file.as_str()))
    .bind(&stored.author)
    .execute(conn)
    .await
    .map_err(meaning)?;
    Ok(())
}

/// Changes an event that is at the version that was read; false if it is not.
pub async fn update(conn: &mut PgConnection, stored: &Stored) -> Result<bool> {
    let Parts { slots, percent, weekday } = parts(stored.event.effect);
    let done = sqlx::query(
        "UPDATE calendar_event SET pool_id = $3, start_at = $4, end_at = $5, zone = $6, tag = $7, title = $8, effect = $9, slots = $10,
                percent = $11, weekday = $12, author = $13, file = coalesce($14, file), updated_at = hr_now(), version = version + 1
         WHERE event_id = $1 AND version = $2",
    )
    .bind(stored.id)
    .bind(stored.version)
    .bind(stored.pool)
    .bind(timestamp(stored.event.start_ms))
    .bind(timestamp(stored.event.end_ms))
    .bind(&stored.zone)
    .bind(&stored.event.tag)
    .bind(&stored.title)
    .bind(stored.event.effect.word())
    .bind(slots)
    .bind(percent)
    .bind(weekday)
    .bind(&stored.author)
    .bind(stored.origin.as_ref().map(|origin| origin.file.as_str()))
    .execute(conn)
    .await
    .map_err(meaning)?;
    Ok(done.rows_affected() == 1)
}

/// Removes events; returns how many.
pub async fn remove(conn: &mut PgConnection, ids: &[Uuid]) -> Result<u64> {
    let done = sqlx::query("DELETE FROM calendar_event WHERE event_id = ANY($1)").bind(ids).execute(conn).await?;
    Ok(done.rows_affected())
}

fn meaning(error: sqlx::Error) -> StoreError {
    let invalid = |field, problem: &str| StoreError::Invalid { field, problem: problem.to_owned() };
    match StoreError::constraint(&error) {
        Some("calendar_event_times") => invalid("end", "expected a time after the start, at most a year later"),
        Some("calendar_event_effect") => invalid("effect", "expected an effect with its number in bounds"),
        Some("calendar_event_once") => invalid("uid", "expected one that is not in the calendar for this pool yet"),
        _ => error.into(),
    }
}

/// A calendar that somebody is importing.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub owner: Uuid,
    /// What the file is called.
    pub file: String,
    /// The file.
    pub content: Vec<u8>,
    /// Of which pool, and what becomes of tags and effects.
    pub mapping: Value,
    /// Until when it is kept.
    pub expires_ms: Millis,
}

/// Keeps a calendar; what its owner kept before and what is over goes.
pub async fn hold(conn: &mut PgConnection, held: &Held) -> Result<()> {
    sqlx::query("DELETE FROM calendar_import WHERE owner_id = $1 OR expires_at <= hr_now()")
        .bind(held.owner)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO calendar_import (import_id, owner_id, file, content, mapping, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(held.id)
    .bind(held.owner)
    .bind(&held.file)
    .bind(&held.content)
    .bind(Json(&held.mapping))
    .bind(timestamp(held.expires_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// A calendar that is kept for its owner, locked until the caller's transaction ends.
pub async fn held(conn: &mut PgConnection, id: Uuid, owner: Uuid) -> Result<Option<Held>> {
    let row: Option<(String, Vec<u8>, Json<Value>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT file, content, mapping, expires_at FROM calendar_import
         WHERE import_id = $1 AND owner_id = $2 AND expires_at > hr_now() FOR UPDATE",
    )
    .bind(id)
    .bind(owner)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(file, content, mapping, expires)| Held {
        id,
        owner,
        file,
        content,
        mapping: mapping.0,
        expires_ms: expires.timestamp_millis(),
    }))
}

/// What becomes of tags and effects is said anew.
pub async fn set_mapping(conn: &mut PgConnection, id: Uuid, mapping: &Value) -> Result<()> {
    sqlx::query("UPDATE calendar_import SET mapping = $2 WHERE import_id = $1")
        .bind(id)
        .bind(Json(mapping))
        .execute(conn)
        .await?;
    Ok(())
}

/// A calendar is not kept any longer.
pub async fn let_go(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM calendar_import WHERE import_id = $1").bind(id).execute(conn).await?;
    Ok(())
}
