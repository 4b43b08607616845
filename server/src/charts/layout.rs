//! Where everything is: the plotting area, the value scale, the right margin.

use super::ink::Ink;
use super::reduce::reduce;
use super::scale::{Scale, scale};
use super::spec::{Axis, ChartSpec, Level, Line, Mark, Point};
use super::text::width;
use super::variant::Variant;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{Millis, format};

/// Most series whose names stand beside their lines.
const MOST_DIRECT: usize = 3;

/// Edges of the plotting area in CSS pixels from the drawing's top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlotArea {
    /// x of `from_ms`.
    pub left: i32,
    /// x of `to_ms`.
    pub right: i32,
    /// y of the top of the value axis.
    pub top: i32,
    /// y of the bottom of the value axis.
    pub bottom: i32,
}

/// A word beside the right edge, at the value it belongs to.
pub(super) struct MarginWord {
    pub(super) value: f64,
    pub(super) text: String,
    pub(super) ink: Ink,
}

/// The chart with its points reduced and its axes laid out.
pub(super) struct Layout<'a> {
    pub(super) spec: &'a ChartSpec,
    pub(super) variant: Variant,
    pub(super) lines: Vec<Line>,
    pub(super) scale: Scale,
    pub(super) words: Vec<MarginWord>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl<'a> Layout<'a> {
    pub(super) fn new(spec: &'a ChartSpec, variant: Variant) -> Self {
        let (width_px, height_px) = variant.size();
        let lines: Vec<Line> = spec
            .lines
            .iter()
            .map(|l| Line { points: reduce(&l.points, spec.from_ms, spec.to_ms, variant.most_points()), ..l.clone() })
            .collect();
        let values = || lines.iter().flat_map(|l| &l.points).flat_map(|p| [p.value, p.low, p.high]).flatten();
        let least = values().fold(0.0, f64::min);
        let greatest = values().fold(0.0, f64::max);
        let scale = scale(&spec.axis, least, greatest, variant.value_lines());
        let words = margin_words(spec, &lines, &scale, variant);

        let px = variant.axis_px();
        let widest = |texts: &mut dyn Iterator<Item = &str>| texts.map(|t| width(t, px)).fold(0.0, f64::max);
        let left = (widest(&mut scale.lines.iter().map(|(_, t)| t.as_str())) + 8.0).ceil().max(24.0);
        let most_right = f64::from(width_px) * if variant.roomy() { 0.24 } else { 0.16 };
        let zone = if variant == Variant::Mini { 0.0 } else { width(&zone_word(spec), 11.0) / 2.0 };
        let right = widest(&mut words.iter().map(|w| w.text.as_str())).max(zone).min(most_right) + 10.0;
        let top = match (variant, unit_word(&spec.axis)) {
            (Variant::Mini, _) | (_, None) => 9.0,
            (_, Some(_)) => 24.0,
        };
        let bottom = match (variant, spec.annotations.is_empty()) {
            (Variant::Mini, _) | (_, true) => 22.0,
            (_, false) => 28.0,
        };
        Self {
            spec,
            variant,
            lines,
            scale,
            words,
            left,
            right: (f64::from(width_px) - right).floor(),
            top,
            bottom: f64::from(height_px) - bottom,
        }
    }

    /// A prefix for ids that is unique on the page: the chart's id and the width it is drawn at.
    pub(super) fn id(&self) -> String {
        let id: String = self.spec.id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        format!("{}-{}", if id.is_empty() { "chart" } else { &id }, self.variant.slug())
    }

    pub(super) fn plot(&self) -> PlotArea {
        PlotArea { left: self.left as i32, right: self.right as i32, top: self.top as i32, bottom: self.bottom as i32 }
    }

    pub(super) fn x(&self, at: Millis) -> f64 {
        let share = (at - self.spec.from_ms) as f64 / (self.spec.to_ms - self.spec.from_ms) as f64;
        self.left + share.clamp(0.0, 1.0) * (self.right - self.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let share = (value - self.scale.least) / (self.scale.greatest - self.scale.least);
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Middle of a point's interval.
    pub(super) fn middle(&self, point: &Point) -> f64 {
        self.x(point.from_ms + (point.to_ms - point.from_ms) / 2)
    }

    /// Whether the axis goes on beyond the present far enough to mark it.
    pub(super) fn has_future(&self) -> bool {
        self.right - self.x(self.spec.now_ms) >= 4.0 && self.spec.now_ms > self.spec.from_ms
    }
}

/// What stands in the right margin: the thresholds, and up to three series if there is more than one.
fn margin_words(spec: &ChartSpec, lines: &[Line], scale: &Scale, variant: Variant) -> Vec<MarginWord> {
    if variant == Variant::Mini {
        return Vec::new();
    }
    let mut words = Vec::new();
    if variant.roomy() && lines.len() > 1 && lines.len() <= MOST_DIRECT {
        for line in lines.iter().filter(|l| !matches!(l.mark, Mark::Bars | Mark::Band)) {
            if let Some(value) = line.points.iter().rev().find_map(|p| p.value) {
                words.push(MarginWord { value, text: line.name.clone(), ink: Ink::Word });
            }
        }
    }
    for (i, threshold) in spec.thresholds.iter().enumerate() {
        if threshold.from >= scale.greatest {
            continue;
        }
        let next = spec.thresholds.get(i + 1).map(|t| t.from);
        let number = |v: f64| match spec.axis {
            Axis::Occupancy => format::decimal(v * 100.0, usize::from((v * 1000.0).round() % 10.0 != 0.0)),
            _ => format::decimal(v, 0),
        };
        let unit = if spec.axis == Axis::Occupancy { format!("{}%", format::NNBSP) } else { String::new() };
        let text = match (variant.roomy(), threshold.level, next) {
            (false, Level::Warn, _) => "warn".to_owned(),
            (false, Level::Crit, _) => "crit".to_owned(),
            (true, Level::Warn, Some(next)) => format!("warn {}–{}{unit}", number(threshold.from), number(next)),
            (true, Level::Warn, None) => format!("warn ≥ {}{unit}", number(threshold.from)),
            (true, Level::Crit, _) => format!("critical ≥ {}{unit}", number(threshold.from)),
        };
        let value = f64::midpoint(threshold.from, next.unwrap_or(scale.greatest).min(scale.greatest));
        words.push(MarginWord { value, text, ink: Ink::LevelWord(threshold.level) });
    }
    words
}

/// What the numbers on the value axis are, where they do not say it themselves.
pub(super) fn unit_word(axis: &Axis) -> Option<String> {
    match axis {
        Axis::Occupancy => None,
        Axis::Slots => Some("slots".into()),
        Axis::Count { unit } | Axis::Number { unit } => (!unit.is_empty()).then(|| unit.clone()),
    }
}

/// `UTC+1`, or `UTC+2/+1` where clocks change within the axis.
pub(super) fn zone_word(spec: &ChartSpec) -> String {
    let zone: &ZoneSlice = &spec.zone;
    let (first, last) = (zone.offset_text(spec.from_ms), zone.offset_text(spec.to_ms - 1));
    if first == last {
        return first;
    }
    let last = last.strip_prefix("UTC").filter(|rest| !rest.is_empty()).map_or("0".to_owned(), str::to_owned);
    if first == "UTC" { format!("UTC+0/{last}") } else { format!("{first}/{last}") }
}
