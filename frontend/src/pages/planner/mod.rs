//! The planner: a pool's promises over time, and the draft that changes them.

mod bulk;
mod form;
mod import;
mod import_check;
mod import_steps;
mod page;
mod policy;
mod publications;
mod review;
mod rows;
mod strip;
mod timeline;

pub use form::reservation_form;
pub use import::plan_import;
pub use import_steps::import_step;
pub use page::planner;
pub use policy::plan_policy;
pub use publications::publications;
pub use review::draft_review;

use leptos::prelude::*;

use crate::components::field::csrf;
use crate::components::icon::state_icon;
use crate::model::{DraftHead, Named, PlanMark, ShellModel};
use crate::url::with_query;

/// Where a draft is edited.
pub(super) const ACT: &str = "/planner/act";

/// A field that is sent along.
fn hidden(name: &str, value: &str) -> AnyView {
    view! { <input type="hidden" name=name.to_owned() value=value.to_owned()/> }.into_any()
}

/// What every edit of a draft sends along.
fn edit_fields(shell: &ShellModel, pool: &str, draft: Option<&DraftHead>, back: &str) -> AnyView {
    view! {
        {csrf(shell)}
        {hidden("pool", pool)}
        {hidden("draft", draft.map_or("", |draft| draft.id.as_str()))}
        {hidden("version", draft.map_or("", |draft| draft.version.as_str()))}
        {hidden("back", back)}
    }
    .into_any()
}

/// The mark of a bar or row with its word.
fn mark(shell: &ShellModel, mark: PlanMark) -> Option<AnyView> {
    let (class, icon) = match mark {
        PlanMark::None => return None,
        PlanMark::Draft => ("hr-pill hr-pill--warn", "pencil"),
        PlanMark::Pending => ("hr-pill hr-pill--info", "clock"),
        PlanMark::Conflict => ("hr-pill hr-pill--crit", "state-crit"),
    };
    Some(view! { <span class=class>{state_icon(shell, icon)}{mark.word()}</span> }.into_any())
}

/// Another pool is chosen by a form, so that it works without scripts.
fn pool_chooser(
    shell: &ShellModel,
    path: &'static str,
    pools: &[Named],
    chosen: &str,
    keep: &[(&str, &str)],
) -> AnyView {
    let options = pools
        .iter()
        .map(|pool| view! { <option value=pool.slug.clone() selected=pool.slug == chosen>{pool.name.clone()}</option> })
        .collect_view();
    let zone = shell.url.tz.clone().map(|tz| hidden("tz", &tz));
    let keep =
        keep.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| hidden(name, value)).collect_view();
    view! {
        <form class="hr-plan-pool" method="get" action=path>
            <label class="hr-vh" for="plan-pool">"Pool"</label>
            <select class="hr-input" id="plan-pool" name="pool" data-plan-submits="">{options}</select>
            {zone}
            {keep}
            <button class="hr-btn" type="submit">"Show"</button>
        </form>
    }
    .into_any()
}

/// An address below `/planner` with the zone that is shown.
fn address(shell: &ShellModel, path: &str, pairs: &[(&str, &str)]) -> String {
    let mut all: Vec<(&str, &str)> = pairs.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
    all.extend(shell.url.tz.as_deref().map(|tz| ("tz", tz)));
    with_query(path, &all)
}
