//! Who asks, and what they may do. Every use case checks it before anything else; nobody may do anything.

use super::{App, AppError, Result};
use headroom_domain::access::{Action, Role, Scope};
use headroom_store::account::Account;
use headroom_store::audit::{Actor, Receipt};
use std::sync::Arc;

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
            Who::Person { account, .. } => account.fields.roles.iter().any(|role| role.allows(action)),
            Who::Token { scopes, .. } => scopes.iter().any(|scope| scope.allows(action)),
        }
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

    /// Whether it may see a tenant.
    pub fn sees_tenant(&self, key: i32) -> bool {
        self.tenants.as_ref().is_none_or(|own| own.contains(&key))
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
        Self { caller, ..self.clone() }
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
                AppError::Forbidden { action, needs: format!("a token with the scope {scopes}") }
            }
            Who::Person { .. } | Who::Machine => {
                let roles = action.roles().iter().map(|role| role.label().to_lowercase()).collect::<Vec<_>>();
                AppError::Forbidden { action, needs: format!("the role {}", roles.join(" or ")) }
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
