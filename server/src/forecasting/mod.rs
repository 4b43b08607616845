//! Forecasts of series in files: reading them, running the engine on all processors, and tables of what comes out.

pub mod demand;
pub mod parallel;
pub mod series;
pub mod table;
