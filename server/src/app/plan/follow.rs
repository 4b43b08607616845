//! What plans do by themselves: repetitions are worked out further, what nobody uses is released, and what is above a limit that
//! shrank is taken back when its time is over. What ends soon is reminded of.

use super::super::{App, Result};
use super::check::{held_now, limit_of};
use super::work_out::{horizon, work_out_further};
use crate::{clock, zones};
use headroom_domain::MINUTE_MS;
use headroom_domain::change::ChangeKind;
use headroom_domain::format::count;
use headroom_domain::localtime::ZoneSlice;
use headroom_store::audit::{self, Entry};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::reservation::{self, Stored};
use headroom_store::{change, order, owner, plan, promise};
use sqlx::PgConnection;

impl App {
    /// Works out further what repeats without an end. Returns how many reservations.
    pub(crate) async fn work_out_plans(&self) -> Result<usize> {
        let mut tx = self.db.jobs.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let due = reservation::to_work_out(&mut tx, None, horizon(now)).await?;
        let mut pools: Vec<i32> = due.iter().map(|stored| stored.pool).collect();
        pools.sort_unstable();
        pools.dedup();
        let mut further = 0;
        for pool in pools {
            // Whoever publishes meanwhile waits, or is waited for.
            plan::lock(&mut tx, pool).await?;
            further += work_out_further(&mut tx, Some(pool), now).await?;
        }
        super::super::jobs::still_in_turn(&mut tx).await?;
        tx.commit().await?;
        Ok(further)
    }

    /// Releases what nobody used within its grace. Nothing is released where it is not known whether it was used. Returns how
    /// many.
    pub(crate) async fn release_unused(&self) -> Result<usize> {
        let mut tx = self.db.jobs.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let mut released = 0;
        for (stored, start) in reservation::unused_by_now(&mut tx).await? {
            let held = held_now(&mut tx, stored.pool).await?.get(&stored.tenant).copied().unwrap_or_default();
            if held > 0 || !is_known_unused(&mut tx, &stored, start, now).await? {
                continue;
            }
            plan::lock(&mut tx, stored.pool).await?;
            if promise::release(&mut tx, stored.id, now).await? == 0 {
                continue;
            }
            released += 1;
            let why = format!(
                "nothing of it was used within {} minutes",
                stored.terms.release_after_minutes.unwrap_or_default()
            );
            self.tell_of(&mut tx, &stored, "release", "released", &why).await?;
        }
        super::super::jobs::still_in_turn(&mut tx).await?;
        tx.commit().await?;
        Ok(released)
    }

    /// Takes back what is still above a limit that shrank, where its time to drain is over. Returns of how many reservations.
    pub(crate) async fn end_drains(&self) -> Result<usize> {
        let mut tx = self.db.jobs.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let mut drained = 0;
        for stored in reservation::draining(&mut tx).await? {
            let Some(until) = stored.terms.drain_until else { continue };
            let wall = until.local.and_utc().timestamp_millis();
            let zone = zones::slice(&stored.terms.zone, wall, wall);
            if zone.and_then(|zone| until.instant(&zone).ok()).is_some_and(|at| at > now) {
                continue;
            }
            reservation::set_drained(&mut tx, stored.id).await?;
            let holding = promise::during(&mut tx, Some(&[stored.pool]), None, now, now + 1).await?;
            let held = held_now(&mut tx, stored.pool).await?.get(&stored.tenant).copied().unwrap_or_default();
            let over = limit_of(&holding, stored.tenant).map_or(0, |limit| held - limit);
            let is_tracked = !owner::rules(&mut tx, Some(&[stored.pool])).await?.is_empty();
            if over <= 0 || !is_tracked {
                continue;
            }
            drained += 1;
            let slots = u32::try_from(over).unwrap_or(u32::MAX);
            let order = order::Order::Preempt { tenant: Some(stored.tenant), slots };
            order::give(&mut tx, stored.pool, &order, &self.caller.actor.name).await?;
            let why = format!("{over} slots above its limit, and its time to drain is over");
            self.tell_of(&mut tx, &stored, "drain", "drained", &why).await?;
        }
        super::super::jobs::still_in_turn(&mut tx).await?;
        tx.commit().await?;
        Ok(drained)
    }

    /// Writes onto pools' timelines, and to their people, which reservations end in 30, 14 and 7 days. Returns how many.
    pub(crate) async fn remind_of_ends(&self) -> Result<usize> {
        let mut tx = self.db.jobs.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let ending = reservation::ending(&mut tx).await?;
        for (stored, days) in &ending {
            reservation::set_reminded(&mut tx, stored.id, *days).await?;
            let Some(end) = stored.to_ms else { continue };
            let zone = zones::slice(&stored.terms.zone, end, end).unwrap_or_else(ZoneSlice::utc);
            let day = zone.local(end).format("%Y-%m-%d");
            let event = change::Change {
                at_ms: now,
                kind: ChangeKind::Config,
                pool: Some(stored.pool),
                title: format!(
                    "reservation {} ends within {days} days, on {day}: {} slots for {}",
                    stored.terms.name,
                    count(stored.terms.slots),
                    stored.terms.tenant
                ),
                url: String::new(),
                source: "headroom".into(),
                actor: self.caller.actor.name.clone(),
            };
            change::record(&mut tx, &[(clock::uuid(), event)]).await?;
        }
        self.write_of_ends(&mut tx, &ending).await?;
        super::super::jobs::still_in_turn(&mut tx).await?;
        tx.commit().await?;
        Ok(ending.len())
    }

    async fn tell_of(
        &self,
        conn: &mut PgConnection,
        stored: &Stored,
        action: &'static str,
        done: &str,
        why: &str,
    ) -> Result<()> {
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "reservation",
            key: &stored.terms.name,
            id: Some(stored.id),
            before: None,
            after: None,
            reason: why,
        };
        audit::record(conn, &entry).await?;
        let event = change::Change {
            at_ms: headroom_store::now(conn).await?,
            kind: ChangeKind::Config,
            pool: Some(stored.pool),
            title: format!("reservation {} {done}: {why}", stored.terms.name),
            url: String::new(),
            source: "headroom".into(),
            actor: self.caller.actor.name.clone(),
        };
        change::record(conn, &[(clock::uuid(), event)]).await?;
        Ok(())
    }
}

/// Whether history knows the time since a start, and that the tenant held nothing in it.
async fn is_known_unused(conn: &mut PgConnection, stored: &Stored, start: i64, now: i64) -> Result<bool> {
    /// So many per cent of the time have to be known.
    const KNOWN_PERCENT: i64 = 90;
    let minutes = history::minutes(conn, &[stored.pool], start, now).await?.remove(&stored.pool).unwrap_or_default();
    let sums = |tenant: i32| minutes.values().filter_map(move |by| by.get(&tenant));
    let known: i64 = sums(ALL_TENANTS).map(|sums| sums.observed_ms).sum();
    let grace = i64::from(stored.terms.release_after_minutes.unwrap_or_default()) * MINUTE_MS;
    Ok(known * 100 >= grace * KNOWN_PERCENT && sums(stored.tenant).all(|sums| sums.max_occupied == 0))
}
