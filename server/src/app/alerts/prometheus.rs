//! Rules and alerts as tools know them that were made for Prometheus.

use super::super::{App, Result};
use super::rules::{Listed, in_words};
use super::tell;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::Condition;
use headroom_domain::alert::window::Lane;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::alert;
use headroom_store::sli::{self, Round};
use std::collections::BTreeMap;

/// Alerts of one answer.
const MOST: i64 = 10_000;

/// Names with values.
pub type Labels = BTreeMap<&'static str, String>;

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What it is about.
    pub labels: Labels,
    /// What is said of it.
    pub annotations: Labels,
    /// It fires; otherwise it is pending.
    pub firing: bool,
    /// Since when its condition holds.
    pub active_ms: Millis,
    /// Burn of its long window, or 1.
    pub value: f64,
}

/// A rule with its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// As other tools call it.
    pub alertname: String,
    /// The rule in one line.
    pub query: String,
    /// So long it holds before it fires.
    pub for_ms: Millis,
    /// So long it goes on firing when it does not hold any more.
    pub keep_ms: Millis,
    /// What all its alerts have in common.
    pub labels: Labels,
    /// What is said of it.
    pub annotations: Labels,
    /// Pending and firing.
    pub alerts: Vec<Alert>,
}

/// All rules, and how far the engine is.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How often they are judged.
    pub every_ms: Millis,
    /// The engine's last round.
    pub round: Round,
    /// Those that are live.
    pub rules: Vec<Rule>,
}

impl App {
    /// The rules that are live, with the alerts that the caller may see.
    pub async fn prometheus_rules(&self) -> Result<Rules> {
        self.require(Action::See)?;
        let listed: Vec<Listed> = self.rules().await?.into_iter().filter(|listed| listed.rule.mode == "live").collect();
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let context = self.alert_context(conn).await?;
        let mut alerts: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
        for row in alert::list_active(conn, MOST).await?.into_iter().filter(|row| self.sees_alert(row)) {
            let labels = Labels::from([
                ("alertname", tell::alertname(&row.rule)),
                ("pool", context.pool_slug(row.pool).to_owned()),
                ("tenant", context.tenant_slug(row.tenant).to_owned()),
                ("severity", row.alert.severity.as_str().to_owned()),
                ("tier", row.alert.tier.clone()),
            ]);
            let annotations = Labels::from([
                ("summary", tell::summary(&context, &row)),
                ("runbook_url", self.absolute(&context.runbook_of(&row))),
                ("headroom_alert_id", row.id.to_string()),
                ("headroom_episode", row.alert.episode.to_string()),
            ]);
            let alert = Alert {
                labels: filled(labels),
                annotations: filled(annotations),
                firing: row.alert.condition != Condition::Pending,
                active_ms: row.alert.began_ms,
                value: row.facts.burns(&row.alert.tier).0.unwrap_or(1.0),
            };
            alerts.entry(row.rule).or_default().push(alert);
        }
        let rules = listed.into_iter().map(|listed| {
            let lane = if listed.lane() == Lane::Page { "page" } else { "ticket" };
            let rule = listed.rule;
            let annotations = Labels::from([("summary", rule.name), ("runbook_url", self.absolute(&rule.runbook))]);
            Rule {
                alertname: tell::alertname(&rule.slug),
                query: in_words(&rule.rule),
                for_ms: rule.rule.timing.for_ms,
                keep_ms: rule.rule.timing.resolve_after_ms,
                labels: filled(Labels::from([("severity", lane.to_owned()), ("owner", rule.owner)])),
                annotations: filled(annotations),
                alerts: alerts.remove(&rule.slug).unwrap_or_default(),
            }
        });
        Ok(Rules { every_ms: MINUTE_MS, rules: rules.collect(), round: sli::round(conn).await? })
    }

    /// An address that people outside reach.
    fn absolute(&self, address: &str) -> String {
        if address.starts_with('/') { self.outward.address_of(address) } else { address.to_owned() }
    }
}

/// Without names that have no value.
fn filled(mut labels: Labels) -> Labels {
    labels.retain(|_, value| !value.is_empty());
    labels
}
