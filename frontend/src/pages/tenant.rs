//! One tenant: what it uses of what it may use, its exact metering, what happened to it.

use headroom_domain::format;
use leptos::prelude::*;

use super::pool::{archived_strip, quota_card, reservation_card, tab_links, use_table};
use crate::components::chart::chart_card;
use crate::components::events::event_list;
use crate::components::heatmap::heatmap_card;
use crate::components::shell::{Frame, document, scope_text};
use crate::components::stat::stat_card;
use crate::components::state::{button_link, panel};
use crate::components::table::{pager, text_filter};
use crate::components::value::count;
use crate::model::{
    Link, MeterRow, MeterSums, ShellModel, TenantHistory, TenantMetering, TenantModel, TenantShare, TenantTab,
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
    let body = || {
        let rows = metering.rows.iter().map(|row| meter_row(shell, row)).collect_view();
        let caption = format!(
            "Metered use per day and pool, exact sums, newest first. Days are days of {}. Totals are over all {} rows.",
            shell.zone.name(),
            format::count(metering.table.total)
        );
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll" role="group" tabindex="0" aria-label="Metering">
                    <table class="hr-table">
                        <caption class="hr-table__caption">{caption}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Day"</th>
                                <th scope="col">"Pool"</th>
                                <th scope="col" class="hr-num">"Used slot-hours"</th>
                                <th scope="col" class="hr-num">"Reserved slot-hours"</th>
                                <th scope="col" class="hr-num">"Reserved, idle"</th>
                                <th scope="col" class="hr-num">"Peak slots"</th>
                                <th scope="col" class="hr-num">"Rejected"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                        <tfoot>
                            <tr><th scope="row" colspan="2">"Total"</th>{sums(&metering.total)}</tr>
                        </tfoot>
                    </table>
                </div>
                {pager(shell, &metering.table, metering.rows.len())}
            </div>
        }
        .into_any()
    };
    panel(shell, &metering.state, body)
}

fn meter_row(shell: &ShellModel, row: &MeterRow) -> AnyView {
    let day = format::date_time(shell.zone.local(row.day_ms));
    let day = day.split(' ').next().unwrap_or_default().to_owned();
    let href = shell.url.link(&pool_path(&row.pool.slug));
    view! {
        <tr>
            <th scope="row" class="hr-nowrap">{day}</th>
            <td><a href=href>{row.pool.name.clone()}</a></td>
            {sums(&row.sums)}
        </tr>
    }
    .into_any()
}

fn sums(sums: &MeterSums) -> AnyView {
    view! {
        <td class="hr-num">{format::slot_hours_exact(sums.occupied_slot_ms)}</td>
        <td class="hr-num">{format::slot_hours_exact(sums.reserved_slot_ms)}</td>
        <td class="hr-num">{format::slot_hours_exact(sums.reserved_idle_slot_ms)}</td>
        <td class="hr-num">{count(sums.max_occupied, "no samples")}</td>
        <td class="hr-num">{count(sums.rejections, "the source does not report claims")}</td>
    }
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
