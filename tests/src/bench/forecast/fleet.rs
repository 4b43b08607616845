//! What the hourly plan of many pools costs.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use headroom_domain::HOUR_MS;
use headroom_domain::forecast::online::{DEFAULT_KAPPA, Input, MOST_HOURS, Memory, refresh};
use headroom_domain::scaling::{Live, Now, Policy, Rules, needs, plan};

use super::super::figures::{Goal, Report, median};
use super::super::processor;
use super::series::Case;

/// Pools of the fleet.
const POOLS: usize = 10_000;
/// Pools whose series differ; the others are like one of them.
const DIFFERENT: usize = 25;
/// Hours that go by.
const HOURS: usize = POOLS / DIFFERENT;
/// Hours for which each has learnt by its own forecasts.
const WARM_UP: usize = 150;
/// A Monday.
const START: i64 = 24 * (4 + 7 * 2_000);

/// A pool with what it has learnt.
#[derive(Clone)]
struct Pool {
    peaks: Vec<f64>,
    memory: Memory,
}

/// Measures on one thread. Hours go by, so that fits fall due as they do in the service. The series are as long as the service keeps
/// them: those that are shorter are repeated.
pub(super) fn measure(cases: &[Case], report: &mut Report) -> Result<()> {
    report.step("the hourly plan of a fleet");
    let pools: Vec<Pool> = cases.iter().take(DIFFERENT).map(pool).collect();
    if pools.is_empty() {
        return Ok(());
    }
    let (whole, warm) = hours(pools.clone(), 2)?;
    report.value(&format!("plans of {POOLS} pools, 2 hours ahead"), whole, "s of processor", Goal::AtMost(5.0));
    report.value("a warm pool's hourly update, the middle one", warm, "us", Goal::AtMost(50.0));
    let (whole, warm) = hours(pools, 48)?;
    report.value(&format!("plans of {POOLS} pools, 48 hours ahead"), whole, "s of processor", Goal::AtMost(5.0));
    report.note(format!("a warm pool's hourly update with 48 hours, the middle one: {warm:.0} us"));
    Ok(())
}

/// Forecasts and plans until there are as many as pools: seconds of processor, and microseconds of the middle one.
fn hours(mut pools: Vec<Pool>, horizon: usize) -> Result<(f64, f64)> {
    let rules = Rules {
        min: 1,
        max: 1_000_000,
        lead_minutes: 10,
        hold_minutes: 60,
        band_percent: 5,
        cooldown_minutes: 10,
        step_price: 0.0,
    };
    let before = processor::of(std::process::id())?;
    let mut each = Vec::with_capacity(POOLS);
    for hour in 0..HOURS {
        for pool in &mut pools {
            let started = Instant::now();
            let at = MOST_HOURS + WARM_UP + hour;
            let outlook = refresh(&mut pool.memory, &input(&pool.peaks, at, horizon));
            let live = Live { demand: pool.peaks[at - 1], headroom: 0.0 };
            let needs = needs(&outlook, &Policy::Foresee { permille: 950 }, live, &[]);
            let now =
                Now { now_ms: outlook.from_hour * HOUR_MS, capacity: 1, last_grown_ms: None, last_changed_ms: None };
            black_box(plan(&needs, &rules, &now));
            each.push(1e6 * started.elapsed().as_secs_f64());
        }
    }
    let spent = processor::of(std::process::id())? - before;
    Ok((spent * POOLS as f64 / each.len() as f64, median(&each)))
}

fn pool(case: &Case) -> Pool {
    let all = [&case.known[..], &case.came[..]].concat();
    // Whole weeks are repeated, so that the hours of the week go on.
    let weeks = &all[..all.len() / 168 * 168];
    let peaks: Vec<f64> = weeks.iter().copied().cycle().take(MOST_HOURS + WARM_UP + HOURS).collect();
    let mut memory = Memory::default();
    for at in MOST_HOURS..MOST_HOURS + WARM_UP {
        refresh(&mut memory, &input(&peaks, at, 2));
    }
    Pool { peaks, memory }
}

fn input(peaks: &[f64], at: usize, horizon: usize) -> Input<'_> {
    let known = &peaks[at.saturating_sub(MOST_HOURS)..at];
    Input {
        now_hour: START + at as i64,
        peaks: known,
        events: &[],
        earlier: &[],
        offset_hours: 0,
        horizon,
        kappa: DEFAULT_KAPPA,
    }
}
