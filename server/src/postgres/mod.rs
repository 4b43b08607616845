//! Finds or runs the PostgreSQL that keeps everything Headroom knows.
//!
//! With a URL it is somebody's server: we connect, and refuse one that is too old. Without one it is a private server
//! below the data directory, made on first use, reachable only through a unix socket in a folder that only its own
//! account (and root) can enter, run as another account when we are root, and stopped with us, even when we are killed.
//!
//! ```text
//! DATA_DIR/postgres        the cluster (mode 700)
//! DATA_DIR/run             the socket (mode 700; a link to a short path where DATA_DIR is too long for a socket)
//! DATA_DIR/postgres.log    what PostgreSQL printed
//! DATA_DIR/postgres.lock   held while one of us starts or adopts the server
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `binaries` | where PostgreSQL's programs are, and which version |
//! | `account` | who runs the private server |
//! | `folders` | the data directory, its folders, and who may enter them |
//! | `postmaster` | is a server at work in this cluster? |
//! | `cluster` | initdb, start, adopt, stop |
//! | `keeper` | the thread that owns the server, and brings it back when it dies |
//! | `spawn` | child processes that end with us |
//! | `connect` | connecting, and reading the version |
//! | `backup`, `restore`, `client` | one file with everything in it, and back |

mod account;
mod backup;
mod binaries;
mod client;
mod cluster;
mod connect;
mod error;
mod folders;
mod keeper;
mod postmaster;
mod restore;
mod spawn;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;

pub use backup::{Backup, backup};
pub use error::PostgresError;
pub use restore::{Restored, restore};
pub(crate) use spawn::die_with_us;

use keeper::Keeper;

/// The oldest PostgreSQL we run on: the first with `NULLS NOT DISTINCT`, lz4 WAL and `MERGE`.
pub const MINIMUM_MAJOR: u32 = 15;

/// Which PostgreSQL to use.
#[derive(Debug, Clone)]
pub enum Source {
    /// Somebody's server: `postgres://user:password@host:port/database`.
    Url(String),
    /// A server of our own below this folder.
    Private { data_dir: PathBuf },
}

/// How to run the private server. A server named by URL ignores all of it but `bin_dir`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with `postgres`, `initdb`, `pg_dump`, … (`HEADROOM_PG_BIN`). `None`: `PATH`, then the usual places.
    pub bin_dir: Option<PathBuf>,
    /// PostgreSQL's own cache in MiB. 256 holds the demo world with room; a production host gives a quarter of its memory.
    pub shared_buffers_mib: u32,
    /// Whether a commit survives a power cut. `false` is for throw-away servers of tests only.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { bin_dir: None, shared_buffers_mib: 256, durable: true }
    }
}

/// A PostgreSQL that answered. Dropping it asks a private server that we started to stop; [`Postgres::stop`] also waits.
#[derive(Debug)]
pub struct Postgres {
    endpoint: Endpoint,
    version_num: u32,
    bin_dir: Option<PathBuf>,
    keeper: Option<Keeper>,
}

/// How to reach it.
#[derive(Debug, Clone)]
enum Endpoint {
    Url { url: String },
    Socket { folder: PathBuf },
}

impl Postgres {
    /// What sqlx needs to connect.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        match &self.endpoint {
            Endpoint::Url { url } => connect::parse(url).unwrap_or_else(|_| PgConnectOptions::new()),
            Endpoint::Socket { folder } => connect::socket(folder, connect::DATABASE),
        }
    }

    /// The address as a URL, with its password if it has one: for child processes, not for logs.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.endpoint {
            Endpoint::Url { url } => url.clone(),
            Endpoint::Socket { folder } => connect::socket_url(folder, connect::DATABASE),
        }
    }

    /// `server_version_num`, for example 150018.
    #[must_use]
    pub fn version_num(&self) -> u32 {
        self.version_num
    }

    /// The folder of the programs that belong to this server: known for a private one, `None` for a URL unless configured.
    #[must_use]
    pub fn bin_dir(&self) -> Option<&Path> {
        self.bin_dir.as_deref()
    }

    /// Whether this is a private server that this process started (and not one it found running).
    #[must_use]
    pub fn started_here(&self) -> bool {
        self.keeper.as_ref().is_some_and(Keeper::started_here)
    }

    /// Stops a private server that we started when other commands that found it running have done their work.
    pub async fn stop_when_alone(self) {
        /// Short commands take a second or two.
        const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
        if self.started_here() {
            connect::wait_until_alone(&self.connect_options(), LIMIT).await;
        }
        self.stop().await;
    }

    /// Stops a private server that we started and waits until it is down. Does nothing to any other.
    pub async fn stop(mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop().await;
        }
    }
}

/// Connects to the server named by `source`, or starts (or adopts) the private one. The database exists afterwards;
/// its schema is the caller's business.
pub async fn start(source: Source, options: Options) -> Result<Postgres, PostgresError> {
    match source {
        Source::Url(url) => {
            let version_num = connect::check_url(&url).await?;
            Ok(Postgres { endpoint: Endpoint::Url { url }, version_num, bin_dir: options.bin_dir, keeper: None })
        }
        Source::Private { data_dir } => {
            let (keeper, running) = Keeper::start(data_dir, options).await?;
            Ok(Postgres {
                endpoint: Endpoint::Socket { folder: running.sockets },
                version_num: running.version_num,
                bin_dir: Some(running.bin_dir),
                keeper: Some(keeper),
            })
        }
    }
}

/// Where a private server's data goes when nobody says: `/var/lib/headroom` as root, else `$XDG_DATA_HOME/headroom`
/// or `~/.local/share/headroom`.
pub fn default_data_dir() -> Result<PathBuf, PostgresError> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/headroom"));
    }
    // An empty or relative XDG variable is to be ignored (XDG Base Directory Specification 0.8).
    let xdg = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| home.map(|home| home.join(".local/share")))
        .map(|base| base.join("headroom"))
        .ok_or(PostgresError::NoDataDir)
}
