//! Settings of the whole organisation, and the places it runs in.

use crate::Result;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};

/// The organisation.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize)]
pub struct Organisation {
    /// Its name.
    pub name: String,
    /// ISO 4217 code of its money.
    pub currency: String,
    /// IANA zone of its days.
    pub zone: String,
    /// Whether this is the demo world.
    pub demo: bool,
    /// Whether money is shown to those whose role allows it.
    pub money_visible: bool,
    /// Whether an acknowledgement must say something.
    pub ack_needs_note: bool,
    /// Hours in which a tenant's use counts half when tenants are compared by what they used lately, 24 to 8,760.
    pub half_life_hours: i32,
}

/// Reads the settings.
pub async fn get(conn: &mut PgConnection) -> Result<Organisation> {
    let query = "SELECT name, currency, zone, demo, money_visible, ack_needs_note, half_life_hours FROM organisation";
    Ok(sqlx::query_as(query).fetch_one(conn).await?)
}

/// Whether an acknowledgement must say something.
pub async fn ack_needs_note(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT ack_needs_note FROM organisation").fetch_one(conn).await?)
}

/// Replaces the settings.
pub async fn set(conn: &mut PgConnection, o: &Organisation) -> Result<()> {
    sqlx::query(
        "UPDATE organisation
         SET name = $1, currency = $2, zone = $3, demo = $4, money_visible = $5, ack_needs_note = $6, half_life_hours = $7",
    )
    .bind(&o.name)
    .bind(&o.currency)
    .bind(&o.zone)
    .bind(o.demo)
    .bind(o.money_visible)
    .bind(o.ack_needs_note)
    .bind(o.half_life_hours)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a region unless it exists.
pub async fn ensure_region(conn: &mut PgConnection, slug: &str, name: &str) -> Result<()> {
    sqlx::query("INSERT INTO region (slug, name) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING")
        .bind(slug)
        .bind(name)
        .execute(conn)
        .await?;
    Ok(())
}

/// Slugs of all regions.
pub async fn regions(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT slug FROM region ORDER BY slug").fetch_all(conn).await?)
}

/// Makes a stamp unless it exists.
pub async fn ensure_stamp(conn: &mut PgConnection, slug: &str, name: &str, region: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO stamp (slug, name, region_id) VALUES ($1, $2, (SELECT region_id FROM region WHERE slug = $3))
         ON CONFLICT (slug) DO NOTHING",
    )
    .bind(slug)
    .bind(name)
    .bind(region)
    .execute(conn)
    .await?;
    Ok(())
}

/// Slugs of all stamps.
pub async fn stamps(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT slug FROM stamp ORDER BY slug").fetch_all(conn).await?)
}
