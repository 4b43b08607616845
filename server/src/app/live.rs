//! Live pools as people on call look at them: what is wrong, who holds what, one pool's slots, one claim's way.

use super::findings::Found;
use super::look::{self, WORK_MS, slot_work};
use super::slots::FIGURES_FRESH_MS;
use super::trend::{Subject, series};
use super::window::Window;
use super::{App, AppError, Result, pools, tenants};
use crate::allocator::PoolFigures;
use headroom_domain::access::Action;
use headroom_domain::allocation::{Service, Stored};
use headroom_domain::failure::{STALLED_AFTER_MS, hot_slots};
use headroom_domain::lease::{EventKind, Mode};
use headroom_domain::series::Step;
use headroom_domain::sketch::Sketch;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::claim_trace::{self, ClaimTrace};
use headroom_store::pool::CapacityStep;
use headroom_store::slot::{self, Holding};
use headroom_store::slot_event::{self, AnswerBox, Answers, Contrast, Interval, SlotEvent, Wanted, Work};
use headroom_store::tenant::Tenant;
use headroom_store::{finding, live};
use headroom_store::{pool, tenant};
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

pub use super::look::Watched;

/// Rows of the board's lists.
const MOST: usize = 8;
/// Events of a claim are looked for in this time.
const CLAIM_MS: Millis = 7 * DAY_MS;
/// Most events of one claim.
const MOST_OF_CLAIM: i64 = 500;

impl Watched {
    /// The figures, if they are about now.
    pub fn fresh(&self) -> Option<&PoolFigures> {
        self.figures.as_ref().filter(|_| self.age_ms.is_some_and(|age| age < FIGURES_FRESH_MS))
    }

    /// Nobody has looked after it for too long.
    pub fn is_stalled(&self) -> bool {
        self.age_ms.is_none_or(|age| age > STALLED_AFTER_MS)
    }
}

/// Names of tenants by key: slug and name. Only of those that may be seen.
pub type Names = HashMap<i32, (String, String)>;

/// A slot whose work is slow.
#[derive(Debug, Clone)]
pub struct Slow {
    /// Its work.
    pub work: Work,
    /// Far above its peers.
    pub is_hot: bool,
}

/// Connections of one class of work.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// What they serve.
    pub name: &'static str,
    /// In use.
    pub used: u32,
    /// The most there may be.
    pub most: u32,
}

/// Everything on the on-call board.
#[derive(Debug)]
pub struct Board {
    /// When this was so.
    pub now: Millis,
    /// When somebody looked for what is wrong.
    pub looked_ms: Option<Millis>,
    /// The tracked pools in scope, by slug.
    pub pools: Vec<Watched>,
    /// Who the tenants are.
    pub names: Names,
    /// What is wrong, most severe first, then newest first.
    pub found: Vec<Found>,
    /// The slots with the slowest work.
    pub slow: Vec<Slow>,
    /// The claims that are held longest.
    pub held: Vec<Holding>,
    /// Rejections of the last hour, minute by minute.
    pub rejected: Vec<Option<f64>>,
    /// 95th percentile of the time to answer claims that did not wait, of the last hour, minute by minute.
    pub claim_p95: Vec<Option<f64>>,
    /// The server's own connections; empty for who may not see the whole.
    pub connections: Vec<Connections>,
    /// The free part of the database's disk, for who may see the whole and where it is known.
    pub disk_free: Option<f64>,
}

/// What is known of a claim, or of the claims of a trace.
#[derive(Debug)]
pub struct ClaimWay {
    /// Its events, the oldest first.
    pub events: Vec<SlotEvent>,
    /// Its steps through the server, where they were kept.
    pub traces: Vec<ClaimTrace>,
    /// When this was so.
    pub now: Millis,
}

/// A tracked pool slot by slot.
#[derive(Debug)]
pub struct SlotsNow {
    /// When this was so.
    pub now: Millis,
    /// Number of the last event that is in it.
    pub version: i64,
    /// The pool.
    pub watched: Watched,
    /// Its slots by number, without those beyond its size that were never used again.
    pub slots: Vec<Stored>,
    /// Numbers of those whose holder was asked to end.
    pub noticed: BTreeSet<u32>,
    /// P95 of the work of the last minutes by slot, milliseconds; of slots that may be seen.
    pub work: HashMap<u32, f64>,
    /// Slots that are far slower than their peers.
    pub hot: BTreeSet<u32>,
    /// Who the tenants are.
    pub names: Names,
}

impl SlotsNow {
    /// A slot's state as a letter: `.` free, `o` occupied, `d` draining, `l` leaked, `h` hot, `x` out of service.
    pub fn letter(&self, slot: &Stored) -> char {
        let is_leaving = self.noticed.contains(&slot.number) || slot.service != Service::In;
        let drains = self.watched.rules.mode == Mode::Draining || is_leaving;
        match &slot.held {
            Some(held) if held.expires_at <= self.now => 'l',
            Some(_) if drains => 'd',
            Some(_) if self.hot.contains(&slot.number) => 'h',
            Some(_) => 'o',
            None if slot.service == Service::In => '.',
            None => 'x',
        }
    }

    /// The numbers of the slots that are leaked.
    pub fn leaked(&self) -> Vec<u32> {
        self.slots.iter().filter(|slot| self.letter(slot) == 'l').map(|slot| slot.number).collect()
    }
}

/// What the events of a pool are filtered by.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// Of this tenant, by slug.
    pub tenant: Option<String>,
    /// Of this slot.
    pub slot: Option<i32>,
    /// Of this trace.
    pub trace: Option<Vec<u8>>,
    /// Of this claim.
    pub claim: Option<Uuid>,
    /// Of a holder or node with this in its name.
    pub text: String,
}

/// A pool looked at closely.
#[derive(Debug)]
pub struct Closely {
    /// Its slots.
    pub slots: SlotsNow,
    /// Its events in the window, newest first.
    pub events: Vec<SlotEvent>,
    /// Claims that were refused or waited, newest first.
    pub claims: Vec<SlotEvent>,
    /// Its claims by interval.
    pub intervals: Vec<Interval>,
    /// How long its claims that did not wait took to be answered, by minute; nothing where only some tenants are asked about.
    pub took: BTreeMap<Millis, Sketch>,
    /// Length of an interval.
    pub step_ms: Millis,
    /// Changes of its capacity in the window, oldest first.
    pub steps: Vec<CapacityStep>,
    /// Its answers by interval of `answers_ms` and by time.
    pub answers: Vec<Answers>,
    /// Length of such an interval.
    pub answers_ms: Millis,
    /// What the claims of the chosen box have in common; `None` without a box.
    pub contrasts: Option<(AnswerBox, Vec<Contrast>)>,
}

/// Intervals of a window: of its lines, and of its heatmap.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Of lines and bars.
    pub lines_ms: Millis,
    /// Of the heatmap of answers.
    pub answers_ms: Millis,
}

impl App {
    /// The tracked pools that may be seen, of those with some keys or of all, by slug.
    pub async fn tracked(&self, keys: Option<&[i32]>) -> Result<Vec<Watched>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        self.watched(&mut conn, keys, now).await
    }

    async fn watched(&self, conn: &mut PgConnection, keys: Option<&[i32]>, now: Millis) -> Result<Vec<Watched>> {
        let mut all = look::watched(conn, keys, now).await?;
        all.retain(|one| self.caller.sees_pool(one.pool.key));
        Ok(all)
    }

    fn names_of(&self, tenants: &[Tenant]) -> Names {
        let seen = tenants.iter().filter(|tenant| self.caller.sees_tenant(tenant.key));
        seen.map(|tenant| (tenant.key, (tenant.fields.slug.to_string(), tenant.fields.name.clone()))).collect()
    }

    /// The on-call board of the pools and tenants that a window names.
    pub async fn on_call(&self, window: &Window) -> Result<Board> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let now = headroom_store::now(conn).await?;
        let watched = self.watched(conn, window.pool_keys().as_deref(), now).await?;
        let keys: Vec<i32> = watched.iter().map(|one| one.pool.key).collect();
        let tenants = tenant::list(conn, false).await?;
        let wanted = window.tenant_keys();
        let work = slot_event::work(conn, Some(&keys), now - WORK_MS).await?;
        let names = self.names_of(&tenants);
        let mut hot: BTreeSet<(i32, i32)> = BTreeSet::new();
        for one in &watched {
            let (slots, _) = hot_slots(&slot_work(&work, one.pool.key), one.rules.policy.work_goal_ms);
            hot.extend(slots.iter().map(|slot| (one.pool.key, slot.slot as i32)));
        }
        let found = self.found(conn, &watched, &names, now).await?;
        let looked_ms = finding::turn(conn).await?.at;
        let is_wanted = |work: &Work| {
            let is_asked = wanted.as_ref().is_none_or(|keys| work.tenant_id.is_some_and(|key| keys.contains(&key)));
            is_asked && work.tenant_id.is_none_or(|key| self.caller.sees_tenant(key))
        };
        let slow = work.into_iter().filter(is_wanted).take(MOST);
        let slow = slow.map(|work| Slow { is_hot: hot.contains(&(work.pool_id, work.slot)), work }).collect();
        let held = slot::held_longest(conn, &keys, wanted.as_deref(), MOST as i64).await?;
        let minute = now - now.rem_euclid(MINUTE_MS);
        let took = live::minutes(conn, &keys, minute - HOUR_MS, minute).await?;
        let claim_p95 = if took.is_empty() {
            Vec::new()
        } else {
            let starts = (0..HOUR_MS / MINUTE_MS).map(|place| minute - HOUR_MS + place * MINUTE_MS);
            starts.map(|start| took.get(&start).and_then(|sketch| sketch.quantile(0.95))).collect()
        };
        let rejected = if keys.is_empty() {
            Vec::new()
        } else {
            let subject = Subject { pools: Some(keys), tenants: wanted };
            let to = now - now.rem_euclid(MINUTE_MS);
            let series = series(conn, &subject, Step::Minute, to - HOUR_MS, to).await?;
            series.points.iter().map(|p| (p.observed_ms > 0).then_some(p.rejections as f64)).collect()
        };
        let connections = if self.caller.is_limited() { Vec::new() } else { self.connections() };
        let disk_free = if connections.is_empty() { None } else { self.disk_free().await? };
        Ok(Board {
            now,
            looked_ms,
            pools: watched,
            names,
            found,
            slow,
            held,
            rejected,
            claim_p95,
            connections,
            disk_free,
        })
    }

    fn connections(&self) -> Vec<Connections> {
        let of = |name, pool: &PgPool| Connections {
            name,
            used: pool.size().saturating_sub(u32::try_from(pool.num_idle()).unwrap_or(u32::MAX)),
            most: pool.options().get_max_connections(),
        };
        vec![
            of("Connections for pages", &self.db.pages),
            of("Connections for samples", &self.db.ingest),
            of("Connections for jobs", &self.db.jobs),
            of("Connections beside claims", &self.db.claims),
            of("Connections for claims", &self.db.slots),
        ]
    }

    /// A tracked pool slot by slot. A metered one is a conflict.
    pub async fn slots_now(&self, slug: &str) -> Result<SlotsNow> {
        self.require(Action::See)?;
        let super::slots::PoolSlots { pool: found, stored: slots, noticed, now, version } = self.slots(slug).await?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let watched = self.watched(conn, Some(&[found.key]), now).await?.pop();
        let watched = watched.ok_or(AppError::NotFound {
            what: "pool with slots of its own",
            slug: slug.to_owned(),
            suggestion: None,
        })?;
        let all = slot_event::work(conn, Some(&[found.key]), now - WORK_MS).await?;
        let (hot, _) = hot_slots(&slot_work(&all, found.key), watched.rules.policy.work_goal_ms);
        let seen = all.iter().filter(|work| work.tenant_id.is_none_or(|key| self.caller.sees_tenant(key)));
        let work: HashMap<u32, f64> = seen.map(|work| (work.slot as u32, work.p95_ms)).collect();
        let names = self.names_of(&tenant::list(conn, true).await?);
        // Numbers beyond the size stay in the store; a map of them would show what the pool was.
        let last = slots.iter().rposition(|slot| slot.held.is_some() || slot.service != Service::Out);
        let slots = slots.into_iter().take(last.map_or(0, |last| last + 1)).collect();
        let hot = hot.into_iter().map(|slot| slot.slot).filter(|slot| work.contains_key(slot)).collect();
        Ok(SlotsNow { now, version, watched, slots, noticed, work, hot, names })
    }

    /// P95 of one slot's work of the last hour by minute, with gaps.
    pub async fn slot_work(&self, key: i32, number: i32, now: Millis) -> Result<Vec<Option<f64>>> {
        self.require(Action::See)?;
        let since = now - HOUR_MS;
        let mut conn = self.db.pages.acquire().await?;
        let known =
            slot_event::work_of_slot(&mut conn, key, number, self.caller.tenants.as_deref(), since, MINUTE_MS).await?;
        let mut minutes = vec![None; if known.is_empty() { 0 } else { 60 }];
        for (at, p95) in known {
            if let Some(minute) = minutes.get_mut(((at - since) / MINUTE_MS) as usize) {
                *minute = Some(p95);
            }
        }
        Ok(minutes)
    }

    /// A tracked pool with its events and claims in a window.
    pub async fn look_closely(
        &self,
        slug: &str,
        window: &Window,
        filter: &EventFilter,
        Steps { lines_ms: step_ms, answers_ms }: Steps,
        chosen: Option<AnswerBox>,
    ) -> Result<Closely> {
        self.require(Action::Debug)?;
        let slots = self.slots_now(slug).await?;
        let key = slots.watched.pool.key;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let tenant = match &filter.tenant {
            Some(slug) => Some(vec![tenants::find(conn, &self.caller, slug).await?.key]),
            None => self.caller.tenants.clone(),
        };
        let wanted = Wanted {
            pools: Some(vec![key]),
            tenants: tenant.clone(),
            kinds: filter.kind.into_iter().collect(),
            slot: filter.slot,
            claim: filter.claim,
            trace: filter.trace.clone(),
            text: filter.text.clone(),
            since: window.from_ms,
            until: Some(window.to_ms),
            limit: 100,
            ..Wanted::default()
        };
        let events = slot_event::list(conn, &wanted).await?;
        let of_claims = Wanted { kinds: vec![EventKind::Reject, EventKind::Enqueue], limit: 60, ..wanted.clone() };
        let claims = slot_event::list(conn, &of_claims).await?;
        let range = (window.from_ms, window.to_ms);
        let intervals = slot_event::intervals(conn, key, tenant.as_deref(), range, step_ms).await?;
        let took = match tenant {
            None => live::minutes(conn, &[key], window.from_ms - MINUTE_MS, window.to_ms).await?,
            Some(_) => BTreeMap::new(),
        };
        let mut steps = pool::capacity(conn, Some(&[key])).await?.remove(&key).unwrap_or_default();
        steps.retain(|step| (window.from_ms..window.to_ms).contains(&step.from_ms));
        let answers = slot_event::answers(conn, key, tenant.as_deref(), range, answers_ms).await?;
        let contrasts = match chosen {
            Some(chosen) => Some((chosen, slot_event::contrasts(conn, key, tenant.as_deref(), range, chosen).await?)),
            None => None,
        };
        Ok(Closely { slots, events, claims, intervals, took, step_ms, steps, answers, answers_ms, contrasts })
    }

    /// The way of a claim, or of all claims of a trace.
    pub async fn claim_way(&self, trace: Option<Vec<u8>>, claim: Option<Uuid>) -> Result<ClaimWay> {
        self.require(Action::Debug)?;
        let now = self.now().await?;
        if trace.is_none() && claim.is_none() {
            return Ok(ClaimWay { events: Vec::new(), traces: Vec::new(), now });
        }
        let since = now - CLAIM_MS;
        let wanted = Wanted { trace, claim, since, limit: MOST_OF_CLAIM, ..Wanted::default() };
        let mut events = self.slot_events(wanted, &[], &[]).await?;
        events.reverse();
        let claims: BTreeSet<Uuid> = events.iter().filter_map(|event| event.claim).collect();
        let claims: Vec<Uuid> = claims.into_iter().collect();
        let mut conn = self.db.pages.acquire().await?;
        let traces = claim_trace::of(&mut conn, &claims, since).await?;
        Ok(ClaimWay { events, traces, now })
    }

    /// The claim that had a slot while this one was given it, or was given it while this one had it; none in a sound world.
    pub async fn rival(&self, way: &ClaimWay) -> Result<Option<Uuid>> {
        self.require(Action::Debug)?;
        let end = way.events.iter().rev().find(|event| event.kind.ends_lease());
        for grant in way.events.iter().filter(|event| event.kind.is_grant()) {
            let of_slot = Wanted {
                pools: Some(vec![grant.pool]),
                slot: grant.slot,
                since: way.now - CLAIM_MS,
                limit: 100,
                ..Wanted::default()
            };
            let turns = EventKind::ALL.iter().copied().filter(|kind| kind.is_grant() || kind.ends_lease()).collect();
            let grants = EventKind::ALL.iter().copied().filter(|kind| kind.is_grant()).collect();
            let before = Wanted { kinds: turns, before: Some(grant.id), limit: 1, ..of_slot.clone() };
            let during = Wanted { kinds: grants, after: Some(grant.id), before: end.map(|end| end.id), ..of_slot };
            let mut conn = self.db.pages.acquire().await?;
            let before = slot_event::list(&mut conn, &before).await?.pop().filter(|event| event.kind.is_grant());
            let rival = match before {
                Some(event) => Some(event),
                // The first of them.
                None => slot_event::list(&mut conn, &during).await?.pop(),
            };
            if let Some(other) = rival.and_then(|event| event.claim).filter(|other| Some(*other) != grant.claim) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// The name of a pool that may be seen.
    pub async fn pool_name(&self, slug: &str) -> Result<String> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        Ok(pools::find(&mut conn, &self.caller, slug).await?.fields.name)
    }
}
