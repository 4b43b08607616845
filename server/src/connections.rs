//! Connections: plain, or with TLS by certificates from files that may be replaced while the server runs.

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// Requests that are under way when the server is asked to stop have this long.
const GRACE: Duration = Duration::from_secs(8);
/// The head of a request arrives within this: whoever sends it byte by byte keeps a connection for nothing.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// How often is looked whether the certificate was renewed.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Certificates, read and found to fit.
#[derive(Debug, Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
    read: Option<SystemTime>,
}

/// When a file was written last.
fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

/// The routes, told who is at the other end of each connection.
type Service = IntoMakeServiceWithConnectInfo<Router, SocketAddr>;

/// Answers connections until told to end.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Service,
    ended: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (listener, handle) = (listener.into_std()?, Handle::new());
    let stopping = handle.clone();
    let stop = tokio::spawn(async move {
        ended.await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    let mut server = axum_server::from_tcp(listener)?.handle(handle).acceptor(NoDelayAcceptor);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let served = match tls {
        None => server.serve(app).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.config.clone()).acceptor(NoDelayAcceptor);
            let renewal = tokio::spawn(tls.renew());
            let served = server.acceptor(acceptor).serve(app).await;
            renewal.abort();
            served
        }
    };
    stop.abort();
    served
}

impl Tls {
    /// Reads a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// If a file cannot be read, or they do not fit each other.
    pub async fn read(certificate: &Path, key: &Path) -> io::Result<Self> {
        // Two kinds of cryptography may be linked in; this one is meant.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let read = written(certificate);
        let config = RustlsConfig::from_pem_file(certificate, key).await?;
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config, read })
    }

    /// Takes a renewed certificate into use. One that cannot be read leaves the old one in use.
    async fn renew(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = written(&self.certificate);
            if now == self.read {
                continue;
            }
            match self.config.reload_from_pem_file(&self.certificate, &self.key).await {
                Ok(()) => {
                    self.read = now;
                    tracing::info!("the renewed certificate is in use");
                }
                Err(error) => {
                    tracing::warn!(%error, "the renewed certificate cannot be read yet; the old one stays in use");
                }
            }
        }
    }
}
