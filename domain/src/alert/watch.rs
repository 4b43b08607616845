//! Rules that hold or do not: what a pool looked like in the last minutes, judged without windows of a budget.

use super::fraction::Fraction;
use super::window::{Lane, Truth};
use crate::failure::What;
use crate::occupancy::Sums;
use crate::{MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Fewer rejections in an hour and in five minutes say nothing about what is usual.
const BASELINE_LEAST: (u64, u64) = (5, 2);
/// Nobody sees a critical pool for so long: somebody is woken.
const CRITICAL_SILENCE_MS: Millis = 15 * MINUTE_MS;
/// Minutes over which failures are counted.
const FAILING_MINUTES: usize = 5;

/// Something that holds or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Watch {
    /// R2: the pool is full, and claims are rejected.
    Exhausted {
        /// In the last two minutes.
        least_rejected: u64,
    },
    /// R4: claims fail for no want of room.
    Failing {
        /// More than this part of the attempts in five minutes, or exactly it.
        over: Fraction,
        /// Fewer attempts say nothing.
        least: u64,
    },
    /// R4: claims fail in several pools at once.
    Widespread {
        /// In at least so many.
        least: u64,
    },
    /// R7: nobody decides about the pool.
    Stalled,
    /// R8: a slot was given to two claims at once.
    Doubled,
    /// R9: a slot is far slower than its peers.
    Hot,
    /// R10: slots move too often, or the capacity swings.
    Thrash,
    /// R11: a tenant has more than its quota.
    OverQuota,
    /// R11: a tenant has most of a pool without reservations while others are rejected.
    Monopoly {
        /// More than this part of the capacity.
        over: Fraction,
    },
    /// R15: important claims wait while less important ones hold slots.
    Inverted,
    /// R16: a pool sends nothing.
    NoData {
        /// For so long.
        after_ms: Millis,
    },
    /// R16: most pools send nothing.
    IngestDown {
        /// At least this part of them.
        over: Fraction,
    },
    /// R17: the engine is behind.
    EngineLag {
        /// By more than so many slices.
        slices: u64,
    },
    /// R17: a page could not be delivered.
    DeadLetter,
    /// A source's clock differs from ours.
    SourceSkew {
        /// By more than this, in the median.
        over_ms: Millis,
    },
    /// R18: more leaks than the hour before, though the budget does not burn.
    LeakGrowth {
        /// Fewer leaks in the hour say nothing.
        least: u64,
    },
    /// R19: less capacity than is reserved or leased.
    Overcommitted,
    /// R20: a tenant asks again and again without a pause.
    RetryStorm,
    /// R21: use that no tenant is metered for.
    Unmetered {
        /// More than this part of the use.
        over: Fraction,
    },
    /// S3: leaks go on so fast that nothing is left soon.
    LeaksFill {
        /// In less than this.
        within_ms: Millis,
    },
    /// R14: in one of ten futures the pool is full soon.
    ForecastFull {
        /// In less than this.
        within_ms: Millis,
    },
    /// R14: over two weeks the ranges of the pool's forecasts did not hold what they promise.
    ForecastOff,
    /// B8: the pool's rejections are far above what is usual at this hour of the week.
    Baseline {
        /// So many times the usual.
        times: Fraction,
    },
}

impl Watch {
    /// Who is told.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Exhausted { .. }
            | Self::Failing { .. }
            | Self::Widespread { .. }
            | Self::Stalled
            | Self::Doubled
            | Self::Monopoly { .. }
            | Self::IngestDown { .. }
            | Self::EngineLag { .. }
            | Self::DeadLetter
            | Self::LeaksFill { .. }
            | Self::Baseline { .. } => Lane::Page,
            Self::Hot
            | Self::Thrash
            | Self::OverQuota
            | Self::Inverted
            | Self::NoData { .. }
            | Self::SourceSkew { .. }
            | Self::LeakGrowth { .. }
            | Self::Overcommitted
            | Self::RetryStorm
            | Self::ForecastFull { .. }
            | Self::ForecastOff
            | Self::Unmetered { .. } => Lane::Ticket,
        }
    }

    /// True if it is about Headroom itself and no single pool.
    pub const fn is_of_system(&self) -> bool {
        matches!(
            self,
            Self::Widespread { .. }
                | Self::IngestDown { .. }
                | Self::EngineLag { .. }
                | Self::DeadLetter
                | Self::SourceSkew { .. }
        )
    }

    /// Silence for so long is no data: where samples are seldom, two of them must be missing.
    pub fn silence_ms(after_ms: Millis, feed_ms: Millis) -> Millis {
        after_ms.max(2 * feed_ms + MINUTE_MS)
    }

    /// Whether so many failures of so many attempts are what [`Watch::Failing`] looks for.
    pub fn is_failing(failed: u64, attempts: u64, over: Fraction, least: u64) -> bool {
        attempts >= least && !Fraction::is_less(failed, attempts, over)
    }

    /// True if a page of it is an urgent one.
    pub const fn is_critical(&self) -> bool {
        matches!(self, Self::Exhausted { .. } | Self::Doubled)
    }
}

/// One minute of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minute {
    /// The pool; not seen if nothing of it was observed.
    pub whole: Sums,
    /// Its tenants.
    pub tenants: BTreeMap<i32, Sums>,
    /// Claims that were answered or failed, as the owner of the pool counted them.
    pub attempts: u64,
    /// Of these, those that failed for no want of room.
    pub failed: u64,
}

/// What is known of a pool at an instant.
#[derive(Debug, Clone, Default)]
pub struct View<'a> {
    /// When.
    pub at: Millis,
    /// The last minutes, oldest first; the newest ends at `at`.
    pub minutes: &'a [Minute],
    /// The most slots that tenants may hold.
    pub quotas: BTreeMap<i32, i64>,
    /// What is wrong with the pool, of what was looked for and is not over.
    pub findings: &'a [What],
    /// End of the last minute that was observed.
    pub seen_ms: Option<Millis>,
    /// Samples of the pool are expected this often; never, if it is left out.
    pub feed_ms: Option<Millis>,
    /// The pool has an open page.
    pub has_page: bool,
    /// The pool is one of those that must always be watched.
    pub is_critical: bool,
    /// Leaks of the last hour and of the one before, and whether their budget burns.
    pub leaks: (u64, u64, bool),
    /// What is usual for rejections, and what is now.
    pub usual: Option<Usual>,
    /// Slots that leaked in the last hour while nobody gave them back, of how many that are free: at that pace the pool is full
    /// of leaks after so many milliseconds.
    pub full_of_leaks_ms: Option<Millis>,
    /// What a forecast says of the pool, if there is one.
    pub foreseen: Option<Foreseen>,
    /// How honest its ranges were over two weeks, if that can be told.
    pub honesty: Option<Honesty>,
}

/// How often what came stayed within what was promised to hold in 95 of 100 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Honesty {
    /// Of 1,000 hours.
    pub within_permille: u32,
    /// Fewer than 92 or more than 98 of 100, over a week or more.
    pub is_off: bool,
}

/// What a forecast says of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreseen {
    /// In one of ten futures more is wanted than there is from this instant on.
    FullAt(Millis),
    /// Not in the hours that are foreseen.
    NotFull,
}

/// Rejections and claims, now and usually.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usual {
    /// In the last five minutes.
    pub short: (u64, u64),
    /// In the last hour.
    pub hour: (u64, u64),
    /// In the median of the same hours of the last weeks.
    pub usual: (u64, u64),
    /// The budget is used faster than it lasts, over an hour.
    pub burns: bool,
}

/// What a rule says of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holds {
    /// The tenant; 0 = the pool as a whole.
    pub tenant: i32,
    /// Whether it holds.
    pub truth: Truth,
    /// Who is told, if not as usual.
    pub lane: Lane,
    /// In one line.
    pub says: String,
}

impl Watch {
    /// What it says of a pool: one line for the pool or for each tenant that it holds for; nothing if it cannot hold there.
    pub fn judge(&self, view: &View<'_>) -> Vec<Holds> {
        let lane = self.lane();
        let of = |tenant, truth: Truth, says: String| Holds { tenant, truth, lane, says };
        let whole = |holds: bool, says: String| vec![of(0, holds.into(), says)];
        let unknown = || vec![of(0, Truth::Unknown, String::new())];
        match self {
            Self::Exhausted { least_rejected } => {
                let Some(last) = last_seen(view.minutes, 2) else { return unknown() };
                let rejected: i64 = last.iter().map(|minute| minute.whole.rejections).sum();
                let full = last.last().is_some_and(|minute| minute.whole.saturated_ms >= minute.whole.observed_ms);
                let holds = full && u64::try_from(rejected).unwrap_or_default() >= *least_rejected;
                whole(holds, format!("full, {rejected} claims rejected in 2 min"))
            }
            Self::Failing { over, least } => {
                let start = view.minutes.len().saturating_sub(FAILING_MINUTES);
                let (attempts, failed) = view.minutes[start..]
                    .iter()
                    .fold((0, 0), |(attempts, failed), minute| (attempts + minute.attempts, failed + minute.failed));
                let holds = Self::is_failing(failed, attempts, *over, *least);
                whole(holds, format!("{failed} of {attempts} attempts failed in 5 min, for no want of room"))
            }
            Self::Stalled => view.any(lane, |what| match what {
                What::Stalled { age_ms } => Some((
                    0,
                    age_ms.map_or_else(
                        || "no server decides about the pool".to_owned(),
                        |age| format!("last pass {} ago", crate::format::duration(age)),
                    ),
                )),
                _ => None,
            }),
            Self::Doubled => view.any(lane, |what| match what {
                What::Doubled { slots } => Some((0, format!("{} slots were given to two claims at once", slots.len()))),
                _ => None,
            }),
            Self::Hot => view.any(lane, |what| match what {
                What::Hot { slot, p95_ms, median_ms, .. } => {
                    Some((0, format!("slot {slot}: P95 {p95_ms:.0} ms, its peers {median_ms:.0} ms")))
                }
                _ => None,
            }),
            Self::Thrash => view.any(lane, |what| match what {
                What::Moving { moved } => Some((0, format!("{moved} slots moved in 10 min"))),
                What::Swinging { turns } => Some((0, format!("the capacity turned {turns} times in 10 min"))),
                _ => None,
            }),
            Self::Inverted => view.any(lane, |what| match what {
                What::Inverted { waiting, holding, claims, .. } => Some((
                    0,
                    format!("{claims} claims of priority {waiting} wait while priority {holding} holds slots"),
                )),
                _ => None,
            }),
            Self::RetryStorm => view.any(lane, |what| match what {
                What::RetryStorm { tenant, rejected_1m } => {
                    Some((*tenant, format!("{rejected_1m} refused claims in 1 min, without back-off")))
                }
                _ => None,
            }),
            Self::OverQuota => {
                let Some(last) = last_seen(view.minutes, 1).and_then(<[Minute]>::last) else {
                    return Vec::new();
                };
                view.quotas
                    .iter()
                    .filter_map(|(tenant, quota)| {
                        let held = last.tenants.get(tenant)?;
                        let over =
                            held.occupied_slot_ms > quota.saturating_mul(held.observed_ms.max(last.whole.observed_ms));
                        over.then(|| {
                            let mean = held.mean_occupied().unwrap_or_default();
                            of(*tenant, Truth::True, format!("holds {mean:.1} slots, quota {quota}"))
                        })
                    })
                    .collect()
            }
            Self::Monopoly { over } => {
                monopoly(view, *over).map(|(tenant, says)| of(tenant, Truth::True, says)).collect()
            }
            Self::Overcommitted => {
                let Some(last) = last_seen(view.minutes, 1).and_then(<[Minute]>::last) else { return unknown() };
                let sums = &last.whole;
                let (capacity, reserved, held) = (
                    sums.mean_capacity().unwrap_or_default(),
                    sums.mean_reserved().unwrap_or_default(),
                    sums.mean_occupied().unwrap_or_default(),
                );
                let holds =
                    sums.capacity_slot_ms < sums.reserved_slot_ms || sums.capacity_slot_ms < sums.occupied_slot_ms;
                whole(holds, format!("{capacity:.0} slots, {reserved:.0} reserved, {held:.0} held"))
            }
            Self::Unmetered { over } => {
                let Some(last) = last_seen(view.minutes, 1).and_then(<[Minute]>::last) else { return unknown() };
                let metered: i64 = last.tenants.values().map(|sums| sums.occupied_slot_ms).sum();
                let used = last.whole.occupied_slot_ms;
                let unmetered = (used - metered).max(0) as u64;
                let slots = unmetered as f64 / last.whole.observed_ms.max(1) as f64;
                whole(
                    over.is_exceeded_by(unmetered, used.max(0) as u64),
                    format!("{slots:.1} slots are used by no known tenant"),
                )
            }
            Self::LeakGrowth { least } => {
                let (now, before, burns) = view.leaks;
                whole(
                    now >= *least && now > before && !burns,
                    format!("{now} leaks in 1 h, {before} in the hour before"),
                )
            }
            Self::NoData { after_ms } => {
                let Some((seen, feed_ms)) = view.seen_ms.zip(view.feed_ms) else { return Vec::new() };
                let silence = view.at - seen;
                let says = format!("nothing was received for {}", crate::format::duration(silence));
                // Whoever was woken for the pool must know that nobody sees it any more.
                let pages = view.has_page || view.is_critical && silence >= CRITICAL_SILENCE_MS;
                let lane = if pages { Lane::Page } else { lane };
                vec![Holds { tenant: 0, truth: (silence >= Self::silence_ms(*after_ms, feed_ms)).into(), lane, says }]
            }
            Self::Baseline { times } => {
                let Some(Usual { short: (bad, total), hour, usual: (usual_bad, usual_total), burns }) = view.usual
                else {
                    return unknown();
                };
                // bad / total > times * usual_bad / usual_total, in whole numbers.
                let left = u128::from(bad) * u128::from(usual_total) * u128::from(times.denominator());
                let right = u128::from(times.numerator()) * u128::from(usual_bad) * u128::from(total);
                let counts = bad >= BASELINE_LEAST.1 && hour.0 >= BASELINE_LEAST.0;
                let holds = burns && counts && usual_total > 0 && left > right;
                whole(
                    holds,
                    format!(
                        "{bad} of {total} claims rejected in 5 min, usually {usual_bad} of {usual_total} in an hour"
                    ),
                )
            }
            Self::LeaksFill { within_ms } => match view.full_of_leaks_ms {
                Some(left) => whole(
                    left < *within_ms,
                    format!("at this pace leaks fill the pool in {}", crate::format::duration(left)),
                ),
                None => whole(false, String::new()),
            },
            Self::ForecastFull { within_ms } => match view.foreseen {
                Some(Foreseen::FullAt(at)) => {
                    let left = (at - view.at).max(0);
                    let when =
                        if left == 0 { "now".to_owned() } else { format!("in {}", crate::format::duration(left)) };
                    whole(left < *within_ms, format!("in 1 of 10 cases more is wanted than there is {when}"))
                }
                Some(Foreseen::NotFull) => whole(false, String::new()),
                None => Vec::new(),
            },
            Self::ForecastOff => match view.honesty {
                Some(Honesty { within_permille, is_off }) => whole(
                    is_off,
                    format!(
                        "{} of the hours of two weeks stayed within what was to hold in 95\u{202f}% of them",
                        crate::format::percent(f64::from(within_permille) / 1e3)
                    ),
                ),
                None => Vec::new(),
            },
            Self::Widespread { .. }
            | Self::IngestDown { .. }
            | Self::EngineLag { .. }
            | Self::DeadLetter
            | Self::SourceSkew { .. } => Vec::new(),
        }
    }
}

impl Fraction {
    /// `part / whole < limit`, exactly; nothing of nothing is less than anything.
    fn is_less(part: u64, whole: u64, limit: Self) -> bool {
        whole == 0
            || u128::from(part) * u128::from(limit.denominator()) < u128::from(limit.numerator()) * u128::from(whole)
    }
}

impl View<'_> {
    /// One line for each tenant that something was found for; one that does not hold for the pool if nothing was.
    fn any(&self, lane: Lane, find: impl Fn(&What) -> Option<(i32, String)>) -> Vec<Holds> {
        let found: BTreeMap<i32, String> = self.findings.iter().filter_map(find).collect();
        if found.is_empty() {
            return vec![Holds { tenant: 0, truth: Truth::False, lane, says: String::new() }];
        }
        found.into_iter().map(|(tenant, says)| Holds { tenant, truth: Truth::True, lane, says }).collect()
    }
}

/// The last minutes, if all of them were seen.
fn last_seen(minutes: &[Minute], count: usize) -> Option<&[Minute]> {
    let last = &minutes[minutes.len().checked_sub(count)?..];
    last.iter().all(|minute| minute.whole.observed_ms > 0).then_some(last)
}

/// The tenants that hold most of a pool without reservations while others are rejected.
fn monopoly(view: &View<'_>, over: Fraction) -> impl Iterator<Item = (i32, String)> {
    let last =
        last_seen(view.minutes, 1).and_then(<[Minute]>::last).filter(|minute| minute.whole.reserved_slot_ms == 0);
    let mut found = Vec::new();
    if let Some(last) = last {
        let rejected: BTreeMap<i32, i64> = last.tenants.iter().map(|(key, sums)| (*key, sums.rejections)).collect();
        let all: i64 = rejected.values().sum();
        let users: BTreeSet<i32> = last.tenants.keys().copied().collect();
        for (tenant, sums) in last.tenants.iter().filter(|_| users.len() > 1) {
            let others = all - rejected.get(tenant).copied().unwrap_or_default();
            let (held, capacity) = (sums.occupied_slot_ms.max(0) as u64, last.whole.capacity_slot_ms.max(0) as u64);
            if others > 0 && over.is_exceeded_by(held, capacity) {
                let share = crate::format::percent(held as f64 / capacity.max(1) as f64);
                found
                    .push((*tenant, format!("holds {share} of the pool, {others} claims of others rejected in 1 min")));
            }
        }
    }
    found.into_iter()
}

/// What is silent: pools whose samples are expected, and those of them that sent nothing for so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silent {
    /// Pools whose samples are expected.
    pub fed: u64,
    /// Of these, the silent ones.
    pub silent: u64,
}

impl Silent {
    /// Whether so many are silent that it is no matter of single pools.
    pub fn is_widespread(&self, over: Fraction) -> bool {
        // One pool of one is that pool.
        self.fed >= 2 && !Fraction::is_less(self.silent, self.fed, over)
    }
}

#[cfg(test)]
mod tests;
