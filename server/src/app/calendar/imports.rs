//! Calendars of other programs: read, looked at, and taken as a whole or as far as they are good. A file that is taken again changes
//! what it brought before, by the names its events have there.

use super::super::{App, AppError, Problem, Result};
use super::{MOST_EVENTS, contradiction, pool_named, problem};
use crate::clock;
use crate::planfile::events::{self, Fault, MOST_BYTES, Occurrence, Read, Series};
use headroom_domain::access::Action;
use headroom_domain::calendar::{Draft, Event};
use headroom_domain::slug::Slug;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::audit::{self, Entry};
use headroom_store::event::{self, Held, Origin, Stored};
use headroom_store::{organisation, pool};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A file is kept this long between its upload and being taken.
const KEPT_MS: Millis = DAY_MS;
/// Longest name of a file, in characters.
const LONGEST_FILE: usize = 100;
/// The tag of what has no word that could be one.
const USUAL_TAG: &str = "event";

/// Which word of an event becomes its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagFrom {
    /// Its first category; its summary if it has none.
    #[default]
    Category,
    /// Its summary.
    Summary,
    /// The same for all.
    Fixed,
}

impl TagFrom {
    /// Every one, with its word.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Category, "category"), (Self::Summary, "summary"), (Self::Fixed, "fixed")];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }

    /// The inverse of [`TagFrom::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(one, _)| *one)
    }
}

/// What becomes of a file's events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Slug of their pool; `None` = all pools.
    pub pool: Option<String>,
    /// Where their tags come from.
    pub tag_from: TagFrom,
    /// The tag of all, if it is the same for all.
    pub tag: String,
    /// What they do: a word of [`headroom_domain::calendar::EFFECTS`].
    pub effect: String,
    /// With `floor`.
    pub slots: Option<i64>,
    /// With `factor`.
    pub percent: Option<i64>,
    /// With `like_weekday`.
    pub weekday: Option<i64>,
}

impl Mapping {
    fn tag_of(&self, occurrence: &Occurrence) -> String {
        let word = match self.tag_from {
            TagFrom::Fixed => return self.tag.clone(),
            TagFrom::Category => occurrence.categories.first().unwrap_or(&occurrence.title),
            TagFrom::Summary => &occurrence.title,
        };
        Slug::from_name(word, USUAL_TAG).as_str().to_owned()
    }

    fn draft(&self, occurrence: &Occurrence) -> Draft {
        Draft {
            start_ms: occurrence.start_ms,
            end_ms: occurrence.end_ms,
            tag: self.tag_of(occurrence),
            title: occurrence.title.clone(),
            effect: self.effect.clone(),
            slots: self.slots,
            percent: self.percent,
            weekday: self.weekday,
        }
    }

    /// Refuses what would be wrong with every event.
    fn check(&self) -> Result<()> {
        let tag = if self.tag_from == TagFrom::Fixed { self.tag.clone() } else { USUAL_TAG.to_owned() };
        let any = Draft {
            start_ms: 0,
            end_ms: 1,
            tag,
            title: USUAL_TAG.to_owned(),
            effect: self.effect.clone(),
            slots: self.slots,
            percent: self.percent,
            weekday: self.weekday,
        };
        any.check().map(|_| ()).map_err(|faults| AppError::Invalid(faults.into_iter().map(problem).collect()))
    }
}

/// What becomes of an occurrence.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It comes into the calendar.
    New,
    /// It changes what was taken before.
    Changed,
    /// It is in the calendar as it is.
    Same,
    /// It goes out of the calendar: it was called off, or its series does not have it any more.
    Removed,
    /// It cannot be taken.
    Refused(Vec<Problem>),
}

/// An occurrence of a file, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line of its component.
    pub line: usize,
    /// As it is to be; as it is, if it goes.
    pub stored: Stored,
    /// What becomes of it.
    pub what: What,
}

/// A file that was read, and what taking it would do.
#[derive(Debug, Clone)]
pub struct Review {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub file: String,
    /// What the calendar is called; may be empty.
    pub name: String,
    /// What becomes of its events.
    pub mapping: Mapping,
    /// Its occurrences.
    pub rows: Vec<Row>,
    /// What cannot be read.
    pub faults: Vec<Fault>,
    /// Occurrences that lie too far from now.
    pub outside: usize,
    /// Until when it is kept.
    pub expires_ms: Millis,
}

/// How many rows there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// That come.
    pub new: usize,
    /// That change.
    pub changed: usize,
    /// That stay.
    pub same: usize,
    /// That go.
    pub removed: usize,
    /// That cannot be read or taken.
    pub refused: usize,
}

impl Review {
    /// How many rows there are of each kind.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { refused: self.faults.len(), ..Counts::default() };
        for row in &self.rows {
            match row.what {
                What::New => counts.new += 1,
                What::Changed => counts.changed += 1,
                What::Same => counts.same += 1,
                What::Removed => counts.removed += 1,
                What::Refused(_) => counts.refused += 1,
            }
        }
        counts
    }
}

fn no_import(id: Uuid) -> AppError {
    AppError::NotFound { what: "calendar import", slug: id.to_string(), suggestion: None }
}

/// A fault of a file as a problem of a field: where it is, and what was expected.
pub(crate) fn of_file(fault: &Fault) -> Problem {
    let of = if fault.of.is_empty() { String::new() } else { format!(" ({})", fault.of) };
    let field = if fault.field.is_empty() { String::new() } else { format!(", {}", fault.field) };
    Problem {
        field: format!("line {}{of}{field}", fault.line),
        found: fault.found.clone(),
        expected: fault.expected.clone(),
    }
}

impl App {
    fn calendar_importer(&self) -> Result<Uuid> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        self.caller.actor.id.ok_or(AppError::SignIn)
    }

    /// Keeps a calendar for its review. Nothing of it is in the calendar yet.
    ///
    /// # Errors
    /// Invalid, naming the line, if it is no calendar; invalid by field if the mapping is.
    pub async fn hold_calendar(&self, file: &str, content: Vec<u8>, mapping: &Mapping) -> Result<Uuid> {
        let owner = self.calendar_importer()?;
        if content.is_empty() {
            return Err(AppError::invalid("file", "", "a calendar: choose a file, or paste its text"));
        }
        if content.len() > MOST_BYTES {
            let found = format!("{} bytes", content.len());
            return Err(AppError::invalid("file", found, format!("at most {MOST_BYTES} bytes: split the file")));
        }
        mapping.check()?;
        let mut tx = self.db.pages.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        self.import_pool(&mut tx, mapping).await?;
        let zone = organisation::get(&mut tx).await?.zone;
        let content = {
            let (read, content) = apart(move || (events::read(&content, &zone, now), content)).await?;
            read.map_err(|fault| AppError::Invalid(vec![Problem { field: "file".into(), ..whole_file(&fault) }]))?;
            content
        };
        let name: String = file.chars().filter(|c| !c.is_control()).take(LONGEST_FILE).collect();
        let name = name.trim();
        let held = Held {
            id: clock::uuid(),
            owner,
            file: if name.is_empty() { "pasted calendar".to_owned() } else { name.to_owned() },
            content,
            mapping: json!(mapping),
            expires_ms: now + KEPT_MS,
        };
        event::hold(&mut tx, &held).await?;
        tx.commit().await?;
        Ok(held.id)
    }

    /// The pool that a file is imported for, if the caller may write its calendar.
    async fn import_pool(&self, conn: &mut PgConnection, mapping: &Mapping) -> Result<Option<i32>> {
        let pool = match &mapping.pool {
            Some(slug) => Some(pool_named(self, conn, slug).await?),
            None => None,
        };
        self.require_calendar(pool)?;
        Ok(pool)
    }

    /// Says anew what becomes of a file's events.
    pub async fn map_calendar(&self, id: Uuid, mapping: &Mapping) -> Result<()> {
        let owner = self.calendar_importer()?;
        mapping.check()?;
        let mut tx = self.db.pages.begin().await?;
        self.import_pool(&mut tx, mapping).await?;
        event::held(&mut tx, id, owner).await?.ok_or_else(|| no_import(id))?;
        event::set_mapping(&mut tx, id, &json!(mapping)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What taking a file would do.
    pub async fn review_calendar(&self, id: Uuid) -> Result<Review> {
        let mut tx = self.db.pages.begin().await?;
        self.look_at_calendar(&mut tx, id).await
    }

    /// Throws a file away.
    pub async fn drop_calendar(&self, id: Uuid) -> Result<()> {
        let owner = self.calendar_importer()?;
        let mut tx = self.db.pages.begin().await?;
        event::held(&mut tx, id, owner).await?.ok_or_else(|| no_import(id))?;
        event::let_go(&mut tx, id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes a file: all of it, or with `only_good` what can be taken of it. What it does is decided anew from what the calendar is now.
    pub async fn take_calendar(&self, id: Uuid, only_good: bool) -> Result<Counts> {
        let mut tx = self.db.pages.begin().await?;
        event::lock(&mut tx).await?;
        let review = self.look_at_calendar(&mut tx, id).await?;
        let counts = review.counts();
        if counts.refused > 0 && !only_good {
            let have = if counts.refused == 1 {
                "1 event has a fault".to_owned()
            } else {
                format!("{} events have faults", counts.refused)
            };
            return Err(AppError::Conflict(format!(
                "{have}: mend the file, or take what is good of it; nothing was taken"
            )));
        }
        let there = event::count(&mut tx, &event::Wanted::default()).await?;
        if there + counts.new as i64 > MOST_EVENTS {
            let found = format!("the calendar has {there} events, and {} would come", counts.new);
            return Err(AppError::Conflict(format!("{found}; it holds at most {MOST_EVENTS}; nothing was taken")));
        }
        let gone: Vec<Uuid> =
            review.rows.iter().filter(|row| row.what == What::Removed).map(|row| row.stored.id).collect();
        event::remove(&mut tx, &gone).await?;
        for row in &review.rows {
            match row.what {
                What::New => event::create(&mut tx, &row.stored).await?,
                What::Changed => {
                    if !event::update(&mut tx, &row.stored).await? {
                        return Err(AppError::Internal(format!(
                            "event {} moved under the calendar's lock",
                            row.stored.id
                        )));
                    }
                }
                What::Same | What::Removed | What::Refused(_) => {}
            }
        }
        event::let_go(&mut tx, id).await?;
        let entry = Entry {
            actor: &self.caller.actor,
            action: "import",
            object: "calendar",
            key: &review.file,
            id: Some(id),
            before: None,
            after: Some(json!({
                "mapping": review.mapping, "new": counts.new, "changed": counts.changed, "same": counts.same,
                "removed": counts.removed, "left_out": counts.refused,
            })),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(counts)
    }

    async fn look_at_calendar(&self, conn: &mut PgConnection, id: Uuid) -> Result<Review> {
        let owner = self.calendar_importer()?;
        let held = event::held(conn, id, owner).await?.ok_or_else(|| no_import(id))?;
        let mapping: Mapping =
            serde_json::from_value(held.mapping).map_err(|error| AppError::Internal(error.to_string()))?;
        let pool = self.import_pool(conn, &mapping).await?;
        let now = headroom_store::now(conn).await?;
        let zone = organisation::get(conn).await?.zone;
        let content = held.content;
        let read = apart(move || events::read(&content, &zone, now)).await?;
        let read = read.map_err(|fault| AppError::Invalid(vec![of_file(&fault)]))?;
        let uids: Vec<String> = read.series.iter().map(|series| series.uid.clone()).collect();
        let before = event::of_uids(conn, pool, &uids).await?;
        let all = read.series.iter().flat_map(|series| &series.occurrences);
        let (from, to) =
            all.fold((Millis::MAX, Millis::MIN), |(from, to), one| (from.min(one.start_ms), to.max(one.end_ms)));
        let around = if from < to { event::around(conn, pool, from, to).await? } else { Vec::new() };
        let keys: Vec<i32> = around.iter().filter_map(|stored| stored.pool).collect();
        let names = pool::by_keys(conn, &keys).await?.into_iter().map(|pool| (pool.key, pool.fields.name)).collect();
        let plan =
            Plan { pool, mapping: mapping.clone(), file: held.file.clone(), author: self.event_author(), now, names };
        let (name, outside) = (read.name.clone(), read.outside);
        let (rows, faults) = apart(move || plan.rows(read, before, around)).await?;
        Ok(Review { id, file: held.file, name, mapping, rows, faults, outside, expires_ms: held.expires_ms })
    }
}

fn whole_file(fault: &Fault) -> Problem {
    Problem { expected: format!("{} (line {})", fault.expected, fault.line), ..of_file(fault) }
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AppError::Internal(format!("reading a calendar: {error}")))
}

/// How a file becomes events.
struct Plan {
    pool: Option<i32>,
    mapping: Mapping,
    file: String,
    author: String,
    now: Millis,
    names: HashMap<i32, String>,
}

impl Plan {
    fn rows(&self, read: Read, before: Vec<Stored>, around: Vec<Stored>) -> (Vec<Row>, Vec<Fault>) {
        let mut known: HashMap<(String, Millis), Stored> = HashMap::new();
        for stored in before {
            if let Some(origin) = &stored.origin {
                known.insert((origin.uid.clone(), origin.occurrence_ms), stored);
            }
        }
        let mut rows = Vec::new();
        let mut replaced: HashSet<Uuid> = HashSet::new();
        for series in &read.series {
            let named: HashSet<Millis> = series.occurrences.iter().map(|one| one.occurrence_ms).collect();
            let goes = |at: Millis| {
                let is_far = (at - self.now).abs() > events::AROUND_MS;
                let is_of_series = !series.is_partial && !is_far;
                !named.contains(&at) && (series.is_cancelled || series.cancelled.contains(&at) || is_of_series)
            };
            let mut gone: Vec<Stored> = known
                .iter()
                .filter(|((uid, at), _)| *uid == series.uid && goes(*at))
                .map(|(_, stored)| stored.clone())
                .collect();
            gone.sort_by_key(|stored| stored.event.start_ms);
            replaced.extend(gone.iter().map(|stored| stored.id));
            rows.extend(gone.into_iter().map(|stored| Row { line: series.line, stored, what: What::Removed }));
            for occurrence in &series.occurrences {
                let row = self.row(series, occurrence, known.get(&(series.uid.clone(), occurrence.occurrence_ms)));
                if row.what != What::Same && !matches!(row.what, What::Refused(_)) {
                    replaced.insert(row.stored.id);
                }
                rows.push(row);
            }
        }
        let mut holding: Vec<Stored> = around.into_iter().filter(|stored| !replaced.contains(&stored.id)).collect();
        for row in &mut rows {
            if !matches!(row.what, What::New | What::Changed) {
                continue;
            }
            let against = holding.iter().find(|other| other.event.contradicts(&row.stored.event));
            match against {
                Some(other) => {
                    let pool =
                        other.pool.map_or("all pools", |key| self.names.get(&key).map_or("a pool", String::as_str));
                    row.what = What::Refused(vec![contradiction(&row.stored.event, other, pool)]);
                }
                None => holding.push(row.stored.clone()),
            }
        }
        rows.sort_by_key(|row| (row.stored.event.start_ms, row.line));
        (rows, read.faults)
    }

    fn row(&self, series: &Series, occurrence: &Occurrence, before: Option<&Stored>) -> Row {
        let draft = self.mapping.draft(occurrence);
        let checked = draft.check();
        let event = checked.as_ref().map_or_else(
            |_| Event {
                start_ms: occurrence.start_ms,
                end_ms: occurrence.end_ms,
                tag: draft.tag.clone(),
                effect: headroom_domain::calendar::Effect::Learn,
            },
            Clone::clone,
        );
        let origin =
            Origin { uid: series.uid.clone(), occurrence_ms: occurrence.occurrence_ms, file: self.file.clone() };
        let stored = Stored {
            id: before.map_or_else(clock::uuid, |before| before.id),
            pool: self.pool,
            event,
            title: occurrence.title.clone(),
            zone: series.zone.clone(),
            origin: Some(origin),
            author: self.author.clone(),
            version: before.map_or(1, |before| before.version),
            updated_ms: self.now,
        };
        let what = match (checked, before) {
            (Err(faults), _) => What::Refused(faults.into_iter().map(problem).collect()),
            (Ok(_), None) => What::New,
            (Ok(event), Some(before)) => {
                let is_same = before.event == event && before.title == stored.title && before.zone == stored.zone;
                if is_same { What::Same } else { What::Changed }
            }
        };
        Row { line: occurrence.line, stored, what }
    }
}
