//! A one-time code becomes a password.

use leptos::prelude::*;

use super::login::insecure;
use crate::components::field::{Ask, Mode, NEW_PASSWORD, csrf, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::model::{ResetModel, ShellModel};

const EMAIL: Ask = Ask::new("email", "E-mail", "The address of your account.").takes(Mode::Email).filled_as("username");
const CODE: Ask = Ask::new("code", "One-time code", "From an administrator or an e-mail; it works once.")
    .takes(Mode::Code)
    .filled_as("one-time-code");

/// `/reset`
pub fn reset(shell: &ShellModel, model: &ResetModel) -> AnyView {
    let sub = "With a one-time code you choose a new password; your other sessions end.";
    let frame = Frame { sub: Some(sub.into_any()), ..Frame::plain("Set a password") };
    let errors = [
        (EMAIL.id, EMAIL.label, &model.email),
        (CODE.id, CODE.label, &model.code),
        (NEW_PASSWORD.id, NEW_PASSWORD.label, &model.password),
        ("mail-email", EMAIL.label, &model.mail),
    ];
    let no_code = if model.sends_mail {
        view! {
            <section class="hr-form__group" aria-labelledby="mail-title">
                <h2 id="mail-title">"No code yet?"</h2>
                <form class="hr-form" method="post" action="/reset/mail">
                    {csrf(shell)}
                    {input(shell, EMAIL.with_id("mail-email"), &model.mail, None)}
                    <button class="hr-btn" type="submit">"Send a code by e-mail"</button>
                </form>
            </section>
        }
        .into_any()
    } else {
        view! { <p class="hr-muted">"No code yet? Ask an administrator for one."</p> }.into_any()
    };
    let content = view! {
        {insecure(shell, model.insecure)}
        {error_summary(shell, model.error.as_deref(), &errors)}
        <form class="hr-form" method="post" action="/reset">
            {csrf(shell)}
            {input(shell, EMAIL, &model.email, None)}
            {input(shell, CODE, &model.code, None)}
            {input(shell, NEW_PASSWORD, &model.password, None)}
            <button class="hr-btn hr-btn--primary" type="submit">"Set password"</button>
        </form>
        {no_code}
        <p><a href="/login">"Back to sign-in"</a></p>
    };
    document(shell, frame, content.into_any())
}
