//! The rules of slots, without a clock, a network or a database.
//!
//! One module per question. Plain values in, plain values out: `now` is an argument, windows are
//! half-open `[start, end)`, slots and counts are integers, and a sum over time is an exact count
//! of slot-milliseconds, so that every average is a ratio of two sums.

pub mod access;
pub mod accumulate;
pub mod admission;
pub mod alert;
pub mod allocation;
pub mod anomaly;
pub mod backlog;
pub mod backtest;
pub mod breaker;
pub mod calendar;
pub mod change;
pub mod exhaustion;
pub mod failure;
pub mod fairness;
pub mod forecast;
pub mod format;
pub mod game_day;
pub mod heartbeat;
mod keyed;
pub mod lease;
pub mod localtime;
pub mod metering;
pub mod occupancy;
pub mod packed;
pub mod plan;
pub mod pool;
mod queue;
pub mod range;
pub mod report;
pub mod requests;
pub mod reservation;
pub mod retention;
pub mod rightsize;
pub mod scaling;
pub mod series;
pub mod sketch;
pub mod slug;
pub mod swf;
pub mod tenant;
pub mod throttle;
pub mod tuning;
pub mod waste;
pub mod whatif;

/// Milliseconds since the Unix epoch, UTC. The unit of every instant inside the product.
pub type Millis = i64;

/// Milliseconds in a minute, the finest stored step.
pub const MINUTE_MS: Millis = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: Millis = 3_600_000;
/// Milliseconds in a UTC day.
pub const DAY_MS: Millis = 86_400_000;

/// The earliest instant accepted anywhere: 1970-01-01, the start of the scale itself.
pub const EARLIEST_MS: Millis = 0;
/// The latest instant accepted anywhere: 2200-01-01T00:00:00Z.
pub const LATEST_MS: Millis = 7_258_118_400_000;
/// Most slots one pool may have.
pub const MAX_SLOTS: i64 = 10_000_000;
