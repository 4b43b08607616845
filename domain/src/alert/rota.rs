//! Who is on call: people who take turns in layers, exceptions from that, and who is asked one after the other.
//!
//! Turns change at a time of day as the clocks of the rota's zone show it, so the week in which clocks are changed has an hour
//! more or less. A time that such a change leaves out is the first instant after it, a time that comes twice is the first of the
//! two. Zone rules come from outside: a slice must reach over every instant that is asked about, and a few days further on both
//! sides.

mod policy;
mod shifts;
mod wall;

pub use policy::{
    AHEAD_MS, LONGEST_ROUND_MS, MOST_ROUNDS, MOST_STEPS, MOST_TARGETS, Policy, SHORTEST_ROUND_MS, Step, Target,
    Unmanned,
};
pub use shifts::{By, OnCall, Shift, Span};
pub use wall::{TimeOfDay, WallTime, Weekday};

use super::episode::Person;
use super::matcher::problem;
use super::rule::Problem;
use crate::range::{MAX_SPAN_MS, rfc3339};
use crate::slug::check_name;
use crate::{EARLIEST_MS, LATEST_MS, Millis};
use serde::{Deserialize, Serialize};

/// Most layers of a rota.
pub const MOST_LAYERS: usize = 20;
/// Most turns of a layer before it begins anew.
pub const MOST_PEOPLE: usize = 50;
/// Most overrides of a rota, past ones included.
pub const MOST_OVERRIDES: usize = 500;
/// Most windows that a layer is restricted to.
pub const MOST_WINDOWS: usize = 14;
/// Longest turn that is given in hours: five weeks.
pub const LONGEST_TURN_H: u32 = 35 * 24;
/// Longest note of an override, characters.
pub const OVERRIDE_NOTE_CHARS: usize = 500;
/// Longest id of a person, characters.
const ID_CHARS: usize = 120;
/// Longest name of a zone, characters.
const ZONE_CHARS: usize = 64;

/// A schedule of people on call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rota {
    /// IANA name of the zone in which it is written.
    pub zone: String,
    /// Who takes turns; of those that cover an instant the last one counts.
    pub layers: Vec<Layer>,
    /// Exceptions, which count more than any layer; of several the last one counts.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// People who take turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// One after the other, then from the beginning again. Somebody may have several turns.
    pub people: Vec<Person>,
    /// When the first turn begins. It ends at the first hand-over after that.
    pub start: WallTime,
    /// When the next turn begins.
    pub hand_over: HandOver,
    /// When anybody is on call at all; none = always.
    #[serde(default)]
    pub only: Vec<Window>,
}

/// When one turn ends and the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "every", rename_all = "lowercase", deny_unknown_fields)]
pub enum HandOver {
    /// Every day.
    Day {
        /// At this time.
        at: TimeOfDay,
    },
    /// Every week.
    Week {
        /// On this day,
        weekday: Weekday,
        /// at this time.
        at: TimeOfDay,
    },
    /// Every so many hours of the clock, reckoned from the start.
    Hours {
        /// How many.
        hours: u32,
    },
}

/// Part of a day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days on which it begins; none = every day.
    #[serde(default)]
    pub weekdays: Vec<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the next day unless this is later than its beginning.
    pub until: TimeOfDay,
}

/// Somebody is on call instead of whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Who.
    pub person: Person,
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub until_ms: Millis,
    /// Why.
    #[serde(default)]
    pub note: String,
}

impl Rota {
    /// What is wrong with it; nothing if it can be saved. `is_zone` knows the names of zones.
    pub fn check(&self, is_zone: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.zone.chars().count() > ZONE_CHARS || !is_zone(&self.zone) {
            problems.push(problem("zone", &self.zone, "an IANA time zone such as Europe/Berlin"));
        }
        if !(1..=MOST_LAYERS).contains(&self.layers.len()) {
            problems.push(problem("layers", self.layers.len(), format!("1 to {MOST_LAYERS} layers")));
        }
        for (number, layer) in self.layers.iter().take(MOST_LAYERS).enumerate() {
            layer.check(&format!("layers[{number}]"), &mut problems);
        }
        if self.overrides.len() > MOST_OVERRIDES {
            let expected = format!("at most {MOST_OVERRIDES} overrides, past ones included");
            problems.push(problem("overrides", self.overrides.len(), expected));
        }
        for (number, one) in self.overrides.iter().take(MOST_OVERRIDES).enumerate() {
            one.check(&format!("overrides[{number}]"), &mut problems);
        }
        problems
    }

    /// Forgets the overrides that were over at an instant.
    pub fn forget_overrides(&mut self, over_at: Millis) {
        self.overrides.retain(|one| one.until_ms > over_at);
    }
}

impl Layer {
    fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        if !(1..=MOST_PEOPLE).contains(&self.people.len()) {
            let expected = format!("1 to {MOST_PEOPLE} people in turn");
            problems.push(problem(format!("{field}.people"), self.people.len(), expected));
        }
        for (number, person) in self.people.iter().take(MOST_PEOPLE).enumerate() {
            check_person(person, &format!("{field}.people[{number}]"), problems);
        }
        if let HandOver::Hours { hours } = self.hand_over
            && !(1..=LONGEST_TURN_H).contains(&hours)
        {
            problems.push(problem(format!("{field}.hand_over.hours"), hours, format!("1 to {LONGEST_TURN_H} hours")));
        }
        if self.only.len() > MOST_WINDOWS {
            problems.push(problem(format!("{field}.only"), self.only.len(), format!("at most {MOST_WINDOWS} windows")));
        }
        for (number, window) in self.only.iter().take(MOST_WINDOWS).enumerate() {
            let has_twice = (1..window.weekdays.len()).any(|at| window.weekdays[..at].contains(&window.weekdays[at]));
            if has_twice {
                let found: Vec<&str> = window.weekdays.iter().take(14).map(|day| day.as_str()).collect();
                let field = format!("{field}.only[{number}].weekdays");
                problems.push(problem(field, found.join(", "), "each day at most once"));
            }
        }
    }
}

impl Override {
    fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        check_person(&self.person, &format!("{field}.person"), problems);
        let mut are_times = true;
        for (name, at) in [("from_ms", self.from_ms), ("until_ms", self.until_ms)] {
            if !(EARLIEST_MS..=LATEST_MS).contains(&at) {
                are_times = false;
                problems.push(problem(format!("{field}.{name}"), at, "a time from 1970-01-01 to 2200-01-01"));
            }
        }
        let until = || format!("{field}.until_ms");
        if are_times && self.until_ms <= self.from_ms {
            let expected = format!("later than its beginning, {}", rfc3339(self.from_ms));
            problems.push(problem(until(), rfc3339(self.until_ms), expected));
        } else if are_times && self.until_ms - self.from_ms > MAX_SPAN_MS {
            problems.push(problem(until(), rfc3339(self.until_ms), "at most 400 days after its beginning"));
        }
        let length = self.note.chars().count();
        if length > OVERRIDE_NOTE_CHARS {
            let expected = format!("at most {OVERRIDE_NOTE_CHARS} characters");
            problems.push(problem(format!("{field}.note"), format!("{length} characters"), expected));
        }
    }
}

fn check_person(person: &Person, field: &str, problems: &mut Vec<Problem>) {
    let length = person.id.chars().count();
    let is_id = (1..=ID_CHARS).contains(&length) && !person.id.chars().any(|c| c.is_control() || c.is_whitespace());
    if !is_id {
        let expected = format!("1 to {ID_CHARS} characters without spaces");
        problems.push(problem(format!("{field}.id"), &person.id, expected));
    }
    if let Err(sentence) = check_name(&person.name) {
        let expected = sentence.rsplit_once("expected ").map_or(sentence.as_str(), |(_, expected)| expected);
        problems.push(problem(format!("{field}.name"), &person.name, expected));
    }
}

#[cfg(test)]
mod tests;
