//! A trend the size of a word.

use super::ink::{FINE, Ink, settle};
use super::pen::{Pen, inner};
use super::scale::written;
use super::spec::{Axis, Colour, Unit};
use super::text::escape;

/// Width and height in CSS pixels.
const SIZE: (i32, i32) = (120, 32);
/// Most values drawn: one per pixel.
const MOST: usize = 120;
/// Room for the end dot.
const MARGIN: f64 = 4.0;

/// 120 × 32: values from left to right, gaps where there are none, a dot at the last one. Its title says least,
/// greatest and last. The height is the values' own range, so it shows shape and not size.
pub fn sparkline(values: &[Option<f64>], unit: Unit) -> String {
    let values: Vec<Option<f64>> = values.iter().map(|v| v.filter(|v| v.is_finite() && v.abs() < 1e15)).collect();
    let observed = || values.iter().copied().flatten();
    let (least, greatest) = (observed().reduce(f64::min), observed().reduce(f64::max));
    let word = |v: f64| written(v, unit, &Axis::Number { unit: String::new() });
    let title = match (least, greatest, observed().next_back()) {
        (Some(least), Some(greatest), Some(last)) => {
            format!("least {}, greatest {}, last {}", word(least), word(greatest), word(last))
        }
        _ => "no data".to_owned(),
    };

    let mut fine = String::new();
    let pen = Pen::fine(&mut fine, SIZE);
    let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let (least, greatest) = (least.unwrap_or(0.0), greatest.unwrap_or(0.0));
    let drawn = thin(&values);
    let x = |i: usize| MARGIN + i as f64 / (drawn.len().max(2) - 1) as f64 * (width - 2.0 * MARGIN);
    let y = |v: f64| {
        let share = if greatest > least { (v - least) / (greatest - least) } else { 0.5 };
        height - MARGIN - share * (height - 2.0 * MARGIN)
    };
    let points: Vec<Option<(f64, f64)>> = drawn.iter().enumerate().map(|(i, v)| v.map(|v| (x(i), y(v)))).collect();
    for run in points.chunk_by(|a, b| a.is_some() && b.is_some()) {
        let run: Vec<(f64, f64)> = run.iter().copied().flatten().collect();
        if let [alone] = run[..] {
            pen.dot(alone, 1.0, Ink::Fill(Colour::One));
        }
        pen.line(&run, 1.5, Ink::Stroke(Colour::One));
    }
    if let Some(last) = points.iter().rev().flatten().next() {
        pen.dot(*last, 2.5, Ink::Fill(Colour::One));
    }
    pen.done();
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hr-spark\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\
         <title>{}</title><g transform=\"scale({})\">{}</g></svg>",
        escape(&title),
        1.0 / f64::from(FINE),
        inner(&fine),
        w = SIZE.0,
        h = SIZE.1,
    );
    settle(&svg, "spark")
}

/// At most [`MOST`] values: of each stretch its average, and missing only if all of it is. The last value stays as it is.
fn thin(values: &[Option<f64>]) -> Vec<Option<f64>> {
    if values.len() <= MOST {
        return values.to_vec();
    }
    let (last, rest) = (values[values.len() - 1], &values[..values.len() - 1]);
    let chunk = rest.len().div_ceil(MOST - 1);
    let average = |part: &[Option<f64>]| {
        let seen: Vec<f64> = part.iter().copied().flatten().collect();
        (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
    };
    rest.chunks(chunk).map(average).chain([last]).collect()
}
