//! Delivery: what is to be told is a row that waits (`headroom_store::notification`), and is marked when somebody has it.
//!
//! Messages are made by pure functions ([`payload`]), go out through one guarded client ([`guard`], [`post`]), and are sent
//! by a worker in every server ([`worker`]). What has to be said again and again is in [`beats`].

pub mod beats;
pub mod guard;
pub mod payload;
pub mod post;
pub mod send;
pub mod settings;
pub mod worker;
