//! 
use leptos::prelude::*;

use crate::model::{ShellModel, ArchiveModel};

/// The confirm page.
pub fn archive(shell: &ShellModel, model: &ArchiveModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
