//! The executive overview: do we have enough, are customers hurt, who uses it.

use headroom_domain::format;
use leptos::prelude::*;

use super::forecast::full_in;
use crate::components::bar::{Bullet, bullet};
use crate::components::chart::chart_card;
use crate::components::heatmap::heatmap_card;
use crate::components::icon::state_icon;
use crate::components::live::{Listening, figure, listen, live_count};
use crate::components::shell::{Frame, document, scope_text};
use crate::components::stat::stat_card;
use crate::components::state::{Tone, note, panel, strip};
use crate::components::table::csv;
use crate::components::value::{or_unknown, percent};
use crate::model::{NowBar, OverviewModel, PanelState, ShellModel, StandingModel, TopTenant};
use crate::url::{pool_path, tenant_path, with_query};

/// `/overview`
pub fn overview(shell: &ShellModel, model: &OverviewModel) -> AnyView {
    let frame = Frame { sub: Some(scope_text(shell).into_any()), ..Frame::data("Executive overview") };
    let cards = model.cards.iter().map(|card| stat_card(shell, card)).collect_view();
    let content = view! {
        {note(shell, &model.completeness)}
        {first_step(shell, &model.completeness)}
        {over_capacity(shell, model)}
        {model.now.as_ref().map(|now| now_bar(shell, now))}
        {model.standing.as_ref().map(|standing| standing_line(shell, standing))}
        <div class="hr-cards" data-refresh="overview-cards" data-ticks="">{cards}</div>
        <div class="hr-grid hr-grid--side">
            <div class="hr-fills" data-refresh="overview-trend" data-ticks="">{chart_card(shell, &model.trend)}</div>
            {top_tenants(shell, model)}
        </div>
        {model.standing.as_ref().map(|standing| worst_budgets(shell, standing))}
        {risks(shell, model)}
        {heatmap_card(shell, &model.heatmap)}
    };
    document(shell, frame, content.into_any())
}

/// Which pools may be full within the month.
fn risks(shell: &ShellModel, model: &OverviewModel) -> Option<AnyView> {
    if model.risks.is_empty() && model.without_risk == 0 {
        return None;
    }
    let rows = model
        .risks
        .iter()
        .map(|risk| {
            let href = shell.url.link(&format!("/forecast/{}", risk.pool.slug));
            let plan = with_query("/planner", &[("pool", &risk.pool.slug)]);
            let name = risk.pool.name.clone();
            view! {
                <div>
                    <dt><a href=href>{name.clone()}</a></dt>
                    <dd>"full in "{full_in(shell, &risk.full)}" "<a href=plan aria-label=format!("Plan {name}")>"Plan"</a></dd>
                </div>
            }
        })
        .collect_view();
    let rest = counted(model.without_risk, "pool", "pools");
    let rest = view! { <span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}{format!("{rest} without such a risk")}</span> };
    Some(
        view! {
            <section class="hr-card" aria-labelledby="risks-title">
                <div class="hr-card__head">
                    <h2 id="risks-title">"Risks, next 30 days"</h2>
                    <span class="hr-card__sub"><a href=shell.url.link("/forecast")>"by the forecasts of this hour"</a></span>
                </div>
                <dl class="hr-facts">{rows}</dl>
                <p>{rest}</p>
            </section>
        }
        .into_any(),
    )
}

/// This moment, kept current; the cards below are about the range.
fn now_bar(shell: &ShellModel, now: &NowBar) -> AnyView {
    let number = |name, value| live_count(name, None, value, "nothing was heard yet");
    view! {
        {listen(shell, Listening { topics: "live", pool: String::new(), refreshes: true })}
        <p class="hr-figs hr-livebar">
            <span class="hr-fig">"Tracked pools now"</span>
            {figure("slots", number("capacity", now.capacity))}
            {figure("held", number("occupied", now.occupied))}
            {figure("free", number("free", now.free))}
            {figure("waiting", number("queued", now.queued))}
            {figure("rejected/min", number("rejected_1m", now.rejected_1m))}
            <span class="hr-fig"><a href=shell.url.link("/oncall")>"On-call"</a></span>
        </p>
    }
    .into_any()
}

/// `1 page`, `2 pages`
fn counted(count: i64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {several}", format::count(count)) }
}

/// Whether what is promised is kept, and what fires now: one line, for the cards and the trend belong on the first screen.
fn standing_line(shell: &ShellModel, standing: &StandingModel) -> AnyView {
    let level = |class: &'static str, shape: &'static str, text: String| {
        view! { <span class=class>{state_icon(shell, shape)}{text}</span> }.into_any()
    };
    let ok = |text: String| level("hr-level hr-level--ok", "state-ok", text);
    let known = standing.in_budget + standing.spent;
    let mut budgets = Vec::new();
    if known == 0 {
        let text = "No data: nothing was counted in the last 30 days".to_owned();
        budgets.push(level("hr-level hr-level--unknown hr-wraps", "state-unknown", text));
    } else {
        budgets.push(ok(format!("{} of {} in budget", format::count(standing.in_budget), format::count(known))));
        if standing.burning > 0 {
            let text = format!("{} faster than allowed", counted(standing.burning, "burns", "burn"));
            budgets.push(level("hr-level hr-level--warn", "state-warn", text));
        }
        if standing.spent > 0 {
            let text = format!("{} used up", format::count(standing.spent));
            budgets.push(level("hr-level hr-level--crit", "state-crit", text));
        }
        if standing.unknown > 0 {
            let text = format!("{} without data", format::count(standing.unknown));
            budgets.push(level("hr-level hr-level--unknown", "state-unknown", text));
        }
    }
    let mut alerts = Vec::new();
    if standing.pages > 0 {
        let whose =
            if standing.unowned > 0 { format!(", {} unowned", format::count(standing.unowned)) } else { String::new() };
        let text = format!("{} open{whose}", counted(standing.pages, "page", "pages"));
        alerts.push(level("hr-level hr-level--crit", "state-crit", text));
    } else {
        alerts.push(ok("No open pages".to_owned()));
    }
    if standing.tickets > 0 {
        let text = format!("{} open", counted(standing.tickets, "ticket", "tickets"));
        alerts.push(level("hr-level hr-level--warn", "state-warn", text));
    } else {
        alerts.push(ok("No open tickets".to_owned()));
    }
    view! {
        <div class="hr-standing" id="standing" data-refresh="overview-standing" data-ticks="">
            <p><a href=shell.url.link("/slos")>"Error budgets"</a>{budgets}</p>
            <p><a href=shell.url.link("/oncall")>"Alerts"</a>{alerts}</p>
        </div>
    }
    .into_any()
}

/// Budgets that are used up or soon will be.
fn worst_budgets(shell: &ShellModel, standing: &StandingModel) -> AnyView {
    let rows = standing
        .worst
        .iter()
        .map(|row| {
            let href = shell.url.replace("/slos", &[("pool", &row.pool.slug)]);
            let (class, shape) = match row.left {
                Some(left) if left <= 0.0 => ("hr-level hr-level--crit", "state-crit"),
                _ => ("hr-level hr-level--warn", "state-warn"),
            };
            view! {
                <li>
                    <span class=class>{state_icon(shell, shape)}<a href=href>{row.pool.name.clone()}</a></span>
                    <span>{row.sli.name.clone()}</span>
                    <span class="hr-muted">{row.says.clone()}</span>
                </li>
            }
        })
        .collect_view();
    let card = (!standing.worst.is_empty()).then(|| {
        view! {
            <section class="hr-card hr-worst" aria-labelledby="worst-title">
                <div class="hr-card__head">
                    <h2 id="worst-title">"Promises that are not kept"</h2>
                    <span class="hr-card__sub">"error budgets of 30 days, now"</span>
                </div>
                <ul class="hr-worst__list">{rows}</ul>
            </section>
        }
    });
    view! { <div data-refresh="overview-worst" data-ticks="">{card}</div> }.into_any()
}

/// Where nothing is known yet: what to do first.
fn first_step(shell: &ShellModel, state: &PanelState) -> Option<AnyView> {
    let PanelState::Empty { text, action } = state else { return None };
    let link = action.as_ref().map(|link| view! { " "<a href=link.href.clone()>{link.label.clone()}</a> });
    Some(strip(shell, Tone::Info, view! { {text.clone()}{link} }.into_any()))
}

fn over_capacity(shell: &ShellModel, model: &OverviewModel) -> Option<AnyView> {
    if model.over_capacity.is_empty() {
        return None;
    }
    let links = model
        .over_capacity
        .iter()
        .map(|pool| view! { <a class="hr-dot" href=shell.url.link(&pool_path(&pool.slug))>{pool.name.clone()}</a> })
        .collect_view();
    let body = view! { <strong>"Over capacity now: "</strong>{links} };
    Some(strip(shell, Tone::Critical, body.into_any()))
}

fn top_tenants(shell: &ShellModel, model: &OverviewModel) -> AnyView {
    let all = shell.url.link("/tenants");
    let csv_href = shell.url.link_with("/tenants", &[("format", "csv")]);
    let body = || {
        let rows = model.top_tenants.iter().map(|row| tenant_row(shell, row)).collect_view();
        view! {
            <table class="hr-table hr-table--plain">
                <caption class="hr-vh">
                    "The tenants with the most slot-hours in the range. The bar is average use of quota, the pale part its peak, the mark the fair share."
                </caption>
                <thead>
                    <tr>
                        <th scope="col">"Tenant"</th>
                        <th scope="col" class="hr-num">"Slot-hours"</th>
                        <th scope="col" class="hr-num">"Share"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="hr-card__foot">
                "Bars: average use of quota, paler to its peak; the mark is the fair share. "
                <a href=all>{format!("All {}", tenants_text(model.tenants_in_scope))}</a>
            </p>
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="top-tenants-title" id="top-tenants">
            <div class="hr-card__head">
                <h2 id="top-tenants-title">{format!("Top {} tenants", model.top_tenants.len().max(1))}</h2>
                <span class="hr-card__tools">{csv(shell, &csv_href)}</span>
            </div>
            {panel(shell, &model.top_tenants_state, body)}
        </section>
    }
    .into_any()
}

fn tenants_text(count: i64) -> String {
    if count == 1 { "1 tenant".to_owned() } else { format!("{} tenants", format::count(count)) }
}

fn tenant_row(shell: &ShellModel, row: &TopTenant) -> AnyView {
    let href = shell.url.link(&tenant_path(&row.tenant.slug));
    let spoken = [
        row.quota_use.map(|ratio| format!("{} of quota on average", format::percent(ratio))),
        row.quota_peak.map(|ratio| format!("peak {}", format::percent(ratio))),
        row.fair_share.map(|ratio| format!("fair share {}", format::percent(ratio))),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ");
    let measure = Bullet { value: row.quota_use, peak: row.quota_peak, mark: row.fair_share, stale: false };
    let quota = or_unknown(
        row.quota_use.map(|ratio| {
            let peak = row.quota_peak.map(|peak| format!(" / {}", format::percent(peak))).unwrap_or_default();
            format!("{}{peak}", format::percent(ratio))
        }),
        "it has no quota",
    );
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <a href=href>{row.tenant.name.clone()}</a>
                <span class="hr-barline" style="margin-block-start:4px">
                    {bullet(&format!("Quota use of {}", row.tenant.name), measure, &spoken)}
                    <small>{quota}</small>
                </span>
            </th>
            <td class="hr-num">{format::slot_hours_short(row.occupied_slot_ms)}</td>
            <td class="hr-num">{percent(row.share, "nothing was used")}</td>
        </tr>
    }
    .into_any()
}
