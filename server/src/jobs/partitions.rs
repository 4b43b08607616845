//! Partitions of live history: made ahead, dropped after their retention.

use super::Outcome;
use crate::app::AppError;
use crate::db::Db;
use headroom_domain::retention::may_drop;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::partition::{self, Cut};
use headroom_store::{catalog, feed, finding, job, letter, live, notification, order, owner, sli, slot};
use serde_json::json;

/// Partitions exist this far ahead, so that a job that is late by days does no harm.
const AHEAD_MS: Millis = 8 * DAY_MS;
/// Live samples may be this late.
const BEHIND_MS: Millis = 3 * DAY_MS;
/// Raw batches are kept this long after their day: longer than a sample may be late, so that a
/// replay always meets its key.
const RAW_KEPT_MS: Millis = 3 * DAY_MS;
/// Five-minute history is kept at least this long: trends and comparisons over a year need it.
const FIVE_MINUTES_KEPT_DAYS: i32 = 400;
/// Runs of jobs are kept this long.
const RUNS_KEPT_MS: Millis = 30 * DAY_MS;
/// Events of slots are kept this long, and until they are part of the history.
const EVENTS_KEPT_MS: Millis = 30 * DAY_MS;
/// Ways of claims are kept this long: as long as the debug view looks for a claim.
const TRACES_KEPT_MS: Millis = 7 * DAY_MS;
/// Counts of indicators by the minute are kept this long: the longest window of a rule, and a day in which the engine may be behind.
const COUNTS_KEPT_MS: Millis = 4 * DAY_MS;
/// Counts by the hour are kept this long: error budgets are reckoned over 30 days, and trends are drawn before them.
const COUNTS_BY_HOUR_KEPT_MS: Millis = 62 * DAY_MS;
/// Findings are kept this long after they were over.
const FINDINGS_KEPT_MS: Millis = 30 * DAY_MS;
/// Messages to receivers are kept this long; those that were given up stay until somebody sends them again.
const NOTIFICATIONS_KEPT_MS: Millis = 90 * DAY_MS;
/// Letters are kept this long after they were sent or given up.
const LETTERS_KEPT_MS: Millis = 30 * DAY_MS;
/// Keys of claims are remembered this long.
const KEYS_KEPT_MS: Millis = DAY_MS;

/// One run.
pub async fn run(db: &Db) -> Result<Outcome, AppError> {
    let mut made = 0;
    let mut dropped = Vec::new();
    let now = headroom_store::now(&mut *db.jobs.acquire().await?).await?;
    for cut in Cut::ALL {
        let mut tx = db.jobs.begin().await?;
        made += partition::ensure(&mut tx, cut, now - BEHIND_MS, now + AHEAD_MS).await?;
        tx.commit().await?;
    }
    for cut in Cut::ALL {
        for old in partition::list(&mut *db.jobs.acquire().await?, cut).await? {
            // One transaction per partition: the lock on the parent is short.
            let mut tx = db.jobs.begin().await?;
            let goes = match cut {
                Cut::Raw => old.to_ms <= now - RAW_KEPT_MS && !partition::has_pending(&mut tx, &old).await?,
                Cut::Minutes => {
                    old.to_ms < now && may_drop(old.to_ms, &partition::holders(&mut tx, cut, &old).await?, 1)
                }
                Cut::FiveMinutes => {
                    old.to_ms < now
                        && may_drop(old.to_ms, &partition::holders(&mut tx, cut, &old).await?, FIVE_MINUTES_KEPT_DAYS)
                }
                Cut::SlotEvents => old.to_ms <= now - EVENTS_KEPT_MS && feed::is_past(&mut tx, old.to_ms).await?,
                Cut::ClaimTraces => old.to_ms <= now - TRACES_KEPT_MS,
                Cut::Counts => old.to_ms <= now - COUNTS_KEPT_MS,
            };
            if goes {
                partition::drop(&mut tx, &old).await?;
                dropped.push(old.name.clone());
            }
            tx.commit().await?;
        }
    }
    let forgotten = job::forget(&mut *db.jobs.acquire().await?, now - RUNS_KEPT_MS).await?;
    slot::forget_keys(&mut *db.jobs.acquire().await?, now - KEYS_KEPT_MS).await?;
    live::forget_minutes(&mut *db.jobs.acquire().await?, now - EVENTS_KEPT_MS).await?;
    order::forget(&mut *db.jobs.acquire().await?, now - EVENTS_KEPT_MS).await?;
    owner::forget(&mut *db.jobs.acquire().await?, now - DAY_MS).await?;
    sli::forget(&mut *db.jobs.acquire().await?, now - COUNTS_BY_HOUR_KEPT_MS).await?;
    finding::forget(&mut *db.jobs.acquire().await?, now - FINDINGS_KEPT_MS).await?;
    notification::forget(&mut *db.jobs.acquire().await?, now - NOTIFICATIONS_KEPT_MS).await?;
    letter::forget(&mut *db.jobs.acquire().await?, now - LETTERS_KEPT_MS).await?;
    catalog::forget_changes(&mut *db.jobs.acquire().await?).await?;
    Ok(Outcome {
        acted: made > 0 || !dropped.is_empty() || forgotten > 0,
        detail: json!({ "made": made, "dropped": dropped, "runs_forgotten": forgotten }),
    })
}
