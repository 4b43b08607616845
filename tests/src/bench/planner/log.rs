//! Part 2: the demand of a public log, with requests as promises.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use headroom_domain::MINUTE_MS;
use headroom_domain::reservation::Promise;
use headroom_domain::swf::{Job, Line, parse_line};
use headroom_domain::whatif::{Capacity, Demand, Rules, Steps, replay};

use super::Options;
use crate::bench::figures::{Report, median};

/// Processors of the machine, as the log's header states them.
const PROCESSORS: u32 = 100;
const WEEKS: i64 = 8;

/// Part 2.
pub(super) fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let Some(folder) = std::env::var_os("HEADROOM_DATA").map(PathBuf::from) else {
        report.note("what-if of a log: SKIPPED: HEADROOM_DATA does not name the folder of the public workload logs");
        return Ok(());
    };
    let path = folder.join("swf-kth-sp2").join("KTH-SP2-1996-2.1-cln.swf.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        report.note(format!("what-if of a log: SKIPPED: {} is not there", path.display()));
        return Ok(());
    };
    let mut jobs: Vec<Job> = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(file)).split(b'\n') {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        if let Ok(Line::Job(job)) = parse_line(&line) {
            jobs.push(job);
        }
    }
    // The eight weeks from the middle of the log on.
    let last = jobs.iter().map(|job| job.submit_s).max().unwrap_or_default();
    let from = (last / 2) / 60;
    let minutes = WEEKS * 7 * 1_440;
    let mut changes: BTreeMap<i32, BTreeMap<u32, i64>> = BTreeMap::new();
    let mut promises: Vec<Promise> = Vec::new();
    for job in &jobs {
        // Open-loop: what it would have held had it started when it was sent.
        let (start, end) = (job.submit_s.div_euclid(60) - from, (job.submit_s + job.run_s).div_euclid(60) + 1 - from);
        if end <= 0 || start >= minutes {
            continue;
        }
        let tenant = i32::try_from(job.user).unwrap_or(0);
        let of_tenant = changes.entry(tenant).or_insert_with(|| BTreeMap::from([(0, 0)]));
        *of_tenant.entry(start.max(0) as u32).or_default() += job.slots;
        *of_tenant.entry(end.min(minutes) as u32).or_default() -= job.slots;
        promises.push(Promise {
            pool: 1,
            tenant,
            from_ms: start * MINUTE_MS,
            to_ms: Some((start + (end - start).min(240)) * MINUTE_MS),
            baseline: job.slots.min(8),
            ceiling: None,
            lending_limit: None,
            borrowing_limit: None,
        });
    }
    let series: Vec<(i32, Steps)> = changes
        .into_iter()
        .map(|(tenant, changes)| {
            let mut slots = 0;
            let steps = changes.into_iter().map(|(minute, change)| {
                slots += change;
                (minute, Some(slots as u32))
            });
            (tenant, steps.collect())
        })
        .collect();
    let users = series.len();
    let demand = Demand::of_steps(0, minutes as u32, series);
    let capacity = [Capacity { from_ms: 0, slots: PROCESSORS }];
    let (with, without) = (&promises[..], &[][..]);
    let mut times = Vec::new();
    let mut unmet = (0, 0);
    for _ in 0..options.rounds() {
        let start = Instant::now();
        let before =
            black_box(replay(&demand, &Rules { capacity: &capacity, tenants: &[], promises: without, raised: &[] }));
        let after =
            black_box(replay(&demand, &Rules { capacity: &capacity, tenants: &[], promises: with, raised: &[] }));
        times.push(start.elapsed().as_secs_f64() * 1e3);
        unmet = (before.pool.unmet_minutes, after.pool.unmet_minutes);
    }
    report.note(format!(
        "KTH-SP2, 8 weeks, {users} users, {} of {minutes} minutes change the demand, {} promises: before and after in {:.1} ms \
         ({} and {} minutes with unmet demand)",
        demand.changes(),
        promises.len(),
        median(&times),
        unmet.0,
        unmet.1
    ));
    Ok(())
}
