#![doc = include_str!("../README.md")]

pub mod account;
pub mod alert;
pub mod alert_rule;
pub mod audit;
pub mod catalog;
pub mod change;
pub mod claim_trace;
mod copy;
pub mod current;
pub mod draft;
mod error;
pub mod event;
pub mod feed;
pub mod finding;
pub mod forecast;
pub mod game_day;
pub mod history;
pub mod import;
pub mod ingest;
pub mod job;
pub mod letter;
pub mod live;
pub mod notification;
pub mod oncall;
pub mod order;
pub mod organisation;
pub mod owner;
pub mod partition;
pub mod plan;
pub mod plan_import;
pub mod pool;
pub mod promise;
pub mod quota;
pub mod receiver;
pub mod report;
pub mod reservation;
pub mod runbook;
pub mod scaling;
pub mod session;
pub mod sign_in;
pub mod signal;
pub mod silence;
pub mod sli;
pub mod slot;
pub mod slot_event;
pub mod tenant;
pub mod token;
pub mod trial;
pub mod usage;

pub use error::{Result, StoreError};

use chrono::{DateTime, Utc};
use headroom_domain::Millis;
use sqlx::PgConnection;

/// The schema's history, embedded.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// The database's clock: the only clock that statements and rules with a database use.
pub async fn now(conn: &mut PgConnection) -> Result<Millis> {
    let at: DateTime<Utc> = sqlx::query_scalar("SELECT hr_now()").fetch_one(conn).await?;
    Ok(at.timestamp_millis())
}

/// Where the database keeps its files, if it is reached through a socket of this machine and says so.
pub async fn data_directory(conn: &mut sqlx::PgConnection) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(
        "SELECT CASE WHEN inet_server_addr() IS NULL AND pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
                     THEN current_setting('data_directory') END",
    )
    .fetch_one(conn)
    .await?)
}

/// Moves the test clock by an offset from real time, in milliseconds.
pub async fn set_test_clock(conn: &mut PgConnection, offset_ms: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO test_clock (offset_ms) VALUES ($1)
         ON CONFLICT (only_row) DO UPDATE SET offset_ms = EXCLUDED.offset_ms",
    )
    .bind(offset_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Holds the test clock still at an instant.
pub async fn hold_test_clock(conn: &mut PgConnection, at: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO test_clock (offset_ms, still_at) VALUES (0, $1)
         ON CONFLICT (only_row) DO UPDATE SET still_at = EXCLUDED.still_at",
    )
    .bind(timestamp(at))
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a test clock was ever set on this database.
pub async fn has_test_clock(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM test_clock)").fetch_one(conn).await?)
}

/// An instant for a statement's parameter; instants are checked at the edge of the product, so one
/// outside chrono's range cannot occur here and becomes the epoch.
pub(crate) fn timestamp(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}
