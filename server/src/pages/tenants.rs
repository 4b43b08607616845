//! `/tenants`: the list.

use super::answer::{Cell, csv, failure, page};
use super::shell::{Spec, shell};
use super::table::Asked;
use super::visit::Visit;
use crate::app::App;
use crate::app::tenants::{TenantNow, fairness};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::occupancy::slot_hours;
use headroom_frontend::model::{FilterSet, Link, Named, PanelState, ShellModel, TenantRow, TenantsModel};
use headroom_frontend::{pages, routes::RailEntry};

const SPEC: Spec<'static> = Spec {
    title: "Tenants",
    rail: Some(RailEntry::Tenants),
    honoured: FilterSet { compare: false, ..FilterSet::ALL },
    default_from: "now-45d",
    view: &["q", "archived", "sort", "dir", "cur"],
};
const COLUMNS: [&str; 8] = ["tenant", "tier", "quota", "fair-share", "slot-hours", "reserved", "rejected", "owner"];

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    match answer(&app, &visit).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit) -> crate::app::Result<Response> {
    let (shell, window) = shell(app, visit, SPEC).await?;
    let with_archived = visit.get("archived") == Some("1");
    let asked = Asked::read(visit, &COLUMNS, "slot-hours", true);
    let all = app.tenants(&window, with_archived).await?;
    let any = !all.is_empty();
    let mut rows: Vec<TenantRow> = all
        .iter()
        .map(row)
        .filter(|r| asked.matches(&[&r.tenant.slug, &r.tenant.name, r.owner.as_deref().unwrap_or_default()]))
        .collect();
    let slug = |r: &TenantRow| r.tenant.slug.clone();
    match asked.sort.as_str() {
        "tenant" => asked.sort(&mut rows, |r| Some(r.tenant.name.to_lowercase()), slug),
        "tier" => asked.sort(&mut rows, |r| Some(r.tier.clone()).filter(|t| !t.is_empty()), slug),
        "quota" => asked.sort(&mut rows, |r| r.quota_use, slug),
        "fair-share" => asked.sort(&mut rows, |r| r.fair_share_use, slug),
        "reserved" => asked.sort(&mut rows, |r| r.reserved, slug),
        "rejected" => asked.sort(&mut rows, |r| r.rejected, slug),
        "owner" => asked.sort(&mut rows, |r| r.owner.clone(), slug),
        _ => asked.sort(&mut rows, |r| Some(r.occupied_slot_ms), slug),
    }
    if visit.csv().is_some() {
        return Ok(table_csv(&shell, &rows));
    }
    let total = rows.len();
    let model = TenantsModel {
        total: total as i64,
        rows: rows[asked.page(total)].to_vec(),
        table: asked.state(visit, &shell, total),
        fairness: window.tenants.is_none().then(|| fairness(&all)).flatten(),
        with_archived,
        state: match (total, any) {
            (0, false) => PanelState::Empty {
                text: "No tenants yet. Make one, or import a history that names them.".into(),
                action: shell.plans().then(|| Link { label: "New tenant".into(), href: "/tenants/new".into() }),
            },
            (0, true) => PanelState::Empty {
                text: "No tenant matches these filters.".into(),
                action: Some(Link { label: "Clear filters".into(), href: "/tenants".into() }),
            },
            _ => PanelState::Ready,
        },
    };
    Ok(page(&shell, StatusCode::OK, || pages::tenants(&shell, &model)))
}

/// A tenant as a row.
pub(crate) fn row(t: &TenantNow) -> TenantRow {
    let f = &t.tenant.fields;
    let ratio = |part: Option<f64>, whole: Option<f64>| part.zip(whole.filter(|w| *w > 0.0)).map(|(p, w)| p / w);
    let quota = t.quota.map(|q| q as f64);
    TenantRow {
        tenant: Named { slug: f.slug.to_string(), name: f.name.clone() },
        tier: f.tier.clone(),
        used: t.used,
        quota: t.quota,
        quota_use: ratio(t.used.map(|u| u as f64), quota),
        quota_peak: ratio(Some(t.sums.max_occupied as f64).filter(|m| *m > 0.0), quota),
        fair_share_use: ratio(t.mean_used, t.fair_share),
        occupied_slot_ms: i64::try_from(t.sums.occupied_slot_ms).unwrap_or(i64::MAX),
        share: t.share,
        reserved: t.reserved,
        reserved_idle: t.reserved_idle,
        rejected: (t.sums.claims > 0).then(|| i64::try_from(t.sums.rejections).unwrap_or(i64::MAX)),
        owner: Some(f.owner.clone()).filter(|o| !o.is_empty()),
        archived: t.tenant.archived_ms.is_some(),
    }
}

fn table_csv(shell: &ShellModel, rows: &[TenantRow]) -> Response {
    let header = [
        "tenant",
        "name",
        "tier",
        "used_now",
        "quota",
        "quota_use",
        "fair_share_use",
        "slot_hours",
        "share",
        "reserved_now",
        "reserved_idle_now",
        "rejections",
        "owner",
    ];
    let rows = rows.iter().map(|r| {
        vec![
            Cell::Own(r.tenant.slug.clone()),
            Cell::Text(r.tenant.name.clone()),
            Cell::Text(r.tier.clone()),
            Cell::Int(r.used),
            Cell::Int(r.quota),
            Cell::Float(r.quota_use),
            Cell::Float(r.fair_share_use),
            Cell::Float(Some(slot_hours(r.occupied_slot_ms))),
            Cell::Float(r.share),
            Cell::Int(r.reserved),
            Cell::Int(r.reserved_idle),
            Cell::Int(r.rejected),
            Cell::Text(r.owner.clone().unwrap_or_default()),
        ]
    });
    csv(shell, "tenants", &header, rows)
}
