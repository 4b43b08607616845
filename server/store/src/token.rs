//! API tokens. A token is known here by its hash only.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::access::Scope;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;
use uuid::Uuid;

/// What a token is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenFields {
    /// Name, 1 to 120 characters.
    pub name: String,
    /// What it may be used for; never empty.
    pub scopes: Vec<Scope>,
    /// Slugs of the only pools it is for; empty for all.
    pub pools: Vec<String>,
    /// Slugs of the only tenants it is for; empty for all.
    pub tenants: Vec<String>,
    /// When it ends.
    pub expires_ms: Option<Millis>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The store's key.
    #[serde(skip)]
    pub key: i32,
    /// The API's id.
    pub id: Uuid,
    /// What it was made with.
    #[serde(flatten)]
    pub fields: TokenFields,
    /// Keys of the pools.
    #[serde(skip)]
    pub pool_keys: Vec<i32>,
    /// Keys of the tenants.
    #[serde(skip)]
    pub tenant_keys: Vec<i32>,
    /// Its first characters.
    pub prefix: String,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub created_ms: Millis,
    /// When it was revoked.
    pub revoked_ms: Option<Millis>,
    /// Last use.
    pub used_ms: Option<Millis>,
    /// Program that used it last.
    pub used_agent: String,
}

#[derive(FromRow)]
struct TokenRow {
    token_id: i32,
    id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    pools: Vec<String>,
    tenants: Vec<String>,
    pool_keys: Vec<i32>,
    tenant_keys: Vec<i32>,
    made_by: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    used_at: Option<DateTime<Utc>>,
    used_agent: String,
}

impl TryFrom<TokenRow> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self> {
        let scopes = row.scopes.iter().map(|word| word.parse()).collect::<Result<Vec<Scope>, String>>();
        let scopes =
            scopes.map_err(|problem| StoreError::Damaged { what: format!("token {}", row.token_id), problem })?;
        let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        Ok(Self {
            key: row.token_id,
            id: row.id,
            fields: TokenFields {
                name: row.name,
                scopes,
                pools: row.pools,
                tenants: row.tenants,
                expires_ms: ms(row.expires_at),
            },
            pool_keys: row.pool_keys,
            tenant_keys: row.tenant_keys,
            prefix: row.prefix,
            made_by: row.made_by,
            created_ms: row.created_at.timestamp_millis(),
            revoked_ms: ms(row.revoked_at),
            used_ms: ms(row.used_at),
            used_agent: row.used_agent,
        })
    }
}

macro_rules! select_token {
    ($rest:literal) => {
        concat!(
            "SELECT t.token_id, t.id, t.name, t.prefix, t.scopes,
                 ARRAY(SELECT p.slug FROM api_token_pool x JOIN pool p USING (pool_id)
                       WHERE x.token_id = t.token_id ORDER BY p.slug) AS pools,
                 ARRAY(SELECT n.slug FROM api_token_tenant x JOIN tenant n USING (tenant_id)
                       WHERE x.token_id = t.token_id ORDER BY n.slug) AS tenants,
                 ARRAY(SELECT pool_id FROM api_token_pool x WHERE x.token_id = t.token_id) AS pool_keys,
                 ARRAY(SELECT tenant_id FROM api_token_tenant x WHERE x.token_id = t.token_id) AS tenant_keys,
                 t.made_by, t.created_at, t.expires_at, t.revoked_at, t.used_at, t.used_agent
             FROM api_token t ",
            $rest
        )
    };
}

/// All tokens: those that work first, each group newest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Token>> {
    let rows: Vec<TokenRow> = sqlx::query_as(select_token!(
        "ORDER BY t.revoked_at IS NOT NULL OR coalesce(t.expires_at <= hr_now(), false), t.token_id DESC"
    ))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Token::try_from).collect()
}

/// A token by its id.
pub async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<Token>> {
    let row: Option<TokenRow> = sqlx::query_as(select_token!("WHERE t.id = $1")).bind(id).fetch_optional(conn).await?;
    row.map(Token::try_from).transpose()
}

/// The tokens with some hashes that work now, by hash: what many requests ask at the same time is one question.
pub async fn all_working(conn: &mut PgConnection, hashes: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, Token>> {
    #[derive(FromRow)]
    struct HashedRow {
        token_hash: Vec<u8>,
        #[sqlx(flatten)]
        row: TokenRow,
    }
    let rows: Vec<HashedRow> = sqlx::query_as(concat!(
        "SELECT x.token_hash, w.* FROM api_token x JOIN LATERAL (",
        select_token!("WHERE t.token_id = x.token_id"),
        ") w ON true
         WHERE x.token_hash = ANY($1) AND x.revoked_at IS NULL AND (x.expires_at IS NULL OR x.expires_at > hr_now())"
    ))
    .bind(hashes)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|found| Ok((found.token_hash, Token::try_from(found.row)?))).collect()
}

/// Which of the tokens with some hashes work now, with their last use: what is asked of those whose fields are known, which
/// never change.
pub async fn still_working(conn: &mut PgConnection, hashes: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, Option<Millis>>> {
    let rows: Vec<(Vec<u8>, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT token_hash, used_at FROM api_token
         WHERE token_hash = ANY($1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > hr_now())",
    )
    .bind(hashes)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(hash, used)| (hash, used.map(|at| at.timestamp_millis()))).collect())
}

/// Whether a token works now.
pub async fn works(conn: &mut PgConnection, key: i32) -> Result<bool> {
    let found: Option<bool> = sqlx::query_scalar(
        "SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > hr_now()) FROM api_token WHERE token_id = $1",
    )
    .bind(key)
    .fetch_optional(conn)
    .await?;
    Ok(found.unwrap_or_default())
}

/// Makes a token. A pool or tenant that is not there fails it: a limit that is lost would be no limit.
pub async fn create(
    conn: &mut PgConnection,
    id: Uuid,
    hash: &[u8],
    prefix: &str,
    made_by: &str,
    fields: &TokenFields,
) -> Result<i32> {
    let scopes: Vec<&str> = fields.scopes.iter().map(|scope| scope.as_str()).collect();
    let key = sqlx::query_scalar(
        "INSERT INTO api_token (id, name, prefix, token_hash, scopes, made_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING token_id",
    )
    .bind(id)
    .bind(&fields.name)
    .bind(prefix)
    .bind(hash)
    .bind(&scopes)
    .bind(made_by)
    .bind(fields.expires_ms.map(timestamp))
    .fetch_one(&mut *conn)
    .await?;
    let pools =
        sqlx::query("INSERT INTO api_token_pool (token_id, pool_id) SELECT $1, pool_id FROM pool WHERE slug = ANY($2)")
            .bind(key)
            .bind(&fields.pools)
            .execute(&mut *conn)
            .await?;
    let tenants = sqlx::query(
        "INSERT INTO api_token_tenant (token_id, tenant_id) SELECT $1, tenant_id FROM tenant WHERE slug = ANY($2)",
    )
    .bind(key)
    .bind(&fields.tenants)
    .execute(conn)
    .await?;
    for (field, asked, found) in
        [("pools", &fields.pools, pools.rows_affected()), ("tenants", &fields.tenants, tenants.rows_affected())]
    {
        let mut distinct = asked.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() as u64 != found {
            return Err(StoreError::Invalid { field, problem: "expected names that exist".into() });
        }
    }
    Ok(key)
}

/// Revokes a token; false if it was before.
pub async fn revoke(conn: &mut PgConnection, key: i32) -> Result<bool> {
    let done = sqlx::query("UPDATE api_token SET revoked_at = hr_now() WHERE token_id = $1 AND revoked_at IS NULL")
        .bind(key)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes a use, at most once a minute.
pub async fn used(conn: &mut PgConnection, key: i32, agent: &str) -> Result<()> {
    sqlx::query(
        "UPDATE api_token SET used_at = hr_now(), used_agent = $2
         WHERE token_id = $1 AND (used_at IS NULL OR used_at < hr_now() - interval '1 minute')",
    )
    .bind(key)
    .bind(agent)
    .execute(conn)
    .await?;
    Ok(())
}
