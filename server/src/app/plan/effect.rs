//! What a draft does: the demand of the last weeks, or that which is foreseen, played through the allocator's rules with and without
//! it.

use super::super::forecast::{FEWEST_DAYS, Said};
use super::super::whatif::{NOBODY, PastDemand};
use super::super::{App, AppError, Result};
use super::check::{Checked, Inputs};
use super::work_out::{cut, promises};
use crate::zones;
use chrono::{Datelike, Timelike};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::reservation::Promise;
use headroom_domain::whatif::foreseen::{self, Level, Shares};
use headroom_domain::whatif::{self, Capacity, Comparison, Demand, Figures, Raised, Rules, Tenant};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_store::forecast::{self, Found};
use headroom_store::pool::Pool;
use headroom_store::promise;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Weeks that are replayed if nobody says how many.
pub const USUAL_WEEKS: i64 = 4;
const WEEK_MS: Millis = 7 * DAY_MS;

/// What is played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Basis {
    /// The demand of the last weeks.
    #[default]
    History,
    /// What the pool's forecast has for the coming ones.
    Forecast(Level),
}

impl Basis {
    /// From the words of an address or of the API; nothing is the usual.
    ///
    /// # Errors
    /// Which of them is wrong.
    pub fn parse(basis: Option<&str>, level: Option<&str>) -> Result<Self> {
        match (basis.unwrap_or("history"), level) {
            ("history", None) => Ok(Self::History),
            ("history", Some(level)) => {
                Err(AppError::invalid("level", level, "none with the basis history; it is a quantile of a forecast"))
            }
            ("forecast", level) => {
                let level = level.unwrap_or(Level::default().as_str());
                let known = Level::parse(level).map(Self::Forecast);
                known.ok_or_else(|| AppError::invalid("level", level, "0.5 (the median) or 0.9"))
            }
            (other, _) => Err(AppError::invalid("basis", other, "history or forecast")),
        }
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Forecast(_) => "forecast",
        }
    }

    /// The quantile, of a forecast.
    pub const fn level(self) -> Option<Level> {
        match self {
            Self::History => None,
            Self::Forecast(level) => Some(level),
        }
    }
}

/// Why nothing can be played of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none.
    NoForecast,
    /// It rests on so many days.
    TooYoung {
        /// Days of the last eight weeks whose demand is known.
        days: usize,
    },
    /// The draft changes something in weeks for which nothing is foreseen.
    NotForeseen,
}

impl Missing {
    /// In words, as a part of a sentence.
    pub fn words(self) -> String {
        match self {
            Self::NoForecast => "there is no forecast of this pool yet".to_owned(),
            Self::TooYoung { days } => format!(
                "the forecast of this pool rests on {days} {} of history, and {FEWEST_DAYS} are needed",
                if days == 1 { "day" } else { "days" }
            ),
            Self::NotForeseen => "nothing is foreseen for the weeks in which the draft changes something".to_owned(),
        }
    }
}

/// What a draft does to what is wanted.
#[derive(Debug, Clone)]
pub struct Effect {
    /// What was played.
    pub basis: Basis,
    /// The running hour in which the forecast was made, if one was played or asked for and is there.
    pub forecast_hour_ms: Option<Millis>,
    /// Why nothing was played; every figure is without meaning then.
    pub missing: Option<Missing>,
    /// The time to come that it is about: start.
    pub from_ms: Millis,
    /// And end, exclusive.
    pub to_ms: Millis,
    /// The past whose demand is laid onto it, or whose shares split what is foreseen among tenants: start.
    pub past_from_ms: Millis,
    /// And end, exclusive.
    pub past_to_ms: Millis,
    /// Where the replay's own hours begin: they are told from here, and stand for those from `from_ms` on.
    pub demand_from_ms: Millis,
    /// From here on days are foreseen and no hours: their peaks are laid out in the shape of the week before.
    pub days_from_ms: Option<Millis>,
    /// Figures and riskiest hours before and after, by the tenants' keys.
    pub comparison: Comparison,
    /// Tenants by key: slug and name; who is not in it uses what is metered for nobody.
    pub tenants: Vec<(i32, String, String)>,
    /// What a slot costs for an hour, in millionths; nothing if the pool has no price or the caller sees no money.
    pub price: Option<i64>,
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

/// Promises with the priorities that they bring along.
#[derive(Default)]
struct Promises {
    promises: Vec<Promise>,
    raised: Vec<Raised>,
}

impl Promises {
    fn push(&mut self, promise: Promise, priority: Option<i16>) {
        if let Some(priority) = priority {
            let (tenant, from_ms, to_ms) = (promise.tenant, promise.from_ms, promise.to_ms);
            self.raised.push(Raised { tenant, from_ms, to_ms, priority: priority.clamp(0, 9) as u8 });
        }
        self.promises.push(promise);
    }

    /// All of it so much earlier.
    fn earlier(self, by: Millis) -> Self {
        let earlier = |at: Millis| at.saturating_sub(by);
        let promise = |p: Promise| Promise { from_ms: earlier(p.from_ms), to_ms: p.to_ms.map(earlier), ..p };
        let raised = |r: Raised| Raised { from_ms: earlier(r.from_ms), to_ms: r.to_ms.map(earlier), ..r };
        Self {
            promises: self.promises.into_iter().map(promise).collect(),
            raised: self.raised.into_iter().map(raised).collect(),
        }
    }
}

/// What the promises of a pool are and would be.
pub(super) struct Sides {
    before: Promises,
    after: Promises,
    /// The first instant at which they differ.
    first_ms: Option<Millis>,
}

/// Reads what is promised from now on, with and without some changes.
pub(super) async fn sides(conn: &mut PgConnection, inputs: &Inputs, changes: &[Checked]) -> Result<Sides> {
    let from = cut(inputs.now);
    let edited: BTreeSet<Uuid> = changes.iter().map(|checked| checked.id).collect();
    let stored = promise::during(conn, Some(&[inputs.pool]), None, inputs.now, headroom_domain::LATEST_MS).await?;
    let (mut before, mut after) = (Promises::default(), Promises::default());
    let mut first_ms: Option<Millis> = None;
    let mut differs = |at: Millis| first_ms = Some(first_ms.map_or(at, |first: Millis| first.min(at)));
    for one in &stored {
        if edited.contains(&one.id) {
            differs(one.reservation.from_ms.max(from));
            // Until the change holds, what is published does.
            if one.reservation.from_ms < from {
                let to_ms = Some(one.reservation.to_ms.map_or(from, |to| to.min(from)));
                after.push(Promise { to_ms, ..one.reservation.clone() }, one.priority);
            }
        } else {
            after.push(one.reservation.clone(), one.priority);
        }
    }
    for checked in changes {
        let Some((terms, (tenant, worked_out))) = checked.change.after.as_ref().zip(checked.after.as_ref()) else {
            continue;
        };
        for new in promises(checked.id, inputs.pool, *tenant, terms, &worked_out.stretches, from) {
            differs(new.reservation.from_ms);
            after.push(new.reservation, new.priority);
        }
    }
    for one in stored {
        before.push(one.reservation, one.priority);
    }
    Ok(Sides { before, after, first_ms })
}

/// The demand that is played.
enum Played {
    Past(Arc<PastDemand>),
    Foreseen(Demand),
}

impl Played {
    fn demand(&self) -> &Demand {
        match self {
            Self::Past(past) => &past.demand,
            Self::Foreseen(demand) => demand,
        }
    }
}

/// Which hour of the week it is on the wall of a zone.
fn hour_of_week(zone: &ZoneSlice, at: Millis) -> usize {
    let local = zone.local(at);
    (local.weekday().num_days_from_monday() * 24 + local.hour()) as usize
}

/// What is foreseen from an hour on, up to the last hour of `weeks` for which anything is; `None` if that is none.
fn laid_out(
    found: &Found<Said>,
    level: Level,
    past: &PastDemand,
    zone: &ZoneSlice,
    (start, weeks): (Millis, i64),
) -> Option<Demand> {
    let hours = start / HOUR_MS..(start + weeks * WEEK_MS) / HOUR_MS;
    let mut by_hour = foreseen::by_hour(&found.said.outlook, &found.said.daily, level, hours.clone());
    let known = by_hour.iter().rposition(Option::is_some)?;
    by_hour.truncate(known + 1);
    let shares = Shares::of(&past.demand, NOBODY, |at| hour_of_week(zone, at));
    Some(foreseen::demand(hours.start, &by_hour, &shares, |at| hour_of_week(zone, at)))
}

fn failed(error: &tokio::task::JoinError) -> AppError {
    AppError::Internal(format!("replaying a draft: {error}"))
}

impl App {
    /// What a draft does in the weeks that begin with the first week in which it changes anything.
    pub(super) async fn effect(
        &self,
        pool: &Pool,
        inputs: &Inputs,
        sides: Sides,
        weeks: i64,
        basis: Basis,
    ) -> Result<Effect> {
        let past = self.demand_of_pool(pool, weeks, inputs.now).await?;
        let start = past.demand.start_ms();
        // Whole weeks ahead, so that weekdays stay; a change of clocks in between is not followed.
        let ahead = sides.first_ms.map_or(0, |first| (first - start).div_euclid(WEEK_MS).max(0)) * WEEK_MS;
        let mut effect = Effect {
            basis,
            forecast_hour_ms: None,
            missing: None,
            from_ms: start + ahead,
            to_ms: past.demand.end_ms() + ahead,
            past_from_ms: past.from_ms,
            past_to_ms: past.to_ms,
            demand_from_ms: start,
            days_from_ms: None,
            comparison: Comparison::default(),
            tenants: Vec::new(),
            price: None,
            cost: None,
        };
        let (played, ahead) = match basis {
            Basis::History => (Played::Past(past), ahead),
            Basis::Forecast(level) => {
                match self.foreseen(pool, level, past, (start + ahead, weeks), &mut effect).await? {
                    Some(demand) => (Played::Foreseen(demand), 0),
                    None => return Ok(effect),
                }
            }
        };
        (effect.demand_from_ms, effect.to_ms) = (played.demand().start_ms(), played.demand().end_ms() + ahead);
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
        let played = Arc::new(played);
        let play = |side: Promises| {
            let side = side.earlier(ahead);
            let (played, capacity, known) = (Arc::clone(&played), capacity.clone(), known.clone());
            tokio::task::spawn_blocking(move || {
                let Promises { promises, raised } = &side;
                let rules = Rules { capacity: &capacity, tenants: &known, promises, raised };
                whatif::replay(played.demand(), &rules)
            })
        };
        let (before, after) = tokio::join!(play(sides.before), play(sides.after));
        let comparison = Comparison { before: before.map_err(|e| failed(&e))?, after: after.map_err(|e| failed(&e))? };
        let organisation = self.organisation().await?;
        effect.price = pool.fields.unit_cost_micros.filter(|_| self.sees_money(&organisation));
        effect.cost = effect.price.map(|price| {
            let of = |slot_ms: i128| whatif::cost_micros(slot_ms, price);
            Costs {
                reserved_before: of(comparison.before.pool.reserved_slot_ms),
                reserved_after: of(comparison.after.pool.reserved_slot_ms),
                wasted_before: of(comparison.before.pool.wasted_slot_ms()),
                wasted_after: of(comparison.after.pool.wasted_slot_ms()),
            }
        });
        effect.comparison = comparison;
        effect.tenants = tenants.into_iter().map(|(key, slug, name, _)| (key, slug, name)).collect();
        Ok(effect)
    }

    /// What the pool's newest forecast has for weeks from an instant on, split as tenants shared the demand of the past. If it has
    /// nothing, the effect says why.
    async fn foreseen(
        &self,
        pool: &Pool,
        level: Level,
        past: Arc<PastDemand>,
        (start, weeks): (Millis, i64),
        effect: &mut Effect,
    ) -> Result<Option<Demand>> {
        let mut conn = self.db.pages.acquire().await?;
        let found = forecast::newest::<Said>(&mut conn, Some(&[pool.key]), false).await?.pop();
        drop(conn);
        let Some(found) = found else {
            effect.missing = Some(Missing::NoForecast);
            return Ok(None);
        };
        effect.forecast_hour_ms = Some(found.hour_ms);
        if found.said.known_hours < FEWEST_DAYS * 24 {
            effect.missing = Some(Missing::TooYoung { days: found.said.known_hours / 24 });
            return Ok(None);
        }
        let hours_end = (found.said.outlook.from_hour + found.said.outlook.median.len() as i64) * HOUR_MS;
        let zone = zones::slice(&pool.fields.zone, start.min(past.from_ms), start + weeks * WEEK_MS);
        let zone = zone.unwrap_or_else(ZoneSlice::utc);
        let made = tokio::task::spawn_blocking(move || laid_out(&found, level, &past, &zone, (start, weeks))).await;
        let demand = made.map_err(|error| failed(&error))?;
        match &demand {
            None => effect.missing = Some(Missing::NotForeseen),
            Some(demand) => effect.days_from_ms = Some(hours_end.max(start)).filter(|from| *from < demand.end_ms()),
        }
        Ok(demand)
    }
}
