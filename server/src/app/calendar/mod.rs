//! The calendar of events that change demand: people see it, write into it, change it, and take calendars of other programs into it.
//!
//! Events are everybody's: who is limited to some tenants reads when they are and what they do, but not what somebody called them, and
//! writes none. Whoever writes does so alone, so that what contradicts each other is never written by two at once.

pub mod imports;

use super::{App, AppError, Problem, Result};
use crate::{clock, planfile, zones};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::calendar::{Draft, Event};
use headroom_domain::plan::Fault;
use headroom_domain::range::rfc3339;
use headroom_store::audit::{self, Entry};
use headroom_store::event::{self, Stored, Wanted};
use headroom_store::pool::{self, Pool};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Most events of the calendar.
pub const MOST_EVENTS: i64 = 20_000;
/// Events that are marked on one chart,
const MOST_MARKED: usize = 8;
/// of so many that touch its stretch.
const MOST_LOOKED_AT: i64 = 200;
/// Most events of a list.
pub const MOST_LISTED: i64 = 1_000;
/// What stands in the place of a title that is not the reader's.
const UNTOLD: &str = "";
/// What stands in the place of a tag that is not the reader's.
const UNTAGGED: &str = "event";

/// An event as a caller may see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// As it is stored; without its title and author for those who do not read them.
    pub stored: Stored,
    /// Slug and name of its pool; `None` = all pools.
    pub pool: Option<(String, String)>,
}

impl Shown {
    /// The pool in words.
    pub fn pool_name(&self) -> &str {
        self.pool.as_ref().map_or("all pools", |(_, name)| name)
    }
}

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Not over at this instant.
    pub from: Option<Millis>,
    /// Begun before this instant.
    pub to: Option<Millis>,
    /// Of this pool, and of all pools.
    pub pool: Option<String>,
    /// Of this tag.
    pub tag: Option<String>,
    /// At most so many.
    pub limit: i64,
    /// So many are passed over.
    pub offset: i64,
}

/// Events of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Those that were asked for, by their beginning.
    pub events: Vec<Shown>,
    /// How many there are in all.
    pub total: i64,
}

/// An event as somebody wants it.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The pool's slug; `None` = all pools.
    pub pool: Option<String>,
    /// IANA zone in which it was written; empty = the organisation's.
    pub zone: String,
    /// When, what kind, what it is called and what it does.
    pub draft: Draft,
}

/// A fault of a rule as a problem of a field.
pub(crate) fn problem(fault: Fault) -> Problem {
    Problem::new(fault.field, fault.found, fault.expected)
}

fn no_event(id: Uuid) -> AppError {
    AppError::NotFound { what: "event", slug: id.to_string(), suggestion: None }
}

/// An event as the audit trail keeps it.
fn recorded(stored: &Stored, pool: &str) -> Value {
    json!({
        "title": stored.title,
        "pool": pool,
        "from": rfc3339(stored.event.start_ms),
        "until": rfc3339(stored.event.end_ms),
        "zone": stored.zone,
        "tag": stored.event.tag,
        "effect": stored.event.effect.says(),
        "uid": stored.origin.as_ref().map(|origin| origin.uid.as_str()),
    })
}

/// The problem of an event that cannot hold beside another one.
fn contradiction(event: &Event, other: &Stored, pool: &str) -> Problem {
    let (from, to) = (rfc3339(other.event.start_ms), rfc3339(other.event.end_ms));
    let says = other.event.effect.says();
    Problem {
        field: "effect".into(),
        found: event.effect.says(),
        expected: format!(
            "what goes with {:?} of {pool}, from {from} to {to}: {says}; change or shorten one of them",
            other.title
        ),
    }
}

impl App {
    /// Refuses who may not change the calendar of a pool, or of all pools.
    fn require_calendar(&self, pool: Option<i32>) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        match pool {
            Some(pool) if self.caller.sees_pool(pool) => Ok(()),
            _ => self.require_no_limits(Action::Plan),
        }
    }

    /// Whether the caller may write into the calendar at all.
    pub fn may_plan_events(&self) -> bool {
        self.caller.may(Action::Plan) && !self.caller.is_limited()
    }

    async fn shown_events(&self, conn: &mut PgConnection, all: Vec<Stored>) -> Result<Vec<Shown>> {
        let mut keys: Vec<i32> = all.iter().filter_map(|stored| stored.pool).collect();
        keys.sort_unstable();
        keys.dedup();
        let named = pool::by_keys(conn, &keys).await?;
        let named: HashMap<i32, (String, String)> =
            named.into_iter().map(|pool| (pool.key, (pool.fields.slug.to_string(), pool.fields.name))).collect();
        let shown = all.into_iter().map(|mut stored| {
            if !self.caller.reads_remarks() {
                UNTOLD.clone_into(&mut stored.title);
                UNTOLD.clone_into(&mut stored.author);
                // Tags of imported events are made from words of their titles.
                UNTAGGED.clone_into(&mut stored.event.tag);
                stored.origin = None;
            }
            Shown { pool: stored.pool.and_then(|key| named.get(&key).cloned()), stored }
        });
        Ok(shown.collect())
    }

    /// Events that the caller may see.
    pub async fn events(&self, asked: &Asked) -> Result<Listed> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let pools = match &asked.pool {
            Some(slug) => Some(vec![super::pools::find(conn, &self.caller, slug).await?.key]),
            None => self.caller.pools.clone(),
        };
        let wanted = Wanted {
            from: asked.from,
            to: asked.to,
            pools,
            // Who does not read tags does not learn of them by asking.
            tag: asked.tag.clone().filter(|_| self.caller.reads_remarks()),
            limit: asked.limit.clamp(1, MOST_LISTED),
            offset: asked.offset.max(0),
        };
        let total = event::count(conn, &wanted).await?;
        let events = event::list(conn, &wanted).await?;
        Ok(Listed { events: self.shown_events(conn, events).await?, total })
    }

    /// Where events of a pool begin, with what they are called, for the trends of a stretch of time; eight at the most.
    pub async fn event_marks(&self, pool: &Pool, from: Millis, to: Millis) -> Result<Vec<(Millis, String)>> {
        self.require(Action::See)?;
        if !self.caller.sees_pool(pool.key) {
            return Ok(Vec::new());
        }
        let wanted = Wanted {
            from: Some(from),
            to: Some(to),
            pools: Some(vec![pool.key]),
            limit: MOST_LOOKED_AT,
            ..Wanted::default()
        };
        let found = event::list(&mut *self.db.pages.acquire().await?, &wanted).await?;
        let reads = self.caller.reads_remarks();
        let name = |stored: Stored| if reads { stored.title } else { UNTOLD.to_owned() };
        let begin = found.into_iter().filter(|stored| stored.event.start_ms >= from).take(MOST_MARKED);
        Ok(begin.map(|stored| (stored.event.start_ms, name(stored))).collect())
    }

    /// The tags of the calendar.
    pub async fn event_tags(&self) -> Result<Vec<String>> {
        self.require(Action::See)?;
        if !self.caller.reads_remarks() {
            return Ok(Vec::new());
        }
        Ok(event::tags(&mut *self.db.pages.acquire().await?).await?)
    }

    /// One event.
    pub async fn event(&self, id: Uuid) -> Result<Shown> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let stored = event::get(conn, id).await?;
        let stored = stored.filter(|stored| stored.pool.is_none_or(|pool| self.caller.sees_pool(pool)));
        let stored = stored.ok_or_else(|| no_event(id))?;
        self.shown_events(conn, vec![stored]).await?.pop().ok_or_else(|| no_event(id))
    }

    /// What somebody wants, checked: whom it is about, and the event with its zone.
    async fn checked_event(&self, conn: &mut PgConnection, wish: &Wish) -> Result<(Option<i32>, Event, String)> {
        let pool = match &wish.pool {
            Some(slug) => Some(pool_named(self, conn, slug).await?),
            None => None,
        };
        self.require_calendar(pool)?;
        let zone =
            if wish.zone.is_empty() { headroom_store::organisation::get(conn).await?.zone } else { wish.zone.clone() };
        let checked = wish.draft.check();
        let mut problems: Vec<Problem> = Vec::new();
        if !zones::is_known(&zone) {
            problems.push(Problem::new("zone", &zone, "an IANA zone such as Europe/Berlin"));
        }
        match checked {
            Ok(event) if problems.is_empty() => Ok((pool, event, zone)),
            Ok(_) => Err(AppError::Invalid(problems)),
            Err(faults) => {
                problems.extend(faults.into_iter().map(problem));
                Err(AppError::Invalid(problems))
            }
        }
    }

    /// Refuses an event that cannot hold beside others of its pool.
    async fn refuse_contradictions(&self, conn: &mut PgConnection, stored: &Stored) -> Result<()> {
        let around = event::around(conn, stored.pool, stored.event.start_ms, stored.event.end_ms).await?;
        let others: Vec<Stored> = around
            .into_iter()
            .filter(|other| other.id != stored.id && other.event.contradicts(&stored.event))
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        /// Those that are named; nobody mends more at once.
        const NAMED: usize = 5;
        let named = self.shown_events(conn, others.into_iter().take(NAMED).collect()).await?;
        let problems = named.iter().map(|other| contradiction(&stored.event, &other.stored, other.pool_name()));
        Err(AppError::Invalid(problems.collect()))
    }

    /// Writes a new event.
    pub async fn create_event(&self, wish: &Wish) -> Result<Shown> {
        let mut tx = self.db.pages.begin().await?;
        let (pool, event, zone) = self.checked_event(&mut tx, wish).await?;
        event::lock(&mut tx).await?;
        if event::count(&mut tx, &Wanted::default()).await? >= MOST_EVENTS {
            let full = format!("the calendar holds {MOST_EVENTS} events, its most; remove old ones first");
            return Err(AppError::Conflict(full));
        }
        let stored = Stored {
            id: clock::uuid(),
            pool,
            event,
            title: wish.draft.title.trim().to_owned(),
            zone,
            origin: None,
            author: self.event_author(),
            version: 1,
            updated_ms: headroom_store::now(&mut tx).await?,
        };
        self.refuse_contradictions(&mut tx, &stored).await?;
        event::create(&mut tx, &stored).await?;
        self.note_event(&mut tx, "create", None, Some(&stored)).await?;
        tx.commit().await?;
        self.event(stored.id).await
    }

    /// Changes an event that is at the version that was seen.
    pub async fn update_event(&self, id: Uuid, version: i32, wish: &Wish) -> Result<Shown> {
        let mut tx = self.db.pages.begin().await?;
        let (pool, event, zone) = self.checked_event(&mut tx, wish).await?;
        event::lock(&mut tx).await?;
        let before = event::get(&mut tx, id).await?.ok_or_else(|| no_event(id))?;
        self.require_calendar(before.pool)?;
        if before.version != version {
            return Err(stale(id, version, before.version));
        }
        let after = Stored {
            pool,
            event,
            title: wish.draft.title.trim().to_owned(),
            zone,
            author: self.event_author(),
            ..before.clone()
        };
        self.refuse_contradictions(&mut tx, &after).await?;
        if !event::update(&mut tx, &after).await? {
            return Err(stale(id, version, before.version));
        }
        self.note_event(&mut tx, "update", Some(&before), Some(&after)).await?;
        tx.commit().await?;
        self.event(id).await
    }

    /// Takes an event out of the calendar, if it is at the version that was seen.
    pub async fn delete_event(&self, id: Uuid, version: i32) -> Result<()> {
        self.require(Action::Plan)?;
        let mut tx = self.db.pages.begin().await?;
        event::lock(&mut tx).await?;
        let before = event::get(&mut tx, id).await?;
        let before = before.filter(|stored| stored.pool.is_none_or(|pool| self.caller.sees_pool(pool)));
        let before = before.ok_or_else(|| no_event(id))?;
        self.require_calendar(before.pool)?;
        if before.version != version {
            return Err(stale(id, version, before.version));
        }
        event::remove(&mut tx, &[id]).await?;
        self.note_event(&mut tx, "delete", Some(&before), None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The calendar as an iCalendar file.
    pub async fn events_file(&self, asked: &Asked) -> Result<String> {
        let listed = self.events(asked).await?;
        let name = |shown: Shown| {
            let pool = shown.pool_name().to_owned();
            let mut stored = shown.stored;
            if stored.title.is_empty() {
                stored.title.clone_from(&stored.event.tag);
            }
            (stored, pool)
        };
        let events: Vec<(Stored, String)> = listed.events.into_iter().map(name).collect();
        Ok(planfile::events::write(&events))
    }

    fn event_author(&self) -> String {
        self.caller.account().map_or_else(|| self.caller.actor.name.clone(), |account| account.fields.name.clone())
    }

    async fn note_event(
        &self,
        conn: &mut PgConnection,
        action: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) -> Result<()> {
        let Some(one) = after.or(before) else { return Ok(()) };
        let keys: Vec<i32> = [before, after].into_iter().flatten().filter_map(|stored| stored.pool).collect();
        let named = pool::by_keys(conn, &keys).await?;
        let name = |stored: &Stored| {
            let slug = stored.pool.and_then(|key| named.iter().find(|pool| pool.key == key));
            slug.map_or_else(|| "all pools".to_owned(), |pool| pool.fields.slug.to_string())
        };
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "event",
            key: &one.event.tag,
            id: Some(one.id),
            before: before.map(|stored| recorded(stored, &name(stored))),
            after: after.map(|stored| recorded(stored, &name(stored))),
            reason: "",
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}

fn stale(id: Uuid, seen: i32, now: i32) -> AppError {
    AppError::Stale { what: "event", slug: id.to_string(), seen, now }
}

/// A pool that is named in a request, by its slug.
async fn pool_named(app: &App, conn: &mut PgConnection, slug: &str) -> Result<i32> {
    match super::pools::find(conn, &app.caller, slug).await {
        Ok(pool) => Ok(pool.key),
        Err(AppError::NotFound { suggestion, .. }) => {
            let near = suggestion.map(|near| format!(", perhaps {near}")).unwrap_or_default();
            Err(AppError::invalid("pool", slug, format!("a pool that exists{near}; nothing for all pools")))
        }
        Err(error) => Err(super::pools::named_otherwise("pool", error)),
    }
}
