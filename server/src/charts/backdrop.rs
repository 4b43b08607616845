//! What stands behind and below the series: bands, value lines, gaps, rules.

use super::gaps::{Gap, gaps};
use super::ink::Ink;
use super::layout::Layout;
use super::pen::Pen;
use super::spec::Axis;
use super::variant::Variant;
use super::words::BADGE;

impl Layout<'_> {
    /// Threshold bands, value lines, base line.
    pub(super) fn background(&self, pen: &Pen<'_>) {
        for (i, threshold) in self.spec.thresholds.iter().enumerate() {
            let next = self.spec.thresholds.get(i + 1).map_or(self.scale.greatest, |t| t.from);
            let (bottom, top) = (self.y(threshold.from), self.y(next.min(self.scale.greatest)));
            if threshold.from < self.scale.greatest && bottom - top >= 0.5 {
                pen.block((self.left, top), (self.right, bottom), 1.0, Ink::Band(threshold.level));
            }
        }
        for (value, _) in &self.scale.lines {
            let y = self.y(*value).round() + 0.5;
            // Above 100 % the line that means full is stronger than its neighbours.
            let full = self.spec.axis == Axis::Occupancy && self.scale.greatest > 1.0 && (value - 1.0).abs() < 1e-9;
            let ink = if full { Ink::FullLine } else { Ink::Grid };
            pen.line(&[(self.left, y), (self.right, y)], 1.0, ink);
        }
    }

    /// Hatches what is missing, and says what.
    pub(super) fn missing(&self, pen: &Pen<'_>) -> Vec<Gap> {
        let found = gaps(self.spec);
        for gap in &found {
            let (from, to) = (self.x(gap.from_ms), self.x(gap.to_ms));
            let to = to.max(from + 2.0).min(self.right);
            pen.block((from, self.top), (to, self.bottom), 0.7, Ink::Missing);
            for edge in [from, to] {
                pen.line(&[(edge, self.top), (edge, self.bottom)], 1.0, Ink::Axis);
            }
        }
        found
    }

    pub(super) fn rules(&self, pen: &Pen<'_>) {
        let zero = self.y(0.0_f64.max(self.scale.least)).round() + 0.5;
        pen.line(&[(self.left, zero), (self.right, zero)], 1.0, Ink::Axis);
        if self.variant != Variant::Mini {
            for event in &self.spec.annotations {
                let x = self.x(event.at_ms);
                pen.line(&[(x, self.top), (x, self.bottom - BADGE)], 1.0, Ink::Event);
            }
        }
        if self.has_future() {
            let x = self.x(self.spec.now_ms);
            pen.line(&[(x, self.top), (x, self.bottom)], 1.0, Ink::Now);
        }
        for tick in self.ticks() {
            let x = self.x(tick.at_ms);
            pen.line(&[(x, self.bottom + 1.0), (x, self.bottom + 5.0)], 1.0, Ink::Axis);
        }
    }
}
