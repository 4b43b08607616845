//! The interactive parts. Each prints complete HTML on the server (feature `ssr`) and adds behaviour in the browser (feature
//! `hydrate`); what is visible does not change when it wakes up.
//!
//! Islands stay small: they format durations but no dates (the tip of a chart repeats what the table says), leave JSON to the browser, and
//! talk to the page through `data-*` attributes.

mod alerts;
mod answer_boxes;
mod chart;
mod copy_link;
mod event_stream;
mod freshness;
mod live;
mod palette;
mod planner;
mod print;
mod shortcuts;
mod slots;
mod theme;

#[cfg(feature = "hydrate")]
mod dom;

pub use alerts::*;
pub use answer_boxes::*;
pub use chart::*;
pub use copy_link::*;
pub use event_stream::*;
pub use freshness::*;
pub use live::*;
pub use palette::*;
pub use planner::*;
pub use print::*;
pub use shortcuts::*;
pub use slots::*;
pub use theme::*;

use leptos::prelude::*;

/// An icon inside an island; the sprite's address is a property because islands do not know the shell.
fn sprite(icons: &str, name: &str) -> impl IntoView + use<> {
    let href = format!("{icons}#{name}");
    view! {
        <svg class="hr-icon" width="16" height="16" aria-hidden="true">
            <use_ href=href></use_>
        </svg>
    }
}
