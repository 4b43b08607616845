//! One reservation at once, as programs do it: checked like a draft of one change, published or refused in one call.

use super::super::{App, AppError, Result};
use super::work_out::{problem, work_out};
use super::{find, no_reservation, reason};
use crate::clock;
use headroom_domain::access::Action;
use headroom_domain::plan::change::Change;
use headroom_domain::plan::terms::Terms;
use headroom_store::plan::{self, Publication};
use headroom_store::reservation::{self, Stored};
use uuid::Uuid;

impl App {
    /// Makes a reservation. Under a key that was used before the same request gives what it made, and another one is refused.
    /// Returns its id, and whether it is new.
    pub async fn create_reservation(&self, pool: &str, terms: &Terms, why: &str, key: &str) -> Result<(Uuid, bool)> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let why = reason(why)?;
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        let now = headroom_store::now(&mut tx).await?;
        work_out(terms, now)
            .map_err(|faults| AppError::Invalid(faults.iter().map(|fault| problem("", fault)).collect()))?;
        // The plan's row first, as everybody takes them who changes a plan.
        plan::lock(&mut tx, pool.key).await?;
        let asked = serde_json::to_vec(&(terms, why)).map_err(|error| AppError::Internal(error.to_string()))?;
        let asked = blake3::hash(&asked);
        let id = clock::uuid();
        if let Some((before, made)) = plan::claim_key(&mut tx, pool.key, key, asked.as_bytes(), id).await? {
            if before != asked.as_bytes() {
                return Err(AppError::invalid("idempotency-key", key, "a key that was not used for another request"));
            }
            return Ok((made, false));
        }
        self.publish_directly(&mut tx, &pool, vec![(id, Change { before: None, after: Some(terms.clone()) })], why)
            .await?;
        tx.commit().await?;
        Ok((id, true))
    }

    /// Changes a reservation that is at `version`, or takes it back (`None`).
    pub async fn change_reservation(
        &self,
        id: Uuid,
        version: i32,
        after: Option<Terms>,
        why: &str,
    ) -> Result<(Publication, Option<Stored>)> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let why = reason(why)?;
        let mut tx = self.db.pages.begin().await?;
        let unlocked = reservation::by_ids(&mut tx, &[id]).await?.pop().ok_or_else(|| no_reservation(id))?;
        let pool = super::by_key(self, &mut tx, unlocked.pool).await.map_err(|_| no_reservation(id))?;
        plan::lock(&mut tx, pool.key).await?;
        let stored = reservation::by_ids(&mut tx, &[id]).await?.pop().ok_or_else(|| no_reservation(id))?;
        if stored.cancelled_ms.is_some() {
            return Err(AppError::Conflict(format!("the reservation {:?} was taken back", stored.terms.name)));
        }
        if stored.version != version {
            let slug = stored.terms.name.clone();
            return Err(AppError::Stale { what: "reservation", slug, seen: version, now: stored.version });
        }
        let change = Change { before: Some(stored.terms), after };
        let publication = self.publish_directly(&mut tx, &pool, vec![(id, change)], why).await?;
        let now = reservation::by_ids(&mut tx, &[id]).await?.pop();
        tx.commit().await?;
        Ok((publication, now))
    }
}
