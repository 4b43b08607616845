//! How new the latest values of a series are.
//!
//! The latest `pattern` observations are compared with every such stretch of the past that does not overlap them; the distance to
//! the nearest one says how far the series is from anything that it did before (the discord of Keogh, Lin and Fu: "HOT SAX:
//! efficiently finding the most unusual time series subsequence", ICDM 2005). Seasons need not be told: yesterday's rush hour is
//! near to today's. Distances are sums of absolute differences: without squares nothing overflows early, and a single spike does
//! not outweigh everything.
//!
//! What a distance means is told by distances of the past: `p = (distances at least as large + 1) / (distances + 1)`, a conformal
//! p-value (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; with nearest neighbours on lagged values:
//! Burnaev and Ishimtsev, "Conformalized density- and distance-based anomaly detection in time-series data", 2016). Were the past
//! and the present interchangeable, `p <= x` would happen with probability `x` at most, whatever the values are. Surprise is
//! `-ln p`, in nats.

use std::collections::VecDeque;
use thiserror::Error;

/// Observations back to which the past is remembered: two weeks of five minutes.
pub const MEMORY: usize = 4_032;

/// Values that are compared before a sum is looked at: whole registers at once.
const AT_ONCE: usize = 8;

/// The value is not a finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a finite number")]
pub struct NotFinite;

/// The greatest surprise that there is, in nats: more than all that is remembered.
pub fn most_surprise() -> f64 {
    ((MEMORY + 1) as f64).ln()
}

/// What is remembered of a series.
#[derive(Debug, Clone)]
pub struct Novelty {
    pattern: usize,
    /// The latest values, the oldest first: never fewer than are needed, and at most twice as many, so that dropping the oldest
    /// costs little on average.
    values: Vec<f64>,
    /// End of the stretch that was nearest to the observation before: its successor is probably near to the next one, and a near
    /// one found early spares sums.
    nearest: Option<usize>,
    distances: Ranks,
}

impl Novelty {
    /// Nothing yet, for patterns of so many observations.
    pub fn new(pattern: usize) -> Self {
        Self { pattern: pattern.max(1), values: Vec::new(), nearest: None, distances: Ranks::default() }
    }

    /// Takes up the next value; how surprising the latest ones are, in nats from 0 to [`most_surprise`].
    ///
    /// # Errors
    /// If it is not a finite number; then nothing changes.
    pub fn observe(&mut self, value: f64) -> Result<f64, NotFinite> {
        if !value.is_finite() {
            return Err(NotFinite);
        }
        let needed = MEMORY + self.pattern;
        if self.values.len() == 2 * needed {
            self.values.drain(..needed);
            self.nearest = self.nearest.and_then(|end| end.checked_sub(needed));
        }
        self.values.push(value);
        let Some(distance) = self.distance() else { return Ok(0.0) };
        let p = (self.distances.at_least(distance) + 1) as f64 / (self.distances.len() + 1) as f64;
        self.distances.push(distance);
        Ok(-p.ln())
    }

    /// From the latest values to the nearest stretch of the past; `None` while there is none.
    fn distance(&mut self) -> Option<f64> {
        let Self { pattern, values, .. } = self;
        let pattern = *pattern;
        let ending = |end: usize| &values[end + 1 - pattern..=end];
        let last = values.len() - 1;
        let until = last.checked_sub(pattern)?;
        let from = last.saturating_sub(MEMORY).max(pattern - 1);
        if from > until {
            return None;
        }
        let latest = ending(last);
        let (mut least, mut nearest) = (f64::INFINITY, None);
        let likely = self.nearest.map(|end| end + 1).filter(|end| (from..=until).contains(end));
        for end in likely.into_iter().chain(from..=until) {
            let distance = distance(latest, ending(end), least);
            if distance < least {
                (least, nearest) = (distance, Some(end));
                if least == 0.0 {
                    break;
                }
            }
        }
        self.nearest = nearest;
        Some(least)
    }
}

/// Sum of absolute differences of stretches of the same length; anything from `enough` on if it is not less.
fn distance(a: &[f64], b: &[f64], enough: f64) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.chunks(AT_ONCE).zip(b.chunks(AT_ONCE)) {
        sum += a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>();
        if sum >= enough {
            break;
        }
    }
    sum
}

/// The latest [`MEMORY`] numbers, in their order and by size. None of them is NaN.
#[derive(Debug, Clone, Default)]
struct Ranks {
    latest: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Ranks {
    fn len(&self) -> usize {
        self.sorted.len()
    }

    fn below(&self, number: f64) -> usize {
        self.sorted.partition_point(|other| *other < number)
    }

    fn at_least(&self, number: f64) -> usize {
        self.len() - self.below(number)
    }

    fn push(&mut self, number: f64) {
        if self.latest.len() == MEMORY
            && let Some(oldest) = self.latest.pop_front()
        {
            self.sorted.remove(self.below(oldest));
        }
        self.latest.push_back(number);
        self.sorted.insert(self.below(number), number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by the definition: every stretch, whole sums, ranks by counting.
    fn by_definition(pattern: usize, values: &[f64]) -> Vec<f64> {
        let mut distances: Vec<f64> = Vec::new();
        let mut all = Vec::new();
        for last in 0..values.len() {
            let nearest = (pattern - 1..=last.saturating_sub(pattern))
                .filter(|end| end + pattern <= last && end + MEMORY >= last)
                .map(|end| (0..pattern).map(|back| (values[last - back] - values[end - back]).abs()).sum::<f64>())
                .reduce(f64::min);
            all.push(nearest.map_or(0.0, |distance| {
                let remembered = &distances[distances.len().saturating_sub(MEMORY)..];
                let larger = remembered.iter().filter(|other| **other >= distance).count();
                let p = (larger + 1) as f64 / (remembered.len() + 1) as f64;
                distances.push(distance);
                -p.ln()
            }));
        }
        all
    }

    #[test]
    fn it_is_what_its_definition_says_also_when_the_oldest_is_forgotten() {
        // Whole numbers, so that sums are exact in any order.
        let values: Vec<f64> = (0..2 * MEMORY + 600_usize).map(|at| ((at * at) % 1_009 + at % 13) as f64).collect();
        for pattern in [1, 3, 8, 20] {
            let mut novelty = Novelty::new(pattern);
            let found: Vec<f64> = values.iter().map(|value| novelty.observe(*value).expect("finite")).collect();
            assert_eq!(found, by_definition(pattern, &values), "pattern of {pattern}");
        }
    }

    #[test]
    fn surprise_by_hand() {
        // Patterns of two: nothing to compare with before the fourth value.
        // Distances: (3,4) to (1,2) = 4; (4,1) to the nearest of (1,2), (2,3) = 4; (1,9) to (1,2), (2,3), (3,4) = 7.
        let mut novelty = Novelty::new(2);
        let found: Vec<f64> =
            [1.0, 2.0, 3.0, 4.0, 1.0, 9.0].map(|value| novelty.observe(value).expect("finite")).into();
        let p: Vec<f64> = found.iter().map(|surprise| (-surprise).exp()).collect();
        let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0 / 3.0];
        assert!(p.iter().zip(expected).all(|(p, expected)| (p - expected).abs() < 1e-12), "{p:?}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut novelty = Novelty::new(4);
        for at in 0..5 * MEMORY {
            novelty.observe((at % 97) as f64).expect("finite");
            assert!(novelty.values.len() <= 2 * (MEMORY + 4));
        }
        assert_eq!((novelty.distances.len(), novelty.distances.latest.len()), (MEMORY, MEMORY));
        assert!(novelty.values.capacity() <= 4 * (MEMORY + 4));
    }

    #[test]
    fn the_greatest_surprise_is_reached_and_not_exceeded() {
        let mut novelty = Novelty::new(1);
        for _ in 0..2 * MEMORY {
            assert_eq!(novelty.observe(1.0), Ok(0.0));
        }
        let surprise = novelty.observe(2.0).expect("finite");
        assert!((surprise - most_surprise()).abs() < 1e-12, "{surprise}");
        assert!((8.3..8.31).contains(&surprise));
    }
}
