//! What surrounds signing in: failures that slow the next attempts down, and codes that are typed once.

use crate::{Result, timestamp};
use headroom_domain::Millis;
use sqlx::PgConnection;

/// Counts an attempt about a subject. If `most` were made within the last `within_ms` it is not counted, and the answer is
/// in how many milliseconds the oldest of these leaves that window.
///
/// Attempts about one subject are counted one after the other: many at once are no way around the limit. Holds until the
/// caller's transaction ends.
pub async fn attempt(conn: &mut PgConnection, about: &str, within_ms: Millis, most: i64) -> Result<Option<Millis>> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind(about).execute(&mut *conn).await?;
    let (count, wait): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), (EXTRACT(epoch FROM min(at) - hr_now()) * 1000)::bigint + $2
         FROM (SELECT at FROM sign_in_failure WHERE about = $1 AND at > hr_now() - $2 * interval '1 millisecond'
               ORDER BY at DESC LIMIT $3) newest",
    )
    .bind(about)
    .bind(within_ms)
    .bind(most)
    .fetch_one(&mut *conn)
    .await?;
    if count >= most {
        return Ok(Some(wait.unwrap_or_default().max(0)));
    }
    sqlx::query("INSERT INTO sign_in_failure (about) VALUES ($1)").bind(about).execute(conn).await?;
    Ok(None)
}

/// Forgets all attempts about a subject, after one succeeded.
pub async fn forget(conn: &mut PgConnection, about: &str) -> Result<()> {
    sqlx::query("DELETE FROM sign_in_failure WHERE about = $1").bind(about).execute(conn).await?;
    Ok(())
}

/// Forgets the newest attempt about a subject: it was no failure.
pub async fn forget_one(conn: &mut PgConnection, about: &str) -> Result<()> {
    sqlx::query(
        "DELETE FROM sign_in_failure
         WHERE ctid = (SELECT ctid FROM sign_in_failure WHERE about = $1 ORDER BY at DESC LIMIT 1)",
    )
    .bind(about)
    .execute(conn)
    .await?;
    Ok(())
}

/// Replaces the code for the first administrator.
pub async fn set_setup_code(conn: &mut PgConnection, hash: &[u8], expires_ms: Millis) -> Result<()> {
    sqlx::query("DELETE FROM one_time_code WHERE purpose = 'setup'").execute(&mut *conn).await?;
    sqlx::query("INSERT INTO one_time_code (code_hash, purpose, expires_at) VALUES ($1, 'setup', $2)")
        .bind(hash)
        .bind(timestamp(expires_ms))
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces the code with which an account chooses a password.
pub async fn set_password_code(conn: &mut PgConnection, account: i32, hash: &[u8], expires_ms: Millis) -> Result<()> {
    sqlx::query("DELETE FROM one_time_code WHERE account_id = $1").bind(account).execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO one_time_code (code_hash, purpose, account_id, expires_at) VALUES ($1, 'password', $2, $3)",
    )
    .bind(hash)
    .bind(account)
    .bind(timestamp(expires_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// Uses a code up; false if there is none of this kind, or it is over.
pub async fn use_code(conn: &mut PgConnection, account: Option<i32>, hash: &[u8]) -> Result<bool> {
    let done = sqlx::query(
        "DELETE FROM one_time_code
         WHERE code_hash = $1 AND account_id IS NOT DISTINCT FROM $2 AND expires_at > hr_now()",
    )
    .bind(hash)
    .bind(account)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
