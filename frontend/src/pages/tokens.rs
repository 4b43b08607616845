//! API tokens: the list, the form for a new one, and the page that asks before one is revoked.

use headroom_domain::format;
use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::events::changes_card;
use crate::components::field::{Ask, Mode, checks, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::secret::shown_once;
use crate::components::shell::{Frame, document};
use crate::components::state::{button_link, empty};
use crate::components::table::{pager, text_filter};
use crate::components::value::{ago, day_time, times_in};
use crate::model::{Field, Link, RevokeModel, ShellModel, TokenForm, TokenRow, TokenStatus, TokensModel};
use crate::url::encode;

const NAME: Ask = Ask::new("name", "Name", "Which program uses it, for example grafana-ro.").takes(Mode::Code);
const SCOPES: Ask = Ask::new("scopes", "Scopes", "Choose as few as the program needs.");
const POOLS: Ask =
    Ask::new("pools", "Only these pools", "One identifier per line, for example ingress-eu; empty is all.")
        .optional()
        .takes(Mode::Code);
const TENANTS: Ask =
    Ask::new("tenants", "Only these tenants", "One identifier per line, for example acme-search; empty is all.")
        .optional()
        .takes(Mode::Code);
const DAYS: Ask = Ask::new("days", "Days until it ends", "A whole number, for example 90.").takes(Mode::Whole);

/// `/admin/tokens`
pub fn tokens(shell: &ShellModel, model: &TokensModel) -> AnyView {
    let new = button_link(shell, "hr-btn hr-btn--primary", "plus", "New token", "#new".to_owned());
    let frame = Frame {
        section: Some("Admin"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![crumb()],
        actions: vec![new],
        ..Frame::plain("Tokens")
    };
    let form = &model.form;
    let scopes = Field { value: String::new(), error: form.scopes_error.clone() };
    let errors = [
        (NAME.id, NAME.label, &form.name),
        (SCOPES.id, SCOPES.label, &scopes),
        (POOLS.id, POOLS.label, &form.pools),
        (TENANTS.id, TENANTS.label, &form.tenants),
        (DAYS.id, DAYS.label, &form.days),
    ];
    let content = view! {
        {admin_tabs("Tokens")}
        {model.made.as_ref().map(|made| shown_once(shell, "New token", made))}
        {error_summary(shell, form.error.as_deref(), &errors)}
        {list(shell, model)}
        {new_form(shell, form)}
        {changes_card(shell, &model.changes, "/audit?object=token".to_owned())}
    };
    document(shell, frame, content.into_any())
}

fn list(shell: &ShellModel, model: &TokensModel) -> AnyView {
    let filter = (!model.rows.is_empty() || !model.table.q.is_empty())
        .then(|| view! { <div class="hr-tools">{text_filter(shell, &model.table, "Filter tokens by name")}</div> });
    if model.rows.is_empty() {
        let text = if model.table.q.is_empty() {
            "No tokens yet: no program can sign in.".to_owned()
        } else {
            format!("No token matches “{}”.", model.table.q)
        };
        return view! { {filter}{empty(shell, &text, None)} }.into_any();
    }
    let rows = model.rows.iter().map(|row| token_row(shell, row)).collect_view();
    let noun = if model.table.total == 1 { "token" } else { "tokens" };
    view! {
        {filter}
        <div class="hr-card hr-card--flush">
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">
                        {format!("{} {noun}, newest first; those that no longer work last", format::count(model.table.total))}
                    </caption>
                    <thead>
                        <tr>
                            <th scope="col">"Token"</th>
                            <th scope="col">"Scopes"</th>
                            <th scope="col">"Made by"</th>
                            <th scope="col">"Ends"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Revoke"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {pager(shell, &model.table, model.rows.len())}
        </div>
    }
    .into_any()
}

fn token_row(shell: &ShellModel, row: &TokenRow) -> AnyView {
    let limits = (!row.limits.is_empty()).then(|| view! { <small class="hr-small">{row.limits.clone()}</small> });
    let ends = row.expires_ms.map_or_else(|| "no end".into_any(), |at| day_time(shell, at));
    let works = matches!(row.status, TokenStatus::Active | TokenStatus::Expiring);
    let revoke = works.then(|| {
        let label = format!("Revoke {}", row.name);
        view! { <a class="hr-btn hr-btn--small" href=revoke_path(&row.id) aria-label=label>"Revoke…"</a> }
    });
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <span>{row.name.clone()}<small><code>{format!("{}…", row.prefix)}</code></small></span>
            </th>
            <td data-label="Scopes"><span>{row.scopes.clone()}{limits}</span></td>
            <td data-label="Made by"><span>{row.made_by.clone()}</span></td>
            <td data-label="Ends">{ends}</td>
            <td data-label="Last used"><span>{last_use(shell, row)}</span></td>
            <td data-label="State">{status(shell, row.status)}</td>
            <td>{revoke}</td>
        </tr>
    }
    .into_any()
}

fn last_use(shell: &ShellModel, row: &TokenRow) -> AnyView {
    let Some(at) = row.used_ms else { return "never".into_any() };
    let by = (!row.used_by.is_empty()).then(|| view! { <small class="hr-small">{row.used_by.clone()}</small> });
    view! { {ago(shell, at)}{by} }.into_any()
}

fn status(shell: &ShellModel, status: TokenStatus) -> AnyView {
    let (class, shape, word) = match status {
        TokenStatus::Active => ("hr-level hr-level--ok", "state-ok", "active"),
        TokenStatus::Expiring => ("hr-level hr-level--warn", "state-warn", "ends soon"),
        TokenStatus::Expired => ("hr-level hr-level--unknown", "state-unknown", "expired"),
        TokenStatus::Revoked => ("hr-level hr-level--unknown", "state-unknown", "revoked"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{word}</span> }.into_any()
}

fn new_form(shell: &ShellModel, form: &TokenForm) -> AnyView {
    view! {
        <form class="hr-form" method="post" action="/admin/tokens" id="new">
            {csrf(shell)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"New token"</legend>
                <div class="hr-form__row">
                    {input(shell, NAME, &form.name, None)}
                    {input(shell, DAYS, &form.days, None)}
                </div>
                {checks(shell, SCOPES, &form.scopes, form.scopes_error.as_deref())}
                <div class="hr-form__row">
                    {lines(shell, POOLS, &form.pools, 3)}
                    {lines(shell, TENANTS, &form.tenants, 3)}
                </div>
                <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Create token"</button></div>
            </fieldset>
        </form>
    }
    .into_any()
}

fn revoke_path(id: &str) -> String {
    format!("/admin/tokens/{}/revoke", encode(id))
}

/// `/admin/tokens/{token}/revoke`
pub fn revoke(shell: &ShellModel, model: &RevokeModel) -> AnyView {
    let token = &model.token;
    let crumbs = vec![crumb(), Link { label: "Tokens".into(), href: "/admin/tokens".into() }];
    let frame = Frame { section: Some("Admin"), crumbs, ..Frame::plain(format!("Revoke token {}?", token.name)) };
    let used = match token.used_ms {
        None => "It was never used.".into_any(),
        Some(at) if token.used_by.is_empty() => view! { "It was used last "{ago(shell, at)}"." }.into_any(),
        Some(at) => view! { "It was used last "{ago(shell, at)}" by "{token.used_by.clone()}"." }.into_any(),
    };
    let content = view! {
        {admin_tabs("Tokens")}
        <form class="hr-form" method="post" action=revoke_path(&token.id)>
            {csrf(shell)}
            <div class="hr-card hr-prose">
                <h2>"What happens"</h2>
                <ul>
                    <li>"Every program that uses it is refused from now on."</li>
                    <li>{used}</li>
                    <li>"It cannot be brought back; make a new token instead."</li>
                </ul>
                <h2>"What stays"</h2>
                <ul><li>"The audit trail keeps what was done with it."</li></ul>
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href="/admin/tokens">"Cancel"</a>
                <button class="hr-btn hr-btn--danger" type="submit">"Revoke token"</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
