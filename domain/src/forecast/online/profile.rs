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
    /// `peaks` end with the hour before `now_hour`; NaN is unknown. Hours of the day beyond the horizon are left empty.
    pub(super) fn new(peaks: &[f64], now_hour: i64, horizon: usize) -> Self {
        let first = now_hour.saturating_sub(peaks.len() as i64);
        let mut hours: Vec<Vec<f64>> = vec![Vec::new(); 24];
        for step in 0..horizon.min(24) {
            let hour = of_day(now_hour + step as i64);
            let mut found = Vec::with_capacity(peaks.len() / 8 + 3);
            for near in [hour + 23, hour, hour + 1] {
                let start = (near as i64 - first).rem_euclid(24) as usize;
                found.extend(peaks.iter().skip(start).step_by(24).copied().filter(|peak| !peak.is_nan()));
            }
            if found.is_empty() {
                found.extend(peaks.iter().copied().filter(|peak| !peak.is_nan()));
            }
            found.sort_unstable_by(f64::total_cmp);
            hours[hour] = found;
        }
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
