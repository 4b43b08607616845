//! Pools are forecast, and scaled by it.

use super::Outcome;
use crate::app::caller::Caller;
use crate::app::{App, AppError};
use serde_json::json;
use std::sync::Arc;

/// One run.
pub async fn run(app: &App) -> Result<Outcome, AppError> {
    let app = app.clone().acting(Arc::new(Caller::machine("job")));
    // What harms ends before anything else is done.
    let undone = app.judge_trials().await?;
    // Decisions rest on the forecasts that there are, also while new ones fail.
    let refreshed = app.refresh_forecasts().await;
    let decided = app.scale().await?;
    let refreshed = refreshed?;
    let acted = refreshed.forecast > 0
        || refreshed.forgotten > 0
        || undone + decided.decided + decided.applied + decided.refused > 0;
    let detail = json!({
        "forecast": refreshed.forecast, "met": refreshed.met, "chosen": refreshed.chosen, "forgotten": refreshed.forgotten,
        "decided": decided.decided, "applied": decided.applied, "refused": decided.refused,
        "undone": undone, "failed": refreshed.failed + decided.failed
    });
    Ok(Outcome { acted, detail })
}
