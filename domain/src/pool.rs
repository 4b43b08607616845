//! What a pool is: its kind, its properties, and the bounds within which it can be described.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Declares a closed list of words with their spellings in the API, the database and the pages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order in which it is offered.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used in the API, in URLs and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What a page calls it.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            /// The word; otherwise a sentence with what was expected.
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{word:?} is not known, expected one of {}", [$($word),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How a pool hands out its slots.
    PoolKind {
        /// A strict limit.
        Fixed = "fixed", "Fixed";
        /// Elastic between a least and a greatest size.
        Autoscaling = "autoscaling", "Autoscaling";
        /// Slots are tied to shards of data.
        Partitioned = "partitioned", "Partitioned";
        /// Shared fairly between tenants by quota.
        TenantQuota = "tenant-quota", "Tenant quota";
        /// Deployment slots that swap.
        Staging = "staging", "Staging";
        /// Slots are tokens refilled over time.
        RateLimited = "rate-limited", "Rate-limited";
    }
}

words! {
    /// Whether the capacity changes by itself.
    Sizing {
        /// Changed by people.
        Static = "static", "static";
        /// Changed by an autoscaler.
        Dynamic = "dynamic", "dynamic";
    }
}

words! {
    /// Whether slots are handed out one by one or promised in bulk.
    Granting {
        /// Claimed one by one.
        Assignable = "assignable", "assignable";
        /// Promised to tenants ahead of use.
        Reservable = "reservable", "reservable";
    }
}

words! {
    /// How long a slot is normally held.
    Lifetime {
        /// Seconds to minutes.
        Ephemeral = "ephemeral", "ephemeral";
        /// Hours to months.
        LongLived = "long-lived", "long-lived";
    }
}

words! {
    /// How strictly the count of free slots is kept.
    Consistency {
        /// Never one slot too many.
        Strong = "strong", "strong";
        /// May run over for a moment.
        Eventual = "eventual", "eventual";
    }
}

words! {
    /// What happens to the work when its slot is lost.
    OnLoss {
        /// The work starts again elsewhere.
        Retry = "retry", "work is retried";
        /// The work goes on from its last checkpoint.
        Resume = "resume", "work resumes";
        /// The work is lost.
        Drop = "drop", "work is lost";
    }
}

/// The properties of a pool that its kind does not already say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Static or dynamic.
    pub sizing: Sizing,
    /// Assignable or reservable.
    pub granting: Granting,
    /// Ephemeral or long-lived.
    pub lifetime: Lifetime,
    /// Strong or eventual.
    pub consistency: Consistency,
    /// What a lost slot means for its work.
    pub on_loss: OnLoss,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            sizing: Sizing::Static,
            granting: Granting::Assignable,
            lifetime: Lifetime::Ephemeral,
            consistency: Consistency::Strong,
            on_loss: OnLoss::Retry,
        }
    }
}

/// A service that runs on a pool: who notices when it is full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name of the service, 1..=120 characters.
    pub service: String,
    /// Endpoint or function within it; may be empty.
    pub endpoint: String,
    /// Whether customers notice its errors.
    pub customer_facing: bool,
}

/// Most services one pool may carry.
pub const MAX_SERVICES: usize = 50;
/// Most labels of one pool or tenant.
pub const MAX_LABELS: usize = 30;
/// Most extra signals of one pool.
pub const MAX_SIGNALS: usize = 8;

/// Default share of capacity from which occupancy is worth watching (M1).
pub const OCCUPANCY_WARN: f64 = 0.80;
/// Default share of capacity from which occupancy is critical (M1).
pub const OCCUPANCY_CRIT: f64 = 0.95;
/// M10 target: waste at or above this share is too much.
pub const WASTE_TARGET: f64 = 0.10;
/// M2 target: rejected claims at or above this share are too many.
pub const REJECTED_TARGET: f64 = 1.0 / 10_000.0;

/// Effective capacity: configured minus planned-down, never below 0.
pub fn effective(configured: i64, planned_down: i64) -> i64 {
    (configured - planned_down).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for kind in PoolKind::ALL {
            assert_eq!(kind.as_str().parse::<PoolKind>(), Ok(*kind));
        }
        assert!("elastic".parse::<PoolKind>().unwrap_err().contains("expected one of fixed"));
    }

    #[test]
    fn planned_down_never_makes_capacity_negative() {
        assert_eq!(effective(10, 3), 7);
        assert_eq!(effective(10, 30), 0);
    }
}
