//! The filter chips: each is a popover with a GET form or links, complete without scripts.

use headroom_domain::format;
use leptos::prelude::*;

use super::icon::icon;
use super::table::carry;
use crate::model::{Compare, Named, ShellModel};

/// From this many choices on, a picker is a text field with suggestions instead of a list of checkboxes.
const LIST_LIMIT: i64 = 50;

/// All chips that this page honours.
pub(crate) fn filters(shell: &ShellModel) -> AnyView {
    let honoured = shell.filters.honoured;
    let model = &shell.filters;
    let pools =
        honoured.pool.then(|| picker(shell, "pool", "pools", &model.pools, model.pools_total, &shell.url.pools));
    let tenants = honoured
        .tenant
        .then(|| picker(shell, "tenant", "tenants", &model.tenants, model.tenants_total, &shell.url.tenants));
    let stamps = (honoured.stamp && !model.stamps.is_empty())
        .then(|| picker(shell, "stamp", "stamps", &model.stamps, model.stamps.len() as i64, &shell.url.stamps));
    view! {
        <div class="hr-filters" role="group" aria-label="Filters">
            {pools}
            {tenants}
            {stamps}
            {range_chip(shell)}
            {honoured.compare.then(|| compare_chip(shell))}
        </div>
    }
    .into_any()
}

/// What is chosen, in words: "All pools", "ingress-eu", "3 pools".
pub(crate) fn choice_text(plural: &str, choices: &[Named], selected: &[String]) -> String {
    match selected {
        [] => format!("All {plural}"),
        [one] => {
            choices.iter().find(|choice| choice.slug == *one).map_or_else(|| one.clone(), |choice| choice.name.clone())
        }
        many => format!("{} {plural}", many.len()),
    }
}

fn picker(
    shell: &ShellModel,
    key: &'static str,
    plural: &'static str,
    choices: &[Named],
    total: i64,
    selected: &[String],
) -> AnyView {
    let class = if selected.is_empty() { "hr-pop" } else { "hr-pop hr-pop--active" };
    let box_for = |slug: String, name: String, checked: bool| {
        view! {
            <label>
                <input type="checkbox" name=key value=slug checked=checked/>
                {name}
            </label>
        }
    };
    let body = if total <= LIST_LIMIT {
        let boxes = choices
            .iter()
            .map(|choice| box_for(choice.slug.clone(), choice.name.clone(), selected.contains(&choice.slug)))
            .collect_view();
        view! { <div class="hr-menu">{boxes}</div> }.into_any()
    } else {
        let kept = selected.iter().map(|slug| box_for(slug.clone(), slug.clone(), true)).collect_view();
        let options = choices
            .iter()
            .map(|choice| view! { <option value=choice.slug.clone()>{choice.name.clone()}</option> })
            .collect_view();
        let (field, list) = (format!("filter-{key}"), format!("filter-{key}-list"));
        view! {
            <div class="hr-menu">{kept}</div>
            <div class="hr-field">
                <label for=field.clone()>{format!("Add one of {} {plural}", format::count(total))}</label>
                <input class="hr-input" id=field.clone() name=key list=list.clone() autocomplete="off"/>
                <datalist id=list.clone()>{options}</datalist>
            </div>
        }
        .into_any()
    };
    let clear = (!selected.is_empty()).then(|| {
        let href = shell.url.replace(&shell.path, &[(key, "")]);
        view! { <a class="hr-btn hr-btn--quiet" href=href>{format!("All {plural}")}</a> }
    });
    view! {
        <details class=class>
            <summary>{choice_text(plural, choices, selected)}{icon(shell, "chevron-down")}</summary>
            <form class="hr-pop__panel" method="get" action=shell.path.clone()>
                {carry(shell, &[key])}
                {body}
                <div class="hr-pop__foot">
                    {clear}
                    <button class="hr-btn hr-btn--primary" type="submit">"Apply"</button>
                </div>
            </form>
        </details>
    }
    .into_any()
}

const QUICK: [(&str, &str); 8] = [
    ("now-1h", "Last hour"),
    ("now-6h", "Last 6 h"),
    ("now-24h", "Last 24 h"),
    ("now-7d", "Last 7 d"),
    ("now-30d", "Last 30 d"),
    ("now-45d", "Last 45 d"),
    ("now-90d", "Last 90 d"),
    ("now-365d", "Last 365 d"),
];

/// The range in words: `last 45 d`, or both ends.
pub(crate) fn range_text(shell: &ShellModel) -> String {
    let model = &shell.filters;
    if model.to_raw == "now" && model.from_raw.starts_with("now-") {
        return format!(
            "Last {}",
            model.from_raw.trim_start_matches("now-").replace(['s', 'm', 'h', 'd', 'w'], "")
                + &format!("{}{}", format::NNBSP, model.from_raw.chars().last().unwrap_or('d'))
        );
    }
    format!(
        "{} – {}",
        super::value::day_time_text(shell, model.from_ms),
        super::value::day_time_text(shell, model.to_ms)
    )
}

fn range_chip(shell: &ShellModel) -> AnyView {
    let model = &shell.filters;
    let zone = shell.zone.name().to_owned();
    let with_range = model.honoured.range;
    let label = if with_range { format!("{} · {zone}", range_text(shell)) } else { zone.clone() };
    let quick = with_range.then(|| {
        let links = QUICK
            .into_iter()
            .map(|(from, label)| {
                let href = shell.url.replace(&shell.path, &[("from", from), ("to", "now")]);
                let current = (model.to_raw == "now" && model.from_raw == from).then_some("true");
                view! { <a href=href aria-current=current>{label}</a> }
            })
            .collect_view();
        view! { <div class="hr-menu hr-menu--two">{links}</div><hr/> }
    });
    let ends = with_range.then(|| {
        view! {
            <div class="hr-form__row">
                <div class="hr-field">
                    <label for="filter-from">"From"</label>
                    <input class="hr-input" id="filter-from" name="from" value=model.from_raw.clone() autocomplete="off" spellcheck="false" aria-describedby="filter-range-help"/>
                </div>
                <div class="hr-field">
                    <label for="filter-to">"To"</label>
                    <input class="hr-input" id="filter-to" name="to" value=model.to_raw.clone() autocomplete="off" spellcheck="false" aria-describedby="filter-range-help"/>
                </div>
            </div>
            <p class="hr-field__help" id="filter-range-help">
                "now, now-45d (units s m h d w) or a UTC time such as 2026-11-21T08:00:00Z; at most 400 days."
            </p>
        }
    });
    let zones = model.zones.iter().map(|zone| view! { <option value=zone.clone()></option> }).collect_view();
    view! {
        <details class="hr-pop" data-chip="range">
            <summary>{icon(shell, "clock")}{label}{icon(shell, "chevron-down")}</summary>
            <div class="hr-pop__panel hr-pop__panel--wide">
                {quick}
                <form class="hr-form__group" method="get" action=shell.path.clone()>
                    {carry(shell, if with_range { &["from", "to", "tz"] } else { &["tz"] })}
                    {ends}
                    <div class="hr-field">
                        <label for="filter-tz">"Time zone"</label>
                        <input class="hr-input" id="filter-tz" name="tz" value=zone.clone() list="filter-tz-list" autocomplete="off" spellcheck="false"/>
                        <datalist id="filter-tz-list">{zones}</datalist>
                    </div>
                    <div class="hr-pop__foot">
                        <button class="hr-btn hr-btn--primary" type="submit">"Apply"</button>
                    </div>
                </form>
            </div>
        </details>
    }
    .into_any()
}

fn compare_chip(shell: &ShellModel) -> AnyView {
    let current = shell.filters.compare;
    let links = Compare::ALL
        .into_iter()
        .map(|compare| {
            let value = if compare == Compare::default() { "" } else { compare.slug() };
            let href = shell.url.replace(&shell.path, &[("cmp", value)]);
            view! { <a href=href aria-current=(compare == current).then_some("true")>{compare.label()}</a> }
        })
        .collect_view();
    let label = match current {
        Compare::Previous => "vs prior".to_owned(),
        Compare::None => "No comparison".to_owned(),
        other => format!("vs {}", other.label().trim_start_matches("a ")),
    };
    view! {
        <details class="hr-pop">
            <summary>{label}{icon(shell, "chevron-down")}</summary>
            <div class="hr-pop__panel hr-menu">
                <span class="hr-menu__note">"Compare with"</span>
                {links}
            </div>
        </details>
    }
    .into_any()
}
