//! Browser sessions, kept in PostgreSQL. Cookie, random ids and their renewal are tower-sessions'; this is its store.
//!
//! The table knows a session by the hash of its id, so that a copy of the database opens no session.

use crate::clock;
use crate::db::{Db, Loan};
use async_trait::async_trait;
use headroom_domain::access::Role;
use headroom_store::account::Account;
use headroom_store::session as rows;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use tower_sessions::session::Error as SessionError;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result as Stored};
use tower_sessions::{Expiry, Session, SessionStore};

/// A session ends when it was not used for this long.
const IDLE_S: i64 = 12 * 3600;
/// A session ends this long after sign-in, however much it is used.
const ABSOLUTE_S: i64 = 24 * 3600;
/// Both, for people who answer alerts: at three in the morning nobody looks for a password.
const ON_CALL_S: i64 = 7 * 24 * 3600;
/// A sign-in at a provider of single sign-on is finished within this.
const ELSEWHERE_S: i64 = 15 * 60;
/// A session is looked up outside the deadline of requests, so it has one of its own.
const PATIENCE: Duration = Duration::from_secs(3);
/// A session's last use is written down this often.
const NOTED_EVERY_S: i64 = 60;

/// What a session remembers, by name.
mod key {
    pub(super) const ACCOUNT: &str = "account";
    pub(super) const CSRF: &str = "csrf";
    pub(super) const ENDS: &str = "ends";
    pub(super) const IDLE: &str = "idle";
    pub(super) const NOTED: &str = "noted";
    pub(super) const VERSION: &str = "version";
    pub(super) const EPOCH: &str = "epoch";
    pub(super) const ADDRESS: &str = "address";
    pub(super) const AGENT: &str = "agent";
    pub(super) const ELSEWHERE: &str = "elsewhere";
}

/// The sessions of a database.
#[derive(Debug, Clone)]
pub struct Sessions {
    db: Db,
}

impl Sessions {
    /// The sessions of a database.
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// The hash under which a session is stored.
pub fn hash(id: Id) -> Vec<u8> {
    blake3::hash(&id.0.to_le_bytes()).as_bytes().to_vec()
}

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

/// What is stored: all that is remembered, and apart from it what pages and statements ask for.
fn account_of(record: &Record) -> Option<i32> {
    record.data.get(key::ACCOUNT)?.as_i64().and_then(|key| i32::try_from(key).ok())
}

fn data(record: &Record) -> Value {
    Value::Object(record.data.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

async fn create(conn: &mut PgConnection, record: &Record) -> headroom_store::Result<bool> {
    let text = |name: &str| record.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (address, agent) = (text(key::ADDRESS), text(key::AGENT));
    let row = rows::Session {
        hash: &hash(record.id),
        id: clock::uuid(),
        account: account_of(record),
        data: &data(record),
        address: &address,
        agent: &agent,
        expires_ms: record.expiry_date.unix_timestamp() * 1000,
    };
    rows::create(conn, &row).await
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Stored<()> {
        let mut conn = self.db.pages.acquire().await.map_err(backend)?;
        while !create(&mut conn, record).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Stored<()> {
        let mut conn = self.db.pages.acquire().await.map_err(backend)?;
        let end_ms = record.expiry_date.unix_timestamp() * 1000;
        rows::save(&mut conn, &hash(record.id), account_of(record), &data(record), end_ms).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Stored<Option<Record>> {
        let found = tokio::time::timeout(PATIENCE, async {
            let mut conn = Loan::of(&self.db.pages).await.map_err(backend)?;
            let found = rows::load(&mut conn, &hash(*id)).await.map_err(backend)?;
            conn.give_back();
            Ok::<_, Error>(found)
        });
        let found = found.await.map_err(|_| backend("the session was not looked up in time"))??;
        let Some((Value::Object(data), end_ms)) = found else { return Ok(None) };
        let expiry_date = OffsetDateTime::from_unix_timestamp(end_ms / 1000).map_err(backend)?;
        Ok(Some(Record { id: *id, data: unordered(data), expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Stored<()> {
        let mut conn = self.db.pages.acquire().await.map_err(backend)?;
        rows::delete(&mut conn, &hash(*id)).await.map_err(backend)
    }
}

fn unordered(data: Map<String, Value>) -> std::collections::HashMap<String, Value> {
    data.into_iter().collect()
}

/// A session in which somebody is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account's key.
    pub account: i32,
    /// The account's version that the session's id was given for.
    pub version: i32,
    /// The account's epoch in which it was begun.
    pub epoch: i32,
    /// What its forms carry.
    pub csrf: String,
}

fn seconds() -> i64 {
    clock::now_ms() / 1000
}

fn expiry(idle_s: i64, ends_s: i64) -> Option<Expiry> {
    let end = (seconds() + idle_s).min(ends_s);
    OffsetDateTime::from_unix_timestamp(end).ok().map(Expiry::AtDateTime)
}

/// Signs in: a new id, so that one planted before is worth nothing, and nothing carried over.
pub async fn begin(session: &Session, account: &Account, address: &str, agent: &str) -> Result<(), SessionError> {
    let on_call = account.fields.roles.contains(&Role::OnCall);
    let (idle, absolute) = if on_call { (ON_CALL_S, ON_CALL_S) } else { (IDLE_S, ABSOLUTE_S) };
    let now = seconds();
    session.clear().await;
    // Not `flush`: what is written after that comes under the old id again.
    session.cycle_id().await?;
    session.insert(key::ACCOUNT, account.key).await?;
    session.insert(key::VERSION, account.version).await?;
    session.insert(key::EPOCH, account.epoch).await?;
    session.insert(key::CSRF, clock::nonce()).await?;
    session.insert(key::ENDS, now + absolute).await?;
    session.insert(key::IDLE, idle).await?;
    session.insert(key::NOTED, now).await?;
    session.insert(key::ADDRESS, address).await?;
    session.insert(key::AGENT, agent.chars().take(300).collect::<String>()).await?;
    session.set_expiry(expiry(idle, now + absolute));
    Ok(())
}

/// A sign-in at a provider of single sign-on that was begun in a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// What has to come back beside the code.
    pub state: String,
    /// What has to come back inside the token.
    pub nonce: String,
    /// Proves that the code is redeemed by who asked for it.
    pub verifier: String,
    /// Where to go afterwards.
    pub next: String,
}

/// Remembers a sign-in at a provider, for as long as somebody may take to type a password there.
pub async fn leave(session: &Session, elsewhere: &Elsewhere) -> Result<(), SessionError> {
    let now = seconds();
    session.insert(key::ELSEWHERE, elsewhere).await?;
    session.set_expiry(expiry(ELSEWHERE_S, now + ELSEWHERE_S));
    Ok(())
}

/// The sign-in at a provider that was begun in this browser. It is forgotten with this: it can be finished once.
pub async fn come_back(session: &Session) -> Result<Option<Elsewhere>, SessionError> {
    if session.id().is_none() {
        return Ok(None);
    }
    let found = session.get(key::ELSEWHERE).await?;
    if found.is_some() {
        session.flush().await?;
    }
    Ok(found)
}

/// Who is signed in. Notes the use, at most once a minute, which also moves the end.
pub async fn current(session: &Session) -> Result<Option<SignedIn>, SessionError> {
    if session.id().is_none() {
        return Ok(None);
    }
    let account: Option<i32> = session.get(key::ACCOUNT).await?;
    let csrf: Option<String> = session.get(key::CSRF).await?;
    let version: i32 = session.get(key::VERSION).await?.unwrap_or_default();
    let epoch: i32 = session.get(key::EPOCH).await?.unwrap_or_default();
    let Some((account, csrf)) = account.zip(csrf) else { return Ok(None) };
    let noted: i64 = session.get(key::NOTED).await?.unwrap_or_default();
    if seconds() - noted >= NOTED_EVERY_S {
        note(session).await?;
    }
    Ok(Some(SignedIn { account, version, epoch, csrf }))
}

/// Notes a use, which moves the end. Whoever changes a session calls it, because what is saved without it has another end.
async fn note(session: &Session) -> Result<(), SessionError> {
    let now = seconds();
    let ends: i64 = session.get(key::ENDS).await?.unwrap_or(now);
    let idle: i64 = session.get(key::IDLE).await?.unwrap_or(IDLE_S);
    session.insert(key::NOTED, now).await?;
    session.set_expiry(expiry(idle, ends));
    Ok(())
}

/// A new id for what the session remembers, and a new token for its forms: after a change of rights, password or second
/// factor, when the account is at another version. Returns the token.
pub async fn renew(session: &Session, version: i32) -> Result<String, SessionError> {
    let csrf = clock::nonce();
    session.cycle_id().await?;
    session.insert(key::VERSION, version).await?;
    session.insert(key::CSRF, &csrf).await?;
    note(session).await?;
    // Written at once: the page that this request asks for may list the sessions, and a stream looks for its own.
    session.save().await?;
    Ok(csrf)
}

/// Goes on in a new epoch: this session ended all others.
pub async fn go_on(session: &Session, epoch: i32) -> Result<(), SessionError> {
    session.insert(key::EPOCH, epoch).await?;
    note(session).await
}

/// Signs out: the session is gone from the table.
pub async fn end(session: &Session) -> Result<(), SessionError> {
    session.flush().await
}
