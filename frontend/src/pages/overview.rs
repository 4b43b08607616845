//! 
use leptos::prelude::*;

use crate::model::{ShellModel, OverviewModel};

/// o
pub fn overview(shell: &ShellModel, model: &OverviewModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
