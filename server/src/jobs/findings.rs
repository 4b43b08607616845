//! What is wrong with live pools and servers is looked for and remembered, so that it is seen when it begins and not when
//! somebody looks at a page.

use super::Outcome;
use crate::app::{AppError, look};
use crate::db::Db;
use serde_json::json;

/// One run.
pub async fn run(db: &Db) -> Result<Outcome, AppError> {
    let mut tx = db.jobs.begin().await?;
    let looked = look::round(&mut tx).await?;
    tx.commit().await?;
    let acted = looked.begun > 0 || looked.over > 0;
    Ok(Outcome { acted, detail: json!({ "pools": looked.pools, "begun": looked.begun, "over": looked.over }) })
}
