//! Fewer points, same peaks.

use super::spec::Point;
use headroom_domain::Millis;

/// At most `most` points that keep the least and the greatest value of every stretch they stand for, so that a peak
/// of one minute is seen in a chart of a year. Up to `most` points are returned as they are.
///
/// Equal columns of time; of each, the points with its least and its greatest value stay, with the column's envelope.
/// A column in which nothing was observed stays as one missing point.
pub(super) fn reduce(points: &[Point], from: Millis, to: Millis, most: usize) -> Vec<Point> {
    if points.len() <= most || to <= from {
        return points.to_vec();
    }
    let columns = (most / 2).max(1);
    let column_of = |p: &Point| {
        let share = (p.from_ms - from) as f64 / (to - from) as f64;
        ((share * columns as f64) as usize).min(columns - 1)
    };
    let mut kept = Vec::with_capacity(most);
    for column in points.chunk_by(|a, b| column_of(a) == column_of(b)) {
        let observed = || column.iter().filter_map(|p| p.value.map(|v| (v, p)));
        let least = observed().min_by(|a, b| a.0.total_cmp(&b.0));
        let greatest = observed().max_by(|a, b| a.0.total_cmp(&b.0));
        let low = column.iter().filter_map(|p| p.low).reduce(f64::min);
        let high = column.iter().filter_map(|p| p.high).reduce(f64::max);
        match (least, greatest) {
            (Some((_, a)), Some((_, b))) => {
                let (first, second) = if a.from_ms <= b.from_ms { (a, b) } else { (b, a) };
                kept.push(Point { low, high, ..*first });
                if second.from_ms != first.from_ms {
                    kept.push(Point { low, high, ..*second });
                }
            }
            _ => kept.push(Point { to_ms: column[column.len() - 1].to_ms, ..column[0] }),
        }
    }
    // A kept point now stands for its neighbours too, up to the next one; a longer silence stays a gap.
    let near = 2 * (to - from) / columns as i64;
    for i in 1..kept.len() {
        let next = kept[i].from_ms;
        if next - kept[i - 1].to_ms <= near {
            kept[i - 1].to_ms = next;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(i: i64, value: Option<f64>) -> Point {
        Point { from_ms: i * 60_000, to_ms: (i + 1) * 60_000, value, low: value, high: value, incomplete: false }
    }

    #[test]
    fn a_single_minute_survives_a_year() {
        let n = 100_000;
        let points: Vec<Point> = (0..n).map(|i| point(i, Some(if i == 54_321 { 0.99 } else { 0.5 }))).collect();
        let kept = reduce(&points, 0, n * 60_000, 720);
        assert!(kept.len() <= 720);
        assert!(kept.iter().any(|p| p.value == Some(0.99) && p.from_ms == 54_321 * 60_000));
    }

    proptest! {
        #[test]
        fn extremes_stay_and_order_holds(values in prop::collection::vec(prop::option::of(-1e6_f64..1e6), 0..3000), most in 2_usize..720) {
            let points: Vec<Point> = values.iter().enumerate().map(|(i, v)| point(i as i64, *v)).collect();
            let kept = reduce(&points, 0, values.len() as i64 * 60_000, most);
            prop_assert!(kept.len() <= most.max(points.len().min(most)));
            let extremes = |p: &[Point]| {
                let v: Vec<f64> = p.iter().filter_map(|p| p.value).collect();
                (v.iter().copied().reduce(f64::min), v.iter().copied().reduce(f64::max))
            };
            prop_assert_eq!(extremes(&kept), extremes(&points));
            prop_assert!(kept.windows(2).all(|w| w[0].from_ms < w[1].from_ms));
        }
    }
}
