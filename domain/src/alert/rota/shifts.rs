//! Who is on call when: turns as stretches of time, laid over each other.

use super::{HandOver, LONGEST_TURN_H, Layer, Override, Rota, Weekday, Window};
use crate::alert::episode::Person;
use crate::localtime::ZoneSlice;
use crate::{DAY_MS, EARLIEST_MS, LATEST_MS, Millis};
use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use serde::{Deserialize, Serialize};

/// How far the next hand-over is looked for, a little at a time: most are near.
const REACHES_MS: [Millis; 4] = [DAY_MS, 7 * DAY_MS, 35 * DAY_MS, 105 * DAY_MS];

/// A stretch of time, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub from_ms: Millis,
    /// First instant after it.
    pub to_ms: Millis,
}

impl Span {
    fn new(from_ms: Millis, to_ms: Millis) -> Self {
        Self { from_ms, to_ms }
    }

    fn contains(self, at: Millis) -> bool {
        (self.from_ms..self.to_ms).contains(&at)
    }

    /// What both have; `None` if that is nothing.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let both = Self::new(self.from_ms.max(other.from_ms), self.to_ms.min(other.to_ms));
        (both.from_ms < both.to_ms).then_some(both)
    }
}

/// Why it is them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// It is their turn in the layer of this number, from 0.
    Layer(usize),
    /// The override of this number, from 0, says so.
    Override(usize),
}

/// Who is on call, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnCall<'a> {
    /// Who.
    pub person: &'a Person,
    /// Why it is them.
    pub by: By,
}

/// Somebody is on call for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Who.
    pub person: Person,
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub to_ms: Millis,
    /// Why it is them.
    pub by: By,
}

impl Rota {
    /// Who is on call at an instant; `None` = nobody.
    pub fn on_call(&self, at: Millis, zone: &ZoneSlice) -> Option<OnCall<'_>> {
        if !(EARLIEST_MS..LATEST_MS).contains(&at) {
            return None;
        }
        let overrides = self.overrides.iter().enumerate().rev();
        let instead = overrides
            .filter(|(_, one)| one.span().contains(at))
            .map(|(number, one)| OnCall { person: &one.person, by: By::Override(number) });
        let layers = self.layers.iter().enumerate().rev();
        let in_turn = layers.filter_map(|(number, layer)| {
            layer.on_call(at, zone).map(|person| OnCall { person, by: By::Layer(number) })
        });
        instead.chain(in_turn).next()
    }

    /// Who is on call from one instant to another, in order. Turns of one person that follow each other are one shift.
    pub fn shifts(&self, from: Millis, to: Millis, zone: &ZoneSlice) -> Vec<Shift> {
        self.timeline(from, to, zone).0
    }

    /// When nobody is on call, in order. Together with the shifts it is the whole stretch, without any overlap.
    pub fn gaps(&self, from: Millis, to: Millis, zone: &ZoneSlice) -> Vec<Span> {
        self.timeline(from, to, zone).1
    }

    /// The first instant after another at which somebody else is on call, or nobody, or somebody after nobody; `None` if
    /// nothing changes in the next 105 days.
    pub fn next_hand_over(&self, at: Millis, zone: &ZoneSlice) -> Option<Millis> {
        let now = self.on_call(at, zone).map(|now| &now.person.id);
        REACHES_MS.iter().find_map(|reach| {
            let end = at.saturating_add(*reach);
            let (shifts, gaps) = self.timeline(at, end, zone);
            let others = shifts.iter().filter(|shift| Some(&shift.person.id) != now).map(|shift| shift.from_ms);
            let none = gaps.iter().filter(|_| now.is_some()).map(|gap| gap.from_ms);
            others.chain(none).min()
        })
    }

    /// Shifts and gaps.
    fn timeline(&self, from: Millis, to: Millis, zone: &ZoneSlice) -> (Vec<Shift>, Vec<Span>) {
        let all = Span::new(from.clamp(EARLIEST_MS, LATEST_MS), to.clamp(EARLIEST_MS, LATEST_MS));
        let mut rest = if all.from_ms < all.to_ms { vec![all] } else { Vec::new() };
        let mut shifts = Vec::new();
        for (number, one) in self.overrides.iter().enumerate().rev() {
            take(&mut rest, vec![(one.span(), &one.person)], By::Override(number), &mut shifts);
        }
        for (number, layer) in self.layers.iter().enumerate().rev() {
            if rest.is_empty() {
                break;
            }
            take(&mut rest, layer.turns(all, zone), By::Layer(number), &mut shifts);
        }
        shifts.sort_by_key(|shift| shift.from_ms);
        shifts.dedup_by(|next, before| {
            let goes_on = before.to_ms == next.from_ms && before.by == next.by && before.person.id == next.person.id;
            if goes_on {
                before.to_ms = next.to_ms;
            }
            goes_on
        });
        (shifts, rest)
    }
}

/// Takes from what nobody has yet. Both lists are in order and without overlaps.
fn take(rest: &mut Vec<Span>, turns: Vec<(Span, &Person)>, by: By, shifts: &mut Vec<Shift>) {
    let mut left = Vec::with_capacity(rest.len());
    let mut turns = turns.into_iter().peekable();
    for mut span in std::mem::take(rest) {
        while let Some((turn, person)) = turns.peek() {
            if turn.from_ms >= span.to_ms {
                break;
            }
            if let Some(both) = turn.common(span) {
                if span.from_ms < both.from_ms {
                    left.push(Span::new(span.from_ms, both.from_ms));
                }
                let person = (*person).clone();
                shifts.push(Shift { person, from_ms: both.from_ms, to_ms: both.to_ms, by });
                span.from_ms = both.to_ms;
            }
            if turn.to_ms > span.to_ms {
                break;
            }
            turns.next();
        }
        if span.from_ms < span.to_ms {
            left.push(span);
        }
    }
    *rest = left;
}

impl Override {
    fn span(&self) -> Span {
        Span::new(self.from_ms, self.until_ms)
    }
}

impl Layer {
    fn on_call(&self, at: Millis, zone: &ZoneSlice) -> Option<&Person> {
        let covers = self.only.is_empty() || self.only.iter().any(|window| window.covers(at, zone));
        self.person(self.turn_at(at, zone)?).filter(|_| covers)
    }

    fn person(&self, turn: i64) -> Option<&Person> {
        self.people.get(usize::try_from(turn).ok()?.checked_rem(self.people.len())?)
    }

    /// Time on the clock from one hand-over to the next.
    fn step(&self) -> TimeDelta {
        match self.hand_over {
            HandOver::Day { .. } => TimeDelta::days(1),
            HandOver::Week { .. } => TimeDelta::weeks(1),
            HandOver::Hours { hours } => TimeDelta::hours(i64::from(hours.clamp(1, LONGEST_TURN_H))),
        }
    }

    /// The last hand-over that is not after the start, as if there had been any.
    fn anchor(&self) -> NaiveDateTime {
        let start = self.start.naive();
        let (same_day, back) = match self.hand_over {
            HandOver::Hours { .. } => return start,
            HandOver::Day { at } => (at.on(start.date()), 0),
            HandOver::Week { weekday, at } => {
                let back = (Weekday::of(start.date()).number() - weekday.number()).rem_euclid(7);
                (at.on(start.date()), back)
            }
        };
        let anchor = same_day - TimeDelta::days(back);
        if anchor > start { anchor - self.step() } else { anchor }
    }

    /// When a turn begins, by number from 0.
    fn begin(&self, turn: i64, zone: &ZoneSlice) -> Millis {
        if turn <= 0 {
            return instant(zone, self.start.naive());
        }
        let wall = self.step().num_seconds().checked_mul(turn).and_then(TimeDelta::try_seconds);
        let wall = wall.and_then(|after| self.anchor().checked_add_signed(after));
        wall.map_or(Millis::MAX, |wall| instant(zone, wall))
    }

    /// Whose turn it is; `None` before the first.
    fn turn_at(&self, at: Millis, zone: &ZoneSlice) -> Option<i64> {
        if at < self.begin(0, zone) {
            return None;
        }
        let passed = zone.local(at) - self.anchor();
        let mut turn = passed.num_seconds().div_euclid(self.step().num_seconds()).max(0);
        // Clocks that are put back show a time before a hand-over that has been.
        while turn > 0 && self.begin(turn, zone) > at {
            turn -= 1;
        }
        while self.begin(turn + 1, zone) <= at {
            turn += 1;
        }
        Some(turn)
    }

    /// Who is on call in a stretch, in order.
    fn turns(&self, within: Span, zone: &ZoneSlice) -> Vec<(Span, &Person)> {
        let first = within.from_ms.max(self.begin(0, zone));
        let Some(mut turn) = self.turn_at(first, zone).filter(|_| first < within.to_ms) else { return Vec::new() };
        let mut turns = Vec::new();
        let mut from = first;
        while from < within.to_ms {
            let to = self.begin(turn + 1, zone).min(within.to_ms);
            // A turn that begins and ends in an hour that clocks leave out is none.
            if from < to
                && let Some(person) = self.person(turn)
            {
                turns.push((Span::new(from, to), person));
            }
            (from, turn) = (to, turn + 1);
        }
        if self.only.is_empty() {
            return turns;
        }
        let open = self.open(within, zone);
        let mut next = 0;
        let mut restricted = Vec::new();
        for (turn, person) in turns {
            while open.get(next).is_some_and(|span| span.to_ms <= turn.from_ms) {
                next += 1;
            }
            let those = open[next..].iter().take_while(|span| span.from_ms < turn.to_ms);
            restricted.extend(those.filter_map(|span| span.common(turn)).map(|span| (span, person)));
        }
        restricted
    }

    /// When any window of it is open, in order and without overlaps.
    fn open(&self, within: Span, zone: &ZoneSlice) -> Vec<Span> {
        let last = zone.local(within.to_ms).date() + Days::new(1);
        let days = (zone.local(within.from_ms).date() - Days::new(1)).iter_days().take_while(|day| *day <= last);
        let mut open: Vec<Span> = days
            .flat_map(|day| self.only.iter().filter_map(move |window| window.on(day, zone)))
            .filter_map(|span| span.common(within))
            .collect();
        open.sort_by_key(|span| span.from_ms);
        open.dedup_by(|next, before| {
            let touches = next.from_ms <= before.to_ms;
            if touches {
                before.to_ms = before.to_ms.max(next.to_ms);
            }
            touches
        });
        open
    }
}

impl Window {
    /// The stretch that begins on a day; `None` if none does.
    fn on(&self, day: NaiveDate, zone: &ZoneSlice) -> Option<Span> {
        if !self.weekdays.is_empty() && !self.weekdays.contains(&Weekday::of(day)) {
            return None;
        }
        let last = if self.until > self.from { day } else { day + Days::new(1) };
        Some(Span::new(instant(zone, self.from.on(day)), instant(zone, self.until.on(last))))
    }

    fn covers(&self, at: Millis, zone: &ZoneSlice) -> bool {
        let today = zone.local(at).date();
        // The next day may have begun already, where clocks are put back over midnight.
        let days = [today - Days::new(1), today, today + Days::new(1)];
        days.iter().any(|day| self.on(*day, zone).is_some_and(|span| span.contains(at)))
    }
}

/// The first instant at which clocks show a time; where they leave it out, the first instant after that.
fn instant(zone: &ZoneSlice, wall: NaiveDateTime) -> Millis {
    zone.to_utc(wall).unwrap_or_else(|jump| jump)
}
