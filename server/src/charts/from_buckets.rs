//! Charts of what the store keeps: [`Bucket`]s of sums, and samples of extra signals.

use super::spec::{Annotation, Axis, ChartSpec, Colour, Envelope, Level, Line, Mark, Point, Threshold, Unit};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::occupancy::Sums;
use headroom_domain::series::Bucket;
use headroom_domain::{Millis, format};

/// What is common to all charts of a page: range, present, zone, and what happened.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Unique on the page, `[a-z0-9-]`.
    pub id: &'a str,
    /// What the chart is called.
    pub title: &'a str,
    /// Start of the time axis.
    pub from_ms: Millis,
    /// End of the time axis, exclusive.
    pub to_ms: Millis,
    /// The present.
    pub now_ms: Millis,
    /// The zone of the axis.
    pub zone: &'a ZoneSlice,
    /// What happened meanwhile.
    pub annotations: &'a [Annotation],
}

impl Frame<'_> {
    fn spec(&self, axis: Axis, lines: Vec<Line>) -> ChartSpec {
        ChartSpec {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            now_ms: self.now_ms,
            zone: self.zone.clone(),
            axis,
            thresholds: Vec::new(),
            lines,
            annotations: self.annotations.to_vec(),
        }
    }

    /// One point per bucket. What has not begun is not missing, so it is left out.
    fn points(&self, buckets: &[Bucket], value: impl Fn(&Bucket) -> Band) -> Vec<Point> {
        buckets
            .iter()
            .filter(|b| b.from_ms < self.now_ms)
            .map(|b| {
                let band = value(b);
                Point {
                    from_ms: b.from_ms,
                    to_ms: b.to_ms,
                    value: band.value,
                    low: band.low,
                    high: band.high,
                    incomplete: b.to_ms > self.now_ms && band.value.is_some(),
                }
            })
            .collect()
    }
}

/// A value with its envelope.
#[derive(Default)]
struct Band {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Band {
    fn only(value: Option<f64>) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Average occupancy with the band between the least and the greatest, 0 to 100 % and more, and the two thresholds.
/// `warn` and `crit` are ratios, usually [`headroom_domain::pool::OCCUPANCY_WARN`] and `OCCUPANCY_CRIT`.
pub fn occupancy(frame: &Frame<'_>, buckets: &[Bucket], warn: f64, crit: f64) -> ChartSpec {
    let points = frame.points(buckets, |b| Band { value: b.sums.occupancy(), low: b.least, high: b.peak });
    let line = Line {
        name: "Average".into(),
        mark: Mark::Line,
        colour: Colour::One,
        unit: Unit::Ratio,
        envelope: Some(Envelope { legend: "Peak band".into(), upper: "Peak".into(), unit: Unit::Ratio }),
        points,
    };
    let thresholds = vec![Threshold { from: warn, level: Level::Warn }, Threshold { from: crit, level: Level::Crit }];
    ChartSpec { thresholds, ..frame.spec(Axis::Occupancy, vec![line]) }
}

/// Average occupancy of several pools or shares of several tenants, one line each: the first six in colour, the
/// rest in grey.
pub fn occupancy_lines(frame: &Frame<'_>, lines: &[(&str, &[Bucket])]) -> ChartSpec {
    let lines = lines
        .iter()
        .enumerate()
        .map(|(i, (name, buckets))| Line {
            name: (*name).to_owned(),
            mark: Mark::Line,
            colour: Colour::SERIES.get(i).copied().unwrap_or(Colour::Other),
            unit: Unit::Ratio,
            envelope: None,
            points: frame.points(buckets, |b| Band::only(b.sums.occupancy())),
        })
        .collect();
    frame.spec(Axis::Occupancy, lines)
}

/// Slots: used on average with the peak above, capacity and reserved as steps.
pub fn slots(frame: &Frame<'_>, buckets: &[Bucket]) -> ChartSpec {
    let step = |name: &str, mark, colour, value: fn(&Sums) -> Option<f64>| Line {
        name: name.into(),
        mark,
        colour,
        unit: Unit::MeanSlots,
        envelope: None,
        points: frame.points(buckets, |b| Band::only(value(&b.sums))),
    };
    let used = Line {
        name: "Used".into(),
        mark: Mark::Line,
        colour: Colour::One,
        unit: Unit::MeanSlots,
        envelope: Some(Envelope { legend: "Up to the peak".into(), upper: "Peak used".into(), unit: Unit::Slots }),
        points: frame.points(buckets, |b| {
            let value = b.sums.mean_occupied();
            Band { value, low: value, high: value.map(|_| b.sums.max_occupied as f64) }
        }),
    };
    let mut lines = vec![used, step("Capacity", Mark::Step, Colour::Other, Sums::mean_capacity)];
    if buckets.iter().any(|b| b.sums.reserved_slot_ms > 0) {
        lines.push(step("Reserved", Mark::HatchedStep, Colour::Five, Sums::mean_reserved));
    }
    frame.spec(Axis::Slots, lines)
}

/// Claims rejected because the pool was full, per interval.
pub fn rejections(frame: &Frame<'_>, buckets: &[Bucket]) -> ChartSpec {
    let rejected = counted(frame, buckets, "Rejected claims", Colour::Two, |s| s.rejections);
    frame.spec(Axis::Count { unit: "rejected claims".into() }, vec![rejected])
}

/// Claims per interval, and how many of them waited and were rejected.
pub fn claims(frame: &Frame<'_>, buckets: &[Bucket]) -> ChartSpec {
    let lines = vec![
        counted(frame, buckets, "Claims", Colour::One, |s| s.claims),
        counted(frame, buckets, "Waited", Colour::Five, |s| s.waited),
        counted(frame, buckets, "Rejected claims", Colour::Two, |s| s.rejections),
    ];
    frame.spec(Axis::Count { unit: "claims".into() }, lines)
}

fn counted(frame: &Frame<'_>, buckets: &[Bucket], name: &str, colour: Colour, count: fn(&Sums) -> i64) -> Line {
    Line {
        name: name.into(),
        mark: Mark::Bars,
        colour,
        unit: Unit::Count,
        envelope: None,
        // Counted while nothing was observed cannot be; a bucket without observation is missing, not zero.
        points: frame.points(buckets, |b| Band::only((b.sums.observed_ms > 0).then(|| count(&b.sums) as f64))),
    }
}

/// An extra signal over one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSample {
    /// Start.
    pub from_ms: Millis,
    /// End.
    pub to_ms: Millis,
    /// Average; `None` = not observed.
    pub mean: Option<f64>,
    /// Least value.
    pub least: Option<f64>,
    /// Greatest value.
    pub greatest: Option<f64>,
}

/// An extra signal: average with the band between its least and its greatest value.
pub fn signal(frame: &Frame<'_>, name: &str, unit: &str, samples: &[SignalSample]) -> ChartSpec {
    let points = samples
        .iter()
        .filter(|s| s.from_ms < frame.now_ms)
        .map(|s| Point {
            from_ms: s.from_ms,
            to_ms: s.to_ms,
            value: s.mean,
            low: s.least,
            high: s.greatest,
            incomplete: s.to_ms > frame.now_ms && s.mean.is_some(),
        })
        .collect();
    let line = Line {
        name: name.to_owned(),
        mark: Mark::Line,
        colour: Colour::One,
        unit: Unit::Number,
        envelope: Some(Envelope { legend: "Peak band".into(), upper: "Peak".into(), unit: Unit::Number }),
        points,
    };
    frame.spec(Axis::Number { unit: unit.to_owned() }, vec![line])
}

/// Adds the occupancy of an earlier stretch as a thin grey line, moved forward by `shift_ms` to lie over this one.
pub fn with_prior(mut spec: ChartSpec, name: &str, earlier: &[Bucket], shift_ms: Millis) -> ChartSpec {
    let points = earlier
        .iter()
        .map(|b| Point {
            from_ms: b.from_ms + shift_ms,
            to_ms: b.to_ms + shift_ms,
            value: b.sums.occupancy(),
            low: None,
            high: None,
            incomplete: false,
        })
        .collect();
    spec.lines.push(Line {
        name: name.to_owned(),
        mark: Mark::Line,
        colour: Colour::Other,
        unit: Unit::Ratio,
        envelope: None,
        points,
    });
    spec
}

/// Clock changes within `[from, to)`, as annotations: "02:00 becomes 03:00 (CEST)".
pub fn clock_changes(zone: &ZoneSlice, from: Millis, to: Millis) -> Vec<Annotation> {
    zone.transitions()
        .iter()
        .filter(|t| t.utc_ms > from && t.utc_ms < to)
        .filter(|t| zone.offset_at(t.utc_ms - 1).0 != t.offset_s)
        .map(|t| {
            let before = t.utc_ms + i64::from(zone.offset_at(t.utc_ms - 1).0) * 1000;
            let after = format::hour_minute(zone.local(t.utc_ms));
            // The wall clock just before the change, read on with the old offset.
            let old = format::hour_minute(ZoneSlice::utc().local(before));
            Annotation { at_ms: t.utc_ms, text: format!("Clock change: {old} becomes {after} ({})", t.abbr) }
        })
        .collect()
}
