//! Charts: data in, SVG out.
//!
//! [`ChartSpec`] says what to draw, [`draw`] draws it at one of the widths of [`Variant`]. Everything here is a pure
//! function and byte-identical for equal input, so that a drawing can be cached, compared and tested. The same points
//! feed the drawing, its description and its data table ([`chart`]), so the three cannot disagree.
//!
//! Colours are never written: plotters draws with sentinel colours (`ink`) that become `var(--hr-…)` afterwards, so
//! one drawing serves both themes. Text keeps its size because every width is drawn 1:1.

mod backdrop;
mod describe;
mod from_buckets;
mod gaps;
mod ink;
mod labels;
mod layout;
mod marks;
mod pen;
mod reduce;
mod render;
mod scale;
mod sound;
mod sparkline;
mod spec;
mod table;
mod text;
mod ticks;
mod variant;
mod words;

#[cfg(test)]
mod tests;

pub use describe::describe;
pub use from_buckets::{
    Frame, SignalSample, claims, clock_changes, occupancy, occupancy_lines, rejections, signal, slots, with_prior,
};
pub use layout::PlotArea;
pub use render::{Drawing, draw, render};
pub use sparkline::sparkline;
pub use spec::{Annotation, Axis, ChartSpec, Colour, Envelope, Level, Line, Mark, Point, Threshold, Unit};
pub use table::{Chart, Column, LegendItem, LegendMark, Row, chart, letter};
pub use variant::Variant;
