//! `/planner/import/{import}`: from a file that was uploaded to a draft. Each step is a form of its own and works without scripts.

use headroom_domain::format;
use leptos::prelude::*;

use super::import_check::check;
use super::{address, review};
use crate::components::field::csrf;
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::model::{
    ColumnKnown, ImportColumn, ImportPreview, ImportStep, ImportStepModel, ImportTaken, Link, ShellModel,
};

/// Where a step is; the one that is due, if none is named.
pub(super) fn step_href(shell: &ShellModel, id: &str, step: &str) -> String {
    address(shell, &format!("/planner/import/{id}"), &[("step", step)])
}

/// Where the rows are that are not taken.
pub(super) fn errors_href(shell: &ShellModel, id: &str) -> String {
    address(shell, &format!("/planner/import/{id}/errors.csv"), &[])
}

const STEPS: [&str; 5] = ["Upload", "Columns", "Check", "Preview", "Into the draft"];

/// The way from a file to a draft, with the step that somebody is at; steps that were made lead back.
pub(super) fn steps(at: usize, here: &str) -> AnyView {
    let links = [(2, "columns"), (3, "check")];
    let items = STEPS
        .iter()
        .zip(1..)
        .map(|(label, number)| {
            let text = format!("{number} · {label}");
            let link = links.iter().find(|(step, _)| *step == number && number < at && at < 5 && !here.is_empty());
            match link {
                Some((_, step)) => view! { <li><a href=format!("{here}?step={step}")>{text}</a></li> }.into_any(),
                None if number == at => view! { <li aria-current="step">{text}</li> }.into_any(),
                None => view! { <li>{text}</li> }.into_any(),
            }
        })
        .collect_view();
    view! { <ol class="hr-import-steps" aria-label="Steps of the import">{items}</ol> }.into_any()
}

/// `1 row`, `1,204 rows`
pub(super) fn rows(count: i64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{} rows", format::count(count)) }
}

/// `/planner/import/{import}`
pub fn import_step(shell: &ShellModel, model: &ImportStepModel) -> AnyView {
    let upload = address(shell, "/planner/import", &[("pool", &model.pool.slug)]);
    let planner = address(shell, "/planner", &[("pool", &model.pool.slug)]);
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(
            format!("{} · pool {} · goes into {} · {}", model.file, model.pool.name, model.draft, model.kept)
                .into_any(),
        ),
        crumbs: vec![
            Link { label: "Planner".into(), href: planner },
            Link { label: "Import".into(), href: upload.clone() },
        ],
        ..Frame::plain("Import reservations")
    };
    let here = format!("/planner/import/{}", model.id);
    let (at, body) = match &model.step {
        ImportStep::Columns(all) => (2, columns(shell, model, all)),
        ImportStep::Check(found) => (3, check(shell, model, found)),
        ImportStep::Preview(would) => (4, preview(shell, model, would)),
        ImportStep::Taken(done) => (5, taken(shell, model, done)),
        ImportStep::Over(why) => {
            let again = view! { <p>{why.clone()}</p><p><a href=upload>"Upload a file"</a></p> };
            (0, strip(shell, Tone::Warn, again.into_any()))
        }
    };
    let error = model.error.clone().map(|text| {
        view! { <div id="errors" tabindex="-1" role="alert">{strip(shell, Tone::Critical, text.into_any())}</div> }
    });
    let content = view! {
        {steps(at, &here)}
        {error}
        {body}
    };
    document(shell, frame, content.into_any())
}

fn known(column: &ImportColumn) -> AnyView {
    let (class, text) = match column.known {
        ColumnKnown::Named => ("hr-pill hr-pill--ok", "by its name"),
        ColumnKnown::Guessed => ("hr-pill hr-pill--warn", "guessed"),
        ColumnKnown::Chosen => ("hr-pill hr-pill--info", "chosen"),
        ColumnKnown::Not => ("hr-pill", "not known"),
    };
    view! { <span class=class>{text}</span> }.into_any()
}

fn column(place: usize, column: &ImportColumn) -> AnyView {
    let options = column
        .options
        .iter()
        .map(|(word, label)| {
            view! { <option value=word.clone() selected=*word == column.field>{label.clone()}</option> }
        })
        .collect_view();
    let sample = column
        .sample
        .iter()
        .map(|cell| {
            if cell.is_empty() {
                return view! { <li class="hr-muted">"nothing"</li> }.into_any();
            }
            view! { <li><code>{cell.clone()}</code></li> }.into_any()
        })
        .collect_view();
    let name = if column.name.is_empty() { format!("column {}", place + 1) } else { column.name.clone() };
    let (id, label) = (format!("column-{place}"), format!("{name} is read as"));
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><span class="hr-import-name">{name}</span></th>
            <td data-label="Read as" class="hr-wide-cell">
                <span class="hr-import-choice">
                    <select class="hr-input" id=id name=format!("column.{place}") aria-label=label>{options}</select>
                    {known(column)}
                </span>
            </td>
            <td data-label="First rows" class="hr-wide-cell"><ol class="hr-import-sample">{sample}</ol></td>
        </tr>
    }
    .into_any()
}

fn columns(shell: &ShellModel, model: &ImportStepModel, all: &[ImportColumn]) -> AnyView {
    let rows = all.iter().enumerate().map(|(place, one)| column(place, one)).collect_view();
    let unread = all.iter().filter(|column| column.field.is_empty()).count();
    let guessed = all.iter().filter(|column| column.known == ColumnKnown::Guessed).count();
    let says = format!(
        "{} columns, {guessed} guessed, {unread} not read. Needed are name, tenant, start and slots.",
        all.len()
    );
    view! {
        <form class="hr-card hr-import-part" method="post" action=format!("/planner/import/{}", model.id) aria-labelledby="step-title">
            {csrf(shell)}
            <div class="hr-card__head"><h2 id="step-title">"What the columns are"</h2><span class="hr-card__sub">{says}</span></div>
            <table class="hr-table hr-table--plain hr-table--cards hr-import-columns">
                <caption class="hr-vh">"Columns of the file, what each is read as, and its first rows"</caption>
                <thead>
                    <tr>
                        <th scope="col">"In the file"</th>
                        <th scope="col">"Read as"</th>
                        <th scope="col">"First rows"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit" name="do" value="columns">"Check the rows"</button>
                <button class="hr-btn" type="submit" name="do" value="drop">"Throw the file away"</button>
            </div>
        </form>
    }
    .into_any()
}

fn count(label: &'static str, value: i64) -> AnyView {
    view! { <div><dt>{label}</dt><dd>{format::count(value)}</dd></div> }.into_any()
}

fn preview(shell: &ShellModel, model: &ImportStepModel, would: &ImportPreview) -> AnyView {
    let listed = would.listed.iter().map(|row| review::change(row, None)).collect_view();
    let left =
        (would.left > 0).then(|| view! { <p class="hr-muted">{format!("and {} more", format::count(would.left))}</p> });
    let refusal = would.refusal.clone().map(|why| strip(shell, Tone::Warn, why.into_any()));
    let ready = would.creates + would.changes + would.same;
    let button = would.refusal.is_none().then(|| {
        let label = format!("Put {} into the draft", rows(ready));
        view! { <button class="hr-btn hr-btn--primary" type="submit" name="do" value="take">{label}</button> }
    });
    let out = would.bad + would.skipped;
    let errors = (out > 0).then(|| {
        let text = format!("Download the {} that stay out", rows(out));
        view! { <a class="hr-btn" href=errors_href(shell, &model.id)>{icon(shell, "download")}{text}</a> }
    });
    let back = step_href(shell, &model.id, "check");
    view! {
        <section class="hr-card hr-import-part" aria-labelledby="step-title">
            <div class="hr-card__head">
                <h2 id="step-title">"What it would do"</h2>
                <span class="hr-card__sub">"Nothing of it is in the draft yet."</span>
            </div>
            <dl class="hr-import-counts">
                {count("Create", would.creates)}
                {count("Change", would.changes)}
                {count("As they are", would.same)}
                {count("Skip", would.skipped)}
                {count("With errors", would.bad)}
            </dl>
            {refusal}
            <ul class="hr-plan-changes">{listed}</ul>
            {left}
            <form class="hr-form__foot" method="post" action=format!("/planner/import/{}", model.id)>
                {csrf(shell)}
                {button}
                <a class="hr-btn" href=back>"Back to the check"</a>
                {errors}
            </form>
        </section>
    }
    .into_any()
}

fn taken(shell: &ShellModel, model: &ImportStepModel, done: &ImportTaken) -> AnyView {
    let says = if done.taken == 1 {
        "1 row is in the draft.".to_owned()
    } else {
        format!("{} are in the draft.", rows(done.taken))
    };
    let errors = (done.left > 0).then(|| {
        let text = format!("Download {} with errors", rows(done.left));
        view! { <a class="hr-btn" href=errors_href(shell, &model.id)>{icon(shell, "download")}{text}</a> }
    });
    let left = (done.left > 0).then(|| {
        let text = format!("{} stayed out and are kept as a file: correct it and upload it again.", rows(done.left));
        view! { <p>{text}</p> }
    });
    view! {
        <section class="hr-card hr-import-part" aria-labelledby="step-title">
            <div class="hr-card__head"><h2 id="step-title">"Taken"</h2></div>
            {strip(shell, Tone::Ok, says.into_any())}
            {left}
            <div class="hr-form__foot">
                <a class="hr-btn hr-btn--primary" href=done.draft_href.clone()>"Review the draft"</a>
                {errors}
            </div>
        </section>
    }
    .into_any()
}
