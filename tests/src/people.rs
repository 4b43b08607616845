//! Somebody to be in tests: an administrator with a session and a token whose secrets are known, put into the database as a
//! sign-in would put them there. Signing in itself is what the tests of people are about.

use std::path::Path;

use anyhow::{Context, Result};
use headroom_domain::access::{Role, Scope};
use headroom_server::auth::{code, session};
use headroom_server::clock;
use headroom_store::account::{self, Account, AccountFields};
use headroom_store::session as sessions;
use headroom_store::token::{self, TokenFields};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tower_sessions::session::Id;

/// Name of the administrator.
pub const NAME: &str = "Test Admin";
/// Its e-mail address.
pub const EMAIL: &str = "admin@test.example";
/// The token, of every scope.
pub const TOKEN: &str = "hr_TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST";
/// What the forms of its session carry.
pub const CSRF: &str = "00000000000000000000000000000001";
/// The session's id.
const SESSION: Id = Id(0x7465_7374_7465_7374_7465_7374_7465_7374);

/// The session's cookie: name and value.
pub fn cookie() -> (&'static str, String) {
    (headroom_server::serve::OPEN_COOKIE, SESSION.to_string())
}

/// Puts the administrator, its session and its token into a database, unless they are there.
pub async fn prepare(conn: &mut PgConnection) -> Result<()> {
    if account::by_email(conn, EMAIL).await?.is_some() {
        return Ok(());
    }
    let admin = add(conn, EMAIL, NAME, &[Role::Admin, Role::Planner], &[]).await?;
    open_session(conn, &admin, SESSION, CSRF).await?;
    add_token(conn, TOKEN, Scope::ALL, &[], &[]).await
}

/// Adds an account without a password.
pub async fn add(
    conn: &mut PgConnection,
    email: &str,
    name: &str,
    roles: &[Role],
    tenants: &[&str],
) -> Result<Account> {
    let fields = AccountFields {
        email: email.to_owned(),
        name: name.to_owned(),
        roles: roles.to_vec(),
        tenants: tenants.iter().map(|slug| (*slug).to_owned()).collect(),
    };
    let key = account::create(conn, clock::uuid(), &fields).await?;
    account::by_key(conn, key).await?.context("the account that was just made")
}

/// Gives the administrator a password.
pub async fn set_password(conn: &mut PgConnection, password: &str) -> Result<()> {
    let admin = account::by_email(conn, EMAIL).await?.context("the administrator is there")?;
    let hash = headroom_server::auth::password::hash(password).await?;
    account::set_password(conn, admin.key, &hash).await?;
    Ok(())
}

/// Opens a session of an account that ends in a day.
pub async fn open_session(conn: &mut PgConnection, account: &Account, id: Id, csrf: &str) -> Result<()> {
    let now = clock::now_ms() / 1000;
    let data = json!({
        "account": account.key, "version": account.version, "epoch": account.epoch, "csrf": csrf, "ends": now + 86_400, "idle": 86_400, "noted": now,
    });
    let row = sessions::Session {
        hash: &session::hash(id),
        id: clock::uuid(),
        account: Some(account.key),
        data: &data,
        address: "127.0.0.1",
        agent: "test",
        expires_ms: (now + 86_400) * 1000,
    };
    sessions::create(conn, &row).await?;
    Ok(())
}

/// Adds a token with a known secret.
pub async fn add_token(
    conn: &mut PgConnection,
    secret: &str,
    scopes: &[Scope],
    pools: &[&str],
    tenants: &[&str],
) -> Result<()> {
    let owned = |slugs: &[&str]| slugs.iter().map(|slug| (*slug).to_owned()).collect();
    let fields = TokenFields {
        name: "test".into(),
        scopes: scopes.to_vec(),
        pools: owned(pools),
        tenants: owned(tenants),
        expires_ms: None,
    };
    token::create(conn, clock::uuid(), &code::hash(secret), &secret[..9], NAME, &fields).await?;
    Ok(())
}

/// The same in the private PostgreSQL of a running service.
pub async fn prepare_at(data_dir: &Path) -> Result<()> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(data_dir.join("run"))
        .port(5432)
        .username("headroom")
        .database("headroom")
        .ssl_mode(PgSslMode::Disable);
    let mut conn = PgConnection::connect_with(&options).await.context("cannot connect to the private PostgreSQL")?;
    prepare(&mut conn).await?;
    conn.close().await?;
    Ok(())
}
