//! Alerts beyond their rules: what the rules are tried on.

pub mod nab;
pub mod runbooks;
pub mod vectors;
