//! Changes of capacity by a plan: what is promised later finds its slots again, and what was taken away is on trial for a while.

use super::super::{App, AppError, Problem, Result, pools};
use super::scale::{Planned, State, states};
use headroom_domain::access::Action;
use headroom_domain::scaling::Step;
use headroom_domain::series::{Step as Grain, floor};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::pool::{self, CapacityStep, Pool};
use headroom_store::scaling::{self, Decision, Outcome};
use headroom_store::trial::{self, End, Trial};
use sqlx::PgConnection;

/// How reasons of steps begin that bring slots back for what is promised later.
const RETURNS: &str = "grows back for what is promised";
/// Minutes come into the history a little after they passed.
const SETTLED_MS: Millis = 2 * MINUTE_MS;
/// After slots had to come back nothing is taken away by itself for so long.
pub(super) const BURNT_MS: Millis = 6 * HOUR_MS;
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
    /// When slots come back for what is promised later.
    pub returns_ms: Option<Millis>,
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
    /// Finds a step of the present plan by its instant and size.
    async fn find_step(&self, conn: &mut PgConnection, slug: &str, at: Millis, to: i32) -> Result<Found> {
        let pool = pools::find(conn, &self.caller, slug).await?;
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
        let (returns_ms, refused) = match done {
            Ok(returns_ms) => (returns_ms, None),
            Err(error @ (AppError::Invalid(_) | AppError::Planned(_) | AppError::Conflict(_))) => {
                (None, Some(error.to_string()))
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
            risks: risk(planned.capacity as f64).zip(risk(f64::from(step.to))),
            returns_ms,
            refused,
            hold_minutes: state.settings.hold_minutes,
            cooldown_minutes: state.settings.cooldown_minutes,
            running,
            step,
            pool: state.pool,
        })
    }

    /// Takes a step of the present plan: the capacity of a tracked pool is set, from the step's instant on. What shrinks with a guard is
    /// on trial.
    ///
    /// # Errors
    /// `Conflict` if the plan has no such step any more, or the pool's slots are given out elsewhere; what a change of capacity
    /// is refused for; `Invalid` for a guard out of its bounds.
    pub async fn take_step(&self, slug: &str, at: Millis, to: i32, guard: Option<Guard>) -> Result<i32> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let problems = guard.map(Guard::problems).unwrap_or_default();
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let mut tx = self.db.pages.begin().await?;
        let Found { state, step, now, .. } = self.find_step(&mut tx, slug, at, to).await?;
        self.take(&mut tx, &state, &step, now, guard).await?;
        tx.commit().await?;
        Ok(to)
    }

    async fn take(
        &self,
        tx: &mut PgConnection,
        state: &State,
        step: &Step,
        now: Millis,
        guard: Option<Guard>,
    ) -> Result<Option<Millis>> {
        let from_ms = floor(step.at_ms.max(now), MINUTE_MS);
        let planned_down = pool::step_at(&state.steps, from_ms).map_or(0, |step| step.planned_down);
        let change = CapacityStep {
            from_ms,
            configured: i32::try_from(step.to).unwrap_or(i32::MAX).saturating_add(planned_down),
            planned_down,
            reason: format!("step of the plan: {}", step.reason).chars().take(500).collect(),
            actor: String::new(),
        };
        let lead_ms = Millis::from(state.settings.lead_minutes) * MINUTE_MS;
        self.set_by_plan(tx, &state.pool, &change, lead_ms, guard).await
    }

    /// Sets a pool's capacity. Where less is left than is promised later, the capacity as it was planned before comes back in time for
    /// that: when it does is returned. What shrinks with a guard is on trial.
    pub(super) async fn set_by_plan(
        &self,
        tx: &mut PgConnection,
        pool: &Pool,
        step: &CapacityStep,
        lead_ms: Millis,
        guard: Option<Guard>,
    ) -> Result<Option<Millis>> {
        let slug = pool.fields.slug.as_str();
        let plan = headroom_store::plan::lock(tx, pool.key).await?;
        let mut steps = pool::capacity(tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let before = pool::step_at(&steps, step.from_ms).map_or(0, |step| step.configured);
        // What was to come back for promises is there already with this step.
        let is_met = |one: &CapacityStep| {
            one.from_ms > step.from_ms && one.reason.starts_with(RETURNS) && one.configured <= step.configured
        };
        for met in steps.iter().filter(|one| is_met(one)) {
            pool::withdraw_capacity(tx, pool.key, met.from_ms, RETURNS).await?;
        }
        steps.retain(|one| !is_met(one));
        let mut returns_ms = None;
        if step.configured < before {
            let short_ms = self.capacity_short_at(tx, pool, plan, &steps, step).await?;
            // Slots that take their time are asked for early; where there is no time for it, they are not taken away.
            let back_ms = short_ms.map(|at| floor(at - lead_ms, MINUTE_MS)).filter(|at| *at > step.from_ms);
            if let Some(from_ms) = back_ms {
                let planned = pool::step_at(&steps, from_ms);
                let back = CapacityStep {
                    from_ms,
                    configured: planned.map_or(before, |step| step.configured),
                    planned_down: planned.map_or(0, |step| step.planned_down),
                    reason: RETURNS.to_owned(),
                    actor: String::new(),
                };
                self.set_capacity_in(tx, slug, &back, false).await?;
                returns_ms = Some(from_ms);
            }
        }
        self.set_capacity_in(tx, slug, step, false).await?;
        match guard.filter(|_| step.configured < before) {
            Some(guard) => {
                let trial = Trial {
                    pool: pool.key,
                    from_ms: step.from_ms,
                    until_ms: step.from_ms + Millis::from(guard.minutes) * MINUTE_MS,
                    before,
                    after: step.configured,
                    most_rejected: guard.most_rejected,
                };
                trial::begin(tx, &trial).await?;
            }
            None => trial::overtake(tx, pool.key).await?,
        }
        Ok(returns_ms)
    }

    /// Ends trials: slots come back where claims were rejected. Returns how many did.
    pub(super) async fn judge_trials(&self, now: Millis) -> Result<usize> {
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
        let steps = pool::capacity(&mut tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let present = pool::step_at(&steps, now).filter(|step| step.configured == trial.after);
        let Some(present) = present.filter(|_| pool.archived_ms.is_none()) else {
            trial::end(&mut tx, trial, End::Overtaken, "").await?;
            tx.commit().await?;
            return Ok(false);
        };
        let (from, to) = (floor(trial.from_ms, MINUTE_MS), floor(trial.until_ms.min(now), MINUTE_MS) + MINUTE_MS);
        let series = history::total_series(&mut tx, Grain::Minute, &[pool.key], &[ALL_TENANTS], from, to).await?;
        let starts = (0..).map(|place| series.start_ms + place * MINUTE_MS);
        let within = starts.zip(&series.points).filter(|(start, _)| (from..to).contains(start));
        let (claims, rejected) = within.fold((0_i64, 0_i64), |(claims, rejected), (_, sums)| {
            (claims + sums.claims.max(sums.rejections), rejected + sums.rejections)
        });
        if rejected.saturating_mul(10_000) > claims.saturating_mul(trial.most_rejected.into()) {
            let note = format!(
                "{} of {} claims were rejected since it shrank, at most {} of 10,000 may be",
                format::count(rejected),
                format::count(claims),
                format::count(trial.most_rejected.into())
            );
            let is_undone = self.undo(&mut tx, &pool, trial, present, now, &note).await?;
            tx.commit().await?;
            return Ok(is_undone);
        }
        if now >= trial.until_ms + SETTLED_MS {
            trial::end(&mut tx, trial, End::Kept, "").await?;
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
