//! What happened to slots: read for people and streams. Events are written where slots are changed (`slot`).

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::lease::{EventKind, Outcome, number, word};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotEvent {
    /// Its number; within a pool they are in order.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// The pool's key.
    pub pool: i32,
    /// The pool's slug.
    pub pool_slug: String,
    /// What.
    pub kind: EventKind,
    /// Which slot.
    pub slot: Option<i32>,
    /// The fence after it.
    pub fence: Option<i64>,
    /// Of which claim.
    pub claim: Option<Uuid>,
    /// The tenant's slug.
    pub tenant: Option<String>,
    /// 0 to 9.
    pub priority: Option<i16>,
    /// Who holds it.
    pub holder: Option<String>,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// From the claim to its answer.
    pub wait_ms: Option<i32>,
    /// From the claim to its end.
    pub held_ms: Option<i64>,
    /// Work as reported.
    pub work_ms: Option<i32>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Where.
    pub node: Option<String>,
    /// On which shard.
    pub shard: Option<i32>,
    /// For which cohort.
    pub cohort: Option<String>,
    /// The trace.
    pub trace: Option<Vec<u8>>,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of these pools only.
    pub pools: Option<Vec<i32>>,
    /// Of these tenants only.
    pub tenants: Option<Vec<i32>>,
    /// Of these kinds only; empty for all.
    pub kinds: Vec<EventKind>,
    /// Of this slot number.
    pub slot: Option<i32>,
    /// Of this claim.
    pub claim: Option<Uuid>,
    /// Of this trace.
    pub trace: Option<Vec<u8>>,
    /// From this instant on.
    pub since: Millis,
    /// With a lower number than this.
    pub before: Option<i64>,
    /// With a higher number than this.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

#[derive(FromRow)]
struct Row {
    event_id: i64,
    at: DateTime<Utc>,
    pool_id: i32,
    pool_slug: String,
    kind: i16,
    slot: Option<i32>,
    fence: Option<i64>,
    claim: Option<Uuid>,
    tenant: Option<String>,
    priority: Option<i16>,
    holder: Option<String>,
    actor: String,
    reason: Option<String>,
    wait_ms: Option<i32>,
    held_ms: Option<i64>,
    work_ms: Option<i32>,
    outcome: Option<i16>,
    node: Option<String>,
    shard: Option<i32>,
    cohort: Option<String>,
    trace: Option<Vec<u8>>,
}

impl TryFrom<Row> for SlotEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.event_id,
            at: row.at.timestamp_millis(),
            pool: row.pool_id,
            pool_slug: row.pool_slug,
            kind: word(EventKind::ALL, row.kind).ok_or_else(|| StoreError::Damaged {
                what: format!("event {}", row.event_id),
                problem: format!("its kind {} is unknown", row.kind),
            })?,
            slot: row.slot,
            fence: row.fence,
            claim: row.claim,
            tenant: row.tenant,
            priority: row.priority,
            holder: row.holder,
            actor: row.actor,
            reason: row.reason,
            wait_ms: row.wait_ms,
            held_ms: row.held_ms,
            work_ms: row.work_ms,
            outcome: row.outcome.and_then(|number| word(Outcome::ALL, number)),
            node: row.node,
            shard: row.shard,
            cohort: row.cohort,
            trace: row.trace,
        })
    }
}

/// Events, newest first.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted) -> Result<Vec<SlotEvent>> {
    let kinds: Vec<i16> = wanted.kinds.iter().map(|kind| number(EventKind::ALL, kind)).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT e.event_id, e.at, e.pool_id, p.slug AS pool_slug, e.kind, e.slot, e.fence, e.claim, t.slug AS tenant, e.priority,
                e.holder, e.actor, e.reason, e.wait_ms, e.held_ms, e.work_ms, e.outcome, e.node, e.shard, e.cohort, e.trace
         FROM slot_event e JOIN pool p USING (pool_id) LEFT JOIN tenant t USING (tenant_id)
         WHERE e.at >= $1
           AND ($2::int[] IS NULL OR e.pool_id = ANY($2))
           AND ($3::int[] IS NULL OR e.tenant_id = ANY($3))
           AND (cardinality($4::smallint[]) = 0 OR e.kind = ANY($4))
           AND ($5::int IS NULL OR e.slot = $5)
           AND ($6::uuid IS NULL OR e.claim = $6)
           AND ($7::bytea IS NULL OR e.trace = $7)
           AND ($8::bigint IS NULL OR e.event_id < $8)
           AND ($9::bigint IS NULL OR e.event_id > $9)
         ORDER BY e.at DESC, e.event_id DESC LIMIT $10",
    )
    .bind(timestamp(wanted.since))
    .bind(&wanted.pools)
    .bind(&wanted.tenants)
    .bind(kinds)
    .bind(wanted.slot)
    .bind(wanted.claim)
    .bind(&wanted.trace)
    .bind(wanted.before)
    .bind(wanted.after)
    .bind(wanted.limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(SlotEvent::try_from).collect()
}

/// The number of the newest event there may be: as long as it stays the same, nothing happened.
pub async fn newest(conn: &mut PgConnection) -> Result<i64> {
    let (last, used): (i64, bool) =
        sqlx::query_as("SELECT last_value, is_called FROM slot_event_event_id_seq").fetch_one(conn).await?;
    Ok(if used { last } else { 0 })
}

/// Whether everything after an event happened since an instant.
pub async fn is_since(conn: &mut PgConnection, event: i64, since: Millis) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM slot_event WHERE at >= $2 AND event_id <= $1)")
        .bind(event)
        .bind(timestamp(since))
        .fetch_one(conn)
        .await?)
}
