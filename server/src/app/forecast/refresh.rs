//! The hourly refresh: what is known is read, the rules work on a thread of their own, and all they say is written at once.
//!
//! A pool's transaction succeeds only if its forecast is still of an earlier hour, so that a run that was killed is finished by the
//! next, and what one hour says is written once, whoever runs.

use super::super::{App, Result};
use super::scale::Settings;
use super::{Arranged, FEWEST_DAYS, HORIZON_DAYS, HORIZON_HOURS, KEPT_MS, LEDGER_KEPT_MS, Said, arranged, demand};
use crate::{background, zones};
use headroom_domain::calendar::{Effect, Event};
use headroom_domain::exhaustion::{Exhaustion, exhaustion};
use headroom_domain::forecast::daily::{Daily, daily};
use headroom_domain::forecast::events::{self, Earlier};
use headroom_domain::forecast::online::{
    self, Input, LEAD_HOURS, LEVELS, MEDIAN, MOST_HOURS, Memory, NINE_TENTHS, Outlook, accuracy, fleet_kappa, refresh,
};
use headroom_domain::reservation::ReservationKind;
use headroom_domain::scaling::{Base, Bounds, Choice, HEADROOM_DAYS, Ledger, Policy, choose, headroom, ledger};
use headroom_domain::series::floor;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::event;
use headroom_store::forecast::{self, HourSaid, Kept, New};
use headroom_store::pool::{self, CapacityStep, Pool};
use headroom_store::promise::Stored;
use headroom_store::scaling;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Pools of one look.
const BATCH: i64 = 16;
/// A run ends after this long and the next goes on: its lease must outlive it.
const RUN_FOR: Duration = Duration::from_secs(40);
/// A pool that is forecast for the first time gets forecasts of this many hours before, each from what was known then, so that its
/// accuracy can be told at once.
const REPLAYED_HOURS: i64 = 21 * 24;
/// Days whose choice and ledger are made afterwards for such a pool.
const REPLAYED_DAYS: i64 = 6;
/// Days back that are settled afterwards where no run did it in time.
const MOST_SETTLED: i64 = 7;
/// Days of minutes by which a day's policy is chosen.
const CHOICE_DAYS: i64 = 28;
/// Tags of events to come whose past before the usual weeks is looked at: the soonest.
const MOST_TAGS: usize = 8;
/// Earlier windows of a tag that are looked at.
const MOST_EARLIER: i64 = 5;
/// What is looked at beside such a window, to know what would have been.
const BESIDE_MS: Millis = 28 * DAY_MS;
/// Memories that say how much wider than its models a young pool's quantiles are.
const FLEET: i64 = 32;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Pools whose forecast was made.
    pub forecast: usize,
    /// Pools that another run was faster with.
    pub met: usize,
    /// Choices of a day that were made.
    pub chosen: usize,
    /// What is too old and was removed.
    pub forgotten: u64,
    /// Pools that could not be forecast.
    pub failed: usize,
}

/// What is read of several pools at once.
struct Facts {
    /// `None` before the first forecast.
    kept: Option<Kept>,
    arranged: Arranged,
}

/// All that the rules need of a pool.
struct Known {
    hour_ms: Millis,
    settings: Settings,
    seen_from_ms: Millis,
    memory: Memory,
    is_new: bool,
    kappa: f64,
    /// Peaks up to the running hour.
    peaks: Vec<f64>,
    days: Vec<f64>,
    events: Vec<Event>,
    earlier: Vec<Earlier>,
    offset_hours: i64,
    steps: Vec<CapacityStep>,
    promises: Vec<Stored>,
    /// What was foreseen before, of the time of the minutes and of the next two hours; none without minutes.
    hours: Vec<HourSaid>,
    /// The day's choice, if it was made.
    chosen: Option<(i64, Choice)>,
    /// Minutes up to the running hour, as far back as [`minutes_from`] says.
    minutes: Vec<f64>,
    minutes_from_ms: Millis,
}

/// All that they say.
struct Told {
    said: Said,
    memory: Memory,
    seen_from_ms: Millis,
    full_at_ms: Option<Millis>,
    hours: Vec<HourSaid>,
    choices: Vec<(i64, Choice)>,
    ledgers: Vec<(i64, Ledger)>,
}

impl App {
    /// Forecasts what is due, in batches, until nothing is or the run took long enough.
    pub(crate) async fn refresh_forecasts(&self) -> Result<Refreshed> {
        let app = self.clone();
        // One at a time, on a thread that gives way to pages and claims.
        background::drive("forecasting", async move { app.refresh_pools().await }).await?
    }

    async fn refresh_pools(&self) -> Result<Refreshed> {
        let mut done = Refreshed::default();
        let began = Instant::now();
        let mut kappa = None;
        // Pools that cannot be foreseen are passed by for the rest of the run, so that those behind them have their turn.
        let mut failed = Vec::new();
        'batches: loop {
            let (now, due) = {
                let mut conn = self.db.jobs.acquire().await?;
                let now = headroom_store::now(&mut conn).await?;
                (now, forecast::due(&mut conn, demand::running_hour(now), &failed, BATCH).await?)
            };
            if due.is_empty() {
                break;
            }
            let kappa = match kappa {
                Some(kappa) => kappa,
                None => {
                    let all = forecast::memories(&mut *self.db.jobs.acquire().await?, FLEET).await?;
                    *kappa.insert(fleet_kappa(all.iter()))
                }
            };
            let before = (done.forecast, failed.len());
            let hour_ms = demand::running_hour(now);
            let mut started = Instant::now();
            let mut facts = match self.facts(&due, hour_ms).await {
                Ok(facts) => facts,
                Err(error) => {
                    // Each is read for itself below, and whose fault it is, is told there.
                    tracing::debug!(%error, "not all of these pools can be read");
                    BTreeMap::new()
                }
            };
            for pool in due {
                // One pool that cannot be foreseen keeps no other one from it.
                if let Err(error) = self.refresh_pool(pool, facts.remove(&pool), hour_ms, kappa, &mut done).await {
                    tracing::warn!(pool, %error, "no forecast of this pool");
                    failed.push(pool);
                }
                background::rest(started.elapsed()).await;
                started = Instant::now();
                if began.elapsed() > RUN_FOR {
                    break 'batches;
                }
            }
            if (done.forecast, failed.len()) == before {
                // Another run is at the same pools.
                break;
            }
        }
        done.failed = failed.len();
        let mut conn = self.db.jobs.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        done.forgotten = forecast::forget(&mut conn, now - KEPT_MS).await?;
        done.forgotten += scaling::forget(&mut conn, now - LEDGER_KEPT_MS).await?;
        Ok(done)
    }

    async fn refresh_pool(
        &self,
        pool: i32,
        facts: Option<Facts>,
        hour_ms: Millis,
        kappa: f64,
        done: &mut Refreshed,
    ) -> Result<()> {
        let facts = match facts {
            Some(facts) => Some(facts),
            None => self.facts(&[pool], hour_ms).await?.remove(&pool),
        };
        // It may be gone.
        let Some(facts) = facts else { return Ok(()) };
        let known = self.know(facts, hour_ms, kappa).await?;
        let told = background::caught("the forecast of a pool", || tell(known))?;
        let mut tx = self.db.jobs.begin().await?;
        // Claims wait while the log is flushed, and a forecast is long. The run's own end is flushed, and with it all before it: until
        // then whatever a power cut takes is due again.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        let days = match told.said.exhaustion {
            Exhaustion::AlreadyFull => (Some(0), Some(0)),
            Exhaustion::Within { p50, p90 } => (p50, p90),
            Exhaustion::TooLittleHistory | Exhaustion::NotWithin { .. } => (None, None),
        };
        let new = New {
            pool,
            hour_ms,
            seen_from_ms: told.seen_from_ms,
            memory: &told.memory,
            said: &told.said,
            is_known: !matches!(told.said.exhaustion, Exhaustion::TooLittleHistory),
            p50_days: days.0,
            p90_days: days.1,
            full_at_ms: told.full_at_ms,
            lead: lead(&told.said.outlook),
            within_permille: told.said.accuracy.coverage_95.map(|within| (within * 1e3).round() as u32),
            left_band: told.said.accuracy.left_band,
        };
        if !forecast::put(&mut tx, &new).await? {
            done.met += 1;
            return Ok(());
        }
        forecast::put_hours(&mut tx, pool, &told.hours).await?;
        for (day, choice) in &told.choices {
            scaling::put_choice(&mut tx, pool, *day, choice).await?;
        }
        for (day, ledger) in &told.ledgers {
            scaling::put_ledger(&mut tx, pool, *day, ledger).await?;
        }
        tx.commit().await?;
        done.forecast += 1;
        done.chosen += told.choices.len();
        Ok(())
    }

    /// What is read of several pools at once, by key; those that are gone are left out.
    async fn facts(&self, keys: &[i32], hour_ms: Millis) -> Result<BTreeMap<i32, Facts>> {
        let mut conn = self.db.jobs.acquire().await?;
        let conn = &mut *conn;
        // From the days on that are yet to be settled.
        let from = floor(hour_ms, DAY_MS) - MOST_SETTLED * DAY_MS;
        let found = arranged(conn, keys, from, hour_ms + HORIZON_DAYS as i64 * DAY_MS).await?;
        let mut kept = forecast::kept(conn, keys).await?;
        let facts = |arranged: Arranged| (arranged.pool.key, Facts { kept: kept.remove(&arranged.pool.key), arranged });
        Ok(found.into_iter().map(facts).collect())
    }

    async fn know(&self, facts: Facts, hour_ms: Millis, kappa: f64) -> Result<Known> {
        let mut conn = self.db.jobs.acquire().await?;
        let conn = &mut *conn;
        let Facts { kept, arranged: Arranged { pool, policy, choice, steps, promises } } = facts;
        let key = pool.key;
        let is_new = kept.is_none();
        let back = MOST_HOURS as i64 + if is_new { REPLAYED_HOURS } else { 0 };
        let today_ms = floor(hour_ms, DAY_MS);
        let minutes_from_ms = minutes_from(hour_ms, choice.as_ref(), is_new);
        let (seen_from_ms, memory) = kept.map_or((hour_ms, Memory::default()), |kept| (kept.seen_from_ms, kept.memory));
        let events = super::events(conn, key, hour_ms - back * HOUR_MS, hour_ms + HORIZON_DAYS as i64 * DAY_MS).await?;
        let (hours, minutes) = match minutes_from_ms {
            None => (Vec::new(), Vec::new()),
            Some(from) => (
                forecast::hours(conn, key, from, hour_ms + 2 * HOUR_MS).await?,
                demand::minutes(conn, key, from, hour_ms).await?,
            ),
        };
        Ok(Known {
            hour_ms,
            settings: policy.settings.unwrap_or_else(|| Settings::usual(&pool)),
            seen_from_ms,
            memory,
            is_new,
            kappa,
            peaks: demand::hours(conn, key, hour_ms - back * HOUR_MS, hour_ms).await?,
            days: demand::days(conn, key, today_ms - 400 * DAY_MS, today_ms).await?,
            earlier: earlier(conn, key, &events, hour_ms).await?,
            events,
            offset_hours: offset_hours(&pool, hour_ms),
            steps,
            promises,
            hours,
            chosen: choice,
            minutes,
            minutes_from_ms: minutes_from_ms.unwrap_or(hour_ms),
        })
    }
}

/// From when on minutes are needed; `None` if none are. A day's choice looks at weeks, and so does what settles the days before; in
/// the other hours of the day only a policy that adds what it fell short by looks back.
fn minutes_from(hour_ms: Millis, chosen: Option<&(i64, Choice)>, is_new: bool) -> Option<Millis> {
    let today = hour_ms.div_euclid(DAY_MS);
    match chosen {
        Some((day, choice)) if *day >= today => match choice.policy {
            Policy::Headroom { .. } => Some(hour_ms - HEADROOM_DAYS as Millis * DAY_MS),
            Policy::Follow { .. } | Policy::Foresee { .. } => None,
        },
        _ => Some((today - CHOICE_DAYS - if is_new { REPLAYED_DAYS } else { 0 }) * DAY_MS),
    }
}

/// What tags of events that are to come and are to be learnt did before the hours that are looked at.
async fn earlier(conn: &mut sqlx::PgConnection, pool: i32, events: &[Event], hour_ms: Millis) -> Result<Vec<Earlier>> {
    let to_ms = hour_ms + HORIZON_HOURS as Millis * HOUR_MS;
    let is_ahead = |event: &&Event| event.effect == Effect::Learn && event.end_ms > hour_ms && event.start_ms < to_ms;
    let mut tags: BTreeSet<&str> = BTreeSet::new();
    for event in events.iter().filter(is_ahead) {
        if tags.len() < MOST_TAGS {
            tags.insert(event.tag.as_str());
        }
    }
    let first_ms = hour_ms - MOST_HOURS as Millis * HOUR_MS;
    let mut earlier = Vec::new();
    for tag in tags {
        for event in event::before(conn, pool, tag, first_ms, MOST_EARLIER).await? {
            let (from, to) =
                (floor(event.start_ms - BESIDE_MS, HOUR_MS), floor(event.end_ms.min(first_ms) + BESIDE_MS, HOUR_MS));
            let peaks = demand::hours(conn, pool, from, to).await?;
            let beside = super::events(conn, pool, from, to).await?;
            let ratio = events::ratio(&event, &beside, &peaks, from.div_euclid(HOUR_MS));
            earlier.extend(ratio.map(|ratio| Earlier { tag: tag.to_owned(), ratio }));
        }
    }
    Ok(earlier)
}

/// Hours of a pool's zone ahead of UTC, rounded.
pub(super) fn offset_hours(pool: &Pool, at: Millis) -> i64 {
    let minutes = zones::slice(&pool.fields.zone, at, at).map_or(0, |zone| zone.offset_at(at).0);
    (i64::from(minutes) + 30).div_euclid(60)
}

/// Effective capacity at an instant, 0 before the first step.
pub(super) fn capacity_at(steps: &[CapacityStep], at: Millis) -> i64 {
    pool::step_at(steps, at).map_or(0, |step| i64::from(step.configured - step.planned_down).max(0))
}

/// The least effective capacity of a stretch: what falls short of it for an hour is full.
pub(super) fn capacity_least(steps: &[CapacityStep], from: Millis, to: Millis) -> i64 {
    let within = steps.iter().filter(|step| (from + 1..to).contains(&step.from_ms));
    within.map(|step| capacity_at(steps, step.from_ms)).fold(capacity_at(steps, from), i64::min)
}

/// The most that is promised at once within stretches of time, one after the other. The time before a start in which its slots are kept
/// free counts, as it does where promises are checked against each other.
pub(super) fn promised(promises: &[Stored], from: Millis, stretch_ms: Millis, count: usize) -> Vec<i64> {
    let to = from + count as Millis * stretch_ms;
    // What begins and ends, in the order of time; at the same instant what ends goes first.
    let mut edges: Vec<(Millis, i64)> = Vec::new();
    for one in promises.iter().filter(|one| one.kind == ReservationKind::Guaranteed) {
        let (start, end) = (one.reservation.from_ms.max(from), one.reservation.to_ms.unwrap_or(to).min(to));
        if start < end {
            edges.extend([(start, one.reservation.baseline), (end, -one.reservation.baseline)]);
        }
    }
    edges.sort_unstable();
    let (mut most, mut at_once) = (vec![0_i64; count], 0_i64);
    let mut edges = edges.into_iter().peekable();
    for (place, most) in most.iter_mut().enumerate() {
        let (start, end) = (from + place as Millis * stretch_ms, from + (place as Millis + 1) * stretch_ms);
        while let Some((_, slots)) = edges.next_if(|(at, _)| *at <= start) {
            at_once += slots;
        }
        *most = at_once;
        while let Some((_, slots)) = edges.next_if(|(at, _)| *at < end) {
            at_once += slots;
            *most = (*most).max(at_once);
        }
    }
    most
}

/// The first hour of those foreseen in which one of ten futures, or what is promised, takes more than there is. Of the hour that runs
/// the capacity of now counts: what was added since it began is there.
pub(super) fn full_at(outlook: &Outlook, steps: &[CapacityStep], promises: &[Stored], now: Millis) -> Option<Millis> {
    let from = outlook.from_hour * HOUR_MS;
    let promised = promised(promises, from, HOUR_MS, HORIZON_HOURS);
    let wanted = outlook.quantiles.get(NINE_TENTHS)?;
    wanted.iter().zip(promised).enumerate().find_map(|(hour, (wanted, promised))| {
        let at = from + hour as Millis * HOUR_MS;
        let capacity = capacity_at(steps, at.max(now));
        (wanted.max(promised as f64) > capacity as f64).then_some(at)
    })
}

fn tell(mut known: Known) -> Told {
    let hour = known.hour_ms / HOUR_MS;
    let first_hour = hour - known.peaks.len() as i64;
    let mut hours = Vec::new();
    let mut refreshed = |memory: &mut Memory, at: i64, horizon: usize| {
        let upto = (at - first_hour).clamp(0, known.peaks.len() as i64) as usize;
        let input = Input {
            now_hour: at,
            peaks: &known.peaks[upto.saturating_sub(MOST_HOURS)..upto],
            events: &known.events,
            earlier: &known.earlier,
            offset_hours: known.offset_hours,
            horizon,
            kappa: known.kappa,
        };
        let outlook = refresh(memory, &input);
        if let Some(said) = at_lead(&outlook) {
            hours.push(said);
        }
        outlook
    };
    if known.is_new {
        let known_from = known.peaks.iter().position(|peak| peak.is_finite()).map(|place| first_hour + place as i64);
        let from = (hour - REPLAYED_HOURS).max(known_from.map_or(hour, |first| first + 24));
        for at in from..hour {
            refreshed(&mut known.memory, at, LEAD_HOURS);
        }
    }
    let outlook = shortened(refreshed(&mut known.memory, hour, HORIZON_HOURS));
    let recent = &known.peaks[known.peaks.len().saturating_sub(MOST_HOURS)..];
    let known_hours = recent.iter().filter(|peak| peak.is_finite()).count();
    known.hours.extend(hours.iter().cloned());
    let medians = Medians { hours: &known.hours };

    let today = known.hour_ms.div_euclid(DAY_MS);
    let (mut choices, mut ledgers) = (Vec::new(), Vec::new());
    let mut chosen = known.chosen.take();
    let first = if known.is_new { today - REPLAYED_DAYS } else { today };
    for day in first..=today {
        if chosen.as_ref().is_some_and(|(of, _)| *of >= day) {
            continue;
        }
        // What the day before took is settled with what was chosen for it; so are days since then in which no run chose anew.
        if let Some((of, choice)) = &chosen {
            let policy = known.settings.policy(Some(choice.policy));
            for of in (*of).max(day - MOST_SETTLED)..day {
                ledgers.extend(settle(&known, &medians, of, &policy).map(|ledger| (of, ledger)));
            }
        }
        let choice = choose(known.minutes_between(day - CHOICE_DAYS, day), &medians.days(day - CHOICE_DAYS, day));
        choices.push((day, choice.clone()));
        chosen = Some((day, choice));
    }
    let policy = chosen.map(|(_, choice)| choice.policy).unwrap_or_default();

    let tomorrow_ms = (today + 1) * DAY_MS;
    // Its days begin with the one that runs, which is over in part: when the pool is full is told from tomorrow on.
    let daily = daily(&known.days, HORIZON_DAYS + 1);
    let day_ms = |day: i64| tomorrow_ms + day * DAY_MS;
    let capacity: Vec<i64> =
        (0..HORIZON_DAYS as i64).map(|day| capacity_least(&known.steps, day_ms(day), day_ms(day + 1))).collect();
    let reserved = promised(&known.promises, tomorrow_ms, DAY_MS, HORIZON_DAYS);
    let exhaustion = exhaustion(&daily.clone().after_first(), &capacity, &reserved);
    let running = medians.range(hour - HEADROOM_DAYS as i64 * 24 + 1, HEADROOM_DAYS as i64 * 24);
    let daily =
        Daily { median: rounded(daily.median), quantiles: daily.quantiles.into_iter().map(rounded).collect(), ..daily };
    let said = Said {
        accuracy: accuracy(&known.memory, recent, hour, known.offset_hours),
        headroom: headroom(&policy, &known.minutes, &running),
        daily,
        exhaustion,
        known_hours,
        outlook,
    };
    let full_at_ms = full_at(&said.outlook, &known.steps, &known.promises, known.hour_ms)
        .filter(|_| known_hours >= FEWEST_DAYS * 24);
    Told { said, full_at_ms, memory: known.memory, seen_from_ms: known.seen_from_ms, hours, choices, ledgers }
}

/// An outlook to a thousandth of a slot: what is kept, and read again by plans and pages, is half as long.
fn shortened(outlook: Outlook) -> Outlook {
    Outlook {
        median: rounded(outlook.median),
        quantiles: outlook.quantiles.into_iter().map(rounded).collect(),
        ..outlook
    }
}

fn rounded(mut slots: Vec<f64>) -> Vec<f64> {
    for slots in &mut slots {
        *slots = (*slots * 1e3).round() / 1e3;
    }
    slots
}

/// Median and 0.95 quantile of the hour that plans rest on.
fn lead(outlook: &Outlook) -> Option<(f64, f64)> {
    let step = LEAD_HOURS - 1;
    Some((*outlook.median.get(step)?, *outlook.quantile(0.95).get(step)?))
}

/// What is said for the hour that a plan rests on.
fn at_lead(outlook: &Outlook) -> Option<HourSaid> {
    let step = LEAD_HOURS - 1;
    let levels: Vec<f64> = outlook.quantiles.iter().filter_map(|steps| steps.get(step)).copied().collect();
    let hour_ms = (outlook.from_hour + step as i64) * HOUR_MS;
    (levels.len() == LEVELS.len()).then_some(HourSaid { hour_ms, levels })
}

impl Known {
    /// Minutes of whole days since 1970, as far as there are any.
    fn minutes_between(&self, from_day: i64, to_day: i64) -> &[f64] {
        let place =
            |day: i64| ((day * DAY_MS - self.minutes_from_ms) / MINUTE_MS).clamp(0, self.minutes.len() as i64) as usize;
        let (from, to) = (place(from_day), place(to_day));
        // What is unknown in front is no history.
        let minutes = &self.minutes[from..to];
        let first = minutes.iter().position(|wanted| wanted.is_finite()).unwrap_or(minutes.len());
        &minutes[first / 1_440 * 1_440..]
    }
}

/// What was foreseen at the lead of plans.
struct Medians<'a> {
    hours: &'a [HourSaid],
}

impl Medians<'_> {
    fn levels(&self, hour: i64) -> Option<&[f64]> {
        let at = self.hours.binary_search_by_key(&(hour * HOUR_MS), |said| said.hour_ms).ok()?;
        Some(&self.hours[at].levels)
    }

    fn range(&self, first_hour: i64, count: i64) -> Vec<f64> {
        let median = |hour| self.levels(hour).and_then(|levels| levels.get(MEDIAN)).copied().unwrap_or(f64::NAN);
        (first_hour..first_hour + count).map(median).collect()
    }

    fn days(&self, from_day: i64, to_day: i64) -> Vec<f64> {
        self.range(from_day * 24, (to_day - from_day) * 24)
    }
}

/// What a day took, in fact and by the rules.
fn settle(known: &Known, medians: &Medians<'_>, day: i64, policy: &Policy) -> Option<Ledger> {
    let minutes = known.minutes_between(day - 15, day + 1);
    let whole = 1_440;
    let start = minutes.len().checked_sub(whole)?;
    if minutes[start..].iter().all(|wanted| wanted.is_nan()) {
        return None;
    }
    let actual: Vec<i64> =
        (0..whole as i64).map(|minute| capacity_at(&known.steps, day * DAY_MS + minute * MINUTE_MS)).collect();
    let provided = provided(minutes, medians, (day + 1) * 24 - (minutes.len() / 60) as i64, policy);
    let chosen: Vec<i64> = provided[start..].iter().map(|slots| slots.ceil() as i64).collect();
    // Whoever scales has to keep what is promised and what events ask for, within the pool's bounds.
    let promised = promised(&known.promises, day * DAY_MS, MINUTE_MS, whole);
    let floors: Vec<i64> = (0..24).map(|hour| events::floor_at(&known.events, day * 24 + hour).into()).collect();
    let floor = |minute: usize| floors.get(minute / 60).copied().unwrap_or(0).max(known.settings.least());
    let least: Vec<i64> = promised.iter().enumerate().map(|(minute, slots)| floor(minute).max(*slots)).collect();
    Some(ledger(minutes, &actual, &chosen, &Bounds { least: &least, most: known.settings.most() }))
}

/// What a policy would have provided in the last day of some minutes, which are whole hours from `first_hour` on; before that day,
/// what its base provides.
fn provided(minutes: &[f64], medians: &Medians<'_>, first_hour: i64, policy: &Policy) -> Vec<f64> {
    use headroom_domain::backtest::{base, shortfall};
    let hours = minutes.len() / 60;
    let expected = medians.range(first_hour, hours as i64);
    let follow = |percent: u32| base(Base::Follow { percent }, minutes, &expected);
    let mut slots = match policy {
        Policy::Follow { percent } => follow(*percent),
        Policy::Foresee { .. } => follow(100),
        Policy::Headroom { base: of, .. } => base(*of, minutes, &expected),
    };
    let plain = slots.clone();
    for hour in hours.saturating_sub(24)..hours {
        let within = hour * 60..((hour + 1) * 60).min(slots.len());
        match policy {
            Policy::Follow { .. } => {}
            Policy::Foresee { permille } => {
                let said = medians.levels(first_hour + hour as i64).map_or(0.0, |levels| level(levels, *permille));
                slots[within].iter_mut().for_each(|slots| *slots = slots.max(said));
            }
            Policy::Headroom { permille, is_factor, .. } => {
                let upto = hour * 60;
                let short = shortfall(&minutes[..upto], &plain[..upto], f64::from(*permille) / 1e3, *is_factor);
                for slots in &mut slots[within] {
                    *slots = match (short.is_finite(), is_factor) {
                        (false, _) => *slots,
                        (true, true) => *slots * short.max(1.0),
                        (true, false) => *slots + short.max(0.0),
                    };
                }
            }
        }
    }
    slots
}

/// The quantile of a level, given those of the rules' levels: the next one above.
fn level(levels: &[f64], permille: u32) -> f64 {
    let wanted = f64::from(permille) / 1e3;
    let place = LEVELS.iter().position(|one| *one >= wanted - 1e-9).unwrap_or(LEVELS.len() - 1);
    levels.get(place).copied().unwrap_or(0.0)
}

/// An outlook without the hours that passed since it was made.
pub(super) fn from_hour(outlook: &Outlook, hour: i64) -> Outlook {
    let passed = (hour - outlook.from_hour).clamp(0, outlook.marks.len() as i64) as usize;
    let cut = |values: &[f64]| values.get(passed..).unwrap_or_default().to_vec();
    online::Outlook {
        from_hour: outlook.from_hour + passed as i64,
        median: cut(&outlook.median),
        quantiles: outlook.quantiles.iter().map(|steps| cut(steps)).collect(),
        marks: outlook.marks[passed..].to_vec(),
        floors: cut(&outlook.floors),
        engine: outlook.engine,
        basis: outlook.basis,
        confidence: outlook.confidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::reservation::Promise;
    use proptest::prelude::*;

    fn stored((from_ms, length, baseline, is_burst, is_lead): (Millis, Option<Millis>, i64, bool, bool)) -> Stored {
        Stored {
            id: uuid::Uuid::nil(),
            reservation: Promise {
                pool: 1,
                tenant: 1,
                from_ms,
                to_ms: length.map(|length| from_ms + length),
                baseline,
                ceiling: None,
                lending_limit: None,
                borrowing_limit: None,
            },
            kind: if is_burst { ReservationKind::Burst } else { ReservationKind::Guaranteed },
            note: String::new(),
            is_lead,
            priority: None,
        }
    }

    /// A day that is settled in the tests.
    const DAY: i64 = 20_000;

    /// A pool that wants 10 slots at all times, in the first hour of the day after [`DAY`], with nothing foreseen.
    fn known(promises: Vec<Stored>, events: Vec<Event>, chosen: Option<(i64, Choice)>) -> Known {
        let days = CHOICE_DAYS as usize;
        Known {
            hour_ms: (DAY + 1) * DAY_MS,
            settings: Settings {
                min: 5,
                max: 45,
                basis: super::super::Basis::Forecast,
                level_permille: 950,
                lead_minutes: 10,
                hold_minutes: 0,
                band_percent: 5,
                least_change: 0,
                cooldown_minutes: 10,
            },
            seen_from_ms: 0,
            memory: Memory::default(),
            is_new: false,
            kappa: 1.3,
            peaks: vec![10.0; days * 24],
            days: vec![10.0; days],
            events,
            earlier: Vec::new(),
            offset_hours: 0,
            steps: vec![CapacityStep {
                from_ms: 0,
                configured: 60,
                planned_down: 0,
                reason: String::new(),
                actor: String::new(),
            }],
            promises,
            hours: Vec::new(),
            chosen,
            minutes: vec![10.0; days * 1_440],
            minutes_from_ms: (DAY + 1 - CHOICE_DAYS) * DAY_MS,
        }
    }

    #[test]
    fn a_day_is_settled_with_what_every_rule_has_to_keep() {
        // 30 slots are promised from noon on, in part as time before a start, and 50 are asked for in two hours of the morning.
        let noon = DAY * DAY_MS + DAY_MS / 2;
        let promises = vec![
            stored((noon, Some(6 * HOUR_MS), 30, false, true)),
            stored((noon + 6 * HOUR_MS, None, 30, false, false)),
            stored((0, None, 99, true, false)),
        ];
        let at = |hour: i64| (DAY * 24 + hour) * HOUR_MS;
        let event = Event { start_ms: at(8), end_ms: at(10), tag: "sale".into(), effect: Effect::Floor { slots: 50 } };
        let found = known(promises, vec![event], None);
        let medians = Medians { hours: &found.hours };
        let settled = settle(&found, &medians, DAY, &Policy::Foresee { permille: 950 }).unwrap();
        // Ten hours at what following takes, two at the most of 45, twelve at 30.
        let hours = |followed: i64| 60 * (10 * followed + 2 * 45 + 12 * 30);
        assert_eq!((settled.chosen.slot_minutes, settled.reactive.slot_minutes), (hours(10), hours(14)));
        assert_eq!(settled.static_peak.map(|line| line.slot_minutes), Some(hours(10)));
        assert_eq!((settled.actual.slot_minutes, settled.chosen.violation_minutes), (60 * 1_440, 0));
    }

    #[test]
    fn days_without_a_run_are_settled_with_what_was_chosen_last_for_a_week_at_the_most() {
        let choice = choose(&[], &[]);
        let settled = |of: i64| {
            let told = tell(known(Vec::new(), Vec::new(), Some((of, choice.clone()))));
            assert_eq!(told.choices.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [DAY + 1]);
            told.ledgers
        };
        let days = |of: i64| settled(of).into_iter().map(|(day, _)| day).collect::<Vec<_>>();
        assert_eq!(days(DAY), [DAY]);
        assert_eq!(days(DAY - 2), [DAY - 2, DAY - 1, DAY]);
        assert_eq!(days(DAY - 30), (DAY - 6..=DAY).collect::<Vec<_>>());
        // The pool rests on the forecast whatever was chosen: 10 slots, where following at 75 % takes 14.
        let (_, ledger) = settled(DAY).pop().unwrap();
        assert_eq!((ledger.chosen.slot_minutes, ledger.reactive.slot_minutes), (10 * 1_440, 14 * 1_440));
    }

    #[test]
    fn minutes_are_read_as_far_back_as_the_hour_looks() {
        let (day, hour_ms) = (DAY + 1, (DAY + 1) * DAY_MS + 7 * HOUR_MS);
        let chosen = |of: i64, policy: Policy| Some((of, Choice { policy, ..choose(&[], &[]) }));
        let added = Policy::Headroom { base: Base::Follow { percent: 100 }, permille: 950, is_factor: false };
        let follows = Policy::Follow { percent: 75 };
        // (chosen before, whether the pool is new, days back from the hour)
        let cases = [
            (chosen(day, follows), false, None),
            (chosen(day, Policy::Foresee { permille: 950 }), true, None),
            (chosen(day, added), false, Some(HEADROOM_DAYS as i64 * DAY_MS)),
            // Chosen for another day: the choice looks at weeks, whatever it was.
            (chosen(DAY, follows), false, Some(CHOICE_DAYS * DAY_MS + 7 * HOUR_MS)),
            (None, false, Some(CHOICE_DAYS * DAY_MS + 7 * HOUR_MS)),
            (None, true, Some((CHOICE_DAYS + REPLAYED_DAYS) * DAY_MS + 7 * HOUR_MS)),
        ];
        for (chosen, is_new, back) in cases {
            assert_eq!(
                minutes_from(hour_ms, chosen.as_ref(), is_new).map(|from| hour_ms - from),
                back,
                "{chosen:?}, {is_new}"
            );
        }
        // What is added is the same by what is read and by all that there is.
        let minutes: Vec<f64> = (0..CHOICE_DAYS * 1_440).map(|minute| 10.0 + (minute * 7_919 % 101) as f64).collect();
        let medians = vec![55.0; (CHOICE_DAYS * 24) as usize];
        let read = &minutes[minutes.len() - HEADROOM_DAYS * 1_440..];
        let (of_read, of_all) = (headroom(&added, read, &medians), headroom(&added, &minutes, &medians));
        assert!(of_read > 0.0 && of_read.to_bits() == of_all.to_bits(), "{of_read}, {of_all}");
    }

    proptest! {
        #[test]
        fn the_most_that_is_promised_at_once_is_that_of_some_instant(
            promises in prop::collection::vec((-20_i64..60, prop::option::of(1_i64..40), 1_i64..9, any::<bool>(), any::<bool>()), 0..12),
            from in -10_i64..20,
            stretch in 1_i64..7,
        ) {
            let stored: Vec<Stored> = promises.iter().copied().map(stored).collect();
            let found = promised(&stored, from, stretch, 6);
            let at_once = |at: Millis| {
                let holds = stored.iter().filter(|one| one.kind == ReservationKind::Guaranteed).filter(|one| {
                    one.reservation.from_ms <= at && one.reservation.to_ms.is_none_or(|to| to > at)
                });
                holds.map(|one| one.reservation.baseline).sum::<i64>()
            };
            for (place, most) in (0..).zip(found) {
                let instants = from + place * stretch..from + (place + 1) * stretch;
                prop_assert_eq!(Some(most), instants.map(at_once).max());
            }
        }
    }
}
