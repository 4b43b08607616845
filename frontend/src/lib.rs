//! What people see: pages, components, islands.
//!
//! A page is a function from a plain model (see [`model`]) to a complete HTML document; the server fills the model and
//! answers with the document. Pages and components exist in the server build only (feature `ssr`). The interactive parts are
//! islands, which exist in both builds: `ssr` prints them, `hydrate` brings them to life in the browser.

pub mod islands;
pub mod model;
pub mod routes;
pub mod url;

#[cfg(feature = "ssr")]
mod components;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod render;
