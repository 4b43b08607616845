//! Drawing with plotters into a string: whole pixels or quarters of them, in ink.

use super::ink::{FINE, Ink};
use super::text::{Anchor, Label};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// plotters divides font sizes by this before it writes them.
const FONT_FACTOR: f64 = 1.24;
/// Named for plotters, which wants a family; the page's own stack takes its place.
const FAMILY: &str = "Inter Variable";
/// Drawing into a string has nothing that can fail.
const INFALLIBLE: &str = "drawing into a string cannot fail";

/// A drawing surface whose coordinates are CSS pixels.
pub(super) struct Pen<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    scale: f64,
}

impl<'a> Pen<'a> {
    /// Lines, areas and marks: quarter pixels, so that a slope is not a staircase.
    pub(super) fn fine(out: &'a mut String, (width, height): (i32, i32)) -> Self {
        let size = ((width * FINE).unsigned_abs(), (height * FINE).unsigned_abs());
        Self { area: SVGBackend::with_string(out, size).into_drawing_area(), scale: f64::from(FINE) }
    }

    /// Text and what belongs to it: whole pixels, so that a font size is what it says.
    pub(super) fn coarse(out: &'a mut String, (width, height): (i32, i32)) -> Self {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        Self { area: SVGBackend::with_string(out, size).into_drawing_area(), scale: 1.0 }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    /// A line through points. Points that add nothing are left out.
    pub(super) fn line(&self, points: &[(f64, f64)], width: f64, ink: Ink) {
        let mut path: Vec<(i32, i32)> = Vec::with_capacity(points.len());
        for point in points.iter().map(|p| self.at(*p)) {
            let straight =
                |a: (i32, i32), b: (i32, i32)| (a.0 == b.0 && b.0 == point.0) || (a.1 == b.1 && b.1 == point.1);
            if path.last() == Some(&point) {
                continue;
            }
            // Three points on one level are two; on one column the middle one is kept if it turns back.
            if let [.., a, b] = path[..]
                && straight(a, b)
                && (b.0 - a.0).signum() == (point.0 - b.0).signum()
                && (b.1 - a.1).signum() == (point.1 - b.1).signum()
            {
                path.pop();
            }
            path.push(point);
        }
        if path.len() > 1 {
            let style = ShapeStyle { color: ink.sentinel().to_rgba(), filled: false, stroke_width: self.stroke(width) };
            self.area.draw(&PathElement::new(path, style)).expect(INFALLIBLE);
        }
    }

    /// A filled outline.
    pub(super) fn area(&self, outline: &[(f64, f64)], opacity: f64, ink: Ink) {
        let mut path: Vec<(i32, i32)> = outline.iter().map(|p| self.at(*p)).collect();
        path.dedup();
        if path.len() > 2 {
            self.area.draw(&Polygon::new(path, ink.sentinel().mix(opacity))).expect(INFALLIBLE);
        }
    }

    /// A filled rectangle between two corners.
    pub(super) fn block(&self, a: (f64, f64), b: (f64, f64), opacity: f64, ink: Ink) {
        let (a, b) = (self.at(a), self.at(b));
        if a.0 != b.0 && a.1 != b.1 {
            self.area.draw(&Rectangle::new([a, b], ink.sentinel().mix(opacity).filled())).expect(INFALLIBLE);
        }
    }

    /// A filled circle.
    pub(super) fn dot(&self, centre: (f64, f64), radius: f64, ink: Ink) {
        let radius = (radius * self.scale).round() as u32;
        self.area.draw(&Circle::new(self.at(centre), radius, ink.sentinel().filled())).expect(INFALLIBLE);
    }

    /// A text; its height is centred on `y`.
    pub(super) fn text(&self, label: &Label) {
        let anchor = match label.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let colour = label.ink.sentinel();
        let style = TextStyle::from((FAMILY, label.px * FONT_FACTOR).into_font())
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        let style = if label.bold { TextStyle { font: style.font.style(FontStyle::Bold), ..style } } else { style };
        self.area.draw(&Text::new(label.text.as_str(), self.at((label.x, label.y)), style)).expect(INFALLIBLE);
    }

    fn stroke(&self, width: f64) -> u32 {
        (width * self.scale).round().max(1.0) as u32
    }

    /// Ends the drawing.
    pub(super) fn done(self) {
        self.area.present().expect(INFALLIBLE);
    }
}

/// What plotters drew, without the `<svg>` around it and without the font it had to name.
pub(super) fn inner(drawn: &str) -> String {
    let from = drawn.find(">\n").map_or(0, |at| at + 2);
    let to = drawn.rfind("</svg>").unwrap_or(drawn.len());
    let elements = drawn.get(from..to).unwrap_or_default().replace("\n</text>", "</text>");
    elements.lines().map(element).collect::<String>().replace(&format!(" font-family=\"{FAMILY}\""), "")
}

/// One element; a list of points becomes a path of steps, which packs into half the bytes.
fn element(line: &str) -> String {
    let (name, end) = match line {
        _ if line.starts_with("<polyline") => ("<polyline", ""),
        _ if line.starts_with("<polygon") => ("<polygon", "z"),
        _ => return line.to_owned(),
    };
    let Some((head, list)) = line.split_once(" points=\"") else { return line.to_owned() };
    let mut path = String::with_capacity(list.len());
    let mut at: Option<(i32, i32)> = None;
    for point in list.trim_end_matches("/>").trim_end_matches('"').split_ascii_whitespace() {
        let number = |text: &str| text.parse::<i32>().unwrap_or_default();
        let (x, y) = point.split_once(',').map_or((0, 0), |(x, y)| (number(x), number(y)));
        match at {
            None => path = format!("M{x} {y}l"),
            // A minus sign separates as well as a space does.
            Some((from_x, from_y)) => {
                for step in [x - from_x, y - from_y] {
                    if step >= 0 && !path.ends_with('l') {
                        path.push(' ');
                    }
                    path.push_str(&step.to_string());
                }
            }
        }
        at = Some((x, y));
    }
    format!("{} d=\"{path}{end}\"/>", head.replacen(name, "<path", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_become_steps() {
        let drawn = "<svg>\n<polyline fill=\"none\" points=\"10,20 12,15 14,15 \"/>\n<polygon fill=\"x\" points=\"0,0 4,0 4,4 \"/>\n</svg>\n";
        assert_eq!(inner(drawn), "<path fill=\"none\" d=\"M10 20l2-5 2 0\"/><path fill=\"x\" d=\"M0 0l4 0 0 4z\"/>");
    }
}
