//! One row of a change event: a deploy, a swap, a scaling or a new configuration.

use super::cells;
use super::report::Wrong;
use super::table::{Columns, Row, text};
use headroom_domain::Millis;
use headroom_domain::change::ChangeKind;

/// The columns a row may have.
pub const COLUMNS: &[&str] = &["ts", "ts_s", "ts_ms", "kind", "pool", "title", "url", "actor"];

/// When: the first of three columns.
pub const TS: usize = 0;
/// What kind.
pub const KIND: usize = 3;
/// The pool's slug; empty = all pools.
pub const POOL: usize = 4;
/// One line.
pub const TITLE: usize = 5;
const URL: usize = 6;
const ACTOR: usize = 7;

const MAX_TITLE: usize = 300;
const MAX_URL: usize = 2000;
const MAX_ACTOR: usize = 120;

/// Columns of change rows.
pub fn columns() -> Columns {
    Columns::new(COLUMNS, false)
}

/// What a row states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// When.
    pub at: Millis,
    /// What kind.
    pub kind: ChangeKind,
    /// One line.
    pub title: String,
    /// Where to read more; may be empty.
    pub url: String,
    /// Who did it; may be empty.
    pub actor: String,
}

/// Reads a row, its pool apart.
pub fn values(row: &Row<'_>) -> Result<Values, Wrong> {
    let at = match (row.cell(TS), row.cell(TS + 1), row.cell(TS + 2)) {
        (ts, b"", b"") => cells::rfc3339("ts", ts)?,
        (b"", seconds, b"") => cells::epoch("ts_s", seconds, 1000)?,
        (b"", b"", millis) => cells::epoch("ts_ms", millis, 1)?,
        _ => return Err(Wrong::new("ts", b"several times", "one of ts, ts_s, ts_ms")),
    };
    let kind = text("kind", row.cell(KIND))?;
    let kind =
        kind.parse::<ChangeKind>().map_err(|_| Wrong::new("kind", row.cell(KIND), "deploy, swap, scale or config"))?;
    let title = line("title", row.cell(TITLE), MAX_TITLE)?;
    if title.trim().is_empty() {
        return Err(Wrong::new("title", b"", format!("1 to {MAX_TITLE} characters")));
    }
    let url = line("url", row.cell(URL), MAX_URL)?;
    if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(Wrong::new("url", row.cell(URL), "an http or https address"));
    }
    Ok(Values { at, kind, title, url, actor: line("actor", row.cell(ACTOR), MAX_ACTOR)? })
}

fn line(column: &'static str, cell: &[u8], most: usize) -> Result<String, Wrong> {
    let line = text(column, cell)?;
    if line.chars().count() > most || line.chars().any(char::is_control) {
        return Err(Wrong::new(column, cell, format!("one line of at most {most} characters")));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::object;
    use crate::ingest::table::Cells;

    fn read(line: &str) -> Result<Values, String> {
        let (mut columns, mut cells) = (columns(), Cells::default());
        object::cut(line.as_bytes(), &mut columns, &mut cells).map_err(|e| e.to_string())?;
        values(&Row::new(line.as_bytes(), &cells)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_change() {
        let change =
            read(r#"{"ts":"2026-11-21T08:00:00Z","kind":"deploy","title":"v2","url":"https://x/y"}"#).expect("right");
        assert_eq!((change.at, change.kind, change.title.as_str()), (1_795_248_000_000, ChangeKind::Deploy, "v2"));
    }

    #[test]
    fn wrong_rows_name_their_column() {
        for (line, start) in [
            (
                r#"{"ts_s":1,"kind":"party","title":"x"}"#,
                "kind: found \"party\", expected deploy, swap, scale or config",
            ),
            (r#"{"ts_s":1,"kind":"swap"}"#, "title: nothing found"),
            (r#"{"ts_s":1,"kind":"swap","title":"a\nb"}"#, "title: found \"a\\nb\", expected one line"),
            (r#"{"ts_s":1,"kind":"swap","title":"a","url":"javascript:x"}"#, "url: found"),
            (r#"{"kind":"swap","title":"a"}"#, "ts: nothing found"),
        ] {
            let problem = read(line).expect_err(line);
            assert!(problem.starts_with(start), "{line}: {problem}");
        }
    }
}
