//! How right the published forecasts were. Errors are put in proportion to all that came, never hour by hour: an hour of one slot says
//! nothing in per cent.

use super::known;
use super::memory::{Memory, Row};
use serde::{Deserialize, Serialize};

/// Coverage at 0.95 may be off by this much.
const BAND: f64 = 0.03;
/// Fewest hours by which coverage is judged: a week.
const JUDGED_FROM: usize = 168;
/// A spot is weak if its error is so many times that of the whole …
const WEAK: f64 = 1.5;
/// … and it has at least so many hours.
const WEAK_FROM: usize = 6;
/// Most weak spots that are told.
const MOST_WEAK: usize = 3;

/// How right forecasts were over two weeks, at the lead of plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Hours that are judged, those of events included.
    pub hours: usize,
    /// Sum of absolute errors of the median over the sum of what came.
    pub wape: Option<f64>,
    /// The same of "as last week", over the hours of which both are known.
    pub naive_wape: Option<f64>,
    /// What the median missed by in just those hours: what "as last week" is compared with.
    #[serde(default)]
    pub compared_wape: Option<f64>,
    /// The day (since 1970, of the pool's zone) with the largest error, and its WAPE; of days with half of their hours.
    pub worst_day: Option<(i64, f64)>,
    /// Part of the hours that stayed within the quantile of 0.95.
    pub coverage_95: Option<f64>,
    /// Part of the hours between the quantiles of 0.1 and 0.9.
    pub coverage_80: Option<f64>,
    /// Whether, over a week or more, fewer than 0.92 of the hours stayed within the quantile of 0.95, or more than 0.98 below it.
    /// Where many hours are equal (a pool that is always full), those that are met exactly are neither.
    pub left_band: bool,
    /// Where it is much worse than elsewhere, worst first.
    pub weak: Vec<Weak>,
}

/// Hours that are forecast much worse than others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Weak {
    /// An hour of the day.
    Hour {
        /// 0 to 23, of the pool's zone.
        hour: u8,
        /// Its WAPE.
        wape: f64,
    },
    /// A day of the week.
    Weekday {
        /// 1 is Monday, 7 is Sunday.
        weekday: u8,
        /// Its WAPE.
        wape: f64,
    },
}

impl Accuracy {
    /// Whether "as last week" was at least as good, in the hours of which both are known.
    pub fn naive_wins(&self) -> bool {
        self.compared_wape.zip(self.naive_wape).is_some_and(|(own, naive)| own >= naive)
    }
}

impl Weak {
    fn wape(self) -> f64 {
        match self {
            Self::Hour { wape, .. } | Self::Weekday { wape, .. } => wape,
        }
    }
}

/// Sums of errors and of what came.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    error: f64,
    came: f64,
    hours: usize,
}

impl Sums {
    fn add(&mut self, error: f64, came: f64) {
        self.error += error;
        self.came += came;
        self.hours += 1;
    }

    fn wape(self) -> Option<f64> {
        (self.came > 0.0).then(|| self.error / self.came)
    }
}

/// Judges what is remembered. `peaks` end with the hour before `now_hour`; they are what "as last week" is made from.
pub fn accuracy(memory: &Memory, peaks: &[f64], now_hour: i64, offset_hours: i64) -> Accuracy {
    let rows = memory.rows();
    let first = now_hour.saturating_sub(peaks.len() as i64);
    let (mut all, mut compared, mut naive) = (Sums::default(), Sums::default(), Sums::default());
    let mut hours = [Sums::default(); 24];
    let mut weekdays = [Sums::default(); 7];
    let mut days: Vec<(i64, Sums)> = Vec::new();
    for row in rows {
        let error = (row.came - row.median).abs();
        all.add(error, row.came);
        let local = row.hour.saturating_add(offset_hours);
        let day = local.div_euclid(24);
        hours[local.rem_euclid(24) as usize].add(error, row.came);
        // 1970-01-01 was a Thursday.
        weekdays[(day + 3).rem_euclid(7) as usize].add(error, row.came);
        match days.last_mut() {
            Some((last, sums)) if *last == day => sums.add(error, row.came),
            _ => {
                let mut sums = Sums::default();
                sums.add(error, row.came);
                days.push((day, sums));
            }
        }
        let week_before =
            usize::try_from(row.hour - 168 - first).ok().and_then(|at| peaks.get(at)).map(|peak| known(*peak));
        if let Some(before) = week_before.filter(|before| !before.is_nan()) {
            compared.add(error, row.came);
            naive.add((row.came - before).abs(), row.came);
        }
    }
    let part = |holds: &dyn Fn(&Row) -> bool| {
        (!rows.is_empty()).then(|| rows.iter().filter(|row| holds(row)).count() as f64 / rows.len() as f64)
    };
    let coverage_95 = part(&|row| row.came <= row.told);
    let below_95 = part(&|row| row.came < row.told);
    let wape = all.wape();
    let full_days = days.iter().filter(|(_, sums)| sums.hours >= 12);
    let worst_day = full_days
        .filter_map(|(day, sums)| sums.wape().map(|wape| (*day, wape)))
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let is_weak = |sums: &Sums| {
        let own = sums.wape().filter(|_| sums.hours >= WEAK_FROM)?;
        wape.filter(|whole| own > WEAK * whole).map(|_| own)
    };
    let by_hour = hours
        .iter()
        .enumerate()
        .filter_map(|(hour, sums)| is_weak(sums).map(|wape| Weak::Hour { hour: hour as u8, wape }));
    let by_weekday = weekdays
        .iter()
        .enumerate()
        .filter_map(|(day, sums)| is_weak(sums).map(|wape| Weak::Weekday { weekday: day as u8 + 1, wape }));
    let mut weak: Vec<Weak> = by_weekday.chain(by_hour).collect();
    weak.sort_by(|one, other| other.wape().total_cmp(&one.wape()));
    weak.truncate(MOST_WEAK);
    Accuracy {
        hours: rows.len(),
        wape,
        naive_wape: naive.wape(),
        compared_wape: compared.wape(),
        worst_day,
        coverage_95,
        coverage_80: part(&|row| (row.bounds.0..=row.bounds.1).contains(&row.came)),
        left_band: rows.len() >= JUDGED_FROM
            && (coverage_95.is_some_and(|within| within < 0.95 - BAND)
                || below_95.is_some_and(|below| below > 0.95 + BAND)),
        weak,
    }
}
