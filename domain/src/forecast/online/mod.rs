//! The hourly refresh of one pool: a forecast from what is known, made honest by what the pool's own earlier forecasts missed by.
//!
//! Three engines answer: the ensemble of models, the hours of the day by what they had (`profile`), and the average of both. What each
//! said at the lead of a plan is remembered with what came; residuals of these stored forecasts, not of refits, set the widths
//! (online conformal prediction; the same hours of the day count twice), and who had the least pinball loss over two weeks is
//! believed. While a pool is too young for that, the fleet's experience stands in (`kappa`).
//!
//! The models are fitted anew every few hours (`path`); in between what they said is corrected by the last error, which costs almost
//! nothing and is no less right.
//!
//! Hours are counted since 1970 UTC. Everything is deterministic and finite; quantiles do not cross; nothing is negative.

mod accuracy;
mod calibrate;
mod memory;
mod path;
mod profile;

use super::events::{self, Earlier};
use crate::calendar::Event;
use serde::{Deserialize, Serialize};

use self::calibrate::Calibration;
use self::memory::Pending;
use self::path::Raw;
use self::profile::Profile;

pub use self::accuracy::{Accuracy, Weak, accuracy};
pub use self::memory::{DEFAULT_KAPPA, MOST_ROWS, Memory, fleet_kappa};

/// Levels of all quantiles.
pub const LEVELS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99];
/// Hours of the past that are looked at: eight weeks.
pub const MOST_HOURS: usize = 8 * 168;
/// A plan rests on the step with a whole hour before it: what is decided now is for the hour after the running one.
pub const LEAD_HOURS: usize = 2;
/// Most hours ahead.
pub const MOST_HORIZON: usize = 168;
/// Slots beyond this are taken for this: a thousand times the largest pool.
const MOST_DEMAND: f64 = 1e10;
/// Place of 0.1 in [`LEVELS`].
pub const TENTH: usize = 2;
/// Place of the median in [`LEVELS`].
pub const MEDIAN: usize = 4;
/// Place of 0.9 in [`LEVELS`].
pub const NINE_TENTHS: usize = 6;

/// What a refresh needs.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The running hour: the first whose peak is not known.
    pub now_hour: i64,
    /// The most that was wanted in each hour, up to the one before `now_hour`; what is not finite or negative is unknown.
    pub peaks: &'a [f64],
    /// What is known to come and what came, in any order.
    pub events: &'a [Event],
    /// What windows of tags did that lie before the peaks.
    pub earlier: &'a [Earlier],
    /// Hours of the pool's zone ahead of UTC, for days of the week.
    pub offset_hours: i64,
    /// Hours ahead, the running one being the first; kept within [`LEAD_HOURS`] and [`MOST_HORIZON`].
    pub horizon: usize,
    /// How much wider than the models say the fleet's quantiles have to be ([`fleet_kappa`]).
    pub kappa: f64,
}

/// Who forecasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Nobody: too little is known.
    Nothing,
    /// Models and rules together.
    Ensemble,
    /// What the hours of the day had.
    Profile,
    /// The average of both.
    Both,
}

/// Engines that are compared, in the order in which losses are kept.
const ENGINES: [Engine; 3] = [Engine::Ensemble, Engine::Profile, Engine::Both];

/// What a forecast rests on, by how much is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Less than a day: follow the demand, with the configured minimum.
    Reactive,
    /// One to three days: quantiles of the hours of the day, widely.
    Hours,
    /// Three to fourteen days: models without a week.
    Short,
    /// Two to three weeks: models that have seen each weekday twice.
    Long,
    /// Three weeks and more.
    Full,
}

impl Rung {
    /// By observed hours.
    pub fn of(hours: usize) -> Self {
        match hours {
            0..24 => Self::Reactive,
            24..72 => Self::Hours,
            72..336 => Self::Short,
            336..504 => Self::Long,
            _ => Self::Full,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reactive => "less than a day of history: nothing is foreseen, capacity follows demand",
            Self::Hours => "one to three days of history: what the same hours had, with wide margins",
            Self::Short => "less than two weeks of history: days are known, weeks are not",
            Self::Long => "two to three weeks of history: each weekday has been seen twice",
            Self::Full => "three weeks of history or more",
        }
    }
}

/// How far a forecast can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// There is none.
    None,
    /// Little history, or quantiles that did not hold.
    Low,
    /// Some history, hardly any forecasts to judge by.
    Medium,
    /// Three weeks of history and five days of own forecasts that held.
    High,
}

/// What events do to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing.
    Usual,
    /// The forecast is changed by one.
    Changed,
    /// Nothing is foreseen for it: stay with following the demand.
    Excluded,
}

/// A forecast of the hours to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// The hour of the first step.
    pub from_hour: i64,
    /// By step; empty if nothing can be foreseen.
    pub median: Vec<f64>,
    /// By level of [`LEVELS`], then by step.
    pub quantiles: Vec<Vec<f64>>,
    /// What events do, by step.
    pub marks: Vec<Mark>,
    /// What events ask for at least, by step; 0 where none does. Quantiles include it.
    pub floors: Vec<f64>,
    /// Who was believed.
    pub engine: Engine,
    /// What it rests on.
    pub basis: Rung,
    /// How far to rely on it.
    pub confidence: Confidence,
}

impl Outlook {
    /// Whether nothing is foreseen.
    pub fn is_empty(&self) -> bool {
        self.median.is_empty()
    }

    /// The quantile of any level by step: between two levels a line, beyond them the outermost.
    pub fn quantile(&self, level: f64) -> Vec<f64> {
        (0..self.median.len()).map(|step| between(&self.at(step), level)).collect()
    }

    /// The probability that demand of a step is above a capacity, within the outermost levels; 0 if nothing is foreseen.
    pub fn exceedance(&self, step: usize, capacity: f64) -> f64 {
        if step >= self.median.len() {
            return 0.0;
        }
        1.0 - level_of(&self.at(step), capacity)
    }

    fn at(&self, step: usize) -> [f64; LEVELS.len()] {
        let mut values = [0.0; LEVELS.len()];
        for (value, steps) in values.iter_mut().zip(&self.quantiles) {
            *value = steps.get(step).copied().unwrap_or(0.0);
        }
        values
    }
}

/// The quantile of a level, given those of [`LEVELS`].
fn between(values: &[f64; LEVELS.len()], level: f64) -> f64 {
    let above = LEVELS.iter().position(|one| *one >= level).unwrap_or(LEVELS.len() - 1);
    if above == 0 || level.is_nan() || LEVELS[above] < level {
        return values[above];
    }
    let part = (level - LEVELS[above - 1]) / (LEVELS[above] - LEVELS[above - 1]);
    values[above - 1] + part * (values[above] - values[above - 1])
}

/// The level of a value, given the quantiles of [`LEVELS`]: beyond the outermost it is half-way to the end.
fn level_of(values: &[f64; LEVELS.len()], value: f64) -> f64 {
    if value < values[0] {
        return LEVELS[0] / 2.0;
    }
    if value > values[LEVELS.len() - 1] {
        return f64::midpoint(1.0, LEVELS[LEVELS.len() - 1]);
    }
    let above = values.iter().position(|one| *one > value).unwrap_or(LEVELS.len());
    if above == LEVELS.len() {
        return LEVELS[LEVELS.len() - 1];
    }
    // `value` is not below the first, so that there is one before.
    let (low, high) = (values[above - 1], values[above]);
    let part = if high > low { (value - low) / (high - low) } else { 0.0 };
    LEVELS[above - 1] + part.clamp(0.0, 1.0) * (LEVELS[above] - LEVELS[above - 1])
}

/// Settles what came of earlier forecasts, forecasts, and remembers what was said for the hour that is planned.
///
/// Calling it again for the same hour gives the same answer and the same memory.
pub fn refresh(memory: &mut Memory, input: &Input<'_>) -> Outlook {
    let horizon = input.horizon.clamp(LEAD_HOURS, MOST_HORIZON);
    let recent = &input.peaks[input.peaks.len().saturating_sub(MOST_HOURS)..];
    let peaks: Vec<f64> = recent.iter().map(|peak| known(*peak)).collect();
    let first_hour = input.now_hour.saturating_sub(peaks.len() as i64);
    memory.settle(&peaks, first_hour, input.events);
    let usual = events::masked(&peaks, first_hour, input.events);
    let basis = Rung::of(usual.iter().filter(|peak| !peak.is_nan()).count());
    let masked = usual.iter().zip(&peaks).filter(|(usual, peak)| usual.is_nan() && !peak.is_nan()).count();
    let said = say(memory, &usual, masked, input, horizon, basis);
    let engine = if basis == Rung::Reactive { Engine::Nothing } else { memory.believed(basis) };
    let mut outlook = Outlook {
        from_hour: input.now_hour,
        median: Vec::new(),
        quantiles: vec![Vec::new(); LEVELS.len()],
        marks: vec![Mark::Usual; horizon],
        floors: vec![0.0; horizon],
        engine,
        basis,
        confidence: memory.confidence(basis),
    };
    let Some(said) = said else {
        events::without_forecast(&mut outlook, input);
        return outlook;
    };
    memory.remember(said.pending(input.now_hour + LEAD_HOURS as i64 - 1, engine));
    outlook.quantiles = said.of(engine);
    events::apply(&mut outlook, &usual, first_hour, &peaks, input);
    for step in 0..horizon {
        let mut below = 0.0;
        for steps in &mut outlook.quantiles {
            let value = steps[step];
            below = f64::max(below, if value.is_finite() { value.clamp(0.0, MOST_DEMAND) } else { 0.0 });
            steps[step] = below;
        }
    }
    outlook.median.clone_from(&outlook.quantiles[MEDIAN]);
    outlook
}

/// A peak as it is looked at.
fn known(peak: f64) -> f64 {
    if peak.is_finite() && peak >= 0.0 { peak.min(MOST_DEMAND) } else { f64::NAN }
}

/// What the engines say, `[level][step]` each.
struct Said {
    /// The ensemble before its widths are calibrated.
    raw: Raw,
    ensemble: Vec<Vec<f64>>,
    profile: Vec<Vec<f64>>,
    both: Vec<Vec<f64>>,
    /// What the profile had at the hour of the lead, ascending.
    same_hour: Vec<f64>,
}

fn say(
    memory: &mut Memory,
    usual: &[f64],
    masked: usize,
    input: &Input<'_>,
    horizon: usize,
    basis: Rung,
) -> Option<Said> {
    if basis == Rung::Reactive {
        return None;
    }
    let now_hour = input.now_hour;
    let raw = memory.raw(usual, masked, now_hour, horizon, basis)?;
    let calibration = Calibration::new(memory, now_hour, input.kappa);
    let profile = Profile::new(usual, now_hour, horizon);
    let ensemble = calibration.ensemble(&raw, basis);
    let by_hour = profile.quantiles(now_hour, horizon, |level| calibration.level(level), basis);
    let both = ensemble
        .iter()
        .zip(&by_hour)
        .map(|(one, other)| one.iter().zip(other).map(|(one, other)| f64::midpoint(*one, *other)).collect())
        .collect();
    let same_hour = profile.of(now_hour + LEAD_HOURS as i64 - 1).to_vec();
    Some(Said { raw, ensemble, profile: by_hour, both, same_hour })
}

impl Said {
    fn of(&self, engine: Engine) -> Vec<Vec<f64>> {
        match engine {
            Engine::Profile => self.profile.clone(),
            Engine::Both => self.both.clone(),
            Engine::Ensemble | Engine::Nothing => self.ensemble.clone(),
        }
    }

    fn pending(&self, hour: i64, engine: Engine) -> Pending {
        let lead = LEAD_HOURS - 1;
        let at = |all: &[Vec<f64>]| all.iter().map(|steps| memory::coarse(steps[lead])).collect();
        let place = ENGINES.iter().position(|one| *one == engine).unwrap_or(0);
        Pending::new(hour, &self.raw, [at(&self.ensemble), at(&self.profile), at(&self.both)], place, &self.same_hour)
    }
}

#[cfg(test)]
mod tests;
