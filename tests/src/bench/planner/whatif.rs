//! Part 1: synthetic demand of the size that the planner is built for.

use std::f64::consts::TAU;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use headroom_domain::reservation::Promise;
use headroom_domain::whatif::{Capacity, Demand, Outcome, Rules, Tenant, UNKNOWN, reference, replay};
use headroom_domain::{MINUTE_MS, Millis};
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;

use super::Options;
use crate::bench::figures::{Goal, Pair, Report, median};
use crate::bench::processors;
use headroom_server::clock;

const DAY: i64 = 1_440;
/// A Monday at midnight.
const START_MS: Millis = 1_795_392_000_000;
/// The goal: before and after together.
const GOAL_MS: f64 = 300.0;

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    days: i64,
    tenants: i32,
    reservations: usize,
    /// Slots for each tenant on average.
    slots: f64,
}

/// A pool, its demand, and an edit of its promises.
struct World {
    demand: Demand,
    capacity: Vec<Capacity>,
    tenants: Vec<Tenant>,
    before: Vec<Promise>,
    after: Vec<Promise>,
}

impl World {
    /// Demand with days, weeks and noise of its own for each tenant; busy enough that the pool is full for some hours a day;
    /// an hour in which nothing was seen now and then; promises of a few hours up to two weeks.
    fn new(seed: u64, size: Size) -> Self {
        let chance = &mut clock::seeded(seed);
        let capacity = (size.slots * f64::from(size.tenants) * 0.95) as u32;
        let habits: Vec<Habit> = (0..size.tenants).map(|_| Habit::new(chance, size.slots)).collect();
        let minutes = size.days * DAY;
        let mut noise = vec![0.0; habits.len()];
        let mut wanted = Vec::with_capacity(minutes as usize * habits.len());
        for minute in 0..minutes {
            let unseen = minute % (9 * DAY) >= 9 * DAY - 60;
            for (habit, noise) in habits.iter().zip(&mut noise) {
                let step: f64 = chance.sample(StandardNormal);
                *noise = *noise * 0.97 + step * 0.05;
                wanted.push(if unseen { UNKNOWN } else { habit.at(minute, *noise) });
            }
        }
        let keys: Vec<i32> = (1..=size.tenants).collect();
        let promise = |chance: &mut StdRng| {
            let tenant = chance.random_range(1..=size.tenants);
            let from = chance.random_range(0..minutes);
            let length = chance.random_range(60..14 * DAY);
            // About as much is promised at once as half of the pool.
            let at_once = size.reservations as f64 * (7 * DAY) as f64 / minutes as f64;
            let mean = f64::from(capacity) / 2.0 / at_once;
            let baseline = chance.random_range(1..=(2.0 * mean) as i64 + 1);
            let limit = |chance: &mut StdRng, most: i64| chance.random_bool(0.3).then(|| chance.random_range(0..=most));
            Promise {
                pool: 1,
                tenant,
                from_ms: START_MS + from * MINUTE_MS,
                to_ms: Some(START_MS + (from + length) * MINUTE_MS),
                baseline,
                ceiling: None,
                lending_limit: limit(chance, baseline),
                borrowing_limit: limit(chance, 4 * baseline),
            }
        };
        let before: Vec<Promise> = (0..size.reservations).map(|_| promise(chance)).collect();
        let mut after = before.clone();
        for place in 0..size.reservations.div_ceil(100) {
            let edited = place * 97 % size.reservations;
            after[edited] = promise(chance);
        }
        let tenants = keys
            .iter()
            .map(|key| Tenant {
                key: *key,
                quota: (key % 10 == 0).then_some((size.slots * 1.5) as u32),
                priority: 4 + (key % 3) as u8,
            })
            .collect();
        let steps = [(0, capacity), (size.days / 2, capacity - capacity / 20), (size.days / 2 + 1, capacity)];
        Self {
            demand: Demand::of_minutes(START_MS, keys, wanted),
            capacity: steps
                .into_iter()
                .map(|(day, slots)| Capacity { from_ms: START_MS + day * DAY * MINUTE_MS, slots })
                .collect(),
            tenants,
            before,
            after,
        }
    }

    fn rules<'a>(&'a self, promises: &'a [Promise]) -> Rules<'a> {
        Rules { capacity: &self.capacity, tenants: &self.tenants, promises, raised: &[] }
    }

    /// Before and after, one after the other.
    fn one_thread(&self) -> (Outcome, Outcome) {
        (replay(&self.demand, &self.rules(&self.before)), replay(&self.demand, &self.rules(&self.after)))
    }

    /// Before and after at the same time.
    fn two_threads(&self) -> Option<(Outcome, Outcome)> {
        thread::scope(|scope| {
            let before = scope.spawn(|| replay(&self.demand, &self.rules(&self.before)));
            let after = replay(&self.demand, &self.rules(&self.after));
            Some((before.join().ok()?, after))
        })
    }
}

/// What a tenant wants by time of day and day of week.
struct Habit {
    slots: f64,
    peak: f64,
    swing: f64,
    weekend: f64,
}

impl Habit {
    fn new(chance: &mut StdRng, slots: f64) -> Self {
        Self {
            slots: slots * chance.random_range(0.3..1.7),
            peak: chance.random_range(9.0..17.0),
            swing: chance.random_range(0.2..0.8),
            weekend: chance.random_range(0.3..1.0),
        }
    }

    fn at(&self, minute: i64, noise: f64) -> u32 {
        let hour = (minute % DAY) as f64 / 60.0;
        let day = 1.0 + self.swing * ((hour - self.peak) / 24.0 * TAU).cos();
        let week = if minute / DAY % 7 >= 5 { self.weekend } else { 1.0 };
        (self.slots * day * week * (1.0 + noise)).max(0.0).round() as u32
    }
}

fn milliseconds(rounds: usize, mut what: impl FnMut()) -> f64 {
    let times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            what();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    median(&times)
}

/// Part 1.
pub(super) fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let size = Size { days: 56, tenants: 50, reservations: 5_000, slots: 40.0 };
    report.step("demand of 8 weeks and 50 tenants, 5,000 reservations");
    let world = World::new(36, size);
    let (before, after) = world.one_thread();
    ensure!(before != after, "an edit that changes nothing is no edit");
    ensure!(Some((before.clone(), after)) == world.two_threads(), "two threads give something else");
    let tenant_minutes = (size.days * DAY) as f64 * f64::from(size.tenants);
    report.note(format!(
        "8 weeks x 1,440 minutes x 50 tenants, 5,000 reservations, {} edited: demand of {:.1} MB, {} of {} minutes change it",
        size.reservations.div_ceil(100),
        world.demand.bytes() as f64 / 1e6,
        world.demand.changes(),
        world.demand.minutes(),
    ));
    report.note(format!(
        "before: {} minutes with unmet demand, {} slots taken back, {} minutes not known",
        before.pool.unmet_minutes, before.pool.taken_back, before.pool.unknown_minutes
    ));
    ensure!(before.pool.unmet_minutes > 0 && before.pool.taken_back > 0, "nobody is short: that is too easy");
    let single = milliseconds(options.rounds(), || {
        black_box(world.one_thread());
    });
    report.value("what-if, before and after, one thread", single, "ms", Goal::AtMost(GOAL_MS));
    let threads = processors().min(2);
    let both = milliseconds(options.rounds(), || {
        black_box(world.two_threads());
    });
    report.value(&format!("what-if, before and after, {threads} threads"), both, "ms", Goal::AtMost(GOAL_MS));
    report.note(format!("{:.2} ns for a tenant and minute", single * 1e6 / 2.0 / tenant_minutes));
    // What memory gives at best: the same numbers read twice and added up, with nothing decided.
    let read = milliseconds(options.rounds().max(9), || {
        for _ in 0..2 {
            let numbers = black_box(&world.demand).numbers();
            black_box(numbers.iter().fold(0_u64, |sum, slots| sum + u64::from(*slots)));
        }
    });
    let floor = Pair { measured: single, peer: read, peer_name: "reading the demand twice", unit: "ms" };
    report.ratio("what-if, one thread", floor, Goal::AtMost(50.0));
    beside_slot_by_slot(options, report)
}

/// A smaller size, at which the replay that asks for every slot ends.
fn beside_slot_by_slot(options: &Options, report: &mut Report) -> Result<()> {
    let world = World::new(37, Size { days: 1, tenants: 10, reservations: 40, slots: 20.0 });
    let rules = world.rules(&world.before);
    let slow_start = Instant::now();
    let slow = reference::replay(&world.demand, &rules);
    let slow_ms = slow_start.elapsed().as_secs_f64() * 1e3;
    ensure!(slow == replay(&world.demand, &rules), "slot by slot it comes to something else");
    let fast = milliseconds(options.rounds(), || {
        black_box(replay(&world.demand, &rules));
    });
    let pair = Pair { measured: fast, peer: slow_ms, peer_name: "slot by slot", unit: "ms" };
    report.ratio("what-if, 1 day, 10 tenants, 40 reservations", pair, Goal::AtMost(0.05));
    Ok(())
}
