//! How pools are scaled: policies, the choice of each day, what it saved, and every decision.

use crate::{Result, StoreError, timestamp};
use chrono::{DateTime, NaiveDate, Utc};
use headroom_domain::scaling::{Choice, Ledger, Mode};
use headroom_domain::{DAY_MS, Millis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

/// The policy of a pool; its settings are the caller's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy<S> {
    /// Counts changes; 0 = nobody set one.
    pub version: i32,
    /// What happens with plans.
    pub mode: Mode,
    /// Bounds and patience; `None` = the usual.
    pub settings: Option<S>,
    /// Recommendations are not open until then.
    pub ignore_until_ms: Option<Millis>,
    /// Why not.
    pub ignore_why: String,
}

impl<S> Default for Policy<S> {
    fn default() -> Self {
        Self { version: 0, mode: Mode::Shadow, settings: None, ignore_until_ms: None, ignore_why: String::new() }
    }
}

#[derive(FromRow)]
struct PolicyRow {
    pool_id: i32,
    version: i32,
    mode: String,
    settings: serde_json::Value,
    ignore_until: Option<DateTime<Utc>>,
    ignore_why: String,
}

fn read<S: DeserializeOwned>(row: PolicyRow) -> Result<(i32, Policy<S>)> {
    let damaged =
        |problem: String| StoreError::Damaged { what: format!("scaling policy of pool {}", row.pool_id), problem };
    let mode = Mode::parse(&row.mode).ok_or_else(|| damaged(format!("its mode is {:?}", row.mode)))?;
    let settings = serde_json::from_value(row.settings).map_err(|error| damaged(error.to_string()))?;
    let policy = Policy {
        version: row.version,
        mode,
        settings: Some(settings),
        ignore_until_ms: row.ignore_until.map(|at| at.timestamp_millis()),
        ignore_why: row.ignore_why,
    };
    Ok((row.pool_id, policy))
}

/// Policies that somebody set, of some pools or of all.
pub async fn policies<S: DeserializeOwned>(
    conn: &mut PgConnection,
    pools: Option<&[i32]>,
) -> Result<Vec<(i32, Policy<S>)>> {
    let rows: Vec<PolicyRow> = sqlx::query_as(
        "SELECT pool_id, version, mode, settings, ignore_until, ignore_why FROM scaling_policy
         WHERE $1::int[] IS NULL OR pool_id = ANY($1) ORDER BY pool_id",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(read).collect()
}

/// Replaces a pool's policy if it is still at `version` (0 = nobody set one): false if it is not.
pub async fn set_policy<S: Serialize + Sync>(
    conn: &mut PgConnection,
    pool: i32,
    version: i32,
    policy: &Policy<S>,
) -> Result<bool> {
    let settings = Json(policy.settings.as_ref());
    let until = policy.ignore_until_ms.map(timestamp);
    let done = if version == 0 {
        sqlx::query(
            "INSERT INTO scaling_policy (pool_id, mode, settings, ignore_until, ignore_why) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(pool)
        .bind(policy.mode.as_str())
        .bind(settings)
        .bind(until)
        .bind(&policy.ignore_why)
        .execute(conn)
        .await?
    } else {
        sqlx::query(
            "UPDATE scaling_policy SET version = version + 1, mode = $3, settings = $4, ignore_until = $5, ignore_why = $6
             WHERE pool_id = $1 AND version = $2",
        )
        .bind(pool)
        .bind(version)
        .bind(policy.mode.as_str())
        .bind(settings)
        .bind(until)
        .bind(&policy.ignore_why)
        .execute(conn)
        .await?
    };
    Ok(done.rows_affected() == 1)
}

fn date(day: i64) -> NaiveDate {
    timestamp(day * DAY_MS).date_naive()
}

fn day(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis().div_euclid(DAY_MS)
}

/// Keeps the choice for a day (since 1970, UTC), unless there is one.
pub async fn put_choice(conn: &mut PgConnection, pool: i32, day: i64, choice: &Choice) -> Result<()> {
    sqlx::query("INSERT INTO scaling_choice (pool_id, day, choice) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(pool)
        .bind(date(day))
        .bind(Json(choice))
        .execute(conn)
        .await?;
    Ok(())
}

/// The newest choice of pools with its day.
pub async fn choices(conn: &mut PgConnection, pools: Option<&[i32]>) -> Result<Vec<(i32, i64, Choice)>> {
    let rows: Vec<(i32, NaiveDate, Json<Choice>)> = sqlx::query_as(
        "SELECT DISTINCT ON (pool_id) pool_id, day, choice FROM scaling_choice
         WHERE $1::int[] IS NULL OR pool_id = ANY($1) ORDER BY pool_id, day DESC",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(pool, date, choice)| (pool, day(date), choice.0)).collect())
}

/// Keeps what a day took, unless it is there.
pub async fn put_ledger(conn: &mut PgConnection, pool: i32, day: i64, ledger: &Ledger) -> Result<()> {
    sqlx::query("INSERT INTO scaling_ledger (pool_id, day, lines) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(pool)
        .bind(date(day))
        .bind(Json(ledger))
        .execute(conn)
        .await?;
    Ok(())
}

/// What days took, newest first.
pub async fn ledgers(conn: &mut PgConnection, pool: i32, days: i64) -> Result<Vec<(i64, Ledger)>> {
    let rows: Vec<(NaiveDate, Json<Ledger>)> =
        sqlx::query_as("SELECT day, lines FROM scaling_ledger WHERE pool_id = $1 ORDER BY day DESC LIMIT $2")
            .bind(pool)
            .bind(days)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(date, ledger)| (day(date), ledger.0)).collect())
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody was told.
    Shadow,
    /// People were shown it.
    Recommended,
    /// It is to be applied.
    Pending,
    /// The capacity was changed.
    Applied,
    /// It could not be applied.
    Refused,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Recommended => "recommended",
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Shadow, Self::Recommended, Self::Pending, Self::Applied, Self::Refused]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

/// A decision about a pool's capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The pool's key.
    pub pool: i32,
    /// The minute it was made for.
    pub at_ms: Millis,
    /// `shadow`, `recommend` or `apply`.
    pub mode: String,
    /// Capacity then.
    pub before: i32,
    /// Capacity that is wanted.
    pub wanted: i32,
    /// Which input decided.
    pub decider: String,
    /// In words.
    pub reason: String,
    /// All inputs.
    pub inputs: serde_json::Value,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused, or who applied it.
    pub note: String,
}

/// Writes a decision; false if there is one of that minute.
pub async fn decide(conn: &mut PgConnection, decision: &Decision) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO scaling_decision (pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
    )
    .bind(decision.pool)
    .bind(timestamp(decision.at_ms))
    .bind(&decision.mode)
    .bind(decision.before)
    .bind(decision.wanted)
    .bind(&decision.decider)
    .bind(&decision.reason)
    .bind(Json(&decision.inputs))
    .bind(decision.outcome.as_str())
    .bind(&decision.note)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Settles a decision that is pending; false if it is not.
pub async fn settle(conn: &mut PgConnection, pool: i32, at_ms: Millis, outcome: Outcome, note: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE scaling_decision SET outcome = $3, note = $4 WHERE pool_id = $1 AND at = $2 AND outcome = 'pending'",
    )
    .bind(pool)
    .bind(timestamp(at_ms))
    .bind(outcome.as_str())
    .bind(note)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what was done in place of what a decision wished, and why it differs.
pub async fn done(conn: &mut PgConnection, decision: &Decision) -> Result<()> {
    sqlx::query("UPDATE scaling_decision SET wanted = $3, note = $4 WHERE pool_id = $1 AND at = $2")
        .bind(decision.pool)
        .bind(timestamp(decision.at_ms))
        .bind(decision.wanted)
        .bind(&decision.note)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct DecisionRow {
    pool_id: i32,
    at: DateTime<Utc>,
    mode: String,
    before: i32,
    wanted: i32,
    decider: String,
    reason: String,
    inputs: serde_json::Value,
    outcome: String,
    note: String,
}

impl From<DecisionRow> for Decision {
    fn from(row: DecisionRow) -> Self {
        Self {
            pool: row.pool_id,
            at_ms: row.at.timestamp_millis(),
            mode: row.mode,
            before: row.before,
            wanted: row.wanted,
            decider: row.decider,
            reason: row.reason,
            inputs: row.inputs,
            // The column's constraint holds the words.
            outcome: Outcome::parse(&row.outcome).unwrap_or(Outcome::Refused),
            note: row.note,
        }
    }
}

/// Decisions of a pool before an instant or all, newest first, at most so many.
pub async fn decisions(
    conn: &mut PgConnection,
    pool: i32,
    before: Option<Millis>,
    limit: i64,
) -> Result<Vec<Decision>> {
    let rows: Vec<DecisionRow> = sqlx::query_as(
        "SELECT pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note FROM scaling_decision
         WHERE pool_id = $1 AND ($2::timestamptz IS NULL OR at < $2) ORDER BY at DESC LIMIT $3",
    )
    .bind(pool)
    .bind(before.map(timestamp))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Decision::from).collect())
}

/// Decisions of a pool in `[from, to)`, oldest first, at most so many.
pub async fn decisions_between(
    conn: &mut PgConnection,
    pool: i32,
    from: Millis,
    to: Millis,
    limit: i64,
) -> Result<Vec<Decision>> {
    let rows: Vec<DecisionRow> = sqlx::query_as(
        "SELECT pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note FROM scaling_decision
         WHERE pool_id = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4",
    )
    .bind(pool)
    .bind(timestamp(from))
    .bind(timestamp(to))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Decision::from).collect())
}

/// Decisions that are to be applied, oldest first.
pub async fn pending(conn: &mut PgConnection) -> Result<Vec<Decision>> {
    let rows: Vec<DecisionRow> = sqlx::query_as(
        "SELECT pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note FROM scaling_decision
         WHERE outcome = 'pending' ORDER BY at, pool_id LIMIT 500",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Decision::from).collect())
}

/// The newest decision of pools.
pub async fn last_decisions(conn: &mut PgConnection, pools: &[i32]) -> Result<Vec<Decision>> {
    let rows: Vec<DecisionRow> = sqlx::query_as(
        "SELECT DISTINCT ON (pool_id) pool_id, at, mode, before, wanted, decider, reason, inputs, outcome, note
         FROM scaling_decision WHERE pool_id = ANY($1) ORDER BY pool_id, at DESC",
    )
    .bind(pools)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Decision::from).collect())
}

/// Forgets choices, ledgers and decisions before an instant.
pub async fn forget(conn: &mut PgConnection, before: Millis) -> Result<u64> {
    let mut gone = 0;
    for statement in [
        "DELETE FROM scaling_decision WHERE at < $1",
        "DELETE FROM scaling_choice WHERE day < ($1 AT TIME ZONE 'UTC')::date",
        "DELETE FROM scaling_ledger WHERE day < ($1 AT TIME ZONE 'UTC')::date",
    ] {
        gone += sqlx::query(statement).bind(timestamp(before)).execute(&mut *conn).await?.rows_affected();
    }
    Ok(gone)
}
