//! The list of tenants.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::bar::{Bullet, bullet};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document, scope_text};
use crate::components::state::{button_link, panel};
use crate::components::table::{Head, carry, heads, pager};
use crate::components::value::{count, percent, unknown};
use crate::model::{ShellModel, TenantRow, TenantsModel};
use crate::url::tenant_path;

const COLUMNS: &[Head] = &[
    Head::text("tenant", "Tenant"),
    Head::text("quota", "Used now / quota"),
    Head::number("fair-share", "Of fair share"),
    Head::number("slot-hours", "Slot-hours"),
    Head::number("share", "Share"),
    Head::number("reserved", "Reserved"),
    Head::number("idle", "Idle"),
    Head::number("rejected", "Rejected"),
    Head::text("owner", "Owner"),
];

/// From this multiple of its fair share on a tenant is watched.
const FAIR_SHARE_WATCH: f64 = 1.1;
/// From this multiple on it is far above.
const FAIR_SHARE_CRITICAL: f64 = 1.5;

/// `/tenants`
pub fn tenants(shell: &ShellModel, model: &TenantsModel) -> AnyView {
    let new = shell
        .plans()
        .then(|| button_link(shell, "hr-btn hr-btn--primary", "plus", "New tenant", "/tenants/new".to_owned()));
    let actions = new.into_iter().collect();
    let frame = Frame { sub: Some(scope_text(shell).into_any()), actions, ..Frame::data("Tenants") };
    let body = || {
        let rows = model.rows.iter().map(|row| tenant_row(shell, row)).collect_view();
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">{sentence(shell, model)}</caption>
                        {heads(shell, &model.table, COLUMNS)}
                        <tbody>{rows}</tbody>
                    </table>
                </div>
                {pager(shell, &model.table, model.rows.len())}
            </div>
        }
        .into_any()
    };
    let fairness = model.fairness.map(|index| {
        view! {
            <p class="hr-muted">
                {format!("Fairness {} of 1 (Jain’s index): 1 if everybody uses the same multiple of its fair share. ", format::decimal(index, 2))}
                <a href="/help#fair-share">"How this is computed"</a>
            </p>
        }
    });
    let content = view! {
        {tools(shell, model)}
        {fairness}
        {panel(shell, &model.state, body)}
    };
    document(shell, frame, content.into_any())
}

fn sentence(shell: &ShellModel, model: &TenantsModel) -> String {
    let noun = if model.total == 1 { "tenant" } else { "tenants" };
    let matching = if model.table.q.is_empty() { String::new() } else { format!(" matching “{}”", model.table.q) };
    let sorted = COLUMNS.iter().find(|column| column.id == model.table.sort).map_or("name", |column| column.label);
    format!(
        "{} {noun}{matching}, sorted by {}. Slot-hours, share and rejections: {}. The bar is use now against quota, paler to its peak.",
        format::count(model.total),
        sorted.to_lowercase(),
        shell.filters.window()
    )
}

fn tools(shell: &ShellModel, model: &TenantsModel) -> AnyView {
    let clear = (!model.table.q.is_empty() || model.with_archived).then(|| {
        let href = shell.url.replace(&shell.path, &[("q", ""), ("archived", "")]);
        view! { <a class="hr-btn hr-btn--quiet" href=href>"Clear"</a> }
    });
    view! {
        <form class="hr-tools" method="get" action=shell.path.clone() role="search" aria-label="Filter tenants">
            {carry(shell, &["q", "archived"])}
            <input class="hr-input" style="inline-size:16rem" type="search" name="q" value=model.table.q.clone() placeholder="Filter by name…" aria-label="Name contains"/>
            <label class="hr-check"><input type="checkbox" name="archived" value="1" checked=model.with_archived/>"Archived"</label>
            <button class="hr-btn" type="submit">{icon(shell, "filter")}"Filter"</button>
            {clear}
        </form>
    }
    .into_any()
}

fn tenant_row(shell: &ShellModel, row: &TenantRow) -> AnyView {
    let href = shell.url.link(&tenant_path(&row.tenant.slug));
    let mut about = Vec::new();
    if !row.tier.is_empty() {
        about.push(format!("tier {}", row.tier));
    }
    if row.archived {
        about.push("archived".to_owned());
    }
    let measure = Bullet { value: row.quota_use, peak: row.quota_peak, mark: None, stale: false };
    let mut spoken = row.quota_use.map_or_else(String::new, |ratio| format!("{} of quota now", format::percent(ratio)));
    if let Some(peak) = row.quota_peak {
        spoken += &format!(", peak {}", format::percent(peak));
    }
    let quota = if row.quota.is_some() {
        view! {
            <span class="hr-barline">
                {bullet(&format!("Quota use of {}", row.tenant.name), measure, &spoken)}
                <span class="hr-num">{percent(row.quota_use, "there is no current sample")}</span>
            </span>
        }
        .into_any()
    } else {
        view! { <span>{count(row.used, "there is no current sample")}<span class="hr-muted">" slots, no quota"</span></span> }.into_any()
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <a href=href>{row.tenant.name.clone()}</a>
                <small>{about.join(" · ")}</small>
            </th>
            <td class="hr-wide-cell">{quota}</td>
            <td class="hr-num" data-label="Of fair share">{fair_share(shell, row.fair_share_use)}</td>
            <td class="hr-num" data-label="Slot-hours">{format::slot_hours(row.occupied_slot_ms)}</td>
            <td class="hr-num" data-label="Share">{percent(row.share, "nothing was used")}</td>
            <td class="hr-num" data-label="Reserved">{count(row.reserved, "it has no reservation")}</td>
            <td class="hr-num" data-label="Idle">{count(row.reserved_idle, "it has no reservation")}</td>
            <td class="hr-num" data-label="Rejected">{count(row.rejected, "its sources do not report claims")}</td>
            <td data-label="Owner">{row.owner.clone().map_or_else(|| unknown("nobody is named"), IntoAny::into_any)}</td>
        </tr>
    }
    .into_any()
}

fn fair_share(shell: &ShellModel, ratio: Option<f64>) -> AnyView {
    let Some(ratio) = ratio else {
        return unknown("it cannot be computed without use or quota");
    };
    let (class, shape, word) = if ratio > FAIR_SHARE_CRITICAL {
        ("hr-level hr-level--crit", Some("state-crit"), "far above its share")
    } else if ratio > FAIR_SHARE_WATCH {
        ("hr-level hr-level--warn", Some("state-warn"), "above its share")
    } else {
        ("hr-level", None, "within its share")
    };
    let mark = shape.map(|shape| crate::components::icon::state_icon(shell, shape));
    view! { <span class=class title=word>{mark}{format::percent(ratio)}<span class="hr-vh">{format!(" {word}")}</span></span> }.into_any()
}
