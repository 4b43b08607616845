//! A suggestion of a report as a draft with that one change.

use super::super::reports::waste::{Evidence, evidence_now, is_contract};
use super::super::{App, AppError, Result};
use headroom_domain::access::Action;
use headroom_domain::plan::terms::Terms;
use headroom_domain::rightsize::{Confidence, EVIDENCE_DAYS};
use headroom_store::draft::Draft;
use headroom_store::reservation::{self, Stored};
use headroom_store::{promise, tenant};
use std::collections::HashMap;
use uuid::Uuid;

/// The reservation that can shrink: it holds until further notice and is no contract. The largest of several.
fn to_shrink<'a>(stored: &'a [Stored], tenant: i32, holding: &HashMap<Uuid, i64>) -> Option<&'a Stored> {
    let can = |one: &&Stored| {
        let Terms { kind, end, repeat, note, overrides, .. } = &one.terms;
        one.tenant == tenant
            && holding.contains_key(&one.id)
            && repeat.is_none()
            && overrides.is_empty()
            && !is_contract(*kind, end.is_some(), note)
    };
    stored.iter().filter(can).max_by_key(|one| (one.terms.slots, std::cmp::Reverse(one.id)))
}

/// Where a level comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suggested {
    /// From the peaks: it is never below their 99th percentile and a tenth.
    Peaks,
    /// From two prices: what is held beyond it is bought without a promise.
    Cheapest,
}

impl App {
    /// Begins a draft that lowers what is promised to a tenant in a pool now to so many slots, by one change of one reservation.
    ///
    /// # Errors
    /// `Conflict` if more than that is needed by the last weeks, or if no single reservation can be lowered that far; `NotFound` for a pool or tenant that there is not.
    pub async fn draft_right_size(&self, pool: &str, tenant: &str, slots: i64, level: Suggested) -> Result<Draft> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let found = super::find(self, &mut tx, pool).await?;
        let of = tenant::by_slug(&mut tx, tenant).await?;
        let of = of.ok_or_else(|| AppError::NotFound { what: "tenant", slug: tenant.to_owned(), suggestion: None })?;
        let now = headroom_store::now(&mut tx).await?;
        let mut holding: HashMap<Uuid, i64> = HashMap::new();
        for one in promise::during(&mut tx, Some(&[found.key]), Some(&[of.key]), now, now + 1).await? {
            *holding.entry(one.id).or_default() += one.reservation.baseline;
        }
        let promised: i64 = holding.values().sum();
        let stored = reservation::of_pool(&mut tx, found.key, now).await?;
        let cannot = |why: &str| {
            let name = &of.fields.name;
            AppError::Conflict(format!("{name} has {promised} slots promised in {}: {why}", found.fields.name))
        };
        let Some(one) = to_shrink(&stored, of.key, &holding) else {
            return Err(cannot("none of its reservations can simply be lowered, edit them in the planner"));
        };
        let lowered = one.terms.slots - (promised - slots);
        if promised <= slots {
            return Err(cannot("that is no more than was suggested"));
        }
        // What was suggested rests on weeks that may be over: a level that is too low by now is not proposed.
        let evidence = evidence_now(&mut tx, &found, of.key, now).await?;
        let least = match (level, &evidence) {
            (Suggested::Peaks, Some(Evidence { advice, .. })) => advice.lower_to(),
            (Suggested::Cheapest, Some(Evidence { cheapest, .. })) => *cheapest,
            (_, None) => None,
        };
        let is_unknown = evidence.is_none_or(|evidence| evidence.advice.confidence == Confidence::Little);
        let instead = match least {
            _ if is_unknown => Some(format!("too little is known of the last {EVIDENCE_DAYS} days")),
            Some(least) if slots >= least => None,
            Some(least) => Some(format!("by the last {EVIDENCE_DAYS} days it needs at least {least}")),
            None => Some(format!("by the last {EVIDENCE_DAYS} days it needs what it has")),
        };
        if let Some(instead) = instead {
            return Err(cannot(&format!("{instead}, and {slots} were suggested")));
        }
        if lowered < 1 {
            return Err(cannot(
                "the suggestion is below what its other reservations promise, edit them in the planner",
            ));
        }
        let mut after = one.terms.clone();
        after.slots = lowered;
        // Limits that no longer fit follow.
        after.lending_limit = after.lending_limit.map(|limit| limit.min(lowered));
        let name: String =
            format!("Right-size {} of {tenant} to {lowered}", one.terms.name).chars().take(120).collect();
        let draft = self.begin_draft(&mut tx, found.key, &name, None).await?;
        let id = one.id;
        let (draft, _) = self.edit_within(&mut tx, draft, None, vec![(id, Some(after))], "").await?;
        tx.commit().await?;
        Ok(draft)
    }
}
