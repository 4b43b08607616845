//! Reports as files: tables as CSV, paper as PDF with real text, and a picture of the most important. What they say is the text of
//! the figures, the same as on the page.

mod letters;
mod pdf;
mod picture;

pub use pdf::{Paper, pdf};
pub use picture::png;

use headroom_domain::format::date_time;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::report::{Cell, Table};
use headroom_domain::{Millis, range};

/// What stands around a report on paper.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The organisation's name.
    pub organisation: String,
    /// The zone of its times.
    pub zone: ZoneSlice,
    /// When its figures were reckoned: when it was closed, or now.
    pub made_ms: Millis,
    /// Its state: `closed, version 1` or `provisional`.
    pub state: String,
    /// Where it is: an address that always leads to these figures.
    pub link: String,
    /// SHA-256 of its figures, if they are all of them.
    pub checksum: String,
}

impl Frame {
    fn time(&self, at: Millis) -> String {
        date_time(self.zone.local(at))
    }
}

/// A table as CSV: its columns by key, its rows, and the total as the last row where there is one.
pub fn csv(table: &Table, currency: Option<&str>) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let header = table.columns.iter().map(|column| column.key.as_str()).chain(currency.map(|_| "currency"));
    // Writing into memory does not fail, and every row is as wide as the header.
    let _ = out.write_record(header);
    let total = table.total().map(|mut cells| {
        if let Some(first) = cells.first_mut() {
            *first = Cell::text("total");
        }
        cells
    });
    for cells in table.rows.iter().map(|row| &row.cells).chain(&total) {
        let texts = cells.iter().map(|cell| match cell {
            Cell::Text(text) => unarmed(text),
            number => number.raw(),
        });
        let _ = out.write_record(texts.chain(currency.map(str::to_owned)));
    }
    let bytes = out.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Text that a spreadsheet would run is quoted with an apostrophe.
fn unarmed(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// How a file of a report is called.
pub fn file_name(kind: &str, period: &str, table: Option<&str>, extension: &str) -> String {
    let table = table.map(|table| format!("_{table}")).unwrap_or_default();
    format!("headroom_{kind}_{period}{table}.{extension}")
}

/// An instant for a footer.
fn utc(at: Millis) -> String {
    range::rfc3339(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::report::Row;

    #[test]
    fn tables_end_with_their_total_and_hide_no_formula() {
        let mut table = Table::new("waste", "", "", &[("tenant", "Tenant"), ("idle_slot_ms", "Idle")]);
        table.has_total = true;
        for (tenant, slot_ms) in [("=1+1", 7), ("b,\"c", 8)] {
            let cells = vec![Cell::text(tenant), Cell::SlotTime(slot_ms)];
            table.rows.push(Row::of(cells));
        }
        let expected = "tenant,idle_slot_ms,currency\n'=1+1,7,EUR\n\"b,\"\"c\",8,EUR\ntotal,15,EUR\n";
        assert_eq!(csv(&table, Some("EUR")), expected);
    }
}
