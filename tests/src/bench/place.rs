//! A private PostgreSQL that the service starts, durable, with its own settings: the place of a measurement. Peers that
//! are statements run in the same server.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::session;
use crate::service::{Service, command, data_dir};

/// The columns of [`super::rows::csv`], as a table without key or index would have them.
const BARE_TABLE: &str =
    "CREATE TABLE bare (ts timestamptz, pool text, tenant text, capacity int, occupied int, reserved int,
    claims int, rejections int, latency_p95_ms real)";

/// What history is kept in, besides the partitions of these.
const HISTORY: [&str; 5] = ["occ_1m", "occ_5m", "occ_1h", "occ_1d", "signal_5m"];

/// A data directory with a running service.
#[derive(Debug)]
pub struct Place {
    service: Service,
    folder: TempDir,
}

impl Place {
    /// A new, empty one. `arguments` go to `headroom serve`.
    pub fn new(arguments: &[&str]) -> Result<Self> {
        Self::start("serve", arguments)
    }

    /// The same with the demo world in it.
    pub fn demo(arguments: &[&str]) -> Result<Self> {
        Self::start("demo", arguments)
    }

    fn start(verb: &str, arguments: &[&str]) -> Result<Self> {
        let folder = data_dir()?;
        let mut start = command(&[verb])?;
        start.arg("--data-dir").arg(folder.path()).args(arguments);
        let service = Service::spawn(session::own(&start))?;
        Ok(Self { service, folder })
    }

    /// The service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The data directory, which PostgreSQL's user can enter.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection with the rights of the server's owner.
    pub async fn connect(&self) -> Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.folder.path().join("run"))
            .port(5432)
            .username("headroom")
            .database("headroom")
            .ssl_mode(PgSslMode::Disable);
        PgConnection::connect_with(&options).await.context("cannot connect to the private PostgreSQL")
    }

    /// Runs `headroom import occupancy` on a file and returns how long that took, in seconds: reading, adding up, writing,
    /// making it durable and visible, the start of the program included.
    pub fn import(&self, file: &Path) -> Result<f64> {
        let mut import = command(&["import", "occupancy"])?;
        import.arg(file).args(["--create-pools", "--create-tenants", "--data-dir"]).arg(self.folder.path());
        let mut import = session::own(&import);
        import.stdout(Stdio::piped()).stderr(Stdio::piped());
        let start = Instant::now();
        let output = import.output().context("cannot run headroom import")?;
        let seconds = start.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "headroom import ended with {}: {said}", output.status);
        Ok(seconds)
    }

    /// Copies files with a header line into a new table without index, each on a connection of its own, and returns how
    /// long that took, in seconds. The table stays until [`drop_bare`].
    pub async fn copy(&self, files: &[&Path]) -> Result<f64> {
        let mut connections = Vec::new();
        for _ in files {
            connections.push(self.connect().await?);
        }
        let Some(first) = connections.first_mut() else { bail!("there is no file to copy") };
        first.execute(BARE_TABLE).await?;
        // Nothing else happens to the table while it is measured.
        first.execute("ALTER TABLE bare SET (autovacuum_enabled = false)").await?;
        first.execute("CHECKPOINT").await?;
        let mut statements = Vec::new();
        for file in files {
            let name = file.to_str().context("the file's name is UTF-8")?.replace('\'', "''");
            statements.push(format!("COPY bare FROM '{name}' WITH (FORMAT csv, HEADER)"));
        }
        let start = Instant::now();
        let copies = connections
            .iter_mut()
            .zip(statements)
            .map(|(connection, statement)| async move { connection.execute(AssertSqlSafe(statement)).await });
        try_join_all(copies).await?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Ends the service and its PostgreSQL, and removes everything.
    pub fn end(self) -> Result<()> {
        let status = self.service.stop()?;
        ensure!(status.success(), "headroom ended with {status}");
        self.folder.close().context("cannot remove the data directory")
    }
}

/// Bytes of a row of the copied table, in its heap alone.
pub async fn bare_bytes_a_row(connection: &mut PgConnection) -> Result<f64> {
    let (bytes, rows): (i64, i64) =
        sqlx::query_as("SELECT pg_relation_size('bare'), (SELECT count(*) FROM bare)").fetch_one(connection).await?;
    Ok(bytes as f64 / rows as f64)
}

/// Removes the copied table.
pub async fn drop_bare(connection: &mut PgConnection) -> Result<()> {
    connection.execute("DROP TABLE bare").await?;
    Ok(())
}

/// What is left to do after much was written, done now, so that it is not done while the next thing is measured.
pub async fn settle(connection: &mut PgConnection) -> Result<()> {
    connection.execute("VACUUM (ANALYZE)").await?;
    connection.execute("CHECKPOINT").await?;
    Ok(())
}

/// Bytes on disk of history: every step, with indexes and what is stored out of line.
pub async fn history_bytes(connection: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    let mut sizes = Vec::new();
    for table in HISTORY {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT COALESCE(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree($1::regclass)",
        )
        .bind(table)
        .fetch_one(&mut *connection)
        .await?;
        // A table that is no partition tree is not listed in one.
        let whole: i64 = sqlx::query_scalar("SELECT pg_total_relation_size($1::regclass)")
            .bind(table)
            .fetch_one(&mut *connection)
            .await?;
        sizes.push((table.to_owned(), bytes.max(whole)));
    }
    Ok(sizes)
}

/// Occupied slot-milliseconds of all pools, as the day rows have it.
pub async fn occupied_slot_ms(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COALESCE(sum(occupied_slot_ms), 0)::bigint FROM occ_1d WHERE pool_id <> 0 AND tenant_id = 0",
    )
    .fetch_one(connection)
    .await?)
}

/// The server's version.
pub async fn version(connection: &mut PgConnection) -> Result<String> {
    Ok(sqlx::query_scalar("SHOW server_version").fetch_one(connection).await?)
}

/// The settings on which durable writing depends.
pub async fn settings(connection: &mut PgConnection) -> Result<String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, current_setting(name) FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
             'shared_buffers', 'max_wal_size', 'wal_compression') ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}
