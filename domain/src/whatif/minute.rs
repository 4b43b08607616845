//! One minute of a pool in closed form: where claims of one slot each end, without making them one by one.

use super::UNKNOWN;
use std::ops::Range;

/// The tenants of a pool as parallel columns, by priority (highest first) and key.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    /// Slots that may be used.
    pub(super) capacity: u32,
    /// Slots wanted, [`UNKNOWN`] included.
    pub(super) want: Vec<u32>,
    /// Slots held.
    pub(super) held: Vec<u32>,
    /// Slots promised.
    pub(super) floor: Vec<u32>,
    /// The least of quota, ceiling, and floor with borrowing limit.
    pub(super) limit: Vec<u32>,
    /// Lending limit.
    pub(super) lend: Vec<u32>,
    /// Slots taken back.
    pub(super) taken: Vec<u64>,
    /// Tenants of equal priority, highest priority first.
    pub(super) classes: Vec<Range<usize>>,
    /// From whom slots are taken back, the least important first and equals by key; empty = the classes from the last to the first.
    pub(super) back: Vec<Vec<usize>>,
    /// What each tenant gets or loses in one class: scratch.
    part: Vec<u32>,
}

/// What the claims of a minute start from.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    held: u64,
    kept: u64,
    borrowed: u64,
    own: u64,
    claims: u64,
}

impl Pool {
    pub(super) fn new(classes: Vec<Range<usize>>, tenants: usize) -> Self {
        Self {
            want: vec![UNKNOWN; tenants],
            held: vec![0; tenants],
            floor: vec![0; tenants],
            limit: vec![u32::MAX; tenants],
            lend: vec![u32::MAX; tenants],
            taken: vec![0; tenants],
            classes,
            ..Self::default()
        }
    }

    /// Plays a minute.
    pub(super) fn play(&mut self) {
        let start = self.give_back();
        // A claim of one slot is more than a pool without slots has.
        if start.claims == 0 || self.capacity == 0 {
            return;
        }
        // Slots free for anybody; below 0 slots are kept that are not there.
        let mut open = i64::from(self.capacity) - start.held as i64 - start.kept as i64;
        if open >= start.claims as i64 {
            self.grant_all();
            return;
        }
        if start.own > 0 {
            let reclaimed = self.grant_own(&mut open, start.borrowed);
            self.take_back(reclaimed);
        }
        self.lend_out(open);
    }

    /// Who holds more than it wants gives it back.
    fn give_back(&mut self) -> Start {
        let mut start = Start::default();
        let limits = self.floor.iter().zip(&self.limit).zip(&self.lend);
        for ((held, want), ((floor, limit), lend)) in self.held.iter_mut().zip(&self.want).zip(limits) {
            let want = known(*want);
            *held = (*held).min(want);
            let may = want.min(*limit);
            start.held += u64::from(*held);
            start.kept += u64::from(floor.saturating_sub(*held).saturating_sub(*lend));
            start.borrowed += u64::from(held.saturating_sub(*floor));
            start.own += u64::from(may.min(*floor).saturating_sub(*held));
            start.claims += u64::from(may.saturating_sub(*held));
        }
        start
    }

    /// There is room for all.
    fn grant_all(&mut self) {
        for ((held, want), limit) in self.held.iter_mut().zip(&self.want).zip(&self.limit) {
            *held = (*held).max(known(*want).min(*limit));
        }
    }

    /// Claims within floors. Gives how many slots they take back of those that are borrowed.
    fn grant_own(&mut self, open: &mut i64, borrowed: u64) -> u64 {
        let mut left = borrowed;
        for place in 0..self.held.len() {
            let (held, floor) = (self.held[place], self.floor[place]);
            let claims = known(self.want[place]).min(self.limit[place]).min(floor).saturating_sub(held);
            if claims == 0 {
                continue;
            }
            let kept = floor.saturating_sub(held).saturating_sub(self.lend[place]);
            // One of what is kept for it is there if no more is missing of what is kept for all than is kept for it. It is taken
            // from both, so what is open stays; if it is not there, slots come back from borrowers until it is.
            let of_kept = claims.min(kept);
            *open += back(&mut left, i64::from(of_kept) - i64::from(kept) - *open);
            let granted = (*open + i64::from(kept)).clamp(0, of_kept.into());
            self.held[place] += granted as u32;
            let of_lent = i64::from(claims - of_kept);
            if granted < of_kept.into() || of_lent == 0 {
                continue;
            }
            // What it could have lent is taken of what is open.
            *open += back(&mut left, of_lent - *open);
            let granted = (*open).clamp(0, of_lent);
            *open -= granted;
            self.held[place] += granted as u32;
        }
        borrowed - left
    }

    /// Takes slots back from those who borrowed: the lowest priority first, and within one always from whoever has most, the
    /// first by key among equals.
    fn take_back(&mut self, mut slots: u64) {
        if !self.back.is_empty() {
            self.take_back_in_order(slots);
            return;
        }
        for class in self.classes.iter().rev() {
            if slots == 0 {
                return;
            }
            self.part.clear();
            let columns = self.held[class.clone()].iter().zip(&self.floor[class.clone()]);
            self.part.extend(columns.map(|(held, floor)| held.saturating_sub(*floor)));
            let all: u64 = self.part.iter().copied().map(u64::from).sum();
            if all > slots {
                level_down(&mut self.part, slots);
            }
            let columns = self.held[class.clone()].iter_mut().zip(&mut self.taken[class.clone()]);
            for ((held, taken), part) in columns.zip(&self.part) {
                *held -= *part;
                *taken += u64::from(*part);
            }
            slots -= all.min(slots);
        }
    }

    /// The same where reservations make tenants more important than their claims.
    fn take_back_in_order(&mut self, mut slots: u64) {
        for equals in &self.back {
            if slots == 0 {
                return;
            }
            self.part.clear();
            self.part.extend(equals.iter().map(|place| self.held[*place].saturating_sub(self.floor[*place])));
            let all: u64 = self.part.iter().copied().map(u64::from).sum();
            if all > slots {
                level_down(&mut self.part, slots);
            }
            for (place, part) in equals.iter().zip(&self.part) {
                self.held[*place] -= *part;
                self.taken[*place] += u64::from(*part);
            }
            slots -= all.min(slots);
        }
    }

    /// Claims beyond floors, as far as slots are open.
    fn lend_out(&mut self, open: i64) {
        let mut open = open.max(0) as u64;
        for class in &self.classes {
            if open == 0 {
                return;
            }
            self.part.clear();
            for place in class.clone() {
                let claims = known(self.want[place]).min(self.limit[place]).saturating_sub(self.held[place]);
                // Who was refused what is promised to it is refused what is not.
                self.part.push(if self.held[place] < self.floor[place] { 0 } else { claims });
            }
            let all: u64 = self.part.iter().copied().map(u64::from).sum();
            if all > open {
                level_up(&mut self.part, open);
            }
            for (held, part) in self.held[class.clone()].iter_mut().zip(&self.part) {
                *held += *part;
            }
            open -= all.min(open);
        }
    }
}

/// As many of the slots that are borrowed as are wanted back.
fn back(borrowed: &mut u64, wanted: i64) -> i64 {
    let slots = (*borrowed).min(wanted.max(0) as u64);
    *borrowed -= slots;
    slots as i64
}

fn known(want: u32) -> u32 {
    if want == UNKNOWN { 0 } else { want }
}

/// Turns what each has into what each loses if `slots` are taken one by one from whoever has most, the first among equals.
/// There are more than that.
fn level_down(has: &mut [u32], slots: u64) {
    let above = |level: u32| -> u64 { has.iter().map(|has| u64::from(has.saturating_sub(level))).sum() };
    // The least level above which there are no more than is taken.
    let (mut low, mut high) = (0, has.iter().copied().max().unwrap_or_default());
    while low < high {
        let middle = low + (high - low) / 2;
        if above(middle) <= slots { high = middle } else { low = middle + 1 }
    }
    let mut rest = slots - above(low);
    for has in has {
        let one_more = rest > 0 && low > 0 && *has >= low;
        rest -= u64::from(one_more);
        *has = has.saturating_sub(low) + u32::from(one_more);
    }
}

/// Turns what each asks for into what each gets if `slots` are given in turns, the first among equals. Fewer are there than are
/// asked for.
fn level_up(asks: &mut [u32], slots: u64) {
    let below = |level: u32| -> u64 { asks.iter().map(|asks| u64::from((*asks).min(level))).sum() };
    // The greatest number of whole turns.
    let (mut low, mut high) = (0, asks.iter().copied().max().unwrap_or_default());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if below(middle) <= slots { low = middle } else { high = middle - 1 }
    }
    let mut rest = slots - below(low);
    for asks in asks {
        let one_more = rest > 0 && *asks > low;
        rest -= u64::from(one_more);
        *asks = (*asks).min(low) + u32::from(one_more);
    }
}
