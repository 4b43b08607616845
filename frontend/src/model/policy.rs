//! A tracked pool's policy, as it is in force.

/// The policy of a pool whose slots live here.
#[derive(Debug, Clone)]
pub struct LivePolicy {
    /// Its version.
    pub version: i64,
    /// When it was last changed, and by whom; `None` if never.
    pub changed: Option<(i64, String)>,
    /// The rules by subject.
    pub groups: Vec<PolicyGroup>,
}

/// Rules of one subject: "Leases", "Admission", "Queue", ...
#[derive(Debug, Clone)]
pub struct PolicyGroup {
    /// The subject.
    pub title: String,
    /// Its rules.
    pub rows: Vec<PolicyRow>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// What is ruled: "Lease time".
    pub label: String,
    /// The value in force, with its unit.
    pub value: String,
    /// Where it comes from.
    pub source: PolicySource,
    /// What to know about it; empty if nothing.
    pub note: String,
}

/// Where a value in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySource {
    /// Written in the policy.
    Policy,
    /// Not written, so the default holds.
    Default,
    /// Follows from other values.
    Derived,
    /// Set for a while by somebody on call; the note says until when.
    Override,
}

impl PolicySource {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Default => "default",
            Self::Derived => "derived",
            Self::Override => "for now",
        }
    }
}
