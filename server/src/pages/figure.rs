//! Charts and heatmaps as pages take them.

use super::answer::{Cell, csv};
use super::visit::Visit;
use crate::app::trend::{Trend, heatmap};
use crate::app::window::Window;
use crate::charts::{self, Annotation, Chart, ChartSpec, Frame, Variant};
use axum::response::Response;
use headroom_domain::Millis;
use headroom_domain::change::ChangeKind;
use headroom_domain::range::rfc3339;
use headroom_domain::series::Series;
use headroom_frontend::model::{
    ChartColumn, ChartModel, ChartRow, ChartVariant, ChartWidth, EventKind, EventRow, HeatmapCell, HeatmapModel,
    HeatmapRow, LegendEntry, LegendMark, PanelState, PlotArea, ShellModel, Unit,
};
use headroom_store::change::Change;

/// Annotations drawn on one chart.
const MOST_ANNOTATIONS: usize = 12;

/// Changes and clock changes of a window as annotations, oldest first.
pub(crate) fn annotations(window: &Window, changes: &[Change]) -> Vec<Annotation> {
    let mut all: Vec<Annotation> = charts::clock_changes(&window.zone, window.from_ms, window.to_ms);
    // Scale events move the capacity line itself; where there are too many changes they explain most.
    let weight = |kind: ChangeKind| match kind {
        ChangeKind::Scale => 0,
        ChangeKind::Swap => 1,
        ChangeKind::Deploy => 2,
        ChangeKind::Config => 3,
    };
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|c| (weight(c.kind), -c.at_ms));
    all.extend(
        changes
            .into_iter()
            .take(MOST_ANNOTATIONS.saturating_sub(all.len()))
            .map(|c| Annotation { at_ms: c.at_ms, text: c.title.clone() }),
    );
    all.sort_by_key(|a| a.at_ms);
    all
}

/// Adds events of the calendar, in the order of time.
pub(crate) fn with_events(mut notes: Vec<Annotation>, events: Vec<(Millis, String)>) -> Vec<Annotation> {
    notes.extend(events.into_iter().map(|(at_ms, text)| Annotation { at_ms, text }));
    notes.sort_by_key(|note| note.at_ms);
    notes
}

/// The frame of a chart over a window.
pub(crate) fn frame<'a>(id: &'a str, title: &'a str, window: &'a Window, annotations: &'a [Annotation]) -> Frame<'a> {
    Frame {
        id,
        title,
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        now_ms: window.now_ms,
        zone: &window.zone,
        annotations,
    }
}

/// A drawn chart as a page's model.
pub(crate) fn model(
    spec: &ChartSpec,
    variants: &[Variant],
    subtitle: String,
    step_ms: Millis,
    csv_href: String,
) -> ChartModel {
    let Chart { drawings, description, legend, columns, rows, annotations } = charts::chart(spec, variants);
    let empty = rows.iter().all(|r| r.values.iter().all(Option::is_none));
    ChartModel {
        id: spec.id.clone(),
        title: spec.title.clone(),
        subtitle,
        description,
        variants: drawings
            .into_iter()
            .filter_map(|(variant, drawing)| {
                Some(ChartVariant {
                    width: match variant {
                        Variant::Mini => return None,
                        Variant::Compact => ChartWidth::Compact,
                        Variant::Medium => ChartWidth::Medium,
                        Variant::Wide => ChartWidth::Wide,
                        Variant::Full => ChartWidth::Full,
                    },
                    svg: drawing.svg,
                    plot: PlotArea {
                        left: drawing.plot.left,
                        right: drawing.plot.right,
                        top: drawing.plot.top,
                        bottom: drawing.plot.bottom,
                    },
                })
            })
            .collect(),
        legend: legend
            .into_iter()
            .map(|l| LegendEntry {
                label: l.label,
                mark: match l.mark {
                    charts::LegendMark::Line => LegendMark::Line,
                    charts::LegendMark::Band => LegendMark::Band,
                    charts::LegendMark::Bar => LegendMark::Bar,
                    charts::LegendMark::Step => LegendMark::Step,
                },
                colour: l.colour,
            })
            .collect(),
        from_ms: spec.from_ms,
        to_ms: spec.to_ms,
        step_ms,
        columns: columns
            .into_iter()
            .map(|c| ChartColumn {
                label: c.label,
                unit: match c.unit {
                    charts::Unit::Ratio => Unit::Ratio,
                    charts::Unit::Slots => Unit::Slots,
                    charts::Unit::MeanSlots => Unit::MeanSlots,
                    charts::Unit::Count => Unit::Count,
                    charts::Unit::Millis => Unit::Millis,
                    charts::Unit::Number => Unit::Number,
                },
            })
            .collect(),
        rows: rows
            .into_iter()
            .map(|r| ChartRow { from_ms: r.from_ms, values: r.values, incomplete: r.incomplete })
            .collect(),
        annotations: annotations
            .into_iter()
            .map(|(letter, a)| EventRow {
                at_ms: a.at_ms,
                kind: EventKind::Note,
                text: a.text,
                actor: None,
                href: None,
                letter: letter.chars().next(),
            })
            .collect(),
        csv_href,
        state: if empty {
            PanelState::Empty { text: "Nothing was observed in this window.".into(), action: None }
        } else {
            PanelState::Ready
        },
    }
}

/// A chart's data table as CSV: the same rows, times in UTC and in the shown zone.
pub(crate) fn chart_csv(shell: &ShellModel, name: &str, chart: &ChartModel) -> Response {
    let labels: Vec<String> = chart.columns.iter().map(|c| c.label.to_lowercase().replace(' ', "_")).collect();
    let mut header = vec!["from_utc", "from_local"];
    header.extend(labels.iter().map(String::as_str));
    let rows = chart.rows.iter().map(|row| {
        let mut cells = vec![Cell::Own(rfc3339(row.from_ms)), Cell::Own(local(shell, row.from_ms))];
        cells.extend(row.values.iter().map(|v| Cell::Float(*v)));
        cells
    });
    csv(shell, name, &header, rows)
}

/// An instant as the shown zone's wall clock.
pub(crate) fn local(shell: &ShellModel, at: Millis) -> String {
    shell.zone.local(at).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The address of a table of this page as CSV.
pub(crate) fn csv_href(visit: &Visit, shell: &ShellModel, table: &str) -> String {
    shell.url.replace(&visit.path, &[("format", "csv"), ("table", table)])
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Peaks by weekday and hour as a page's model.
pub(crate) fn heat(
    id: &str,
    title: &str,
    window: &Window,
    trend: &Trend,
    csv_href: String,
    counts_claims: bool,
) -> HeatmapModel {
    let cells = heatmap(&trend.series, &window.zone);
    let highest = cells.iter().flatten().filter_map(|c| c.peak).fold(0.0, f64::max);
    HeatmapModel {
        id: id.to_owned(),
        title: title.to_owned(),
        subtitle: format!("highest {} in that hour, {}", resolution(&trend.series), window.zone.name()),
        columns: (0..24).map(|h: u32| h.to_string()).collect(),
        rows: cells
            .iter()
            .zip(WEEKDAYS)
            .map(|(day, label)| HeatmapRow {
                label: label.to_owned(),
                cells: day
                    .iter()
                    .map(|c| HeatmapCell {
                        peak: c.peak,
                        mean: c.sums.occupancy(),
                        rejections: (counts_claims && c.sums.observed_ms > 0).then_some(c.sums.rejections),
                    })
                    .collect(),
            })
            .collect(),
        scale: (0.0, highest.max(1.0)),
        csv_href,
        state: if trend.series.total().observed_ms == 0 {
            PanelState::Empty { text: "Nothing was observed in this window.".into(), action: None }
        } else {
            PanelState::Ready
        },
    }
}

/// What a stored point is, in words.
pub(crate) fn resolution(series: &Series) -> &'static str {
    match series.step_ms {
        60_000 => "1-min average",
        300_000 => "5-min average",
        _ => "1-h average",
    }
}

/// A heatmap's cells as CSV.
pub(crate) fn heat_csv(shell: &ShellModel, name: &str, heat: &HeatmapModel) -> Response {
    let rows = heat.rows.iter().flat_map(|row| {
        row.cells.iter().zip(&heat.columns).map(|(cell, hour)| {
            vec![
                Cell::Own(row.label.clone()),
                Cell::Own(hour.clone()),
                Cell::Float(cell.peak),
                Cell::Float(cell.mean),
                Cell::Int(cell.rejections),
            ]
        })
    });
    csv(shell, name, &["weekday", "hour_local", "peak_occupancy", "mean_occupancy", "rejections"], rows)
}

/// At most 60 evenly spaced values of a series for a spark line.
pub(crate) fn spark(
    series: &Series,
    value: impl Fn(&headroom_domain::occupancy::Sums) -> Option<f64>,
) -> Vec<Option<f64>> {
    const MOST: usize = 60;
    let n = series.points.len();
    let per = n.div_ceil(MOST).max(1);
    series.points.chunks(per).map(|part| value(&part.iter().sum())).collect()
}

/// Rows of a timeline as CSV.
pub(crate) fn events_csv(shell: &ShellModel, name: &str, events: &[EventRow]) -> Response {
    let text = |cell: &Option<String>| Cell::Text(cell.clone().unwrap_or_default());
    let rows = events.iter().map(|e| {
        vec![
            Cell::Own(rfc3339(e.at_ms)),
            Cell::Own(local(shell, e.at_ms)),
            Cell::Own(e.kind.word().to_owned()),
            Cell::Text(e.text.clone()),
            text(&e.actor),
            text(&e.href),
        ]
    });
    csv(shell, name, &["at_utc", "at_local", "kind", "text", "actor", "url"], rows)
}

/// A change as a row of a timeline.
pub(crate) fn event(change: &Change) -> EventRow {
    EventRow {
        at_ms: change.at_ms,
        kind: match change.kind {
            ChangeKind::Deploy => EventKind::Deploy,
            ChangeKind::Swap => EventKind::Swap,
            ChangeKind::Scale => EventKind::Scale,
            ChangeKind::Config => EventKind::Configuration,
        },
        text: change.title.clone(),
        actor: Some(change.actor.clone()).filter(|a| !a.is_empty()),
        href: Some(change.url.clone()).filter(|u| !u.is_empty()),
        letter: None,
    }
}
