//! What demand comes: a forecast with quantiles that hold what they promise.
//!
//! Input is a series of demand at equal steps, oldest first; what is not finite is a gap. Simple rules and small models (`expert`)
//! forecast from several origins of the past and from the end; they are weighed by how well they did (`ensemble`); how much the
//! weighted forecast missed by gives the quantiles (`conformal`). A young series gets what its few values say (`empirical`), and
//! the answer says what it rests on. Everything is deterministic: no chance, no clock, additions in a fixed order.
//!
//! Units are those of the series. The work grows with the last eight long seasons, not with the length of the series.

mod conformal;
pub mod daily;
mod empirical;
mod ensemble;
pub mod events;
mod expert;
mod history;
pub mod online;
mod question;
mod settings;
mod shift;
mod solve;
mod weights;

use self::conformal::Spread;
use self::expert::{Origins, Seasons};
use self::history::History;
use self::settings::SETTINGS;

pub use self::question::{LONGEST_SEASON, MOST_HORIZON, MOST_LEVELS, Question, Wrong};

#[cfg(test)]
mod tests;

/// How many long seasons are looked at (or seven times as many short ones).
const KEPT_SEASONS: usize = 8;

/// What a forecast rests on, from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// No observation: there is no forecast.
    Nothing,
    /// Less than a short season: one level and its spread.
    Level,
    /// Less than three short seasons: the spread of the same phases.
    Phase,
    /// Less than 14 short seasons: models without the long season.
    Short,
    /// All models that the history is long enough for.
    Full,
}

/// A forecast. All numbers are finite; quantiles are in the order of their levels; if no value of the series was negative, none
/// here is.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What it rests on.
    pub basis: Basis,
    /// The forecast itself by step ahead; none without any observation.
    pub mean: Vec<f64>,
    /// By level, in the order of the question, then by step.
    pub quantiles: Vec<Vec<f64>>,
    /// Who was believed how much, summing up to 1; empty for young series.
    pub weights: Vec<(&'static str, f64)>,
}

/// Forecasts a series; what is not finite in it is a gap.
pub fn forecast(series: &[f64], question: &Question) -> Forecast {
    let short = question.short();
    let kept = KEPT_SEASONS * question.long().unwrap_or(7 * short);
    let mut history = History::new(series, short, kept);
    let floor = history.floor();
    shift::level(&mut history, short);
    let basis = basis(&history, short);
    let raw = match basis {
        Basis::Nothing => {
            Raw { mean: Vec::new(), quantiles: vec![Vec::new(); question.levels().len()], weights: Vec::new() }
        }
        Basis::Level => level(&history, question),
        Basis::Phase => phases(&history, question),
        Basis::Short => models(&history, question, 0),
        Basis::Full => models(&history, question, question.long().unwrap_or(0)),
    };
    raw.finish(basis, &history, floor, question)
}

fn basis(history: &History, short: usize) -> Basis {
    match history.count {
        0 => Basis::Nothing,
        count if count < short => Basis::Level,
        count if count < 3 * short => Basis::Phase,
        count if count < 14 * short => Basis::Short,
        _ => Basis::Full,
    }
}

/// A forecast in units of the history's scale.
struct Raw {
    mean: Vec<f64>,
    quantiles: Vec<Vec<f64>>,
    weights: Vec<(&'static str, f64)>,
}

impl Raw {
    fn finish(self, basis: Basis, history: &History, floor: f64, question: &Question) -> Forecast {
        let value = |raw: &f64| (raw * history.scale).clamp(floor, f64::MAX);
        let mean = self.mean.iter().map(value).collect();
        let mut quantiles: Vec<Vec<f64>> =
            self.quantiles.iter().map(|steps| steps.iter().map(value).collect()).collect();
        uncross(&mut quantiles, question.levels());
        Forecast { basis, mean, quantiles, weights: self.weights }
    }
}

/// Makes quantiles ascend with their levels: a rounding may have turned two that lie close.
fn uncross(quantiles: &mut [Vec<f64>], levels: &[f64]) {
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by(|one, other| levels[*one].total_cmp(&levels[*other]));
    for pair in order.windows(2) {
        for step in 0..quantiles[pair[0]].len() {
            let below = quantiles[pair[0]][step];
            let above = &mut quantiles[pair[1]][step];
            *above = above.max(below);
        }
    }
}

/// One level for all steps.
fn level(history: &History, question: &Question) -> Raw {
    let values = empirical::all(history);
    let flat = |level: f64| vec![empirical::quantile(&values, level); question.horizon()];
    Raw {
        mean: flat(0.5),
        quantiles: question.levels().iter().map(|level| flat(empirical::young(*level))).collect(),
        weights: Vec::new(),
    }
}

/// What the same phases were.
fn phases(history: &History, question: &Question) -> Raw {
    let short = question.short();
    let end = history.values.len();
    let everything = empirical::all(history);
    let by_phase: Vec<Vec<f64>> = (0..short)
        .map(|phase| {
            let same = empirical::same_phase(history, end, phase, short, end);
            if same.is_empty() { everything.clone() } else { same }
        })
        .collect();
    let at = |level: f64| -> Vec<f64> {
        let cycle: Vec<f64> = by_phase.iter().map(|values| empirical::quantile(values, level)).collect();
        (0..question.horizon()).map(|step| cycle[(end + step) % short]).collect()
    };
    Raw {
        mean: at(0.5),
        quantiles: question.levels().iter().map(|level| at(empirical::young(*level))).collect(),
        weights: Vec::new(),
    }
}

/// What the models say together.
fn models(history: &History, question: &Question, long: usize) -> Raw {
    let (short, horizon) = (question.short(), question.horizon());
    let length = history.values.len();
    let tried = SETTINGS.origins.min(length / 2 / short);
    let ends: Vec<usize> = (0..=tried).rev().map(|back| length - back * short).collect();
    let origins = Origins { ends: &ends, stride: short, horizon };
    let opinions = expert::ask(history, Seasons { short, long }, &origins, &SETTINGS);
    let consensus = ensemble::combine(history, &opinions, &origins, &SETTINGS);
    let spread = Spread::new(&consensus.residuals, horizon, short, &SETTINGS);
    let widening = SETTINGS.widening * (1.0 + 1.0 / tried.max(1) as f64);
    let quantiles = question
        .levels()
        .iter()
        .map(|level| {
            let width = widening * spread.quantile(*level);
            consensus.steps.iter().zip(&spread.sizes).map(|(step, size)| step + width * size).collect()
        })
        .collect();
    Raw { mean: consensus.steps, quantiles, weights: consensus.weights }
}
