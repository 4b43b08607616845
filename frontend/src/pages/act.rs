//! Acting on live slots: what is asked, what it would do, and the button that does it. Nothing happens before that button.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::field::{Ask, Mode, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::model::{ActModel, ActPreview, Field, Link, ShellModel, SlotAction};
use crate::url::{pool_path, tenant_path, with_query};

/// The page of an action on a pool.
pub(crate) fn act_path(pool: &str, action: SlotAction) -> String {
    format!("{}/act/{}", pool_path(pool), action.word())
}

const REASON: Ask =
    Ask::new("reason", "Why", "Kept in the audit trail and shown to who is hit, for example: node n-07 is gone.");

/// The question of a field. Unknown names are not asked.
fn ask(name: &str, action: SlotAction) -> Option<Ask> {
    Some(match (name, action) {
        ("slots", SlotAction::Reclaim) => Ask::new(
            "slots",
            "Which slots",
            "Numbers and ranges such as 4711, 9000-9040, or the word leaked for every leaked slot.",
        )
        .takes(Mode::Code),
        ("slots", SlotAction::Restore) => {
            Ask::new("slots", "Which slots", "Numbers and ranges such as 4711, 9000-9040.").takes(Mode::Code)
        }
        ("slots", _) => {
            Ask::new("slots", "Which slots", "Numbers and ranges such as 4711, 9000-9040, or the word all.")
                .takes(Mode::Code)
        }
        ("tenant", SlotAction::Preempt) => {
            Ask::new("tenant", "From whom", "A tenant; empty takes from the lowest priority first.")
                .optional()
                .takes(Mode::Code)
        }
        ("tenant", _) => {
            Ask::new("tenant", "Whose quota", "The tenant's identifier, for example acme-search.").takes(Mode::Code)
        }
        ("count", _) => Ask::new("count", "How many slots", "A whole number, 1 or more.").takes(Mode::Whole),
        ("to", SlotAction::Resize) => Ask::new("to", "New size", "A whole number of slots.").takes(Mode::Whole),
        ("to", _) => Ask::new("to", "Most slots for now", "A whole number, 0 or more.").takes(Mode::Whole),
        ("minutes", _) => Ask::new("minutes", "For how long", "Minutes, at most 1440; then the old quota holds again.")
            .takes(Mode::Whole),
        _ => return None,
    })
}

/// `/pools/{pool}/act/{action}`
pub fn act(shell: &ShellModel, model: &ActModel) -> AnyView {
    let path = act_path(&model.pool.slug, model.action);
    let map = with_query(&pool_path(&model.pool.slug), &[("tab", "map")]);
    let frame = Frame {
        section: Some("Pools"),
        sub: Some(model.action.effect().into_any()),
        crumbs: vec![
            Link { label: "Pools".into(), href: "/pools".into() },
            Link { label: model.pool.name.clone(), href: map.clone() },
        ],
        ..Frame::plain(format!("{}: {}", model.action.label(), model.pool.name))
    };
    let asked: Vec<(Ask, &Field)> = model
        .action
        .asks()
        .iter()
        .zip(&model.fields)
        .filter_map(|(name, field)| Some((ask(name, model.action)?, field)))
        .collect();
    let mut wrong: Vec<(&'static str, &'static str, &Field)> =
        asked.iter().map(|(ask, field)| (ask.name, ask.label, *field)).collect();
    wrong.push((REASON.name, REASON.label, &model.reason));
    let form = (!asked.is_empty()).then(|| form(shell, model, &path, &asked));
    let preview = model.preview.as_ref().map(|preview| preview_card(shell, model, &path, &map, preview));
    let leave = model.preview.is_none().then(|| view! { <p><a class="hr-btn" href=map.clone()>"Cancel"</a></p> });
    let content = view! {
        {error_summary(shell, model.error.as_deref(), &wrong)}
        {form}
        {preview}
        {leave}
    };
    document(shell, frame, content.into_any())
}

fn form(shell: &ShellModel, model: &ActModel, path: &str, asked: &[(Ask, &Field)]) -> AnyView {
    let fields = asked
        .iter()
        .map(|(ask, field)| input(shell, *ask, field, (ask.name == "tenant").then_some("act-tenants")))
        .collect_view();
    let tenants = model
        .tenants
        .iter()
        .map(|tenant| view! { <option value=tenant.slug.clone()>{tenant.name.clone()}</option> })
        .collect_view();
    let class = if model.preview.is_some() { "hr-btn" } else { "hr-btn hr-btn--primary" };
    let text = if model.preview.is_some() { "Preview again" } else { "Preview" };
    view! {
        <form class="hr-form" method="get" action=path.to_owned()>
            <div class="hr-card hr-form__group">
                {(!model.now.is_empty()).then(|| view! { <p>{model.now.clone()}</p> })}
                <div class="hr-form__row">{fields}</div>
                <datalist id="act-tenants">{tenants}</datalist>
                <div class="hr-form__foot">
                    <button class=class type="submit">{text}</button>
                    <span class="hr-muted">"A preview changes nothing."</span>
                </div>
            </div>
        </form>
    }
    .into_any()
}

fn preview_card(shell: &ShellModel, model: &ActModel, path: &str, back: &str, preview: &ActPreview) -> AnyView {
    let hidden = model
        .action
        .asks()
        .iter()
        .zip(&model.fields)
        .map(|(name, field)| view! { <input type="hidden" name=*name value=field.value.clone()/> })
        .collect_view();
    let warnings = preview.warnings.iter().map(|text| strip(shell, Tone::Warn, text.clone().into_any())).collect_view();
    let permanent = if preview.permanent.is_empty() {
        view! { <h3>"What cannot be undone"</h3><p>"Nothing: all of it can be taken back."</p> }.into_any()
    } else {
        let items = preview.permanent.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        view! { <h3>{state_icon(shell, "state-warn")}" What cannot be undone"</h3><ul>{items}</ul> }.into_any()
    };
    let undo = (!preview.undo.is_empty()).then(|| view! { <p class="hr-muted">{preview.undo.clone()}</p> });
    let commit = if let Some(why) = &preview.blocked {
        view! {
            {strip(shell, Tone::Critical, why.clone().into_any())}
            <div class="hr-form__foot"><a class="hr-btn" href=back.to_owned()>"Back to the map"</a></div>
        }
        .into_any()
    } else {
        let class = if model.action.takes_away() { "hr-btn hr-btn--danger" } else { "hr-btn hr-btn--primary" };
        view! {
            <form class="hr-form__group" method="post" action=path.to_owned()>
                {csrf(shell)}
                <input type="hidden" name="version" value=model.version.clone()/>
                {hidden}
                {lines(shell, REASON, &model.reason, 2)}
                <div class="hr-form__foot">
                    <a class="hr-btn" href=back.to_owned()>"Cancel"</a>
                    <button class=class type="submit">{preview.verb.clone()}</button>
                </div>
            </form>
        }
        .into_any()
    };
    view! {
        <section class="hr-card hr-narrow hr-preview" aria-labelledby="preview-title" id="preview">
            <div class="hr-card__head">
                <h2 id="preview-title">"Preview"</h2>
                <span class="hr-card__sub">"nothing has happened yet"</span>
            </div>
            {warnings}
            <h3>"What changes"</h3>
            {changes(preview)}
            <h3>"Who is hit"</h3>
            {hit(shell, preview)}
            {permanent}
            {undo}
            {commit}
        </section>
    }
    .into_any()
}

fn changes(preview: &ActPreview) -> AnyView {
    if preview.changes.is_empty() {
        return view! { <p>"Nothing: it is so already."</p> }.into_any();
    }
    let rows = preview
        .changes
        .iter()
        .map(|(what, was, becomes)| {
            view! {
                <tr>
                    <th scope="row">{what.clone()}</th>
                    <td><del>{was.clone()}</del></td>
                    <td><ins>{becomes.clone()}</ins></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="hr-scroll" role="group" tabindex="0" aria-label="What changes">
            <table class="hr-table hr-table--plain hr-diff">
                <thead><tr><th scope="col">"What"</th><th scope="col">"Was"</th><th scope="col">"Becomes"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn hit(shell: &ShellModel, preview: &ActPreview) -> AnyView {
    if preview.hit.is_empty() {
        return view! { <p>"Nobody loses a slot."</p> }.into_any();
    }
    let rows = preview
        .hit
        .iter()
        .map(|hit| {
            view! {
                <tr>
                    <th scope="row"><a href=shell.url.link(&tenant_path(&hit.tenant.slug))>{hit.tenant.name.clone()}</a></th>
                    <td class="hr-num">{format::count(hit.slots)}</td>
                    <td>{hit.what.clone()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="hr-scroll" role="group" tabindex="0" aria-label="Who is hit">
            <table class="hr-table hr-table--plain">
                <thead><tr><th scope="col">"Tenant"</th><th scope="col" class="hr-num">"Slots"</th><th scope="col">"What happens"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_action_is_a_question() {
        for action in SlotAction::ALL {
            assert_eq!(SlotAction::parse(action.word()), Some(action));
            for name in action.asks() {
                assert!(ask(name, action).is_some_and(|ask| ask.name == *name), "{action:?} {name}");
            }
        }
    }
}
