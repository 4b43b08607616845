//! Reservations as CSV. What is written is read back as it was; what is read is checked row by row, and each fault names its row,
//! its column, what was found and what was expected.

use headroom_domain::plan::Fault;
use headroom_domain::plan::change::Field;
use headroom_domain::plan::terms::Terms;
use headroom_domain::plan::text;
use headroom_domain::slug::Slug;
use std::collections::HashMap;
use uuid::Uuid;

/// Most bytes of a table.
pub const MOST_BYTES: usize = 20 * 1024 * 1024;
/// Most rows of a table.
pub const MOST_ROWS: usize = 20_000;
/// Most faults that are told.
pub const MOST_TOLD: usize = 1_000;
/// The column with the reservation's id: a file that has it can rename reservations.
pub const ID: &str = "id";
/// Longest cell that is read, in bytes: all exceptions and temporary changes of a reservation fit.
const LONGEST_CELL: usize = 32 * 1024;

/// What people also call a column.
const ALSO: [(&str, Field); 12] = [
    ("from", Field::Start),
    ("begin", Field::Start),
    ("to", Field::End),
    ("until", Field::End),
    ("size", Field::Slots),
    ("baseline", Field::Slots),
    ("timezone", Field::Zone),
    ("time_zone", Field::Zone),
    ("tz", Field::Zone),
    ("reservation", Field::Name),
    ("rrule", Field::Repeat),
    ("comment", Field::Note),
];

/// A fault in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    /// The row as spreadsheets count: the header is 1.
    pub row: usize,
    /// The column's name in the file; empty if the row as a whole is wrong.
    pub column: String,
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
}

/// A table that was read.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Columns as they were understood: their names in the file and what they are, `None` = not read.
    pub columns: Vec<(String, Option<&'static str>)>,
    /// Rows that can be read.
    pub rows: Vec<TableRow>,
    /// Faults of the others, in order of rows; the first [`MOST_TOLD`].
    pub faults: Vec<TableFault>,
    /// Rows that cannot be read.
    pub bad_rows: usize,
    /// Rows with a fault as they were, with what is wrong in a last column: a file to mend.
    pub rejected: Vec<u8>,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Is(Field),
}

impl Column {
    fn as_str(self) -> &'static str {
        match self {
            Self::Id => ID,
            Self::Is(field) => field.as_str(),
        }
    }

    fn of(name: &str) -> Option<Self> {
        let name = name.trim().trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-'], "_");
        if name == ID {
            return Some(Self::Id);
        }
        let also = ALSO.iter().find(|(other, _)| *other == name).map(|(_, field)| *field);
        name.parse().ok().or(also).map(Self::Is)
    }
}

/// Text that a spreadsheet would take for a formula is quoted, and read without the quote.
fn quoted(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    if is_formula { format!("'{text}") } else { text }
}

fn unquoted(text: &str) -> &str {
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
    let mut table = Table::default();
    let whole = |found: &str, expected: &str| TableFault {
        row: 1,
        column: String::new(),
        found: found.chars().take(80).collect(),
        expected: expected.to_owned(),
    };
    if bytes.len() > MOST_BYTES {
        table.faults.push(whole(&format!("{} bytes", bytes.len()), "at most 20 MB"));
        return table;
    }
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter(first)).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            table.faults.push(whole(&error.to_string(), "a first row with names of columns"));
            return table;
        }
    };
    let names: Vec<String> =
        header.iter().take(100).map(|name| String::from_utf8_lossy(name).chars().take(80).collect()).collect();
    let columns: Vec<Option<Column>> = names.iter().map(|name| Column::of(name)).collect();
    table.columns = names.iter().cloned().zip(columns.iter().map(|column| column.map(Column::as_str))).collect();
    for field in [Field::Name, Field::Tenant, Field::Start, Field::Slots] {
        if !columns.contains(&Some(Column::Is(field))) {
            let expected =
                format!("a column {} in the first row; needed are name, tenant, start and slots", field.as_str());
            table.faults.push(whole(&names.join(", "), &expected));
        }
    }
    let twice = (1..columns.len()).find(|&i| columns[i].is_some() && columns[..i].contains(&columns[i]));
    if let Some(place) = twice {
        table.faults.push(TableFault { column: names[place].clone(), ..whole(&names[place], "each column once") });
    }
    if !table.faults.is_empty() {
        return table;
    }
    let mut rejected = csv::Writer::from_writer(Vec::new());
    let _ = rejected.write_record(names.iter().map(String::as_str).chain(["problems"]));
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (number, record) in reader.byte_records().enumerate() {
        let row = number + 2;
        if number >= MOST_ROWS {
            table.bad_rows += 1;
            table.faults.push(TableFault { row, ..whole("another row", "at most 20,000 rows; split the file") });
            break;
        }
        let (read, cells) = match record {
            Ok(record) if record.iter().all(<[u8]>::is_empty) => continue,
            Ok(record) => {
                let cells: Vec<String> = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
                (one(row, &cells, &names, &columns, zone, &mut seen), cells)
            }
            Err(error) => (Err(vec![TableFault { row, ..whole(&error.to_string(), "a row of CSV") }]), Vec::new()),
        };
        match read {
            Ok(read) => table.rows.push(read),
            Err(faults) => {
                table.bad_rows += 1;
                reject(&mut rejected, &names, &cells, &faults);
                let room = MOST_TOLD.saturating_sub(table.faults.len());
                table.faults.extend(faults.into_iter().take(room));
            }
        }
    }
    table.rejected = rejected.into_inner().unwrap_or_default();
    table
}

/// Writes a row that was not taken, with what is wrong with it.
fn reject(writer: &mut csv::Writer<Vec<u8>>, names: &[String], cells: &[String], faults: &[TableFault]) {
    let told: Vec<String> =
        faults.iter().map(|fault| format!("{}: expected {}", fault.column, fault.expected)).collect();
    let cell = |place: usize| cells.get(place).cloned().unwrap_or_default();
    let _ = writer
        .write_record((0..names.len()).map(|place| quoted(unquoted(&cell(place)).to_owned())).chain([told.join("; ")]));
}

impl Table {
    /// Takes rows out that turned out to be wrong later: by row, their faults.
    pub fn refuse(&mut self, faults: Vec<TableFault>) {
        if faults.is_empty() {
            return;
        }
        let mut by: HashMap<usize, Vec<TableFault>> = HashMap::new();
        for fault in &faults {
            by.entry(fault.row).or_default().push(fault.clone());
        }
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut writer = csv::WriterBuilder::new().from_writer(std::mem::take(&mut self.rejected));
        let mut kept = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            let Some(faults) = by.get(&row.row) else {
                kept.push(row);
                continue;
            };
            self.bad_rows += 1;
            let cell = |(_, column): &(String, Option<&'static str>)| match column {
                Some(ID) => row.id.map(|id| id.to_string()).unwrap_or_default(),
                Some(name) => name.parse::<Field>().map(|field| field.text(&row.terms)).unwrap_or_default(),
                None => String::new(),
            };
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            reject(&mut writer, &names, &cells, faults);
        }
        self.rows = kept;
        self.rejected = writer.into_inner().unwrap_or_default();
        let room = MOST_TOLD.saturating_sub(self.faults.len());
        self.faults.extend(faults.into_iter().take(room));
        self.faults.sort_by_key(|fault| fault.row);
    }

    /// The name in the file of the column with a field; the field's own if there is none.
    pub fn column_of(&self, field: &str) -> String {
        let found = self.columns.iter().find(|(_, column)| *column == Some(field));
        found.map_or_else(|| field.to_owned(), |(name, _)| name.clone())
    }
}

fn one(
    row: usize,
    cells: &[String],
    names: &[String],
    columns: &[Option<Column>],
    zone: &str,
    seen: &mut HashMap<String, usize>,
) -> Result<TableRow, Vec<TableFault>> {
    let fault = |column: &str, found: &str, expected: String| TableFault {
        row,
        column: column.to_owned(),
        found: found.chars().take(80).collect(),
        expected,
    };
    if cells.len() > names.len() {
        let expected = format!("{} cells, as many as the first row has", names.len());
        return Err(vec![fault("", &format!("{} cells", cells.len()), expected)]);
    }
    if let Some(place) = cells.iter().position(|cell| cell.len() > LONGEST_CELL) {
        return Err(vec![fault(&names[place], &cells[place], "at most 32,768 bytes in a cell".to_owned())]);
    }
    let place = |wanted: Column| columns.iter().position(|column| *column == Some(wanted));
    let cell = |wanted: Column| {
        place(wanted).and_then(|place| cells.get(place)).map(|cell| unquoted(cell)).filter(|c| !c.is_empty())
    };
    let mut faults: Vec<TableFault> = Vec::new();
    let id = cell(Column::Id).and_then(|text| {
        let id = Uuid::parse_str(text).ok();
        if id.is_none() {
            faults.push(fault(
                &names[place(Column::Id).unwrap_or_default()],
                text,
                "the id of a reservation, or nothing".to_owned(),
            ));
        }
        id
    });
    let terms = text::read(|field| match (cell(Column::Is(field)), field) {
        (None, Field::Zone) => Some(zone.to_owned()),
        (cell, _) => cell.map(str::to_owned),
    });
    let own = |f: &Fault| {
        let column = f.field.parse().ok().and_then(|field| place(Column::Is(field)));
        fault(column.map_or(f.field, |place| names[place].as_str()), &f.found, f.expected.clone())
    };
    match terms {
        Ok(terms) => {
            let before = seen.entry(terms.name.clone()).or_insert(row);
            if *before != row {
                let column = place(Column::Is(Field::Name)).map_or("name", |place| names[place].as_str());
                faults.push(fault(column, &terms.name, format!("a name that no other row has; row {before} has it")));
            }
            if faults.is_empty() { Ok(TableRow { row, id, terms }) } else { Err(faults) }
        }
        Err(found) => {
            // A name that is taken twice is told also where more is wrong.
            if let Some(name) = cell(Column::Is(Field::Name)).filter(|name| Slug::parse(name).is_ok()) {
                seen.entry(name.to_owned()).or_insert(row);
            }
            faults.extend(found.iter().map(own));
            Err(faults)
        }
    }
}

/// The character between cells: the one that the first row has most of.
fn delimiter(first: &[u8]) -> u8 {
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
        assert_eq!((table.bad_rows, table.rows.iter().map(|row| row.row).collect::<Vec<_>>()), (4, vec![2, 7]));
        assert_eq!(table.columns[5], ("Owner".to_owned(), None));
        let mend = String::from_utf8(table.rejected).unwrap();
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
        assert!(table.rows.is_empty() && table.bad_rows > 0 && table.faults.len() <= MOST_TOLD + 1);
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
