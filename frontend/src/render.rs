//! From a view to the text of an HTML document.

use leptos::prelude::*;

/// Renders a page. Synchronous and pure: a page has no resources to wait for, its model is complete.
///
/// The view is built inside its own reactive owner, which islands need, and which is dropped with everything in it before
/// this returns; nothing is kept between requests.
pub fn document(view: impl FnOnce() -> AnyView) -> String {
    let owner = Owner::new();
    let html = owner.with(|| view().to_html());
    owner.unset_with_forced_cleanup();
    format!("<!DOCTYPE html>{html}")
}
