//! `/tenants/{tenant}`: one tenant.

use super::answer::{Cell, csv, failure, page};
use super::audit::{HISTORY, edit};
use super::figure;
use super::pool::{reservation_row, use_row};
use super::shell::{Spec, shell};
use super::table::Asked;
use super::tenants::row;
use super::visit::{Named as Slug, Visit};
use crate::app::App;
use crate::app::metering::{MeterLine, Metering};
use crate::app::tenants::TenantDetail;
use crate::app::window::Window;
use crate::charts::{self, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::metering::Meter;
use headroom_domain::occupancy::Sums;
use headroom_domain::range::rfc3339;
use headroom_domain::series::{Bucket, Series};
use headroom_frontend::model::{
    EventRow, FilterSet, MeterDay, MeterRow, MeterSums, Metric, Named, PanelState, QuotaRow, ShellModel, StatCard,
    TenantHistory, TenantMetering, TenantModel, TenantShare, TenantTab,
};
use headroom_frontend::{pages, routes::RailEntry};

/// GET.
pub(crate) async fn get(app: App, Slug(slug): Slug, visit: Visit) -> Response {
    match answer(&app, &visit, &slug).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit, slug: &str) -> crate::app::Result<Response> {
    let tenant = app.tenant(slug).await?;
    let title = tenant.fields.name.clone();
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::Tenants),
        honoured: FilterSet::TENANT,
        default_from: "now-30d",
        view: &["tab", "q", "cur", "explain"],
    };
    let mut own = visit.clone();
    own.forget("tenant");
    let (shell, window) = shell(app, &own, spec).await?;
    let detail = app.tenant_detail(slug, &window).await?;
    let tab = match visit.get("tab") {
        Some("metering") => {
            let (tab, all) = metering(app, &own, &shell, &window, slug).await?;
            if visit.csv().is_some() {
                return Ok(meter_csv(&shell, slug, tab.currency.as_deref(), &all));
            }
            TenantTab::Metering(Box::new(tab))
        }
        Some("history") => {
            let (tab, all) = history(app, &own, &shell, slug).await?;
            if visit.csv().is_some() {
                return Ok(figure::events_csv(&shell, &format!("{slug}-history"), &all));
            }
            TenantTab::History(Box::new(tab))
        }
        _ => {
            let tab = share(&own, &shell, &window, &detail);
            match visit.csv() {
                Some("heatmap") => return Ok(figure::heat_csv(&shell, &format!("{slug}-heatmap"), &tab.heatmap)),
                Some(_) => return Ok(figure::chart_csv(&shell, &format!("{slug}-usage"), &tab.usage)),
                None => TenantTab::Share(Box::new(tab)),
            }
        }
    };
    let faded = app.faded_use(&window, std::slice::from_ref(&detail.now.tenant)).await?;
    let model = model(&shell, &detail, tab, faded.get(&detail.now.tenant.key).copied());
    Ok(page(&shell, StatusCode::OK, || pages::tenant(&shell, &model)))
}

fn model(shell: &ShellModel, d: &TenantDetail, tab: TenantTab, faded: Option<f64>) -> TenantModel {
    let f = &d.now.tenant.fields;
    let quota: i64 = d.quotas.iter().map(|(.., q)| i64::from(q.slots)).sum();
    TenantModel {
        tenant: Named { slug: f.slug.to_string(), name: f.name.clone() },
        tier: f.tier.clone(),
        cost_centre: f.cost_centre.clone(),
        owner: Some(f.owner.clone()).filter(|o| !o.is_empty()),
        reserved: d.now.reserved,
        quota: (quota > 0).then_some(quota),
        fair_share: d.now.fair_share,
        fair_share_rule: fair_share_rule(d, faded),
        cards: cards(shell, d),
        tab,
        archived_ms: d.now.tenant.archived_ms,
    }
}

/// How its fair share comes about, and what it used lately, in a sentence each.
fn fair_share_rule(d: &TenantDetail, faded: Option<f64>) -> String {
    use headroom_domain::format::{count, decimal};
    let rule = match d.now.fair_share.zip(d.now.shared) {
        Some((share, (weights, capacity))) => format!(
            "weight {} of {} × {} slots of all pools on average = {} slots, shared among the tenants that used anything",
            count(d.now.tenant.fields.weight.into()),
            count(weights),
            count(capacity.round() as i64),
            count(share.round() as i64),
        ),
        None => "unknown, it used nothing in this window".to_owned(),
    };
    match faded {
        Some(hours) => format!(
            "{rule}. Recent use, fading by the half-life: {} slot-hours for each unit of weight",
            decimal(hours, 0)
        ),
        None => rule,
    }
}

fn cards(shell: &ShellModel, d: &TenantDetail) -> Vec<StatCard> {
    let series = &d.trend.series;
    let total = d.trend.total();
    let as_of = shell.freshness.as_of_ms;
    let list = row(&d.now);
    let card = |metric| StatCard {
        metric,
        window: shell.filters.window(),
        value: None,
        unknown_because: None,
        peak: None,
        previous: None,
        basis: shell.filters.basis(),
        detail: String::new(),
        money: None,
        spark: Vec::new(),
        href: shell.url.link(&shell.path),
        as_of_ms: as_of,
    };
    let wall = |sums: &Sums, span: i64| headroom_domain::occupancy::ratio(sums.occupied_slot_ms, span);
    let used = StatCard {
        window: "now".into(),
        value: d.now.used.map(|u| u as f64),
        unknown_because: d.now.used.is_none().then(|| "no pool told of it in the last 5 min".into()),
        previous: d.now.mean_used,
        basis: format!("average of {}", shell.filters.window()),
        spark: used_spark(series),
        ..card(Metric::UsedNow)
    };
    let quota = StatCard {
        window: "now".into(),
        value: list.quota_use,
        unknown_because: list.quota_use.is_none().then(|| "it has no quota, or nothing is known about now".into()),
        detail: d.now.quota.map(|q| format!("of {}", headroom_domain::format::count(q))).unwrap_or_default(),
        previous: d.now.mean_used.zip(d.now.quota.filter(|q| *q > 0)).map(|(used, quota)| used / quota as f64),
        basis: format!("average of {}", shell.filters.window()),
        spark: used_spark(series),
        ..card(Metric::QuotaUse)
    };
    let fair = StatCard {
        value: list.fair_share_use,
        unknown_because: list.fair_share_use.is_none().then(|| "it used nothing in this window".into()),
        previous: d
            .prior
            .as_ref()
            .zip(d.now.fair_share)
            .and_then(|(prior, share)| Some(wall(prior, shell.filters.to_ms - shell.filters.from_ms)? / share)),
        spark: figure::spark(series, Sums::occupancy),
        ..card(Metric::FairShare)
    };
    let has_claims = total.claims > 0;
    let rejected = StatCard {
        value: has_claims.then_some(total.rejections as f64),
        unknown_because: (!has_claims).then(|| "no claims were reported in this window".into()),
        previous: d.prior.filter(|s| s.claims > 0).map(|s| s.rejections as f64),
        detail: total.rejected_share().map(|s| format!("{:.1} per 10k claims", s * 10_000.0)).unwrap_or_default(),
        spark: figure::spark(series, |s| (s.observed_ms > 0).then_some(s.rejections as f64)),
        ..card(Metric::SaturationEvents)
    };
    vec![used, quota, fair, rejected]
}

/// Slots used on average, over time; the last point may still be filling and is left out.
fn used_spark(series: &Series) -> Vec<Option<f64>> {
    let whole = &series.points[..series.points.len().saturating_sub(1)];
    let per = whole.len().div_ceil(60).max(1);
    whole
        .chunks_exact(per)
        .map(|part| {
            let seen: Vec<&Sums> = part.iter().filter(|p| p.observed_ms > 0).collect();
            let used: i64 = seen.iter().map(|p| p.occupied_slot_ms).sum();
            headroom_domain::occupancy::ratio(used, seen.len() as i64 * series.step_ms)
        })
        .collect()
}

fn share(visit: &Visit, shell: &ShellModel, window: &Window, d: &TenantDetail) -> TenantShare {
    let step = headroom_domain::format::duration(d.trend.step_ms);
    let frame = figure::frame("usage", "Slots used", window, &[]);
    let mut spec = charts::slots(&frame, &d.trend.buckets.iter().map(own_slots).collect::<Vec<_>>());
    // Its own slots are the subject: the pools' capacity would flatten them to a line at the bottom,
    // and its peaks in several pools fall at different instants.
    spec.lines.retain(|line| line.name != "Capacity");
    for line in &mut spec.lines {
        line.envelope = None;
    }
    let usage = figure::model(
        &spec,
        &[Variant::Compact, Variant::Medium, Variant::Wide, Variant::Full],
        format!("average per {step} over all pools in scope, with what is reserved"),
        d.trend.step_ms,
        figure::csv_href(visit, shell, "usage"),
    );
    let mut heatmap =
        figure::heat("when", "When it uses most", window, &d.trend, figure::csv_href(visit, shell, "heatmap"), false);
    let highest = heatmap.rows.iter().flat_map(|r| &r.cells).filter_map(|c| c.peak).fold(0.0, f64::max);
    if highest > 0.0 {
        heatmap.scale = (0.0, highest);
    }
    heatmap.subtitle = format!("highest part of its pools' capacity in that hour, {}", window.zone.name());
    TenantShare {
        usage,
        heatmap,
        pools: d.pools.iter().map(use_row).collect(),
        quotas: d
            .quotas
            .iter()
            .map(|(slug, name, q)| QuotaRow {
                subject: Named { slug: slug.clone(), name: name.clone() },
                slots: q.slots.into(),
                from_ms: q.since_ms,
            })
            .collect(),
        reservations: d.reservations.iter().map(|(slug, name, r)| reservation_row(slug, name, r)).collect(),
        state: if d.pools.is_empty() {
            PanelState::Empty { text: "It used no pool in this window.".into(), action: None }
        } else {
            PanelState::Ready
        },
    }
}

/// A bucket whose averages are over the wall clock: several pools are observed at once, so their
/// observed time would count each moment several times.
fn own_slots(b: &Bucket) -> Bucket {
    let observed_ms = if b.sums.observed_ms > 0 { b.to_ms - b.from_ms } else { 0 };
    Bucket { sums: Sums { observed_ms, max_occupied: 0, ..b.sums }, least: None, peak: None, ..*b }
}

fn meter_sums(line: &MeterLine) -> MeterSums {
    MeterSums {
        max_occupied: (line.sums.max_occupied > 0).then_some(line.sums.max_occupied),
        rejections: (line.sums.claims > 0).then_some(line.sums.rejections),
        ..meter(&line.meter, line.amount_minor)
    }
}

fn meter(meter: &Meter, amount_minor: Option<i64>) -> MeterSums {
    MeterSums {
        occupied_slot_ms: meter.used_slot_ms,
        reserved_slot_ms: meter.reserved_slot_ms,
        reserved_idle_slot_ms: meter.idle_slot_ms,
        borrowed_slot_ms: meter.borrowed_slot_ms(),
        lent_slot_ms: meter.lent_slot_ms,
        billed_slot_ms: meter.billed_slot_ms(),
        amount_minor,
        max_occupied: None,
        rejections: None,
    }
}

async fn metering(
    app: &App,
    visit: &Visit,
    shell: &ShellModel,
    window: &Window,
    slug: &str,
) -> crate::app::Result<(TenantMetering, Vec<MeterRow>)> {
    let asked = Asked::read(visit, &["day"], "day", true);
    let Metering { mut lines, currency } = app.metering(slug, window).await?;
    let explained = match visit.get("explain").and_then(|asked| named_line(&lines, asked)) {
        Some(line) => Some(explain(app, slug, line).await?),
        None => None,
    };
    lines.retain(|line| asked.matches(&[&line.pool, &line.pool_name]));
    let shown = Metering { lines, currency };
    let (total, amount) = shown.total();
    let rows: Vec<MeterRow> = shown
        .lines
        .iter()
        .map(|line| MeterRow {
            day_ms: line.from_ms,
            rate_micros: line.unit_cost_micros,
            record: line.record.clone(),
            pool: Named { slug: line.pool.clone(), name: line.pool_name.clone() },
            sums: meter_sums(line),
        })
        .collect();
    let n = rows.len();
    let tab = TenantMetering {
        rows: rows[asked.page(n)].to_vec(),
        total: meter(&total, amount),
        currency: shown.currency,
        explained,
        table: asked.state(visit, shell, n),
        state: if n == 0 {
            PanelState::Empty { text: "Nothing was metered in this window.".into(), action: None }
        } else {
            PanelState::Ready
        },
    };
    Ok((tab, rows))
}

/// The line that a link to its explanation names: `2026-11-20~ingress-eu`.
fn named_line<'a>(lines: &'a [MeterLine], asked: &str) -> Option<&'a MeterLine> {
    let (day, pool) = asked.split_once('~')?;
    lines.iter().find(|line| line.pool == pool && rfc3339(line.from_ms).split('T').next() == Some(day))
}

async fn explain(app: &App, slug: &str, line: &MeterLine) -> crate::app::Result<MeterDay> {
    let hours = app.metered_hours(slug, &line.pool, line.from_ms).await?;
    let mut sum = Meter::default();
    for hour in &hours {
        sum.add(&hour.meter);
    }
    Ok(MeterDay {
        day_ms: line.from_ms,
        pool: Named { slug: line.pool.clone(), name: line.pool_name.clone() },
        hours: hours.iter().map(|hour| (hour.from_ms, meter_sums(hour))).collect(),
        total: meter(&sum, line.amount_minor),
        rate_micros: line.unit_cost_micros,
        record: line.record.clone(),
    })
}

fn meter_csv(shell: &ShellModel, slug: &str, currency: Option<&str>, rows: &[MeterRow]) -> Response {
    let header = [
        "day_utc",
        "pool",
        "occupied_slot_ms",
        "reserved_slot_ms",
        "reserved_idle_slot_ms",
        "borrowed_slot_ms",
        "lent_slot_ms_estimated",
        "billed_slot_ms",
        "rate_micros_per_slot_hour",
        "amount_minor",
        "currency",
        "max_occupied",
        "rejections",
        "record",
    ];
    let rows = rows.iter().map(|r| {
        vec![
            Cell::Own(rfc3339(r.day_ms)),
            Cell::Own(r.pool.slug.clone()),
            Cell::Int(Some(r.sums.occupied_slot_ms)),
            Cell::Int(Some(r.sums.reserved_slot_ms)),
            Cell::Int(Some(r.sums.reserved_idle_slot_ms)),
            Cell::Int(Some(r.sums.borrowed_slot_ms)),
            Cell::Int(Some(r.sums.lent_slot_ms)),
            Cell::Int(Some(r.sums.billed_slot_ms)),
            Cell::Int(r.rate_micros),
            Cell::Int(r.sums.amount_minor),
            Cell::Own(r.sums.amount_minor.and(currency).unwrap_or_default().to_owned()),
            Cell::Int(r.sums.max_occupied),
            Cell::Int(r.sums.rejections),
            Cell::Own(r.record.clone()),
        ]
    });
    csv(shell, &format!("{slug}-metering"), &header, rows)
}

async fn history(
    app: &App,
    visit: &Visit,
    shell: &ShellModel,
    slug: &str,
) -> crate::app::Result<(TenantHistory, Vec<EventRow>)> {
    let asked = Asked::read(visit, &["time"], "time", true);
    let mut events: Vec<EventRow> =
        app.audit_of("tenant", app.tenant(slug).await?.id, slug, HISTORY).await?.iter().map(edit).collect();
    events.retain(|e| asked.matches(&[&e.text, e.actor.as_deref().unwrap_or_default()]));
    let total = events.len();
    let panel = if total == 0 {
        PanelState::Empty { text: "Nothing was changed about this tenant.".into(), action: None }
    } else {
        PanelState::Ready
    };
    let tab = TenantHistory {
        events: events[asked.page(total)].to_vec(),
        table: asked.state(visit, shell, total),
        state: panel,
    };
    Ok((tab, events))
}
