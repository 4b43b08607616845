//! The runbooks that are shipped: one file each in the folder beside this one, embedded when the server is built.

/// Slug and text of each, by slug.
pub const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/runbooks.rs"));
