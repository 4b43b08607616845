//! The list of keyboard shortcuts.

use leptos::prelude::*;

use crate::components::shell::{Frame, document};
use crate::model::ShellModel;

const GENERAL: &[(&[&str], &str)] = &[
    (&["Ctrl", "K"], "search pages, pools and tenants (⌘ K on a Mac)"),
    (&["/"], "search"),
    (&["?"], "this list"),
    (&["Esc"], "close what is open"),
    (&["["], "narrow or widen the navigation"),
    (&["d", "t"], "switch between light and dark"),
    (&["y"], "copy the link that follows time"),
];

const GO: &[(&[&str], &str)] = &[
    (&["g", "o"], "Overview"),
    (&["g", "c"], "On-call"),
    (&["g", "p"], "Pools"),
    (&["g", "t"], "Tenants"),
    (&["g", "r"], "Planner"),
    (&["g", "f"], "Forecast"),
    (&["g", "d"], "Debug"),
];

const RANGE: &[(&[&str], &str)] = &[
    (&["t", "←"], "half a range earlier"),
    (&["t", "→"], "half a range later"),
    (&["t", "z"], "zoom out"),
    (&["t", "+"], "zoom in"),
    (&["t", "u"], "switch between UTC and your zone"),
];

const CHART: &[(&[&str], &str)] = &[
    (&["←"], "one step earlier"),
    (&["→"], "one step later"),
    (&["Home"], "first point"),
    (&["End"], "last point"),
    (&["Enter"], "pin or release the values (a click does the same)"),
    (&["T"], "open the chart's data table"),
];

const SLOTS: &[(&[&str], &str)] = &[
    (&["←", "→", "↑", "↓"], "one box further"),
    (&["Home"], "first box of the row"),
    (&["End"], "last box of the row"),
    (&["PgUp", "PgDn"], "ten rows up or down"),
    (&["]"], "next slot that is leaked, draining, offline or hot"),
    (&["["], "the one before"),
    (&["0–9", "Enter"], "jump to a slot by its number"),
    (&["Enter"], "open the slot"),
];

const PLAN: &[(&[&str], &str)] = &[
    (&["←", "→"], "the bar before or after in time"),
    (&["↑", "↓"], "the row above or below"),
    (&["Enter"], "open the form of the reservation"),
    (&["Space"], "grab the bar: the keys below then change it"),
    (&["m", "s", "e"], "move it, its start, or its end"),
    (&["←", "→"], "one step earlier or later; with Shift ten"),
    (&["↑", "↓"], "one slot more or less; with Shift ten"),
    (&["Enter"], "drop it into the draft"),
    (&["Esc"], "put it back"),
    (&["n"], "new reservation at the focus"),
    (&["c"], "copy of the reservation"),
    (&["Del"], "cancel it in the draft"),
    (&["Ctrl", "Z"], "undo; with Shift redo (⌘ on a Mac)"),
    (&["t"], "open the same plan as a table"),
];

const SHEET: &[(&[&str], &str)] = &[
    (&["←", "→", "↑", "↓"], "the next cell; Home, End, PgUp and PgDn go further"),
    (&["Enter"], "edit the cell, and save it into the draft; F2 or typing edits too"),
    (&["Tab"], "save it and go to the next cell; with Shift the one before"),
    (&["Esc"], "put the cell back"),
    (&["Shift", "Space"], "select the row"),
    (&["Ctrl", "A"], "select all rows that are shown (⌘ on a Mac)"),
    (&["Ctrl", "C"], "copy the cell"),
    (&["Ctrl", "V"], "paste cells of a spreadsheet, right and down from here"),
    (&["Ctrl", "Z"], "undo; with Shift redo"),
];

/// `/help/shortcuts`
pub fn shortcuts(shell: &ShellModel) -> AnyView {
    let state = if shell.shortcuts { "Single keys are on." } else { "Single keys are off." };
    let sub = view! { {state}" "<a href="/me">"Change"</a>". They never work while you type in a field." };
    let frame = Frame { section: Some("Help"), sub: Some(sub.into_any()), ..Frame::plain("Keyboard shortcuts") };
    let content = view! {
        {group("general", "Everywhere", GENERAL)}
        {group("go", "Go to", GO)}
        {group("range", "Range of time", RANGE)}
        {group("chart", "On a focused chart", CHART)}
        {group("slots", "On a focused slot map", SLOTS)}
        {group("plan", "On the planner's timeline", PLAN)}
        {group("sheet", "In the planner's table", SHEET)}
    };
    document(shell, frame, content.into_any())
}

fn group(id: &'static str, title: &'static str, keys: &'static [(&'static [&'static str], &'static str)]) -> AnyView {
    let rows = keys
        .iter()
        .map(|(keys, action)| {
            let keys = keys.iter().map(|key| view! { <kbd>{*key}</kbd>" " }).collect_view();
            view! { <div><dt>{keys}</dt><dd>{*action}</dd></div> }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby=id>
            <div class="hr-card__head"><h2 id=id>{title}</h2></div>
            <dl class="hr-keys">{rows}</dl>
        </section>
    }
    .into_any()
}
