//! The service.

pub mod postgres;
