//! Stretches in which nothing was observed.

use super::spec::ChartSpec;
use headroom_domain::Millis;

/// A stretch without any value, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from_ms: Millis,
    pub(super) to_ms: Millis,
    /// It lasts until now.
    pub(super) open: bool,
    /// Nothing came before it.
    pub(super) leading: bool,
}

/// Every stretch longer than two intervals in which no line has a value, up to now.
pub(super) fn gaps(spec: &ChartSpec) -> Vec<Gap> {
    let end = spec.to_ms.min(spec.now_ms);
    let mut seen: Vec<(Millis, Millis)> = Vec::new();
    let mut lengths: Vec<Millis> = Vec::new();
    for point in spec.lines.iter().flat_map(|l| &l.points) {
        lengths.push(point.to_ms - point.from_ms);
        if point.value.is_some() {
            seen.push((point.from_ms, point.to_ms));
        }
    }
    lengths.sort_unstable();
    // The usual interval: buckets at the ends of a range may be shorter.
    let Some(interval) = lengths.get(lengths.len() / 2).copied() else { return Vec::new() };
    seen.sort_unstable();
    let mut gaps = Vec::new();
    let mut covered = spec.from_ms;
    let mut leading = true;
    for (from, to) in seen.into_iter().chain([(end, end)]) {
        let from = from.min(end);
        if from - covered > 2 * interval {
            gaps.push(Gap { from_ms: covered, to_ms: from, open: from == end, leading });
        }
        covered = covered.max(to);
        leading = false;
    }
    gaps
}
