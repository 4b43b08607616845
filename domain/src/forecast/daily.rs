//! Daily peaks for weeks and months: the habits of weekdays, growth, and how unsure both are. For reviews of capacity and for when a
//! pool is full, not for plans.
//!
//! Growth is the middle of the slopes between same weekdays (Theil and Sen), which a few odd days do not move; it is believed as far
//! as the slopes agree in sign (Kendall). A level that jumped lately is carried back first, so that a jump is not taken for growth.

use super::empirical::quantile;
use super::history::History;
use super::online::{LEVELS, MEDIAN};
use super::shift;
use serde::{Deserialize, Serialize};

/// Days of the past that are looked at.
pub const MOST_DAYS: usize = 400;
/// Most days ahead.
pub const MOST_AHEAD: usize = 400;
/// Fewest observed days.
pub const FEWEST_DAYS: usize = 7;
/// Days back within which growth is looked for: half a year.
const GROWTH_DAYS: usize = 182;
/// Same weekdays whose middle is the habit.
const HABIT_WEEKS: usize = 6;
/// Days after which a forecast is wider by the square root of two.
const WIDENING_DAYS: f64 = 28.0;
/// Standard normal quantiles of [`LEVELS`], for the unsureness of growth.
const NORMAL: [f64; LEVELS.len()] =
    [-1.959_964, -1.644_854, -1.281_552, -0.674_490, 0.0, 0.674_490, 1.281_552, 1.644_854, 1.959_964, 2.326_348];

/// A forecast of days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    /// By day ahead, the first after the last one known; empty below [`FEWEST_DAYS`].
    pub median: Vec<f64>,
    /// By level of [`LEVELS`], then by day.
    pub quantiles: Vec<Vec<f64>>,
    /// Slots that are wanted more with each day.
    pub growth_per_day: f64,
    /// The same by week, in parts of the mean of the last four weeks; none if nothing was wanted.
    pub growth_share_per_week: Option<f64>,
    /// So many days ago the level jumped, if it did within two weeks.
    pub level_shift_days: Option<usize>,
    /// Observed days.
    pub known: usize,
}

impl Daily {
    /// The same from its second day on.
    #[must_use]
    pub fn after_first(mut self) -> Self {
        for days in self.quantiles.iter_mut().chain([&mut self.median]).filter(|days| !days.is_empty()) {
            days.remove(0);
        }
        self
    }
}

/// Forecasts daily peaks, oldest first; what is not finite or negative is unknown.
pub fn daily(days: &[f64], horizon: usize) -> Daily {
    let horizon = horizon.min(MOST_AHEAD);
    let recent = &days[days.len().saturating_sub(MOST_DAYS)..];
    let cleaned: Vec<f64> =
        recent.iter().map(|day| if *day >= 0.0 && *day <= MOST_PEAK { *day } else { f64::NAN }).collect();
    let mut history = History::new(&cleaned, 7, MOST_DAYS);
    let known = history.count;
    let mut answer = Daily {
        median: Vec::new(),
        quantiles: vec![Vec::new(); LEVELS.len()],
        growth_per_day: 0.0,
        growth_share_per_week: None,
        level_shift_days: None,
        known,
    };
    if known < FEWEST_DAYS {
        return answer;
    }
    answer.level_shift_days = shift::level(&mut history.clone(), 1);
    if let Some(after) = answer.level_shift_days {
        carry_back(&mut history, after);
    }
    let growth = Growth::of(&history);
    let residuals = growth.residuals(&history);
    let length = history.values.len();
    let centre = quantile(&residuals, 0.5);
    let value = |raw: f64| {
        let value = raw * history.scale;
        if value.is_finite() { value.max(0.0) } else { 0.0 }
    };
    for (place, level) in LEVELS.iter().enumerate() {
        let off = quantile(&residuals, *level) - centre;
        answer.quantiles[place] = (0..horizon)
            .map(|ahead| {
                let days = (ahead + 1) as f64;
                let chance = off * (1.0 + days / WIDENING_DAYS).sqrt();
                let slope = NORMAL[place] * growth.unsure * days;
                let width = chance.hypot(slope).copysign(NORMAL[place]);
                value(growth.at(length + ahead) + if place == MEDIAN { 0.0 } else { width })
            })
            .collect();
    }
    for place in 1..LEVELS.len() {
        for ahead in 0..horizon {
            let below = answer.quantiles[place - 1][ahead];
            let above = &mut answer.quantiles[place][ahead];
            *above = above.max(below);
        }
    }
    answer.median.clone_from(&answer.quantiles[MEDIAN]);
    answer.growth_per_day = growth.slope * history.scale;
    let last = &history.values[length.saturating_sub(28)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    answer.growth_share_per_week = (mean > 0.0).then(|| 7.0 * growth.slope / mean);
    answer
}

/// Moves what was before a jump to the new level, in proportion to what the same weekdays had.
fn carry_back(history: &mut History, after: usize) {
    let place = history.values.len() - after;
    let (mut now, mut before) = (0.0, 0.0);
    for at in place..history.values.len() {
        let mut same: Vec<f64> =
            (0..place).rev().filter(|earlier| (at - earlier) % 7 == 0).take(4).map(|at| history.values[at]).collect();
        same.sort_unstable_by(f64::total_cmp);
        if let Some(middle) = same.get(same.len() / 2) {
            now += history.values[at];
            before += middle;
        }
    }
    let ratio = now / before;
    for value in &mut history.values[..place] {
        // From nothing, or to nothing, there is no proportion.
        *value = if (1e-3..1e3).contains(&ratio) { *value * ratio } else { *value + (now - before) / after as f64 };
    }
}

/// Peaks beyond this are unknown: a hundred times more than a pool can have.
const MOST_PEAK: f64 = 1e10;
/// Habits of weekdays on a line.
struct Growth {
    slope: f64,
    /// Standard error of the slope.
    unsure: f64,
    /// By place modulo 7: where the line of that weekday is at `origin`.
    habits: [f64; 7],
    origin: usize,
}

impl Growth {
    fn of(history: &History) -> Self {
        let length = history.values.len();
        let from = length.saturating_sub(GROWTH_DAYS);
        let mut slopes = Vec::new();
        for later in from..length {
            for earlier in (from..later).rev().skip(6).step_by(7) {
                if history.observed[later] && history.observed[earlier] {
                    let rise = history.values[later] - history.values[earlier];
                    slopes.push(rise / (later - earlier) as f64);
                }
            }
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let weeks = ((length - from) / 7) as f64;
        let (mut slope, mut unsure) = (0.0, 0.0);
        if !slopes.is_empty() {
            let count = slopes.len() as f64;
            let ups = slopes.iter().filter(|slope| **slope > 0.0).count() as f64;
            let downs = slopes.iter().filter(|slope| **slope < 0.0).count() as f64;
            // Two weeks say hardly anything about growth.
            let seen = (weeks - 1.0).max(0.0) / (weeks + 2.0);
            slope = slopes[slopes.len() / 2] * (1.5 * (ups - downs).abs() / count).min(1.0) * seen;
            let quarter = slopes.len() / 4;
            unsure = 0.741 * (slopes[slopes.len() - 1 - quarter] - slopes[quarter]) / weeks.max(1.0).sqrt();
        }
        let origin = length;
        let mut habits = [0.0; 7];
        let mut missing = Vec::new();
        let mut found = Vec::new();
        let detrended = |at: usize| history.values[at] + slope * (origin - at) as f64;
        for (phase, habit) in habits.iter_mut().enumerate() {
            let same = (0..length).rev().filter(|at| at % 7 == phase && history.observed[*at]);
            let mut last: Vec<f64> = same.take(HABIT_WEEKS).map(detrended).collect();
            last.sort_unstable_by(f64::total_cmp);
            if let Some(end) = last.len().checked_sub(1) {
                *habit = f64::midpoint(last[end / 2], last[last.len() / 2]);
                found.push(*habit);
            } else {
                missing.push(phase);
            }
        }
        let mean = found.iter().sum::<f64>() / found.len().max(1) as f64;
        for phase in missing {
            habits[phase] = mean;
        }
        Self { slope, unsure, habits, origin }
    }

    fn at(&self, place: usize) -> f64 {
        self.habits[place % 7] + self.slope * (place as f64 - self.origin as f64)
    }

    /// What observed days of the last twelve weeks had above the habits, ascending. Two weeks or less fit themselves: then the
    /// spread of all days counts.
    fn residuals(&self, history: &History) -> Vec<f64> {
        let length = history.values.len();
        let from = length.saturating_sub(84);
        let observed = (from..length).filter(|at| history.observed[*at]);
        let mut found: Vec<f64> = if length < 14 {
            let mean = history.values.iter().sum::<f64>() / length as f64;
            observed.map(|at| history.values[at] - mean).collect()
        } else {
            // A habit of n days has eaten up a part of their spread.
            let weeks = (length / 7).min(HABIT_WEEKS) as f64;
            let widened = (weeks / (weeks - 1.0)).sqrt();
            observed.map(|at| widened * (history.values[at] - self.at(at))).collect()
        };
        found.sort_unstable_by(f64::total_cmp);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of which Saturday and Sunday are half, growing by `by` a day, with a disturbance that is the same every time.
    fn weeks(days: usize, by: f64) -> Vec<f64> {
        (0..days)
            .map(|day| {
                let habit = if day % 7 < 5 { 100.0 } else { 50.0 };
                habit + by * day as f64 + ((day * 7919) % 13) as f64 / 6.5 - 1.0
            })
            .collect()
    }

    #[test]
    fn growth_goes_on_and_weekdays_stay() {
        let answer = daily(&weeks(84, 0.5), 28);
        assert!((answer.growth_per_day - 0.5).abs() < 0.1, "{}", answer.growth_per_day);
        // Day 84 is a Monday, day 89 a Saturday.
        assert!((answer.median[0] - 142.0).abs() < 4.0, "{}", answer.median[0]);
        assert!((answer.median[5] - 94.5).abs() < 4.0, "{}", answer.median[5]);
        assert!((answer.median[21] - 152.5).abs() < 5.0, "{}", answer.median[21]);
        assert_eq!(answer.level_shift_days, None);
    }

    #[test]
    fn no_growth_is_none_and_it_gets_wider() {
        let answer = daily(&weeks(84, 0.0), 60);
        assert!(answer.growth_per_day.abs() < 0.02, "{}", answer.growth_per_day);
        let width = |day: usize| answer.quantiles[7][day] - answer.quantiles[0][day];
        assert!(width(0) > 1.0 && width(56) > width(0), "{} {}", width(0), width(56));
    }

    #[test]
    fn a_jump_is_not_growth() {
        let mut days = weeks(70, 0.0);
        for day in &mut days[60..] {
            *day *= 4.0;
        }
        let answer = daily(&days, 14);
        assert_eq!(answer.level_shift_days, Some(10));
        assert!(answer.growth_per_day.abs() < 0.8, "{}", answer.growth_per_day);
        assert!(
            (answer.median[10] - 400.0).abs() < 20.0 && (answer.median[13] - 200.0).abs() < 20.0,
            "{:?}",
            answer.median
        );
    }

    #[test]
    fn bad_series_are_survived() {
        let mut gaps = vec![f64::NAN; 60];
        gaps[3] = 5.0;
        let alternating: Vec<f64> = (0..90).map(|day| if day % 2 == 0 { 1e10 } else { 0.0 }).collect();
        let all = [
            vec![],
            vec![1.0],
            vec![0.0; 90],
            vec![7.0; 90],
            vec![f64::MAX; 90],
            vec![f64::INFINITY; 90],
            vec![-1.0; 90],
            vec![1e10; 90],
            alternating,
            gaps,
            weeks(9, 3.0),
            weeks(1_000, 3.0),
        ];
        for series in all {
            for horizon in [0, 1, 7, 1_000] {
                let answer = daily(&series, horizon);
                let expected = if answer.known < FEWEST_DAYS { 0 } else { horizon.min(MOST_AHEAD) };
                assert_eq!(answer.median.len(), expected);
                assert!(answer.growth_per_day.is_finite());
                for day in 0..expected {
                    let values: Vec<f64> = answer.quantiles.iter().map(|steps| steps[day]).collect();
                    assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0), "{values:?}");
                    assert!(values.is_sorted(), "{values:?}");
                }
            }
        }
        let flat = daily(&[7.0; 90], 7);
        assert!(flat.median.iter().all(|value| (value - 7.0).abs() < 1e-9), "{:?}", flat.median);
    }
}
