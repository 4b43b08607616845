//! The list of accounts.

use headroom_domain::format;
use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{button_link, panel};
use crate::components::table::{pager, text_filter};
use crate::components::value::{ago, times_in, unknown};
use crate::model::{ShellModel, UserRow, UsersModel};
use crate::url::user_path;

/// `/admin/users`
pub fn users(shell: &ShellModel, model: &UsersModel) -> AnyView {
    let new = button_link(shell, "hr-btn hr-btn--primary", "plus", "New user", "/admin/users/new".to_owned());
    let frame = Frame {
        section: Some("Admin"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![crumb()],
        actions: vec![new],
        ..Frame::plain("Users")
    };
    let body = || {
        let rows = model.rows.iter().map(|row| user_row(shell, row)).collect_view();
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{sentence(model)}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Name"</th>
                                <th scope="col">"E-mail"</th>
                                <th scope="col">"Roles"</th>
                                <th scope="col">"Last seen"</th>
                                <th scope="col" class="hr-num">"Sessions"</th>
                                <th scope="col">"State"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(shell, &model.table, model.rows.len())}
            </div>
        }
        .into_any()
    };
    let content = view! {
        {admin_tabs("Users")}
        <div class="hr-tools">{text_filter(shell, &model.table, "Filter users by name or e-mail")}</div>
        {panel(shell, &model.state, body)}
    };
    document(shell, frame, content.into_any())
}

fn sentence(model: &UsersModel) -> String {
    let noun = if model.table.total == 1 { "user" } else { "users" };
    let matching = if model.table.q.is_empty() { String::new() } else { format!(" matching “{}”", model.table.q) };
    format!("{} {noun}{matching}, by name", format::count(model.table.total))
}

fn user_row(shell: &ShellModel, row: &UserRow) -> AnyView {
    let seen = row.seen_ms.map_or_else(|| "never".into_any(), |at| ago(shell, at));
    let roles = if row.roles.is_empty() { unknown("no role was given") } else { row.roles.clone().into_any() };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=user_path(&row.id)>{row.name.clone()}</a></th>
            <td class="hr-row-cell" data-label="E-mail"><span class="hr-breaks">{row.email.clone()}</span></td>
            <td data-label="Roles"><span>{roles}</span></td>
            <td data-label="Last seen">{seen}</td>
            <td class="hr-num" data-label="Sessions">{format::count(row.sessions)}</td>
            <td data-label="State">{state(shell, row)}</td>
        </tr>
    }
    .into_any()
}

fn state(shell: &ShellModel, row: &UserRow) -> AnyView {
    let (class, shape, word) = if row.disabled {
        ("hr-level hr-level--unknown", "state-unknown", "disabled")
    } else if row.invited {
        ("hr-level", "state-info", "no password yet")
    } else {
        ("hr-level hr-level--ok", "state-ok", "active")
    };
    view! { <span class=class>{state_icon(shell, shape)}{word}</span> }.into_any()
}
