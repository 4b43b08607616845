//! What measurements are made of: figures and their goals, rows to measure with, the service and its peers as processes
//! that the scheduler treats alike.
//!
//! A measurement compares within one run: the machine may be slow or busy, the ratio of two things done in turn on it
//! still says which is faster. A goal that is missed is printed and fails nothing.

pub mod figures;
pub mod history;
pub mod place;
pub mod prometheus;
pub mod rows;
pub mod session;
