//! Labels side by side: none on another, none gone without need.

use super::text::{Box2, Label};

/// Keeps the labels placed so far; a label that would cover one of them, or leave the drawing, is refused.
#[derive(Debug)]
pub(super) struct Labels {
    whole: Box2,
    placed: Vec<Label>,
    taken: Vec<Box2>,
}

impl Labels {
    /// None yet, on a drawing of a size in CSS pixels.
    pub(super) fn on((width, height): (i32, i32)) -> Self {
        let whole = Box2 { left: 0.0, top: 0.0, right: f64::from(width), bottom: f64::from(height) };
        Self { whole, placed: Vec::new(), taken: Vec::new() }
    }

    /// Whether a box is free, with `gap` CSS pixels to spare at both sides.
    fn free(&self, wanted: &Box2, gap: f64) -> bool {
        if wanted.left < self.whole.left || wanted.right > self.whole.right {
            return false;
        }
        let wanted = Box2 { left: wanted.left - gap, right: wanted.right + gap, ..*wanted };
        !self.taken.iter().any(|t| t.overlaps(&wanted))
    }

    /// Places a label if its box is free.
    pub(super) fn place(&mut self, label: Label, gap: f64) -> bool {
        let bounds = label.bounds();
        let free = !label.text.is_empty() && self.free(&bounds, gap);
        if free {
            self.taken.push(bounds);
            self.placed.push(label);
        }
        free
    }

    /// Keeps a box free of text.
    pub(super) fn reserve(&mut self, taken: Box2) {
        self.taken.push(taken);
    }

    pub(super) fn placed(&self) -> &[Label] {
        &self.placed
    }
}

/// Moves wanted heights apart until neighbours are `gap` from each other, within `[top, bottom]`, changing as little
/// as possible and never their order. Those that do not fit are dropped from the end of `wanted`, so that comes last
/// what matters least. Returns one height per wanted one.
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<Option<f64>> {
    let room = if bottom < top { 0 } else { ((bottom - top) / gap).floor() as usize + 1 };
    let kept = wanted.len().min(room);
    let mut order: Vec<usize> = (0..kept).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]).then(a.cmp(b)));
    // Runs of labels that touch: each moves as one, centred on the mean of what its labels wanted.
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let start = |run: &[usize]| {
        let mean = run.iter().enumerate().map(|(i, at)| wanted[*at] - i as f64 * gap).sum::<f64>() / run.len() as f64;
        mean.clamp(top, (bottom - (run.len() - 1) as f64 * gap).max(top))
    };
    for at in order {
        let mut run = vec![at];
        while let Some(above) = runs.last() {
            if start(above) + above.len() as f64 * gap <= start(&run) {
                break;
            }
            let mut merged = runs.pop().expect("just seen");
            merged.append(&mut run);
            run = merged;
        }
        runs.push(run);
    }
    let mut heights = vec![None; wanted.len()];
    for run in &runs {
        let first = start(run);
        for (i, at) in run.iter().enumerate() {
            heights[*at] = Some(first + i as f64 * gap);
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_that_do_not_touch_stay() {
        assert_eq!(spread(&[50.0, 10.0], 15.0, 0.0, 100.0), [Some(50.0), Some(10.0)]);
    }

    #[test]
    fn labels_that_touch_move_apart_evenly() {
        assert_eq!(spread(&[50.0, 51.0], 15.0, 0.0, 100.0), [Some(43.0), Some(58.0)]);
        assert_eq!(spread(&[0.0, 0.0, 0.0], 15.0, 0.0, 20.0), [Some(0.0), Some(15.0), None]);
    }

    proptest! {
        #[test]
        fn what_is_placed_is_apart_and_inside(wanted in prop::collection::vec(-50.0_f64..250.0, 0..12), height in 0.0_f64..200.0) {
            let mut placed: Vec<f64> = spread(&wanted, 15.0, 0.0, height).into_iter().flatten().collect();
            placed.sort_by(f64::total_cmp);
            prop_assert_eq!(placed.len(), wanted.len().min((height / 15.0).floor() as usize + 1));
            for pair in placed.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 15.0 - 1e-9);
            }
            for y in placed {
                prop_assert!((-1e-9..=height + 1e-9).contains(&y));
            }
        }
    }
}
