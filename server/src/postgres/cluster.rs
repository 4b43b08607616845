//! One private server: made on first use, started or adopted, stopped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::account::Account;
use super::binaries::{self, Binaries};
use super::folders::{Folders, rotate_log};
use super::{Options, PostgresError, connect, postmaster, spawn};

/// How often we look whether a server answers, or a process or a lock is gone.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long another process of ours may hold the lock: the time of a start with recovery, and some more.
const LOCK_LIMIT: Duration = Duration::from_mins(11);

/// How long a start may take. Recovery replays at most `max_wal_size`, minutes on a slow disk.
const START_LIMIT: Duration = Duration::from_mins(10);

/// How long a fast shutdown may take (it writes a checkpoint) before we ask for an immediate one.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// A private server's place, programs and account.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    folders: Folders,
    account: Account,
    binaries: Binaries,
    options: Options,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) sockets: PathBuf,
    pub(super) version_num: u32,
    process: Process,
}

#[derive(Debug)]
enum Process {
    Ours(Child),
    Adopted { pid: i32 },
}

impl Cluster {
    /// Finds programs, account and folders; starts nothing.
    pub(super) async fn open(data_dir: &Path, options: Options) -> Result<Self, PostgresError> {
        let mut folders = Folders::open(data_dir)?;
        let account = Account::choose(&folders.cluster)?;
        folders.prepare(&account)?;
        let binaries = binaries::find(options.bin_dir.as_deref(), &folders.cluster).await?;
        Ok(Self { folders, account, binaries, options })
    }

    pub(super) fn bin_dir(&self) -> &Path {
        &self.binaries.dir
    }

    pub(super) fn path(&self) -> &Path {
        &self.folders.cluster
    }

    /// Returns a server that answers and has our database: the running one, or a new one. One process at a time does this.
    ///
    /// While it starts, its process is in `starting`, so that a caller who gives up waiting can stop it.
    pub(super) async fn start_or_adopt(&self, starting: &mut Option<Child>) -> Result<Server, PostgresError> {
        let _lock = self.lock().await?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let Some(found) = postmaster::running(&self.folders.cluster) else {
                return self.start(starting).await;
            };
            // It may be starting, or on its way down because its owner has just died: then wait for the one or the other.
            let reason = match found.sockets {
                None => "it has no socket yet".to_owned(),
                Some(sockets) => match prepare_database(&sockets).await {
                    Ok(version_num) => {
                        let process = match starting.take_if(|child| child.id() == Some(found.pid.unsigned_abs())) {
                            Some(child) => Process::Ours(child),
                            None => Process::Adopted { pid: found.pid },
                        };
                        tracing::debug!(pid = found.pid, "using the private PostgreSQL that is already running");
                        return Ok(Server { sockets, version_num, process });
                    }
                    Err(Unprepared::NotYet(reason)) => reason,
                    Err(Unprepared::Broken(error)) => return Err(error),
                },
            };
            if Instant::now() > deadline {
                return Err(self.slow(reason));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for our turn. The lock ends with the file handle, so also when its holder is killed.
    async fn lock(&self) -> Result<File, PostgresError> {
        let path = &self.folders.lock;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(PostgresError::io("open the lock file", path))?;
        self.account.own(path)?;
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(PostgresError::io("lock", path)(error)),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(PostgresError::Locked {
                        data_dir: self.folders.data_dir.clone(),
                        seconds: LOCK_LIMIT.as_secs(),
                        log: self.folders.log.clone(),
                    });
                }
                Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn start(&self, starting: &mut Option<Child>) -> Result<Server, PostgresError> {
        if !self.folders.cluster.join("PG_VERSION").exists() {
            self.initdb().await?;
        }
        self.wait_for_orphans().await?;
        postmaster::clear_stale(&self.folders.cluster, &self.folders.sockets)
            .map_err(PostgresError::io("remove what a killed server left in", &self.folders.cluster))?;

        rotate_log(&self.folders.log)?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.folders.log)
            .map_err(PostgresError::io("open", &self.folders.log))?;
        self.account.own(&self.folders.log)?;
        let log_start = log.metadata().map_or(0, |meta| meta.len());

        let program = self.binaries.dir.join("postgres");
        // SIGINT is PostgreSQL's fast shutdown: should we be killed, it closes its files properly.
        let mut command = spawn::command(&program, &self.account, Signal::SIGINT);
        command
            .arg("-D")
            .arg(&self.folders.cluster)
            .arg("-k")
            .arg(&self.folders.sockets)
            .args(self.settings().iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(PostgresError::io("open", &self.folders.log))?)
            .stderr(log);
        let spawned = command.spawn().map_err(PostgresError::io("run", &program))?;
        let child = starting.insert(spawned);

        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = child.try_wait().map_err(PostgresError::io("wait for", &program))? {
                return Err(PostgresError::Start {
                    reason: self.log_since(log_start).unwrap_or_else(|| format!("it ended with {status}")),
                    log: self.folders.log.clone(),
                });
            }
            match prepare_database(&self.folders.sockets).await {
                Ok(version_num) => {
                    tracing::debug!(cluster = %self.folders.cluster.display(), "started the private PostgreSQL");
                    let process = starting.take().map(Process::Ours);
                    return Ok(Server {
                        sockets: self.folders.sockets.clone(),
                        version_num,
                        process: process.expect("it was put there above"),
                    });
                }
                Err(Unprepared::Broken(error)) => return Err(error),
                Err(Unprepared::NotYet(reason)) if Instant::now() > deadline => {
                    return Err(self.slow(reason));
                }
                Err(Unprepared::NotYet(_)) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// After a postmaster was killed its children hold the shared memory until they notice, and a new one must not start
    /// beside them.
    async fn wait_for_orphans(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + STOP_LIMIT;
        while postmaster::any_process_in(&self.folders.cluster) {
            if Instant::now() > deadline {
                return Err(PostgresError::Start {
                    reason: format!(
                        "processes of an earlier server still work in {}; end them, then start again",
                        self.folders.cluster.display()
                    ),
                    log: self.folders.log.clone(),
                });
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Makes the cluster beside its place and renames it when it is whole: a start that is killed half-way leaves nothing.
    async fn initdb(&self) -> Result<(), PostgresError> {
        let unfinished = &self.folders.unfinished;
        if unfinished.exists() {
            fs::remove_dir_all(unfinished).map_err(PostgresError::io("remove the unfinished", unfinished))?;
        }
        fs::DirBuilder::new().mode(0o700).create(unfinished).map_err(PostgresError::io("create", unfinished))?;
        self.account.own(unfinished)?;

        let program = self.binaries.dir.join("initdb");
        let mut command = spawn::command(&program, &self.account, Signal::SIGKILL);
        command
            .arg("-D")
            .arg(unfinished)
            // Whoever can enter the socket's folder is the server's user or root.
            .args(["--auth=trust", "--username=headroom"])
            // Bytes compare as bytes everywhere, and letters of any language have a lower case.
            .args(["--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8"])
            .args(["--data-checksums", "--no-instructions"])
            .stdin(Stdio::null());
        if !self.options.durable {
            command.arg("--no-sync");
        }
        let output = command.output().await.map_err(PostgresError::io("run", &program))?;
        if !output.status.success() {
            return Err(PostgresError::Initdb {
                cluster: self.folders.cluster.clone(),
                reason: last_lines(&String::from_utf8_lossy(&output.stderr))
                    .unwrap_or_else(|| format!("initdb ended with {}", output.status)),
            });
        }
        fs::rename(unfinished, &self.folders.cluster)
            .map_err(PostgresError::io("put in place", &self.folders.cluster))?;
        // The new name must survive a power cut as the files in it do.
        File::open(&self.folders.data_dir)
            .and_then(|folder| folder.sync_all())
            .map_err(PostgresError::io("sync", &self.folders.data_dir))
    }

    /// Settings given at each start, so that a new version of Headroom brings its own.
    fn settings(&self) -> Vec<String> {
        let mut settings =
            vec![format!("shared_buffers={}MB", self.options.shared_buffers_mib), "cluster_name=headroom".to_owned()];
        settings.extend(
            [
                // No TCP, and only the server's own user at the socket.
                "listen_addresses=",
                "port=5432",
                "unix_socket_permissions=0700",
                "max_connections=100",
                // Instants are instants; zones are applied by the application.
                "timezone=UTC",
                "log_timezone=UTC",
                // Packed history is written in large pieces: fewer, larger checkpoints, compressed page images.
                "max_wal_size=2GB",
                // While a segment of the log is made anew, claims wait: after a quiet time there are some to use again.
                "min_wal_size=256MB",
                "checkpoint_timeout=15min",
                "wal_compression=lz4",
                // Short queries on solid-state disks: compiling them costs more than it saves.
                "jit=off",
                "random_page_cost=1.1",
                "autovacuum_naptime=10s",
                "log_checkpoints=off",
                "log_line_prefix=%m [%p] ",
            ]
            .map(str::to_owned),
        );
        if !self.options.durable {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        settings
    }

    /// The end of what PostgreSQL has logged since this length.
    fn log_since(&self, start: u64) -> Option<String> {
        let mut file = File::open(&self.folders.log).ok()?;
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        last_lines(&String::from_utf8_lossy(&bytes))
    }

    fn slow(&self, reason: String) -> PostgresError {
        PostgresError::Slow { seconds: START_LIMIT.as_secs(), reason, log: self.folders.log.clone() }
    }
}

impl Server {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.process, Process::Ours(_))
    }

    /// Waits until the server has ended, and says how.
    pub(super) async fn ended(&mut self, cluster: &Path) -> String {
        /// An adopted server is not our child, so all we can do is look.
        const LOOK_AFTER_ADOPTED: Duration = Duration::from_millis(250);
        match &mut self.process {
            Process::Ours(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Process::Adopted { pid } => {
                while postmaster::works_in(*pid, cluster) {
                    sleep(LOOK_AFTER_ADOPTED).await;
                }
                "whoever started it has stopped it".to_owned()
            }
        }
    }

    /// Stops the server if it is ours and waits for its end.
    pub(super) async fn stop(self) {
        if let Process::Ours(child) = self.process {
            stop(child).await;
        }
    }
}

/// Stops a server and waits for its end.
pub(super) async fn stop(mut child: Child) {
    // A fast shutdown first, which closes sessions and writes a checkpoint; then one that leaves recovery to the next start.
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
        let Some(pid) = child.id() else { return };
        // It can have ended by itself meanwhile; `wait` below then returns at once.
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        if timeout(STOP_LIMIT, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(%signal, seconds = STOP_LIMIT.as_secs(), "PostgreSQL has not stopped yet");
    }
}

/// Why a server that runs cannot be used.
enum Unprepared {
    /// It does not answer now: wait.
    NotYet(String),
    /// It answers, and waiting will not help.
    Broken(PostgresError),
}

impl From<sqlx::Error> for Unprepared {
    fn from(error: sqlx::Error) -> Self {
        // A connection lost between two statements is a server going down.
        match error {
            sqlx::Error::Io(io) => Self::NotYet(io.to_string()),
            other => Self::Broken(PostgresError::Sql(other)),
        }
    }
}

/// Connects, makes our database if it is missing, and returns the server's version.
async fn prepare_database(sockets: &Path) -> Result<u32, Unprepared> {
    let options = connect::socket(sockets, "postgres");
    let mut connection = connect::open(&options).await.map_err(Unprepared::NotYet)?;
    let version_num = connect::version_num(&mut connection).await.map_err(|error| match error {
        PostgresError::Sql(sql) => Unprepared::from(sql),
        other => Unprepared::Broken(other),
    })?;
    create_database(&mut connection).await?;
    connection.close().await?;
    Ok(version_num)
}

async fn create_database(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = 'headroom')")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        sqlx::query("create database headroom").execute(connection).await?;
    }
    Ok(())
}

/// The last lines of a program's complaint as one sentence.
pub(super) fn last_lines(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(4)..];
    (!last.is_empty()).then(|| last.join("; "))
}
