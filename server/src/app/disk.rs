//! How much room is left on the database's disk, where that is a disk of this machine.

use super::{App, Result};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Room is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What was found last, and when: the free part, if it is known.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<Option<(Instant, Option<f64>)>>);

impl App {
    /// The free part of the database's disk, 0 to 1; `None` where the database is elsewhere, or does not say where its files are.
    pub(super) async fn disk_free(&self) -> Result<Option<f64>> {
        if let Ok(last) = self.disk.0.lock()
            && let Some((_, free)) = last.filter(|(at, _)| at.elapsed() < LOOK_EVERY)
        {
            return Ok(free);
        }
        let mut conn = self.db.pages.acquire().await?;
        let folder = headroom_store::data_directory(&mut conn).await?.map(PathBuf::from);
        let free = folder.and_then(|folder| {
            let found = nix::sys::statvfs::statvfs(&folder).ok()?;
            (found.blocks() > 0).then(|| found.blocks_available() as f64 / found.blocks() as f64)
        });
        if let Ok(mut last) = self.disk.0.lock() {
            *last = Some((Instant::now(), free));
        }
        Ok(free)
    }
}
