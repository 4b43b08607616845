//! The demo world: an organisation with a hundred days of history and a present that goes on.
//!
//! Everything follows from a seed and the instant the world was made: [`World::new`] says what exists, and
//! [`World::reading`] what a pool looked like, or will look like, at any instant. Nothing is remembered from one
//! instant to the next, so history can be filled in any order and live samples go on exactly where it ends. A server
//! that starts again makes the same world by keeping the instant of the first start.
//!
//! Three pools are given out by the server itself while the demo runs: clients that follow the same curves claim their slots
//! through the API ([`populate`]), and what pages show about them comes from that.

mod catalogue;
mod curve;
mod events;
mod history;
mod live;
mod noise;
mod people;
mod population;
mod sender;
mod taxi;
mod world;

#[cfg(test)]
mod tests;

pub use history::{Chunk, HISTORY_DAYS, Keys};
pub use live::LiveRow;
pub use people::{ACCOUNTS, Account};
pub use population::{TRACKED, policy, populate};
pub use sender::send;
pub use world::{
    DemoCapacity, DemoChange, DemoPool, DemoQuota, DemoRegion, DemoReservation, DemoSignal, DemoTenant, SignalKind,
    World,
};
