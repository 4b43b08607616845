//! What pages and the API read of forecasts and plans.

use super::super::{App, AppError, Result, pools};
use super::scale::{Planned, Settings, State, states};
use super::{FEWEST_DAYS, HONEST, Said, demand};
use headroom_domain::access::Action;
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::online::LEVELS;
use headroom_domain::scaling::{Choice, Ledger, Mode};
use headroom_domain::series::floor;
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_store::forecast::{self, Found, FullIn, Gauges, HourSaid};
use headroom_store::pool::{self, Pool};
use headroom_store::scaling::{self, Decision, Policy as Kept};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Hours of the past that are drawn before a fan.
const PAST_HOURS: i64 = 48;
/// Most decisions of an answer.
pub const MOST_DECISIONS: i64 = 1_000;
/// Days of the ledger that are shown and added up.
const LEDGER_DAYS: i64 = 30;
/// Monitoring is told of forecasts that are not older.
const GAUGES_MS: Millis = 3 * HOUR_MS;
/// Most pools of one answer.
pub const MOST_LISTED: usize = 500;
/// Most growth that a what-if takes, in per cent.
const MOST_GROWTH: i32 = 400;

/// A pool in the list.
#[derive(Debug, Clone)]
pub struct Row {
    /// The pool.
    pub pool: Pool,
    /// Capacity now.
    pub capacity: i64,
    /// What is wanted now.
    pub live: Option<f64>,
    /// The largest 0.95 quantile of the next 48 hours.
    pub p95: Option<f64>,
    /// When it is full.
    pub exhaustion: Exhaustion,
    /// The first hour in which one of ten futures wants more than there is.
    pub full_at_ms: Option<Millis>,
    /// Whether there is too little history for a forecast.
    pub is_young: bool,
    /// Part of the hours within the range of 80 %.
    pub coverage_80: Option<f64>,
    /// Typical miss.
    pub wape: Option<f64>,
    /// What happens with plans.
    pub mode: Mode,
    /// Whether predicting pays, and why.
    pub choice: Option<Choice>,
}

/// A part of the list.
#[derive(Debug, Clone)]
pub struct Forecasts {
    /// Its rows.
    pub rows: Vec<Row>,
    /// Rows of the whole list.
    pub total: usize,
    /// The database's clock.
    pub now_ms: Millis,
}

/// Where a pool stands in the list: when it is full by the hour, by days, and its slug.
type Place = (Millis, u32, String);

/// The name of a place, as [`App::forecasts_after`] takes it.
fn place_name((full_at, days, slug): &Place) -> String {
    format!("{full_at}.{days}.{slug}")
}

/// From its name.
fn place_of(name: &str) -> Option<Place> {
    let mut parts = name.splitn(3, '.');
    let (full_at, days, slug) = (parts.next()?, parts.next()?, parts.next()?);
    Some((full_at.parse().ok()?, days.parse().ok()?, slug.to_owned()))
}

/// What somebody tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhatIf {
    /// Settings in place of the pool's.
    pub settings: Settings,
    /// Demand grows by so much at once.
    pub growth_percent: i32,
}

/// A pool's forecast with all that belongs to it.
#[derive(Debug, Clone)]
pub struct PoolForecast {
    /// The pool.
    pub pool: Pool,
    /// The database's clock.
    pub now_ms: Millis,
    /// The newest forecast; `None` until the first was made.
    pub found: Option<Found<Said>>,
    /// The plan by the pool's settings.
    pub planned: Option<Planned>,
    /// Slots that the pool should have now, as everybody outside is told it.
    pub told: Option<u32>,
    /// The plan by what somebody tries.
    pub tried: Option<Planned>,
    /// The day's choice with its day.
    pub choice: Option<(i64, Choice)>,
    /// How it is scaled.
    pub policy: Kept<Settings>,
    /// Its settings, or the usual ones.
    pub settings: Settings,
    /// Whether Headroom gives out its slots.
    pub is_tracked: bool,
    /// Peaks of the last two days by hour with their starts; NaN unknown.
    pub past: Vec<(Millis, f64)>,
    /// Capacity by hour, of the past and of the forecast.
    pub capacity: Vec<(Millis, i64)>,
    /// What days took, newest first.
    pub ledger: Vec<(i64, Ledger)>,
}

impl PoolForecast {
    /// Whether there is too little history for a fan.
    pub fn is_young(&self) -> bool {
        self.found.as_ref().is_none_or(|found| found.said.known_hours < FEWEST_DAYS * 24)
    }

    /// Days of the last eight weeks of which the demand is known.
    pub fn known_days(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.said.known_hours / 24)
    }

    /// Whether "as last week" is at least as good as the model.
    pub fn naive_wins(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.said.accuracy.naive_wins())
    }

    /// Whether ranges of 80 % held too seldom.
    pub fn is_too_narrow(&self) -> bool {
        let judged = self.found.as_ref().and_then(|found| found.said.accuracy.coverage_80);
        judged.is_some_and(|coverage| coverage < HONEST.0)
    }

    /// Whether ranges of 80 % held too often.
    pub fn is_too_wide(&self) -> bool {
        let judged = self.found.as_ref().and_then(|found| found.said.accuracy.coverage_80);
        judged.is_some_and(|coverage| coverage > HONEST.1)
    }
}

/// A past day: what was foreseen for its hours at the lead of plans, and what came.
#[derive(Debug, Clone)]
pub struct PastDay {
    /// The first hour.
    pub from_ms: Millis,
    /// The hour after the last.
    pub to_ms: Millis,
    /// By hour: its start, the quantiles in the order of the rules' levels if they are known, and what came.
    pub hours: Vec<(Millis, Option<HourSaid>, Option<f64>)>,
    /// Typical miss of the day.
    pub wape: Option<f64>,
    /// Hours between the quantiles of 0.1 and 0.9, and hours of which both are known.
    pub held: (usize, usize),
}

impl App {
    /// Forecasts of pools that may be seen, those that are full soonest first, from one on and so many; and how many there are.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forecasts(&self, skip: usize, most: usize) -> Result<Forecasts> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let order = self.in_order(&mut conn).await?;
        let total = order.len();
        let keys: Vec<i32> = order.into_iter().map(|(_, key)| key).skip(skip).take(most).collect();
        Ok(Forecasts { rows: rows(&mut conn, &keys, now).await?, total, now_ms: now })
    }

    /// The same, a part of them: those behind a place, and the place of the last if there are more. What moved up meanwhile is left
    /// out, what moved down comes twice; everything else comes once.
    ///
    /// # Errors
    /// `Invalid` for a place that nobody named, or a limit outside 1 to 500.
    pub async fn forecasts_after(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Row>, Option<String>)> {
        self.require(Action::See)?;
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MOST_LISTED}")));
        }
        let unknown = |text: &str| AppError::invalid("after", text, "the next of an earlier answer");
        let after = after.map(|text| place_of(text).ok_or_else(|| unknown(text))).transpose()?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let mut order = self.in_order(&mut conn).await?;
        order.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        let next = order.get(limit - 1).filter(|_| order.len() > limit).map(|(place, _)| place_name(place));
        let keys: Vec<i32> = order.into_iter().map(|(_, key)| key).take(limit).collect();
        Ok((rows(&mut conn, &keys, now).await?, next))
    }

    /// Pools with a forecast that may be seen, those that are full soonest first: from what is small, so that forecasts are read only of
    /// those that are asked for.
    async fn in_order(&self, conn: &mut PgConnection) -> Result<Vec<(Place, i32)>> {
        let seen = pool::list(conn, false).await?.into_iter().filter(|pool| self.caller.sees_pool(pool.key));
        let mut slugs: BTreeMap<i32, String> = seen.map(|pool| (pool.key, pool.fields.slug.to_string())).collect();
        let place = |(key, full): (i32, FullIn)| {
            let days = full.p90_days.or(full.p50_days).filter(|_| full.is_known).unwrap_or(u32::MAX);
            Some(((full.full_at_ms.unwrap_or(Millis::MAX), days, slugs.remove(&key)?), key))
        };
        let mut order: Vec<(Place, i32)> = forecast::full_in(conn, None).await?.into_iter().filter_map(place).collect();
        order.sort_unstable();
        Ok(order)
    }

    /// When pools that may be seen are full, by key.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn full_in(&self, keys: Option<&[i32]>) -> Result<BTreeMap<i32, FullIn>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let found = forecast::full_in(&mut conn, keys).await?;
        Ok(found.into_iter().filter(|(key, _)| self.caller.sees_pool(*key)).collect())
    }

    /// Forecasts in Prometheus' text exposition: of the whole house.
    ///
    /// # Errors
    /// Those of the store; `Forbidden` for who sees some pools only.
    pub async fn forecast_gauges(&self) -> Result<String> {
        self.require_whole_view()?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let all = forecast::gauges(&mut conn, now - GAUGES_MS).await?;
        let mut text = String::new();
        let mut tell = |name: &str, what: &str, of: &dyn Fn(&Gauges) -> Vec<(&'static str, f64)>| {
            let _ = writeln!(text, "# HELP {name} {what}\n# TYPE {name} gauge");
            for gauges in &all {
                for (labels, value) in of(gauges) {
                    // Slugs have no character that would have to be escaped.
                    let _ = writeln!(text, "{name}{{pool_id=\"{}\"{labels}}} {value}", gauges.slug);
                }
            }
        };
        tell("slot_forecast", "slots wanted at the most in the hour that plans rest on", &|one| {
            let median = one.lead_median.map(|value| (",quantile=\"0.5\"", value));
            median.into_iter().chain(one.lead_p95.map(|value| (",quantile=\"0.95\"", value))).collect()
        });
        tell(
            "slot_recommended_capacity",
            "slots that the pool should have now; as many as it has where no change is due or nobody is to be told",
            &|one| one.recommended.map(|slots| ("", f64::from(slots))).into_iter().collect(),
        );
        tell("slot_days_to_exhaustion", "days until the pool is full; absent = not foreseen", &|one| {
            let p50 = one.p50_days.map(|days| (",quantile=\"0.5\"", f64::from(days)));
            p50.into_iter().chain(one.p90_days.map(|days| (",quantile=\"0.9\"", f64::from(days)))).collect()
        });
        Ok(text)
    }

    /// Slugs and names of pools that may be seen, by key.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pools_named(&self, keys: &[i32]) -> Result<BTreeMap<i32, (String, String)>> {
        self.require(Action::See)?;
        let pools = pool::by_keys(&mut *self.db.pages.acquire().await?, keys).await?;
        let seen = pools.into_iter().filter(|pool| self.caller.sees_pool(pool.key));
        Ok(seen.map(|pool| (pool.key, (pool.fields.slug.to_string(), pool.fields.name))).collect())
    }

    /// The forecast of a pool with its plan.
    ///
    /// # Errors
    /// `NotFound` without such a pool, `Invalid` for what cannot be tried.
    pub async fn pool_forecast(&self, slug: &str, what_if: Option<&WhatIf>) -> Result<PoolForecast> {
        self.require(Action::See)?;
        if let Some(what_if) = what_if {
            let mut problems = what_if.settings.problems();
            if !(-90..=MOST_GROWTH).contains(&what_if.growth_percent) {
                let expected = format!("-90 to {MOST_GROWTH} per cent");
                problems.push(super::super::Problem::new("growth", what_if.growth_percent.to_string(), expected));
            }
            if !problems.is_empty() {
                return Err(AppError::Invalid(problems));
            }
        }
        let (pool, mut kept, settings) = self.scaling_policy(slug).await?;
        if !self.caller.reads_remarks() {
            kept.ignore_why.clear();
        }
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let key = pool.key;
        let hour = floor(now, HOUR_MS);
        let past = demand::hours(&mut conn, key, hour - PAST_HOURS * HOUR_MS, hour).await?;
        let past = (0..).map(|place| hour + (place - PAST_HOURS) * HOUR_MS).zip(past).collect();
        let state = states(&mut conn, &[key], now).await?.pop();
        let capacity = match &state {
            Some(state) => {
                let hours = -PAST_HOURS..super::HORIZON_HOURS as i64;
                hours.map(|at| hour + at * HOUR_MS).map(|at| (at, state.capacity(at))).collect()
            }
            None => Vec::new(),
        };
        let planned = state.as_ref().map(|state| state.plan(now, &settings, 0));
        Ok(PoolForecast {
            now_ms: now,
            told: state.as_ref().zip(planned.as_ref()).map(|(state, planned)| state.told(planned, now)),
            planned,
            tried: state
                .as_ref()
                .zip(what_if)
                .map(|(state, tried)| state.plan(now, &tried.settings, tried.growth_percent)),
            choice: state.as_ref().and_then(|state| state.choice.clone()),
            is_tracked: headroom_store::owner::tracked(&mut conn).await?.contains(&key),
            ledger: scaling::ledgers(&mut conn, key, LEDGER_DAYS).await?,
            found: state.map(|state| state.found),
            policy: kept,
            settings,
            past,
            capacity,
            pool,
        })
    }

    /// Decisions about a pool's capacity, newest first: those before an instant, or the newest; and whether there are older ones.
    ///
    /// # Errors
    /// `NotFound` without such a pool, `Invalid` for a limit outside 1 to 1,000.
    pub async fn scaling_decisions(
        &self,
        slug: &str,
        before: Option<Millis>,
        limit: i64,
    ) -> Result<(Vec<Decision>, bool)> {
        self.require(Action::See)?;
        if !(1..=MOST_DECISIONS).contains(&limit) {
            let expected = format!("1 to {}", format::count(MOST_DECISIONS));
            return Err(AppError::invalid("limit", limit.to_string(), expected));
        }
        let mut conn = self.db.pages.acquire().await?;
        let pool = pools::find(&mut conn, &self.caller, slug).await?;
        let mut found = scaling::decisions(&mut conn, pool.key, before, limit + 1).await?;
        let has_older = found.len() as i64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or_default());
        Ok((found, has_older))
    }

    /// What was foreseen for a past stretch, a day of the pool's zone, and what came.
    ///
    /// # Errors
    /// `NotFound` without such a pool.
    pub async fn past_day(&self, slug: &str, from: Millis, to: Millis) -> Result<PastDay> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = pools::find(&mut conn, &self.caller, slug).await?;
        let (from_ms, to_ms) = (floor(from, HOUR_MS), floor(to.min(from + 2 * DAY_MS), HOUR_MS));
        let mut said: BTreeMap<Millis, HourSaid> = forecast::hours(&mut conn, pool.key, from_ms, to_ms)
            .await?
            .into_iter()
            .map(|said| (said.hour_ms, said))
            .collect();
        let came = demand::hours(&mut conn, pool.key, from_ms, to_ms).await?;
        let starts = (0..).map(|hour| from_ms + hour * HOUR_MS);
        let hours: Vec<_> = starts
            .zip(came)
            .map(|(at, came)| (at, said.remove(&at), Some(came).filter(|came| came.is_finite())))
            .collect();
        let (mut missed, mut sum, mut held) = (0.0, 0.0, (0, 0));
        for (_, said, came) in &hours {
            if let (Some(said), Some(came)) = (said, came) {
                missed += (quantile(said, 0.5) - came).abs();
                sum += came;
                held.1 += 1;
                held.0 += usize::from((quantile(said, 0.1)..=quantile(said, 0.9)).contains(came));
            }
        }
        Ok(PastDay { from_ms, to_ms, hours, wape: (sum > 0.0).then(|| missed / sum), held })
    }
}

/// The quantile of one of the rules' levels.
fn quantile(said: &HourSaid, level: f64) -> f64 {
    let place = LEVELS.iter().position(|one| (one - level).abs() < 1e-9);
    place.and_then(|place| said.levels.get(place)).copied().unwrap_or(0.0)
}

/// Rows of pools, in the order of their keys.
async fn rows(conn: &mut PgConnection, keys: &[i32], now: Millis) -> Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(64) {
        let mut states: BTreeMap<i32, State> =
            states(conn, keys, now).await?.into_iter().map(|state| (state.pool.key, state)).collect();
        rows.extend(keys.iter().filter_map(|key| states.remove(key)).map(row));
    }
    Ok(rows)
}

fn row(state: State) -> Row {
    let capacity = state.capacity(state.now_ms);
    let said = state.found.said;
    let p95 = said.outlook.quantile(0.95).iter().take(48).copied().reduce(f64::max);
    let is_young = said.known_hours < FEWEST_DAYS * 24;
    Row {
        capacity,
        live: state.live,
        p95: p95.filter(|_| !is_young),
        exhaustion: said.exhaustion,
        full_at_ms: state.found.full_at_ms,
        is_young,
        coverage_80: said.accuracy.coverage_80,
        wape: said.accuracy.wape,
        mode: state.policy.mode,
        choice: state.choice.map(|(_, choice)| choice),
        pool: state.pool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back_and_anything_else_is_none() {
        for place in [(Millis::MAX, u32::MAX, "web".to_owned()), (1_795_599_000_000, 0, "a-b.c".to_owned())] {
            assert_eq!(place_of(&place_name(&place)), Some(place));
        }
        for text in ["", "web", "1.2", "x.2.web", "1.-2.web"] {
            assert_eq!(place_of(text), None, "{text}");
        }
    }
}
