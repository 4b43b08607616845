//! Widths from the pool's own past: what its stored forecasts missed by, and where what came lay among what the hours had.

use super::memory::Memory;
use super::path::Raw;
use super::{LEVELS, MEDIAN, NINE_TENTHS, Rung, TENTH};

/// Place of 0.95 in [`LEVELS`].
pub(super) const TOLD: usize = 7;
/// Residuals from which on the pool's own experience is all that counts: five days.
pub(super) const ENOUGH: usize = 120;
/// How far the pool's own widths of the lead are believed for steps further ahead.
const FACTORS: (f64, f64) = (0.6, 2.5);

/// What was learnt from the memory, for forecasts made now.
#[derive(Debug)]
pub(super) struct Calibration {
    /// What came minus the ensemble's median, at the hours of the lead: by level; none without residuals.
    residuals: Option<[f64; LEVELS.len()]>,
    /// Which level of the profile holds what a level promises; none without experience.
    levels: Option<[f64; LEVELS.len()]>,
    /// How much the pool's own experience counts, in [0, 1].
    own: f64,
    kappa: f64,
}

impl Calibration {
    pub(super) fn new(memory: &Memory, now_hour: i64, kappa: f64) -> Self {
        let hour = now_hour + super::LEAD_HOURS as i64 - 1;
        let kappa = if kappa.is_finite() { kappa.clamp(1.0, 3.0) } else { super::DEFAULT_KAPPA };
        let mut residuals: Vec<(f64, f64)> = Vec::new();
        let mut places: Vec<(f64, f64)> = Vec::new();
        for row in memory.usual() {
            let weight = weight(hour, row.hour);
            residuals.push((row.came - row.raw_median, weight));
            places.push((row.place, weight));
        }
        let own = (residuals.len() as f64 / ENOUGH as f64).min(1.0);
        Self { residuals: quantiles(&mut residuals), levels: quantiles(&mut places), own, kappa }
    }

    /// The ensemble with widths that held: at the lead those of the pool's own residuals, further ahead the models' own, wider or
    /// narrower by what they turned out to be at the lead.
    pub(super) fn ensemble(&self, raw: &Raw, basis: Rung) -> Vec<Vec<f64>> {
        let lead = super::LEAD_HOURS - 1;
        let median = &raw.median;
        let kappa = if basis < Rung::Short { 1.0 } else { self.kappa };
        // By how much the middle of what came lies off the median, at the lead.
        let shift = self.residuals.map_or(0.0, |residuals| self.own * residuals[MEDIAN]);
        let factor = |outer: usize| {
            let native = raw.widths[outer][lead];
            let own = self.residuals.map_or(native, |residuals| residuals[outer] - residuals[MEDIAN]);
            let ratio = if native.abs() > 0.0 { (own / native).clamp(FACTORS.0, FACTORS.1) } else { 1.0 };
            let ratio = if ratio.is_finite() { ratio } else { 1.0 };
            self.own * ratio + (1.0 - self.own) * kappa
        };
        let (below, above) = (factor(TENTH), factor(NINE_TENTHS));
        LEVELS
            .iter()
            .enumerate()
            .map(|(place, _)| {
                let by = if place < MEDIAN { below } else { above };
                let own = self.residuals.map_or(0.0, |residuals| residuals[place]);
                (0..median.len())
                    .map(|step| {
                        let native = raw.widths[place][step];
                        if step <= lead {
                            median[step] + self.own * own + (1.0 - self.own) * kappa * native
                        } else {
                            median[step] + shift + by * native
                        }
                    })
                    .collect()
            })
            .collect()
    }

    /// Which level of the profile is looked up for one that is asked for.
    pub(super) fn level(&self, asked: f64) -> f64 {
        let Some(levels) = &self.levels else { return asked };
        let place = LEVELS.iter().position(|one| *one >= asked).unwrap_or(LEVELS.len() - 1);
        (self.own * levels[place] + (1.0 - self.own) * asked).clamp(0.001, 0.999)
    }
}

/// Residuals of the same hour of the day and of the two beside it on each side count twice.
fn weight(hour: i64, other: i64) -> f64 {
    let apart = (hour - other).rem_euclid(24);
    if apart <= 2 || apart >= 22 { 2.0 } else { 1.0 }
}

/// Weighted quantiles of [`LEVELS`], one further value of the mean weight being still to come; none without values.
fn quantiles(values: &mut [(f64, f64)]) -> Option<[f64; LEVELS.len()]> {
    let (last, count) = (values.len().checked_sub(1)?, values.len() as f64);
    values.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let whole: f64 = values.iter().map(|(_, weight)| weight).sum();
    let whole = whole + whole / count;
    let mut found = [0.0; LEVELS.len()];
    let (mut at, mut passed) = (0, values[0].1);
    for (found, level) in found.iter_mut().zip(LEVELS) {
        while at < last && passed < level * whole {
            at += 1;
            passed += values[at].1;
        }
        *found = values[at].0;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_with_weights_worked_out_by_hand() {
        // 0 to 98, each once: the 50th of 100 is 49, the 95th 94; 0.99 of 100 is the last.
        let mut values: Vec<(f64, f64)> = (0..99).map(|at| (f64::from(at), 1.0)).collect();
        let found = quantiles(&mut values).expect("there are some");
        assert_eq!(Vec::from([found[MEDIAN], found[TOLD], found[9]]), [49.0, 94.0, 98.0]);
        // 3 counts twice in one of four.
        let mut values = [(3.0, 2.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)];
        let found = quantiles(&mut values).expect("there are some");
        assert_eq!(Vec::from([found[3], found[5]]), [0.0, 3.0]);
        assert_eq!(quantiles(&mut []), None);
    }

    #[test]
    fn neighbouring_hours_count_twice_also_over_midnight() {
        let is_twice = |hour, other| weight(hour, other) > 1.5;
        assert_eq!([is_twice(24, 22), is_twice(24, 2), is_twice(24, 21), is_twice(5, 29)], [true, true, false, true]);
    }
}
