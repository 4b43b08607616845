//! Runbooks: read with what the reader came from filled in, written in versions, and tested by people now and then.

use super::super::{App, AppError, Problem, Result};
use super::context::Context;
use crate::alerting::runbooks::SHIPPED;
use crate::db::Db;
use crate::markdown::{self, Fill, Outline};
use headroom_domain::access::Action;
use headroom_domain::slug::{MAX_NAME, Slug};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::audit::{self, Entry};
use headroom_store::runbook::{self, Runbook, Version};
use serde_json::json;
use std::collections::BTreeMap;

/// What a shipped runbook says who wrote it.
pub const SHIPPED_BY: &str = "Headroom";
/// A test is worth nothing after this.
pub const TEST_LASTS_MS: Millis = 180 * DAY_MS;
/// Longest text, in characters.
pub const MAX_BODY: usize = 40_000;
/// Longest note of a change, in characters.
const MAX_NOTE: usize = 500;
/// Versions that are listed.
const MOST_VERSIONS: i64 = 50;
/// Where our own runbooks are.
const OWN: &str = "/runbooks/";

/// Whether somebody did what a runbook says, to see whether it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// Not long ago, and it is the same since.
    Fresh,
    /// Nobody ever did.
    Never,
    /// It was changed since.
    Changed,
    /// More than half a year ago.
    Old,
}

impl Tested {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "tested",
            Self::Never => "never",
            Self::Changed => "changed",
            Self::Old => "old",
        }
    }

    /// Of a runbook now.
    pub fn of(runbook: &Runbook, now: Millis) -> Self {
        match runbook.tested_ms {
            None => Self::Never,
            Some(tested) if tested < runbook.updated_ms => Self::Changed,
            Some(tested) if now - tested > TEST_LASTS_MS => Self::Old,
            Some(_) => Self::Fresh,
        }
    }
}

/// A rule that points to a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedBy {
    /// Its slug.
    pub slug: String,
    /// As people call it.
    pub name: String,
}

/// A runbook in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// It.
    pub runbook: Runbook,
    /// Whether it was tested.
    pub tested: Tested,
    /// Rules that point to it.
    pub used_by: Vec<UsedBy>,
    /// It is shipped with the product.
    pub shipped: bool,
}

/// A version of a runbook with everything around it.
#[derive(Debug, Clone)]
pub struct Read {
    /// The runbook.
    pub listed: Listed,
    /// The version that is read.
    pub version: Version,
    /// Its text as HTML.
    pub html: String,
    /// Its sections and steps.
    pub outline: Outline,
    /// The newest versions, newest first, without their texts.
    pub history: Vec<Version>,
}

/// What somebody writes.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The version that was read; 0 = there is none yet.
    pub seen: Option<i32>,
    /// The text, Markdown.
    pub body: String,
    /// What was changed.
    pub note: String,
}

/// Writes the shipped runbooks where they are missing, and their next version where nobody wrote one of their own.
pub async fn seed(db: &Db) -> Result<usize> {
    let mut written = 0;
    for (slug, body) in SHIPPED {
        let mut tx = db.jobs.begin().await?;
        let title = markdown::outline(body, &Fill::default()).title;
        let done = match runbook::get(&mut tx, slug).await? {
            None => runbook::create(&mut tx, slug, &title, body, SHIPPED_BY, "").await?,
            Some(there) => match runbook::version(&mut tx, slug, there.version).await? {
                Some(newest) if newest.author == SHIPPED_BY && newest.body != *body => {
                    let note = "Shipped with a newer version of Headroom.";
                    runbook::update(&mut tx, slug, there.version, &title, body, SHIPPED_BY, note).await?
                }
                _ => false,
            },
        };
        tx.commit().await?;
        written += usize::from(done);
    }
    Ok(written)
}

/// The slug of a runbook of ours that an address leads to.
pub fn own_slug(address: &str) -> Option<&str> {
    let slug = address.strip_prefix(OWN)?;
    Some(slug.split(['?', '#']).next().unwrap_or(slug))
}

fn no_runbook(slug: &str) -> AppError {
    AppError::NotFound { what: "runbook", slug: slug.chars().take(80).collect(), suggestion: None }
}

/// What is wrong with a text; its title if nothing is.
fn check(written: &Written) -> Result<String> {
    let mut problems = Vec::new();
    let length = written.body.chars().count();
    if !(1..=MAX_BODY).contains(&length) {
        problems.push(Problem::new("body", format!("{length} characters"), "1 to 40,000 characters"));
    }
    if let Some(odd) = written.body.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        problems.push(Problem::new("body", odd.escape_default().to_string(), "text without control characters"));
    }
    if written.note.chars().count() > MAX_NOTE || written.note.chars().any(char::is_control) {
        problems.push(Problem::new("note", &written.note, "at most 500 characters, on one line"));
    }
    let title = markdown::outline(&written.body, &Fill::default()).title;
    let is_titled = written.body.trim_start().starts_with("# ");
    if problems.is_empty() && !(is_titled && (1..=MAX_NAME).contains(&title.chars().count())) {
        let first = written.body.trim_start().lines().next().unwrap_or_default();
        let expected = "a first line such as \"# Pool exhausted\": a hash, a blank and a title of 1 to 120 characters";
        problems.push(Problem::new("body", first, expected));
    }
    if problems.is_empty() { Ok(title) } else { Err(AppError::Invalid(problems)) }
}

/// Which rules point to which runbook.
fn uses(context: &Context) -> BTreeMap<String, Vec<UsedBy>> {
    let mut uses: BTreeMap<String, Vec<UsedBy>> = BTreeMap::new();
    for rule in &context.rules {
        if let Some(slug) = own_slug(&rule.runbook) {
            let used = UsedBy { slug: rule.slug.clone(), name: rule.name.clone() };
            uses.entry(slug.to_owned()).or_default().push(used);
        }
    }
    uses
}

fn listed(runbook: Runbook, uses: &mut BTreeMap<String, Vec<UsedBy>>, now: Millis) -> Listed {
    Listed {
        tested: Tested::of(&runbook, now),
        used_by: uses.remove(&runbook.slug).unwrap_or_default(),
        shipped: SHIPPED.iter().any(|(slug, _)| *slug == runbook.slug),
        runbook,
    }
}

impl App {
    /// All runbooks, by title.
    pub async fn runbooks(&self) -> Result<Vec<Listed>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let mut uses = uses(&context);
        let all = runbook::list(&mut conn).await?;
        Ok(all.into_iter().map(|one| listed(one, &mut uses, context.now)).collect())
    }

    /// A runbook: the newest version, or the one that is asked for.
    pub async fn runbook(&self, slug: &str, version: Option<i32>, fill: &Fill) -> Result<Read> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let found = runbook::get(conn, slug).await?.ok_or_else(|| no_runbook(slug))?;
        let wanted = version.unwrap_or(found.version);
        let missing = || AppError::NotFound { what: "version", slug: wanted.to_string(), suggestion: None };
        let version = runbook::version(conn, slug, wanted).await?.ok_or_else(missing)?;
        let context = self.alert_context(conn).await?;
        Ok(Read {
            html: markdown::html(&version.body, fill),
            outline: markdown::outline(&version.body, fill),
            history: runbook::history(conn, slug, MOST_VERSIONS).await?,
            listed: listed(found, &mut uses(&context), context.now),
            version,
        })
    }

    /// Writes a runbook: a new one, or the next version of one that is at the version that was read.
    pub async fn write_runbook(&self, slug: &str, written: &Written) -> Result<Runbook> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let seen = written.seen.ok_or(AppError::Unversioned("version"))?;
        // Forms of browsers end their lines with two characters.
        let written =
            Written { body: written.body.replace("\r\n", "\n").trim_end().to_owned() + "\n", ..written.clone() };
        let slug_problem = Slug::parse(slug).err().filter(|_| seen == 0);
        let title = match (check(&written), slug_problem) {
            (Ok(title), None) => title,
            (found, problem) => {
                let mut problems = match found {
                    Err(AppError::Invalid(problems)) => problems,
                    Err(error) => return Err(error),
                    Ok(_) => Vec::new(),
                };
                problems.extend(problem.map(|error| Problem::new("slug", slug, error.to_string())));
                return Err(AppError::Invalid(problems));
            }
        };
        let mut tx = self.db.pages.begin().await?;
        let before = runbook::get(&mut tx, slug).await?;
        let old = match &before {
            Some(there) => runbook::version(&mut tx, slug, there.version).await?.map(|version| version.body),
            None => None,
        };
        let (author, note) = (&self.caller.actor.name, written.note.trim());
        let done = match (&before, seen) {
            (None, 0) => runbook::create(&mut tx, slug, &title, &written.body, author, note).await?,
            (None, _) => return Err(no_runbook(slug)),
            (Some(_), 0) => return Err(AppError::Conflict(format!("a runbook called {slug} exists already"))),
            (Some(_), seen) => runbook::update(&mut tx, slug, seen, &title, &written.body, author, note).await?,
        };
        if !done {
            let now = runbook::get(&mut tx, slug).await?.ok_or_else(|| no_runbook(slug))?;
            return Err(AppError::Stale { what: "runbook", slug: slug.to_owned(), seen, now: now.version });
        }
        let after = runbook::get(&mut tx, slug).await?.ok_or_else(|| no_runbook(slug))?;
        let entry = Entry {
            actor: &self.caller.actor,
            action: if before.is_some() { "update" } else { "create" },
            object: "runbook",
            key: slug,
            id: None,
            before: before.map(|there| json!({ "title": there.title, "version": there.version, "body": old })),
            after: Some(json!({ "title": after.title, "version": after.version, "body": written.body })),
            reason: note,
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Remembers that the caller did what a runbook says and that it works.
    pub async fn test_runbook(&self, slug: &str, seen: Option<i32>) -> Result<Runbook> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let mut tx = self.db.pages.begin().await?;
        let before = runbook::get(&mut tx, slug).await?.ok_or_else(|| no_runbook(slug))?;
        let seen = seen.ok_or(AppError::Unversioned("version"))?;
        let now = headroom_store::now(&mut tx).await?;
        if !runbook::set_tested(&mut tx, slug, seen, now, &self.caller.actor.name).await? {
            // What was tested is not what people would read now.
            return Err(AppError::Stale { what: "runbook", slug: slug.to_owned(), seen, now: before.version });
        }
        let entry = Entry {
            actor: &self.caller.actor,
            action: "test",
            object: "runbook",
            key: slug,
            id: None,
            before: None,
            after: Some(json!({ "version": seen })),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        let after = runbook::get(&mut tx, slug).await?.ok_or_else(|| no_runbook(slug))?;
        tx.commit().await?;
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_ages_and_a_change_undoes_it() {
        let of = |tested_ms, updated_ms| Runbook {
            slug: "a".into(),
            title: "A".into(),
            version: 1,
            tested_ms,
            tested_by: None,
            updated_ms,
        };
        let now = 1_000 * DAY_MS;
        assert_eq!(Tested::of(&of(None, 0), now), Tested::Never);
        assert_eq!(Tested::of(&of(Some(now - DAY_MS), 0), now), Tested::Fresh);
        assert_eq!(Tested::of(&of(Some(now - DAY_MS), now), now), Tested::Changed);
        assert_eq!(Tested::of(&of(Some(now - TEST_LASTS_MS), 0), now), Tested::Fresh);
        assert_eq!(Tested::of(&of(Some(now - TEST_LASTS_MS - 1), 0), now), Tested::Old);
    }

    #[test]
    fn addresses_of_our_own_runbooks_are_known() {
        assert_eq!(own_slug("/runbooks/hot-slot?pool=a"), Some("hot-slot"));
        assert_eq!(own_slug("https://wiki.example/runbooks/hot-slot"), None);
    }
}
