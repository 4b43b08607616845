//! A circuit breaker: stops claims while the work behind a pool keeps failing, and tries again with a few after a while.
//!
//! Closed: claims go through, outcomes are counted over a sliding time. Open: none go through until the cooldown is over.
//! Half-open: as many as `probes` at a time go through; enough successes close it, one failure opens it for twice as long, up
//! to a bound. Only the outcome of a claim that went through while it was half-open counts then, and only once: what other
//! work comes to, that began before, tells nothing about now. A rule of whole numbers over a clock that is passed in.

use crate::Millis;
use std::collections::{HashSet, VecDeque};
use uuid::Uuid;

/// When it opens, and how it closes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Outcomes of this time are looked at.
    pub window_ms: Millis,
    /// Fewer outcomes than this say nothing.
    pub least: u32,
    /// It opens when at least so many of a thousand failed.
    pub failures_per_mille: u32,
    /// It stays open this long the first time.
    pub cooldown_ms: Millis,
    /// And at most this long after repeated failures.
    pub longest_cooldown_ms: Millis,
    /// Claims that go through at a time while it is half-open, and successes in a row that close it.
    pub probes: u32,
}

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// All claims go through.
    Closed,
    /// None goes through before this instant.
    Open {
        /// From then on it is half-open.
        until: Millis,
    },
    /// A few go through.
    HalfOpen {
        /// Claims that went through and have no outcome yet.
        under_way: u32,
        /// Successes so far.
        successes: u32,
    },
}

/// Outcomes of a part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    start: Millis,
    good: u32,
    bad: u32,
}

/// Parts that a window is counted in: outcomes leave it a tenth of it at a time.
const PARTS: Millis = 10;

/// A breaker of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    policy: Policy,
    position: Position,
    /// Claims that went through while it is half-open, and whose work has no outcome yet.
    probes: HashSet<Uuid>,
    parts: VecDeque<Part>,
    cooldown_ms: Millis,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            position: Position::Closed,
            probes: HashSet::new(),
            parts: VecDeque::new(),
            cooldown_ms: policy.cooldown_ms,
        }
    }

    /// Where it is at an instant.
    pub fn position(&self, now: Millis) -> Position {
        match self.position {
            Position::Open { until } if until <= now => Position::HalfOpen { under_way: 0, successes: 0 },
            Position::HalfOpen { successes, .. } => {
                Position::HalfOpen { under_way: self.probes.len() as u32, successes }
            }
            other => other,
        }
    }

    /// When it lets claims through again, if it is open.
    pub fn opens_at(&self) -> Option<Millis> {
        match self.position {
            Position::Open { until } => Some(until),
            Position::Closed | Position::HalfOpen { .. } => None,
        }
    }

    /// In how many milliseconds it may be worth asking again, if no claim goes through now.
    pub fn shut(&mut self, now: Millis) -> Option<Millis> {
        self.position = self.position(now);
        match self.position {
            Position::Open { until } => Some(until - now),
            // The probes under way tell soon; there is no instant to name.
            Position::HalfOpen { under_way, .. } if under_way >= self.policy.probes => Some(1_000),
            Position::Closed | Position::HalfOpen { .. } => None,
        }
    }

    /// Whether a claim goes through.
    ///
    /// # Errors
    /// In how many milliseconds it may be worth asking again.
    pub fn ask(&mut self, now: Millis, claim: Uuid) -> Result<(), Millis> {
        if let Some(retry) = self.shut(now) {
            return Err(retry);
        }
        if matches!(self.position, Position::HalfOpen { .. }) {
            self.probes.insert(claim);
        }
        Ok(())
    }

    /// Notes how work ended.
    pub fn outcome(&mut self, now: Millis, claim: Uuid, good: bool) {
        self.position = self.position(now);
        match &mut self.position {
            Position::Open { .. } => {}
            Position::HalfOpen { successes, .. } => {
                if !self.probes.remove(&claim) {
                    return;
                }
                *successes += u32::from(good);
                if !good {
                    self.cooldown_ms = (self.cooldown_ms * 2).min(self.policy.longest_cooldown_ms);
                    self.open(now);
                } else if *successes >= self.policy.probes {
                    self.position = Position::Closed;
                    self.cooldown_ms = self.policy.cooldown_ms;
                    self.probes.clear();
                }
            }
            Position::Closed => {
                self.count(now, good);
                let (all, bad) = self.sums();
                if all >= u64::from(self.policy.least) && bad * 1_000 >= all * u64::from(self.policy.failures_per_mille)
                {
                    self.open(now);
                }
            }
        }
    }

    /// Notes that a claim brought no work: nothing is known, and its place is free if it had one.
    pub fn nothing(&mut self, claim: Uuid) {
        self.probes.remove(&claim);
    }

    /// Only these claims may have work under way.
    pub fn retain(&mut self, is_there: impl Fn(Uuid) -> bool) {
        self.probes.retain(|claim| is_there(*claim));
    }

    fn open(&mut self, now: Millis) {
        self.position = Position::Open { until: now + self.cooldown_ms };
        self.probes.clear();
        self.parts.clear();
    }

    fn count(&mut self, now: Millis, good: bool) {
        let width = (self.policy.window_ms / PARTS).max(1);
        let start = now.div_euclid(width) * width;
        while self.parts.front().is_some_and(|part| part.start + self.policy.window_ms <= start) {
            self.parts.pop_front();
        }
        match self.parts.back_mut() {
            Some(part) if part.start >= start => {
                part.good += u32::from(good);
                part.bad += u32::from(!good);
            }
            _ => self.parts.push_back(Part { start, good: u32::from(good), bad: u32::from(!good) }),
        }
    }

    fn sums(&self) -> (u64, u64) {
        let bad = self.parts.iter().map(|part| u64::from(part.bad)).sum::<u64>();
        (bad + self.parts.iter().map(|part| u64::from(part.good)).sum::<u64>(), bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const POLICY: Policy = Policy {
        window_ms: 10_000,
        least: 10,
        failures_per_mille: 500,
        cooldown_ms: 5_000,
        longest_cooldown_ms: 60_000,
        probes: 3,
    };

    fn id(number: u32) -> Uuid {
        Uuid::from_u128(number.into())
    }

    fn opened(at: Millis) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        (0..10).for_each(|i| breaker.outcome(at, id(i), false));
        breaker
    }

    #[test]
    fn a_few_failures_say_nothing_and_many_open_it() {
        let mut breaker = Breaker::new(POLICY);
        (0..9).for_each(|i| breaker.outcome(0, id(i), false));
        assert_eq!(breaker.position(0), Position::Closed, "nine of nine are too few");
        breaker.outcome(0, id(9), false);
        assert_eq!(breaker.ask(1_000, id(10)), Err(4_000));
        let mut half = Breaker::new(POLICY);
        (0..100).for_each(|i| half.outcome(0, id(i), i % 5 < 3));
        assert_eq!(half.position(0), Position::Closed, "two of five are fewer than half");
        let mut old = Breaker::new(POLICY);
        (0..9).for_each(|i| old.outcome(0, id(i), false));
        old.outcome(30_000, id(9), false);
        assert_eq!(old.position(30_000), Position::Closed, "failures are forgotten");
    }

    #[test]
    fn a_few_try_after_the_cooldown_and_close_it_or_open_it_for_longer() {
        let mut breaker = opened(0);
        assert!(breaker.ask(4_999, id(20)).is_err());
        let through: Vec<bool> = (20..24).map(|i| breaker.ask(5_000, id(i)).is_ok()).collect();
        assert_eq!(through, [true, true, true, false]);
        breaker.nothing(id(20));
        assert!(breaker.ask(5_000, id(24)).is_ok(), "a claim without work makes room");
        for i in [21, 22, 24] {
            breaker.outcome(5_100, id(i), true);
        }
        assert_eq!(breaker.position(5_100), Position::Closed);

        let mut again = opened(0);
        let mut now = 5_000;
        for expected in [10_000, 20_000, 40_000, 60_000, 60_000] {
            assert!(again.ask(now, id(20)).is_ok());
            again.outcome(now, id(20), false);
            assert_eq!(again.position(now), Position::Open { until: now + expected });
            again.outcome(now + 1, id(20), true);
            assert_eq!(again.position(now + 1), Position::Open { until: now + expected }, "late news changes nothing");
            now += expected;
        }
    }

    #[test]
    fn only_probes_count_and_each_once() {
        let mut breaker = opened(0);
        assert!((20..23).all(|i| breaker.ask(5_000, id(i)).is_ok()));
        (0..10).for_each(|i| breaker.outcome(5_100, id(i), i % 2 == 0));
        (0..10).for_each(|_| breaker.outcome(5_100, id(20), true));
        assert_eq!(breaker.position(5_100), Position::HalfOpen { under_way: 2, successes: 1 });
        breaker.retain(|claim| claim == id(21));
        assert!(breaker.ask(5_200, id(23)).is_ok() && breaker.ask(5_200, id(24)).is_ok(), "what is gone makes room");
        assert_eq!(breaker.ask(5_200, id(25)), Err(1_000));
    }

    proptest! {
        #[test]
        fn it_never_lets_more_than_its_probes_through_while_half_open(
            steps in prop::collection::vec((0_i64..3_000, 0_u8..5, 0_u32..12), 1..200),
        ) {
            let (mut breaker, mut now, mut under_way) = (opened(0), 0, BTreeSet::new());
            for (place, (step, what, whose)) in (100..).zip(steps) {
                now += step;
                let was_open = matches!(breaker.position(now), Position::Open { .. });
                let half = matches!(breaker.position(now), Position::HalfOpen { .. });
                let some = under_way.iter().nth(whose as usize).copied().unwrap_or(id(whose));
                match what {
                    0 | 1 => {
                        let through = breaker.ask(now, id(place)).is_ok();
                        prop_assert!(!(through && was_open));
                        if half && through { under_way.insert(id(place)); }
                    }
                    2 => { breaker.outcome(now, some, true); under_way.remove(&some); }
                    3 => { breaker.outcome(now, some, false); under_way.remove(&some); }
                    _ => { breaker.nothing(some); under_way.remove(&some); }
                }
                match breaker.position(now) {
                    Position::HalfOpen { under_way: told, .. } => prop_assert_eq!(told as usize, under_way.len()),
                    _ => under_way.clear(),
                }
                prop_assert!(under_way.len() <= POLICY.probes as usize);
            }
        }
    }
}
