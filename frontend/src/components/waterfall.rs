//! The steps of a claim on one axis of time: a table whose last column is drawn.

use leptos::prelude::*;

use crate::live::micros;
use crate::model::{SpanRow, TraceModel};

/// The steps. `axis` is the range that the bars are drawn on, microseconds after the claim was asked, so that two traces can share one.
pub(crate) fn waterfall(trace: &TraceModel, axis: (i64, i64), id: &str) -> AnyView {
    let span = (axis.1 - axis.0).max(1) as f64;
    let rows = trace.spans.iter().map(|row| span_row(row, axis.0, span)).collect_view();
    let skew = trace.skewed.then(|| {
        view! { <p class="hr-card__foot">"Two clocks disagree: steps of another machine may seem to begin too early."</p> }
    });
    let label = format!("Steps of claim {}", trace.trace);
    view! {
        <div class="hr-scroll" role="group" tabindex="0" aria-label=label.clone()>
            <table class="hr-table hr-table--tight hr-fall" id=id.to_owned()>
                <caption class="hr-vh">{label.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Step"</th>
                        <th scope="col" class="hr-num">"Took"</th>
                        <th scope="col">"When"</th>
                        <th scope="col">"What came of it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {skew}
    }
    .into_any()
}

fn span_row(row: &SpanRow, from: i64, span: f64) -> AnyView {
    let start = ((row.start_us - from) as f64 / span).clamp(0.0, 1.0);
    let width = (row.duration_us as f64 / span).clamp(0.0, 1.0 - start);
    let style = format!("--s:{start:.4};--w:{width:.4}");
    let class = if row.failed { "hr-fall__bar hr-fall__bar--failed" } else { "hr-fall__bar" };
    let spoken = format!("begins after {}, takes {}", micros(row.start_us as f64), micros(row.duration_us as f64));
    let note = if row.failed && row.note.is_empty() { "failed".to_owned() } else { row.note.clone() };
    view! {
        <tr>
            <th scope="row"><code style=format!("padding-inline-start:{}px", u32::from(row.depth) * 14)>{row.name.clone()}</code></th>
            <td class="hr-num">{micros(row.duration_us as f64)}</td>
            <td class="hr-fall__cell"><span class=class style=style role="img" aria-label=spoken></span></td>
            <td>{note}</td>
        </tr>
    }
    .into_any()
}
