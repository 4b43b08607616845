//! `headroom backup FILE`: everything in the database as one file, taken from one moment while the server goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::cluster::last_lines;
use super::{Postgres, PostgresError, client};

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Writes the whole database to `path`. The file appears under its name only when it is complete and on disk; an older one
/// of that name is replaced then and not before.
pub async fn backup(postgres: &Postgres, path: &Path) -> Result<Backup, PostgresError> {
    let partial = partial_name(path);
    let written = dump(postgres, &partial).await;
    let finished = written.and_then(|()| {
        fs::rename(&partial, path).map_err(|error| error.to_string())?;
        sync_folder(path).map_err(|error| error.to_string())?;
        fs::metadata(path).map_err(|error| error.to_string())
    });
    match finished {
        Ok(meta) => Ok(Backup { path: path.to_owned(), bytes: meta.len() }),
        Err(reason) => {
            // Absent when pg_dump could not even create it.
            let _ = fs::remove_file(&partial);
            Err(PostgresError::Backup { path: path.to_owned(), reason })
        }
    }
}

async fn dump(postgres: &Postgres, partial: &Path) -> Result<(), String> {
    let mut command = client::program(postgres, "pg_dump").await.map_err(|error| error.to_string())?;
    let output = command
        // The history is packed already, so more effort gains little; pg_dump syncs the file itself.
        .args(["--format=custom", "--compress=1", "--no-owner", "--no-privileges"])
        .arg("--file")
        .arg(partial)
        .output()
        .await
        .map_err(|error| format!("cannot run pg_dump: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(last_lines(&String::from_utf8_lossy(&output.stderr))
        .unwrap_or_else(|| format!("pg_dump ended with {}", output.status)))
}

/// `FILE.partial`, beside the file, because a rename works only within one file system.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Makes the new name survive a power cut.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
