//! Who is hit: the first tenants by name, and how many more.

use leptos::prelude::*;

use crate::model::{Named, ShellModel};
use crate::url::tenant_path;

/// `hits acme, billing +2`; nothing if nobody is.
pub(crate) fn hits(shell: &ShellModel, tenants: &[Named], total: i64) -> Option<AnyView> {
    if tenants.is_empty() {
        return None;
    }
    let links = tenants
        .iter()
        .enumerate()
        .map(|(index, tenant)| {
            let href = shell.url.link(&tenant_path(&tenant.slug));
            view! { {(index > 0).then_some(", ")}<a href=href>{tenant.name.clone()}</a> }
        })
        .collect_view();
    let more = total - tenants.len() as i64;
    Some(view! { <span class="hr-dot">"hits "{links}{(more > 0).then(|| format!(" +{more}"))}</span> }.into_any())
}
