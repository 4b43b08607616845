//! `/planner/import`: where a file of reservations is chosen, and where those are that were uploaded before.

use leptos::prelude::*;

use super::import_steps::{errors_href, step_href, steps};
use super::{address, hidden, pool_chooser};
use crate::components::field::{Ask, Mode, csrf, error_summary, lines};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::model::{Field, HeldImport, Link, PlanImportModel, ShellModel};

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
    let file = Field { value: String::new(), error: model.file_error.clone() };
    let fields = [("file", "File", &file), (TEXT.id, TEXT.label, &model.text)];
    let summary = error_summary(shell, model.error.as_deref(), &fields);
    let content = view! {
        {summary}
        <div class="hr-plan-tools">{pool_chooser(shell, "/planner/import", &model.pools, &model.pool.slug, &[("draft", &model.draft)])}</div>
        {steps(1, "")}
        {upload(shell, model)}
        {held(shell, model)}
        {columns(model)}
    };
    document(shell, frame, content.into_any())
}

fn upload(shell: &ShellModel, model: &PlanImportModel) -> AnyView {
    let template = (!model.template_href.is_empty()).then(|| {
        view! { <a class="hr-btn hr-btn--small" href=model.template_href.clone()>{icon(shell, "download")}"The plan as a template"</a> }
    });
    let error = model.file_error.clone().map(|error| {
        view! { <p class="hr-field__error" id="file-error">{state_icon(shell, "state-crit")}{error}</p> }
    });
    let described = if error.is_some() { "file-error file-help" } else { "file-help" };
    view! {
        <form class="hr-form" method="post" action="/planner/import" enctype="multipart/form-data">
            {csrf(shell)}
            {hidden("pool", &model.pool.slug)}
            {hidden("draft", &model.draft)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Upload"</legend>
                <div class="hr-field">
                    <label for="file">"File"<span class="hr-field__opt">" (optional)"</span></label>
                    <input
                        class="hr-input"
                        type="file"
                        id="file"
                        name="file"
                        accept=".csv,.tsv,.txt,text/csv,text/plain"
                        aria-invalid=error.is_some().then_some("true")
                        aria-describedby=described
                    />
                    <p class="hr-field__help" id="file-help">
                        "CSV in UTF-8, at most 20 MB and 20,000 rows; a draft takes 5,000 changes. "{template}
                    </p>
                    {error}
                </div>
                {lines(shell, TEXT, &model.text, 8)}
                <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Upload and look at its columns"</button></div>
            </fieldset>
        </form>
    }
    .into_any()
}

fn held_row(shell: &ShellModel, row: &HeldImport) -> AnyView {
    let said = format!("{} {}", if row.is_taken { "Download what was not taken of" } else { "Go on with" }, row.file);
    let onward = if row.is_taken {
        let href = errors_href(shell, &row.id);
        view! { <a class="hr-btn hr-btn--small" href=href aria-label=said>{icon(shell, "download")}"Download"</a> }
            .into_any()
    } else {
        let href = step_href(shell, &row.id, "");
        view! { <a class="hr-btn hr-btn--small" href=href aria-label=said>"Go on"</a> }.into_any()
    };
    let away = format!("Throw away {}", row.file);
    view! {
        <li class="hr-import-held">
            <div><strong class="hr-import-file">{row.file.clone()}</strong><span class="hr-muted">{row.says.clone()}</span></div>
            <div class="hr-import-held__tools">
                {onward}
                <form method="post" action=format!("/planner/import/{}", row.id)>
                    {csrf(shell)}
                    <button class="hr-btn hr-btn--small" type="submit" name="do" value="drop" aria-label=away>"Throw away"</button>
                </form>
            </div>
        </li>
    }
    .into_any()
}

fn held(shell: &ShellModel, model: &PlanImportModel) -> Option<AnyView> {
    if model.held.is_empty() {
        return None;
    }
    let rows = model.held.iter().map(|row| held_row(shell, row)).collect_view();
    Some(
        view! {
            <section class="hr-card" aria-labelledby="held-title">
                <div class="hr-card__head"><h2 id="held-title">"Files that are kept for you"</h2></div>
                <ul class="hr-plan-list">{rows}</ul>
            </section>
        }
        .into_any(),
    )
}

fn columns(model: &PlanImportModel) -> AnyView {
    let columns = model
        .columns
        .iter()
        .map(|(name, takes)| view! { <div><dt><code>{name.clone()}</code></dt><dd>{takes.clone()}</dd></div> })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="columns-title">
            <div class="hr-card__head">
                <h2 id="columns-title">"Columns"</h2>
                <span class="hr-card__sub">"Other names can be said to mean these in the next step."</span>
            </div>
            <dl class="hr-facts">{columns}</dl>
        </section>
    }
    .into_any()
}
