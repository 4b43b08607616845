//! A pool's reservations as a sheet of text: cells are written anew by the rules of files and forms, and what comes of it is compared
//! with clocks, tenants and the names of the others. What was taken becomes the edits of one step.

use super::super::{App, AppError, Result};
use super::drafts::Edit;
use super::work_out::work_out;
use super::{by_key, find, no_reservation};
use crate::clock;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::plan::Fault;
use headroom_domain::plan::change::Field;
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::text;
use headroom_store::draft::Draft;
use headroom_store::{reservation, tenant};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Reservations of a pool as a draft has them, else as they are published.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The pool's zone: what is new has it unless it says another.
    zone: String,
    now: Millis,
    tenants: HashSet<String>,
    /// `None` is taken back by the draft.
    rows: HashMap<Uuid, Option<Terms>>,
    names: HashMap<String, Uuid>,
    edits: Vec<Edit>,
}

impl App {
    /// The sheet of a draft's pool, or without a draft of a pool by its slug. `ids` are in it even if they are over.
    pub async fn sheet(&self, pool: &str, draft: Option<&Draft>, ids: &[Uuid]) -> Result<Sheet> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = match draft {
            Some(draft) => by_key(self, &mut conn, draft.pool).await?,
            None => find(self, &mut conn, pool).await?,
        };
        let now = headroom_store::now(&mut conn).await?;
        let mut stored = reservation::of_pool(&mut conn, pool.key, now).await?;
        stored.extend(reservation::by_ids(&mut conn, ids).await?);
        let tenants =
            tenant::list(&mut conn, false).await?.into_iter().map(|one| one.fields.slug.to_string()).collect();
        let stored = stored.into_iter().filter(|one| one.pool == pool.key && one.cancelled_ms.is_none());
        let mut rows: HashMap<Uuid, Option<Terms>> = stored.map(|one| (one.id, Some(one.terms))).collect();
        for (id, change) in draft.iter().flat_map(|draft| &draft.changes) {
            rows.insert(*id, change.after.clone());
        }
        let names = rows.iter().filter_map(|(id, terms)| Some((terms.as_ref()?.name.clone(), *id))).collect();
        Ok(Sheet { zone: pool.fields.zone, now, tenants, rows, names, edits: Vec::new() })
    }
}

impl Sheet {
    /// A reservation as it is, or as it was edited here.
    ///
    /// # Errors
    /// It is not of this pool, or the draft cancels it.
    pub fn terms(&self, id: Uuid) -> Result<&Terms> {
        match self.rows.get(&id) {
            Some(Some(terms)) => Ok(terms),
            Some(None) => {
                let text = "the draft cancels this reservation; undo that, or bring it back in its form";
                Err(AppError::Conflict(text.to_owned()))
            }
            None => Err(no_reservation(id)),
        }
    }

    /// Whether the draft cancels it.
    pub fn is_cancelled(&self, id: Uuid) -> bool {
        matches!(self.rows.get(&id), Some(None))
    }

    /// Terms with some of their fields written anew.
    ///
    /// # Errors
    /// Every fault of the result.
    pub fn rewritten(&self, id: Uuid, terms: &Terms, cells: &[(Field, &str)]) -> Result<Terms, Vec<Fault>> {
        let said = |field: Field| cells.iter().find(|(other, _)| *other == field).map(|(_, text)| (*text).to_owned());
        let mut base = terms.clone();
        // Limits are no cells; they follow.
        if let Some(slots) = said(Field::Slots).and_then(|text| text.trim().parse().ok()) {
            base.set_slots(slots);
        }
        self.checked(id, text::read(|field| said(field).or_else(|| Some(field.text(&base))))?)
    }

    /// A new reservation from what some of its fields say.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn written(&self, cells: &[(Field, &str)]) -> Result<(Uuid, Terms), Vec<Fault>> {
        let id = clock::uuid();
        let said = |field: Field| {
            let text = cells.iter().find(|(other, _)| *other == field).map(|(_, text)| text.trim());
            let usual = (field == Field::Zone).then_some(self.zone.as_str());
            text.filter(|text| !text.is_empty()).or(usual).map(str::to_owned)
        };
        Ok((id, self.checked(id, text::read(said)?)?))
    }

    /// Terms that can be worked out, of a tenant that there is, under a name of their own.
    ///
    /// # Errors
    /// Every fault of them.
    pub fn checked(&self, id: Uuid, terms: Terms) -> Result<Terms, Vec<Fault>> {
        let mut faults = work_out(&terms, self.now).err().unwrap_or_default();
        if !self.tenants.contains(&terms.tenant) && !faults.iter().any(|fault| fault.field == "tenant") {
            let nearest = headroom_domain::slug::nearest(&terms.tenant, self.tenants.iter().map(String::as_str));
            let hint = nearest.map(|slug| format!("; {slug} is one")).unwrap_or_default();
            let expected = format!("the slug of a tenant that is not archived{hint}");
            faults.push(Fault::new("tenant", &terms.tenant, expected));
        }
        if self.names.get(&terms.name).is_some_and(|other| *other != id) {
            faults.push(Fault::new("name", &terms.name, "a name that no other reservation of this pool has"));
        }
        if faults.is_empty() { Ok(terms) } else { Err(faults) }
    }

    /// Takes an edit over; what comes later sees it.
    pub fn take(&mut self, id: Uuid, after: Option<Terms>) {
        self.names.retain(|_, other| *other != id);
        if let Some(terms) = &after {
            self.names.insert(terms.name.clone(), id);
        }
        self.rows.insert(id, after.clone());
        self.edits.push((id, after));
    }

    /// What was taken, in its order.
    pub fn into_edits(self) -> Vec<Edit> {
        self.edits
    }
}
