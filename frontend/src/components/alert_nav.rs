//! The tabs that the pages about alerts share: what happens, what is kept quiet, who is asked, and what says so.

use leptos::prelude::*;

use crate::model::ShellModel;

/// The pages: name and path.
const PAGES: [(&str, &str); 7] = [
    ("On-call", "/oncall"),
    ("Alerts", "/alerts"),
    ("Silences", "/silences"),
    ("Schedules", "/oncall/schedules"),
    ("Rules", "/rules"),
    ("SLOs", "/slos"),
    ("Runbooks", "/runbooks"),
];

/// Links to the pages about alerts, with the filters that travel. `current` is the path of the page they stand on, or of the one
/// it lies below.
pub(crate) fn alert_nav(shell: &ShellModel, current: &str) -> AnyView {
    let links = PAGES
        .into_iter()
        .map(|(name, path)| {
            let mark = (path == current).then_some("page");
            view! { <a href=shell.url.link(path) aria-current=mark>{name}</a> }
        })
        .collect_view();
    view! { <nav class="hr-tabs" aria-label="Alerts and on-call">{links}</nav> }.into_any()
}
