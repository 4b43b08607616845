//! Steps of stored history, and series of points cut to what a chart or a table shows.

use crate::localtime::ZoneSlice;
use crate::occupancy::Sums;
use crate::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

/// A stored step of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// One minute; dropped first by retention.
    Minute,
    /// Five minutes.
    FiveMinutes,
    /// One hour.
    Hour,
    /// One UTC day; kept for ever.
    Day,
}

impl Step {
    /// All steps, finest first.
    pub const ALL: [Self; 4] = [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day];

    /// Length in milliseconds.
    pub const fn ms(self) -> Millis {
        match self {
            Self::Minute => MINUTE_MS,
            Self::FiveMinutes => 5 * MINUTE_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// Length of the stored block that holds points of this step.
    pub const fn block_ms(self) -> Millis {
        match self {
            Self::Minute => HOUR_MS,
            Self::FiveMinutes | Self::Hour | Self::Day => DAY_MS,
        }
    }

    /// Points per block.
    pub const fn block_points(self) -> usize {
        (self.block_ms() / self.ms()) as usize
    }

    /// The coarsest step whose boundaries include both instants; `None` if not even minutes do.
    pub fn aligned(from: Millis, to: Millis) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|s| from.rem_euclid(s.ms()) == 0 && to.rem_euclid(s.ms()) == 0)
    }
}

/// Start of the step that holds an instant.
pub fn floor(at: Millis, step_ms: Millis) -> Millis {
    at.div_euclid(step_ms) * step_ms
}

/// The least step boundary at or after an instant.
pub fn ceil(at: Millis, step_ms: Millis) -> Millis {
    floor(at.saturating_add(step_ms - 1), step_ms)
}

/// Consecutive points of equal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Start of the first point.
    pub start_ms: Millis,
    /// Length of each point.
    pub step_ms: Millis,
    /// The points; one that is empty was not observed.
    pub points: Vec<Sums>,
}

impl Series {
    /// A series of unobserved points covering `[from, to)`; both are moved outward to whole steps.
    pub fn empty(from: Millis, to: Millis, step_ms: Millis) -> Self {
        let start_ms = floor(from, step_ms);
        let n = ((ceil(to, step_ms) - start_ms) / step_ms).max(0) as usize;
        Self { start_ms, step_ms, points: vec![Sums::default(); n] }
    }

    /// End of the last point.
    pub fn end_ms(&self) -> Millis {
        self.start_ms + self.step_ms * self.points.len() as i64
    }

    /// Adds points that start at `start_ms` and have this series' step; what lies outside is left out.
    pub fn add(&mut self, start_ms: Millis, points: &[Sums]) {
        let shift = (start_ms - self.start_ms).div_euclid(self.step_ms);
        for (i, point) in points.iter().enumerate() {
            let at = shift + i as i64;
            if let Ok(at) = usize::try_from(at)
                && let Some(mine) = self.points.get_mut(at)
            {
                mine.add(point);
            }
        }
    }

    /// Everything in one.
    pub fn total(&self) -> Sums {
        self.points.iter().sum()
    }

    /// The points between given boundaries (ascending instants): one bucket per neighbouring pair.
    /// A point belongs to the bucket that holds its start.
    pub fn buckets(&self, boundaries: &[Millis]) -> Vec<Bucket> {
        boundaries
            .windows(2)
            .map(|edge| {
                let first = ((edge[0] - self.start_ms).max(0) + self.step_ms - 1) / self.step_ms;
                let last = ((edge[1] - self.start_ms).max(0) + self.step_ms - 1) / self.step_ms;
                let n = self.points.len();
                let part = &self.points[(first as usize).min(n)..(last as usize).min(n)];
                Bucket::of(edge[0], edge[1], part)
            })
            .collect()
    }
}

/// One bucket of a chart: its sums, and the least and greatest occupancy of the points in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Start.
    pub from_ms: Millis,
    /// End.
    pub to_ms: Millis,
    /// Sums of the points.
    pub sums: Sums,
    /// Least occupancy of a point.
    pub least: Option<f64>,
    /// Greatest occupancy of a point: an average hides it, so it is kept beside.
    pub peak: Option<f64>,
}

impl Bucket {
    fn of(from_ms: Millis, to_ms: Millis, points: &[Sums]) -> Self {
        let occupancies = || points.iter().filter_map(Sums::occupancy);
        Self {
            from_ms,
            to_ms,
            sums: points.iter().sum(),
            least: occupancies().reduce(f64::min),
            peak: occupancies().reduce(f64::max),
        }
    }
}

/// Chart steps, in minutes: a step is easy to say and divides a day.
const CHART_STEPS_MIN: [i64; 12] = [1, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440];

/// The step, in milliseconds, that shows a span in at most `most` points.
pub fn chart_step(span_ms: Millis, most: usize) -> Millis {
    CHART_STEPS_MIN.into_iter().map(|m| m * MINUTE_MS).find(|step| span_ms / step <= most as i64).unwrap_or(DAY_MS)
}

/// Bucket boundaries over `[from, to]` with a step: whole steps counted from local midnight, so
/// that a day's buckets are the day's in the zone, whatever its length.
pub fn boundaries(from: Millis, to: Millis, step_ms: Millis, zone: &ZoneSlice) -> Vec<Millis> {
    let mut edges = vec![from];
    let mut midnights = zone.midnights(from - 2 * DAY_MS, to);
    midnights.push(to + DAY_MS);
    for day in midnights.windows(2) {
        let mut at = day[0];
        while at < day[1] && at < to {
            if at > from {
                edges.push(at);
            }
            if step_ms >= DAY_MS {
                break; // the day is one bucket, be it 23 or 25 hours long
            }
            at += step_ms;
        }
    }
    edges.push(to);
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_picks_the_coarsest_stored_step() {
        assert_eq!(Step::aligned(0, DAY_MS), Some(Step::Day));
        assert_eq!(Step::aligned(HOUR_MS, DAY_MS), Some(Step::Hour));
        assert_eq!(Step::aligned(5 * MINUTE_MS, DAY_MS), Some(Step::FiveMinutes));
        assert_eq!(Step::aligned(MINUTE_MS, DAY_MS), Some(Step::Minute));
        assert_eq!(Step::aligned(1, DAY_MS), None);
    }

    #[test]
    fn buckets_keep_peaks_and_add_up() {
        let mut series = Series::empty(0, 4 * MINUTE_MS, MINUTE_MS);
        let point = |occ| Sums { capacity_slot_ms: 100, occupied_slot_ms: occ, observed_ms: 1, ..Sums::default() };
        series.add(0, &[point(10), point(90), point(20)]);
        let buckets = series.buckets(&[0, 2 * MINUTE_MS, 4 * MINUTE_MS]);
        assert_eq!(buckets[0].peak, Some(0.9));
        assert_eq!(buckets[0].sums.occupancy(), Some(0.5));
        assert_eq!(buckets[1].sums.observed_ms, 1);
        let total: Sums = buckets.iter().map(|b| b.sums).collect::<Vec<_>>().iter().sum();
        assert_eq!(total, series.total());
    }

    #[test]
    fn boundaries_follow_local_days() {
        let zone = ZoneSlice::new(
            "x",
            vec![crate::localtime::Transition { utc_ms: 0, offset_s: 5 * 3600 + 1800, abbr: "IST".into() }],
        );
        let edges = boundaries(10 * DAY_MS, 12 * DAY_MS, DAY_MS, &zone);
        assert_eq!(
            edges,
            [
                10 * DAY_MS,
                10 * DAY_MS + 18 * HOUR_MS + 30 * MINUTE_MS,
                11 * DAY_MS + 18 * HOUR_MS + 30 * MINUTE_MS,
                12 * DAY_MS
            ]
        );
    }

    #[test]
    fn a_day_of_25_hours_is_one_bucket() {
        use crate::localtime::Transition;
        let change = 20 * DAY_MS + HOUR_MS;
        let zone = ZoneSlice::new(
            "x",
            vec![
                Transition { utc_ms: 0, offset_s: 7200, abbr: "S".into() },
                Transition { utc_ms: change, offset_s: 3600, abbr: "W".into() },
            ],
        );
        let edges = boundaries(18 * DAY_MS, 23 * DAY_MS, DAY_MS, &zone);
        let lengths: Vec<Millis> = edges[1..edges.len() - 1].windows(2).map(|w| (w[1] - w[0]) / HOUR_MS).collect();
        assert_eq!(lengths, [24, 25, 24, 24]);
    }

    #[test]
    fn chart_steps_fit() {
        assert_eq!(chart_step(HOUR_MS, 720), MINUTE_MS);
        assert_eq!(chart_step(45 * DAY_MS, 720), 2 * HOUR_MS);
        assert_eq!(chart_step(4000 * DAY_MS, 720), DAY_MS);
    }
}
