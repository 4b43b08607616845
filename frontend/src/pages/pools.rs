//! The list of pools: as a table with bars, or as small charts on one scale.

use headroom_domain::{format, pool::PoolKind};
use leptos::prelude::*;

use super::forecast::full_in;
use crate::components::bar::{Bullet, bullet};
use crate::components::chart::multiples;
use crate::components::icon::icon;
use crate::components::shell::{Frame, document, scope_text};
use crate::components::state::{button_link, panel};
use crate::components::table::{Head, carry, heads, pager};
use crate::components::value::{ago, count, level, peak_text, percent, unknown};
use crate::model::{Level, PoolRow, PoolsModel, ShellModel, Unit};
use crate::url::pool_path;

const COLUMNS: &[Head] = &[
    Head::text("pool", "Pool"),
    Head::number("slots", "Slots"),
    Head::text("occupancy", "Occupied now"),
    Head::number("peak", "Peak"),
    Head::text("", "State"),
    Head::number("free", "Free"),
    Head::number("reserved", "Reserved, idle"),
    Head::number("rejected", "Rejected"),
    Head::text("", "Full in"),
    Head::text("owner", "Owner"),
];

/// `/pools`
pub fn pools(shell: &ShellModel, model: &PoolsModel) -> AnyView {
    let new = shell
        .plans()
        .then(|| button_link(shell, "hr-btn hr-btn--primary", "plus", "New pool", "/pools/new".to_owned()));
    let actions = new.into_iter().collect();
    let frame = Frame { sub: Some(scope_text(shell).into_any()), actions, ..Frame::data("Pools") };
    let content = view! {
        {tools(shell, model)}
        {if model.as_multiples { as_multiples(shell, model) } else { as_table(shell, model) }}
    };
    document(shell, frame, content.into_any())
}

/// What the list shows, as a sentence.
fn sentence(shell: &ShellModel, model: &PoolsModel) -> String {
    let noun = if model.total == 1 { "pool" } else { "pools" };
    let mut text = format!("{} {noun}", format::count(model.total));
    if !model.table.q.is_empty() {
        text += &format!(" matching “{}”", model.table.q);
    }
    if let Some(kind) = model.kind {
        text += &format!(" of kind {}", kind.as_str());
    }
    if !model.owner.is_empty() {
        text += &format!(" owned by {}", model.owner);
    }
    let sorted = COLUMNS.iter().find(|column| column.id == model.table.sort).map_or("name", |column| column.label);
    text += &format!(", sorted by {}", sorted.to_lowercase());
    if let Some(capacity) = model.capacity {
        text += &format!(". {} slots", format::count(capacity));
    }
    if let Some(occupancy) = model.occupancy {
        text += &format!(", {} occupied now", format::percent(occupancy));
    }
    text += &format!(". Peaks and rejections: {}.", shell.filters.window());
    text
}

fn tools(shell: &ShellModel, model: &PoolsModel) -> AnyView {
    let kinds = PoolKind::ALL
        .iter()
        .map(|kind| {
            view! { <option value=kind.as_str() selected=model.kind == Some(*kind)>{kind.label()}</option> }
        })
        .collect_view();
    let table = shell.url.replace(&shell.path, &[("view", "")]);
    let charts = shell.url.replace(&shell.path, &[("view", "multiples")]);
    let filtered = !model.table.q.is_empty() || model.kind.is_some() || !model.owner.is_empty() || model.with_archived;
    let more = if model.kind.is_some() || !model.owner.is_empty() || model.with_archived {
        "hr-pop hr-pop--active"
    } else {
        "hr-pop"
    };
    let clear = filtered.then(|| {
        let href = shell.url.replace(&shell.path, &[("q", ""), ("kind", ""), ("owner", ""), ("archived", "")]);
        view! { <a class="hr-btn hr-btn--quiet" href=href>"Clear"</a> }
    });
    view! {
        <div class="hr-tools">
            <form class="hr-tools" method="get" action=shell.path.clone() role="search" aria-label="Filter pools">
                {carry(shell, &["q", "kind", "owner", "archived"])}
                <input class="hr-input" style="inline-size:16rem" type="search" name="q" value=model.table.q.clone() placeholder="Filter by name…" aria-label="Name contains"/>
                <details class=more>
                    <summary>"More"{icon(shell, "chevron-down")}</summary>
                    <div class="hr-pop__panel hr-form__group">
                        <div class="hr-field">
                            <label for="filter-kind">"Kind"</label>
                            <select class="hr-input" id="filter-kind" name="kind">
                                <option value="">"All kinds"</option>
                                {kinds}
                            </select>
                        </div>
                        <div class="hr-field">
                            <label for="filter-owner">"Owner"</label>
                            <input class="hr-input" id="filter-owner" name="owner" value=model.owner.clone() autocomplete="off"/>
                        </div>
                        <label class="hr-check"><input type="checkbox" name="archived" value="1" checked=model.with_archived/>"Archived pools too"</label>
                        <button class="hr-btn hr-btn--primary" type="submit">"Apply"</button>
                    </div>
                </details>
                <button class="hr-btn" type="submit">{icon(shell, "filter")}"Filter"</button>
                {clear}
            </form>
            <div class="hr-tools__end">
                <nav class="hr-seg" aria-label="View">
                    <a href=table aria-current=(!model.as_multiples).then_some("true")>{icon(shell, "table-2")}"Table"</a>
                    <a href=charts aria-current=model.as_multiples.then_some("true")>{icon(shell, "layout-grid")}"Charts"</a>
                </nav>
            </div>
        </div>
    }
    .into_any()
}

fn as_multiples(shell: &ShellModel, model: &PoolsModel) -> AnyView {
    let body = || {
        view! {
            <p class="hr-muted">{sentence(shell, model)}" All charts have the same axis: average and peak band, 0–100\u{202F}%."</p>
            {multiples(&model.multiples)}
            {pager(shell, &model.table, model.multiples.len())}
        }
        .into_any()
    };
    panel(shell, &model.state, body)
}

fn as_table(shell: &ShellModel, model: &PoolsModel) -> AnyView {
    let body = || {
        let rows = model.rows.iter().map(|row| pool_row(shell, row)).collect_view();
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{sentence(shell, model)}</caption>
                        {heads(shell, &model.table, COLUMNS)}
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(shell, &model.table, model.rows.len())}
            </div>
        }
        .into_any()
    };
    panel(shell, &model.state, body)
}

fn pool_row(shell: &ShellModel, row: &PoolRow) -> AnyView {
    let href = shell.url.link(&pool_path(&row.pool.slug));
    let mut about = vec![row.kind.label().to_owned()];
    about.extend(row.region.clone());
    if row.archived {
        about.push("archived".to_owned());
    }
    let peak = row.peak.map(|peak| peak.value);
    let now = row.occupancy.map_or_else(|| format::UNKNOWN.to_owned(), format::percent);
    let mut spoken = format!("{now} of capacity now");
    if let Some(peak) = row.peak {
        spoken += &format!(", {}", peak_text(shell, peak, Unit::Ratio));
    }
    let measure = Bullet { value: row.occupancy, peak, mark: None, stale: row.stale };
    let free = row.capacity.zip(row.occupied).map(|(capacity, occupied)| capacity - occupied);
    let state = if row.stale {
        let seen = row.as_of_ms.map(|at| ago(shell, at));
        view! { <span class="hr-level hr-level--unknown" title="A live source that missed three periods">{icon(shell, "clock")}"no data, last "{seen}</span> }.into_any()
    } else {
        level(shell, Level::of(row.occupancy))
    };
    let owner = match &row.owner {
        Some(owner) => owner.clone().into_any(),
        None => {
            view! { <span class="hr-level hr-level--warn" title="Nobody to call when it is full">"no owner"</span> }
                .into_any()
        }
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <a href=href>{row.pool.name.clone()}</a>
                <small>{about.join(" · ")}</small>
            </th>
            <td class="hr-num" data-label="Slots">{count(row.capacity, "no capacity is known")}</td>
            <td class="hr-wide-cell">
                <span class="hr-barline">
                    {bullet(&format!("Occupancy of {}", row.pool.name), measure, &spoken)}
                    <span class=if row.stale { "hr-num hr-stale" } else { "hr-num" }>{now}</span>
                </span>
            </td>
            <td class="hr-num" data-label="Peak">{percent(peak, "no samples in this window")}</td>
            <td data-label="State">{state}</td>
            <td class="hr-num" data-label="Free">{count(free, "no current value")}</td>
            <td class="hr-num" data-label="Reserved, idle">{count(row.reserved_idle, "no reservations are known")}</td>
            <td class="hr-num" data-label="Rejected">{rejected(row)}</td>
            <td data-label="Full in"><a href=shell.url.link(&format!("/forecast/{}", row.pool.slug))>{full_in(shell, &row.full)}</a></td>
            <td data-label="Owner">{owner}</td>
        </tr>
    }
    .into_any()
}

fn rejected(row: &PoolRow) -> AnyView {
    let Some(rejected) = row.rejected else {
        return unknown("its source does not report claims");
    };
    let rate = row.claims.and_then(|claims| format::per_10k(rejected, claims));
    view! { <span title=rate>{format::count(rejected)}</span> }.into_any()
}
