//! Sign-in.

use leptos::prelude::*;

use crate::components::field::{Ask, Mode, csrf, input};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, strip};
use crate::model::{DemoAccount, Field, LoginModel, ShellModel};

const EMAIL: Ask = Ask::new("email", "E-mail", "").takes(Mode::Email).filled_as("username");
const PASSWORD: Ask = Ask::new("password", "Password", "").takes(Mode::Password).filled_as("current-password");
const TOTP: Ask =
    Ask::new("totp", "Code", "The six digits that your app shows now.").takes(Mode::Whole).filled_as("one-time-code");

/// `/login`
pub fn login(shell: &ShellModel, model: &LoginModel) -> AnyView {
    // Only a password manager can fill the password by itself, so focus goes to the first field that stays empty.
    let knows_who = !model.email.value.is_empty();
    let blank = Field::default();
    let code = model.asks_code.then(|| input(shell, TOTP, &blank, None));
    let error = model.error.as_ref().map(|error| {
        view! { <div role="alert">{strip(shell, Tone::Critical, error.clone().into_any())}</div> }
    });
    let elsewhere = model.sso.as_ref().map(|provider| {
        view! {
            <form class="hr-form" method="post" action="/login/sso">
                {csrf(shell)}
                <input type="hidden" name="next" value=model.next.clone()/>
                <button class="hr-btn" type="submit">{format!("Sign in with {provider}")}</button>
            </form>
        }
    });
    let content = view! {
        {insecure(shell, model.insecure)}
        {error}
        <form class="hr-form" method="post" action="/login">
            {csrf(shell)}
            <input type="hidden" name="next" value=model.next.clone()/>
            {input(shell, EMAIL.first_if(!knows_who), &model.email, None)}
            {input(shell, PASSWORD.first_if(knows_who), &blank, None)}
            {code}
            <button class="hr-btn hr-btn--primary" type="submit">"Sign in"</button>
        </form>
        {elsewhere}
        <p><a href="/reset">"Forgot your password, or have a one-time code?"</a></p>
        {demo(shell, model)}
    };
    document(shell, Frame::plain("Sign in"), content.into_any())
}

/// Accounts of the demo world: a button each, so that nobody types a password that everybody may know.
fn demo(shell: &ShellModel, model: &LoginModel) -> Option<AnyView> {
    if model.demo.is_empty() {
        return None;
    }
    let accounts = model.demo.iter().map(|account| demo_account(shell, account, &model.next)).collect_view();
    Some(
        view! {
            <section class="hr-form__group" aria-labelledby="demo-title">
                <h2 id="demo-title">"Look around the demo world"</h2>
                <ul class="hr-form__group hr-demo">{accounts}</ul>
            </section>
        }
        .into_any(),
    )
}

fn demo_account(shell: &ShellModel, account: &DemoAccount, next: &str) -> AnyView {
    view! {
        <li>
            <form method="post" action="/login">
                {csrf(shell)}
                <input type="hidden" name="email" value=account.email.clone()/>
                <input type="hidden" name="password" value=account.password.clone()/>
                <input type="hidden" name="next" value=next.to_owned()/>
                <button class="hr-btn" type="submit">
                    {icon(shell, "arrow-right")}{format!("Sign in as {}", account.role)}
                </button>
            </form>
            <p class="hr-field__help">{account.sees.clone()}</p>
        </li>
    }
    .into_any()
}

/// The warning of pages that take a password over a connection that others can read.
pub(super) fn insecure(shell: &ShellModel, insecure: bool) -> Option<AnyView> {
    insecure
        .then(|| strip(shell, Tone::Warn, "This connection is not encrypted: use it only on this machine.".into_any()))
}
