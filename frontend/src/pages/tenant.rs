//! 
use leptos::prelude::*;

use crate::model::{ShellModel, TenantModel};

/// t
pub fn tenant(shell: &ShellModel, model: &TenantModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
