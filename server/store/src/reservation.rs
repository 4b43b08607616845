//! Reservations as planners wrote them. What they come to is in `promise`.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use headroom_domain::plan::terms::Terms;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A published reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The API's id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key.
    pub tenant: i32,
    /// What it says; the tenant by its present name.
    pub terms: Terms,
    /// First instant of all its occurrences.
    pub from_ms: Millis,
    /// First instant after the last; `None` = until further notice.
    pub to_ms: Option<Millis>,
    /// What repeats without an end is worked out up to here.
    pub worked_out_to_ms: Option<Millis>,
    /// Counts changes.
    pub version: i32,
    /// When it was published first.
    pub created_ms: Millis,
    /// When it was changed last.
    pub updated_ms: Millis,
    /// When it was taken back.
    pub cancelled_ms: Option<Millis>,
}

#[derive(FromRow)]
struct Row {
    reservation_id: Uuid,
    pool_id: i32,
    tenant_id: i32,
    slug: String,
    terms: Json<Terms>,
    from_at: DateTime<Utc>,
    to_at: Option<DateTime<Utc>>,
    worked_out_to: Option<DateTime<Utc>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    cancelled_at: Option<DateTime<Utc>>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        Self {
            id: row.reservation_id,
            pool: row.pool_id,
            tenant: row.tenant_id,
            terms: Terms { tenant: row.slug, ..row.terms.0 },
            from_ms: row.from_at.timestamp_millis(),
            to_ms: ms(row.to_at),
            worked_out_to_ms: ms(row.worked_out_to),
            version: row.version,
            created_ms: row.created_at.timestamp_millis(),
            updated_ms: row.updated_at.timestamp_millis(),
            cancelled_ms: ms(row.cancelled_at),
        }
    }
}

macro_rules! select_reservation {
    ($rest:literal) => {
        concat!(
            "SELECT r.reservation_id, r.pool_id, r.tenant_id, t.slug, r.terms, r.from_at, r.to_at, r.worked_out_to, r.version,
                    r.created_at, r.updated_at, r.cancelled_at
             FROM reservation r JOIN tenant t USING (tenant_id) ",
            $rest
        )
    };
}

/// Reservations of a pool that are not taken back and end after an instant, by start and name.
pub async fn of_pool(conn: &mut PgConnection, pool: i32, ending_after: Millis) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_reservation!(
        "WHERE r.pool_id = $1 AND r.cancelled_at IS NULL AND (r.to_at IS NULL OR r.to_at > $2) ORDER BY r.from_at, r.name"
    ))
    .bind(pool)
    .bind(timestamp(ending_after))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// How many reservations of a pool are not taken back and end after an instant.
pub async fn count(conn: &mut PgConnection, pool: i32, ending_after: Millis) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM reservation WHERE pool_id = $1 AND cancelled_at IS NULL AND (to_at IS NULL OR to_at > $2)",
    )
    .bind(pool)
    .bind(timestamp(ending_after))
    .fetch_one(conn)
    .await?)
}

/// Reservations by id, those taken back included.
pub async fn by_ids(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Stored>> {
    let rows: Vec<Row> =
        sqlx::query_as(select_reservation!("WHERE r.reservation_id = ANY($1)")).bind(ids).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// Names of reservations.
pub async fn names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
    Ok(sqlx::query_as("SELECT reservation_id, name FROM reservation WHERE reservation_id = ANY($1)")
        .bind(ids)
        .fetch_all(conn)
        .await?)
}

/// Reservations that repeat without an end and are not worked out up to an instant, of a pool or of all.
pub async fn to_work_out(conn: &mut PgConnection, pool: Option<i32>, to: Millis) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_reservation!(
        "WHERE r.worked_out_to < $1 AND r.cancelled_at IS NULL AND ($2::int IS NULL OR r.pool_id = $2) ORDER BY r.reservation_id"
    ))
    .bind(timestamp(to))
    .bind(pool)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// What is stored of a reservation.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    /// The API's id.
    pub id: Uuid,
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key.
    pub tenant: i32,
    /// What it says.
    pub terms: &'a Terms,
    /// First instant of all its occurrences.
    pub from_ms: Millis,
    /// First instant after the last.
    pub to_ms: Option<Millis>,
    /// What repeats without an end is worked out up to here.
    pub worked_out_to_ms: Option<Millis>,
}

/// Writes a reservation: a new one, a changed one, or one that was taken back and is again. Returns its version.
pub async fn put(conn: &mut PgConnection, fields: &Fields<'_>) -> Result<i32> {
    sqlx::query_scalar(
        "INSERT INTO reservation AS r (reservation_id, pool_id, tenant_id, name, terms, from_at, to_at, worked_out_to)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (reservation_id) DO UPDATE SET tenant_id = EXCLUDED.tenant_id, name = EXCLUDED.name, terms = EXCLUDED.terms,
             from_at = EXCLUDED.from_at, to_at = EXCLUDED.to_at, worked_out_to = EXCLUDED.worked_out_to,
             version = r.version + 1, updated_at = hr_now(), cancelled_at = NULL, drained_at = NULL, reminded_days = NULL
         WHERE r.pool_id = EXCLUDED.pool_id
         RETURNING version",
    )
    .bind(fields.id)
    .bind(fields.pool)
    .bind(fields.tenant)
    .bind(&fields.terms.name)
    .bind(Json(fields.terms))
    .bind(timestamp(fields.from_ms))
    .bind(fields.to_ms.map(timestamp))
    .bind(fields.worked_out_to_ms.map(timestamp))
    .fetch_one(conn)
    .await
    .map_err(|error| match StoreError::constraint(&error) {
        Some("reservation_name_unique") => {
            StoreError::Taken { what: "reservation name", value: fields.terms.name.clone() }
        }
        Some("reservation_range") => StoreError::Invalid { field: "end", problem: "expected an end after the start".into() },
        _ => error.into(),
    })
}

/// Reservations that have begun and drain until a time, and of which nothing was taken back yet.
pub async fn draining(conn: &mut PgConnection) -> Result<Vec<Stored>> {
    let rows: Vec<Row> = sqlx::query_as(select_reservation!(
        "WHERE r.terms->>'shrink' = 'drain' AND r.drained_at IS NULL AND r.cancelled_at IS NULL AND r.from_at <= hr_now()
         ORDER BY r.reservation_id"
    ))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// Says that what was above a reservation's limit has been taken back.
pub async fn set_drained(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query("UPDATE reservation SET drained_at = hr_now() WHERE reservation_id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Reservations that hold now and are released if nobody uses them, with the start of what holds now and the grace in minutes,
/// within an hour after the grace was over.
pub async fn unused_by_now(conn: &mut PgConnection) -> Result<Vec<(Stored, Millis)>> {
    let due: Vec<(Uuid, DateTime<Utc>)> = sqlx::query_as(
        "SELECT r.reservation_id, lower(p.during)
         FROM reservation r JOIN promise p USING (reservation_id)
         WHERE r.terms->>'release_after_minutes' IS NOT NULL AND r.cancelled_at IS NULL AND NOT p.is_lead AND p.during @> hr_now()
           AND hr_now() - lower(p.during) - (r.terms->>'release_after_minutes')::int * interval '1 minute'
               BETWEEN interval '0' AND interval '1 hour'",
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = due.iter().map(|(id, _)| *id).collect();
    let starts: std::collections::HashMap<Uuid, Millis> =
        due.into_iter().map(|(id, at)| (id, at.timestamp_millis())).collect();
    let stored = by_ids(conn, &ids).await?;
    Ok(stored
        .into_iter()
        .filter_map(|one| Some((starts.get(&one.id).copied()?, one)))
        .map(|(at, one)| (one, at))
        .collect())
}

/// Reservations whose end is 30, 14 or 7 days away, and which were not reminded of at that distance, with the days that are left.
/// What is shorter than that is not reminded of.
pub async fn ending(conn: &mut PgConnection) -> Result<Vec<(Stored, i16)>> {
    let due: Vec<(Uuid, i16)> = sqlx::query_as(
        "SELECT reservation_id, due.days FROM reservation CROSS JOIN LATERAL (
             SELECT min(days)::smallint AS days FROM unnest(ARRAY[7, 14, 30]) AS days
             WHERE to_at <= hr_now() + days * interval '1 day' AND to_at - days * interval '1 day' > from_at) AS due
         WHERE cancelled_at IS NULL AND to_at > hr_now() AND due.days IS NOT NULL
           AND (reminded_days IS NULL OR reminded_days > due.days)",
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = due.iter().map(|(id, _)| *id).collect();
    let days: std::collections::HashMap<Uuid, i16> = due.into_iter().collect();
    let stored = by_ids(conn, &ids).await?;
    Ok(stored
        .into_iter()
        .filter_map(|one| Some((days.get(&one.id).copied()?, one)))
        .map(|(days, one)| (one, days))
        .collect())
}

/// Says that a reservation's end was reminded of.
pub async fn set_reminded(conn: &mut PgConnection, id: Uuid, days: i16) -> Result<()> {
    sqlx::query("UPDATE reservation SET reminded_days = $2 WHERE reservation_id = $1")
        .bind(id)
        .bind(days)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that a reservation is worked out up to an instant.
pub async fn set_worked_out(conn: &mut PgConnection, id: Uuid, to: Millis) -> Result<()> {
    sqlx::query("UPDATE reservation SET worked_out_to = $2 WHERE reservation_id = $1")
        .bind(id)
        .bind(timestamp(to))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a reservation back.
pub async fn cancel(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query(
        "UPDATE reservation SET cancelled_at = hr_now(), updated_at = hr_now(), version = version + 1
         WHERE reservation_id = $1 AND cancelled_at IS NULL",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes all reservations with what they come to: the demo world writes its own anew.
pub async fn clear(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("DELETE FROM reservation").execute(conn).await?;
    Ok(())
}
