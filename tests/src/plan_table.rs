//! A table of reservations with faults, each of a known kind in a known place.

use std::fmt::Write as _;

/// A fault that was put into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// The row as spreadsheets count.
    pub row: usize,
    /// The column.
    pub column: &'static str,
    /// What is found there.
    pub found: &'static str,
    /// A part of what is said to be expected.
    pub expected: &'static str,
}

/// 1,204 rows for the tenant `acme`, of which 17 have a fault each.
pub fn with_faults() -> (String, Vec<Seeded>) {
    let mut table = "name,tenant,start,end,zone,slots\n".to_owned();
    let mut seeded = Vec::new();
    for number in 0..1204 {
        let row = number + 2;
        let (mut name, mut tenant, mut start, mut end, mut zone, mut slots) =
            (format!("r-{number}"), "acme", "2026-12-01T00:00", "2026-12-02T00:00", "Europe/Berlin", "4");
        let (column, found, expected) = match number {
            10 | 20 | 30 | 40 | 50 | 60 | 70 => {
                tenant = "acmee";
                ("tenant", tenant, "the slug of a tenant")
            }
            100 | 110 | 120 | 130 => {
                end = "2026-11-30T00:00";
                ("end", end, "after the start")
            }
            310 => {
                slots = "4OO";
                ("slots", slots, "a whole number of slots")
            }
            400 => {
                zone = "Mars/Olympus";
                ("zone", zone, "an IANA time zone")
            }
            500 => {
                start = "2027-03-28T02:30";
                end = "2027-03-29T02:30";
                ("start", start, "clocks")
            }
            600 => {
                end = "2027-10-31T02:30";
                ("end", end, "which of two")
            }
            700 => {
                "r-1".clone_into(&mut name);
                ("name", "r-1", "row 3 has it")
            }
            800 => {
                slots = "-3";
                ("slots", slots, "1 to 10,000,000")
            }
            _ => ("", "", ""),
        };
        if !column.is_empty() {
            seeded.push(Seeded { row, column, found, expected });
        }
        let _ = writeln!(table, "{name},{tenant},{start},{end},{zone},{slots}");
    }
    (table, seeded)
}

/// The file of its rejected rows, corrected.
pub fn mended(rejected: &str) -> String {
    rejected
        .replace("acmee", "acme")
        .replace("4OO", "400")
        .replace("'-3", "3")
        .replace("Mars/Olympus", "UTC")
        .replace("2027-03-28T02:30", "2027-03-28T03:30")
        .replace("2026-11-30T00:00", "2026-12-30T00:00")
        .replace("2027-10-31T02:30", "2027-10-31T02:30+01:00")
        .replacen("r-1,", "r-700,", 1)
}
