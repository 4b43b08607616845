//! How much each expert is believed, by its errors at earlier origins.

use super::settings::Settings;
use super::solve::dot;

/// Settings of a model with less weight are left out.
const LEAST_WEIGHT: f64 = 1e-3;
/// Largest change of a weight in one step of balancing, as a logarithm.
const MOST_STEP: f64 = 3.0;
/// An error is never taken for smaller than this part of the origin's mean when its square is put in proportion.
const LEAST_ERROR: f64 = 0.1;

/// What came, at the origins that were tried.
#[derive(Debug)]
pub(super) struct Tried<'a> {
    /// `[origin][step]`; NaN where nothing was observed or nothing has come yet.
    pub(super) truth: &'a [f64],
    /// Steps of an origin.
    pub(super) horizon: usize,
}

impl Tried<'_> {
    /// How many origins were tried.
    pub(super) fn origins(&self) -> usize {
        self.truth.len() / self.horizon
    }

    /// Mean absolute error at each origin; NaN where nothing was observed.
    pub(super) fn errors(&self, steps: &[f64]) -> Vec<f64> {
        let origins = steps.chunks_exact(self.horizon).zip(self.truth.chunks_exact(self.horizon));
        origins
            .map(|(said, came)| {
                let known = said.iter().zip(came).filter(|(_, came)| !came.is_nan());
                let (sum, count) =
                    known.fold((0.0, 0.0), |(sum, count), (said, came)| (sum + (said - came).abs(), count + 1.0));
                sum / count
            })
            .collect()
    }
}

/// Weights (best error / error)^power that sum up to 1, the errors of older origins counting less; `without` leaves one origin out.
pub(super) fn weigh(errors: &[Vec<f64>], without: Option<usize>, power: f64, recency: f64, weights: &mut [f64]) {
    for (weight, errors) in weights.iter_mut().zip(errors) {
        let (mut sum, mut whole, mut part) = (0.0, 0.0, 1.0);
        for (origin, error) in errors.iter().enumerate().rev() {
            if Some(origin) != without && !error.is_nan() {
                sum += part * error;
                whole += part;
            }
            part *= recency;
        }
        *weight = if whole > 0.0 { sum / whole } else { 0.0 };
    }
    let best = weights.iter().copied().fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
    for weight in weights.iter_mut() {
        let share = (best / weight.max(best)).powf(power);
        *weight = if share.is_finite() { share } else { 0.0 };
    }
    let sum: f64 = weights.iter().sum();
    let equal = 1.0 / weights.len() as f64;
    for weight in weights.iter_mut() {
        *weight = if sum > 0.0 { *weight / sum } else { equal };
    }
}

/// Settings of one model become one expert, the better ones counting more: `lanes[setting][origin][step]`, each `length` long.
pub(super) fn merge(lanes: &[f64], length: usize, tried: &Tried<'_>, settings: &Settings) -> Vec<f64> {
    let errors: Vec<Vec<f64>> = lanes.chunks_exact(length).map(|steps| tried.errors(steps)).collect();
    let mut weights = vec![0.0; errors.len()];
    weigh(&errors, None, settings.merge_power, settings.recency, &mut weights);
    let mut merged = vec![0.0; length];
    let mut whole = 0.0;
    for (steps, weight) in lanes.chunks_exact(length).zip(&weights).filter(|(_, weight)| **weight > LEAST_WEIGHT) {
        whole += weight;
        for (sum, value) in merged.iter_mut().zip(steps) {
            *sum += weight * value;
        }
    }
    for step in &mut merged {
        *step /= whole;
    }
    merged
}

/// Products of experts' errors: who errs together with whom.
#[derive(Debug)]
pub(super) struct Products {
    size: usize,
    /// By origin, `[expert][expert]`.
    origins: Vec<Vec<f64>>,
    /// Of all origins.
    sum: Vec<f64>,
}

impl Products {
    /// Works them out. Each step counts by one over the error of the experts' weighted mean, so that squares become as large as
    /// absolute values: it is those that shall become small (iteratively reweighted least squares, one iteration).
    pub(super) fn new(opinions: &[&[f64]], weights: &[f64], tried: &Tried<'_>, settings: &Settings) -> Self {
        let (size, horizon) = (opinions.len(), tried.horizon);
        let count = tried.origins();
        let mut origins = Vec::with_capacity(count);
        let mut sum = vec![0.0; size * size];
        let mut errors = vec![0.0; size * horizon];
        for (origin, truth) in tried.truth.chunks_exact(horizon).enumerate() {
            let start = origin * horizon;
            let part = settings.recency.powi((count - 1 - origin) as i32);
            let factors = factors(opinions, weights, start, truth, part);
            for (steps, errors) in opinions.iter().zip(errors.chunks_exact_mut(horizon)) {
                for step in 0..horizon {
                    let factor = factors[step];
                    errors[step] = if factor > 0.0 { (steps[start + step] - truth[step]) * factor } else { 0.0 };
                }
            }
            let mut products = vec![0.0; size * size];
            let of = |expert: usize| &errors[expert * horizon..(expert + 1) * horizon];
            for one in 0..size {
                for other in 0..=one {
                    let product = dot(of(one), of(other));
                    products[one * size + other] = product;
                    products[other * size + one] = product;
                }
            }
            for (sum, product) in sum.iter_mut().zip(&products) {
                *sum += product;
            }
            origins.push(products);
        }
        Self { size, origins, sum }
    }

    /// Moves weight from those that err together to those that err otherwise: some steps of exponentiated gradient descent on the
    /// squared error of the weighted mean (Kivinen and Warmuth 1997). Few steps stay near the weights they began with.
    pub(super) fn balance(&self, without: Option<usize>, weights: &mut [f64], settings: &Settings) {
        let size = self.size;
        let others: Vec<f64>;
        let products = match without {
            None => &self.sum,
            Some(origin) => {
                others = self.sum.iter().zip(&self.origins[origin]).map(|(sum, one)| sum - one).collect();
                &others
            }
        };
        let mut gradient = vec![0.0; size];
        for _ in 0..settings.rounds {
            for (gradient, row) in gradient.iter_mut().zip(products.chunks_exact(size.max(1))) {
                *gradient = dot(row, weights);
            }
            let mean = dot(&gradient, weights);
            if !(mean > 0.0 && mean.is_finite()) {
                return;
            }
            for (weight, gradient) in weights.iter_mut().zip(&gradient) {
                *weight *= (settings.pace * (1.0 - gradient / mean)).clamp(-MOST_STEP, MOST_STEP).exp();
            }
            let sum: f64 = weights.iter().sum();
            for weight in weights.iter_mut() {
                *weight /= sum;
            }
        }
    }
}

/// By what an origin's errors are multiplied before products are made; 0 where nothing is known.
fn factors(opinions: &[&[f64]], weights: &[f64], start: usize, truth: &[f64], part: f64) -> Vec<f64> {
    let mut missed: Vec<f64> = truth
        .iter()
        .enumerate()
        .map(|(step, came)| {
            let said: f64 = opinions.iter().zip(weights).map(|(steps, weight)| weight * steps[start + step]).sum();
            (came - said).abs()
        })
        .collect();
    let known = missed.iter().filter(|missed| !missed.is_nan());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), missed| (sum + missed, count + 1.0));
    let least = LEAST_ERROR * sum / f64::max(count, 1.0);
    for missed in &mut missed {
        let factor = (part / (count * (*missed + least))).sqrt();
        *missed = if factor.is_finite() { factor } else { 0.0 };
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    fn close(one: &[f64], other: &[f64]) {
        assert!(one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-9), "{one:?} is not {other:?}");
    }

    #[test]
    fn weights_worked_out_by_hand() {
        let mut weights = [0.0; 3];
        // The last origin counts 1, the one before a half: errors 1, 2 and 4.
        let errors = [vec![1.0, 1.0], vec![4.0, 1.0], vec![f64::NAN, 4.0]];
        weigh(&errors, None, 1.0, 0.5, &mut weights);
        close(&weights, &[4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0]);
        weigh(&errors, Some(0), 2.0, 0.5, &mut weights);
        close(&weights, &[16.0 / 33.0, 16.0 / 33.0, 1.0 / 33.0]);
    }

    #[test]
    fn without_errors_all_are_equal_and_without_faults_others_are_nothing() {
        let mut weights = [0.0; 2];
        weigh(&[vec![], vec![]], None, 4.0, 0.9, &mut weights);
        close(&weights, &[0.5, 0.5]);
        weigh(&[vec![0.0], vec![1e-3]], None, 4.0, 0.9, &mut weights);
        close(&weights, &[1.0, 0.0]);
    }

    #[test]
    fn who_errs_otherwise_gains() {
        // Two say 1 too much at every step, one says 1 too little: half of the weight on each side is best.
        let truth = [0.0; 8];
        let [high, low] = [[1.0; 8], [-1.0; 8]];
        let opinions: [&[f64]; 3] = [&high, &high, &low];
        let tried = Tried { truth: &truth, horizon: 4 };
        let mut weights = [1.0 / 3.0; 3];
        let products = Products::new(&opinions, &weights, &tried, &SETTINGS);
        products.balance(None, &mut weights, &Settings { rounds: 1, pace: 0.1, ..SETTINGS });
        assert!(weights[2] > 1.0 / 3.0 && (weights[0] - weights[1]).abs() < 1e-12, "{weights:?}");
        products.balance(Some(1), &mut weights, &SETTINGS);
        assert!(weights.iter().all(|weight| weight.is_finite()));
    }
}
