//! Use cases: one file per noun, one function per thing a person can do. The API, the pages, the
//! command line and the jobs all come through here. A function owns its transaction.

pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod backlog;
pub mod calendar;
pub mod caller;
pub mod changes;
pub mod claims;
pub mod demo;
mod disk;
mod error;
pub mod findings;
pub mod follow;
pub mod forecast;
pub mod game_days;
pub mod import;
pub mod ingest;
pub mod jobs;
pub mod live;
pub mod look;
pub mod metering;
pub mod overview;
pub mod plan;
pub mod pools;
pub mod receivers;
pub mod reports;
pub mod search;
pub mod settings;
pub mod shell;
pub mod sign_in;
pub mod slots;
pub mod tenants;
pub mod tokens;
pub mod trend;
pub mod usage;
pub mod whatif;
pub mod window;

pub use error::{AppError, Problem, Result};

use crate::allocator::Allocator;
use crate::db::Db;
use crate::outward::Outward;
use caller::Caller;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

/// What use cases need: the database, and what is remembered between requests. Everything else that they share is in [`Shared`].
#[derive(Debug, Clone)]
pub struct App {
    shared: Arc<Shared>,
    /// On whose behalf they run.
    caller: Arc<Caller>,
    /// When they were asked for.
    asked: Instant,
}

/// What the use cases of all callers share. Every request takes a copy of the use cases, so there is one pointer to it all.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Connections by class of work.
    pub db: Db,
    /// Sums that many pages ask for and that change slowly.
    pub(crate) money: Arc<overview::MoneyCache>,
    /// How error budgets stood when they were reckoned last.
    pub(crate) standings: Arc<alerts::status::StandingCache>,
    /// Pools and tenants as pages offer them.
    pub(crate) names: Arc<shell::NamesCache>,
    /// Pools and tenants as live samples name them.
    pub(crate) catalog: Arc<ingest::CatalogCache>,
    /// Services outside.
    pub(crate) outward: Arc<Outward>,
    /// Pools and tenants as claims name them.
    pub(crate) claim_names: Arc<claims::NamesOfClaims>,
    /// Holders of nothing that were kept out, as far as it was written down.
    pub(crate) strays: Arc<claims::Strays>,
    /// Room on the database's disk.
    pub(crate) disk: Arc<disk::Disk>,
    /// Demand of pools that is played for the planner.
    pub(crate) demands: Arc<whatif::DemandCache>,
    /// What streams tell of all pools.
    pub(crate) snapshots: Arc<follow::Snapshots>,
    /// Gives out slots; only a running server has one.
    pub(crate) allocator: Option<Allocator>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl App {
    /// Use cases over a database, on behalf of nobody.
    pub fn new(db: Db) -> Self {
        let shared = Shared {
            db,
            money: Arc::default(),
            standings: Arc::default(),
            names: Arc::default(),
            catalog: Arc::default(),
            outward: Arc::default(),
            claim_names: Arc::default(),
            strays: Arc::default(),
            disk: Arc::default(),
            demands: Arc::default(),
            snapshots: Arc::default(),
            allocator: None,
        };
        Self { shared: Arc::new(shared), caller: Arc::new(Caller::nobody()), asked: Instant::now() }
    }

    /// The same use cases with slots to give out.
    #[must_use]
    pub fn allocating(mut self, allocator: Allocator) -> Self {
        Arc::make_mut(&mut self.shared).allocator = Some(allocator);
        self
    }

    /// The same use cases with services outside.
    #[must_use]
    pub fn reaching(mut self, outward: Outward) -> Self {
        Arc::make_mut(&mut self.shared).outward = Arc::new(outward);
        self
    }
}
