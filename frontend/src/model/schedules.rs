//! Who is on call: schedules with their shifts, escalation policies with their steps, and the forms that change them.

use super::{Field, FormMode, Named};

/// A stretch of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftRow {
    /// Who is on call; `None` = nobody.
    pub who: Option<String>,
    /// From when.
    pub from_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// It is an exception, not a turn.
    pub is_override: bool,
    /// Number of the person in the schedule, from 0: the same person has the same mark.
    pub number: usize,
}

/// A schedule.
#[derive(Debug, Clone)]
pub struct ScheduleCard {
    /// Slug and name.
    pub named: Named,
    /// Who is on call now; `None` = nobody.
    pub now: Option<String>,
    /// When that changes; `None` if it does not in the next months.
    pub next_ms: Option<i64>,
    /// Who is on call from then on; `None` = nobody.
    pub next: Option<String>,
    /// The next 14 days, gaps among them, in order and without holes.
    pub shifts: Vec<ShiftRow>,
    /// Layers in words.
    pub layers: Vec<String>,
    /// What is wrong with it, a sentence each.
    pub warnings: Vec<String>,
}

/// A step of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStepRow {
    /// Time since the round began.
    pub after_ms: i64,
    /// Whom it asks: names of schedules and of people.
    pub targets: Vec<String>,
    /// Who that is now; nobody if it is empty.
    pub asked: Vec<String>,
}

/// A policy.
#[derive(Debug, Clone)]
pub struct PolicyCard {
    /// Slug and name.
    pub named: Named,
    /// Owners of rules and pools that it is for; none = everybody who has no other.
    pub owners: Vec<String>,
    /// In order of time.
    pub steps: Vec<PolicyStepRow>,
    /// Time from one round to the next.
    pub round_ms: i64,
    /// Rounds.
    pub rounds: u32,
    /// What is wrong with it, a sentence each.
    pub warnings: Vec<String>,
}

/// `/oncall/schedules`
#[derive(Debug, Clone)]
pub struct SchedulesModel {
    /// By name.
    pub schedules: Vec<ScheduleCard>,
    /// By name.
    pub policies: Vec<PolicyCard>,
    /// The form of an exception; `None` if the reader makes none.
    pub form: Option<OverrideForm>,
}

/// The form of an exception: somebody is on call instead of whose turn it is.
#[derive(Debug, Clone, Default)]
pub struct OverrideForm {
    /// Slug of the schedule.
    pub schedule: Field,
    /// E-mail address.
    pub person: Field,
    /// From when; empty = now.
    pub from: Field,
    /// Until when.
    pub until: Field,
    /// Why.
    pub note: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
}

/// The page of a schedule's form.
#[derive(Debug, Clone)]
pub struct ScheduleFormModel {
    /// New or edit.
    pub mode: FormMode,
    /// Name.
    pub name: Field,
    /// Identifier in URLs; it stays.
    pub slug: Field,
    /// IANA zone.
    pub zone: Field,
    /// E-mail addresses, one a line, in turn.
    pub people: Field,
    /// `day` or `week`.
    pub every: Field,
    /// A word such as `mon`.
    pub weekday: Field,
    /// `09:00`
    pub at: Field,
    /// `2026-11-23`
    pub start: Field,
    /// What the form leaves as it is, a sentence each.
    pub keeps: Vec<String>,
    /// Why the form cannot change this schedule.
    pub blocked: Option<String>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
    /// An error that belongs to no field.
    pub error: Option<String>,
}

/// The page of a policy's form.
#[derive(Debug, Clone)]
pub struct PolicyFormModel {
    /// New or edit.
    pub mode: FormMode,
    /// Name.
    pub name: Field,
    /// Identifier in URLs; it stays.
    pub slug: Field,
    /// Owners, one a line.
    pub owners: Field,
    /// `5: secondary, dana@example.org`, a step a line.
    pub steps: Field,
    /// Minutes from one round to the next.
    pub round: Field,
    /// Rounds.
    pub rounds: Field,
    /// Save it though a step would ask nobody for a while.
    pub acknowledge: bool,
    /// Schedules that there are.
    pub schedules: Vec<Named>,
    /// An error that belongs to no field.
    pub error: Option<String>,
}

/// The page that asks before a schedule or a policy is removed.
#[derive(Debug, Clone)]
pub struct RotaDeleteModel {
    /// `schedule` or `policy`.
    pub noun: &'static str,
    /// What is removed.
    pub subject: Named,
    /// What happens, a sentence each.
    pub effects: Vec<String>,
    /// Why it is not removed.
    pub error: Option<String>,
}
