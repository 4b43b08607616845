//! How soon silent holders are found, how often living ones were taken for dead, and what other times to live, levels of suspicion
//! and rounds of the reconciler would have done to the same history.
//!
//! What is known of the past is when leases began, were renewed, given back and ended. A gap is the time between two signs of life
//! of a lease: a time to live that is shorter would have ended it though its holder lived. A silence is the time from the last
//! sign to the end of a lease that ran out or whose holder was taken for dead. Heartbeats are not kept, so suspicion by φ is played
//! on renewals in their place: a beat is expected as often as a renewal usually came.

use crate::heartbeat::{Beats, Policy};
use crate::{HOUR_MS, Millis, format};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

/// The reconciler looks this often, and a lease is over so long before it is ended at the soonest.
pub const RECONCILE_MS: Millis = 500;
const EXPIRY_MARGIN_MS: Millis = 20;
/// Fewer gaps say nothing of one in a thousand.
pub const FEWEST_GAPS: usize = 1_000;
/// A shorter time has seen too little of what comes and goes.
pub const SHORTEST_MS: Millis = HOUR_MS;
/// Of so many renewals one may be late.
const ONE_LATE_IN: usize = 10_000;
/// Fewer that came back, or fewer than one in so many renewals, are no reason for a longer time to live,
const FEWEST_CAME_BACK: usize = 3;
const ONE_BACK_IN: usize = 1_000;
/// and it is at most so many times as long.
const MOST_TIMES_LONGER: Millis = 4;
/// A lease lasts for so many usual gaps: a renewal may be lost and tried again.
const GAPS_PER_LEASE: Millis = 3;
/// Times to live that are considered, milliseconds.
pub const TTLS_MS: [Millis; 20] = [
    1_000, 2_000, 3_000, 5_000, 8_000, 10_000, 12_000, 15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000,
    180_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
];
/// Levels of suspicion that are considered.
pub const PHIS: [f64; 6] = [4.0, 6.0, 8.0, 10.0, 12.0, 16.0];
/// Rounds of the reconciler that are compared.
pub const ROUNDS_MS: [Millis; 3] = [RECONCILE_MS, 1_000, 5_000];

/// What happened to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It began, or was renewed.
    Alive,
    /// Its holder gave it back: a last sign of life.
    GivenBack,
    /// Somebody else ended it, which says nothing of its holder.
    Taken,
    /// It ran out, or its holder was taken for dead.
    Silent,
    /// Its holder acted though it was over: it was alive.
    CameBack,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Course {
    last: Option<Millis>,
    gaps: Vec<Millis>,
    /// From the last sign to its end by silence.
    silence: Option<Millis>,
    /// Whether its holder was suspected when it ended.
    was_suspected: bool,
}

/// What a pool went through, read in the order of time.
#[derive(Debug, Clone)]
pub struct History<Claim, Holder> {
    from_ms: Option<Millis>,
    to_ms: Millis,
    courses: HashMap<Claim, Course>,
    suspected: HashSet<Holder>,
    measured: Measured,
}

/// What a pool went through, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Gaps of leases whose holders lived, ascending once [`History::done`] has been.
    pub gaps: Vec<Millis>,
    /// Silences at whose end a lease was ended, ascending.
    pub silences: Vec<Millis>,
    /// Holders that were suspected,
    pub suspicions: i64,
    /// and that gave a sign of life afterwards.
    pub wrong_suspicions: i64,
    /// Of leases that were ended for silence and whose holders came back: from the last sign to the return, ascending.
    pub absences: Vec<Millis>,
    /// From the first event to the last.
    pub covers_ms: Millis,
    courses: Vec<Course>,
}

impl<Claim: Hash + Eq + Copy, Holder: Hash + Eq> Default for History<Claim, Holder> {
    fn default() -> Self {
        Self {
            from_ms: None,
            to_ms: 0,
            courses: HashMap::new(),
            suspected: HashSet::new(),
            measured: Measured::default(),
        }
    }
}

impl<Claim: Hash + Eq + Copy, Holder: Hash + Eq> History<Claim, Holder> {
    fn at(&mut self, at: Millis) {
        self.from_ms.get_or_insert(at);
        self.to_ms = self.to_ms.max(at);
    }

    /// A holder was suspected.
    pub fn suspected(&mut self, at: Millis, holder: Holder) {
        self.at(at);
        if self.suspected.insert(holder) {
            self.measured.suspicions += 1;
        }
    }

    /// Something happened to a lease. Slots of one claim that change together are one event.
    pub fn lease(&mut self, at: Millis, claim: Claim, holder: Option<&Holder>, sign: Sign) {
        self.at(at);
        let is_suspected = holder.is_some_and(|holder| sign != Sign::Taken && self.suspected.remove(holder));
        if sign != Sign::Silent {
            self.measured.wrong_suspicions += i64::from(is_suspected);
        }
        let Some(course) = self.courses.get_mut(&claim) else {
            if sign == Sign::Alive {
                self.courses.insert(claim, Course { last: Some(at), ..Course::default() });
            }
            return;
        };
        // What is not known any more has no gap to the next sign.
        let Some(last) = course.last else { return };
        let gap = at - last;
        match sign {
            Sign::Alive if gap > 0 => {
                course.last = Some(at);
                course.gaps.push(gap);
            }
            Sign::Alive => {}
            Sign::GivenBack => {
                course.last = None;
                course.gaps.extend((gap > 0).then_some(gap));
            }
            Sign::Taken => course.last = None,
            Sign::Silent => {
                course.silence = Some(gap);
                course.was_suspected |= is_suspected;
            }
            Sign::CameBack => {
                // Only the first time tells for how long it was away.
                if course.silence.take().is_some() {
                    self.measured.absences.push(gap);
                    self.measured.wrong_suspicions += i64::from(course.was_suspected);
                    course.last = None;
                }
            }
        }
    }

    /// What it comes to.
    pub fn done(self) -> Measured {
        let mut measured = self.measured;
        measured.covers_ms = self.from_ms.map_or(0, |from| self.to_ms - from);
        let mut courses: Vec<Course> = self.courses.into_values().collect();
        courses.retain(|course| !course.gaps.is_empty() || course.silence.is_some());
        measured.gaps = courses.iter().flat_map(|course| course.gaps.iter().copied()).collect();
        measured.silences = courses.iter().filter_map(|course| course.silence).collect();
        measured.gaps.sort_unstable();
        measured.silences.sort_unstable();
        measured.absences.sort_unstable();
        measured.courses = courses;
        measured
    }
}

/// The value that so many of a thousand are not above, of ascending values (nearest rank).
pub fn per_mille(ascending: &[Millis], rank: usize) -> Option<Millis> {
    let place = (ascending.len() * rank).div_ceil(1_000).max(1) - 1;
    ascending.get(place).copied()
}

/// How a pool is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Time to live of a lease that does not ask for one.
    pub ttl_ms: Millis,
    /// The longest that one may have.
    pub longest_ttl_ms: Millis,
    /// Heartbeats, if holders are watched by them.
    pub beats: Option<Policy>,
}

impl Settings {
    /// The silence after which a lease is over at a time to live: by its end, or because its holder is taken for dead before.
    fn ends_after(&self, ttl_ms: Millis) -> Millis {
        self.beats.map_or(ttl_ms, |beats| beats.timeout_ms().min(ttl_ms))
    }
}

/// One setting at one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Knob {
    /// The time to live.
    Ttl(Millis),
    /// The φ of a suspicion.
    Phi(f64),
    /// How often the reconciler looks.
    Reconcile(Millis),
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ttl(_) => f.write_str("TTL"),
            Self::Phi(_) => f.write_str("φ"),
            Self::Reconcile(_) => f.write_str("reconciler"),
        }
    }
}

impl Knob {
    /// Its value in words.
    pub fn value(&self) -> String {
        match self {
            Self::Ttl(ms) => format::duration(*ms),
            Self::Reconcile(ms) => format!("every {}", format::duration(*ms)),
            Self::Phi(phi) => phi.to_string(),
        }
    }
}

/// What a setting would have done to the same history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The setting.
    pub knob: Knob,
    /// Whether it is the present one.
    pub is_present: bool,
    /// From the last sign of life until a dead holder is found: at the latest, or for φ until it is suspected, as the median of
    /// those that fell silent. `None` if nobody did.
    pub found_after_ms: Option<Millis>,
    /// Living holders that would have been taken for dead, or suspected, so often.
    pub false_alarms: i64,
}

impl Measured {
    /// Whether there is enough to say what other settings would have done.
    pub fn is_enough(&self) -> bool {
        self.gaps.len() >= FEWEST_GAPS && self.covers_ms >= SHORTEST_MS
    }

    fn longer_than(&self, ms: Millis) -> i64 {
        (self.gaps.len() - self.gaps.partition_point(|gap| *gap <= ms)) as i64
    }

    fn ttl(&self, settings: &Settings, ttl_ms: Millis, round_ms: Millis) -> (Option<Millis>, i64) {
        let away = (self.absences.len() - self.absences.partition_point(|absence| *absence <= ttl_ms)) as i64;
        (Some(settings.ends_after(ttl_ms) + EXPIRY_MARGIN_MS + round_ms), self.longer_than(ttl_ms) + away)
    }

    /// How φ would have judged: the median of suspicions of those that fell silent, and suspicions of the living.
    fn phi(&self, phi: f64, beats: Policy) -> (Option<Millis>, i64) {
        let usual = per_mille(&self.gaps, 500).unwrap_or(beats.interval_ms).max(1);
        let policy = Policy { interval_ms: usual, suspected_phi: phi, ..beats };
        let (mut suspected, mut wrong) = (Vec::new(), 0);
        for course in &self.courses {
            let mut now = 0;
            let mut one = Beats::first(policy, now, 1);
            for gap in &course.gaps {
                now += gap;
                wrong += i64::from(one.phi(policy, now) >= phi);
                // Its own generation is never over.
                let _ = one.beat(policy, now, 1);
            }
            let Some(silence) = course.silence else { continue };
            if one.phi(policy, now + silence) < phi {
                // It was over before it would have been suspected.
                suspected.push(Millis::MAX);
                continue;
            }
            // Suspicion grows with silence, so the first instant of it is found by halves.
            let (mut before, mut after) = (0, silence);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if one.phi(policy, now + middle) >= phi { after = middle } else { before = middle }
            }
            suspected.push(after);
        }
        suspected.sort_unstable();
        (per_mille(&suspected, 500).filter(|ms| *ms < Millis::MAX), wrong)
    }

    /// What the present settings and others would have done. Nothing if there is too little history to say.
    pub fn effects(&self, settings: &Settings) -> Vec<Effect> {
        if !self.is_enough() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let mut add = |knob, is_present, (found_after_ms, false_alarms)| {
            effects.push(Effect { knob, is_present, found_after_ms, false_alarms });
        };
        let mut ttls: Vec<Millis> = around(settings.ttl_ms);
        ttls.extend(self.wanted_ttl(settings));
        ttls.extend(self.longer_ttl(settings));
        ttls.sort_unstable();
        ttls.dedup();
        for ttl_ms in ttls {
            add(Knob::Ttl(ttl_ms), ttl_ms == settings.ttl_ms, self.ttl(settings, ttl_ms, RECONCILE_MS));
        }
        if let Some(beats) = settings.beats {
            let present = beats.suspected_phi;
            let is_present = |phi: f64| (phi - present).abs() < 1e-9;
            let mut phis: Vec<f64> = PHIS.into_iter().filter(|phi| !is_present(*phi)).chain([present]).collect();
            phis.sort_by(f64::total_cmp);
            for phi in phis {
                add(Knob::Phi(phi), is_present(phi), self.phi(phi, beats));
            }
        }
        for round_ms in ROUNDS_MS {
            add(Knob::Reconcile(round_ms), round_ms == RECONCILE_MS, self.ttl(settings, settings.ttl_ms, round_ms));
        }
        effects
    }

    /// The gap that all renewals but the allowed few came within.
    fn late(&self) -> Option<Millis> {
        let allowed = self.gaps.len() / ONE_LATE_IN;
        self.gaps.get(self.gaps.len().checked_sub(1 + allowed)?).copied()
    }

    /// The shortest time to live that leaves room for a lost renewal and for what was late.
    fn wanted_ttl(&self, settings: &Settings) -> Option<Millis> {
        let usual = per_mille(&self.gaps, 500)?;
        let least = (self.late()? * 4 / 3).max(usual * GAPS_PER_LEASE);
        TTLS_MS.into_iter().find(|ttl| *ttl >= least && *ttl <= settings.longest_ttl_ms)
    }

    /// A longer time to live, if so many holders came back that it is no single worker that was restarted.
    fn longer_ttl(&self, settings: &Settings) -> Option<Millis> {
        let (came_back, ttl) = (self.absences.len(), settings.ttl_ms);
        if came_back < FEWEST_CAME_BACK || came_back * ONE_BACK_IN < self.gaps.len() {
            return None;
        }
        let least = (per_mille(&self.absences, 500)? * 4 / 3).max(self.wanted_ttl(settings).unwrap_or_default());
        let most = settings.longest_ttl_ms.min(ttl * MOST_TIMES_LONGER);
        TTLS_MS.into_iter().find(|longer| *longer >= least && *longer > ttl && *longer <= most)
    }

    /// What to do, in a sentence or two.
    pub fn advice(&self, settings: &Settings) -> String {
        let count = |number: usize| format::count(number as i64);
        if self.covers_ms == 0 {
            return "too little history to say: no lease began or was renewed".to_owned();
        }
        if !self.is_enough() {
            return format!(
                "too little history to say: {} renewals in {}, and {} in {} at least are wanted",
                count(self.gaps.len()),
                format::duration(self.covers_ms),
                count(FEWEST_GAPS),
                format::duration(SHORTEST_MS)
            );
        }
        let (ttl, longest) = (settings.ttl_ms, self.gaps.last().copied().unwrap_or_default());
        let said = |ms| format::duration(ms);
        let within = |ttl_ms| match self.longer_than(ttl_ms) {
            0 => format!("no renewal in {} was later than {}", said(self.covers_ms), said(longest)),
            later => format!(
                "{} of {} renewals in {} were later than that",
                format::count(later),
                count(self.gaps.len()),
                said(self.covers_ms)
            ),
        };
        // Where heartbeats tell sooner, a shorter lease finds nobody earlier than they do.
        let present = settings.ends_after(ttl);
        let of_ttl = match (self.longer_ttl(settings), self.wanted_ttl(settings)) {
            (Some(longer), _) => format!(
                "TTL {} -> {}: {} leases ran out of holders that lived, half of them came back within {}; dead holders are found {} later",
                said(ttl),
                said(longer),
                count(self.absences.len()),
                per_mille(&self.absences, 500).map_or_else(String::new, said),
                said(settings.ends_after(longer) - present)
            ),
            (None, Some(wanted)) if wanted < present => format!(
                "TTL {} -> {}: dead holders are found {} sooner, {}",
                said(ttl),
                said(wanted),
                said(present - wanted),
                within(wanted)
            ),
            (None, Some(wanted)) if wanted < ttl => {
                format!("TTL {} stays: heartbeats tell of a dead holder after {} already", said(ttl), said(present))
            }
            _ => {
                let usual = per_mille(&self.gaps, 500).map_or_else(String::new, said);
                format!("TTL {} stays: renewals come every {usual} as a rule, {}", said(ttl), within(ttl))
            }
        };
        match settings.beats.and_then(|beats| self.advice_on_phi(beats)) {
            Some(of_phi) => format!("{of_ttl}. {of_phi}"),
            None => of_ttl,
        }
    }

    /// Whether another φ would be wrong less often.
    fn advice_on_phi(&self, beats: Policy) -> Option<String> {
        if self.wrong_suspicions == 0 {
            return None;
        }
        let present = beats.suspected_phi;
        let wrong = format!(
            "{} of {} suspicions were wrong",
            format::count(self.wrong_suspicions),
            format::count(self.suspicions)
        );
        let is_seen = self.phi(present, beats).1 > 0;
        let better = PHIS.into_iter().filter(|phi| *phi > present).find(|phi| self.phi(*phi, beats).1 == 0);
        Some(match better.filter(|_| is_seen) {
            Some(phi) => format!("φ {present} -> {phi}: {wrong}, and none would have been on these renewals"),
            None => {
                format!("φ {present}: {wrong}, which renewals do not explain; the margin of heartbeats may be short")
            }
        })
    }
}

/// The present time to live, two shorter ones and a longer one.
fn around(ttl_ms: Millis) -> Vec<Millis> {
    let place = TTLS_MS.partition_point(|ttl| *ttl < ttl_ms);
    let mut all = vec![ttl_ms];
    all.extend(&TTLS_MS[place.saturating_sub(2)..place]);
    all.extend(TTLS_MS.into_iter().find(|ttl| *ttl > ttl_ms));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Millis = 1_000;

    fn settings(ttl_s: Millis, beats: Option<f64>) -> Settings {
        let policy = |suspected_phi| Policy {
            interval_ms: 2_000,
            intervals: 4,
            margin_ms: 0,
            suspected_phi,
            trusted_after: 3,
            silent_per_mille: 300,
        };
        Settings { ttl_ms: ttl_s * SECOND, longest_ttl_ms: 3_600_000, beats: beats.map(policy) }
    }

    type Events = History<u32, &'static str>;

    /// A lease that is renewed so often, every so many seconds, from an instant on.
    fn renewed(history: &mut Events, claim: u32, from: Millis, times: i64, every_s: Millis) -> Millis {
        for time in 0..=times {
            history.lease(from + time * every_s * SECOND, claim, Some(&"w"), Sign::Alive);
        }
        from + times * every_s * SECOND
    }

    #[test]
    fn gaps_and_silences_are_of_one_lease_each() {
        let mut history = Events::default();
        history.lease(0, 1, None, Sign::Alive);
        history.lease(0, 1, None, Sign::Alive); // another slot of the same claim
        history.lease(4_000, 2, None, Sign::Alive);
        history.lease(5_000, 1, None, Sign::Alive);
        history.lease(9_000, 2, None, Sign::Taken);
        history.lease(12_000, 1, None, Sign::GivenBack);
        history.lease(13_000, 3, None, Sign::Silent); // began before what is known
        history.lease(14_000, 4, None, Sign::Alive);
        history.lease(44_600, 4, None, Sign::Silent);
        let measured = history.done();
        assert_eq!(measured.gaps, [5_000, 7_000]);
        assert_eq!((measured.silences.as_slice(), measured.absences.len()), ([30_600].as_slice(), 0));
        assert_eq!(measured.covers_ms, 44_600);
    }

    #[test]
    fn who_comes_back_was_no_dead_holder() {
        let mut history = Events::default();
        history.lease(0, 1, None, Sign::Alive);
        history.lease(10_500, 1, None, Sign::Silent);
        history.lease(17_000, 1, None, Sign::CameBack);
        history.lease(18_000, 1, None, Sign::CameBack);
        history.lease(19_000, 2, None, Sign::CameBack);
        let measured = history.done();
        assert_eq!(measured.absences, [17_000]);
        assert!(measured.silences.is_empty() && measured.gaps.is_empty(), "an absence is no gap of a living lease");
    }

    #[test]
    fn a_suspicion_is_wrong_if_a_sign_of_life_follows() {
        let mut history = Events::default();
        history.lease(0, 1, Some(&"a"), Sign::Alive);
        history.lease(0, 2, Some(&"b"), Sign::Alive);
        history.suspected(5_000, "a");
        history.suspected(5_000, "a");
        history.suspected(6_000, "b");
        history.lease(7_000, 1, Some(&"a"), Sign::Alive);
        history.lease(9_000, 2, Some(&"b"), Sign::Silent);
        history.lease(9_000, 1, Some(&"a"), Sign::Alive);
        let measured = history.done();
        assert_eq!((measured.suspicions, measured.wrong_suspicions), (2, 1));
    }

    #[test]
    fn ranks_are_the_nearest() {
        let all: Vec<Millis> = (1..=1_000).collect();
        for (rank, value) in [(500, 500), (990, 990), (999, 999), (1_000, 1_000), (1, 1), (0, 1)] {
            assert_eq!(per_mille(&all, rank), Some(value));
        }
        assert_eq!((per_mille(&[], 500), per_mille(&[7], 999)), (None, Some(7)));
    }

    /// Two days of a lease that renews every four seconds, with one gap of nine, and of one whose holder dies.
    fn two_days() -> Events {
        let mut history = Events::default();
        let at = renewed(&mut history, 1, 0, 43_200, 4);
        let at = renewed(&mut history, 1, at + 9 * SECOND, 10, 4);
        let at = renewed(&mut history, 2, at, 10, 4);
        history.lease(at + 30_300, 2, Some(&"x"), Sign::Silent);
        history
    }

    #[test]
    fn other_times_to_live_are_played_on_the_same_history() {
        let measured = two_days().done();
        assert!(measured.is_enough());
        let effects = measured.effects(&settings(30, None));
        let of = |ttl_s: Millis| {
            let one = effects.iter().find(|one| one.knob == Knob::Ttl(ttl_s * SECOND)).expect("considered");
            (one.is_present, one.found_after_ms, one.false_alarms)
        };
        assert_eq!(of(30), (true, Some(30_520), 0));
        assert_eq!(of(12), (false, Some(12_520), 0), "what is advised is shown");
        assert_eq!(of(45), (false, Some(45_520), 0));
        let shorter = measured.effects(&settings(8, None));
        let eight = shorter.iter().find(|one| one.is_present).expect("the present");
        assert_eq!((eight.knob, eight.false_alarms), (Knob::Ttl(8 * SECOND), 1), "the gap of nine seconds");
        let five = shorter.iter().find(|one| one.knob == Knob::Reconcile(5_000)).expect("rounds");
        assert_eq!((five.found_after_ms, five.false_alarms), (Some(13_020), 1));
    }

    #[test]
    fn advice_says_what_would_change_and_on_what_ground() {
        let plain = |text: String| text.replace('\u{202f}', " ");
        let measured = two_days().done();
        for (ttl_s, said) in [
            (30, "TTL 30 s -> 12 s: dead holders are found 18 s sooner, no renewal in 2 d was later than 9 s"),
            (12, "TTL 12 s stays: renewals come every 4 s as a rule, no renewal in 2 d was later than 9 s"),
            (8, "TTL 8 s stays: renewals come every 4 s as a rule, 1 of 43,221 renewals in 2 d were later than that"),
        ] {
            assert_eq!(plain(measured.advice(&settings(ttl_s, None))), said);
        }
        let mut history = two_days();
        for claim in 3..63 {
            history.lease(200_000_000, claim, None, Sign::Alive);
            history.lease(200_008_500, claim, None, Sign::Silent);
            history.lease(200_014_000, claim, None, Sign::CameBack);
        }
        let advice = plain(history.done().advice(&settings(8, None)));
        assert!(
            advice.starts_with(
                "TTL 8 s -> 20 s: 60 leases ran out of holders that lived, half of them came back within 14 s"
            ),
            "{advice}"
        );
        assert!(advice.ends_with("dead holders are found 12 s later"), "{advice}");
    }

    #[test]
    fn one_worker_that_was_restarted_is_no_reason_and_heartbeats_may_tell_sooner() {
        let plain = |text: String| text.replace('\u{202f}', " ");
        let mut history = two_days();
        history.lease(200_000_000, 3, None, Sign::Alive);
        history.lease(200_008_500, 3, None, Sign::Silent);
        history.lease(202_000_000, 3, None, Sign::CameBack);
        let advice = plain(history.done().advice(&settings(12, None)));
        assert!(advice.starts_with("TTL 12 s stays: "), "{advice}");
        // Four intervals of two seconds are death, which no lease of twelve seconds tells sooner.
        let measured = two_days().done();
        let watched = settings(30, Some(8.0));
        let advice = plain(measured.advice(&watched));
        assert_eq!(advice, "TTL 30 s stays: heartbeats tell of a dead holder after 8 s already");
        let now = measured.effects(&watched).into_iter().find(|one| one.knob == Knob::Ttl(30 * SECOND));
        assert_eq!(now.and_then(|one| one.found_after_ms), Some(8_520));
        let narrow = Settings { longest_ttl_ms: 10 * SECOND, ..settings(10, None) };
        assert!(plain(measured.advice(&narrow)).starts_with("TTL 10 s stays"), "nothing that the pool refuses");
    }

    #[test]
    fn what_was_over_before_it_was_suspected_counts_as_not_found() {
        let mut history = two_days();
        for claim in 10..20 {
            let from = 200_000_000 + Millis::from(claim) * 100_000;
            let at = renewed(&mut history, claim, from, 10, 4);
            history.lease(at + 4_100, claim, None, Sign::Silent);
        }
        let effects = history.done().effects(&settings(30, Some(16.0)));
        let of = effects.iter().find(|one| one.is_present && matches!(one.knob, Knob::Phi(_))).expect("the present");
        assert_eq!(of.found_after_ms, None, "ten of eleven were not suspected at all");
    }

    #[test]
    fn a_suspected_holder_that_comes_back_after_its_end_was_suspected_wrongly() {
        let mut history = Events::default();
        history.lease(0, 1, Some(&"a"), Sign::Alive);
        history.suspected(5_000, "a");
        history.lease(9_000, 1, Some(&"a"), Sign::Silent);
        history.lease(12_000, 1, None, Sign::CameBack);
        let measured = history.done();
        assert_eq!((measured.suspicions, measured.wrong_suspicions), (1, 1));
    }

    #[test]
    fn too_little_history_says_nothing() {
        let plain = |text: String| text.replace('\u{202f}', " ");
        let empty = Events::default().done();
        assert_eq!(
            plain(empty.advice(&settings(30, Some(8.0)))),
            "too little history to say: no lease began or was renewed"
        );
        assert!(empty.effects(&settings(30, Some(8.0))).is_empty());
        let mut short = Events::default();
        renewed(&mut short, 1, 0, 3_000, 1);
        assert!(short.done().effects(&settings(30, None)).is_empty(), "many renewals in less than an hour");
        let mut few = Events::default();
        renewed(&mut few, 1, 0, 900, 100);
        let few = few.done();
        assert_eq!(
            plain(few.advice(&settings(30, None))),
            "too little history to say: 900 renewals in 1 d 1 h, and 1,000 in 1 h at least are wanted"
        );
        assert!(few.effects(&settings(30, None)).is_empty(), "few renewals in a day");
    }

    #[test]
    fn a_higher_phi_suspects_later_and_is_wrong_less_often() {
        let mut history = Events::default();
        let mut at = 0;
        for claim in 1..=4 {
            // Regular, but each tenth renewal comes late.
            for time in 0..6_000 {
                at += if time % 10 == 9 { 6_200 } else { 4_000 };
                history.lease(at, claim, Some(&"w"), Sign::Alive);
            }
            history.lease(at + 30_000, claim, Some(&"w"), Sign::Silent);
        }
        history.suspected(at + 31_000, "v");
        history.lease(at + 32_000, 99, Some(&"v"), Sign::Alive);
        let measured = history.done();
        let effects = measured.effects(&settings(30, Some(4.0)));
        let phis: Vec<&Effect> = effects.iter().filter(|one| matches!(one.knob, Knob::Phi(_))).collect();
        assert_eq!(phis.len(), PHIS.len());
        assert!(phis.windows(2).all(|two| two[0].false_alarms >= two[1].false_alarms), "{phis:?}");
        assert!(phis.windows(2).all(|two| two[0].found_after_ms <= two[1].found_after_ms), "{phis:?}");
        assert!(
            phis[0].is_present && phis.iter().all(|one| one.found_after_ms.is_some_and(|ms| ms > 4_000 && ms < 30_000))
        );
        let advice = measured.advice(&settings(30, Some(4.0)));
        assert!(advice.contains("φ 4") && advice.contains("1 of 1 suspicions were wrong"), "{advice}");
    }

    #[test]
    fn a_suspicion_that_nobody_made_is_not_advised_on() {
        let advice = two_days().done().advice(&settings(30, Some(8.0)));
        assert!(!advice.contains('φ'), "{advice}");
    }

    proptest! {
        #[test]
        fn a_shorter_time_to_live_finds_sooner_and_is_wrong_at_least_as_often(
            gaps in prop::collection::vec(1_i64..100_000, 1_000..1_200), ttl_s in 1_i64..3_600,
        ) {
            let mut history = History::<u32, &str>::default();
            let mut at = 0;
            history.lease(at, 1, None, Sign::Alive);
            for gap in gaps {
                at += gap;
                history.lease(at, 1, None, Sign::Alive);
            }
            history.lease(at + 2 * HOUR_MS, 2, None, Sign::Alive);
            let measured = history.done();
            let effects = measured.effects(&settings(ttl_s, None));
            let ttls: Vec<&Effect> = effects.iter().filter(|one| matches!(one.knob, Knob::Ttl(_))).collect();
            prop_assert_eq!(ttls.iter().filter(|one| one.is_present).count(), 1);
            prop_assert!(ttls.windows(2).all(|two| two[0].found_after_ms < two[1].found_after_ms));
            prop_assert!(ttls.windows(2).all(|two| two[0].false_alarms >= two[1].false_alarms));
            prop_assert!(!measured.advice(&settings(ttl_s, None)).is_empty());
        }
    }
}
