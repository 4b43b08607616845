//! What a pool remembers of its forecasts: what was said for an hour at the lead of a plan, and what came.

use super::super::events;
use super::calibrate::{ENOUGH, TOLD};
use super::path::{Lasting, Path, Raw};
use super::{Confidence, ENGINES, Engine, LEAD_HOURS, LEVELS, MEDIAN, NINE_TENTHS, Rung, TENTH};
use crate::calendar::Event;
use serde::{Deserialize, Serialize};

/// Most forecasts that are remembered: two weeks of hours.
pub const MOST_ROWS: usize = 336;
/// How much wider than the models say quantiles have to be if nobody knows better.
pub const DEFAULT_KAPPA: f64 = 1.3;
/// Most forecasts whose hour has not come.
const MOST_PENDING: usize = 4;
/// Forecasts from which on engines are compared.
const COMPARED_FROM: usize = 48;
/// Another engine has to lose this much less than the usual one before it is believed.
const BETTER: f64 = 0.98;
/// Places in [`LEVELS`] by which engines are compared: those that plans use.
const SCORED: [usize; 4] = [4, 6, 7, 8];
/// Forecasts of a pool that has a say in the fleet's kappa.
const EXPERIENCED: usize = ENOUGH;

/// What a pool remembers; to be kept between refreshes. An empty one knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pending: Vec<Pending>,
    rows: Vec<Row>,
    pub(super) path: Option<Path>,
    pub(super) lasting: Lasting,
}

/// A forecast whose hour has not come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    hour: i64,
    raw_median: f64,
    raw_width: f64,
    /// What the path alone said, and how far off it was when it was said.
    uncorrected: f64,
    error: f64,
    /// By engine, then by level.
    said: [Vec<f64>; ENGINES.len()],
    /// Whose was published.
    published: usize,
    /// What the same hours had, ascending: some values at equal distances, for the place of what comes.
    ranks: Vec<f64>,
}

/// How many values tell where what comes lies among what the hours had.
const RANKS: usize = 41;

impl Pending {
    pub(super) fn new(
        hour: i64,
        raw: &Raw,
        said: [Vec<f64>; ENGINES.len()],
        published: usize,
        same_hour: &[f64],
    ) -> Self {
        let last = same_hour.len().saturating_sub(1);
        let ranks = match same_hour.len() {
            0 => Vec::new(),
            few if few <= RANKS => same_hour.iter().map(|value| coarse(*value)).collect(),
            _ => (0..RANKS).map(|at| coarse(same_hour[at * last / (RANKS - 1)])).collect(),
        };
        let of = |steps: &[f64]| coarse(steps.get(LEAD_HOURS - 1).copied().unwrap_or(0.0));
        Self {
            hour,
            raw_median: of(&raw.median),
            raw_width: raw.widths.get(TOLD).map_or(0.0, |steps| of(steps)),
            uncorrected: coarse(raw.uncorrected),
            error: coarse(raw.error),
            said,
            published,
            ranks,
        }
    }

    fn settle(&self, came: f64, is_usual: bool) -> Row {
        let losses = [0, 1, 2].map(|engine: usize| coarse(loss(&self.said[engine], came)));
        let published = &self.said[self.published.min(ENGINES.len() - 1)];
        let at = |place: usize| published.get(place).copied().unwrap_or(0.0);
        let below = self.ranks.iter().filter(|value| **value < came).count() as f64;
        let equal = self.ranks.iter().filter(|value| **value <= came).count() as f64 - below;
        let place = (below + 0.5 * equal + 0.5) / (self.ranks.len() as f64 + 1.0);
        Row {
            hour: self.hour,
            came: coarse(came),
            raw_median: self.raw_median,
            raw_width: self.raw_width,
            place: coarse(place),
            losses,
            median: at(MEDIAN),
            bounds: (at(TENTH), at(NINE_TENTHS)),
            told: at(TOLD),
            is_usual,
        }
    }
}

/// Mean pinball loss of one engine's quantiles.
fn loss(said: &[f64], came: f64) -> f64 {
    let sum: f64 = SCORED
        .iter()
        .map(|place| {
            let over = came - said.get(*place).copied().unwrap_or(0.0);
            (LEVELS[*place] * over).max((LEVELS[*place] - 1.0) * over)
        })
        .sum();
    sum / SCORED.len() as f64
}

/// A forecast with what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Row {
    pub(super) hour: i64,
    pub(super) came: f64,
    /// The ensemble's median and its distance to 0.95, as the models gave them.
    pub(super) raw_median: f64,
    pub(super) raw_width: f64,
    /// Where what came lay among what the same hours had, in (0, 1).
    pub(super) place: f64,
    /// Pinball losses by engine.
    pub(super) losses: [f64; ENGINES.len()],
    /// What was published: the median, 0.1 and 0.9, 0.95.
    pub(super) median: f64,
    pub(super) bounds: (f64, f64),
    pub(super) told: f64,
    /// Whether no event lay over the hour.
    pub(super) is_usual: bool,
}

/// A row without names: there are many of them.
type Stored = (i64, [f64; 4], [f64; ENGINES.len()], [f64; 4], bool);

impl From<Stored> for Row {
    fn from((hour, seen, losses, said, is_usual): Stored) -> Self {
        let [came, raw_median, raw_width, place] = seen;
        let [median, low, high, told] = said;
        Self { hour, came, raw_median, raw_width, place, losses, median, bounds: (low, high), told, is_usual }
    }
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let seen = [row.came, row.raw_median, row.raw_width, row.place];
        (row.hour, seen, row.losses, [row.median, row.bounds.0, row.bounds.1, row.told], row.is_usual)
    }
}

impl Memory {
    /// Takes in what came, up to the end of `peaks`. What was said for hours whose peak is unknown is forgotten.
    pub(super) fn settle(&mut self, peaks: &[f64], first_hour: i64, events: &[Event]) {
        let end = first_hour.saturating_add(peaks.len() as i64);
        // After the clock was set back, what was said of hours that are to come again is not believed.
        self.rows.retain(|row| row.hour < end);
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|one| {
            if one.hour >= end {
                return one.hour < end.saturating_add(super::MOST_HORIZON as i64);
            }
            let came = usize::try_from(one.hour.saturating_sub(first_hour)).ok().and_then(|at| peaks.get(at));
            if let Some(came) = came.filter(|came| !came.is_nan())
                && self.rows.iter().all(|row| row.hour != one.hour)
            {
                let is_usual = !events::is_marked(one.hour, events);
                if is_usual {
                    self.lasting.learn(one.error, came - one.uncorrected);
                }
                self.rows.push(one.settle(*came, is_usual));
            }
            false
        });
        self.pending = pending;
        self.rows.sort_by_key(|row| row.hour);
        let oldest = end.saturating_sub(MOST_ROWS as i64);
        self.rows.retain(|row| row.hour >= oldest);
    }

    /// Remembers what was said, in place of what was said of the same hour before.
    pub(super) fn remember(&mut self, one: Pending) {
        self.pending.retain(|other| other.hour != one.hour);
        self.pending.push(one);
        let more = self.pending.len().saturating_sub(MOST_PENDING);
        self.pending.drain(..more);
    }

    /// Forecasts of hours without events, with what came.
    pub(super) fn usual(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_usual)
    }

    /// Everything that came, ascending by hour.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Who lost least over two weeks; the usual one while there is little to compare.
    pub(super) fn believed(&self, basis: Rung) -> Engine {
        if basis <= Rung::Hours {
            return Engine::Profile;
        }
        let mut sums = [0.0; ENGINES.len()];
        let mut count = 0;
        for row in self.usual() {
            count += 1;
            for (sum, loss) in sums.iter_mut().zip(row.losses) {
                *sum += loss;
            }
        }
        if count < COMPARED_FROM {
            return Engine::Ensemble;
        }
        let (mut best, mut least) = (0, BETTER * sums[0]);
        for engine in [2, 1] {
            if sums[engine] < least {
                (best, least) = (engine, sums[engine]);
            }
        }
        ENGINES[best]
    }

    /// How far forecasts of this pool can be relied on.
    pub(super) fn confidence(&self, basis: Rung) -> Confidence {
        let judged = self.rows.len();
        let held = self.rows.iter().filter(|row| row.came <= row.told).count() as f64 / judged.max(1) as f64;
        match basis {
            Rung::Reactive => Confidence::None,
            Rung::Hours => Confidence::Low,
            _ if judged >= ENOUGH && held < 0.9 => Confidence::Low,
            Rung::Full if judged >= ENOUGH => Confidence::High,
            Rung::Short if judged < COMPARED_FROM => Confidence::Low,
            _ => Confidence::Medium,
        }
    }

    /// The medians at the lead of plans that were published for hours from `first_hour` on; NaN where none was.
    pub fn medians(&self, first_hour: i64, hours: usize) -> Vec<f64> {
        let mut found = vec![f64::NAN; hours];
        let pending = self.pending.iter().map(|one| {
            let published = &one.said[one.published.min(ENGINES.len() - 1)];
            (one.hour, published.get(MEDIAN).copied().unwrap_or(f64::NAN))
        });
        for (hour, median) in self.rows.iter().map(|row| (row.hour, row.median)).chain(pending) {
            let place = usize::try_from(hour.saturating_sub(first_hour)).ok();
            if let Some(found) = place.and_then(|place| found.get_mut(place)) {
                *found = median;
            }
        }
        found
    }
}

/// How much wider than their models say the quantiles of experienced pools had to be to hold at 0.95: the median pool's factor.
pub fn fleet_kappa<'a>(all: impl Iterator<Item = &'a Memory>) -> f64 {
    let mut factors: Vec<f64> = all
        .filter_map(|memory| {
            let mut ratios: Vec<f64> = memory
                .usual()
                .filter(|row| row.raw_width > 0.0)
                .map(|row| (row.came - row.raw_median) / row.raw_width)
                .collect();
            if ratios.len() < EXPERIENCED {
                return None;
            }
            ratios.sort_unstable_by(f64::total_cmp);
            Some(ratios[(LEVELS[TOLD] * ratios.len() as f64) as usize])
        })
        .collect();
    factors.sort_unstable_by(f64::total_cmp);
    let middle = factors.get(factors.len() / 2).copied().unwrap_or(DEFAULT_KAPPA);
    middle.clamp(1.0, 2.0)
}

/// A value to a thousandth, which keeps the memory short; what is not finite is 0.
pub(super) fn coarse(value: f64) -> f64 {
    let rounded = (value * 1e3).round() / 1e3;
    if rounded.is_finite() { rounded } else { 0.0 }
}
