//! From a [`ChartSpec`] to an `<svg>`.
//!
//! Two drawings become one: lines and areas in quarter pixels, and text in whole ones on top of them.

use super::describe::words;
use super::ink::{FINE, property, settle};
use super::labels::Labels;
use super::layout::{Layout, PlotArea};
use super::pen::{Pen, inner};
use super::sound::sound;
use super::spec::{ChartSpec, Mark};
use super::text::{clean, escape};
use super::variant::Variant;

/// A finished chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The `<svg>` element.
    pub svg: String,
    /// Where its axes are.
    pub plot: PlotArea,
    /// Estimated boxes of all texts: left, top, right, bottom in CSS pixels.
    #[cfg(test)]
    pub(super) boxes: Vec<(f64, f64, f64, f64)>,
}

/// Draws a chart at one width. Only the `<svg>`; [`draw`] also tells where the axes are.
pub fn render(spec: &ChartSpec, variant: Variant) -> String {
    draw(spec, variant).svg
}

/// Draws a chart at one width.
pub fn draw(spec: &ChartSpec, variant: Variant) -> Drawing {
    let spec = &sound(spec);
    let layout = Layout::new(spec, variant);
    let id = layout.id();
    let (width_px, height_px) = variant.size();

    let mut fine = String::new();
    let pen = Pen::fine(&mut fine, variant.size());
    layout.background(&pen);
    let missing = layout.missing(&pen);
    for line in layout.lines.iter().rev() {
        layout.envelope(&pen, line);
    }
    for line in layout.lines.iter().filter(|l| l.mark == Mark::Bars) {
        layout.bars(&pen, line);
    }
    for line in layout.lines.iter().rev().filter(|l| !matches!(l.mark, Mark::Bars | Mark::Band)) {
        layout.line(&pen, line);
    }
    layout.rules(&pen);
    pen.done();

    let mut labels = Labels::on(variant.size());
    let mut coarse = String::new();
    let pen = Pen::coarse(&mut coarse, variant.size());
    layout.badges(&pen, &mut labels);
    layout.value_words(&mut labels);
    layout.time_words(&mut labels);
    layout.margin_words(&mut labels);
    layout.gap_words(&missing, &mut labels);
    labels.placed().iter().for_each(|l| pen.text(l));
    pen.done();

    let hatch = |name: &str, ink: &str, width: &str| {
        let size = 6 * FINE;
        format!(
            "<pattern id=\"{id}-{name}\" width=\"{size}\" height=\"{size}\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <path d=\"M0 0V{size}\" stroke=\"var({ink})\" stroke-width=\"{width}\"/></pattern>"
        )
    };
    let gap_hatch = if missing.is_empty() { String::new() } else { hatch("gap", "--hr-border-strong", "5") };
    let set_apart = spec.lines.iter().find(|l| l.mark == Mark::HatchedStep);
    let set_hatch = set_apart.map_or_else(String::new, |l| hatch("set", &property(l.colour), "4"));
    let scale_back = 1.0 / f64::from(FINE);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hr-chart\" width=\"{width_px}\" height=\"{height_px}\" \
         viewBox=\"0 0 {width_px} {height_px}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" font-family=\"var(--hr-font)\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc><defs>{gap_hatch}{set_hatch}</defs>\
         <g transform=\"scale({scale_back})\">{}</g><g>{}</g></svg>",
        escape(&clean(&spec.title)),
        escape(&words(spec)),
        inner(&fine),
        inner(&coarse),
    );
    Drawing {
        svg: settle(&svg, &id),
        plot: layout.plot(),
        #[cfg(test)]
        boxes: labels
            .placed()
            .iter()
            .map(super::text::Label::bounds)
            .map(|b| (b.left, b.top, b.right, b.bottom))
            .collect(),
    }
}
