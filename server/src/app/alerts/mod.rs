//! Alerts: the engine that judges, the clock that asks, people's deeds, and what pages show.

pub mod backtest;
pub mod burns;
pub mod collect;
pub mod context;
pub mod deeds;
pub mod engine;
pub mod inbound;
pub mod oncall;
pub mod prometheus;
pub mod rules;
pub mod runbooks;
pub mod schedules;
pub mod silence;
pub mod silences;
pub mod slices;
pub mod slos;
pub mod status;
pub mod tell;
pub mod tick;
pub mod view;

/// What the domain found wrong with a field, as use cases tell it.
fn plain(problem: headroom_domain::alert::rule::Problem) -> super::Problem {
    super::Problem { field: problem.field, found: problem.found, expected: problem.expected }
}
