//! The pages: one function each, from the shell and the page's model to a document.
//!
//! Render with [`crate::render::document`]: `document(|| pages::overview(&shell, &model))`.

mod admin;
mod archive;
mod audit;
mod error;
mod help;
mod jobs;
mod login;
mod me;
mod onward;
mod overview;
mod pool;
mod pool_form;
mod pools;
mod reset;
mod roles;
mod search;
mod settings;
mod setup;
mod shortcuts;
mod tenant;
mod tenant_form;
mod tenants;
mod tokens;
mod user_form;
mod users;

pub use admin::admin;
pub use archive::archive;
pub use audit::audit;
pub use error::error;
pub use help::help;
pub use jobs::jobs;
pub use login::login;
pub use me::me;
pub use onward::onward;
pub use overview::overview;
pub use pool::pool;
pub use pool_form::pool_form;
pub use pools::pools;
pub use reset::reset;
pub use roles::roles;
pub use search::search;
pub use settings::settings;
pub use setup::setup;
pub use shortcuts::shortcuts;
pub use tenant::tenant;
pub use tenant_form::tenant_form;
pub use tenants::tenants;
pub use tokens::{revoke, tokens};
pub use user_form::user_form;
pub use users::users;
