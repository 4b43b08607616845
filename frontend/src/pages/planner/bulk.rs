//! The bar below the table: one change of all selected rows, as a form that works without scripts.

use headroom_domain::reservation::ReservationKind;
use leptos::prelude::*;

use super::form::RULES;
use super::{ACT, edit_fields};
use crate::components::field::datalist;
use crate::components::icon::icon;
use crate::model::{PlannerModel, SheetModel, ShellModel};

/// The form that the boxes of the rows belong to.
pub(super) const FORM: &str = "plan-bulk";

fn field(id: &'static str, label: &'static str, control: AnyView) -> AnyView {
    view! { <span class="hr-plan-bulk__field"><label for=id>{label}</label>{control}</span> }.into_any()
}

/// The bar, and what is offered while cells are typed.
pub(super) fn bar(shell: &ShellModel, model: &PlannerModel, sheet: &SheetModel, here: &str) -> AnyView {
    let form = &sheet.form;
    let pool = model.pool.as_ref().map_or("", |pool| pool.slug.as_str());
    let kinds = ReservationKind::ALL.iter().map(|kind| (kind.as_str(), kind.label()));
    let kinds = std::iter::once(("", "as it is")).chain(kinds).map(|(value, label)| {
        view! { <option value=value selected=form.kind == value>{label}</option> }
    });
    let slots = view! {
        <input class="hr-input" id="bulk-slots" name="slots" value=form.slots.clone() placeholder="450, +50, -10%" autocomplete="off"/>
    };
    let by = view! {
        <input class="hr-input hr-plan-bulk__short" id="bulk-by" name="by" value=form.by.clone() placeholder="1" autocomplete="off"/>
        <select class="hr-input" name="unit" aria-label="Unit of the move">
            <option value="days" selected=form.unit != "hours">"days"</option>
            <option value="hours" selected=form.unit == "hours">"hours"</option>
        </select>
    };
    let kind = view! { <select class="hr-input" id="bulk-kind" name="kind">{kinds.collect_view()}</select> };
    let zone = view! {
        <input class="hr-input" id="bulk-zone" name="zone" value=form.zone.clone() list="plan-zone" placeholder="as it is" autocomplete="off"/>
    };
    let names: Vec<String> = ReservationKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    view! {
        <form class="hr-plan-bulk" id=FORM method="post" action=ACT data-plan-act="" aria-label="Change selected reservations">
            {edit_fields(shell, pool, model.draft.as_ref(), here)}
            <p class="hr-plan-bulk__count" data-plan-count="">"Selected rows"</p>
            <label class="hr-check hr-needs-js"><input type="checkbox" data-plan-all=""/>"All shown"</label>
            {field("bulk-slots", "Slots", slots.into_any())}
            {field("bulk-by", "Move by", by.into_any())}
            {field("bulk-kind", "Kind", kind.into_any())}
            {field("bulk-zone", "Zone", zone.into_any())}
            <span class="hr-plan-bulk__acts">
                <button class="hr-btn hr-btn--primary" type="submit" name="do" value="bulk" data-plan-key="bulk">"Change selected"</button>
                <button class="hr-btn" type="submit" name="do" value="bulk-cancel" data-plan-key="bulk-cancel">{icon(shell, "x")}"Cancel selected"</button>
                <a class="hr-btn" href=here.to_owned() data-plan-clear="">"Clear selection"</a>
            </span>
        </form>
        {datalist("plan-tenant", &sheet.tenants)}
        {datalist("plan-zone", &sheet.zones)}
        {datalist("plan-kind", &names)}
        {datalist("plan-repeat", &RULES.map(str::to_owned))}
    }
    .into_any()
}
