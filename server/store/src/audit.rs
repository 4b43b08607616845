//! The audit trail: who changed what. A chain of hashes, so that an entry altered, left out or cut off the end is found.

use crate::Result;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::Uuid;

/// Who acts, and through which door.
#[derive(Debug, Clone)]
pub struct Actor {
    /// User, token or job.
    pub name: String,
    /// Id of the account or token; names need not be unique.
    pub id: Option<Uuid>,
    /// `page`, `api`, `cli` or `job`.
    pub source: &'static str,
    /// Network address; empty if there is none.
    pub address: String,
    /// The last entry recorded in its name.
    pub receipt: Receipt,
}

/// The number of an entry, to be told to whoever caused it once its transaction is done. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Receipt(Arc<AtomicI64>);

impl Receipt {
    /// The number of the last entry; `None` if nothing was recorded.
    pub fn number(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number > 0)
    }
}

/// A change to be recorded.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What was done: `create`, `update`, `archive`, ...
    pub action: &'a str,
    /// To what kind of thing.
    pub object: &'a str,
    /// Which one, by the name it had then.
    pub key: &'a str,
    /// Which one, by its id.
    pub id: Option<Uuid>,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Why.
    pub reason: &'a str,
}

/// The fields of an entry as they are hashed: each with its length before it, so that no two entries read the same. The
/// actor's id comes last, and only where there is one: older entries were hashed without.
fn entry_hash(previous: &[u8], fields: &[&str], actor_id: Option<&str>) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    for field in fields.iter().copied().chain(actor_id) {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().as_bytes().to_vec()
}

/// An instant as it is hashed.
fn instant(at: DateTime<Utc>) -> String {
    at.timestamp_micros().to_string()
}

/// Records a change, in the transaction that makes it. Returns the record's number.
///
/// The head of the chain is locked until that transaction ends: changes that are recorded happen one after the other.
pub async fn record(conn: &mut PgConnection, e: &Entry<'_>) -> Result<i64> {
    // As PostgreSQL writes them, because that is how they are read again.
    let (previous, at, before, after): (Vec<u8>, DateTime<Utc>, Option<String>, Option<String>) =
        sqlx::query_as("SELECT h.hash, hr_now(), $1::jsonb::text, $2::jsonb::text FROM audit_head h FOR UPDATE OF h")
            .bind(&e.before)
            .bind(&e.after)
            .fetch_one(&mut *conn)
            .await?;
    let id = e.id.map(|id| id.to_string());
    let actor_id = e.actor.id.map(|id| id.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let hash = entry_hash(
        &previous,
        &[
            &instant(at),
            &e.actor.name,
            e.actor.source,
            &e.actor.address,
            e.action,
            e.object,
            e.key,
            &text(&id),
            &text(&before),
            &text(&after),
            e.reason,
        ],
        actor_id.as_deref(),
    );
    let number = sqlx::query_scalar(
        "INSERT INTO audit (at, actor, source, address, action, object, object_key, object_id, before, after, reason, entry_hash,
             actor_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING audit_id",
    )
    .bind(at)
    .bind(&e.actor.name)
    .bind(e.actor.source)
    .bind(&e.actor.address)
    .bind(e.action)
    .bind(e.object)
    .bind(e.key)
    .bind(e.id)
    .bind(&e.before)
    .bind(&e.after)
    .bind(e.reason)
    .bind(&hash)
    .bind(e.actor.id)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query("UPDATE audit_head SET entries = entries + 1, hash = $1").bind(&hash).execute(conn).await?;
    e.actor.receipt.0.store(number, Ordering::Relaxed);
    Ok(number)
}

/// A recorded change.
#[derive(Debug, Clone, FromRow)]
pub struct Recorded {
    /// Number.
    pub audit_id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// Account or token.
    pub actor_id: Option<Uuid>,
    /// Door.
    pub source: String,
    /// Network address; may be empty.
    pub address: String,
    /// What.
    pub action: String,
    /// To what kind of thing.
    pub object: String,
    /// Which one, by the name it had then.
    pub object_key: String,
    /// Which one, by its id.
    pub object_id: Option<Uuid>,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Why.
    pub reason: String,
    /// Hash of the chain up to this entry, hexadecimal; none in entries from before there was a chain.
    pub hash: Option<String>,
}

/// The newest changes of one object, whatever it was called; entries without an id are found by its name.
pub async fn of_object(
    conn: &mut PgConnection,
    object: &str,
    id: Uuid,
    key: &str,
    limit: i64,
) -> Result<Vec<Recorded>> {
    Ok(sqlx::query_as(
        "SELECT audit_id, at, actor, actor_id, source, address, action, object, object_key, object_id, before, after, reason,
             encode(entry_hash, 'hex') AS hash
         FROM audit WHERE object = $1 AND (object_id = $2 OR object_id IS NULL AND object_key = $3)
         ORDER BY audit_id DESC LIMIT $4",
    )
    .bind(object)
    .bind(id)
    .bind(key)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of actors of this name.
    pub actor: Option<String>,
    /// Only of this account or token.
    pub actor_id: Option<Uuid>,
    /// Only this action.
    pub action: Option<String>,
    /// Only this kind of thing.
    pub object: Option<String>,
    /// Only where actor or name of the thing contains this text.
    pub text: Option<String>,
    /// Only below this number.
    pub before: Option<i64>,
    /// Only above this number.
    pub after: Option<i64>,
}

macro_rules! select_audit {
    () => {
        "SELECT audit_id, at, actor, actor_id, source, address, action, object, object_key, object_id, before, after, reason,
             encode(entry_hash, 'hex') AS hash
         FROM audit
         WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR action = $2)
             AND ($3::text IS NULL OR object = $3)
             AND ($4::text IS NULL OR strpos(lower(actor || ' ' || object_key), lower($4)) > 0)
             AND ($5::uuid IS NULL OR actor_id = $5)
             AND ($6::bigint IS NULL OR audit_id < $6) AND ($7::bigint IS NULL OR audit_id > $7)"
    };
}

/// Entries, newest first, or oldest first from `after` on.
pub async fn list(conn: &mut PgConnection, w: &Wanted, limit: i64) -> Result<Vec<Recorded>> {
    let statement = if w.after.is_some() {
        concat!(select_audit!(), " ORDER BY audit_id LIMIT $8")
    } else {
        concat!(select_audit!(), " ORDER BY audit_id DESC LIMIT $8")
    };
    Ok(sqlx::query_as(statement)
        .bind(&w.actor)
        .bind(&w.action)
        .bind(&w.object)
        .bind(&w.text)
        .bind(w.actor_id)
        .bind(w.before)
        .bind(w.after)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// How many entries are wanted, those before the given number only if there is one.
pub async fn count(conn: &mut PgConnection, w: &Wanted) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM audit
         WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR action = $2)
             AND ($3::text IS NULL OR object = $3)
             AND ($4::text IS NULL OR strpos(lower(actor || ' ' || object_key), lower($4)) > 0)
             AND ($5::uuid IS NULL OR actor_id = $5) AND ($6::bigint IS NULL OR audit_id < $6)",
    )
    .bind(&w.actor)
    .bind(&w.action)
    .bind(&w.object)
    .bind(&w.text)
    .bind(w.actor_id)
    .bind(w.before)
    .fetch_one(conn)
    .await?)
}

/// Actions and kinds of things that occur.
pub async fn words(conn: &mut PgConnection) -> Result<(Vec<String>, Vec<String>)> {
    let actions = sqlx::query_scalar("SELECT DISTINCT action FROM audit ORDER BY action").fetch_all(&mut *conn).await?;
    let objects = sqlx::query_scalar("SELECT DISTINCT object FROM audit ORDER BY object").fetch_all(conn).await?;
    Ok((actions, objects))
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry is as it was written.
    Whole {
        /// Entries in the chain.
        entries: i64,
        /// Entries from before there was a chain.
        unchained: i64,
    },
    /// This entry is not as it was written, or an entry before it is missing.
    Broken {
        /// Its number.
        audit_id: i64,
    },
    /// Entries at the end are missing, or some were slipped in.
    WrongEnd {
        /// Entries there should be.
        expected: i64,
        /// Entries there are.
        found: i64,
    },
}

#[derive(FromRow)]
struct ChainRow {
    audit_id: i64,
    at: DateTime<Utc>,
    actor: String,
    source: String,
    address: String,
    action: String,
    object: String,
    object_key: String,
    object_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    reason: String,
    entry_hash: Option<Vec<u8>>,
    actor_id: Option<String>,
}

/// Checks the chain from its start. Call it in a transaction that sees one state (repeatable read).
pub async fn verify(conn: &mut PgConnection, progress: &mut dyn FnMut(i64, i64)) -> Result<Verdict> {
    const AT_ONCE: i64 = 5_000;
    let (expected, end): (i64, Vec<u8>) =
        sqlx::query_as("SELECT entries, hash FROM audit_head").fetch_one(&mut *conn).await?;
    let (mut previous, mut entries, mut unchained, mut last) = (Vec::new(), 0, 0, 0_i64);
    loop {
        let rows: Vec<ChainRow> = sqlx::query_as(
            "SELECT audit_id, at, actor, source, address, action, object, object_key, object_id::text, before::text, after::text,
                 reason, entry_hash, actor_id::text
             FROM audit WHERE audit_id > $1 ORDER BY audit_id LIMIT $2",
        )
        .bind(last)
        .bind(AT_ONCE)
        .fetch_all(&mut *conn)
        .await?;
        let Some(newest) = rows.last() else { break };
        last = newest.audit_id;
        for row in rows {
            let text = |text: Option<String>| text.unwrap_or_default();
            let Some(stored) = row.entry_hash else {
                // Only at the start: once there is a chain, every entry is part of it.
                if entries > 0 {
                    return Ok(Verdict::Broken { audit_id: row.audit_id });
                }
                unchained += 1;
                continue;
            };
            let hash = entry_hash(
                &previous,
                &[
                    &instant(row.at),
                    &row.actor,
                    &row.source,
                    &row.address,
                    &row.action,
                    &row.object,
                    &row.object_key,
                    &text(row.object_id),
                    &text(row.before),
                    &text(row.after),
                    &row.reason,
                ],
                row.actor_id.as_deref(),
            );
            if hash != stored {
                return Ok(Verdict::Broken { audit_id: row.audit_id });
            }
            previous = hash;
            entries += 1;
        }
        progress(entries, expected);
    }
    if entries != expected || previous != end {
        return Ok(Verdict::WrongEnd { expected, found: entries });
    }
    Ok(Verdict::Whole { entries, unchained })
}
