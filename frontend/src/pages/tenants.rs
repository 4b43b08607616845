//! 
use leptos::prelude::*;

use crate::model::{ShellModel, TenantsModel};

/// t
pub fn tenants(shell: &ShellModel, model: &TenantsModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
