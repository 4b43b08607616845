//! How wrong it may be: quantiles of a forecast from what it missed by at earlier origins (split conformal prediction, the
//! residuals scaled by how hard each step ahead is).

use super::settings::Settings;

/// Spreads of a forecast.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// How large residuals are at each step.
    pub(super) sizes: Vec<f64>,
    /// Residuals over their sizes, ascending, each with its weight.
    ordered: Vec<(f64, f64)>,
}

impl Spread {
    /// Learns from `residuals[origin][step]`, NaN being unknown; `season` is the phase that hours have in common.
    pub(super) fn new(residuals: &[f64], horizon: usize, season: usize, settings: &Settings) -> Self {
        let origins = residuals.len() / horizon;
        let mut sums = vec![0.0; horizon];
        let mut counts = vec![0.0; horizon];
        for (origin, steps) in residuals.chunks_exact(horizon).enumerate() {
            let weight = settings.residual_recency.powi((origins - 1 - origin) as i32);
            for (step, residual) in steps.iter().enumerate() {
                if !residual.is_nan() {
                    sums[step] += weight * residual.abs();
                    counts[step] += weight;
                }
            }
        }
        let whole = sums.iter().sum::<f64>() / counts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let sizes = smooth_sizes(&sums, &counts, whole, season, settings);
        let mut ordered = Vec::with_capacity(residuals.len());
        for (origin, steps) in residuals.chunks_exact(horizon).enumerate() {
            let weight = settings.residual_recency.powi((origins - 1 - origin) as i32);
            for (residual, size) in steps.iter().zip(&sizes) {
                if !residual.is_nan() {
                    ordered.push((residual / size, weight));
                }
            }
        }
        ordered.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        Self { sizes, ordered }
    }

    /// The quantile of the residuals over their sizes; 0 if there are none.
    pub(super) fn quantile(&self, level: f64) -> f64 {
        let whole: f64 = self.ordered.iter().map(|(_, weight)| weight).sum();
        let wanted = level * whole;
        let mut passed = 0.0;
        let mut before: Option<(f64, f64)> = None;
        for &(value, weight) in &self.ordered {
            let centre = passed + weight / 2.0;
            if centre >= wanted {
                return match before {
                    Some((earlier, at)) if centre > at => earlier + (value - earlier) * (wanted - at) / (centre - at),
                    _ => value,
                };
            }
            before = Some((value, centre));
            passed += weight;
        }
        before.map_or(0.0, |(value, _)| value)
    }
}

/// Sizes by step: what the step's phase and how far ahead it is say, each drawn towards the whole.
fn smooth_sizes(sums: &[f64], counts: &[f64], whole: f64, season: usize, settings: &Settings) -> Vec<f64> {
    let horizon = sums.len();
    let floor = whole.max(f64::MIN_POSITIVE) * 0.05;
    let mut phase_sums = vec![0.0; season];
    let mut phase_counts = vec![0.0; season];
    let buckets: Vec<usize> = (0..horizon).map(|step| bucket(step, season)).collect();
    let most = buckets.last().map_or(1, |last| last + 1);
    let mut bucket_sums = vec![0.0; most];
    let mut bucket_counts = vec![0.0; most];
    for step in 0..horizon {
        bucket_sums[buckets[step]] += sums[step];
        bucket_counts[buckets[step]] += counts[step];
        phase_sums[step % season] += sums[step];
        phase_counts[step % season] += counts[step];
    }
    (0..horizon)
        .map(|step| {
            let bucket = buckets[step];
            let by_distance =
                (bucket_sums[bucket] + settings.shrink * whole) / (bucket_counts[bucket] + settings.shrink);
            let phase = step % season;
            let neighbours = [(phase + season - 1) % season, phase, (phase + 1) % season];
            let near: f64 = neighbours.iter().map(|at| phase_sums[*at]).sum();
            let near_count: f64 = neighbours.iter().map(|at| phase_counts[*at]).sum();
            let by_phase = (near + settings.shrink * whole) / (near_count + settings.shrink);
            let product = if whole > 0.0 { by_distance * by_phase / whole } else { 0.0 };
            product.max(floor)
        })
        .collect()
}

/// Steps ahead that are alike: the first eighth of a season, to a half, to one, two, four seasons and so on.
fn bucket(step: usize, season: usize) -> usize {
    let mut end = season.div_ceil(8);
    let mut bucket = 0;
    while step >= end {
        end = if bucket == 0 { season.div_ceil(2).max(end + 1) } else { end.saturating_mul(2) };
        bucket += 1;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    const ALIKE: Settings = Settings { residual_recency: 1.0, shrink: 0.0, ..SETTINGS };

    #[test]
    fn quantiles_worked_out_by_hand() {
        // Four residuals of size 1: centres of their shares at 1/8, 3/8, 5/8, 7/8.
        let spread = Spread::new(&[-1.0, 1.0, 1.0, -1.0], 1, 2, &ALIKE);
        assert_eq!(spread.sizes, [1.0]);
        assert_eq!(
            Vec::from([0.1, 0.25, 0.375, 0.5, 0.625, 0.99].map(|level| spread.quantile(level))),
            [-1.0, -1.0, -1.0, 0.0, 1.0, 1.0]
        );
    }

    #[test]
    fn hard_steps_are_wider() {
        // Steps 0 and 1 of the season are missed by 1, steps 4 and 5 by 3; phases share with their neighbours.
        let origin = [1.0, -1.0, 0.0, 0.0, 3.0, -3.0, 0.0, 0.0];
        let spread = Spread::new(&[origin, origin].concat(), 8, 8, &ALIKE);
        assert!(spread.sizes[4] > 2.0 * spread.sizes[0] && spread.sizes[0] > spread.sizes[2], "{:?}", spread.sizes);
    }

    #[test]
    fn nothing_missed_and_nothing_known_are_no_spread() {
        for residuals in [&[0.0; 6][..], &[f64::NAN; 6], &[]] {
            let spread = Spread::new(residuals, 3, 2, &SETTINGS);
            assert!(spread.sizes.iter().all(|size| *size >= 0.0 && size.is_finite()), "{:?}", spread.sizes);
            assert_eq!((spread.quantile(0.025), spread.quantile(0.975)), (0.0, 0.0));
        }
    }

    #[test]
    fn distances_by_hours_of_a_day() {
        let buckets = [0, 2, 3, 11, 12, 23, 24, 47, 48, 96].map(|step| bucket(step, 24));
        assert_eq!(buckets, [0, 0, 1, 1, 2, 2, 3, 3, 4, 5]);
    }
}
