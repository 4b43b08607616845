//! The private server, for real: started, adopted, killed, brought back, backed up, restored.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::*;

/// How long we wait for what must happen; only a failure takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A throw-away server's options.
fn quick() -> Options {
    Options { shared_buffers_mib: 16, durable: false, ..Options::default() }
}

/// A data directory that PostgreSQL's user can enter.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode is set");
    folder
}

async fn private(data_dir: &Path) -> Postgres {
    private_with(data_dir, quick()).await
}

async fn private_with(data_dir: &Path, options: Options) -> Postgres {
    let source = Source::Private { data_dir: data_dir.to_owned() };
    start(source, options).await.expect("PostgreSQL starts")
}

async fn connection(postgres: &Postgres) -> PgConnection {
    PgConnection::connect_with(&postgres.connect_options()).await.expect("PostgreSQL answers")
}

async fn run(postgres: &Postgres, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&mut connection(postgres).await).await.expect("the statements run");
}

async fn number(postgres: &Postgres, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&mut connection(postgres).await).await.expect("the query runs")
}

fn postmaster_pid(data_dir: &Path) -> i32 {
    std::fs::read_to_string(data_dir.join("postgres/postmaster.pid"))
        .expect("a server has a postmaster.pid")
        .lines()
        .next()
        .and_then(|line| line.parse().ok())
        .expect("its first line is a number")
}

/// Looks until `condition` holds.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_private_server_starts_keeps_its_data_and_stops() {
    let folder = folder();
    let first = private(folder.path()).await;
    assert!(first.started_here());
    assert!(first.version_num() / 10_000 >= MINIMUM_MAJOR);
    run(&first, "create table kept (n int); insert into kept values (42)").await;
    first.stop().await;
    assert!(!folder.path().join("postgres/postmaster.pid").exists());

    let second = private(folder.path()).await;
    assert_eq!(number(&second, "select n::bigint from kept").await, 42);
    second.stop().await;
}

#[tokio::test]
async fn only_the_socket_is_open() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    let addresses: String = sqlx::query_scalar("show listen_addresses")
        .fetch_one(&mut connection(&postgres).await)
        .await
        .expect("the setting is shown");
    assert_eq!(addresses, "");
    use std::os::unix::fs::PermissionsExt;
    for private in ["postgres", "run"] {
        let mode = std::fs::metadata(folder.path().join(private)).expect("the folder exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{private}");
    }
    postgres.stop().await;
}

#[tokio::test]
async fn two_starts_at_once_share_one_server() {
    let folder = folder();
    let (one, other) = tokio::join!(private(folder.path()), private(folder.path()));
    assert_ne!(one.started_here(), other.started_here());
    run(&one, "create table seen (n int)").await;
    assert_eq!(number(&other, "select count(*) from seen").await, 0);
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn who_adopted_a_server_brings_it_back_when_its_owner_stops() {
    let folder = folder();
    let owner = private(folder.path()).await;
    run(&owner, "create table kept (n int)").await;
    let guest = private(folder.path()).await;
    assert!(!guest.started_here());
    owner.stop().await;
    eventually("the server comes back", async || PgConnection::connect_with(&guest.connect_options()).await.is_ok())
        .await;
    assert_eq!(number(&guest, "select count(*) from kept").await, 0);
    guest.stop().await;
    assert!(!folder.path().join("postgres/postmaster.pid").exists());
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_data() {
    let folder = folder();
    let durable = Options { durable: true, ..quick() };
    let postgres = private_with(folder.path(), durable).await;
    run(&postgres, "create table kept (n int); insert into kept values (7)").await;
    let before = postmaster_pid(folder.path());
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("the server is killed");
    eventually("the server comes back", async || {
        PgConnection::connect_with(&postgres.connect_options()).await.is_ok() && postmaster_pid(folder.path()) != before
    })
    .await;
    assert_eq!(number(&postgres, "select n::bigint from kept").await, 7);
    postgres.stop().await;
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket_and_a_link_to_it() {
    let top = folder();
    let long = top.path().join("x".repeat(90));
    let postgres = private(&long).await;
    let link = std::fs::read_link(long.join("run")).expect("run is a link");
    assert_eq!(number(&postgres, "select 1::bigint").await, 1);
    postgres.stop().await;
    std::fs::remove_dir_all(&link).expect("the short folder is removed");
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let folder = folder();
    let unfinished = folder.path().join("postgres.unfinished");
    std::fs::create_dir(&unfinished).expect("the folder is made");
    std::fs::write(unfinished.join("PG_VERSION"), "15\n").expect("a file is written");
    let postgres = private(folder.path()).await;
    assert!(!unfinished.exists());
    postgres.stop().await;
}

#[tokio::test]
async fn a_cluster_of_another_major_version_is_refused_by_name() {
    let folder = folder();
    let cluster = folder.path().join("postgres");
    std::fs::create_dir(&cluster).expect("the folder is made");
    std::fs::write(cluster.join("PG_VERSION"), "12\n").expect("a file is written");
    let source = Source::Private { data_dir: folder.path().to_owned() };
    let error = start(source, quick()).await.expect_err("12 is not installed");
    assert!(error.to_string().contains("PostgreSQL 12"), "{error}");
}

#[tokio::test]
async fn missing_programs_are_named_with_the_way_to_get_them() {
    let folder = folder();
    let source = Source::Private { data_dir: folder.path().to_owned() };
    let options = Options { bin_dir: Some(folder.path().to_owned()), ..quick() };
    let error = start(source, options).await.expect_err("nothing is there");
    let text = error.to_string();
    assert!(text.contains("HEADROOM_PG_BIN"), "{text}");
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
}

#[tokio::test]
async fn a_url_leads_to_the_same_server_and_a_dead_one_is_named() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    let by_url = start(Source::Url(postgres.url()), Options::default()).await.expect("the URL works");
    assert_eq!(by_url.version_num(), postgres.version_num());
    by_url.stop().await;

    let dead = Source::Url("postgres://me:secret@127.0.0.1:1/none".to_owned());
    let error = start(dead, Options::default()).await.expect_err("nobody listens on port 1");
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && !text.contains("secret"), "{text}");
    postgres.stop().await;
}

/// A process to be killed by the next test: it holds a server until then. Does nothing when run by itself.
#[tokio::test]
async fn holds_a_server_until_it_is_killed() {
    let Some(data_dir) = std::env::var_os("HEADROOM_TEST_HOLD") else {
        return;
    };
    let _postgres = private(Path::new(&data_dir)).await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn when_we_are_killed_the_server_stops_cleanly_and_the_next_start_works() {
    let folder = folder();
    let this = std::env::current_exe().expect("this test has a path");
    let mut holder = Command::new(this)
        .args(["--exact", "postgres::tests::holds_a_server_until_it_is_killed"])
        .env("HEADROOM_TEST_HOLD", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the holder starts");
    let cluster = folder.path().join("postgres");
    let sockets = folder.path().join("run");
    eventually("the holder's server answers", async || {
        connect::open(&connect::socket(&sockets, connect::DATABASE)).await.is_ok()
    })
    .await;
    holder.kill().expect("the holder is killed");
    holder.wait().expect("the holder is gone");
    eventually("the server stops", async || !postmaster::any_process_in(&cluster)).await;
    assert!(!cluster.join("postmaster.pid").exists(), "it stopped cleanly");

    let postgres = private(folder.path()).await;
    assert!(postgres.started_here());
    postgres.stop().await;
}

const SCHEMA: &str = "create table _sqlx_migrations (version bigint primary key);
    create schema extra;
    create table extra.pool (id int primary key, name text not null, packed bytea);
    create table sample (at timestamptz not null, n bigint) partition by range (at);
    create table sample_1 partition of sample for values from ('2026-01-01') to ('2026-02-01');
    insert into extra.pool select i, 'pool ' || i, decode(repeat('ab', 500), 'hex') from generate_series(1, 2000) i;
    insert into sample select '2026-01-01'::timestamptz + i * interval '1 s', i from generate_series(1, 5000) i;";

const SUM: &str = "select (select sum(n) from sample)::bigint * 1000000 + (select count(*) from extra.pool)";

#[tokio::test]
async fn a_backup_restores_to_the_same_and_only_where_it_may() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    run(&postgres, SCHEMA).await;
    let before = number(&postgres, SUM).await;
    let file = folder.path().join("all.backup");
    let made = backup(&postgres, &file).await.expect("a backup is made");
    assert_eq!(made.bytes, std::fs::metadata(&file).expect("the file").len());
    assert!(!folder.path().join("all.backup.partial").exists());

    let refused = restore(&postgres, &file, false).await.expect_err("it is not empty");
    assert!(matches!(refused, PostgresError::NotEmpty { relations: 4 }), "{refused}");

    run(&postgres, "delete from sample; create table later (n int); drop table extra.pool").await;
    let restored = restore(&postgres, &file, true).await.expect("it is replaced");
    assert_eq!(restored.tables, 4);
    assert_eq!(number(&postgres, SUM).await, before);
    let later = "select count(*) from pg_class where relname = 'later'";
    assert_eq!(number(&postgres, later).await, 0);

    // A second round, because a restored database must be as good as the first one.
    backup(&postgres, &file).await.expect("a second backup");
    let other = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a temporary folder");
    let empty = private(other.path()).await;
    restore(&empty, &file, false).await.expect("an empty one is filled");
    assert_eq!(number(&empty, SUM).await, before);
    empty.stop().await;
    postgres.stop().await;
}

#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    run(&postgres, SCHEMA).await;
    let before = number(&postgres, SUM).await;
    let file = folder.path().join("all.backup");
    backup(&postgres, &file).await.expect("a backup is made");
    let whole = std::fs::read(&file).expect("the file is read");

    let truncated = folder.path().join("truncated.backup");
    std::fs::write(&truncated, &whole[..whole.len() * 3 / 4]).expect("written");
    let error = restore(&postgres, &truncated, true).await.expect_err("it ends too early");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(number(&postgres, SUM).await, before);

    let foreign = folder.path().join("notes.txt");
    std::fs::write(&foreign, "not an archive at all").expect("written");
    for path in [foreign, folder.path().join("missing.backup")] {
        let error = restore(&postgres, &path, true).await.expect_err("not a backup");
        assert!(matches!(error, PostgresError::NotABackup { .. }), "{error}");
    }
    assert_eq!(number(&postgres, SUM).await, before);
    postgres.stop().await;
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    run(&postgres, SCHEMA).await;
    let file = folder.path().join("all.backup");
    backup(&postgres, &file).await.expect("a backup is made");
    let visitor = connection(&postgres).await;
    let error = restore(&postgres, &file, true).await.expect_err("somebody is there");
    assert!(matches!(error, PostgresError::InUse { connections: 1 }), "{error}");
    drop(visitor);
    postgres.stop().await;
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_leaves_no_file() {
    let folder = folder();
    let postgres = private(folder.path()).await;
    let file = folder.path().join("no such folder/all.backup");
    let error = backup(&postgres, &file).await.expect_err("the folder is missing");
    assert!(matches!(error, PostgresError::Backup { .. }), "{error}");
    postgres.stop().await;
}
