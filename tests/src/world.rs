//! The demo world in a database, made once and copied: a test that needs a full dashboard does not wait for a hundred days of
//! history to be written again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::database::{Database, Lock, schema_hash};
use crate::people;
use crate::service::Service;

/// A copy of the demo world in a database of its own, without the sender of live samples.
pub async fn demo() -> Result<Database> {
    let template = template().await?;
    Database::copy_of(&template).await
}

/// The template of this schema and this program; the first to ask makes it, the others wait.
async fn template() -> Result<String> {
    let name = format!("demo_{}", schema_hash());
    let lock = Lock::take().await?;
    if !Database::exists(&name).await? {
        let database = Database::empty().await?;
        let service = Service::start(&["demo", "--quiet", "--database-url", database.url()])?;
        wait_for_history(&service).await?;
        people::prepare(&mut database.connect().await?).await?;
        let status = service.stop()?;
        ensure!(status.success(), "headroom demo ended with {status}");
        database.rename(&name).await?;
    }
    lock.release().await?;
    Ok(name)
}

/// Waits until every pool answers with its current occupancy.
async fn wait_for_history(service: &Service) -> Result<()> {
    let address = service.at("/readyz");
    let deadline = tokio::time::Instant::now() + Duration::from_mins(5);
    loop {
        let answer = reqwest::get(&address).await.with_context(|| format!("no answer from {address}"))?;
        if answer.status().is_success() {
            return Ok(());
        }
        ensure!(tokio::time::Instant::now() < deadline, "{address} says {} and nothing else", answer.status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
