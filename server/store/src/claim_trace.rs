//! The ways of some claims through the server, step by step.

use crate::{Result, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// One step of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was done, such as `store.commit`.
    pub name: String,
    /// How deep it lies below the request.
    pub depth: u8,
    /// Microseconds from the request to its start.
    pub from_us: i64,
    /// How long it took, microseconds.
    pub took_us: i64,
    /// What came of it; empty if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// It failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// The way of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTrace {
    /// When the request came, microseconds of the epoch by the database's clock.
    pub at_us: i64,
    /// The claim.
    pub claim: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key.
    pub tenant: i32,
    /// `granted`, `queued`, or the reason of the refusal.
    pub outcome: String,
    /// From the request to its answer, microseconds.
    pub took_us: i64,
    /// The caller's span.
    pub parent: Option<Vec<u8>>,
    /// Parents before their children.
    pub steps: Vec<Step>,
}

#[derive(FromRow)]
struct Row {
    at: DateTime<Utc>,
    claim: Uuid,
    pool_id: i32,
    tenant_id: i32,
    outcome: String,
    took_us: i64,
    parent: Option<Vec<u8>>,
    steps: Json<Vec<Step>>,
}

/// Keeps some.
pub async fn keep(conn: &mut PgConnection, traces: &[ClaimTrace]) -> Result<()> {
    let column = |of: fn(&ClaimTrace) -> i64| traces.iter().map(of).collect::<Vec<i64>>();
    sqlx::query(
        "INSERT INTO claim_trace (at, claim, pool_id, tenant_id, outcome, took_us, parent, steps)
         SELECT 'epoch'::timestamptz + at * interval '1 microsecond', claim, pool_id, tenant_id, outcome, took_us, parent, steps
         FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::bigint[], $7::bytea[], $8::jsonb[])
              AS w (at, claim, pool_id, tenant_id, outcome, took_us, parent, steps)",
    )
    .bind(column(|one| one.at_us))
    .bind(traces.iter().map(|one| one.claim).collect::<Vec<_>>())
    .bind(traces.iter().map(|one| one.pool).collect::<Vec<_>>())
    .bind(traces.iter().map(|one| one.tenant).collect::<Vec<_>>())
    .bind(traces.iter().map(|one| one.outcome.as_str()).collect::<Vec<_>>())
    .bind(column(|one| one.took_us))
    .bind(traces.iter().map(|one| one.parent.as_deref()).collect::<Vec<_>>())
    .bind(traces.iter().map(|one| Json(&one.steps)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// What was kept of some claims since an instant, oldest first.
pub async fn of(conn: &mut PgConnection, claims: &[Uuid], since: Millis) -> Result<Vec<ClaimTrace>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT at, claim, pool_id, tenant_id, outcome, took_us, parent, steps
         FROM claim_trace WHERE claim = ANY($1) AND at >= $2 ORDER BY at LIMIT 100",
    )
    .bind(claims)
    .bind(timestamp(since))
    .fetch_all(conn)
    .await?;
    let trace = |row: Row| ClaimTrace {
        at_us: row.at.timestamp_micros(),
        claim: row.claim,
        pool: row.pool_id,
        tenant: row.tenant_id,
        outcome: row.outcome,
        took_us: row.took_us,
        parent: row.parent,
        steps: row.steps.0,
    };
    Ok(rows.into_iter().map(trace).collect())
}
