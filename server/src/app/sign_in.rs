//! Signing in, the first account, and passwords that were forgotten.

use super::accounts::{Occasion, check_fields, check_password, note, password_code};
use super::{App, AppError, Result};
use crate::auth::sso::{Identity, Sso};
use crate::auth::{code, password, totp};
use crate::clock;
use headroom_domain::access::{Role, email};
use headroom_domain::slug::check_name;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::account::{self, Account, AccountFields};
use headroom_store::audit::{Actor, Receipt};
use headroom_store::sign_in;
use sqlx::{Connection, PgConnection};

/// Failures that make the next attempt wait count for this long.
const WINDOW_MS: Millis = MINUTE_MS;
/// Failures about one account within the window.
const MOST_FOR_ACCOUNT: i64 = 5;
/// Failures from one address within the window: many people may share it.
const MOST_FROM_ADDRESS: i64 = 30;
/// Mails with a code that one address gets within an hour, whoever asks for them.
const MOST_MAILS: i64 = 3;
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

/// Counts an attempt about a subject, or refuses it with the time until the next one.
async fn count(conn: &mut PgConnection, about: &str, most: i64, window: Millis) -> Result<()> {
    match sign_in::attempt(conn, about, window, most).await? {
        None => Ok(()),
        Some(wait_ms) => Err(AppError::TooMany { retry_after_s: (wait_ms as u64).div_ceil(1000).max(1) }),
    }
}

/// Notes that an attempt was no failure.
async fn succeeded(conn: &mut PgConnection, email: &str, address: &str) -> Result<()> {
    sign_in::forget(conn, &about_account(email)).await?;
    sign_in::forget_one(conn, &about_address(address)).await?;
    Ok(())
}

/// Somebody at the moment of proving who they are: the caller is nobody yet.
fn page_actor(of: &Account, address: &str) -> Actor {
    Actor {
        name: of.fields.name.clone(),
        id: Some(of.id),
        source: "page",
        address: address.to_owned(),
        receipt: Receipt::default(),
    }
}

impl App {
    /// Counts an attempt to prove who one is, before anything is compared: many at once are no way around the limit.
    pub(super) async fn attempt(&self, email: &str, address: &str) -> Result<()> {
        let mut tx = self.db.pages.begin().await?;
        count(&mut tx, &about_account(email), MOST_FOR_ACCOUNT, WINDOW_MS).await?;
        count(&mut tx, &about_address(address), MOST_FROM_ADDRESS, WINDOW_MS).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes that somebody who is signed in proved it again.
    pub(super) async fn proved(&self, conn: &mut PgConnection, email: &str) -> Result<()> {
        succeeded(conn, email, &self.caller.actor.address).await
    }

    /// Who signs people in elsewhere, if anybody does.
    pub fn provider(&self) -> Option<&Sso> {
        self.outward.sso.as_ref()
    }

    /// Whether the server sends mail.
    pub fn sends_mail(&self) -> bool {
        self.outward.mail.is_some()
    }

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
        self.attempt("setup", address).await?;
        let hash = password::hash(secret).await?;
        let mut conn = self.db.pages.acquire().await?;
        let mut tx = conn.begin().await?;
        account::lock(&mut tx).await?;
        if account::any(&mut tx).await? {
            return Err(AppError::Conflict("the first account was made already: sign in with it".into()));
        }
        if !sign_in::use_code(&mut tx, None, &code::hash(&code::normal(typed))).await? {
            return Err(AppError::invalid("code", "", "the code that the server's console printed at its last start"));
        }
        let key = account::create(&mut tx, clock::uuid(), &fields).await?;
        account::set_password(&mut tx, key, &hash).await?;
        succeeded(&mut tx, "setup", address).await?;
        let made = account::by_key(&mut tx, key).await?.ok_or_else(|| lost("account"))?;
        note(&mut tx, &page_actor(&made, address), "create", &made, None, Some(&fields), "first account").await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Checks who somebody says to be. `typed_code` is the second factor's, if it was asked for.
    pub async fn sign_in(&self, mail: &str, secret: &str, typed_code: &str, address: &str) -> Result<SignedIn> {
        let mail = mail.trim().to_lowercase();
        self.attempt(&mail, address).await?;
        let mut conn = self.db.pages.acquire().await?;
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
            tracing::info!(address, "a sign-in was refused");
            return Ok(SignedIn::Refused);
        };
        if let Some(totp_secret) = secrets.totp_secret.filter(|_| secrets.totp_on) {
            if typed_code.trim().is_empty() {
                sign_in::forget_one(&mut conn, &about_account(&mail)).await?;
                sign_in::forget_one(&mut conn, &about_address(address)).await?;
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
                tracing::info!(address, "a second factor was refused");
                return Ok(SignedIn::Refused);
            }
        }
        let mut tx = conn.begin().await?;
        // Whoever got a new password, or was disabled, while the old one was being checked is not signed in by that.
        let now = account::by_key(&mut tx, found.key).await?;
        if !now.is_some_and(|now| now.epoch == found.epoch && now.disabled_ms.is_none()) {
            return Ok(SignedIn::Refused);
        }
        succeeded(&mut tx, &mail, address).await?;
        note(&mut tx, &page_actor(&found, address), "sign-in", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(SignedIn::As(Box::new(found)))
    }

    /// Sends a code for a new password to the owner of an address, if there is one; the answer is the same if not.
    ///
    /// The work goes on after this returns, so that the time it takes tells nothing either.
    pub async fn mail_code(&self, mail: &str, address: &str) -> Result<()> {
        let mail = email(mail).map_err(|expected| AppError::invalid("email", mail, expected))?;
        let (about, from) = (about_account(&format!("mail {mail}")), about_address(address));
        let mut tx = self.db.pages.begin().await?;
        count(&mut tx, &about, MOST_MAILS, HOUR_MS).await?;
        count(&mut tx, &from, MOST_FROM_ADDRESS, WINDOW_MS).await?;
        tx.commit().await?;
        let (app, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            if let Err(error) = app.mail_code_now(&mail, &address).await {
                tracing::warn!(%error, "a code for a new password was not made");
            }
        });
        Ok(())
    }

    async fn mail_code_now(&self, mail: &str, address: &str) -> Result<()> {
        let mut tx = self.db.pages.begin().await?;
        let found = account::by_email(&mut tx, mail).await?.filter(|found| found.disabled_ms.is_none());
        let Some(found) = found.filter(|_| self.outward.mail.is_some()) else { return Ok(()) };
        let code = password_code(&mut tx, found.key).await?;
        note(&mut tx, &page_actor(&found, address), "ask-password-code", &found, None, None, "").await?;
        tx.commit().await?;
        // What could not be sent is in the log; nobody else may learn the code.
        self.hand_over(&found, code, Occasion::Reset).await;
        Ok(())
    }

    /// Whom a provider of single sign-on signed in: the account that is known under that identity, else the one with the
    /// address that the provider has checked, else a new one if the server was told to make some.
    pub async fn sign_in_elsewhere(&self, identity: &Identity, address: &str) -> Result<Option<Account>> {
        let mut tx = self.db.pages.begin().await?;
        let known = account::by_identity(&mut tx, &identity.issuer, &identity.subject).await?;
        let found = match (known, &identity.email) {
            (Some(key), _) => account::by_key(&mut tx, key).await?,
            (None, Some(mail)) => self.met_by_address(&mut tx, identity, mail, address).await?,
            (None, None) => None,
        };
        let Some(found) = found.filter(|found| found.disabled_ms.is_none()) else { return Ok(None) };
        let reason = format!("by {}", identity.issuer);
        note(&mut tx, &page_actor(&found, address), "sign-in", &found, None, None, &reason).await?;
        tx.commit().await?;
        Ok(Some(found))
    }

    /// The account of an address, made if need be, from now on known under an identity.
    async fn met_by_address(
        &self,
        conn: &mut PgConnection,
        identity: &Identity,
        mail: &str,
        address: &str,
    ) -> Result<Option<Account>> {
        let Ok(mail) = email(mail) else { return Ok(None) };
        let reason = format!("at the first sign-in by {}", identity.issuer);
        // Two first sign-ins at once make one account.
        account::lock(conn).await?;
        let known = account::by_email(conn, &mail).await?;
        let found = match (known, self.provider().and_then(Sso::role)) {
            (Some(found), _) if found.disabled_ms.is_some() => return Ok(None),
            (Some(found), _) => found,
            (None, None) => return Ok(None),
            (None, Some(role)) => {
                let named = identity.name.as_deref().map(str::trim).filter(|name| check_name(name).is_ok());
                let name = named.unwrap_or(&mail).chars().take(120).collect();
                let fields = AccountFields { email: mail.clone(), name, roles: vec![role], tenants: Vec::new() };
                let key = account::create(conn, clock::uuid(), &fields).await?;
                let made = account::by_key(conn, key).await?.ok_or_else(|| lost("account"))?;
                note(conn, &page_actor(&made, address), "create", &made, None, Some(&fields), &reason).await?;
                made
            }
        };
        account::set_identity(conn, found.key, &identity.issuer, &identity.subject).await?;
        note(conn, &page_actor(&found, address), "link-identity", &found, None, None, &reason).await?;
        Ok(Some(found))
    }

    /// Notes that somebody signed out.
    pub async fn signed_out(&self) -> Result<()> {
        let account = self.require_account()?;
        let mut conn = self.db.pages.acquire().await?;
        note(&mut conn, &self.caller.actor, "sign-out", account, None, None, "").await
    }

    /// Chooses a password with a one-time code. All sessions of the account end.
    ///
    /// What is said, and how long it takes, does not depend on whether the address has an account.
    pub async fn reset_password(&self, mail: &str, typed: &str, secret: &str, address: &str) -> Result<()> {
        let mail = mail.trim().to_lowercase();
        let judged = password::judge(secret, &[&mail, "headroom"]);
        if let Err(expected) = judged {
            return Err(AppError::invalid("password", "", expected));
        }
        self.attempt(&mail, address).await?;
        let hash = password::hash(secret).await?;
        let mut tx = self.db.pages.begin().await?;
        let found = match email(&mail) {
            Ok(known) => account::by_email(&mut tx, &known).await?.filter(|found| found.disabled_ms.is_none()),
            Err(_) => None,
        };
        let wrong = || AppError::invalid("code", "", "the code for this address; it works once and for 24 h");
        let Some(found) = found else { return Err(wrong()) };
        if !sign_in::use_code(&mut tx, Some(found.key), &code::hash(&code::normal(typed))).await? {
            return Err(wrong());
        }
        account::set_password(&mut tx, found.key, &hash).await?;
        headroom_store::session::end(&mut tx, found.key, headroom_store::session::Which::All).await?;
        succeeded(&mut tx, &mail, address).await?;
        note(&mut tx, &page_actor(&found, address), "reset-password", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }
}

pub(super) fn lost(what: &str) -> AppError {
    AppError::Internal(format!("the {what} that was just written is not there"))
}
