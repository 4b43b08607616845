//! Reservations over time ranges.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::reservation::{Reservation, ReservationKind};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A stored reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The API's id.
    pub id: Uuid,
    /// The promise.
    pub reservation: Reservation,
    /// Guaranteed or burst.
    pub kind: ReservationKind,
    /// Free text.
    pub note: String,
    /// Counts changes.
    pub version: i32,
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
    version: i32,
}

impl TryFrom<Row> for Stored {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.reservation_id,
            kind: row.kind.parse().map_err(|problem| StoreError::Damaged {
                what: format!("reservation {}", row.reservation_id),
                problem,
            })?,
            reservation: Reservation {
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
            version: row.version,
        })
    }
}

/// Makes a reservation.
pub async fn create(
    conn: &mut PgConnection,
    id: Uuid,
    r: &Reservation,
    kind: ReservationKind,
    note: &str,
) -> Result<()> {
    let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
    sqlx::query(
        "INSERT INTO reservation (reservation_id, pool_id, tenant_id, during, kind, baseline, ceiling, lending_limit, borrowing_limit, note)
         VALUES ($1, $2, $3, tstzrange($4, $5), $6, $7, $8, $9, $10, $11)",
    )
    .bind(id)
    .bind(r.pool)
    .bind(r.tenant)
    .bind(timestamp(r.from_ms))
    .bind(r.to_ms.map(timestamp))
    .bind(kind.as_str())
    .bind(small(r.baseline))
    .bind(r.ceiling.map(small))
    .bind(r.lending_limit.map(small))
    .bind(r.borrowing_limit.map(small))
    .bind(note)
    .execute(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("reservation_range") => StoreError::Invalid { field: "to", problem: "expected an end after the start".into() },
        Some("reservation_baseline") => StoreError::Invalid { field: "baseline", problem: "expected 1 to 10,000,000 slots".into() },
        Some("reservation_ceiling") => StoreError::Invalid { field: "ceiling", problem: "expected at least the baseline".into() },
        Some("reservation_lending") => StoreError::Invalid { field: "lending_limit", problem: "expected 0 to the baseline".into() },
        Some("reservation_borrowing") => StoreError::Invalid { field: "borrowing_limit", problem: "expected 0 or more".into() },
        _ => error.into(),
    })?;
    Ok(())
}

/// Reservations that touch `[from, to)`, of some pools and tenants or of all, in order of time.
pub async fn during(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
    tenants: Option<&[i32]>,
    from: Millis,
    to: Millis,
) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT reservation_id, pool_id, tenant_id, lower(during) AS from_at, upper(during) AS to_at, kind, baseline, ceiling,
                lending_limit, borrowing_limit, note, version
         FROM reservation
         WHERE during && tstzrange($3, $4) AND ($1::int[] IS NULL OR pool_id = ANY($1)) AND ($2::int[] IS NULL OR tenant_id = ANY($2))
         ORDER BY lower(during), pool_id, tenant_id",
    )
    .bind(pools)
    .bind(tenants)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// Removes all reservations: the demo world writes its own anew.
pub async fn clear(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("DELETE FROM reservation").execute(conn).await?;
    Ok(())
}
