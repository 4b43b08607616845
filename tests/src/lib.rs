#![doc = include_str!("../README.md")]

pub mod bench;
pub mod browser;
pub mod client;
pub mod database;
pub mod service;
pub mod source;
pub mod workspace;
pub mod world;
