#![doc = include_str!("../README.md")]

pub mod bench;
pub mod browser;
pub mod checker;
pub mod claims;
pub mod client;
pub mod database;
pub mod mailbox;
pub mod people;
pub mod provider;
pub mod samples;
pub mod schemathesis;
pub mod service;
pub mod soak;
pub mod source;
pub mod workspace;
pub mod world;
