//! What the owner of a pool tells about it: counts now, rates and latencies of the last minute.

use headroom_domain::alert::slo::SLOW_CLAIM_MS;
use headroom_domain::lease::{Mode, Reason};
use headroom_domain::sketch::Sketch;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::live::MinuteCounts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Rates and latencies are of this time, in steps of a sixth of it.
const WINDOW_MS: Millis = 60_000;
const STEPS: usize = 6;
/// Minutes of claims that wait to be written while the database is away.
const MINUTES_KEPT: usize = 60;

/// A distribution, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

impl Latency {
    fn of(sketch: &Sketch) -> Self {
        let at = |q| sketch.quantile(q).unwrap_or_default();
        Self { count: sketch.count(), p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99) }
    }
}

/// How the reconciler of a pool does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconcilerFigures {
    /// When it last looked, by the database's clock.
    pub last_pass_ms: Millis,
    /// How long the oldest lease that is over has been so.
    pub lag_ms: Millis,
    /// From the end of a lease to its slot being free, in the last minute.
    pub reclaim: Latency,
    /// Leases that ran out in the last minute.
    pub expired_1m: u64,
    /// Leases of dead holders that were ended in the last minute.
    pub dead_1m: u64,
    /// Leases that are over and not yet ended.
    pub leaked: u64,
    /// Holders that are suspected.
    pub suspected: u64,
    /// So many holders are silent together that silence is not believed.
    pub silent_together: bool,
}

/// A pool now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolFigures {
    /// When this was true, by the database's clock.
    pub at_ms: Millis,
    /// `open`, `held` or `draining`.
    pub mode: Option<Mode>,
    /// Slots in service.
    pub capacity: u32,
    /// Slots held.
    pub occupied: u64,
    /// Of these, asked to end.
    pub draining: u64,
    /// Slots out of service.
    pub offline: u64,
    /// Slots that can be claimed.
    pub free: u64,
    /// Claims that wait.
    pub queued: u64,
    /// Claims that wait, by priority.
    pub queued_by_priority: BTreeMap<u8, usize>,
    /// Slots held, by tenant's key.
    pub by_tenant: BTreeMap<i32, u32>,
    /// Slots held, by priority.
    #[serde(default)]
    pub held_by_priority: BTreeMap<u8, u64>,
    /// Slots that moved to another holder or node in the last ten minutes.
    #[serde(default)]
    pub moved_10m: u64,
    /// Claims granted in the last minute.
    pub granted_1m: u64,
    /// Claims refused in the last minute.
    pub rejected_1m: u64,
    /// Of these, because the pool had no room.
    pub saturated_1m: u64,
    /// Claims refused in the last minute, by tenant's key.
    pub rejected_by_tenant: BTreeMap<i32, u64>,
    /// Claims refused in the last minute, by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Time to answer a claim that did not wait, in the last minute.
    pub claim: Latency,
    /// Time that claims waited, by priority, in the last minute.
    pub wait: BTreeMap<u8, Latency>,
    /// Where the breaker is: `closed`, `open`, `half-open`; nothing without one.
    pub breaker: Option<String>,
    /// The reconciler.
    pub reconciler: ReconcilerFigures,
    /// Time of a commit, in the last minute.
    pub commit: Latency,
    /// Calls that wait for the committer.
    pub committer_queue: usize,
}

impl PoolFigures {
    /// Whether something may be wrong, seen from the figures alone: whoever looks at many pools looks at this one now. What
    /// shows itself in other ways is found in its turn.
    pub fn deserve_a_look(&self) -> bool {
        let reconciler = &self.reconciler;
        let is_reclaiming = reconciler.leaked + reconciler.expired_1m + reconciler.dead_1m > 0;
        let is_kept_out = self.queued > 0 || self.rejected_1m > 0 || self.breaker.as_deref() == Some("open");
        let is_closed = self.mode.is_some_and(|mode| mode != Mode::Open);
        is_reclaiming || is_kept_out || is_closed || reconciler.silent_together || self.occupied > self.capacity.into()
    }
}

/// What is counted over a window that moves in steps.
#[derive(Debug, Default)]
struct Step {
    start: Millis,
    granted: u64,
    rejected: u64,
    saturated: u64,
    by_tenant: BTreeMap<i32, u64>,
    by_reason: BTreeMap<&'static str, u64>,
    claim: Sketch,
    wait: BTreeMap<u8, Sketch>,
    reclaim: Sketch,
    expired: u64,
    dead: u64,
}

/// Moves are counted over this time, minute by minute.
const MOVES_MS: Millis = 10 * MINUTE_MS;

/// Counts of the last minute of one pool, and its moves of the last ten.
#[derive(Debug, Default)]
pub(super) struct Recent {
    steps: VecDeque<Step>,
    moves: VecDeque<(Millis, u64)>,
    /// What was measured and counted, by minute, until it is written.
    minutes: BTreeMap<Millis, Minute>,
}

/// What was measured and counted in a minute.
#[derive(Debug, Default)]
pub(super) struct Minute {
    /// Time to answer claims that did not wait.
    pub(super) sketch: Sketch,
    /// What indicators need.
    pub(super) counts: MinuteCounts,
}

impl Recent {
    fn step(&mut self, now: Millis) -> &mut Step {
        let width = WINDOW_MS / STEPS as Millis;
        let start = now.div_euclid(width) * width;
        if self.steps.back().is_none_or(|step| step.start < start) {
            self.steps.push_back(Step { start, ..Step::default() });
        }
        while self.steps.len() > STEPS {
            self.steps.pop_front();
        }
        self.steps.back_mut().expect("one was just put there")
    }

    fn minute(&mut self, now: Millis) -> &mut Minute {
        self.minutes.entry(now - now.rem_euclid(MINUTE_MS)).or_default()
    }

    /// A claim was granted after it waited for so long, where `goal_ms` is good.
    pub(super) fn granted(&mut self, now: Millis, priority: u8, waited_ms: Millis, answered_ms: f64, goal_ms: Millis) {
        let step = self.step(now);
        step.granted += 1;
        if waited_ms == 0 {
            step.claim.record(answered_ms, 1);
        }
        let minute = self.minute(now);
        if waited_ms == 0 {
            minute.sketch.record(answered_ms, 1);
            minute.counts.answers += 1;
            minute.counts.slow += u64::from(answered_ms >= SLOW_CLAIM_MS);
        }
        minute.counts.served += 1;
        minute.counts.waited_long += u64::from(waited_ms > goal_ms);
        let step = self.step(now);
        step.wait.entry(priority).or_default().record(waited_ms as f64, 1);
    }

    pub(super) fn rejected(&mut self, now: Millis, tenant: Option<i32>, reason: &'static str, is_saturation: bool) {
        let step = self.step(now);
        step.rejected += 1;
        step.saturated += u64::from(is_saturation);
        if let Some(tenant) = tenant {
            *step.by_tenant.entry(tenant).or_default() += 1;
        }
        *step.by_reason.entry(reason).or_default() += 1;
        let counts = &mut self.minute(now).counts;
        match reason.parse::<Reason>() {
            Ok(Reason::WaitedTooLong) => {
                counts.served += 1;
                counts.waited_long += 1;
            }
            Ok(reason) if reason.is_failure() => counts.failed += 1,
            _ => {}
        }
    }

    /// Takes the minutes that are over.
    pub(super) fn take_minutes(&mut self, now: Millis) -> BTreeMap<Millis, Minute> {
        let present = self.minutes.split_off(&(now - now.rem_euclid(MINUTE_MS)));
        std::mem::replace(&mut self.minutes, present)
    }

    /// Takes a minute back that could not be written.
    pub(super) fn give_back_minute(&mut self, start: Millis, sketch: &Sketch, counts: &MinuteCounts) {
        if self.minutes.len() < MINUTES_KEPT {
            let minute = self.minutes.entry(start).or_default();
            minute.sketch.merge(sketch);
            minute.counts.add(counts);
        }
    }

    /// A slot was taken back so long after its lease was over; later than the goal, or just then, is late.
    pub(super) fn reclaimed(&mut self, now: Millis, after_ms: Millis, goal_ms: Millis, dead: bool) {
        let step = self.step(now);
        step.reclaim.record(after_ms.max(0) as f64, 1);
        if dead {
            step.dead += 1;
        } else {
            step.expired += 1;
        }
        let counts = &mut self.minute(now).counts;
        counts.reclaimed += 1;
        counts.leaked += 1;
        counts.late += u64::from(after_ms >= goal_ms);
    }

    pub(super) fn moved(&mut self, now: Millis) {
        let start = now.div_euclid(MINUTE_MS) * MINUTE_MS;
        match self.moves.back_mut() {
            Some((minute, count)) if *minute == start => *count += 1,
            _ => self.moves.push_back((start, 1)),
        }
        while self.moves.front().is_some_and(|(minute, _)| *minute <= now - MOVES_MS) {
            self.moves.pop_front();
        }
    }

    /// Fills in what is counted here.
    pub(super) fn fill(&self, figures: &mut PoolFigures, now: Millis) {
        let (mut claim, mut reclaim) = (Sketch::default(), Sketch::default());
        let mut wait: BTreeMap<u8, Sketch> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.start > now - WINDOW_MS) {
            figures.granted_1m += step.granted;
            figures.rejected_1m += step.rejected;
            figures.saturated_1m += step.saturated;
            for (tenant, count) in &step.by_tenant {
                *figures.rejected_by_tenant.entry(*tenant).or_default() += count;
            }
            for (reason, count) in &step.by_reason {
                *figures.rejected_by_reason.entry((*reason).to_owned()).or_default() += count;
            }
            figures.reconciler.expired_1m += step.expired;
            figures.reconciler.dead_1m += step.dead;
            claim.merge(&step.claim);
            reclaim.merge(&step.reclaim);
            for (priority, sketch) in &step.wait {
                wait.entry(*priority).or_default().merge(sketch);
            }
        }
        let recent = self.moves.iter().filter(|(minute, _)| *minute > now - MOVES_MS);
        figures.moved_10m = recent.map(|(_, count)| count).sum();
        figures.claim = Latency::of(&claim);
        figures.reconciler.reclaim = Latency::of(&reclaim);
        figures.wait = wait.iter().map(|(priority, sketch)| (*priority, Latency::of(sketch))).collect();
    }
}

/// Times of the last commits of a committer.
#[derive(Debug, Default)]
pub(super) struct Commits {
    steps: VecDeque<(Millis, Sketch)>,
}

impl Commits {
    pub(super) fn add(&mut self, now: Millis, took_ms: f64) {
        let width = WINDOW_MS / STEPS as Millis;
        let start = now.div_euclid(width) * width;
        if self.steps.back().is_none_or(|step| step.0 < start) {
            self.steps.push_back((start, Sketch::default()));
        }
        while self.steps.len() > STEPS {
            self.steps.pop_front();
        }
        if let Some((_, sketch)) = self.steps.back_mut() {
            sketch.record(took_ms, 1);
        }
    }

    pub(super) fn latency(&self) -> Latency {
        let mut all = Sketch::default();
        self.steps.iter().for_each(|(_, sketch)| all.merge(sketch));
        Latency::of(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_holders_leak_too_and_late_is_what_the_pool_says() {
        let mut recent = Recent::default();
        for (after_ms, goal_ms, dead) in
            [(29_999, 30_000, false), (30_000, 30_000, false), (30_000, 60_000, false), (0, 30_000, true)]
        {
            recent.reclaimed(1_000, after_ms, goal_ms, dead);
        }
        let counts = recent.take_minutes(MINUTE_MS)[&0].counts;
        assert_eq!((counts.leaked, counts.reclaimed, counts.late), (4, 4, 1));
    }

    #[test]
    fn a_calm_pool_waits_for_its_turn_and_others_do_not() {
        let calm =
            PoolFigures { mode: Some(Mode::Open), capacity: 9, occupied: 9, granted_1m: 50, ..PoolFigures::default() };
        assert!(!calm.deserve_a_look() && !PoolFigures::default().deserve_a_look());
        let with = |change: fn(&mut PoolFigures)| {
            let mut figures = calm.clone();
            change(&mut figures);
            figures.deserve_a_look()
        };
        assert!(with(|f| f.queued = 1) && with(|f| f.rejected_1m = 1) && with(|f| f.occupied = 10));
        assert!(with(|f| f.mode = Some(Mode::Held)) && with(|f| f.breaker = Some("open".into())));
        assert!(with(|f| f.reconciler.dead_1m = 1) && with(|f| f.reconciler.leaked = 1));
        assert!(with(|f| f.reconciler.silent_together = true) && !with(|f| f.breaker = Some("closed".into())));
    }
}
