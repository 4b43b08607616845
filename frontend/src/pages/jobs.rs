//! 
use leptos::prelude::*;

use crate::model::{ShellModel, JobsModel};

/// Jobs
pub fn jobs(shell: &ShellModel, model: &JobsModel) -> AnyView {
    let _ = (shell, model);
    ().into_any()
}
