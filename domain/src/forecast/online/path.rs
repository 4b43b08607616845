//! The ensemble's forecast of some hours ago, carried on: an error that was just made is likely to last a while, and by how much of it
//! lasts the rest of the path is moved.
//!
//! Measured on public demands (taxis of New York, KTH's log): fitting anew every six hours and correcting in between is as right at the
//! lead of a plan as fitting every hour.

use super::super::{Question, forecast};
use super::memory::{Memory, coarse};
use super::{LEAD_HOURS, LEVELS, MEDIAN, Rung};
use serde::{Deserialize, Serialize};

/// A path is used for so many hours at least, …
const LEAST_AGE: u64 = 4;
/// … and for so many more by chance of the numbers in it, so that pools are not all fitted in the same hour.
const MORE_AGES: u64 = 5;
/// Hours ahead of a path beyond its use: those of a dashboard.
const AHEAD: usize = 48;
/// What the sums behind the part of an error that lasts keep after an hour.
const KEPT: f64 = 0.999;

/// The ensemble's forecast of the hours from `from_hour` on, as the models gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Path {
    from_hour: i64,
    /// The first hour at which it is not used any more.
    until_hour: i64,
    basis: Rung,
    /// How many known hours were left out because of events.
    masked: usize,
    median: Vec<f64>,
    /// By level, what a quantile is above the median.
    widths: Vec<Vec<f64>>,
}

/// How much of an error at the last known hour was left two hours later: sums of products and of squares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lasting {
    products: f32,
    squares: f32,
}

impl Lasting {
    /// Takes in an error and what was left of it at the lead.
    pub(super) fn learn(&mut self, error: f64, left: f64) {
        let products = (KEPT * f64::from(self.products) + error * left) as f32;
        let squares = (KEPT * f64::from(self.squares) + error * error) as f32;
        if products.is_finite() && squares.is_finite() {
            (self.products, self.squares) = (products, squares);
        }
    }

    /// The part that lasts, in [0, 1].
    fn part(&self) -> f64 {
        if self.squares > 0.0 { f64::from(self.products / self.squares).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The ensemble's forecast for now, before its widths are calibrated.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// By step.
    pub(super) median: Vec<f64>,
    /// By level, then by step: what a quantile is above the median.
    pub(super) widths: Vec<Vec<f64>>,
    /// The error at the last known hour; 0 if the path begins after it.
    pub(super) error: f64,
    /// What the path alone said at the lead.
    pub(super) uncorrected: f64,
}

impl Memory {
    /// Forecasts: by a new path if there is none that fits.
    pub(super) fn raw(
        &mut self,
        usual: &[f64],
        masked: usize,
        now_hour: i64,
        horizon: usize,
        basis: Rung,
    ) -> Option<Raw> {
        let fits = self.path.take().filter(|path| {
            let age = now_hour.saturating_sub(path.from_hour);
            let is_young = age >= 0 && now_hour < path.until_hour;
            is_young && path.basis == basis && path.masked == masked && path.median.len() as i64 - age >= horizon as i64
        });
        let path = match fits {
            Some(path) => path,
            None => Path::new(usual, masked, now_hour, horizon, basis)?,
        };
        let raw = path.at(usual, now_hour, horizon, &self.lasting);
        self.path = Some(path);
        Some(raw)
    }
}

impl Path {
    fn new(usual: &[f64], masked: usize, now_hour: i64, horizon: usize, basis: Rung) -> Option<Self> {
        let length = horizon.max(AHEAD) + (LEAST_AGE + MORE_AGES) as usize;
        let found = forecast(usual, &Question::new(&[24, 168], length, &LEVELS).ok()?);
        let median: Vec<f64> = found.quantiles.get(MEDIAN)?.iter().copied().map(coarse).collect();
        if median.len() != length {
            return None;
        }
        let widths = found
            .quantiles
            .iter()
            .map(|steps| steps.iter().zip(&found.quantiles[MEDIAN]).map(|(one, median)| coarse(one - median)).collect())
            .collect();
        // A hash of the numbers (FNV-1a) stands for chance: the same history gives the same hour.
        let chance = median
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, value| (hash ^ value.to_bits()).wrapping_mul(0x0100_0000_01b3));
        let until_hour = now_hour.saturating_add((LEAST_AGE + (chance >> 32) % MORE_AGES) as i64);
        Some(Self { from_hour: now_hour, until_hour, basis, masked, median, widths })
    }

    fn at(&self, usual: &[f64], now_hour: i64, horizon: usize, lasting: &Lasting) -> Raw {
        let age = (now_hour - self.from_hour).clamp(0, self.median.len() as i64) as usize;
        let known = usual.last().copied().filter(|peak| !peak.is_nan());
        let error = match (age.checked_sub(1), known) {
            (Some(last), Some(peak)) => peak - self.median[last],
            _ => 0.0,
        };
        let part = lasting.part();
        let of = |steps: &[f64]| steps.iter().skip(age).take(horizon).copied().collect::<Vec<f64>>();
        let mut median = of(&self.median);
        let uncorrected = median.get(LEAD_HOURS - 1).copied().unwrap_or(0.0);
        for (step, value) in median.iter_mut().enumerate() {
            // The part is that of the lead: of a step half as far its root is left.
            *value = (*value + error * part.powf((step + 1) as f64 / LEAD_HOURS as f64)).max(0.0);
        }
        Raw { median, widths: self.widths.iter().map(|steps| of(steps)).collect(), error, uncorrected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hours that are all alike.
    fn flat(hours: usize) -> Vec<f64> {
        vec![50.0; hours]
    }

    #[test]
    fn a_path_is_used_for_some_hours_and_then_made_anew() {
        let mut memory = Memory::default();
        let mut begun = Vec::new();
        for now in 400..430 {
            memory.raw(&flat(400), 0, now, 2, Rung::Long).expect("there is enough history");
            begun.push(memory.path.as_ref().expect("it is kept").from_hour);
        }
        begun.dedup();
        let ages: Vec<i64> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(!ages.is_empty() && ages.iter().all(|age| (4..9).contains(age)), "{ages:?}");
    }

    #[test]
    fn what_changes_its_ground_ends_it() {
        let begun = |then: &dyn Fn(&mut Memory)| {
            let mut memory = Memory::default();
            memory.raw(&flat(400), 0, 400, 2, Rung::Long);
            then(&mut memory);
            memory.path.map(|path| path.from_hour)
        };
        let again = |masked, hour, horizon, basis| {
            begun(&move |memory: &mut Memory| {
                memory.raw(&flat(400), masked, hour, horizon, basis);
            })
        };
        assert_eq!(again(0, 402, 48, Rung::Long), Some(400));
        assert_eq!(again(1, 402, 48, Rung::Long), Some(402), "an event was written for the past");
        assert_eq!(again(0, 402, 48, Rung::Full), Some(402));
        assert_eq!(again(0, 402, 168, Rung::Long), Some(402), "more is asked for");
        assert_eq!(again(0, 399, 2, Rung::Long), Some(399), "the clock was set back");
    }

    #[test]
    fn an_error_that_lasts_is_carried_on() {
        let mut memory = Memory::default();
        memory.raw(&flat(400), 0, 400, 4, Rung::Long);
        // A quarter is left after two hours, so that a half is left after one.
        memory.lasting.learn(8.0, 2.0);
        let mut usual = flat(401);
        usual[400] = 66.0;
        let raw = memory.raw(&usual, 0, 401, 4, Rung::Long).expect("there is a path");
        assert!((raw.error - 16.0).abs() < 0.1, "{raw:?}");
        for (value, wanted) in raw.median.iter().zip([58.0, 54.0, 52.0, 51.0]) {
            assert!((value - wanted).abs() < 0.1, "{raw:?}");
        }
        // What is not known is no error.
        usual[400] = f64::NAN;
        let raw = memory.raw(&usual, 0, 401, 4, Rung::Long).expect("there is a path");
        assert_eq!(raw.error.to_bits(), 0.0_f64.to_bits());
    }
}
