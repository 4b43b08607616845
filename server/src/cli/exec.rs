//! `headroom exec`: slots are held while a command runs.

use super::length::length;
use crate::postgres::die_with_us;
use clap::{Args, ValueEnum};
use headroom_slots::{
    Ask, CancellationToken, Client, Error, Granted, Keeping, Lease, Notice, NoticeKind, Outcome, Report, State,
};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

/// The command line makes no sense (`EX_USAGE`).
pub(super) const USAGE: u8 = 64;
/// The server cannot be reached or cannot answer (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;
/// No slots (`EX_TEMPFAIL`).
const NOT_ACQUIRED: u8 = 75;
/// The lease was lost while the command ran.
const LOST: u8 = 76;
/// The token is not good for this (`EX_NOPERM`).
const NOT_ALLOWED: u8 = 77;
/// The command cannot be started, or is not there; as shells say it.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
/// A signal's number is added to this, as shells do.
const SIGNALLED: u8 = 128;

/// How long a server that does not answer is asked again, beyond the time to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is done when the holder is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnNotice {
    /// Send SIGTERM
    Term,
    /// Send SIGINT
    Int,
    /// Send SIGHUP
    Hup,
    /// Send SIGQUIT
    Quit,
    /// Send SIGUSR1
    Usr1,
    /// Send SIGUSR2
    Usr2,
    /// Only say so; the slots are taken when the notice is over
    Ignore,
}

impl OnNotice {
    fn signal(self) -> Option<Signal> {
        match self {
            Self::Term => Some(Signal::SIGTERM),
            Self::Int => Some(Signal::SIGINT),
            Self::Hup => Some(Signal::SIGHUP),
            Self::Quit => Some(Signal::SIGQUIT),
            Self::Usr1 => Some(Signal::SIGUSR1),
            Self::Usr2 => Some(Signal::SIGUSR2),
            Self::Ignore => None,
        }
    }
}

/// Hold slots while a command runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:  export HEADROOM_URL=https://headroom.example.org HEADROOM_TOKEN=hr_...
          headroom exec --pool ci-runners --tenant web --wait 10m -- make test

The token needs the scope `allocate` and comes from HEADROOM_TOKEN or --token-file, never from the command line,
where others can read it. The lease is renewed in the background and given back when the command ends, with its
outcome and how long it ran.

The command finds in its environment:
  HEADROOM_POOL, HEADROOM_CLAIM      the pool and the claim's id
  HEADROOM_SLOT, HEADROOM_FENCE      the first slot's number and its fence
  HEADROOM_SLOTS, HEADROOM_FENCES    all of them, separated by commas
Pass the fence along with each write to what the slot protects: it refuses one that is lower than it has seen, or
asks POST /api/v1/fences/verify.

Signals: INT, TERM, HUP, QUIT, USR1 and USR2 are passed on to the command. On a terminal INT and QUIT reach it
directly. If the lease is lost the command and what it started get TERM, and KILL after --grace. If this program is
killed the command gets TERM.

Exit codes:
  the command's own, or 128 + n if signal n ended it
  64   the command line, the pool or the tenant makes no sense
  69   the server is not reached, or cannot answer now
  75   no slots: refused, or waited too long
  76   the lease was lost while the command ran
  77   the token is missing, or not good for this
  126, 127   the command cannot be started, or is not there
Whose command uses 75 or 76 itself can choose others with --not-acquired-code and --lost-code.")]
pub(super) struct Exec {
    /// Slug of the pool
    #[arg(long, value_name = "SLUG")]
    pool: String,
    /// Slug of the tenant that holds the slots
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// How many slots, all or none
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    slots: u32,
    /// How long to wait for them, such as 30s or 10m
    #[arg(long, default_value = "0s", value_parser = length)]
    wait: Duration,
    /// Time to live of the lease between renewals, from 1s [default: the pool's]
    #[arg(long, value_parser = length)]
    ttl: Option<Duration>,
    /// Who holds the slots, as pages show it [default: the machine's name and the process's number]
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// 0 to 9, higher first [default: the tenant's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Where the command runs; slots that were last used there are preferred
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Only slots of this shard of data
    #[arg(long)]
    shard: Option<u16>,
    /// Address of the server
    #[arg(long, env = "HEADROOM_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// File with the API token [default: the variable HEADROOM_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What the command gets when the slots are needed or taken out of service
    #[arg(long, value_enum, default_value_t = OnNotice::Term, value_name = "SIGNAL")]
    on_notice: OnNotice,
    /// Time between TERM and KILL when the lease is lost
    #[arg(long, default_value = "10s", value_parser = length)]
    grace: Duration,
    /// How often to say that the holder is alive; 0s for never
    #[arg(long, default_value = "5s", value_parser = length)]
    beat: Duration,
    /// Exit code for: no slots
    #[arg(long, default_value_t = NOT_ACQUIRED, value_name = "CODE")]
    not_acquired_code: u8,
    /// Exit code for: the lease was lost
    #[arg(long, default_value_t = LOST, value_name = "CODE")]
    lost_code: u8,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Says something to the person behind the command.
fn say(text: &str) {
    eprintln!("headroom exec: {text}");
}

/// The signals that are passed on.
struct Signals([(Signal, unix::Signal); 6]);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let on = |kind: SignalKind| unix::signal(kind);
        Ok(Self([
            (Signal::SIGINT, on(SignalKind::interrupt())?),
            (Signal::SIGTERM, on(SignalKind::terminate())?),
            (Signal::SIGHUP, on(SignalKind::hangup())?),
            (Signal::SIGQUIT, on(SignalKind::quit())?),
            (Signal::SIGUSR1, on(SignalKind::user_defined1())?),
            (Signal::SIGUSR2, on(SignalKind::user_defined2())?),
        ]))
    }

    async fn next(&mut self) -> Signal {
        let waits = self.0.iter_mut().map(|(signal, stream)| {
            Box::pin(async move {
                // A stream of signals has no end.
                let _ = stream.recv().await;
                *signal
            })
        });
        futures::future::select_all(waits).await.0
    }

    /// The next one that asks a program to end.
    async fn end(&mut self) -> Signal {
        loop {
            match self.next().await {
                Signal::SIGUSR1 | Signal::SIGUSR2 => {}
                signal => return signal,
            }
        }
    }
}

fn code_of(signal: Signal) -> u8 {
    SIGNALLED + signal as u8
}

/// The machine's name, for people.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.chars().take(80).collect() }
}

/// The API token: from a file, or from the environment.
pub(crate) fn token(file: Option<&PathBuf>) -> Result<String, String> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("the token cannot be read from {}: {error}", path.display()))?,
        None => std::env::var("HEADROOM_TOKEN").unwrap_or_default(),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err("no API token: set HEADROOM_TOKEN, or name a file with --token-file; `headroom token create NAME --scope allocate` makes one".to_owned());
    }
    Ok(text.to_owned())
}

/// The running command.
struct Running {
    child: Child,
    pid: Pid,
    /// Whether it leads a group of its own.
    has_group: bool,
}

impl Running {
    /// To the command alone.
    fn send(&self, signal: Signal) {
        // One that has ended needs nothing.
        let _ = kill(self.pid, signal);
    }

    /// To the command and what it started, where that can be told apart from us.
    fn send_all(&self, signal: Signal) {
        let _ = if self.has_group { killpg(self.pid, signal) } else { kill(self.pid, signal) };
    }
}

impl Exec {
    pub(super) async fn run(self) -> ExitCode {
        ExitCode::from(self.code().await)
    }

    async fn code(&self) -> u8 {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                say(&format!("signals cannot be received: {error}"));
                return UNAVAILABLE;
            }
        };
        let client = token(self.token_file.as_ref())
            .and_then(|token| Client::new(&self.url, &token).map_err(|error| error.to_string()));
        let client = match client {
            Ok(client) => client.with_patience(PATIENCE),
            Err(text) => {
                say(&text);
                return NOT_ALLOWED;
            }
        };
        let granted = match self.acquire(&client, &mut signals).await {
            Ok(granted) => granted,
            Err(code) => return code,
        };
        let beat_every = Some(self.beat).filter(|every| !every.is_zero());
        let keeping = Keeping { ttl: self.ttl, beat_every, ..Keeping::default() };
        let lease = client.keep(granted, keeping);
        let running = match self.spawn(lease.granted()) {
            Ok(running) => running,
            Err(error) => {
                say(&format!("{} cannot be started: {error}", self.command[0].display()));
                let _ = lease.release(&Report::cancelled()).await;
                return if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            }
        };
        self.attend(running, lease, &mut signals).await
    }

    /// Claims, and leaves the queue when asked to end meanwhile. The error is an exit code.
    async fn acquire(&self, client: &Client, signals: &mut Signals) -> Result<Granted, u8> {
        let ask = Ask {
            slots: self.slots,
            wait: self.wait,
            ttl: self.ttl,
            priority: self.priority,
            node: self.node.clone(),
            shard: self.shard,
            holder: Some(self.holder.clone().unwrap_or_else(|| format!("{}:{}", machine(), std::process::id()))),
            ..Ask::new(self.tenant.as_str())
        };
        let given_up = CancellationToken::new();
        let claiming = client.claim_unless(&self.pool, &ask, &given_up);
        tokio::pin!(claiming);
        let mut ended_by = None;
        loop {
            tokio::select! {
                result = &mut claiming => return result.map_err(|error| self.not_acquired(&error, ended_by)),
                signal = signals.end() => {
                    if let Some(first) = ended_by {
                        return Err(code_of(first));
                    }
                    // The claim may be in the queue already: it has to be taken out.
                    given_up.cancel();
                    ended_by = Some(signal);
                }
            }
        }
    }

    fn not_acquired(&self, error: &Error, ended_by: Option<Signal>) -> u8 {
        if let Some(signal) = ended_by {
            return code_of(signal);
        }
        let (text, code) = match error {
            Error::Refused { reason, detail, .. } => {
                let hint = if self.wait.is_zero() { "; --wait 10m waits for its turn" } else { "" };
                (format!("no slots of {}: {detail} ({reason}){hint}", self.pool), self.not_acquired_code)
            }
            Error::GivenUp | Error::Lost(_) => (format!("no slots of {}: {error}", self.pool), self.not_acquired_code),
            Error::Unknown(_) => {
                (format!("{error}; slots that were claimed come back when their lease ends"), UNAVAILABLE)
            }
            Error::Unavailable { .. } | Error::Unreachable(_) => {
                (format!("{}: {error}; --url names the server", self.url), UNAVAILABLE)
            }
            Error::Unauthorised(_) => (error.to_string(), NOT_ALLOWED),
            Error::Invalid(_) => (error.to_string(), USAGE),
        };
        say(&text);
        code
    }

    fn spawn(&self, granted: &Granted) -> std::io::Result<Running> {
        let list = |numbers: Vec<String>| numbers.join(",");
        let first = granted.slots.first();
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .env("HEADROOM_POOL", &granted.pool)
            .env("HEADROOM_CLAIM", granted.claim.to_string())
            .env("HEADROOM_SLOT", first.map(|held| held.slot.to_string()).unwrap_or_default())
            .env("HEADROOM_FENCE", first.map(|held| held.fence.to_string()).unwrap_or_default())
            .env("HEADROOM_SLOTS", list(granted.slots.iter().map(|held| held.slot.to_string()).collect()))
            .env("HEADROOM_FENCES", list(granted.slots.iter().map(|held| held.fence.to_string()).collect()));
        // On a terminal the command must be in the foreground group to read it, which is ours. Elsewhere it gets a group of its
        // own, so that what it started can be ended with it.
        let has_group = !std::io::stdin().is_terminal();
        if has_group {
            command.process_group(0);
        }
        die_with_us(&mut command, Signal::SIGTERM);
        let child = command.spawn()?;
        let pid = child.id().map(|id| Pid::from_raw(id.cast_signed())).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Running { child, pid, has_group })
    }

    /// Passes signals on, watches the lease, and gives it back at the end.
    async fn attend(&self, mut running: Running, lease: Lease, signals: &mut Signals) -> u8 {
        let started = Instant::now();
        let mut status = lease.watch();
        let (mut is_lost, mut was_noticed, mut was_ended) = (false, false, false);
        let mut kill_at: Option<Instant> = None;
        let ended: std::io::Result<ExitStatus> = loop {
            tokio::select! {
                ended = running.child.wait() => break ended,
                signal = signals.next() => {
                    was_ended |= !matches!(signal, Signal::SIGUSR1 | Signal::SIGUSR2);
                    let terminal_told_it = !running.has_group && matches!(signal, Signal::SIGINT | Signal::SIGQUIT);
                    if !terminal_told_it {
                        running.send(signal);
                    }
                }
                Ok(()) = status.changed(), if !is_lost => {
                    let now = status.borrow_and_update().clone();
                    if let State::Lost(why) = now.state {
                        is_lost = true;
                        say(&format!("the lease is lost, the command is ended: {why}"));
                        running.send_all(Signal::SIGTERM);
                        kill_at = Some(Instant::now() + self.grace);
                    } else if let Some(notice) = now.notice.filter(|_| !was_noticed) {
                        was_noticed = true;
                        self.tell(&running, notice);
                    }
                }
                () = until(kill_at), if kill_at.is_some() => {
                    say("the command did not end, and is killed");
                    running.send_all(Signal::SIGKILL);
                    kill_at = None;
                }
            }
        };
        let status = match ended {
            Ok(status) => status,
            Err(error) => {
                say(&format!("how the command ended is not known: {error}"));
                let _ = lease.release(&Report::cancelled()).await;
                return CANNOT_RUN;
            }
        };
        if is_lost {
            // What the command left behind must not go on either.
            running.send_all(Signal::SIGKILL);
            return self.lost_code;
        }
        let outcome = match status.success() {
            true => Outcome::Ok,
            false if was_noticed || was_ended => Outcome::Cancelled,
            false => Outcome::Failed,
        };
        let report = Report { node: self.node.clone(), shard: self.shard, ..Report::new(outcome, started.elapsed()) };
        match lease.release(&report).await {
            Ok(()) => {}
            Err(error @ Error::Lost(_)) => {
                say(&format!("{error}; the command may have worked without it"));
                return self.lost_code;
            }
            Err(error) => {
                say(&format!("the slots could not be given back, and come back when the lease ends: {error}"));
            }
        }
        own_code(status)
    }

    fn tell(&self, running: &Running, notice: Notice) {
        let why = match notice.kind {
            NoticeKind::Preempt => "somebody else needs the slots",
            NoticeKind::Drain => "the slots are taken out of service",
        };
        let left = notice.by.saturating_duration_since(Instant::now()).as_secs();
        match self.on_notice.signal() {
            Some(signal) => {
                say(&format!("{why} in {left} s, the command gets {signal}"));
                running.send_all(signal);
            }
            None => say(&format!("{why} in {left} s")),
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A command's own code, as a shell would give it.
fn own_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => SIGNALLED.wrapping_add(signal as u8),
        (None, None) => CANNOT_RUN,
    }
}
