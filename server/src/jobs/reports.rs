//! Reports close when their time has come.

use super::Outcome;
use crate::app::caller::Caller;
use crate::app::{App, AppError};
use serde_json::json;
use std::sync::Arc;

/// One run.
pub async fn run(app: &App) -> Result<Outcome, AppError> {
    let app = app.acting(Arc::new(Caller::machine("job")));
    let closed = app.close_reports().await?;
    Ok(Outcome { acted: !closed.is_empty(), detail: json!({ "closed": closed }) })
}
