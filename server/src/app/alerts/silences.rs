//! What people do about silences: they see them, try them out, make, change and end them.
//!
//! Whoever sees some pools or tenants only sees the silences that could hide something from them, and makes none. What a silence
//! hides is asked of the alerts that fire now, so that what was tried out and what is hidden are the same.

use super::super::{App, AppError, Problem, Result};
use super::context::Context;
use super::view::Shown;
use super::{plain, silence as engine};
use headroom_domain::access::Action;
use headroom_domain::alert::matcher::{Known, Label, Matcher, Matchers, Op};
use headroom_domain::alert::silence::{Draft, LONGEST_MS, Silence};
use headroom_domain::range::rfc3339;
use headroom_domain::{DAY_MS, Millis};
use headroom_store::alert::{self, Row, Wanted};
use headroom_store::audit::{self, Entry};
use headroom_store::silence::{self, Kind, Stored};
use headroom_store::{StoreError, pool, tenant};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

/// Silences that ended longer ago are not listed.
pub const LATELY_MS: Millis = 7 * DAY_MS;
/// Most silences of a list.
const MOST: i64 = 500;
/// Longest reason in the audit trail, characters; the whole note is in the record itself.
const REASON_CHARS: usize = 500;
/// Alerts that are matched against a silence.
const MOST_ALERTS: i64 = 5_000;

/// Where in its life a silence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It hides.
    Active,
    /// It begins later.
    Planned,
    /// It is over.
    Ended,
}

impl Phase {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Planned => "planned",
            Self::Ended => "ended",
        }
    }

    fn of(times: &Silence, now: Millis) -> Self {
        if now >= times.end_ms() {
            Self::Ended
        } else if now < times.from_ms {
            Self::Planned
        } else {
            Self::Active
        }
    }
}

/// A silence as a caller may see it.
#[derive(Debug, Clone)]
pub struct SilenceShown {
    /// As it is stored, without what the caller may not read.
    pub stored: Stored,
    /// Where in its life it is.
    pub phase: Phase,
    /// It hid nothing for a day.
    pub useless: bool,
    /// Alerts that fire now and that it hides, or would hide if it had begun; none once it is over.
    pub hides: Vec<Shown>,
}

/// Silences.
#[derive(Debug, Clone)]
pub struct Silences {
    /// When this was so.
    pub now: Millis,
    /// Those that hide first, then planned ones, then those that ended lately.
    pub all: Vec<SilenceShown>,
}

/// A silence as somebody wants it.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it does.
    pub kind: Kind,
    /// What it hides; all of them must match.
    pub matchers: Vec<Matcher>,
    /// From when; now if it is left out.
    pub from_ms: Option<Millis>,
    /// Until when.
    pub until_ms: Millis,
    /// Why.
    pub note: String,
    /// It ends when all that it hid is over.
    pub expire_on_resolve: bool,
}

/// What a silence would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Alerts that fire now and that it would hide.
    pub hides: Vec<Shown>,
    /// Why it would be refused.
    pub problems: Vec<Problem>,
    /// What it names and nothing is called.
    pub unknown: Vec<String>,
}

impl Wish {
    fn draft(&self, now: Millis) -> Draft {
        Draft {
            matchers: self.matchers.clone(),
            from_ms: self.from_ms.unwrap_or(now),
            until_ms: self.until_ms,
            note: self.note.trim().to_owned(),
            expire_on_resolve: self.expire_on_resolve,
        }
    }

    fn check(&self, now: Millis, begun_ms: Option<Millis>, known: &Known) -> Result<Draft, Vec<Problem>> {
        let draft = self.draft(now);
        let mut problems: Vec<Problem> = match draft.check(now, LONGEST_MS, begun_ms, known) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(plain).collect(),
        };
        for problem in &mut problems {
            if let Some(name) = problem.field.strip_suffix("_ms") {
                problem.field = name.to_owned();
            }
        }
        if self.kind == Kind::Maintenance {
            // Promises are kept or broken by pools as a whole: an exception for some rule or tenant would be none.
            for (number, matcher) in self.matchers.iter().enumerate() {
                if matcher.name != Label::Pool.as_str() {
                    let expected = "pool: maintenance is of pools as a whole; everything else is a silence";
                    problems.push(Problem::new(format!("matchers[{number}].name"), &matcher.name, expected));
                }
            }
        }
        if problems.is_empty() { Ok(draft) } else { Err(problems) }
    }
}

/// All that matchers can name.
fn known(context: &Context) -> Known {
    Known {
        rules: context.rules.iter().map(|rule| rule.slug.clone()).collect(),
        pools: context.pools.values().map(|meta| meta.slug.clone()).collect(),
        tenants: context.tenants.values().map(|(slug, _)| slug.clone()).collect(),
    }
}

/// What is named letter by letter and does not exist: most likely a slip.
fn unknown(matchers: &[Matcher], known: &Known) -> Vec<String> {
    let missing = matchers.iter().filter_map(|one| {
        let names = match one.name.parse().ok()? {
            Label::Rule => &known.rules,
            Label::Pool => &known.pools,
            Label::Tenant => &known.tenants,
            Label::Severity => return None,
        };
        let is_exact = matches!(one.op.parse(), Ok(Op::Is | Op::IsNot));
        let is_name = !one.value.is_empty() && one.value != headroom_domain::alert::notice::WHOLE;
        (is_exact && is_name && !names.contains(&one.value))
            .then(|| format!("no {} is called {:?}", one.name, one.value))
    });
    missing.collect()
}

fn no_silence(id: i64) -> AppError {
    AppError::NotFound { what: "silence", slug: id.to_string(), suggestion: None }
}

/// A silence as the audit trail keeps it.
fn recorded(one: &Stored) -> Value {
    json!({
        "kind": one.kind.as_str(),
        "matchers": one.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        "from": rfc3339(one.times.from_ms),
        "until": rfc3339(one.times.until_ms),
        "note": one.note,
        "expire_on_resolve": one.times.expire_on_resolve,
        "ended": one.times.ended_ms.map(rfc3339),
    })
}

/// What the caller sees of pools and tenants, as matchers name it.
struct Seen {
    pools: Vec<String>,
    tenants: Vec<String>,
}

impl App {
    /// Alerts that fire now and that the caller may see.
    async fn firing_now(&self, conn: &mut PgConnection) -> Result<Vec<Row>> {
        let wanted = Wanted {
            open: Some(true),
            pools: self.caller.pools.clone(),
            tenants: self.caller.tenants.clone(),
            no_system: self.caller.is_limited(),
            limit: MOST_ALERTS,
            ..Wanted::default()
        };
        Ok(alert::list(conn, &wanted).await?)
    }

    fn hidden(&self, context: &Context, firing: &[Row], matchers: &[Matcher]) -> Vec<Shown> {
        let Ok(matchers) = Matchers::read(matchers) else { return Vec::new() };
        let hidden = firing.iter().filter(|row| matchers.matches(&engine::labels(context, row)));
        hidden.map(|row| self.show_alert(context, row.clone())).collect()
    }

    /// What a limited caller sees; `None` for everybody else.
    async fn seen(&self, conn: &mut PgConnection) -> Result<Option<Seen>> {
        if !self.caller.is_limited() {
            return Ok(None);
        }
        let pools = pool::list(conn, false).await?.into_iter().filter(|pool| self.caller.sees_pool(pool.key));
        let pools = pools.map(|pool| pool.fields.slug.to_string()).collect();
        let all = tenant::list(conn, true).await?.into_iter().filter(|tenant| self.caller.sees_tenant(tenant.key));
        let mut tenants: Vec<String> = all.map(|tenant| tenant.fields.slug.to_string()).collect();
        if self.caller.tenants.is_none() {
            tenants.push(String::new());
        }
        Ok(Some(Seen { pools, tenants }))
    }

    /// A silence as the caller may see it; `None` if it could not concern them.
    fn show_silence(
        &self,
        context: &Context,
        firing: &[Row],
        seen: Option<&Seen>,
        mut stored: Stored,
    ) -> Option<SilenceShown> {
        let phase = Phase::of(&stored.times, context.now);
        let hides = if phase == Phase::Ended { Vec::new() } else { self.hidden(context, firing, &stored.matchers) };
        if let Some(seen) = seen {
            let Seen { pools, tenants } = seen;
            let pool_slugs: Vec<&str> = pools.iter().map(String::as_str).collect();
            let tenant_slugs: Vec<&str> = tenants.iter().map(String::as_str).collect();
            if !Matchers::read(&stored.matchers).ok()?.may_concern(&pool_slugs, &tenant_slugs) {
                return None;
            }
            // What others are called is not theirs to read.
            stored.matchers.retain(|one| match one.name.parse() {
                Ok(Label::Pool) => self.caller.pools.is_none() || pools.contains(&one.value),
                Ok(Label::Tenant) => self.caller.tenants.is_none() || tenants.contains(&one.value),
                _ => true,
            });
            if !self.caller.reads_remarks() {
                stored.note.clear();
            }
        }
        Some(SilenceShown { phase, useless: stored.times.is_flagged(context.now), hides, stored })
    }

    /// The silences that hide, that are planned and that ended lately, each with what it hides now.
    pub async fn silences(&self) -> Result<Silences> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let context = self.alert_context(conn).await?;
        let (firing, seen) = (self.firing_now(conn).await?, self.seen(conn).await?);
        let stored = silence::list(conn, context.now - LATELY_MS, MOST).await?;
        let mut all: Vec<SilenceShown> =
            stored.into_iter().filter_map(|one| self.show_silence(&context, &firing, seen.as_ref(), one)).collect();
        // Within each part those that end, or ended, next to now come first.
        all.sort_by_key(|one| (one.phase, one.stored.times.end_ms().abs_diff(context.now), one.stored.id));
        Ok(Silences { now: context.now, all })
    }

    /// One silence.
    pub async fn silence(&self, id: i64) -> Result<SilenceShown> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let stored = silence::get(conn, id).await?.ok_or_else(|| no_silence(id))?;
        let context = self.alert_context(conn).await?;
        let (firing, seen) = (self.firing_now(conn).await?, self.seen(conn).await?);
        self.show_silence(&context, &firing, seen.as_ref(), stored).ok_or_else(|| no_silence(id))
    }

    /// Tries a silence out: what it would hide, and why it would be refused. `of` is the one that would be changed.
    pub async fn preview_silence(&self, wish: &Wish, of: Option<i64>) -> Result<Preview> {
        self.require_changes()?;
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let begun = match of {
            Some(id) => Some(silence::get(conn, id).await?.ok_or_else(|| no_silence(id))?.times.from_ms),
            None => None,
        };
        let context = self.alert_context(conn).await?;
        let firing = self.firing_now(conn).await?;
        let known = known(&context);
        Ok(Preview {
            hides: self.hidden(&context, &firing, &wish.matchers),
            problems: wish.check(context.now, begun, &known).err().unwrap_or_default(),
            unknown: unknown(&wish.matchers, &known),
        })
    }

    /// Silences are everybody's: who sees a part cannot tell what one hides.
    fn require_changes(&self) -> Result<()> {
        self.require(Action::Answer)?;
        self.require_no_limits(Action::Answer)
    }

    /// Makes a silence.
    pub async fn create_silence(&self, wish: &Wish) -> Result<SilenceShown> {
        self.require_changes()?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let draft = wish.check(context.now, None, &known(&context)).map_err(AppError::Invalid)?;
        let author = self.person();
        let mut tx = conn.begin().await?;
        let mut stored = Stored {
            id: 0,
            kind: wish.kind,
            matchers: draft.matchers.clone(),
            times: Silence {
                from_ms: draft.from_ms,
                until_ms: draft.until_ms,
                expire_on_resolve: draft.expire_on_resolve,
                reminded_ms: None,
                matched_ms: None,
                ended_ms: None,
            },
            note: draft.note.clone(),
            author_id: author.id,
            author: author.name,
            created_ms: context.now,
            ended_by: None,
            version: 1,
        };
        stored.id = silence::create(&mut tx, &stored).await?;
        self.note_silence(&mut tx, "create", None, Some(&stored)).await?;
        alert::wake_open(&mut tx).await?;
        tx.commit().await?;
        drop(conn);
        self.silence(stored.id).await
    }

    /// Changes a silence that is at the version that was seen and is not over.
    pub async fn update_silence(&self, id: i64, version: i32, wish: &Wish) -> Result<SilenceShown> {
        self.require_changes()?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let mut tx = conn.begin().await?;
        let before = silence::lock(&mut tx, id).await?.ok_or_else(|| no_silence(id))?;
        ensure_open(&before, context.now)?;
        if before.version != version {
            return Err(StoreError::Stale { what: "silence", expected: version, found: before.version }.into());
        }
        if wish.kind != before.kind {
            let expected = format!("{}: what a silence does stays; make another one", before.kind.as_str());
            return Err(AppError::invalid("kind", wish.kind.as_str(), expected));
        }
        let mut wish = wish.clone();
        // What was not said about its beginning leaves it as it was.
        wish.from_ms = wish.from_ms.or(Some(before.times.from_ms));
        let draft = wish.check(context.now, Some(before.times.from_ms), &known(&context)).map_err(AppError::Invalid)?;
        let mut after = before.clone();
        after.matchers = draft.matchers;
        after.note = draft.note;
        after.times = Silence {
            from_ms: draft.from_ms,
            until_ms: draft.until_ms,
            expire_on_resolve: draft.expire_on_resolve,
            ..after.times
        };
        if !silence::update(&mut tx, &after).await? {
            return Err(StoreError::Stale { what: "silence", expected: version, found: before.version }.into());
        }
        self.note_silence(&mut tx, "update", Some(&before), Some(&after)).await?;
        alert::wake_open(&mut tx).await?;
        tx.commit().await?;
        drop(conn);
        self.silence(id).await
    }

    /// Ends a silence now: what it hid and still fires is told.
    pub async fn end_silence(&self, id: i64) -> Result<SilenceShown> {
        self.require_changes()?;
        let mut tx = self.db.pages.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let before = silence::lock(&mut tx, id).await?.ok_or_else(|| no_silence(id))?;
        ensure_open(&before, now)?;
        let by = self.person().name;
        if !silence::end(&mut tx, id, Some(&by)).await? {
            return Err(over(&before));
        }
        let mut after = before.clone();
        after.times.ended_ms = Some(now);
        self.note_silence(&mut tx, "end", Some(&before), Some(&after)).await?;
        alert::wake_open(&mut tx).await?;
        tx.commit().await?;
        self.silence(id).await
    }

    async fn note_silence(
        &self,
        conn: &mut PgConnection,
        action: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) -> Result<()> {
        let Some(one) = after.or(before) else { return Ok(()) };
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "silence",
            key: &one.id.to_string(),
            id: None,
            before: before.map(recorded),
            after: after.map(recorded),
            reason: &one.note.chars().take(REASON_CHARS).collect::<String>(),
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}

fn ensure_open(one: &Stored, now: Millis) -> Result<()> {
    if now < one.times.end_ms() { Ok(()) } else { Err(over(one)) }
}

fn over(one: &Stored) -> AppError {
    let by = one.ended_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let end = rfc3339(one.times.end_ms());
    AppError::Conflict(format!("this silence ended at {end}{by}; it is at version {}, make a new one", one.version))
}
