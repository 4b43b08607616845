//! Events of slots become history: who held how much, to the millisecond, and what was refused.
//!
//! Between two events nothing changes, so each stretch between them is a reading. A pool's mark moves in the transaction that
//! adds its readings, so each event counts once. The job keeps a little behind the clock: an event carries the instant at which
//! its statement began, and is seen when that is committed.

use super::Outcome;
use crate::app::AppError;
use crate::app::ingest::known;
use crate::db::Db;
use crate::ingest::aggregate::Known;
use headroom_domain::accumulate::{Accumulator, Counters, Reading, TenantReading};
use headroom_domain::lease::{EventKind, Reason};
use headroom_domain::pool::effective;
use headroom_domain::{HOUR_MS, Millis};
use headroom_store::current::{self, Current};
use headroom_store::feed::{self, Mark, Step};
use headroom_store::partition::{self, Cut};
use headroom_store::{history, owner};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So far behind the clock: longer than a statement of the allocator may take.
const BEHIND_MS: Millis = 3_000;
/// One round takes at most this much time, so that a long absence is made up for in bounded steps.
const ROUND_MS: Millis = 6 * HOUR_MS;

/// And so many events, but for those of one millisecond.
const ROUND_EVENTS: i64 = 200_000;
/// Clocks are read one after the other.
const MARGIN_MS: Millis = 500;

/// One run of the job.
pub async fn outcome(db: &Db) -> Result<Outcome, AppError> {
    let cuts = owner::end_cuts(&mut *db.jobs.acquire().await?).await?;
    let events = run(db).await?;
    Ok(Outcome { acted: events > 0 || cuts > 0, detail: json!({ "events": events, "cuts_ended": cuts }) })
}

/// Takes up all events there are. Returns how many.
pub async fn run(db: &Db) -> Result<usize, AppError> {
    let mut all = 0;
    loop {
        let (events, more) = round(db).await?;
        all += events;
        if !more {
            return Ok(all);
        }
    }
}

async fn round(db: &Db) -> Result<(usize, bool), AppError> {
    let mut tx = db.jobs.begin().await?;
    let marks = feed::marks(&mut tx).await?;
    // A statement that waits for its disk, or for another machine's, has no limit of time.
    let under_way = feed::longest_under_way(&mut tx).await? + MARGIN_MS;
    let horizon = headroom_store::now(&mut tx).await? - under_way.max(BEHIND_MS);
    let Some(from) = marks.iter().map(|mark| mark.upto).filter(|upto| *upto < horizon).min() else {
        tx.commit().await?;
        return Ok((0, false));
    };
    // Where nothing happens for long there is nothing to read step by step.
    let quiet_until = feed::next_event(&mut tx, from).await?.unwrap_or(horizon).min(horizon);
    let to = horizon.min((from + ROUND_MS).max(quiet_until));
    let to = feed::bound(&mut tx, from, to, ROUND_EVENTS).await?.unwrap_or(to);
    let steps = feed::steps(&mut tx, from, to).await?;
    let pools: Vec<i32> = marks.iter().map(|mark| mark.pool).collect();
    let known = known(&mut tx, Some(&pools), from).await?;
    let count = steps.len();
    let (acc, marks, newest) = tokio::task::spawn_blocking(move || fold(marks, &steps, &known, to))
        .await
        .map_err(|error| AppError::Internal(format!("feeding the history: {error}")))?;
    partition::ensure(&mut tx, Cut::Minutes, from, to).await?;
    partition::ensure(&mut tx, Cut::FiveMinutes, from, to).await?;
    history::merge(&mut tx, history::LIVE, acc).await?;
    let ends: BTreeMap<i32, Millis> = newest.iter().map(|now| (now.pool, to)).collect();
    current::set(&mut tx, &newest).await?;
    history::set_newest(&mut tx, &ends).await?;
    feed::set(&mut tx, &marks).await?;
    tx.commit().await?;
    Ok((count, to < horizon))
}

/// The readings between the marks and `to`, the marks there, and what holds there.
fn fold(
    marks: Vec<Mark>,
    steps: &[Step],
    known: &HashMap<i32, Known>,
    to: Millis,
) -> (headroom_domain::accumulate::Accumulated, Vec<Mark>, Vec<Current>) {
    let mut by_pool: BTreeMap<i32, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        by_pool.entry(step.pool).or_default().push(step);
    }
    let nothing = Known::default();
    let mut acc = Accumulator::default();
    let (mut moved, mut newest) = (Vec::new(), Vec::new());
    for mut mark in marks {
        if mark.upto >= to {
            continue;
        }
        let steps = by_pool.remove(&mark.pool).unwrap_or_default();
        let known = known.get(&mark.pool).unwrap_or(&nothing);
        let mut state = Stretch::new(mark.pool, mark.upto, std::mem::take(&mut mark.held));
        for step in steps.into_iter().filter(|step| step.at >= mark.upto) {
            state.upto(step.at, known, &mut acc);
            state.take(step);
        }
        state.upto(to, known, &mut acc);
        newest.extend(state.now(known));
        mark.upto = to;
        mark.held = state.held;
        mark.held.retain(|_, slots| *slots > 0);
        moved.push(mark);
    }
    (acc.take(), moved, newest)
}

/// What holds from an instant on, and what was counted at it.
struct Stretch {
    pool: i32,
    from: Millis,
    held: BTreeMap<i32, i64>,
    counters: BTreeMap<i32, Counters>,
    /// A claim of several slots has an event for each and counts once.
    counted: BTreeSet<uuid::Uuid>,
}

impl Stretch {
    fn new(pool: i32, from: Millis, held: BTreeMap<i32, i64>) -> Self {
        Self { pool, from, held, counters: BTreeMap::new(), counted: BTreeSet::new() }
    }

    fn take(&mut self, step: &Step) {
        let Some(tenant) = step.tenant else { return };
        let counters = self.counters.entry(tenant).or_default();
        match step.kind {
            EventKind::Claim | EventKind::Reassign => {
                *self.held.entry(tenant).or_default() += 1;
                let first = step.claim.is_none_or(|claim| self.counted.insert(claim));
                if first {
                    counters.claims += 1;
                    counters.waited += i64::from(step.wait_ms > 0);
                    counters.queue_ms += step.wait_ms;
                }
            }
            EventKind::Release | EventKind::Expire | EventKind::Preempt | EventKind::Reconcile | EventKind::Dead => {
                if step.slot.is_some() {
                    *self.held.entry(tenant).or_default() -= 1;
                }
            }
            EventKind::Reject => {
                // What is refused for other reasons than room is a refusal and no sign of a full pool.
                let reason = step.reason.as_deref().and_then(|word| word.parse::<Reason>().ok());
                counters.claims += 1;
                counters.rejections += i64::from(reason.is_some_and(Reason::is_saturation));
            }
            EventKind::Renew
            | EventKind::Enqueue
            | EventKind::Scale
            | EventKind::Hold
            | EventKind::Drain
            | EventKind::Suspect
            | EventKind::Stale => {}
        }
    }

    /// Closes the stretch at an instant: nothing changed until then but capacity and promises, which have their own steps.
    fn upto(&mut self, to: Millis, known: &Known, acc: &mut Accumulator) {
        if to <= self.from {
            return;
        }
        let mut edges: Vec<Millis> = vec![self.from, to];
        edges.extend(known.capacity.iter().map(|step| step.0).filter(|at| (self.from..to).contains(at)));
        for (start, end, _) in known.promises.within(self.from, to) {
            edges.extend([start, end]);
        }
        edges.sort_unstable();
        edges.dedup();
        for pair in edges.windows(2) {
            let reading = self.reading(pair[0], pair[1], known);
            acc.reading(self.pool, &reading);
            // What was counted belongs to the instant at which the stretch began.
            self.counters.clear();
        }
        self.counted.clear();
        self.from = to;
    }

    fn reading(&self, from: Millis, to: Millis, known: &Known) -> Reading {
        let promised = known.promises.at(from);
        let (configured, down) = known.capacity_at(from).unwrap_or((0, 0));
        let mut tenants: BTreeMap<i32, TenantReading> = BTreeMap::new();
        let mut of = |tenant: i32, change: &dyn Fn(&mut TenantReading)| {
            change(tenants.entry(tenant).or_insert(TenantReading { tenant, ..TenantReading::default() }));
        };
        for (tenant, slots) in self.held.iter().filter(|(_, slots)| **slots > 0) {
            of(*tenant, &|reading| reading.occupied = *slots);
        }
        for (tenant, slots) in promised {
            of(*tenant, &|reading| reading.reserved = *slots);
        }
        for (tenant, counters) in &self.counters {
            of(*tenant, &|reading| reading.counters = *counters);
        }
        Reading {
            at: from,
            duration_ms: to - from,
            capacity: effective(configured, down),
            tenants: tenants.into_values().collect(),
            ..Reading::default()
        }
    }

    /// What holds now, for pages that show the last known values.
    fn now(&self, known: &Known) -> Vec<Current> {
        let (configured, planned_down) = known.capacity_at(self.from).unwrap_or((0, 0));
        let small = |slots: i64| i32::try_from(slots).unwrap_or(i32::MAX);
        let promised = known.promises.at(self.from);
        let base = Current {
            pool: self.pool,
            tenant: 0,
            at_ms: self.from,
            duration_ms: BEHIND_MS as i32,
            capacity: small(configured),
            planned_down: small(planned_down),
            occupied: small(self.held.values().sum()),
            reserved: small(promised.iter().map(|(_, slots)| slots).sum()),
            rejections: 0,
            latency_ms: None,
        };
        let tenants: BTreeSet<i32> =
            self.held.keys().copied().chain(promised.iter().map(|(tenant, _)| *tenant)).collect();
        let of_tenant = |tenant: i32| Current {
            tenant,
            capacity: 0,
            planned_down: 0,
            occupied: small(self.held.get(&tenant).copied().unwrap_or_default()),
            reserved: small(promised.iter().find(|(t, _)| *t == tenant).map_or(0, |(_, slots)| *slots)),
            ..base.clone()
        };
        let mut all: Vec<Current> = tenants.into_iter().map(of_tenant).collect();
        all.push(base);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: Millis, kind: EventKind, tenant: i32, claim: u128) -> Step {
        Step {
            at,
            pool: 1,
            kind,
            tenant: Some(tenant),
            slot: Some(1),
            claim: Some(uuid::Uuid::from_u128(claim)),
            wait_ms: 0,
            reason: None,
            work_ms: None,
        }
    }

    #[test]
    fn stretches_between_events_are_exact_and_a_claim_counts_once() {
        let known = HashMap::from([(1, Known { capacity: vec![(0, 4, 0), (70_000, 5, 1)], ..Known::default() })]);
        let marks = vec![Mark { pool: 1, upto: 0, held: BTreeMap::from([(9, 1)]) }];
        let mut steps = vec![
            step(10_000, EventKind::Claim, 7, 1),
            step(10_000, EventKind::Claim, 7, 1),
            step(40_000, EventKind::Release, 9, 2),
            step(130_000, EventKind::Expire, 7, 1),
        ];
        steps.push(Step { reason: Some("full".into()), slot: None, ..step(10_500, EventKind::Reject, 9, 3) });
        steps.push(Step { reason: Some("quota".into()), slot: None, ..step(10_500, EventKind::Reject, 9, 4) });
        steps.sort_by_key(|step| step.at);
        let (acc, marks, now) = fold(marks, &steps, &known, 150_000);
        assert_eq!(marks, [Mark { pool: 1, upto: 150_000, held: BTreeMap::from([(7, 1)]) }]);
        assert_eq!(now.iter().map(|now| (now.tenant, now.occupied)).collect::<Vec<_>>(), [(7, 1), (9, 0), (0, 1)]);
        let mut total = headroom_domain::occupancy::Sums::default();
        for (_, block) in acc.hours.iter().filter(|((key, _), _)| key.tenant == 0 && key.pool == 1) {
            block.iter().for_each(|minute| total.add(minute));
        }
        assert_eq!(total.occupied_slot_ms, 40_000 + 2 * 120_000 + 20_000);
        assert_eq!((total.observed_ms, total.capacity_slot_ms), (150_000, 600_000));
        assert_eq!((total.claims, total.rejections), (3, 1));
    }

    #[test]
    fn a_day_of_nothing_is_a_day_of_zero_and_not_of_missing() {
        let marks = vec![Mark { pool: 1, upto: 0, held: BTreeMap::new() }];
        let known = HashMap::from([(1, Known { capacity: vec![(0, 4, 0)], ..Known::default() })]);
        let (acc, ..) = fold(marks, &[], &known, 24 * HOUR_MS);
        let observed: i64 = acc
            .hours
            .iter()
            .filter(|((key, _), _)| key.tenant == 0 && key.pool == 1)
            .flat_map(|(_, block)| block.iter())
            .map(|minute| minute.observed_ms)
            .sum();
        assert_eq!(observed, 24 * HOUR_MS);
    }
}
