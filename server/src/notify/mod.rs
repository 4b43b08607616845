//! Delivery: what is to be told is a row that waits (`headroom_store::notification`), and is marked when somebody has it.
//!
//! Messages are made by pure functions ([`payload`]), go out through one guarded client ([`guard`], [`post`]), and are sent
//! by a worker in every server ([`worker`]). What has to be said again and again is in [`beats`]. Letters to
//! people about plans have a queue and a sender of their own.

pub mod beats;
pub mod guard;
pub(crate) mod letters;
pub mod payload;
pub mod post;
pub mod send;
pub mod settings;
pub mod worker;
