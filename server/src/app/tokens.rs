//! API tokens: made, listed, revoked.

use super::sign_in::lost;
use super::{App, AppError, Problem, Result};
use crate::auth::code;
use crate::clock;
use headroom_domain::access::{Action, Scope};
use headroom_domain::slug::check_name;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::audit::{self, Entry};
use headroom_store::token::{self, Token, TokenFields};
use headroom_store::{pool, tenant};
use sqlx::PgConnection;
use uuid::Uuid;

/// Most pools or tenants that one token is limited to.
const MAX_NAMED: usize = 200;
/// Longest life of a token.
const MAX_DAYS: i64 = 3_650;
/// Days that a token works unless told otherwise.
pub const USUAL_DAYS: i64 = 90;

/// A token that was just made; its secret is known here and nowhere else.
pub struct MadeToken {
    /// As it is stored.
    pub token: Token,
    /// What programs send.
    pub secret: String,
}

impl std::fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// When a token of so many days ends.
pub fn ends(now: Millis, days: i64) -> Result<Millis> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(AppError::invalid("days", days.to_string(), "1 to 3,650 days"));
    }
    Ok(now + days * DAY_MS)
}

fn check(fields: &TokenFields) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Err(expected) = check_name(&fields.name) {
        problems.push(Problem::new("name", &fields.name, expected));
    }
    if fields.scopes.is_empty() {
        problems.push(Problem::new("scopes", "", "one scope at least"));
    }
    // Samples and plans of a tenant change what a pool has for everybody; the audit trail and people are everybody's.
    let broad = |scope: &&Scope| {
        let about_all = Action::ALL.into_iter().any(|action| scope.allows(action) && action.concerns_everything());
        let changes = scope.allows(Action::Ingest) || scope.allows(Action::Plan);
        (about_all && !(fields.pools.is_empty() && fields.tenants.is_empty()))
            || (changes && !fields.tenants.is_empty())
    };
    if let Some(scope) = fields.scopes.iter().find(broad) {
        let (field, named) =
            if fields.tenants.is_empty() { ("pools", &fields.pools) } else { ("tenants", &fields.tenants) };
        problems.push(Problem::new(field, named.join(", "), format!("none with the scope {scope}")));
    }
    for (field, named) in [("pools", &fields.pools), ("tenants", &fields.tenants)] {
        if named.len() > MAX_NAMED {
            problems.push(Problem::new(field, named.len().to_string(), format!("at most {MAX_NAMED}")));
        }
    }
    problems
}

/// Names that nothing has.
async fn unknown(conn: &mut PgConnection, fields: &TokenFields) -> Result<Vec<Problem>> {
    let pools = pool::keys_of(conn, &fields.pools).await?;
    let tenants = tenant::keys_of(conn, &fields.tenants).await?;
    let mut problems = Vec::new();
    for (field, what, named, known) in
        [("pools", "a pool", &fields.pools, pools), ("tenants", "a tenant", &fields.tenants, tenants)]
    {
        let missing = named.iter().filter(|slug| !known.iter().any(|(_, known)| known == *slug));
        problems.extend(missing.map(|slug| Problem::new(field, slug, format!("{what} that exists"))));
    }
    Ok(problems)
}

impl App {
    /// All tokens: those that work first, newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        self.require(Action::Administer)?;
        Ok(token::list(&mut *self.db.pages.acquire().await?).await?)
    }

    /// One token.
    pub async fn token(&self, id: Uuid) -> Result<Token> {
        self.require(Action::Administer)?;
        find(&mut *self.db.pages.acquire().await?, id).await
    }

    /// Makes a token.
    pub async fn create_token(&self, fields: &TokenFields) -> Result<MadeToken> {
        self.require(Action::Administer)?;
        let mut problems = check(fields);
        let mut tx = self.db.pages.begin().await?;
        if problems.is_empty() {
            problems = unknown(&mut tx, fields).await?;
        }
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let (secret, prefix) = code::token();
        let (id, actor) = (clock::uuid(), &self.caller.actor);
        token::create(&mut tx, id, &code::hash(&secret), &prefix, &actor.name, fields).await?;
        let made = token::by_id(&mut tx, id).await?.ok_or_else(|| lost("token"))?;
        let entry = Entry {
            actor,
            action: "create",
            object: "token",
            key: &fields.name,
            id: Some(id),
            before: None,
            after: serde_json::to_value(fields).ok(),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(MadeToken { token: made, secret })
    }

    /// Revokes a token: it stops working with its next request, for ever.
    pub async fn revoke_token(&self, id: Uuid) -> Result<Token> {
        self.require(Action::Administer)?;
        let mut tx = self.db.pages.begin().await?;
        let found = find(&mut tx, id).await?;
        if token::revoke(&mut tx, found.key).await? {
            let entry = Entry {
                actor: &self.caller.actor,
                action: "revoke",
                object: "token",
                key: &found.fields.name,
                id: Some(id),
                before: None,
                after: None,
                reason: "",
            };
            audit::record(&mut tx, &entry).await?;
        }
        tx.commit().await?;
        Ok(found)
    }
}

async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Token> {
    let missing = || AppError::NotFound { what: "token", slug: id.to_string(), suggestion: None };
    token::by_id(conn, id).await?.ok_or_else(missing)
}
