//! What a first load of `/overview` in a real browser brings over the wire: document, styles, modules, fonts, icons, with
//! their headers, as compressed as the service sends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::figures::{Goal, Report};
use crate::bench::place::Place;
use crate::browser::Browser;
use crate::people;

const GOAL: Goal = Goal::AtMost(300.0);
/// The load is over when nothing has come for this long.
const QUIET: Duration = Duration::from_secs(2);

pub(super) async fn measure(report: &mut Report) -> Result<()> {
    report.step("making the demo world");
    let place = Place::demo(&["--quiet"])?;
    people::prepare_at(place.folder()).await?;
    let address = place.service().url().trim_start_matches("http://").parse().context("it says where it listens")?;
    let meter = Meter::start(address).await?;
    let browser = Browser::start().await?;
    browser.sign_in(&format!("http://{}", meter.address)).await?;
    report.step("opening /overview in a browser that has seen nothing");
    browser.open(&format!("http://{}/overview", meter.address)).await?;
    browser.wait_until_awake().await?;
    let bytes = meter.bytes_when_quiet().await;
    let parts = parts(&browser).await?;
    browser.close().await?;
    for part in parts {
        report.note(format!("first load: {:>7} B  {}", part.bytes, part.name));
    }
    report.value("first load of /overview", bytes as f64 / 1000.0, "kB", GOAL);
    place.end()
}

/// A relay in front of the service that counts what goes to the browser, whatever asks for it.
struct Meter {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Meter {
    async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let bytes = Arc::clone(&counted);
                // A connection that breaks off is the browser's own affair.
                tokio::spawn(async move { relay(browser, to, &bytes).await.ok() });
            }
        });
        Ok(Self { address, bytes })
    }

    async fn bytes_when_quiet(&self) -> u64 {
        loop {
            let before = self.bytes.load(Ordering::Relaxed);
            tokio::time::sleep(QUIET).await;
            if self.bytes.load(Ordering::Relaxed) == before {
                return before;
            }
        }
    }
}

async fn relay(browser: TcpStream, to: SocketAddr, bytes: &AtomicU64) -> Result<()> {
    let service = TcpStream::connect(to).await?;
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_service, mut to_service) = service.into_split();
    let requests = async move {
        copy(&mut from_browser, &mut to_service).await?;
        to_service.shutdown().await
    };
    let answers = async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from_service.read(&mut buffer).await?;
            if read == 0 {
                return to_browser.shutdown().await;
            }
            bytes.fetch_add(read as u64, Ordering::Relaxed);
            to_browser.write_all(&buffer[..read]).await?;
        }
    };
    tokio::try_join!(requests, answers)?;
    Ok(())
}

/// One file of a load, with its headers.
#[derive(Debug, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
}

/// What the browser itself says it loaded, the largest first; it leaves out the icon of its tab.
async fn parts(browser: &Browser) -> Result<Vec<Part>> {
    let body = "const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        return entries.map(e => ({ name: new URL(e.name).pathname, bytes: e.transferSize })).sort((a, b) => b.bytes - a.bytes);";
    browser.evaluate(body).await
}
