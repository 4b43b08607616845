//! 
use leptos::prelude::*;

use crate::model::{ShellModel, PoolFormModel};

/// p
pub fn pool_form(shell: &ShellModel, model: &PoolFormModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
