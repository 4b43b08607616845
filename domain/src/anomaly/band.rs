//! The static band: what a threshold set once by looking at the beginning of a series is worth. The baseline of the detector.

/// Part of a series that is only learnt from, in hundredths, as in the Numenta Anomaly Benchmark.
const PROBATION_PERCENT: usize = 15;
/// And never more observations of it.
const PROBATION_MOST: usize = 750;

/// Observations at the beginning of a series of some length that are only learnt from.
pub fn probation(length: usize) -> usize {
    (length.saturating_mul(PROBATION_PERCENT) / 100).min(PROBATION_MOST)
}

/// The values between the least and the most that was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    least: f64,
    most: f64,
}

impl Band {
    /// The band of some values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        Some(Self { least, most })
    }

    /// True if a value lies in it.
    pub fn has(self, value: f64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_bounded() {
        for (length, expected) in [(0, 0), (6, 0), (7, 1), (100, 15), (4_032, 604), (5_000, 750), (22_000, 750)] {
            assert_eq!(probation(length), expected, "{length}");
        }
    }

    #[test]
    fn a_band_has_its_ends() {
        let band = Band::of(&[2.0, -1.0, 0.5]).expect("values");
        for (value, inside) in [(-1.0, true), (2.0, true), (0.0, true), (-1.1, false), (2.1, false), (f64::NAN, false)]
        {
            assert_eq!(band.has(value), inside, "{value}");
        }
        assert_eq!(Band::of(&[]), None);
    }
}
