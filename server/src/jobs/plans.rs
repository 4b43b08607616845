//! Plans go on by themselves.

use super::Outcome;
use crate::app::caller::Caller;
use crate::app::{App, AppError};
use serde_json::json;
use std::sync::Arc;

/// One run.
pub async fn run(app: &App) -> Result<Outcome, AppError> {
    let app = app.clone().acting(Arc::new(Caller::machine("job")));
    let (worked_out, released) = (app.work_out_plans().await?, app.release_unused().await?);
    let (drained, reminded) = (app.end_drains().await?, app.remind_of_ends().await?);
    let emptied = app.expire_imports().await?;
    let acted = worked_out + released + drained + reminded + emptied > 0;
    let detail = json!({
        "worked_out": worked_out, "released": released, "drained": drained, "reminded": reminded, "imports_expired": emptied
    });
    Ok(Outcome { acted, detail })
}
