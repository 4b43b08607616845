//! Drafts: edits are collected, undone and redone, and nothing of it is the plan.

use super::super::{App, AppError, Problem, Result};
use super::work_out::{problem, work_out};
use super::{by_key, find, no_draft, reason};
use crate::clock;
use headroom_domain::Millis;
use headroom_domain::access::{Action, Role};
use headroom_domain::plan::change::{Change, Verb};
use headroom_domain::plan::terms::Terms;
use headroom_store::audit::{self, Entry};
use headroom_store::draft::{self, Decision, Draft, State, StepPart};
use headroom_store::pool::Pool;
use headroom_store::{plan, reservation};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Drafts of a list.
pub(super) const MOST_DRAFTS: i64 = 100;
/// Changes of one draft.
pub const MOST_CHANGES: usize = 5_000;

/// An edit of one reservation: a new one has a new id; `None` takes it back.
pub type Edit = (Uuid, Option<Terms>);

/// What is wrong with edits, which come back as they were. Thousands of them take a while, for which the thread that serves others
/// must not wait.
async fn worked_out(edits: Vec<Edit>, prefix: &str, now: Millis) -> Result<(Vec<Edit>, Vec<Problem>)> {
    let prefix = prefix.to_owned();
    let work = move || {
        let mut problems: Vec<Problem> = Vec::new();
        for (number, (_, after)) in edits.iter().enumerate() {
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}[{number}].") };
            if let Some(Err(faults)) = after.as_ref().map(|terms| work_out(terms, now)) {
                problems.extend(faults.iter().map(|fault| problem(&prefix, fault)));
            }
        }
        (edits, problems)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AppError::Internal(format!("working edits out: {error}")))
}

impl App {
    /// A draft that the caller may edit, locked, with its pool.
    pub(super) async fn open_draft(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        version: Option<i32>,
    ) -> Result<(Draft, Pool)> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let draft = draft::lock(conn, id).await?.ok_or_else(|| no_draft(id))?;
        let pool = by_key(self, conn, draft.pool).await.map_err(|_| no_draft(id))?;
        if draft.state.is_over() {
            let what = if draft.state == State::Published { "is published" } else { "was discarded" };
            return Err(AppError::Conflict(format!("the draft {:?} {what}; begin another", draft.name)));
        }
        if let Some(seen) = version.filter(|seen| *seen != draft.version) {
            let slug = draft.name.clone();
            return Err(AppError::Stale { what: "draft", slug, seen, now: draft.version });
        }
        Ok((draft, pool))
    }

    /// Drafts of a pool that are not over, newest first.
    pub async fn drafts(&self, pool: &str) -> Result<Vec<Draft>> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = find(self, &mut conn, pool).await?;
        Ok(draft::of_pool(&mut conn, pool.key, MOST_DRAFTS).await?)
    }

    /// The caller's own newest draft of a pool that is not over.
    pub async fn own_draft(&self, pool: &str) -> Result<Option<Draft>> {
        let id = self.caller.actor.id;
        Ok(self.drafts(pool).await?.into_iter().find(|draft| draft.owner_id == id && id.is_some()))
    }

    /// A draft.
    pub async fn draft(&self, id: Uuid) -> Result<(Draft, Pool)> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let draft = draft::get(&mut conn, id).await?.ok_or_else(|| no_draft(id))?;
        let pool = by_key(self, &mut conn, draft.pool).await.map_err(|_| no_draft(id))?;
        Ok((draft, pool))
    }

    /// Begins a draft.
    pub async fn create_draft(&self, pool: &str, name: &str) -> Result<Draft> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        let id = self.begin_draft(&mut tx, pool.key, name, None).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    pub(super) async fn begin_draft(
        &self,
        conn: &mut PgConnection,
        pool: i32,
        name: &str,
        reverts: Option<Uuid>,
    ) -> Result<Uuid> {
        let (id, owner) = (clock::uuid(), &self.caller.actor);
        let name = name.trim();
        draft::create(conn, &draft::New { id, pool, name, owner: &owner.name, owner_id: owner.id, reverts }).await?;
        Ok(id)
    }

    /// Edits one reservation in a draft that is at `version`: another one (`None` makes a new one, and its id comes back), as it
    /// shall be (`None` takes it back). What was edited back to how it is published is no change any more.
    ///
    /// # Errors
    /// Every field that is wrong. Whether there is room is not asked here but by the preview.
    pub async fn edit_draft(
        &self,
        id: Uuid,
        version: Option<i32>,
        reservation: Option<Uuid>,
        after: Option<Terms>,
    ) -> Result<(Draft, Uuid)> {
        let edited = reservation.unwrap_or_else(clock::uuid);
        let draft = self.edit_draft_at_once(id, version, vec![(edited, after)], "").await?;
        Ok((draft, edited))
    }

    /// Edits many reservations in one step. Faults name their fields after `prefix` and the edit's number.
    pub async fn edit_draft_at_once(
        &self,
        id: Uuid,
        version: Option<i32>,
        edits: Vec<Edit>,
        prefix: &str,
    ) -> Result<Draft> {
        let mut tx = self.db.pages.begin().await?;
        let (draft, _) = self.edit_within(&mut tx, id, version, edits, prefix).await?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Begins a draft with edits, as its first step. Nothing is begun if they are refused, nor (`None`) if they change nothing.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub async fn begin_draft_with(&self, pool: &str, name: &str, edits: Vec<Edit>) -> Result<Option<Draft>> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        let id = self.begin_draft(&mut tx, pool.key, name, None).await?;
        let (draft, changed) = self.edit_within(&mut tx, id, None, edits, "").await?;
        if changed == 0 {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(draft))
    }

    /// The same as a part of something larger. Also gives how many of the edits changed anything.
    pub(super) async fn edit_within(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        version: Option<i32>,
        edits: Vec<Edit>,
        prefix: &str,
    ) -> Result<(Draft, usize)> {
        let (draft, _) = self.open_draft(tx, id, version).await?;
        let now = headroom_store::now(tx).await?;
        let (edits, problems) = worked_out(edits, prefix, now).await?;
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let ids: Vec<Uuid> = edits.iter().map(|(id, _)| *id).collect();
        let stored: HashMap<Uuid, _> =
            reservation::by_ids(tx, &ids).await?.into_iter().map(|stored| (stored.id, stored)).collect();
        let mut parts: Vec<StepPart> = Vec::new();
        for (id, after) in edits {
            let published = stored.get(&id);
            if published.is_some_and(|stored| stored.pool != draft.pool) {
                return Err(super::no_reservation(id));
            }
            let old = draft.changes.get(&id);
            if after.is_none() && old.is_none() && published.is_none_or(|stored| stored.cancelled_ms.is_some()) {
                return Err(super::no_reservation(id));
            }
            // An edit goes on from where it began, so that what others publish meanwhile is seen.
            let before = match old {
                Some(change) => change.before.clone(),
                None => published.filter(|stored| stored.cancelled_ms.is_none()).map(|stored| stored.terms.clone()),
            };
            let change = Change { before, after };
            let new = (change.verb() != Verb::Nothing).then_some(change);
            if new.as_ref() != old {
                parts.push((id, old.cloned(), new));
            }
        }
        if draft.changes.len() + parts.len() > MOST_CHANGES {
            let found = draft.changes.len() + parts.len();
            return Err(AppError::invalid(
                "changes",
                found.to_string(),
                format!("at most {MOST_CHANGES} in one draft"),
            ));
        }
        if !parts.is_empty() {
            draft::step(tx, &draft, &parts).await?;
        }
        let draft = draft::get(tx, id).await?.ok_or_else(|| no_draft(id))?;
        Ok((draft, parts.len()))
    }

    /// Forgets a draft's change of one reservation.
    pub async fn drop_change(&self, id: Uuid, version: Option<i32>, reservation: Uuid) -> Result<Draft> {
        let mut tx = self.db.pages.begin().await?;
        let (draft, _) = self.open_draft(&mut tx, id, version).await?;
        if let Some(change) = draft.changes.get(&reservation) {
            draft::step(&mut tx, &draft, &[(reservation, Some(change.clone()), None)]).await?;
        }
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Takes the last step of a draft back.
    pub async fn undo_draft(&self, id: Uuid, version: Option<i32>) -> Result<Draft> {
        self.go_in_draft(id, version, true).await
    }

    /// Does the step again that was taken back last.
    pub async fn redo_draft(&self, id: Uuid, version: Option<i32>) -> Result<Draft> {
        self.go_in_draft(id, version, false).await
    }

    async fn go_in_draft(&self, id: Uuid, version: Option<i32>, back: bool) -> Result<Draft> {
        let mut tx = self.db.pages.begin().await?;
        let (draft, _) = self.open_draft(&mut tx, id, version).await?;
        if !draft::go(&mut tx, &draft, back).await? {
            let what = if back { "undone" } else { "done again" };
            return Err(AppError::Conflict(format!("nothing in the draft {:?} can be {what}", draft.name)));
        }
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Gives a draft another name.
    ///
    /// # Errors
    /// If the name is not 1 to 120 characters, or the draft is over.
    pub async fn rename_draft(&self, id: Uuid, name: &str) -> Result<Draft> {
        let mut tx = self.db.pages.begin().await?;
        let (draft, pool) = self.open_draft(&mut tx, id, None).await?;
        let name = name.trim();
        if name != draft.name {
            draft::rename(&mut tx, id, name).await?;
            self.record_draft(&mut tx, "rename-draft", &pool, &draft, name).await?;
        }
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Ends a draft that nobody wants.
    pub async fn discard_draft(&self, id: Uuid) -> Result<()> {
        let mut tx = self.db.pages.begin().await?;
        let (draft, pool) = self.open_draft(&mut tx, id, None).await?;
        let decision = Decision { state: State::Discarded, reason: None, decided: None };
        draft::decide(&mut tx, id, &decision).await?;
        self.record_draft(&mut tx, "discard-draft", &pool, &draft, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks somebody else to approve a draft.
    pub async fn propose_draft(&self, id: Uuid, why: &str) -> Result<Draft> {
        let why = reason(why)?;
        let mut tx = self.db.pages.begin().await?;
        let (draft, pool) = self.open_draft(&mut tx, id, None).await?;
        if draft.changes.is_empty() {
            return Err(AppError::Conflict(format!("the draft {:?} changes nothing", draft.name)));
        }
        draft::decide(&mut tx, id, &Decision { state: State::Proposed, reason: Some(why), decided: None }).await?;
        self.record_draft(&mut tx, "propose-draft", &pool, &draft, why).await?;
        self.write_of_proposal(&mut tx, &pool, &draft, why).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Approves a proposal, or refuses it. Nobody approves what they began themselves.
    pub async fn decide_draft(&self, id: Uuid, approves: bool, why: &str) -> Result<Draft> {
        let why = reason(why)?;
        let mut tx = self.db.pages.begin().await?;
        let (draft, pool) = self.open_draft(&mut tx, id, None).await?;
        if draft.state != State::Proposed {
            return Err(AppError::Conflict(format!("the draft {:?} is not proposed", draft.name)));
        }
        let actor = &self.caller.actor;
        let is_own = draft.owner_id.is_some() && draft.owner_id == actor.id;
        if approves && is_own {
            return Err(AppError::Conflict(format!("{} began this draft; somebody else approves it", draft.owner)));
        }
        let state = if approves { State::Approved } else { State::Rejected };
        let decided = Some((actor.name.as_str(), actor.id, why));
        draft::decide(&mut tx, id, &Decision { state, reason: None, decided }).await?;
        self.record_draft(&mut tx, if approves { "approve-draft" } else { "reject-draft" }, &pool, &draft, why).await?;
        self.write_of_decision(&mut tx, &pool, &draft, approves, why).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }

    /// Whether the caller publishes without anybody's approval.
    pub(super) fn is_beyond_approval(&self) -> bool {
        self.caller.account().is_some_and(|account| account.fields.roles.contains(&Role::Admin))
    }

    async fn record_draft(
        &self,
        conn: &mut PgConnection,
        action: &'static str,
        pool: &Pool,
        draft: &Draft,
        why: &str,
    ) -> Result<()> {
        let after =
            serde_json::json!({ "pool": pool.fields.slug, "draft": draft.name, "changes": draft.changes.len() });
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "draft",
            key: &draft.name,
            id: Some(draft.id),
            before: None,
            after: Some(after),
            reason: why,
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }

    /// Makes a draft that takes a publication back. Publishing it goes the same way as any other.
    pub async fn revert(&self, publication: Uuid) -> Result<Draft> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let unknown = || AppError::NotFound { what: "publication", slug: publication.to_string(), suggestion: None };
        let found = plan::publication(&mut tx, publication).await?.ok_or_else(unknown)?;
        by_key(self, &mut tx, found.pool).await.map_err(|_| unknown())?;
        let name = format!("Revert of version {}", found.version);
        let id = self.begin_draft(&mut tx, found.pool, &name, Some(publication)).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        let parts: Vec<StepPart> = found
            .changes
            .into_iter()
            .map(|(reservation, change)| (reservation, None, Some(change.inverse())))
            .collect();
        draft::step(&mut tx, &draft, &parts).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        tx.commit().await?;
        Ok(draft)
    }
}
