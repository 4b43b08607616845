//! 
use leptos::prelude::*;

use crate::model::{ShellModel, MeModel};

/// Me
pub fn me(shell: &ShellModel, model: &MeModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
