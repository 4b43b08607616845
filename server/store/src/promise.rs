//! Promises: what holds when. A reservation comes to one or many of them, and what is past of them is never rewritten.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::plan::conflict::Load;
use headroom_domain::reservation::{Promise, ReservationKind};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A stored promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The id of its reservation.
    pub id: Uuid,
    /// The promise.
    pub reservation: Promise,
    /// Guaranteed or burst.
    pub kind: ReservationKind,
    /// The reservation's note.
    pub note: String,
    /// The time before a start in which the slots are kept free.
    pub is_lead: bool,
    /// What the tenant's slots are worth while it holds.
    pub priority: Option<i16>,
}

#[derive(FromRow)]
struct Row {
    reservation_id: Uuid,
    pool_id: i32,
    tenant_id: i32,
    from_at: DateTime<Utc>,
    to_at: Option<DateTime<Utc>>,
    kind: String,
    baseline: i32,
    ceiling: Option<i32>,
    lending_limit: Option<i32>,
    borrowing_limit: Option<i32>,
    note: String,
    is_lead: bool,
    priority: Option<i16>,
}

impl TryFrom<Row> for Stored {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.reservation_id,
            kind: row.kind.parse().map_err(|problem| StoreError::Damaged {
                what: format!("promise of {}", row.reservation_id),
                problem,
            })?,
            reservation: Promise {
                pool: row.pool_id,
                tenant: row.tenant_id,
                from_ms: row.from_at.timestamp_millis(),
                to_ms: row.to_at.map(|at| at.timestamp_millis()),
                baseline: row.baseline.into(),
                ceiling: row.ceiling.map(Into::into),
                lending_limit: row.lending_limit.map(Into::into),
                borrowing_limit: row.borrowing_limit.map(Into::into),
            },
            note: row.note,
            is_lead: row.is_lead,
            priority: row.priority,
        })
    }
}

/// A promise to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// The id of its reservation.
    pub id: Uuid,
    /// The promise.
    pub reservation: Promise,
    /// Guaranteed or burst.
    pub kind: ReservationKind,
    /// The time before a start in which the slots are kept free.
    pub is_lead: bool,
    /// What the tenant's slots are worth while it holds.
    pub priority: Option<i16>,
}

/// Writes promises.
pub async fn add(conn: &mut PgConnection, promises: &[New]) -> Result<()> {
    let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
    let column = |field: fn(&Promise) -> Option<i64>| -> Vec<Option<i32>> {
        promises.iter().map(|p| field(&p.reservation).map(small)).collect()
    };
    sqlx::query(
        "INSERT INTO promise (reservation_id, pool_id, tenant_id, during, kind, baseline, ceiling, lending_limit, borrowing_limit,
                              is_lead, priority)
         SELECT id, pool, tenant, tstzrange(from_at, to_at), kind, baseline, ceiling, lending, borrowing, is_lead, priority
         FROM unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::int[], $8::int[],
                     $9::int[], $10::int[], $11::boolean[], $12::smallint[])
              AS p (id, pool, tenant, from_at, to_at, kind, baseline, ceiling, lending, borrowing, is_lead, priority)",
    )
    .bind(promises.iter().map(|p| p.id).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| p.reservation.pool).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| p.reservation.tenant).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| timestamp(p.reservation.from_ms)).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| p.reservation.to_ms.map(timestamp)).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| small(p.reservation.baseline)).collect::<Vec<_>>())
    .bind(column(|r| r.ceiling))
    .bind(column(|r| r.lending_limit))
    .bind(column(|r| r.borrowing_limit))
    .bind(promises.iter().map(|p| p.is_lead).collect::<Vec<_>>())
    .bind(promises.iter().map(|p| p.priority).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("promise_range") => StoreError::Invalid { field: "end", problem: "expected an end after the start".into() },
        Some("promise_baseline") => StoreError::Invalid { field: "slots", problem: "expected 1 to 10,000,000 slots".into() },
        Some("promise_ceiling") => StoreError::Invalid { field: "ceiling", problem: "expected at least the slots promised".into() },
        Some("promise_lending") => StoreError::Invalid { field: "lending_limit", problem: "expected 0 to the slots promised".into() },
        Some("promise_borrowing") => StoreError::Invalid { field: "borrowing_limit", problem: "expected 0 or more".into() },
        _ => error.into(),
    })?;
    Ok(())
}

/// Ends all promises of reservations at an instant: what is later goes, what holds then ends there, what is past stays.
pub async fn end_at(conn: &mut PgConnection, reservations: &[Uuid], at: Millis) -> Result<()> {
    sqlx::query("DELETE FROM promise WHERE reservation_id = ANY($1) AND lower(during) >= $2")
        .bind(reservations)
        .bind(timestamp(at))
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "UPDATE promise SET during = tstzrange(lower(during), $2)
         WHERE reservation_id = ANY($1) AND (upper(during) IS NULL OR upper(during) > $2)",
    )
    .bind(reservations)
    .bind(timestamp(at))
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends what a reservation promises at an instant; what it promises later stays.
pub async fn release(conn: &mut PgConnection, reservation: Uuid, at: Millis) -> Result<u64> {
    Ok(sqlx::query(
        "UPDATE promise SET during = tstzrange(lower(during), $2)
         WHERE reservation_id = $1 AND during @> $2 AND lower(during) < $2 AND NOT is_lead",
    )
    .bind(reservation)
    .bind(timestamp(at))
    .execute(conn)
    .await?
    .rows_affected())
}

/// Promises that touch `[from, to)`, of some pools and tenants or of all, in order of time.
pub async fn during(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
    from: Millis,
    to: Millis,
) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.reservation_id, p.pool_id, p.tenant_id, lower(p.during) AS from_at, upper(p.during) AS to_at, p.kind, p.baseline,
                p.ceiling, p.lending_limit, p.borrowing_limit, COALESCE(r.terms->>'note', '') AS note, p.is_lead, p.priority
         FROM promise p JOIN reservation r USING (reservation_id)
         WHERE p.during && tstzrange($3, $4) AND ($1::int[] IS NULL OR p.pool_id = ANY($1))
           AND ($2::int[] IS NULL OR p.tenant_id = ANY($2))
         ORDER BY lower(p.during), p.pool_id, p.tenant_id",
    )
    .bind(pools)
    .bind(tenants)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// Guaranteed promises of a pool that touch any of some ranges, as conflicts count them.
pub async fn loads(conn: &mut PgConnection, pool: i32, ranges: &[(Millis, Millis)]) -> Result<Vec<Load>> {
    let ends = |at: &Millis| (*at != Millis::MAX).then(|| timestamp(*at));
    let rows: Vec<(Uuid, i32, DateTime<Utc>, Option<DateTime<Utc>>, i32)> = sqlx::query_as(
        "SELECT reservation_id, tenant_id, lower(during), upper(during), baseline FROM promise
         WHERE pool_id = $1 AND kind = 'guaranteed' AND EXISTS (
             SELECT FROM unnest($2::timestamptz[], $3::timestamptz[]) AS touched (from_at, to_at)
             WHERE during && tstzrange(from_at, to_at))",
    )
    .bind(pool)
    .bind(ranges.iter().map(|(from, _)| timestamp(*from)).collect::<Vec<_>>())
    .bind(ranges.iter().map(|(_, to)| ends(to)).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let load = |(reservation, tenant, from, to, slots): (Uuid, i32, DateTime<Utc>, Option<DateTime<Utc>>, i32)| Load {
        reservation,
        tenant,
        from_ms: from.timestamp_millis(),
        to_ms: to.map_or(Millis::MAX, |to| to.timestamp_millis()),
        slots: slots.into(),
    };
    Ok(rows.into_iter().map(load).collect())
}
