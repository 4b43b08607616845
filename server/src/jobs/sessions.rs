//! What is over of people's sign-ins: ended sessions, unused codes, old failures.

use super::Outcome;
use crate::app::AppError;
use crate::db::Db;
use headroom_store::session;
use serde_json::json;

/// One run.
pub async fn run(db: &Db) -> Result<Outcome, AppError> {
    let removed = session::sweep(&mut *db.jobs.acquire().await?).await?;
    Ok(Outcome { acted: removed > 0, detail: json!({ "removed": removed }) })
}
