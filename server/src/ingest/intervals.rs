//! One row of an interval: slots that a tenant held in a pool from a start to an end.

use super::cells;
use super::report::Wrong;
use super::table::{Columns, Row};
use headroom_domain::{MAX_SLOTS, Millis};

/// The columns a row may have. Each time is RFC 3339, or epoch seconds (`_s`) or milliseconds (`_ms`).
pub const COLUMNS: &[&str] = &[
    "pool",
    "tenant",
    "slots",
    "start",
    "start_s",
    "start_ms",
    "end",
    "end_s",
    "end_ms",
    "submit",
    "submit_s",
    "submit_ms",
    "state",
    "reservation",
    "reserved",
];

/// The pool's slug.
pub const POOL: usize = 0;
/// The tenant's slug.
pub const TENANT: usize = 1;
/// Slots held.
pub const SLOTS: usize = 2;
/// First of the columns of the start; of the end; of the submission.
pub const START: usize = 3;
/// See [`START`].
pub const END: usize = 6;
const SUBMIT: usize = 9;
const STATE: usize = 12;
const RESERVED: usize = 14;

/// States in which work holds nothing yet, or never held anything.
const NEVER_HELD: [&str; 7] = ["pending", "queued", "cancelled", "canceled", "rejected", "skipped", "never-ran"];

/// Columns of interval rows.
pub fn columns() -> Columns {
    Columns::new(COLUMNS, false)
}

/// What a row states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    /// First instant.
    pub start: Millis,
    /// First instant after it.
    pub end: Millis,
    /// When it was asked for; not after the start.
    pub submit: Option<Millis>,
    /// Slots held.
    pub slots: i64,
    /// Slots promised.
    pub reserved: Option<i64>,
}

/// Reads a row; `None` if nothing was ever held.
pub fn values(row: &Row<'_>) -> Result<Option<Values>, Wrong> {
    let state = row.cell(STATE);
    let never_held = NEVER_HELD.iter().any(|word| state.eq_ignore_ascii_case(word.as_bytes()));
    let (start, end) = (time(row, "start", START)?, time(row, "end", END)?);
    let (start, end) = match (start, end) {
        (Some(start), Some(end)) => (start, end),
        _ if never_held => return Ok(None),
        (None, _) => return Err(Wrong::new("start", b"", "a time such as 2026-11-21T08:00:00Z")),
        (_, None) => {
            return Err(Wrong::new("end", b"", "a time such as 2026-11-21T08:00:00Z; leave out what has not ended"));
        }
    };
    if end < start {
        return Err(Wrong::new("end", text(row, END), "a time that is not before the start"));
    }
    let slots = cells::whole("slots", row.cell(SLOTS), 0, MAX_SLOTS)?;
    let reserved = cells::optional("reserved", row.cell(RESERVED), 0, MAX_SLOTS)?;
    let submit = time(row, "submit", SUBMIT)?;
    if submit.is_some_and(|submit| submit > start) {
        return Err(Wrong::new("submit", text(row, SUBMIT), "a time that is not after the start"));
    }
    if end == start || (slots == 0 && reserved.unwrap_or(0) == 0) {
        return Ok(None);
    }
    Ok(Some(Values { start, end, submit, slots, reserved }))
}

/// The filled one of three columns of a time.
fn text<'a>(row: &Row<'a>, first: usize) -> &'a [u8] {
    (first..first + 3).map(|at| row.cell(at)).find(|cell| !cell.is_empty()).unwrap_or_default()
}

fn time(row: &Row<'_>, name: &'static str, first: usize) -> Result<Option<Millis>, Wrong> {
    let filled = (first..first + 3).filter(|at| !row.cell(*at).is_empty());
    let mut found = None;
    for at in filled {
        if found.is_some() {
            return Err(Wrong::new(name, b"several times", format!("one of {name}, {name}_s, {name}_ms")));
        }
        let cell = row.cell(at);
        found = Some(match at - first {
            0 => cells::rfc3339(name, cell)?,
            1 => cells::epoch(name, cell, 1000)?,
            _ => cells::epoch(name, cell, 1)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::object;
    use crate::ingest::table::Cells;

    fn read(line: &str) -> Result<Option<Values>, String> {
        let (mut columns, mut cells) = (columns(), Cells::default());
        object::cut(line.as_bytes(), &mut columns, &mut cells).map_err(|e| e.to_string())?;
        values(&Row::new(line.as_bytes(), &cells)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_row_states_what_was_held() {
        let held =
            read(r#"{"pool":"a","tenant":"t","slots":3,"start_s":10,"end_ms":20000,"submit_s":5}"#).expect("right");
        assert_eq!(held, Some(Values { start: 10_000, end: 20_000, submit: Some(5_000), slots: 3, reserved: None }));
    }

    #[test]
    fn what_never_held_anything_is_no_interval() {
        for line in [
            r#"{"slots":3,"start_s":10,"end_s":10}"#,
            r#"{"slots":0,"start_s":10,"end_s":20}"#,
            r#"{"slots":3,"state":"PENDING"}"#,
            r#"{"slots":3,"state":"cancelled","submit_s":3}"#,
        ] {
            assert_eq!(read(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn wrong_rows_name_their_column() {
        for (line, start) in [
            (r#"{"slots":3,"start_s":10,"end_s":9}"#, "end: found \"9\", expected a time that is not before"),
            (r#"{"slots":3,"start_s":10}"#, "end: nothing found"),
            (r#"{"slots":3,"end_s":10}"#, "start: nothing found"),
            (r#"{"slots":-3,"start_s":10,"end_s":20}"#, "slots: found \"-3\""),
            (r#"{"slots":3,"start_s":10,"start_ms":1,"end_s":20}"#, "start: found \"several times\""),
            (
                r#"{"slots":3,"start_s":10,"end_s":20,"submit_s":11}"#,
                "submit: found \"11\", expected a time that is not after",
            ),
            (r#"{"slots":3,"start":"2026","end_s":20}"#, "start: found \"2026\""),
        ] {
            let problem = read(line).expect_err(line);
            assert!(problem.starts_with(start), "{line}: {problem}");
        }
    }
}
