//! Copy link: one that follows time, one that is frozen. Both are plain links too.

use leptos::prelude::*;

use super::sprite;

/// A menu with the two links to this page. With a script a click copies, without one it follows the link.
#[island]
pub fn CopyLink(
    /// The page with its range as written (`now-45d`).
    live: String,
    /// The page with its range resolved to instants.
    frozen: String,
    /// Address of the icon sprite.
    icons: String,
) -> impl IntoView {
    let copy = move |event: leptos::ev::MouseEvent| {
        #[cfg(feature = "hydrate")]
        super::dom::copy_link_of(&event);
        #[cfg(not(feature = "hydrate"))]
        let _ = event;
    };
    view! {
        <details class="hr-pop hr-pop--end" data-copy-link="">
            <summary>{sprite(&icons, "link")}<span class="hr-vh-small">"Copy link"</span></summary>
            <div class="hr-pop__panel hr-menu">
                <a href=live on:click=copy>
                    <span>"Link that follows time"<span class="hr-menu__note">"opens on the newest data"</span></span>
                </a>
                <a href=frozen on:click=copy>
                    <span>"Frozen link"<span class="hr-menu__note">"always shows exactly this range"</span></span>
                </a>
            </div>
        </details>
    }
}
