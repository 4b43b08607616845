//! Runbooks: what to do when something fires, in versions that are all kept.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::{FromRow, PgConnection};

/// A runbook without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runbook {
    /// Slug.
    pub slug: String,
    /// Title.
    pub title: String,
    /// The newest version.
    pub version: i32,
    /// When somebody last did what it says, to see whether it works.
    pub tested_ms: Option<Millis>,
    /// Who.
    pub tested_by: Option<String>,
    /// When its newest version was written.
    pub updated_ms: Millis,
}

/// A version of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub version: i32,
    /// The text, Markdown.
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// What they changed.
    pub note: String,
    /// When.
    pub at_ms: Millis,
}

#[derive(FromRow)]
struct Row {
    slug: String,
    title: String,
    version: i32,
    tested_at: Option<DateTime<Utc>>,
    tested_by: Option<String>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Runbook {
    fn from(row: Row) -> Self {
        Self {
            slug: row.slug,
            title: row.title,
            version: row.version,
            tested_ms: row.tested_at.map(|at| at.timestamp_millis()),
            tested_by: row.tested_by,
            updated_ms: row.updated_at.timestamp_millis(),
        }
    }
}

#[derive(FromRow)]
struct VersionRow {
    version: i32,
    body: String,
    author: String,
    note: String,
    at: DateTime<Utc>,
}

impl From<VersionRow> for Version {
    fn from(row: VersionRow) -> Self {
        Self {
            version: row.version,
            body: row.body,
            author: row.author,
            note: row.note,
            at_ms: row.at.timestamp_millis(),
        }
    }
}

/// All runbooks, by title.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Runbook>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT slug, title, version, tested_at, tested_by, updated_at FROM runbook ORDER BY lower(title), slug",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Runbook::from).collect())
}

/// A runbook.
pub async fn get(conn: &mut PgConnection, slug: &str) -> Result<Option<Runbook>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT slug, title, version, tested_at, tested_by, updated_at FROM runbook WHERE slug = $1")
            .bind(slug)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(Runbook::from))
}

/// A version of a runbook.
pub async fn version(conn: &mut PgConnection, slug: &str, version: i32) -> Result<Option<Version>> {
    let row: Option<VersionRow> =
        sqlx::query_as("SELECT version, body, author, note, at FROM runbook_version WHERE slug = $1 AND version = $2")
            .bind(slug)
            .bind(version)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(Version::from))
}

/// The newest versions of a runbook, newest first, without their texts.
pub async fn history(conn: &mut PgConnection, slug: &str, limit: i64) -> Result<Vec<Version>> {
    let rows: Vec<VersionRow> = sqlx::query_as(
        "SELECT version, '' AS body, author, note, at FROM runbook_version WHERE slug = $1 ORDER BY version DESC LIMIT $2",
    )
    .bind(slug)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Version::from).collect())
}

/// Adds a runbook where its slug is free, at version 1. False if it is not.
pub async fn create(
    conn: &mut PgConnection,
    slug: &str,
    title: &str,
    body: &str,
    author: &str,
    note: &str,
) -> Result<bool> {
    let done = sqlx::query("INSERT INTO runbook (slug, title) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING")
        .bind(slug)
        .bind(title)
        .execute(&mut *conn)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    add_version(conn, slug, 1, body, author, note).await?;
    Ok(true)
}

/// Writes the next version of a runbook that is at the version that was read. False if it moved on or is gone.
pub async fn update(
    conn: &mut PgConnection,
    slug: &str,
    seen: i32,
    title: &str,
    body: &str,
    author: &str,
    note: &str,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE runbook SET title = $3, version = version + 1, updated_at = hr_now() WHERE slug = $1 AND version = $2",
    )
    .bind(slug)
    .bind(seen)
    .bind(title)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    add_version(conn, slug, seen + 1, body, author, note).await?;
    Ok(true)
}

async fn add_version(
    conn: &mut PgConnection,
    slug: &str,
    version: i32,
    body: &str,
    author: &str,
    note: &str,
) -> Result<()> {
    sqlx::query("INSERT INTO runbook_version (slug, version, body, author, note) VALUES ($1, $2, $3, $4, $5)")
        .bind(slug)
        .bind(version)
        .bind(body)
        .bind(author)
        .bind(note)
        .execute(conn)
        .await?;
    Ok(())
}

/// Remembers that somebody did what a version says. False if there is a newer one, or none.
pub async fn set_tested(conn: &mut PgConnection, slug: &str, version: i32, at: Millis, by: &str) -> Result<bool> {
    let done = sqlx::query("UPDATE runbook SET tested_at = $3, tested_by = $4 WHERE slug = $1 AND version = $2")
        .bind(slug)
        .bind(version)
        .bind(timestamp(at))
        .bind(by)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
