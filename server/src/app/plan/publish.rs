//! What a draft does, and making it the plan: all of it or nothing, and only as it was shown.

use super::super::{App, AppError, Problem, Result};
use super::check::{Conflict, Findings, Inputs, check};
use super::effect::{self, Basis, Effect};
use super::letters::Told;
use super::work_out::{cut, work_out_further, write};
use super::{MOST_RESERVATIONS, no_draft, reason};
use crate::clock;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::change::ChangeKind;
use headroom_domain::plan::change::{Change, Field, Merged, Side, Verb, merge};
use headroom_domain::plan::terms::Terms;
use headroom_store::audit::{self, Entry};
use headroom_store::draft::{self, Decision, Draft, State};
use headroom_store::plan::{self, Publication};
use headroom_store::pool::Pool;
use headroom_store::reservation::{self, Stored};
use headroom_store::{StoreError, change, order, promise};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Whose value is taken, by reservation and field; `None` = the reservation as a whole.
pub type Choices = BTreeMap<(Uuid, Option<Field>), Side>;

/// A reservation that somebody else changed after a draft began to edit it.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Which.
    pub reservation: Uuid,
    /// As it was when the edit began.
    pub was: Option<Terms>,
    /// As it is published now.
    pub theirs: Option<Terms>,
    /// As the draft wants it.
    pub yours: Option<Terms>,
    /// Fields that both changed differently and nobody chose yet; `None` = one of them took the reservation back.
    pub open: Option<Vec<Field>>,
    /// Whether all of it comes together.
    pub is_clean: bool,
    /// What comes of it.
    pub result: Option<Terms>,
    /// Who published it last, when, and as which version.
    pub by: Option<(String, Millis, i32)>,
}

/// What a draft does.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The draft.
    pub draft: Draft,
    /// Its pool.
    pub pool: Pool,
    /// When this was so.
    pub now_ms: Millis,
    /// The plan's version that it is about.
    pub plan_version: i32,
    /// Stands for all that this was reckoned from: publishing asks for it.
    pub token: String,
    /// What changes, against what is published now.
    pub changes: Vec<(Uuid, Change)>,
    /// Reservations that others changed meanwhile.
    pub merges: Vec<Merge>,
    /// What stands in the way, then warnings.
    pub conflicts: Vec<Conflict>,
    /// What the policy wants somebody else to approve.
    pub needs_approval: Vec<String>,
    /// What it does to the demand of some weeks; nothing if it changes nothing.
    pub effect: Option<Effect>,
    /// Who is told by mail when it is published.
    pub told: Told,
    /// It can be published as it is, apart from warnings that have to be accepted.
    pub is_publishable: bool,
}

/// What a draft would publish, and against what.
struct Prepared {
    inputs: Inputs,
    stored: HashMap<Uuid, Stored>,
    merges: Vec<Merge>,
    findings: Findings,
    token: String,
    is_open: bool,
}

impl App {
    /// What a draft does, and whether it can be published. So many weeks (1 to 8) of the basis are replayed; 0 for none. What is
    /// replayed is no part of the token: a preview is as good on any basis.
    pub async fn preview(&self, id: Uuid, choices: &Choices, weeks: i64, basis: Basis) -> Result<Preview> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
        let draft = draft::get(&mut tx, id).await?.ok_or_else(|| no_draft(id))?;
        let pool = super::by_key(self, &mut tx, draft.pool).await.map_err(|_| no_draft(id))?;
        let plan = plan::get(&mut tx, pool.key).await?;
        let prepared = prepare(&mut tx, &draft, &pool, plan, choices).await?;
        let sides = effect::sides(&mut tx, &prepared.inputs, &prepared.findings.changes).await?;
        let changes: Vec<(Uuid, Change)> =
            prepared.findings.changes.iter().map(|checked| (checked.id, checked.change.clone())).collect();
        let told = self.told_of(&mut tx, &changes).await?;
        tx.commit().await?;
        let effect = match weeks {
            0 => None,
            _ if prepared.findings.changes.is_empty() => None,
            weeks => Some(self.effect(&pool, &prepared.inputs, sides, weeks, basis).await?),
        };
        let is_approved = self.is_approved(&draft, &prepared.findings);
        let has_changes = !prepared.findings.changes.is_empty();
        Ok(Preview {
            is_publishable: has_changes && !prepared.is_open && !prepared.findings.is_blocked() && is_approved,
            now_ms: prepared.inputs.now,
            plan_version: prepared.inputs.plan.version,
            token: prepared.token,
            changes,
            merges: prepared.merges,
            conflicts: prepared.findings.conflicts,
            needs_approval: prepared.findings.needs_approval,
            effect,
            told,
            draft,
            pool,
        })
    }

    fn is_approved(&self, draft: &Draft, findings: &Findings) -> bool {
        findings.needs_approval.is_empty() || draft.state == State::Approved || self.is_beyond_approval()
    }

    /// Publishes a draft as a preview with this token showed it.
    ///
    /// # Errors
    /// A conflict if what the preview was reckoned from is different now, if anything stands in the way, if a warning was not
    /// accepted, or if somebody else has to approve it. Nothing is written then, and the draft stays.
    pub async fn publish(
        &self,
        id: Uuid,
        token: &str,
        why: &str,
        choices: &Choices,
        accepts_warnings: bool,
    ) -> Result<Publication> {
        let why = reason(why)?;
        let mut tx = self.db.pages.begin().await?;
        let (draft, pool) = self.open_draft(&mut tx, id, None).await?;
        let plan = plan::lock(&mut tx, pool.key).await?;
        let prepared = prepare(&mut tx, &draft, &pool, plan, choices).await?;
        if prepared.token != token {
            return Err(AppError::Conflict(format!(
                "the plan of {} is at version {} now, or capacity, quotas, policy or the draft changed after the preview; look at \
                 the preview again. Nothing was published and the draft is as it was",
                pool.fields.slug, prepared.inputs.plan.version
            )));
        }
        if prepared.is_open {
            return Err(AppError::Conflict(
                "others changed the same fields after this draft began; choose whose values are taken".to_owned(),
            ));
        }
        if !self.is_approved(&draft, &prepared.findings) {
            let why = prepared.findings.needs_approval.join("; ");
            return Err(AppError::Conflict(format!("somebody else has to approve this first: {why}")));
        }
        let published = self
            .write_publication(&mut tx, &pool, &prepared, why, accepts_warnings, (Some(draft.id), draft.reverts))
            .await?;
        draft::decide(&mut tx, id, &Decision { state: State::Published, reason: Some(why), decided: None }).await?;
        tx.commit().await?;
        Ok(published)
    }

    /// Publishes changes without a draft: what programs do with one reservation.
    pub(super) async fn publish_directly(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        changes: Vec<(Uuid, Change)>,
        why: &str,
    ) -> Result<Publication> {
        let plan = plan::lock(conn, pool.key).await?;
        let ids: Vec<Uuid> = changes.iter().map(|(id, _)| *id).collect();
        let stored = stored(conn, &ids).await?;
        let now = headroom_store::now(conn).await?;
        let inputs = Inputs::read(conn, pool, plan, now).await?;
        let findings = check(conn, &inputs, changes, &stored).await?;
        if !findings.needs_approval.is_empty() && !self.is_beyond_approval() {
            let why = findings.needs_approval.join("; ");
            return Err(AppError::Conflict(format!("somebody else has to approve this first: {why}; use a draft")));
        }
        let prepared = Prepared { inputs, stored, merges: Vec::new(), findings, token: String::new(), is_open: false };
        self.write_publication(conn, pool, &prepared, why, true, (None, None)).await
    }

    async fn write_publication(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        prepared: &Prepared,
        why: &str,
        accepts_warnings: bool,
        (draft, reverts): (Option<Uuid>, Option<Uuid>),
    ) -> Result<Publication> {
        let Prepared { inputs, findings, stored, .. } = prepared;
        refuse(findings, accepts_warnings)?;
        if findings.changes.is_empty() {
            return Err(AppError::Conflict("nothing changes: what is published is the same already".to_owned()));
        }
        let from = cut(inputs.now);
        // What repeats without an end has to be there as far as what is new was checked.
        work_out_further(conn, Some(pool.key), inputs.now).await?;
        // Names that are given up are free for others.
        let order = |verb: Verb| match verb {
            Verb::Cancel => 0,
            Verb::Edit | Verb::Nothing => 1,
            Verb::Create => 2,
        };
        let mut changes: Vec<_> = findings.changes.iter().collect();
        changes.sort_by_key(|checked| order(checked.change.verb()));
        for checked in changes {
            match checked.change.after.as_ref().zip(checked.after.as_ref()) {
                Some((terms, (tenant, worked_out))) => {
                    let written = write(conn, (checked.id, pool.key, *tenant), terms, worked_out, from).await;
                    written.map_err(|error| match error {
                        StoreError::Taken { value, .. } => {
                            AppError::invalid("name", value, "a name that no other reservation of the pool has")
                        }
                        other => other.into(),
                    })?;
                }
                None => {
                    reservation::cancel(conn, checked.id).await?;
                    promise::end_at(conn, &[checked.id], from).await?;
                }
            }
        }
        let count = reservation::count(conn, pool.key, inputs.now).await?;
        if count > MOST_RESERVATIONS {
            let expected = format!("at most {MOST_RESERVATIONS} reservations of a pool that are not over");
            return Err(AppError::invalid("changes", count.to_string(), expected));
        }
        let actor = &self.caller.actor;
        let publication = Publication {
            id: clock::uuid(),
            pool: pool.key,
            version: inputs.plan.version + 1,
            at_ms: inputs.now,
            actor: actor.name.clone(),
            actor_id: actor.id,
            source: actor.source.to_owned(),
            reason: why.to_owned(),
            draft,
            reverts,
            policy: inputs.plan.policy.clone(),
            changes: findings.changes.iter().map(|checked| (checked.id, checked.change.clone())).collect(),
        };
        plan::publish(conn, &publication).await?;
        for (tenant, slots) in &findings.reclaims {
            let order =
                order::Order::Preempt { tenant: Some(*tenant), slots: u32::try_from(*slots).unwrap_or(u32::MAX) };
            order::give(conn, pool.key, &order, &actor.name).await?;
        }
        self.tell(conn, pool, &publication, stored).await?;
        self.write_of_publication(conn, pool, &publication).await?;
        Ok(publication)
    }

    /// Writes a publication into the audit trail, each reservation for itself, and onto the pool's timelines.
    async fn tell(
        &self,
        conn: &mut PgConnection,
        pool: &Pool,
        publication: &Publication,
        stored: &HashMap<Uuid, Stored>,
    ) -> Result<()> {
        for (id, change) in &publication.changes {
            let action = match change.verb() {
                Verb::Create if stored.contains_key(id) => "restore",
                Verb::Create => "create",
                Verb::Cancel => "cancel",
                Verb::Edit | Verb::Nothing => "update",
            };
            let value = |terms: &Option<Terms>| terms.as_ref().and_then(|terms| serde_json::to_value(terms).ok());
            let entry = Entry {
                actor: &self.caller.actor,
                action,
                object: "reservation",
                key: change.name(),
                id: Some(*id),
                before: value(&change.before),
                after: value(&change.after),
                reason: &publication.reason,
            };
            audit::record(conn, &entry).await?;
        }
        let title = match &publication.changes[..] {
            [(_, change)] => format!("reservation {}: {}", change.name(), summary(change)),
            changes => format!("{} reservations changed", changes.len()),
        };
        let event = change::Change {
            at_ms: publication.at_ms,
            kind: ChangeKind::Config,
            pool: Some(pool.key),
            title: title.chars().take(300).collect(),
            url: String::new(),
            source: "headroom".into(),
            actor: self.caller.actor.name.chars().take(120).collect(),
        };
        change::record(conn, &[(clock::uuid(), event)]).await?;
        Ok(())
    }
}

/// What a change does, in a few words.
pub fn summary(change: &Change) -> String {
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("{} slots for {}", after.slots, after.tenant),
        (Some(before), None) => format!("{} slots of {} taken back", before.slots, before.tenant),
        (Some(before), Some(after)) if before.slots != after.slots => {
            format!("{} → {} slots", before.slots, after.slots)
        }
        (Some(before), Some(after)) => {
            let fields = headroom_domain::plan::change::differing(before, after);
            fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
        }
        (None, None) => String::new(),
    }
}

/// Refuses what cannot be published; each conflict as a problem of its field.
fn refuse(findings: &Findings, accepts_warnings: bool) -> Result<()> {
    let bad: Vec<&Conflict> =
        findings.conflicts.iter().filter(|conflict| !(accepts_warnings && conflict.kind.is_warning())).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(AppError::Planned(bad.into_iter().cloned().collect()))
}

async fn stored(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Stored>> {
    Ok(reservation::by_ids(conn, ids).await?.into_iter().map(|stored| (stored.id, stored)).collect())
}

async fn prepare(
    conn: &mut PgConnection,
    draft: &Draft,
    pool: &Pool,
    plan: plan::Plan,
    choices: &Choices,
) -> Result<Prepared> {
    let now = headroom_store::now(conn).await?;
    let ids: Vec<Uuid> = draft.changes.keys().copied().collect();
    let stored = stored(conn, &ids).await?;
    let inputs = Inputs::read(conn, pool, plan, now).await?;
    let mut changes = Vec::new();
    let mut merges = Vec::new();
    let mut is_open = false;
    for (id, edit) in &draft.changes {
        let live = stored.get(id).filter(|stored| stored.cancelled_ms.is_none());
        let theirs = live.map(|stored| &stored.terms);
        let merged = merge(edit, theirs, |field| choices.get(&(*id, field)).copied());
        let moved = edit.before.as_ref() != theirs;
        let (open, result) = match merged {
            Merged::Clean(change) => {
                let result = change.after.clone();
                if change.verb() != Verb::Nothing {
                    changes.push((*id, change));
                }
                (Some(Vec::new()), result)
            }
            Merged::Conflict(open) => {
                is_open = true;
                (open, None)
            }
        };
        if moved {
            let last = plan::publications(conn, pool.key, Some(*id), 1).await?.pop();
            merges.push(Merge {
                reservation: *id,
                was: edit.before.clone(),
                theirs: theirs.cloned(),
                yours: edit.after.clone(),
                is_clean: open.as_ref().is_some_and(Vec::is_empty),
                open,
                result,
                by: last.map(|publication| (publication.actor, publication.at_ms, publication.version)),
            });
        }
    }
    let chosen: Vec<_> = choices.iter().map(|((id, field), side)| (id, field.map(Field::as_str), side)).collect();
    let token = inputs.token(&(draft.id, draft.version, chosen));
    let findings = check(conn, &inputs, changes, &stored).await?;
    Ok(Prepared { inputs, stored, merges, findings, token, is_open })
}

impl From<&Conflict> for Problem {
    fn from(conflict: &Conflict) -> Self {
        let field = conflict.field.map_or_else(|| conflict.kind.as_str().to_owned(), str::to_owned);
        Self { field, found: conflict.found.clone(), expected: conflict.says.clone() }
    }
}
