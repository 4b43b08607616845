//! What the server fills so that a page can be rendered: plain values, no markup, no I/O.
//!
//! Conventions, the same in every struct:
//! - Numbers are raw and exact: slots and counts `i64`, ratios `f64` where `1.0` is 100 %, money in integer minor units.
//! - Instants are UTC epoch milliseconds (`*_ms: i64`). Durations are milliseconds too.
//! - Slot time is slot-milliseconds (`*_slot_ms: i64`); the page shows slot-hours.
//! - `None` means *unknown* (nothing was measured), never zero. It is shown as an en dash with a reason.
//! - Windows are half-open, `[from, to)`.
//! - Strings are unescaped text. The only markup is chart SVG, whose labels the chart renderer has escaped, and the text of
//!   runbooks, from which the server has taken what could run.
//! - An `href` is a path on this server with its query, unescaped for HTML.

mod alerts;
mod calendar;
mod chart;
mod debug;
mod error;
mod forecast;
mod forms;
mod game_days;
mod help;
mod jobs;
mod me;
mod oncall;
mod overview;
mod people;
mod plan_import;
mod planner;
mod policy;
mod pool;
mod pools;
mod receivers;
mod reports;
mod rules;
mod runbooks;
mod schedules;
mod search;
mod shared;
mod shell;
mod silences;
mod slos;
mod slots;
mod tenant;
mod tenants;

pub use alerts::*;
pub use calendar::*;
pub use chart::*;
pub use debug::*;
pub use error::*;
pub use forecast::*;
pub use forms::*;
pub use game_days::*;
pub use help::*;
pub use jobs::*;
pub use me::*;
pub use oncall::*;
pub use overview::*;
pub use people::*;
pub use plan_import::*;
pub use planner::*;
pub use policy::*;
pub use pool::*;
pub use pools::*;
pub use receivers::*;
pub use reports::*;
pub use rules::*;
pub use runbooks::*;
pub use schedules::*;
pub use search::*;
pub use shared::*;
pub use shell::*;
pub use silences::*;
pub use slos::*;
pub use slots::*;
pub use tenant::*;
pub use tenants::*;
