//! Letters about reports that closed, to those who want them: each is told what it may see, and nothing of others.

use super::super::caller::{Caller, Who};
use super::super::{App, Result};
use headroom_domain::format::UNKNOWN;
use headroom_domain::report::{Cell, Document, Kind, Table};
use headroom_store::account::{self, Account};
use headroom_store::audit::{Actor, Receipt};
use headroom_store::letter::{self, New};
use sqlx::PgConnection;
use std::fmt::Write as _;
use std::sync::Arc;

/// Rows of a table that a letter lists; the page has all.
const MOST_ROWS: usize = 10;
/// Longest list in a letter, in characters.
const LONGEST_LIST: usize = 12_000;

const FOOT: &str = "You get this because you asked for it. Letters about reports can be switched off under \"Account and preferences\".\n";

/// Columns of a table that a letter has room for.
fn columns(table: &Table) -> &'static [&'static str] {
    match table.key.as_str() {
        "waste" => &["waste", "idle_minor", "advice", "saves_minor"],
        "occupancy" => &["occupancy", "occupancy_before", "full", "rejections"],
        "alerts" => &["fires", "pages", "never_share"],
        "outlook" => &["median_slots", "p95_slots", "capacity_slots", "promised_slots", "short_on", "full_p90_days"],
        super::tuning::TUNING => &["advice"],
        "capacity" => &["slots_at_end", "occupancy", "promised_share"],
        "quotas" => &["quota_slots", "highest_share"],
        "game_days" => &["held_on", "broken", "found", "slowest_ms", "false_findings"],
        _ => &[],
    }
}

/// A table in lines: its first rows and its total.
fn lines(document: &Document, table: &Table) -> String {
    if table.key == super::weekly::OUTLOOK_BY_DAY {
        return days(table);
    }
    let keys = columns(table);
    let said = |cells: &[Cell]| {
        let parts = keys.iter().filter_map(|key| {
            let at = table.columns.iter().position(|column| column.key == *key)?;
            let text = cells.get(at)?.shown(document.money());
            (text != UNKNOWN).then(|| format!("{} {text}", table.columns[at].label.to_lowercase()))
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    if table.rows.is_empty() {
        return String::new();
    }
    let mut out = format!("{}\n", table.title);
    for row in table.rows.iter().take(MOST_ROWS) {
        let about = row.about();
        let about =
            if about.is_empty() { row.cells.first().map(|cell| cell.shown("")).unwrap_or_default() } else { about };
        // Writing into memory does not fail.
        let _ = writeln!(out, "    {about}: {}", said(&row.cells));
    }
    if table.rows.len() > MOST_ROWS {
        let _ = writeln!(out, "    and {} more", table.rows.len() - MOST_ROWS);
    }
    if let Some(total) = table.total() {
        let _ = writeln!(out, "    in all: {}", said(&total));
    }
    out
}

/// The days ahead of all pools together, a line each; each pool has its line in the outlook.
fn days(table: &Table) -> String {
    let Some(row) = table.rows.iter().find(|row| row.pool.is_none()) else { return String::new() };
    let mut out = format!("{}\n", table.title);
    for (column, cell) in table.columns.iter().zip(&row.cells).skip(1) {
        // Writing into memory does not fail.
        let _ = writeln!(out, "    {}: {}", column.label, cell.shown(""));
    }
    out
}

/// What a report says in a letter; `None` if it says nothing to its reader.
fn body(document: &Document) -> Option<String> {
    let is_told = |table: &&Table| table.key == super::weekly::OUTLOOK_BY_DAY || !columns(table).is_empty();
    let told = document.tables.iter().filter(is_told);
    let text =
        told.map(|table| lines(document, table)).filter(|lines| !lines.is_empty()).collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then(|| text.chars().take(LONGEST_LIST).collect())
}

/// Somebody as whom a report is cut.
fn reader(account: Account) -> Caller {
    let actor = Actor {
        name: account.fields.name.clone(),
        id: Some(account.id),
        source: "job",
        address: String::new(),
        receipt: Receipt::default(),
    };
    let tenants = Caller::tenants_of(&account);
    let who = Who::Person { account: Box::new(account), csrf: String::new(), session: Vec::new() };
    Caller { who, actor, pools: None, tenants }
}

impl App {
    /// What is written to those who want it when a report closes. The figures are cut anew for each of them, so this is done
    /// before the report is kept: that holds the audit trail.
    pub(super) async fn letters_of_report(&self, conn: &mut PgConnection, document: &Document) -> Result<Vec<New>> {
        if self.outward.mail.is_none() {
            return Ok(Vec::new());
        }
        let path = match document.kind {
            Kind::Waste => format!("/waste/{}", document.period),
            other => format!("/reports/{other}-{}", document.period),
        };
        let page = self.outward.address_of(&path);
        let mut letters = Vec::new();
        for key in letter::readers_of_reports(conn).await? {
            let Some(account) = account::by_key(conn, key).await? else { continue };
            let name = account.fields.name.clone();
            let caller = Arc::new(reader(account));
            if !caller.may(headroom_domain::access::Action::See) {
                continue;
            }
            let seen = self.acting(caller).as_seen(conn, document.clone(), None, document.to_ms).await?;
            let Some(body) = body(&seen.document) else { continue };
            letters.push(New {
                account: key,
                key: format!("report {} {} {key}", document.kind, document.period),
                subject: document.title.chars().filter(|c| !c.is_control()).take(180).collect(),
                body: format!("Hello {name},\n\n{} is closed.\n\n{body}\n{page}\n\n{FOOT}", document.title),
            });
        }
        Ok(letters)
    }
}
