//! Who is asked, one after the other, until somebody takes an alert on.

use super::shifts::Span;
use super::{Rota, check_person};
use crate::alert::episode::{Escalation, Person};
use crate::alert::matcher::problem;
use crate::alert::rule::Problem;
use crate::localtime::ZoneSlice;
use crate::range::rfc3339;
use crate::slug::Slug;
use crate::{DAY_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most steps of a round.
pub const MOST_STEPS: usize = 10;
/// Most targets of a step.
pub const MOST_TARGETS: usize = 20;
/// Most rounds.
pub const MOST_ROUNDS: u32 = 20;
/// Shortest round.
pub const SHORTEST_ROUND_MS: Millis = MINUTE_MS;
/// Longest round.
pub const LONGEST_ROUND_MS: Millis = DAY_MS;
/// How far ahead nobody being on call is looked for.
pub const AHEAD_MS: Millis = 14 * DAY_MS;

/// Who is asked one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// In order of time.
    pub steps: Vec<Step>,
    /// Time from one round to the next.
    pub round_ms: Millis,
    /// Rounds.
    pub rounds: u32,
}

/// Who is asked after some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Time since the round began.
    pub after_ms: Millis,
    /// All of these are asked.
    pub targets: Vec<Target>,
}

/// Whom a step asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Whoever is on call in the schedule of this slug.
    Schedule(String),
    /// Always the same person.
    Person(Person),
}

/// A step that would ask nobody for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmanned {
    /// Number of the step, from 0.
    pub step: usize,
    /// When nobody is on call in any of its schedules, in order; never empty.
    pub gaps: Vec<Span>,
}

impl Policy {
    /// The usual times for three schedules: at once, after 5 and after 15 minutes; three rounds of half an hour.
    pub fn usual(primary: &str, secondary: &str, lead: &str) -> Self {
        let Escalation { steps_ms, round_ms, rounds } = Escalation::default();
        let steps = steps_ms
            .into_iter()
            .zip([primary, secondary, lead])
            .map(|(after_ms, slug)| Step { after_ms, targets: vec![Target::Schedule(slug.to_owned())] })
            .collect();
        Self { steps, round_ms, rounds }
    }

    /// What is wrong with it; nothing if it can be saved. `is_schedule` knows the slugs of schedules. Whether anybody is on call
    /// in them is another question: [`Policy::unmanned`].
    pub fn check(&self, is_schedule: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(1..=MOST_STEPS).contains(&self.steps.len()) {
            problems.push(problem("steps", self.steps.len(), format!("1 to {MOST_STEPS} steps")));
        }
        let is_round = (SHORTEST_ROUND_MS..=LONGEST_ROUND_MS).contains(&self.round_ms);
        if !is_round {
            let expected = format!("{SHORTEST_ROUND_MS} to {LONGEST_ROUND_MS} ms");
            problems.push(problem("round_ms", self.round_ms, expected));
        }
        if !(1..=MOST_ROUNDS).contains(&self.rounds) {
            problems.push(problem("rounds", self.rounds, format!("1 to {MOST_ROUNDS} rounds")));
        }
        let mut before = None;
        for (number, step) in self.steps.iter().take(MOST_STEPS).enumerate() {
            let expected = match before {
                None if step.after_ms != 0 => Some("0 ms: the first step is asked at once".to_owned()),
                Some(before) if step.after_ms <= before => Some(format!("later than the step before, {before} ms")),
                Some(_) if is_round && step.after_ms >= self.round_ms => {
                    Some(format!("before the next round begins, at {} ms", self.round_ms))
                }
                _ => None,
            };
            if let Some(expected) = expected {
                problems.push(problem(format!("steps[{number}].after_ms"), step.after_ms, expected));
            }
            before = Some(step.after_ms);
            step.check(&format!("steps[{number}].targets"), &is_schedule, &mut problems);
        }
        problems
    }

    /// Its times, as alerts follow them.
    pub fn escalation(&self) -> Escalation {
        Escalation {
            steps_ms: self.steps.iter().map(|step| step.after_ms).collect(),
            round_ms: self.round_ms,
            rounds: self.rounds,
        }
    }

    /// Whom a step asks, by its number from 0: everybody once, in the order of its targets. `resolve` tells who is on call.
    pub fn who(&self, step: usize, resolve: impl Fn(&Target) -> Vec<Person>) -> Vec<Person> {
        let targets = self.steps.get(step).map(|step| step.targets.as_slice()).unwrap_or_default();
        let mut people: Vec<Person> = targets.iter().flat_map(resolve).collect();
        let mut seen = BTreeSet::new();
        people.retain(|person| seen.insert(person.id.clone()));
        people
    }

    /// The steps that ask nobody, now or at some time within the next 14 days. Schedules that are not known have nobody.
    pub fn unmanned<'a>(
        &self,
        now: Millis,
        schedule: impl Fn(&str) -> Option<(&'a Rota, &'a ZoneSlice)>,
    ) -> Vec<Unmanned> {
        let steps = self.steps.iter().enumerate();
        let unmanned = steps.map(|(step, asked)| Unmanned { step, gaps: asked.gaps(now, &schedule) });
        unmanned.filter(|unmanned| !unmanned.gaps.is_empty()).collect()
    }
}

impl Step {
    fn check(&self, field: &str, is_schedule: impl Fn(&str) -> bool, problems: &mut Vec<Problem>) {
        if !(1..=MOST_TARGETS).contains(&self.targets.len()) {
            let expected = format!("1 to {MOST_TARGETS} schedules and people to ask");
            problems.push(problem(field, self.targets.len(), expected));
        }
        for (number, target) in self.targets.iter().take(MOST_TARGETS).enumerate() {
            if self.targets[..number].contains(target) {
                problems.push(problem(format!("{field}[{number}]"), target.name(), "each target at most once"));
            }
            match target {
                Target::Person(person) => check_person(person, &format!("{field}[{number}].person"), problems),
                Target::Schedule(slug) if Slug::parse(slug).is_err() || !is_schedule(slug) => {
                    problems.push(problem(format!("{field}[{number}].schedule"), slug, "the slug of a schedule"));
                }
                Target::Schedule(_) => {}
            }
        }
    }

    /// When all of its schedules have nobody.
    fn gaps<'a>(&self, now: Millis, schedule: impl Fn(&str) -> Option<(&'a Rota, &'a ZoneSlice)>) -> Vec<Span> {
        let to_ms = now.saturating_add(AHEAD_MS);
        let mut gaps = vec![Span { from_ms: now, to_ms }];
        for target in &self.targets {
            match target {
                Target::Person(_) => return Vec::new(),
                Target::Schedule(slug) => {
                    if let Some((rota, zone)) = schedule(slug) {
                        gaps = common(&gaps, &rota.gaps(now, to_ms, zone));
                    }
                }
            }
        }
        gaps
    }
}

/// What both lists have; each is in order and without overlaps.
fn common(some: &[Span], others: &[Span]) -> Vec<Span> {
    let (mut one, mut other) = (0, 0);
    let mut both = Vec::new();
    while let (Some(left), Some(right)) = (some.get(one), others.get(other)) {
        both.extend(left.common(*right));
        if left.to_ms < right.to_ms {
            one += 1;
        } else {
            other += 1;
        }
    }
    both
}

impl Target {
    /// As a sentence names it.
    fn name(&self) -> &str {
        match self {
            Self::Schedule(slug) => slug,
            Self::Person(person) => &person.name,
        }
    }
}

impl Unmanned {
    /// The same as a problem of the policy, seen at the instant for which it was found.
    pub fn problem(&self, now: Millis) -> Problem {
        let first = match self.gaps.first() {
            Some(gap) if gap.from_ms <= now && gap.to_ms >= now.saturating_add(AHEAD_MS) => {
                "nobody at any time".to_owned()
            }
            Some(gap) if gap.from_ms <= now => format!("nobody now and until {}", rfc3339(gap.to_ms)),
            Some(gap) => format!("nobody from {} to {}", rfc3339(gap.from_ms), rfc3339(gap.to_ms)),
            None => "nobody".to_owned(),
        };
        let found = match self.gaps.len() {
            0 | 1 => first,
            count => format!("{first}, and {} more gaps", count - 1),
        };
        problem(format!("steps[{}].targets", self.step), found, "somebody on call at all times of the next 14 days")
    }
}
