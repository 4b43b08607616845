//! Connections to PostgreSQL: a pool per class of work, so that one cannot starve another.

use headroom_store::{StoreError, feed};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// One connection pool per class of work, each with its own bounds.
#[derive(Debug, Clone)]
pub struct Db {
    /// Pages and reads of the API: many, short.
    pub pages: PgPool,
    /// Accepted samples: few, short, durable.
    pub ingest: PgPool,
    /// Jobs, imports and other long work.
    pub jobs: PgPool,
    /// What programs ask beside their claims: tokens, names, keys.
    pub claims: PgPool,
    /// Claims of slots: one connection for each committer, and one that keeps this server alive.
    pub slots: PgPool,
}

/// Bounds of one class.
struct Class {
    name: &'static str,
    connections: u32,
    /// How long a request waits for a connection before it is told to come back.
    wait: Duration,
    statement_timeout: &'static str,
    lock_timeout: &'static str,
    /// Whether a commit is on disk before it is answered; the server's own setting where nothing is said.
    synchronous_commit: Option<&'static str>,
    /// Whether values are long: they are compressed fast rather than well, where PostgreSQL can.
    writes_much: bool,
}

const PAGES: Class = Class {
    name: "headroom pages",
    connections: 12,
    wait: Duration::from_secs(3),
    statement_timeout: "5s",
    lock_timeout: "500ms",
    synchronous_commit: None,
    writes_much: false,
};
const CLAIMS: Class = Class {
    name: "headroom claims",
    connections: 4,
    wait: Duration::from_secs(1),
    statement_timeout: "2s",
    lock_timeout: "500ms",
    synchronous_commit: None,
    writes_much: false,
};
const INGEST: Class = Class {
    name: "headroom ingest",
    connections: 4,
    wait: Duration::from_secs(2),
    statement_timeout: "10s",
    lock_timeout: "2s",
    synchronous_commit: None,
    writes_much: false,
};
const JOBS: Class = Class {
    name: "headroom jobs",
    connections: 6,
    wait: Duration::from_secs(30),
    statement_timeout: "10min",
    lock_timeout: "30s",
    synchronous_commit: None,
    writes_much: true,
};

const SLOTS: Class = Class {
    name: feed::WRITERS,
    connections: 5,
    wait: Duration::from_secs(1),
    statement_timeout: "2s",
    lock_timeout: "1s",
    // Whatever the server is set to: a claim that was answered is never lost.
    synchronous_commit: Some("on"),
    writes_much: false,
};

/// Forecasts are 100 kB of numbers for every pool and hour. PostgreSQL's own compression takes most of the time of writing them, in
/// processes that claims share processors with. A PostgreSQL that was built without the other one keeps its own.
const FAST_COMPRESSION: &str = "SELECT set_config(name, 'lz4', false) FROM pg_settings
    WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

/// A connection that was used so recently is not asked whether it still works.
pub(crate) const TRUSTED_FOR: Duration = Duration::from_millis(500);

impl Db {
    /// Pools that connect when first used.
    pub fn connect(options: &PgConnectOptions) -> Self {
        Self {
            pages: pool(options, &PAGES),
            claims: pool(options, &CLAIMS),
            ingest: pool(options, &INGEST),
            jobs: pool(options, &JOBS),
            slots: pool(options, &SLOTS),
        }
    }

    /// Brings the schema up to date. Several servers may start at once: the migrator takes a lock.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        headroom_store::MIGRATOR.run(&self.jobs).await.map_err(|error| StoreError::Database(error.into()))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pages.close().await;
        self.claims.close().await;
        self.ingest.close().await;
        self.jobs.close().await;
        self.slots.close().await;
    }
}

/// A connection for work that may be given up half-way, by a deadline. It goes back to its pool only when that is said: one
/// that is dropped is thrown away, because a pool would wait, without an end, for the answer that it still owes.
#[derive(Debug)]
pub(crate) struct Loan(Option<PoolConnection<Postgres>>);

/// Only a loan that is over has no connection.
const LENT: &str = "a loan has its connection until it ends";

impl Loan {
    /// A connection of a pool.
    pub(crate) async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// The work is done: the next one may have it.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Loan {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect(LENT)
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect(LENT)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

fn pool(options: &PgConnectOptions, class: &Class) -> PgPool {
    let options = options.clone().application_name(class.name).options([
        ("statement_timeout", class.statement_timeout),
        ("lock_timeout", class.lock_timeout),
        ("idle_in_transaction_session_timeout", "60s"),
        ("timezone", "UTC"),
        ("jit", "off"),
    ]);
    let options = match class.synchronous_commit {
        Some(setting) => options.options([("synchronous_commit", without_safeguard(setting))]),
        None => options,
    };
    let is_hasty = class.synchronous_commit.is_some();
    let writes_much = class.writes_much;
    PgPoolOptions::new()
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if writes_much {
                    sqlx::query(FAST_COMPRESSION).execute(connection).await?;
                }
                Ok(())
            })
        })
        .max_connections(class.connections)
        // Asking first costs a second way there and back. Claims are many and short: who was answered a moment ago will be
        // answered. A page must not wait on a connection that hangs.
        .test_before_acquire(false)
        .before_acquire(move |connection, used| {
            Box::pin(async move { Ok((is_hasty && used.idle_for < TRUSTED_FOR) || connection.ping().await.is_ok()) })
        })
        .acquire_timeout(class.wait)
        .idle_timeout(Duration::from_mins(10))
        .connect_lazy_with(options)
}

/// The setting; or, where a test wants to see what would be lost without it, the other one.
fn without_safeguard(setting: &'static str) -> &'static str {
    #[cfg(feature = "negative-control")]
    if std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "commit") {
        return "off";
    }
    setting
}
