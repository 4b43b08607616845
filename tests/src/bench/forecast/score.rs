//! The scores of the M4 competition (Makridakis, Spiliotis, Assimakopoulos 2020), and of quantiles.

use headroom_domain::forecast::Forecast;

use super::series::Case;
use super::{HORIZON, LEVELS};

/// What Naive2 scored on all 414 hourly series, as published.
const NAIVE2: (f64, f64) = (18.383, 2.395);
/// What a missed interval of 95 % costs: 2 / 0.05.
const MISS: f64 = 40.0;

/// A forecast to score.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) point: Vec<f64>,
    /// Bounds of 95 %.
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    /// At 0.9 and 0.95, if it has them.
    pub(super) quantiles: Option<(Vec<f64>, Vec<f64>)>,
}

impl Answer {
    pub(super) fn ours(forecast: &Forecast) -> Self {
        let at = |level: f64| {
            let place = LEVELS.iter().position(|one| one.total_cmp(&level).is_eq()).unwrap_or_default();
            forecast.quantiles[place].clone()
        };
        Self { point: forecast.mean.clone(), lower: at(0.025), upper: at(0.975), quantiles: Some((at(0.9), at(0.95))) }
    }

    /// As yesterday.
    pub(super) fn seasonal_naive(known: &[f64]) -> Self {
        let point: Vec<f64> = (0..HORIZON).map(|step| known[known.len() - 24 + step % 24]).collect();
        Self { lower: point.clone(), upper: point.clone(), point, quantiles: None }
    }
}

/// Scores of a series, or their mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Score {
    pub(super) smape: f64,
    pub(super) mase: f64,
    pub(super) msis: f64,
    pub(super) below_90: f64,
    pub(super) below_95: f64,
    pub(super) within_95: f64,
    pub(super) pinball_95: f64,
}

impl Score {
    pub(super) fn of(case: &Case, answer: &Answer) -> Self {
        let known = &case.known;
        let changes = known.iter().zip(&known[24..]).map(|(before, now)| (now - before).abs());
        let scale = changes.sum::<f64>() / (known.len() - 24) as f64;
        let mut score = Self::default();
        for (step, came) in case.came.iter().enumerate() {
            let (point, lower, upper) = (answer.point[step], answer.lower[step], answer.upper[step]);
            score.smape += 200.0 * (came - point).abs() / (came.abs() + point.abs());
            score.mase += (came - point).abs() / scale;
            let missed = (lower - came).max(0.0) + (came - upper).max(0.0);
            score.msis += (upper - lower + MISS * missed) / scale;
            score.within_95 += f64::from(u8::from((lower..=upper).contains(came)));
            if let Some((at_90, at_95)) = &answer.quantiles {
                score.below_90 += f64::from(u8::from(*came <= at_90[step]));
                score.below_95 += f64::from(u8::from(*came <= at_95[step]));
                let over = came - at_95[step];
                score.pinball_95 += (0.95 * over).max(-0.05 * over) / scale;
            }
        }
        score.scaled(1.0 / case.came.len() as f64)
    }

    pub(super) fn mean(all: impl Iterator<Item = Self>) -> Self {
        let (mut sum, mut count) = (Self::default(), 0);
        for one in all {
            sum.smape += one.smape;
            sum.mase += one.mase;
            sum.msis += one.msis;
            sum.below_90 += one.below_90;
            sum.below_95 += one.below_95;
            sum.within_95 += one.within_95;
            sum.pinball_95 += one.pinball_95;
            count += 1;
        }
        sum.scaled(1.0 / f64::from(count.max(1)))
    }

    /// Overall weighted average: 1 is as good as Naive2, less is better.
    pub(super) fn owa(&self) -> f64 {
        f64::midpoint(self.smape / NAIVE2.0, self.mase / NAIVE2.1)
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            smape: self.smape * by,
            mase: self.mase * by,
            msis: self.msis * by,
            below_90: self.below_90 * by,
            below_95: self.below_95 * by,
            within_95: self.within_95 * by,
            pinball_95: self.pinball_95 * by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_worked_out_by_hand() {
        // Values rise by 1 an hour: those a day apart differ by 24.
        let known: Vec<f64> = (0..48).map(f64::from).collect();
        let came = vec![100.0, 50.0];
        let case = Case { known, came };
        let answer = Answer {
            point: vec![76.0, 50.0],
            lower: vec![60.0, 62.0],
            upper: vec![108.0, 86.0],
            quantiles: Some((vec![90.0, 60.0], vec![148.0, 60.0])),
        };
        let score = Score::of(&case, &answer);
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} is not {other}");
        close(score.smape, 200.0 * 24.0 / 176.0 / 2.0);
        close(score.mase, 0.5);
        // Widths 48 and 24; the second is missed by 12.
        close(score.msis, (48.0 + 24.0 + 40.0 * 12.0) / 24.0 / 2.0);
        assert_eq!((score.below_90, score.below_95, score.within_95), (0.5, 1.0, 0.5));
        close(score.pinball_95, (0.05 * 48.0 + 0.05 * 10.0) / 24.0 / 2.0);
        let naive2 = Score { smape: 18.383, mase: 2.395, ..Score::default() };
        close(naive2.owa(), 1.0);
    }
}
