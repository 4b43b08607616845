//! Heartbeats: whether a holder that says nothing is late, suspected or dead.
//!
//! A holder that was regular is suspected sooner than one that never was: suspicion is the φ of Hayashibara, Défago, Yared and
//! Katayama, "The φ Accrual Failure Detector" (SRDS 2004), minus the decimal logarithm of the chance that the next beat comes
//! even later, if beats come as they came before. Suspected is not dead: only a silence of `k` intervals and a margin is. Who
//! comes back from suspicion is trusted again after a few beats in time, so that one that flaps is not called healthy each time.
//! When many fall silent together, a network is likelier than so many deaths, and nobody is declared dead by silence. Beats are
//! not in step, so those that fall silent together die one by one: whoever is on the way there counts as silent.

use crate::Millis;

/// Beats that are remembered of a holder.
const REMEMBERED: f64 = 100.0;

/// How a pool judges its holders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// A beat is expected this often, at least 1 ms.
    pub interval_ms: Millis,
    /// A silence of so many intervals and the margin is death, 3 to 5.
    pub intervals: u32,
    /// Allowance for the way of a beat.
    pub margin_ms: Millis,
    /// Suspected from this φ on; 8 is one wrong suspicion in 10⁸ beats.
    pub suspected_phi: f64,
    /// Beats in time after which a suspected holder is trusted again.
    pub trusted_after: u32,
    /// Above so many of a thousand silent holders of a pool nobody is dead by silence.
    pub silent_per_mille: u32,
}

impl Policy {
    /// The silence that is death.
    pub fn timeout_ms(self) -> Millis {
        self.interval_ms * Millis::from(self.intervals) + self.margin_ms
    }
}

/// What is thought of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It beats as it did.
    Alive,
    /// It is silent longer than is likely, or came back just now.
    Suspected,
    /// It is silent for longer than a holder may be.
    Dead,
}

/// What is known of a holder's beats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beats {
    generation: u64,
    last: Millis,
    count: f64,
    mean_ms: f64,
    /// Sum of squared deviations over `count`.
    variance: f64,
    /// Beats in time that are still wanted after a suspicion.
    probation: u32,
}

/// A beat that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superseded {
    /// The holder's present generation: who beats with an earlier one came back from the dead and must not act.
    pub generation: u64,
}

impl Beats {
    /// A holder's first beat.
    pub fn first(policy: Policy, now: Millis, generation: u64) -> Self {
        // Before there are beats to judge by: as expected, with a spread of a quarter.
        let mean_ms = policy.interval_ms as f64;
        Self { generation, last: now, count: 1.0, mean_ms, variance: (mean_ms / 4.0).powi(2), probation: 0 }
    }

    /// Its generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When it came last.
    pub fn last(&self) -> Millis {
        self.last
    }

    /// A beat. One of a new generation begins anew; beats that overtook each other count once.
    ///
    /// # Errors
    /// If its generation is over.
    pub fn beat(&mut self, policy: Policy, now: Millis, generation: u64) -> Result<(), Superseded> {
        if generation < self.generation {
            return Err(Superseded { generation: self.generation });
        }
        if generation > self.generation {
            *self = Self::first(policy, now.max(self.last), generation);
            return Ok(());
        }
        if now <= self.last {
            return Ok(());
        }
        let gap = (now - self.last) as f64;
        let was = self.health(policy, now);
        self.probation = match was {
            Health::Dead => policy.trusted_after,
            Health::Suspected if self.is_late(policy, now) => policy.trusted_after,
            Health::Suspected | Health::Alive => self.probation.saturating_sub(1),
        };
        // A silence that was suspected is no example of how beats come.
        if !self.is_late(policy, now) {
            let weight = 1.0 / (self.count + 1.0).min(REMEMBERED);
            let off = gap - self.mean_ms;
            self.mean_ms += weight * off;
            self.variance = (1.0 - weight) * (self.variance + weight * off * off);
            self.count = (self.count + 1.0).min(REMEMBERED);
        }
        self.last = now;
        Ok(())
    }

    /// φ at an instant: 1 is a chance of a tenth that the beat comes even later, 2 of a hundredth, and so on.
    pub fn phi(&self, policy: Policy, now: Millis) -> f64 {
        let silence = (now - self.last).max(0) as f64 - policy.margin_ms as f64;
        // Clocks and schedulers have grains: a spread below a tenth of the interval is not believed.
        let deviation = self.variance.sqrt().max(policy.interval_ms as f64 / 10.0);
        let y = (silence - self.mean_ms) / deviation;
        // The normal distribution's tail, as the logistic approximation of Bowling et al. (2009), exact to 1.4e-4.
        let e = (-y * (1.5976 + 0.070_566 * y * y)).exp();
        if silence > self.mean_ms { -(e / (1.0 + e)).log10() } else { -(1.0 - 1.0 / (1.0 + e)).log10() }
    }

    fn is_late(&self, policy: Policy, now: Millis) -> bool {
        self.phi(policy, now) >= policy.suspected_phi || now - self.last > policy.timeout_ms()
    }

    /// Whether it says nothing: dead, suspected for its silence, or half as long silent as is death. So all that fall silent
    /// within an interval of each other are silent before the first of them is dead.
    pub fn is_silent(&self, policy: Policy, now: Millis) -> bool {
        self.is_late(policy, now) || (now - self.last) * 2 > policy.timeout_ms()
    }

    /// What is thought of it at an instant.
    pub fn health(&self, policy: Policy, now: Millis) -> Health {
        if now - self.last > policy.timeout_ms() {
            return Health::Dead;
        }
        if self.probation > 0 || self.phi(policy, now) >= policy.suspected_phi {
            return Health::Suspected;
        }
        Health::Alive
    }
}

/// Whether silence says anything about single holders of a pool, or so many are silent that something else is the cause.
pub fn silence_counts(policy: Policy, silent: u64, holders: u64) -> bool {
    // One silent holder of one or two is a dead holder, not a network.
    silent <= 1 || silent * 1_000 <= holders * u64::from(policy.silent_per_mille)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        interval_ms: 10_000,
        intervals: 4,
        margin_ms: 2_000,
        suspected_phi: 8.0,
        trusted_after: 3,
        silent_per_mille: 300,
    };

    fn regular(beats: i64, every: Millis) -> Beats {
        let mut holder = Beats::first(POLICY, 0, 1);
        (1..=beats).for_each(|beat| holder.beat(POLICY, beat * every, 1).expect("its own generation"));
        holder
    }

    #[test]
    fn phi_is_the_chance_of_a_still_later_beat() {
        // With mean m and deviation s, φ at m + z·s is −log10 of the normal tail at z (tables).
        let holder = regular(200, 10_000);
        let at = |z: f64| 2_000_000 + 12_000 + (z * 1_000.0) as Millis;
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (2.0, 0.022_750), (3.0, 0.001_350)] {
            let phi = holder.phi(POLICY, at(z));
            assert!((phi + f64::log10(tail)).abs() < 0.05, "{z}: {phi}");
        }
    }

    #[test]
    fn suspected_before_dead_and_sooner_if_it_was_regular() {
        let regular = regular(100, 10_000);
        let mut irregular = Beats::first(POLICY, 0, 1);
        let mut now = 0;
        for beat in 0..100 {
            now += if beat % 2 == 0 { 5_000 } else { 15_000 };
            irregular.beat(POLICY, now, 1).expect("its own generation");
        }
        let first = |holder: Beats, wanted: Health, from: Millis| {
            (0..100_000).find(|late| holder.health(POLICY, from + late) >= wanted).unwrap_or(Millis::MAX)
        };
        let (soon, late) = (first(regular, Health::Suspected, 1_000_000), first(irregular, Health::Suspected, now));
        assert!(soon < late && late < 42_000, "{soon} {late}");
        assert_eq!(first(regular, Health::Dead, 1_000_000), POLICY.timeout_ms() + 1);
    }

    #[test]
    fn who_flaps_is_trusted_after_a_few_beats_in_time() {
        let mut holder = regular(100, 10_000);
        let mut now = 1_000_000 + 35_000;
        assert_eq!(holder.health(POLICY, now), Health::Suspected);
        holder.beat(POLICY, now, 1).expect("its own generation");
        for expected in [Health::Suspected, Health::Suspected, Health::Suspected, Health::Alive] {
            assert_eq!(holder.health(POLICY, now + 1), expected);
            now += 10_000;
            holder.beat(POLICY, now, 1).expect("its own generation");
        }
    }

    #[test]
    fn a_generation_that_is_over_is_told_so() {
        let mut holder = regular(10, 10_000);
        holder.beat(POLICY, 110_000, 2).expect("a new generation");
        assert_eq!(holder.beat(POLICY, 120_000, 1), Err(Superseded { generation: 2 }));
        assert_eq!((holder.generation(), holder.health(POLICY, 120_000)), (2, Health::Alive));
    }

    #[test]
    fn many_that_are_silent_together_are_not_all_dead() {
        assert!(silence_counts(POLICY, 300, 1_000) && !silence_counts(POLICY, 301, 1_000));
        assert!(silence_counts(POLICY, 1, 1) && !silence_counts(POLICY, 2, 2));
    }

    proptest! {
        #[test]
        fn beats_in_time_are_never_suspected(jitter in prop::collection::vec(-1_000_i64..1_000, 1..400)) {
            let mut holder = Beats::first(POLICY, 0, 1);
            let mut now = 0;
            for off in jitter {
                now += 10_000 + off;
                prop_assert_eq!(holder.health(POLICY, now), Health::Alive);
                holder.beat(POLICY, now, 1).expect("its own generation");
            }
        }

        #[test]
        fn suspicion_grows_with_silence_and_ends_in_death(gaps in prop::collection::vec(1_i64..40_000, 0..60)) {
            let mut holder = Beats::first(POLICY, 0, 1);
            let mut now = 0;
            for gap in gaps {
                now += gap;
                holder.beat(POLICY, now, 1).expect("its own generation");
            }
            let mut before = Health::Alive;
            for silence in (0..60_000).step_by(500) {
                let health = holder.health(POLICY, now + silence);
                prop_assert!(health >= before);
                prop_assert!(holder.phi(POLICY, now + silence).is_finite() || health > Health::Alive);
                before = health;
            }
            prop_assert_eq!(before, Health::Dead);
        }
    }
}
