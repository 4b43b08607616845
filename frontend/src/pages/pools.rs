//! 
use leptos::prelude::*;

use crate::model::{ShellModel, PoolsModel};

/// p
pub fn pools(shell: &ShellModel, model: &PoolsModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
