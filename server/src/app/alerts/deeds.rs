//! What people do about alerts. One row is locked, the deed is checked against what it is then, and everything that follows is
//! written in the same transaction. Whoever comes too late is told who was first.

use super::super::{App, AppError, Result};
use super::context::Context;
use super::oncall::OnCall;
use super::runbooks::own_slug;
use super::view::{Shown, no_alert};
use super::{silence, tell};
use crate::markdown::{self, Fill};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::{Condition, Effect, NOTE_CHARS, Person, Refusal};
use headroom_domain::alert::outcome::Outcome;
use headroom_store::alert::{self, Event, Row};
use headroom_store::{organisation, runbook};
use serde_json::json;
use sqlx::PgConnection;

/// Most alerts that are acknowledged in one go.
pub const MOST_AT_ONCE: usize = 1_000;

/// Of the text of a step so much goes into the timeline.
const STEP_CHARS: usize = 200;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Takes it on.
    Acknowledge,
    /// Still has it.
    Confirm,
    /// Is on it, too.
    Join,
    /// Takes it from whoever has it.
    TakeOver,
    /// Gives it back.
    GiveBack,
    /// Puts it off until an instant.
    Snooze(Millis),
    /// Says that it is over.
    Resolve,
    /// Says that it is over, and what it was.
    ResolveAs(Outcome),
    /// Says what it was, when it is over.
    SayOutcome(Outcome),
    /// Has the next people asked.
    Escalate,
    /// Writes something down.
    Note,
    /// Did a step of its runbook.
    Tick(i32),
    /// Did not do it after all.
    Untick(i32),
}

impl Deed {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "ack",
            Self::Confirm => "confirm",
            Self::Join => "join",
            Self::TakeOver => "takeover",
            Self::GiveBack => "unack",
            Self::Snooze(_) => "snooze",
            Self::Resolve | Self::ResolveAs(_) => "resolve",
            Self::SayOutcome(_) => "outcome",
            Self::Escalate => "escalate",
            Self::Note => "notes",
            Self::Tick(_) => "tick",
            Self::Untick(_) => "untick",
        }
    }

    /// True if it depends on what was seen.
    pub const fn needs_version(self) -> bool {
        matches!(
            self,
            Self::Acknowledge | Self::TakeOver | Self::GiveBack | Self::Snooze(_) | Self::Resolve | Self::ResolveAs(_)
        )
    }

    /// What it says that the alert was.
    const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::ResolveAs(outcome) | Self::SayOutcome(outcome) => Some(outcome),
            _ => None,
        }
    }
}

/// What somebody wants done.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What.
    pub deed: Deed,
    /// The version that was seen.
    pub seen: Option<u64>,
    /// What they say.
    pub note: String,
    /// Asked again with the same key, the same is answered and nothing is done twice.
    pub key: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// The alert afterwards.
    pub shown: Shown,
    /// It had been done before, with the same key.
    pub replayed: bool,
}

impl App {
    /// Who the caller is in alerts.
    pub(super) fn person(&self) -> Person {
        let actor = &self.caller.actor;
        let id = self.caller.account().map(|account| account.id.to_string());
        Person { id: id.unwrap_or_else(|| format!("{}:{}", actor.source, actor.name)), name: self.own_name() }
    }

    fn own_name(&self) -> String {
        self.caller.account().map_or_else(|| self.caller.actor.name.clone(), |account| account.fields.name.clone())
    }

    /// Does something about an alert.
    pub async fn answer_alert(&self, id: i64, wish: &Wish) -> Result<Done> {
        self.require(Action::Answer)?;
        if wish.deed == Deed::Acknowledge && wish.note.trim().is_empty() && self.ack_needs_note().await? {
            let expected = "a note: this organisation wants one with every acknowledgement";
            return Err(AppError::invalid("note", "", expected));
        }
        self.answer_as(id, wish, &self.person()).await
    }

    /// Whether an acknowledgement must say something.
    pub async fn ack_needs_note(&self) -> Result<bool> {
        Ok(organisation::ack_needs_note(&mut *self.db.pages.acquire().await?).await?)
    }

    /// The same on behalf of somebody whom another service names. They are asked for no note: there is nowhere to write one.
    pub(crate) async fn answer_as(&self, id: i64, wish: &Wish, who: &Person) -> Result<Done> {
        if matches!(wish.deed, Deed::SayOutcome(_)) && wish.note.chars().count() > NOTE_CHARS {
            let found = wish.note.chars().count().to_string();
            return Err(AppError::invalid("note", found, format!("at most {NOTE_CHARS} characters")));
        }
        if wish.deed.needs_version() && wish.seen.is_none() {
            return Err(AppError::Unversioned("expected_version in the body or If-Match: \"v7\""));
        }
        if let Some(key) = &wish.key
            && !(1..=200).contains(&key.chars().count())
        {
            return Err(AppError::invalid("idempotency_key", key, "1 to 200 characters"));
        }
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let mut tx = sqlx::Connection::begin(&mut *conn).await?;
        let mut row = alert::lock(&mut tx, id).await?.filter(|row| self.sees_alert(row)).ok_or_else(|| no_alert(id))?;
        if let Some(key) = &wish.key
            && let Some((alert, deed)) = alert::deed(&mut tx, &who.id, key).await?
        {
            if alert == id && deed == wish.deed.as_str() {
                return Ok(Done { shown: self.show_alert(&context, row), replayed: true });
            }
            return Err(AppError::Conflict(
                "this idempotency key was used for something else; nothing was changed".into(),
            ));
        }
        let plan = context.oncall.plan(&context.owner_of(&row));
        let effects = match wish.deed {
            Deed::Tick(step) | Deed::Untick(step) => {
                let is_done = matches!(wish.deed, Deed::Tick(_));
                Ok(tick(&mut tx, &context, &row, step, is_done, who).await?)
            }
            _ => act(&mut row, wish, who, context.now, &plan),
        };
        let mut effects = match effects {
            Ok(effects) => effects,
            Err(refusal) => {
                return Err(AppError::Answered { refusal: Box::new(refusal), version: row.alert.version });
            }
        };
        silence::mark(&context, &mut row, &mut effects);
        tell::write(&mut tx, &context, &mut row, &effects, context.now).await?;
        let tick = tell::next_tick(&context, &row);
        alert::put(&mut tx, &mut row, tick).await?;
        if let Some(outcome) = wish.deed.outcome() {
            alert::set_outcome(&mut tx, id, outcome).await?;
            let event = Event {
                id: 0,
                alert: id,
                at: context.now,
                what: "outcome".to_owned(),
                who: Some(who.clone()),
                note: if wish.deed.as_str() == "outcome" { wish.note.clone() } else { String::new() },
                version: row.alert.version,
                detail: json!({ "outcome": outcome }),
            };
            alert::log(&mut tx, &[event]).await?;
        }
        if let Some(key) = &wish.key {
            // The row is locked, so nobody used it for this alert meanwhile; for another one somebody may have.
            if !alert::remember_deed(&mut tx, &who.id, key, id, wish.deed.as_str()).await? {
                return Err(AppError::Conflict(
                    "this idempotency key was used for something else a moment ago; nothing was changed".into(),
                ));
            }
        }
        tx.commit().await?;
        Ok(Done { shown: self.show_alert(&context, row), replayed: false })
    }

    /// When the caller's shift ends, if they are on call somewhere: the first end, if there are several.
    pub async fn shift_ends(&self) -> Result<Option<Millis>> {
        let Some(account) = self.caller.account() else { return Ok(None) };
        let id = account.id.to_string();
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let on_call = OnCall::read(&mut conn, now).await?;
        let own = on_call
            .schedules()
            .filter(|(schedule, zone)| schedule.rota.on_call(now, zone).is_some_and(|one| one.person.id == id));
        Ok(own.filter_map(|(schedule, zone)| schedule.rota.next_hand_over(now, zone)).min())
    }

    /// The same for whoever wants to put something off until then.
    pub async fn shift_end(&self) -> Result<Millis> {
        let expected = "another end: you are not on call now, or nobody takes over from you";
        self.shift_ends().await?.ok_or_else(|| AppError::invalid("until", "shift", expected))
    }

    /// Acknowledges several alerts: each is done or refused by itself.
    pub async fn acknowledge_alerts(&self, all: &[(i64, Option<u64>)], note: &str) -> Result<Vec<(i64, Result<Done>)>> {
        self.require(Action::Answer)?;
        if all.is_empty() || all.len() > MOST_AT_ONCE {
            return Err(AppError::invalid("alerts", all.len().to_string(), format!("1 to {MOST_AT_ONCE} alerts")));
        }
        let mut results = Vec::new();
        for (id, seen) in all {
            let wish = Wish { deed: Deed::Acknowledge, seen: *seen, note: note.to_owned(), key: None };
            let result = self.answer_alert(*id, &wish).await;
            if let Err(AppError::Unavailable(_) | AppError::OutOfRoom(_)) = result {
                // What was done so far is told; the rest was not tried.
                results.push((*id, result));
                break;
            }
            results.push((*id, result));
        }
        Ok(results)
    }
}

/// What an alert was, from its word.
pub fn outcome_of(word: &str) -> Result<Outcome> {
    word.parse().map_err(|expected: String| AppError::invalid("outcome", word, expected))
}

/// Remembers that a step of the runbook was done, or was not after all. What it said goes into the timeline: the text may change.
async fn tick(
    conn: &mut PgConnection,
    context: &Context,
    row: &Row,
    step: i32,
    is_done: bool,
    who: &Person,
) -> Result<Vec<Effect>> {
    let known = steps(conn, context, row).await?;
    let Some((_, text)) = known.iter().find(|(number, _)| *number == step) else {
        let expected = format!("a step of its runbook, of which there are {}", known.len());
        return Err(AppError::invalid("step", step.to_string(), expected));
    };
    if !alert::set_step(conn, row.id, step, is_done.then_some(who.name.as_str())).await? {
        // Somebody else was first; what they did is what was wanted.
        return Ok(Vec::new());
    }
    let what = if is_done { "step-done" } else { "step-undone" };
    Ok(vec![Effect::Log { what, who: Some(who.clone()), note: format!("{step}. {text}") }])
}

/// The numbered steps of an alert's runbook, if it is one of ours: number and text.
async fn steps(conn: &mut PgConnection, context: &Context, row: &Row) -> Result<Vec<(i32, String)>> {
    let address = context.runbook_of(row);
    let Some(slug) = own_slug(&address) else { return Ok(Vec::new()) };
    let Some(found) = runbook::get(conn, slug).await? else { return Ok(Vec::new()) };
    let Some(version) = runbook::version(conn, slug, found.version).await? else { return Ok(Vec::new()) };
    let outline = markdown::outline(&version.body, &Fill::default());
    let all = outline.sections.into_iter().flat_map(|section| section.steps);
    Ok(all
        .filter_map(|step| Some((i32::try_from(step.number).ok()?, markdown::plain(&step.html, STEP_CHARS))))
        .collect())
}

fn act(
    row: &mut Row,
    wish: &Wish,
    who: &Person,
    now: Millis,
    plan: &headroom_domain::alert::episode::Escalation,
) -> Result<Vec<Effect>, Refusal> {
    let (alert, seen, note) = (&mut row.alert, wish.seen, wish.note.as_str());
    match wish.deed {
        Deed::Acknowledge => alert.acknowledge(seen, who, note, now),
        Deed::Confirm => alert.confirm(who, now),
        Deed::Join => alert.join(who),
        Deed::TakeOver => alert.take_over(seen, who, note, now),
        Deed::GiveBack => alert.give_back(seen, who, note, now),
        Deed::Snooze(until) => alert.snooze(seen, who, until, note, now),
        Deed::Resolve => alert.resolve(seen, who, note, now),
        Deed::ResolveAs(outcome) => {
            // What it was says enough.
            let note = if note.trim().is_empty() { outcome.label() } else { note };
            alert.resolve(seen, who, note, now)
        }
        Deed::SayOutcome(_) if alert.condition != Condition::Resolved => Err(Refusal::StillFiring),
        Deed::SayOutcome(_) | Deed::Tick(_) | Deed::Untick(_) => Ok(Vec::new()),
        Deed::Escalate => alert.escalate(who, note, now, plan),
        Deed::Note => alert.note(who, note),
    }
}
