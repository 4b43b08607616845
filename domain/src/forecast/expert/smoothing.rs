//! What comes if level, day and week change slowly: exponential smoothing with two seasons and an autocorrelated error
//! (Taylor 2003 and 2010, "double seasonal Holt-Winters-Taylor"), for a grid of speeds in one pass.

use super::Origins;

/// Speeds of the level, of the short season and of the long one, each in [0, 1].
const GRID: [[f64; 3]; LANES] = [
    [0.005, 0.10, 0.10],
    [0.005, 0.10, 0.30],
    [0.005, 0.30, 0.10],
    [0.005, 0.30, 0.30],
    [0.02, 0.05, 0.20],
    [0.02, 0.10, 0.10],
    [0.02, 0.10, 0.40],
    [0.02, 0.30, 0.10],
    [0.02, 0.30, 0.30],
    [0.02, 0.50, 0.20],
    [0.08, 0.05, 0.20],
    [0.08, 0.10, 0.10],
    [0.08, 0.10, 0.40],
    [0.08, 0.30, 0.10],
    [0.08, 0.30, 0.30],
    [0.08, 0.50, 0.20],
];

/// How many settings go along side by side.
pub(super) const LANES: usize = 16;

/// What an autocorrelation's sums keep after a step.
const KEPT: f64 = 0.995;
/// Largest autocorrelation of the error.
const MOST_CORRELATED: f64 = 0.98;

type Lanes = [f64; LANES];

/// Writes the forecasts of all origins, `out[lane][origin][step]`. `long` is 0 if there is only the short season.
pub(super) fn run(values: &[f64], short: usize, long: usize, origins: &Origins<'_>, out: &mut [f64]) {
    let start = values.get(..short).unwrap_or(values);
    let mean = start.iter().sum::<f64>() / start.len().max(1) as f64;
    let mut level = [mean; LANES];
    let mut days: Vec<Lanes> = (0..short).map(|at| [values.get(at).map_or(0.0, |value| value - mean); LANES]).collect();
    let mut weeks: Vec<Lanes> = vec![[0.0; LANES]; long.max(1)];
    let [mut last, mut products, mut squares] = [[0.0; LANES]; 3];
    let (mut of_day, mut of_week) = (0, 0);
    let mut at = 0;
    for (place, &end) in origins.ends.iter().enumerate() {
        while at < end {
            let (day, week) = (&mut days[of_day], &mut weeks[of_week]);
            for lane in 0..LANES {
                let error = values[at] - (level[lane] + day[lane] + week[lane]);
                products[lane] = KEPT * products[lane] + error * last[lane];
                squares[lane] = KEPT * squares[lane] + last[lane] * last[lane];
                last[lane] = error;
                level[lane] += GRID[lane][0] * error;
                day[lane] += GRID[lane][1] * error;
                if long > 0 {
                    week[lane] += GRID[lane][2] * error;
                }
            }
            of_day = if of_day + 1 == days.len() { 0 } else { of_day + 1 };
            of_week = if of_week + 1 == weeks.len() { 0 } else { of_week + 1 };
            at += 1;
        }
        let mut carried = last;
        let mut factor = [0.0; LANES];
        for lane in 0..LANES {
            if squares[lane] > 0.0 {
                factor[lane] = (products[lane] / squares[lane]).clamp(0.0, MOST_CORRELATED);
            }
        }
        let (mut day_ahead, mut week_ahead) = (of_day, of_week);
        for step in 0..origins.horizon {
            for lane in 0..LANES {
                carried[lane] *= factor[lane];
                let value = level[lane] + days[day_ahead][lane] + weeks[week_ahead][lane] + carried[lane];
                out[(lane * origins.ends.len() + place) * origins.horizon + step] = value;
            }
            day_ahead = if day_ahead + 1 == days.len() { 0 } else { day_ahead + 1 };
            week_ahead = if week_ahead + 1 == weeks.len() { 0 } else { week_ahead + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_continued_by_all_settings() {
        let values: Vec<f64> = (0..240).map(|at| [1.0, 5.0, 3.0, 2.0][at % 4]).collect();
        let origins = Origins { ends: &[236, 240], stride: 4, horizon: 6 };
        let mut out = vec![0.0; LANES * 12];
        run(&values, 4, 12, &origins, &mut out);
        for steps in out.chunks(6) {
            for (step, value) in steps.iter().enumerate() {
                assert!((value - values[step % 4]).abs() < 1e-9, "{steps:?}");
            }
        }
    }

    #[test]
    fn the_error_fades_as_it_did() {
        // Errors alternate in runs of ten: highly correlated. After the last one the forecast begins near it and fades.
        let values: Vec<f64> = (0..200).map(|at| if at / 10 % 2 == 0 { 1.0 } else { 0.0 }).collect();
        let origins = Origins { ends: &[200], stride: 2, horizon: 8 };
        let mut out = vec![0.0; LANES * 8];
        run(&values, 2, 0, &origins, &mut out);
        for (lane, steps) in out.chunks(8).enumerate() {
            assert!(steps.iter().all(|value| value.is_finite()), "setting {lane}: {steps:?}");
        }
        let slow = &out[..8];
        assert!(slow[0] < slow[6], "it comes back from below: {slow:?}");
    }
}
