//! LEAD'S PLACEHOLDER so that the crate compiles: the ingest engineer replaces this whole file. Keep
//! `pub async fn outcome(db: &Db) -> Result<Outcome, AppError>` (uses `db.jobs`; `acted: false` when nothing was pending;
//! `detail` with `rows`).
use super::Outcome;
use crate::app::AppError;
use crate::db::Db;
pub async fn outcome(_: &Db) -> Result<Outcome, AppError> { Ok(Outcome { acted: false, detail: serde_json::json!({}) }) }
