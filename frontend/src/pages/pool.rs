//! 
use leptos::prelude::*;

use crate::model::{ShellModel, PoolModel};

/// p
pub fn pool(shell: &ShellModel, model: &PoolModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
