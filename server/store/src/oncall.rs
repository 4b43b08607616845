//! Schedules of people on call, and policies of who is asked one after the other.

use crate::{Result, StoreError};
use headroom_domain::alert::rota::{Policy, Rota};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Who takes turns.
    pub rota: Rota,
    /// Grows with each change.
    pub version: i32,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Who is asked when.
    pub policy: Policy,
    /// Owners of rules and pools that it is for; none = everybody who has no other.
    pub owners: Vec<String>,
    /// Grows with each change.
    pub version: i32,
}

#[derive(FromRow)]
struct Row {
    slug: String,
    name: String,
    body: Json<Value>,
    owners: Vec<String>,
    version: i32,
}

fn body<T: serde::de::DeserializeOwned>(what: &str, slug: &str, value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| StoreError::Damaged { what: format!("{what} {slug}"), problem: error.to_string() })
}

fn schedule(row: Row) -> Result<Schedule> {
    let rota = body("schedule", &row.slug, row.body.0)?;
    Ok(Schedule { slug: row.slug, name: row.name, rota, version: row.version })
}

fn policy(row: Row) -> Result<StoredPolicy> {
    let policy = body("policy", &row.slug, row.body.0)?;
    Ok(StoredPolicy { slug: row.slug, name: row.name, policy, owners: row.owners, version: row.version })
}

/// All schedules by name. One that cannot be read is left out and logged by its reader: the others go on.
pub async fn schedules(conn: &mut PgConnection) -> Result<Vec<Schedule>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT slug, name, rota AS body, '{}'::text[] AS owners, version FROM oncall_schedule ORDER BY lower(name), schedule_id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(schedule).collect()
}

/// All policies by name.
pub async fn policies(conn: &mut PgConnection) -> Result<Vec<StoredPolicy>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT slug, name, policy AS body, owners, version FROM escalation_policy ORDER BY lower(name), policy_id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(policy).collect()
}

/// A schedule, locked until the caller's transaction ends.
pub async fn lock_schedule(conn: &mut PgConnection, slug: &str) -> Result<Option<Schedule>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT slug, name, rota AS body, '{}'::text[] AS owners, version FROM oncall_schedule WHERE slug = $1 FOR UPDATE",
    )
    .bind(slug)
    .fetch_optional(conn)
    .await?;
    row.map(schedule).transpose()
}

/// A policy, locked until the caller's transaction ends.
pub async fn lock_policy(conn: &mut PgConnection, slug: &str) -> Result<Option<StoredPolicy>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT slug, name, policy AS body, owners, version FROM escalation_policy WHERE slug = $1 FOR UPDATE",
    )
    .bind(slug)
    .fetch_optional(conn)
    .await?;
    row.map(policy).transpose()
}

/// Adds a schedule where its slug is free. False if it is not.
pub async fn create_schedule(conn: &mut PgConnection, one: &Schedule) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO oncall_schedule (slug, name, zone, rota) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&one.slug)
    .bind(&one.name)
    .bind(&one.rota.zone)
    .bind(Json(&one.rota))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a schedule that is at the version that was read. False if it moved on or is gone.
pub async fn update_schedule(conn: &mut PgConnection, one: &Schedule) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE oncall_schedule SET name = $3, zone = $4, rota = $5, version = version + 1, updated_at = hr_now()
         WHERE slug = $1 AND version = $2",
    )
    .bind(&one.slug)
    .bind(one.version)
    .bind(&one.name)
    .bind(&one.rota.zone)
    .bind(Json(&one.rota))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a schedule away. False if there was none.
pub async fn delete_schedule(conn: &mut PgConnection, slug: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM oncall_schedule WHERE slug = $1").bind(slug).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Adds a policy where its slug is free. False if it is not.
pub async fn create_policy(conn: &mut PgConnection, one: &StoredPolicy) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO escalation_policy (slug, name, policy, owners) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&one.slug)
    .bind(&one.name)
    .bind(Json(&one.policy))
    .bind(&one.owners)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a policy that is at the version that was read. False if it moved on or is gone.
pub async fn update_policy(conn: &mut PgConnection, one: &StoredPolicy) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE escalation_policy SET name = $3, policy = $4, owners = $5, version = version + 1, updated_at = hr_now()
         WHERE slug = $1 AND version = $2",
    )
    .bind(&one.slug)
    .bind(one.version)
    .bind(&one.name)
    .bind(Json(&one.policy))
    .bind(&one.owners)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a policy away. False if there was none.
pub async fn delete_policy(conn: &mut PgConnection, slug: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM escalation_policy WHERE slug = $1").bind(slug).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
