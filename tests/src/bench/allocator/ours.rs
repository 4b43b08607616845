//! Headroom: one PostgreSQL for all parts, its allocator in this process, and the built service before it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use headroom_domain::allocation::{Ask, Report};
use headroom_server::allocator::{Allocator, ClaimView, Op, Origin, Reply};
use headroom_server::clock;
use headroom_server::db::Db;
use headroom_server::postgres::{self, Postgres, Source};
use rand::Rng;
use rand::rngs::StdRng;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fleet::{POOLS, create, pool, tenant};
use super::wire::{Wire, text_of};
use super::{drive, fleet};
use crate::bench::session;
use crate::client::Client;
use crate::people;
use crate::service::{Service, command, data_dir};

/// Longer than any measurement.
const TTL_MS: i64 = 600_000;

/// A durable PostgreSQL with the fleet in it.
#[derive(Debug)]
pub(super) struct Place {
    postgres: Postgres,
    folder: TempDir,
}

impl Place {
    /// Starts it, with the product's own settings, and makes the fleet through the service.
    pub(super) async fn create() -> Result<Self> {
        let folder = data_dir()?;
        let source = Source::Private { data_dir: folder.path().to_owned() };
        let options = postgres::Options { durable: true, ..postgres::Options::default() };
        let postgres = postgres::start(source, options).await.context("cannot start PostgreSQL")?;
        let place = Self { postgres, folder };
        let service = place.serve()?;
        people::prepare(&mut place.connect().await?).await?;
        create(&Client::new(service.url())?).await?;
        stop(service)?;
        Ok(place)
    }

    /// Starts the built service on it.
    pub(super) fn serve(&self) -> Result<Service> {
        let serve = command(&["serve", "--no-jobs", "--database-url", &self.postgres.url()])?;
        Service::spawn(session::own(&serve))
    }

    /// A connection to it.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.postgres.connect_options()).await?)
    }

    /// The process of PostgreSQL from which all others of it come.
    pub(super) fn postmaster(&self) -> Result<u32> {
        let text = fs::read_to_string(self.folder.path().join("postgres/postmaster.pid"))?;
        text.lines().next().and_then(|line| line.trim().parse().ok()).context("PostgreSQL's file has no number")
    }

    /// Ends it.
    pub(super) async fn end(self) -> Result<()> {
        self.postgres.stop().await;
        self.folder.close().context("cannot remove the data directory")
    }

    /// Starts the allocator in this process.
    pub(super) async fn allocate(&self) -> Result<InProcess> {
        let keys = |sql: &'static str| async move {
            let mut connection = self.connect().await?;
            let keys: Vec<i32> = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
            connection.close().await?;
            Ok::<_, anyhow::Error>(keys)
        };
        let db = Db::connect(&self.postgres.connect_options());
        let cancel = CancellationToken::new();
        let (allocator, task) = Allocator::start(&db, String::new(), &cancel);
        let ours = InProcess {
            allocator,
            pools: Arc::new(keys("SELECT pool_id FROM pool_policy ORDER BY pool_id").await?),
            tenants: keys("SELECT tenant_id FROM tenant ORDER BY tenant_id").await?,
            db,
            cancel,
            task,
        };
        for pool in ours.pools.iter() {
            let reply = ours.allocator.ask(*pool, Op::Figures, None).await;
            ensure!(matches!(reply, Reply::Figures(_)), "a pool was not taken: {reply:?}");
        }
        Ok(ours)
    }
}

/// Stops a service and sees that it ended well.
pub(super) fn stop(service: Service) -> Result<()> {
    let log = service.log();
    let status = service.stop()?;
    ensure!(status.success(), "headroom ended with {status}: {log}");
    Ok(())
}

/// The allocator in this process, with PostgreSQL outside.
#[derive(Debug)]
pub(super) struct InProcess {
    allocator: Allocator,
    pools: Arc<Vec<i32>>,
    tenants: Vec<i32>,
    db: Db,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl InProcess {
    /// Clients of it.
    pub(super) fn clients(&self, count: usize) -> Vec<Direct> {
        let one = |number: usize| Direct {
            allocator: self.allocator.clone(),
            pools: Arc::clone(&self.pools),
            tenant: self.tenants[number % self.tenants.len()],
            holder: format!("client-{number:04}"),
            chance: clock::seeded(number as u64),
            held: (0, Uuid::nil()),
        };
        (0..count).map(one).collect()
    }

    /// Ends it.
    pub(super) async fn end(self) -> Result<()> {
        self.cancel.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.task).await.context("the allocator did not end")??;
        self.db.close().await;
        Ok(())
    }
}

/// A client that calls the allocator itself.
#[derive(Debug)]
pub(super) struct Direct {
    allocator: Allocator,
    pools: Arc<Vec<i32>>,
    tenant: i32,
    holder: String,
    chance: StdRng,
    held: (i32, Uuid),
}

impl Direct {
    async fn ask(&self, pool: i32, op: Op) -> Result<Box<ClaimView>> {
        match self.allocator.ask(pool, op, None).await {
            Reply::Claim(view) => Ok(view),
            other => bail!("the allocator answered {other:?}"),
        }
    }
}

impl drive::Client for Direct {
    async fn claim(&mut self) -> Result<()> {
        let pool = self.pools[self.chance.random_range(0..self.pools.len())];
        let ask = Ask {
            claim: clock::uuid(),
            tenant: self.tenant,
            slots: 1,
            ttl_ms: TTL_MS,
            holder: self.holder.clone(),
            actor: "bench".into(),
            ..Ask::default()
        };
        let view = self.ask(pool, Op::Claim(Box::new(ask), Origin::now())).await?;
        ensure!(view.slots.len() == 1, "a claim of one slot got {:?}", view.slots);
        self.held = (pool, view.claim);
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let (pool, claim) = self.held;
        let op = Op::Release { claim, report: Report::default(), actor: "bench".into() };
        self.ask(pool, op).await?;
        Ok(())
    }
}

/// Where a service listens, as [`Wire`] wants it, and what its requests carry.
pub(super) fn wire(service: &Service) -> (String, String) {
    let host = service.url().trim_start_matches("http://").to_owned();
    (host, format!("authorization: Bearer {}\r\n", people::TOKEN))
}

/// Clients of the service's API, each with a connection.
pub(super) async fn http_clients(service: &Service, count: usize) -> Result<Vec<OverHttp>> {
    let (host, headers) = wire(service);
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        clients.push(OverHttp {
            wire: Wire::connect(&host, &headers).await?,
            body: format!(
                r#"{{"tenant":"{}","holder":"client-{number:04}","ttl_ms":{TTL_MS}}}"#,
                tenant(number % fleet::TENANTS)
            ),
            chance: clock::seeded(number as u64),
            release: String::new(),
        });
    }
    Ok(clients)
}

/// A client of the API.
#[derive(Debug)]
pub(super) struct OverHttp {
    wire: Wire,
    body: String,
    chance: StdRng,
    release: String,
}

impl drive::Client for OverHttp {
    async fn claim(&mut self) -> Result<()> {
        let path = format!("/api/v1/pools/{}/claims", pool(self.chance.random_range(0..POOLS)));
        let answer = self.wire.done(&path, &self.body).await?;
        let granted = text_of(answer, "state") == Some("granted");
        let claim = text_of(answer, "claim").filter(|_| granted);
        let claim = claim.with_context(|| format!("a claim was answered {}", String::from_utf8_lossy(answer)))?;
        self.release = format!("{path}/{claim}/release");
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        self.wire.done(&self.release, "{}").await?;
        Ok(())
    }
}
