//! 
use leptos::prelude::*;

use crate::model::{ShellModel, HelpModel};

/// Help
pub fn help(shell: &ShellModel, model: &HelpModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
