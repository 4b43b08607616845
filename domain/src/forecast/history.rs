//! What is known of the past: the last part of a series, at a size near 1, with gaps marked and filled.
//!
//! A gap is not a zero: it is filled with what the same phase of the neighbouring seasons had, so that models can run over it,
//! and it is never scored. What fills a gap may come from after it.

/// A series made ready.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// Values divided by `scale`, gaps filled.
    pub(super) values: Vec<f64>,
    /// Which of them were observed.
    pub(super) observed: Vec<bool>,
    /// A power of two, so that dividing and multiplying lose nothing.
    pub(super) scale: f64,
    /// How many were observed.
    pub(super) count: usize,
}

impl History {
    /// Takes the last `most` values; what is not finite is a gap, and gaps before the first observation are left out.
    pub(super) fn new(series: &[f64], season: usize, most: usize) -> Self {
        let recent = &series[series.len().saturating_sub(most)..];
        let first = recent.iter().position(|value| value.is_finite()).unwrap_or(recent.len());
        let recent = &recent[first..];
        let largest =
            recent.iter().filter(|value| value.is_finite()).fold(0.0, |most: f64, value| most.max(value.abs()));
        let scale = power_of_two(largest);
        let observed: Vec<bool> = recent.iter().map(|value| value.is_finite()).collect();
        let count = observed.iter().filter(|is| **is).count();
        let mut values: Vec<f64> = recent.iter().map(|value| value / scale).collect();
        if count < values.len() {
            fill(&mut values, &observed, season);
        }
        Self { values, observed, scale, count }
    }

    /// What no forecast is below: 0 if nothing was negative.
    pub(super) fn floor(&self) -> f64 {
        if self.values.iter().any(|value| *value < 0.0) { f64::MIN } else { 0.0 }
    }
}

/// The largest power of two that is not above `size`, at least the smallest normal number; 1 for 0.
fn power_of_two(size: f64) -> f64 {
    if size == 0.0 {
        return 1.0;
    }
    let exponent_bits = size.to_bits() & 0x7ff0_0000_0000_0000;
    f64::from_bits(exponent_bits).max(f64::MIN_POSITIVE)
}

/// Fills gaps from the same phase, before and after, in proportion to nearness; else from the nearest observations.
fn fill(values: &mut [f64], observed: &[bool], season: usize) {
    let length = values.len();
    let (before, after) = (nearest(observed, season, false), nearest(observed, season, true));
    let (just_before, just_after) = (nearest(observed, 1, false), nearest(observed, 1, true));
    for at in 0..length {
        if observed[at] {
            continue;
        }
        let pairs = [(before[at], after[at]), (just_before[at], just_after[at])];
        values[at] = match pairs.into_iter().find(|pair| *pair != (None, None)) {
            Some((Some(left), Some(right))) => {
                let part = (at - left) as f64 / (right - left) as f64;
                values[left] + part * (values[right] - values[left])
            }
            Some((Some(one), None) | (None, Some(one))) => values[one],
            _ => 0.0,
        };
    }
}

/// For each place the nearest observed one that is a whole number of `stride` away, on one side.
fn nearest(observed: &[bool], stride: usize, is_after: bool) -> Vec<Option<usize>> {
    let length = observed.len();
    let mut found = vec![None; length];
    for at in 0..length {
        let (at, neighbour) = if is_after {
            let at = length - 1 - at;
            (at, at.checked_add(stride).filter(|place| *place < length))
        } else {
            (at, at.checked_sub(stride))
        };
        found[at] = neighbour.and_then(|place| if observed[place] { Some(place) } else { found[place] });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: f64 = f64::NAN;

    #[test]
    fn a_gap_takes_what_the_same_phase_had() {
        // Phase 0 is 1 and 3, phase 1 is 10; the gap lies half-way, its fill too.
        let history = History::new(&[1.0, 10.0, GAP, 10.0, 3.0, GAP], 2, 100);
        let values: Vec<f64> = history.values.iter().map(|value| value * history.scale).collect();
        assert_eq!(values, [1.0, 10.0, 2.0, 10.0, 3.0, 10.0]);
        assert_eq!((history.scale, history.count), (8.0, 4));
    }

    #[test]
    fn a_gap_without_its_phase_takes_its_neighbours() {
        let history = History::new(&[GAP, 2.0, GAP, GAP, 5.0], 10, 100);
        let values: Vec<f64> = history.values.iter().map(|value| value * history.scale).collect();
        assert_eq!(values, [2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn only_the_last_part_is_kept() {
        assert_eq!(History::new(&[1.0, 2.0, 3.0], 2, 2).values.len(), 2);
        assert_eq!(History::new(&[GAP, f64::INFINITY], 2, 9).values.len(), 0);
        assert_eq!(History::new(&[], 2, 9).count, 0);
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(Vec::from([0.0, 1.0, 3.9, 0.3].map(power_of_two)), [1.0, 1.0, 2.0, 0.25]);
        assert_eq!(power_of_two(1e-320).to_bits(), f64::MIN_POSITIVE.to_bits());
        assert!((f64::MAX / power_of_two(f64::MAX) - 2.0).abs() < 1e-12);
    }
}
