#![doc = include_str!("../README.md")]

pub mod bench;
pub mod browser;
pub mod client;
pub mod database;
pub mod people;
pub mod samples;
pub mod service;
pub mod soak;
pub mod source;
pub mod workspace;
pub mod world;
