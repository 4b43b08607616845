//! Every text on a chart, and the lettered circles: each placed where nothing else stands.

use super::gaps::Gap;
use super::ink::Ink;
use super::labels::{Labels, spread};
use super::layout::{Layout, unit_word, zone_word};
use super::pen::Pen;
use super::spec::{ChartSpec, Mark};
use super::table::letter;
use super::text::{Anchor, Box2, Label, clean, fit, width};
use super::ticks::{Tick, interval, ticks};
use super::variant::Variant;
use headroom_domain::{DAY_MS, Millis, format};

/// Radius of an annotation's circle, CSS pixels.
pub(super) const BADGE: f64 = 8.0;
/// Distance between the middles of labels in the right margin, CSS pixels.
const LABEL_GAP: f64 = 15.0;

impl Layout<'_> {
    /// Lettered circles on the time axis; those that would cover each other share one.
    pub(super) fn badges(&self, pen: &Pen<'_>, labels: &mut Labels) {
        if self.variant == Variant::Mini {
            return;
        }
        let at: Vec<(usize, f64)> =
            self.spec.annotations.iter().enumerate().map(|(i, a)| (i, self.x(a.at_ms))).collect();
        let mut groups: Vec<(usize, usize, f64, f64)> = Vec::new();
        for (i, x) in at {
            groups.push((i, i, x, x));
            while let [.., (first, _, from, until), (_, last, next_from, to)] = groups[..] {
                let reach =
                    |a: f64, b: f64, several: bool| f64::midpoint(a, b) + if several { 2.0 * BADGE } else { BADGE };
                let end = reach(from, until, until > from || i > first + 1);
                let start = 2.0 * f64::midpoint(next_from, to) - reach(next_from, to, to > next_from);
                if start >= end {
                    break;
                }
                groups.pop();
                groups.pop();
                groups.push((first, last, from, to));
            }
        }
        for (first, last, from, to) in groups {
            let half = if first == last { 0.0 } else { BADGE + 2.0 };
            let x = f64::midpoint(from, to).clamp(self.left + half, (self.right - half).max(self.left + half)).round();
            let text = match last - first {
                0 => letter(first),
                1 => format!("{} {}", letter(first), letter(last)),
                _ => format!("{}–{}", letter(first), letter(last)),
            };
            // A line of one badge's height with round ends is a pill, and of next to no length a circle.
            let ends = [(x - half.max(0.5), self.bottom), (x + half.max(0.5), self.bottom)];
            pen.line(&ends, 2.0 * BADGE, Ink::BadgeEdge);
            pen.line(&ends, 2.0 * BADGE - 2.0, Ink::Badge);
            labels.place(
                Label { text, x, y: self.bottom, anchor: Anchor::Middle, px: 11.0, ink: Ink::Letter, bold: true },
                0.0,
            );
            labels.reserve(Box2 {
                left: x - half - BADGE,
                right: x + half + BADGE,
                top: self.bottom - BADGE,
                bottom: self.bottom + BADGE,
            });
        }
    }

    fn quiet(&self, text: String, x: f64, y: f64, anchor: Anchor) -> Label {
        Label { text, x, y, anchor, px: self.variant.axis_px(), ink: Ink::Quiet, bold: false }
    }

    pub(super) fn value_words(&self, labels: &mut Labels) {
        for (value, text) in &self.scale.lines {
            labels.place(self.quiet(text.clone(), self.left - 6.0, self.y(*value), Anchor::End), 0.0);
        }
        if self.variant != Variant::Mini
            && let Some(unit) = unit_word(&self.spec.axis)
        {
            let room = self.right - 2.0;
            let text = fit(&clean(&unit), 11.0, room);
            labels.place(Label { px: 11.0, ..self.quiet(text, 2.0, 8.0, Anchor::Start) }, 0.0);
        }
    }

    fn tick_y(&self) -> f64 {
        let (_, height_px) = self.variant.size();
        f64::from(height_px) - 8.0
    }

    fn tick_label(&self, tick: &Tick) -> Label {
        let (width_px, _) = self.variant.size();
        let half = width(&tick.text, self.variant.axis_px()) / 2.0;
        let x = self.x(tick.at_ms).min(f64::from(width_px) - half - 1.0).max(half + 1.0);
        self.quiet(tick.text.clone(), x, self.tick_y(), Anchor::Middle)
    }

    fn zone_label(&self) -> Option<Label> {
        let (width_px, _) = self.variant.size();
        let text = if self.variant == Variant::Mini { String::new() } else { zone_word(self.spec) };
        let label = Label { px: 11.0, ..self.quiet(text, f64::from(width_px) - 2.0, self.tick_y(), Anchor::End) };
        // Under the words of the right margin where there are some, at the edge otherwise.
        let column = self.right + 6.0;
        let room = column + width(&label.text, 11.0) <= label.x;
        let label = if room { Label { x: column, anchor: Anchor::Start, ..label } } else { label };
        (!label.text.is_empty()).then_some(label)
    }

    pub(super) fn ticks(&self) -> Vec<Tick> {
        const GAP: f64 = 9.0;
        let most = ((self.right - self.left) / 52.0).max(2.0) as usize;
        let zone = self.zone_label().map(|l| l.bounds());
        let mut found = ticks(self.spec.from_ms, self.spec.to_ms, &self.spec.zone, most, |ticks| {
            let boxes: Vec<Box2> = ticks.iter().map(|t| self.tick_label(t).bounds()).collect();
            // The last word may give way to the zone; the others may not.
            let clear = zone.is_none_or(|zone| boxes.iter().rev().skip(1).all(|b| b.right + GAP <= zone.left));
            clear && boxes.windows(2).all(|pair| pair[0].right + GAP <= pair[1].left)
        });
        found.retain(|t| zone.is_none_or(|zone| self.tick_label(t).bounds().right + 4.0 <= zone.left));
        found
    }

    pub(super) fn time_words(&self, labels: &mut Labels) {
        if let Some(zone) = self.zone_label() {
            labels.place(zone, 0.0);
        }
        for tick in self.ticks() {
            labels.place(self.tick_label(&tick), 4.0);
        }
        if self.has_future() {
            let (now, y) = (self.x(self.spec.now_ms), self.bottom - 10.0 - BADGE);
            let word = |x, anchor| Label { px: 11.0, ..self.quiet("now".into(), x, y, anchor) };
            if !labels.place(word(now - 4.0, Anchor::End), 0.0) {
                labels.place(word(now + 4.0, Anchor::Start), 0.0);
            }
        }
    }

    /// Names of thresholds and of series beside their place, moved apart.
    pub(super) fn margin_words(&self, labels: &mut Labels) {
        let (width_px, _) = self.variant.size();
        let x = self.right + 6.0;
        let wanted: Vec<f64> = self.words.iter().map(|w| self.y(w.value)).collect();
        let heights = spread(&wanted, LABEL_GAP, self.top + 4.0, self.bottom - 8.0);
        for (word, y) in self.words.iter().zip(heights) {
            let Some(y) = y else { continue };
            let text = fit(&word.text, 11.0, f64::from(width_px) - x);
            labels.place(Label { text, x, y, anchor: Anchor::Start, px: 11.0, ink: word.ink, bold: false }, 0.0);
        }
    }

    /// "no data 02:10–02:35", where it covers nothing; the description says it in any case.
    pub(super) fn gap_words(&self, missing: &[Gap], labels: &mut Labels) {
        let mut longest: Vec<&Gap> = missing.iter().collect();
        longest.sort_by_key(|g| std::cmp::Reverse(g.to_ms - g.from_ms));
        for gap in longest.into_iter().take(3) {
            let (from, to) = (self.x(gap.from_ms), self.x(gap.to_ms));
            let middle = f64::midpoint(from, to);
            let full = gap_text(gap, self.spec);
            for text in [full.as_str(), "no data"] {
                let half = width(text, 11.0) / 2.0;
                if 2.0 * half > self.right - self.left {
                    continue;
                }
                let x = middle.max(self.left + half + 2.0).min(self.right - half - 2.0);
                let heights = [self.bottom - 14.0 - BADGE, self.top + 10.0, f64::midpoint(self.top, self.bottom)];
                let placed = heights.into_iter().any(|y| {
                    let label = Label {
                        text: text.to_owned(),
                        x,
                        y,
                        anchor: Anchor::Middle,
                        px: 11.0,
                        ink: Ink::Word,
                        bold: false,
                    };
                    !self.covers(&label.bounds()) && labels.place(label, 3.0)
                });
                if placed {
                    break;
                }
            }
        }
    }

    /// Whether a box lies on drawn values.
    fn covers(&self, wanted: &Box2) -> bool {
        self.lines.iter().flat_map(|l| l.points.iter().map(move |p| (l.mark, p))).any(|(mark, p)| {
            let (from, to) = (self.x(p.from_ms), self.x(p.to_ms));
            let Some(value) = p.value else { return false };
            let (y, low) = (self.y(p.high.unwrap_or(value)), self.y(p.low.unwrap_or(value)));
            let low = if mark == Mark::Bars { self.y(0.0) } else { low };
            let drawn = Box2 { left: from, right: to, top: y.min(low) - 2.0, bottom: y.max(low) + 2.0 };
            (mark != Mark::Bars || value != 0.0) && drawn.overlaps(wanted)
        })
    }
}

/// "no data 02:10–02:35", with its day where the axis holds more than one.
pub(super) fn gap_text(gap: &Gap, spec: &ChartSpec) -> String {
    let with_day = spec.to_ms - spec.from_ms > DAY_MS;
    let zone = &spec.zone;
    let at = |at: Millis| {
        let local = zone.local(at);
        if with_day { format::day_time(local) } else { format::hour_minute(local) }
    };
    match (gap.leading, gap.open) {
        (true, true) => "no data".to_owned(),
        (true, false) => format!("no data before {}", at(gap.to_ms)),
        (false, true) => format!("no data since {}", at(gap.from_ms)),
        (false, false) => format!("no data {}", interval(gap.from_ms, gap.to_ms, zone, with_day)),
    }
}
