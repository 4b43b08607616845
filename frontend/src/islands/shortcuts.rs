//! Keyboard shortcuts, and the small courtesies of popovers: `Esc` and a click outside close them.

use leptos::prelude::*;

/// Listens for shortcuts. Prints nothing; the list is the page `/help/shortcuts`.
#[island]
pub fn Shortcuts(
    /// Single-key shortcuts are on.
    enabled: bool,
    /// `keys|href`, one per line.
    links: String,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    listen::start(enabled, &links);
    #[cfg(not(feature = "hydrate"))]
    let _ = (enabled, links);
    view! { <span hidden="" data-shortcuts=""></span> }
}

#[cfg(feature = "hydrate")]
mod listen {
    use std::cell::RefCell;

    use leptos::ev;
    use leptos::prelude::*;

    use crate::islands::dom;

    /// A second key must follow within this time.
    const SEQUENCE_MS: f64 = 1_200.0;

    struct State {
        links: Vec<(String, String)>,
        pending: Option<(String, f64)>,
    }

    thread_local! {
        static STATE: RefCell<State> = const { RefCell::new(State { links: Vec::new(), pending: None }) };
    }

    pub(super) fn start(enabled: bool, links: &str) {
        dom::close_popovers_from_outside();
        STATE.with_borrow_mut(|state| {
            state.links = links
                .lines()
                .filter_map(|line| line.split_once('|'))
                .map(|(keys, href)| (keys.to_owned(), href.to_owned()))
                .collect();
        });
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.key() == "Escape" {
                dom::close_popovers();
                return;
            }
            if !enabled || event.ctrl_key() || event.meta_key() || event.alt_key() || dom::is_typing(&event) {
                return;
            }
            if pressed(&event.key()) {
                event.prevent_default();
            }
        });
        // The listener lives as long as the page.
        std::mem::forget(handle);
    }

    /// Returns whether the key was used.
    fn pressed(key: &str) -> bool {
        let now = dom::monotonic_ms();
        let combined = STATE.with_borrow_mut(|state| {
            let sequence = match state.pending.take() {
                Some((first, at)) if now - at < SEQUENCE_MS => format!("{first} {key}"),
                _ => key.to_owned(),
            };
            if matches!(sequence.as_str(), "g" | "t" | "d") {
                state.pending = Some((sequence.clone(), now));
            }
            sequence
        });
        match combined.as_str() {
            "g" | "t" | "d" => return true,
            "y" => return dom::copy_first_link(),
            "d t" => {
                dom::toggle_theme();
                return true;
            }
            "[" => {
                dom::toggle_rail();
                return true;
            }
            _ => {}
        }
        let target = STATE
            .with_borrow(|state| state.links.iter().find(|(keys, _)| *keys == combined).map(|(_, href)| href.clone()));
        match target {
            Some(href) => window().location().set_href(&href).is_ok(),
            None => false,
        }
    }
}
