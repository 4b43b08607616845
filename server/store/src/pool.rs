//! Pools, their capacity history and their former names.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::pool::{Consistency, Granting, Lifetime, OnLoss, PoolKind, Properties, Service, Sizing};
use headroom_domain::slug::Slug;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a person can say about a pool, its capacity apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFields {
    /// Name in URLs.
    pub slug: Slug,
    /// Name on pages, 1..=120 characters.
    pub name: String,
    /// What it is for; at most 500 characters.
    #[serde(default)]
    pub description: String,
    /// Pattern.
    pub kind: PoolKind,
    /// Properties beyond the kind.
    #[serde(flatten)]
    pub properties: Properties,
    /// Least slots an autoscaler may choose.
    pub min_slots: Option<i32>,
    /// Most slots an autoscaler may choose.
    pub max_slots: Option<i32>,
    /// Millionths of the organisation's currency per slot and hour.
    pub unit_cost_micros: Option<i64>,
    /// Team that owns it; empty = nobody.
    pub owner: String,
    /// Runbook, http(s); empty = none.
    pub runbook_url: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Services it carries.
    pub services: Vec<Service>,
    /// IANA zone in which its people live.
    pub zone: String,
    /// Region, by slug.
    pub region: Option<String>,
    /// Stamp, by slug.
    pub stamp: Option<String>,
    /// How often samples are expected, milliseconds; `None` = nothing is expected.
    pub feed_period_ms: Option<i32>,
    /// Days of fine history to keep from its newest sample; `None` = all.
    pub retention_days: Option<i32>,
}

/// A stored pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// The store's key.
    #[serde(skip)]
    pub key: i32,
    /// The API's id.
    pub id: Uuid,
    /// What was said about it.
    #[serde(flatten)]
    pub fields: PoolFields,
    /// Counts changes, for optimistic concurrency.
    pub version: i32,
    /// When it was made, epoch milliseconds.
    pub created_ms: Millis,
    /// When it was archived.
    pub archived_ms: Option<Millis>,
}

#[derive(FromRow)]
struct PoolRow {
    pool_id: i32,
    id: Uuid,
    slug: String,
    name: String,
    description: String,
    kind: String,
    sizing: String,
    granting: String,
    lifetime: String,
    consistency: String,
    on_loss: String,
    min_slots: Option<i32>,
    max_slots: Option<i32>,
    unit_cost_micros: Option<i64>,
    owner: String,
    runbook_url: String,
    labels: Json<BTreeMap<String, String>>,
    services: Json<Vec<Service>>,
    zone: String,
    region: Option<String>,
    stamp: Option<String>,
    feed_period_ms: Option<i32>,
    retention_days: Option<i32>,
    version: i32,
    created_at: DateTime<Utc>,
    archived_at: Option<DateTime<Utc>>,
}

impl TryFrom<PoolRow> for Pool {
    type Error = StoreError;

    fn try_from(row: PoolRow) -> Result<Self> {
        let damaged = |problem: String| StoreError::Damaged { what: format!("pool {}", row.pool_id), problem };
        Ok(Self {
            key: row.pool_id,
            id: row.id,
            fields: PoolFields {
                slug: Slug::parse(&row.slug).map_err(|e| damaged(e.to_string()))?,
                kind: row.kind.parse::<PoolKind>().map_err(damaged)?,
                properties: Properties {
                    sizing: row.sizing.parse::<Sizing>().map_err(damaged)?,
                    granting: row.granting.parse::<Granting>().map_err(damaged)?,
                    lifetime: row.lifetime.parse::<Lifetime>().map_err(damaged)?,
                    consistency: row.consistency.parse::<Consistency>().map_err(damaged)?,
                    on_loss: row.on_loss.parse::<OnLoss>().map_err(damaged)?,
                },
                name: row.name,
                description: row.description,
                min_slots: row.min_slots,
                max_slots: row.max_slots,
                unit_cost_micros: row.unit_cost_micros,
                owner: row.owner,
                runbook_url: row.runbook_url,
                labels: row.labels.0,
                services: row.services.0,
                zone: row.zone,
                region: row.region,
                stamp: row.stamp,
                feed_period_ms: row.feed_period_ms,
                retention_days: row.retention_days,
            },
            version: row.version,
            created_ms: row.created_at.timestamp_millis(),
            archived_ms: row.archived_at.map(|at| at.timestamp_millis()),
        })
    }
}

/// One step of a pool's capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapacityStep {
    /// From when it holds.
    pub from_ms: Millis,
    /// Configured slots.
    pub configured: i32,
    /// Of these, taken out on purpose.
    pub planned_down: i32,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

fn meaning(error: sqlx::Error, fields: &PoolFields) -> StoreError {
    match StoreError::constraint(&error) {
        Some("pool_slug_unique") => StoreError::Taken { what: "pool slug", value: fields.slug.to_string() },
        Some("pool_min_max") => StoreError::Invalid {
            field: "max_slots",
            problem: format!(
                "is {}, expected at least min_slots {}",
                fields.max_slots.unwrap_or_default(),
                fields.min_slots.unwrap_or_default()
            ),
        },
        Some("pool_min_range") => {
            StoreError::Invalid { field: "min_slots", problem: "expected 0 to 10,000,000".into() }
        }
        Some("pool_max_range") => {
            StoreError::Invalid { field: "max_slots", problem: "expected 0 to 10,000,000".into() }
        }
        Some("pool_cost_range") => {
            StoreError::Invalid { field: "unit_cost_micros", problem: "expected 0 to 1,000,000 of the currency".into() }
        }
        Some("pool_runbook_form") => StoreError::Invalid {
            field: "runbook_url",
            problem: "expected an http or https address of at most 2,000 characters".into(),
        },
        Some("pool_description_form") => {
            StoreError::Invalid { field: "description", problem: "expected at most 500 characters".into() }
        }
        Some("pool_feed_range") => {
            StoreError::Invalid { field: "feed_period_ms", problem: "expected 1 s to 24 h".into() }
        }
        _ => error.into(),
    }
}

/// Makes a pool. Its capacity is set with [`set_capacity`].
pub async fn create(conn: &mut PgConnection, id: Uuid, fields: &PoolFields) -> Result<i32> {
    create_under(conn, None, id, fields).await
}

/// Makes a pool under a key that was reserved for it ([`crate::import::reserve_keys`]).
pub async fn create_under(conn: &mut PgConnection, key: Option<i32>, id: Uuid, fields: &PoolFields) -> Result<i32> {
    let p = &fields.properties;
    let key: i32 = sqlx::query_scalar(
        "INSERT INTO pool (id, slug, name, kind, sizing, granting, lifetime, consistency, on_loss, min_slots, max_slots,
             unit_cost_micros, owner, runbook_url, labels, services, zone, region_id, stamp_id, retention_days, description, feed_period_ms,
             pool_id)
         OVERRIDING SYSTEM VALUE
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             (SELECT region_id FROM region WHERE slug = $18), (SELECT stamp_id FROM stamp WHERE slug = $19), $20, $21, $22,
             COALESCE($23, nextval(pg_get_serial_sequence('pool', 'pool_id'))))
         RETURNING pool_id",
    )
    .bind(id)
    .bind(fields.slug.as_str())
    .bind(&fields.name)
    .bind(fields.kind.as_str())
    .bind(p.sizing.as_str())
    .bind(p.granting.as_str())
    .bind(p.lifetime.as_str())
    .bind(p.consistency.as_str())
    .bind(p.on_loss.as_str())
    .bind(fields.min_slots)
    .bind(fields.max_slots)
    .bind(fields.unit_cost_micros)
    .bind(&fields.owner)
    .bind(&fields.runbook_url)
    .bind(Json(&fields.labels))
    .bind(Json(&fields.services))
    .bind(&fields.zone)
    .bind(&fields.region)
    .bind(&fields.stamp)
    .bind(fields.retention_days)
    .bind(&fields.description)
    .bind(fields.feed_period_ms)
    .bind(key)
    .fetch_one(&mut *conn)
    .await
    .map_err(|e| meaning(e, fields))?;
    // A new pool may take over a slug that used to lead elsewhere.
    sqlx::query("DELETE FROM pool_alias WHERE slug = $1").bind(fields.slug.as_str()).execute(conn).await?;
    Ok(key)
}

/// Replaces what is said about a pool if it is still at `version`.
pub async fn update(conn: &mut PgConnection, before: &Pool, version: i32, fields: &PoolFields) -> Result<()> {
    let p = &fields.properties;
    let done = sqlx::query(
        "UPDATE pool SET slug = $3, name = $4, kind = $5, sizing = $6, granting = $7, lifetime = $8, consistency = $9, on_loss = $10,
             min_slots = $11, max_slots = $12, unit_cost_micros = $13, owner = $14, runbook_url = $15, labels = $16, services = $17,
             zone = $18, region_id = (SELECT region_id FROM region WHERE slug = $19),
             stamp_id = (SELECT stamp_id FROM stamp WHERE slug = $20), retention_days = $21, description = $22, feed_period_ms = $23,
             version = version + 1
         WHERE pool_id = $1 AND version = $2",
    )
    .bind(before.key)
    .bind(version)
    .bind(fields.slug.as_str())
    .bind(&fields.name)
    .bind(fields.kind.as_str())
    .bind(p.sizing.as_str())
    .bind(p.granting.as_str())
    .bind(p.lifetime.as_str())
    .bind(p.consistency.as_str())
    .bind(p.on_loss.as_str())
    .bind(fields.min_slots)
    .bind(fields.max_slots)
    .bind(fields.unit_cost_micros)
    .bind(&fields.owner)
    .bind(&fields.runbook_url)
    .bind(Json(&fields.labels))
    .bind(Json(&fields.services))
    .bind(&fields.zone)
    .bind(&fields.region)
    .bind(&fields.stamp)
    .bind(fields.retention_days)
    .bind(&fields.description)
    .bind(fields.feed_period_ms)
    .execute(&mut *conn)
    .await
    .map_err(|e| meaning(e, fields))?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Stale { what: "pool", expected: version, found: before.version });
    }
    if before.fields.slug != fields.slug {
        sqlx::query("DELETE FROM pool_alias WHERE slug = $1").bind(fields.slug.as_str()).execute(&mut *conn).await?;
        sqlx::query(
            "INSERT INTO pool_alias (slug, pool_id) VALUES ($1, $2) ON CONFLICT (slug) DO UPDATE SET pool_id = EXCLUDED.pool_id",
        )
        .bind(before.fields.slug.as_str())
        .bind(before.key)
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Archives a pool (or brings it back). History stays.
pub async fn set_archived(conn: &mut PgConnection, key: i32, archived: bool) -> Result<()> {
    sqlx::query(
        "UPDATE pool SET archived_at = CASE WHEN $2 THEN hr_now() END, version = version + 1 WHERE pool_id = $1",
    )
    .bind(key)
    .bind(archived)
    .execute(&mut *conn)
    .await?;
    if archived {
        sqlx::query("DELETE FROM occ_current WHERE pool_id = $1").bind(key).execute(conn).await?;
    }
    Ok(())
}

/// The columns of [`PoolRow`], once.
macro_rules! select_pool {
    ($rest:literal) => {
        concat!(
            "SELECT p.pool_id, p.id, p.slug, p.name, p.description, p.kind, p.sizing, p.granting, p.lifetime, p.consistency, p.on_loss,
                 p.min_slots, p.max_slots, p.unit_cost_micros, p.owner, p.runbook_url, p.labels, p.services, p.zone,
                 r.slug AS region, s.slug AS stamp, p.feed_period_ms, p.retention_days, p.version, p.created_at, p.archived_at
             FROM pool p LEFT JOIN region r USING (region_id) LEFT JOIN stamp s USING (stamp_id) ",
            $rest
        )
    };
}

/// A pool by its slug.
pub async fn by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<Pool>> {
    let row: Option<PoolRow> =
        sqlx::query_as(select_pool!("WHERE p.slug = $1")).bind(slug).fetch_optional(conn).await?;
    row.map(Pool::try_from).transpose()
}

/// A pool by its slug, locked until the caller's transaction ends.
pub async fn by_slug_for_update(conn: &mut PgConnection, slug: &str) -> Result<Option<Pool>> {
    let row: Option<PoolRow> =
        sqlx::query_as(select_pool!("WHERE p.slug = $1 FOR UPDATE OF p")).bind(slug).fetch_optional(conn).await?;
    row.map(Pool::try_from).transpose()
}

/// The present slug of a pool that once had another.
pub async fn renamed(conn: &mut PgConnection, slug: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("SELECT p.slug FROM pool_alias a JOIN pool p USING (pool_id) WHERE a.slug = $1")
        .bind(slug)
        .fetch_optional(conn)
        .await?)
}

/// All pools by slug; archived ones only if asked for.
pub async fn list(conn: &mut PgConnection, archived: bool) -> Result<Vec<Pool>> {
    let rows: Vec<PoolRow> = sqlx::query_as(select_pool!("WHERE $1 OR p.archived_at IS NULL ORDER BY p.slug"))
        .bind(archived)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Pool::try_from).collect()
}

/// Pools by key.
pub async fn by_keys(conn: &mut PgConnection, keys: &[i32]) -> Result<Vec<Pool>> {
    let rows: Vec<PoolRow> =
        sqlx::query_as(select_pool!("WHERE p.pool_id = ANY($1) ORDER BY p.slug")).bind(keys).fetch_all(conn).await?;
    rows.into_iter().map(Pool::try_from).collect()
}

/// Keys and slugs of all pools that are not archived, ordered by slug: what pickers and look-ups need.
pub async fn keys(conn: &mut PgConnection) -> Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as("SELECT pool_id, slug FROM pool WHERE archived_at IS NULL ORDER BY slug").fetch_all(conn).await?)
}

/// Keys of the given slugs, those that exist.
pub async fn keys_of(conn: &mut PgConnection, slugs: &[String]) -> Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as("SELECT pool_id, slug FROM pool WHERE slug = ANY($1) ORDER BY slug")
        .bind(slugs)
        .fetch_all(conn)
        .await?)
}

/// Slugs and names of the first pools by name.
pub async fn names(conn: &mut PgConnection, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as("SELECT slug, name FROM pool WHERE archived_at IS NULL ORDER BY name, slug LIMIT $1")
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// The shortest period in which a pool expects samples; `None` if none expects any.
pub async fn shortest_feed(conn: &mut PgConnection) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar("SELECT min(feed_period_ms) FROM pool WHERE archived_at IS NULL").fetch_one(conn).await?)
}

/// The longest period in which a pool expects samples; `None` if none expects any.
pub async fn longest_feed(conn: &mut PgConnection) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar("SELECT max(feed_period_ms) FROM pool WHERE archived_at IS NULL").fetch_one(conn).await?)
}

/// How many pools there are, archived ones left out.
pub async fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM pool WHERE archived_at IS NULL").fetch_one(conn).await?)
}

/// Sets the capacity from an instant on; a step at the same instant is replaced.
pub async fn set_capacity(conn: &mut PgConnection, pool: i32, step: &CapacityStep) -> Result<()> {
    sqlx::query(
        "INSERT INTO pool_capacity (pool_id, from_at, configured, planned_down, reason, actor) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (pool_id, from_at) DO UPDATE SET configured = EXCLUDED.configured, planned_down = EXCLUDED.planned_down,
             reason = EXCLUDED.reason, actor = EXCLUDED.actor",
    )
    .bind(pool)
    .bind(timestamp(step.from_ms))
    .bind(step.configured)
    .bind(step.planned_down)
    .bind(&step.reason)
    .bind(&step.actor)
    .execute(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("planned_down_range") => StoreError::Invalid {
            field: "planned_down",
            problem: format!("is {}, expected 0 to the capacity {}", step.planned_down, step.configured),
        },
        Some("capacity_range") => {
            StoreError::Invalid { field: "capacity", problem: format!("is {}, expected 0 to 10,000,000", step.configured) }
        }
        _ => error.into(),
    })?;
    Ok(())
}

type CapacityRow = (i32, DateTime<Utc>, i32, i32, String, String);

/// Capacity steps of pools (all, if none are named), in order.
pub async fn capacity(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<BTreeMap<i32, Vec<CapacityStep>>> {
    let rows: Vec<CapacityRow> = sqlx::query_as(
        "SELECT pool_id, from_at, configured, planned_down, reason, actor FROM pool_capacity
         WHERE $1::int[] IS NULL OR pool_id = ANY($1) ORDER BY pool_id, from_at",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    let mut out: BTreeMap<i32, Vec<CapacityStep>> = BTreeMap::new();
    for (pool, from_at, configured, planned_down, reason, actor) in rows {
        let step = CapacityStep { from_ms: from_at.timestamp_millis(), configured, planned_down, reason, actor };
        out.entry(pool).or_default().push(step);
    }
    Ok(out)
}

/// Configured and planned-down slots at an instant, summed over pools that are not archived
/// (those named, or all).
pub async fn capacity_at(conn: &mut PgConnection, pools: Option<&[i32]>, at: Millis) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "SELECT COALESCE(sum(c.configured), 0)::bigint, COALESCE(sum(c.planned_down), 0)::bigint
         FROM pool p CROSS JOIN LATERAL (
             SELECT configured, planned_down FROM pool_capacity
             WHERE pool_id = p.pool_id AND from_at <= $2 ORDER BY from_at DESC LIMIT 1) AS c
         WHERE (($1::int[] IS NULL AND p.archived_at IS NULL) OR p.pool_id = ANY($1))",
    )
    .bind(pools)
    .bind(timestamp(at))
    .fetch_one(conn)
    .await?)
}

/// The step that holds at an instant.
pub fn step_at(steps: &[CapacityStep], at: Millis) -> Option<&CapacityStep> {
    steps[..steps.partition_point(|s| s.from_ms <= at)].last()
}
