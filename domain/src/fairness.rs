//! M8: who uses how much of what is fairly theirs.

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

    proptest! {
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
