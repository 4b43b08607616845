//! The table as a sheet: a cell that was typed, cells that were pasted, and one change of many rows. Each is one step of the draft.
//! What cannot be taken of cells comes back in its place with what is wrong; a change of many rows is made whole or not at all.

use super::act::{back, existing_draft, put, visit_of};
use super::form::text;
use super::{Refused, id_of, is_told, show, told, words};
use crate::app::plan::sheet::Sheet;
use crate::app::{App, AppError, Problem, Result};
use crate::pages::answer::{done, failure};
use crate::pages::form::Posted;
use crate::pages::visit::Visit;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use headroom_domain::format::count;
use headroom_domain::plan::Fault;
use headroom_domain::plan::change::Field;
use headroom_domain::plan::terms::Terms;
use headroom_frontend::model::{BulkForm, PlanCell, PlanCellFault};
use headroom_store::draft::Draft;
use std::collections::HashSet;
use uuid::Uuid;

/// Fields that are edited in the table, in the order of its columns. What else a reservation says stays in its form.
const CELLS: [Field; 8] =
    [Field::Name, Field::Tenant, Field::Slots, Field::Kind, Field::Start, Field::End, Field::Repeat, Field::Zone];
/// Most bytes and cells that are pasted at once.
const MOST_BYTES: usize = 1_000_000;
const MOST_CELLS: usize = 20_000;
/// Longest text of a cell that is shown again.
const LONGEST_CELL: usize = 500;
/// Problems that are told in one sentence.
const MOST_TOLD: usize = 5;
/// How far rows are moved at once, in hours: a year.
const MOST_HOURS: i64 = 366 * 24;

/// A cell that cannot be taken.
pub(super) struct CellFault {
    pub reservation: Uuid,
    pub field: Field,
    /// What was written.
    pub typed: String,
    /// What is wrong with it.
    pub text: String,
}

impl CellFault {
    fn new(reservation: Uuid, field: Field, typed: &str, text: String) -> Self {
        Self { reservation, field, typed: typed.chars().take(LONGEST_CELL).collect(), text }
    }
}

/// A row's cells as they are written, each with what is wrong with it.
pub(super) fn cells(id: Uuid, terms: &Terms, faults: &[CellFault]) -> Vec<PlanCell> {
    let fault = |field: Field| {
        let found = faults.iter().find(|fault| fault.reservation == id && fault.field == field)?;
        Some(PlanCellFault { typed: found.typed.clone(), text: found.text.clone() })
    };
    let cell = |field: &Field| PlanCell { field: field.as_str(), text: text(*field, terms), fault: fault(*field) };
    CELLS.iter().map(cell).collect()
}

/// What was filled into the bar below the table, for showing it again.
fn filled(posted: &Posted) -> BulkForm {
    let text = |name: &str| posted.get(name).chars().take(LONGEST_CELL).collect();
    BulkForm {
        picked: posted.all("pick").into_iter().map(str::to_owned).collect(),
        slots: text("slots"),
        by: text("by"),
        unit: text("unit"),
        kind: text("kind"),
        zone: text("zone"),
    }
}

/// What is wrong, where a field's own name need not be said.
fn sentence(field: Option<Field>, faults: &[Fault]) -> String {
    let one = |fault: &Fault| {
        let about = match field {
            Some(field) if field.as_str() == fault.field => String::new(),
            _ => format!("{}: ", fault.field.parse().map_or(fault.field, words::label)),
        };
        let Problem { found, expected, .. } = Problem::new(fault.field, &fault.found, fault.expected.clone());
        if found.is_empty() {
            format!("{about}Expected {expected}.")
        } else {
            format!("{about}Found \u{201c}{found}\u{201d}, expected {expected}.")
        }
    };
    faults.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// `3 cells`
fn counted(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number as i64), if number == 1 { "" } else { "s" })
}

/// The first of many sentences.
fn first_of(sentences: &[String]) -> String {
    let mut text = sentences.iter().take(MOST_TOLD).map(String::as_str).collect::<Vec<_>>().join(" ");
    if sentences.len() > MOST_TOLD {
        text.push_str(&format!(" And {} more.", sentences.len() - MOST_TOLD));
    }
    text
}

/// What became of an edit.
struct Outcome {
    draft: Option<Uuid>,
    said: String,
    faults: Vec<CellFault>,
    /// Something was left out, which is told with the page.
    is_partly: bool,
}

/// Puts what the sheet took into the draft, as one step. Returns the draft, if there is one.
async fn save(app: &App, posted: &Posted, draft: Option<(Draft, Option<i32>)>, sheet: Sheet) -> Result<Option<Uuid>> {
    let edits = sheet.into_edits();
    if edits.is_empty() {
        return Ok(draft.map(|(draft, _)| draft.id));
    }
    put(app, posted, draft.as_ref(), edits).await
}

/// Does it on a thread of its own: a large paste takes a while, for which the thread that serves others must not wait.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| AppError::Internal(format!("working cells out: {error}")))?
}

fn reservation(posted: &Posted) -> Result<Uuid> {
    let text = posted.get("reservation");
    id_of(text).ok_or_else(|| AppError::invalid("reservation", text, "the id of a reservation"))
}

/// The field of a cell, and its column.
fn column(posted: &Posted) -> Result<usize> {
    let text = posted.get("field");
    CELLS.iter().position(|field| field.as_str() == text).ok_or_else(|| {
        let names = CELLS.map(Field::as_str).join(", ");
        AppError::invalid("field", text, format!("one of {names}"))
    })
}

/// One cell.
async fn cell(app: &App, posted: &Posted) -> Result<Outcome> {
    let (id, field, typed) = (reservation(posted)?, CELLS[column(posted)?], posted.get("value"));
    let draft = existing_draft(app, posted).await?;
    let mut sheet = app.sheet(posted.get("pool"), draft.as_ref().map(|(draft, _)| draft), &[id]).await?;
    let before = sheet.terms(id)?.clone();
    let label = words::label(field);
    let outcome = |draft, said, faults| Outcome { draft, said, faults, is_partly: false };
    let refused = |draft, text: String| {
        let said = format!("{}, {label}: {text} It is not saved.", before.name);
        outcome(draft, said, vec![CellFault::new(id, field, typed, text)])
    };
    let known = draft.as_ref().map(|(draft, _)| draft.id);
    let after = match sheet.rewritten(id, &before, &[(field, typed)]) {
        Ok(after) if after == before => {
            return Ok(outcome(known, format!("{}, {label}: nothing was changed.", before.name), Vec::new()));
        }
        Ok(after) => after,
        Err(faults) => return Ok(refused(known, sentence(Some(field), &faults))),
    };
    let value = match words::value(field, &after) {
        value if value.is_empty() => "empty".to_owned(),
        value => value,
    };
    sheet.take(id, Some(after));
    match save(app, posted, draft, sheet).await {
        Ok(draft) => Ok(outcome(draft, format!("{}, {label}: {value} in the draft.", before.name), Vec::new())),
        Err(AppError::Stale { now, seen, .. }) => {
            let text =
                format!("The draft went on from version {seen} to {now} meanwhile. Press Enter to save it anew.");
            Ok(refused(known, text))
        }
        Err(error) if is_told(&error) => Ok(refused(known, told(error).1)),
        Err(error) => Err(error),
    }
}

/// Cells as spreadsheets put them on the clipboard: tabs between them, lines of them; quotes around what has quotes in it.
fn pasted(text: &str) -> Result<Vec<Vec<String>>> {
    if text.len() > MOST_BYTES {
        let found = format!("{} bytes", count(text.len() as i64));
        return Err(AppError::invalid("text", found, "at most 1,000,000 bytes; paste it in parts, or import a file"));
    }
    let lines = cells_of(text);
    let cells: usize = lines.iter().map(Vec::len).sum();
    if text.is_empty() || cells > MOST_CELLS {
        let expected = "1 to 20,000 cells; paste them in parts, or import a file";
        return Err(AppError::invalid("text", counted(cells, "cell"), expected));
    }
    Ok(lines)
}

/// Lines of cells. A cell in quotes may have tabs, line breaks and doubled quotes in it; one whose quotes do not end with it is
/// taken as it stands.
fn cells_of(text: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut rest = text;
    loop {
        let plain = rest.find(['\t', '\n']).unwrap_or(rest.len());
        let (cell, length) = quoted(rest).unwrap_or_else(|| (rest.get(..plain).unwrap_or_default().to_owned(), plain));
        line.push(cell.trim().to_owned());
        let after = rest.get(length..).unwrap_or_default();
        if let Some(next) = after.strip_prefix('\t') {
            rest = next;
            continue;
        }
        lines.push(std::mem::take(&mut line));
        rest = after.strip_prefix('\n').unwrap_or_default();
        if rest.is_empty() {
            return lines;
        }
    }
}

/// A cell in quotes at the beginning of a text, and how many bytes it takes there.
fn quoted(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix('"')?;
    let mut from = 0;
    loop {
        let end = from + inner.get(from..)?.find('"')?;
        let after = inner.get(end + 1..)?;
        if after.starts_with('"') {
            from = end + 2;
            continue;
        }
        let is_end = after.is_empty() || after.starts_with(['\t', '\n', '\r']);
        let cell = inner.get(..end).filter(|_| is_end)?.replace("\"\"", "\"");
        let ends_line = usize::from(after.starts_with("\r\n"));
        return Some((cell, 1 + end + 1 + ends_line));
    }
}

/// What a paste comes to.
#[derive(Default)]
struct Pasted {
    faults: Vec<CellFault>,
    taken: usize,
    new: usize,
    /// Cells and rows that have no place in the table, a sentence each.
    left: Vec<String>,
}

impl Pasted {
    /// Writes a line over a reservation. A cell that cannot be taken is left out until the rest can.
    fn over(&mut self, sheet: &mut Sheet, id: Uuid, cells: &[(Field, &str)]) -> Result<()> {
        let before = sheet.terms(id)?.clone();
        let mut left: Vec<(Field, &str)> = cells.to_vec();
        while !left.is_empty() {
            let faults = match sheet.rewritten(id, &before, &left) {
                Ok(after) => {
                    self.taken += left.len();
                    if after != before {
                        sheet.take(id, Some(after));
                    }
                    return Ok(());
                }
                Err(faults) => faults,
            };
            let is_wrong = |field: Field| faults.iter().any(|fault| fault.field == field.as_str());
            let known = left.iter().any(|(field, _)| is_wrong(*field));
            // What is wrong with a field that was not pasted is due to all that was.
            let (wrong, good): (Vec<_>, Vec<_>) = left.into_iter().partition(|(field, _)| !known || is_wrong(*field));
            for (field, typed) in wrong {
                let own: Vec<Fault> =
                    faults.iter().filter(|fault| !known || fault.field == field.as_str()).cloned().collect();
                self.faults.push(CellFault::new(id, field, typed, sentence(Some(field), &own)));
            }
            left = good;
        }
        Ok(())
    }

    /// A line below the last row.
    fn below(&mut self, sheet: &mut Sheet, number: usize, cells: &[(Field, &str)]) {
        if cells.iter().all(|(_, text)| text.is_empty()) {
            return;
        }
        match sheet.written(cells) {
            Ok((id, terms)) => {
                sheet.take(id, Some(terms));
                self.new += 1;
            }
            Err(faults) => {
                self.left.push(format!("Line {number} is no new reservation: {}", sentence(None, &faults)));
            }
        }
    }

    fn said(&self) -> String {
        let mut text = if self.taken == 0 && self.new == 0 {
            "Nothing of what was pasted is in the draft.".to_owned()
        } else {
            let new = (self.new > 0).then(|| counted(self.new, "new reservation"));
            let taken = (self.taken > 0).then(|| counted(self.taken, "cell"));
            let parts: Vec<String> = taken.into_iter().chain(new).collect();
            let verb = if self.taken + self.new == 1 { "is" } else { "are" };
            format!("{} {verb} in the draft.", parts.join(" and "))
        };
        if !self.faults.is_empty() {
            let verb = if self.faults.len() == 1 { "was not taken and is" } else { "were not taken and are" };
            text.push_str(&format!(" {} {verb} marked.", counted(self.faults.len(), "cell")));
        }
        if !self.left.is_empty() {
            text.push_str(&format!(" {}", first_of(&self.left)));
        }
        text
    }
}

/// Cells from a spreadsheet, right and down from one; rows in the order in which they are seen.
async fn paste(app: &App, posted: &Posted) -> Result<Outcome> {
    let first = column(posted)?;
    let mut seen = HashSet::new();
    let ids = posted.get("rows").split_whitespace().filter_map(id_of);
    let ids: Vec<Uuid> = ids.filter(|id| seen.insert(*id)).collect();
    let lines = pasted(posted.raw("text"))?;
    let ids = &ids[..ids.len().min(lines.len())];
    let draft = existing_draft(app, posted).await?;
    let sheet = app.sheet(posted.get("pool"), draft.as_ref().map(|(draft, _)| draft), ids).await?;
    let ids = ids.to_vec();
    let (result, sheet) = apart(move || pasted_over(sheet, first, &ids, &lines)).await?;
    let said = result.said();
    let draft = save(app, posted, draft, sheet).await?;
    Ok(Outcome { draft, said, is_partly: !result.left.is_empty(), faults: result.faults })
}

/// Writes lines over rows of the sheet, from one of its columns on, and those that are left as new ones.
fn pasted_over(mut sheet: Sheet, first: usize, ids: &[Uuid], lines: &[Vec<String>]) -> Result<(Pasted, Sheet)> {
    let mut result = Pasted::default();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<(Field, &str)> = CELLS[first..].iter().copied().zip(line.iter().map(String::as_str)).collect();
        let beyond = line.iter().skip(CELLS.len() - first).filter(|cell| !cell.is_empty()).count();
        if beyond > 0 {
            result.left.push(format!("Line {}: {} beyond the last column.", number + 1, counted(beyond, "cell")));
        }
        match ids.get(number) {
            Some(id) if sheet.is_cancelled(*id) => {
                result.left.push(format!("Line {}: the draft cancels its reservation.", number + 1));
            }
            Some(id) => result.over(&mut sheet, *id, &cells)?,
            None => result.below(&mut sheet, number + 1, &cells),
        }
    }
    Ok((result, sheet))
}

/// How many slots rows get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slots {
    To(i64),
    By(i64),
    ByPercent(i64),
}

impl Slots {
    /// `450`, `+50`, `-10%`
    fn parse(text: &str) -> Option<Self> {
        let text: String =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '\u{2212}' { '-' } else { c }).collect();
        let is_relative = text.starts_with(['+', '-']);
        let within = |most: i64| move |n: &i64| (-most..=most).contains(n);
        let number = |text: &str| text.parse::<i64>().ok().filter(within(headroom_domain::MAX_SLOTS));
        match text.strip_suffix('%') {
            Some(percent) if is_relative => number(percent).filter(within(1_000)).map(Self::ByPercent),
            Some(_) => None,
            None if is_relative => number(&text).map(Self::By),
            None => number(&text).map(Self::To),
        }
    }

    /// Parts of a slot are rounded to the nearest whole one.
    fn of(self, slots: i64) -> i64 {
        match self {
            Self::To(slots) => slots,
            Self::By(more) => slots + more,
            Self::ByPercent(percent) => (slots * (100 + percent) + 50).div_euclid(100),
        }
    }
}

/// One change of many rows.
struct Bulk {
    slots: Option<Slots>,
    by: TimeDelta,
    cells: Vec<(Field, String)>,
}

impl Bulk {
    fn read(posted: &Posted) -> Result<Self> {
        let mut problems = Vec::new();
        let text = |name: &str| Some(posted.get(name)).filter(|text| !text.is_empty());
        let slots = text("slots").and_then(|text| {
            let slots = Slots::parse(text);
            if slots.is_none() {
                problems.push(Problem::new(
                    "slots",
                    text,
                    "a whole number such as 450, or a change: +50, -50, +10%, -10%",
                ));
            }
            slots
        });
        let hours = match posted.get("unit") {
            "hours" => 1,
            _ => 24,
        };
        let by = text("by").and_then(|text| {
            let most = MOST_HOURS / hours;
            let by = text.replace('\u{2212}', "-").parse::<i64>().ok().filter(|by| (-most..=most).contains(by));
            if by.is_none() {
                let expected = format!("a whole number from -{0} to {0}", MOST_HOURS / hours);
                problems.push(Problem::new("move by", text, expected));
            }
            by
        });
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let cells: Vec<(Field, String)> = [Field::Kind, Field::Zone]
            .into_iter()
            .filter_map(|field| Some((field, text(field.as_str())?.to_owned())))
            .collect();
        if slots.is_none() && by.is_none() && cells.is_empty() {
            return Err(AppError::invalid(
                "change",
                "",
                "slots, a move, a kind or a zone for the selected reservations",
            ));
        }
        Ok(Self { slots, by: TimeDelta::hours(by.unwrap_or(0) * hours), cells })
    }

    fn apply(&self, sheet: &Sheet, id: Uuid, before: &Terms) -> Result<Terms, Vec<Fault>> {
        let mut moved = before.clone();
        moved.shift(self.by);
        if let Some(rule) = before.repeat.as_ref().filter(|_| moved.start.local.date() != before.start.local.date()) {
            let expected =
                "one that does not repeat, to be moved to another day; the days of a rule are changed in its form";
            return Err(vec![Fault::new("repeat", rule.to_string(), expected)]);
        }
        let slots = self.slots.map(|slots| slots.of(before.slots).to_string());
        let mut cells: Vec<(Field, &str)> = self.cells.iter().map(|(field, text)| (*field, text.as_str())).collect();
        cells.extend(slots.as_deref().map(|slots| (Field::Slots, slots)));
        // Without a move times are as they were, also where clocks show them twice.
        sheet.rewritten(id, if self.by.is_zero() { before } else { &moved }, &cells)
    }
}

/// The rows that were selected, changed or cancelled: all of them or none.
async fn bulk(app: &App, posted: &Posted) -> Result<Outcome> {
    let mut seen = HashSet::new();
    let ids: Vec<Uuid> = posted.all("pick").into_iter().filter_map(id_of).filter(|id| seen.insert(*id)).collect();
    if ids.is_empty() {
        return Err(AppError::invalid("selection", "", "at least one reservation; tick the box before its name"));
    }
    let is_cancel = posted.get("do") == "bulk-cancel";
    let change = if is_cancel { None } else { Some(Bulk::read(posted)?) };
    let draft = existing_draft(app, posted).await?;
    let sheet = app.sheet(posted.get("pool"), draft.as_ref().map(|(draft, _)| draft), &ids).await?;
    let (changed, sheet) = apart(move || changed(sheet, &ids, change.as_ref())).await?;
    let draft = save(app, posted, draft, sheet).await?;
    let what = if is_cancel { "cancelled" } else { "changed" };
    let said = match changed {
        0 => format!("Nothing was {what}: it is so already."),
        1 => format!("1 reservation is {what} in the draft."),
        n => format!("{} are {what} in the draft.", counted(n, "reservation")),
    };
    Ok(Outcome { draft, said, faults: Vec::new(), is_partly: false })
}

/// Changes rows of the sheet, or cancels them if there is no change. Returns how many are different now.
fn changed(mut sheet: Sheet, ids: &[Uuid], change: Option<&Bulk>) -> Result<(usize, Sheet)> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut changed = 0;
    for id in ids.iter().copied() {
        if change.is_none() && sheet.is_cancelled(id) {
            continue;
        }
        let before = sheet.terms(id)?.clone();
        let after = match change {
            None => None,
            Some(change) => match change.apply(&sheet, id, &before) {
                Ok(after) if after == before => continue,
                Ok(after) => Some(after),
                Err(faults) => {
                    let problem = |fault: &Fault| {
                        let field =
                            format!("{}, {}", before.name, fault.field.parse().map_or(fault.field, words::label));
                        Problem::new(field, &fault.found, fault.expected.clone())
                    };
                    problems.extend(faults.iter().map(problem));
                    continue;
                }
            },
        };
        sheet.take(id, after);
        changed += 1;
    }
    if problems.len() > MOST_TOLD {
        let more = problems.len() - MOST_TOLD;
        problems.truncate(MOST_TOLD);
        problems.push(Problem::new("others", format!("{more} more problems"), "none"));
    }
    if problems.is_empty() { Ok((changed, sheet)) } else { Err(AppError::Invalid(problems)) }
}

/// Whether an edit is one of the table.
pub(super) fn is_of_table(what: &str) -> bool {
    matches!(what, "cell" | "paste" | "bulk" | "bulk-cancel")
}

/// POST `/planner/act` from the table.
pub(super) async fn act(app: App, visit: Visit, posted: Posted) -> Response {
    let what = posted.get("do");
    let outcome = match what {
        "cell" => cell(&app, &posted).await,
        "paste" => paste(&app, &posted).await,
        _ => bulk(&app, &posted).await,
    };
    let (status, draft, refused) = match outcome {
        Ok(Outcome { draft, said, faults, is_partly }) if faults.is_empty() && !is_partly => {
            return done(&back(&posted, draft), &said);
        }
        Ok(Outcome { draft, said, faults, .. }) => {
            (StatusCode::UNPROCESSABLE_ENTITY, draft, Refused { sentence: Some(said), faults, ..Refused::default() })
        }
        Err(error) if is_told(&error) => {
            let (status, sentence) = told(error);
            let stop = if sentence.ends_with('.') { "" } else { "." };
            let sentence = Some(format!("{sentence}{stop} The draft is as it was."));
            let bulk = what.starts_with("bulk").then(|| filled(&posted));
            (status, id_of(posted.get("draft")), Refused { sentence, bulk, ..Refused::default() })
        }
        Err(error) => return failure(&app, &visit, error).await,
    };
    match show(&app, &visit_of(&visit, &back(&posted, draft)), status, refused).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_set_or_changed() {
        for (text, of_101) in [
            ("450", Some(450)),
            ("+50", Some(151)),
            (" - 1", Some(100)),
            ("\u{2212}10%", Some(91)),
            ("+10 %", Some(111)),
            ("-100%", Some(0)),
            ("10%", None),
            ("+", None),
            ("4OO", None),
            ("+1001%", None),
            ("99999999999999999999", None),
            ("-9223372036854775808", None),
        ] {
            assert_eq!(Slots::parse(text).map(|slots| slots.of(101)), of_101, "{text}");
        }
    }

    #[test]
    fn what_spreadsheets_put_on_the_clipboard_is_cells() {
        assert_eq!(pasted("a\t\"b \"\"c\"\"\"\r\n\r\n\t7\n").unwrap(), [vec!["a", "b \"c\""], vec![""], vec!["", "7"]]);
        assert_eq!(pasted("\"x\ny\"\tz\r\nw").unwrap(), [vec!["x\ny", "z"], vec!["w"]]);
        assert_eq!(pasted("\"x\nz\" y\t7").unwrap(), [vec!["\"x"], vec!["z\" y", "7"]]);
        let too_many = "\t".repeat(MOST_CELLS);
        for text in ["", too_many.as_str(), &"x".repeat(MOST_BYTES + 1)] {
            assert!(matches!(pasted(text), Err(AppError::Invalid(_))), "{} bytes", text.len());
        }
    }
}
