//! Runbooks: which there are and whether anybody tried them, one to follow, and the form to write one.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::field::{Ask, Mode, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{ago, day_time, times_in};
use crate::model::{
    Field, Link, Named, RunbookFormModel, RunbookModel, RunbookRow, RunbookVersionRow, RunbooksModel, ShellModel,
    TestedState,
};

const SLUG: Ask = Ask::new("slug", "Identifier", "In its address: a-z, 0-9 and hyphens, for example pool-exhausted.")
    .takes(Mode::Code);
const BODY: Ask = Ask::new(
    "body",
    "Text",
    "Markdown. The first line is the title, with a hash before it. {pool}, {tenant} and {alert} stand for what a reader comes \
     from. HTML is shown as it is written.",
)
.takes(Mode::Code);
const NOTE: Ask = Ask::new("note", "What was changed", "One line for the history.").optional();

/// Where a runbook is.
fn path(slug: &str) -> String {
    format!("/runbooks/{slug}")
}

fn crumb() -> Link {
    Link { href: "/runbooks".into(), label: "Runbooks".into() }
}

/// Shape and word of a test, with when and by whom.
fn tested(shell: &ShellModel, row: &RunbookRow) -> AnyView {
    let (class, shape) = match row.tested {
        TestedState::Fresh => ("hr-level hr-level--ok", "state-ok"),
        TestedState::Never => ("hr-level hr-level--unknown", "state-unknown"),
        TestedState::Changed | TestedState::Old => ("hr-level hr-level--warn", "state-warn"),
    };
    let when = row.tested_ms.map(|at| {
        let by = row.tested_by.as_ref().map(|by| format!(" by {by}"));
        view! { <small class="hr-small">{ago(shell, at)}{by}</small> }
    });
    view! { <span class=class>{state_icon(shell, shape)}{row.tested.label()}</span>{when} }.into_any()
}

fn rules(rows: &[Named]) -> AnyView {
    if rows.is_empty() {
        return view! { <span class="hr-muted">"No rule"</span> }.into_any();
    }
    let links = rows.iter().enumerate().map(|(at, rule)| {
        let before = (at > 0).then_some(", ");
        view! { {before}<a href=format!("/rules/{}", rule.slug)>{rule.name.clone()}</a> }
    });
    links.collect_view().into_any()
}

/// `/runbooks`
pub fn runbooks(shell: &ShellModel, model: &RunbooksModel) -> AnyView {
    let new = model
        .writes
        .then(|| button_link(shell, "hr-btn hr-btn--primary", "plus", "New runbook", "/runbooks/new".to_owned()));
    let frame = Frame {
        sub: Some(view! { "What to do when something fires. Each page links to its runbook." }.into_any()),
        actions: new.into_iter().collect(),
        ..Frame::plain("Runbooks")
    };
    let content = if model.rows.is_empty() { empty(shell, "No runbooks yet.", None) } else { list(shell, &model.rows) };
    document(shell, frame, content)
}

fn list(shell: &ShellModel, rows: &[RunbookRow]) -> AnyView {
    let due = rows.iter().filter(|row| row.tested != TestedState::Fresh).count();
    let caption = format!(
        "{} runbooks; {} of them nobody tested since they were changed, or within 180 days",
        format::count(rows.len() as i64),
        format::count(due as i64)
    );
    let lines = rows
        .iter()
        .map(|row| {
            view! {
                <tr>
                    <th scope="row" class="hr-table__name">
                        <a href=path(&row.slug)>{row.title.clone()}</a>
                    </th>
                    <td data-label="Tested">{tested(shell, row)}</td>
                    <td data-label="Used by">{rules(&row.rules)}</td>
                    <td data-label="Version" class="hr-num">{row.version}</td>
                    <td data-label="Written">{day_time(shell, row.updated_ms)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="hr-card hr-card--flush">
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">{caption}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Runbook"</th>
                            <th scope="col">"Tested"</th>
                            <th scope="col">"Used by"</th>
                            <th scope="col" class="hr-num">"Version"</th>
                            <th scope="col">"Written"</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

/// `/runbooks/{slug}`
pub fn runbook(shell: &ShellModel, model: &RunbookModel) -> AnyView {
    let row = &model.row;
    let edit =
        model.writes.then(|| button_link(shell, "hr-btn", "pencil", "Edit", format!("{}/edit", path(&row.slug))));
    let sub = if model.came_from.is_empty() {
        format!("Version {}. {}", model.shown.version, times_in(shell))
    } else {
        format!("Version {}, for {}", model.shown.version, model.came_from.join(", "))
    };
    let frame = Frame {
        section: Some("Runbooks"),
        sub: Some(sub.into_any()),
        crumbs: vec![crumb()],
        actions: edit.into_iter().collect(),
        ..Frame::plain(row.title.clone())
    };
    let older = (model.shown.version != row.version).then(|| {
        let body = view! {
            {format!("This is version {} of {}. ", model.shown.version, day_and_author(shell, &model.shown))}
            <a href=path(&row.slug)>{format!("Read version {}", row.version)}</a>
        };
        strip(shell, Tone::Warn, body.into_any())
    });
    let gaps = model.has_gaps.then(|| {
        let text =
            "Links that need a pool, a tenant or an alert are left out: they are there when you come from an alert.";
        strip(shell, Tone::Info, text.into_any())
    });
    let back = model.alert.as_ref().map(|alert| {
        view! { <p><a href=format!("/alerts/{alert}")>{format!("Back to alert {alert}")}</a></p> }
    });
    let content = view! {
        {alert_nav(shell, "/runbooks")}
        {older}
        {gaps}
        {back}
        <article class="hr-card hr-prose" inner_html=model.html.clone()></article>
        <section class="hr-card" aria-labelledby="state-title">
            <div class="hr-card__head"><h2 id="state-title">"Does it work?"</h2></div>
            <p>{tested(shell, row)}</p>
            <p class="hr-muted">"Used by: " {rules(&row.rules)}</p>
            {(model.writes && model.shown.version == row.version).then(|| tested_form(shell, row))}
        </section>
        {history(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn tested_form(shell: &ShellModel, row: &RunbookRow) -> AnyView {
    view! {
        <form method="post" action=format!("{}/tested", path(&row.slug))>
            {csrf(shell)}
            <input type="hidden" name="version" value=row.version/>
            <button class="hr-btn" type="submit">"I tested it now"</button>
        </form>
    }
    .into_any()
}

fn day_and_author(shell: &ShellModel, version: &RunbookVersionRow) -> String {
    format!("{}, by {}", crate::components::value::day_time_text(shell, version.at_ms), version.author)
}

fn history(shell: &ShellModel, model: &RunbookModel) -> AnyView {
    let lines = model
        .history
        .iter()
        .map(|version| {
            let href = format!("{}?version={}", path(&model.row.slug), version.version);
            let current = (version.version == model.shown.version).then_some("true");
            let note = (!version.note.is_empty()).then(|| format!(": {}", version.note));
            view! {
                <li>
                    <a href=href aria-current=current>{format!("Version {}", version.version)}</a>
                    ", " {day_time(shell, version.at_ms)} {format!(", by {}", version.author)} {note}
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="history-title">
            <div class="hr-card__head"><h2 id="history-title">"History"</h2></div>
            <ol class="hr-plain-list" reversed>{lines}</ol>
        </section>
    }
    .into_any()
}

/// `/runbooks/new` and `/runbooks/{slug}/edit`
pub fn runbook_form(shell: &ShellModel, model: &RunbookFormModel) -> AnyView {
    let (heading, action, crumbs) = match &model.subject {
        Some(subject) => {
            let of = Link { href: path(&subject.slug), label: subject.name.clone() };
            (format!("Edit {}", subject.name), format!("{}/edit", path(&subject.slug)), vec![crumb(), of])
        }
        None => ("New runbook".to_owned(), "/runbooks/new".to_owned(), vec![crumb()]),
    };
    let frame = Frame { section: Some("Runbooks"), crumbs, ..Frame::plain(heading) };
    let mut errors: Vec<(&'static str, &'static str, &Field)> =
        vec![(BODY.id, BODY.label, &model.body), (NOTE.id, NOTE.label, &model.note)];
    if model.subject.is_none() {
        errors.insert(0, (SLUG.id, SLUG.label, &model.slug));
    }
    let preview = model.preview.as_ref().map(|html| {
        view! {
            <section class="hr-card" aria-labelledby="preview-title">
                <div class="hr-card__head"><h2 id="preview-title">"How it will look"</h2></div>
                <div class="hr-prose" inner_html=html.clone()></div>
            </section>
        }
    });
    let content = view! {
        {error_summary(shell, model.error.as_deref(), &errors)}
        {preview}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            <input type="hidden" name="version" value=model.version.clone()/>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Runbook"</legend>
                {model.subject.is_none().then(|| input(shell, SLUG, &model.slug, None))}
                {lines(shell, BODY, &model.body, 24)}
                {input(shell, NOTE, &model.note, None)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit" name="do" value="save">"Save"</button>
                <button class="hr-btn" type="submit" name="do" value="look">"Look at it"</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
