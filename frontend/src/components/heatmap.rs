//! Heatmaps as tables: the colour is the peak of the cell, the number is in the cell for everyone else.

use headroom_domain::format;
use leptos::prelude::*;

use super::icon::icon;
use super::state::panel;
use crate::model::{HeatmapCell, HeatmapModel, ShellModel};

const STEPS: u8 = 9;

/// A heatmap in its own card.
pub(crate) fn heatmap_card(shell: &ShellModel, heatmap: &HeatmapModel) -> AnyView {
    let heading = format!("{}-title", heatmap.id);
    view! {
        <section class="hr-card" aria-labelledby=heading.clone() id=heatmap.id.clone()>
            <div class="hr-card__head">
                <h2 id=heading.clone()>{heatmap.title.clone()}</h2>
                <span class="hr-card__sub">{heatmap.subtitle.clone()}</span>
            </div>
            {panel(shell, &heatmap.state, || body(shell, heatmap))}
        </section>
    }
    .into_any()
}

fn body(shell: &ShellModel, heatmap: &HeatmapModel) -> AnyView {
    // Every fourth hour is labelled for the eye; every column has its full name for assistive technology.
    let labelled_every = if heatmap.columns.len() > 12 { 4 } else { 1 };
    let heads = heatmap
        .columns
        .iter()
        .enumerate()
        .map(|(index, label)| {
            if index % labelled_every == 0 {
                view! { <th scope="col">{label.clone()}</th> }.into_any()
            } else {
                view! { <th scope="col"><span class="hr-vh">{label.clone()}</span></th> }.into_any()
            }
        })
        .collect_view();
    let rows = heatmap
        .rows
        .iter()
        .map(|row| {
            let cells = row
                .cells
                .iter()
                .zip(&heatmap.columns)
                .map(|(cell, column)| cell_view(heatmap, *cell, &row.label, column))
                .collect_view();
            view! { <tr><th scope="row">{row.label.clone()}</th>{cells}</tr> }
        })
        .collect_view();
    let steps = (1..=STEPS).map(|step| view! { <i class=format!("hr-q{step}")></i> }).collect_view();
    let (low, high) = heatmap.scale;
    let any_over = heatmap.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.peak.is_some_and(|peak| peak > 1.0));
    view! {
        <div class="hr-heat" role="group" tabindex="0" aria-label=heatmap.title.clone()>
            <table>
                <caption class="hr-vh">{format!("{}: {}", heatmap.title, heatmap.subtitle)}</caption>
                <thead><tr><th scope="col"><span class="hr-vh">"Day"</span></th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="hr-scale">
            <span>{format::percent(low)}</span>
            <span class="hr-scale__steps" aria-hidden="true">{steps}</span>
            <span>{format!("{}, fixed scale in {STEPS} steps", format::percent(high))}</span>
            {any_over.then_some("· hatched: above 100\u{202F}%")}
            <a href=heatmap.csv_href.clone() download="">{icon(shell, "download")}" CSV"</a>
        </p>
    }
    .into_any()
}

fn cell_view(heatmap: &HeatmapModel, cell: HeatmapCell, row: &str, column: &str) -> AnyView {
    let Some(peak) = cell.peak else {
        let title = format!("{row} {column}: nothing was measured");
        return view! { <td data-q="0" title=title><span class="hr-vh">"unknown"</span></td> }.into_any();
    };
    let mut title = format!("{row} {column}: peak {}", format::percent(peak));
    if let Some(mean) = cell.mean {
        title += &format!(", average {}", format::percent(mean));
    }
    if let Some(rejections) = cell.rejections.filter(|rejections| *rejections > 0) {
        title += &format!(", {} claims rejected", format::count(rejections));
    }
    let over = (peak > 1.0).then_some("");
    view! {
        <td data-q=step_of(peak, heatmap.scale).to_string() data-over=over title=title>
            <span class="hr-vh">{format::percent(peak)}</span>
        </td>
    }
    .into_any()
}

/// The colour step of a value on the stated scale, 1–9.
fn step_of(value: f64, (low, high): (f64, f64)) -> u8 {
    let span = if high > low { high - low } else { 1.0 };
    let position = ((value - low) / span).clamp(0.0, 1.0);
    ((position * f64::from(STEPS)).floor() as u8 + 1).min(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_the_scale_and_beyond() {
        assert_eq!(step_of(0.0, (0.0, 1.0)), 1);
        assert_eq!(step_of(0.5, (0.0, 1.0)), 5);
        assert_eq!(step_of(1.0, (0.0, 1.0)), 9);
        assert_eq!(step_of(1.7, (0.0, 1.0)), 9);
        assert_eq!(step_of(0.3, (0.4, 1.0)), 1);
        assert_eq!(step_of(0.3, (0.4, 0.4)), 1);
    }
}
