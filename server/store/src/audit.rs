//! The audit trail: who changed what.

use crate::Result;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};

/// Who acts, and through which door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// User, token or job.
    pub name: String,
    /// `page`, `api`, `cli` or `job`.
    pub source: &'static str,
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
    /// Which one, by slug.
    pub key: &'a str,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Why.
    pub reason: &'a str,
}

/// Records a change, in the transaction that makes it. Returns the record's number.
pub async fn record(conn: &mut PgConnection, e: &Entry<'_>) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "INSERT INTO audit (actor, source, action, object, object_key, before, after, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING audit_id",
    )
    .bind(&e.actor.name)
    .bind(e.actor.source)
    .bind(e.action)
    .bind(e.object)
    .bind(e.key)
    .bind(&e.before)
    .bind(&e.after)
    .bind(e.reason)
    .fetch_one(conn)
    .await?)
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
    /// Door.
    pub source: String,
    /// What.
    pub action: String,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Why.
    pub reason: String,
}

/// The newest changes of one object.
pub async fn of_object(conn: &mut PgConnection, object: &str, key: &str, limit: i64) -> Result<Vec<Recorded>> {
    Ok(sqlx::query_as(
        "SELECT audit_id, at, actor, source, action, before, after, reason FROM audit
         WHERE object = $1 AND object_key = $2 ORDER BY audit_id DESC LIMIT $3",
    )
    .bind(object)
    .bind(key)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
