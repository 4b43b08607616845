//! What happened to slots: read for people and streams. Events are written where slots are changed (`slot`).

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::lease::{EventKind, Outcome, number, word};
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeSet;
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
    /// Of a holder or on a node with this in its name; empty for all.
    pub text: String,
    /// From this instant on.
    pub since: Millis,
    /// Before this instant.
    pub until: Option<Millis>,
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

/// Whether a claim was released in the last two minutes: as long as anybody asks again because an answer was lost. There is no
/// index by claim, which each event would pay for.
pub async fn was_released(conn: &mut PgConnection, pool: i32, claim: Uuid, tenants: Option<&[i32]>) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM slot_event
             WHERE at >= hr_now() - interval '2 minutes' AND pool_id = $1 AND claim = $2 AND kind = $3
               AND ($4::int[] IS NULL OR tenant_id = ANY($4)))",
    )
    .bind(pool)
    .bind(claim)
    .bind(number(EventKind::ALL, &EventKind::Release))
    .bind(tenants)
    .fetch_one(conn)
    .await?)
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
           AND ($11 = '' OR strpos(lower(e.holder), lower($11)) > 0 OR strpos(lower(e.node), lower($11)) > 0)
           AND ($12::timestamptz IS NULL OR e.at < $12)
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
    .bind(&wanted.text)
    .bind(wanted.until.map(timestamp))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(SlotEvent::try_from).collect()
}

/// Somebody who acted on what it does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stray {
    /// For a claim that is over.
    Claim(Uuid),
    /// With a fence that is not the slot's.
    Fence(i32, i64),
}

/// Writes down that somebody was kept from acting.
pub async fn kept_out(conn: &mut PgConnection, pool: i32, stray: Stray, actor: &str, what: &str) -> Result<()> {
    let (claim, slot, fence) = match stray {
        Stray::Claim(claim) => (Some(claim), None, None),
        Stray::Fence(slot, fence) => (None, Some(slot), Some(fence)),
    };
    sqlx::query(
        "INSERT INTO slot_event (at, pool_id, kind, slot, fence, claim, actor, reason)
         VALUES (hr_now(), $1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(pool)
    .bind(number(EventKind::ALL, &EventKind::Stale))
    .bind(slot)
    .bind(fence)
    .bind(claim)
    .bind(actor)
    .bind(what)
    .execute(conn)
    .await?;
    Ok(())
}

/// The number of the newest event there may be: as long as it stays the same, nothing happened.
pub async fn newest(conn: &mut PgConnection) -> Result<i64> {
    let (last, used): (i64, bool) =
        sqlx::query_as("SELECT last_value, is_called FROM slot_event_event_id_seq").fetch_one(conn).await?;
    Ok(if used { last } else { 0 })
}

/// Numbers of the events since an instant, each with its own instant.
pub async fn numbers(conn: &mut PgConnection, since: Millis) -> Result<Vec<(i64, Millis)>> {
    let rows: Vec<(i64, DateTime<Utc>)> = sqlx::query_as("SELECT event_id, at FROM slot_event WHERE at >= $1")
        .bind(timestamp(since))
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|(id, at)| (id, at.timestamp_millis())).collect())
}

/// Whether everything after an event happened since an instant.
pub async fn is_since(conn: &mut PgConnection, event: i64, since: Millis) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM slot_event WHERE at >= $2 AND event_id <= $1)")
        .bind(event)
        .bind(timestamp(since))
        .fetch_one(conn)
        .await?)
}

/// Events that one question about the last minutes looks at, at most: it is answered in time however many there are.
const NEWEST: i64 = 200_000;

/// What tells whether a holder lived: of a lease, or of a holder that was suspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vital {
    /// When.
    pub at: Millis,
    /// The pool's key.
    pub pool: i32,
    /// What.
    pub kind: EventKind,
    /// Of which claim.
    pub claim: Option<Uuid>,
    /// Whose, and for which tenant.
    pub holder: Option<(String, i32)>,
    /// From the claim to its end, where it ended.
    pub held_ms: Option<Millis>,
}

#[derive(FromRow)]
struct VitalRow {
    at: DateTime<Utc>,
    pool_id: i32,
    kind: i16,
    claim: Option<Uuid>,
    holder: Option<String>,
    tenant_id: Option<i32>,
    held_ms: Option<i64>,
}

/// What tells in `[from, to)` whether holders lived, of the newest 200,000 events, in the order of time.
pub async fn vitals(conn: &mut PgConnection, from: Millis, to: Millis) -> Result<Vec<Vital>> {
    use EventKind::{Claim, Dead, Expire, Preempt, Reassign, Reconcile, Release, Renew, Stale, Suspect};
    let kinds = [Claim, Renew, Release, Expire, Preempt, Reassign, Reconcile, Suspect, Dead, Stale];
    let rows: Vec<VitalRow> = sqlx::query_as(
        "SELECT at, pool_id, kind, claim, holder, tenant_id, held_ms
         FROM (SELECT at, event_id, pool_id, kind, claim, holder, tenant_id, held_ms FROM slot_event
               WHERE at >= $1 AND at < $2 ORDER BY at DESC, event_id DESC LIMIT $4) newest
         WHERE kind = ANY($3) ORDER BY at, event_id",
    )
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(kinds.map(|kind| number(EventKind::ALL, &kind)).as_slice())
    .bind(NEWEST)
    .fetch_all(conn)
    .await?;
    let vital = |row: VitalRow| {
        Some(Vital {
            at: row.at.timestamp_millis(),
            pool: row.pool_id,
            kind: word(EventKind::ALL, row.kind)?,
            claim: row.claim,
            holder: row.holder.zip(row.tenant_id),
            held_ms: row.held_ms,
        })
    };
    Ok(rows.into_iter().filter_map(vital).collect())
}

/// Work that was reported of a slot.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Work {
    /// The pool's key.
    pub pool_id: i32,
    /// The slot's number.
    pub slot: i32,
    /// P95 of the work, milliseconds.
    pub p95_ms: f64,
    /// How many reports.
    pub reports: i64,
    /// Key of the tenant that reported last.
    pub tenant_id: Option<i32>,
    /// The shard of the last report that named one.
    pub shard: Option<i32>,
}

/// Work by slot since an instant, in some pools or in all, slowest first.
pub async fn work(conn: &mut PgConnection, pools: Option<&[i32]>, since: Millis) -> Result<Vec<Work>> {
    Ok(sqlx::query_as(
        "SELECT pool_id, slot, percentile_disc(0.95) WITHIN GROUP (ORDER BY work_ms)::float8 AS p95_ms, count(*) AS reports,
                (array_agg(tenant_id ORDER BY event_id DESC))[1] AS tenant_id,
                (array_agg(shard ORDER BY event_id DESC) FILTER (WHERE shard IS NOT NULL))[1] AS shard
         FROM (SELECT event_id, pool_id, slot, work_ms, tenant_id, shard FROM slot_event
               WHERE at >= $2 AND ($1::int[] IS NULL OR pool_id = ANY($1)) ORDER BY at DESC, event_id DESC LIMIT $3) newest
         WHERE work_ms IS NOT NULL AND slot IS NOT NULL
         GROUP BY pool_id, slot ORDER BY p95_ms DESC, pool_id, slot",
    )
    .bind(pools)
    .bind(timestamp(since))
    .bind(NEWEST)
    .fetch_all(conn)
    .await?)
}

/// P95 of one slot's work by interval since an instant: start of the interval and milliseconds, in time order.
pub async fn work_of_slot(
    conn: &mut PgConnection,
    pool: i32,
    slot: i32,
    tenants: Option<&[i32]>,
    since: Millis,
    step_ms: Millis,
) -> Result<Vec<(Millis, f64)>> {
    let rows: Vec<(DateTime<Utc>, f64)> = sqlx::query_as(
        "SELECT date_bin($5 * interval '1 millisecond', at, $3) AS start,
                percentile_disc(0.95) WITHIN GROUP (ORDER BY work_ms)::float8
         FROM (SELECT at, slot, tenant_id, work_ms FROM slot_event
               WHERE at >= $3 AND pool_id = $1 ORDER BY at DESC, event_id DESC LIMIT $4) newest
         WHERE slot = $2 AND work_ms IS NOT NULL AND ($6::int[] IS NULL OR tenant_id = ANY($6))
         GROUP BY start ORDER BY start",
    )
    .bind(pool)
    .bind(slot)
    .bind(timestamp(since))
    .bind(NEWEST)
    .bind(step_ms)
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(at, p95)| (at.timestamp_millis(), p95)).collect())
}

/// Claims of a pool whose holders were asked to end since an instant.
pub async fn noticed(conn: &mut PgConnection, pool: i32, since: Millis) -> Result<BTreeSet<Uuid>> {
    let claims: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT claim
         FROM (SELECT kind, claim FROM slot_event
               WHERE at >= $2 AND pool_id = $1 ORDER BY at DESC, event_id DESC LIMIT $3) newest
         WHERE kind = $4 AND claim IS NOT NULL",
    )
    .bind(pool)
    .bind(timestamp(since))
    .bind(NEWEST)
    .bind(number(EventKind::ALL, &EventKind::Drain))
    .fetch_all(conn)
    .await?;
    Ok(claims.into_iter().collect())
}

/// Slots of some pools, or of all, that were given away twice since an instant: pool and number. A slot's fence grows by one with each claim and with
/// each end, so a claim whose fence is even, or that shares its fence with another, found the slot held.
pub async fn doubled(conn: &mut PgConnection, pools: Option<&[i32]>, since: Millis) -> Result<Vec<(i32, i32)>> {
    let kinds = [EventKind::Claim, EventKind::Reassign].map(|kind| number(EventKind::ALL, &kind));
    Ok(sqlx::query_as(
        "SELECT DISTINCT pool_id, slot
         FROM (SELECT pool_id, kind, slot, fence FROM slot_event
               WHERE at >= $2 AND ($1::int[] IS NULL OR pool_id = ANY($1)) ORDER BY at DESC, event_id DESC LIMIT $3) newest
         WHERE kind = ANY($4) AND slot IS NOT NULL AND fence IS NOT NULL
         GROUP BY pool_id, slot, fence HAVING count(*) > 1 OR fence % 2 = 0 ORDER BY pool_id, slot",
    )
    .bind(pools)
    .bind(timestamp(since))
    .bind(NEWEST)
    .bind(kinds.as_slice())
    .fetch_all(conn)
    .await?)
}

/// Edges of the ranges of time that a heatmap of answers has, milliseconds: below the first, up to the last and beyond.
pub const LATENCY_EDGES_MS: [i32; 10] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];

/// Claims that were answered within an interval, in a range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Start of the interval.
    pub from_ms: Millis,
    /// The range: how many of [`LATENCY_EDGES_MS`] are not above the time.
    pub range: i32,
    /// How many.
    pub claims: i64,
}

/// A part of the heatmap of answers: an interval of time and ranges of latency, both ends of the ranges included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerBox {
    /// From.
    pub from_ms: Millis,
    /// Until, excluded.
    pub to_ms: Millis,
    /// The lowest range.
    pub low: i32,
    /// The highest range.
    pub high: i32,
}

/// How often a value of a claim occurs inside a box and outside.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Contrast {
    /// `claims` (all of them, without a value), `node`, `tenant`, `shard` or `outcome`.
    pub what: String,
    /// For example the node's name.
    pub value: String,
    /// Claims with it inside.
    pub inside: i64,
    /// Claims with it outside.
    pub outside: i64,
}

/// Most values that are compared.
const CONTRASTS: i64 = 400;

/// Answered claims of a pool by interval and time to the answer, over `[from, to)`.
pub async fn answers(
    conn: &mut PgConnection,
    pool: i32,
    tenants: Option<&[i32]>,
    (from, to): (Millis, Millis),
    step_ms: Millis,
) -> Result<Vec<Answers>> {
    // A claim of many slots has an event for each: it is one claim all the same.
    let rows: Vec<(DateTime<Utc>, i32, i64)> = sqlx::query_as(
        "SELECT date_bin($5 * interval '1 millisecond', at, $3), width_bucket(wait_ms, $7::int[]),
                count(DISTINCT coalesce(claim::text, event_id::text))
         FROM (SELECT event_id, at, kind, claim, wait_ms, tenant_id FROM slot_event
               WHERE at >= $3 AND at < $4 AND pool_id = $1 AND ($2::int[] IS NULL OR tenant_id = ANY($2))
               ORDER BY at DESC, event_id DESC LIMIT $6) newest
         WHERE kind = ANY($8) AND wait_ms IS NOT NULL
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(pool)
    .bind(tenants)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(step_ms)
    .bind(NEWEST)
    .bind(LATENCY_EDGES_MS)
    .bind(answer_kinds())
    .fetch_all(conn)
    .await?;
    let answers =
        |(at, range, claims): (DateTime<Utc>, i32, i64)| Answers { from_ms: at.timestamp_millis(), range, claims };
    Ok(rows.into_iter().map(answers).collect())
}

/// Events that answer a claim.
fn answer_kinds() -> Vec<i16> {
    [EventKind::Claim, EventKind::Reassign, EventKind::Reject].iter().map(|kind| number(EventKind::ALL, kind)).collect()
}

/// What claims inside a box have in common, against the other claims of `[from, to)`.
pub async fn contrasts(
    conn: &mut PgConnection,
    pool: i32,
    tenants: Option<&[i32]>,
    (from, to): (Millis, Millis),
    chosen: AnswerBox,
) -> Result<Vec<Contrast>> {
    Ok(sqlx::query_as(
        "WITH answered AS (
             SELECT DISTINCT ON (coalesce(claim::text, event_id::text)) tenant_id, node, shard,
                    CASE WHEN kind = $12 THEN coalesce(reason, 'rejected') ELSE 'granted' END AS outcome,
                    at >= $7 AND at < $8 AND width_bucket(wait_ms, $6::int[]) BETWEEN $9 AND $10 AS is_inside
             FROM (SELECT event_id, at, kind, claim, wait_ms, tenant_id, node, shard, reason FROM slot_event
                   WHERE at >= $3 AND at < $4 AND pool_id = $1 AND ($2::int[] IS NULL OR tenant_id = ANY($2))
                   ORDER BY at DESC, event_id DESC LIMIT $5) newest
             WHERE kind = ANY($11) AND wait_ms IS NOT NULL
             ORDER BY coalesce(claim::text, event_id::text), event_id)
         SELECT what, value, count(*) FILTER (WHERE is_inside) AS inside, count(*) FILTER (WHERE NOT is_inside) AS outside
         FROM answered LEFT JOIN tenant USING (tenant_id)
              CROSS JOIN LATERAL (VALUES ('claims', ''), ('node', node), ('tenant', tenant.slug), ('shard', shard::text),
                                         ('outcome', outcome)) AS said (what, value)
         WHERE value IS NOT NULL
         GROUP BY what, value ORDER BY what = 'claims' DESC, inside DESC, what, value LIMIT $13",
    )
    .bind(pool)
    .bind(tenants)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(NEWEST)
    .bind(LATENCY_EDGES_MS)
    .bind(timestamp(chosen.from_ms))
    .bind(timestamp(chosen.to_ms))
    .bind(chosen.low)
    .bind(chosen.high)
    .bind(answer_kinds())
    .bind(number(EventKind::ALL, &EventKind::Reject))
    .bind(CONTRASTS)
    .fetch_all(conn)
    .await?)
}

/// What happened to a pool's claims within an interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interval {
    /// Its start.
    pub from_ms: Millis,
    /// Claims that were granted.
    pub granted: i64,
    /// Claims that were refused.
    pub rejected: i64,
    /// Slots that moved to another holder or node.
    pub moved: i64,
    /// Median time from a claim to its decision, milliseconds.
    pub p50_ms: Option<f64>,
    /// 95th percentile of it.
    pub p95_ms: Option<f64>,
    /// 99th percentile of it.
    pub p99_ms: Option<f64>,
}

#[derive(FromRow)]
struct IntervalRow {
    start: DateTime<Utc>,
    granted: i64,
    rejected: i64,
    moved: i64,
    waits: Option<Vec<f64>>,
}

/// The claims of a pool by interval over `[from, to)`, in time order; intervals without events are left out.
pub async fn intervals(
    conn: &mut PgConnection,
    pool: i32,
    tenants: Option<&[i32]>,
    (from, to): (Millis, Millis),
    step_ms: Millis,
) -> Result<Vec<Interval>> {
    let [claim, reassign, reject] =
        [EventKind::Claim, EventKind::Reassign, EventKind::Reject].map(|kind| number(EventKind::ALL, &kind));
    let rows: Vec<IntervalRow> = sqlx::query_as(
        "SELECT date_bin($5 * interval '1 millisecond', at, $3) AS start,
                count(DISTINCT claim) FILTER (WHERE kind IN ($7, $8)) AS granted,
                count(*) FILTER (WHERE kind = $9) AS rejected,
                count(*) FILTER (WHERE kind = $8) AS moved,
                percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY wait_ms)
                    FILTER (WHERE kind IN ($7, $8, $9) AND wait_ms IS NOT NULL)::float8[] AS waits
         FROM (SELECT at, kind, claim, wait_ms, tenant_id FROM slot_event
               WHERE at >= $3 AND at < $4 AND pool_id = $1 AND ($2::int[] IS NULL OR tenant_id = ANY($2))
               ORDER BY at DESC, event_id DESC LIMIT $6) newest
         GROUP BY start ORDER BY start",
    )
    .bind(pool)
    .bind(tenants)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(step_ms)
    .bind(NEWEST)
    .bind(claim)
    .bind(reassign)
    .bind(reject)
    .fetch_all(conn)
    .await?;
    let interval = |row: IntervalRow| {
        let at = |place: usize| row.waits.as_ref().and_then(|waits| waits.get(place).copied());
        Interval {
            from_ms: row.start.timestamp_millis(),
            granted: row.granted,
            rejected: row.rejected,
            moved: row.moved,
            p50_ms: at(0),
            p95_ms: at(1),
            p99_ms: at(2),
        }
    };
    Ok(rows.into_iter().map(interval).collect())
}
