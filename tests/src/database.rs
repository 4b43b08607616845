//! A database for each test, on one throw-away PostgreSQL for all of them.
//!
//! `cargo xtask test` starts that server beside the test runner (the program `with-postgres`) and names it in the
//! environment. Without it, each test process starts one of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use headroom_server::postgres::{self, Options, Postgres, Source};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::people;

/// Names the shared server: the URL of a database on it that nobody drops.
pub const SHARED: &str = "HEADROOM_TEST_POSTGRES";

/// Folders of servers that test processes start for themselves.
const OWN_FOLDERS: &str = "headroom-test-postgres-";

/// A migrated database that one test owns.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// A new, migrated, empty database: a copy of a template that the first test makes.
    pub async fn create() -> Result<Self> {
        let template = template().await?;
        Self::copy_of(&template).await
    }

    /// A new database without any table, for what migrates or restores by itself.
    pub async fn empty() -> Result<Self> {
        Self::copy_of("template0").await
    }

    /// A copy of another database that nobody is connected to.
    pub async fn copy_of(template: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // The time too: on a busy machine the number of a process comes back soon, and a database may outlive its process.
        let (number, now) = (NEXT.fetch_add(1, Ordering::Relaxed), headroom_server::clock::now_ms());
        let name = format!("test_{}_{number}_{now:x}", std::process::id());
        let server = server().await?;
        let mut connection = server.connect().await?;
        create(&mut connection, &name, template).await?;
        connection.close().await?;
        Ok(Self { url: server.url_of(&name)?, name })
    }

    /// Its name on the server, for [`Database::copy_of`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, for `--database-url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<PgConnection> {
        let options: PgConnectOptions = self.url.parse()?;
        PgConnection::connect_with(&options).await.with_context(|| format!("cannot connect to {}", self.name))
    }

    /// Removes it, and whoever is still connected. Dropping the value leaves it to the end of the server.
    pub async fn remove(self) -> Result<()> {
        let mut connection = server().await?.connect().await?;
        drop_database(&mut connection, &self.name).await?;
        connection.close().await?;
        Ok(())
    }
}

impl Database {
    /// Whether the server has a database of this name.
    pub(crate) async fn exists(name: &str) -> Result<bool> {
        let mut connection = server().await?.connect().await?;
        let exists = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(exists)
    }

    /// Gives it a name under which others can copy it.
    pub(crate) async fn rename(self, name: &str) -> Result<()> {
        let mut connection = server().await?.connect().await?;
        let statement = format!("alter database {} rename to {name}", self.name);
        connection.execute(AssertSqlSafe(statement)).await.with_context(|| format!("cannot rename {}", self.name))?;
        connection.close().await?;
        Ok(())
    }
}

/// Held while a template is made, by one process of all that share the server.
#[derive(Debug)]
pub(crate) struct Lock(PgConnection);

impl Lock {
    pub(crate) async fn take() -> Result<Self> {
        /// Any number will do, as long as everybody uses the same.
        const NUMBER: i64 = 0x6865_6164_726f_6f6d;
        let mut connection = server().await?.connect().await?;
        sqlx::query("select pg_advisory_lock($1)").bind(NUMBER).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// The end of the session is the end of the lock, also when a test fails.
    pub(crate) async fn release(self) -> Result<()> {
        Ok(self.0.close().await?)
    }
}

/// The server that this process uses.
#[derive(Debug)]
struct Server {
    url: String,
    /// Kept alive to the end of the process, if it is ours.
    _own: Option<Postgres>,
}

impl Server {
    async fn connect(&self) -> Result<PgConnection> {
        let options: PgConnectOptions = self.url.parse()?;
        PgConnection::connect_with(&options).await.context("cannot connect to the PostgreSQL of the tests")
    }

    fn url_of(&self, database: &str) -> Result<String> {
        let mut url = url::Url::parse(&self.url).context("the address of the tests' PostgreSQL is not a URL")?;
        url.set_path(database);
        Ok(url.into())
    }
}

async fn server() -> Result<&'static Server> {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER
        .get_or_try_init(|| async {
            if let Ok(url) = std::env::var(SHARED) {
                return Ok(Server { url, _own: None });
            }
            remove_folders_of_the_dead()?;
            let own = start_throw_away(&own_folder(std::process::id())).await?;
            Ok(Server { url: own.url(), _own: Some(own) })
        })
        .await
}

/// Starts a PostgreSQL that forgets everything in a power cut, and is the faster for it.
pub async fn start_throw_away(folder: &Path) -> Result<Postgres> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // PostgreSQL may run as another user.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let options = Options { shared_buffers_mib: 128, durable: false, ..Options::default() };
    let source = Source::Private { data_dir: folder.to_owned() };
    postgres::start(source, options).await.context("cannot start a PostgreSQL for the tests")
}

fn own_folder(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("{OWN_FOLDERS}{pid}"))
}

/// A process cannot remove the folder of a server that ends after it, so the next one does.
fn remove_folders_of_the_dead() -> Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(OWN_FOLDERS));
        let is_dead = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        let is_down = !entry.path().join("postgres/postmaster.pid").exists();
        if is_dead && is_down {
            // Another process may be removing it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// The template of this version of the schema; the first to ask makes it, the others wait.
async fn template() -> Result<String> {
    let name = format!("template_{}", schema_hash());
    let lock = Lock::take().await?;
    if !Database::exists(&name).await? {
        // Under another name until it is whole.
        let database = Database::empty().await?;
        let mut connection = database.connect().await?;
        headroom_store::MIGRATOR.run(&mut connection).await.context("the migrations do not run")?;
        people::prepare(&mut connection).await?;
        connection.close().await?;
        database.rename(&name).await?;
    }
    lock.release().await?;
    Ok(name)
}

/// Tells versions of the schema apart, for a server that lives longer than one.
pub(crate) fn schema_hash() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for migration in headroom_store::MIGRATOR.iter() {
        migration.checksum.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Names are made by this file, of letters, digits and underscores, so they need no quotes.
async fn create(connection: &mut PgConnection, name: &str, template: &str) -> Result<()> {
    let statement = format!("create database {name} template {template} strategy file_copy");
    connection.execute(AssertSqlSafe(statement)).await.with_context(|| format!("cannot create {name}"))?;
    Ok(())
}

async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<()> {
    connection.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
    Ok(())
}
