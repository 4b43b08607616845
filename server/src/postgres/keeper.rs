//! The thread that owns the private server: starts or adopts it, brings it back when it dies, stops it at the end.
//!
//! A thread of its own, because the kernel tells the server that its parent is gone when the *thread* that started it ends,
//! and the runtime's worker threads come and go.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::cluster::{self, Cluster, Server};
use super::{Options, PostgresError};

/// The pauses between attempts to bring a server back, from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A handle on the thread. Dropping it asks the thread to stop the server.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Dropped to ask for the end.
    stop: oneshot::Sender<()>,
    /// Closed when the end has been reached.
    done: oneshot::Receiver<()>,
    started_here: bool,
}

/// What the rest of the program needs to know about the server.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) sockets: PathBuf,
    pub(super) version_num: u32,
    pub(super) bin_dir: PathBuf,
    started_here: bool,
}

impl Keeper {
    pub(super) async fn start(data_dir: PathBuf, options: Options) -> Result<(Self, Running), PostgresError> {
        let (stop, stop_asked) = oneshot::channel();
        let (done_sender, done) = oneshot::channel();
        let (ready_sender, ready) = oneshot::channel();
        std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                // Held to the end of the thread.
                let _done_sender = done_sender;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(keep(data_dir, options, ready_sender, stop_asked)),
                    Err(source) => {
                        let _ = ready_sender.send(Err(PostgresError::Io {
                            action: "start a runtime for",
                            path: data_dir,
                            source,
                        }));
                    }
                }
            })
            .map_err(|source| PostgresError::Io {
                action: "start a thread for",
                path: PathBuf::from("PostgreSQL"),
                source,
            })?;
        let running = ready.await.map_err(|_| PostgresError::KeeperGone)??;
        let keeper = Self { stop, done, started_here: running.started_here };
        Ok((keeper, running))
    }

    pub(super) fn started_here(&self) -> bool {
        self.started_here
    }

    /// Stops the server if we started it, and waits for its end.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // Always an error: nothing is sent, the other end is dropped.
        let _ = self.done.await;
    }
}

async fn keep(
    data_dir: PathBuf,
    options: Options,
    ready: oneshot::Sender<Result<Running, PostgresError>>,
    mut stop_asked: oneshot::Receiver<()>,
) {
    let mut starting = None;
    let (cluster, mut server) = match first_start(data_dir, options, &mut starting).await {
        Ok(started) => started,
        Err(error) => {
            stop_half_started(starting).await;
            let _ = ready.send(Err(error));
            return;
        }
    };
    let running = Running {
        sockets: server.sockets.clone(),
        version_num: server.version_num,
        bin_dir: cluster.bin_dir().to_owned(),
        started_here: server.is_ours(),
    };
    if ready.send(Ok(running)).is_err() {
        // Nobody waited for it.
        server.stop().await;
        return;
    }
    loop {
        tokio::select! {
            _ = &mut stop_asked => {
                server.stop().await;
                return;
            }
            how = server.ended(cluster.path()) => {
                tracing::error!(%how, "the private PostgreSQL has ended; bringing it back");
            }
        }
        let again = tokio::select! {
            _ = &mut stop_asked => None,
            server = bring_back(&cluster, &mut starting) => Some(server),
        };
        match again {
            Some(again) => server = again,
            None => return stop_half_started(starting).await,
        }
    }
}

async fn first_start(
    data_dir: PathBuf,
    options: Options,
    starting: &mut Option<Child>,
) -> Result<(Cluster, Server), PostgresError> {
    let cluster = Cluster::open(&data_dir, options).await?;
    let server = cluster.start_or_adopt(starting).await?;
    Ok((cluster, server))
}

/// Tries until it works: while PostgreSQL is away, every door answers "unavailable", and a person may be freeing disk space.
async fn bring_back(cluster: &Cluster, starting: &mut Option<Child>) -> Server {
    let mut pause = FIRST_PAUSE;
    loop {
        match cluster.start_or_adopt(starting).await {
            Ok(server) => {
                tracing::info!("the private PostgreSQL is back");
                return server;
            }
            Err(error) => {
                tracing::error!(%error, again_in = ?pause, "the private PostgreSQL did not come back");
            }
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn stop_half_started(starting: Option<Child>) {
    if let Some(child) = starting {
        cluster::stop(child).await;
    }
}
