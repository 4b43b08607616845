//! The built `headroom`, started as a person would start it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::workspace::target;

/// How long a start may take; making the demo world on a loaded machine is the longest.
const START_LIMIT: Duration = Duration::from_mins(5);

/// How long an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// The line with which the service says where it listens.
const READY: &str = "headroom listening on ";

/// The built program: as told by `HEADROOM_BIN`, else the debug build.
pub fn program() -> Result<PathBuf> {
    let path = std::env::var_os("HEADROOM_BIN").map_or_else(|| target().join("debug/headroom"), PathBuf::from);
    if !path.is_file() {
        bail!(
            "{} does not exist: run `cargo build -p headroom-server --bin headroom`, or set HEADROOM_BIN",
            path.display()
        );
    }
    Ok(path)
}

/// A command of the built program in a neutral environment: UTC, and no setting of the machine's own.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program()?);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("HEADROOM_") || name_text.starts_with("PG") || name_text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    if let Some(programs) = std::env::var_os("HEADROOM_PG_BIN") {
        command.env("HEADROOM_PG_BIN", programs);
    }
    command.env("TZ", "UTC").args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Runs a command of the built program to its end.
pub fn run(arguments: &[&str]) -> Result<Output> {
    command(arguments)?.output().context("cannot run headroom")
}

/// A folder for `--data-dir` that PostgreSQL's user can enter; it goes when the value is dropped.
pub fn data_dir() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("headroom-test-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// A running service. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    child: Child,
    url: String,
    stderr: PathBuf,
    stdout: Arc<Mutex<Vec<String>>>,
    _log: TempDir,
}

impl Service {
    /// Starts the built program on a free port and waits until it listens. `arguments` begin with its subcommand,
    /// for example `["serve", "--database-url", url]`.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::spawn(command(arguments)?)
    }

    /// The same with a command that the caller has prepared.
    pub fn spawn(command: Command) -> Result<Self> {
        Self::spawn_on(command, "127.0.0.1:0")
    }

    /// The same on an address that has to be known before.
    pub fn spawn_on(mut command: Command, listen: &str) -> Result<Self> {
        let log = tempfile::tempdir()?;
        let stderr = log.path().join("stderr");
        command.args(["--listen", listen]).stdout(Stdio::piped()).stderr(File::create(&stderr)?);
        let mut child = command.spawn().context("cannot start headroom")?;
        let stdout = child.stdout.take().context("its output is piped")?;

        // The reader goes on to the end, so that the service never meets a full or broken pipe.
        let (sender, receiver) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(mut lines) = lines.lock() {
                    lines.push(line.clone());
                }
                if let Some(url) = line.strip_prefix(READY) {
                    let _ = sender.send(url.trim().to_owned());
                }
            }
        });
        match receiver.recv_timeout(START_LIMIT) {
            Ok(url) => Ok(Self { child, url, stderr, stdout: said, _log: log }),
            Err(reason) => {
                let _ = child.kill();
                let status = child.wait()?;
                let said = fs::read_to_string(&stderr).unwrap_or_default();
                match reason {
                    RecvTimeoutError::Timeout => {
                        bail!("headroom did not listen within {START_LIMIT:?}; it said:\n{said}")
                    }
                    RecvTimeoutError::Disconnected => {
                        bail!("headroom ended with {status} before it listened; it said:\n{said}")
                    }
                }
            }
        }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// The address of a path on it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The first line with a text in it that it has written, or writes soon, to standard output.
    pub fn line(&self, text: &str) -> Result<String> {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            let found =
                self.stdout.lock().ok().and_then(|lines| lines.iter().find(|line| line.contains(text)).cloned());
            if let Some(line) = found {
                return Ok(line);
            }
            if Instant::now() > deadline {
                bail!("headroom did not say {text:?} within {STOP_LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in its tracks, without its knowing, until [`Service::go_on`].
    pub fn freeze(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGSTOP)?)
    }

    /// Lets it go on.
    pub fn go_on(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGCONT)?)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, as a service manager does, and returns how it ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("headroom did not stop within {STOP_LIMIT:?}; it said:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Gone already after `kill` and `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until no process of a PostgreSQL works in a data directory, as after [`Service::kill`].
pub fn wait_for_postgres_to_end(data_dir: &Path) -> Result<()> {
    let pid_file = data_dir.join("postgres/postmaster.pid");
    let deadline = Instant::now() + STOP_LIMIT;
    while pid_file.exists() {
        if Instant::now() > deadline {
            bail!("PostgreSQL in {} did not end within {STOP_LIMIT:?}", data_dir.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
