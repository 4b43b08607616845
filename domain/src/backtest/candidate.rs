//! Policies that are compared, and what each would have provided.

use super::policy::{by_minute, greater, reactive};
use super::tally::Tally;
use super::trailing::{latest, quantiles};
use super::{DAY, LEVELS, hourly_peaks};
use crate::format::decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Utilisations of candidates that follow, in per cent; the first is the reference.
const UTILISATIONS: [u32; 6] = [75, 80, 85, 90, 95, 100];

/// What capacity is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Policy {
    /// Follows demand at a utilisation.
    Follow {
        /// In per cent.
        percent: u32,
    },
    /// A quantile of the forecast, or what is wanted now if that is more.
    Foresee {
        /// The level, in thousandths.
        permille: u32,
    },
    /// A base with what it fell short by lately.
    Headroom {
        /// What it starts from.
        base: Base,
        /// The level of what was short, in thousandths.
        permille: u32,
        /// What was short multiplies in place of being added.
        is_factor: bool,
    },
}

/// What headroom is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "base", rename_all = "snake_case")]
pub enum Base {
    /// Following demand at a utilisation.
    Follow {
        /// In per cent.
        percent: u32,
    },
    /// The median forecast, or what is wanted now if that is more.
    Foresee,
}

impl Default for Policy {
    fn default() -> Self {
        Self::Follow { percent: UTILISATIONS[0] }
    }
}

impl Policy {
    /// Whether a forecast has a say.
    pub fn foresees(&self) -> bool {
        matches!(self, Self::Foresee { .. } | Self::Headroom { base: Base::Foresee, .. })
    }
}

impl Policy {
    /// In words, as people read it.
    pub fn words(&self) -> String {
        let hours = |permille: u32| {
            let part = f64::from(permille) / 10.0;
            format!("{} of 100 hours", decimal(part, usize::from(!permille.is_multiple_of(10))))
        };
        let follows = |percent: u32| format!("as many slots as are {percent} % in use by what is wanted now");
        match self {
            Self::Follow { percent: 100 } => "what is wanted now".to_owned(),
            Self::Follow { percent } => follows(*percent),
            Self::Foresee { permille } => {
                format!(
                    "what the forecast says is enough in {}, or what is wanted now if that is more",
                    hours(*permille)
                )
            }
            Self::Headroom { base, permille, is_factor } => {
                let from = match base {
                    Base::Foresee => "the forecast's median, or what is wanted now if that is more,".to_owned(),
                    Base::Follow { percent: 100 } => "what is wanted now".to_owned(),
                    Base::Follow { percent } => follows(*percent),
                };
                let how = if *is_factor { "grown by as much as" } else { "plus as many slots as" };
                format!("{from} {how} made up for what it lately fell short by in {}", hours(*permille))
            }
        }
    }
}

/// The name of a policy, for programs: it stays as it is, [`Policy::words`] are for people.
impl fmt::Display for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |permille: u32| f64::from(permille) / 1e3;
        match self {
            Self::Follow { percent } => write!(out, "follow at {}", f64::from(*percent) / 100.0),
            Self::Foresee { permille } => write!(out, "foresee {} or follow", part(*permille)),
            Self::Headroom { base, permille, is_factor } => {
                match base {
                    Base::Foresee => write!(out, "foresee")?,
                    Base::Follow { percent: 100 } => write!(out, "follow")?,
                    Base::Follow { percent } => write!(out, "follow at {}", f64::from(*percent) / 100.0)?,
                }
                let how = if *is_factor { "times" } else { "and" };
                write!(out, ", {how} {} of what was short", part(*permille))
            }
        }
    }
}

/// A policy with what it came to on each day.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which.
    pub policy: Policy,
    /// By day, from the first of the demand.
    pub days: Vec<Tally>,
}

impl Candidate {
    fn new(policy: Policy, demand: &[f64], capacity: &[f64]) -> Self {
        let days = demand.chunks(DAY).zip(capacity.chunks(DAY)).map(|(demand, capacity)| Tally::of(demand, capacity));
        Self { policy, days: days.collect() }
    }

    /// Over days from one to before another.
    pub fn over(&self, from: usize, to: usize) -> Tally {
        self.days[from.min(self.days.len())..to.min(self.days.len())].iter().copied().sum()
    }
}

/// All policies over a demand by minute, the reference first; those that foresee if there are median forecasts for its hours.
pub fn candidates(demand: &[f64], medians: Option<&[f64]>) -> Vec<Candidate> {
    let mut all = Vec::new();
    for percent in UTILISATIONS {
        let capacity = reactive(demand, f64::from(percent) / 100.0);
        all.push(Candidate::new(Policy::Follow { percent }, demand, &capacity));
    }
    if let Some(medians) = medians {
        let live = reactive(demand, 1.0);
        for (level, width) in LEVELS.iter().zip(&widths(demand, medians)) {
            let bounds: Vec<f64> = medians.iter().zip(width).map(|(median, width)| median + width).collect();
            let capacity = greater(&by_minute(&bounds, demand.len()), &live);
            all.push(Candidate::new(Policy::Foresee { permille: permille(*level) }, demand, &capacity));
        }
    }
    for from in [Base::Follow { percent: 100 }, Base::Follow { percent: 90 }, Base::Foresee] {
        if from != Base::Foresee || medians.is_some() {
            with_headroom(from, demand, &base(from, demand, medians.unwrap_or_default()), &mut all);
        }
    }
    all
}

/// What the medians were off by at each level: `[level][hour]`.
pub(super) fn widths(demand: &[f64], medians: &[f64]) -> Vec<Vec<f64>> {
    let peaks = hourly_peaks(demand);
    let residuals: Vec<f64> = peaks.iter().zip(medians).map(|(peak, median)| peak - median).collect();
    quantiles(&residuals, &LEVELS, true)
}

/// What a base provides by minute.
pub fn base(from: Base, demand: &[f64], medians: &[f64]) -> Vec<f64> {
    match from {
        Base::Follow { percent } => reactive(demand, f64::from(percent.clamp(1, 100)) / 100.0),
        Base::Foresee => greater(&by_minute(medians, demand.len()), &reactive(demand, 1.0)),
    }
}

/// What a base fell short by at worst in each hour: slots, or as a factor.
fn shortfalls(demand: &[f64], base: &[f64], is_factor: bool) -> Vec<f64> {
    let of = |(demand, base): (&f64, &f64)| if is_factor { demand / base } else { demand - base };
    let hours = demand.chunks(60).zip(base.chunks(60));
    hours.map(|(demand, base)| demand.iter().zip(base).map(of).fold(f64::NAN, f64::max)).collect()
}

/// The quantile of what a base fell short by, as it is known for the hour that begins where demand ends; NaN if too little is known.
pub fn shortfall(demand: &[f64], base: &[f64], level: f64, is_factor: bool) -> f64 {
    let mut worst = shortfalls(demand, base, is_factor);
    worst.push(f64::NAN);
    latest(&worst, worst.len() - 1, &[level], false).first().copied().unwrap_or(f64::NAN)
}

/// A base with what it fell short by lately on top, added or as a factor.
fn with_headroom(from: Base, demand: &[f64], base: &[f64], all: &mut Vec<Candidate>) {
    let short = quantiles(&shortfalls(demand, base, false), &LEVELS, false);
    let times = quantiles(&shortfalls(demand, base, true), &LEVELS, false);
    for (place, level) in LEVELS.iter().enumerate() {
        let policy = |is_factor| Policy::Headroom { base: from, permille: permille(*level), is_factor };
        let capacity: Vec<f64> = (0..base.len()).map(|at| (base[at] + short[place][at / 60].max(0.0)).ceil()).collect();
        all.push(Candidate::new(policy(false), demand, &capacity));
        let capacity: Vec<f64> = (0..base.len()).map(|at| (base[at] * times[place][at / 60].max(1.0)).ceil()).collect();
        all.push(Candidate::new(policy(true), demand, &capacity));
    }
}

fn permille(level: f64) -> u32 {
    (level * 1e3).round() as u32
}
