//! What is asked of a forecast, within bounds.

use thiserror::Error;

/// Longest season, in steps: a year of hours.
pub const LONGEST_SEASON: usize = 8_784;
/// Most steps ahead.
pub const MOST_HORIZON: usize = 10_080;
/// Most quantiles of one forecast.
pub const MOST_LEVELS: usize = 100;

/// Seasons, horizon and levels of quantiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    short: usize,
    long: Option<usize>,
    horizon: usize,
    levels: Vec<f64>,
}

/// Why something cannot be asked: the field, what was found, what is expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: found {found}, expected {expected}")]
pub struct Wrong {
    /// `season`, `horizon` or `quantiles`.
    pub field: &'static str,
    /// What was given.
    pub found: String,
    /// What may be given.
    pub expected: String,
}

impl Question {
    /// `seasons` are one or two lengths in steps, the shorter first; `levels` are probabilities, each in (0, 1).
    ///
    /// # Errors
    /// Names the first field that is out of bounds.
    pub fn new(seasons: &[usize], horizon: usize, levels: &[f64]) -> Result<Self, Wrong> {
        let wrong = |field, found, expected: String| Err(Wrong { field, found, expected });
        let (short, long) = match seasons {
            [short] => (*short, None),
            [short, long] => (*short, Some(*long)),
            _ => return wrong("season", format!("{} lengths", seasons.len()), "one or two".to_owned()),
        };
        if let Some(season) = seasons.iter().find(|season| !(2..=LONGEST_SEASON).contains(*season)) {
            return wrong("season", season.to_string(), format!("2 to {LONGEST_SEASON}"));
        }
        if let Some(long) = long.filter(|long| *long < 2 * short) {
            return wrong("season", format!("{short},{long}"), format!("a second one of at least {}", 2 * short));
        }
        if !(1..=MOST_HORIZON).contains(&horizon) {
            return wrong("horizon", horizon.to_string(), format!("1 to {MOST_HORIZON}"));
        }
        if levels.len() > MOST_LEVELS {
            return wrong("quantiles", format!("{} levels", levels.len()), format!("at most {MOST_LEVELS}"));
        }
        if let Some(level) = levels.iter().find(|level| !(**level > 0.0 && **level < 1.0)) {
            return wrong("quantiles", level.to_string(), "more than 0 and less than 1".to_owned());
        }
        Ok(Self { short, long, horizon, levels: levels.to_vec() })
    }

    /// Of hourly values with a day and a week, without quantiles; `horizon` is kept within bounds.
    pub fn hourly(horizon: usize) -> Self {
        Self { short: 24, long: Some(168), horizon: horizon.clamp(1, MOST_HORIZON), levels: Vec::new() }
    }

    /// The short season, in steps.
    pub fn short(&self) -> usize {
        self.short
    }

    /// The long season, in steps, if there is one.
    pub fn long(&self) -> Option<usize> {
        self.long
    }

    /// Steps ahead.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Levels of the quantiles, in the order of the question.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(seasons: &[usize], horizon: usize, levels: &[f64]) -> String {
        Question::new(seasons, horizon, levels).expect_err("it is out of bounds").to_string()
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert!(Question::new(&[24, 168], 48, &[0.5, 0.05]).is_ok());
        assert_eq!(fault(&[], 1, &[]), "season: found 0 lengths, expected one or two");
        assert_eq!(fault(&[1], 1, &[]), "season: found 1, expected 2 to 8784");
        assert_eq!(fault(&[24, 24], 1, &[]), "season: found 24,24, expected a second one of at least 48");
        assert_eq!(fault(&[24], 0, &[]), "horizon: found 0, expected 1 to 10080");
        assert_eq!(fault(&[24], 1, &[1.0]), "quantiles: found 1, expected more than 0 and less than 1");
        assert_eq!(fault(&[24], 1, &[f64::NAN]), "quantiles: found NaN, expected more than 0 and less than 1");
        assert_eq!(fault(&[24], 1, &[0.5; 101]), "quantiles: found 101 levels, expected at most 100");
    }
}
