//! What is wrong with a file, line by line: a bounded list and an exact count.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Wrong lines that are listed; the rest is counted.
pub const MAX_SHOWN: usize = 20;
/// Longest piece of a file that is shown, in characters.
const MAX_FOUND: usize = 60;

/// A cell that cannot be used: what stands there and what could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Name of the column or field.
    pub column: Cow<'static, str>,
    /// What was found, cut and safe to print; empty = nothing stands there.
    pub found: String,
    /// What was expected.
    pub expected: Cow<'static, str>,
}

impl Wrong {
    /// A cell that cannot be used.
    pub fn new(column: impl Into<Cow<'static, str>>, found: &[u8], expected: impl Into<Cow<'static, str>>) -> Self {
        Self { column: column.into(), found: shown(found), expected: expected.into() }
    }

    /// The same, on a line of a file.
    pub fn on(self, line: u64) -> LineError {
        LineError { line, column: self.column.into_owned(), found: self.found, expected: self.expected.into_owned() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, &self.column, &self.found, &self.expected)
    }
}

/// A wrong line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Its number, from 1.
    pub line: u64,
    /// Name of the column; `line` where it is the line as a whole.
    pub column: String,
    /// What was found, cut and safe to print.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, ", self.line)?;
        describe(f, &self.column, &self.found, &self.expected)
    }
}

fn describe(f: &mut fmt::Formatter<'_>, column: &str, found: &str, expected: &str) -> fmt::Result {
    if found.is_empty() {
        write!(f, "{column}: nothing found, expected {expected}")
    } else {
        write!(f, "{column}: found \"{found}\", expected {expected}")
    }
}

/// The wrong lines of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineErrors {
    /// The first of them, at most [`MAX_SHOWN`].
    pub shown: Vec<LineError>,
    /// All of them.
    pub total: u64,
}

impl LineErrors {
    /// Takes one up.
    pub fn push(&mut self, error: LineError) {
        self.total += 1;
        if self.shown.len() < MAX_SHOWN {
            self.shown.push(error);
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for LineErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.shown.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        match self.total - self.shown.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\nand {more} more wrong lines"),
        }
    }
}

/// The beginning of bytes that came in, safe to print.
pub fn shown(bytes: &[u8]) -> String {
    // Four bytes make at most one character, so a long cell is cut before it is decoded.
    let head = &bytes[..bytes.len().min(MAX_FOUND * 4)];
    let text = String::from_utf8_lossy(head);
    let mut out: String = text.chars().take(MAX_FOUND).flat_map(char::escape_debug).collect();
    if text.chars().count() > MAX_FOUND || head.len() < bytes.len() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_listed_up_to_a_bound_and_counted_beyond() {
        let mut errors = LineErrors::default();
        for line in 1..=25 {
            errors.push(Wrong::new("occupied", b"-3", "0 to 10000000").on(line));
        }
        let text = errors.to_string();
        assert!(text.starts_with("line 1, occupied: found \"-3\", expected 0 to 10000000\n"), "{text}");
        assert!(text.ends_with("\nand 5 more wrong lines"), "{text}");
    }

    #[test]
    fn what_is_shown_is_short_and_printable() {
        assert_eq!(shown(b"a\0b\x1b[31m"), "a\\0b\\u{1b}[31m");
        assert_eq!(shown(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(shown(&[b'x'; 1000]).len(), 63);
    }

    #[test]
    fn an_empty_cell_is_said_to_be_empty() {
        assert_eq!(Wrong::new("ts", b"", "a time").to_string(), "ts: nothing found, expected a time");
    }
}
