//! 
use leptos::prelude::*;

use crate::model::{ShellModel, TenantFormModel};

/// t
pub fn tenant_form(shell: &ShellModel, model: &TenantFormModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
