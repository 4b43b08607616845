//! Alerts: what is promised, when it burns, who is told, and who took it on.

pub mod episode;
pub mod fraction;
pub mod lanes;
pub mod replay;
pub mod slo;
pub mod window;
