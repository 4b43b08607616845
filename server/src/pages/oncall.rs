//! `/oncall`: what is broken, how bad, what to do.

use super::alerts::Tried;
use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::slot::{Wanted, map};
use super::visit::Visit;
use crate::allocator::PoolFigures;
use crate::app::findings::Found;
use crate::app::live::{Board, Watched};
use crate::app::window::Window;
use crate::app::{App, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::failure::{Kind, Mode, Severity as Severe, What};
use headroom_domain::{Millis, format};
use headroom_frontend::model::{
    Bulkhead, BulkheadKind, FailureMode, FilterSet, Finding, HolderRow, Link, Named, OfferedAction, OnCallModel,
    PanelState, Severity, ShellModel, SlotAction, SlowSlot, Vitals, WallMark,
};
use headroom_frontend::url::{pool_path, with_query};
use headroom_frontend::{pages, routes::RailEntry};
use std::collections::BTreeMap;

/// The most that the P95 of a claim's answer should be (M6), microseconds.
const CLAIM_LIMIT_US: i64 = 50_000;
/// Failures are looked for every second: after so long a time nobody does.
const LOOKED_WITHIN_MS: Millis = 30_000;
/// Tenants named beside a finding.
const NAMED: usize = 3;
/// A wall behind which less than this is used stands in the way when claims wait elsewhere.
const IDLE: f64 = 0.3;
/// A pool that more than this part of all tenants hold slots of is everybody's.
const SHARED: f64 = 0.5;

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    match render(&app, &visit, StatusCode::OK, Tried::default()).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What the board is.
pub(super) const SPEC: Spec<'static> = Spec {
    title: "On-call",
    rail: Some(RailEntry::OnCall),
    honoured: FilterSet { pool: true, tenant: true, stamp: true, ..FilterSet::NONE },
    default_from: "now-1h",
    view: &["map", "state", "by", "sel", "show"],
};

/// The board, also after something was tried on it.
pub(super) async fn render(app: &App, visit: &Visit, status: StatusCode, tried: Tried) -> Result<Response> {
    let (shell, window) = shell(app, visit, SPEC).await?;
    let alerts = super::alerts::board(app, visit, &window, tried).await?;
    let board = app.on_call(&window).await?;
    let chosen = visit.get("map").and_then(|slug| board.pools.iter().find(|one| one.pool.fields.slug.as_str() == slug));
    // What is wrong first is looked at first.
    let worst = board.found.first().and_then(|found| board.pools.iter().find(|one| Some(one.pool.key) == found.pool));
    let map = match chosen.or(worst).or(board.pools.first()) {
        Some(one) => {
            let now = app.slots_now(one.pool.fields.slug.as_str()).await?;
            Some(map(app, &now, Wanted::of(visit)).await?)
        }
        None => None,
    };
    let stalled = board.pools.iter().filter(|one| one.is_stalled()).count();
    let acts = app.caller().may(Action::Operate) && app.caller().tenants.is_none();
    let model = OnCallModel {
        findings: board.found.iter().map(|found| finding(found, &board, acts)).collect(),
        findings_state: findings_state(&board, &window, stalled),
        pools_watched: board.pools.len() as i64,
        vitals: vitals(&board, stalled as i64),
        map,
        map_pools: board.pools.iter().map(named).collect(),
        slowest: slowest(&board),
        holders: holders(&board),
        bulkheads: bulkheads(&board, &shell),
        alerts,
    };
    Ok(page(&shell, status, || pages::oncall(&shell, &model)))
}

/// Whether what is not in the list is known not to be there.
fn findings_state(board: &Board, window: &Window, stalled: usize) -> PanelState {
    let text = match board.looked_ms {
        None => "Nobody has looked for failures yet.".to_owned(),
        // When, and not how long ago: a page that is sent again says the same.
        Some(at) if board.now - at > LOOKED_WITHIN_MS => {
            format!("Failures were last looked for on {}.", format::day_time(window.zone.local(at)))
        }
        Some(_) if stalled > 0 => format!("Nothing is known about {stalled} of {} pools now.", board.pools.len()),
        Some(_) => return PanelState::Ready,
    };
    PanelState::Partial { text }
}

/// A pool's slug and name.
pub(super) fn named(one: &Watched) -> Named {
    Named { slug: one.pool.fields.slug.to_string(), name: one.pool.fields.name.clone() }
}

fn pool_of(board: &Board, key: i32) -> Option<Named> {
    board.pools.iter().find(|one| one.pool.key == key).map(named)
}

fn tenant_of(board: &Board, key: i32) -> Option<Named> {
    board.names.get(&key).map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() })
}

fn finding(found: &Found, board: &Board, acts: bool) -> Finding {
    let one = board.pools.iter().find(|one| Some(one.pool.key) == found.pool);
    let pool_runbook = one.map(|one| one.pool.fields.runbook_url.clone()).filter(|url| !url.is_empty());
    let tenant = found.what.tenant().and_then(|key| board.names.get(&key));
    let runbook = runbook_of(found.what.kind()).map(|slug| {
        let mut place = Vec::new();
        if let Some(one) = one {
            place.push(("pool", one.pool.fields.slug.as_str()));
        }
        if let Some((slug, _)) = tenant {
            place.push(("tenant", slug.as_str()));
        }
        with_query(&format!("/runbooks/{slug}"), &place)
    });
    let slug = one.map(|one| one.pool.fields.slug.to_string()).unwrap_or_default();
    Finding {
        id: found.id.clone(),
        severity: match found.severity {
            Severe::Critical => Severity::Critical,
            Severe::Warning => Severity::Warning,
            Severe::Info => Severity::Info,
        },
        mode: match found.what.mode() {
            Mode::Leak => FailureMode::Leak,
            Mode::DoubleAssignment => FailureMode::DoubleAssignment,
            Mode::HotSlot => FailureMode::HotSlot,
            Mode::Exhaustion => FailureMode::Exhaustion,
            Mode::SlowReclaim => FailureMode::SlowReclaim,
            Mode::PriorityInversion => FailureMode::PriorityInversion,
            Mode::Thrash => FailureMode::Thrash,
            Mode::Monopoly => FailureMode::Monopoly,
            Mode::Other => FailureMode::Other,
        },
        sentence: found.sentence.clone(),
        pool: one.map(named),
        tenants: found.tenants.iter().take(NAMED).filter_map(|key| tenant_of(board, *key)).collect(),
        tenants_total: found.tenants.len() as i64,
        since_ms: found.since_ms,
        facts: found.facts.clone(),
        actions: if acts { remedies(found, board, &slug) } else { Vec::new() },
        runbook,
        pool_runbook,
    }
}

/// The shipped runbook about a failure.
const fn runbook_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Leaked | Kind::HeldForEver => Some("f1-slot-leak"),
        Kind::Leaking => Some("leak-growth"),
        Kind::Doubled => Some("f2-double-assignment"),
        Kind::Hot => Some("f3-hot-slot"),
        Kind::Saturated | Kind::Queueing => Some("f4-exhaustion"),
        Kind::SlowReclaim => Some("f5-slow-reclaim"),
        Kind::Inverted => Some("f6-priority-inversion"),
        Kind::Moving | Kind::Swinging => Some("f7-rebalance-thrash"),
        Kind::Monopoly => Some("f8-monopolised-pool"),
        Kind::Stalled => Some("reconciler-stalled"),
        Kind::Refusing | Kind::Breaker | Kind::StoreAway => Some("alloc-failure"),
        Kind::ServerLost | Kind::ServerPaused => Some("restart-the-allocator"),
        Kind::Overcommitted => Some("overcommitted"),
        Kind::RetryStorm => Some("retry-storm"),
        // Nothing to follow: the finding says what to do, or that somebody meant it.
        Kind::Silent | Kind::Closed | Kind::Unowned => None,
    }
}

/// What helps against a failure: links to previews, the first to try first.
fn remedies(found: &Found, board: &Board, slug: &str) -> Vec<OfferedAction> {
    let act = |action: SlotAction, fields: &[(&str, &str)]| {
        let href = with_query(&format!("{}/act/{}", pool_path(slug), action.word()), fields);
        Link { label: action.label().to_owned(), href }
    };
    let links = match &found.what {
        What::Leaked { .. } | What::SlowReclaim { .. } => vec![act(SlotAction::Reclaim, &[("slots", "leaked")])],
        What::Doubled { slots } => {
            let slot = slots.first().map(ToString::to_string).unwrap_or_default();
            vec![Link {
                label: "Look at its events".into(),
                href: with_query("/debug", &[("pool", slug), ("slot", &slot)]),
            }]
        }
        What::Hot { slot, .. } => vec![act(SlotAction::Drain, &[("slots", &slot.to_string())])],
        What::Saturated { .. } | What::Queueing { .. } | What::Overcommitted { .. } => {
            vec![act(SlotAction::Resize, &[]), act(SlotAction::CutQuota, &[])]
        }
        What::Inverted { claims, .. } => {
            vec![act(SlotAction::Preempt, &[("tenant", ""), ("count", &claims.to_string())])]
        }
        What::Moving { .. } | What::Swinging { .. } | What::BreakerOpen => vec![act(SlotAction::Hold, &[])],
        What::Monopoly { tenant, fair, .. } => {
            let tenant = board.names.get(tenant).map(|(slug, _)| slug.as_str()).unwrap_or_default();
            let to = format!("{fair:.0}");
            vec![act(SlotAction::CutQuota, &[("tenant", tenant), ("to", &to), ("minutes", "60")])]
        }
        What::RetryStorm { tenant, .. } => {
            let tenant = board.names.get(tenant).map(|(slug, _)| slug.as_str()).unwrap_or_default();
            vec![act(SlotAction::CutQuota, &[("tenant", tenant)])]
        }
        What::Closed => vec![act(SlotAction::Open, &[])],
        What::Leaking { .. }
        | What::Stalled { .. }
        | What::Refusing { .. }
        | What::SilentTogether
        | What::HeldForEver { .. }
        | What::Unowned { .. }
        | What::ServerLost { .. }
        | What::ServerPaused { .. }
        | What::StoreAway { .. } => Vec::new(),
    };
    links.into_iter().enumerate().map(|(place, link)| OfferedAction { link, first: place == 0 }).collect()
}

/// Milliseconds as whole microseconds.
pub(super) fn micros(ms: f64) -> i64 {
    (ms * 1_000.0).round() as i64
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn vitals(board: &Board, stalled: i64) -> Vitals {
    let fresh: Vec<&PoolFigures> = board.pools.iter().filter_map(Watched::fresh).collect();
    let sum = |value: &dyn Fn(&PoolFigures) -> u64| {
        (!fresh.is_empty()).then(|| whole(fresh.iter().map(|figures| value(figures)).sum()))
    };
    // Quantiles do not add up: the slowest pool speaks for all.
    let slowest = |value: &dyn Fn(&PoolFigures) -> Option<f64>| {
        fresh.iter().filter_map(|figures| value(figures)).reduce(f64::max)
    };
    let claim = |figures: &PoolFigures| (figures.claim.count > 0).then_some(figures.claim);
    let mut waits: BTreeMap<u8, f64> = BTreeMap::new();
    for (priority, wait) in fresh.iter().flat_map(|figures| &figures.wait).filter(|(_, wait)| wait.p99_ms >= 1.0) {
        let slowest = waits.entry(*priority).or_default();
        *slowest = slowest.max(wait.p99_ms);
    }
    let passes = fresh.iter().map(|figures| figures.reconciler.last_pass_ms).filter(|at| *at > 0);
    Vitals {
        occupied: sum(&|f| f.occupied),
        free: sum(&|f| f.free),
        capacity: sum(&|f| f.capacity.into()),
        rejected_1m: sum(&|f| f.rejected_1m),
        rejected_spark: board.rejected.clone(),
        granted_1m: sum(&|f| f.granted_1m),
        queued: sum(&|f| f.queued),
        claim_p95_us: slowest(&|f| claim(f).map(|claim| claim.p95_ms)).map(micros),
        claim_p99_us: slowest(&|f| claim(f).map(|claim| claim.p99_ms)).map(micros),
        claim_limit_us: CLAIM_LIMIT_US,
        claim_spark: board.claim_p95.clone(),
        wait_p99_ms: waits.into_iter().rev().map(|(priority, ms)| (priority.into(), ms.round() as i64)).collect(),
        reconciled_pools: board.pools.len() as i64,
        stalled,
        last_pass_ms_ago: passes.min().map(|at| (board.now - at).max(0)),
        reclaim_p95_ms: slowest(&|f| Some(f.reconciler.reclaim).filter(|l| l.count > 0).map(|l| l.p95_ms))
            .map(|ms| ms.round() as i64),
        leaked: sum(&|f| f.reconciler.leaked),
        silent_network: fresh.iter().any(|figures| figures.reconciler.silent_together),
        commit_p95_us: slowest(&|f| Some(f.commit).filter(|l| l.count > 0).map(|l| l.p95_ms)).map(micros),
        commit_queue: fresh.iter().map(|figures| figures.committer_queue as i64).max(),
        disk_free: board.disk_free,
        as_of_ms: fresh.iter().map(|figures| figures.at_ms).min(),
    }
}

fn slowest(board: &Board) -> Vec<SlowSlot> {
    let row = |slow: &crate::app::live::Slow| {
        let one = board.pools.iter().find(|one| one.pool.key == slow.work.pool_id)?;
        Some(SlowSlot {
            pool: named(one),
            slot: slow.work.slot.into(),
            tenant: slow.work.tenant_id.and_then(|key| tenant_of(board, key)),
            p95_ms: slow.work.p95_ms,
            slo_ms: one.rules.policy.work_goal_ms.map(|goal| goal as f64),
            hot: slow.is_hot,
        })
    };
    board.slow.iter().filter_map(row).collect()
}

fn holders(board: &Board) -> Vec<HolderRow> {
    let row = |held: &headroom_store::slot::Holding| {
        Some(HolderRow {
            pool: pool_of(board, held.pool)?,
            tenant: tenant_of(board, held.tenant)?,
            holder: held.holder.clone(),
            slots: held.slots,
            first_slot: held.first.into(),
            since_ms: held.claimed_at,
            remaining_ms: Some(held.expires_at - board.now),
            priority: held.priority.into(),
        })
    };
    board.held.iter().filter_map(row).collect()
}

fn bulkheads(board: &Board, shell: &ShellModel) -> Vec<Bulkhead> {
    let queued: u64 = board.pools.iter().filter_map(Watched::fresh).map(|figures| figures.queued).sum();
    let active: std::collections::BTreeSet<i32> =
        board.pools.iter().filter_map(Watched::fresh).flat_map(|figures| figures.by_tenant.keys().copied()).collect();
    let is_many = board.pools.len() > 1;
    let pools = board.pools.iter().map(|one| {
        let figures = one.fresh();
        let used = figures.filter(|f| f.capacity > 0).map(|f| f.occupied as f64 / f64::from(f.capacity));
        let own_queue = figures.map_or(0, |f| f.queued);
        let is_idle = used.is_some_and(|used| used < IDLE) && own_queue == 0 && queued > 0;
        let shares = figures.map_or(0, |f| f.by_tenant.len());
        let is_shared = active.len() > 2 && shares as f64 > active.len() as f64 * SHARED;
        Bulkhead {
            name: one.pool.fields.name.clone(),
            href: Some(shell.url.link(&pool_path(one.pool.fields.slug.as_str()))),
            kind: BulkheadKind::Pool,
            pool: one.pool.fields.slug.to_string(),
            utilisation: used,
            queue: figures.map(|f| whole(f.queued)),
            latency_us: figures.filter(|f| f.claim.count > 0).map(|f| micros(f.claim.p95_ms)),
            mark: match (is_many && is_idle, is_many && is_shared) {
                (true, _) => Some(WallMark::TooMany),
                (_, true) => Some(WallMark::TooFew),
                _ => None,
            },
        }
    });
    let connections = board.connections.iter().map(|class| Bulkhead {
        name: class.name.to_owned(),
        href: None,
        kind: BulkheadKind::Connections,
        pool: String::new(),
        utilisation: (class.most > 0).then(|| f64::from(class.used) / f64::from(class.most)),
        queue: None,
        latency_us: None,
        mark: None,
    });
    pools.chain(connections).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_leads_to_a_runbook_that_is_shipped() {
        let shipped: Vec<&str> = crate::alerting::runbooks::SHIPPED.iter().map(|(slug, _)| *slug).collect();
        let unknown: Vec<_> =
            Kind::ALL.iter().filter_map(|kind| runbook_of(*kind)).filter(|slug| !shipped.contains(slug)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let named = Kind::ALL.iter().filter(|kind| kind.mode() != Mode::Other);
        assert!(named.into_iter().all(|kind| runbook_of(*kind).is_some()), "every failure mode has one");
    }
}
