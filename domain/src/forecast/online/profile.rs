//! What the same hours of the day had: quantiles of each hour and its neighbours.

use super::super::empirical::{quantile, young};
use super::{LEVELS, Rung};

/// Observed peaks by hour of the day.
#[derive(Debug)]
pub(super) struct Profile {
    /// For each UTC hour of the day what it and the two hours beside it had, ascending.
    hours: Vec<Vec<f64>>,
}

impl Profile {
    /// `peaks` end with the hour before `now_hour`; NaN is unknown.
    pub(super) fn new(peaks: &[f64], now_hour: i64) -> Self {
        let first = now_hour - peaks.len() as i64;
        let mut own: Vec<Vec<f64>> = vec![Vec::with_capacity(peaks.len() / 24 + 1); 24];
        for (at, peak) in peaks.iter().enumerate().filter(|(_, peak)| !peak.is_nan()) {
            own[of_day(first + at as i64)].push(*peak);
        }
        let mut everything: Vec<f64> = Vec::new();
        let hours = (0..24)
            .map(|hour| {
                let near = [(hour + 23) % 24, hour, (hour + 1) % 24];
                let mut found: Vec<f64> = near.iter().flat_map(|at| own[*at].iter().copied()).collect();
                if found.is_empty() {
                    if everything.is_empty() {
                        everything = own.iter().flatten().copied().collect();
                    }
                    found.clone_from(&everything);
                }
                found.sort_unstable_by(f64::total_cmp);
                found
            })
            .collect();
        Self { hours }
    }

    /// What the hour of the day had, ascending.
    pub(super) fn of(&self, hour: i64) -> &[f64] {
        &self.hours[of_day(hour)]
    }

    /// By level of [`LEVELS`], then by step from `from_hour` on; `level` says which level is looked up for one that is asked for.
    pub(super) fn quantiles(
        &self,
        from_hour: i64,
        horizon: usize,
        level: impl Fn(f64) -> f64,
        basis: Rung,
    ) -> Vec<Vec<f64>> {
        LEVELS
            .iter()
            .map(|asked| {
                let looked_up = if basis == Rung::Hours { young(*asked) } else { level(*asked) };
                let day: Vec<f64> =
                    (0..horizon.min(24)).map(|step| quantile(self.of(from_hour + step as i64), looked_up)).collect();
                (0..horizon).map(|step| day[step % 24]).collect()
            })
            .collect()
    }
}

fn of_day(hour: i64) -> usize {
    hour.rem_euclid(24) as usize
}
