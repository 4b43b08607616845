//! `/overview`: the executive's page.

use super::answer::{Cell, csv, failure, page};
use super::figure;
use super::forecast::full_in_of;
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::allocator::PoolFigures;
use crate::app::live::Watched;
use crate::app::overview::Overview;
use crate::app::trend::peak;
use crate::app::window::Window;
use crate::app::{App, Result};
use crate::charts::{self, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::MINUTE_MS;
use headroom_domain::format::money_short;
use headroom_domain::occupancy::{Sums, slot_hours};
use headroom_domain::pool::{OCCUPANCY_CRIT, OCCUPANCY_WARN};
use headroom_frontend::model::{
    FilterSet, Metric, Money, Named, NowBar, OverviewModel, PanelState, Peak, Risk, ShellModel, StandingModel,
    StatCard, TopTenant,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::forecast::FullIn;

const SPEC: Spec<'static> = Spec {
    title: "Executive overview",
    rail: Some(RailEntry::Overview),
    honoured: FilterSet::ALL,
    default_from: "now-45d",
    view: &[],
};

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    let (shell, window) = match shell(&app, &visit, SPEC).await {
        Ok(both) => both,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let overview = match app.overview(&window).await {
        Ok(overview) => overview,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut model = model(&visit, &shell, &window, &overview);
    // A range that ended says nothing about this moment.
    if window.to_ms >= window.now_ms - MINUTE_MS {
        match app.tracked(window.pool_keys().as_deref()).await {
            Ok(tracked) => model.now = now_bar(&tracked),
            Err(error) => return failure(&app, &visit, error).await,
        }
        match standing(&app, &window).await {
            Ok(standing) => model.standing = Some(standing),
            Err(error) => return failure(&app, &visit, error).await,
        }
        match risks(&app, &window).await {
            Ok((risks, without)) => (model.risks, model.without_risk) = (risks, without),
            Err(error) => return failure(&app, &visit, error).await,
        }
    }
    match visit.csv() {
        Some("heatmap") => figure::heat_csv(&shell, "heatmap", &model.heatmap),
        Some("tenants") => top_csv(&shell, &model),
        Some(_) => figure::chart_csv(&shell, "overview", &model.trend),
        None => page(&shell, StatusCode::OK, || pages::overview(&shell, &model)),
    }
}

/// Most risks that are listed.
const MOST_RISKS: usize = 8;
/// Days within which being full is a risk.
const RISK_DAYS: u32 = 30;

/// Pools that may be full within the month, the soonest first, and how many have no such risk.
async fn risks(app: &App, window: &Window) -> crate::app::Result<(Vec<Risk>, i64)> {
    let keys = window.pool_keys();
    let full = app.full_in(keys.as_deref()).await?;
    let soonest = |full: &FullIn| full.p90_days.or(full.p50_days);
    let is_risk = |full: &FullIn| full.full_at_ms.is_some() || soonest(full).is_some_and(|days| days <= RISK_DAYS);
    let mut at_risk: Vec<(i32, FullIn)> =
        full.iter().filter(|(_, full)| is_risk(full)).map(|(key, full)| (*key, *full)).collect();
    let without = i64::try_from(full.len() - at_risk.len()).unwrap_or(i64::MAX);
    at_risk.sort_by_key(|(key, full)| (full.full_at_ms.unwrap_or(i64::MAX), soonest(full).unwrap_or(u32::MAX), *key));
    at_risk.truncate(MOST_RISKS);
    let keys: Vec<i32> = at_risk.iter().map(|(key, _)| *key).collect();
    let names = app.pools_named(&keys).await?;
    let risk = |(key, full): &(i32, FullIn)| {
        let (slug, name) = names.get(key)?.clone();
        Some(Risk { pool: Named { slug, name }, full: full_in_of(Some(full), window.now_ms) })
    };
    Ok((at_risk.iter().filter_map(risk).collect(), without))
}

/// How promises and alerts stand, of the pools and tenants that are looked at.
async fn standing(app: &App, window: &Window) -> Result<StandingModel> {
    let (pools, tenants) = (window.pool_keys(), window.tenant_keys());
    let standing = app.standing(pools.as_deref()).await?;
    let open = app.open_alerts(pools.as_deref(), tenants.as_deref()).await?;
    let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    Ok(StandingModel {
        in_budget: count(standing.in_budget),
        burning: count(standing.burning),
        spent: count(standing.spent),
        unknown: count(standing.unknown),
        worst: standing.worst.iter().map(|promise| super::slos::row(promise, window)).collect(),
        pages: open.pages,
        unowned: open.unowned,
        tickets: open.tickets,
    })
}

fn model(visit: &Visit, shell: &ShellModel, window: &Window, o: &Overview) -> OverviewModel {
    let notes = figure::annotations(window, &o.changes);
    let frame = figure::frame("occupancy", "Global occupancy trend", window, &notes);
    let spec = charts::occupancy(&frame, &o.trend.buckets, OCCUPANCY_WARN, OCCUPANCY_CRIT);
    let step = headroom_domain::format::duration(o.trend.step_ms);
    let trend = figure::model(
        &spec,
        &[Variant::Compact, Variant::Medium, Variant::Wide],
        format!("average per {step} with the band of its {}s, % of capacity", figure::resolution(&o.trend.series)),
        o.trend.step_ms,
        figure::csv_href(visit, shell, "trend"),
    );
    let total = o.trend.total();
    OverviewModel {
        pools_in_scope: o.pools,
        cards: cards(shell, window, o, &total),
        now: None,
        standing: None,
        trend,
        top_tenants: o
            .top
            .iter()
            .map(|t| TopTenant {
                tenant: Named { slug: t.slug.clone(), name: t.name.clone() },
                occupied_slot_ms: i64::try_from(t.occupied_slot_ms).unwrap_or(i64::MAX),
                share: t.share,
                quota_use: t.quota_use,
                quota_peak: t.quota_peak,
                fair_share: t.fair_share,
            })
            .collect(),
        tenants_in_scope: o.tenants,
        risks: Vec::new(),
        without_risk: 0,
        top_tenants_state: if o.top.is_empty() {
            PanelState::Empty { text: "No tenant used anything in this window.".into(), action: None }
        } else {
            PanelState::Ready
        },
        heatmap: figure::heat(
            "saturation",
            "When we saturate",
            window,
            &o.trend,
            figure::csv_href(visit, shell, "heatmap"),
            total.claims > 0,
        ),
        completeness: completeness(o),
        over_capacity: o.over.iter().map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() }).collect(),
    }
}

/// What the owners of the tracked pools told last.
fn now_bar(tracked: &[Watched]) -> Option<NowBar> {
    if tracked.is_empty() {
        return None;
    }
    let fresh: Vec<&PoolFigures> = tracked.iter().filter_map(Watched::fresh).collect();
    let sum = |value: fn(&PoolFigures) -> u64| {
        let total: u64 = fresh.iter().map(|figures| value(figures)).sum();
        (!fresh.is_empty()).then(|| i64::try_from(total).unwrap_or(i64::MAX))
    };
    Some(NowBar {
        occupied: sum(|f| f.occupied),
        capacity: sum(|f| f.capacity.into()),
        free: sum(|f| f.free),
        queued: sum(|f| f.queued),
        rejected_1m: sum(|f| f.rejected_1m),
    })
}

fn completeness(o: &Overview) -> PanelState {
    if o.pools == 0 {
        return PanelState::Empty {
            text: "Connect a data source to see capacity: make a pool, then import its history or send samples.".into(),
            action: Some(headroom_frontend::model::Link {
                label: "How data gets in".into(),
                href: "/help#import".into(),
            }),
        };
    }
    if o.now.stale > 0 && o.now.fresh > 0 {
        let named = o.silent.join(", ");
        let rest = o.now.stale - o.silent.len() as i64;
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let text = format!(
            "{} of {} pools sent nothing for 5 min ({named}{more}). What is said about now leaves them out.",
            o.now.stale,
            o.now.stale + o.now.fresh
        );
        return PanelState::Partial { text };
    }
    PanelState::Ready
}

fn cards(shell: &ShellModel, window: &Window, o: &Overview, total: &Sums) -> Vec<StatCard> {
    let basis = shell.filters.basis();
    let card = |metric, anchor: &str| StatCard {
        metric,
        window: shell.filters.window(),
        value: None,
        unknown_because: None,
        peak: None,
        previous: None,
        basis: basis.clone(),
        detail: String::new(),
        money: None,
        spark: Vec::new(),
        href: format!("{}{anchor}", shell.url.link("/pools")),
        as_of_ms: o.newest_ms,
    };
    let effective = |(configured, down): (i64, i64)| headroom_domain::pool::effective(configured, down);
    let series = &o.trend.series;

    let money = |micros: i128| Money {
        minor: i64::try_from(micros / 10_000).unwrap_or(i64::MAX),
        currency: o.currency.clone(),
    };

    let size = StatCard {
        window: if window.is_live() { "now".into() } else { "at the end".into() },
        value: (o.pools > 0).then(|| effective(o.capacity_now) as f64),
        previous: Some(effective(o.capacity_before) as f64).filter(|v| *v > 0.0),
        basis: format!("start of {}", shell.filters.window()),
        detail: [
            (o.capacity_now.1 > 0)
                .then(|| format!("{} planned down", headroom_domain::format::count(o.capacity_now.1))),
            o.costs.and_then(|costs| costs.capacity_micros).map(|micros| {
                let cost = money(micros);
                format!("cost {} in {}", money_short(cost.minor, &cost.currency), shell.filters.window())
            }),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · "),
        spark: capacity_spark(series),
        ..card(Metric::PoolSize, "")
    };
    // The card, the chart and its CSV end with the same number: the window's newest bucket.
    let last = o.trend.buckets.iter().rev().find(|b| b.sums.observed_ms > 0);
    let occupancy = StatCard {
        window: if window.is_live() { "now".into() } else { "at the end".into() },
        value: last.and_then(|b| b.sums.occupancy()),
        unknown_because: last.is_none().then(|| "nothing was observed in this window".into()),
        peak: peak(series).map(|(value, at)| Peak { value, at_ms: Some(at) }),
        previous: o.prior.and_then(|s| s.occupancy()),
        detail: total
            .occupancy()
            .map(|mean| format!("average {}", headroom_domain::format::percent(mean)))
            .unwrap_or_default(),
        spark: figure::spark(series, Sums::occupancy),
        href: "#occupancy".into(),
        ..card(Metric::Occupancy, "")
    };
    let has_claims = total.claims > 0;
    let saturation = StatCard {
        value: has_claims.then_some(total.rejections as f64),
        unknown_because: (!has_claims).then(|| "no claims were reported in this window".into()),
        previous: o.prior.filter(|s| s.claims > 0).map(|s| s.rejections as f64),
        detail: total.rejected_share().map(|s| format!("{:.1} per 10k claims", s * 10_000.0)).unwrap_or_default(),
        spark: figure::spark(series, |s| (s.observed_ms > 0).then_some(s.rejections as f64)),
        ..card(Metric::SaturationEvents, "")
    };
    let waste = StatCard {
        value: total.reservation_waste(),
        unknown_because: (total.reserved_slot_ms == 0).then(|| "nothing was reserved in this window".into()),
        previous: o.prior.and_then(|s| s.reservation_waste()),
        money: o.costs.map(|costs| money(costs.waste_micros)),
        spark: figure::spark(series, Sums::reservation_waste),
        ..card(Metric::ReservationWaste, "")
    };
    vec![size, occupancy, saturation, waste]
}

fn top_csv(shell: &ShellModel, model: &OverviewModel) -> Response {
    let rows = model.top_tenants.iter().map(|t| {
        vec![
            Cell::Own(t.tenant.slug.clone()),
            Cell::Text(t.tenant.name.clone()),
            Cell::Float(Some(slot_hours(t.occupied_slot_ms))),
            Cell::Float(t.share),
            Cell::Float(t.quota_use),
            Cell::Float(t.fair_share),
        ]
    });
    csv(shell, "top-tenants", &["tenant", "name", "slot_hours", "share", "quota_use", "fair_share_of_quota"], rows)
}

/// Slots there were, over time: a total over pools is observed once per pool, so its capacity is
/// divided by the wall clock and not by the observed time.
fn capacity_spark(series: &headroom_domain::series::Series) -> Vec<Option<f64>> {
    let n = series.points.len();
    let per = n.div_ceil(60).max(1);
    series
        .points
        .chunks(per)
        .map(|part| {
            let seen: Vec<&Sums> = part.iter().filter(|p| p.observed_ms > 0).collect();
            let total: i64 = seen.iter().map(|p| p.capacity_slot_ms).sum();
            headroom_domain::occupancy::ratio(total, seen.len() as i64 * series.step_ms)
        })
        .collect()
}
