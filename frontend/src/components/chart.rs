//! A chart panel: drawing, legend, what happened meanwhile, and the rows that prove it.

use headroom_domain::{format, range};
use leptos::prelude::*;

use super::events::chart_notes;
use super::icon::icon;
use super::state::panel;
use super::value::in_unit;
use crate::model::{ChartModel, ChartVariant, ChartWidth, LegendEntry, LegendMark, ShellModel, SmallMultiple};

/// A chart in its own card.
pub(crate) fn chart_card(shell: &ShellModel, chart: &ChartModel) -> AnyView {
    let heading = format!("{}-title", chart.id);
    view! {
        <section class="hr-card" aria-labelledby=heading.clone() id=chart.id.clone()>
            <div class="hr-card__head">
                <h2 id=heading.clone()>{chart.title.clone()}</h2>
                <span class="hr-card__sub">{chart.subtitle.clone()}</span>
            </div>
            {panel(shell, &chart.state, || chart_body(shell, chart))}
        </section>
    }
    .into_any()
}

fn chart_body(shell: &ShellModel, chart: &ChartModel) -> AnyView {
    view! {
        {legend(&chart.legend)}
        {figure(chart)}
        {chart_notes(shell, &chart.annotations)}
        {data(shell, chart)}
    }
    .into_any()
}

/// The drawings; the style sheet shows the widest one that fits. The browser's crosshair reads the `data-*` attributes and
/// the table of the same panel.
fn figure(chart: &ChartModel) -> AnyView {
    let mut variants: Vec<&ChartVariant> = chart.variants.iter().collect();
    variants.sort_by_key(|variant| variant.width.size().0);
    let paper = variants
        .iter()
        .rev()
        .find(|variant| variant.width.size().0 <= ChartWidth::Medium.size().0)
        .or(variants.first())
        .map(|variant| variant.width);
    let drawings = variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            let mut class = format!("hr-chart__v hr-chart__v--{}", variant.width.slug());
            if index > 0 {
                class += &format!(" hr-from-{}", variant.width.slug());
            }
            if let Some(next) = variants.get(index + 1) {
                class += &format!(" hr-until-{}", next.width.slug());
            }
            if paper == Some(variant.width) {
                class += " hr-chart__v--print";
            }
            let plot = variant.plot;
            let edges = format!("{} {} {} {}", plot.left, plot.right, plot.top, plot.bottom);
            view! { <div class=class data-plot=edges aria-hidden="true" inner_html=variant.svg.clone()></div> }
        })
        .collect_view();
    let label = format!("{}. {}", chart.title, chart.description);
    view! {
        <figure class="hr-chart" data-from=chart.from_ms data-to=chart.to_ms data-step=chart.step_ms>
            <div class="hr-chart__draw" role="img" tabindex="0" aria-label=label>{drawings}</div>
        </figure>
    }
    .into_any()
}

fn legend(entries: &[LegendEntry]) -> Option<AnyView> {
    if entries.is_empty() {
        return None;
    }
    let items = entries
        .iter()
        .map(|entry| {
            view! {
                <li>
                    <svg class=format!("hr-c{}", entry.colour.min(6)) viewBox="0 0 24 10" aria-hidden="true" inner_html=sample(entry)></svg>
                    {entry.label.clone()}
                </li>
            }
        })
        .collect_view();
    Some(view! { <ul class="hr-legend">{items}</ul> }.into_any())
}

/// A sample of how a series is drawn: the same dash as on the chart, so that grey prints can be read.
fn sample(entry: &LegendEntry) -> String {
    let dash = match entry.colour {
        2 => "6 3",
        3 => "2 2",
        4 => "8 3 2 3",
        5 => "4 4",
        6 => "1 3",
        _ => "none",
    };
    match entry.mark {
        LegendMark::Line => {
            format!(r#"<path d="M0 5H24" stroke="currentColor" stroke-width="2" stroke-dasharray="{dash}"/>"#)
        }
        LegendMark::Step => {
            format!(
                r#"<path d="M0 8H10V2H24" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="{dash}"/>"#
            )
        }
        LegendMark::Band => r#"<path d="M0 0H24V10H0Z" fill="currentColor" opacity=".3"/>"#.to_owned(),
        LegendMark::Bar => r#"<path d="M3 10V4H8V10ZM10 10V0H15V10ZM17 10V6H22V10Z" fill="currentColor"/>"#.to_owned(),
    }
}

/// The rows of a chart: the same as its CSV.
fn data(shell: &ShellModel, chart: &ChartModel) -> AnyView {
    let heads = chart
        .columns
        .iter()
        .map(|column| view! { <th scope="col" class="hr-num">{column.label.clone()}</th> })
        .collect_view();
    let rows = chart
        .rows
        .iter()
        .map(|row| {
            let cells = row
                .values
                .iter()
                .zip(&chart.columns)
                .map(|(value, column)| {
                    let text = value.map_or_else(|| format::UNKNOWN.to_owned(), |value| in_unit(value, column.unit));
                    view! { <td class="hr-num">{text}</td> }
                })
                .collect_view();
            let mut when = format::date_time(shell.zone.local(row.from_ms));
            // Seconds are noise on intervals of minutes and more.
            if chart.step_ms >= 60_000 {
                when.truncate(when.len() - 3);
            }
            if row.incomplete {
                when.push_str(" (so far)");
            }
            view! { <tr data-t=row.from_ms><th scope="row" class="hr-nowrap">{when}</th>{cells}</tr> }
        })
        .collect_view();
    let (offset_text, zone) = (shell.zone.offset_text(chart.to_ms), shell.zone.name().to_owned());
    let caption = format!(
        "{}, per {}, {} to {}, {zone} ({offset_text}). A dash is a gap: nothing was measured.",
        chart.title,
        format::duration(chart.step_ms),
        range::rfc3339(chart.from_ms),
        range::rfc3339(chart.to_ms),
    );
    view! {
        <details class="hr-data">
            <summary>{icon(shell, "chevron-right")}{format!("Show data ({} rows)", format::count(chart.rows.len() as i64))}</summary>
            <div class="hr-data__table" role="group" tabindex="0" aria-label=format!("Data of {}", chart.title)>
                <table class="hr-table hr-table--tight">
                    <caption class="hr-vh">{caption}</caption>
                    <thead><tr><th scope="col">{format!("From ({zone})")}</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <p class="hr-data__links">
                <a href=chart.csv_href.clone() download="">{icon(shell, "download")}" These rows as CSV"</a>
            </p>
        </details>
    }
    .into_any()
}

/// A grid of small charts with the same axes.
pub(crate) fn multiples(charts: &[SmallMultiple]) -> AnyView {
    let cells = charts
        .iter()
        .map(|chart| {
            view! {
                <li class="hr-card hr-multiple">
                    <h2><a href=chart.link.href.clone()>{chart.link.label.clone()}</a></h2>
                    <div class="hr-multiple__draw" role="img" aria-label=chart.description.clone() inner_html=chart.svg.clone()></div>
                    <p class="hr-card__sub">{chart.description.clone()}</p>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="hr-multiples">{cells}</ul> }.into_any()
}
