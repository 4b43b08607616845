//! Alerts beyond their rules: what the rules are tried on.

pub mod vectors;
