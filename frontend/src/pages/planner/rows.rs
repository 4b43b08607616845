//! The plan as rows: every field in a table, and the same as cards on phones.

use leptos::prelude::*;

use super::timeline::new_href;
use super::{bulk, mark};
use crate::components::icon::state_icon;
use crate::components::state::empty;
use crate::model::{Link, PlanRow, PlannerModel, SheetModel, ShellModel};
use crate::url::tenant_path;

fn nothing(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    let action = model.may_plan.then(|| Link { label: "New reservation".into(), href: new_href(shell, model) });
    empty(shell, "Nothing is promised in this range.", action.as_ref())
}

fn left(model: &PlannerModel) -> Option<AnyView> {
    (model.rows_left > 0).then(|| {
        let text = format!("{} more are left out; choose a shorter range, or take the CSV.", model.rows_left);
        view! { <p class="hr-card__foot hr-plan-foot">{text}</p> }.into_any()
    })
}

fn slots(row: &PlanRow) -> AnyView {
    let was = row.slots_was.clone().map(|was| {
        view! { <s class="hr-plan-old"><span class="hr-vh">"was "</span>{was}</s>" " }
    });
    view! { {was}<strong>{row.slots.clone()}</strong> }.into_any()
}

fn problem(shell: &ShellModel, row: &PlanRow) -> Option<AnyView> {
    row.problem.clone().map(|text| {
        view! { <span class="hr-level hr-level--crit hr-plan-wraps">{state_icon(shell, "state-crit")}{text}</span> }
            .into_any()
    })
}

fn edit(row: &PlanRow) -> Option<AnyView> {
    row.edit_href.clone().map(|href| {
        let name = format!("Edit {}", row.name);
        view! { <a class="hr-btn hr-btn--small" href=href aria-label=name>"Edit"</a> }.into_any()
    })
}

/// A cell with what it shows. One that is edited in place also has what it says as it is written, and what was written instead and
/// could not be taken.
fn cell(shell: &ShellModel, row: &PlanRow, place: usize, label: &'static str, shown: AnyView) -> AnyView {
    let edited = row.cells.get(place);
    let field = edited.map(|cell| cell.field);
    let text = edited.map(|cell| cell.text.clone());
    let fault = edited.and_then(|cell| cell.fault.as_ref());
    let id = fault.map(|_| format!("fault-{}-{}", row.reservation, field.unwrap_or_default()));
    let invalid = fault.map(|_| "true");
    let mark = fault.map(|fault| {
        view! {
            <span data-typed="">{fault.typed.clone()}</span>
            <small class="hr-field__error" id=id.clone()>{state_icon(shell, "state-crit")}{fault.text.clone()}</small>
        }
    });
    let inner = view! { <span class="hr-plan-shown">{shown}</span>{mark} };
    let class = match label {
        "Slots" => "hr-num",
        "From" | "To" => "hr-nowrap",
        _ => "",
    };
    if label == "Name" {
        return view! {
            <th scope="row" class="hr-table__name" data-label=label data-cell=field data-value=text aria-invalid=invalid aria-describedby=id>
                {inner}
            </th>
        }
        .into_any();
    }
    view! {
        <td class=class data-label=label data-cell=field data-value=text aria-invalid=invalid aria-describedby=id>{inner}</td>
    }
    .into_any()
}

/// The box that selects a row.
fn pick(row: &PlanRow, sheet: &SheetModel) -> AnyView {
    let name = format!("Select {}", row.name);
    let is_picked = sheet.form.picked.contains(&row.reservation);
    view! {
        <td class="hr-plan-pick">
            <label>
                <input type="checkbox" name="pick" value=row.reservation.clone() form=bulk::FORM checked=is_picked aria-label=name/>
                <span class="hr-only-small" aria-hidden="true">"Select"</span>
            </label>
        </td>
    }
    .into_any()
}

fn table_row(shell: &ShellModel, row: &PlanRow, sheet: Option<&SheetModel>) -> AnyView {
    let more = row
        .more
        .iter()
        .map(|(label, value)| view! { <span class="hr-dot">{format!("{label} {value}")}</span> })
        .collect_view();
    let repeat = if row.repeat.is_empty() { "once".to_owned() } else { row.repeat.clone() };
    let name = view! { {row.name.clone()}<small>{row.state.clone()}</small> };
    // A link in a cell that is edited would be followed by whoever wants to edit it.
    let tenant = row.tenant.name.clone();
    let tenant = if row.cells.is_empty() {
        view! { <a href=tenant_path(&row.tenant.slug)>{tenant}</a> }.into_any()
    } else {
        tenant.into_any()
    };
    view! {
        <tr data-row=row.reservation.clone() data-name=row.name.clone()>
            {sheet.map(|sheet| pick(row, sheet))}
            {cell(shell, row, 0, "Name", name.into_any())}
            {cell(shell, row, 1, "Tenant", tenant)}
            {cell(shell, row, 2, "Slots", slots(row))}
            {cell(shell, row, 3, "Kind", row.kind.clone().into_any())}
            {cell(shell, row, 4, "From", row.start.clone().into_any())}
            {cell(shell, row, 5, "To", row.end.clone().into_any())}
            {cell(shell, row, 6, "Repeats", repeat.into_any())}
            {cell(shell, row, 7, "Zone", row.zone.clone().into_any())}
            <td data-label="Length">{row.length.clone()}</td>
            <td data-label="More"><span class="hr-plan-more">{more}</span></td>
            <td class="hr-wide-cell"><span class="hr-plan-state">{mark(shell, row.mark)}{problem(shell, row)}{edit(row)}</span></td>
        </tr>
    }
    .into_any()
}

/// Every field of every reservation; for those who may plan a sheet that is edited in place, with a bar for many rows.
pub(super) fn table(shell: &ShellModel, model: &PlannerModel, here: &str) -> AnyView {
    if model.rows.is_empty() {
        return view! { <div class="hr-card">{nothing(shell, model)}</div> }.into_any();
    }
    let sheet = model.sheet.as_ref();
    let rows = model.rows.iter().map(|row| table_row(shell, row, sheet)).collect_view();
    let picks = sheet.map(|_| {
        view! {
            <th scope="col" class="hr-plan-pick"><span class="hr-vh">"Select"</span></th>
        }
    });
    let hint = sheet.map(|_| {
        view! {
            <p class="hr-plan-hint hr-needs-js" id="sheet-keys">
                <kbd>"Enter"</kbd>" edit · "<kbd>"Tab"</kbd>" next · "<kbd>"Esc"</kbd>" put back · "
                <kbd>"Shift"</kbd><kbd>"Space"</kbd>" select · paste from a spreadsheet · "
                <a href="/help/shortcuts">"all keys"</a>
            </p>
        }
    });
    view! {
        <section class="hr-card hr-card--flush hr-plan-sheet" aria-labelledby="plan-rows-title">
            <div class="hr-card__head"><h2 id="plan-rows-title">"Reservations"</h2>{hint}</div>
            <div class="hr-scroll hr-plan-wide" data-plan-scroll="">
                <table class="hr-table hr-table--cards hr-plan-table" data-plan-sheet=sheet.map(|_| "") aria-labelledby="plan-rows-title">
                    <thead>
                        <tr>
                            {picks}
                            <th scope="col">"Name"</th>
                            <th scope="col">"Tenant"</th>
                            <th scope="col" class="hr-num">"Slots"</th>
                            <th scope="col">"Kind"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"To"</th>
                            <th scope="col">"Repeats"</th>
                            <th scope="col">"Zone"</th>
                            <th scope="col">"Length"</th>
                            <th scope="col">"More"</th>
                            <th scope="col">"State"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {left(model)}
            {sheet.map(|sheet| bulk::bar(shell, model, sheet, here))}
        </section>
    }
    .into_any()
}

/// The same in short, one card each.
pub(super) fn cards(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    const MOST: usize = 30;
    if model.rows.is_empty() {
        return view! { <div class="hr-card">{nothing(shell, model)}</div> }.into_any();
    }
    let cards = model
        .rows
        .iter()
        .take(MOST)
        .map(|row| {
            view! {
                <li class="hr-card hr-plan-card">
                    <div class="hr-plan-card__head">
                        <strong>{row.tenant.name.clone()}" · "{row.name.clone()}</strong>
                        {mark(shell, row.mark)}
                    </div>
                    <p>{slots(row)}" slots · "{row.kind.clone()}</p>
                    <p class="hr-muted">{row.start.clone()}" – "{row.end.clone()}</p>
                    <div class="hr-plan-card__foot">{problem(shell, row)}{edit(row)}</div>
                </li>
            }
        })
        .collect_view();
    let more = model.rows.len().saturating_sub(MOST);
    let more = (more > 0).then(|| view! { <p class="hr-muted">{format!("{more} more in the table.")}</p> });
    view! { <ul class="hr-plan-list" aria-label="Reservations">{cards}</ul>{more} }.into_any()
}
