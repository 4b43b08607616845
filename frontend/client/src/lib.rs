//! The browser module's entry point. The islands themselves live in `headroom-frontend`; each exports its own function,
//! which the boot script calls with the island's element.

#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::wasm_bindgen;

/// Linked for its islands: without this the linker would drop them.
use headroom_frontend as _;

/// Called once, before the islands.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
