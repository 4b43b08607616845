//! What comes if the hours of day and week have their habits, and what departs from them fades: slowly learnt profiles, and a
//! regression of the departures on the last two and on yesterday's.

use super::Origins;
use super::regression::Regression;

/// How fast the profiles learn.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    /// Part of a departure that the hour of the day takes over, in [0, 1].
    pub(super) day: f64,
    /// Part of the rest that the hour of the week takes over, in [0, 1].
    pub(super) week: f64,
    /// How much of the hour of the week is believed, in [0, 1].
    pub(super) believed: f64,
}

impl Profile {
    /// Writes the forecasts of all origins. `long` is 0 if there is only the short season.
    pub(super) fn run(
        &self,
        values: &[f64],
        short: usize,
        long: usize,
        departures: &Regression,
        origins: &Origins<'_>,
        out: &mut [f64],
    ) {
        let mut days: Vec<f64> = values.iter().take(short).copied().collect();
        days.resize(short, 0.0);
        let mut weeks = vec![0.0; long.max(1)];
        let mut rest = vec![0.0; values.len()];
        let mut base = vec![0.0; out.len()];
        let mut at = 0;
        for (&end, steps) in origins.ends.iter().zip(base.chunks_exact_mut(origins.horizon)) {
            while at < end {
                let (of_day, of_week) = (at % short, at % long.max(1));
                let over = values[at] - days[of_day];
                rest[at] = over - self.believed * weeks[of_week];
                days[of_day] += self.day * over;
                if long > 0 {
                    weeks[of_week] += self.week * (over - weeks[of_week]);
                }
                at += 1;
            }
            for (step, value) in steps.iter_mut().enumerate() {
                let at = end + step;
                *value = days[at % short] + self.believed * weeks[at % long.max(1)];
            }
        }
        departures.run(&rest, origins, out);
        for (value, base) in out.iter_mut().zip(&base) {
            *value += base;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_and_week_add_up() {
        // Two phases, a week of two days of which the second is 2 higher.
        let values: Vec<f64> = (0..400).map(|at| [1.0, 4.0, 3.0, 6.0][at % 4]).collect();
        let profile = Profile { day: 0.02, week: 0.2, believed: 1.0 };
        let departures = Regression { lags: vec![1, 2], difference: 0, forgetting: 0.99, ridge: 1e-3 };
        let mut out = [0.0; 8];
        profile.run(&values, 2, 4, &departures, &Origins { ends: &[400], stride: 2, horizon: 8 }, &mut out);
        for (step, value) in out.iter().enumerate() {
            assert!((value - values[step]).abs() < 0.2, "step {step}: {value} for {}", values[step]);
        }
    }
}
