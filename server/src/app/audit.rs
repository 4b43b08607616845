//! The audit trail, read and checked.

use super::{App, Result};
use headroom_domain::access::Action;
use headroom_store::audit::{self, Recorded, Verdict, Wanted};
use sqlx::Acquire;
use uuid::Uuid;

impl App {
    /// Whether the caller sees only what it changed itself.
    pub fn sees_own_changes_only(&self) -> bool {
        !self.caller.may(Action::SeeAllChanges)
    }

    /// What is wanted, within what the caller may see: who may not see everybody's changes sees its own.
    fn within_sight(&self, wanted: &Wanted) -> Result<Wanted> {
        self.require(Action::SeeOwnChanges)?;
        let own = self.sees_own_changes_only().then(|| self.caller.actor.id.unwrap_or_default());
        Ok(Wanted { actor_id: own.or(wanted.actor_id), ..wanted.clone() })
    }

    /// Entries, newest first, or oldest first from `after` on.
    pub async fn audit(&self, wanted: &Wanted, limit: i64) -> Result<Vec<Recorded>> {
        let wanted = self.within_sight(wanted)?;
        let mut conn = self.db.pages.acquire().await?;
        let entries = audit::list(&mut conn, &wanted, limit).await?;
        self.without_recorded_prices(&mut conn, entries).await
    }

    /// How many entries there are in all, and how many of them are at or after the number that `before` names.
    pub async fn audit_position(&self, wanted: &Wanted) -> Result<(i64, i64)> {
        let wanted = self.within_sight(wanted)?;
        let mut conn = self.db.pages.acquire().await?;
        let total = audit::count(&mut conn, &Wanted { before: None, ..wanted.clone() }).await?;
        let skipped = if wanted.before.is_some() { total - audit::count(&mut conn, &wanted).await? } else { 0 };
        Ok((total, skipped))
    }

    /// Actions and kinds of things to choose from.
    pub async fn audit_words(&self) -> Result<(Vec<String>, Vec<String>)> {
        self.require(Action::SeeOwnChanges)?;
        Ok(audit::words(&mut *self.db.pages.acquire().await?).await?)
    }

    /// The recorded changes of a pool, tenant or account, newest first: shown beside it to whoever sees it.
    pub async fn audit_of(&self, object: &str, id: Uuid, slug: &str, most: i64) -> Result<Vec<Recorded>> {
        self.require(if object == "account" { Action::SeeAllChanges } else { Action::See })?;
        // Entries name tenants: who sees only some of them sees none of these.
        if self.caller.tenants.is_some() {
            return Ok(Vec::new());
        }
        let mut conn = self.db.pages.acquire().await?;
        let entries = audit::of_object(&mut conn, object, id, slug, most).await?;
        self.without_recorded_prices(&mut conn, entries).await
    }

    /// Checks the chain from its start.
    pub async fn verify_audit(&self, progress: &mut (dyn FnMut(i64, i64) + Send)) -> Result<Verdict> {
        self.require(Action::SeeAllChanges)?;
        let mut conn = self.db.jobs.acquire().await?;
        let mut tx = conn.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
        Ok(audit::verify(&mut tx, progress).await?)
    }
}
