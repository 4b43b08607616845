//! What somebody is told about an alert: everything that was known when it was decided that they are.

use super::episode::{Condition, Message, Workflow};
use super::window::Lane;
use crate::Millis;
use serde::{Deserialize, Serialize};

/// A tenant or pool that is named nowhere: the pool as a whole, or Headroom itself.
pub const WHOLE: &str = "*";

/// A message about an alert, the same for every receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub message: Message,
    /// The alert's number.
    pub alert: i64,
    /// Slug of its rule, such as `saturation-burn`.
    pub rule: String,
    /// The rule as other tools call it, such as `SlotSaturationBurn`.
    pub alertname: String,
    /// The rule as people call it.
    pub title: String,
    /// Slug of the pool; [`WHOLE`] if it is about Headroom itself.
    pub pool: String,
    /// Name of the pool.
    pub pool_name: String,
    /// Slug of the tenant; [`WHOLE`] for the pool as a whole.
    pub tenant: String,
    /// Who is told.
    pub severity: Lane,
    /// The page is an urgent one.
    pub critical: bool,
    /// Tier that made it so; empty for rules without tiers.
    pub tier: String,
    /// Which time it happens, from 1.
    pub episode: u32,
    /// Version that people decide upon.
    pub version: u64,
    /// What the engine saw.
    pub condition: Condition,
    /// What people were doing about it.
    pub workflow: Workflow,
    /// How often it came back in this episode.
    pub reopened: u32,
    /// One line: what, how much, of how much, until when.
    pub summary: String,
    /// Free slots, top tenants, who is inhibited: fragments, joined by commas.
    pub details: String,
    /// Where the runbook is, absolute; empty if there is none.
    pub runbook_url: String,
    /// Where the alert's page is, absolute.
    pub url: String,
    /// Where Headroom is, absolute.
    pub external_url: String,
    /// Who answers for the rule.
    pub owner: String,
    /// When it began to fire.
    pub fired_ms: Millis,
    /// When it was over.
    pub resolved_ms: Option<Millis>,
    /// When this was decided.
    pub at_ms: Millis,
    /// Burn in the long window.
    pub burn_long: Option<f64>,
    /// Burn in the short window.
    pub burn_short: Option<f64>,
    /// Slugs of tenants whose own alerts this one explains.
    pub inhibited: Vec<String>,
    /// Who did it; empty if it happened by itself.
    pub actor: String,
    /// What they said.
    pub note: String,
    /// Who is asked, by name, for steps of an escalation.
    pub asked: Vec<String>,
}

impl Notice {
    /// What tells this thing from others, over all its episodes.
    pub fn key(&self) -> String {
        format!("{}|{}|{}", self.rule, self.pool, self.tenant)
    }

    /// True if the message says that nothing is to be done any more by who was paged.
    pub fn is_over(&self) -> bool {
        matches!(self.message, Message::Resolved | Message::PageOver)
    }
}
