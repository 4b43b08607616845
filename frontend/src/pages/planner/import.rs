//! `/planner/import`: reservations from a file, checked row by row, into a draft and never further.

use headroom_domain::format;
use leptos::prelude::*;

use super::{address, hidden, pool_chooser};
use crate::components::field::{Ask, Mode, csrf, error_summary, lines};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::model::{ImportChecked, ImportGroup, Link, PlanImportModel, ShellModel};

const TEXT: Ask = Ask::new(
    "text",
    "Or paste it here",
    "The first row names the columns; separated by commas, semicolons or tabs, so rows of a spreadsheet can be pasted.",
)
.optional()
.takes(Mode::Code);

/// `/planner/import`
pub fn plan_import(shell: &ShellModel, model: &PlanImportModel) -> AnyView {
    let back = address(shell, "/planner", &[("pool", &model.pool.slug), ("draft", &model.draft)]);
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(format!("Pool {} · goes into a draft, never straight into the plan", model.pool.name).into_any()),
        crumbs: vec![Link { label: "Planner".into(), href: back }],
        ..Frame::plain("Import reservations")
    };
    let summary = error_summary(shell, model.error.as_deref(), &[(TEXT.id, TEXT.label, &model.text)]);
    let body = match &model.checked {
        Some(checked) => check(shell, model, checked),
        None => upload(shell, model),
    };
    let content = view! {
        {summary}
        {body}
    };
    document(shell, frame, content.into_any())
}

fn upload(shell: &ShellModel, model: &PlanImportModel) -> AnyView {
    let columns = model
        .columns
        .iter()
        .map(|(name, takes)| view! { <div><dt><code>{name.clone()}</code></dt><dd>{takes.clone()}</dd></div> })
        .collect_view();
    let template = (!model.template_href.is_empty()).then(|| {
        view! { <a class="hr-btn hr-btn--small" href=model.template_href.clone()>{icon(shell, "download")}"The plan as a template"</a> }
    });
    view! {
        <div class="hr-plan-tools">{pool_chooser(shell, "/planner/import", &model.pools, &model.pool.slug, &[("draft", &model.draft)])}</div>
        <form class="hr-form" method="post" action="/planner/import" enctype="multipart/form-data">
            {csrf(shell)}
            {hidden("pool", &model.pool.slug)}
            {hidden("draft", &model.draft)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"1 · Upload"</legend>
                <div class="hr-field">
                    <label for="file">"File"<span class="hr-field__opt">" (optional)"</span></label>
                    <input class="hr-input" type="file" id="file" name="file" accept=".csv,text/csv,text/plain" aria-describedby="file-help"/>
                    <p class="hr-field__help" id="file-help">"CSV in UTF-8, at most 2 MB. "{template}</p>
                </div>
                {lines(shell, TEXT, &model.text, 8)}
                <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit" name="do" value="check">"Check"</button></div>
            </fieldset>
        </form>
        <section class="hr-card" aria-labelledby="columns-title">
            <div class="hr-card__head"><h2 id="columns-title">"Columns"</h2></div>
            <dl class="hr-facts">{columns}</dl>
        </section>
    }
    .into_any()
}

fn group(shell: &ShellModel, group: &ImportGroup) -> AnyView {
    let rows = group
        .problems
        .iter()
        .map(|one| {
            view! {
                <tr>
                    <td data-label="Row" class="hr-num">{one.row}</td>
                    <td data-label="Column"><code>{one.column.clone()}</code></td>
                    <td data-label="Expected">{one.expected.clone()}</td>
                    <td data-label="Found"><code class="hr-plan-found">{one.found.clone()}</code></td>
                </tr>
            }
        })
        .collect_view();
    let count = group.problems.len() as i64 + group.left;
    let count = if count == 1 { "1 row".to_owned() } else { format!("{} rows", format::count(count)) };
    let left =
        (group.left > 0).then(|| view! { <p class="hr-muted">{format!("and {} more", format::count(group.left))}</p> });
    view! {
        <details class="hr-plan-group" open=true>
            <summary>{state_icon(shell, "state-crit")}<strong>{group.title.clone()}</strong>{format!(" ({count})")}</summary>
            <table class="hr-table hr-table--plain hr-table--cards">
                <thead>
                    <tr>
                        <th scope="col" class="hr-num">"Row"</th>
                        <th scope="col">"Column"</th>
                        <th scope="col">"Expected"</th>
                        <th scope="col">"Found"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {left}
        </details>
    }
    .into_any()
}

fn check(shell: &ShellModel, model: &PlanImportModel, checked: &ImportChecked) -> AnyView {
    let bad = checked.rows - checked.ready;
    let (new, changed, same) = checked.verbs;
    let line = format!(
        "{} rows · {} ready · {} with errors",
        format::count(checked.rows),
        format::count(checked.ready),
        format::count(bad)
    );
    let verbs = format!(
        "{} new, {} changed, {} as they are already",
        format::count(new),
        format::count(changed),
        format::count(same)
    );
    let groups = checked.groups.iter().map(|one| group(shell, one)).collect_view();
    let fine = (bad == 0).then(|| strip(shell, Tone::Ok, "Every row can be taken.".into_any()));
    let common = || {
        view! { {csrf(shell)} {hidden("pool", &model.pool.slug)} {hidden("draft", &model.draft)} }
    };
    let rejected = (bad > 0).then(|| {
        view! {
            <form method="post" action="/planner/import" enctype="multipart/form-data">
                {common()}
                {hidden("text", &checked.rejected_csv)}
                <button class="hr-btn" type="submit" name="do" value="rejected">
                    {icon(shell, "download")}{format!("Download {} rows with errors", format::count(bad))}
                </button>
            </form>
        }
    });
    let take = (checked.ready > 0).then(|| {
        let label = match (checked.ready, bad) {
            (1, _) => "Put 1 row into the draft".to_owned(),
            (ready, 0) => format!("Put {} rows into the draft", format::count(ready)),
            (ready, _) => format!("Put the {} ready rows into the draft", format::count(ready)),
        };
        view! {
            <form method="post" action="/planner/import" enctype="multipart/form-data">
                {common()}
                {hidden("text", &checked.ready_csv)}
                <button class="hr-btn hr-btn--primary" type="submit" name="do" value="take">{label}</button>
            </form>
        }
    });
    let again = address(shell, "/planner/import", &[("pool", &model.pool.slug), ("draft", &model.draft)]);
    view! {
        <section class="hr-card hr-plan-check" aria-labelledby="check-title">
            <div class="hr-card__head"><h2 id="check-title">"2 · Check"</h2><span class="hr-card__sub">{verbs}</span></div>
            <p><strong>{line}</strong></p>
            {fine}
            {groups}
            <div class="hr-form__foot">{take}{rejected}<a class="hr-btn" href=again>"Another file"</a></div>
        </section>
    }
    .into_any()
}
