//! Reservations as files: tables are checked row by row and go into a draft, declared plans are compared with what is published,
//! and calendars are written.

use super::super::{App, AppError, Problem, Result};
use super::drafts::Edit;
use super::find;
use super::work_out::work_out;
use crate::clock;
use crate::planfile::calendar::{self, Shown};
use crate::planfile::declared::Declared;
use crate::planfile::table::{self, Table, TableFault};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::plan::change::{Change, Verb};
use headroom_store::draft::Draft;
use headroom_store::pool::Pool;
use headroom_store::reservation::{self, Stored};
use headroom_store::tenant;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What a table would do.
#[derive(Debug, Clone)]
pub struct TableCheck {
    /// The pool.
    pub pool: Pool,
    /// What was read.
    pub table: Table,
    /// What the rows that are ready do, in their order; rows that change nothing are among them.
    pub changes: Vec<(usize, Uuid, Change)>,
}

impl TableCheck {
    /// How many reservations are made, changed, and stay as they are.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |verb: Verb| self.changes.iter().filter(|(_, _, change)| change.verb() == verb).count();
        (count(Verb::Create), count(Verb::Edit), count(Verb::Nothing))
    }
}

/// What a declared plan would change.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The pool.
    pub pool: Pool,
    /// What differs from what is published.
    pub changes: Vec<(Uuid, Change)>,
}

impl App {
    /// What a table of reservations would do; nothing is kept.
    ///
    /// # Errors
    /// Only if it cannot be looked at: faults of rows are part of the answer.
    pub async fn check_table(&self, pool: &str, content: Vec<u8>) -> Result<TableCheck> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = find(self, &mut conn, pool).await?;
        checked(&mut conn, pool, content).await
    }

    /// Puts the rows of a table that are ready into a draft, as one step.
    ///
    /// # Errors
    /// Invalid if rows have faults and not even `part` of it is wanted, or nothing is ready.
    pub async fn table_into_draft(&self, check: &TableCheck, draft: Uuid, part: bool) -> Result<Draft> {
        if !part && check.table.bad_rows > 0 || check.table.rows.is_empty() {
            let problem = |fault: &TableFault| {
                Problem::new(format!("row {}: {}", fault.row, fault.column), &fault.found, fault.expected.clone())
            };
            return Err(AppError::Invalid(check.table.faults.iter().map(problem).collect()));
        }
        let edits: Vec<Edit> = check.changes.iter().map(|(_, id, change)| (*id, change.after.clone())).collect();
        self.edit_draft_at_once(draft, None, edits, "rows").await
    }

    /// What a declared plan would change of what is published.
    ///
    /// # Errors
    /// Every field of it that is wrong.
    pub async fn declare(&self, declared: &Declared) -> Result<Declaration> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let pool = find(self, &mut conn, &declared.pool).await?;
        let mut problems = Vec::new();
        for (number, terms) in declared.reservations.iter().enumerate() {
            if let Err(faults) = work_out(terms, now) {
                let prefix = format!("reservation[{number}] {}: ", terms.name);
                problems.extend(faults.iter().map(|fault| super::work_out::problem(&prefix, fault)));
            }
        }
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let stored = reservation::of_pool(&mut conn, pool.key, now).await?;
        let mut left: HashMap<String, Stored> = stored.into_iter().map(|s| (s.terms.name.clone(), s)).collect();
        let mut changes = Vec::new();
        for terms in &declared.reservations {
            let before = left.remove(&terms.name);
            let id = before.as_ref().map_or_else(clock::uuid, |stored| stored.id);
            changes.push((id, Change { before: before.map(|stored| stored.terms), after: Some(terms.clone()) }));
        }
        let mut gone: Vec<Stored> = left.into_values().collect();
        gone.sort_by(|a, b| a.terms.name.cmp(&b.terms.name));
        changes.extend(gone.into_iter().map(|s| (s.id, Change { before: Some(s.terms), after: None })));
        changes.retain(|(_, change)| change.verb() != Verb::Nothing);
        Ok(Declaration { pool, changes })
    }

    /// A pool's reservations that are not over as CSV.
    pub async fn plan_csv(&self, pool: &str) -> Result<Vec<u8>> {
        let view = self.plan(pool, None, None).await?;
        Ok(table::write(view.entries.iter().map(|entry| (entry.stored.id, &entry.stored.terms))))
    }

    /// A pool's reservations that are not over, as a declared plan.
    pub async fn declared(&self, pool: &str) -> Result<Declared> {
        let view = self.plan(pool, None, None).await?;
        let mut reservations: Vec<_> = view.entries.into_iter().map(|entry| entry.stored.terms).collect();
        // A stable order makes small differences.
        reservations.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Declared { pool: view.pool.fields.slug.to_string(), reservations })
    }

    /// A pool's reservations as a calendar, those of the last so many milliseconds included.
    pub async fn plan_calendar(&self, pool: &str, since: Millis) -> Result<String> {
        let now = self.now().await?;
        let view = self.plan(pool, Some(now - since), None).await?;
        let shown: Vec<Shown<'_>> = view
            .entries
            .iter()
            .map(|entry| Shown {
                id: entry.stored.id,
                terms: &entry.stored.terms,
                tenant: view.tenants.get(&entry.stored.tenant).map_or("", |(_, name)| name),
                version: entry.stored.version,
                updated_ms: entry.stored.updated_ms,
                from_ms: entry.stored.from_ms,
                to_ms: entry.stored.to_ms,
            })
            .collect();
        Ok(calendar::write(&view.pool.fields.name, now, &shown))
    }
}

/// Reads a table and checks its rows against what there is.
async fn checked(conn: &mut PgConnection, pool: Pool, content: Vec<u8>) -> Result<TableCheck> {
    let now = headroom_store::now(conn).await?;
    let tenants: HashSet<String> =
        tenant::list(conn, false).await?.into_iter().map(|tenant| tenant.fields.slug.to_string()).collect();
    let stored = reservation::of_pool(conn, pool.key, now).await?;
    let zone = pool.fields.zone.clone();
    // A large table takes a while; the thread that serves others must not wait for it.
    let read = tokio::task::spawn_blocking(move || {
        let mut table = table::read(&content, &zone);
        let faults = late_faults(&table, &tenants, now);
        table.refuse(faults);
        table
    });
    let table = read.await.map_err(|error| AppError::Internal(format!("reading a table: {error}")))?;
    let by_id: HashMap<Uuid, &Stored> = stored.iter().map(|s| (s.id, s)).collect();
    let by_name: HashMap<&str, &Stored> = stored.iter().map(|s| (s.terms.name.as_str(), s)).collect();
    let mut changes = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let named = by_name.get(row.terms.name.as_str());
        let before = row.id.and_then(|id| by_id.get(&id)).or(named);
        let id = before.map_or_else(clock::uuid, |stored| stored.id);
        let before = before.map(|stored| stored.terms.clone());
        changes.push((row.row, id, Change { before, after: Some(row.terms.clone()) }));
    }
    Ok(TableCheck { pool, table, changes })
}

/// What only shows when rows are compared with tenants and clocks.
fn late_faults(table: &Table, tenants: &HashSet<String>, now: Millis) -> Vec<TableFault> {
    let mut faults = Vec::new();
    for row in &table.rows {
        if !tenants.contains(&row.terms.tenant) {
            let nearest = headroom_domain::slug::nearest(&row.terms.tenant, tenants.iter().map(String::as_str));
            let hint = nearest.map(|slug| format!("; {slug} is one")).unwrap_or_default();
            faults.push(TableFault {
                row: row.row,
                column: table.column_of("tenant"),
                found: row.terms.tenant.clone(),
                expected: format!("the slug of a tenant that is not archived{hint}"),
            });
        }
        if let Err(found) = work_out(&row.terms, now) {
            faults.extend(found.into_iter().map(|fault| TableFault {
                row: row.row,
                column: table.column_of(fault.field),
                found: fault.found,
                expected: fault.expected,
            }));
        }
    }
    faults
}
