//! The index of the admin pages, and the tabs that all of them share.

use leptos::prelude::*;

use crate::components::shell::{Frame, document};
use crate::model::{Link, ShellModel};

/// The admin pages: name, path, what is done there.
const PAGES: [(&str, &str, &str); 5] = [
    ("Users", "/admin/users", "Who may sign in, with which roles, and one-time codes for new passwords."),
    ("Roles", "/admin/roles", "What each role of a person and each scope of a token allows."),
    ("Tokens", "/admin/tokens", "How programs sign in: make tokens, see when they were used, revoke them."),
    (
        "Receivers",
        "/admin/receivers",
        "Who is told about alerts: channels, pagers, mailboxes and programs; try them, and see what did not arrive.",
    ),
    (
        "Settings",
        "/admin/settings",
        "Name of the organisation, currency, time zone, whether money is shown, and whether acknowledging needs a note.",
    ),
];

/// `/admin`
pub fn admin(shell: &ShellModel) -> AnyView {
    let rows = PAGES
        .into_iter()
        .map(|(name, path, about)| {
            view! { <li><a href=path>{name}</a><p class="hr-muted">{about}</p></li> }
        })
        .collect_view();
    let content = view! {
        {admin_tabs("")}
        <section class="hr-card" aria-labelledby="pages-title">
            <div class="hr-card__head"><h2 id="pages-title">"What can be managed"</h2></div>
            <ul class="hr-index">{rows}</ul>
        </section>
    };
    document(shell, Frame::plain("Admin"), content.into_any())
}

/// Links to the admin pages. `current` is the name of the page they stand on, or of the one it lies below.
pub(super) fn admin_tabs(current: &str) -> AnyView {
    let links = PAGES
        .into_iter()
        .map(|(name, path, _)| view! { <a href=path aria-current=(name == current).then_some("page")>{name}</a> })
        .collect_view();
    view! { <nav class="hr-tabs" aria-label="Admin">{links}</nav> }.into_any()
}

/// The way up from an admin page.
pub(super) fn crumb() -> Link {
    Link { label: "Admin".into(), href: "/admin".into() }
}
