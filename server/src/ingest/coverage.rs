//! Which stretches of time a pool's samples cover: no instant may be covered twice.

use headroom_domain::Millis;

/// Disjoint stretches in order; neighbours that touch are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    runs: Vec<(Millis, Millis)>,
}

impl Coverage {
    /// Covers `[from, to)`. If some of it is covered already: that stretch, and nothing changes.
    pub fn add(&mut self, from: Millis, to: Millis) -> Result<(), (Millis, Millis)> {
        // Samples nearly always come in order of time and without gaps.
        if let Some(last) = self.runs.last_mut()
            && last.1 == from
        {
            last.1 = to;
            return Ok(());
        }
        let at = self.runs.partition_point(|run| run.1 <= from);
        if let Some(run) = self.runs.get(at)
            && run.0 < to
        {
            return Err(*run);
        }
        let touches_before = at > 0 && self.runs[at - 1].1 == from;
        let touches_after = self.runs.get(at).is_some_and(|run| run.0 == to);
        match (touches_before, touches_after) {
            (true, true) => {
                self.runs[at - 1].1 = self.runs[at].1;
                self.runs.remove(at);
            }
            (true, false) => self.runs[at - 1].1 = to,
            (false, true) => self.runs[at].0 = from,
            (false, false) => self.runs.insert(at, (from, to)),
        }
        Ok(())
    }

    /// Stretches held.
    pub fn runs(&self) -> &[(Millis, Millis)] {
        &self.runs
    }

    /// First instant covered and first instant after the last one.
    pub fn span(&self) -> Option<(Millis, Millis)> {
        Some((self.runs.first()?.0, self.runs.last()?.1))
    }

    /// Milliseconds covered within `[from, to)`.
    pub fn within(&self, from: Millis, to: Millis) -> Millis {
        let first = self.runs.partition_point(|run| run.1 <= from);
        self.runs[first..].iter().take_while(|run| run.0 < to).map(|run| run.1.min(to) - run.0.max(from)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stretches_that_touch_become_one() {
        let mut coverage = Coverage::default();
        for (from, to) in [(0, 10), (20, 30), (10, 20), (40, 50)] {
            coverage.add(from, to).expect("free");
        }
        assert_eq!(coverage.runs(), [(0, 30), (40, 50)]);
        assert_eq!(coverage.add(29, 31), Err((0, 30)));
        assert_eq!(coverage.add(35, 41), Err((40, 50)));
        assert_eq!((coverage.span(), coverage.within(25, 45)), (Some((0, 50)), 10));
    }

    proptest! {
        #[test]
        fn as_a_set_of_instants_would(stretches in prop::collection::vec((0_i64..60, 1_i64..8), 0..40)) {
            let mut coverage = Coverage::default();
            let mut set = std::collections::BTreeSet::new();
            for (from, length) in stretches {
                let free = (from..from + length).all(|at| !set.contains(&at));
                prop_assert_eq!(coverage.add(from, from + length).is_ok(), free);
                if free {
                    set.extend(from..from + length);
                }
            }
            prop_assert_eq!(coverage.within(0, 100) as usize, set.len());
            prop_assert!(coverage.runs().windows(2).all(|w| w[0].1 < w[1].0));
        }
    }
}
