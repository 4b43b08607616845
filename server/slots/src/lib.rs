#![doc = include_str!("../README.md")]

mod client;
mod error;
mod key;
mod lease;
#[cfg(test)]
mod stub;
mod wire;

pub use client::Client;
pub use error::{Error, FieldProblem, Problem, Result};
pub use lease::{Keeping, Lease, State, Status};
pub use reqwest::Method;
pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;
pub use wire::{Ask, Beat, Fenced, Granted, Look, Notice, NoticeKind, Operation, Outcome, Report, Superseded};
