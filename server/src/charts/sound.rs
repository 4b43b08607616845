//! Data as it comes, made fit to draw.

use super::spec::ChartSpec;
use super::text::clean;
use headroom_domain::LATEST_MS;

/// Most annotations that get a letter: the alphabet.
const MOST_LETTERS: usize = 26;
/// Beyond this a value is a mistake of its source, and its digits would fill the chart.
const ABSURD: f64 = 1e15;

/// The chart with everything that cannot be drawn taken out: values that are no numbers, intervals without length,
/// an axis that runs backwards.
pub(super) fn sound(spec: &ChartSpec) -> ChartSpec {
    let mut spec = spec.clone();
    spec.from_ms = spec.from_ms.clamp(0, LATEST_MS - 1);
    spec.to_ms = spec.to_ms.clamp(spec.from_ms + 1, LATEST_MS);
    spec.now_ms = spec.now_ms.clamp(0, LATEST_MS);
    let (from, to) = (spec.from_ms, spec.to_ms);
    let finite = |v: Option<f64>| v.filter(|v| v.is_finite() && v.abs() < ABSURD);
    for line in &mut spec.lines {
        line.name = clean(&line.name);
        line.points.retain(|p| p.to_ms > p.from_ms && p.to_ms > from && p.from_ms < to);
        line.points.sort_by_key(|p| p.from_ms);
        for point in &mut line.points {
            point.from_ms = point.from_ms.max(from);
            point.to_ms = point.to_ms.min(to);
            point.value = finite(point.value);
            point.low = finite(point.low).filter(|_| point.value.is_some());
            point.high = finite(point.high).filter(|_| point.value.is_some());
        }
    }
    spec.thresholds.retain(|t| t.from.is_finite());
    spec.thresholds.sort_by(|a, b| a.from.total_cmp(&b.from));
    spec.annotations.retain(|a| (from..=to).contains(&a.at_ms));
    spec.annotations.sort_by_key(|a| a.at_ms);
    spec.annotations.truncate(MOST_LETTERS);
    spec
}
