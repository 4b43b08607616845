//! Letters to people: written in the transaction of what they tell of, leased by whoever sends them, and marked when the mail server
//! has them.
//!
//! A lease that runs out is free again: a letter whose sender died goes out twice, under the same id, and none is lost.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::access::Role;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Whoever leased a letter has this long to send it, on the database's clock.
pub const LEASE_MS: Millis = 60_000;

/// A letter to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// The account's key.
    pub account: i32,
    /// What it is about, at most 200 characters: the same thing is told to a person once.
    pub key: String,
    /// One line, 1 to 200 characters.
    pub subject: String,
    /// Plain text, 1 to 20,000 characters.
    pub body: String,
}

/// Somebody who wants letters about plans.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Reader {
    /// The account's key.
    #[sqlx(rename = "account_id")]
    pub account: i32,
    /// The account's id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Keys of the tenants it is told of.
    pub tenants: Vec<i32>,
}

/// A letter that was leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The store's key.
    pub id: i64,
    /// Counts attempts, this one included.
    pub attempts: i32,
    /// What it is about.
    pub key: String,
    /// When it was written.
    pub created_ms: Millis,
    /// Name of its reader.
    pub name: String,
    /// Address of its reader.
    pub email: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

#[derive(FromRow)]
struct Row {
    letter_id: i64,
    attempts: i32,
    key: String,
    created_at: DateTime<Utc>,
    name: String,
    email: String,
    subject: String,
    body: String,
}

/// Tenant viewers of some tenants who want letters, by name.
pub async fn readers_of_tenants(conn: &mut PgConnection, tenants: &[i32]) -> Result<Vec<Reader>> {
    Ok(sqlx::query_as(
        "SELECT a.account_id, a.id, a.name, array_agg(DISTINCT x.tenant_id ORDER BY x.tenant_id) AS tenants
         FROM account a JOIN account_tenant x USING (account_id)
         WHERE x.tenant_id = ANY($1) AND a.disabled_at IS NULL AND a.plan_letters
           AND EXISTS (SELECT 1 FROM account_role r WHERE r.account_id = a.account_id AND r.role = $2)
         GROUP BY a.account_id ORDER BY a.name, a.account_id",
    )
    .bind(tenants)
    .bind(Role::TenantViewer.as_str())
    .fetch_all(conn)
    .await?)
}

/// Planners and administrators who want letters, by name.
pub async fn planners(conn: &mut PgConnection) -> Result<Vec<Reader>> {
    Ok(sqlx::query_as(
        "SELECT a.account_id, a.id, a.name, ARRAY[]::int[] AS tenants FROM account a
         WHERE a.disabled_at IS NULL AND a.plan_letters
           AND EXISTS (SELECT 1 FROM account_role r WHERE r.account_id = a.account_id AND r.role = ANY($1))
         ORDER BY a.name, a.account_id",
    )
    .bind(vec![Role::Planner.as_str(), Role::Admin.as_str()])
    .fetch_all(conn)
    .await?)
}

/// Somebody, if letters are wanted.
pub async fn reader(conn: &mut PgConnection, id: Uuid) -> Result<Option<Reader>> {
    Ok(sqlx::query_as(
        "SELECT account_id, id, name, ARRAY[]::int[] AS tenants FROM account
         WHERE id = $1 AND disabled_at IS NULL AND plan_letters",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Keys of accounts that want a letter when a report closes.
pub async fn readers_of_reports(conn: &mut PgConnection) -> Result<Vec<i32>> {
    let query = "SELECT account_id FROM account WHERE report_letters AND disabled_at IS NULL ORDER BY account_id";
    Ok(sqlx::query_scalar(query).fetch_all(conn).await?)
}

/// Whether an account wants letters about reports.
pub async fn are_reports_wanted(conn: &mut PgConnection, account: i32) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT report_letters FROM account WHERE account_id = $1")
        .bind(account)
        .fetch_optional(conn)
        .await?
        .unwrap_or_default())
}

/// Says whether an account wants letters about reports.
pub async fn set_reports_wanted(conn: &mut PgConnection, account: i32, wanted: bool) -> Result<()> {
    sqlx::query("UPDATE account SET report_letters = $2 WHERE account_id = $1")
        .bind(account)
        .bind(wanted)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether an account wants letters about plans.
pub async fn are_wanted(conn: &mut PgConnection, account: i32) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT plan_letters FROM account WHERE account_id = $1")
        .bind(account)
        .fetch_optional(conn)
        .await?
        .unwrap_or_default())
}

/// Says whether an account wants letters about plans.
pub async fn set_wanted(conn: &mut PgConnection, account: i32, wanted: bool) -> Result<()> {
    sqlx::query("UPDATE account SET plan_letters = $2 WHERE account_id = $1")
        .bind(account)
        .bind(wanted)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes letters; those that were written before are left as they are. Returns how many are new.
pub async fn write(conn: &mut PgConnection, letters: &[New]) -> Result<u64> {
    if letters.is_empty() {
        return Ok(0);
    }
    let accounts: Vec<i32> = letters.iter().map(|letter| letter.account).collect();
    let texts = |of: fn(&New) -> &String| letters.iter().map(of).map(String::as_str).collect::<Vec<&str>>();
    let written = sqlx::query(
        "INSERT INTO letter (account_id, key, subject, body) SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[])
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(accounts)
    .bind(texts(|letter| &letter.key))
    .bind(texts(|letter| &letter.subject))
    .bind(texts(|letter| &letter.body))
    .execute(conn)
    .await?;
    Ok(written.rows_affected())
}

/// Leases letters that are due, the oldest first. People who were barred meanwhile get none.
pub async fn lease(conn: &mut PgConnection, limit: i64) -> Result<Vec<Leased>> {
    sqlx::query(
        "UPDATE letter l SET state = 'dead', ended_at = hr_now(), last_error = 'the account is barred from signing in'
         FROM account a WHERE a.account_id = l.account_id AND l.state = 'waiting' AND a.disabled_at IS NOT NULL",
    )
    .execute(&mut *conn)
    .await?;
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE letter l SET lease_until = hr_now() + $2 * interval '1 millisecond', attempts = attempts + 1
         FROM account a
         WHERE a.account_id = l.account_id AND l.letter_id IN (
             SELECT letter_id FROM letter
             WHERE state = 'waiting' AND due_at <= hr_now() AND (lease_until IS NULL OR lease_until <= hr_now())
             ORDER BY due_at, letter_id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING l.letter_id, l.attempts, l.key, l.created_at, a.name, a.email, l.subject, l.body",
    )
    .bind(limit)
    .bind(LEASE_MS as f64)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Leased {
            id: row.letter_id,
            attempts: row.attempts,
            key: row.key,
            created_ms: row.created_at.timestamp_millis(),
            name: row.name,
            email: row.email,
            subject: row.subject,
            body: row.body,
        })
        .collect())
}

/// The mail server has a letter.
pub async fn sent(conn: &mut PgConnection, id: i64) -> Result<()> {
    sqlx::query("UPDATE letter SET state = 'sent', ended_at = hr_now(), lease_until = NULL, last_error = NULL WHERE letter_id = $1 AND state = 'waiting'")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// The mail server did not take a letter: it is tried again at an instant, or never.
pub async fn failed(conn: &mut PgConnection, id: i64, again_ms: Option<Millis>, error: &str) -> Result<()> {
    sqlx::query(
        "UPDATE letter SET lease_until = NULL, last_error = $3, due_at = coalesce($2, due_at),
             state = CASE WHEN $2 IS NULL THEN 'dead' ELSE state END, ended_at = CASE WHEN $2 IS NULL THEN hr_now() END
         WHERE letter_id = $1 AND state = 'waiting'",
    )
    .bind(id)
    .bind(again_ms.map(timestamp))
    .bind(error.chars().take(500).collect::<String>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets letters that ended before an instant. Returns how many.
pub async fn forget(conn: &mut PgConnection, before_ms: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM letter WHERE state <> 'waiting' AND ended_at < $1")
        .bind(timestamp(before_ms))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}
