//! Deciding alone: all windows of all pools and tenants, from tallies that are at hand.

use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use headroom_domain::alert::facts::Facts;
use headroom_domain::alert::replay::BurnRule;
use headroom_domain::alert::rule::{Rule, Subject, TENANT_LEAST_TOTAL};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::{Tally, WHOLE};
use headroom_domain::alert::window::Truth;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};

use super::fleet::{HISTORY_MS, KINDS, Pool, TENANTS};
use super::{Options, WATERMARK_MS};
use crate::bench::figures::{Goal, Report, median};
use crate::bench::processors;

/// Times that all is judged.
const ROUNDS: usize = 7;

/// What is decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Decided {
    /// Rules by pool or tenant.
    judged: usize,
    /// Windows that were looked at.
    windows: usize,
    /// Those of which somebody is told.
    hold: usize,
}

/// Tallies as the engine has them in a round, and the rules about budgets as they are shipped.
struct World {
    pools: i32,
    tallies: HashMap<(i32, Millis), Tally>,
    rules: Vec<(Sli, bool, BurnRule)>,
}

impl World {
    fn new(pools: usize) -> Result<Self> {
        let mut rules = Vec::new();
        for rule in Rule::built_in().into_iter().map(|built_in| built_in.rule) {
            if let Subject::Burn { sli, tenants, .. } = &rule.subject {
                let burn = rule.burn_rule(sli.default_budget()).context("a shipped rule has a budget")?;
                rules.push((*sli, *tenants, burn));
            }
        }
        let windows = rules.iter().flat_map(|(.., rule)| &rule.tiers).flat_map(|tier| &tier.all);
        let mut wanted: BTreeSet<Millis> = windows.map(|part| WATERMARK_MS - part.window_ms).collect();
        wanted.insert(WATERMARK_MS);
        let born = WATERMARK_MS - HISTORY_MS;
        let kinds: Vec<_> =
            Pool::all().map(|kind| kind.tallies(born, WATERMARK_MS - 10 * MINUTE_MS, &wanted)).collect();
        let mut tallies = HashMap::new();
        for pool in 0..pools {
            for (at, tally) in &kinds[pool % KINDS] {
                tallies.insert((pool as i32, *at), tally.clone());
            }
        }
        Ok(Self { pools: pools as i32, tallies, rules })
    }

    /// What the engine does with pools, without reading and writing.
    fn decide(&self, pools: std::ops::Range<i32>) -> Decided {
        let mut decided = Decided::default();
        for pool in pools {
            let Some(end) = self.tallies.get(&(pool, WATERMARK_MS)) else { continue };
            for (sli, tenants, rule) in &self.rules {
                let keys = end.keys().map(|(key, _)| key).filter(|key| key.sli == *sli);
                for key in keys.filter(|key| key.tenant == WHOLE || *tenants) {
                    let window = |window_ms| {
                        let start = WATERMARK_MS - window_ms;
                        end.window(key, self.tallies.get(&(pool, start)), start, WATERMARK_MS)
                    };
                    let least = if key.tenant == WHOLE || *sli == Sli::Waste { 0 } else { TENANT_LEAST_TOTAL };
                    let judged = rule.judge_busy(least, window);
                    decided.judged += 1;
                    decided.windows += judged.tiers.iter().map(|tier| tier.burns.len()).sum::<usize>();
                    decided.hold += usize::from(judged.verdicts.ticket == Truth::True);
                    black_box(Facts::of_burn(*sli, rule, &judged));
                }
            }
        }
        decided
    }

    /// The same by so many threads.
    fn decide_by(&self, threads: i32) -> Vec<Decided> {
        let share = self.pools.div_euclid(threads) + 1;
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|turn| {
                    let pools = turn * share..((turn + 1) * share).min(self.pools);
                    scope.spawn(move || self.decide(pools))
                })
                .collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).collect()
        })
    }
}

/// Part 2. Returns the seconds on one processor, by pool or tenant, with all rules about budgets.
pub(super) fn measure(options: &Options, report: &mut Report) -> Result<f64> {
    let pools = options.pools();
    report.step(&format!("tallies of {pools} pools with {TENANTS} tenants each"));
    let world = World::new(pools)?;
    let threads = processors().min(2);
    let (mut single, mut both, mut decided) = (Vec::new(), Vec::new(), Decided::default());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        decided = world.decide(0..world.pools);
        single.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let parts = world.decide_by(threads as i32);
        both.push(start.elapsed().as_secs_f64());
        ensure!(parts.iter().map(|part| part.judged).sum::<usize>() == decided.judged, "something was left out");
    }
    let (single, both) = (median(&single), median(&both));
    let Decided { judged, windows, hold } = decided;
    ensure!(hold > 0 && hold < judged / 10, "{hold} of {judged} hold: that is no usual minute");
    let longest = world.rules.iter().map(|(.., rule)| rule.longest_ms()).max().unwrap_or_default();
    report.note(format!(
        "{pools} pools with {TENANTS} tenants each: {judged} rules of a pool or tenant, {windows} windows up to {} h, {hold} hold",
        longest / HOUR_MS
    ));
    let scale = if pools == 10_000 { String::new() } else { format!(", {pools} pools only") };
    report.note(format!(
        "deciding in one thread{scale}: {:.0} ms, {:.2} µs a rule",
        single * 1e3,
        single * 1e6 / judged as f64
    ));
    report.value(&format!("deciding in {threads} threads{scale}"), both, "s", Goal::AtMost(1.0));
    Ok(single / (pools * (TENANTS + 1)) as f64)
}
