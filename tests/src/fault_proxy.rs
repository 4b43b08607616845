//! A proxy before PostgreSQL that breaks what lies between: a server is cut off from its database, or waits for it, while others
//! are not and do not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections end, in the middle of whatever they say, and new ones are refused.
    Cut,
    /// What is asked arrives so much later.
    Late(Duration),
    /// Nothing arrives in either direction, and no connection ends. When that is over what was held back arrives.
    Stall,
    /// Nothing that is asked arrives; answers do. When that is over what was asked arrives.
    Hold,
}

/// What is broken, and for which connections: those that say this name when they begin, or all.
type Broken = (Fault, Option<&'static str>);

/// The proxy; it ends with the value.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    broken: watch::Sender<Broken>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Listens before the socket of a private PostgreSQL.
    pub async fn before(socket_folder: &Path) -> Result<Self> {
        let socket: PathBuf = socket_folder.join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (broken, present) = watch::channel((Fault::None, None));
        let task = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (socket, present) = (socket.clone(), present.clone());
                tokio::spawn(async move {
                    // Who connects says its name first.
                    let mut start = vec![0; 8 * 1024];
                    let Ok(size @ 1..) = from.read(&mut start).await else { return };
                    start.truncate(size);
                    let mut line = Line { present, name: String::from_utf8_lossy(&start).into_owned() };
                    if line.fault() == Fault::Cut {
                        return;
                    }
                    let Ok(to) = UnixStream::connect(&socket).await else { return };
                    let (from_read, from_write) = from.into_split();
                    let (to_read, to_write) = to.into_split();
                    tokio::select! {
                        // Who has gone is told to the other side, as a kernel would.
                        () = pass(from_read, to_write, line.clone(), start) => {}
                        () = pass(to_read, from_write, line.clone(), Vec::new()) => {}
                        () = line.until(|fault| fault == Fault::Cut) => {}
                    }
                });
            }
        });
        Ok(Self { address, broken, task })
    }

    /// The address of a database behind it.
    pub fn url(&self, direct: &str) -> Result<String> {
        let mut url = url::Url::parse(direct).context("the database's address is not a URL")?;
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).context("a host")?;
        url.set_port(Some(self.address.port())).ok().context("a port")?;
        url.query_pairs_mut().append_pair("sslmode", "disable");
        Ok(url.into())
    }

    /// Breaks this from now on, or nothing any more.
    pub fn set(&self, fault: Fault) {
        self.broken.send_replace((fault, None));
    }

    /// Breaks this for connections of one name, such as `headroom slots`, and nothing for others.
    pub fn set_for(&self, name: &'static str, fault: Fault) {
        self.broken.send_replace((fault, Some(name)));
    }
}

/// One connection, and what is broken for it.
#[derive(Debug, Clone)]
struct Line {
    present: watch::Receiver<Broken>,
    /// What it said when it began.
    name: String,
}

impl Line {
    fn fault(&self) -> Fault {
        fault_of(*self.present.borrow(), &self.name)
    }

    /// Waits until something is broken, or nothing; for ever if the proxy ends.
    async fn until(&mut self, holds: impl Fn(Fault) -> bool) {
        let name = &self.name;
        if self.present.wait_for(|broken| holds(fault_of(*broken, name))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn fault_of((fault, of): Broken, name: &str) -> Fault {
    if of.is_none_or(|of| name.contains(of)) { fault } else { Fault::None }
}

/// Passes on what one side says, until it has no more to say. The one who asks has said something already.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut line: Line, start: Vec<u8>) {
    let is_question = !start.is_empty();
    let mut said = start;
    loop {
        if said.is_empty() {
            let mut buffer = vec![0; 64 * 1024];
            let Ok(size @ 1..) = from.read(&mut buffer).await else { return };
            buffer.truncate(size);
            said = buffer;
        }
        match line.fault() {
            Fault::Late(by) if is_question => tokio::time::sleep(by).await,
            Fault::Hold if is_question => line.until(|fault| fault != Fault::Hold).await,
            Fault::Stall => line.until(|fault| fault != Fault::Stall).await,
            _ => {}
        }
        if to.write_all(&std::mem::take(&mut said)).await.is_err() {
            return;
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
