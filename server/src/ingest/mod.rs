//! Foreign formats in, domain rows out. No database and no clock here.

pub mod aggregate;
pub mod cells;
pub mod changes;
pub mod coverage;
pub mod intervals;
pub mod lines;
pub mod live;
pub mod object;
pub mod occupancy;
pub mod report;
pub mod sweep;
pub mod swf;
pub mod table;
