//! Events of slots, one line each. The browser's stream writes the same lines.

use headroom_domain::{format, range};
use leptos::prelude::*;

use super::slot_map::slot_path;
use crate::live::{event_words, kind_class};
use crate::model::{LogRow, ShellModel};
use crate::url::encode;

/// The page of a trace.
pub(crate) fn trace_path(trace: &str) -> String {
    format!("/debug/claims/{}", encode(trace))
}

/// What else there is to say about an event.
fn details(row: &LogRow) -> String {
    event_words(&row.kind, [&row.tenant, &row.holder, &row.reason], row.wait_ms, row.work_ms)
}

/// Events, newest first. `fixed` keeps the list's height, so that new lines move nothing.
pub(crate) fn log_list(shell: &ShellModel, rows: &[LogRow], fixed: bool, label: &'static str) -> AnyView {
    let debugs = shell.viewer.as_ref().is_some_and(|viewer| viewer.debugs);
    let items = rows
        .iter()
        .map(|row| {
            let local = shell.zone.local(row.at_ms);
            let when = format!("{}.{:03}", format::time(local), row.at_ms.rem_euclid(1_000));
            let slot = row.slot.map(|slot| {
                view! { <a href=slot_path(&row.pool, slot)>{format!("#{slot}")}</a> }
            });
            let trace = (debugs && !row.trace.is_empty()).then(|| {
                let short: String = row.trace.chars().take(8).collect();
                view! { <a class="hr-mono" href=trace_path(&row.trace)>{short}</a> }
            });
            view! {
                <li>
                    <time class="hr-log__when" datetime=range::rfc3339(row.at_ms) title=format::date_time(local)>{when}</time>
                    <span class=kind_class(&row.kind)>{row.kind.clone()}</span>
                    <span class="hr-log__what">{slot}<span>{details(row)}</span>{trace}</span>
                </li>
            }
        })
        .collect_view();
    if fixed {
        view! {
            <div class="hr-log" role="log" aria-live="off" tabindex="0" aria-label=label>
                <ol class="hr-log__list" data-log="" data-ticks="">{items}</ol>
            </div>
        }
        .into_any()
    } else {
        view! { <ol class="hr-log__list">{items}</ol> }.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_why_and_how_long() {
        let row = LogRow {
            id: 1,
            at_ms: 0,
            pool: "a".into(),
            kind: "reject".into(),
            slot: None,
            tenant: "acme".into(),
            holder: String::new(),
            reason: "full".into(),
            work_ms: None,
            wait_ms: Some(800),
            trace: String::new(),
        };
        assert_eq!(details(&row).replace(format::NNBSP, " "), "acme · full · waited 800 ms");
        let kept_out = LogRow { kind: "stale".into(), reason: "renew".into(), wait_ms: None, ..row.clone() };
        assert_eq!(details(&kept_out), "acme · tried to renew what it had lost");
        assert_eq!(kind_class(&row.kind), "hr-pill hr-pill--crit");
        assert_eq!(kind_class("stale"), "hr-pill hr-pill--warn", "somebody acted on what was no longer theirs");
    }
}
