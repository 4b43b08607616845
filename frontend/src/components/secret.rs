//! Secrets that are shown once.

use leptos::prelude::*;

use super::value::day_time;
use crate::model::{ShellModel, ShownOnce};

/// The notice with a secret. One click selects all of it; there is no button, because copying works without one.
pub(crate) fn shown_once(shell: &ShellModel, title: &'static str, once: &ShownOnce) -> AnyView {
    let until = once.expires_ms.map(|at| view! { <p>"It works until "{day_time(shell, at)}"."</p> });
    view! {
        <section class="hr-notice hr-notice--ok hr-once" aria-labelledby="shown-once-title">
            <div class="hr-notice__text hr-form__group">
                <h2 id="shown-once-title">{title}</h2>
                <p>"It is shown this once and cannot be shown again: copy it before you leave this page."</p>
                <code class="hr-once__secret" tabindex="0">{once.secret.clone()}</code>
                <p>{once.hint.clone()}</p>
                {until}
            </div>
        </section>
    }
    .into_any()
}
