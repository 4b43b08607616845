//! Connecting, and reading the server's version.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::{MINIMUM_MAJOR, PostgresError};

/// The database, and its owner, of a private server.
pub(super) const DATABASE: &str = "headroom";

/// How long a server may take to answer a connection before we say that it does not.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The private server's address.
pub(super) fn socket(folder: &Path, database: &str) -> PgConnectOptions {
    // Everything is set, so that no PG* variable of the environment leads elsewhere.
    PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .port(5432)
        .username(DATABASE)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("headroom")
}

/// The private server's address as a URL.
pub(super) fn socket_url(folder: &Path, database: &str) -> String {
    use std::os::unix::ffi::OsStrExt;
    let folder = percent_encoding::percent_encode(folder.as_os_str().as_bytes(), percent_encoding::NON_ALPHANUMERIC);
    format!("postgres://{DATABASE}@localhost:5432/{database}?host={folder}&sslmode=disable")
}

/// Reads a URL.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, PostgresError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(PostgresError::BadUrl { reason: "it does not start with postgres://".to_owned() });
    }
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("headroom"))
        .map_err(|error| PostgresError::BadUrl { reason: error.to_string() })
}

/// Connects to a URL and returns the server's version, or says why not.
pub(super) async fn check_url(url: &str) -> Result<u32, PostgresError> {
    let options = parse(url)?;
    let place = place(&options);
    let mut connection =
        open(&options).await.map_err(|reason| PostgresError::NoAnswer { place: place.clone(), reason })?;
    let version_num = version_num(&mut connection).await?;
    close(connection).await;
    refuse_old(version_num, place)?;
    Ok(version_num)
}

/// One connection, or the reason in words.
pub(super) async fn open(options: &PgConnectOptions) -> Result<PgConnection, String> {
    match tokio::time::timeout(ANSWER_LIMIT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(format!("no answer within {} s", ANSWER_LIMIT.as_secs())),
    }
}

/// Says goodbye. A server that has gone meanwhile is no reason to complain.
pub(super) async fn close(connection: PgConnection) {
    let _ = connection.close().await;
}

/// Waits until no connection of ours but this one is left, at most for `limit`: other commands may have found the server
/// running and use it.
pub(super) async fn wait_until_alone(options: &PgConnectOptions, limit: Duration) {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    // Between finding the server and connecting to it another command is not seen.
    const ALONE_FOR: u32 = 4;
    let look = async {
        let Ok(mut connection) = options.connect().await else { return };
        let mut alone = 0;
        while alone < ALONE_FOR {
            let others: Result<i64, _> = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where application_name like 'headroom%' and pid <> pg_backend_pid()",
            )
            .fetch_one(&mut connection)
            .await;
            match others {
                Ok(0) => alone += 1,
                Ok(_) => alone = 0,
                Err(_) => return,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        close(connection).await;
    };
    // Whoever is still there then has a keeper that starts the server again.
    let _ = tokio::time::timeout(limit, look).await;
}

/// `server_version_num`, for example 150018.
pub(super) async fn version_num(connection: &mut PgConnection) -> Result<u32, PostgresError> {
    let number: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(connection).await?;
    Ok(number.unsigned_abs())
}

/// Refuses a server older than we can use.
pub(super) fn refuse_old(version_num: u32, place: String) -> Result<(), PostgresError> {
    if version_num / 10_000 >= MINIMUM_MAJOR {
        return Ok(());
    }
    Err(PostgresError::TooOld { place, found: display_version(version_num) })
}

/// 150018 is 15.18; before 10 the scheme was 90624 for 9.6.24.
fn display_version(version_num: u32) -> String {
    let (first, rest) = (version_num / 10_000, version_num % 10_000);
    if first >= 10 { format!("{first}.{rest}") } else { format!("{first}.{}.{}", rest / 100, rest % 100) }
}

/// Host, port and database for a message: never the password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(folder) => format!("{}, database {database}", folder.display()),
        None => format!("{}:{}, database {database}", options.get_host(), options.get_port()),
    }
}

/// A database error as the server said it, without the library's wrapping.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(io) => io.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused_with_their_usual_spelling() {
        let old = [(140_012, "14.12"), (90_624, "9.6.24"), (100_001, "10.1")];
        for (number, spelling) in old {
            let error = refuse_old(number, "here".to_owned()).expect_err("too old");
            assert!(error.to_string().contains(spelling), "{error}");
        }
        refuse_old(150_000, "here".to_owned()).expect("15 is enough");
        refuse_old(180_003, "here".to_owned()).expect("18 is enough");
    }

    #[test]
    fn a_message_about_a_server_never_has_its_password() {
        let options = parse("postgres://me:secret@db.example:6543/capacity").expect("a good URL");
        assert_eq!(place(&options), "db.example:6543, database capacity");
    }

    #[test]
    fn another_kind_of_url_is_refused_with_an_example() {
        for url in ["mysql://a@b/c", "", "host=/tmp", "postgres://a@b:port/c"] {
            let error = parse(url).expect_err("not a PostgreSQL URL");
            assert!(error.to_string().contains("postgres://user"), "{error}");
        }
    }

    #[test]
    fn a_socket_url_leads_to_the_socket() {
        let folder = Path::new("/data dir/run");
        let options = parse(&socket_url(folder, "other")).expect("our own URL");
        assert_eq!(options.get_socket().map(std::path::PathBuf::as_path), Some(folder));
        assert_eq!(options.get_database(), Some("other"));
    }
}
