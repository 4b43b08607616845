//! What a pool allows its planners.

use super::Fault;
use serde::{Deserialize, Serialize};

/// Most per cent of the capacity that may be promised beyond it.
pub const MOST_EXTRA: u32 = 900;
/// Longest length that a policy may name, in days.
pub const MOST_DAYS: u32 = 3_660;

/// Whether more may be promised than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum Overcommit {
    /// Never.
    Reject,
    /// So many per cent of the capacity beyond it.
    AllowTo {
        /// 1 to 900.
        percent: u32,
    },
    /// As much as anybody wants; it is said.
    Warn,
}

/// A pool's policy for reservations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanPolicy {
    /// Whether more may be promised than there is.
    pub overcommit: Overcommit,
    /// Longest length of a reservation or occurrence in days; `None` = no limit.
    pub longest_days: Option<u32>,
    /// Somebody else approves what promises a tenant so many slots or more; `None` = never for its size.
    pub approve_from_slots: Option<i64>,
    /// Somebody else approves what starts within so many minutes; `None` = never for its time.
    pub approve_within_minutes: Option<u32>,
}

impl Default for PlanPolicy {
    fn default() -> Self {
        Self {
            overcommit: Overcommit::Reject,
            longest_days: None,
            approve_from_slots: None,
            approve_within_minutes: None,
        }
    }
}

impl Overcommit {
    /// Slots that may be promised of a capacity; `None` = any.
    pub fn limit(self, capacity: i64) -> Option<i64> {
        match self {
            Self::Reject => Some(capacity),
            // Whole slots: a part of one cannot be promised.
            Self::AllowTo { percent } => Some(capacity + capacity * i64::from(percent) / 100),
            Self::Warn => None,
        }
    }
}

impl PlanPolicy {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Overcommit::AllowTo { percent } = self.overcommit
            && !(1..=MOST_EXTRA).contains(&percent)
        {
            faults.push(Fault::new("overcommit", percent, "1 to 900 per cent"));
        }
        if let Some(days) = self.longest_days
            && !(1..=MOST_DAYS).contains(&days)
        {
            faults.push(Fault::new("longest_days", days, "1 to 3,660 days"));
        }
        if let Some(slots) = self.approve_from_slots
            && !(1..=crate::MAX_SLOTS).contains(&slots)
        {
            faults.push(Fault::new("approve_from_slots", slots, "1 to 10,000,000 slots"));
        }
        if let Some(minutes) = self.approve_within_minutes
            && !(1..=MOST_DAYS * 1440).contains(&minutes)
        {
            faults.push(Fault::new("approve_within_minutes", minutes, "1 minute to 3,660 days"));
        }
        faults
    }
}

/// A tenant may not be promised more than this on average over any window of a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingCap {
    /// Slots on average.
    pub slots: i64,
    /// Length of the window in hours, 1 to 8,784.
    pub hours: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_whole_slots() {
        assert_eq!(Overcommit::Reject.limit(7), Some(7));
        assert_eq!(Overcommit::AllowTo { percent: 25 }.limit(7), Some(8));
        assert_eq!(Overcommit::Warn.limit(7), None);
    }

    #[test]
    fn bad_policies_are_named_by_field() {
        let bad = PlanPolicy {
            overcommit: Overcommit::AllowTo { percent: 0 },
            longest_days: Some(0),
            approve_from_slots: Some(0),
            approve_within_minutes: Some(0),
        };
        let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["overcommit", "longest_days", "approve_from_slots", "approve_within_minutes"]);
        assert_eq!(PlanPolicy::default().faults(), []);
    }
}
