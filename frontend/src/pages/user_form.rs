//! The form of an account: new, or edit with what else can be done to it.

use headroom_domain::format;
use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::events::changes_card;
use crate::components::field::{Ask, Mode, checks, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::secret::shown_once;
use crate::components::shell::{Frame, document};
use crate::components::value::ago;
use crate::model::{Field, Link, ShellModel, UserFormModel};
use crate::url::{encode, user_path};

const NAME: Ask = Ask::new("name", "Name", "For example Dana Okafor; it stands beside what the person changes.");
const EMAIL: Ask = Ask::new("email", "E-mail", "The person signs in with it.").takes(Mode::Email);
const ROLES: Ask = Ask::new("roles", "Roles", "Roles combine: a person may do what any of them allows.");
const TENANTS: Ask = Ask::new(
    "tenants",
    "Tenants",
    "For tenant viewers: one identifier per line, for example acme-search. They see these tenants and nothing of the others.",
)
.optional()
.takes(Mode::Code);

/// `/admin/users/new` and `/admin/users/{user}`
pub fn user_form(shell: &ShellModel, model: &UserFormModel) -> AnyView {
    let (heading, action) = match &model.id {
        Some(id) => (model.name.value.clone(), user_path(id)),
        None => ("New user".to_owned(), "/admin/users/new".to_owned()),
    };
    let crumbs = vec![crumb(), Link { label: "Users".into(), href: "/admin/users".into() }];
    let frame = Frame { section: Some("Admin"), crumbs, ..Frame::plain(heading) };
    let save = if model.id.is_some() { "Save changes" } else { "Create user" };
    let roles = Field { value: String::new(), error: model.roles_error.clone() };
    let errors = [
        (NAME.id, NAME.label, &model.name),
        (EMAIL.id, EMAIL.label, &model.email),
        (ROLES.id, ROLES.label, &roles),
        (TENANTS.id, TENANTS.label, &model.tenants),
    ];
    let version = model.id.is_some().then(|| {
        view! { <input type="hidden" name="version" value=model.version.clone()/> }
    });
    let first_code = model.id.is_none().then(|| {
        view! {
            <p class="hr-field__help">
                {if model.sends_mail {
                    "The person gets a mail with a one-time code; with it they choose a password."
                } else {
                    "You will get a one-time code to hand over; with it the person chooses a password."
                }}
            </p>
        }
    });
    let content = view! {
        {admin_tabs("Users")}
        {model.code.as_ref().map(|code| shown_once(shell, "One-time code", code))}
        {error_summary(shell, model.error.as_deref(), &errors)}
        <form class="hr-form" method="post" action=action.clone()>
            {csrf(shell)}
            {version}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Who it is"</legend>
                <div class="hr-form__row">
                    {input(shell, NAME, &model.name, None)}
                    {input(shell, EMAIL, &model.email, None)}
                </div>
            </fieldset>
            <div class="hr-form__group hr-card">
                {checks(shell, ROLES, &model.roles, model.roles_error.as_deref())}
                {lines(shell, TENANTS, &model.tenants, 3)}
            </div>
            {first_code}
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{save}</button>
                <a class="hr-btn hr-btn--quiet" href="/admin/users">"Cancel"</a>
            </div>
        </form>
        {model.id.is_some().then(|| sign_in(shell, model, &action))}
        {changes_card(shell, &model.changes, format!("/audit?object=account&q={}", encode(&model.email.value)))}
    };
    document(shell, frame, content.into_any())
}

/// What else can be done to an existing account: each is a form of its own.
fn sign_in(shell: &ShellModel, model: &UserFormModel, action: &str) -> AnyView {
    let open = if model.sessions == 1 {
        "1 session".to_owned()
    } else {
        format!("{} sessions", format::count(model.sessions))
    };
    let seen =
        model.seen_ms.map_or_else(|| "never seen".into_any(), |at| view! { "last seen "{ago(shell, at)} }.into_any());
    let state = if model.disabled {
        view! { <span class="hr-level hr-level--unknown">{state_icon(shell, "state-unknown")}"disabled"</span> }
            .into_any()
    } else {
        view! { <span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}"may sign in"</span> }.into_any()
    };
    let step = |word: &'static str, label: &'static str, class: &'static str, effect: &'static str| {
        view! {
            <li>
                <form method="post" action=action.to_owned()>
                    {csrf(shell)}
                    <input type="hidden" name="version" value=model.version.clone()/>
                    <button class=class type="submit" name="do" value=word>{label}</button>
                </form>
                <p class="hr-field__help">{effect}</p>
            </li>
        }
        .into_any()
    };
    let reset = (!model.disabled).then(|| {
        step(
            "reset",
            "Make a one-time code",
            "hr-btn",
            "With it the person chooses a new password. Codes made before stop working.",
        )
    });
    let reset_totp = model.totp.then(|| {
        step(
            "reset-totp",
            "Take second factor away",
            "hr-btn",
            "For somebody who lost the device: the password alone signs in until a new one is set up.",
        )
    });
    let sign_out = (model.sessions > 0)
        .then(|| step("sign-out", "Sign out everywhere", "hr-btn", "Every session of this person ends at once."));
    let disable = if model.disabled {
        step("enable", "Enable account", "hr-btn", "The person may sign in again, with the roles above.")
    } else {
        step(
            "disable",
            "Disable account",
            "hr-btn hr-btn--danger",
            "The person cannot sign in and every session ends. The account stays, so that the audit trail keeps its name.",
        )
    };
    view! {
        <section class="hr-card hr-narrow" aria-labelledby="sign-in-title">
            <div class="hr-card__head">
                <h2 id="sign-in-title">"Sign-in"</h2>
                <span class="hr-card__sub">{state}" · "{open}" · "{seen}</span>
            </div>
            <ul class="hr-steps">{reset}{reset_totp}{sign_out}{disable}</ul>
        </section>
    }
    .into_any()
}
