//! `headroom restore FILE`: the database as a backup has it, all of it or nothing.
//!
//! `pg_restore` turns the archive into statements, and one `psql` session carries them out between our own `begin` and
//! `commit`, after it has dropped what was there. So emptying and filling are one transaction: whatever fails, an archive
//! that ends too early included, leaves the database as it was.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqlx::PgConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::cluster::last_lines;
use super::{Postgres, PostgresError, client, connect};

/// The table of applied migrations: every backup of ours has it, and no other program's dump with our tables does.
const OUR_MARK: &str = "TABLE public _sqlx_migrations";

/// A finished restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub path: PathBuf,
    /// How many tables the backup had.
    pub tables: usize,
}

/// Fills the database from a backup. With `replace` everything that is there goes; without it only an empty database is filled.
/// An older backup has an older schema: migrate afterwards.
pub async fn restore(postgres: &Postgres, path: &Path, replace: bool) -> Result<Restored, PostgresError> {
    let tables = check_archive(postgres, path).await?;
    let mut connection = connect::open(&postgres.connect_options())
        .await
        .map_err(|reason| PostgresError::NoAnswer { place: "the database".to_owned(), reason })?;
    let schemas = check_database(&mut connection, replace).await?;
    connect::close(connection).await;
    fill(postgres, path, &schemas).await.map_err(|reason| PostgresError::Restore { path: path.to_owned(), reason })?;
    Ok(Restored { path: path.to_owned(), tables })
}

/// Reads the archive's list of contents, checks that it is ours, and returns its number of tables.
async fn check_archive(postgres: &Postgres, path: &Path) -> Result<usize, PostgresError> {
    let refuse = |reason: String| PostgresError::NotABackup { path: path.to_owned(), reason };
    // pg_restore would say so too, but in words about archives.
    let meta = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
    if !meta.is_file() {
        return Err(refuse("it is not a file".to_owned()));
    }
    let output = client::offline_program(postgres, "pg_restore")
        .await?
        .arg("--list")
        .arg(path)
        .output()
        .await
        .map_err(|error| refuse(format!("cannot run pg_restore: {error}")))?;
    if !output.status.success() {
        return Err(refuse(
            last_lines(&String::from_utf8_lossy(&output.stderr))
                .unwrap_or_else(|| format!("pg_restore ended with {}", output.status)),
        ));
    }
    let contents = String::from_utf8_lossy(&output.stdout);
    if !contents.contains(OUR_MARK) {
        return Err(refuse("it has no table _sqlx_migrations".to_owned()));
    }
    Ok(contents
        .lines()
        .filter(|line| line.contains(" TABLE "))
        .filter(|line| !line.contains(" TABLE DATA ") && !line.contains(" TABLE ATTACH "))
        .count())
}

/// Refuses a database that must not be emptied now, and returns the schemas to drop.
async fn check_database(connection: &mut PgConnection, replace: bool) -> Result<Vec<String>, PostgresError> {
    let connections: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
    )
    .fetch_one(&mut *connection)
    .await?;
    if connections > 0 {
        return Err(PostgresError::InUse { connections });
    }
    let relations: i64 = sqlx::query_scalar(
        "select count(*) from pg_class
         where relkind in ('r', 'p', 'v', 'm', 'f')
           and relnamespace in (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
           and not exists (select from pg_depend
                           where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if relations > 0 && !replace {
        return Err(PostgresError::NotEmpty { relations });
    }
    // `quote_ident`, because the names come back in a statement.
    let schemas = sqlx::query_scalar(
        "select quote_ident(nspname) from pg_namespace
         where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname",
    )
    .fetch_all(connection)
    .await?;
    Ok(schemas)
}

/// Empties and fills the database in one transaction, or says why nothing was done.
async fn fill(postgres: &Postgres, path: &Path, schemas: &[String]) -> Result<(), String> {
    let mut psql = client::program(postgres, "psql")
        .await
        .map_err(|error| error.to_string())?
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run psql: {error}"))?;
    let mut script = client::offline_program(postgres, "pg_restore")
        .await
        .map_err(|error| error.to_string())?
        .args(["--exit-on-error", "--no-owner", "--no-privileges", "--file=-"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run pg_restore: {error}"))?;
    let (Some(mut into), Some(mut from)) = (psql.stdin.take(), script.stdout.take()) else {
        return Err("a pipe between pg_restore and psql is missing".to_owned());
    };
    // Read at the same time, as a program stops at a full pipe.
    let psql_said = read_in_background(psql.stderr.take());
    let script_said = read_in_background(script.stderr.take());

    let sent = send(schemas, &mut from, &mut into).await;
    // Closed, so that pg_restore ends even when psql has stopped reading.
    drop(from);
    let script_end = script.wait().await.map_err(|error| error.to_string())?;
    let whole = sent.is_ok() && script_end.success();
    if whole {
        // A failure shows in psql's own end below.
        let _ = into.write_all(b"\ncommit;\n").await;
    }
    // Without a commit, the end of the input is a rollback.
    drop(into);
    let psql_end = psql.wait().await.map_err(|error| error.to_string())?;

    // psql first: when it stops, the pipe breaks and pg_restore fails as a consequence.
    for (name, end, said) in [("psql", psql_end, psql_said), ("pg_restore", script_end, script_said)] {
        if !end.success() {
            let said = said.await.unwrap_or_default();
            return Err(last_lines(&said).unwrap_or_else(|| format!("{name} ended with {end}")));
        }
    }
    sent.map_err(|error| format!("the statements did not reach psql: {error}"))
}

/// Opens the transaction, empties the database, and passes on every statement of the archive.
async fn send(schemas: &[String], from: &mut ChildStdout, into: &mut ChildStdin) -> std::io::Result<()> {
    let mut preamble = String::from("begin;\n");
    for schema in schemas {
        preamble.push_str("drop schema ");
        preamble.push_str(schema);
        preamble.push_str(" cascade;\n");
    }
    // An archive leaves `public` to whoever made the database; this is its owner since PostgreSQL 15.
    preamble.push_str("create schema public authorization pg_database_owner;\n");
    into.write_all(preamble.as_bytes()).await?;
    tokio::io::copy(from, into).await?;
    into.flush().await
}

/// Collects what a program says while it runs.
fn read_in_background(stderr: Option<ChildStderr>) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // What was read before an error is all there is to show.
            let _ = stderr.read_to_end(&mut said).await;
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}
