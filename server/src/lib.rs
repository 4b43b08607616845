#![doc = include_str!("../README.md")]

pub mod app;
pub mod assets;
pub mod charts;
pub mod cli;
pub mod clock;
pub mod db;
pub mod demo;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod pages;
pub mod postgres;
pub mod serve;
pub mod state;
pub mod telemetry;
pub mod zones;
