//! The series themselves: envelopes, bars, lines, and the marker at a line's end.

use super::ink::Ink;
use super::layout::Layout;
use super::pen::Pen;
use super::spec::{Colour, Line, Mark, Point};

/// Width of a series line, CSS pixels.
const LINE: f64 = 2.0;
/// Opacity of the envelope behind its line.
const ENVELOPE: f64 = 0.15;

impl Layout<'_> {
    pub(super) fn envelope(&self, pen: &Pen<'_>, line: &Line) {
        if line.envelope.is_none() && line.mark != Mark::Band {
            return;
        }
        for run in runs(line) {
            let edges: Vec<(f64, f64, f64)> = run
                .iter()
                .filter_map(|p| {
                    let value = p.value?;
                    Some((self.middle(p), self.y(p.high.unwrap_or(value)), self.y(p.low.unwrap_or(value))))
                })
                .collect();
            if let ([(_, high, low)], [point]) = (edges.as_slice(), run) {
                let (from, to) = (self.x(point.from_ms), self.x(point.to_ms));
                pen.block((from, *high), (to.max(from + 1.0), *low), ENVELOPE, Ink::Fill(line.colour));
                continue;
            }
            let upper = edges.iter().map(|(x, high, _)| (*x, *high));
            let lower = edges.iter().rev().map(|(x, _, low)| (*x, *low));
            pen.area(&upper.chain(lower).collect::<Vec<_>>(), ENVELOPE, Ink::Fill(line.colour));
        }
    }

    pub(super) fn bars(&self, pen: &Pen<'_>, line: &Line) {
        let zero = self.y(0.0);
        for run in runs(line) {
            // The first and the last may be cut off by the range.
            let wide = run.iter().any(|p| self.x(p.to_ms) - self.x(p.from_ms) >= 4.0);
            if wide {
                for p in run {
                    let Some(value) = p.value.filter(|v| *v != 0.0) else { continue };
                    let (from, to, y) = (self.x(p.from_ms), self.x(p.to_ms), self.y(value));
                    let gap = if to - from >= 3.0 { 0.5 } else { 0.0 };
                    let (from, to) = (from + gap, (to - gap).max(from + 1.0));
                    if p.incomplete {
                        pen.block((from, y), (to, zero), 0.3, Ink::Fill(line.colour));
                        pen.line(&[(from, zero), (from, y), (to, y), (to, zero)], 1.0, Ink::Unfinished(line.colour));
                    } else {
                        pen.block((from, y), (to, zero), 1.0, Ink::Fill(line.colour));
                    }
                }
                continue;
            }
            // Too narrow for a gap between them: one outline says the same in a tenth of the bytes.
            for busy in run.chunk_by(|a, b| a.value != Some(0.0) && b.value != Some(0.0)) {
                let mut outline = Vec::with_capacity(busy.len() * 2 + 2);
                for p in busy {
                    let y = self.y(p.value.unwrap_or(0.0));
                    let (from, to) = (self.x(p.from_ms), self.x(p.to_ms));
                    outline.extend([(from, y), (to.max(from + 1.0), y)]);
                }
                if let (Some(first), Some(last)) = (outline.first().copied(), outline.last().copied())
                    && outline.iter().any(|p| (p.1 - zero).abs() > 0.01)
                {
                    outline.extend([(last.0, zero), (first.0, zero)]);
                    pen.area(&outline, 1.0, Ink::Fill(line.colour));
                }
            }
        }
    }

    pub(super) fn line(&self, pen: &Pen<'_>, line: &Line) {
        let width_px = if line.colour == Colour::Other { 1.5 } else { LINE };
        for run in runs(line) {
            let path = self.path(run, line.mark);
            if line.mark == Mark::HatchedStep
                && let (Some(first), Some(last)) = (path.first(), path.last())
            {
                let zero = self.y(0.0);
                let outline: Vec<_> = path.iter().copied().chain([(last.0, zero), (first.0, zero)]).collect();
                pen.area(&outline, 0.45, Ink::SetApart);
            }
            // What is still filling is drawn, but not as if it were known.
            let done = run.iter().position(|p| p.incomplete).unwrap_or(run.len());
            if done == run.len() {
                if run.len() == 1 && line.mark == Mark::Line {
                    pen.dot(path[0], 1.75, Ink::Fill(line.colour));
                }
                pen.line(&path, width_px, Ink::Stroke(line.colour));
                continue;
            }
            let per_point = path.len() / run.len();
            let cut = done * per_point;
            pen.line(&path[..cut], width_px, Ink::Stroke(line.colour));
            pen.line(&path[cut.saturating_sub(1)..], width_px, Ink::Unfinished(line.colour));
        }
        let last = line.points.iter().rev().find(|p| p.value.is_some());
        if let Some(last) = last
            && line.mark == Mark::Line
            && line.colour != Colour::Other
        {
            marker(pen, (self.middle(last), self.y(last.value.unwrap_or(0.0))), line.colour);
        }
    }

    fn path(&self, run: &[Point], mark: Mark) -> Vec<(f64, f64)> {
        let height = |p: &Point| self.y(p.value.unwrap_or(0.0));
        match mark {
            Mark::Line | Mark::Bars | Mark::Band => run.iter().map(|p| (self.middle(p), height(p))).collect(),
            Mark::Step | Mark::HatchedStep => {
                run.iter().flat_map(|p| [(self.x(p.from_ms), height(p)), (self.x(p.to_ms), height(p))]).collect()
            }
        }
    }
}

/// Neighbouring points without a gap between them.
fn runs(line: &Line) -> Vec<&[Point]> {
    line.points
        .chunk_by(|a, b| a.value.is_some() && b.value.is_some() && b.from_ms <= a.to_ms)
        .filter(|run| run[0].value.is_some())
        .collect()
}

/// The shape of a series at its last value.
fn marker(pen: &Pen<'_>, (x, y): (f64, f64), colour: Colour) {
    let (fill, r) = (Ink::Fill(colour), 3.5);
    match colour {
        Colour::Other => {}
        Colour::One => pen.dot((x, y), 3.0, fill),
        Colour::Two => pen.block((x - 3.0, y - 3.0), (x + 3.0, y + 3.0), 1.0, fill),
        Colour::Three => pen.area(&[(x, y - r), (x + r, y + r), (x - r, y + r)], 1.0, fill),
        Colour::Four => {
            pen.area(&[(x, y - r - 0.5), (x + r + 0.5, y), (x, y + r + 0.5), (x - r - 0.5, y)], 1.0, fill);
        }
        Colour::Five => {
            pen.line(&[(x - r, y - r), (x + r, y + r)], LINE, fill);
            pen.line(&[(x - r, y + r), (x + r, y - r)], LINE, fill);
        }
        Colour::Six => {
            pen.line(&[(x - r, y), (x + r, y)], LINE, fill);
            pen.line(&[(x, y - r), (x, y + r)], LINE, fill);
        }
    }
}
