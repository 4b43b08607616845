//! What a policy would have cost: capacities replayed over a demand of the past, minute by minute.
//!
//! Demand is what was wanted, not what was held: held, queued and rejected slots. Each capacity is made from what was known at the
//! time: the last ten minutes for those that follow, all hours but the last for those that foresee. Which candidate is used is
//! chosen once a day by what the last two weeks would have been with each ([`guard`]).

mod candidate;
mod policy;
mod tally;
mod trailing;

use self::candidate::widths;
use self::policy::{by_minute, greater, static_peak};
use crate::forecast::{Question, forecast};

pub use self::candidate::{Base, Candidate, Policy, base, candidates, shortfall};
pub use self::policy::{HOLD_MINUTES, LEAD_MINUTES, PEAK_MINUTES, REFERENCE_UTILISATION, reactive};
pub use self::tally::Tally;
pub use self::trailing::{LEAD_HOURS, WINDOW_HOURS};

/// Minutes of a day.
const DAY: usize = 1_440;
/// Days at the beginning that are learnt from and not counted.
pub const WARM_UP_DAYS: usize = 30;
/// Days by which a candidate is chosen.
pub const CHOICE_DAYS: usize = 14;
/// Longest demand, in minutes: three years.
pub const MOST_MINUTES: usize = 3 * 366 * DAY;
/// Hours before the first forecast.
const FIRST_FORECAST: usize = 48;
/// The guard: at most this part of the reference's violation minutes, …
const MOST_VIOLATIONS: f64 = 0.9;
/// … and at most this part of its capacity.
const MOST_CAPACITY: f64 = 0.98;
/// Levels of candidates that foresee or keep headroom.
const LEVELS: [f64; 8] = [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99];
/// The level whose coverage is told.
const TOLD_LEVEL: f64 = 0.95;

/// The most of each hour of a demand by minute; NaN where no minute is known.
pub fn hourly_peaks(demand: &[f64]) -> Vec<f64> {
    demand.chunks(60).map(|hour| hour.iter().copied().fold(f64::NAN, f64::max)).collect()
}

/// The median forecast of an hour's peak from what was known [`LEAD_HOURS`] before; NaN while too little was.
pub fn foresee(peaks: &[f64], hour: usize, question: &Question) -> f64 {
    if hour < FIRST_FORECAST {
        return f64::NAN;
    }
    let forecast = forecast(&peaks[..=hour - LEAD_HOURS], question);
    forecast.mean.get(LEAD_HOURS - 1).copied().unwrap_or(f64::NAN)
}

/// What [`foresee`] is asked: hours with a day and a week.
pub fn question() -> Question {
    Question::hourly(LEAD_HOURS)
}

/// What everybody came to on the days that count.
#[derive(Debug, Clone)]
pub struct Backtest {
    /// Days that count.
    pub days: usize,
    /// Follows at 75 % utilisation: the reference.
    pub reactive: Tally,
    /// The peak of the last two weeks.
    pub static_peak: Tally,
    /// The greater of the median forecast over 0.75 and the reference, as predictive scaling in public clouds is set up.
    pub cloud: Tally,
    /// The candidate of each day.
    pub chosen: Tally,
    /// How many days each candidate was chosen, most first.
    pub choices: Vec<(String, usize)>,
    /// Part of the hours whose peak was at most the quantile of 0.95 that was foreseen for them.
    pub coverage: Option<f64>,
}

/// Replays a demand by minute, NaN being unknown, with the medians that [`foresee`] gave for its hours.
///
/// None if there are not more than [`WARM_UP_DAYS`] whole days; what is beyond [`MOST_MINUTES`] is left out.
pub fn backtest(demand: &[f64], medians: &[f64]) -> Option<Backtest> {
    let days = demand.len().min(MOST_MINUTES) / DAY;
    if days <= WARM_UP_DAYS {
        return None;
    }
    let demand = &demand[..days * DAY];
    let peaks = hourly_peaks(demand);
    let medians = &medians[..medians.len().min(peaks.len())];
    let reference = reactive(demand, REFERENCE_UTILISATION);
    let candidates = candidates(demand, Some(medians));
    let over = |capacity: &[f64]| Tally::of(&demand[WARM_UP_DAYS * DAY..], &capacity[WARM_UP_DAYS * DAY..]);
    let (chosen, choices) = choose(&candidates, days);
    let told = LEVELS.iter().position(|level| level.total_cmp(&TOLD_LEVEL).is_eq()).unwrap_or_default();
    let width = &widths(demand, medians)[told];
    let bounds: Vec<f64> = medians.iter().zip(width).map(|(median, width)| median + width).collect();
    let cloud: Vec<f64> = medians.iter().map(|median| median / REFERENCE_UTILISATION).collect();
    Some(Backtest {
        days: days - WARM_UP_DAYS,
        reactive: over(&reference),
        static_peak: over(&static_peak(demand)),
        cloud: over(&greater(&by_minute(&cloud, demand.len()), &reference)),
        chosen,
        choices,
        coverage: coverage(&peaks[WARM_UP_DAYS * 24..], &bounds[(WARM_UP_DAYS * 24).min(bounds.len())..]),
    })
}

/// The cheapest candidate that beat the reference over the days before, with a margin; the reference, which is the first, if none did.
pub fn guard(candidates: &[Candidate], day: usize) -> usize {
    let from = day.saturating_sub(CHOICE_DAYS);
    let Some(reference) = candidates.first().map(|first| first.over(from, day)) else { return 0 };
    let most_violations = MOST_VIOLATIONS * reference.violation_minutes as f64;
    let mut best = (0, MOST_CAPACITY * reference.capacity);
    for (place, candidate) in candidates.iter().enumerate().skip(1) {
        let tally = candidate.over(from, day);
        let is_safe = tally.violation_minutes as f64 <= most_violations && tally.unmet <= reference.unmet;
        if is_safe && tally.capacity <= best.1 {
            best = (place, tally.capacity);
        }
    }
    best.0
}

fn choose(candidates: &[Candidate], days: usize) -> (Tally, Vec<(String, usize)>) {
    let mut counts = vec![0; candidates.len()];
    let mut sum = Tally::default();
    for day in WARM_UP_DAYS..days {
        let place = guard(candidates, day);
        counts[place] += 1;
        sum = sum + candidates[place].over(day, day + 1);
    }
    let named = candidates.iter().map(|candidate| candidate.policy.to_string()).zip(counts);
    let mut choices: Vec<(String, usize)> = named.filter(|(_, count)| *count > 0).collect();
    choices.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    (sum, choices)
}

fn coverage(peaks: &[f64], bounds: &[f64]) -> Option<f64> {
    let known: Vec<bool> = peaks
        .iter()
        .zip(bounds)
        .filter(|(peak, bound)| !peak.is_nan() && !bound.is_nan())
        .map(|(peak, bound)| peak <= bound)
        .collect();
    (!known.is_empty()).then(|| known.iter().filter(|is| **is).count() as f64 / known.len() as f64)
}

#[cfg(test)]
mod tests;
