//! Accounts of people: who they are, their roles, how they prove it.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::access::Role;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// What an administrator can say about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountFields {
    /// E-mail address in lower case; signs in.
    pub email: String,
    /// Name on pages, 1 to 120 characters.
    pub name: String,
    /// Roles; none means that it may do nothing.
    pub roles: Vec<Role>,
    /// Slugs of the tenants that a tenant viewer sees.
    pub tenants: Vec<String>,
}

/// A stored account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The store's key.
    #[serde(skip)]
    pub key: i32,
    /// The API's id.
    pub id: Uuid,
    /// What was said about it.
    #[serde(flatten)]
    pub fields: AccountFields,
    /// Keys of the tenants.
    #[serde(skip)]
    pub tenant_keys: Vec<i32>,
    /// Whether a password was chosen.
    pub has_password: bool,
    /// Whether a second factor is in use.
    pub totp: bool,
    /// When it was made.
    pub created_ms: Millis,
    /// Last request.
    pub seen_ms: Option<Millis>,
    /// When it was disabled.
    pub disabled_ms: Option<Millis>,
    /// Open sessions.
    pub sessions: i64,
    /// Counts changes.
    pub version: i32,
    /// Sessions begun under an earlier one are over.
    pub epoch: i32,
}

impl Account {
    /// Whether it manages people, and may sign in.
    pub fn is_active_admin(&self) -> bool {
        self.disabled_ms.is_none() && self.fields.roles.contains(&Role::Admin)
    }
}

/// What proves who somebody is. Not printed.
#[derive(Clone, Default)]
pub struct Secrets {
    /// PHC string of the password.
    pub password_hash: Option<String>,
    /// Secret of the second factor.
    pub totp_secret: Option<Vec<u8>>,
    /// Whether the second factor is in use.
    pub totp_on: bool,
    /// The last step whose code was used.
    pub totp_step: i64,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct AccountRow {
    account_id: i32,
    id: Uuid,
    email: String,
    name: String,
    roles: Vec<String>,
    tenants: Vec<String>,
    tenant_keys: Vec<i32>,
    has_password: bool,
    totp_on: bool,
    created_at: DateTime<Utc>,
    seen_at: Option<DateTime<Utc>>,
    disabled_at: Option<DateTime<Utc>>,
    sessions: i64,
    version: i32,
    epoch: i32,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self> {
        let roles = row.roles.iter().map(|word| word.parse()).collect::<Result<Vec<Role>, String>>();
        let roles =
            roles.map_err(|problem| StoreError::Damaged { what: format!("account {}", row.account_id), problem })?;
        Ok(Self {
            key: row.account_id,
            id: row.id,
            fields: AccountFields { email: row.email, name: row.name, roles, tenants: row.tenants },
            tenant_keys: row.tenant_keys,
            has_password: row.has_password,
            totp: row.totp_on,
            created_ms: row.created_at.timestamp_millis(),
            seen_ms: row.seen_at.map(|at| at.timestamp_millis()),
            disabled_ms: row.disabled_at.map(|at| at.timestamp_millis()),
            sessions: row.sessions,
            version: row.version,
            epoch: row.epoch,
        })
    }
}

macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT a.account_id, a.id, a.email, a.name,
                 ARRAY(SELECT role FROM account_role r WHERE r.account_id = a.account_id ORDER BY role) AS roles,
                 ARRAY(SELECT t.slug FROM account_tenant x JOIN tenant t USING (tenant_id)
                       WHERE x.account_id = a.account_id ORDER BY t.slug) AS tenants,
                 ARRAY(SELECT x.tenant_id FROM account_tenant x WHERE x.account_id = a.account_id) AS tenant_keys,
                 a.password_hash IS NOT NULL AS has_password, a.totp_on, a.created_at, a.seen_at, a.disabled_at,
                 (SELECT count(*) FROM session s WHERE s.account_id = a.account_id AND s.expires_at > hr_now()) AS sessions,
                 a.version, a.epoch
             FROM account a ",
            $rest
        )
    };
}

/// All accounts by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Account>> {
    let rows: Vec<AccountRow> = sqlx::query_as(select_account!("ORDER BY a.name, a.email")).fetch_all(conn).await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// An account by its key.
pub async fn by_key(conn: &mut PgConnection, key: i32) -> Result<Option<Account>> {
    let row: Option<AccountRow> =
        sqlx::query_as(select_account!("WHERE a.account_id = $1")).bind(key).fetch_optional(conn).await?;
    row.map(Account::try_from).transpose()
}

/// An account by its id.
pub async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<Account>> {
    let row: Option<AccountRow> =
        sqlx::query_as(select_account!("WHERE a.id = $1")).bind(id).fetch_optional(conn).await?;
    row.map(Account::try_from).transpose()
}

/// An account by its e-mail address, in lower case.
pub async fn by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Account>> {
    let row: Option<AccountRow> =
        sqlx::query_as(select_account!("WHERE a.email = $1")).bind(email).fetch_optional(conn).await?;
    row.map(Account::try_from).transpose()
}

/// Whether there is any account.
pub async fn any(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM account)").fetch_one(conn).await?)
}

/// Holds all changes of accounts apart until the caller's transaction ends: rules over several accounts, such as "one
/// administrator stays", are checked under it.
pub async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE").execute(conn).await?;
    Ok(())
}

/// Administrators that may sign in, by name.
pub async fn admins(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT a.name FROM account a JOIN account_role r USING (account_id)
         WHERE r.role = 'admin' AND a.disabled_at IS NULL ORDER BY a.name, a.account_id",
    )
    .fetch_all(conn)
    .await?)
}

fn meaning(error: sqlx::Error, fields: &AccountFields) -> StoreError {
    match StoreError::constraint(&error) {
        Some("account_email_unique") => StoreError::Taken { what: "account", value: fields.email.clone() },
        _ => error.into(),
    }
}

/// Makes an account without a password.
pub async fn create(conn: &mut PgConnection, id: Uuid, fields: &AccountFields) -> Result<i32> {
    let key = sqlx::query_scalar("INSERT INTO account (id, email, name) VALUES ($1, $2, $3) RETURNING account_id")
        .bind(id)
        .bind(&fields.email)
        .bind(&fields.name)
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| meaning(error, fields))?;
    set_rights(conn, key, fields).await?;
    Ok(key)
}

/// Replaces what is said about an account if it is still at `version`.
pub async fn update(conn: &mut PgConnection, before: &Account, version: i32, fields: &AccountFields) -> Result<()> {
    let done = sqlx::query(
        "UPDATE account SET email = $3, name = $4, version = version + 1 WHERE account_id = $1 AND version = $2",
    )
    .bind(before.key)
    .bind(version)
    .bind(&fields.email)
    .bind(&fields.name)
    .execute(&mut *conn)
    .await
    .map_err(|error| meaning(error, fields))?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Stale { what: "account", expected: version, found: before.version });
    }
    set_rights(conn, before.key, fields).await
}

async fn set_rights(conn: &mut PgConnection, key: i32, fields: &AccountFields) -> Result<()> {
    let roles: Vec<&str> = fields.roles.iter().map(|role| role.as_str()).collect();
    sqlx::query("DELETE FROM account_role WHERE account_id = $1").bind(key).execute(&mut *conn).await?;
    sqlx::query("INSERT INTO account_role (account_id, role) SELECT DISTINCT $1, unnest($2::text[])")
        .bind(key)
        .bind(&roles)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM account_tenant WHERE account_id = $1").bind(key).execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO account_tenant (account_id, tenant_id) SELECT $1, tenant_id FROM tenant WHERE slug = ANY($2)",
    )
    .bind(key)
    .bind(&fields.tenants)
    .execute(conn)
    .await?;
    Ok(())
}

/// Bars an account from signing in, or lets it again.
pub async fn set_disabled(conn: &mut PgConnection, key: i32, disabled: bool) -> Result<()> {
    sqlx::query(
        "UPDATE account SET disabled_at = CASE WHEN $2 THEN hr_now() END, version = version + 1,
             epoch = epoch + CASE WHEN $2 THEN 1 ELSE 0 END
         WHERE account_id = $1",
    )
    .bind(key)
    .bind(disabled)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends all sessions of an account that were begun so far, also those that are just being begun. Returns the new epoch.
pub async fn end_epoch(conn: &mut PgConnection, key: i32) -> Result<i32> {
    let epoch = "UPDATE account SET epoch = epoch + 1 WHERE account_id = $1 RETURNING epoch";
    Ok(sqlx::query_scalar(epoch).bind(key).fetch_one(conn).await?)
}

/// Notes that somebody was here, at most once a minute.
pub async fn seen(conn: &mut PgConnection, key: i32) -> Result<()> {
    sqlx::query(
        "UPDATE account SET seen_at = hr_now()
         WHERE account_id = $1 AND (seen_at IS NULL OR seen_at < hr_now() - interval '1 minute')",
    )
    .bind(key)
    .execute(conn)
    .await?;
    Ok(())
}

/// What proves who somebody is.
pub async fn secrets(conn: &mut PgConnection, key: i32) -> Result<Secrets> {
    let found: Option<(Option<String>, Option<Vec<u8>>, bool, i64)> =
        sqlx::query_as("SELECT password_hash, totp_secret, totp_on, totp_step FROM account WHERE account_id = $1")
            .bind(key)
            .fetch_optional(conn)
            .await?;
    let (password_hash, totp_secret, totp_on, totp_step) = found.unwrap_or_default();
    Ok(Secrets { password_hash, totp_secret, totp_on, totp_step })
}

/// Sets the password.
pub async fn set_password(conn: &mut PgConnection, key: i32, hash: &str) -> Result<()> {
    sqlx::query(
        "UPDATE account SET password_hash = $2, version = version + 1, epoch = epoch + 1 WHERE account_id = $1",
    )
    .bind(key)
    .bind(hash)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets the second factor: its secret and whether it is in use. Without a secret there is none.
pub async fn set_totp(conn: &mut PgConnection, key: i32, secret: Option<&[u8]>, on: bool) -> Result<()> {
    sqlx::query(
        "UPDATE account SET totp_secret = $2, totp_on = $3, totp_step = 0, version = version + 1 WHERE account_id = $1",
    )
    .bind(key)
    .bind(secret)
    .bind(on)
    .execute(conn)
    .await?;
    Ok(())
}

/// Uses up a step of the second factor; false if it, or a later one, was used before.
pub async fn use_totp_step(conn: &mut PgConnection, key: i32, step: i64) -> Result<bool> {
    let done = sqlx::query("UPDATE account SET totp_step = $2 WHERE account_id = $1 AND totp_step < $2")
        .bind(key)
        .bind(step)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The account that a provider of single sign-on knows under a subject.
pub async fn by_identity(conn: &mut PgConnection, issuer: &str, subject: &str) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar("SELECT account_id FROM account_identity WHERE issuer = $1 AND subject = $2")
        .bind(issuer)
        .bind(subject)
        .fetch_optional(conn)
        .await?)
}

/// Remembers who an account is at a provider.
pub async fn set_identity(conn: &mut PgConnection, key: i32, issuer: &str, subject: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO account_identity (issuer, subject, account_id) VALUES ($1, $2, $3)
         ON CONFLICT (issuer, subject) DO UPDATE SET account_id = EXCLUDED.account_id",
    )
    .bind(issuer)
    .bind(subject)
    .bind(key)
    .execute(conn)
    .await?;
    Ok(())
}
