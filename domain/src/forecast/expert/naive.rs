//! What comes if it is as it was: the same hours of yesterday, of last week, of the last days.

use super::Origins;

/// As one season ago; a level that changed since is carried over in part.
///
/// `correction` in [0, 1] is how much of the difference between the last `window` values and those a season earlier is added.
pub(super) fn seasonal(
    values: &[f64],
    season: usize,
    correction: f64,
    window: usize,
    origins: &Origins<'_>,
    out: &mut [f64],
) {
    for (&end, steps) in origins.ends.iter().zip(out.chunks_exact_mut(origins.horizon)) {
        let mut shift = 0.0;
        if correction > 0.0 && end >= season + window {
            let now: f64 = values[end - window..end].iter().sum();
            let before: f64 = values[end - season - window..end - season].iter().sum();
            shift = correction * (now - before) / window as f64;
        }
        for (step, value) in steps.iter_mut().enumerate() {
            *value = values[end - season + step % season] + shift;
        }
    }
}

/// The mean of the same hours of the last `seasons` seasons.
pub(super) fn mean(values: &[f64], season: usize, seasons: usize, origins: &Origins<'_>, out: &mut [f64]) {
    for (&end, steps) in origins.ends.iter().zip(out.chunks_exact_mut(origins.horizon)) {
        let count = seasons.min(end / season).max(1);
        for (step, value) in steps.iter_mut().enumerate() {
            let sum: f64 = (1..=count).map(|back| values[end - back * season + step % season]).sum();
            *value = sum / count as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINS: Origins<'static> = Origins { ends: &[4, 6], stride: 2, horizon: 3 };
    const VALUES: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 7.0, 8.0];

    #[test]
    fn as_a_season_ago() {
        let mut out = vec![0.0; 6];
        seasonal(&VALUES, 2, 0.0, 0, &ORIGINS, &mut out);
        assert_eq!(out, [3.0, 4.0, 3.0, 7.0, 8.0, 7.0]);
        // Half of the change between the last two and the two before: 2 / 2 and 4 / 2.
        seasonal(&VALUES, 2, 0.5, 2, &ORIGINS, &mut out);
        assert_eq!(out, [4.0, 5.0, 4.0, 9.0, 10.0, 9.0]);
    }

    #[test]
    fn the_mean_of_what_there_is() {
        let mut out = vec![0.0; 6];
        mean(&VALUES, 2, 3, &ORIGINS, &mut out);
        assert_eq!(out, [2.0, 3.0, 2.0, 11.0 / 3.0, 14.0 / 3.0, 11.0 / 3.0]);
    }
}
