//! The check of an import: what is wrong with its rows, by what repairs it, with the repair beside it. One form holds all of it.

use headroom_domain::format;
use leptos::prelude::*;

use super::hidden;
use super::import_steps::{errors_href, rows};
use crate::components::field::csrf;
use crate::components::icon::{icon, state_icon};
use crate::components::state::{Tone, strip};
use crate::model::{
    ImportCheck, ImportGroup, ImportProblem, ImportSkipped, ImportStepModel, ImportValue, ImportValues, ShellModel,
};

fn and_more(left: i64) -> Option<AnyView> {
    (left > 0).then(|| view! { <p class="hr-muted">{format!("and {} more", format::count(left))}</p> }.into_any())
}

fn value(field: &str, row: &ImportValue) -> AnyView {
    let name = format!("map.{field}.{}", row.value);
    let said = format!("{} is read as", row.value);
    let control = if row.options.is_empty() {
        view! {
            <input class="hr-input" type="text" name=name value=row.by.clone() list=format!("offered-{field}") autocomplete="off" spellcheck="false" aria-label=said placeholder="as it is"/>
        }
        .into_any()
    } else {
        let options = row
            .options
            .iter()
            .map(|option| view! { <option value=option.clone() selected=*option == row.by>{option.clone()}</option> })
            .collect_view();
        view! {
            <select class="hr-input" name=name aria-label=said>
                <option value="" selected=row.by.is_empty()>"as it is"</option>
                {options}
            </select>
        }
        .into_any()
    };
    let applies = match row.rows {
        None => view! { <span class="hr-pill hr-pill--info">"applied"</span> }.into_any(),
        Some(count) => {
            let first: Vec<String> = row.first.iter().map(|row| format::count(*row)).collect();
            let more = if count > row.first.len() as i64 { ", …" } else { "" };
            let which = if count == 1 { "row" } else { "rows" };
            let suggested = if row.by.is_empty() { "" } else { " · suggested" };
            view! {
                <span class="hr-import-applies">
                    {format!("applies to {}{suggested}", format::count(count))}
                    <small class="hr-muted">{format!("{which} {}{more}", first.join(", "))}</small>
                </span>
            }
            .into_any()
        }
    };
    view! {
        <li class="hr-import-value">
            <code class="hr-plan-found">{row.value.clone()}</code>
            <span class="hr-import-arrow" aria-hidden="true">"→"</span>
            {control}
            {applies}
        </li>
    }
    .into_any()
}

fn values(shell: &ShellModel, group: &ImportValues) -> AnyView {
    let list = group.values.iter().map(|row| value(&group.field, row)).collect_view();
    let (mark, count) = match group.rows {
        0 => (state_icon(shell, "state-ok"), "read as others".to_owned()),
        count => (state_icon(shell, "state-crit"), rows(count)),
    };
    let one_by_one = group.group.as_ref().map(|listed| {
        view! { <details class="hr-import-each"><summary>"Row by row"</summary>{table(listed)}</details> }
    });
    let class = if group.rows == 0 { "hr-plan-group hr-import-done" } else { "hr-plan-group" };
    view! {
        <details class=class open=true>
            <summary>{mark}<strong>{group.title.clone()}</strong>{format!(" ({count})")}</summary>
            <ul class="hr-import-values">{list}</ul>
            {and_more(group.left)}
            {one_by_one}
        </details>
    }
    .into_any()
}

fn problem(row: &ImportProblem) -> AnyView {
    let said = format!("Row {}, {}", row.row, row.column);
    let fix = match &row.cell {
        Some((place, text)) => {
            let name = format!("cell.{}.{place}", row.row);
            view! {
                <input class="hr-input hr-input--code" type="text" name=name value=text.clone() aria-label=said autocomplete="off" spellcheck="false"/>
            }
            .into_any()
        }
        None => view! { <span class="hr-muted">"in the file"</span> }.into_any(),
    };
    let skip = if row.is_again {
        ().into_any()
    } else {
        let label = format!("Skip row {}", row.row);
        view! {
            <label class="hr-check"><input type="checkbox" name="skip" value=row.row.to_string() aria-label=label/>"skip"</label>
        }
        .into_any()
    };
    let hint = (!row.hint.is_empty()).then(|| view! { <small class="hr-muted">{format!(" ({})", row.hint)}</small> });
    let found = if row.found.is_empty() {
        view! { <span class="hr-muted">"nothing"</span> }.into_any()
    } else {
        view! { <span><code class="hr-plan-found">{row.found.clone()}</code>{hint}</span> }.into_any()
    };
    let column = if row.column.is_empty() { "the row".to_owned() } else { row.column.clone() };
    view! {
        <tr>
            <th scope="row" class="hr-num" data-label="Row">{row.row}</th>
            <td data-label="Column"><code class="hr-plan-found">{column}</code></td>
            <td data-label="Expected" class="hr-wide-cell"><span>{row.expected.clone()}</span></td>
            <td data-label="Found">{found}</td>
            <td class="hr-wide-cell">{fix}</td>
            <td>{skip}</td>
        </tr>
    }
    .into_any()
}

fn table(group: &ImportGroup) -> AnyView {
    let listed = group.problems.iter().map(problem).collect_view();
    view! {
        <table class="hr-table hr-table--plain hr-table--cards hr-import-problems">
            <caption class="hr-vh">{group.title.clone()}</caption>
            <thead>
                <tr>
                    <th scope="col" class="hr-num">"Row"</th>
                    <th scope="col">"Column"</th>
                    <th scope="col">"Expected"</th>
                    <th scope="col">"Found"</th>
                    <th scope="col">"Edit here"</th>
                    <th scope="col">"Or skip"</th>
                </tr>
            </thead>
            <tbody>{listed}</tbody>
        </table>
        {and_more(group.left)}
    }
    .into_any()
}

fn group(shell: &ShellModel, group: &ImportGroup) -> AnyView {
    let count = rows(group.problems.len() as i64 + group.left);
    view! {
        <details class="hr-plan-group" open=true>
            <summary>{state_icon(shell, "state-crit")}<strong>{group.title.clone()}</strong>{format!(" ({count})")}</summary>
            {table(group)}
        </details>
    }
    .into_any()
}

fn left_out(found: &ImportCheck) -> Option<AnyView> {
    if found.skipped == 0 {
        return None;
    }
    let asked: Vec<String> = found.left_out.iter().map(|row| row.row.to_string()).collect();
    let one = |row: &ImportSkipped| {
        view! {
            <li>
                <label class="hr-check">
                    <input type="checkbox" name="skip" value=row.row.to_string() checked=true/>
                    <span>{format!("Row {}: ", row.row)}<code class="hr-plan-found">{row.text.clone()}</code></span>
                </label>
            </li>
        }
    };
    let list = found.left_out.iter().map(one).collect_view();
    Some(
        view! {
            <details class="hr-plan-group hr-import-done" open=true>
                <summary><strong>"Skipped"</strong>{format!(" ({})", rows(found.skipped))}</summary>
                {hidden("asked", &asked.join(","))}
                <ul class="hr-plan-list">{list}</ul>
                {and_more(found.skipped - found.left_out.len() as i64)}
            </details>
        }
        .into_any(),
    )
}

fn choice(value: &'static str, chosen: bool, label: String) -> AnyView {
    view! {
        <label class="hr-radio"><input type="radio" name="all" value=value checked=chosen/><span>{label}</span></label>
    }
    .into_any()
}

/// What is done with the rows that are ready.
fn which(found: &ImportCheck) -> Option<AnyView> {
    if found.bad == 0 {
        return None;
    }
    let are = if found.ready == 1 { "is" } else { "are" };
    let part = format!("Take the {} that {are} ready, keep the rest as a file", rows(found.ready));
    Some(
        view! {
            <fieldset class="hr-import-which">
                <legend class="hr-field__label">"What is taken"</legend>
                {choice("all", found.all_or_nothing, "All or nothing".to_owned())}
                {choice("part", !found.all_or_nothing, part)}
            </fieldset>
        }
        .into_any(),
    )
}

/// What was found in the rows of a file.
pub(super) fn check(shell: &ShellModel, model: &ImportStepModel, found: &ImportCheck) -> AnyView {
    let mut line = format!(
        "{} · {} ready · {} with errors",
        rows(found.rows),
        format::count(found.ready),
        format::count(found.bad)
    );
    if found.skipped > 0 {
        line.push_str(&format!(" · {} skipped", format::count(found.skipped)));
    }
    let fine = (found.bad == 0).then(|| strip(shell, Tone::Ok, "Every row can be taken.".into_any()));
    let lists = found
        .offered
        .iter()
        .map(|(field, names)| {
            let names = names.iter().map(|name| view! { <option value=name.clone()></option> }).collect_view();
            view! { <datalist id=format!("offered-{field}")>{names}</datalist> }
        })
        .collect_view();
    let unknown = found.values.iter().map(|one| values(shell, one)).collect_view();
    let groups = found.groups.iter().map(|one| group(shell, one)).collect_view();
    let more = (found.groups_left > 0)
        .then(|| view! { <p class="hr-muted">{format!("and {} more kinds of errors", found.groups_left)}</p> });
    let corrected = (found.corrected > 0).then(|| {
        let cells = if found.corrected == 1 {
            "1 cell is".to_owned()
        } else {
            format!("{} cells are", format::count(found.corrected))
        };
        let text = format!("{cells} corrected here; the file itself stays as it is.");
        view! { <p class="hr-muted">{text}</p> }
    });
    let has_repairs = found.corrected > 0
        || found.skipped > 0
        || found.values.iter().any(|one| one.values.iter().any(|v| v.rows.is_none()));
    let forget = has_repairs.then(|| {
        view! { <button class="hr-btn" type="submit" name="do" value="forget">"Take all repairs back"</button> }
    });
    // The first button is what the Enter key presses in a field.
    let can_repair = found.bad > 0 || has_repairs;
    let again = can_repair.then(|| {
        let class = if found.bad > 0 { "hr-btn hr-btn--primary" } else { "hr-btn" };
        view! { <button class=class type="submit" name="do" value="again">"Check again"</button> }
    });
    let preview = (found.ready > 0).then(|| {
        let class = if found.bad > 0 { "hr-btn" } else { "hr-btn hr-btn--primary" };
        let label = format!("Preview {}", rows(found.ready));
        view! { <button class=class type="submit" name="do" value="preview">{label}{icon(shell, "chevron-right")}</button> }
    });
    let errors = (found.bad + found.skipped > 0).then(|| {
        let text = format!("Download {} with errors", rows(found.bad + found.skipped));
        view! { <a class="hr-btn" href=errors_href(shell, &model.id)>{icon(shell, "download")}{text}</a> }
    });
    let refusal = found.refusal.clone().map(|why| view! { <p class="hr-muted">{why}</p> });
    view! {
        <form class="hr-card hr-import-part hr-plan-check" method="post" action=format!("/planner/import/{}", model.id) aria-labelledby="step-title">
            {csrf(shell)}
            {hidden("version", &found.version.to_string())}
            <div class="hr-card__head"><h2 id="step-title">"Check"</h2><span class="hr-card__sub">{line}</span></div>
            {fine}
            {lists}
            {unknown}
            {groups}
            {more}
            {left_out(found)}
            {corrected}
            {which(found)}
            {refusal}
            <div class="hr-form__foot">
                {again}
                {preview}
                {errors}
                {forget}
                <button class="hr-btn" type="submit" name="do" value="drop">"Throw the file away"</button>
            </div>
        </form>
    }
    .into_any()
}
