//! The first administrator.

use leptos::prelude::*;

use super::login::insecure;
use crate::components::field::{Ask, Mode, NEW_PASSWORD, csrf, error_summary, input};
use crate::components::shell::{Frame, document};
use crate::model::{SetupModel, ShellModel};

const CODE: Ask = Ask::new("code", "One-time code", "The server printed it on its console when it started.")
    .takes(Mode::Code)
    .filled_as("one-time-code");
const NAME: Ask =
    Ask::new("name", "Your name", "For example Dana Okafor; it stands beside what you change.").filled_as("name");
const EMAIL: Ask = Ask::new("email", "E-mail", "You sign in with it.").takes(Mode::Email).filled_as("username");

/// `/setup`
pub fn setup(shell: &ShellModel, model: &SetupModel) -> AnyView {
    let sub = "Nobody can sign in yet. The first account is an administrator and can make the others.";
    let frame = Frame { sub: Some(sub.into_any()), ..Frame::plain("Set up Headroom") };
    let errors = [
        (CODE.id, CODE.label, &model.code),
        (NAME.id, NAME.label, &model.name),
        (EMAIL.id, EMAIL.label, &model.email),
        (NEW_PASSWORD.id, NEW_PASSWORD.label, &model.password),
    ];
    let content = view! {
        {insecure(shell, model.insecure)}
        {error_summary(shell, model.error.as_deref(), &errors)}
        <form class="hr-form" method="post" action="/setup">
            {csrf(shell)}
            {input(shell, CODE, &model.code, None)}
            {input(shell, NAME, &model.name, None)}
            {input(shell, EMAIL, &model.email, None)}
            {input(shell, NEW_PASSWORD, &model.password, None)}
            <button class="hr-btn hr-btn--primary" type="submit">"Create administrator"</button>
        </form>
    };
    document(shell, frame, content.into_any())
}
