//! Files of rows with named columns: CSV with a header line, or one JSON object a line.
//!
//! A row is cut into cells in place; nothing is allocated per row.

use super::lines::{Lines, ReadError};
use super::object;
use super::report::{LineError, Wrong, shown};
use headroom_domain::slug::nearest;
use std::fmt;
use std::str::FromStr;

/// Most extra signals one file may name.
pub const MAX_SIGNAL_NAMES: usize = 64;
const SIGNAL: &[u8] = b"signal:";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A header line, then a line a row, cells separated by commas.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        })
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "csv" => Ok(Self::Csv),
            "ndjson" | "jsonl" | "json" => Ok(Self::Ndjson),
            _ => Err(format!("{word:?} is no format: expected csv or ndjson")),
        }
    }
}

/// The columns a kind of file may have, and the extra signals found so far.
#[derive(Debug, Clone)]
pub struct Columns {
    known: &'static [&'static str],
    with_signals: bool,
    signals: Vec<String>,
    /// The column that stood at each place of the row before: most senders write every row alike.
    usual: Vec<usize>,
}

impl Columns {
    /// Columns by name; a column's number is its place here.
    pub fn new(known: &'static [&'static str], with_signals: bool) -> Self {
        Self { known, with_signals, signals: Vec::new(), usual: Vec::new() }
    }

    /// Whether extra signals are allowed.
    pub fn signals(&self) -> bool {
        self.with_signals
    }

    /// Names of the extra signals; their columns follow the known ones.
    pub fn signal_names(&self) -> &[String] {
        &self.signals
    }

    /// Number of the first extra signal's column.
    pub fn first_signal(&self) -> usize {
        self.known.len()
    }

    fn len(&self) -> usize {
        self.known.len() + self.signals.len()
    }

    fn name(&self, at: usize) -> String {
        match self.known.get(at) {
            Some(name) => (*name).to_owned(),
            None => format!("signal:{}", self.signals[at - self.known.len()]),
        }
    }

    /// The number of a column.
    pub fn find(&mut self, name: &[u8]) -> Result<usize, Wrong> {
        if let Some(at) = self.known.iter().position(|known| known.as_bytes() == name) {
            return Ok(at);
        }
        if self.with_signals
            && let Some(signal) = name.strip_prefix(SIGNAL)
        {
            return self.signal(signal);
        }
        Err(self.unknown(name))
    }

    /// The number of the column that stands at a place of its row.
    pub fn find_at(&mut self, place: usize, name: &[u8]) -> Result<usize, Wrong> {
        if let Some(&at) = self.usual.get(place)
            && self.known.get(at).is_some_and(|known| known.as_bytes() == name)
        {
            return Ok(at);
        }
        let at = self.find(name)?;
        // A row names each column once, so this is bounded too.
        if place < self.known.len() {
            self.usual.resize(self.usual.len().max(place + 1), usize::MAX);
            self.usual[place] = at;
        }
        Ok(at)
    }

    /// The column of an extra signal, made on first sight.
    pub fn signal(&mut self, name: &[u8]) -> Result<usize, Wrong> {
        if let Some(at) = self.signals.iter().position(|known| known.as_bytes() == name) {
            return Ok(self.known.len() + at);
        }
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        if name.is_empty() || name.len() > 63 || !name[0].is_ascii_lowercase() || !name.iter().all(plain) {
            return Err(Wrong::new("signals", name, "a name of a-z, 0-9 and _, first a letter, at most 63"));
        }
        if self.signals.len() == MAX_SIGNAL_NAMES {
            return Err(Wrong::new("signals", name, format!("at most {MAX_SIGNAL_NAMES} names in all")));
        }
        self.signals.push(String::from_utf8_lossy(name).into_owned());
        Ok(self.len() - 1)
    }

    fn unknown(&self, name: &[u8]) -> Wrong {
        let signals = if self.with_signals { ", signal:NAME" } else { "" };
        let known = self.known.join(", ");
        let name_text = String::from_utf8_lossy(&name[..name.len().min(63)]);
        let expected = match nearest(&name_text, self.known.iter().copied()) {
            Some(near) => format!("a known column, perhaps {near} (known: {known}{signals})"),
            None => format!("a known column ({known}{signals})"),
        };
        Wrong::new("column", name, expected)
    }
}

/// The cells of one row: places in its line, or in text of their own where that had to be made.
#[derive(Debug, Default)]
pub struct Cells {
    places: Vec<(u32, u32)>,
    own: Vec<u8>,
    uses_own: bool,
}

impl Cells {
    /// Empties all cells.
    pub fn clear(&mut self, columns: &Columns) {
        self.places.clear();
        self.places.resize(columns.len(), (0, 0));
        self.own.clear();
        self.uses_own = false;
    }

    /// Sets a cell to a place in the line.
    pub fn set(&mut self, columns: &Columns, at: usize, (from, to): (usize, usize)) -> Result<(), Wrong> {
        if at >= self.places.len() {
            self.places.resize(columns.len(), (0, 0));
        }
        let place = &mut self.places[at];
        if *place != (0, 0) {
            return Err(Wrong::new("line", columns.name(at).as_bytes(), "each name once"));
        }
        *place = (from as u32, to as u32);
        Ok(())
    }

    /// Sets a cell to text of its own. A row uses either places or own text, never both.
    pub fn set_text(&mut self, columns: &Columns, at: usize, text: &str) -> Result<(), Wrong> {
        self.uses_own = true;
        let from = self.own.len();
        self.own.extend_from_slice(text.as_bytes());
        self.set(columns, at, (from, self.own.len()))
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    line: &'a [u8],
    cells: &'a Cells,
}

impl<'a> Row<'a> {
    /// The cells of a line.
    pub fn new(line: &'a [u8], cells: &'a Cells) -> Self {
        Self { line, cells }
    }

    /// A cell without blanks around it; empty if it is not there.
    pub fn cell(&self, at: usize) -> &'a [u8] {
        let Some(&(from, to)) = self.cells.places.get(at) else { return &[] };
        let text = if self.cells.uses_own { &self.cells.own[..] } else { self.line };
        let cell = &text[from as usize..to as usize];
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = cell { cell.trim_ascii() } else { cell }
    }
}

/// Reads rows.
#[derive(Debug)]
pub struct Table {
    lines: Lines,
    format: Format,
    columns: Columns,
    /// For CSV: the column of each field.
    order: Vec<usize>,
    cells: Cells,
}

/// What comes next in a table.
#[derive(Debug)]
pub struct Next<'a> {
    /// Number of its line.
    pub line: u64,
    /// Bytes of input up to its end.
    pub end: u64,
    /// The columns known, extra signals included.
    pub columns: &'a Columns,
    /// The row, or what is wrong with it.
    pub row: Result<Row<'a>, Wrong>,
}

impl Table {
    /// Opens a table; without a format it is NDJSON if it starts with a brace. CSV reads its header.
    pub fn open(mut lines: Lines, mut columns: Columns, format: Option<Format>) -> Result<Self, ReadError> {
        let format = format.unwrap_or(if lines.starts_with_brace() { Format::Ndjson } else { Format::Csv });
        let mut order = Vec::new();
        if format == Format::Csv {
            let header = loop {
                match lines.next_line()? {
                    None => {
                        return Err(ReadError::Head(
                            "the file is empty, expected a header line with column names".into(),
                        ));
                    }
                    Some(line) => match line.bytes {
                        Some(bytes) if bytes.trim_ascii().is_empty() => {}
                        Some(bytes) => break (line.number, bytes.to_vec()),
                        None => return Err(ReadError::Head(too_long().on(line.number).to_string())),
                    },
                }
            };
            order = read_header(header.0, &header.1, &mut columns)?;
        }
        Ok(Self { lines, format, columns, order, cells: Cells::default() })
    }

    /// Whether a column is in the header (CSV) or may be in any row (NDJSON).
    pub fn has(&self, at: usize) -> bool {
        self.format == Format::Ndjson || self.order.contains(&at)
    }

    /// The next row that is not blank; `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Next<'_>>, ReadError> {
        let Self { lines, format, columns, order, cells } = self;
        if !lines.skip_blank()? {
            return Ok(None);
        }
        let Some(line) = lines.next_line()? else { return Ok(None) };
        let (number, end) = (line.number, line.end);
        let row = match line.bytes {
            None => Err(too_long()),
            Some(bytes) => {
                let cut = match format {
                    Format::Csv => cut_csv(bytes, columns, order, cells),
                    Format::Ndjson => object::cut(bytes, columns, cells),
                };
                cut.map(|()| Row { line: bytes, cells })
            }
        };
        Ok(Some(Next { line: number, end, columns, row }))
    }
}

fn too_long() -> Wrong {
    Wrong::new("line", b"more than 1048576 bytes without a line end", "lines of at most 1048576 bytes")
}

fn read_header(number: u64, header: &[u8], columns: &mut Columns) -> Result<Vec<usize>, ReadError> {
    let head = |wrong: Wrong| -> ReadError {
        let error: LineError = wrong.on(number);
        ReadError::Head(error.to_string())
    };
    if !header.contains(&b',') && (header.contains(&b';') || header.contains(&b'\t')) {
        let expected = "column names separated by commas; this line has semicolons or tabs";
        return Err(head(Wrong::new("header", header, expected)));
    }
    let mut order = Vec::new();
    for name in header.split(|b| *b == b',') {
        let name = name.trim_ascii();
        let name = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\"")).unwrap_or(name);
        let at = columns.find(name).map_err(head)?;
        if order.contains(&at) {
            return Err(head(Wrong::new("header", name, "each column once")));
        }
        order.push(at);
    }
    Ok(order)
}

fn cut_csv(line: &[u8], columns: &Columns, order: &[usize], cells: &mut Cells) -> Result<(), Wrong> {
    cells.clear(columns);
    if memchr::memchr(b'"', line).is_some() {
        return cut_quoted(line, columns, order, cells);
    }
    let mut from = 0;
    let mut field = 0;
    for to in memchr::memchr_iter(b',', line).chain(std::iter::once(line.len())) {
        if let Some(at) = order.get(field) {
            cells.places[*at] = (from as u32, to as u32);
        }
        field += 1;
        from = to + 1;
    }
    if field == order.len() { Ok(()) } else { Err(wrong_count(field, order.len())) }
}

fn wrong_count(found: usize, expected: usize) -> Wrong {
    Wrong::new("line", format!("{found} cells").as_bytes(), format!("{expected}, as in the header"))
}

/// A line with quotes in it, after RFC 4180; a line end inside quotes is not supported.
fn cut_quoted(line: &[u8], columns: &Columns, order: &[usize], cells: &mut Cells) -> Result<(), Wrong> {
    let mut field = 0;
    let mut at = 0;
    cells.uses_own = true;
    loop {
        let from = cells.own.len();
        if line.get(at) == Some(&b'"') {
            at += 1;
            loop {
                let Some(length) = memchr::memchr(b'"', &line[at..]) else {
                    return Err(Wrong::new("line", &line[at - 1..], "a closing quote on the same line"));
                };
                cells.own.extend_from_slice(&line[at..at + length]);
                at += length + 1;
                if line.get(at) != Some(&b'"') {
                    break;
                }
                cells.own.push(b'"');
                at += 1;
            }
            if !matches!(line.get(at), None | Some(b',')) {
                return Err(Wrong::new("line", &line[at..], "a comma after the closing quote"));
            }
        } else {
            let length = memchr::memchr(b',', &line[at..]).unwrap_or(line.len() - at);
            cells.own.extend_from_slice(&line[at..at + length]);
            at += length;
        }
        if let Some(column) = order.get(field) {
            cells.set(columns, *column, (from, cells.own.len()))?;
        }
        field += 1;
        if at >= line.len() {
            break;
        }
        at += 1;
    }
    if field == order.len() { Ok(()) } else { Err(wrong_count(field, order.len())) }
}

/// A cell as text, for names and titles.
pub fn text(column: &'static str, cell: &[u8]) -> Result<String, Wrong> {
    match std::str::from_utf8(cell) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Wrong { column: column.into(), found: shown(cell), expected: "UTF-8 text".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    const COLUMNS: &[&str] = &["pool", "ts", "occupied"];

    fn open(text: &[u8]) -> Result<Table, ReadError> {
        Table::open(Lines::new(Box::new(Cursor::new(text.to_vec())))?, Columns::new(COLUMNS, true), None)
    }

    fn rows(text: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        let mut table = open(text).expect("readable");
        let mut out = Vec::new();
        while let Some(next) = table.next_row().expect("readable") {
            let cells = next.row.map(|row| (0..4).map(|i| String::from_utf8_lossy(row.cell(i)).into_owned()).collect());
            out.push((next.line, cells.map_err(|wrong| wrong.to_string())));
        }
        out
    }

    #[expect(clippy::unnecessary_wraps, reason = "what it is compared with may fail")]
    fn cells(of: [&str; 4]) -> Result<Vec<String>, String> {
        Ok(of.map(str::to_owned).to_vec())
    }

    #[test]
    fn csv_in_any_order_with_quotes_and_blank_lines() {
        let got = rows(b"occupied,\"pool\",ts,signal:lag\n5,a,t,1.5\n\n7,\"b,\"\"c\",,\n");
        assert_eq!(got[0], (2, cells(["a", "t", "5", "1.5"])));
        assert_eq!(got[1], (4, cells(["b,\"c", "", "7", ""])));
    }

    #[test]
    fn json_objects_with_and_without_escapes() {
        let got = rows(
            b"{\"pool\":\"a\",\"occupied\":5 , \"ts\":null,\"signals\":{\"lag\":1.5}}\n  {\"pool\":\"\\u0062\",\"signals\":{\"lag\":2}}\n{}\n",
        );
        assert_eq!(got[0], (1, cells(["a", "", "5", "1.5"])));
        assert_eq!(got[1], (2, cells(["b", "", "", "2"])));
        assert_eq!(got[2], (3, cells(["", "", "", ""])));
    }

    #[test]
    fn wrong_rows_are_told_and_the_next_ones_read() {
        let got = rows(b"pool,ts,occupied\na,t\na,t,5,6\n\"a,t,5\n\"a\"x,t,5\na,t,9\n");
        let problems: Vec<String> = got[..4].iter().map(|(_, row)| row.clone().unwrap_err()).collect();
        assert_eq!(problems[0], "line: found \"2 cells\", expected 3, as in the header");
        assert_eq!(problems[1], "line: found \"4 cells\", expected 3, as in the header");
        assert!(problems[2].contains("a closing quote"), "{}", problems[2]);
        assert!(problems[3].contains("a comma after"), "{}", problems[3]);
        assert!(got[4].1.is_ok());
        let got = rows(
            b"{\"pool\":\"a\"\n{\"pool\":[1]}\n{\"pool\":\"a\",\"pool\":\"b\"}\n{\"pool\":\"a\"} x\n{\"poool\":1}\n",
        );
        assert!(got.iter().all(|(_, row)| row.is_err()), "{got:?}");
        assert!(got[4].1.as_ref().unwrap_err().contains("perhaps pool"), "{got:?}");
    }

    #[test]
    fn headers_that_do_not_fit_are_refused_with_what_is_known() {
        let refused = |text: &[u8]| open(text).unwrap_err().to_string();
        assert_eq!(
            refused(b"pool,ts,ocupied\n"),
            "line 1, column: found \"ocupied\", expected a known column, perhaps occupied (known: pool, ts, occupied, signal:NAME)"
        );
        assert!(refused(b"pool;ts;occupied\n").contains("separated by commas"));
        assert!(refused(b"pool,pool\n").contains("each column once"));
        assert!(refused(b"pool,signal:Lag\n").contains("a name of a-z"));
        assert!(refused(b"").contains("the file is empty"));
        assert!(refused(b"\0\0\0\0").contains("\\0\\0"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200), csv in any::<bool>()) {
            let mut bytes = if csv { b"pool,ts,occupied\n".to_vec() } else { b"{".to_vec() };
            bytes.extend(text);
            let _ = rows(&bytes);
        }

        #[test]
        fn objects_are_cut_as_a_general_parser_would(pool in "[a-z\"\\\\ é]{0,8}", occupied in any::<u32>()) {
            let line = serde_json::json!({"pool": pool, "occupied": occupied}).to_string();
            let got = rows(line.as_bytes());
            let trimmed = pool.trim_matches([' ', '\t']);
            prop_assert_eq!(&got[0].1, &cells([trimmed, "", &occupied.to_string(), ""]));
        }
    }
}
