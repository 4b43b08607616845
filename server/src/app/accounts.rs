//! People: their accounts, roles, passwords, second factors and sessions.

use super::sign_in::{PASSWORD_CODE_MS, lost};
use super::{App, AppError, Problem, Result};
use crate::auth::{code, password, totp};
use crate::clock;
use crate::mail::Letter;
use headroom_domain::Millis;
use headroom_domain::access::{Action, Role, email};
use headroom_domain::slug::check_name;
use headroom_store::account::{self, Account, AccountFields};
use headroom_store::audit::{self, Actor, Entry};
use headroom_store::session::{self, Open, Which};
use headroom_store::{letter, sign_in, tenant};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Most tenants of one account.
const MAX_TENANTS: usize = 200;

/// A code that was just made, and when it ends.
pub struct OneTimeCode {
    /// To be typed once.
    pub code: String,
    /// When it ends.
    pub expires_ms: Millis,
}

/// How a code reaches its person.
#[derive(Debug)]
pub enum Handed {
    /// Whoever made it hands it on.
    Told {
        /// The code.
        code: OneTimeCode,
        /// Why it did not go by mail, if it should have.
        problem: Option<String>,
    },
    /// It is on its way to the account's address.
    Mailed {
        /// That address.
        to: String,
        /// When the code ends.
        expires_ms: Millis,
    },
}

impl std::fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneTimeCode").field("expires_ms", &self.expires_ms).finish_non_exhaustive()
    }
}

/// What is wrong with an account's fields.
pub(super) fn check_fields(fields: &AccountFields) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Err(expected) = email(&fields.email) {
        problems.push(Problem::new("email", &fields.email, expected));
    }
    if let Err(expected) = check_name(&fields.name) {
        problems.push(Problem::new("name", &fields.name, expected));
    }
    if fields.roles.is_empty() {
        problems.push(Problem::new("roles", "", "one role at least"));
    }
    if fields.tenants.len() > MAX_TENANTS {
        problems.push(Problem::new("tenants", fields.tenants.len().to_string(), format!("at most {MAX_TENANTS}")));
    }
    let limited = fields.roles.contains(&Role::TenantViewer);
    if limited && fields.tenants.is_empty() {
        problems.push(Problem::new("tenants", "", "the tenants that a tenant viewer sees"));
    }
    if !limited && !fields.tenants.is_empty() {
        problems.push(Problem::new("tenants", fields.tenants.join(", "), "none without the role of a tenant viewer"));
    }
    problems
}

/// What is wrong with a new password of an account.
pub(super) fn check_password(secret: &str, fields: &AccountFields) -> Vec<Problem> {
    let judged = password::judge(secret, &[&fields.name, &fields.email, "headroom"]);
    judged.err().map(|expected| Problem::new("password", "", expected)).into_iter().collect()
}

/// Records what was done to an account.
pub(super) async fn note(
    conn: &mut PgConnection,
    actor: &Actor,
    action: &str,
    of: &Account,
    before: Option<&AccountFields>,
    after: Option<&AccountFields>,
    reason: &str,
) -> Result<()> {
    let value = |fields: Option<&AccountFields>| fields.and_then(|fields| serde_json::to_value(fields).ok());
    let entry = Entry {
        actor,
        action,
        object: "account",
        key: &of.fields.email,
        id: Some(of.id),
        before: value(before),
        after: value(after),
        reason,
    };
    audit::record(conn, &entry).await?;
    Ok(())
}

async fn check_tenants(conn: &mut PgConnection, slugs: &[String], field: &str) -> Result<()> {
    let known = tenant::keys_of(conn, slugs).await?;
    let unknown = slugs.iter().filter(|slug| !known.iter().any(|(_, known)| known == *slug));
    let problems: Vec<Problem> = unknown.map(|slug| Problem::new(field, slug, "a tenant that exists")).collect();
    if problems.is_empty() { Ok(()) } else { Err(AppError::Invalid(problems)) }
}

async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Account> {
    let missing = || AppError::NotFound { what: "account", slug: id.to_string(), suggestion: None };
    account::by_id(conn, id).await?.ok_or_else(missing)
}

/// Without an administrator nobody could make one.
async fn ensure_admin(conn: &mut PgConnection, field: &str) -> Result<()> {
    if account::admins(conn).await?.is_empty() {
        let expected = "another administrator first: this is the last one";
        return Err(AppError::invalid(field, "", expected));
    }
    Ok(())
}

impl App {
    /// All accounts by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        self.require(Action::Administer)?;
        Ok(account::list(&mut *self.db.pages.acquire().await?).await?)
    }

    /// One account.
    pub async fn account(&self, id: Uuid) -> Result<Account> {
        self.require(Action::Administer)?;
        find(&mut *self.db.pages.acquire().await?, id).await
    }

    /// Names of those who can give rights: whom to ask.
    pub async fn whom_to_ask(&self) -> Result<Vec<String>> {
        Ok(account::admins(&mut *self.db.pages.acquire().await?).await?)
    }

    /// Makes an account; its person chooses a password with the code.
    pub async fn create_account(&self, fields: &AccountFields) -> Result<(Account, Handed)> {
        self.require(Action::Administer)?;
        let problems = check_fields(fields);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let mut tx = self.db.pages.begin().await?;
        check_tenants(&mut tx, &fields.tenants, "tenants").await?;
        let key = account::create(&mut tx, clock::uuid(), fields).await?;
        let made = account::by_key(&mut tx, key).await?.ok_or_else(|| lost("account"))?;
        let code = password_code(&mut tx, key).await?;
        note(&mut tx, &self.caller.actor, "create", &made, None, Some(fields), "").await?;
        tx.commit().await?;
        let handed = self.hand_over(&made, code, Occasion::Invited).await;
        Ok((made, handed))
    }

    /// Replaces what is said about an account, if it is still at `version`. New rights hold from its next request on.
    pub async fn update_account(&self, id: Uuid, version: i32, fields: &AccountFields) -> Result<Account> {
        self.require(Action::Administer)?;
        let problems = check_fields(fields);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let mut tx = self.db.pages.begin().await?;
        account::lock(&mut tx).await?;
        let before = find(&mut tx, id).await?;
        check_tenants(&mut tx, &fields.tenants, "tenants").await?;
        account::update(&mut tx, &before, version, fields).await?;
        ensure_admin(&mut tx, "roles").await?;
        note(&mut tx, &self.caller.actor, "update", &before, Some(&before.fields), Some(fields), "").await?;
        let after = find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Bars an account from signing in and ends its sessions, or lets it again.
    pub async fn disable_account(&self, id: Uuid, disabled: bool) -> Result<()> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        account::lock(&mut tx).await?;
        let found = find(&mut tx, id).await?;
        if found.disabled_ms.is_some() == disabled {
            return Ok(());
        }
        account::set_disabled(&mut tx, found.key, disabled).await?;
        ensure_admin(&mut tx, "account").await?;
        if disabled {
            session::end(&mut tx, found.key, Which::All).await?;
        }
        let action = if disabled { "disable" } else { "enable" };
        note(&mut tx, &self.caller.actor, action, &found, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends all sessions of an account; returns how many.
    pub async fn sign_out_account(&self, id: Uuid) -> Result<u64> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, id).await?;
        let ended = session::end(&mut tx, found.key, Which::All).await?;
        account::end_epoch(&mut tx, found.key).await?;
        note(&mut tx, &self.caller.actor, "sign-out-everywhere", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Takes an account's second factor away, for somebody who lost the device.
    pub async fn reset_second_factor(&self, id: Uuid) -> Result<()> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, id).await?;
        account::set_totp(&mut tx, found.key, None, false).await?;
        note(&mut tx, &self.caller.actor, "reset-second-factor", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Makes a code with which an account chooses a new password; earlier codes end.
    pub async fn password_code(&self, id: Uuid) -> Result<Handed> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, id).await?;
        let code = password_code(&mut tx, found.key).await?;
        note(&mut tx, &self.caller.actor, "make-password-code", &found, None, None, "").await?;
        tx.commit().await?;
        Ok(self.hand_over(&found, code, Occasion::Reset).await)
    }

    /// Sends a code to its person where there is mail; otherwise, or if that fails, whoever made it hands it on.
    pub(super) async fn hand_over(&self, to: &Account, code: OneTimeCode, occasion: Occasion) -> Handed {
        let Some(mailer) = &self.outward.mail else { return Handed::Told { code, problem: None } };
        let letter = code_letter(to, &code.code, occasion, &self.outward.address_of("/reset"));
        match mailer.send(&letter).await {
            Ok(()) => Handed::Mailed { to: letter.to, expires_ms: code.expires_ms },
            Err(error) => {
                tracing::warn!(%error, "a code was not sent");
                Handed::Told { code, problem: Some(error.to_string()) }
            }
        }
    }

    /// Proves by the present password that it is the owner who asks; guesses are counted like those at sign-in.
    async fn prove(&self, own: &Account, current: &str) -> Result<()> {
        self.attempt(&own.fields.email, &self.caller.actor.address).await?;
        let secrets = account::secrets(&mut *self.db.pages.acquire().await?, own.key).await?;
        if !password::matches(current, secrets.password_hash.as_deref()).await? {
            return Err(AppError::invalid("current", "", "your present password"));
        }
        let mut tx = self.db.pages.begin().await?;
        self.proved(&mut tx, &own.fields.email).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes one's own password; all other sessions end. Returns the epoch that the present one goes on in.
    pub async fn change_password(&self, current: &str, new: &str, session_hash: &[u8]) -> Result<i32> {
        let own = self.require_account()?.clone();
        if own.has_password {
            self.prove(&own, current).await?;
        }
        let problems = check_password(new, &own.fields);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let hash = password::hash(new).await?;
        let mut tx = self.db.pages.begin().await?;
        account::set_password(&mut tx, own.key, &hash).await?;
        session::end(&mut tx, own.key, Which::AllBut(session_hash)).await?;
        note(&mut tx, &self.caller.actor, "change-password", &own, None, None, "").await?;
        let after = account::by_key(&mut tx, own.key).await?.ok_or_else(|| lost("account"))?;
        tx.commit().await?;
        Ok(after.epoch)
    }

    /// One's own sessions, newest use first.
    pub async fn own_sessions(&self) -> Result<Vec<Open>> {
        let key = self.require_account()?.key;
        Ok(session::of_account(&mut *self.db.pages.acquire().await?, key).await?)
    }

    /// Ends some of one's own sessions; returns how many, and the epoch that the present one goes on in.
    pub async fn end_own_sessions(&self, which: Which<'_>) -> Result<(u64, i32)> {
        let own = self.require_account()?;
        let mut tx = self.db.pages.begin().await?;
        let ended = session::end(&mut tx, own.key, which).await?;
        let epoch = match which {
            Which::One(_) => own.epoch,
            Which::All | Which::AllBut(_) => account::end_epoch(&mut tx, own.key).await?,
        };
        if ended > 0 {
            note(&mut tx, &self.caller.actor, "end-sessions", own, None, None, "").await?;
        }
        tx.commit().await?;
        Ok((ended, epoch))
    }

    /// Whether the caller wants letters about plans; `None` for callers without an account.
    pub async fn wants_letters(&self) -> Result<Option<bool>> {
        let Some(own) = self.caller.account() else { return Ok(None) };
        Ok(Some(letter::are_wanted(&mut *self.db.pages.acquire().await?, own.key).await?))
    }

    /// Whether the caller wants a letter when a report closes; `None` without an account.
    pub async fn wants_reports(&self) -> Result<Option<bool>> {
        let Some(own) = self.caller.account() else { return Ok(None) };
        Ok(Some(letter::are_reports_wanted(&mut *self.db.pages.acquire().await?, own.key).await?))
    }

    /// Says whether the caller wants a letter when a report closes.
    pub async fn want_reports(&self, wanted: bool) -> Result<()> {
        let key = self.require_account()?.key;
        Ok(letter::set_reports_wanted(&mut *self.db.pages.acquire().await?, key, wanted).await?)
    }

    /// Says whether the caller wants letters about plans.
    pub async fn want_letters(&self, wanted: bool) -> Result<()> {
        let key = self.require_account()?.key;
        Ok(letter::set_wanted(&mut *self.db.pages.acquire().await?, key, wanted).await?)
    }

    /// One's own second factor: its secret if one was begun, and whether it is in use.
    pub async fn own_totp(&self) -> Result<(Option<Vec<u8>>, bool)> {
        let key = self.require_account()?.key;
        let secrets = account::secrets(&mut *self.db.pages.acquire().await?, key).await?;
        Ok((secrets.totp_secret, secrets.totp_on))
    }

    /// Begins a second factor: a secret that is not in use before its first code. The password proves who asks.
    pub async fn begin_totp(&self, current: &str) -> Result<()> {
        let own = self.require_account()?;
        if own.has_password {
            self.prove(own, current).await?;
        }
        let mut conn = self.db.pages.acquire().await?;
        if account::secrets(&mut conn, own.key).await?.totp_on {
            return Err(AppError::Conflict("a second factor is in use already; turn it off first".into()));
        }
        account::set_totp(&mut conn, own.key, Some(&totp::secret()), false).await?;
        Ok(())
    }

    /// Takes a begun second factor into use with its first code.
    pub async fn confirm_totp(&self, typed: &str) -> Result<()> {
        let own = self.require_account()?;
        let mut conn = self.db.pages.acquire().await?;
        let secrets = account::secrets(&mut conn, own.key).await?;
        let Some(secret) = secrets.totp_secret.filter(|_| !secrets.totp_on) else {
            return Err(AppError::Conflict("no second factor was begun".into()));
        };
        let now = headroom_store::now(&mut conn).await?;
        let Some(step) = totp::check(&secret, typed, now)? else {
            return Err(AppError::invalid("totp", "", "the six digits that the app shows now"));
        };
        let mut tx = conn.begin().await?;
        account::set_totp(&mut tx, own.key, Some(&secret), true).await?;
        account::use_totp_step(&mut tx, own.key, step).await?;
        note(&mut tx, &self.caller.actor, "turn-on-second-factor", own, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a begun second factor up.
    pub async fn cancel_totp(&self) -> Result<()> {
        let key = self.require_account()?.key;
        let mut conn = self.db.pages.acquire().await?;
        if !account::secrets(&mut conn, key).await?.totp_on {
            account::set_totp(&mut conn, key, None, false).await?;
        }
        Ok(())
    }

    /// Turns one's own second factor off; the password proves who asks.
    pub async fn turn_off_totp(&self, current: &str) -> Result<()> {
        let own = self.require_account()?;
        if own.has_password {
            self.prove(own, current).await?;
        }
        let mut tx = self.db.pages.begin().await?;
        account::set_totp(&mut tx, own.key, None, false).await?;
        note(&mut tx, &self.caller.actor, "turn-off-second-factor", own, None, None, "").await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Why somebody gets a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// An account was made for them.
    Invited,
    /// They, or an administrator, asked for a new password.
    Reset,
}

/// The letter with a code. The code is no part of the link: addresses are kept in histories and logs.
fn code_letter(to: &Account, code: &str, occasion: Occasion, page: &str) -> Letter {
    let name = &to.fields.name;
    let (subject, why) = match occasion {
        Occasion::Invited => ("Your Headroom account", "an account on Headroom was made for you."),
        Occasion::Reset => ("A new password for Headroom", "a new password for your Headroom account was asked for."),
    };
    let text = format!(
        "Hello {name},\n\n{why}\n\nOpen\n\n    {page}\n\nand type, with your e-mail address, this code:\n\n    {code}\n\nIt works \
         once and for 24 hours. If you did not expect this, do nothing: without the code nothing changes.\n"
    );
    Letter { name: name.clone(), to: to.fields.email.clone(), subject: subject.to_owned(), text }
}

pub(super) async fn password_code(conn: &mut PgConnection, key: i32) -> Result<OneTimeCode> {
    let code = code::typed();
    let expires_ms = headroom_store::now(conn).await? + PASSWORD_CODE_MS;
    sign_in::set_password_code(conn, key, &code::hash(&code), expires_ms).await?;
    Ok(OneTimeCode { code, expires_ms })
}
