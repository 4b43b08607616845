//! `/debug/claims/{trace}`: the way of one claim, and of the other one where a slot was given away twice.

use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::slot::log_row;
use super::visit::{Named as InPath, Visit};
use crate::app::live::ClaimWay;
use crate::app::{App, AppError, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::Millis;
use headroom_domain::lease::EventKind;
use headroom_frontend::model::{ClaimTraceModel, FilterSet, Named, SpanRow, TraceModel};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::claim_trace::ClaimTrace;
use headroom_store::slot_event::SlotEvent;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Slots that are named in a note.
const SLOTS: usize = 12;
/// Renewals that are drawn as steps of a claim.
const STEPS: usize = 40;

/// The trace or the claim that an id names: 32 hexadecimal digits, or a claim's id with its dashes.
pub(super) fn id_of(text: &str) -> (Option<Vec<u8>>, Option<Uuid>) {
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == 32 => (Some(id.as_bytes().to_vec()), None),
        Ok(id) if text.len() == 36 => (None, Some(id)),
        _ => (None, None),
    }
}

/// GET `/debug/claims/{trace}`: by its trace, or by the claim's own id.
pub(crate) async fn claim(app: App, InPath(id): InPath, visit: Visit) -> Response {
    match claim_page(&app, &visit, &id).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn claim_page(app: &App, visit: &Visit, id: &str) -> Result<Response> {
    let (trace, claim) = id_of(id);
    let way = app.claim_way(trace, claim).await?;
    let missing = || AppError::NotFound {
        what: "claim of the last 7 days with a trace or an id",
        slug: id.chars().take(80).collect(),
        suggestion: None,
    };
    let pool = way.events.first().map(|event| event.pool_slug.clone()).ok_or_else(missing)?;
    let pool = Named { name: app.pool_name(&pool).await?, slug: pool };
    let twin = match app.rival(&way).await? {
        Some(other) => trace_of(&other.to_string(), &app.claim_way(None, Some(other)).await?, pool.clone()),
        None => None,
    };
    let trace = trace_of(id, &way, pool).ok_or_else(missing)?;
    let short: String = id.chars().take(8).collect();
    let title = format!("Claim {short}");
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::Debug),
        honoured: FilterSet::NONE,
        default_from: "now-15m",
        view: &[],
    };
    let (shell, _) = shell(app, visit, spec).await?;
    let events = way.events.iter().rev().take(100).map(log_row).collect();
    let model = ClaimTraceModel { trace, twin, events };
    Ok(page(&shell, StatusCode::OK, || pages::claim_trace(&shell, &model)))
}

/// A claim's way: its steps through the server where they were kept, then what its events say about the slots that it held.
pub(super) fn trace_of(id: &str, way: &ClaimWay, pool: Named) -> Option<TraceModel> {
    let (events, now) = (&way.events, way.now);
    let first = events.first()?;
    let grant = events.iter().find(|event| event.kind.is_grant());
    let refusal = events.iter().find(|event| event.kind == EventKind::Reject);
    let end = events.iter().rev().find(|event| event.kind.ends_lease());
    let answer = grant.or(refusal);
    let wait = |event: &SlotEvent| Millis::from(event.wait_ms.unwrap_or_default());
    // Events know milliseconds, and a wait is rounded; what was measured is better.
    let told = answer.map_or(first.at, |event| (event.at - wait(event)).min(first.at)) * 1_000;
    let asked_us = way.traces.iter().map(|trace| trace.at_us).min().unwrap_or(told);
    let after = |at: Millis| (at * 1_000 - asked_us).max(0);
    let mut spans: Vec<SpanRow> = way.traces.iter().flat_map(|trace| measured(trace, asked_us)).collect();
    let mut add = |name: &str, depth, from: Millis, to: Millis, note: String, failed| {
        let (start_us, end) = (after(from), after(to));
        spans.push(SpanRow { name: name.to_owned(), depth, start_us, duration_us: end - start_us, note, failed });
    };
    if way.traces.is_empty() {
        if let Some(queued) = events.iter().find(|event| event.kind == EventKind::Enqueue) {
            add("queue.wait", 1, queued.at, answer.map_or(now, |event| event.at), String::new(), false);
        }
        if let Some(event) = answer {
            let reason = event.reason.clone().unwrap_or_default();
            add("allocator.claim", 1, told / 1_000, event.at, reason, grant.is_none());
        }
    }
    if let Some(grant) = grant {
        let numbers = events.iter().filter(|event| event.kind.is_grant()).filter_map(|event| event.slot);
        let numbers = numbers.take(SLOTS).map(|slot| format!("#{slot}")).collect::<Vec<_>>().join(" ");
        let ended = end.map_or_else(
            || "still held".to_owned(),
            |end| [end.kind.as_str(), end.reason.as_deref().unwrap_or_default()].join(" ").trim().to_owned(),
        );
        let failed = end.is_some_and(|end| matches!(end.kind, EventKind::Expire | EventKind::Dead));
        add("slot.hold", 1, grant.at, end.map_or(now, |end| end.at), format!("{numbers} · {ended}"), failed);
        let others =
            |event: &&SlotEvent| matches!(event.kind, EventKind::Renew | EventKind::Drain | EventKind::Suspect);
        let mut known = BTreeSet::new();
        for event in events.iter().filter(others).take(STEPS) {
            if known.insert((event.at, event.kind.as_str())) {
                let name = format!("lease.{}", event.kind);
                add(&name, 2, event.at, event.at, event.reason.clone().unwrap_or_default(), false);
            }
        }
    }
    let outcome = match (grant, refusal, end) {
        (Some(_), _, Some(end)) => format!("granted, then {}", end.kind),
        (Some(_), _, None) => "granted".to_owned(),
        (None, Some(refusal), _) => {
            format!("rejected: {}", refusal.reason.as_deref().unwrap_or("no reason was kept"))
        }
        _ => "waits".to_owned(),
    };
    let answered = way.traces.iter().map(|trace| trace.at_us + trace.took_us - asked_us).max();
    let total_us = answered.unwrap_or_else(|| after(answer.map_or(now, |event| event.at))).max(1);
    Some(TraceModel {
        trace: id.to_owned(),
        pool,
        tenant: events.iter().find_map(|event| event.tenant.clone()).unwrap_or_default(),
        outcome,
        rejected: grant.is_none() && refusal.is_some(),
        at_ms: asked_us.div_euclid(1_000),
        total_us,
        spans,
        skewed: grant.is_some_and(|grant| is_skewed(grant, &way.traces)),
    })
}

/// Whether the server that measured and the database that wrote down the event disagree about when that was.
fn is_skewed(grant: &SlotEvent, traces: &[ClaimTrace]) -> bool {
    /// What the reckoning of the database's clock may be off.
    const MARGIN_US: i64 = 50_000;
    let at = grant.at * 1_000;
    traces
        .iter()
        .filter(|trace| trace.outcome == "granted")
        .any(|trace| at < trace.at_us - MARGIN_US || at > trace.at_us + trace.took_us + MARGIN_US)
}

/// The steps of one request.
fn measured(trace: &ClaimTrace, asked_us: i64) -> impl Iterator<Item = SpanRow> {
    let shift = trace.at_us - asked_us;
    trace.steps.iter().map(move |step| SpanRow {
        name: step.name.clone(),
        depth: step.depth,
        start_us: shift + step.from_us,
        duration_us: step.took_us,
        note: step.note.clone(),
        failed: step.failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_no_dashes_and_a_claim_has() {
        let id = "0198c1f2-7a31-7e02-9c11-55aa00c1d2e3";
        assert!(matches!(id_of(id), (None, Some(_))));
        assert!(matches!(id_of(&id.replace('-', "")), (Some(_), None)));
        for other in ["", "edge-07", "0198c1f2", "{0198c1f2-7a31-7e02-9c11-55aa00c1d2e3}"] {
            assert_eq!(id_of(other), (None, None));
        }
    }
}
