//! Arrivals and breakages: a pure function of scenario, seed and pools.

use super::facts::PoolFacts;
use super::scenario::Scenario;
use crate::clock;
use rand::Rng;
use rand::rngs::StdRng;

/// Milliseconds of planned time; playing may be faster.
pub type PlanMs = u64;

/// Part of a pool's slots that is in use when nothing is wrong.
const USUAL_LOAD: f64 = 0.65;
/// Shortest mean time that slots are held.
const SHORTEST_HOLD_MS: f64 = 4_000.0;
/// The breakage begins and ends at these parts of the whole, so that there is something to compare with before and after.
const BREAK: (f64, f64) = (0.35, 0.70);
/// Slots of most claims; one of eight asks for more.
const FEW: u32 = 1;
const SEVERAL: u32 = 3;
const MEAN_SLOTS: f64 = (7.0 * FEW as f64 + SEVERAL as f64) / 8.0;
/// A patient claim waits this long for its turn; half of them are.
const PATIENCE_MS: PlanMs = 3_000;
/// Work in a hot slot takes so many times as long.
pub const HOT_FACTOR: u32 = 25;
/// Time between two sizes of a pool that thrashes.
const THRASH_EVERY_MS: PlanMs = 3_000;

/// How a holder ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It gives the slots back; its work was done.
    Done,
    /// It gives the slots back; its work failed.
    Failed,
    /// It is gone: no renewal, no beat, no release.
    Vanish,
}

/// What a refused client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It goes away.
    Never,
    /// It asks again at once, until this.
    Storm {
        /// Planned time.
        until_ms: PlanMs,
    },
}

/// A client that claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at_ms: PlanMs,
    /// Index of the pool.
    pub pool: usize,
    /// Index of the tenant among the pool's.
    pub tenant: usize,
    /// Slots.
    pub slots: u32,
    /// How long it holds them.
    pub hold_ms: PlanMs,
    /// How long its work takes, as it reports.
    pub work_ms: u32,
    /// How long it waits for its turn.
    pub wait_ms: PlanMs,
    /// 0 to 9; the tenant's if it is left out.
    pub priority: Option<u8>,
    /// Time to live of its lease, in real time; the pool's if it is left out.
    pub ttl_ms: Option<u64>,
    /// How it ends.
    pub ending: Ending,
    /// What it does when it is refused.
    pub retry: Retry,
}

/// What is done to something that is no client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing: the arrivals are the breakage.
    None,
    /// Work in this slot is slow.
    Heat {
        /// The slot.
        slot: u32,
    },
    /// The pool has these sizes in turn.
    Resize {
        /// Planned time between two sizes.
        every_ms: PlanMs,
        /// The smaller one.
        low: u32,
        /// The usual one.
        high: u32,
    },
    /// A process is stopped, and goes on at the end.
    Stop,
    /// A process is killed.
    Kill,
}

/// Something is broken for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakage {
    /// From here on.
    pub begin_ms: PlanMs,
    /// Until here.
    pub end_ms: PlanMs,
    /// Index of the pool; `None` for all.
    pub pool: Option<usize>,
    /// What is done.
    pub act: Act,
    /// The same in a sentence.
    pub detail: String,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Clients, in order.
    pub arrivals: Vec<Arrival>,
    /// Breakages, in order.
    pub breakages: Vec<Breakage>,
}

/// How large a plan is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Planned time.
    pub length_ms: PlanMs,
    /// Most arrivals per second of planned time when nothing is wrong, over all pools. Large pools are filled by longer holds.
    pub most_per_s: u32,
}

/// A stretch in which claims come more often.
#[derive(Debug, Clone, Copy)]
struct Rush {
    from_ms: f64,
    to_ms: f64,
    times: f64,
}

/// One pool's planning.
struct Planner<'a> {
    chance: StdRng,
    pool: usize,
    facts: &'a PoolFacts,
    hold_ms: f64,
    length_ms: f64,
    arrivals: Vec<Arrival>,
}

impl Planner<'_> {
    /// A length with this mean, as independent ends have it.
    fn exponential(&mut self, mean: f64) -> f64 {
        let even: f64 = self.chance.random();
        -(1.0 - even).ln() * mean
    }

    fn one(&mut self, at_ms: f64) -> Arrival {
        let tenants = self.facts.tenants.len().max(1);
        let slots = if self.chance.random_ratio(1, 8) { SEVERAL } else { FEW };
        let hold = self.exponential(self.hold_ms).clamp(100.0, self.hold_ms * 8.0);
        let failed = self.chance.random_ratio(1, 50);
        // Work is a little shorter than the hold, by chance.
        let work = hold * self.chance.random_range(0.80..0.99);
        let patient = self.chance.random_bool(0.5);
        Arrival {
            at_ms: at_ms as PlanMs,
            pool: self.pool,
            tenant: self.chance.random_range(0..tenants),
            slots: slots.min(self.facts.capacity.max(1)),
            hold_ms: hold as PlanMs,
            work_ms: work as u32,
            wait_ms: if patient { PATIENCE_MS } else { 0 },
            priority: None,
            ttl_ms: None,
            ending: if failed { Ending::Failed } else { Ending::Done },
            retry: Retry::Never,
        }
    }

    /// Arrivals by chance at a rate that keeps a part of the slots in use, and more often in a rush.
    fn come(&mut self, load: f64, rush: Option<Rush>, shape: &dyn Fn(&mut Self, Arrival, bool) -> Option<Arrival>) {
        let per_ms = load * f64::from(self.facts.capacity) / (self.hold_ms * MEAN_SLOTS);
        let most = per_ms * rush.map_or(1.0, |rush| rush.times.max(1.0));
        if most <= 0.0 {
            return;
        }
        let mut at = 0.0;
        loop {
            at += self.exponential(1.0 / most);
            if at >= self.length_ms {
                return;
            }
            let in_rush = rush.is_some_and(|rush| (rush.from_ms..rush.to_ms).contains(&at));
            let here = per_ms * rush.filter(|_| in_rush).map_or(1.0, |rush| rush.times);
            // Thinning: of arrivals at the highest rate, the part that belongs here.
            let stays = self.chance.random::<f64>() < here / most;
            let arrival = self.one(at);
            if stays && let Some(arrival) = shape(self, arrival, in_rush) {
                self.arrivals.push(arrival);
            }
        }
    }

    /// Clients that take a part of all slots at once.
    fn take(&mut self, part: f64, at_ms: f64, shape: &dyn Fn(Arrival) -> Arrival) {
        let slots = (f64::from(self.facts.capacity) * part).ceil() as u32;
        let each = slots.div_ceil(200).max(1);
        let mut left = slots;
        while left > 0 {
            let take = each.min(left);
            left -= take;
            // Over a second: a crowd, no instant.
            let at = at_ms + self.chance.random_range(0.0..1_000.0);
            let arrival = self.one(at);
            self.arrivals.push(shape(Arrival { slots: take, ..arrival }));
        }
    }
}

/// The plan of a scenario.
pub fn plan(scenario: Scenario, seed: u64, pools: &[PoolFacts], size: Size) -> Plan {
    let length = size.length_ms as f64;
    let (begin, end) = (length * BREAK.0, length * BREAK.1);
    let window = Rush { from_ms: begin, to_ms: end, times: 1.0 };
    let (begin_ms, end_ms) = (begin as PlanMs, end as PlanMs);
    let mut plan = Plan::default();
    for (pool, facts) in pools.iter().enumerate() {
        let most_per_ms = f64::from(size.most_per_s.max(1)) / 1_000.0 / pools.len() as f64;
        let filled = USUAL_LOAD * f64::from(facts.capacity) / MEAN_SLOTS;
        let mut planner = Planner {
            // Each pool has chances of its own: one pool more changes nothing for the others.
            chance: clock::seeded(seed ^ (pool as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            pool,
            facts,
            hold_ms: SHORTEST_HOLD_MS.max(filled / most_per_ms),
            length_ms: length,
            arrivals: Vec::new(),
        };
        let plain = |_: &mut Planner<'_>, arrival: Arrival, _: bool| Some(arrival);
        let mut broken = |act: Act, detail: String| {
            plan.breakages.push(Breakage { begin_ms, end_ms, pool: Some(pool), act, detail });
        };
        match scenario {
            Scenario::Steady | Scenario::StalledReconciler | Scenario::CrashedAllocator | Scenario::LostPostgres => {
                planner.come(USUAL_LOAD, None, &plain);
            }
            Scenario::Surge => {
                planner.come(USUAL_LOAD, Some(Rush { times: 3.5, ..window }), &plain);
                broken(Act::None, "claims come 3.5 times as often".into());
            }
            Scenario::CrashedHolders => {
                planner.come(USUAL_LOAD, Some(window), &|planner, arrival, in_window| {
                    let vanishes = planner.chance.random_bool(0.4) && in_window;
                    let hold_ms = if vanishes { arrival.hold_ms / 2 } else { arrival.hold_ms };
                    let ending = if vanishes { Ending::Vanish } else { arrival.ending };
                    Some(Arrival { hold_ms, ending, ..arrival })
                });
                broken(Act::None, "four of ten holders vanish half-way".into());
            }
            Scenario::NoisyTenant => {
                planner.come(USUAL_LOAD, None, &plain);
                planner.come(0.01, Some(Rush { times: 180.0, ..window }), &|_, arrival, in_window| {
                    in_window.then_some(Arrival { tenant: 0, wait_ms: 0, ..arrival })
                });
                let tenant = facts.tenants.first().map_or("", String::as_str);
                broken(Act::None, format!("{tenant} claims 1.8 times the slots there are"));
            }
            Scenario::HotSlot => {
                planner.come(USUAL_LOAD, None, &|_, arrival, _| Some(Arrival { slots: FEW, ..arrival }));
                // Low numbers are given out first, so they have work to be seen in.
                let slot = 1 + planner.chance.random_range(0..facts.capacity.clamp(1, 8));
                broken(Act::Heat { slot }, format!("work in slot {slot} takes {HOT_FACTOR} times as long"));
            }
            Scenario::Inversion => {
                planner.come(USUAL_LOAD / 2.0, None, &|_, arrival, in_window| {
                    (!in_window).then_some(Arrival { priority: Some(5), ..arrival })
                });
                let hold_ms = end_ms - begin_ms;
                planner.take(1.0, begin - 1_000.0, &|arrival| Arrival {
                    priority: Some(1),
                    hold_ms,
                    wait_ms: hold_ms / 2,
                    ending: Ending::Done,
                    ..arrival
                });
                planner.come(0.005, Some(Rush { times: 60.0, ..window }), &|_, arrival, in_window| {
                    in_window.then_some(Arrival { priority: Some(9), wait_ms: 10_000, ..arrival })
                });
                broken(Act::None, "priority 1 holds every slot, priority 9 waits".into());
            }
            Scenario::Thrash => {
                planner.come(USUAL_LOAD, None, &plain);
                let high = facts.capacity;
                let low = (high * 3 / 4).max(1);
                broken(
                    Act::Resize { every_ms: THRASH_EVERY_MS, low, high },
                    format!("{high} and {low} slots in turn, every {} s", THRASH_EVERY_MS / 1_000),
                );
            }
            Scenario::SlowReclaim => {
                planner.come(USUAL_LOAD / 3.0, None, &plain);
                let ttl_ms = facts.longest_ttl_ms.min(end_ms - begin_ms).max(1_000);
                planner.take(0.6, begin, &|arrival| Arrival {
                    hold_ms: 1_000,
                    ttl_ms: Some(ttl_ms),
                    wait_ms: PATIENCE_MS,
                    ending: Ending::Vanish,
                    ..arrival
                });
                broken(Act::None, format!("six of ten slots are left behind with leases of {} s", ttl_ms / 1_000));
            }
            Scenario::RetryStorm => {
                planner.come(USUAL_LOAD, Some(Rush { times: 3.0, ..window }), &|_, arrival, in_window| {
                    let storm = Arrival { wait_ms: 0, retry: Retry::Storm { until_ms: end_ms }, ..arrival.clone() };
                    Some(if in_window { storm } else { arrival })
                });
                broken(Act::None, "refused clients ask again every 30 ms".into());
            }
        }
        plan.arrivals.append(&mut planner.arrivals);
    }
    let whole = |act: Act, detail: &str| Breakage { begin_ms, end_ms, pool: None, act, detail: detail.to_owned() };
    match scenario {
        Scenario::StalledReconciler => plan.breakages.push(whole(Act::Stop, "the server does not move")),
        Scenario::CrashedAllocator => plan.breakages.push(whole(Act::Kill, "the server is killed")),
        Scenario::LostPostgres => plan.breakages.push(whole(Act::Stop, "PostgreSQL does not move")),
        _ => {}
    }
    plan.arrivals.sort_by_key(|arrival| (arrival.at_ms, arrival.pool));
    plan.breakages.sort_by_key(|breakage| breakage.begin_ms);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(capacities: &[u32]) -> Vec<PoolFacts> {
        let facts = |(n, capacity): (usize, &u32)| PoolFacts {
            slug: format!("pool-{n}"),
            capacity: *capacity,
            tenants: vec!["a".into(), "b".into(), "c".into()],
            longest_ttl_ms: 3_600_000,
        };
        capacities.iter().enumerate().map(facts).collect()
    }

    const SIZE: Size = Size { length_ms: 120_000, most_per_s: 100 };

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_another() {
        for scenario in Scenario::all() {
            let one = plan(scenario, 7, &pools(&[40, 300]), SIZE);
            assert_eq!(one, plan(scenario, 7, &pools(&[40, 300]), SIZE), "{scenario}");
            assert_ne!(one.arrivals, plan(scenario, 8, &pools(&[40, 300]), SIZE).arrivals, "{scenario}");
            assert!(!one.arrivals.is_empty(), "{scenario}");
            assert!(one.arrivals.is_sorted_by_key(|arrival| arrival.at_ms), "{scenario}");
            assert_eq!(one.breakages.is_empty(), scenario == Scenario::Steady, "{scenario}");
            assert!(one.arrivals.iter().all(|arrival| arrival.at_ms <= SIZE.length_ms), "{scenario}");
        }
    }

    #[test]
    fn one_pool_more_changes_nothing_for_the_others() {
        // With the same rate for each.
        let alone = plan(Scenario::Surge, 3, &pools(&[40]), SIZE);
        let both = plan(Scenario::Surge, 3, &pools(&[40, 40]), Size { most_per_s: 200, ..SIZE });
        let first: Vec<_> = both.arrivals.into_iter().filter(|arrival| arrival.pool == 0).collect();
        assert_eq!(alone.arrivals, first);
    }

    /// Mean part of the slots that would be in use if every claim were granted at once.
    fn load(plan: &Plan, capacity: u32, from: PlanMs, to: PlanMs) -> f64 {
        let within = plan.arrivals.iter().filter(|arrival| (from..to).contains(&arrival.at_ms));
        let slot_ms: u64 = within.map(|arrival| arrival.hold_ms * u64::from(arrival.slots)).sum();
        slot_ms as f64 / f64::from(capacity) / (to - from) as f64
    }

    #[test]
    fn the_load_is_as_intended_in_small_and_large_pools() {
        for capacity in [50, 20_000] {
            let long = Size { length_ms: 600_000, ..SIZE };
            let steady = plan(Scenario::Steady, 1, &pools(&[capacity]), long);
            let found = load(&steady, capacity, 0, long.length_ms);
            assert!((0.55..0.75).contains(&found), "{capacity} slots: {found}");
            let per_s = steady.arrivals.len() as f64 / 600.0;
            assert!(per_s < 110.0, "{capacity} slots: {per_s} arrivals per second");
            let surge = plan(Scenario::Surge, 1, &pools(&[capacity]), long);
            assert!(load(&surge, capacity, 0, 200_000) < 0.85);
            assert!(load(&surge, capacity, 215_000, 415_000) > 1.8);
            assert!(load(&surge, capacity, 425_000, 600_000) < 0.85);
        }
    }

    #[test]
    fn breakages_are_what_they_say() {
        let plan_of = |scenario| plan(scenario, 5, &pools(&[60]), SIZE);
        let vanish = |plan: &Plan| plan.arrivals.iter().filter(|arrival| arrival.ending == Ending::Vanish).count();
        assert_eq!(vanish(&plan_of(Scenario::Steady)), 0);
        assert!(vanish(&plan_of(Scenario::CrashedHolders)) > 20);
        let slow = plan_of(Scenario::SlowReclaim);
        let left: u32 = slow.arrivals.iter().filter(|a| a.ending == Ending::Vanish).map(|a| a.slots).sum();
        assert_eq!(left, 36);
        let inversion = plan_of(Scenario::Inversion);
        let low: u32 = inversion.arrivals.iter().filter(|a| a.priority == Some(1)).map(|a| a.slots).sum();
        assert_eq!(low, 60);
        assert!(inversion.arrivals.iter().any(|a| a.priority == Some(9) && a.wait_ms > 0));
        let noisy = plan_of(Scenario::NoisyTenant);
        let of_first = noisy.arrivals.iter().filter(|a| a.tenant == 0).count();
        assert!(of_first * 2 > noisy.arrivals.len(), "{of_first} of {}", noisy.arrivals.len());
        assert!(matches!(plan_of(Scenario::Thrash).breakages[0].act, Act::Resize { low: 45, high: 60, .. }));
        assert!(matches!(plan_of(Scenario::HotSlot).breakages[0].act, Act::Heat { slot: 1..=8 }));
    }

    #[test]
    fn a_pool_without_slots_or_tenants_is_no_trouble() {
        let mut empty = pools(&[0]);
        empty[0].tenants.clear();
        for scenario in Scenario::all() {
            let _ = plan(scenario, 1, &empty, SIZE);
        }
    }
}
