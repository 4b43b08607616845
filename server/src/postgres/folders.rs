//! The data directory: which folders it has, who owns them, and whether the server's user can get to them.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::PostgresError;
use super::account::{Account, name_of};

/// The longest path of a unix socket on Linux: `sun_path` holds 108 bytes with its closing zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// The socket's file name: PostgreSQL builds it from the port.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// Folders under `/tmp` for data directories whose own path is too long for a socket.
const SHORT_FOLDER: &str = "/tmp/headroom";

/// Where everything of a private server is.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    pub(super) data_dir: PathBuf,
    /// The cluster, as `initdb` made it.
    pub(super) cluster: PathBuf,
    /// Where `initdb` works before its result is renamed to `cluster`, so that a half-made one is never used.
    pub(super) unfinished: PathBuf,
    /// The folder of the socket.
    pub(super) sockets: PathBuf,
    pub(super) log: PathBuf,
    pub(super) lock: PathBuf,
}

impl Folders {
    /// Makes the data directory and names its parts, without the parts that need to know the server's account.
    pub(super) fn open(data_dir: &Path) -> Result<Self, PostgresError> {
        let data_dir = std::path::absolute(data_dir).map_err(PostgresError::io("find the data directory", data_dir))?;
        fs::create_dir_all(&data_dir).map_err(PostgresError::io("create the data directory", &data_dir))?;
        // PostgreSQL reports real paths, and we compare with them.
        let data_dir = data_dir.canonicalize().map_err(PostgresError::io("enter the data directory", &data_dir))?;
        Ok(Self {
            cluster: data_dir.join("postgres"),
            unfinished: data_dir.join("postgres.unfinished"),
            sockets: data_dir.join("run"),
            log: data_dir.join("postgres.log"),
            lock: data_dir.join("postgres.lock"),
            data_dir,
        })
    }

    /// Makes the socket's folder, and refuses a data directory that the server's account cannot enter.
    pub(super) fn prepare(&mut self, account: &Account) -> Result<(), PostgresError> {
        if account.switch {
            check_traversable(&self.data_dir, account)?;
        }
        let inside = self.data_dir.join("run");
        if socket_fits(&inside) {
            // A link left by a time when the path was longer would lead the socket elsewhere.
            if inside.is_symlink() {
                fs::remove_file(&inside).map_err(PostgresError::io("remove the old link", &inside))?;
            }
            make_private_folder(&inside, account)?;
            self.sockets = inside;
            return Ok(());
        }
        let short = short_folder(&self.data_dir, account);
        make_private_folder(&short, account)?;
        link(&short, &inside)?;
        self.sockets = short;
        Ok(())
    }
}

/// Whether PostgreSQL can be told to put its socket here. The setting is a comma-separated list, so a path with list
/// syntax in it does not fit either.
fn socket_fits(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    let plain = !bytes.iter().any(|byte| matches!(byte, b',' | b'"') || byte.is_ascii_whitespace());
    plain && bytes.len() + "/".len() + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH
}

/// A short path that belongs to one data directory and one account.
fn short_folder(data_dir: &Path, account: &Account) -> PathBuf {
    let hash = blake3::hash(data_dir.as_os_str().as_bytes()).to_hex();
    PathBuf::from(format!("{SHORT_FOLDER}-{}-{}", account.uid, &hash[..10]))
}

/// Makes a folder that only the account can enter, or checks that an existing one is such a folder: under `/tmp`
/// anybody could have made one with this name to listen in our place.
fn make_private_folder(path: &Path, account: &Account) -> Result<(), PostgresError> {
    if !path.is_symlink() && !path.exists() {
        create_owned(path, account)?;
    }
    let meta = fs::symlink_metadata(path).map_err(PostgresError::io("look at", path))?;
    let unsafe_because = |reason: String| PostgresError::SocketFolder { path: path.to_owned(), reason };
    if !meta.is_dir() {
        return Err(unsafe_because("it is not a folder".to_owned()));
    }
    if meta.uid() != account.uid.as_raw() {
        let owner = name_of(nix::unistd::Uid::from_raw(meta.uid()));
        return Err(unsafe_because(format!("it belongs to user {owner} and not to {}", account.name)));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(PostgresError::io("close to others", path))?;
    }
    Ok(())
}

/// Makes a folder that belongs to the account from the moment it has its name: whoever starts at the same time sees it
/// whole or not at all. Of two that make it at once either may win.
fn create_owned(path: &Path, account: &Account) -> Result<(), PostgresError> {
    let failed = |error| PostgresError::io("create the socket folder", path)(error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", crate::clock::nonce()));
    let unnamed = path.with_file_name(name);
    fs::DirBuilder::new().mode(0o700).create(&unnamed).map_err(failed)?;
    account.own(&unnamed)?;
    match fs::rename(&unnamed, path) {
        Ok(()) => Ok(()),
        Err(error) => {
            fs::remove_dir(&unnamed).map_err(failed)?;
            // Somebody was first, and is at work in it; what it is like is looked at next.
            let was_first = matches!(
                error.kind(),
                ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory
            );
            if was_first { Ok(()) } else { Err(failed(error)) }
        }
    }
}

/// Points `at` to `target`, so that a person finds the socket where the documentation says it is.
fn link(target: &Path, at: &Path) -> Result<(), PostgresError> {
    if fs::read_link(at).is_ok_and(|existing| existing == target) {
        return Ok(());
    }
    if at.is_symlink() {
        fs::remove_file(at).map_err(PostgresError::io("replace the link", at))?;
    } else if at.is_dir() {
        fs::remove_dir(at).map_err(PostgresError::io("replace the empty folder", at))?;
    }
    std::os::unix::fs::symlink(target, at).map_err(PostgresError::io("create the link", at))
}

/// Refuses a path with a folder on the way that the account may not enter, and names that folder.
fn check_traversable(path: &Path, account: &Account) -> Result<(), PostgresError> {
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    for folder in ancestors {
        let meta = fs::metadata(folder).map_err(PostgresError::io("look at", folder))?;
        let mode = meta.permissions().mode() & 0o777;
        // Child processes drop every supplementary group, so the account's own group is the only one.
        let may_enter = if meta.uid() == account.uid.as_raw() {
            mode & 0o100
        } else if meta.gid() == account.gid.as_raw() {
            mode & 0o010
        } else {
            mode & 0o001
        };
        if may_enter == 0 {
            return Err(PostgresError::NotTraversable { folder: folder.to_owned(), user: account.name.clone(), mode });
        }
    }
    Ok(())
}

/// Starts a new log file when the old one has grown large, keeping one old one.
pub(super) fn rotate_log(log: &Path) -> Result<(), PostgresError> {
    /// Ten megabytes hold months of warnings.
    const LARGEST_LOG: u64 = 10 * 1024 * 1024;
    if fs::metadata(log).is_ok_and(|meta| meta.len() > LARGEST_LOG) {
        let old = log.with_extension(OsStr::new("log.1"));
        fs::rename(log, &old).map_err(PostgresError::io("rotate the log to", &old))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_fits_up_to_the_longest_path_and_not_one_byte_more() {
        let longest = LONGEST_SOCKET_PATH - SOCKET_NAME.len() - 1;
        let fits = format!("/{}", "d".repeat(longest - 1));
        let too_long = format!("/{}", "d".repeat(longest));
        assert!(socket_fits(Path::new(&fits)));
        assert!(!socket_fits(Path::new(&too_long)));
        assert!(!socket_fits(Path::new("/data, old/run")));
    }

    #[test]
    fn a_folder_that_the_account_cannot_enter_is_named() {
        let top = tempfile::tempdir().expect("a temporary folder");
        let closed = top.path().join("closed");
        let inner = closed.join("inner");
        fs::create_dir_all(&inner).expect("folders are made");
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).expect("mode is set");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("mode is set");
        let stranger = Account {
            uid: nix::unistd::Uid::from_raw(54_321),
            gid: nix::unistd::Gid::from_raw(54_321),
            name: "stranger".to_owned(),
            switch: true,
        };
        let error = check_traversable(&inner, &stranger).expect_err("the folder is closed");
        let text = error.to_string();
        assert!(text.contains(&closed.display().to_string()), "{text}");
        assert!(text.contains("stranger"), "{text}");

        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).expect("mode is set");
        check_traversable(&inner, &stranger).expect("the folder is open now");
    }

    #[test]
    fn somebody_elses_socket_folder_is_refused() {
        let top = tempfile::tempdir().expect("a temporary folder");
        let other = Account {
            uid: nix::unistd::Uid::from_raw(54_321),
            gid: nix::unistd::Gid::from_raw(54_321),
            name: "other".to_owned(),
            switch: false,
        };
        let error = make_private_folder(top.path(), &other).expect_err("it is not theirs");
        assert!(matches!(error, PostgresError::SocketFolder { .. }), "{error}");
    }

    #[test]
    fn those_who_start_at_the_same_time_all_find_a_folder_of_the_account() {
        let own = nix::unistd::Uid::effective();
        // Root makes it for another; anybody else makes it for himself.
        let account = Account {
            uid: if own.is_root() { nix::unistd::Uid::from_raw(54_321) } else { own },
            gid: if own.is_root() { nix::unistd::Gid::from_raw(54_321) } else { nix::unistd::Gid::effective() },
            name: "account".to_owned(),
            switch: own.is_root(),
        };
        for _ in 0..50 {
            let top = tempfile::tempdir().expect("a temporary folder");
            let path = top.path().join("run");
            std::thread::scope(|scope| {
                let makers: Vec<_> = (0..6).map(|_| scope.spawn(|| make_private_folder(&path, &account))).collect();
                for maker in makers {
                    maker.join().expect("no panic").expect("a folder of the account");
                }
            });
            let left = fs::read_dir(top.path()).expect("it can be read").count();
            assert_eq!(left, 1, "nothing is left over");
        }
    }
}
