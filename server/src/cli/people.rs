//! `headroom user`, `headroom token`, `headroom audit`.

use super::{Place, plain, with_database};
use crate::app::App;
use crate::app::accounts::Handed;
use crate::app::tokens::{USUAL_DAYS, ends};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use headroom_domain::access::{Role, Scope};
use headroom_domain::range::rfc3339;
use headroom_store::account::{Account, AccountFields};
use headroom_store::audit::{Verdict, Wanted};
use headroom_store::token::TokenFields;

/// Make, list and change accounts.
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// List accounts
    List,
    /// Make an account; prints a one-time code for its first password
    Create {
        /// E-mail address
        email: String,
        /// Name
        #[arg(long)]
        name: String,
        /// viewer, oncall, planner, admin or tenant-viewer; repeat for several
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        /// Tenant that a tenant viewer sees; repeat for several
        #[arg(long = "tenant")]
        tenants: Vec<String>,
    },
    /// Give an account other roles
    Roles {
        /// E-mail address
        email: String,
        /// Roles from now on
        #[arg(required = true)]
        roles: Vec<Role>,
        /// Tenant that a tenant viewer sees; repeat for several
        #[arg(long = "tenant")]
        tenants: Vec<String>,
    },
    /// Print a one-time code for a new password
    Reset {
        /// E-mail address
        email: String,
    },
    /// Take the second factor of an account away
    ResetSecondFactor {
        /// E-mail address
        email: String,
    },
    /// End all sessions of an account
    SignOut {
        /// E-mail address
        email: String,
    },
    /// Bar an account from signing in
    Disable {
        /// E-mail address
        email: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// E-mail address
        email: String,
    },
}

async fn find(app: &App, email: &str) -> Result<Account> {
    let wanted = email.trim().to_lowercase();
    let all = app.accounts().await.map_err(plain)?;
    let found = all.into_iter().find(|account| account.fields.email == wanted);
    found.with_context(|| format!("no account has the address {wanted}; `headroom user list` shows those there are"))
}

/// Says how a code reaches its person.
fn say(handed: Handed) {
    match handed {
        Handed::Told { code, .. } => println!("one-time code, to be typed at /reset within 24 h: {}", code.code),
        Handed::Mailed { to, .. } => println!("a mail with a one-time code went to {to}"),
    }
}

impl User {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::List => {
                for a in app.accounts().await.map_err(plain)? {
                    let roles = a.fields.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",");
                    let state = if a.disabled_ms.is_some() { "disabled" } else { "active" };
                    let seen = a.seen_ms.map_or_else(|| "never".to_owned(), rfc3339);
                    println!("{:<32} {:<24} {roles:<24} {state:<8} last seen {seen}", a.fields.email, a.fields.name);
                }
                Ok(())
            }
            Self::Create { email, name, roles, tenants } => {
                let fields = AccountFields { email: email.trim().to_lowercase(), name, roles, tenants };
                let (account, code) = app.create_account(&fields).await.map_err(plain)?;
                println!("account {} was made", account.fields.email);
                say(code);
                Ok(())
            }
            Self::Roles { email, roles, tenants } => {
                let before = find(app, &email).await?;
                let fields = AccountFields { roles, tenants, ..before.fields };
                app.update_account(before.id, before.version, &fields).await.map_err(plain)?;
                println!("account {} was changed", fields.email);
                Ok(())
            }
            Self::Reset { email } => {
                let code = app.password_code(find(app, &email).await?.id).await.map_err(plain)?;
                say(code);
                Ok(())
            }
            Self::ResetSecondFactor { email } => {
                app.reset_second_factor(find(app, &email).await?.id).await.map_err(plain)?;
                println!("{email} signs in without a second factor");
                Ok(())
            }
            Self::SignOut { email } => {
                let ended = app.sign_out_account(find(app, &email).await?.id).await.map_err(plain)?;
                println!("{ended} sessions were ended");
                Ok(())
            }
            Self::Disable { email } => {
                app.disable_account(find(app, &email).await?.id, true).await.map_err(plain)?;
                println!("{email} may not sign in any more");
                Ok(())
            }
            Self::Enable { email } => {
                app.disable_account(find(app, &email).await?.id, false).await.map_err(plain)?;
                println!("{email} may sign in again");
                Ok(())
            }
        })
        .await
    }
}

/// Make, list and revoke API tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// List tokens
    List,
    /// Make a token; prints its secret once, alone on standard output
    Create {
        /// Name
        name: String,
        /// read, ingest, allocate, plan, alert or admin; repeat for several
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// Only for this pool; repeat for several
        #[arg(long = "pool")]
        pools: Vec<String>,
        /// Only for this tenant; repeat for several
        #[arg(long = "tenant")]
        tenants: Vec<String>,
        /// Days until it ends
        #[arg(long, default_value_t = USUAL_DAYS)]
        days: i64,
    },
    /// Revoke a token, for ever
    Revoke {
        /// Its first characters, as `list` shows them
        prefix: String,
    },
}

impl Token {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::List => {
                let now = app.now().await.map_err(plain)?;
                for t in app.tokens().await.map_err(plain)? {
                    let scopes = t.fields.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",");
                    let state = match (t.revoked_ms, t.fields.expires_ms) {
                        (Some(_), _) => "revoked".to_owned(),
                        (None, Some(end)) if end <= now => "over".to_owned(),
                        (None, Some(end)) => format!("until {}", rfc3339(end)),
                        (None, None) => "without end".to_owned(),
                    };
                    println!("{:<10} {:<24} {scopes:<24} {state}", t.prefix, t.fields.name);
                }
                Ok(())
            }
            Self::Create { name, scopes, pools, tenants, days } => {
                let now = app.now().await.map_err(plain)?;
                let expires_ms = Some(ends(now, days).map_err(plain)?);
                let fields = TokenFields { name, scopes, pools, tenants, expires_ms };
                let made = app.create_token(&fields).await.map_err(plain)?;
                eprintln!("token {} was made; programs send it as `Authorization: Bearer`:", made.token.fields.name);
                println!("{}", made.secret);
                Ok(())
            }
            Self::Revoke { prefix } => {
                let all = app.tokens().await.map_err(plain)?;
                let mut matching = all.iter().filter(|t| t.prefix.starts_with(&prefix) && t.revoked_ms.is_none());
                match (matching.next(), matching.next()) {
                    (Some(one), None) => {
                        app.revoke_token(one.id).await.map_err(plain)?;
                        println!("token {} was revoked", one.fields.name);
                        Ok(())
                    }
                    (None, _) => bail!("no token that works begins with {prefix:?}; `headroom token list` shows them"),
                    _ => bail!("several tokens begin with {prefix:?}: state more of it"),
                }
            }
        })
        .await
    }
}

/// Read and check the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Print entries, newest first
    List {
        /// Only of this actor
        #[arg(long)]
        actor: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
        limit: i64,
    },
    /// Check that no entry was altered, left out or cut off the end; prints the last one as NUMBER:HASH
    Verify {
        /// An entry as it was told before, NUMBER:HASH: fails unless it is still in the trail. Who may write to the database
        /// can write a trail anew, end and all; only what is kept elsewhere shows that
        #[arg(long, value_parser = known)]
        known: Option<(i64, String)>,
    },
}

/// Reads NUMBER:HASH.
fn known(text: &str) -> Result<(i64, String), String> {
    let parts =
        text.trim().split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_lowercase())));
    parts.ok_or_else(|| format!("{text:?} is no NUMBER:HASH as `audit verify` and the API tell it"))
}

impl Audit {
    pub(super) async fn run(self, place: &Place) -> Result<()> {
        with_database(place, async |app| match self {
            Self::List { actor, limit } => {
                let entries = app.audit(&Wanted { actor, ..Wanted::default() }, limit).await.map_err(plain)?;
                for e in entries {
                    let at = rfc3339(e.at.timestamp_millis());
                    println!("{:>8} {at} {:<24} {:<4} {} {} {}", e.audit_id, e.actor, e.source, e.action, e.object, e.object_key);
                }
                Ok(())
            }
            Self::Verify { known } => match app.verify_audit(&mut |_, _| {}).await.map_err(plain)? {
                Verdict::Whole { entries, unchained } => {
                    if let Some((number, hash)) = known {
                        let around = Wanted { before: number.checked_add(1), ..Wanted::default() };
                        let found = app.audit(&around, 1).await.map_err(plain)?;
                        if !found.first().is_some_and(|e| e.audit_id == number && e.hash.as_ref() == Some(&hash)) {
                            bail!("entry {number} is not the one that was told before: the audit trail was written anew");
                        }
                    }
                    let older = if unchained == 0 {
                        String::new()
                    } else {
                        format!("; {unchained} older ones carry no hash")
                    };
                    let end = app.audit(&Wanted::default(), 1).await.map_err(plain)?;
                    let end = end.first().and_then(|e| Some(format!("; the last is {}:{}", e.audit_id, e.hash.as_ref()?)));
                    println!("the audit trail is whole: {entries} entries{older}{}", end.unwrap_or_default());
                    Ok(())
                }
                Verdict::Broken { audit_id } => {
                    bail!("entry {audit_id} is not as it was written, or an entry before it is missing")
                }
                Verdict::WrongEnd { expected, found } => {
                    bail!("the audit trail has {found} entries, expected {expected}: some are missing at its end, or were added")
                }
            },
        })
        .await
    }
}
