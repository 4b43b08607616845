//! 
use leptos::prelude::*;

use crate::model::{ShellModel, ErrorModel};

/// An error page.
pub fn error(shell: &ShellModel, model: &ErrorModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
