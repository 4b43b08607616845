//! What is wrong, since when, and until when.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::failure::{Kind, Severity, What};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Something that is wrong, as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The pool's key; `None` if it is about a server.
    pub pool: Option<i32>,
    /// Tells conditions of one kind in one pool apart.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: What,
    /// Keys of tenants that are hit, worst first.
    pub tenants: Vec<i32>,
    /// Keys of tenants whose viewers see it, if it is about no single one.
    pub concerns: Vec<i32>,
    /// When it began.
    pub since_ms: Millis,
}

/// The same in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// What was seen last. Its beginning is that of the first look.
    pub seen: Seen,
    /// When it was seen first.
    pub seen_ms: Millis,
    /// It is not seen any more from here on.
    pub absent_ms: Option<Millis>,
    /// When it was over.
    pub over_ms: Option<Millis>,
}

#[derive(FromRow)]
struct Row {
    finding_id: i64,
    pool_id: Option<i32>,
    subject: String,
    severity: i16,
    what: Json<Value>,
    tenants: Vec<i32>,
    concerns: Vec<i32>,
    since: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    absent_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

macro_rules! select_finding {
    () => {
        "SELECT finding_id, pool_id, subject, severity, what, tenants, concerns, since, seen_at, absent_at, ended_at FROM finding "
    };
}

/// A finding that a newer server wrote and this one has no word for is left out.
fn read(rows: Vec<Row>) -> Vec<Finding> {
    let finding = |row: Row| {
        Some(Finding {
            id: row.finding_id,
            seen: Seen {
                pool: row.pool_id,
                subject: row.subject,
                severity: *Severity::ALL.get(usize::try_from(row.severity).ok()?)?,
                what: serde_json::from_value(row.what.0).ok()?,
                tenants: row.tenants,
                concerns: row.concerns,
                since_ms: row.since.timestamp_millis(),
            },
            seen_ms: row.seen_at.timestamp_millis(),
            absent_ms: row.absent_at.map(|at| at.timestamp_millis()),
            over_ms: row.ended_at.map(|at| at.timestamp_millis()),
        })
    };
    rows.into_iter().filter_map(finding).collect()
}

/// Which findings.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of these pools; of all pools and of the servers if it is left out.
    pub pools: Option<Vec<i32>>,
    /// Without those of the servers.
    pub no_servers: bool,
    /// Of these kinds; of all if there are none.
    pub kinds: Vec<Kind>,
    /// Only those that are there, or only those that are over.
    pub open: Option<bool>,
    /// Of those that are over, only the ones that ended since.
    pub since: Millis,
    /// About these tenants, or of pools that they use.
    pub tenants: Option<Vec<i32>>,
    /// Only with a lower number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// Findings, the newest first.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<Finding>> {
    let kinds: Vec<&str> = wanted.kinds.iter().map(|kind| kind.as_str()).collect();
    let rows: Vec<Row> = sqlx::query_as(concat!(
        select_finding!(),
        "WHERE (ended_at IS NULL OR ended_at >= $1) AND ($2::bool IS NULL OR (ended_at IS NULL) = $2)
           AND ($3::int[] IS NULL OR pool_id = ANY($3)) AND (NOT $4 OR pool_id IS NOT NULL)
           AND (cardinality($5::text[]) = 0 OR kind = ANY($5))
           AND ($6::int[] IS NULL OR tenant_id = ANY($6) OR (tenant_id IS NULL AND concerns && $6))
           AND ($7::bigint IS NULL OR finding_id < $7)
         ORDER BY finding_id DESC LIMIT $8",
    ))
    .bind(timestamp(wanted.since))
    .bind(wanted.open)
    .bind(&wanted.pools)
    .bind(wanted.no_servers)
    .bind(kinds)
    .bind(&wanted.tenants)
    .bind(wanted.before)
    .bind(wanted.limit)
    .fetch_all(conn)
    .await?;
    Ok(read(rows))
}

/// The findings of some pools that are not over, oldest first.
pub async fn open(conn: &mut PgConnection, pools: &[i32]) -> Result<Vec<Finding>> {
    let rows: Vec<Row> =
        sqlx::query_as(concat!(select_finding!(), "WHERE ended_at IS NULL AND pool_id = ANY($1) ORDER BY finding_id"))
            .bind(pools)
            .fetch_all(conn)
            .await?;
    Ok(read(rows))
}

/// The pools with a finding of some kinds that is not over.
pub async fn pools_with(conn: &mut PgConnection, kinds: &[Kind]) -> Result<Vec<i32>> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT pool_id FROM finding WHERE ended_at IS NULL AND pool_id IS NOT NULL AND kind = ANY($1) ORDER BY pool_id",
    )
    .bind(kinds)
    .fetch_all(conn)
    .await?)
}

/// What a look changes.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Seen for the first time.
    pub begun: Vec<Seen>,
    /// Seen again with other numbers, or after a look that did not see it.
    pub changed: Vec<(i64, Seen)>,
    /// Not seen any more.
    pub absent: Vec<i64>,
    /// Not seen for so long that it is over, since the first look that did not see it.
    pub over: Vec<i64>,
}

/// Remembers what a look at an instant changes. What another look has told already is not told twice.
pub async fn apply(conn: &mut PgConnection, changes: &Changes, now: Millis) -> Result<()> {
    begin(conn, &changes.begun, now, None).await?;
    for (id, seen) in &changes.changed {
        sqlx::query(
            "UPDATE finding SET severity = $2, what = $3, tenant_id = $4, tenants = $5, concerns = $6, absent_at = NULL
             WHERE finding_id = $1",
        )
        .bind(id)
        .bind(number(seen.severity))
        .bind(Json(&seen.what))
        .bind(seen.what.tenant())
        .bind(&seen.tenants)
        .bind(&seen.concerns)
        .execute(&mut *conn)
        .await?;
    }
    if !changes.absent.is_empty() {
        sqlx::query("UPDATE finding SET absent_at = $2 WHERE finding_id = ANY($1)")
            .bind(&changes.absent)
            .bind(timestamp(now))
            .execute(&mut *conn)
            .await?;
    }
    if !changes.over.is_empty() {
        sqlx::query("UPDATE finding SET ended_at = COALESCE(absent_at, $2) WHERE finding_id = ANY($1)")
            .bind(&changes.over)
            .bind(timestamp(now))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

fn number(severity: Severity) -> i16 {
    Severity::ALL.iter().position(|one| *one == severity).and_then(|at| i16::try_from(at).ok()).unwrap_or_default()
}

async fn begin(conn: &mut PgConnection, all: &[Seen], seen_ms: Millis, over_ms: Option<Millis>) -> Result<()> {
    for seen in all {
        sqlx::query(
            "INSERT INTO finding (pool_id, kind, subject, severity, what, tenant_id, tenants, concerns, since, seen_at, ended_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(seen.pool)
        .bind(seen.what.kind().as_str())
        .bind(&seen.subject)
        .bind(number(seen.severity))
        .bind(Json(&seen.what))
        .bind(seen.what.tenant())
        .bind(&seen.tenants)
        .bind(&seen.concerns)
        .bind(timestamp(seen.since_ms))
        .bind(timestamp(seen_ms))
        .bind(over_ms.map(timestamp))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Tells what was seen while nothing could be written, and is over.
pub async fn tell(conn: &mut PgConnection, seen: Seen, seen_ms: Millis, over_ms: Millis) -> Result<()> {
    begin(conn, &[seen], seen_ms, Some(over_ms)).await
}

/// A server that expired without saying that it ends.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Lost {
    /// The server.
    pub replica_id: Uuid,
    /// Where it was reached.
    pub url: String,
    expires_at: DateTime<Utc>,
    /// Pools that nobody has taken over yet.
    pub pools: i64,
}

impl Lost {
    /// When it counted as dead.
    pub fn expired_ms(&self) -> Millis {
        self.expires_at.timestamp_millis()
    }
}

/// Servers that expired and whose end was not told yet.
pub async fn lost_servers(conn: &mut PgConnection) -> Result<Vec<Lost>> {
    Ok(sqlx::query_as(
        "SELECT r.replica_id, r.url, r.expires_at, 
                (SELECT count(*) FROM pool_owner o JOIN pool p USING (pool_id) JOIN pool_policy t USING (pool_id)
                 WHERE o.replica_id = r.replica_id AND p.archived_at IS NULL) AS pools
         FROM replica r
         WHERE r.expires_at <= hr_now() AND NOT EXISTS (
             SELECT FROM finding f WHERE f.pool_id IS NULL AND f.kind = $1 AND f.subject = r.replica_id::text
               AND (f.ended_at IS NULL OR f.ended_at >= r.expires_at))
         ORDER BY r.expires_at",
    )
    .bind(Kind::ServerLost.as_str())
    .fetch_all(conn)
    .await?)
}

/// Ends the findings about lost servers that are alive again, or of whose pools none waits any more, as of an instant. What was
/// told in the same look stays for one more. Returns how many.
pub async fn end_lost_servers(conn: &mut PgConnection, now: Millis) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE finding f SET ended_at = $2
         WHERE f.ended_at IS NULL AND f.pool_id IS NULL AND f.kind = $1 AND f.seen_at < $2
           AND (EXISTS (SELECT FROM replica r WHERE r.replica_id::text = f.subject AND r.expires_at > hr_now())
                OR NOT EXISTS (SELECT FROM pool_owner o JOIN pool p USING (pool_id) JOIN pool_policy t USING (pool_id)
                               WHERE o.replica_id::text = f.subject AND p.archived_at IS NULL))",
    )
    .bind(Kind::ServerLost.as_str())
    .bind(timestamp(now))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Ends the findings of pools that give out no slots any more, or are archived. Returns how many.
pub async fn end_untracked(conn: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE finding f SET ended_at = hr_now()
         WHERE f.ended_at IS NULL AND f.pool_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM pool_policy t JOIN pool p USING (pool_id) WHERE t.pool_id = f.pool_id AND p.archived_at IS NULL)",
    );
    Ok(done.execute(conn).await?.rows_affected())
}

/// Removes what was over before an instant. Returns how many.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM finding WHERE ended_at < $1").bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}

/// How far the looking has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// The last look.
    pub at: Option<Millis>,
    /// The last pool of that look.
    pub after: i32,
    /// The last one of those that cannot wait.
    pub urgent_after: i32,
    /// The last one whose holders were looked at.
    pub holds_after: i32,
    /// When events were looked at.
    pub events_at: Option<Millis>,
    /// When holders were.
    pub holds_at: Option<Millis>,
}

/// How far the looking has come.
pub async fn turn(conn: &mut PgConnection) -> Result<Turn> {
    type Row = (Option<DateTime<Utc>>, i32, i32, i32, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let row: Option<Row> =
        sqlx::query_as("SELECT at, after, urgent_after, holds_after, events_at, holds_at FROM finding_turn")
            .fetch_optional(conn)
            .await?;
    let millis = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
    Ok(row.map_or_else(Turn::default, |(at, after, urgent_after, holds_after, events_at, holds_at)| Turn {
        at: millis(at),
        after,
        urgent_after,
        holds_after,
        events_at: millis(events_at),
        holds_at: millis(holds_at),
    }))
}

/// Remembers it.
pub async fn set_turn(conn: &mut PgConnection, turn: &Turn) -> Result<()> {
    sqlx::query(
        "INSERT INTO finding_turn (at, after, urgent_after, holds_after, events_at, holds_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (only_row) DO UPDATE SET at = EXCLUDED.at, after = EXCLUDED.after, urgent_after = EXCLUDED.urgent_after,
             holds_after = EXCLUDED.holds_after, events_at = EXCLUDED.events_at, holds_at = EXCLUDED.holds_at",
    )
    .bind(turn.at.map(timestamp))
    .bind(turn.after)
    .bind(turn.urgent_after)
    .bind(turn.holds_after)
    .bind(turn.events_at.map(timestamp))
    .bind(turn.holds_at.map(timestamp))
    .execute(conn)
    .await?;
    Ok(())
}

/// The next pools that give out slots, by key.
pub async fn next_pools(conn: &mut PgConnection, after: i32, limit: i64) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT pool_id FROM pool_policy WHERE pool_id > $1 ORDER BY pool_id LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// The next pools that cannot wait, by key: their owner saw something, or something is wrong with them that is no mere note.
pub async fn next_urgent(conn: &mut PgConnection, after: i32, limit: i64) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar(
        "SELECT pool_id FROM pool_live WHERE asks AND pool_id > $1
         UNION SELECT pool_id FROM finding WHERE ended_at IS NULL AND severity < $3 AND pool_id > $1
         ORDER BY pool_id LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .bind(number(Severity::Info))
    .fetch_all(conn)
    .await?)
}
