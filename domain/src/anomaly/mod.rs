//! Whether a series of values behaves as it never did before: an anomaly detector for values of which nobody knows the bounds.
//!
//! It learns while it runs, from the past only, and has three parts:
//!
//! 1. [`novelty`]: how far the latest values are from everything that the series did before, as a rank among such distances of
//!    the past (a conformal p-value), so that it needs no scale, no season and no distribution;
//! 2. [`Evidence`]: the sum of what is more surprising than usual (a CUSUM of `-ln p`), so that one strange value among many
//!    says little and several after each other say much;
//! 3. [`gate`]: the burn-rate rule that an alert needs, the same judgement as for every other indicator. A detector alone wakes
//!    nobody.
//!
//! [`band`] is the static band that the detector must beat, [`labelled`] how both are judged on series whose anomalies are known.

pub mod band;
pub mod gate;
pub mod labelled;
pub mod novelty;

pub use novelty::{MEMORY, NotFinite};
use novelty::{Novelty, most_surprise};

/// Surprise that leaves the evidence where it is, in nats: a distance that one of twenty exceeds (`e^-3` = 5 %). In a series that
/// only repeats itself surprise is 1 on average, so evidence falls.
pub const DRIFT: f64 = 3.0;
/// Longest pattern, in observations.
pub const MOST_PATTERN: usize = 288;

/// What is chosen about a detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pattern: usize,
    threshold: f64,
}

impl Settings {
    /// A detector of patterns of so many observations (1 to [`MOST_PATTERN`]) that calls a series anomalous above so much
    /// evidence (nats, more than 0); `None` out of range.
    pub fn new(pattern: usize, threshold: f64) -> Option<Self> {
        let ok = (1..=MOST_PATTERN).contains(&pattern) && threshold.is_finite() && threshold > 0.0;
        ok.then_some(Self { pattern, threshold })
    }

    /// Observations that are compared at once.
    pub const fn pattern(self) -> usize {
        self.pattern
    }

    /// Evidence above which a series is anomalous, in nats.
    pub const fn threshold(self) -> f64 {
        self.threshold
    }
}

impl Default for Settings {
    /// What had the best F1 on 18 labelled series of the Numenta Anomaly Benchmark (17 of cloud servers, one of taxis).
    /// The parts, [`MEMORY`] and [`DRIFT`] were settled looking at the same series, so figures on those flatter it somewhat.
    fn default() -> Self {
        Self { pattern: 32, threshold: 48.0 }
    }
}

/// How much has been more surprising than usual lately: Page's cumulative sum ("Continuous inspection schemes", Biometrika 1954)
/// `S = max(0, S + surprise - DRIFT)`. It stops growing at the threshold and the greatest surprise that there is, so that it
/// falls back below the threshold within three observations of nothing special, however long the anomaly was.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    threshold: f64,
    sum: f64,
}

impl Evidence {
    /// None yet; the threshold in nats.
    pub const fn new(threshold: f64) -> Self {
        Self { threshold, sum: 0.0 }
    }

    /// Takes up the surprise of one more observation, in nats. True if there is more than the threshold.
    pub fn add(&mut self, surprise: f64) -> bool {
        self.sum = (self.sum + surprise - DRIFT).clamp(0.0, self.threshold + most_surprise());
        self.sum > self.threshold
    }
}

/// What a detector says of an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// How surprising the latest observations are, in nats; 0 while there is nothing to compare them with.
    pub surprise: f64,
    /// Evidence collected, in nats.
    pub evidence: f64,
    /// True if that is more than the threshold: a bad slice for [`gate`].
    pub anomalous: bool,
}

/// Watches one series. Memory is bounded (some 150 kB), and so is the time for an observation ([`MEMORY`] patterns are looked at).
///
/// Works on the order of observations, not on their times: what was not seen is left out, and a series may be irregular. The
/// unit, the scale, the zero and the sign of the values do not matter.
#[derive(Debug, Clone)]
pub struct Detector {
    novelty: Novelty,
    evidence: Evidence,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self { novelty: Novelty::new(settings.pattern), evidence: Evidence::new(settings.threshold) }
    }

    /// Takes up the next value of the series.
    ///
    /// # Errors
    /// If it is not a finite number; then nothing changes.
    pub fn observe(&mut self, value: f64) -> Result<Said, NotFinite> {
        let surprise = self.novelty.observe(value)?;
        let anomalous = self.evidence.add(surprise);
        Ok(Said { surprise, evidence: self.evidence.sum, anomalous })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> Settings {
        Settings::new(8, 12.0).expect("in range")
    }

    fn watch(settings: Settings, values: &[f64]) -> Vec<Said> {
        let mut detector = Detector::new(settings);
        values.iter().map(|value| detector.observe(*value).expect("finite")).collect()
    }

    /// Numbers that look like chance, and are the same every time: the high bits of a linear congruence (Knuth's MMIX).
    fn noise(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24)
        })
    }

    /// Days of 96 values with some noise.
    fn daily(at: usize, noise: f64) -> f64 {
        (at as f64 / 96.0 * std::f64::consts::TAU).sin().mul_add(100.0, 10.0 * noise)
    }

    #[test]
    fn settings_have_bounds() {
        for (pattern, threshold, ok) in [
            (0, 1.0, false),
            (1, 0.1, true),
            (MOST_PATTERN, 1_000.0, true),
            (MOST_PATTERN + 1, 1.0, false),
            (8, 0.0, false),
            (8, -1.0, false),
            (8, f64::NAN, false),
            (8, f64::INFINITY, false),
        ] {
            assert_eq!(Settings::new(pattern, threshold).is_some(), ok, "{pattern} {threshold}");
        }
        let shipped = Settings::default();
        assert_eq!(Settings::new(shipped.pattern(), shipped.threshold()), Some(shipped));
    }

    #[test]
    fn evidence_adds_up_and_is_forgotten() {
        let mut evidence = Evidence::new(10.0);
        let said: Vec<bool> = [8.0, 8.0, 8.0, 0.0, 3.0, 0.0, 0.0].into_iter().map(|s| evidence.add(s)).collect();
        // 5, 10 (not more than 10), 15, 12, 12, 9, 6
        assert_eq!(said, [false, false, true, true, true, false, false]);
        for _ in 0..1_000 {
            evidence.add(most_surprise());
        }
        let after = (0..10).take_while(|_| evidence.add(0.0)).count();
        assert_eq!(after, 2, "however long it lasted");
    }

    #[test]
    fn what_is_new_is_noticed_and_what_is_known_is_not() {
        // Where the first change lies, and how many observations later it must be noticed and be over, if at all.
        let start = 960;
        let cases: [(&str, fn(usize, f64) -> f64, bool); 9] = [
            ("constant", |_, _| 5.0, false),
            ("zero", |_, _| 0.0, false),
            ("noise", |_, noise| noise, false),
            ("days", daily, false),
            ("two values", |at, _| if at % 7 < 3 { 1.0 } else { 2.0 }, false),
            ("a step of a constant", |at, _| if at < 960 { -5.0 } else { -4.0 }, true),
            ("a step", |at, noise| if at < 960 { noise } else { noise + 3.0 }, true),
            (
                "a day of another size",
                |at, noise| if at < 960 { daily(at, noise) } else { 3.0 * daily(at, noise) },
                true,
            ),
            ("noise of another size", |at, noise| if at < 960 { noise } else { 4.0 * (noise - 0.5) }, true),
        ];
        for (name, value, noticed) in cases {
            let values: Vec<f64> = noise(7).take(1_440).enumerate().map(|(at, noise)| value(at, noise)).collect();
            let anomalous: Vec<usize> = watch(settings(), &values)
                .iter()
                .enumerate()
                .filter(|(_, said)| said.anomalous)
                .map(|(at, _)| at)
                .collect();
            assert_eq!(anomalous.iter().find(|at| **at < start), None, "{name}: before");
            let first = anomalous.first().copied();
            assert_eq!(first.is_some_and(|at| at < start + 96), noticed, "{name}: first at {first:?}");
            let last = anomalous.last().copied();
            assert!(last.is_none_or(|at| at < start + 300), "{name}: still at {last:?}, what lasts becomes usual");
        }
    }

    #[test]
    fn chance_alone_is_rarely_called_an_anomaly() {
        let mut alarms = 0;
        for seed in 0..5 {
            let values: Vec<f64> = noise(seed).take(4_000).collect();
            let said = watch(Settings::default(), &values);
            alarms += said.windows(2).filter(|pair| !pair[0].anomalous && pair[1].anomalous).count();
        }
        assert!(alarms <= 2, "{alarms} alarms in 20,000 values of pure chance");
    }

    #[test]
    fn what_is_no_number_is_refused_and_changes_nothing() {
        let mut values: Vec<f64> = noise(3).take(200).collect();
        values.push(9.0);
        let expected = watch(settings(), &values);
        let mut detector = Detector::new(settings());
        let mut found = Vec::new();
        for value in values {
            for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(detector.observe(wrong), Err(NotFinite));
            }
            found.push(detector.observe(value).expect("finite"));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn the_largest_and_smallest_numbers_are_only_numbers() {
        for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0, 5e-324] {
            let mut detector = Detector::new(settings());
            for at in 0..200 {
                let said = detector.observe(if at % 2 == 0 { value } else { -value }).expect("finite");
                assert!(said.surprise.is_finite() && said.evidence.is_finite(), "{value} {said:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_same_values_say_the_same_and_the_future_does_not_matter(
            values in prop::collection::vec(-1_000..1_000_i32, 0..400),
            cut in 0..400_usize,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let all = watch(settings(), &values);
            let cut = cut.min(values.len());
            prop_assert_eq!(&watch(settings(), &values[..cut])[..], &all[..cut]);
        }

        #[test]
        fn unit_zero_and_sign_do_not_matter(
            values in prop::collection::vec(-1_000..1_000_i32, 0..400),
            power in -20..20_i32,
            shift in -1_000_000..1_000_000_i32,
            turned: bool,
        ) {
            // Whole numbers and powers of two, so that nothing is rounded and equality is exact.
            let scale = 2_f64.powi(power) * if turned { -1.0 } else { 1.0 };
            let moved: Vec<f64> = values.iter().map(|value| f64::from(value + shift) * scale).collect();
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            prop_assert_eq!(watch(settings(), &moved), watch(settings(), &values));
        }
    }
}
