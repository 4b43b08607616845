//! What a draft would have done: the demand of the last weeks, played through the allocator's rules with and without it.

use super::super::{App, AppError, Result};
use super::check::{Checked, Inputs};
use super::work_out::{cut, promises};
use headroom_domain::reservation::Promise;
use headroom_domain::whatif::{self, Capacity, Comparison, Figures, Rules, Tenant};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::pool::Pool;
use headroom_store::promise;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Weeks that are replayed if nobody says how many.
pub const USUAL_WEEKS: i64 = 4;
const WEEK_MS: Millis = 7 * DAY_MS;

/// What a draft would have done.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The time to come that it is about: start.
    pub from_ms: Millis,
    /// And end, exclusive.
    pub to_ms: Millis,
    /// The past whose demand is laid onto it: start.
    pub past_from_ms: Millis,
    /// And end, exclusive.
    pub past_to_ms: Millis,
    /// Where the replay's own hours begin: they are told from here, and stand for those from `from_ms` on.
    pub demand_from_ms: Millis,
    /// Figures and riskiest hours before and after, by the tenants' keys.
    pub comparison: Comparison,
    /// Tenants by key: slug and name; who is not in it uses what is metered for nobody.
    pub tenants: Vec<(i32, String, String)>,
    /// What promises cost before and after, and what is wasted of them, in millionths; nothing if the pool has no price or the
    /// caller sees no money.
    pub cost: Option<Costs>,
}

/// Costs in millionths of the organisation's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Of what is promised, before.
    pub reserved_before: i128,
    /// After.
    pub reserved_after: i128,
    /// Of what is promised and used by nobody, before.
    pub wasted_before: i128,
    /// After.
    pub wasted_after: i128,
}

impl Effect {
    /// A tenant's figures before and after, with its slug.
    pub fn rows(&self) -> Vec<(String, Figures, Figures)> {
        let slug =
            |key: i32| self.tenants.iter().find(|(other, ..)| *other == key).map_or("", |(_, slug, _)| slug).to_owned();
        self.comparison.tenants().into_iter().map(|(key, before, after)| (slug(key), before, after)).collect()
    }

    /// Whether it is known at all what was wanted.
    pub fn is_known(&self) -> bool {
        self.comparison.before.minutes > self.comparison.before.pool.unknown_minutes
    }
}

/// What the promises of a pool are and would be.
pub(super) struct Sides {
    before: Vec<Promise>,
    after: Vec<Promise>,
    /// The first instant at which they differ.
    first_ms: Option<Millis>,
}

/// Reads what is promised from now on, with and without some changes.
pub(super) async fn sides(conn: &mut PgConnection, inputs: &Inputs, changes: &[Checked]) -> Result<Sides> {
    let from = cut(inputs.now);
    let edited: BTreeSet<Uuid> = changes.iter().map(|checked| checked.id).collect();
    let stored = promise::during(conn, Some(&[inputs.pool]), None, inputs.now, headroom_domain::LATEST_MS).await?;
    let mut after = Vec::with_capacity(stored.len());
    let mut first_ms: Option<Millis> = None;
    let mut differs = |at: Millis| first_ms = Some(first_ms.map_or(at, |first: Millis| first.min(at)));
    for one in &stored {
        if edited.contains(&one.id) {
            differs(one.reservation.from_ms.max(from));
            // Until the change holds, what is published does.
            if one.reservation.from_ms < from {
                let to_ms = Some(one.reservation.to_ms.map_or(from, |to| to.min(from)));
                after.push(Promise { to_ms, ..one.reservation.clone() });
            }
        } else {
            after.push(one.reservation.clone());
        }
    }
    for checked in changes {
        let Some((terms, (tenant, worked_out))) = checked.change.after.as_ref().zip(checked.after.as_ref()) else {
            continue;
        };
        for new in promises(checked.id, inputs.pool, *tenant, terms, &worked_out.stretches, from) {
            differs(new.reservation.from_ms);
            after.push(new.reservation);
        }
    }
    Ok(Sides { before: stored.into_iter().map(|one| one.reservation).collect(), after, first_ms })
}

impl App {
    /// What a draft would have done in the weeks that begin with the first week in which it changes anything.
    pub(super) async fn effect(&self, pool: &Pool, inputs: &Inputs, sides: Sides, weeks: i64) -> Result<Effect> {
        let past = self.demand_of_pool(pool, weeks, inputs.now).await?;
        let start = past.demand.start_ms();
        // Whole weeks ahead, so that weekdays stay; a change of clocks in between is not followed.
        let ahead = sides.first_ms.map_or(0, |first| (first - start).div_euclid(WEEK_MS).max(0)) * WEEK_MS;
        let tenants: Vec<(i32, String, String, u8)> = {
            let all = inputs.tenants.iter();
            all.map(|(slug, tenant)| (tenant.key, slug.clone(), tenant.name.clone(), tenant.priority)).collect()
        };
        let earlier = |at: Millis| at.saturating_sub(ahead);
        let capacity: Vec<Capacity> = inputs
            .capacity
            .iter()
            .map(|(from, slots)| Capacity { from_ms: earlier(*from), slots: u32::try_from(*slots).unwrap_or_default() })
            .collect();
        let quota = |key: i32| inputs.quotas.get(&key).map(|slots| u32::try_from(*slots).unwrap_or(u32::MAX));
        let known: Vec<Tenant> = tenants
            .iter()
            .map(|(key, _, _, priority)| Tenant { key: *key, quota: quota(*key), priority: *priority })
            .collect();
        let moved = |promises: Vec<Promise>| -> Vec<Promise> {
            let one = |r: Promise| Promise { from_ms: earlier(r.from_ms), to_ms: r.to_ms.map(earlier), ..r };
            promises.into_iter().map(one).collect()
        };
        let play = |promises: Vec<Promise>| {
            let (past, capacity, known) = (past.clone(), capacity.clone(), known.clone());
            tokio::task::spawn_blocking(move || {
                whatif::replay(&past.demand, &Rules { capacity: &capacity, tenants: &known, promises: &promises })
            })
        };
        let (before, after) = tokio::join!(play(moved(sides.before)), play(moved(sides.after)));
        let failed = |error: tokio::task::JoinError| AppError::Internal(format!("replaying a draft: {error}"));
        let comparison = Comparison { before: before.map_err(failed)?, after: after.map_err(failed)? };
        let organisation = self.organisation().await?;
        let price = pool.fields.unit_cost_micros.filter(|_| self.sees_money(&organisation));
        let cost = price.map(|price| {
            let of = |slot_ms: i128| whatif::cost_micros(slot_ms, price);
            Costs {
                reserved_before: of(comparison.before.pool.reserved_slot_ms),
                reserved_after: of(comparison.after.pool.reserved_slot_ms),
                wasted_before: of(comparison.before.pool.wasted_slot_ms()),
                wasted_after: of(comparison.after.pool.wasted_slot_ms()),
            }
        });
        Ok(Effect {
            from_ms: start + ahead,
            to_ms: past.demand.end_ms() + ahead,
            past_from_ms: past.from_ms,
            past_to_ms: past.to_ms,
            demand_from_ms: start,
            comparison,
            tenants: tenants.into_iter().map(|(key, slug, name, _)| (key, slug, name)).collect(),
            cost,
        })
    }
}
