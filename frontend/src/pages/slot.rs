//! One slot: who has it, until when, what happened to it, what can be done.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::live::{Listening, listen};
use crate::components::log::log_list;
use crate::components::shell::{Frame, document};
use crate::components::slot_map::{slot_path, state_mark};
use crate::components::stat::spark_line;
use crate::components::state::{button_link, empty, note};
use crate::components::value::{ago, instant, or_unknown};
use crate::live::micros;
use crate::model::{Lease, Link, ShellModel, SlotAction, SlotPageModel, Unit};
use crate::pages::act::act_path;
use crate::slotmap::SlotState;
use crate::url::{pool_path, tenant_path, with_query};

/// `/pools/{pool}/slots/{slot}`
pub fn slot(shell: &ShellModel, model: &SlotPageModel) -> AnyView {
    let row = &model.row;
    let map = with_query(&pool_path(&model.pool.slug), &[("tab", "map")]);
    let sub = view! {
        <span class="hr-dot">{state_mark(row.state)}</span>
        {row.since_ms.map(|at| view! { <span class="hr-dot">"since "{ago(shell, at)}</span> })}
        <span class="hr-dot">{format!("slot {} of {}", row.slot, format::count(model.capacity))}</span>
    };
    let frame = Frame {
        section: Some("Pools"),
        sub: Some(sub.into_any()),
        crumbs: vec![
            Link { label: "Pools".into(), href: shell.url.link("/pools") },
            Link { label: model.pool.name.clone(), href: map },
        ],
        actions: actions(shell, model),
        ..Frame::plain(format!("Slot {}", row.slot))
    };
    let content = view! {
        {listen(shell, Listening { topics: "live", pool: String::new(), refreshes: true })}
        {note(shell, &model.state)}
        <div class="hr-grid hr-grid--half">
            {facts(shell, model)}
            {lease_card(shell, model)}
        </div>
        {events(shell, model)}
        {neighbours(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn actions(shell: &ShellModel, model: &SlotPageModel) -> Vec<AnyView> {
    if !shell.operates() {
        return Vec::new();
    }
    let offered: &[SlotAction] = match model.row.state {
        SlotState::Leaked => &[SlotAction::Reclaim, SlotAction::Drain],
        SlotState::Occupied | SlotState::Hot => &[SlotAction::Drain, SlotAction::Reclaim],
        SlotState::Draining => &[SlotAction::Reclaim],
        SlotState::Free => &[SlotAction::Drain],
        SlotState::Offline => &[SlotAction::Restore],
    };
    offered
        .iter()
        .enumerate()
        .map(|(index, action)| {
            let slot = model.row.slot.to_string();
            let href = with_query(&act_path(&model.pool.slug, *action), &[("slots", &slot)]);
            let class = if index == 0 { "hr-btn hr-btn--primary" } else { "hr-btn" };
            let label = match action {
                SlotAction::Reclaim => "Preview reclaim",
                SlotAction::Restore => "Preview restore",
                _ => "Preview drain",
            };
            button_link(shell, class, "zap", label, href)
        })
        .collect()
}

fn fact(label: &'static str, value: AnyView) -> AnyView {
    view! { <div><dt>{label}</dt><dd>{value}</dd></div> }.into_any()
}

fn facts(shell: &ShellModel, model: &SlotPageModel) -> AnyView {
    let row = &model.row;
    let tenant = row.tenant.as_ref().map_or_else(
        // Whose slot it is may be nothing for the one who looks.
        || if row.state.is_used() { "not yours to see" } else { "nobody" }.into_any(),
        |tenant| view! { <a href=shell.url.link(&tenant_path(&tenant.slug))>{tenant.name.clone()}</a> }.into_any(),
    );
    let code = |text: &str, reason: &str| {
        if text.is_empty() {
            or_unknown(None, reason)
        } else {
            view! { <code class="hr-breaks">{text.to_owned()}</code> }.into_any()
        }
    };
    let claim = match &model.trace_href {
        Some(href) => view! { {code(&model.claim, "no claim holds it")}" "<a href=href.clone()>"Trace"</a> }.into_any(),
        None => code(&model.claim, "no claim holds it"),
    };
    // Two values are no course of things.
    let known = model.spark.iter().flatten().count();
    let spark = if known > 2 { spark_line(&model.spark, Unit::Number) } else { None };
    let slow = row.p95_ms.map(|ms| {
        let target = model.slo_ms.map(|slo| format!(", target {}", micros(slo * 1_000.0))).unwrap_or_default();
        format!("{}{target}", micros(ms * 1_000.0))
    });
    view! {
        <section class="hr-card" aria-labelledby="slot-facts">
            <div class="hr-card__head"><h2 id="slot-facts">"Now"</h2></div>
            <dl class="hr-facts" data-refresh="slot-facts-list" data-ticks="">
                {fact("State", state_mark(row.state))}
                {fact("Tenant", tenant)}
                {fact("Holder", code(&row.holder, "nobody holds it"))}
                {fact("Claim", claim)}
                {fact("Priority", or_unknown(model.priority.map(|priority| priority.to_string()), "nobody holds it"))}
                {fact("Fence", or_unknown(model.fence.map(format::count), "it was never claimed"))}
                {fact("Node", code(&row.node, "its node is not known"))}
                {fact("Shard", code(&model.shard, "it serves no shard"))}
                {fact("P95 of its work", view! { {or_unknown(slow, "no work was reported")}" "{spark} }.into_any())}
            </dl>
        </section>
    }
    .into_any()
}

fn lease_card(shell: &ShellModel, model: &SlotPageModel) -> AnyView {
    let body = match model.lease {
        Some(lease) => lease_line(shell, lease),
        None => empty(shell, "No lease: nobody holds this slot.", None),
    };
    view! {
        <section class="hr-card" aria-labelledby="lease-title">
            <div class="hr-card__head"><h2 id="lease-title">"Lease"</h2><span class="hr-card__sub">"claimed, renewed, ends"</span></div>
            <div data-refresh="lease" data-ticks="">{body}</div>
        </section>
    }
    .into_any()
}

/// The lease on a line from its beginning to its end, or to now if that is later.
fn lease_line(shell: &ShellModel, lease: Lease) -> AnyView {
    let end = lease.expires_ms.max(shell.now_ms);
    let span = (end - lease.claimed_ms).max(1) as f64;
    let at = |ms: i64| ((ms - lease.claimed_ms) as f64 / span).clamp(0.0, 1.0);
    let past = shell.now_ms > lease.expires_ms;
    let renewed = lease.renewed_ms.unwrap_or(lease.claimed_ms);
    let style = format!("--r:{:.4};--e:{:.4};--n:{:.4}", at(renewed), at(lease.expires_ms), at(shell.now_ms));
    let left = lease.expires_ms - shell.now_ms;
    let verdict = if past {
        format!("past its end by {}", format::duration(-left))
    } else {
        format!("{} left of {}", format::duration(left), format::duration(lease.ttl_ms))
    };
    let class = if past { "hr-lease hr-lease--past" } else { "hr-lease" };
    let level = if past { "hr-level hr-level--crit" } else { "hr-level hr-level--ok" };
    view! {
        <p class=level>{verdict.clone()}</p>
        <div class=class style=style role="img" aria-label=format!("Lease: {verdict}")>
            <span class="hr-lease__held"></span>
            <span class="hr-lease__term"></span>
            <span class="hr-lease__over"></span>
            <span class="hr-lease__now"></span>
        </div>
        <dl class="hr-facts">
            {fact("Claimed", view! { {instant(shell, lease.claimed_ms)}" · "{ago(shell, lease.claimed_ms)} }.into_any())}
            {fact("Renewed", lease.renewed_ms.map_or_else(|| "never".into_any(), |ms| view! { {instant(shell, ms)}" · "{ago(shell, ms)} }.into_any()))}
            {fact("Ends", instant(shell, lease.expires_ms))}
            {fact("One term", format::duration(lease.ttl_ms).into_any())}
        </dl>
    }
    .into_any()
}

fn events(shell: &ShellModel, model: &SlotPageModel) -> AnyView {
    let body = if model.events.is_empty() {
        view! { <p class="hr-muted">"Nothing was recorded about this slot."</p> }.into_any()
    } else {
        log_list(shell, &model.events, false, "Events of this slot")
    };
    view! {
        <section class="hr-card" aria-labelledby="slot-events">
            <div class="hr-card__head"><h2 id="slot-events">"What happened"</h2><span class="hr-card__sub">"newest first"</span></div>
            <div data-refresh="slot-log" data-ticks="">{body}</div>
        </section>
    }
    .into_any()
}

fn neighbours(shell: &ShellModel, model: &SlotPageModel) -> Option<AnyView> {
    let (before, after) = model.neighbours;
    if before.is_none() && after.is_none() {
        return None;
    }
    let link = |slot: Option<i64>, rel: &'static str, what: &'static str| {
        slot.map(|slot| {
            view! { <a class="hr-btn hr-btn--small" rel=rel href=slot_path(&model.pool.slug, slot)>{format!("{what} #{slot}")}</a> }
        })
    };
    let map = shell.url.link_with(&pool_path(&model.pool.slug), &[("tab", "map")]);
    Some(
        view! {
            <nav class="hr-pager" aria-label="Unusual slots">
                <span class="hr-pager__links">
                    {link(before, "prev", "Previous unusual slot")}
                    {link(after, "next", "Next unusual slot")}
                </span>
                <a class="hr-btn hr-btn--small" href=map>"Back to the map"</a>
            </nav>
        }
        .into_any(),
    )
}
