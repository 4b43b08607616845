//! M8: who uses how much of what is fairly theirs; A11: who used much lately.

use crate::Millis;

/// One tenant's wish: its weight and its demand in slots (averages over a window).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// Relative weight, above 0.
    pub weight: f64,
    /// Slots it would use.
    pub demand: f64,
}

/// Fair shares in slots by water-filling: everyone gets in proportion to weight, no one more than
/// it asks for, and what is left over is shared again among the rest.
///
/// `capacity` in slots; returns one share per wish, each at most its demand, together at most the
/// capacity. Source: max-min fairness with weights (Bertsekas and Gallager, "Data Networks", 6.5.2).
pub fn fair_shares(capacity: f64, wishes: &[Wish]) -> Vec<f64> {
    let mut shares = vec![0.0; wishes.len()];
    let mut open: Vec<usize> =
        (0..wishes.len()).filter(|&i| wishes[i].weight > 0.0 && wishes[i].demand > 0.0).collect();
    let mut left = capacity.max(0.0);
    while !open.is_empty() && left > 0.0 {
        let weights: f64 = open.iter().map(|&i| wishes[i].weight).sum();
        let level = left / weights;
        let (full, rest): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|&&i| wishes[i].demand <= level * wishes[i].weight);
        if full.is_empty() {
            for &i in &rest {
                shares[i] = level * wishes[i].weight;
            }
            break;
        }
        for &i in &full {
            shares[i] = wishes[i].demand;
            left -= wishes[i].demand;
        }
        open = rest;
    }
    shares
}

/// Jain's index of fairness: `(sum x)^2 / (n sum x^2)` with `x` = use ÷ fair share of the tenants with demand.
///
/// 1 if all have the same multiple of their fair share, `1/n` if one has everything. `None` without anybody who used anything.
/// Source: Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination", DEC TR-301, 1984.
pub fn jain(of_fair_share: &[f64]) -> Option<f64> {
    // Scaled by the greatest, so that no square leaves the range of numbers.
    let greatest = of_fair_share.iter().copied().fold(0.0, f64::max);
    if greatest <= 0.0 || !greatest.is_finite() {
        return None;
    }
    let (sum, squares) = of_fair_share.iter().fold((0.0, 0.0), |(sum, squares), x| {
        let x = x / greatest;
        (sum + x, squares + x * x)
    });
    Some(sum * sum / (of_fair_share.len() as f64 * squares))
}

/// Usage that fades: every half-life halves what it was (A11).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Decayed {
    usage: f64,
    at_ms: Millis,
}

impl Decayed {
    /// A sample in any unit, at an instant not before the last: `u <- u * 2^(-dt / half_life) + sample`. A half-life is above 0.
    pub fn add(&mut self, at_ms: Millis, sample: f64, half_life_ms: Millis) {
        self.usage = self.at(at_ms, half_life_ms) + sample;
        self.at_ms = at_ms.max(self.at_ms);
    }

    /// The usage at an instant; one before the last sample counts as that.
    pub fn at(self, at_ms: Millis, half_life_ms: Millis) -> f64 {
        let halves = (at_ms - self.at_ms).max(0) as f64 / half_life_ms.max(1) as f64;
        self.usage * (-halves).exp2()
    }

    /// The same for each unit of weight, by which tenants compare: whoever has least comes first.
    pub fn by_weight(self, at_ms: Millis, half_life_ms: Millis, weight: i32) -> f64 {
        self.at(at_ms, half_life_ms) / f64::from(weight.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_one_leaves_is_shared_by_the_others() {
        let wish = |demand| Wish { weight: 1.0, demand };
        assert_eq!(fair_shares(90.0, &[wish(10.0), wish(100.0), wish(100.0)]), [10.0, 40.0, 40.0]);
        assert_eq!(fair_shares(90.0, &[]), Vec::<f64>::new());
    }

    #[test]
    fn the_index_is_one_for_equals_and_one_of_n_for_a_monopoly() {
        for (x, expected) in [
            (vec![], None),
            (vec![0.0, 0.0], None),
            (vec![0.7], Some(1.0)),
            (vec![1.3, 1.3, 1.3], Some(1.0)),
            (vec![4.0, 0.0, 0.0, 0.0], Some(0.25)),
            (vec![1.0, 2.0, 3.0], Some(36.0 / 42.0)),
            (vec![1e200, 1e200], Some(1.0)),
        ] {
            let found = jain(&x);
            assert!(
                found.zip(expected).map_or(found == expected, |(found, expected)| (found - expected).abs() < 1e-12),
                "{x:?}: {found:?}"
            );
        }
    }

    #[test]
    fn usage_halves_with_every_half_life() {
        let mut usage = Decayed::default();
        usage.add(0, 8.0, 1_000);
        let same =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        for (at, expected) in [(0, 8.0), (1_000, 4.0), (3_000, 1.0)] {
            same(usage.at(at, 1_000), expected);
        }
        usage.add(1_000, 1.0, 1_000);
        same(usage.at(2_000, 1_000), 2.5);
        same(usage.by_weight(2_000, 1_000, 5), 0.5);
        // Not before its last sample.
        same(usage.at(500, 1_000), 5.0);
    }

    proptest! {
        #[test]
        fn the_index_lies_between_one_of_n_and_one_whatever_the_unit(
            x in prop::collection::vec(0.0_f64..1e6, 1..30),
            unit in 1e-3_f64..1e3,
        ) {
            let Some(index) = jain(&x) else { return Ok(()) };
            prop_assert!(index >= 1.0 / x.len() as f64 - 1e-9 && index <= 1.0 + 1e-9);
            let scaled: Vec<f64> = x.iter().map(|x| x * unit).collect();
            prop_assert!((jain(&scaled).unwrap_or_default() - index).abs() < 1e-9);
        }

        #[test]
        fn faded_usage_is_the_sum_of_faded_samples(
            samples in prop::collection::vec((0_i64..10_000, 0.0_f64..1e3), 1..40),
            half_life in 100_i64..100_000,
        ) {
            let (mut usage, mut now) = (Decayed::default(), 0);
            let mut at = Vec::new();
            for (dt, sample) in samples {
                now += dt;
                usage.add(now, sample, half_life);
                at.push((now, sample));
            }
            let sum: f64 = at.iter().map(|(at, sample)| sample * (-((now - at) as f64) / half_life as f64).exp2()).sum();
            prop_assert!((usage.at(now, half_life) - sum).abs() <= 1e-9 * (1.0 + sum));
        }

        #[test]
        fn shares_never_exceed_demand_or_capacity(capacity in 0.0_f64..1e6, wishes in prop::collection::vec((0.1_f64..10.0, 0.0_f64..1e6), 0..20)) {
            let wishes: Vec<Wish> = wishes.into_iter().map(|(weight, demand)| Wish { weight, demand }).collect();
            let shares = fair_shares(capacity, &wishes);
            prop_assert!(shares.iter().sum::<f64>() <= capacity * 1.000_001 + 1e-6);
            for (share, wish) in shares.iter().zip(&wishes) {
                prop_assert!(*share <= wish.demand);
            }
        }
    }
}
