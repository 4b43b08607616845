//! What fell short lately: quantiles of the last two weeks' residuals, as they were known an hour before (online conformal
//! prediction; Gibbs and Candès 2021 for the idea, the weights by hour of the day are ours).

/// Hours whose residuals count.
pub const WINDOW_HOURS: usize = 336;
/// A decision for an hour is made with data to the end of the hour before the previous one.
pub const LEAD_HOURS: usize = 2;

/// For each hour and level the quantile of the residuals of the window before it; NaN residuals are unknown.
///
/// Residuals of the same hour of the day and its two neighbours on each side count twice if `by_hour`. Where less than a day
/// is known the answer is NaN. Result: `[level][hour]`.
pub(super) fn quantiles(residuals: &[f64], levels: &[f64], by_hour: bool) -> Vec<Vec<f64>> {
    let mut found = vec![vec![f64::NAN; residuals.len()]; levels.len()];
    for hour in 0..residuals.len() {
        for (found, value) in found.iter_mut().zip(latest(residuals, hour, levels, by_hour)) {
            found[hour] = value;
        }
    }
    found
}

/// The same for one hour, by level.
pub(super) fn latest(residuals: &[f64], hour: usize, levels: &[f64], by_hour: bool) -> Vec<f64> {
    let to = (hour + 1).saturating_sub(LEAD_HOURS);
    let from = to.saturating_sub(WINDOW_HOURS);
    let mut window: Vec<(f64, f64)> = Vec::with_capacity(WINDOW_HOURS);
    let mut whole = 0.0;
    for (at, &residual) in residuals.iter().enumerate().take(to).skip(from) {
        if residual.is_nan() {
            continue;
        }
        let apart = (hour - at) % 24;
        let weight = if by_hour && (apart <= 2 || apart >= 22) { 2.0 } else { 1.0 };
        whole += weight;
        window.push((residual, weight));
    }
    if window.len() < 24 {
        return vec![f64::NAN; levels.len()];
    }
    window.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let of = |level: &f64| {
        // One more of the mean weight: the residual that is to come.
        let wanted = level * (whole + whole / window.len() as f64);
        let mut passed = 0.0;
        let reached = window.iter().find(|(_, weight)| {
            passed += weight;
            passed >= wanted
        });
        reached.or(window.last()).map_or(f64::NAN, |(value, _)| *value)
    };
    levels.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_of_the_last_hour() {
        // Residuals 0, 1, 2 …: at hour 100 those up to 98 are known, 99 of them.
        let residuals: Vec<f64> = (0..120).map(f64::from).collect();
        let found = quantiles(&residuals, &[0.5, 0.99], false);
        assert!(found[0][24].is_nan(), "23 are known");
        // The 50th of 99 is 49; 0.99 of 100 is the last of them.
        assert_eq!((found[0][100], found[1][100]), (49.0, 98.0));
    }

    #[test]
    fn the_same_hours_count_twice() {
        // 3 at the hours around midnight, 0 elsewhere: 5 of 24, twice 5 of 29.
        let residuals: Vec<f64> =
            (0..400).map(|at| if [22, 23, 0, 1, 2].contains(&(at % 24)) { 3.0 } else { 0.0 }).collect();
        let at = |level: f64, by_hour: bool, hour: usize| quantiles(&residuals, &[level], by_hour)[0][hour];
        assert_eq!((at(0.75, false, 384), at(0.75, true, 384), at(0.75, true, 396)), (0.0, 3.0, 0.0));
    }
}
