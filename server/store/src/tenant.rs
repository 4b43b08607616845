//! Tenants and their former names.

use crate::{Result, StoreError};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::slug::Slug;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a person can say about a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantFields {
    /// Name in URLs.
    pub slug: Slug,
    /// Name on pages, 1..=120 characters.
    pub name: String,
    /// Priority tier in the organisation's own words, at most 40 characters; may be empty.
    #[serde(default)]
    pub tier: String,
    /// 0 is served first, 9 last.
    pub priority: i16,
    /// Weight in fair sharing, 1..=10,000.
    pub weight: i32,
    /// Where its cost is booked; may be empty.
    pub cost_centre: String,
    /// Team or person that answers for it; may be empty.
    pub owner: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Home region, by slug.
    pub region: Option<String>,
    /// Stamp, by slug.
    pub stamp: Option<String>,
}

/// A stored tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// The store's key.
    #[serde(skip)]
    pub key: i32,
    /// The API's id.
    pub id: Uuid,
    /// What was said about it.
    #[serde(flatten)]
    pub fields: TenantFields,
    /// Counts changes.
    pub version: i32,
    /// When it was made.
    pub created_ms: Millis,
    /// When it was archived.
    pub archived_ms: Option<Millis>,
}

#[derive(FromRow)]
struct TenantRow {
    tenant_id: i32,
    id: Uuid,
    slug: String,
    name: String,
    tier: String,
    priority: i16,
    weight: i32,
    cost_centre: String,
    owner: String,
    labels: Json<BTreeMap<String, String>>,
    region: Option<String>,
    stamp: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
    archived_at: Option<DateTime<Utc>>,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self> {
        let slug = Slug::parse(&row.slug)
            .map_err(|e| StoreError::Damaged { what: format!("tenant {}", row.tenant_id), problem: e.to_string() })?;
        Ok(Self {
            key: row.tenant_id,
            id: row.id,
            fields: TenantFields {
                slug,
                name: row.name,
                tier: row.tier,
                priority: row.priority,
                weight: row.weight,
                cost_centre: row.cost_centre,
                owner: row.owner,
                labels: row.labels.0,
                region: row.region,
                stamp: row.stamp,
            },
            version: row.version,
            created_ms: row.created_at.timestamp_millis(),
            archived_ms: row.archived_at.map(|at| at.timestamp_millis()),
        })
    }
}

fn meaning(error: sqlx::Error, fields: &TenantFields) -> StoreError {
    match StoreError::constraint(&error) {
        Some("tenant_slug_unique") => StoreError::Taken { what: "tenant slug", value: fields.slug.to_string() },
        Some("tenant_priority_range") => StoreError::Invalid { field: "priority", problem: "expected 0 to 9".into() },
        Some("tenant_weight_range") => StoreError::Invalid { field: "weight", problem: "expected 1 to 10,000".into() },
        Some("tenant_tier_form") => {
            StoreError::Invalid { field: "tier", problem: "expected at most 40 characters".into() }
        }
        _ => error.into(),
    }
}

/// Makes a tenant.
pub async fn create(conn: &mut PgConnection, id: Uuid, fields: &TenantFields) -> Result<i32> {
    let key = sqlx::query_scalar(
        "INSERT INTO tenant (id, slug, name, priority, weight, cost_centre, owner, labels, region_id, stamp_id, tier)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
             (SELECT region_id FROM region WHERE slug = $9), (SELECT stamp_id FROM stamp WHERE slug = $10), $11)
         RETURNING tenant_id",
    )
    .bind(id)
    .bind(fields.slug.as_str())
    .bind(&fields.name)
    .bind(fields.priority)
    .bind(fields.weight)
    .bind(&fields.cost_centre)
    .bind(&fields.owner)
    .bind(Json(&fields.labels))
    .bind(&fields.region)
    .bind(&fields.stamp)
    .bind(&fields.tier)
    .fetch_one(&mut *conn)
    .await
    .map_err(|e| meaning(e, fields))?;
    sqlx::query("DELETE FROM tenant_alias WHERE slug = $1").bind(fields.slug.as_str()).execute(conn).await?;
    Ok(key)
}

/// Makes many tenants in one statement; slugs that exist are left as they are. Returns all their keys.
pub async fn create_many(conn: &mut PgConnection, tenants: &[(Uuid, Slug, String)]) -> Result<Vec<(i32, String)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|(id, ..)| *id).collect();
    let slugs: Vec<&str> = tenants.iter().map(|(_, slug, _)| slug.as_str()).collect();
    let names: Vec<&str> = tenants.iter().map(|(.., name)| name.as_str()).collect();
    sqlx::query(
        "INSERT INTO tenant (id, slug, name) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&ids)
    .bind(&slugs)
    .bind(&names)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_as("SELECT tenant_id, slug FROM tenant WHERE slug = ANY($1)").bind(&slugs).fetch_all(conn).await?)
}

/// Replaces what is said about a tenant if it is still at `version`.
pub async fn update(conn: &mut PgConnection, before: &Tenant, version: i32, fields: &TenantFields) -> Result<()> {
    let done = sqlx::query(
        "UPDATE tenant SET slug = $3, name = $4, priority = $5, weight = $6, cost_centre = $7, owner = $8, labels = $9,
             region_id = (SELECT region_id FROM region WHERE slug = $10), stamp_id = (SELECT stamp_id FROM stamp WHERE slug = $11),
             tier = $12, version = version + 1
         WHERE tenant_id = $1 AND version = $2",
    )
    .bind(before.key)
    .bind(version)
    .bind(fields.slug.as_str())
    .bind(&fields.name)
    .bind(fields.priority)
    .bind(fields.weight)
    .bind(&fields.cost_centre)
    .bind(&fields.owner)
    .bind(Json(&fields.labels))
    .bind(&fields.region)
    .bind(&fields.stamp)
    .bind(&fields.tier)
    .execute(&mut *conn)
    .await
    .map_err(|e| meaning(e, fields))?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Stale { what: "tenant", expected: version, found: before.version });
    }
    if before.fields.slug != fields.slug {
        sqlx::query("DELETE FROM tenant_alias WHERE slug = $1").bind(fields.slug.as_str()).execute(&mut *conn).await?;
        sqlx::query(
            "INSERT INTO tenant_alias (slug, tenant_id) VALUES ($1, $2) ON CONFLICT (slug) DO UPDATE SET tenant_id = EXCLUDED.tenant_id",
        )
        .bind(before.fields.slug.as_str())
        .bind(before.key)
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Archives a tenant (or brings it back). History stays.
pub async fn set_archived(conn: &mut PgConnection, key: i32, archived: bool) -> Result<()> {
    sqlx::query(
        "UPDATE tenant SET archived_at = CASE WHEN $2 THEN hr_now() END, version = version + 1 WHERE tenant_id = $1",
    )
    .bind(key)
    .bind(archived)
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! select_tenant {
    ($rest:literal) => {
        concat!(
            "SELECT t.tenant_id, t.id, t.slug, t.name, t.tier, t.priority, t.weight, t.cost_centre, t.owner, t.labels,
                 r.slug AS region, s.slug AS stamp, t.version, t.created_at, t.archived_at
             FROM tenant t LEFT JOIN region r USING (region_id) LEFT JOIN stamp s USING (stamp_id) ",
            $rest
        )
    };
}

/// A tenant by its slug.
pub async fn by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<Tenant>> {
    let row: Option<TenantRow> =
        sqlx::query_as(select_tenant!("WHERE t.slug = $1")).bind(slug).fetch_optional(conn).await?;
    row.map(Tenant::try_from).transpose()
}

/// A tenant by its slug, locked until the caller's transaction ends.
pub async fn by_slug_for_update(conn: &mut PgConnection, slug: &str) -> Result<Option<Tenant>> {
    let row: Option<TenantRow> =
        sqlx::query_as(select_tenant!("WHERE t.slug = $1 FOR UPDATE OF t")).bind(slug).fetch_optional(conn).await?;
    row.map(Tenant::try_from).transpose()
}

/// The present slug of a tenant that once had another.
pub async fn renamed(conn: &mut PgConnection, slug: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("SELECT t.slug FROM tenant_alias a JOIN tenant t USING (tenant_id) WHERE a.slug = $1")
        .bind(slug)
        .fetch_optional(conn)
        .await?)
}

/// All tenants by slug; archived ones only if asked for.
pub async fn list(conn: &mut PgConnection, archived: bool) -> Result<Vec<Tenant>> {
    let rows: Vec<TenantRow> = sqlx::query_as(select_tenant!("WHERE $1 OR t.archived_at IS NULL ORDER BY t.slug"))
        .bind(archived)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Tenant::try_from).collect()
}

/// Tenants by key.
pub async fn by_keys(conn: &mut PgConnection, keys: &[i32]) -> Result<Vec<Tenant>> {
    let rows: Vec<TenantRow> = sqlx::query_as(select_tenant!("WHERE t.tenant_id = ANY($1) ORDER BY t.slug"))
        .bind(keys)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Tenant::try_from).collect()
}

/// Keys and slugs of all tenants that are not archived, ordered by slug.
pub async fn keys(conn: &mut PgConnection) -> Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as("SELECT tenant_id, slug FROM tenant WHERE archived_at IS NULL ORDER BY slug")
        .fetch_all(conn)
        .await?)
}

/// Keys of the given slugs, those that exist.
pub async fn keys_of(conn: &mut PgConnection, slugs: &[String]) -> Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as("SELECT tenant_id, slug FROM tenant WHERE slug = ANY($1) ORDER BY slug")
        .bind(slugs)
        .fetch_all(conn)
        .await?)
}

/// Slugs and names of the first tenants by name.
pub async fn names(conn: &mut PgConnection, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as("SELECT slug, name FROM tenant WHERE archived_at IS NULL ORDER BY name, slug LIMIT $1")
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// How many tenants there are, archived ones left out.
pub async fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM tenant WHERE archived_at IS NULL").fetch_one(conn).await?)
}
