//! PostgreSQL's client programs, pointed at our database.

use std::process::Stdio;

use tokio::process::Command;
use url::Url;

use super::{Endpoint, Postgres, PostgresError, binaries, connect};

/// URL parameters that libpq knows as well as sqlx; it refuses a URL with any other.
const SHARED_PARAMETERS: [&str; 12] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "options",
    "connect_timeout",
    "application_name",
];

/// A client program with its connection set, not yet its own arguments.
pub(super) async fn program(postgres: &Postgres, name: &str) -> Result<Command, PostgresError> {
    let mut command = offline_program(postgres, name).await?;
    match &postgres.endpoint {
        Endpoint::Socket { folder } => {
            command
                .env("PGHOST", folder)
                .env("PGPORT", "5432")
                .env("PGUSER", connect::DATABASE)
                .env("PGDATABASE", connect::DATABASE)
                .env("PGSSLMODE", "disable");
        }
        Endpoint::Url { url } => {
            let (url, password) = for_libpq(url)?;
            command.arg("--dbname").arg(url);
            // Everybody on the machine can read a command line, and only our user and root an environment.
            if let Some(password) = password {
                command.env("PGPASSWORD", password);
            }
        }
    }
    command.env("PGAPPNAME", "headroom").arg("--no-password");
    Ok(command)
}

/// A client program that works on files only, of a version that fits the server.
pub(super) async fn offline_program(postgres: &Postgres, name: &str) -> Result<Command, PostgresError> {
    let major = postgres.version_num / 10_000;
    let path = binaries::find_program(postgres.bin_dir(), name, major).await?;
    let mut command = Command::new(path);
    command.env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// The URL as libpq takes it, without its password, and the password.
fn for_libpq(url: &str) -> Result<(String, Option<String>), PostgresError> {
    let bad = |reason: String| PostgresError::BadUrl { reason };
    let mut parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    let mut password = parsed.password().map(decode);
    let mut parameters = Vec::new();
    for (name, value) in parsed.query_pairs() {
        // sqlx's own spellings.
        let name = match name.as_ref() {
            "ssl-mode" => "sslmode",
            "ssl-root-cert" | "ssl-ca" => "sslrootcert",
            "ssl-cert" => "sslcert",
            "ssl-key" => "sslkey",
            other => other,
        };
        if name == "password" {
            password = Some(value.into_owned());
        } else if SHARED_PARAMETERS.contains(&name) {
            parameters.push((name.to_owned(), value.into_owned()));
        }
    }
    if parsed.password().is_some() {
        parsed.set_password(None).map_err(|()| bad("its password cannot be separated".to_owned()))?;
    }
    // libpq wants %20 where forms write a plus sign.
    let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    parsed.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    Ok((parsed.to_string(), password))
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::for_libpq;

    #[test]
    fn the_password_leaves_the_url_and_foreign_parameters_go() {
        let (url, password) = for_libpq("postgres://me:p%40ss@db:5433/cap?ssl-mode=require&statement-cache-capacity=5")
            .expect("a good URL");
        assert_eq!(url, "postgres://me@db:5433/cap?sslmode=require");
        assert_eq!(password.as_deref(), Some("p@ss"));

        let (url, password) =
            for_libpq("postgres:///cap?host=/var/run/postgresql&password=x+y&user=me").expect("a good URL");
        assert_eq!(url, "postgres:///cap?host=%2Fvar%2Frun%2Fpostgresql&user=me");
        assert_eq!(password.as_deref(), Some("x y"));
    }
}
