//! The peer Redis: Debian's, every write on the disk before it is answered.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fleet::{Keys, held_keys};
use super::{drive, free_port};
use crate::bench::session::{self, Owned};

/// Deletes a key if it holds what is expected.
const RELEASE: &str = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";
/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(20);

/// One that runs until the value is dropped.
#[derive(Debug)]
pub(super) struct Redis {
    port: u16,
    /// What it says of itself.
    pub(super) version: String,
    _process: Owned,
    _folder: TempDir,
}

impl Redis {
    /// Starts it on an empty folder, with the slots that are held all the time.
    pub(super) async fn start() -> Result<Self> {
        let output = Command::new("redis-server").arg("--version").output().context("cannot run redis-server")?;
        let version = String::from_utf8_lossy(&output.stdout).split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        let folder = tempfile::Builder::new().prefix("headroom-redis-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder.path());
        let process = session::own(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = Owned(process.context("cannot start redis-server")?);
        let redis = Self { port, version, _process: process, _folder: folder };
        let started = Instant::now();
        let mut connection = loop {
            match Connection::open(port).await {
                Ok(connection) => break connection,
                Err(error) if started.elapsed() > START_LIMIT => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let keys: Vec<String> = held_keys().collect();
        for some in keys.chunks(1_000) {
            let mut commands = Vec::new();
            for key in some {
                encode(&mut commands, &["SET", key, "held"]);
            }
            connection.stream.write_all(&commands).await?;
            for _ in some {
                ensure!(connection.line().await? == "+OK", "a slot could not be held");
            }
        }
        Ok(redis)
    }

    /// Clients of it, each with a connection.
    pub(super) async fn clients(&self, count: usize) -> Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let mut connection = Connection::open(self.port).await?;
            connection.ask(&["SCRIPT", "LOAD", RELEASE]).await?;
            let sha = connection.line().await?;
            clients.push(Client { connection, sha, keys: Keys::new(number, count), key: String::new() });
        }
        Ok(clients)
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

fn encode(into: &mut Vec<u8>, words: &[&str]) {
    into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        into.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

impl Connection {
    async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect to Redis")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// Sends a command and returns the first line of the answer.
    async fn ask(&mut self, words: &[&str]) -> Result<String> {
        let mut command = Vec::with_capacity(256);
        encode(&mut command, words);
        self.stream.write_all(&command).await?;
        self.line().await
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.received[..end]).into_owned();
                self.received.drain(..end + 2);
                if line.starts_with('-') {
                    bail!("Redis says {line}");
                }
                return Ok(line);
            }
            ensure!(self.stream.read_buf(&mut self.received).await? > 0, "Redis closed the connection");
        }
    }
}

/// One client: a key that is not there is set, with a time to live; it is deleted if it is still ours.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    sha: String,
    keys: Keys,
    key: String,
}

impl drive::Client for Client {
    async fn claim(&mut self) -> Result<()> {
        self.key = self.keys.next();
        let answer = self.connection.ask(&["SET", &self.key, &self.keys.holder, "NX", "PX", "30000"]).await?;
        ensure!(answer == "+OK", "a claim of {} was answered {answer}", self.key);
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let answer = self.connection.ask(&["EVALSHA", &self.sha, "1", &self.key, &self.keys.holder]).await?;
        ensure!(answer == ":1", "a release of {} was answered {answer}", self.key);
        Ok(())
    }
}
