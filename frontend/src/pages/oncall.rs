//! The on-call board: what is broken, how bad, what to do. Findings first, vital signs second, the map third.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::bar::{Bullet, bullet};
use crate::components::hits::hits;
use crate::components::icon::{icon, state_icon};
use crate::components::live::{Listening, figure, listen, live, live_count};
use crate::components::shell::{Frame, document, scope_text};
use crate::components::slot_map::{Size, slot_map, slot_path};
use crate::components::stat::spark_line;
use crate::components::state::{empty, note, panel};
use crate::components::table::carry;
use crate::components::value::{ago, as_of_text, or_unknown, unknown};
use crate::live::{Figure, micros};
use crate::model::{
    Bulkhead, BulkheadKind, Finding, HolderRow, Level, Link, OnCallModel, PanelState, Severity, ShellModel, SlowSlot,
    Unit, Vitals, WallMark,
};
use crate::url::{pool_path, tenant_path};

/// Seconds after which the page is loaded again where no script keeps it current.
const RELOAD_S: u32 = 20;

/// `/oncall`
pub fn oncall(shell: &ShellModel, model: &OnCallModel) -> AnyView {
    let again = shell.url.replace(&shell.path, &[]);
    let sub = view! {
        <span class="hr-dot" data-refresh="counts" data-ticks="">{counts(model)}</span>
        <span class="hr-dot">{scope_text(shell)}</span>
        <span class="hr-dot hr-without-js" data-ticks="">
            {format!("reloads every {RELOAD_S}\u{202F}s, ")}<a href=again>"refresh now"</a>
        </span>
    };
    let frame = Frame { sub: Some(sub.into_any()), reload_s: Some(RELOAD_S), ..Frame::data("On-call") };
    let map = match &model.map {
        Some(map) => slot_map(shell, map, Size::Beside, pool_choice(shell, model)),
        None => {
            let action = Link { label: "All pools".into(), href: shell.url.link("/pools") };
            let text = "No pool is tracked yet: the slots of metered pools live elsewhere.";
            view! { <section class="hr-card" aria-label="Slot map">{empty(shell, text, Some(&action))}</section> }
                .into_any()
        }
    };
    let topics = if model.map.is_some() { "live,slots,alerts" } else { "live,alerts" };
    let pool = model.map.as_ref().map(|map| map.pool.slug.clone()).unwrap_or_default();
    let content = view! {
        {listen(shell, Listening { topics, pool, refreshes: true })}
        {alert_nav(shell, "/oncall")}
        {super::alerts::board(shell, &model.alerts)}
        {findings(shell, model)}
        {vitals(shell, &model.vitals)}
        <div class="hr-grid hr-grid--side">
            {map}
            {slowest(&model.slowest)}
        </div>
        {holders(shell, &model.holders)}
        {bulkheads(shell, &model.bulkheads)}
    };
    document(shell, frame, content.into_any())
}

/// `2 critical, 1 warning`
fn counts(model: &OnCallModel) -> String {
    let of = |severity| model.findings.iter().filter(|finding| finding.severity == severity).count();
    let parts: Vec<String> =
        [(Severity::Critical, "critical"), (Severity::Warning, "warning"), (Severity::Info, "note")]
            .into_iter()
            .map(|(severity, word)| (of(severity), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
    let silenced = model.alerts.silenced;
    let open = model.alerts.counts[0] - silenced;
    if open > 0 || silenced > 0 {
        let alerts = if open == 1 { "1 alert open".to_owned() } else { format!("{open} alerts open") };
        let hidden = (silenced > 0).then(|| format!("{silenced} silenced"));
        return std::iter::once(alerts).chain(hidden).chain(parts).collect::<Vec<_>>().join(", ");
    }
    match (parts.is_empty(), &model.findings_state) {
        (false, _) => parts.join(", "),
        (true, PanelState::Ready) if !model.alerts.is_behind => "Nothing needs attention".to_owned(),
        // Where nobody looked, or not everywhere, nothing is no good news.
        (true, _) => "It is not known what needs attention".to_owned(),
    }
}

fn findings(shell: &ShellModel, model: &OnCallModel) -> AnyView {
    let pools = if model.pools_watched == 1 {
        "1 pool watched".to_owned()
    } else {
        format!("{} pools watched", format::count(model.pools_watched))
    };
    let body = || {
        if model.findings.is_empty() && model.findings_state != PanelState::Ready {
            return view! {
                <p class="hr-calm">
                    <span class="hr-level hr-level--unknown">
                        {state_icon(shell, "state-unknown")}"It is not known whether there are findings."
                    </span>
                </p>
            }
            .into_any();
        }
        if model.findings.is_empty() {
            return view! {
                <p class="hr-calm">
                    <span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}"No findings now."</span>
                    " "<a href="/overview">"Overview"</a>
                </p>
            }
            .into_any();
        }
        let items = model.findings.iter().map(|finding| finding_row(shell, finding)).collect_view();
        view! { <ul class="hr-findings__list">{items}</ul> }.into_any()
    };
    view! {
        <section class="hr-card hr-card--flush hr-findings" aria-labelledby="findings-title" id="findings">
            <div class="hr-card__head">
                <h2 id="findings-title">"Findings"</h2>
                <span class="hr-card__sub">{pools}</span>
            </div>
            {panel(shell, &model.findings_state, body)}
        </section>
    }
    .into_any()
}

fn severity_pill(shell: &ShellModel, severity: Severity) -> AnyView {
    let (class, shape) = match severity {
        Severity::Critical => ("hr-pill hr-pill--crit", "state-crit"),
        Severity::Warning => ("hr-pill hr-pill--warn", "state-warn"),
        Severity::Info => ("hr-pill hr-pill--info", "state-info"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{severity.word()}</span> }.into_any()
}

fn finding_row(shell: &ShellModel, finding: &Finding) -> AnyView {
    let class = match finding.severity {
        Severity::Critical => "hr-finding hr-finding--crit",
        Severity::Warning => "hr-finding hr-finding--warn",
        Severity::Info => "hr-finding",
    };
    let heading = format!("finding-{}", finding.id);
    let mode = [finding.mode.id(), finding.mode.name()].join(" ").trim().to_owned();
    let pool = finding.pool.as_ref().map(|pool| {
        view! { <span class="hr-dot"><a href=shell.url.link(&pool_path(&pool.slug))>{pool.name.clone()}</a></span> }
    });
    let tenants = hits(shell, &finding.tenants, finding.tenants_total);
    let facts = finding.facts.iter().map(|fact| view! { <span class="hr-dot">{fact.clone()}</span> }).collect_view();
    let actions = finding
        .actions
        .iter()
        .map(|action| {
            let class = if action.first { "hr-btn hr-btn--primary" } else { "hr-btn" };
            let name = format!("{}: {}", action.link.label, finding.sentence);
            view! { <a class=class href=action.link.href.clone() aria-label=name>{action.link.label.clone()}</a> }
        })
        .collect_view();
    let runbook = finding.runbook.as_ref().map(|path| {
        let name = format!("Runbook: {}", finding.sentence);
        view! { <a class="hr-btn" href=path.clone() aria-label=name>"Runbook"</a> }
    });
    let of_pool = finding.pool_runbook.as_ref().map(|url| {
        let name = format!("Runbook of the pool: {}", finding.sentence);
        view! { <a class="hr-btn" href=url.clone() rel="noreferrer" aria-label=name>"Pool’s runbook"{icon(shell, "external-link")}</a> }
    });
    view! {
        <li>
            <article class=class aria-labelledby=heading.clone() data-finding=finding.id.clone()>
                <p class="hr-finding__mark">{severity_pill(shell, finding.severity)}</p>
                <div class="hr-finding__what">
                    <h3 id=heading.clone()>{finding.sentence.clone()}</h3>
                    <p class="hr-finding__facts"><span class="hr-dot">{mode}</span>{pool}{tenants}{facts}</p>
                </div>
                <p class="hr-finding__since">{ago(shell, finding.since_ms)}</p>
                <div class="hr-finding__acts">{actions}{runbook}{of_pool}</div>
            </article>
        </li>
    }
    .into_any()
}

/// A card of figures: title, the number, what it means, the rest.
fn vital(
    id: &'static str,
    title: &'static str,
    href: String,
    number: AnyView,
    judged: AnyView,
    rest: AnyView,
) -> AnyView {
    view! {
        <article class="hr-card hr-stat hr-vital" id=id>
            <div class="hr-stat__head"><h2><a href=href>{title}</a></h2></div>
            <div class="hr-stat__value">{number}</div>
            // What the number means is the server's to say; it comes again with the page.
            <div class="hr-stat__delta" data-refresh=format!("{id}-judged") data-ticks="">{judged}</div>
            <div class="hr-stat__foot">{rest}</div>
        </article>
    }
    .into_any()
}

fn number(content: AnyView) -> AnyView {
    view! { <span class="hr-stat__num">{content}</span> }.into_any()
}

fn verdict(shell: &ShellModel, level: Option<bool>, text: String) -> AnyView {
    let (class, shape) = match level {
        Some(true) => ("hr-level hr-level--ok", "state-ok"),
        Some(false) => ("hr-level hr-level--crit", "state-crit"),
        None => ("hr-level hr-level--unknown", "state-unknown"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{text}</span> }.into_any()
}

fn vitals(shell: &ShellModel, vitals: &Vitals) -> AnyView {
    let as_of = vitals.as_of_ms.map_or_else(|| "nothing heard yet".to_owned(), |at| as_of_text(shell, at));
    view! {
        <div class="hr-cards hr-vitals">
            {occupied_card(shell, vitals, &as_of)}
            {failures_card(shell, vitals, &as_of)}
            {latency_card(shell, vitals)}
            {reconciler_card(shell, vitals)}
        </div>
    }
    .into_any()
}

fn occupied_card(shell: &ShellModel, vitals: &Vitals, as_of: &str) -> AnyView {
    let occupancy = vitals
        .occupied
        .zip(vitals.capacity)
        .filter(|(_, capacity)| *capacity > 0)
        .map(|(occupied, capacity)| occupied as f64 / capacity as f64);
    let value = view! {
        {number(live_count("occupied", None, vitals.occupied, "no pool is tracked"))}
        <span class="hr-stat__aside">"free "{live_count("free", None, vitals.free, "no pool is tracked")}</span>
    };
    let level = crate::components::value::level(shell, Level::of(occupancy));
    let rest = view! {
        <span class="hr-figs">
            {figure("in use", live("occupancy", None, Figure::Percent, occupancy, "no pool is tracked"))}
            {figure("slots", live_count("capacity", None, vitals.capacity, "no pool is tracked"))}
            <span class="hr-fig">{as_of.to_owned()}</span>
        </span>
    };
    vital("vital-occupied", "Occupied / free", shell.url.link("/pools"), value.into_any(), level, rest.into_any())
}

fn failures_card(shell: &ShellModel, vitals: &Vitals, as_of: &str) -> AnyView {
    let judged = match vitals.rejected_1m {
        Some(0) => verdict(shell, Some(true), "every claim served".into()),
        Some(rejected) => {
            let claims = rejected + vitals.granted_1m.unwrap_or_default();
            let rate = format::per_10k(rejected, claims).unwrap_or_default();
            verdict(shell, Some(false), rate)
        }
        None => verdict(shell, None, "unknown".into()),
    };
    let rest = view! {
        <span class="hr-figs">
            {figure("waiting", live_count("queued", None, vitals.queued, "no pool is tracked"))}
            {figure("granted", live_count("granted_1m", None, vitals.granted_1m, "no pool is tracked"))}
            <span class="hr-fig">{as_of.to_owned()}</span>
        </span>
        {spark_line(&vitals.rejected_spark, Unit::Count)}
    };
    let value = view! {
        {number(live_count("rejected_1m", None, vitals.rejected_1m, "no pool is tracked"))}
        <span class="hr-stat__aside">"in the last minute"</span>
    };
    vital(
        "vital-failures",
        "Allocation failures",
        shell.url.link_with("/debug", &[("kind", "reject")]),
        value.into_any(),
        judged,
        rest.into_any(),
    )
}

fn latency_card(shell: &ShellModel, vitals: &Vitals) -> AnyView {
    let limit = micros(vitals.claim_limit_us as f64);
    let judged = match vitals.claim_p95_us {
        Some(p95) if p95 <= vitals.claim_limit_us => verdict(shell, Some(true), format!("below {limit}")),
        Some(_) => verdict(shell, Some(false), format!("above {limit}")),
        None => verdict(shell, None, "no claims in the last minute".into()),
    };
    let waits: Vec<String> = vitals
        .wait_p99_ms
        .iter()
        .take(3)
        .map(|(priority, ms)| format!("p{priority} {}", format::duration(*ms)))
        .collect();
    let waits = if waits.is_empty() { "nobody waited".to_owned() } else { format!("wait P99: {}", waits.join(", ")) };
    let p95 = live(
        "claim_p95_us",
        None,
        Figure::Micros,
        vitals.claim_p95_us.map(|us| us as f64),
        "no claims in the last minute",
    );
    let p99 = live(
        "claim_p99_us",
        None,
        Figure::Micros,
        vitals.claim_p99_us.map(|us| us as f64),
        "no claims in the last minute",
    );
    let value = view! {
        {number(p95)}
        <span class="hr-stat__aside">"P99 "{p99}</span>
    };
    let rest = view! { <span data-refresh="vital-waits" data-ticks="">{waits}</span>{spark_line(&vitals.claim_spark, Unit::Number)} };
    vital("vital-latency", "Claim latency P95", shell.url.link("/debug"), value.into_any(), judged, rest.into_any())
}

fn reconciler_card(shell: &ShellModel, vitals: &Vitals) -> AnyView {
    let judged = if vitals.silent_network {
        verdict(shell, Some(false), "most holders silent: not reclaiming".into())
    } else if vitals.stalled > 0 {
        verdict(shell, Some(false), format!("{} of {} stalled", vitals.stalled, vitals.reconciled_pools))
    } else if vitals.last_pass_ms_ago.is_some() {
        verdict(shell, Some(true), format!("{} pools reconciled", vitals.reconciled_pools))
    } else {
        verdict(shell, None, "no pass yet".into())
    };
    let pass = live(
        "reconciler.last_pass_ms_ago",
        None,
        Figure::Millis,
        vitals.last_pass_ms_ago.map(|ms| ms as f64),
        "there was no pass yet",
    );
    let value = view! {
        {number(live_count("reconciler.leaked", None, vitals.leaked, "no pool is tracked"))}
        <span class="hr-stat__aside">"leaked · since the last pass "{pass}</span>
    };
    let reclaim = live(
        "reconciler.reclaim_p95_ms",
        None,
        Figure::Millis,
        vitals.reclaim_p95_ms.map(|ms| ms as f64),
        "nothing was reclaimed",
    );
    let commit = live(
        "store.commit_p95_us",
        None,
        Figure::Micros,
        vitals.commit_p95_us.map(|us| us as f64),
        "nothing was committed",
    );
    let queue = live_count("store.queue", None, vitals.commit_queue, "nothing was committed");
    // A database elsewhere does not say how much room it has.
    let disk = vitals
        .disk_free
        .map(|free| figure("disk free", live("store.disk_free", None, Figure::Percent, Some(free), "")));
    let rest = view! {
        <span class="hr-figs">
            {figure("reclaim P95", reclaim)}
            {figure("commit P95", commit)}
            {figure("queue", queue)}
            {disk}
        </span>
    };
    let href = shell.url.link_with("/debug", &[("kind", "reconcile")]);
    vital("vital-reconciler", "Reconciler and store", href, value.into_any(), judged, rest.into_any())
}

/// Another pool's map: a form, so that it works without scripts.
fn pool_choice(shell: &ShellModel, model: &OnCallModel) -> Option<AnyView> {
    if model.map_pools.len() < 2 {
        return None;
    }
    let current = model.map.as_ref().map(|map| map.pool.slug.clone()).unwrap_or_default();
    let options = model
        .map_pools
        .iter()
        .map(
            |pool| view! { <option value=pool.slug.clone() selected=pool.slug == current>{pool.name.clone()}</option> },
        )
        .collect_view();
    Some(
        view! {
            <form class="hr-slots__choice" method="get" action=format!("{}#slots", shell.path)>
                {carry(shell, &["map", "state", "sel"])}
                <select class="hr-input" name="map" aria-label="Pool of the map">{options}</select>
                <button class="hr-btn" type="submit">"Show"</button>
            </form>
        }
        .into_any(),
    )
}

fn slowest(slots: &[SlowSlot]) -> AnyView {
    let body = if slots.is_empty() {
        view! { <p class="hr-muted">"No work was reported in the last 5 minutes."</p> }.into_any()
    } else {
        let worst = slots.iter().map(|slot| slot.p95_ms).fold(0.0_f64, f64::max);
        let rows = slots.iter().map(|slot| slow_row(slot, worst)).collect_view();
        view! {
            <table class="hr-table hr-table--plain hr-slow">
                <caption class="hr-vh">"Slots with the slowest work: P95 over 5 minutes. The line is the pool's target."</caption>
                <thead><tr><th scope="col">"Slot"</th><th scope="col">"P95 against target"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="slowest-title">
            <div class="hr-card__head"><h2 id="slowest-title">"Slowest slots"</h2><span class="hr-card__sub">"P95, last 5 min"</span></div>
            <div class="hr-keeps hr-keeps--side" data-refresh="slowest" data-ticks="">{body}</div>
        </section>
    }
    .into_any()
}

fn slow_row(slot: &SlowSlot, worst: f64) -> AnyView {
    // The target is the whole of the bar, and what is slower goes beyond; without a target the slowest is.
    let whole = slot.slo_ms.unwrap_or(worst).max(f64::MIN_POSITIVE);
    let text = micros(slot.p95_ms * 1_000.0);
    let spoken = match slot.slo_ms {
        Some(slo) => format!("{text}, target {}", micros(slo * 1_000.0)),
        None => format!("{text}, no target"),
    };
    let measure = Bullet { value: Some(slot.p95_ms / whole), ..Bullet::default() };
    let tenant = slot.tenant.as_ref().map(|tenant| tenant.name.clone()).unwrap_or_default();
    let hot = slot.hot.then(|| view! { " "<span class="hr-pill hr-pill--warn">"hot"</span> });
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <a href=slot_path(&slot.pool.slug, slot.slot)>{format!("#{}", slot.slot)}</a>
                {hot}
                <small>{[slot.pool.name.clone(), tenant].join(" · ").trim_end_matches(" · ").to_owned()}</small>
            </th>
            <td>
                <span class="hr-barline">
                    {bullet(&format!("P95 of slot {} of {}", slot.slot, slot.pool.name), measure, &spoken)}
                    <span class="hr-num">{text}</span>
                </span>
            </td>
        </tr>
    }
    .into_any()
}

fn holders(shell: &ShellModel, rows: &[HolderRow]) -> AnyView {
    let body = if rows.is_empty() {
        view! { <p class="hr-muted">"Nobody holds a slot."</p> }.into_any()
    } else {
        let rows = rows.iter().map(|row| holder_row(shell, row)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="holders-title">
                <table class="hr-table hr-table--tight hr-table--cards">
                    <caption class="hr-vh">"Claims that are held, longest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Tenant"</th>
                            <th scope="col">"Holder"</th>
                            <th scope="col">"Pool"</th>
                            <th scope="col" class="hr-num">"Slots"</th>
                            <th scope="col">"Since"</th>
                            <th scope="col" class="hr-num">"Lease left"</th>
                            <th scope="col" class="hr-num">"Priority"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="holders-title">
            <div class="hr-card__head"><h2 id="holders-title">"Who holds what"</h2><span class="hr-card__sub">"held longest first"</span></div>
            <div class="hr-keeps" data-refresh="holders" data-ticks="">{body}</div>
        </section>
    }
    .into_any()
}

fn holder_row(shell: &ShellModel, row: &HolderRow) -> AnyView {
    let left = match row.remaining_ms {
        None => "no end".into_any(),
        Some(ms) if ms < 0 => {
            view! { <span class="hr-level hr-level--crit">{format!("past by {}", format::duration(-ms))}</span> }
                .into_any()
        }
        Some(ms) => format::duration(ms).into_any(),
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=shell.url.link(&tenant_path(&row.tenant.slug))>{row.tenant.name.clone()}</a></th>
            <td class="hr-row-cell" data-label="Holder"><code>{row.holder.clone()}</code></td>
            <td class="hr-row-cell" data-label="Pool"><a href=shell.url.link_with(&pool_path(&row.pool.slug), &[("tab", "map")])>{row.pool.name.clone()}</a></td>
            <td class="hr-num" data-label="Slots"><a href=slot_path(&row.pool.slug, row.first_slot)>{format::count(row.slots)}</a></td>
            <td data-label="Since">{ago(shell, row.since_ms)}</td>
            <td class="hr-num" data-label="Lease left">{left}</td>
            <td class="hr-num" data-label="Priority">{row.priority}</td>
        </tr>
    }
    .into_any()
}

fn bulkheads(shell: &ShellModel, rows: &[Bulkhead]) -> AnyView {
    let marked = rows.iter().any(|row| row.mark.is_some());
    let body = if rows.is_empty() {
        let state = PanelState::Partial { text: "The server does not report its compartments yet.".into() };
        view! { {note(shell, &state)} }.into_any()
    } else {
        let rows = rows.iter().map(|row| bulkhead_row(shell, row)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="walls-title">
                <table class="hr-table hr-table--tight hr-table--cards">
                    <caption class="hr-vh">"Compartments of the service: how full, how many wait, how long it takes to get in"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Compartment"</th>
                            <th scope="col">"In use"</th>
                            <th scope="col" class="hr-num">"Waiting"</th>
                            <th scope="col" class="hr-num">"P95 to get in"</th>
                            <th scope="col">"Walls"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let sub = if marked { "some walls stand in the wrong place" } else { "what fails behind a wall stays there" };
    view! {
        <section class="hr-card" aria-labelledby="walls-title">
            <div class="hr-card__head"><h2 id="walls-title">"Bulkheads"</h2><span class="hr-card__sub">{sub}</span></div>
            <div class="hr-keeps" data-refresh="walls" data-ticks="">{body}</div>
        </section>
    }
    .into_any()
}

fn bulkhead_row(shell: &ShellModel, row: &Bulkhead) -> AnyView {
    let name = match &row.href {
        Some(href) => view! { <a href=href.clone()>{row.name.clone()}</a> }.into_any(),
        None => row.name.clone().into_any(),
    };
    let kind = match row.kind {
        BulkheadKind::Pool => "pool",
        BulkheadKind::Connections => "connections",
    };
    let used = row.utilisation.map_or_else(|| format::UNKNOWN.to_owned(), format::percent);
    let measure = Bullet { value: row.utilisation, ..Bullet::default() };
    let wall = match row.mark {
        Some(mark) => {
            let shape = if mark == WallMark::TooFew { "state-crit" } else { "state-warn" };
            let class = if mark == WallMark::TooFew { "hr-level hr-level--crit" } else { "hr-level hr-level--warn" };
            view! { <span class=format!("{class} hr-wraps")>{state_icon(shell, shape)}{mark.words()}</span> }.into_any()
        }
        None if row.utilisation.is_none() => unknown("it reports nothing"),
        None => {
            view! { <span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}"stand well"</span> }.into_any()
        }
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><span>{name}" "<span class="hr-muted">{kind}</span></span></th>
            <td class="hr-wide-cell">
                <span class="hr-barline">
                    {bullet(&format!("Use of {}", row.name), measure, &used)}
                    <span class="hr-num">{used.clone()}</span>
                </span>
            </td>
            <td class="hr-num" data-label="Waiting">{or_unknown(row.queue.map(format::count), "it does not say")}</td>
            <td class="hr-num" data-label="P95 to get in">{or_unknown(row.latency_us.map(|us| micros(us as f64)), "nobody got in")}</td>
            <td class="hr-wide-cell">{wall}</td>
        </tr>
    }
    .into_any()
}
