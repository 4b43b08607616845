//! What somebody repaired of a table without touching the file: what its columns are, values that are read as others, cells that
//! were corrected, rows that are left out.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most values that are read as others.
pub const MOST_REPLACED: usize = 500;
/// Most cells that are corrected by hand; whoever has more to correct corrects the file.
pub const MOST_CORRECTED: usize = 2_000;
/// Longest text of a corrected cell or of a value that is read as another, in characters.
pub const LONGEST: usize = 200;

/// Repairs of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    /// What each column of the file is, in their order: a field's name, or nothing where it is not read. `None` = nobody said.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// By field: values of the file, and as what they are read.
    #[serde(default)]
    pub replaced: BTreeMap<String, BTreeMap<String, String>>,
    /// By row and place of the column: what the cell says instead.
    #[serde(default)]
    pub cells: BTreeMap<usize, BTreeMap<usize, String>>,
    /// Rows that are left out.
    #[serde(default)]
    pub skipped: BTreeSet<usize>,
    /// Nothing is taken while a row has a fault.
    #[serde(default)]
    pub all_or_nothing: bool,
}

impl Repairs {
    /// What a value of a field is read as; `None` = as it is.
    pub fn instead(&self, field: &str, value: &str) -> Option<&str> {
        self.replaced.get(field)?.get(value).map(String::as_str)
    }

    /// Reads a value of a field as another, or as it is again.
    pub fn replace(&mut self, field: &str, value: &str, by: &str) {
        let of_field = self.replaced.entry(field.to_owned()).or_default();
        if by.is_empty() || by == value {
            of_field.remove(value);
        } else {
            of_field.insert(value.to_owned(), by.to_owned());
        }
        self.replaced.retain(|_, values| !values.is_empty());
    }

    /// Corrects a cell, or leaves it as the file has it.
    pub fn correct(&mut self, (row, place): (usize, usize), original: &str, text: &str) {
        let of_row = self.cells.entry(row).or_default();
        if text == original {
            of_row.remove(&place);
        } else {
            of_row.insert(place, text.to_owned());
        }
        self.cells.retain(|_, cells| !cells.is_empty());
    }

    /// Values that are read as others.
    pub fn replacements(&self) -> usize {
        self.replaced.values().map(BTreeMap::len).sum()
    }

    /// Cells that were corrected.
    pub fn corrections(&self) -> usize {
        self.cells.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_is_no_repair() {
        let mut repairs = Repairs::default();
        repairs.replace("tenant", "acme-serch", "acme-search");
        repairs.correct((42, 3), "2026-11-27", "2026-11-29");
        assert_eq!((repairs.replacements(), repairs.corrections()), (1, 1));
        assert_eq!(repairs.instead("tenant", "acme-serch"), Some("acme-search"));
        let kept = serde_json::to_value(&repairs).unwrap();
        assert_eq!(serde_json::from_value::<Repairs>(kept).unwrap(), repairs);
        repairs.replace("tenant", "acme-serch", "");
        repairs.correct((42, 3), "2026-11-27", "2026-11-27");
        assert_eq!(repairs, Repairs::default());
    }
}
