//! `/pools/{pool}`: one pool.

use super::answer::{Cell, csv, failure, page};
use super::audit::{HISTORY, edit};
use super::figure;
use super::forecast::full_in_of;
use super::shell::{Spec, shell};
use super::slot;
use super::table::Asked;
use super::visit::{Named as Slug, Visit};
use crate::app::App;
use crate::app::pools::{PoolDetail, TenantUse};
use crate::app::trend::peak;
use crate::app::window::Window;
use crate::charts::{self, SignalSample, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::accumulate::SignalPoint;
use headroom_domain::occupancy::slot_hours;
use headroom_domain::series::{Bucket, boundaries, chart_step};
use headroom_domain::{HOUR_MS, Millis};
use headroom_frontend::model::{
    CapacityRow, ChartModel, EventRow, FilterSet, Money, Named, PanelState, Peak, PoolHead, PoolHistory, PoolModel,
    PoolPolicy, PoolTab, PoolTenantRow, PoolTenants, PoolTrend, QuotaRow, ReservationRow, ShellModel, UnitCost,
};
use headroom_frontend::{pages, routes::RailEntry};
use std::collections::BTreeMap;

const COLUMNS: [&str; 6] = ["tenant", "used", "quota", "share", "slot-hours", "rejected"];
/// Most points of the half-width charts.
const BESIDE_POINTS: usize = 240;
/// Rows of changes under the charts.
const CHANGES: usize = 20;

/// GET.
pub(crate) async fn get(app: App, Slug(slug): Slug, visit: Visit) -> Response {
    match answer(&app, &visit, &slug).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit, slug: &str) -> crate::app::Result<Response> {
    let pool = app.pool(slug).await?;
    let title = pool.fields.name.clone();
    let spec = Spec {
        title: &title,
        rail: Some(RailEntry::Pools),
        honoured: FilterSet::POOL,
        default_from: "now-30d",
        view: &["tab", "q", "sort", "dir", "cur", "state", "by", "sel"],
    };
    // The address names the pool; a `pool` parameter that came along does not narrow it.
    let mut own = visit.clone();
    own.forget("pool");
    let (shell, window) = shell(app, &own, spec).await?;
    let window = widened(window, &shell, visit, &pool, app).await?;
    let mut shell = shell;
    if shell.filters.from_ms != window.from_ms {
        shell.filters.from_ms = window.from_ms;
        shell.filters.to_ms = window.to_ms;
        shell.filters.from_raw.clone_from(&window.from_raw);
        shell.filters.to_raw.clone_from(&window.to_raw);
        shell.zone = window.zone.clone();
    }
    let detail = app.pool_detail(slug, &window).await?;
    let tracked = app.tracked(Some(&[pool.key])).await?.pop();
    let tab = match visit.get("tab") {
        Some("map") if tracked.is_some() => {
            let now = app.slots_now(slug).await?;
            PoolTab::Map(Box::new(slot::pool_map(app, &now, slot::Wanted::of(visit)).await?))
        }
        Some("tenants") => {
            let (tab, rows) = tenants(app, &own, &shell, &window, &detail).await?;
            if visit.csv().is_some() {
                return Ok(tenants_csv(&shell, slug, &rows));
            }
            PoolTab::Tenants(tab)
        }
        Some("policy") => {
            let live = tracked.as_ref().map(slot::rules);
            PoolTab::Policy(Box::new(PoolPolicy { live, ..policy(app, &window, &detail).await? }))
        }
        Some("history") => {
            let (tab, all) = history(app, &own, &shell, &detail).await?;
            if visit.csv().is_some() {
                return Ok(figure::events_csv(&shell, &format!("{slug}-history"), &all));
            }
            PoolTab::History(tab)
        }
        _ => {
            let tab = trend(app, &own, &shell, &window, &detail).await?;
            let name = |what: &str| format!("{slug}-{what}");
            match visit.csv() {
                Some("rejections") if tab.rejections.is_some() => {
                    return Ok(figure::chart_csv(
                        &shell,
                        &name("rejections"),
                        tab.rejections.as_ref().unwrap_or(&tab.occupancy),
                    ));
                }
                Some("heatmap") => return Ok(figure::heat_csv(&shell, &name("heatmap"), &tab.heatmap)),
                Some(table) => {
                    let signal = tab.signals.iter().find(|s| s.id == table);
                    return Ok(figure::chart_csv(
                        &shell,
                        &name(signal.map_or("occupancy", |s| &s.id)),
                        signal.unwrap_or(&tab.occupancy),
                    ));
                }
                None => PoolTab::Trend(Box::new(tab)),
            }
        }
    };
    let mut head = head(&detail);
    let full = app.full_in(Some(&[detail.now.pool.key])).await?;
    head.full = full.get(&detail.now.pool.key).map(|full| full_in_of(Some(full), window.now_ms));
    let model = PoolModel { head, tab, tenants_count: detail.tenants, tracked: tracked.is_some() };
    Ok(page(&shell, StatusCode::OK, || pages::pool(&shell, &model)))
}

/// A pool that was imported from the past opens on its own last days, not on an empty month.
async fn widened(
    window: Window,
    _: &ShellModel,
    visit: &Visit,
    pool: &headroom_store::pool::Pool,
    app: &App,
) -> crate::app::Result<Window> {
    if visit.get("from").is_some() || visit.get("to").is_some() {
        return Ok(window);
    }
    let Some((first, last)) = app.extent(pool.key).await? else { return Ok(window) };
    if last > window.from_ms {
        return Ok(window);
    }
    let span = window.span_ms();
    let (from_ms, to_ms) = ((last - span).max(first), last);
    let zone = crate::zones::slice(window.zone.name(), from_ms, window.now_ms).unwrap_or_else(|| window.zone.clone());
    let text = headroom_domain::range::rfc3339;
    Ok(Window { from_ms, to_ms, from_raw: text(from_ms), to_raw: text(to_ms), zone, ..window })
}

fn head(d: &PoolDetail) -> PoolHead {
    let f = &d.now.pool.fields;
    let total = d.trend.total();
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    PoolHead {
        pool: Named { slug: f.slug.to_string(), name: f.name.clone() },
        kind: f.kind,
        description: f.description.clone(),
        configured: d.now.capacity.map(|(configured, _)| configured),
        planned_down: d.now.capacity.map_or(0, |(_, down)| down),
        capacity: d.now.effective(),
        min: f.min_slots.map(Into::into),
        max: f.max_slots.map(Into::into),
        occupied: d.now.occupied(),
        reserved_idle: d.reserved_idle,
        full: None,
        occupancy: d.now.occupancy(),
        mean: total.occupancy(),
        peak: peak(&d.trend.series).map(|(value, at)| Peak { value, at_ms: Some(at) }),
        rejected: (total.claims > 0).then_some(total.rejections),
        claims: (total.claims > 0).then_some(total.claims),
        region: f.region.clone(),
        owner: some(&f.owner),
        runbook_url: some(&f.runbook_url),
        as_of_ms: d.now.current.as_ref().map(|c| c.at_ms + i64::from(c.duration_ms)),
        stale: d.now.stale && f.feed_period_ms.is_some(),
        archived_ms: d.now.pool.archived_ms,
    }
}

async fn trend(
    app: &App,
    visit: &Visit,
    shell: &ShellModel,
    window: &Window,
    d: &PoolDetail,
) -> crate::app::Result<PoolTrend> {
    let events = app.event_marks(&d.now.pool, window.from_ms, window.to_ms).await?;
    let notes = figure::with_events(figure::annotations(window, &d.changes), events);
    let step = headroom_domain::format::duration(d.trend.step_ms);
    let frame = figure::frame("occupancy", "Slots", window, &notes);
    let occupancy = figure::model(
        &charts::slots(&frame, &d.trend.buckets),
        &[Variant::Compact, Variant::Medium, Variant::Full],
        format!("used, reserved and capacity per {step}; peaks above the average"),
        d.trend.step_ms,
        figure::csv_href(visit, shell, "occupancy"),
    );
    let total = d.trend.total();
    // The charts beside the first one are half as wide: fewer points say the same and load faster.
    let step_ms = chart_step(window.span_ms(), BESIDE_POINTS).max(d.trend.series.step_ms);
    let edges = boundaries(d.trend.series.start_ms, window.to_ms, step_ms, &window.zone);
    let buckets = d.trend.series.buckets(&edges);
    let step = headroom_domain::format::duration(step_ms);
    let rejections = (total.claims > 0).then(|| {
        let frame = figure::frame("rejections", "Claims", window, &notes);
        let chart = figure::model(
            &charts::claims(&frame, &buckets),
            &[Variant::Compact, Variant::Medium],
            format!("claims per {step}, and how many waited or were rejected"),
            step_ms,
            figure::csv_href(visit, shell, "rejections"),
        );
        // Its letters are those of the first chart, whose list explains them.
        ChartModel { annotations: Vec::new(), ..chart }
    });
    let mut signals = Vec::new();
    for signal in app.pool_signals(d.now.pool.key).await? {
        let points = app.signal(window, d.now.pool.key, signal.signal).await?;
        if points.is_empty() {
            continue;
        }
        let id = format!("signal-{}", signal.name.replace('_', "-"));
        let title = signal.name.replace('_', " ");
        let frame = figure::frame(&id, &title, window, &notes);
        let samples = samples(window, &buckets, &points);
        let chart = figure::model(
            &charts::signal(&frame, &title, &signal.unit, &samples),
            &[Variant::Compact, Variant::Medium],
            if signal.unit.is_empty() {
                format!("average per {step}")
            } else {
                format!("average per {step}, {}", signal.unit)
            },
            step_ms,
            figure::csv_href(visit, shell, &id),
        );
        signals.push(ChartModel { annotations: Vec::new(), ..chart });
    }
    Ok(PoolTrend {
        occupancy,
        rejections,
        heatmap: figure::heat(
            "saturation",
            "When it fills up",
            window,
            &d.trend,
            figure::csv_href(visit, shell, "heatmap"),
            total.claims > 0,
        ),
        signals,
        changes: d.changes.iter().take(CHANGES).map(figure::event).collect(),
        backlog: super::backlog::card(app, visit, d.now.pool.fields.slug.as_str()).await?,
    })
}

/// An extra signal in the buckets of the pool's own curve.
fn samples(window: &Window, buckets: &[Bucket], points: &BTreeMap<Millis, SignalPoint>) -> Vec<SignalSample> {
    buckets
        .iter()
        .filter(|b| b.from_ms < window.now_ms)
        .map(|b| {
            let mut all: Option<SignalPoint> = None;
            for (_, point) in points.range(b.from_ms..b.to_ms) {
                all = Some(all.map_or(*point, |mut sum| {
                    sum.add(point);
                    sum
                }));
            }
            SignalSample {
                from_ms: b.from_ms,
                to_ms: b.to_ms,
                mean: all.map(|p| p.sum_milli as f64 / p.count as f64 / 1000.0),
                least: all.map(|p| p.min_milli as f64 / 1000.0),
                greatest: all.map(|p| p.max_milli as f64 / 1000.0),
            }
        })
        .collect()
}

/// A use as a row of either list.
pub(crate) fn use_row(u: &TenantUse) -> PoolTenantRow {
    let narrow = |wide: i128| i64::try_from(wide).unwrap_or(i64::MAX);
    PoolTenantRow {
        subject: Named { slug: u.slug.clone(), name: u.name.clone() },
        used: u.used,
        quota: u.quota,
        reserved: u.reserved,
        fair_share: u.fair_share,
        occupied_slot_ms: narrow(u.sums.occupied_slot_ms),
        share: u.share,
        peak_used: Some(u.sums.max_occupied),
        rejected: (u.sums.claims > 0).then(|| narrow(u.sums.rejections)),
        reserved_idle_slot_ms: (u.sums.reserved_slot_ms > 0).then(|| narrow(u.sums.reserved_idle_slot_ms)),
    }
}

async fn tenants(
    app: &App,
    visit: &Visit,
    shell: &ShellModel,
    window: &Window,
    d: &PoolDetail,
) -> crate::app::Result<(PoolTenants, Vec<PoolTenantRow>)> {
    let asked = Asked::read(visit, &COLUMNS, "slot-hours", true);
    let uses = app.pool_tenants(d.now.pool.key, window).await?;
    let mut rows: Vec<PoolTenantRow> =
        uses.iter().map(use_row).filter(|r| asked.matches(&[&r.subject.slug, &r.subject.name])).collect();
    let slug = |r: &PoolTenantRow| r.subject.slug.clone();
    match asked.sort.as_str() {
        "tenant" => asked.sort(&mut rows, |r| Some(r.subject.name.to_lowercase()), slug),
        "used" => asked.sort(&mut rows, |r| r.used, slug),
        "quota" => asked.sort(&mut rows, |r| r.quota, slug),
        "share" => asked.sort(&mut rows, |r| r.share, slug),
        "rejected" => asked.sort(&mut rows, |r| r.rejected, slug),
        _ => asked.sort(&mut rows, |r| Some(r.occupied_slot_ms), slug),
    }
    let total = rows.len();
    let state = if total == 0 {
        PanelState::Empty { text: "No tenant used this pool in the window.".into(), action: None }
    } else {
        PanelState::Ready
    };
    let tab = PoolTenants { rows: rows[asked.page(total)].to_vec(), table: asked.state(visit, shell, total), state };
    Ok((tab, rows))
}

fn tenants_csv(shell: &ShellModel, slug: &str, rows: &[PoolTenantRow]) -> Response {
    let header = [
        "tenant",
        "name",
        "used_now",
        "quota",
        "reserved_now",
        "fair_share",
        "slot_hours",
        "share",
        "peak_used",
        "rejections",
        "reserved_idle_slot_hours",
    ];
    let rows = rows.iter().map(|r| {
        vec![
            Cell::Own(r.subject.slug.clone()),
            Cell::Text(r.subject.name.clone()),
            Cell::Int(r.used),
            Cell::Int(r.quota),
            Cell::Int(r.reserved),
            Cell::Float(r.fair_share),
            Cell::Float(Some(slot_hours(r.occupied_slot_ms))),
            Cell::Float(r.share),
            Cell::Int(r.peak_used),
            Cell::Int(r.rejected),
            Cell::Float(r.reserved_idle_slot_ms.map(slot_hours)),
        ]
    });
    csv(shell, &format!("{slug}-tenants"), &header, rows)
}

/// A reservation as a row of either list.
pub(crate) fn reservation_row(slug: &str, name: &str, r: &headroom_store::promise::Stored) -> ReservationRow {
    ReservationRow {
        subject: Named { slug: slug.to_owned(), name: name.to_owned() },
        baseline: r.reservation.baseline,
        ceiling: r.reservation.ceiling,
        from_ms: r.reservation.from_ms,
        to_ms: r.reservation.to_ms,
    }
}

async fn policy(app: &App, window: &Window, d: &PoolDetail) -> crate::app::Result<PoolPolicy> {
    let f = &d.now.pool.fields;
    let organisation = app.organisation().await?;
    let (shows_money, currency) = (app.sees_money(&organisation), organisation.currency);
    let (quotas, reservations) = app.pool_policy(d.now.pool.key, window.now_ms).await?;
    let total = d.trend.total();
    let price = f.unit_cost_micros;
    Ok(PoolPolicy {
        properties: f.properties,
        feed_period_ms: f.feed_period_ms.map(Into::into),
        zone: f.zone.clone(),
        shows_money,
        unit_cost: price.map(|micros| UnitCost { micros, currency: currency.clone() }),
        cost_in_window: price.map(|micros| {
            let slot_ms_micros = i128::from(total.capacity_slot_ms) * i128::from(micros);
            Money { minor: i64::try_from(slot_ms_micros / i128::from(HOUR_MS) / 10_000).unwrap_or(i64::MAX), currency }
        }),
        labels: f.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        services: f.services.clone(),
        capacity_history: d
            .steps
            .iter()
            .rev()
            .map(|s| CapacityRow {
                from_ms: s.from_ms,
                configured: s.configured.into(),
                planned_down: s.planned_down.into(),
                note: Some(s.reason.clone()).filter(|r| !r.is_empty()),
                actor: Some(s.actor.clone()).filter(|a| !a.is_empty()),
            })
            .collect(),
        quotas: quotas
            .iter()
            .map(|(slug, name, q)| QuotaRow {
                subject: Named { slug: slug.clone(), name: name.clone() },
                slots: q.slots.into(),
                from_ms: q.since_ms,
            })
            .collect(),
        reservations: reservations.iter().map(|(slug, name, r)| reservation_row(slug, name, r)).collect(),
        live: None,
    })
}

async fn history(
    app: &App,
    visit: &Visit,
    shell: &ShellModel,
    d: &PoolDetail,
) -> crate::app::Result<(PoolHistory, Vec<EventRow>)> {
    let mut asked = Asked::read(visit, &["time"], "time", true);
    asked.descending = true;
    let mut events: Vec<EventRow> = d.changes.iter().map(figure::event).collect();
    events
        .extend(app.audit_of("pool", d.now.pool.id, d.now.pool.fields.slug.as_str(), HISTORY).await?.iter().map(edit));
    events.retain(|e| asked.matches(&[&e.text, e.actor.as_deref().unwrap_or_default()]));
    events.sort_by_key(|e| -e.at_ms);
    let total = events.len();
    let panel = if total == 0 {
        PanelState::Empty { text: "Nothing happened to this pool in the window.".into(), action: None }
    } else {
        PanelState::Ready
    };
    let tab = PoolHistory {
        events: events[asked.page(total)].to_vec(),
        table: asked.state(visit, shell, total),
        state: panel,
    };
    Ok((tab, events))
}
