//! What all experts say together, and what they would have said.

use super::expert::{Opinion, Origins};
use super::history::History;
use super::settings::Settings;
use super::weights::{Products, Tried, weigh};

/// What all experts together say.
#[derive(Debug, Clone)]
pub(super) struct Consensus {
    /// The forecast from the end of the series.
    pub(super) steps: Vec<f64>,
    /// What came minus what would have been said, `[origin][step]`, by weights that knew nothing of that origin; NaN where
    /// nothing was observed.
    pub(super) residuals: Vec<f64>,
    /// Each expert with its weight, the weights summing up to 1.
    pub(super) weights: Vec<(&'static str, f64)>,
}

/// Combines opinions. The last origin is the end of the series; at the others the opinions are tried.
pub(super) fn combine(
    history: &History,
    opinions: &[Opinion],
    origins: &Origins<'_>,
    settings: &Settings,
) -> Consensus {
    let horizon = origins.horizon;
    let last = origins.ends.len() - 1;
    let truth = truth(&history.values, &history.observed, origins);
    let tried = Tried { truth: &truth, horizon };
    let steps: Vec<&[f64]> = opinions.iter().map(|opinion| &opinion.steps[..]).collect();
    let errors: Vec<Vec<f64>> = steps.iter().map(|steps| tried.errors(steps)).collect();
    let mut weights = vec![0.0; opinions.len()];
    weigh(&errors, None, settings.power, settings.recency, &mut weights);
    let products = Products::new(&steps, &weights, &tried, settings);
    let mut residuals = vec![f64::NAN; truth.len()];
    for origin in 0..last {
        weigh(&errors, Some(origin), settings.power, settings.recency, &mut weights);
        products.balance(Some(origin), &mut weights, settings);
        let mut middle = Middle::new(&steps, &weights, settings);
        for at in origin * horizon..(origin + 1) * horizon {
            if !truth[at].is_nan() {
                residuals[at] = truth[at] - middle.at(at);
            }
        }
    }
    weigh(&errors, None, settings.power, settings.recency, &mut weights);
    products.balance(None, &mut weights, settings);
    let mut middle = Middle::new(&steps, &weights, settings);
    Consensus {
        steps: (last * horizon..(last + 1) * horizon).map(|at| middle.at(at)).collect(),
        residuals,
        weights: opinions.iter().map(|opinion| opinion.name).zip(weights).collect(),
    }
}

/// What came at the origins before the last, `[origin][step]`; NaN where nothing was observed or nothing has come yet.
pub(super) fn truth(values: &[f64], observed: &[bool], origins: &Origins<'_>) -> Vec<f64> {
    let tried = &origins.ends[..origins.ends.len() - 1];
    let mut truth = vec![f64::NAN; tried.len() * origins.horizon];
    for (&end, steps) in tried.iter().zip(truth.chunks_exact_mut(origins.horizon)) {
        let known = values[end..].iter().zip(&observed[end..]);
        for (step, (value, _)) in steps.iter_mut().zip(known).filter(|(_, (_, is_observed))| **is_observed) {
            *step = *value;
        }
    }
    truth
}

/// The weighted mean of opinions without the lowest and the highest ones.
struct Middle<'a> {
    opinions: &'a [&'a [f64]],
    weights: &'a [f64],
    /// Part of the weight that is cut off on each side.
    trim: f64,
    /// Opinions and experts in the order of the step before, which is nearly that of the next one.
    order: Vec<(f64, usize)>,
}

impl<'a> Middle<'a> {
    fn new(opinions: &'a [&'a [f64]], weights: &'a [f64], settings: &Settings) -> Self {
        let least = settings.least_share / weights.len() as f64;
        let believed = (0..weights.len()).filter(|expert| weights[*expert] >= least);
        let order: Vec<(f64, usize)> = believed.map(|expert| (0.0, expert)).collect();
        let whole: f64 = order.iter().map(|(_, expert)| weights[*expert]).sum();
        Self { opinions, weights, trim: settings.trim * whole, order }
    }

    fn at(&mut self, at: usize) -> f64 {
        let order = &mut self.order[..];
        for (value, expert) in order.iter_mut() {
            *value = self.opinions[*expert][at];
        }
        for place in 1..order.len() {
            let one = order[place];
            let mut to = place;
            while to > 0 && order[to - 1].0 > one.0 {
                order[to] = order[to - 1];
                to -= 1;
            }
            order[to] = one;
        }
        let whole: f64 = order.iter().map(|(_, expert)| self.weights[*expert]).sum();
        let (from, to) = (self.trim, whole - self.trim);
        let (mut passed, mut sum, mut kept) = (0.0, 0.0, 0.0);
        for &(value, expert) in order.iter() {
            let until = passed + self.weights[expert];
            let part = (until.min(to) - f64::max(passed, from)).max(0.0);
            sum += part * value;
            kept += part;
            passed = until;
        }
        sum / kept
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn the_outermost_are_cut_off() {
        let opinions: [&[f64]; 4] = [&[9.0, 1.0], &[1.0, 2.0], &[2.0, 3.0], &[3.0, 100.0]];
        let weights = [0.25; 4];
        let settings = Settings { trim: 0.25, ..SETTINGS };
        let mut middle = Middle::new(&opinions, &weights, &settings);
        assert_eq!((middle.at(0), middle.at(1)), (2.5, 2.5));
        // Half of a weight is cut off: half of what is said counts.
        let mut middle = Middle::new(&opinions, &weights, &Settings { trim: 0.125, ..SETTINGS });
        assert!((middle.at(0) - (0.5 + 2.0 + 3.0 + 4.5) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn who_is_hardly_believed_is_not_asked() {
        let opinions: [&[f64]; 2] = [&[5.0], &[1e9]];
        let mut middle = Middle::new(&opinions, &[0.999, 0.001], &Settings { trim: 0.0, ..SETTINGS });
        assert!((middle.at(0) - 5.0).abs() < 1e-9);
    }
}
