//! `headroom backup` and `headroom restore`.

use super::Place;
use crate::db::Db;
use crate::postgres;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;

/// Write everything into one file; the server may run meanwhile.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file; one that exists is replaced only when the new one is complete
    file: PathBuf,
}

/// Bring everything back from one file. All or nothing.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file that `headroom backup` wrote
    file: PathBuf,
    /// Replace what the database holds now
    #[arg(long)]
    replace: bool,
}

impl Backup {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let postgres = place.start().await?;
        let done = postgres::backup(&postgres, &self.file).await;
        postgres.stop().await;
        let done = done?;
        println!("wrote {} ({:.1} MB)", done.path.display(), done.bytes as f64 / 1e6);
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let postgres = place.start().await?;
        let restored = async {
            let done = postgres::restore(&postgres, &self.file, self.replace).await?;
            // An older release's backup is brought up to date at once, so that what fails, fails here.
            let db = Db::connect(&postgres.connect_options());
            let migrated = db.migrate().await.context("the restored schema could not be brought up to date");
            db.close().await;
            migrated?;
            anyhow::Ok(done)
        };
        let restored = restored.await;
        postgres.stop().await;
        let done = restored?;
        println!("restored {} tables from {}", done.tables, done.path.display());
        Ok(())
    }
}
