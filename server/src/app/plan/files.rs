//! Reservations as files: tables are checked row by row and go into a draft, declared plans are compared with what is published,
//! and calendars are written.

use super::super::{App, AppError, Problem, Result};
use super::drafts::Edit;
use super::find;
use super::work_out::work_out;
use crate::clock;
use crate::planfile::calendar::{self, Shown};
use crate::planfile::columns::ID;
use crate::planfile::declared::Declared;
use crate::planfile::repairs::Repairs;
use crate::planfile::table::{self, MOST_TOLD, Table, TableFault};
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::plan::change::{Change, Verb};
use headroom_domain::plan::terms::Terms;
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
    /// Slugs of tenants that are not archived, in order.
    pub tenants: Vec<String>,
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
        checked(&mut conn, pool, content, &Repairs::default(), MOST_TOLD, None).await
    }

    /// Puts the rows of a table that are ready into a draft, as one step.
    ///
    /// # Errors
    /// Invalid if rows have faults and not even `part` of it is wanted, or nothing is ready.
    pub async fn table_into_draft(&self, check: &TableCheck, draft: Uuid, part: bool) -> Result<Draft> {
        if !part && check.table.bad_rows() > 0 || check.table.rows.is_empty() {
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

/// Reads a table with its repairs and checks its rows against what there is: what is published, and what a draft makes of it.
pub(super) async fn checked(
    conn: &mut PgConnection,
    pool: Pool,
    content: Vec<u8>,
    repairs: &Repairs,
    most_told: usize,
    draft: Option<Draft>,
) -> Result<TableCheck> {
    let now = headroom_store::now(conn).await?;
    let tenants = known_tenants(conn).await?;
    let stored = reservation::of_pool(conn, pool.key, now).await?;
    let (zone, repairs) = (pool.fields.zone.clone(), repairs.clone());
    // A large table takes a while; the thread that serves others must not wait for it.
    let read = tokio::task::spawn_blocking(move || {
        let mut table = table::read_repaired(&content, &zone, &repairs, most_told);
        let targets = Targets::of(&stored, draft.as_ref());
        let faults = late_faults(&table, &tenants, &targets, now);
        table.refuse(faults);
        let change = |row: &table::TableRow| {
            let id = targets.of_row(row);
            let before = id.and_then(|id| targets.by_id.get(&id).copied().flatten().cloned());
            (row.row, id.unwrap_or_else(clock::uuid), Change { before, after: Some(row.terms.clone()) })
        };
        let changes = table.rows.iter().map(change).collect();
        (table, changes, tenants)
    });
    let (table, changes, tenants) =
        read.await.map_err(|error| AppError::Internal(format!("reading a table: {error}")))?;
    Ok(TableCheck { pool, table, changes, tenants })
}

/// Slugs of tenants that are not archived, in order.
pub(super) async fn known_tenants(conn: &mut PgConnection) -> Result<Vec<String>> {
    let mut tenants: Vec<String> =
        tenant::list(conn, false).await?.into_iter().map(|tenant| tenant.fields.slug.to_string()).collect();
    tenants.sort_unstable();
    Ok(tenants)
}

/// Reservations that rows may be about.
struct Targets<'a> {
    /// As they are published, or as the draft has them; `None` = the draft takes them back.
    by_id: HashMap<Uuid, Option<&'a Terms>>,
    by_name: HashMap<&'a str, Uuid>,
}

impl<'a> Targets<'a> {
    fn of(stored: &'a [Stored], draft: Option<&'a Draft>) -> Self {
        let mut by_id: HashMap<Uuid, Option<&Terms>> = stored.iter().map(|s| (s.id, Some(&s.terms))).collect();
        let mut by_name: HashMap<&str, Uuid> = stored.iter().map(|s| (s.terms.name.as_str(), s.id)).collect();
        for (id, change) in draft.iter().flat_map(|draft| &draft.changes) {
            let is_named = |terms: &&Terms| by_name.get(terms.name.as_str()) == Some(id);
            if let (Some(was), true) = (by_id.get(id).copied().flatten().filter(is_named), change.after.is_some()) {
                by_name.remove(was.name.as_str());
            }
            by_id.insert(*id, change.after.as_ref());
            if let Some(after) = &change.after {
                by_name.insert(after.name.as_str(), *id);
            }
        }
        Self { by_id, by_name }
    }

    /// The reservation that a row changes: the one that it names by its id, else by its name.
    fn of_row(&self, row: &table::TableRow) -> Option<Uuid> {
        row.id.filter(|id| self.by_id.contains_key(id)).or_else(|| self.by_name.get(row.terms.name.as_str()).copied())
    }
}

/// What only shows when rows are compared with tenants, clocks and reservations.
fn late_faults(table: &Table, tenants: &[String], targets: &Targets<'_>, now: Millis) -> Vec<TableFault> {
    let known: HashSet<&str> = tenants.iter().map(String::as_str).collect();
    let mut changed: HashMap<Uuid, usize> = HashMap::new();
    let mut hints: HashMap<&str, String> = HashMap::new();
    let mut faults = Vec::new();
    for row in &table.rows {
        let tenant = row.terms.tenant.as_str();
        if !known.contains(tenant) {
            // The same slip is often in many rows, and each look goes over all tenants.
            let hint = hints.entry(tenant).or_insert_with(|| {
                let nearest = headroom_domain::slug::nearest(tenant, tenants.iter().map(String::as_str));
                nearest.map(|slug| format!("; {slug} is one")).unwrap_or_default()
            });
            let expected = format!("the slug of a tenant that is not archived{hint}");
            faults.push(table.fault(row.row, "tenant", tenant, expected));
        }
        if let Err(found) = work_out(&row.terms, now) {
            let fault =
                |fault: headroom_domain::plan::Fault| table.fault(row.row, fault.field, &fault.found, fault.expected);
            faults.extend(found.into_iter().map(fault));
        }
        if let Some(id) = targets.of_row(row) {
            let before = *changed.entry(id).or_insert(row.row);
            if before != row.row {
                let (field, found) = match row.id {
                    Some(id) => (ID, id.to_string()),
                    None => ("name", row.terms.name.clone()),
                };
                let expected = format!("a reservation that no other row changes; row {before} does");
                faults.push(table.fault(row.row, field, &found, expected));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(name: &str, slots: i64) -> Terms {
        let value = serde_json::json!({
            "name": name, "tenant": "acme", "start": "2026-12-01T00:00", "end": "2026-12-02T00:00", "zone": "UTC",
            "slots": slots
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn no_two_rows_change_the_same_reservation() {
        let id = Uuid::from_u128(7);
        let file = format!(
            "id,name,tenant,start,end,slots\n{id},b,acme,2026-12-01T00:00,2026-12-02T00:00,4\n\
                    ,a,acme,2026-12-01T00:00,2026-12-02T00:00,5\n{id},c,acme,2026-12-01T00:00,2026-12-02T00:00,4\n"
        );
        let table = table::read(file.as_bytes(), "UTC");
        let a = terms("a", 4);
        let targets = Targets { by_id: HashMap::from([(id, Some(&a))]), by_name: HashMap::from([("a", id)]) };
        let faults = late_faults(&table, &["acme".to_owned()], &targets, 1_795_000_000_000);
        let told: Vec<_> = faults.iter().map(|fault| (fault.row, fault.field)).collect();
        assert_eq!(told, [(3, "name"), (4, "id")], "{faults:?}");
    }
}
