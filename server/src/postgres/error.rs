//! What can go wrong with PostgreSQL, said so that a person knows what to do next.

use std::path::{Path, PathBuf};

use super::MINIMUM_MAJOR;

/// Something about PostgreSQL that needs a person.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("neither XDG_DATA_HOME nor HOME is set: say where the data goes with --data-dir FOLDER")]
    NoDataDir,

    #[error(
        "no PostgreSQL {MINIMUM_MAJOR} or newer found (looked in {looked}): install it (Debian: apt-get install postgresql), \
         name its folder of programs with HEADROOM_PG_BIN, or use a running server with --database-url"
    )]
    NotInstalled { looked: String },

    #[error(
        "{cluster} was made by PostgreSQL {made_by}, but the installed versions are {installed}: install PostgreSQL {made_by}, \
         or name its folder of programs with HEADROOM_PG_BIN"
    )]
    WrongMajor { cluster: PathBuf, made_by: u32, installed: String },

    #[error(
        "{program} is missing in {looked}: install PostgreSQL's client programs (Debian: apt-get install postgresql-client)"
    )]
    NoProgram { program: String, looked: String },

    #[error("the server at {place} is PostgreSQL {found}, but Headroom needs {MINIMUM_MAJOR} or newer")]
    TooOld { place: String, found: String },

    #[error("the database URL is not understood: {reason}; expected postgres://user:password@host:port/database")]
    BadUrl { reason: String },

    #[error("PostgreSQL at {place} does not answer: {reason}")]
    NoAnswer { place: String, reason: String },

    #[error(
        "PostgreSQL cannot run as root, and neither a user `postgres` nor `nobody` exists: create one (useradd --system postgres)"
    )]
    NoAccount,

    #[error(
        "{path} belongs to user {owner}, and this is user {me}: run as {owner} or as root, or choose another --data-dir"
    )]
    NotOurs { path: PathBuf, owner: String, me: String },

    #[error(
        "user {user}, who runs PostgreSQL because we are root, cannot enter {folder} (mode {mode:03o}): \
         choose a --data-dir outside it, or allow it with chmod o+x {folder}"
    )]
    NotTraversable { folder: PathBuf, user: String, mode: u32 },

    #[error("the socket folder {path} is not safe: {reason}; remove it, or choose a --data-dir with a shorter path")]
    SocketFolder { path: PathBuf, reason: String },

    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    #[error("another headroom has been starting PostgreSQL in {data_dir} for {seconds} s: see {log}")]
    Locked { data_dir: PathBuf, seconds: u64, log: PathBuf },

    #[error("making the database in {cluster} failed: {reason}")]
    Initdb { cluster: PathBuf, reason: String },

    #[error("PostgreSQL did not start: {reason} (its log is {log})")]
    Start { reason: String, log: PathBuf },

    #[error("PostgreSQL has been starting for {seconds} s and still does not answer: {reason} (its log is {log})")]
    Slow { seconds: u64, reason: String, log: PathBuf },

    #[error("the thread that keeps PostgreSQL ended unexpectedly")]
    KeeperGone,

    #[error("cannot write the backup {path}: {reason}; the database is unchanged and no file was left")]
    Backup { path: PathBuf, reason: String },

    #[error("{path} is not a backup of Headroom: {reason}; nothing was changed")]
    NotABackup { path: PathBuf, reason: String },

    #[error(
        "the database already holds {relations} tables: restore into an empty one, or give --replace to replace everything in it"
    )]
    NotEmpty { relations: i64 },

    #[error(
        "the database is in use by {connections} other connections: stop the running headroom first, then restore again"
    )]
    InUse { connections: i64 },

    #[error("restoring {path} failed: {reason}; nothing was changed")]
    Restore { path: PathBuf, reason: String },

    #[error("PostgreSQL refused a statement: {0}")]
    Sql(#[from] sqlx::Error),
}

impl PostgresError {
    /// For `map_err`: which action on which path met an operating-system error.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
