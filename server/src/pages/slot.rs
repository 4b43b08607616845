//! Slots of a tracked pool: the map, the rules, and `/pools/{pool}/slots/{slot}`.

use super::answer::{failure, page};
use super::oncall::{micros, named};
use super::shell::{Spec, shell};
use super::visit::{Named as Slug, Visit};
use crate::app::live::{SlotsNow, Watched};
use crate::app::{App, AppError, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::allocation::Stored;
use headroom_domain::format;
use headroom_domain::lease::{EventKind, KeyedLimit, Mode, Policy};
use headroom_frontend::model::{
    ChosenSlot, FilterSet, GroupBy, Lease, LivePolicy, LogRow, Named, PanelState, PolicyGroup, PolicyRow, PolicySource,
    PoolMap, PoolMode, SlotMapModel, SlotPageModel, SlotRow, SlotState,
};
use headroom_frontend::slotmap::MOST_GROUPS;
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::slot_event::SlotEvent;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Slots named beside the map.
const ANOMALIES: usize = 200;

/// A slot as a row.
fn row(now: &SlotsNow, slot: &Stored) -> SlotRow {
    let state = SlotState::from_char(now.letter(slot));
    let held = slot.held.as_ref();
    let tenant = held.and_then(|held| now.names.get(&held.tenant));
    SlotRow {
        slot: slot.number.into(),
        state,
        tenant: tenant.map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() }),
        holder: held.map(|held| held.holder.clone()).unwrap_or_default(),
        since_ms: held
            .filter(|held| !held.claim.is_nil())
            .map(|held| if state == SlotState::Leaked { held.expires_at } else { held.claimed_at }),
        p95_ms: now.work.get(&slot.number).copied(),
        node: slot.node.clone().unwrap_or_default(),
    }
}

/// What a map is asked to show.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    spotlight: Option<SlotState>,
    by: Option<GroupBy>,
    chosen: Option<u32>,
}

impl Wanted {
    /// Reads the address; what makes no sense is passed over.
    pub(super) fn of(visit: &Visit) -> Self {
        Self {
            spotlight: visit.get("state").and_then(SlotState::parse),
            by: visit.get("by").and_then(GroupBy::parse),
            chosen: visit.get("sel").and_then(|sel| sel.strip_prefix("slot:")?.parse().ok()),
        }
    }
}

/// The slots of a pool in groups: their names, and a letter per slot. The largest groups have their own, the rest share one.
fn grouped(now: &SlotsNow, by: GroupBy) -> (Vec<String>, String) {
    let shards = now.watched.rules.policy.shards.unwrap_or_default();
    // Numbers before names, so that shard 2 comes before shard 10; what belongs nowhere comes last.
    let key_of = |slot: &Stored| -> (u32, String) {
        const LAST: u32 = u32::MAX;
        match by {
            GroupBy::Node => slot.node.clone().map_or((LAST, "no node known".to_owned()), |node| (0, node)),
            GroupBy::Shard if shards == 0 => (LAST, "no shards".to_owned()),
            GroupBy::Shard => ((slot.number - 1) % shards, format!("shard {}", (slot.number - 1) % shards)),
            GroupBy::Tenant => match &slot.held {
                None => (LAST, "nobody".to_owned()),
                Some(held) => match now.names.get(&held.tenant) {
                    Some((_, name)) => (0, name.clone()),
                    None => (1, "others".to_owned()),
                },
            },
            GroupBy::State => {
                let state = SlotState::from_char(now.letter(slot));
                let place = SlotState::ALL.into_iter().position(|one| one == state).unwrap_or_default();
                (place as u32, state.label().to_owned())
            }
        }
    };
    let keys: Vec<(u32, String)> = now.slots.iter().map(key_of).collect();
    let mut sizes: BTreeMap<&(u32, String), usize> = BTreeMap::new();
    for key in &keys {
        *sizes.entry(key).or_default() += 1;
    }
    let mut largest: Vec<(&(u32, String), usize)> = sizes.into_iter().collect();
    largest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let rest = largest.split_off(largest.len().min(MOST_GROUPS)).len();
    let mut own: Vec<&(u32, String)> = largest.into_iter().map(|(key, _)| key).collect();
    own.sort();
    let letters: BTreeMap<&(u32, String), char> = own.iter().copied().zip('A'..).collect();
    let last = char::from(b'A' + own.len() as u8);
    let of_slot = keys.iter().map(|key| letters.get(key).copied().unwrap_or(last)).collect();
    let mut names: Vec<String> = own.into_iter().map(|(_, name)| name.clone()).collect();
    if rest > 0 {
        names.push(format!("{rest} more"));
    }
    (names, of_slot)
}

fn chosen(now: &SlotsNow, slot: &Stored, events: &[SlotEvent]) -> ChosenSlot {
    let held = slot.held.as_ref();
    ChosenSlot {
        row: row(now, slot),
        claimed_ms: held.map(|held| held.claimed_at),
        remaining_ms: held.map(|held| held.expires_at - now.now),
        last_event: events.first().map(|event| (event.kind.as_str().to_owned(), event.at)),
    }
}

/// The map of a pool's slots.
pub(super) async fn map(app: &App, now: &SlotsNow, wanted: Wanted) -> Result<SlotMapModel> {
    let spotlight = wanted.spotlight;
    let slot = wanted.chosen.and_then(|number| now.slots.iter().find(|slot| slot.number == number));
    let chosen = match slot {
        Some(slot) => {
            let (_, _, events, _) = app.slot(now.watched.pool.fields.slug.as_str(), slot.number.into()).await?;
            Some(chosen(now, slot, &events))
        }
        None => None,
    };
    let (groups, group_of) = wanted.by.map(|by| grouped(now, by)).unwrap_or_default();
    let shown = |slot: &&Stored| {
        let state = SlotState::from_char(now.letter(slot));
        spotlight.map_or(state.is_anomaly(), |wanted| state == wanted)
    };
    let all: Vec<&Stored> = now.slots.iter().filter(shown).collect();
    let age = now.watched.age_ms.unwrap_or(i64::MAX);
    Ok(SlotMapModel {
        by: wanted.by,
        groups,
        group_of,
        chosen,
        pool: named(&now.watched),
        states: now.slots.iter().map(|slot| now.letter(slot)).collect(),
        anomalies: all.iter().take(ANOMALIES).map(|slot| row(now, slot)).collect(),
        anomalies_total: all.len() as i64,
        spotlight,
        as_of_ms: now.now,
        state: if now.slots.is_empty() {
            PanelState::Empty { text: "This pool has no slots: its capacity is 0.".into(), action: None }
        } else if now.watched.is_stalled() {
            PanelState::Stale { last_ms: now.now.saturating_sub(age).max(0) }
        } else {
            PanelState::Ready
        },
    })
}

/// The tab `map` of a pool's page.
pub(super) async fn pool_map(app: &App, now: &SlotsNow, wanted: Wanted) -> Result<PoolMap> {
    let figures = now.watched.fresh();
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(PoolMap {
        mode: match now.watched.rules.mode {
            Mode::Open => PoolMode::Open,
            Mode::Held => PoolMode::Held,
            Mode::Draining => PoolMode::Draining,
        },
        queued: figures.map(|f| whole(f.queued)),
        claim_p95_us: figures.filter(|f| f.claim.count > 0).map(|f| micros(f.claim.p95_ms)),
        rejected_1m: figures.map(|f| whole(f.rejected_1m)),
        granted_1m: figures.map(|f| whole(f.granted_1m)),
        map: map(app, now, wanted).await?,
    })
}

/// An event as a line of the log.
pub(super) fn log_row(event: &SlotEvent) -> LogRow {
    LogRow {
        id: event.id,
        at_ms: event.at,
        pool: event.pool_slug.clone(),
        kind: event.kind.as_str().to_owned(),
        slot: event.slot.map(Into::into),
        tenant: event.tenant.clone().unwrap_or_default(),
        holder: event.holder.clone().unwrap_or_default(),
        reason: event.reason.clone().unwrap_or_default(),
        work_ms: event.work_ms.map(Into::into),
        wait_ms: event.wait_ms.map(Into::into),
        trace: event.trace.as_deref().map(hex).unwrap_or_default(),
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// GET `/pools/{pool}/slots/{slot}`.
pub(crate) async fn get(app: App, Slug(slug): Slug, visit: Visit) -> Response {
    match answer(&app, &visit, &slug).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit, slug: &str) -> Result<Response> {
    let last = visit.path.rsplit('/').next().unwrap_or_default();
    let missing = || AppError::NotFound { what: "slot", slug: last.chars().take(20).collect(), suggestion: None };
    app.pool(slug).await?;
    let number: i64 = last.parse().map_err(|_| missing())?;
    let (_, _, events, _) = match app.slot(slug, number).await {
        Err(AppError::NotFound { what: "slot", .. }) => return Err(missing()),
        other => other?,
    };
    let now = app.slots_now(slug).await?;
    let place = now.slots.iter().position(|slot| i64::from(slot.number) == number).ok_or_else(missing)?;
    let slot = &now.slots[place];
    let title = format!("Slot {number} of {}", now.watched.pool.fields.name);
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::Pools),
        honoured: FilterSet::NONE,
        default_from: "now-1h",
        view: &[],
    };
    let (shell, _) = shell(app, visit, spec).await?;
    let held = slot.held.as_ref().filter(|held| !held.claim.is_nil());
    let of_claim = |event: &&SlotEvent| held.is_some_and(|held| event.claim == Some(held.claim));
    let renewed_ms = events.iter().filter(of_claim).find(|event| event.kind == EventKind::Renew).map(|event| event.at);
    let is_odd = |slot: &&Stored| SlotState::from_char(now.letter(slot)).is_anomaly();
    let policy = &now.watched.rules.policy;
    let spark = match now.work.get(&slot.number) {
        Some(_) => app.slot_work(now.watched.pool.key, number as i32, now.now).await?,
        None => Vec::new(),
    };
    let model = SlotPageModel {
        pool: named(&now.watched),
        capacity: now.slots.len() as i64,
        row: row(&now, slot),
        fence: (slot.fence > 0).then_some(slot.fence),
        claim: held.map(|held| held.claim.to_string()).unwrap_or_default(),
        trace_href: held
            .filter(|_| app.caller().may(Action::Debug))
            .map(|held| format!("/debug/claims/{}", held.claim)),
        lease: held.map(|held| Lease {
            claimed_ms: held.claimed_at,
            renewed_ms,
            expires_ms: held.expires_at,
            ttl_ms: (held.expires_at - renewed_ms.unwrap_or(held.claimed_at)).max(0),
        }),
        shard: policy.shards.map(|shards| ((slot.number - 1) % shards.max(1)).to_string()).unwrap_or_default(),
        priority: held.map(|held| held.priority.into()),
        slo_ms: policy.work_goal_ms.map(|goal| goal as f64),
        spark,
        events: events.iter().map(log_row).collect(),
        neighbours: (
            now.slots[..place].iter().rev().find(is_odd).map(|slot| slot.number.into()),
            now.slots[place + 1..].iter().find(is_odd).map(|slot| slot.number.into()),
        ),
        as_of_ms: now.now,
        state: PanelState::Ready,
    };
    Ok(page(&shell, StatusCode::OK, || pages::slot(&shell, &model)))
}

/// The rules of a tracked pool as they are in force.
pub(super) fn rules(watched: &Watched) -> LivePolicy {
    let (policy, usual) = (&watched.rules.policy, Policy::default());
    let row = |label: &str, value: String, is_usual: bool, note: &str| PolicyRow {
        label: label.to_owned(),
        value,
        source: if is_usual { PolicySource::Default } else { PolicySource::Policy },
        note: note.to_owned(),
    };
    let time = |ms: i64| format::duration(ms);
    let maybe = |ms: Option<i64>, none: &str| ms.map_or_else(|| none.to_owned(), format::duration);
    let group = |title: &str, rows: Vec<PolicyRow>| PolicyGroup { title: title.to_owned(), rows };
    let beats = policy.heartbeats.map_or_else(
        || "not expected".to_owned(),
        |beats| {
            format!(
                "every {}, dead after {} of them and {}",
                time(beats.interval_ms),
                beats.intervals,
                time(beats.margin_ms)
            )
        },
    );
    let breaker = policy.breaker.map_or_else(
        || "none".to_owned(),
        |rule| {
            let part = format::percent(f64::from(rule.failures_per_mille) / 1_000.0);
            format!("opens at {part} failures of {} in {}", rule.least, time(rule.window_ms))
        },
    );
    let limits: Vec<String> = policy.limits.iter().map(limit).collect();
    let emergency = policy.emergency.map_or_else(
        || "none: planners resize".to_owned(),
        |(least, most)| format!("{} to {} slots", format::count(least.into()), format::count(most.into())),
    );
    let mode = PolicyRow {
        label: "Claims".into(),
        value: watched.rules.mode.label().to_owned(),
        source: if watched.rules.mode == Mode::Open { PolicySource::Default } else { PolicySource::Override },
        note: if watched.rules.mode == Mode::Open { String::new() } else { "until somebody opens it again".into() },
    };
    LivePolicy {
        version: watched.rules.version.into(),
        changed: None,
        groups: vec![
            group(
                "Leases",
                vec![
                    row(
                        "Lease time",
                        time(policy.ttl_ms),
                        policy.ttl_ms == usual.ttl_ms,
                        "unless a claim asks for another",
                    ),
                    row(
                        "Longest lease time",
                        time(policy.longest_ttl_ms),
                        policy.longest_ttl_ms == usual.longest_ttl_ms,
                        "",
                    ),
                    row(
                        "Longest hold",
                        maybe(policy.longest_hold_ms, "no end"),
                        policy.longest_hold_ms.is_none(),
                        "no renewal reaches beyond",
                    ),
                    row(
                        "Rest after an expiry",
                        time(policy.lock_delay_ms),
                        policy.lock_delay_ms == usual.lock_delay_ms,
                        "",
                    ),
                    row("Heartbeats", beats, policy.heartbeats.is_none(), ""),
                ],
            ),
            group(
                "Admission",
                vec![
                    mode,
                    row(
                        "Rate limits",
                        if limits.is_empty() { "none".to_owned() } else { limits.join("; ") },
                        limits.is_empty(),
                        "all must admit a claim",
                    ),
                    row("Circuit breaker", breaker, policy.breaker.is_none(), ""),
                ],
            ),
            group(
                "Queue",
                vec![
                    row(
                        "Claims that may wait",
                        format::count(policy.queue_limit.into()),
                        policy.queue_limit == usual.queue_limit,
                        "",
                    ),
                    row(
                        "Longest wait",
                        time(policy.longest_wait_ms),
                        policy.longest_wait_ms == usual.longest_wait_ms,
                        "",
                    ),
                    row("Wait goal", time(policy.wait_goal_ms), policy.wait_goal_ms == usual.wait_goal_ms, ""),
                ],
            ),
            group(
                "Taking slots back",
                vec![
                    row(
                        "Notice",
                        time(policy.grace_ms),
                        policy.grace_ms == usual.grace_ms,
                        "to end or to save the work",
                    ),
                    row(
                        "Preemption",
                        if policy.preempt { "by priority".into() } else { "none".into() },
                        policy.preempt == usual.preempt,
                        "of lower priorities when the pool is full",
                    ),
                    row(
                        "Emergency range",
                        emergency,
                        policy.emergency.is_none(),
                        "sizes that on-call engineers may set",
                    ),
                ],
            ),
            group(
                "Work",
                vec![
                    row("P95 goal", maybe(policy.work_goal_ms, "none"), policy.work_goal_ms.is_none(), ""),
                    row(
                        "Shards",
                        policy.shards.map_or_else(|| "none".to_owned(), |n| format::count(n.into())),
                        policy.shards.is_none(),
                        "",
                    ),
                ],
            ),
        ],
    }
}

fn limit(keyed: &KeyedLimit) -> String {
    // The words are those of the policy's own text.
    let word = |value: serde_json::Result<serde_json::Value>| value.map(|v| v.to_string()).unwrap_or_default();
    let text =
        |value: String| value.chars().filter(|c| !matches!(c, '"' | '{' | '}')).collect::<String>().replace(',', ", ");
    format!("per {}: {}", text(word(serde_json::to_value(keyed.by))), text(word(serde_json::to_value(keyed.limit))))
}
