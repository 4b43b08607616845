//! Debugging: claims one by one, events as they come, leases, moves, and which node serves what.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::chart::chart_card;
use crate::components::icon::icon;
use crate::components::live::{Listening, listen};
use crate::components::log::{log_list, trace_path};
use crate::components::shell::{Frame, document, scope_text};
use crate::components::state::{empty, panel};
use crate::components::table::carry;
use crate::components::value::{ago, instant};
use crate::components::waterfall::waterfall;
use crate::islands::{AnswerBoxes, EventStream};
use crate::live::micros;
use crate::model::{
    Affinity, AnswerMap, ChosenBox, ClaimRow, ClaimTraceModel, DebugModel, EVENT_KINDS, LeaseBar, Link, ShellModel,
    TraceModel,
};
use crate::url::{pool_path, with_query};

/// `/debug`
pub fn debug(shell: &ShellModel, model: &DebugModel) -> AnyView {
    let heading = match &model.pool {
        Some(pool) => format!("Debug · {} · {}", pool.name, shell.filters.window()),
        None => "Debug".to_owned(),
    };
    let frame = Frame { section: Some("Debug"), sub: Some(scope_text(shell).into_any()), ..Frame::data(heading) };
    if model.pool.is_none() {
        let action = Link { label: "All pools".into(), href: shell.url.link("/pools") };
        let text = "No pool is tracked yet, so there are no claims to look at.";
        let content =
            view! { <section class="hr-card" aria-label="Claims">{empty(shell, text, Some(&action))}</section> };
        return document(shell, frame, content.into_any());
    }
    let pool = model.pool.as_ref().map(|pool| pool.slug.clone()).unwrap_or_default();
    let trace = model.trace.as_ref().map(|trace| trace_card(shell, trace, answer_axis(trace), "trace"));
    let content = view! {
        {listen(shell, Listening { topics: "live,log", pool, refreshes: false })}
        <nav class="hr-tabs" aria-label="Parts of this page">
            <a href="#answers">"Claims"</a>
            <a href="#events">"Events"</a>
            <a href="#leases">"Leases"</a>
            <a href="#moves">"Moves"</a>
            <a href="#affinity">"Affinity"</a>
        </nav>
        {filter_form(shell, model)}
        <div class="hr-grid hr-grid--side">
            {answer_map(shell, model.answers.as_ref())}
            {different(shell, model)}
        </div>
        <div class="hr-grid hr-grid--side">
            {chart_card(shell, &model.latency)}
            {claims(shell, &model.claims)}
        </div>
        {trace}
        <div class="hr-grid hr-grid--half">
            {events(shell, model)}
            {leases(shell, model)}
        </div>
        {chart_card(shell, &model.moves)}
        {affinity(shell, &model.affinity)}
    };
    document(shell, frame, content.into_any())
}

fn filter_form(shell: &ShellModel, model: &DebugModel) -> AnyView {
    let filter = &model.filter;
    let pools = model
        .pools
        .iter()
        .map(|pool| {
            let chosen = model.pool.as_ref().is_some_and(|chosen| chosen.slug == pool.slug);
            view! { <option value=pool.slug.clone() selected=chosen>{pool.name.clone()}</option> }
        })
        .collect_view();
    let kinds = EVENT_KINDS
        .into_iter()
        .map(|kind| view! { <option value=kind selected=filter.kind == kind>{kind}</option> })
        .collect_view();
    let any = [&filter.kind, &filter.tenant, &filter.slot, &filter.text].into_iter().any(|text| !text.is_empty());
    let clear = any.then(|| {
        let href = shell.url.replace(&shell.path, &[("kind", ""), ("who", ""), ("slot", ""), ("q", "")]);
        view! { <a class="hr-btn hr-btn--quiet" href=href>"Clear"</a> }
    });
    let field = |id: &'static str, label: &'static str, value: &str, mode: &'static str| {
        view! {
            <div class="hr-field">
                <label for=id>{label}</label>
                <input class="hr-input" id=id name=id value=value.to_owned() inputmode=mode autocomplete="off" spellcheck="false"/>
            </div>
        }
    };
    view! {
        <form class="hr-tools hr-tools--fields" method="get" action=shell.path.clone() role="search" aria-label="Filter claims and events">
            {carry(shell, &["pool", "kind", "who", "slot", "q", "box"])}
            <div class="hr-field">
                <label for="debug-pool">"Pool"</label>
                <select class="hr-input" id="debug-pool" name="pool">{pools}</select>
            </div>
            <div class="hr-field">
                <label for="debug-kind">"Event"</label>
                <select class="hr-input" id="debug-kind" name="kind"><option value="">"All kinds"</option>{kinds}</select>
            </div>
            {field("who", "Tenant", &filter.tenant, "text")}
            {field("slot", "Slot", &filter.slot, "numeric")}
            {field("q", "Holder, node or trace", &filter.text, "text")}
            <button class="hr-btn" type="submit">{icon(shell, "filter")}"Filter"</button>
            {clear}
        </form>
    }
    .into_any()
}

/// Stands for the box in the address that chooses one.
const ANY_BOX: &str = "999999999";

/// Answered claims by time and latency. Each filled cell is a link that chooses it; with a script, dragging chooses several.
fn answer_map(shell: &ShellModel, map: Option<&AnswerMap>) -> AnyView {
    let body = match map {
        Some(map) => answer_table(shell, map),
        None => view! { <p class="hr-muted">"No claim was answered in this range."</p> }.into_any(),
    };
    view! {
        <section class="hr-card" aria-labelledby="answers-title" id="answers">
            <div class="hr-card__head">
                <h2 id="answers-title">"Claims by how long they waited"</h2>
                <span class="hr-card__sub">"from a claim to its decision; choose a part to compare it with the rest"</span>
            </div>
            {body}
        </section>
    }
    .into_any()
}

fn answer_table(shell: &ShellModel, map: &AnswerMap) -> AnyView {
    let most = map.claims.iter().flatten().copied().max().unwrap_or_default().max(1);
    let time = |at: i64| shell.zone.local(at).format("%H:%M:%S").to_string();
    let address = |value: &str| shell.url.replace(&shell.path, &[("box", value)]) + "#answers";
    let labelled_every = map.columns.len().div_ceil(6).max(1);
    let heads = map
        .columns
        .iter()
        .enumerate()
        .map(|(column, at)| {
            let text = time(*at);
            let short = text.get(..5).unwrap_or_default().to_owned();
            if column % labelled_every == 0 {
                view! { <th scope="col" class="hr-answers__time">{short}</th> }.into_any()
            } else {
                view! { <th scope="col"><span class="hr-vh">{text}</span></th> }.into_any()
            }
        })
        .collect_view();
    let is_chosen = |row: usize, column: usize| {
        map.chosen.as_ref().is_some_and(|chosen| {
            (chosen.columns.0..=chosen.columns.1).contains(&column) && (chosen.rows.0..=chosen.rows.1).contains(&row)
        })
    };
    // Seconds stand above milliseconds.
    let rows = map
        .rows
        .iter()
        .zip(&map.claims)
        .enumerate()
        .rev()
        .map(|(row, (name, claims))| {
            let cells = claims
                .iter()
                .zip(&map.columns)
                .enumerate()
                .map(|(column, (count, at))| {
                    let chosen = is_chosen(row, column).then_some("");
                    if *count == 0 {
                        return view! { <td data-row=row data-column=column data-chosen=chosen></td> }.into_any();
                    }
                    // Few claims have to be told from none, so the steps are those of a logarithm.
                    let step = (((*count as f64).ln_1p() / (most as f64).ln_1p()) * 9.0).ceil().clamp(1.0, 9.0);
                    let href = address(&format!("{at}-{}.{row}-{row}", at + map.step_ms));
                    let title = format!("{} claims, {name}, from {}", format::count(*count), time(*at));
                    view! {
                        <td data-row=row data-column=column data-chosen=chosen data-q=step.to_string() title=title>
                            <a href=href draggable="false"><span class="hr-vh">{format::count(*count)}</span></a>
                        </td>
                    }
                    .into_any()
                })
                .collect_view();
            view! { <tr><th scope="row">{name.clone()}</th>{cells}</tr> }
        })
        .collect_view();
    let steps = (1..=9).map(|step| view! { <i class=format!("hr-q{step}")></i> }).collect_view();
    let starts = map.columns.first().copied().unwrap_or_default();
    view! {
        <div
            class="hr-heat hr-answers"
            role="group"
            tabindex="0"
            aria-labelledby="answers-title"
            data-answers=address(ANY_BOX)
            data-any=ANY_BOX
            data-start=starts
            data-step=map.step_ms
        >
            <table>
                <caption class="hr-vh">{format!("Answered claims by time, per {}, and by how long the answer took", format::duration(map.step_ms))}</caption>
                <thead><tr><th scope="col"><span class="hr-vh">"Time to the answer"</span></th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="hr-scale">
            <span>"1"</span>
            <span class="hr-scale__steps" aria-hidden="true">{steps}</span>
            <span>{format!("{} claims per {}", format::count(most), format::duration(map.step_ms))}</span>
        </p>
        {box_form(shell, map)}
        <AnswerBoxes/>
    }
    .into_any()
}

/// Choosing a part without a pointer.
fn box_form(shell: &ShellModel, map: &AnswerMap) -> AnyView {
    let last_column = map.columns.len().saturating_sub(1);
    let (columns, rows) = map
        .chosen
        .as_ref()
        .map_or(((0, last_column), (0, map.rows.len().saturating_sub(1))), |chosen| (chosen.columns, chosen.rows));
    let time = |at: i64| shell.zone.local(at).format("%H:%M:%S").to_string();
    let times = |chosen: usize, shift: i64| {
        let option = |(index, at): (usize, &i64)| {
            view! { <option value=at + shift selected=index == chosen>{time(at + shift)}</option> }
        };
        map.columns.iter().enumerate().map(option).collect_view()
    };
    let ranges = |chosen: usize| {
        let option = |(index, name): (usize, &String)| {
            view! { <option value=index selected=index == chosen>{name.clone()}</option> }
        };
        map.rows.iter().enumerate().map(option).collect_view()
    };
    view! {
        <details class="hr-data">
            <summary>{icon(shell, "chevron-right")}"Choose a part by its edges"</summary>
            <form class="hr-tools hr-tools--fields" method="get" action=format!("{}#answers", shell.path)>
                {carry(shell, &["box"])}
                <div class="hr-field"><label for="box-from">"From"</label><select class="hr-input" id="box-from" name="from_ms">{times(columns.0, 0)}</select></div>
                <div class="hr-field"><label for="box-to">"Until"</label><select class="hr-input" id="box-to" name="to_ms">{times(columns.1, map.step_ms)}</select></div>
                <div class="hr-field"><label for="box-low">"Fastest"</label><select class="hr-input" id="box-low" name="low">{ranges(rows.0)}</select></div>
                <div class="hr-field"><label for="box-high">"Slowest"</label><select class="hr-input" id="box-high" name="high">{ranges(rows.1)}</select></div>
                <button class="hr-btn" type="submit">"Compare"</button>
            </form>
        </details>
    }
    .into_any()
}

/// What claims in the box have more often than the others.
fn different(shell: &ShellModel, model: &DebugModel) -> AnyView {
    let chosen = model.answers.as_ref().and_then(|map| map.chosen.as_ref());
    let body = match chosen {
        None => view! { <p class="hr-muted">"No part of the map is chosen. Choose a cell, or drag over several."</p> }
            .into_any(),
        Some(chosen) if chosen.inside == 0 => {
            view! { <p class="hr-muted">"No claim was answered in this part."</p> }.into_any()
        }
        Some(chosen) if chosen.differences.is_empty() => {
            view! { <p class="hr-muted">"Nothing is more frequent here than in the rest."</p> }.into_any()
        }
        Some(chosen) => differences(chosen),
    };
    let counts = chosen.map(|chosen| {
        let (inside, outside) = (format::count(chosen.inside), format::count(chosen.outside));
        let clear = shell.url.replace(&shell.path, &[("box", "")]) + "#answers";
        view! {
            <span class="hr-card__sub">
                <span class="hr-dot">{format!("{inside} claims against {outside}")}</span>
                <span class="hr-dot"><a href=clear>"Clear"</a></span>
            </span>
        }
    });
    view! {
        <section class="hr-card" aria-labelledby="different-title" id="different">
            <div class="hr-card__head"><h2 id="different-title">"What is different in the box"</h2>{counts}</div>
            {body}
        </section>
    }
    .into_any()
}

fn differences(chosen: &ChosenBox) -> AnyView {
    let share = |part: i64, whole: i64| {
        if whole > 0 { format::percent(part as f64 / whole as f64) } else { format::UNKNOWN.to_owned() }
    };
    let rows = chosen
        .differences
        .iter()
        .map(|one| {
            view! {
                <tr>
                    <th scope="row" class="hr-wraps">{format!("{} = {}", one.what, one.value)}</th>
                    <td class="hr-num">{share(one.inside, chosen.inside)}</td>
                    <td class="hr-num">{share(one.outside, chosen.outside)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <table class="hr-table hr-table--plain hr-table--tight">
            <caption class="hr-vh">"What claims in the chosen part have more often than the rest"</caption>
            <thead><tr><th scope="col">"What"</th><th scope="col" class="hr-num">"In the box"</th><th scope="col" class="hr-num">"The rest"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

fn claims(shell: &ShellModel, rows: &[ClaimRow]) -> AnyView {
    let body = if rows.is_empty() {
        view! { <p class="hr-muted">"No claim was slow or rejected in this range."</p> }.into_any()
    } else {
        let rows = rows
            .iter()
            .map(|row| {
                let class =
                    if row.rejected { "hr-level hr-level--crit hr-wraps" } else { "hr-level hr-level--warn hr-wraps" };
                let short: String = row.trace.chars().take(8).collect();
                view! {
                    <tr>
                        <th scope="row" class="hr-table__name">
                            <a class="hr-mono" href=trace_path(&row.trace)>{short}</a>
                            <small>{row.tenant.clone()}" · "{ago(shell, row.at_ms)}</small>
                        </th>
                        <td><span class=class>{row.outcome.clone()}</span></td>
                        <td class="hr-num">{micros(row.total_us as f64)}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="hr-keeps hr-keeps--tall" role="group" tabindex="0" aria-labelledby="claims-title">
                <table class="hr-table hr-table--plain">
                    <caption class="hr-vh">"Claims that were slow or rejected, newest first"</caption>
                    <thead><tr><th scope="col">"Trace"</th><th scope="col">"Outcome"</th><th scope="col" class="hr-num">"Took"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="claims-title">
            <div class="hr-card__head"><h2 id="claims-title">"Slow or rejected"</h2><span class="hr-card__sub">"newest first"</span></div>
            {body}
        </section>
    }
    .into_any()
}

/// The axis on which the steps of an answer are seen: a slot that is held for minutes afterwards only begins on it.
fn answer_axis(trace: &TraceModel) -> (i64, i64) {
    (0, trace.total_us + (trace.total_us / 8).max(1))
}

/// When the last step ends, microseconds after the claim was asked.
fn end_of(trace: &TraceModel) -> i64 {
    trace.spans.iter().map(|span| span.start_us + span.duration_us).fold(trace.total_us, i64::max)
}

fn trace_card(shell: &ShellModel, trace: &TraceModel, axis: (i64, i64), id: &'static str) -> AnyView {
    let heading = format!("{id}-title");
    let class = if trace.rejected { "hr-level hr-level--crit" } else { "hr-level hr-level--ok" };
    let short: String = trace.trace.chars().take(8).collect();
    let which = if id == "twin" { "The other claim" } else { "Claim" };
    view! {
        <section class="hr-card" aria-labelledby=heading.clone() id=format!("{id}-card")>
            <div class="hr-card__head">
                <h2 id=heading.clone()>
                    {format!("{which} {short} · {} · ", micros(trace.total_us as f64))}
                    <span class=class>{trace.outcome.clone()}</span>
                </h2>
                <span class="hr-card__sub">
                    <span class="hr-dot">{trace.tenant.clone()}</span>
                    <span class="hr-dot">{instant(shell, trace.at_ms)}</span>
                    <span class="hr-dot"><a href=trace_path(&trace.trace)>"This trace alone"</a></span>
                </span>
            </div>
            {waterfall(trace, axis, id)}
        </section>
    }
    .into_any()
}

fn events(shell: &ShellModel, model: &DebugModel) -> AnyView {
    let offset_ms = {
        let local = shell.zone.local(shell.now_ms).and_utc().timestamp_millis();
        local - shell.now_ms
    };
    let pool = model.pool.as_ref().map(|pool| pool.slug.clone()).unwrap_or_default();
    let body = || {
        view! {
            <div class="hr-tools">
                <EventStream
                    kind=model.filter.kind.clone()
                    tenant=model.filter.tenant.clone()
                    number=model.filter.slot.clone()
                    text=model.filter.text.clone()
                    pool=pool
                    offset_ms=offset_ms
                    icons=shell.assets.icons.clone()
                />
            </div>
            {log_list(shell, &model.events, true, "Events, newest first")}
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="events-title" id="events">
            <div class="hr-card__head"><h2 id="events-title">"Events"</h2><span class="hr-card__sub">"newest first"</span></div>
            {panel(shell, &model.events_state, body)}
        </section>
    }
    .into_any()
}

fn leases(shell: &ShellModel, model: &DebugModel) -> AnyView {
    let most = model.leases.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let rows = model.leases.iter().map(|bar| lease_bar(bar, most)).collect_view();
    let past: i64 = model.leases.iter().filter(|bar| bar.past).map(|bar| bar.count).sum();
    let reclaim = (past > 0).then(|| {
        let pool = model.pool.as_ref().map(|pool| pool.slug.clone()).unwrap_or_default();
        let map = with_query(&pool_path(&pool), &[("tab", "map"), ("state", "leaked")]);
        let act = shell.operates().then(|| {
            let href = with_query(&super::act::act_path(&pool, crate::model::SlotAction::Reclaim), &[("slots", "leaked")]);
            view! { <a class="hr-btn hr-btn--small" href=href>"Preview reclaim"</a> }
        });
        view! { <p class="hr-form__foot hr-card__foot"><a href=map>{format!("{} past their end", format::count(past))}</a>{act}</p> }
    });
    let body = if model.leases.is_empty() {
        view! { <p class="hr-muted">"No lease is held."</p> }.into_any()
    } else {
        view! {
            <table class="hr-table hr-table--plain hr-table--tight hr-hist">
                <caption class="hr-vh">"Leases by the time they have left"</caption>
                <thead><tr><th scope="col">"Left"</th><th scope="col"><span class="hr-vh">"Bar"</span></th><th scope="col" class="hr-num">"Leases"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="leases-title" id="leases">
            <div class="hr-card__head"><h2 id="leases-title">"Lease time left"</h2><span class="hr-card__sub">"all leases of the pool"</span></div>
            {body}
            {reclaim}
        </section>
    }
    .into_any()
}

fn lease_bar(bar: &LeaseBar, most: i64) -> AnyView {
    let class = if bar.past { "hr-hist__bar hr-hist__bar--past" } else { "hr-hist__bar" };
    let style = format!("--w:{:.4}", bar.count as f64 / most as f64);
    view! {
        <tr>
            <th scope="row">{bar.label.clone()}</th>
            <td class="hr-hist__cell"><span class=class style=style></span></td>
            <td class="hr-num">{format::count(bar.count)}</td>
        </tr>
    }
    .into_any()
}

/// Rows are nodes, columns shards. The number is in each cell, so the colour is never alone.
fn affinity(shell: &ShellModel, model: &Affinity) -> AnyView {
    let body = if model.nodes.is_empty() || model.shards.is_empty() {
        view! { <p class="hr-muted">"No slot says on which node it is, or which shard it serves."</p> }.into_any()
    } else {
        let heads = model.shards.iter().map(|shard| view! { <th scope="col">{shard.clone()}</th> }).collect_view();
        let rows = model
            .nodes
            .iter()
            .zip(&model.share)
            .map(|(node, shares)| {
                let cells = shares.iter().map(|share| affinity_cell(*share)).collect_view();
                view! { <tr><th scope="row">{node.clone()}</th>{cells}</tr> }
            })
            .collect_view();
        view! {
            <div class="hr-heat hr-affinity" role="group" tabindex="0" aria-labelledby="affinity-title">
                <table>
                    <caption class="hr-vh">"Part of each shard's slots on each node, in percent"</caption>
                    <thead><tr><th scope="col">"Node"</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let table = (!model.nodes.is_empty() && !model.shards.is_empty()).then(|| affinity_table(shell, model));
    let preferred =
        model.on_preferred.map(|share| format!("{} of the slots are where they prefer to be", format::percent(share)));
    view! {
        <section class="hr-card" aria-labelledby="affinity-title" id="affinity">
            <div class="hr-card__head">
                <h2 id="affinity-title">"Node affinity"</h2>
                <span class="hr-card__sub">{preferred.unwrap_or_else(|| "percent of a shard's slots on a node".to_owned())}</span>
            </div>
            {body}
            {table}
        </section>
    }
    .into_any()
}

/// The same as rows, for whoever reads rather than looks.
fn affinity_table(shell: &ShellModel, model: &Affinity) -> AnyView {
    let rows = model.nodes.iter().zip(&model.share).flat_map(|(node, shares)| {
        let known = model.shards.iter().zip(shares).filter_map(|(shard, share)| Some((shard, share.filter(|share| *share > 0.0)?)));
        known.map(move |(shard, share)| {
            view! { <tr><th scope="row">{node.clone()}</th><td>{shard.clone()}</td><td class="hr-num">{format::percent(share)}</td></tr> }
        })
    });
    let rows = rows.collect_view();
    view! {
        <details class="hr-data">
            <summary>{icon(shell, "chevron-right")}"Show as table"</summary>
            <div class="hr-data__table" role="group" tabindex="0" aria-label="Shards by node">
                <table class="hr-table hr-table--tight">
                    <caption class="hr-vh">"Part of each shard's slots on each node"</caption>
                    <thead><tr><th scope="col">"Node"</th><th scope="col">"Shard"</th><th scope="col" class="hr-num">"Of its slots"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
    .into_any()
}

fn affinity_cell(share: Option<f64>) -> AnyView {
    let Some(share) = share else {
        return view! { <td data-q="0"><span class="hr-vh">"no slots"</span></td> }.into_any();
    };
    if share <= 0.0 {
        // Nothing is left empty for the eye: what there is stands out.
        return view! { <td><span class="hr-vh">"0"</span></td> }.into_any();
    }
    let step = ((share.clamp(0.0, 1.0) * 9.0).ceil() as u8).clamp(1, 9);
    view! { <td data-q=step.to_string()><span class="hr-affinity__n">{format::decimal(share * 100.0, 0)}</span></td> }
        .into_any()
}

/// `/debug/claims/{trace}`
pub fn claim_trace(shell: &ShellModel, model: &ClaimTraceModel) -> AnyView {
    let trace = &model.trace;
    let short: String = trace.trace.chars().take(8).collect();
    let sub = view! {
        <span class="hr-dot"><a href=shell.url.link(&pool_path(&trace.pool.slug))>{trace.pool.name.clone()}</a></span>
        <span class="hr-dot">{trace.tenant.clone()}</span>
        <span class="hr-dot">{trace.outcome.clone()}</span>
        <span class="hr-dot">{micros(trace.total_us as f64)}</span>
        <span class="hr-dot">{instant(shell, trace.at_ms)}</span>
    };
    let frame = Frame {
        section: Some("Debug"),
        sub: Some(sub.into_any()),
        crumbs: vec![Link { label: "Debug".into(), href: shell.url.link("/debug") }],
        ..Frame::plain(format!("Claim {short}"))
    };
    // Two claims for one slot are read on one axis: who came first, and who still held it, is the whole question.
    let axis = match &model.twin {
        None => answer_axis(trace),
        Some(twin) => {
            let shift = (twin.at_ms - trace.at_ms) * 1_000;
            (shift.min(0), end_of(trace).max(shift + end_of(twin)))
        }
    };
    let twin = model.twin.as_ref().map(|twin| {
        let shift = (twin.at_ms - trace.at_ms) * 1_000;
        trace_card(shell, twin, (axis.0 - shift, axis.1 - shift), "twin")
    });
    let events = if model.events.is_empty() {
        view! { <p class="hr-muted">"No event carries this trace."</p> }.into_any()
    } else {
        log_list(shell, &model.events, false, "Events of this claim")
    };
    let content = view! {
        {trace_card(shell, trace, axis, "trace")}
        {twin}
        <section class="hr-card" aria-labelledby="claim-events">
            <div class="hr-card__head"><h2 id="claim-events">"Events"</h2><span class="hr-card__sub">"newest first"</span></div>
            {events}
        </section>
    };
    document(shell, frame, content.into_any())
}
