//! What each role and scope allows, read-only.

use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::model::{RolesModel, ShellModel};

/// `/admin/roles`
pub fn roles(shell: &ShellModel, model: &RolesModel) -> AnyView {
    let sub = "Roles are built in. They combine: a person may do what any of theirs allows.";
    let frame =
        Frame { section: Some("Admin"), sub: Some(sub.into_any()), crumbs: vec![crumb()], ..Frame::plain("Roles") };
    let content = view! {
        {admin_tabs("Roles")}
        {matrix(shell, "roles", "Roles of people", &model.roles, &model.rows)}
        {matrix(shell, "scopes", "Scopes of tokens", &model.scopes, &model.scope_rows)}
    };
    document(shell, frame, content.into_any())
}

fn matrix(
    shell: &ShellModel,
    id: &'static str,
    title: &'static str,
    columns: &[String],
    rows: &[(String, Vec<bool>)],
) -> AnyView {
    let heading = format!("{id}-title");
    let heads = columns.iter().map(|column| view! { <th scope="col">{column.clone()}</th> }).collect_view();
    let rows = rows
        .iter()
        .map(|(capability, allowed)| {
            let cells = allowed.iter().map(|allowed| cell(shell, *allowed)).collect_view();
            view! { <tr><th scope="row">{capability.clone()}</th>{cells}</tr> }
        })
        .collect_view();
    view! {
        <section class="hr-card hr-card--flush" aria-labelledby=heading.clone()>
            <div class="hr-card__head"><h2 id=heading.clone()>{title}</h2></div>
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby=heading.clone()>
                <table class="hr-table">
                    <thead><tr><th scope="col">"May"</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn cell(shell: &ShellModel, allowed: bool) -> AnyView {
    if allowed {
        view! { <td>{icon(shell, "check")}<span class="hr-vh">"yes"</span></td> }.into_any()
    } else {
        view! { <td class="hr-muted"><span aria-hidden="true">"–"</span><span class="hr-vh">"no"</span></td> }
            .into_any()
    }
}
