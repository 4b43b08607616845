//! One alert from its first sign to its end: what the engine sees, who took it on, who is to be told.
//!
//! Three things are kept apart. The *condition* is the engine's alone. The *workflow* belongs to people and to timers. How it
//! is *delivered* (silenced, inhibited) is decided elsewhere and changes neither. Nothing here reads a clock: `at` is the instant
//! that was judged, `now` the instant of the deed.

use super::lanes::{Change, Lanes, Timing, Verdicts, Why};
use super::window::Lane;
use crate::pool::words;
use crate::{DAY_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What fires again within this time is the same episode.
pub const REOPEN_MS: Millis = 10 * MINUTE_MS;
/// Whoever took an alert on is asked after this time whether they still have it,
pub const ACK_MS: Millis = 60 * MINUTE_MS;
/// and has this long to say so.
pub const CONFIRM_MS: Millis = 10 * MINUTE_MS;
/// An alert that comes back goes to whoever had it; everybody else hears of it after this time.
pub const FIRST_ASK_MS: Millis = 5 * MINUTE_MS;
/// So many fires
pub const FLAPS: usize = 4;
/// within this time are flapping,
pub const FLAP_MS: Millis = 60 * MINUTE_MS;
/// which ends when nothing changed for so long.
pub const SETTLED_MS: Millis = 30 * MINUTE_MS;
/// A page can be put off for so long,
pub const SNOOZE_PAGE_MS: Millis = DAY_MS;
/// a ticket for so long.
pub const SNOOZE_TICKET_MS: Millis = 7 * DAY_MS;
/// Longest note, characters.
pub const NOTE_CHARS: usize = 2_000;
/// Most people who joined an alert.
const PARTICIPANTS: usize = 50;

words! {
    /// What the engine sees.
    Condition {
        /// It held, and not for long enough.
        Inactive = "inactive", "Inactive";
        /// It holds, and not yet for long enough.
        Pending = "pending", "Pending";
        /// It holds.
        Firing = "firing", "Firing";
        /// It held, and nobody can tell whether it still does.
        Frozen = "frozen", "No data";
        /// It is over.
        Resolved = "resolved", "Resolved";
    }
}

words! {
    /// What people do about it.
    Workflow {
        /// Nobody has it.
        Open = "open", "Open";
        /// Somebody has it.
        Acknowledged = "acknowledged", "Acknowledged";
        /// Somebody put it off.
        Snoozed = "snoozed", "Snoozed";
        /// There is nothing to do any more.
        Closed = "closed", "Closed";
    }
}

words! {
    /// What others are told.
    Message {
        /// It began.
        Firing = "firing", "Firing";
        /// A ticket became a page.
        Upgraded = "upgraded", "Upgraded to a page";
        /// It came back.
        Reopened = "reopened", "Reopened";
        /// It comes and goes; nothing more is told until that ends.
        Flapping = "flapping", "Flapping";
        /// Somebody has it.
        Acknowledged = "acknowledged", "Acknowledged";
        /// Somebody gave it back.
        Unacknowledged = "unacknowledged", "Given back";
        /// Somebody else has it.
        Transferred = "transferred", "Taken over";
        /// Do you still have it?
        Reminder = "reminder", "Reminder";
        /// It was put off, and is back.
        SnoozeEnded = "snooze-ended", "Snooze ended";
        /// Another person is asked.
        Escalated = "escalated", "Escalated";
        /// Nobody answered.
        Exhausted = "exhausted", "Nobody answered";
        /// The page is over, the damage is not.
        PageOver = "page-over", "Recovered, budget damaged";
        /// It is over.
        Resolved = "resolved", "Resolved";
        /// A silence ended, and it still fires.
        SilenceEnded = "silence-ended", "Silence ended";
    }
}

/// A person, or a service that acts for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// The account's id, or a service's name.
    pub id: String,
    /// As pages show it.
    pub name: String,
}

/// Who took it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Who.
    pub who: Person,
    /// When.
    pub at_ms: Millis,
    /// What they said.
    pub note: String,
    /// When they are asked whether they still have it.
    pub ask_ms: Millis,
    /// When they were asked.
    pub asked_ms: Option<Millis>,
}

/// Whoever is asked one after the other, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Time from the beginning of a round to each step; ascending.
    pub steps_ms: Vec<Millis>,
    /// Time from one round to the next.
    pub round_ms: Millis,
    /// Rounds.
    pub rounds: u32,
}

impl Default for Escalation {
    fn default() -> Self {
        Self { steps_ms: vec![0, 5 * MINUTE_MS, 15 * MINUTE_MS], round_ms: 30 * MINUTE_MS, rounds: 3 }
    }
}

impl Escalation {
    /// When the step of some number is due, counted over all rounds; past the last one, when nobody is left to ask.
    fn due(&self, begun: Millis, number: usize) -> Millis {
        let steps = self.steps_ms.len().max(1);
        let round = (number / steps) as i64;
        let step = self.steps_ms.get(number % steps).copied().unwrap_or_default();
        if round >= i64::from(self.rounds) {
            begun + self.round_ms * i64::from(self.rounds)
        } else {
            begun + self.round_ms * round + step
        }
    }

    fn count(&self) -> usize {
        self.steps_ms.len() * self.rounds as usize
    }
}

/// How far the asking has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// When it began.
    pub begun_ms: Millis,
    /// Number of the next step, counted over all rounds.
    pub next: usize,
}

/// What follows from a deed or from the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Others are told. `to` = nobody but this person.
    Tell {
        /// What.
        message: Message,
        /// Only whom.
        to: Option<Person>,
    },
    /// The people of a step are asked.
    Ask {
        /// Number of the step in its round, from 0.
        step: usize,
        /// Number of the round, from 0.
        round: u32,
    },
    /// The timeline says so.
    Log {
        /// What happened, a word.
        what: &'static str,
        /// Who did it; `None` = by itself.
        who: Option<Person>,
        /// What they said.
        note: String,
    },
}

fn tell(message: Message) -> Effect {
    Effect::Tell { message, to: None }
}

fn log(what: &'static str) -> Effect {
    Effect::Log { what, who: None, note: String::new() }
}

fn log_by(what: &'static str, who: &Person, note: &str) -> Effect {
    Effect::Log { what, who: Some(who.clone()), note: note.to_owned() }
}

/// Why a deed is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody was first.
    #[error("{} acknowledged this before you; nothing was changed by you", .0.who.name)]
    AlreadyAcknowledged(Box<Ownership>),
    /// It is over.
    #[error("this is resolved already, there is nothing to do")]
    AlreadyResolved {
        /// Since when.
        at_ms: Option<Millis>,
    },
    /// It has not fired.
    #[error("this has not fired, there is nothing to acknowledge")]
    NotFiring,
    /// It changed since it was read.
    #[error("this changed since you read it: you saw version {seen}, it is at version {version}")]
    StaleVersion {
        /// What was read.
        seen: u64,
        /// What is.
        version: u64,
    },
    /// It is not over.
    #[error("still firing: it resolves by itself when its condition ends")]
    StillFiring,
    /// Nobody has it.
    #[error("nobody has acknowledged this, so there is nothing to take over or to give back")]
    NotAcknowledged,
    /// The note is missing or too long.
    #[error("a note of 1 to 2000 characters is needed here, {found} were found")]
    Note {
        /// Characters.
        found: usize,
    },
    /// Too long, or in the past.
    #[error("it can be put off until at most {} h from now, and not into the past", .most_ms / 3_600_000)]
    Snooze {
        /// Longest time.
        most_ms: Millis,
    },
}

impl Refusal {
    /// The word by which a program knows it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyAcknowledged(_) => "already_acknowledged",
            Self::AlreadyResolved { .. } => "already_resolved",
            Self::NotFiring => "not_firing",
            Self::StaleVersion { .. } => "stale_version",
            Self::StillFiring => "still_firing",
            Self::NotAcknowledged => "not_acknowledged",
            Self::Note { .. } => "note",
            Self::Snooze { .. } => "snooze",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How many times, with a pause in between, the same thing happened; from 1.
    pub episode: u32,
    /// Grows with each change that people decide upon. Evaluations do not move it.
    pub version: u64,
    /// What the engine sees.
    pub condition: Condition,
    /// What people do.
    pub workflow: Workflow,
    /// The higher of the open lanes, or of those that were.
    pub severity: Lane,
    /// The page is an urgent one.
    pub critical: bool,
    /// The tier that made it so.
    pub tier: String,
    /// The engine's memory.
    pub lanes: Lanes,
    /// When the condition began.
    pub began_ms: Millis,
    /// When it fired last.
    pub fired_ms: Option<Millis>,
    /// When it was over.
    pub resolved_ms: Option<Millis>,
    /// Why it was over.
    pub why: Option<Why>,
    /// Who has it, or had it when it was over.
    pub owner: Option<Ownership>,
    /// Who else is on it.
    pub participants: Vec<Person>,
    /// Until when it is put off.
    pub snoozed_until_ms: Option<Millis>,
    /// How often it came back.
    pub reopened: u32,
    /// It comes and goes.
    pub flapping: bool,
    /// When it fired, in the last hour; over episodes.
    pub fires_ms: Vec<Millis>,
    /// Since when it would be over, if it did not flap.
    pub held_ms: Option<Millis>,
    /// Who is asked next.
    pub asking: Option<Asking>,
}

impl Alert {
    /// Before anything was seen. `before` is the last episode of the same thing.
    pub fn new(at: Millis, before: Option<&Self>) -> Self {
        Self {
            episode: before.map_or(1, |before| before.episode.saturating_add(1)),
            version: 1,
            condition: Condition::Inactive,
            workflow: Workflow::Open,
            severity: Lane::Ticket,
            critical: false,
            tier: String::new(),
            lanes: Lanes::default(),
            began_ms: at,
            fired_ms: None,
            resolved_ms: None,
            why: None,
            owner: None,
            participants: Vec::new(),
            snoozed_until_ms: None,
            reopened: 0,
            flapping: false,
            fires_ms: before.map(|before| before.fires_ms.clone()).unwrap_or_default(),
            held_ms: None,
            asking: None,
        }
    }

    /// True if something that fires at an instant belongs to this episode, though it was over.
    pub fn reopens_at(&self, at: Millis) -> bool {
        self.condition == Condition::Resolved && self.resolved_ms.is_some_and(|over| at - over <= REOPEN_MS)
    }

    /// True if it fires, whether or not that can be seen now.
    pub fn is_active(&self) -> bool {
        matches!(self.condition, Condition::Firing | Condition::Frozen)
    }

    /// The engine's turn: what is said of an instant.
    pub fn observe(&mut self, at: Millis, now: Millis, said: &Verdicts, timing: &Timing) -> Vec<Effect> {
        let mut effects = Vec::new();
        let changes = self.lanes.step(at, said, timing);
        let is_over = changes.iter().any(|change| matches!(change, Change::Over(_)));
        for change in changes {
            match change {
                // What is over and might come back stays over until it does; what is held stays open.
                Change::Pending | Change::PendingOver if self.condition == Condition::Resolved || self.is_active() => {}
                Change::Pending => {
                    (self.condition, self.began_ms) = (Condition::Pending, at);
                    effects.push(log("pending"));
                }
                Change::PendingOver => {
                    self.condition = Condition::Inactive;
                    effects.push(log("pending-over"));
                }
                Change::Fired(lane) => self.fire(at, now, lane, said, &mut effects),
                Change::Upgraded => self.upgrade(now, said, &mut effects),
                Change::PageOver(_) if is_over => {}
                Change::PageOver(why) => {
                    if self.flapping {
                        // It is known to be clear: nobody is woken for it, and nobody is told that it is over yet.
                        (self.held_ms, self.asking) = (Some(at), None);
                    } else {
                        self.page_over(why, &mut effects);
                    }
                }
                Change::Over(why) => {
                    if self.flapping {
                        (self.held_ms, self.asking) = (Some(at), None);
                        effects.push(log("held"));
                    } else {
                        self.over(at, why, &mut effects);
                    }
                }
            }
        }
        // It comes and goes no more: it has been firing for long.
        let is_steady = self.held_ms.is_none() && self.fired_ms.is_some_and(|fired| at - fired >= SETTLED_MS);
        if self.flapping && self.lanes.is_open() && is_steady {
            self.flapping = false;
            effects.push(log("settled"));
        }
        if let Some(held) = self.held_ms
            && at - held >= SETTLED_MS
        {
            (self.held_ms, self.flapping) = (None, false);
            effects.push(log("settled"));
            match self.lanes.severity() {
                None => self.over(at, Why::Clear, &mut effects),
                Some(Lane::Ticket) if self.severity == Lane::Page => self.page_over(Why::Clear, &mut effects),
                Some(_) => {}
            }
        }
        if said.critical && self.lanes.page.open && !self.critical {
            self.critical = true;
            effects.push(log("critical"));
            if self.flapping {
                // The one thing that is told of an alert that comes and goes; people are asked anew.
                effects.push(tell(Message::Upgraded));
                if self.workflow == Workflow::Open {
                    self.ask_from(now);
                }
            }
        }
        if self.is_active() {
            let seen = if self.lanes.is_frozen() { Condition::Frozen } else { Condition::Firing };
            if seen != self.condition {
                self.condition = seen;
                effects.push(log(if seen == Condition::Frozen { "frozen" } else { "data-again" }));
            }
        }
        effects
    }

    fn fire(&mut self, at: Millis, now: Millis, lane: Lane, said: &Verdicts, effects: &mut Vec<Effect>) {
        let was_held = self.held_ms.take().is_some();
        let came_back = self.condition == Condition::Resolved || was_held;
        if self.condition == Condition::Inactive {
            self.began_ms = at;
        }
        self.fires_ms.retain(|fired| at - fired <= FLAP_MS);
        self.fires_ms.push(at);
        let severity = self.severity;
        (self.condition, self.fired_ms, self.severity) = (Condition::Firing, Some(at), lane);
        self.tier.clone_from(&said.tier);
        (self.resolved_ms, self.why) = (None, None);
        if self.flapping && lane > severity {
            // A ticket that comes and goes is no page: that is news.
            self.upgrade(now, said, effects);
            return;
        }
        if self.flapping {
            // Nothing more is told; who was being asked goes on being asked, from the beginning if nobody has it.
            self.severity = severity;
            effects.push(log("fired-again"));
            if self.workflow == Workflow::Open && self.asking.is_none() {
                self.ask_from(now);
            }
            return;
        }
        self.critical = said.critical && lane == Lane::Page;
        self.workflow = Workflow::Open;
        self.snoozed_until_ms = None;
        let last_owner = self.owner.take().map(|owner| owner.who);
        if came_back {
            self.version += 1;
            self.reopened += 1;
        }
        if self.fires_ms.len() >= FLAPS {
            self.flapping = true;
            effects.push(log("flapping"));
            effects.push(tell(Message::Flapping));
        } else if came_back {
            effects.push(log("reopened"));
            // Whoever had it last hears of it first.
            effects.push(Effect::Tell { message: Message::Reopened, to: last_owner.clone() });
        } else {
            effects.push(log("fired"));
            effects.push(tell(Message::Firing));
        }
        self.ask_from(if came_back && last_owner.is_some() { now + FIRST_ASK_MS } else { now });
    }

    fn upgrade(&mut self, now: Millis, said: &Verdicts, effects: &mut Vec<Effect>) {
        // A page that was held and is back: nothing more is told, and it is asked about again unless somebody has it.
        if self.held_ms.take().is_some() && self.severity == Lane::Page {
            if self.workflow == Workflow::Open && self.asking.is_none() {
                self.ask_from(now);
            }
            return;
        }
        (self.severity, self.critical) = (Lane::Page, said.critical);
        self.tier.clone_from(&said.tier);
        (self.workflow, self.owner, self.snoozed_until_ms) = (Workflow::Open, None, None);
        self.version += 1;
        effects.push(log("upgraded"));
        effects.push(tell(Message::Upgraded));
        self.ask_from(now);
    }

    fn page_over(&mut self, _why: Why, effects: &mut Vec<Effect>) {
        (self.severity, self.critical, self.asking) = (Lane::Ticket, false, None);
        self.version += 1;
        effects.push(log("page-over"));
        effects.push(tell(Message::PageOver));
    }

    fn over(&mut self, at: Millis, why: Why, effects: &mut Vec<Effect>) {
        (self.condition, self.workflow) = (Condition::Resolved, Workflow::Closed);
        (self.resolved_ms, self.why, self.asking, self.snoozed_until_ms) = (Some(at), Some(why), None, None);
        (self.flapping, self.held_ms) = (false, None);
        self.version += 1;
        effects.push(Effect::Log { what: "resolved", who: None, note: why.as_str().into() });
        effects.push(tell(Message::Resolved));
    }

    /// It was kept from people, and is not any more: they are told, and asked from here on unless somebody has it.
    pub fn tell_now(&mut self, message: Message, now: Millis) -> Vec<Effect> {
        if !self.is_active() {
            return Vec::new();
        }
        if self.workflow == Workflow::Open {
            self.ask_from(now);
        }
        vec![tell(message)]
    }

    /// When the clock has something to do here, if ever.
    pub fn next_tick(&self, plan: &Escalation) -> Option<Millis> {
        if !self.is_active() {
            return None;
        }
        let asked = self.asking.as_ref().map(|asking| plan.due(asking.begun_ms, asking.next));
        let snoozed = self.snoozed_until_ms.filter(|_| self.workflow == Workflow::Snoozed);
        let owned = self.owner.as_ref().filter(|_| self.workflow == Workflow::Acknowledged);
        let reminded = owned.map(|owner| owner.asked_ms.map_or(owner.ask_ms, |asked| asked + CONFIRM_MS));
        [asked, snoozed, reminded].into_iter().flatten().min()
    }

    /// People are asked one after the other, from an instant on. Tickets ask nobody.
    fn ask_from(&mut self, at: Millis) {
        self.asking = (self.severity == Lane::Page).then_some(Asking { begun_ms: at, next: 0 });
    }

    /// The clock's turn: who is asked next, who is reminded, what was put off.
    pub fn tick(&mut self, now: Millis, plan: &Escalation) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.is_active() {
            return effects;
        }
        match self.workflow {
            Workflow::Snoozed if self.snoozed_until_ms.is_some_and(|until| now >= until) => {
                (self.workflow, self.snoozed_until_ms, self.owner) = (Workflow::Open, None, None);
                self.version += 1;
                effects.push(log("snooze-ended"));
                effects.push(tell(Message::SnoozeEnded));
                self.ask_from(now);
            }
            Workflow::Acknowledged => {
                let Some(owner) = &mut self.owner else { return effects };
                match owner.asked_ms {
                    None if now >= owner.ask_ms => {
                        owner.asked_ms = Some(now);
                        effects.push(log("reminded"));
                        effects.push(Effect::Tell { message: Message::Reminder, to: Some(owner.who.clone()) });
                    }
                    Some(asked) if now >= asked + CONFIRM_MS => {
                        (self.workflow, self.owner) = (Workflow::Open, None);
                        self.version += 1;
                        effects.push(log("ack-expired"));
                        self.ask_from(now);
                    }
                    _ => {}
                }
            }
            Workflow::Open | Workflow::Snoozed | Workflow::Closed => {}
        }
        self.ask_next(now, plan, &mut effects);
        effects
    }

    fn ask_next(&mut self, now: Millis, plan: &Escalation, effects: &mut Vec<Effect>) {
        while let Some(asking) = &mut self.asking {
            if plan.due(asking.begun_ms, asking.next) > now {
                return;
            }
            if asking.next >= plan.count() {
                self.asking = None;
                effects.push(log("exhausted"));
                effects.push(tell(Message::Exhausted));
                return;
            }
            let (steps, number) = (plan.steps_ms.len(), asking.next);
            asking.next += 1;
            effects.push(Effect::Ask { step: number % steps, round: (number / steps) as u32 });
        }
    }

    fn check(&self, seen: Option<u64>) -> Result<(), Refusal> {
        match seen {
            Some(seen) if seen != self.version => Err(Refusal::StaleVersion { seen, version: self.version }),
            _ => Ok(()),
        }
    }

    fn fires(&self) -> Result<(), Refusal> {
        match self.condition {
            Condition::Resolved => Err(Refusal::AlreadyResolved { at_ms: self.resolved_ms }),
            Condition::Inactive | Condition::Pending => Err(Refusal::NotFiring),
            Condition::Firing | Condition::Frozen => Ok(()),
        }
    }

    /// Somebody takes it on. `seen` is the version that they read; `None` takes it as it is.
    ///
    /// # Errors
    /// If it is over, somebody was first, or it changed since.
    pub fn acknowledge(
        &mut self,
        seen: Option<u64>,
        who: &Person,
        note: &str,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        self.fires()?;
        if self.workflow == Workflow::Acknowledged
            && let Some(owner) = &self.owner
        {
            return Err(Refusal::AlreadyAcknowledged(Box::new(owner.clone())));
        }
        self.check(seen)?;
        self.own(who, note, now);
        Ok(vec![log_by("acknowledged", who, note), tell(Message::Acknowledged)])
    }

    fn own(&mut self, who: &Person, note: &str, now: Millis) {
        self.workflow = Workflow::Acknowledged;
        let ask_ms = now + ACK_MS;
        self.owner = Some(Ownership { who: who.clone(), at_ms: now, note: note.to_owned(), ask_ms, asked_ms: None });
        (self.asking, self.snoozed_until_ms) = (None, None);
        self.version += 1;
    }

    /// Whoever has it says that they still do.
    ///
    /// # Errors
    /// If it is over, or they do not have it.
    pub fn confirm(&mut self, who: &Person, now: Millis) -> Result<Vec<Effect>, Refusal> {
        self.fires()?;
        match &mut self.owner {
            Some(owner) if owner.who.id == who.id && self.workflow == Workflow::Acknowledged => {
                (owner.ask_ms, owner.asked_ms) = (now + ACK_MS, None);
                Ok(vec![log_by("confirmed", who, "")])
            }
            Some(owner) => Err(Refusal::AlreadyAcknowledged(Box::new(owner.clone()))),
            None => Err(Refusal::NotAcknowledged),
        }
    }

    /// Somebody is on it too. Joining twice is joining once.
    ///
    /// # Errors
    /// If it is over.
    pub fn join(&mut self, who: &Person) -> Result<Vec<Effect>, Refusal> {
        self.fires()?;
        let is_there = self.participants.iter().any(|one| one.id == who.id);
        if is_there || self.participants.len() >= PARTICIPANTS {
            return Ok(Vec::new());
        }
        self.participants.push(who.clone());
        Ok(vec![log_by("joined", who, "")])
    }

    /// Somebody takes it from whoever has it.
    ///
    /// # Errors
    /// If it is over, nobody has it, it changed since, or nothing is said about it.
    pub fn take_over(
        &mut self,
        seen: Option<u64>,
        who: &Person,
        note: &str,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        note_needed(note)?;
        self.fires()?;
        let Some(before) = self.owner.clone().filter(|_| self.workflow == Workflow::Acknowledged) else {
            return Err(Refusal::NotAcknowledged);
        };
        self.check(seen)?;
        self.own(who, note, now);
        Ok(vec![log_by("transferred", who, note), Effect::Tell { message: Message::Transferred, to: Some(before.who) }])
    }

    /// Whoever has it gives it back: others are asked again.
    ///
    /// # Errors
    /// If it is over, nobody has it, or it changed since.
    pub fn give_back(
        &mut self,
        seen: Option<u64>,
        who: &Person,
        note: &str,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        self.fires()?;
        if self.workflow == Workflow::Open {
            return Err(Refusal::NotAcknowledged);
        }
        self.check(seen)?;
        (self.workflow, self.owner, self.snoozed_until_ms) = (Workflow::Open, None, None);
        self.version += 1;
        self.ask_from(now);
        Ok(vec![log_by("given-back", who, note), tell(Message::Unacknowledged)])
    }

    /// Somebody puts it off.
    ///
    /// # Errors
    /// If it is over, the time is past or too far away, or it changed since.
    pub fn snooze(
        &mut self,
        seen: Option<u64>,
        who: &Person,
        until: Millis,
        note: &str,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        self.fires()?;
        let most_ms = if self.severity == Lane::Page { SNOOZE_PAGE_MS } else { SNOOZE_TICKET_MS };
        if until <= now || until > now + most_ms {
            return Err(Refusal::Snooze { most_ms });
        }
        self.check(seen)?;
        self.own(who, note, now);
        (self.workflow, self.snoozed_until_ms) = (Workflow::Snoozed, Some(until));
        Ok(vec![log_by("snoozed", who, note)])
    }

    /// Somebody says that it is over.
    ///
    /// # Errors
    /// If it is over already, it is known to go on, nothing is said about it, or it changed since.
    pub fn resolve(
        &mut self,
        seen: Option<u64>,
        who: &Person,
        note: &str,
        now: Millis,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        note_needed(note)?;
        self.fires()?;
        self.check(seen)?;
        if self.lanes.holds() {
            return Err(Refusal::StillFiring);
        }
        let mut effects = Vec::new();
        self.over(now, Why::Person, &mut effects);
        self.lanes = Lanes::default();
        effects[0] = log_by("resolved", who, note);
        Ok(effects)
    }

    /// The next people are asked now.
    ///
    /// # Errors
    /// If it is over.
    pub fn escalate(
        &mut self,
        who: &Person,
        note: &str,
        now: Millis,
        plan: &Escalation,
    ) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        self.fires()?;
        let mut effects = vec![log_by("escalated-by", who, note)];
        // Where nobody is being asked, the second step is the next: the first is whoever asks.
        let number = self.asking.as_ref().map_or(1, |asking| asking.next.max(1)).min(plan.count().saturating_sub(1));
        let steps = plan.steps_ms.len().max(1);
        effects.push(Effect::Ask { step: number % steps, round: (number / steps) as u32 });
        if let Some(asking) = &mut self.asking {
            // What follows keeps its distance from the step that was brought forward.
            let brought = plan.due(asking.begun_ms, number) - now;
            asking.begun_ms -= brought.max(0);
            asking.next = number + 1;
        }
        Ok(effects)
    }

    /// Somebody writes something down. Nothing changes; what was written before stays.
    ///
    /// # Errors
    /// If there is nothing to write down, or too much.
    pub fn note(&self, who: &Person, note: &str) -> Result<Vec<Effect>, Refusal> {
        note_at_most(note)?;
        note_needed(note)?;
        Ok(vec![log_by("note", who, note)])
    }

    /// Its rule or its pool is gone.
    pub fn forget(&mut self, at: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_active() {
            self.over(at, Why::Gone, &mut effects);
        } else if self.condition == Condition::Pending {
            self.condition = Condition::Inactive;
        }
        self.lanes = Lanes::default();
        effects
    }
}

fn note_at_most(note: &str) -> Result<(), Refusal> {
    let found = note.chars().count();
    if found > NOTE_CHARS { Err(Refusal::Note { found }) } else { Ok(()) }
}

fn note_needed(note: &str) -> Result<(), Refusal> {
    if note.trim().is_empty() { Err(Refusal::Note { found: 0 }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
