//! Shortcuts.
use leptos::prelude::*;

use crate::model::ShellModel;

/// The list of keyboard shortcuts.
pub fn shortcuts(shell: &ShellModel) -> AnyView {
    let _ = shell;
    ().into_any()
}
