//! What people do about schedules and escalation policies: see who is on call, plan turns, take a shift, say who is asked when.
//!
//! People are named by their e-mail addresses and kept by their accounts' ids, so that a new address changes no schedule. A
//! policy that would ask nobody is refused, or saved on request and shown with what is wrong: never silent.

use super::super::{App, AppError, Problem, Result};
use super::plain;
use crate::zones;
use headroom_domain::access::{self, Action};
use headroom_domain::alert::episode::{Person, Workflow};
use headroom_domain::alert::rota::{
    AHEAD_MS, By, HandOver, Layer, Override, Policy, Rota, Shift, Span, Step, Target, TimeOfDay, WallTime, Weekday,
    Window,
};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::range::rfc3339;
use headroom_domain::slug::{Slug, check_name};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::StoreError;
use headroom_store::account::{self, Account};
use headroom_store::alert;
use headroom_store::audit::{self, Entry};
use headroom_store::oncall::{self, Schedule, StoredPolicy};
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::HashMap;

/// Longest range of shifts.
pub const LONGEST_MS: Millis = 35 * DAY_MS;
/// Zone rules reach so far around what is asked about.
const AROUND_MS: Millis = 40 * DAY_MS;
/// Overrides that were over for so long are forgotten when another one is added.
const KEEP_OVERRIDES_MS: Millis = 90 * DAY_MS;
/// Alerts that are looked at before a policy is removed.
const MOST_ASKED: i64 = 1_000;
/// Most owners of a policy.
const MOST_OWNERS: usize = 100;

/// Part of a day, as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowDraft {
    /// Words such as `mon`; none = every day.
    pub weekdays: Vec<String>,
    /// `08:00`
    pub from: String,
    /// `18:00`
    pub until: String,
}

/// People who take turns, as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerDraft {
    /// E-mail addresses, in turn.
    pub people: Vec<String>,
    /// `2026-11-21T08:00`
    pub start: String,
    /// `day`, `week` or `hours`.
    pub every: String,
    /// `08:00`, of days and weeks.
    pub at: String,
    /// A word such as `mon`, of weeks.
    pub weekday: String,
    /// Of hours.
    pub hours: Option<u32>,
    /// When anybody is on call at all.
    pub only: Vec<WindowDraft>,
}

/// Somebody is on call instead of whose turn it is, as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverrideDraft {
    /// E-mail address.
    pub person: String,
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub until_ms: Millis,
    /// Why.
    pub note: String,
}

/// A schedule, as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleDraft {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// IANA zone.
    pub zone: String,
    /// Of those that cover an instant the last one counts.
    pub layers: Vec<LayerDraft>,
    /// Exceptions; those that are there stay if this is left out.
    pub overrides: Option<Vec<OverrideDraft>>,
}

/// Whom a step asks, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetDraft {
    /// Slug of a schedule.
    Schedule(String),
    /// E-mail address.
    Person(String),
}

/// A policy, as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyDraft {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Owners of rules and pools that it is for; none = everybody who has no other.
    pub owners: Vec<String>,
    /// Milliseconds since the round began, and whom it asks.
    pub steps: Vec<(Millis, Vec<TargetDraft>)>,
    /// Time from one round to the next.
    pub round_ms: Millis,
    /// Rounds.
    pub rounds: u32,
    /// Save it though it would ask nobody for a while.
    pub acknowledge_gaps: bool,
}

/// Somebody, as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name.
    pub name: String,
    /// E-mail address; `None` if the account is gone, or the caller sees a part only.
    pub email: Option<String>,
}

/// A shift with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedShift {
    /// Who.
    pub who: Named,
    /// From when.
    pub from_ms: Millis,
    /// Until when.
    pub until_ms: Millis,
    /// It is an exception, not a turn.
    pub is_override: bool,
}

/// A schedule, as a caller may see it.
#[derive(Debug, Clone)]
pub struct ScheduleShown {
    /// As it is stored.
    pub schedule: Schedule,
    /// The rules of its zone around now.
    pub zone: ZoneSlice,
    /// Its people by the ids in it.
    pub people: HashMap<String, Named>,
    /// Who is on call now.
    pub now: Option<Named>,
    /// When that changes; `None` if it does not in the next months.
    pub next_ms: Option<Millis>,
    /// Who is on call from then on.
    pub next: Option<Named>,
    /// Shifts in the range that was asked about.
    pub shifts: Vec<NamedShift>,
    /// When nobody is on call, in that range.
    pub gaps: Vec<Span>,
    /// When nobody is on call, in the next 14 days.
    pub gaps_ahead: Vec<Span>,
    /// What else is wrong with it, a sentence each.
    pub warnings: Vec<String>,
}

/// Schedules.
#[derive(Debug, Clone)]
pub struct Schedules {
    /// When this was so.
    pub now: Millis,
    /// By name.
    pub all: Vec<ScheduleShown>,
}

/// A step, as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepShown {
    /// Time since the round began.
    pub after_ms: Millis,
    /// Slugs and names of the schedules that it asks; the name is the slug where nothing is called that.
    pub schedules: Vec<(String, String)>,
    /// People that it always asks.
    pub people: Vec<Named>,
    /// Whom it would ask now.
    pub asked: Vec<Named>,
}

/// A policy, as a caller may see it.
#[derive(Debug, Clone)]
pub struct PolicyShown {
    /// As it is stored.
    pub stored: StoredPolicy,
    /// Its steps.
    pub steps: Vec<StepShown>,
    /// What is wrong with it: steps that ask nobody for a while, names of nothing.
    pub warnings: Vec<Problem>,
}

/// Everybody who could be asked.
struct Directory {
    by_email: HashMap<String, Person>,
    by_id: HashMap<String, Account>,
}

impl Directory {
    async fn read(conn: &mut PgConnection) -> Result<Self> {
        let accounts = account::list(conn).await?;
        let able = accounts.iter().filter(|account| account.disabled_ms.is_none());
        let by_email = able
            .map(|one| (one.fields.email.clone(), Person { id: one.id.to_string(), name: one.fields.name.clone() }))
            .collect();
        let by_id = accounts.into_iter().map(|account| (account.id.to_string(), account)).collect();
        Ok(Self { by_email, by_id })
    }

    /// The person with an e-mail address.
    fn person(&self, written: &str) -> Option<Person> {
        self.by_email.get(&access::email(written).ok()?).cloned()
    }

    fn need(&self, field: String, written: &str, problems: &mut Vec<Problem>) -> Option<Person> {
        let person = self.person(written);
        if person.is_none() {
            problems.push(Problem::new(field, written, "the e-mail address of an account that may sign in"));
        }
        person
    }

    /// Why somebody cannot be asked; nothing if they can.
    fn trouble(&self, person: &Person) -> Option<String> {
        match self.by_id.get(&person.id) {
            None => Some(format!("{} has no account", person.name)),
            Some(one) if one.disabled_ms.is_some() => Some(format!("{} may not sign in any more", one.fields.name)),
            Some(_) => None,
        }
    }

    fn named(&self, person: &Person, shows_email: bool) -> Named {
        match self.by_id.get(&person.id) {
            Some(one) => {
                let email = shows_email.then(|| one.fields.email.clone());
                Named { name: one.fields.name.clone(), email }
            }
            None => Named { name: person.name.clone(), email: None },
        }
    }
}

fn read<T: std::str::FromStr<Err = String>>(field: String, text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    text.parse().map_err(|sentence: String| problems.push(Problem::new(field, text, sentence))).ok()
}

fn weekday(field: String, text: &str, problems: &mut Vec<Problem>) -> Option<Weekday> {
    let found = text.parse().ok();
    if found.is_none() {
        let words: Vec<&str> = Weekday::ALL.iter().map(|day| day.as_str()).collect();
        problems.push(Problem::new(field, text, format!("one of {}", words.join(", "))));
    }
    found
}

impl WindowDraft {
    fn read(&self, field: &str, problems: &mut Vec<Problem>) -> Option<Window> {
        let days: Vec<Option<Weekday>> =
            self.weekdays.iter().map(|day| weekday(format!("{field}.weekdays"), day, problems)).collect();
        let (from, until) = (
            read::<TimeOfDay>(format!("{field}.from"), &self.from, problems),
            read::<TimeOfDay>(format!("{field}.until"), &self.until, problems),
        );
        Some(Window { weekdays: days.into_iter().collect::<Option<_>>()?, from: from?, until: until? })
    }
}

impl LayerDraft {
    fn read(&self, field: &str, directory: &Directory, problems: &mut Vec<Problem>) -> Option<Layer> {
        let people: Vec<Option<Person>> = self
            .people
            .iter()
            .enumerate()
            .map(|(number, email)| directory.need(format!("{field}.people[{number}]"), email, problems))
            .collect();
        let start = read::<WallTime>(format!("{field}.start"), &self.start, problems);
        let hand_over = self.hand_over(&format!("{field}.hand_over"), problems);
        let only: Vec<Option<Window>> = self
            .only
            .iter()
            .enumerate()
            .map(|(number, window)| window.read(&format!("{field}.only[{number}]"), problems))
            .collect();
        Some(Layer {
            people: people.into_iter().collect::<Option<_>>()?,
            start: start?,
            hand_over: hand_over?,
            only: only.into_iter().collect::<Option<_>>()?,
        })
    }

    fn hand_over(&self, field: &str, problems: &mut Vec<Problem>) -> Option<HandOver> {
        let at = |problems: &mut Vec<Problem>| read::<TimeOfDay>(format!("{field}.at"), &self.at, problems);
        match self.every.as_str() {
            "day" => Some(HandOver::Day { at: at(problems)? }),
            "week" => {
                let day = weekday(format!("{field}.weekday"), &self.weekday, problems);
                Some(HandOver::Week { at: at(problems)?, weekday: day? })
            }
            "hours" => {
                if self.hours.is_none() {
                    problems.push(Problem::new(format!("{field}.hours"), "", "a number of hours"));
                }
                Some(HandOver::Hours { hours: self.hours? })
            }
            other => {
                problems.push(Problem::new(format!("{field}.every"), other, "day, week or hours"));
                None
            }
        }
    }
}

impl OverrideDraft {
    fn read(&self, field: &str, directory: &Directory, problems: &mut Vec<Problem>) -> Option<Override> {
        let person = directory.need(format!("{field}.person"), &self.person, problems)?;
        Some(Override { person, from_ms: self.from_ms, until_ms: self.until_ms, note: self.note.trim().to_owned() })
    }
}

/// The field as callers write it.
fn renamed(problem: Problem) -> Problem {
    let field = problem.field.replace(".from_ms", ".from").replace(".until_ms", ".until");
    Problem { field, ..problem }
}

fn check_head(slug: &str, name: &str, problems: &mut Vec<Problem>) {
    if let Err(error) = Slug::parse(slug) {
        problems.push(Problem::new("slug", slug, error.to_string()));
    }
    if let Err(expected) = check_name(name) {
        problems.push(Problem::new("name", name, expected));
    }
}

impl ScheduleDraft {
    fn read(&self, directory: &Directory, kept: &[Override]) -> Result<Rota, Vec<Problem>> {
        let mut problems = Vec::new();
        check_head(&self.slug, &self.name, &mut problems);
        let layers: Vec<Layer> = self
            .layers
            .iter()
            .enumerate()
            .filter_map(|(number, layer)| layer.read(&format!("layers[{number}]"), directory, &mut problems))
            .collect();
        let overrides = match &self.overrides {
            None => kept.to_vec(),
            Some(all) => all
                .iter()
                .enumerate()
                .filter_map(|(number, one)| one.read(&format!("overrides[{number}]"), directory, &mut problems))
                .collect(),
        };
        let is_read = layers.len() == self.layers.len();
        let rota = Rota { zone: self.zone.clone(), layers, overrides };
        // Of layers that were not read nothing more can be told.
        let found = rota.check(zones::is_known).into_iter().map(plain).map(renamed);
        problems.extend(found.filter(|problem| is_read || !problem.field.starts_with("layers")));
        if problems.is_empty() { Ok(rota) } else { Err(problems) }
    }
}

impl PolicyDraft {
    /// The policy and what is missing for it to ask somebody at all times; or what cannot be saved at all.
    fn read(
        &self,
        directory: &Directory,
        rotas: &HashMap<String, (Schedule, ZoneSlice)>,
        now: Millis,
    ) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        check_head(&self.slug, &self.name, &mut problems);
        if self.owners.len() > MOST_OWNERS {
            let expected = format!("at most {MOST_OWNERS} owners");
            problems.push(Problem::new("owners", self.owners.len().to_string(), expected));
        }
        for (number, owner) in self.owners.iter().enumerate() {
            if let Err(expected) = check_name(owner) {
                problems.push(Problem::new(format!("owners[{number}]"), owner, expected));
            }
        }
        let mut missing = Vec::new();
        let mut target = |step: usize, number: usize, written: &TargetDraft| match written {
            TargetDraft::Schedule(slug) => {
                if !rotas.contains_key(slug) {
                    let field = format!("steps[{step}].targets[{number}].schedule");
                    missing.push(Problem::new(field, slug, "the slug of a schedule"));
                }
                Target::Schedule(slug.clone())
            }
            TargetDraft::Person(email) => match directory.person(email) {
                Some(person) => Target::Person(person),
                None => {
                    let field = format!("steps[{step}].targets[{number}].person");
                    missing.push(Problem::new(field, email, "the e-mail address of an account that may sign in"));
                    Target::Person(Person { id: email.clone(), name: email.clone() })
                }
            },
        };
        let steps = self
            .steps
            .iter()
            .enumerate()
            .map(|(step, (after_ms, targets))| Step {
                after_ms: *after_ms,
                targets: targets.iter().enumerate().map(|(number, one)| target(step, number, one)).collect(),
            })
            .collect();
        let policy = Policy { steps, round_ms: self.round_ms, rounds: self.rounds };
        problems.extend(policy.check(|_| true).into_iter().map(plain));
        if !problems.is_empty() {
            return Err(problems);
        }
        missing.extend(unmanned(&policy, directory, rotas, now));
        Ok((policy, missing))
    }
}

/// Steps that ask nobody now or at some time of the next 14 days.
fn unmanned(
    policy: &Policy,
    directory: &Directory,
    rotas: &HashMap<String, (Schedule, ZoneSlice)>,
    now: Millis,
) -> Vec<Problem> {
    let schedule = |slug: &str| rotas.get(slug).map(|(schedule, zone)| (&schedule.rota, zone));
    // Who cannot be asked is nobody.
    let mut able = policy.clone();
    for step in &mut able.steps {
        step.targets.retain(|target| match target {
            Target::Person(person) => directory.trouble(person).is_none(),
            Target::Schedule(_) => true,
        });
    }
    able.unmanned(now, schedule).iter().map(|one| plain(one.problem(now))).collect()
}

fn missing_schedule(slug: &str) -> AppError {
    AppError::NotFound { what: "schedule", slug: slug.chars().take(80).collect(), suggestion: None }
}

fn missing_policy(slug: &str) -> AppError {
    AppError::NotFound { what: "policy", slug: slug.chars().take(80).collect(), suggestion: None }
}

fn stale(what: &'static str, expected: i32, found: i32) -> AppError {
    StoreError::Stale { what, expected, found }.into()
}

fn taken(what: &'static str, slug: &str) -> AppError {
    StoreError::Taken { what, value: slug.to_owned() }.into()
}

fn zone_of(rota: &Rota, from: Millis, to: Millis) -> ZoneSlice {
    zones::slice(&rota.zone, from - AROUND_MS, to + AROUND_MS).unwrap_or_else(ZoneSlice::utc)
}

async fn rotas(conn: &mut PgConnection, now: Millis) -> Result<HashMap<String, (Schedule, ZoneSlice)>> {
    let all = oncall::schedules(conn).await?.into_iter().map(|schedule| {
        let zone = zone_of(&schedule.rota, now, now + AHEAD_MS);
        (schedule.slug.clone(), (schedule, zone))
    });
    Ok(all.collect())
}

fn value<T: Serialize>(one: &T) -> Option<serde_json::Value> {
    serde_json::to_value(one).ok()
}

fn schedule_value(one: &Schedule) -> Option<serde_json::Value> {
    let mut body = value(&one.rota)?;
    body["name"] = one.name.clone().into();
    Some(body)
}

fn policy_value(one: &StoredPolicy) -> Option<serde_json::Value> {
    let mut body = value(&one.policy)?;
    body["name"] = one.name.clone().into();
    body["owners"] = one.owners.clone().into();
    Some(body)
}

impl App {
    fn require_schedules(&self) -> Result<()> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)
    }

    fn show_schedule(
        &self,
        directory: &Directory,
        mut schedule: Schedule,
        now: Millis,
        (from, to): (Millis, Millis),
    ) -> ScheduleShown {
        let zone = zone_of(&schedule.rota, from.min(now), to.max(now + AHEAD_MS));
        let shows_email = !self.caller.is_limited();
        let named = |person: &Person| directory.named(person, shows_email);
        if !self.caller.reads_remarks() {
            schedule.rota.overrides.iter_mut().for_each(|one| one.note.clear());
        }
        let rota = &schedule.rota;
        let next_ms = rota.next_hand_over(now, &zone);
        let on_call = |at: Millis| rota.on_call(at, &zone).map(|on_call| named(on_call.person));
        let shift = |shift: Shift| NamedShift {
            who: named(&shift.person),
            from_ms: shift.from_ms,
            until_ms: shift.to_ms,
            is_override: matches!(shift.by, By::Override(_)),
        };
        let coming = rota.overrides.iter().filter(|one| one.until_ms > now).map(|one| &one.person);
        let everybody: Vec<&Person> = rota.layers.iter().flat_map(|layer| &layer.people).chain(coming).collect();
        let mut warnings: Vec<String> = Vec::new();
        for trouble in everybody.iter().filter_map(|person| directory.trouble(person)) {
            let sentence = format!("{trouble}: nobody is asked in their turns.");
            if !warnings.contains(&sentence) {
                warnings.push(sentence);
            }
        }
        let all =
            rota.layers.iter().flat_map(|layer| &layer.people).chain(rota.overrides.iter().map(|one| &one.person));
        ScheduleShown {
            people: all.map(|person| (person.id.clone(), named(person))).collect(),
            now: on_call(now),
            next: next_ms.and_then(on_call),
            next_ms,
            shifts: rota.shifts(from, to, &zone).into_iter().map(shift).collect(),
            gaps: rota.gaps(from, to, &zone),
            gaps_ahead: rota.gaps(now, now + AHEAD_MS, &zone),
            warnings,
            zone,
            schedule,
        }
    }

    /// All schedules: who is on call now and next, and the shifts of the next 14 days.
    pub async fn schedules(&self) -> Result<Schedules> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let directory = Directory::read(&mut conn).await?;
        let all = oncall::schedules(&mut conn).await?.into_iter();
        let all = all.map(|one| self.show_schedule(&directory, one, now, (now, now + AHEAD_MS)));
        Ok(Schedules { now, all: all.collect() })
    }

    /// One schedule with its shifts in a range; the next 14 days if none is given.
    pub async fn schedule(&self, slug: &str, range: Option<(Millis, Millis)>) -> Result<(Millis, ScheduleShown)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let (from, to) = range.unwrap_or((now, now + AHEAD_MS));
        if to <= from {
            return Err(AppError::invalid("to", rfc3339(to), format!("later than from, {}", rfc3339(from))));
        }
        if to - from > LONGEST_MS {
            let expected = format!("at most {} days after from", LONGEST_MS / DAY_MS);
            return Err(AppError::invalid("to", rfc3339(to), expected));
        }
        let directory = Directory::read(&mut conn).await?;
        let found = oncall::schedules(&mut conn).await?.into_iter().find(|one| one.slug == slug);
        let found = found.ok_or_else(|| missing_schedule(slug))?;
        Ok((now, self.show_schedule(&directory, found, now, (from, to))))
    }

    /// Makes a schedule.
    pub async fn create_schedule(&self, draft: &ScheduleDraft) -> Result<ScheduleShown> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let directory = Directory::read(&mut tx).await?;
        let rota = draft.read(&directory, &[]).map_err(AppError::Invalid)?;
        let one = Schedule { slug: draft.slug.clone(), name: draft.name.trim().to_owned(), rota, version: 1 };
        if !oncall::create_schedule(&mut tx, &one).await? {
            return Err(taken("schedule", &one.slug));
        }
        self.note_oncall(&mut tx, ("create", "schedule"), &one.slug, None, schedule_value(&one), "").await?;
        tx.commit().await?;
        Ok(self.schedule(&draft.slug, None).await?.1)
    }

    /// Changes a schedule that is at the version that was seen. Its slug stays.
    pub async fn update_schedule(&self, slug: &str, version: i32, draft: &ScheduleDraft) -> Result<ScheduleShown> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let before = oncall::lock_schedule(&mut tx, slug).await?.ok_or_else(|| missing_schedule(slug))?;
        if before.version != version {
            return Err(stale("schedule", version, before.version));
        }
        let directory = Directory::read(&mut tx).await?;
        let draft = ScheduleDraft { slug: slug.to_owned(), ..draft.clone() };
        let rota = draft.read(&directory, &before.rota.overrides).map_err(AppError::Invalid)?;
        let after = Schedule { name: draft.name.trim().to_owned(), rota, ..before.clone() };
        if !oncall::update_schedule(&mut tx, &after).await? {
            return Err(stale("schedule", version, before.version));
        }
        let (old, new) = (schedule_value(&before), schedule_value(&after));
        self.note_oncall(&mut tx, ("update", "schedule"), slug, old, new, "").await?;
        tx.commit().await?;
        Ok(self.schedule(slug, None).await?.1)
    }

    /// Takes a schedule away that no policy asks.
    pub async fn delete_schedule(&self, slug: &str) -> Result<()> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let before = oncall::lock_schedule(&mut tx, slug).await?.ok_or_else(|| missing_schedule(slug))?;
        let is_target = |target: &Target| matches!(target, Target::Schedule(asked) if asked == slug);
        let policies = oncall::policies(&mut tx).await?;
        let users: Vec<&str> = policies
            .iter()
            .filter(|one| one.policy.steps.iter().flat_map(|step| &step.targets).any(is_target))
            .map(|one| one.name.as_str())
            .collect();
        if !users.is_empty() {
            let text = format!("{} is asked by the policy {}; nothing was changed", before.name, users.join(", "));
            return Err(AppError::Conflict(text));
        }
        oncall::delete_schedule(&mut tx, slug).await?;
        self.note_oncall(&mut tx, ("delete", "schedule"), slug, schedule_value(&before), None, "").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Somebody is on call for a while instead of whose turn it is. It counts more than what was there before.
    pub async fn add_override(&self, slug: &str, draft: &OverrideDraft) -> Result<ScheduleShown> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let before = oncall::lock_schedule(&mut tx, slug).await?.ok_or_else(|| missing_schedule(slug))?;
        let directory = Directory::read(&mut tx).await?;
        let mut problems = Vec::new();
        let mut after = before.clone();
        after.rota.forget_overrides(now - KEEP_OVERRIDES_MS);
        if let Some(one) = draft.read("override", &directory, &mut problems) {
            if one.until_ms <= now && one.until_ms > one.from_ms {
                let expected = format!("later than now, {}", rfc3339(now));
                problems.push(Problem::new("override.until_ms", rfc3339(one.until_ms), expected));
            }
            let last = format!("overrides[{}]", after.rota.overrides.len());
            after.rota.overrides.push(one);
            let found = after.rota.check(zones::is_known).into_iter().map(plain);
            problems.extend(found.filter(|problem| problem.field.starts_with("overrides")).map(|mut problem| {
                problem.field = problem.field.replace(&last, "override");
                problem
            }));
        }
        if !problems.is_empty() {
            let own = problems.into_iter().map(renamed).map(|mut problem| {
                if let Some(field) = problem.field.strip_prefix("override.") {
                    problem.field = field.to_owned();
                }
                problem
            });
            return Err(AppError::Invalid(own.collect()));
        }
        if !oncall::update_schedule(&mut tx, &after).await? {
            return Err(stale("schedule", before.version, before.version));
        }
        let (old, new) = (schedule_value(&before), schedule_value(&after));
        self.note_oncall(&mut tx, ("override", "schedule"), slug, old, new, draft.note.trim()).await?;
        tx.commit().await?;
        Ok(self.schedule(slug, None).await?.1)
    }

    fn show_policy(
        &self,
        directory: &Directory,
        rotas: &HashMap<String, (Schedule, ZoneSlice)>,
        stored: StoredPolicy,
        now: Millis,
    ) -> PolicyShown {
        let shows_email = !self.caller.is_limited();
        let named = |person: &Person| directory.named(person, shows_email);
        let on_call = |slug: &str| {
            let (schedule, zone) = rotas.get(slug)?;
            schedule.rota.on_call(now, zone).map(|on_call| on_call.person.clone())
        };
        let who = |target: &Target| match target {
            Target::Person(person) => vec![person.clone()],
            Target::Schedule(slug) => on_call(slug).into_iter().collect(),
        };
        let mut warnings = Vec::new();
        let mut steps = Vec::new();
        for (number, step) in stored.policy.steps.iter().enumerate() {
            let mut shown =
                StepShown { after_ms: step.after_ms, schedules: Vec::new(), people: Vec::new(), asked: Vec::new() };
            for (index, target) in step.targets.iter().enumerate() {
                let field = format!("steps[{number}].targets[{index}]");
                match target {
                    Target::Schedule(slug) => {
                        let known = rotas.get(slug);
                        if known.is_none() {
                            warnings.push(Problem::new(field, slug, "the slug of a schedule"));
                        }
                        let name = known.map_or_else(|| slug.clone(), |(schedule, _)| schedule.name.clone());
                        shown.schedules.push((slug.clone(), name));
                    }
                    Target::Person(person) => {
                        if let Some(trouble) = directory.trouble(person) {
                            warnings.push(Problem::new(field, trouble, "somebody who can be asked"));
                        }
                        shown.people.push(named(person));
                    }
                }
            }
            let asked = stored.policy.who(number, who);
            shown.asked = asked.iter().filter(|person| directory.trouble(person).is_none()).map(named).collect();
            steps.push(shown);
        }
        warnings.extend(unmanned(&stored.policy, directory, rotas, now));
        PolicyShown { stored, steps, warnings }
    }

    /// All policies, each with what is wrong with it.
    pub async fn policies(&self) -> Result<Vec<PolicyShown>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let (directory, rotas) = (Directory::read(&mut conn).await?, rotas(&mut conn, now).await?);
        let all = oncall::policies(&mut conn).await?.into_iter();
        Ok(all.map(|one| self.show_policy(&directory, &rotas, one, now)).collect())
    }

    /// One policy.
    pub async fn policy(&self, slug: &str) -> Result<PolicyShown> {
        let found = self.policies().await?.into_iter().find(|one| one.stored.slug == slug);
        found.ok_or_else(|| missing_policy(slug))
    }

    /// What is to be stored, if it may be.
    async fn read_policy(&self, conn: &mut PgConnection, draft: &PolicyDraft) -> Result<Policy> {
        let now = headroom_store::now(conn).await?;
        let (directory, rotas) = (Directory::read(conn).await?, rotas(conn, now).await?);
        let (policy, mut missing) = draft.read(&directory, &rotas, now).map_err(AppError::Invalid)?;
        if missing.is_empty() || draft.acknowledge_gaps {
            return Ok(policy);
        }
        for problem in &mut missing {
            problem.expected.push_str(", or acknowledge_gaps to save it nevertheless");
        }
        Err(AppError::Invalid(missing))
    }

    /// Makes a policy. One that would ask nobody for a while is refused unless that is acknowledged.
    pub async fn create_policy(&self, draft: &PolicyDraft) -> Result<PolicyShown> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let policy = self.read_policy(&mut tx, draft).await?;
        let one = StoredPolicy {
            slug: draft.slug.clone(),
            name: draft.name.trim().to_owned(),
            policy,
            owners: draft.owners.clone(),
            version: 1,
        };
        if !oncall::create_policy(&mut tx, &one).await? {
            return Err(taken("policy", &one.slug));
        }
        self.note_oncall(&mut tx, ("create", "policy"), &one.slug, None, policy_value(&one), "").await?;
        tx.commit().await?;
        self.policy(&draft.slug).await
    }

    /// Changes a policy that is at the version that was seen. Its slug stays.
    pub async fn update_policy(&self, slug: &str, version: i32, draft: &PolicyDraft) -> Result<PolicyShown> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let before = oncall::lock_policy(&mut tx, slug).await?.ok_or_else(|| missing_policy(slug))?;
        if before.version != version {
            return Err(stale("policy", version, before.version));
        }
        let draft = PolicyDraft { slug: slug.to_owned(), ..draft.clone() };
        let policy = self.read_policy(&mut tx, &draft).await?;
        let name = draft.name.trim().to_owned();
        let after = StoredPolicy { name, policy, owners: draft.owners.clone(), ..before.clone() };
        if !oncall::update_policy(&mut tx, &after).await? {
            return Err(stale("policy", version, before.version));
        }
        let (old, new) = (policy_value(&before), policy_value(&after));
        self.note_oncall(&mut tx, ("update", "policy"), slug, old, new, "").await?;
        tx.commit().await?;
        self.policy(slug).await
    }

    /// Takes a policy away: its owners fall back to that of everybody.
    pub async fn delete_policy(&self, slug: &str) -> Result<()> {
        self.require_schedules()?;
        let mut tx = self.db.pages.begin().await?;
        let before = oncall::lock_policy(&mut tx, slug).await?.ok_or_else(|| missing_policy(slug))?;
        let context = self.alert_context(&mut tx).await?;
        let asking = |row: &alert::Row| {
            let is_asked = row.alert.workflow == Workflow::Open && row.alert.asking.is_some() && !row.is_muted();
            is_asked && context.oncall.policy_slug(&context.owner_of(row)) == Some(slug)
        };
        let asked = alert::list_active(&mut tx, MOST_ASKED).await?;
        let asked: Vec<String> = asked.iter().filter(|row| asking(row)).map(|row| format!("A-{}", row.id)).collect();
        if !asked.is_empty() {
            let text = format!(
                "{} asks people about {} now; take these on or put them off first, nothing was changed",
                before.name,
                asked.join(", ")
            );
            return Err(AppError::Conflict(text));
        }
        oncall::delete_policy(&mut tx, slug).await?;
        self.note_oncall(&mut tx, ("delete", "policy"), slug, policy_value(&before), None, "").await?;
        tx.commit().await?;
        Ok(())
    }

    async fn note_oncall(
        &self,
        conn: &mut PgConnection,
        (action, object): (&str, &str),
        key: &str,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
        reason: &str,
    ) -> Result<()> {
        let entry = Entry { actor: &self.caller.actor, action, object, key, id: None, before, after, reason };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}
