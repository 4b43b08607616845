//! A chart with everything that belongs to it: drawings, words, legend, and the rows that prove it.

use super::describe::describe;
use super::render::{Drawing, draw};
use super::spec::{Annotation, ChartSpec, Line, Mark, Unit};
use super::variant::Variant;
use headroom_domain::Millis;
use std::collections::BTreeMap;

/// A chart at several widths with its words and rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// One drawing per width asked for, in that order.
    pub drawings: Vec<(Variant, Drawing)>,
    /// What the chart shows, in words.
    pub description: String,
    /// What its lines and areas are.
    pub legend: Vec<LegendItem>,
    /// Columns of the data table, after the time.
    pub columns: Vec<Column>,
    /// Rows of the data table in time order: every interval drawn, none reduced.
    pub rows: Vec<Row>,
    /// What happened within the axis, in time order, with the letter it has in the drawing.
    pub annotations: Vec<(String, Annotation)>,
}

/// An entry of the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegendItem {
    /// Name, not escaped.
    pub label: String,
    /// How it is drawn.
    pub mark: LegendMark,
    /// Number of the chart colour, 1 to 6; 0 is grey.
    pub colour: u8,
}

/// How a thing in the legend is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegendMark {
    /// A line, dashed by colour.
    Line,
    /// An envelope or a hatched area.
    Band,
    /// Bars.
    Bar,
    /// A step line.
    Step,
}

/// A column of the data table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub label: String,
    /// How its values are written.
    pub unit: Unit,
}

/// An interval with one value per column.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Start.
    pub from_ms: Millis,
    /// End.
    pub to_ms: Millis,
    /// Values; `None` where nothing was observed.
    pub values: Vec<Option<f64>>,
    /// Whether the interval is still filling.
    pub incomplete: bool,
}

/// Draws a chart at the widths given and collects what belongs to it.
pub fn chart(spec: &ChartSpec, variants: &[Variant]) -> Chart {
    Chart {
        drawings: variants.iter().map(|v| (*v, draw(spec, *v))).collect(),
        description: describe(spec),
        legend: spec.lines.iter().flat_map(legend).collect(),
        columns: spec.lines.iter().flat_map(columns).collect(),
        rows: rows(spec),
        annotations: annotations(spec),
    }
}

/// The letter of the annotation at an index in time order: A, B … Z. Later ones have none.
pub fn letter(index: usize) -> String {
    u8::try_from(index).ok().filter(|i| *i < 26).map_or_else(String::new, |i| char::from(b'A' + i).to_string())
}

fn annotations(spec: &ChartSpec) -> Vec<(String, Annotation)> {
    let mut within: Vec<Annotation> =
        spec.annotations.iter().filter(|a| (spec.from_ms..=spec.to_ms).contains(&a.at_ms)).cloned().collect();
    within.sort_by_key(|a| a.at_ms);
    within.into_iter().enumerate().map(|(i, a)| (letter(i), a)).collect()
}

fn legend(line: &Line) -> Vec<LegendItem> {
    let colour = line.colour.number();
    if line.mark == Mark::Band {
        return vec![LegendItem { label: line.name.clone(), mark: LegendMark::Band, colour }];
    }
    let mark = match line.mark {
        Mark::Line => LegendMark::Line,
        Mark::Step | Mark::HatchedStep => LegendMark::Step,
        Mark::Bars => LegendMark::Bar,
        Mark::Band => LegendMark::Band,
    };
    let band = line.envelope.as_ref().map(|e| LegendItem { label: e.legend.clone(), mark: LegendMark::Band, colour });
    std::iter::once(LegendItem { label: line.name.clone(), mark, colour }).chain(band).collect()
}

fn columns(line: &Line) -> Vec<Column> {
    if line.mark == Mark::Band {
        let edge = |which: &str| Column { label: format!("{}, {which}", line.name), unit: line.unit };
        return vec![edge("from"), edge("to")];
    }
    let upper = line.envelope.as_ref().map(|e| Column { label: e.upper.clone(), unit: e.unit });
    std::iter::once(Column { label: line.name.clone(), unit: line.unit }).chain(upper).collect()
}

fn rows(spec: &ChartSpec) -> Vec<Row> {
    let width = spec.lines.iter().map(|l| columns(l).len()).sum();
    let mut rows: BTreeMap<(Millis, Millis), Row> = BTreeMap::new();
    let mut column = 0;
    for line in &spec.lines {
        for point in &line.points {
            let row = rows.entry((point.from_ms, point.to_ms)).or_insert_with(|| Row {
                from_ms: point.from_ms,
                to_ms: point.to_ms,
                values: vec![None; width],
                incomplete: false,
            });
            row.incomplete |= point.incomplete;
            if line.mark == Mark::Band {
                row.values[column] = point.value.and(point.low);
                row.values[column + 1] = point.value.and(point.high);
                continue;
            }
            row.values[column] = point.value;
            if line.envelope.is_some() {
                row.values[column + 1] = point.value.and(point.high);
            }
        }
        column += columns(line).len();
    }
    rows.into_values().collect()
}
