//! A month of a pool, minute by minute, with faults whose beginning, end and kind are known.
//!
//! Claims follow the day, at least 2,000 a minute. Now and then a claim is rejected by chance, sometimes many in a moment, on
//! average fewer than the budget allows. Faults are far enough apart that each is judged by itself. Between them data is
//! missing at times, and at times hardly anybody claims. The same seed gives the same month.

use headroom_domain::alert::replay::Slice;
use headroom_server::clock;
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Poisson, StandardNormal};

/// Minutes of a day.
pub(super) const DAY: usize = 1_440;
/// One claim in so many may be rejected.
pub(super) const BUDGET_OF: u64 = 10_000;
/// Fewest claims of a usual minute.
pub(super) const LEAST_CLAIMS: u64 = 2_000;

/// Minutes without anything special before and after each fault.
const CALM: usize = 65;
/// Chance that a moment of rejections begins in a minute: about twice a day.
const MOMENT: f64 = 2.0 / DAY as f64;
/// Minutes of such a moment, at most.
const MOMENT_MINUTES: usize = 3;
/// How many times too many are rejected in such a moment, at most: what is no fault is weaker than what is called one.
pub(super) const NOISE: u64 = 10;

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Ten to forty times what may be rejected, for an hour or longer.
    Steady,
    /// A good part of all claims, for up to half an hour.
    Outage,
    /// Up to 9.5 times, for hours.
    Slow,
    /// Ten to sixty times, for three to ten minutes.
    Short,
    /// As steady, and some of its minutes are not seen.
    Gappy,
    /// Hardly anybody claims, and many of them are rejected.
    Quiet,
}

impl Kind {
    /// For people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Outage => "outage",
            Self::Slow => "slow",
            Self::Short => "short",
            Self::Gappy => "gappy",
            Self::Quiet => "quiet",
        }
    }

    /// True if all of it is seen, at usual traffic: how fast it is found follows from its burn.
    pub(super) const fn is_plain(self) -> bool {
        !matches!(self, Self::Gappy | Self::Quiet)
    }
}

/// Something that went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// What.
    pub(super) kind: Kind,
    /// Its first minute.
    pub(super) start: usize,
    /// The minute after its last.
    pub(super) end: usize,
    /// Tenths of how much faster than allowed the budget is used, of the busiest minute of the hour before it and of the fault
    /// itself: of any window that ends in it, it is at least that. Of quiet faults: the share of claims, in thousandths.
    pub(super) strength: u64,
}

impl Fault {
    /// Minutes after its beginning by which a window of an hour burns eight times too fast, and one more.
    pub(super) fn bound(&self) -> usize {
        (60 * 8 * 10_u64).div_ceil(self.strength.max(1)) as usize + 1
    }
}

/// A month of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Month {
    /// Rejected and all claims of each minute; `None` = it was not seen.
    pub(super) slices: Vec<Slice>,
    /// In order.
    pub(super) faults: Vec<Fault>,
}

/// Makes a month of so many days. `noise` = how many times too many claims are rejected by chance for a moment, at most.
pub(super) fn month(seed: u64, days: usize, noise: u64) -> Month {
    let mut making = Making::new(seed, days * DAY, noise);
    making.schedule();
    let slices = making.rejected.iter().zip(&making.claims).zip(&making.seen);
    let slices = slices.map(|((rejected, claims), seen)| seen.then_some(((*rejected).min(*claims), *claims))).collect();
    Month { slices, faults: making.faults }
}

struct Making {
    chance: StdRng,
    claims: Vec<u64>,
    rejected: Vec<u64>,
    seen: Vec<bool>,
    faults: Vec<Fault>,
}

impl Making {
    /// The traffic, with what is rejected by chance.
    fn new(seed: u64, minutes: usize, noise: u64) -> Self {
        let mut chance = clock::seeded(seed);
        let mean = chance.random_range(4_000.0..20_000.0);
        let depth = chance.random_range(0.2..0.45);
        let phase = chance.random_range(0.0..1.0);
        let usual = chance.random_range(0.1..0.4) / BUDGET_OF as f64;
        let (mut claims, mut rejected) = (Vec::with_capacity(minutes), Vec::with_capacity(minutes));
        let mut moment = (0_u64, 0);
        for minute in 0..minutes {
            let time_of_day = (minute % DAY) as f64 / DAY as f64;
            let shape = 1.0 + depth * (std::f64::consts::TAU * (time_of_day - phase)).cos();
            let normal: f64 = chance.sample(StandardNormal);
            let count = ((mean * shape * (1.0 + 0.03 * normal)) as u64).max(LEAST_CLAIMS);
            if chance.random_bool(MOMENT) {
                moment = (chance.random_range(2..=noise), chance.random_range(1..=MOMENT_MINUTES));
            }
            let mut bad = poisson(&mut chance, usual * count as f64);
            if moment.1 > 0 {
                moment.1 -= 1;
                bad += moment.0 * count / BUDGET_OF;
            }
            claims.push(count);
            rejected.push(bad);
        }
        Self { chance, claims, rejected, seen: vec![true; minutes], faults: Vec::new() }
    }

    /// Faults with pauses between them, and in some pauses something that is no fault.
    fn schedule(&mut self) {
        let mut at = self.chance.random_range(6 * 60..12 * 60);
        loop {
            let kind = match self.chance.random_range(0..100) {
                0..40 => Kind::Steady,
                40..55 => Kind::Outage,
                55..70 => Kind::Slow,
                70..85 => Kind::Short,
                85..95 => Kind::Gappy,
                _ => Kind::Quiet,
            };
            let (length, strength) = match kind {
                Kind::Steady => (self.chance.random_range(60..=240), self.chance.random_range(100..=400)),
                Kind::Outage => (self.chance.random_range(2..=30), self.chance.random_range(1_000..=30_000)),
                Kind::Slow => (self.chance.random_range(60..=480), self.chance.random_range(20..=95)),
                Kind::Short => (self.chance.random_range(MOMENT_MINUTES..=10), self.chance.random_range(100..=600)),
                Kind::Gappy => (self.chance.random_range(60..=180), self.chance.random_range(100..=400)),
                Kind::Quiet => (self.chance.random_range(5..=30), self.chance.random_range(50..=1_000)),
            };
            let fault = Fault { kind, start: at, end: at + length, strength };
            let pause = self.chance.random_range(7 * 60..20 * 60);
            if fault.end + pause > self.claims.len() {
                return;
            }
            self.happen(fault);
            self.between(fault.end + CALM, fault.end + pause - CALM);
            at = fault.end + pause;
        }
    }

    fn happen(&mut self, fault: Fault) {
        let Fault { kind, start, end, strength } = fault;
        self.faults.push(fault);
        if kind == Kind::Quiet {
            // It is quiet for a while before and after.
            let most = self.chance.random_range(20..=60);
            self.quieten(start - CALM / 2, end + CALM / 2, most);
            for minute in start..end {
                self.rejected[minute] += (self.claims[minute] * strength).div_ceil(1_000);
            }
            return;
        }
        let busiest = self.claims[start - 60..end].iter().copied().max().unwrap_or_default();
        // Rounded up over all of the fault so far, so that it is never weaker than it is called.
        let upto = |minutes: usize| (strength * busiest * minutes as u64).div_ceil(10 * BUDGET_OF);
        for minute in start..end {
            self.rejected[minute] += upto(minute - start + 1) - upto(minute - start);
        }
        if kind == Kind::Gappy {
            if self.chance.random_bool(0.5) {
                let length = self.chance.random_range(2..=20);
                let from = self.chance.random_range(start..end - length);
                self.seen[from..from + length].fill(false);
            } else {
                let part = self.chance.random_range(0.05..0.3);
                for minute in start..end {
                    self.seen[minute] = !self.chance.random_bool(part);
                }
            }
        }
    }

    /// Something that is no fault, or nothing, between two minutes.
    fn between(&mut self, from: usize, to: usize) {
        let what = self.chance.random_range(0.0..1.0);
        if what < 0.25 {
            let length = self.chance.random_range(1..=90);
            let start = self.chance.random_range(from..to - length);
            self.seen[start..start + length].fill(false);
        } else if what < 0.45 {
            let length = self.chance.random_range(120..=to - from);
            let start = self.chance.random_range(from..=to - length);
            let most = self.chance.random_range(0..=60);
            self.quieten(start, start + length, most);
            // Four rejections in two minutes: of so few claims that is a large part, and it is no more than four.
            let at = self.chance.random_range(start + 70..start + length - 1);
            for minute in at..at + 2 {
                self.rejected[minute] = 2.min(self.claims[minute]);
            }
        }
    }

    /// At most so many claims in each of some minutes; none of them is rejected.
    fn quieten(&mut self, from: usize, to: usize, most: u64) {
        for minute in from..to {
            self.claims[minute] = self.chance.random_range(0..=most);
            self.rejected[minute] = 0;
        }
    }
}

fn poisson(chance: &mut StdRng, mean: f64) -> u64 {
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(chance) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_month() {
        let (one, again, other) = (month(7, 10, NOISE), month(7, 10, NOISE), month(8, 10, NOISE));
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert_eq!(one.slices.len(), 10 * DAY);
    }

    #[test]
    fn a_month_is_what_it_is_called() {
        let months: Vec<Month> = (0..4).map(|seed| month(seed, 30, NOISE)).collect();
        for month in &months {
            let mut is_calm = vec![true; month.slices.len()];
            for fault in &month.faults {
                is_calm[fault.start..fault.end].fill(false);
            }
            let calm = month.slices.iter().zip(&is_calm).filter(|(_, calm)| **calm).filter_map(|(slice, _)| *slice);
            let (bad, all) = calm.fold((0, 0), |sum, slice| (sum.0 + slice.0, sum.1 + slice.1));
            assert!(bad * BUDGET_OF < all, "without faults the budget lasts: {bad} of {all}");
            assert!(month.faults.windows(2).all(|pair| pair[0].end + 7 * 60 <= pair[1].start));
            for fault in month.faults.iter().filter(|fault| fault.kind.is_plain()) {
                let around = &month.slices[fault.start - 60..fault.end];
                assert!(around.iter().all(|slice| slice.is_some_and(|(_, all)| all >= LEAST_CLAIMS)), "{fault:?}");
                // Of a window of its own minutes only it burns as fast as it is called, or faster.
                let own = around[60..].iter().flatten().fold((0, 0), |sum, slice| (sum.0 + slice.0, sum.1 + slice.1));
                assert!(own.0 * BUDGET_OF * 10 >= fault.strength * own.1, "{fault:?}: {own:?}");
            }
        }
        for kind in [Kind::Steady, Kind::Outage, Kind::Slow, Kind::Short, Kind::Gappy, Kind::Quiet] {
            let count = months.iter().flat_map(|month| &month.faults).filter(|fault| fault.kind == kind).count();
            assert!(count > 0, "no fault is {}", kind.word());
        }
    }
}
