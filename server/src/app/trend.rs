//! Curves: occupancy over time of pools and tenants, heatmaps, extra signals.

use super::window::Window;
use super::{App, Result};
use headroom_domain::accumulate::SignalPoint;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::occupancy::Sums;
use headroom_domain::series::{Bucket, Series, Step, boundaries, chart_step, floor};
use headroom_domain::{DAY_MS, HOUR_MS, Millis};
use headroom_store::history::{self, ALL_POOLS, ALL_TENANTS};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Most points of a chart or its table.
pub const CHART_POINTS: usize = 720;
/// Ranges up to this are answered from minutes.
const MINUTES_UP_TO: Millis = 12 * HOUR_MS;
/// Ranges up to this are answered from five minutes, longer ones from hours.
const FIVE_MINUTES_UP_TO: Millis = 62 * DAY_MS;

/// Which series a curve shows.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Pools; `None` = the total over all pools.
    pub pools: Option<Vec<i32>>,
    /// Tenants; `None` = all of them.
    pub tenants: Option<Vec<i32>>,
}

impl Subject {
    /// One pool.
    pub fn pool(key: i32) -> Self {
        Self { pools: Some(vec![key]), tenants: None }
    }

    /// What a window's filters name.
    pub fn of(window: &Window) -> Self {
        Self { pools: window.pool_keys(), tenants: window.tenant_keys() }
    }
}

/// The finest stored step that suits a span for a subject.
pub fn stored_step(subject: &Subject, span_ms: Millis) -> Step {
    let totals = subject.pools.is_none();
    match (span_ms, &subject.tenants) {
        // Totals of tenants over all pools are stored by the hour.
        (_, Some(_)) if totals => Step::Hour,
        (span, _) if span > FIVE_MINUTES_UP_TO => Step::Hour,
        (span, _) if span <= MINUTES_UP_TO && !totals => Step::Minute,
        _ => Step::FiveMinutes,
    }
}

/// A subject's series over `[from, to)` at a stored step.
///
/// A tenant's points carry the capacity and the observed time of its pools, so that its occupancy
/// is its part of the capacity and a gap in the pool is a gap in the tenant.
pub async fn series(
    conn: &mut PgConnection,
    subject: &Subject,
    step: Step,
    from: Millis,
    to: Millis,
) -> Result<Series> {
    let pools = subject.pools.clone().unwrap_or_else(|| vec![ALL_POOLS]);
    let whole = history::total_series(conn, step, &pools, &[ALL_TENANTS], from, to).await?;
    let whole = if step == Step::Minute && whole.total().is_empty() && subject.tenants.is_none() {
        // Minutes are dropped first; five minutes answer in their place.
        let five = history::total_series(conn, Step::FiveMinutes, &pools, &[ALL_TENANTS], from, to).await?;
        if five.total().is_empty() { whole } else { five }
    } else {
        whole
    };
    let Some(tenants) = &subject.tenants else { return Ok(cut(whole, from, to)) };
    let mut series = history::total_series(conn, step, &pools, tenants, from, to).await?;
    for (point, pool) in series.points.iter_mut().zip(&whole.points) {
        point.capacity_slot_ms = pool.capacity_slot_ms;
        point.observed_ms = pool.observed_ms;
    }
    Ok(cut(series, from, to))
}

/// Drops the points before `from`: a stored step that began earlier tells of time not asked for.
fn cut(mut series: Series, from: Millis, to: Millis) -> Series {
    let skip = ((from - series.start_ms).max(0) / series.step_ms) as usize;
    let skip = skip.min(series.points.len());
    series.points.drain(..skip);
    series.start_ms += skip as i64 * series.step_ms;
    let keep = ((to - series.start_ms).max(0) + series.step_ms - 1) / series.step_ms;
    series.points.truncate(keep as usize);
    series
}

/// A curve ready to be drawn.
#[derive(Debug, Clone)]
pub struct Trend {
    /// The series at its stored step.
    pub series: Series,
    /// The same cut to buckets for a chart.
    pub buckets: Vec<Bucket>,
    /// Length of a bucket.
    pub step_ms: Millis,
}

impl Trend {
    /// Sums over the window.
    pub fn total(&self) -> Sums {
        self.series.total()
    }

    /// Highest occupancy of a stored point, with its start.
    pub fn peak(&self) -> Option<(f64, Millis)> {
        peak(&self.series)
    }
}

/// Highest occupancy of a series' points, with the start of the first that has it.
pub fn peak(series: &Series) -> Option<(f64, Millis)> {
    let mut best: Option<(f64, Millis)> = None;
    for (i, point) in series.points.iter().enumerate() {
        let Some(mut occupancy) = point.occupancy() else { continue };
        if let Some(mean) = point.mean_occupied().filter(|mean| *mean > 0.0)
            && point.max_occupied > 0
        {
            // Within a point the pool was fuller than its average: scale by the maximum.
            occupancy *= point.max_occupied as f64 / mean;
        }
        if best.is_none_or(|(value, _)| occupancy > value) {
            best = Some((occupancy, series.start_ms + i as i64 * series.step_ms));
        }
    }
    best
}

impl App {
    /// The curve of a subject over a window.
    pub async fn trend(&self, window: &Window, subject: &Subject) -> Result<Trend> {
        let mut conn = self.db.pages.acquire().await?;
        trend(&mut conn, window, subject).await
    }

    /// An extra signal of a pool over a window.
    pub async fn signal(&self, window: &Window, pool: i32, signal: i16) -> Result<BTreeMap<Millis, SignalPoint>> {
        let mut conn = self.db.pages.acquire().await?;
        Ok(history::signal(&mut conn, pool, signal, window.from_ms, window.to_ms).await?)
    }
}

/// See [`App::trend`].
pub async fn trend(conn: &mut PgConnection, window: &Window, subject: &Subject) -> Result<Trend> {
    let step = stored_step(subject, window.span_ms());
    let series = series(conn, subject, step, window.from_ms, window.to_ms).await?;
    let step_ms = chart_step(window.span_ms(), CHART_POINTS).max(series.step_ms);
    let edges = boundaries(floor(window.from_ms, series.step_ms), window.to_ms, step_ms, &window.zone);
    let buckets = series.buckets(&edges);
    Ok(Trend { series, buckets, step_ms })
}

/// One cell of a heatmap: all hours of one weekday and hour of the day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cell {
    /// Sums of these hours.
    pub sums: Sums,
    /// Highest occupancy of a stored point.
    pub peak: Option<f64>,
}

/// Peaks by weekday (Monday first) and hour of the local day.
pub fn heatmap(series: &Series, zone: &ZoneSlice) -> Vec<[Cell; 24]> {
    use chrono::{Datelike, Timelike};
    let mut cells = vec![[Cell::default(); 24]; 7];
    for (i, point) in series.points.iter().enumerate().filter(|(_, p)| p.observed_ms > 0) {
        let local = zone.local(series.start_ms + i as i64 * series.step_ms);
        let cell = &mut cells[local.weekday().num_days_from_monday() as usize][local.hour() as usize];
        cell.sums.add(point);
        cell.peak = [cell.peak, point.occupancy()].into_iter().flatten().reduce(f64::max);
    }
    cells
}
