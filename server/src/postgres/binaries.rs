//! Where PostgreSQL's programs are, and which version they have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::{MINIMUM_MAJOR, PostgresError};

/// A folder with server programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

/// Finds the server programs: the configured folder if one is given, else the newest on this machine; for a cluster
/// that exists, the ones of its own major version, as no other can open it.
pub(super) async fn find(configured: Option<&Path>, cluster: &Path) -> Result<Binaries, PostgresError> {
    let folders = candidates(configured);
    let mut found = Vec::new();
    for dir in &folders {
        if !dir.join("initdb").is_file() {
            continue;
        }
        if let Some(major) = major_of(&dir.join("postgres")).await
            && major >= MINIMUM_MAJOR
        {
            found.push(Binaries { dir: dir.clone(), major });
        }
    }
    let made_by = cluster_major(cluster);
    let installed: BTreeSet<u32> = found.iter().map(|binaries| binaries.major).collect();
    let fitting = found.into_iter().filter(|binaries| made_by.is_none_or(|major| binaries.major == major));
    // `max_by_key` keeps the last of equals; the search order prefers the first.
    if let Some(best) = fitting.rev().max_by_key(|binaries| binaries.major) {
        return Ok(best);
    }
    match made_by {
        Some(made_by) if !installed.is_empty() => Err(PostgresError::WrongMajor {
            cluster: cluster.to_owned(),
            made_by,
            installed: list(installed.iter().map(ToString::to_string)),
        }),
        _ => Err(PostgresError::NotInstalled { looked: list(folders.iter().map(|dir| dir.display().to_string())) }),
    }
}

/// Finds one client program that can talk to a server of this major version: not older than the server, as `pg_dump`
/// demands. `beside` is the folder of the server's own programs, which may lack the client's.
pub(super) async fn find_program(
    beside: Option<&Path>,
    program: &str,
    at_least: u32,
) -> Result<PathBuf, PostgresError> {
    let folders: Vec<PathBuf> = beside.map(Path::to_owned).into_iter().chain(candidates(None)).collect();
    for dir in &folders {
        let path = dir.join(program);
        if major_of(&path).await.is_some_and(|major| major >= at_least) {
            return Ok(path);
        }
    }
    Err(PostgresError::NoProgram {
        program: format!("{program} {at_least} or newer"),
        looked: list(folders.iter().map(|dir| dir.display().to_string())),
    })
}

/// The folders to look in, in order, each once.
fn candidates(configured: Option<&Path>) -> Vec<PathBuf> {
    if let Some(dir) = configured {
        return vec![dir.to_owned()];
    }
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.retain(|dir| dir.is_absolute());
    // Debian and Ubuntu; Red Hat's packages of the PostgreSQL project; a build from source.
    folders.extend(versioned("/usr/lib/postgresql", "", "bin"));
    folders.extend(versioned("/usr", "pgsql-", "bin"));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));

    let mut seen = BTreeSet::new();
    folders.retain(|dir| seen.insert(dir.clone()));
    folders
}

/// Folders `base/<prefix><number>/<inner>`, highest number first.
fn versioned(base: &str, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(base) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join(inner)))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The major version a program reports, `None` if it does not run.
async fn major_of(program: &Path) -> Option<u32> {
    if !program.is_file() {
        return None;
    }
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().await.ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `17beta1` and `17devel`.
fn parse_major(version: &str) -> Option<u32> {
    let after = version.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The major version that made a cluster, `None` where there is no cluster.
fn cluster_major(cluster: &Path) -> Option<u32> {
    std::fs::read_to_string(cluster.join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "no folder".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::parse_major;

    #[test]
    fn the_major_version_is_read_from_every_spelling() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("pg_dump (PostgreSQL) 9.6.24", Some(9)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 19devel", Some(19)),
            ("BusyBox v1.36", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_major(text), expected, "{text}");
        }
    }
}
