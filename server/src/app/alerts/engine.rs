//! One round of the engine: for each pool, in one transaction at one watermark, everything is judged, what explains what is
//! decided, and what is to be told is written down.
//!
//! A pool's mark moves in the transaction that writes what was judged, from where it was read: any number of servers may run a
//! round, and each watermark is judged once. Pools of which there is nothing to say are written together.

use super::super::Result;
use super::collect::{self, Collected, MINUTES_KEPT_MS};
use super::context::Context;
use super::{silence, tell};
use crate::db::Db;
use headroom_domain::alert::episode::{Alert, Condition};
use headroom_domain::alert::facts::Facts;
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::inhibit::{self, Firing};
use headroom_domain::alert::lanes::{Timing, Verdicts};
use headroom_domain::alert::replay::BurnRule;
use headroom_domain::alert::rule::{Subject, TENANT_LEAST_TOTAL};
use headroom_domain::alert::slo::{Sli, exceeds};
use headroom_domain::alert::tally::{SeriesKey, Tally, WHOLE};
use headroom_domain::alert::watch::{Foreseen, Honesty, Minute, Silent, Usual, View, Watch};
use headroom_domain::alert::window::{Counts, SLICE_MS, Truth, Window};
use headroom_domain::failure::What;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};
use headroom_store::alert::{self, Event, Row};
use headroom_store::alert_rule::Stored;
use headroom_store::partition::{self, Cut};
use headroom_store::sli::{self, Mark};
use headroom_store::{change, finding, forecast, ingest, live, notification, owner, pool, quota};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A slice is judged so long after its end: samples need some time to get here.
pub const INGEST_DELAY_MS: Millis = 15_000;
/// Watermarks that were missed are judged one after the other, so many of the newest.
const CATCH_UP: i64 = 60;
/// Pools of one look.
const POOLS: usize = 200;
/// After a scale, a rebalance or a deployment, tickets of a pool wait for so long.
const HELD_MS: Millis = 180_000;
/// What is explained by another alert is told when that one has been over for so long.
const UNEXPLAINED_MS: Millis = 60_000;
/// A clock that goes back by more than this stops the engine.
const BACKWARDS_MS: Millis = 5_000;
/// Claims fail in a pool when at least this part of them does, of at least so many in five minutes.
const FAILING_OVER: Fraction = Fraction::of(1, 20);
const FAILING_LEAST: u64 = 20;
/// Fewer leaks in an hour say nothing about when the pool is full of them.
const LEAST_LEAKS: u64 = 5;
/// A pool that sends nothing for so long is silent.
const SILENT_MS: Millis = 5 * MINUTE_MS;
/// A forecast that is older says nothing any more.
const FORECAST_MS: Millis = 3 * HOUR_MS;
/// Weeks of the same hour from which the usual is taken.
const USUAL_WEEKS: i64 = 4;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rounded {
    /// Pools that were judged.
    pub pools: usize,
    /// Alerts that changed.
    pub changed: usize,
}

/// What a rule says of a pool or a tenant at an instant.
#[derive(Debug, Clone)]
pub struct Said {
    rule: usize,
    tenant: i32,
    verdicts: Verdicts,
    facts: Facts,
}

/// Everything that is said of a pool, by instant, and whether the minute before that was seen.
type Judgement = Vec<(Millis, bool, Vec<Said>)>;

/// One round.
pub async fn round(db: &Db) -> Result<Rounded> {
    let mut conn = db.jobs.acquire().await?;
    let conn = &mut *conn;
    let began = crate::clock::now_ms();
    let now = headroom_store::now(conn).await?;
    let last = sli::round(conn).await?;
    if last.at.is_some_and(|at| now < at - BACKWARDS_MS) {
        // Whoever watches the watermark sees that it does not move.
        tracing::error!(now, last = ?last.at, "the database's clock went back, nothing is judged until it is where it was");
        return Ok(Rounded::default());
    }
    let watermark = (now - INGEST_DELAY_MS).div_euclid(SLICE_MS) * SLICE_MS;
    let is_judged = last.watermark == Some(watermark);
    let sent_again = match last.at {
        Some(at) if is_judged => sli::changed_since(conn, at).await?,
        _ => BTreeSet::new(),
    };
    // Most of the time there is nothing to do, and nothing else is read to know it.
    if is_judged && sent_again.is_empty() {
        return Ok(Rounded::default());
    }
    let tracked = owner::tracked(conn).await?;
    let context = Context::read(conn, &tracked).await?;
    let all: Vec<i32> = context.pools.keys().copied().collect();
    let marks = sli::marks(conn, &all).await?;
    let due: Vec<i32> = all
        .iter()
        .copied()
        .filter(|pool| marks.get(pool).is_none_or(|mark| mark.watermark < watermark) || sent_again.contains(pool))
        .collect();
    {
        let mut tx = db.jobs.begin().await?;
        partition::ensure(&mut tx, Cut::Counts, watermark - MINUTES_KEPT_MS, watermark + DAY_MS).await?;
        tx.commit().await?;
    }
    // What is everywhere is judged first: it explains what single pools say.
    let failing = failing(conn, &tracked, watermark).await?;
    let mut done = Rounded { pools: due.len(), changed: 0 };
    // Of pools that are not looked at in this round nobody knows whether they are silent.
    let silent = if due.len() == all.len() { Some(silent(conn, &context, &marks, watermark).await?) } else { None };
    let whole = Whole { failing: Some(failing), silent, ..Whole::default() };
    done.changed += system(db, &context, watermark, whole).await?;
    done.changed += forget_pools(db, &context, watermark).await?;
    let shared = Shared::read(conn, &context, watermark).await?;
    for some in due.chunks(POOLS) {
        done.changed += pools(db, &context, &shared, &marks, some, watermark).await?;
    }
    let behind = sli::oldest_mark(conn).await?.map_or(0, |oldest| (watermark - oldest) / SLICE_MS);
    let dead = notification::dead_pages(conn).await?;
    let skews = Some(skews(conn).await?);
    let whole = Whole { behind: Some(behind), dead: Some(dead), skews, ..Whole::default() };
    done.changed += system(db, &context, watermark, whole).await?;
    let took = crate::clock::now_ms() - began;
    sli::set_round(
        conn,
        watermark,
        i32::try_from(took).unwrap_or(i32::MAX),
        i32::try_from(all.len()).unwrap_or(i32::MAX),
    )
    .await?;
    Ok(done)
}

/// Alerts of pools that were archived are over: nobody judges them any more.
async fn forget_pools(db: &Db, context: &Context, watermark: Millis) -> Result<usize> {
    let mut tx = db.jobs.begin().await?;
    let open = alert::pools_with_open(&mut tx).await?;
    let gone: Vec<i32> = open.into_iter().filter(|pool| !context.pools.contains_key(pool)).collect();
    let mut rows = if gone.is_empty() { Vec::new() } else { alert::lock_open(&mut tx, Some(&gone)).await? };
    for row in &mut rows {
        let effects = row.alert.forget(watermark);
        tell::write(&mut tx, context, row, &effects, context.now).await?;
        alert::put(&mut tx, row, None).await?;
    }
    tx.commit().await?;
    Ok(rows.len())
}

/// By how much the clocks of sources seem to differ from ours. A batch comes after its newest sample, by up to the time that the
/// sample is about: only what goes beyond is counted.
async fn skews(conn: &mut PgConnection) -> Result<Vec<(String, Millis)>> {
    let usual = pool::longest_feed(conn).await?.map_or(MINUTE_MS, Millis::from);
    let lag = |ms: Millis| if ms < 0 { ms } else { (ms - usual).max(0) };
    Ok(ingest::skews(conn).await?.into_iter().map(|(name, ms)| (name, lag(ms))).collect())
}

/// How many of the pools that should send something are silent. Most of the time the last round's marks tell: only where they
/// say that many may be silent is looked at what came since.
async fn silent(
    conn: &mut PgConnection,
    context: &Context,
    marks: &BTreeMap<i32, Mark>,
    watermark: Millis,
) -> Result<Silent> {
    let is_silent = |pool: i32, seen: Millis| {
        let feed_ms = context.pools.get(&pool).and_then(|meta| meta.feed_ms);
        feed_ms.is_some_and(|feed_ms| watermark - seen >= Watch::silence_ms(SILENT_MS, feed_ms))
    };
    let is_fed = |pool: &i32| context.pools.get(pool).is_some_and(|meta| meta.feed_ms.is_some());
    let fed: Vec<&Mark> = marks.values().filter(|mark| is_fed(&mark.pool) && mark.seen.is_some()).collect();
    let quiet: Vec<i32> = fed
        .iter()
        .filter(|mark| mark.seen.is_some_and(|seen| is_silent(mark.pool, seen)))
        .map(|mark| mark.pool)
        .collect();
    let mut found = Silent { fed: fed.len() as u64, silent: quiet.len() as u64 };
    let may_be_widespread = context.rules.iter().any(|rule| match &rule.rule.subject {
        Subject::Watch { watch: Watch::IngestDown { over } } => rule.mode != "off" && found.is_widespread(*over),
        _ => false,
    });
    if may_be_widespread {
        found.silent = 0;
        for some in quiet.chunks(POOLS) {
            let collected = collect::collect(conn, some, marks, watermark).await?;
            let silent = |of: &&Collected| of.mark.seen.is_some_and(|seen| is_silent(of.mark.pool, seen));
            found.silent += collected.values().filter(silent).count() as u64;
        }
    }
    Ok(found)
}

/// How many pools refuse claims for no want of room.
async fn failing(conn: &mut PgConnection, tracked: &[i32], watermark: Millis) -> Result<u64> {
    let counts = live::counts(conn, tracked, watermark - 5 * MINUTE_MS, watermark).await?;
    let mut by_pool: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    for ((pool, _), of) in counts {
        let sum = by_pool.entry(pool).or_default();
        *sum = (sum.0 + of.failed, sum.1 + of.served + of.failed);
    }
    let fails = |(failed, attempts): &&(u64, u64)| Watch::is_failing(*failed, *attempts, FAILING_OVER, FAILING_LEAST);
    Ok(by_pool.values().filter(fails).count() as u64)
}

/// What all pools have in common.
struct Shared {
    findings: HashMap<i32, Vec<What>>,
    quotas: BTreeMap<i32, BTreeMap<i32, i64>>,
    /// What forecasts say that are not old.
    foreseen: BTreeMap<i32, Foreseen>,
    honesty: BTreeMap<i32, Honesty>,
    /// Pools that changed a moment ago; `None` = all of them.
    changed: Option<BTreeSet<i32>>,
    /// Pools with an alert that is not over.
    open: BTreeSet<i32>,
    /// Pools with a page that fires.
    pages: BTreeSet<i32>,
    /// Alerts about Headroom itself, some of which explain those of pools.
    system: Vec<Row>,
    windows: BTreeSet<Millis>,
    baseline: bool,
}

impl Shared {
    async fn read(conn: &mut PgConnection, context: &Context, watermark: Millis) -> Result<Self> {
        let keys: Vec<i32> = context.pools.keys().copied().collect();
        let mut findings: HashMap<i32, Vec<What>> = HashMap::new();
        for found in finding::open(conn, &keys).await? {
            if let Some(pool) = found.seen.pool.filter(|_| found.absent_ms.is_none()) {
                findings.entry(pool).or_default().push(found.seen.what);
            }
        }
        let mut quotas: BTreeMap<i32, BTreeMap<i32, i64>> = BTreeMap::new();
        for ((pool, tenant), quota) in quota::list(conn, None, None).await? {
            quotas.entry(pool).or_default().insert(tenant, quota.slots.into());
        }
        let fresh =
            forecast::full_in(conn, None).await?.into_iter().filter(|(_, full)| watermark - full.hour_ms < FORECAST_MS);
        let fresh: Vec<_> = fresh.collect();
        let honesty = fresh
            .iter()
            .filter_map(|(pool, full)| {
                let within_permille = full.within_permille?;
                Some((*pool, Honesty { within_permille, is_off: full.left_band }))
            })
            .collect();
        let foreseen = fresh
            .into_iter()
            .map(|(pool, full)| (pool, full.full_at_ms.map_or(Foreseen::NotFull, Foreseen::FullAt)))
            .collect();
        let mut changed = Some(BTreeSet::new());
        for change in change::list(conn, None, watermark - HELD_MS, context.now + 1, 1_000).await? {
            match (change.pool, &mut changed) {
                (Some(pool), Some(pools)) => drop(pools.insert(pool)),
                _ => changed = None,
            }
        }
        let mut windows = BTreeSet::from([5 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS]);
        let mut baseline = false;
        for rule in context.rules.iter().filter(|rule| rule.mode != "off") {
            match &rule.rule.subject {
                Subject::Burn { tiers, .. } => {
                    windows.extend(tiers.iter().flat_map(|tier| &tier.all).map(|part| part.window_ms));
                }
                Subject::Watch { watch } => baseline |= matches!(watch, Watch::Baseline { .. }),
            }
        }
        let system = alert::list_open_system(conn).await?;
        Ok(Self {
            findings,
            quotas,
            foreseen,
            honesty,
            changed,
            open: alert::pools_with_open(conn).await?.into_iter().collect(),
            pages: alert::pools_with_page(conn).await?.into_iter().collect(),
            system: system.into_iter().filter(|row| row.alert.is_active()).collect(),
            windows,
            baseline,
        })
    }

    fn is_held(&self, pool: i32) -> bool {
        self.changed.as_ref().is_none_or(|pools| pools.contains(&pool))
    }
}

/// Counts of some pools as of the beginnings of windows.
struct Past {
    tallies: HashMap<(i32, Millis), Tally>,
    usual: HashMap<(i32, Millis), Tally>,
}

impl Past {
    async fn read(
        conn: &mut PgConnection,
        shared: &Shared,
        pools: &BTreeMap<i32, Collected>,
        instants: &BTreeSet<Millis>,
        watermark: Millis,
    ) -> Result<Self> {
        let keys: Vec<i32> = pools.keys().copied().collect();
        let (mut minutes, mut hours) = (BTreeSet::new(), BTreeSet::new());
        for at in instants {
            for window in &shared.windows {
                let start = at - window;
                if start > watermark - MINUTES_KEPT_MS {
                    minutes.insert(start);
                } else {
                    hours.insert(start - start.rem_euclid(HOUR_MS));
                }
            }
        }
        let mut tallies = HashMap::new();
        let minutes: Vec<Millis> = minutes.into_iter().collect();
        for (pool, at, tally) in sli::minutes(conn, &keys, &minutes).await? {
            tallies.insert((pool, at), tally);
        }
        for hour in hours {
            for (pool, at, tally) in sli::hours(conn, &keys, hour, hour).await? {
                tallies.insert((pool, at), tally);
            }
        }
        let mut usual = HashMap::new();
        if shared.baseline {
            for week in 1..=USUAL_WEEKS {
                let hour = (watermark - week * 7 * DAY_MS).div_euclid(HOUR_MS) * HOUR_MS;
                for (pool, at, tally) in sli::hours(conn, &keys, hour, hour + HOUR_MS).await? {
                    usual.insert((pool, at), tally);
                }
            }
        }
        for (pool, collected) in pools {
            for (at, tally) in &collected.fresh {
                tallies.insert((*pool, *at), tally.clone());
            }
            tallies.insert((*pool, collected.mark.watermark), collected.tally.clone());
        }
        Ok(Self { tallies, usual })
    }

    /// The window of a series that ends at an instant.
    fn window(&self, mark: &Mark, key: SeriesKey, at: Millis, window_ms: Millis) -> Window {
        let Some(end) = self.tallies.get(&(mark.pool, at)) else {
            return Window { expected: 0, counts: Counts::default() };
        };
        let start = at - window_ms;
        if start <= mark.born {
            return end.window(key, None, start, at);
        }
        // What is older than the minutes that are kept begins on an hour: the window is longer by less than that.
        let start = if start > mark.watermark - MINUTES_KEPT_MS { start } else { start - start.rem_euclid(HOUR_MS) };
        match self.tallies.get(&(mark.pool, start)) {
            Some(tally) => end.window(key, Some(tally), start, at),
            // Its beginning is lost: it is expected, and nothing of it is known.
            None => Window { counts: Counts::default(), ..end.window(key, None, start, at) },
        }
    }

    /// Rejections and claims in the hours of the last weeks that were like this one.
    fn usual(&self, pool: i32, key: SeriesKey, at: Millis) -> Option<(u64, u64)> {
        let mut hours: Vec<(u64, u64)> = Vec::new();
        for week in 1..=USUAL_WEEKS {
            let start = (at - week * 7 * DAY_MS).div_euclid(HOUR_MS) * HOUR_MS;
            let (from, to) = (self.usual.get(&(pool, start))?, self.usual.get(&(pool, start + HOUR_MS))?);
            let counts = to.counts(key) - from.counts(key);
            if counts.total > 0 {
                hours.push((counts.bad, counts.total));
            }
        }
        // The median by share: the lower one of an even number.
        hours.sort_by(|a, b| (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1))));
        hours.get(hours.len().checked_sub(1)? / 2).copied()
    }
}

async fn pools(
    db: &Db,
    context: &Context,
    shared: &Shared,
    marks: &BTreeMap<i32, Mark>,
    keys: &[i32],
    watermark: Millis,
) -> Result<usize> {
    let mut conn = db.jobs.acquire().await?;
    let mut collected = collect::collect(&mut conn, keys, marks, watermark).await?;
    let mut instants: BTreeSet<Millis> = BTreeSet::new();
    for pool in keys {
        instants.extend(watermarks(marks.get(pool), watermark));
    }
    let past = Past::read(&mut conn, shared, &collected, &instants, watermark).await?;
    drop(conn);
    let (mut quiet, mut changed) = (Vec::new(), 0);
    for pool in keys {
        let Some(of) = collected.remove(pool) else { continue };
        let is_open = shared.open.contains(pool);
        let judgement: Judgement = watermarks(marks.get(pool), watermark)
            .map(|at| {
                let is_seen = past.tallies.get(&(*pool, at)).is_some_and(|tally| tally.seen_ms() == Some(at));
                (at, is_seen, judge(context, shared, &past, &of, at, is_open))
            })
            .collect();
        let says = judgement.iter().any(|(.., said)| said.iter().any(|said| !tell::is_nothing(&said.verdicts)));
        if is_open || says {
            changed += active(db, context, shared, marks, of, judgement).await?;
        } else {
            quiet.push(of);
        }
    }
    write_quiet(db, marks, &quiet).await?;
    Ok(changed)
}

/// The instants to judge: those that were missed, and the watermark itself.
fn watermarks(mark: Option<&Mark>, watermark: Millis) -> impl Iterator<Item = Millis> + use<> {
    let from = mark.map_or(watermark, |mark| (mark.watermark + SLICE_MS).max(watermark - (CATCH_UP - 1) * SLICE_MS));
    let from = from.min(watermark);
    (0..=(watermark - from) / SLICE_MS).map(move |step| from + step * SLICE_MS)
}

async fn write_quiet(db: &Db, marks: &BTreeMap<i32, Mark>, quiet: &[Collected]) -> Result<()> {
    if quiet.is_empty() {
        return Ok(());
    }
    let mut tx = db.jobs.begin().await?;
    let moved: Vec<Mark> = quiet.iter().map(|of| of.mark).collect();
    let ours: BTreeSet<i32> = sli::advance(&mut tx, &moved, marks).await?.into_iter().collect();
    let tallies: Vec<(i32, Millis, &Tally)> = quiet
        .iter()
        .filter(|of| ours.contains(&of.mark.pool))
        .flat_map(|of| of.fresh.iter().map(|(at, tally)| (of.mark.pool, *at, tally)))
        .collect();
    put(&mut tx, &tallies).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes tallies where they belong: minutes only as far back as they are kept.
async fn put(conn: &mut PgConnection, tallies: &[(i32, Millis, &Tally)]) -> Result<()> {
    let newest = tallies.iter().map(|(_, at, _)| *at).max().unwrap_or_default();
    let (recent, old): (Vec<_>, Vec<_>) =
        tallies.iter().copied().partition(|(_, at, _)| *at > newest - MINUTES_KEPT_MS);
    sli::put(conn, &recent).await?;
    sli::put_hours(conn, &old).await?;
    Ok(())
}

/// What all rules say of a pool at an instant.
fn judge(context: &Context, shared: &Shared, past: &Past, of: &Collected, at: Millis, is_open: bool) -> Vec<Said> {
    let pool = of.mark.pool;
    let meta = &context.pools[&pool];
    let Some(tally) = past.tallies.get(&(pool, at)) else { return Vec::new() };
    let upto = of.minutes.len().saturating_sub(((of.mark.watermark - at) / MINUTE_MS) as usize);
    let minutes = &of.minutes[..upto];
    let window = |key: SeriesKey, ms: Millis| past.window(&of.mark, key, at, ms);
    let mut said = Vec::new();
    for (number, rule) in context.rules.iter().enumerate() {
        let is_for = rule.rule.pools.is_empty() || rule.rule.pools.contains(&meta.slug);
        if rule.mode == "off" || !is_for {
            continue;
        }
        match &rule.rule.subject {
            Subject::Burn { sli, tenants, .. } => {
                let Some(burn) = rule.rule.burn_rule(context.budgets.of(pool, *sli)) else { continue };
                let keys = tally.keys().map(|(key, _)| key).filter(|key| key.sli == *sli);
                for key in keys.filter(|key| key.tenant == WHOLE || *tenants) {
                    let verdict = burn_of(&burn, *sli, key, |ms| window(key, ms));
                    said.push(Said { rule: number, tenant: key.tenant, verdicts: verdict.0, facts: verdict.1 });
                }
            }
            Subject::Watch { watch } if !watch.is_of_system() => {
                let view = view(context, shared, past, of, tally, minutes, at, watch);
                for holds in watch.judge(&view) {
                    let mut verdicts = Verdicts::of(holds.lane, holds.truth);
                    verdicts.critical = watch.is_critical() && holds.truth == Truth::True;
                    let facts = Facts { says: holds.says, ..Facts::default() };
                    said.push(Said { rule: number, tenant: holds.tenant, verdicts, facts });
                }
            }
            Subject::Watch { .. } => {}
        }
    }
    if said.iter().any(|said| !tell::is_nothing(&said.verdicts)) || is_open {
        around(&mut said, minutes);
    }
    said
}

fn burn_of(burn: &BurnRule, sli: Sli, key: SeriesKey, window: impl Fn(Millis) -> Window) -> (Verdicts, Facts) {
    // Waste of a tenant is slot-time, and always plenty.
    let least = if key.tenant == WHOLE || sli == Sli::Waste { 0 } else { TENANT_LEAST_TOTAL };
    let judged = burn.judge_busy(least, window);
    let facts = Facts::of_burn(sli, burn, &judged);
    (judged.verdicts, facts)
}

#[expect(clippy::too_many_arguments, reason = "each is another thing that a rule may look at")]
fn view<'a>(
    context: &Context,
    shared: &'a Shared,
    past: &Past,
    of: &Collected,
    tally: &Tally,
    minutes: &'a [Minute],
    at: Millis,
    watch: &Watch,
) -> View<'a> {
    let pool = of.mark.pool;
    let whole = |sli| SeriesKey { tenant: WHOLE, sli };
    let window = |sli, end: Millis, ms| past.window(&of.mark, whole(sli), end, ms).counts;
    let leaks = if matches!(watch, Watch::LeakGrowth { .. }) {
        let (now, both) = (window(Sli::Leak, at, HOUR_MS), window(Sli::Leak, at, 2 * HOUR_MS));
        let budget = Sli::Leak.counted(context.budgets.of(pool, Sli::Leak));
        let burns = budget.is_some_and(|budget| exceeds(now.bad, now.total, budget, Fraction::ONE));
        (now.bad, both.bad.saturating_sub(now.bad), burns)
    } else {
        (0, 0, false)
    };
    let usual = if matches!(watch, Watch::Baseline { .. }) {
        let (short, hour) = (window(Sli::Saturation, at, 5 * MINUTE_MS), window(Sli::Saturation, at, HOUR_MS));
        let budget = context.budgets.of(pool, Sli::Saturation);
        let burns = exceeds(hour.bad, hour.total, budget, Fraction::ONE);
        past.usual(pool, whole(Sli::Saturation), at).map(|usual| Usual {
            short: (short.bad, short.total),
            hour: (hour.bad, hour.total),
            usual,
            burns,
        })
    } else {
        None
    };
    let full_of_leaks_ms = if matches!(watch, Watch::LeaksFill { .. }) {
        let hour = window(Sli::Leak, at, HOUR_MS);
        let free = minutes.iter().rev().find(|minute| minute.whole.observed_ms > 0).map(|minute| {
            let sums = &minute.whole;
            (sums.capacity_slot_ms - sums.occupied_slot_ms).max(0) / sums.observed_ms.max(1)
        });
        // What leaks is held until the reconciler takes it back, so only what is free now can still leak.
        free.filter(|_| hour.bad >= LEAST_LEAKS)
            .map(|free| free * HOUR_MS / i64::try_from(hour.bad).unwrap_or(i64::MAX))
    } else {
        None
    };
    View {
        at,
        minutes,
        quotas: shared.quotas.get(&pool).cloned().unwrap_or_default(),
        findings: shared.findings.get(&pool).map(Vec::as_slice).unwrap_or_default(),
        seen_ms: tally.seen_ms(),
        feed_ms: context.pools[&pool].feed_ms,
        has_page: shared.pages.contains(&pool),
        is_critical: context.pools[&pool].is_critical,
        leaks,
        usual,
        full_of_leaks_ms,
        foreseen: shared.foreseen.get(&pool).copied(),
        honesty: shared.honesty.get(&pool).copied(),
    }
}

/// What is around an alert: room, who is hit, who uses most.
fn around(said: &mut [Said], minutes: &[Minute]) {
    let Some(last) = minutes.iter().rev().find(|minute| minute.whole.observed_ms > 0) else { return };
    let whole = &last.whole;
    let slots = |slot_ms: i64| slot_ms / whole.observed_ms.max(1);
    let free = slots((whole.capacity_slot_ms - whole.occupied_slot_ms).max(0));
    let mut users: Vec<(i32, f64)> = last
        .tenants
        .iter()
        .filter(|(_, sums)| sums.occupied_slot_ms > 0)
        .map(|(tenant, sums)| (*tenant, sums.occupied_slot_ms as f64 / whole.occupied_slot_ms.max(1) as f64))
        .collect();
    users.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    users.truncate(10);
    let mut rejected: BTreeMap<i32, i64> = BTreeMap::new();
    for minute in minutes.iter().rev().take(5) {
        for (tenant, sums) in minute.tenants.iter().filter(|(_, sums)| sums.rejections > 0) {
            *rejected.entry(*tenant).or_default() += sums.rejections;
        }
    }
    let mut hit: Vec<i32> = rejected.keys().copied().collect();
    hit.sort_by_key(|tenant| (std::cmp::Reverse(rejected[tenant]), *tenant));
    hit.truncate(50);
    for said in said {
        said.facts.free = Some((free, slots(whole.capacity_slot_ms)));
        said.facts.users.clone_from(&users);
        said.facts.hit = if said.tenant == WHOLE { hit.clone() } else { vec![said.tenant] };
    }
}

/// A pool of which there is something to say, in a transaction of its own. Returns how many alerts changed.
async fn active(
    db: &Db,
    context: &Context,
    shared: &Shared,
    marks: &BTreeMap<i32, Mark>,
    of: Collected,
    judgement: Judgement,
) -> Result<usize> {
    let pool = of.mark.pool;
    let mut tx = db.jobs.begin().await?;
    let ours = sli::advance(&mut tx, &[of.mark], marks).await?;
    if ours.is_empty() {
        return Ok(0);
    }
    if marks_first() {
        tx.commit().await?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        tx = db.jobs.begin().await?;
    }
    let tallies: Vec<(i32, Millis, &Tally)> = of.fresh.iter().map(|(at, tally)| (pool, *at, tally)).collect();
    put(&mut tx, &tallies).await?;
    let mut rows = alert::lock_open(&mut tx, Some(&[pool])).await?;
    let mut changed = 0;
    for (at, is_seen, said) in judgement {
        let around = Around { is_held: shared.is_held(pool), is_unseen: !is_seen, system: &shared.system };
        changed += apply(&mut tx, context, Some(pool), around, &mut rows, said, at).await?;
        changed += explain(&mut tx, context, &shared.system, &mut rows, at).await?;
    }
    for row in &mut rows {
        let tick = tell::next_tick(context, row);
        alert::put(&mut tx, row, tick).await?;
    }
    tx.commit().await?;
    Ok(changed)
}

/// What is known beside what is said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around<'a> {
    /// The pool changed a moment ago.
    is_held: bool,
    /// Nothing of the pool was seen in the last minute.
    is_unseen: bool,
    /// Alerts about Headroom itself that fire.
    system: &'a [Row],
}

/// Whether a pool's mark moves before what was judged is written, where a test wants to see that this loses alerts.
fn marks_first() -> bool {
    cfg!(feature = "negative-control")
        && std::env::var("HEADROOM_NEGATIVE_CONTROL").is_ok_and(|control| control == "engine")
}

/// Takes up what is said of an instant. `rows` are the open alerts of the pool, locked; new ones are added.
pub(super) async fn apply(
    conn: &mut PgConnection,
    context: &Context,
    pool: Option<i32>,
    around: Around<'_>,
    rows: &mut Vec<Row>,
    said: Vec<Said>,
    at: Millis,
) -> Result<usize> {
    let mut changed = 0;
    let mut spoken: BTreeSet<(String, i32)> = BTreeSet::new();
    for said in said {
        let rule = &context.rules[said.rule];
        spoken.insert((rule.slug.clone(), said.tenant));
        changed += usize::from(observe(conn, context, pool, around, rows, rule, said, at).await?);
    }
    // Of what nothing is said any more: it is over, or its rule is gone.
    for row in rows.iter_mut().filter(|row| !spoken.contains(&(row.rule.clone(), row.tenant))) {
        let rule = context.rule(&row.rule).filter(|rule| rule.mode != "off");
        let effects = match rule {
            Some(rule) => {
                // What was not looked at is not over.
                let truth = if around.is_unseen { Truth::Unknown } else { Truth::False };
                let verdicts = Verdicts::of(row.alert.severity, truth);
                row.alert.observe(at, context.now, &verdicts, &rule.rule.timing)
            }
            None => row.alert.forget(at),
        };
        changed += usize::from(!effects.is_empty());
        tell::write(conn, context, row, &effects, context.now).await?;
    }
    Ok(changed)
}

#[expect(clippy::too_many_arguments, reason = "each is another thing that decides what becomes of an alert")]
async fn observe(
    conn: &mut PgConnection,
    context: &Context,
    pool: Option<i32>,
    around: Around<'_>,
    rows: &mut Vec<Row>,
    rule: &Stored,
    said: Said,
    at: Millis,
) -> Result<bool> {
    let place = rows.iter().position(|row| row.rule == rule.slug && row.tenant == said.tenant);
    let place = match place {
        Some(place) => place,
        None if tell::is_nothing(&said.verdicts) => return Ok(false),
        // A change of the pool shakes it for a while: work for the day can wait for that.
        // What is about such changes cannot.
        None if around.is_held && said.verdicts.page != Truth::True && !is_about_changes(rule) => return Ok(false),
        None => {
            let last = alert::lock_last(conn, &rule.slug, pool, said.tenant).await?;
            let row = match last {
                // What only seemed to begin is no episode: it begins in the same place.
                Some(row) if row.alert.reopens_at(at) || row.alert.condition == Condition::Inactive => {
                    Row { inhibited_by: None, inhibited_until: None, silence: None, ..row }
                }
                last => {
                    let alert = Alert::new(at, last.as_ref().map(|row| &row.alert));
                    let mut row = Row {
                        id: 0,
                        rule: rule.slug.clone(),
                        pool,
                        tenant: said.tenant,
                        alert,
                        facts: Facts::default(),
                        eval_seq: 0,
                        silence: None,
                        inhibited_by: None,
                        inhibited_until: None,
                        dry_run: rule.mode == "dry-run",
                    };
                    // What follows is written about it: it needs its number first.
                    alert::put(conn, &mut row, None).await?;
                    row
                }
            };
            rows.push(row);
            rows.len() - 1
        }
    };
    let explains = std::mem::take(&mut rows[place].facts.explains);
    let row = &mut rows[place];
    row.facts = Facts { explains, ..said.facts };
    row.eval_seq += 1;
    row.dry_run = rule.mode == "dry-run";
    let timing: Timing = rule.rule.timing;
    let mut effects = row.alert.observe(at, context.now, &said.verdicts, &timing);
    silence::mark(context, row, &mut effects);
    // What is explained by another one that fires already is told to nobody from the beginning.
    let target = firing(&rows[place]);
    let source = rows.iter().chain(around.system);
    let source =
        source.filter(|source| source.alert.is_active()).find(|source| inhibit::explains(&firing(source), &target));
    let source = source.map(|source| source.id);
    let row = &mut rows[place];
    if row.alert.is_active() && row.inhibited_by.is_none() && source.is_some() && !effects.is_empty() {
        (row.inhibited_by, row.inhibited_until) = (source, None);
        alert::log(conn, &[inhibited(row, source)]).await?;
    }
    if row.is_muted() {
        row.alert.asking = None;
    } else if row.alert.is_active() {
        effects.extend(row.alert.tick(context.now, &context.oncall.plan(&context.owner_of(row))));
    }
    tell::write(conn, context, row, &effects, context.now).await?;
    Ok(!effects.is_empty())
}

/// Rules for which a change of the pool is no excuse.
fn is_about_changes(rule: &Stored) -> bool {
    matches!(rule.rule.subject, Subject::Watch { watch: Watch::Thrash | Watch::Overcommitted })
}

fn firing(row: &Row) -> Firing<'_> {
    Firing { id: row.id, rule: &row.rule, pool: row.pool, tenant: row.tenant, severity: row.alert.severity }
}

fn inhibited(row: &Row, source: Option<i64>) -> Event {
    Event {
        id: 0,
        alert: row.id,
        at: 0,
        what: if source.is_some() { "inhibited" } else { "not-inhibited" }.to_owned(),
        who: None,
        note: String::new(),
        version: row.alert.version,
        detail: json!({ "by": source }),
    }
}

/// Which alerts of a pool explain which other ones, now that all of them were judged.
async fn explain(
    conn: &mut PgConnection,
    context: &Context,
    system: &[Row],
    rows: &mut [Row],
    at: Millis,
) -> Result<usize> {
    let mut changed = 0;
    let active: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].alert.is_active()).collect();
    for place in &active {
        let target = firing(&rows[*place]);
        let source = active.iter().map(|other| &rows[*other]).chain(system);
        let source = source
            .filter(|source| source.alert.condition != Condition::Pending)
            .find(|source| inhibit::explains(&firing(source), &target))
            .map(|source| source.id);
        let row = &mut rows[*place];
        match (row.inhibited_by, source) {
            (None, Some(source)) => {
                (row.inhibited_by, row.inhibited_until, row.alert.asking) = (Some(source), None, None);
                alert::log(conn, &[inhibited(row, Some(source))]).await?;
                changed += 1;
            }
            (Some(_), Some(source)) => (row.inhibited_by, row.inhibited_until) = (Some(source), None),
            (Some(_), None) if row.inhibited_until.is_none() => row.inhibited_until = Some(at + UNEXPLAINED_MS),
            (_, None) => {}
        }
        if row.inhibited_until.is_some_and(|until| at >= until) {
            changed += 1;
            unexplained(conn, context, row).await?;
        }
    }
    // What each explains, for its own message and page.
    for place in 0..rows.len() {
        let id = rows[place].id;
        rows[place].facts.explains = rows
            .iter()
            .filter(|row| row.inhibited_by == Some(id) && row.alert.is_active())
            .map(|row| (row.id, row.tenant))
            .collect();
    }
    Ok(changed)
}

/// What explained an alert is over for long enough: whoever is to be told of this one is told now.
pub(super) async fn unexplained(conn: &mut PgConnection, context: &Context, row: &mut Row) -> Result<()> {
    (row.inhibited_by, row.inhibited_until) = (None, None);
    alert::log(conn, &[inhibited(row, None)]).await?;
    if row.is_muted() {
        return Ok(());
    }
    let mut effects = row.alert.tell_now(headroom_domain::alert::episode::Message::Firing, context.now);
    effects.extend(row.alert.tick(context.now, &context.oncall.plan(&context.owner_of(row))));
    tell::write(conn, context, row, &effects, context.now).await
}

/// What is known of Headroom itself; what is left out was not looked at.
#[derive(Debug, Clone, Default)]
struct Whole {
    /// Pools in which claims fail for no want of room.
    failing: Option<u64>,
    /// Pools that send nothing.
    silent: Option<Silent>,
    /// Slices by which the pool that is judged least is behind.
    behind: Option<i64>,
    /// Pages that could not be delivered.
    dead: Option<i64>,
    /// Sources, and by how much their clocks seem to differ from ours, milliseconds.
    skews: Option<Vec<(String, Millis)>>,
}

impl Whole {
    /// What a rule says of it; `None` if what it looks at was not looked at.
    fn judge(&self, watch: &Watch) -> Option<(bool, String)> {
        match watch {
            Watch::Widespread { least } => self
                .failing
                .map(|failing| (failing >= *least, format!("claims fail in {failing} pools, for no want of room"))),
            Watch::IngestDown { over } => self.silent.map(|silent| {
                (silent.is_widespread(*over), format!("{} of {} pools send nothing", silent.silent, silent.fed))
            }),
            Watch::EngineLag { slices } => self
                .behind
                .map(|behind| (behind > i64::try_from(*slices).unwrap_or(i64::MAX), format!("{behind} slices behind"))),
            Watch::SourceSkew { over_ms } => self.skews.as_ref().map(|skews| {
                let worst = skews.iter().max_by_key(|(_, skew)| skew.abs());
                let holds = worst.is_some_and(|(_, skew)| skew.abs() > *over_ms);
                let says = worst.map_or_else(String::new, |(name, skew)| {
                    let word = if *skew < 0 { "ahead" } else { "behind" };
                    format!("the clock of source {name} is {} {word}", format::duration(skew.abs()))
                });
                (holds, says)
            }),
            Watch::DeadLetter => self.dead.map(|dead| {
                let pages = if dead == 1 { "1 page".to_owned() } else { format!("{dead} pages") };
                (dead > 0, format!("{pages} could not be delivered"))
            }),
            _ => None,
        }
    }
}

/// What is wrong with Headroom itself: judges what was looked at, and leaves the rest as it is.
async fn system(db: &Db, context: &Context, watermark: Millis, whole: Whole) -> Result<usize> {
    let mut tx = db.jobs.begin().await?;
    let mut rows = alert::lock_open(&mut tx, None).await?;
    let mut said = Vec::new();
    for (number, rule) in context.rules.iter().enumerate().filter(|(_, rule)| rule.mode != "off") {
        let Subject::Watch { watch } = &rule.rule.subject else { continue };
        if let Some((holds, says)) = whole.judge(watch) {
            let mut verdicts = Verdicts::of(watch.lane(), holds.into());
            verdicts.critical = watch.is_critical() && holds;
            said.push(Said { rule: number, tenant: WHOLE, verdicts, facts: Facts { says, ..Facts::default() } });
        }
    }
    let is_judged = |row: &Row| {
        let rule = context.rules.iter().position(|rule| rule.slug == row.rule && rule.mode != "off");
        rule.is_none_or(|rule| said.iter().any(|said| said.rule == rule))
    };
    rows.retain(is_judged);
    let changed = apply(&mut tx, context, None, Around::default(), &mut rows, said, watermark).await?;
    for row in &mut rows {
        let tick = tell::next_tick(context, row);
        alert::put(&mut tx, row, tick).await?;
    }
    tx.commit().await?;
    Ok(changed)
}
