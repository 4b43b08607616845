//! Game days: whoever answers alerts or plans writes down what was tried, what happened and what is to follow; the quarterly report
//! reads it. What is written may name any tenant, so who sees some tenants or pools only is shown none.

use super::{App, AppError, Problem, Result};
use crate::app::reports::period::zone_around;
use chrono::NaiveDate;
use headroom_domain::access::Action;
use headroom_domain::game_day::{Breakage, MOST_BREAKAGES};
use headroom_store::audit::{self, Entry};
use headroom_store::game_day::{self, Fields, GameDay};
use headroom_store::{organisation, pool};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Longest title, in characters.
pub const MAX_TITLE: usize = 120;
/// Longest of the other texts, in characters.
pub const MAX_TEXT: usize = 1_000;
/// Most pools of one.
const MOST_POOLS: usize = 50;
/// Most false findings of one.
const MOST_FALSE: i32 = 1_000_000;
/// Most game days that are kept.
const MOST_KEPT: i64 = 10_000;
/// Most of a list.
pub const MOST_LISTED: i64 = 200;

/// A game day as somebody wants it written down.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// A day such as `2026-11-20`.
    pub held_on: String,
    /// What it is called.
    pub title: String,
    /// Who ran it; empty = who writes it down.
    pub run_by: String,
    /// What was tried.
    pub tried: String,
    /// What happened.
    pub happened: String,
    /// What is to follow; may be empty.
    pub follow_ups: String,
    /// What was broken.
    pub breakages: Vec<Breakage>,
    /// What was found though nothing was broken.
    pub false_findings: Option<i32>,
    /// Slugs of pools.
    pub pools: Vec<String>,
}

fn missing(text: &str) -> AppError {
    AppError::NotFound { what: "game day", slug: text.chars().take(40).collect(), suggestion: None }
}

/// The start of a text on one line, for a message.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The number in an address.
fn number(text: &str) -> Result<i64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_plain && *id > 0).ok_or_else(|| missing(text))
}

/// A text of so many characters, with lines as they are written everywhere.
fn text(field: &str, found: &str, least: usize, most: usize, problems: &mut Vec<Problem>) -> String {
    let text = found.replace("\r\n", "\n").trim().to_owned();
    let has_lines = most > MAX_TITLE;
    let length = text.chars().count();
    let is_good =
        (least..=most).contains(&length) && !text.chars().any(|c| c.is_control() && !(has_lines && "\n\t".contains(c)));
    if !is_good {
        let line = if has_lines { "" } else { " on one line" };
        let most = headroom_domain::format::count(most as i64);
        let expected =
            if least == 0 { format!("at most {most} characters") } else { format!("1 to {most} characters{line}") };
        let start = text.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
        let shown = if length > 40 { format!("{start}… ({length} characters)") } else { start };
        problems.push(Problem::new(field, shown, expected));
    }
    text
}

/// As the audit trail keeps it.
fn recorded(day: &GameDay) -> Value {
    json!({
        "held_on": day.fields.held_on.to_string(),
        "title": day.fields.title,
        "run_by": day.fields.run_by,
        "tried": day.fields.tried,
        "happened": day.fields.happened,
        "follow_ups": day.fields.follow_ups,
        "breakages": day.fields.breakages.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "false_findings": day.fields.false_findings,
        "pools": day.pool_slugs,
    })
}

impl App {
    /// Whether the caller may write game days down.
    pub fn may_record_game_days(&self) -> bool {
        self.caller.may(Action::RecordGameDays) && !self.caller.is_limited()
    }

    /// The day that it is in the organisation's zone.
    pub async fn today(&self) -> Result<NaiveDate> {
        self.require(Action::See)?;
        today(&mut *self.db.pages.acquire().await?).await
    }

    /// Game days, the newest first, those after one by its number, and whether there are more; none for who sees some tenants or pools
    /// only.
    ///
    /// # Errors
    /// `Invalid` if there is no such one to begin after, or for a limit outside 1 to 200.
    pub async fn game_days(&self, after: Option<&str>, limit: i64) -> Result<(Vec<GameDay>, bool)> {
        self.require(Action::See)?;
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MOST_LISTED}")));
        }
        let unknown = || {
            let found: String = after.unwrap_or_default().chars().take(40).collect();
            AppError::invalid("after", found, "the next of an earlier answer")
        };
        let place = after.map(|text| number(text).map_err(|_| unknown())).transpose()?;
        if self.caller.is_limited() {
            return Ok((Vec::new(), false));
        }
        let found = game_day::list(&mut *self.db.pages.acquire().await?, place, limit + 1).await?;
        let mut days = found.ok_or_else(unknown)?;
        let has_more = days.len() as i64 > limit;
        days.truncate(usize::try_from(limit).unwrap_or_default());
        Ok((days, has_more))
    }

    /// One game day by its number.
    pub async fn game_day(&self, id: &str) -> Result<GameDay> {
        self.require(Action::See)?;
        let found = game_day::get(&mut *self.db.pages.acquire().await?, number(id)?).await?;
        found.filter(|_| !self.caller.is_limited()).ok_or_else(|| missing(id))
    }

    /// Writes one down.
    pub async fn create_game_day(&self, wish: &Wish) -> Result<GameDay> {
        self.require(Action::RecordGameDays)?;
        self.require_no_limits(Action::RecordGameDays)?;
        let mut tx = self.db.pages.begin().await?;
        let fields = checked(&mut tx, wish, &self.caller.actor.name).await?;
        if game_day::count(&mut tx).await? >= MOST_KEPT {
            return Err(AppError::Conflict("there are 10,000 game days already, the most that are kept".into()));
        }
        let id = game_day::create(&mut tx, &fields, &self.caller.actor.name).await?;
        let day = game_day::get(&mut tx, id).await?.ok_or_else(|| missing(&id.to_string()))?;
        self.note_game_day(&mut tx, "create", None, &day).await?;
        tx.commit().await?;
        Ok(day)
    }

    /// Changes one that is at the version that was seen.
    pub async fn update_game_day(&self, id: &str, version: i32, wish: &Wish) -> Result<GameDay> {
        self.require(Action::RecordGameDays)?;
        self.require_no_limits(Action::RecordGameDays)?;
        let key = number(id)?;
        let mut tx = self.db.pages.begin().await?;
        let before = game_day::get(&mut tx, key).await?.ok_or_else(|| missing(id))?;
        let fields = checked(&mut tx, wish, &before.fields.run_by).await?;
        if !game_day::update(&mut tx, key, version, &fields, &self.caller.actor.name).await? {
            let now = game_day::get(&mut tx, key).await?.map_or(before.version, |day| day.version);
            return Err(AppError::Stale { what: "game day", slug: id.to_owned(), seen: version, now });
        }
        let after = game_day::get(&mut tx, key).await?.ok_or_else(|| missing(id))?;
        self.note_game_day(&mut tx, "update", Some(&before), &after).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn note_game_day(
        &self,
        conn: &mut PgConnection,
        action: &str,
        before: Option<&GameDay>,
        after: &GameDay,
    ) -> Result<()> {
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "game-day",
            key: &after.id.to_string(),
            id: None,
            before: before.map(recorded),
            after: Some(recorded(after)),
            reason: "",
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}

async fn today(conn: &mut PgConnection) -> Result<NaiveDate> {
    let now = headroom_store::now(conn).await?;
    Ok(zone_around(&organisation::get(conn).await?.zone, now, now).local(now).date())
}

/// What somebody wants, checked.
async fn checked(conn: &mut PgConnection, wish: &Wish, own: &str) -> Result<Fields> {
    let today = today(conn).await?;
    let mut problems = Vec::new();
    let is_plain = wish.held_on.len() == 10;
    let held_on =
        wish.held_on.parse::<NaiveDate>().ok().filter(|day| is_plain && *day <= today && *day >= NaiveDate::default());
    if held_on.is_none() {
        let found: String = wish.held_on.chars().take(40).collect();
        problems.push(Problem::new("held_on", found, format!("a day such as {today}, not after today")));
    }
    let title = text("title", &wish.title, 1, MAX_TITLE, &mut problems);
    let run_by = if wish.run_by.trim().is_empty() { own } else { &wish.run_by };
    let run_by = text("run_by", run_by, 1, MAX_TITLE, &mut problems);
    let tried = text("tried", &wish.tried, 1, MAX_TEXT, &mut problems);
    let happened = text("happened", &wish.happened, 1, MAX_TEXT, &mut problems);
    let follow_ups = text("follow_ups", &wish.follow_ups, 0, MAX_TEXT, &mut problems);
    if let Some(wrong) = wish.false_findings.filter(|count| !(0..=MOST_FALSE).contains(count)) {
        problems.push(Problem::new("false_findings", wrong.to_string(), "a whole number from 0 to 1,000,000"));
    }
    if wish.pools.len() > MOST_POOLS {
        problems.push(Problem::new("pools", wish.pools.len().to_string(), format!("at most {MOST_POOLS} pools")));
    }
    if wish.breakages.len() > MOST_BREAKAGES {
        let expected = format!("at most {MOST_BREAKAGES} breakages");
        problems.push(Problem::new("breakages", wish.breakages.len().to_string(), expected));
    }
    let breakages: Vec<Breakage> = wish.breakages.iter().take(MOST_BREAKAGES).cloned().collect();
    for one in &breakages {
        if let Some(expected) = one.problem() {
            problems.push(Problem::new("breakages", shortened(&one.to_string()), expected));
        }
    }
    let asked: Vec<String> = wish.pools.iter().take(MOST_POOLS).cloned().collect();
    let broken = breakages.iter().filter_map(|one| one.pool.clone());
    // What PostgreSQL takes for no text is the name of no pool.
    let named: Vec<String> = asked.iter().cloned().chain(broken.clone()).filter(|slug| !slug.contains('\0')).collect();
    let known: BTreeMap<String, i32> =
        pool::keys_of(conn, &named).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    if known.len() > MOST_POOLS && wish.pools.len() <= MOST_POOLS {
        let expected = format!("at most {MOST_POOLS} pools, those of breakages included");
        problems.push(Problem::new("pools", known.len().to_string(), expected));
    }
    for (field, mut slugs) in [("pools", asked), ("breakages", broken.collect())] {
        slugs.retain(|slug| !known.contains_key(slug));
        if let Some(unknown) = slugs.first() {
            problems.push(Problem::new(field, shortened(unknown), "slugs of pools that there are"));
        }
    }
    match held_on {
        Some(held_on) if problems.is_empty() => {
            let (false_findings, pools) = (wish.false_findings, known.into_values().collect());
            Ok(Fields { held_on, title, run_by, tried, happened, follow_ups, breakages, false_findings, pools })
        }
        _ => Err(AppError::Invalid(problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_titles_have_one_line() {
        let mut problems = Vec::new();
        assert_eq!(text("tried", " a\r\nb ", 1, MAX_TEXT, &mut problems), "a\nb");
        assert_eq!(problems, []);
        for (found, least, most) in
            [("", 1, MAX_TEXT), ("a\nb", 1, MAX_TITLE), ("a\u{0}b", 1, MAX_TEXT), (&"é".repeat(1_001), 0, MAX_TEXT)]
        {
            let before = problems.len();
            text("tried", found, least, most, &mut problems);
            assert_eq!(problems.len(), before + 1, "{found:?}");
        }
        assert!(problems.iter().all(|problem| problem.found.chars().count() < 80));
        text("tried", &"é".repeat(1_000), 1, MAX_TEXT, &mut problems);
        assert_eq!(problems.len(), 4, "characters are counted, not bytes");
    }
}
