//! Every minute of every pool is judged, and people are asked until somebody answers.

use super::Outcome;
use crate::app::AppError;
use crate::app::alerts::{engine, tick};
use crate::db::Db;
use serde_json::json;

/// Judges what was not judged yet.
pub async fn judge(db: &Db) -> Result<Outcome, AppError> {
    let done = engine::round(db).await?;
    Ok(Outcome { acted: done.changed > 0, detail: json!({ "pools": done.pools, "changed": done.changed }) })
}

/// The clock's turn.
pub async fn escalate(db: &Db) -> Result<Outcome, AppError> {
    let turned = tick::turn(db).await?;
    Ok(Outcome { acted: turned > 0, detail: json!({ "alerts": turned }) })
}
