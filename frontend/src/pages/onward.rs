//! On the way to a provider of single sign-on.

use leptos::prelude::*;

use crate::components::shell::{Frame, document};
use crate::model::{OnwardModel, ShellModel};

/// The answer to `/login/sso`
pub fn onward(shell: &ShellModel, model: &OnwardModel) -> AnyView {
    let content = view! {
        <p>{format!("You sign in at {} and come back from there.", model.provider)}</p>
        <p>
            <a class="hr-btn hr-btn--primary" href=model.url.clone()>{format!("Continue to {}", model.provider)}</a>
        </p>
    };
    document(shell, Frame::plain("Sign in"), content.into_any())
}
