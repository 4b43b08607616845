//! The demand of a pool's last weeks, laid onto the coming ones.

use super::{App, AppError, Result};
use crate::zones;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::occupancy::Sums;
use headroom_domain::series::floor;
use headroom_domain::whatif::{Demand, UNKNOWN, wanted};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::history::{self, ALL_TENANTS, PackedMinutes};
use headroom_store::pool::Pool;
use std::cmp::Reverse;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Weeks of history that are played if nobody says how many.
pub const USUAL_WEEKS: i64 = 4;
/// The most weeks of history.
pub const MOST_WEEKS: i64 = 8;
/// Tenants with a demand of their own; those with least demand beyond so many are counted with [`NOBODY`].
pub const MOST_TENANTS: usize = 250;
/// The key under which slots stand that were used and metered for no tenant, or for one of too many.
pub const NOBODY: i32 = ALL_TENANTS;

/// What was wanted of a pool, minute by minute, on the grid of the coming weeks.
///
/// Demand is held + queued + rejected, in slots, for each tenant and minute: slots held and claims waiting on average over the
/// time in which the pool was observed (rounded half up), and one slot for every claim that was rejected in that minute. A minute
/// in which the pool was not observed is not known; a tenant that was not seen while the pool was wanted nothing.
#[derive(Debug)]
pub struct PastDemand {
    /// The demand, from the coming full hour on.
    pub demand: Demand,
    /// The past that it comes from: start.
    pub from_ms: Millis,
    /// And end, exclusive.
    pub to_ms: Millis,
    /// Minutes of the coming weeks whose clocks stand differently than in the past ones: they take the demand of the same wall
    /// time, which is not a whole number of weeks ago. An hour that clocks skipped then takes that of the hour before, an hour
    /// that they repeated that of its first run.
    pub clocks_changed_minutes: u32,
    /// Tenants that are counted with [`NOBODY`].
    pub folded: Vec<i32>,
}

/// Demands that were asked for last.
#[derive(Debug, Default)]
pub struct DemandCache {
    known: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    pool: i32,
    from_ms: Millis,
    to_ms: Millis,
    zone: String,
    since: Instant,
    demand: Arc<PastDemand>,
}

impl DemandCache {
    const FOR: Duration = Duration::from_mins(1);
    /// Eight weeks of 50 tenants are 16 MB.
    const MOST: usize = 4;

    fn get(&self, pool: i32, (from_ms, to_ms): (Millis, Millis), zone: &str) -> Option<Arc<PastDemand>> {
        let known = self.known.lock().ok()?;
        let is_it =
            |kept: &&Kept| (kept.pool, kept.from_ms, kept.to_ms, kept.zone.as_str()) == (pool, from_ms, to_ms, zone);
        known.iter().find(is_it).filter(|kept| kept.since.elapsed() < Self::FOR).map(|kept| Arc::clone(&kept.demand))
    }

    fn put(&self, pool: i32, zone: &str, demand: &Arc<PastDemand>) {
        let Ok(mut known) = self.known.lock() else { return };
        let (from_ms, to_ms) = (demand.from_ms, demand.to_ms);
        known.retain(|kept| {
            kept.since.elapsed() < Self::FOR && (kept.pool, kept.from_ms, kept.to_ms) != (pool, from_ms, to_ms)
        });
        if known.len() >= Self::MOST {
            known.remove(0);
        }
        let (zone, since, demand) = (zone.to_owned(), Instant::now(), Arc::clone(demand));
        known.push(Kept { pool, from_ms, to_ms, zone, since, demand });
    }
}

impl App {
    /// The demand of a pool's last weeks (1 to 8), up to the last full hour, laid onto as many weeks from then on: every minute
    /// takes what was wanted on the same weekday at the same wall time of the pool's zone. It is remembered for a minute.
    ///
    /// Whether the caller may see the pool is for the caller of this to ask.
    ///
    /// # Errors
    /// `Invalid` for a number of weeks that is not 1 to 8.
    pub async fn demand_of_pool(&self, pool: &Pool, weeks: i64, now: Millis) -> Result<Arc<PastDemand>> {
        if !(1..=MOST_WEEKS).contains(&weeks) {
            return Err(AppError::invalid("weeks", weeks.to_string(), format!("1 to {MOST_WEEKS}")));
        }
        let to_ms = floor(now, HOUR_MS);
        let past = Past { from_ms: to_ms - weeks * 7 * DAY_MS, to_ms };
        let zone_name = pool.fields.zone.clone();
        if let Some(known) = self.demands.get(pool.key, (past.from_ms, past.to_ms), &zone_name) {
            return Ok(known);
        }
        let zone = zones::slice(&zone_name, past.from_ms, past.end_ms()).unwrap_or_else(ZoneSlice::utc);
        let mut conn = self.db.pages.acquire().await?;
        // One hour before: where clocks change, wall time may reach back that far.
        let packed = history::packed_minutes(&mut conn, pool.key, past.from_ms - 2 * HOUR_MS, past.to_ms).await?;
        drop(conn);
        let unpacked = tokio::task::spawn_blocking(move || past.unpack(&packed, &zone)).await;
        let demand = Arc::new(unpacked.map_err(|error| AppError::Internal(format!("reading demand: {error}")))??);
        self.demands.put(pool.key, &zone_name, &demand);
        Ok(demand)
    }
}

/// A whole number of weeks.
#[derive(Debug, Clone, Copy)]
struct Past {
    from_ms: Millis,
    to_ms: Millis,
}

impl Past {
    fn span_ms(self) -> Millis {
        self.to_ms - self.from_ms
    }

    /// End of the coming weeks.
    fn end_ms(self) -> Millis {
        self.to_ms + self.span_ms()
    }

    /// For every minute of the coming weeks its minute of the past, counted from `from_ms`; and how many of them are not a whole
    /// number of weeks ago.
    fn minutes(self, zone: &ZoneSlice) -> (Vec<i64>, u32) {
        let mut changed = 0;
        let minutes = (0..self.span_ms() / MINUTE_MS).map(|minute| {
            let at = self.to_ms + minute * MINUTE_MS;
            let past = same_wall_time(zone, at, self.span_ms());
            changed += u32::from(past != at - self.span_ms());
            (past - self.from_ms).div_euclid(MINUTE_MS)
        });
        (minutes.collect(), changed)
    }

    fn unpack(self, packed: &PackedMinutes, zone: &ZoneSlice) -> headroom_store::Result<PastDemand> {
        let minutes = (self.span_ms() / MINUTE_MS) as usize;
        // What belongs before the first minute is kept beside it.
        let before = (2 * HOUR_MS / MINUTE_MS) as usize;
        let read = |tenant: i32| -> headroom_store::Result<Vec<Sums>> {
            let mut all = vec![Sums::default(); before + minutes];
            packed.hours(tenant, |start, hour| {
                let first = (start - self.from_ms) / MINUTE_MS + before as i64;
                for (minute, sums) in (first..).zip(hour) {
                    if let Some(mine) = usize::try_from(minute).ok().and_then(|minute| all.get_mut(minute)) {
                        mine.add(sums);
                    }
                }
            })?;
            Ok(all)
        };
        let whole = read(ALL_TENANTS)?;
        let mut rest = whole.clone();
        let mut columns: Vec<(i32, Vec<u32>, u64)> = Vec::new();
        let mut folded = Vec::new();
        for tenant in packed.tenants().into_iter().filter(|tenant| *tenant != ALL_TENANTS) {
            let own = read(tenant)?;
            let column: Vec<u32> = own.iter().zip(&whole).map(|(own, whole)| of_minute(own, whole)).collect();
            take(&mut rest, &own, 1);
            let sum = column.iter().filter(|want| **want != UNKNOWN).map(|want| u64::from(*want)).sum();
            columns.push((tenant, column, sum));
            if columns.len() > MOST_TENANTS {
                let least = (0..columns.len()).min_by_key(|place| (columns[*place].2, Reverse(columns[*place].0)));
                let (tenant, ..) = columns.swap_remove(least.unwrap_or_default());
                take(&mut rest, &read(tenant)?, -1);
                folded.push(tenant);
            }
        }
        let nobodys: Vec<u32> = rest.iter().zip(&whole).map(|(rest, whole)| of_minute(rest, whole)).collect();
        if nobodys.iter().any(|want| ![0, UNKNOWN].contains(want)) || columns.is_empty() {
            columns.push((NOBODY, nobodys, 0));
        }
        columns.sort_by_key(|(tenant, ..)| *tenant);
        let (places, clocks_changed_minutes) = self.minutes(zone);
        let width = columns.len();
        let mut numbers = vec![UNKNOWN; places.len() * width];
        for (column, (_, wants, _)) in columns.iter().enumerate() {
            for (minute, place) in places.iter().enumerate() {
                let want = usize::try_from(place + before as i64).ok().and_then(|place| wants.get(place));
                numbers[minute * width + column] = want.copied().unwrap_or(UNKNOWN);
            }
        }
        let tenants = columns.into_iter().map(|(tenant, ..)| tenant).collect();
        Ok(PastDemand {
            demand: Demand::of_minutes(self.to_ms, tenants, numbers),
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            clocks_changed_minutes,
            folded,
        })
    }
}

/// A tenant's demand in a minute, over the time in which its pool was observed.
fn of_minute(own: &Sums, whole: &Sums) -> u32 {
    wanted(&Sums { observed_ms: whole.observed_ms, ..*own }).unwrap_or(UNKNOWN)
}

/// Takes what one tenant did, so many times, from what all did.
fn take(rest: &mut [Sums], own: &[Sums], times: i64) {
    for (rest, own) in rest.iter_mut().zip(own) {
        rest.occupied_slot_ms -= times * own.occupied_slot_ms;
        rest.queue_ms -= times * own.queue_ms;
        rest.rejections -= times * own.rejections;
    }
}

/// The instant with the same wall time some weeks before.
fn same_wall_time(zone: &ZoneSlice, at: Millis, weeks_ms: Millis) -> Millis {
    let offset_ms = |at: Millis| i64::from(zone.offset_at(at).0) * 1_000;
    let plain = at - weeks_ms;
    if offset_ms(plain) == offset_ms(at) && offset_ms(plain - DAY_MS) == offset_ms(plain + DAY_MS) {
        return plain;
    }
    let wall = plain + offset_ms(at);
    // The offsets around: the larger one gives the earlier instant.
    let mut offsets = [offset_ms(plain - DAY_MS), offset_ms(plain + DAY_MS)];
    offsets.sort_unstable_by_key(|offset| Reverse(*offset));
    let found =
        offsets.into_iter().map(|offset| (wall - offset, offset)).find(|(past, offset)| offset_ms(*past) == *offset);
    // Skipped then: as if clocks had gone on.
    found.map_or(wall - offsets[0], |(past, _)| past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::localtime::Transition;

    #[test]
    fn a_minute_takes_the_demand_of_its_wall_time() {
        let change = 20 * DAY_MS + HOUR_MS;
        let at = |utc_ms, hours| Transition { utc_ms, offset_s: hours * 3_600, abbr: String::new() };
        let weeks = 14 * DAY_MS;
        // Clocks go back in the past weeks: 03:00 becomes 02:00.
        let zone = ZoneSlice::new("x", vec![at(0, 2), at(change, 1)]);
        let of = |past: Millis| same_wall_time(&zone, past, weeks);
        assert_eq!(of(change + weeks + 5 * DAY_MS), change + 5 * DAY_MS, "the same after the change");
        assert_eq!(of(change + weeks - HOUR_MS), change - 2 * HOUR_MS, "one hour more to the same wall time");
        assert_eq!(of(change + weeks), change - HOUR_MS, "the first of two");
        assert_eq!(of(change + weeks + HOUR_MS), change + HOUR_MS);
        // And forward: 02:00 becomes 03:00.
        let zone = ZoneSlice::new("x", vec![at(0, 1), at(change, 2)]);
        let of = |past: Millis| same_wall_time(&zone, past, weeks);
        assert_eq!(of(change + weeks), change, "03:00 is 03:00");
        assert_eq!(of(change + weeks - HOUR_MS), change - HOUR_MS, "02:00 was skipped");
        assert_eq!(of(change + weeks - 2 * HOUR_MS), change - HOUR_MS, "01:00, in summer time an hour earlier");
    }
}
