//! The audit trail: who changed what, from what to what, and why.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, panel, strip};
use crate::components::table::{carry, pager};
use crate::components::value::{instant, times_in};
use crate::model::{AuditModel, AuditRow, ShellModel};

/// `/audit`
pub fn audit(shell: &ShellModel, model: &AuditModel) -> AnyView {
    let frame = Frame { sub: Some(times_in(shell).into_any()), ..Frame::plain("Audit trail") };
    let own_only = model
        .own_only
        .then(|| strip(shell, Tone::Info, "You see your own changes. Administrators see everybody's.".into_any()));
    let body = || {
        let rows = model.rows.iter().map(|row| audit_row(shell, row)).collect_view();
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll" role="group" tabindex="0" aria-label="Recorded changes">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{sentence(model)}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"What"</th>
                                <th scope="col">"Time"</th>
                                <th scope="col">"Who"</th>
                                <th scope="col">"Action"</th>
                                <th scope="col">"Changes"</th>
                                <th scope="col">"Why"</th>
                                <th scope="col" class="hr-num">"No."</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(shell, &model.table, model.rows.len())}
            </div>
        }
        .into_any()
    };
    let content = view! {
        {own_only}
        {tools(shell, model)}
        {panel(shell, &model.state, body)}
    };
    document(shell, frame, content.into_any())
}

/// What the table shows, as a sentence.
fn sentence(model: &AuditModel) -> String {
    let noun = if model.table.total == 1 { "change" } else { "changes" };
    let mut text = format!("{} {noun}", format::count(model.table.total));
    if !model.action.is_empty() {
        text += &format!(" of action {}", model.action);
    }
    if !model.object.is_empty() {
        text += &format!(" to a {}", model.object);
    }
    if !model.actor.is_empty() {
        text += &format!(" by {}", model.actor);
    }
    if !model.table.q.is_empty() {
        text += &format!(" matching “{}”", model.table.q);
    }
    text + ", newest first"
}

fn tools(shell: &ShellModel, model: &AuditModel) -> AnyView {
    const OURS: [&str; 4] = ["actor", "action", "object", "q"];
    let choice = |id: &'static str,
                  name: &'static str,
                  label: &'static str,
                  any: &'static str,
                  chosen: &str,
                  words: &[String]| {
        let options = words
            .iter()
            .map(|word| view! { <option value=word.clone() selected=*word == chosen>{word.clone()}</option> })
            .collect_view();
        view! {
            <div class="hr-field">
                <label for=id>{label}</label>
                <select class="hr-input" id=id name=name><option value="">{any}</option>{options}</select>
            </div>
        }
    };
    let text = |id: &'static str, name: &'static str, label: &'static str, value: &str| {
        view! {
            <div class="hr-field">
                <label for=id>{label}</label>
                <input class="hr-input" type="search" id=id name=name value=value.to_owned() autocomplete="off"/>
            </div>
        }
    };
    let filtered =
        [&model.actor, &model.action, &model.object, &model.table.q].into_iter().any(|text| !text.is_empty());
    let clear = filtered.then(|| {
        let href = shell.url.replace(&shell.path, &OURS.map(|key| (key, "")));
        view! { <a class="hr-btn hr-btn--quiet" href=href>"Clear"</a> }
    });
    let actor = (!model.own_only).then(|| text("filter-actor", "actor", "Who", &model.actor));
    view! {
        <form class="hr-tools hr-tools--fields" method="get" action=shell.path.clone() role="search" aria-label="Filter changes">
            {carry(shell, &OURS)}
            {actor}
            {choice("filter-action", "action", "Action", "All actions", &model.action, &model.actions)}
            {choice("filter-object", "object", "Object", "All objects", &model.object, &model.objects)}
            {text("filter-q", "q", "Text", &model.table.q)}
            <button class="hr-btn" type="submit">{icon(shell, "filter")}"Filter"</button>
            {clear}
        </form>
    }
    .into_any()
}

fn audit_row(shell: &ShellModel, row: &AuditRow) -> AnyView {
    let subject = if row.subject.is_empty() { row.object.clone() } else { row.subject.clone() };
    let subject = match &row.href {
        Some(href) => view! { <a href=href.clone()>{subject}</a> }.into_any(),
        None => subject.into_any(),
    };
    let kind = (!row.subject.is_empty()).then(|| view! { <small>{row.object.clone()}</small> });
    let door = [row.source.as_str(), row.address.as_str()];
    let door = door.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    view! {
        <tr>
            <th scope="row" class="hr-table__name hr-breaks"><span>{subject}{kind}</span></th>
            <td class="hr-row-cell" data-label="Time">{instant(shell, row.at_ms)}</td>
            <td data-label="Who"><span>{row.actor.clone()}<small class="hr-small">{door}</small></span></td>
            <td data-label="Action">{row.action.clone()}</td>
            <td class="hr-wide-cell">{changes(&row.changes)}</td>
            {why(&row.reason)}
            <td class="hr-num" data-label="No.">{format!("#{}", row.number)}</td>
        </tr>
    }
    .into_any()
}

/// An empty cell is not shown where rows are cards, so its label must not stand alone.
fn why(reason: &str) -> AnyView {
    if reason.is_empty() {
        return view! { <td></td> }.into_any();
    }
    view! { <td data-label="Why"><span class="hr-breaks">{reason.to_owned()}</span></td> }.into_any()
}

fn changes(changes: &[(String, String, String)]) -> Option<AnyView> {
    if changes.is_empty() {
        return None;
    }
    let value = |text: &str| {
        if text.is_empty() {
            view! { <span class="hr-muted">"nothing"</span> }.into_any()
        } else {
            text.to_owned().into_any()
        }
    };
    let items = changes
        .iter()
        .map(|(field, before, after)| {
            view! {
                <li>
                    <strong>{field.clone()}</strong>": "{value(before)}
                    <span aria-hidden="true">" → "</span><span class="hr-vh">" becomes "</span>
                    {value(after)}
                </li>
            }
        })
        .collect_view();
    Some(view! { <ul class="hr-changes">{items}</ul> }.into_any())
}
