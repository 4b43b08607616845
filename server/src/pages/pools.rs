//! `/pools`: the list.

use super::answer::{Cell, csv, failure, page};
use super::figure::{self, local};
use super::forecast::full_in_of;
use super::shell::{Spec, shell};
use super::table::Asked;
use super::visit::Visit;
use crate::app::App;
use crate::app::pools::{PoolNow, PoolWindow};
use crate::app::window::Window;
use crate::charts::{self, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::pool::{OCCUPANCY_CRIT, OCCUPANCY_WARN, PoolKind};
use headroom_domain::range::rfc3339;
use headroom_domain::series::{boundaries, chart_step};
use headroom_frontend::model::{
    FilterSet, Link, Named, PanelState, Peak, PoolRow, PoolsModel, ShellModel, SmallMultiple,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::forecast::FullIn;
use std::collections::HashMap;

const SPEC: Spec<'static> = Spec {
    title: "Pools",
    rail: Some(RailEntry::Pools),
    honoured: FilterSet { tenant: false, compare: false, ..FilterSet::ALL },
    default_from: "now-45d",
    view: &["q", "kind", "owner", "archived", "sort", "dir", "cur", "view"],
};
const COLUMNS: [&str; 9] = ["pool", "kind", "slots", "occupancy", "peak", "free", "reserved", "rejected", "owner"];
/// Beyond this many pools the window's sums are read for the rows of one page only, so that sorting
/// by them is not offered.
const SORT_BY_WINDOW_UP_TO: usize = 1_000;

struct Row {
    now: PoolNow,
    window: PoolWindow,
    full: Option<FullIn>,
}

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    match answer(&app, &visit).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit) -> crate::app::Result<Response> {
    let (mut shell, window) = shell(app, visit, SPEC).await?;
    let with_archived = visit.get("archived") == Some("1");
    let kind = visit.get("kind").and_then(|k| k.parse::<PoolKind>().ok());
    let owner = visit.get("owner").unwrap_or_default().to_owned();
    let mut asked = Asked::read(visit, &COLUMNS, "occupancy", true);

    let all = app.pools(&window, with_archived).await?;
    let any = !all.is_empty();
    let mut rows: Vec<Row> = all
        .into_iter()
        .filter(|p| {
            let f = &p.pool.fields;
            asked.matches(&[f.slug.as_str(), &f.name, &f.description])
                && kind.is_none_or(|k| f.kind == k)
                && (owner.is_empty() || f.owner.eq_ignore_ascii_case(&owner))
        })
        .map(|now| Row { now, window: PoolWindow::default(), full: None })
        .collect();
    let by_window = matches!(asked.sort.as_str(), "peak" | "rejected" | "reserved");
    if by_window && rows.len() > SORT_BY_WINDOW_UP_TO {
        shell.notices.push(format!(
            "Sorting by {} needs at most {SORT_BY_WINDOW_UP_TO} pools; filter first. Sorted by occupancy.",
            asked.sort
        ));
        asked.sort = "occupancy".into();
    }
    let export = visit.csv().is_some();
    if by_window || (export && rows.len() <= SORT_BY_WINDOW_UP_TO) {
        let keys: Vec<i32> = rows.iter().map(|r| r.now.pool.key).collect();
        fill(&mut rows, app.pools_window(&window, &keys).await?);
    }
    let mut full = app.full_in(None).await?;
    for row in &mut rows {
        row.full = full.remove(&row.now.pool.key);
    }
    sort(&asked, &mut rows);
    let total = rows.len();
    let capacity: Option<i64> = rows.iter().filter_map(|r| r.now.effective()).reduce(|a, b| a + b);
    let known: (i64, i64) = rows
        .iter()
        .filter_map(|r| r.now.occupied().zip(r.now.effective()))
        .fold((0, 0), |sum, (occupied, capacity)| (sum.0 + occupied, sum.1 + capacity));
    if export {
        return Ok(table_csv(&shell, &rows, window.now_ms));
    }
    let mut shown: Vec<Row> = rows.drain(asked.page(total)).collect();
    if !by_window {
        let keys: Vec<i32> = shown.iter().map(|r| r.now.pool.key).collect();
        fill(&mut shown, app.pools_window(&window, &keys).await?);
    }
    let as_multiples = visit.get("view") == Some("multiples");
    let model = PoolsModel {
        total: total as i64,
        capacity,
        occupancy: headroom_domain::occupancy::ratio(known.0, known.1),
        multiples: if as_multiples { shown.iter().map(|r| multiple(&shell, &window, r)).collect() } else { Vec::new() },
        rows: shown.iter().map(|r| row(r, window.now_ms)).collect(),
        table: asked.state(visit, &shell, total),
        kind,
        owner,
        with_archived,
        as_multiples,
        state: match (total, any) {
            (0, false) => PanelState::Empty {
                text: "No pools yet. Make one, or import its history.".into(),
                action: shell.plans().then(|| Link { label: "New pool".into(), href: "/pools/new".into() }),
            },
            (0, true) => PanelState::Empty {
                text: "No pool matches these filters.".into(),
                action: Some(Link { label: "Clear filters".into(), href: "/pools".into() }),
            },
            _ => PanelState::Ready,
        },
    };
    Ok(page(&shell, StatusCode::OK, || pages::pools(&shell, &model)))
}

fn fill(rows: &mut [Row], mut found: HashMap<i32, PoolWindow>) {
    for row in rows {
        if let Some(window) = found.remove(&row.now.pool.key) {
            row.window = window;
        }
    }
}

fn sort(asked: &Asked, rows: &mut [Row]) {
    let slug = |r: &Row| r.now.pool.fields.slug.to_string();
    match asked.sort.as_str() {
        "pool" => asked.sort(rows, |r| Some(r.now.pool.fields.name.to_lowercase()), slug),
        "kind" => asked.sort(rows, |r| Some(r.now.pool.fields.kind.as_str()), slug),
        "slots" => asked.sort(rows, |r| r.now.effective(), slug),
        "free" => asked.sort(rows, |r| Some(r.now.effective()? - r.now.occupied()?), slug),
        "peak" => asked.sort(rows, |r| r.window.peak.map(|(value, _)| value), slug),
        "reserved" => asked.sort(rows, reserved_idle, slug),
        "rejected" => asked.sort(rows, |r| (r.window.sums.claims > 0).then_some(r.window.sums.rejections), slug),
        "owner" => asked.sort(rows, |r| Some(r.now.pool.fields.owner.to_lowercase()).filter(|o| !o.is_empty()), slug),
        _ => asked.sort(rows, |r| r.now.occupancy(), slug),
    }
}

/// Slots reserved and not in use, on average over the window's last observed point.
fn reserved_idle(row: &Row) -> Option<i64> {
    let series = row.window.series.as_ref()?;
    let last = series.points.iter().rev().find(|p| p.observed_ms > 0)?;
    (row.window.sums.reserved_slot_ms > 0).then(|| last.reserved_idle_slot_ms / last.observed_ms)
}

fn row(r: &Row, now: i64) -> PoolRow {
    let f = &r.now.pool.fields;
    let has_claims = r.window.sums.claims > 0;
    PoolRow {
        pool: Named { slug: f.slug.to_string(), name: f.name.clone() },
        kind: f.kind,
        capacity: r.now.effective(),
        occupied: r.now.occupied(),
        occupancy: r.now.occupancy(),
        mean: r.window.sums.occupancy(),
        peak: r.window.peak.map(|(value, at)| Peak { value, at_ms: Some(at) }),
        reserved_idle: reserved_idle(r),
        rejected: has_claims.then_some(r.window.sums.rejections),
        claims: has_claims.then_some(r.window.sums.claims),
        full: full_in_of(r.full.as_ref(), now),
        owner: Some(f.owner.clone()).filter(|o| !o.is_empty()),
        region: f.region.clone(),
        as_of_ms: r.now.current.as_ref().map(|c| c.at_ms + i64::from(c.duration_ms)),
        stale: r.now.stale && f.feed_period_ms.is_some(),
        archived: r.now.pool.archived_ms.is_some(),
    }
}

fn multiple(shell: &ShellModel, window: &Window, r: &Row) -> SmallMultiple {
    let f = &r.now.pool.fields;
    let step = chart_step(window.span_ms(), 160).max(headroom_domain::HOUR_MS);
    let buckets = r
        .window
        .series
        .as_ref()
        .map(|s| s.buckets(&boundaries(s.start_ms, window.to_ms, step, &window.zone)))
        .unwrap_or_default();
    let id = format!("multiple-{}", f.slug);
    let frame = figure::frame(&id, &f.name, window, &[]);
    let spec = charts::occupancy(&frame, &buckets, OCCUPANCY_WARN, OCCUPANCY_CRIT);
    SmallMultiple {
        link: Link { label: f.name.clone(), href: shell.url.link(&format!("/pools/{}", f.slug)) },
        svg: charts::draw(&spec, Variant::Mini).svg,
        description: charts::describe(&spec),
    }
}

fn table_csv(shell: &ShellModel, rows: &[Row], now: i64) -> Response {
    let header = [
        "pool",
        "name",
        "kind",
        "capacity",
        "occupied",
        "occupancy",
        "mean_occupancy",
        "peak_occupancy",
        "peak_utc",
        "peak_local",
        "free",
        "reserved_idle",
        "claims",
        "rejections",
        "owner",
        "region",
        "as_of_utc",
    ];
    let rows = rows.iter().map(|r| {
        let p = row(r, now);
        let peak_at = p.peak.and_then(|peak| peak.at_ms);
        vec![
            Cell::Own(p.pool.slug),
            Cell::Text(p.pool.name),
            Cell::Own(p.kind.to_string()),
            Cell::Int(p.capacity),
            Cell::Int(p.occupied),
            Cell::Float(p.occupancy),
            Cell::Float(p.mean),
            Cell::Float(p.peak.map(|peak| peak.value)),
            Cell::Own(peak_at.map(rfc3339).unwrap_or_default()),
            Cell::Own(peak_at.map(|at| local(shell, at)).unwrap_or_default()),
            Cell::Int(p.capacity.zip(p.occupied).map(|(c, o)| c - o)),
            Cell::Int(p.reserved_idle),
            Cell::Int(p.claims),
            Cell::Int(p.rejected),
            Cell::Text(p.owner.unwrap_or_default()),
            Cell::Text(p.region.unwrap_or_default()),
            Cell::Own(p.as_of_ms.map(rfc3339).unwrap_or_default()),
        ]
    });
    csv(shell, "pools", &header, rows)
}
