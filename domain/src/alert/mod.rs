//! Alerts: what is promised, when it burns, who is told, and who took it on.

pub mod episode;
pub mod facts;
pub mod fraction;
pub mod inhibit;
pub mod lanes;
pub mod matcher;
pub mod notice;
pub mod outcome;
pub mod receiver;
pub mod replay;
pub mod rota;
pub mod rule;
pub mod silence;
pub mod slo;
pub mod tally;
pub mod watch;
pub mod window;
