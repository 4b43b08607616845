//! Real clients of the allocator's API, and what can go wrong with them.
//!
//! A scenario is planned before it is played: [`plan::plan`] says, as a pure function of scenario, seed and pools, who claims what
//! when, and what is broken when. [`play::play`] does it through the API, as anybody else would, tells each breakage as a label
//! with its instant, and counts what came of the claims. [`ledger::Ledger`] watches that no slot is given out twice.
//!
//! | file | subject |
//! |---|---|
//! | `scenario` | which there are, what each breaks, and what should be seen |
//! | `plan` | arrivals and breakages from a seed |
//! | `facts` | the pools and tenants that a simulation uses |
//! | `play` | playing a plan |
//! | `ledger` | what was granted, refused and lost, and whether promises were kept |
//! | `record` | labels and the record of a game day |
//! | `process` | stopping, killing and letting go processes |
//! | `score` | comparing what was broken with what the server found |
//! | `keep` | the score as a game day that the server keeps |
//! | `replay` | the submissions of a log of a real machine |
//!
//! To add a scenario: a row in `scenario.rs`, the findings it should lead to beside it, its arrivals and breakages in `plan.rs`; only a new kind of breakage needs more.

pub mod facts;
pub mod keep;
pub mod ledger;
pub mod plan;
pub mod play;
pub mod process;
pub mod record;
pub mod replay;
pub mod scenario;
pub mod score;
