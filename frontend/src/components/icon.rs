//! Icons: references into the one sprite, so that no icon is sent twice.

use leptos::prelude::*;

use crate::model::ShellModel;

/// A decorative icon of 16 px; the words beside it carry the meaning.
pub(crate) fn icon(shell: &ShellModel, name: &str) -> AnyView {
    sized(shell, name, "hr-icon", 16)
}

/// A state shape of 14 px.
pub(crate) fn state_icon(shell: &ShellModel, name: &str) -> AnyView {
    sized(shell, name, "hr-icon hr-icon--14", 14)
}

/// A navigation icon of 20 px.
pub(crate) fn icon_20(shell: &ShellModel, name: &str) -> AnyView {
    sized(shell, name, "hr-icon hr-icon--20", 20)
}

/// The icon of an empty state, 32 px.
pub(crate) fn icon_32(shell: &ShellModel, name: &str) -> AnyView {
    sized(shell, name, "hr-icon hr-icon--32", 32)
}

fn sized(shell: &ShellModel, name: &str, class: &'static str, size: u32) -> AnyView {
    let href = format!("{}#{name}", shell.assets.icons);
    view! {
        <svg class=class width=size height=size aria-hidden="true">
            <use_ href=href></use_>
        </svg>
    }
    .into_any()
}
