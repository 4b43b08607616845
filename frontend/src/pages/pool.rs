//! One pool: how full it is, who uses it, what it is meant to be, what happened to it.

use headroom_domain::format;
use leptos::prelude::*;

use super::forecast::full_in;
use crate::components::bar::{Bullet, bullet, stacked};
use crate::components::chart::chart_card;
use crate::components::definition::tip;
use crate::components::events::event_list;
use crate::components::heatmap::heatmap_card;
use crate::components::icon::{icon, state_icon};
use crate::components::live::{Listening, figure, listen, live, live_count};
use crate::components::shell::{Frame, document, scope_text};
use crate::components::slot_map::{Size, slot_map};
use crate::components::state::{Tone, button_link, panel, strip};
use crate::components::table::{Head, heads, pager, text_filter};
use crate::components::value::{
    ago, count, day_time, day_time_text, instant, level, or_unknown, peak_text, percent, unknown,
};
use crate::live::Figure;
use crate::model::{
    Level, Link, LivePolicy, PolicySource, PoolHead, PoolHistory, PoolMap, PoolMode, PoolModel, PoolPolicy, PoolTab,
    PoolTenantRow, PoolTenants, PoolTrend, QuotaRow, ReservationRow, ShellModel, SlotAction, Unit,
};
use crate::pages::act::act_path;
use crate::pages::backlog::backlog_card;
use crate::url::{pool_path, tenant_path};

/// `/pools/{pool}`
pub fn pool(shell: &ShellModel, model: &PoolModel) -> AnyView {
    let head = &model.head;
    let path = pool_path(&head.pool.slug);
    let edit = shell.plans().then(|| button_link(shell, "hr-btn", "pencil", "Edit", format!("{path}/edit")));
    let frame = Frame {
        section: Some("Pools"),
        sub: Some(about(shell, head)),
        crumbs: vec![Link { label: "Pools".into(), href: shell.url.link("/pools") }],
        actions: edit.into_iter().collect(),
        ..Frame::data(head.pool.name.clone())
    };
    let tab = match &model.tab {
        PoolTab::Trend(trend) => trend_tab(shell, trend),
        PoolTab::Map(map) => map_tab(shell, map),
        PoolTab::Tenants(tenants) => tenants_tab(shell, tenants),
        PoolTab::Policy(policy) => policy_tab(shell, head, policy),
        PoolTab::History(history) => history_tab(shell, history),
    };
    let content = view! {
        {head.archived_ms.map(|at| archived_strip(shell, "pool", &path, at))}
        {fullness(shell, head)}
        {tabs(shell, model)}
        {tab}
    };
    document(shell, frame, content.into_any())
}

/// The strip on an archived thing's page.
pub(super) fn archived_strip(shell: &ShellModel, noun: &str, path: &str, at_ms: i64) -> AnyView {
    let text = format!("This {noun} was archived on {}. Its history stays. ", day_time_text(shell, at_ms));
    let back = shell.plans().then(|| view! { <a href=format!("{path}/archive")>"Bring it back"</a> });
    let body = view! { {text}{back} };
    strip(shell, Tone::Info, body.into_any())
}

fn about(shell: &ShellModel, head: &PoolHead) -> AnyView {
    let mut parts = vec![head.kind.label().to_owned()];
    if let (Some(min), Some(max)) = (head.min, head.max) {
        parts.push(format!("{}–{} slots", format::count(min), format::count(max)));
    }
    parts.extend(head.region.as_ref().map(|region| format!("region {region}")));
    parts.push(match &head.owner {
        Some(owner) => format!("owner {owner}"),
        None => "no owner".to_owned(),
    });
    let full = head.full.as_ref().map(|full| {
        let href = shell.url.link(&format!("/forecast/{}", head.pool.slug));
        view! { <span class="hr-dot"><a href=href>"Forecast"</a>": full in "{full_in(shell, full)}</span> }
    });
    let runbook = head.runbook_url.as_ref().map(|url| {
        view! { <span class="hr-dot"><a href=url.clone() rel="noreferrer">"Runbook "{icon(shell, "external-link")}</a></span> }
    });
    view! {
        <span class="hr-dot">{parts.join(" · ")}</span>
        {full}
        {runbook}
        <br/>
        <span class="hr-muted">{scope_text(shell)}</span>
    }
    .into_any()
}

/// The bar over the tabs: how full now, the peak beside the average.
fn fullness(shell: &ShellModel, head: &PoolHead) -> AnyView {
    let status = if head.stale {
        let seen = head.as_of_ms.map(|at| ago(shell, at));
        view! {
            <span class="hr-level hr-level--unknown">{icon(shell, "clock")}"No current data, last "{seen}". Not zero: unknown."</span>
        }
        .into_any()
    } else {
        level(shell, Level::of(head.occupancy))
    };
    let number = match head.occupancy {
        Some(occupancy) => view! {
            <span class="hr-stat__num">
                {format::percent_number(occupancy)}
                <span class="hr-stat__unit">{format!("{}%", format::NNBSP)}</span>
            </span>
            <span class="hr-stat__aside">"occupied now"</span>
        }
        .into_any(),
        None => view! { <span class="hr-stat__num">{unknown("there is no current sample")}</span><span class="hr-stat__aside">"occupied now"</span> }
            .into_any(),
    };
    let mean = format!(
        "average {} {}",
        head.mean.map_or_else(|| format::UNKNOWN.to_owned(), format::percent),
        shell.filters.window()
    );
    let peak =
        head.peak.map_or_else(|| format!("peak {}", format::UNKNOWN), |peak| peak_text(shell, peak, Unit::Ratio));
    let rejected = match (head.rejected, head.claims) {
        (Some(rejected), claims) => {
            let rate = claims
                .and_then(|claims| format::per_10k(rejected, claims))
                .map(|rate| format!(" ({rate})"))
                .unwrap_or_default();
            format!("{} claims rejected{rate}", format::count(rejected))
        }
        (None, _) => "rejections not reported".to_owned(),
    };
    let capacity = match (head.capacity, head.configured) {
        (Some(capacity), Some(configured)) if head.planned_down > 0 => format!(
            "{} slots ({} configured − {} planned down)",
            format::count(capacity),
            format::count(configured),
            format::count(head.planned_down)
        ),
        (Some(capacity), _) => format!("{} slots", format::count(capacity)),
        (None, _) => "capacity unknown".to_owned(),
    };
    let fresh = head
        .as_of_ms
        .filter(|_| !head.stale)
        .map(|at| view! { <span class="hr-dot">"sampled "{ago(shell, at)}</span> });
    view! {
        <section class="hr-card hr-form__group" aria-labelledby="fullness-title">
            <div class="hr-card__head" style="margin:0">
                <h2 class="hr-vh" id="fullness-title">"Occupancy now"</h2>
                <div class="hr-stat__value">{number}<span class="hr-fullness">{status}{tip(shell, "occupancy")}</span></div>
                <p class="hr-stat__aside">
                    <span class="hr-dot">{peak}</span>
                    <span class="hr-dot">{mean}</span>
                </p>
            </div>
            {stacked(head)}
            <p class="hr-muted">
                <span class="hr-dot">{capacity}</span>
                <span class="hr-dot">{rejected}</span>
                {fresh}
            </p>
        </section>
    }
    .into_any()
}

fn tabs(shell: &ShellModel, model: &PoolModel) -> AnyView {
    let current = match model.tab {
        PoolTab::Trend(_) => "trend",
        PoolTab::Map(_) => "map",
        PoolTab::Tenants(_) => "tenants",
        PoolTab::Policy(_) => "policy",
        PoolTab::History(_) => "history",
    };
    let tenants = format::count(model.tenants_count);
    let mut entries = vec![("trend", "Trend", None)];
    if model.tracked {
        entries.push(("map", "Map", None));
    }
    entries.extend([("tenants", "Tenants", Some(tenants)), ("policy", "Policy", None), ("history", "History", None)]);
    tab_links(shell, "Pool", current, &entries)
}

/// Tabs are links: each is a page of its own. The first one is the default and needs no parameter.
pub(super) fn tab_links(
    shell: &ShellModel,
    label: &'static str,
    current: &str,
    tabs: &[(&'static str, &'static str, Option<String>)],
) -> AnyView {
    let links = tabs
        .iter()
        .enumerate()
        .map(|(index, (id, text, number))| {
            let id = if index == 0 { "" } else { *id };
            // Sorting and paging of one tab mean nothing on another.
            let href = shell
                .url
                .replace(&shell.path, &[("tab", id), ("sort", ""), ("dir", ""), ("cur", ""), ("q", ""), ("state", "")]);
            let here = (tabs[index].0 == current).then_some("page");
            let number = number.as_ref().map(|number| view! { <span class="hr-tabs__n">{number.clone()}</span> });
            view! { <a href=href aria-current=here>{*text}{number}</a> }
        })
        .collect_view();
    view! { <nav class="hr-tabs" aria-label=label>{links}</nav> }.into_any()
}

/// The live figures of the pool, what can be done, and its slots one by one.
fn map_tab(shell: &ShellModel, model: &PoolMap) -> AnyView {
    let slug = &model.map.pool.slug;
    let reason = "nothing was heard of it yet";
    let mode = match model.mode {
        PoolMode::Open => {
            view! { <span class="hr-pill hr-pill--ok">{state_icon(shell, "state-ok")}"open"</span> }.into_any()
        }
        other => {
            view! { <span class="hr-pill hr-pill--warn">{state_icon(shell, "state-maintenance")}{other.word()}</span> }
                .into_any()
        }
    };
    let p95 = live(
        "claim_p95_us",
        Some(slug),
        Figure::Micros,
        model.claim_p95_us.map(|us| us as f64),
        "no claims in the last minute",
    );
    let actions = shell.operates().then(|| {
        let links = SlotAction::ALL
            .into_iter()
            .filter(|action| {
                (*action == SlotAction::Open) == (model.mode != PoolMode::Open)
                    || !matches!(action, SlotAction::Open | SlotAction::Hold)
            })
            .map(|action| {
                view! { <a class="hr-btn" href=act_path(slug, action) title=action.effect()>{action.label()}</a> }
            })
            .collect_view();
        view! { <div class="hr-tools" role="group" aria-label="Act on this pool">{links}</div> }
    });
    view! {
        {listen(shell, Listening { topics: "live,slots", pool: slug.clone(), refreshes: true })}
        <p class="hr-figs hr-livebar">
            <span class="hr-fig">"Claims "<span data-refresh="pool-mode" data-ticks="">{mode}</span></span>
            {figure("granted/min", live_count("granted_1m", Some(slug), model.granted_1m, reason))}
            {figure("rejected/min", live_count("rejected_1m", Some(slug), model.rejected_1m, reason))}
            {figure("waiting", live_count("queued", Some(slug), model.queued, reason))}
            {figure("claim P95", p95)}
        </p>
        {actions}
        {slot_map(shell, &model.map, Size::Full, None)}
    }
    .into_any()
}

/// The rules of the pool's slots, with the values in force.
fn live_policy(shell: &ShellModel, policy: &LivePolicy) -> AnyView {
    let groups = policy
        .groups
        .iter()
        .map(|group| {
            let rows = group
                .rows
                .iter()
                .map(|row| {
                    let class = if row.source == PolicySource::Override { "hr-pill hr-pill--warn" } else { "hr-pill" };
                    view! {
                        <tr>
                            <th scope="row">{row.label.clone()}</th>
                            <td>{row.value.clone()}</td>
                            <td class="hr-rules__from"><span class=class>{row.source.word()}</span></td>
                            <td class="hr-muted hr-rules__note">{row.note.clone()}</td>
                        </tr>
                    }
                })
                .collect_view();
            view! {
                <tbody>
                    <tr class="hr-table__group"><th scope="rowgroup" colspan="4">{group.title.clone()}</th></tr>
                    {rows}
                </tbody>
            }
        })
        .collect_view();
    let changed = policy.changed.as_ref().map_or_else(
        || "never changed".into_any(),
        |(at, by)| view! { "changed "{day_time(shell, *at)}{format!(" by {by}")} }.into_any(),
    );
    view! {
        <section class="hr-card" aria-labelledby="rules-title">
            <div class="hr-card__head">
                <h2 id="rules-title">"Rules in force"</h2>
                <span class="hr-card__sub">
                    <span class="hr-dot">{format!("version {}", policy.version)}</span>
                    <span class="hr-dot">{changed}</span>
                </span>
            </div>
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="rules-title">
                <table class="hr-table hr-table--tight hr-rules">
                    <caption class="hr-vh">"Rules of this pool's slots, the value in force and where it comes from"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Rule"</th>
                            <th scope="col">"In force"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"Note"</th>
                        </tr>
                    </thead>
                    {groups}
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn trend_tab(shell: &ShellModel, trend: &PoolTrend) -> AnyView {
    let signals = trend.signals.iter().map(|signal| chart_card(shell, signal)).collect_view();
    let rejections = trend.rejections.as_ref().map(|chart| chart_card(shell, chart));
    let changes = if trend.changes.is_empty() {
        view! { <p class="hr-muted">"No deploys, swaps, scale events or configuration changes in this range."</p> }
            .into_any()
    } else {
        event_list(shell, &trend.changes)
    };
    view! {
        {chart_card(shell, &trend.occupancy)}
        <div class="hr-grid hr-grid--half">
            {rejections}
            {signals}
        </div>
        {heatmap_card(shell, &trend.heatmap)}
        <section class="hr-card" aria-labelledby="changes-title">
            <div class="hr-card__head"><h2 id="changes-title">"Changes"</h2><span class="hr-card__sub">"newest first"</span></div>
            {changes}
        </section>
        {backlog_card(shell, &trend.backlog)}
    }
    .into_any()
}

/// The columns of use by tenant (on a pool's page) or by pool (on a tenant's page).
const USE_COLUMNS: &[Head] = &[
    Head::text("used", "Used now / quota"),
    Head::number("peak", "Peak slots"),
    Head::number("quota", "Quota"),
    Head::number("fair-share", "Fair share"),
    Head::number("slot-hours", "Slot-hours"),
    Head::number("share", "Share"),
    Head::number("reserved", "Reserved"),
    Head::number("idle", "Idle slot-hours"),
    Head::number("rejected", "Rejected"),
];

fn tenants_tab(shell: &ShellModel, model: &PoolTenants) -> AnyView {
    let columns: Vec<Head> = std::iter::once(Head::text("tenant", "Tenant"))
        .chain(USE_COLUMNS.iter().map(|column| Head { id: column.id, label: column.label, number: column.number }))
        .collect();
    let body = || {
        let rows =
            model.rows.iter().map(|row| use_row(row, shell.url.link(&tenant_path(&row.subject.slug)))).collect_view();
        let caption = format!(
            "Tenants of this pool, {}. The bar is use now against quota; the mark is the fair share.",
            shell.filters.window()
        );
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{caption}</caption>
                        {heads(shell, &model.table, &columns)}
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(shell, &model.table, model.rows.len())}
            </div>
        }
        .into_any()
    };
    view! {
        <div class="hr-tools">{text_filter(shell, &model.table, "Filter tenants by name")}</div>
        {panel(shell, &model.state, body)}
    }
    .into_any()
}

/// The same columns without sorting, for lists that are short.
pub(super) fn use_table(
    shell: &ShellModel,
    subject: &'static str,
    caption: &'static str,
    rows: &[PoolTenantRow],
) -> AnyView {
    let heads = std::iter::once((subject, false))
        .chain(USE_COLUMNS.iter().map(|column| (column.label, column.number)))
        .map(|(label, number)| view! { <th scope="col" class=number.then_some("hr-num")>{label}</th> })
        .collect_view();
    let rows = rows.iter().map(|row| use_row(row, shell.url.link(&pool_path(&row.subject.slug)))).collect_view();
    view! {
        <div class="hr-scroll">
            <table class="hr-table hr-table--cards">
                <caption class="hr-vh">{caption}</caption>
                <thead><tr>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn use_row(row: &PoolTenantRow, href: String) -> AnyView {
    let quota = row.quota.filter(|quota| *quota > 0).map(|quota| quota as f64);
    let of_quota = |slots: f64| quota.map(|quota| slots / quota);
    let used = row.used.map(|used| used as f64);
    let measure = Bullet {
        value: used.and_then(of_quota),
        peak: row.peak_used.map(|peak| peak as f64).and_then(of_quota),
        mark: row.fair_share.and_then(of_quota),
        stale: false,
    };
    let spoken = measure.value.map_or_else(String::new, |ratio| format!("{} of quota", format::percent(ratio)));
    let cell = if quota.is_some() {
        view! {
            <span class="hr-barline">
                {bullet(&format!("Quota use of {}", row.subject.name), measure, &spoken)}
                <span class="hr-num">{count(row.used, "there is no current sample")}</span>
            </span>
        }
        .into_any()
    } else {
        view! { <span class="hr-num">{count(row.used, "there is no current sample")}<span class="hr-muted">" no quota"</span></span> }.into_any()
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=href>{row.subject.name.clone()}</a></th>
            <td class="hr-wide-cell">{cell}</td>
            <td class="hr-num" data-label="Peak slots">{count(row.peak_used, "no samples in this window")}</td>
            <td class="hr-num" data-label="Quota">{count(row.quota, "it has no quota")}</td>
            <td class="hr-num" data-label="Fair share">{or_unknown(row.fair_share.map(|slots| format::decimal(slots, 0)), "it cannot be computed without use or quota")}</td>
            <td class="hr-num" data-label="Slot-hours">{format::slot_hours(row.occupied_slot_ms)}</td>
            <td class="hr-num" data-label="Share">{percent(row.share, "nothing was used")}</td>
            <td class="hr-num" data-label="Reserved">{count(row.reserved, "it has no reservation")}</td>
            <td class="hr-num" data-label="Idle slot-hours">{or_unknown(row.reserved_idle_slot_ms.map(format::slot_hours), "it has no reservation")}</td>
            <td class="hr-num" data-label="Rejected">{count(row.rejected, "its source does not report claims")}</td>
        </tr>
    }
    .into_any()
}

fn fact(label: &'static str, value: AnyView) -> AnyView {
    view! { <div><dt>{label}</dt><dd>{value}</dd></div> }.into_any()
}

fn policy_tab(shell: &ShellModel, head: &PoolHead, policy: &PoolPolicy) -> AnyView {
    let properties = policy.properties;
    let labels = if policy.labels.is_empty() {
        "none".into_any()
    } else {
        let tags = policy
            .labels
            .iter()
            .map(|(key, value)| view! { <li class="hr-pill">{format!("{key}={value}")}</li> })
            .collect_view();
        view! { <ul class="hr-tags">{tags}</ul> }.into_any()
    };
    let services = if policy.services.is_empty() {
        "none declared".into_any()
    } else {
        let items = policy
            .services
            .iter()
            .map(|service| {
                let endpoint =
                    (!service.endpoint.is_empty()).then(|| view! { " "<code>{service.endpoint.clone()}</code> });
                let facing = if service.customer_facing { " customer-facing" } else { " internal" };
                view! { <li>{service.service.clone()}{endpoint}<span class="hr-muted">{facing}</span></li> }
            })
            .collect_view();
        view! { <ul class="hr-form__group" style="gap:4px">{items}</ul> }.into_any()
    };
    let bounds = match (head.min, head.max) {
        (None, None) => "none".to_owned(),
        (min, max) => format!(
            "{} to {} slots",
            min.map_or_else(|| "0".to_owned(), format::count),
            max.map_or_else(|| "unbounded".to_owned(), format::count)
        ),
    };
    let cost = policy.unit_cost.as_ref().map_or_else(
        || "not set".to_owned(),
        |cost| {
            let price = format::price(cost.micros, &cost.currency);
            let spent = policy
                .cost_in_window
                .as_ref()
                .map(|money| format!("; {} {}", format::money(money.minor, &money.currency), shell.filters.window()))
                .unwrap_or_default();
            format!("{price} per slot-hour{spent}")
        },
    );
    let feed = policy.feed_period_ms.map_or_else(
        || "imported history, nothing is expected to arrive".to_owned(),
        |period| format!("a sample every {}", format::duration(period)),
    );
    let facts = view! {
        <dl class="hr-facts">
            {(!head.description.is_empty()).then(|| fact("What it is for", head.description.clone().into_any()))}
            {fact("Kind", head.kind.label().into_any())}
            {fact("Bounds", bounds.into_any())}
            {fact("Size", properties.sizing.label().into_any())}
            {fact("Slots are", properties.granting.label().into_any())}
            {fact("Held", properties.lifetime.label().into_any())}
            {fact("Consistency", properties.consistency.label().into_any())}
            {fact("On loss", properties.on_loss.label().into_any())}
            {policy.shows_money.then(|| fact("Unit cost", cost.into_any()))}
            {fact("Feed", feed.into_any())}
            {fact("Billing zone", policy.zone.clone().into_any())}
            {fact("Services", services)}
            {fact("Labels", labels)}
        </dl>
    };
    let edit = shell.plans().then(|| {
        view! { <a class="hr-btn hr-btn--small" href=format!("{}/edit", pool_path(&head.pool.slug))>"Edit"</a> }
    });
    let rules = policy.live.as_ref().map(|policy| live_policy(shell, policy));
    view! {
        {rules}
        <div class="hr-grid hr-grid--half">
            <section class="hr-card" aria-labelledby="properties-title">
                <div class="hr-card__head">
                    <h2 id="properties-title">"Properties"</h2>
                    {edit}
                </div>
                {facts}
            </section>
            {capacity_history(shell, policy)}
        </div>
        <div class="hr-grid hr-grid--half">
            {quota_card(shell, "Tenant", &policy.quotas)}
            {reservation_card(shell, "Tenant", &policy.reservations)}
        </div>
    }
    .into_any()
}

fn capacity_history(shell: &ShellModel, policy: &PoolPolicy) -> AnyView {
    let rows = policy
        .capacity_history
        .iter()
        .map(|row| {
            let note = match (&row.note, &row.actor) {
                (Some(note), Some(actor)) => format!("{note} ({actor})"),
                (Some(note), None) => note.clone(),
                (None, Some(actor)) => actor.clone(),
                (None, None) => String::new(),
            };
            let planned =
                (row.from_ms > shell.now_ms).then(|| view! { " "<span class="hr-pill hr-pill--info">"planned"</span> });
            view! {
                <tr>
                    <th scope="row">{instant(shell, row.from_ms)}{planned}</th>
                    <td class="hr-num">{format::count(row.configured)}</td>
                    <td class="hr-num">{format::count(row.planned_down)}</td>
                    <td>{note}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="capacity-title">
            <div class="hr-card__head"><h2 id="capacity-title">"Capacity over time"</h2><span class="hr-card__sub">"newest first"</span></div>
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="capacity-title">
                <table class="hr-table hr-table--plain">
                    <thead>
                        <tr>
                            <th scope="col">{format!("From ({})", shell.zone.name())}</th>
                            <th scope="col" class="hr-num">"Configured"</th>
                            <th scope="col" class="hr-num">"Planned down"</th>
                            <th scope="col">"Why"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

/// Quotas in force.
pub(super) fn quota_card(shell: &ShellModel, subject: &'static str, quotas: &[QuotaRow]) -> AnyView {
    let body = if quotas.is_empty() {
        view! { <p class="hr-muted">"No quotas: nothing limits a single tenant."</p> }.into_any()
    } else {
        let rows = quotas
            .iter()
            .map(|row| {
                view! {
                    <tr>
                        <th scope="row">{subject_link(shell, subject, &row.subject)}</th>
                        <td class="hr-num">{format::count(row.slots)}</td>
                        <td>{instant(shell, row.from_ms)}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="quotas-title">
                <table class="hr-table hr-table--plain">
                    <thead><tr><th scope="col">{subject}</th><th scope="col" class="hr-num">"Most slots"</th><th scope="col">"Since"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="quotas-title">
            <div class="hr-card__head"><h2 id="quotas-title">"Quotas"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

/// Reservations now and ahead.
pub(super) fn reservation_card(shell: &ShellModel, subject: &'static str, reservations: &[ReservationRow]) -> AnyView {
    let body = if reservations.is_empty() {
        view! { <p class="hr-muted">"No reservations now or ahead."</p> }.into_any()
    } else {
        let rows = reservations
            .iter()
            .map(|row| {
                let until = row.to_ms.map_or_else(|| "open".into_any(), |to| instant(shell, to));
                view! {
                    <tr>
                        <th scope="row">{subject_link(shell, subject, &row.subject)}</th>
                        <td class="hr-num">{format::count(row.baseline)}</td>
                        <td class="hr-num">{or_unknown(row.ceiling.map(format::count), "it has no ceiling")}</td>
                        <td>{instant(shell, row.from_ms)}</td>
                        <td>{until}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="reservations-title">
                <table class="hr-table hr-table--plain">
                    <thead>
                        <tr>
                            <th scope="col">{subject}</th>
                            <th scope="col" class="hr-num">"Guaranteed"</th>
                            <th scope="col" class="hr-num">"Ceiling"</th>
                            <th scope="col">"From"</th>
                            <th scope="col">"To"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="reservations-title">
            <div class="hr-card__head"><h2 id="reservations-title">"Reservations"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

fn subject_link(shell: &ShellModel, subject: &str, named: &crate::model::Named) -> AnyView {
    let path = if subject == "Tenant" { tenant_path(&named.slug) } else { pool_path(&named.slug) };
    view! { <a href=shell.url.link(&path)>{named.name.clone()}</a> }.into_any()
}

fn history_tab(shell: &ShellModel, history: &PoolHistory) -> AnyView {
    let body = || {
        view! {
            <div class="hr-card">
                {event_list(shell, &history.events)}
            </div>
            {pager(shell, &history.table, history.events.len())}
        }
        .into_any()
    };
    view! {
        <div class="hr-tools">{text_filter(shell, &history.table, "Filter the history")}</div>
        {panel(shell, &history.state, body)}
    }
    .into_any()
}
