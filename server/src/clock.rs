//! Time and chance: the one file that may ask the system for either.
//!
//! Rules with a database use its clock (`headroom_store::now`), so that any number of servers agree;
//! this clock serves what has no database at hand: when a page was made while PostgreSQL is away,
//! nonces, ids.
#![expect(clippy::disallowed_methods, reason = "this is the file the ban points to")]

use chrono::Utc;
use headroom_domain::Millis;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use uuid::Uuid;

/// The system's clock, epoch milliseconds.
pub fn now_ms() -> Millis {
    Utc::now().timestamp_millis()
}

/// A new time-ordered id.
pub fn uuid() -> Uuid {
    Uuid::now_v7()
}

/// 128 random bits as 32 hexadecimal digits: nonces and request ids.
pub fn nonce() -> String {
    let bits: u128 = rand::rng().random();
    format!("{bits:032x}")
}

/// A reproducible generator for simulations.
pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
