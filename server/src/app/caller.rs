//! Who asks, and what they may do. Every use case checks it before anything else; nobody may do anything.

use super::{App, AppError, Result};
use headroom_domain::access::{Action, Role, Scope};
use headroom_store::account::{self, Account};
use headroom_store::audit::{Actor, Receipt};
use headroom_store::{session, token};
use std::sync::Arc;
use std::time::Instant;

/// The one on whose behalf a use case runs.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// How the audit trail names it.
    pub actor: Actor,
    /// The only pools it may touch; `None` for all.
    pub pools: Option<Vec<i32>>,
    /// The only tenants it may see; `None` for all.
    pub tenants: Option<Vec<i32>>,
}

/// Kinds of callers.
#[derive(Debug, Clone)]
pub enum Who {
    /// Not signed in.
    Nobody,
    /// The command line on the server's own machine, and the server itself.
    Machine,
    /// A person in a browser.
    Person {
        /// Whose account it is.
        account: Box<Account>,
        /// What a form of this session carries.
        csrf: String,
        /// The store's key of the session.
        session: Vec<u8>,
    },
    /// A program with an API token.
    Token {
        /// The store's key.
        key: i32,
        /// What it may be used for.
        scopes: Vec<Scope>,
    },
}

/// Somebody who has neither account nor token.
fn nameless(name: &str, source: &'static str) -> Actor {
    Actor { name: name.to_owned(), id: None, source, address: String::new(), receipt: Receipt::default() }
}

impl Caller {
    /// Somebody who has not signed in.
    pub fn nobody() -> Self {
        Self { who: Who::Nobody, actor: nameless("nobody", "page"), pools: None, tenants: None }
    }

    /// The command line (`cli`) or the server itself (`job`).
    pub fn machine(source: &'static str) -> Self {
        Self { who: Who::Machine, actor: nameless("local", source), pools: None, tenants: None }
    }

    /// Whether it may do something.
    pub fn may(&self, action: Action) -> bool {
        match &self.who {
            Who::Nobody => false,
            Who::Machine => true,
            // A tenant viewer sees the money of its own tenants; whom another role shows all tenants sees all money by that
            // role only.
            Who::Person { account, .. } => account.fields.roles.iter().any(|role| {
                let own_money_only =
                    *role == Role::TenantViewer && action == Action::SeeMoney && self.tenants.is_none();
                role.allows(action) && !own_money_only
            }),
            Who::Token { scopes, .. } => {
                scopes.iter().any(|scope| scope.allows(action)) && !(self.is_limited() && action.concerns_everything())
            }
        }
    }

    /// Whether it may touch some pools or see some tenants only.
    pub fn is_limited(&self) -> bool {
        self.pools.is_some() || self.tenants.is_some()
    }

    /// Whether it is somebody at all.
    pub fn is_known(&self) -> bool {
        !matches!(self.who, Who::Nobody)
    }

    /// The account, if it is a person.
    pub fn account(&self) -> Option<&Account> {
        match &self.who {
            Who::Person { account, .. } => Some(account),
            _ => None,
        }
    }

    /// The token's key, if it is one.
    pub fn token(&self) -> Option<i32> {
        match &self.who {
            Who::Token { key, .. } => Some(*key),
            _ => None,
        }
    }

    /// Whether it may see a tenant.
    pub fn sees_tenant(&self, key: i32) -> bool {
        self.tenants.as_ref().is_none_or(|own| own.contains(&key))
    }

    /// Whether it reads what people wrote about things that all tenants share: that may name any of them.
    pub fn reads_remarks(&self) -> bool {
        self.tenants.is_none()
    }

    /// Whether it may see a pool.
    pub fn sees_pool(&self, key: i32) -> bool {
        self.pools.as_ref().is_none_or(|own| own.contains(&key))
    }

    /// The tenants of a person: a tenant viewer without another role that sees capacity is limited to its own.
    pub fn tenants_of(account: &Account) -> Option<Vec<i32>> {
        let sees_all = account.fields.roles.iter().any(|role| *role != Role::TenantViewer && role.allows(Action::See));
        (!sees_all).then(|| account.tenant_keys.clone())
    }
}

impl App {
    /// The same use cases on behalf of somebody.
    #[must_use]
    pub fn acting(&self, caller: Arc<Caller>) -> Self {
        Self { caller, asked: Instant::now(), ..self.clone() }
    }

    /// The same use cases, asked for a while ago: deadlines count from there.
    #[must_use]
    pub fn asked_at(self, asked: Instant) -> Self {
        Self { asked, ..self }
    }

    /// The one on whose behalf this runs.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Refuses unless the caller may do something.
    pub(crate) fn require(&self, action: Action) -> Result<()> {
        if self.caller.may(action) {
            return Ok(());
        }
        Err(match &self.caller.who {
            Who::Nobody => AppError::SignIn,
            Who::Token { .. } => {
                let scopes = action.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" or ");
                let limit = if action.concerns_everything() { ", not limited to some pools or tenants" } else { "" };
                AppError::Forbidden { action, needs: format!("a token with the scope {scopes}{limit}") }
            }
            Who::Person { .. } | Who::Machine => {
                let roles = action.roles().iter().map(|role| role.label().to_lowercase()).collect::<Vec<_>>();
                AppError::Forbidden { action, needs: format!("the role {}", roles.join(" or ")) }
            }
        })
    }

    /// Refuses who is limited to some tenants: what is done here is everybody's.
    pub(crate) fn require_all_tenants(&self, action: Action) -> Result<()> {
        if self.caller.tenants.is_none() {
            return Ok(());
        }
        Err(AppError::Forbidden { action, needs: "one that is not limited to some tenants".into() })
    }

    /// Refuses who is limited to some pools or tenants.
    pub(crate) fn require_no_limits(&self, action: Action) -> Result<()> {
        self.require_all_tenants(action)?;
        if self.caller.pools.is_none() {
            return Ok(());
        }
        Err(AppError::Forbidden { action, needs: "one that is not limited to some pools".into() })
    }

    /// Refuses limited callers what counts the whole organisation.
    pub fn require_whole_view(&self) -> Result<()> {
        self.require(Action::See)?;
        self.require_no_limits(Action::See)
    }

    /// Whether the caller still is who it was when the request came: long answers ask again.
    pub async fn is_still_in(&self) -> Result<bool> {
        let mut conn = self.db.pages.acquire().await?;
        Ok(match &self.caller.who {
            Who::Nobody => false,
            Who::Machine => true,
            Who::Token { key, .. } => token::works(&mut conn, *key).await?,
            Who::Person { account, session, .. } => {
                let same = |now: &Account| now.disabled_ms.is_none() && now.version == account.version;
                account::by_key(&mut conn, account.key).await?.is_some_and(|now| same(&now))
                    && session::load(&mut conn, session).await?.is_some()
            }
        })
    }

    /// Refuses all but people.
    pub(crate) fn require_account(&self) -> Result<&Account> {
        self.caller.account().ok_or(AppError::SignIn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_do_anything_and_the_machine_everything() {
        for action in Action::ALL {
            assert!(!Caller::nobody().may(action) && Caller::machine("cli").may(action), "{action:?}");
        }
    }
}
