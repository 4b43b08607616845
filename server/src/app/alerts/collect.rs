//! From history to counts: what every indicator of a pool counted, minute by minute, added up since its birth.
//!
//! The last hour is added up anew each time, from the tally before it: what came late or was sent again is part of it, and a
//! minute of which nothing changed is not written again.

use super::super::Result;
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::{SeriesKey, Slices, Tally, WHOLE};
use headroom_domain::alert::watch::Minute;
use headroom_domain::alert::window::SLICE_MS;
use headroom_domain::occupancy::Sums;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::live::MinuteCounts;
use headroom_store::sli::{self, Mark};
use headroom_store::{history, live};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// What comes later than this is history, and no alert.
pub const LATE_MS: Millis = HOUR_MS;
/// Counts by the minute are kept for so long: the longest window that is answered to the minute, and the hour before it.
pub const MINUTES_KEPT_MS: Millis = 73 * HOUR_MS;
/// Rules without windows look back so far from each watermark.
const BEFORE_MS: Millis = 10 * MINUTE_MS;
/// Counts begin so long ago at most: the time over which error budgets are reckoned.
const BORN_MS: Millis = 30 * DAY_MS;

/// A pool's counts, brought up to a watermark.
#[derive(Debug)]
pub struct Collected {
    /// Where the pool is when this is written.
    pub mark: Mark,
    /// What must be written: tallies that are new, or that differ from those in the store.
    pub fresh: Vec<(Millis, Tally)>,
    /// The tally at the watermark.
    pub tally: Tally,
    /// Minutes before the watermark, oldest first: those since the last one, and some before.
    pub minutes: Vec<Minute>,
}

/// What is counted of pools between two instants.
struct Sources {
    minutes: BTreeMap<i32, history::MinuteSums>,
    sent: BTreeMap<(i32, Millis), BTreeMap<SeriesKey, (u64, u64)>>,
    counts: BTreeMap<(i32, Millis), MinuteCounts>,
}

impl Sources {
    async fn read(conn: &mut PgConnection, pools: &[i32], from: Millis, to: Millis) -> Result<Self> {
        Ok(Self {
            minutes: history::minutes(conn, pools, from, to).await?,
            sent: sli::sent(conn, pools, from, to).await?,
            counts: live::counts(conn, pools, from, to).await?,
        })
    }

    fn minute(&self, pool: i32, start: Millis) -> Option<&BTreeMap<i32, Sums>> {
        self.minutes.get(&pool)?.get(&start)
    }

    /// What was counted of a pool in the slice that begins at an instant; `None` if nothing was seen of it.
    fn slices(&self, pool: i32, start: Millis) -> Option<Slices> {
        let seen = self.minute(pool, start).filter(|of| of.get(&WHOLE).is_some_and(|sums| sums.observed_ms > 0));
        let (sent, counts) = (self.sent.get(&(pool, start)), self.counts.get(&(pool, start)));
        if seen.is_none() && sent.is_none() && counts.is_none() {
            return None;
        }
        let mut slices = Slices::new();
        for (tenant, sums) in seen.into_iter().flatten() {
            let mut put = |sli, bad: i64, total: i64| {
                if total > 0 {
                    let total = total as u64;
                    slices.insert(SeriesKey { tenant: *tenant, sli }, ((bad.max(0) as u64).min(total), total));
                }
            };
            put(Sli::Saturation, sums.rejections, sums.claims.max(sums.rejections));
            // In slot-seconds; a remainder of less than one counts for neither.
            put(Sli::Waste, sums.reserved_idle_slot_ms / 1_000, sums.reserved_slot_ms / 1_000);
        }
        if let Some(counts) = counts {
            let mut put = |sli, bad: u64, total: u64| {
                if total > 0 {
                    slices.insert(SeriesKey { tenant: WHOLE, sli }, (bad, total));
                }
            };
            put(Sli::Latency, counts.slow + counts.failed, counts.answers + counts.failed);
            put(Sli::Reclaim, counts.late, counts.reclaimed);
            put(Sli::Wait, counts.waited_long, counts.served);
            let capacity = seen.and_then(|of| of.get(&WHOLE)).map_or(0, |sums| sums.capacity_slot_ms / 1_000);
            put(Sli::Leak, counts.leaked, capacity.max(0) as u64);
        }
        // Whoever sends slices knows better than what is reckoned.
        slices.extend(sent.into_iter().flatten().map(|(key, slice)| (*key, *slice)));
        Some(slices)
    }

    /// A minute as rules without windows see it.
    fn view(&self, pool: i32, start: Millis) -> Minute {
        let mut tenants = self.minute(pool, start).cloned().unwrap_or_default();
        let whole = tenants.remove(&WHOLE).unwrap_or_default();
        let counts = self.counts.get(&(pool, start)).copied().unwrap_or_default();
        Minute { whole, tenants, attempts: counts.served + counts.failed, failed: counts.failed }
    }
}

/// Brings the counts of pools up to a watermark. Those that cannot be brought there are left out.
pub async fn collect(
    conn: &mut PgConnection,
    pools: &[i32],
    marks: &BTreeMap<i32, Mark>,
    watermark: Millis,
) -> Result<BTreeMap<i32, Collected>> {
    let mut collected = BTreeMap::new();
    let (known, new): (Vec<i32>, Vec<i32>) = pools.iter().partition(|pool| marks.contains_key(pool));
    let behind: BTreeSet<i32> =
        known.iter().copied().filter(|pool| watermark - marks[pool].watermark > LATE_MS).collect();
    let usual: Vec<i32> = known.iter().copied().filter(|pool| !behind.contains(pool)).collect();
    if !usual.is_empty() {
        some(conn, &usual, marks, watermark, &mut collected).await?;
    }
    // What was away for long has much to add up: one after the other.
    for pool in behind {
        some(conn, &[pool], marks, watermark, &mut collected).await?;
    }
    for pool in new {
        born(conn, pool, watermark, &mut collected).await?;
    }
    Ok(collected)
}

/// Pools that were judged before.
async fn some(
    conn: &mut PgConnection,
    pools: &[i32],
    marks: &BTreeMap<i32, Mark>,
    watermark: Millis,
    collected: &mut BTreeMap<i32, Collected>,
) -> Result<()> {
    let base_of = |mark: &Mark| mark.born.max(mark.watermark - LATE_MS);
    let from = pools.iter().map(|pool| base_of(&marks[pool])).min().unwrap_or(watermark);
    let mut wanted: BTreeSet<Millis> = BTreeSet::new();
    for pool in pools {
        wanted.extend([base_of(&marks[pool]), marks[pool].watermark]);
    }
    let instants: Vec<Millis> = wanted.into_iter().collect();
    let mut stored: BTreeMap<(i32, Millis), Tally> = BTreeMap::new();
    for (pool, at, tally) in sli::minutes(conn, pools, &instants).await? {
        stored.insert((pool, at), tally);
    }
    let sources = Sources::read(conn, pools, from.min(watermark - BEFORE_MS), watermark).await?;
    for pool in pools {
        let mark = marks[pool];
        let base = base_of(&mark);
        let start = if base == mark.born { Some(Tally::default()) } else { stored.remove(&(*pool, base)) };
        let Some(start) = start else {
            // Its counts are gone; they are added up again from history.
            tracing::warn!(pool, base, "the counts of a pool are missing, they begin anew");
            born(conn, *pool, watermark, collected).await?;
            continue;
        };
        let mut tally = start.clone();
        run(&sources, *pool, &mut tally, base, mark.watermark, |_, _| {});
        let is_as_before = stored.get(&(*pool, mark.watermark)) == Some(&tally) || mark.watermark == mark.born;
        let (mut tally, since) = if is_as_before { (tally, mark.watermark) } else { (start, base) };
        let mut fresh = Vec::new();
        run(&sources, *pool, &mut tally, since, watermark, |at, tally| {
            if at > watermark - MINUTES_KEPT_MS || at % HOUR_MS == 0 {
                fresh.push((at, tally.clone()));
            }
        });
        let since = mark.watermark;
        let mark = Mark { watermark: watermark.max(since), ..mark };
        collected.insert(*pool, finish(&sources, mark, since, fresh, tally));
    }
    Ok(())
}

/// A pool that is new here, or whose counts are lost.
async fn born(
    conn: &mut PgConnection,
    pool: i32,
    watermark: Millis,
    collected: &mut BTreeMap<i32, Collected>,
) -> Result<()> {
    let first = history::first_hours(conn, &[pool]).await?.remove(&pool);
    let sent = sli::first_sent(conn, &[pool]).await?.remove(&pool);
    let earliest = [first, sent].into_iter().flatten().min().unwrap_or(watermark);
    let born = earliest.clamp(watermark - BORN_MS, watermark);
    let born = born - born.rem_euclid(SLICE_MS);
    let mut tally = Tally::default();
    let mut fresh = Vec::new();
    let mut from = born;
    // A day at a time: a month of minutes of all tenants is more than is held at once.
    while from < watermark {
        let to = (from + DAY_MS).min(watermark);
        let sources = Sources::read(conn, &[pool], from, to).await?;
        run(&sources, pool, &mut tally, from, to, |at, tally| {
            if at > watermark - MINUTES_KEPT_MS || at % HOUR_MS == 0 {
                fresh.push((at, tally.clone()));
            }
        });
        from = to;
    }
    let sources = Sources::read(conn, &[pool], watermark - BEFORE_MS, watermark).await?;
    collected.insert(pool, finish(&sources, Mark { pool, watermark, born, seen: None }, watermark, fresh, tally));
    Ok(())
}

fn run(
    sources: &Sources,
    pool: i32,
    tally: &mut Tally,
    from: Millis,
    to: Millis,
    mut at_end: impl FnMut(Millis, &Tally),
) {
    let mut start = from;
    while start < to {
        tally.take(start, sources.slices(pool, start).as_ref());
        start += SLICE_MS;
        at_end(start, tally);
    }
}

fn finish(sources: &Sources, mark: Mark, since: Millis, fresh: Vec<(Millis, Tally)>, tally: Tally) -> Collected {
    let from = (since - BEFORE_MS).max(mark.watermark - LATE_MS - BEFORE_MS);
    let count = (mark.watermark - from) / MINUTE_MS;
    let minutes = (1..=count).rev().map(|back| sources.view(mark.pool, mark.watermark - back * MINUTE_MS)).collect();
    Collected { mark: Mark { seen: tally.seen_ms(), ..mark }, fresh, tally, minutes }
}
