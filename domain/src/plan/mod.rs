//! The plan of a pool: who is promised how many slots and when, as planners write it, and what an edit does.
//!
//! A planner writes [`terms::Terms`]: wall-clock times in a zone, a repetition, limits. What they come to are stretches of time
//! in which slots are promised ([`stretch`]). An edit is a [`change::Change`] of terms; whether it may be published is decided by
//! [`conflict`].

pub mod change;
pub mod conflict;
pub mod policy;
pub mod state;
#[cfg(feature = "recurrence")]
pub mod stretch;
pub mod terms;
pub mod text;
pub mod wall;

/// One thing that is wrong with what somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, as the API names it.
    pub field: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected, and where possible how to get there.
    pub expected: String,
}

impl Fault {
    /// A fault.
    pub fn new(field: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self { field, found: found.to_string(), expected: expected.into() }
    }
}
