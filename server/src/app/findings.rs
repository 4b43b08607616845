//! What is wrong with live pools and servers: since when, when it was seen, when it was over, in sentences and numbers.
//!
//! All of it was seen by the background look (`app::look`): pages and the API read the same rows.

use super::live::Names;
use super::look::Watched;
use super::{App, Result, pools, tenants};
use headroom_domain::access::Action;
use headroom_domain::failure::{HOT_RATIO, Kind, LEAK_RATE, MONOPOLY_RATIO, STALLED_AFTER_MS, Severity, What};
use headroom_domain::{DAY_MS, MINUTE_MS, Millis, format};
use headroom_store::finding::{self, Finding, Wanted};
use headroom_store::{pool, tenant};
use sqlx::PgConnection;
use std::collections::HashMap;

/// Most findings of one answer.
pub const MAX_FINDINGS: i64 = 1_000;
/// What was over longer ago is left out unless it is asked for.
pub const RECENT_MS: Millis = DAY_MS;
/// What happened to servers is over when it is seen: the board shows it for so long.
const SHOWN_MS: Millis = 10 * MINUTE_MS;
/// Most findings on the board.
const MOST_SHOWN: i64 = 1_000;

/// Something that needs attention.
#[derive(Debug, Clone)]
pub struct Found {
    /// Stays the same while the condition lasts.
    pub id: String,
    /// The pool's key; `None` if it is about a server.
    pub pool: Option<i32>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: What,
    /// What is wrong, with its numbers.
    pub sentence: String,
    /// Further facts, a fragment each.
    pub facts: Vec<String>,
    /// Keys of the tenants that are hit, worst first; those that may be seen.
    pub tenants: Vec<i32>,
    /// Since when.
    pub since_ms: Millis,
}

/// Which findings somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Slugs of pools; all if there are none.
    pub pools: Vec<String>,
    /// Slugs of tenants; all if there are none.
    pub tenants: Vec<String>,
    /// Kinds; all if there are none.
    pub kinds: Vec<Kind>,
    /// Only what is there, or only what is over.
    pub open: Option<bool>,
    /// What was over before is left out; a day ago if nothing is said.
    pub since_ms: Option<Millis>,
    /// Only with a lower number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// A finding with the names that the caller may see.
#[derive(Debug, Clone)]
pub struct Told {
    /// As it was remembered.
    pub finding: Finding,
    /// The pool's slug.
    pub pool: Option<String>,
    /// The slug of the tenant that it is about.
    pub tenant: Option<String>,
    /// Slugs of the tenants that are hit, worst first.
    pub tenants: Vec<String>,
    /// What is wrong, with its numbers.
    pub sentence: String,
}

/// Findings, and when somebody looked for them.
#[derive(Debug, Clone)]
pub struct Listed {
    /// When this was so.
    pub now: Millis,
    /// The last look.
    pub looked_ms: Option<Millis>,
    /// The newest first.
    pub findings: Vec<Told>,
}

/// A number behind a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// What it counts or measures.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// `slots`, `claims`, `leases`, `pools`, `moves`, `turns`, `ms`, `ratio`, `ratio/h` or `priority`.
    pub unit: &'static str,
}

impl App {
    /// What is wrong, and what was wrong lately, the newest first: of what the caller may see. Who sees some pools or tenants
    /// only learns nothing of servers.
    pub async fn findings(&self, asked: &Asked) -> Result<Listed> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let mut pools = Vec::new();
        for slug in &asked.pools {
            pools.push(pools::find(conn, &self.caller, slug).await?.key);
        }
        let mut tenants = Vec::new();
        for slug in &asked.tenants {
            tenants.push(tenants::find(conn, &self.caller, slug).await?.key);
        }
        let now = headroom_store::now(conn).await?;
        let wanted = Wanted {
            pools: if pools.is_empty() { self.caller.pools.clone() } else { Some(pools) },
            no_servers: self.caller.is_limited(),
            kinds: asked.kinds.clone(),
            open: asked.open,
            since: asked.since_ms.unwrap_or(now - RECENT_MS),
            tenants: if tenants.is_empty() { self.caller.tenants.clone() } else { Some(tenants) },
            before: asked.before,
            limit: asked.limit.clamp(1, MAX_FINDINGS),
        };
        let found = finding::list(conn, &wanted).await?;
        let keys: Vec<i32> = found.iter().filter_map(|finding| finding.seen.pool).collect();
        let names: HashMap<i32, (String, String)> = pool::by_keys(conn, &keys)
            .await?
            .into_iter()
            .map(|pool| (pool.key, (pool.fields.slug.to_string(), pool.fields.name)))
            .collect();
        let all = tenant::list(conn, true).await?;
        let slugs: HashMap<i32, (String, String)> = all
            .into_iter()
            .filter(|tenant| self.caller.sees_tenant(tenant.key))
            .map(|tenant| (tenant.key, (tenant.fields.slug.to_string(), tenant.fields.name)))
            .collect();
        let told = found.into_iter().map(|finding| {
            let pool = finding.seen.pool.and_then(|key| names.get(&key));
            let about = finding.seen.what.tenant().and_then(|key| slugs.get(&key));
            Told {
                sentence: sentence(
                    pool.map_or("", |(_, name)| name.as_str()),
                    &finding.seen.what,
                    about.map(|(_, name)| name.as_str()),
                ),
                pool: pool.map(|(slug, _)| slug.clone()),
                tenant: about.map(|(slug, _)| slug.clone()),
                tenants: finding.seen.tenants.iter().filter_map(|key| Some(slugs.get(key)?.0.clone())).collect(),
                finding,
            }
        });
        Ok(Listed { now, looked_ms: finding::turn(conn).await?.at, findings: told.collect() })
    }

    /// What the board shows of these pools and of the servers, most severe first, then newest first.
    pub(super) async fn found(
        &self,
        conn: &mut PgConnection,
        watched: &[Watched],
        names: &Names,
        now: Millis,
    ) -> Result<Vec<Found>> {
        let wanted = Wanted {
            pools: Some(watched.iter().map(|one| one.pool.key).collect()),
            open: Some(true),
            tenants: self.caller.tenants.clone(),
            limit: MOST_SHOWN,
            ..Wanted::default()
        };
        let mut all = finding::list(conn, &wanted).await?;
        if !self.caller.is_limited() {
            let kinds = Kind::ALL.iter().copied().filter(|kind| kind.is_of_server());
            let wanted =
                Wanted { kinds: kinds.collect(), since: now - SHOWN_MS, limit: MOST_SHOWN, ..Wanted::default() };
            all.extend(finding::list(conn, &wanted).await?);
        }
        let mut found: Vec<Found> = all
            .into_iter()
            .map(|finding| {
                let seen = finding.seen;
                let one = seen.pool.and_then(|key| watched.iter().find(|one| one.pool.key == key));
                let fields = one.map(|one| &one.pool.fields);
                let about = seen.what.tenant().and_then(|key| names.get(&key));
                let is_facing =
                    fields.is_some_and(|fields| fields.services.iter().any(|service| service.customer_facing));
                let mut facts = facts(seen.severity, &seen.what, is_facing);
                if finding.over_ms.is_some() {
                    facts.push("over".to_owned());
                }
                Found {
                    id: format!("{}-{}", seen.what.kind(), finding.id),
                    pool: seen.pool,
                    severity: seen.severity,
                    sentence: sentence(
                        fields.map_or("", |fields| fields.name.as_str()),
                        &seen.what,
                        about.map(|(_, name)| name.as_str()),
                    ),
                    facts,
                    tenants: seen.tenants.into_iter().filter(|key| names.contains_key(key)).collect(),
                    since_ms: seen.since_ms,
                    what: seen.what,
                }
            })
            .collect();
        found.sort_by(|a, b| {
            a.severity.cmp(&b.severity).then(b.since_ms.cmp(&a.since_ms)).then_with(|| a.id.cmp(&b.id))
        });
        Ok(found)
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
        What::HeldForEver { slot, held_ms, holder, .. } => {
            format!("Slot {slot} of {pool} has been held by {holder} for {} and has no end", format::duration(*held_ms))
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
        What::ServerLost { server, pools: 0 } => {
            format!("Server {server} fell silent without ending: others decide about its pools")
        }
        What::ServerLost { server, pools } => {
            let verb = if *pools == 1 { "waits" } else { "wait" };
            format!(
                "Server {server} fell silent without ending: {} {verb} for another",
                counted(*pools, "pool", "pools")
            )
        }
        What::ServerPaused { server, paused_ms } => {
            format!("Server {server} did not move for {}", format::duration(*paused_ms))
        }
        What::StoreAway { server, away_ms } => {
            format!("Server {server} had no answer from PostgreSQL for {}", format::duration(*away_ms))
        }
    }
}

/// The numbers behind it.
pub fn numbers(what: &What) -> Vec<Number> {
    let of = |name, value: f64, unit| Number { name, value, unit };
    let n = |name, value: u64, unit| of(name, value as f64, unit);
    let ms = |name, value: Millis| of(name, value as f64, "ms");
    match what {
        What::Leaked { slots, lag_ms } => vec![n("leaked", *slots, "slots"), ms("oldest", *lag_ms)],
        What::Leaking { expired_1m, per_hour } => vec![
            n("expired_1m", *expired_1m, "leases"),
            of("rate", *per_hour, "ratio/h"),
            of("limit", LEAK_RATE, "ratio/h"),
        ],
        What::Doubled { slots } => vec![n("doubled", slots.len() as u64, "slots")],
        What::Hot { p95_ms, median_ms, slots, .. } => vec![
            of("p95", *p95_ms, "ms"),
            of("peers", *median_ms, "ms"),
            of("limit", *median_ms * HOT_RATIO, "ms"),
            n("hot", *slots as u64, "slots"),
        ],
        What::Saturated { rejected_1m, rate, queued } => {
            vec![n("rejected_1m", *rejected_1m, "claims"), of("rate", *rate, "ratio"), n("waiting", *queued, "claims")]
        }
        What::Queueing { queued } => vec![n("waiting", *queued, "claims")],
        What::SlowReclaim { late_ms, goal_ms } => vec![ms("late", *late_ms), ms("limit", *goal_ms)],
        What::Inverted { waiting, claims, holding, slots } => vec![
            n("waiting", (*waiting).into(), "priority"),
            n("waiting_claims", *claims, "claims"),
            n("holding", (*holding).into(), "priority"),
            n("held_below", *slots, "slots"),
        ],
        What::Moving { moved } => vec![n("moved_10m", *moved, "moves")],
        What::Swinging { turns } => vec![n("turned_10m", *turns as u64, "turns")],
        What::Monopoly { held, fair, others_rejected, .. } => vec![
            n("held", (*held).into(), "slots"),
            of("fair", *fair, "slots"),
            of("limit", MONOPOLY_RATIO, "ratio"),
            n("others_rejected_1m", *others_rejected, "claims"),
        ],
        What::Stalled { age_ms } => {
            let age = age_ms.map(|age| ms("age", age));
            age.into_iter().chain([ms("limit", STALLED_AFTER_MS)]).collect()
        }
        What::Refusing { rejected_1m, rate } => {
            vec![n("rejected_1m", *rejected_1m, "claims"), of("rate", *rate, "ratio")]
        }
        What::Overcommitted { capacity, reserved, held } => vec![
            n("capacity", (*capacity).into(), "slots"),
            n("reserved", *reserved, "slots"),
            n("held", *held, "slots"),
        ],
        What::RetryStorm { rejected_1m, .. } => vec![n("rejected_1m", *rejected_1m, "claims")],
        What::HeldForEver { held_ms, .. } => vec![ms("held", *held_ms)],
        What::ServerLost { pools, .. } => vec![n("waiting", *pools, "pools")],
        What::ServerPaused { paused_ms, .. } => vec![ms("paused", *paused_ms)],
        What::StoreAway { away_ms, .. } => vec![ms("away", *away_ms)],
        What::BreakerOpen | What::SilentTogether | What::Closed | What::Unowned { .. } => Vec::new(),
    }
}

fn count_of(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Limits, and whether it is worth waking somebody, a fragment each.
pub(super) fn facts(severity: Severity, what: &What, is_customer_facing: bool) -> Vec<String> {
    let mut facts = match what {
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
    facts.push(match (severity, is_customer_facing) {
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
        let lost = |pools| said(What::ServerLost { server: "http://10.0.0.5:8080".into(), pools });
        assert_eq!(lost(2), "Server http://10.0.0.5:8080 fell silent without ending: 2 pools wait for another");
        assert!(lost(0).ends_with("others decide about its pools"), "{}", lost(0));
        assert_eq!(stalled, "Reconciler stalled on ingress-eu: last pass 6 m 40 s ago");
    }

    #[test]
    fn numbers_have_names_and_units() {
        let units = ["slots", "claims", "leases", "pools", "moves", "turns", "ms", "ratio", "ratio/h", "priority"];
        let cases = [
            (What::Leaked { slots: 2, lag_ms: 5_000 }, vec![("leaked", 2.0, "slots"), ("oldest", 5_000.0, "ms")]),
            (What::Swinging { turns: 4 }, vec![("turned_10m", 4.0, "turns")]),
            (What::Stalled { age_ms: None }, vec![("limit", 120_000.0, "ms")]),
            (What::StoreAway { server: "a".into(), away_ms: 7_000 }, vec![("away", 7_000.0, "ms")]),
            (What::Closed, vec![]),
        ];
        for (what, expected) in cases {
            let found = numbers(&what);
            assert!(found.iter().all(|number| units.contains(&number.unit)), "{what:?}");
            let found: Vec<_> = found.iter().map(|number| (number.name, number.value, number.unit)).collect();
            assert_eq!(found, expected, "{what:?}");
        }
    }
}
