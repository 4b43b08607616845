//! What comes if each value depends on earlier ones in the way it did lately: ridge regression on lags, continued step by step.
//!
//! The sums of products are kept as they go and forgotten at a steady rate, so that a refit at the next origin costs the rows
//! of one season and one small solution (recursive least squares in blocks).

use super::super::solve::{dot, solve};
use super::Origins;

/// Before the first origin so many seasons are forgotten at once: nobody asks in between.
const COARSE: usize = 4;

/// A regression on lags.
#[derive(Debug, Clone)]
pub(super) struct Regression {
    /// Lags of the features, ascending, each at least 1.
    pub(super) lags: Vec<usize>,
    /// Differences over so many steps are regressed in place of the values; 0 for the values.
    pub(super) difference: usize,
    /// What a row's weight becomes after a step, in (0, 1].
    pub(super) forgetting: f64,
    /// Penalty of each weight, in parts of the mean sum of squares of the features.
    pub(super) ridge: f64,
}

impl Regression {
    fn most(&self) -> usize {
        self.lags.last().copied().unwrap_or(0)
    }

    /// Fewest values from which the weights say anything.
    pub(super) fn need(&self, season: usize) -> usize {
        self.difference + self.most() + 3 * season.max(self.lags.len())
    }

    /// Writes the forecasts of all origins.
    pub(super) fn run(&self, values: &[f64], origins: &Origins<'_>, out: &mut [f64]) {
        if self.difference == 0 {
            self.fit(values, origins, out);
            return;
        }
        let mut differences = vec![0.0; values.len()];
        for at in self.difference..values.len() {
            differences[at] = values[at] - values[at - self.difference];
        }
        self.fit(&differences, origins, out);
        for (&end, steps) in origins.ends.iter().zip(out.chunks_exact_mut(origins.horizon)) {
            for step in 0..steps.len() {
                let back = match step.checked_sub(self.difference) {
                    Some(earlier) => steps[earlier],
                    None => values[end + step - self.difference],
                };
                steps[step] += back;
            }
        }
    }

    fn fit(&self, series: &[f64], origins: &Origins<'_>, out: &mut [f64]) {
        let features = self.lags.len();
        // The target, the features, and a constant.
        let size = features + 2;
        let constant = size - 1;
        let mut columns = vec![0];
        columns.extend(&self.lags);
        let mut sums = vec![0.0; size * size];
        let mut matrix = vec![0.0; (features + 1) * (features + 1)];
        let mut weights = vec![0.0; features + 1];
        let first = self.difference + self.most();
        let season = origins.stride.max(1);
        let mut tail = vec![0.0; self.most() + origins.horizon];
        let ones = vec![1.0; COARSE * season];
        let bounds = bounds(series);
        let mut from = first;
        for (place, (&end, steps)) in origins.ends.iter().zip(out.chunks_exact_mut(origins.horizon)).enumerate() {
            while from < end {
                // Blocks end where origins do.
                let block = if place == 0 { COARSE * season } else { season };
                let length = match (end - from) % block {
                    0 => block,
                    rest => rest,
                };
                let to = from + length;
                let kept = self.forgetting.powi(length as i32);
                for sum in &mut sums {
                    *sum *= kept;
                }
                for (row, &lag) in columns.iter().enumerate() {
                    let one = &series[from - lag..to - lag];
                    let line = &mut sums[row * size..(row + 1) * size];
                    for (column, &other) in columns.iter().enumerate().skip(row) {
                        line[column] += dot(one, &series[from - other..to - other]);
                    }
                    line[constant] += dot(one, &ones[..length]);
                }
                sums[constant * size + constant] += length as f64;
                from = to;
            }
            {
                let mean_square = (1..=features).map(|at| sums[at * size + at]).sum::<f64>() / features.max(1) as f64;
                let penalty = self.ridge * mean_square + f64::MIN_POSITIVE.sqrt();
                for row in 0..=features {
                    for column in 0..=row {
                        matrix[row * (features + 1) + column] = sums[(column + 1) * size + row + 1];
                    }
                    matrix[row * (features + 1) + row] += penalty;
                    weights[row] = sums[row + 1];
                }
                if !solve(&mut matrix, &mut weights) {
                    weights.fill(0.0);
                }
            }
            let known = self.most().min(end);
            tail[..self.most()].fill(0.0);
            tail[self.most() - known..self.most()].copy_from_slice(&series[end - known..end]);
            for (step, value) in steps.iter_mut().enumerate() {
                let at = self.most() + step;
                let sum = back(&self.lags, &weights[..features], &tail[..at]);
                // Weights that do not damp would run away.
                let sum = sum + weights[features];
                *value = if sum.is_nan() { tail[at - 1] } else { sum.clamp(bounds.0, bounds.1) };
                tail[at] = *value;
            }
        }
    }
}

/// The weighted sum of values at lags, in four lanes; `known` ends with the value at lag 1.
fn back(lags: &[usize], weights: &[f64], known: &[f64]) -> f64 {
    let length = known.len();
    let mut lanes = [0.0; 4];
    let (fours, of_fours) = (lags.chunks_exact(4), weights.chunks_exact(4));
    let rest = fours.remainder().iter().zip(of_fours.remainder());
    let rest: f64 = rest.map(|(lag, weight)| weight * known[length - lag]).sum();
    for (lags, weights) in fours.zip(of_fours) {
        for lane in 0..4 {
            lanes[lane] += weights[lane] * known[length - lags[lane]];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

/// Values beyond which a continued series is not believed: its range, once more on each side.
fn bounds(series: &[f64]) -> (f64, f64) {
    let least = series.iter().copied().fold(f64::INFINITY, f64::min);
    let most = series.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least > most { (0.0, 0.0) } else { (least - (most - least), most + (most - least)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 + 0.5 of the last + 0.3 of the one three before, disturbed a little.
    fn series(length: usize) -> Vec<f64> {
        let mut values = vec![4.0, 5.0, 6.0];
        // A linear congruential generator: disturbances must not depend on each other.
        let mut state: u64 = 1;
        for at in 3..length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let disturbance = (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5;
            values.push(1.0 + 0.5 * values[at - 1] + 0.3 * values[at - 3] + disturbance);
        }
        values
    }

    fn regression(difference: usize) -> Regression {
        Regression { lags: vec![1, 3], difference, forgetting: 1.0, ridge: 1e-9 }
    }

    #[test]
    fn the_rule_behind_a_series_is_found() {
        let values = series(4_000);
        let origins = Origins { ends: &[3_996, 4_000], stride: 4, horizon: 2 };
        let mut out = [0.0; 4];
        regression(0).run(&values, &origins, &mut out);
        for (&end, steps) in origins.ends.iter().zip(out.chunks(2)) {
            let one = 1.0 + 0.5 * values[end - 1] + 0.3 * values[end - 3];
            let two = 1.0 + 0.5 * one + 0.3 * values[end - 2];
            assert!((steps[0] - one).abs() < 0.05 && (steps[1] - two).abs() < 0.05, "{steps:?} is not {one}, {two}");
        }
    }

    #[test]
    fn a_refit_is_what_a_new_fit_would_be() {
        let values = series(400);
        let mut both = [0.0; 4];
        regression(0).run(&values, &Origins { ends: &[396, 400], stride: 4, horizon: 2 }, &mut both);
        let mut one = [0.0; 2];
        regression(0).run(&values, &Origins { ends: &[400], stride: 4, horizon: 2 }, &mut one);
        assert!(both[2..].iter().zip(&one).all(|(one, other)| (one - other).abs() < 1e-9), "{both:?} {one:?}");
    }

    #[test]
    fn differences_are_added_to_what_they_are_differences_of() {
        // A line: every difference over two steps is 2.
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let mut out = [0.0; 5];
        regression(2).run(&values, &Origins { ends: &[50], stride: 4, horizon: 5 }, &mut out);
        for (step, value) in out.iter().enumerate() {
            assert!((value - (50 + step) as f64).abs() < 1e-3, "{out:?}");
        }
    }

    #[test]
    fn nothing_runs_away() {
        let values: Vec<f64> = (0..60).map(|at| 2.0_f64.powi(at)).collect();
        let mut out = [0.0; 100];
        regression(0).run(&values, &Origins { ends: &[60], stride: 4, horizon: 100 }, &mut out);
        assert!(out.iter().all(|value| value.abs() <= 2.0_f64.powi(61)), "{out:?}");
    }
}
