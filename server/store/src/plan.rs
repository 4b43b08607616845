//! The plan of a pool: its version, its policy, and its publications.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::plan::change::Change;
use headroom_domain::plan::policy::{PlanPolicy, RollingCap};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Counts publications.
    pub version: i32,
    /// What planners may do.
    pub policy: PlanPolicy,
    /// Counts changes of the policy.
    pub policy_version: i32,
}

type Row = (i32, Json<PlanPolicy>, i32);

fn read((version, policy, policy_version): Row) -> Plan {
    Plan { version, policy: policy.0, policy_version }
}

/// The plan of a pool; the usual one where nobody changed anything yet.
pub async fn get(conn: &mut PgConnection, pool: i32) -> Result<Plan> {
    let row: Option<Row> = sqlx::query_as("SELECT version, policy, policy_version FROM plan WHERE pool_id = $1")
        .bind(pool)
        .fetch_optional(conn)
        .await?;
    Ok(row.map_or_else(|| Plan { policy_version: 1, ..Plan::default() }, read))
}

/// The plan of a pool, locked until the caller's transaction ends: whoever publishes comes through here.
pub async fn lock(conn: &mut PgConnection, pool: i32) -> Result<Plan> {
    sqlx::query("INSERT INTO plan (pool_id) VALUES ($1) ON CONFLICT DO NOTHING").bind(pool).execute(&mut *conn).await?;
    let row: Row = sqlx::query_as("SELECT version, policy, policy_version FROM plan WHERE pool_id = $1 FOR UPDATE")
        .bind(pool)
        .fetch_one(conn)
        .await?;
    Ok(read(row))
}

/// Sets the policy of a locked plan.
pub async fn set_policy(conn: &mut PgConnection, pool: i32, policy: &PlanPolicy) -> Result<()> {
    sqlx::query("UPDATE plan SET policy = $2, policy_version = policy_version + 1 WHERE pool_id = $1")
        .bind(pool)
        .bind(Json(policy))
        .execute(conn)
        .await?;
    Ok(())
}

/// Rolling caps of a pool by tenant.
pub async fn caps(conn: &mut PgConnection, pool: i32) -> Result<BTreeMap<i32, RollingCap>> {
    let rows: Vec<(i32, i32, i32)> =
        sqlx::query_as("SELECT tenant_id, slots, hours FROM rolling_cap WHERE pool_id = $1")
            .bind(pool)
            .fetch_all(conn)
            .await?;
    let cap = |(tenant, slots, hours): (i32, i32, i32)| {
        (tenant, RollingCap { slots: slots.into(), hours: hours.unsigned_abs() })
    };
    Ok(rows.into_iter().map(cap).collect())
}

/// Sets or removes a tenant's rolling cap.
pub async fn set_cap(conn: &mut PgConnection, pool: i32, tenant: i32, cap: Option<RollingCap>) -> Result<()> {
    let Some(cap) = cap else {
        sqlx::query("DELETE FROM rolling_cap WHERE pool_id = $1 AND tenant_id = $2")
            .bind(pool)
            .bind(tenant)
            .execute(conn)
            .await?;
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO rolling_cap (pool_id, tenant_id, slots, hours) VALUES ($1, $2, $3, $4)
         ON CONFLICT (pool_id, tenant_id) DO UPDATE SET slots = EXCLUDED.slots, hours = EXCLUDED.hours",
    )
    .bind(pool)
    .bind(tenant)
    .bind(i32::try_from(cap.slots).unwrap_or(i32::MAX))
    .bind(i32::try_from(cap.hours).unwrap_or(i32::MAX))
    .execute(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("rolling_cap_slots") => StoreError::Invalid { field: "slots", problem: "expected 0 to 10,000,000".into() },
        Some("rolling_cap_hours") => StoreError::Invalid { field: "hours", problem: "expected 1 to 8,784".into() },
        _ => error.into(),
    })?;
    Ok(())
}

/// A publication: several changes that became the plan together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The API's id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The plan's version with it.
    pub version: i32,
    /// When.
    pub at_ms: Millis,
    /// Who.
    pub actor: String,
    /// Id of the account or token.
    pub actor_id: Option<Uuid>,
    /// `page`, `api`, `cli` or `job`.
    pub source: String,
    /// Why.
    pub reason: String,
    /// The draft it was.
    pub draft: Option<Uuid>,
    /// The publication that it takes back.
    pub reverts: Option<Uuid>,
    /// The policy that allowed it.
    pub policy: PlanPolicy,
    /// What changed, by reservation.
    pub changes: Vec<(Uuid, Change)>,
}

/// Records a publication and raises the version of a locked plan.
pub async fn publish(conn: &mut PgConnection, publication: &Publication) -> Result<()> {
    sqlx::query("UPDATE plan SET version = $2 WHERE pool_id = $1")
        .bind(publication.pool)
        .bind(publication.version)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO publication (publication_id, pool_id, version, actor, actor_id, source, reason, draft_id, reverts, policy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(publication.id)
    .bind(publication.pool)
    .bind(publication.version)
    .bind(&publication.actor)
    .bind(publication.actor_id)
    .bind(&publication.source)
    .bind(&publication.reason)
    .bind(publication.draft)
    .bind(publication.reverts)
    .bind(Json(&publication.policy))
    .execute(&mut *conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("publication_reason") => {
            StoreError::Invalid { field: "reason", problem: "expected why, 1 to 500 characters".into() }
        }
        _ => error.into(),
    })?;
    sqlx::query(
        "INSERT INTO publication_change (publication_id, ordinal, reservation_id, change)
         SELECT $1, ordinal, reservation, change
         FROM unnest($2::uuid[], $3::jsonb[]) WITH ORDINALITY AS c (reservation, change, ordinal)",
    )
    .bind(publication.id)
    .bind(publication.changes.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(publication.changes.iter().map(|(_, change)| Json(change)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct PublicationRow {
    publication_id: Uuid,
    pool_id: i32,
    version: i32,
    at: DateTime<Utc>,
    actor: String,
    actor_id: Option<Uuid>,
    source: String,
    reason: String,
    draft_id: Option<Uuid>,
    reverts: Option<Uuid>,
    policy: Json<PlanPolicy>,
}

async fn with_changes(conn: &mut PgConnection, rows: Vec<PublicationRow>) -> Result<Vec<Publication>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.publication_id).collect();
    let changes: Vec<(Uuid, Uuid, Json<Change>)> = sqlx::query_as(
        "SELECT publication_id, reservation_id, change FROM publication_change WHERE publication_id = ANY($1)
         ORDER BY publication_id, ordinal",
    )
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    let mut by: BTreeMap<Uuid, Vec<(Uuid, Change)>> = BTreeMap::new();
    for (publication, reservation, change) in changes {
        by.entry(publication).or_default().push((reservation, change.0));
    }
    let one = |row: PublicationRow| Publication {
        changes: by.remove(&row.publication_id).unwrap_or_default(),
        id: row.publication_id,
        pool: row.pool_id,
        version: row.version,
        at_ms: row.at.timestamp_millis(),
        actor: row.actor,
        actor_id: row.actor_id,
        source: row.source,
        reason: row.reason,
        draft: row.draft_id,
        reverts: row.reverts,
        policy: row.policy.0,
    };
    Ok(rows.into_iter().map(one).collect())
}

macro_rules! select_publication {
    ($rest:literal) => {
        concat!(
            "SELECT publication_id, pool_id, version, at, actor, actor_id, source, reason, draft_id, reverts, policy
             FROM publication ",
            $rest
        )
    };
}

/// Publications of a pool, newest first, of one reservation or of all.
pub async fn publications(
    conn: &mut PgConnection,
    pool: i32,
    reservation: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Publication>> {
    let rows: Vec<PublicationRow> = sqlx::query_as(select_publication!(
        "WHERE pool_id = $1 AND ($2::uuid IS NULL OR EXISTS (
             SELECT FROM publication_change c WHERE c.publication_id = publication.publication_id AND c.reservation_id = $2))
         ORDER BY version DESC LIMIT $3"
    ))
    .bind(pool)
    .bind(reservation)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    with_changes(conn, rows).await
}

/// A publication.
pub async fn publication(conn: &mut PgConnection, id: Uuid) -> Result<Option<Publication>> {
    let rows: Vec<PublicationRow> =
        sqlx::query_as(select_publication!("WHERE publication_id = $1")).bind(id).fetch_all(&mut *conn).await?;
    Ok(with_changes(conn, rows).await?.pop())
}

/// Claims a key for something that is made: `None` if it is new, else the hash of the request and what it made.
pub async fn claim_key(
    conn: &mut PgConnection,
    pool: i32,
    key: &str,
    asked: &[u8],
    made: Uuid,
) -> Result<Option<(Vec<u8>, Uuid)>> {
    let is_new = sqlx::query(
        "INSERT INTO plan_key (pool_id, key, asked, made) VALUES ($1, $2, $3, $4) ON CONFLICT (pool_id, key) DO NOTHING",
    )
    .bind(pool)
    .bind(key)
    .bind(asked)
    .bind(made)
    .execute(&mut *conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("plan_key_form") => {
            StoreError::Invalid { field: "idempotency-key", problem: "expected 1 to 200 characters".into() }
        }
        _ => error.into(),
    })?
    .rows_affected()
        > 0;
    if is_new {
        return Ok(None);
    }
    Ok(Some(
        sqlx::query_as("SELECT asked, made FROM plan_key WHERE pool_id = $1 AND key = $2")
            .bind(pool)
            .bind(key)
            .fetch_one(conn)
            .await?,
    ))
}
