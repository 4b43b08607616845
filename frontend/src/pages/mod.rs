//! The pages: one function each, from the shell and the page's model to a document.
//!
//! Render with [`crate::render::document`]: `document(|| pages::overview(&shell, &model))`.

mod archive;
mod error;
mod help;
mod jobs;
mod me;
mod overview;
mod pool;
mod pool_form;
mod pools;
mod search;
mod shortcuts;
mod tenant;
mod tenant_form;
mod tenants;

pub use archive::archive;
pub use error::error;
pub use help::help;
pub use jobs::jobs;
pub use me::me;
pub use overview::overview;
pub use pool::pool;
pub use pool_form::pool_form;
pub use pools::pools;
pub use search::search;
pub use shortcuts::shortcuts;
pub use tenant::tenant;
pub use tenant_form::tenant_form;
pub use tenants::tenants;
