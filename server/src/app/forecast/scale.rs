//! From a forecast to steps of capacity: how a pool is scaled, what is to be done now, and doing it.

use super::super::{App, AppError, Problem, Result, pools};
use super::change::{BURNT_MS, Guard, TRIALS_KEPT_MS};
use super::refresh::{capacity_at, from_hour, full_at, promised};
use super::{Arranged, HORIZON_HOURS, LIVE_FRESH_MS, Said, arranged, demand, tell};
use crate::background;
use headroom_domain::access::Action;
use headroom_domain::scaling::{
    Choice, Expectation, Live, Mode, Need, Now, Plan, Policy, Rules, Step, expect, needs, plan,
};
use headroom_domain::series::floor;
use headroom_domain::{DAY_MS, HOUR_MS, MAX_SLOTS, MINUTE_MS, Millis, format};
use headroom_store::audit::{self, Entry};
use headroom_store::forecast::{self, Found};
use headroom_store::pool::{self, CapacityStep, Pool};
use headroom_store::promise::Stored;
use headroom_store::scaling::{self, Decision, Outcome, Policy as Kept};
use headroom_store::{current, owner, trial};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The same decision is not written again within this time.
const REPEATED_MS: Millis = HOUR_MS;
/// A decision that could not be applied for so long is given up: the world has moved on.
const PENDING_MS: Millis = 30 * MINUTE_MS;
/// Promises that begin later than this are nobody's: what shrinks keeps all that are before, as a change of capacity does.
const FAR_MS: Millis = 36_500 * DAY_MS;
/// Longest time for which recommendations are ignored.
const LONGEST_IGNORE_MS: Millis = 90 * DAY_MS;

/// What the plan of a pool rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The policy that was chosen for the day by what it would have cost.
    #[default]
    Guard,
    /// The forecast at the pool's level, whether it pays or not.
    Forecast,
}

impl Basis {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Forecast => "forecast",
        }
    }
}

/// Bounds and patience of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Never less.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// What plans rest on.
    pub basis: Basis,
    /// Level of the forecast, in thousandths.
    pub level_permille: u32,
    /// From asking for slots until they are there.
    pub lead_minutes: u32,
    /// After growing nothing shrinks for so long.
    pub hold_minutes: u32,
    /// Shrinking by less than this part is not worth a change; what follows the demand of the minute grows by nearly as much.
    pub band_percent: u32,
    /// Changes by fewer slots are not worth it; growing to what is needed always is, by nearly as many.
    pub least_change: u32,
    /// Between a change and the next that shrinks.
    pub cooldown_minutes: u32,
}

impl Settings {
    /// What holds for a pool whose policy nobody set.
    pub fn usual(pool: &Pool) -> Self {
        let bound = |slots: Option<i32>| slots.and_then(|slots| u32::try_from(slots).ok());
        Self {
            min: bound(pool.fields.min_slots).unwrap_or(0),
            max: bound(pool.fields.max_slots).unwrap_or(MAX_SLOTS as u32),
            basis: Basis::Guard,
            level_permille: 950,
            lead_minutes: 10,
            hold_minutes: 60,
            band_percent: 5,
            least_change: 0,
            cooldown_minutes: 10,
        }
    }

    /// What is wrong with it, by field.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut within = |field: &str, value: u32, least: u32, most: u32, unit: &str| {
            if !(least..=most).contains(&value) {
                problems.push(Problem::new(field, value.to_string(), format!("{least} to {most} {unit}")));
            }
        };
        within("min", self.min, 0, MAX_SLOTS as u32, "slots");
        within("max", self.max, self.min.min(MAX_SLOTS as u32), MAX_SLOTS as u32, "slots, not below the least");
        within("level_permille", self.level_permille, 500, 990, "thousandths");
        within("lead_minutes", self.lead_minutes, 0, 1_440, "minutes");
        within("hold_minutes", self.hold_minutes, 0, 2_880, "minutes");
        within("band_percent", self.band_percent, 0, 50, "per cent");
        within("least_change", self.least_change, 0, MAX_SLOTS as u32, "slots");
        within("cooldown_minutes", self.cooldown_minutes, 0, 1_440, "minutes");
        problems
    }

    pub(super) fn least(&self) -> i64 {
        i64::from(self.min.min(self.max))
    }

    pub(super) fn most(&self) -> i64 {
        i64::from(self.max)
    }

    /// The policy that plans rest on, where the day's choice is this.
    pub(super) fn policy(&self, chosen: Option<Policy>) -> Policy {
        match self.basis {
            Basis::Forecast => Policy::Foresee { permille: self.level_permille },
            Basis::Guard => chosen.unwrap_or_default(),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            min: self.min,
            max: self.max,
            lead_minutes: self.lead_minutes,
            hold_minutes: self.hold_minutes,
            band_percent: self.band_percent,
            cooldown_minutes: self.cooldown_minutes,
            // A change has to save what its least slots cost in an hour.
            step_price: f64::from(self.least_change),
        }
    }
}

/// A pool's policy as somebody wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// What happens with plans.
    pub mode: Mode,
    /// Bounds and patience.
    pub settings: Settings,
}

/// The state of a pool from which plans are made.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The instant that it was read for.
    pub now_ms: Millis,
    pub pool: Pool,
    pub found: Found<Said>,
    pub choice: Option<(i64, Choice)>,
    pub policy: Kept<Settings>,
    pub settings: Settings,
    pub steps: Vec<CapacityStep>,
    pub promises: Vec<Stored>,
    pub live: Option<f64>,
    pub is_tracked: bool,
    /// Slots that were taken away had to come back a short while ago.
    pub is_burnt: bool,
}

/// A plan with all that it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What to do.
    pub plan: Plan,
    /// What the hours need.
    pub needs: Vec<Need>,
    /// What that is expected to come to.
    pub expectation: Expectation,
    /// The policy behind it.
    pub policy: Policy,
    /// Present capacity.
    pub capacity: i64,
    /// What is wanted now; 0 if nobody says.
    pub live: f64,
    /// Somebody says what is wanted now. Without that the plan is no reason to take anything away.
    pub is_live: bool,
}

impl State {
    pub(super) fn capacity(&self, at: Millis) -> i64 {
        capacity_at(&self.steps, at)
    }

    /// When the capacity last changed.
    fn changed(&self, now: Millis) -> Option<Millis> {
        self.steps.iter().filter(|step| step.from_ms <= now).map(|step| step.from_ms).max()
    }

    /// The plan at an instant, with demand grown by a part of it.
    pub(super) fn plan(&self, now: Millis, settings: &Settings, growth_percent: i32) -> Planned {
        let hour = now.div_euclid(HOUR_MS);
        let mut outlook = from_hour(&self.found.said.outlook, hour);
        let grown = 1.0 + f64::from(growth_percent) / 100.0;
        for values in outlook.quantiles.iter_mut().chain([&mut outlook.median]) {
            for value in values.iter_mut() {
                *value *= grown;
            }
        }
        let live = self.live.unwrap_or(0.0) * grown;
        let policy = settings.policy(self.choice.as_ref().map(|(_, choice)| choice.policy));
        let committed = promised(&self.promises, hour * HOUR_MS, HOUR_MS, outlook.marks.len().max(1));
        let needs = needs(&outlook, &policy, Live { demand: live, headroom: self.found.said.headroom }, &committed);
        let capacity = self.capacity(now);
        let grew =
            self.steps.windows(2).filter(|pair| pair[1].from_ms <= now && pair[1].configured > pair[0].configured);
        let at = Now {
            now_ms: now,
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
            last_grown_ms: grew.map(|pair| pair[1].from_ms).max(),
            last_changed_ms: self.changed(now),
        };
        let plan = plan(&needs, &settings.rules(), &at);
        let expectation = expect(&plan, &outlook);
        Planned { plan, needs, expectation, policy, capacity, live, is_live: self.live.is_some() }
    }

    /// Slots that the pool should have now, as everybody outside is told it: monitoring, autoscalers, and whoever reads decisions. It is
    /// the capacity as it is unless a change is due and may be told.
    pub(super) fn told(&self, planned: &Planned, now: Millis) -> u32 {
        let told = self.due(planned, now).filter(|step| self.outcome(step, planned, now) != Outcome::Shadow);
        told.map_or_else(|| u32::try_from(planned.capacity).unwrap_or(u32::MAX), |step| step.to)
    }

    /// What becomes of a change that is due: nobody is told in the shadow, while recommendations are ignored, or where slots had to come
    /// back a short while ago and more would be taken away.
    fn outcome(&self, step: &Step, planned: &Planned, now: Millis) -> Outcome {
        let is_ignored = self.policy.ignore_until_ms.is_some_and(|until| until > now);
        if is_ignored || self.is_burnt && i64::from(step.to) < planned.capacity {
            return Outcome::Shadow;
        }
        match self.policy.mode {
            Mode::Apply if self.is_tracked => Outcome::Pending,
            Mode::Recommend | Mode::Apply => Outcome::Recommended,
            Mode::Shadow => Outcome::Shadow,
        }
    }

    /// What to do now, if anything.
    fn due(&self, planned: &Planned, now: Millis) -> Option<Step> {
        // Without any figure of what is used nothing is decided: following nothing would take everything away.
        self.live?;
        let step = planned.plan.steps.iter().rfind(|step| step.at_ms <= now)?.clone();
        let mut step = step.in_strides(&self.settings.rules(), self.settings.least_change);
        let before = planned.capacity;
        if i64::from(step.to) < before {
            // What is promised before the capacity is to change again stays.
            let until = self.steps.iter().map(|step| step.from_ms).filter(|at| *at > now).min();
            let until = until.unwrap_or(Millis::MAX).min(now + FAR_MS);
            let kept = promised(&self.promises, now, (until - now).max(1), 1).pop().unwrap_or(0).min(before);
            step.to = step.to.max(u32::try_from(kept).unwrap_or(u32::MAX));
        }
        let after = i64::from(step.to);
        let is_cooling =
            self.changed(now).is_some_and(|at| now - at < Millis::from(self.settings.cooldown_minutes) * MINUTE_MS);
        let is_small = before - after < i64::from(self.settings.least_change);
        if after == before || (after < before && (is_cooling || is_small)) {
            return None;
        }
        Some(step)
    }
}

/// What a turn of decisions did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    /// Decisions that were written.
    pub decided: usize,
    /// Changes of capacity.
    pub applied: usize,
    /// Changes that could not be made.
    pub refused: usize,
    /// Pools of which no plan could be made.
    pub failed: usize,
}

/// Reads what plans of pools are made from; pools without a forecast are left out.
pub(super) async fn states(conn: &mut PgConnection, keys: &[i32], now: Millis) -> Result<Vec<State>> {
    let found = forecast::newest::<Said>(conn, Some(keys), false).await?;
    let keys: Vec<i32> = found.iter().map(|found| found.pool).collect();
    let arranged = arranged(conn, &keys, floor(now, HOUR_MS), now + FAR_MS).await?;
    let mut by_key: BTreeMap<i32, Arranged> = arranged.into_iter().map(|one| (one.pool.key, one)).collect();
    let queued = demand::queued(conn, &keys, now).await?;
    let fresh: BTreeMap<i32, f64> = current::list(conn, Some(&keys), Some(&[0]))
        .await?
        .into_iter()
        .filter(|one| now - (one.at_ms + i64::from(one.duration_ms)) < LIVE_FRESH_MS)
        .map(|one| {
            // Who is refused tries again: of rejections count those of a minute, as in the history.
            let minutes = (f64::from(one.duration_ms) / MINUTE_MS as f64).max(1.0);
            let waiting = queued.get(&one.pool).copied().unwrap_or(0.0);
            (one.pool, f64::from(one.occupied.max(0)) + waiting + one.rejections.max(0) as f64 / minutes)
        })
        .collect();
    let tracked: BTreeSet<i32> = owner::tracked(conn).await?.into_iter().collect();
    let burnt: BTreeSet<i32> =
        trial::undone(conn, &keys, now - BURNT_MS).await?.into_iter().map(|(pool, _)| pool).collect();
    let state = |found: Found<Said>| {
        let key = found.pool;
        let Arranged { pool, policy, choice, steps, promises } = by_key.remove(&key)?;
        Some(State {
            now_ms: now,
            settings: policy.settings.unwrap_or_else(|| Settings::usual(&pool)),
            choice,
            steps,
            promises,
            live: fresh.get(&key).copied(),
            is_tracked: tracked.contains(&key),
            is_burnt: burnt.contains(&key),
            pool,
            found,
            policy,
        })
    };
    Ok(found.into_iter().filter_map(state).collect())
}

/// The same of those that can be read, and the keys of those that cannot: they keep no other one from it.
async fn readable(conn: &mut PgConnection, keys: &[i32], now: Millis) -> (Vec<State>, Vec<i32>) {
    let error = match states(conn, keys, now).await {
        Ok(states) => return (states, Vec::new()),
        Err(error) => error,
    };
    tracing::debug!(%error, "not all of these pools can be read");
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for key in keys {
        match states(conn, &[*key], now).await {
            Ok(mut state) => found.append(&mut state),
            Err(error) => {
                tracing::warn!(pool = key, %error, "no plan of this pool");
                failed.push(*key);
            }
        }
    }
    (found, failed)
}

impl App {
    /// Decides about every pool with a forecast, and applies what is to be applied.
    pub(crate) async fn scale(&self) -> Result<Decided> {
        let (now, keys) = {
            let mut conn = self.db.jobs.acquire().await?;
            let now = headroom_store::now(&mut conn).await?;
            let keys: Vec<i32> = forecast::full_in(&mut conn, None).await?.into_iter().map(|(pool, _)| pool).collect();
            (now, keys)
        };
        let app = self.clone();
        // Forecasts are long to read and plans take their time: on a thread that gives way to pages and claims. What locks a pool for
        // others is done without giving way.
        let mut done = background::drive("planning", async move { app.decide(now, &keys).await }).await??;
        self.apply_pending(now, &mut done).await?;
        trial::forget(&mut *self.db.jobs.acquire().await?, now - TRIALS_KEPT_MS).await?;
        Ok(done)
    }

    /// Writes anew what each pool's present says of its forecast, and decisions.
    async fn decide(&self, now: Millis, keys: &[i32]) -> Result<Decided> {
        let mut done = Decided::default();
        let hour_ms = demand::running_hour(now);
        for keys in keys.chunks(32) {
            let started = Instant::now();
            let mut conn = self.db.jobs.acquire().await?;
            let (states, mut failed) = readable(&mut conn, keys, now).await;
            let last: BTreeMap<i32, Decision> = scaling::last_decisions(&mut conn, keys)
                .await?
                .into_iter()
                .map(|decision| (decision.pool, decision))
                .collect();
            let mut worked_out = Vec::with_capacity(states.len());
            for state in &states {
                // One pool whose plan fails keeps no other one from its own.
                let last = last.get(&state.pool.key);
                match background::caught("the plan of a pool", || present(state, now, hour_ms, last)) {
                    Ok(present) => worked_out.push(present),
                    Err(error) => {
                        tracing::warn!(pool = state.pool.key, %error, "no plan of this pool");
                        failed.push(state.pool.key);
                    }
                }
            }
            done.failed += failed.len();
            let mut tx = conn.begin().await?;
            for one in &worked_out {
                forecast::set_present(&mut tx, one.pool.key, one.hour_ms, one.full_at_ms, one.recommended).await?;
            }
            forecast::unset_recommended(&mut tx, &failed).await?;
            tx.commit().await?;
            for present in worked_out {
                if let Some(decision) = present.decision {
                    let mut tx = conn.begin().await?;
                    if scaling::decide(&mut tx, &decision).await? {
                        tell::told(&mut tx, &present.pool, &decision, decision.outcome).await?;
                        done.decided += 1;
                    }
                    tx.commit().await?;
                }
            }
            drop(conn);
            background::rest(started.elapsed()).await;
        }
        Ok(done)
    }

    /// Applies what was decided and is not applied yet: the change and the end of the decision in one transaction.
    async fn apply_pending(&self, now: Millis, done: &mut Decided) -> Result<()> {
        let pending = scaling::pending(&mut *self.db.jobs.acquire().await?).await?;
        for decision in pending {
            let refused = if now - decision.at_ms > PENDING_MS {
                Some("it waited for more than 30 minutes".to_owned())
            } else {
                match self.apply_decision(&decision, now).await {
                    Ok(()) => None,
                    Err(
                        error @ (AppError::Invalid(_)
                        | AppError::Planned(_)
                        | AppError::Conflict(_)
                        | AppError::NotFound { .. }),
                    ) => Some(error.to_string()),
                    Err(error) => {
                        // One pool whose change fails keeps no other one from its own: it is tried again by the next run.
                        tracing::warn!(pool = decision.pool, %error, "a change of capacity was not made");
                        continue;
                    }
                }
            };
            match refused {
                None => done.applied += 1,
                Some(why) => {
                    let why: String = why.chars().take(500).collect();
                    let mut tx = self.db.jobs.begin().await?;
                    if scaling::settle(&mut tx, decision.pool, decision.at_ms, Outcome::Refused, &why).await? {
                        let decision = Decision { note: why, ..decision };
                        if let Some(pool) = pool::by_keys(&mut tx, &[decision.pool]).await?.pop() {
                            tell::told(&mut tx, &pool, &decision, Outcome::Refused).await?;
                        }
                        done.refused += 1;
                    }
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    async fn apply_decision(&self, decision: &Decision, now: Millis) -> Result<()> {
        let mut tx = self.db.pages.begin().await?;
        let Some(pool) = pool::by_keys(&mut tx, &[decision.pool]).await?.pop() else {
            return Err(AppError::Invalid(vec![Problem::new("pool", decision.pool.to_string(), "a pool that exists")]));
        };
        headroom_store::plan::lock(&mut tx, pool.key).await?;
        // Somebody may have changed their mind since it was decided.
        let policy = scaling::policies::<Settings>(&mut tx, Some(&[pool.key])).await?.pop().map(|(_, policy)| policy);
        let may_apply = policy.is_some_and(|policy| {
            policy.mode == Mode::Apply && policy.ignore_until_ms.is_none_or(|until| until <= now)
        });
        if !may_apply || pool.archived_ms.is_some() {
            return Err(AppError::Conflict("the pool is not scaled by itself any more".to_owned()));
        }
        if !scaling::settle(&mut tx, decision.pool, decision.at_ms, Outcome::Applied, "").await? {
            // Another run was faster.
            return Ok(());
        }
        // So may the capacity, or slots of an earlier change had to come back.
        let steps = pool::capacity(&mut tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        if capacity_at(&steps, now) != i64::from(decision.before) {
            return Err(AppError::Conflict("the capacity was changed after this was decided".to_owned()));
        }
        let shrinks = decision.wanted < decision.before;
        if shrinks && !trial::undone(&mut tx, &[pool.key], now - BURNT_MS).await?.is_empty() {
            return Err(AppError::Conflict("slots that were taken away had to come back a short while ago".to_owned()));
        }
        let reason = format!("scaling: {}", decision.reason);
        let wanted = (floor(now, MINUTE_MS), i64::from(decision.wanted));
        let after = self.set_by_plan(&mut tx, &pool, wanted, &reason, Some(Guard::USUAL)).await?;
        let mut done = decision.clone();
        if after != i64::from(decision.wanted) {
            // What was done is what is kept and told, not what was wished.
            done.note = format!(
                "{} slots in place of {}: so many are promised until the capacity changes again",
                format::count(after),
                format::count(decision.wanted.into())
            );
            done.wanted = i32::try_from(after).unwrap_or(i32::MAX);
            scaling::done(&mut tx, &done).await?;
        }
        tell::told(&mut tx, &pool, &done, Outcome::Applied).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How a pool is scaled.
    ///
    /// # Errors
    /// `NotFound` without such a pool.
    pub async fn scaling_policy(&self, slug: &str) -> Result<(Pool, Kept<Settings>, Settings)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = pools::find(&mut conn, &self.caller, slug).await?;
        let kept = scaling::policies(&mut conn, Some(&[pool.key])).await?.pop().map(|(_, policy)| policy);
        let kept: Kept<Settings> = kept.unwrap_or_default();
        let settings = kept.settings.unwrap_or_else(|| Settings::usual(&pool));
        Ok((pool, kept, settings))
    }

    /// Sets how a pool is scaled, if its policy is still at `version`; 0 = nobody set one.
    ///
    /// # Errors
    /// Every field that is wrong; `Stale` if somebody else was faster.
    pub async fn set_scaling_policy(&self, slug: &str, version: i32, wish: &Wish) -> Result<Kept<Settings>> {
        self.change_policy(slug, version, "set-scaling-policy", "", |_, is_tracked, _, kept| {
            let mut problems = wish.settings.problems();
            if wish.mode == Mode::Apply && !is_tracked {
                let expected = "shadow or recommend: the capacity of this pool comes from outside, which reads what is recommended";
                problems.push(Problem::new("mode", "apply", expected));
            }
            if !problems.is_empty() {
                return Err(AppError::Invalid(problems));
            }
            Ok(Kept { mode: wish.mode, settings: Some(wish.settings), ..kept.clone() })
        })
        .await
    }

    /// Ignores recommendations for a pool until an instant, with a reason; an instant that is past ends that.
    ///
    /// # Errors
    /// `Invalid` without a reason or beyond 90 days.
    pub async fn ignore_recommendations(
        &self,
        slug: &str,
        version: i32,
        until: Millis,
        why: &str,
    ) -> Result<Kept<Settings>> {
        let why = why.trim();
        self.change_policy(slug, version, "ignore-recommendations", why, |pool, _, now, kept| {
            let mut problems = Vec::new();
            if until > now && (why.is_empty() || why.chars().count() > 500 || why.contains('\0')) {
                problems.push(Problem::new("reason", why, "a reason of 1 to 500 characters"));
            }
            if until > now + LONGEST_IGNORE_MS {
                problems.push(Problem::new("until", "later", "at most 90 days from now"));
            }
            if !problems.is_empty() {
                return Err(AppError::Invalid(problems));
            }
            Ok(Kept {
                settings: Some(kept.settings.unwrap_or_else(|| Settings::usual(pool))),
                ignore_until_ms: (until > now).then_some(until),
                ignore_why: if until > now { why.to_owned() } else { String::new() },
                ..kept.clone()
            })
        })
        .await
    }

    async fn change_policy(
        &self,
        slug: &str,
        version: i32,
        action: &'static str,
        reason: &str,
        change: impl FnOnce(&Pool, bool, Millis, &Kept<Settings>) -> Result<Kept<Settings>>,
    ) -> Result<Kept<Settings>> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        let pool = pools::find(&mut tx, &self.caller, slug).await?;
        let before = scaling::policies(&mut tx, Some(&[pool.key])).await?.pop().map(|(_, policy)| policy);
        let before: Kept<Settings> = before.unwrap_or_default();
        let is_tracked = owner::tracked(&mut tx).await?.contains(&pool.key);
        let after = change(&pool, is_tracked, headroom_store::now(&mut tx).await?, &before)?;
        if before.version != version || !scaling::set_policy(&mut tx, pool.key, version, &after).await? {
            let now = before.version;
            return Err(AppError::Stale { what: "scaling policy", slug: slug.to_owned(), seen: version, now });
        }
        let value = |policy: &Kept<Settings>| {
            serde_json::json!({
                "mode": policy.mode, "settings": policy.settings, "ignore_until_ms": policy.ignore_until_ms,
                "ignore_why": policy.ignore_why
            })
        };
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "pool",
            key: pool.fields.slug.as_str(),
            id: Some(pool.id),
            before: (before.version > 0).then(|| value(&before)),
            after: Some(value(&after)),
            reason,
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(Kept { version: version + 1, ..after })
    }
}

/// How a pool stands now.
struct Present {
    pool: Pool,
    hour_ms: Millis,
    full_at_ms: Option<Millis>,
    recommended: Option<i32>,
    decision: Option<Decision>,
}

fn present(state: &State, now: Millis, hour_ms: Millis, last: Option<&Decision>) -> Present {
    // Capacity or promises may have changed since the hour began.
    let full_at_ms = full_at(&state.found.said.outlook, &state.steps, &state.promises, now)
        .filter(|_| state.found.said.known_hours >= super::FEWEST_DAYS * 24);
    let planned = state.plan(now, &state.settings, 0);
    let recommended = i32::try_from(state.told(&planned, now)).ok();
    // A forecast of an earlier hour is about to be made anew.
    let is_of_this_hour = state.found.hour_ms >= hour_ms;
    Present {
        pool: state.pool.clone(),
        hour_ms: state.found.hour_ms,
        full_at_ms,
        recommended,
        decision: is_of_this_hour.then(|| decision(state, &planned, now, last)).flatten(),
    }
}

/// What is decided about a pool now, unless it was just before.
fn decision(state: &State, planned: &Planned, now: Millis, last: Option<&Decision>) -> Option<Decision> {
    let step = state.due(planned, now)?;
    let outcome = state.outcome(&step, planned, now);
    let (before, wanted) = (i32::try_from(planned.capacity).ok()?, i32::try_from(step.to).ok()?);
    let same = |last: &Decision| {
        // What was only looked at is news once it is to be told or done; what failed is not tried every minute.
        let is_told = last.outcome == outcome || matches!(last.outcome, Outcome::Pending | Outcome::Refused);
        let is_alike = last.wanted == wanted && last.before == before && is_told;
        // What is only said follows the demand by some slots every minute: once an hour is enough unless it turns.
        let only_said =
            outcome != Outcome::Pending && last.outcome == outcome && (last.wanted > last.before) == (wanted > before);
        now - last.at_ms < REPEATED_MS && (is_alike || only_said)
    };
    if last.is_some_and(same) {
        return None;
    }
    let need = planned.needs.first().copied().unwrap_or_default();
    let inputs = serde_json::json!({
        "forecast_of_ms": state.found.hour_ms,
        "policy": planned.policy,
        "rules": state.settings,
        "live": round(planned.live),
        "headroom": round(state.found.said.headroom),
        "quantile": round(need.quantile),
        "with_headroom": round(need.live),
        "committed": round(need.committed),
        "event_floor": round(need.event_floor),
        "hours": HORIZON_HOURS,
    });
    Some(Decision {
        pool: state.pool.key,
        at_ms: floor(now, MINUTE_MS),
        mode: state.policy.mode.as_str().to_owned(),
        before,
        wanted,
        decider: format!("{:?}", step.decider).to_lowercase(),
        reason: step.reason.chars().take(500).collect(),
        inputs,
        outcome,
        note: String::new(),
    })
}

fn round(slots: f64) -> f64 {
    (slots * 10.0).round() / 10.0
}
