//! What is wrong with live pools, in sentences, and since when.

use headroom_domain::failure::{Failure, HOT_RATIO, LEAK_RATE, MONOPOLY_RATIO, STALLED_AFTER_MS, Severity, What};
use headroom_domain::{MINUTE_MS, Millis, format};
use std::collections::HashMap;
use std::sync::Mutex;

/// A condition that nobody saw for so long is a new one when it is seen again.
const FORGET_MS: Millis = 10 * MINUTE_MS;

/// Something that needs attention.
#[derive(Debug, Clone)]
pub struct Found {
    /// Stays the same while the condition lasts.
    pub id: String,
    /// The pool's key.
    pub pool: i32,
    /// What it is.
    pub failure: Failure,
    /// What is wrong, with its numbers.
    pub sentence: String,
    /// Further facts, a fragment each.
    pub facts: Vec<String>,
    /// Keys of the tenants that are hit, worst first; those that may be seen.
    pub tenants: Vec<i32>,
    /// Since when.
    pub since_ms: Millis,
}

/// Since when conditions have been there, as far as this server was asked about them: they are looked for when somebody looks.
#[derive(Debug, Default)]
pub struct Seen {
    /// By id: first and last seen.
    times: Mutex<HashMap<String, (Millis, Millis)>>,
}

impl Seen {
    /// Since when a condition has been there that is there now.
    pub(crate) fn since(&self, id: &str, now: Millis) -> Millis {
        let Ok(mut times) = self.times.lock() else { return now };
        times.retain(|_, (_, last)| now - *last < FORGET_MS);
        let (first, last) = times.entry(id.to_owned()).or_insert((now, now));
        *last = now.max(*last);
        *first
    }
}

fn counted(count: impl TryInto<i64>, one: &str, many: &str) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    format!("{} {}", format::count(count), if count == 1 { one } else { many })
}

fn millis(value: f64) -> String {
    format::duration(value.round() as i64)
}

/// What is wrong, how much of it, since when: `tenant` is the name of the one that it is about.
pub(super) fn sentence(pool: &str, what: &What, tenant: Option<&str>) -> String {
    let tenant = tenant.unwrap_or("A tenant");
    match what {
        What::Leaked { slots, lag_ms } => {
            let slots = counted(*slots, "slot", "slots");
            format!("{slots} leaked in {pool}, the oldest {} past its lease", format::duration(*lag_ms))
        }
        What::Leaking { per_hour, .. } => {
            format!("Leak rate {}{}%/h on {pool}", format::decimal(per_hour * 100.0, 2), format::NNBSP)
        }
        What::Doubled { slots } => {
            format!("{} of {pool} given to two claims at once", counted(slots.len(), "slot", "slots"))
        }
        What::Hot { slot, p95_ms, median_ms, .. } => {
            format!("Slot {slot} of {pool} is hot: P95 {}, its peers {}", millis(*p95_ms), millis(*median_ms))
        }
        What::Saturated { rejected_1m, .. } => {
            format!("{pool} saturated: {} rejected in 1 min", counted(*rejected_1m, "claim", "claims"))
        }
        What::Queueing { queued } => {
            let verb = if *queued == 1 { "waits" } else { "wait" };
            format!("{pool} is full: {} {verb}", counted(*queued, "claim", "claims"))
        }
        What::SlowReclaim { late_ms, .. } => {
            format!("Slots of {pool} come back {} after their lease ended", format::duration(*late_ms))
        }
        What::Inverted { waiting, holding, claims, .. } => {
            let verb = if *claims == 1 { "waits" } else { "wait" };
            let claims = counted(*claims, "claim", "claims");
            format!("{claims} of priority {waiting} {verb} in {pool} while priority {holding} holds slots")
        }
        What::Moving { moved } => format!("{} of {pool} moved in 10 min", counted(*moved, "slot", "slots")),
        What::Swinging { turns } => {
            format!("Capacity of {pool} changed its direction {} in 10 min", counted(*turns, "time", "times"))
        }
        What::Monopoly { held, fair, .. } => {
            let share = format::percent(f64::from(*held) / fair);
            format!("{tenant} holds {share} of its fair share of {pool} while others are rejected")
        }
        What::Stalled { age_ms: Some(age) } => {
            format!("Reconciler stalled on {pool}: last pass {} ago", format::duration(*age))
        }
        What::Stalled { age_ms: None } => format!("Reconciler stalled on {pool}: no server decides about it"),
        What::Refusing { rejected_1m, .. } => {
            format!("Most claims on {pool} are refused: {} in 1 min", format::count(count_of(*rejected_1m)))
        }
        What::BreakerOpen => format!("Circuit breaker of {pool} is open: the work behind it keeps failing"),
        What::SilentTogether => {
            format!("Most holders of {pool} fell silent at once: the network is likelier broken than they are")
        }
        What::Overcommitted { capacity, reserved, held } => {
            let (more, word) = if reserved > held { (reserved, "reserved") } else { (held, "held") };
            let slots = counted(*capacity, "slot", "slots");
            format!("{pool} has {slots} and {} are {word}", format::count(count_of(*more)))
        }
        What::RetryStorm { rejected_1m, .. } => {
            let claims = counted(*rejected_1m, "refused claim", "refused claims");
            format!("{tenant} retries on {pool} without back-off: {claims} in 1 min")
        }
        What::HeldForEver { held_ms } => {
            format!("A slot of {pool} has been held for {} and has no end", format::duration(*held_ms))
        }
        What::Closed => format!("{pool} lets no claims in: an operator holds or drains it"),
        What::Unowned { owner, runbook } => format!(
            "{pool} has {}",
            match (owner, runbook) {
                (true, true) => "neither owner nor runbook",
                (true, false) => "no owner",
                _ => "no runbook",
            }
        ),
    }
}

fn count_of(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Limits, and whether it is worth waking somebody, a fragment each.
pub(super) fn facts(failure: &Failure, is_customer_facing: bool) -> Vec<String> {
    let mut facts = match &failure.what {
        What::Leaking { expired_1m, .. } => vec![
            format!("limit {}{}%/h", format::decimal(LEAK_RATE * 100.0, 2), format::NNBSP),
            format!("{} ran out in 1 min", counted(*expired_1m, "lease", "leases")),
        ],
        What::Doubled { slots } => {
            let first: Vec<String> = slots.iter().take(5).map(|slot| format!("#{slot}")).collect();
            vec![first.join(" "), "must be impossible".to_owned()]
        }
        What::Hot { slots, .. } => {
            let times = format::decimal(HOT_RATIO, 0);
            vec![format!("limit {times} times its peers"), counted(*slots, "hot slot", "hot slots")]
        }
        What::Saturated { rate, queued, .. } => vec![
            format!("{} of claims, limit 1 per 10k", format::percent(*rate)),
            format!("{} waiting", format::count(count_of(*queued))),
        ],
        What::SlowReclaim { goal_ms, .. } => vec![format!("limit {}", format::duration(*goal_ms))],
        What::Inverted { slots, .. } => vec![format!("{} of lower priority", counted(*slots, "slot", "slots"))],
        What::Monopoly { held, fair, others_rejected, .. } => vec![
            format!("holds {}, fair {}", format::count((*held).into()), format::decimal(*fair, 0)),
            format!("limit {}", format::percent(MONOPOLY_RATIO)),
            format!("{} of others rejected in 1 min", counted(*others_rejected, "claim", "claims")),
        ],
        What::Stalled { .. } => vec![format!("limit {}", format::duration(STALLED_AFTER_MS))],
        What::Refusing { rate, .. } => vec![format!("{} of claims", format::percent(*rate))],
        What::SilentTogether => vec!["nothing is reclaimed by heartbeat; leases still end".to_owned()],
        _ => Vec::new(),
    };
    facts.push(match (failure.severity, is_customer_facing) {
        (Severity::Critical, true) => "page: customer-facing".to_owned(),
        (Severity::Critical, false) => "page".to_owned(),
        (Severity::Warning, _) => "ticket, not a page".to_owned(),
        (Severity::Info, _) => "note".to_owned(),
    });
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_say_what_is_wrong_and_how_much() {
        let said = |what: What| sentence("ingress-eu", &what, Some("acme")).replace(format::NNBSP, " ");
        let saturated = What::Saturated { rejected_1m: 412, rate: 0.04, queued: 3 };
        assert_eq!(said(saturated), "ingress-eu saturated: 412 claims rejected in 1 min");
        assert_eq!(said(What::Leaking { expired_1m: 3, per_hour: 0.0014 }), "Leak rate 0.14 %/h on ingress-eu");
        let monopoly = What::Monopoly { tenant: 1, held: 180, fair: 100.0, others_rejected: 1 };
        assert_eq!(said(monopoly), "acme holds 180.0 % of its fair share of ingress-eu while others are rejected");
        let stalled = said(What::Stalled { age_ms: Some(400_000) });
        assert_eq!(stalled, "Reconciler stalled on ingress-eu: last pass 6 m 40 s ago");
    }

    #[test]
    fn a_condition_keeps_its_beginning_until_it_was_gone_for_long() {
        let seen = Seen::default();
        assert_eq!(seen.since("a", 1_000), 1_000);
        assert_eq!(seen.since("a", 1_000 + FORGET_MS - 1), 1_000);
        assert_eq!(seen.since("a", 1_000 + 3 * FORGET_MS), 1_000 + 3 * FORGET_MS);
    }
}
