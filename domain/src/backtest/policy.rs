//! Capacities by minute that policies would have provided, each from what could be known at the time.

use std::collections::VecDeque;

/// Minutes until a decision is in effect.
pub const LEAD_MINUTES: usize = 10;
/// A capacity shrinks only to the most that was desired within so many minutes.
pub const HOLD_MINUTES: usize = 15;
/// Minutes of the past whose peak a static capacity is.
pub const PEAK_MINUTES: usize = 14 * 24 * 60;
/// Target utilisation of the reference.
pub const REFERENCE_UTILISATION: f64 = 0.75;

/// Follows the demand: every minute demand / `utilisation` is desired, grown to after [`LEAD_MINUTES`], shrunk to with
/// [`HOLD_MINUTES`] of patience. An unknown demand desires what the last known one did.
pub fn reactive(demand: &[f64], utilisation: f64) -> Vec<f64> {
    let mut capacity = vec![1.0; demand.len()];
    // Places and values of what was desired, falling: the first is the most of the window.
    let mut window: VecDeque<(usize, f64)> = VecDeque::new();
    let mut desired = 1.0;
    for (minute, wanted) in demand.iter().enumerate() {
        if !wanted.is_nan() {
            desired = (wanted / utilisation).ceil().max(1.0);
        }
        while window.back().is_some_and(|(_, value)| *value <= desired) {
            window.pop_back();
        }
        window.push_back((minute, desired));
        while window.front().is_some_and(|(place, _)| place + HOLD_MINUTES <= minute) {
            window.pop_front();
        }
        if let (Some(later), Some((_, most))) = (capacity.get_mut(minute + LEAD_MINUTES), window.front()) {
            *later = *most;
        }
    }
    capacity
}

/// The peak of the last [`PEAK_MINUTES`], set anew after as many; before that, of what there was.
pub(super) fn static_peak(demand: &[f64]) -> Vec<f64> {
    let mut capacity = Vec::with_capacity(demand.len());
    let mut peak: f64 = 1.0;
    for window in demand.chunks(PEAK_MINUTES) {
        capacity.resize(capacity.len() + window.len(), peak);
        peak = window.iter().copied().filter(|value| !value.is_nan()).fold(1.0, f64::max).ceil();
    }
    capacity
}

/// The greater of two, minute by minute.
pub(super) fn greater(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one.max(*other)).collect()
}

/// A value for each hour as whole slots by minute, at least 1; NaN is 1.
pub(super) fn by_minute(hours: &[f64], minutes: usize) -> Vec<f64> {
    (0..minutes).map(|minute| hours.get(minute / 60).copied().unwrap_or(1.0).ceil().max(1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_takes_the_lead_and_shrinking_the_hold() {
        let mut demand = vec![3.0; 60];
        demand[20] = 6.0;
        let capacity = reactive(&demand, 0.75);
        // 3 / 0.75 = 4, from minute 10 on; 6 / 0.75 = 8 from minute 30, for 15 minutes.
        assert_eq!((capacity[9], capacity[10], capacity[29]), (1.0, 4.0, 4.0));
        assert_eq!((capacity[30], capacity[44], capacity[45]), (8.0, 8.0, 4.0));
    }

    #[test]
    fn what_is_unknown_changes_nothing() {
        let mut demand = vec![3.0; 60];
        demand[20..40].fill(f64::NAN);
        assert!(reactive(&demand, 1.0)[10..].iter().all(|capacity| (*capacity - 3.0).abs() < 1e-12));
    }

    #[test]
    fn a_peak_is_known_afterwards() {
        let mut demand = vec![2.0; 3 * PEAK_MINUTES];
        demand[5] = 9.5;
        let capacity = static_peak(&demand);
        assert_eq!(Vec::from([0, PEAK_MINUTES, 2 * PEAK_MINUTES].map(|at| capacity[at])), [1.0, 10.0, 2.0]);
    }

    #[test]
    fn hours_become_whole_slots() {
        assert_eq!(
            by_minute(&[1.2, f64::NAN], 121),
            [[2.0; 60], [1.0; 60]].concat().into_iter().chain([1.0]).collect::<Vec<_>>()
        );
    }
}
