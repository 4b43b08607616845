//! What people see: pages, components, islands.
//!
//! A page is a function from a plain model (see [`model`]) to a complete HTML document; the server fills the model and
//! answers with the document. Pages and components exist in the server build only (feature `ssr`). The interactive parts are
//! islands, which exist in both builds: `ssr` prints them, `hydrate` brings them to life in the browser.

// Every element of a view is a type parameter of the one around it; a form of some depth passes the default of 128.
#![recursion_limit = "256"]
#![expect(
    clippy::format_push_string,
    reason = "sentences are put together from parts once per request; `write!` with an ignored result reads worse"
)]

pub mod islands;
pub mod live;
pub mod model;
pub mod plan_steps;
pub mod routes;
pub mod slotmap;
pub mod url;

#[cfg(feature = "ssr")]
mod components;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod render;
