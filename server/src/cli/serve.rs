//! `headroom serve`.

use super::outside::Outside;
use super::{Open, Place, plain};
use crate::app::App;
use crate::connections::Tls;
use crate::net::Range;
use crate::outward::Outward;
use crate::serve::{self, Options, Server};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serve the dashboard and the API.
#[derive(Debug, Args)]
pub(super) struct ServeVerb {
    #[command(flatten)]
    serve: Serve,
    /// Certificate chain in PEM: the server speaks TLS itself. A renewed file is taken into use within a minute
    #[arg(long, env = "HEADROOM_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, env = "HEADROOM_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    outside: Outside,
}

/// How a server listens.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on; port 0 takes a free one. Beyond loopback it needs --tls-cert, a proxy that speaks TLS, or --insecure-http
    #[arg(long, env = "HEADROOM_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(super) listen: SocketAddr,
    /// Proxy in front whose word about addresses and https is believed, such as 10.0.0.0/8; repeat for several
    #[arg(long = "trusted-proxy", env = "HEADROOM_TRUSTED_PROXIES", value_delimiter = ',', value_name = "RANGE")]
    pub(super) trusted_proxies: Vec<Range>,
    /// Listen beyond loopback although passwords and cookies travel unencrypted
    #[arg(long, env = "HEADROOM_INSECURE_HTTP")]
    pub(super) insecure_http: bool,
    /// Let tests move the database's clock; a release build refuses it
    #[arg(long, env = "HEADROOM_TEST_CLOCK")]
    pub(super) test_clock: bool,
    /// Address at which other servers on the same database reach this one, such as http://10.0.0.5:8080; the one it listens on if it is left out
    #[arg(long, env = "HEADROOM_PEER_URL", value_name = "URL")]
    pub(super) peer_url: Option<String>,
    /// Do not run background jobs in this process
    #[arg(long, env = "HEADROOM_NO_JOBS")]
    pub(super) no_jobs: bool,
}

impl ServeVerb {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        let outward = self.outside.read()?;
        let tls = self.tls().await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = self.serve.listener(tls.is_some()).await?;
        let open = place.open().await?;
        check_clock(&open.app, self.serve.test_clock).await?;
        let mut stop = Stop::listen()?;
        let server = self.serve.start(&open, listener, tls, outward)?;
        if let Some(code) = open.app.setup_code().await.map_err(plain)? {
            println!("no account yet: open {scheme}://{}/setup and type the one-time code {code}", server.address);
        }
        let failed = tokio::select! {
            () = stop.asked() => false,
            () = server.failed() => true,
        };
        tracing::info!("stopping");
        server.stop().await;
        open.postgres.stop().await;
        ensure!(!failed, "a part of the server failed, the log says which; start it again");
        Ok(())
    }

    /// Reads the certificate before anything slow, so that a wrong file is told at once.
    async fn tls(&self) -> Result<Option<Tls>> {
        let Some((certificate, key)) = self.tls_cert.as_ref().zip(self.tls_key.as_ref()) else { return Ok(None) };
        let tls = Tls::read(certificate, key).await.with_context(|| {
            format!("cannot use the certificate {} with the key {}", certificate.display(), key.display())
        })?;
        Ok(Some(tls))
    }
}

impl Serve {
    /// Takes the address before anything slow, so that a taken port is told at once.
    pub(super) async fn listener(&self, has_tls: bool) -> Result<TcpListener> {
        let is_safe = self.listen.ip().is_loopback() || has_tls || !self.trusted_proxies.is_empty();
        if !is_safe && !self.insecure_http {
            bail!(
                "{} is not on loopback, and passwords would travel unencrypted: name a certificate with --tls-cert and --tls-key, put a proxy with TLS in front and name it with --trusted-proxy, or accept that with --insecure-http",
                self.listen.ip()
            );
        }
        TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another port with --listen 127.0.0.1:0", self.listen))
    }

    pub(super) fn start(
        &self,
        open: &Open,
        listener: TcpListener,
        tls: Option<Tls>,
        outward: Outward,
    ) -> Result<Server> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let options = Options {
            no_jobs: self.no_jobs,
            proxies: self.trusted_proxies.clone(),
            tls,
            outward,
            peer_url: self.peer_url.clone(),
        };
        let server = serve::start(open.app.db.clone(), listener, options)?;
        println!("headroom listening on {scheme}://{}", server.address);
        Ok(server)
    }
}

/// A test clock is a way to lie about time: only a server that was started for tests may find one.
async fn check_clock(app: &App, allowed: bool) -> Result<()> {
    if allowed && !cfg!(debug_assertions) {
        bail!("--test-clock is refused by a release build");
    }
    let set = headroom_store::has_test_clock(&mut *app.db.jobs.acquire().await?).await?;
    if set && !allowed {
        bail!("this database has a test clock; start with --test-clock, or empty the table test_clock");
    }
    Ok(())
}

/// An interrupt or a request to end. It counts from the moment this is made, so it is made before the server says that it
/// is ready: whoever asks right after that gets an orderly end too.
#[derive(Debug)]
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
