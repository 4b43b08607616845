//! A proxy before PostgreSQL that can be told to let nothing through: a server is cut off from its database while others are not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// The proxy; it ends with the value.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Listens before the socket of a private PostgreSQL.
    pub async fn before(socket_folder: &Path) -> Result<Self> {
        let socket: PathBuf = socket_folder.join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cut, is_cut) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (socket, mut is_cut) = (socket.clone(), is_cut.clone());
                tokio::spawn(async move {
                    if *is_cut.borrow() {
                        return;
                    }
                    let Ok(mut to) = UnixStream::connect(&socket).await else { return };
                    // Connections there are end with the cut, in the middle of whatever they say.
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Ok(Self { address, cut, task })
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

    /// Lets nothing through from now on, or everything again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
