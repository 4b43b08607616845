//! Is a server at work in this cluster? Read from `postmaster.pid` and `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

/// A server that is alive in a cluster: starting, answering or stopping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) pid: i32,
    /// Where it listens; unknown in the first instants of its life.
    pub(super) sockets: Option<PathBuf>,
}

/// The server of this cluster, if one is alive. A `postmaster.pid` left behind by a server that was killed does not count,
/// not even when another program has its number by now.
pub(super) fn running(cluster: &Path) -> Option<Postmaster> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let postmaster = parse(&text)?;
    works_in(postmaster.pid, cluster).then_some(postmaster)
}

/// Whether a process is alive and works in this cluster. Every process of a server has the cluster as its working folder.
pub(super) fn works_in(pid: i32, cluster: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == cluster)
}

/// Whether any process still works in this cluster: after a postmaster was killed, its children need a moment to notice.
pub(super) fn any_process_in(cluster: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .any(|pid| works_in(pid, cluster))
}

/// Removes what a killed server left, where PostgreSQL would take it for a living one because its process number has
/// been given to another program since. Call only when [`any_process_in`] says no.
///
/// A number that nobody has is left alone: PostgreSQL's own check of the shared memory it names is stronger than ours.
pub(super) fn clear_stale(cluster: &Path, sockets: &Path) -> std::io::Result<()> {
    for file in [cluster.join("postmaster.pid"), sockets.join(".s.PGSQL.5432.lock")] {
        let recycled = fs::read_to_string(&file)
            .ok()
            .and_then(|text| parse(&text))
            .is_some_and(|old| Path::new(&format!("/proc/{}", old.pid)).exists());
        if recycled {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// `postmaster.pid`: process, data directory, start time, port, socket folder, address, shared memory, state; one per line.
fn parse(text: &str) -> Option<Postmaster> {
    let mut lines = text.lines();
    // A server in single-user mode writes a negative number.
    let pid = lines.next()?.trim().parse::<i32>().ok()?.checked_abs()?;
    let sockets = lines.nth(3).map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from);
    Some(Postmaster { pid, sockets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_whole_and_half_written() {
        let whole = "4242\n/data/postgres\n1760000000\n5432\n/data/run\n\n  1234  5\nready   \n";
        assert_eq!(parse(whole), Some(Postmaster { pid: 4242, sockets: Some(PathBuf::from("/data/run")) }));
        assert_eq!(parse("4242\n/data"), Some(Postmaster { pid: 4242, sockets: None }));
        assert_eq!(parse(""), None);
        assert_eq!(parse("what\n"), None);
    }

    #[test]
    fn a_number_that_now_belongs_to_another_program_is_not_a_server_and_is_cleared() {
        let cluster = tempfile::tempdir().expect("a temporary folder");
        let file = cluster.path().join("postmaster.pid");
        // This test is alive, and does not work in that folder.
        let text = format!("{}\n/old\n1\n5432\n/run\n", std::process::id());
        fs::write(&file, text).expect("the file is written");
        assert_eq!(running(cluster.path()), None);
        clear_stale(cluster.path(), cluster.path()).expect("the file is removed");
        assert!(!file.exists());
    }
}
