//! Reservations as CSV. What is written is read back as it was; what is read is checked row by row, and each fault names its row,
//! its column, what was found and what was expected.

use super::columns::{self, Column, ID, NEEDED};
use super::repairs::Repairs;
use csv::StringRecord;
use headroom_domain::plan::Fault;
use headroom_domain::plan::change::Field;
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::text;
use headroom_domain::slug::Slug;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Most bytes of a table.
pub const MOST_BYTES: usize = 20 * 1024 * 1024;
/// Most rows of a table.
pub const MOST_ROWS: usize = 20_000;
/// Most faults that are told at once.
pub const MOST_TOLD: usize = 1_000;
/// Most faults that are counted: more than a table of the most rows with three faults each has.
pub const MOST_COUNTED: usize = 60_000;
/// Longest cell that is read, in bytes: all exceptions and temporary changes of a reservation fit.
pub(super) const LONGEST_CELL: usize = 32 * 1024;
/// Longest sentence about a rejected row in the file of them, in characters.
const LONGEST_TOLD: usize = 500;

/// A fault in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    /// The row as spreadsheets count: the header is 1.
    pub row: usize,
    /// The column's name in the file; empty if the row as a whole is wrong.
    pub column: String,
    /// The column's place in the file, if it has the column.
    pub place: Option<usize>,
    /// The field; empty if the row as a whole is wrong.
    pub field: &'static str,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// A row that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The row as spreadsheets count.
    pub row: usize,
    /// The reservation that it is about, if the file says so.
    pub id: Option<Uuid>,
    /// What it says.
    pub terms: Terms,
    /// Its cells, with what was repaired.
    pub cells: StringRecord,
}

/// A row that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The row as spreadsheets count.
    pub row: usize,
    /// Its cells, with what was repaired.
    pub cells: StringRecord,
    /// What is wrong with it.
    pub told: String,
}

/// A table that was read.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Columns as they were understood: their names in the file and what they are, `None` = not read.
    pub columns: Vec<(String, Option<&'static str>)>,
    /// Rows that can be read.
    pub rows: Vec<TableRow>,
    /// Faults of the others, in order of rows; the first of them.
    pub faults: Vec<TableFault>,
    /// Rows with faults.
    pub bad: Vec<BadRow>,
    /// Rows that are left out because somebody said so.
    pub skipped: Vec<BadRow>,
    /// There are rows beyond the most that are read.
    pub is_cut: bool,
    /// Faults beyond this number are not kept.
    most_told: usize,
}

/// Text that a spreadsheet would take for a formula is quoted, and read without the quote.
fn quoted(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    if is_formula { format!("'{text}") } else { text }
}

/// Text as it was before it was quoted for a spreadsheet.
pub fn unquoted(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) => rest,
        _ => text,
    }
}

/// Writes reservations as CSV.
pub fn write<'a>(reservations: impl IntoIterator<Item = (Uuid, &'a Terms)>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = std::iter::once(ID).chain(Field::ALL.iter().map(|field| field.as_str()));
    // Writing into memory does not fail.
    let _ = writer.write_record(header);
    for (id, terms) in reservations {
        let cells = Field::ALL.iter().map(|field| quoted(field.text(terms)));
        let _ = writer.write_record(std::iter::once(id.to_string()).chain(cells));
    }
    writer.into_inner().unwrap_or_default()
}

/// Reads reservations from CSV: cells between commas, semicolons or tabs. A row without a zone has the pool's.
pub fn read(bytes: &[u8], zone: &str) -> Table {
    read_repaired(bytes, zone, &Repairs::default(), MOST_TOLD)
}

fn whole(row: usize, found: &str, expected: impl Into<String>) -> TableFault {
    TableFault {
        row,
        column: String::new(),
        place: None,
        field: "",
        found: found.chars().take(80).collect(),
        expected: expected.into(),
    }
}

/// The same, with what somebody repaired of it. So many faults are kept, and all of them are counted.
pub fn read_repaired(bytes: &[u8], zone: &str, repairs: &Repairs, most_told: usize) -> Table {
    let mut table = Table { most_told, ..Table::default() };
    if bytes.len() > MOST_BYTES {
        table.faults.push(whole(1, &format!("{} bytes", bytes.len()), "at most 20 MB"));
        return table;
    }
    let mut reader = columns::reader(bytes);
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            table.faults.push(whole(1, &error.to_string(), "a first row with names of columns"));
            return table;
        }
    };
    let names = columns::names(&header);
    let columns: Vec<Option<Column>> = match &repairs.columns {
        Some(words) => (0..names.len()).map(|place| words.get(place).and_then(|word| Column::parse(word))).collect(),
        None => names.iter().map(|name| Column::of(name)).collect(),
    };
    table.columns = names.iter().cloned().zip(columns.iter().map(|column| column.map(Column::as_str))).collect();
    if header.len() > columns::MOST_COLUMNS {
        table.faults.push(whole(1, &format!("{} columns", header.len()), "at most 100 columns"));
    }
    for field in NEEDED {
        if !columns.contains(&Some(Column::Is(field))) {
            let expected =
                format!("a column {} in the first row; needed are name, tenant, start and slots", field.as_str());
            table.faults.push(whole(1, &names.join(", "), expected));
        }
    }
    let twice = (1..columns.len()).find(|&i| columns[i].is_some() && columns[..i].contains(&columns[i]));
    if let Some(place) = twice {
        let column = names[place].clone();
        table.faults.push(TableFault { column, ..whole(1, &names[place], "each column once") });
    }
    if !table.faults.is_empty() {
        return table;
    }
    let mut rows = Rows { columns: &columns, names: &names, zone, seen: HashMap::new() };
    for (number, record) in reader.byte_records().enumerate() {
        let row = number + 2;
        if number >= MOST_ROWS {
            table.is_cut = true;
            table.tell(vec![whole(row, "another row", "at most 20,000 rows; split the file")]);
            break;
        }
        let cells = match record {
            Ok(record) if record.iter().all(<[u8]>::is_empty) => continue,
            Ok(record) => repaired(row, &record, &columns, repairs),
            Err(error) => {
                table.reject(row, StringRecord::new(), vec![whole(row, &error.to_string(), "a row of CSV")]);
                continue;
            }
        };
        if repairs.skipped.contains(&row) {
            table.skipped.push(BadRow { row, cells, told: "left out".to_owned() });
            continue;
        }
        match rows.one(row, &cells) {
            Ok((id, terms)) => table.rows.push(TableRow { row, id, terms, cells }),
            Err(faults) => table.reject(row, cells, faults),
        }
    }
    table
}

/// Cells of some rows as a table has them.
pub fn rows(bytes: &[u8], wanted: &BTreeSet<usize>) -> BTreeMap<usize, StringRecord> {
    let Some(last) = wanted.last() else { return BTreeMap::new() };
    let mut reader = columns::reader(bytes);
    let records = reader.byte_records().take(MOST_ROWS).zip(2..).take_while(|(_, row)| row <= last);
    let text = |record: csv::ByteRecord| record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    records
        .filter(|(_, row)| wanted.contains(row))
        .filter_map(|(record, row)| Some((row, text(record.ok()?))))
        .collect()
}

/// The cells of a row with what was corrected of them, and with values that are read as others.
fn repaired(row: usize, record: &csv::ByteRecord, columns: &[Option<Column>], repairs: &Repairs) -> StringRecord {
    let corrected = repairs.cells.get(&row);
    let most = corrected.and_then(|cells| cells.keys().next_back()).map_or(0, |place| place + 1).min(columns.len());
    let mut cells = StringRecord::with_capacity(record.as_slice().len(), record.len());
    for place in 0..record.len().max(most) {
        let text = String::from_utf8_lossy(record.get(place).unwrap_or_default());
        let text = corrected.and_then(|cells| cells.get(&place)).map_or(&*text, String::as_str);
        let column = columns.get(place).copied().flatten();
        let instead = column.and_then(|column| repairs.instead(column.as_str(), unquoted(text)));
        cells.push_field(instead.unwrap_or(text));
    }
    cells
}

impl Table {
    /// Rows with faults.
    pub fn bad_rows(&self) -> usize {
        self.bad.len() + usize::from(self.is_cut)
    }

    /// Rows that are not taken as they were, with what is wrong in a last column: a file to mend.
    pub fn rejected(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // Writing into memory does not fail.
        let _ = writer.write_record(self.columns.iter().map(|(name, _)| name.as_str()).chain(["problems"]));
        let mut rows: Vec<&BadRow> = self.bad.iter().chain(&self.skipped).collect();
        rows.sort_by_key(|bad| bad.row);
        for bad in rows {
            let cell = |place: usize| unquoted(bad.cells.get(place).unwrap_or_default());
            let last = self.columns.len().saturating_sub(1);
            // What has more cells than columns keeps them all, in the last one: the file may be the only copy.
            let surplus = || (last..bad.cells.len().max(last + 1)).map(cell).collect::<Vec<_>>().join(",");
            let text = |place: usize| if place == last { surplus() } else { cell(place).to_owned() };
            let cells = (0..self.columns.len()).map(|place| quoted(text(place)));
            let _ = writer.write_record(cells.chain([quoted(bad.told.clone())]));
        }
        writer.into_inner().unwrap_or_default()
    }

    fn tell(&mut self, faults: Vec<TableFault>) {
        let room = self.most_told.saturating_sub(self.faults.len());
        self.faults.extend(faults.into_iter().take(room));
    }

    fn reject(&mut self, row: usize, cells: StringRecord, faults: Vec<TableFault>) {
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{}: expected {}", fault.column, fault.expected)).collect();
        let told = told.join("; ").chars().take(LONGEST_TOLD).collect();
        self.bad.push(BadRow { row, cells, told });
        self.tell(faults);
    }

    /// Takes rows out that turned out to be wrong later: by row, their faults.
    pub fn refuse(&mut self, faults: Vec<TableFault>) {
        if faults.is_empty() {
            return;
        }
        let mut by: HashMap<usize, Vec<TableFault>> = HashMap::new();
        for fault in faults {
            by.entry(fault.row).or_default().push(fault);
        }
        let mut kept = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            match by.remove(&row.row) {
                Some(faults) => self.reject(row.row, row.cells, faults),
                None => kept.push(row),
            }
        }
        self.rows = kept;
        self.faults.sort_by_key(|fault| fault.row);
    }

    /// A fault of a row in a field.
    pub fn fault(&self, row: usize, field: &'static str, found: &str, expected: impl Into<String>) -> TableFault {
        let place = self.columns.iter().position(|(_, column)| *column == Some(field));
        let column = place.map_or(field, |place| self.columns[place].0.as_str()).to_owned();
        TableFault { column, place, field, ..whole(row, found, expected) }
    }
}

/// What rows are read by.
struct Rows<'a> {
    columns: &'a [Option<Column>],
    names: &'a [String],
    zone: &'a str,
    /// Names of reservations, with the row that has them.
    seen: HashMap<String, usize>,
}

impl Rows<'_> {
    fn place(&self, wanted: Column) -> Option<usize> {
        self.columns.iter().position(|column| *column == Some(wanted))
    }

    fn fault(&self, row: usize, column: Column, found: &str, expected: impl Into<String>) -> TableFault {
        let place = self.place(column);
        let name = place.map_or(column.as_str(), |place| self.names[place].as_str()).to_owned();
        TableFault { column: name, place, field: column.as_str(), ..whole(row, found, expected) }
    }

    fn one(&mut self, row: usize, cells: &StringRecord) -> Result<(Option<Uuid>, Terms), Vec<TableFault>> {
        if cells.len() > self.names.len() {
            let expected = format!("{} cells, as many as the first row has", self.names.len());
            return Err(vec![whole(row, &format!("{} cells", cells.len()), expected)]);
        }
        if let Some(place) = cells.iter().position(|cell| cell.len() > LONGEST_CELL) {
            let fault = whole(row, &cells[place], "at most 32,768 bytes in a cell");
            return Err(vec![TableFault { column: self.names[place].clone(), place: Some(place), ..fault }]);
        }
        let cell = |wanted: Column| {
            self.place(wanted).and_then(|place| cells.get(place)).map(unquoted).filter(|c| !c.is_empty())
        };
        let mut faults: Vec<TableFault> = Vec::new();
        let id = cell(Column::Id).and_then(|text| {
            let id = Uuid::parse_str(text).ok();
            if id.is_none() {
                faults.push(self.fault(row, Column::Id, text, "the id of a reservation, or nothing"));
            }
            id
        });
        let terms = text::read(|field| match (cell(Column::Is(field)), field) {
            (None, Field::Zone) => Some(self.zone.to_owned()),
            (cell, _) => cell.map(str::to_owned),
        });
        match terms {
            Ok(terms) => {
                let before = *self.seen.entry(terms.name.clone()).or_insert(row);
                if before != row {
                    let expected = format!("a name that no other row has; row {before} has it");
                    faults.push(self.fault(row, Column::Is(Field::Name), &terms.name, expected));
                }
                if faults.is_empty() { Ok((id, terms)) } else { Err(faults) }
            }
            Err(found) => {
                let own = |f: &Fault| {
                    Column::parse(f.field).map_or_else(
                        || whole(row, &f.found, f.expected.clone()),
                        |column| self.fault(row, column, &f.found, f.expected.clone()),
                    )
                };
                faults.extend(found.iter().map(own));
                // A name that is taken twice is told also where more is wrong.
                if let Some(name) = cell(Column::Is(Field::Name)).filter(|name| Slug::parse(name).is_ok()) {
                    self.seen.entry(name.to_owned()).or_insert(row);
                }
                Err(faults)
            }
        }
    }
}

/// The character between cells: the one that the first row has most of.
pub(super) fn delimiter(first: &[u8]) -> u8 {
    let count = |wanted: u8| memchr::memchr_iter(wanted, first).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(name: &str, slots: i64, note: &str) -> Terms {
        let value = serde_json::json!({
            "name": name, "tenant": "acme", "start": "2026-11-28T00:00", "end": "2026-11-30T12:00", "zone": "Europe/Berlin",
            "slots": slots, "note": note, "repeat": "FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20271231", "except": ["2026-12-21"],
            "overrides": [{ "start": "2026-11-29T00:00", "end": "2026-11-29T06:00", "slots": 3 }]
        });
        serde_json::from_value(value).unwrap()
    }

    fn told(table: &Table) -> Vec<(usize, &str, &str)> {
        table.faults.iter().map(|fault| (fault.row, fault.column.as_str(), fault.found.as_str())).collect()
    }

    #[test]
    fn each_fault_names_row_and_column() {
        let file = "Name;Tenant;From;Until;Slots;Owner\n\
                    a;acme;2026-11-28T00:00;2026-11-29T00:00;5;x\n\
                    ;acme;2026-11-28T00:00;;4OO;\n\
                    a;acme;2026-11-28T00:00;;4;\n\
                    b;acme;28.11.2026;;4;\n\
                    c;acme;2026-11-28T00:00;;4;;;;\n\n\
                    d;acme;2026-11-28 07:30;;7;\n";
        let table = read(file.as_bytes(), "Europe/Berlin");
        assert_eq!(
            told(&table),
            [(3, "Name", ""), (3, "Slots", "4OO"), (4, "Name", "a"), (5, "From", "28.11.2026"), (6, "", "9 cells")]
        );
        assert_eq!((table.bad_rows(), table.rows.iter().map(|row| row.row).collect::<Vec<_>>()), (4, vec![2, 7]));
        assert_eq!(table.columns[5], ("Owner".to_owned(), None));
        let mend = String::from_utf8(table.rejected()).unwrap();
        assert_eq!(mend.lines().count(), 5);
        assert!(mend.lines().nth(1).unwrap().contains("4OO"), "{mend}");
    }

    #[test]
    fn nonsense_is_answered_and_never_taken() {
        let noise: Vec<u8> = (0..10_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let table = read(&noise, "UTC");
        assert!(table.rows.is_empty() && !table.faults.is_empty() && table.faults.len() <= MOST_TOLD);
        let mut with_header = b"name,tenant,start,slots\n".to_vec();
        with_header.extend(&noise);
        let table = read(&with_header, "UTC");
        assert!(table.rows.is_empty() && table.bad_rows() > 0 && table.faults.len() <= MOST_TOLD + 1);
        for file in ["", "\n\n\n", "name,name,tenant,start,slots\n", "name,tenant\n1,2\n"] {
            assert!(!read(file.as_bytes(), "UTC").faults.is_empty(), "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_exported_is_imported(slots in prop::collection::vec(1_i64..1000, 1..20), note in "[ -~\n'=+@-]{0,40}") {
            let all: Vec<(Uuid, Terms)> = slots
                .iter()
                .enumerate()
                .map(|(n, slots)| (Uuid::from_u128(n as u128), terms(&format!("r-{n}"), *slots, note.trim())))
                .collect();
            let file = write(all.iter().map(|(id, terms)| (*id, terms)));
            let table = read(&file, "UTC");
            prop_assert_eq!(told(&table), Vec::new());
            let back: Vec<(Uuid, Terms)> = table.rows.into_iter().map(|row| (row.id.unwrap(), row.terms)).collect();
            prop_assert_eq!(back, all);
        }
    }
}
