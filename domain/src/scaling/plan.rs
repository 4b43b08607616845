//! Steps of capacity: enough for what each hour needs, few of them, growing in time and shrinking with patience.
//!
//! Among all ways to be enough the one with the least slot-hours plus a price for each change is taken, exactly (dynamic programming
//! over where stretches of the same capacity end). The price is what makes steps few (Netflix's Scryer plans that way).

use super::need::{Decider, Need};
use crate::forecast::online::{Mark, Outlook};
use crate::format::count;
use crate::{HOUR_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};

/// A change has to save what so many hours of the mean capacity cost, if no price is set.
const USUAL_PRICE_HOURS: f64 = 0.5;
/// Most hours of a plan.
const MOST_HOURS: usize = 168;
/// Longest hold, in hours.
const LONGEST_HOLD: usize = 48;

/// Bounds and patience of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Never less.
    pub min: u32,
    /// Never more; counts where it is below `min`.
    pub max: u32,
    /// From asking for slots until they are there.
    pub lead_minutes: u32,
    /// After growing nothing shrinks for so long; rounded up to hours.
    pub hold_minutes: u32,
    /// Shrinking by less than this part is not worth a change.
    pub band_percent: u32,
    /// Between a change and the next that shrinks; shrinking waits for the next hour after that.
    pub cooldown_minutes: u32,
    /// Slot-hours that a change has to save; 0 is half an hour of the mean capacity.
    pub step_price: f64,
}

/// Where the pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The instant, within the first hour of the needs.
    pub now_ms: Millis,
    /// Present capacity.
    pub capacity: u32,
    /// When it last grew.
    pub last_grown_ms: Option<Millis>,
    /// When it last changed, if that is not when it grew.
    pub last_changed_ms: Option<Millis>,
}

/// A change of capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When to act.
    pub at_ms: Millis,
    /// When it is in effect.
    pub effective_ms: Millis,
    /// Slots before.
    pub from: u32,
    /// Slots after.
    pub to: u32,
    /// Who decided the level after it.
    pub decider: Decider,
    /// Whether the slots come after the start of the hour that needs them: there was no time left.
    pub is_late: bool,
    /// Why, in words.
    pub reason: String,
}

impl Step {
    /// The step with which a pool follows what is wanted from minute to minute: it grows by as much as is not worth shrinking by, the
    /// band or the least change, so that neither a slow rise nor one that comes and goes changes the capacity every time. Other steps
    /// stay as they are.
    #[must_use]
    pub fn in_strides(self, rules: &Rules, least: u32) -> Self {
        if self.decider != Decider::Live || self.to <= self.from {
            return self;
        }
        let from = u64::from(self.from);
        // The most from which going back to what there was is within the band, and less than the least change away.
        let by_band = (from * 100).div_ceil(u64::from(100 - rules.band_percent.min(99))).saturating_sub(1);
        let stride = by_band.max((from + u64::from(least)).saturating_sub(1));
        let to = u32::try_from(stride).unwrap_or(u32::MAX).min(rules.max).max(self.to);
        if to == self.to {
            return self;
        }
        let by = self.decider.words();
        let reason = format!(
            "grows to {}: {by} asks for {}, and so that few changes are made",
            count(to.into()),
            count(self.to.into())
        );
        Self { to, reason, ..self }
    }
}

/// More is needed than the maximum allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The first such hour.
    pub hour_ms: Millis,
    /// What it needs.
    pub wanted: i64,
    /// What it gets.
    pub max: u32,
    /// Who needs it.
    pub decider: Decider,
}

/// What to do in the hours to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Start of the first hour.
    pub from_ms: Millis,
    /// Changes in the order of time.
    pub steps: Vec<Step>,
    /// Slots by hour, from the running one on.
    pub capacity: Vec<u32>,
    /// The first hour for which the maximum is too little.
    pub breach: Option<Breach>,
}

/// What a plan is expected to come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Slot-hours provided.
    pub slot_hours: f64,
    /// Slot-hours of the median forecast's peaks.
    pub median_slot_hours: f64,
    /// Expected share of hours whose peak is above the capacity, of those that are foreseen; none if nothing is.
    pub short_share: Option<f64>,
}

/// What an hour gets, and who decided.
#[derive(Debug, Clone, Copy)]
struct Level {
    slots: u32,
    decider: Decider,
}

/// Plans. `needs` are by hour, from the running one on.
pub fn plan(needs: &[Need], rules: &Rules, now: &Now) -> Plan {
    let needs = &needs[..needs.len().min(MOST_HOURS)];
    let from_ms = now.now_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let mut breach = None;
    let mut levels: Vec<Level> = Vec::with_capacity(needs.len());
    for (hour, need) in needs.iter().enumerate() {
        let (wanted, decider) = need.wanted();
        let level = if wanted > i64::from(rules.max) {
            let hour_ms = from_ms + hour as Millis * HOUR_MS;
            breach = breach.or(Some(Breach { hour_ms, wanted, max: rules.max, decider }));
            Level { slots: rules.max, decider: Decider::Maximum }
        } else if wanted < i64::from(rules.min) {
            Level { slots: rules.min.min(rules.max), decider: Decider::Minimum }
        } else {
            Level { slots: wanted as u32, decider }
        };
        levels.push(level);
    }
    let levels = held(&levels, rules, now, from_ms);
    let stretches = patient(stretches(&levels, rules, now.capacity), rules, now, from_ms);
    let (mut steps, mut capacity) = (Vec::new(), Vec::with_capacity(levels.len()));
    let mut before = now.capacity;
    for (start, end, level) in stretches {
        if level.slots != before {
            steps.push(step(start, before, level, rules, now, from_ms));
            before = level.slots;
        }
        capacity.resize(end, level.slots);
    }
    Plan { from_ms, steps, capacity, breach }
}

/// Shrinks only to the most of the hold: of the hours before, and of what there is if it grew just now.
fn held(levels: &[Level], rules: &Rules, now: &Now, from_ms: Millis) -> Vec<Level> {
    let hold = (rules.hold_minutes.div_ceil(60) as usize).min(LONGEST_HOLD);
    let hold_ms = Millis::from(rules.hold_minutes) * MINUTE_MS;
    let until_ms = now.last_grown_ms.filter(|grown| *grown <= now.now_ms).map(|grown| grown.saturating_add(hold_ms));
    let present = Level { slots: now.capacity.min(rules.max), decider: Decider::Held };
    (0..levels.len())
        .map(|hour| {
            let mut most = levels[hour];
            for before in &levels[hour.saturating_sub(hold)..hour] {
                if before.slots > most.slots {
                    most = Level { slots: before.slots, decider: Decider::Held };
                }
            }
            let starts_ms = from_ms + hour as Millis * HOUR_MS;
            let is_held = until_ms.is_some_and(|until_ms| until_ms > starts_ms.max(now.now_ms));
            if is_held && present.slots > most.slots { present } else { most }
        })
        .collect()
}

/// Stretches of the same capacity: start, end and level.
fn stretches(levels: &[Level], rules: &Rules, present: u32) -> Vec<(usize, usize, Level)> {
    let hours = levels.len();
    let mean = levels.iter().map(|level| f64::from(level.slots)).sum::<f64>() / hours.max(1) as f64;
    let is_set = rules.step_price.is_finite() && rules.step_price > 0.0;
    let price = if is_set { rules.step_price } else { USUAL_PRICE_HOURS * mean };
    let kept = Level { slots: present, decider: Decider::Held };
    // The least that the hours before `end` cost, where their last stretch starts, and its level.
    let mut least: Vec<(f64, usize, Level)> = vec![(0.0, 0, kept)];
    for end in 1..=hours {
        let mut best = (f64::INFINITY, 0, kept);
        let mut most = levels[end - 1];
        for start in (0..end).rev() {
            if levels[start].slots >= most.slots {
                most = levels[start];
            }
            let length = (end - start) as f64;
            let changed = least[start].0 + price + length * f64::from(most.slots);
            if changed < best.0 {
                best = (changed, start, most);
            }
            let stays = start == 0 && (most.slots..=rules.max).contains(&present);
            let unchanged = length * f64::from(present);
            if stays && unchanged <= best.0 {
                best = (unchanged, start, if most.slots == present { most } else { kept });
            }
        }
        least.push(best);
    }
    let mut found = Vec::new();
    let mut end = hours;
    while end > 0 {
        let (_, start, level) = least[end];
        found.push((start, end, level));
        end = start;
    }
    found.reverse();
    found
}

/// Leaves out what shrinks by less than the band, and puts off what shrinks until the cooldown after the change before it is over; what
/// that leaves no time for is left out too. What is above the maximum goes at once.
fn patient(
    stretches: Vec<(usize, usize, Level)>,
    rules: &Rules,
    now: &Now,
    from_ms: Millis,
) -> Vec<(usize, usize, Level)> {
    let cooldown_ms = Millis::from(rules.cooldown_minutes) * MINUTE_MS;
    let starts_ms = |hour: usize| (from_ms + hour as Millis * HOUR_MS).max(now.now_ms);
    let mut changed_ms = now.last_changed_ms.max(now.last_grown_ms).filter(|at| *at <= now.now_ms);
    let mut before = now.capacity;
    let mut found = Vec::with_capacity(stretches.len());
    for (start, end, mut level) in stretches {
        let kept = Level { slots: before, decider: Decider::Held };
        let band = u64::from(before) * u64::from(100 - rules.band_percent.min(100));
        let shrinks = level.slots < before && before <= rules.max;
        if shrinks && u64::from(level.slots) * 100 > band {
            level = kept;
        }
        let must_wait = shrinks && level.slots < before;
        let may = |hour: &usize| !must_wait || changed_ms.is_none_or(|at| starts_ms(*hour) - at >= cooldown_ms);
        let first = (start..end).find(may).unwrap_or(end);
        if start < first {
            found.push((start, first, kept));
        }
        if first < end {
            if level.slots != before {
                changed_ms = Some(starts_ms(first));
            }
            before = level.slots;
            found.push((first, end, level));
        }
    }
    found
}

fn step(start: usize, from: u32, level: Level, rules: &Rules, now: &Now, from_ms: Millis) -> Step {
    let needed_ms = (from_ms + start as Millis * HOUR_MS).max(now.now_ms);
    let grows = level.slots > from;
    let lead_ms = if grows { Millis::from(rules.lead_minutes) * MINUTE_MS } else { 0 };
    let at_ms = needed_ms.saturating_sub(lead_ms).max(now.now_ms);
    let effective_ms = at_ms.saturating_add(lead_ms);
    let by = level.decider.words();
    let reason = match (grows, level.decider) {
        (true, Decider::Maximum) => {
            format!("grows to the maximum of {}, and more is needed", count(level.slots.into()))
        }
        (true, _) => format!("grows to {}: {by} asks for it", count(level.slots.into())),
        (false, Decider::Maximum) => {
            format!("shrinks to the maximum of {}, though more is needed", count(level.slots.into()))
        }
        (false, _) => format!("shrinks to {}: {by} asks for no more", count(level.slots.into())),
    };
    let is_late = grows && effective_ms > needed_ms;
    Step { at_ms, effective_ms, from, to: level.slots, decider: level.decider, is_late, reason }
}

/// What a plan is expected to come to by an outlook of the same hours.
pub fn expect(plan: &Plan, outlook: &Outlook) -> Expectation {
    let (mut short, mut foreseen) = (0.0, 0);
    for (step, slots) in plan.capacity.iter().enumerate().take(outlook.median.len()) {
        if outlook.marks.get(step) != Some(&Mark::Excluded) {
            short += outlook.exceedance(step, f64::from(*slots));
            foreseen += 1;
        }
    }
    Expectation {
        slot_hours: plan.capacity.iter().map(|slots| f64::from(*slots)).sum(),
        median_slot_hours: outlook.median.iter().take(plan.capacity.len()).sum(),
        short_share: (foreseen > 0).then(|| short / f64::from(foreseen)),
    }
}
