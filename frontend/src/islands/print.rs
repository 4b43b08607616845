//! The print button: only a script can open the print dialog, so without one it is not there.

use leptos::prelude::*;

use super::sprite;

/// Opens the browser's print dialog.
#[island]
pub fn PrintButton(
    /// Address of the icon sprite.
    icons: String,
) -> impl IntoView {
    let print = move |_| {
        #[cfg(feature = "hydrate")]
        let _ = window().print();
    };
    view! {
        <button class="hr-btn hr-btn--icon hr-needs-js" type="button" aria-label="Print" title="Print" on:click=print>
            {sprite(&icons, "printer")}
        </button>
    }
}
