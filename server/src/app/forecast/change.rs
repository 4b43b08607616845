//! Changes of capacity by a plan: nothing is taken away that is promised later, and what was taken away is on trial for a while.
//!
//! Whoever changes a pool here holds the lock of its plan from before it reads what the change rests on.

use super::super::{App, AppError, Problem, Result, pools};
use super::scale::{Planned, State, states};
use headroom_domain::access::Action;
use headroom_domain::plan::conflict::Load;
use headroom_domain::scaling::Step;
use headroom_domain::series::{Step as Grain, floor};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::pool::{self, CapacityStep, Pool};
use headroom_store::promise;
use headroom_store::scaling::{self, Decision, Outcome};
use headroom_store::trial::{self, End, Trial};
use sqlx::PgConnection;

/// What was usual is that of so long before the change.
const BASELINE_MS: Millis = HOUR_MS;
/// Minutes come into the history a little after they passed.
const SETTLED_MS: Millis = 2 * MINUTE_MS;
/// After slots had to come back nothing is taken away by itself for so long.
pub(super) const BURNT_MS: Millis = 6 * HOUR_MS;
/// A trial of which nothing is reported waits so long for it.
const UNSEEN_MS: Millis = DAY_MS;
/// Trials are remembered for so long.
pub(super) const TRIALS_KEPT_MS: Millis = 400 * DAY_MS;

/// What takes a change back: more than so many of 10,000 claims rejected within some minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Rejected claims of 10,000 that it may have.
    pub most_rejected: i32,
    /// How long it is watched.
    pub minutes: i32,
}

impl Guard {
    /// One of 10,000 within half an hour.
    pub const USUAL: Self = Self { most_rejected: 1, minutes: 30 };

    fn problems(self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut within = |field: &str, value: i32, most: i32, what: &str| {
            if !(1..=most).contains(&value) {
                problems.push(Problem::new(
                    field,
                    value.to_string(),
                    format!("1 to {} {what}", format::count(most.into())),
                ));
            }
        };
        within("rejected", self.most_rejected, 10_000, "claims of 10,000");
        within("minutes", self.minutes, 1_440, "minutes");
        problems
    }
}

/// A step of the plan before it is taken.
#[derive(Debug, Clone)]
pub struct StepPreview {
    /// The pool.
    pub pool: Pool,
    /// The database's clock.
    pub now_ms: Millis,
    /// The step.
    pub step: Step,
    /// Until when it lasts by the plan.
    pub until_ms: Millis,
    /// The greatest probability of an hour until then that more is wanted, with the capacity as it is and after the step; none
    /// if nothing is foreseen.
    pub risks: Option<(f64, f64)>,
    /// The slots that there are after it: more than the step has where more is promised later.
    pub after: i64,
    /// It holds from now on, so that it can be on trial.
    pub is_now: bool,
    /// Why it would be refused.
    pub refused: Option<String>,
    /// After growing nothing shrinks for so long.
    pub hold_minutes: u32,
    /// Between a change and the next that shrinks.
    pub cooldown_minutes: u32,
    /// What takes a change back that is on trial now, which this step would overtake.
    pub running: Option<Trial>,
}

/// A step that can be taken, with what it comes from.
struct Found {
    state: State,
    planned: Planned,
    step: Step,
    now: Millis,
}

impl App {
    /// Finds a step of the present plan by its instant and size. The plan is locked from here on.
    async fn find_step(&self, conn: &mut PgConnection, slug: &str, at: Millis, to: i32) -> Result<Found> {
        let pool = pools::find(conn, &self.caller, slug).await?;
        headroom_store::plan::lock(conn, pool.key).await?;
        let now = headroom_store::now(conn).await?;
        let state = states(conn, &[pool.key], now).await?.pop();
        let state =
            state.ok_or_else(|| AppError::Conflict("there is no forecast of this pool, so there is no plan".into()))?;
        if !state.is_tracked {
            let text = "the capacity of this pool comes from outside: Headroom does not set it";
            return Err(AppError::Conflict(text.into()));
        }
        if state.live.is_none() {
            let text = "nothing was reported of this pool within 15 minutes, so its plan is not known to be right";
            return Err(AppError::Conflict(text.into()));
        }
        let planned = state.plan(now, &state.settings, 0);
        // What was due when the page was shown is due now.
        let same = |step: &&Step| {
            i64::from(step.to) == i64::from(to) && (step.at_ms == at || (at <= now && step.at_ms <= now + MINUTE_MS))
        };
        let Some(step) = planned.plan.steps.iter().find(same).cloned() else {
            let text = "the plan has changed since the page was shown: look at its steps again";
            return Err(AppError::Conflict(text.into()));
        };
        Ok(Found { state, planned, step, now })
    }

    /// What a step of the present plan would do. Nothing is changed.
    ///
    /// # Errors
    /// As for [`Self::take_step`], but for what a change of capacity is refused for: that is told.
    pub async fn preview_step(&self, slug: &str, at: Millis, to: i32) -> Result<StepPreview> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let Found { state, planned, step, now } = self.find_step(&mut tx, slug, at, to).await?;
        let running = trial::of_pool(&mut tx, state.pool.key).await?;
        // It is done and given up, so that what is shown is what happens.
        let done = self.take(&mut tx, &state, &step, now, Some(Guard::USUAL)).await;
        tx.rollback().await?;
        let (after, refused) = match done {
            Ok(after) => (after, None),
            Err(error @ (AppError::Invalid(_) | AppError::Planned(_) | AppError::Conflict(_))) => {
                (i64::from(step.to), Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        let steps = &planned.plan.steps;
        let end = planned.plan.from_ms + planned.plan.capacity.len() as Millis * HOUR_MS;
        let next = steps.iter().find(|other| other.effective_ms > step.effective_ms);
        let until_ms = next.map_or(end, |next| next.effective_ms);
        let outlook = &state.found.said.outlook;
        let risk = |slots: f64| {
            let hour = |at: Millis| usize::try_from(at.div_euclid(HOUR_MS) - outlook.from_hour).unwrap_or(0);
            let hours = hour(step.effective_ms)..hour(until_ms).min(outlook.median.len());
            hours.map(|hour| outlook.exceedance(hour, slots)).reduce(f64::max)
        };
        Ok(StepPreview {
            now_ms: now,
            until_ms,
            risks: risk(planned.capacity as f64).zip(risk(after as f64)),
            after,
            is_now: is_now(&step, now),
            refused,
            hold_minutes: state.settings.hold_minutes,
            cooldown_minutes: state.settings.cooldown_minutes,
            running,
            step,
            pool: state.pool,
        })
    }

    /// Takes a step of the present plan: the capacity of a tracked pool is set, from the step's instant on. What shrinks now and with a
    /// guard is on trial. Returns the slots that there are then.
    ///
    /// # Errors
    /// `Conflict` if the plan has no such step any more, or the pool's slots are given out elsewhere; what a change of capacity
    /// is refused for; `Invalid` for a guard out of its bounds.
    pub async fn take_step(&self, slug: &str, at: Millis, to: i32, guard: Option<Guard>) -> Result<i64> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let problems = guard.map(Guard::problems).unwrap_or_default();
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let mut tx = self.db.pages.begin().await?;
        let Found { state, step, now, .. } = self.find_step(&mut tx, slug, at, to).await?;
        let after = self.take(&mut tx, &state, &step, now, guard).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn take(
        &self,
        tx: &mut PgConnection,
        state: &State,
        step: &Step,
        now: Millis,
        guard: Option<Guard>,
    ) -> Result<i64> {
        let from_ms = floor(step.at_ms.max(now), MINUTE_MS);
        // A change that is only planned is no trial yet: nobody can say what happens until then.
        let guard = guard.filter(|_| is_now(step, now));
        let reason = format!("step of the plan: {}", step.reason);
        self.set_by_plan(tx, &state.pool, (from_ms, i64::from(step.to)), &reason, guard).await
    }

    /// Sets the effective capacity of a pool from an instant on, and returns what it is then: more than is asked for where more is
    /// promised until the capacity is to change again. What shrinks with a guard is on trial. The plan is locked.
    ///
    /// # Errors
    /// `Conflict` if nothing would change.
    pub(super) async fn set_by_plan(
        &self,
        tx: &mut PgConnection,
        pool: &Pool,
        (from_ms, slots): (Millis, i64),
        reason: &str,
        guard: Option<Guard>,
    ) -> Result<i64> {
        let steps = pool::capacity(tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let (before, planned_down) =
            pool::step_at(&steps, from_ms).map_or((0, 0), |step| (step.configured, step.planned_down));
        let until_ms = steps.iter().map(|step| step.from_ms).filter(|at| *at > from_ms).min();
        let present = i64::from(before) - i64::from(planned_down);
        let slots = if slots < present {
            let loads = promise::loads(tx, pool.key, &[(from_ms, until_ms.unwrap_or(Millis::MAX))]).await?;
            slots.max(most_at_once(&loads, from_ms, until_ms)).min(present)
        } else {
            slots
        };
        if slots == present {
            let text = format!("the capacity is {} already, or so much is promised later", format::count(present));
            return Err(AppError::Conflict(text));
        }
        let configured = i32::try_from(slots + i64::from(planned_down)).unwrap_or(i32::MAX);
        let step = CapacityStep {
            from_ms,
            configured,
            planned_down,
            reason: reason.chars().take(500).collect(),
            actor: String::new(),
        };
        self.set_capacity_in(tx, pool.fields.slug.as_str(), &step, false).await?;
        let running = trial::of_pool(tx, pool.key).await?;
        match guard.filter(|_| configured < before) {
            Some(guard) => {
                // What shrinks again before its trial is over goes back all the way.
                let before = running.filter(|trial| trial.after == before).map_or(before, |trial| trial.before);
                let trial = Trial {
                    pool: pool.key,
                    from_ms,
                    until_ms: from_ms + Millis::from(guard.minutes) * MINUTE_MS,
                    before,
                    after: configured,
                    most_rejected: guard.most_rejected,
                };
                trial::begin(tx, &trial).await?;
            }
            // A change that is yet to come leaves the present one on trial.
            None if from_ms <= headroom_store::now(tx).await? => trial::overtake(tx, pool.key).await?,
            None => {}
        }
        Ok(slots)
    }

    /// Ends trials: slots come back where claims were rejected. Returns how many did.
    pub(crate) async fn judge_trials(&self) -> Result<usize> {
        let now = headroom_store::now(&mut *self.db.jobs.acquire().await?).await?;
        let running = trial::running(&mut *self.db.jobs.acquire().await?).await?;
        let mut undone = 0;
        for trial in running.into_iter().filter(|trial| trial.from_ms <= now) {
            // One pool whose slots cannot come back keeps no other one from it.
            match self.judge_trial(&trial, now).await {
                Ok(is_undone) => undone += usize::from(is_undone),
                Err(error) => tracing::warn!(pool = trial.pool, %error, "a change of capacity on trial was not judged"),
            }
        }
        Ok(undone)
    }

    async fn judge_trial(&self, trial: &Trial, now: Millis) -> Result<bool> {
        let mut tx = self.db.jobs.begin().await?;
        let Some(pool) = pool::by_keys(&mut tx, &[trial.pool]).await?.pop() else { return Ok(false) };
        headroom_store::plan::lock(&mut tx, pool.key).await?;
        let steps = pool::capacity(&mut tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let present = pool::step_at(&steps, now).filter(|step| step.configured == trial.after);
        let Some(present) = present.filter(|_| pool.archived_ms.is_none()) else {
            trial::end(&mut tx, trial, End::Overtaken, "").await?;
            tx.commit().await?;
            return Ok(false);
        };
        // The minute of the change had slots of before in it.
        let from = floor(trial.from_ms, MINUTE_MS) + MINUTE_MS;
        let to = floor(trial.until_ms.min(now), MINUTE_MS) + MINUTE_MS;
        let found = claims(&mut tx, pool.key, from, to).await?;
        let before = claims(&mut tx, pool.key, from - MINUTE_MS - BASELINE_MS, from - MINUTE_MS).await?;
        if found.is_worse(&before, trial.most_rejected) {
            let note = format!(
                "{} of {} claims were rejected since it shrank, at most {} of 10,000 may be",
                format::count(found.rejected),
                format::count(found.made),
                format::count(trial.most_rejected.into())
            );
            let is_undone = self.undo(&mut tx, &pool, trial, present, now, &note).await?;
            tx.commit().await?;
            return Ok(is_undone);
        }
        // Where nothing is heard of the pool, nothing is known of its claims.
        let is_seen = found.observed_ms.saturating_mul(2) >= (to - from).max(0);
        if now >= trial.until_ms + SETTLED_MS && (is_seen || now >= trial.until_ms + UNSEEN_MS) {
            let note = if is_seen { "" } else { "nothing was reported of the pool meanwhile" };
            trial::end(&mut tx, trial, End::Kept, note).await?;
            tx.commit().await?;
        }
        Ok(false)
    }

    /// Gives slots back; false if the trial ended meanwhile.
    async fn undo(
        &self,
        tx: &mut PgConnection,
        pool: &Pool,
        trial: &Trial,
        present: &CapacityStep,
        now: Millis,
        note: &str,
    ) -> Result<bool> {
        if !trial::end(tx, trial, End::Undone, note).await? {
            return Ok(false);
        }
        let at_ms = floor(now, MINUTE_MS);
        let back = CapacityStep {
            from_ms: at_ms,
            configured: trial.before,
            planned_down: present.planned_down.min(trial.before),
            reason: format!("taken back: {note}"),
            actor: String::new(),
        };
        self.set_capacity_in(tx, pool.fields.slug.as_str(), &back, false).await?;
        let decision = Decision {
            pool: pool.key,
            at_ms,
            mode: "apply".to_owned(),
            before: trial.after - present.planned_down,
            wanted: trial.before - back.planned_down,
            decider: "rejections".to_owned(),
            reason: back.reason,
            inputs: serde_json::json!({ "changed_ms": trial.from_ms, "most_rejected": trial.most_rejected }),
            outcome: Outcome::Applied,
            note: String::new(),
        };
        if scaling::decide(tx, &decision).await? {
            super::tell::told(tx, pool, &decision, Outcome::Applied).await?;
        }
        Ok(true)
    }
}

/// Whether a step is to be taken at once.
fn is_now(step: &Step, now: Millis) -> bool {
    step.at_ms <= now
}

/// The most that is promised at once from an instant on, until another.
fn most_at_once(loads: &[Load], from_ms: Millis, until_ms: Option<Millis>) -> i64 {
    let until_ms = until_ms.unwrap_or(Millis::MAX);
    let within = |load: &&Load| load.from_ms < until_ms && load.to_ms > from_ms;
    // What is promised grows only where a promise starts.
    let starts = loads.iter().filter(within).map(|load| load.from_ms.max(from_ms));
    let mut edges: Vec<Millis> = starts.collect();
    edges.sort_unstable();
    edges.dedup();
    let at_once = |at: &Millis| -> i64 {
        loads.iter().filter(|load| load.from_ms <= *at && load.to_ms > *at).map(|load| load.slots).sum()
    };
    edges.iter().map(at_once).max().unwrap_or(0)
}

/// Claims of a stretch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Claims {
    made: i64,
    rejected: i64,
    observed_ms: i64,
}

impl Claims {
    /// More were rejected than may be, of 10,000, beyond what was usual before.
    fn is_worse(&self, before: &Self, most_rejected: i32) -> bool {
        // The parts are put in proportion to both numbers of claims; where none was made before, none was rejected.
        let product = |one: i64, other: i64| i128::from(one).saturating_mul(i128::from(other));
        let scale = before.made.max(1);
        let beyond = product(self.rejected, scale).saturating_sub(product(before.rejected, self.made));
        let most = product(self.made.max(self.rejected), scale).saturating_mul(most_rejected.into());
        beyond.saturating_mul(10_000) > most
    }
}

async fn claims(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Claims> {
    if from >= to {
        return Ok(Claims::default());
    }
    let series = history::total_series(conn, Grain::Minute, &[pool], &[ALL_TENANTS], from, to).await?;
    let starts = (0..).map(|place| series.start_ms + place * MINUTE_MS);
    let within = starts.zip(&series.points).filter(|(start, _)| (from..to).contains(start));
    Ok(within.fold(Claims::default(), |sum, (_, sums)| Claims {
        made: sum.made + sums.claims.max(sums.rejections),
        rejected: sum.rejected + sums.rejections,
        observed_ms: sum.observed_ms + sums.observed_ms,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(from_ms: Millis, to_ms: Millis, slots: i64) -> Load {
        Load { reservation: uuid::Uuid::nil(), tenant: 1, from_ms, to_ms, slots }
    }

    #[test]
    fn what_is_promised_later_counts_until_the_capacity_changes() {
        let loads = [load(0, 100, 30), load(50, Millis::MAX, 20), load(200, 300, 90)];
        assert_eq!(most_at_once(&loads, 0, Some(50)), 30);
        assert_eq!(most_at_once(&loads, 0, Some(51)), 50);
        assert_eq!(most_at_once(&loads, 100, Some(200)), 20);
        assert_eq!(most_at_once(&loads, 100, None), 110);
        assert_eq!(most_at_once(&[], 0, None), 0);
    }

    #[test]
    fn rejections_count_beyond_what_was_usual() {
        let claims = |made, rejected| Claims { made, rejected, observed_ms: 0 };
        let none = claims(0, 0);
        assert!(claims(9_000, 1).is_worse(&none, 1) && !claims(10_000, 1).is_worse(&none, 1), "more than 1 of 10,000");
        assert!(!claims(0, 0).is_worse(&none, 1));
        assert!(!claims(1_000, 50).is_worse(&claims(1_000, 50), 1), "as ever");
        assert!(claims(1_000, 51).is_worse(&claims(1_000, 50), 1), "10 of 10,000 more than ever");
        assert!(!claims(1_000, 51).is_worse(&claims(1_000, 50), 10));
        assert!(!claims(i64::MAX / 20_000, 0).is_worse(&claims(i64::MAX / 20_000, 5), 1));
    }
}
