//! Importing a table in steps: it is kept for its owner while its columns are said, its faults are repaired and what it would do
//! is looked at, and goes into a draft once.

use super::super::{App, AppError, Problem, Result};
use super::drafts::{Edit, MOST_CHANGES};
use super::files::{TableCheck, checked};
use super::{by_key, find, no_draft};
use crate::clock;
use crate::planfile::columns::{self, Column, Sight};
use crate::planfile::repairs::{LONGEST, MOST_CORRECTED, MOST_REPLACED, Repairs};
use crate::planfile::table::{self, MOST_BYTES, MOST_COUNTED};
use headroom_domain::access::Action;
use headroom_domain::plan::change::Verb;
use headroom_domain::{DAY_MS, Millis, format};
use headroom_store::draft::{self, Draft};
use headroom_store::plan_import::{self, Held, New};
use headroom_store::pool::Pool;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// A table is kept this long from its upload on.
const KEPT_MS: Millis = DAY_MS;
/// Its owner is told this long afterwards what became of it.
const TOLD_MS: Millis = 30 * DAY_MS;
/// Most tables that one person keeps, and most of their bytes.
const MOST_TABLES: i64 = 8;
const MOST_KEPT_BYTES: i64 = 3 * MOST_BYTES as i64 + 4 * 1024 * 1024;
/// Longest name of a file, in characters.
const LONGEST_FILE: usize = 100;
/// Whoever takes a table waits for another who does as long as that may take.
const TAKE_WAITS: &str = "SET LOCAL lock_timeout = '10s'";

/// Tables that are read at the same time: each takes several times its size in memory, and a core.
static READING: Semaphore = Semaphore::const_new(2);

/// A table that was uploaded, with its columns.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The table.
    pub held: Held,
    /// The pool.
    pub pool: Pool,
    /// What was repaired of it.
    pub repairs: Repairs,
    /// Its columns and their first cells; `None` once it was taken or is over.
    pub sight: Option<Sight>,
}

impl Seen {
    /// What its columns are read as: what somebody said, else what is guessed.
    pub fn columns(&self) -> Vec<Option<Column>> {
        let heads = self.sight.as_ref().map_or(&[][..], |sight| &sight.heads);
        match &self.repairs.columns {
            Some(words) => words.iter().map(|word| Column::parse(word)).collect(),
            None => heads.iter().map(|head| head.guess).collect(),
        }
    }
}

/// A table that was checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The table.
    pub held: Held,
    /// What was repaired of it.
    pub repairs: Repairs,
    /// What it would do.
    pub check: TableCheck,
    /// The draft that it goes into; `None` = one that begins with it.
    pub draft: Option<Draft>,
}

impl Checked {
    /// Why it cannot be taken as it is; `None` = it can.
    pub fn refusal(&self) -> Option<String> {
        let (bad, rows) = (self.check.table.bad_rows(), &self.check.table.rows);
        if self.repairs.all_or_nothing && bad > 0 {
            let have =
                if bad == 1 { "1 row has a fault".to_owned() } else { format!("{} rows have faults", many(bad)) };
            return Some(format!(
                "{have}, and all or nothing was chosen: correct or skip them, or take the rows that are ready"
            ));
        }
        if rows.is_empty() {
            return Some("no row is ready".to_owned());
        }
        let changes = self.check.changes.iter().filter(|(_, _, change)| change.verb() != Verb::Nothing).count();
        let there = self.draft.as_ref().map_or(0, |draft| draft.changes.len());
        if changes == 0 {
            return Some("every row says what holds already: there is nothing to put into a draft".to_owned());
        }
        if changes + there > MOST_CHANGES {
            let has =
                if there == 0 { String::new() } else { format!(", and {} are in the draft already", many(there)) };
            let (changes, most) = (many(changes), many(MOST_CHANGES));
            return Some(format!("the rows make {changes} changes{has}; a draft takes {most}: split the file"));
        }
        None
    }
}

/// A number in a sentence.
fn many(count: usize) -> String {
    format::count(i64::try_from(count).unwrap_or(i64::MAX))
}

/// What somebody repairs.
#[derive(Debug, Clone, Default)]
pub struct Repairing {
    /// Field, value, and what it is read as; nothing = as it is.
    pub replaced: Vec<(String, String, String)>,
    /// Row, place of the column, and what the cell says.
    pub cells: Vec<(usize, usize, String)>,
    /// Rows about which was asked whether they are left out.
    pub asked: Vec<usize>,
    /// Those of them that are.
    pub skipped: Vec<usize>,
    /// Whether nothing is taken while a row has a fault; `None` if that was not asked.
    pub all_or_nothing: Option<bool>,
    /// The version of the repairs that were looked at; `None` if nobody says.
    pub version: Option<i32>,
}

/// A table that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The draft that it went into.
    pub draft: Uuid,
    /// Rows that did: those that change anything.
    pub taken: i32,
    /// Rows that say what holds already; not told again later.
    pub same: i32,
    /// Rows that did not, of which a file is kept.
    pub left: i32,
    /// It had been taken before.
    pub again: bool,
}

fn no_import(id: Uuid) -> AppError {
    AppError::NotFound { what: "import", slug: id.to_string(), suggestion: None }
}

/// A sentence about the file.
fn of_file(sentence: String) -> AppError {
    AppError::Invalid(vec![Problem { field: "file".into(), found: String::new(), expected: sentence }])
}

fn repairs_of(held: &Held) -> Result<Repairs> {
    serde_json::from_value(held.repairs.clone())
        .map_err(|error| AppError::Internal(format!("repairs of import {}: {error}", held.id)))
}

/// A count as the database keeps it; tables are far smaller than its bound.
fn counted(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Refuses what nothing can be done with any more.
fn still_open(held: &Held) -> Result<()> {
    if held.taken_ms.is_some() {
        return Err(AppError::Conflict(format!("{:?} was put into a draft already", held.file)));
    }
    if held.is_over {
        return Err(AppError::Conflict(format!("{:?} was kept for a day, which is over; upload it again", held.file)));
    }
    Ok(())
}

/// Does it on a thread of its own. The turn is kept until it is done, also if whoever asked has gone meanwhile.
async fn apart<T: Send + 'static>(turn: &Turn, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let turn = turn.clone();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    })
    .await;
    done.map_err(|error| AppError::Internal(format!("reading a table: {error}")))
}

fn repaired_meanwhile() -> AppError {
    AppError::Conflict("this import was repaired in another window meanwhile; look at it again".to_owned())
}

/// A turn at reading tables.
type Turn = Arc<SemaphorePermit<'static>>;

async fn turn() -> Result<Turn> {
    READING.acquire().await.map(Arc::new).map_err(|error| AppError::Internal(error.to_string()))
}

impl App {
    /// Whose tables these are.
    fn importer(&self) -> Result<Uuid> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        self.caller.actor.id.ok_or(AppError::SignIn)
    }

    async fn held(&self, conn: &mut PgConnection, id: Uuid) -> Result<(Held, Pool)> {
        let owner = self.importer()?;
        let held = plan_import::get(conn, id, owner).await?.ok_or_else(|| no_import(id))?;
        let pool = by_key(self, conn, held.pool).await.map_err(|_| no_import(id))?;
        Ok((held, pool))
    }

    /// Keeps a table of reservations for the steps of its import.
    ///
    /// # Errors
    /// Invalid with a sentence about `file` if it is no table; a conflict if the caller keeps as much as one may.
    pub async fn hold_table(&self, pool: &str, draft: Option<Uuid>, file: &str, content: Vec<u8>) -> Result<Uuid> {
        let owner = self.importer()?;
        let turn = turn().await?;
        let (looked, content) = apart(&turn, move || (columns::look(&content), content)).await?;
        let sight = looked.map_err(of_file)?;
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        if let Some(id) = draft {
            draft::get(&mut tx, id).await?.filter(|draft| draft.pool == pool.key).ok_or_else(|| no_draft(id))?;
        }
        let kept = plan_import::lock_owner(&mut tx, owner).await?;
        if kept.tables >= MOST_TABLES || kept.bytes + content.len() as i64 > MOST_KEPT_BYTES {
            return Err(of_file(format!(
                "{} tables with {} MB are kept for you already; at most {MOST_TABLES} with {} MB are: throw one of them away",
                kept.tables,
                (kept.bytes + (1 << 20) - 1) >> 20,
                MOST_KEPT_BYTES >> 20
            )));
        }
        let name: String = file.chars().filter(|c| !c.is_control()).take(LONGEST_FILE).collect();
        let name = name.trim();
        let id = clock::uuid();
        let new = New {
            id,
            pool: pool.key,
            draft,
            owner,
            file: if name.is_empty() { "pasted rows" } else { name },
            rows: counted(sight.rows),
            content: &content,
            expires_ms: headroom_store::now(&mut tx).await? + KEPT_MS,
        };
        plan_import::hold(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The caller's tables of which something is kept, newest first, with their pools.
    pub async fn held_tables(&self) -> Result<Vec<(Held, Pool)>> {
        let owner = self.importer()?;
        let mut conn = self.db.pages.acquire().await?;
        let mut all = Vec::new();
        for held in plan_import::of_owner(&mut conn, owner, MOST_TABLES).await? {
            if let Ok(pool) = by_key(self, &mut conn, held.pool).await {
                all.push((held, pool));
            }
        }
        Ok(all)
    }

    /// A table with its columns.
    pub async fn seen_table(&self, id: Uuid) -> Result<Seen> {
        let turn = turn().await?;
        let mut conn = self.db.pages.acquire().await?;
        let (held, pool) = self.held(&mut conn, id).await?;
        let repairs = repairs_of(&held)?;
        if still_open(&held).is_err() {
            return Ok(Seen { held, pool, repairs, sight: None });
        }
        let content = plan_import::content(&mut conn, id).await?;
        drop(conn);
        let sight = apart(&turn, move || columns::look(&content)).await?.map_err(of_file)?;
        Ok(Seen { held, pool, repairs, sight: Some(sight) })
    }

    /// Slugs of tenants that rows of a table may name, in order.
    pub async fn held_tenants(&self, id: Uuid) -> Result<Vec<String>> {
        let mut conn = self.db.pages.acquire().await?;
        self.held(&mut conn, id).await?;
        super::files::known_tenants(&mut conn).await
    }

    /// A table, without a look into it.
    pub async fn held_table(&self, id: Uuid) -> Result<(Held, Pool)> {
        let mut conn = self.db.pages.acquire().await?;
        self.held(&mut conn, id).await
    }

    /// Says what the columns of a table are, in their order; `None` = not read.
    ///
    /// # Errors
    /// Which fields are missing, or claimed by two columns.
    pub async fn set_columns(&self, id: Uuid, columns: &[Option<Column>]) -> Result<()> {
        let seen = self.seen_table(id).await?;
        still_open(&seen.held)?;
        let heads = seen.sight.map(|sight| sight.heads).unwrap_or_default();
        let names: Vec<String> = heads.into_iter().map(|head| head.name).collect();
        let columns: Vec<Option<Column>> =
            (0..names.len()).map(|place| columns.get(place).copied().flatten()).collect();
        let faults = columns::faults(&names, &columns);
        if !faults.is_empty() {
            return Err(AppError::Invalid(
                faults
                    .into_iter()
                    .map(|fault| Problem { field: "columns".into(), found: String::new(), expected: fault })
                    .collect(),
            ));
        }
        let words = columns.iter().map(|column| column.map_or("", Column::as_str).to_owned()).collect();
        let repairs = Repairs { columns: Some(words), ..seen.repairs };
        self.keep_repairs(&seen.held, &repairs).await
    }

    /// Checks a table with its repairs.
    pub async fn check_import(&self, id: Uuid) -> Result<Checked> {
        let turn = turn().await?;
        self.check_in_turn(&turn, id).await
    }

    async fn check_in_turn(&self, turn: &Turn, id: Uuid) -> Result<Checked> {
        let mut conn = self.db.pages.acquire().await?;
        let (held, pool) = self.held(&mut conn, id).await?;
        still_open(&held)?;
        let repairs = repairs_of(&held)?;
        let content = plan_import::content(&mut conn, id).await?;
        let (repairs, content) = apart(turn, move || {
            // Before anybody said what the columns are, they are what they seem to be.
            let guessed =
                || columns::look(&content).map(|sight| sight.heads.iter().map(|h| h.guess).collect::<Vec<_>>());
            let words = |guesses: Vec<Option<Column>>| {
                guesses.into_iter().map(|guess| guess.map_or("", Column::as_str).to_owned()).collect()
            };
            let columns = repairs.columns.clone().or_else(|| guessed().ok().map(words));
            (Repairs { columns, ..repairs }, content)
        })
        .await?;
        let draft = self.target(&mut conn, &held, &pool).await?;
        let check = checked(&mut conn, pool, content, &repairs, MOST_COUNTED, draft.clone()).await?;
        Ok(Checked { held, repairs, check, draft })
    }

    /// The draft that a table goes into: the one that was asked for while it is open, else its owner's own.
    async fn target(&self, conn: &mut PgConnection, held: &Held, pool: &Pool) -> Result<Option<Draft>> {
        if let Some(id) = held.draft
            && let Some(draft) = draft::get(conn, id).await?.filter(|d| d.pool == pool.key && !d.state.is_over())
        {
            return Ok(Some(draft));
        }
        let own = self.caller.actor.id;
        let drafts = draft::of_pool(conn, pool.key, super::drafts::MOST_DRAFTS).await?;
        Ok(drafts.into_iter().find(|draft| draft.owner_id == own && own.is_some()))
    }

    async fn keep_repairs(&self, seen: &Held, repairs: &Repairs) -> Result<()> {
        let owner = self.importer()?;
        let value = serde_json::to_value(repairs).map_err(|error| AppError::Internal(error.to_string()))?;
        let mut tx = self.db.pages.begin().await?;
        let now = plan_import::lock(&mut tx, seen.id, owner).await?.ok_or_else(|| no_import(seen.id))?;
        still_open(&now)?;
        // The same form sent twice is no conflict.
        if now.version != seen.version && now.repairs != value {
            return Err(repaired_meanwhile());
        }
        if now.repairs != value {
            plan_import::set_repairs(&mut tx, seen.id, &value).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Repairs a table. Returns whether that changed anything but when it is taken.
    pub async fn repair_import(&self, id: Uuid, asked: Repairing) -> Result<bool> {
        let turn = turn().await?;
        let mut conn = self.db.pages.acquire().await?;
        let (held, _) = self.held(&mut conn, id).await?;
        still_open(&held)?;
        let before = repairs_of(&held)?;
        let content = plan_import::content(&mut conn, id).await?;
        drop(conn);
        let known = before.clone();
        let seen = asked.version;
        let repairs = apart(&turn, move || repaired(known, asked, &content)).await??;
        let is_changed = Repairs { all_or_nothing: before.all_or_nothing, ..repairs.clone() } != before;
        // A page from before a repair says what the cells were then: it must not take the repair back. Sent twice it changes nothing.
        if is_changed && seen.is_some_and(|seen| seen != held.version) {
            return Err(repaired_meanwhile());
        }
        self.keep_repairs(&held, &repairs).await?;
        Ok(is_changed)
    }

    /// Takes all repairs of a table back but for what its columns are.
    pub async fn forget_repairs(&self, id: Uuid) -> Result<()> {
        let (held, _) = self.held_table(id).await?;
        let repairs = repairs_of(&held)?;
        let kept = Repairs { columns: repairs.columns, all_or_nothing: repairs.all_or_nothing, ..Repairs::default() };
        self.keep_repairs(&held, &kept).await
    }

    /// Puts the rows of a table that are ready into its draft, as one step, once: who asks again is told where they went.
    ///
    /// # Errors
    /// A conflict that says why nothing was taken.
    pub async fn take_import(&self, id: Uuid) -> Result<Taken> {
        let owner = self.importer()?;
        let (held, _) = self.held_table(id).await?;
        if let Some(taken) = taken_before(&held) {
            return Ok(taken);
        }
        let turn = turn().await?;
        let Checked { held: seen, check, .. } = match self.check_in_turn(&turn, id).await {
            Ok(checked) => match checked.refusal() {
                Some(why) => return Err(AppError::Conflict(format!("{why}; nothing was taken"))),
                None => checked,
            },
            Err(error) => {
                // Somebody else may have taken it while this one waited for its turn.
                let (held, _) = self.held_table(id).await?;
                return taken_before(&held).ok_or(error);
            }
        };
        let mut tx = self.db.pages.begin().await?;
        sqlx::query(TAKE_WAITS).execute(&mut *tx).await?;
        let now = plan_import::lock(&mut tx, id, owner).await?.ok_or_else(|| no_import(id))?;
        if let Some(taken) = taken_before(&now) {
            return Ok(taken);
        }
        still_open(&now)?;
        if now.version != seen.version {
            return Err(repaired_meanwhile());
        }
        let draft = match self.target(&mut tx, &now, &check.pool).await? {
            Some(draft) => draft.id,
            None => {
                let name: String = format!("Draft of {}", self.caller.actor.name).chars().take(120).collect();
                self.begin_draft(&mut tx, check.pool.key, &name, None).await?
            }
        };
        let edits: Vec<Edit> = check.changes.into_iter().map(|(_, id, change)| (id, change.after)).collect();
        let (rows, table) = (edits.len(), check.table);
        let (_, taken) = self.edit_within(&mut tx, draft, None, edits, "rows").await?;
        let left = table.bad.len() + table.skipped.len();
        let rejected = if left == 0 { Vec::new() } else { apart(&turn, move || table.rejected()).await? };
        plan_import::take(&mut tx, id, draft, counted(taken), (counted(left), &rejected)).await?;
        tx.commit().await?;
        let same = counted(rows - taken);
        Ok(Taken { draft, taken: counted(taken), same, left: counted(left), again: false })
    }

    /// The rows of a table that are not taken, as a file to mend, with a name for it.
    pub async fn rejected_rows(&self, id: Uuid) -> Result<(String, Vec<u8>)> {
        let (held, _) = self.held_table(id).await?;
        let stem: String = held
            .file
            .trim_end_matches(".csv")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let stem = stem.trim_matches('-');
        let name = format!("{}-errors.csv", if stem.is_empty() { "rows" } else { stem });
        if held.taken_ms.is_some() && !held.is_over {
            let mut conn = self.db.pages.acquire().await?;
            return Ok((name, plan_import::content(&mut conn, id).await?));
        }
        let turn = turn().await?;
        let table = self.check_in_turn(&turn, id).await?.check.table;
        Ok((name, apart(&turn, move || table.rejected()).await?))
    }

    /// Throws a table away.
    pub async fn drop_import(&self, id: Uuid) -> Result<()> {
        let owner = self.importer()?;
        let mut conn = self.db.pages.acquire().await?;
        if plan_import::remove(&mut conn, id, owner).await? { Ok(()) } else { Err(no_import(id)) }
    }

    /// Empties tables that were kept as long as tables are. Returns how many.
    pub(crate) async fn expire_imports(&self) -> Result<usize> {
        let mut tx = self.db.jobs.begin().await?;
        let now = headroom_store::now(&mut tx).await?;
        let emptied = plan_import::expire(&mut tx, now - TOLD_MS).await?;
        tx.commit().await?;
        Ok(emptied as usize)
    }
}

fn taken_before(held: &Held) -> Option<Taken> {
    held.taken_ms?;
    Some(Taken { draft: held.draft?, taken: held.rows_taken, same: 0, left: held.rows_left, again: true })
}

/// Repairs with what somebody adds to them. What is as the file has it is no repair.
fn repaired(mut repairs: Repairs, asked: Repairing, content: &[u8]) -> Result<Repairs> {
    let is_short = |text: &str| text.chars().count() <= LONGEST && !text.contains('\0');
    for (field, value, by) in asked.replaced {
        let is_field = field == "tenant" || field == "zone";
        if is_field && is_short(&value) && is_short(&by) {
            repairs.replace(&field, &value, &by);
        }
    }
    let wanted: BTreeSet<usize> = asked.cells.iter().map(|(row, ..)| *row).collect();
    let originals = table::rows(content, &wanted);
    for (row, place, text) in asked.cells {
        let Some(cells) = originals.get(&row) else { continue };
        if place < columns::MOST_COLUMNS && is_short(&text) {
            repairs.correct((row, place), table::unquoted(cells.get(place).unwrap_or_default()), text.trim());
        }
    }
    for row in asked.asked {
        repairs.skipped.remove(&row);
    }
    repairs.skipped.extend(asked.skipped.into_iter().filter(|row| (2..=table::MOST_ROWS + 1).contains(row)));
    repairs.all_or_nothing = asked.all_or_nothing.unwrap_or(repairs.all_or_nothing);
    let too_many = |what: &str, found: usize, most: usize| {
        AppError::Conflict(format!(
            "{} {what}, and at most {} are kept here: correct the file and upload it again",
            many(found),
            many(most)
        ))
    };
    if repairs.replacements() > MOST_REPLACED {
        return Err(too_many("values are read as others", repairs.replacements(), MOST_REPLACED));
    }
    if repairs.corrections() > MOST_CORRECTED {
        return Err(too_many("cells are corrected", repairs.corrections(), MOST_CORRECTED));
    }
    Ok(repairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_the_file_is_kept() {
        let file = b"name,tenant,slots\na,acme,4\nb,acne,4OO\n";
        let asked = Repairing {
            replaced: vec![("tenant".into(), "acne".into(), "acme".into()), ("note".into(), "x".into(), "y".into())],
            cells: vec![(2, 2, "4".into()), (3, 2, " 400 ".into()), (99, 0, "z".into()), (3, 5_000, "z".into())],
            asked: vec![2, 3],
            skipped: vec![2, 1, 4_000_000],
            all_or_nothing: Some(true),
            version: None,
        };
        let repairs = repaired(Repairs::default(), asked, file).unwrap();
        assert_eq!(repairs.cells, [(3, [(2, "400".to_owned())].into())].into());
        assert_eq!(repairs.instead("tenant", "acne"), Some("acme"));
        assert_eq!((repairs.replacements(), repairs.skipped.clone(), repairs.all_or_nothing), (1, [2].into(), true));
        let cells = vec![(3, 2, "4OO".into())];
        let back = Repairing { asked: vec![2], cells, all_or_nothing: Some(false), ..Repairing::default() };
        let again = repaired(repairs, back, file).unwrap();
        assert_eq!((again.corrections(), again.skipped.len(), again.all_or_nothing), (0, 0, false));
        let many = Repairing {
            cells: (0..3_000).map(|place| (3, place % 100, place.to_string())).collect(),
            replaced: (0..600).map(|n| ("tenant".into(), n.to_string(), "acme".into())).collect(),
            ..Repairing::default()
        };
        assert!(repaired(Repairs::default(), many, file).unwrap_err().to_string().contains("600 values"), "bounded");
    }
}
