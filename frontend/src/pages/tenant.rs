//! One tenant: what it uses of what it may use, its exact metering, what happened to it.

use headroom_domain::{format, range};
use leptos::prelude::*;

use super::pool::{archived_strip, quota_card, reservation_card, tab_links, use_table};
use crate::components::chart::chart_card;
use crate::components::events::event_list;
use crate::components::heatmap::heatmap_card;
use crate::components::shell::{Frame, document, scope_text};
use crate::components::stat::stat_card;
use crate::components::state::{button_link, panel};
use crate::components::table::{pager, text_filter};
use crate::components::value::or_unknown;
use crate::model::{
    Link, MeterDay, MeterRow, MeterSums, ShellModel, TenantHistory, TenantMetering, TenantModel, TenantShare, TenantTab,
};
use crate::url::{pool_path, tenant_path};

/// `/tenants/{tenant}`
pub fn tenant(shell: &ShellModel, model: &TenantModel) -> AnyView {
    let path = tenant_path(&model.tenant.slug);
    let edit = shell.plans().then(|| button_link(shell, "hr-btn", "pencil", "Edit", format!("{path}/edit")));
    let frame = Frame {
        section: Some("Tenants"),
        sub: Some(about(shell, model)),
        crumbs: vec![Link { label: "Tenants".into(), href: shell.url.link("/tenants") }],
        actions: edit.into_iter().collect(),
        ..Frame::data(model.tenant.name.clone())
    };
    let current = match model.tab {
        TenantTab::Share(_) => "share",
        TenantTab::Metering(_) => "metering",
        TenantTab::History(_) => "history",
    };
    let tab = match &model.tab {
        TenantTab::Share(share) => share_tab(shell, share),
        TenantTab::Metering(metering) => metering_tab(shell, metering),
        TenantTab::History(history) => history_tab(shell, history),
    };
    let cards = model.cards.iter().map(|card| stat_card(shell, card)).collect_view();
    let rule = (!model.fair_share_rule.is_empty()).then(|| {
        view! {
            <p class="hr-muted">
                {format!("Fair share: {}. ", model.fair_share_rule)}
                <a href="/help#fair-share">"How this is computed"</a>
            </p>
        }
    });
    let content = view! {
        {model.archived_ms.map(|at| archived_strip(shell, "tenant", &path, at))}
        <div class="hr-cards">{cards}</div>
        {rule}
        {tab_links(shell, "Tenant", current, &[("share", "Share", None), ("metering", "Metering", None), ("history", "History", None)])}
        {tab}
    };
    document(shell, frame, content.into_any())
}

fn about(shell: &ShellModel, model: &TenantModel) -> AnyView {
    let slots = |label: &str, value: Option<i64>| value.map(|value| format!("{label} {}", format::count(value)));
    let parts: Vec<String> = [
        slots("quota", model.quota),
        slots("reserved", model.reserved),
        model.fair_share.map(|share| format!("fair share {}", format::decimal(share, 0))),
        (!model.tier.is_empty()).then(|| format!("tier {}", model.tier)),
        (!model.cost_centre.is_empty()).then(|| format!("cost centre {}", model.cost_centre)),
        Some(model.owner.as_ref().map_or_else(|| "no owner".to_owned(), |owner| format!("owner {owner}"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    view! {
        <span>{parts.join(" · ")}</span>
        <br/>
        <span class="hr-muted">{scope_text(shell)}</span>
    }
    .into_any()
}

fn share_tab(shell: &ShellModel, share: &TenantShare) -> AnyView {
    let by_pool = || use_table(shell, "Pool", "Use of each pool in the range", &share.pools);
    view! {
        {chart_card(shell, &share.usage)}
        <section class="hr-card hr-card--flush" aria-labelledby="by-pool-title">
            <div class="hr-card__head">
                <h2 id="by-pool-title">"By pool"</h2>
                <span class="hr-card__sub">{format!("{}; the bar is use now against quota, the mark the fair share", shell.filters.window())}</span>
            </div>
            {panel(shell, &share.state, by_pool)}
        </section>
        {heatmap_card(shell, &share.heatmap)}
        <div class="hr-grid hr-grid--half">
            {quota_card(shell, "Pool", &share.quotas)}
            {reservation_card(shell, "Pool", &share.reservations)}
        </div>
    }
    .into_any()
}

fn metering_tab(shell: &ShellModel, metering: &TenantMetering) -> AnyView {
    let currency = metering.currency.as_deref();
    let body = || {
        let rows = metering.rows.iter().map(|row| meter_row(shell, row, currency)).collect_view();
        let caption = format!(
            "Slot-hours by UTC day and pool, exact sums, newest first; lent is estimated by the hour. Billed is what is reserved, used \
             or not, and what is borrowed. Totals are the sums of all {} rows.",
            format::count(metering.table.total)
        );
        let money = currency.map(|_| {
            view! {
                <th scope="col" class="hr-num">"Rate"</th>
                <th scope="col" class="hr-num">"Amount"</th>
            }
        });
        let total_money = currency.map(|currency| {
            view! {
                <td></td>
                <td class="hr-num" data-label="Amount">{amount(metering.total.amount_minor, currency)}</td>
            }
        });
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll" role="group" tabindex="0" aria-label="Metering">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{caption}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Day, pool"</th>
                                {SUM_COLUMNS.map(|label| view! { <th scope="col" class="hr-num">{label}</th> }).collect_view()}
                                {money}
                                <th scope="col">"Record"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                        <tfoot>
                            <tr><th scope="row">"Total"</th>{sums(&metering.total)}{total_money}<td></td></tr>
                        </tfoot>
                    </table>
                </div>
                {pager(shell, &metering.table, metering.rows.len())}
            </div>
        }
        .into_any()
    };
    view! {
        {metering.explained.as_ref().map(|day| explained_day(shell, day, currency))}
        {panel(shell, &metering.state, body)}
    }
    .into_any()
}

/// Columns of slot-hours, in the order of [`sums`].
const SUM_COLUMNS: [&str; 5] = ["Reserved", "Used", "Borrowed", "Idle", "Lent (est.)"];

/// A UTC day as `2026-11-20`.
fn utc_day(day_ms: i64) -> String {
    range::rfc3339(day_ms).split('T').next().unwrap_or_default().to_owned()
}

fn meter_row(shell: &ShellModel, row: &MeterRow, currency: Option<&str>) -> AnyView {
    let day = utc_day(row.day_ms);
    let href = shell.url.link(&pool_path(&row.pool.slug));
    let explain = shell.url.replace(&shell.path, &[("explain", &format!("{day}~{}", row.pool.slug))]);
    let money = currency.map(|currency| {
        let rate = row.rate_micros.map(|micros| format::price(micros, currency));
        view! {
            <td class="hr-num" data-label="Rate">{or_unknown(rate, "the pool has no price")}</td>
            <td class="hr-num" data-label="Amount">{amount(row.sums.amount_minor, currency)}</td>
        }
    });
    let about = format!("Explain {day} in {}", row.pool.name);
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><span class="hr-nowrap">{day}</span><small><a href=href>{row.pool.name.clone()}</a></small></th>
            {sums(&row.sums)}
            {money}
            <td data-label="Record" style="grid-column:1/-1"><code>{row.record.clone()}</code>" "<a href=format!("{explain}#explained") aria-label=about>"Explain"</a></td>
        </tr>
    }
    .into_any()
}

fn amount(minor: Option<i64>, currency: &str) -> AnyView {
    or_unknown(minor.map(|minor| format::money(minor, currency)), "the pool has no price")
}

/// A day by the hour, and how its amount comes about.
fn explained_day(shell: &ShellModel, day: &MeterDay, currency: Option<&str>) -> AnyView {
    let rows = day.hours.iter().map(|(at, hour)| {
        let time = range::rfc3339(*at).split('T').nth(1).unwrap_or_default().chars().take(5).collect::<String>();
        view! { <tr><th scope="row" class="hr-nowrap">{time}</th>{sums(hour)}</tr> }
    });
    let price = day.total.amount_minor.zip(day.rate_micros).zip(currency).map(|((minor, micros), currency)| {
        format!(
            "Billed: {} reserved + {} borrowed = {} slot-hours × {} = {}, rounded half up to a cent.",
            format::slot_hours_exact(day.total.reserved_slot_ms),
            format::slot_hours_exact(day.total.borrowed_slot_ms),
            format::slot_hours_exact(day.total.billed_slot_ms),
            format::price(micros, currency),
            format::money(minor, currency),
        )
    });
    let close = shell.url.replace(&shell.path, &[("explain", "")]);
    view! {
        <section class="hr-card hr-card--flush" id="explained" aria-labelledby="explained-title">
            <div class="hr-card__head">
                <h2 id="explained-title">{format!("{} in {}, by the hour", utc_day(day.day_ms), day.pool.name)}</h2>
                <span class="hr-card__sub">{format!("Record {}. Hours are UTC; a source's minutes add up to them exactly.", day.record)}</span>
                <a class="hr-btn hr-btn--quiet" href=close>"Close"</a>
            </div>
            <div class="hr-scroll" role="group" tabindex="0" aria-label="Hours of the day">
                <table class="hr-table">
                    <caption class="hr-vh">"Slot-hours by the hour"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Hour"</th>
                            {SUM_COLUMNS.map(|label| view! { <th scope="col" class="hr-num">{label}</th> }).collect_view()}
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                    <tfoot><tr><th scope="row">"Day"</th>{sums(&day.total)}</tr></tfoot>
                </table>
            </div>
            {price.map(|price| view! { <p class="hr-table__caption">{price}</p> })}
        </section>
    }
    .into_any()
}

fn sums(sums: &MeterSums) -> AnyView {
    let values = [
        sums.reserved_slot_ms,
        sums.occupied_slot_ms,
        sums.borrowed_slot_ms,
        sums.reserved_idle_slot_ms,
        sums.lent_slot_ms,
    ];
    SUM_COLUMNS
        .iter()
        .zip(values)
        .map(|(label, value)| view! { <td class="hr-num" data-label=*label>{format::slot_hours_exact(value)}</td> })
        .collect_view()
        .into_any()
}

fn history_tab(shell: &ShellModel, history: &TenantHistory) -> AnyView {
    let body = || {
        view! {
            <div class="hr-card">{event_list(shell, &history.events)}</div>
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
