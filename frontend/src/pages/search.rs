//! 
use leptos::prelude::*;

use crate::model::{ShellModel, SearchModel};

/// s
pub fn search(shell: &ShellModel, model: &SearchModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
