//! Who decides about a pool: servers that are alive, and the epoch in which each pool is owned.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::lease::{Mode, Policy};
use headroom_domain::pool::Lifetime;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;
use uuid::Uuid;

/// Makes a server known, or keeps it alive, for so long on the database's clock. Gives that clock.
pub async fn alive(conn: &mut PgConnection, replica: Uuid, url: &str, ttl_ms: i64) -> Result<Millis> {
    let at: DateTime<Utc> = sqlx::query_scalar(
        "INSERT INTO replica (replica_id, url, expires_at) VALUES ($1, $2, hr_now() + $3 * interval '1 millisecond')
         ON CONFLICT (replica_id) DO UPDATE SET expires_at = EXCLUDED.expires_at, url = EXCLUDED.url
         RETURNING hr_now()",
    )
    .bind(replica)
    .bind(url)
    .bind(ttl_ms)
    .fetch_one(conn)
    .await?;
    Ok(at.timestamp_millis())
}

/// A server ends: its pools are anybody's at once.
pub async fn leave(conn: &mut PgConnection, replica: Uuid) -> Result<()> {
    sqlx::query("UPDATE pool_owner SET replica_id = NULL, epoch = epoch + 1 WHERE replica_id = $1")
        .bind(replica)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM replica WHERE replica_id = $1").bind(replica).execute(conn).await?;
    Ok(())
}

/// Forgets servers that ended long ago.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM replica WHERE expires_at < $1").bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}

/// True if some server that was alive at an instant, or is since, began before another one: it had the time to look after its pools.
pub async fn has_settled(conn: &mut PgConnection, began_before: Millis, alive_at: Millis) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM replica WHERE started_at <= $1 AND expires_at > $2)")
        .bind(timestamp(began_before))
        .bind(timestamp(alive_at))
        .fetch_one(conn)
        .await?)
}

/// Who owns a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The one that asked, in this epoch.
    Me(i64),
    /// Another server that is alive, and where it is reached.
    Other(String),
}

/// Takes a pool if nobody that is alive has it. The epoch grows with each takeover; whatever an earlier owner has under way is
/// waited for, and what it sends afterwards is refused.
pub async fn take(conn: &mut PgConnection, pool: i32, replica: Uuid) -> Result<Owner> {
    let taken: Option<i64> = sqlx::query_scalar(
        "INSERT INTO pool_owner AS o (pool_id, replica_id, epoch, taken_at) VALUES ($1, $2, 1, hr_now())
         ON CONFLICT (pool_id) DO UPDATE SET replica_id = EXCLUDED.replica_id, taken_at = hr_now(),
             epoch = o.epoch + (o.replica_id IS DISTINCT FROM EXCLUDED.replica_id)::int
         WHERE o.replica_id IS NOT DISTINCT FROM EXCLUDED.replica_id
            OR NOT EXISTS (SELECT FROM replica r WHERE r.replica_id = o.replica_id AND r.expires_at > hr_now())
         RETURNING epoch",
    )
    .bind(pool)
    .bind(replica)
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(epoch) = taken {
        return Ok(Owner::Me(epoch));
    }
    let url: Option<String> =
        sqlx::query_scalar("SELECT r.url FROM pool_owner o JOIN replica r USING (replica_id) WHERE o.pool_id = $1")
            .bind(pool)
            .fetch_optional(conn)
            .await?;
    Ok(Owner::Other(url.unwrap_or_default()))
}

/// Goes on as the owner in a new epoch; `None` if another server has the pool. A statement of the epoch before that is still
/// under way, because nobody waited for its end, is over when this returns, or is refused when it comes.
pub async fn go_on(conn: &mut PgConnection, pool: i32, replica: Uuid, epoch: i64) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar(
        "UPDATE pool_owner SET epoch = epoch + 1 WHERE pool_id = $1 AND replica_id = $2 AND epoch = $3 RETURNING epoch",
    )
    .bind(pool)
    .bind(replica)
    .bind(epoch)
    .fetch_optional(conn)
    .await?)
}

/// The pools of a server, each with its epoch.
pub async fn pools_of(conn: &mut PgConnection, replica: Uuid) -> Result<HashMap<i32, i64>> {
    let rows: Vec<(i32, i64)> = sqlx::query_as("SELECT pool_id, epoch FROM pool_owner WHERE replica_id = $1")
        .bind(replica)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Tracked pools that no living server owns.
pub async fn orphans(conn: &mut PgConnection, limit: i64) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "SELECT t.pool_id FROM pool_policy t JOIN pool p USING (pool_id) LEFT JOIN pool_owner o USING (pool_id)
         LEFT JOIN replica r ON r.replica_id = o.replica_id AND r.expires_at > hr_now()
         WHERE p.archived_at IS NULL AND r.replica_id IS NULL ORDER BY t.pool_id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Pools whose slots are given out here.
pub async fn tracked(conn: &mut PgConnection) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT pool_id FROM pool_policy").fetch_all(conn).await?)
}

/// A tracked pool's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The pool.
    pub pool: i32,
    /// How long its slots are held, as a rule.
    pub lifetime: Lifetime,
    /// Its policy.
    pub policy: Policy,
    /// What an operator said.
    pub mode: Mode,
    /// Counts changes.
    pub version: i32,
    /// When policy or mode were changed last.
    pub changed_ms: Millis,
    /// Effective capacity now; `None` if none was ever set.
    pub capacity: Option<i64>,
}

#[derive(FromRow)]
struct RulesRow {
    pool_id: i32,
    lifetime: String,
    policy: Json<serde_json::Value>,
    mode: String,
    version: i32,
    updated_at: DateTime<Utc>,
    capacity: Option<i64>,
}

impl TryFrom<RulesRow> for Rules {
    type Error = crate::StoreError;

    fn try_from(row: RulesRow) -> Result<Self> {
        let damaged =
            |problem: String| crate::StoreError::Damaged { what: format!("policy of pool {}", row.pool_id), problem };
        Ok(Self {
            pool: row.pool_id,
            lifetime: row.lifetime.parse().map_err(damaged)?,
            policy: serde_json::from_value(row.policy.0).map_err(|e| damaged(e.to_string()))?,
            mode: row.mode.parse().map_err(damaged)?,
            version: row.version,
            changed_ms: row.updated_at.timestamp_millis(),
            capacity: row.capacity,
        })
    }
}

/// Rules of some pools, or of all tracked ones.
pub async fn rules(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<Rules>> {
    rule_rows(conn, pools).await?.into_iter().map(Rules::try_from).collect()
}

async fn rule_rows(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<RulesRow>> {
    Ok(sqlx::query_as(
        "SELECT t.pool_id, p.lifetime, t.policy, t.mode, t.version, t.updated_at,
                (SELECT GREATEST(c.configured - c.planned_down, 0)::bigint FROM pool_capacity c
                 WHERE c.pool_id = t.pool_id AND c.from_at <= hr_now() ORDER BY c.from_at DESC LIMIT 1) AS capacity
         FROM pool_policy t JOIN pool p USING (pool_id)
         WHERE p.archived_at IS NULL AND ($1::int[] IS NULL OR t.pool_id = ANY($1)) ORDER BY t.pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?)
}

/// Rules of some pools or of all, and the pools whose rules this version cannot read: what one newer server wrote for one pool is no
/// reason to stop serving the others.
pub async fn readable_rules(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
) -> Result<(Vec<Rules>, Vec<(i32, crate::StoreError)>)> {
    let (mut readable, mut others) = (Vec::new(), Vec::new());
    for row in rule_rows(conn, pools).await? {
        let pool = row.pool_id;
        match Rules::try_from(row) {
            Ok(rules) => readable.push(rules),
            Err(error) => others.push((pool, error)),
        }
    }
    Ok((readable, others))
}

/// Sets a pool's policy, which makes it tracked. On a change `version` is the one that it was made on.
pub async fn set_policy(conn: &mut PgConnection, pool: i32, version: Option<i32>, policy: &Policy) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO pool_policy AS t (pool_id, policy) VALUES ($1, $2)
         ON CONFLICT (pool_id) DO UPDATE SET policy = EXCLUDED.policy, version = t.version + 1, updated_at = hr_now()
         WHERE t.version = $3",
    )
    .bind(pool)
    .bind(Json(policy))
    .bind(version)
    .execute(&mut *conn)
    .await?;
    // Its history begins here, before anything can be claimed.
    sqlx::query(
        "INSERT INTO slot_feed (pool_id, upto) VALUES ($1, date_trunc('milliseconds', hr_now())) ON CONFLICT (pool_id) DO NOTHING",
    )
    .bind(pool)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Holds, drains or opens a pool.
pub async fn set_mode(conn: &mut PgConnection, pool: i32, mode: Mode) -> Result<()> {
    sqlx::query("UPDATE pool_policy SET mode = $2, version = version + 1, updated_at = hr_now() WHERE pool_id = $1")
        .bind(pool)
        .bind(mode.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// A name that claims use: slug, key, and for tenants their usual priority.
pub type Name = (String, i32, i16);

/// Slugs and keys of all pools that are not archived; a pool's number is 1 if it is tracked.
pub async fn pool_names(conn: &mut PgConnection) -> Result<Vec<Name>> {
    Ok(sqlx::query_as(
        "SELECT p.slug, p.pool_id, (t.pool_id IS NOT NULL)::int::smallint FROM pool p LEFT JOIN pool_policy t USING (pool_id)
         WHERE p.archived_at IS NULL",
    )
    .fetch_all(conn)
    .await?)
}

/// Slugs and keys of all tenants that are not archived, with their usual priority.
pub async fn tenant_names(conn: &mut PgConnection) -> Result<Vec<Name>> {
    Ok(sqlx::query_as("SELECT slug, tenant_id, priority FROM tenant WHERE archived_at IS NULL").fetch_all(conn).await?)
}

/// Quotas that were cut for a while and are in force: pool, tenant, slots.
pub async fn cuts(conn: &mut PgConnection, pools: &[i32]) -> Result<Vec<(i32, i32, i32)>> {
    Ok(sqlx::query_as("SELECT pool_id, tenant_id, slots FROM quota_cut WHERE pool_id = ANY($1) AND until > hr_now()")
        .bind(pools)
        .fetch_all(conn)
        .await?)
}

/// Cuts a tenant's quota until an instant.
pub async fn cut(
    conn: &mut PgConnection,
    pool: i32,
    tenant: i32,
    slots: i32,
    until: Millis,
    actor: &str,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO quota_cut (pool_id, tenant_id, slots, until, actor) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (pool_id, tenant_id) DO UPDATE SET slots = EXCLUDED.slots, until = EXCLUDED.until, actor = EXCLUDED.actor",
    )
    .bind(pool)
    .bind(tenant)
    .bind(slots)
    .bind(timestamp(until))
    .bind(actor)
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes cuts whose time is over; owners read their limits again. Returns how many.
pub async fn end_cuts(conn: &mut PgConnection) -> Result<u64> {
    Ok(sqlx::query("DELETE FROM quota_cut WHERE until <= hr_now()").execute(conn).await?.rows_affected())
}
