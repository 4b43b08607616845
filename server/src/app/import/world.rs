//! What an import knows about pools and tenants, and the ones it will make.

use super::run::{Covered, NewPool, NewSignal, NewTenant, Outcome, plain_pool};
use super::swf::MAX_TENANTS;
use super::{ImportError, Result};
use crate::ingest::aggregate::{Known, Promises};
use crate::ingest::coverage::Coverage;
use crate::ingest::report::Wrong;
use headroom_domain::pool::MAX_SIGNALS;
use headroom_domain::reservation::Promise;
use headroom_domain::slug::{Slug, nearest};
use headroom_domain::{EARLIEST_MS, LATEST_MS, Millis};
use headroom_store::import::Noun;
use headroom_store::{import, pool, promise, signal};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeMap, HashMap};
use tokio::runtime::Handle;

/// Most pools one import may make.
const MAX_NEW_POOLS: usize = 10_000;
/// Keys asked for at once.
const KEYS_AT_ONCE: i32 = 64;
/// Capacity steps kept from one file; a file that states more changes its capacity with every row.
const MAX_STEPS: usize = 100_000;

/// Whether unknown names are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Create {
    pub(super) pools: bool,
    pub(super) tenants: bool,
}

/// A pool as the import sees it.
#[derive(Debug, Default)]
pub(super) struct PoolState {
    pub(super) key: i32,
    pub(super) slug: String,
    pub(super) known: Known,
    pub(super) coverage: Coverage,
    steps: Vec<(Millis, i32, i32)>,
    /// Numbers of its extra signals by name.
    signals: HashMap<String, i16>,
    pub(super) peak: i64,
    pub(super) above_capacity_ms: Millis,
}

/// What a repeated call must do as the first did: keys under which history is written already, and
/// the shift in time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Resume {
    pools: BTreeMap<String, i32>,
    tenants: BTreeMap<String, i32>,
    pub(super) shift_ms: Millis,
}

/// Pools and tenants by name.
pub(super) struct World {
    create: Create,
    pool_names: HashMap<Box<[u8]>, Option<u32>>,
    pub(super) pools: Vec<PoolState>,
    tenant_names: HashMap<Box<[u8]>, i32>,
    new_pools: Vec<NewPool>,
    new_tenants: Vec<NewTenant>,
    new_signals: Vec<NewSignal>,
    steps: usize,
    pub(super) resume: Resume,
    keys: Keys,
}

/// Where keys of new pools and tenants come from.
enum Keys {
    /// Reserved in the database.
    Reserved { db: PgPool, runtime: Handle, pools: Vec<i32>, tenants: Vec<i32> },
    /// Made up, because nothing is written.
    MadeUp(i32),
}

impl World {
    /// Loads what is known.
    pub(super) async fn load(db: &PgPool, create: Create, resume: Resume, dry_run: bool) -> Result<Self> {
        let mut conn = db.acquire().await?;
        let (pools, pool_names) = load_pools(&mut conn).await?;
        let tenants = import::names(&mut conn, Noun::Tenant, None).await?;
        let keys = if dry_run {
            Keys::MadeUp(i32::MAX)
        } else {
            Keys::Reserved { db: db.clone(), runtime: Handle::current(), pools: Vec::new(), tenants: Vec::new() }
        };
        Ok(Self {
            create,
            pool_names,
            pools,
            tenant_names: tenants.into_iter().map(|name| (name.slug.into_bytes().into(), name.key)).collect(),
            new_pools: Vec::new(),
            new_tenants: Vec::new(),
            new_signals: Vec::new(),
            steps: 0,
            resume,
            keys,
        })
    }

    /// The place of a pool in `pools`. The outer error ends the import, the inner one is the row's.
    pub(super) fn pool(&mut self, name: &[u8]) -> Result<Result<usize, Wrong>> {
        match self.pool_names.get(name) {
            Some(Some(at)) => return Ok(Ok(*at as usize)),
            Some(None) => return Ok(Err(Wrong::new("pool", name, "a pool that is not archived"))),
            None => {}
        }
        if !self.create.pools || name.is_empty() {
            return Ok(Err(self.unknown("pool", "--create-pools", name)));
        }
        let slug = match parse(name) {
            Ok(slug) => slug,
            Err(problem) => return Ok(Err(Wrong::new("pool", name, format!("a slug: {problem}")))),
        };
        if self.new_pools.len() == MAX_NEW_POOLS {
            return Err(ImportError::Unusable(format!(
                "pool {slug} would be the {MAX_NEW_POOLS}th new one, expected fewer; split the file"
            )));
        }
        let key = match self.resume.pools.get(slug.as_str()) {
            Some(key) => *key,
            None => self.keys.next(Noun::Pool)?,
        };
        self.resume.pools.insert(slug.to_string(), key);
        self.new_pools.push(NewPool { key, fields: plain_pool(slug.clone(), slug.to_string(), "UTC".into()) });
        self.pools.push(PoolState { key, slug: slug.to_string(), ..PoolState::default() });
        let at = self.pools.len() - 1;
        self.pool_names.insert(name.into(), Some(at as u32));
        Ok(Ok(at))
    }

    /// The key of a tenant; 0 for an empty name, the pool's total.
    pub(super) fn tenant(&mut self, name: &[u8]) -> Result<Result<i32, Wrong>> {
        if name.is_empty() {
            return Ok(Ok(0));
        }
        if let Some(key) = self.tenant_names.get(name) {
            return Ok(Ok(*key));
        }
        if !self.create.tenants {
            return Ok(Err(self.unknown("tenant", "--create-tenants", name)));
        }
        let slug = match parse(name) {
            Ok(slug) => slug,
            Err(problem) => return Ok(Err(Wrong::new("tenant", name, format!("a slug: {problem}")))),
        };
        if self.new_tenants.len() == MAX_TENANTS {
            return Err(ImportError::Unusable(format!(
                "tenant {slug} would be the {MAX_TENANTS}th new one, expected fewer; group them first"
            )));
        }
        let key = match self.resume.tenants.get(slug.as_str()) {
            Some(key) => *key,
            None => self.keys.next(Noun::Tenant)?,
        };
        self.resume.tenants.insert(slug.to_string(), key);
        self.new_tenants.push(NewTenant { key, name: slug.to_string(), slug });
        self.tenant_names.insert(name.into(), key);
        Ok(Ok(key))
    }

    fn unknown(&self, what: &'static str, option: &str, name: &[u8]) -> Wrong {
        let text = String::from_utf8_lossy(&name[..name.len().min(63)]);
        let known =
            if what == "pool" { self.pool_names.keys() } else { return self.unknown_tenant(option, name, &text) };
        suggestion(what, option, name, nearest(&text, known.filter_map(|slug| std::str::from_utf8(slug).ok())))
    }

    fn unknown_tenant(&self, option: &str, name: &[u8], text: &str) -> Wrong {
        let known = self.tenant_names.keys().filter_map(|slug| std::str::from_utf8(slug).ok());
        suggestion("tenant", option, name, nearest(text, known))
    }

    /// The number of an extra signal of a pool.
    pub(super) fn signal(&mut self, pool: usize, name: &str) -> Result<i16, Wrong> {
        let state = &mut self.pools[pool];
        if let Some(number) = state.signals.get(name) {
            return Ok(*number);
        }
        let number = state.signals.values().copied().max().unwrap_or(0) + 1;
        if number as usize > MAX_SIGNALS {
            return Err(Wrong::new(
                "signals",
                name.as_bytes(),
                format!("at most {MAX_SIGNALS} extra signals in pool {}", state.slug),
            ));
        }
        state.signals.insert(name.to_owned(), number);
        self.new_signals.push(NewSignal { pool: state.key, number, name: name.to_owned() });
        Ok(number)
    }

    /// Keeps the capacity that rows state where nothing was said about it.
    pub(super) fn note_capacity(&mut self, pool: usize, at: Millis, configured: i64, planned_down: i64) {
        let state = &mut self.pools[pool];
        if state.known.capacity_at(at).is_some() {
            return;
        }
        let step = (at, configured as i32, planned_down as i32);
        let fits = match state.steps.last() {
            Some(last) => last.0 < at && (last.1, last.2) != (step.1, step.2),
            None => true,
        };
        if fits && self.steps < MAX_STEPS {
            self.steps += 1;
            state.steps.push(step);
        }
    }

    /// What the last transaction makes and checks.
    pub(super) fn into_outcome(self) -> Outcome {
        let covered = self.pools.into_iter().filter(|pool| pool.coverage.span().is_some());
        Outcome {
            pools: self.new_pools,
            tenants: self.new_tenants,
            signals: self.new_signals,
            covered: covered
                .map(|p| Covered { pool: p.key, slug: p.slug, coverage: p.coverage, steps: p.steps })
                .collect(),
        }
    }
}

fn parse(name: &[u8]) -> Result<Slug, String> {
    let text = std::str::from_utf8(name).map_err(|_| "it is not UTF-8".to_owned())?;
    Slug::parse(text).map_err(|e| format!("this {e}"))
}

fn suggestion(what: &'static str, option: &str, name: &[u8], near: Option<&str>) -> Wrong {
    let expected = match near {
        Some(near) => format!("a {what} that exists, perhaps {near} ({option} makes new ones)"),
        None => format!("a {what} that exists ({option} makes new ones)"),
    };
    Wrong::new(what, name, expected)
}

async fn load_pools(conn: &mut PgConnection) -> Result<(Vec<PoolState>, HashMap<Box<[u8]>, Option<u32>>)> {
    let stored = pool::list(&mut *conn, false).await?;
    let mut capacity = pool::capacity(&mut *conn, None).await?;
    let mut reservations: BTreeMap<i32, Vec<Promise>> = BTreeMap::new();
    for stored in promise::during(&mut *conn, None, None, EARLIEST_MS, LATEST_MS).await? {
        reservations.entry(stored.reservation.pool).or_default().push(stored.reservation);
    }
    let mut signals: BTreeMap<i32, HashMap<String, i16>> = BTreeMap::new();
    for signal in signal::list(&mut *conn, None).await? {
        signals.entry(signal.pool_id).or_default().insert(signal.name, signal.signal);
    }
    let mut places = HashMap::new();
    let mut pools = Vec::with_capacity(stored.len());
    for pool in stored {
        let steps = capacity.remove(&pool.key).unwrap_or_default();
        places.insert(pool.key, pools.len() as u32);
        pools.push(PoolState {
            key: pool.key,
            slug: pool.fields.slug.to_string(),
            known: Known {
                capacity: steps.iter().map(|s| (s.from_ms, s.configured.into(), s.planned_down.into())).collect(),
                promises: Promises::new(reservations.get(&pool.key).into_iter().flatten()),
            },
            signals: signals.remove(&pool.key).unwrap_or_default(),
            ..PoolState::default()
        });
    }
    let names = import::names(conn, Noun::Pool, None).await?;
    let names = names.into_iter().map(|name| (name.slug.into_bytes().into(), places.get(&name.key).copied())).collect();
    Ok((pools, names))
}

impl Keys {
    fn next(&mut self, noun: Noun) -> Result<i32> {
        match self {
            Self::MadeUp(last) => {
                *last -= 1;
                Ok(*last)
            }
            Self::Reserved { db, runtime, pools, tenants } => {
                let held = if noun == Noun::Pool { pools } else { tenants };
                if held.is_empty() {
                    // The caller is a worker thread: it may wait for the database.
                    *held = runtime.block_on(async {
                        import::reserve_keys(&mut *db.acquire().await?, noun, KEYS_AT_ONCE).await
                    })?;
                    held.reverse();
                }
                held.pop().ok_or_else(|| ImportError::Unusable("the database reserved no keys".into()))
            }
        }
    }
}
