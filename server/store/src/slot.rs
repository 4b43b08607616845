//! Slots: who holds them, and the one statement that changes them.
//!
//! What was decided about many claims goes out as one statement: each change names the fence that its slot must have, so the
//! database is the judge and whoever decided on something older finds out. The statement also checks, under a lock, that the
//! pool still belongs to the one who decided, and leaves an event for each change.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::allocation::{Change, Effects, Event, Held, Service, Stored};
use headroom_domain::lease::{EventKind, Outcome, number, word};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;
use uuid::Uuid;

/// Bits of a slot's number in its key.
const NUMBER_BITS: u32 = 24;

/// A slot's key.
pub fn key(pool: i32, slot: u32) -> i64 {
    (i64::from(pool) << NUMBER_BITS) | i64::from(slot)
}

fn range(pool: i32) -> (i64, i64) {
    (key(pool, 0), key(pool, (1 << NUMBER_BITS) - 1))
}

/// Pool and number of a key.
pub fn parts(key: i64) -> (i32, u32) {
    ((key >> NUMBER_BITS) as i32, (key & ((1 << NUMBER_BITS) - 1)) as u32)
}

#[derive(FromRow)]
struct SlotRow {
    slot_id: i64,
    fence: i64,
    claim: Option<Uuid>,
    tenant_id: Option<i32>,
    priority: Option<i16>,
    holder: Option<String>,
    claimed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    service: i16,
    node: Option<String>,
}

impl TryFrom<SlotRow> for Stored {
    type Error = StoreError;

    fn try_from(row: SlotRow) -> Result<Self> {
        let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        let expires = ms(row.expires_at);
        Ok(Self {
            number: parts(row.slot_id).1,
            fence: row.fence,
            service: word(&Service::ALL, row.service).ok_or_else(|| StoreError::Damaged {
                what: format!("slot {}", row.slot_id),
                problem: format!("its service {} is unknown", row.service),
            })?,
            node: row.node,
            held: row.claim.zip(row.tenant_id).zip(expires).map(|((claim, tenant), expires_at)| Held {
                claim,
                tenant,
                priority: row.priority.unwrap_or_default() as u8,
                holder: row.holder.unwrap_or_default(),
                claimed_at: ms(row.claimed_at).unwrap_or(expires_at),
                expires_at,
                ends_at: ms(row.ends_at),
            }),
        })
    }
}

/// All slots of a pool by number.
pub async fn of_pool(conn: &mut PgConnection, pool: i32) -> Result<Vec<Stored>> {
    let (first, last) = range(pool);
    let rows: Vec<SlotRow> = sqlx::query_as(
        "SELECT slot_id, fence, claim, tenant_id, priority, holder, claimed_at, expires_at, ends_at, service, node
         FROM slot WHERE slot_id BETWEEN $1 AND $2 ORDER BY slot_id",
    )
    .bind(first)
    .bind(last)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// Some slots by number.
pub async fn some(conn: &mut PgConnection, pool: i32, slots: &[u32]) -> Result<Vec<Stored>> {
    let keys: Vec<i64> = slots.iter().map(|slot| key(pool, *slot)).collect();
    let rows: Vec<SlotRow> = sqlx::query_as(
        "SELECT slot_id, fence, claim, tenant_id, priority, holder, claimed_at, expires_at, ends_at, service, node
         FROM slot WHERE slot_id = ANY($1) ORDER BY slot_id",
    )
    .bind(keys)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// How many slots of a pool its tenants hold.
pub async fn held_by_tenant(conn: &mut PgConnection, pool: i32) -> Result<Vec<(i32, i64)>> {
    Ok(sqlx::query_as(
        "SELECT tenant_id, count(*) FROM slot WHERE slot_id BETWEEN $1 AND $2 AND tenant_id IS NOT NULL GROUP BY tenant_id",
    )
    .bind(key(pool, 0))
    .bind(key(pool + 1, 0) - 1)
    .fetch_all(conn)
    .await?)
}

/// One slot.
pub async fn one(conn: &mut PgConnection, pool: i32, slot: u32) -> Result<Option<Stored>> {
    let row: Option<SlotRow> = sqlx::query_as(
        "SELECT slot_id, fence, claim, tenant_id, priority, holder, claimed_at, expires_at, ends_at, service, node
         FROM slot WHERE slot_id = $1",
    )
    .bind(key(pool, slot))
    .fetch_optional(conn)
    .await?;
    row.map(Stored::try_from).transpose()
}

/// A claim that is held, for lists of who holds what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The pool's key.
    pub pool: i32,
    /// How many slots.
    pub slots: i64,
    /// The lowest number among them.
    pub first: u32,
    /// The tenant's key.
    pub tenant: i32,
    /// Who holds them.
    pub holder: String,
    /// 0 to 9.
    pub priority: i16,
    /// Since when.
    pub claimed_at: Millis,
    /// Until when.
    pub expires_at: Millis,
    /// No renewal reaches beyond.
    pub ends_at: Option<Millis>,
}

#[derive(FromRow)]
struct HoldingRow {
    pool_id: i32,
    slots: i64,
    first: i64,
    tenant_id: i32,
    holder: Option<String>,
    priority: Option<i16>,
    claimed_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

/// The claims that are held longest in some pools, of some tenants or of all, longest first.
pub async fn held_longest(
    conn: &mut PgConnection,
    pools: &[i32],
    tenants: Option<&[i32]>,
    limit: i64,
) -> Result<Vec<Holding>> {
    let rows: Vec<HoldingRow> = sqlx::query_as(
        "SELECT p.pool_id, h.slots, h.first, h.tenant_id, h.holder, h.priority, h.claimed_at, h.expires_at, h.ends_at
         FROM unnest($1::int[]) AS p (pool_id) CROSS JOIN LATERAL (
             SELECT count(*) AS slots, min(s.slot_id) AS first, s.tenant_id, min(s.holder) AS holder, min(s.priority) AS priority,
                    min(s.claimed_at) AS claimed_at, min(s.expires_at) AS expires_at, min(s.ends_at) AS ends_at
             FROM slot s
             WHERE s.slot_id BETWEEN (p.pool_id::bigint << 24) AND ((p.pool_id::bigint << 24) | 16777215)
               AND s.claim IS NOT NULL AND s.claimed_at IS NOT NULL AND ($2::int[] IS NULL OR s.tenant_id = ANY($2))
             GROUP BY s.claim, s.tenant_id ORDER BY min(s.claimed_at), min(s.slot_id) LIMIT $3
         ) h
         ORDER BY h.claimed_at, h.first LIMIT $3",
    )
    .bind(pools)
    .bind(tenants)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let holding = |row: HoldingRow| Holding {
        pool: row.pool_id,
        slots: row.slots,
        first: parts(row.first).1,
        tenant: row.tenant_id,
        holder: row.holder.unwrap_or_default(),
        priority: row.priority.unwrap_or_default(),
        claimed_at: row.claimed_at.timestamp_millis(),
        expires_at: row.expires_at.timestamp_millis(),
        ends_at: row.ends_at.map(|at| at.timestamp_millis()),
    };
    Ok(rows.into_iter().map(holding).collect())
}

/// A claim that holds slots.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HeldClaim {
    /// The claim.
    pub claim: Uuid,
    /// The tenant's slug.
    pub tenant: Option<String>,
    /// Who holds it.
    pub holder: Option<String>,
    /// 0 to 9.
    pub priority: Option<i16>,
    /// Keys of its slots, ascending.
    pub slots: Vec<i64>,
    /// Their fences.
    pub fences: Vec<i64>,
    /// Since when.
    pub claimed_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// No renewal reaches beyond.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Claims that hold slots of a pool, longest first: of some tenants or of all, of one holder or of all.
pub async fn held_claims(
    conn: &mut PgConnection,
    pool: i32,
    tenants: Option<&[i32]>,
    holder: Option<&str>,
    limit: i64,
) -> Result<Vec<HeldClaim>> {
    let (first, last) = range(pool);
    Ok(sqlx::query_as(
        "SELECT s.claim, min(t.slug) AS tenant, min(s.holder) AS holder, min(s.priority) AS priority,
                array_agg(s.slot_id ORDER BY s.slot_id) AS slots, array_agg(s.fence ORDER BY s.slot_id) AS fences,
                min(s.claimed_at) AS claimed_at, min(s.expires_at) AS expires_at, min(s.ends_at) AS ends_at
         FROM slot s LEFT JOIN tenant t USING (tenant_id)
         WHERE s.slot_id BETWEEN $1 AND $2 AND s.claim IS NOT NULL AND s.claimed_at IS NOT NULL AND s.expires_at IS NOT NULL
           AND ($3::int[] IS NULL OR s.tenant_id = ANY($3)) AND ($4::text IS NULL OR s.holder = $4)
         GROUP BY s.claim ORDER BY min(s.claimed_at), min(s.slot_id) LIMIT $5",
    )
    .bind(first)
    .bind(last)
    .bind(tenants)
    .bind(holder)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// A slot that may be held for as long as its holder likes.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Endless {
    /// The pool's key.
    pub pool_id: i32,
    /// The slot's number.
    pub slot: i32,
    claimed_at: DateTime<Utc>,
    /// The tenant's key.
    pub tenant_id: i32,
    /// Who holds it.
    pub holder: String,
}

impl Endless {
    /// Since when.
    pub fn since_ms(&self) -> Millis {
        self.claimed_at.timestamp_millis()
    }
}

/// Of some pools, the slot that is held longest of those that may be held without an end.
pub async fn held_without_end(conn: &mut PgConnection, pools: &[i32]) -> Result<Vec<Endless>> {
    Ok(sqlx::query_as(
        "SELECT p.pool_id, h.* FROM unnest($1::int[]) AS p (pool_id) CROSS JOIN LATERAL (
             SELECT (s.slot_id & 16777215)::int AS slot, s.claimed_at, s.tenant_id, coalesce(s.holder, '') AS holder FROM slot s
             WHERE s.slot_id BETWEEN (p.pool_id::bigint << 24) AND ((p.pool_id::bigint << 24) | 16777215)
               AND s.claim IS NOT NULL AND s.claimed_at IS NOT NULL AND s.ends_at IS NULL
             ORDER BY s.claimed_at, s.slot_id LIMIT 1
         ) h",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?)
}

/// Makes the slots of a pool that are missing, up to a number; new ones are out of service. Returns how many.
pub async fn provision(conn: &mut PgConnection, pool: i32, upto: u32) -> Result<u64> {
    let done = sqlx::query(
        "INSERT INTO slot (slot_id, service)
         SELECT ($1::bigint << 24) | n, 2 FROM generate_series(1, $2) n
         ON CONFLICT (slot_id) DO NOTHING",
    )
    .bind(pool)
    .bind(i32::try_from(upto).unwrap_or(i32::MAX))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The effects of one pool, and the epoch in which they were decided.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The pool.
    pub pool: i32,
    /// The owner's epoch.
    pub epoch: i64,
    /// What was decided.
    pub effects: &'a Effects,
}

/// What became of a statement.
#[derive(Debug, Default)]
pub struct Accepted {
    /// The database's clock when it began.
    pub at: Millis,
    /// Pools whose epoch still holds; of others nothing was changed.
    pub owned: Vec<i32>,
    /// Changes that were made: place of the effects, place of the write, and when the lease ends by the database's clock.
    pub made: Vec<(usize, usize, Option<Millis>)>,
}

/// The columns of the changes, one value for each.
#[derive(Default)]
struct Columns {
    place: Vec<i32>,
    pool: Vec<i32>,
    slot: Vec<i64>,
    expect: Vec<i64>,
    change: Vec<i16>,
    service: Vec<i16>,
    claim: Vec<Option<Uuid>>,
    tenant: Vec<Option<i32>>,
    priority: Vec<Option<i16>>,
    holder: Vec<String>,
    ttl: Vec<i64>,
    hold: Vec<Option<i64>>,
    kind: Vec<i16>,
    actor: Vec<String>,
    reason: Vec<Option<&'static str>>,
    wait: Vec<Option<i32>>,
    held: Vec<Option<i64>>,
    work: Vec<Option<i32>>,
    outcome: Vec<Option<i16>>,
    node: Vec<Option<String>>,
    shard: Vec<Option<i32>>,
    cohort: Vec<Option<String>>,
    trace: Vec<Option<Vec<u8>>>,
}

fn small(value: Option<i64>) -> Option<i32> {
    value.map(|value| i32::try_from(value).unwrap_or(i32::MAX))
}

impl Columns {
    fn event(&mut self, event: &Event, held_ms: Option<Millis>) {
        self.kind.push(number(EventKind::ALL, &event.kind));
        self.actor.push(event.actor.clone());
        self.reason.push(event.reason);
        self.wait.push(small(event.wait_ms));
        self.held.push(held_ms);
        self.work.push(small(event.report.work_ms));
        self.outcome.push(event.report.outcome.map(|outcome| number(Outcome::ALL, &outcome)));
        self.node.push(event.report.node.clone());
        self.shard.push(event.report.shard);
        self.cohort.push(event.report.cohort.clone());
        self.trace.push(event.trace.map(Vec::from));
    }
}

/// Nothing of a slot is changed: an event only.
const NO_CHANGE: i16 = -1;

fn change_number(change: Change) -> i16 {
    match change {
        Change::Claim => 1,
        Change::End => 2,
        Change::Renew => 3,
        Change::Expire => 4,
        Change::Serve => 5,
    }
}

/// The statement that changes slots.
#[cfg(not(feature = "negative-control"))]
fn statement() -> &'static str {
    include_str!("../queries/change_slots.sql")
}

/// The same, or what is left of it when a test wants to see what would happen without a safeguard.
#[cfg(feature = "negative-control")]
fn statement() -> &'static str {
    use std::sync::OnceLock;
    static STATEMENT: OnceLock<&'static str> = OnceLock::new();
    STATEMENT.get_or_init(|| {
        let whole = include_str!("../queries/change_slots.sql");
        let without = |parts: &[(&str, &str)]| {
            parts.iter().fold(whole.to_owned(), |text, (part, instead)| {
                assert!(text.contains(part), "the statement does not have the safeguard {part:?} any more");
                text.replace(part, instead)
            })
        };
        match std::env::var("HEADROOM_NEGATIVE_CONTROL").as_deref() {
            // Servers that do not know of each other take each other's slots.
            Ok("fence") => without(&[
                ("WHERE o.epoch = w.epoch", ""),
                ("AND s.fence = a.expect", ""),
                ("WHEN 1 THEN s.claim IS NULL AND s.service = 0", "WHEN 1 THEN true"),
            ])
            .leak(),
            // A server that was replaced goes on deciding.
            Ok("epoch") => without(&[("WHERE o.epoch = w.epoch", "")]).leak(),
            _ => whole,
        }
    })
}

/// Makes the changes of several pools, with their events and keys, in one statement. A change whose slot is not as expected is
/// left out, and so is a claim whose key was used before; a claim of several slots of which some are not as expected fails the
/// statement, and nothing is changed.
pub async fn change(conn: &mut PgConnection, decided: &[Decided<'_>]) -> Result<Accepted> {
    let mut rows = Columns::default();
    let mut places = Vec::new();
    let (mut key_pools, mut keys, mut key_claims, mut hashes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut is_gang = false;
    for (of, one) in decided.iter().enumerate() {
        for (place, write) in one.effects.writes.iter().enumerate() {
            rows.place.push(places.len() as i32);
            places.push((of, place));
            is_gang |= write.change == Change::Claim
                && one.effects.writes.get(place + 1).is_some_and(|next| next.claim == write.claim);
            rows.pool.push(one.pool);
            rows.slot.push(key(one.pool, write.slot));
            rows.expect.push(write.expect);
            rows.change.push(change_number(write.change));
            rows.service.push(number(&Service::ALL, &write.service));
            let of_claim = write.change != Change::Serve || !write.claim.is_nil();
            rows.claim.push(of_claim.then_some(write.claim));
            rows.tenant.push(of_claim.then_some(write.tenant));
            rows.priority.push(of_claim.then_some(write.priority.into()));
            rows.holder.push(write.holder.clone());
            rows.ttl.push(write.ttl_ms);
            rows.hold.push(write.hold_ms);
            rows.event(&write.event, write.held_ms);
        }
        for note in &one.effects.notes {
            rows.place.push(-1);
            rows.pool.push(one.pool);
            rows.slot.push(0);
            rows.expect.push(0);
            rows.change.push(NO_CHANGE);
            rows.service.push(0);
            rows.claim.push(note.claim);
            rows.tenant.push(note.tenant);
            rows.priority.push(note.priority.map(Into::into));
            rows.holder.push(note.holder.clone());
            rows.ttl.push(0);
            rows.hold.push(None);
            rows.event(&note.event, None);
        }
        for (key, claim, hash) in &one.effects.keys {
            key_pools.push(one.pool);
            keys.push(key.clone());
            key_claims.push(*claim);
            hashes.push(hash.clone());
        }
    }
    let pools: Vec<i32> = decided.iter().map(|one| one.pool).collect();
    let epochs: Vec<i64> = decided.iter().map(|one| one.epoch).collect();
    let answer: Vec<(i32, i32, Option<DateTime<Utc>>, DateTime<Utc>, Option<bool>)> = sqlx::query_as(statement())
        .bind(&pools)
        .bind(&epochs)
        .bind(&rows.place)
        .bind(&rows.pool)
        .bind(&rows.slot)
        .bind(&rows.expect)
        .bind(&rows.change)
        .bind(&rows.service)
        .bind(&rows.claim)
        .bind(&rows.tenant)
        .bind(&rows.priority)
        .bind(&rows.holder)
        .bind(&rows.ttl)
        .bind(&rows.hold)
        .bind(&rows.kind)
        .bind(&rows.actor)
        .bind(&rows.reason)
        .bind(&rows.wait)
        .bind(&rows.held)
        .bind(&rows.work)
        .bind(&rows.outcome)
        .bind(&rows.node)
        .bind(&rows.shard)
        .bind(&rows.cohort)
        .bind(&rows.trace)
        .bind(&key_pools)
        .bind(&keys)
        .bind(&key_claims)
        .bind(&hashes)
        .bind(is_gang)
        .fetch_all(conn)
        .await?;
    let mut accepted = Accepted::default();
    for (pool, place, expires_at, at, _) in answer {
        accepted.at = at.timestamp_millis();
        match usize::try_from(place).ok().and_then(|place| places.get(place)) {
            Some((of, write)) => accepted.made.push((*of, *write, expires_at.map(|at| at.timestamp_millis()))),
            None => accepted.owned.push(pool),
        }
    }
    Ok(accepted)
}

/// Whether a statement certainly changed nothing: the database took it and refused it. Otherwise its outcome is unknown.
pub fn is_refused(error: &StoreError) -> bool {
    match error {
        // Class 57 is a server that goes away: the statement may have been committed before its answer was cut off.
        StoreError::Database(sqlx::Error::Database(e)) => {
            e.code().is_some_and(|code| !code.starts_with("57P") && !code.starts_with("08"))
        }
        StoreError::Database(sqlx::Error::PoolTimedOut) => true,
        _ => false,
    }
}

/// Claims that were made under keys before: what was asked, by pool and key.
pub async fn claims_of_keys(
    conn: &mut PgConnection,
    pools: &[i32],
    keys: &[String],
) -> Result<HashMap<(i32, String), (Uuid, Vec<u8>)>> {
    let rows: Vec<(i32, String, Uuid, Vec<u8>)> = sqlx::query_as(
        "SELECT k.pool_id, k.key, k.claim, k.body_hash
         FROM claim_key k JOIN unnest($1::int[], $2::text[]) AS w(pool_id, key) USING (pool_id, key)",
    )
    .bind(pools)
    .bind(keys)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, key, claim, hash)| ((pool, key), (claim, hash))).collect())
}

/// Forgets keys from before an instant.
pub async fn forget_keys(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let done = sqlx::query("DELETE FROM claim_key WHERE at < $1").bind(timestamp(before));
    Ok(done.execute(conn).await?.rows_affected())
}
