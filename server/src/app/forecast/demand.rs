//! What was wanted of a pool: held, queued and rejected slots.

use super::super::Result;
use super::super::slots::FIGURES_FRESH_MS;
use crate::allocator::PoolFigures;
use headroom_domain::occupancy::Sums;
use headroom_domain::series::{Series, Step, floor};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::live;
use headroom_store::usage::{self, Wanted};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// The most that was wanted at once within a stretch: slots held at the most, claims waiting on average while the pool was full,
/// and one slot for every claim that was rejected in a minute of that time, as the planner counts them; NaN if less than half of
/// the stretch was observed.
pub(super) fn peak(sums: &Sums, stretch_ms: Millis) -> f64 {
    if sums.observed_ms.saturating_mul(2) < stretch_ms {
        return f64::NAN;
    }
    let rejected = sums.rejections.max(0) as f64 * MINUTE_MS as f64 / short_ms(sums) as f64;
    sums.max_occupied.max(0) as f64 + waiting(sums) + rejected
}

/// Claims that waited, on average while the pool was full.
fn waiting(sums: &Sums) -> f64 {
    sums.queue_ms.max(0) as f64 / short_ms(sums) as f64
}

/// How long the pool was full. Where nothing says that it was, claims waited or were rejected at any time.
fn short_ms(sums: &Sums) -> Millis {
    if sums.saturated_ms > 0 { sums.saturated_ms.max(MINUTE_MS) } else { sums.observed_ms.max(MINUTE_MS) }
}

/// Claims that wait now, by pool: as the owners of tracked pools tell it, else those of the last minute of the history. Pools of whose
/// queue nothing is known are left out.
pub async fn queued(conn: &mut PgConnection, pools: &[i32], now: Millis) -> Result<BTreeMap<i32, f64>> {
    let mut queued = BTreeMap::new();
    let to = floor(now, MINUTE_MS);
    let from = to - super::LIVE_FRESH_MS;
    for (key, series) in history::series(conn, Step::Minute, pools, &[ALL_TENANTS], from, to).await? {
        let last = series.points.iter().rev().find(|sums| sums.observed_ms.saturating_mul(2) >= MINUTE_MS);
        // A source that tells of no queue has none in its history either: that is not the same as nobody waiting.
        if let Some(last) = last.filter(|sums| sums.queue_ms > 0) {
            queued.insert(key.pool, waiting(last));
        }
    }
    for (pool, at, told) in live::list(conn, Some(pools)).await? {
        if now - at < FIGURES_FRESH_MS
            && let Ok(figures) = serde_json::from_value::<PoolFigures>(told)
        {
            queued.insert(pool, figures.queued as f64);
        }
    }
    Ok(queued)
}

/// Peaks by hour over `[from, to)`, which are whole hours; NaN unknown.
pub(super) async fn hours(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<f64>> {
    let series = history::total_series(conn, Step::Hour, &[pool], &[ALL_TENANTS], from, to).await?;
    Ok(laid_out(&series, from, to, HOUR_MS))
}

/// Peaks by UTC day over `[from, to)`, which are whole days; NaN unknown.
pub(super) async fn days(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<f64>> {
    let wanted = Wanted { pools: Some(vec![pool]), tenants: Some(vec![ALL_TENANTS]) };
    let found = usage::days(conn, &wanted, Some(from), Some(to)).await?;
    let mut peaks = vec![f64::NAN; ((to - from) / DAY_MS).max(0) as usize];
    for ((_, _, start), sums) in &found {
        if let Some(place) = usize::try_from((start - from) / DAY_MS).ok().and_then(|place| peaks.get_mut(place)) {
            *place = peak(sums, DAY_MS);
        }
    }
    // Days before the first that is known say nothing.
    let first = peaks.iter().position(|peak| peak.is_finite()).unwrap_or(peaks.len());
    peaks.drain(..first);
    Ok(peaks)
}

/// Demand by minute over `[from, to)`, which are whole hours; NaN unknown. Where minutes are gone, five of them have the demand of
/// their stretch.
pub(super) async fn minutes(conn: &mut PgConnection, pool: i32, from: Millis, to: Millis) -> Result<Vec<f64>> {
    let fine = history::total_series(conn, Step::Minute, &[pool], &[ALL_TENANTS], from, to).await?;
    let mut minutes = laid_out(&fine, from, to, MINUTE_MS);
    if minutes.iter().any(|wanted| wanted.is_nan()) {
        let coarse = history::total_series(conn, Step::FiveMinutes, &[pool], &[ALL_TENANTS], from, to).await?;
        let coarse = laid_out(&coarse, from, to, Step::FiveMinutes.ms());
        for (five, wanted) in minutes.chunks_mut(5).zip(&coarse) {
            if five.iter().all(|wanted| wanted.is_nan()) {
                five.fill(*wanted);
            }
        }
    }
    Ok(minutes)
}

fn laid_out(series: &Series, from: Millis, to: Millis, step_ms: Millis) -> Vec<f64> {
    let mut peaks = vec![f64::NAN; ((to - from) / step_ms).max(0) as usize];
    for (place, sums) in series.points.iter().enumerate() {
        let at = series.start_ms + place as Millis * step_ms;
        if (from..to).contains(&at)
            && let Some(mine) = peaks.get_mut(((at - from) / step_ms) as usize)
        {
            *mine = peak(sums, step_ms);
        }
    }
    peaks
}

/// The hour that runs, once what came of the one before had time to be added up.
pub(super) fn running_hour(now: Millis) -> Millis {
    const SETTLED_MS: Millis = 2 * MINUTE_MS;
    floor(now - SETTLED_MS, HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wanted_is_more_than_what_was_held() {
        let quiet = Sums { observed_ms: HOUR_MS, max_occupied: 40, ..Sums::default() };
        assert!((peak(&quiet, HOUR_MS) - 40.0).abs() < 1e-9);
        // Full for half an hour, in which 60 claims were rejected and ten waited all the time.
        let full = Sums { saturated_ms: HOUR_MS / 2, rejections: 60, queue_ms: 5 * HOUR_MS, ..quiet };
        assert!((peak(&full, HOUR_MS) - 52.0).abs() < 1e-9);
        let half_seen = Sums { observed_ms: HOUR_MS / 2 - 1, ..quiet };
        assert!(peak(&half_seen, HOUR_MS).is_nan(), "missing is not zero");
    }
}
