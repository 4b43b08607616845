//! What the hourly plan of many pools costs.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use headroom_domain::HOUR_MS;
use headroom_domain::forecast::online::{DEFAULT_KAPPA, Input, MOST_HOURS, Memory, refresh};
use headroom_domain::scaling::{Live, Now, Policy, Rules, needs, plan};

use super::super::figures::{Goal, Report};
use super::super::processor;
use super::series::Case;

/// Pools of the fleet.
const POOLS: usize = 10_000;
/// Pools whose series differ; the others are like one of them.
const DIFFERENT: usize = 25;
/// Hours for which each has learnt by its own forecasts.
const WARM_UP: usize = 150;
/// A Monday.
const START: i64 = 24 * (4 + 7 * 2_000);

/// A pool with what it has learnt.
struct Pool {
    peaks: Vec<f64>,
    memory: Memory,
}

/// Measures on one thread. The series are as long as the service keeps them: eight weeks, shorter ones with their beginning repeated.
pub(super) fn measure(cases: &[Case], report: &mut Report) -> Result<()> {
    report.step("the hourly plan of a fleet");
    let mut pools: Vec<Pool> = cases.iter().take(DIFFERENT).map(pool).collect();
    if pools.is_empty() {
        return Ok(());
    }
    let rules = Rules { min: 1, max: 1_000_000, lead_minutes: 10, hold_minutes: 60, band_percent: 5, step_price: 0.0 };
    let rounds = POOLS / pools.len();
    for (name, horizon, goal) in
        [("2 hours ahead", 2, Goal::AtMost(5.0)), ("48 hours ahead, for dashboards too", 48, Goal::AtMost(f64::MAX))]
    {
        let before = processor::of(std::process::id())?;
        let started = Instant::now();
        let mut steps = 0;
        for _ in 0..rounds {
            for pool in &mut pools {
                let outlook = refresh(&mut pool.memory, &input(&pool.peaks, pool.peaks.len(), horizon));
                let demand = pool.peaks.last().copied().unwrap_or_default();
                let live = Live { demand, headroom: 0.0 };
                let needs = needs(&outlook, &Policy::Foresee { permille: 950 }, live, &[]);
                let now = Now { now_ms: outlook.from_hour * HOUR_MS, capacity: 1, last_grown_ms: None };
                steps += black_box(plan(&needs, &rules, &now)).steps.len();
            }
        }
        let spent = processor::of(std::process::id())? - before;
        let each = 1e3 * started.elapsed().as_secs_f64() / (rounds * pools.len()) as f64;
        report.note(format!("{name}: {each:.3} ms a pool, {steps} steps planned"));
        let whole = spent * POOLS as f64 / (rounds * pools.len()) as f64;
        match goal {
            Goal::AtMost(most) if most < f64::MAX => {
                report.value(&format!("plan of {POOLS} pools, {name}"), whole, "s of processor", goal);
            }
            _ => report.note(format!("plan of {POOLS} pools, {name}: {whole:.1} s of processor")),
        }
    }
    Ok(())
}

fn pool(case: &Case) -> Pool {
    let all = [&case.known[..], &case.came[..]].concat();
    let mut peaks: Vec<f64> = all.iter().copied().cycle().take(all.len().div_ceil(168) * 168 * 3).collect();
    let more = peaks.len().saturating_sub(MOST_HOURS + WARM_UP);
    peaks.drain(..more);
    let mut memory = Memory::default();
    for at in peaks.len().saturating_sub(WARM_UP)..peaks.len() {
        refresh(&mut memory, &input(&peaks, at, 2));
    }
    Pool { peaks, memory }
}

fn input(peaks: &[f64], at: usize, horizon: usize) -> Input<'_> {
    let known = &peaks[at.saturating_sub(MOST_HOURS)..at];
    Input { now_hour: START + at as i64, peaks: known, events: &[], offset_hours: 0, horizon, kappa: DEFAULT_KAPPA }
}
