//! What the columns of a table are: by their names, by what people also call them, or as somebody says.

use super::table::{LONGEST_CELL, MOST_BYTES, MOST_ROWS, delimiter, unquoted};
use headroom_domain::format::count;
use headroom_domain::plan::change::Field;
use std::collections::HashMap;

/// The column with the reservation's id: a file that has it can rename reservations.
pub const ID: &str = "id";
/// Fields without which no reservation can be read.
pub const NEEDED: [Field; 4] = [Field::Name, Field::Tenant, Field::Start, Field::Slots];
/// Most columns of a table.
pub const MOST_COLUMNS: usize = 100;
/// Rows that are shown as a sample.
const SAMPLE: usize = 5;
/// Longest name of a column, and longest cell of the sample, in characters.
const LONGEST_NAME: usize = 80;

/// What people also call a column, everywhere.
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

/// What a column may mean: good enough for a guess that somebody looks at, not for a file that nobody does.
const PERHAPS: [(&str, Field); 32] = [
    ("reservation_name", Field::Name),
    ("slug", Field::Name),
    ("title", Field::Name),
    ("customer", Field::Tenant),
    ("client", Field::Tenant),
    ("team", Field::Tenant),
    ("account", Field::Tenant),
    ("owner", Field::Tenant),
    ("tenant_slug", Field::Tenant),
    ("type", Field::Kind),
    ("class", Field::Kind),
    ("starts", Field::Start),
    ("start_time", Field::Start),
    ("start_date", Field::Start),
    ("starts_at", Field::Start),
    ("begins", Field::Start),
    ("ends", Field::End),
    ("end_time", Field::End),
    ("end_date", Field::End),
    ("ends_at", Field::End),
    ("finish", Field::End),
    ("slot", Field::Slots),
    ("count", Field::Slots),
    ("quantity", Field::Slots),
    ("amount", Field::Slots),
    ("capacity", Field::Slots),
    ("recurrence", Field::Repeat),
    ("repeats", Field::Repeat),
    ("exceptions", Field::Except),
    ("max", Field::Ceiling),
    ("notes", Field::Note),
    ("description", Field::Note),
];

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The reservation's id.
    Id,
    /// A field of its terms.
    Is(Field),
}

impl Column {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Id).chain(Field::ALL.iter().copied().map(Self::Is))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => ID,
            Self::Is(field) => field.as_str(),
        }
    }

    /// Reads [`Self::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::all().find(|column| column.as_str() == word)
    }

    fn plain(name: &str) -> String {
        name.trim().trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-'], "_")
    }

    /// What a column of this name is.
    pub(super) fn of(name: &str) -> Option<Self> {
        let name = Self::plain(name);
        let also = ALSO.iter().find(|(other, _)| *other == name).map(|(_, field)| Self::Is(*field));
        Self::parse(&name).or(also)
    }

    /// What a column of this name may be.
    fn perhaps(name: &str) -> Option<Self> {
        let name = Self::plain(name);
        let known = PERHAPS.iter().find(|(other, _)| *other == name).map(|(_, field)| Self::Is(*field));
        // A slip of the finger in a name that is long enough to have one.
        let near =
            || (name.len() > 3).then(|| headroom_domain::slug::nearest(&name, Field::ALL.iter().map(|f| f.as_str())));
        known.or_else(|| near().flatten().and_then(Self::parse))
    }
}

/// How it is known what a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has the field's name.
    Named,
    /// Its name means that, or may mean it.
    Guessed,
    /// Nobody knows.
    Not,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its name in the file.
    pub name: String,
    /// What it is taken for.
    pub guess: Option<Column>,
    /// How that is known.
    pub known: Known,
    /// Its cells in the first rows.
    pub sample: Vec<String>,
}

/// A file at first sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Its columns.
    pub heads: Vec<Head>,
    /// Its rows below their names.
    pub rows: usize,
}

/// Names of columns, the most that a table may have, cut to a readable length.
pub(super) fn names(header: &csv::ByteRecord) -> Vec<String> {
    header.iter().take(MOST_COLUMNS).map(|name| cut(&String::from_utf8_lossy(name), LONGEST_NAME)).collect()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// What columns are taken for. Each field is guessed once: names that say it come before names that may mean it.
pub fn guess(names: &[String]) -> Vec<(Option<Column>, Known)> {
    let mut guesses = vec![(None, Known::Not); names.len()];
    let mut taken: HashMap<Column, usize> = HashMap::new();
    let looks: [fn(&str) -> Option<Column>; 3] =
        [|name| Column::parse(&Column::plain(name)), Column::of, Column::perhaps];
    for (round, look) in looks.into_iter().enumerate() {
        for (place, name) in
            names.iter().enumerate().filter(|(place, _)| guesses[*place].0.is_none()).collect::<Vec<_>>()
        {
            if let Some(column) = look(name).filter(|column| !taken.contains_key(column)) {
                taken.insert(column, place);
                guesses[place] = (Some(column), if round == 0 { Known::Named } else { Known::Guessed });
            }
        }
    }
    guesses
}

/// Why a file is not a table at all: a sentence with what was found and what was expected.
fn no_table(bytes: &[u8]) -> Option<String> {
    if bytes.len() > MOST_BYTES {
        return Some(format!("the file has {} bytes; the limit is 20 MB", bytes.len()));
    }
    if bytes.trim_ascii().is_empty() {
        return Some(
            "the file is empty; expected a first row with names of columns and a row for each reservation".to_owned(),
        );
    }
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"PK\x03\x04") || begins(b"\xd0\xcf\x11\xe0") {
        return Some("this is a spreadsheet or an archive and no text; save the sheet as CSV in UTF-8".to_owned());
    }
    if begins(b"\xff\xfe") || begins(b"\xfe\xff") {
        return Some("this is text in UTF-16; save it as CSV in UTF-8".to_owned());
    }
    let row = |place: usize| memchr::memchr_iter(b'\n', &bytes[..place]).count() + 1;
    if let Some(place) = memchr::memchr(0, bytes) {
        return Some(format!("line {}: found a byte that no text has; expected CSV in UTF-8", row(place)));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let place = error.valid_up_to();
        let found = bytes.get(place).copied().unwrap_or_default();
        return Some(format!(
            "line {}: found the byte {found:02x}, which is not UTF-8; save the file as CSV in UTF-8",
            row(place)
        ));
    }
    None
}

/// Looks at a file for the first time.
///
/// # Errors
/// A sentence that says why it cannot be read as a table.
pub fn look(bytes: &[u8]) -> Result<Sight, String> {
    if let Some(why) = no_table(bytes) {
        return Err(why);
    }
    let mut reader = reader(bytes);
    let header = reader.byte_headers().map_err(|error| error.to_string())?.clone();
    if header.len() > MOST_COLUMNS {
        return Err(format!("the first row names {} columns; expected at most {MOST_COLUMNS}", header.len()));
    }
    let names = names(&header);
    let guesses = guess(&names);
    let mut samples: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    // Rows of empty cells are passed over, but have their numbers.
    let (mut rows, mut all) = (0, 0);
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| error.to_string())? {
        all += 1;
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        rows += 1;
        if rows <= SAMPLE {
            for (place, sample) in samples.iter_mut().enumerate() {
                let cell = record.get(place).unwrap_or_default();
                let cell = String::from_utf8_lossy(&cell[..cell.len().min(LONGEST_CELL)]);
                sample.push(cut(unquoted(&cell), LONGEST_NAME));
            }
        }
    }
    if rows == 0 {
        return Err(
            "the file has names of columns and no row below them; expected a row for each reservation".to_owned()
        );
    }
    if all > MOST_ROWS {
        return Err(format!(
            "the file has {} rows{}; the limit is {}: split it",
            count(all as i64),
            if all > rows { ", those of empty cells included" } else { "" },
            count(MOST_ROWS as i64)
        ));
    }
    let heads = names
        .into_iter()
        .zip(guesses)
        .zip(samples)
        .map(|((name, (guess, known)), sample)| Head { name, guess, known, sample })
        .collect();
    Ok(Sight { heads, rows })
}

/// Reads cells between commas, semicolons or tabs.
pub(super) fn reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    csv::ReaderBuilder::new().delimiter(delimiter(first)).flexible(true).trim(csv::Trim::All).from_reader(bytes)
}

/// What is wrong with what columns are said to be: fields that are missing, and fields that two columns claim.
pub fn faults(names: &[String], columns: &[Option<Column>]) -> Vec<String> {
    let mut faults = Vec::new();
    for column in Column::all() {
        let claim: Vec<&str> =
            (0..columns.len()).filter(|i| columns[*i] == Some(column)).map(|i| names[i].as_str()).collect();
        if claim.len() > 1 {
            faults.push(format!(
                "{} is read from {} columns ({}); expected one",
                column.as_str(),
                claim.len(),
                claim.join(", ")
            ));
        }
    }
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|field| !columns.contains(&Some(Column::Is(**field))))
        .map(|field| field.as_str())
        .collect();
    if !missing.is_empty() {
        faults.push(format!("no column is read as {}; a reservation cannot be without", missing.join(", ")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(names: &[&str]) -> Vec<(&'static str, Known)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        guess(&names).into_iter().map(|(column, known)| (column.map_or("", Column::as_str), known)).collect()
    }

    #[test]
    fn columns_are_guessed_once_each_and_said_to_be_guessed() {
        assert_eq!(
            words(&["Name", "Customer", "From", "End", "Quantity", "Colour", "tenant"]),
            [
                ("name", Known::Named),
                ("", Known::Not),
                ("start", Known::Guessed),
                ("end", Known::Named),
                ("slots", Known::Guessed),
                ("", Known::Not),
                ("tenant", Known::Named),
            ]
        );
        assert_eq!(words(&["Tennant", "x"]), [("tenant", Known::Guessed), ("", Known::Not)]);
        assert_eq!(words(&["\u{feff}name", "start", "begin"])[2], ("", Known::Not), "each field once");
    }

    #[test]
    fn what_is_no_table_is_told_clearly() {
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"\r\n \r\n", "empty"),
            (b"name,tenant\r\n", "no row"),
            (b"PK\x03\x04\x14\x00", "archive"),
            (b"\xff\xfen\x00a\x00", "UTF-16"),
            (b"name,tenant\na,b\nM\xfcnchen,b\n", "line 3: found the byte fc"),
            (b"name,tenant\na\x00,b\n", "line 2"),
        ] {
            let told = look(bytes).expect_err("this is no table");
            assert!(told.contains(expected), "{told}");
        }
        let wide = vec!["x"; 101].join(";") + "\n1\n";
        assert!(look(wide.as_bytes()).expect_err("too wide").contains("101 columns"));
        let long = "name\n".to_owned() + &"a\n".repeat(MOST_ROWS + 1);
        assert!(look(long.as_bytes()).expect_err("too long").contains("20,001 rows"));
    }

    #[test]
    fn semicolons_tabs_quotes_and_ends_of_lines_are_seen_through() {
        for text in [
            "\u{feff}name,tenant,note\r\nnight,acme,\"one, two\"\r\n",
            "name;tenant;note\nnight;acme;one, two\n",
            "name\ttenant\tnote\r\nnight\tacme\tone, two",
        ] {
            let sight = look(text.as_bytes()).unwrap();
            let seen: Vec<(&str, &str)> = sight.heads.iter().map(|h| (h.name.as_str(), h.sample[0].as_str())).collect();
            assert_eq!(seen, [("name", "night"), ("tenant", "acme"), ("note", "one, two")], "{text:?}");
            assert_eq!(sight.rows, 1);
        }
    }

    #[test]
    fn a_field_that_is_missing_or_claimed_twice_is_named() {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let columns = [Some(Column::Is(Field::Start)), Some(Column::Is(Field::Start)), None];
        let told = faults(&names, &columns);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("start is read from 2 columns (a, b)"), "{told:?}");
        assert!(told[1].contains("name, tenant, slots"), "{told:?}");
    }
}
