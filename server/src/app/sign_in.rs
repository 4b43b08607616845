//! Signing in, the first account, and passwords that were forgotten.

use super::accounts::{check_fields, check_password, note};
use super::{App, AppError, Problem, Result};
use crate::auth::{code, password, totp};
use crate::clock;
use headroom_domain::access::{Role, email};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::account::{self, Account, AccountFields};
use headroom_store::audit::Actor;
use headroom_store::sign_in;
use sqlx::{Connection, PgConnection};

/// Failures that make the next attempt wait count for this long.
const WINDOW_MS: Millis = MINUTE_MS;
/// Failures about one account within the window.
const MOST_FOR_ACCOUNT: i64 = 5;
/// Failures from one address within the window: many people may share it.
const MOST_FROM_ADDRESS: i64 = 30;
/// A code for the first administrator works this long; every start of the server makes a new one.
const SETUP_CODE_MS: Millis = 30 * DAY_MS;
/// A code for a new password works this long.
pub(super) const PASSWORD_CODE_MS: Millis = 24 * HOUR_MS;

/// What came of an attempt to sign in.
#[derive(Debug)]
pub enum SignedIn {
    /// This is the one.
    As(Box<Account>),
    /// E-mail and password are right; the second factor is asked for.
    NeedsCode,
    /// Wrong e-mail, password or code; which of them is not told.
    Refused,
}

/// Hashed, because an address that somebody mistyped is nobody's to keep.
fn about_account(email: &str) -> String {
    format!("account {}", blake3::hash(email.as_bytes()).to_hex())
}

fn about_address(address: &str) -> String {
    format!("address {address}")
}

async fn throttle(conn: &mut PgConnection, email: &str, address: &str) -> Result<()> {
    for (about, most) in [(about_account(email), MOST_FOR_ACCOUNT), (about_address(address), MOST_FROM_ADDRESS)] {
        let (count, wait_ms) = sign_in::failures(conn, &about, WINDOW_MS, most).await?;
        if count >= most {
            return Err(AppError::TooMany { retry_after_s: (wait_ms as u64).div_ceil(1000).max(1) });
        }
    }
    Ok(())
}

async fn failed(conn: &mut PgConnection, email: &str, address: &str) -> Result<()> {
    tracing::info!(address, "a sign-in was refused");
    sign_in::note_failure(conn, &[&about_account(email), &about_address(address)]).await?;
    Ok(())
}

fn page_actor(name: &str, address: &str) -> Actor {
    Actor { name: name.to_owned(), source: "page", address: address.to_owned() }
}

impl App {
    /// Whether the first account is still to be made.
    pub async fn needs_setup(&self) -> Result<bool> {
        Ok(!account::any(&mut *self.db.pages.acquire().await?).await?)
    }

    /// A new code for the first account; earlier ones end. `None` once there is an account.
    pub async fn setup_code(&self) -> Result<Option<String>> {
        let mut tx = self.db.pages.begin().await?;
        if account::any(&mut tx).await? {
            return Ok(None);
        }
        let code = code::typed();
        let now = headroom_store::now(&mut tx).await?;
        sign_in::set_setup_code(&mut tx, &code::hash(&code), now + SETUP_CODE_MS).await?;
        tx.commit().await?;
        Ok(Some(code))
    }

    /// Makes the first account, an administrator, for whoever has the code.
    pub async fn set_up(&self, typed: &str, name: &str, mail: &str, secret: &str, address: &str) -> Result<Account> {
        let fields = AccountFields {
            email: mail.trim().to_lowercase(),
            name: name.trim().to_owned(),
            roles: vec![Role::Admin],
            tenants: Vec::new(),
        };
        let mut problems = check_fields(&fields);
        problems.extend(check_password(secret, &fields));
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        throttle(&mut *self.db.pages.acquire().await?, "setup", address).await?;
        let hash = password::hash(secret).await?;
        let mut conn = self.db.pages.acquire().await?;
        let mut tx = conn.begin().await?;
        account::lock(&mut tx).await?;
        if account::any(&mut tx).await? {
            return Err(AppError::Conflict("the first account was made already: sign in with it".into()));
        }
        if !sign_in::use_code(&mut tx, None, &code::hash(&code::normal(typed))).await? {
            tx.rollback().await?;
            failed(&mut conn, "setup", address).await?;
            return Err(AppError::invalid("code", "", "the code that the server's console printed at its last start"));
        }
        let key = account::create(&mut tx, clock::uuid(), &fields).await?;
        account::set_password(&mut tx, key, &hash).await?;
        let made = account::by_key(&mut tx, key).await?.ok_or_else(|| lost("account"))?;
        note(&mut tx, &page_actor(&fields.name, address), "create", &made, None, Some(&fields), "first account")
            .await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Checks who somebody says to be. `typed_code` is the second factor's, if it was asked for.
    pub async fn sign_in(&self, mail: &str, secret: &str, typed_code: &str, address: &str) -> Result<SignedIn> {
        let mail = mail.trim().to_lowercase();
        let mut conn = self.db.pages.acquire().await?;
        throttle(&mut conn, &mail, address).await?;
        let found = match email(&mail) {
            Ok(known) => account::by_email(&mut conn, &known).await?.filter(|found| found.disabled_ms.is_none()),
            Err(_) => None,
        };
        let secrets = match &found {
            Some(found) => account::secrets(&mut conn, found.key).await?,
            None => account::Secrets::default(),
        };
        // A connection is not kept while a password is checked.
        drop(conn);
        let secret: String = secret.chars().take(headroom_domain::access::MAX_PASSWORD + 1).collect();
        let right = password::matches(&secret, secrets.password_hash.as_deref()).await?;
        let mut conn = self.db.pages.acquire().await?;
        let Some(found) = found.filter(|_| right) else {
            failed(&mut conn, &mail, address).await?;
            return Ok(SignedIn::Refused);
        };
        if let Some(totp_secret) = secrets.totp_secret.filter(|_| secrets.totp_on) {
            if typed_code.trim().is_empty() {
                return Ok(SignedIn::NeedsCode);
            }
            let now = headroom_store::now(&mut conn).await?;
            let step = totp::check(&totp_secret, typed_code, now)?;
            // A code that was seen over somebody's shoulder works once at most.
            let fresh = match step {
                Some(step) => account::use_totp_step(&mut conn, found.key, step).await?,
                None => false,
            };
            if !fresh {
                failed(&mut conn, &mail, address).await?;
                return Ok(SignedIn::Refused);
            }
        }
        let mut tx = conn.begin().await?;
        sign_in::forget_failures(&mut tx, &about_account(&mail)).await?;
        note(&mut tx, &page_actor(&found.fields.name, address), "sign-in", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(SignedIn::As(Box::new(found)))
    }

    /// Notes that somebody signed out.
    pub async fn signed_out(&self) -> Result<()> {
        let account = self.require_account()?;
        let mut conn = self.db.pages.acquire().await?;
        note(&mut conn, &self.caller.actor, "sign-out", account, None, None, "").await
    }

    /// Chooses a password with a one-time code. All sessions of the account end.
    pub async fn reset_password(&self, mail: &str, typed: &str, secret: &str, address: &str) -> Result<()> {
        let mail = mail.trim().to_lowercase();
        let mut conn = self.db.pages.acquire().await?;
        throttle(&mut conn, &mail, address).await?;
        let found = match email(&mail) {
            Ok(known) => account::by_email(&mut conn, &known).await?.filter(|found| found.disabled_ms.is_none()),
            Err(_) => None,
        };
        let wrong = || Problem::new("code", "", "the code for this address; it works once and for 24 h");
        let Some(found) = found else {
            failed(&mut conn, &mail, address).await?;
            return Err(AppError::Invalid(vec![wrong()]));
        };
        let problems = check_password(secret, &found.fields);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        // A connection is not kept while a password is hashed.
        drop(conn);
        let hash = password::hash(secret).await?;
        let mut conn = self.db.pages.acquire().await?;
        let mut tx = conn.begin().await?;
        if !sign_in::use_code(&mut tx, Some(found.key), &code::hash(&code::normal(typed))).await? {
            tx.rollback().await?;
            failed(&mut conn, &mail, address).await?;
            return Err(AppError::Invalid(vec![wrong()]));
        }
        account::set_password(&mut tx, found.key, &hash).await?;
        headroom_store::session::end(&mut tx, found.key, headroom_store::session::Which::All).await?;
        sign_in::forget_failures(&mut tx, &about_account(&mail)).await?;
        note(&mut tx, &page_actor(&found.fields.name, address), "reset-password", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }
}

pub(super) fn lost(what: &str) -> AppError {
    AppError::Internal(format!("the {what} that was just written is not there"))
}
