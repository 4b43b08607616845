//! Who forecasts: simple rules and small models, each run at all origins in one pass.
//!
//! The models run twice where all values are positive: as the values are, and on their logarithms, where seasons multiply.

mod naive;
mod profile;
mod regression;
mod smoothing;

use self::profile::Profile;
use self::regression::Regression;
use super::ensemble::truth;
use super::history::History;
use super::settings::Settings;
use super::weights::{Tried, merge};

/// Where forecasts begin, ascending; the last is the end of the series, the others are for trying.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origins<'a> {
    /// How many values are known at each.
    pub(super) ends: &'a [usize],
    /// Steps between two.
    pub(super) stride: usize,
    /// Steps ahead.
    pub(super) horizon: usize,
}

/// Which seasons a series has. `long` is 0 if there is only one or if the history is too short for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seasons {
    pub(super) short: usize,
    pub(super) long: usize,
}

/// Forecasts of one expert: `steps[origin * horizon + step]`.
#[derive(Debug, Clone)]
pub(super) struct Opinion {
    pub(super) name: &'static str,
    pub(super) steps: Vec<f64>,
}

/// Speeds of the two profiles: of the hour of the day, of the hour of the week.
const PROFILES: [(f64, f64); 2] = [(0.05, 0.1), (0.2, 0.3)];
/// How much of the hour of the week a profile believes.
const WEEK_BELIEVED: f64 = 0.8;
/// What a row of a regression counts after a step: two weeks of hours later a third.
const FORGETTING: f64 = 0.997;
/// The same of those that remember all, and of those that remember four days.
const STEADY: f64 = 0.9995;
/// See [`STEADY`].
const BRIEF: f64 = 0.99;
/// Penalty of regressions: hardly any, for what is not known is damped by the other experts.
const RIDGE: f64 = 2e-5;
/// How much of a change of level is carried over: of a week, and of a day.
const WEEK_CORRECTION: f64 = 0.7;
/// See [`WEEK_CORRECTION`].
const DAY_CORRECTION: f64 = 0.5;

/// The names of a model: on values, and on their logarithms.
type Names = [&'static str; 2];

/// What everybody who can say something says; nobody if not even a season is known at the first origin.
pub(super) fn ask(history: &History, seasons: Seasons, origins: &Origins<'_>, settings: &Settings) -> Vec<Opinion> {
    let values = &history.values[..];
    let mut asked = Asked { opinions: Vec::new(), seasons, origins, settings };
    asked.rules(values);
    asked.models(values, &history.observed, 0);
    if values.iter().all(|value| *value > 0.0) {
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        let before = asked.opinions.len();
        asked.models(&logs, &history.observed, 1);
        // Almost three times the highest value: beyond that none of these models knows anything.
        let most = logs.iter().copied().fold(f64::MIN, f64::max) + 1.0;
        for value in asked.opinions[before..].iter_mut().flat_map(|opinion| &mut opinion.steps) {
            *value = value.min(most).exp();
        }
    }
    asked.opinions
}

/// Who is being asked.
struct Asked<'a> {
    opinions: Vec<Opinion>,
    seasons: Seasons,
    origins: &'a Origins<'a>,
    settings: &'a Settings,
}

impl Asked<'_> {
    /// How many values are known at the first origin.
    fn first(&self) -> usize {
        self.origins.ends.first().copied().unwrap_or(0)
    }

    fn add(&mut self, name: &'static str, run: impl FnOnce(&Origins<'_>, &mut [f64])) {
        let mut steps = vec![0.0; self.origins.ends.len() * self.origins.horizon];
        run(self.origins, &mut steps);
        self.opinions.push(Opinion { name, steps });
    }

    fn rules(&mut self, values: &[f64]) {
        let Seasons { short, long } = self.seasons;
        let first = self.first();
        if first >= short {
            self.add("as yesterday", |origins, out| naive::seasonal(values, short, 0.0, 0, origins, out));
            self.add("mean of four days", |origins, out| naive::mean(values, short, 4, origins, out));
        }
        if long == 0 || first < long + short {
            return;
        }
        if first >= 2 * long + short {
            self.add("mean of two weeks", |origins, out| naive::mean(values, long, 2, origins, out));
        }
        let window = (short / 4).max(1);
        self.add("as last week exactly", |origins, out| naive::seasonal(values, long, 0.0, 0, origins, out));
        self.add("as last week", |origins, out| naive::seasonal(values, long, WEEK_CORRECTION, short, origins, out));
        self.add("as yesterday, corrected", |origins, out| {
            naive::seasonal(values, short, DAY_CORRECTION, window, origins, out);
        });
    }

    /// `place` is that of the name: 0 for values, 1 for their logarithms.
    fn models(&mut self, values: &[f64], observed: &[bool], place: usize) {
        let Seasons { short, long } = self.seasons;
        let first = self.first();
        let has_long = long > 0 && first >= long + short;
        for (names, regression) in if has_long { with_long(short, long) } else { without_long(short) } {
            if first >= regression.need(short) {
                self.add(names[place], |origins, out| regression.run(values, origins, out));
            }
        }
        if first < 3 * short {
            return;
        }
        let week = if has_long { long } else { 0 };
        let departures = lags(&[1, 2, short], 0, FORGETTING);
        let names: [Names; 2] = [["slow profile", "log slow profile"], ["quick profile", "log quick profile"]];
        for (names, (day_speed, week_speed)) in names.into_iter().zip(PROFILES) {
            let profile = Profile { day: day_speed, week: week_speed, believed: WEEK_BELIEVED };
            self.add(names[place], |origins, out| profile.run(values, short, week, &departures, origins, out));
        }
        let settings = self.settings;
        self.add(["smoothing", "log smoothing"][place], |origins, out| {
            let mut lanes = vec![0.0; out.len() * smoothing::LANES];
            smoothing::run(values, short, week, origins, &mut lanes);
            let tried = Tried { truth: &truth(values, observed, origins), horizon: origins.horizon };
            out.copy_from_slice(&merge(&lanes, out.len(), &tried, settings));
        });
    }
}

/// Regressions that know both seasons.
fn with_long(s: usize, l: usize) -> Vec<(Names, Regression)> {
    let many = [1, 2, 3, s - 2, s - 1, s, s + 1, s + 2, 2 * s, 3 * s, l - s, l - 1, l, l + 1, l + s];
    let days = [1, 2, 3, s - 1, s, s + 1, 2 * s, 2 * s + 1, l];
    let edges = [1, 2, s - 1, s, s + 1, l - 1, l, l + 1];
    vec![
        (["lags", "log lags"], lags(&many, 0, FORGETTING)),
        (["steady lags", "log steady lags"], lags(&days, 0, STEADY)),
        (["brief lags", "log brief lags"], lags(&edges, 0, BRIEF)),
        (["week's change", "log week's change"], lags(&[1, 2, 3, s - 1, s, s + 1], l, FORGETTING)),
        (["day's change", "log day's change"], lags(&[&edges[..], &[3]].concat(), s, FORGETTING)),
    ]
}

/// Regressions that know the short season only.
fn without_long(s: usize) -> Vec<(Names, Regression)> {
    vec![
        (["lags", "log lags"], lags(&[1, 2, 3, s - 1, s, s + 1], 0, FORGETTING)),
        (["day's change", "log day's change"], lags(&[1, 2, s - 1, s, s + 1], s, FORGETTING)),
    ]
}

/// A regression on lags, in any order; what a short season makes 0 or twice the same is left out.
fn lags(of: &[usize], difference: usize, forgetting: f64) -> Regression {
    let mut lags: Vec<usize> = of.iter().copied().filter(|lag| *lag > 0).collect();
    lags.sort_unstable();
    lags.dedup();
    Regression { lags, difference, forgetting, ridge: RIDGE }
}
