//! Files of series: a row for each, its name and then its values, oldest first. An empty field is a value that is missing.

use std::collections::HashMap;
use std::io::Read;

/// Longest file that is read.
pub const MOST_BYTES: u64 = 256 << 20;
/// Most rows of a file.
pub const MOST_SERIES: usize = 100_000;
/// Most values of a row.
pub const MOST_VALUES: usize = 200_000;
/// Longest name, in bytes.
pub const LONGEST_NAME: usize = 200;
/// How much of a wrong field is shown.
const SHOWN: usize = 40;

/// A named series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// As the file names it.
    pub name: String,
    /// Oldest first; NaN where a value is missing.
    pub values: Vec<f64>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("there is no series: expected rows of a name and values, oldest first, without a header")]
    Empty,
    /// A field is not what it should be.
    #[error("row {row}, field {field}: found {found}, expected {expected}")]
    Field {
        /// From 1.
        row: usize,
        /// From 1; the name is field 1.
        field: usize,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// There is too much of it.
    #[error("row {row}: found more than {most} {what}, expected at most {most}")]
    TooMuch {
        /// From 1.
        row: usize,
        /// Of what.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// It is not a table.
    #[error("row {row}: {why}")]
    NoTable {
        /// From 1.
        row: usize,
        /// What the reader says.
        why: String,
    },
}

/// Reads series. Nothing is kept of a file with a fault.
pub fn read(source: impl Read) -> Result<Vec<Series>, Unreadable> {
    // One byte more than is allowed tells that there is more.
    let mut bounded = source.take(MOST_BYTES + 1);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&mut bounded);
    let mut all = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut record = csv::StringRecord::new();
    loop {
        let row = all.len() + 1;
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(Unreadable::NoTable { row, why: reason(&error) }),
        }
        if reader.position().byte() > MOST_BYTES {
            return Err(Unreadable::TooMuch { row, what: "bytes up to here", most: MOST_BYTES });
        }
        if row > MOST_SERIES {
            return Err(Unreadable::TooMuch { row, what: "series", most: MOST_SERIES as u64 });
        }
        let one = series(&record, row)?;
        if let Some(earlier) = names.insert(one.name.clone(), row) {
            let expected = format!("a name of its own; row {earlier} has it too");
            return Err(Unreadable::Field { row, field: 1, found: shown(&one.name), expected });
        }
        all.push(one);
    }
    if all.is_empty() { Err(Unreadable::Empty) } else { Ok(all) }
}

fn series(record: &csv::StringRecord, row: usize) -> Result<Series, Unreadable> {
    let mut fields = record.iter();
    let name = fields.next().unwrap_or_default().trim();
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    if !is_name {
        let expected = format!("a name of 1 to {LONGEST_NAME} bytes without control characters");
        return Err(Unreadable::Field { row, field: 1, found: shown(name), expected });
    }
    if record.len() > MOST_VALUES + 1 {
        return Err(Unreadable::TooMuch { row, what: "values", most: MOST_VALUES as u64 });
    }
    let mut values = Vec::with_capacity(record.len());
    for (place, field) in fields.enumerate() {
        let text = field.trim();
        let value =
            if text.is_empty() { Some(f64::NAN) } else { text.parse().ok().filter(|value: &f64| value.is_finite()) };
        let Some(value) = value else {
            let hint = if row == 1 { " (a file has no header)" } else { "" };
            let expected = format!("a finite number, or nothing for a missing value{hint}");
            return Err(Unreadable::Field { row, field: place + 2, found: shown(text), expected });
        };
        values.push(value);
    }
    Ok(Series { name: name.to_owned(), values })
}

/// The beginning of a field, quoted.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => {
            format!("field {}: found bytes that are not UTF-8, expected text", err.field() + 1)
        }
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        read(text).expect_err("it is wrong").to_string()
    }

    #[test]
    fn an_empty_field_is_missing_and_not_zero() {
        let all = read("a,1,,3\n\"b, c\",-0.5, 2e3 \r\nd\n".as_bytes()).expect("it is right");
        assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b, c", "d"]);
        assert!(all[0].values[1].is_nan() && (all[0].values[2] - 3.0).abs() < f64::EPSILON);
        assert_eq!((&all[1].values[..], all[2].values.len()), (&[-0.5, 2000.0][..], 0));
    }

    #[test]
    fn a_wrong_field_is_named() {
        assert_eq!(
            fault(b"id,V2\na,1\n"),
            "row 1, field 2: found \"V2\", expected a finite number, or nothing for a missing value (a file has no header)"
        );
        assert_eq!(
            fault(b"a,1\nb,1,x\n"),
            "row 2, field 3: found \"x\", expected a finite number, or nothing for a missing value"
        );
        assert!(fault(b"a,1\nb,1e999\n").contains("row 2, field 2: found \"1e999\""));
        assert!(fault(b"a,NaN\n").contains("found \"NaN\""));
        assert!(fault(b",1\n").contains("row 1, field 1: found \"\", expected a name"));
        assert_eq!(fault(b"a,1\na,2\n"), "row 2, field 1: found \"a\", expected a name of its own; row 1 has it too");
        assert_eq!(fault(b"a,1\nb,\xff\n"), "row 2: field 2: found bytes that are not UTF-8, expected text");
        assert!(fault(format!("a,{}\n", "9".repeat(5_000)).as_bytes()).len() < 200, "a long field is cut");
    }

    #[test]
    fn bounds_hold() {
        assert!(fault(b"").contains("there is no series"));
        assert!(fault(&[b"a".as_slice(), &b",1".repeat(MOST_VALUES + 1)].concat()).contains("more than 200000 values"));
        let name = "n".repeat(LONGEST_NAME + 1);
        assert!(fault(format!("{name},1\n").as_bytes()).contains("1 to 200 bytes"));
    }
}
