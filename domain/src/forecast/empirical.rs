//! What a few values say by themselves: quantiles of the same hours, and of all that there is when there is little.

use super::history::History;

/// From this level on a young series answers as if it was asked for [`YOUNG_LEVEL`], and likewise below.
const YOUNG_FROM: f64 = 0.9;
/// What a young series answers at least, on each side (forecasting practice for less than three days of history).
const YOUNG_LEVEL: f64 = 0.975;

/// The quantile of values in ascending order; 0 if there are none.
///
/// The i-th of n values is the quantile of level i / (n + 1), as for a further value that is exchangeable with them; between two it is
/// a line. Beyond the outermost the distance from the median grows with the logarithm of what is left of the probability, and is
/// at least an n-th of the median's size: what was seen n times alike may still differ.
pub(super) fn quantile(ascending: &[f64], level: f64) -> f64 {
    let (Some(least), Some(most)) = (ascending.first(), ascending.last()) else { return 0.0 };
    let count = ascending.len() as f64;
    let at = |place: f64| {
        let low = (place.floor() as usize).clamp(1, ascending.len());
        let high = (low + 1).min(ascending.len());
        let (one, other) = (ascending[low - 1], ascending[high - 1]);
        one + (other - one) * (place - low as f64).clamp(0.0, 1.0)
    };
    let outermost = 1.0 / (count + 1.0);
    let place = level * (count + 1.0);
    let median = at(0.5 * (count + 1.0));
    let beyond = |edge: f64, left: f64| {
        let distance = (edge - median).abs().max(median.abs() / count);
        distance * (left.ln() / outermost.ln()).max(1.0)
    };
    if level > 1.0 - outermost {
        median + beyond(*most, 1.0 - level)
    } else if level < outermost {
        median - beyond(*least, level)
    } else {
        at(place)
    }
}

/// A level for a series that is younger than three seasons: never a narrow promise.
pub(super) fn young(level: f64) -> f64 {
    if level >= YOUNG_FROM {
        level.max(YOUNG_LEVEL)
    } else if level <= 1.0 - YOUNG_FROM {
        level.min(1.0 - YOUNG_LEVEL)
    } else {
        level
    }
}

/// Observed values before `end`, in ascending order, that lie at most `window` back and whose phase is `phase` or next to it.
pub(super) fn same_phase(history: &History, end: usize, phase: usize, season: usize, window: usize) -> Vec<f64> {
    let from = end.saturating_sub(window);
    let mut found = Vec::with_capacity(3 * window.div_ceil(season));
    for at in from..end {
        let distance = (at % season).abs_diff(phase);
        if history.observed[at] && (distance <= 1 || distance == season - 1) {
            found.push(history.values[at]);
        }
    }
    found.sort_unstable_by(f64::total_cmp);
    found
}

/// All observed values in ascending order.
pub(super) fn all(history: &History) -> Vec<f64> {
    let observed = history.values.iter().zip(&history.observed).filter(|(_, is)| **is);
    let mut found: Vec<f64> = observed.map(|(value, _)| *value).collect();
    found.sort_unstable_by(f64::total_cmp);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    }

    #[test]
    fn quantiles_worked_out_by_hand() {
        // Three values: levels 1/4, 1/2, 3/4.
        let values = [1.0, 2.0, 5.0];
        close(quantile(&values, 0.25), 1.0);
        close(quantile(&values, 0.5), 2.0);
        close(quantile(&values, 0.625), 3.5);
        close(quantile(&values, 0.75), 5.0);
        // A sixteenth is left, the square of a quarter: twice as far from the median as 5 is.
        close(quantile(&values, 0.9375), 8.0);
        // 1 lies 1 below the median, but nothing is surer than a third of 2; twice as far.
        close(quantile(&values, 0.0625), 0.0);
        close(quantile(&[], 0.9), 0.0);
    }

    #[test]
    fn one_value_may_double() {
        close(quantile(&[4.0], 0.5), 4.0);
        close(quantile(&[4.0], 0.75), 12.0);
        close(quantile(&[0.0], 0.99), 0.0);
    }

    #[test]
    fn levels_of_the_young_are_never_narrow() {
        assert_eq!(Vec::from([0.95, 0.99, 0.5, 0.05, 0.01].map(young)), [0.975, 0.99, 0.5, 1.0 - 0.975, 0.01]);
    }

    #[test]
    fn neighbours_in_phase_wrap_around() {
        let series: Vec<f64> = (0..8).map(f64::from).collect();
        let history = History::new(&series, 4, 100);
        let found: Vec<f64> = same_phase(&history, 8, 0, 4, 4).iter().map(|value| value * history.scale).collect();
        assert_eq!(found, [4.0, 5.0, 7.0]);
    }
}
