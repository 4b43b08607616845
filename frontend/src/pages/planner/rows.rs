//! The plan as rows: every field in a table, and the same as cards on phones.

use leptos::prelude::*;

use super::mark;
use super::timeline::new_href;
use crate::components::icon::state_icon;
use crate::components::state::empty;
use crate::model::{Link, PlanRow, PlannerModel, ShellModel};
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

/// Every field of every reservation.
pub(super) fn table(shell: &ShellModel, model: &PlannerModel) -> AnyView {
    if model.rows.is_empty() {
        return view! { <div class="hr-card">{nothing(shell, model)}</div> }.into_any();
    }
    let rows = model
        .rows
        .iter()
        .map(|row| {
            let more = row
                .more
                .iter()
                .map(|(label, value)| view! { <span class="hr-dot">{format!("{label} {value}")}</span> })
                .collect_view();
            let repeat = if row.repeat.is_empty() { "once".to_owned() } else { row.repeat.clone() };
            view! {
                <tr>
                    <th scope="row" class="hr-table__name">
                        {row.name.clone()}
                        <small>{row.state.clone()}</small>
                    </th>
                    <td data-label="Tenant"><a href=tenant_path(&row.tenant.slug)>{row.tenant.name.clone()}</a></td>
                    <td class="hr-num" data-label="Slots"><span>{slots(row)}</span></td>
                    <td data-label="Kind">{row.kind.clone()}</td>
                    <td data-label="From" class="hr-nowrap">{row.start.clone()}</td>
                    <td data-label="To" class="hr-nowrap">{row.end.clone()}</td>
                    <td data-label="Length">{row.length.clone()}</td>
                    <td data-label="Repeats">{repeat}</td>
                    <td data-label="Zone">{row.zone.clone()}</td>
                    <td data-label="More"><span class="hr-plan-more">{more}</span></td>
                    <td class="hr-wide-cell"><span class="hr-plan-state">{mark(shell, row.mark)}{problem(shell, row)}{edit(row)}</span></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="hr-card hr-card--flush" aria-labelledby="plan-rows-title">
            <div class="hr-card__head"><h2 id="plan-rows-title">"Reservations"</h2></div>
            <div class="hr-scroll hr-plan-wide">
                <table class="hr-table hr-table--cards hr-plan-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Tenant"</th>
                            <th scope="col" class="hr-num">"Slots"</th>
                            <th scope="col">"Kind"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"To"</th>
                            <th scope="col">"Length"</th>
                            <th scope="col">"Repeats"</th>
                            <th scope="col">"Zone"</th>
                            <th scope="col">"More"</th>
                            <th scope="col">"State"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {left(model)}
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
