//! Game days: what was tried, what happened, and what is to follow from it.

use crate::Result;
use chrono::{DateTime, NaiveDate, Utc};
use headroom_domain::Millis;
use headroom_domain::game_day::Breakage;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

/// What somebody writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The day it was held.
    pub held_on: NaiveDate,
    /// What it is called, 1 to 120 characters on one line.
    pub title: String,
    /// Who ran it, 1 to 120 characters on one line.
    pub run_by: String,
    /// What was tried, 1 to 1,000 characters.
    pub tried: String,
    /// What happened, 1 to 1,000 characters.
    pub happened: String,
    /// What is to follow, at most 1,000 characters.
    pub follow_ups: String,
    /// What was broken, and whether it was found.
    pub breakages: Vec<Breakage>,
    /// What was found though nothing was broken; `None` = nobody counted.
    pub false_findings: Option<i32>,
    /// Keys of the pools it was about; none = none in particular.
    pub pools: Vec<i32>,
}

/// A game day as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GameDay {
    /// Its number.
    pub id: i64,
    /// What was written down.
    pub fields: Fields,
    /// Slugs of its pools.
    pub pool_slugs: Vec<String>,
    /// Who wrote it last.
    pub author: String,
    /// Counts changes.
    pub version: i32,
    /// When it was written last.
    pub written_ms: Millis,
}

#[derive(FromRow)]
struct Row {
    game_day_id: i64,
    held_on: NaiveDate,
    title: String,
    run_by: String,
    tried: String,
    happened: String,
    follow_ups: String,
    breakages: Json<Vec<Breakage>>,
    false_findings: Option<i32>,
    author: String,
    version: i32,
    written_at: DateTime<Utc>,
    pools: Vec<i32>,
    slugs: Vec<String>,
}

impl From<Row> for GameDay {
    fn from(row: Row) -> Self {
        Self {
            id: row.game_day_id,
            fields: Fields {
                held_on: row.held_on,
                title: row.title,
                run_by: row.run_by,
                tried: row.tried,
                happened: row.happened,
                follow_ups: row.follow_ups,
                breakages: row.breakages.0,
                false_findings: row.false_findings,
                pools: row.pools,
            },
            pool_slugs: row.slugs,
            author: row.author,
            version: row.version,
            written_ms: row.written_at.timestamp_millis(),
        }
    }
}

macro_rules! select_game_day {
    ($rest:literal) => {
        concat!(
            "SELECT g.game_day_id, g.held_on, g.title, g.run_by, g.tried, g.happened, g.follow_ups, g.breakages, g.false_findings,
                    g.author, g.version, g.written_at,
                    coalesce(array_agg(p.pool_id ORDER BY p.slug) FILTER (WHERE p.pool_id IS NOT NULL), '{}') AS pools,
                    coalesce(array_agg(p.slug ORDER BY p.slug) FILTER (WHERE p.pool_id IS NOT NULL), '{}') AS slugs
             FROM game_day g LEFT JOIN game_day_pool USING (game_day_id) LEFT JOIN pool p USING (pool_id) ",
            $rest
        )
    };
}

/// Game days held on `[from, end)`, the newest first.
pub async fn held(conn: &mut PgConnection, from: NaiveDate, end: NaiveDate) -> Result<Vec<GameDay>> {
    let rows: Vec<Row> = sqlx::query_as(select_game_day!(
        "WHERE g.held_on >= $1 AND g.held_on < $2 GROUP BY g.game_day_id ORDER BY g.held_on DESC, g.game_day_id DESC"
    ))
    .bind(from)
    .bind(end)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(GameDay::from).collect())
}

/// Game days, the newest first, at most so many: from the first on, or those after one by its number. `None` if there is no such one.
pub async fn list(conn: &mut PgConnection, after: Option<i64>, limit: i64) -> Result<Option<Vec<GameDay>>> {
    let mut held_on: Option<NaiveDate> = None;
    if let Some(id) = after {
        held_on = sqlx::query_scalar("SELECT held_on FROM game_day WHERE game_day_id = $1")
            .bind(id)
            .fetch_optional(&mut *conn)
            .await?;
        if held_on.is_none() {
            return Ok(None);
        }
    }
    let rows: Vec<Row> = sqlx::query_as(select_game_day!(
        "WHERE $1::date IS NULL OR (g.held_on, g.game_day_id) < ($1, $2)
         GROUP BY g.game_day_id ORDER BY g.held_on DESC, g.game_day_id DESC LIMIT $3"
    ))
    .bind(held_on)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(Some(rows.into_iter().map(GameDay::from).collect()))
}

/// One game day.
pub async fn get(conn: &mut PgConnection, id: i64) -> Result<Option<GameDay>> {
    let row: Option<Row> = sqlx::query_as(select_game_day!("WHERE g.game_day_id = $1 GROUP BY g.game_day_id"))
        .bind(id)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(GameDay::from))
}

/// How many there are.
pub async fn count(conn: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM game_day").fetch_one(conn).await?)
}

/// Writes a new one down. Returns its number.
pub async fn create(conn: &mut PgConnection, fields: &Fields, author: &str) -> Result<i64> {
    let id = sqlx::query_scalar(
        "INSERT INTO game_day (held_on, title, run_by, tried, happened, follow_ups, breakages, false_findings, author)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING game_day_id",
    )
    .bind(fields.held_on)
    .bind(&fields.title)
    .bind(&fields.run_by)
    .bind(&fields.tried)
    .bind(&fields.happened)
    .bind(&fields.follow_ups)
    .bind(Json(&fields.breakages))
    .bind(fields.false_findings)
    .bind(author)
    .fetch_one(&mut *conn)
    .await?;
    set_pools(conn, id, &fields.pools).await?;
    Ok(id)
}

/// Changes one that is at a version. Returns whether it was.
pub async fn update(conn: &mut PgConnection, id: i64, version: i32, fields: &Fields, author: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE game_day SET held_on = $3, title = $4, run_by = $5, tried = $6, happened = $7, follow_ups = $8, breakages = $9,
             false_findings = $10, author = $11, version = version + 1, written_at = hr_now()
         WHERE game_day_id = $1 AND version = $2",
    )
    .bind(id)
    .bind(version)
    .bind(fields.held_on)
    .bind(&fields.title)
    .bind(&fields.run_by)
    .bind(&fields.tried)
    .bind(&fields.happened)
    .bind(&fields.follow_ups)
    .bind(Json(&fields.breakages))
    .bind(fields.false_findings)
    .bind(author)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    set_pools(conn, id, &fields.pools).await?;
    Ok(true)
}

async fn set_pools(conn: &mut PgConnection, id: i64, pools: &[i32]) -> Result<()> {
    sqlx::query("DELETE FROM game_day_pool WHERE game_day_id = $1").bind(id).execute(&mut *conn).await?;
    sqlx::query("INSERT INTO game_day_pool (game_day_id, pool_id) SELECT DISTINCT $1, unnest($2::int[])")
        .bind(id)
        .bind(pools)
        .execute(conn)
        .await?;
    Ok(())
}
