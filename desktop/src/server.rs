//! The server inside: the program `headroom`, started on a free port of this machine with a PostgreSQL of its own below the
//! person's data folder, and stopped with the window.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::address::Address;
use crate::{child, folders};

/// The server ends what is under way within ten seconds, PostgreSQL writes what it has: longer than this only what hangs takes.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// The line with which the server says where it listens.
const READY: &str = "headroom listening on ";
/// What stands before the code with which the first account is made.
const CODE: &str = "one-time code ";
/// Environment that is about other servers than this one.
const FOREIGN: [&str; 3] = ["DATABASE_URL", "HEADROOM_", "PG"];

/// Which world the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// This person's own.
    Own,
    /// The made-up one.
    Demo,
}

impl World {
    /// The subcommand, and the name of its data folder.
    fn word(self) -> (&'static str, &'static str) {
        match self {
            Self::Own => ("serve", "own"),
            Self::Demo => ("demo", "demo"),
        }
    }
}

/// What the server prints that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It listens.
    Listens(Address),
    /// There is no account; this code makes the first.
    Code(String),
}

/// The program: as told, beside this one, or where the package has it.
pub(crate) fn program(told: Option<&Path>) -> Result<PathBuf> {
    if let Some(told) = told {
        if !told.is_file() {
            bail!("{} is no program; expected the program headroom", told.display());
        }
        return Ok(told.to_owned());
    }
    let own = std::env::current_exe().context("cannot find out where this program is")?;
    let folder = own.parent().context("a program lies in a folder")?;
    let places = [folder.join("headroom"), folder.join("../lib/headroom-desktop/headroom")];
    match places.iter().find(|place| place.is_file()) {
        Some(found) => Ok(found.clone()),
        None => bail!(
            "the program headroom is not beside {}: name it with --server, or open a server elsewhere with --address",
            own.display()
        ),
    }
}

/// A server that was started.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it. Call this from the main thread: the server ends when the thread ends that started it.
    pub(crate) fn start(
        program: &Path,
        world: World,
        folder: &Path,
        further: &[OsString],
    ) -> Result<(Self, ChildStdout)> {
        folders::for_data(folder)?;
        let log = folder.join(format!("{}.log", world.word().1));
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if FOREIGN.iter().any(|foreign| text.starts_with(foreign)) && text != "HEADROOM_PG_BIN" {
                command.env_remove(&name);
            }
        }
        command.arg(world.word().0).arg("--data-dir").arg(folder.join(world.word().1));
        command.args(["--listen", "127.0.0.1:0"]).args(further);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&log).with_context(|| format!("cannot write {}", log.display()))?);
        // Asked to end, as by a service manager: it ends its PostgreSQL too.
        child::die_with_us(&mut command, Signal::SIGTERM);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        Ok((Self { child, log }, stdout))
    }

    /// The folder in which the key of the local administrator lies, beside the database that it opens.
    pub(crate) fn key_file(folder: &Path) -> PathBuf {
        folder.join("own.key")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it wrote to its log, for people.
    pub(crate) fn last_words(&self) -> String {
        const LINES: usize = 12;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Asks it to end and waits until it has; one that hangs is killed, and its PostgreSQL ends by itself then.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

/// Reads what a server prints, to its end, so that it never meets a full pipe.
pub(crate) fn read(stdout: ChildStdout, mut on_said: impl FnMut(Said)) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(said) = understand(&line) {
            on_said(said);
        }
    }
}

fn understand(line: &str) -> Option<Said> {
    if let Some(address) = line.strip_prefix(READY) {
        return Address::parse(address).ok().map(Said::Listens);
    }
    line.split_once(CODE).map(|(_, code)| Said::Code(code.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_understood() {
        let address = Address::parse("http://127.0.0.1:4711").unwrap();
        assert_eq!(understand("headroom listening on http://127.0.0.1:4711"), Some(Said::Listens(address)));
        let line = "no account yet: open http://127.0.0.1:1/setup and type the one-time code ABCD-EFGH-JKLM";
        assert_eq!(understand(line), Some(Said::Code("ABCD-EFGH-JKLM".into())));
        assert_eq!(understand("first page after 1.0 s; open http://127.0.0.1:1/overview"), None);
    }

    #[test]
    fn a_server_that_ends_at_once_leaves_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let (server, stdout) = Server::start(Path::new("/bin/false"), World::Own, folder.path(), &[]).unwrap();
        read(stdout, |said| panic!("{said:?}"));
        assert_eq!(server.last_words(), "");
        assert!(!server.stop().unwrap().success());
        assert!(Server::start(Path::new("/none"), World::Own, folder.path(), &[]).is_err());
        assert!(program(Some(Path::new("/none"))).is_err());
    }
}
