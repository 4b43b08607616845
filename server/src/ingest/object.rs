//! Flat JSON objects as rows of cells: `{"pool":"a","ts":"...","occupied":5,"signals":{"lag":1.5}}`.
//!
//! Rows come by the hundred thousand and have a dozen known members, so they are cut up in place;
//! only a row with an escape in it goes through a general parser.

use super::report::Wrong;
use super::table::{Cells, Columns};
use serde_json::Value;

/// Cuts a row into cells. `column` names the members that are known.
pub fn cut(row: &[u8], columns: &mut Columns, cells: &mut Cells) -> Result<(), Wrong> {
    cells.clear(columns);
    if memchr::memchr(b'\\', row).is_some() {
        return slow(row, columns, cells);
    }
    let mut scanner = Scanner { text: row, at: 0 };
    let mut place = 0;
    scanner.members(|scanner, name| {
        if name == b"signals" && columns.signals() && scanner.peek() == Some(b'{') {
            return scanner.members(|scanner, name| {
                let value = scanner.value()?;
                let at = columns.signal(name)?;
                cells.set(columns, at, value)
            });
        }
        let value = scanner.value()?;
        let at = columns.find_at(place, name)?;
        place += 1;
        cells.set(columns, at, value)
    })?;
    scanner.end()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn wrong(&self, expected: &'static str) -> Wrong {
        Wrong::new("line", &self.text[self.at.min(self.text.len())..], expected)
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), Wrong> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.wrong(expected))
    }

    /// The inside of a string without escapes.
    fn string(&mut self) -> Result<(usize, usize), Wrong> {
        self.take(b'"', "a name in quotes")?;
        let start = self.at;
        match memchr::memchr(b'"', &self.text[start..]) {
            Some(length) => {
                self.at = start + length + 1;
                Ok((start, start + length))
            }
            None => Err(self.wrong("a closing quote: the line may be cut")),
        }
    }

    /// The place of a string, number, `true`, `false` or `null`; `null` is nothing.
    fn value(&mut self) -> Result<(usize, usize), Wrong> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => Err(self.wrong("a number, a text or null")),
            Some(_) => {
                let start = self.at;
                while self
                    .text
                    .get(self.at)
                    .is_some_and(|b| !matches!(b, b',' | b'}' | b']') && !b.is_ascii_whitespace())
                {
                    self.at += 1;
                }
                match &self.text[start..self.at] {
                    b"" => Err(self.wrong("a number, a text or null")),
                    b"null" => Ok((start, start)),
                    _ => Ok((start, self.at)),
                }
            }
            None => Err(self.wrong("a value: the line may be cut")),
        }
    }

    /// Walks the members of an object; `each` reads the value.
    fn members(&mut self, mut each: impl FnMut(&mut Self, &[u8]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.take(b'{', "an object in braces")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let (from, to) = self.string()?;
            self.take(b':', "a colon after the name")?;
            let text = self.text;
            each(self, &text[from..to])?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong("a comma or a closing brace: the line may be cut")),
            }
        }
    }

    fn end(&mut self) -> Result<(), Wrong> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong("nothing after the closing brace")) }
    }
}

fn slow(row: &[u8], columns: &mut Columns, cells: &mut Cells) -> Result<(), Wrong> {
    let object = match serde_json::from_slice(row) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(Wrong::new("line", row, "an object in braces")),
        Err(error) => return Err(Wrong::new("line", row, format!("a JSON object on one line ({error})"))),
    };
    for (name, value) in &object {
        match value {
            Value::Object(signals) if name == "signals" && columns.signals() => {
                for (name, value) in signals {
                    let at = columns.signal(name.as_bytes())?;
                    cells.set_text(columns, at, &plain(value)?)?;
                }
            }
            _ => {
                let at = columns.find(name.as_bytes())?;
                cells.set_text(columns, at, &plain(value)?)?;
            }
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Result<String, Wrong> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => {
            Err(Wrong::new("line", value.to_string().as_bytes(), "a number, a text or null"))
        }
    }
}
